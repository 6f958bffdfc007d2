"""Two cluster sizes: the full solution from one scalar equation (HL23-07, closed form HL23-12), at any precision.

Symbols follow the claim: cluster A (larger) and B, e = min(1, x/sqrt(n)) (1 for a single class), r the
probability that a sample gives to one class of the other cluster, T(r) = mean own-cluster log-probability
minus log r, t = T -+ delta the logit gap between the clusters, delta the gap of the biases.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import mpmath
import numpy as np

from theory.problem import Problem
from verify.blocks import BlockPoint

__all__ = ["solve_two_clusters"]

Real = Any  # mpmath.mpf


class Side(NamedTuple):
    """One cluster: classes, size, level e, and the number of classes of the other one."""

    k: int
    n: Real
    e: Real
    other: int

    def own(self, r: Real) -> Real:
        """Own probability p(r)."""
        return 1 - (self.other * r + (self.k - 1) * self.e) / self.k

    def sibling(self, r: Real) -> Real:
        """Sibling probability q(r); for a single class this equals p(r)."""
        return (self.e - self.other * r) / self.k

    def gap(self, r: Real) -> Real:
        """T(r) of HL23-07, strictly decreasing."""
        p, q = self.own(r), self.sibling(r)
        if p <= 0 or q <= 0:
            return -mpmath.inf
        return mpmath.log(p) / self.k + (self.k - 1) * mpmath.log(q) / self.k - mpmath.log(r)

    def contrast(self, r: Real) -> Real:
        """Own minus sibling logit."""
        return mpmath.log1p((1 - self.e) / self.sibling(r)) if self.k > 1 and self.e < 1 else mpmath.mpf(0)

    def without_gap(self, d: Real) -> Real:
        """The r with T(r) = d."""
        if self.k == 1 or self.e >= 1:
            return 1 / (self.other + self.k * mpmath.exp(d))
        delta, slope = 1 - self.e, mpmath.mpf(self.k - 1) / self.k
        first, second = mpmath.log1p(delta * (self.k - 1)), mpmath.log(delta * self.other) - d
        target = mpmath.log(self.e)
        a = max(first - target, (second - target) / slope)
        for _ in range(200):  # Newton on a convex decreasing function, from the left
            u, v = mpmath.exp(first - a), mpmath.exp(second - slope * a)
            step = (mpmath.log(u + v) - target) * (u + v) / (u + slope * v)
            a += step
            if abs(step) <= 8 * mpmath.eps * (1 + abs(a)):
                break
        rest = mpmath.exp(-d - slope * a)
        return rest / (1 + (self.k - 1) * mpmath.exp(-a) + self.other * rest)


def solve_two_clusters(problem: Problem, digits: int = 15) -> BlockPoint:
    """Optimum of a problem with exactly two sizes and unit weights, by the scalar equation of HL23-07.

    Parameters
    ----------
    problem : two clusters of different size, all loss weights 1; sizes may be rationals of any magnitude.
    digits : decimal digits wanted in the logits.

    Returns
    -------
    BlockPoint of ``mpmath.mpf``.

    Raises
    ------
    ValueError
        If there are not exactly two clusters of unit weight.

    Examples
    --------
    >>> point = solve_two_clusters(Problem.ce([(9, 2), (4, 3)], "0.03"))
    >>> [mpmath.nstr(a, 12) for a in point.alpha]
    ['2.66671127917', '1.88293501258']
    """
    clusters = problem.clusters
    if len(clusters) != 2 or any(c.weight != 1 for c in clusters):
        raise ValueError("problem: HL23-07 needs exactly two sizes and unit weights")
    (kA, kB), K = (c.classes for c in clusters), problem.K
    with mpmath.workdps(digits + 25):
        nA, nB = (_mpf(c.size) for c in clusters)
        x = mpmath.sqrt(_mpf(problem.x2))
        A = Side(kA, nA, mpmath.mpf(1) if kA == 1 else min(mpmath.mpf(1), x / mpmath.sqrt(nA)), kB)
        B = Side(kB, nB, mpmath.mpf(1) if kB == 1 else min(mpmath.mpf(1), x / mpmath.sqrt(nB)), kA)
        rA, rB, delta = _without_signal(problem, A, B)
        tA = tB = mpmath.mpf(0)
        if K * (nA * kB * rA**2 + nB * kA * rB**2) > x**2:
            rA, rB, delta, tA, tB = _with_signal(problem, A, B, x)
        means = [[kB * tA / K, -kB * tB / K], [-kA * tA / K, kA * tB / K]]
        return BlockPoint(
            np.array([A.contrast(rA), B.contrast(rB)], dtype=object),
            np.array(means, dtype=object),
            np.array([kB * delta / K, -kA * delta / K], dtype=object),
        )


def _mpf(value: Fraction) -> Real:
    return mpmath.mpf(value.numerator) / value.denominator


def _without_signal(problem: Problem, A: Side, B: Side) -> tuple[Real, Real, Real]:
    """Step 1 of HL23-07: the solution with tA = tB = 0, whether or not it is optimal."""
    if problem.bias == "none":
        d = mpmath.mpf(0)
    else:
        scale = 0 if problem.bias == "free" else _mpf(Fraction(problem.bias) * problem.N) / problem.K

        def excess(d: Real) -> Real:
            return scale * d - A.n * A.without_gap(d) + B.n * B.without_gap(-d)

        d = _root(excess, mpmath.mpf(0), mpmath.log(A.n / B.n))
    return A.without_gap(d), B.without_gap(-d), d


def _with_signal(problem: Problem, A: Side, B: Side, x: Real) -> tuple[Real, Real, Real, Real, Real]:
    """Step 3 of HL23-07 (HL23-12 for a free bias): rA, rB, delta, tA, tB."""
    K, N = problem.K, _mpf(problem.N)
    if problem.bias == "free":
        rA, rB = x * mpmath.sqrt(B.n / (N * K * A.n)), x * mpmath.sqrt(A.n / (N * K * B.n))
        total = A.gap(rA) + B.gap(rB)
        tA, tB = total * B.n * B.k / N, total * A.n * A.k / N
        return rA, rB, A.gap(rA) - tA, tA, tB
    softness = 0 if problem.bias == "none" else K / (_mpf(Fraction(problem.bias)) * N)

    def at(y: Real) -> tuple[Real, Real, Real, Real, Real, Real]:
        cos, sin = 1 / mpmath.sqrt(1 + mpmath.exp(2 * y)), 1 / mpmath.sqrt(1 + mpmath.exp(-2 * y))
        rA, rB = x * cos / mpmath.sqrt(B.k * K * A.n), x * sin / mpmath.sqrt(A.k * K * B.n)
        delta = softness * (A.n * rA - B.n * rB)
        tA, tB = A.gap(rA) - delta, B.gap(rB) + delta
        h = mpmath.sqrt(B.n * B.k) * cos * tB - mpmath.sqrt(A.n * A.k) * sin * tA
        return h, rA, rB, delta, tA, tB

    low, high = _window(A, B, x, K)
    y = mpmath.log(B.n * A.k / (A.n * B.k)) / 2
    if not low < y < high:
        y = low + 1 if high == mpmath.inf else high - 1 if low == -mpmath.inf else (low + high) / 2
    left = right = y
    step = mpmath.mpf(1)
    while at(left)[0] < 0:
        left, step = (left - step if low == -mpmath.inf else (left + low) / 2), 2 * step
    step = mpmath.mpf(1)
    while at(right)[0] > 0:
        right, step = (right + step if high == mpmath.inf else (right + high) / 2), 2 * step
    return at(_root(lambda y: at(y)[0], left, right))[1:]


def _window(A: Side, B: Side, x: Real, K: int) -> tuple[Real, Real]:
    """Open interval of y = log tan(theta) on which all probabilities are positive."""
    c1 = A.e * mpmath.sqrt(K * A.n / B.k) / x
    c2 = B.e * mpmath.sqrt(K * B.n / A.k) / x
    low = mpmath.log((1 - c1) * (1 + c1)) / 2 - mpmath.log(c1) if c1 < 1 else -mpmath.inf
    high = mpmath.log(c2) - mpmath.log((1 - c2) * (1 + c2)) / 2 if c2 < 1 else mpmath.inf
    return low, high


def _root(f: Callable[[Real], Real], left: Real, right: Real) -> Real:
    """Root of f in a bracket: Ridders at 50 digits, then Newton at doubling precision, confirmed by two signs."""
    digits, known = mpmath.mp.dps, 50
    with mpmath.workdps(min(digits, known)):
        x = _ridders(f, left, right)
    if digits <= known:
        return x
    known -= 10
    while known < digits:
        with mpmath.workdps(min(digits, 2 * known)):
            h = mpmath.mpf(10) ** -known * (1 + abs(x))
            here, there = f(x), f(x + h)
            x = x - here * h / (there - here) if there != here else x
        known *= 2
    h = mpmath.mpf(10) ** (8 - digits) * (1 + abs(x))
    return x if (f(x - h) > 0) != (f(x + h) > 0) else _ridders(f, left, right)


def _ridders(f: Callable[[Real], Real], left: Real, right: Real) -> Real:
    """Ridders' method: the bracket at least halves in every step, and converges quadratically in the end."""
    fl, fr = f(left), f(right)
    if fl == 0 or left == right:
        return left
    if fr == 0 or (fl > 0) == (fr > 0):
        return right if abs(fr) < abs(fl) else left
    previous = right
    while True:
        middle = (left + right) / 2
        fm = f(middle)
        scale = mpmath.sqrt(fm**2 - fl * fr)
        if fm == 0 or not mpmath.isfinite(scale):
            new, fn = middle, fm
        else:
            new = middle + (middle - left) * (1 if fl > fr else -1) * fm / scale
            fn = f(new)
        if fn == 0 or abs(new - previous) <= 64 * mpmath.eps * (1 + abs(new)):
            return new
        previous = new
        points = sorted([(left, fl), (right, fr), (middle, fm), (new, fn)])
        for (a, fa), (b, fb) in pairwise(points):
            if (fa > 0) != (fb > 0):
                left, fl, right, fr = a, fa, b, fb
                break
