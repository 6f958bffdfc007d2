"""Generic wrong versions of a SymPy relation: what a slip of the pen does to a formula.

Sign, factor, exponent, swapped symbols, dropped term, off by one, strictness, reversed inequality, dropped condition.
``verify run`` uses the few mutants of :mod:`verify.mutation`; these are for ``verify mutants``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import combinations
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from theory.claim import Asymptotic, Claim, Mutant
from theory.symbols import dead

__all__ = ["OPERATORS", "PER_OPERATOR", "operator_mutants", "wrong_relations"]

OPERATORS = ("sign", "factor", "exponent", "swapped symbols", "dropped term", "off by one", "strictness", "reversed")
PER_OPERATOR = 4
"""Mutants of one operator on one relation; of more, evenly spread ones are taken."""
LONGEST = 60
"""Characters of a formula in the text of a mutant."""
STRICT = {sp.Ge: sp.Gt, sp.Gt: sp.Ge, sp.Le: sp.Lt, sp.Lt: sp.Le}
REVERSED = {sp.Le: sp.Gt, sp.Lt: sp.Ge, sp.Ge: sp.Lt, sp.Gt: sp.Le, sp.Ne: sp.Eq}
HALF = sp.Rational(1, 2)

Text = str | tuple[sp.Expr, sp.Expr]
"""What was changed, in words or as (before, after): long formulas are printed only if they are chosen."""


def operator_mutants(claim: Claim, integers: Collection[sp.Symbol] = ()) -> Iterator[Mutant]:
    """Mutants of every relation by every operator, one change at a time; the other relations are left out.

    Parameters
    ----------
    claim : the claim.
    integers : symbols that stand for whole numbers, for 'off by one'.

    Examples
    --------
    >>> from verify.registry import load
    >>> from theory.symbols import n
    >>> for mutant in list(operator_mutants(load()["HL23-04"], [n]))[:4]:
    ...     print(mutant.operator, "|", mutant.text)
    sign | sign: sqrt(n)*w becomes -sqrt(n)*w
    factor | factor: sqrt(n)*w becomes 2*sqrt(n)*w
    factor | factor: sqrt(n)*w becomes sqrt(n)*w/2
    exponent | exponent: w becomes w**2
    """
    texts: dict[str, int] = {}
    for index, relation in enumerate(claim.relations):
        where = f" (relation {index + 1})" if len(claim.relations) > 1 else ""
        for operator, text, wrong in wrong_relations(relation, integers):
            name = f"{operator}: {text}{where}"
            texts[name] = texts.get(name, 0) + 1
            again = f", place {texts[name]}" if texts[name] > 1 else ""
            yield Mutant(name + again, relations=(wrong,), operator=operator)


def wrong_relations(relation: Any, integers: Collection[sp.Symbol] = ()) -> Iterator[tuple[str, str, Any]]:
    """Operator, text and relation of every wrong version, at most PER_OPERATOR of each operator.

    Examples
    --------
    >>> x, y = sp.symbols("x y", positive=True)
    >>> [text for _, text, _ in wrong_relations(sp.Le(x, y - 1, evaluate=False))][-2:]
    ['strict for non-strict', 'the other way round']
    """
    seen: set[Any] = {relation, sp.true, sp.false}
    found: dict[str, list[tuple[Text, Any]]] = {}
    for operator, text, wrong in _every(relation, integers):
        if wrong not in seen and not _undefined(wrong):
            seen.add(wrong)
            found.setdefault(operator, []).append((text, wrong))
    for operator in OPERATORS:
        for text, wrong in _spread(found.get(operator, [])):
            words = text if isinstance(text, str) else f"{_short(text[0])} becomes {_short(text[1])}"
            yield operator, words, wrong


def _undefined(relation: Any) -> bool:
    """Whether a relation has no real value anywhere, or says nothing (both sides are the same)."""
    if isinstance(relation, Asymptotic | Relational) and relation.lhs == relation.rhs:
        return True
    sides = (relation.lhs, relation.rhs) if isinstance(relation, Asymptotic) else (relation,)
    return any(side.has(sp.I, sp.zoo, sp.nan, sp.oo) for side in sides)


def _spread(rows: list[Any]) -> list[Any]:
    if len(rows) <= PER_OPERATOR:
        return rows
    return [rows[i * (len(rows) - 1) // (PER_OPERATOR - 1)] for i in range(PER_OPERATOR)]


def _every(relation: Any, integers: Collection[sp.Symbol]) -> Iterator[tuple[str, Text, Any]]:
    if isinstance(relation, Asymptotic):
        if not relation.lhs.is_Symbol:
            for op, text, new in _changes(relation.lhs, relation, integers):
                yield op, text, Asymptotic(new, relation.rhs, relation.order)
        for op, text, new in _changes(relation.rhs, relation, integers):
            yield op, text, Asymptotic(relation.lhs, new, relation.order)
    elif isinstance(relation, sp.Equivalent):
        (condition,) = (part for part in relation.args if part != dead)
        for operator, text, wrong in _condition(condition, integers):
            if wrong not in (sp.true, sp.false):
                yield operator, text, sp.Equivalent(dead, wrong, evaluate=False)
    else:
        yield from _comparison(relation, integers)


def _comparison(relation: Relational, integers: Collection[sp.Symbol]) -> Iterator[tuple[str, Text, Any]]:
    sides: tuple[tuple[sp.Expr, Callable[[sp.Expr], Any]], ...] = (
        (relation.lhs, lambda new: relation.func(new, relation.rhs, evaluate=False)),
        (relation.rhs, lambda new: relation.func(relation.lhs, new, evaluate=False)),
    )
    for side, rebuild in sides:
        if side is relation.rhs or not side.is_Symbol:  # a symbol on the left is observed: the right side is predicted
            yield from ((op, text, rebuild(new)) for op, text, new in _changes(side, relation, integers))
    if type(relation) in STRICT:
        yield "strictness", "strict for non-strict", STRICT[type(relation)](*relation.args, evaluate=False)
    if type(relation) in REVERSED:
        yield "reversed", "the other way round", REVERSED[type(relation)](*relation.args, evaluate=False)


def _condition(condition: Any, integers: Collection[sp.Symbol]) -> Iterator[tuple[str, Text, Any]]:
    """Of the condition of a state: its comparisons changed, a part of 'and' or 'or' dropped."""
    if isinstance(condition, sp.And | sp.Or):
        for i, part in enumerate(condition.args):
            rest = condition.args[:i] + condition.args[i + 1 :]
            yield "dropped term", f"without {_short(part)}", condition.func(*rest)
            for operator, text, wrong in _condition(part, integers):
                yield operator, text, condition.func(*rest, wrong)
    elif isinstance(condition, sp.Not):
        for operator, text, wrong in _condition(condition.args[0], integers):
            yield operator, text, sp.Not(wrong)
    elif isinstance(condition, Relational):
        yield from _comparison(condition, integers)


def _changes(side: sp.Expr, relation: Any, integers: Collection[sp.Symbol]) -> Iterator[tuple[str, Text, sp.Expr]]:
    """Every change of one side."""
    if side.is_number and side == 0:
        return
    for name, new in (("sign", -side), ("factor", 2 * side), ("factor", side / 2)):
        yield name, (side, new), new
    for path, node in _nodes(side):
        for name, new in _node_changes(node, integers):
            try:
                whole = _replaced(side, path, new)
            except ValueError:  # SymPy refuses what is not real, such as Max of a square root of -1 - K
                continue
            yield name, (node, new), whole
    symbols = sorted(relation.free_symbols - {dead}, key=str)
    for one, two in combinations(symbols, 2):
        if (one.is_positive, two.is_positive) == (True, True) and {one, two} & side.free_symbols:
            swapped = side.xreplace({one: two, two: one})
            yield "swapped symbols", f"{one} and {two} in {_short(side)}", swapped


def _node_changes(node: sp.Expr, integers: Collection[sp.Symbol]) -> Iterator[tuple[str, sp.Expr]]:
    """What may replace one node of the tree of an expression."""
    if isinstance(node, sp.Add):
        for term in node.args:
            yield "sign", node - 2 * term
            yield "dropped term", node - term
            yield "factor", node + term
    elif isinstance(node, sp.Max | sp.Min):
        for argument in node.args:
            yield "dropped term", node.func(*(other for other in node.args if other != argument))
    elif isinstance(node, sp.Pow) and node.exp.is_Rational:
        for exponent in (2 * node.exp, node.exp / 2, -node.exp):
            yield "exponent", node.base**exponent
    elif node.is_Symbol and node.is_positive:
        yield "exponent", node**2
        yield "exponent", node**HALF
    if node in integers:
        yield "off by one", node + 1
        yield "off by one", node - 1


def _nodes(expression: sp.Expr, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], sp.Expr]]:
    """Every node with its path, the root first; exponents that are numbers belong to their power."""
    yield path, expression
    for i, argument in enumerate(expression.args):
        yield from _nodes(argument, (*path, i))


def _replaced(expression: sp.Expr, path: tuple[int, ...], new: sp.Expr) -> sp.Expr:
    if not path:
        return new
    first, *rest = path
    arguments = list(expression.args)
    arguments[first] = _replaced(arguments[first], tuple(rest), new)
    return expression.func(*arguments)


def _short(expression: Any) -> str:
    text = str(expression)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
