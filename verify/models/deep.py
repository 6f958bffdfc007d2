"""Thresholds of the cross-entropy with several layers, and which problems of it to draw."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from verify.thresholds import Threshold

__all__ = ["around", "at_threshold", "problems", "thresholds"]


def thresholds(problem: Problem, digits: int) -> list[Threshold]:
    """See :class:`verify.models.Model`."""
    return []


def at_threshold(problem: Problem) -> bool:
    """See :class:`verify.models.Model`."""
    return False


def around(problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[Problem]:
    """See :class:`verify.models.Model`."""
    return []


def problems(family: Family) -> st.SearchStrategy[Problem]:
    """See :class:`verify.models.Model`."""
    return st.nothing()
