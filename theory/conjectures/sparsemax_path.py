"""Sparsemax is linear in the weight decay until its first direction dies, and ends at the logits of an ETF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.conjectures.hinge_limit import R0, value_of
from theory.conjectures.vanishing_decay import frame_steps, max_margin
from theory.derivation import Derivation, Identity, Lemma
from theory.loss_observables import LINEAR, UNBIASED, WIDE, loss_parameters, predictions, vanishes
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, N, dead, lam, x

__all__ = ["sparse"]

least = sp.Symbol("m", positive=True)
"""Least eigenvalue of P D P on the complement of 1."""


def just_above(problem: Problem) -> tuple[Problem]:
    """The same classes at so much more weight decay that predictions beyond the threshold are off in 8 digits.

    Examples
    --------
    >>> float(just_above(SPARSE.at(4))[0].x2)
    4.00000080000004
    """
    return (problem.at(problem.x2 * Fraction(10**7 + 1, 10**7) ** 2),)


def sparse_readings(optimum: Optimum, power: int = 1) -> Iterator[Reading]:
    """Whether the predictions are I - x R, and the x up to which they should be (``power`` 2: R^2, which is wrong).

    Beyond the threshold they leave I - x R in proportion to the distance. They count as equal only if they still are
    at the companion: predictions of a direction that dies at sigma < x are off by (x - sigma)/sigma or more.

    Examples
    --------
    >>> list(sparse_readings(Optimum(SPARSE, "exact")))
    []
    """
    problem, p = optimum.problem, predictions(optimum)
    if p is None or not _finite(p):
        return
    size, R = max_margin(problem, 0 * p[0, 0] + 1)
    root = R if power == 1 else R @ R
    state = _linear(optimum, root)
    if state and not all(_linear(other, root) for other in optimum.companions):
        state = None
    sizes = sorted(problem.sizes)
    low = rational(sizes[0])
    found: dict[sp.Symbol, Any] = {**loss_parameters(problem), R0: size, dead: state}
    value = value_of(optimum)
    if value is not None and _alive(problem):
        found[F] = value
    if sizes[0] == sizes[1]:
        yield {**found, least: low}
        return
    equation = sum((1 / (rational(n) - least) for n in sizes), sp.Integer(0))
    yield {**found, least: Root(least, equation, low, rational(sizes[1]))}


def _alive(problem: Problem) -> bool:
    """Whether x^2 <= m, exactly."""
    square, (first, second, *_) = problem.x2, sorted(problem.sizes)
    if square <= first:
        return True
    return square < second and sum((1 / (n - square) for n in problem.sizes), Fraction(0)) <= 0


def _linear(optimum: Optimum, root: NDArray[Any]) -> bool | None:
    """Whether the predictions are I - x R."""
    p, square = predictions(optimum), optimum.problem.x2
    if p is None or not _finite(p):
        return None
    one = 0 * p[0, 0] + 1
    level = np.sqrt(one * square.numerator / square.denominator)
    return vanishes(abs(p - (np.eye(len(p), dtype=int) * one - level * root)).sum())


def _finite(p: NDArray[Any]) -> bool:
    return all(entry.is_finite() for entry in p.ravel())


def sparse_derivation() -> Derivation:
    """On its full support sparsemax is the squared loss of centred logits, which soft-thresholds P D^(1/2)."""
    sigma, size, c = sp.symbols("sigma n_k c", positive=True)
    return Derivation(
        steps=(
            *frame_steps(),
            Lemma("on the full support the prediction is P z + 1/K", "projection on the simplex"),
            Lemma(
                "so P D^(1/2) - X = x U with U the polar factor of X: U is that of P D^(1/2) while x is at most every "
                "singular value",
                "NR26-01",
            ),
            Identity("each singular value: sigma - x, and the residual is x", sigma - (sigma - x), x),
            Identity(
                "prediction: e_k - x R e_k; its wrong entries are -x R_ck > 0, the own one 1 - x R_kk, where "
                "x R_kk <= x/sigma_min (1 - 1/K) < 1: full support. With x = sigma",
                1 - sigma * (1 / sigma) * (1 - 1 / K),
                1 / K,
            ),
            Identity(
                "value: residual |x U|^2/2 and penalty x sum(sigma - x), over N",
                (K - 1) * x**2 / 2 + x * (R0 - (K - 1) * x),
                x * R0 - (K - 1) * x**2 / 2,
            ),
            Lemma(
                "beyond the least singular value, sqrt(m), that direction of X would have to be negative: the "
                "residual there is sigma < x, and the predictions differ. Where x R_kk = 1 also Z = P - x R - diag(u) "
                "with u_k >= 0 gives these predictions; R diag(u) has to be symmetric, so all u_k are equal and X "
                "only more negative",
                "NR26-01",
            ),
            Identity(
                "m: y_k = c/(n_k - m) with sum 0 has n_k y_k = c + m y_k, and P removes the constant: P D P y = m y",
                size * c / (size - least),
                c + least * c / (size - least),
            ),
        )
    )


SPARSE = Problem.ce([(9, 2), (4, 2)], 1).with_loss("sparsemax")
SPARSE_TINY = Problem.ce([("1/9", 2), ("1/25", 2)], 1).with_loss("sparsemax")
SPARSE_MANY = Problem.ce([14, 6, 5, 1], 1).with_loss("sparsemax")

sparse = Claim(
    id="UC26-08",
    title="Sparsemax is linear in the weight decay until the first direction dies",
    kind="threshold",
    paper="conjectures",
    statement=(
        r"p^* = I - \lambda N R,\ R = (P D P)^{+1/2} \iff (\lambda N)^2 \leq m, \text{ the least eigenvalue of } P D P"
        r" \text{ on } 1^\perp",
        r"\text{and then } Z^* = P - \lambda N R,\quad F = \lambda R_0 - \tfrac12 (K - 1) \lambda^2 N",
        r"m = n_{\min} \text{ if repeated, else } \sum_k \frac{1}{n_k - m} = 0",
    ),
    relations=(
        sp.Equivalent(dead, x**2 <= least),
        sp.Eq(F, lam * R0 - (K - 1) * lam**2 * N / 2, evaluate=False),
    ),
    read=sparse_readings,
    companions=just_above,
    hypotheses=(
        Hypothesis(
            "sparsemax with one-hot labels and no knob, class weights 1",
            lambda p: (
                p.loss == "sparsemax"
                and not (p.smoothing or p.targets or p.adjustment or p.scaling)
                and p.loss_temperature == 1
                and all(run.weight == run.feature_decay == run.row_decay == 1 for run in p.runs)
            ),
            dropped=SPARSE.with_loss("sparsemax", loss_temperature=2).at(1),
        ),
        replace(LINEAR, dropped="with H >= 0 the penalty of the logits is another norm (NR26-15)"),
        UNBIASED,
        WIDE,
    ),
    witness=SPARSE.at(1),
    family=Family(sizes="any", bias=("none",), near=("merge",), model="loss", losses=("sparsemax",)),
    settings=(
        SPARSE_MANY.at("2.1"),
        SPARSE_MANY.at("2.3"),
        SPARSE_MANY.at("1e-4"),
        SPARSE.at(400),
        SPARSE_TINY.at("1/50"),
    ),
    derivation=sparse_derivation,
    rests_on=frozenset({"NR26-01", "UC26-03"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("R^2 in place of R", read=lambda optimum: sparse_readings(optimum, 2)),
        Mutant("half the residual", (sp.Eq(F, lam * R0 - (K - 1) * lam**2 * N / 4, evaluate=False),)),
        Mutant("until the largest direction dies", (sp.Equivalent(dead, x**2 <= least * K),)),
    ),
    note="'Dead' stands for the statement that the predictions are I - lam N R, to 8 digits. With decay to 0 the "
    "logits end at P itself, as for the hinge: no logarithm.",
    survivors={
        "strict for non-strict (relation 1)": "at the threshold itself the derivation decides: 8 digits of "
        "a prediction do not",
    },
)
