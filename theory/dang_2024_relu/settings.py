"""Hypotheses and worked examples shared by the claims on ReLU features."""

from __future__ import annotations

from dataclasses import replace

from theory.claim import Hypothesis
from theory.problem import Problem

PAPER = "dang_2024_relu"


def alive_classes(problem: Problem) -> int:
    """Number r of classes with w_k^2 n_k (K-1) > (lam N)^2 K, decided exactly.

    Examples
    --------
    >>> alive_classes(ONE_DEAD), alive_classes(ALL_ALIVE), alive_classes(ALL_DEAD)
    (3, 3, 0)
    """
    K, x2 = problem.K, problem.x2
    return sum(c.classes for c in problem.clusters if c.weight**2 * c.size * (K - 1) > x2 * K)


ALL_ALIVE = Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu")
ONE_DEAD = Problem.ce([9, 5, 3, 1], "0.06", "0.05", dim=3, model="ce-relu")
TWO_DEAD = Problem.ce([9, 5, 1, 1], "0.06", "0.07", model="ce-relu")
ALL_DEAD = Problem.ce([6, 3, 2], 1, model="ce-relu").at(5)
TIE = Problem.ce([6, 3, 2], 1, model="ce-relu").at(2)
BALANCED = Problem.ce([(4, 3)], "0.02", "0.05", model="ce-relu")
NARROW = Problem.ce([2, 2, 2], "0.004", dim=2, model="ce-relu")
WEIGHTED = Problem.ce([9, 5, 3, 1], "0.06", "0.05", weights=[1, 1, 2, 3], model="ce-relu")
STEP = Problem.ce([(8, 2), (2, 3)], "0.01", "0.04", model="ce-relu")
SIGN_FREE = replace(BALANCED, model="ce")
BIASED = replace(ALL_DEAD, bias="free")
CIFAR = Problem.ce([(1000 * i, 2) for i in range(1, 6)], "1e-4", "1e-5", dim=512, model="ce-relu")
"""The published class counts of CIFAR-10 with the published decays read as lambda_W, lambda_H: n_crit = 1."""

RELU = Hypothesis("features are nonnegative", lambda problem: problem.model == "ce-relu", dropped=SIGN_FREE)
UNBIASED = Hypothesis("no bias", lambda problem: problem.bias == "none", dropped=BIASED)
UNWEIGHTED = Hypothesis(
    "all class weights are 1", lambda problem: all(run.weight == 1 for run in problem.runs), dropped=WEIGHTED
)
ENOUGH = Hypothesis(
    "d is at least the number of alive classes",
    lambda problem: problem.dim >= alive_classes(problem),
    dropped="the lower bound known for d < r is the same number; that no point reaches it is DA24-15",
)
BASIC = tuple(
    replace(hypothesis, dropped=reason)
    for hypothesis, reason in (
        (RELU, "without it the gram matrices read here belong to another model (HL23); DA24-18 compares the values"),
        (UNBIASED, "DA24-14 shows what a bias changes"),
    )
)
"""The model itself, where dropping it is the business of another claim."""
DIMENSION = replace(ENOUGH, dropped="for d < r only bounds on the value are known (DA24-15), no logits and lengths")
