"""The recipe "take the largest root" without the threshold test is wrong on a whole window (DA23-31)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.gof_structure import OFF_TIE
from theory.dang_2023_deep_linear.mode_equation import psi
from theory.mse_observables import best, mode_symbols, p, total, z_own
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, n


def has_root(problem: Problem, size: Fraction) -> bool:
    """Whether the mode equation has two roots in (0, 1): N^(M+1) Lam/n^M below the maximum of p^(M-1)(1-p)^(M+1).

    Examples
    --------
    >>> [has_root(settings.WINDOW, size) for size in settings.WINDOW.sizes], has_root(settings.DEAD, Fraction(3))
    ([True, True], False)
    """
    depth = problem.depth
    most = Fraction(depth - 1, 2 * depth) ** (depth - 1) * Fraction(depth + 1, 2 * depth) ** (depth + 1)
    return problem.N ** (depth + 1) * problem.product < most * size**depth


def recipe_readings(optimum: Optimum) -> Iterator[Reading]:
    """Own logits beside the largest roots; the value beside what the recipe predicts.

    Examples
    --------
    >>> len(list(recipe_readings(Optimum(settings.WINDOW, "exact"))))
    1
    """
    problem = optimum.problem
    common = mse.mse_parameters(problem)
    roots: dict[sp.Symbol, Any] = {}
    modes = mse.label_modes(problem)
    lower = sp.Rational(problem.depth - 1, 2 * problem.depth)
    for index, mode in enumerate(modes):
        own, size = mode_symbols(index)
        rooted = has_root(problem, problem.clusters[index].size)
        roots |= {size: mode.value, own: mse.largest_root(problem, own, mode.value, lower) if rooted else sp.Integer(0)}
    yield {**common, **roots, total: mse.total_over_modes(modes, psi), **mse.value_readings(optimum)}
    if optimum.logits is None:
        return
    for cluster in problem.clusters:
        if has_root(problem, cluster.size):
            k = cluster.members[0]
            root = mse.largest_root(problem, p, rational(cluster.size), lower)
            yield {**common, n: rational(cluster.size), p: root, z_own: optimum.logits[k, k]}


PRINTED = Problem.mse([9, 5], ["0.07"] * 3, "0.07")
CLOSE = Problem.mse([7, 4], ["0.07"] * 3, "0.07")
"""Close to the threshold: the recipe costs 4e-5 only."""

recipe = Claim(
    id="DA23-31",
    title="The largest root without the threshold test",
    kind="equality",
    paper=settings.PAPER,
    status="refuted",
    statement=(
        r"M \geq 2:\quad \text{every class whose equation } p^{M-1} (1 - p)^{M+1} = \frac{N^{M+1} \Lambda}{n_k^M}"
        r" \text{ has a root has } Z_{kk} = \text{its largest root}",
        r"f^* = \sum_k \frac{n_k (1 - p_k)(1 + M p_k)}{2N} \text{ with these } p_k",
    ),
    relations=(
        sp.Eq(z_own, p, evaluate=False),
        sp.Eq(F, total, evaluate=False),
        sp.Le(total, best, evaluate=False),
    ),
    read=recipe_readings,
    hypotheses=(
        *settings.full(str(settings.SQUARED_ONLY.dropped), settings.GROUPS, replace(settings.WINDOW, dim=1)),
        settings.SEVERAL,
        OFF_TIE,
    ),
    witness=settings.WINDOW,
    family=settings.CLASSES,
    settings=(PRINTED, CLOSE, settings.EXAMPLE, settings.DEEP),
    rests_on=frozenset({"DA23-03", "DA23-06"}),
    required="refuted",
    source="derived here; the recipe is that of the authors' evaluation code",
    mutants=(
        Mutant("right for M = 3 and larger", relations=(sp.Eq(z_own, p, evaluate=False),), problem=PRINTED),
        Mutant("right near the threshold", relations=(sp.Eq(F, total, evaluate=False),), problem=CLOSE),
        Mutant("right at M = 2", relations=(sp.Eq(z_own, p, evaluate=False),), problem=settings.WINDOW),
    ),
    note="Between the threshold b/n_k = thr(M) and b/n_k = M t_exist(M) (DA23-06) the root exists and is a local "
    "minimum, worse than zero: the class is dead. Beyond the window there is no positive root: for even M no real one, "
    "for odd M a negative one that a root finder may return. M = 1 has no window.",
)
