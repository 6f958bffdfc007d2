"""The optimum in floats, as accurate as they allow, with a duality certificate."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import threadpoolctl
from flint import arb

from theory.optimum import Optimum, State
from theory.problem import Problem
from verify.balls import precision
from verify.blocks import BlockPoint
from verify.dual import to_optimum
from verify.newton import minimise
from verify.reduced import Reduced, reduce
from verify.two_clusters import solve_two_clusters

__all__ = ["solve", "solve_blocks", "solve_digits"]


def _closed_form(problem: Problem, r: Reduced, avoid: frozenset[str]) -> tuple[BlockPoint, frozenset[str]] | None:
    """Balanced classes (HL23-09) and two sizes (HL23-07, HL23-12), where nothing is to be avoided."""
    if any(c.weight != 1 for c in problem.clusters):
        return None
    if len(r.m) == 1 and "HL23-09" not in avoid:
        alpha = np.log1p(problem.K * r.delta / r.level)
        return BlockPoint(alpha, np.zeros((1, 1)), np.zeros(1)), frozenset({"HL23-09"})
    uses = _scalar_equation(problem)
    if len(r.m) == 2 and not uses & avoid:
        point = solve_two_clusters(problem)
        floats = (np.array(part, dtype=float) for part in (point.alpha, point.means, point.bias))
        return BlockPoint(*floats), uses
    return None


def _scalar_equation(problem: Problem) -> frozenset[str]:
    return frozenset({"HL23-07", "HL23-12"} if problem.bias == "free" else {"HL23-07"})


def _solve(problem: Problem, avoid: frozenset[str]) -> tuple[BlockPoint, frozenset[str], dict[str, Any]]:
    r = reduce(problem)
    known = _closed_form(problem, r, avoid)
    if known is not None:
        return *known, {}
    with threadpoolctl.threadpool_limits(1):
        at, work = minimise(r)
    return BlockPoint(at.alpha, r.centred(at.X / r.scale), at.bias), frozenset(), work


def solve_blocks(problem: Problem, avoid: frozenset[str] = frozenset()) -> BlockPoint:
    """Optimum of the convex program as a symmetric point in floats, as accurate as they allow.

    Parameters
    ----------
    problem : Problem; any number of classes, cost depends on the number of clusters only.
    avoid : claim IDs that must not be relied on (the closed forms HL23-07, HL23-09, HL23-12).

    Raises
    ------
    OverflowError
        If ratios of sizes do not fit floats.

    Examples
    --------
    >>> problem = Problem.ce([(9, 2), (4, 3)], "0.03")
    >>> point = solve_blocks(problem, frozenset({"HL23-07"}))
    >>> np.round(point.alpha, 11).tolist()
    [2.66671127917, 1.88293501258]
    """
    return _solve(problem, avoid)[0]


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """The optimum with a floating-point duality certificate (route ``exact``).

    Parameters
    ----------
    problem : Problem
    seed : unused; nothing here is random.
    avoid : claim IDs that must not be relied on.

    Returns
    -------
    Optimum
        Without numbers, and with ``reason`` set, where the problem does not fit floats.

    Examples
    --------
    >>> solve(Problem.ce([(9, 2), (4, 3)], "0.03")).contrasts
    ('alive', 'alive')
    """
    try:
        point, uses, work = _solve(problem, avoid)
        with threadpoolctl.threadpool_limits(1):
            return to_optimum(problem, "exact", point, uses=uses, work=work)
    except (OverflowError, ValueError, np.linalg.LinAlgError) as error:
        return Optimum(problem, "exact", reason=f"does not fit floats: {error}")


def solve_digits(problem: Problem, digits: int) -> Optimum:
    """Two sizes at any precision from the scalar equation of HL23-07; the radius is that of the arithmetic only.

    Parameters
    ----------
    problem : two clusters of different size and unit weights; sizes may be far outside the range of floats.
    digits : decimal digits of the logits.

    Raises
    ------
    ValueError
        If there are not exactly two clusters of unit weight, or more than 64 classes.

    Examples
    --------
    >>> optimum = solve_digits(Problem.ce([("9e400", 2), ("4e400", 3)], "1e-395"), 50)
    >>> optimum.contrasts, optimum.rank
    (('alive', 'alive'), (4, 4))
    """
    if problem.K > 64:
        raise ValueError("problem: logits are expanded up to 64 classes")
    point = solve_two_clusters(problem, digits)
    states: list[State] = [
        "absent" if c.classes == 1 else "alive" if gap > 0 else "dead"
        for c, gap in zip(problem.clusters, point.alpha, strict=True)
    ]
    rank = sum(c.classes - 1 for c, state in zip(problem.clusters, states, strict=True) if state == "alive")
    rank += int(point.means[0, 0] != 0)
    with mpmath.workdps(digits + 25):
        Z, b = point.expand(problem)
    small = arb(10) ** -digits

    def ball(value: Any) -> arb:
        sign, mantissa, exponent, _ = value._mpf_
        middle = arb(-mantissa if sign else mantissa) * arb(2) ** exponent
        return middle + arb(0, 1) * small * (1 + abs(middle))

    with precision(4 * digits + 64):
        logits = np.array([[ball(z) for z in row] for row in Z], dtype=object)
        bias = np.array([ball(z) for z in b], dtype=object)
    return Optimum(
        problem,
        "exact",
        logits=logits,
        bias=bias,
        contrasts=tuple(states),
        rank=(rank, rank),
        uses=_scalar_equation(problem),
    )
