"""RF26-01, 06, 08, 10: what imbalance does to the geometry, against the picture from equal sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import sympy as sp

from theory.beliefs.settings import LINEAR, NO_BIAS, PAIR, PAPER, SOURCE, UNEQUAL, WIDE, minority
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, n
from theory.value_observables import collapsed, grams, losses, merged_state, representatives

__all__ = ["accuracy", "aligned", "etf", "zero_features"]

cos_h, cos_w, cos_wh = sp.symbols("cos_h cos_w cos_wh", real=True)
"""Cosines of two class means, of two rows of W, and of the row and the mean of one class."""
feature, cost = sp.symbols("hh_B CE_B", real=True)
"""Squared length of the features and loss of a merged minority class."""

ALIVE = Hypothesis(
    "the decay is below half of complete collapse",
    lambda problem: not collapsed(problem.at(problem.x2 * 4)),
    "the cosines of zero vectors mean nothing",
)


def cosine_readings(optimum: Optimum) -> Iterator[Reading]:
    """Cosines of class means and of rows for every pair of classes; of row and mean for every class.

    Examples
    --------
    >>> p = Problem.ce([4, 4], 1)
    >>> pair = next(cosine_readings(Optimum(p, "exact", logits=np.array([[1.0, -1.0], [-1.0, 1.0]]))))
    >>> float(round(pair[cos_h], 9)), float(round(pair[cos_w], 9))
    (-1.0, -1.0)
    """
    problem, Z, found = optimum.problem, optimum.logits, grams(optimum)
    if Z is None or found is None:
        return
    rows, means = found
    lengths = [np.sqrt(np.diagonal(gram)) for gram in (rows, means)]
    for i, j in combinations(representatives(problem), 2):
        yield {
            K: sp.Integer(problem.K),
            cos_w: rows[i, j] / (lengths[0][i] * lengths[0][j]),
            cos_h: means[i, j] / (lengths[1][i] * lengths[1][j]),
        }
    for i in representatives(problem):
        yield {cos_wh: Z[i, i] / (lengths[0][i] * lengths[1][i])}


def etf_derivation() -> Derivation:
    """If Z were a multiple of P = I - J/K, the sizes would be equal."""
    ni, nj, nl = sp.symbols("n_i n_j n_l", positive=True)
    return Derivation(
        steps=(
            Lemma(
                "at Z = a P the dual matrix is a multiple of P D^(1/2) and must be the polar factor of Z D^(1/2), so P "
                "D P is a multiple of P",
                "subdifferential of the nuclear norm",
            ),
            Identity(
                "(e_i - e_j)^T D (e_i - e_j) = n_i + n_j is then the same for all pairs; against the pairs with l",
                (ni + nj) - (ni + nl),
                nj - nl,
            ),
            Lemma("so n_j = n_l for any two classes different from a third, i: all sizes agree (K >= 3)", "pairs"),
        ),
        complete=False,
        gap="the steps show that the statement fails for unequal sizes",
    )


SIZES = Problem.ce([8, 4, 2], "0.05")
SMALL = SIZES.at("1e-12")

etf = Claim(
    id="RF26-01",
    title="Class means form a simplex ETF under imbalance",
    kind="equality",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\cos(h_i, h_j) = -\tfrac{1}{K - 1} \text{ for all } i \neq j",
        r"n = (8, 4, 2),\ \lambda = 1/20:\quad -0.5600744,\ -0.4915299,\ -0.4461646",
    ),
    relations=(sp.Eq(cos_h, -1 / (K - 1), evaluate=False),),
    read=cosine_readings,
    hypotheses=(LINEAR, NO_BIAS, WIDE, UNEQUAL, ALIVE),
    witness=SIZES,
    family=Family(bias=("none",), near=("merge",)),
    settings=(Problem.ce([(9, 2), (4, 3)], "0.01"),),
    derivation=etf_derivation,
    required="refuted",
    source=SOURCE,
    mutants=(
        Mutant(
            "within a fiftieth of the ETF at a small decay",
            relations=(sp.Le(cos_h, -1 / (K - 1) + sp.Rational(1, 50), evaluate=False),),
            problem=SMALL,
        ),
    ),
    note="For equal sizes every class pulls equally hard and a regular simplex is best. With unequal sizes a large "
    "class shapes the classifier more than a small one and the angles differ: for a simplex of three classes all "
    "cosines would be -1/2. That it cannot be repaired is exact: were Z a multiple of I - J/K, the optimality "
    "condition would make n_i + n_j the same for all pairs, so that all sizes agree. A small lambda does not "
    "help: the means tend to the SELI geometry (HL23-16, TH22), which is not an ETF.",
)

aligned = Claim(
    id="RF26-06",
    title="Classifier rows and class means stay aligned",
    kind="equality",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\cos(w_k, h_k) = 1,\qquad \cos(w_i, w_j) = \cos(h_i, h_j)",
        r"n = (8, 4, 2),\ \lambda = 1/20:\quad \cos(w_k, h_k) = 0.9990,\ 0.9880,\ 0.9927;\quad"
        r" \cos(w_i, w_j) = -0.7129611,\ -0.5569621,\ -0.1852838",
    ),
    relations=(sp.Eq(cos_wh, 1, evaluate=False), sp.Eq(cos_w, cos_h, evaluate=False)),
    read=cosine_readings,
    hypotheses=(LINEAR, NO_BIAS, WIDE, UNEQUAL, ALIVE),
    witness=SIZES,
    family=Family(bias=("none",), near=("merge",)),
    settings=(Problem.ce([(9, 2), (4, 3)], "0.01"),),
    required="refuted",
    source=SOURCE,
    mutants=(
        Mutant(
            "aligned at a small decay",
            relations=(sp.Ge(cos_wh, sp.Rational(9995, 10000), evaluate=False),),
            problem=SMALL,
        ),
    ),
    note="W and H are the two halves of X = Z D^(1/2): W W^T is the square root of X X^T, and the class means have the "
    "Gram matrix D^(-1/2) (X^T X)^(1/2) D^(-1/2). The sizes D stand on the side of the features only. For equal "
    "sizes that makes no difference and row and mean of a class are parallel; for unequal sizes the two square "
    "roots have different directions, by up to nine degrees in the example. As lambda falls they align for equal sizes "
    "and for two classes only.",
)


def merged_readings(optimum: Optimum) -> Iterator[Reading]:
    """Length of the features and loss of the minority where it is merged and the rest is alive.

    Examples
    --------
    >>> list(merged_readings(Optimum(MERGED, "exact")))
    []
    """
    few, found = minority(optimum.problem), grams(optimum)
    if found is not None and merged_state(optimum, few):
        yield {
            K: sp.Integer(optimum.problem.K),
            feature: found[1][few[0], few[0]],
            cost: losses(optimum)[few[0]],
        }


MERGED = Problem.ce([(20, 3), (5, 2)], 1).at("5.76")

zero_features = Claim(
    id="RF26-08",
    title="Minority collapse means zero features",
    kind="equality",
    status="refuted",
    paper=PAPER,
    statement=(
        r"h_i = h_j \text{ for minority classes} \implies h_i = 0 \text{ and } \mathrm{CE} = \log K",
        r"3 \times 20,\ 2 \times 5,\ \lambda N = 2.4:\quad \lVert h_B \rVert = 0.2816410,\ \mathrm{CE}_B = 1.4016232"
        r" < \log 5",
    ),
    relations=(sp.Eq(feature, 0, evaluate=False), sp.Eq(cost, sp.log(K), evaluate=False)),
    read=merged_readings,
    hypotheses=(LINEAR, NO_BIAS, WIDE, PAIR),
    witness=MERGED,
    family=Family(sizes="clusters", bias=("none",), near=("merge",)),
    settings=(MERGED.at(6),),
    required="refuted",
    source=SOURCE,
    mutants=(
        Mutant("chance level at merging", relations=(sp.Eq(cost, sp.log(K), evaluate=False),), problem=MERGED.at(6)),
    ),
    note="Merging takes away what tells the small classes from each other, not what tells them from the others. That "
    "direction between the groups has a larger singular value and dies later (HL23-08); until then the merged "
    "classes share features that are not zero, and their loss is below log K because the large classes are ruled "
    "out. Merged features vanish only once that direction has died too, with ReLU features, or with the squared "
    "loss without a bias.",
)


def accuracy_readings(optimum: Optimum) -> Iterator[Reading]:
    """Cosine of two minority rows where every class is certainly classified correctly.

    Examples
    --------
    >>> list(accuracy_readings(Optimum(CORRECT, "exact")))
    []
    """
    Z, found = optimum.logits, grams(optimum)
    chosen = representatives(optimum.problem)
    if Z is None or found is None:
        return
    if all(Z[k, k] - Z[j, k] > 0 for k in chosen for j in chosen if j != k):
        i, j = minority(optimum.problem)[:2]
        rows: Any = found[0]
        yield {n: sp.Integer(1), cos_w: rows[i, j] / np.sqrt(rows[i, i] * rows[j, j])}


CORRECT = Problem.ce([(50, 2), (4, 3)], 1).at("3.8416")


def accuracy_derivation() -> Derivation:
    """Margins are not angles: shifting two rows by a common vector keeps their difference."""
    u, v, s = sp.symbols("u v s", positive=True)
    return Derivation(
        steps=(
            Identity("(s + u) and (s - v): the difference does not see s", (s + u) - (s - v), u + v),
            Positive("their product grows with s once s > v; s = v + u here", ((s + u) * (s - v)).subs(s, v + u)),
            Lemma("so two rows can be nearly parallel and still separate their classes", "geometry"),
        ),
        complete=False,
        gap="the steps explain why a margin does not bound an angle",
    )


accuracy = Claim(
    id="RF26-10",
    title="Full balanced training accuracy certifies separate minority directions",
    kind="bound",
    status="refuted",
    paper=PAPER,
    statement=(
        r"z_{kk} > z_{jk} \text{ for all } k, j \implies \cos(w_i, w_j) \leq \tfrac{9}{10}"
        r" \text{ for minority classes}",
        r"2 \times 50,\ 3 \times 4,\ \lambda N = 0.98 \cdot 2:\quad \text{all correct, cosine } 0.9016;\quad"
        r" \text{at } 0.995 \cdot 2:\ 0.9735",
    ),
    relations=(sp.Le(cos_w, sp.Rational(9, 10), evaluate=False),),
    read=accuracy_readings,
    hypotheses=(LINEAR, NO_BIAS, WIDE, PAIR),
    witness=CORRECT,
    family=Family(sizes="clusters", bias=("none",), near=("merge",)),
    settings=(Problem.ce([(50, 2), (4, 3)], 1).at("3.9601"),),
    derivation=accuracy_derivation,
    required="refuted",
    source=SOURCE,
    mutants=(
        Mutant(
            "a cosine below 99/100 where all are correct",
            relations=(sp.Le(cos_w, sp.Rational(99, 100), evaluate=False),),
            problem=CORRECT.at("3.9999"),
        ),
    ),
    note="Accuracy asks whether the own logit is the largest, by however little. Two rows s + u and s - v with a long "
    "common part s are nearly parallel and still differ by u + v, which separates the classes. Just below the "
    "merging threshold that is what happens: at 0.98 of it every class is predicted correctly and the cosine is "
    "0.90, at 0.995 it is 0.97. Exactly merged classes are tied, so they do cost accuracy; nearly merged ones do "
    "not.",
)
