"""Two class sizes with a free bias: closed form (HL23-12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.hong_ling_2023.two_clusters import (
    FREE,
    FREE_BIAS,
    FREE_PAIR,
    FREE_SINGLE,
    PAPER,
    UNWEIGHTED,
    Reading,
    block_square,
    dead_solution,
    eA,
    eB,
    equation,
    log_margin,
    margin_A,
    margin_B,
    own_probability,
    rA0,
    saturation,
    sibling_probability,
    two_sizes,
)
from theory.observables import between_dead, between_states, two_cluster_parameters, two_cluster_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, dead, delta, kA, kB, n, nA, nB, rA, rB, tA, tB, x

S = sp.Symbol("S", real=True)
"""TA(rA) + TB(rB) at the explicit cross probabilities of a free bias."""

FREE_rA, FREE_rB = x * sp.sqrt(nB / (N * K * nA)), x * sp.sqrt(nA / (N * K * nB))
FREE_S = margin_A(FREE_rA) + margin_B(FREE_rB)

size_residual, count_residual, ones_residual = sp.symbols("Zn Pn Z1", nonnegative=True)
"""Sums of the moduli of Z n, of P n - n and of Z 1; n is the vector of all class sizes."""

ALIVE = {name: sp.Symbol(f"{name}_alive", real=True) for name in (rA, rB, tA, tB, delta)}
"""The same numbers, read only while the between-cluster direction is alive."""


def free_readings(optimum: Optimum) -> Iterator[Reading]:
    """Z n and P n of any free-bias optimum; the closed form where there are two sizes."""
    problem = optimum.problem
    if optimum.logits is not None:
        counts = np.array([optimum.logits[0, 0] * 0 + s.numerator for s in problem.sizes])
        counts /= [s.denominator for s in problem.sizes]
        yield {
            size_residual: abs(optimum.logits @ counts).sum(),
            count_residual: abs(optimum.probabilities @ counts - counts).sum(),
            ones_residual: abs(optimum.logits.sum(axis=1)).sum(),
        }
    if not two_sizes(problem):
        return
    state = between_dead(optimum)
    for reading in two_cluster_readings(optimum):
        reading |= saturation(problem)
        if state is False:
            reading |= {alive: reading[name] for name, alive in ALIVE.items() if name in reading}
        elif state is True and problem.bias == "free":
            reading |= dead_solution(problem)
        yield reading
    known = two_cluster_parameters(problem)
    if known[kA] == 1:
        yield {K: known[K], N: known[N], x: known[x], n: known[nA], nB: known[nB], **between_states(optimum)}
    else:
        yield {**known, **saturation(problem), **between_states(optimum)}


def free_derivation() -> Derivation:
    """Bias stationarity, the circle of HL23-07 and the split of S; Z n = 0 for any sizes."""
    total = kA * nA + kB * nB
    explicit = {K: kA + kB, N: total}
    split_A, split_B = S * nB * kB / total, S * nA * kA / total
    S_A, S_B = split_A * kA * kB / (kA + kB), split_B * kA * kB / (kA + kB)
    e, k, other, c = sp.symbols("e k l c", positive=True)
    p_c, q_c, m = sp.symbols("p_c q_c m", positive=True)
    p_x = own_probability(k, other, x * e, x * c)
    return Derivation(
        steps=(
            Lemma("a free bias is stationary iff P n = n", "first-order conditions of a convex program"),
            Lemma(
                "X sqrt(n) = 0, hence Z n = 0: M sqrt(n) = (I - P) n/x = 0 and M^T U = V on X = U S V^T",
                "subdifferential of the nuclear norm",
            ),
            Identity(
                "P n = n in a row of A: nA - nA (pA + (kA - 1) qA) = kB nA rA has to equal kB nB rB",
                nA - nA * (own_probability(kA, kB, eA, rA) + (kA - 1) * sibling_probability(kA, kB, eA, rA)),
                kB * nA * rA,
            ),
            Identity("nA rA = nB rB at the explicit values", nA * FREE_rA, nB * FREE_rB),
            Identity(
                "they lie on the circle K (nA kB rA^2 + nB kA rB^2) = x^2 of an alive direction",
                block_square(FREE_rA, FREE_rB).subs(explicit),
                x**2,
            ),
            Identity(
                "kB rA tB = kA rB tA with nA rA = nB rB splits S = tA + tB",
                kB * FREE_rA * split_B - kA * FREE_rB * split_A,
                sp.Integer(0),
            ),
            Identity("tA + tB = S", split_A + split_B, S),
            Identity("Z n = 0 in the rows of A", nA * S_A - nB * kB * S_B / kA, sp.Integer(0)),
            Identity("Z n = 0 in the rows of B", nB * S_B - nA * kA * S_A / kB, sp.Integer(0)),
            Identity(
                "single class or dead contrast (e = 1, r = c x): -x dT/dx is positive",
                -x * sp.diff(log_margin(k, other, sp.Integer(1), c * x), x),
                1
                + c * x * other / k**2 / own_probability(k, other, sp.Integer(1), c * x)
                + (k - 1) * c * x * other / k**2 / sibling_probability(k, other, sp.Integer(1), c * x),
            ),
            Identity(
                "alive contrast (e and r both proportional to x): q/r is constant and p falls",
                -x * sp.diff(log_margin(k, other, e * x, c * x), x),
                1 / k + x * (other * c + (k - 1) * e) / (k**2 * p_x),
            ),
            Positive(
                "the first is positive for p, q > 0 and k = 1 + m classes ...",
                1 + c * x * other / k**2 / p_c + m * c * x * other / k**2 / q_c,
            ),
            Positive(
                "... and so is the second: S is continuous and decreases strictly with x, to -oo where r leaves its "
                "range",
                1 / k + x * (other * c + m * e) / (k**2 * p_c),
            ),
            Identity(
                "kB rA < eA holds of itself while the contrast of A is alive: e^2 - (kB r)^2 over x^2",
                (1 / nA - (kB * FREE_rA / x) ** 2).subs(explicit),
                (kA**2 * nA + kA * kB * (nA + nB)) / (nA * (kA + kB) * total),
            ),
            Lemma(
                "r in range and S > 0 give a point that satisfies the conditions of HL23-07; otherwise dead",
                "first-order conditions of a convex program",
            ),
            Identity(
                "kA = 1, contrast of B dead: 1 - kB rA - rB = 0, which is S = 0, has the root x^2 = K nA nB/N",
                (kB * FREE_rA + FREE_rB).subs({N: nA + kB * nB, x: sp.sqrt(K * nA * nB / (nA + kB * nB))}),
                sp.Integer(1),
            ),
            Positive(
                "there x^2 > nB (nA = nB + s, kA = 1): the contrast of B is dead",
                (1 + kB) * (nB + m) * nB - nB * ((nB + m) + kB * nB),
            ),
            Identity(
                "there exp(S) = (1 - kB rA)(1 - rB)/(kB rA rB) = 1",
                ((1 - kB * rA) * (1 - rB) - kB * rA * rB).subs(rB, 1 - kB * rA),
                sp.Integer(0),
            ),
            Identity(
                "complete collapse: rA0 = nB/N, rB0 = nA/N leave nA/N to every A class and delta = log(nA/nB)",
                own_probability(kA, kB, sp.Integer(1), nB / total),
                nA / total,
            ),
        )
    )


SMALL = (
    Problem.ce([("1/2", 2), ("1/4", 1)], "2/5", bias="free"),
    Problem.ce([(2, 2), ("1/2", 2)], 1, bias="free").at("9/4"),
    Problem.ce([(9, 2), (4, 2)], "3/52", bias="free"),
)
"""A minority of one class, and sizes below 1: there the roots of both formulas are real for wrong exponents as well."""

NO_SUM = (
    "never met: where k_A r_B >= e_B only, S is the logarithm of no positive number, so that the formula says "
    "nothing there, and elsewhere the same"
)

free_bias = Claim(
    id="HL23-12",
    title="Free bias closed form",
    kind="equality",
    paper=PAPER,
    statement=(
        r"Zn = 0,\quad Pn = n \text{ (any sizes)},\quad n_A r_A = n_B r_B",
        r"\text{alive: } r_A = x\sqrt{\frac{n_B}{NKn_A}},\quad r_B = x\sqrt{\frac{n_A}{NKn_B}},\quad"
        r" S = T_A(r_A) + T_B(r_B)",
        r"t_A = \frac{S n_B k_B}{N},\quad t_B = \frac{S n_A k_A}{N},\quad \delta = T_A(r_A) - t_A",
        r"\text{alive} \iff k_B r_A < e_A,\; k_A r_B < e_B,\; S > 0;\quad"
        r" k_A = 1:\; x < \sqrt{K n_A n_B/N}",
        r"\text{dead: } \delta = T_A(r_{A0}) = -T_B(r_{B0}),\; n_A r_{A0} = n_B r_{B0}",
    ),
    relations=(
        equation(size_residual, sp.Integer(0)),
        equation(count_residual, sp.Integer(0)),
        equation(nA * rA, nB * rB),
        equation(ALIVE[rA], FREE_rA),
        equation(ALIVE[rB], FREE_rB),
        equation(ALIVE[tA], FREE_S * nB * kB / N),
        equation(ALIVE[tB], FREE_S * nA * kA / N),
        equation(ALIVE[delta], margin_A(FREE_rA) - FREE_S * nB * kB / N),
        equation(delta, margin_A(rA0)),
        sp.Equivalent(dead, x >= sp.sqrt(K * n * nB / N)),
        sp.Equivalent(dead, sp.Or(kB * FREE_rA >= eA, kA * FREE_rB >= eB, FREE_S <= 0)),
    ),
    read=free_readings,
    hypotheses=(
        FREE_BIAS,
        replace(UNWEIGHTED, dropped=Problem.ce([(9, 2), (4, 3)], "0.03", bias="free", weights=[(1, 2), (2, 3)])),
        WIDE,
    ),
    witness=FREE,
    family=Family(sizes="two", bias=("free",), near=("merge", "between")),
    settings=(
        FREE_SINGLE,
        FREE_PAIR,
        FREE.at(8),
        FREE.at(9),
        FREE.at(10),
        Problem.ce([(7, 2), (5, 1), (2, 2)], "0.02", bias="free"),
        *SMALL,
    ),
    derivation=free_derivation,
    rests_on=frozenset({"HL23-07"}),
    required="proved",
    note="S decreases strictly with x, so the free-bias threshold x_t is unique (a step of the derivation). From x_t "
    "on S is still defined while kB rA < eA; where it is not, the first two conditions decide.",
    mutants=(
        Mutant("rA = rB", relations=(equation(rA, rB),), problem=FREE),
        Mutant("S split with nA kA for tA", relations=(equation(ALIVE[tA], FREE_S * nA * kA / N),), problem=FREE),
        Mutant("Z 1 = 0 instead of Z n = 0", relations=(equation(ones_residual, sp.Integer(0)),), problem=FREE),
        Mutant(
            "delta = log(nA/nB) before complete collapse", relations=(equation(delta, sp.log(nA / nB)),), problem=FREE
        ),
    ),
    survivors={
        "dropped term: without k_A*>= e_B (relation 11)": NO_SUM,
        "sign: k_A*sqrt(n_A)*x/*(relation 11)": NO_SUM,
        "strictness: *(relation 11)*": "equality in the first two conditions leaves S without a value; S = 0 is a root "
        "in x, on which no ball decides the state",
    },
)
