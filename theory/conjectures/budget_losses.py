"""CJ26-05: in the layer-peeled model a larger budget lowers the loss of both groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.conjectures.settings import SOURCE
from theory.fang_2021_layer_peeled.settings import BOTH_LIVE, COLLAPSED, TWO_GROUPS, VANISHED, WIDE
from theory.optimum import Optimum
from theory.peeled_observables import groups
from theory.problem import Problem
from theory.value_observables import losses

__all__ = ["budget_losses"]

loss_A, loss_B, more_A, more_B = sp.symbols("L_A L_B L_A_more L_B_more", nonnegative=True)
"""Losses of a majority and a minority class, at the budget of the problem and at a larger one."""
STEPS = (Fraction(101, 100), Fraction(3, 2))


def larger_budgets(problem: Problem) -> tuple[Problem, ...]:
    """The same classes with larger budgets.

    Examples
    --------
    >>> [str(p.e_w) for p in larger_budgets(Problem.peeled([2, 1]))]
    ['101/100', '3/2']
    """
    return tuple(replace(problem, e_w=problem.e_w * step, e_h=problem.e_h * step) for step in STEPS)


def budget_readings(optimum: Optimum) -> Iterator[Reading]:
    """Losses of one class of each group at one budget and the next.

    Examples
    --------
    >>> list(budget_readings(Optimum(Problem.peeled([2, 1]), "exact")))
    []
    """
    A, B = (members[0] for _, members in groups(optimum.problem))
    points = (optimum, *optimum.companions)
    for here, there in pairwise(points):
        if here.logits is not None and there.logits is not None:
            now, then = losses(here), losses(there)
            yield {loss_A: now[A], more_A: then[A], loss_B: now[B], more_B: then[B]}


budget_losses = Claim(
    id="CJ26-05",
    title="A larger budget lowers both group losses",
    kind="ordering",
    status="conjecture",
    paper="conjectures",
    statement=(r"T \leq T' \implies L_A(T') \leq L_A(T),\quad L_B(T') \leq L_B(T)",),
    relations=(sp.Le(more_A, loss_A, evaluate=False), sp.Le(more_B, loss_B, evaluate=False)),
    read=budget_readings,
    companions=larger_budgets,
    hypotheses=(TWO_GROUPS, WIDE),
    witness=BOTH_LIVE,
    family=Family(sizes="two", bias=("none",), near=("minority_merge",), model="layer-peeled"),
    settings=(COLLAPSED, VANISHED, Problem.peeled([(9, 1), (1, 4)], "1/2", "1/2"), Problem.peeled([20, 1], "1/10")),
    required="agrees",
    mutants=(
        Mutant("the majority pays", relations=(sp.Ge(more_A, loss_A, evaluate=False),), problem=BOTH_LIVE),
        Mutant("both losses halve", relations=(sp.Le(more_A, loss_A / 2, evaluate=False),), problem=BOTH_LIVE),
        Mutant(
            "the minority gains a hundredth",
            relations=(sp.Le(more_B, loss_B * 99 / 100, evaluate=False),),
            problem=VANISHED,
        ),
    ),
    source=SOURCE,
    note="It implies that minority collapse in the ratio is an up-set (FA21-04).",
)
