"""Judge one configuration: the kernel first, what it leaves open in floats; nothing is refuted on one floating word."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from theory.claim import Claim
from theory.problem import Problem
from verify.findings import findings_for, optimum_for, routes_of
from verify.hunt.margins import look
from verify.judge import Finding
from verify.routes import COSTLY

__all__ = ["LIMIT", "Examined", "Outcome", "Overtime", "Target", "examine", "limited"]

Outcome = Literal["holds", "undecided", "nothing", "violated", "suspect", "contradicted", "error", "timeout"]
"""``suspect``: a floating route sees a violation and nothing confirms it; ``contradicted``: the kernel proves that
route wrong; ``nothing``: the claim reads nothing here. Only ``holds`` is a pass."""

LIMIT = 30.0
"""Seconds for one configuration."""
SMALL = 12
"""Most classes for which costly routes are asked to confirm."""


class Overtime(BaseException):
    """A configuration took longer than its limit. No route swallows it: it is not an Exception."""


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
    """

    outcome: Outcome
    margin: float | None = None
    finding: Finding | None = None
    route: str = ""
    reason: str = ""


def examine(target: Target, problem: Problem, *, compare: bool = False) -> Examined:
    """Judge a configuration by the kernel and, where that leaves something open, in floats.

    Parameters
    ----------
    target : the claim.
    problem : inside its hypotheses.
    compare : ask the floating route in any case.

    Examples
    --------
    >>> from verify.registry import load
    >>> target = Target(load()["HL23-04"], 0, frozenset({"HL23-04"}))
    >>> examine(target, Problem.ce([(9, 2), (4, 2)], 1).at(4)).outcome
    'holds'
    """
    try:
        said = {"enclosure": target.findings(problem, "enclosure")}
        if compare or not _settled(said):
            said["exact"] = target.findings(problem, "exact")
        margin = _margin(target, problem, said)
    except Exception as error:  # a crash of a route or of a claim's reader is an outcome, not a crash of the hunt
        return Examined("error", reason=f"{type(error).__name__}: {error}"[:300])
    for route, findings in said.items():
        for finding in findings:
            if finding.outcome == "violated":
                return confirm(target, problem, finding.relation, route, margin)
    if not any(said.values()):
        return Examined("nothing", margin)
    return Examined("holds" if _settled(said) else "undecided", margin)


def _settled(said: dict[str, list[Finding]]) -> bool:
    """Whether every relation with content is decided everywhere by some route."""
    relations = {f.relation for findings in said.values() for f in findings}
    return bool(relations) and all(any(_holds(said[route], index) for route in said) for index in relations)


def _holds(findings: list[Finding], relation: int) -> bool:
    outcomes = {f.outcome for f in findings if f.relation == relation}
    return outcomes == {"holds"}


def _margin(target: Target, problem: Problem, said: dict[str, list[Finding]]) -> float | None:
    for route in said:
        seen = look(target.claim, problem, route, target.seed, target.avoid)
        if seen.margin is not None:
            return seen.margin
    return None


def confirm(target: Target, problem: Problem, relation: int, first: str, margin: float | None = None) -> Examined:
    """Decide whether a violation seen by one route stands.

    It does when the kernel sees it, or where the kernel decides nothing and two routes with disjoint ``uses`` see it.

    Parameters
    ----------
    target, problem : the claim and the configuration.
    relation : index of the violated relation.
    first : the route that saw it.
    margin : passed on.
    """
    proved = [f for f in target.findings(problem, "enclosure") if f.relation == relation]
    seen = _first_violated(proved)
    if seen is not None:
        return Examined("violated", margin, seen, "enclosure")
    suspicion = _first_violated(target.findings(problem, first), relation)
    if _holds(proved, relation):
        why = f"route {first} sees a violation of relation {relation + 1}, the kernel proves that it holds"
        return Examined("contradicted", margin, suspicion, first, why)
    witnesses: list[tuple[str, frozenset[str]]] = []
    for route in routes_of(target.claim):
        if route == "enclosure" or (route in COSTLY and problem.K > SMALL):
            continue
        if _first_violated(target.findings(problem, route), relation) is not None:
            uses = optimum_for(target.claim, problem, route, target.seed, target.avoid).uses
            if any(not uses & others for _, others in witnesses):
                return Examined("violated", margin, suspicion, witnesses[0][0])
            witnesses.append((route, uses))
    why = f"route {first} sees a violation of relation {relation + 1}, no independent route confirms it"
    return Examined("suspect", margin, suspicion, first, why)


def _first_violated(findings: list[Finding], relation: int | None = None) -> Finding | None:
    return next((f for f in findings if f.outcome == "violated" and relation in (None, f.relation)), None)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise :class:`Overtime` inside the block after so many seconds (in the main thread of a POSIX process only).

    Examples
    --------
    >>> import time
    >>> with limited(0.01):
    ...     time.sleep(1)
    Traceback (most recent call last):
        ...
    verify.hunt.attack.Overtime: more than 0.01 s
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: Any) -> None:
        raise Overtime(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
