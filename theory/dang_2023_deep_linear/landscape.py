"""Squared loss, several layers: the origin is a strict local minimiser, and any set of classes can be alive (DA23-29).

Points with class vectors along different coordinates are evaluated directly from their factors. Factor m has the
singular values (G/lambda_m)^(1/2) s_i, s_i^L = p_i sqrt(n_i); such a point is stationary iff every p_i is 0 or a root
of the mode equation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import chain, combinations
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.largest_root import has_root
from theory.dang_2023_deep_linear.mode_equation import psi
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.mse_observables import Lam, M, mode_symbols, p
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, N, dead, n

largest = sp.Symbol("n_max", positive=True)
"""Largest class size."""
level_found, level = sp.symbols("f_found f_A", nonnegative=True)
"""Objective at a point with the classes of A alive, evaluated from its factors; what the modes of A predict."""
best_level = sp.Symbol("f_other", real=True)
"""The prediction for a set of live classes that is not that of the minimiser."""
slope = sp.Symbol("slope", real=True)
"""Derivative of the objective along the coordinate of a live class, over the decay of the factor."""
STEP = Fraction(1, 10**6)
MOST = 3
"""Most clusters of which all sets are tried."""


def rises(problem: Problem) -> bool:
    """Whether the objective is larger than at the origin at factors that align with the largest class, exactly.

    Every layer has one entry eps/sqrt(lambda_m), at the coordinate of that class; its samples have eps/sqrt(lambda_h n)
    there.
    The objective is f(0) + (L/2) eps^2 - eps^L sqrt(n/Lam)/N + eps^(2L)/(2 N Lam).

    Examples
    --------
    >>> rises(settings.DEEP), rises(settings.SHALLOW), rises(settings.DEAD)
    (True, False, True)
    """
    L, size, total = problem.depth + 1, problem.clusters[0].size, problem.product
    eps = STEP * min(Fraction(1), total)
    quadratic = Fraction(L, 2) + eps ** (2 * L - 2) / (2 * problem.N * total)
    return quadratic**2 > (eps ** (L - 2)) ** 2 * size / (total * problem.N**2)


@lru_cache(maxsize=512)
def alive_sets(problem: Problem) -> tuple[tuple[int, ...], ...]:
    """Sets of clusters whose mode equations have roots.

    Examples
    --------
    >>> alive_sets(settings.WINDOW)
    ((), (0,), (1,), (0, 1))
    """
    rooted = [i for i, cluster in enumerate(problem.clusters) if has_root(problem, cluster.size)]
    return tuple(chain.from_iterable(combinations(rooted, count) for count in range(len(rooted) + 1)))


def level_readings(optimum: Optimum) -> Iterator[Reading]:
    """How the origin looks; then per set of live clusters value and slopes of the stationary point, and the prediction.

    Examples
    --------
    >>> readings = list(level_readings(Optimum(settings.DEEP, "exact")))
    >>> readings[0][dead], sum(level in reading for reading in readings), sum(slope in reading for reading in readings)
    (True, 4, 4)
    """
    problem = optimum.problem
    common = {**mse.mse_parameters(problem), largest: rational(problem.clusters[0].size), **mse.value_readings(optimum)}
    yield {**common, dead: rises(problem)}
    if problem.depth == 1 or len(problem.clusters) > MOST:
        return
    modes = mse.label_modes(problem)
    minimiser = tuple(i for i, mode in enumerate(modes) if mode.state in ("alive", "tie"))
    lower = sp.Rational(problem.depth - 1, 2 * problem.depth)
    for alive in alive_sets(problem):
        roots: dict[sp.Symbol, Any] = {}
        for index, mode in enumerate(modes):
            own, size = mode_symbols(index)
            roots |= {size: mode.value, own: sp.Integer(0)}
            if index in alive:
                roots[own] = mse.largest_root(problem, own, mode.value, lower)
                yield {
                    **common,
                    n: mode.value,
                    p: mse.largest_root(problem, p, mode.value, lower),
                    slope: _slope(problem),
                }
        predicted = mse.total_over_modes(modes, psi)
        reading = {**common, **roots, level: predicted, level_found: _objective(problem, alive)}
        yield reading | ({best_level: predicted} if alive != minimiser else {})


def _objective(problem: Problem, alive: tuple[int, ...]) -> sp.Expr:
    """Loss and penalties of the diagonal point, class by class, in p_i and n_i; H has n_i equal columns per class."""
    total, L = sp.Integer(0), problem.depth + 1
    mean = rational(problem.product) ** sp.Rational(1, L)
    decays = [rational(decay) for decay in (*problem.layers, problem.lambda_h)]
    for index, cluster in enumerate(problem.clusters):
        own, size = mode_symbols(index)
        loss, penalty = size / (2 * rational(problem.N)), sp.Integer(0)
        if index in alive:
            s = (own * sp.sqrt(size)) ** sp.Rational(1, L)
            entries = [s * sp.sqrt(mean / decay) for decay in decays]
            entries[-1] /= sp.sqrt(size)
            loss *= (sp.prod(entries) - 1) ** 2
            weights = [*decays[:-1], decays[-1] * size]
            penalty = sum((weight * e**2 / 2 for weight, e in zip(weights, entries, strict=True)), penalty)
        total += cluster.classes * (loss + penalty)
    return total


def _slope(problem: Problem) -> sp.Expr:
    """Derivative along the entry of a layer over its decay and the entry, in p and n: the same for every layer."""
    L = problem.depth + 1
    s = (p * sp.sqrt(n)) ** sp.Rational(1, L)
    mean = rational(problem.product) ** sp.Rational(1, L)
    return 1 - s ** (L - 2) * (sp.sqrt(n) - s**L) / (rational(problem.N) * mean)


def landscape_derivation() -> Derivation:
    """Expansion at the origin, and gradient and value at diagonal points."""
    depth, eps, extra = sp.symbols("M eps m", positive=True)
    mu, own, s, g = sp.symbols("mu p s G", positive=True)
    value = (s - sp.sqrt(mu)) ** 2 / (2 * N) + (depth + 1) / 2 * g * s ** (2 / (depth + 1))
    return Derivation(
        steps=(
            Lemma(
                "the product of L >= 3 factors is of third order at the origin, so f = f(0) + sum (lambda_m/2)|W_m|^2"
                " + (lambda_H/2)|H|^2 + third order",
                "Taylor's theorem",
            ),
            Positive("the Hessian is the diagonal of the decays, all positive: strict local minimiser", Lam * eps**2),
            Lemma("M = 1: second order is lambda_W |W|^2/2 + lambda_H |H|^2/2 - <W H, Y>/N", "Taylor's theorem"),
            Identity(
                "along a class of n samples, W = eps/sqrt(lambda_W), H = eps/sqrt(lambda_H n)",
                eps**2 / 2 + eps**2 / 2 - n * (eps / sp.sqrt(Lam)) * (eps / sp.sqrt(n)) / N,
                eps**2 * (1 - sp.sqrt(n / Lam) / N),
            ),
            Lemma("largest singular value of Y: sqrt(n_max); at equality f - f(0) is |W H|^2/(2N) along it", "SVD"),
            Positive("n < N^2 Lam: 1 - sqrt(n/Lam)/N > 0, squares with N^2 Lam = n + m", (n + extra) / n - 1),
            Lemma(
                "diagonal factors with balanced entries: the partial derivatives off the diagonal vanish, along the "
                "diagonal all L of them are one equation",
                "gradient of a product",
            ),
            Identity(
                "that equation is the one of the scalar problem in x = s: its slope times N",
                N * sp.diff(value, s),
                s - sp.sqrt(mu) + N * g * s ** (2 / (depth + 1) - 1),
            ),
            Lemma("its zeros are the roots of the mode equation", "DA23-03"),
            Identity(
                "value of a mode at x = p sqrt(mu) where N G x^(2/L) = mu p (1 - p): psi",
                (own * sp.sqrt(mu) - sp.sqrt(mu)) ** 2 / (2 * N) + (depth + 1) / 2 * mu * own * (1 - own) / N,
                mu * (1 - own) * (1 + depth * own) / (2 * N),
            ),
            Lemma("a class outside A: value mu/(2N)", "p = 0"),
        )
    )


HYPOTHESES = (
    replace(settings.SQUARED, dropped="with cross-entropy the points constructed here are not stationary"),
    replace(
        settings.UNBIASED, dropped="with a bias the points constructed here are feasible, but not at their best bias"
    ),
    replace(settings.WIDE, dropped="in narrow layers only the sets with at most R classes fit"),
)
ORIGIN = sp.Or(M >= 2, largest <= N**2 * Lam)

levels = Claim(
    id="DA23-29",
    title="Landscape: the origin, and stationary points of any set of classes",
    kind="structure",
    paper=settings.PAPER,
    statement=(
        r"M \geq 2:\ \text{the origin is a strict local minimiser};\quad M = 1:\ \text{iff } n_{\max} \leq N^2 \Lambda",
        r"M \geq 2,\ A \text{ any set of classes with } t_k < t_{\mathrm{exist}}:\quad \text{a stationary point with"
        r" exactly the classes of } A \text{ alive exists},\quad"
        r" f_A = \sum_{k \in A} \psi(n_k, p_k) + \sum_{k \notin A} \tfrac{n_k}{2N} \geq f^*",
    ),
    relations=(
        sp.Equivalent(dead, ORIGIN),
        sp.Eq(level_found, level, evaluate=False),
        sp.Eq(slope, 0, evaluate=False),
        sp.Le(F, level, evaluate=False),
    ),
    read=level_readings,
    hypotheses=HYPOTHESES,
    witness=settings.WINDOW,
    family=settings.CLASSES,
    settings=(settings.EXAMPLE, settings.SHALLOW, Problem.mse([5, 2], "1/2", "1/3")),
    derivation=landscape_derivation,
    rests_on=frozenset({"DA23-03"}),
    required="proved",
    source="derived here",
    mutants=(
        Mutant(
            "the origin is a saddle whenever a class is alive",
            relations=(sp.Equivalent(dead, largest <= N**2 * Lam),),
            problem=settings.DEEP,
        ),
        Mutant(
            "all local minima are global", relations=(sp.Eq(F, best_level, evaluate=False),), problem=settings.WINDOW
        ),
        Mutant(
            "no class can be alive beyond its threshold",
            relations=(sp.Eq(level_found, sp.Rational(1, 2), evaluate=False),),
            problem=settings.WINDOW,
        ),
    ),
    note="At t_k = t_exist the stationary point is there as well, but it is not a local minimum along its mode. Where "
    "random descents end is numerical evidence only. Of 100 random starts each, L-BFGS reached the minimum "
    "from 100 at M = 1 (sizes 9, 5, 2), 68 and 94 at M = 2 (8, 5; two sets of decays), 25 at M = 3 (9, 6, 4) and 8 at "
    "M = 4 (7, 4, 4); all other ends were levels f_A. Several starts and a constructed one are needed for M >= 2.",
    survivors={
        "strictness: *(relation 4)": "many descents end at the level itself, where floats do not tell",
    },
)
