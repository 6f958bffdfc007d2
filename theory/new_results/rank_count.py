"""NR26-23: the rank of the optimum counts the classes with n > (lam N)^2, up to one for cross-entropy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.new_results.settings import PAPER, equal_weights, no_bias, wide
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import kA, kB, n, x
from theory.value_observables import collapsed

__all__ = ["count", "rank", "rank_count", "strong_classes"]

rank, squared_rank, early_rank = sp.symbols("rank rank_mse rank_early", integer=True, nonnegative=True)
"""Rank of the optimum for cross-entropy, for the squared loss, and for cross-entropy at some x < sqrt(n_max)."""
count = sp.Symbol("count", integer=True, nonnegative=True)
"""Number of classes with n_k > (lam N)^2; CJ26-01 counts those with w_k^2 n_k > (lam N)^2."""


def strong_classes(problem: Problem, weighted: bool = True) -> sp.Integer:
    """Number of classes with w_k^2 n_k > x^2, or with n_k > x^2.

    Examples
    --------
    >>> strong_classes(Problem.ce([9, 4, 4], 1).at(4)), strong_classes(Problem.ce([9, 4, 4], 1).at("3.9"))
    (1, 3)
    """
    clusters = problem.clusters
    return sp.Integer(sum(c.classes for c in clusters if (c.weight**2 if weighted else 1) * c.size > problem.x2))


def before_the_largest(problem: Problem) -> tuple[Problem, ...]:
    """The same classes at an x^2 below the largest size where Z = 0 is optimal, if that size is not repeated.

    Examples
    --------
    >>> [str(p.x2) for p in before_the_largest(Problem.ce([5, 2], 1))]
    ['15/4']
    """
    if problem.model != "ce" or problem.clusters[0].classes > 1 or problem.K < 2:
        return ()
    gap = Fraction(1, 2)
    while not collapsed(problem.at(problem.clusters[0].size * (1 - gap))):
        gap /= 2
    return (problem.at(problem.clusters[0].size * (1 - gap)),)


def rank_readings(optimum: Optimum) -> Iterator[Reading]:
    """The rank, where it is decided, and the number of classes above x^2.

    Examples
    --------
    >>> list(rank_readings(Optimum(Problem.ce([9, 4, 4], 1).at(4), "exact", rank=(1, 1))))
    [{count: 1, rank: 1}]
    """
    reading: dict[sp.Symbol, Any] = {count: strong_classes(optimum.problem, weighted=False)}
    if optimum.rank[0] == optimum.rank[1]:
        reading[squared_rank if optimum.problem.model == "mse" else rank] = sp.Integer(optimum.rank[0])
    for other in optimum.companions:
        if other.rank[0] == other.rank[1]:
            reading[early_rank] = sp.Integer(other.rank[0])
    yield reading


def rank_derivation() -> Derivation:
    """Squared loss by soft thresholding; two sizes by the order of the three thresholds."""
    more, m, v = sp.symbols("more m v", positive=True)
    return Derivation(
        steps=(
            Lemma("squared loss: Z = diag(max(0, 1 - x/sqrt(n_k)))", "DA23-03 at one layer: soft thresholding"),
            Positive("1 - x^2/n > 0 where n = x^2 + more", (1 - x**2 / n).subs(n, x**2 + more)),
            Lemma(
                "two sizes, cross-entropy: the contrasts of B (kB - 1) live iff x < sqrt(nB), those of A (kA - 1) iff "
                "x < sqrt(nA), the direction between the groups iff x < x_t, and sqrt(nB) < x_t < sqrt(nA) where kA, "
                "kB >= 2 (sqrt(nB) < x_t < sqrt(nA) also for single classes, whose contrasts are absent)",
                "HL23-10",
            ),
            Identity("x < sqrt(nB): rank - count", (kA - 1) + (kB - 1) + 1 - (kA + kB), sp.Integer(-1)),
            Identity("sqrt(nB) <= x < x_t: rank - count", (kA - 1) + 1 - kA, sp.Integer(0)),
            Identity("x_t <= x < sqrt(nA): rank - count", (kA - 1) - kA, sp.Integer(-1)),
            Lemma(
                "the largest size repeated or not, Z = 0 iff x^2 >= m, the largest root of sum_k 1/(n_k - m) = 0, "
                "which lies strictly below a largest size that is not repeated",
                "HL23-05: secular equation of P D P",
            ),
            Positive(
                "strictly: at m = n_max - v the term of n_max is 1/v, unbounded, the others stay finite, so the sum is "
                "positive before n_max",
                1 / (n - m).subs(m, n - v),
            ),
        )
    )


def _covered(problem: Problem) -> bool:
    if problem.model == "mse":
        return problem.depth == 1
    return problem.key == "ce" and len(problem.clusters) == 2


WITNESS = Problem.ce([(9, 2), (4, 3)], 1).at(5)
SQUARED = Problem.mse([10, 4, 4, 1], 1)
LIGHT = Problem.ce([(8, 2), (4, 2)], 1, weights=[("1/3", 2), (1, 2)]).at(1)


def _at(problem: Problem, x2: str) -> Problem:
    """Equal decays up to rounding with exactly this x^2."""
    lam2 = Fraction(x2) / problem.N**2
    first = Fraction(f"{float(lam2) ** 0.5:.6g}")
    return replace(problem, lambda_w=first, lambda_h=lam2 / first)


rank_count = Claim(
    id="NR26-23",
    title="The rank counts the classes above (lam N)^2",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\text{squared loss, any sizes}:\ \operatorname{rank} Z^* = \#\{k: n_k > (\lambda N)^2\}",
        r"\text{cross-entropy, two sizes, off the thresholds}:\ \operatorname{rank} Z^* \in \{\# - 1,\ \#\}",
        r"\text{largest size not repeated}:\ Z^* = 0 \text{ already at some } \lambda N < \sqrt{n_{\max}}",
    ),
    relations=(
        sp.Le(count - 1, rank, evaluate=False),
        sp.Le(rank, count, evaluate=False),
        sp.Eq(squared_rank, count, evaluate=False),
        sp.Eq(early_rank, 0, evaluate=False),
    ),
    read=rank_readings,
    companions=before_the_largest,
    hypotheses=(
        Hypothesis(
            "squared loss with one layer, or cross-entropy with two clusters",
            _covered,
            dropped="for other sizes the count for cross-entropy is conjecture CJ26-01",
        ),
        no_bias("a free bias removes one direction more (HL23-12)"),
        equal_weights(LIGHT),
        wide("below K - 1 the rank is bounded by d"),
    ),
    witness=WITNESS,
    family=Family(sizes="two", bias=("none",), near=("merge", "between", "collapse")),
    settings=(
        Problem.ce([9, 4], 1).at(2),
        Problem.ce([9, (4, 3)], 1).at("3.99"),
        *(_at(SQUARED, value) for value in ("0.9", "1.1", "3.999999", "4.000001", "8", "11")),
    ),
    derivation=rank_derivation,
    rests_on=frozenset({"HL23-05", "HL23-10", "DA23-03"}),
    required="proved",
    mutants=(
        Mutant("cross-entropy: always the count", relations=(sp.Eq(rank, count),), problem=WITNESS.at(3)),
        Mutant("cross-entropy: always one less", relations=(sp.Eq(rank, count - 1),), problem=WITNESS),
        Mutant("squared loss: one less", relations=(sp.Eq(squared_rank, count - 1),), problem=_at(SQUARED, "8")),
        Mutant("alive until sqrt(n_max)", relations=(sp.Ge(early_rank, 1),), problem=Problem.ce([9, 4], 1).at(2)),
    ),
    source="ours; proved here from the papers' theorems",
)
