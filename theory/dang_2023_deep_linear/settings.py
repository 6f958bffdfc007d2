"""Hypotheses and worked examples shared by the claims on deep linear networks with squared loss."""

from __future__ import annotations

from dataclasses import replace

from theory.claim import Family, Hypothesis
from theory.mse_observables import label_modes
from theory.problem import Problem

PAPER = "dang_2023_deep_linear"
NEAR = ("zero",)

SHALLOW = Problem.mse([9, 5, 2], "0.02", "0.03")
SHALLOW_DEAD = Problem.mse([9, 6, 1], "0.06", "0.07")
DEEP = Problem.mse([8, 5], ["0.01", "0.03"], "0.02")
WINDOW = Problem.mse([8, 5], ["0.096", "0.096"], "0.096")
"""The smaller class lies between its threshold and the end of the non-zero stationary points."""
EXAMPLE = Problem.mse([9, 6, 4], ["0.049"] * 3, "0.049")
"""M = 3: two classes alive, one dead that has a non-zero stationary point."""
GROUPS = Problem.mse([9, 9, 3, 3, 3], ["0.0345"] * 2, "0.0345", bias="free")
NO_BIAS = Problem.mse([9, 9, 3, 3, 3], ["0.0345"] * 2, "0.0345")
FOUR = Problem.mse([7, 4, 4], ["0.02", "0.03", "0.01", "0.05"], "0.04")
DEAD = Problem.mse([3, 2], ["1/2", "1/3"], 1)
TIES = (
    Problem.mse([6, 4], "1/5", "1/5"),
    Problem.mse([5, 3], ["3/128", "3/128"], 2),
    Problem.mse([6, 2], ["1/9", "1/9", "1/9"], "1/128"),
)
"""The smaller class lies exactly on its threshold, at M = 1, 2, 3."""
BALANCED = Problem.mse([(4, 3)], "0.02", "0.05")
BALANCED_DEEP = Problem.mse([(5, 3)], ["0.01", "0.03", "0.02"], "0.02")
BALANCED_DEAD = Problem.mse([(2, 3)], ["1/2", "1/2"], "1/2")
BALANCED_TIES = (
    Problem.mse([(4, 3)], "1/6", "1/6"),
    Problem.mse([(4, 3)], ["1/12", "1/12"], "1/12"),
    Problem.mse([(3, 3)], ["1/27", "1/27", "2/27"], "2/9"),
)
PAIR = Problem.mse([(3, 2)], ["0.02", "0.03"], "0.02")
BIASED = Problem.mse([9, 5, 2], ["0.02", "0.03"], "0.02", bias="free")

SQUARED = Hypothesis(
    "squared loss", lambda problem: problem.model == "mse", dropped=Problem.ce([9, 5, 2], "0.02", "0.03")
)
UNBIASED = Hypothesis("no bias", lambda problem: problem.bias == "none", dropped=GROUPS)
WIDE = Hypothesis(
    "every layer has room for K modes",
    lambda problem: min(problem.layer_widths) >= problem.K,
    dropped=replace(SHALLOW, dim=1),
)
EQUAL = Hypothesis("all sizes are equal", lambda problem: len(problem.clusters) == 1, dropped=SHALLOW)
SQUARED_ONLY = replace(
    SQUARED, dropped="the quantities read here exist in this model only; other losses have other minimisers"
)
BASIC = (SQUARED, UNBIASED)
FULL = (*BASIC, WIDE)


def no_tie(problem: Problem) -> bool:
    """Whether no kept mode lies exactly on its threshold at M >= 2, where two values of p are optimal.

    Examples
    --------
    >>> [no_tie(problem) for problem in TIES], no_tie(EXAMPLE)
    ([True, False, False], True)
    """
    modes = label_modes(problem, problem.bias == "free")
    return all(mode.state in ("alive", "dead") for mode in modes if mode.kept)


UNIQUE = Hypothesis(
    "no mode lies exactly on its threshold at M >= 2",
    no_tie,
    dropped="there two values of p are optimal, and no quantity of a single minimiser is observed: DA23-10",
)
SEVERAL = Hypothesis("depth M >= 2", lambda problem: problem.depth >= 2, dropped="M = 1 is DA23-11, and has no jump")


def full(squared: Problem | str, unbiased: Problem, wide: Problem | None = None) -> tuple[Hypothesis, ...]:
    """Squared loss, no bias and, if asked, room for K modes, with other problems that violate one of them only.

    Examples
    --------
    >>> [hypothesis.text for hypothesis in full("-", GROUPS)]
    ['squared loss', 'no bias']
    """
    found = (replace(SQUARED, dropped=squared), replace(UNBIASED, dropped=unbiased))
    return found if wide is None else (*found, replace(WIDE, dropped=wide))


def depth_is(value: int, dropped: Problem) -> Hypothesis:
    """The hypothesis M = value.

    Examples
    --------
    >>> depth_is(1, DEEP).holds(SHALLOW)
    True
    """
    return Hypothesis(f"depth M = {value}", lambda problem: problem.depth == value, dropped=dropped)


CLASSES = Family(bias=("none",), near=NEAR, model="mse", depths=(1, 2, 3, 4))
ANY_WIDTH = replace(CLASSES, depths=(1, 2, 3), dims="any")
EQUAL_SIZES = replace(CLASSES, sizes="balanced", depths=(1, 2, 3))
FREE = replace(CLASSES, bias=("free",), depths=(1, 2, 3))
