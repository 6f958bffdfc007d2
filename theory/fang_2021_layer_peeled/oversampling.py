"""FA21-10: a loss weight on the minority, or copies of its samples, divides the ratio by that weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma
from theory.fang_2021_layer_peeled.critical_ratio import budget_at, ratio_at, root_t0, t0
from theory.fang_2021_layer_peeled.minority_collapse import collapse_derivation
from theory.fang_2021_layer_peeled.reduction import a as gap_a
from theory.fang_2021_layer_peeled.reduction import loss
from theory.fang_2021_layer_peeled.settings import PAPER, WEIGHTED, WIDE
from theory.observables import dead_state, rational
from theory.optimum import Optimum
from theory.peeled_observables import R, T, budget_parameters, e, ww, ww12, z_own, z_wrong
from theory.problem import Problem
from theory.symbols import K, dead, kA, kB, rA, rB, tA, tB

__all__ = ["oversampling"]

rate = sp.Symbol("w_r", positive=True)
"""Loss weight of the minority; R is the ratio of the sizes alone."""
swapped = sp.Symbol("w_over", positive=True)
"""w_r where the state is that of the majority contrasts."""


def weight_readings(optimum: Optimum) -> Iterator[Reading]:
    """Sizes and weight apart; stationarity between the groups; states of both; the ETF where w_r = R.

    Examples
    --------
    >>> [reading.get(rate) for reading in weight_readings(Optimum(WEIGHTED, "exact", contrasts=("alive", "alive")))]
    [2, 2, None]
    """
    problem = optimum.problem
    A, B = problem.clusters[0].members, problem.clusters[1].members
    many, few = problem.clusters
    known: dict[sp.Symbol, Any] = {
        **budget_parameters(problem),
        kA: sp.Integer(len(A)),
        kB: sp.Integer(len(B)),
        R: rational(many.size / few.size),
        rate: rational(few.weight / many.weight),
    }
    Z = optimum.logits
    if Z is None:
        yield known
    else:
        P = optimum.probabilities
        found = {tA: _between(Z, A, B), tB: _between(Z, B, A), rA: P[B[0], A[0]], rB: P[A[0], B[0]]}
        if known[R] == known[rate]:
            found |= {z_own: Z[A[0], A[0]], z_wrong: Z[B[0], A[0]]}
            if optimum.gram_classifier is not None:
                found |= {ww: optimum.gram_classifier[B[0], B[0]], ww12: optimum.gram_classifier[A[0], B[0]]}
        yield known | found
    states = [dead_state(state) for state in optimum.contrasts] or [None, None]
    if len(B) > 1:
        yield {**known, t0: root_t0(), dead: states[1]}
    if len(A) > 1:
        over = {symbol: value for symbol, value in known.items() if symbol != rate}
        yield {**over, swapped: known[rate], t0: swapped_root(), dead: states[0]}


def _between(Z: Any, own: list[int], other: list[int]) -> Any:
    """Mean logit of the own group minus a logit of the other group."""
    return sum(Z[j, own[0]] for j in own) / len(own) - Z[other[0], own[0]]


def exchange(expression: sp.Expr) -> sp.Expr:
    """The expression with kA and kB exchanged.

    Examples
    --------
    >>> exchange(kA - 2 * kB)
    -2*k_A + k_B
    """
    return expression.subs({kA: kB, kB: kA}, simultaneous=True)


def swapped_root() -> Root:
    """T at R_0 with the groups exchanged."""
    return Root(t0, exchange(budget_at()) - T, sp.Integer(0), sp.oo)


def weight_derivation() -> Derivation:
    """The objective sees weights only, and only their ratio."""
    return Derivation(
        steps=(
            *collapse_derivation().steps,
            Identity(
                "weights R and w_r: w_r times the objective with R/w_r and 1", loss(R, rate), rate * loss(R / rate)
            ),
            Identity(
                "a factor changes no minimiser under a budget: same stationary points",
                sp.diff(loss(R, rate), gap_a) / rate,
                sp.diff(loss(R / rate), gap_a),
            ),
            Lemma(
                "the budget of features is per class: w_r copies of the samples of a class and the weight w_r give the "
                "same problem",
                "class means (Jensen's inequality)",
            ),
            Identity("w_r = R: the ratio is 1, FA21-01 applies", (R / rate).subs(rate, R), sp.Integer(1)),
            Identity("exchanging the groups turns R/w_r into w_r/R", 1 / (R / rate), rate / R),
        )
    )


def _weighted(problem: Problem) -> bool:
    return (
        len(problem.clusters) == 2
        and problem.clusters[1].size < problem.clusters[0].size
        and all(cluster.weight > 0 for cluster in problem.clusters)
    )


TWO_SIZES = Hypothesis(
    "two sizes, one positive weight for each",
    _weighted,
    dropped="with one size there is nothing to make up for",
)


def weighted(kA_: int, kB_: int, ratio: str, weight: str, share: str = "1") -> Problem:
    """kA_ classes of size ``ratio``, kB_ of size 1 and loss weight ``weight``.

    Examples
    --------
    >>> weighted(2, 2, "6", "3").weights[-1]
    Fraction(3, 1)
    """
    return Problem.peeled([(ratio, kA_), (1, kB_)], share, share, weights=[(1, kA_), (weight, kB_)])


RESTORED = weighted(3, 2, "6", "6")
NEAR = tuple(weighted(2, 2, "3", rate_) for rate_ in ("10.141467894", "10.141462823"))
"""w_r at a relative distance of 2.5e-7 from R R_0(4), above and below."""
STILL, OVER = weighted(3, 2, "6", "5/2"), weighted(3, 2, "6", "40")


def _equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


def _between_equation(ratio: sp.Expr) -> sp.Eq:
    return _equation(tA * kA * rB, tB * ratio * kB * rA)


def _states(persists: sp.Rel, over: sp.Rel) -> tuple[sp.Equivalent, sp.Equivalent]:
    return sp.Equivalent(dead, persists), sp.Equivalent(dead, over)


oversampling = Claim(
    id="FA21-10",
    title="Oversampling and reweighting of the minority",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\text{loss weight } w_r \text{ of the minority (or } w_r \text{ copies): the problem with } R/w_r"
        r" \text{ for } R",
        r"w_r = R:\ \text{the balanced ETF};\qquad \text{minority collapse} \iff w_r \leq R/R_0(T)",
        r"\text{majority collapse} \iff w_r \geq R\, R_0'(T),\ R_0' \text{ with } k_A, k_B \text{ exchanged}",
    ),
    relations=(
        _between_equation(R / rate),
        *_states(R / rate >= ratio_at(), swapped / R >= exchange(ratio_at())),
        _equation(z_own - z_wrong, K * e / (K - 1)),
        _equation(ww12, -ww / (K - 1)),
    ),
    read=weight_readings,
    hypotheses=(TWO_SIZES, WIDE),
    witness=WEIGHTED,
    family=Family(sizes="two", bias=("none",), near=("minority_merge",), weights=True, model="layer-peeled"),
    settings=(RESTORED, STILL, OVER, weighted(1, 2, "9", "9", "2"), *NEAR),
    derivation=weight_derivation,
    rests_on=frozenset({"FA21-01", "FA21-04", "FA21-09"}),
    required="proved",
    mutants=(
        Mutant("effective ratio R/sqrt(w_r)", relations=(_between_equation(R / sp.sqrt(rate)),), problem=WEIGHTED),
        Mutant("oversampling is irrelevant", relations=(_between_equation(R),), problem=WEIGHTED),
        Mutant("collapse persists while w_r < R", relations=(sp.Equivalent(dead, rate < R),), problem=WEIGHTED),
        Mutant("the majority never collapses", relations=(sp.Equivalent(dead, R < 1),), problem=OVER),
        Mutant("orthogonal classifiers at w_r = R", relations=(_equation(ww12, sp.Integer(0)),), problem=RESTORED),
    ),
    source="published result (weight R restores the ETF); the rest derived",
    note="Features are normalised per class, so copies and weights are the same.",
)
