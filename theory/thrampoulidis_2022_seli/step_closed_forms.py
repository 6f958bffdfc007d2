"""Two sizes: every length, angle and singular value in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory.blocks import Blocks, diagonal
from theory.claim import Claim, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.optimum import Optimum
from theory.problem import Problem
from theory.seli_observables import (
    R,
    hA,
    hAA,
    hAB,
    hB,
    hBB,
    rho,
    step_readings,
    trace_w,
    wA,
    wAA,
    wAB,
    wB,
    wBB,
    zA,
    zB,
)
from theory.symbols import F, K, kA, kB, nA, nB
from theory.thrampoulidis_2022_seli.settings import (
    BASIC,
    CIFAR,
    ONE_MAJORITY,
    ONE_MINORITY,
    PAPER,
    STEEP,
    STEP,
    STEPS,
    TWO_CLASSES,
    TWO_SIZES,
)

q = sp.sqrt(nB)
TAU = 1 - rho + rho * R
"""tau nB is the eigenvalue of P D P on the direction between both groups."""


def length_w(share: sp.Expr, own: sp.Expr, other: sp.Expr, tau: sp.Expr = TAU) -> sp.Expr:
    """|w|^2 of a class among ``own`` of size ``share`` nB, ``other`` classes having the other size.

    Examples
    --------
    >>> length_w(sp.Integer(1), sp.Integer(2), sp.Integer(2), sp.Integer(4)).subs({nB: 1, K: 4})
    1
    """
    return q * (sp.sqrt(share) * (1 - 1 / own) + sp.sqrt(tau) * other / (own * K))


def inner_w(share: sp.Expr, own: sp.Expr, other: sp.Expr, tau: sp.Expr = TAU) -> sp.Expr:
    """<w, w'> of two such classes.

    Examples
    --------
    >>> inner_w(sp.Integer(1), sp.Integer(2), sp.Integer(2), sp.Integer(4)).subs({nB: 1, K: 4})
    0
    """
    return q * (-sp.sqrt(share) / own + sp.sqrt(tau) * other / (own * K))


def length_h(share: sp.Expr, own: sp.Expr, other: sp.Expr) -> sp.Expr:
    """|hbar|^2: both roots inverted."""
    return ((1 - 1 / own) / sp.sqrt(share) + other / (own * K * sp.sqrt(TAU))) / q


def inner_h(share: sp.Expr, own: sp.Expr, other: sp.Expr) -> sp.Expr:
    """<hbar, hbar'> of two classes of one size."""
    return (-1 / (own * sp.sqrt(share)) + other / (own * K * sp.sqrt(TAU))) / q


ONE = sp.Integer(1)
W_A, W_B = length_w(R, kA, kB), length_w(ONE, kB, kA)
W_AA, W_BB, W_AB = inner_w(R, kA, kB), inner_w(ONE, kB, kA), -q * sp.sqrt(TAU) / K
H_A, H_B = length_h(R, kA, kB), length_h(ONE, kB, kA)
H_AA, H_BB, H_AB = inner_h(R, kA, kB), inner_h(ONE, kB, kA), -1 / (q * K * sp.sqrt(TAU))
VALUE = q * ((kA - 1) * sp.sqrt(R) + sp.sqrt(TAU) + kB - 1)

s_A, s_B, s_mid = sp.symbols("s_A s_B s_0", positive=True)
"""Singular values of Z D^(1/2): on majority contrasts, on minority contrasts, between the groups."""
cos_A, cos_B = sp.symbols("cos_A cos_B", real=True)
"""Cosines between w_c and mu_c."""
half = sp.Symbol("ratio_half", positive=True)
"""|w_A|^2/|w_B|^2 where kA = kB."""


def angle_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """The step reading with eigenvalues of W W^T, which are the singular values, and cosines.

    Examples
    --------
    >>> [s_mid in reading for reading in angle_readings(Optimum(STEP, "convex"))]
    [False]
    """
    for reading in step_readings(optimum):
        if wA in reading and hA in reading:
            contrasts = {s_A: (reading[kA], wA, wAA), s_B: (reading[kB], wB, wBB)}
            rest = reading[trace_w]
            for symbol, (classes, own, other) in contrasts.items():
                if other in reading:
                    reading[symbol] = reading[own] - reading[other]
                    rest = rest - (int(classes) - 1) * reading[symbol]
            roots = np.sqrt(np.array([reading[wA] * reading[hA], reading[wB] * reading[hB]]))
            reading |= {s_mid: rest, cos_A: reading[zA] / roots[0], cos_B: reading[zB] / roots[1]}
            if reading[kA] == reading[kB]:
                reading[half] = reading[wA] / reading[wB]
        yield reading


def step_steps() -> tuple[Step, ...]:
    """The closed forms square to P D P and invert each other, for any numbers of classes."""
    classes = (kA, kB)
    size = kA + kB
    P = diagonal(classes, (ONE, ONE)) - Blocks(classes, (sp.Integer(0),) * 2, sp.ones(2, 2) / size)
    square = P @ diagonal(classes, (nA, nB)) @ P
    t = sp.sqrt((kA * nB + kB * nA) / size)
    root = Blocks(
        classes,
        (sp.sqrt(nA), sp.sqrt(nB)),
        sp.Matrix(
            [
                [-sp.sqrt(nA) / kA + t * kB / (kA * size), -t / size],
                [-t / size, -sp.sqrt(nB) / kB + t * kA / (kB * size)],
            ]
        ),
    )
    inverse = Blocks(
        classes,
        (1 / sp.sqrt(nA), 1 / sp.sqrt(nB)),
        sp.Matrix(
            [
                [-1 / (sp.sqrt(nA) * kA) + kB / (kA * size * t), -1 / (size * t)],
                [-1 / (size * t), -1 / (sp.sqrt(nB) * kB) + kA / (kB * size * t)],
            ]
        ),
    )
    direction = root.on_constant((kB, -kA))
    scaled = {R: nA / nB, rho: kB / size, K: size}
    return (
        Identity("the centring matrix vanishes on 1", sp.Matrix(P.on_constant((ONE, ONE))), sp.zeros(2, 1)),
        Identity("t^2 = tau nB", t**2, (nB * TAU).subs(scaled)),
        Identity("root^2 = P D P", (root @ root).flat(), square.flat()),
        Identity("root * inverse = P", (root @ inverse).flat(), P.flat()),
        Identity("root times (kB, -kA) = t (kB, -kA)", sp.Matrix(direction), sp.Matrix([t * kB, -t * kA])),
        Identity("root times 1 = 0", sp.Matrix(root.on_constant((ONE, ONE))), sp.zeros(2, 1)),
        Positive("t^2 > 0: the eigenvalues sqrt(nA), sqrt(nB), t are positive, 1/t as well", t**2),
    )


def step_derivation() -> Derivation:
    """Entries of both roots."""
    size = kA + kB
    scaled = {R: nA / nB, rho: kB / size, K: size}
    t = sp.Symbol("t", positive=True)
    return Derivation(
        steps=(
            Lemma("W W^T = (P D P)^(1/2), Hbar^T Hbar = its pseudo-inverse, logits P", "TH22-01"),
            *step_steps(),
            Lemma("a positive semidefinite root is unique", "spectral theorem"),
            Identity(
                "|w_A|^2 = gap + entry, with t = sqrt(tau nB)",
                sp.sqrt(nA) - sp.sqrt(nA) / kA + t * kB / (kA * size),
                (q * (sp.sqrt(R) * (1 - 1 / kA)) + t * kB / (kA * K)).subs(scaled),
            ),
            Identity(
                "|hbar_A|^2 likewise",
                1 / sp.sqrt(nA) - 1 / (sp.sqrt(nA) * kA) + kB / (kA * size * t),
                ((1 - 1 / kA) / (sp.sqrt(R) * q) + kB / (kA * K * t)).subs(scaled),
            ),
            Identity(
                "value: the trace",
                kA * (sp.sqrt(nA) - sp.sqrt(nA) / kA + t * kB / (kA * size))
                + kB * (sp.sqrt(nB) - sp.sqrt(nB) / kB + t * kA / (kB * size)),
                (kA - 1) * sp.sqrt(nA) + (kB - 1) * sp.sqrt(nB) + t,
            ),
        )
    )


RELATIONS = (
    (s_A, q * sp.sqrt(R)),
    (s_B, q),
    (s_mid, q * sp.sqrt(TAU)),
    (F, VALUE),
    (wA, W_A),
    (wB, W_B),
    (wAA, W_AA),
    (wBB, W_BB),
    (wAB, W_AB),
    (hA, H_A),
    (hB, H_B),
    (hAA, H_AA),
    (hBB, H_BB),
    (hAB, H_AB),
    (cos_A, (1 - 1 / K) / sp.sqrt(W_A * H_A)),
    (cos_B, (1 - 1 / K) / sp.sqrt(W_B * H_B)),
    (half, (sp.sqrt(R) * (1 - 2 / K) + sp.sqrt((R + 1) / 2) / K) / (1 - 2 / K + sp.sqrt((R + 1) / 2) / K)),
)

SWAPPED = rho + (1 - rho) * R

closed_forms = Claim(
    id="TH22-12",
    title="Two sizes: closed forms",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\tau = 1 - \rho + \rho R,\ \rho = k_B/K,\ q = \sqrt{n_{\min}}:\quad \text{singular values }"
        r" \sqrt R\, q\ (k_A - 1\times),\ \sqrt\tau\, q,\ q\ (k_B - 1\times)",
        r"\|w_A\|^2 = q\left(\sqrt R (1 - \tfrac1{k_A}) + \tfrac{\sqrt\tau k_B}{k_A K}\right),\quad"
        r" \|w_B\|^2 = q\left(1 - \tfrac1{k_B} + \tfrac{\sqrt\tau k_A}{k_B K}\right)",
        r"\langle w_A, w_A' \rangle = q\left(-\tfrac{\sqrt R}{k_A} + \tfrac{\sqrt\tau k_B}{k_A K}\right),\quad"
        r" \langle w_B, w_B' \rangle = q\left(-\tfrac1{k_B} + \tfrac{\sqrt\tau k_A}{k_B K}\right),\quad"
        r" \langle w_A, w_B \rangle = -\tfrac{q \sqrt\tau}{K}",
        r"\text{class means: the same with } 1/q,\ 1/\sqrt R,\ 1/\sqrt\tau",
        r"f^* = q\left((k_A - 1)\sqrt R + \sqrt\tau + k_B - 1\right),\qquad \cos(w_c, \mu_c) = \frac{1 - 1/K}{\|w_c\|"
        r" \|\mu_c\|}",
    ),
    relations=tuple(sp.Eq(left, right, evaluate=False) for left, right in RELATIONS),
    read=angle_readings,
    hypotheses=(*BASIC, TWO_SIZES),
    witness=STEP,
    family=STEPS,
    settings=(Problem.svm([(6, 2), (2, 2)]), ONE_MINORITY, ONE_MAJORITY, TWO_CLASSES, STEEP, CIFAR),
    derivation=step_derivation,
    rests_on=frozenset({"TH22-01"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, right, evaluate=False),), problem=STEP)
        for text, left, right in (
            ("tau with the shares exchanged", wB, length_w(ONE, kB, kA, SWAPPED)),
            ("R instead of sqrt(R)", wA, q * (R * (1 - 1 / kA) + sp.sqrt(TAU) * kB / (kA * K))),
            ("kA and kB exchanged", wBB, inner_w(ONE, kA, kB)),
            ("1/q missing in the class means", hA, H_A * q),
            ("tau in place of its root", wAB, -q * TAU / K),
            ("kA singular values sqrt(R) q", F, VALUE + q * sp.sqrt(R)),
        )
    ),
    source="published result, constants re-derived",
    note="Ratios and angles depend on the smallest size through R only.",
)
