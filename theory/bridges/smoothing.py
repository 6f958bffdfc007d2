"""Label smoothing gives the same logits under weight decay and under a budget, but other factors: XP26-12."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, log
from typing import Any

import numpy as np
import sympy as sp

from theory.bridges.settings import max_margin
from theory.claim import Asymptotic, Claim, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.hong_ling_2023.reduction import moduli
from theory.loss_observables import eps
from theory.new_results.label_smoothing import BASE, LEVEL, THREE, fainter, limit, rate_derivation, root_entries
from theory.observables import rational, two_cluster_parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_pairs
from theory.symbols import K, kA, kB, nA, nB

PAPER = "bridges"

ridge, budget = sp.symbols("M_ridge M_budget", real=True)
"""Margin of a class over another: weight decay tending to 0, and a budget above T_eps."""
cos_ridge, cos_budget = sp.symbols("c_ridge c_budget", real=True)
"""Cosine of their classifier rows in both, for factors of least norm."""
cos_seli, cos_square = sp.symbols("c_SELI c_square", real=True)
"""The same for max-margin classifiers, and for P D P in place of its root."""
cos_AA, cos_AB = sp.symbols("c_AA c_AB", real=True)
"""Under weight decay, two clusters: two classes of the first, one of either."""


def saturated(problem: Problem) -> tuple[Problem, ...]:
    """The same classes and labels under a budget of more than T_eps; then the max-margin problem.

    Examples
    --------
    >>> found, other = saturated(BASE)
    >>> found.model, found.e_w, other.model
    ('layer-peeled', Fraction(3, 1), 'uf-svm')
    """
    share = float(problem.smoothing)
    critical = (problem.K - 1) * log(1 + problem.K * (1 - share) / share)
    mean = Fraction(ceil(critical / problem.K + 0.5))
    spent = Problem.peeled(problem.sizes, mean, mean).with_loss(smoothing=problem.smoothing)
    return spent, max_margin(problem)


def _cosine(gram: Any, i: int, j: int) -> Any:
    return gram[i, j] / np.sqrt(gram[i, i] * gram[j, j])


def factor_readings(optimum: Optimum) -> Iterator[Reading]:
    """Margins and cosines of classifier rows under weight decay, under the budget, and for max-margin.

    Examples
    --------
    >>> list(factor_readings(Optimum(BASE, "exact")))
    []
    """
    problem, Z, others = optimum.problem, optimum.logits, optimum.companions
    if Z is None or len(others) < 2 or others[0].logits is None or others[1].gram_classifier is None:
        return
    one, spent, seli = 0 * Z[0, 0] + 1, others[0].logits, others[1].gram_classifier
    sizes = np.array([one * n.numerator / n.denominator for n in problem.sizes])
    W, W_spent, square = moduli(Z * np.sqrt(sizes))[0], moduli(spent)[0], seli @ seli
    common: dict[sp.Symbol, Any] = {K: sp.Integer(problem.K), eps: rational(problem.smoothing)}
    for y, c in class_pairs(problem):
        yield {
            **common,
            ridge: Z[y, y] - Z[c, y],
            budget: spent[y, y] - spent[c, y],
            cos_ridge: _cosine(W, y, c),
            cos_budget: _cosine(W_spent, y, c),
            cos_seli: _cosine(seli, y, c),
            cos_square: _cosine(square, y, c),
        }
    if len(problem.clusters) == 2:
        A, B = (cluster.members for cluster in problem.clusters)
        inside = {cos_AA: _cosine(W, A[0], A[1])} if len(A) > 1 else {}
        yield {**two_cluster_parameters(problem), cos_AB: _cosine(W, A[0], B[0]), **inside}


ROOT = root_entries(sp.Rational(1, 2))
SELI_A = ROOT["AA"] / ROOT["A"]
SELI_AB = ROOT["AB"] / sp.sqrt(ROOT["A"] * ROOT["B"])


def factor_derivation() -> Derivation:
    """W W^T is (X X^T)^(1/2) up to a constant, X = Z G^(1/2), with G = D or 1."""
    flat = {nA: 1, nB: 1}
    total = kA + kB
    return Derivation(
        steps=(
            *rate_derivation().steps,
            Lemma("W W^T = sqrt(lam_H/lam_W) (X X^T)^(1/2) at every minimiser, G = D under weight decay", "NR26-01"),
            Lemma("Z tends to a_eps P under weight decay", "NR26-10"),
            Lemma("Z = a_eps P exactly under a budget T >= T_eps, where G = 1", "NR26-12"),
            Lemma(
                "|W| |H| >= |Z|_* with equality only for W W^T proportional to (Z Z^T)^(1/2): T = T_eps leaves no "
                "other factors, a larger budget does",
                "variational form of the nuclear norm",
            ),
            Identity("G = 1: (P P)^(1/2) = P, entry between", ROOT["AB"].subs(flat), -1 / total),
            Identity("and on the diagonal", ROOT["A"].subs(flat), 1 - 1 / total),
            Identity("cosine of the frame", (ROOT["AA"] / ROOT["A"]).subs(flat), -1 / (total - 1)),
        )
    )


UNEVEN = Problem.ce([(4, 2), 1], "1/20").with_loss(smoothing="1/5")

bridge = Claim(
    id="XP26-12",
    title="Label smoothing connects SELI and the saturated budget",
    kind="limit",
    paper=PAPER,
    statement=(
        r"\text{weight decay}: \lambda \to 0:\quad Z \to a_\epsilon P,\quad W W^T \propto (P D P)^{1/2}"
        r" \text{ (SELI), linearly in } \lambda",
        r"\|Z\|_* \leq T,\ T \geq T_\epsilon:\quad Z = a_\epsilon P,\quad W W^T \propto P \text{ (simplex ETF)"
        r" in the factors of least norm, the only ones at } T = T_\epsilon",
    ),
    relations=(
        Asymptotic(ridge, LEVEL),
        Asymptotic(cos_ridge, cos_seli),
        Asymptotic(cos_AA, SELI_A),
        Asymptotic(cos_AB, SELI_AB),
        Asymptotic(budget, LEVEL),
        Asymptotic(cos_budget, -1 / (K - 1)),
    ),
    read=factor_readings,
    hypotheses=limit.hypotheses,
    witness=BASE,
    family=limit.family,
    settings=(limit.settings[0], THREE, UNEVEN),
    along=fainter,
    companions=saturated,
    derivation=factor_derivation,
    rests_on=frozenset({"NR26-01", "NR26-10", "NR26-12"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("both factors are frames", (Asymptotic(cos_ridge, -1 / (K - 1)),)),
        Mutant("both factors are SELI", (Asymptotic(cos_budget, cos_seli),)),
        Mutant("SELI with P D P instead of its root", (Asymptotic(cos_ridge, cos_square),)),
    ),
    note="Same logits, other geometry of the factors: G = D under weight decay on samples, G = 1 under a "
    "budget on class "
    "means. The Gram matrix of the features follows in the same way from the right singular vectors. A budget above "
    "T_eps is not used in full, and other factors of the same logits fit into it.",
)
