"""The max-margin problem itself, on (W, H) under its margin constraints, from several random starts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.optimize
import threadpoolctl
from numpy.typing import NDArray

from theory.optimum import Optimum
from theory.problem import Problem
from verify.svm import class_means, near_optimal

__all__ = ["solve"]

Array = NDArray[Any]
LARGEST = 8
"""Most classes."""
SAMPLES = 10
"""Up to so many samples every sample has a feature of its own, beyond them every class."""
STEEPEST = 10**5
"""Largest ratio of sizes."""


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), starts: int = 4) -> Optimum:
    """Best of sequential quadratic programs from random starts, stretched to margins >= 1 (route ``nonconvex``).

    Parameters
    ----------
    problem : model ``uf-svm`` with at most 8 classes; of more than K dimensions it uses K.
    seed : of the random starts.
    avoid : nothing is relied on here.
    starts : number of random starts.

    Returns
    -------
    Optimum
        The lower bound comes from the multipliers W^T B = H at the point, so there is none for d < K - 1. ``work``:
        ``starts``, ``hits`` (ends within 1e-7 relative of the best), ``values`` (sorted), ``per_sample``.

    Examples
    --------
    >>> optimum = solve(Problem.svm([6, 3, 2, 1]))
    >>> optimum.upper.str(9, radius=False), optimum.work["hits"]
    ('5.02660917', 4)
    """
    sizes = [c.size for c in problem.clusters]
    if problem.K > LARGEST or max(sizes) > STEEPEST * min(sizes):
        return Optimum(problem, "nonconvex", reason="too large for this route")
    rng = np.random.default_rng(seed)
    scene = Scene(problem)
    with threadpoolctl.threadpool_limits(1):
        runs = sorted((scene.descend(rng) for _ in range(starts)), key=lambda run: run[0])
    value, W, H = runs[0]
    if not math.isfinite(value):
        return Optimum(problem, "nonconvex", reason="no start reached a point with positive margins")
    ends = [end for end, _, _ in runs]
    hits = sum(end <= value * (1 + 1e-7) for end in ends)
    work = {"starts": starts, "hits": hits, "values": ends, "per_sample": scene.per_sample}
    dual = np.linalg.pinv((W - W.mean(axis=0)).T, rcond=1e-10) @ class_means(problem, H)
    found = near_optimal(problem, "nonconvex", W, H, dual, work)
    if scene.d < problem.K - 1:
        reason = f"d = {problem.dim} is below K - 1 = {problem.K - 1}: an upper bound only"
        return Optimum(problem, "nonconvex", upper=found.upper, point=found.point, reason=reason, work=work)
    return found


class Scene:
    """Variables (W, H D^(1/2)) of one problem, flattened; with H per sample while there are few."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.K, self.d = problem, problem.K, min(problem.dim, problem.K)
        self.per_sample = (
            problem.N.denominator == 1 and all(s.denominator == 1 for s in problem.sizes) and problem.N <= SAMPLES
        )
        sizes = [float(size) for size in problem.sizes]
        if self.per_sample:
            self.labels, weights = np.repeat(np.arange(self.K), [int(s) for s in sizes]), [1.0] * int(problem.N)
        else:
            self.labels, weights = np.arange(self.K), sizes
        self.root = np.sqrt(np.array(weights))
        pairs = [(i, y, c) for i, y in enumerate(self.labels) for c in range(self.K) if c != y]
        self.sample, self.own, self.wrong = (np.array(column) for column in zip(*pairs, strict=True))

    def split(self, v: Array) -> tuple[Array, Array]:
        """W (K, d) and H (d, samples)."""
        cut = self.K * self.d
        return v[:cut].reshape(self.K, self.d), v[cut:].reshape(self.d, -1) / self.root

    def margins(self, v: Array) -> Array:
        """Every margin minus 1."""
        W, H = self.split(v)
        return np.asarray(((W[self.own] - W[self.wrong]).T * H[:, self.sample]).sum(axis=0) - 1)

    def slopes(self, v: Array) -> Array:
        """Derivatives of the margins."""
        W, H = self.split(v)
        count, samples = len(self.sample), len(self.labels)
        rows = np.arange(count)
        to_w = np.zeros((count, self.K, self.d))
        to_w[rows, self.own] += H[:, self.sample].T
        to_w[rows, self.wrong] -= H[:, self.sample].T
        to_h = np.zeros((count, self.d, samples))
        to_h[rows, :, self.sample] = (W[self.own] - W[self.wrong]) / self.root[self.sample][:, None]
        return np.concatenate([to_w.reshape(count, -1), to_h.reshape(count, -1)], axis=1)

    def descend(self, rng: np.random.Generator) -> tuple[float, Array, Array]:
        """Objective and point at the end of one run; infinite where some margin is not positive."""
        v = rng.normal(size=self.K * self.d + self.d * len(self.labels)) * 10 ** rng.uniform(-0.5, 0.5)
        constraint = {"type": "ineq", "fun": self.margins, "jac": self.slopes}
        found = scipy.optimize.minimize(
            lambda v: (v @ v / 2, v),
            v,
            jac=True,
            method="SLSQP",
            constraints=[constraint],
            options={"maxiter": 400, "ftol": 1e-14},
        )
        W, H = self.split(found.x)
        try:
            return self.problem.objective(self.padded(W, 1), self.padded(H, 0)), self.padded(W, 1), self.padded(H, 0)
        except ValueError:
            return math.inf, W, H

    def padded(self, A: Array, axis: int) -> Array:
        """Zeros for the dimensions that were left out."""
        widths = [(0, 0), (0, 0)]
        widths[axis] = (0, self.problem.dim - self.d)
        return np.pad(A, widths)
