"""NR26-25: a larger class never loses to a smaller one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import adjusted_logits
from theory.new_results.guarantee import margin
from theory.new_results.settings import MINORITY_WRONG, PAPER
from theory.optimum import Optimum
from theory.problem import Problem
from theory.value_observables import entropies, losses, representatives

__all__ = ["larger_keeps"]

own, back = sp.symbols("margin_ij margin_back", real=True)
"""The margin of one class over another, in either order; that of a smaller class over a larger one."""
phi_i, phi_j = sp.symbols("phi_i phi_j", nonnegative=True)
"""Potentials of the two (NR26-22)."""


def duel_readings(optimum: Optimum) -> Iterator[Reading]:
    """Both margins of two classes of different sizes; for plain cross-entropy without a bias margins and potentials.

    Examples
    --------
    >>> list(duel_readings(Optimum(Problem.ce([2, 1], 1), "exact")))
    []
    """
    problem, U = optimum.problem, adjusted_logits(optimum)
    if U is None:
        return
    plain = problem.key in ("ce", "ce-relu") and problem.bias == "none"
    phi = (losses(optimum) + entropies(optimum)) / 2 if plain else None
    for i, j in permutations(representatives(problem), 2):
        if problem.sizes[i] > problem.sizes[j]:
            yield {margin: U[i, i] - U[j, i], back: U[j, j] - U[i, j]}
        if phi is not None:
            yield {own: U[i, i] - U[j, i], phi_i: phi[i], phi_j: phi[j]}


def larger_derivation() -> Derivation:
    """The smaller class could use the feature of the larger."""
    inner, wrong, bi, bj, rest, n_i, n_j = sp.symbols("wh_i wh_j b_i b_j Lambda n_i n_j", real=True)
    lead, gap = sp.symbols("lead gap", positive=True)
    return Derivation(
        steps=(
            Lemma(
                "for a convex symmetric Om class k pays phi_k = Lambda(h_k) - w_k.h_k - b_k for a sample, up to "
                "constants, where Lambda(h) = Om(W h + b) + (lambda_H N/2)|h|^2 is the same for all classes (with "
                "smoothing minus the same linear term), and h_k is its best feature, with or without ReLU",
                "minimality in H",
            ),
            Identity(
                "class j with the feature of class i would pay phi_i + a_ij, a_ij = z_ii - z_ji with the bias",
                rest - wrong - bj,
                (rest - inner - bi) + ((inner + bi) - (wrong + bj)),
            ),
            Lemma("so phi_j <= phi_i + a_ij", "h_j is the best feature of class j"),
            Identity(
                "with (w, h, b) of the two classes exchanged the penalties stay, and the value times N grows by",
                (n_j * phi_i + n_i * phi_j) - (n_i * phi_i + n_j * phi_j),
                (n_i - n_j) * (phi_j - phi_i),
            ),
            Lemma("so phi_i <= phi_j where n_i > n_j", "global minimality"),
            Positive("a_ij = phi_j - phi_i + gap with phi_j = phi_i + lead", (phi_i + lead + gap) - phi_i),
        )
    )


EDGE = Problem.ce([30, 17, 9, 4, 2], 1)
LIGHT = Problem.ce([10, 6, 5, 1], 1, weights=[4, 1, 3, 3]).at(36)
GIANTS = Problem.ce([(10**5, 12), 8, 1], 1).at("0.999")
ALIKE = Hypothesis(
    "all classes have one loss weight and one multiplier of each decay; no log-prior, scaling or own targets",
    lambda p: (
        len({(run.weight, run.feature_decay, run.row_decay) for run in p.runs}) == 1
        and not (p.adjustment or p.scaling or p.targets)
    ),
    dropped=LIGHT,
)

CONVEX = Hypothesis(
    "cross-entropy, one-vs-rest or squared loss, one linear layer, features free or ReLU",
    lambda p: p.model in ("ce", "ce-relu") and p.depth == 1 and p.loss in ("ce", "ovr", "squared"),
    dropped="other losses were not tried",
)

larger_keeps = Claim(
    id="NR26-25",
    title="A larger class never loses to a smaller one",
    kind="ordering",
    paper=PAPER,
    statement=(
        r"z_{ii} - z_{ji} \geq \varphi_j - \varphi_i,\qquad n_i > n_j \implies z_{ii} - z_{ji} \geq 0",
        r"\text{at every global minimiser, in every dimension, with and without ReLU and bias; } \varphi \text{ as in"
        r" NR26-22}",
    ),
    relations=(sp.Ge(margin, 0, evaluate=False), sp.Ge(own, phi_j - phi_i, evaluate=False)),
    read=duel_readings,
    hypotheses=(ALIKE, CONVEX),
    witness=Problem.ce([14, 6, 5, 1], 1).at("4.9"),
    family=Family(near=("merge", "collapse")),
    settings=(
        EDGE.at("8.999"),
        EDGE.at("16.99"),
        MINORITY_WRONG,
        GIANTS,
        GIANTS.at("1.001"),
        Problem.ce([9, 4, 2], 1, dim=1).at(5),
        Problem.ce([6, 3, 2], 1, model="ce-relu").at(3),
        EDGE.with_loss("ce", smoothing="3/10").at(8),
        EDGE.with_loss("squared").at(8),
    ),
    derivation=larger_derivation,
    required="proved",
    mutants=(
        Mutant("nor a smaller one to a larger one", relations=(sp.Ge(back, 0, evaluate=False),), problem=GIANTS),
        Mutant("a margin of at least 1/100", relations=(sp.Ge(margin, sp.Rational(1, 100)),), problem=EDGE.at("16.99")),
        Mutant("it does not win either", relations=(sp.Le(margin, 0, evaluate=False),), problem=GIANTS),
        Mutant(
            "four times the difference of the potentials",
            relations=(sp.Ge(own, 4 * (phi_j - phi_i), evaluate=False),),
            problem=EDGE.at("8.999"),
        ),
    ),
    source="ours; proved here, novelty not checked",
    note="The smaller one can lose, also above (lam N)^2 (NR26-24, CJ26-02). Equality holds where both share a column "
    "of logits. It says nothing of stationary points that are no global minimisers.",
)
