"""Unit vectors (model ``ce-sphere``) in floats and balls: objective, known codes, the uniform bound, the three slacks.

Matrices of vectors have one vector per row; Z[i, j] = <u_i, v_j>.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory.problem import Problem
from verify.bracket import ball
from verify.kernel.sphere import Task, is_simplex, stability

__all__ = [
    "ON_A_LINE",
    "codes",
    "log_c",
    "loss",
    "loss_and_gradient",
    "n_gon",
    "near_optimal",
    "normalised",
    "point_facts",
    "simplex",
    "simplex_spectrum",
    "simplex_value",
    "slacks",
    "task_of",
    "uniform_bound",
]

Array = NDArray[Any]
ALLOWANCE = 1e-14
"""Relative rounding allowed for in an objective evaluated in floats."""


MOST_PRODUCTS = 250_000
ON_A_LINE = "d = 1: unit vectors are 1 or -1, there is no direction of descent"


# --- objective ---------------------------------------------------------------------------------------------------


def loss_and_gradient(Z: Array, a: float) -> tuple[float, Array]:
    """sum_i log(1 + sum_{j != i} exp(a (Z_ij - Z_ii))) and its derivative in Z, to relative accuracy.

    Examples
    --------
    >>> import math
    >>> value, slope = loss_and_gradient(np.array([[1.0, -1.0], [-1.0, 1.0]]), 1.0)
    >>> round(value, 12) == round(2 * math.log1p(math.exp(-2)), 12), slope.shape
    (True, (2, 2))
    """
    E = np.exp(a * (Z - Z.diagonal()[:, None]))
    np.fill_diagonal(E, 0)
    off = E.sum(axis=1)
    slope = E / (1 + off)[:, None]
    np.fill_diagonal(slope, -off / (1 + off))
    return float(np.log1p(off).sum()), a * slope


def loss(Z: Array, a: Any) -> Any:
    """The objective for an array of floats or balls.

    Examples
    --------
    >>> import math
    >>> Z = np.array([[arb(1), arb(-1)], [arb(-1), arb(1)]], dtype=object)
    >>> abs(float(loss(Z, arb(1))) - 2 * math.log1p(math.exp(-2))) < 1e-15
    True
    """
    n = len(Z)
    if Z.dtype != object:
        return loss_and_gradient(Z, a)[0]
    rows = (sum((a * (Z[i, j] - Z[i, i])).exp() for j in range(n) if j != i) for i in range(n))
    return sum((row.log1p() for row in rows), arb(0))


def slacks(Z: Array, a: Any) -> tuple[Any, Any, Any]:
    """The three parts of L - L*, none of them negative: Jensen over j, Jensen over i, Cauchy-Schwarz.

    Parameters
    ----------
    Z : (n, n) array of balls <u_i, v_j> of vectors in the unit ball.
    a : ball.

    Examples
    --------
    >>> eye = np.array([[arb(1), arb(0)], [arb(0), arb(1)]], dtype=object)
    >>> [round(float(s), 6) for s in slacks(eye, arb(1))]
    [0.0, 0.0, 0.372667]
    """
    n = len(Z)
    A = a * n / (n - 1)
    margins = [A * (Z[i, i] - sum(Z[i], arb(0)) / n) for i in range(n)]
    phi = [((n - 1) * (-m).exp()).log1p() for m in [*margins, sum(margins, arb(0)) / n, A]]
    split, middle = sum(phi[:n], arb(0)), n * phi[n]
    return loss(Z, a) - split, split - middle, middle - n * phi[n + 1]


def simplex_value(problem: Problem) -> Any:
    """L* = n log(1 + (n-1) exp(-a n/(n-1))).

    Examples
    --------
    >>> simplex_value(Problem.sphere(6, 5, 2)).str(13, radius=False)
    '2.244217187588'
    """
    n = problem.K
    return n * ((n - 1) * (-ball(problem.temperature * n / (n - 1))).exp()).log1p()


def log_c(dim: int, a: Any) -> Any:
    """Logarithm of the mean of exp(a x_1) over the unit sphere of R^dim.

    Examples
    --------
    >>> import math
    >>> abs(float(log_c(3, arb(2)).exp()) - math.sinh(2) / 2) < 1e-14
    True
    """
    order = arb(dim) / 2 - 1
    return (order + 1).lgamma() + order * (2 / a).log() + a.bessel_i(order).log()


def uniform_bound(problem: Problem) -> Any:
    """What vectors spread uniformly would reach: n (log n + log c_d(a) - a).

    Examples
    --------
    >>> uniform_bound(Problem.sphere(7, 2, 3, families=1)).str(13, radius=False)
    '3.718524396081'
    """
    n, a = problem.K, ball(problem.temperature)
    return n * (arb(n).log() + log_c(problem.dim, a) - a)


def point_facts(problem: Problem, U: Array, V: Array) -> dict[str, Any]:
    """What claims may ask about an explicit point, in balls at the current precision.

    Parameters
    ----------
    U, V : (n, d) arrays of balls, unit vectors in the rows.

    Returns
    -------
    dict
        (n, n) arrays of inner products at the point: ``point_gram`` <u_k, v_j> (row j, column k, as logits),
        ``point_features`` <u_i, u_j>, ``point_classifier`` <v_i, v_j>; ``slacks`` (three); where d >= 2 ``log_c``, the
        logarithm of c_d(a), and ``uniform_bound``. Empty for more than about 60 vectors in general position.

    Examples
    --------
    >>> facts = point_facts(Problem.sphere(4, 2), n_gon(4), n_gon(4))
    >>> [round(float(x), 9) for x in facts["point_classifier"][0]]
    [1.0, 0.0, -1.0, 0.0]
    """
    if U.size * len(U) > MOST_PRODUCTS:
        return {}
    cross = V @ U.T
    facts = {
        "point_gram": cross,
        "point_features": U @ U.T,
        "point_classifier": V @ V.T,
        "slacks": slacks(cross.T, ball(problem.temperature)),
    }
    if problem.dim >= 2:
        facts |= {
            "log_c": log_c(problem.dim, ball(problem.temperature)),
            "uniform_bound": uniform_bound(problem),
        }
    return facts


def task_of(problem: Problem) -> Task:
    """The problem as the kernel sees it, without witness."""
    return Task(problem.K, problem.dim, problem.temperature, problem.families, {}, [])


def normalised(vectors: Array) -> Array:
    """Rows of floats divided by their lengths, as balls.

    Examples
    --------
    >>> normalised(np.array([[3.0, 4.0]])).astype(float).round(12).tolist()
    [[0.6, 0.8]]
    """
    rows = [[arb(float(x)) for x in row] for row in vectors]
    lengths = [sum((x * x for x in row), arb(0)).sqrt() for row in rows]
    return np.array([[x / r for x in row] for row, r in zip(rows, lengths, strict=True)], dtype=object)


def near_optimal(problem: Problem, upper: Any, U: Array, V: Array) -> dict[str, Any]:
    """Lower bound and inner products of every minimiser for d >= n - 1, from a point whose value is ``upper``.

    Every minimiser attains L*, so its inner products lie within the kernel's ``stability`` of those of the simplex,
    and so do those of the point.

    Examples
    --------
    >>> problem = Problem.sphere(3)
    >>> found = near_optimal(problem, simplex_value(problem), simplex(3), simplex(3))
    >>> round(float(found["logits"][0, 1]), 6), float(found["logits"][0, 1].rad()) < 1e-5
    (-0.5, True)
    """
    n, lower = problem.K, simplex_value(problem)
    gap = arb.max(upper - lower, arb(0)).upper() + abs(upper).upper() * arb(ALLOWANCE)
    delta, apart = stability(task_of(problem), gap)
    turn = 2 * (n * delta).sqrt() if problem.families == 2 else arb(0)

    def around(values: Array, diagonal: Any, elsewhere: Any) -> Array:
        radii = np.where(np.eye(n, dtype=bool), diagonal, elsewhere)
        return np.array(
            [x + arb(0, 2 * r.upper()) for x, r in zip(values.ravel(), radii.ravel(), strict=True)], dtype=object
        ).reshape(n, n)

    own = 2 * n * delta if problem.families == 2 else arb(0)
    distinct = is_simplex(task_of(problem), gap)
    grams = [around(vectors @ vectors.T, arb(0), apart + turn) for vectors in (U, V)]
    return {
        "lower": lower,
        "logits": around(V @ U.T, own, apart),
        "bias": np.array([arb(0)] * n, dtype=object),
        "rank": (n - 1, min(problem.dim, n)) if distinct else (0, min(problem.dim, n)),
        "gram_features": grams[0],
        "gram_classifier": grams[1],
        "singular_values": simplex_spectrum(n, apart.max(own)),
        "merged": () if distinct else None,
        "zero": (),
    }


def simplex_spectrum(n: int, radius: Any) -> Array:
    """Singular values of an (n, n) matrix whose entries are within ``radius`` of those of the simplex (Weyl).

    Examples
    --------
    >>> simplex_spectrum(3, arb(0)).astype(float).tolist()
    [1.5, 1.5, 0.0]
    """
    distance = (n * radius).upper()
    values = [arb(n) / (n - 1) + arb(0, distance)] * (n - 1)
    return np.array([*values, arb(0).union(distance)], dtype=object)


# --- known configurations ----------------------------------------------------------------------------------------


def simplex(n: int) -> Array:
    """Vertices of a regular simplex in R^(n-1), as balls.

    Examples
    --------
    >>> [round(float(x), 6) for x in simplex(3) @ simplex(3)[0]]
    [1.0, -0.5, -0.5]
    """
    V = np.full((n, n - 1), arb(0), dtype=object)
    for k in range(1, n):  # row k orthogonal to 1: (1, ..., 1, -k, 0, ...)/sqrt(k(k+1))
        V[:k, k - 1] = 1 / arb(k * (k + 1)).sqrt()
        V[k, k - 1] = -k / arb(k * (k + 1)).sqrt()
    return np.asarray(V * (arb(n) / (n - 1)).sqrt())


def n_gon(n: int) -> Array:
    """Vertices of a regular n-gon, as balls.

    Examples
    --------
    >>> n_gon(4).astype(float).round(6).tolist()
    [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
    """
    turns = [arb(2 * j) / n for j in range(n)]
    return np.array([[arb.cos_pi(t), arb.sin_pi(t)] for t in turns], dtype=object)


def codes(problem: Problem) -> dict[str, Array]:
    """Configurations with a name that fit the number of vectors and the dimension, as balls.

    Examples
    --------
    >>> sorted(codes(Problem.sphere(6, 3))), sorted(codes(Problem.sphere(5, 3))), sorted(codes(Problem.sphere(3)))
    (['orthoplex'], ['bipyramid'], ['simplex'])
    """
    n, d = problem.K, problem.dim
    found: dict[str, Array] = {}
    if d >= n - 1:
        return {"simplex": simplex(n)}
    if d == 1:
        return {"line": np.array([[arb((-1) ** j)] for j in range(n)], dtype=object)}
    if d == 2:
        found["n-gon"] = n_gon(n)
    elif n == 2 * d:
        axes = np.array([[arb(int(i == j)) for j in range(d)] for i in range(d)], dtype=object)
        found["orthoplex"] = np.concatenate([axes, -axes])
    elif (n, d) == (12, 3):
        golden = (1 + arb(5).sqrt()) / 2
        found["icosahedron"] = (
            np.array(
                [np.roll([arb(0), arb(s), t * golden], shift) for shift in range(3) for s in (1, -1) for t in (1, -1)],
                dtype=object,
            )
            / (1 + golden * golden).sqrt()
        )
    elif (n, d) == (5, 3):
        flat = np.concatenate([n_gon(3), np.full((3, 1), arb(0), dtype=object)], axis=1)
        poles = np.array([[arb(0), arb(0), arb(s)] for s in (1, -1)], dtype=object)
        found["bipyramid"] = np.concatenate([poles, flat])
    return found
