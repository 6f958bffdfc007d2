"""Collect what the routes find for one claim and turn it into verdicts; never rounded up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

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

    A configuration is decided when every relation with content on it holds; configurations exactly at a
    threshold are counted apart (``ties``), because a gap cannot decide them. A finite set of scales proves no
    limit: with ``limit`` the evidence is ``agrees`` at most. ``relies_on`` are claims that the one under
    examination rests on, or itself: then the route is no evidence.
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
    exercised: set[int] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    values: dict[tuple[Problem, int, int], float] = field(default_factory=dict)
    seconds: float = 0.0
    violated: bool = False
    crashed: str = ""
    uses: frozenset[str] = frozenset()
    relies_on: frozenset[str] = frozenset()

    def add(self, problem: Problem, findings: list[Finding], reason: str = "") -> None:
        """Count the findings of one configuration; ``reason`` is why the route has nothing to show."""
        ties = [f for f in findings if f.tie]
        self.ties += bool(ties)
        self.ties_decided += bool(ties) and all(f.outcome == "holds" for f in ties)
        rest = [f for f in findings if not f.tie]
        if not rest:
            self.reasons.update({reason} - {""})
            return
        self.configurations += 1
        self.exercised |= {f.relation for f in rest}
        self.violated |= any(f.outcome == "violated" for f in findings)
        undecided = [f for f in rest if f.outcome == "undecided"]
        self.reasons.update({f.reason.split(":")[0] for f in undecided if f.reason})
        held = [f for f in rest if f.outcome == "holds"]
        self.decided += not undecided
        for position, finding in enumerate(held):
            if finding.value is not None:
                self.values[problem, finding.relation, position] = finding.value
            if self.error is None or finding.error > self.error:
                self.error, self.worst = finding.error, problem
            self.radius = max(self.radius or 0.0, finding.radius)

    def verdict(self) -> tuple[Verdict, str]:
        """Verdict of this route and the reason behind it."""
        if self.crashed:
            return "error", self.crashed
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
        return RouteResult(
            verdict=verdict,
            configurations=self.configurations,
            decided=self.decided,
            max_error=significant(self.error),
            radius=significant(self.radius),
            worst=self.worst.canonical() if self.worst else None,
            uses=sorted(self.uses),
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


def claim_verdict(routes: Mapping[str, RouteResult], exercised: bool) -> tuple[Verdict, str]:
    """Verdict of a claim from its routes.

    ``refuted`` if any route refutes it; else ``error`` if a route crashed; ``vacuous`` when some relation was
    never exercised; else the strongest route. ``agrees`` needs two routes with disjoint ``uses``.

    Parameters
    ----------
    routes : results by route name.
    exercised : whether every relation had content on some configuration.

    Examples
    --------
    >>> row = RouteResult(verdict="agrees", configurations=3, decided=3, max_error=0.0, radius=0.0, worst=None,
    ...                   uses=[], reason="", seconds=0.0)
    >>> claim_verdict({"convex": row}, exercised=True)[0]
    'undecided'
    >>> claim_verdict({"convex": row, "nonconvex": row}, exercised=True)[0]
    'agrees'
    """
    for bad in ("refuted", "error", "timeout"):
        for name, row in routes.items():
            if row.verdict == bad:
                return row.verdict, f"{name}: {row.reason}"
    if not exercised:
        return "vacuous", "some part of the statement was never exercised by any configuration"
    verdicts: list[Verdict] = [row.verdict for row in routes.values()]
    best: Verdict = max(verdicts, key=RANK.__getitem__, default="undecided")
    if best != "agrees":
        return best, "" if best != "undecided" else "; ".join(f"{n}: {r.reason}" for n, r in routes.items() if r.reason)
    speaking = [set(row.uses) for row in routes.values() if row.verdict == "agrees"]
    if any(one.isdisjoint(two) for one, two in combinations(speaking, 2)):
        return "agrees", ""
    return "undecided", "only one independent route decides it"
