"""Simplex frames and cross-polytopes by the recipe of DA23-25: the largest stationary point, compared with zero.

This is the optimum among points of these shapes, hence an upper bound; for two classes of equal size there is no other
shape, and it is the optimum.
"""

from __future__ import annotations

from typing import Any

from flint import arb

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.deep import Curve, cross_curve, frame_curve, price

__all__ = ["solve"]

BITS = 320
STEPS = 500
USES = frozenset({"DA23-25"})


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """Upper bound and ``facts`` as in :mod:`verify.routes.deep_enclosure`; radii are those of the arithmetic.

    Parameters
    ----------
    problem : model ``ce`` with at least two layers; equal sizes, any bias.
    seed, avoid : unused; there is nothing but the formula, ``uses`` says so.
    digits : unused; the precision is relative.

    Examples
    --------
    >>> solve(Problem.ce([(1, 4)], ["0.02"] * 3, "0.02")).facts["frame_value"].str(12, radius=False)
    '0.287047326377'
    """
    if len(problem.clusters) > 1:
        return Optimum(problem, "exact", reason="no formula is known for unequal sizes and several layers")
    K, M, width = problem.K, problem.depth, min(problem.layer_widths)
    facts: dict[str, Any] = {}
    with precision(BITS):
        upper, g = arb(K).log(), price(problem)
        if width >= K - 1:
            value, scale = _optimum(frame_curve(K, M, g))
            facts = {"frame_value": value, "frame_scale": scale, "frame_alive": bool(scale > 0)}
            upper = arb.min(upper, value)
        if K % 2 == 0 and 4 <= K <= 2 * width:
            value, scale = _optimum(cross_curve(K, M, g))
            facts |= {"cross_value": value, "cross_scale": scale}
            upper = arb.min(upper, value)
    return Optimum(problem, "exact", lower=upper if K == 2 else None, upper=upper, facts=facts, uses=USES)


def _optimum(curve: Curve) -> tuple[Any, Any]:
    """Smaller of the value at the largest stationary point and at zero, with its place.

    rho is convex, so Newton's method from the right falls monotonically to the largest zero, or past the minimum of rho
    where there is none.
    """
    zero, t = curve.loss(arb(0)), arb(4)
    while not (curve.rho(t) > 0 and curve.turn(t) > 0):
        t = 2 * t
    for _ in range(STEPS):
        step = (curve.rho(t) / curve.turn(t)).mid()
        if not curve.turn(t) > 0 or not t > step:
            return zero, arb(0)
        t = (t - step).mid()
        if abs(step) < t * arb(2) ** (40 - BITS):
            break
    else:
        return zero, arb(0)
    value = curve.value(t)
    return (value, t) if value < zero else (zero, arb(0))
