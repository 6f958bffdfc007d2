"""When a wrong version of a relation is not wrong: the same statement, or a weaker one. Proofs only, no sampling.

SymPy proposes a normal form; what counts is exact polynomial arithmetic (:mod:`theory.derivation`) and the signs that
symbols are declared with. No proof found means None, never "different".
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import sympy as sp
from flint import arb
from sympy.core.relational import Relational

from theory.claim import Asymptotic
from theory.derivation import is_zero
from theory.symbols import K, dead, k, kA, kB
from verify.balls import Undecided, ball

__all__ = ["LEAST", "SAME", "why_equivalent", "why_weaker"]

SAME = "the same statement (proved by exact algebra)"
LEAST = {K: 2, k: 1, kA: 1, kB: 1}
"""Smallest values of the symbols that count classes; an expression that is >= 0 above them is so at them."""
ABOVE = {K: 1}
"""Values that they certainly exceed."""
FACTORS = (sp.Integer(1), sp.Integer(2), sp.Rational(1, 2))
BELOW = (sp.Le, sp.Lt)
STRICT = (sp.Lt, sp.Gt)
ORDERS = (sp.Le, sp.Lt, sp.Ge, sp.Gt)
UNDECIDABLE = (ValueError, TypeError, AttributeError, NotImplementedError, sp.PolynomialError)
"""A symbol without a sign, or a form that exact algebra does not have."""


def why_equivalent(relation: Any, wrong: Any) -> str | None:
    """Why a changed relation says the same as the true one, or None if that is not proved.

    Parameters
    ----------
    relation, wrong : two relations of one type; for states two ``Equivalent``.

    Examples
    --------
    >>> p, q = sp.symbols("p q", positive=True)
    >>> why_equivalent(sp.Eq(p - q, 0), sp.Eq(2 * p - 2 * q, 0))
    'the same statement (proved by exact algebra)'
    >>> why_equivalent(p <= q, p <= 2 * q) is None
    True
    """
    try:
        return SAME if _same(relation, wrong) else None
    except UNDECIDABLE:
        return None


def why_weaker(relation: Any, wrong: Any) -> str | None:
    """Why a changed inequality follows from the true one, or None if that is not proved.

    Such a mutant cannot be killed. That is no evidence that the true bound is sharp.

    Parameters
    ----------
    relation, wrong : two relations; only inequalities follow from each other.

    Examples
    --------
    >>> p, q = sp.symbols("p q", nonnegative=True)
    >>> why_weaker(p <= q, p <= 2 * q)
    'since q >= 0'
    >>> why_weaker(p < q, p <= q)
    'since a strict inequality implies the other'
    >>> why_weaker(p <= 2 * q, p <= q) is None
    True
    """
    if not (isinstance(relation, ORDERS) and isinstance(wrong, ORDERS)):
        return None
    try:
        return _implied(relation, wrong)
    except UNDECIDABLE:
        return None


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, Asymptotic) and isinstance(two, Asymptotic):
        return one.order == two.order and _proportional(one.lhs - one.rhs, two.lhs - two.rhs)
    if isinstance(one, sp.Equivalent) and isinstance(two, sp.Equivalent):
        return _same_condition(_condition_of(one), _condition_of(two))
    if not (isinstance(one, Relational) and isinstance(two, Relational)):
        return False
    here, there = _residual(one), _residual(two)
    if isinstance(one, sp.Eq | sp.Ne):
        return type(one) is type(two) and _proportional(here, there)
    ordered = isinstance(two, ORDERS) and isinstance(one, STRICT) == isinstance(two, STRICT)
    return ordered and any(_zero(there - c * here) for c in FACTORS)


def _condition_of(relation: Any) -> Any:
    (condition,) = (part for part in relation.args if part != dead)
    return condition


def _same_condition(one: Any, two: Any) -> bool:
    if one == two:
        return True
    if isinstance(one, sp.And | sp.Or) and type(one) is type(two) and len(one.args) == len(two.args):
        rest = [part for part in one.args if part not in two.args]
        other = [part for part in two.args if part not in one.args]
        return len(rest) == len(other) == 1 and _same_condition(rest[0], other[0])
    return _same(one, two)


def _implied(relation: Relational, wrong: Relational) -> str | None:
    """Why there >= 0 follows from here >= 0: the difference of there and a multiple of here is never negative."""
    here, there = _residual(relation), _residual(wrong)
    for factor in FACTORS:
        slack = sp.expand(there - factor * here)
        if isinstance(relation, STRICT) and not isinstance(wrong, STRICT) and _zero(slack):
            return "since a strict inequality implies the other"
        if why := _never_negative(slack, strict=isinstance(wrong, STRICT) and not isinstance(relation, STRICT)):
            return why
    return _implied_by_squares(relation, wrong)


def _implied_by_squares(relation: Relational, wrong: Relational) -> str | None:
    """The same for one changed side, whose larger version is never negative: in squares there are no roots."""
    if isinstance(wrong, STRICT) and not isinstance(relation, STRICT):
        return None
    below = isinstance(relation, BELOW)
    if below != isinstance(wrong, BELOW) or (relation.lhs == wrong.lhs) == (relation.rhs == wrong.rhs):
        return None
    grows = (relation.lhs == wrong.lhs) == below  # the right side of <=, or the left side of >=
    old, new = (relation.rhs, wrong.rhs) if relation.lhs == wrong.lhs else (relation.lhs, wrong.lhs)
    larger, smaller = (new, old) if grows else (old, new)
    return _never_negative(sp.expand(larger**2 - smaller**2), strict=False) or None if larger.is_nonnegative else None


def _residual(relation: Relational) -> sp.Expr:
    """What is 0 in an equation, what is at least 0 in an inequality."""
    difference = relation.lhs - relation.rhs
    return -difference if isinstance(relation, BELOW) else difference


def _proportional(one: sp.Expr, two: sp.Expr) -> bool:
    """Whether two = c one with one of the factors that a mutant may put in front of both sides."""
    return any(_zero(two - sign * c * one) for c in FACTORS for sign in (1, -1))


def _never_negative(slack: sp.Expr, *, strict: bool) -> str:
    """The signs that make an expression at least 0 (or positive), with room for the least number of classes."""
    if slack.is_number:
        return "since the sides move apart by a constant" if slack.is_positive else ""
    if not _plausible(slack, lambda value: not value < 0):
        return ""
    if _coefficients_settle(slack, strict):
        return f"since {', '.join(map(_sign, sorted(slack.free_symbols, key=str)))}"
    bounds = {symbol: bound for symbol, bound in (ABOVE if strict else LEAST).items() if symbol in slack.free_symbols}
    shift = {symbol: sp.Symbol(f"{symbol.name}_more", positive=True) + bound for symbol, bound in bounds.items()}
    if not bounds or not _coefficients_settle(slack.subs(shift), strict):
        return ""
    counts = [f"{symbol} {'>' if strict else '>='} {bound}" for symbol, bound in bounds.items()]
    return f"since {', '.join([*counts, *map(_sign, sorted(slack.free_symbols - set(bounds), key=str))])}"


def _sign(symbol: sp.Symbol) -> str:
    """The declared sign, in words."""
    return f"{symbol} > 0" if symbol.is_positive else f"{symbol} >= 0" if symbol.is_nonnegative else f"{symbol} real"


def _coefficients_settle(expression: sp.Expr, strict: bool) -> bool:
    """Whether numerator and denominator expand to terms none of which is negative."""
    numerator, denominator = sp.fraction(sp.cancel(sp.together(expression)))
    return _terms_settle(numerator, strict) and _terms_settle(denominator, True)


def _terms_settle(polynomial: sp.Expr, strict: bool) -> bool:
    terms = [term.as_coeff_Mul() for term in sp.Add.make_args(sp.expand(polynomial))]
    if any(not (c.is_Rational and c >= 0 and rest.is_nonnegative) for c, rest in terms):
        return False
    return not strict or any(c > 0 and rest.is_positive for c, rest in terms)


def _zero(expression: sp.Expr) -> bool:
    return _plausible(expression, lambda value: bool(value.contains(0))) and is_zero(expression)


def _plausible(expression: sp.Expr, wanted: Callable[[arb], bool], tries: int = 4) -> bool:
    """Whether nothing at a few random rational points speaks against it: only to spare hopeless exact algebra."""
    random = Random(0)
    symbols = sorted(sp.sympify(expression).free_symbols, key=str)
    for _ in range(tries):
        point = {symbol: sp.Rational(random.randint(2 * 10**6, 9 * 10**6), 10**6) for symbol in symbols}
        try:
            if not wanted(ball(expression, point)):
                return False
        except (Undecided, TypeError):
            continue
    return True
