"""Mutants: wrong versions of a claim. A check that lets one live checks nothing.

Hand-written mutants come with the claim; generic ones are made here: a threshold or a prediction moved by a
relative 1e-3 and 1e-6 to either side, strict for non-strict, an inequality reversed, a dropped hypothesis.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, Literal

import sympy as sp

from theory.claim import Asymptotic, Claim, Mutant, Root
from theory.problem import Problem
from theory.symbols import dead
from verify.findings import findings_for, optimum_for, routes_of
from verify.routes import COSTLY
from verify.sampling import around
from verify.schemas import MutantDetail, MutantSummary

__all__ = [
    "LADDER",
    "explained",
    "generic_mutants",
    "judge_mutants",
    "moved",
    "probes",
    "root_symbols",
    "sharp_relations",
]

STEPS = (sp.Rational(1, 1000), sp.Rational(1, 10**6))
LADDER = tuple(sp.Rational(1, 10**e) for e in (3, 6, 9, 12, 15, 18, 24, 30, 36))
"""Relative perturbations tried to find the smallest one that is refuted (``resolution``)."""
LIMIT_STEPS = (sp.Rational(1, 100),)
OFFSETS = (Fraction(0), *(sign * Fraction(int(step.p), 4 * int(step.q)) for step in STEPS for sign in (1, -1)))
"""In x, a quarter of what the mutants move x or x^2: a moved threshold lies on the other side. 0 for strictness."""
STRICTNESS = "strict for non-strict"
REVERSED = {sp.Le: sp.Gt, sp.Lt: sp.Ge, sp.Ge: sp.Lt, sp.Gt: sp.Le, sp.Ne: sp.Eq}
FLIPS = {sp.Ge: sp.Gt, sp.Gt: sp.Ge, sp.Le: sp.Lt, sp.Lt: sp.Le}


def generic_mutants(claim: Claim, sharp: frozenset[int] | None = None) -> Iterator[Mutant]:
    """Mutants that every claim gets, one relation changed at a time (the others are left out).

    Parameters
    ----------
    claim : the claim.
    sharp : relations that a certified route observes; the others, seen by floats only, are moved by 1e-3 and not
        by 1e-6. Default all.

    Examples
    --------
    >>> from verify.registry import load
    >>> [m.text for m in generic_mutants(load()["HL23-04"])][:2]
    ['threshold times 1 + 1/1000', 'threshold times 1 - 1/1000']
    """
    for index, relation in enumerate(claim.relations):
        where = f" (relation {index + 1})" if len(claim.relations) > 1 else ""
        steps = STEPS if sharp is None or index in sharp else STEPS[:1]
        for text, wrong in _wrong(relation, steps):
            yield Mutant(text + where, relations=(wrong,), operator=_operator(text))
    for hypothesis in claim.hypotheses:
        text = f"hypothesis dropped: {hypothesis.text}"
        if isinstance(hypothesis.dropped, str):
            yield Mutant(text, reason=hypothesis.dropped, operator="dropped hypothesis")
        else:
            yield Mutant(text, problem=hypothesis.dropped, operator="dropped hypothesis")


def _operator(text: str) -> str:
    names = {STRICTNESS: "strictness", "condition negated": "reversed", "relation reversed": "reversed"}
    return names.get(text, "moved")


def _wrong(relation: Any, steps: Sequence[sp.Rational]) -> Iterator[tuple[str, Any]]:
    if isinstance(relation, sp.Equivalent):
        (condition,) = (part for part in relation.args if part != dead)
        yield from _moved_thresholds(condition, steps)
        if type(condition) in FLIPS:
            yield STRICTNESS, sp.Equivalent(dead, FLIPS[type(condition)](*condition.args, evaluate=False))
        else:
            yield "condition negated", sp.Equivalent(dead, sp.Not(condition))
    elif isinstance(relation, Asymptotic):
        for step in LIMIT_STEPS:
            for sign in (1, -1):
                yield f"limit times 1 {'+' if sign > 0 else '-'} {step}", moved(relation, sign * step)
    elif isinstance(relation, sp.Eq):
        for step in steps:
            for sign in (1, -1):
                yield f"prediction {_name(relation, sign * step)}", moved(relation, sign * step)
    else:
        yield "relation reversed", REVERSED[type(relation)](*relation.args, evaluate=False)


def _moved_thresholds(condition: Any, steps: Sequence[sp.Rational]) -> Iterator[tuple[str, Any]]:
    if not isinstance(condition, sp.core.relational.Relational):
        return
    for step in steps:
        for sign in (1, -1):
            wrong = condition.func(condition.lhs, condition.rhs * (1 + sign * step))
            yield f"threshold times 1 {'+' if sign > 0 else '-'} {step}", sp.Equivalent(dead, wrong)


def _name(relation: Any, step: sp.Rational) -> str:
    sign, size = ("+", step) if step > 0 else ("-", -step)
    return f"{sign} {size}" if relation.rhs == 0 else f"times 1 {sign} {size}"


def moved(relation: Any, step: sp.Rational) -> Any:
    """The relation with its right side times (1 + step), or plus step when it is 0."""
    wrong = step if relation.rhs == 0 else relation.rhs * (1 + step)
    if isinstance(relation, Asymptotic):
        return Asymptotic(relation.lhs, wrong, relation.order)
    return relation.func(relation.lhs, wrong, evaluate=False)


def probes(claim: Claim) -> list[Problem]:
    """Problems on which a claim and its mutants are judged: witness, settings, each also close to every threshold."""
    found = dict.fromkeys([*([claim.witness] if claim.witness else []), *claim.settings])
    if claim.family is not None and claim.along is None:
        for base in list(found):
            found |= dict.fromkeys(around(base, claim.family.near, OFFSETS))
    return [problem for problem in found if claim.applies(problem)]


def judge_mutants(claim: Claim, *, seed: int, avoid: frozenset[str]) -> tuple[MutantSummary, float | None]:
    """Try to refute every mutant; survivors are named.

    Returns
    -------
    summary : how many were killed, by which route; what cannot be told apart is listed with its reason and not counted.
    resolution : smallest relative perturbation of a prediction or threshold that was refuted.
    """
    field = probes(claim)
    roots = root_symbols(claim, seed, avoid)
    killed, survivors, details = 0, [], []
    smallest: list[float] = []
    certified: list[float] = []
    mutants = [*claim.mutants, *generic_mutants(claim, sharp_relations(claim, field, seed, avoid))]
    for mutant in mutants:
        route = None if mutant.idle else _killer(claim, mutant, field, seed, avoid)
        if route is None and (why := explained(claim, mutant, roots)):
            details.append(_row(mutant, why[0], reason=why[1]))
            continue
        details.append(_row(mutant, "killed" if route else "survived", route or ""))
        killed += route is not None
        if route is None:
            survivors.append(mutant.text)
        elif "times 1" in mutant.text:
            smallest.append(float(sp.Rational(mutant.text.split(" (")[0].split()[-1])))
            certified += smallest[-1:] if route == "enclosure" else []
    total = sum(row.outcome in ("killed", "survived") for row in details)
    refuted = _ladder(claim, field, seed, avoid)
    summary = MutantSummary(
        total=total,
        killed=killed,
        survivors=survivors,
        details=details,
        resolution_certificate=min(certified + refuted, default=None),
    )
    return summary, min(smallest + refuted, default=None)


def explained(
    claim: Claim, mutant: Mutant, roots: Collection[sp.Symbol] = ()
) -> tuple[Literal["unseen", "explained"], str] | None:
    """Why a mutant survives: ``unseen`` where no rational problem lies on a root, ``explained`` as the claim says.

    None where neither is so: then the checks are blind to it.

    Examples
    --------
    >>> from verify.registry import load
    >>> explained(load()["HL23-04"], Mutant("threshold times 2")) is None
    True
    """
    strict = mutant.operator == "strictness" and mutant.relations and isinstance(mutant.relations[0], sp.Equivalent)
    if strict and mutant.relations and not mutant.relations[0].free_symbols.isdisjoint(roots):
        return "unseen", "the threshold is a root of an equation: no rational configuration tried lies exactly on it"
    reasons = (why for pattern, why in claim.survivors.items() if fnmatchcase(mutant.text, pattern))
    reason = mutant.reason or next(reasons, "")
    return ("explained", reason) if reason else None


def _row(
    mutant: Mutant,
    outcome: Literal["killed", "survived", "unseen", "explained"],
    route: str = "",
    reason: str = "",
) -> MutantDetail:
    return MutantDetail(mutant=mutant.text, operator=mutant.operator, outcome=outcome, route=route, reason=reason)


def sharp_relations(claim: Claim, field: list[Problem], seed: int, avoid: frozenset[str]) -> frozenset[int]:
    """Relations with content for the enclosure route on some problem."""
    if claim.along is not None:
        return frozenset(range(len(claim.relations)))
    findings = [f for problem in field for f in findings_for(claim, problem, "enclosure", seed, avoid)]
    return frozenset(f.relation for f in findings if f.outcome != "undecided")


def root_symbols(claim: Claim, seed: int, avoid: frozenset[str]) -> set[sp.Symbol]:
    """Parameters that are roots of an equation, read off the witness."""
    if claim.along is not None or claim.witness is None:
        return set()
    readings = claim.readings(optimum_for(claim, claim.witness, "enclosure", seed, avoid))
    return {symbol for reading in readings for symbol, value in reading.items() if isinstance(value, Root)}


def _killer(claim: Claim, mutant: Mutant, field: list[Problem], seed: int, avoid: frozenset[str]) -> str | None:
    """The route that refutes a mutant, or None."""
    wrong = claim.mutated(mutant)
    places = list(dict.fromkeys([*([mutant.problem] if mutant.problem is not None else []), *field]))
    for costly in (False, True):
        for problem in list(places):
            for route in routes_of(claim):
                if (route in COSTLY) is not costly:
                    continue
                findings = findings_for(wrong, problem, route, seed, avoid)
                violated = [f for f in findings if f.outcome == "violated"]
                if violated:
                    return f"{route}, exactly at the threshold" if violated[0].tie else route
                if route == "enclosure" and findings and all(f.outcome == "holds" for f in findings):
                    places.remove(problem)  # the strongest route has decided; weaker ones cannot disagree
                    break
    return None


def _ladder(claim: Claim, field: list[Problem], seed: int, avoid: frozenset[str]) -> list[float]:
    """Perturbations of the first equality that the enclosure refutes on the witness."""
    equalities = [r for r in claim.relations if isinstance(r, sp.Eq)]
    if not equalities or claim.along is not None or not field:
        return []
    refuted = []
    for step in LADDER:
        wrong = claim.mutated(Mutant("", relations=(moved(equalities[0], step),)))
        findings = findings_for(wrong, field[0], "enclosure", seed, avoid)
        if any(f.outcome == "violated" for f in findings):
            refuted.append(float(step))
    return refuted
