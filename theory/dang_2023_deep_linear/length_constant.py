"""The singular values of W_1 in terms of x_k: the constant is 1 for balanced decays only (DA23-27)."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.gof_structure import OFF_TIE, ROOM
from theory.mse_observables import M, lH, p
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import N, n

square = sp.Symbol("s2_k", nonnegative=True)
"""Observed: k-th squared singular value of W_1."""
l1, rest = sp.symbols("lambda_1 lambda_rest", positive=True)
"""Decay of W_1, product of those of W_2, ..., W_M."""


def layer_readings(optimum: Optimum) -> Iterator[Reading]:
    """The singular values of W_1 of the live classes, largest class first.

    Examples
    --------
    >>> list(layer_readings(Optimum(UNEQUAL, "convex")))
    []
    """
    problem = optimum.problem
    rows = optimum.facts.get("factor_values")
    if rows is None:
        return
    common = {
        **mse.mse_parameters(problem),
        l1: rational(problem.layers[-1]),
        rest: rational(prod(problem.layers[:-1])),
    }
    classes = [index for index, cluster in enumerate(problem.clusters) for _ in range(cluster.classes)]
    for index, value in zip(classes, rows[problem.depth - 1], strict=True):
        found: dict[sp.Symbol, Any] = mse.predicted(problem, index, p)
        if found.get(p, 0) != 0:
            yield {**common, **found, n: rational(problem.clusters[index].size), square: value}


UNEQUAL = Problem.mse([8, 5], ["0.0005", "0.002"], "0.001")
"""M = 2, lambda_1 = 4 lambda_2."""
THREE = Problem.mse([9, 6], ["0.01", "0.02", "0.04"], "0.01")
EVEN = Problem.mse([8, 5], ["0.002", "0.002"], "0.001")
"""Equal decays of the layers: the constant is 1."""

CUBES = N * lH * p / (1 - p)
"""N lambda_H x_k^M with x^M = p/(1-p)."""
CONSTANT = l1 ** (M - 1) / rest
LAW = (
    sp.Eq(CONSTANT * square**M, CUBES, evaluate=False),
    sp.Eq(square, n * p * (1 - p) / (N * l1), evaluate=False),
)
"""What holds instead: DA23-14."""

equal_decays = Claim(
    id="DA23-27",
    title="Lengths of W_1 with the constant 1",
    kind="equality",
    paper=settings.PAPER,
    status="refuted",
    statement=(
        r"\text{every live class}:\quad s_k(W_1)^{2M} = N \lambda_H x_k^M,\quad"
        r" \frac{b}{n_k} = \frac{M x_k^{M-1}}{(1 + x_k^M)^2}",
    ),
    relations=(sp.Eq(square**M, CUBES, evaluate=False),),
    read=layer_readings,
    hypotheses=(*settings.BASIC, ROOM, OFF_TIE),
    witness=UNEQUAL,
    family=settings.CLASSES,
    settings=(THREE, EVEN, settings.SHALLOW),
    rests_on=frozenset({"DA23-14"}),
    required="refuted",
    source="published result; constants re-derived. The authors' code uses the constant 1",
    mutants=(
        Mutant(
            "inverse of the constant", relations=(sp.Eq(square**M / CONSTANT, CUBES, evaluate=False),), problem=UNEQUAL
        ),
        Mutant(
            "lambda_M in the place of lambda_1",
            relations=(sp.Eq(mse.lM ** (M - 1) * mse.lM / (l1 * rest) * square**M, CUBES, evaluate=False),),
            problem=THREE,
        ),
    ),
    note="What holds is c s_k^(2M) = N lambda_H x_k^M with c = lambda_1^(M-1)/(lambda_2 ... lambda_M), so c = 1 for "
    "equal decays of the layers and for M = 1; in short s_k^2 = n_k p_k (1 - p_k)/(N lambda_1). Metrics normalised by "
    "the Frobenius norm do not see the constant.",
)
