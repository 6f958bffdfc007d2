"""CJ26-04: as lam grows the rank, every singular value and the largest class's own probability fall."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.conjectures.settings import NOT_TRIED, SOURCE, WIDE
from theory.new_results.rank_count import rank
from theory.new_results.settings import equal_weights
from theory.optimum import Optimum
from theory.problem import Problem
from theory.value_observables import singular_values

__all__ = ["monotone_path"]

STEPS = (Fraction(101, 100), Fraction(3, 2), Fraction(4))
"""x^2 further along the path, relative to the drawn one."""

later_rank = sp.Symbol("rank_later", integer=True, nonnegative=True)
value, later_value, first, later_first = sp.symbols("s_i s_i_later p_max p_max_later", nonnegative=True)
"""A singular value of Z D^(1/2) and the own probability of the largest class, here and further along the path."""


def further(problem: Problem) -> tuple[Problem, ...]:
    """The same classes at larger lam.

    Examples
    --------
    >>> [str(p.x2) for p in further(Problem.ce([2, 1], 1).at(1))]
    ['101/100', '3/2', '4']
    """
    return tuple(problem.at(problem.x2 * step) for step in STEPS)


def path_readings(optimum: Optimum) -> Iterator[Reading]:
    """Rank, singular values and probability at every point of the path against the next.

    Examples
    --------
    >>> list(path_readings(Optimum(Problem.ce([2, 1], 1), "exact")))
    []
    """
    largest = optimum.problem.clusters[0].members[0]
    points = (optimum, *optimum.companions)
    for here, there in pairwise(points):
        if here.rank[0] == here.rank[1] and there.rank[0] == there.rank[1]:
            yield {rank: sp.Integer(here.rank[0]), later_rank: sp.Integer(there.rank[0])}
        now, then = singular_values(here), singular_values(there)
        if now is not None and then is not None:
            yield from ({value: s, later_value: t} for s, t in zip(now, then, strict=True))
            yield {first: here.probabilities[largest, largest], later_first: there.probabilities[largest, largest]}


WITNESS = Problem.ce([14, 6, 5, 1], 1).at(2)

monotone_path = Claim(
    id="CJ26-04",
    title="Monotone path",
    kind="ordering",
    status="conjecture",
    paper="conjectures",
    statement=(
        r"\lambda \leq \lambda' \implies \operatorname{rank} Z' \leq \operatorname{rank} Z,\quad"
        r" \sigma_i(Z' D^{1/2}) \leq \sigma_i(Z D^{1/2}) \text{ for every } i,\quad p'_{11} \leq p_{11}"
        r" \text{ for the largest class}",
    ),
    relations=(
        sp.Le(later_rank, rank, evaluate=False),
        sp.Le(later_value, value, evaluate=False),
        sp.Le(later_first, first, evaluate=False),
    ),
    read=path_readings,
    companions=further,
    hypotheses=(NOT_TRIED, WIDE, equal_weights("with weights the statement was not tried")),
    witness=WITNESS,
    family=Family(bias=("none",)),
    settings=(Problem.ce([5, 3, 1], 1).at(1), Problem.ce([(9, 2), (4, 3)], 1).at(3)),
    required="agrees",
    mutants=(
        Mutant("they fall to a half", relations=(sp.Le(later_value, value / 2, evaluate=False),), problem=WITNESS),
        Mutant("the rank falls by one", relations=(sp.Le(later_rank, rank - 1, evaluate=False),), problem=WITNESS),
    ),
    source=SOURCE,
    note="For any sizes only the sum of the singular values is known to fall. For two sizes the proof of CJ26-05 shows "
    "that both own probabilities and the singular value between the groups fall, hence the rank.",
)
