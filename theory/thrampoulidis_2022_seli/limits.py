"""Strong imbalance: angles of the classifier merge, distances do not, and minority means form a frame of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Asymptotic, Claim, Mutant
from theory.derivation import Derivation, Identity, Lemma
from theory.optimum import Optimum
from theory.problem import Problem
from theory.seli_observables import hA, hAA, hAB, hB, hBB, rho, step_readings, wA, wAA, wAB, wB, wBB, zA, zB
from theory.symbols import K, kA, kB, nB
from theory.thrampoulidis_2022_seli.settings import (
    BASIC,
    ONE_MAJORITY,
    ONE_MINORITY,
    PAPER,
    STEP,
    STEPS,
    TIE,
    with_two_sizes,
)

sr = sp.sqrt(rho)

near_BB, w_AA, w_AB, w_ratio = sp.symbols("near_BB c_AA c_AB ratio_w", real=True)
"""(1 - cos(w_B, w_B')) sqrt(R), two cosines of the classifier, |w_A|^2/|w_B|^2."""
h_BB, h_AA, h_AB, h_ratio = sp.symbols("d_BB d_AA d_AB ratio_h", real=True)
"""Cosines of the class means, |mu_A|^2/|mu_B|^2 sqrt(R)."""
apart, apart_h = sp.symbols("gap_w gap_h", real=True)
"""|w_B - w_B'|^2, and the squared distance of two minority means over |mu_B|^2."""
dual_A, dual_B, own_A, own_B = sp.symbols("wh_A wh_B wh_A1 wh_B1", real=True)
"""cos(w_A, mu_A), cos(w_B, mu_B) R^(1/4); the plain cosines where a group has one class only."""
lone_ratio = sp.Symbol("ratio_h1", real=True)
"""|mu_A|^2/|mu_B|^2 where there is one minority class."""


def steeper(problem: Problem, scale: int) -> Problem:
    """The same numbers of classes with R = scale^4; the minority size stays.

    Examples
    --------
    >>> steeper(STEP, 10).clusters[0].size
    Fraction(20000, 1)
    """
    A, B = problem.clusters
    return Problem.svm([(B.size * scale**4, A.classes), (B.size, B.classes)], dim=problem.dim)


def limit_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """Cosines and ratios, those that tend to 0 or infinity times the power of R that makes them tend to a constant.

    Examples
    --------
    >>> list(limit_readings(Optimum(STEP, "convex")))
    []
    """
    for reading in step_readings(optimum):
        if wA not in reading or hA not in reading:
            continue
        A, B = optimum.problem.clusters[0].size, optimum.problem.clusters[-1].size
        zero = 0 * reading[wA]
        quarter = np.sqrt(np.sqrt(np.array([zero + int(A / B)])))[0]
        root = quarter * quarter
        W, H = (np.sqrt(np.array([reading[a] * reading[b]]))[0] for a, b in ((wA, wB), (hA, hB)))
        duals = np.sqrt(np.array([reading[wA] * reading[hA], reading[wB] * reading[hB]]))
        found = {
            w_AB: reading[wAB] / W,
            w_ratio: reading[wA] / reading[wB],
            (h_ratio if reading[kB] > 1 else lone_ratio): reading[hA] / reading[hB] * (root if reading[kB] > 1 else 1),
            (dual_A if reading[kA] > 1 else own_A): reading[zA] / duals[0],
            (dual_B if reading[kB] > 1 else own_B): reading[zB] / duals[1] * (quarter if reading[kB] > 1 else 1),
        }
        if wAA in reading:
            found |= {w_AA: reading[wAA] / reading[wA], h_AA: reading[hAA] / reading[hA]}
        if wBB in reading:
            found |= {
                near_BB: (1 - reading[wBB] / reading[wB]) * root,
                h_BB: reading[hBB] / reading[hB],
                h_AB: reading[hAB] / H,
                apart: 2 * (reading[wB] - reading[wBB]),
                apart_h: 2 * (1 - reading[hBB] / reading[hB]),
            }
        yield reading | found


LENGTH_A = 1 - 1 / kA + sr * kB / (kA * K)
LENGTH_B = sr * kA / (kB * K)
"""|w_A|^2 and |w_B|^2 over q sqrt(R), in the limit."""
MEAN_A = 1 - 1 / kA + kB / (kA * K * sr)
"""|mu_A|^2 q sqrt(R), in the limit."""

LIMITS = (
    (near_BB, kB * K / (kA * sr)),
    (w_AA, (sr**3 - 1) / (kA - 1 + sr**3)),
    (w_AB, -(sr / K) / sp.sqrt(LENGTH_A * LENGTH_B)),
    (w_ratio, LENGTH_A / LENGTH_B),
    (h_BB, -1 / (kB - 1)),
    (h_AA, (sr - 1) / (kA - 1 + sr)),
    (h_AB, sp.Integer(0)),
    (h_ratio, MEAN_A / (1 - 1 / kB)),
    (apart, 2 * sp.sqrt(nB)),
    (dual_A, (1 - 1 / K) / sp.sqrt(LENGTH_A * MEAN_A)),
    (dual_B, (1 - 1 / K) / sp.sqrt(LENGTH_B * (1 - 1 / kB))),
    (own_A, sp.Integer(1)),
    (own_B, sp.Integer(1)),
    (lone_ratio, MEAN_A / (kA / (K * sr))),
)


def limit_derivation() -> Derivation:
    """The closed forms in e = R^(-1/4) and t = sqrt(rho + (1 - rho) e^4) are continuous at e = 0, t = sqrt(rho)."""
    e, t = sp.symbols("e t", positive=True)
    size = kA + kB
    A = 1 - 1 / kA + t * kB / (kA * size)  # |w_A|^2 e^2/q
    B = e**2 * (1 - 1 / kB) + t * kA / (kB * size)
    AA = -1 / kA + t * kB / (kA * size)
    BB = -(e**2) / kB + t * kA / (kB * size)
    HA = 1 - 1 / kA + kB / (kA * size * t)  # |mu_A|^2 q/e^2
    HB = 1 - 1 / kB + e**2 * kA / (kB * size * t)  # |mu_B|^2 q
    HAA, HBB = -1 / kA + kB / (kA * size * t), -1 / kB + e**2 * kA / (kB * size * t)
    start = {e: 0}
    cubed = {rho: kB / size}
    return Derivation(
        steps=(
            Lemma(
                "closed forms; sqrt(R) = e^-2, sqrt(tau) = t e^-2, W W^T over q e^-2, Hbar^T Hbar times q", "TH22-12"
            ),
            Lemma("t = sqrt(rho + (1 - rho) e^4) -> sqrt(rho): insert e = 0, t = sqrt(rho)", "continuity"),
            Identity("1 - cos(w_B, w_B') = e^2/|w_B|^2", (B - BB) / B, e**2 / B),
            Identity("times sqrt(R) = e^-2", (1 / B).subs(start), kB * size / (kA * t)),
            Identity("cos(w_A, w_A')", AA / A, (t * kB / size - 1) / (kA - 1 + t * kB / size)),
            Identity("with t kB/K = sqrt(rho)^3", sp.sqrt(rho) * rho, sp.sqrt(rho) ** 3),
            Identity("|w_A|^2/|w_B|^2", (A / B).subs(start), A / (t * kA / (kB * size))),
            Identity(
                "cos(w_A, w_B)^2, from <w_A, w_B> e^2/q = -t/K",
                ((t / size) ** 2 / (A * B)).subs(start),
                (t / size) ** 2 / (A * (t * kA / (kB * size))),
            ),
            Identity("|w_B - w_B'|^2 e^2/q = 2 e^2, for every R", 2 * (B - BB), 2 * e**2),
            Identity("cos(mu_B, mu_B')", (HBB / HB).subs(start), -1 / (kB - 1)),
            Identity(
                "cos(mu_A, mu_A'), with kB/(K t) = t at t = sqrt(rho)",
                (HAA / HA).subs(t, sp.sqrt(rho)).subs(cubed),
                ((sp.sqrt(rho) - 1) / (kA - 1 + sp.sqrt(rho))).subs(cubed),
            ),
            Identity(
                "<mu_A, mu_B>^2/(|mu_A|^2 |mu_B|^2), of order e^2",
                (e**2 / (size * t) ** 2 / (HA * HB)).subs(start),
                sp.Integer(0),
            ),
            Identity("|mu_A|^2/|mu_B|^2 sqrt(R)", (HA / HB).subs(start), HA / (1 - 1 / kB)),
            Identity(
                "cos(w_B, mu_B)^2 sqrt(R) = (1 - 1/K)^2/(|w_B|^2 |mu_B|^2)",
                ((1 - 1 / size) ** 2 / (B * HB)).subs(start),
                (1 - 1 / size) ** 2 / (t * kA / (kB * size) * (1 - 1 / kB)),
            ),
            Identity(
                "kA >= 2: cos(w_A, mu_A)^2 = (1 - 1/K)^2/(|w_A|^2 |mu_A|^2), the powers of e cancel",
                (1 - 1 / size) ** 2 / ((A / e**2) * (HA * e**2)),
                (1 - 1 / size) ** 2 / (A * HA),
            ),
            Identity(
                "kB = 1: |mu_A|^2/|mu_B|^2",
                (e**2 * HA / HB).subs(kB, 1),
                (HA / (kA / (kB * size * t))).subs(kB, 1),
            ),
            Identity(
                "kB = 1: cos(w_B, mu_B)^2 = 1", ((1 - 1 / size) ** 2 * e**2 / (B * HB)).subs(kB, 1), sp.Integer(1)
            ),
            Identity("kA = 1: cos(w_A, mu_A)^2 = 1", ((1 - 1 / size) ** 2 / (A * HA)).subs(kA, 1), sp.Integer(1)),
        )
    )


limits = Claim(
    id="TH22-15",
    title="Two sizes: limits for strong imbalance",
    kind="limit",
    paper=PAPER,
    statement=(
        r"R \to \infty:\quad 1 - \cos(w_B, w_B') \sim \frac{k_B K}{k_A \sqrt{\rho R}},\quad"
        r" \cos(w_A, w_A') \to \frac{\rho^{3/2} - 1}{k_A - 1 + \rho^{3/2}},\quad \|w_B - w_B'\|^2 = 2\sqrt{n_{\min}}",
        r"a = 1 - \tfrac1{k_A} + \tfrac{\sqrt\rho k_B}{k_A K},\ b = \tfrac{\sqrt\rho k_A}{k_B K}:\quad \cos(w_A, w_B)"
        r" \to -\frac{\sqrt\rho}{K \sqrt{a b}},\quad \|w_A\|^2/\|w_B\|^2 \to a/b",
        r"\cos(\mu_B, \mu_B') \to -\frac{1}{k_B - 1},\quad \cos(\mu_A, \mu_A') \to \frac{\sqrt\rho - 1}{k_A - 1 +"
        r" \sqrt\rho},\quad \cos(\mu_A, \mu_B) \to 0\ (k_B \geq 2)",
        r"\frac{\|\mu_A\|^2}{\|\mu_B\|^2}\sqrt R \to \frac{1 - 1/k_A + k_B/(k_A K \sqrt\rho)}{1 - 1/k_B},\quad"
        r" \cos(w_B, \mu_B) R^{1/4} \to \frac{1 - 1/K}{\sqrt{b (1 - 1/k_B)}}",
        r"k_A \geq 2:\ \cos(w_A, \mu_A) \to \frac{1 - 1/K}{\sqrt{a (1 - 1/k_A + k_B/(k_A K \sqrt\rho))}}",
        r"k_B = 1:\ \frac{\|\mu_A\|^2}{\|\mu_B\|^2} \to \frac{K \sqrt\rho}{k_A}\left(1 - \tfrac1{k_A}\right)"
        r" + \frac{1}{k_A^2}",
        r"k_B = 1:\ \cos(w_B, \mu_B) = 1;\qquad k_A = 1:\ \cos(w_A, \mu_A) = 1",
    ),
    relations=tuple(Asymptotic(left, right, order=1) for left, right in LIMITS),
    read=limit_readings,
    along=steeper,
    hypotheses=(*BASIC, with_two_sizes("R and rho are those of two sizes")),
    witness=STEP,
    settings=(TIE, ONE_MINORITY, ONE_MAJORITY, Problem.svm([(12, 2), 3])),
    family=STEPS,
    derivation=limit_derivation,
    rests_on=frozenset({"TH22-01", "TH22-12"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(Asymptotic(left, wrong, order=1),), problem=STEP)
        for text, left, wrong in (
            ("sqrt(rho) instead of its cube in the classifier", w_AA, (sr - 1) / (kA - 1 + sr)),
            ("the ratio of classifier lengths diverges", 1 / w_ratio, sp.Integer(0)),
            ("minority means merge", h_BB, sp.Integer(1)),
            ("minority classifiers merge in distance", apart, sp.Integer(0)),
        )
    ),
    source="published result for part of the limits; all constants re-derived",
    note="Angles of minority classifiers vanish like R^(-1/4) because their length grows, not because they approach "
    "each other.",
)
