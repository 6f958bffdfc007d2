"""Proposals p(t) = sum_k mu_k^2 N_k C_k(t) <= exp(a t) for the lower bound of one family; the checker proves them.

The bound n (log(n mu_0^2 + exp(a) - p(1)) - a) of :func:`verify.kernel.sphere.kernel_bound` needs the square root
q = sum_k mu_k N_k C_k to be nonnegative. It is attained by a code if p agrees with exp(a t) at its inner products (to
first order, except at -1) and contains no harmonic in which the code is not balanced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import comb, exp
from typing import Any

import numpy as np
import scipy.optimize
import threadpoolctl
from flint import arb, arb_mat, arb_poly
from numpy.typing import NDArray

from theory.problem import Problem
from verify.kernel.sphere import MAX_DEGREE, harmonics
from verify.sphere import exact, log_c

__all__ = ["extended", "hermite", "inner_products", "promise", "truncation"]

Array = NDArray[Any]
SHARE = 90
"""2^-SHARE of the mean of a kernel is given up by default, to leave it strictly below exp(a t)."""
NEAR = (-0.02, -0.007, -0.002, 0.002, 0.007, 0.02)
ROOM, FAITH, STEP, ROUNDS = 3e-3, 30.0, 1.3, 40
"""Most distance kept from exp(a t), price of a violation, factor between temperatures, linear programs at each."""


def inner_products(V: Array) -> list[Any]:
    """Different inner products of the first vector of a code with the others, ascending."""
    return [x for _, x in sorted({round(float(x), 9): x for x in (V @ V[0])[1:]}.items())]


def promise(problem: Problem, mu: list[Any]) -> float:
    """The bound per vector (plus a) that mu would give; minus infinity without mu or where q < 0 on a grid.

    Examples
    --------
    >>> problem = Problem.sphere(4, 2, "1/2", families=1)
    >>> promise(problem, truncation(problem, 60)) < promise(problem, hermite(problem, [arb(-1), arb(0)]))
    True
    """
    if not mu:
        return -np.inf
    a, m = float(problem.temperature), np.array([float(x) for x in mu])
    values, _ = _tables(problem.dim, len(mu) - 1, np.cos(np.linspace(0, np.pi, 400)))
    N = np.array([float(N) for N, _ in harmonics(problem.dim, len(mu) - 1)])
    if not (values @ (N * m)).min() > -1e-9:
        return -np.inf
    return float(np.log(problem.K * m[0] ** 2 + exp(a) - N @ m**2))


def truncation(problem: Problem, bits: int) -> list[Any]:
    """mu_k of exp(a t) itself, as many as ``bits`` bits need, the mean a little smaller: the bound of LS20-05.

    Examples
    --------
    >>> [round(float(m), 6) for m in truncation(Problem.sphere(7, 2, 3), 20)[:2]]
    [2.209251, 1.988308]
    """
    a, order = exact(problem.temperature), arb(problem.dim) / 2 - 1
    scale = (log_c(problem.dim, a) - a.bessel_i(order).log()).exp()
    mu, share = [scale.sqrt() * a.bessel_i(order).sqrt()], arb(2) ** -bits
    mu[0] *= (1 - share).sqrt()
    for k in range(1, MAX_DEGREE + 1):
        mu.append((scale * a.bessel_i(order + k)).sqrt())
        if mu[k] * comb(k + problem.dim - 1, k) < mu[0] * share / 4:
            break
    return mu


def hermite(problem: Problem, nodes: list[Any], share: int = SHARE) -> list[Any]:
    """mu_k of the polynomial that agrees with exp(a t) at the nodes, to first order too except at -1, a little lowered.

    Empty where a coefficient is not positive; 2^-``share`` is what the mean is lowered by.

    Examples
    --------
    >>> [round(float(m), 6) for m in hermite(Problem.sphere(4, 2, 1), [arb(-1), arb(0)])]
    [1.08809, 0.707107, 0.303265]
    """
    a, t = exact(problem.temperature), arb_poly([0, 1])
    points = [x for x in nodes for _ in range(1 if x == -1 else 2)]
    table = [(a * x).exp() for x in points]
    p, basis = arb_poly([table[0]]), arb_poly([1])
    for order in range(1, len(points)):  # divided differences; neighbours that coincide give the derivative
        table = [
            (upper - lower) / (points[i + order] - points[i])
            if order > 1 or points[i + 1] is not points[i]
            else a * lower
            for i, (lower, upper) in enumerate(pairwise(table))
        ]
        basis *= t - points[order - 1]
        p += basis * table[0]
    mu = []
    for k, (N, C) in reversed(list(enumerate(harmonics(problem.dim, len(points) - 1)))):
        part = p.coeffs()[k] / C.coeffs()[k]
        p = arb_poly((p - C * part).coeffs()[:k])
        if not part > 0:
            return []
        mu.append((part / N - (arb(2) ** -share if k == 0 else 0)).sqrt())
    return mu[::-1]


def extended(problem: Problem, V: Array, shares: Sequence[int] = (SHARE,)) -> list[list[Any]]:
    """Per share, mu_k of either sign with more harmonics, where the temperature makes q of :func:`hermite` negative.

    A float search for the largest minimum of q, from temperature 1 upwards; the contacts are then made exact. It works
    for regular polygons with at most 6 vertices and for orthoplexes, at moderate temperatures; else empty.

    Examples
    --------
    >>> from verify.sphere import n_gon
    >>> problem = Problem.sphere(5, 2, 2, families=1)
    >>> (mu,) = extended(problem, n_gon(5))
    >>> float(mu[5]), bool(mu[6] < 0 or mu[6] > 0)
    (0.0, True)
    """
    search = _Search(problem.dim, V)
    with threadpoolctl.threadpool_limits(1):
        mu = search.run(replace(problem, temperature=Fraction(1)), float(problem.temperature))
    if mu is None:
        return []
    return [_touching(problem, inner_products(V), search.degrees, mu, share) for share in shares]


@dataclass(frozen=True)
class _Search:
    """Maximise min q/mu_0 subject to p <= exp(a t) and contact at the nodes, by a sequence of linear programs."""

    dim: int
    V: Array

    @cached_property
    def nodes(self) -> Array:
        return np.array([float(x) for x in inner_products(self.V)])

    @cached_property
    def top(self) -> int:
        return 4 * len(self.nodes) + 10

    @cached_property
    def degrees(self) -> list[int]:
        """0 and the harmonics in which the code is balanced."""
        values, _ = _tables(self.dim, self.top, (self.V @ self.V[0]).astype(float))
        return [k for k in range(self.top + 1) if k == 0 or abs(values[:, k].sum()) < 1e-9]

    def table(self, t: Array, derivative: bool = False) -> Array:
        """N_k C_k(t) or its derivative, one column per allowed degree."""
        N = np.array([float(N) for N, _ in harmonics(self.dim, self.top)])
        return np.asarray((_tables(self.dim, self.top, t)[derivative] * N)[:, self.degrees])

    def run(self, start: Problem, a: float) -> Array | None:
        """Coefficients at temperature a > 1, or None; ``start`` is the problem at temperature 1."""
        inner = self.nodes[self.nodes > -1 + 1e-9]
        angles = [np.linspace(0, np.pi, 8 * self.top + 60), *(np.arccos(inner) + turn for turn in NEAR)]
        t = np.cos(np.concatenate(angles))
        gap = np.prod([(t - x) ** (2 if x > -1 + 1e-9 else 1) for x in self.nodes], axis=0)
        t, gap = t[gap > 1e-6 * gap.max()], gap[gap > 1e-6 * gap.max()] / gap.max()
        grid, values, slopes = self.table(t), self.table(self.nodes), self.table(inner, derivative=True)
        known = dict(enumerate(float(x) for x in hermite(start, inner_products(self.V))))
        mu = np.array([known.get(k, 0.0) for k in self.degrees])
        before = np.array([float(_root_of_exp(self.dim, 1.0, k)) for k in self.degrees])
        for b in [*(STEP**k for k in range(50) if STEP**k < a), a]:
            guess = np.array([float(_root_of_exp(self.dim, b, k)) for k in self.degrees])
            mu, before = mu * guess / before, guess
            contact = np.concatenate([values / np.exp(b * self.nodes)[:, None], slopes / np.exp(b * inner)[:, None]])
            target = np.concatenate([np.ones(len(self.nodes)), np.full(len(inner), b)])
            below = grid / (gap * np.exp(b * t))[:, None]
            mu, found, wrong = _climb(grid, below, 1 / gap - ROOM, contact, target, mu)
            if not (found > 0 and wrong < ROOM / 10):
                return None
        return mu


def _climb(q: Array, p: Array, most: Array, contact: Array, target: Array, mu: Array) -> tuple[Array, float, float]:
    """(mu, min q/mu_0, violation) after some linear programs in a box around mu that shrinks or grows."""
    m, r = len(mu), len(target)

    def merit(mu: Array) -> tuple[float, float, float]:
        wrong = np.abs(contact @ mu**2 - target).sum() + max(0.0, (p @ mu**2 - most).max())
        least = (q @ mu).min() / mu[0]
        return float(least - FAITH * wrong), float(least), float(wrong)

    best, box = merit(mu), 0.1 * mu[0]
    for _ in range(ROUNDS):
        rows = [
            np.hstack([2 * p * mu, np.zeros((len(p), 1 + 2 * r)), -np.ones((len(p), 1))]),
            np.hstack([-q / mu[0], np.ones((len(q), 1)), np.zeros((len(q), 2 * r + 1))]),
        ]
        found = scipy.optimize.linprog(
            np.r_[np.zeros(m), -1, np.full(2 * r + 1, FAITH)],
            A_ub=np.vstack(rows),
            b_ub=np.r_[most - p @ mu**2, q @ mu / mu[0]],
            A_eq=np.hstack([2 * contact * mu, np.zeros((r, 1)), np.eye(r), -np.eye(r), np.zeros((r, 1))]),
            b_eq=target - contact @ mu**2,
            bounds=[(-box, box)] * m + [(None, None)] + [(0, None)] * (2 * r + 1),
        )
        trial = mu + found.x[:m] if found.x is not None else mu
        for _ in range(2):  # back to the contacts, by Newton steps of least length
            trial = trial + np.linalg.lstsq(2 * contact * trial, target - contact @ trial**2, rcond=None)[0]
        new = merit(trial)
        if new[0] > best[0]:
            done = new[1] > 0 and new[2] < ROOM / 10 and new[0] < best[0] * 1.1
            mu, best, box = trial, new, min(1.5 * box, mu[0])
            if done:
                break
        else:
            box /= 3
    return mu, best[1], best[2]


def _touching(problem: Problem, nodes: list[Any], degrees: list[int], mu: Array, share: int) -> list[Any]:
    """The lowest coefficients solved for such that p touches exp(a t) at the nodes in balls."""
    a, parts = exact(problem.temperature), harmonics(problem.dim, max(degrees))
    rows, values = [], []
    for x in nodes:
        rows.append([N * C(x) for N, C in parts])
        values.append((a * x).exp())
        if x != -1:
            rows.append([N * C.derivative()(x) for N, C in parts])
            values.append(a * (a * x).exp())
    squares = {k: arb(float(m)) * arb(float(m)) for k, m in zip(degrees, mu, strict=True)}
    free, fixed = degrees[: len(rows)], degrees[len(rows) :]
    rest = [v - sum((row[k] * squares[k] for k in fixed), arb(0)) for row, v in zip(rows, values, strict=True)]
    solved = arb_mat([[row[k] for k in free] for row in rows]).solve(arb_mat([[v] for v in rest]))
    squares |= {k: solved[i, 0] for i, k in enumerate(free)}
    squares[0] -= arb(2) ** -share
    if not all(square >= 0 for square in squares.values()):
        return []
    signs = dict(zip(degrees, np.sign(mu), strict=True))
    return [int(signs[k]) * squares[k].sqrt() if k in signs else arb(0) for k in range(max(degrees) + 1)]


def _root_of_exp(dim: int, a: float, k: int) -> Any:
    order, b = arb(dim) / 2 - 1, arb(a)
    return ((log_c(dim, b) - b.bessel_i(order).log()).exp() * b.bessel_i(order + k)).sqrt()


def _tables(dim: int, degree: int, t: Array) -> tuple[Array, Array]:
    """C_k(t) and C_k'(t) in floats, one column per degree."""
    C, D = [np.ones_like(t), t], [np.zeros_like(t), np.ones_like(t)]
    for k in range(1, degree):
        C.append(((2 * k + dim - 2) * t * C[k] - k * C[k - 1]) / (k + dim - 2))
        D.append(((2 * k + dim - 2) * (C[k] + t * D[k]) - k * D[k - 1]) / (k + dim - 2))
    return np.array(C[: degree + 1]).T, np.array(D[: degree + 1]).T
