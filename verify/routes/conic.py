"""One convex solver after the other, until one of them ends optimal."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import threadpoolctl

from theory.optimum import Optimum
from theory.problem import Problem

__all__ = ["first_optimal"]


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
            with threadpoolctl.threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = attempt(name)
        except Exception as error:  # whatever a solver raises means that it proved nothing
            reasons.append(f"{name}: {type(error).__name__}: {error}")
            continue
        if isinstance(found, Optimum):
            return found
        reasons.append(f"{name}: status {found}")
    return Optimum(problem, "convex", reason="; ".join(reasons))
