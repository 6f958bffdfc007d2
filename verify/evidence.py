"""Collect what the routes find for one claim and turn it into verdicts; never rounded up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import sympy as sp

from theory.problem import Problem
from verify.judge import Finding
from verify.schemas import RouteResult, Verdict

__all__ = ["LEVEL", "RANK", "Tally", "agreement", "claim_verdict", "significant"]

LEVEL: dict[str, Verdict] = {
    "symbolic": "proved",
    "enclosure": "enclosed",
    "exact": "certified",
    "nonconvex": "agrees",
    "convex": "agrees",
}
"""The most that a route's evidence can say."""

RANK = {"proved": 4, "enclosed": 3, "certified": 2, "agrees": 1, "undecided": 0}


@dataclass
class Tally:
    """Findings of one route for one claim.

    A configuration is decided when nothing is missing and every relation with content on it holds; configurations
    exactly at a threshold are counted apart (``ties``), because a gap cannot decide them. ``held`` and ``open`` tell
    where which side of a relation (dead or alive; empty for comparisons) held, and what was read but not decided.
    A finite set of scales proves no limit: with ``limit`` the evidence is ``agrees`` at most. ``relies_on`` are
    claims that the one under examination rests on, or itself: then the route is no evidence. ``starts`` and ``hits``
    count random starts of a descent and those that ended at its best value. ``violated`` are problems that refute,
    the smallest last, ``wrong`` is the residual there; ``suspicion`` says why they do not.
    """

    route: str
    limit: bool = False
    configurations: int = 0
    decided: int = 0
    ties: int = 0
    ties_decided: int = 0
    error: float | None = None
    radius: float | None = None
    worst: Problem | None = None
    held: dict[tuple[int, str], set[Problem]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    values: dict[tuple[Problem, int, int], float] = field(default_factory=dict)
    starts: int = 0
    hits: int = 0
    seconds: float = 0.0
    violated: list[Problem] = field(default_factory=list)
    wrong: float = 0.0
    suspicion: str = ""
    crashed: str = ""
    uses: frozenset[str] = frozenset()
    relies_on: frozenset[str] = frozenset()

    def add(self, problem: Problem, findings: list[Finding], reason: str = "") -> None:
        """Count the findings of one configuration; ``reason`` is why the route has nothing to show."""
        ties = [f for f in findings if f.tie]
        self.ties += bool(ties)
        self.ties_decided += bool(ties) and all(f.outcome == "holds" for f in ties)
        self.violate(problem, findings)
        rest = [f for f in findings if not f.tie]
        undecided = [f for f in rest if f.outcome == "undecided"]
        reasons = [f.reason.split(":")[0] for f in undecided] + [reason]
        self.reasons.update(list(dict.fromkeys(filter(None, reasons))))  # once each, in an order that repeats
        if rest or reason:
            self.configurations += 1
            self.decided += not undecided and not reason
        self.open |= {f.relation for f in undecided}
        times: Counter[int] = Counter()
        for finding in rest:
            times[finding.relation] += 1
            if finding.outcome == "holds":
                self._hold(problem, finding, times[finding.relation])

    def violate(self, problem: Problem, findings: Iterable[Finding]) -> None:
        """Take down a problem on which some relation is violated, and the residual there."""
        errors = [f.error for f in findings if f.outcome == "violated"]
        if errors:
            self.violated.append(problem)
            self.wrong = max(errors)

    def _hold(self, problem: Problem, finding: Finding, position: int) -> None:
        side = finding.predicted if finding.state else ""
        self.held.setdefault((finding.relation, side), set()).add(problem)
        if finding.value is not None:
            self.values[problem, finding.relation, position] = finding.value
        if self.error is None or finding.error > self.error:
            self.error, self.worst = finding.error, problem
        self.radius = max(self.radius or 0.0, finding.radius)

    def verdict(self) -> tuple[Verdict, str]:
        """Verdict of this route and the reason behind it."""
        if self.crashed:
            return "error", self.crashed
        if self.suspicion:
            return "undecided", self.suspicion
        if self.violated:
            return "refuted", "a configuration inside the hypotheses violates the statement"
        why = ", ".join(f"{reason} ({count}x)" for reason, count in self.reasons.most_common(2))
        if self.decided == 0:
            return "undecided", why or "nothing to observe on the configurations tried"
        if self.relies_on:
            return "undecided", f"no evidence: the route relies on {', '.join(sorted(self.relies_on))}"
        if self.route == "enclosure" and self.decided < self.configurations:
            return "undecided", f"{self.configurations - self.decided} of {self.configurations} undecided: {why}"
        level: Verdict = "agrees" if self.limit else LEVEL[self.route]
        return level, why and f"{self.configurations - self.decided} undecided: {why}"

    def result(self) -> RouteResult:
        """Row of the report."""
        verdict, reason = self.verdict()
        worst, error = self.worst, self.error
        if self.violated:  # not where the residual was largest while it held
            worst, error = self.violated[-1], max(self.wrong, self.error or 0.0)
        return RouteResult(
            verdict=verdict,
            configurations=self.configurations,
            decided=self.decided,
            max_error=significant(error),
            radius=significant(self.radius),
            worst=worst.canonical() if worst else None,
            uses=sorted(self.uses),
            starts=self.starts or None,
            hits=self.hits if self.starts else None,
            reason=reason,
            seconds=round(self.seconds, 3),
        )


def significant(value: float | None) -> float | None:
    """Two digits: errors are only known to their order of magnitude.

    Examples
    --------
    >>> significant(1.23456e-9)
    1.2e-09
    """
    return None if value is None else float(f"{value:.1e}")


def agreement(tallies: Iterable[Tally]) -> dict[str, float]:
    """Largest scaled difference of what each pair of routes observed on the configurations both decided."""
    table = {}
    for one, two in combinations(tallies, 2):
        shared = one.values.keys() & two.values.keys()
        if shared:
            worst = max(abs(one.values[k] - two.values[k]) / max(1.0, abs(one.values[k])) for k in shared)
            table[f"{one.route}~{two.route}"] = significant(worst) or 0.0
    return table


def claim_verdict(
    routes: Mapping[str, RouteResult], tallies: Mapping[str, Tally], relations: Sequence[object] = ()
) -> tuple[Verdict, str]:
    """Verdict of a claim from its routes.

    ``refuted`` if a violation stands; else ``error`` or ``timeout`` if a route ended so; ``undecided`` while a route
    sees a violation that nothing confirms; ``vacuous`` when some relation had no content, or a state was never met on
    both sides; ``proved``; else what every relation reaches: the strongest route that decided it. ``agrees`` needs two
    routes with disjoint ``uses`` on one configuration.

    Parameters
    ----------
    routes : results by route name.
    tallies : what the solving routes found.
    relations : of the claim.

    Examples
    --------
    >>> row = RouteResult(verdict="agrees", configurations=3, decided=3, max_error=0.0, radius=0.0, worst=None,
    ...                   uses=[], reason="", seconds=0.0)
    >>> tally, relation = Tally("convex", held={(0, ""): {Problem.ce([2, 1], "0.1")}}), sp.Symbol("p") < 1
    >>> claim_verdict({"convex": row}, {"convex": tally}, [relation])[0]
    'undecided'
    >>> claim_verdict({"convex": row, "nonconvex": row}, {"convex": tally, "nonconvex": tally}, [relation])[0]
    'agrees'
    """
    for bad in ("refuted", "error", "timeout"):
        for name, row in routes.items():
            if row.verdict == bad:
                return row.verdict, f"{name}: {row.reason}"
    for tally in tallies.values():
        if tally.suspicion:
            return "undecided", tally.suspicion
    parts = [(i, side) for i, r in enumerate(relations) for side in _sides(r)] if tallies else []
    opened = set().union(*(tally.open for tally in tallies.values()))
    for index, side in parts:
        if index not in opened and not any((index, side) in tally.held for tally in tallies.values()):
            return "vacuous", f"no configuration exercises {_name(index, side)}"
    if any(row.verdict == "proved" for row in routes.values()):
        return "proved", ""
    levels = [_level(part, routes, tallies) for part in parts]
    weakest: Verdict = min(levels, key=RANK.__getitem__, default="undecided")
    if weakest != "undecided":
        return weakest, ""
    reasons = "; ".join(f"{name}: {row.reason}" for name, row in routes.items() if row.reason)
    if all(row.verdict == "undecided" for row in routes.values()) and reasons:
        return "undecided", reasons
    named = [_name(*part) for part, level in zip(parts, levels, strict=True) if level == "undecided"]
    return "undecided", f"fewer than two independent routes decide {', '.join(named)}" if named else reasons


def _name(index: int, side: str) -> str:
    return f"relation {index + 1}" + (f" where it says {side}" if side else "")


def _sides(relation: object) -> tuple[str, ...]:
    return ("dead", "alive") if isinstance(relation, sp.Equivalent) else ("",)


def _level(part: tuple[int, str], routes: Mapping[str, RouteResult], tallies: Mapping[str, Tally]) -> Verdict:
    """What the routes together say about one side of one relation."""
    speaking = [name for name, tally in tallies.items() if RANK.get(routes[name].verdict, 0) and part in tally.held]
    best: Verdict = max((routes[name].verdict for name in speaking), key=RANK.__getitem__, default="undecided")
    if best != "agrees":
        return best
    for one, two in combinations(speaking, 2):
        shared = tallies[one].held[part] & tallies[two].held[part]
        if shared and set(routes[one].uses).isdisjoint(routes[two].uses):
            return "agrees"
    return "undecided"
