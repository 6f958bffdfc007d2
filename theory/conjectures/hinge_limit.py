"""The multiclass hinge sits at the max-margin solution up to a positive weight decay, until the first class lets go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.conjectures.vanishing_decay import frame, frame_steps, max_margin, multipliers
from theory.derivation import Derivation, Identity, Lemma
from theory.loss_observables import LINEAR, SIMILAR, UNBIASED, WIDE, vanishes
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, dead, lam

__all__ = ["PLAIN_HINGE", "R0", "equal", "hinge", "value_of"]

R0 = sp.Symbol("R_0", positive=True)
"""Value of the max-margin problem."""
held = sp.Symbol("held")
"""Whether lam N <= x_0: no class should have let go of the max-margin solution."""


def _number(value: Any, one: Any) -> Any:
    return one * value.numerator / value.denominator


def equal(value: Any, other: Any, deeper: bool | None = True) -> bool | None:
    """Whether two values agree: False when they differ in the first 8 digits; None when that is not decided.

    Close to a threshold they agree to 8 digits on both sides: True needs ``deeper``, the same at the companion, a
    problem closer to the end of the region where they agree (which is an interval), or beyond it.

    Examples
    --------
    >>> equal(2.0, 2.0), equal(2.0, 3.0), equal(2.0, 2.0, deeper=False)
    (True, False, None)
    """
    same = vanishes(abs(1 - value / other))
    return (True if deeper else None) if same else same


STEP = Fraction(1, 1999)
"""The value leaves its plateau like the square of the distance: unless a class hardly counts, 8 digits show it here."""


def fall(problem: Problem, factor: float) -> float:
    """How far at least the value is below lam R_0, relative to it, at ``factor`` times the decay where a class lets go.

    It is the least over the classes of what is gained by shrinking the margins of that class alone.

    Examples
    --------
    >>> fall(HINGE, 1.1) > 1e-4 > 1e-11 > fall(Problem.ce([(10**4, 2), 1], 1), 1.0005)
    True
    """
    X, shares = frame(*multipliers(problem, 1.0)), 2.0 ** -np.arange(30)
    size, R = max_margin(problem, 1.0)
    gains = []
    for k in (cluster.members[0] for cluster in problem.clusters):
        shrunk = np.repeat(X[None], len(shares), axis=0)
        shrunk[:, :, k] *= 1 - shares[:, None]
        norms = np.linalg.svd(shrunk, compute_uv=False).sum(axis=1)
        cost = float(problem.sizes[k] * problem.feature_decays[k]) * R[k, k] * shares / factor
        gains.append(float((size - norms - cost).max() / size))
    return min(gains)


def further(problem: Problem) -> tuple[Problem, ...]:
    """The same classes at a weight decay so much larger that 8 digits show it, had a class let go before; else nothing.

    Examples
    --------
    >>> [float(p.x2 / HINGE.x2) ** 0.5 for p in further(HINGE)], further(Problem.ce([(10**9, 2), 1], 1))
    ([1.0005002501250626], ())
    """
    for power in range(12):
        factor = 1 + STEP * 2**power
        if fall(problem, float(factor)) > 1.5 * SIMILAR:
            return (problem.at(problem.x2 * factor**2),)
    return ()


def value_of(optimum: Optimum) -> Any:
    """The interval between the bounds, or None.

    Examples
    --------
    >>> value_of(Optimum(HINGE, "exact"))
    """
    return None if optimum.lower is None or optimum.upper is None else optimum.lower.union(optimum.upper)


def hinge_readings(
    optimum: Optimum, weighted: bool = True, first: bool = True, diagonal: bool = True, moved: Fraction = Fraction(1)
) -> Iterator[Reading]:
    """On which side of x_0 lam N lies, and whether the value is lam R_0.

    Parameters
    ----------
    optimum : of a problem with the multiclass hinge.
    weighted, first, diagonal, moved : other values for wrong versions: no class weights, the last class that lets go,
        1/sqrt(g) for R_kk, a factor on x_0.

    Examples
    --------
    >>> list(hinge_readings(Optimum(HINGE, "exact")))
    []
    """
    problem, value = optimum.problem, value_of(optimum)
    if value is None:
        return
    one = 0 * value + 1
    size, R = max_margin(problem, one)
    data = list(zip(problem.weights if weighted else [sp.Integer(1)] * problem.K, problem.feature_decays, strict=True))
    own = [R[k, k] if diagonal else 1 / np.sqrt(_number(problem.sizes[k] * data[k][1], one)) for k in range(problem.K)]
    ends = [_number(w, one) / _number(r, one) / own[k] for k, (w, r) in enumerate(data)]
    end = reduce(lambda a, b: a.min(b) if first else a.max(b), ends) * _number(moved, one)
    level = np.sqrt(_number(problem.x2, one))
    side = True if level <= end else False if level > end else None
    later = [
        equal(v, np.sqrt(_number(other.problem.x2, one)) * size / _number(problem.N, one))
        for other in optimum.companions
        if (v := value_of(other)) is not None
    ]
    yield {
        F: value,
        lam: level / _number(problem.N, one),
        R0: size,
        held: side,
        dead: equal(value, level * size / _number(problem.N, one), bool(later and later[0])),
    }


def hinge_derivation() -> Derivation:
    """All margins are 1 at V: any distribution is a subgradient there, and the multipliers ask for one."""
    weight, decay, size, total, entry, share = sp.symbols("w r n N R p", positive=True)
    wrong = sp.solve(sp.Eq(size * weight / total * share, lam * size * decay * entry), share)[0]
    return Derivation(
        steps=(
            Lemma("Z is optimal iff the dual matrix is a subgradient of the norm there", "NR26-01"),
            *frame_steps(),
            Lemma(
                "at V all K scores of a sample are equal: the subgradients are e_k - p with any distribution p",
                "subdifferential of a maximum",
            ),
            Lemma(
                "X_0 has rank K - 1, and a subgradient U + c u v^T with c != 0 has columns that do not sum to 0: "
                "only U is left",
                "subdifferential of the nuclear norm",
            ),
            Identity(
                "wrong class of column k: (n w/N) p = lam g m, g = n r, m the multiplier -R_ck",
                wrong,
                lam * total * decay * entry / weight,
            ),
            Lemma(
                "these p are positive, and as columns of R sum to 0 they sum to x r R_kk/w: a distribution iff that is "
                "at most 1",
                "UC26-03",
            ),
            Lemma("the hinge vanishes at V, so the value is lam R_0 there and at most that everywhere", "NR26-01"),
        )
    )


HINGE = Problem.ce([(9, 2), (4, 2)], 1, weights=[(1, 2), (2, 2)]).with_loss("hinge")
UNEVEN = Problem.ce([14, 6, 5, 1], 1).with_loss("hinge")
DECAYED = Problem.ce([9, (4, 2)], 1).with_loss("hinge", row_decay=[1, (4, 2)], feature_decay=[2, (1, 2)])
PLAIN_HINGE = Hypothesis(
    "multiclass hinge, logits not shifted or scaled",
    lambda p: p.loss == "hinge" and not (p.adjustment or p.scaling or p.targets) and p.loss_temperature == 1,
    dropped="other losses do not stop at a margin of 1 or stop at another one",
)

hinge = Claim(
    id="UC26-06",
    title="The multiclass hinge is at the max-margin solution up to a positive weight decay",
    kind="threshold",
    paper="conjectures",
    statement=(
        r"Z^* = V = I - \frac{1 s^T}{\sum_j s_j} \iff \lambda N \leq x_0 = \min_k \frac{w_k}{r_k R_{kk}},\quad"
        r"R = S^{1/2} (\Pi S G \Pi)^{+1/2} S^{1/2}",
        r"F = \lambda R_0 \text{ there, } R_0 = \mathrm{tr}\,(\Pi S G \Pi)^{1/2},\ F < \lambda R_0 \text{ elsewhere}",
    ),
    relations=(sp.Equivalent(dead, held), sp.Le(F, lam * R0, evaluate=False)),
    read=hinge_readings,
    companions=further,
    hypotheses=(
        PLAIN_HINGE,
        replace(LINEAR, dropped="with H >= 0 the penalty of the logits is another norm (NR26-15)"),
        UNBIASED,
        WIDE,
    ),
    witness=HINGE.at(1),
    family=Family(
        sizes="any",
        bias=("none",),
        near=("merge",),
        model="loss",
        losses=("hinge",),
        knobs=("weights", "feature_decay", "row_decay"),
    ),
    settings=(
        *(HINGE.at(square) for square in ("14.24", "14.3")),
        *(UNEVEN.at(square) for square in ("4.437", "4.455")),
        *(DECAYED.at(square) for square in ("3.267", "3.28")),
        Problem.ce([("1/9", 2), ("1/25", 2)], 1).with_loss("hinge").at("1/100"),
    ),
    derivation=hinge_derivation,
    rests_on=frozenset({"NR26-01", "UC26-03"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("class weights do not enter", read=lambda optimum: hinge_readings(optimum, weighted=False)),
        Mutant("until the last class lets go", read=lambda optimum: hinge_readings(optimum, first=False)),
        Mutant("1/sqrt(g) for R_kk", read=lambda optimum: hinge_readings(optimum, diagonal=False)),
        Mutant("x_0 raised by 0.2 %", read=lambda optimum: hinge_readings(optimum, moved=Fraction(1002, 1000))),
        Mutant("x_0 lowered by 0.2 %", read=lambda optimum: hinge_readings(optimum, moved=Fraction(998, 1000))),
    ),
    note="'Dead' stands for the statement that V is optimal; it is the only optimum below x_0, and at x_0 unless all "
    "w/(r R_kk) are equal. Observed through the value, which leaves lam R_0 like the square of the distance from x_0: "
    "the check tells x_0 from 1.002 x_0, no better, and where the first class hardly counts (10^4, 10^4, 1) less.",
)
