"""What the kernel proved of a refutation, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["rows"]

DIGITS = 24


def rows(shown: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of every line: claim, configurations, both sides, margin.

    Parameters
    ----------
    shown : ``refutation`` of the kernel's answer.

    Examples
    --------
    >>> from fractions import Fraction
    >>> part = {"problem": "ab" * 32, "model": "uf-svm", "counts": [["2", 1], ["1", 3]], "options": {"dim": 3}}
    >>> shown = {"claim": "X1", "because": "", "given": [], "says": ["2", "=", "/0/bounds"], "uses": []}
    >>> shown |= {"claimed": {"lower": "2", "upper": "2"}, "found": {"lower": "3", "upper": "3.5"}}
    >>> shown |= {"margin": {"lower": "1", "upper": "1.5"}, "problems": [part]}
    >>> list(rows(shown))[1:]
    [('problem', 'uf-svm, 2, 1x3, dim 3'), ('claimed', '<= 2'), ('found', '>= 3'), ('margin', '>= 1')]
    """
    yield "refuted", shown["claim"]
    if shown["because"]:
        yield "it says", shown["because"]
    for part in shown["problems"]:
        yield "problem", _problem(part)
    claimed, found, margin = shown["claimed"], shown["found"], shown["margin"]
    if margin is None:
        yield "claimed", _state(claimed)
        yield "found", _state(found)
    else:
        above = _sign(claimed["lower"], found["upper"])
        yield "claimed", f">= {claimed['lower'][:DIGITS]}" if above else f"<= {claimed['upper'][:DIGITS]}"
        yield "found", f"<= {found['upper'][:DIGITS]}" if above else f">= {found['lower'][:DIGITS]}"
        yield "margin", f">= {margin['lower'][:DIGITS]}"
    if shown["given"]:
        yield "conditions", f"{len(shown['given'])}, all proved"
    if shown["uses"]:
        yield "relies on", ", ".join(shown["uses"])


def _sign(left: str, right: str) -> bool:
    from fractions import Fraction

    return Fraction(left) >= Fraction(right)


def _state(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _problem(part: dict[str, Any]) -> str:
    counts = ", ".join(size if m == 1 else f"{size}x{m}" for size, m in part["counts"])
    told = (f"{name} {_short(value)}" for name, value in part["options"].items() if value is not None)
    return ", ".join((part["model"], counts, *told))


def _short(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 2 * DIGITS else f"{text[:DIGITS]}..."
