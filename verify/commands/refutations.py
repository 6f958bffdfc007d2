"""What the kernel proved of a refutation, for people."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

__all__ = ["rows"]

DIGITS, LONGEST = 24, 100


def rows(shown: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of every line: claim, configurations, conditions, the statement, both sides, margin.

    Parameters
    ----------
    shown : ``refutation`` of the kernel's answer.

    Examples
    --------
    >>> part = {"problem": "ab" * 32, "model": "uf-svm", "counts": [["2", 1], ["1", 3]], "options": {"dim": 3}}
    >>> shown = {"claim": "X1", "because": "", "given": [], "says": ["2", "=", "/0/bounds"], "uses": []}
    >>> shown |= {"claimed": {"lower": "2", "upper": "2"}, "found": {"lower": "3", "upper": "3.5"}}
    >>> shown |= {"margin": {"lower": "1", "upper": "1.5"}, "problems": [part]}
    >>> [text for _, text in rows(shown)]
    ['X1', 'uf-svm, 2, 1x3, dim 3', '2 = /0/bounds', '<= 2', '>= 3', '>= 1']
    """
    yield "refuted", shown["claim"]
    if shown["because"]:
        yield "it says", shown["because"]
    for part in shown["problems"]:
        yield "problem", _problem(part)
    for statement in shown["given"]:
        yield "proved", _text(statement)
    yield "statement", _text(shown["says"])
    claimed, found, margin = shown["claimed"], shown["found"], shown["margin"]
    if margin is None:
        yield "found", _literal(found)
    else:
        above = Fraction(claimed["lower"]) >= Fraction(found["upper"])
        yield "claimed", f">= {claimed['lower'][:DIGITS]}" if above else f"<= {claimed['upper'][:DIGITS]}"
        yield "found", f"<= {found['upper'][:DIGITS]}" if above else f">= {found['lower'][:DIGITS]}"
        yield "margin", f">= {margin['lower'][:DIGITS]}"
    if shown["uses"]:
        yield "relies on", ", ".join(shown["uses"])


def _text(statement: list[Any]) -> str:
    """A statement as people write it, shortened."""
    left, relation, right = statement
    sides = [_literal(right) if relation == "is" and side is right else _term(side) for side in (left, right)]
    return f" {relation} ".join(side if len(side) <= LONGEST else f"{side[:LONGEST]}..." for side in sides)


def _term(term: Any) -> str:
    if isinstance(term, dict):
        name = next((key for key in term if key not in ("brackets", "factor", "lower", "upper")), None)
        return f"least value with {name}" if name else f"[{term['lower'][:DIGITS]}, {term['upper'][:DIGITS]}]"
    if not isinstance(term, list):
        return str(term)
    parts = [_term(part) for part in term[1:]]
    return f"({f' {term[0]} '.join(parts)})" if term[0] in "+-*/" else f"{term[0]}({parts[0]})"


def _literal(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _problem(part: dict[str, Any]) -> str:
    counts = ", ".join(size if m == 1 else f"{size}x{m}" for size, m in part["counts"])
    told = (f"{name} {_short(value)}" for name, value in part["options"].items() if value is not None)
    return ", ".join((part["model"], counts, *told))


def _short(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 2 * DIGITS else f"{text[:DIGITS]}..."
