"""Angles between mean predictions, classifier rows and class-mean features of two clusters (HL23-14, R2).

The Gram matrices are block-constant: one number on the contrasts of each cluster and one direction between the
clusters. Predictions are the COLUMNS of Z; their rows have other angles (R2).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory.blocks import diagonal
from theory.claim import Claim, Family, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma, Step
from theory.hong_ling_2023.between_clusters import norm_B
from theory.hong_ling_2023.block_structure import two_cluster_blocks
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.hong_ling_2023.two_clusters import PAPER, SPECTRAL, Reading, equation
from theory.observables import between_dead, cosine, norm, two_cluster_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, a, b, kA, kB, nA, nB, tA, tB

z_AA, z_BB, z_AB = sp.symbols("cos_z_AA cos_z_BB cos_z_AB", real=True)
w_AA, w_BB, w_AB = sp.symbols("cos_w_AA cos_w_BB cos_w_AB", real=True)
h_AA, h_BB, h_AB = sp.symbols("cos_h_AA cos_h_BB cos_h_AB", real=True)
"""Cosines of columns of Z, rows of W, class means of H; within A, within B, across. Read while s1 > 0."""

z_A, w_A, h_A = sp.symbols("cos_z_A cos_w_A cos_h_A", real=True)
"""The same within A while s1 = 0."""

g = kA * kB / K
SQUARE_A = g * tA**2 + a**2 * (kA - 1) / kA
SQUARE_B = g * tB**2 + b**2 * (kB - 1) / kB
S_CONTRAST_A, S_CONTRAST_B = a * sp.sqrt(nA), b * sp.sqrt(nB)
SHARE = nA * kA * tA**2 / (nA * kA * tA**2 + nB * kB * tB**2)
"""c2: square of the A part of the right singular vector between the clusters."""


def block_cosines(
    part: sp.Expr, other: sp.Expr, cross: sp.Expr, s_A: sp.Expr = S_CONTRAST_A, s_B: sp.Expr = S_CONTRAST_B
) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """Cosines AA, BB, AB of a Gram matrix with s_A, s_B on contrasts and s1 on the unit vector with these squares.

    Examples
    --------
    >>> AA, BB, AB = block_cosines(kB / K, kA / K, sp.sqrt(kA * kB) / K)
    >>> BB.subs(b, 0)
    1
    """
    D_A, D_B = SPECTRAL * part + (kA - 1) * s_A, SPECTRAL * other + (kB - 1) * s_B
    return (SPECTRAL * part - s_A) / D_A, (SPECTRAL * other - s_B) / D_B, -SPECTRAL * cross / sp.sqrt(D_A * D_B)


CLASSIFIER = block_cosines(kB / K, kA / K, sp.sqrt(kA * kB) / K)
FEATURES = block_cosines(SHARE, 1 - SHARE, sp.sqrt(SHARE * (1 - SHARE)))
PREDICTIONS = (
    (g * tA**2 - a**2 / kA) / SQUARE_A,
    (g * tB**2 - b**2 / kB) / SQUARE_B,
    -g * tA * tB / sp.sqrt(SQUARE_A * SQUARE_B),
)


def cosines(optimum: Optimum, j: int, k: int, rows: bool = False) -> tuple[Any, Any, Any]:
    """Cosines of columns j, k of Z (rows if asked), of rows j, k of W and of the class means j, k of H.

    With M = (I - P) diag(w) D^(1/2)/x, which maps the right singular vectors of X to the left ones,
    (X X^T)^(1/2) = X M^T and D^(-1/2) (X^T X)^(1/2) D^(-1/2) = Z^T (I - P) diag(w)/x: no formula of the claim enters.

    Examples
    --------
    >>> Z = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> [float(c) for c in cosines(Optimum(Problem.ce([4, 4], 1), "exact", logits=Z, bias=0 * Z[0]), 0, 1)]
    [-1.0, -1.0, -1.0]
    """
    problem, Z = optimum.problem, optimum.logits
    if Z is None:
        raise ValueError("this optimum carries no logits")
    pair = [j, k]
    error = np.eye(problem.K, dtype=int) - optimum.probabilities
    masses = [size * weight for size, weight in zip(problem.sizes, problem.weights, strict=True)]
    mass = np.array([Z[0, 0] * 0 + value.numerator for value in masses]) / [value.denominator for value in masses]
    classifier = (Z[pair] * mass) @ error[pair].T
    weights = [problem.weights[j], problem.weights[k]]
    columns = error[:, pair] * [weight.numerator for weight in weights] / [weight.denominator for weight in weights]
    features = Z[:, pair].T @ columns
    left, right = (Z[j], Z[k]) if rows else (Z[:, j], Z[:, k])
    return (cosine(left, right), *(G[0, 1] / np.sqrt(G[0, 0] * G[1, 1]) for G in (classifier, features)))


def angle_readings(optimum: Optimum, rows: bool = False) -> Iterator[Reading]:
    """All cosines that exist: within a cluster of two classes or more, and across.

    Where s1 = 0 the minority vectors are 0 without loss weights and have no angle; those within an alive majority are
    read.
    """
    state, Z = between_dead(optimum), optimum.logits
    if Z is None or state is None:
        return
    A, B = (cluster.members for cluster in optimum.problem.clusters)
    reading: Reading = {}
    if state:
        if all(weight == 1 for weight in optimum.problem.weights):
            reading[norm_B] = norm(Z[:, B])
        if optimum.contrasts[0] == "alive":
            reading |= zip((z_A, w_A, h_A), cosines(optimum, A[0], A[1]), strict=True)
    else:
        pairs = {(z_AB, w_AB, h_AB): (A[0], B[0])}
        pairs |= {(z_AA, w_AA, h_AA): (A[0], A[1])} if len(A) > 1 else {}
        pairs |= {(z_BB, w_BB, h_BB): (B[0], B[1])} if len(B) > 1 else {}
        for names, (j, k) in pairs.items():
            reading |= zip(names, cosines(optimum, j, k, rows), strict=True)
    for numbers in two_cluster_readings(optimum):
        yield {a: sp.Integer(0), b: sp.Integer(0), **numbers, **reading}


def row_readings(optimum: Optimum) -> Iterator[Reading]:
    """The same with rows of Z taken for predictions."""
    return angle_readings(optimum, rows=True)


def prediction_steps() -> tuple[Step, ...]:
    """Inner products of the columns of Z."""
    S_A, S_B = tA * kA * kB / K, tB * kA * kB / K
    own_A, sibling_A, cross_A = a + (S_A - a) / kA, (S_A - a) / kA, -S_A / kB
    sibling_B, cross_B = (S_B - b) / kB, -S_B / kA
    own_B = b + sibling_B
    classes = {K: kA + kB}
    return (
        Lemma("Z is invariant under permutations inside clusters and centred", "strict convexity modulo constants"),
        Identity(
            "|zA|^2 = g tA^2 + a^2 (kA - 1)/kA",
            (own_A**2 + (kA - 1) * sibling_A**2 + kB * cross_A**2).subs(classes),
            SQUARE_A.subs(classes),
        ),
        Identity(
            "two columns of A: g tA^2 - a^2/kA",
            (2 * own_A * sibling_A + (kA - 2) * sibling_A**2 + kB * cross_A**2).subs(classes),
            (g * tA**2 - a**2 / kA).subs(classes),
        ),
        Identity(
            "a column of A with one of B: -g tA tB",
            ((own_A + (kA - 1) * sibling_A) * cross_B + (own_B + (kB - 1) * sibling_B) * cross_A).subs(classes),
            (-g * tA * tB).subs(classes),
        ),
    )


def root_steps() -> tuple[Step, ...]:
    """Square roots of X X^T and X^T X, block by block, and their entries."""
    classes = {K: kA + kB}
    spectral = sp.sqrt(kA * kB / K) * sp.sqrt(nA * kA * tA**2 + nB * kB * tB**2)
    u = sp.Matrix([sp.sqrt(kB / K), -sp.sqrt(kA / K)])
    v = sp.Matrix([sp.sqrt(nA * kA) * tA, -sp.sqrt(nB * kB) * tB]) / sp.sqrt(nA * kA * tA**2 + nB * kB * tB**2)
    X = two_cluster_blocks(a, b, tA, tB) @ diagonal((kA, kB), (sp.sqrt(nA), sp.sqrt(nB)))
    block = X.quotient()
    left, right = spectral * u * u.T, spectral * v * v.T
    s_A = a * sp.sqrt(nA)
    return (
        Lemma(
            "products of matrices invariant inside clusters multiply contrast by contrast and block by block",
            "Schur's lemma",
        ),
        Identity("the block of X = Z D^(1/2) is s1 u v^T", block, (spectral * u * v.T).subs(classes)),
        Identity("s1 u u^T is the root of block block^T", (left * left).subs(classes), block * block.T),
        Identity("s1 v v^T is the root of block^T block", (right * right).subs(classes), block.T * block),
        Lemma("the positive semidefinite root is unique; its contrasts are a sqrt(nA) and b sqrt(nB)", "square roots"),
        Identity(
            "diagonal entry of the classifier Gram in A: DA/kA",
            (s_A * (1 - 1 / kA) + left[0, 0] / kA).subs(classes),
            ((spectral * kB / K + (kA - 1) * s_A) / kA).subs(classes),
        ),
        Identity(
            "entry of two classes of A: (s1 kB/K - sA)/kA",
            (-s_A / kA + left[0, 0] / kA).subs(classes),
            ((spectral * kB / K - s_A) / kA).subs(classes),
        ),
        Identity("entry across: -s1 sqrt(kA kB)/K over sqrt(kA kB)", left[0, 1], -spectral * sp.sqrt(kA * kB) / K),
        Identity(
            "features: the same with c2 for kB/K; the factor 1/nA of D^(-1/2) on both sides cancels in a cosine",
            right[0, 0].subs(classes),
            (spectral * SHARE).subs(classes),
        ),
        Identity("with 1 - c2 in B", right[1, 1].subs(classes), (spectral * (1 - SHARE)).subs(classes)),
        Identity(
            "and with -sqrt(c2 (1 - c2)) across (squares; tA, tB > 0)",
            (right[0, 1] ** 2).subs(classes),
            (spectral**2 * SHARE * (1 - SHARE)).subs(classes),
        ),
        Identity(
            "s1 = 0: the majority cosine is -sA/((kA - 1) sA) in all three",
            -s_A / ((kA - 1) * s_A),
            -1 / (kA - 1),
        ),
        Lemma(
            "s1 = 0 without weights: x > sqrt(nB), so b = tB = 0 and the minority columns vanish", "HL23-10, HL23-04"
        ),
    )


def angle_derivation() -> Derivation:
    """Inner products from the block form, with symbolic numbers of classes."""
    return Derivation(steps=(*prediction_steps(), *root_steps()))


def _two_clusters(problem: Problem) -> bool:
    return len(problem.clusters) == 2


STEP = Problem.ce([(9, 2), (4, 3)], "0.03")
PAIR_OF_CLUSTERS = Hypothesis(
    text="exactly two clusters (sizes, or weights, differ)",
    holds=_two_clusters,
    dropped="with another number of clusters A and B do not exist",
)
HEAVY = Problem.ce([(9, 2), (4, 3)], "0.03", weights=[(1, 2), ("5/2", 3)])
LOUD_MINORITY = Problem.ce([(9, 2), (4, 3)], 1, weights=[(1, 2), (3, 3)]).at(25)
"""s1 = 0 and the majority merged, but the minority contrast alive because of its weight."""
GROWING = Problem.ce([(500, 5), (250, 5)], "1/37500", bias="0.02")

angles = Claim(
    id="HL23-14",
    title="Angles of mean predictions, classifiers and class-mean features",
    kind="equality",
    paper=PAPER,
    statement=(
        r"|z_A|^2 = g t_A^2 + a^2\tfrac{k_A-1}{k_A},\quad \cos z_{AA} = \frac{g t_A^2 - a^2/k_A}{|z_A|^2},\quad"
        r" \cos z_{AB} = -\frac{g t_A t_B}{|z_A||z_B|}",
        r"\cos w_{AA} = \frac{s_1 k_B/K - s_A}{s_1 k_B/K + (k_A-1)s_A},\quad"
        r" \cos w_{AB} = -\frac{s_1\sqrt{k_A k_B}/K}{\sqrt{D_A D_B}},\quad s_A = a\sqrt{n_A},\; s_B = b\sqrt{n_B}",
        r"\cos h: \text{ the same with } c_2 = \frac{n_A k_A t_A^2}{n_A k_A t_A^2 + n_B k_B t_B^2}"
        r" \text{ for } \tfrac{k_B}{K} \text{ and } 1 - c_2 \text{ for } \tfrac{k_A}{K}",
        r"s_1 = 0:\quad \cos_{AA} = -\tfrac{1}{k_A-1} \text{ for all three;}"
        r"\quad w_k = 1: \text{ minority vectors are } 0",
    ),
    relations=(
        *(equation(left, right) for left, right in zip((z_AA, z_BB, z_AB), PREDICTIONS, strict=True)),
        *(equation(left, right) for left, right in zip((w_AA, w_BB, w_AB), CLASSIFIER, strict=True)),
        *(equation(left, right) for left, right in zip((h_AA, h_BB, h_AB), FEATURES, strict=True)),
        *(equation(left, -1 / (kA - 1)) for left in (z_A, w_A, h_A)),
        equation(norm_B, sp.Integer(0)),
    ),
    read=angle_readings,
    hypotheses=(PAIR_OF_CLUSTERS, WIDE),
    witness=STEP,
    family=Family(sizes="two", weights=True, near=("merge", "between")),
    settings=(
        HEAVY,
        LOUD_MINORITY,
        STEP.at(5),
        STEP.at(7),
        STEP.at(16),
        GROWING,
        Problem.ce([(16, 3), (4, 2)], "0.05", bias="0.04"),
    ),
    derivation=angle_derivation,
    rests_on=frozenset({"HL23-02", "HL23-04", "HL23-10"}),
    required="proved",
    note="Loss weights that are constant inside clusters are allowed: they change a, b, tA, tB, not these formulas. A "
    "weight can keep the minority contrast alive where s1 = 0, so that its vectors vanish is said without weights. "
    "Where they vanish their cosines are 0/0: undefined, not 1.",
    mutants=(
        Mutant("rows of Z used for predictions", read=row_readings, problem=STEP),
        Mutant(
            "c2 = nA/(nA + nB)",
            relations=(equation(h_AA, block_cosines(nA / (nA + nB), nB / (nA + nB), sp.sqrt(nA * nB) / (nA + nB))[0]),),
            problem=STEP,
        ),
        Mutant("formula of W for H", relations=(equation(h_AA, CLASSIFIER[0]),), problem=STEP),
        Mutant(
            "sA without sqrt(nA)",
            relations=(equation(w_AA, block_cosines(kB / K, kA / K, sp.sqrt(kA * kB) / K, a, b)[0]),),
            problem=STEP,
        ),
    ),
)

row_angles = Claim(
    id="HL23-R2",
    title="Cosines between mean predictions computed from rows of Z",
    kind="equality",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\text{the angles between rows of } Z \text{ are those between the mean predictions:}"
        r"\quad \cos(Z_{j\cdot}, Z_{k\cdot}) = \cos(z_j, z_k)",
    ),
    relations=tuple(equation(left, right) for left, right in zip((z_AA, z_BB, z_AB), PREDICTIONS, strict=True)),
    read=row_readings,
    hypotheses=(PAIR_OF_CLUSTERS, WIDE),
    witness=GROWING,
    family=Family(sizes="two", weights=False, near=("merge",)),
    required="refuted",
    source="public limit-experiment script of the paper's repository, which normalises rows",
    note=(
        "Counterexample kA = kB = 5, nA = 500, nB = 250, lam N = 0.1, mu = 0.01: columns AA/BB/AB -0.138152, "
        "-0.077552, -0.111105, rows -0.117207, -0.099958, -0.112923. Both tend to -1/(K - 1), "
        "the rows with a milder deviation."
    ),
)
