"""Angles in the large-sample limit of HL23-15: mean predictions drift to the ETF, classifier and features do not.

HL23-16 is the first-order deviation of the prediction angles: at finite samples majority angles are more obtuse
than those of the equiangular frame (ETF, cosine -1/(K-1)) and minority angles less. HL23-18 gives the limits for
classifier rows and class-mean features, which depend on the ratio nA/nB for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory.claim import Asymptotic, Claim, Family, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.hong_ling_2023.angles import (
    SHARE,
    SQUARE_A,
    SQUARE_B,
    angle_readings,
    g,
    h_AA,
    h_BB,
    prediction_steps,
    root_steps,
    w_AA,
    w_BB,
    z_AA,
    z_AB,
    z_BB,
)
from theory.hong_ling_2023.large_sample_limit import (
    BOUND_BIAS,
    PENALISED,
    REACH,
    STEP,
    WIDER,
    L,
    al,
    be,
    grow,
    r0,
    scaled_readings,
)
from theory.hong_ling_2023.minority_collapse import PAPER, WIDE
from theory.hong_ling_2023.two_clusters import SPECTRAL, TWO_SIZES, UNWEIGHTED
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, a, b, kA, kB, nA, nB, s1, tA, tB

COSINES = (z_AA, z_BB, z_AB, w_AA, w_BB, h_AA, h_BB)

lA = sp.log((sp.sqrt(K * (kB + kA * nB / nA)) - kB) / kA)
lB = sp.log((sp.sqrt(K * (kA + kB * nA / nB)) - kA) / kB)
"""log(cqA/r0) < 0 < log(cqB/r0) in the constants of HL23-15."""
ETF = -1 / (K - 1)


def limit_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """Scaled reading with the cosines of predictions, classifier rows and features."""
    for reading in scaled_readings(optimum):
        for angles in angle_readings(optimum):
            yield {**reading, **{cosine: angles[cosine] for cosine in COSINES if cosine in angles}}


CLASSES = kA + kB
eA, eB, e0 = sp.symbols("ell_A ell_B ell_0", real=True)
"""log(cqA/r0), log(cqB/r0) and log(r0)."""
s = sp.Symbol("s", positive=True)
"""1/L."""


def deviation_derivation() -> Derivation:
    """Taylor expansion in s = 1/L at (a/L, tA/L) = (1, 1/kA), where the cosines are smooth and homogeneous."""
    rho, step = sp.symbols("rho h", positive=True)
    gap, between = 1 - s * (eA + e0), 1 / kA + s * ((kA - 1) * eA - e0) / kA
    gap_B, between_B = 1 - s * (eB + e0), 1 / kB + s * ((kB - 1) * eB - e0) / kB
    square = SQUARE_A.subs({K: CLASSES, a: gap, tA: between})
    square_B = SQUARE_B.subs({K: CLASSES, b: gap_B, tB: between_B})
    inner = (g * tA**2 - a**2 / kA).subs({K: CLASSES, a: gap, tA: between})
    frame = -1 / (CLASSES - 1)
    slope = -CLASSES / (CLASSES - 1) ** 2 * ((kA - 1) * eA + (kB - 1) * eB)
    return Derivation(
        steps=(
            *prediction_steps(),
            Identity("kA cqA/r0 + kB = (al r0^2)^(-1/2), squared", 1 / (al * r0**2), K * (kB + kA * be / al)),
            Positive("so exp(lA) > 0", CLASSES * (kB + kA * rho) - kB**2),
            Positive("lA < 0 as nA > nB", CLASSES**2 - CLASSES * (kB + kA * nB / (nB + step))),
            Positive("lB > 0 as nA > nB", CLASSES * (kA + kB * (nB + step) / nB) - CLASSES**2),
            Lemma("a/L = 1 - (lA + log r0)/L and so on up to O(1/L^2), HL23-15, may be inserted", "Taylor's theorem"),
            Identity("cosAA at s = 0", (inner / square).subs(s, 0), frame),
            Identity(
                "relative slope of cosAA at s = 0",
                _relative_slope(inner) - _relative_slope(square),
                2 * CLASSES * kB / (CLASSES - 1) ** 2 * eA / frame,
            ),
            Identity(
                "cosAB^2 at s = 0 (cosAB < 0)",
                (g.subs(K, CLASSES) ** 2 * between**2 * between_B**2 / (square * square_B)).subs(s, 0),
                frame**2,
            ),
            Identity(
                "relative slope of cosAB at s = 0",
                _relative_slope(between)
                + _relative_slope(between_B)
                - (_relative_slope(square) + _relative_slope(square_B)) / 2,
                slope / frame,
            ),
        ),
    )


def _relative_slope(function: sp.Expr) -> sp.Expr:
    """Derivative of log(function) in s at 0."""
    return sp.cancel(sp.diff(function, s).subs(s, 0) / function.subs(s, 0))


def _deviations(
    factor: int = 2, inside: tuple[sp.Expr, sp.Expr] = (kB, kA), logs: tuple[sp.Expr, sp.Expr] = (lA, lB)
) -> tuple[Asymptotic, ...]:
    first, second = logs
    unit = K / (K - 1) ** 2 / L
    return (
        Asymptotic(z_AA, ETF + factor * unit * inside[0] * first, 2),
        Asymptotic(z_BB, ETF + factor * unit * inside[1] * second, 2),
        Asymptotic(z_AB, ETF - unit * ((kA - 1) * first + (kB - 1) * second), 2),
    )


PLAIN_ANGLES = replace(
    UNWEIGHTED,
    dropped="a fixed loss weight scales its columns of Z by 1 + log(w)/L at first order, which these angles ignore",
)
INVERTED = tuple(log.subs({nA: nB, nB: nA}, simultaneous=True) for log in (lA, lB))

first_order = Claim(
    id="HL23-16",
    title="First-order deviation of the prediction angles from the ETF",
    kind="limit",
    paper=PAPER,
    statement=(
        r"\ell_A = \log\frac{\sqrt{K (k_B + k_A n_B/n_A)} - k_B}{k_A} < 0,\quad "
        r"\ell_B = \log\frac{\sqrt{K (k_A + k_B n_A/n_B)} - k_A}{k_B} > 0",
        r"\cos_{AA} = -\frac{1}{K-1} + \frac{2 K k_B}{(K-1)^2} \frac{\ell_A}{L} + O(L^{-2})",
        r"\cos_{BB} = -\frac{1}{K-1} + \frac{2 K k_A}{(K-1)^2} \frac{\ell_B}{L} + O(L^{-2})",
        r"\cos_{AB} = -\frac{1}{K-1} - \frac{K}{(K-1)^2} \frac{(k_A-1)\ell_A + (k_B-1)\ell_B}{L} + O(L^{-2})",
    ),
    relations=_deviations(),
    read=limit_readings,
    along=grow,
    hypotheses=(TWO_SIZES, PLAIN_ANGLES, BOUND_BIAS, REACH, WIDE),
    witness=WIDER,
    settings=(STEP, PENALISED),
    family=Family(sizes="two", bias=("none", "penalised"), near=()),
    derivation=deviation_derivation,
    rests_on=frozenset({"HL23-14", "HL23-15"}),
    required="agrees",
    mutants=(
        Mutant("factor 2 missing", _deviations(factor=1), problem=WIDER),
        Mutant("kA and kB swapped", _deviations(inside=(kA, kB)), problem=WIDER),
        Mutant("sign of lA", _deviations(logs=(-lA, lB)), problem=WIDER),
        Mutant("nA/nB inverted inside lA and lB", _deviations(logs=INVERTED), problem=WIDER),
    ),
    note="A cosine inside a cluster needs two classes there.",
)


nu = sp.sqrt((nA * kB + nB * kA) / K)
c2 = nA * kB / (nA * kB + nB * kA)


def limits_derivation() -> Derivation:
    """The cosines of HL23-14 at a = b = L, tA = L/kA, tB = L/kB."""
    limit = {tA: L / kA, tB: L / kB, K: CLASSES}
    root = sp.Symbol("nu", positive=True)
    share = sp.Symbol("c", positive=True)
    return Derivation(
        steps=(
            Lemma(
                "W W^T ~ (X X^T)^(1/2), features ~ D^(-1/2) (X^T X)^(1/2) D^(-1/2), X = Z D^(1/2)",
                "equality case of the variational form of the nuclear norm",
            ),
            *root_steps(),
            Lemma("limits of quotients of O(L) quantities known up to O(1), HL23-15", "continuity"),
            Identity("s1/L -> nu, squared", (SPECTRAL**2).subs(limit) / L**2, (nu**2).subs(K, CLASSES)),
            Identity("share of the features in A", SHARE.subs(limit), c2),
            Identity(
                "cosine in A: share c = kB/K for the classifier, c2 for the features",
                (L * root * share - L * sp.sqrt(nA)) / (L * root * share + (kA - 1) * L * sp.sqrt(nA)),
                _cosine(share, nA, kA, root),
            ),
        ),
    )


def _cosine(share: sp.Expr, size: sp.Expr, classes: sp.Expr, value: sp.Expr = nu) -> sp.Expr:
    """Cosine inside a cluster from its share of the between-cluster singular value."""
    return (value * share - sp.sqrt(size)) / (value * share + (classes - 1) * sp.sqrt(size))


def _limits(value: sp.Expr = nu, share: sp.Expr = c2) -> tuple[Asymptotic, ...]:
    return (
        Asymptotic(a / L, sp.Integer(1)),
        Asymptotic(b / L, sp.Integer(1)),
        Asymptotic(s1 / (L * value), sp.Integer(1)),
        Asymptotic(w_AA, _cosine(kB / K, nA, kA, value)),
        Asymptotic(w_BB, _cosine(kA / K, nB, kB, value)),
        Asymptotic(h_AA, _cosine(share, nA, kA, value)),
        Asymptotic(h_BB, _cosine(1 - share, nB, kB, value)),
    )


EXAMPLE = Problem.ce([(6, 3), (1, 4)], "1/100")

not_a_frame = Claim(
    id="HL23-18",
    title="Classifier and features do not become an ETF at fixed ratio",
    kind="limit",
    paper=PAPER,
    statement=(
        r"\nu = \sqrt{(n_A k_B + n_B k_A)/K},\quad c = \frac{n_A k_B}{n_A k_B + n_B k_A}",
        r"\frac{1}{L}\,\sigma(Z D^{1/2}) \to \sqrt{n_A}\ (k_A - 1 \text{ times}),\ \sqrt{n_B}\ (k_B - 1),\ \nu\ (1)",
        r"W:\ \cos_{AA} \to \frac{\nu k_B/K - \sqrt{n_A}}{\nu k_B/K + (k_A-1)\sqrt{n_A}},\quad "
        r"\cos_{BB} \to \frac{\nu k_A/K - \sqrt{n_B}}{\nu k_A/K + (k_B-1)\sqrt{n_B}}",
        r"H:\ \cos_{AA} \to \frac{\nu c - \sqrt{n_A}}{\nu c + (k_A-1)\sqrt{n_A}},\quad "
        r"\cos_{BB} \to \frac{\nu (1-c) - \sqrt{n_B}}{\nu (1-c) + (k_B-1)\sqrt{n_B}}",
    ),
    relations=_limits(),
    read=limit_readings,
    along=grow,
    hypotheses=(TWO_SIZES, PLAIN_ANGLES, BOUND_BIAS, REACH, WIDE),
    witness=EXAMPLE,
    settings=(PENALISED,),
    family=Family(sizes="two", bias=("none", "penalised"), near=()),
    derivation=limits_derivation,
    rests_on=frozenset({"HL23-14", "HL23-15"}),
    required="agrees",
    mutants=(
        Mutant("features converge to the ETF", (Asymptotic(h_AA, ETF), Asymptotic(h_BB, ETF)), problem=EXAMPLE),
        Mutant("nu = sqrt(N/K)", _limits(value=sp.sqrt(N / K)), problem=EXAMPLE),
        Mutant("limits of W and H equal", _limits(share=kB / K), problem=EXAMPLE),
    ),
    note="Still an ETF when nA = nB; the geometry is that of simplex-encoded labels, reached as lam -> 0.",
)
