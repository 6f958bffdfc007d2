"""How close one configuration comes to violating a claim: one signed number, above 0 where it is violated.

* comparisons: the difference of the two sides over the larger one (over 1 where a side is the number 0), signed so that
  the wrong side is positive; an equality has its residual;
* states: the relative distance to the predicted threshold, negative where the predicted state is the observed one.

A difference whose ball contains 0 is left out: classes of equal size are equal by symmetry, and nothing can push them
apart. A search that maximises the margin walks towards a violation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from theory.claim import Asymptotic, Claim, Reading
from theory.problem import Problem
from theory.symbols import dead
from verify.balls import Undecided, ball, decide, distance, precision
from verify.findings import BITS, observed

__all__ = ["Look", "look", "margins"]


@dataclass(frozen=True)
class Look:
    """What a configuration shows beside its findings.

    Attributes
    ----------
    margin : the largest margin of any relation, or None where no relation has one.
    pattern : what is discrete, reading by reading: predicted and observed states, whole numbers of the relations. It
        changes across a threshold of either kind.
    """

    margin: float | None
    pattern: tuple[Any, ...]


def look(claim: Claim, problem: Problem, route: str, seed: int, avoid: frozenset[str]) -> Look:
    """Margin and pattern of states by one route; limits have neither.

    Examples
    --------
    >>> from verify.registry import load
    >>> claim = load()["HL23-04"]
    >>> found = look(claim, Problem.ce([(9, 2), (4, 2)], 1).at(5), "enclosure", 0, frozenset({"HL23-04"}))
    >>> round(found.margin, 3), found.pattern
    (-0.106, ((False, False), (True, True)))
    """
    if claim.along is not None:
        return Look(None, ())
    with precision(BITS):
        readings = [r for r in observed(claim, problem, route, seed, avoid) if not isinstance(r, Undecided)]
        values = list(margins(claim.relations, readings))
        return Look(max(values, default=None), tuple(_discrete(claim.relations, readings)))


def margins(relations: Sequence[Any], readings: Iterable[Reading]) -> Iterator[float]:
    """Margins of every relation on every reading that has its symbols.

    Examples
    --------
    >>> p, q = sp.symbols("p q")
    >>> [round(m, 3) for m in margins([p <= q], [{p: sp.Rational(1, 4), q: sp.Rational(1, 2)}])]
    [-0.5]
    """
    for reading in readings:
        for relation in relations:
            if isinstance(relation, Asymptotic) or not relation.free_symbols <= set(reading):
                continue
            try:
                value = _state(relation, reading) if isinstance(relation, sp.Equivalent) else _side(relation, reading)
            except Undecided:
                continue
            if value is not None:
                yield value


def _condition(relation: sp.Equivalent) -> Any:
    (condition,) = (part for part in relation.args if part != dead)
    return condition


def _state(relation: sp.Equivalent, reading: Reading) -> float | None:
    condition, seen = _condition(relation), reading[dead]
    predicted = decide(condition, reading)
    if seen is None or predicted is None:
        return None
    away = distance(condition, reading)
    return -away if predicted == seen else away


def _side(relation: Any, reading: Reading) -> float | None:
    left, right = ball(relation.lhs, reading), ball(relation.rhs, reading)
    difference = left - right
    if difference.contains(0):
        return None
    if isinstance(relation, sp.Eq | sp.Ne):
        residual = abs(float(difference.mid())) / max(1.0, abs(float(right.mid())))
        return residual if isinstance(relation, sp.Eq) else -residual
    sides = abs(float(left.mid())), abs(float(right.mid()))
    signed = float(difference.mid()) / (max(sides) if min(sides) > 0 else 1.0)
    return signed if isinstance(relation, sp.Le | sp.Lt) else -signed


def _discrete(relations: Sequence[Any], readings: Iterable[Reading]) -> Iterator[Any]:
    for reading in readings:
        for relation in relations:
            if not relation.free_symbols <= set(reading):
                continue
            if isinstance(relation, sp.Equivalent):
                try:
                    predicted = decide(_condition(relation), reading)
                except Undecided:
                    predicted = None
                yield predicted, reading[dead]
            else:
                symbols = sorted(relation.free_symbols, key=str)
                yield from (int(reading[s]) for s in symbols if isinstance(reading[s], sp.Integer))
