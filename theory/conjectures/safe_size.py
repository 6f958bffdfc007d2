"""CJ26-02, refuted: a class above (lam N)^2 can lose to a larger one."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import sympy as sp

from theory.claim import Claim, Hypothesis, Mutant
from theory.conjectures.settings import NOT_TRIED, WIDE
from theory.new_results.guarantee import margin, margins_where
from theory.new_results.settings import MINORITY_WRONG, WEIGHTED_WRONG, equal_weights
from theory.problem import Cluster, Problem
from theory.value_observables import collapsed

__all__ = ["safe_size"]


def _above(factor: Fraction) -> Callable[[Problem, Cluster], bool]:
    return lambda problem, cluster: cluster.weight**2 * cluster.size > factor * problem.x2


GIANTS = Problem.ce([(10**5, 12), 8, 1], 1).at("0.999")
"""Twelve classes of 10^5, one of 8, one of 1: the last one loses to the one of 8, by .0225."""
SHRUNK = Problem.ce([(10**4, 12), 6, 1], 1).at("0.999999")
EDGE = Problem.ce([30, 17, 9, 4, 2], 1)

safe_size = Claim(
    id="CJ26-02",
    title="Safe-size law",
    kind="bound",
    status="refuted",
    paper="conjectures",
    statement=(r"n_k > (\lambda N)^2,\ Z^* \neq 0 \implies z_{kk} > z_{jk} \text{ for all } j \neq k",),
    relations=(sp.Gt(margin, 0, evaluate=False),),
    read=margins_where(_above(Fraction(1))),
    hypotheses=(
        NOT_TRIED,
        WIDE,
        equal_weights(WEIGHTED_WRONG),
        Hypothesis(
            "Z* is not zero",
            lambda problem: not collapsed(problem),
            dropped="at n = (5, 2), x^2 = 4 all margins are 0, which balls do not tell from tiny positive ones",
        ),
    ),
    witness=SHRUNK,
    family=None,
    settings=(GIANTS,),
    required="refuted",
    mutants=(
        Mutant("no class above is safe", relations=(sp.Le(margin, 0, evaluate=False),), problem=EDGE.at("8.999")),
        Mutant("half of (lam N)^2 is enough", read=margins_where(_above(Fraction(1, 2))), problem=MINORITY_WRONG),
    ),
    source="ours; a conjecture until the pair law (NR26-24) showed where to look",
    note="It held in more than 100 thousand configurations, most of up to nine classes. Where two sizes are to merge "
    "the margin of the smaller class is the difference of two effects of first order: the two classes part, and the "
    "larger one moves ahead. The second wins where both are far above many other classes in their own columns, while "
    "these hardly confuse their samples with each other: twelve giants of 10^4 (lam N)^2 are enough. With 24 of 10^20 "
    "a class of 1.07 (lam N)^2 loses to one of 12. True are: 2 (lam N)^2 in place of (lam N)^2 (NR26-19, weights "
    "included), and the statement against every smaller class (NR26-25) and every class with n_j <= (lam N)^2 "
    "(NR26-24). The best factor lies between 1.1 and 2.",
)
