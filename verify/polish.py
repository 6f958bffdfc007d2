"""High-precision optimum of the problem reduced to clusters: damped Newton in balls, radii dropped.

The polisher minimises N times the objective over the factors A, B (G x r) of the quotient block X = A B^T of
Z D^(1/2), the contrast gaps that the exact rule x < w sqrt(s) leaves alive, and the bias. Newton with damping works at
a fixed rank r; the singular values of the dual block then say which directions must be added. Nothing here is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import scipy.linalg
from flint import arb, arb_mat, ctx

from theory.problem import Problem
from verify.blocks import BlockPoint
from verify.bracket import ball

__all__ = [
    "MAX_UNKNOWNS",
    "NotConverged",
    "Space",
    "State",
    "block_losses",
    "dual_block",
    "flows_of",
    "from_blocks",
    "losses",
    "move",
    "newton",
    "newton_system",
    "number",
    "polish",
]

Vector = list[Any]
Table = list[list[Any]]

MAX_CLUSTERS = 32
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
            [ball(c.size) for c in clusters],
            [ball(c.weight) for c in clusters],
            problem.K,
            ball(problem.N),
            ball(problem.x2).sqrt(),
            [c.classes > 1 and problem.x2 < c.weight**2 * c.size for c in clusters],
            ball(problem.bias) if isinstance(problem.bias, Fraction) else problem.bias,
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

    def width(self, space: Space) -> int:
        """Feature dimension that the point needs."""
        return self.rank + sum(m - 1 for m, a in zip(space.m, self.alpha, strict=True) if not a.is_zero())


# --- numbers ---------------------------------------------------------------------------------------------------


def number(value: Any) -> Any:
    """Midpoint of a float, an mpmath number or a ball, as a ball."""
    if isinstance(value, mpmath.mpf):
        sign, mantissa, exponent, _ = value._mpf_
        return arb((-int(mantissa) if sign else int(mantissa), exponent))
    return value.mid() if isinstance(value, arb) else arb(float(value))


def _svd(X: Table) -> tuple[Table, Vector, Table]:
    """U, singular values, V (columns) of a square matrix, in high precision."""
    U, S, Vt = mpmath.svd_r(mpmath.matrix([[mpmath.mpf(a.mid()._mpf_) for a in row] for row in X]))
    n = len(X)
    table = [[number(U[i, k]) for k in range(n)] for i in range(n)]
    return table, [number(S[k]) for k in range(n)], [[number(Vt[k, i]) for k in range(n)] for i in range(n)]


def _factors(X: Table, cut: float) -> tuple[Table, Table]:
    """Factors of the part of X with singular values above ``cut`` times the largest, in double precision."""
    top = max(abs(a.mid()) for row in X for a in row)
    if top.is_zero():
        return [[] for _ in X], [[] for _ in X]
    U, S, Vt = scipy.linalg.svd([[float((a / top).mid()) for a in row] for row in X], lapack_driver="gesvd")
    keep = S / S[0] > cut
    left, right = U[:, keep] * np.sqrt(S[keep]), Vt[keep].T * np.sqrt(S[keep])
    scale = top.sqrt().mid()
    return tuple([[number(a) * scale for a in row] for row in table.tolist()] for table in (left, right))  # type: ignore[return-value]


def _product(A: Table, B: Table) -> Table:
    """A B^T."""
    if not A[0]:
        return [[arb(0)] * len(B) for _ in A]
    return (arb_mat(A) * arb_mat(B).transpose()).mid().tolist()  # type: ignore[no-any-return]


# --- the reduced objective ---------------------------------------------------------------------------------------


@dataclass
class Column:
    """Loss of a class of cluster g: probability of each other cluster, of the siblings together, its own, and CE."""

    others: Vector
    siblings: Any
    own: Any
    loss: Any


def losses(space: Space, state: State) -> list[Column]:
    """Probabilities and loss of a class of every cluster."""
    return block_losses(space, _product(state.A, state.B), state.alpha, state.bias)


def block_losses(space: Space, X: Table, gaps: Vector, bias: Vector) -> list[Column]:
    """As :func:`losses`, for a quotient block."""
    rows, columns, G = space.rows, space.columns, range(len(space.m))
    out = []
    for g in G:
        m, alpha = space.m[g], gaps[g]
        y = [X[h][g] / (rows[h] * columns[g]) + bias[h] for h in G]
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


def newton_system(space: Space, state: State, columns: list[Column]) -> tuple[Any, Any]:
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


def move(space: Space, state: State, step: Any) -> State:
    """The point minus a step in the unknowns of :func:`newton_system`."""
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


def newton(space: Space, state: State, digits: int) -> State:
    """Damped Newton at fixed rank until a full step is small enough for its square to vanish."""
    small = arb(10) ** (-(digits * 6 // 10) - 3)
    damping = Fraction(0)
    columns = losses(space, state)
    value = _value(space, state, columns)
    for _ in range(MAX_STEPS):
        gradient, hessian = newton_system(space, state, columns)
        n = gradient.nrows()
        if n == 0:
            return state
        while True:
            ridge = arb_mat(n, n)
            for k in range(n):
                ridge[k, k] = ball(damping) * (abs(hessian[k, k]) + space.x)
            try:
                step = (hessian + ridge).solve(gradient, algorithm="approx")
                trial = move(space, state, step)
                trial_columns = losses(space, trial)
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


def dual_block(space: Space, columns: list[Column]) -> Table:
    """Quotient block of M = (I - P) diag(w) D^(1/2) at the point."""
    rows, G = space.rows, range(len(space.m))

    def entry(h: int, g: int) -> Any:
        scale = space.w[g] * space.s[g].sqrt()
        if h == g:
            return (scale * sum(columns[g].others, arb(0))).mid()
        return (-scale * columns[g].others[h] * rows[g] / rows[h]).mid()

    return [[entry(h, g) for g in G] for h in G]


def from_blocks(space: Space, start: BlockPoint, cut: float) -> State:
    """Factored state of a symmetric point, without singular values below ``cut`` times the largest."""
    X = [
        [row * column * number(z) for column, z in zip(space.columns, means, strict=True)]
        for row, means in zip(space.rows, start.means, strict=True)
    ]
    A, B = _factors(X, cut)
    alpha = [number(a) if m > 1 else arb(0) for a, m in zip(start.alpha, space.m, strict=True)]
    return State(A, B, alpha, [number(b) if space.bias != "none" else arb(0) for b in start.bias])


def polish(space: Space, start: BlockPoint, digits: int) -> tuple[State, Table]:
    """Optimum to the requested digits, and its flows (see :func:`flows_of`).

    Parameters
    ----------
    space : the problem at a working precision well above the digits.
    start : approximate optimum; a far one costs Newton steps, not accuracy.
    digits : decimal digits of the point.

    Raises
    ------
    NotConverged
        If there are too many unknowns, or Newton stops before the rank settles.

    Examples
    --------
    >>> from verify.balls import precision
    >>> start = BlockPoint(np.ones(2), np.zeros((2, 2)), np.zeros(2))
    >>> with precision(300):
    ...     state, _ = polish(Space.of(Problem.ce([(9, 2), (4, 3)], "0.03")), start, 40)
    >>> state.alpha[0].str(12, radius=False)
    '2.66671127917'
    """
    G = len(space.m)
    if G > MAX_CLUSTERS:
        raise NotConverged("too many clusters")
    state = from_blocks(space, start, 1e-5)
    state.alpha = [a if alive else arb(0) for a, alive in zip(state.alpha, space.alive, strict=True)]
    for _ in range(G + 2):
        if 2 * G * state.rank > MAX_UNKNOWNS:
            raise NotConverged("too many unknowns")
        state = newton(space, state, digits)
        U, S, V = _svd(_product(state.A, state.B))
        keep = [k for k in range(state.rank) if S[k] > arb(10) ** (-(digits * 6 // 10)) * space.x]
        columns = losses(space, state)
        M = dual_block(space, columns)
        for h in range(G):
            for g in range(G):
                M[h][g] = (M[h][g] - space.x * sum((U[h][k] * V[g][k] for k in keep), arb(0))).mid()
        left, sigma, right = _svd(M)
        excess = [k for k in range(G) if sigma[k] > space.x * (1 + arb(10) ** -digits)]
        state.A = [[U[h][k] * S[k].sqrt() for k in keep] for h in range(G)]
        state.B = [[V[g][k] * S[k].sqrt() for k in keep] for g in range(G)]
        if not excess:
            return state, flows_of(space, columns)
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
        if _value(space, grown, losses(space, grown)) < value:
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


def flows_of(space: Space, columns: list[Column]) -> Table:
    """flows[h][g] = w_g s_g * probability of one class of cluster h (a sibling on the diagonal)."""
    G = range(len(space.m))

    def flow(h: int, g: int) -> Any:
        share = columns[g].siblings / max(space.m[g] - 1, 1) if h == g else columns[g].others[h] / space.m[h]
        return (space.w[g] * space.s[g] * share).mid()

    return [[flow(h, g) for g in G] for h in G]
