"""The norm-constrained (layer-peeled) model: merging in its multiplier (NR26-11), and what label smoothing does.

Smoothing makes the constraint inactive at a finite budget (NR26-12).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from theory import losses
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import (
    Delta,
    centred,
    eps,
    kappa,
    loss_cluster_readings,
    loss_parameters,
    vanishes,
)
from theory.new_results.merging_law import PAIR, contrast_derivation
from theory.observables import norm
from theory.optimum import Optimum
from theory.peeled_observables import T, nu
from theory.problem import Problem
from theory.symbols import K, N, dead, dead_exact, lam, n, p, q, w

PAPER = "new_results"

LAW = w * Delta * kappa * n / N
"""The multiplier from which on the cluster is merged."""


def _flat(problem: Problem) -> bool:
    """Whether every class mean is penalised once (g = s = 1): a budget, or weight decay with r_k = 1/n_k."""
    if problem.model == "layer-peeled":
        return True
    return problem.model == "ce" and all(run.feature_decay * run.size == run.row_decay == 1 for run in problem.runs)


def multiplier_readings(optimum: Optimum) -> Iterator[Reading]:
    """The readings of clusters, beside the multiplier: lam under weight decay, observed under a budget.

    Examples
    --------
    >>> [reading[nu] == reading[lam] for reading in multiplier_readings(Optimum(RIDGE, "exact"))]
    [True, True]
    """
    known = optimum.facts.get("multiplier")
    for reading in loss_cluster_readings(optimum):
        if optimum.problem.model == "ce":
            yield {**reading, nu: reading[lam]}
        elif known is not None and known.is_finite():
            yield {**reading, nu: known}


def multiplier_derivation() -> Derivation:
    """NR26-02 with g = s = 1."""
    r_k = 1 / n
    return Derivation(
        steps=(
            *contrast_derivation().steps,
            Lemma(
                "min of the loss over |Z|_* <= T is min of the loss + mu |Z|_* at its multiplier mu", "Lagrange duality"
            ),
            Identity(
                "decay r_k = 1/n_k: g_k = 1, and x >= T_C is lam >= w Delta kappa n/N",
                w * Delta * kappa * sp.sqrt(n / r_k) / N,
                LAW,
            ),
        )
    )


RIDGE = Problem.ce([(9, 2), (4, 2)], 1).with_loss(feature_decay=[("1/9", 2), ("1/4", 2)])
SLOPED = Problem.ce([(9, 2), (4, 2)], 1).with_loss(scaling="1/2", feature_decay=[("1/9", 2), ("1/4", 2)]).at("4.84")
SMOOTH = Problem.ce([(9, 2), (4, 2)], 1).with_loss(smoothing="1/5", feature_decay=[("1/9", 2), ("1/4", 2)])
SHIFTED = Problem.ce([(9, 2), (4, 2)], 1).with_loss(adjustment=1, feature_decay=[("1/9", 2), ("1/4", 2)])
HEAVY = Problem.ce([(9, 2), (4, 2)], 1, weights=[(1, 2), (2, 2)]).with_loss(feature_decay=[("1/9", 2), ("1/4", 2)])
WIDE_BUDGET = Problem.peeled([(9, 2), (4, 2)], 3, 3).with_loss(smoothing="1/5")
NARROW_BUDGET = Problem.peeled([(9, 2), (4, 2)], "1/2", "1/2").with_loss(smoothing="1/5")

multiplier = Claim(
    id="NR26-11",
    title="Norm-constrained model: multiplier law",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\min \sum_k m_k \ell_k(z_k) \text{ subject to } \|Z\|_* \leq T, \text{ multiplier } \mu:\quad C "
        r"\text{ merges}"
        r" \iff \mu \geq w \Delta \kappa\, n_C/N",
        r"p_{\mathrm{own}} - p_{\mathrm{sibling}} = \max\left(0,\ \kappa - \frac{\mu N}{w \Delta n_C}\right)",
    ),
    relations=(
        sp.Equivalent(dead, nu >= LAW),
        sp.Eq(p - q, sp.Max(0, kappa - nu * N / (w * Delta * n)), evaluate=False),
    ),
    read=multiplier_readings,
    hypotheses=(
        PAIR,
        Hypothesis(
            "class means penalised once each: a budget, or weight decay with r_k = 1/n_k",
            _flat,
            dropped=Problem.ce([(9, 2), (4, 2)], 1).with_loss(smoothing="1/5").at(2),
        ),
        Hypothesis(
            "Fenchel-Young loss with one symmetric, differentiable potential and no margin, an active constraint",
            lambda problem: losses.find(problem.loss).universal,
            dropped=Problem.ce([(9, 2), (4, 2)], 1)
            .with_loss("margin:3", feature_decay=[("1/9", 2), ("1/4", 2)])
            .at("16.5"),
        ),
        Hypothesis("d >= K", lambda problem: problem.dim >= problem.K, dropped="below it the convex form may be loose"),
    ),
    witness=SMOOTH.at(8),
    family=Family(
        sizes="clusters",
        bias=("none",),
        near=("merge",),
        model="loss",
        base="layer-peeled",
        knobs=("weights", "smoothing"),
    ),
    settings=(RIDGE.at(8), SHIFTED.at(8), HEAVY.at(8), SLOPED, WIDE_BUDGET, NARROW_BUDGET),
    derivation=multiplier_derivation,
    rests_on=frozenset({"NR26-01", "NR26-02"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("sqrt(n)/N", (sp.Equivalent(dead, nu >= w * Delta * kappa * sp.sqrt(n) / N),), problem=RIDGE.at(8)),
        Mutant("kappa/N", (sp.Equivalent(dead, nu >= kappa / N),), problem=RIDGE.at(8)),
        Mutant("smoothing does not enter", (sp.Equivalent(dead, nu >= w * Delta * n / N),), problem=SMOOTH.at(12)),
    ),
    note="Weights act linearly, label smoothing by 1 - eps; additive terms act only through the multiplier of "
    "the budget.",
)

# --- saturation --------------------------------------------------------------------------------------------------

height, line = sp.symbols("a off_line", real=True)
"""The multiple of P nearest to Z, and |Z - a P| (one-hot labels)."""
T_eps = sp.Symbol("T_eps", positive=True)
"""Root of exp(T/(K-1)) = 1 + K (1-eps)/eps: transcendental, so no rational budget lies on it."""
LEVEL = sp.log(1 + K * (1 - eps) / eps)
BUDGET = (K - 1) * LEVEL


def saturation_readings(optimum: Optimum) -> Iterator[Reading]:
    """State of 'Z = a_eps P' with smoothed labels; the distance to the multiples of P with one-hot labels.

    Examples
    --------
    >>> list(saturation_readings(Optimum(SATURATED, "convex")))
    []
    """
    problem, Z = optimum.problem, optimum.logits
    if Z is None:
        return
    one = 0 * Z[0, 0] + 1
    P = np.array([centred(problem, k, one) for k in range(problem.K)]).T
    level = (Z * P).sum() / (problem.K - 1)
    found: dict[sp.Symbol, Any] = {**loss_parameters(problem), T: problem.K * _root(problem.e_w * problem.e_h)}
    if not problem.smoothing:
        found.pop(eps)
        if len({n_k * w_k for n_k, w_k in zip(problem.sizes, problem.weights, strict=True)}) > 1 and problem.K > 2:
            yield {**found, line: norm(Z - level * P)}
        return
    odds = K * (1 - eps) / eps
    found[T_eps] = Root(T_eps, sp.exp(T_eps / (K - 1)) - 1 - odds, sp.Integer(0), (K - 1) * odds + 1)
    share = one * problem.smoothing.numerator / problem.smoothing.denominator
    target = np.log(1 + problem.K * (1 - share) / share)
    state = vanishes(norm(Z - target * P))
    yield {**found, dead: state, dead_exact: None, **({height: level} if state else {})}


def _root(value: Fraction) -> sp.Expr:
    return sp.sqrt(sp.Rational(value.numerator, value.denominator))


def saturation_derivation() -> Derivation:
    """Each smoothed loss alone is minimal at a multiple of e_k - 1/K."""
    e, E, a, total = sp.symbols("epsilon E a G", positive=True)
    own, wrong = 1 - e + e / K, e / K
    return Derivation(
        steps=(
            Identity("softmax = target: exp(a) = own/wrong", own / wrong, 1 + K * (1 - e) / e),
            Identity(
                "z = a (e_k - 1/K) has softmax exp(a)/(exp(a) + K - 1) on its class",
                (E / (E + K - 1)).subs(E, own / wrong),
                own,
            ),
            Lemma(
                "each loss is strictly convex up to shifts: Z = a_eps P is the only centred minimiser without "
                "constraint, for any masses",
                "strict convexity",
            ),
            Identity("nuclear norm of a P: K - 1 singular values a", a * (K - 1), (K - 1) * a),
            Lemma("T >= T_eps: that minimiser is feasible; T < T_eps: it is not", "|Z|_* <= T"),
            Positive("a_eps > 0: own/wrong - 1", (own / wrong - 1).subs(e, 1 / (1 + total))),
            Lemma(
                "one-hot: the constraint is always active, mu > 0; by NR26-09 with g constant a multiple of P needs "
                "constant m_k",
                "NR26-09",
            ),
        )
    )


def _at_ratio(ratio: str, counts: list[tuple[int, int]] | list[int] | None = None, smoothing: str = "1/5") -> Problem:
    """Budget T equal to a rational next to ``ratio`` times T_eps."""
    base = Problem.peeled(counts or [6, 3, 1], 1, 1).with_loss(smoothing=smoothing)
    share = sp.Rational(smoothing)
    critical = (base.K - 1) * sp.log(1 + base.K * (1 - share) / share)
    digits = sp.Rational(str(sp.N(critical * sp.Rational(ratio) / base.K, 30)))
    mean = Fraction(int(digits.p), int(digits.q)).limit_denominator(10**12)
    return Problem.peeled(counts or [6, 3, 1], mean, mean).with_loss(smoothing=smoothing)


SATURATED = _at_ratio("1.03")

saturation = Claim(
    id="NR26-12",
    title="Norm-constrained model with label smoothing saturates at an exact ETF",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"0 < \epsilon < 1:\quad \text{the constraint } \|Z\|_* \leq T \text{ is inactive} \iff T \geq T_\epsilon ="
        r" (K-1) \log\left(1 + \frac{K (1-\epsilon)}{\epsilon}\right),\quad \text{then } Z = a_\epsilon P"
        r" \text{ for any sizes},\ a_\epsilon = T_\epsilon/(K-1)",
        r"\text{one-hot labels, } K \geq 3, \text{ masses not all equal: } Z \text{ is a multiple of } P "
        r"\text{ for no } T",
    ),
    relations=(
        sp.Equivalent(dead, T_eps <= T),
        sp.Eq(height, LEVEL, evaluate=False),
        sp.Gt(line, 0, evaluate=False),
    ),
    read=saturation_readings,
    hypotheses=(
        Hypothesis(
            "a budget on the norms",
            lambda problem: problem.model == "layer-peeled",
            dropped=Problem.ce([6, 3, 1], "1/100").with_loss(smoothing="9/10"),
        ),
        Hypothesis(
            "cross-entropy, no other knob",
            lambda p: p.loss == "ce" and not (p.adjustment or p.scaling or p.targets) and p.loss_temperature == 1,
            dropped=Problem.peeled([6, 3, 1], 3, 3).with_loss(smoothing="1/5", adjustment=1),
        ),
        Hypothesis(
            "d >= K - 1, all masses positive",
            lambda p: p.dim >= p.K - 1 and all(p.weights),
            dropped="for smaller d no point has the rank of P",
        ),
    ),
    witness=SATURATED,
    family=Family(
        sizes="any", bias=("none",), near=(), model="loss", base="layer-peeled", knobs=("weights", "smoothing")
    ),
    settings=(
        *(_at_ratio(ratio) for ratio in ("0.97", "0.7", "1.0003", "0.9997", "1.0000004", "0.9999996")),
        _at_ratio("1.03", [(9, 3), (2, 3)], "3/20"),
        Problem.peeled([6, 3, 1], 5, 5),
    ),
    derivation=saturation_derivation,
    rests_on=frozenset({"NR26-09"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("T_eps = K a_eps", (sp.Equivalent(dead, T >= K * LEVEL),), problem=SATURATED),
        Mutant("depends on the sizes", (sp.Equivalent(dead, T >= BUDGET * N / 9),), problem=SATURATED),
        Mutant("a_eps without K", (sp.Eq(height, sp.log(1 + (1 - eps) / eps), evaluate=False),), problem=SATURATED),
    ),
    note="Z is meant centred, 1^T Z = 0, as logits are reported here: a budget that is not used in full leaves "
    "shifts of columns free. T_eps depends on neither sizes nor weights, and under weight decay there is nothing like "
    "it. K = 6, eps = 0.15: a_eps = 3.55534806149, T_eps = 17.7767403074.",
)
