"""Hypotheses that the refuted beliefs share."""

from __future__ import annotations

from theory.claim import Hypothesis
from theory.problem import Problem

__all__ = ["LINEAR", "NO_BIAS", "PAIR", "PAPER", "SOURCE", "UNEQUAL", "WIDE", "minority"]

PAPER = "beliefs"
SOURCE = "ours; a plausible statement, refuted here"

LINEAR = Hypothesis("cross-entropy, one layer", lambda problem: problem.key == "ce", "the belief is about this model")
NO_BIAS = Hypothesis("no bias", lambda problem: problem.bias == "none", "false with a bias too")
WIDE = Hypothesis("d >= K - 1", lambda problem: problem.dim >= problem.K - 1, "false in few dimensions too")
UNEQUAL = Hypothesis(
    "at least three classes, not all of one size",
    lambda problem: problem.K >= 3 and len({run.size for run in problem.runs}) > 1,
    "for equal sizes or two classes the statement is true",
)
PAIR = Hypothesis(
    "the smallest size occurs at least twice",
    lambda problem: problem.clusters[-1].classes >= 2,
    "a single class cannot merge",
)


def minority(problem: Problem) -> list[int]:
    """The classes of the smallest size.

    Examples
    --------
    >>> minority(Problem.ce([9, 4, 4], 1))
    [1, 2]
    """
    return problem.clusters[-1].members
