"""Whether a violation that some route sees refutes a claim: the one standard of ``verify run`` and ``verify hunt``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from theory.claim import Claim
from theory.problem import Problem
from verify.findings import routes_of
from verify.judge import Finding
from verify.routes import COSTLY

__all__ = ["MOST_CLASSES", "Standing", "Suspicion", "heard", "standing"]

MOST_CLASSES = 12
"""Most classes for which costly routes are asked to confirm."""

Suspicion = tuple[Finding, str]
"""A violated relation and the route that saw it."""
Ask = Callable[[str], list[Finding]]
Uses = Callable[[str], frozenset[str]]


@dataclass(frozen=True)
class Standing:
    """What becomes of a violation.

    Attributes
    ----------
    outcome : ``violated``: it refutes the claim; ``contradicted``: the kernel proves the route wrong that sees it;
        ``suspect``: nothing confirms it.
    finding, route : the violated relation and who bears it out, or the suspicion and who has it.
    reason : why it refutes nothing.
    """

    outcome: Literal["violated", "contradicted", "suspect"]
    finding: Finding
    route: str
    reason: str = ""


def standing(
    claim: Claim, problem: Problem, suspicions: Sequence[Suspicion], ask: Ask, uses: Uses, kernel: bool = True
) -> Standing:
    """Decide whether one of the violations that routes see at a configuration stands; the first that does.

    A violation stands when the kernel sees it; where the kernel decides nothing, when it was decided in exact
    arithmetic (``Finding.exact``), when two routes with disjoint ``uses`` see it, or when the kernel accepts a
    refutation of the claim there.

    Parameters
    ----------
    claim, problem : the claim and the configuration.
    suspicions : violated relations, each with the route that saw it; at least one.
    ask : what a route says about the configuration. A route that fails confirms nothing.
    uses : the claims that a route relies on there.
    kernel : whether the kernel's word counts.

    Examples
    --------
    >>> from verify.registry import load
    >>> claim, problem = load()["HL23-04"], Problem.ce([(9, 2), (4, 2)], "1/30")
    >>> wrong = Finding(0, "violated")
    >>> said = {"exact": [wrong], "convex": [wrong]}
    >>> for uses in (frozenset(), frozenset({"X-1"})):
    ...     standing(claim, problem, [(wrong, "exact")], lambda route: said.get(route, []), lambda route: uses).outcome
    'violated'
    'suspect'
    """
    proved = heard(ask, "enclosure") if kernel else []
    found = [_by_kernel(suspicion, proved, ask) for suspicion in suspicions]
    if all(one is None or one.outcome == "contradicted" for one in found) and None in found:
        said = {route: heard(ask, route) for route in _affordable(claim, problem)}
        found = [one or _by_routes(suspicion, said, uses) for suspicion, one in zip(suspicions, found, strict=True)]
    answers = sorted(filter(None, found), key=lambda one: ("violated", "suspect", "contradicted").index(one.outcome))
    if kernel and answers[0].outcome == "suspect" and _has_refutation(claim, problem):
        return Standing("violated", answers[0].finding, answers[0].route)
    return answers[0]


def _by_kernel(suspicion: Suspicion, proved: list[Finding], ask: Ask) -> Standing | None:
    """What the kernel says about a relation; None where it leaves that open, or reads it in fewer places."""
    finding, first = suspicion
    here = [f for f in proved if f.relation == finding.relation]
    if (seen := _violated(here, finding.relation)) is not None:
        return Standing("violated", seen, "enclosure")
    if not here or any(f.outcome != "holds" for f in here):
        return None
    if len(here) >= sum(f.relation == finding.relation for f in heard(ask, first)):
        return Standing("contradicted", finding, first, f"{_seen(suspicion)}, the kernel proves that it holds")
    return None


def _by_routes(suspicion: Suspicion, said: Mapping[str, list[Finding]], uses: Uses) -> Standing:
    """What the other routes together say about a relation that the kernel leaves open."""
    finding, first = suspicion
    witnesses = {route: seen for route in said if (seen := _violated(said[route], finding.relation)) is not None}
    relied = {route: uses(route) for route in witnesses}
    for route, seen in witnesses.items():
        if seen.exact or any(route != other and not relied[route] & relied[other] for other in witnesses):
            return Standing("violated", seen, route)
    return Standing("suspect", finding, first, f"{_seen(suspicion)}, no independent route confirms it")


def _seen(suspicion: Suspicion) -> str:
    return f"route {suspicion[1]} sees a violation of relation {suspicion[0].relation + 1}"


def _affordable(claim: Claim, problem: Problem) -> list[str]:
    """Routes beside the kernel that can be asked to confirm."""
    return [r for r in routes_of(claim) if r != "enclosure" and (r not in COSTLY or problem.K <= MOST_CLASSES)]


def heard(ask: Ask, route: str) -> list[Finding]:
    """What a route says; nothing where it, or the claim's reader on it, fails."""
    try:
        return ask(route)
    except Exception:  # whatever fails confirms nothing
        return []


def _violated(findings: list[Finding], relation: int) -> Finding | None:
    """The violation of a relation, the exact one if there is any."""
    found = [f for f in findings if f.outcome == "violated" and f.relation == relation]
    return max(found, key=lambda f: f.exact, default=None)


def _has_refutation(claim: Claim, problem: Problem) -> bool:
    """Whether the kernel accepts a file that refutes the claim at a problem."""
    from verify.refute import refutation

    try:
        return bool(refutation(claim, problem))
    except Exception:  # no file, for whatever reason
        return False
