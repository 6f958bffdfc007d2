"""CJ26-02: a class with more samples than (lam N)^2 is classified correctly, unless everything has collapsed."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant
from theory.conjectures.settings import NOT_TRIED, SOURCE, WIDE
from theory.new_results.guarantee import margin, margins_where
from theory.new_results.settings import MINORITY_WRONG, WEIGHTED_WRONG, equal_weights
from theory.problem import Cluster, Problem
from theory.value_observables import collapsed

__all__ = ["safe_size"]


def _above(factor: Fraction) -> Callable[[Problem, Cluster], bool]:
    return lambda problem, cluster: cluster.weight**2 * cluster.size > factor * problem.x2


WITNESS = Problem.ce([14, 6, 5, 1], 1).at("4.9")
EDGE = Problem.ce([30, 17, 9, 4, 2], 1)

safe_size = Claim(
    id="CJ26-02",
    title="Safe-size law",
    kind="bound",
    status="conjecture",
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
    witness=WITNESS,
    family=Family(bias=("none",), near=("merge", "collapse")),
    settings=(EDGE.at("8.999"), EDGE.at("3.999"), EDGE.at("16.99"), MINORITY_WRONG.at("0.999"), MINORITY_WRONG),
    required="agrees",
    mutants=(
        Mutant("half of (lam N)^2 is enough", read=margins_where(_above(Fraction(1, 2))), problem=MINORITY_WRONG),
        Mutant("a margin of at least 1/100", relations=(sp.Ge(margin, sp.Rational(1, 100)),), problem=EDGE.at("16.99")),
    ),
    source=SOURCE,
    note="NR26-24 proves it against every class with n_j <= (lam N)^2; open are two classes that are both above. NR26-19 "
    "proves it with 2 (lam N)^2, weights included. The smallest margins found are positive and tiny.",
)
