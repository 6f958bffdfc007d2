"""Two class sizes, two notations: thresholds and limit angles of HL23 are those of TH22 (XP26-11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.bridges.settings import LINEAR, PAPER, PLAIN, WIDE, max_margin, unbiased, zero_state
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma
from theory.hong_ling_2023.angles import h_AA, h_BB, w_AA, w_BB
from theory.hong_ling_2023.between_clusters import own_at, threshold_at, threshold_equation, u
from theory.hong_ling_2023.limit_angles import not_a_frame
from theory.observables import between_states, dead_state, two_cluster_parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.seli_observables import hA, hAA, hB, hBB, step_readings, wA, wAA, wB, wBB
from theory.symbols import K, dead, dead_exact, kA, kB, nA, nB, x

gap = sp.Symbol("a_U", positive=True)
"""Gap of the majority at the second transition, in the notation of TH22."""
n_minor, n_major = sp.symbols("n_minor n_major", positive=True)
"""Sizes of a cluster of two classes or more: the minority, the majority."""

COSINES = {relation.lhs: relation.rhs for relation in not_a_frame.relations}
"""What HL23-18 says of cosines in the large-sample limit."""

Q = 1 + (kA - 1) * sp.exp(-gap) + kB * sp.exp(-gap * (1 - 1 / kA))
p_other, p_B = sp.exp(-gap) / Q, sp.exp(-gap * (1 - 1 / kA)) / Q
SECOND = sp.sqrt(nA) * (kA * p_other + kB * p_B)
"""lam_U in terms of the gap, where the minority vanishes."""
TRANSITION = K * (nA * kB * p_B**2 + nB * kA / K**2) - SECOND**2


def both_notations(optimum: Optimum) -> Iterator[Reading]:
    """States of minority, between-group direction and all of Z, both roots, and the cosines of the max-margin problem.

    Examples
    --------
    >>> len(list(both_notations(Optimum(STEP, "exact"))))
    3
    """
    problem = optimum.problem
    known = two_cluster_parameters(problem)
    unknown = (None, None)
    states = zip(optimum.contrasts or unknown, optimum.exact_contrasts or unknown, strict=True)
    minority = list(states)[1]
    if known[kB] > 1:
        yield {x: known[x], n_minor: known[nB], **dict(zip((dead, dead_exact), map(dead_state, minority), strict=True))}
    if known[kA] > 1:
        sizes = {symbol: known[symbol] for symbol in (K, kA, nA, kB, nB)}
        roots = {
            u: Root(u, threshold_equation(u).subs(sizes), sp.Integer(0), sp.Integer(1)),
            gap: Root(gap, TRANSITION.subs(sizes), sp.Integer(0), sp.oo),
        }
        yield {**sizes, x: known[x], **roots, **between_states(optimum)}
        yield {x: known[x], n_major: known[nA], dead: zero_state(optimum), dead_exact: optimum.exact_zero}
    for other in optimum.companions:
        for reading in step_readings(other):
            yield {symbol: known[symbol] for symbol in (K, kA, nA, kB, nB)} | _cosines(reading)


def _cosines(reading: dict[sp.Symbol, Any]) -> dict[sp.Symbol, Any]:
    """Cosines inside the groups, in the names of HL23."""
    found = {}
    for cosine, inner, square in ((w_AA, wAA, wA), (w_BB, wBB, wB), (h_AA, hAA, hA), (h_BB, hBB, hB)):
        if inner in reading:
            found[cosine] = reading[inner] / reading[square]
    return found


def notation_derivation() -> Derivation:
    """U = exp(-a/kA) turns one system into the other; nu^2 = tau n_min turns the cosines."""
    value = sp.Symbol("nu", positive=True)
    size = kA + kB
    step = {K: size, u: sp.exp(-gap / kA)}
    root_tau, root_R = value / sp.sqrt(nB), sp.sqrt(nA) / sp.sqrt(nB)
    share = nA * kB / (size * value**2)
    pairs = {
        w_AA: (-root_R / kA + root_tau * kB / (kA * size), root_R * (1 - 1 / kA) + root_tau * kB / (kA * size)),
        w_BB: (-1 / kB + root_tau * kA / (kB * size), 1 - 1 / kB + root_tau * kA / (kB * size)),
        h_AA: (
            -1 / (kA * root_R) + kB / (kA * size * root_tau),
            (1 - 1 / kA) / root_R + kB / (kA * size * root_tau),
        ),
        h_BB: (-1 / kB + kA / (kB * size * root_tau), 1 - 1 / kB + kA / (kB * size * root_tau)),
    }
    minor = nB * kA / (size * value**2)
    limits = {
        w_AA: (value * kB / size, nA, kA),
        w_BB: (value * kA / size, nB, kB),
        h_AA: (value * share, nA, kA),
        h_BB: (value * minor, nB, kB),
    }
    return Derivation(
        steps=(
            Lemma("T1: the minority merges iff x >= sqrt(nB)", "HL23-04"),
            Lemma("T2 in terms of u, the only root in (0, 1)", "HL23-08"),
            Identity(
                "kA p_o + kB p_B = 1 - p + p e^-a", SECOND / sp.sqrt(nA), (threshold_at(u) / sp.sqrt(nA)).subs(step)
            ),
            Identity("p_B = r", p_B, (own_at(u) * u ** (kA - 1)).subs(step)),
            Identity(
                "so the equation of lam_U is that of T2, times -1/K",
                -size * TRANSITION.subs(K, size),
                threshold_equation(u).subs(step),
            ),
            Lemma("T3 (kA >= 2): Z = 0 iff x^2 >= n_max", "HL23-05"),
            Lemma("HL23 with features: nu^2 = (nA kB + nB kA)/K, c = nA kB/(K nu^2)", "HL23-18"),
            Lemma("SELI: Gram matrices with tau = nu^2/n_min, R = nA/nB", "TH22-12"),
            Identity(
                "1 - c = nB kA/(K nu^2)",
                (1 - share).subs(value, sp.sqrt((nA * kB + nB * kA) / size)),
                minor.subs(value, sp.sqrt((nA * kB + nB * kA) / size)),
            ),
            *(
                Identity(f"{cosine}: the two quotients", inner / square, _limit(*limits[cosine]))
                for cosine, (inner, square) in pairs.items()
            ),
            *(
                Identity(
                    f"{cosine}: as HL23-18 writes it",
                    _limit(*limits[cosine]).subs(value, sp.sqrt((nA * kB + nB * kA) / size)),
                    COSINES[cosine].subs(K, size),
                )
                for cosine in (w_AA, w_BB)
            ),
        )
    )


def _limit(part: sp.Expr, count: sp.Expr, classes: sp.Expr) -> sp.Expr:
    return (part - sp.sqrt(count)) / (part + (classes - 1) * sp.sqrt(count))


def _equal(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


def _exchanged(cosine: sp.Symbol) -> sp.Expr:
    return COSINES[cosine].subs({nA: nB, nB: nA}, simultaneous=True)


STEP = Problem.ce([(28, 3), (5, 4)], "0.03")
"""lam_U = 3.74936 between sqrt(5) and sqrt(28)."""
ANGLES = Problem.ce([(9, 2), (1, 5)], "0.01")

one_catalogue = Claim(
    id="XP26-11",
    title="Two sizes: one set of thresholds and angles in two notations",
    kind="equality",
    paper=PAPER,
    statement=(
        r"T_1 = \sqrt{n_B};\qquad T_2 = \lambda_U = \sqrt{n_A} (k_A p_o + k_B"
        r" p_B),\ K \left(n_A k_B p_B^2 + n_B k_A/K^2"
        r"\right) = \lambda_U^2,\quad u = e^{-a/k_A};\qquad T_3 = \lambda_0 ="
        r" \sqrt{n_A}\quad (k_A \geq 2,\ x = \lambda N)",
        r"\text{the large-sample cosines of CE (HL23-18) are those of the"
        r" max-margin solution, of } W \text{ and of } H:"
        r"\quad \frac{\nu k_B/K - \sqrt{n_A}}{\nu k_B/K + (k_A - 1) \sqrt{n_A}},\ \dots",
    ),
    relations=(
        sp.Equivalent(dead, x >= sp.sqrt(n_minor)),
        sp.Equivalent(dead, x >= SECOND),
        _equal(SECOND, threshold_at(u)),
        sp.Equivalent(dead, x >= sp.sqrt(n_major)),
        *(_equal(cosine, COSINES[cosine]) for cosine in (w_AA, w_BB, h_AA, h_BB)),
    ),
    read=both_notations,
    companions=lambda problem: (max_margin(problem),),
    hypotheses=(
        LINEAR,
        Hypothesis(
            "two sizes", lambda problem: len(problem.clusters) == 2, dropped="the formulas name the sizes of two groups"
        ),
        unbiased(Problem.ce([(28, 3), (5, 4)], 1, bias="free").at("13.3")),
        PLAIN,
        WIDE,
    ),
    witness=STEP,
    family=Family(sizes="two", bias=("none",), near=("merge", "between")),
    settings=(STEP.at("13.3"), ANGLES, Problem.ce([(9, 2), 4], "0.02"), Problem.ce([12, (3, 2)], "0.02")),
    derivation=notation_derivation,
    rests_on=frozenset({"HL23-04", "HL23-05", "HL23-08", "HL23-18", "TH22-12"}),
    required="proved",
    mutants=(
        Mutant("lam_U = T1", relations=(_equal(SECOND, sp.sqrt(nB)),), problem=STEP),
        Mutant("W and H have the same limits", relations=(_equal(h_AA, COSINES[w_AA]),), problem=ANGLES),
        Mutant("nA/nB inverted", relations=(_equal(w_BB, _exchanged(w_BB)),), problem=ANGLES),
        Mutant(
            "nB kA/K for nB kA/K^2",
            relations=(_equal(K * (nA * kB * p_B**2 + nB * kA / K), SECOND**2),),
            problem=STEP,
        ),
    ),
    source="derived here",
)
