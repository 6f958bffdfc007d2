"""Classifier and class means have proportional Gram matrices for equal sizes or two classes only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.optimum import Optimum
from theory.problem import Problem
from theory.seli_observables import n2, size_parameters
from theory.symbols import K, N, n
from theory.thrampoulidis_2022_seli.seli import PDP_OFF, laplacian_steps
from theory.thrampoulidis_2022_seli.settings import (
    ANY,
    BALANCED,
    BASIC,
    EQUAL_PAIR,
    FOUR,
    PAPER,
    STEEP,
    STEP,
    TWO_CLASSES,
    TWO_EQUAL,
    equal_sizes,
)

lost, kept = sp.symbols("sin2_WH sin2_WH_equal", real=True)
"""1 - <G_W, G_M>^2/(|G_W|^2 |G_M|^2), the squared sine between both Gram matrices: for unequal sizes of three or more
classes, and otherwise."""
HALF = Problem.svm([(6, 2), (2, 2)])
"""As many majority as minority classes."""


def sine_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """The squared sine.

    Examples
    --------
    >>> list(sine_readings(Optimum(STEP, "convex")))
    []
    """
    W, H, problem = optimum.gram_classifier, optimum.gram_features, optimum.problem
    if W is None or H is None:
        return
    u, v = W.ravel(), H.ravel()
    inner, square, other = (u * v).sum(), (u * u).sum(), (v * v).sum()
    symbol = kept if equal_sizes(problem) or problem.K == 2 else lost
    yield {**size_parameters(problem), symbol: 1 - inner * inner / (square * other)}


def duality_derivation() -> Derivation:
    """Proportional roots mean proportional to P, hence equal sums n_k + n_l over pairs."""
    third, step = sp.symbols("n_m d", positive=True)
    return Derivation(
        steps=(
            *laplacian_steps(),
            Lemma("(P D P)^(1/2) = c (P D P)^(-1/2) on the complement of 1 means P D P = c P", "spectral theorem"),
            Identity(
                "entries: n_k + n_l is the same for all pairs", PDP_OFF - PDP_OFF.subs(n2, third), (third - n2) / K
            ),
            Positive("n_m = n_l + d with d > 0 contradicts it", ((third - n2) / K).subs(third, n2 + step)),
            Identity(
                "two classes: P D P = ((n_1 + n_2)/2) P",
                PDP_OFF.subs({K: 2, N: n + n2}),
                -(n + n2) / 4,
            ),
        )
    )


self_duality = Claim(
    id="TH22-16",
    title="Self-duality is lost under imbalance",
    kind="structure",
    paper=PAPER,
    statement=(r"W W^\top \propto \bar H^\top \bar H \iff \text{all sizes are equal, or } K = 2",),
    relations=(sp.Gt(lost, 0, evaluate=False), sp.Eq(kept, 0, evaluate=False)),
    read=sine_readings,
    hypotheses=BASIC,
    witness=FOUR,
    family=ANY,
    settings=(
        EQUAL_PAIR,
        STEP,
        HALF,
        BALANCED,
        TWO_CLASSES,
        TWO_EQUAL,
        STEEP,
        Problem.svm([1000001, 1000000, 1000000]),
    ),
    derivation=duality_derivation,
    rests_on=frozenset({"TH22-01"}),
    required="proved",
    mutants=(
        Mutant("self-dual for every imbalance", relations=(sp.Eq(lost, 0, evaluate=False),), problem=FOUR),
        Mutant("self-dual whenever kA = kB", relations=(sp.Eq(lost, 0, evaluate=False),), problem=HALF),
        Mutant(
            "lost for two classes of different size: a squared sine of 1/1000",
            relations=(sp.Ge(kept, sp.Rational(1, 1000), evaluate=False),),
            problem=TWO_CLASSES,
        ),
    ),
    source="re-derived, printed constants not compared",
)
