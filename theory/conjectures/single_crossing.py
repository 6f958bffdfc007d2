"""For losses without a data-free threshold merging is still monotone in lam: CJ26-06, a conjecture."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.loss_observables import states
from theory.new_results.merging_law import PAIR
from theory.new_results.universality import SMALL
from theory.optimum import Optimum
from theory.problem import Problem

PAPER = "conjectures"

changes = sp.Symbol("changes", integer=True, nonnegative=True)
"""How often a cluster changes between separate and merged on a grid of lam that ends merged."""

RATIOS = (Fraction(4, 5), Fraction(21, 20), Fraction(13, 10), Fraction(17, 10), Fraction(3, 1))
"""Multiples of w sqrt(n) of the smallest cluster."""


def grid(problem: Problem) -> tuple[Problem, ...]:
    """The problem at lam N = ratio * w sqrt(n) of its smallest cluster with two classes or more.

    Examples
    --------
    >>> [str(p.x2) for p in grid(SMALL.with_loss("margin:2"))]
    ['64/25', '441/100', '169/25', '289/25', '36']
    """
    square = min(c.weight**2 * c.size for c in problem.clusters if c.classes > 1)
    return tuple(problem.at(square * ratio**2) for ratio in RATIOS)


def change_readings(optimum: Optimum) -> Iterator[Reading]:
    """Changes of state along the grid, for every cluster whose state is known at all of it and changes.

    Examples
    --------
    >>> from dataclasses import replace
    >>> start, end = (replace(Optimum(SMALL, "exact"), contrasts=(state,) * 2) for state in ("alive", "dead"))
    >>> [reading[changes] for reading in change_readings(replace(start, companions=(start, start, end)))]
    [1, 1]
    """
    for i, cluster in enumerate(optimum.problem.clusters):
        along = [states(other)[i][1] for other in optimum.companions]
        found = sum(a != b for a, b in pairwise(along))
        if cluster.classes > 1 and None not in along and found:  # one state all along shows no crossing, none is missed
            yield {changes: sp.Integer(found)}


single_crossing = Claim(
    id="CJ26-06",
    title="Single crossing for losses without a data-free threshold",
    kind="structure",
    paper=PAPER,
    status="conjecture",
    statement=(
        r"x - \sqrt{n} w \psi(x) \text{ changes sign once: once a cluster has merged it stays merged as } \lambda"
        r" \text{ increases}",
    ),
    relations=(sp.Eq(changes, 1, evaluate=False),),
    read=change_readings,
    hypotheses=(
        PAIR,
        Hypothesis(
            "a margin or one-vs-rest exponential loss, no further knob, no bias",
            lambda p: p.loss.partition(":")[0] in ("margin", "ovr-exp") and p.bias == "none" and p.model == "ce",
            dropped="for Fenchel-Young losses without a margin this is NR26-02; others were not tried",
        ),
    ),
    witness=SMALL.with_loss("margin:2").at(5),
    family=Family(
        sizes="clusters",
        bias=("none",),
        near=("merge",),
        model="loss",
        losses=("margin:1", "margin:3"),
        knobs=("weights",),
    ),
    settings=(Problem.ce([(25, 3), (4, 2)], 1).with_loss("margin:12").at(9),),
    companions=grid,
    required="agrees",
    source="ours; a conjecture, searched",
    mutants=(
        Mutant("no crossing", (sp.Eq(changes, 0, evaluate=False),)),
        Mutant("merging ends again", (sp.Eq(changes, 2, evaluate=False),)),
    ),
    note="A grid shows no second change between its points; it can only refute. With margins and one other group of "
    "equal classes the steps of CJ26-05 show that psi falls: there is one crossing. Open from three groups on.",
)
