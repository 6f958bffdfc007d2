"""NR26-17 and 18: the value is the mean entropy of the predictions, and no class does worse than its own entropy.

Scaling a feature is one direction of descent, so at a stationary point the pull of the loss on every feature balances
its decay; that is all the two results use.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.loss_observables import adjusted_logits, predictions, shifts
from theory.losses import find as loss_of
from theory.new_results.settings import PAPER, no_bias
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, N, n, w
from theory.value_observables import entropies, grams, losses, number, representatives, share

__all__ = ["chance", "entropy_derivation", "entropy_value"]

L = sp.Symbol("L", positive=True)
"""Number of factors: 2 for W H, one more for every further layer."""
lH, lW = sp.symbols("lambda_H lambda_W", positive=True)
mean_loss, mean_entropy, total_pull = sp.symbols("mean_loss mean_entropy total_pull", real=True)
"""Sums over classes of m_k times: the loss, the entropy of the prediction, the pull <y_k - p_k, z_k>."""
plain_entropy = sp.Symbol("plain_entropy", real=True)
"""The mean entropy without the term of the shifts iota."""
pull_k = sp.Symbol("pull_k", real=True)
"""<y_k - p_k, z_k> of one class."""
ce_k, ent_k, p_own = sp.symbols("CE_k Ent_k p_own", nonnegative=True)
hh, ww = sp.symbols("hh_k ww", nonnegative=True)
"""|h_k|^2 and |W|^2."""


def entropy_readings(optimum: Optimum) -> Iterator[Reading]:
    """The value beside mean loss and entropy; then every class (one or two per cluster) with its feature.

    For the squared loss the entropy is the Gini index (1 - |p|^2)/2 of the mean prediction p = z + b.

    Examples
    --------
    >>> zero = Optimum(Problem.ce([2, 1], 1), "exact", logits=np.zeros((2, 2)), bias=np.zeros(2))
    >>> next(entropy_readings(zero))[mean_entropy].round(6)
    np.float64(0.693147)
    """
    problem, Z = optimum.problem, optimum.logits
    if problem.key == "loss":
        yield from _loss_readings(optimum)
        return
    if Z is None or optimum.bias is None:
        return
    squared = problem.model == "mse"
    full = Z + optimum.bias[:, None]
    apart = np.array([[full[j, k] - (j == k) for k in range(problem.K)] for j in range(problem.K)], dtype=Z.dtype)
    cost = (apart * apart).sum(axis=0) / 2 if squared else losses(optimum)
    spread = (1 - (full * full).sum(axis=0)) / 2 if squared else entropies(optimum)
    force = -apart if squared else np.eye(problem.K) - optimum.probabilities
    pull = (force * Z).sum(axis=0)
    shares = [number(Z[0, 0], share(problem, k)) for k in range(problem.K)]
    common: dict[sp.Symbol, Any] = {
        K: sp.Integer(problem.K),
        N: rational(problem.N),
        L: sp.Integer(problem.depth + 1),
        lW: rational(problem.lambda_w),
        lH: rational(problem.lambda_h),
        mean_loss: sum(m * value for m, value in zip(shares, cost, strict=True)),
        mean_entropy: sum(m * value for m, value in zip(shares, spread, strict=True)),
        total_pull: sum(m * value for m, value in zip(shares, pull, strict=True)),
    }
    if optimum.lower is not None and optimum.upper is not None:
        common[F] = optimum.lower.union(optimum.upper)
    found = None if problem.depth > 1 else grams(optimum)
    if found is not None:
        common[ww] = found[0].trace()
    yield common
    for k in representatives(problem):
        reading = {n: rational(problem.sizes[k]), w: rational(problem.weights[k]), K: common[K], N: common[N]}
        if not squared:
            reading |= {ce_k: cost[k], ent_k: spread[k], p_own: optimum.probabilities[k, k]}
        reading |= {pull_k: pull[k], lH: common[lH]}
        if found is not None:
            reading[hh] = found[1][k, k]
        yield reading


def _loss_readings(optimum: Optimum) -> Iterator[Reading]:
    """Value and mean of -Om*(p_k) + <p_k - y_k, iota> of a Fenchel-Young loss; for cross-entropy the raw scores."""
    problem, u, P = optimum.problem, adjusted_logits(optimum), predictions(optimum)
    if u is None or P is None or optimum.bias is None:
        return
    one = 0 * u[0, 0] + 1
    Y = np.array([[number(one, entry) for entry in column] for column in problem.target_columns]).T
    iota = shifts(problem, one)
    shares = [number(one, share(problem, k)) for k in range(problem.K)]
    spread = [_minus_conjugate(problem, P[:, k], Y[:, k]) for k in range(problem.K)]
    bent = ((P - Y) * iota).sum(axis=0)
    pull = ((Y - P) * (u - iota)).sum(axis=0)
    reading: dict[sp.Symbol, Any] = {
        L: sp.Integer(2),
        mean_loss: sum(m * (e - g + b) for m, e, g, b in zip(shares, spread, pull, bent, strict=True)),
        plain_entropy: sum(m * e for m, e in zip(shares, spread, strict=True)),
        mean_entropy: sum(m * (e + b) for m, e, b in zip(shares, spread, bent, strict=True)),
    }
    if optimum.lower is not None and optimum.upper is not None:
        reading[F] = optimum.lower.union(optimum.upper)
    yield reading
    if problem.loss == "ce" and not (problem.smoothing or problem.targets):
        cost, ent = losses(optimum), entropies(optimum)
        for k in representatives(problem):
            yield {K: sp.Integer(problem.K), ce_k: cost[k], ent_k: ent[k], p_own: optimum.probabilities[k, k]}


def _minus_conjugate(problem: Problem, p: Any, y: Any) -> Any:
    """-Om*(p) plus the constant of the loss."""
    potential = loss_of(problem.loss).potential
    if potential in ("squared", "sparsemax"):
        return ((y * y).sum() - (p * p).sum()) / 2
    both = [p, 1 - p] if potential == "softplus" else [p]
    return -sum((part * np.log(part)).sum() for part in both)


def _stationary_steps() -> tuple[Step, ...]:
    z_y, pz, level, m, g, h, slope = sp.symbols("z_y pz logsum m g h slope", real=True)
    return (
        Lemma(
            "a stationary point has <h_k, dF/dh_k> = 0, also with h_k >= 0 (complementarity); with W h_k = z_k this is "
            "m_k <p_k - y_k, z_k> + lambda_H n_k |h_k|^2 = 0",
            "chain rule, and the optimality conditions of a box",
        ),
        Identity(
            "so the penalty of a class is its pull: derivative of m loss(s z) + lambda_H g s^2 h^2/2 at s = 1",
            sp.diff(m * slope * lW + lH * g * lW**2 * h**2 / 2, lW).subs(lW, 1),
            m * slope + lH * g * h**2,
        ),
        Lemma(
            "<W, dF/dW> = 0 gives lambda_W |W|^2 = sum_k m_k <y_k - p_k, z_k> in the same way, for every factor; a "
            "free bias drops out since sum_k m_k (p_k - y_k) = 0 there",
            "chain rule",
        ),
        Identity(
            "one-hot, -log p_j = logsum - z_j: Ent - CE = sum_j p_j (logsum - z_j) - (logsum - z_y) = <y - p, z>",
            (level - pz) - (level - z_y),
            z_y - pz,
        ),
    )


def entropy_derivation() -> Derivation:
    """Pull of every class, then L equal penalties."""
    mean = sp.Symbol("pull", real=True)
    om_star, cross, level = sp.symbols("om_star yz v", real=True)
    return Derivation(
        steps=(
            *_stationary_steps(),
            Identity(
                "L factors with equal penalties c/2: F = loss + L c/2 with c = Ent - CE",
                mean_loss + L / 2 * (mean_entropy - mean_loss),
                (1 - L / 2) * mean_loss + L / 2 * mean_entropy,
            ),
            Identity(
                "two factors: F = mean entropy",
                (mean_loss + L / 2 * mean).subs({L: 2, mean: mean_entropy - mean_loss}),
                mean_entropy,
            ),
            Identity(
                "any Fenchel-Young loss Om(z) - <y, z> with Om(z) + Om*(p) = <p, z>: loss + <y - p, z> = -Om*(p); here "
                "pz stands for <p, z>",
                (mean - om_star) - cross + (cross - mean),
                -om_star,
            ),
            Identity(
                "with u = v + iota, v = Delta z/tau, the pull is <y - p, v>: <p - y, iota> is left, here one entry",
                (cross - om_star) * (level + mean) - (cross - om_star) * level,
                (cross - om_star) * mean,
            ),
            Identity(
                "squared loss |z - y|^2/2, Om* = |p|^2/2 and the constant 1/2: the Gini index",
                sp.Rational(1, 2) - om_star.subs(om_star, hh / 2),
                (1 - hh) / 2,
            ),
        )
    )


def _mean(rhs: sp.Expr) -> sp.Eq:
    return sp.Eq(F, rhs, evaluate=False)


VALUE = (1 - L / 2) * mean_loss + L / 2 * mean_entropy
EXAMPLE = Problem.ce([(9, 2), (4, 3)], "0.03")
PENALISED = Problem.ce([(9, 2), 4, 1], "0.03", bias="1/10")
HEAVY = Problem.ce([14, 6, 5, 1], "0.04", "0.02", weights=[1, 1, 2, 3])
RELU = Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu")
DEEP_SQUARED = Problem.mse([9, 6, 4], ["0.01", "0.02"], "0.01")
SQUARED = Problem.mse([10, 4, 1], 1).at(8)

KNOBS = ("smoothing", "adjustment", "scaling", "loss_temperature", "feature_decay", "row_decay")
SHIFTED = Problem.ce([(9, 2), 4, 1], 1, weights=[(1, 2), 2, 1]).with_loss(adjustment=1, smoothing="1/10").at("1/2")

entropy_value = Claim(
    id="NR26-17",
    title="The value is the mean entropy of the predictions",
    kind="equality",
    paper=PAPER,
    statement=(
        r"F = \sum_k m_k\, \mathrm{Ent}(p_k),\qquad \lambda_W \lVert W \rVert^2 = \lambda_H \sum_k n_k"
        r" \lVert h_k \rVert^2,\qquad \lambda_H n_k \lVert h_k \rVert^2 = m_k \langle y_k - p_k, z_k \rangle",
        r"L \text{ factors}:\ F = \sum_k m_k \left((1 - \tfrac L2)\, \mathrm{loss}_k + \tfrac L2\,"
        r" \mathrm{Ent}(p_k)\right);\qquad \text{squared loss: } \mathrm{Ent} \to (1 - \lVert p \rVert^2)/2",
        r"\text{Fenchel-Young losses: } F = \sum_k m_k \left(-\Omega^*(p_k) + \langle p_k - y_k, \iota\rangle\right)"
        r" + \mathrm{const},\ \text{with weights, smoothing, shifts } \iota, \text{ scaling, decay multipliers}",
        r"\text{at every stationary point, with or without } H \geq 0,\ \text{no bias or a free bias}",
    ),
    relations=(
        _mean(VALUE),
        sp.Eq(lW * ww, total_pull, evaluate=False),
        sp.Eq(lH * n * hh, n * w * pull_k / N, evaluate=False),
    ),
    read=entropy_readings,
    hypotheses=(
        Hypothesis("no bias or a free bias", lambda problem: isinstance(problem.bias, str), dropped=PENALISED),
        Hypothesis(
            "a loss with one differentiable potential, under weight decay",
            lambda problem: (
                problem.model in ("ce", "ce-relu", "mse") and (problem.key != "loss" or loss_of(problem.loss).universal)
            ),
            dropped=Problem.peeled([9, 4], 1, 1),
        ),
    ),
    witness=HEAVY,
    family=Family(
        bias=("none",), weights=True, model="loss", losses=("ce", "sparsemax", "ovr", "squared"), knobs=KNOBS
    ),
    settings=(
        EXAMPLE,
        Problem.ce([7, 3, 2], "0.05", bias="free"),
        Problem.ce([(7, 2), 3], "0.02", bias="free", weights=[(1, 2), 2]),
        EXAMPLE.at(100),
        RELU,
        SQUARED,
        Problem.mse([10, 4, 1], 1, bias="free").at(2),
        DEEP_SQUARED,
        SHIFTED,
    ),
    derivation=entropy_derivation,
    required="proved",
    mutants=(
        Mutant("the loss instead of the entropy", relations=(_mean(mean_loss),), problem=EXAMPLE),
        Mutant(
            "factor 1 + L/2",
            relations=(_mean((1 + L / 2) * mean_loss + L / 2 * mean_entropy),),
            problem=EXAMPLE,
        ),
        Mutant(
            "two factors in a network of three",
            relations=(_mean(mean_entropy),),
            problem=DEEP_SQUARED,
        ),
        Mutant("shifts of the logits do not matter", relations=(_mean(plain_entropy),), problem=SHIFTED),
        Mutant(
            "features without the number of samples",
            relations=(sp.Eq(lH * hh, w * pull_k / N**2, evaluate=False),),
            problem=EXAMPLE,
        ),
    ),
    source="ours; proved here, novelty not checked",
    note="Beside this claim every point that a route returns for cross-entropy, with a bottleneck or several layers "
    "too, is held to this identity: a point that violates it is an error of its route.",
)


def chance_derivation() -> Derivation:
    """The decay of a feature is not negative."""
    m, g, h = sp.symbols("m g h", positive=True)
    return Derivation(
        steps=(
            *_stationary_steps(),
            Positive("Ent - CE = lambda_H g_k |h_k|^2/m_k >= 0, and 0 only for h_k = 0", lH * g * h**2 / m),
            Lemma("the entropy of K outcomes is at most log K", "Gibbs' inequality"),
            Identity("own probability: p = exp(-CE) >= exp(-Ent) >= exp(-log K)", sp.exp(-sp.log(K)), 1 / K),
        )
    )


BIASED_ZERO = Problem.ce([8, 2, 2], 1, bias="free").at(40)
"""Z = 0: the prediction is the class frequencies, and the rare classes pay log 6."""
ZERO = Problem.ce([5, 2], 1).at(4)

RAW = Problem.ce([1, 20, 3], 1).with_loss(adjustment=3).at("3.803")
"""Logits shifted by three times the log-prior: the raw scores of a class are worse than their entropy."""

chance = Claim(
    id="NR26-18",
    title="No class is predicted worse than its own uncertainty",
    kind="bound",
    paper=PAPER,
    statement=(
        r"\mathrm{CE}_k \leq \mathrm{Ent}(p_k) \leq \log K,\qquad p_{kk} \geq e^{-\mathrm{Ent}(p_k)} \geq 1/K"
        r"\quad \text{at every stationary point}",
    ),
    relations=(
        sp.Le(ce_k, ent_k, evaluate=False),
        sp.Le(ent_k, sp.log(K), evaluate=False),
        sp.Ge(p_own, sp.exp(-ent_k), evaluate=False),
    ),
    read=entropy_readings,
    hypotheses=(
        no_bias(BIASED_ZERO),
        Hypothesis(
            "cross-entropy with one-hot labels, logits not shifted or scaled",
            lambda problem: (
                problem.key in ("ce", "ce-relu", "ce-deep")
                or (
                    (problem.model, problem.loss) == ("ce", "ce")
                    and not (problem.smoothing or problem.targets or problem.adjustment or problem.scaling)
                    and problem.loss_temperature == 1
                )
            ),
            dropped=RAW,
        ),
    ),
    witness=HEAVY,
    family=Family(bias=("none",), weights=True, model="loss", knobs=("feature_decay", "row_decay")),
    settings=(EXAMPLE, ZERO, EXAMPLE.at("3.9"), RELU, RELU.at(5)),
    derivation=chance_derivation,
    rests_on=frozenset({"NR26-17"}),
    required="proved",
    mutants=(
        Mutant("the loss exceeds the entropy", relations=(sp.Gt(ce_k, ent_k, evaluate=False),), problem=EXAMPLE),
        Mutant(
            "the loss is at most half the entropy",
            relations=(sp.Le(ce_k, ent_k / 2, evaluate=False),),
            problem=EXAMPLE,
        ),
        Mutant("own probability at least 1/2", relations=(sp.Ge(p_own, sp.Rational(1, 2)),), problem=ZERO.at("3.9")),
    ),
    source="ours; proved here, novelty not checked",
    note="Equality for a class with a zero feature. With logit adjustment the statement fails for the raw scores.",
    survivors={"off by one: K becomes K + 1 (relation 2)": "implied: log(K + 1) is larger"},
)
