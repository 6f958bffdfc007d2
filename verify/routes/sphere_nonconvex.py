"""Descent on unit vectors from many starts: all end at the simplex for d >= n - 1, at several levels below that.

``facts``: see :mod:`verify.routes.sphere_enclosure`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.routes.descent import descend, lbfgs
from verify.sphere import ON_A_LINE, codes, loss, loss_and_gradient, near_optimal, normalised, point_facts

__all__ = ["best_point", "solve", "tangent_slope"]

Array = NDArray[Any]
LARGEST = 64
BITS = 128


class Sphere:
    """Logarithm of the objective over raw vectors, normalised inside; the logarithm keeps small values in scale."""

    def __init__(self, problem: Problem) -> None:
        self.n, self.d, self.families = problem.K, problem.dim, problem.families
        self.a = float(problem.temperature)

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.families * self.n * self.d

    def split(self, x: Array) -> tuple[Array, Array, Array]:
        """Unit vectors U and V, and the lengths of the raw ones."""
        raw = x.reshape(self.families, self.n, self.d)
        norms = np.linalg.norm(raw, axis=2, keepdims=True)
        units = raw / norms
        return units[0], units[-1], norms

    def slopes(self, U: Array, V: Array) -> tuple[float, Array, Array]:
        """The objective and its derivatives in U and V, tangent to the spheres."""
        value, slope = loss_and_gradient(U @ V.T, self.a)
        in_u, in_v = slope @ V, slope.T @ U
        return value, in_u - (in_u * U).sum(1)[:, None] * U, in_v - (in_v * V).sum(1)[:, None] * V

    def value(self, x: Array) -> tuple[float, Array]:
        """Value, log L, and its gradient in the raw vectors."""
        U, V, norms = self.split(x)
        value, in_u, in_v = self.slopes(U, V)
        gradient = np.stack([in_u, in_v]) if self.families == 2 else (in_u + in_v)[None]
        return float(np.log(value)), (gradient / norms / value).ravel()

    def start(self, U: Array) -> Array:
        """Unknowns at U = V."""
        return np.tile(U, (self.families, 1, 1)).ravel()


def _descend(sphere: Sphere, start: Array) -> tuple[float, Array]:
    """L-BFGS, restarted from normalised vectors."""

    def place(x: Array) -> Array:
        U, V, _ = sphere.split(x)
        return np.stack([U, V][: sphere.families]).ravel()

    value, x = descend(sphere.value, start, lbfgs(5000), place=place)
    return float(np.exp(value)), x


def best_point(problem: Problem, seed: int, starts: int) -> tuple[Array, Array, dict[str, Any]]:
    """Unit vectors U, V of the best descent and what the runs did: random starts, and one per named configuration."""
    sphere, rng = Sphere(problem), np.random.default_rng(seed)
    with threadpoolctl.threadpool_limits(1):
        runs = [_descend(sphere, rng.normal(size=sphere.size)) for _ in range(starts)]
        named = {
            name: _descend(sphere, sphere.start(np.pad(V.astype(float), ((0, 0), (0, problem.dim - V.shape[1])))))
            for name, V in codes(problem).items()
        }
        value, x = min([*named.values(), *runs], key=lambda run: run[0])
        U, V, _ = sphere.split(x)
        _, in_u, in_v = sphere.slopes(U, V)
    values = sorted(end for end, _ in runs)
    slope = np.stack([in_u, in_v]) if problem.families == 2 else in_u + in_v
    work = {
        "starts": starts,
        "hits": sum(end <= value * (1 + 1e-9) for end in values),
        "values": values,
        "named": {name: end for name, (end, _) in named.items()},
        "gradient": float(np.linalg.norm(slope)),
    }
    return U, V, work


def tangent_slope(problem: Problem, U: Array, V: Array) -> float:
    """Length of the gradient of the two-family objective along the spheres, in every u_i and v_i separately.

    Examples
    --------
    >>> from verify.sphere import n_gon
    >>> square = n_gon(4).astype(float)
    >>> tangent_slope(Problem.sphere(4, 2), square, square) < 1e-15
    True
    """
    _, in_u, in_v = Sphere(problem).slopes(U, V)
    return float(np.sqrt((in_u**2).sum() + (in_v**2).sum()))


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), starts: int = 6) -> Optimum:
    """Best of L-BFGS runs on unit vectors (route ``nonconvex``).

    Parameters
    ----------
    problem : model ``ce-sphere`` with at most 64 vectors.
    seed : of the random starts.
    avoid : nothing is relied on here; the named configurations are guesses.
    starts : number of random starts; four times as many where d < n - 1 and there are at most 12 vectors.

    Returns
    -------
    Optimum
        ``upper`` is the objective at ``point``. Where d >= n - 1 the three slacks give the lower bound and the radii of
        inner products; below that nothing bounds the optimum here. ``work``: ``starts``, ``hits`` (random starts
        within 1e-9 relative of the best), ``values`` (their ends, sorted), ``named`` (ends of the constructed starts)
        and the length of the gradient.

    Examples
    --------
    >>> optimum = solve(Problem.sphere(6, 5, 2))
    >>> round(float(optimum.upper), 12), optimum.work["hits"]
    (2.244217187588, 6)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "nonconvex", reason="too large for this route")
    if problem.dim == 1:
        return Optimum(problem, "nonconvex", reason=ON_A_LINE)
    wide = problem.dim >= problem.K - 1
    starts = starts if wide or problem.K > 12 else 4 * starts
    try:
        U, V, work = best_point(problem, seed, starts)
        with precision(BITS):
            return _optimum(problem, U, V, work)
    except (ArithmeticError, ValueError) as error:
        return Optimum(problem, "nonconvex", reason=f"does not fit floats: {error}")


def _optimum(problem: Problem, U: Array, V: Array, work: dict[str, Any]) -> Optimum:
    """The best point with the radii that its gap gives where d >= n - 1."""
    point = Point(V, U.T, np.zeros(problem.K))
    balls = [normalised(vectors) for vectors in (U, V)]
    facts = point_facts(problem, *balls)
    value = loss(balls[0] @ balls[1].T, ball(problem.temperature))
    found = Optimum(problem, "nonconvex", upper=value, point=point, facts=facts, work=work)
    if problem.dim < problem.K - 1:
        return found
    return replace(found, **near_optimal(problem, value, *balls))
