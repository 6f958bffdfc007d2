"""Raising lam merges the minority, then silences the between-cluster signal, then the majority contrast (HL23-10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy as sp

from theory.claim import Claim, Family, Mutant, Root
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.hong_ling_2023.between_clusters import SINGLE_MAJORITY, threshold_at, threshold_equation, u
from theory.hong_ling_2023.free_bias import FREE_S
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.hong_ling_2023.two_clusters import (
    PAPER,
    TWO_SIZES,
    UNWEIGHTED,
    Reading,
    block_square,
    eA,
    eB,
    equation,
    margin_A,
    own_probability,
    sibling_probability,
)
from theory.observables import between_dead, two_cluster_parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, kA, kB, n, nA, nB, x

x_alive, x_dead = sp.symbols("x_alive x_dead", positive=True)
"""x where the direction between the clusters is alive, where it is dead."""
x_t = sp.Symbol("x_t", positive=True)
"""Threshold T2 without a bias (HL23-08) or with a free bias (HL23-12)."""


def free_threshold() -> Root:
    """x_t of a free bias with kA >= 2: the zero of S between T1 and T3 (there eA = x/sqrt(nA), eB = 1).

    Examples
    --------
    >>> free_threshold().lower
    sqrt(n_B)
    """
    S = FREE_S.subs({eA: x / sp.sqrt(nA), eB: 1}).subs(x, x_t)
    return Root(x_t, S, sp.sqrt(nB), sp.Min(sp.sqrt(nA), sp.sqrt(N * K * nB / nA) / kA))


def order_readings(optimum: Optimum) -> Iterator[Reading]:
    """X by the state of the direction between the clusters; and x_t in closed form."""
    problem, state = optimum.problem, between_dead(optimum)
    known = two_cluster_parameters(problem)
    if state is not None:
        yield {**known, x_dead if state else x_alive: known[x]}
    if problem.bias == "none" and known[kA] == 1:
        yield {**known, x_t: SINGLE_MAJORITY.subs({n: known[nA]}).subs(known)}
    elif problem.bias == "none":
        yield {
            **known,
            u: Root(u, threshold_equation(u), sp.Integer(0), sp.Integer(1)),
            x_t: Root(x_t, x_t - threshold_at(u), sp.Integer(0), 2 * sp.sqrt(nA)),
        }
    elif problem.bias == "free":
        yield {**known, x_t: sp.sqrt(K * nA * nB / N).subs(known) if known[kA] == 1 else free_threshold()}


def alive_steps() -> tuple[Step, ...]:
    """For x <= sqrt(nB) the t = 0 solution violates the alive test."""
    E, r = sp.symbols("E r", positive=True)
    return (
        Lemma(
            "TA(rA0) = log E says that E rA0 is the geometric mean of pA and kA - 1 copies of qA <= pA, so E rA0 >= qA",
            "a mean lies between the extremes",
        ),
        Identity(
            "that is eA <= rA0 (kB + kA E); likewise eB <= rB0 (kA + kB/E)",
            kA * (E * r - sibling_probability(kA, kB, eA, r)),
            r * (kB + kA * E) - eA,
        ),
        Lemma("eA >= x/sqrt(nA) and, as x <= sqrt(nB), eB >= x/sqrt(nB)", "definition of eA and eB"),
        Identity(
            "hence K (nA kB rA0^2 + nB kA rB0^2) is at least x^2 times K (kB + kA E^2)/(kB + kA E)^2",
            block_square(x / sp.sqrt(nA) / (kB + kA * E), x / sp.sqrt(nB) / (kA + kB / E)),
            x**2 * K * (kB + kA * E**2) / (kB + kA * E) ** 2,
        ),
        Identity(
            "which is at least 1 (Cauchy-Schwarz): K (kB + kA E^2) - (kB + kA E)^2 is a square",
            (kA + kB) * (kB + kA * E**2) - (kB + kA * E) ** 2,
            kA * kB * (E - 1) ** 2,
        ),
        Identity(
            "strict for kA >= 2: pA - qA = 1 - eA > 0, because x <= sqrt(nB) < sqrt(nA)",
            own_probability(kA, kB, eA, r) - sibling_probability(kA, kB, eA, r),
            1 - eA,
        ),
        Lemma("strict for kA = 1: eA = 1 > x/sqrt(nA)", "definition of eA"),
    )


def dead_steps() -> tuple[Step, ...]:
    """For x >= sqrt(nA) the t = 0 solution passes the test strictly, whatever the bias mode."""
    E, v, s = sp.symbols("E v s", positive=True)
    r = 1 / (kA * E + kB)
    own = own_probability(kA, kB, sp.Integer(1), r)
    gap = nA * (kA * E + kB) ** 2 - (kA + kB) * (nA * kB + nB * kA * E**2)
    return (
        Identity(
            "both contrasts dead: every A class has probability E rA0", own_probability(kA, kB, sp.Integer(1), r), E * r
        ),
        Identity(
            "and every A class has probability rB0 = E/(kA E + kB), B classes rB0/E", kA * E * r + kB * r, sp.Integer(1)
        ),
        Identity(
            "pA = qA, so TA(rA0) = log(pA/rA0) = log E",
            margin_A(r).subs(eA, 1),
            sp.log(own) - sp.log(r),
        ),
        Lemma("none: E = 1; free: nA rA0 = nB rB0 means E = nA/nB", "definition of the t = 0 solution"),
        Positive(
            "penalised: log E has the sign of nA - nB E; E = 1/(1 + v) < 1 contradicts it (nA = nB + s)",
            nB + s - nB / (1 + v),
        ),
        Positive("and E = (1 + v) nA/nB > 1 contradicts it", nB * (1 + v) * nA / nB - nA),
        Identity(
            "nA - block norm^2, times (kA E + kB)^2: two terms, nonnegative on 1 <= E <= nA/nB, not both zero",
            gap,
            kA * nA * (E - 1) * (kA * E + kB) + (kA + kB) * kA * E * (nA - nB * E),
        ),
        Identity(
            "the block norm at this solution",
            block_square(r, E * r) * (kA * E + kB) ** 2,
            K * (nA * kB + nB * kA * E**2),
        ),
        Lemma("x^2 >= nA > block norm^2, hence dead; every change of state lies strictly between", "continuity in x"),
    )


def order_derivation() -> Derivation:
    """The alive test of HL23-07 at both ends of the window."""
    return Derivation(steps=(*alive_steps(), *dead_steps()))


STEP = Problem.ce([(9, 2), (4, 3)], "0.03")
SINGLE = Problem.ce([(9, 1), (4, 3)], "0.03")
FREE = Problem.ce([(60, 3), (10, 3)], "0.01", bias="free")
SMALL = (
    Problem.ce([3, 2], 1).at(3),
    Problem.ce([(177, 2), 1], 1, bias="free").at(1),
    *(Problem.ce([("1/8", 2), ("1/16", 2)], 1).at(square) for square in ("1/16", "1/8")),
)
"""Narrow and wide windows; sizes below 1, where a power of a size is on its other side."""

order = Claim(
    id="HL23-10",
    title="Universal order T1 < T2 < T3",
    kind="ordering",
    paper=PAPER,
    statement=(
        r"\lambda N \leq \sqrt{n_B} \implies s_1 > 0,\qquad \lambda N \geq \sqrt{n_A} \implies s_1 = 0"
        r" \quad\text{(any bias mode)}",
        r"\sqrt{n_B} < x_t < \sqrt{n_A}",
    ),
    relations=(
        sp.Gt(x_dead, sp.sqrt(nB), evaluate=False),
        sp.Lt(x_alive, sp.sqrt(nA), evaluate=False),
        sp.Lt(sp.sqrt(nB), x_t, evaluate=False),
        sp.Lt(x_t, sp.sqrt(nA), evaluate=False),
    ),
    read=order_readings,
    hypotheses=(
        TWO_SIZES,
        replace(UNWEIGHTED, dropped=Problem.ce([(9, 2), (4, 3)], 1, weights=[(1, 2), (3, 3)]).at(10)),
        WIDE,
    ),
    witness=STEP,
    family=Family(sizes="two", near=("merge",)),
    settings=(STEP.at(4), STEP.at(9), SINGLE, SINGLE.at(4), SINGLE.at(9), FREE, FREE.at(10), FREE.at(60), *SMALL),
    derivation=order_derivation,
    rests_on=frozenset({"HL23-07"}),
    required="proved",
    note=(
        "Inside the window sqrt(nB) < lam N < sqrt(nA) HL23-08 decides. "
        "E = exp(d0) lies in [1, nA/nB] for lam N >= sqrt(nA); below it can be less than 1 (log E = -1.43 for a free "
        "bias at kA, nA, kB, nB = 3, 60, 1, 10, lam N = 0.19), and the first inequality does not need it."
    ),
    mutants=(
        Mutant("T2 < T1 for a free bias", relations=(sp.Lt(x_t, sp.sqrt(nB), evaluate=False),), problem=FREE),
        Mutant("T2 = sqrt(nA) when kA = 1", relations=(equation(x_t, sp.sqrt(nA)),), problem=SINGLE),
        Mutant("order reversed for kB > kA", relations=(sp.Lt(x_t, sp.sqrt(nB), evaluate=False),), problem=STEP),
    ),
    survivors={
        "off by one: n_B becomes n_B - 1 (relation [13])": "a smaller lower bound: weaker",
        "off by one: n_A becomes n_A + 1 (relation [24])": "a larger upper bound: weaker",
    },
)
