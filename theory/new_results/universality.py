"""Losses without a data-free merging threshold: what decides instead, and brackets (NR26-04)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import LINEAR, UNBIASED, loss_cluster_readings
from theory.new_results.merging_law import PAIR
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import dead, k, n, p, q, w, x

PAPER = "new_results"

psi_merged, psi_separate = sp.Symbol("psi", nonnegative=True), sp.Symbol("psi_alive", real=True)
"""d loss/d z_sibling - d loss/d z_own at the optimum, of a merged cluster and of a separate one."""
x_merged, x_separate = sp.symbols("x_merged x_alive", positive=True)
"""lam N where the cluster is merged; where it is not."""
low, high = sp.symbols("psi_min psi_max", positive=True)
"""Bracket of psi for the loss."""
q_margin, p_margin, mg = sp.symbols("q_mg p_mg mg", positive=True)
"""Margin losses, merged: probability of a sibling and of the own class, and the margin."""
psi_exp, psi_poly = sp.symbols("psi_exp psi_poly", real=True)
"""psi of a merged cluster: one-vs-rest exponential, poly-1 with eps = 1."""


def bracket(problem: Problem, classes: int) -> tuple[sp.Expr, sp.Expr | None]:
    """Least and largest psi of a merged cluster of k classes; the second None where there is no bound.

    Examples
    --------
    >>> bracket(Problem.ce([(4, 2)], 1).with_loss("hinge"), 2), bracket(Problem.ce([(4, 2)], 1).with_loss("ovr-exp"), 2)
    ((1, 2), (2, None))
    """
    name, _, text = problem.loss.partition(":")
    most = sp.Rational(classes, classes - 1)
    if name == "margin":
        rest = (
            sp.exp(-sp.Rational(Fraction(text).numerator, Fraction(text).denominator)) if text != "0" else sp.Integer(1)
        )
        return sp.Integer(1), 1 + (1 - rest) / (classes - 1 + rest)
    if name == "poly1":
        ends = sorted((sp.Integer(1), 1 + sp.Rational(text) / classes))
        return ends[0], ends[1]
    return {
        "hinge": (sp.Integer(1), most),
        "ovr-exp": (sp.Integer(2), None),
        "ovr-squared-hinge": (sp.Integer(4), None),
    }[name]


def psi_readings(optimum: Optimum) -> Iterator[Reading]:
    """One reading per cluster: psi as the contrast of the gradient, beside its bracket, by the state of the cluster.

    Examples
    --------
    >>> [sorted(map(str, set(reading) & {x_merged, x_separate})) for reading in psi_readings(
    ...     Optimum(MARGIN, "exact", contrasts=("alive", "dead")))]
    [['x_alive'], ['x_merged']]
    """
    problem = optimum.problem
    name = problem.loss.partition(":")[0]
    for reading in loss_cluster_readings(optimum):
        state = reading[dead]
        if state is None:
            continue
        least, most = bracket(problem, int(reading[k]))
        found: dict[sp.Symbol, Any] = {**reading, low: least}
        if most is not None:
            found[high] = most
        found[x_merged if state else x_separate] = reading[x]
        if p in reading and name != "hinge" and (reading[p] - reading[q]).is_finite():
            value = 1 - (reading[p] - reading[q])
            found[psi_merged if state else psi_separate] = value
            if name in ("ovr-exp", "poly1") and state:
                found[psi_exp if name == "ovr-exp" else psi_poly] = value
            if name == "margin" and state:
                found |= {q_margin: reading[q], p_margin: reading[p], mg: _margin(problem)}
        yield found


def _margin(problem: Problem) -> sp.Expr:
    text = Fraction(problem.loss.partition(":")[2])
    return sp.Rational(text.numerator, text.denominator)


def psi_derivation() -> Derivation:
    """Merging through psi, and the losses for which psi is constant."""
    prob, c0, s, gamma, e, d, margin, rest = sp.symbols("p c s gamma epsilon d mg rest", positive=True)
    logp = sp.Symbol("L", real=True)
    linear = sp.Symbol("a", real=True)
    t = sp.exp(-margin)
    top = 1 + (1 - t) / (k - 1 + t)
    focal = sp.diff(-((1 - prob) ** gamma) * sp.log(prob), prob)
    return Derivation(
        steps=(
            Lemma(
                "the restricted (merged) problem is convex; its optimum is optimal iff ||Mx|| <= 1 on the contrasts",
                "NR26-01",
            ),
            Identity(
                "contrast eigenvalue of Mx at a merged state: m psi/(lam sqrt(g)) = w sqrt(n) psi/x",
                (w * n / x) * c0 / sp.sqrt(n),
                w * sp.sqrt(n) * c0 / x,
            ),
            Lemma(
                "alive: the same expression is 1; if psi depends on p, data that move p move the threshold", "NR26-01"
            ),
            Identity("f = -c log p: psi = -p f'(p) is the constant c", -prob * sp.diff(-c0 * sp.log(prob), prob), c0),
            Lemma("-p f'(p) = c determines f up to a constant", "integration"),
            Identity(
                "-phi'(s) - phi'(-s) vanishes for the even part of phi: here cosh",
                -sp.diff(sp.cosh(s), s) + sp.sinh(s),
                sp.Integer(0),
            ),
            Identity("and is -2 a for a linear part a s", -linear - linear, -2 * linear),
            Identity(
                "focal",
                (-prob * focal).subs(sp.log(prob), logp),
                (1 - prob) ** gamma - gamma * prob * (1 - prob) ** (gamma - 1) * logp,
            ),
            Identity("poly-1", -prob * sp.diff(-sp.log(prob) + e * (1 - prob), prob), 1 + e * prob),
            Identity(
                "margin: at equal logits u_sibling - u_own = mg, so q = exp(mg) p",
                sp.exp(logp + margin) / sp.exp(logp),
                sp.exp(margin),
            ),
            Identity(
                "margin: psi = 1 + q - p with p + (k-1) q = 1 - rest is largest at rest = 0",
                1 + (1 - t) / (k - 1 + t) - (1 + (1 - rest) * (1 - t) / (k - 1 + t)),
                rest * (1 - t) / (k - 1 + t),
            ),
            Positive(
                "which is below k/(k-1) (t = exp(-mg) < 1, k = 1 + d)",
                (k / (k - 1) - top).subs(t, 1 / (1 + margin)).subs(k, 1 + d),
            ),
            Lemma(
                "hinge: 1 + q - p with p, q >= 0 and p + (k-1) q <= 1 lies in [1, k/(k-1)] for symmetric subgradients",
                "linear program",
            ),
            Identity(
                "one-vs-rest exponential: -phi'(s) - phi'(-s) with phi = exp(-s)",
                (sp.exp(s) + sp.exp(-s)) - 2,
                (sp.exp(s / 2) - sp.exp(-s / 2)) ** 2,
            ),
            Identity("one-vs-rest squared hinge, |s| <= 1: 2(1-s) + 2(1+s)", 2 * (1 - s) + 2 * (1 + s), sp.Integer(4)),
        )
    )


MARGIN = Problem.ce([(25, 3), (4, 2)], 1).with_loss("margin:2")
SMALL = Problem.ce([(9, 2), (4, 2)], 1)
HINGE = SMALL.with_loss("hinge")
EXPONENTIAL = Problem.ce([(9, 2), (4, 3)], 1).with_loss("ovr-exp")
SQUARED_HINGE = SMALL.with_loss("ovr-squared-hinge")
POLY = SMALL.with_loss("poly1:1")
WEIGHTED = Problem.ce([(25, 3), (4, 2)], 1, weights=[("1/3", 3), (3, 2)]).with_loss("margin:2")
TINY = Problem.ce([(25, 3), ("1/16", 2)], 1).with_loss("margin:2")
SMALLER = Problem.ce([(25, 3), ("3/2", 2)], 1).with_loss("margin:2")
COVERED = ("margin", "hinge", "ovr-exp", "ovr-squared-hinge", "poly1")

universality = Claim(
    id="NR26-04",
    title="Universality: other losses have no data-free threshold",
    kind="structure",
    paper=PAPER,
    statement=(
        r"C \text{ is merged} \iff \lambda N \geq \sqrt{n} w \psi \text{ at the optimum of the merged problem},\quad"
        r"\psi = \partial_{\mathrm{sibling}} \ell - \partial_{\mathrm{own}} \ell",
        r"\text{losses } f(p_{\mathrm{own}}):\ \psi = -p f'(p) \text{ constant} \iff f = -c \log p + "
        r"\mathrm{const};\quad"
        r"\text{one-vs-rest } \phi:\ \psi = -\phi'(s) - \phi'(-s) \text{ constant} \iff \phi \text{ linear plus even}",
        r"\text{focal } (1-p)^\gamma - \gamma p (1-p)^{\gamma-1} \log p;\quad \text{poly-1 } 1 + \epsilon p;\quad"
        r"\text{margin } 1 + q - p,\ q = e^{mg} p,\ 1 \leq \psi \leq 1 + \frac{1 - e^{-mg}}{k - 1 + e^{-mg}} "
        r"< \frac{k}{k-1}",
        r"\text{hinge } \psi \in [1, k/(k-1)];\quad \text{one-vs-rest exponential } 2 \cosh s \geq 2;\quad"
        r"\text{squared hinge } 4 \text{ for } |s| \leq 1",
    ),
    relations=(
        sp.Le(sp.sqrt(n) * w * low, x_merged, evaluate=False),
        sp.Le(x_separate, sp.sqrt(n) * w * high, evaluate=False),
        sp.Le(sp.sqrt(n) * w * psi_merged, x, evaluate=False),
        sp.Eq(sp.sqrt(n) * w * psi_separate, x, evaluate=False),
        sp.Eq(q_margin, sp.exp(mg) * p_margin, evaluate=False),
    ),
    read=psi_readings,
    hypotheses=(
        PAIR,
        replace(LINEAR, dropped=Problem.ce([(9, 2), (4, 2)], 1, model="ce-relu").with_loss("margin:2").at("4.95")),
        Hypothesis("no bias", UNBIASED.holds, dropped="one bias mode is enough to compare losses"),
        Hypothesis(
            "a margin, hinge, poly-1, one-vs-rest exponential or squared hinge loss, no further knob",
            lambda problem: (
                problem.loss.partition(":")[0] in COVERED
                and not (problem.adjustment or problem.scaling)
                and problem.loss_temperature == 1
                and all(run.feature_decay == run.row_decay == 1 for run in problem.runs)
            ),
            dropped="the bracket is that of one of these losses",
        ),
        Hypothesis("d >= K", lambda problem: problem.dim >= problem.K, dropped="below it the convex form may be loose"),
    ),
    witness=MARGIN.at("5.76"),
    family=Family(
        sizes="clusters",
        bias=("none",),
        near=("merge",),
        model="loss",
        losses=("margin:1", "margin:3", "hinge"),
        knobs=("weights",),
    ),
    settings=(
        MARGIN.at("14.44"),
        HINGE.at(3),
        HINGE.at(17),
        EXPONENTIAL.at(4),
        EXPONENTIAL.at(24),
        POLY.at(1),
        POLY.at(8),
        *(WEIGHTED.at(square) for square in (2, 112)),
        *(TINY.at(square) for square in ("1/25", "1/5")),
        SMALLER.at(2),
    ),
    derivation=psi_derivation,
    rests_on=frozenset({"NR26-01"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant(
            "margins gain k/(k-1) at least",
            (sp.Le(sp.sqrt(n) * w * k / (k - 1), x_merged, evaluate=False),),
            problem=MARGIN.at("14.44"),
        ),
        Mutant("no gain at all", (sp.Le(x_separate, sp.sqrt(n) * w, evaluate=False),), problem=MARGIN.at("5.76")),
        Mutant("q = p in merged states", (sp.Eq(q_margin, p_margin, evaluate=False),), problem=MARGIN.at("14.44")),
        Mutant("exponential loss: exactly 2", (sp.Eq(psi_exp, 2, evaluate=False),), problem=EXPONENTIAL.at(24)),
        Mutant("poly-1: 1 + eps", (sp.Eq(psi_poly, 2, evaluate=False),), problem=POLY.at(8)),
        Mutant(
            "psi is always 1",
            (sp.Eq(sp.sqrt(n) * w * (2 - psi_separate), x, evaluate=False),),
            problem=MARGIN.at("5.76"),
        ),
    ),
    note="Focal loss is not convex: there the rule is a necessary condition. psi of focal exceeds 1 for small "
    "p, so its "
    "threshold is not lower for every gamma.",
    survivors={
        "exponent: psi_max becomes psi_max**2 (relation 2)": "implied: psi_max is at least 1",
        "strictness: * (relation [13])": "differs only for a merged cluster exactly on its threshold, where no gap "
        "decides that it is merged",
        "strictness: * (relation 2)": "differs only where x = w sqrt(n) psi_max, and there a merged minimiser exists: "
        "no gap decides that the cluster is separate",
    },
)
