"""Class weights do not change the limit of vanishing weight decay, and how fast it is reached with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.bridges.settings import LINEAR, max_margin, unbiased
from theory.bridges.small_decay import TWO_SIZES, L, fade, m_yc, root
from theory.claim import Asymptotic, Claim, Family, Mutant, Reading
from theory.conjectures.vanishing_decay import frame_steps
from theory.derivation import Derivation, Identity, Lemma
from theory.hong_ling_2023.large_sample_limit import REACH
from theory.hong_ling_2023.reduction import moduli
from theory.loss_observables import WIDE
from theory.new_results.label_smoothing import root_entries
from theory.observables import rational, two_cluster_parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_pairs
from theory.symbols import K, w

__all__ = ["weighted_path"]

Array = NDArray[Any]

cos_AA, cos_AB, cos_BB = sp.symbols("cos_AA cos_AB cos_BB", real=True)
"""Cosines of classifier rows: two of the larger classes, one of either size, two of the smaller."""
ROOT = root_entries(sp.Rational(1, 2))


def weighted_readings(optimum: Optimum) -> Iterator[Reading]:
    """Margins of class y with weight w_y beside the max-margin multipliers; cosines of classifier rows.

    Examples
    --------
    >>> list(weighted_readings(Optimum(STEP, "exact")))
    []
    """
    problem, Z = optimum.problem, optimum.logits
    for other in optimum.companions:
        H = other.gram_features
        if Z is None or H is None:
            continue
        scale = -sp.log(rational(problem.x2)) / 2
        for y, c in class_pairs(problem):
            yield {L: scale, m_yc: Z[y, y] - Z[c, y], root: -H[c, y], w: rational(problem.weights[y])}
        sizes = np.array([(0 * Z[0, 0] + n.numerator) / n.denominator for n in problem.sizes])
        W = moduli(Z * np.sqrt(sizes))[0]
        A, B = (cluster.members for cluster in problem.clusters)
        found = {**two_cluster_parameters(problem), cos_AB: _cosine(W, A[0], B[0])}
        for symbol, members in ((cos_AA, A), (cos_BB, B)):
            if len(members) > 1:
                found[symbol] = _cosine(W, *members[:2])
        yield found


def _cosine(gram: Array, i: int, j: int) -> Any:
    return gram[i, j] / np.sqrt(gram[i, i] * gram[j, j])


def weighted_derivation() -> Derivation:
    """Stationarity at leading order: w_y p_cy = x (-(S^(1/2))_cy), S the pseudo-inverse of P D P."""
    share, multiplier, decay, total, size = sp.symbols("p m x N n", positive=True)
    weight = sp.Symbol("w", positive=True)
    return Derivation(
        steps=(
            *frame_steps(),
            Lemma("Z/t -> P and U -> the polar factor of P D^(1/2), smooth there (rank K - 1)", "UC26-03"),
            Identity(
                "row c of column y: (n w/N) p_cy = lam n m, m the entry -(S^(1/2))_cy, lam = x/N",
                sp.solve(sp.Eq(size * weight / total * share, decay / total * size * multiplier), share)[0],
                decay * multiplier / weight,
            ),
            Identity(
                "margin: -log p_cy + o(1)",
                -sp.log(sp.exp(-L) * multiplier / weight),
                L + sp.log(weight) - sp.log(multiplier),
            ),
            Lemma(
                "so Z = L P + constants + O(1/L), and W W^T is (P D P)^(1/2) + O(1/L) up to scale",
                "smoothness of the polar factor at constant rank",
            ),
        )
    )


STEP = Problem.ce([(8, 3), (2, 2)], 1, weights=[(1, 3), (5, 2)])

weighted_path = Claim(
    id="UC26-04",
    title="Class weights do not change the geometry as the weight decay vanishes",
    kind="limit",
    paper="conjectures",
    statement=(
        r"x = \lambda N \to 0,\ S = (P D P)^+:\quad m_{y,c} = \log\tfrac1x + \log w_y - "
        r"\log\left(-(S^{1/2})_{cy}\right) + O\left(1/\log\tfrac1x\right)",
        r"\cos(w_i, w_j) = \cos_{\mathrm{SELI}}(i, j) + O\left(1/\log\tfrac1x\right): \text{ the same for all weights}",
    ),
    relations=(
        Asymptotic(m_yc - L, sp.log(w) - sp.log(root)),
        Asymptotic(cos_AA, ROOT["AA"] / ROOT["A"]),
        Asymptotic(cos_BB, ROOT["BB"] / ROOT["B"]),
        Asymptotic(cos_AB, ROOT["AB"] / sp.sqrt(ROOT["A"] * ROOT["B"])),
    ),
    read=weighted_readings,
    along=fade,
    companions=lambda problem: (max_margin(problem),),
    hypotheses=(LINEAR, TWO_SIZES, unbiased("a free bias has another limit, HL23-17"), REACH, WIDE),
    witness=STEP,
    family=Family(sizes="two", bias=("none",), near=(), weights=True),
    settings=(Problem.ce([9, (4, 2)], 1, weights=[1, ("1/3", 2)]),),
    derivation=weighted_derivation,
    rests_on=frozenset({"UC26-03", "TH22-02"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("margins do not see the weights", (Asymptotic(m_yc - L, -sp.log(root)),), problem=STEP),
        Mutant(
            "a weight counts like a size: log of its root",
            (Asymptotic(m_yc - L, sp.log(w) / 2 - sp.log(root)),),
            problem=STEP,
        ),
        Mutant("the limit is an ETF", (Asymptotic(cos_BB, -1 / (K - 1)),), problem=STEP),
    ),
    note="Weights decide when classes merge (NR26-03), not where an ever smaller weight decay leads: the margins of a "
    "class gain log w, which vanishes beside log(1/x).",
)
