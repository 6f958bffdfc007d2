"""Hypotheses and problems that the results for arbitrary sizes share."""

from __future__ import annotations

from theory.claim import Hypothesis
from theory.problem import Problem

__all__ = ["MINORITY_WRONG", "PAPER", "WEIGHTED_WRONG", "equal_weights", "no_bias", "unweighted", "wide"]

PAPER = "new_results"

MINORITY_WRONG = Problem.ce([5, 3, 1], 1).at("1.8")
"""A sample of the smallest class is given to the middle one, at the global optimum."""
WEIGHTED_WRONG = Problem.ce([(24, 2), 2], 1, weights=["0.92", "2.19", "3.46"]).at("22.877073701037")
"""w^2 n of the third class is 1.0466 x^2, and it loses against the second."""


def unweighted(problem: Problem) -> bool:
    """Whether all loss weights are 1.

    Examples
    --------
    >>> unweighted(MINORITY_WRONG), unweighted(WEIGHTED_WRONG)
    (True, False)
    """
    return all(run.weight == 1 for run in problem.runs)


def no_bias(dropped: Problem | str) -> Hypothesis:
    """No bias, with what happens otherwise."""
    return Hypothesis("no bias", lambda problem: problem.bias == "none", dropped)


def wide(dropped: Problem | str, spare: int = 1) -> Hypothesis:
    """The dimension is at least K - spare: every optimum of the convex form can be factored."""
    text = "d >= K" if spare == 0 else f"d >= K - {spare}"
    return Hypothesis(text, lambda problem: problem.dim >= problem.K - spare, dropped)


def equal_weights(dropped: Problem | str) -> Hypothesis:
    """All loss weights are 1."""
    return Hypothesis("all class weights are 1", unweighted, dropped)
