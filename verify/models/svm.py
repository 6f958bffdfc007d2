"""Thresholds of the max-margin problem, and which problems of it to draw.

The geometry depends on the class sizes alone. One ratio of two sizes is special: where two minority classifiers turn
from an obtuse to an acute angle (TH22-14); it is rational.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from verify.svm import orthogonal, orthogonality_ratio
from verify.thresholds import Threshold

__all__ = ["around", "at_threshold", "problems", "thresholds"]

OFFSETS = (Fraction(0), *(sign * Fraction(1, 10**e) for e in (1, 3, 6) for sign in (-1, 1)))


def thresholds(problem: Problem, digits: int) -> list[Threshold]:
    """See :class:`verify.models.Model`.

    Examples
    --------
    >>> [t.bounds for t in thresholds(Problem.svm([(10, 2), (1, 2)]), 3)]
    [('7', '7')]
    """
    ratio = orthogonality_ratio(problem)
    if ratio is None:
        return []
    minority = problem.clusters[1].size
    return [
        Threshold(
            claim="TH22-14",
            name="minority_orthogonal",
            count=minority,
            N=problem.N,
            x2=None,
            consequence=f"minority classifiers (n = {minority}) are orthogonal; beyond it their angle is acute",
            closed_form=str(ratio),
            digits=digits,
            at_equality="tie",
            parameter="ratio",
            enclosure=(ratio, ratio),
        )
    ]


def at_threshold(problem: Problem) -> bool:
    """See :class:`verify.models.Model`."""
    return orthogonal(problem)


def around(problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[Problem]:
    """See :class:`verify.models.Model`; the one name is 'orthogonal', and the majority size is moved.

    Examples
    --------
    >>> [str(p.clusters[0].size) for p in around(Problem.svm([(10, 2), (1, 2)]), ("orthogonal",), (Fraction(0),))]
    ['7']
    """
    ratio = orthogonality_ratio(problem)
    if "orthogonal" not in near or ratio is None:
        return []
    majority, minority = problem.clusters
    moved = {minority.size: minority.size}
    found = []
    for offset in offsets:
        moved[majority.size] = minority.size * ratio * (1 + offset)
        found.append(replace(problem, runs=tuple(replace(run, size=moved[run.size]) for run in problem.runs)))
    return found


def _sizes() -> st.SearchStrategy[Fraction]:
    """Class sizes: tiny, on a log scale up to 10^4, and fractional."""
    return st.one_of(
        st.integers(1, 12).map(Fraction),
        st.integers(0, 40).map(lambda e: Fraction(round(10 ** (e / 10)))),
        st.fractions(min_value=Fraction(1, 2), max_value=50, max_denominator=4),
    )


@st.composite
def problems(draw: st.DrawFn, family: Family) -> Problem:
    """See :class:`verify.models.Model`.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(problems(Family(sizes="two", model="uf-svm")), lambda p: p.K > 2).clusters[0].classes > 0
    True
    """
    fewest, most = {"two": (2, 2), "distinct": (2, 6), "balanced": (1, 1), "clusters": (1, 4), "any": (1, 4)}[
        family.sizes
    ]
    count = draw(st.integers(fewest, most))
    sizes = draw(st.lists(_sizes(), min_size=count, max_size=count, unique=True))
    largest = {1: 8, 2: 4, 3: 2, 4: 2}.get(count, 1)
    repeats = [1 if family.sizes == "distinct" else draw(st.integers(2 if count == 1 else 1, largest)) for _ in sizes]
    problem = Problem.svm(list(zip(sizes, repeats, strict=True)))
    close = around(problem, family.near or (), OFFSETS)
    problem = draw(st.sampled_from([problem, *close]))
    K = problem.K
    lowest = K - 1 if family.dims == "wide" else min(2, K - 1)
    return replace(problem, dim=draw(st.integers(lowest, 2 * K)))
