"""Judge one configuration: the kernel first, what it leaves open in floats; nothing is refuted on one floating word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from theory.claim import Claim
from theory.problem import Problem
from verify.findings import findings_for, optimum_for
from verify.hunt.margins import look
from verify.judge import Finding
from verify.standing import MOST_CLASSES, Suspicion, heard, standing

__all__ = ["LIMIT", "Examined", "Outcome", "Target", "examine"]

Outcome = Literal["holds", "undecided", "nothing", "violated", "suspect", "contradicted", "error", "timeout"]
"""``suspect``: a floating route sees a violation and nothing confirms it; ``contradicted``: the kernel proves that
route wrong; ``nothing``: the claim reads nothing here. Only ``holds`` is a pass."""

LIMIT = 30.0
"""Seconds for one configuration."""


@dataclass(frozen=True)
class Target:
    """A claim under attack, the seed of the routes, and the claims that they must not rely on."""

    claim: Claim
    seed: int = 0
    avoid: frozenset[str] = frozenset()

    def findings(self, problem: Problem, route: str) -> list[Finding]:
        """What one route says."""
        return findings_for(self.claim, problem, route, self.seed, self.avoid)


@dataclass(frozen=True)
class Examined:
    """What is known about one configuration.

    Attributes
    ----------
    outcome : see :data:`Outcome`.
    margin : how close it is to a violation, see :mod:`verify.hunt.margins`.
    finding, route : the violated relation and who confirmed it, or the suspicion and who has it.
    reason : why it ended so, where that needs a word.
    relations : where it holds, the relations that were read here.
    """

    outcome: Outcome
    margin: float | None = None
    finding: Finding | None = None
    route: str = ""
    reason: str = ""
    relations: frozenset[int] = frozenset()


def examine(target: Target, problem: Problem, *, compare: bool = False) -> Examined:
    """Judge a configuration by the kernel and, where that leaves something open, in floats.

    Parameters
    ----------
    target : the claim.
    problem : inside its hypotheses.
    compare : ask the floating route in any case, and a descent where both leave it open: what it holds is no pass.

    Examples
    --------
    >>> from verify.registry import load
    >>> target = Target(load()["HL23-04"], 0, frozenset({"HL23-04"}))
    >>> examine(target, Problem.ce([(9, 2), (4, 2)], 1).at(4)).outcome
    'holds'
    """
    said, failed = _said(target, problem, compare)
    suspicions = _suspicions(said)
    margin: float | None = None
    try:
        margin = _margin(target, problem, said)
    except Exception as error:
        failed = failed or _words(error)
    if compare and not failed and not suspicions and not _settled(said) and problem.K <= MOST_CLASSES:
        suspicions = _suspicions({"nonconvex": heard(lambda route: target.findings(problem, route), "nonconvex")})
    if suspicions:
        return confirm(target, problem, suspicions, margin)
    if failed:
        return Examined("error", reason=failed)
    if not any(said.values()):
        return Examined("nothing", margin)
    if not _settled(said):
        return Examined("undecided", margin)
    return Examined("holds", margin, relations=frozenset(f.relation for findings in said.values() for f in findings))


def _said(target: Target, problem: Problem, compare: bool) -> tuple[dict[str, list[Finding]], str]:
    """What the kernel says, and the floating route where that leaves something open; and the first failure, in words.

    A crash of a route or of a claim's reader is an outcome, not a crash of the hunt, and hides no violation that the
    other route sees.
    """
    said: dict[str, list[Finding]] = {}
    failed = ""
    for route in ("enclosure", "exact"):
        if compare or not _settled(said):
            try:
                said[route] = target.findings(problem, route)
            except Exception as error:
                failed = failed or _words(error)
    return said, failed


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _suspicions(said: dict[str, list[Finding]]) -> list[Suspicion]:
    """Every relation that is seen violated, with the first route that sees it."""
    found: dict[int, Suspicion] = {}
    for route, findings in said.items():
        for finding in findings:
            if finding.outcome == "violated":
                found.setdefault(finding.relation, (finding, route))
    return list(found.values())


def _settled(said: dict[str, list[Finding]]) -> bool:
    """Whether every relation with content is decided everywhere by some route."""
    relations = {f.relation for findings in said.values() for f in findings}
    return bool(relations) and all(any(_holds(said, route, index) for route in said) for index in relations)


def _holds(said: dict[str, list[Finding]], route: str, relation: int) -> bool:
    """Whether a relation holds wherever a route reads it, which is in no fewer places than the kernel does."""
    outcomes = [f.outcome for f in said[route] if f.relation == relation]
    places = sum(f.relation == relation for f in said.get("enclosure", ()))
    return set(outcomes) == {"holds"} and len(outcomes) >= places


def _margin(target: Target, problem: Problem, said: dict[str, list[Finding]]) -> float | None:
    for route in said:
        seen = look(target.claim, problem, route, target.seed, target.avoid)
        if seen.margin is not None:
            return seen.margin
    return None


def confirm(target: Target, problem: Problem, suspicions: Sequence[Suspicion], margin: float | None = None) -> Examined:
    """Decide whether violations that routes see stand (:func:`verify.standing.standing`); the margin is passed on."""

    def uses(route: str) -> frozenset[str]:
        return optimum_for(target.claim, problem, route, target.seed, target.avoid).uses

    found = standing(target.claim, problem, suspicions, lambda route: target.findings(problem, route), uses)
    return Examined(found.outcome, margin, found.finding, found.route, found.reason)
