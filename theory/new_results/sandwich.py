"""NR26-16: the linear optimum lies between two closed forms, the ReLU optima at lam and at lam sqrt((K-1)/K)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.new_results.settings import PAPER, no_bias, wide
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, N, lam, n, w

__all__ = ["sandwich"]

f_relu, f_low, f_lower, f_above = sp.symbols("f_relu f_low f_lower f_above", nonnegative=True)
"""ReLU optimum at lam, at lam sqrt((K-1)/K), at lam (K-1)/K, at 1.05 lam sqrt((K-1)/K)."""
balanced_value = sp.Symbol("F_balanced", real=True)
"""The linear optimum where all classes have one size and one weight."""


def relu_optima(problem: Problem) -> tuple[Problem, ...]:
    """The same classes with ReLU features, at lam times 1, sqrt((K-1)/K), (K-1)/K and 1.05 sqrt((K-1)/K).

    Examples
    --------
    >>> [str(p.x2) for p in relu_optima(Problem.ce([2, 2], 1).at(4))]
    ['4', '2', '1', '441/200']
    """
    relu, factor = replace(problem, model="ce-relu"), Fraction(problem.K - 1, problem.K)
    return tuple(
        relu.at(problem.x2 * share) for share in (Fraction(1), factor, factor**2, factor * Fraction(105, 100) ** 2)
    )


def sandwich_readings(optimum: Optimum) -> Iterator[Reading]:
    """The linear optimum and the ReLU optima beside it.

    Examples
    --------
    >>> list(sandwich_readings(Optimum(Problem.ce([2, 1], 1), "exact")))
    []
    """
    if optimum.lower is None or optimum.upper is None:
        return
    value = optimum.lower.union(optimum.upper)
    reading = {F: value}
    if len(optimum.problem.clusters) == 1:
        reading[balanced_value] = value
    for symbol, other in zip((f_relu, f_low, f_lower, f_above), optimum.companions, strict=False):
        if other.lower is not None and other.upper is not None:
            reading[symbol] = other.lower.union(other.upper)
    yield reading


def sandwich_derivation() -> Derivation:
    """The ReLU dual point is feasible for the linear problem at the larger decay."""
    err, c = sp.symbols("err c", positive=True)
    om = n * w / N
    theta = om * err * (c + 1) / c / sp.sqrt(n)
    largest = lam * sp.sqrt(n * c / (c + 1)) / om
    return Derivation(
        steps=(
            Lemma("left: H >= 0 only restricts", "a minimum over a subset"),
            Lemma(
                "the ReLU optimum has y_k - p_k = err_k (e_k - 1/K) K/(K-1), one-hot or smoothed, with err_k <= t_k = "
                "lam sqrt(n_k (K-1)/K)/om_k, and value sum_k om_k Ent(p_k)",
                "NR26-13",
            ),
            Identity(
                "column k of (Y - P) diag(om) D^(-1/2) is theta_k (e_k - 1/K): entry k, with K = c + 1",
                theta * (1 - 1 / (c + 1)),
                om * err / sp.sqrt(n),
            ),
            Identity("and every other entry", -theta / (c + 1), -om * err / c / sp.sqrt(n)),
            Identity("err <= t gives theta <= lam sqrt(K/(K-1))", theta.subs(err, largest), lam * sp.sqrt((c + 1) / c)),
            Lemma("the matrix P diag(theta) has operator norm at most max theta", "P is a projection"),
            Lemma(
                "so it is feasible for the dual of the nuclear-norm problem at lam sqrt(K/(K-1)), whose objective is "
                "sum_k om_k Ent(p_k): the linear value there is at least f_relu(lam)",
                "HL23-01 and weak duality",
            ),
            Identity(
                "balanced and alive: the singular value of the ReLU logits M P is M sqrt(n); penalties agree, "
                "lam' (K-1) sqrt(n) M = K lam sqrt(n (K-1)/K) M at lam' = lam sqrt(K/(K-1))",
                lam * sp.sqrt((c + 1) / c) * c,
                (c + 1) * lam * sp.sqrt(c / (c + 1)),
            ),
            Positive("the factor exceeds 1", (c + 1) / c - 1),
        )
    )


WITNESS = Problem.ce([14, 6, 5, 1], "0.04")
BALANCED = Problem.ce([(4, 3)], "0.02", "0.05")
PAIR = Problem.ce([9, 9], "0.03")

sandwich = Claim(
    id="NR26-16",
    title="Linear features between two ReLU optima in closed form",
    kind="bound",
    paper=PAPER,
    statement=(
        r"f_{\mathrm{lin}}(\lambda) \leq f_{\mathrm{relu}}(\lambda) \leq"
        r" f_{\mathrm{lin}}\big(\lambda \sqrt{K/(K-1)}\big),\quad \text{so}\quad"
        r" f_{\mathrm{relu}}\big(\lambda \sqrt{(K-1)/K}\big) \leq f_{\mathrm{lin}}(\lambda) \leq"
        r" f_{\mathrm{relu}}(\lambda)",
        r"\text{one size and weight: } f_{\mathrm{relu}}(\lambda) = f_{\mathrm{lin}}\big(\lambda \sqrt{K/(K-1)}\big)",
    ),
    relations=(
        sp.Le(f_low, F, evaluate=False),
        sp.Le(F, f_relu, evaluate=False),
        sp.Eq(balanced_value, f_low, evaluate=False),
    ),
    read=sandwich_readings,
    companions=relu_optima,
    hypotheses=(
        Hypothesis(
            "cross-entropy with free features, weights and label smoothing at most",
            lambda problem: (
                problem.model == "ce"
                and problem.depth == 1
                and problem.loss == "ce"
                and not (problem.adjustment or problem.scaling or problem.targets)
                and problem.loss_temperature == 1
                and all(run.feature_decay == run.row_decay == 1 for run in problem.runs)
            ),
            "the statement names both models, and the ReLU optimum is known in closed form for these knobs only",
        ),
        no_bias("no closed form is known for ReLU features with a bias"),
        wide("below K the ReLU optimum need not be reached (DA24-15)", 0),
    ),
    witness=WITNESS,
    family=Family(bias=("none",), weights=True, model="loss", knobs=("smoothing",)),
    settings=(
        BALANCED,
        PAIR,
        WITNESS.at(20),
        BALANCED.at(3),
        WITNESS.with_loss(smoothing="1/10"),
        BALANCED.with_loss(smoothing="1/5"),
    ),
    derivation=sandwich_derivation,
    rests_on=frozenset({"DA24-01", "NR26-13", "HL23-01"}),
    required="proved",
    mutants=(
        Mutant("factor K/(K-1) in the equality", (sp.Eq(balanced_value, f_lower, evaluate=False),), problem=BALANCED),
        Mutant("a factor 5 percent below", (sp.Le(f_above, F, evaluate=False),), problem=BALANCED),
        Mutant(
            "equality on the left when balanced", (sp.Eq(balanced_value, f_relu, evaluate=False),), problem=BALANCED
        ),
    ),
    source="ours; proved here, novelty not checked",
    note="Two closed bounds on the linear optimum for pairwise different sizes, where no closed form is known.",
)
