"""Model ``uf-svm`` as its nuclear-norm program on the full K x K logits, by a general conic solver."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.optimum import Optimum
from theory.problem import Problem
from verify.routes.conic import SOLVERS, first_optimal, run
from verify.svm import near_optimal

__all__ = ["solve"]

Array = NDArray[Any]
LARGEST = 10


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """The optimum from cvxpy; the bounds are derived anew from its logits and multipliers (route ``convex``).

    Parameters
    ----------
    problem : model ``uf-svm`` with at most 10 classes.
    seed, avoid : unused; nothing here is random, and nothing is relied on but textbook duality.

    Returns
    -------
    Optimum
        A lower bound only when d < K - 1. Any status other than 'optimal' gives no numbers, and a reason.

    Examples
    --------
    >>> optimum = solve(Problem.svm([6, 3, 2, 1]))
    >>> optimum.work["status"], optimum.upper.str(7, radius=False)
    ('optimal', '5.026609')
    """
    if problem.K > LARGEST:
        return Optimum(problem, "convex", reason="too large for this route")

    def attempt(name: str) -> Optimum | str:
        Z, B, work = _conic(problem, name)
        return _optimum(problem, Z, B, work) if work["status"] == "optimal" else str(work["status"])

    return first_optimal(problem, SOLVERS, attempt)


def _optimum(problem: Problem, Z: Array, B: Array, work: dict[str, Any]) -> Optimum:
    """Factors of Z D^(1/2) of least norm, and what they prove with the multipliers."""
    root = np.sqrt(np.array([float(size) for size in problem.sizes]))
    U, values, V = np.linalg.svd((Z - Z.mean(axis=0)) * root)
    W, H = U * np.sqrt(values), np.sqrt(values)[:, None] * V / root
    found = near_optimal(problem, "convex", W, H, B, work)
    if problem.dim < problem.K - 1:
        reason = f"d = {problem.dim} is below K - 1 = {problem.K - 1}: a lower bound only"
        return Optimum(problem, "convex", lower=found.lower, reason=reason, work=work)
    return found


def _conic(problem: Problem, solver: str) -> tuple[Array, Array, dict[str, Any]]:
    """Minimise |Z D^(1/2)|_* subject to all margins at least 1, in units of the largest size."""
    import cvxpy as cp  # a slow import

    K, n = problem.K, np.array([float(size) for size in problem.sizes])
    Z, D = cp.Variable((K, K)), n / n.max()
    wrong = ~np.eye(K, dtype=bool)
    margins = np.ones((K, 1)) @ cp.reshape(cp.diag(Z), (1, K), order="C") - Z
    constraint = cp.multiply(wrong, margins) >= wrong
    program = cp.Problem(cp.Minimize(cp.normNuc(Z @ np.diag(np.sqrt(D)))), [constraint])
    work = run(program, solver)
    if work["status"] != "optimal":
        return np.zeros((0, 0)), np.zeros((0, 0)), work
    beta = np.where(wrong, np.asarray(constraint.dual_value), 0.0) / D / np.sqrt(n.max())
    return np.asarray(Z.value), np.diag(beta.sum(axis=0)) - beta, work
