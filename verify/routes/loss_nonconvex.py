"""Any loss with a gradient, any knobs: direct descent on (W, H, b) from many starts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse.linalg
import threadpoolctl
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.loss import Floats
from verify.loss_optimum import assessed
from verify.routes.descent import descend, lbfgs

__all__ = ["Landscape", "descents", "solve"]

Array = NDArray[Any]
LARGEST = 32
SAMPLES = 30
SHARP = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)


class Landscape:
    """The objective at W = s S^(-1/2) A and H_i = B_i / (s sqrt(c_i)), so that both carry the same decay lam.

    One column of H per sample where there are few, else one per class; c_i is its coefficient in the penalty. Under
    budgets W = sqrt(K E_W) A/|A| and H_i = sqrt(K E_H) t B_i/|B|, with a share 0 <= t <= 1 as last unknown.
    """

    def __init__(self, problem: Problem, *, per_sample: bool | None = None) -> None:
        self.problem, self.K, self.d = problem, problem.K, problem.dim
        self.floats = Floats(problem)
        few = problem.N <= SAMPLES and all(n.denominator == 1 for n in problem.sizes)
        self.per_sample = few if per_sample is None else per_sample
        repeats = [int(n) for n in problem.sizes] if self.per_sample else [1] * self.K
        self.labels = np.repeat(np.arange(self.K), repeats)
        share = np.array([1 / r for r in repeats])[self.labels]
        self.masses = self.floats.masses[self.labels] * share
        self.peeled = problem.model == "layer-peeled"
        self.copies = self.floats.columns[self.labels] * share
        self.lam = 0.0 if self.peeled else self.floats.lam
        self.s = (float(problem.lambda_h) / float(problem.lambda_w)) ** 0.25
        self.has_bias = problem.bias != "none"
        self.lambda_b = 0.0 if isinstance(problem.bias, str) else float(problem.bias)
        self.sharp = 0.0  # where the loss has kinks: the temperature that smooths them
        self.sides = math.sqrt(self.K * float(problem.e_w)), math.sqrt(self.K * float(problem.e_h))

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.d * (self.K + len(self.labels)) + self.K * self.has_bias + self.peeled

    def bounds(self) -> list[tuple[float | None, float | None]] | None:
        """H >= 0, and the share of the budget."""
        free: list[tuple[float | None, float | None]] = [(None, None)]
        inner = self.d * self.K, self.d * len(self.labels)
        if self.problem.model == "ce-relu":
            return free * inner[0] + [(0.0, None)] * inner[1] + free * (self.size - sum(inner))
        return free * sum(inner) + [(0.0, 1.0)] if self.peeled else None

    def start(self, rng: np.random.Generator) -> Array:
        """Random unknowns."""
        v = rng.normal(size=self.size) / math.sqrt(self.d)
        if self.peeled:
            v[-1] = 1.0
        if self.problem.model == "ce-relu":
            features = slice(self.d * self.K, self.d * (self.K + len(self.labels)))
            v[features] = np.abs(v[features])
        return v

    def split(self, v: Array) -> tuple[Array, Array, Array]:
        """A (K, d), B (d, columns), b (K,)."""
        a, c = self.K * self.d, self.d * (self.K + len(self.labels))
        b = v[c : c + self.K] if self.has_bias else np.zeros(self.K)
        return v[:a].reshape(self.K, self.d), v[a:c].reshape(self.d, -1), b

    def value(self, v: Array) -> tuple[float, Array]:
        """Objective and gradient."""
        A, B, b = self.split(v)
        if self.peeled:
            return self._budgeted(v, A, B)
        left, right = np.sqrt(self.floats.rows)[:, None], np.sqrt(self.copies)
        losses, slope = self.losses((A / left) @ (B / right) + b[:, None])
        slope = slope * self.masses
        value = float(self.masses @ losses) + self.lam / 2 * float((A**2).sum() + (B**2).sum())
        inner = slope / left / right
        parts = [inner @ B.T + self.lam * A, A.T @ inner + self.lam * B]
        if self.has_bias:
            value += self.lambda_b / 2 * float(b @ b)
            parts.append(slope.sum(axis=1) + self.lambda_b * b)
        return value, np.concatenate([part.ravel() for part in parts])

    def losses(self, Z: Array) -> tuple[Array, Array]:
        """Losses of the columns and their gradient; a maximum is replaced by its smooth version above it."""
        if not self.sharp:
            return self.floats.values(Z, self.labels)
        shift, slope = self.floats.knobs
        U, Y = slope[:, None] * Z + shift[:, self.labels], self.floats.targets[:, self.labels]
        P, values = smooth_maximum(U, self.sharp)
        return values - (U * Y).sum(axis=0), slope[:, None] * (P - Y)

    def _budgeted(self, v: Array, A: Array, B: Array) -> tuple[float, Array]:
        a, b, t = float(np.linalg.norm(A)), float(np.linalg.norm(B)), float(v[-1])
        W, H = self.sides[0] / a * A, self.sides[1] / b * B / np.sqrt(self.copies)
        losses, slope = self.losses(t * W @ H)
        slope = slope * self.masses
        slope_w, slope_h = (
            t * slope @ H.T * self.sides[0] / a,
            t * W.T @ slope / np.sqrt(self.copies) * self.sides[1] / b,
        )
        slope_w -= A * (float((slope_w * A).sum()) / a**2)
        slope_h -= B * (float((slope_h * B).sum()) / b**2)
        share = float((slope * (W @ H)).sum())
        return float(self.masses @ losses), np.concatenate([slope_w.ravel(), slope_h.ravel(), [share]])

    def point(self, v: Array) -> Point:
        """W, H and b."""
        A, B, b = self.split(v)
        if self.peeled:
            W, H = self.sides[0] / np.linalg.norm(A) * A, float(v[-1]) * self.sides[1] / np.linalg.norm(B) * B
            return Point(W, H / np.sqrt(self.copies), b)
        return Point(self.s * A / np.sqrt(self.floats.rows)[:, None], B / (self.s * np.sqrt(self.copies)), b)

    def means(self, point: Point) -> Point:
        """The same point with one mean feature per class."""
        H = np.stack([point.H[:, self.labels == k].mean(axis=1) for k in range(self.K)], axis=1)
        return Point(point.W, H, point.b)


def smooth_maximum(U: Array, temperature: float) -> tuple[Array, Array]:
    """Softmax(U/t) and t logsumexp(U/t) of the columns; the latter is at most t log K above the maximum.

    Examples
    --------
    >>> smooth_maximum(np.array([[1.0], [0.0]]), 0.01)[1].round(12).tolist()
    [1.0]
    """
    top = U.max(axis=0)
    E = np.exp((U - top) / temperature)
    total = E.sum(axis=0)
    return np.asarray(E / total), np.asarray(top + temperature * np.log(total))


def descents(landscape: Landscape, seed: int, starts: int) -> tuple[Array, float, dict[str, Any]]:
    """Best end of L-BFGS from random starts, and statistics.

    Returns
    -------
    The unknowns, the value, and ``starts``, ``hits`` (ends within 1e-9 relative of the best), ``values``, ``gradient``.
    """
    rng = np.random.default_rng(seed)
    found = [landscape.start(rng) for _ in range(starts * (4 if landscape.problem.model == "ce-relu" else 1))]
    ends = sorted((_descend(landscape, start) for start in found), key=lambda end: end[0])
    value, v = ends[0]
    v, slope = _polish(landscape, v) if not landscape.sharp else (v, landscape.value(v)[1])
    work = {
        "starts": len(ends),
        "hits": sum(end[0] <= value + 1e-9 * abs(value) for end in ends),
        "values": [end[0] for end in ends],
        "gradient": float(np.linalg.norm(slope)),
    }
    return v, value, work


def _descend(landscape: Landscape, start: Array) -> tuple[float, Array]:
    """One descent; at a maximum, through smooth versions that close in on it."""
    bounds = landscape.bounds()
    if landscape.floats.loss.potential != "max":
        return descend(landscape.value, start, lbfgs(10000, 1e-14), restarts=4, bounds=bounds)
    v, value = start, math.inf
    for landscape.sharp in SHARP:
        value, v = descend(landscape.value, v, lbfgs(2000, 1e-14), restarts=1, bounds=bounds)
    return value, v


def _free(landscape: Landscape, v: Array) -> Array:
    """Unknowns that no bound holds."""
    slope, bounds = landscape.value(v)[1], landscape.bounds()
    if bounds is None:
        return np.ones(len(v), dtype=bool)
    low, high = (np.array([sign * np.inf if b[i] is None else b[i] for b in bounds]) for i, sign in ((0, -1), (1, 1)))
    return np.asarray(~((v <= low) & (slope >= 0) | (v >= high) & (slope <= 0)))


def _polish(landscape: Landscape, v: Array) -> tuple[Array, Array]:
    """Newton steps by MINRES, curvature from differences of gradients, while they reduce the gradient."""
    free = _free(landscape, v)
    slope = np.where(free, landscape.value(v)[1], 0)

    def curvature(u: Array) -> Array:
        step = 1e-6 / max(float(np.linalg.norm(u)), 1e-300)
        u = np.where(free, u, 0)
        change = landscape.value(v + step * u)[1] - landscape.value(v - step * u)[1]
        return np.where(free, change / (2 * step), 0)

    for _ in range(4):
        operator = scipy.sparse.linalg.LinearOperator((len(v), len(v)), curvature)
        step = scipy.sparse.linalg.minres(operator, -slope, rtol=1e-6, maxiter=200)[0]
        moved = v + np.where(free, step, 0)
        new = np.where(free, landscape.value(moved)[1], 0)
        inside = landscape.problem.model != "ce-relu" or (moved[landscape.d * landscape.K :] >= 0).all()
        if not inside or not np.linalg.norm(new) < 0.5 * np.linalg.norm(slope):
            break
        v, slope = moved, new
    return v, slope


def _smoothed(landscape: Landscape, point: Point) -> Array | None:
    """Predictions of the smoothed loss where the loss itself has kinks."""
    if not landscape.sharp:
        return None
    shift, slope = landscape.floats.knobs
    return smooth_maximum(slope[:, None] * (point.W @ point.H + point.b[:, None]) + shift, landscape.sharp)[0]


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), starts: int = 3) -> Optimum:
    """Best of several descents on (W, H, b) (route ``nonconvex``).

    Parameters
    ----------
    problem : ``ce``, ``ce-relu`` or ``layer-peeled`` with another loss or knobs, at most 32 classes.
    seed : of the random starts.
    avoid : nothing is relied on here.
    starts : number of random starts; four times as many under H >= 0, where many ends are local minima.

    Returns
    -------
    Optimum
        ``upper`` is the objective at ``point`` (one mean feature per class); what else is known is said in
        :mod:`verify.loss_optimum`. ``work`` as in :func:`descents`.

    Examples
    --------
    >>> problem = Problem.ce([(18, 2), (7, 3)], "0.02", weights=[(1, 2), ("1.5", 3)]).with_loss(smoothing="0.1")
    >>> optimum = solve(problem)
    >>> optimum.contrasts, optimum.work["hits"]
    (('alive', 'alive'), 3)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "nonconvex", reason="too large for this route")
    if problem.model == "layer-peeled" and not all(problem.weights):
        return Optimum(problem, "nonconvex", reason="a class of weight 0: this loss is not covered there")
    try:
        landscape = Landscape(problem)
        with threadpoolctl.threadpool_limits(1):
            v, _, work = descents(landscape, seed, starts)
            full = landscape.point(v)
            point = landscape.means(full)
            work["spread"] = float(np.linalg.norm(full.H - point.H[:, landscape.labels]))
            if landscape.floats.loss.convex:
                value = problem.objective(point.W, point.H, point.b)
            else:
                value = problem.objective(full.W, full.H, full.b)
            return assessed(problem, "nonconvex", value, point, work, _smoothed(landscape, point))
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        return Optimum(problem, "nonconvex", reason=f"does not fit floats: {error}")
