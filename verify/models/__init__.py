"""What is particular to a model beside its routes: thresholds, ties, and which problems to draw.

One module per model (``ce`` and ``ce-relu`` are served by verify/thresholds.py and verify/sampling.py themselves), each
with the functions of :class:`Model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib import import_module
from typing import Protocol, cast

from hypothesis.strategies import SearchStrategy

from theory.claim import Family
from theory.problem import Problem
from verify.thresholds import Threshold

__all__ = ["Model", "of"]

MODULES = {
    "mse": "mse",
    "ce-deep": "deep",
    "uf-svm": "svm",
    "layer-peeled": "peeled",
    "ce-sphere": "sphere",
    "loss": "loss",
}


class Model(Protocol):
    """The functions of a module of this package."""

    def thresholds(self, problem: Problem, digits: int) -> list[Threshold]:
        """Every threshold that applies to a problem, smallest first."""

    def at_threshold(self, problem: Problem) -> bool:
        """Whether the problem lies exactly on a threshold, where a gap need not decide any state."""

    def around(self, problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[Problem]:
        """The same classes at relative distances from each of the named thresholds, 0 only where that is exact."""

    def problems(self, family: Family) -> SearchStrategy[Problem]:
        """Problems of a family, on both sides of its thresholds and far away."""


def of(key: str) -> Model | None:
    """The module of a model by :attr:`theory.problem.Problem.key`; None for ``ce`` and ``ce-relu``.

    Examples
    --------
    >>> of("ce") is None
    True
    """
    name = MODULES.get(key)
    return None if name is None else cast(Model, import_module(f"verify.models.{name}"))
