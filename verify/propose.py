"""Certificates from approximate optima: polish a symmetric point in high precision, then write integers.

Nothing here is trusted: :mod:`verify.kernel` accepts or rejects what this module writes. The polisher minimises N
times the objective over the factors A, B (G x r) of the quotient block X = A B^T of Z D^(1/2), the contrast
gaps that the exact rule x < w sqrt(s) leaves alive, and the bias. Newton with damping works at a fixed rank r; the
singular values of the dual block then say which directions must be added.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import scipy.linalg
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray

from theory.problem import Problem
from verify.balls import precision
from verify.blocks import BlockPoint
from verify.kernel import check

__all__ = ["propose"]

Vector = list[Any]
Table = list[list[Any]]
Array = NDArray[Any]

MAX_UNKNOWNS = 700
MAX_STEPS = 80
SMALL_DAMPING = Fraction(1, 10**9)


class NotConverged(Exception):
    """The polisher gave up; floats may still do."""


@dataclass
class Space:
    """Numbers of a problem at the current precision, one entry per cluster."""

    m: list[int]
    s: Vector
    w: Vector
    K: int
    N: Any
    x: Any
    alive: list[bool]
    bias: str | Any

    @classmethod
    def of(cls, problem: Problem) -> Space:
        """Balls of the problem; ``alive`` is the exact rule x^2 < w^2 s."""
        clusters = problem.clusters
        return cls(
            [c.classes for c in clusters],
            [_ball(c.size) for c in clusters],
            [_ball(c.weight) for c in clusters],
            problem.K,
            _ball(problem.N),
            _ball(problem.x2).sqrt(),
            [c.classes > 1 and problem.x2 < c.weight**2 * c.size for c in clusters],
            _ball(problem.bias) if isinstance(problem.bias, Fraction) else problem.bias,
        )

    @property
    def rows(self) -> Vector:
        """sqrt(m_h), the scale of the rows of X."""
        return [arb(m).sqrt() for m in self.m]

    @property
    def columns(self) -> Vector:
        """sqrt(m_g s_g), the scale of the columns of X."""
        return [(m * s).sqrt() for m, s in zip(self.m, self.s, strict=True)]


@dataclass
class State:
    """Point of the reduced problem: factors of the quotient block, gaps, bias."""

    A: Table
    B: Table
    alpha: Vector
    bias: Vector

    @property
    def rank(self) -> int:
        """Columns of the factors."""
        return len(self.A[0])


def propose(problem: Problem, start: BlockPoint | None = None, digits: int = 40) -> dict[str, Any]:
    """Certificate for a problem from an approximate optimum.

    Parameters
    ----------
    problem : the problem; any bias mode, weights and dimension.
    start : approximate optimum (floats, mpmath numbers or balls); the default suits a few clusters. When the
        dimension of the problem is below the rank of the optimum, the primal point is made from ``start``: its
        smallest parts are dropped until it fits.
    digits : digits of the polished point; the relative gap is about ``10**-digits`` (about 1e-13 when the
        problem is too large to polish: more than about 18 clusters of full rank).

    Returns
    -------
    dict
        JSON data of schema ``verify.certificate/1``; ``bounds`` and ``facts`` are what the kernel proved.

    Raises
    ------
    ValueError
        If no point was found that the kernel accepts.

    Examples
    --------
    >>> problem = Problem.ce([(120, 4), (25, 3)], "0.0085")
    >>> certificate = propose(problem)
    >>> certificate["bounds"]["lower"][:20], certificate["facts"]["rank"]["lower"]
    ('1.412749214630446276', 6)
    """
    spread = problem.clusters[0].size / problem.x2  # its root is the inverse scale of the small probabilities
    scale = abs(spread.numerator.bit_length() - spread.denominator.bit_length())
    with precision(bits := 5 * digits + 128 + scale), mpmath.workprec(bits):
        space = Space.of(problem)
        start = start or plain_start(problem)
        try:
            state, flows = _polish(space, start, digits)
            points = [(state, flows, Fraction(10) ** -e) for e in range(digits, digits // 3, -2)]
        except NotConverged:
            digits = 17
            state, flows = _aligned(problem, space, start)
            points = [(state, flows, Fraction(10) ** -e) for e in range(14, 5, -1)]
        reason = ""
        for state, flows, shrink in points:
            state = _fit(problem, space, state, start, digits)
            certificate = _write(problem, space, state, flows, shrink, digits)
            answer = check(json.dumps(certificate))
            if answer["outcome"] == "bounds":
                return certificate | {"bounds": answer["bounds"], "facts": answer["facts"]}
            reason = answer["reason"]
    raise ValueError(f"no certificate found: {reason}")


def plain_start(problem: Problem) -> BlockPoint:
    """Multiple of the simplex I - J/K, of the size that vanishing decay would give; enough for a few clusters."""
    clusters, K = problem.clusters, problem.K
    G = len(clusters)
    scale = clusters[0].size / problem.x2
    L = max(mpmath.mpf(0), mpmath.log(mpmath.mpf(scale.numerator) / scale.denominator) / 2)
    means = [[L * (mpmath.mpf(h == g) / clusters[g].classes - mpmath.mpf(1) / K) for g in range(G)] for h in range(G)]
    return BlockPoint(np.array([L] * G), np.array(means), np.zeros(G))


# --- numbers ---------------------------------------------------------------------------------------------------


def _ball(value: Fraction) -> Any:
    return arb(fmpq(value.numerator, value.denominator))


def _number(value: Any) -> Any:
    """Midpoint of a float, an mpmath number or a ball, as a ball."""
    if isinstance(value, mpmath.mpf):
        sign, mantissa, exponent, _ = value._mpf_
        return arb((-int(mantissa) if sign else int(mantissa), exponent))
    return value.mid() if isinstance(value, arb) else arb(float(value))


def _svd(X: Table) -> tuple[Table, Vector, Table]:
    """U, singular values, V (columns) of a square matrix, in high precision."""
    U, S, Vt = mpmath.svd_r(mpmath.matrix([[mpmath.mpf(a.mid()._mpf_) for a in row] for row in X]))
    n = len(X)
    table = [[_number(U[i, k]) for k in range(n)] for i in range(n)]
    return table, [_number(S[k]) for k in range(n)], [[_number(Vt[k, i]) for k in range(n)] for i in range(n)]


def _factors(X: Table, cut: float) -> tuple[Table, Table]:
    """Factors of the part of X with singular values above ``cut`` times the largest, in double precision."""
    top = max(abs(a.mid()) for row in X for a in row)
    if top.is_zero():
        return [[] for _ in X], [[] for _ in X]
    U, S, Vt = scipy.linalg.svd([[float((a / top).mid()) for a in row] for row in X], lapack_driver="gesvd")
    keep = cut * S[0] < S
    left, right = U[:, keep] * np.sqrt(S[keep]), Vt[keep].T * np.sqrt(S[keep])
    scale = top.sqrt().mid()
    return tuple([[_number(a) * scale for a in row] for row in table.tolist()] for table in (left, right))  # type: ignore[return-value]


def _product(A: Table, B: Table) -> Table:
    """A B^T."""
    return [[sum((a * b for a, b in zip(row, column, strict=True)), arb(0)).mid() for column in B] for row in A]


# --- the reduced objective ---------------------------------------------------------------------------------------


@dataclass
class Column:
    """Loss of a class of cluster g: probability of each other cluster, of the siblings together, its own, and CE."""

    others: Vector
    siblings: Any
    own: Any
    loss: Any


def _columns(space: Space, state: State) -> list[Column]:
    rows, columns, G = space.rows, space.columns, range(len(space.m))
    X = _product(state.A, state.B)
    out = []
    for g in G:
        m, alpha = space.m[g], state.alpha[g]
        y = [X[h][g] / (rows[h] * columns[g]) + state.bias[h] for h in G]
        own = y[g] + alpha * (m - 1) / m
        others = [space.m[h] * (y[h] - own).exp() if h != g else arb(0) for h in G]
        siblings = (m - 1) * (-alpha).exp()
        rest = (sum(others, siblings)).mid()
        out.append(
            Column(
                [(e / (1 + rest)).mid() for e in others], (siblings / (1 + rest)).mid(), 1 / (1 + rest), rest.log1p()
            )
        )
    return out


def _value(space: Space, state: State, columns: list[Column]) -> Any:
    """N times the objective (gaps enter linearly: they are nonnegative at the optimum)."""
    value = arb(0)
    for g, column in enumerate(columns):
        value += space.m[g] * space.w[g] * space.s[g] * column.loss
        value += space.x * (space.m[g] - 1) * space.s[g].sqrt() * state.alpha[g]
        value += space.x / 2 * sum((a * a for a in state.A[g] + state.B[g]), arb(0))
        if isinstance(space.bias, arb):
            value += space.N * space.bias / 2 * space.m[g] * state.bias[g] ** 2
    return value.mid()


def _slope(space: Space, column: Column, g: int) -> tuple[Vector, Table]:
    """Gradient and Hessian of CE in (y_1, ..., y_G, alpha) for a class of cluster g."""
    m, G = space.m[g], len(space.m)
    leak = sum(column.others, arb(0))
    q = column.siblings / (m - 1) if m > 1 else arb(0)
    share = [p if h != g else column.own + column.siblings for h, p in enumerate(column.others)]
    mean = (column.own - q) * (m - 1) / m
    square = column.own * (arb(m - 1) / m) ** 2 + column.siblings / m**2
    gradient = [p if h != g else -leak for h, p in enumerate(column.others)] + [-(m * q + leak) * (m - 1) / m]
    hessian = [[-share[h] * share[k] for k in range(G)] + [-share[h] * mean] for h in range(G)]
    for h in range(G):
        hessian[h][h] = share[h] * (leak if h == g else 1 - share[h])
    hessian[g][G] = mean * leak
    hessian.append([hessian[h][G] for h in range(G)] + [square - mean * mean])
    return gradient, hessian


def _newton_system(space: Space, state: State, columns: list[Column]) -> tuple[Any, Any]:
    """Gradient (n x 1) and gauge-fixed Hessian (n x n) in the unknowns A, B, live gaps, bias (if any)."""
    G, r = len(space.m), state.rank
    rows, cols = space.rows, space.columns
    live = [g for g in range(G) if space.alive[g]]
    biased = space.bias != "none"
    n = 2 * G * r + len(live) + G * biased
    gradient = [arb(0)] * n
    hessian = [[arb(0)] * n for _ in range(n)]
    total = arb_mat(n, n)
    for g in range(G):
        weight = space.m[g] * space.w[g] * space.s[g]
        slope, curvature = _slope(space, columns[g], g)
        jacobian = [[arb(0)] * n for _ in range(G + 1)]
        for h in range(G):
            scale = 1 / (rows[h] * cols[g])
            for i in range(r):
                jacobian[h][h * r + i] = state.B[g][i] * scale
                jacobian[h][G * r + g * r + i] = state.A[h][i] * scale
                hessian[h * r + i][G * r + g * r + i] = hessian[G * r + g * r + i][h * r + i] = (
                    weight * slope[h] * scale
                )
            if biased:
                jacobian[h][n - G + h] = arb(1)
        if g in live:
            jacobian[G][2 * G * r + live.index(g)] = arb(1)
        J = arb_mat(jacobian)
        total += J.transpose() * (arb_mat(curvature) * weight) * J
        pull = arb_mat([slope]) * weight * J
        gradient = [a + pull[0, k] for k, a in enumerate(gradient)]
    unknowns = [a for row in state.A + state.B for a in row]
    for k, a in enumerate(unknowns):
        gradient[k] += space.x * a
        hessian[k][k] += space.x
    for k, g in enumerate(live):
        gradient[2 * G * r + k] += space.x * (space.m[g] - 1) * space.s[g].sqrt()
    for vector in _gauge(space, state, n):
        size = space.x / sum((v * v for v in vector), arb(0))
        support = [k for k, v in enumerate(vector) if not v.is_zero()]
        for k in support:
            for j in support:
                hessian[k][j] += size * vector[k] * vector[j]
    if isinstance(space.bias, arb):
        for h in range(G):
            stiffness = space.N * space.bias * space.m[h]
            gradient[n - G + h] += stiffness * state.bias[h]
            hessian[n - G + h][n - G + h] += stiffness
    return arb_mat([[a] for a in gradient]).mid(), (total + arb_mat(hessian)).mid() if n else total


def _gauge(space: Space, state: State, n: int) -> Iterator[Vector]:
    """Directions along which the objective is constant: rotations of the factors, a common free bias."""
    G, r = len(space.m), state.rank
    stacked = state.A + state.B
    for i in range(r):
        for j in range(i):
            vector = [arb(0)] * n
            for k in range(2 * G):
                vector[k * r + i], vector[k * r + j] = stacked[k][j], -stacked[k][i]
            if any(not v.is_zero() for v in vector):
                yield vector
    if space.bias == "free":
        yield [arb(0)] * (n - G) + [arb(1)] * G


def _move(space: Space, state: State, step: Any) -> State:
    G, r = len(space.m), state.rank
    flat = [step[k, 0].mid() for k in range(step.nrows())]
    live = [g for g in range(G) if space.alive[g]]
    alpha = list(state.alpha)
    for k, g in enumerate(live):
        alpha[g] = alpha[g] - flat[2 * G * r + k]
    tail = flat[len(flat) - G :] if space.bias != "none" else [arb(0)] * G

    def shifted(table: Table, offset: int) -> Table:
        return [[(a - flat[offset + k * r + i]).mid() for i, a in enumerate(row)] for k, row in enumerate(table)]

    return State(
        shifted(state.A, 0),
        shifted(state.B, G * r),
        [a.mid() for a in alpha],
        [(b - t).mid() for b, t in zip(state.bias, tail, strict=True)],
    )


def _newton(space: Space, state: State, digits: int) -> State:
    """Damped Newton at fixed rank until a full step is small enough for its square to vanish."""
    small = arb(10) ** (-(digits * 6 // 10) - 3)
    damping = Fraction(0)
    columns = _columns(space, state)
    value = _value(space, state, columns)
    for _ in range(MAX_STEPS):
        gradient, hessian = _newton_system(space, state, columns)
        n = gradient.nrows()
        if n == 0:
            return state
        while True:
            damped = hessian
            if damping:
                ridge = [[arb(0)] * n for _ in range(n)]
                for k in range(n):
                    ridge[k][k] = _ball(damping) * (abs(hessian[k, k]) + space.x)
                damped = hessian + arb_mat(ridge)
            try:
                step = damped.solve(gradient, algorithm="approx")
                trial = _move(space, state, step)
                trial_columns = _columns(space, trial)
                trial_value = _value(space, trial, trial_columns)
            except ZeroDivisionError:
                trial_value = arb("nan")
            if trial_value <= value + abs(value) * arb((1, 16 - ctx.prec)):
                break
            damping = damping * 30 if damping else SMALL_DAMPING
            if damping > 10**12:
                raise NotConverged("no descent")
        scale = max([abs(a.mid()) for row in state.A + state.B for a in row] + [abs(a) for a in state.alpha] + [arb(1)])
        length = max(abs(step[k, 0].mid()) for k in range(n))
        state, columns, value = trial, trial_columns, trial_value
        if damping == 0 and length < small * scale:
            return state
        damping = damping / 60 if damping > SMALL_DAMPING else Fraction(0)
    return state


def _dual_block(space: Space, columns: list[Column]) -> Table:
    """Quotient block of M = (I - P) diag(w) D^(1/2) at the point."""
    rows, G = space.rows, range(len(space.m))

    def entry(h: int, g: int) -> Any:
        scale = space.w[g] * space.s[g].sqrt()
        if h == g:
            return (scale * sum(columns[g].others, arb(0))).mid()
        return (-scale * columns[g].others[h] * rows[g] / rows[h]).mid()

    return [[entry(h, g) for g in G] for h in G]


def _polish(space: Space, start: BlockPoint, digits: int) -> tuple[State, Table]:
    """Optimum to the requested digits and its flows w s * probability (per class)."""
    G = len(space.m)
    rows, cols = space.rows, space.columns
    means = [[_number(start.means[h, g]) for g in range(G)] for h in range(G)]
    X = [[rows[h] * cols[g] * means[h][g] for g in range(G)] for h in range(G)]
    A, B = _factors(X, 1e-5)
    state = State(
        A,
        B,
        [_number(a) if alive else arb(0) for a, alive in zip(start.alpha, space.alive, strict=True)],
        [_number(b) if space.bias != "none" else arb(0) for b in start.bias],
    )
    for _ in range(G + 2):
        if 2 * G * state.rank > MAX_UNKNOWNS:
            raise NotConverged("too many unknowns")
        state = _newton(space, state, digits)
        U, S, V = _svd(_product(state.A, state.B))
        keep = [k for k in range(state.rank) if S[k] > arb(10) ** (-(digits * 6 // 10)) * space.x]
        columns = _columns(space, state)
        M = _dual_block(space, columns)
        for h in range(G):
            for g in range(G):
                M[h][g] = (M[h][g] - space.x * sum((U[h][k] * V[g][k] for k in keep), arb(0))).mid()
        left, sigma, right = _svd(M)
        excess = [k for k in range(G) if sigma[k] > space.x * (1 + arb(10) ** -digits)]
        state.A = [[U[h][k] * S[k].sqrt() for k in keep] for h in range(G)]
        state.B = [[V[g][k] * S[k].sqrt() for k in keep] for g in range(G)]
        if not excess:
            return state, _flows(space, columns)
        state = _grow(space, state, columns, [(sigma[k], left, right, k) for k in excess])
    raise NotConverged("the rank did not settle")


def _grow(space: Space, state: State, columns: list[Column], found: list[tuple[Any, Table, Table, int]]) -> State:
    """Add the directions u v^T of M with singular value above x, as far as the objective falls."""
    value = _value(space, state, columns)
    sizes = []
    for sigma, left, right, k in found:
        sizes.append(_amplitude(space, columns, [row[k] for row in left], [row[k] for row in right], sigma - space.x))
    for _ in range(MAX_STEPS):
        A = [
            [*row, *(u[h][k] * t for t, (_, u, _, k) in zip(sizes, found, strict=True))]
            for h, row in enumerate(state.A)
        ]
        B = [
            [*row, *(v[g][k] * t for t, (_, _, v, k) in zip(sizes, found, strict=True))]
            for g, row in enumerate(state.B)
        ]
        grown = replace(state, A=A, B=B)
        if _value(space, grown, _columns(space, grown)) < value:
            return grown
        sizes = [t / 2 for t in sizes]
    raise NotConverged("no descent along a new direction")


def _amplitude(space: Space, columns: list[Column], u: Vector, v: Vector, descent: Any) -> Any:
    """Square root of the t that minimises the quadratic model along t u v^T."""
    rows, cols = space.rows, space.columns
    curvature = arb(0)
    for g, column in enumerate(columns):
        _, hessian = _slope(space, column, g)
        y = [u[h] * v[g] / (rows[h] * cols[g]) for h in range(len(u))]
        form = sum((y[h] * y[k] * hessian[h][k] for h in range(len(u)) for k in range(len(u))), arb(0))
        curvature += space.m[g] * space.w[g] * space.s[g] * form
    return (descent / curvature).mid().sqrt()


def _flows(space: Space, columns: list[Column]) -> Table:
    """flows[h][g] = w_g s_g * probability of one class of cluster h (a sibling on the diagonal)."""
    G = range(len(space.m))

    def flow(h: int, g: int) -> Any:
        share = columns[g].siblings / max(space.m[g] - 1, 1) if h == g else columns[g].others[h] / space.m[h]
        return (space.w[g] * space.s[g] * share).mid()

    return [[flow(h, g) for g in G] for h in G]


# --- double precision --------------------------------------------------------------------------------------------


def _aligned(problem: Problem, space: Space, start: BlockPoint) -> tuple[State, Table]:
    """Point in double precision with the dual point x U V^T + (rest of M), aligned with X = U S V^T."""
    clusters = problem.clusters
    m, s, w = (np.array([float(getattr(c, key)) for c in clusters]) for key in ("classes", "size", "weight"))
    x = math.sqrt(problem.x2)
    alive = np.array(space.alive)
    alpha = np.where(alive, np.array([float(_number(a)) for a in start.alpha]), 0.0)
    means = np.array([[float(_number(z)) for z in row] for row in start.means])
    bias = np.array([float(_number(b)) for b in start.bias]) * (problem.bias != "none")
    X = np.sqrt(m)[:, None] * means * np.sqrt(m * s)
    U, S, Vt = scipy.linalg.svd(X, lapack_driver="gesvd")
    rank = int(np.count_nonzero(S / max(float(S[0]), x) > 1e-7))
    U, S, V = U[:, :rank], S[:rank], Vt[:rank].T
    columns = _columns(space, _state((U * np.sqrt(S)).tolist(), (V * np.sqrt(S)).tolist(), alpha, bias))
    M = np.array([[float(a) for a in row] for row in _dual_block(space, columns)])
    rest = M - U @ (U.T @ M)
    rest -= (rest @ V) @ V.T
    left, sigma, right = scipy.linalg.svd(rest, lapack_driver="gesvd")
    dual = x * U @ V.T + (left * np.minimum(sigma, x)) @ right
    dual -= np.sqrt(m)[:, None] * (np.sqrt(m) @ dual) / m.sum()
    if problem.bias == "free":
        t = np.sqrt(m * s / (m @ s))
        dual -= np.outer(dual @ t, t)
    dual /= max(1.0, float(scipy.linalg.svdvals(dual)[0]) / x)
    flows = -dual * np.sqrt(s) / np.sqrt(np.outer(m, m))
    np.fill_diagonal(flows, 0.0)
    inside = np.where(alive, x * np.sqrt(s), w * s)
    np.fill_diagonal(flows, np.where(m > 1, (inside - m @ flows) / m, 0.0))
    if (flows < 0).any():  # blend with the feasible multiple of the point's own flows, just enough
        soft = np.array([[float(a) for a in row] for row in _flows(space, columns)])
        contrast = np.where(m > 1, m @ soft / (x * np.sqrt(s)), 0.0)
        soft /= max(1.0, float(scipy.linalg.svdvals(M)[0]) / x, float(contrast.max()))
        share = np.max(np.where(flows < 0, -flows / np.where(flows < 0, soft - flows, 1.0), 0.0))
        flows = np.maximum((1 - share) * flows + share * soft, 0.0)
    state = _state((U * np.sqrt(S)).tolist(), (V * np.sqrt(S)).tolist(), alpha, bias)
    return state, [[arb(a) for a in row] for row in flows.tolist()]


def _state(A: Table, B: Table, alpha: Array, bias: Array) -> State:
    def balls(table: Table) -> Table:
        return [[arb(a) for a in row] for row in table]

    return State(balls(A), balls(B), balls([alpha.tolist()])[0], balls([bias.tolist()])[0])


# --- writing -----------------------------------------------------------------------------------------------------


def _width(space: Space, state: State) -> int:
    return state.rank + sum(m - 1 for m, a in zip(space.m, state.alpha, strict=True) if not a.is_zero())


def _fit(problem: Problem, space: Space, state: State, start: BlockPoint, digits: int) -> State:
    """Point of width at most d: the optimum, or the start without its smallest parts, improved inside its structure."""
    if _width(space, state) <= problem.dim:
        return state
    G = len(space.m)
    rows, cols = space.rows, space.columns
    U, S, V = _svd([[rows[h] * cols[g] * _number(start.means[h, g]) for g in range(G)] for h in range(G)])
    alpha = [_number(a) if space.m[g] > 1 else arb(0) for g, a in enumerate(start.alpha)]
    keep = [k for k in range(G) if S[k] > S[0] * arb("1e-8") and S[k] > 0]
    parts = sorted(
        [(S[k], 1, k, -1) for k in keep]
        + [(abs(a) * space.s[g].sqrt(), space.m[g] - 1, -1, g) for g, a in enumerate(alpha)]
    )
    width = len(keep) + sum(m - 1 for m, a in zip(space.m, alpha, strict=True) if not a.is_zero())
    for _, size, k, g in parts:
        if width <= problem.dim:
            break
        if k >= 0:
            keep.remove(k)
        else:
            size = 0 if alpha[g].is_zero() else size
            alpha[g] = arb(0)
        width -= size
    state = State(
        [[U[h][k] * S[k].sqrt() for k in keep] for h in range(G)],
        [[V[g][k] * S[k].sqrt() for k in keep] for g in range(G)],
        alpha,
        [_number(b) if space.bias != "none" else arb(0) for b in start.bias],
    )
    try:
        return _newton(replace(space, alive=[not a.is_zero() for a in alpha]), state, digits)
    except NotConverged:
        return state


def _write(problem: Problem, space: Space, state: State, flows: Table, shrink: Fraction, digits: int) -> dict[str, Any]:
    """Certificate without bounds and facts; the dual point is pulled towards the identity by 1 - shrink."""
    bits = int((digits + 4) * 3.33) + 8
    ratio = _ball(problem.lambda_h / problem.lambda_w).root(4)
    rows, cols = space.rows, space.columns
    W = [[a * ratio / rows[h] for a in row] for h, row in enumerate(state.A)]
    H = [[b / ratio / cols[g] for b in row] for g, row in enumerate(state.B)]
    inner = [[a * _ball(1 - shrink) for a in row] for row in flows]
    unit = space.x * min(space.s).sqrt() / space.K
    return {
        "schema": "verify.certificate/1",
        "problem": problem.sha256,
        **problem.canonical(),
        "bounds": None,
        "witness": {
            "full": False,
            "flows": _balanced(space, inner, max(0, bits - _log2(unit))),
            "gaps": _dyadics([state.alpha], bits),
            "W": _dyadics(W, max(0, bits - _log2(max([abs(a) for row in W for a in row], default=arb(1))))),
            "H": _dyadics(H, max(0, bits - _log2(max([abs(a) for row in H for a in row], default=arb(1))))),
            "bias": _dyadics([state.bias], min(ctx.prec, max(bits, bits - _log2(max(abs(b) for b in state.bias))))),
        },
        "facts": None,
    }


def _log2(value: Any) -> int:
    """Binary exponent of a positive ball (0 for zero)."""
    mantissa, exponent = value.mid().man_exp()
    return int(mantissa).bit_length() + int(exponent) if mantissa else 0


def _integer(value: Any, P: int) -> int:
    """Nearest integer below value * 2^P."""
    mantissa, exponent = (int(part) for part in value.mid().man_exp())
    shift = exponent + P
    return mantissa << shift if shift >= 0 else mantissa >> -shift


def _dyadics(table: Table, P: int) -> dict[str, Any]:
    return {"p": P, "rows": [[_integer(a, P) for a in row] for row in table]}


def _balanced(space: Space, flows: Table, P: int) -> dict[str, Any]:
    """Integer flows; with a free bias what leaves a class of each cluster equals what enters it, exactly."""
    G, m = len(space.m), space.m
    unit = math.lcm(*m) if space.bias == "free" else 1
    P += unit.bit_length()
    rows = [[max(0, _integer(flows[h][g], P)) // unit * unit for g in range(G)] for h in range(G)]
    for g in range(G):
        if m[g] == 1:
            rows[g][g] = 0
    if space.bias == "free":
        for h in range(1, G):
            surplus = sum(m[k] * (rows[k][h] - rows[h][k]) for k in range(G)) // m[0]
            rows[0 if surplus < 0 else h][h if surplus < 0 else 0] += abs(surplus)
    return {"p": P, "rows": rows}
