"""A problem in floats, one entry per cluster, and the softmax of a symmetric point in off-diagonal arithmetic.

Sizes are divided by the largest one and x by its square root, which leaves every ratio as it is: a problem
with sizes near 10^350 is as harmless as one with sizes near 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.problem import Problem

__all__ = ["Masses", "Reduced", "masses", "reduce", "root"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Reduced:
    """Floats of a problem, clusters in the order of ``problem.clusters``.

    Attributes
    ----------
    m, n, w : (G,) classes per cluster, size relative to the largest, loss weight.
    x : lam N, relative to the root of the largest size.
    total : N relative to the largest size.
    level : (G,) min(1, x/(w sqrt n)); 1 for a cluster of one class, which has no contrast.
    delta : (G,) 1 - level, without cancellation.
    nu : bias penalty lambda_b N in the same units; inf without a bias, 0 for a free one.
    """

    m: Array
    n: Array
    w: Array
    x: float
    total: float
    level: Array
    delta: Array
    nu: float

    @property
    def scale(self) -> Array:
        """(G, G) factors sqrt(m_h m_g n_g) between block means of Z and the block of Z D^(1/2)."""
        return np.asarray(np.sqrt(self.m)[:, None] * np.sqrt(self.m * self.n)[None, :])

    @property
    def null(self) -> Array:
        """(G,) unit vector sqrt(m/K): the block is orthogonal to it from the left."""
        return np.asarray(np.sqrt(self.m / self.m.sum()))

    def centred(self, means: Array) -> Array:
        """Remove the mean over classes from every column."""
        return np.asarray(means - (self.m @ means) / self.m.sum())


@dataclass(frozen=True)
class Masses:
    """One column of probabilities per cluster, as differences from 'all mass on the own class'.

    Attributes
    ----------
    cross : (G, G) probability of one class of cluster h for a class of cluster g; diagonal 0.
    sibling : (G,) probability of one sibling; 0 for a cluster of one class.
    miss : (G,) one minus the own probability.
    own : (G,) own probability.
    """

    cross: Array
    sibling: Array
    miss: Array
    own: Array


def root(value: Fraction) -> float:
    """Square root of a non-negative rational of any size, to double precision.

    Examples
    --------
    >>> root(Fraction(10) ** -400) == 1e-200
    True
    """
    shift = (value.denominator.bit_length() - value.numerator.bit_length() + 130) // 2
    scaled = value * Fraction(4) ** shift
    return math.ldexp(float(math.isqrt(scaled.numerator // scaled.denominator)), -shift)


def reduce(problem: Problem) -> Reduced:
    """Floats of a problem in units of its largest size.

    Raises
    ------
    OverflowError
        If a ratio of two sizes, weights or counts does not fit a float.

    Examples
    --------
    >>> reduce(Problem.ce([(16, 3), (4, 2)], "0.05")).n.tolist()
    [1.0, 0.25]
    """
    clusters, top = problem.clusters, problem.clusters[0].size
    x2 = problem.x2
    strengths = [c.weight**2 * c.size for c in clusters]
    alive = [c.classes > 1 and strength > x2 for c, strength in zip(clusters, strengths, strict=True)]
    level = [root(x2 / strength) if live else 1.0 for strength, live in zip(strengths, alive, strict=True)]
    delta = [
        float((strength - x2) / strength) / (1 + e) if live else 0.0
        for strength, live, e in zip(strengths, alive, level, strict=True)
    ]
    nu = {"none": math.inf, "free": 0.0}.get(str(problem.bias))
    return Reduced(
        m=np.array([float(c.classes) for c in clusters]),
        n=np.array([float(c.size / top) for c in clusters]),
        w=np.array([float(c.weight) for c in clusters]),
        x=root(x2 / top),
        total=float(problem.N / top),
        level=np.array(level),
        delta=np.array(delta),
        nu=float(Fraction(problem.bias) * problem.N / top) if nu is None else nu,
    )


def masses(r: Reduced, alpha: Array, means: Array, bias: Array) -> tuple[Masses, Array]:
    """Softmax of a symmetric point and its cross-entropy per cluster.

    Parameters
    ----------
    alpha, means, bias : as in :class:`verify.blocks.BlockPoint`, floats.

    Examples
    --------
    >>> r = reduce(Problem.ce([(9, 2), (4, 3)], "0.03"))
    >>> p, loss = masses(r, np.zeros(2), np.zeros((2, 2)), np.zeros(2))
    >>> p.miss.tolist(), np.round(loss, 12).tolist() == np.round(np.log([5.0, 5.0]), 12).tolist()
    ([0.8, 0.8], True)
    """
    logits = means + bias[:, None]
    logs = logits - np.diag(logits) - alpha * (1 - 1 / r.m)
    np.fill_diagonal(logs, -np.inf)
    siblings = np.where(r.m > 1, -alpha, -np.inf)
    top = np.maximum(0.0, np.maximum(logs.max(axis=0), siblings))
    cross, sibling, own = np.exp(logs - top), np.exp(siblings - top), np.exp(-top)
    off = r.m @ cross + (r.m - 1) * sibling
    loss = np.where(top > 0, top + np.log(own + off), np.log1p(off))
    whole = own + off
    return Masses(cross / whole, sibling / whole, off / whole, own / whole), loss
