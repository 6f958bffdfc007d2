"""Optima far outside the range of floats, for statements about L -> infinity.

At scale L some probabilities are e^-L, so a certificate needs about 2 L / log(10) digits beyond those wanted.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from math import ceil, log

from theory.optimum import Optimum
from theory.problem import Problem
from verify.routes import PREFIXES

__all__ = ["solve_at_scale"]

EXTRA_DIGITS = 40


@lru_cache(maxsize=512)
def solve_at_scale(route: str, problem: Problem, scale: int) -> Optimum:
    """Optimum of a two-cluster problem, or of any ReLU problem, at scale L.

    Parameters
    ----------
    route : 'enclosure' (kernel certificate with enough digits) or 'exact' (the scalar equation of HL23-07 in high
        precision, which is an opinion: its radius is that of the arithmetic).
    problem : a problem with exactly two clusters, or of another model (its closed form instead of HL23-07).
    scale : L; some probabilities are about e^-L.
    """
    digits = ceil(2 * scale / log(10)) + EXTRA_DIGITS
    if problem.key not in ("ce", "ce-relu"):
        module = import_module(f"verify.routes.{PREFIXES[problem.key]}{route}")
        return module.solve(problem, digits=digits)  # type: ignore[no-any-return]
    if problem.model == "ce-relu":
        from verify.routes import relu_enclosure, relu_exact

        return relu_enclosure.solve(problem, digits=digits) if route == "enclosure" else relu_exact.solve(problem)
    if route == "enclosure":
        from verify.routes import enclosure

        return enclosure.solve(problem, digits=digits)
    from verify.routes import exact

    try:
        return exact.solve_digits(problem, digits)
    except ValueError as why:
        return Optimum(problem, "exact", reason=str(why))
