"""One set of classes in several models: how the bridges build the problems that they compare, and shared hypotheses."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.claim import Hypothesis
from theory.optimum import Optimum
from theory.problem import Problem

__all__ = [
    "LINEAR",
    "PAPER",
    "PLAIN",
    "UNBIASED",
    "WIDE",
    "beside",
    "margin",
    "max_margin",
    "peeled",
    "relu",
    "sphere",
    "squared",
    "unbiased",
    "unweighted",
    "value",
    "weighted",
    "zero_state",
]

PAPER = "bridges"
OFFSETS = (Fraction(0), Fraction(1, 4 * 10**6), Fraction(-1, 4 * 10**6))
"""Relative distances of x from a threshold: exactly at it, and closer on both sides than a moved threshold would be."""


def _counts(problem: Problem) -> list[tuple[Any, int]]:
    return [(run.size, run.repeat) for run in problem.runs]


def relu(problem: Problem) -> Problem:
    """The same classes and weight decays with cross-entropy and features that are nonnegative, no bias.

    Examples
    --------
    >>> relu(Problem.ce([9, 4], "0.1", bias="free")).model
    'ce-relu'
    """
    return Problem.ce(_counts(problem), problem.lambda_w, problem.lambda_h, model="ce-relu")


def weighted(problem: Problem, weights: list[Any]) -> Problem:
    """The same cross-entropy problem with loss weights.

    Examples
    --------
    >>> weighted(Problem.ce([9, 4], "0.1"), [1, 2]).weights
    [Fraction(1, 1), Fraction(2, 1)]
    """
    return Problem.ce(_counts(problem), problem.lambda_w, problem.lambda_h, problem.bias, weights)


def squared(problem: Problem, bias: Any = "none") -> Problem:
    """The same classes and weight decays with squared loss and one layer.

    Examples
    --------
    >>> squared(Problem.ce([9, 4], "0.1"), "free").bias
    'free'
    """
    return Problem.mse(_counts(problem), problem.lambda_w, problem.lambda_h, bias)


def max_margin(problem: Problem) -> Problem:
    """The same classes in the max-margin problem.

    Examples
    --------
    >>> max_margin(Problem.ce([9, 4], "0.1")).model
    'uf-svm'
    """
    return Problem.svm(_counts(problem))


def peeled(problem: Problem, budget: Any = 1, dim: int | None = None) -> Problem:
    """The same classes in the layer-peeled model with E_W = E_H = ``budget``.

    Examples
    --------
    >>> peeled(Problem.ce([9, 4], "0.1"), "3/2").budget2
    Fraction(9, 1)
    """
    return Problem.peeled(_counts(problem), budget, budget, dim=dim)


def sphere(problem: Problem, temperature: Any = 1) -> Problem:
    """As many unit vectors per family (two families) as there are classes, d = K - 1.

    Examples
    --------
    >>> sphere(Problem.ce([9, 4, 4], "0.1"), 2).dim
    2
    """
    return Problem.sphere(problem.K, None, temperature)


def beside(problem: Problem, x2: Any) -> tuple[Problem, ...]:
    """The problem exactly at a threshold x^2 and at small distances on both sides of it.

    Examples
    --------
    >>> [p.x2 > 3 for p in beside(Problem.ce([9, 4], 1), 3)]
    [False, True, False]
    """
    return tuple(problem.at(Fraction(x2) * (1 + offset) ** 2) for offset in OFFSETS)


def value(optimum: Optimum, symbol: sp.Symbol) -> dict[sp.Symbol, Any]:
    """The optimal value (interval between the bounds) under a name; nothing where a bound is missing.

    Examples
    --------
    >>> value(Optimum(Problem.ce([2, 1], 1), "exact"), sp.Symbol("F"))
    {}
    """
    if optimum.lower is None or optimum.upper is None:
        return {}
    return {symbol: optimum.lower.union(optimum.upper)}


def margin(optimum: Optimum, symbol: sp.Symbol, own: int = 0, other: int = 1) -> dict[sp.Symbol, Any]:
    """Own minus other logit at the mean of a class under a name; nothing without logits.

    Examples
    --------
    >>> margin(Optimum(Problem.ce([2, 1], 1), "exact"), sp.Symbol("m"))
    {}
    """
    if optimum.logits is None:
        return {}
    return {symbol: optimum.logits[own, own] - optimum.logits[other, own]}


def zero_state(optimum: Optimum) -> bool | None:
    """Whether the logits vanish in every minimiser, read off the rank; None when undecided.

    Examples
    --------
    >>> zero_state(Optimum(Problem.ce([2, 1], 1), "exact", rank=(1, 1)))
    False
    """
    least, most = optimum.rank
    return True if most == 0 else False if least > 0 else None


LINEAR = Hypothesis(
    "cross-entropy, one layer, linear features",
    lambda problem: problem.key == "ce",
    dropped="the problems that are compared are built from this one",
)
UNBIASED = Hypothesis("no bias", lambda problem: problem.bias == "none", dropped=Problem.ce([9, 4], 1))
PLAIN = Hypothesis(
    "all class weights are 1",
    lambda problem: all(run.weight == 1 for run in problem.runs),
    dropped=Problem.ce([(16, 2), (4, 3)], 1, weights=[(1, 2), (3, 3)]).at(9),
)
WIDE = Hypothesis(
    "d >= K - 1",
    lambda problem: problem.dim >= problem.K - 1,
    dropped="below the rank of the logits there is no convex form; HL23-01 shows what fails",
)


def unbiased(dropped: Problem | str) -> Hypothesis:
    """The hypothesis of no bias with what happens without it.

    Examples
    --------
    >>> unbiased("nothing").text
    'no bias'
    """
    return replace(UNBIASED, dropped=dropped)


def unweighted(dropped: Problem | str) -> Hypothesis:
    """The hypothesis of unit loss weights with what happens without it.

    Examples
    --------
    >>> unweighted("nothing").text
    'all class weights are 1'
    """
    return replace(PLAIN, dropped=dropped)
