"""Draw problems: random class counts, weights, biases, and weight decays on both sides of every threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from verify import models
from verify.thresholds import thresholds

__all__ = ["OFFSETS", "PROFILES", "around", "problems", "squares_around"]

OFFSETS = (Fraction(0), *(sign * Fraction(1, 10**e) for e in (1, 3, 6) for sign in (-1, 1)), Fraction(-9999, 10**4))
"""Relative distances of x from a threshold: both sides at 1e-1, 1e-3, 1e-6, exactly at it, and far below it."""

PROFILES = {"dev": 10, "ci": 25, "nightly": 500}
"""Drawn configurations per claim."""

MOST_CLASSES = 8

NEAR = {
    "ce": ("merge", "between", "collapse"),
    "ce-relu": ("merge", "collapse", "zero"),
    "mse": ("zero",),
    "ce-deep": ("frame",),
    "uf-svm": ("orthogonal",),
    "layer-peeled": ("minority_merge", "minority_zero"),
    "ce-sphere": (),
}
"""Names of the thresholds of a model, for :attr:`theory.claim.Family.near`."""

DEFAULT_NEAR = ("merge", "collapse")

NAMES = {
    "merge": "cluster_merge",
    "between": "between_groups_dead",
    "collapse": "complete_collapse",
    "zero": "class_zero",
}


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
    """(size, repeat) per cluster, sizes different, at least two classes."""
    if family.sizes == "balanced":
        return [(draw(_sizes()), draw(st.integers(2, MOST_CLASSES)))]
    fewest, most = {"two": (2, 2), "distinct": (2, 6), "clusters": (1, 4), "any": (1, 4)}[family.sizes]
    count = draw(st.integers(fewest, most))
    sizes = draw(st.lists(_sizes(), min_size=count, max_size=count, unique=True))
    if family.sizes == "two":
        repeats = [draw(st.integers(1, 4)) for _ in sizes]
    elif family.sizes == "distinct":
        repeats = [1] * count
    elif family.sizes == "clusters":
        repeats = [draw(st.integers(2, 4)), *(draw(st.integers(1, 2)) for _ in sizes[1:])]
    else:
        repeats = [draw(st.integers(2 if count == 1 else 1, 3)) for _ in sizes]
    return list(zip(sizes, repeats, strict=True))


def _weights(count: int) -> st.SearchStrategy[list[Fraction]]:
    values = st.sampled_from([Fraction(1, 3), Fraction(1, 2), Fraction(1), Fraction(1), Fraction(2), Fraction(5)])
    return st.lists(values, min_size=count, max_size=count)


def problems(family: Family) -> st.SearchStrategy[Problem]:
    """Problems of a family, on both sides of its thresholds.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(problems(Family(sizes="two", bias=("none",))), lambda p: p.K == 2).K
    2
    """
    family = replace(family, near=_near(family.model, family.near))
    model = models.of(family.model)
    return _cross_entropy(family) if model is None else model.problems(family)


def _near(key: str, near: Sequence[str] | None) -> tuple[str, ...]:
    """The thresholds to draw problems around; those of the model where a family names none."""
    if near is None:
        return DEFAULT_NEAR if key in ("ce", "ce-relu") else NEAR.get(key, ())
    unknown = [name for name in near if key in NEAR and name not in NEAR[key]]
    if unknown:
        known = ", ".join(NEAR[key]) or "none"
        raise ValueError(f"near: model {key} has no threshold {unknown[0]!r}, it has {known}")
    return tuple(near)


def around(problem: Problem, near: Sequence[str] | None, offsets: Sequence[Fraction]) -> list[Problem]:
    """Problems with the same classes at relative distances from each of the named thresholds.

    Examples
    --------
    >>> [str(p.x2) for p in around(Problem.ce([9, 9, 4, 4], 1), ("merge",), (Fraction(0), Fraction(1)))]
    ['4', '16', '9', '36']
    """
    names, model = near if near is not None else _near(problem.key, None), models.of(problem.key)
    if model is not None:  # a claim may hold problems of several models: a name that this one lacks means nothing here
        return model.around(problem, names, offsets)
    return [problem.at(square) for squares in squares_around(problem, names, offsets) for square in squares]


@st.composite
def _cross_entropy(draw: st.DrawFn, family: Family) -> Problem:
    """Problems of models ``ce`` and ``ce-relu``, with x relative to one of the family's thresholds."""
    clusters = draw(_clusters(family))
    mode = draw(st.sampled_from(family.bias))
    bias = Fraction(1, 10 ** draw(st.integers(0, 4))) if mode == "penalised" else mode
    weights = [Fraction(1)] * len(clusters)
    if family.weights and draw(st.booleans()):
        weights = draw(_weights(len(clusters)))
        if family.sizes in ("any", "clusters") and draw(st.booleans()):  # equal sizes told apart by weights only
            clusters = [(clusters[0][0], repeat) for _, repeat in clusters]
    base = Problem.ce(
        clusters,
        1,
        bias=bias,
        weights=[(w, repeat) for w, (_, repeat) in zip(weights, clusters, strict=True)],
        model=family.model,
    )
    x2 = draw(st.sampled_from(draw(st.sampled_from(squares_around(base, family.near or (), OFFSETS)))))
    problem = base.at(x2)
    tilt = Fraction(10) ** draw(st.integers(-2, 2))
    dim = draw(st.sampled_from([problem.K, problem.K, problem.K - 1, problem.K + 2]))
    return problem.tilted(tilt, max(1, dim))


def squares_around(problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[list[Fraction]]:
    """Squares x^2 at relative distances of x from each of the named thresholds; never empty.

    The distance 0 is kept where x^2 at the threshold is rational. Elsewhere nothing lies exactly on it.

    Examples
    --------
    >>> squares_around(Problem.ce([9, 9, 4, 4], 1), ("merge",), (Fraction(0), Fraction(1)))
    [[Fraction(4, 1), Fraction(16, 1)], [Fraction(9, 1), Fraction(36, 1)]]
    """
    every = thresholds(problem, 20)
    found = {name: [t.x2 for t in every if t.name == NAMES[name] and t.x2] for name in NAMES}
    largest = max(c.weight**2 * c.size for c in problem.clusters)
    squares = [square for name in near for square in found.get(name, ())] or found["collapse"] or [(largest, largest)]
    return [
        [(lower + upper) / 2 * (1 + offset) ** 2 for offset in offsets if offset or lower == upper]
        for lower, upper in squares
    ]
