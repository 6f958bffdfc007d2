"""What vanishing weight decay leads to, for every loss with an exponential tail: a weighted max-margin problem.

The bounds hold at every weight decay; the limit follows from them. Loss weights, log-prior shifts, margins, temperature
and the loss itself only change constants beside log(1/lam). The multipliers of the decay, and the scaling of logits,
change the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.hong_ling_2023.reduction import moduli
from theory.loss_observables import LINEAR, UNBIASED, WIDE, shifts, slopes
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K

__all__ = ["TAILS", "frame", "frame_steps", "limit", "max_margin", "multipliers"]

Array = NDArray[Any]
PAPER = "conjectures"

least, t = sp.Symbol("gamma", real=True), sp.Symbol("t", nonnegative=True)
"""Least margin of the adjusted logits without their shifts, and |S^(1/2) Z G^(1/2)|_*/R_0."""
t_uniform, t_root, t_weights, t_sizes = sp.symbols("t_s t_Delta t_w t_n", real=True)
"""t with the R_0 of wrong multipliers: no row decay; scaling not squared; g = n w; g = n."""
loss, level = sp.symbols("log_L log_L_t", real=True)
"""Logarithm of the mean loss of the optimum, and of the max-margin logits of the same norm."""
level_double = sp.Symbol("log_L_2t", real=True)
"""The same at the max-margin logits of twice the norm."""

TAILS = ("ce", "margin", "ldam", "focal", "poly1")
"""Losses of the probability of the own class, all with an exponential tail."""


def multipliers(problem: Problem, one: Any) -> tuple[Array, Array]:
    """Row decay s tau^2/Delta^2 and g = n r per class: what decides the limit.

    Examples
    --------
    >>> s, g = multipliers(Problem.ce([9, 4], 1).with_loss(scaling="1/2", feature_decay=[2, 1]), 1.0)
    >>> s.round(12).tolist(), g.tolist()
    ([1.0, 2.25], [18.0, 4.0])
    """
    rows = np.array([_number(s, one) for s in problem.row_decays]) / slopes(problem, one) ** 2
    pairs = zip(problem.sizes, problem.feature_decays, strict=True)
    return rows, np.array([_number(n * r, one) for n, r in pairs])


def frame(s: Array, g: Array) -> Array:
    """Pi S^(1/2) G^(1/2), Pi the projection on the complement of sqrt(s): the scaled logits with all margins 1.

    Examples
    --------
    >>> frame(np.ones(2), np.ones(2)).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    roots = np.sqrt(s)
    pi = np.array([[int(i == j) - roots[i] * roots[j] / s.sum() for j in range(len(s))] for i in range(len(s))])
    return np.asarray(pi * roots * np.sqrt(g))


def max_margin(problem: Problem, one: Any) -> tuple[Any, Array]:
    """R_0, and R = S^(1/2) B^(-1/2) S^(1/2) with B = Pi S G Pi; minus its entries are the multipliers of the margins.

    Examples
    --------
    >>> value, R = max_margin(Problem.ce([4, 4], 1), 1.0)
    >>> round(float(value), 12), R.round(12).tolist()
    (2.0, [[0.25, -0.25], [-0.25, 0.25]])
    """
    s, g = multipliers(problem, one)
    left, right = moduli(frame(s, g))
    return left.trace(), right / np.sqrt(g[:, None] * g[None, :])


def margin_readings(optimum: Optimum) -> Iterator[Reading]:
    """Least margin, size of the logits in units of the max-margin ones, and both losses.

    Examples
    --------
    >>> list(margin_readings(Optimum(MANY, "exact")))
    []
    """
    problem, Z = optimum.problem, optimum.logits
    if Z is None or not _finite(Z):
        return
    one = 0 * Z[0, 0] + 1
    V = slopes(problem, one)[:, None] * Z
    pairs = [(k, c) for k in range(problem.K) for c in range(problem.K) if c != k]
    rows, columns = multipliers(problem, one)
    s = np.array([_number(row, one) for row in problem.row_decays])
    size = moduli(Z * np.sqrt(s)[:, None] * np.sqrt(columns))[0].trace()
    units = {
        t: (rows, columns),
        t_uniform: (one + 0 * rows, columns),
        t_root: (s / slopes(problem, one), columns),
        t_weights: (rows, columns * [_number(weight, one) for weight in problem.weights]),
        t_sizes: (rows, columns / [_number(r, one) for r in problem.feature_decays]),
    }
    found = {symbol: size / moduli(frame(*unit))[0].trace() for symbol, unit in units.items()}
    margins = {(k, c): V[k, k] - V[c, k] for k, c in pairs}
    even = dict.fromkeys(pairs, found[t])
    doubled = dict.fromkeys(pairs, 2 * found[t])
    yield {
        **found,
        least: reduce(lambda a, b: a.min(b), margins.values()),
        loss: _log_loss(problem, margins, one),
        level: _log_loss(problem, even, one),
        level_double: _log_loss(problem, doubled, one),
    }


def _log_loss(problem: Problem, margins: dict[tuple[int, int], Any], one: Any) -> Any:
    """Logarithm of the mean loss at given margins."""
    shift, total = shifts(problem, one), 0 * one
    for k in range(problem.K):
        wrong = [margins[k, c] + shift[k, k] - shift[c, k] for c in range(problem.K) if c != k]
        cost = sum((np.exp(-margin) for margin in wrong), 0 * one).log1p()
        total += _number(problem.sizes[k] * problem.weights[k] / problem.N, one) * _own(problem.loss, cost)
    return np.log(total)


def _own(spec: str, cost: Any) -> Any:
    """The loss from -log p of the own class."""
    name, _, text = spec.partition(":")
    parameter = _number(Fraction(text or "0"), 0 * cost + 1)
    wrong = -(-cost).expm1()
    if name == "focal":
        return np.exp(parameter * np.log(wrong)) * cost
    return cost + parameter * wrong if name == "poly1" else cost


def _finite(Z: Array) -> bool:
    return all(hasattr(z, "is_finite") and z.is_finite() for z in Z.ravel())


def _number(value: Fraction, one: Any) -> Any:
    return one * value.numerator / value.denominator


def frame_steps() -> tuple[Step, ...]:
    """The max-margin logits with multipliers s, g: all margins are 1, and the dual point is strictly feasible."""
    s1, s2, s3, u, v, c = sp.symbols("s_1 s_2 s_3 t_1 t_2 t_3", positive=True)
    roots, total = sp.Matrix([sp.sqrt(s1), sp.sqrt(s2), sp.sqrt(s3)]), s1 + s2 + s3
    shifted = sp.diag(u, v, c)
    inverse = shifted.inv()
    direction = inverse * roots
    restricted = inverse - direction * direction.T / (roots.T * direction)[0]
    projection = sp.eye(3) - roots * roots.T / total
    return (
        Identity("V = I - 1 s^T/sum(s) has all margins 1", (1 - s1 / total) - (-s1 / total), sp.Integer(1)),
        Identity(
            "S^(1/2) V = Pi S^(1/2), Pi = I - sqrt(s) sqrt(s)^T/sum(s): an entry",
            sp.sqrt(s2) * (-s1 / total),
            (-sp.sqrt(s2) * sp.sqrt(s1) / total) * sp.sqrt(s1),
        ),
        Identity("sqrt(s)^T Pi = 0", roots.T * projection, sp.zeros(1, 3)),
        Lemma(
            "the polar factor of X_0 = Pi S^(1/2) G^(1/2) is U = B^(-1/2) X_0 on the complement of sqrt(s), "
            "B = Pi S G Pi; |U| = 1 and <U, X_0> = |X_0|_* = tr B^(1/2) = R_0",
            "polar decomposition",
        ),
        Lemma("B^(-1/2) is the integral of (B + t)^-1/(pi sqrt(t)) over t > 0", "spectral theorem"),
        Identity(
            "(B + t)^-1 on the complement is N = T - T sqrt(s) sqrt(s)^T T/(sqrt(s)^T T sqrt(s)), T = (S G + t)^-1; "
            "it maps sqrt(s) to 0 (three classes written out)",
            (restricted * roots).applyfunc(sp.cancel),
            sp.zeros(3, 1),
        ),
        Identity(
            "and Pi (S G + t) N = Pi",
            (projection * shifted * restricted - projection).applyfunc(sp.cancel),
            sp.zeros(3, 3),
        ),
        Positive(
            "its entries off the diagonal are negative, so those of S^(1/2) B^(-1/2) S^(1/2) are: the multipliers",
            sp.cancel(-restricted[0, 1] / sp.sqrt(s1 * s2)),
        ),
        Lemma(
            "the columns of S^(1/2) U G^(1/2) have sum 0, so <U, S^(1/2) Z G^(1/2)> = sum of multipliers times "
            "margins of Z, which is at least the least margin times R_0; and at most |S^(1/2) Z G^(1/2)|_*",
            "norm duality",
        ),
        Lemma(
            "equality needs all margins equal, and then Z = V + 1 b^T; b != 0 adds b b^T to X^T X and raises the trace "
            "of its root, so V is the only solution of the max-margin problem up to scale",
            "strict monotonicity of the trace of a root",
        ),
    )


def tail_derivation() -> Derivation:
    """The bound gamma <= t by duality, L(Z*) <= L(t V) by optimality, and the tails bring the two together."""
    margin, time, mass, total, e, power = sp.symbols("gamma t m M epsilon p", positive=True)
    row, delta, temperature = sp.symbols("s Delta tau", positive=True)
    return Derivation(
        steps=(
            Lemma("temperature and scaling are row decay", "UC26-02"),
            Lemma("the penalty of the factors is lam |S^(1/2) Z G^(1/2)|_*", "NR26-01"),
            *frame_steps(),
            Lemma(
                "t V has the same norm as Z*, hence no smaller objective only if its loss is no smaller: "
                "L(Z*) <= L(t V). Nothing is convex here; with one column per sample R_0 is the same by Jensen",
                "definition of a global minimiser",
            ),
            Identity(
                "own probability at t V, K classes",
                1 / (1 + (K - 1) * sp.exp(-time)),
                sp.exp(time) / (sp.exp(time) + K - 1),
            ),
            Lemma("f decreasing: L(Z*) >= m f(1/(1 + e^-gamma)) for the class with the least margin", "monotonicity"),
            Identity(
                "cross-entropy: m e^-gamma (1 + O(e^-gamma)) <= M (K - 1) e^-t gives gamma >= t - log(M (K-1)/m)",
                -sp.log(total * (K - 1) * sp.exp(-time) / mass),
                time - sp.log(total * (K - 1) / mass),
            ),
            Identity(
                "focal: (1-p)^c (-log p) ~ e^(-(c+1) gamma), its root of order c + 1 has the same form",
                sp.exp(-power * margin) * sp.exp(-margin),
                sp.exp(-(power + 1) * margin),
            ),
            Identity(
                "poly-1: -log p + e (1 - p) ~ (1 + e) e^-gamma",
                sp.exp(-margin) + e * sp.exp(-margin),
                (1 + e) * sp.exp(-margin),
            ),
            Lemma(
                "poly-1 with e = -1: half of e^(-2 gamma); shifts of margins multiply e^-gamma by constants",
                "Taylor's theorem",
            ),
            Lemma(
                "min over t of L(t V) + lam R_0 t tends to 0 with lam, so L(Z*) -> 0 and t -> infinity; "
                "gamma/t -> 1 and the max-margin solution is unique: Z*/t -> V",
                "compactness",
            ),
            Lemma("Gram matrices are continuous functions of Z/t: S^(1/2) W W^T S^(1/2) ~ (X X^T)^(1/2)", "NR26-01"),
            Identity(
                "X = S^(1/2) Z G^(1/2) is S_^(1/2) v G^(1/2), S_ = S tau^2/Delta^2: an entry",
                sp.sqrt(row * temperature**2 / delta**2) * (delta / temperature * time),
                sp.sqrt(row) * time,
            ),
        )
    )


MANY = Problem.ce([14, 6, 5, 1], 1)
KNOBS = Problem.ce([(9, 2), (4, 2)], 1, weights=[(1, 2), (5, 2)])
TAIL = Hypothesis(
    "a loss of the own probability with an exponential tail, one-hot labels",
    lambda p: p.loss.partition(":")[0] in TAILS and not p.smoothing and not p.targets,
    dropped=Problem.ce([(9, 2), (4, 2)], 1).with_loss("ovr").at("1e-6"),
)
limit = Claim(
    id="UC26-03",
    title="Which knobs decide the geometry as the weight decay vanishes",
    kind="bound",
    paper=PAPER,
    statement=(
        r"t = \frac{\|S^{1/2} Z^* G^{1/2}\|_*}{R_0},\quad R_0 = \mathrm{tr}\,(\Pi \hat S G \Pi)^{1/2},\quad"
        r"\hat s_j = \frac{s_j \tau^2}{\Delta_j^2},\ g_k = n_k r_k,\ \Pi = I - \frac{\sqrt{\hat s}\sqrt{\hat s}^T}"
        r"{\sum_j \hat s_j}",
        r"\gamma = \min_{c \neq k} (v_{kk} - v_{ck}) \leq t,\qquad L(Z^*) \leq L(t V),\quad V = I - "
        r"\frac{1 \hat s^T}{\sum_j \hat s_j},\quad v_{jk} = \tfrac{\Delta_j}{\tau} z_{jk}",
        r"\text{hence for } \lambda \to 0:\quad \gamma/t \to 1,\quad v/t \to V,\quad W W^T \propto "
        r"S^{-1/2} (\Pi \hat S G \Pi)^{1/2} S^{-1/2},\quad \bar H^T \bar H \propto "
        r"\hat S^{1/2} (\Pi \hat S G \Pi)^{+1/2} \hat S^{1/2}",
        r"\text{class weights, log-prior shifts, margins and the loss (cross-entropy, focal, poly-1) do not enter}",
    ),
    relations=(sp.Le(least, t, evaluate=False), sp.Le(loss, level, evaluate=False)),
    read=margin_readings,
    hypotheses=(TAIL, LINEAR, UNBIASED, WIDE),
    witness=KNOBS.with_loss(row_decay=[(1, 2), (3, 2)], feature_decay=[(1, 2), (2, 2)]).at("1e-4"),
    family=Family(
        sizes="any",
        bias=("none",),
        near=("merge",),
        model="loss",
        losses=("ce", "margin:1", "ldam:2", "poly1:1", "focal:2"),
        knobs=("weights", "adjustment", "scaling", "loss_temperature", "feature_decay", "row_decay"),
    ),
    settings=(
        MANY.with_loss(adjustment=1).at("1e-4"),
        KNOBS.with_loss(scaling=1).at("1e-6"),
        KNOBS.with_loss("margin:2", loss_temperature=2).at("1e-6"),
        KNOBS.with_loss("focal:2").at("1e-6"),
        KNOBS.with_loss("poly1:1").at("1e-4"),
    ),
    derivation=tail_derivation,
    rests_on=frozenset({"NR26-01", "UC26-02"}),
    required="proved",
    source="ours; the limit for cross-entropy alone is published",
    mutants=(
        Mutant("all margins of the optimum reach t", (sp.Ge(least, t, evaluate=False),), problem=KNOBS.at("1e-6")),
        Mutant("the loss of twice the logits", (sp.Le(loss, level_double, evaluate=False),)),
        *(
            Mutant(text, (sp.Le(least, wrong, evaluate=False),), problem=problem.at("1e-8"))
            for text, wrong, problem in (
                ("row decay does not enter", t_uniform, KNOBS.with_loss(row_decay=[("1/4", 2), ("1/2", 2)])),
                ("temperature and scaling enter as a root", t_root, KNOBS.with_loss(loss_temperature="1/4")),
                ("class weights enter like sizes", t_weights, KNOBS.with_loss(adjustment=1)),
                ("feature decay does not enter", t_sizes, KNOBS.with_loss(feature_decay=[(1, 2), ("1/9", 2)])),
            )
        ),
    ),
    note="The logits of balanced row decay become those of an ETF whatever the sizes; the sizes, times the feature "
    "decay, decide the angles of classifier rows and features. The bounds say nothing about how small the weight decay "
    "must be: the least margin lags behind t by about the logarithm of the weight ratios (UC26-04). Focal loss is not "
    "convex: there Z* has one column per sample, and what is observed are class means at the best point found.",
)
