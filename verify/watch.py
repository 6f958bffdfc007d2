"""Which fields of an optimum a claim's reader looks at."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from theory.optimum import Optimum

__all__ = ["watched"]

NAMES = frozenset(f.name for f in fields(Optimum)) - {"problem", "route", "companions", "work", "uses", "reason"}
"""Fields with something that a route found; the entries of ``facts`` are named ``facts.NAME``."""


class _Facts(dict[str, Any]):
    """Facts that note what is asked for."""

    def __init__(self, facts: dict[str, Any], seen: list[tuple[str, Any]]) -> None:
        super().__init__(facts)
        self.seen = seen

    def __getitem__(self, key: str) -> Any:
        self.seen.append((f"facts.{key}", super().get(key)))
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.seen.append((f"facts.{key}", super().get(key)))
        return super().get(key, default)


class _Watched(Optimum):
    """An optimum that notes which of its fields are read."""

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name in NAMES:
            seen = object.__getattribute__(self, "__dict__")["_seen"]
            if name == "facts":
                return _Facts(value, seen)
            seen.append((name, value))
        return value


def watched(optimum: Optimum, seen: list[tuple[str, Any]]) -> Optimum:
    """The same optimum, noting in ``seen`` the name and value of every field that is read.

    Examples
    --------
    >>> from theory.problem import Problem
    >>> seen = []
    >>> watched(Optimum(Problem.svm([2, 1]), "exact"), seen).logits
    >>> seen
    [('logits', None)]
    """
    copy = object.__new__(_Watched)
    companions = tuple(watched(other, seen) for other in optimum.companions)
    vars(copy).update(vars(optimum), companions=companions, _seen=seen)
    return copy
