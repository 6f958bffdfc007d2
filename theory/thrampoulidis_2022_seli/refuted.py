"""Statements about the max-margin geometry that are false, and traps of normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory.claim import Asymptotic, Claim, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_pairs
from theory.seli_observables import n2, size_parameters, sizes
from theory.symbols import K, N, n, nB
from theory.thrampoulidis_2022_seli.centring import centring_derivation, centring_readings, weighted
from theory.thrampoulidis_2022_seli.limits import apart, apart_h, limit_derivation, limit_readings, steeper
from theory.thrampoulidis_2022_seli.seli import PDP_OFF, PDP_OWN
from theory.thrampoulidis_2022_seli.settings import (
    ANY,
    BASIC,
    FOUR,
    PAPER,
    STEP,
    STEPS,
    TIE,
    equal_sizes,
    with_two_sizes,
)


def _several(problem: Problem) -> bool:
    return problem.clusters[-1].classes > 1


square12 = sp.Symbol("ZDZ_kl", real=True)
"""Entry of Z D Z^T for two classes."""
LARGE = Problem.svm([50, 1, 1])


def square_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """Entries of Z D Z^T off the diagonal, from the logits.

    Examples
    --------
    >>> list(square_readings(Optimum(LARGE, "convex")))
    []
    """
    Z, problem = optimum.logits, optimum.problem
    if Z is None:
        return
    weights = sizes(problem, 0 * Z[0, 0])
    for k, other in class_pairs(problem):
        pair = {n: sp.Rational(str(problem.sizes[k])), n2: sp.Rational(str(problem.sizes[other]))}
        yield {**size_parameters(problem), **pair, square12: (Z[k] * weights * Z[other]).sum()}


def sign_derivation() -> Derivation:
    """The entry at sizes 50, 1, 1, and where it is positive."""
    return Derivation(
        steps=(
            Lemma("Z D Z^T = P D P", "TH22-01"),
            Identity(
                "sizes 50, 1, 1: the entry of the small classes",
                PDP_OFF.subs({N: 52, K: 3, n: 1, n2: 1}),
                sp.Rational(46, 9),
            ),
            Positive("it is positive", PDP_OFF.subs({N: 52, K: 3, n: 1, n2: 1})),
            Identity("rows sum to 0", PDP_OWN + ((K - 1) * N / K**2 - ((K - 1) * n + (N - n)) / K), sp.Integer(0)),
        ),
        complete=False,
        gap="the steps contradict the statement",
    )


m_matrix = Claim(
    id="TH22-R1",
    title="P D P has no positive entry off the diagonal",
    kind="ordering",
    paper=PAPER,
    statement=(r"(\hat Z \hat Z^\top)_{kl} = (P D P)_{kl} \leq 0 \quad (k \neq l)",),
    relations=(sp.Le(square12, 0, evaluate=False),),
    read=square_readings,
    hypotheses=BASIC,
    witness=FOUR,
    family=ANY,
    settings=(LARGE, STEP),
    derivation=sign_derivation,
    rests_on=frozenset({"TH22-01"}),
    status="refuted",
    required="refuted",
    mutants=(
        Mutant("strictly negative", relations=(sp.Lt(square12, 0, evaluate=False),), problem=LARGE),
        Mutant(
            "true for the small classes",
            relations=(sp.Eq(square12, PDP_OFF.subs(N, 0), evaluate=False),),
            problem=LARGE,
        ),
    ),
    note="Sizes 50, 1, 1: the entry of the small classes is 46/9. The matrices with that sign pattern are the "
    "pseudo-inverse L and its root (TH22-02).",
)


def collapse_derivation() -> Derivation:
    """The distances at every R."""
    return Derivation(
        steps=(
            *limit_derivation().steps,
            Positive("|w_B - w_B'|^2 = 2 sqrt(n_min) does not tend to 0", 2 * sp.sqrt(nB)),
        ),
        complete=False,
        gap="the steps contradict the statement",
    )


minority_collapse = Claim(
    id="TH22-R2",
    title="Minority classes collapse for strong imbalance",
    kind="limit",
    paper=PAPER,
    statement=(
        r"R \to \infty:\quad \|w_B - w_B'\| \to 0,\qquad \|\mu_B - \mu_B'\|/\|\mu_B\| \to 0",
        r"\text{correct: } 1 - \cos(w_B, w_B') \to 0,\ \|w_B - w_B'\|^2 = 2\sqrt{n_{\min}},\ \cos(\mu_B, \mu_B') \to"
        r" -\tfrac{1}{k_B - 1}",
    ),
    relations=(Asymptotic(apart, sp.Integer(0), order=1), Asymptotic(apart_h, sp.Integer(0), order=1)),
    read=limit_readings,
    along=steeper,
    hypotheses=(
        *BASIC,
        with_two_sizes("R is that of two sizes"),
        Hypothesis("at least two minority classes", _several, dropped="there is no pair otherwise"),
    ),
    witness=STEP,
    settings=(TIE,),
    family=STEPS,
    derivation=collapse_derivation,
    rests_on=frozenset({"TH22-12", "TH22-15"}),
    status="refuted",
    required="refuted",
    mutants=(
        Mutant("only the class means collapse", relations=(Asymptotic(apart_h, sp.Integer(0), order=1),), problem=STEP),
        Mutant("only the classifiers collapse", relations=(Asymptotic(apart, sp.Integer(0), order=1),), problem=STEP),
    ),
    note="What vanishes is the angle between two minority classifiers (TH22-15). With ridge regularisation minority "
    "classes do collapse, at a finite ridge (TH22-10).",
)

sample_mean = Claim(
    id="TH22-R3",
    title="The global sample mean centres the class means",
    kind="structure",
    paper=PAPER,
    statement=(r"\frac1N \sum_c n_c \mu_c = 0",),
    relations=(sp.Eq(weighted, 0, evaluate=False),),
    read=centring_readings,
    hypotheses=(
        *BASIC,
        Hypothesis(
            "unequal sizes", lambda problem: not equal_sizes(problem), dropped="for equal sizes both means are one"
        ),
    ),
    witness=FOUR,
    family=ANY,
    settings=(STEP, LARGE),
    derivation=lambda: replace(centring_derivation(), complete=False, gap="the steps contradict the statement"),
    rests_on=frozenset({"TH22-01", "TH22-03"}),
    status="refuted",
    required="refuted",
    mutants=(
        Mutant(
            "up to one part in a thousand",
            relations=(sp.Le(weighted, sp.Rational(1, 1000), evaluate=False),),
            problem=LARGE,
        ),
    ),
    note="The unweighted mean over classes is the right one (TH22-03): after subtracting the mean over samples even "
    "the exact geometry shows an error.",
)

normalisation = Claim(
    id="TH22-R4",
    title="Traps of normalisation",
    kind="structure",
    paper=PAPER,
    statement=(
        r"\text{without halves the value of the max-margin problem doubles; } \lambda_{\mathrm{sum}} = N \lambda_{"
        r"\mathrm{mean}}",
    ),
    family=None,
    status="note",
    note="The paper sums the losses over samples: its ridge is x = lam N here, so a threshold sqrt(n) there is "
    "sqrt(n)/N in lam. With lambda_W != lambda_H the Gram matrix of W carries sqrt(lambda_H/lambda_W), that of "
    "the means its inverse. There is no bias: with one the centring changes (HL23-06).",
)
