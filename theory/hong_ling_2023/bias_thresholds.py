"""What a bias does to the thresholds: T1 and T3 stay, T2 moves, and not monotonically in mu (HL23-13)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import sympy as sp

from theory.claim import Claim, Family, Mutant, Root
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.hong_ling_2023.threshold_order import free_threshold, x_t
from theory.hong_ling_2023.two_clusters import (
    FREE_SINGLE,
    PAPER,
    TWO_SIZES,
    UNWEIGHTED,
    Reading,
    block_square,
    dead_solution,
    equation,
    margin_A,
    rA0,
    rB0,
    saturation,
    u_high,
    u_low,
)
from theory.observables import (
    between_dead,
    between_states,
    cluster_readings,
    two_cluster_parameters,
    two_cluster_readings,
)
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, dead, mu, n, nA, nB, rA, rB, x

COUNTS = ((60, 3), (10, 3))
LISTED = (
    ("none", "5.09259938291"),
    ("2", "4.867649146"),
    ("0.06", "3.969784"),
    ("0.02", "3.942208"),
    ("0.002", "3.969166"),
    ("free", "3.97569363682"),
)
"""The counterexample to monotonicity: (lambda_b = 2 mu, x_t)."""


def beside(bias: str, threshold: str, factor: str) -> Problem:
    """The counterexample's classes at x = ``factor`` times ``threshold``.

    Examples
    --------
    >>> float(beside("free", "4", "0.5").x2)
    4.0
    """
    problem = Problem.ce(COUNTS, 1, bias=bias if bias in ("none", "free") else Fraction(bias))
    return problem.at((Fraction(threshold) * Fraction(factor)) ** 2)


def bias_readings(optimum: Optimum) -> Iterator[Reading]:
    """Contrast states of both clusters, and the between-cluster state against the solution with tA = tB = 0.

    Where it is dead under a penalised bias, also the cross probabilities, which the two limits are about.
    """
    problem = optimum.problem
    yield from cluster_readings(optimum)
    known = {**two_cluster_parameters(problem), **saturation(problem)}
    yield {**known, **dead_solution(problem), **between_states(optimum)}
    if isinstance(problem.bias, Fraction) and between_dead(optimum) is True:
        for reading in two_cluster_readings(optimum):
            yield {**known, **{symbol: reading[symbol] for symbol in (rA, rB) if symbol in reading}}


weak_A, weak_B, weak_low, weak_high = sp.symbols("r_A0_weak r_B0_weak u_low_weak u_high_weak", positive=True)


def comparison_readings(optimum: Optimum) -> Iterator[Reading]:
    """The between-cluster state with the t = 0 solution at mu and at mu/10, and x_t of a free bias."""
    problem = optimum.problem
    if not isinstance(problem.bias, Fraction):
        return
    rename = {rA0: weak_A, rB0: weak_B, u_low: weak_low, u_high: weak_high}
    solution = dead_solution(problem)
    weaker = {
        rename[symbol]: Root(rename[symbol], *(e.subs({**rename, mu: mu / 10}) for e in (r.equation, r.lower, r.upper)))
        for symbol, r in solution.items()
        if symbol in rename
    }
    known = {**two_cluster_parameters(problem), **saturation(problem)}
    yield {**known, **solution, **weaker, x_t: free_threshold(), **between_states(optimum)}


DEAD_TEST = x >= sp.sqrt(block_square(rA0, rB0))
DIP = beside("0.02", "3.95", "1")
FLOW = nA * rA - nB * rB
"""What the bias evens out: K/(2 mu N) times this is the bias gap, and 0 with a free bias."""

bias_effects = Claim(
    id="HL23-13",
    title="Bias effects on the thresholds",
    kind="structure",
    paper=PAPER,
    statement=(
        r"T_1 = \sqrt{n_B},\quad T_3 = \sqrt{n_A} \text{ for every bias mode and every } \mu",
        r"s_1 = 0 \iff x^2 \geq K\left(n_A k_B r_{A0}^2 + n_B k_A r_{B0}^2\right)"
        r" \text{ at the } t = 0 \text{ solution of the bias mode}",
        r"T_2(\mu) \to T_2(\text{none}) \;(\mu \to \infty),\quad T_2(\mu) \to T_2(\text{free}) \;(\mu \to 0),\quad"
        r" \text{not monotone in } \mu",
        r"s_1 = 0:\quad T_A(r_A) = \frac{K (n_A r_A - n_B r_B)}{2 \mu N}",
    ),
    relations=(
        sp.Equivalent(dead, x >= sp.sqrt(n)),
        sp.Equivalent(dead, DEAD_TEST),
        equation(margin_A(rA), K * FLOW / (2 * mu * N)),
    ),
    read=bias_readings,
    hypotheses=(
        TWO_SIZES,
        replace(UNWEIGHTED, dropped=Problem.ce([(9, 2), (4, 3)], 1, weights=[(1, 2), (3, 3)]).at(5)),
        WIDE,
    ),
    witness=DIP,
    family=Family(sizes="two", near=("merge", "between")),
    settings=(
        *(beside(bias, "3.95", "1") for bias, _ in LISTED),
        FREE_SINGLE.at("48/7"),
        *(beside(bias, "5.2", "1") for bias in ("200", "1/500000")),
    ),
    rests_on=frozenset({"HL23-04", "HL23-07"}),
    note=(
        "Six settings are (kA, nA, kB, nB) = (3, 60, 3, 10) at lam N = 3.95 in six bias modes: dead at mu = 0.01 only, "
        "alive at mu = 0.001 and for a free bias as well as at mu = 0.03 and above. T_2(mu) is the largest x with a "
        "signal: there can be more than one change of state (UC26-R1). The two limits follow from the last "
        "line, whose right-hand side is the bias gap d: TA falls at least as fast as log r, so log r moves by at most "
        "|d|, which vanishes as mu grows; and mu kA kB d^2/K <= log K, the value at 0, so nA rA - nB rB goes with mu."
    ),
    mutants=(
        Mutant(
            "a bias moves T1 by the factor sqrt(K n/N)",
            relations=(sp.Equivalent(dead, x >= sp.sqrt(n) * sp.sqrt(K * n / N)),),
            problem=beside("free", "3", "1"),
        ),
        Mutant(
            "a stronger bias penalty always raises T2: dead at mu implies dead at mu/10",
            relations=(sp.Equivalent(dead, sp.And(DEAD_TEST, x >= sp.sqrt(block_square(weak_A, weak_B)))),),
            read=comparison_readings,
            problem=DIP,
        ),
        Mutant(
            "a free bias has the smallest T2: alive below it at every mu",
            relations=(sp.Equivalent(dead, sp.And(DEAD_TEST, x >= x_t)),),
            read=comparison_readings,
            problem=DIP,
        ),
    ),
)
