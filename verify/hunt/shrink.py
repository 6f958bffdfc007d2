"""Shrink a counterexample: fewer classes, then smaller counts, then plain options, then simpler rationals.

What is held fixed when classes are removed or counts lowered: the model and every option, and the level relative to the
thresholds. The smaller class list counts as violating when it does so at one of these levels: the same weight decays,
the same lam N, or a relative distance d from any threshold of its model, where d runs over the distances of the larger
configuration from its own thresholds and over 0, -1/100, 1/100, -1/10, 1/10. In ``uf-svm`` and ``layer-peeled``, where
the thresholds are ratios of sizes, lowered counts are tried as they are. Feature dimensions follow the number of
classes. A configuration is minimal when no class can be removed and no count lowered in this sense.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import chain, groupby, product
from math import ceil, isqrt, prod
from typing import Any

from theory.problem import Problem, Run
from verify.hunt.attack import LIMIT, Examined, Target, examine
from verify.hunt.spaces import distances, near_thresholds, valid
from verify.limits import OutOfTime, time_limit

__all__ = ["fewer_classes", "is_minimal", "plainer", "shrink", "simplest_near", "smaller_counts", "violates"]

OFFSETS = tuple(Fraction(n, 100) for n in (0, -1, 1, -10, 10))
RATIOS = ("uf-svm", "layer-peeled")
MOST_LISTS = 32
"""So many lists of fewer classes are all tried; of more, only those without one size, half of it, or one class."""
EACH = 12
"""Counts up to this are tried one by one; above, small ones, a tenth, 1/2, 3/4, 7/8, ... of it, and one less."""

Report = Callable[[Problem, Examined], None]


def shrink(
    target: Target,
    problem: Problem,
    report: Report,
    watch: Callable[[Problem], None] | None = None,
    *,
    compare: bool = False,
) -> bool:
    """Go to ever smaller configurations that still violate the claim; whether the last one is minimal.

    It is not known to be where a smaller one took longer than its limit.

    Parameters
    ----------
    target : the claim.
    problem : a violating configuration.
    report : called with every smaller one, confirmed by a route.
    watch : called before every attempt.
    compare : ask a descent where kernel and floating route leave a configuration open.
    """
    tried: dict[Problem, bool] = {problem: True}
    slow: set[Problem] = set()

    def falls(smaller: Problem) -> bool:
        if smaller not in tried:
            if watch is not None:
                watch(smaller)
            try:
                seen = violates(target, smaller, compare=compare)
            except OutOfTime:
                slow.add(smaller)
                seen = None
            tried[smaller] = seen is not None
            if seen is not None:
                report(smaller, seen)
        return tried[smaller]

    while True:
        steps = chain(fewer_classes(problem), smaller_counts(problem), plainer(problem))
        smaller = next((step for step in steps if step not in tried and falls(step)), None)
        if smaller is None:
            smaller = simplified(problem, falls)
            if smaller == problem:
                return slow.isdisjoint(chain(fewer_classes(problem), smaller_counts(problem)))
        problem = smaller


def violates(target: Target, problem: Problem, *, compare: bool = False) -> Examined | None:
    """The confirmed violation on a configuration inside the hypotheses, or None.

    Raises
    ------
    OutOfTime
        If it takes longer than its limit.
    """
    if not valid(problem, target.claim):
        return None
    with time_limit(LIMIT):
        seen = examine(target, problem, compare=compare)
    return seen if seen.outcome == "violated" else None


def is_minimal(target: Target, problem: Problem) -> bool:
    """Whether no class can be removed and no count lowered without losing the violation (see the module).

    Parameters
    ----------
    target : the claim.
    problem : a violating configuration.
    """
    return not any(violates(target, smaller) for smaller in chain(fewer_classes(problem), smaller_counts(problem)))


# --- fewer classes, smaller counts -------------------------------------------------------------------------------


def fewer_classes(problem: Problem) -> Iterator[Problem]:
    """The problem without some classes, most of them first.

    Examples
    --------
    >>> sorted({p.K for p in fewer_classes(Problem.svm([(5, 3), (1, 1)]))})
    [2, 3]
    """
    if problem.model == "ce-sphere":
        lists = [replace(problem.runs[0], repeat=K) for K in range(2, problem.K)]
        yield from (_resized(problem, (run,)) for run in lists)
        return
    found = {_joined(some): None for some in _removals(problem.runs) if 2 <= _classes(some) < problem.K}
    for some in sorted(found, key=_classes):
        yield from at_levels(problem, _resized(problem, some))


def _removals(runs: tuple[Run, ...]) -> Iterator[tuple[Run, ...]]:
    """Lists without some classes: any, where these are few; else those of a size, about half of them, or one."""
    if prod(run.repeat + 1 for run in runs) <= MOST_LISTS:
        for repeats in product(*(range(run.repeat + 1) for run in runs)):
            yield tuple(replace(run, repeat=n) for run, n in zip(runs, repeats, strict=True) if n)
        return
    for i, run in enumerate(runs):
        yield runs[:i] + runs[i + 1 :]
        yield from (_repeated(runs, i, n) for n in ((run.repeat + 1) // 2, run.repeat - 1) if n)


def _classes(runs: tuple[Run, ...]) -> int:
    return sum(run.repeat for run in runs)


def smaller_counts(problem: Problem) -> Iterator[Problem]:
    """The problem with lower counts: of all classes of a size, or of one of them, smallest first.

    Examples
    --------
    >>> [[str(n) for n in p.sizes] for p in smaller_counts(Problem.svm([2, 2, 1]))]
    [['1', '1', '1'], ['1', '2', '1']]
    """
    if problem.model == "ce-sphere":
        return
    for i, run in enumerate(problem.runs):
        for size in _lower(run.size):
            lists: list[tuple[Run, ...]] = [(replace(run, size=size),)]
            if run.repeat > 1:
                lists.append((replace(run, size=size, repeat=1), replace(run, repeat=run.repeat - 1)))
            for some in lists:
                lower = replace(problem, runs=_joined((*problem.runs[:i], *some, *problem.runs[i + 1 :])))
                yield from [lower] if problem.model in RATIOS else at_levels(problem, lower)


def _lower(size: Fraction) -> list[Fraction]:
    """Smaller counts; a fraction becomes the whole numbers next to it, 1 or 2 first, then gets a lower numerator."""
    if size.denominator > 1:
        whole = sorted({Fraction(n) for n in (1, 2, int(size), ceil(size)) if n})
        lower = (Fraction(n, size.denominator) for n in map(int, _lower(Fraction(size.numerator))))
        return whole + [n for n in lower if n.denominator > 1]
    top = int(size) - 1
    if top <= EACH:
        return [Fraction(n) for n in range(1, top + 1)]
    closer = (top + 1 - ((top + 1) >> j) for j in range(1, top.bit_length() + 1))  # 1/2, 3/4, 7/8, ..., one less
    return sorted({Fraction(n) for n in (1, 2, 3, 5, 10, isqrt(top), top // 10, *closer) if 0 < n <= top})


def _repeated(runs: tuple[Run, ...], i: int, repeat: int) -> tuple[Run, ...]:
    return (*runs[:i], replace(runs[i], repeat=repeat), *runs[i + 1 :])


def _joined(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """Neighbours that differ in the repeat only become one."""
    groups = groupby(runs, key=lambda run: replace(run, repeat=1))
    return tuple(replace(run, repeat=sum(r.repeat for r in same)) for run, same in groups)


def _resized(problem: Problem, runs: tuple[Run, ...]) -> Problem:
    """Other classes; dimension and widths keep their distance from the number of classes."""
    change = _classes(runs) - problem.K
    return replace(
        problem,
        runs=runs,
        dim=max(1, problem.dim + change),
        widths=tuple(max(1, width + change) for width in problem.widths),
        targets=(),
    )


def at_levels(before: Problem, after: Problem) -> Iterator[Problem]:
    """A smaller class list at the levels named in the module docstring, each once.

    Parameters
    ----------
    before, after : the larger configuration, and the same options on fewer or smaller classes.
    """
    found = {after: None}
    if after.model in ("ce", "ce-relu", "mse"):
        ratio = before.N / after.N
        decays = tuple(decay * ratio for decay in after.deeper)
        found |= {replace(after, lambda_w=after.lambda_w * ratio, lambda_h=after.lambda_h * ratio, deeper=decays): None}
    kept = [Fraction(0) if abs(d) < 1e-13 else Fraction(d).limit_denominator(10**12) for d in distances(before)]
    offsets = list(dict.fromkeys([*(d for d in kept if -1 < d < 10), *OFFSETS]))
    with suppress(ValueError, ArithmeticError):
        found |= dict.fromkeys(near_thresholds(after, offsets))
    yield from found


# --- plain options, simple numbers -------------------------------------------------------------------------------


def plainer(problem: Problem) -> Iterator[Problem]:
    """One option at a time at its default, at the levels named above: weights and a bias move thresholds."""
    plain = tuple(replace(run, weight=Fraction(1)) for run in problem.runs)
    decays = tuple(replace(run, feature_decay=Fraction(1), row_decay=Fraction(1)) for run in problem.runs)
    ordered = tuple(sorted(problem.runs, key=lambda run: (-run.size, run.weight)))
    changes: list[dict[str, object]] = [
        {"runs": _joined(ordered)},
        {"bias": "none"},
        {"runs": _joined(plain)},
        {"runs": _joined(decays)},
        {"smoothing": Fraction(0)},
        {"adjustment": Fraction(0)},
        {"scaling": Fraction(0)},
        {"loss_temperature": Fraction(1)},
        {"dim": problem.K, "widths": ()},
        {"temperature": Fraction(1)},
        {"e_w": Fraction(1), "e_h": Fraction(1)},
    ]
    if problem.deeper:
        changes.append({"deeper": problem.deeper[1:], "widths": ()})
    pair = problem.lam2 * problem.N, 1 / problem.N  # exactly at a threshold only the product can stay as it is
    if problem.lambda_w != problem.lambda_h and _size(pair[0]) + _size(pair[1]) < _size(problem.lambda_w):
        changes.append({"lambda_w": pair[0], "lambda_h": pair[1]})
    for change in changes:
        found = replace(problem, **change)  # type: ignore[arg-type]
        if found != problem:
            yield from at_levels(problem, found)


def _size(value: Fraction) -> int:
    return value.numerator + value.denominator


def simplified(problem: Problem, falls: Callable[[Problem], bool]) -> Problem:
    """Every number replaced by the simplest one near it with which the configuration still falls.

    Parameters
    ----------
    problem : a configuration that falls.
    falls : whether another one does.
    """
    number = 0
    while number < len(numbers := _numbers(problem)):  # fewer once the decays are equal
        value, change = numbers[number]
        best = simplest_near(value, lambda v, change=change: falls(change(v)))  # type: ignore[misc]
        if best != value or (change(best) != problem and falls(change(best))):
            problem = change(best)
        number += 1
    return problem


def _numbers(problem: Problem) -> list[tuple[Fraction, Callable[[Fraction], Problem]]]:
    """The positive numbers of a problem, each with the problem as a function of it.

    The decays of W and H count as one number first, their geometric mean: often only their product matters.
    """
    found: list[tuple[Fraction, Callable[[Fraction], Problem]]] = []

    def add(value: Fraction, change: Callable[[Fraction], Problem]) -> None:
        if value > 0:
            found.append((value, change))

    names = ["e_w", "e_h", "temperature", "smoothing", "adjustment", "scaling", "loss_temperature"]
    if problem.model in ("ce", "ce-relu") and not problem.deeper:
        root = Fraction(isqrt(problem.lam2.numerator * 10**40 // problem.lam2.denominator), 10**20)
        add(
            problem.lambda_w if problem.lambda_w == problem.lambda_h else root,
            lambda v: replace(problem, lambda_w=v, lambda_h=v),
        )
    else:
        names += ["lambda_w", "lambda_h"]
        for i in range(len(problem.deeper)):
            add(problem.deeper[i], lambda v, i=i: replace(problem, deeper=_set(problem.deeper, i, v)))  # type: ignore[misc]
    for name in names:
        add(getattr(problem, name), lambda v, name=name: replace(problem, **{name: v}))  # type: ignore[misc]
    if isinstance(problem.bias, Fraction):
        add(problem.bias, lambda v: replace(problem, bias=v))
    for i, run in enumerate(problem.runs):
        for name in ("size", "weight", "feature_decay", "row_decay"):

            def change(v: Fraction, i: int = i, run: Run = run, name: str = name) -> Problem:
                return replace(problem, runs=_set(problem.runs, i, replace(run, **{name: v})))  # type: ignore[arg-type]

            add(getattr(run, name), change)
    if "lambda_w" not in names and problem.lambda_w != problem.lambda_h:
        add(problem.lambda_w, lambda v: replace(problem, lambda_w=v))
        add(problem.lambda_h, lambda v: replace(problem, lambda_h=v))
    return found


def _set(values: tuple[Any, ...], i: int, value: Any) -> tuple[Any, ...]:
    return (*values[:i], value, *values[i + 1 :])


def simplest_near(value: Fraction, falls: Callable[[Fraction], bool]) -> Fraction:
    """The first number on the Stern-Brocot path to a positive number that falls, if those that fall are an interval.

    Convergents of the continued fraction come first, then the steps between two of them by bisection.

    Examples
    --------
    >>> simplest_near(Fraction(314159, 100000), lambda v: Fraction(313, 100) < v < Fraction(315, 100))
    Fraction(22, 7)
    >>> simplest_near(Fraction(355, 1000), lambda v: abs(v - Fraction(355, 1000)) < Fraction(1, 200))
    Fraction(5, 14)
    """
    before, last, rest = (0, 1), (1, 0), value
    while True:
        whole = rest.numerator // rest.denominator

        def step(k: int, before: tuple[int, int] = before, last: tuple[int, int] = last) -> Fraction:
            return Fraction(before[0] + k * last[0], before[1] + k * last[1])

        if whole and step(whole) > 0 and (rest == whole or falls(step(whole))):
            low, high = 0, whole  # step(high) falls
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if falls(step(middle)) else (middle, high)
            return step(high)
        before, last = last, (before[0] + whole * last[0], before[1] + whole * last[1])
        if rest == whole:
            return value
        rest = 1 / (rest - whole)
