"""Thresholds of the deep linear network with squared loss, and which problems of it to draw.

A mode is zero from a certain product Lam of all weight decays on. It is given as the value lam of one decay common to
all layers and the features, Lam = lam^(M+1). Without a bias the modes are the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod

from flint import fmpz
from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import Bracket, ball, fraction
from verify.mse import Mode, critical, modes, separable, side
from verify.thresholds import Threshold
from verify.wording import counted

__all__ = ["around", "at_product", "at_threshold", "problems", "thresholds"]

OFFSETS = (Fraction(0), *(sign * Fraction(1, 10**e) for e in (1, 3, 6) for sign in (-1, 1)))
"""Relative distances of a common decay from a threshold."""
FAR = tuple(Fraction(factor) - 1 for factor in ("1/1000", "1/30", "1/4", "3/4", "21/20", "5", "100"))
"""Distances far from it; 21/20 lies in the window where a dead mode has a stationary point for 2 <= M <= 6."""
DIGITS = 40
MOST_CLASSES = 8
WORDS = {
    "class": "all features of the {} are zero, and so are their rows of the product of the layers",
    "contrast": "the {} share one mean feature and one row of the product of the layers",
    "group": "nothing separates the classes with at least {} from the others",
    "mean": "the logits without bias of every class average to zero (a simplex frame instead of an orthogonal one)",
}


def thresholds(problem: Problem, digits: int) -> list[Threshold]:
    """See :class:`verify.models.Model`; the weight decays of the problem are ignored, its widths and penalty are not.

    Examples
    --------
    >>> for t in thresholds(Problem.mse([9, 4], [1, 1]), 10):
    ...     print(t.name, t.bounds, t.closed_form)
    class_zero ('0.07692307692', '0.07692307693') 1/13
    class_zero ('0.1320824126', '0.1320824127') (81/35152)**(1/3)
    """
    entry = Threshold(claim="", name="mode_zero", count=None, N=problem.N, x2=None, consequence="", digits=digits)
    if not separable(problem):
        reason = "no formula is known for a penalised bias on unequal classes"
        words = "From this decay on, a direction of the logits is zero."
        return [replace(entry, claim="DA23-23", verdict="undecided", reason=reason, consequence=words)]
    with precision(80 + 8 * digits):
        found = [_threshold(problem, mode, entry) for mode in modes(problem)]
    return sorted(found, key=lambda t: t.enclosure or (Fraction(0), Fraction(0)))


def _threshold(problem: Problem, mode: Mode, entry: Threshold) -> Threshold:
    cluster = problem.clusters[mode.cluster]
    M, claim = problem.depth, {"class": "DA23-05", "mean": "DA23-22"}.get(mode.kind, "DA23-19")
    classes = "class" if cluster.classes == 1 else f"{cluster.classes} classes"
    samples = counted(cluster.size, "sample")
    named = samples if mode.kind == "group" else f"{classes} with {samples}"
    entry = replace(
        entry,
        claim=claim if problem.bias in ("none", "free") else "DA23-22",
        name="class_zero" if mode.kind == "class" else "mode_zero",
        count=cluster.size,
        consequence=f"From this common decay on, {WORDS[mode.kind].format(named)}.",
        at_equality="dead" if M == 1 else "tie",
    )
    if not mode.kept:
        return replace(entry, reason="no room in the smallest layer: zero for all weight decays")
    limit = critical(problem, mode)
    if isinstance(limit, Fraction):
        ends, form = _root(limit, M + 1)
        return replace(entry, enclosure=ends, closed_form=form)
    least, most = (ball(end).root(M + 1) for end in limit)
    return replace(entry, enclosure=(fraction(least.lower()), fraction(most.upper())))


def _root(square: Fraction, degree: int) -> tuple[Bracket, str]:
    """Bracket of a root of a rational, exact where it is rational, and an expression for SymPy."""
    parts = [int(fmpz(part).root(degree)) for part in (square.numerator, square.denominator)]
    exact = Fraction(*parts)
    if exact**degree == square:
        return (exact, exact), str(exact)
    root = ball(square).root(degree)
    return (fraction(root.lower()), fraction(root.upper())), f"({square})**(1/{degree})"


def at_threshold(problem: Problem) -> bool:
    """Exactly on the threshold of a mode, or some but not all of equal modes fit into the layers.

    Examples
    --------
    >>> at_threshold(Problem.mse([6, 4], "1/5")), at_threshold(Problem.mse([6, 4], "1/6"))
    (True, False)
    """
    if not separable(problem):
        return False
    found = [mode for mode in modes(problem) if mode.kept]
    return any(side(problem, mode) == 0 or mode.kept < mode.copies for mode in found)


def at_product(problem: Problem, product: Fraction) -> Problem:
    """The same classes and widths with decays in about the same ratios and exactly this product.

    Examples
    --------
    >>> p = at_product(Problem.mse([4, 4], ["1/100", 1], 1), Fraction(1, 10**8))
    >>> p.layers, p.lambda_h
    ((Fraction(1, 10000), Fraction(1, 100)), Fraction(1, 100))
    """
    degree = problem.depth + 1
    with precision(64):
        factor = float(ball(product / problem.product).root(degree))
    layers = [Fraction(f"{float(decay) * factor:.2g}") for decay in problem.layers]
    return replace(problem, lambda_w=layers[0], deeper=tuple(layers[1:]), lambda_h=product / prod(layers))


def around(problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[Problem]:
    """Decays at relative distances from where each mode dies, if ``near`` holds 'zero'; 0 only where mu is rational.

    Examples
    --------
    >>> [at_threshold(p) for p in around(Problem.mse([9, 4], 1), ("zero",), (Fraction(0), Fraction(1)))]
    [True, False, True, False]
    """
    if "zero" not in near or not separable(problem):
        return []
    found = []
    with precision(int(3.33 * DIGITS)):
        for mode in modes(problem):
            limit = critical(problem, mode)
            exact = isinstance(limit, Fraction)
            middle = limit if isinstance(limit, Fraction) else Fraction(f"{float(limit[0]):.16e}")
            kept = [offset for offset in offsets if offset or exact]
            found += [at_product(problem, middle * (1 + offset) ** (problem.depth + 1)) for offset in kept]
    return list(dict.fromkeys(found))


@st.composite
def problems(draw: st.DrawFn, family: Family) -> Problem:
    """Problems with 2 to 8 classes, ratios of sizes to 10^4, decays in ratios to 10^4, around and far from thresholds.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(problems(Family(model="mse", depths=(3,))), lambda p: True).depth
    3
    """
    counts = draw(_counts(family))
    K = sum(repeat for _, repeat in counts)
    depth, mode = draw(st.sampled_from(family.depths)), draw(st.sampled_from(family.bias))
    width = st.sampled_from([K, K, K + 2]) if family.dims == "wide" else st.integers(1, K + 1)
    widths = [draw(width)] * depth if draw(st.booleans()) else [draw(width) for _ in range(depth)]
    base = Problem.mse(
        counts,
        [Fraction(10) ** draw(st.integers(-2, 2)) for _ in range(depth)],
        1,
        bias=draw(st.sampled_from(["1/20", "1/3", "2", "50"])) if mode == "penalised" else mode,
        widths=widths,
    )
    simple = base if separable(base) else replace(base, bias="free")
    offset = draw(st.sampled_from([*(OFFSETS if family.near else ()), *FAR]))
    choices = around(simple, ("zero",), [offset]) or around(simple, ("zero",), [FAR[2]])
    return replace(draw(st.sampled_from(choices)), bias=base.bias)


@st.composite
def _counts(draw: st.DrawFn, family: Family) -> list[tuple[Fraction, int]]:
    """(size, repeat) per cluster, largest first, at least two classes."""
    size = st.one_of(
        st.integers(1, 12).map(Fraction),
        st.integers(1, 10**4).map(Fraction),
        st.fractions(min_value=Fraction(1, 2), max_value=20, max_denominator=4),
    )
    fewest, most = {"balanced": (1, 1), "two": (2, 2), "distinct": (2, 5), "clusters": (1, 3), "any": (1, 4)}[
        family.sizes
    ]
    sizes = sorted(draw(st.lists(size, min_size=fewest, max_size=most, unique=True)), reverse=True)
    room = MOST_CLASSES // len(sizes)
    repeats = [1 if family.sizes == "distinct" else draw(st.integers(1, min(4, room))) for _ in sizes]
    if sum(repeats) == 1 or (family.sizes in ("clusters", "balanced") and max(repeats) == 1):
        repeats[0] = draw(st.integers(2, min(4, room)))
    return list(zip(sizes, repeats, strict=True))
