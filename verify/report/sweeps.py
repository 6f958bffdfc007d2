"""Show a claim: sweep a parameter through its thresholds, prediction as a curve, optima as points."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.claim import Asymptotic, Claim
from theory.observables import norm, quotient
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import alpha, dead, k, n, w
from verify.balls import Undecided, ball, decide, precision, resolve
from verify.findings import LIMIT_BITS, optimum_for
from verify.report.axes import Axis, axis, threshold_markers
from verify.report.figures import Marker, Plot, Series
from verify.schemas import ClaimResult

__all__ = ["Sweep", "claim_plots", "sweep"]

Array = NDArray[Any]
Reading = Mapping[sp.Symbol, Any]
Track = list[tuple[Optimum, Reading] | None]
OrderParameter = tuple[str, Callable[[Optimum, Reading], float]]
DRAWING_BITS = 64
SPARSE, THIN = 6, 3
"""Every sixth point is also solved by the nonconvex route; every third exact one is drawn as a dot."""
VANISHED = 1e-6
WIDEST = 0.05
MOST_PANELS = 3
MOST_CLASSES = 12
"""The nonconvex route is asked up to this many classes."""
SCALES = (25, 50, 100, 200, 400, 800)
ROUTE_MARKS: tuple[tuple[str, Literal["dots", "rings"]], ...] = (("exact", "dots"), ("nonconvex", "rings"))
FLOOR = 1e-18
"""Smallest residual drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Sweep:
    """Readings of a claim along an axis, per route; an entry is empty where the route or a hypothesis fails."""

    along: Axis
    base: Problem
    x: tuple[float, ...]
    optima: dict[str, list[Optimum | None]]
    readings: dict[str, list[list[Reading]]]

    def tracks(self, symbols: Collection[sp.Symbol]) -> dict[str, dict[str, Track]]:
        """Readings that have all the symbols, by cluster and route: one (optimum, reading) or None per point."""
        names: dict[str, None] = {}
        for row in self.readings.values():
            names.update((_name(reading), None) for found in row for reading in found if set(symbols) <= reading.keys())
        return {name: {route: self._track(route, name, symbols) for route in self.readings} for name in names}

    def _track(self, route: str, name: str, symbols: Collection[sp.Symbol]) -> Track:
        return [
            next(
                ((optimum, r) for r in found if optimum and set(symbols) <= r.keys() and _name(r) == name),
                None,
            )
            for optimum, found in zip(self.optima[route], self.readings[route], strict=True)
        ]


def _along(track: Track, f: Callable[[Optimum, Reading], float]) -> list[float]:
    return [math.nan if entry is None else f(*entry) for entry in track]


def sweep(claim: Claim, base: Problem, seed: int) -> Sweep:
    """Solve along the axis of a problem by the exact route, at some points by the nonconvex one, and read the claim."""
    along = axis(base)
    optima: dict[str, list[Optimum | None]] = {"exact": [], "nonconvex": []}
    for i, (_, problem) in enumerate(along.points):
        inside = claim.applies(problem)
        some = inside and i % SPARSE == SPARSE // 2 and base.K <= MOST_CLASSES
        optima["exact"].append(_optimum(claim, "exact", problem, seed) if inside else None)
        optima["nonconvex"].append(_optimum(claim, "nonconvex", problem, seed) if some else None)
    readings = {route: [_readings(claim, optimum) for optimum in row] for route, row in optima.items()}
    return Sweep(along, base, tuple(value for value, _ in along.points), optima, readings)


def _optimum(claim: Claim, route: str, problem: Problem, seed: int) -> Optimum | None:
    try:
        return optimum_for(claim, problem, route, seed, frozenset())
    except (ArithmeticError, ValueError):  # a point is left out of the picture; the run itself reports the failure
        return None


def _readings(claim: Claim, optimum: Optimum | None) -> list[Reading]:
    if optimum is None:
        return []
    found: list[Reading] = []
    for reading in claim.readings(optimum):
        try:
            found.append(resolve(reading))
        except Undecided:
            found.append({})
    return found


def value(expression: sp.Expr, reading: Reading) -> float:
    """Midpoint of an expression on a reading, nan where it cannot be evaluated or its ball is too wide to draw."""
    if not expression.free_symbols <= reading.keys():
        return math.nan
    try:
        found = ball(expression, reading)
        return float(found.mid()) if found.rad() <= WIDEST * (1 + abs(found.mid())) else math.nan
    except (Undecided, TypeError):
        return math.nan


def claim_plots(claim: Claim, result: ClaimResult, seed: int) -> list[Plot]:
    """Plots that show a claim: limits against L, everything else along an axis.

    Parameters
    ----------
    claim, result : a refuted claim is shown on its counterexample, any other on its witness.
    seed : seed of the nonconvex route.
    """
    base = claim.witness
    if result.counterexample is not None:
        base = Problem.from_canonical(result.counterexample.configuration)
    if base is None or not claim.relations:
        return []
    if claim.along is not None:
        with precision(LIMIT_BITS):
            return _limit_plots(claim, base)
    with precision(DRAWING_BITS):
        data = sweep(claim, base, seed)
        relations = sorted(claim.relations, key=lambda relation: not isinstance(relation, sp.Equivalent))
        plots = [plot for relation in relations for plot in _relation_plots(relation, data)][: MOST_PANELS - 1]
        plots += _residual_plot([relation for relation in claim.relations if _is_residual(relation)], data)
        markers = list(threshold_markers(base))
        if result.counterexample is not None:
            markers.append(Marker(data.along.here, "counterexample"))
    return [replace(plot, markers=tuple(markers)) for plot in plots]


def _relation_plots(relation: Any, data: Sweep) -> list[Plot]:
    if isinstance(relation, sp.Equivalent):
        return _state_plots(relation, data)
    if not isinstance(relation, sp.core.relational.Relational) or _is_residual(relation):
        return []
    return _comparison_plot(relation, data)


def latex(expression: Any) -> str:
    r"""LaTeX in which words of two or more letters are upright, not products of letters.

    Examples
    --------
    >>> print(latex(sp.Symbol("rank") - sp.Symbol("lambda") + sp.Symbol("t_Alive")))
    - \lambda + \mathrm{rank} + t_{\mathrm{Alive}}
    """
    names = {symbol: _symbol(symbol) for symbol in expression.free_symbols}
    return str(sp.latex(expression, symbol_names=names))


def _symbol(symbol: sp.Symbol) -> str:
    plain = sp.latex(symbol)
    return re.sub(r"(?<![\\A-Za-z])[A-Za-z]{3,}", lambda m: rf"\mathrm{{{m[0]}}}", plain)


def _is_residual(relation: Any) -> bool:
    return isinstance(relation, sp.Eq) and relation.rhs == 0


def _name(reading: Reading) -> str:
    """Which cluster a reading is about, for the legend."""
    if n not in reading or k not in reading:
        return ""
    weight = f", w = {reading[w]}" if reading.get(w, 1) != 1 else ""
    return f", n = {reading[n]}{weight}"


def _axis(expression: sp.Expr) -> str:
    text = latex(expression)
    return f"${text}$" if len(text) <= 40 and r"\text" not in text else "value"


def _comparison_plot(relation: Any, data: Sweep) -> list[Plot]:
    """The right side as a curve, the left side as points."""
    series: list[Series] = []
    left, right = _evaluator(relation.lhs), _evaluator(relation.rhs)
    word = "predicted" if isinstance(relation, sp.Eq) else "bound"
    for colour, (name, track) in enumerate(data.tracks(relation.free_symbols).items()):
        series.append(Series(data.x, _along(track["exact"], right), word + name, "curve", colour))
        series.append(Series(data.x[::THIN], _along(track["exact"], left)[::THIN], "exact" + name, "dots", colour))
        series.append(Series(data.x, _along(track["nonconvex"], left), "nonconvex" + name, "rings", colour))
    caption = f"{latex(relation.lhs)} {_sign(relation)} {latex(relation.rhs)}"
    series = [one for one in series if np.isfinite(one.y).any()]
    return (
        [Plot(data.along.label, _axis(relation.lhs), tuple(series), caption=caption, log_x=data.along.log)]
        if series
        else []
    )


def _evaluator(expression: sp.Expr) -> Callable[[Optimum, Reading], float]:
    return lambda _, reading: value(expression, reading)


def _sign(relation: Any) -> str:
    return {"==": "=", "<=": r"\leq", "<": "<", ">=": r"\geq", ">": ">", "!=": r"\neq"}[relation.rel_op]


def _residual_plot(relations: Sequence[sp.Eq], data: Sweep) -> list[Plot]:
    """Everything that should be 0, on one logarithmic axis; exact zeros lie on its floor."""
    series: list[Series] = []
    for colour, relation in enumerate(relations):
        tracks = data.tracks(relation.free_symbols).values()
        for route, kind in ROUTE_MARKS:
            columns = [_along(track[route], _evaluator(relation.lhs)) for track in tracks]
            worst = [
                max((max(abs(v), FLOOR) for v in row if math.isfinite(v)), default=math.nan)
                for row in zip(*columns, strict=True)
            ]
            if np.isfinite(worst).any():
                series.append(Series(data.x, worst, f"${latex(relation.lhs)}$, {route}", kind, colour))
    text = "What the claim says is 0 (double precision)"
    return [_residuals(data, tuple(series), text)] if series else []


def _residuals(data: Sweep, series: tuple[Series, ...], text: str) -> Plot:
    limits = (FLOOR / 3, 1.0)
    return Plot(data.along.label, "residual", series, text=text, log_x=data.along.log, log_y=True, y_range=limits)


def _state_plots(relation: Any, data: Sweep) -> list[Plot]:
    """The order parameter that vanishes where the direction is observed dead; the predicted region is shaded."""
    (condition,) = (part for part in relation.args if part != dead)
    plots = []
    for colour, (name, track) in enumerate(data.tracks({dead} | condition.free_symbols).items()):
        predicted = [None if entry is None else _decide(condition, entry[1]) for entry in track["exact"]]
        shown, parameter = _order_parameter(track["exact"])
        candidates = (
            Series(data.x, _along(track["exact"], parameter), "exact" + name, "curve", colour),
            Series(data.x, _along(track["nonconvex"], parameter), "nonconvex" + name, "rings", colour),
        )
        series = tuple(one for one in candidates if np.isfinite(one.y).any())
        caption = rf"{shown} = 0 \iff {latex(condition)}"
        regions, log = _regions(data, predicted), data.along.log
        plots.append(Plot(data.along.label, f"${shown}$", series, shaded=regions, caption=caption, log_x=log))
    return [plot for plot in plots if plot.series]


def _order_parameter(track: Track) -> OrderParameter:
    """The candidate that vanishes where the claim's state is dead and nowhere else, as far as the sweep tells."""

    def disagreement(candidate: OrderParameter) -> tuple[bool, int]:
        numbers = _along(track, candidate[1])
        states = [None if entry is None else entry[1].get(dead) for entry in track]
        wrong = sum(s is not None and s != (v < VANISHED) for s, v in zip(states, numbers, strict=True))
        return not np.isfinite(numbers).any(), wrong

    return min(ORDER_PARAMETERS, key=disagreement)


def _decide(condition: Any, reading: Reading) -> bool | None:
    try:
        return decide(condition, reading)
    except (KeyError, Undecided):
        return None


def _logits(Z: Array) -> Array:
    return np.array([[float(entry) for entry in row] for row in Z])


def _contrast(position: int) -> Callable[[Optimum, Reading], float]:
    """Gap between own and sibling logit in one of the problem's clusters."""

    def gap(optimum: Optimum, reading: Reading) -> float:
        clusters = optimum.problem.clusters
        if optimum.logits is None or position >= len(clusters) or clusters[position].classes < 2:
            return math.nan
        i, j = clusters[position].members[:2]
        return float(optimum.logits[i, i]) - float(optimum.logits[j, i])

    return gap


def _between(optimum: Optimum, reading: Reading) -> float:
    return math.nan if optimum.logits is None else float(norm(quotient(optimum.problem, _logits(optimum.logits))))


def _everything(optimum: Optimum, reading: Reading) -> float:
    return math.nan if optimum.logits is None else float(np.linalg.norm(_logits(optimum.logits)))


ORDER_PARAMETERS: tuple[OrderParameter, ...] = (
    (r"\alpha", _evaluator(alpha)),
    (r"s_1", _between),
    (r"\alpha_A", _contrast(0)),
    (r"\alpha_B", _contrast(1)),
    (r"\|Z\|", _everything),
)


ROUNDED = 1e-8
"""Relative: lines are rounded to nine digits, points of the sweep are not."""


def _regions(data: Sweep, predicted: Sequence[bool | None]) -> tuple[tuple[float, float], ...]:
    """Ranges of x where the condition holds; a change between two points is put on the threshold between them."""
    lines = [marker.x for marker in threshold_markers(data.base)]
    edges = [data.x[0], data.x[-1]]
    regions: list[tuple[float, float]] = []
    start = edges[0] if predicted[0] else None
    for (x0, before), (x1, after) in pairwise(zip(data.x, predicted, strict=True)):
        if bool(before) == bool(after):
            continue
        place = next((line for line in lines if x0 * (1 - ROUNDED) <= line <= x1 * (1 + ROUNDED)), (x0 + x1) / 2)
        if after:
            start = place
        elif start is not None:
            regions.append((start, place))
            start = None
    return (*regions, (start, edges[1])) if start is not None else tuple(regions)


def _scale_label(base: Problem) -> str:
    return r"$L = \log(\sqrt{n}/(\lambda N))$" if base.key in ("ce", "ce-relu") else "scale $L$"


def _limit_plots(claim: Claim, base: Problem) -> list[Plot]:
    """Scaled remainders L^order (left - right), which must approach constants."""
    optima = [optimum_for(claim, base, "enclosure", 0, frozenset(), scale) for scale in SCALES]
    readings = [_readings(claim, optimum) for optimum in optima]
    series: list[Series] = []
    for relation in claim.relations:
        if not isinstance(relation, Asymptotic) or len(series) >= 2 * 5:
            continue
        order, difference = relation.order, relation.lhs - relation.rhs
        remainder = [
            value(difference, found[0]) * scale**order if found else math.nan
            for scale, found in zip(SCALES, readings, strict=True)
        ]
        if np.isfinite(remainder).any():
            colour = len(series) // 2
            series.append(Series(SCALES, remainder, f"${latex(relation.lhs)}$", "curve", colour))
            series.append(Series(SCALES, remainder, "_", "dots", colour))
    power = max((r.order for r in claim.relations if isinstance(r, Asymptotic)), default=1)
    label = r"$L\,$(observed $-$ predicted)" if power == 1 else rf"$L^{power}\,$(observed $-$ predicted)"
    text = "Remainder times its predicted order: it levels off where the claim is right"
    return [Plot(_scale_label(base), label, tuple(series), text=text, log_x=True, ticks=SCALES)] if series else []
