"""Unit vectors: the convex relaxation over Gram matrices, and a second descent.

Any positive semidefinite matrix with unit diagonal is the Gram matrix of unit vectors in some dimension, so the
relaxation is exact for d >= n - 1 and a lower bound, the same for every d, below that (LS20-21). The upper bound comes
from BFGS on its own objective, so that ends of route ``nonconvex`` can be compared with it.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.optimize
import scipy.special
import threadpoolctl
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.routes.conic import run
from verify.sphere import ON_A_LINE, loss, near_optimal, normalised, point_facts

__all__ = ["relax", "solve"]

Array = NDArray[Any]
LARGEST = 12
BITS = 128
STARTS, STARTS_BELOW = 2, 6
"""Random starts where d >= n - 1 (all end at the minimum) and below."""
ALLOWANCE = 1e-12
"""Subtracted from a least eigenvalue found in floats, relative to the norm."""


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """Lower bound from cvxpy with its own dual certificate, upper bound from BFGS (route ``convex``).

    Parameters
    ----------
    problem : model ``ce-sphere`` with at most 12 vectors.
    seed : of the random starts.
    avoid : unused; nothing is relied on.

    Returns
    -------
    Optimum
        ``facts["relaxation"]``: interval around the value of the relaxation; its lower end is ``lower``. ``work``:
        ``status``, ``starts``, ``hits`` (within 1e-9 relative of the best) and ``values`` of the descents.

    Examples
    --------
    >>> optimum = solve(Problem.sphere(4, 2, families=1))
    >>> optimum.facts["relaxation"].str(4, radius=False), round(float(optimum.upper), 9)
    ('2.331', 2.5060935)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "convex", reason="too large for this route")
    if problem.dim == 1:
        return Optimum(problem, "convex", reason=ON_A_LINE)
    try:
        with threadpoolctl.threadpool_limits(1), warnings.catch_warnings(), precision(BITS):
            warnings.simplefilter("ignore")
            bounds, work = relax(problem)
            runs = _descents(problem, seed)
            best = min(runs, key=lambda run: run[0])
            values = sorted(value for value, _, _ in runs)
            work |= {"starts": len(runs), "values": values, "hits": sum(v <= values[0] * (1 + 1e-9) for v in values)}
            return _optimum(problem, bounds, best[1], best[2], work)
    except Exception as error:
        # whatever a solver raises means that it proved nothing
        return Optimum(problem, "convex", reason=f"{type(error).__name__}: {error}")


def _optimum(problem: Problem, bounds: tuple[float, float], U: Array, V: Array, work: dict[str, Any]) -> Optimum:
    balls = [normalised(vectors) for vectors in (U, V)]
    value, lower = loss(balls[0] @ balls[1].T, ball(problem.temperature)), arb(bounds[0])
    facts = point_facts(problem, *balls) | {"relaxation": lower.union(arb(bounds[1]))}
    point = Point(V, U.T, np.zeros(problem.K))
    found = Optimum(problem, "convex", lower=lower, upper=value, point=point, facts=facts, work=work)
    if problem.dim < problem.K - 1:
        return found
    return replace(found, **(near_optimal(problem, value, *balls) | {"lower": lower}))


# --- relaxation --------------------------------------------------------------------------------------------------


def relax(problem: Problem) -> tuple[tuple[float, float], dict[str, Any]]:
    """Lower and upper bound on the value of the relaxation, and the solver's statistics.

    For row-stochastic P, Gibbs gives log sum_j exp(a Z_ij) >= a sum_j P_ij Z_ij + H(P_i). What is left is linear in the
    Gram matrix G: <S, G> >= sum_i y_i if S - Diag(y) is positive semidefinite, since G has unit diagonal.

    Raises
    ------
    ValueError
        If the solver does not end with status 'optimal'.

    Examples
    --------
    >>> (lower, upper), _ = relax(Problem.sphere(3, 1, 2, families=2))
    >>> lower <= 3 * np.log1p(2 * np.exp(-3)) <= upper + 1e-12 < lower + 1e-7
    True
    """
    n, a = problem.K, float(problem.temperature)
    G, work = _conic(problem)
    values, vectors = np.linalg.eigh((G + G.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0))
    root /= np.linalg.norm(root, axis=1)[:, None]
    G = root @ root.T
    Z = G[:n, -n:]
    logits = a * (Z - Z.diagonal()[:, None])
    upper = float(scipy.special.logsumexp(logits, axis=1).sum())
    P = scipy.special.softmax(logits, axis=1)
    S = np.zeros_like(G)
    S[:n, -n:] += a / 2 * (P - np.eye(n))
    S += S.T
    y = (S * G).sum(axis=1)
    M = S - np.diag(y)
    least = float(np.linalg.eigvalsh(M)[0]) - ALLOWANCE * (1 + np.abs(M).sum())
    lower = float(scipy.special.entr(P).sum() + y.sum() + min(least, 0.0) * len(G))
    return (lower - ALLOWANCE * (1 + abs(lower)), upper + ALLOWANCE * (1 + abs(upper))), work


def _conic(problem: Problem) -> tuple[Array, dict[str, Any]]:
    """Minimise sum_i log sum_j exp(a (Z_ij - Z_ii)) over Gram matrices of all vectors."""
    import cvxpy as cp  # a slow import

    n, a = problem.K, float(problem.temperature)
    G = cp.Variable((problem.families * n, problem.families * n), PSD=True)
    Z = G[:n, -n:]
    program = cp.Problem(cp.Minimize(cp.sum(cp.log_sum_exp(a * Z, axis=1)) - a * cp.trace(Z)), [cp.diag(G) == 1])
    work = run(program, "CLARABEL")
    if work["status"] != "optimal":
        raise ValueError(f"status {work['status']}")
    return np.asarray(G.value), work


# --- descents ----------------------------------------------------------------------------------------------------


def _descents(problem: Problem, seed: int) -> list[tuple[float, Array, Array]]:
    """(value, U, V) at the ends of BFGS runs from random vectors; no code of route ``nonconvex``."""
    n, d, a, families = problem.K, problem.dim, float(problem.temperature), problem.families
    rng = np.random.default_rng([seed, 1])

    def objective(x: Array) -> tuple[float, Array]:
        raw = x.reshape(families, n, d)
        norms = np.linalg.norm(raw, axis=2, keepdims=True)
        units = raw / norms
        U, V = units[0], units[-1]
        Z = a * U @ V.T
        sums = scipy.special.logsumexp(Z, axis=1)
        R = np.exp(Z - sums[:, None]) - np.eye(n)
        slope = np.zeros_like(units)
        slope[0] += a * R @ V
        slope[-1] += a * R.T @ U
        slope = (slope - (slope * units).sum(axis=2, keepdims=True) * units) / norms
        value = float((sums - Z.diagonal()).sum())
        return float(np.log(value)), slope.ravel() / value

    runs = []
    for _ in range(STARTS if d >= n - 1 else STARTS_BELOW):
        x = rng.normal(size=families * n * d)
        found = scipy.optimize.minimize(objective, x, jac=True, method="BFGS", options={"maxiter": 2000, "gtol": 1e-11})
        units = found.x.reshape(families, n, d)
        units = units / np.linalg.norm(units, axis=2, keepdims=True)
        runs.append((float(np.exp(found.fun)), units[0], units[-1]))
    return runs
