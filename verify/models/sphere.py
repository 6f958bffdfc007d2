"""Unit vectors have no thresholds; which problems of them to draw."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from verify.thresholds import Threshold

__all__ = ["around", "at_threshold", "problems", "thresholds"]

MOST = 12
TEMPERATURES = tuple(Fraction(t) for t in ("1/10", "1/4", "1/2", "1", "3/2", "2", "3", "5", "7", "10"))


def thresholds(problem: Problem, digits: int) -> list[Threshold]:
    """See :class:`verify.models.Model`."""
    return []


def at_threshold(problem: Problem) -> bool:
    """See :class:`verify.models.Model`."""
    return False


def around(problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[Problem]:
    """See :class:`verify.models.Model`."""
    return []


@st.composite
def problems(draw: st.DrawFn, family: Family) -> Problem:
    """Temperatures 1/10 to 10; 'wide' has dimensions n - 1 to 2n, often exactly n - 1; 'any' half below that.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(problems(Family(model="ce-sphere", dims="any")), lambda p: p.dim < p.K - 1).K
    3
    """
    n = draw(st.integers(2, MOST))
    dims = [st.just(n - 1), st.integers(n - 1, 2 * n)]
    if family.dims == "any" and n > 2:
        dims += [st.integers(1, n - 2)] * 2
    temperature = draw(st.sampled_from(TEMPERATURES) | st.fractions(Fraction(1, 10), 10, max_denominator=10))
    return Problem.sphere(n, draw(st.one_of(dims)), temperature, draw(st.sampled_from(family.families)))
