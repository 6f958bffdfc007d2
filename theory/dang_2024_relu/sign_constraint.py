"""What the sign constraint costs: the optimal value with and without H >= 0 (DA24-18)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2024_relu.optimal_value import PLAIN, total
from theory.dang_2024_relu.settings import ALL_ALIVE, BALANCED, BASIC, PAPER, STEP, UNWEIGHTED
from theory.dang_2024_relu.slacks import E, T, c, point_steps, slack_steps, tidy
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.observables import dead_state, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import CAP, class_sum, error, fano, relu_parameters, value_bounds
from theory.symbols import F, K, dead, dead_exact, lam, n

f_free, f_balanced = sp.symbols("f_free f_free_n", nonnegative=True)
"""Optimal value without the sign constraint, as the convex program sees it: any sizes, equal sizes."""
F_n, free_n = sp.symbols("F_n F_free_n", nonnegative=True)
"""Optimal value with the constraint, equal sizes, where the unconstrained model is not collapsed; predicted without."""
g = lam * sp.sqrt(n)


def sign_readings(optimum: Optimum) -> Iterator[Reading]:
    """Both values, and for equal sizes the state of the classes.

    Examples
    --------
    >>> (reading,) = sign_readings(Optimum(BALANCED, "exact", contrasts=("alive",)))
    >>> reading[dead], reading[n]
    (False, 4)
    """
    problem = optimum.problem
    reading: dict[sp.Symbol, Any] = {
        **relu_parameters(problem),
        total: class_sum(problem, PLAIN),
        **value_bounds(optimum),
    }
    equal = len(problem.clusters) == 1
    if optimum.route == "convex" and optimum.lower is not None:
        reading[f_free] = optimum.lower
        if equal:
            reading[f_balanced] = optimum.lower
    if equal:
        size = problem.clusters[0].size
        reading[n] = rational(size)
        if optimum.contrasts:
            reading[dead] = dead_state(optimum.contrasts[0])
        if optimum.exact_contrasts:
            reading[dead_exact] = dead_state(optimum.exact_contrasts[0])
        if F in reading and problem.x2 < size:
            reading |= {F_n: reading[F], free_n: FREE_VALUE}
    yield reading


FREE_VALUE = fano(error((K - 1) * g))


def sign_derivation() -> Derivation:
    """The unconstrained error is (K-1) g, smaller than sqrt(K(K-1)) g, and F_K increases."""
    s, excess = sp.symbols("s e", positive=True)
    a = sp.Symbol("a", positive=True)
    free = c / (c + sp.exp(a))
    return Derivation(
        steps=(
            *slack_steps(),
            *point_steps(),
            Lemma("the points with H >= 0 are among all points, so f*_free <= f*_ReLU", "minimum over a subset"),
            Lemma(
                "equal sizes, no sign constraint: the logits are a (I - J/K) with margin a (convexity, symmetry), "
                "nuclear norm "
                "of Z D^(1/2) equal to sqrt(n)(K-1)a",
                "balanced optimum without the sign constraint (HL23-09)",
            ),
            Identity(
                "its value log(1 + (K-1)exp(-a)) + g (K-1) a has slope 0 where the error is (K-1) g",
                sp.diff(sp.log(1 + c * sp.exp(-a)) + s * a, a),
                s - c * sp.exp(-a) / (1 + c * sp.exp(-a)),
            ),
            Identity("the error as a function of a", c * sp.exp(-a) / (1 + c * sp.exp(-a)), free),
            Identity("the value there is F_K((K-1) g)", tidy(sp.log(1 + c / E) + T * sp.log(E)), tidy(fano(T, c + 1))),
            Positive("sqrt(K(K-1)) > K - 1: squares differ by K - 1", (c + 1) * c - c**2),
            Identity(
                "t = K sqrt(n lambda_W lambda_H (K-1)/K) = sqrt(K(K-1)) g",
                (c + 1) * sp.sqrt(c / (c + 1)) * s,
                sp.sqrt((c + 1) * c) * s,
            ),
            Positive("F_K increases up to (K-1)/K: F_K' = log E > 0 with E = 1 + e", excess),
            Identity(
                "the ReLU classes die at g = sqrt(K(K-1))/K^2, g^2 = (K-1)/K^3",
                (c / (c + 1)) ** 2 / ((c + 1) * c),
                c / (c + 1) ** 3,
            ),
            Positive(
                "which is below 1/K, where the unconstrained ones die: squares", 1 / (c + 1) ** 2 - c / (c + 1) ** 3
            ),
        )
    )


WINDOW = BALANCED.at(3)
"""Between the two thresholds: x^2 of the ReLU model is 8/3, without the constraint 4."""

cost = Claim(
    id="DA24-18",
    title="The sign constraint costs, also for equal sizes",
    kind="ordering",
    paper=PAPER,
    statement=(
        r"f^*_{\mathrm{free}} \leq f^*_{\mathrm{ReLU}}",
        r"n_k = n,\ g = \sqrt{n \lambda_W \lambda_H}:\ f^*_{\mathrm{free}} = F_K((K-1) g) < f^*_{\mathrm{ReLU}}"
        r" = F_K(\sqrt{K(K-1)}\, g) \text{ for } K g < 1",
        r"\text{ReLU features die at } \sqrt{K(K-1)}\, g \geq (K-1)/K, \text{ earlier than } K g \geq 1",
    ),
    relations=(
        sp.Le(f_free, total, evaluate=False),
        sp.Eq(f_balanced, FREE_VALUE, evaluate=False),
        sp.Lt(free_n, F_n, evaluate=False),
        sp.Equivalent(dead, sp.sqrt(K * (K - 1)) * g >= CAP),
    ),
    read=sign_readings,
    hypotheses=(
        *BASIC,
        replace(UNWEIGHTED, dropped="with weights the same order holds, with other formulas"),
        Hypothesis(
            "d is at least K",
            lambda problem: problem.dim >= problem.K,
            dropped="in fewer dimensions the convex value is a bound for both models",
        ),
    ),
    witness=BALANCED,
    family=Family(bias=("none",), near=("zero",), model="ce-relu"),
    settings=(
        ALL_ALIVE,
        STEP,
        WINDOW,
        BALANCED.at("3.9"),
        BALANCED.at(20),
        Problem.ce([(4, 3)], 1, model="ce-relu"),
        Problem.ce([(7, 2)], "0.05", model="ce-relu"),
    ),
    derivation=sign_derivation,
    rests_on=frozenset({"DA24-01", "HL23-09"}),
    required="proved",
    mutants=(
        Mutant("equal values for equal sizes", relations=(sp.Eq(F_n, FREE_VALUE, evaluate=False),), problem=BALANCED),
        Mutant("the constraint helps", relations=(sp.Lt(F_n, FREE_VALUE, evaluate=False),), problem=BALANCED),
        Mutant("same threshold in both models", relations=(sp.Equivalent(dead, K * g >= 1),), problem=WINDOW),
    ),
    survivors={
        "strictness: *(relation 1)": "equal where both models vanish, which only a floating route sees: no tie",
    },
)
