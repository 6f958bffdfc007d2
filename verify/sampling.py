"""Draw problems: random class counts, weights, biases, and weight decays on both sides of every threshold."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem

__all__ = ["OFFSETS", "PROFILES", "problems", "threshold_squares"]

OFFSETS = (Fraction(0), *(sign * Fraction(1, 10**e) for e in (1, 3, 6) for sign in (-1, 1)))
"""Relative distances of x from a threshold: both sides at 1e-1, 1e-3, 1e-6, and exactly at it."""

PROFILES = {"dev": 12, "ci": 25, "nightly": 500}
"""Drawn configurations per claim."""

MOST_CLASSES = 8


def _sizes() -> st.SearchStrategy[Fraction]:
    """Class sizes: tiny, ordinary, on a log scale up to 10^6, and fractional."""
    return st.one_of(
        st.integers(1, 12).map(Fraction),
        st.integers(2, 500).map(Fraction),
        st.integers(0, 60).map(lambda e: Fraction(round(10 ** (e / 10)))),
        st.fractions(min_value=Fraction(1, 2), max_value=50, max_denominator=4),
    )


@st.composite
def _clusters(draw: st.DrawFn, family: Family) -> list[tuple[Fraction, int]]:
    """(size, repeat) per cluster, sizes different, at least two classes, at most MOST_CLASSES."""
    if family.sizes == "balanced":
        return [(draw(_sizes()), draw(st.integers(2, MOST_CLASSES)))]
    if family.sizes == "two":
        sizes = draw(st.lists(_sizes(), min_size=2, max_size=2, unique=True))
        repeats = [draw(st.integers(1, 4)), draw(st.integers(1, 4))]
    elif family.sizes == "distinct":
        sizes = draw(st.lists(_sizes(), min_size=2, max_size=6, unique=True))
        repeats = [1] * len(sizes)
    elif family.sizes == "clusters":
        sizes = draw(st.lists(_sizes(), min_size=1, max_size=4, unique=True))
        repeats = [draw(st.integers(2, 4)), *(draw(st.integers(1, 2)) for _ in sizes[1:])]
    else:
        sizes = draw(st.lists(_sizes(), min_size=1, max_size=4, unique=True))
        least = 2 if len(sizes) == 1 else 1
        repeats = [draw(st.integers(least, 3)) for _ in sizes]
    return list(zip(sizes, repeats, strict=True))


def _weights(count: int) -> st.SearchStrategy[list[Fraction]]:
    values = st.sampled_from([Fraction(1, 3), Fraction(1, 2), Fraction(1), Fraction(1), Fraction(2), Fraction(5)])
    return st.lists(values, min_size=count, max_size=count)


@st.composite
def problems(draw: st.DrawFn, family: Family) -> Problem:
    """Problems of a family, with x relative to one of the family's thresholds or far from all of them.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(problems(Family(sizes="two", bias=("none",))), lambda p: p.K == 2).K
    2
    """
    clusters = draw(_clusters(family))
    mode = draw(st.sampled_from(family.bias))
    bias = Fraction(1, 10 ** draw(st.integers(0, 4))) if mode == "penalised" else mode
    weights = draw(_weights(len(clusters))) if family.weights and draw(st.booleans()) else [Fraction(1)] * len(clusters)
    base = Problem.ce(
        clusters,
        1,
        bias=bias,
        weights=[(w, repeat) for w, (_, repeat) in zip(weights, clusters, strict=True)],
    )
    thresholds = threshold_squares(base, family.near)
    x2 = draw(st.sampled_from(thresholds))
    if draw(st.integers(0, 3)) == 0:
        x2 *= Fraction(1, 10 ** draw(st.integers(1, 8)))
    else:
        x2 *= (1 + draw(st.sampled_from(OFFSETS))) ** 2
    problem = base.at(x2)
    tilt = Fraction(10) ** draw(st.integers(-2, 2))
    dim = draw(st.sampled_from([problem.K, problem.K, problem.K - 1, problem.K + 2]))
    return problem.tilted(tilt, max(1, dim))


def threshold_squares(problem: Problem, near: Sequence[str]) -> list[Fraction]:
    """Squares x^2 of the named thresholds; exact where they are rational, else rational to 30 digits.

    Examples
    --------
    >>> threshold_squares(Problem.ce([9, 9, 4, 4], 1), ("merge", "collapse"))
    [Fraction(9, 1), Fraction(4, 1), Fraction(9, 1)]
    """
    squares = []
    if "merge" in near:
        squares += [c.weight**2 * c.size for c in problem.clusters if c.classes >= 2]
    if "collapse" in near or not squares:
        squares.append(_collapse_square(problem))
    if "between" in near and len(problem.clusters) == 2:
        squares += _between_squares(problem)
    return squares


def _collapse_square(problem: Problem) -> Fraction:
    """Where Z* vanishes: exact for a repeated largest size or two clusters without weights, else to float digits."""
    largest = max(problem.clusters, key=lambda c: c.weight**2 * c.size)
    if largest.classes >= 2:
        return largest.weight**2 * largest.size
    sizes = np.array([float(n) for n in problem.sizes])
    weights = np.array([float(w) for w in problem.weights])
    base = np.full(problem.K, 1 / problem.K) if problem.bias == "none" else weights * sizes / (weights * sizes).sum()
    operator = (np.eye(problem.K) - base[:, None]) * (weights * np.sqrt(sizes))
    return Fraction(float(np.linalg.eigvalsh(operator.T @ operator)[-1]))


def _between_squares(problem: Problem) -> list[Fraction]:
    from verify.thresholds import thresholds

    entries = [t for t in thresholds(problem) if t.name == "between_groups_dead" and t.value is not None]
    return [(Fraction(t.value.mid().str(30, radius=False)) * problem.N) ** 2 for t in entries]
