"""Squared loss (one layer) beside cross-entropy: where classes merge or die, and what nonnegative features cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.bridges.settings import LINEAR, PAPER, PLAIN, WIDE, beside, squared, unbiased, value, zero_state
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2023_deep_linear import settings as deep
from theory.derivation import Derivation, Identity, Lemma
from theory.hong_ling_2023.complete_collapse import squared_threshold
from theory.observables import between_dead, cluster_readings, dead_state, norm, parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, N, dead, dead_exact, n, x

n_mse, n_max, n_top, n_same = sp.symbols("n_mse n_max n_top n_same", positive=True)
"""Size of a class with squared loss; the largest size; the same where it occurs once, where it occurs twice."""
m_c = sp.Symbol("m_c", positive=True)
"""x_c^2 of cross-entropy without bias: the root of sum_k 1/(n_k - m) = 0, or the repeated largest size."""
m_other = sp.Symbol("m_ce", positive=True)
"""The same number in the readings of squared loss, where it decides nothing."""
z_own, z_dead = sp.symbols("Z_kk Z_dead", real=True)
"""Squared loss: own logit of a class; sum of the moduli of the logits of a dead class."""
left = sp.Symbol("norm_merged", nonnegative=True)
"""Cross-entropy, two sizes: norm of a column of Z of a merged minority while the groups are told apart."""


def both_losses(optimum: Optimum) -> Iterator[Reading]:
    """Merging and complete collapse with cross-entropy, then death of classes and complete collapse with squared loss.

    Examples
    --------
    >>> len(list(both_losses(Optimum(BETWEEN, "exact"))))
    3
    """
    problem, Z = optimum.problem, optimum.logits
    common = {**parameters(problem), **_bounds(problem)}
    yield from cluster_readings(optimum)
    collapse = {dead: zero_state(optimum), dead_exact: optimum.exact_zero}
    yield {K: common[K], x: common[x], m_c: common[m_c], **collapse}
    yield {symbol: number for symbol, number in common.items() if symbol != x}
    merged = len(problem.clusters) == 2 and optimum.contrasts[1:] == ("dead",)
    if Z is not None and merged and between_dead(optimum) is False:
        yield {left: norm(Z[:, problem.clusters[1].members[0]])}
    for other in optimum.companions:
        yield from _dying(other, common)


def _bounds(problem: Problem) -> dict[sp.Symbol, Any]:
    """The largest size (named by how often it occurs) and m."""
    top = rational(problem.clusters[0].size)
    return {m_c: squared_threshold(problem, "none", m_c), n_top if problem.clusters[0].classes == 1 else n_same: top}


def _dying(other: Optimum, common: Reading) -> Iterator[Reading]:
    """States of the classes with squared loss, their logits, and whether all vanish."""
    problem, Z = other.problem, other.logits
    known = {K: common[K], x: common[x]}
    unknown = (None,) * len(problem.clusters)
    states = list(zip(other.contrasts or unknown, other.exact_contrasts or unknown, strict=True))
    for cluster, (state, exact) in zip(problem.clusters, states, strict=True):
        reading = {**known, n_mse: rational(cluster.size), dead: dead_state(state), dead_exact: dead_state(exact)}
        k = cluster.members[0]
        if Z is not None:
            reading[z_own] = Z[k, k]
            if state == "dead":
                reading[z_dead] = abs(Z[:, k]).sum() + abs(Z[k, :]).sum()
        yield reading
    observed, decided = ([dead_state(state) for state in column] for column in zip(*states, strict=True))
    yield {
        **known,
        n_max: rational(problem.clusters[0].size),
        m_other: squared_threshold(problem, "none", m_other),
        dead: _all(observed),
        dead_exact: _all(decided),
    }


def _all(states: list[bool | None]) -> bool | None:
    """Whether all are true; None when that is open."""
    return False if False in states else None if None in states else True


def losses_derivation() -> Derivation:
    """One merging threshold, two points of complete collapse."""
    lW, lH = mse.lM, mse.lH
    root = 5 + sp.sqrt(7)
    return Derivation(
        steps=(
            Lemma("cross-entropy: a cluster of size n merges iff x >= sqrt(n)", "HL23-04"),
            Lemma("squared loss, M = 1: class k vanishes iff n_k <= N^2 lambda_W lambda_H, Z = diag(p)", "DA23-11"),
            Identity("N^2 lambda_W lambda_H = x^2", N**2 * lW * lH, (N * sp.sqrt(lW * lH)) ** 2),
            Identity("p = 1 - N sqrt(lambda_W lambda_H/n) = 1 - x/sqrt(n), 0 at n = x^2", 1 - x / x, sp.Integer(0)),
            Lemma("squared loss: everything vanishes iff the largest class does", "DA23-11"),
            Lemma(
                "cross-entropy: Z = 0 iff x^2 >= m, m = n_1 where the largest size is repeated, else the root of "
                "sum 1/(n_k - m) = 0 between the two largest sizes",
                "HL23-05",
            ),
            Identity(
                "sizes 10, 4, 1: m = 5 + sqrt(7)",
                1 / (10 - root) + 1 / (4 - root) + 1 / (1 - root),
                sp.Integer(0),
            ),
            Lemma("cross-entropy, two sizes: the groups are told apart until T2 > sqrt(nB)", "HL23-10"),
            Lemma(
                "there tA, tB > 0, so that a merged minority column (mean own logit minus other tB) is not 0", "HL23-07"
            ),
        )
    )


def _equal(left_side: sp.Expr, right: Any) -> sp.Eq:
    return sp.Eq(left_side, right, evaluate=False)


OWN = sp.Max(0, 1 - x / sp.sqrt(n_mse))
TRIPLE = Problem.ce([10, 4, 1], 1)
BETWEEN = Problem.ce([9, 4, 4], 1).at(5)
"""Merged minority that cross-entropy keeps, and squared loss does not."""

two_losses = Claim(
    id="XP26-06",
    title="Squared loss and cross-entropy: one merging threshold, two points of complete collapse",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"M = 1, \text{ no bias}:\quad \text{a cluster of size } n \text{ merges (CE)} \iff x^2 \geq n \iff \text{it"
        r" vanishes (squared loss)},\quad Z = \mathrm{diag}\left(\max(0, 1 - x/\sqrt{n_k})\right)",
        r"Z^* = 0 \iff x^2 \geq n_{\max} \text{ (squared)},\quad x^2 \geq m \text{ (CE)};\qquad m < n_{\max} \text{ iff"
        r" the largest size is unique, else } m = n_{\max}",
        r"\text{merged, two sizes}: z_k \neq 0 \text{ until } T_2 \text{ (CE)},\quad z_k = 0 \text{ (squared)}",
    ),
    relations=(
        sp.Equivalent(dead, x >= sp.sqrt(n)),
        sp.Equivalent(dead, x >= sp.sqrt(n_mse)),
        sp.Equivalent(dead, x >= sp.sqrt(m_c)),
        sp.Equivalent(dead, x >= sp.sqrt(n_max)),
        sp.Lt(m_c, n_top, evaluate=False),
        _equal(m_c, n_same),
        _equal(z_own, OWN),
        _equal(z_dead, 0),
        sp.Gt(left, 0, evaluate=False),
    ),
    read=both_losses,
    companions=lambda problem: (squared(problem),),
    hypotheses=(
        LINEAR,
        unbiased(Problem.ce([(20, 1), (5, 4)], 1, bias="free").at("14.5")),
        PLAIN,
        WIDE,
    ),
    witness=TRIPLE.at(8),
    family=Family(bias=("none",), near=("merge", "collapse")),
    settings=(
        BETWEEN,
        *beside(Problem.ce([4, 1], 1), 4),
        Problem.ce([(9, 3)], "0.02"),
        Problem.ce([(4, 2), (2, 1)], 1).at(3),
        Problem.ce(["1/2", "1/4"], 1).at("1/5"),
    ),
    derivation=losses_derivation,
    rests_on=frozenset({"HL23-04", "HL23-05", "HL23-07", "HL23-10", "DA23-11"}),
    required="proved",
    mutants=(
        Mutant(
            "the same complete collapse: squared loss too dies at m",
            relations=(sp.Equivalent(dead, x >= sp.sqrt(m_other)),),
            problem=TRIPLE.at(8),
        ),
        Mutant("cross-entropy collapses later", relations=(sp.Gt(m_c, n_top, evaluate=False),), problem=TRIPLE.at(8)),
        Mutant(
            "squared loss merges without dying",
            relations=(sp.Eq(z_own, sp.Max(0, 1 - x / sp.sqrt(n_mse)) + sp.Rational(1, 100), evaluate=False),),
            problem=BETWEEN,
        ),
        Mutant("cross-entropy kills what it merges", relations=(_equal(left, 0),), problem=BETWEEN),
        Mutant("x for sqrt(x)", relations=(_equal(z_own, sp.Max(0, 1 - x**2 / n_mse)),), problem=TRIPLE.at(8)),
    ),
    source="derived here",
)

cross = sp.Symbol("hh_kl", real=True)
"""Inner product of two class means without a bias."""
rows = sp.Symbol("ww_kl", real=True)
length = sp.Symbol("hh_kk", real=True)
pair_square, pair_product = sp.symbols("zz_k ww_hh_k", real=True)
"""z_kk^2, and |w_k|^2 |hbar_k|^2."""
axes = sp.Symbol("F_axes", real=True)
"""Objective at W = diag(|w_k|), H = diag(|hbar_k|): nonnegative features with the lengths of the minimiser."""
least = sp.Symbol("hh_least", real=True)
"""Free bias, not everything dead: the least inner product of two class means."""


def free_price(optimum: Optimum) -> Iterator[Reading]:
    """Inner products of the class means, the objective on the axes, and the least inner product under a free bias.

    Examples
    --------
    >>> len(list(free_price(Optimum(UNEVEN, "exact"))))
    1
    """
    problem = optimum.problem
    found = {**mse.mse_parameters(problem), **value(optimum, F)}
    Z, H, W = optimum.logits, optimum.gram_features, optimum.gram_classifier
    if Z is not None and H is not None and W is not None:
        found[axes] = _on_axes(problem, Z, H, W)
        for k in range(problem.K):
            yield {pair_square: Z[k, k] * Z[k, k], pair_product: W[k, k] * H[k, k]}
        for _, _, k, j in mse.class_pairs(problem):
            yield {K: found[K], cross: H[k, j], rows: W[k, j], length: H[k, k]}
    yield found
    for other in optimum.companions:
        H = other.gram_features
        if H is not None and zero_state(other) is False:
            size = other.problem.K
            yield {least: min((H[j, k] for j in range(size) for k in range(j)), key=float)}


def _on_axes(problem: Problem, Z: Any, H: Any, W: Any) -> Any:
    """(1/(2N)) sum_k n_k (1 - Z_kk)^2 + (lambda_W/2) sum_k |w_k|^2 + (lambda_H/2) sum_k n_k |hbar_k|^2."""
    total = 0 * Z[0, 0]
    for k, size in enumerate(problem.sizes):
        share = size / problem.N
        fit = (1 - Z[k, k]) * (1 - Z[k, k]) * share.numerator / share.denominator
        decay = W[k, k] * problem.lambda_w.numerator / problem.lambda_w.denominator
        cost = size * problem.lambda_h
        total += (fit + decay + H[k, k] * cost.numerator / cost.denominator) / 2
    return total


def axes_derivation() -> Derivation:
    """Orthogonal class means fit onto the coordinate axes; centred ones do not."""
    w1, w2, h1, h2 = sp.symbols("w_1 w_2 h_1 h_2", positive=True)
    n1, n2 = sp.symbols("n_1 n_2", positive=True)
    u = sp.Matrix(sp.symbols("u:2", real=True))
    return Derivation(
        steps=(
            Lemma(
                "class means and classifiers are orthogonal, w_k is parallel to hbar_k, Z = diag(p), h_ki = hbar_k",
                "DA23-11",
            ),
            Lemma(
                "an orthogonal map of the feature space changes neither Z nor the lengths, and takes orthogonal hbar_k "
                "to |hbar_k| e_k (d >= K)",
                "rotations preserve inner products",
            ),
            Identity(
                "W = diag(|w_k|), H = diag(|hbar_k|): the same logits, as |w_k| "
                "|hbar_k| = z_kk (two classes written out)",
                sp.diag(w1, w2) * sp.diag(h1, h2),
                sp.diag(w1 * h1, w2 * h2),
            ),
            Lemma("H >= 0 is a restriction: its minimum is not smaller, and this point attains it", "feasibility"),
            Lemma("free bias: every minimiser has sum_k n_k hbar_k = 0", "DA23-19"),
            Identity(
                "then sum over pairs of n_k n_l <hbar_k, hbar_l> is minus a sum of squares: |n_1 u + n_2 v|^2 = 0 with "
                "v = -(n_1/n_2) u gives <u, v> = -(n_1/n_2) |u|^2",
                (u.T * (-(n1 / n2) * u))[0],
                -(n1 / n2) * (u.T * u)[0],
            ),
            Lemma(
                "so two class means have a negative inner product unless all vanish, nonnegative features have none, "
                "and as minimisers exist the restricted minimum is strictly larger",
                "a sum of nonnegative terms is not negative",
            ),
        )
    )


UNEVEN = Problem.mse([6, 3, 2], "0.03")

nonnegative_for_free = Claim(
    id="XP26-07",
    title="Squared loss without bias: nonnegative features cost nothing",
    kind="equality",
    paper=PAPER,
    statement=(
        r"M = 1, \text{ no bias}, d \geq K:\quad \min_{W,\ H \geq 0} f = \min_{W, H} f,\quad"
        r" \text{attained at } W = \mathrm{diag}(\|w_k\|),\ \bar H = \mathrm{diag}(\|\bar h_k\|)",
        r"\text{free bias, } Z^* \neq 0:\quad \min_{k \neq l} \langle \bar h_k, \bar h_l \rangle < 0 \text{ in every"
        r" minimiser, so } \min_{W, b,\ H \geq 0} f > \min_{W, H, b} f",
    ),
    relations=(
        _equal(cross, 0),
        _equal(rows, 0),
        _equal(pair_square, pair_product),
        _equal(axes, F),
        sp.Lt(least, 0, evaluate=False),
    ),
    read=free_price,
    companions=lambda problem: (squared(problem, "free"),),
    hypotheses=(
        deep.SQUARED_ONLY,
        Hypothesis(
            "no bias",
            lambda problem: problem.bias == "none",
            dropped=Problem.mse([6, 3, 2], "0.03", bias="free"),
        ),
        deep.depth_is(1, deep.EXAMPLE),
        Hypothesis(
            "d >= K",
            lambda problem: problem.dim >= problem.K,
            dropped="below K the means that are kept are orthogonal still; where the largest are tied they need not be",
        ),
    ),
    witness=UNEVEN,
    family=Family(bias=("none",), near=("zero",), model="mse"),
    settings=(deep.SHALLOW_DEAD, Problem.mse([(4, 3)], "0.02", "0.05"), Problem.mse([9, 4, 4, 1], "0.02")),
    derivation=axes_derivation,
    rests_on=frozenset({"DA23-11", "DA23-19"}),
    required="proved",
    mutants=(
        Mutant("free with a free bias too", relations=(sp.Ge(least, 0, evaluate=False),), problem=UNEVEN),
        Mutant(
            "classifier and features on the axes with equal lengths: w_k = hbar_k",
            relations=(_equal(pair_square, pair_product**2),),
            problem=UNEVEN,
        ),
        Mutant("only up to a factor: 2 F on the axes", relations=(_equal(axes, 2 * F),), problem=UNEVEN),
        Mutant(
            "the means form a simplex: <hbar_k, hbar_l> = -|hbar_k|^2/(K-1)",
            relations=(_equal(cross, -length / (K - 1)),),
            problem=UNEVEN,
        ),
    ),
    source="derived here",
    note="Cross-entropy has a positive price for nonnegative features (XP26-05, "
    "DA24-18). The best nonnegative point found "
    "for sizes 6, 3, 2, lambda = 0.03 and a free bias has the value 0.11496, against 0.09748 with any sign.",
)
