"""Equal sizes: an equiangular tight frame, and a classifier aligned with the class means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma
from theory.optimum import Optimum
from theory.problem import Problem
from theory.seli_observables import hh, hh12, matrix_readings, n2, ww, ww12, z_own
from theory.symbols import F, K, N, n
from theory.thrampoulidis_2022_seli.seli import PDP_OFF, PDP_OWN
from theory.thrampoulidis_2022_seli.settings import ANY, BALANCED, BASIC, FOUR, PAPER, TWO_EQUAL, equal_sizes

alignment, cos_w, cos_h = sp.symbols("cos_wh cos_ww cos_hh", real=True)
"""Cosines of w_c with mu_c, of two rows of W, of two class means."""


def balanced_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """Pair readings with cosines.

    Examples
    --------
    >>> [alignment in reading for reading in balanced_readings(Optimum(BALANCED, "convex"))]
    [False]
    """
    for reading in matrix_readings(optimum):
        if ww in reading and hh in reading:
            root = np.sqrt(np.array([reading[ww] * reading[hh]]))[0]
            reading |= {alignment: reading[z_own] / root, cos_w: reading[ww12] / reading[ww]}
            reading[cos_h] = reading[hh12] / reading[hh]
        yield reading


def balanced_derivation() -> Derivation:
    """P D P = n P."""
    equal = {N: K * n, n2: n}
    root = sp.sqrt(n)
    return Derivation(
        steps=(
            Lemma("W W^T = (P D P)^(1/2) and Hbar^T Hbar is its pseudo-inverse", "TH22-01"),
            Identity("(P D P)_kk = n (1 - 1/K)", PDP_OWN.subs(equal), n * (1 - 1 / K)),
            Identity("(P D P)_kl = -n/K", PDP_OFF.subs(equal), -n / K),
            Identity(
                "P^2 = P on the diagonal: (sqrt(n) P)^2 = n P",
                root**2 * ((1 - 1 / K) ** 2 + (K - 1) / K**2),
                n * (1 - 1 / K),
            ),
            Identity("and off it", root**2 * (-2 * (1 - 1 / K) / K + (K - 2) / K**2), -n / K),
            Identity("value: the trace", K * root * (1 - 1 / K), (K - 1) * root),
            Identity(
                "cos(w, mu)^2 = 1, and <w, mu> = 1 - 1/K > 0",
                (1 - 1 / K) ** 2 / (root * (1 - 1 / K) * (1 - 1 / K) / root),
                sp.Integer(1),
            ),
            Identity("cosine of two rows", (-root / K) / (root * (1 - 1 / K)), -1 / (K - 1)),
        )
    )


EQUAL = Hypothesis("all sizes are equal", equal_sizes, dropped=FOUR)

balanced = Claim(
    id="TH22-04",
    title="Balanced classes: an equiangular tight frame",
    kind="equality",
    paper=PAPER,
    statement=(
        r"n_c = n:\quad W W^\top = \sqrt n\, P,\qquad \bar H^\top \bar H = P/\sqrt n,\qquad f^* = (K-1)\sqrt n",
        r"\cos(w_c, \mu_c) = 1,\qquad \cos(w_c, w_{c'}) = \cos(\mu_c, \mu_{c'}) = -\frac{1}{K-1}",
    ),
    relations=tuple(
        sp.Eq(left, right, evaluate=False)
        for left, right in (
            (ww, sp.sqrt(n) * (1 - 1 / K)),
            (ww12, -sp.sqrt(n) / K),
            (hh, (1 - 1 / K) / sp.sqrt(n)),
            (hh12, -1 / (K * sp.sqrt(n))),
            (F, (K - 1) * sp.sqrt(n)),
            (alignment, sp.Integer(1)),
            (cos_w, -1 / (K - 1)),
            (cos_h, -1 / (K - 1)),
        )
    ),
    read=balanced_readings,
    hypotheses=(*BASIC, EQUAL),
    witness=BALANCED,
    family=replace(ANY, sizes="balanced"),
    settings=(TWO_EQUAL, Problem.svm([(1, 5)]), Problem.svm([("5/2", 3)], dim=2), Problem.svm([(5000, 10)], dim=512)),
    derivation=balanced_derivation,
    rests_on=frozenset({"TH22-01"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, right, evaluate=False),), problem=BALANCED)
        for text, left, right in (
            ("W W^T = n P", ww, n * (1 - 1 / K)),
            ("Hbar^T Hbar = P", hh, 1 - 1 / K),
            ("value K sqrt(n)", F, K * sp.sqrt(n)),
            ("orthogonal class means", cos_h, sp.Integer(0)),
        )
    ),
    source="published result, constants re-derived",
)
