"""Pairwise different sizes: the rank drops with lam, but no two columns of Z coincide (HL23-21, a conjecture)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant
from theory.hong_ling_2023.complete_collapse import THREE, squared_threshold
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.hong_ling_2023.two_clusters import PAPER, UNWEIGHTED
from theory.observables import parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import dead, dead_exact, n, x

m = sp.Symbol("m", positive=True)
"""x_c^2: the zero of sum_k 1/(n_k - m) between the two largest sizes (HL23-05), exact where it is rational."""


def column_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, object]]:
    """One reading per pair of classes: whether their columns coincide, the larger of their sizes, and m."""
    Z, problem = optimum.logits, optimum.problem
    sizes = sorted(problem.sizes)
    if Z is None or sizes[-1] == sizes[-2]:
        return
    known = {**parameters(problem), m: squared_threshold(problem, "none", m)}
    merged = {
        pair
        for cluster, state in zip(problem.clusters, optimum.contrasts, strict=True)
        if state == "dead"
        for pair in combinations(cluster.members, 2)
    }
    for j, k in combinations(range(problem.K), 2):
        difference = Z[:, j] - Z[:, k]
        zero = optimum.exact_zero
        together = True if optimum.rank[1] == 0 or (j, k) in merged else None
        apart = (difference * difference).sum() > 0
        yield {
            **known,
            n: rational(max(problem.sizes[j], problem.sizes[k])),
            dead: False if apart else together,
            dead_exact: zero,
        }


def _distinct(problem: Problem) -> bool:
    return len(set(problem.sizes)) == problem.K


def _no_bias(problem: Problem) -> bool:
    return problem.bias == "none"


SPREAD = Problem.ce([30, 17, 9, 4], "0.03")
LOW_RANK = SPREAD.at(18)

distinct_columns = Claim(
    id="HL23-21",
    title="Pairwise different sizes: columns do not merge",
    kind="structure",
    status="conjecture",
    paper=PAPER,
    statement=(
        r"n_1, \dots, n_K \text{ pairwise different}:\quad z_j = z_k \text{ for some } j \neq k"
        r" \iff Z^* = 0 \iff \lambda N \geq x_c",
    ),
    relations=(sp.Equivalent(dead, x >= sp.sqrt(m)),),
    read=column_readings,
    hypotheses=(
        Hypothesis("pairwise different sizes", _distinct, Problem.ce([30, 9, 9, 4], "0.03").at(10)),
        Hypothesis("no bias", _no_bias, Problem.ce([30, 9, 4], 1, bias="free").at(18)),
        replace(UNWEIGHTED, dropped=Problem.ce([30, 17, 9, 4], 1, weights=[1, 1, 2, 3]).at(30)),
        WIDE,
    ),
    witness=SPREAD,
    family=Family(sizes="distinct", bias=("none",), near=("collapse",)),
    settings=(LOW_RANK, SPREAD.at(9), SPREAD.at(24), SPREAD.at(26), Problem.ce([7, 5], "0.1"), THREE.at(10)),
    required="agrees",
    note=(
        "Numerical evidence only. At rank one it is proved: z_k = c_k u, and equal columns imply n_k c_k = n_j c_j, "
        "hence c = 0. At any rank columns of different sizes can coincide only where both vanish (UC26-01, proved). "
        "The exact merging of HL23-04 is a statement about equal sizes."
    ),
    mutants=(
        Mutant(
            "two classes merge iff lam N >= sqrt of the larger size, distinct sizes included",
            relations=(sp.Equivalent(dead, x >= sp.sqrt(n)),),
            problem=LOW_RANK,
        ),
    ),
)
