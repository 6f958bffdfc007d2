"""Model ``layer-peeled``: direct descent on (W, H) with both budgets used in full, from many starts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse.linalg
import threadpoolctl
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.peeled_blocks import certificate, from_logits, narrowed
from verify.peeled_optimum import optimum_of
from verify.routes.descent import descend, lbfgs

__all__ = ["solve"]

Array = NDArray[Any]
LARGEST = 24
SAMPLES = 40
DIGITS = 16
ALLOWANCE = 1e-13
"""Relative rounding allowed for in the loss."""


class Landscape:
    """The loss at W = sqrt(K E_W) A/|A| and H = sqrt(K E_H) B/|B|, column i of class k times sqrt(copies).

    One column per sample where there are few samples (then copies = n_k, since the budget has 1/n_k), or one per class.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.K, self.d = problem, problem.K, problem.dim
        self.per_sample = problem.N <= SAMPLES and all(n.denominator == 1 for n in problem.sizes)
        sizes = np.array([float(n) for n in problem.sizes])
        repeats = sizes.astype(int) if self.per_sample else np.ones(self.K, dtype=int)
        self.labels = np.repeat(np.arange(self.K), repeats)
        self.copies = sizes[self.labels] if self.per_sample else np.ones(self.K)
        masses = [float(n * w / problem.N) for n, w in zip(problem.sizes, problem.weights, strict=True)]
        self.masses = np.array(masses)[self.labels] / repeats[self.labels]
        self.own = self.labels, np.arange(len(self.labels))
        self.scale_w = math.sqrt(self.K * float(problem.e_w))
        self.scale_h = math.sqrt(self.K * float(problem.e_h))

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.d * (self.K + len(self.labels))

    def split(self, v: Array) -> tuple[Array, Array]:
        """A (K, d) and B (d, columns)."""
        return v[: self.K * self.d].reshape(self.K, self.d), v[self.K * self.d :].reshape(self.d, -1)

    def value(self, v: Array) -> tuple[float, Array]:
        """Loss and gradient."""
        A, B = self.split(v)
        a, b = float(np.linalg.norm(A)), float(np.linalg.norm(B))
        W, H = self.scale_w / a * A, self.scale_h / b * B * np.sqrt(self.copies)
        logits = W @ H
        shifted = logits - logits[self.own]
        top = shifted.max(axis=0)
        residual = np.exp(shifted - top)
        residual[self.own] = 0
        off = residual.sum(axis=0)
        # relative accuracy where the own probability is nearly one
        value = float(self.masses @ np.where(top > 0, top + np.log(np.exp(-top) + off), np.log1p(off)))
        residual *= self.masses / (np.exp(-top) + off)
        residual[self.own] = -residual.sum(axis=0)
        slope_a, slope_b = self.scale_w / a * residual @ H.T, self.scale_h / b * W.T @ residual * np.sqrt(self.copies)
        slope_a -= A * (float((slope_a * A).sum()) / a**2)
        slope_b -= B * (float((slope_b * B).sum()) / b**2)
        return value, np.concatenate([slope_a.ravel(), slope_b.ravel()])

    def point(self, v: Array) -> Point:
        """W and H."""
        A, B = self.split(v)
        W, H = self.scale_w / np.linalg.norm(A) * A, self.scale_h / np.linalg.norm(B) * B
        return Point(W, H * np.sqrt(self.copies), np.zeros(self.K))

    def normalised(self, v: Array) -> Array:
        """The same point with |A| = |B| = 1."""
        A, B = self.split(v)
        return np.concatenate([(A / np.linalg.norm(A)).ravel(), (B / np.linalg.norm(B)).ravel()])


def _polish(landscape: Landscape, v: Array) -> Array:
    """Newton steps by MINRES, curvature from differences of gradients, while they reduce the gradient."""
    slope = landscape.value(v)[1]

    def curvature(u: Array) -> Array:
        step = 1e-6 / max(float(np.linalg.norm(u)), 1e-300)
        return (landscape.value(v + step * u)[1] - landscape.value(v - step * u)[1]) / (2 * step)

    for _ in range(8):
        operator = scipy.sparse.linalg.LinearOperator((len(v), len(v)), curvature)
        step = scipy.sparse.linalg.minres(operator, -slope, rtol=1e-5, maxiter=100)[0]
        moved = landscape.normalised(v + step)
        new = landscape.value(moved)[1]
        if not np.linalg.norm(new) < 0.5 * np.linalg.norm(slope):
            break
        v, slope = moved, new
    return v


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), starts: int = 3) -> Optimum:
    """Best of several descents on (W, H) (route ``nonconvex``).

    Parameters
    ----------
    problem : model ``layer-peeled`` with at most 24 classes.
    seed : of the random starts.
    avoid : nothing is relied on here.
    starts : number of random starts.

    Returns
    -------
    Optimum
        ``upper`` is the objective at ``point``; lower bound, radii and states come from the kernel, at the averaged
        logits. ``work``: ``starts``, ``hits`` (starts within 1e-9 relative of the best), ``values``, norm of the
        ``gradient``, and ``spread``, how far the features of a class are apart at ``point``.

    Examples
    --------
    >>> optimum = solve(Problem.peeled([(3, 3), (2, 2)], 2, "1/2"))
    >>> optimum.work["hits"], round(float(optimum.upper), 12)
    (3, 0.743740835402)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "nonconvex", reason="too large for this route")
    rng = np.random.default_rng(seed)
    try:
        landscape = Landscape(problem)
        with threadpoolctl.threadpool_limits(1):
            begun = [landscape.normalised(rng.normal(size=landscape.size)) for _ in range(starts)]
            runs = [descend(landscape.value, v, lbfgs(5000, 1e-14), place=landscape.normalised) for v in begun]
            best = min(runs, key=lambda run: run[0])
            v = _polish(landscape, best[1])
        values = sorted(value for value, _ in runs)
        return _optimum(landscape, v, values, best[0])
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        return Optimum(problem, "nonconvex", reason=f"does not fit floats: {error}")


def _optimum(landscape: Landscape, v: Array, values: list[float], best: float) -> Optimum:
    problem, point = landscape.problem, landscape.point(v)
    value, slope = landscape.value(v)
    means = np.stack([point.H[:, landscape.labels == k].mean(axis=1) for k in range(problem.K)], axis=1)
    spread = float(np.linalg.norm(point.H - means[:, landscape.labels]))
    work = {
        "starts": len(values),
        "hits": sum(end <= best * (1 + 1e-9) for end in values),
        "values": values,
        "gradient": float(np.linalg.norm(slope)),
        "spread": spread,
    }
    blocks = from_logits(problem, point.W @ means)
    if problem.dim >= problem.K - 1:
        data, outcome = certificate(problem, blocks, DIGITS)
    else:
        narrow, dual = narrowed(problem, blocks)
        data, outcome = certificate(problem, narrow, DIGITS, dual=dual, full=True)
    found = optimum_of(problem, "nonconvex", data, outcome, work)
    upper = arb(value) + arb(0, 1) * arb(value * ALLOWANCE)
    return replace(found, upper=upper, point=point, spread=arb(0).union(arb(spread)))
