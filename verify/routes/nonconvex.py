"""Direct descent on (W, H, b) from many starts: nothing is assumed about the minimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse.linalg
import threadpoolctl
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.blocks import average
from verify.dual import to_optimum
from verify.routes.descent import descend, lbfgs

__all__ = ["gradient", "solve"]

Array = NDArray[Any]
LARGEST = 64
SAMPLES = 60


class Landscape:
    """The objective in balanced variables: W = s A, column i of H = B_i/(s sqrt(c_i)), both with decay lam.

    One column of H per sample (c_i = 1), or one per class shared by its c_k = n_k samples. Values are those of
    the canonical objective.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.K, self.d = problem, problem.K, problem.dim
        self.N, sizes = float(problem.N), np.array([float(n) for n in problem.sizes])
        self.per_sample = problem.N <= SAMPLES and all(n.denominator == 1 for n in problem.sizes)
        repeats = sizes.astype(int) if self.per_sample else np.ones(self.K, dtype=int)
        self.labels = np.repeat(np.arange(self.K), repeats)
        self.copies = np.ones(len(self.labels)) if self.per_sample else sizes
        weights = np.array([float(w) for w in problem.weights])
        self.loss_weights = self.copies * weights[self.labels] / self.N
        self.lam = math.sqrt(float(problem.lambda_w)) * math.sqrt(float(problem.lambda_h))
        self.s = (float(problem.lambda_h) / float(problem.lambda_w)) ** 0.25
        self.has_bias = problem.bias != "none"
        self.lambda_b = 0.0 if isinstance(problem.bias, str) else float(problem.bias)

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.d * (self.K + len(self.labels)) + (self.K if self.has_bias else 0)

    def split(self, v: Array) -> tuple[Array, Array, Array]:
        """A (K, d), B (d, columns), b (K,)."""
        a, c = self.K * self.d, self.K * self.d + self.d * len(self.labels)
        b = v[c:] if self.has_bias else np.zeros(self.K)
        return v[:a].reshape(self.K, self.d), v[a:c].reshape(self.d, -1), b

    def value(self, v: Array) -> tuple[float, Array]:
        """Objective and gradient."""
        A, B, b = self.split(v)
        root = np.sqrt(self.copies)
        logits = A @ (B / root) + b[:, None]
        own = self.labels, np.arange(len(self.labels))
        shifted = logits - logits[own]
        top = shifted.max(axis=0)
        residual = np.exp(shifted - top)
        residual[own] = 0
        off = residual.sum(axis=0)
        # relative accuracy where the own probability is nearly one
        value = float(self.loss_weights @ np.where(top > 0, top + np.log(np.exp(-top) + off), np.log1p(off)))
        residual *= self.loss_weights / (np.exp(-top) + off)
        residual[own] = -residual.sum(axis=0)
        value += self.lam / 2 * float(v[: A.size + B.size] @ v[: A.size + B.size]) + self.lambda_b / 2 * float(b @ b)
        parts = [(residual / root) @ B.T + self.lam * A, A.T @ residual / root + self.lam * B]
        if self.has_bias:
            parts.append(residual.sum(axis=1) + self.lambda_b * b)
        return value, np.concatenate([part.ravel() for part in parts])

    def curvature(self, v: Array, u: Array) -> Array:
        """Hessian at v times u."""
        (A, B, b), (dA, dB, db) = self.split(v), self.split(u)
        root = np.sqrt(self.copies)
        logits = A @ (B / root) + b[:, None]
        P = np.exp(logits - logits.max(axis=0))
        P /= P.sum(axis=0)
        residual = P.copy()
        residual[self.labels, np.arange(len(self.labels))] -= 1
        residual *= self.loss_weights
        move = (dA @ B + A @ dB) / root + db[:, None]
        change = self.loss_weights * P * (move - (P * move).sum(axis=0))
        parts = [
            (change / root) @ B.T + (residual / root) @ dB.T + self.lam * dA,
            (A.T @ change + dA.T @ residual) / root + self.lam * dB,
        ]
        if self.has_bias:
            parts.append(change.sum(axis=1) + self.lambda_b * db)
        return np.concatenate([part.ravel() for part in parts])

    def point(self, v: Array) -> Point:
        """Back to (W, H, b)."""
        A, B, b = self.split(v)
        return Point(self.s * A, B / (self.s * np.sqrt(self.copies)), b - b.mean())


def gradient(problem: Problem) -> tuple[Callable[[Array], tuple[float, Array]], int]:
    """Canonical objective with gradient in balanced variables, and their number.

    Examples
    --------
    >>> value, size = gradient(Problem.ce([2, 1], "0.1"))
    >>> round(value(np.zeros(size))[0], 12) == round(float(np.log(2)), 12)
    True
    """
    landscape = Landscape(problem)
    return landscape.value, landscape.size


def _polish(landscape: Landscape, v: Array) -> Array:
    """Newton steps by conjugate gradients while they reduce the gradient; rotations are left alone."""
    slope = landscape.value(v)[1]
    for _ in range(10):
        operator = scipy.sparse.linalg.LinearOperator((len(v), len(v)), partial(landscape.curvature, v))
        step = scipy.sparse.linalg.minres(operator, -slope, rtol=1e-8, maxiter=200)[0]
        new = landscape.value(v + step)[1]
        if not np.linalg.norm(new) < 0.5 * np.linalg.norm(slope):
            break
        v, slope = v + step, new
    return v


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), starts: int = 5) -> Optimum:
    """Best of several descents on (W, H, b) (route ``nonconvex``).

    Parameters
    ----------
    problem : Problem with at most 64 classes.
    seed : of the random starts.
    avoid : nothing is relied on here.
    starts : number of random starts.

    Returns
    -------
    Optimum
        ``upper`` is the objective at ``point``; ``work`` holds ``starts``, ``hits`` (starts within 1e-9 relative
        of the best), ``values`` and the norm of the gradient. The lower bound and the radii come from the
        dual certificate of the averaged logits, so logits are missing where the dimension is too small.

    Examples
    --------
    >>> optimum = solve(Problem.ce([(9, 2), (4, 3)], "0.03"))
    >>> optimum.work["hits"], round(float(optimum.upper), 12)
    (5, 0.994356600214)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "nonconvex", reason="too large for this route")
    rng = np.random.default_rng(seed)
    try:
        landscape = Landscape(problem)
        with threadpoolctl.threadpool_limits(1):
            runs = [descend(landscape.value, rng.normal(size=landscape.size), lbfgs(20000)) for _ in range(starts)]
            best = min(runs, key=lambda run: run[0])
            v = _polish(landscape, best[1])
        point = landscape.point(v)
        values = sorted(value for value, _ in runs)
        work: dict[str, Any] = {
            "starts": starts,
            "hits": sum(value <= best[0] * (1 + 1e-9) for value in values),
            "values": values,
        }
        means = np.stack([point.H[:, landscape.labels == k].mean(axis=1) for k in range(problem.K)], axis=1)
        symmetric = average(problem, point.W @ means, point.b)
        upper, slope = landscape.value(v)
        work["gradient"] = float(np.linalg.norm(slope))
        return to_optimum(problem, "nonconvex", symmetric, witness=point, upper=upper, work=work)
    except (OverflowError, ValueError, np.linalg.LinAlgError) as error:
        return Optimum(problem, "nonconvex", reason=f"does not fit floats: {error}")
