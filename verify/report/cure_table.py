"""The numbers of the page "What each cure does": thresholds, limits and the figure, from the thresholds and claims."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any

import sympy as sp

from theory import losses
from theory.loss_observables import eps, gamma, r, s, tau
from theory.problem import Cluster, Problem
from theory.symbols import K, N, n, w
from verify.models import loss as loss_model
from verify.report.cure_limits import Limit, limit
from verify.report.cures import EXAMPLE, MAJORITY, MINORITY, Cure, N_f, copies, cures, n_max
from verify.report.figures import Dots, Interval, Panel
from verify.report.words import in_words
from verify.thresholds import Threshold, thresholds

__all__ = ["Row", "dots", "example_in_words", "rows", "values"]

Range = tuple[float | None, float | None]
"""Least and most: equal for a number, None where that end is not known."""


@dataclass(frozen=True)
class Row:
    """What the page shows of a cure.

    Attributes
    ----------
    factor : LaTeX; empty with a ``reason``.
    minority, majority, collapse : weight decay at which they merge, or everything is zero.
    why : where ``collapse`` is not a weight decay.
    relative : whether the thresholds are values of lam, comparable with those of the example.
    claims : what the numbers, and then the words, rest on.
    """

    cure: Cure
    factor: str
    reason: str
    minority: Range
    majority: Range
    collapse: Range
    why: str
    limit: Limit
    relative: bool
    claims: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, str, str]:
        """Minority, majority and collapse as printed."""
        unit = "" if self.relative else "multiplier "
        return _cell(self.minority, unit), _cell(self.majority, unit), self.why or _cell(self.collapse, unit)

    @property
    def angles(self) -> tuple[str, str]:
        """Angles of two small and two large classes as printed."""
        return f"{self.limit.small:.0f}°", f"{self.limit.large:.0f}°"


def _cell(ends: Range, unit: str) -> str:
    low, high = (None if end is None else f"{end:#.3g}" for end in ends)
    if low is None:
        return "not known"
    if high is None:
        return f"{unit}≥\u00a0{low}"
    return unit + (low if low == high else f"{low}\u00a0– {high}")


def rows() -> dict[str, list[Row]]:
    """All cures with their thresholds on the example, by group.

    Examples
    --------
    >>> [(row.cure.name, *row.cells) for row in rows()["Weights and copies"]][:2]
    [('no cure', '0.00215', '0.0108', '0.0108'), ('class weights 1/n', '0.0280', '0.00559', '0.0280')]
    """
    return {group: [_row(cure) for cure in together] for group, together in cures().items()}


def _row(cure: Cure) -> Row:
    peeled = cure.problem.model == "layer-peeled"
    found = (loss_model.thresholds if peeled else thresholds)(cure.problem, 12)
    end = limit(cure.limit, cure.problem, *(_moved(cure, cluster) for cluster in (MINORITY, MAJORITY)))
    latex, reason = _factor(cure)
    shown = (t.claim for t in found if t.value is not None and t.name in SHOWN)
    return Row(
        cure,
        latex,
        reason,
        _merge(cure, found, MINORITY),
        _merge(cure, found, MAJORITY),
        _collapse(cure, found),
        "no value of λ" if peeled else "",
        end,
        relative=not peeled,
        claims=tuple(dict.fromkeys([*shown, *cure.claims, *end.claims])),
    )


SHOWN = ("cluster_merge", "class_zero", "complete_collapse")


def _factor(cure: Cure) -> tuple[str, str]:
    """LaTeX of the factor, and what it is where it is not that of the law."""
    known = losses.find(cure.problem.loss).factor
    if cure.factor is not None:
        return sp.latex(cure.factor), "of the multiplier" if cure.problem.model == "layer-peeled" else ""
    assert known is not None
    least, most = known(MINORITY.classes)
    if most is None:
        return rf"\geq {sp.latex(sp.S(least))}", "no closed form"
    return rf"{sp.latex(sp.S(least))} \ldots {sp.latex(sp.S(most))}", "no closed form"


def _moved(cure: Cure, cluster: Cluster) -> Cluster:
    """The cluster of the cure that holds the classes of a cluster of the example."""
    first = cluster.ranges[0][0]
    run = next(c for c in cure.problem.clusters if first in c.members)
    return Cluster(run.size, run.weight, cluster.classes, cluster.ranges, run.feature_decay, run.row_decay)


def _middle(t: Threshold) -> float | None:
    return None if t.value is None else float(t.value.mid())


def _merge(cure: Cure, found: list[Threshold], cluster: Cluster) -> Range:
    """Threshold of the classes that the cluster of the example became."""
    size = _moved(cure, cluster).size
    (entry,) = (t for t in found if t.name in ("cluster_merge", "class_zero") and t.count == size)
    value = _middle(entry)
    if value is not None:
        return value, value
    known = losses.find(cure.problem.loss).factor
    least, most = known(cluster.classes) if known else (None, None)
    plain = math.sqrt(cluster.size) / float(EXAMPLE.N)
    low = None if least is None else float(least) * plain
    if most is None:
        return low, None
    top, end = float(most) * plain, _collapse(cure, found)[1]
    return low, top if end is None else min(top, end)


def _collapse(cure: Cure, found: list[Threshold]) -> Range:
    if cure.problem.model == "layer-peeled":
        return None, None
    if cure.event == "vanish":
        end = max(value for t in found if (value := _middle(t)) is not None)
        return end, end
    (entry,) = (t for t in found if t.name == "complete_collapse")
    value = _middle(entry)
    return (loss_model.collapse_from(cure.problem), None) if value is None else (value, value)


def values(problem: Problem, cluster: Cluster) -> Mapping[sp.Symbol, Any]:
    """What the symbols of a factor are for a cluster of the example.

    Examples
    --------
    >>> values(EXAMPLE, MINORITY)[n], values(EXAMPLE, MINORITY)[copies]
    (20, 1)
    """
    run = next(c for c in problem.clusters if cluster.ranges[0][0] in c.members)
    exact: dict[sp.Symbol, Fraction | int] = {
        w: run.weight,
        r: run.feature_decay,
        s: run.row_decay,
        eps: problem.smoothing,
        gamma: problem.scaling,
        tau: problem.loss_temperature,
        n: cluster.size,
        n_max: max(problem.sizes),
        copies: run.size / cluster.size,
        N: EXAMPLE.N,
        N_f: problem.N,
        K: problem.K,
    }
    return {symbol: sp.Rational(str(value)) for symbol, value in exact.items()}


# --- figure ------------------------------------------------------------------------------------------------------


def dots(groups: Mapping[str, list[Row]]) -> Dots:
    """Merging thresholds relative to those without a cure, where they are values of lam, and angles in the limit."""
    found = [row for together in groups.values() for row in together]
    plain = found[0]
    frame = math.degrees(math.acos(-1 / (EXAMPLE.K - 1)))

    def over(row: Row, ends: Range, unit: float | None) -> Range:
        assert unit is not None
        low, high = ends
        shown = row.relative and low is not None
        return (low / unit, None if high is None else high / unit) if shown and low is not None else (None, None)

    merging = (
        Interval("small classes", tuple(over(row, row.minority, plain.minority[0]) for row in found), 1),
        Interval("large classes", tuple(over(row, row.majority, plain.majority[0]) for row in found), 0),
    )
    angles = (
        Interval("small classes", tuple((row.limit.small, row.limit.small) for row in found), 1),
        Interval("large classes", tuple((row.limit.large, row.limit.large) for row in found), 0),
    )
    return Dots(
        labels=tuple(row.cure.name for row in found),
        panels=(
            Panel(merging, "λ at which they merge, with / without", 1.0, log=True),
            Panel(angles, "angle of rows as λ → 0, degrees", frame),
        ),
        starts=tuple(accumulate(len(together) for together in groups.values()))[:-1],
        text="Merging threshold of small and large classes relative to no cure, and angles between classifier rows as "
        "the weight decay vanishes",
    )


def example_in_words() -> str:
    """The classes of the example."""
    return in_words(EXAMPLE.canonical()).split(";")[0]
