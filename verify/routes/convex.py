"""The convex program on the full K x K logits, with no symmetry used, by a general conic solver."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.optimum import Optimum
from theory.problem import Problem
from verify.blocks import average
from verify.dual import to_optimum
from verify.reduced import reduce
from verify.routes.conic import SOLVERS, first_optimal, run

__all__ = ["solve"]

Array = NDArray[Any]
LARGEST = 12


def solve(
    problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), solver: str | None = None
) -> Optimum:
    """The optimum from cvxpy, certified after averaging over the symmetry (route ``convex``).

    Parameters
    ----------
    problem : Problem with at most 12 classes.
    seed : unused; nothing here is random.
    avoid : unused; the program proposes, and the bounds on the original problem rest on textbook duality alone.
    solver : 'CLARABEL' or 'SCS'; default the first of them that ends optimal.

    Returns
    -------
    Optimum
        ``work`` holds the solver's status and iterations, the raw logits ``Z`` and their largest distance
        ``asymmetry`` from the symmetric point that is certified. Any status other than 'optimal' gives no
        numbers, and a reason.

    Examples
    --------
    >>> optimum = solve(Problem.ce([(9, 2), (4, 3)], "0.03"))
    >>> optimum.work["status"], optimum.work["asymmetry"] < 1e-4
    ('optimal', True)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "convex", reason="too large for this route")

    def attempt(name: str) -> Optimum | str:
        Z, b, work = _conic(problem, name)
        if work["status"] != "optimal":
            return str(work["status"])
        point = average(problem, Z, b)
        work["asymmetry"] = float(np.abs(point.expand(problem)[0] - (Z - Z.mean(axis=0))).max())
        return to_optimum(problem, "convex", point, work=work)

    return first_optimal(problem, (solver,) if solver else SOLVERS, attempt)


def _conic(problem: Problem, solver: str) -> tuple[Array, Array, dict[str, Any]]:
    """Solve min sum w n CE + x |Z D^(1/2)|_* + (nu/2)|b|^2 in units of the largest size, divided by x."""
    import cvxpy as cp  # a slow import

    r = reduce(problem)
    owner = np.empty(problem.K, dtype=int)
    for g, cluster in enumerate(problem.clusters):
        owner[cluster.members] = g
    n, c = r.n[owner], (r.w * r.n)[owner]
    Z = cp.Variable((problem.K, problem.K))
    has_bias = math.isfinite(r.nu)
    b: Any = cp.Variable(problem.K) if has_bias else np.zeros(problem.K)
    logits = Z + cp.reshape(b, (problem.K, 1), order="C") @ np.ones((1, problem.K))
    loss = c @ (cp.log_sum_exp(logits, axis=0) - cp.diag(logits))
    # the value is of the order x for small x
    unit = 1 / min(r.x, 1.0)
    objective = unit * loss + unit * r.x * cp.normNuc(Z @ np.diag(np.sqrt(n)))
    if 0 < r.nu < math.inf:
        objective = objective + unit * r.nu / 2 * cp.sum_squares(b)
    program = cp.Problem(cp.Minimize(objective), [cp.sum(b) == 0] if has_bias else [])
    work = run(program, solver)
    if work["status"] != "optimal":
        return np.zeros((0, 0)), np.zeros(0), work
    bias = np.asarray(b.value) if has_bias else np.zeros(problem.K)
    return np.asarray(Z.value), bias, work | {"Z": np.asarray(Z.value)}
