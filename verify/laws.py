"""Laws that every stationary point or global optimum obeys (NR26-17, 18, 20, 22): no route may break one.

They need no solver, so they catch a route whose point is not stationary, or whose balls miss the optimum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from scipy.special import logsumexp

from theory.optimum import Optimum, Point
from theory.problem import Problem

__all__ = ["POINT", "ROUNDING", "broken_law"]

Array = NDArray[np.float64]
MODELS = ("ce", "ce-relu", "ce-deep")
ROUNDING = 1e-9
"""Relative to 1 + |value|, beside the radii of the balls."""
POINT = 1e-7
"""Relative to 1 + |value|: how far from stationary a descent may stop."""


@dataclass(frozen=True)
class _Seen:
    """What is compared: logits with bias, the value, how much either may be off, whether the optimum is global."""

    full: Array
    value: float
    radius: float
    slack: float
    best: bool


def broken_law(optimum: Optimum) -> str:
    """Name and size of a law that an optimum or one of its companions breaks; empty if there is none.

    Parameters
    ----------
    optimum : of any route; only cross-entropy without a penalised bias is examined. Its balls hold for a global
        optimum, its point only has to be stationary.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from theory.problem import Problem
    >>> from verify.routes import solve
    >>> found = solve("exact", Problem.ce([5, 3, 1], "1/20"))
    >>> broken_law(found)
    ''
    >>> broken_law(replace(found, logits=found.logits * 2))[:7]
    'NR26-17'
    """
    for one in (optimum, *optimum.companions):
        problem = one.problem
        if problem.key in MODELS and isinstance(problem.bias, str):
            for seen in _seen(one):
                if broken := _broken(problem, seen):
                    return f"{broken} (at {problem.canonical()})"
    return ""


def _seen(optimum: Optimum) -> Iterator[_Seen]:
    """The balls, then the point."""
    Z, b, low, high = optimum.logits, optimum.bias, optimum.lower, optimum.upper
    if Z is not None and b is not None and low is not None and high is not None:
        radius = max(float(z.rad()) for z in Z.ravel()) + max(float(z.rad()) for z in b)
        gap = high - low
        slack = float(abs(gap.mid())) + float(gap.rad())
        if np.isfinite([radius, slack]).all():
            full = np.array([[float(z.mid()) for z in row] for row in Z])
            yield _Seen(full + [[float(z.mid())] for z in b], float(high.mid()), radius, slack, True)
    if optimum.point is not None and high is not None:
        full, value = _logits(optimum.problem, optimum.point), float(high.mid())
        yield _Seen(full, value, 0.0, POINT * (1 + abs(value)), False)


def _logits(problem: Problem, point: Point) -> Array:
    """At the class means, bias included."""
    H = point.H
    if H.shape[1] != problem.K:
        labels = np.repeat(np.arange(problem.K), [int(n) for n in problem.sizes])
        H = np.stack([H[:, labels == k].mean(axis=1) for k in range(problem.K)], axis=1)
    return np.asarray(point.W @ H + point.b[:, None], dtype=float)


def _broken(problem: Problem, seen: _Seen) -> str:
    K, factors = problem.K, problem.depth + 1
    surprise = logsumexp(seen.full, axis=0) - seen.full
    cost, entropy = np.diagonal(surprise), (np.exp(-surprise) * surprise).sum(axis=0)
    # gradients in the logits: |d CE|_1 <= 2, |d Ent|_1 <= 2 Ent <= 2 log K
    off = (2 + 2 * np.log(K)) * seen.radius + ROUNDING * (1 + abs(seen.value)) + seen.slack
    shares = np.array([float(n * w / problem.N) for n, w in zip(problem.sizes, problem.weights, strict=True)])
    mean = shares @ ((1 - factors / 2) * cost + factors / 2 * entropy)
    if abs(mean - seen.value) > off * (1 + float(shares.sum())) * factors:
        return f"NR26-17: the value {seen.value:.12g} is not the mean entropy {mean:.12g}"
    if problem.bias == "free" or not seen.best:
        return ""
    excess = float((cost - entropy).max())
    if excess > off:
        return f"NR26-18: a loss exceeds its entropy by {excess:.3g}"
    gain = _relabelling(seen.full, shares)
    if gain > 2 * float(shares.sum()) * off:
        return f"NR26-20: relabelling the classes gains {gain:.3g}"
    inversion = _inversion(problem, (cost + entropy) / 2)
    if inversion > 2 * off:
        return f"NR26-22: a larger class has a potential larger by {inversion:.3g}"
    return ""


def _relabelling(full: Array, shares: Array) -> float:
    """How much the best permutation of the rows raises sum_k m_k z_kk."""
    weighted = full * shares
    rows, columns = scipy.optimize.linear_sum_assignment(weighted, maximize=True)
    return float(weighted[rows, columns].sum() - weighted.trace())


def _inversion(problem: Problem, potential: Array) -> float:
    """Largest excess of the potential of a class over that of a smaller one; unit weights only."""
    if any(run.weight != 1 for run in problem.runs):
        return 0.0
    clusters = [potential[cluster.members] for cluster in problem.clusters]
    pairs = pairwise(clusters)
    return max((float(large.max() - small.min()) for large, small in pairs), default=0.0)
