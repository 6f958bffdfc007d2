"""Conic solvers, one after the other and each from its tightest tolerance on, until one of them ends optimal."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import threadpoolctl

from theory.optimum import Optimum
from theory.problem import Problem

__all__ = ["SOLVERS", "first_optimal", "run"]

TOLERANCES = (1e-12, 1e-11, 1e-10, 1e-8)
SOLVERS: dict[str, list[dict[str, Any]]] = {
    "CLARABEL": [{"tol_gap_abs": e, "tol_gap_rel": e, "tol_feas": e, "max_iter": 200} for e in TOLERANCES],
    "SCS": [{"eps_abs": e, "eps_rel": e, "max_iters": 20000} for e in (1e-8, 1e-5)],
}
"""Options of every solver, tightest tolerance first."""


def run(program: Any, solver: str) -> dict[str, Any]:
    """Solve a cvxpy program at the tightest tolerance that the solver calls optimal.

    Returns
    -------
    dict
        ``solver``, ``status`` and ``iterations``.

    Examples
    --------
    >>> import cvxpy as cp
    >>> x = cp.Variable()
    >>> run(cp.Problem(cp.Minimize(x**2), [x >= 1]), "CLARABEL")["status"], round(float(x.value), 9)
    ('optimal', 1.0)
    """
    from cvxpy.error import SolverError  # a slow import

    for options in SOLVERS[solver]:
        with warnings.catch_warnings(), suppress(SolverError):  # no progress at this tolerance
            warnings.simplefilter("ignore")
            program.solve(solver=solver, **options)
        if program.status == "optimal":
            break
    iterations = program.solver_stats.num_iters if program.solver_stats else None
    return {"solver": solver, "status": program.status or "solver_error", "iterations": iterations}


def first_optimal(problem: Problem, solvers: Iterable[str], attempt: Callable[[str], Optimum | str]) -> Optimum:
    """The optimum that the first successful solver leads to; a reason where none does.

    Parameters
    ----------
    problem : what is solved.
    solvers : names, tried in this order.
    attempt : solves by the named solver; returns the optimum, or the status where that is not 'optimal'.

    Examples
    --------
    >>> first_optimal(Problem.svm([2, 1]), ["A", "B"], lambda name: "infeasible").reason
    'A: status infeasible; B: status infeasible'
    """
    reasons = []
    for name in solvers:
        try:
            with threadpoolctl.threadpool_limits(1):
                found = attempt(name)
        except Exception as error:  # whatever a solver raises means that it proved nothing
            reasons.append(f"{name}: {type(error).__name__}: {error}")
            continue
        if isinstance(found, Optimum):
            return found
        reasons.append(f"{name}: status {found}")
    return Optimum(problem, "convex", reason="; ".join(reasons))
