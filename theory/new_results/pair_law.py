"""NR26-24: of two classes below (lam N)^2 the larger takes the samples of the smaller; one above keeps its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import permutations
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import Delta, adjusted_logits, cluster_parameters, kappa, r, s, vanishes
from theory.new_results.settings import MINORITY_WRONG, PAPER
from theory.observables import parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import N, w, x
from theory.value_observables import representatives

__all__ = ["level", "pair_law"]

n_i, n_j = sp.symbols("n_i n_j", positive=True)
own_i, own_j, kept, lost = sp.symbols("margin_ij margin_ji margin_kept margin_lost", real=True)
"""z_ii - z_ji and z_jj - z_ij of two classes, bias included. For n_i > n_j the first again where only n_i is above the
level, the second where neither is, if the classes are told apart at all."""

PAIR = ((w * Delta * kappa) ** 2 * n_i - r * s * x**2) * own_i + ((w * Delta * kappa) ** 2 * n_j - r * s * x**2) * own_j


def level(problem: Problem) -> Fraction:
    """The size r s (lam N)^2/(w Delta kappa)^2 up to which a class loses to every larger one.

    Examples
    --------
    >>> level(Problem.ce([9, 4, 1], 1).at(3).with_loss("ce", smoothing="1/2"))
    Fraction(12, 1)
    """
    run = problem.runs[0]
    slope = (1 - problem.smoothing) * run.weight / problem.loss_temperature
    return run.feature_decay * run.row_decay * problem.x2 / slope**2


def _above(problem: Problem, size: Fraction) -> bool:
    return size > level(problem)


def pairs_where(above: Callable[[Problem, Fraction], bool]) -> Callable[[Optimum], Iterator[Reading]]:
    """A reader of both margins of pairs of classes, and of those that the level decides.

    Examples
    --------
    >>> list(pairs_where(_above)(Optimum(Problem.ce([2, 1], 1), "exact")))
    []
    """

    def read(optimum: Optimum) -> Iterator[Reading]:
        problem, U = optimum.problem, adjusted_logits(optimum)
        if U is None:
            return
        known = {**parameters(problem), **cluster_parameters(problem, problem.clusters[0])}
        known[kappa] = rational(1 - problem.smoothing)
        for i, j in permutations(representatives(problem), 2):
            sizes = problem.sizes[i], problem.sizes[j]
            margins: dict[sp.Symbol, Any] = {own_i: U[i, i] - U[j, i], own_j: U[j, j] - U[i, j]}
            yield {**known, n_i: rational(sizes[0]), n_j: rational(sizes[1]), **margins}
            if sizes[0] <= sizes[1] or vanishes(margins[own_i] + margins[own_j]) is not False:
                continue
            if not above(problem, sizes[0]):
                yield {lost: margins[own_j]}
            elif not above(problem, sizes[1]):
                yield {kept: margins[own_i]}

    return read


def pair_derivation() -> Derivation:
    """Both stationarity conditions are monotone maps that the classes share; only the sizes tell classes apart."""
    lW, lH, lb = sp.symbols("lambda_W lambda_H lambda_b", positive=True)
    hi, hj, gi, gj, pulled, offset, both = sp.symbols("h_i h_j g_i g_j S_h S_0 a", real=True)
    hh, gh, gg, gd, total, beta = sp.symbols("hh gh gg gd T beta", positive=True)
    over, less, more, lead, gap = sp.symbols("over less more lead gap", positive=True)
    force, pull = w * Delta, lH * N * r / (w * Delta)
    h, g = hi - hj, gi - gj
    d = (pull * h + g) / kappa
    margin_i, margin_j = hi * d + beta, -hj * d - beta
    row_force = force * (kappa * (n_i * hi - n_j * hj) - pulled)
    bias_force = force * (kappa * (n_i - n_j) - offset)
    split = (pull * both + gd) / kappa
    weighted = (lW * N * s * split + lb * N * beta**2 + force * total) / (force * kappa)
    level_part = -r * s * lW * lH * N**2
    rest = force * (lW * N * s * gd + kappa * lb * N * beta**2 + force * kappa * total)
    return Derivation(
        steps=(
            Lemma(
                "kappa w_k + c - L h_k = g_k with L = lambda_H N r/(w Delta), where g_k is a subgradient at h_k of one "
                "convex function of the feature, the same for all classes: Om(Delta (W h + b))/Delta, with ReLU plus "
                "the indicator of h >= 0. So all samples of a class have one feature, and (g_i - g_j).(h_i - h_j) >= 0",
                "stationarity in H; subgradients are monotone",
            ),
            Lemma(
                "lambda_W N s w_k = w Delta (kappa n_k h_k + c' - sum_l n_l p_kl h_l), and with a bias lambda_b N b_k ="
                " w Delta (kappa n_k + c'' - sum_l n_l p_kl)",
                "stationarity in W and b",
            ),
            Lemma(
                "T = sum_l n_l (p_il - p_jl)(z_il - z_jl) >= 0, and T = 0 only if z_il = z_jl in every column: the "
                "larger logit has the larger prediction",
                "gradient of a convex symmetric function",
            ),
            Identity(
                "write h, g, d, beta for the differences of h, g, w, b: kappa d = L h + g, so, coordinate by "
                "coordinate, kappa (a_ij + a_ji) = L |h|^2 + g.h, which is >= 0",
                kappa * (margin_i + margin_j),
                pull * h**2 + g * h,
            ),
            Positive("and > 0 unless h = 0", (pull * hh + gh) / kappa),
            Identity("kappa g.d = L g.h + |g|^2, which is >= 0", kappa * g * d, pull * g * h + g**2),
            Positive("with equality only for g = 0", (pull * gh + gg) / kappa),
            Identity("kappa |d|^2 = L (a_ij + a_ji) + g.d", kappa * d**2, pull * (margin_i + margin_j) + g * d),
            Identity(
                "the second condition times d and beta: w Delta kappa (n_i a_ij + n_j a_ji) = lambda_W N s |d|^2 + "
                "lambda_b N beta^2 + w Delta T",
                force * kappa * (n_i * margin_i + n_j * margin_j),
                row_force * d + bias_force * beta + force * (pulled * d + offset * beta),
            ),
            Identity(
                "the pair of the statement is (w Delta kappa)^2 (n_i a_ij + n_j a_ji) - r s x^2 (a_ij + a_ji)",
                PAIR.subs(x, N * sp.sqrt(lW * lH)),
                (force * kappa) ** 2 * (n_i * own_i + n_j * own_j) + level_part * (own_i + own_j),
            ),
            Identity(
                "so it is w Delta (lambda_W N s g.d + kappa lambda_b N beta^2 + w Delta kappa T)",
                (force * kappa) ** 2 * weighted + level_part * both,
                rest,
            ),
            Positive("and >= 0", rest),
            Lemma("it is 0 only if T = 0, that is if both margins are 0", "a sum of three terms that are >= 0"),
            Positive(
                "n_i above the level by over, n_j below by less: a_ij = -lead <= 0 and a_ji = gap + lead would make the"
                " pair <= 0",
                -(over * -lead + -less * (gap + lead)),
            ),
            Positive(
                "n_i below the level by less, n_j by less + more: a_ji = lead >= 0 and a_ij = gap - lead would make it"
                " <= 0",
                -(-less * (gap - lead) + -(less + more) * lead),
            ),
        )
    )


ALIKE = Hypothesis(
    "all classes have one loss weight and one multiplier of each decay; no log-prior, scaling or own targets",
    lambda p: (
        len({(run.weight, run.feature_decay, run.row_decay) for run in p.runs}) == 1
        and not (p.adjustment or p.scaling or p.targets)
    ),
    dropped=Problem.ce([4, 3], 1, weights=[1, 2]).at(5),
)
SYMMETRIC = Hypothesis(
    "cross-entropy, one-vs-rest or squared loss, one linear layer, features free or ReLU",
    lambda p: p.model in ("ce", "ce-relu") and p.depth == 1 and p.loss in ("ce", "ovr", "squared"),
    dropped=Problem.ce([5, 4], 1).with_loss("margin:12").at(6),
)

WITNESS = Problem.ce([14, 6, 5, 1], 1).at(7)
APART = WITNESS.at("4.9")
SMOOTHED = Problem.ce([30, 17, 9, 4, 2], 1).with_loss("ce", smoothing="3/10").at(10)

pair_law = Claim(
    id="NR26-24",
    title="Below (lam N)^2 the larger class takes the samples of the smaller",
    kind="ordering",
    paper=PAPER,
    statement=(
        r"a_{ij} = z_{ii} - z_{ji} \text{ (bias included)}:\quad a_{ij} + a_{ji} \geq 0,\quad"
        r" (w^2 \Delta^2 \kappa^2 n_i - r s x^2)\, a_{ij} + (w^2 \Delta^2 \kappa^2 n_j - r s x^2)\, a_{ji} \geq 0",
        r"\theta = \frac{r s x^2}{w^2 \Delta^2 \kappa^2}:\quad n_j < n_i \leq \theta \implies a_{ji} < 0,\qquad"
        r" n_j \leq \theta < n_i \implies a_{ij} > 0,\qquad \text{unless } a_{ij} = a_{ji} = 0",
        r"\text{at every stationary point, in every dimension, with and without ReLU and bias}",
    ),
    relations=(
        sp.Ge(PAIR, 0, evaluate=False),
        sp.Ge(own_i + own_j, 0, evaluate=False),
        sp.Lt(lost, 0, evaluate=False),
        sp.Gt(kept, 0, evaluate=False),
    ),
    read=pairs_where(_above),
    hypotheses=(ALIKE, SYMMETRIC),
    witness=WITNESS,
    family=Family(
        bias=("none",),
        near=("merge", "collapse"),
        model="loss",
        losses=("ce", "ce", "ovr", "squared"),
        knobs=("smoothing", "loss_temperature"),
    ),
    settings=(
        APART,
        SMOOTHED,
        MINORITY_WRONG,
        Problem.ce([9, 4, 2, 2], 1, bias="free").at(5),
        Problem.ce([9, 4, 2], 1, bias="1/10").at(4),
        Problem.ce([9, 4, 2], 1, dim=1).at(5),
        Problem.ce([6, 3, 2], 1, model="ce-relu").at(3),
        WITNESS.with_loss("ce", loss_temperature="1/2", feature_decay=["1/3"] * 4).at(66),
        Problem.ce(["9/10", "2/5", "1/5"], 1, weights=[2, 2, 2]).at("1.2"),
    ),
    derivation=pair_derivation,
    required="proved",
    mutants=(
        Mutant(
            "up to twice the level",
            read=pairs_where(lambda problem, size: size > 2 * level(problem)),
            problem=APART,
        ),
        Mutant(
            "smoothing lowers the level",
            read=pairs_where(lambda problem, size: size > problem.x2 / level(problem) * problem.x2),
            problem=SMOOTHED,
        ),
        Mutant("the smaller class wins", relations=(sp.Gt(lost, 0, evaluate=False),), problem=WITNESS),
        Mutant("no class above keeps its samples", relations=(sp.Le(kept, 0, evaluate=False),), problem=APART),
    ),
    source="ours; proved here, novelty not checked",
    note="Exact merging needs equal sizes; this says what becomes of distinct ones: at most one class with n <= theta, "
    "the largest of them, is classified correctly. A class above theta can lose to a larger one, far from balance "
    "(CJ26-02); the larger of the two never loses (NR26-25). Both margins are 0 where two classes share one column of "
    "logits, which for distinct sizes without a bias is a column of zeros. With different class weights it fails, also "
    "with w^2 n for n (sizes 6, 5, 11, weights 4, 3, 2, x^2 = 52.17). For sparsemax margins can be 0 at n = theta. Only"
    " global minimisers are read here, below K - 1 dimensions the points of descents.",
)
