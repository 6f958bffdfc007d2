"""Independent ways to obtain the optimum: each module has ``solve(problem, *, seed, avoid) -> Optimum``.

Model ``ce`` is solved by the module named like the route, every other by a module with its prefix.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

from theory.optimum import Optimum
from theory.problem import Problem
from verify.counts import InputError
from verify.digits import DIGITS

__all__ = ["COSTLY", "PREFIXES", "SOLVERS", "certify", "enclose", "solve"]

SOLVERS = ("enclosure", "exact", "nonconvex", "convex")
"""Routes that solve, strongest evidence first; the symbolic route checks derivations instead."""

COSTLY = frozenset({"convex", "nonconvex"})
"""Routes that see only a part of the drawn configurations, and only small ones."""

PREFIXES = {
    "ce": "",
    "ce-deep": "deep_",
    "ce-relu": "relu_",
    "mse": "mse_",
    "uf-svm": "svm_",
    "layer-peeled": "peeled_",
    "ce-sphere": "sphere_",
    "loss": "loss_",
}
"""Prefix of the modules of a model, by :attr:`theory.problem.Problem.key`."""


@lru_cache(maxsize=4096)
def solve(route: str, problem: Problem, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """Optimum of a problem by one route, remembered within the process.

    Parameters
    ----------
    route : a name in :data:`SOLVERS`.
    problem : the problem.
    seed : seed of random starts.
    avoid : claim IDs the route must not rely on.
    """
    module = import_module(f"verify.routes.{PREFIXES[problem.key]}{route}")
    return module.solve(problem, seed=seed, avoid=avoid)  # type: ignore[no-any-return]


def certify(problem: Problem, digits: int = DIGITS) -> tuple[dict[str, Any], Any]:
    """Certificate of a problem and the kernel's outcome.

    Parameters
    ----------
    problem : the problem.
    digits : the relative width of the bounds is about ``10**-digits`` where the proposer of the model reaches that.

    Raises
    ------
    ValueError
        If the kernel accepts no certificate; an :class:`~verify.counts.InputError` where it has too many groups.
    """
    return _enclosure(problem).certify(problem, digits)  # type: ignore[no-any-return]


def enclose(problem: Problem, digits: int = DIGITS) -> Optimum:
    """What route *enclosure* says from a certificate of so many digits; not remembered."""
    return _enclosure(problem).solve(problem, digits=digits)  # type: ignore[no-any-return]


def _enclosure(problem: Problem) -> ModuleType:
    """Module of the route, for a problem that the kernel does not refuse for its size."""
    from verify.kernel import MAX_GROUPS

    sphere, peeled = problem.key == "ce-sphere", problem.key == "layer-peeled"
    kinds = {c.size * c.weight for c in problem.clusters} if peeled else problem.clusters
    count, what = (problem.K, "vectors") if sphere else (len(kinds), "masses" if peeled else "(size, weight) pairs")
    if count > MAX_GROUPS:
        raise InputError(f"{count} different {what} are given, the kernel accepts at most {MAX_GROUPS}")
    return import_module(f"verify.routes.{PREFIXES[problem.key]}enclosure")
