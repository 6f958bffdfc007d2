"""The between-cluster threshold T2: when majority and minority stop being told apart (HL23-08, R6).

Without a bias x_t is algebraic: with u = exp(-a/kA) it is given by the only root in (0, 1) of a polynomial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Root
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.hong_ling_2023.two_clusters import (
    PAPER,
    TWO_SIZES,
    UNWEIGHTED,
    Reading,
    block_square,
    dead_solution,
    equation,
    rA0,
    rB0,
    saturation,
)
from theory.observables import between_states, norm, two_cluster_parameters, two_cluster_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, a, dead, kA, kB, n, nA, nB, x

u = sp.Symbol("u", positive=True)
"""exp(-a/kA) at the threshold: a is the gap of the majority there."""

norm_B, frame_A = sp.symbols("norm_B dev_A", nonnegative=True)
"""Norm of the minority columns and rows of Z, and distance of the majority block from a (I - J/kA)."""


def own_at(u: sp.Expr) -> sp.Expr:
    """Own probability of an A sample whose minority logits are all 0, with gap a = -kA log u.

    Examples
    --------
    >>> own_at(sp.Integer(1))
    1/(k_A + k_B)
    """
    return 1 / (1 + (kA - 1) * u**kA + kB * u ** (kA - 1))


def threshold_at(u: sp.Expr) -> sp.Expr:
    """Value sqrt(nA) (1 - p + q) of x at that point."""
    return sp.sqrt(nA) * (1 - own_at(u) + own_at(u) * u**kA)


def threshold_equation(u: sp.Expr, cross: sp.Expr | None = None, tail: sp.Expr = nB * kA) -> sp.Expr:
    """K x^2 - nA kB (K r)^2 - nB kA, with r = p u^(kA-1) unless ``cross`` replaces it.

    Examples
    --------
    >>> sp.factor(threshold_equation(sp.Integer(1)).subs(K, kA + kB))
    k_A*(n_A - n_B)
    """
    r = own_at(u) * u ** (kA - 1) if cross is None else cross
    return K * threshold_at(u) ** 2 - nA * kB * (K * r) ** 2 - tail


SINGLE_MAJORITY = sp.sqrt((n * kB + nB) / K)
"""x_t without a bias for a single majority class, of size n: complete collapse."""


def threshold_readings(optimum: Optimum, zero: sp.Expr | None = None) -> Iterator[Reading]:
    """State of the between-cluster direction: against x_t without a bias, against the t = 0 solution in every mode.

    Where it is dead, also what is left of Z.
    """
    problem, states = optimum.problem, between_states(optimum)
    known = two_cluster_parameters(problem)
    if problem.bias == "none" and known[kA] == 1:
        yield {K: known[K], x: known[x], n: known[nA], kB: known[kB], nB: known[nB], **states}
    elif problem.bias == "none":
        root = (threshold_equation(u) if zero is None else zero).subs({K: known[K], nB: known[nB]})
        majority = {symbol: known[symbol] for symbol in (x, kA, nA, kB)}
        yield {**majority, u: Root(u, root, sp.Integer(0), sp.Integer(1)), **states}
    yield {**known, **saturation(problem), **dead_solution(problem), **states}
    if states[dead] is True:
        yield from remainder_readings(optimum)


def remainder_readings(optimum: Optimum) -> Iterator[Reading]:
    """What is left of Z besides a multiple of I - J/kA in the majority block."""
    Z = optimum.logits
    if Z is None:
        return
    A, B = (cluster.members for cluster in optimum.problem.clusters)
    for reading in two_cluster_readings(optimum):
        left = {norm_B: norm(np.concatenate([Z[:, B].ravel(), Z[B, :].ravel()]))}
        if a in reading:
            frame = len(A) * np.eye(len(A), dtype=int) - 1
            left[frame_A] = norm(Z[np.ix_(A, A)] - frame * reading[a] / len(A))
        yield left


def threshold_derivation() -> Derivation:
    """Without a bias: x and the alive test as functions of u, both monotone; kA = 1 in closed form."""
    d, fall, top = sp.symbols("d fall top", positive=True)
    r = own_at(u) * u ** (kA - 1)
    d_u = u ** (1 - kA) + (kA - 1) * u + kB
    classes = {K: kA + kB}
    numerator = kA * u**2 + 2 * kB * u - kB
    return Derivation(
        steps=(
            Lemma(
                "for sqrt(nB) <= x < sqrt(nA) the minority contrast is dead and rB0 = 1/K without a bias",
                "HL23-03 with HL23-07, step 1",
            ),
            Identity("r = 1/d(u), d(u) = u^(1-kA) + (kA - 1) u + kB", r, 1 / d_u),
            Identity("x/sqrt(nA) = 1 - p + q = (kA u + kB) r", threshold_at(u) / sp.sqrt(nA), (kA * u + kB) * r),
            Identity("d'(u) = -(kA - 1)(u^(-kA) - 1)", sp.diff(d_u, u), -(kA - 1) * (u ** (-kA) - 1)),
            Lemma("u^(-kA) >= 1 for 0 < u <= 1, so d does not increase: d' = -fall", "monotone powers"),
            Positive("x increases strictly with u: numerator of its derivative", kA * d + (kA * u + kB) * fall),
            Identity("at u = 1, x = sqrt(nA)", threshold_at(sp.Integer(1)).subs(classes), sp.sqrt(nA)),
            Identity(
                "K times (x^2 - block norm^2) is K nA kA (kA u^2 + 2 kB u - kB)/d^2 - nB kA",
                threshold_equation(u).subs(classes),
                ((kA + kB) * nA * kA * numerator * r**2 - nB * kA),
            ),
            Identity("the numerator has derivative 2 (kA u + kB)", sp.diff(numerator, u), 2 * (kA * u + kB)),
            Positive(
                "where the numerator is positive (top > 0), top/d^2 increases strictly",
                (2 * (kA * u + kB) * d + 2 * top * fall) / d**3,
            ),
            Identity(
                "at u = 1 the difference is kA (nA - nB) > 0; as u -> 0 it is at most -nB kA: one sign change, from "
                "alive to dead",
                threshold_equation(sp.Integer(1)).subs(classes),
                kA * (nA - nB),
            ),
            Lemma("alive for x <= sqrt(nB), dead for x >= sqrt(nA)", "HL23-10"),
            Identity(
                "kA = 1, x >= sqrt(nB): rA0 = rB0 = 1/K and the block norm is x_t",
                block_square(1 / K, 1 / K).subs(kA, 1),
                SINGLE_MAJORITY.subs(n, nA) ** 2,
            ),
            Lemma(
                "dead: tA = tB = b = 0, so rows and columns of B vanish in Z, hence in (X X^T)^(1/2) and (X^T X)^(1/2)",
                "HL23-02",
            ),
        )
    )


STEP = Problem.ce([(9, 2), (4, 3)], "0.03")
BEFORE, AFTER = STEP.at("6.5"), STEP.at(7)
SINGLE = Problem.ce([(9, 1), (4, 3)], "0.03")
SHORT_EXPONENT = Problem.ce([(60, 3), (10, 3)], "0.03")
EQUAL_WEIGHTS = replace(UNWEIGHTED, dropped=Problem.ce([(9, 2), (4, 3)], "0.03", weights=[(1, 2), (2, 3)]).at(7))


def _root_of(zero: sp.Expr) -> Callable[[Optimum], Iterator[Reading]]:
    return lambda optimum: threshold_readings(optimum, zero)


threshold = Claim(
    id="HL23-08",
    title="Between-cluster threshold T2",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{no bias, } k_A = 1:\quad s_1 = 0 \iff \lambda N \geq \sqrt{\frac{n_A k_B + n_B}{K}}",
        r"\text{no bias, } k_A \geq 2:\quad s_1 = 0 \iff \lambda N \geq x_t = \sqrt{n_A}\left(1 - p + p e^{-a}\right),"
        r"\quad K x_t^2 = n_A k_B (K r)^2 + n_B k_A",
        r"\frac{1}{p} = 1 + (k_A-1)e^{-a} + k_B e^{-a(k_A-1)/k_A},\quad r = p\,e^{-a(k_A-1)/k_A},\quad u = e^{-a/k_A}",
        r"\text{any bias}:\quad s_1 = 0 \iff x^2 \geq K\left(n_A k_B r_{A0}^2 + n_B k_A r_{B0}^2\right)",
        r"\text{dead: } Z_{AA} = a\left(I - \tfrac{1}{k_A}J\right),\quad Z_{AB} = Z_{BA} = Z_{BB} = 0",
    ),
    relations=(
        sp.Equivalent(dead, x >= SINGLE_MAJORITY),
        sp.Equivalent(dead, x >= threshold_at(u)),
        sp.Equivalent(dead, x >= sp.sqrt(block_square(rA0, rB0))),
        equation(norm_B, sp.Integer(0)),
        equation(frame_A, sp.Integer(0)),
    ),
    read=threshold_readings,
    hypotheses=(TWO_SIZES, EQUAL_WEIGHTS, WIDE),
    witness=BEFORE,
    family=Family(sizes="two", near=("between",)),
    settings=(
        AFTER,
        STEP.at(10),
        SINGLE,
        SINGLE.at("31/4"),
        SINGLE.at(8),
        Problem.ce([(9, 1), (5, 3)], 1).at(7),  # K and nB differ
        Problem.ce([(16, 3), (4, 2)], "0.06"),
        Problem.ce([(20, 2), 15], 1).at(21),
    ),
    derivation=threshold_derivation,
    rests_on=frozenset({"HL23-02", "HL23-03", "HL23-07", "HL23-10"}),
    required="proved",
    note=(
        "The derivation proves that the root u, hence x_t, is unique without a bias (it has been stated as observed "
        "only); u is algebraic. With a free bias uniqueness is a step of HL23-12. With a penalised bias the alive test "
        "is exact at every x, but the alive x need not form one interval: UC26-R1 is a counterexample. Equal sizes "
        "have one threshold only, sqrt(n) (HL23-09)."
    ),
    mutants=(
        Mutant("T2 = T1", relations=(sp.Equivalent(dead, x >= sp.sqrt(nB)),), problem=BEFORE),
        Mutant("sqrt of the mean size", relations=(sp.Equivalent(dead, x >= sp.sqrt(N / K)),), problem=BEFORE),
        Mutant(
            "formula of kA = 1 for kA >= 2",
            relations=(sp.Equivalent(dead, x >= sp.sqrt((nA * kB + nB) / K)),),
            problem=BEFORE,
        ),
        Mutant(
            "r without the exponent (kA - 1)/kA",
            relations=(sp.Equivalent(dead, x >= threshold_at(u)),),
            read=_root_of(threshold_equation(u, cross=own_at(u) * u**kA)),
            problem=BEFORE,
        ),
        Mutant(
            "nB kB instead of nB kA",
            relations=(sp.Equivalent(dead, x >= threshold_at(u)),),
            read=_root_of(threshold_equation(u, tail=nB * kB)),
            problem=AFTER,
        ),
        Mutant(
            "minority logits equal but nonzero beyond T2",
            relations=(sp.Equivalent(dead, x >= sp.sqrt(nA)),),
            problem=AFTER,
        ),
    ),
    survivors={
        "sign: k_B*n + n_B becomes -k_B*n + n_B (relation 1)": "n is the larger size: -k_B n + n_B < 0 has no root",
    },
)

FALSE_ANYWAY = "the statement is false with it already"


def _several_each(problem: Problem) -> bool:
    return all(cluster.classes >= 2 for cluster in problem.clusters)


cosine_after_threshold = Claim(
    id="HL23-R6",
    title="Minority columns have cosine 1 between T2 and T3",
    kind="structure",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\cos(z_j, z_k) = 1 \text{ for minority classes } j, k \text{ whenever }"
        r" \sqrt{n_B} \leq \lambda N < \sqrt{n_A},\quad\text{so they vanish only for } \lambda N \geq \sqrt{n_A}",
    ),
    relations=(sp.Equivalent(dead, x >= sp.sqrt(nA)),),
    read=threshold_readings,
    hypotheses=(
        TWO_SIZES,
        replace(UNWEIGHTED, dropped=FALSE_ANYWAY),
        Hypothesis("kA, kB >= 2", _several_each, "a single minority class has no angle"),
        WIDE,
    ),
    witness=AFTER,
    family=Family(sizes="two", near=("between",)),
    settings=(Problem.ce([(16, 3), (4, 2)], "0.05", bias="0.04"),),
    required="refuted",
    note="From T2 on the minority columns are exactly 0 and their cosine is 0/0; HL23-08 is the correct law.",
)
