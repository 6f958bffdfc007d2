"""Problems and hypotheses that the claims on the layer-peeled model share."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from theory.claim import Hypothesis
from theory.peeled_observables import groups
from theory.problem import Problem

__all__ = [
    "BASIC",
    "BOTH_LIVE",
    "COLLAPSED",
    "MINORITY",
    "PAPER",
    "TWO_GROUPS",
    "VANISHED",
    "WEIGHTED",
    "WIDE",
    "step",
    "with_budget",
]

PAPER = "fang_2021_layer_peeled"


def step(kA: int, kB: int, ratio: str, e_w: str = "1", e_h: str = "1", dim: int | None = None) -> Problem:
    """KA classes of weight ``ratio`` and kB of weight 1.

    Examples
    --------
    >>> step(3, 2, "3/2", "2", "1/2").N
    Fraction(13, 2)
    """
    return Problem.peeled([(ratio, kA), (1, kB)], e_w, e_h, dim=dim)


def with_budget(problem: Problem, total: int | str) -> Problem:
    """Same classes with T = K sqrt(E_W E_H) equal to ``total`` and E_W = E_H.

    Examples
    --------
    >>> with_budget(step(2, 2, "3"), 10).e_w
    Fraction(5, 2)
    """
    share = Fraction(total) / problem.K
    return replace(problem, e_w=share, e_h=share)


BOTH_LIVE = step(3, 2, "3/2", "2", "1/2")
COLLAPSED = step(3, 2, "3", "2", "1/2")
VANISHED = step(3, 2, "7", "2", "1/2")
"""T = 5, where R_0 = 2.17188... and R_1 = 6.61054...: all gaps live, minority merged, minority zero."""
WEIGHTED = Problem.peeled([(6, 3), (2, 2)], 2, "1/2", weights=[(1, 3), (2, 2)])
"""R = 3 reduced to 3/2 by the loss weight 2 of the minority."""


def _two(problem: Problem) -> bool:
    found = groups(problem)
    return len(found) == 2 and found[-1][0] > 0


def _wide(problem: Problem) -> bool:
    return problem.dim >= problem.K - 1


TWO_GROUPS = Hypothesis(
    "two different weights (size times loss weight), both positive",
    _two,
    dropped="R, kA and kB name nothing without two groups; equal weights are FA21-01, weight 0 is FA21-07",
)
MINORITY = Hypothesis(
    "at least two minority classes",
    lambda problem: len(groups(problem)[-1][1]) >= 2,
    dropped="a single class has no contrast that could collapse",
)
WIDE = Hypothesis(
    "p >= K - 1",
    _wide,
    dropped="below the rank of Z the model has no convex form; FA21-02 says what fails",
)
BASIC = (TWO_GROUPS, WIDE)
