"""Model ``ce-relu`` without H >= 0 is a convex program: a lower bound (DA24-18), completed by a second descent.

The descent is a truncated Newton method under H >= 0, so that ends of route ``nonconvex`` can be compared with its own.
"""

from __future__ import annotations

from dataclasses import replace

import threadpoolctl
from flint import arb

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.routes import convex
from verify.routes.relu_nonconvex import descents

__all__ = ["solve"]

REASON = "the nuclear-norm program ignores H >= 0 (DA24-18): a lower bound only"
STARTS, LARGEST = 3, 4
BITS = 128


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """Lower bound from the nuclear-norm program, and where truncated Newton descents end (route ``convex``).

    Parameters
    ----------
    problem : model ``ce-relu`` with at most 12 classes (4 for the descent); any bias.
    seed : of the random starts of the descent.
    avoid : as for :func:`verify.routes.convex.solve`.

    Returns
    -------
    Optimum
        No upper bound: the gap of the relaxation says nothing. ``facts["descent"]`` is the best end, ``work`` has the
        statistics of :func:`verify.routes.relu_nonconvex.descents`.

    Examples
    --------
    >>> optimum = solve(Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu"))
    >>> optimum.lower.str(6, radius=False), optimum.facts["descent"].str(6, radius=False), optimum.upper
    ('0.370222', '0.424770', None)
    """
    found = convex.solve(replace(problem, model="ce"), seed=seed, avoid=avoid)
    reason = REASON if found.lower is not None else found.reason
    relaxed = Optimum(problem, "convex", lower=found.lower, reason=reason, work=found.work)
    if problem.K > LARGEST:
        return relaxed
    try:
        with threadpoolctl.threadpool_limits(1), precision(BITS):
            _, value, _, work = descents(problem, seed, STARTS, "TNC")
    except (ArithmeticError, ValueError):
        return relaxed
    return replace(relaxed, reason="", facts={"descent": arb(value)}, work=found.work | work)
