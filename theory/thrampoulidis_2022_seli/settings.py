"""Hypotheses and worked examples shared by the claims on the max-margin geometry."""

from __future__ import annotations

from dataclasses import replace

from theory.claim import Family, Hypothesis
from theory.problem import Problem

PAPER = "thrampoulidis_2022_seli"

FOUR = Problem.svm([6, 3, 2, 1], dim=3)
EQUAL_PAIR = Problem.svm([4, 2, 2, 1])
STEP = Problem.svm([(8, 3), (2, 2)])
"""STEP(K_A = 3, K_B = 2, R = 4, n_min = 2)."""
BALANCED = Problem.svm([(9, 4)])
TWO_CLASSES = Problem.svm([9, 1])
TWO_EQUAL = Problem.svm([5, 5])
STEEP = Problem.svm([(10**4, 3), (1, 3)])
ONE_MINORITY = Problem.svm([(12, 3), 3])
ONE_MAJORITY = Problem.svm([12, (3, 3)])
TIE = Problem.svm([(7, 2), (1, 2)])
"""R = R* = 7 at rho = 1/2."""
CIFAR = Problem.svm([(5000, 5), (500, 5)], dim=512)
"""STEP imbalance of CIFAR-10 with R = 10, rho = 1/2."""
MANY = Problem.svm([(100, 500), (10, 500)], dim=2048)

MARGIN = Hypothesis(
    "max-margin problem without bias",
    lambda problem: problem.model == "uf-svm",
    dropped="the ridge problem has another geometry (TH22-07)",
)
WIDE = Hypothesis(
    "d is at least K - 1",
    lambda problem: problem.dim >= problem.K - 1,
    dropped="for d < K - 1 only bounds on the value are known; logits of rank K - 1 are out of reach there",
)
BASIC = (MARGIN, WIDE)
TWO_SIZES = Hypothesis("exactly two sizes", lambda problem: len(problem.clusters) == 2, dropped=FOUR)

ANY = Family(bias=("none",), near=(), model="uf-svm")
STEPS = Family(sizes="two", bias=("none",), near=("orthogonal",), model="uf-svm")


def equal_sizes(problem: Problem) -> bool:
    """Whether all classes have the same size.

    Examples
    --------
    >>> equal_sizes(BALANCED), equal_sizes(STEP)
    (True, False)
    """
    return len(problem.clusters) == 1


def with_two_sizes(dropped: Problem | str) -> Hypothesis:
    """The hypothesis of two sizes with another reason or problem for dropping it."""
    return replace(TWO_SIZES, dropped=dropped)
