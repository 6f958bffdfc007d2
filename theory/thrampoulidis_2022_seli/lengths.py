"""The larger class has the longer classifier and the shorter mean, for any sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_pairs
from theory.seli_observables import entries, hh, hh2, inv, ww, ww2
from theory.symbols import n
from theory.thrampoulidis_2022_seli.seli import L_OWN, laplacian_steps
from theory.thrampoulidis_2022_seli.settings import (
    ANY,
    BASIC,
    CIFAR,
    EQUAL_PAIR,
    FOUR,
    ONE_MAJORITY,
    ONE_MINORITY,
    PAPER,
    STEEP,
    STEP,
    TIE,
    TWO_CLASSES,
)

two_w, two_w2, two_h, two_h2 = sp.symbols("ww_1 ww_2 hh_1 hh_2", real=True)
"""The squared lengths where there are two classes only."""


def order_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """Squared lengths for every pair of clusters, the larger size first; under other names when K = 2.

    Examples
    --------
    >>> len(list(order_readings(Optimum(FOUR, "convex"))))
    6
    """
    problem = optimum.problem
    names = {ww: two_w, ww2: two_w2, hh: two_h, hh2: two_h2}
    for k, other in class_pairs(problem):
        if problem.sizes[k] > problem.sizes[other]:
            found = entries(optimum, k, other)
            yield {(names.get(symbol, symbol) if problem.K == 2 else symbol): found[symbol] for symbol in found}


def order_derivation() -> Derivation:
    """Resolvents: with r_k = 1/(n_k + t) and s the sum of all r, the diagonal is r_k - r_k^2/s."""
    t, r, step, rest = sp.symbols("t r_k d rest", positive=True)
    value = sp.Symbol("x", positive=True)
    larger = r + step
    total = r + larger + rest

    def diagonal(entry: sp.Expr) -> sp.Expr:
        return entry - entry**2 / total

    return Derivation(
        steps=(
            Lemma("W W^T = (P D P)^(1/2) and Hbar^T Hbar = its pseudo-inverse", "TH22-01"),
            Lemma(
                "x^(-1/2) = (1/pi) int 1/((x + t) sqrt(t)) dt over t > 0, and x^(1/2) = x x^(-1/2)",
                "Balakrishnan's formula",
            ),
            *laplacian_steps(),
            Identity(
                "P (D + t) P instead of P D P: diagonal of its pseudo-inverse", L_OWN.subs(n, 1 / r), r - r**2 / inv
            ),
            Identity(
                "x/(x + t) = 1 - t/(x + t): the order is reversed for the root",
                value / (value + t),
                1 - t / (value + t),
            ),
            Identity(
                "n_l < n_k means r_l = r_k + d: difference of the diagonals",
                diagonal(larger) - diagonal(r),
                step * (1 - (r + larger) / total),
            ),
            Positive("positive for K > 2: some r is left besides these two", diagonal(larger) - diagonal(r)),
            Identity(
                "K = 2: none is left, the difference vanishes",
                (diagonal(larger) - diagonal(r)).subs(rest, 0),
                sp.Integer(0),
            ),
            Lemma("the integrand has one sign at every t > 0", "integral of a positive function"),
        )
    )


order = Claim(
    id="TH22-13",
    title="The larger class has the longer classifier and the shorter mean",
    kind="ordering",
    paper=PAPER,
    statement=(
        r"K > 2,\ n_k > n_l:\quad \|w_k\| > \|w_l\|,\qquad \|\mu_k\| < \|\mu_l\|",
        r"K = 2:\quad \|w_1\| = \|w_2\|,\qquad \|\mu_1\| = \|\mu_2\|",
    ),
    relations=(
        sp.Gt(ww, ww2, evaluate=False),
        sp.Lt(hh, hh2, evaluate=False),
        sp.Eq(two_w, two_w2, evaluate=False),
        sp.Eq(two_h, two_h2, evaluate=False),
    ),
    read=order_readings,
    hypotheses=BASIC,
    witness=STEP,
    family=ANY,
    settings=(
        FOUR,
        EQUAL_PAIR,
        ONE_MINORITY,
        ONE_MAJORITY,
        TWO_CLASSES,
        STEEP,
        TIE,
        CIFAR,
        Problem.svm([(1000001, 2), (1000000, 2)]),
        Problem.svm([1000000, 2, 1]),
    ),
    derivation=order_derivation,
    rests_on=frozenset({"TH22-01"}),
    required="proved",
    mutants=(
        Mutant("reversed for the class means", relations=(sp.Gt(hh, hh2, evaluate=False),), problem=STEP),
        Mutant("reversed for the classifiers", relations=(sp.Lt(ww, ww2, evaluate=False),), problem=FOUR),
        Mutant(
            "equal lengths if there is one majority class",
            relations=(sp.Eq(ww, ww2, evaluate=False),),
            problem=ONE_MAJORITY,
        ),
        Mutant(
            "strict for two classes: longer by 1/1000",
            relations=(sp.Ge(two_w, two_w2 * (1 + sp.Rational(1, 1000)), evaluate=False),),
            problem=TWO_CLASSES,
        ),
    ),
    source="published result for two sizes; any sizes and the proof are ours",
    note="For two sizes the order follows from the closed forms (TH22-12) as well, by 1 <= tau <= R.",
)
