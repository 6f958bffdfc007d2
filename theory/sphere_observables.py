"""Symbols, formulas and readings of unit vectors u_i, v_i in R^d (model ``ce-sphere``).

L2(U, V) = sum_i log sum_j exp(a <v_j - v_i, u_i>) for two families, L1(V) = L2(V, V) for one. E(mu) is the mean over
mu of log(mean over mu of exp(a <x, y>)), so L1 = n (log n - a + E) for the measure with weight 1/n at each v_i.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory import symbols as s
from theory.claim import Hypothesis, Reading
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem

__all__ = [
    "bessel_mean",
    "bessel_ratio",
    "bipyramid_value",
    "code_cosines",
    "code_value",
    "double_sum",
    "frame_potential",
    "one_family",
    "point_readings",
    "point_values",
    "search_readings",
    "simplex_value",
    "sphere_parameters",
    "uniform_bound",
    "value_readings",
    "values",
    "wide",
]

Array = NDArray[Any]

n, d = sp.symbols("n d", positive=True)
"""Number of vectors per family, dimension."""
a = sp.Symbol("a", positive=True)
"""Inverse temperature."""
best = sp.Symbol("L_best", nonnegative=True)
"""The objective at the best point that a route knows."""
energy, double_mean, spread = sp.symbols("E log_mean S2", real=True)
"""At that point (one family): E, the logarithm of the mean of all exp(a <v_i, v_j>), |sum_i v_i|^2."""
potential = sp.Symbol("FP", real=True)
"""Frame potential sum_ij <v_i, v_j>^2 of the v_i of that point."""
code = sp.Symbol("L1_code", real=True)
"""L1 of the code with a name, see :func:`code_value`."""
found = sp.Symbol("L_found", nonnegative=True)
turned = sp.Symbol("uv", real=True)
"""Where the best random start of a search ended; <u_1, v_1> at the best point."""
MISSED = 1e-9
"""Relative distance above a known point from which on a search has missed it."""

PAPER = "lu_steinerberger_2020"


def simplex_value(vectors: Any = n, temperature: Any = a) -> sp.Expr:
    """L* = n log(1 + (n-1) exp(-a n/(n-1))).

    Examples
    --------
    >>> round(float(simplex_value(6, 2)), 12)
    2.244217187588
    """
    m = sp.sympify(vectors)
    return m * sp.log(1 + (m - 1) * sp.exp(-temperature * m / (m - 1)))


def bessel_mean(dim: Any = d, temperature: Any = a) -> sp.Expr:
    """c_d(a), the mean of exp(a x_1) over the unit sphere of R^d.

    Examples
    --------
    >>> round(float(bessel_mean(3, 2)), 12) == round(float(sp.sinh(2) / 2), 12)
    True
    """
    half = sp.sympify(dim) / 2
    return sp.gamma(half) * (2 / temperature) ** (half - 1) * sp.besseli(half - 1, temperature)


def bessel_ratio(degree: Any, dim: Any = d, temperature: Any = a) -> sp.Expr:
    """r_k, the factor by which exp(a <x, y>)/c_d(a) shrinks harmonics of degree k.

    Examples
    --------
    >>> round(float(bessel_ratio(1, 3, 2)), 12) == round(float(1 / sp.tanh(2) - sp.Rational(1, 2)), 12)
    True
    """
    half = sp.sympify(dim) / 2
    return sp.besseli(half - 1 + degree, temperature) / sp.besseli(half - 1, temperature)


def uniform_bound(dim: Any = d, temperature: Any = a, vectors: Any = n) -> sp.Expr:
    """The bound n (log n + log c_d(a) - a).

    Examples
    --------
    >>> round(float(uniform_bound(2, 3, 7)), 12)
    3.718524396081
    """
    return vectors * (sp.log(vectors) + sp.log(bessel_mean(dim, temperature)) - temperature)


def double_sum(gram: sp.Matrix, temperature: sp.Expr) -> sp.Expr:
    """L1 of unit vectors with an exact Gram matrix, by its definition.

    Examples
    --------
    >>> round(float(double_sum(sp.eye(4), sp.Rational(1, 2))), 12)
    4.146368744931
    """
    rows = range(gram.rows)
    return sum(sp.log(sum(sp.exp(temperature * (gram[i, j] - gram[i, i])) for j in rows)) for i in rows)


def code_cosines(problem: Problem) -> list[sp.Expr] | None:
    """Cosines of one vertex with all n, where a code in which all vertices look alike has a name; else None.

    Regular n-gons (d = 2), orthoplexes (n = 2d), the icosahedron, and two orthogonal triangles (n = 6, d = 4).

    Examples
    --------
    >>> code_cosines(Problem.sphere(6, 3))
    [1, 0, 0, 0, 0, -1]
    """
    size, dim = problem.K, problem.dim
    if dim == 2 and size >= 3:
        return [sp.cos(2 * sp.pi * sp.Rational(j, size)) for j in range(size)]
    if dim >= 2 and size == 2 * dim:
        return [sp.Integer(1), *[sp.Integer(0)] * (size - 2), sp.Integer(-1)]
    if (size, dim) == (12, 3):
        return [sp.Integer(1), *[1 / sp.sqrt(5)] * 5, *[-1 / sp.sqrt(5)] * 5, sp.Integer(-1)]
    if (size, dim) == (6, 4):
        return [sp.Integer(1), *[sp.Rational(-1, 2)] * 2, *[sp.Integer(0)] * 3]
    return None


def code_value(problem: Problem, temperature: Any = a) -> sp.Expr | None:
    """L1 = n log(sum over the cosines c of exp(a (c - 1))) of a code of :func:`code_cosines`; the bipyramid for (5, 3).

    Examples
    --------
    >>> round(float(code_value(Problem.sphere(7, 2), 3)), 12)
    3.731340433261
    """
    cosines = code_cosines(problem)
    if cosines is None:
        return bipyramid_value(temperature) if (problem.K, problem.dim) == (5, 3) else None
    return problem.K * sp.log(sum(sp.exp(temperature * (c - 1)) for c in cosines))


def bipyramid_value(temperature: Any = a) -> sp.Expr:
    """L1 of two poles and an equilateral triangle on the equator.

    Examples
    --------
    >>> round(float(bipyramid_value(1)), 9)
    3.952787163
    """
    pole = sp.exp(temperature) + sp.exp(-temperature) + 3
    equator = sp.exp(temperature) + 2 * sp.exp(-temperature / 2) + 2
    return 2 * sp.log(pole) + 3 * sp.log(equator) - 5 * temperature


def one_family(problem: Problem) -> tuple[Problem, ...]:
    """The same problem under u = v.

    Examples
    --------
    >>> [other.families for other in one_family(Problem.sphere(5, 3))]
    [1]
    """
    return (replace(problem, families=1),)


def sphere_parameters(problem: Problem) -> dict[sp.Symbol, Any]:
    """n, d and a.

    Examples
    --------
    >>> sphere_parameters(Problem.sphere(5, 2, "3/2"))
    {n: 5, d: 2, a: 3/2}
    """
    return {n: sp.Integer(problem.K), d: sp.Integer(problem.dim), a: rational(problem.temperature)}


def wide(problem: Problem) -> bool:
    """Whether the simplex fits: d >= n - 1."""
    return problem.dim >= problem.K - 1


def values(optimum: Optimum) -> dict[sp.Symbol, Any]:
    """Parameters, the optimal value (interval between the bounds) and the objective at the best point known.

    Examples
    --------
    >>> values(Optimum(Problem.sphere(3), "convex"))
    {n: 3, d: 2, a: 1}
    """
    found = sphere_parameters(optimum.problem)
    if optimum.upper is not None:
        found[best] = optimum.upper
        if optimum.lower is not None:
            found[s.F] = optimum.lower.union(optimum.upper)
    return found


def point_values(optimum: Optimum) -> dict[sp.Symbol, Any]:
    """:func:`values` with E, log_mean, |S|^2 and FP of the best point, from its inner products (one family).

    Examples
    --------
    >>> point_values(Optimum(Problem.sphere(3, families=1), "convex"))
    {n: 3, d: 2, a: 1}
    """
    found, gram = values(optimum), optimum.facts.get("point_classifier")
    if gram is None or optimum.problem.families != 1:
        return found
    size, zero = optimum.problem.K, 0 * gram[0, 0]
    temperature = (zero + optimum.problem.temperature.numerator) / optimum.problem.temperature.denominator
    means = np.exp(temperature * gram).sum(axis=1) / size
    log_means = np.log(np.array([*means, means.sum() / size]))
    found |= {energy: log_means[:-1].sum() / size, double_mean: log_means[-1]}
    return found | {spread: gram.sum(), potential: frame_potential(gram)}


def point_readings(optimum: Optimum) -> Iterator[Reading]:
    """The one reading of :func:`point_values`.

    Examples
    --------
    >>> len(list(point_readings(Optimum(Problem.sphere(3, families=1), "convex"))))
    1
    """
    yield point_values(optimum)


def value_readings(optimum: Optimum) -> Iterator[Reading]:
    """The one reading of :func:`values`.

    Examples
    --------
    >>> len(list(value_readings(Optimum(Problem.sphere(3), "convex"))))
    1
    """
    yield values(optimum)


def search_readings(optimum: Optimum) -> Iterator[Reading]:
    """The end of the best random start of a search, beside the code: for statements that no certificate reaches.

    None where it ends above the code: the search has missed it, and says nothing about the minimum.

    Examples
    --------
    >>> searched = [
    ...     Optimum(Problem.sphere(5, 2), "nonconvex", upper=sp.Integer(5), work={"values": [end, 5.0]})
    ...     for end in (4.0, 4.5)
    ... ]
    >>> [float(reading[found]) for optimum in searched for reading in search_readings(optimum)]
    [4.0]
    """
    problem, ends = optimum.problem, optimum.work.get("values")
    if not ends or optimum.upper is None:
        return
    reading = {**sphere_parameters(problem), found: 0 * optimum.upper + min(ends)}
    known, gram = code_value(problem), optimum.facts.get("point_gram")
    if known is not None:
        reading[code] = known
        if min(ends) > float(known.subs(a, reading[a])) * (1 + MISSED):
            return
    if gram is not None:
        reading[turned] = gram[0, 0]
    yield reading


def frame_potential(gram: Array) -> Any:
    """Sum of the squares of the entries.

    Examples
    --------
    >>> float(frame_potential(np.eye(3)))
    3.0
    """
    return (gram * gram).sum()


UNIT = Hypothesis(
    "unit vectors",
    lambda problem: problem.model == "ce-sphere",
    dropped="the readings exist in this model only",
)
WIDE = Hypothesis("d >= n - 1", wide, dropped=Problem.sphere(5, 2, 1, families=1))
ONE = Hypothesis(
    "one family, u = v",
    lambda problem: problem.families == 1,
    dropped="for two families the bound is a conjecture (LS20-19)",
)


def at_most(limit: Fraction | int, reason: str) -> Hypothesis:
    """The hypothesis a <= limit, which only the check needs."""
    return Hypothesis(f"a <= {limit}", lambda problem: problem.temperature <= limit, dropped=reason)
