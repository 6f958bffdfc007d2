"""Closed forms of a problem with another loss or knobs: where clusters merge, where everything collapses.

Merging (NR26-02): the classes of a cluster coincide iff lam N >= T_C = w Delta kappa sqrt(n/(r s)); under budgets iff
the multiplier is at least w Delta kappa n/N (NR26-11). With H >= 0 the features of a class vanish at a threshold of its
own (NR26-13, NR26-14). Complete collapse (NR26-05): lam >= |S^(-1/2) Delta (Y - u 1^T) diag(m) G^(-1/2)| with
u = grad Om(iota).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np
from flint import arb, arb_mat

from theory import losses
from theory.optimum import State
from theory.problem import Cluster, Problem
from verify.balls import precision
from verify.bracket import Bracket, ball, bisect, fraction, sign_of
from verify.dual import svd
from verify.kernel.core import Undecided, count_above

__all__ = [
    "Power",
    "collapse_square",
    "merged_states",
    "merging_power",
    "prediction_at_zero",
    "relu_slope",
    "slopes",
    "vanishing_square",
]

HIGHEST = 64
"""Largest numerator and denominator of an exponent that is compared exactly."""


@dataclass(frozen=True)
class Power:
    """The positive number rational * root^exponent, compared exactly."""

    rational: Fraction
    root: Fraction
    exponent: Fraction

    def at_most(self, value: Fraction) -> bool:
        """Whether it is at most ``value`` > 0.

        Examples
        --------
        >>> two = Power(Fraction(1), Fraction(2), Fraction(1, 2))
        >>> two.at_most(Fraction(141, 100)), two.at_most(Fraction(142, 100))
        (False, True)
        """
        p, q = self.exponent.numerator, self.exponent.denominator
        if max(p, q) > HIGHEST:
            bracket = self.bracket(60)
            if bracket[0] <= value < bracket[1]:
                raise ArithmeticError(f"an exponent {self.exponent} is compared to 60 digits only")
            return bracket[1] <= value
        return self.rational**q * self.root**p <= value**q

    @property
    def exact(self) -> Fraction | None:
        """Its value where that is rational."""
        p, q = self.exponent.numerator, self.exponent.denominator
        if self.root == 1 or q == 1:
            return self.rational * self.root**p
        base = _root(self.root, q)
        return None if base is None else self.rational * base**p

    def bracket(self, digits: int) -> Bracket:
        """Rationals around it, of that relative width."""
        exact = self.exact
        if exact is not None:
            return exact, exact
        with precision(4 * digits + 64):
            value = ball(self.rational) * (ball(self.exponent) * ball(self.root).log()).exp()
            return fraction(value.lower()), fraction(value.upper())


def _root(value: Fraction, q: int) -> Fraction | None:
    """The q-th root where it is rational (exact integer roots)."""
    if q > HIGHEST:
        return None

    def integer(n: int) -> int | None:
        if q == 2:
            found = isqrt(n)
            return found if found * found == n else None
        low, high = 0, 1 << (n.bit_length() // q + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**q <= n else (low, middle - 1)
        return low if low**q == n else None

    top, bottom = integer(value.numerator), integer(value.denominator)
    return None if top is None or bottom is None else Fraction(top, bottom)


def merging_power(problem: Problem, cluster: Cluster) -> Power:
    """T_C^2 = (w kappa/tau)^2 n/(r s) (n/n_max)^(2 scaling); under budgets the multiplier w kappa n/(tau N) Delta.

    Examples
    --------
    >>> problem = Problem.ce([(18, 2), (7, 3)], 1, weights=[(1, 2), ("3/2", 3)]).with_loss(smoothing="0.1")
    >>> merging_power(problem, problem.clusters[1]).exact == (Fraction(27, 20)) ** 2 * 7
    True
    """
    base = cluster.weight * abs(problem.contrast(cluster)) / problem.loss_temperature
    ratio = cluster.size / max(problem.sizes)
    if problem.model == "layer-peeled":
        return Power(base * cluster.size / problem.N, ratio, problem.scaling)
    return Power(base**2 * cluster.size / (cluster.feature_decay * cluster.row_decay), ratio, 2 * problem.scaling)


def merged_states(problem: Problem) -> tuple[State, ...]:
    """State of every contrast by the rule, in exact arithmetic; none where no closed form is known (NR26-04).

    Examples
    --------
    >>> merged_states(Problem.ce([9, 9, 4, 4, 1], 1).with_loss(smoothing="1/2").at("9/4"))
    ('dead', 'dead', 'absent')
    """
    if problem.model == "ce-relu":
        return _vanishing_states(problem)
    if problem.model != "ce" or not losses.find(problem.loss).universal:
        return ()
    return tuple(
        "absent" if c.classes < 2 else "dead" if merging_power(problem, c).at_most(problem.x2) else "alive"
        for c in problem.clusters
    )


def _vanishing_states(problem: Problem) -> tuple[State, ...]:
    squares = [vanishing_square(problem, c) for c in problem.clusters]
    if None in squares:
        return ()
    return tuple("dead" if square is not None and square <= problem.x2 else "alive" for square in squares)


def relu_slope(problem: Problem) -> Fraction | None:
    """|phi'(0)| of NR26-14, phi the loss at equal margins to every wrong class; None where that is not symmetric."""
    K, spec = problem.K, problem.loss.partition(":")
    one_hot = not problem.targets
    plain = not problem.adjustment and not problem.scaling and all(s == 1 for s in problem.row_decays)
    if not (one_hot and plain and problem.bias == "none"):
        return None
    if spec[0] in ("ce", "sparsemax"):
        slope = (1 - problem.smoothing) * Fraction(K - 1, K)
    elif spec[0] == "hinge":
        slope = Fraction(1)
    elif spec[0] == "poly1":
        slope = Fraction(K - 1, K) * (1 + Fraction(spec[2] or "1") / K)
    else:
        return None
    return slope / problem.loss_temperature


def vanishing_square(problem: Problem, cluster: Cluster) -> Fraction | None:
    """X^2 from which on the features of the classes of a cluster vanish under H >= 0, or None."""
    slope = relu_slope(problem)
    if slope is None:
        return None
    return cluster.weight**2 * cluster.size / cluster.feature_decay * slope**2 * Fraction(problem.K, problem.K - 1)


# --- complete collapse -------------------------------------------------------------------------------------------


def slopes(problem: Problem) -> list[Any]:
    """Delta_j / tau as balls."""
    top = max(problem.sizes)
    plain = 1 / ball(problem.loss_temperature)
    if not problem.scaling:
        return [plain] * problem.K
    return [(ball(problem.scaling) * ball(n / top).log()).exp() * plain for n in problem.sizes]


def prediction_at_zero(problem: Problem) -> list[Any] | None:
    """The prediction grad Om(iota) for a loss with one smooth potential; with a free or penalised bias None."""
    loss, K, tau = losses.find(problem.loss), problem.K, problem.adjustment
    if problem.bias != "none" or not loss.universal:
        return None
    shares = [n / problem.N for n in problem.sizes]
    if loss.potential == "logsumexp":
        powers = [(ball(tau) * ball(q).log()).exp() if tau else arb(1) for q in shares]
        total = sum(powers, arb(0))
        return [p / total for p in powers]
    iota = [ball(tau) * ball(q).log() for q in shares] if tau else [arb(0)] * K
    if loss.potential == "squared":
        return iota
    if loss.potential == "softplus":
        return [1 / (1 + (-u).exp()) for u in iota]
    return _sparsemax(iota) if loss.potential == "sparsemax" else None


def _sparsemax(u: list[Any]) -> list[Any]:
    """Projection on the simplex, exact in the choice of the support."""
    ranked = sorted(u, key=lambda x: -float(x.mid()))
    level = arb(0)
    for i in range(1, len(u) + 1):
        trial = (sum(ranked[:i], arb(0)) - 1) / i
        if ranked[i - 1] > trial:
            level = trial
        elif not ranked[i - 1] <= trial:
            raise ArithmeticError("the support of sparsemax at zero is not decided")
    return [x - level if x > level else arb(0) for x in u]


def collapse_square(problem: Problem, digits: int) -> Bracket | None:
    """Bracket of x^2 = (lam N)^2 from which on Z* = 0, or None where no formula is known (NR26-05, hinge UC26-07).

    Convex differentiable losses without bias, Fenchel-Young ones for instance: N^2 times the squared norm of
    S^(-1/2) Delta (Y - u 1^T) diag(m) G^(-1/2). Smoothed one-hot targets make it
    (1 - eps) S^(-1/2) Delta (I - p 1^T) diag(v)^(1/2), whose square is diagonal plus rank 2.
    """
    with precision(80 + 8 * digits):
        return _collapse_square(problem, digits)


def _collapse_square(problem: Problem, digits: int) -> Bracket | None:
    u = prediction_at_zero(problem)
    if problem.bias != "none" or problem.model == "layer-peeled":
        return None
    if problem.loss == "hinge":
        return _hinge_square(problem, digits)
    if u is None or problem.targets:
        rest = _residual_at_zero(problem, u)
        return None if rest is None else _dense(problem, rest)
    eps = problem.smoothing
    p = [(x - ball(eps / problem.K)) / ball(1 - eps) for x in u]
    v = [w**2 * n / r for w, n, r in zip(problem.weights, problem.sizes, problem.feature_decays, strict=True)]
    D = [d * d / ball(s) for d, s in zip(slopes(problem), problem.row_decays, strict=True)]
    scale = (1 - eps) ** 2
    exact = _exact(problem, p, v)
    if exact is not None:
        return exact * scale, exact * scale
    groups = _grouped(problem, p, v, D)
    # |D^(1/2) (I - p 1^T) V^(1/2)| <= max(D)^(1/2) (1 + |p| sqrt(K)) max(v)^(1/2)
    largest = max(fraction(d.upper()) for d in D)
    square = sum((fraction((q * q).upper()) for q in p), Fraction(0))
    upper = 2 * (1 + problem.K * square) * largest * max(v) + 1
    lower, upper = bisect(lambda c: _none_above(c, groups), Fraction(0), upper, digits + 2)
    return lower * scale, upper * scale


def _hinge_square(problem: Problem, digits: int) -> Bracket | None:
    """At most two clusters (UC26-07): K sum of a^2 beta^2/(classes of the other) <= x^2, which falls against x."""
    plain = not (problem.adjustment or problem.scaling) and all(s == 1 for s in problem.row_decays)
    if not plain or len(problem.clusters) > 2:
        return None
    K, heat = problem.K, problem.loss_temperature**2
    squares = [c.weight**2 * c.size / c.feature_decay for c in problem.clusters]
    if len(squares) == 1:
        exact = squares[0] * Fraction(K, K - 1) ** 2 / heat
        return exact, exact
    classes = [c.classes for c in problem.clusters]

    def sign(square: Fraction) -> int:
        total = arb(0)
        for a2, k, other in zip(squares, classes, reversed(classes), strict=True):
            share = (1 - (k - 1) * (ball(square / a2).sqrt() - 1)).max(arb(0))
            total += ball(K * a2 / other) * share * share
        return -sign_of(total - ball(square))

    if K == 2:
        exact = 2 * (squares[0] + squares[1]) / heat
        return exact, exact
    lower, upper = bisect(sign, Fraction(0), 4 * K * max(squares), digits + 2)
    return lower / heat, upper / heat


def _exact(problem: Problem, p: list[Any], v: list[Fraction]) -> Fraction | None:
    """The rational cases: squared loss (norm of a diagonal matrix), or a repeated largest v at uniform p."""
    if problem.adjustment or problem.scaling or any(s != 1 for s in problem.row_decays):
        return None
    plain = problem.loss_temperature**2
    if problem.loss == "squared" and not problem.smoothing:
        return max(v) / plain
    if problem.loss in ("ce", "sparsemax") and v.count(max(v)) >= 2:
        return max(v) / plain
    if problem.loss in ("ce", "sparsemax") and len(set(v)) == 2:  # sum 1/(v - m) = 0 is linear in m
        one, many = max(v), min(v)
        return (one * (problem.K - 1) + many) / problem.K / plain
    return None


def _grouped(problem: Problem, p: list[Any], v: list[Fraction], D: list[Any]) -> list[tuple[int, Any, Any, Any]]:
    """(classes, v D, v, p, D p) per cluster as balls."""
    return [(c.classes, ball(v[k]) * D[k], D[k], p[k]) for c in problem.clusters for k in [c.members[0]]]


def _none_above(c: Fraction, groups: Sequence[tuple[int, Any, Any, Any]]) -> int:
    """+1 if no eigenvalue of V^(1/2) (I - 1 p^T) D (I - p 1^T) V^(1/2) exceeds c, -1 if one does, 0 undecided.

    It is V D + U M U^T with U = V^(1/2) [1, D p] and M = [[p^T D p, -1], [-1, 0]]. By Haynsworth the number of
    eigenvalues above c is that of V D above c, minus 1, plus that of positive ones of -(M^-1 + U^T (V D - c)^-1 U).
    """
    point = ball(c)
    above = 0
    f = g = h = total = square = arb(0)
    for k, vd, d, p in groups:
        gap = vd - point
        if not sign_of(gap):
            return 0
        above += k * (gap > 0)
        v = vd / d
        f += k * v / gap
        g += k * v * d * p / gap
        h += k * v * (d * p) ** 2 / gap
        square += k * d * p * p
        total += k * p
    # M^-1 = [[0, -1], [-1, -p^T D p]]
    a, b, e = -f, 1 - g, square - h
    determinant = sign_of(a * e - b * b)
    if determinant == 0:
        return 0
    if determinant < 0:
        positive = 1
    elif sign_of(a):
        positive = 2 if a > 0 else 0
    else:
        return 0
    return 1 if above - 1 + positive == 0 else -1


def _residual_at_zero(problem: Problem, u: list[Any] | None) -> list[list[Any]] | None:
    """Minus the gradient of the losses in u at Z = 0, column k for class k; None where a loss is not convex and smooth.

    ``margin`` and ``ldam`` have a prediction per class, ``poly1`` scales that of cross-entropy by 1 + E p_own, the
    exponential and squared-hinge losses have the slopes -1, 1 and -2, 2 there.
    """
    name, _, text = problem.loss.partition(":")
    K = range(problem.K)
    y = [[ball(problem.target_columns[k][j]) for k in K] for j in K]
    if u is not None:
        return [[y[j][k] - u[j] for k in K] for j in K]
    if name in ("ovr-exp", "ovr-squared-hinge") and not problem.adjustment:
        unit = arb(1 if name == "ovr-exp" else 2)
        return [[unit if j == k else -unit for k in K] for j in K]
    if name not in ("margin", "ldam", "poly1"):
        return None
    scale = ball(Fraction(text))
    shares = [ball(n / problem.N) for n in problem.sizes]
    found = []
    for k in K:
        e = [(ball(problem.adjustment) * q.log()).exp() if problem.adjustment else arb(1) for q in shares]
        if name != "poly1":
            e[k] *= (-scale / (ball(problem.sizes[k]).root(4) if name == "ldam" else 1)).exp()
        total = sum(e, arb(0))
        factor = 1 + scale * e[k] / total if name == "poly1" else arb(1)
        found.append([factor * (y[j][k] - e[j] / total) for j in K])
    return [[found[k][j] for k in K] for j in K]


def _dense(problem: Problem, rest: list[list[Any]]) -> Bracket:
    """Norm of the whole matrix: from floats, its square root checked by counting singular values."""
    K = range(problem.K)
    left = [d / ball(s).sqrt() for d, s in zip(slopes(problem), problem.row_decays, strict=True)]
    right = [
        ball(w) * ball(n / r).sqrt()
        for w, n, r in zip(problem.weights, problem.sizes, problem.feature_decays, strict=True)
    ]
    rows = [[left[j] * rest[j][k] * right[k] for k in K] for j in K]
    middle = float(svd(np.array([[float(x) for x in row] for row in rows]))[1][0])
    matrix = arb_mat(rows)
    for exponent in (13, 11, 8, 5):
        low, high = (Fraction(middle) * (1 + sign * Fraction(1, 10**exponent)) for sign in (-1, 1))
        try:
            if count_above(matrix, ball(high)) == 0 and count_above(matrix, ball(low)) > 0:
                return low**2, high**2
        except Undecided:
            continue
    raise ArithmeticError("the norm of the matrix is not decided")
