"""Nonnegative features against linear ones: larger thresholds, larger values, survivors that do not interact."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.bridges.settings import LINEAR, PAPER, PLAIN, WIDE, beside, relu, unbiased, value
from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.observables import cluster_readings, dead_state, parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_pairs
from theory.symbols import K, dead, dead_exact, n, x

n_relu = sp.Symbol("n_relu", positive=True)
"""Size of a class with nonnegative features; n is that of a cluster with linear ones."""
F_lin, F_relu = sp.symbols("F_lin F_relu", nonnegative=True)
own_margin = sp.Symbol("margin_relu", real=True)
"""Own minus wrong logit with nonnegative features."""


def both_readings(optimum: Optimum) -> Iterator[Reading]:
    """Merging of the clusters with linear features, then death of every class with nonnegative ones, and both values.

    Examples
    --------
    >>> len(list(both_readings(Optimum(STEP, "exact"))))
    2
    """
    yield from cluster_readings(optimum)
    for other in optimum.companions:
        common = parameters(other.problem)
        yield {**common, **value(optimum, F_lin), **value(other, F_relu)}
        unknown = (None,) * len(other.problem.clusters)
        states = zip(other.contrasts or unknown, other.exact_contrasts or unknown, strict=True)
        for cluster, (state, exact) in zip(other.problem.clusters, states, strict=True):
            yield {
                **common,
                n_relu: rational(cluster.size),
                dead: dead_state(state),
                dead_exact: dead_state(exact),
            }
        if other.logits is not None:
            for k, wrong in class_pairs(other.problem):
                yield {
                    **common,
                    n_relu: rational(other.problem.sizes[k]),
                    own_margin: other.logits[k, k] - other.logits[wrong, k],
                }


def survivor(scale: sp.Expr | None = None) -> sp.Expr:
    """Margin log(K sqrt(n (K-1)/K)/x - (K-1)) of a live class with nonnegative features, 0 of a dead one.

    Examples
    --------
    >>> survivor().subs({K: 2, n_relu: 8, x: 1})
    log(3)
    """
    root = sp.sqrt(n_relu * (K - 1) / K) if scale is None else scale
    return sp.log(1 + sp.Max(0, K * root / x - K))


def thresholds_derivation() -> Derivation:
    """The two laws side by side."""
    c, extra = sp.symbols("c d", positive=True)
    return Derivation(
        steps=(
            Lemma("linear features: a cluster of size n merges iff x >= sqrt(n)", "HL23-04"),
            Lemma("nonnegative features: a class of size n dies iff n <= x^2 K/(K-1)", "DA24-07"),
            Identity("with K = c + 1 the factor is 1 + 1/c", (c + 1) / c, 1 + 1 / c),
            Positive(
                "so x^2 < n is compatible with n <= x^2 K/(K-1): the window (x^2, x^2 K/(K-1)] is not empty", 1 / c
            ),
            Identity("K = 2: factor 2", ((c + 1) / c).subs(c, 1), sp.Integer(2)),
            Lemma(
                "both models have the same objective, and the nonnegative features are a subset: F_lin <= F_relu",
                "a minimum over a subset is not smaller",
            ),
            Lemma(
                "softmax error t = x sqrt((K-1)/K)/sqrt(n) of a live class, whatever the other sizes, margin "
                "log((K-1)(1/t - 1))",
                "DA24-03",
            ),
            Identity(
                "(K-1)(1/t - 1) = K sqrt(n (K-1)/K)/x - (K-1)",
                (c * (1 / (x * sp.sqrt(c / ((c + 1) * n))) - 1)),
                (c + 1) * sp.sqrt(n * c / (c + 1)) / x - c,
            ),
            Identity(
                "which is 1 at n = x^2 K/(K-1)",
                ((c + 1) * sp.sqrt(n * c / (c + 1)) / x - c).subs(n, x**2 * (c + 1) / c),
                sp.Integer(1),
            ),
            Positive(
                "and increases with n: K sqrt(n (K-1)/K)/x, squared", ((c + 1) ** 2 * (n + extra) * c / (c + 1)) / x**2
            ),
        )
    )


STEP = Problem.ce([(11, 2), (5, 2)], 1).at("35/8")
"""x^2 = 4.375: linear features separate the minority of size 5, nonnegative ones need n > 5.83."""
SMALL = Problem.ce([4, 2, 2], 1)

relu_against_linear = Claim(
    id="XP26-05",
    title="Nonnegative features die where linear ones only begin to merge",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{linear: a cluster of } k \geq 2 \text{ classes of size } n \text{ merges} \iff n \leq x^2;\qquad"
        r" H \geq 0:\ \bar h_k = 0 \iff n_k \leq \frac{K}{K-1} x^2",
        r"x^2 < n \leq \frac{K}{K-1} x^2:\ \text{dead with } H \geq 0 \text{, separate without};\qquad"
        r" f^*_{\mathrm{lin}} \leq f^*_{\mathrm{relu}}",
        r"H \geq 0:\quad z_{kk} - z_{jk} = \log\left(K \sqrt{n_k (K-1)/K}/x - (K-1)\right) \text{ if alive: survivors"
        r" ignore each other}",
    ),
    relations=(
        sp.Equivalent(dead, x >= sp.sqrt(n)),
        sp.Equivalent(dead, n_relu <= x**2 * K / (K - 1)),
        sp.Le(F_lin, F_relu, evaluate=False),
        sp.Eq(own_margin, survivor(), evaluate=False),
    ),
    read=both_readings,
    companions=lambda problem: (relu(problem),),
    hypotheses=(
        LINEAR,
        unbiased("a bias moves no merging threshold (HL23-04), and nonnegative features have no closed form with one"),
        PLAIN,
        WIDE,
    ),
    witness=STEP,
    family=Family(bias=("none",), near=("merge",)),
    settings=(*beside(SMALL, "4/3"), SMALL.at(3), Problem.ce([6, 6], 1).at(4), Problem.ce([(9, 3)], "0.02")),
    derivation=thresholds_derivation,
    rests_on=frozenset({"HL23-04", "DA24-03", "DA24-07"}),
    required="proved",
    mutants=(
        Mutant(
            "factor (K-1)/K",
            relations=(sp.Equivalent(dead, n_relu <= x**2 * (K - 1) / K),),
            problem=STEP,
        ),
        Mutant("equal thresholds", relations=(sp.Equivalent(dead, n_relu <= x**2),), problem=STEP),
        Mutant(
            "linear clusters merge at the threshold of nonnegative features",
            relations=(sp.Equivalent(dead, n <= x**2 * K / (K - 1)),),
            problem=STEP,
        ),
        Mutant("f_relu <= f_lin", relations=(sp.Le(F_relu, F_lin, evaluate=False),), problem=STEP),
        Mutant(
            "margins of linear features, sqrt(n) for sqrt(n (K-1)/K)",
            relations=(sp.Eq(own_margin, survivor(sp.sqrt(n_relu)), evaluate=False),),
            problem=Problem.ce([(9, 3)], "0.02"),
        ),
    ),
    source="derived here",
)
