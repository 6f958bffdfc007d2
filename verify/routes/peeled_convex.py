"""Model ``layer-peeled`` as a convex program on the full K x K logits, with no symmetry used, by a conic solver.

The program min sum m_k CE(z_k, k) subject to |Z|_* <= T is certified by its own dual bound. Up to six classes the
semidefinite relaxation over 2K x 2K matrices is solved too: FA21-02 says that it has the same value and logits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.optimum import Optimum
from theory.problem import Problem
from verify.peeled_blocks import certificate, from_logits, narrowed
from verify.peeled_optimum import optimum_of
from verify.routes.conic import SOLVERS, first_optimal, run

__all__ = ["relaxation", "solve"]

Array = NDArray[Any]
LARGEST = 10
LARGEST_RELAXATION = 6
DIGITS = 15


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """The optimum from cvxpy, certified after averaging over classes of equal mass (route ``convex``).

    Parameters
    ----------
    problem : model ``layer-peeled`` with at most 10 classes.
    seed : unused; nothing here is random.
    avoid : unused; the program proposes, and the bounds rest on textbook duality alone.

    Returns
    -------
    Optimum
        ``work``: solver, status, raw logits ``Z``, their distance ``asymmetry`` from the averaged ones, and
        ``relaxation`` (see :func:`relaxation`; None above six classes). Any status other than 'optimal' gives no
        numbers, and a reason.

    Examples
    --------
    >>> optimum = solve(Problem.peeled([(3, 3), (2, 2)], 2, "1/2"))
    >>> optimum.work["status"], abs(optimum.work["relaxation"]["value"] - float(optimum.upper)) < 1e-6
    ('optimal', True)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "convex", reason="too large for this route")

    def attempt(name: str) -> Optimum | str:
        Z, work = _conic(problem, name)
        return _certified(problem, Z, work) if work["status"] == "optimal" else str(work["status"])

    return first_optimal(problem, SOLVERS, attempt)


def _certified(problem: Problem, Z: Array, work: dict[str, Any]) -> Optimum:
    blocks = from_logits(problem, Z)
    point, dual = narrowed(problem, blocks)
    work["relaxation"] = relaxation(problem) if problem.K <= LARGEST_RELAXATION else None
    if problem.dim >= problem.K - 1:
        data, outcome = certificate(problem, blocks, DIGITS)
    else:
        data, outcome = certificate(problem, point, DIGITS, dual=dual, full=True)
    found = optimum_of(problem, "convex", data, outcome, work | {"Z": Z})
    if found.logits is not None:
        middle = np.array([[float(z.mid()) for z in row] for row in found.logits])
        found.work["asymmetry"] = float(np.abs(middle - (Z - Z.mean(axis=0))).max())
    return found


def _masses(problem: Problem) -> Array:
    masses = np.array([float(n * w / problem.N) for n, w in zip(problem.sizes, problem.weights, strict=True)])
    return np.asarray(masses / masses.max())


def _conic(problem: Problem, solver: str) -> tuple[Array, dict[str, Any]]:
    """Solve min sum m_k CE subject to |Z|_* <= T, masses relative to the largest."""
    import cvxpy as cp  # a slow import

    Z = cp.Variable((problem.K, problem.K))
    loss = _masses(problem) @ (cp.log_sum_exp(Z, axis=0) - cp.diag(Z))
    work = run(cp.Problem(cp.Minimize(loss), [cp.normNuc(Z) <= float(problem.budget2) ** 0.5]), solver)
    return (np.zeros((0, 0)) if work["status"] != "optimal" else np.asarray(Z.value)), work


def relaxation(problem: Problem) -> dict[str, Any]:
    """The semidefinite relaxation: X >= 0 (2K x 2K), features first, classifiers last, traces K E_H and K E_W.

    Returns
    -------
    dict
        ``status``, and where it is 'optimal' ``value`` (in the normalisation of the problem), ``logits`` (K, K),
        ``gram_features`` and ``gram_classifier`` (the diagonal blocks of X).

    Examples
    --------
    >>> found = relaxation(Problem.peeled([4, 4, 4]))
    >>> found["status"], round(float(found["gram_classifier"][0, 1]), 3)
    ('optimal', -0.5)
    """
    import cvxpy as cp

    K = problem.K
    X = cp.Variable((2 * K, 2 * K), PSD=True)
    Z = X[:K, K:].T  # column k holds the logits of class k
    loss = _masses(problem) @ (cp.log_sum_exp(Z, axis=0) - cp.diag(Z))
    budgets = [cp.trace(X[:K, :K]) <= K * float(problem.e_h), cp.trace(X[K:, K:]) <= K * float(problem.e_w)]
    program = cp.Problem(cp.Minimize(loss), budgets)
    work = run(program, "CLARABEL")
    if work["status"] != "optimal":
        return {"status": work["status"]}
    unit = max(n * w / problem.N for n, w in zip(problem.sizes, problem.weights, strict=True))
    value = np.asarray(X.value)
    return {
        "status": "optimal",
        "value": float(program.value) * float(unit),
        "logits": value[:K, K:].T,
        "gram_features": value[:K, :K],
        "gram_classifier": value[K:, K:],
    }
