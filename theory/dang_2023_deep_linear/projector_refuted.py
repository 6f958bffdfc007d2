"""Equal sizes, too few dimensions: the best approximation of rank R is not unique, lengths differ (DA23-28)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, dead, n

R = sp.Symbol("R", positive=True)
"""Rank budget."""
first, second, trace = sp.symbols("ww_most ww_least trace_Z", real=True)
"""Squared lengths of the longest and the shortest row of P at one minimiser; trace of Z."""


def bottleneck_readings(optimum: Optimum) -> Iterator[Reading]:
    """Lengths of rows of P at each minimiser that the route knows; whether it is unique (``dead``), its trace.

    Examples
    --------
    >>> (reading,) = bottleneck_readings(Optimum(HALF, "exact", facts={"unique": False}))
    >>> reading[dead], reading[R]
    (False, 1)
    """
    problem, facts = optimum.problem, optimum.facts
    free = problem.bias == "free"
    common: dict[sp.Symbol, Any] = {
        **mse.mse_parameters(problem),
        n: rational(problem.clusters[0].size),
        R: sp.Integer(mse.budget(problem, free)),
    }
    mode = mse.label_modes(problem, free)[0]
    known = {**common, dead: facts.get("unique")}
    if facts.get("trace") is not None and mode.state == "alive":
        known |= {trace: facts["trace"], mse.p: mse.largest_root(problem, mse.p, mode.value)}
    grams = [one["gram_classifier"] for one in facts.get("alternatives") or () if int(one["rank"]) == int(common[R])]
    if facts.get("point_classifier") is not None:
        grams.append(facts["point_classifier"])
    for gram in grams:
        lengths = sorted((gram[k, k] for k in range(problem.K)), key=lambda value: float(value.mid()))
        yield {**common, first: lengths[-1], second: lengths[0]}
    yield known


HALF = Problem.mse([(4, 2)], ["0.02", "0.03"], "0.02", dim=1)
CENTRED = Problem.mse([(4, 3)], ["0.02", "0.01"], "0.02", dim=1, bias="free")
SHALLOW = Problem.mse([(4, 3)], "0.02", "0.05", dim=2)
NARROW = Hypothesis(
    "a layer is too narrow for all modes",
    lambda problem: min(problem.layer_widths) < problem.K - (problem.bias == "free"),
    dropped="with room for all modes the minimiser is unique (DA23-08, DA23-09)",
)
ALIVE = Hypothesis(
    "the modes are alive",
    lambda problem: mse.label_modes(problem, problem.bias == "free")[0].state == "alive",
    dropped="zero is unique; exactly at the threshold see DA23-10",
)

unique = Claim(
    id="DA23-28",
    title="Equal sizes, too few dimensions: the best approximation of rank R is unique",
    kind="structure",
    paper=settings.PAPER,
    status="refuted",
    statement=(
        r"n_k = n,\ R = \min(d_1, \ldots, d_M) < K\ (K - 1 \text{ with a free bias}):\quad \text{the minimiser"
        r" is unique up to rotations of inner spaces}",
        r"\text{all rows of } P \text{ have one length}",
    ),
    relations=(
        sp.Eq(first, second, evaluate=False),
        sp.Equivalent(dead, R <= K),
    ),
    read=bottleneck_readings,
    hypotheses=(
        settings.SQUARED_ONLY,
        Hypothesis("no bias or a free one", lambda problem: isinstance(problem.bias, str), dropped="not looked at"),
        replace(settings.EQUAL, dropped="with different sizes the largest modes are singled out (DA23-17)"),
        NARROW,
        ALIVE,
    ),
    witness=HALF,
    family=Family(
        sizes="balanced", bias=("none", "free"), near=settings.NEAR, model="mse", depths=(1, 2, 3), dims="any"
    ),
    settings=(CENTRED, SHALLOW),
    rests_on=frozenset({"DA23-08", "DA23-09"}),
    required="refuted",
    source="derived here",
    mutants=(
        Mutant(
            "no class is dropped: every row has a tenth of the longest at least",
            relations=(sp.Ge(second, first / 10, evaluate=False),),
            problem=HALF,
        ),
        Mutant(
            "the trace depends on the choice: R p (K-1)/K",
            relations=(sp.Eq(trace, R * mse.p * (K - 1) / K, evaluate=False),),
            problem=HALF,
        ),
    ),
    note="The minimisers are all rank-R projectors Pi (Pi 1 = 0 with a free bias), Z = p Pi up to the bias: trace R p "
    "and Pi^2 = Pi do not depend on the choice, lengths and angles do. Without a bias Pi = diag(1, .., 1, 0, .., 0) "
    "drops K - R classes entirely.",
)
