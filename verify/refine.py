"""Many clusters to any number of digits: residuals in balls, corrections from the Newton system in floats.

A point is X = U S V^T with orthonormal U, V (G x r) and a symmetric S > 0. With M = -grad f(X) it is optimal iff
M V = x U, U^T M = x V^T and no singular value of M exceeds x. A step solves the float Newton system for residuals that
were computed with all digits, so every step gains about ten digits and no matrix larger than G x G is made. Nothing
here is trusted: the kernel checks the point. Contrasts have a scalar equation each; under a budget on the nuclear norm
its multiplier x is a further unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import threadpoolctl
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from verify.dual import svd
from verify.newton import Local, Step, Tangent, local_at, weights_of
from verify.polish import NotConverged, Space, State, block_losses, dual_block
from verify.reduced import Reduced

__all__ = ["refine"]

Array = NDArray[Any]
MAX_STEPS = 60
MAX_CHANGES = 12
TOLERANCE = 1e-10
"""Of the float solution of a Newton system."""
SMALL = 1e-5
"""Relative step of differences."""
TINY = 1e-11
"""What floats know of a singular value, relative to the largest or to x."""


@dataclass(frozen=True)
class _Point:
    """X = U S V^T in balls without radius, gaps and bias."""

    U: Any
    S: Any
    V: Any
    gaps: list[Any]
    bias: list[Any]

    @property
    def X(self) -> Any:
        return (self.U * self.S * self.V.transpose()).mid()


@dataclass(frozen=True)
class _Residual:
    """What is left of the optimality conditions: M V - x U, M^T U - x V, slope in the bias; M itself in floats."""

    left: Any
    right: Any
    slope: list[Any]
    M: Array
    size: Any


Reducer = Callable[[float], Reduced]
"""The problem in floats for a given x."""


def refine(space: Space, reducer: Reducer, start: Local, digits: int, budget: Any | None = None) -> tuple[Space, State]:
    """Optimum to the requested digits, and the problem with its x.

    Parameters
    ----------
    space : the problem at a working precision well above the digits, sizes relative to the largest as in ``reducer``.
    reducer : the problem in floats.
    start : the optimum in floats.
    digits : decimal digits of M relative to x.
    budget : nuclear norm of Z D^(1/2); then x of ``space`` is only the first guess of its multiplier.

    Raises
    ------
    NotConverged
        If floats are too coarse to find the rank or a direction.
    """
    with threadpoolctl.threadpool_limits(1), np.errstate(all="ignore"):
        work = _Work(space, reducer, budget)
        point = _start(space, work.r, start)
        for _ in range(MAX_CHANGES):
            point, residual = _newton(work, point, digits)
            changed = _changed_rank(work.r, point, residual)
            if changed is None:
                return work.space, _state(point)
            point = changed
    raise NotConverged("the rank did not settle")


@dataclass
class _Work:
    """The problem, whose x changes under a budget."""

    space: Space
    reducer: Reducer
    budget: Any | None

    @property
    def r(self) -> Reduced:
        return self.reducer(float(self.space.x))

    def excess(self, point: _Point) -> Any:
        """Nuclear norm beyond the budget."""
        if self.budget is None:
            return arb(0)
        inside = sum(
            (root * (m - 1) * a for root, m, a in zip(self.roots, self.space.m, point.gaps, strict=True)), arb(0)
        )
        return (sum((point.S[i, i] for i in range(point.S.nrows())), inside) - self.budget).mid()

    @property
    def roots(self) -> list[Any]:
        return [s.sqrt() for s in self.space.s]


def _start(space: Space, r: Reduced, at: Local) -> _Point:
    """The float point, without the singular values that one proximal step removes."""
    eta = 2 / float(r.w.max())
    U, y, Vt = svd(at.X - eta * at.grad)
    keep = y > eta * r.x * (1 + TINY)
    s = np.diag(y[keep] - eta * r.x)
    left, right = _orthonormal(_balls(U[:, keep])), _orthonormal(_balls(Vt[keep].T))
    return _Point(left, _balls(s), right, _list(at.alpha), _centred(space, _list(at.bias)))


def _centred(space: Space, bias: list[Any]) -> list[Any]:
    """A bias whose sum over the classes is 0."""
    mean = sum((m * b for m, b in zip(space.m, bias, strict=True)), arb(0)) / space.K
    return [(b - mean).mid() for b in bias]


# --- between floats and balls --------------------------------------------------------------------------------------


def _balls(table: Array) -> Any:
    rows, columns = table.shape
    return arb_mat(rows, columns, [arb(x) for x in table.ravel().tolist()])


def _list(values: Array) -> list[Any]:
    return [arb(x) for x in values.tolist()]


def _floats(matrix: Any, unit: Any = 1) -> Array:
    entries = (matrix / unit).entries() if matrix.nrows() * matrix.ncols() else []
    return np.array([float(x) for x in entries]).reshape(matrix.nrows(), matrix.ncols())


def _symmetric(table: Array) -> Array:
    return np.asarray((table + table.T) / 2)


def _largest(matrix: Any) -> Any:
    return max((abs(x) for x in matrix.entries()), default=arb(0)) if matrix.ncols() else arb(0)


def _orthonormal(U: Any) -> Any:
    """Nearest orthonormal columns to nearly orthonormal ones: Newton and Schulz's iteration."""
    n = U.ncols()
    one = arb_mat([[arb(int(i == j)) for j in range(n)] for i in range(n)]) if n else None
    for _ in range(ctx.prec.bit_length()):
        if one is None:
            break
        miss = (one - U.transpose() * U).mid()
        size = _largest(miss)
        if not size < 1:
            raise NotConverged("a step is too long")
        U = (U + U * miss / 2).mid()
        if size < arb(2) ** (8 - ctx.prec // 2):
            break
    return U


# --- residuals -----------------------------------------------------------------------------------------------------


def _settle_gaps(space: Space, X: Any, gaps: list[Any], bias: list[Any]) -> list[Any]:
    """The gap a of each live contrast: (m e^-a + o e^(-a(m-1)/m))/(total of exponentials) = x/(w sqrt(s))."""
    rows, columns, out = space.rows, space.columns, []
    for g, (m, alive) in enumerate(zip(space.m, space.alive, strict=True)):
        if not alive:
            out.append(arb(0))
            continue
        y = [X[h, g] / (rows[h] * columns[g]) + bias[h] for h in range(len(space.m))]
        o = sum((space.m[h] * (y[h] - y[g]).exp() for h in range(len(y)) if h != g), arb(0))
        level, share, a = (space.x / (space.w[g] * space.s[g].sqrt())).log(), arb(m - 1) / m, gaps[g]
        for _ in range(ctx.prec.bit_length() + 60):
            e, f = (-a).exp(), o * (-a * share).exp()
            top, whole = m * e + f, 1 + (m - 1) * e + f
            slope = (m * e + share * f) / top - ((m - 1) * e + share * f) / whole
            step = ((top / whole).log() - level) / slope
            a = (a + step).mid()
            if not a.is_finite():
                raise NotConverged("a contrast left its range")
            if abs(step) < arb(2) ** (-ctx.prec // 2) * (1 + a):
                break
        out.append(a)
    return out


def _residual(space: Space, point: _Point) -> tuple[_Point, _Residual]:
    X = point.X
    point = replace(point, gaps=_settle_gaps(space, X, point.gaps, point.bias))
    columns = block_losses(space, X.tolist(), point.gaps, point.bias)
    M = arb_mat(dual_block(space, columns))
    left = (M * point.V - point.U * space.x).mid()
    right = (M.transpose() * point.U - point.V * space.x).mid()
    slope = [arb(0)] * len(space.m)
    if space.bias != "none":
        weights, roots = arb_mat([[c] for c in space.columns]), space.rows
        slope = [-a * b for a, b in zip((M * weights).entries(), roots, strict=True)]
    if isinstance(space.bias, arb):
        slope = [s + space.N * space.bias * m * b for s, m, b in zip(slope, space.m, point.bias, strict=True)]
    scale = [abs(s) / c for s, c in zip(slope, space.columns, strict=True)]
    size = max([_largest(left), _largest(right), *scale])
    return point, _Residual(left, right, slope, _floats(M), size)


# --- steps ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """The Newton system in floats, in a singular frame whose first r directions are those of the point."""

    tangent: Tangent
    at: Local
    values: Array
    turn: Array

    @classmethod
    def of(cls, r: Reduced, point: _Point, M: Array) -> _Frame:
        U, V, S = _floats(point.U), _floats(point.V), _floats(point.S)
        d, Q = np.linalg.eigh((S + S.T) / 2)
        order = np.argsort(-d)
        d, Q, n = d[order], Q[:, order], len(d)
        if n and not d[-1] > 0:
            raise NotConverged("a singular value is not positive")
        rest = [np.linalg.qr(A, mode="complete")[0][:, n:] for A in (U, V)]
        left, sigma, right = svd(rest[0].T @ M @ rest[1])
        U, V = np.hstack([U @ Q, rest[0] @ left]), np.hstack([V @ Q, rest[1] @ right.T])
        eta = 2 / float(r.w.max())
        at = local_at(r, _floats(point.X), np.array([float(b) for b in point.bias]))
        y = np.concatenate([d + eta * r.x, eta * np.minimum(sigma, r.x)])
        step = Step(at, U, y, V, eta * r.x, at.X)
        return cls(Tangent.of(r, step, weights_of(r, at)), at, d, Q)

    def direction(self, found: _Residual) -> tuple[Array, Array]:
        """Changes E of X and of the bias, in units of the residual."""
        n, t, unit = len(self.values), self.tangent, found.size
        R, slope = np.zeros_like(t.U), np.array([float(s / unit) for s in found.slope])
        R[:, :n] = -t.U.T @ _floats(found.left, unit) @ self.turn
        R[:n] = -self.turn.T @ _floats(found.right, unit).T @ t.V
        zero = np.zeros_like(t.U)
        R = t.eta * R - t.pull(zero + t.bias_step(slope, zero)[:, None])
        E = t.solve(-R, TOLERANCE, 600)
        return E, -t.bias_step(slope, t.shift(E))

    def parts(self, E: Array) -> tuple[Any, Any, Any]:
        """Changes of U, S, V."""
        n, t, d = len(self.values), self.tangent, self.values
        own = E[:n, :n]
        skew = (own - own.T) / (2 * (d[:, None] + d))
        left = t.U @ np.vstack([skew, E[n:, :n] / d]) @ self.turn.T
        right = t.V @ np.vstack([-skew, E[:n, n:].T / d]) @ self.turn.T
        found = left, _symmetric(self.turn @ own @ self.turn.T), right
        if not all(np.isfinite(part).all() for part in found):
            raise NotConverged("the Newton system is singular")
        return tuple(_balls(part) for part in found)

    def norm_change(self, work: _Work, E: Array) -> float:
        """Derivative of the nuclear norm along a direction, that of the contrasts by differences."""
        n, t, at = len(self.values), self.tangent, self.at
        dX = t.U @ E @ t.V.T
        length = SMALL / (1e-300 + float(np.abs(dX / t.r.scale).max()))
        ends = [local_at(t.r, at.X + sign * length * dX, at.bias).alpha for sign in (1, -1)]
        return float(np.trace(E[:n, :n])) + _norm_of_gaps(work, (ends[0] - ends[1]) / (2 * length))

    def along_multiplier(self, work: _Work) -> tuple[Array, float]:
        """Change of X with x, and of the nuclear norm."""
        n, t, at = len(self.values), self.tangent, self.at
        x = float(work.space.x)
        ends = [local_at(work.reducer(x * (1 + sign * SMALL)), at.X, at.bias) for sign in (1, -1)]
        R = t.U.T @ (ends[0].grad - ends[1].grad) @ t.V / (2 * x * SMALL)
        R[:n, :n] += np.eye(n)
        E = t.solve(-t.eta * R, TOLERANCE, 600)
        own = _norm_of_gaps(work, (ends[0].alpha - ends[1].alpha) / (2 * x * SMALL))
        return E, self.norm_change(work, E) + own


def _norm_of_gaps(work: _Work, gaps: Array) -> float:
    r = work.r
    return float(((r.m - 1) * np.sqrt(r.n) * np.where(work.space.alive, gaps, 0.0)).sum())


def _newton(work: _Work, point: _Point, digits: int) -> tuple[_Point, _Residual]:
    """Steps at a fixed rank until the residual is below 10^-digits x."""
    small = arb(10) ** -(digits + 4)
    point, found = _residual(work.space, point)
    slow, before = 0, arb("inf")
    for _ in range(MAX_STEPS):
        excess = work.excess(point)
        size = found.size / work.space.x + (abs(excess) / work.budget if work.budget is not None else 0)
        if size < small:
            return point, found
        slow = 0 if size < before / 4 else slow + 1
        if slow > 4 or not size.is_finite():
            break
        before = size
        moved = _moved(work, point, found, excess)
        point, found = _residual(work.space, moved)
    raise NotConverged("Newton does not converge")


def _moved(work: _Work, point: _Point, found: _Residual, excess: Any) -> _Point:
    """One step; under a budget the multiplier moves as well, by its linearised equation."""
    frame, unit = _Frame.of(work.r, point, found.M), found.size
    E, db = frame.direction(found)
    changes = [(frame.parts(E), unit)]
    if work.budget is not None:
        along, slope = frame.along_multiplier(work)
        step = (-(excess + arb(frame.norm_change(work, E)) * unit) / arb(slope)).mid()
        x = (work.space.x + step).mid()
        if not x > 0:
            raise NotConverged("the multiplier left its range")
        work.space = replace(work.space, x=x)
        changes.append((frame.parts(along), step))
    U, S, V = point.U, point.S, point.V
    for (dU, dS, dV), length in changes:
        U, S, V = U + dU * length, S + dS * length, V + dV * length
    bias = [b + d * unit for b, d in zip(point.bias, _list(db), strict=True)]
    return _Point(_orthonormal(U.mid()), S.mid(), _orthonormal(V.mid()), point.gaps, _centred(work.space, bias))


def _changed_rank(r: Reduced, point: _Point, found: _Residual) -> _Point | None:
    """The point with a direction more where M has a singular value above x beside U V^T; None where it has none."""
    frame = _Frame.of(r, point, found.M)
    t, n = frame.tangent, len(frame.values)
    rest = t.U[:, n:].T @ found.M @ t.V[:, n:]
    if not rest.size or rest[0, 0] <= r.x * (1 + TINY):
        return None
    E = np.zeros((len(t.U), len(t.U)))
    E[n, n] = 1.0
    size = t.eta * (rest[0, 0] - r.x) / t.hessian(E)[n, n]
    S = np.zeros((n + 1, n + 1))
    S[n, n] = size
    grown = _balls(S)
    for i in range(n):
        for j in range(n):
            grown[i, j] = point.S[i, j]
    columns = [
        arb_mat([[*row, arb(x)] for row, x in zip(table.tolist() or [[]] * len(t.U), extra, strict=True)])
        for table, extra in ((point.U, t.U[:, n].tolist()), (point.V, t.V[:, n].tolist()))
    ]
    return replace(point, U=_orthonormal(columns[0]), S=grown, V=_orthonormal(columns[1]))


# --- the result ----------------------------------------------------------------------------------------------------


def _root(S: Any) -> Any:
    """Square root of a symmetric positive matrix: corrections in its float eigenbasis."""
    values, Q = np.linalg.eigh(_floats(S))
    d = np.sqrt(np.maximum(values, 1e-300))
    R = _balls(_symmetric((Q * d) @ Q.T))
    for _ in range(ctx.prec):
        miss = (S - R * R).mid()
        size = _largest(miss)
        if size.is_zero() or size < _largest(S) * arb(2) ** (12 - ctx.prec):
            break
        step = Q @ ((Q.T @ _floats(miss, size) @ Q) / (d[:, None] + d)) @ Q.T
        R = (R + _balls(_symmetric(step)) * size).mid()
    return R


def _state(point: _Point) -> State:
    G = point.U.nrows()
    if not point.U.ncols():
        return State([[] for _ in range(G)], [[] for _ in range(G)], point.gaps, point.bias)
    root = _root(point.S)
    A, B = ((part * root).mid().tolist() for part in (point.U, point.V))
    return State(A, B, point.gaps, point.bias)
