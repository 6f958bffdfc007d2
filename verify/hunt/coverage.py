"""Where a hunt has been: the region of the parameter space that a configuration belongs to.

A region is (number of classes, decade of the largest ratio of sizes, distance from the nearest threshold of the model
and its side, options). A count of configurations says little; a map of regions shows what was not tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import floor, log10

from theory.problem import Problem
from verify.hunt.spaces import distances

__all__ = ["CLASSES", "DISTANCES", "by_part", "region"]

CLASSES = ("K 2", "K 3", "K 4", "K 5-6", "K 7-9", "K 10+")
DISTANCES = (
    *(f"below {d}" for d in ("far", "1e-1", "1e-3", "1e-6", "1e-9")),
    "at",
    *(f"above {d}" for d in ("1e-9", "1e-6", "1e-3", "1e-1", "far")),
    "none",
)
"""``below 1e-3``: below the nearest threshold, at a relative distance of at most 1e-3 and more than 1e-6; ``far``: more
than 1e-1; ``none``: no threshold of the model is known here."""
TIE = 1e-13


def region(problem: Problem) -> str:
    """The region of a configuration, its parts joined by ' | '.

    Examples
    --------
    >>> region(Problem.ce([(9, 2), (4, 2)], 1).at("4.0001"))
    'K 4 | ratio 1 | above 1e-3 | no bias'
    >>> region(Problem.ce([9, 4], 1).with_loss("ce", smoothing="1/10", adjustment=1)).split(" | ")[3]
    'no bias, ce smoothed, shifted logits'
    """
    return " | ".join((_classes(problem.K), _ratio(problem), _distance(problem), _options(problem)))


def _classes(K: int) -> str:
    for label, most in zip(CLASSES, (2, 3, 4, 6, 9), strict=False):
        if most >= K:
            return label
    return CLASSES[-1]


def _ratio(problem: Problem) -> str:
    largest = float(max(problem.sizes) / min(problem.sizes))
    return "ratio 1" if largest < 10 else f"ratio 1e{floor(log10(largest) + 1e-9)}"


def _distance(problem: Problem) -> str:
    nearest = min(distances(problem), key=abs, default=None)
    if nearest is None:
        return "none"
    if abs(nearest) < TIE:
        return "at"
    side = "above" if nearest > 0 else "below"
    for label, most in (("1e-9", 2e-9), ("1e-6", 2e-6), ("1e-3", 2e-3), ("1e-1", 0.2)):
        if abs(nearest) <= most:
            return f"{side} {label}"
    return f"{side} far"


def _options(problem: Problem) -> str:
    words = [{"none": "no bias", "free": "free bias"}.get(str(problem.bias), "penalised bias")]
    if problem.model in ("uf-svm", "layer-peeled", "ce-sphere"):
        words = ["one family"] if problem.families == 1 else ["plain"]
    if any(run.weight != 1 for run in problem.runs):
        words.append("weights")
    if problem.depth > 1:
        words.append(f"depth {problem.depth}")
    if min(problem.layer_widths) < problem.K - 1:
        words.append("bottleneck")
    if problem.key == "loss":
        words.append(problem.loss + (" smoothed" if problem.smoothing else ""))
        words += [name for name, turned in _knobs(problem) if turned]
    if any(isinstance(size, Fraction) and size.denominator > 1 for size in problem.sizes):
        words.append("rational sizes")
    return ", ".join(words)


def _knobs(problem: Problem) -> Iterator[tuple[str, bool]]:
    """The other knobs, by name, and whether they are turned."""
    yield "shifted logits", bool(problem.adjustment)
    yield "scaled logits", bool(problem.scaling)
    yield "temperature", problem.loss_temperature != 1
    yield "feature decay", any(run.feature_decay != 1 for run in problem.runs)
    yield "row decay", any(run.row_decay != 1 for run in problem.runs)
    yield "soft targets", bool(problem.targets)


def by_part(coverage: Mapping[str, int], part: int) -> dict[str, int]:
    """Counts by one part of the region: 0 classes, 1 ratio, 2 distance, 3 options.

    Examples
    --------
    >>> by_part({"K 2 | ratio 1 | at | no bias": 3, "K 3 | ratio 1 | at | no bias": 4}, 2)
    {'at': 7}
    """
    found: Counter[str] = Counter()
    for name, count in coverage.items():
        found[name.split(" | ")[part]] += count
    return dict(found)
