"""Angles in the large-sample limit of HL23-15: mean predictions drift to the ETF, classifier and features do not.

HL23-16 is the first-order deviation of the prediction angles: at finite samples majority angles are more obtuse
than those of the equiangular frame (ETF, cosine -1/(K-1)) and minority angles less. HL23-18 gives the limits for
classifier rows and class-mean features, which depend on the ratio nA/nB for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Asymptotic, Claim, Family, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
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
from theory.hong_ling_2023.two_clusters import TWO_SIZES, UNWEIGHTED
from theory.observables import cosine, norm, quotient
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, a, b, kA, kB, nA, nB, s1, tA, tB

zAA, zBB, zAB, wAA, wBB, hAA, hBB = sp.symbols("z_AA z_BB z_AB w_AA w_BB h_AA h_BB", real=True)
"""Cosines of mean predictions (columns of Z), classifier rows and class-mean features, by cluster of the pair."""
sA, sB = sp.symbols("s_A s_B", real=True)
"""Singular values of the contrasts: a sqrt(nA), b sqrt(nB)."""

lA = sp.log((sp.sqrt(K * (kB + kA * nB / nA)) - kB) / kA)
lB = sp.log((sp.sqrt(K * (kA + kB * nA / nB)) - kA) / kB)
"""log(cqA/r0) < 0 < log(cqB/r0) in the constants of HL23-15."""
ETF = -1 / (K - 1)


def angle_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """Scaled reading with the cosines of predictions, classifier rows and features.

    W W^T is a multiple of (X X^T)^(1/2) and the Gram matrix of the features one of D^(-1/2) (X^T X)^(1/2) D^(-1/2),
    X = Z D^(1/2). The quotient Q of X over two clusters has rank one (1^T Z = 0), so (Q Q^T)^(1/2) = Q Q^T/|Q|.
    """
    problem, Z = optimum.problem, optimum.logits
    A, B = (cluster.members for cluster in problem.clusters)
    for reading in scaled_readings(optimum):
        if Z is None:
            continue
        Q = quotient(problem, Z)
        rows, columns = (Q * Q).sum(axis=1) / norm(Q), (Q * Q).sum(axis=0) / norm(Q)
        angles = {zAB: cosine(Z[:, A[0]], Z[:, B[0]])}
        for own, g, gap, contrast, z, w, h in (
            (A, 0, a, sA, zAA, wAA, hAA),
            (B, 1, b, sB, zBB, wBB, hBB),
        ):
            if len(own) < 2:
                continue
            size_ball = 0 * Z[0, 0] + problem.clusters[g].size.numerator
            angles[contrast] = reading[gap] * np.sqrt(size_ball / problem.clusters[g].size.denominator)
            angles[z] = cosine(Z[:, own[0]], Z[:, own[1]])
            for angle, block in ((w, rows[g]), (h, columns[g])):
                angles[angle] = (block - angles[contrast]) / (block + (len(own) - 1) * angles[contrast])
        yield {**reading, **angles}


CLASSES = kA + kB
eA, eB, e0 = sp.symbols("ell_A ell_B ell_0", real=True)
"""log(cqA/r0), log(cqB/r0) and log(r0)."""
s = sp.Symbol("s", positive=True)
"""1/L."""


def column_steps() -> tuple[Step, ...]:
    """Inner products of the columns of Z in terms of a, b, tA, tB; g = kA kB/K."""
    g = kA * kB / CLASSES
    own, sibling, other = tA * kB / CLASSES + a * (kA - 1) / kA, tA * kB / CLASSES - a / kA, -tA * kA / CLASSES
    own_B, sibling_B, other_B = tB * kA / CLASSES + b * (kB - 1) / kB, tB * kA / CLASSES - b / kB, -tB * kB / CLASSES
    return (
        Lemma(
            "the minimiser is symmetric: Z has one gap and one mean per cluster", "strict convexity modulo constants"
        ),
        Identity(
            "|zA|^2",
            own**2 + (kA - 1) * sibling**2 + kB * other**2,
            g * tA**2 + a**2 * (kA - 1) / kA,
        ),
        Identity(
            "two A columns",
            2 * own * sibling + (kA - 2) * sibling**2 + kB * other**2,
            g * tA**2 - a**2 / kA,
        ),
        Identity(
            "an A and a B column",
            (own + (kA - 1) * sibling) * other_B + other * (own_B + (kB - 1) * sibling_B),
            -g * tA * tB,
        ),
    )


def deviation_derivation() -> Derivation:
    """Taylor expansion in s = 1/L at (a/L, tA/L) = (1, 1/kA), where the cosines are smooth and homogeneous."""
    g, rho, step = kA * kB / CLASSES, sp.Symbol("rho", positive=True), sp.Symbol("h", positive=True)
    gap, between = 1 - s * (eA + e0), 1 / kA + s * ((kA - 1) * eA - e0) / kA
    gap_B, between_B = 1 - s * (eB + e0), 1 / kB + s * ((kB - 1) * eB - e0) / kB
    square = g * between**2 + gap**2 * (kA - 1) / kA
    square_B = g * between_B**2 + gap_B**2 * (kB - 1) / kB
    inner = g * between**2 - gap**2 / kA
    frame = -1 / (CLASSES - 1)
    slope = -CLASSES / (CLASSES - 1) ** 2 * ((kA - 1) * eA + (kB - 1) * eB)
    return Derivation(
        steps=(
            *column_steps(),
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
                (g**2 * between**2 * between_B**2 / (square * square_B)).subs(s, 0),
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
        Asymptotic(zAA, ETF + factor * unit * inside[0] * first, 2),
        Asymptotic(zBB, ETF + factor * unit * inside[1] * second, 2),
        Asymptotic(zAB, ETF - unit * ((kA - 1) * first + (kB - 1) * second), 2),
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
    read=angle_readings,
    along=grow,
    hypotheses=(TWO_SIZES, PLAIN_ANGLES, BOUND_BIAS, REACH, WIDE),
    witness=WIDER,
    settings=(STEP, PENALISED),
    family=Family(sizes="two", bias=("none", "penalised"), near=()),
    derivation=deviation_derivation,
    rests_on=frozenset({"HL23-15"}),
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
    """Gram matrices of W and of the features from the singular structure, then a, b = L and tA = L/kA, tB = L/kB."""
    size = sp.sqrt(nA * kA * tA**2 + nB * kB * tB**2)
    block = sp.sqrt(kA * kB / CLASSES) * size
    Q = (
        sp.Matrix(
            [
                [kA * sp.sqrt(nA) * tA * kB, -sp.sqrt(kA * kB * nB) * tB * kB],
                [-sp.sqrt(kA * kB * nA) * tA * kA, kB * sp.sqrt(nB) * tB * kA],
            ]
        )
        / CLASSES
    )
    left = sp.Matrix([sp.sqrt(kB), -sp.sqrt(kA)]) / sp.sqrt(CLASSES)
    right = sp.Matrix([sp.sqrt(nA * kA) * tA, -sp.sqrt(nB * kB) * tB]) / size
    limit = {tA: L / kA, tB: L / kB}
    return Derivation(
        steps=(
            Lemma("the minimiser is symmetric in each cluster", "strict convexity modulo constants"),
            Lemma(
                "W W^T ~ (X X^T)^(1/2), features ~ D^(-1/2) (X^T X)^(1/2) D^(-1/2), X = Z D^(1/2)",
                "equality case of the variational form of the nuclear norm",
            ),
            Identity("quotient of X: singular value s1, left vector", Q * Q.T, block**2 * left * left.T),
            Identity("right vector", Q.T * Q, block**2 * right * right.T),
            Identity("the left vector is a unit vector", left.dot(left), sp.Integer(1)),
            Identity("the right vector is a unit vector", right.dot(right), sp.Integer(1)),
            Lemma("hence (Q Q^T)^(1/2) and (Q^T Q)^(1/2) are s1 times these projections", "unique positive root"),
            Identity("classifier block of A: s1 kB/K", left[0] ** 2, kB / CLASSES),
            Identity("feature block of A: s1 c2", right[0] ** 2, nA * kA * tA**2 / size**2),
            Lemma("limits of quotients of O(L) quantities known up to O(1), HL23-15", "continuity"),
            Identity("s1/L -> nu", (block**2).subs(limit) / L**2, (nA * kB + nB * kA) / CLASSES),
            Identity("c2", (right[0] ** 2).subs(limit), c2),
            Identity("1 - c2", (right[1] ** 2).subs(limit), 1 - c2),
        ),
    )


def _cosine(share: sp.Expr, size: sp.Expr, classes: sp.Expr, value: sp.Expr = nu) -> sp.Expr:
    """Cosine inside a cluster from its share of the between-cluster singular value."""
    return (value * share - sp.sqrt(size)) / (value * share + (classes - 1) * sp.sqrt(size))


def _limits(value: sp.Expr = nu, share: sp.Expr = c2) -> tuple[Asymptotic, ...]:
    return (
        Asymptotic(sA / (L * sp.sqrt(nA)), sp.Integer(1)),
        Asymptotic(sB / (L * sp.sqrt(nB)), sp.Integer(1)),
        Asymptotic(s1 / (L * value), sp.Integer(1)),
        Asymptotic(wAA, _cosine(kB / K, nA, kA, value)),
        Asymptotic(wBB, _cosine(kA / K, nB, kB, value)),
        Asymptotic(hAA, _cosine(share, nA, kA, value)),
        Asymptotic(hBB, _cosine(1 - share, nB, kB, value)),
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
    read=angle_readings,
    along=grow,
    hypotheses=(TWO_SIZES, PLAIN_ANGLES, BOUND_BIAS, REACH, WIDE),
    witness=EXAMPLE,
    settings=(PENALISED,),
    family=Family(sizes="two", bias=("none", "penalised"), near=()),
    derivation=limits_derivation,
    rests_on=frozenset({"HL23-15"}),
    required="agrees",
    mutants=(
        Mutant("features converge to the ETF", (Asymptotic(hAA, ETF), Asymptotic(hBB, ETF)), problem=EXAMPLE),
        Mutant("nu = sqrt(N/K)", _limits(value=sp.sqrt(N / K)), problem=EXAMPLE),
        Mutant("limits of W and H equal", _limits(share=kB / K), problem=EXAMPLE),
    ),
    note="Still an ETF when nA = nB; the geometry is that of simplex-encoded labels, reached as lam -> 0.",
)
