"""Mutation testing as a service: every mutant of a claim, what kills it, how small an error the claim detects.

Hand-written mutants, those of :mod:`verify.mutation` and every generic operator of :mod:`verify.operators`. The
strongest route is asked first and everywhere; the costly ones only where it left something open.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sympy as sp
from flint import arb

from theory.claim import Asymptotic, Claim, Mutant, Reading
from theory.problem import Problem
from theory.symbols import dead
from verify.balls import Undecided, ball
from verify.equivalence import LEAST, why_equivalent, why_weaker
from verify.findings import findings_for, observed, optimum_for, routes_of
from verify.judge import NO_VALUE, Finding
from verify.limits import OutOfTime, time_limit
from verify.mutation import LADDER, explained, generic_mutants, moved, probes, root_symbols, sharp_relations
from verify.operators import OPERATORS, operator_mutants
from verify.routes import COSTLY
from verify.sampling import around
from verify.schemas import ClaimMutants, MutantDetail, MutantSummary

__all__ = ["BUDGET", "LIMIT", "every_mutant", "survey"]

BUDGET = 300.0
"""Seconds for one claim."""
LIMIT = 30.0
"""Seconds for one mutant."""
LONGEST = 400
"""Characters of a relation up to which exact algebra is tried."""
MODERATE = 12
"""Most classes for the costly routes."""
UNCOUNTED = ("equivalent", "weaker", "unseen", "explained", "vacuous")
"""Outcomes of mutants that none of our routes could kill."""


def every_mutant(
    claim: Claim, sharp: frozenset[int] | None = None, integers: frozenset[sp.Symbol] = frozenset()
) -> list[Mutant]:
    """Hand-written mutants, then generic ones; of two with the same relations the first.

    Examples
    --------
    >>> from verify.registry import load
    >>> [mutant.operator for mutant in every_mutant(load()["HL23-04"])][::8]
    ['written', 'moved', 'factor', 'swapped symbols']
    """
    found = list(claim.mutants)
    seen: set[Any] = {mutant.relations for mutant in claim.mutants if mutant.relations and mutant.problem is None}
    for mutant in (*generic_mutants(claim, sharp), *operator_mutants(claim, integers)):
        if mutant.relations is None or mutant.relations not in seen:
            found.append(mutant)
            seen.add(mutant.relations)
    return found


def survey(
    claim: Claim,
    *,
    seed: int = 0,
    avoid: frozenset[str] = frozenset(),
    budget: float = BUDGET,
    extra: Sequence[Problem] = (),
) -> ClaimMutants:
    """Try to kill every mutant of a claim, and find the smallest perturbation that it detects.

    Parameters
    ----------
    claim : the claim; it is assumed to hold (a refuted one kills nothing).
    seed : seed of random starts.
    avoid : IDs that routes must not rely on: the claim itself and those related to it.
    budget : seconds for the whole claim; mutants that are not reached, and those that take longer than LIMIT, end as
        ``timeout``, which is no kill.
    extra : problems to try beside witness, settings and the neighbourhood of their thresholds.

    Returns
    -------
    ClaimMutants
        One row per mutant. ``weaker``: the claim implies it, so that nothing can kill it. ``unseen``: it may be false,
        but only where two sides are equal, which balls never show. ``explained``: the claim gives a reason, in words
        that no machine checks. ``vacuous``: the changed formula has no real value at any problem.

    Examples
    --------
    >>> from verify.registry import load
    >>> found = survey(load()["HL23-04"], avoid=frozenset({"HL23-04"}))
    >>> found.mutants.survivors, found.resolution_route
    ([], 'enclosure')
    """
    return _Survey(claim, seed, avoid, time.monotonic() + budget, extra).run()


@dataclass
class _Survey:
    """One claim under examination."""

    claim: Claim
    seed: int
    avoid: frozenset[str]
    deadline: float
    extra: Sequence[Problem]
    fields: list[Problem] = field(default_factory=list)
    drawn: set[Problem] = field(default_factory=set)
    """Problems close to thresholds, which are not for the costly routes."""
    roots: set[sp.Symbol] = field(default_factory=set)

    def run(self) -> ClaimMutants:
        start = time.process_time()
        self.fields = list(dict.fromkeys([*probes(self.claim), *filter(self.claim.applies, self.extra)]))
        self.drawn = set(self.fields) - {self.claim.witness, *self.claim.settings, *self.extra}
        self.roots = root_symbols(self.claim, self.seed, self.avoid)
        rows = [self.judge(mutant) for mutant in self.mutants()]
        resolution, route, certified = self.resolution()
        counted = [row for row in rows if row.outcome not in UNCOUNTED]
        summary = MutantSummary(
            total=len(counted),
            killed=sum(row.outcome == "killed" for row in counted),
            survivors=[row.mutant for row in counted if row.outcome != "killed"],
            details=rows,
            resolution_certificate=certified,
        )
        seconds = round(time.process_time() - start, 3)
        return ClaimMutants(
            id=self.claim.id, mutants=summary, resolution=resolution, resolution_route=route, seconds=seconds
        )

    def mutants(self) -> list[Mutant]:
        sharp = sharp_relations(self.claim, self.fields, self.seed, self.avoid)
        return every_mutant(self.claim, sharp, self.integers())

    def integers(self) -> frozenset[sp.Symbol]:
        """Symbols that stand for whole numbers at the witness."""
        if self.claim.witness is None or self.claim.along is not None:
            return frozenset()
        optimum = optimum_for(self.claim, self.claim.witness, "enclosure", self.seed, self.avoid)
        readings = list(self.claim.readings(optimum))
        return frozenset(s for reading in readings for s, value in reading.items() if isinstance(value, sp.Integer))

    def judge(self, mutant: Mutant) -> MutantDetail:
        """The row of one mutant; a declared reason never hides a kill."""
        row = MutantDetail(mutant=mutant.text, operator=mutant.operator, outcome="timeout")
        left = self.deadline - time.monotonic()
        if mutant.idle and mutant.reason:
            return row.model_copy(update={"outcome": "explained", "reason": mutant.reason})
        if left <= 0:
            return row.model_copy(update={"reason": "not reached within the budget"})
        try:
            with time_limit(min(left, LIMIT)):
                return row.model_copy(update=self.fate(mutant))
        except OutOfTime:
            return row.model_copy(update={"reason": f"stopped after {min(left, LIMIT):.0f} s"})
        except (TypeError, ValueError) as error:
            if mutant.operator not in OPERATORS:  # code of the claim itself
                raise
            return row.model_copy(update={"outcome": "vacuous", "reason": f"no value: {error}"})

    def fate(self, mutant: Mutant) -> dict[str, Any]:
        """Outcome of a mutant and what belongs to it; costly routes are asked last, and only without a proof."""
        wrong = self.claim.mutated(mutant)
        seen: Counter[str] = Counter()
        places = list(dict.fromkeys([*([mutant.problem] if mutant.problem is not None else []), *self.fields]))
        routes = routes_of(self.claim)
        for route in (route for route in routes if route not in COSTLY):
            killer, places = self.attack(wrong, places, route, seen)
            if killer is not None:
                return {"outcome": "killed"} | killer
        if proved := self.proof(mutant):
            return dict(zip(("outcome", "reason"), proved, strict=True))
        for route in (route for route in routes if route in COSTLY):
            killer, places = self.attack(wrong, places, route, seen)
            if killer is not None:
                return {"outcome": "killed"} | killer
        if reason := self.unseen(mutant):
            return {"outcome": "unseen", "reason": reason}
        if why := explained(self.claim, mutant, self.roots):
            return dict(zip(("outcome", "reason"), why, strict=True))
        if set(seen) == {NO_VALUE}:
            return {"outcome": "vacuous", "reason": f"{NO_VALUE} at any configuration"}
        counts = ", ".join(f"{outcome} {count}x" for outcome, count in seen.items())
        return {"outcome": "survived", "reason": counts or "nothing to compare at any configuration"}

    def attack(
        self, wrong: Claim, places: list[Problem], route: str, seen: Counter[str]
    ) -> tuple[dict[str, Any] | None, list[Problem]]:
        """How one route kills a mutant, and the places it leaves to weaker routes; findings are counted in ``seen``."""
        opened = []
        for problem in places:
            if route in COSTLY and (problem.K > MODERATE or problem in self.drawn):
                continue
            findings = findings_for(wrong, problem, route, self.seed, self.avoid)
            violated = next((f for f in findings if f.outcome == "violated"), None)
            if violated is not None:
                return self.kill(wrong, problem, route, violated), []
            outcomes = [NO_VALUE if f.reason == NO_VALUE else f.outcome for f in findings]
            seen.update(outcomes)
            settled = set(outcomes) == {NO_VALUE} or (route == "enclosure" and set(outcomes) == {"holds"})
            if not settled:  # where the strongest route has decided, weaker ones cannot disagree
                opened.append(problem)
        return None, opened

    def kill(self, wrong: Claim, problem: Problem, route: str, violated: Finding) -> dict[str, Any]:
        optimum = optimum_for(wrong, problem, route, self.seed, self.avoid)
        proved = [one.work.get("certificate") is not None for one in (optimum, *optimum.companions)]
        return {
            "route": f"{route}, exactly at the threshold" if violated.tie else route,
            "configuration": problem.canonical(),
            "certificate": route == "enclosure" and all(proved) and not violated.tie,
        }

    def proof(self, mutant: Mutant) -> tuple[str, str] | None:
        """Outcome and reason if exact algebra says that the changed relation is not wrong; None without a proof."""
        if mutant.relations is None or len(mutant.relations) != 1:
            return None
        (wrong,) = mutant.relations
        if len(str(wrong)) > LONGEST:
            return None
        for index, relation in enumerate(self.claim.relations):
            if len(str(relation)) > LONGEST or not _alike(relation, wrong):
                continue
            symbols = relation.free_symbols | wrong.free_symbols
            if (reason := why_equivalent(relation, wrong)) and self.as_declared(symbols):
                return "equivalent", reason
            if (reason := why_weaker(relation, wrong)) and self.as_declared(symbols):
                return "weaker", f"implied by relation {index + 1} {reason}"
        return None

    def as_declared(self, symbols: set[sp.Symbol]) -> bool:
        """Whether no reading contradicts what is assumed of a symbol: a proof from a wrong sign is none."""
        return not any(misdeclared(symbol, reading) for reading in self.readings() for symbol in symbols & set(reading))

    def unseen(self, mutant: Mutant) -> str:
        """Why a strict inequality cannot be told from the other: an observable that is always a ball; or empty."""
        (wrong, *more) = mutant.relations or (None,)
        if mutant.operator != "strictness" or more or not isinstance(wrong, sp.Lt | sp.Gt):
            return ""
        readings = [reading for reading in self.readings() if wrong.free_symbols <= set(reading)]
        for symbol in sorted(wrong.free_symbols, key=str):
            values = [reading[symbol] for reading in readings]
            if values and all(isinstance(value, arb) and value.rad() > 0 for value in values):
                return (
                    f"differs only where both sides are equal, and {symbol} is read as a ball, which never shows that"
                )
        return ""

    def readings(self) -> Iterator[Reading]:
        """What the routes that are not costly read at every problem."""
        for route in (route for route in routes_of(self.claim) if route not in COSTLY):
            for problem in self.fields:
                found = observed(self.claim, problem, route, self.seed, self.avoid)
                yield from (reading for reading in found if not isinstance(reading, Undecided))

    def resolution(self) -> tuple[float | None, str, float | None]:
        """Smallest relative perturbation of a prediction or threshold that is refuted, the route; by a certificate."""
        best: float | None = None
        certified, name = None, ""
        for route in routes_of(self.claim):
            for relation in self.claim.relations:
                step = self.finest(relation, route, best)
                if step is not None:
                    best, name = step, route
            if route == "enclosure":
                certified = best
            if best is not None and route not in COSTLY:
                break
        return best, name, certified

    def finest(self, relation: Any, route: str, known: float | None) -> float | None:
        """Smallest step of the ladder, below the known one, that a route refutes."""
        found = None
        for step in LADDER:
            if known is not None and float(step) >= known:
                continue
            if time.monotonic() > self.deadline:
                break
            try:
                with time_limit(LIMIT):
                    if not self.refuted(relation, route, step):
                        break
            except OutOfTime:
                break
            found = float(step)
        return found

    def refuted(self, relation: Any, route: str, step: sp.Rational) -> bool:
        """Whether a route refutes a relation moved by a step to either side."""
        wrong = list(perturbed(relation, step))
        places = self.fields[:1]
        if isinstance(relation, sp.Equivalent) and self.claim.family is not None:
            offsets = [sign * Fraction(int(step.p), 4 * int(step.q)) for sign in (1, -1)]
            near = around(self.fields[0], self.claim.family.near, offsets) if self.fields else []
            places = [problem for problem in near if self.claim.applies(problem)]
        for changed in wrong:
            claim = self.claim.mutated(Mutant("", relations=(changed,)))
            for problem in places:
                findings = findings_for(claim, problem, route, self.seed, self.avoid)
                if any(f.outcome == "violated" for f in findings):
                    return True
        return False


def misdeclared(symbol: sp.Symbol, reading: Reading) -> bool:
    """Whether the value of a symbol certainly has another sign than the symbol, or counts too few classes.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> [misdeclared(x, {x: value}) for value in (sp.Integer(1), sp.Integer(0), sp.Integer(-1), arb("nan"), None)]
    [False, True, True, False, False]
    """
    if not symbol.is_nonnegative or not isinstance(reading[symbol], arb | sp.Basic):
        return False
    try:
        value = ball(symbol, reading)
    except Undecided:  # not finite
        return False
    return bool(value < LEAST.get(symbol, 0) or (symbol.is_positive and value == 0))


def perturbed(relation: Any, step: sp.Rational) -> Iterator[Any]:
    """A prediction or a threshold times 1 + step and 1 - step; none for inequalities.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> list(perturbed(sp.Eq(x, 2), sp.Rational(1, 2)))
    [Eq(x, 3), Eq(x, 1)]
    """
    for sign in (1, -1):
        if isinstance(relation, sp.Equivalent):
            (condition,) = (part for part in relation.args if part != dead)
            if isinstance(condition, sp.core.relational.Relational):
                yield sp.Equivalent(dead, condition.func(condition.lhs, condition.rhs * (1 + sign * step)))
        elif not isinstance(relation, sp.Le | sp.Lt | sp.Ge | sp.Gt | sp.Ne):
            yield moved(relation, sign * step)


def _alike(relation: Any, wrong: Any) -> bool:
    """Whether a changed relation may stem from this one: one side, or a part of the condition, is the same."""
    if isinstance(relation, Asymptotic) or isinstance(wrong, Asymptotic):
        return type(relation) is type(wrong) and (relation.lhs == wrong.lhs or relation.rhs == wrong.rhs)
    if isinstance(relation, sp.Equivalent) != isinstance(wrong, sp.Equivalent):
        return False
    parts = set(sp.preorder_traversal(wrong)) - {dead}
    return any(side in parts for side in _sides(relation) if not side.is_number) or any(
        side in _sides(wrong) for side in _sides(relation)
    )


def _sides(relation: Any) -> list[Any]:
    """Both sides of every comparison in a relation."""
    return [side for atom in relation.atoms(sp.core.relational.Relational) for side in atom.args]
