"""What a route says about a claim on one configuration: solve, read, judge; each step is remembered."""

from __future__ import annotations

from collections.abc import Hashable

from theory.claim import Claim, Reading
from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import Undecided, precision
from verify.judge import LIMIT_SCALES, Finding, judge, judge_limit, observe
from verify.routes import SOLVERS, solve

__all__ = ["LIMIT_BITS", "findings_for", "optimum_for", "routes_of"]

BITS = 320
"""Working precision of readings (the kernel chooses its own)."""

LIMIT_ROUTES = ("enclosure", "exact")
LIMIT_BITS = 4096


def routes_of(claim: Claim) -> tuple[str, ...]:
    """Solving routes that apply to a claim; only two of them reach the scales of a limit."""
    return SOLVERS if claim.along is None else LIMIT_ROUTES


def findings_for(claim: Claim, problem: Problem, route: str, seed: int, avoid: frozenset[str]) -> list[Finding]:
    """What one route says about one configuration of a claim."""
    if claim.along is None:
        with precision(BITS):
            return judge(claim.relations, _observed(claim, problem, route, seed, avoid), route)
    with precision(LIMIT_BITS):
        scales = [_observed(claim, problem, route, seed, avoid, scale) for scale in LIMIT_SCALES]
        return judge_limit(claim.relations, scales)


_memory: dict[Hashable, list[Reading | Undecided]] = {}


def _observed(
    claim: Claim, problem: Problem, route: str, seed: int, avoid: frozenset[str], scale: int = LIMIT_SCALES[0]
) -> list[Reading | Undecided]:
    """Readings, remembered within the process: a claim and its mutants read the same optima."""
    key = (claim.read, claim.along, problem, route, seed, avoid, scale)
    if key not in _memory:
        _memory[key] = observe(claim, optimum_for(claim, problem, route, seed, avoid, scale))
    return _memory[key]


def optimum_for(
    claim: Claim, problem: Problem, route: str, seed: int, avoid: frozenset[str], scale: int = LIMIT_SCALES[0]
) -> Optimum:
    """The optimum that a claim looks at: of the problem, or of the problem at scale L for a limit claim."""
    if claim.along is None:
        return solve(route, problem, seed, avoid)
    from verify.routes.limits import solve_at_scale

    return solve_at_scale(route, claim.along(problem, scale), scale)
