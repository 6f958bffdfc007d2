"""Vanishing decay: cross-entropy approaches the max-margin logits at the rate 1/log(1/x) (XP26-01)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.blocks import Blocks, diagonal
from theory.bridges.settings import LINEAR, PAPER, WIDE, max_margin, unbiased, unweighted
from theory.claim import Asymptotic, Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.hong_ling_2023.large_sample_limit import REACH
from theory.observables import norm
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_pairs
from theory.symbols import K, kA, kB, nA, nB

Array = NDArray[Any]

L = sp.Symbol("L", positive=True)
"""log(1/x) = log(1/(lam N))."""
L_lam = sp.Symbol("L_lambda", positive=True)
"""log(1/lam)."""
m_yc = sp.Symbol("m_yc", real=True)
"""Margin of a sample of class y against class c."""
root = sp.Symbol("root_cy", positive=True)
"""-(S^(1/2))_cy for the pseudo-inverse S of P D P: minus an entry of Hbar^T Hbar in the max-margin problem."""
squared_root = sp.Symbol("inverse_cy", positive=True)
"""|S_cy| itself."""
deviation, plain = sp.symbols("dev dev_plain", nonnegative=True)
"""Frobenius distance of Z D^(1/2) from P D^(1/2), both of norm 1; the same for Z and P."""
C, C_plain = sp.symbols("C C_plain", nonnegative=True)
"""Its predicted constant, from the max-margin problem; the one without D^(1/2)."""


def fade(problem: Problem, scale: int) -> Problem:
    """The same classes with x = lam N = e^-scale, to 60 digits.

    Examples
    --------
    >>> from math import log
    >>> round(-log(fade(STEP, 3).x2) / 2, 12)
    3.0
    """
    x2 = sp.Rational(sp.exp(-2 * scale).evalf(60))
    return problem.at(Fraction(int(x2.p), int(x2.q)))


def path_readings(optimum: Optimum) -> Iterator[Reading]:
    """Margins beside the entries of the max-margin Gram matrix, and the deviation beside its constant.

    Examples
    --------
    >>> list(path_readings(Optimum(STEP, "exact")))
    []
    """
    problem, Z = optimum.problem, optimum.logits
    for other in optimum.companions:
        H = other.gram_features
        if Z is None or H is None:
            continue
        scale = -sp.log(sp.Rational(problem.x2.numerator, problem.x2.denominator)) / 2
        inverse = H @ H
        for y, c in class_pairs(problem):
            yield {
                L: scale,
                L_lam: scale + sp.log(problem.N),
                m_yc: Z[y, y] - Z[c, y],
                root: -H[c, y],
                squared_root: abs(inverse[c, y]),
            }
        size = (0 * H[0, 0] + 1) * np.array([n.numerator for n in problem.sizes])
        half = np.sqrt(size / [n.denominator for n in problem.sizes])
        ones = half * 0 + 1
        frame = (np.eye(problem.K, dtype=int) * problem.K - 1) * ones / problem.K
        first = _correction(H)
        yield {
            L: scale,
            deviation: norm(_unit(Z * half) - _unit(frame * half)),
            plain: norm(_unit(Z) - _unit(frame)),
            C: _constant(first * half, frame * half),
            C_plain: _constant(first, frame),
        }


def _correction(H: Array) -> Array:
    """log(-H_cy) off the diagonal, 0 on it, columns centred."""
    size = len(H)
    entries = np.array([[0 * H[c, y] if c == y else -H[c, y] for y in range(size)] for c in range(size)], dtype=object)
    for c in range(size):
        entries[c, c] = entries[c, c] + 1
    logs = np.log(entries)
    return np.asarray(logs - logs.sum(axis=0) / size)


def _unit(matrix: Array) -> Array:
    return np.asarray(matrix / np.sqrt((matrix * matrix).sum()))


def _constant(A: Array, B: Array) -> Any:
    """|A/|B| - B <A, B>/|B|^3|."""
    square = (B * B).sum()
    return norm((A - B * ((A * B).sum() / square)) / np.sqrt(square))


def path_derivation() -> Derivation:
    """Stationarity gives the wrong probabilities, these the margins, and these the direction."""
    eps, margin, first, second, third = sp.symbols("epsilon m b_1 b_2 b_3", positive=True)
    a1, a2, a3 = sp.symbols("a_1 a_2 a_3", real=True)
    ni, nj, total = sp.symbols("n_i n_j N_", positive=True)
    size = kA + kB
    B, A = sp.Matrix([first, second, third]), sp.Matrix([a1, a2, a3])
    square = (B.T * B)[0]
    moved = B + eps * A
    direction = (moved / sp.sqrt((moved.T * moved)[0])).applyfunc(lambda entry: sp.diff(entry, eps).subs(eps, 0))
    centring = Blocks((kA, kB), (sp.Integer(1),) * 2, -sp.ones(2, 2) / size)
    product = (centring @ diagonal((kA, kB), (nA, nB)) @ centring).simplified()
    return Derivation(
        steps=(
            Lemma(
                "optimality without a bias: (I - softmax(Z)) D^(1/2) = x U with U a subgradient of |Z D^(1/2)|_*",
                "HL23-01",
            ),
            Lemma(
                "Z/|Z| tends to the direction of the only max-margin solution as the decay vanishes",
                "regularisation path of a convex loss with a homogeneous penalty",
            ),
            Lemma(
                "which is P = I - J/K, of rank K - 1, with Hbar^T Hbar = S^(1/2), S the pseudo-inverse of P D P",
                "TH22-01",
            ),
            Lemma(
                "rank K - 1 is the largest possible: U is the polar factor there, "
                "smooth in the direction of Z D^(1/2), "
                "and tends to that of P D^(1/2), S^(1/2) P D^(1/2)",
                "smoothness of the polar factor at constant rank",
            ),
            Lemma("the multipliers -(S^(1/2))_cy of the margins are positive", "TH22-02"),
            Identity(
                "so softmax_cy = -x (S^(1/2))_cy (1 + o(1)) and softmax_yy -> 1; the margin is -log of their quotient",
                sp.exp(-margin) / (1 + sp.exp(-margin)) / (1 / (1 + sp.exp(-margin))),
                sp.exp(-margin),
            ),
            Identity("margin L - log(-(S^(1/2))_cy): x = e^-L", -sp.log(sp.exp(-L) * root), L - sp.log(root)),
            Lemma(
                "hence Z = L P + X + o(1), its direction is P + O(1/L), and U and the margins follow to O(1/L)",
                "smoothness of the polar factor at constant rank",
            ),
            Identity(
                "direction of B + A/L to first order: A/|B| - B <A, B>/|B|^3 (three entries written out)",
                direction,
                A / sp.sqrt(square) - B * (A.T * B)[0] / sp.sqrt(square) ** 3,
            ),
            Identity(
                "C = 0 iff A is a multiple of B = P D^(1/2), that is all -(S^(1/2))_cy "
                "equal, S^(1/2) and P D P multiples of "
                "P. Entry (A, B) of P D P: N/K^2 - (nA + nB)/K",
                product.entries[0, 1],
                (kA * nA + kB * nB) / size**2 - (nA + nB) / size,
            ),
            Identity("(inside A)", product.entries[0, 0], (kA * nA + kB * nB) / size**2 - 2 * nA / size),
            Identity(
                "equal entries for (i, k) and (j, k), K >= 3, make n_i = n_j",
                (total / K**2 - (ni + third) / K) - (total / K**2 - (nj + third) / K),
                (nj - ni) / K,
            ),
            Lemma("K = 2 or equal sizes: P D P is a multiple of P, so C = 0", "two entries, or D a multiple of I"),
        )
    )


STEP = Problem.ce([(8, 3), (2, 2)], 1)
"""C = 0.67238."""
TWO_SIZES = Hypothesis(
    "two sizes",
    lambda problem: len(problem.clusters) == 2,
    dropped="only the check needs it: optima at e^-800 are computed for two sizes",
)

seli_rate = Claim(
    id="XP26-01",
    title="Cross-entropy tends to the max-margin geometry at the rate 1/log(1/x)",
    kind="limit",
    paper=PAPER,
    statement=(
        r"x = \lambda N \to 0,\ S = (P D P)^+:\quad m_{y,c} = \log\tfrac1x - \log\left(-(S^{1/2})_{cy}\right) +"
        r" O\left(1/\log\tfrac1x\right)",
        r"\left\|\frac{Z D^{1/2}}{\|Z D^{1/2}\|} - \frac{B}{\|B\|}\right\|_F ="
        r" \frac{C}{\log(1/x)} (1 + o(1)),\quad B = P"
        r" D^{1/2},\ A = X D^{1/2},\ C = \left\|\frac{A}{\|B\|} - \frac{B \langle A, B\rangle}{\|B\|^3}\right\|_F",
        r"X_{cy} = \log\left(-(S^{1/2})_{cy}\right)\ (c \neq y),\ X_{yy} = 0, \text{"
        r" columns centred};\qquad C = 0 \iff K ="
        r" 2 \text{ or all sizes are equal}",
    ),
    relations=(
        Asymptotic(m_yc - L, -sp.log(root), order=1),
        Asymptotic(deviation * L, C, order=1),
    ),
    read=path_readings,
    along=fade,
    companions=lambda problem: (max_margin(problem),),
    hypotheses=(
        LINEAR,
        TWO_SIZES,
        unbiased("a free bias has another limit, HL23-17"),
        unweighted("fixed loss weights w_y move the margins of class y by log w_y, and not their direction"),
        REACH,
        WIDE,
    ),
    witness=STEP,
    family=Family(sizes="two", bias=("none",), near=()),
    settings=(Problem.ce([9, 2], 1), Problem.ce([7, (2, 3)], 1)),
    derivation=path_derivation,
    rests_on=frozenset({"HL23-01", "TH22-01", "TH22-02"}),
    required="proved",
    mutants=(
        Mutant("rate x instead of 1/log", relations=(Asymptotic(deviation * L, sp.Integer(0), order=1),), problem=STEP),
        Mutant("log(1/lambda) without N", relations=(Asymptotic(m_yc - L_lam, -sp.log(root), order=1),), problem=STEP),
        Mutant(
            "S instead of its root", relations=(Asymptotic(m_yc - L, -sp.log(squared_root), order=1),), problem=STEP
        ),
        Mutant(
            "the constant of Z without D^(1/2)", relations=(Asymptotic(deviation * L, C_plain, order=1),), problem=STEP
        ),
        Mutant("sign of the correction", relations=(Asymptotic(m_yc - L, sp.log(root), order=1),), problem=STEP),
    ),
    source="published result for the limit; rate and constant re-derived",
)
