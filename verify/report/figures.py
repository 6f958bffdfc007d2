"""Draw plots as small SVG texts that depend on their data only."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

__all__ = ["Dots", "Interval", "Marker", "Panel", "Plot", "Series", "draw", "draw_dots"]

COLOURS = ("#0b5fa5", "#c4500c", "#197a4b", "#8a3f8f", "#5c6670")
"""One hue per quantity; curve, filled and open markers of one quantity share it."""

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "verify",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.5,
    "mathtext.fontset": "dejavusans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "grid.color": "#e4e4e0",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "axes.formatter.limits": (-3, 4),
    "path.simplify": True,
}
WIDTH, AXES, TOP, TICKS, ROW = 4.7, 1.9, 0.1, 0.55, 0.195
"""Inches: paper, axes, white above, ticks and label below, one row of marker labels or legend."""
LEFT, SPAN = 0.185, 0.775
MOST_TICKS, MOST_TIMES = 8, 200
"""Ticks of a logarithmic axis; 1, 2, 5 of every decade only where the range is not longer than that factor."""
MOST_ROWS = 3
"""Rows of marker labels: a line whose label finds no room there stays without."""
FLAT = 1e-4
"""Relative variation below which a quantity is drawn as constant."""


@dataclass(frozen=True)
class Series:
    """One quantity: ``kind`` curve (prediction), dots (one route) or rings (another route), or dashed curve."""

    x: Sequence[float]
    y: Sequence[float]
    label: str
    kind: Literal["curve", "dashed", "dots", "rings", "crosses"] = "curve"
    colour: int = 0


@dataclass(frozen=True)
class Marker:
    """A labelled vertical line."""

    x: float
    label: str


@dataclass(frozen=True)
class Plot:
    """What a figure shows; labels may contain matplotlib mathematics.

    Attributes
    ----------
    caption : LaTeX of what is plotted, shown above the figure; or plain ``text``.
    series, markers : data; ``shaded`` are x ranges where the claim predicts a dead direction.
    ticks : where to put the labels of a logarithmic x axis.
    """

    xlabel: str
    ylabel: str
    series: tuple[Series, ...]
    markers: tuple[Marker, ...] = ()
    shaded: tuple[tuple[float, float], ...] = ()
    shaded_label: str = "predicted dead"
    caption: str = ""
    text: str = ""
    log_x: bool = False
    log_y: bool = False
    ticks: tuple[float, ...] = ()
    y_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Interval:
    """One quantity of every row of :class:`Dots`: (least, most), equal for a number.

    An end that is not known is None: an arrow where only the least is known, nothing where neither is.
    """

    label: str
    ends: Sequence[tuple[float | None, float | None]]
    colour: int = 0


@dataclass(frozen=True)
class Panel:
    """Quantities of the rows of :class:`Dots` on one axis; ``mark`` is drawn as a dotted line."""

    intervals: Sequence[Interval]
    xlabel: str
    mark: float
    log: bool = False


@dataclass(frozen=True)
class Dots:
    """Named rows with numbers or ranges, panel beside panel; groups of rows start at ``starts``."""

    labels: Sequence[str]
    panels: Sequence[Panel]
    text: str
    starts: Sequence[int] = ()


def draw(plot: Plot, key: str) -> str:
    """SVG element of a plot; ``key`` makes its internal names unique on a page.

    Examples
    --------
    >>> plot = Plot("x", "y", (Series([0, 1], [0, 1], "line"),), (Marker(0.5, "half"),))
    >>> draw(plot, "a") == draw(plot, "a"), draw(plot, "a")[:5]
    (True, '<svg ')
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3))
        axes = figure.add_axes((LEFT, 0.3, SPAN, 0.5))
        _data(axes, plot)
        axes.set_xlabel(plot.xlabel, labelpad=3)
        axes.set_ylabel(plot.ylabel)
        above = _markers(axes, plot)
        handles, labels = axes.get_legend_handles_labels()
        columns = 2 if len(labels) > 1 else 1
        below = -(-len(labels) // columns)
        height = TOP + ROW * above + AXES + TICKS + ROW * below
        figure.set_size_inches(WIDTH, height)
        axes.set_position((LEFT, (TICKS + ROW * below) / height, SPAN, AXES / height))
        figure.legend(
            handles,
            labels,
            loc="upper center",
            bbox_to_anchor=(LEFT + SPAN / 2, ROW * (below + 0.2) / height),
            ncols=columns,
            borderaxespad=0,
            borderpad=0,
            handlelength=1.8,
            columnspacing=1.6,
            labelspacing=0.25,
        )
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _embed(buffer.getvalue(), key, plot)


DOTS_WIDTH, DOTS_LEFT, DOTS_GAP, DOTS_ROW = 9.4, 3.05, 0.25, 0.27
"""Inches: paper, labels, between panels, one row."""
NICE = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def draw_dots(plot: Dots, key: str) -> str:
    """SVG element of rows of dots; ``key`` makes its internal names unique on a page.

    Examples
    --------
    >>> plot = Dots(["a"], [Panel([Interval("size", [(0.5, 2.0)])], "x", 1.0)], "sizes")
    >>> draw_dots(plot, "d") == draw_dots(plot, "d"), draw_dots(plot, "d")[:5]
    (True, '<svg ')
    """
    with matplotlib.rc_context(STYLE):
        height = TOP + ROW * 1.4 + DOTS_ROW * len(plot.labels) + TICKS
        figure = Figure(figsize=(DOTS_WIDTH, height))
        count = len(plot.panels)
        span = (DOTS_WIDTH - DOTS_LEFT - 0.15 - DOTS_GAP * (count - 1)) / count
        for i, panel in enumerate(plot.panels):
            left = DOTS_LEFT + i * (span + DOTS_GAP)
            box = (left / DOTS_WIDTH, TICKS / height, span / DOTS_WIDTH, DOTS_ROW * len(plot.labels) / height)
            axes = figure.add_axes(box)
            axes.axvline(panel.mark, color="#333333", linewidth=1, linestyle=(0, (2, 2)), zorder=1)
            for start in plot.starts:
                axes.axhline(start - 0.5, color="#8a867a", linewidth=0.8)
            _rows_of_dots(axes, panel)
            axes.set_yticks(range(len(plot.labels)), plot.labels if i == 0 else [""] * len(plot.labels))
            axes.tick_params(axis="y", length=0)
            axes.set_ylim(len(plot.labels) - 0.5, -0.5)
            axes.set_xlabel(panel.xlabel, labelpad=3)
            if i == 0:
                ncols = len(panel.intervals)
                axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=ncols, borderaxespad=0.2, borderpad=0)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _embed(buffer.getvalue(), key, Plot(" and ".join(p.xlabel for p in plot.panels), plot.text, ()))


def _rows_of_dots(axes: Axes, panel: Panel) -> None:
    """Numbers as markers, ranges as bars between two, open ranges as arrows; the rows are read from the top."""
    shift = 0.72 / max(2, len(panel.intervals))
    for i, one in enumerate(panel.intervals):
        colour, marker = COLOURS[one.colour % len(COLOURS)], "os^"[i % 3]
        centre = (len(panel.intervals) - 1) / 2
        style: dict[str, Any] = {"linestyle": "none", "marker": marker, "markersize": 5, "color": colour}
        label: str | None = one.label
        for y, (low, high) in enumerate(one.ends):
            place = y + (i - centre) * shift
            if low is None:
                continue
            axes.plot([low], [place], label=label, **style)
            label = None
            if high is None:
                arrow = {"arrowstyle": "->", "color": colour, "linewidth": 1.4}
                axes.annotate("", (low * 1.6, place), (low, place), arrowprops=arrow)
            elif high > low:
                axes.plot([low, high], [place, place], color=colour, linewidth=1.8)
                axes.plot([high], [place], **style)
    numbers = [end for one in panel.intervals for pair in one.ends for end in pair if end is not None]
    if panel.log:
        axes.set_xscale("log")
        axes.set_xlim(min(numbers) / 1.25, max(numbers) * 1.25)
        ticks = [tick for tick in NICE if min(numbers) / 1.25 <= tick <= max(numbers) * 1.25]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)


def _data(axes: Axes, plot: Plot) -> None:
    styles: dict[str, dict[str, Any]] = {
        "curve": {"linewidth": 1.8},
        "dashed": {"linewidth": 1.4, "linestyle": (0, (5, 3))},
        "dots": {"linestyle": "none", "marker": "o", "markersize": 4.2},
        "rings": {
            "linestyle": "none",
            "marker": "s",
            "markersize": 7,
            "markerfacecolor": "none",
            "markeredgewidth": 1.2,
        },
        "crosses": {"linestyle": "none", "marker": "x", "markersize": 6.5, "markeredgewidth": 1.6},
    }
    for start, end in plot.shaded:
        axes.axvspan(start, end, color="#efe9dc", linewidth=0, zorder=0)
    if plot.shaded:
        axes.fill_between([], [], [], color="#efe9dc", label=plot.shaded_label)
    for series in plot.series:
        colour = COLOURS[series.colour % len(COLOURS)]
        axes.plot(series.x, series.y, color=colour, label=series.label, **styles[series.kind])
    if plot.log_x:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        subs = (1.0, 2.0, 5.0) if high / low < MOST_TIMES else (1.0,)  # with decades alone numticks is kept
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=MOST_TICKS))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    if plot.ticks:
        axes.set_xticks(plot.ticks, [f"{tick:g}" for tick in plot.ticks])
        axes.set_xticks([], minor=True)
    if plot.log_y:
        axes.set_yscale("log")
    axes.margins(x=0.02, y=0.08)
    if not plot.log_y:
        _steady(axes, plot)
    if plot.y_range is not None:
        axes.set_ylim(*plot.y_range)


def _steady(axes: Axes, plot: Plot) -> None:
    """Show what is constant as constant: no axis that magnifies rounding."""
    numbers = [y for series in plot.series for y in series.y if math.isfinite(y)]
    if not numbers:
        return
    middle = (min(numbers) + max(numbers)) / 2
    if max(numbers) - min(numbers) < FLAT * max(1.0, abs(middle)):
        span = 0.1 * max(1.0, abs(middle))
        axes.set_ylim(middle - span, middle + span)
    axes.ticklabel_format(axis="y", useOffset=False)


def _markers(axes: Axes, plot: Plot) -> int:
    """Vertical lines with labels above the axes, on further rows where they would touch; returns the rows.

    Where the rows do not suffice those at the end of a shaded range and the first and last come first.
    """
    lower, upper = axes.get_xlim()
    inside = sorted((m for m in plot.markers if lower <= m.x <= upper), key=lambda m: m.x)
    edges = {end for shade in plot.shaded for end in shade}
    ranked = sorted(inside, key=lambda m: (m.x not in edges, m not in (*inside[:1], *inside[-1:]), m.x))
    rows: list[list[tuple[float, float]]] = []
    for marker in ranked:
        start, end, side = _extent(axes, marker)
        row = next((i for i, row in enumerate(rows) if all(end < a or b < start for a, b in row)), len(rows))
        width = 1.0 if row < MOST_ROWS else 0.6
        axes.axvline(marker.x, color="#333333", linewidth=width, linestyle=(0, (2, 2)), zorder=1)
        if row == MOST_ROWS:
            continue
        if row == len(rows):
            rows.append([])
        rows[row].append((start, end))
        axes.annotate(
            marker.label,
            (marker.x, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 13 * row),
            textcoords="offset points",
            ha=side,
            va="bottom",
            fontsize=9.5,
            color="#333333",
        )
    return len(rows)


def _extent(axes: Axes, marker: Marker) -> tuple[float, float, str]:
    """Where a label begins and ends, as shares of the axis, and how it is aligned."""
    place = axes.transData.transform((marker.x, 0))[0]
    left, right = axes.transAxes.transform([(0, 0), (1, 0)])[:, 0]
    share = (place - left) / (right - left)
    half = 0.0105 * len(re.sub(r"[$\\{}_^]|mathrm|sqrt", "", marker.label)) + 0.01
    if half < share < 1 - half:
        return share - half, share + half, "center"
    return (share, share + 2 * half, "left") if share <= half else (share - 2 * half, share, "right")


def _embed(svg: str, key: str, plot: Plot) -> str:
    """Strip the XML head, unused names and fixed size; add a text for readers who cannot see the figure."""
    svg = svg[svg.index("<svg ") :]
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg))
    names = {name for pair in used for name in pair if name}
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in names else "", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{key}-", svg)
    svg = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", svg, flags=re.S)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", tag[0]), svg)
    svg = re.sub(r">\s+<", "><", re.sub(r"\s*\n\s*", " ", svg))
    view = re.search(r'viewBox="[^"]+"', svg)
    label = escape(f"{plot.text or plot.ylabel} against {plot.xlabel}".replace("$", ""), quote=True)
    head = (
        f'<svg {view[0] if view else ""} role="img" aria-label="{label}" style="stroke-linejoin:round" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return head + svg[svg.index(">") + 1 :].strip()
