"""The space that a hunt searches: count vectors, problems on them, levels, real parameters as a vector."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import exp, log
from typing import Any

from theory import losses
from theory.claim import Claim, Family
from theory.problem import Problem
from verify import models
from verify.models.loss import KNOBS_PER_CLASS, VALUES
from verify.sampling import NEAR, around
from verify.thresholds import thresholds

__all__ = [
    "at_vector",
    "bases",
    "count_vectors",
    "distances",
    "drawn_knobs",
    "near_thresholds",
    "scaled",
    "single_knobs",
    "spread_levels",
    "valid",
    "vector",
]

LARGEST_K = 64
"""Most classes of a configuration: above this the routes give no logits."""
BUDGETS = ("1/4", "1", "3")
"""Budgets E_W = E_H per class of the layer-peeled problems, and temperatures of ``ce-sphere``."""
GOLDEN = (5**0.5 - 1) / 2
LOWEST, HIGHEST = 1 / 30, 1.2
"""Ends of the range of levels of ``smallest``, relative to the largest threshold."""
Counts = tuple[int, ...]


def count_vectors(total: int, sizes: str) -> Iterator[Counts]:
    """Non-increasing vectors of two or more positive counts with a given sum, fewest classes first.

    Parameters
    ----------
    total : the sum.
    sizes : which of them, as in :attr:`theory.claim.Family.sizes`.

    Examples
    --------
    >>> list(count_vectors(5, "any"))
    [(4, 1), (3, 2), (3, 1, 1), (2, 2, 1), (2, 1, 1, 1), (1, 1, 1, 1, 1)]
    >>> list(count_vectors(5, "distinct"))
    [(4, 1), (3, 2)]
    """
    for K in range(2, total + 1):
        match sizes:
            case "balanced":
                yield from [(total // K,) * K] if total % K == 0 else []
            case "two":
                yield from sorted(_two_sizes(total, K), reverse=True)
            case _:
                yield from (vector for vector in _partitions(total, K, total) if _fits(vector, sizes))


def _two_sizes(total: int, K: int) -> Iterator[Counts]:
    """Of all partitions these are few: a hunt that goes on for hours could not look for them among the others."""
    for many in range(1, K):
        for small in range(1, total // K + 1):
            large, rest = divmod(total - small * (K - many), many)
            if not rest and large > small:
                yield (large,) * many + (small,) * (K - many)


def _partitions(total: int, parts: int, most: int) -> Iterator[Counts]:
    if parts == 1:
        if total <= most:
            yield (total,)
        return
    for first in range(min(most, total - parts + 1), 0, -1):
        if first * parts < total:
            return
        yield from ((first, *rest) for rest in _partitions(total - first, parts - 1, first))


def _fits(vector: Counts, sizes: str) -> bool:
    different = len(set(vector))
    match sizes:
        case "distinct":
            return different == len(vector)
        case "clusters":
            return different < len(vector)
    return True


def bases(family: Family, counts: Sequence[Any], knobs: Mapping[str, Any] | None = None) -> Iterator[Problem]:
    """Problems on given classes, one for every mode of a family: bias, depth, dimension, loss, budget, temperature.

    Parameters
    ----------
    family : the family.
    counts : sizes, or (size, repeat) pairs.
    knobs : ``weights`` (one per class, or pairs) and what else :meth:`theory.problem.Problem.with_loss` takes.

    Examples
    --------
    >>> [str(p.bias) for p in bases(Family(bias=("none", "penalised")), (2, 1))]
    ['none', '1/10']
    """
    pairs = [c if isinstance(c, tuple) else (c, 1) for c in counts]
    K = sum(repeat for _, repeat in pairs)
    biases = ["1/10" if mode == "penalised" else mode for mode in family.bias]
    others = dict(knobs or {})
    weights = others.pop("weights", None)
    match family.model:
        case "ce" | "ce-relu":
            yield from (Problem.ce(counts, 1, bias=bias, weights=weights, model=family.model) for bias in biases)
        case "ce-deep":
            yield from (Problem.ce(counts, [1] * depth, 1, bias) for depth, bias in product(family.depths, biases))
        case "mse":
            modes = product(family.depths, biases, _dims(family, K))
            yield from (Problem.mse(counts, [1] * depth, 1, bias, dim) for depth, bias, dim in modes)
        case "uf-svm":
            yield from (Problem.svm(counts, dim) for dim in _dims(family, K))
        case "layer-peeled":
            budgets = product(BUDGETS, _dims(family, K))
            yield from (Problem.peeled(counts, budget, budget, weights, dim) for budget, dim in budgets)
        case "ce-sphere":
            if {size for size, _ in pairs} == {1}:
                dims = sorted({K - 1, K} if family.dims == "wide" else {1, max(1, K - 2), K - 1, K})
                vectors = product(dims, BUDGETS, family.families)
                yield from (Problem.sphere(K, dim, temperature, number) for dim, temperature, number in vectors)
        case "loss":
            for loss, bias in product(dict.fromkeys(family.losses), biases if family.base == "ce" else ["none"]):
                if family.base == "layer-peeled":
                    base = Problem.peeled(counts, 1, 1, weights)
                else:
                    base = Problem.ce(counts, 1, bias=bias, weights=weights, model=family.base)
                if losses.find(loss).soft or "smoothing" not in others:
                    yield base.with_loss(loss, **others)


def _dims(family: Family, K: int) -> tuple[int, ...]:
    """Feature dimensions: K, and below K - 1 where the family allows that (a max-margin problem needs two)."""
    return (K,) if family.dims == "wide" or K < 4 else (K, K - 2)


def single_knobs(family: Family, K: int) -> list[dict[str, Any]]:
    """Every knob of a family alone; one value per class differs in the last class.

    Examples
    --------
    >>> single_knobs(Family(model="loss", weights=True, knobs=("adjustment",)), 3)
    [{'adjustment': Fraction(1, 1)}, {'weights': [(1, 2), (2, 1)]}]
    """
    return [{knob: [(1, K - 1), (2, 1)] if knob in KNOBS_PER_CLASS else VALUES[knob][1]} for knob in _knobs(family)]


def drawn_knobs(family: Family, repeats: Sequence[int], rng: random.Random) -> dict[str, Any]:
    """Every knob of a family with even chance, several at once.

    Examples
    --------
    >>> drawn_knobs(Family(), [1, 2], random.Random(0))
    {}
    """
    chosen = [knob for knob in _knobs(family) if rng.random() < 0.5]
    return {
        knob: [(rng.choice(VALUES[knob]), repeat) for repeat in repeats]
        if knob in KNOBS_PER_CLASS
        else rng.choice(VALUES[knob])
        for knob in chosen
    }


def _knobs(family: Family) -> list[str]:
    return list(dict.fromkeys((*family.knobs, *(["weights"] if family.weights else []))))


def near_thresholds(problem: Problem, offsets: Sequence[Fraction]) -> list[Problem]:
    """The same classes at relative distances from every threshold of the model (0 only where that is exact).

    With a class of its own size also from x^2 = w^2 n of that class: nothing merges there, but the order of two classes
    changes (NR26-24). The ratio of the decays of W and H stays about as it is.

    Examples
    --------
    >>> [str(p.x2) for p in near_thresholds(Problem.ce([9, 9, 4, 4], 1), (Fraction(0),))]
    ['4', '9', '9']
    >>> [round(p.lambda_w / p.lambda_h) for p in near_thresholds(Problem.ce([9, 4], 4, 1), (Fraction(1),))]
    [4, 4, 4, 4]
    """
    found = around(problem, NEAR.get(problem.key, ("merge", "collapse")), offsets)
    if problem.model not in ("ce", "ce-relu") or problem.deeper:
        return found
    alone = [c.weight**2 * c.size for c in problem.clusters if c.classes == 1]
    found += [problem.at(level * (1 + offset)) for level in alone for offset in offsets]
    ratio = Fraction((problem.lambda_w / problem.lambda_h) ** 0.5).limit_denominator(100)
    return found if ratio in (0, 1) else [level.tilted(ratio, level.dim) for level in found]


def spread_levels(problem: Problem, position: int) -> list[Problem]:
    """The same classes at two levels relative to the largest threshold, evenly spread (on a log scale) over positions.

    Examples
    --------
    >>> [round(float(p.x2), 3) for p in spread_levels(Problem.ce([9, 9, 4, 4], 1), 1)]
    [0.841, 0.023]
    """
    top = near_thresholds(problem, (Fraction(0), Fraction(1, 1000)))
    places = ((position * GOLDEN + half) % 1 for half in (0.0, 0.5))
    levels = (LOWEST * (HIGHEST / LOWEST) ** place for place in places)
    return [scaled(top[-1] if top else problem, Fraction(f"{level:.6g}")) for level in levels]


def scaled(problem: Problem, factor: Fraction) -> Problem:
    """The same classes at another level: all weight decays times ``factor``, or budgets or temperature divided by it.

    In ``uf-svm``, which has no such number, the sizes of the largest classes are multiplied.

    Examples
    --------
    >>> scaled(Problem.ce([2, 1], "1/10"), Fraction(3)).x2 == 9 * Problem.ce([2, 1], "1/10").x2
    True
    """
    match problem.model:
        case "uf-svm":
            top = max(problem.sizes)
            runs = tuple(replace(run, size=run.size * factor) if run.size == top else run for run in problem.runs)
            return replace(problem, runs=runs)
        case "layer-peeled":
            return replace(problem, e_w=problem.e_w / factor, e_h=problem.e_h / factor)
        case "ce-sphere":
            return replace(problem, temperature=problem.temperature / factor)
    return replace(
        problem,
        lambda_w=problem.lambda_w * factor,
        lambda_h=problem.lambda_h * factor,
        deeper=tuple(decay * factor for decay in problem.deeper),
    )


def distances(problem: Problem) -> list[float]:
    """Signed relative distances of a problem from the thresholds of its model, in the parameter of each.

    Examples
    --------
    >>> [round(d, 3) for d in distances(Problem.ce([(9, 2), (4, 2)], 1).at(4))]
    [0.0, -0.2, -0.333, -0.333]
    """
    model = models.of(problem.key)
    found = thresholds(problem, 20) if model is None else model.thresholds(problem, 20)
    here = {"ratio": _ratio(problem), "lam": _common_decay(problem)}
    answers = []
    for entry in found:
        value = entry.value
        if value is not None and entry.parameter in here:
            answers.append(here[entry.parameter] / float(value.mid()) - 1)
    return answers


def _ratio(problem: Problem) -> float:
    masses = [c.size * c.weight for c in problem.clusters if c.weight]
    return float(max(masses) / min(masses))


def _common_decay(problem: Problem) -> float:
    if problem.model == "mse" or problem.deeper:
        return exp((log(problem.product.numerator) - log(problem.product.denominator)) / (problem.depth + 1))
    return exp((log(problem.lam2.numerator) - log(problem.lam2.denominator)) / 2)


def valid(problem: Problem, claim: Claim) -> bool:
    """Whether a problem obeys the rules of its model, is not too large, and satisfies the hypotheses of a claim.

    Examples
    --------
    >>> from verify.registry import load
    >>> valid(Problem.ce([2, 1], 1), load()["HL23-04"])
    False
    """
    if problem.K > LARGEST_K:
        return False
    try:
        return claim.applies(Problem.from_canonical(problem.canonical()))
    except ValueError:
        return False


# --- real parameters ---------------------------------------------------------------------------------------------


def vector(problem: Problem, family: Family) -> list[float]:
    """Logarithms of the real parameters of a problem: level, sizes (relative), weights, penalty, and so on.

    Examples
    --------
    >>> [round(v, 3) for v in vector(Problem.ce([(9, 2), (4, 2)], 1), Family())]
    [0.0, 2.197, 1.386]
    """
    return [0.0, *(log(float(value)) for value in _reals(problem, family))]


def _reals(problem: Problem, family: Family) -> list[Fraction]:
    values = [] if problem.model == "ce-sphere" else [run.size for run in problem.runs]
    if _weighted(problem, family):
        values += [run.weight for run in problem.runs]
    if isinstance(problem.bias, Fraction):
        values.append(problem.bias)
    return values


def _weighted(problem: Problem, family: Family) -> bool:
    return all(run.weight for run in problem.runs) and (
        family.weights or "weights" in family.knobs or any(run.weight != 1 for run in problem.runs)
    )


def at_vector(problem: Problem, family: Family, point: Sequence[float], digits: int = 6) -> Problem:
    """The problem with other real parameters, rounded to rationals; equal classes stay equal.

    Parameters
    ----------
    problem : gives everything else.
    family : as in :func:`vector`.
    point : logarithms, in the order of :func:`vector`.
    digits : significant digits of sizes and weights; the level gets twice as many.

    Examples
    --------
    >>> start = Problem.ce([(9, 2), (4, 2)], 1)
    >>> at_vector(start, Family(), vector(start, Family())) == start
    True
    """
    values = [_rational(v, digits) for v in point[1:]]
    runs = list(problem.runs)
    if problem.model != "ce-sphere":
        runs = [replace(run, size=values.pop(0)) for run in runs]
    if _weighted(problem, family):
        runs = [replace(run, weight=values.pop(0)) for run in runs]
    found = replace(problem, runs=tuple(runs))
    if isinstance(problem.bias, Fraction):
        found = replace(found, bias=values.pop(0))
    return scaled(found, _rational(point[0], 2 * digits))


def _rational(logarithm: float, digits: int) -> Fraction:
    """exp(logarithm) to so many significant digits, between 1e-12 and 1e12."""
    return Fraction(f"{exp(max(-27.6, min(27.6, logarithm))):.{digits}g}")
