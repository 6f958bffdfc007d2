"""The optimum of model ``uf-svm`` in closed form (TH22-01): logits P = I - J/K, Grams (P D P)^(1/2) and its inverse.

``facts["multipliers"]`` is the (K, K) array of the multipliers of the margins (class k over class c in entry (c, k),
as in the dual of one constraint per sample); the diagonal is minus the sum of the rest of the column.
``facts["orthogonal"]`` says whether two minority classifiers are exactly orthogonal, decided in rational numbers from
the two eigenvalues of P D P that matter, not by the ratio of TH22-14; it is consulted only where balls cannot decide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.routes.enclosure import MAX_LOGITS, expand
from verify.svm import block_table, orthogonal, roots, singular_values

__all__ = ["solve"]

USES = frozenset({"TH22-01", "TH22-02"})
BITS = 320


def solve(
    problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int | None = None
) -> Optimum:
    """The optimum from its closed form; the radius is that of the arithmetic (route ``exact``).

    Parameters
    ----------
    problem : model ``uf-svm``, any dimension.
    seed, avoid : unused; there is nothing but the closed form, ``uses`` says so.
    digits : working precision in digits (default about 90).

    Returns
    -------
    Optimum
        A lower bound only when d < K - 1.

    Examples
    --------
    >>> optimum = solve(Problem.svm([6, 3, 2, 1]))
    >>> optimum.upper.str(12, radius=False), optimum.gram_classifier[0, 0].str(12, radius=False)
    ('5.02660916531', '1.67490482659')
    """
    K, m = problem.K, [c.classes for c in problem.clusters]
    with precision(BITS if digits is None else int(digits * 3.33) + 64):
        found = roots(problem)
        half = [size.sqrt() for size in found.sizes]
        pairs = zip(m, half, strict=True)
        value = sum(((k - 1) * s for k, s in pairs), arb(0)) + sum(
            (found.square[i, i] for i in range(found.square.nrows())), arb(0)
        )
        if problem.dim < K - 1:
            reason = f"d = {problem.dim} is below K - 1 = {K - 1}: no point attains the bound"
            return Optimum(problem, "exact", lower=value, uses=USES, reason=reason)
        zeros = [arb(0)] * len(m)
        known: dict[str, Any] = {}
        if K <= MAX_LOGITS:
            classifier = block_table(found, half, found.Q * found.square * found.Q.transpose())
            inverse = found.Q * found.square.inv() * found.Q.transpose()
            features = expand(problem, block_table(found, [1 / s for s in half], inverse), zeros)[0]
            known = {
                "logits": np.array([[arb(j == k) - 1 / arb(K) for k in range(K)] for j in range(K)], dtype=object),
                "bias": np.array([arb(0)] * K, dtype=object),
                "gram_classifier": expand(problem, classifier, zeros)[0],
                "gram_features": features,
                "singular_values": singular_values(problem, classifier),
                "facts": {"multipliers": -features, "orthogonal": orthogonal(problem)},
            }
    return Optimum(
        problem,
        "exact",
        lower=value,
        upper=value,
        rank=(K - 1, K - 1),
        merged=(),
        zero=(),
        spread=arb(0),
        uses=USES,
        **known,
    )
