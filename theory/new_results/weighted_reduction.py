"""The reduction to the logits with weights and multipliers of the decay, and its optimality conditions: NR26-01."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory import losses
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.loss_observables import LINEAR, UNBIASED, WIDE, loss_parameters, loss_values, predictions, slopes
from theory.observables import norm
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F

PAPER = "new_results"

conditions, nuclear, nuclear_g, nuclear_m, nuclear_right = sp.symbols("F_dual F_nuc F_g F_m F_right", real=True)
"""Loss + lam <Mx, X>; loss + lam |X|_*; the same with G, with m for g, with S^(1/2) on the columns."""
column = sp.Symbol("M_k", nonnegative=True)
"""Norm of a column of Mx."""
classifier, features, factored = sp.symbols("R_W R_H R_X", real=True)
"""lam_W sum_j s_j |w_j|^2, lam_H sum_k g_k |h_k|^2 at the point found, and lam <Mx, X>."""


def reduction_readings(optimum: Optimum) -> Iterator[Reading]:
    """The value beside loss + lam <Mx, X>, norms of columns of Mx, and what the two factors cost.

    The nuclear norm itself is in closed form where X has rank two at most: |X|_*^2 = |X|_F^2 + 2 sqrt(e_2), e_2 the sum
    of the 2 x 2 minors of X^T X.

    Examples
    --------
    >>> list(reduction_readings(Optimum(WITNESS, "exact")))
    []
    """
    problem, Z, P, values = optimum.problem, optimum.logits, predictions(optimum), loss_values(optimum)
    if Z is None or P is None or values is None or optimum.lower is None or optimum.upper is None:
        return
    one = 0 * Z[0, 0] + 1
    data = zip(problem.sizes, problem.weights, problem.feature_decays, strict=True)
    m, g = np.array([[_ball(n * w / problem.N, one), _ball(n * r, one)] for n, w, r in data]).T
    s, level = np.array([_ball(row, one) for row in problem.row_decays]), np.sqrt(_ball(problem.lam2, one))
    Y = np.array([[_ball(entry, one) for entry in y] for y in problem.target_columns]).T
    gradient = slopes(problem, one)[:, None] * (Y - P) * m
    loss = sum(m_k * value for m_k, value in zip(m, values, strict=True))
    common: dict[sp.Symbol, Any] = {
        **loss_parameters(problem),
        F: optimum.lower.union(optimum.upper),
        conditions: loss + (gradient * Z).sum(),
        **_costs(optimum, (gradient * Z).sum()),
    }
    if problem.K == 2 or (problem.K == 3 and losses.find(problem.loss).shift_invariant):
        for symbol, rows, columns in (
            (nuclear, s, g),
            (nuclear_g, s, g * g),
            (nuclear_m, s, m * _ball(problem.N, one)),
            (nuclear_right, one + 0 * s, g * s),
        ):
            common[symbol] = loss + level * _nuclear(Z * np.sqrt(rows)[:, None] * np.sqrt(columns))
    dual = gradient / np.sqrt(s)[:, None] / np.sqrt(g) / level
    yield from ({**common, column: norm(dual[:, k])} for k in range(problem.K))


def _ball(value: Any, one: Any) -> Any:
    return one * value.numerator / value.denominator


def _nuclear(X: Any) -> Any:
    """Nuclear norm of a matrix of rank two at most: |X|_F^2 <= |X|_*^2 <= 2 |X|_F^2 where the minors may vanish."""
    gram = X.T @ X
    K = len(gram)
    minors = sum(gram[i, i] * gram[j, j] - gram[i, j] * gram[i, j] for i in range(K) for j in range(i))
    if minors > 0:
        return np.sqrt(sum(gram[k, k] for k in range(K)) + 2 * np.sqrt(minors))
    least = norm(X)
    if X.dtype != object:
        return least
    most = np.sqrt(abs(sum(gram[k, k] for k in range(K)) + 2 * np.sqrt(abs(minors).upper())).upper())
    return least.union(most)


def _costs(optimum: Optimum, inner: Any) -> dict[sp.Symbol, Any]:
    """What W and H cost at the point of a descent."""
    problem, point = optimum.problem, optimum.point
    if point is None or optimum.route != "nonconvex" or point.H.shape[1] != problem.K:
        return {}
    s = np.array([float(row) for row in problem.row_decays])
    g = np.array([float(n * r) for n, r in zip(problem.sizes, problem.feature_decays, strict=True)])
    rows, columns = (s @ point.W**2).sum(), (point.H**2).sum(axis=0) @ g
    zero = 0 * inner
    return {
        classifier: zero + float(problem.lambda_w) * float(rows),
        features: zero + float(problem.lambda_h) * float(columns),
        factored: inner,
    }


def reduction_derivation() -> Derivation:
    """The substitution W' = S^(1/2) W, H' = H G^(1/2), and the condition of the nuclear norm."""
    s, w, g, h, a, b, sigma = sp.symbols("s w g h lam_W lam_H sigma", positive=True)
    u, v = sp.sqrt(s) * w, sp.sqrt(g) * h
    row = sp.sqrt(sigma) * (b / a) ** sp.Rational(1, 4)
    col = sp.sqrt(sigma) * (a / b) ** sp.Rational(1, 4)
    return Derivation(
        steps=(
            Identity(
                "the penalty of W' = S^(1/2) W and H' = H G^(1/2) has no multipliers",
                a * u**2 + b * v**2,
                a * s * w**2 + b * g * h**2,
            ),
            Identity("W' H' = S^(1/2) Z G^(1/2) = X", u * v, sp.sqrt(s * g) * (w * h)),
            Identity(
                "AM-GM: (lam_W a^2 + lam_H b^2)/2 - lam a b is half a square",
                (a * u**2 + b * v**2) / 2 - sp.sqrt(a * b) * u * v,
                (sp.sqrt(a) * u - sp.sqrt(b) * v) ** 2 / 2,
            ),
            Lemma("|W' H'|_* <= |W'|_F |H'|_F", "Hoelder inequality for Schatten norms"),
            Identity(
                "one singular value sigma: W' = sqrt(sigma) (lam_H/lam_W)^(1/4), H' its partner", row * col, sigma
            ),
            Identity("cost lam sigma", (a * row**2 + b * col**2) / 2, sp.sqrt(a * b) * sigma),
            Lemma(
                "a convex function plus lam |X|_* is minimal at X iff -gradient/lam is a subgradient of the norm: "
                "|Mx| <= 1 and <Mx, X> = |X|_*",
                "subdifferential of the nuclear norm",
            ),
            Identity("gradient in X = S^(1/2) Z G^(1/2): divide by sqrt(s g)", sp.diff((u * v) / sp.sqrt(s * g), w), h),
            Lemma("d >= rank X columns suffice: one per singular value", "singular value decomposition"),
        )
    )


WITNESS = Problem.ce([6, 3], 1, weights=[1, 2]).with_loss("squared", feature_decay=[2, 1], row_decay=[1, 3]).at("1/2")
THREE = Problem.ce([6, 3, 2], 1, weights=[1, 2, 1]).with_loss(
    smoothing="1/10", feature_decay=[2, 1, "1/2"], row_decay=[1, 3, 1]
)

reduction = Claim(
    id="NR26-01",
    title="Weighted reduction and optimality conditions",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\min F = \min_Z \sum_k m_k \ell_k(z_k) + \lambda \|S^{1/2} Z G^{1/2}\|_*,\quad m_k = n_k w_k/N,\ "
        r"g_k = n_k r_k",
        r"Z \text{ optimal} \iff \|M_x\|_{\mathrm{op}} \leq 1 \text{ and } \langle M_x, X\rangle = "
        r"\|X\|_*,\quad X = S^{1/2}"
        r" Z G^{1/2},\ M_x = -S^{-1/2} (\nabla_Z) G^{-1/2}/\lambda",
        r"W = S^{-1/2} U T^{1/2} (\lambda_H/\lambda_W)^{1/4},\ H = (\lambda_W/\lambda_H)^{1/4} T^{1/2} V^T G^{-1/2}"
        r" \text{ attains the penalty},\ X = U T V^T",
    ),
    relations=(
        sp.Eq(F, nuclear, evaluate=False),
        sp.Eq(F, conditions, evaluate=False),
        sp.Le(column, 1, evaluate=False),
        sp.Eq(classifier, factored, evaluate=False),
        sp.Eq(features, factored, evaluate=False),
    ),
    read=reduction_readings,
    hypotheses=(
        Hypothesis(
            "linear features with weight decay",
            LINEAR.holds,
            dropped=Problem.ce([6, 3, 2], 1, model="ce-relu").at("1/2"),
        ),
        Hypothesis("no bias", UNBIASED.holds, dropped="a penalised bias adds its own term to the value"),
        Hypothesis(
            "a Fenchel-Young loss", lambda p: losses.find(p.loss).universal, dropped="others have no kernel bound"
        ),
        WIDE,
    ),
    witness=WITNESS,
    family=Family(
        sizes="any",
        bias=("none",),
        near=("merge", "collapse"),
        model="loss",
        losses=("ce", "squared"),
        knobs=("weights", "smoothing", "adjustment", "feature_decay", "row_decay", "loss_temperature"),
    ),
    settings=(
        THREE.at("1/2"),
        THREE.at(2),
        Problem.ce([(9, 2), (4, 2)], 1).with_loss("sparsemax").at(1),
        Problem.ce([(8, 1), (1, 2)], "999/10000"),  # a singular value of .002 beside one of 4
    ),
    derivation=reduction_derivation,
    rests_on=frozenset(),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("G instead of G^(1/2)", (sp.Eq(F, nuclear_g, evaluate=False),), problem=WITNESS),
        Mutant("m in place of g", (sp.Eq(F, nuclear_m, evaluate=False),), problem=WITNESS),
        Mutant("S^(1/2) on the right", (sp.Eq(F, nuclear_right, evaluate=False),), problem=WITNESS),
        Mutant(
            "columns of Mx of norm at most 1/2", (sp.Le(column, sp.Rational(1, 2), evaluate=False),), problem=WITNESS
        ),
    ),
    note="The norm of Mx is observed through its columns; that it is at most 1 is what the kernel proves for "
    "its bound.",
)
