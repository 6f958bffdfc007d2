"""Weight decay of a product is a power of its singular values; features collapse within every class.

Both hold for all depths, widths and class sizes: they are what reduces the problem to K x K matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Family, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.modes import balance_steps, schatten_steps
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.mse_observables import Lam, M, lH
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import N

penalty, power_sum, wrong_sum, decay, square, own_square, sigma = sp.symbols(
    "R S S_M lambda_m w2_m s2_mi sigma_i", nonnegative=True
)
"""All penalties; sums of sigma^(2/L), sigma^(2/M); decay, squared norm and a squared singular value of one factor."""
G = Lam ** (1 / (M + 1))

PROBLEMS = (
    settings.SHALLOW,
    settings.EXAMPLE,
    settings.FOUR,
    settings.WINDOW,
    settings.DEAD,
    settings.GROUPS,
    settings.BALANCED_DEEP,
    Problem.mse([5, 4, 4], ["0.01", "0.03"], "0.02", widths=[2, 4]),
)


def power(value: Any, exponent: Any) -> Any:
    """A nonnegative number to a positive power; for a ball around 0 an interval from 0.

    Examples
    --------
    >>> round(float(power(2.0, 0.5)), 6), power(0.0, 0.5)
    (1.414214, 0.0)
    """
    if value > 0:
        return np.exp(np.log(np.array([value])) * exponent)[0]
    upper = value.abs_upper() if hasattr(value, "abs_upper") else abs(value)
    return (0 * value).union(power(upper, exponent)) if upper > 0 else 0 * value


def penalty_readings(optimum: Optimum) -> Iterator[Reading]:
    """Norms of all factors beside sums over the singular values of X, then one reading per factor and singular value.

    Examples
    --------
    >>> list(penalty_readings(Optimum(settings.EXAMPLE, "convex")))
    []
    """
    problem, values = optimum.problem, optimum.singular_values
    squares, own = optimum.facts.get("factor_squares"), optimum.facts.get("factor_values")
    if values is None or squares is None or own is None:
        return
    zero, depth = 0 * squares[0], problem.depth
    decays = [_ball(zero, decay_) for decay_ in (*problem.layers, problem.lambda_h)]
    shares = [decay_ * square_ for decay_, square_ in zip(decays, squares, strict=True)]
    common = {
        **mse.mse_parameters(problem),
        penalty: sum(shares, zero) / 2,
        power_sum: sum((power(value, _ball(zero, 2) / (depth + 1)) for value in values), zero),
        wrong_sum: sum((power(value, _ball(zero, 2) / depth) for value in values), zero),
    }
    for decay_, square_, row in zip((*problem.layers, problem.lambda_h), squares, own, strict=True):
        factor = {**common, decay: rational(decay_), square: square_}
        yield factor
        for value, square_value in zip(values, row, strict=True):
            if value > 0:
                yield {**mse.mse_parameters(problem), decay: rational(decay_), own_square: square_value, sigma: value}


def _ball(zero: Any, value: Any) -> Any:
    return (zero + value.numerator) / value.denominator


def schatten_derivation() -> Derivation:
    """Horn and AM-GM from below, an even split from above, balance from first-order optimality."""
    return Derivation(steps=(*schatten_steps(), *balance_steps()))


schatten = Claim(
    id="DA23-01",
    title="Weight decay as a Schatten quasi-norm",
    kind="equality",
    paper=settings.PAPER,
    statement=(
        r"\min_{W_M \cdots W_1 H = X} \sum_m \tfrac{\lambda_m}{2} \|W_m\|^2 + \tfrac{\lambda_H}{2} \|H\|^2 = "
        r"\tfrac{L}{2} \Lambda^{1/L} \sum_i \sigma_i(X)^{2/L},\qquad L = M + 1,\ \Lambda = \lambda_H \prod_m "
        r"\lambda_m",
        r"\lambda_m s_i(W_m)^2 = \lambda_H s_i(H)^2 = \Lambda^{1/L} \sigma_i(X)^{2/L},\qquad \lambda_{m+1} "
        r"W_{m+1}^\top W_{m+1} = \lambda_m W_m W_m^\top",
    ),
    relations=(
        sp.Eq(penalty, (M + 1) / 2 * G * power_sum, evaluate=False),
        sp.Eq(decay * square, G * power_sum, evaluate=False),
        sp.Eq(decay * own_square, G * sigma ** (2 / (M + 1)), evaluate=False),
    ),
    read=penalty_readings,
    hypotheses=(replace(settings.SQUARED, dropped="the statement is about X alone and holds for every loss"),),
    witness=settings.DEEP,
    family=Family(bias=("none", "free"), near=settings.NEAR, model="mse", depths=(1, 2, 3), dims="any"),
    settings=PROBLEMS,
    derivation=schatten_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(penalty, wrong, evaluate=False),), problem=settings.DEEP)
        for text, wrong in (
            ("exponent 2/M", (M + 1) / 2 * G * wrong_sum),
            ("constant 1/2", G * power_sum / 2),
            ("G = Lam^(1/M)", (M + 1) / 2 * Lam ** (1 / M) * power_sum),
            ("lambda_H left out of Lam", (M + 1) / 2 * (Lam / lH) ** (1 / (M + 1)) * power_sum),
        )
    ),
    source="classical variational formula; re-derived",
    note="Checked at X = W_M ... W_1 H of the minimisers; the statement holds for every X whose rank fits the widths.",
)

spread, spread_dead, spread_unequal = sp.symbols("v v_dead v_unequal", nonnegative=True)
"""sqrt(sum_i |h_i - hbar_{y_i}|^2); the same where a class is dead, and where the sizes differ."""


def spread_readings(optimum: Optimum) -> Iterator[Reading]:
    """The variation of features within classes.

    Examples
    --------
    >>> list(spread_readings(Optimum(settings.SHALLOW, "nonconvex")))
    []
    """
    if optimum.spread is None:
        return
    reading = {spread: optimum.spread}
    if "dead" in optimum.contrasts:
        reading[spread_dead] = optimum.spread
    if len(optimum.problem.clusters) > 1:
        reading[spread_unequal] = optimum.spread
    yield reading


def collapse_derivation() -> Derivation:
    """Strict convexity in every column of H."""
    z, y, first, second = sp.symbols("z y h_1 h_2", real=True)

    def loss(h: sp.Expr) -> sp.Expr:
        return (z * h - y) ** 2 / (2 * N) + lH / 2 * h**2

    return Derivation(
        steps=(
            Lemma(
                "with all W_m and b fixed, f is a sum over samples of terms in one column of H each",
                "the loss is a sum over samples",
            ),
            Identity(
                "averaging two columns of a class gains ((P (h_1-h_2))^2/N + lambda_H |h_1-h_2|^2)/4 (one coordinate)",
                loss(first) + loss(second) - 2 * loss((first + second) / 2),
                (z**2 / N + lH) * (first - second) ** 2 / 4,
            ),
            Positive("the gain is positive for h_1 != h_2, also where P vanishes", lH / 4),
            Lemma(
                "columns of one class have one and the same strictly convex problem",
                "uniqueness of a strictly convex minimiser",
            ),
        )
    )


collapse = Claim(
    id="DA23-07",
    title="Within-class collapse",
    kind="structure",
    paper=settings.PAPER,
    statement=(
        r"h_{k,i} = \bar h_k \text{ for all } i \text{ in every global minimiser, for every bias, all counts and "
        r"widths}",
    ),
    relations=(sp.Eq(spread, 0, evaluate=False),),
    read=spread_readings,
    hypotheses=(replace(settings.SQUARED, dropped="the same argument holds for every convex loss with lambda_H > 0"),),
    witness=settings.DEEP,
    family=Family(near=settings.NEAR, model="mse", depths=(1, 2), dims="any"),
    settings=(
        settings.SHALLOW,
        settings.WINDOW,
        settings.BIASED,
        settings.BALANCED,
        Problem.mse([3, 2, 2], "0.02", dim=1),
        Problem.mse([4, 2], ["0.02", "0.02"], "0.02", bias="1/2"),
    ),
    derivation=collapse_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Ge(what, sp.Rational(1, 1000), evaluate=False),), problem=problem)
        for text, what, problem in (
            ("features of a class are only parallel", spread, settings.DEEP),
            ("not where a class is dead", spread_dead, settings.SHALLOW_DEAD),
            ("only for equal sizes", spread_unequal, settings.SHALLOW),
        )
    ),
    source="published (abstract)",
)
