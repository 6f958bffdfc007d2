"""When a wrong version of a relation is not wrong: the same statement, or a weaker one. Proofs only, no sampling.

SymPy proposes a normal form; what counts is exact polynomial arithmetic (:mod:`theory.derivation`). No proof found
means None, never "different".
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import sympy as sp
from flint import arb
from sympy.core.relational import Relational

from theory.claim import Asymptotic
from theory.derivation import Positive, is_zero
from theory.symbols import K, dead, k, kA, kB
from verify.balls import Undecided, ball

__all__ = ["SAME", "WEAKER", "why_equivalent"]

SAME = "the same statement (proved by exact algebra)"
WEAKER = "weaker: it follows from the statement (proved by exact algebra)"
LEAST = {K: 2, k: 1, kA: 1, kB: 1}
"""Smallest values of the symbols that count classes; an expression that is >= 0 above them is so at them."""
ABOVE = {K: 1}
"""Values that they certainly exceed."""
FACTORS = (sp.Integer(2), sp.Rational(1, 2))
BELOW = (sp.Le, sp.Lt)
STRICT = (sp.Lt, sp.Gt)


def why_equivalent(relation: Any, wrong: Any) -> str | None:
    """Why a changed relation cannot be told from the true one, or None if that is not proved.

    Parameters
    ----------
    relation, wrong : two relations of one type; for states two ``Equivalent``.

    Examples
    --------
    >>> p, q, n = sp.symbols("p q n", positive=True)
    >>> why_equivalent(sp.Eq(p - q, 0), sp.Eq(2 * p - 2 * q, 0))
    'the same statement (proved by exact algebra)'
    >>> why_equivalent(p <= n, p <= 2 * n)
    'weaker: it follows from the statement (proved by exact algebra)'
    >>> why_equivalent(p <= 2 * n, p <= n) is None
    True
    """
    try:
        if isinstance(relation, Asymptotic):
            here, there = relation.lhs - relation.rhs, wrong.lhs - wrong.rhs
            return SAME if _zero(here - there) or _zero(here + there) or _constant_factor(here, there) else None
        if isinstance(relation, sp.Equivalent):
            return SAME if _same_condition(_condition_of(relation), _condition_of(wrong)) else None
        return _compared(relation, wrong)
    except (ValueError, TypeError, AttributeError, NotImplementedError, sp.PolynomialError):
        return None  # a symbol without a sign, or a form that exact algebra does not have


def _condition_of(relation: Any) -> Any:
    (condition,) = (part for part in relation.args if part != dead)
    return condition


def _same_condition(one: Any, two: Any) -> bool:
    if one == two:
        return True
    if isinstance(one, Relational) and isinstance(two, Relational):
        return _compared(one, two) == SAME
    if isinstance(one, sp.And | sp.Or) and type(one) is type(two) and len(one.args) == len(two.args):
        rest = [part for part in one.args if part not in two.args]
        other = [part for part in two.args if part not in one.args]
        return len(rest) == len(other) == 1 and _same_condition(rest[0], other[0])
    return False


def _compared(relation: Relational, wrong: Relational) -> str | None:
    here, there = _residual(relation), _residual(wrong)
    if isinstance(relation, sp.Eq | sp.Ne):
        if type(relation) is not type(wrong):
            return None
        return SAME if _zero(here - there) or _zero(here + there) or _constant_factor(here, there) else None
    if isinstance(wrong, sp.Eq | sp.Ne):
        return None
    weaker = isinstance(relation, STRICT) and not isinstance(wrong, STRICT)
    stronger = isinstance(wrong, STRICT) and not isinstance(relation, STRICT)
    if not stronger and (_zero(here - there) or _constant_factor(here, there, positive=True)):
        return WEAKER if weaker else SAME
    certain = _positive(there - here, strict=stronger)
    return WEAKER if certain else None


def _residual(relation: Relational) -> sp.Expr:
    """What is 0 in an equation, what is at least 0 in an inequality."""
    difference = relation.lhs - relation.rhs
    return -difference if isinstance(relation, BELOW) else difference


def _constant_factor(one: sp.Expr, two: sp.Expr, *, positive: bool = False) -> bool:
    """Whether two = c one with one of the factors that a mutant may put in front of both sides."""
    factors = FACTORS if positive else (*FACTORS, *(-c for c in FACTORS))
    return any(_zero(two - c * one) for c in factors)


def _positive(expression: sp.Expr, *, strict: bool = True) -> bool:
    """Whether an expression is certainly positive (or at least 0), with room for the least number of classes."""
    if not _plausible(expression, lambda value: not value < 0):
        return False
    bounds = ABOVE if strict else LEAST
    shift = {symbol: sp.Symbol(f"{symbol.name}_more", positive=True) + bound for symbol, bound in bounds.items()}
    return Positive("", expression, strict).verify() or Positive("", expression.subs(shift), strict).verify()


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
