"""Thresholds of the layer-peeled model, and which problems of it to draw.

The parameter is the ratio of the two masses n_k w_k at fixed budgets. Why each enclosure holds THE threshold is said in
:mod:`verify.peeled`: the merging ratio R_0 by monotone functions of one parameter, the vanishing ratio R_1 explicitly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import log1p, sqrt
from typing import Any

from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem, Run
from verify.balls import precision
from verify.bracket import Bracket, fraction
from verify.peeled import Pair, groups, merge_ratio, zero_ratio
from verify.thresholds import Threshold

__all__ = ["around", "at_threshold", "problems", "thresholds"]

BITS = 8192
OFFSETS = [sign * Fraction(1, 10**e) for e in (1, 3, 6) for sign in (-1, 1)]


def thresholds(problem: Problem, digits: int = 30) -> list[Threshold]:
    """R_0 and R_1 of the two masses of a problem, smallest first; none unless there are exactly two positive ones.

    Parameters
    ----------
    problem : the ratio of its masses is ignored: only their order, the numbers of classes and the budgets matter.
    digits : significant decimal digits.

    Examples
    --------
    >>> for t in thresholds(Problem.peeled([(3, 3), (2, 2)], 2, "1/2"), 12):
    ...     print(t.claim, t.name, t.bounds)
    FA21-04 minority_merge ('2.17188298296', '2.17188298297')
    FA21-06 minority_zero ('6.61054720631', '6.61054720632')
    """
    pair, found = _pair(problem), []
    if pair is None:
        return []
    small = groups(problem)[1]
    words = "class" if small.classes == 1 else f"{small.classes} classes"
    base = Threshold("FA21-04", "minority_merge", None, problem.N, None, "", parameter="ratio", digits=digits)
    if pair.b > 1:
        consequence = (
            f"From this ratio of n_k w_k on, the {words} of smallest n_k w_k share one mean feature and one classifier "
            "row, so the model cannot tell them apart."
        )
        found.append(replace(base, enclosure=_bracket(merge_ratio(pair, digits)), consequence=consequence))
    zero = zero_ratio(pair, digits)
    if zero is not None:
        consequence = (
            f"From this ratio of n_k w_k on, features and classifier rows of the {words} of smallest n_k w_k are zero."
        )
        entry = replace(base, claim="FA21-06", name="minority_zero", consequence=consequence)
        found.append(replace(entry, enclosure=_bracket(zero)))
    return found


def _pair(problem: Problem) -> Pair | None:
    found = groups(problem)
    if len(found) != 2 or not found[1].mass:
        return None
    return Pair(found[0].classes, found[1].classes, problem.budget2)


def _bracket(value: Any) -> Bracket:
    with precision(BITS):
        return fraction(value.lower()), fraction(value.upper())


def at_threshold(problem: Problem) -> bool:
    """No rational ratio is known to be a threshold.

    R_1 is transcendental, as is the budget T_c from which the minority never vanishes; R_0 is not known to be rational
    anywhere.
    """
    return False


def around(problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[Problem]:
    """The same classes and budgets with the ratio of masses at relative distances from R_0 and R_1.

    Examples
    --------
    >>> base = Problem.peeled([(3, 3), (2, 2)], 2, "1/2")
    >>> [round(float(p.sizes[0] / p.sizes[-1]), 9) for p in around(base, ("minority_merge",), (Fraction(1, 10),))]
    [2.389071281]
    """
    found = [t.enclosure for t in thresholds(problem, 20) if t.name in near and t.enclosure]
    middles = [_short((lower + upper) / 2, 18) for lower, upper in found]
    ratios = [middle * (1 + offset) for middle in middles for offset in offsets if offset]
    return [_with_ratio(problem, ratio) for ratio in ratios if ratio > 1]


def _short(value: Fraction, digits: int) -> Fraction:
    """The value to so many decimal places."""
    return Fraction(round(value * 10**digits), 10**digits)


def _with_ratio(problem: Problem, ratio: Fraction) -> Problem:
    """Sizes of the classes of larger mass scaled until the ratio of masses is ``ratio``."""
    large, small = groups(problem)
    factor = ratio * small.mass / large.mass
    first = large.mass * problem.N
    runs = tuple(
        Run(run.size * factor, run.repeat, run.weight) if run.size * run.weight == first else run
        for run in problem.runs
    )
    return replace(problem, runs=runs)


# --- drawing -----------------------------------------------------------------------------------------------------


def problems(family: Family) -> st.SearchStrategy[Problem]:
    """Problems of a family: ratios on both sides of R_0 and R_1 and up to 10^4, budgets over decades.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(problems(Family(model="layer-peeled", sizes="two", near=("minority_zero",))), lambda p: p.K == 3).K
    3
    """
    return _two(family) if family.sizes == "two" else _any(family)


def _budgets() -> st.SearchStrategy[Fraction]:
    """sqrt(E_W E_H) from 1/10 to 10, most of them near 1; rational."""
    exponents = st.one_of(st.integers(-5, 5), st.integers(-10, 10))
    return exponents.map(lambda e: Fraction(round(100 * 10 ** (e / 10)), 100))


@st.composite
def _finished(draw: st.DrawFn, family: Family, sizes: list[tuple[Fraction, int]], mean: Fraction) -> Problem:
    """Weights, tilt of the budgets and dimension for given masses and sqrt(E_W E_H)."""
    K = sum(repeat for _, repeat in sizes)
    tilt = draw(st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 3), Fraction(10)]))
    widths = [K, K, K - 1, 2 * K] if family.dims == "wide" else [K, K - 1, *range(1, K - 1)]
    weights = None
    if family.weights and draw(st.booleans()):
        factors = [draw(st.sampled_from([Fraction(1, 2), Fraction(2), Fraction(5)])) for _ in sizes]
        weights = [(w, repeat) for w, (_, repeat) in zip(factors, sizes, strict=True)]
        sizes = [(size / w, repeat) for w, (size, repeat) in zip(factors, sizes, strict=True)]
    dim = max(1, draw(st.sampled_from(widths)))
    return Problem.peeled(sizes, mean * tilt, mean / tilt, weights=weights, dim=dim)


def _ratios() -> st.SearchStrategy[Fraction]:
    """Ratios above 1 and up to 10^4, on a log scale and small integers."""
    wide = st.integers(1, 40).map(lambda e: Fraction(round(100 * 10 ** (e / 10)), 100))
    return st.one_of(st.integers(2, 12).map(Fraction), wide)


@st.composite
def _two(draw: st.DrawFn, family: Family) -> Problem:
    """Two masses; near one of the thresholds that the family names, or anywhere."""
    target = draw(st.sampled_from([*family.near, *family.near, ""])) if family.near else ""
    majority, minority = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    mean = draw(_budgets())
    if target == "minority_merge":
        minority = max(2, minority)
    elif target == "minority_zero":
        majority = max(2, majority)
        mean = _short(draw(_shares()) * _critical(majority, minority) / (majority + minority), 6)
    unit = draw(st.sampled_from([Fraction(1), Fraction(1), Fraction(10), Fraction(7, 2)]))
    problem = draw(_finished(family, [(unit * draw(_ratios()), majority), (unit, minority)], mean))
    return draw(st.sampled_from(around(problem, (target,), OFFSETS))) if target else problem


def _critical(majority: int, minority: int) -> Fraction:
    """About T_c, the budget from which the minority never vanishes (FA21-06)."""
    return Fraction(majority * (majority - 1) * log1p(sqrt((majority + minority) / minority)))


def _shares() -> st.SearchStrategy[Fraction]:
    return st.sampled_from([Fraction(n, 1000) for n in (30, 200, 500, 800, 990)])


@st.composite
def _any(draw: st.DrawFn, family: Family) -> Problem:
    """One to four masses, K at most 8."""
    fewest, most = {"balanced": (1, 1), "distinct": (2, 5)}.get(family.sizes, (1, 4))
    count = draw(st.integers(fewest, most))
    sizes = draw(st.lists(_ratios(), min_size=count, max_size=count, unique=True))
    if count == 1:
        repeats = [draw(st.integers(2, 8))]
    elif family.sizes == "distinct":
        repeats = [1] * count
    else:
        repeats = [draw(st.integers(1, 8 // count)) for _ in sizes]
    return draw(_finished(family, list(zip(sizes, repeats, strict=True)), draw(_budgets())))
