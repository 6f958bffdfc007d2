"""What a route says about a claim on one configuration: solve, read, judge; each step is remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

from theory.claim import Claim, Reading
from theory.optimum import Optimum
from theory.problem import Problem
from verify import models
from verify.balls import Undecided, precision
from verify.judge import LIMIT_SCALES, Finding, ReadingError, judge, judge_limit, observe
from verify.routes import SOLVERS, solve
from verify.routes.limits import solve_at_scale
from verify.thresholds import thresholds
from verify.watch import watched

__all__ = ["BITS", "LIMIT_BITS", "findings_for", "observed", "optimum_for", "routes_of"]

Along = Callable[[Problem, int], Problem] | None
Companions = Callable[[Problem], tuple[Problem, ...]] | None

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
            findings = judge(claim.relations, observed(claim, problem, route, seed, avoid), route)
        open_states = any(f.state and f.outcome == "undecided" for f in findings)
        return _as_ties(findings) if open_states and _at_threshold(problem) else findings
    with precision(LIMIT_BITS):
        scales = [observed(claim, problem, route, seed, avoid, scale) for scale in LIMIT_SCALES]
        return judge_limit(claim.relations, scales)


def _at_threshold(problem: Problem) -> bool:
    """Whether the problem lies exactly on a threshold of any kind: there a gap need not decide any state."""
    model = models.of(problem.key)
    if model is not None:
        return model.at_threshold(problem)
    return any(t.x2 == (problem.x2, problem.x2) for t in thresholds(problem, 20))


def _as_ties(findings: Iterable[Finding]) -> list[Finding]:
    return [replace(f, tie=True) if f.state and f.outcome == "undecided" else f for f in findings]


def observed(
    claim: Claim, problem: Problem, route: str, seed: int, avoid: frozenset[str], scale: int = LIMIT_SCALES[0]
) -> list[Reading | Undecided]:
    """Readings of the optimum that a claim looks at; the claim and its mutants share them."""
    return _readings(claim.read, claim.along, claim.companions, problem, route, seed, avoid, scale)


@lru_cache(maxsize=1024)
def _readings(
    read: Callable[[Optimum], Iterable[Reading]] | None,
    along: Along,
    companions: Companions,
    problem: Problem,
    route: str,
    seed: int,
    avoid: frozenset[str],
    scale: int,
) -> list[Reading | Undecided]:
    if read is None:
        return []
    optimum = _optimum(along, companions, problem, route, seed, avoid, scale)
    try:
        return observe(read, optimum)
    except ReadingError:
        raise
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        if missing := _unknown(read, optimum):
            why = f" ({optimum.reason})" if optimum.reason else ""
            raise ValueError(f"the reader needs {missing}, which route {route} does not know here{why}") from error
        raise


def _unknown(read: Callable[[Optimum], Iterable[Reading]], optimum: Optimum) -> str:
    """Of what a failing reader asked for, the last that is not known."""
    seen: list[tuple[str, Any]] = []
    with suppress(TypeError, AttributeError, KeyError, ValueError):  # it fails as before
        for _ in read(watched(optimum, seen)):
            pass
    return next((name for name, value in reversed(seen) if value is None), "")


def optimum_for(
    claim: Claim, problem: Problem, route: str, seed: int, avoid: frozenset[str], scale: int = LIMIT_SCALES[0]
) -> Optimum:
    """The optimum that a claim looks at, with its companions; at scale L for a limit claim."""
    return _optimum(claim.along, claim.companions, problem, route, seed, avoid, scale)


def _optimum(
    along: Along,
    companions: Companions,
    problem: Problem,
    route: str,
    seed: int,
    avoid: frozenset[str],
    scale: int,
) -> Optimum:
    def find(wanted: Problem) -> Optimum:
        return solve(route, wanted, seed, avoid) if along is None else solve_at_scale(route, wanted, scale)

    wanted = problem if along is None else along(problem, scale)
    optimum = find(wanted)
    if companions is None:
        return optimum
    others = tuple(find(other) for other in companions(wanted))
    return replace(optimum, companions=others, uses=optimum.uses.union(*(other.uses for other in others)))
