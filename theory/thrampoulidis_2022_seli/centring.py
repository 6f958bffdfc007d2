"""What is centred and what is not: unweighted class means are, the sample mean is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.optimum import Optimum
from theory.seli_observables import inv, n2, size_parameters, sizes
from theory.symbols import K, N, n
from theory.thrampoulidis_2022_seli.seli import L_OFF, L_OWN, laplacian_steps
from theory.thrampoulidis_2022_seli.settings import (
    ANY,
    BALANCED,
    BASIC,
    CIFAR,
    EQUAL_PAIR,
    FOUR,
    PAPER,
    STEEP,
    STEP,
    TWO_CLASSES,
    TWO_EQUAL,
    equal_sizes,
)

rows, means = sp.symbols("sum_w sum_h", real=True)
"""|sum_c w_c|^2 and |sum_c mu_c|^2."""
weighted, weighted_equal = sp.symbols("mean_h mean_h_equal", real=True)
"""|(1/N) sum_c n_c mu_c|^2, for unequal and for equal sizes."""
weighted_rows = sp.Symbol("mean_w", real=True)
"""|(1/N) sum_c n_c w_c|^2."""


def centring_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """Squared lengths of the sums over classes and over samples.

    Examples
    --------
    >>> list(centring_readings(Optimum(STEP, "convex")))
    []
    """
    W, H, problem = optimum.gram_classifier, optimum.gram_features, optimum.problem
    if W is None or H is None:
        return
    share = sizes(problem, 0 * W[0, 0])
    share = share / share.sum()
    yield {
        **size_parameters(problem),
        rows: W.sum(),
        means: H.sum(),
        weighted_equal if equal_sizes(problem) else weighted: share @ H @ share,
        weighted_rows: share @ W @ share,
    }


def centring_derivation() -> Derivation:
    """The kernel of both Gram matrices is spanned by 1."""
    step = sp.Symbol("d", positive=True)
    return Derivation(
        steps=(
            *laplacian_steps(),
            Lemma("W W^T = (P D P)^(1/2) and Hbar^T Hbar = L^(1/2) vanish on 1 and only there", "TH22-01"),
            Lemma(
                "|sum_c n_c mu_c|^2 = n^T L^(1/2) n = 0 iff n is a multiple of 1, iff n^T L n = 0", "spectral theorem"
            ),
            Identity(
                "two classes: n^T L n = (n_1 - n_2)^2/(n_1 + n_2)",
                (L_OWN * n**2 + L_OWN.subs(n, n2) * n2**2 + 2 * L_OFF * n * n2).subs(inv, 1 / n + 1 / n2),
                (n - n2) ** 2 / (n + n2),
            ),
            Identity("K classes: n^T L n = sum_k (n_k - K/s) = N - K^2/s", N - K * K / inv, (N * inv - K**2) / inv),
            Identity("N s = K + sum over pairs of n_k/n_l + n_l/n_k, less 2 per pair", K + K * (K - 1), K**2),
            Identity("a pair leaves", n / n2 + n2 / n - 2, (n - n2) ** 2 / (n * n2)),
            Positive(
                "so n^T L n > 0 if two sizes differ, n_l = n_k + d",
                ((n - n2) ** 2 / (n * n2)).subs(n2, n + step),
            ),
        )
    )


centring = Claim(
    id="TH22-03",
    title="Class means are centred without weights",
    kind="structure",
    paper=PAPER,
    statement=(
        r"\sum_c w_c = 0,\qquad \sum_c \mu_c = 0 \quad\text{(unweighted)}",
        r"\frac1N \sum_c n_c \mu_c = 0 \iff \text{all sizes are equal}",
    ),
    relations=(
        sp.Eq(rows, 0, evaluate=False),
        sp.Eq(means, 0, evaluate=False),
        sp.Eq(weighted_equal, 0, evaluate=False),
        sp.Gt(weighted, 0, evaluate=False),
    ),
    read=centring_readings,
    hypotheses=BASIC,
    witness=FOUR,
    family=ANY,
    settings=(EQUAL_PAIR, STEP, BALANCED, TWO_CLASSES, TWO_EQUAL, STEEP, CIFAR),
    derivation=centring_derivation,
    rests_on=frozenset({"TH22-01"}),
    required="proved",
    mutants=(
        Mutant("the weighted mean vanishes", relations=(sp.Eq(weighted, 0, evaluate=False),), problem=FOUR),
        Mutant("centring by samples is irrelevant", relations=(sp.Eq(weighted, means, evaluate=False),), problem=STEP),
        Mutant(
            "the classifier is centred by samples", relations=(sp.Eq(weighted_rows, 0, evaluate=False),), problem=STEP
        ),
    ),
    source="re-derived, printed constants not compared",
    note="Metrics of neural collapse that subtract the global sample mean do not centre this geometry. Every minimiser "
    "of the ridge problem has sum_c w_c = 0 as well: subtracting the mean row keeps the loss and lowers |W|.",
)
