"""Within-class collapse, margins and logits; and a margin formula that one weight decay dropped out of.

DA24-17 is the formula of the authors' public evaluation code, registered as the false statement that it is the margin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2024_relu.settings import (
    ALL_ALIVE,
    ALL_DEAD,
    BASIC,
    DIMENSION,
    NARROW,
    ONE_DEAD,
    PAPER,
    STEP,
    WEIGHTED,
    alive_classes,
)
from theory.dang_2024_relu.slacks import E, M, T, c, equality_steps, slack_steps
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import (
    CAP,
    ERROR,
    error,
    lH,
    lW,
    margin,
    n2,
    p_own,
    p_wrong,
    pair_readings,
    relu_margin,
    relu_parameters,
    z_own,
    z_wrong,
)
from theory.symbols import K, N, dead, n, x

spread, spread_dead, spread_alive, spread_narrow = sp.symbols("spread spread_0 spread_1 spread_d", nonnegative=True)
"""sqrt(sum_i |h_i - hbar|^2): always, where every class is dead, where one is alive, where d < K."""


def spread_readings(optimum: Optimum) -> Iterator[Reading]:
    """Distance of the features from their class means, in every minimiser or at the point found.

    Examples
    --------
    >>> list(spread_readings(Optimum(ALL_ALIVE, "exact", spread=0)))[0][spread_alive]
    0
    """
    problem, value = optimum.problem, optimum.spread
    if value is None:
        value = _point_spread(optimum)
    reading: dict[sp.Symbol, Any] = relu_parameters(problem)
    if value is not None:
        reading |= {spread: value, (spread_alive if alive_classes(problem) else spread_dead): value}
        if problem.dim < problem.K:
            reading[spread_narrow] = value
    yield reading


def _point_spread(optimum: Optimum) -> Any:
    """Of the explicit point, when it has one column per sample; None otherwise."""
    problem, point = optimum.problem, optimum.point
    if point is None or problem.N.denominator != 1 or point.H.shape[1] != problem.N or problem.N == problem.K:
        return None
    labels = np.repeat(np.arange(problem.K), [int(size) for size in problem.sizes])
    means = np.stack([point.H[:, labels == k].mean(axis=1) for k in range(problem.K)], axis=1)
    return optimum.upper * 0 + float(np.sqrt(((point.H - means[:, labels]) ** 2).sum()))


def spread_derivation() -> Derivation:
    """For fixed W and b every feature of a class solves the same strictly convex problem."""
    a, b = sp.symbols("a b", real=True)
    gap = sp.Symbol("delta", positive=True)
    return Derivation(
        steps=(
            Lemma("CE(W h, k) is convex in h", "log-sum-exp is convex"),
            Identity(
                "two features a, b of a class: their mean costs less by (lambda_H/4)(a - b)^2 per coordinate",
                lH / 2 * (a**2 + b**2) - lH * ((a + b) / 2) ** 2,
                lH / 4 * (a - b) ** 2,
            ),
            Positive("strictly less unless a = b", lH / 4 * gap**2),
            Lemma(
                "the mean of two nonnegative features is nonnegative: the cone is convex", "convexity of the orthant"
            ),
        )
    )


collapse = Claim(
    id="DA24-02",
    title="Within-class collapse",
    kind="structure",
    paper=PAPER,
    statement=(
        r"h_{k,i} = \bar h_k \text{ for all } i \text{ and } k \text{ at every global minimiser, for every } d",
    ),
    relations=(sp.Eq(spread, 0, evaluate=False),),
    read=spread_readings,
    hypotheses=BASIC,
    witness=ALL_ALIVE,
    family=Family(bias=("none",), near=("zero",), weights=True, model="ce-relu"),
    settings=(ONE_DEAD, ALL_DEAD, NARROW, STEP),
    derivation=spread_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Le(sp.Rational(1, 100), observed, evaluate=False),), problem=problem)
        for text, observed, problem in (
            ("fails for dead classes, by 1/100", spread_dead, ALL_DEAD),
            ("only directions coincide, lengths differ by 1/100", spread_alive, ALL_ALIVE),
            ("needs d >= K: fails by 1/100 below", spread_narrow, ONE_DEAD),
        )
    ),
    source="published (abstract)",
    note="Below the number of alive classes no route bounds the spread of every minimiser; the point that the "
    "nonconvex route finds is looked at instead.",
)


def margin_derivation() -> Derivation:
    """Equality in s1 and s6: logits from margins, probabilities from the inverse of phi'."""
    return Derivation(
        steps=(
            *slack_steps(),
            *equality_steps(),
            Identity(
                "centred column: own logit plus K - 1 wrong ones is 0", c * M / (c + 1) - c * (M / (c + 1)), 0 * M
            ),
            Identity("own minus wrong logit is M", c * M / (c + 1) + M / (c + 1), M),
            Identity("softmax error of an alive class", c / (E + c), T),
            Identity("each wrong class gets t/(K-1)", 1 / (E + c), T / c),
            Identity(
                "M = log((K-1)(sqrt(n)/(N sqrt(lambda_W lambda_H (K-1)/K)) - 1)) inverts t",
                c * (1 / T - 1),
                E,
            ),
            Identity("dead: margin 0, uniform probabilities", (T / c).subs(E, 1), 1 / (c + 1)),
        )
    )


margins = Claim(
    id="DA24-03",
    title="Margins and logits",
    kind="equality",
    paper=PAPER,
    statement=(
        r"W \bar h_k = M_k (e_k - \tfrac1K \mathbf 1),\qquad"
        r" M_k = \log\left((K-1)\left(\frac{\sqrt{n_k}}{N \sqrt{\lambda_W \lambda_H (K-1)/K}} - 1\right)\right)",
        r"\text{softmax error } t_k,\ t_k/(K-1) \text{ for each wrong class; dead class: } M_k = 0, \text{ uniform}",
    ),
    relations=(
        sp.Eq(margin, relu_margin(), evaluate=False),
        sp.Eq(z_own, relu_margin() * CAP, evaluate=False),
        sp.Eq(z_wrong, -relu_margin() / K, evaluate=False),
        sp.Eq(1 - p_own, error(), evaluate=False),
        sp.Eq(p_wrong, error() / (K - 1), evaluate=False),
    ),
    read=pair_readings,
    hypotheses=(*BASIC, DIMENSION),
    witness=ALL_ALIVE,
    family=Family(bias=("none",), near=("zero",), weights=True, model="ce-relu"),
    settings=(ONE_DEAD, ALL_DEAD, STEP, WEIGHTED),
    derivation=margin_derivation,
    rests_on=frozenset({"DA24-01"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(margin, wrong, evaluate=False),), problem=ALL_ALIVE)
        for text, wrong in (
            ("lambda_H missing", relu_margin(N * sp.sqrt(lW * CAP / n))),
            ("ratio lambda_W/lambda_H inside", relu_margin(ERROR * sp.sqrt(lW / lH))),
            ("K instead of K - 1 in front", sp.log(K * (1 / error() - 1))),
            ("n instead of sqrt(n)", sp.log((K - 1) * (1 / (ERROR / sp.sqrt(n)) - 1))),
            ("margins differ over wrong classes", relu_margin() + sp.log(n / n2) / 2),
        )
    ),
    source="published result; constants re-derived",
    note="An elementary logarithm, no Lambert W. Only the product of the decays enters (DA24-17).",
)

CODE = N * sp.sqrt(lH * lW) * sp.sqrt(CAP * lW / lH) / sp.sqrt(n)
"""What the evaluation code has for t, its decays read as 2 lambda_W, 2 lambda_H (it halves them)."""


def code_readings(optimum: Optimum) -> Iterator[Reading]:
    """Pair readings where the class is alive.

    Examples
    --------
    >>> list(code_readings(Optimum(PUBLISHED, "convex")))
    []
    """
    yield from (reading for reading in pair_readings(optimum) if reading[dead] is False)


def code_derivation() -> Derivation:
    """The extra factor cancels lambda_H: what the formula computes instead."""
    return Derivation(
        steps=(
            Identity(
                "sqrt(lambda_W lambda_H) sqrt(lambda_W/lambda_H) = lambda_W", sp.sqrt(lH * lW) * sp.sqrt(lW / lH), lW
            ),
            Identity(
                "it is t of the model with decays (lambda_W, lambda_W)",
                (N * sp.sqrt(lH * lW) * sp.sqrt(c * lW / ((c + 1) * lH)) / sp.sqrt(n)),
                (N * sp.sqrt(lW * lW * c / ((c + 1) * n))),
            ),
            Identity(
                "t of the code over t of the model is sqrt(lambda_W/lambda_H): 1 only for equal decays",
                lW / sp.sqrt(lW * lH),
                sp.sqrt(lW / lH),
            ),
        ),
        complete=False,
        gap="the steps show what the formula computes, which contradicts the statement",
    )


PUBLISHED = Problem.ce([40, 20, 10], "3e-4", "2e-5", model="ce-relu")

code = Claim(
    id="DA24-17",
    title="The evaluation code's margin is the margin",
    kind="equality",
    paper=PAPER,
    statement=(
        r"M_k = \log\left((K-1)\left(\frac{\sqrt{n_k}}"
        r"{N \sqrt{\lambda_H \lambda_W}\, \sqrt{\tfrac{K-1}{K} \lambda_W/\lambda_H}} - 1\right)\right)",
        r"\text{with } \lambda_W, \lambda_H \text{ half the decay constants of the code}",
    ),
    relations=(sp.Eq(margin, sp.log((K - 1) * (1 / CODE - 1)), evaluate=False),),
    read=code_readings,
    hypotheses=(
        *BASIC,
        DIMENSION,
        Hypothesis(
            "all class weights are 1",
            lambda problem: all(run.weight == 1 for run in problem.runs),
            dropped="the formula is for unweighted cross-entropy",
        ),
        Hypothesis(
            "one decay is at least 3/2 of the other",
            lambda problem: not problem.lambda_w * 2 / 3 < problem.lambda_h < problem.lambda_w * 3 / 2,
            dropped="equal decays are the one case where the formula is right",
        ),
    ),
    witness=PUBLISHED,
    settings=(Problem.ce([40, 20, 10], "3e-4", "2e-4", model="ce-relu"),),
    family=Family(bias=("none",), near=("zero",), model="ce-relu"),
    derivation=code_derivation,
    status="refuted",
    required="refuted",
    source="public evaluation code; whether the printed formula has the same factor is not known",
    note="The factor sqrt(lambda_W/lambda_H) cancels lambda_H, so the formula is the margin of decays (lambda_W, "
    "lambda_W) and breaks the scaling law: (W, H) -> (s W, H/s) leaves logits alone and only the product of the "
    "decays may enter. It is right under equal decays only, under every normalisation. Frobenius-normalised metrics "
    "move by a few percent.",
    mutants=tuple(
        Mutant(
            text,
            relations=(sp.Eq(margin, sp.log((K - 1) * (1 / (wrong * sp.sqrt(CAP / n)) - 1)), evaluate=False),),
            problem=PUBLISHED,
        )
        for text, wrong in (
            ("lambda_W/lambda_H inverted", N * lH),
            ("product replaced by lambda_W^2, decays not halved", N * lW / 2),
            ("product replaced by lambda_H^2, decays not halved", N * lH / 2),
            ("ratio enters at a fixed product", x * lH / lW),
        )
    ),
)
