"""Within-class collapse and the reduction to a K x K convex problem (HL23-01), and what a sign constraint breaks (R4).

The minimum over all features equals min_Z (1/N) sum_k n_k CE(z_k + b, k) + lam |Z D^(1/2)|_* (plus the bias penalty),
lam = sqrt(lambda_W lambda_H); every minimiser has one feature per class and lambda_W W^T W = lambda_H H H^T.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.observables import norm, rational
from theory.optimum import Optimum, Point
from theory.problem import Problem
from theory.symbols import F, K

PAPER = "hong_ling_2023"
Array = NDArray[Any]

lW, lH = sp.symbols("lambda_W lambda_H", positive=True)
"""Weight decays in the canonical normalisation (halves)."""

LAM = sp.sqrt(lW * lH)

loss, nuclear, bias_penalty = sp.symbols("loss nuclear bias_penalty", real=True)
"""Mean loss, nuclear norm of Z D^(1/2), (lambda_b/2)|b|^2 at the optimal logits."""

nuclear_plain, nuclear_counts = sp.symbols("nuclear_plain nuclear_counts", real=True)
"""Nuclear norms of Z and of Z D."""

rank = sp.Symbol("rank", integer=True)
spread, balance, class_balance, centre, excess = sp.symbols("spread balance class_balance centre excess", real=True)
"""Of an explicit point, relative to the decays: distance of the features from their class means, Frobenius norms of
lambda_W W^T W - lambda_H H H^T and of lambda_W W W^T - lambda_H Hbar^T Hbar, norm of 1^T W, value above the bound."""

cone = sp.Symbol("cone", real=True)
"""Smallest (lambda_W/2)|W|^2 + (lambda_H/2)|H|^2 over lam among W H = Z with H >= 0, for two classes."""

ROUNDING = 1e-14
"""Relative rounding of a backward stable singular value decomposition and of a value in floats."""


def moduli(X: Array) -> tuple[Array, Array]:
    """(X X^T)^(1/2) and (X^T X)^(1/2), square X; the nuclear norm is the trace of either.

    For balls the radius is sqrt(2) times the Frobenius distance from the midpoints (Araki and Yamagami), plus the
    rounding of the decomposition.

    Examples
    --------
    >>> left, right = moduli(np.array([[0.0, 2.0], [0.0, 0.0]]))
    >>> left.tolist(), right.tolist()
    ([[2.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 2.0]])
    """
    middle = np.array([[float(entry) for entry in row] for row in X])
    left, values, right = _svd(middle)
    pair = (left * values) @ left.T, (right.T * values) @ right
    if X.dtype != object:
        return pair
    distance = sum((entry.abs_upper() ** 2 for entry in (X - middle).ravel()), 0 * X[0, 0])
    slack = np.sqrt(2 * distance) + ROUNDING * len(X) * float(values.sum())
    return _ball(pair[0] + 0 * X, slack), _ball(pair[1] + 0 * X, slack)


def _svd(matrix: Array) -> tuple[Array, Array, Array]:
    """Of the transpose where the divide-and-conquer driver does not converge (repeated singular values)."""
    try:
        left, values, right = np.linalg.svd(matrix)
    except np.linalg.LinAlgError:
        right, values, left = (part.T for part in np.linalg.svd(matrix.T))
    return left, values, right


def _ball(value: Any, radius: Any) -> Any:
    """Value plus or minus radius; elementwise for arrays."""
    one = 0 * radius + 1
    return value + radius * one.union(-one)


def reduction_readings(optimum: Optimum) -> Iterator[Reading]:
    """Value, terms of the reduced problem at the optimal logits, rank, and facts of an explicit point (HL23-01).

    Examples
    --------
    >>> (reading,) = reduction_readings(Optimum(Problem.ce([4, 1], "0.1"), "exact", rank=(1, 1)))
    >>> reading[rank], reading[lW]
    (1, 1/10)
    """
    problem = optimum.problem
    reading: dict[sp.Symbol, Any] = {
        K: sp.Integer(problem.K),
        lW: rational(problem.lambda_w),
        lH: rational(problem.lambda_h),
    }
    if optimum.rank[0] == optimum.rank[1]:
        reading[rank] = sp.Integer(optimum.rank[0])
    if optimum.lower is not None and optimum.upper is not None:
        reading[F] = optimum.lower.union(optimum.upper)
    if optimum.logits is not None and optimum.bias is not None:
        reading |= _reduced_terms(problem, optimum.logits, optimum.bias)
    if optimum.point is not None and F in reading:
        reading |= _point_terms(optimum, optimum.point)
    yield reading


def _reduced_terms(problem: Problem, Z: Array, b: Array) -> dict[sp.Symbol, Any]:
    zero = 0 * Z[0, 0]
    sizes = np.array([(zero + n.numerator) / n.denominator for n in problem.sizes], dtype=object)
    weights = [(zero + w.numerator) / w.denominator for w in problem.weights]
    full = Z + b[:, None]
    losses = [np.log(np.exp(full[:, k] - full[k, k]).sum()) for k in range(problem.K)]
    terms = {
        loss: sum((w * n * c for w, n, c in zip(weights, sizes, losses, strict=True)), zero) / sizes.sum(),
        bias_penalty: zero,
    }
    if not isinstance(problem.bias, str):
        terms[bias_penalty] = (b * b).sum() * problem.bias.numerator / (2 * problem.bias.denominator)
    for symbol, scale in ((nuclear, np.sqrt(sizes)), (nuclear_plain, 1), (nuclear_counts, sizes)):
        terms[symbol] = moduli(Z * scale)[0].trace()
    return terms


def _point_terms(optimum: Optimum, point: Point) -> dict[sp.Symbol, Any]:
    """Facts of a point, as balls that hold for every minimiser if HL23-01 does.

    With A = sqrt(lambda_W) W and B = sqrt(lambda_H) H the gap bounds, each time by twice its value, the squares of:
    the spread of B, the distance of A from B Q^T for a contraction Q, and |1^T A|/sqrt(K).
    """
    problem = optimum.problem
    gap = (optimum.upper - optimum.lower).abs_upper() + ROUNDING
    near = np.sqrt(2 * gap)
    A, B = np.sqrt(float(problem.lambda_w)) * point.W, np.sqrt(float(problem.lambda_h)) * point.H
    sizes = np.array([float(n) for n in problem.sizes])
    means, root = B, np.sqrt(sizes)
    terms: dict[sp.Symbol, Any] = {excess: (0 * gap).union(optimum.upper - optimum.lower)}
    if B.shape[1] > problem.K:
        labels = np.repeat(np.arange(problem.K), sizes.astype(int))
        means = np.array([B[:, labels == k].mean(axis=1) for k in range(problem.K)]).T
        terms[spread] = _ball(float(np.linalg.norm(B - means[:, labels])), near)
        gram = B @ B.T
    else:
        gram = (B * sizes) @ B.T
    reach = float(np.linalg.norm(A)) + float(np.linalg.norm(means * root))
    terms[balance] = _ball(float(np.linalg.norm(A.T @ A - gram)), near * reach + 2 * gap)
    terms[centre] = _ball(float(np.linalg.norm(A.sum(axis=0))), near * problem.K)
    if optimum.logits is not None:
        distance = norm((point.W @ point.H[:, _first_columns(point, sizes)] - optimum.logits) * root).abs_upper()
        lam = float(problem.lam2) ** 0.5
        slack = (1 + 1 / float(sizes.min())) * (near * reach + 2 * lam * distance)
        terms[class_balance] = _ball(float(np.linalg.norm(A @ A.T - means.T @ means)), slack)
    return terms


def _first_columns(point: Point, sizes: Array) -> Array:
    """Column of H that holds (a sample of) each class."""
    K = len(sizes)
    if point.H.shape[1] == K:
        return np.arange(K)
    return np.concatenate([[0], np.cumsum(sizes.astype(int))[:-1]])


def reduction_derivation() -> Derivation:
    """Average over a class, minimise over factors, remove what the loss does not see, and strict convexity.

    Examples
    --------
    >>> "Jensen" in reduction_derivation().assumes
    True
    """
    return Derivation(steps=(*_collapse_steps(), *_factor_steps(), *_uniqueness_steps()))


def _collapse_steps() -> tuple[Step, ...]:
    h, mean = sp.symbols("h h_bar", real=True)
    return (
        Lemma("replacing the features of a class by their mean does not raise its loss", "Jensen"),
        Identity(
            "and lowers the penalty by the sum of |h - mean|^2: feature by feature, the last term sums to 0",
            h**2 - mean**2,
            (h - mean) ** 2 + 2 * mean * (h - mean),
        ),
        Lemma(
            "so all features of a class are equal, and sum |h|^2 = |Hbar D^(1/2)|^2 for the class means Hbar",
            "a sum of squares vanishes only term by term",
        ),
    )


def _factor_steps() -> tuple[Step, ...]:
    w, h, s = sp.symbols("w h s", positive=True)
    fourth = sp.Rational(1, 4)
    return (
        Identity(
            "one singular direction: arithmetic against geometric mean",
            (lW * w**2 + lH * h**2) / 2 - sp.sqrt(lW * lH) * w * h,
            (sp.sqrt(lW) * w - sp.sqrt(lH) * h) ** 2 / 2,
        ),
        Lemma(
            "|X|_* is the maximum of <X, Q> over contractions Q; so W Hbar D^(1/2) = X costs at least lam |X|_*, and "
            "equality forces sqrt(lambda_W) W^T = sqrt(lambda_H) H Q^T: balancedness",
            "duality of the nuclear and the operator norm",
        ),
        Identity(
            "W = (lambda_H/lambda_W)^(1/4) U S^(1/2), Hbar D^(1/2) = (lambda_W/lambda_H)^(1/4) S^(1/2) V^T: product",
            (lH / lW) ** fourth * sp.sqrt(s) * (lW / lH) ** fourth * sp.sqrt(s),
            s,
        ),
        Identity(
            "and cost lam s per singular value; d >= rank columns are enough",
            lW / 2 * sp.sqrt(lH / lW) * s + lH / 2 * sp.sqrt(lW / lH) * s,
            sp.sqrt(lW * lH) * s,
        ),
    )


def _uniqueness_steps() -> tuple[Step, ...]:
    x, y, x_bar, y_bar, z, zk, c = sp.symbols("x y x_bar y_bar z z_k c", real=True)
    p, q, v1, v2 = sp.symbols("p_i p_j v_i v_j", positive=True)
    return (
        Identity(
            "CE is invariant under z -> z + c 1 (each term of sum_j exp(z_j - z_k))",
            sp.exp(z + c) / sp.exp(zk + c),
            sp.exp(z) / sp.exp(zk),
        ),
        Identity(
            "centring the columns: X^T X = (P X)^T (P X) + (1/K) (1^T X)^T (1^T X), term by term",
            (x - x_bar) * (y - y_bar) + x_bar * (y - y_bar) + (x - x_bar) * y_bar + x_bar * y_bar,
            x * y,
        ),
        Lemma(
            "adding a positive semidefinite matrix raises every eigenvalue weakly and the trace strictly: the nuclear "
            "norm falls strictly unless 1^T Z = 0 (and, with a free bias, unless Z n = 0: same step for X sqrt(n))",
            "Weyl monotonicity",
        ),
        Identity(
            "the Hessian of CE vanishes on constants only: (sum p)(sum p v^2) - (sum p v)^2, with sum p = 1, is the "
            "sum over pairs i < j of (diagonal terms cancel)",
            p * (q * v2**2) + q * (p * v1**2) - 2 * (p * v1) * (q * v2),
            p * q * (v1 - v2) ** 2,
        ),
        Lemma("a minimiser exists", "a coercive continuous function attains its minimum"),
        Lemma(
            "two minimisers agree in Z + b 1^T up to constants in the columns, so with 1^T Z = 0, 1^T b = 0 exactly; "
            "b agrees because there is none, because |b|^2 is strictly convex, or because Z n = 0 (free)",
            "strict convexity modulo constants",
        ),
        Lemma("1^T Z = 0 leaves rank K - 1, so d >= K - 1 is enough", "rank-nullity"),
    )


EXAMPLE = Problem.ce([(9, 2), (4, 3)], "0.03")
"""Worked example 1."""

TILTED = EXAMPLE.tilted(7, 4)
"""The same logits at d = K - 1, with unequal decays."""


def _value(lam: sp.Expr, norm_of: sp.Symbol) -> sp.Eq:
    return sp.Eq(F, loss + lam * norm_of + bias_penalty, evaluate=False)


reduction = Claim(
    id="HL23-01",
    title="Within-class collapse and reduction",
    kind="structure",
    paper=PAPER,
    statement=(
        r"h_{k,i} = \bar h_k,\quad W \bar H = Z^*,\quad 1^\top Z^* = 0,\quad \mathrm{rank}\, Z^* \leq K - 1"
        r"\quad\text{for every minimiser}",
        r"\min = \min_{Z, b} \frac1N \sum_k n_k\, \mathrm{CE}(z_k + b, k)"
        r" + \sqrt{\lambda_W \lambda_H}\, \lVert Z D^{1/2} \rVert_* + \mu \lVert b \rVert^2",
        r"\lambda_W W^\top W = \lambda_H H H^\top,\qquad d \geq K - 1 \text{ is enough}",
    ),
    relations=(
        _value(LAM, nuclear),
        sp.Le(rank, K - 1, evaluate=False),
        *(sp.Eq(observed, 0, evaluate=False) for observed in (spread, balance, centre)),
    ),
    read=reduction_readings,
    hypotheses=(
        replace(
            WIDE,
            dropped="below K - 1 no route proves that the minimum exceeds the reduced one; the mutant on the rank does",
        ),
    ),
    witness=TILTED,
    family=Family(sizes="any", near=("merge", "collapse")),
    settings=(EXAMPLE, Problem.ce([(16, 3), (4, 2)], "0.05", bias="1/25"), Problem.ce([(9, 2), (4, 3)], 1)),
    derivation=reduction_derivation,
    required="proved",
    mutants=(
        Mutant(
            "lam = sqrt(l_W l_H) with l_W |W|^2 + l_H |H|^2, that is half of lam",
            (_value(LAM / 2, nuclear),),
            problem=EXAMPLE,
        ),
        Mutant("nuclear norm of Z", (_value(LAM, nuclear_plain),), problem=EXAMPLE),
        Mutant("D instead of D^(1/2)", (_value(LAM, nuclear_counts),), problem=EXAMPLE),
        Mutant("lambda_W W W^T = lambda_H Hbar^T Hbar", (sp.Eq(class_balance, 0, evaluate=False),), problem=EXAMPLE),
        Mutant("d >= K is needed: d = K - 1 costs a thousandth", (sp.Ge(excess, F / 1000),), problem=TILTED),
        Mutant("d = K - 2 always works", (sp.Le(rank, K - 2, evaluate=False),), problem=EXAMPLE),
    ),
)


def cone_readings(optimum: Optimum) -> Iterator[Reading]:
    """Two classes: Z has rank one, so its nuclear norm is its Frobenius norm, and the constrained one is explicit.

    Examples
    --------
    >>> list(cone_readings(Optimum(Problem.ce([4, 1, 1], "0.1"), "exact")))
    []
    """
    problem, Z = optimum.problem, optimum.logits
    if problem.K != 2 or Z is None or optimum.rank[0] == 0:
        return
    zero = 0 * Z[0, 0]
    columns = [Z[:, k] * np.sqrt((zero + n.numerator) / n.denominator) for k, n in enumerate(problem.sizes)]
    yield {cone: norm(columns[0]) + norm(columns[1]), nuclear: norm(np.array(columns))}


def cone_derivation() -> Derivation:
    """Two classes, Z = u (t_1, -t_2) with unit u: the row u^T W splits in its positive and negative part.

    Examples
    --------
    >>> cone_derivation().failures()
    []
    """
    t1, t2, n1, n2, w, h = sp.symbols("t_1 t_2 n_1 n_2 w h", positive=True)
    return Derivation(
        steps=(
            Lemma(
                "h >= 0 gives w_+ h_1 >= w h_1 = t_1 and w_- h_2 >= -w h_2 = t_2, and |w|^2 = |w_+|^2 + |w_-|^2",
                "signs",
            ),
            Identity(
                "for either part: arithmetic against geometric mean, at product t",
                (lW * w**2 + lH * n1 * h**2) / 2 - sp.sqrt(lW * lH * n1) * w * h,
                (sp.sqrt(lW) * w - sp.sqrt(lH * n1) * h) ** 2 / 2,
            ),
            Lemma("equal for w_+ = c_1 h_1, w_- = c_2 h_2 in two orthogonal directions (d >= 2)", "equality case"),
            Positive(
                "so the cost is at least lam (sqrt(n_1) t_1 + sqrt(n_2) t_2) > lam |Z D^(1/2)|_*",
                sp.expand((sp.sqrt(n1) * t1 + sp.sqrt(n2) * t2) ** 2 - (n1 * t1**2 + n2 * t2**2)),
            ),
        ),
        complete=False,
        gap="the steps prove that the statement fails for two classes whenever Z is not zero",
    )


sign_constraint = Claim(
    id="HL23-R4",
    title="The regulariser of nonnegative features is lam |Z D^(1/2)|_*",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\min_{W H = Z,\, H \geq 0} \tfrac{\lambda_W}{2} \lVert W \rVert^2 + \tfrac{\lambda_H}{2} \lVert H \rVert^2"
        r" = \lambda \lVert Z D^{1/2} \rVert_*",
        r"\text{correct: only } \geq;\ \text{for } K = 2 \leq d \text{ the minimum is }"
        r" \lambda (\sqrt{n_1} \lVert z_1 \rVert + \sqrt{n_2} \lVert z_2 \rVert)",
    ),
    relations=(sp.Eq(cone, nuclear, evaluate=False),),
    read=cone_readings,
    witness=Problem.ce([4, 1], "0.05"),
    family=Family(sizes="distinct", near=("collapse",)),
    settings=(Problem.ce([4, 1], "0.05"), Problem.ce([3, 3], "0.1", bias="free")),
    derivation=cone_derivation,
    status="refuted",
    required="refuted",
    note="Network features after a ReLU are nonnegative: the convex form is then only a lower bound of the penalty.",
)
