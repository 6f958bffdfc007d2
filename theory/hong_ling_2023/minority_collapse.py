"""Minority collapse: the p - q law of a cluster and the sharp merge threshold.

HL23-03 says how far apart own and sibling probabilities are, HL23-04 when the classes of a cluster merge.
HL23-11, 19 and 20 are what they say about more data, oversampling and reweighting.
"""

from __future__ import annotations

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.observables import cluster_readings
from theory.problem import Problem
from theory.symbols import K, N, alpha, dead, k, lam, n, p, q, w, x

PAPER = "hong_ling_2023"


def _two_or_more(problem: Problem) -> bool:
    return any(cluster.classes >= 2 for cluster in problem.clusters)


def _wide_enough(problem: Problem) -> bool:
    return problem.dim >= problem.K - 1


PAIR = Hypothesis(
    text="some cluster has at least two classes of equal size and weight",
    holds=_two_or_more,
    dropped="without such a cluster there is no sibling and nothing to observe",
)
WIDE = Hypothesis(
    text="d >= K - 1",
    holds=_wide_enough,
    dropped="below K - 1 the convex form may be loose; HL23-01 shows what fails",
)

STEP = Problem.ce([(120, 4), (25, 3)], "0.0085")
MERGED = STEP.at(36)
TIE = STEP.at(25)
HEAVY = Problem.ce([(120, 4), (25, 3)], "0.0085", weights=[(1, 4), (3, 3)])


def contrast_derivation() -> Derivation:
    """The optimality condition on the contrasts of one cluster; nothing else in the solution enters.

    Class i of the cluster has the softmax column p at i, q at its siblings and r_l at the other classes, so
    (I - P) w D^(1/2) (e_i - e_j) needs three rows only: i, j and any other class.
    """
    r = sp.Symbol("r", positive=True)
    own, sibling = sp.symbols("p_c q_c", positive=True)
    column_i = sp.Matrix([1 - own, -sibling, -r])
    column_j = sp.Matrix([-sibling, 1 - own, -r])
    gap = sp.Symbol("alpha_c", positive=True)
    return Derivation(
        steps=(
            Lemma(
                "the minimiser is unique, hence invariant under permutations of the cluster",
                "strict convexity modulo constants",
            ),
            Identity(
                "(I - P) w D^(1/2) maps the contrast e_i - e_j to a multiple of itself",
                w * sp.sqrt(n) * (column_i - column_j),
                w * sp.sqrt(n) * (1 - own + sibling) * sp.Matrix([1, -1, 0]),
            ),
            Lemma(
                "M = (I - P) w D^(1/2) satisfies ||M|| <= x and equals x on the right singular directions of X",
                "subdifferential of the nuclear norm",
            ),
            Identity(
                "alive (alpha > 0): the multiple is x, which gives p - q",
                sp.solve(sp.Eq(w * sp.sqrt(n) * (1 - own + sibling), x), own)[0] - sibling,
                1 - x / (w * sp.sqrt(n)),
            ),
            Identity(
                "p - q has the sign of alpha, because log(p/q) = alpha",
                sibling * sp.exp(gap) - sibling,
                sibling * (sp.exp(gap) - 1),
            ),
            Positive(
                "alive needs x < w sqrt(n): with p = q + s, s > 0, the distance w sqrt(n) - x is positive",
                (w * sp.sqrt(n) - w * sp.sqrt(n) * (1 - own + sibling)).subs(
                    own, sibling + sp.Symbol("s", positive=True)
                ),
            ),
            Identity(
                "dead (p = q): the multiple is w sqrt(n), so ||M|| <= x forces x >= w sqrt(n), equality included",
                (w * sp.sqrt(n) * (1 - own + sibling)).subs(own, sibling),
                w * sp.sqrt(n),
            ),
        ),
    )


law = Claim(
    id="HL23-03",
    title="p - q law per cluster",
    kind="equality",
    paper=PAPER,
    statement=(
        r"p_c - q_c = \max\left(0,\, 1 - \frac{\lambda N}{w_c \sqrt{n_c}}\right)",
        r"\log\frac{p_c}{q_c} = \alpha_c",
    ),
    relations=(
        sp.Eq(p - q, sp.Max(0, 1 - x / (w * sp.sqrt(n))), evaluate=False),
        sp.Eq(sp.log(p / q), alpha, evaluate=False),
    ),
    read=cluster_readings,
    hypotheses=(PAIR, WIDE),
    witness=STEP,
    family=Family(sizes="clusters", weights=True, near=("merge",)),
    derivation=contrast_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(wrong, sp.Max(0, predicted), evaluate=False),), problem=problem)
        for text, wrong, predicted, problem in (
            ("n instead of sqrt(n)", p - q, 1 - x / (w * n), STEP),
            ("N missing", p - q, 1 - lam / (w * sp.sqrt(n)), STEP),
            ("times sqrt(n) instead of divided", p - q, 1 - x * sp.sqrt(n) / w, STEP),
            ("weight under the root", p - q, 1 - x / sp.sqrt(w * n), HEAVY),
            ("p instead of p - q", p, 1 - x / (w * sp.sqrt(n)), STEP),
        )
    ),
)

threshold = Claim(
    id="HL23-04",
    title="Sharp minority-collapse threshold",
    kind="threshold",
    paper=PAPER,
    statement=(r"\text{the classes of cluster } c \text{ coincide} \iff \lambda N \geq w_c \sqrt{n_c}",),
    relations=(sp.Equivalent(dead, x >= w * sp.sqrt(n)),),
    read=cluster_readings,
    hypotheses=(PAIR, WIDE),
    witness=STEP,
    family=Family(sizes="clusters", weights=True, near=("merge",)),
    derivation=contrast_derivation,
    rests_on=frozenset({"HL23-03"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, wrong),), problem=problem)
        for text, wrong, problem in (
            ("n instead of sqrt(n)", x >= w * n, MERGED),
            ("N missing", lam >= w * sp.sqrt(n), MERGED),
            ("mean size instead of the own", x >= w * sp.sqrt(N / K), MERGED),
            ("number of classes enters", x >= w * sp.sqrt(n * k), MERGED),
            ("strict instead of non-strict", x > w * sp.sqrt(n), TIE),
        )
    ),
)
