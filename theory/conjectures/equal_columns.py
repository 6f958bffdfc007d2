"""Without a bias, columns of Z that belong to different sizes coincide only where both vanish.

HL23-21 asks whether columns of pairwise different sizes can merge at all. This is the part that can be proved, for
any sizes and any rank: exact merging at a non-zero vector is a privilege of equal sizes.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.hong_ling_2023.two_clusters import UNWEIGHTED
from theory.observables import norm, parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import x

gap, length = sp.symbols("gap length", nonnegative=True)
"""|z_a - z_b| of two classes of different size, and |z_a| > 0."""


def column_gaps(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading per pair of classes of different size whose first column is certainly not zero."""
    Z, sizes = optimum.logits, optimum.problem.sizes
    if Z is None:
        return
    for j, k in combinations(range(optimum.problem.K), 2):
        if sizes[j] != sizes[k] and any(entry > 0 or entry < 0 for entry in Z[:, j]):
            yield {**parameters(optimum.problem), gap: norm(Z[:, j] - Z[:, k]), length: norm(Z[:, j])}


def columns_derivation() -> Derivation:
    """Each equation between vectors in R^r holds coordinate by coordinate: the symbols are one coordinate."""
    na, nb = sp.symbols("n_a n_b", positive=True)
    ua, ub, y, t, rest = sp.symbols("u_a u_b y t rest", real=True)
    stationary = sp.sqrt(na) * (ua - t) - x * sp.sqrt(na) * y
    return Derivation(
        steps=(
            Lemma(
                "with X = Z D^(1/2) = U S V^T and M = (I - P) D^(1/2): M V = x U and M^T U = x V",
                "subdifferential of the nuclear norm",
            ),
            Lemma("z_a = z_b gives V_a = sqrt(n_a) y and V_b = sqrt(n_b) y with the same y", "U S is injective"),
            Identity(
                "row a of M^T U = x V, sqrt(n_a) (u_a - t) = x V_a with t = U^T p_a, gives u_a whatever n_a is",
                sp.solve(stationary, ua)[0],
                t + x * y,
            ),
            Identity(
                "p_a = p_b, so t is the same for b, and u_a = u_b",
                sp.solve(stationary, ua)[0] - sp.solve(stationary.subs({na: nb, ua: ub}), ub)[0],
                sp.Integer(0),
            ),
            Lemma("equal rows u_a = u_b are equal rows of Z, hence of P without a bias", "softmax of equal logits"),
            Identity(
                "rows a and b of M V = x U have the same sum over P and the same right side; their difference",
                (sp.sqrt(na) * (sp.sqrt(na) * y) - rest) - (sp.sqrt(nb) * (sp.sqrt(nb) * y) - rest),
                (na - nb) * y,
            ),
            Lemma("so y = 0 when n_a != n_b, and z_a = z_b = 0", "a product that vanishes"),
        ),
    )


def _unequal(problem: Problem) -> bool:
    return len({cluster.size for cluster in problem.clusters}) > 1


CLOSE = Problem.ce([(120, 4), 25, 24, 23], 1).at(36)

columns = Claim(
    id="UC26-01",
    title="Columns of different sizes coincide only where they vanish",
    kind="structure",
    paper="conjectures",
    statement=(r"n_a \neq n_b,\ z_a \neq 0 \implies z_a \neq z_b",),
    relations=(sp.Gt(gap, 0, evaluate=False),),
    read=column_gaps,
    hypotheses=(
        Hypothesis("at least two different sizes", _unequal, "with one size there is no pair to compare"),
        Hypothesis(
            "no bias",
            lambda problem: problem.bias == "none",
            "with a bias equal rows of Z are not equal rows of P and the proof stops; no counterexample is known",
        ),
        replace(UNWEIGHTED, dropped="with weights the proof stops at u_a = u_b; no counterexample is known"),
        WIDE,
    ),
    witness=CLOSE,
    settings=(Problem.ce([30, 17, 9, 4], "0.03"), Problem.ce([(16, 3), (4, 2)], "0.05")),
    family=Family(sizes="any", bias=("none",), near=("merge", "collapse")),
    derivation=columns_derivation,
    required="proved",
    source="ours; not in the papers",
    mutants=(
        Mutant(
            "the gap is at least a tenth of the column",
            relations=(sp.Ge(gap, length / 10, evaluate=False),),
            problem=CLOSE,
        ),
        Mutant("the gap is at least 1", relations=(sp.Ge(gap, 1, evaluate=False),), problem=CLOSE),
    ),
    note="Two different columns may still both vanish in principle; that they do not for pairwise different sizes "
    "is HL23-21, a conjecture.",
)
