"""The optimal value of cross-entropy with nonnegative features, its split, and class weights.

DA24-01 is the Fano bound that six slacks prove, DA24-10 splits it into loss and penalties, DA24-20 puts a weight on
the loss of each class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.dang_2024_relu.settings import (
    ALL_ALIVE,
    ALL_DEAD,
    BASIC,
    CIFAR,
    DIMENSION,
    ENOUGH,
    ONE_DEAD,
    PAPER,
    RELU,
    STEP,
    TIE,
    UNBIASED,
    UNWEIGHTED,
    WEIGHTED,
)
from theory.dang_2024_relu.slacks import (
    ALPHA2,
    GAMMA2,
    KAPPA,
    E,
    M,
    T,
    c,
    equality_steps,
    omega,
    point_steps,
    slack_steps,
    tidy,
)
from theory.derivation import Derivation, Identity
from theory.optimum import Optimum
from theory.relu_observables import (
    CAP,
    ERROR,
    best,
    class_sum,
    error,
    fano,
    feature_square,
    hh,
    lH,
    lW,
    margin,
    pair_readings,
    relu_margin,
    relu_parameters,
    value_bounds,
)
from theory.symbols import F, K, N, dead, lam, n, w

total = sp.Symbol("f_Fano", positive=True)
"""The predicted value: a sum over classes."""
ce, decay_w, decay_h = sp.symbols("CE R_W R_H", real=True)
"""Loss and the two penalties, observed."""
ce_total, half_total = sp.symbols("CE_pred R_pred", real=True)
"""Predicted loss, and predicted value of each penalty."""

SHARE = w * n / N
"""Total loss weight omega_k of a class."""
VALUE = SHARE * fano(error())
PLAIN = VALUE.subs(w, 1)


def value_reader(term: sp.Expr) -> Callable[[Optimum], Iterator[Reading]]:
    """Reader of the value beside the sum over classes of a predicted term.

    Examples
    --------
    >>> (reading,) = value_reader(SHARE)(Optimum(ALL_ALIVE, "convex"))
    >>> reading[total].subs(reading)
    1
    """

    def read(optimum: Optimum) -> Iterator[Reading]:
        yield {
            **relu_parameters(optimum.problem),
            total: class_sum(optimum.problem, term),
            **value_bounds(optimum),
        }

    return read


def value_derivation() -> Derivation:
    """Six slacks bound f from below in every dimension; an explicit point reaches the bound when d >= r."""
    return Derivation(steps=(*slack_steps(), *point_steps()))


value = Claim(
    id="DA24-01",
    title="Optimal value with ReLU features",
    kind="equality",
    paper=PAPER,
    statement=(
        r"f^* = \sum_k \frac{n_k}{N} F_K(\bar t_k),\qquad"
        r" \bar t_k = \min\left(N \sqrt{\tfrac{\lambda_W \lambda_H (K-1)}{K n_k}},\, \tfrac{K-1}{K}\right)",
        r"F_K(t) = -(1-t)\log(1-t) - t \log t + t \log(K-1)",
        r"d \geq \#\{k: \bar t_k < (K-1)/K\} \text{; for every } d \text{ the right side is a lower bound}",
    ),
    relations=(sp.Eq(F, total, evaluate=False), sp.Le(total, best, evaluate=False)),
    read=value_reader(PLAIN),
    hypotheses=(RELU, UNBIASED, UNWEIGHTED, ENOUGH),
    witness=ALL_ALIVE,
    family=Family(bias=("none",), near=("zero",), model="ce-relu"),
    settings=(ONE_DEAD, ALL_DEAD, TIE, STEP, CIFAR),
    derivation=value_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, read=value_reader(term), problem=problem)
        for text, term, problem in (
            ("F_K without t log(K-1)", SHARE * (fano(error()) - error() * sp.log(K - 1)), ALL_ALIVE),
            ("weights 1/K", fano(error()) / K, ALL_ALIVE),
            ("t with K/(K-1)", SHARE * fano(error(ERROR / CAP)), ALL_ALIVE),
            ("t capped at 1", SHARE * fano(error(cap=sp.Integer(1))), ONE_DEAD),
            ("1/N^2", SHARE / N * fano(error()), ALL_ALIVE),
        )
    ),
    source="re-derived; the value was not seen in print",
    note="The hypothesis needed on d is d >= r, the number of alive classes; d >= K is safe. That the point reaches "
    "the bound for d < r is excluded by DA24-15.",
)


def split_readings(optimum: Optimum) -> Iterator[Reading]:
    """Loss and penalties from probabilities and Gram matrices, beside the predicted sums.

    Examples
    --------
    >>> (reading,) = split_readings(Optimum(ALL_ALIVE, "exact"))
    >>> ce in reading, half_total in reading
    (False, True)
    """
    problem = optimum.problem
    reading: dict[sp.Symbol, object] = {
        **relu_parameters(problem),
        ce_total: class_sum(problem, -SHARE * sp.log(1 - error())),
        half_total: class_sum(problem, SHARE * error() * relu_margin() / 2),
    }
    features, classifier = optimum.gram_features, optimum.gram_classifier
    if optimum.logits is not None and features is not None and classifier is not None:
        zero, P = 0 * features[0, 0], optimum.probabilities
        sizes = np.array([_number(zero, size) for size in problem.sizes])
        shares = np.array(
            [_number(zero, n_k * w_k / problem.N) for n_k, w_k in zip(problem.sizes, problem.weights, strict=True)]
        )
        reading |= {
            ce: -(shares * np.log(P.diagonal())).sum(),
            decay_w: _number(zero, problem.lambda_w / 2) * classifier.diagonal().sum(),
            decay_h: _number(zero, problem.lambda_h / 2) * (sizes * features.diagonal()).sum(),
        }
    yield reading


def split_derivation() -> Derivation:
    """Loss and penalties at the minimiser, which the equality cases of the slacks fix."""
    return Derivation(
        steps=(
            *slack_steps(),
            *equality_steps(),
            *point_steps(),
            Identity(
                "the loss of an alive class is phi(M) = -log(1 - t)", tidy(sp.log(1 + c / E)), tidy(-sp.log(1 - T))
            ),
            Identity("of a dead class log K", tidy(-sp.log(1 - c / (c + 1))), sp.log(c + 1)),
            Identity(
                "kappa = omega t: each penalty is half of sum omega t M", (KAPPA / omega) * omega * M / 2, KAPPA * M / 2
            ),
            Identity("both penalties agree class by class", lW * c / (c + 1) * GAMMA2, lH * n * ALPHA2),
            Identity("loss and penalties add to F_K(t)", tidy(-sp.log(1 - T) + T * sp.log(E)), tidy(fano(T, c + 1))),
        )
    )


split = Claim(
    id="DA24-10",
    title="Loss and penalties at the optimum",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\mathrm{CE} = -\sum_{\mathrm{alive}} \frac{n_k}{N} \log(1 - t_k) + \sum_{\mathrm{dead}} \frac{n_k}{N} \log K",
        r"\tfrac{\lambda_W}{2} \|W\|^2 = \tfrac{\lambda_H}{2} \|H\|^2 = \tfrac12 \sum_k \frac{n_k}{N} t_k M_k",
    ),
    relations=(
        sp.Eq(ce, ce_total, evaluate=False),
        sp.Eq(decay_w, half_total, evaluate=False),
        sp.Eq(decay_h, half_total, evaluate=False),
    ),
    read=split_readings,
    hypotheses=(*BASIC, DIMENSION),
    witness=ALL_ALIVE,
    family=Family(bias=("none",), near=("zero",), weights=True, model="ce-relu"),
    settings=(ONE_DEAD, ALL_DEAD, STEP),
    derivation=split_derivation,
    rests_on=frozenset({"DA24-01"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, wrong, evaluate=False),), problem=ALL_ALIVE)
        for text, left, wrong in (
            ("no factor 1/2", decay_w, 2 * half_total),
            ("unequal split, in proportion to the decays", decay_w, 2 * half_total * lW / (lW + lH)),
            ("sign of log(1 - t)", ce, -ce_total),
        )
    ),
)


def weighted_readings(optimum: Optimum) -> Iterator[Reading]:
    """Per class what DA24-20 predicts, and the value beside its sum over classes.

    Examples
    --------
    >>> [reading[w] for reading in weighted_readings(Optimum(WEIGHTED, "convex")) if w in reading][::3]
    [1, 1, 2, 3]
    """
    yield from value_reader(VALUE)(optimum)
    yield from pair_readings(optimum)


weighted = Claim(
    id="DA24-20",
    title="Class-weighted cross-entropy",
    kind="equality",
    paper=PAPER,
    statement=(
        r"t_k = \frac{1}{\omega_k} \sqrt{\lambda_W \lambda_H n_k \tfrac{K-1}{K}},\qquad"
        r" f^* = \sum_k \omega_k F_K(\bar t_k)",
        r"\|\bar h_k\|^2 = \sqrt{\tfrac{(K-1)\lambda_W}{K \lambda_H n_k}} M_k,\quad"
        r" k \text{ alive} \iff \omega_k > \sqrt{\tfrac{K n_k \lambda_W \lambda_H}{K-1}}",
        r"\omega_k = w_k n_k/N \text{ the total loss weight of class } k",
    ),
    relations=(
        sp.Eq(F, total, evaluate=False),
        sp.Eq(margin, relu_margin(), evaluate=False),
        sp.Eq(hh, feature_square(), evaluate=False),
        sp.Equivalent(dead, w <= N * sp.sqrt(K * lW * lH / ((K - 1) * n))),
    ),
    read=weighted_readings,
    hypotheses=(*BASIC, DIMENSION),
    witness=WEIGHTED,
    family=Family(bias=("none",), near=("zero",), weights=True, model="ce-relu"),
    settings=(WEIGHTED.at(3), WEIGHTED.at(12)),
    derivation=lambda: Derivation(steps=(*slack_steps(), *point_steps(), *equality_steps())),
    rests_on=frozenset({"DA24-01"}),
    required="proved",
    mutants=(
        Mutant(
            "omega_k instead of n_k under the root",
            relations=(sp.Eq(margin, relu_margin(lam * sp.sqrt(SHARE * CAP) / SHARE), evaluate=False),),
            problem=WEIGHTED,
        ),
        Mutant(
            "alive iff the weight of one sample exceeds a constant",
            relations=(sp.Equivalent(dead, w / N <= sp.sqrt(K * lW * lH / (K - 1))),),
            problem=WEIGHTED,
        ),
        Mutant("f* weighted by n_k/N", read=value_reader(n / N * fano(error())), problem=WEIGHTED),
    ),
)


def _number(zero: Any, value: Fraction) -> Any:
    """An exact rational in the arithmetic of ``zero`` (ball or float)."""
    return (zero + value.numerator) / value.denominator
