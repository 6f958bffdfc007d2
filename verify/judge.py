"""Compare what a claim predicts with what a route observed. One function per kind of relation; no solver here.

A relation on one reading ends as ``holds``, ``violated`` or ``undecided``. Readings are balls that contain the
truth, so an equality is violated only when the balls of both sides are disjoint, and holds only when they
overlap and are narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Integral
from typing import Any, Literal

import numpy as np
import sympy as sp
from flint import arb

from theory.claim import Asymptotic, Reading, Root
from theory.optimum import Optimum
from theory.symbols import dead, dead_exact
from verify.balls import Undecided, ball, decide, distance, resolve, valueless

__all__ = ["LIMIT_SCALES", "NO_VALUE", "Finding", "ReadingError", "judge", "judge_limit", "observe", "sound"]

Outcome = Literal["holds", "violated", "undecided"]

NARROW = {"enclosure": 1e-9, "exact": 1e-3, "convex": 3e-2, "nonconvex": 3e-2}
"""Widest radius (relative to max(1, |predicted|)) at which a route may say 'holds'.

A radius follows from the gap like its square root: 1e-14 in value proves 1e-7 in logits, and less for rare
classes. The residual itself (``error``) is usually far smaller and is reported beside it."""

CLOSE = {"enclosure": 1e-9, "exact": 1e-6, "convex": 1e-4, "nonconvex": 1e-4}
"""Largest residual with which a route may say 'holds', however wide its radius is."""

ROUNDING = {"enclosure": 0.0, "exact": 1e-9, "convex": 1e-6, "nonconvex": 1e-6}
"""Added to the radius before 'violated': rounding that a floating certificate does not account for."""

RIGOROUS = ("enclosure", "exact")
"""Routes whose exact zeros are proved, not the rounding of two floats."""

NO_VALUE = "the formula has no real value"
"""Reason of a finding: certainly so, not only on a ball that is too wide."""

LIMIT_SCALES = (200, 400, 800)
LIMIT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Finding:
    """What one relation says about one reading.

    Attributes
    ----------
    relation : index in ``claim.relations``.
    outcome : holds, violated or undecided.
    error, radius : midpoint and radius of the residual over max(1, |predicted|); 0 for states.
    observed, predicted : for people.
    state : the relation speaks of a state (dead or alive), not of numbers.
    tie : the configuration lies exactly on the threshold and was decided in exact arithmetic.
    exact : a violation that no float can confirm: on the threshold, or of a strict relation by two equal numbers; both
        sides were compared in exact arithmetic.
    value : midpoint of the observed side (for pairwise agreement), or None.
    reason : why undecided.
    """

    relation: int
    outcome: Outcome
    error: float = 0.0
    radius: float = 0.0
    observed: str = ""
    predicted: str = ""
    state: bool = False
    tie: bool = False
    exact: bool = False
    value: float | None = None
    reason: str = ""


class ReadingError(ValueError):
    """A claim's reader yields what is no reading; the text names the symbol and the rule."""


def sound(reading: Any) -> Reading:
    """A reading with its numbers in one form: balls, SymPy numbers, roots, and True, False or None for states.

    Raises
    ------
    ReadingError
        If it is no dictionary from symbols to such values; whole numbers and fractions of Python are converted.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> sound({x: Fraction(1, 3)})
    {x: 1/3}
    >>> sound({x: 0.5})
    Traceback (most recent call last):
        ...
    verify.judge.ReadingError: x is read as 0.5, a float: readings are balls, integers or rationals, for a float has
    no error bound
    """
    if not isinstance(reading, Mapping) or not all(isinstance(symbol, sp.Symbol) for symbol in reading):
        kind = "a dictionary with other keys" if isinstance(reading, Mapping) else f"a {type(reading).__name__}"
        raise ReadingError(f"the reader yields {kind}: a reading is a dictionary from SymPy symbols to values")
    return {symbol: _value(symbol, value) for symbol, value in reading.items()}


def _value(symbol: sp.Symbol, value: Any) -> Any:
    if isinstance(value, np.bool_):
        value = bool(value)
    if (value is None or isinstance(value, bool)) and symbol.is_extended_real:
        raise ReadingError(f"{symbol} is read as {value}, but is a number: leave out what is not known")
    if value is None or isinstance(value, bool | arb | Root | sp.Rational):
        return value
    if isinstance(value, Integral | Fraction):
        return sp.Rational(value.numerator, value.denominator)
    if isinstance(value, float | np.floating) or (isinstance(value, sp.Basic) and value.has(sp.Float)):
        rule = "readings are balls, integers or rationals, for a float has no error bound"
        raise ReadingError(f"{symbol} is read as {str(value)[:40]}, a float: {rule}")
    if isinstance(value, sp.Expr) and value.has(sp.oo, -sp.oo, sp.zoo, sp.nan):
        raise ReadingError(f"{symbol} is read as {str(value)[:40]}: leave out what is infinite, or read its reciprocal")
    if isinstance(value, sp.Basic):
        return value
    rule = "readings are balls, exact SymPy numbers, integers, rationals or roots, and states are True, False or None"
    raise ReadingError(f"{symbol} is read as {str(value)[:40]!r}, a {type(value).__name__}: {rule}")


def observe(read: Callable[[Optimum], Iterable[Reading]], optimum: Optimum) -> list[Reading | Undecided]:
    """Readings of an optimum with roots resolved; a reading whose root is not found becomes the reason why.

    Raises
    ------
    ReadingError
        If the reader yields what is no reading.
    """
    found: list[Reading | Undecided] = []
    for reading in read(optimum):
        try:
            found.append(resolve(sound(reading)))
        except Undecided as error:
            found.append(error)
    return found


def judge(relations: Sequence[Any], readings: Sequence[Reading | Undecided], route: str) -> list[Finding]:
    """Judge every relation on every reading that has its symbols."""
    findings = []
    for reading in readings:
        if isinstance(reading, Undecided):
            findings += [Finding(i, "undecided", reason=str(reading)) for i in range(len(relations))]
            continue
        for index, relation in enumerate(relations):
            if not isinstance(relation, Asymptotic) and relation.free_symbols <= set(reading):
                findings.append(_judge_one(index, relation, reading, route))
    return findings


def _judge_one(index: int, relation: Any, values: Reading, route: str) -> Finding:
    try:
        if isinstance(relation, sp.Equivalent):
            finding = _judge_state(index, relation, values)
        else:
            finding = _judge_comparison(index, relation, values, route)
    except Undecided as error:
        finding = Finding(index, "undecided", reason=str(error))
    open_and_valueless = finding.outcome == "undecided" and valueless(relation, values)
    return replace(finding, reason=NO_VALUE) if open_and_valueless else finding


def _judge_state(index: int, relation: sp.Equivalent, values: Reading) -> Finding:
    (condition,) = (part for part in relation.args if part != dead)
    predicted, observed = decide(condition, values), values[dead]
    tie = observed is None and distance(condition, values) == 0
    if tie:
        observed = values.get(dead_exact)
    if predicted is None or observed is None:
        reason = "the gap does not decide the state" if observed is None else "the condition is not decided"
        return Finding(index, "undecided", state=True, tie=tie, reason=reason)
    names = {True: "dead", False: "alive"}
    outcome: Outcome = "holds" if predicted == observed else "violated"
    exact = outcome == "violated" and observed == values.get(dead_exact) and distance(condition, values) == 0
    words = {"observed": names[observed], "predicted": names[predicted]}
    return Finding(index, outcome, **words, state=True, tie=tie, exact=exact)  # type: ignore[arg-type]


def _judge_comparison(index: int, relation: Any, values: Reading, route: str) -> Finding:
    left, right = ball(relation.lhs, values), ball(relation.rhs, values)
    scale = max(1.0, float(abs(right).mid()))
    difference = left - right
    error, radius = float(difference.mid()) / scale, float(difference.rad()) / scale
    slack = radius + ROUNDING[route]
    narrow = radius <= NARROW[route] and abs(error) <= CLOSE[route]
    apart = not difference.contains(0)  # the floats beside it are rounded, the ball is not
    equal = route in RIGOROUS and difference == 0  # exactly 0, with radius 0: no strict relation holds there
    if isinstance(relation, sp.Eq):
        outcome = _outcome((abs(error) <= slack or not apart) and narrow, abs(error) > slack and apart)
    elif isinstance(relation, sp.Ne):
        outcome = _outcome(abs(error) > slack and apart, equal)
    else:
        below = error if isinstance(relation, sp.Le | sp.Lt) else -error
        strict = isinstance(relation, sp.Lt | sp.Gt)
        certain = below < -slack and apart
        tight = radius <= NARROW[route] and below <= min(slack, CLOSE[route])
        violated = (below > slack and apart) or (strict and equal)
        outcome = _outcome(certain or (not strict and tight), violated)
    return Finding(
        index,
        outcome,
        abs(error) if isinstance(relation, sp.Eq) else 0.0,
        radius,
        left.str(20, radius=True),
        right.str(20, radius=True),
        exact=outcome == "violated" and equal,
        value=float(left.mid()),
        reason="" if outcome != "undecided" else "the radius is too wide to decide",
    )


def _outcome(holds: bool, violated: bool) -> Outcome:
    return "violated" if violated else "holds" if holds else "undecided"


def judge_limit(relations: Sequence[Any], scales: Sequence[Sequence[Reading | Undecided]]) -> list[Finding]:
    """Judge asymptotic relations on the readings at the scales L, 2L, 4L.

    With left - right = c/L^m + O(L^-(m+1)) the Richardson extrapolation of L^(m-1) (left - right) from three
    scales vanishes to O(L^-3); any other constant, or a slower decay, leaves a remainder.
    """
    findings = []
    for together in zip(*scales, strict=True):
        known = [reading for reading in together if not isinstance(reading, Undecided)]
        for index, relation in enumerate(relations):
            if len(known) < len(together):
                findings.append(Finding(index, "undecided", reason="a root was not found"))
            elif isinstance(relation, Asymptotic) and all(relation.free_symbols <= set(reading) for reading in known):
                findings.append(_judge_asymptotic(index, relation, known))
    return findings


def _judge_asymptotic(index: int, relation: Asymptotic, readings: Sequence[Reading]) -> Finding:
    try:
        differences = [
            (ball(relation.lhs, values) - ball(relation.rhs, values)) * arb(scale) ** (relation.order - 1)
            for scale, values in zip(LIMIT_SCALES, readings, strict=True)
        ]
    except Undecided as wide:
        undefined = any(valueless(relation, values) for values in readings)
        return Finding(index, "undecided", reason=NO_VALUE if undefined else str(wide))
    d1, d2, d4 = differences
    remainder = (8 * d4 - 6 * d2 + d1) / 3
    error, radius = abs(float(remainder.mid())), float(remainder.rad())
    outcome = _outcome(error + radius <= LIMIT_TOLERANCE, error - radius > LIMIT_TOLERANCE)
    return Finding(
        index,
        outcome,
        error,
        radius,
        f"remainders {', '.join(f'{float(d.mid()):.3e}' for d in differences)} at L = {LIMIT_SCALES}",
        f"O(1/L^{relation.order})",
        value=float(ball(relation.lhs, readings[-1]).mid()),
        reason="" if outcome != "undecided" else "the radius is too wide to decide",
    )
