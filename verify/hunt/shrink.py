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
from itertools import chain, groupby
from math import ceil, isqrt

from theory.problem import Problem, Run
from verify.hunt.attack import LIMIT, Examined, Overtime, Target, examine, limited
from verify.hunt.spaces import distances, near_thresholds, valid

__all__ = ["fewer_classes", "is_minimal", "plainer", "shrink", "simpler", "simplest_between", "smaller_counts"]

OFFSETS = tuple(Fraction(n, 100) for n in (0, -1, 1, -10, 10))
RATIOS = ("uf-svm", "layer-peeled")
EACH = 12
"""Counts up to this are tried one by one; above, 1, halves and one less."""
TOLERANCES = tuple(Fraction(1, d) for d in (1, 2, 5, 10, 10**2, 10**3, 10**4, 10**6, 10**9))

Report = Callable[[Problem, Examined], None]


def shrink(target: Target, problem: Problem, report: Report, watch: Callable[[Problem], None] | None = None) -> Problem:
    """The smallest configuration found that still violates the claim.

    Parameters
    ----------
    target : the claim.
    problem : a violating configuration.
    report : called with every smaller one, confirmed by a route.
    watch : called before every attempt.
    """
    tried: set[Problem] = {problem}
    while True:
        for smaller in chain(fewer_classes(problem), smaller_counts(problem), plainer(problem), simpler(problem)):
            if smaller in tried:
                continue
            tried.add(smaller)
            if watch is not None:
                watch(smaller)
            seen = violates(target, smaller)
            if seen is not None:
                report(smaller, seen)
                problem = smaller
                break
        else:
            return problem


def violates(target: Target, problem: Problem) -> Examined | None:
    """The confirmed violation on a configuration inside the hypotheses, or None."""
    if not valid(problem, target.claim):
        return None
    try:
        with limited(LIMIT):
            seen = examine(target, problem)
    except Overtime:
        return None
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
    >>> [p.K for p in fewer_classes(Problem.svm([(5, 3), (1, 1)]))][:2]
    [3, 3]
    """
    if problem.model == "ce-sphere":
        lists = [replace(problem.runs[0], repeat=K) for K in range(2, problem.K)]
        yield from (_resized(problem, (run,)) for run in lists)
        return
    runs = problem.runs
    without = [runs[:i] + runs[i + 1 :] for i in range(len(runs))]
    halved = [_repeated(runs, i, (run.repeat + 1) // 2) for i, run in enumerate(runs) if run.repeat > 3]
    single = [_repeated(runs, i, run.repeat - 1) for i, run in enumerate(runs) if run.repeat > 1]
    found = {_joined(some): None for some in chain(without, halved, single) if sum(run.repeat for run in some) >= 2}
    for some in sorted(found, key=lambda some: sum(run.repeat for run in some)):
        yield from at_levels(problem, _resized(problem, some))


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
    """Smaller counts; a fraction may also become the whole numbers next to it, or 2."""
    if size.denominator > 1:
        return sorted({Fraction(n) for n in (1, 2, int(size), ceil(size)) if n})
    top = int(size) - 1
    if top <= EACH:
        return [Fraction(n) for n in range(1, top + 1)]
    return sorted({Fraction(n) for n in (1, 2, 3, 5, 10, isqrt(top), top // 10, top // 2, top) if n})


def _repeated(runs: tuple[Run, ...], i: int, repeat: int) -> tuple[Run, ...]:
    return (*runs[:i], replace(runs[i], repeat=repeat), *runs[i + 1 :])


def _joined(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """Neighbours that differ in the repeat only become one."""
    groups = groupby(runs, key=lambda run: replace(run, repeat=1))
    return tuple(replace(run, repeat=sum(r.repeat for r in same)) for run, same in groups)


def _resized(problem: Problem, runs: tuple[Run, ...]) -> Problem:
    """Other classes; dimension and widths keep their distance from the number of classes."""
    change = sum(run.repeat for run in runs) - problem.K
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
    """One option at a time at its default."""
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
    for change in changes:
        found = replace(problem, **change)  # type: ignore[arg-type]
        if found != problem:
            yield found


def simpler(problem: Problem) -> Iterator[Problem]:
    """One number at a time replaced by simpler ones close to it; the two weight decays made equal first."""
    if problem.model in ("ce", "ce-relu") and not problem.deeper:
        yield from _simpler_level(problem)
    else:
        for name in ("lambda_w", "lambda_h", "e_w", "e_h", "temperature"):
            yield from (replace(problem, **{name: v}) for v in _simple(getattr(problem, name)))  # type: ignore[arg-type]
        for i, decay in enumerate(problem.deeper):
            yield from (
                replace(problem, deeper=(*problem.deeper[:i], v, *problem.deeper[i + 1 :])) for v in _simple(decay)
            )
    if isinstance(problem.bias, Fraction):
        yield from (replace(problem, bias=v) for v in _simple(problem.bias))
    for name in ("smoothing", "adjustment", "scaling", "loss_temperature"):
        yield from (replace(problem, **{name: v}) for v in _simple(getattr(problem, name)))  # type: ignore[arg-type]
    for i, run in enumerate(problem.runs):
        for name in ("size", "weight", "feature_decay", "row_decay"):
            for value in _simple(getattr(run, name)):
                changed = replace(run, **{name: value})  # type: ignore[arg-type]
                yield replace(problem, runs=(*problem.runs[:i], changed, *problem.runs[i + 1 :]))


def _simpler_level(problem: Problem) -> Iterator[Problem]:
    """Equal decays of W and H with a simple value; else lam^2 split into a simple pair."""
    root = Fraction(isqrt(problem.lam2.numerator * 10**40 // problem.lam2.denominator), 10**20)
    equal = problem.lambda_w == problem.lambda_h
    for value in _simple(root):
        if not equal or _size(value) < _size(problem.lambda_w):
            yield replace(problem, lambda_w=value, lambda_h=value)
    if not equal:
        pair = replace(problem, lambda_w=problem.lam2 * problem.N, lambda_h=1 / problem.N)
        if _size(pair.lambda_w) + _size(pair.lambda_h) < _size(problem.lambda_w) + _size(problem.lambda_h):
            yield pair


def _size(value: Fraction) -> int:
    return value.numerator + value.denominator


def _simple(value: Fraction) -> Iterator[Fraction]:
    """Simpler numbers near a positive one, simplest first."""
    if value <= 0:
        return
    found = dict.fromkeys(simplest_between(value * (1 - t), value * (1 + t)) for t in TOLERANCES)
    yield from (v for v in found if _size(v) < _size(value))


def simplest_between(lower: Fraction, upper: Fraction) -> Fraction:
    """The first positive rational of the Stern-Brocot tree in a closed interval, 0 <= lower < upper.

    Examples
    --------
    >>> simplest_between(Fraction(314, 100), Fraction(315, 100))
    Fraction(22, 7)
    """
    whole = max(1, ceil(lower))
    if whole <= upper:
        return Fraction(whole)
    if lower == 0:
        return Fraction(1, ceil(1 / upper))
    floor = lower.numerator // lower.denominator
    return floor + 1 / simplest_between(1 / (upper - floor), 1 / (lower - floor))
