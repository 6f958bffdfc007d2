"""Focal loss: classes do not merge before a closed-form weight decay, though nothing about it is convex."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import LINEAR, UNBIASED, WIDE, gamma, loss_cluster_readings
from theory.new_results.merging_law import PAIR
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import dead, k, n, w, x

__all__ = ["focal"]

x_merged = sp.Symbol("x_merged", positive=True)
"""lam N where the cluster is merged."""


def factor(classes: sp.Expr, power: sp.Expr) -> sp.Expr:
    """Psi at the largest probability that a merged class can have, 1/k.

    Examples
    --------
    >>> factor(sp.Integer(4), sp.Integer(0))
    1
    """
    wrong = 1 - 1 / classes
    return wrong**power + power / classes * wrong ** (power - 1) * sp.log(classes)


def merged_readings(optimum: Optimum) -> Iterator[Reading]:
    """Clusters that have merged.

    Examples
    --------
    >>> list(merged_readings(Optimum(FOUR, "exact")))
    []
    """
    power = rational(Fraction(optimum.problem.loss.partition(":")[2] or "0"))
    for reading in loss_cluster_readings(optimum):
        if reading[dead]:
            yield {**reading, x_merged: reading[x], gamma: power}


def focal_derivation() -> Derivation:
    """First-order condition in the contrasts, and the least psi on (0, 1/k]."""
    p, q, power, log, h = sp.symbols("p q gamma ell h", positive=True)
    psi = q**power + power * p * q ** (power - 1) * log
    slope = sp.diff(psi, p) - sp.diff(psi, q) - sp.diff(psi, log) / p
    return Derivation(
        steps=(
            Lemma(
                "at a merged minimiser (equal rows, equal mean features) moving along a contrast adds its norm to the "
                "nuclear norm and lowers the loss by the mean of w sqrt(n) psi(p)/x times it: some psi(p) is at most "
                "x/(w sqrt(n)); p is the probability of the own class of a sample, at most 1/k",
                "NR26-04",
            ),
            Identity(
                "psi'(p) = gamma q^(gamma-2) B, B = ell (1 - gamma p) - 2 q, ell = -log p, q = 1 - p",
                sp.powsimp(sp.expand(slope * q ** (2 - power) / power)).subs(p, 1 - q),
                (log * (1 - power * p) - 2 * q).subs(p, 1 - q),
            ),
            Lemma("p >= 1/gamma: B < 0", "sign of the factors"),
            Positive(
                "p < 1/gamma, gamma = 1 + h: (1 - p)/(1 - gamma p) increases, p = 1/(1 + h + e)",
                sp.cancel(sp.diff((1 - p) / (1 - (1 + h) * p), p).subs(p, 1 / (1 + h + sp.Symbol("e", positive=True)))),
                strict=False,
            ),
            Positive(
                "gamma = 1/(1 + h) < 1, p = 1/(2 + e): 1/p - 2 (1 - gamma)/(1 - gamma p)^2, the fall of "
                "ell - 2 (1 - p)/(1 - gamma p)",
                sp.cancel(
                    (1 / p - 2 * (1 - power) / (1 - power * p) ** 2).subs(
                        {power: 1 / (1 + h), p: 1 / (2 + sp.Symbol("e", positive=True))}, simultaneous=True
                    )
                ),
                strict=False,
            ),
            Lemma(
                "so B changes sign at most once, from + to -: psi rises, then falls, and is least at an end of "
                "(0, 1/k], where it is 1 or psi(1/k)",
                "monotonicity",
            ),
        )
    )


FOUR = Problem.ce([(9, 4), (4, 4)], 1).with_loss("focal:2")
TWO = Problem.ce([(9, 2), (4, 2)], 1, weights=[(1, 2), (2, 2)]).with_loss("focal:3")
PAIR_ALONE = Problem.ce([(4, 2)], 1, weights=[(3, 2)]).with_loss("focal:3")
THREE_ALONE = Problem.ce([(9, 3)], 1, weights=[(2, 3)]).with_loss("focal:3")
"""One cluster: merged where Z = 0 and p = 1/k, the bound itself is where it merges."""
RARELY_OWN = Problem.ce([(100, 7), (1, 5)], 1, weights=[("1/10", 7), (10, 5)]).with_loss("focal:1")
"""Merged at p = 0.085, where psi(p) < psi(1/7)."""

focal = Claim(
    id="UC26-09",
    title="Focal loss: no merging before a closed-form weight decay",
    kind="bound",
    paper="conjectures",
    statement=(
        r"C \text{ merged at a global minimiser} \implies \lambda N \geq w \sqrt{n} \min(1, \psi(1/k)),\quad"
        r"\psi(p) = (1-p)^\gamma - \gamma p (1-p)^{\gamma-1} \log p",
    ),
    relations=(sp.Ge(x_merged, w * sp.sqrt(n) * sp.Min(1, factor(k, gamma)), evaluate=False),),
    read=merged_readings,
    hypotheses=(
        PAIR,
        Hypothesis(
            "focal loss, class weights and no other knob",
            lambda p: (
                p.loss.startswith("focal")
                and not (p.adjustment or p.scaling)
                and p.loss_temperature == 1
                and all(run.feature_decay == run.row_decay == 1 for run in p.runs)
            ),
            dropped="the formula is that of one loss",
        ),
        replace(LINEAR, dropped="with H >= 0 the penalty of the logits is another norm (NR26-15)"),
        UNBIASED,
        replace(WIDE, dropped="the contrast needs a dimension of its own"),
    ),
    witness=FOUR.at(5),
    family=Family(
        sizes="clusters",
        bias=("none",),
        near=("merge",),
        model="loss",
        losses=("focal:1", "focal:2", "focal:3"),
        knobs=("weights",),
    ),
    settings=(
        TWO.at("2.4"),
        TWO.at("8.9"),
        TWO.at(20),
        FOUR.at("4.4"),
        FOUR.at(6),
        PAIR_ALONE.at("5.34"),
        THREE_ALONE.at("22.2"),
        RARELY_OWN.at("1.275"),
    ),
    derivation=focal_derivation,
    rests_on=frozenset({"NR26-04"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("never before cross-entropy", (sp.Ge(x_merged, w * sp.sqrt(n), evaluate=False),), problem=TWO.at(7)),
        Mutant("not before psi(1/k)", (sp.Ge(x_merged, 2 * w * sp.sqrt(n) * factor(k, gamma), evaluate=False),)),
    ),
    note="Where the classes do merge is not known in closed form, and that they stay merged from some weight decay on "
    "is not proved, as the loss is not convex. Two classes of a size can merge earlier than with cross-entropy.",
    survivors={
        "sign: sqrt(n)*w*Min(*": "implied: min(1, psi(1/k)) is positive",
        "sign: gamma[*](1 * becomes -gamma[*]*": "implied: psi becomes smaller",
        "factor: gamma - 1 becomes 2*gamma - 1": "implied: a larger power of 1 - 1/k < 1",
        "exponent: k becomes sqrt(k)": "implied: log(sqrt(k)) is smaller than log(k)",
        "dropped term: * becomes (1 - 1/k)**gamma": "implied: psi without a positive term",
        "dropped term: 1 - 1/k becomes -1/k": "implied: |-1/k| <= 1 - 1/k for k >= 2",
        "strictness: *": "differs only for a merged cluster exactly on its threshold, where no state is decided",
    },
)
