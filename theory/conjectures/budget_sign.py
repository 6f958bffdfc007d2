"""Under a norm constraint label smoothing lets the minority separate at a smaller budget: CJ26-07, a conjecture."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.loss_observables import predictions, slopes
from theory.optimum import Optimum
from theory.problem import Problem

PAPER = "conjectures"

T_plain, T_smooth = sp.symbols("T_plain T_smooth", positive=True)
"""Nuclear norm just above the merging multiplier (at most T_B), and just below it with smoothing (at least its T_B)."""
EPS, STEP = Fraction(1, 10), Fraction(1, 10**4)


def both(problem: Problem) -> tuple[Problem, ...]:
    """Weight decay r_k = 1/n_k at lam = (1 + s) n_B/N, and smoothed at lam = (1 - s) (1 - eps) n_B/N.

    The step s = 10^-4 min(1, n_A/n_B - 1) shrinks with T_B, which vanishes as the sizes become equal.

    Examples
    --------
    >>> [p.smoothing for p in both(Problem.ce([(9, 2), (4, 2)], 1))]
    [Fraction(0, 1), Fraction(1, 10)]
    """
    largest, smallest = problem.clusters[0].size, problem.clusters[-1].size
    step = STEP * min(Fraction(1), largest / smallest - 1)
    least = smallest / problem.N
    decays: list[Any] = [1 / size for size in problem.sizes]
    found = []
    for eps, level in ((Fraction(0), (1 + step) * least), (EPS, (1 - step) * (1 - EPS) * least)):
        base = Problem.ce(problem.sizes, level)
        found.append(base.with_loss(smoothing=eps, feature_decay=decays))
    return tuple(found)


def budget_readings(optimum: Optimum) -> Iterator[Reading]:
    """The two nuclear norms, |Z|_* = <-gradient, Z>/lam at an optimum.

    Examples
    --------
    >>> list(budget_readings(Optimum(Problem.ce([(9, 2), (4, 2)], 1), "exact")))
    []
    """
    found = [_nuclear(other) for other in optimum.companions]
    if len(found) == 2 and None not in found:
        yield {T_plain: found[0], T_smooth: found[1]}


def _nuclear(optimum: Optimum) -> Any:
    problem, Z, P = optimum.problem, optimum.logits, predictions(optimum)
    if Z is None or P is None:
        return None
    one = 0 * Z[0, 0] + 1
    Y = np.array([[one * y.numerator / y.denominator for y in column] for column in problem.target_columns]).T
    masses = np.array([one * (n / problem.N).numerator / (n / problem.N).denominator for n in problem.sizes])
    level = np.sqrt(one * problem.lam2.numerator / problem.lam2.denominator)
    return (slopes(problem, one)[:, None] * (Y - P) * masses * Z).sum() / level


TWO = Problem.ce([(9, 2), (4, 2)], 1)

sign = Claim(
    id="CJ26-07",
    title="Sign reversal in budget form",
    kind="ordering",
    paper=PAPER,
    status="conjecture",
    statement=(
        r"\min \text{ loss subject to } \|Z\|_* \leq T,\ T_B \text{ the budget from which on the minority separates:}"
        r"\quad T_B(\epsilon = 0.1) < T_B(0)",
    ),
    relations=(sp.Lt(T_smooth, T_plain, evaluate=False),),
    read=budget_readings,
    hypotheses=(
        Hypothesis(
            "two sizes, the smaller one at least twice; cross-entropy without bias or weights",
            lambda p: (
                p.key == "ce"
                and p.bias == "none"
                and len({*p.sizes}) == len(p.clusters) == 2
                and p.clusters[1].classes > 1
            ),
            dropped="otherwise no cluster merges at n_B/N",
        ),
    ),
    witness=TWO.at(1),
    family=Family(sizes="two", bias=("none",), near=("merge",)),
    settings=(
        Problem.ce([(30, 3), (5, 2)], "1/100"),
        Problem.ce([(12, 1), (5, 3)], "1/100"),
        Problem.ce([(9, 2), (8, 2)], "1/100"),
    ),
    companions=both,
    required="agrees",
    source="ours; a conjecture, searched",
    mutants=(
        Mutant("smoothing raises T_B", (sp.Gt(T_smooth, T_plain, evaluate=False),), problem=TWO.at(1)),
        Mutant("smoothing halves T_B at least", (sp.Lt(T_smooth, T_plain / 2, evaluate=False),), problem=TWO.at(1)),
    ),
    note="|Z|_* decreases in the multiplier, so the two norms bound the two critical budgets from the safe sides. For "
    "log-prior shifts both signs occur.",
)
