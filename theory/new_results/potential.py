"""NR26-22: a larger class has a smaller potential, the mean of its loss and its entropy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.new_results.settings import PAPER, equal_weights, no_bias, wide
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import N
from theory.value_observables import entropies, grams, losses, representatives, scaled

__all__ = ["potential"]

lH = sp.Symbol("lambda_H", positive=True)
larger, smaller, equal, before, grown, grown_fixed = sp.symbols(
    "phi_i phi_j phi_l phi phi_more phi_fixed", nonnegative=True
)
"""Potentials of classes with n_i > n_j and n_l = n_j; of a class before and after its samples are doubled, lambda N
fixed or lambda fixed."""
half, loss, decay = sp.symbols("half_sum CE_k hh_k", real=True)
"""(CE_k + Ent_k)/2, CE_k and |h_k|^2 of one class."""


def _potentials(optimum: Optimum) -> Any:
    return (losses(optimum) + entropies(optimum)) / 2


def _doubled(problem: Problem) -> Problem:
    """Twice the samples of the smallest size; decays as they are."""
    size = problem.clusters[-1].size
    return scaled(problem, lambda cluster: cluster.size == size, 2)


def more_data(problem: Problem) -> tuple[Problem, ...]:
    """Twice the samples of the smallest size: with lambda_W N and lambda_H N fixed, then with both lambdas fixed.

    Examples
    --------
    >>> [str(p.x2) for p in more_data(Problem.ce([3, 1], "1/2"))]
    ['4', '25/4']
    """
    fixed = _doubled(problem)
    ratio = problem.N / fixed.N
    moved = Problem.ce(
        fixed.sizes,
        problem.lambda_w * ratio,
        problem.lambda_h * ratio,
        problem.bias,
        fixed.weights,
        problem.dim,
        problem.model,
    )
    return moved, fixed


def potential_readings(optimum: Optimum) -> Iterator[Reading]:
    """Pairs of classes, neighbours in size; the smallest class with twice its samples; the parts of every potential.

    Examples
    --------
    >>> list(potential_readings(Optimum(Problem.ce([2, 1], 1), "exact")))
    []
    """
    problem = optimum.problem
    if optimum.logits is None:
        return
    phi, chosen = _potentials(optimum), representatives(problem)
    for i, j in combinations(chosen, 2):
        if problem.sizes[i] == problem.sizes[j]:
            yield {equal: phi[i], smaller: phi[j]}
        else:
            yield {larger: phi[i], smaller: phi[j]}
    last = chosen[-1]
    for symbol, other in zip((grown, grown_fixed), optimum.companions, strict=False):
        if other.logits is not None:
            yield {before: phi[last], symbol: _potentials(other)[last]}
    found = grams(optimum)
    if found is not None:
        cost = losses(optimum)
        for k in chosen:
            known = {lH: rational(problem.lambda_h), N: rational(problem.N)}
            yield {**known, half: phi[k], loss: cost[k], decay: found[1][k, k]}


def potential_derivation() -> Derivation:
    """The value as a function of the sizes is concave and symmetric."""
    ni, nj, phi_i, phi_j, step = sp.symbols("n_i n_j phi_i phi_j step", positive=True)
    ce, ent, h = sp.symbols("CE Ent hh", positive=True)
    return Derivation(
        steps=(
            Lemma(
                "with lambda_W N = a and lambda_H N = b fixed, N F = sum_k n_k (loss_k + (b/2)|h_k|^2) + (a/2)|W|^2 is "
                "linear in n at every (W, H): V(n) = min N F, and phi_k = loss_k + (b/2)|h_k|^2 at a minimiser",
                "Jensen: one feature per class",
            ),
            Lemma("relabelling classes permutes rows of W and columns of H: V is symmetric", "equivariance"),
            Identity(
                "the minimiser at n, relabelled for n_i and n_j exchanged, is feasible there: its value minus V is",
                (nj * phi_i + ni * phi_j) - (ni * phi_i + nj * phi_j),
                (ni - nj) * (phi_j - phi_i),
            ),
            Lemma("V is symmetric and a minimum, so that difference is >= 0: n_i > n_j gives phi_i <= phi_j", "signs"),
            Positive("n_i - n_j > 0 with n_i = n_j + step", (ni - nj).subs(ni, nj + step)),
            Lemma(
                "phi is a supergradient of the concave V: along one coordinate it never rises",
                "a minimum of linear functions is concave",
            ),
            Lemma("equal sizes: the relabelled minimiser is the minimiser, where Z* is unique", "HL23-01"),
            Identity(
                "NR26-17: (b/2)|h_k|^2 = (Ent - CE)/2, so phi_k = (CE + Ent)/2", ce + (ent - ce) / 2, (ce + ent) / 2
            ),
            Positive("without the factor 1/2 the sum is the entropy, larger for h_k != 0", lH * N * h / 2),
        )
    )


EXAMPLE = Problem.ce([14, 6, 6, 1], "0.04", "0.02")
FEW = Problem.ce([9, 4, 4, 2], "0.05")
GROWN_AWAY = Problem.ce([3, 1], 1).at("1.5")
"""Twice the samples of the smaller class at the same decays: x^2 = 1.5 becomes 2.34, and 5/2 is where all collapses."""
HEAVY_SMALL = Problem.ce([6, 4], "0.05", weights=[1, 4])
RELU = Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu")

potential = Claim(
    id="NR26-22",
    title="A larger class has the smaller potential",
    kind="ordering",
    paper=PAPER,
    statement=(
        r"\varphi_k = \mathrm{CE}_k + \tfrac{\lambda_H N}{2} \lVert h_k \rVert^2 = \tfrac12 (\mathrm{CE}_k +"
        r" \mathrm{Ent}(p_k)):\qquad n_i > n_j \implies \varphi_i \leq \varphi_j,\quad n_i = n_j \implies"
        r" \varphi_i = \varphi_j",
        r"\lambda_W N,\ \lambda_H N \text{ fixed}:\ \text{more samples of class } k \text{ never raise } \varphi_k",
    ),
    relations=(
        sp.Le(larger, smaller, evaluate=False),
        sp.Eq(equal, smaller, evaluate=False),
        sp.Le(grown, before, evaluate=False),
        sp.Eq(half, loss + lH * N * decay / 2, evaluate=False),
    ),
    read=potential_readings,
    hypotheses=(
        no_bias("with a bias the potential is not the mean of loss and entropy that is read here"),
        equal_weights(HEAVY_SMALL),
        wide("in few dimensions equal sizes can have different potentials; no route certifies a minimum there"),
    ),
    companions=more_data,
    witness=EXAMPLE,
    family=Family(bias=("none",)),
    settings=(FEW, FEW.at(4), GROWN_AWAY, RELU),
    derivation=potential_derivation,
    rests_on=frozenset({"HL23-01", "NR26-17"}),
    required="proved",
    mutants=(
        Mutant(
            "more samples with fixed decays",
            relations=(sp.Le(grown_fixed, before, evaluate=False),),
            problem=GROWN_AWAY,
        ),
        Mutant(
            "CE + lambda_H N |h|^2 without the half",
            relations=(sp.Eq(half, loss + lH * N * decay, evaluate=False),),
            problem=EXAMPLE,
        ),
        Mutant("smaller classes strictly better", relations=(sp.Lt(smaller, larger, evaluate=False),), problem=FEW),
    ),
    source="ours; proved here, novelty not checked",
    note="In few dimensions equal sizes need not have equal potentials: at d = 1, n = (4, 4, 4), lambda = 0.02 one "
    "class has log 3 and the two others 0.2478.",
)
