"""FA21-01: with equal sizes every minimiser is a simplex ETF, whatever the feature dimension p >= K - 1."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.fang_2021_layer_peeled.reduction import dual_steps, nuclear_steps
from theory.fang_2021_layer_peeled.settings import BOTH_LIVE, PAPER, WIDE
from theory.optimum import Optimum
from theory.peeled_observables import (
    balanced_loss,
    e,
    eH,
    entry_readings,
    eW,
    hh,
    hh12,
    ww,
    ww12,
    z_own,
    z_wrong,
)
from theory.problem import Problem
from theory.symbols import F, K

__all__ = ["balanced", "balanced_steps"]

apart = sp.Symbol("apart", real=True)
"""Squared distance of h_k from sqrt(E_H/E_W) w_k."""
spread = sp.Symbol("spread", nonnegative=True)
"""Root of the sum of squared distances of features from their class means."""
c, x = sp.symbols("c x", positive=True)
"""K - 1, and exp(-margin)."""


def etf_readings(optimum: Optimum) -> Iterator[Reading]:
    """First pair of classes: logits, Gram entries, value, and the distance of h_k from the scaled w_k.

    Examples
    --------
    >>> [reading[K] for reading in etf_readings(Optimum(EQUAL_FOUR, "exact"))]
    [4]
    """
    for reading in entry_readings(optimum):
        if {hh, ww, z_own} <= set(reading):
            ratio = optimum.problem.e_h / optimum.problem.e_w
            scale = (0 * reading[ww] + ratio.numerator) / ratio.denominator
            reading[apart] = reading[hh] + scale * reading[ww] - 2 * scale.sqrt() * reading[z_own]
        if optimum.spread is not None:
            reading[spread] = optimum.spread
        yield reading
        return


def balanced_steps() -> Derivation:
    """Z = alpha (I - J/K) with nuclear norm (K - 1) alpha = T."""
    size = c + 1
    alpha = size * e / c
    prob = x / (1 + c * x)
    share = 1 / size
    return Derivation(
        steps=(
            *nuclear_steps(),
            *dual_steps(),
            Lemma(
                "Z is unique, hence invariant under all permutations, 1^T Z = 0: Z = alpha (I - J/K)",
                "Schur's lemma for two groups",
            ),
            Identity("I - J/K is a projection of trace K - 1: alpha (K - 1) = T = K e", alpha * c, size * e),
            Identity("margin alpha: own minus wrong logit", alpha * (1 - share) + alpha * share, alpha),
            Identity("loss log(1 + (K-1) exp(-alpha))", balanced_loss(size), sp.log(1 + c * sp.exp(-alpha))),
            Identity(
                "W W^T = sqrt(E_W/E_H) (Z Z^T)^(1/2): trace",
                sp.sqrt(eW / eH) * c * alpha.subs(e, sp.sqrt(eW * eH)),
                size * eW,
            ),
            Identity("H^T H: trace", sp.sqrt(eH / eW) * c * alpha.subs(e, sp.sqrt(eW * eH)), size * eH),
            Identity(
                "|h - sqrt(E_H/E_W) w|^2 = 0",
                eH + eH / eW * eW - 2 * sp.sqrt(eH / eW) * sp.sqrt(eW * eH),
                sp.Integer(0),
            ),
            Identity(
                "certificate: (I - P)/K = (K p) (I - J/K)/K with p = x/(1 + (K-1) x), x = exp(-alpha)",
                1 - 1 / (1 + c * x) + prob,
                size * prob,
            ),
            Identity(
                "Gibbs bound = loss: entropy minus T K p/K is log(1 + (K-1) x) as alpha = -log x",
                sp.log(1 + c * x) - c * prob * sp.log(x) + (c * prob) * sp.log(x),
                sp.log(1 + c * x),
            ),
        )
    )


EQUAL_FOUR = Problem.peeled([(5, 4)], 2, "1/2", dim=3)
EQUAL_TWO = Problem.peeled([(1, 2)], "1/3", 3, dim=1)
EQUAL = Hypothesis(
    "all sizes are equal, no loss weights",
    lambda problem: len(problem.clusters) == 1 and problem.runs[0].weight == 1,
    dropped=BOTH_LIVE,
)

balanced = Claim(
    id="FA21-01",
    title="Balanced classes: a simplex ETF",
    kind="equality",
    paper=PAPER,
    statement=(
        r"n_k = n,\ p \geq K-1,\ e = \sqrt{E_W E_H}:\quad h_{k,i} = h_k = \sqrt{E_H/E_W}\, w_k,\quad"
        r" W W^\top = E_W \frac{K}{K-1}\left(I - \tfrac1K J\right)",
        r"Z = \frac{K e}{K-1}\left(I - \tfrac1K J\right),\qquad f^* = \log\left(1 + (K-1) e^{-K e/(K-1)}\right)",
    ),
    relations=(
        sp.Eq(F, balanced_loss(), evaluate=False),
        sp.Eq(z_own, e, evaluate=False),
        sp.Eq(z_wrong, -e / (K - 1), evaluate=False),
        sp.Eq(ww, eW, evaluate=False),
        sp.Eq(ww12, -eW / (K - 1), evaluate=False),
        sp.Eq(hh, eH, evaluate=False),
        sp.Eq(hh12, -eH / (K - 1), evaluate=False),
        sp.Eq(apart, 0, evaluate=False),
        sp.Eq(spread, 0, evaluate=False),
    ),
    read=etf_readings,
    hypotheses=(EQUAL, WIDE),
    witness=EQUAL_FOUR,
    family=Family(sizes="balanced", bias=("none",), near=(), model="layer-peeled"),
    settings=(EQUAL_TWO, Problem.peeled([(1, 3)], 1, 1, dim=2), Problem.peeled([(100, 6)], "1/2", 4)),
    derivation=balanced_steps,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, wrong, evaluate=False),), problem=EQUAL_FOUR)
        for text, left, wrong in (
            ("exponent -K e (K - 1 missing)", F, sp.log(1 + (K - 1) * sp.exp(-K * e))),
            ("T = e", F, balanced_loss(product=e / K)),
            ("W W^T = E_W (I - J/K)", ww, eW * (K - 1) / K),
            ("orthogonal frame", ww12, sp.Integer(0)),
        )
    ),
    source="published result (abstract); constants re-derived",
    note="p = K - 1 is enough (the settings include it); p >= K is not needed, see FA21-R3.",
)
