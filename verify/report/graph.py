"""Which claim rests on which: a layered picture per paper, drawn as SVG with links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from theory.claim import Claim

__all__ = ["Node", "draw", "layers"]

WIDTH, HEIGHT, GAP, ROW = 74, 20, 58, 27
"""Pixels: a box, the space between two columns, and the step from box to box."""
SWEEPS = 4


@dataclass(frozen=True)
class Node:
    """One box: its text, where it leads, its verdict, and whether it belongs to another paper."""

    text: str
    href: str
    verdict: str
    title: str
    foreign: bool = False


def layers(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Claims in columns, each to the right of what it rests on, ordered so that few lines cross.

    Parameters
    ----------
    edges : for every claim the claims it rests on, all of them keys. A cycle is cut where it is met first.

    Examples
    --------
    >>> layers({"a": [], "b": ["a"], "c": ["a", "b"], "d": []})
    [['a', 'd'], ['b'], ['c']]
    """
    level: dict[str, int] = {}

    def place(name: str, above: tuple[str, ...]) -> int:
        if name not in level:
            below = [place(other, (*above, name)) for other in edges[name] if other not in (*above, name)]
            level[name] = 1 + max(below, default=-1)
        return level[name]

    for name in edges:
        place(name, ())
    columns: list[list[str]] = [[] for _ in range(1 + max(level.values(), default=-1))]
    for name in edges:
        columns[level[name]].append(name)
    for _ in range(SWEEPS):
        _untangle(columns, edges)
    return columns


def _untangle(columns: list[list[str]], edges: Mapping[str, Sequence[str]]) -> None:
    """Sort every column by the mean height of what its claims rest on and of what rests on them."""
    height = {name: row for column in columns for row, name in enumerate(column)}

    def mean(name: str) -> float:
        found = neighbours[name]
        return sum(height[other] for other in found) / len(found) if found else height[name]

    neighbours: dict[str, list[str]] = {name: list(found) for name, found in edges.items()}
    for name, found in edges.items():
        for other in found:
            neighbours[other].append(name)
    for column in columns:
        column.sort(key=mean)
        height.update((name, row) for row, name in enumerate(column))


def draw(claims: Mapping[str, Claim], own: Sequence[str], node: Callable[[str], Node]) -> str:
    """SVG of the claims ``own`` that rest on others or that others rest on, with what they rest on elsewhere.

    Parameters
    ----------
    claims : every claim by ID.
    own : IDs of one paper.
    node : the box of an ID.

    Returns
    -------
    str
        Empty when no claim of ``own`` is linked to any.
    """
    edges = {name: [other for other in sorted(claims[name].rests_on) if other in claims] for name in own}
    used = {other for found in edges.values() for other in found}
    linked = {name: found for name, found in edges.items() if found or name in used}
    linked = {other: [] for other in sorted(used - set(own))} | linked
    if not linked:
        return ""
    columns = layers(linked)
    tallest = max(len(column) for column in columns)
    place = {
        name: (
            c * (WIDTH + GAP) + 1.5,
            (row + (tallest - len(column)) / 2) * ROW + 1.5,
        )
        for c, column in enumerate(columns)
        for row, name in enumerate(column)
    }
    lines = [_line(place[other], place[name]) for name, found in linked.items() for other in found]
    boxes = [_box(node(name), *place[name]) for name in linked]
    width, height = len(columns) * (WIDTH + GAP) - GAP + 3, tallest * ROW
    head = f'<svg class="graph" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
    return f'{head} role="img" aria-label="Which claim rests on which">{"".join(lines)}{"".join(boxes)}</svg>'


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    x0, y0, x1, y1 = start[0] + WIDTH, start[1] + HEIGHT / 2, end[0], end[1] + HEIGHT / 2
    bend = (x1 - x0) / 2
    return f'<path d="M{x0:g} {y0:g}C{x0 + bend:g} {y0:g} {x1 - bend:g} {y1:g} {x1:g} {y1:g}"/>'


def _box(node: Node, x: float, y: float) -> str:
    tone = "".join(c for c in node.verdict if c.isalnum() or c == "-")
    kind = "foreign" if node.foreign else f"tone-{tone}"
    return (
        f'<a href="{escape(node.href)}" class="{kind}"><title>{escape(node.title)}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="3"/>'
        f'<text x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2 + 4:g}">{escape(node.text)}</text></a>'
    )
