"""Independent ways to obtain the optimum: each module has ``solve(problem, *, seed, avoid) -> Optimum``.

Model ``ce`` is solved by the module named like the route, every other by a module with its prefix.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from theory.optimum import Optimum
from theory.problem import Problem

__all__ = ["COSTLY", "PREFIXES", "SOLVERS", "certify", "solve"]

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


def certify(problem: Problem) -> tuple[dict[str, Any], Any]:
    """Certificate of a problem and the kernel's outcome.

    Raises
    ------
    ValueError
        If the kernel accepts no certificate.
    """
    module = import_module(f"verify.routes.{PREFIXES[problem.key]}enclosure")
    return module.certify(problem)  # type: ignore[no-any-return]
