"""Does a loss keep what its entry promises? Checked at a few points when a user's loss is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from theory.losses import Loss

__all__ = ["broken_promise"]

Array = NDArray[Any]
CLASSES, COLUMNS = 4, 12
STEP = 1e-5
CLOSE = 1e-4
"""A gradient may be off by this, relative to 1 + its size, from differences of values."""


def broken_promise(loss: Loss) -> str:
    """What is wrong with a loss at random logits; empty if nothing was found.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from theory.losses import find
    >>> broken_promise(find("ovr"))
    ''
    >>> broken_promise(replace(find("ovr"), shift_invariant=True))
    'adding a constant to all logits changes the value, but shift_invariant is True'
    """
    random = np.random.default_rng(0)
    U = random.normal(scale=2, size=(CLASSES, COLUMNS))
    Y = np.eye(CLASSES)[:, np.arange(COLUMNS) % CLASSES]
    for name, found, shape in (("value", loss.value(U, Y), (COLUMNS,)), ("gradient", loss.gradient(U, Y), U.shape)):
        if np.shape(found) != shape:
            return f"{name} has the shape {np.shape(found)} where {shape} is needed (U and Y are {U.shape})"
        if not np.isfinite(found).all():
            return f"{name} is not finite at moderate logits"
    off = _gradient_error(loss, U, Y)
    if off > CLOSE:
        return f"gradient is not the derivative of value: it is off by {off:.1g}"
    if loss.convex and _convexity_error(loss) > 1e-9:
        return "value is not convex, but convex is True (its default)"
    if loss.shift_invariant and abs(loss.value(U + 1, Y) - loss.value(U, Y)).max() > 1e-9:
        return "adding a constant to all logits changes the value, but shift_invariant is True"
    order = random.permutation(CLASSES)
    if abs(loss.value(U[order], Y[order]) - loss.value(U, Y)).max() > 1e-9:
        return "value changes when the classes are renamed"
    if (
        loss.universal
        and abs(loss.gradient(U, Y) + Y - loss.gradient(U, np.roll(Y, 1, axis=0)) - np.roll(Y, 1, axis=0)).max() > 1e-9
    ):
        return "gradient plus target depends on the target, but a potential is named"
    return ""


def _gradient_error(loss: Loss, U: Array, Y: Array) -> float:
    """Median over columns, so that a kink of the loss near one of them does not matter."""
    worst = np.zeros(COLUMNS)
    slope = loss.gradient(U, Y)
    for j in range(CLASSES):
        step = STEP * np.eye(CLASSES)[:, [j]]
        change = (loss.value(U + step, Y) - loss.value(U - step, Y)) / (2 * STEP)
        worst = np.maximum(worst, abs(change - slope[j]) / (1 + abs(slope).max(axis=0)))
    return float(np.median(worst))


def _convexity_error(loss: Loss) -> float:
    """How far a value in the middle of two points exceeds their mean: on many short and long segments."""
    random = np.random.default_rng(1)
    columns = 600
    Y = np.eye(CLASSES)[:, np.arange(columns) % CLASSES]
    U = random.normal(scale=4, size=(CLASSES, columns))
    V = U + random.normal(size=(CLASSES, columns)) * np.geomspace(0.3, 6, columns)
    middle, ends = loss.value((U + V) / 2, Y), (loss.value(U, Y) + loss.value(V, Y)) / 2
    return float(((middle - ends) / (1 + abs(ends))).max())
