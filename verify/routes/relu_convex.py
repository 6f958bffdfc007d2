"""Model ``ce-relu`` without H >= 0 is a convex program: a lower bound, and no more (DA24-18)."""

from __future__ import annotations

from dataclasses import replace

from theory.optimum import Optimum
from theory.problem import Problem
from verify.routes import convex

__all__ = ["solve"]

REASON = "the nuclear-norm program ignores H >= 0 (DA24-18): a lower bound only"


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """Lower bound from the nuclear-norm program (route ``convex``).

    Parameters
    ----------
    problem : model ``ce-relu`` with at most 12 classes; any bias.
    seed, avoid : as for :func:`verify.routes.convex.solve`.

    Examples
    --------
    >>> optimum = solve(Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu"))
    >>> optimum.lower.str(6, radius=False), optimum.logits
    ('0.370222', None)
    """
    found = convex.solve(replace(problem, model="ce"), seed=seed, avoid=avoid)
    reason = REASON if found.lower is not None else found.reason
    return Optimum(problem, "convex", lower=found.lower, reason=reason, work=found.work)
