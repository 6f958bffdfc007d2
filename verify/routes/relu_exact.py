"""The optimum of model ``ce-relu`` in closed form: value (DA24-01), margins (DA24-03), lengths (DA24-04)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from flint import arb

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.relu import ClassScalars, alive_classes, class_scalars, classifier_gram, columns, exact_states, fano

__all__ = ["solve"]

BITS = 320
MAX_LOGITS = 64
USES = frozenset({"DA24-01", "DA24-03", "DA24-04"})


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """The optimum from its closed form; the radius is that of the arithmetic (route ``exact``).

    Parameters
    ----------
    problem : model ``ce-relu``, any class weights.
    seed : unused; nothing here is random.
    avoid : unused; there is nothing but the closed form, ``uses`` says so.

    Returns
    -------
    Optimum
        A lower bound only when the dimension is below the number of alive classes, nothing with a bias.

    Examples
    --------
    >>> optimum = solve(Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu"))
    >>> optimum.upper.str(12, radius=False), optimum.contrasts
    ('0.424770080780', ('alive', 'alive', 'alive'))
    """
    if problem.bias != "none":
        return Optimum(problem, "exact", reason="the closed form is that of the model without bias (DA24-14)")
    with precision(BITS):
        scalars = class_scalars(problem)
        multiplicities = [c.classes for c in problem.clusters]
        value = sum(
            (m * s.omega * fano(s.error, problem.K) for m, s in zip(multiplicities, scalars, strict=True)), arb(0)
        )
        if problem.dim < alive_classes(problem):
            reason = f"d = {problem.dim} is below the {alive_classes(problem)} alive classes: a lower bound only"
            return Optimum(problem, "exact", lower=value, uses=USES, reason=reason)
        states, alive = exact_states(problem), alive_classes(problem)
        rank = min(alive, problem.K - 1)
        known = Optimum(
            problem,
            "exact",
            lower=value,
            upper=value,
            contrasts=states,
            rank=(rank, rank),
            exact_contrasts=states,
            exact_zero=alive == 0,
            spread=arb(0),
            uses=USES,
        )
        return _with_arrays(known, scalars) if problem.K <= MAX_LOGITS else known


def _with_arrays(optimum: Optimum, scalars: list[ClassScalars]) -> Optimum:
    problem, K = optimum.problem, optimum.problem.K
    logits = columns(problem, [s.margin * (K - 1) / K for s in scalars], [-s.margin / K for s in scalars])
    P = columns(problem, [1 - s.error for s in scalars], [s.error / (K - 1) for s in scalars])
    squares = [
        ball((K - 1) * problem.lambda_w / (K * problem.lambda_h * c.size)).sqrt() * s.margin
        for c, s in zip(problem.clusters, scalars, strict=True)
    ]
    features = columns(problem, squares, [arb(0)] * len(squares))
    return replace(
        optimum,
        logits=logits,
        bias=np.array([arb(0)] * K, dtype=object),
        gram_features=features,
        gram_classifier=classifier_gram(problem, P, features),
    )
