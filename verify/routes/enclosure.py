"""The optimum in balls: a floating solution is polished, written as a certificate, and proved by the kernel."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum
from theory.problem import Problem
from verify.blocks import BlockPoint
from verify.kernel import Outcome, verify_certificate
from verify.kernel.tables import Blocks
from verify.propose import propose
from verify.routes.exact import solve_blocks
from verify.ties import merged_states, zero_is_minimiser
from verify.two_clusters import solve_two_clusters

__all__ = ["certify", "solve"]

Array = NDArray[Any]
MAX_LOGITS = 64


def certify(problem: Problem, digits: int = 40, avoid: frozenset[str] = frozenset()) -> tuple[dict[str, Any], Outcome]:
    """Certificate of a problem and what the kernel proves from it.

    Parameters
    ----------
    problem : the problem.
    digits : digits of the polished point. Twice as many are tried when a fact stays open though the bounds are that
        narrow.
    avoid : claim IDs that the floating solver may not use.

    Raises
    ------
    ValueError
        If no certificate was found.

    Examples
    --------
    >>> certificate, outcome = certify(Problem.ce([(120, 4), (25, 3)], "0.0105"))
    >>> outcome.rank, outcome.contrasts, outcome.merged
    ((4, 4), ['alive', 'dead'], [False, True])
    """
    start = _start(problem, avoid, digits)
    certificate = propose(problem, start, digits)
    outcome = verify_certificate(json.dumps(certificate))
    narrow = outcome.upper - outcome.lower < outcome.upper * arb(10) ** (5 - digits)
    if narrow and outcome.contrasts and (None in outcome.contrasts or len(set(outcome.rank or ())) == 2):
        certificate = propose(problem, start, 2 * digits)
        outcome = verify_certificate(json.dumps(certificate))
    return certificate, outcome


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """Rigorous bounds, logits, ranks and contrasts of every global minimiser.

    Parameters
    ----------
    problem : the problem; any bias mode, weights and dimension.
    seed : not used (the route is deterministic).
    avoid : claim IDs that the floating solver may not use; the proof itself uses none.
    digits : digits of the certificate.

    Returns
    -------
    Optimum
        ``logits`` is None above 64 classes; ``reason`` says why facts are missing. ``work`` holds the
        certificate (schema ``verify.certificate/1``) and the precision in bits of the balls.

    Examples
    --------
    >>> optimum = solve(Problem.ce([(9, 2), (4, 3)], "0.03"))
    >>> optimum.upper.str(12, radius=False), optimum.rank
    ('0.994356600214', (4, 4))
    """
    try:
        certificate, outcome = certify(problem, digits, avoid)
    except ValueError as why:
        return Optimum(problem, "enclosure", contrasts=(None,) * len(problem.clusters), reason=str(why))
    logits = bias = None
    if outcome.logits is not None and outcome.bias is not None and problem.K <= MAX_LOGITS:
        logits, bias = expand(problem, outcome.logits, outcome.bias)
    return Optimum(
        problem,
        "enclosure",
        lower=outcome.lower,
        upper=outcome.upper,
        logits=logits,
        bias=bias,
        contrasts=tuple(outcome.contrasts or [None] * len(problem.clusters)),  # type: ignore[arg-type]
        rank=outcome.rank or (0, min(problem.dim, problem.K - 1)),
        exact_contrasts=merged_states(problem),
        exact_zero=zero_is_minimiser(problem),
        reason=outcome.reason,
        work={"certificate": certificate, "precision": outcome.precision},
    )


def expand(problem: Problem, blocks: Blocks, values: list[Any]) -> tuple[Array, Array]:
    """Logits (K, K) and bias (K,) in class order from numbers per cluster.

    Examples
    --------
    >>> problem = Problem.ce([(4, 1), (9, 2)], "0.1")
    >>> expand(problem, Blocks([2, 3], [[1, 5], [6, None]]), [7, 8])[0].tolist()
    [[3, 6, 6], [5, 2, 1], [5, 1, 2]]
    """
    owner = {k: c for c, cluster in enumerate(problem.clusters) for k in cluster.members}
    Z = np.empty((problem.K, problem.K), dtype=object)
    for j, h in owner.items():
        for k, c in owner.items():
            Z[j, k] = blocks.own[c] if j == k else blocks.others[h][c]
    return Z, np.array([values[owner[k]] for k in range(problem.K)], dtype=object)


def _start(problem: Problem, avoid: frozenset[str], digits: int) -> BlockPoint | None:
    """Solution in floats; where they do not reach, of two clusters in high precision; else None.

    A start is a guess that the kernel does not trust: whatever formula made it, the proof does not rest on it.
    """
    numbers = [problem.x2, problem.N, *(c.size for c in problem.clusters)]
    try:
        if all(1e-60 < n < 1e60 for n in numbers):
            return solve_blocks(problem, avoid)
        return solve_two_clusters(problem, digits)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):
        return None
