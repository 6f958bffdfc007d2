"""Along which parameter a claim is shown: the weight decay, the ratio of class sizes, the budget or the temperature."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from theory.problem import Problem
from verify.report.figures import Marker
from verify.thresholds import Threshold, thresholds

__all__ = ["Axis", "axis", "threshold_markers"]

RATIOS = tuple(Fraction(i, 25) for i in range(5, 33))
"""Weight decay over the largest threshold, 0.2 to 1.28; rational thresholds are added."""
STEPS = 28
FARTHEST = 30
"""A ratio of sizes is followed to this multiple of itself, or to 1.4 times the largest threshold."""


@dataclass(frozen=True)
class Axis:
    """Problems along one parameter.

    Attributes
    ----------
    label : of the axis, with the parameter's name.
    points : (value of the parameter, problem), ascending.
    here : where the problem lies that the axis was made for.
    log : whether the axis is logarithmic.
    """

    label: str
    points: tuple[tuple[float, Problem], ...]
    here: float
    log: bool = False


def axis(base: Problem) -> Axis:
    """The axis that suits a problem.

    Examples
    --------
    >>> axis(Problem.ce([(120, 4), (25, 3)], "1/111")).here
    5.0
    >>> axis(Problem.sphere(5, 2, families=1)).label
    'inverse temperature $a$'
    """
    match base.key:
        case "ce" | "ce-relu":
            return _decay(base)
        case "mse" | "ce-deep":
            return _common_decay(base)
        case "ce-sphere":
            a = base.temperature
            points = tuple((float(a * f), replace(base, temperature=a * f)) for f in _steps(Fraction(1, 8), 8))
            return Axis("inverse temperature $a$", points, float(a), log=True)
    if len({c.size * c.weight for c in base.clusters}) > 1:
        return _ratio(base)
    if base.key == "layer-peeled":
        budgets = [replace(base, e_w=base.e_w * f, e_h=base.e_h * f) for f in _steps(Fraction(1, 8), 4)]
        return Axis("budget $T$", tuple((_budget(p), p) for p in budgets), _budget(base), log=True)
    return _ratio(base)


def _decay(base: Problem) -> Axis:
    squares = [t.x2 for t in thresholds(base, 12) if t.x2] or [(base.x2, base.x2)]
    top = max((lower + upper) / 2 for lower, upper in squares).limit_denominator(10**6)
    exact = {lower for lower, upper in squares if lower == upper}
    problems = [base.at(x2).tilted(1, base.dim) for x2 in sorted({top * ratio**2 for ratio in RATIOS} | exact)]
    points = tuple((math.sqrt(float(p.x2)), p) for p in problems)
    return Axis(r"$x = \lambda N$", points, math.sqrt(float(base.x2)))


def _common_decay(base: Problem) -> Axis:
    """All weight decays times one factor; the parameter is their geometric mean."""
    here = float(base.product) ** (1 / (base.depth + 1))
    top = max((_middle(t) for t in thresholds(base, 12) if t.enclosure), default=2 * here)
    points = []
    for ratio in RATIOS:
        f = Fraction(top * float(ratio) / here).limit_denominator(10**6)
        deeper = tuple(decay * f for decay in base.deeper)
        scaled = replace(base, lambda_w=base.lambda_w * f, lambda_h=base.lambda_h * f, deeper=deeper)
        points.append((here * float(f), scaled))
    return Axis(r"common weight decay $\lambda$", tuple(points), here)


def _ratio(base: Problem) -> Axis:
    """The classes of the largest size times weight grow; the parameter is that over the smallest."""
    largest = max(c.size * c.weight for c in base.clusters)
    smallest = min((c.size * c.weight for c in base.clusters if c.weight), default=largest)
    top = max((_middle(t) for t in thresholds(base, 12) if t.enclosure), default=0.0)
    far = max(Fraction(FARTHEST), Fraction(1.4 * top).limit_denominator(1000))
    points = []
    for ratio in _steps(Fraction(1), far):
        grown = [
            replace(run, size=smallest * ratio / run.weight) if run.size * run.weight == largest else run
            for run in base.runs
        ]
        points.append((float(ratio), replace(base, runs=tuple(grown))))
    return Axis("ratio of the largest to the smallest size", tuple(points), float(largest / smallest), log=True)


def _steps(first: Fraction, last: Fraction | int) -> Iterable[Fraction]:
    """Geometric steps, as short rationals."""
    growth = math.log(float(last / first)) / STEPS
    return (Fraction(float(first) * math.exp(growth * i)).limit_denominator(1000) for i in range(STEPS + 1))


def _budget(problem: Problem) -> float:
    return math.sqrt(float(problem.budget2))


def _middle(t: Threshold) -> float:
    return 0.0 if t.enclosure is None else float(sum(t.enclosure)) / 2


NAMES = {
    "cluster_merge": "n = {count} merges",
    "between_groups_dead": "between dead",
    "class_zero": "n = {count} dies",
    "mode_zero": "a mode dies",
    "minority_merge": "minority merges",
    "minority_zero": "minority vanishes",
    "minority_orthogonal": "minority orthogonal",
}


def threshold_markers(problem: Problem, scale: float = 1.0) -> tuple[Marker, ...]:
    """Thresholds of a problem as labelled lines on its axis (times ``scale``); coinciding ones share a line.

    Examples
    --------
    >>> [(round(m.x, 3), m.label) for m in threshold_markers(Problem.ce([(120, 4), (25, 3)], 1))]
    [(5.0, 'n = 25 merges'), (6.788, 'between dead'), (10.954, 'n = 120 merges, all 0')]
    """
    found: dict[float, list[str]] = {}
    for t in thresholds(problem, 12):
        if t.x2 is None and t.enclosure is None:
            continue
        x = round(math.sqrt(float(sum(t.x2)) / 2), 9) if t.x2 else float(f"{_middle(t):.9g}")
        found.setdefault(x, []).append(NAMES.get(t.name, "all 0").format(count=t.count))
    return tuple(Marker(x * scale, ", ".join(dict.fromkeys(labels))) for x, labels in sorted(found.items()))
