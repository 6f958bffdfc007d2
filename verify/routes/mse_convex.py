"""Model ``mse`` with one layer as a nuclear-norm program on the full K x K logits, with a dual bound of its own.

With X = Z D^(1/2) and E = X + b sqrt(n)^T - D^(1/2) the program is

    min (1/(2N))|E|^2 + lam |X|_* + (lambda_b/2)|b|^2,     lam^2 = lambda_w lambda_h,

and every Y with |Y|_op <= lam (for a free bias Y sqrt(n) = 0) bounds it below by
-<Y, D^(1/2)> - (N/2)|Y|^2 - |Y sqrt(n)|^2/(2 lambda_b).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, State
from theory.problem import Problem
from verify.routes.conic import SOLVERS, first_optimal, run

__all__ = ["assess", "solve"]

Array = NDArray[Any]
LARGEST = 12
ALLOWANCE = 1e-14
"""Relative rounding allowed for in both bounds."""


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """The optimum from cvxpy with bounds from duality (route ``convex``).

    Parameters
    ----------
    problem : model ``mse`` with at most 12 classes and one layer.
    seed, avoid : unused; nothing is random, and no claim is relied on.

    Examples
    --------
    >>> optimum = solve(Problem.mse([9, 6, 4], "0.02"))
    >>> optimum.upper.str(7, radius=False), optimum.work["status"]
    ('0.1375898', 'optimal')
    """
    if problem.depth > 1:
        reason = "with several layers the weight decays amount to a Schatten quasi-norm of the logits: not convex"
        return Optimum(problem, "convex", reason=reason)
    if problem.K > LARGEST:
        return Optimum(problem, "convex", reason="too large for this route")

    def attempt(name: str) -> Optimum | str:
        Z, b, work = _conic(problem, name)
        if work["status"] != "optimal":
            return str(work["status"])
        return Optimum(problem, "convex", work=work, **assess(problem, Z, b))

    return first_optimal(problem, SOLVERS, attempt)


def _conic(problem: Problem, solver: str) -> tuple[Array, Array, dict[str, Any]]:
    import cvxpy as cp  # a slow import

    K, N, roots = problem.K, float(problem.N), np.sqrt([float(n) for n in problem.sizes])
    unit = float(roots.max())  # X and b in units of the largest singular value
    X, b = cp.Variable((K, K)), cp.Variable(K)
    miss = X - np.diag(roots / unit)
    if problem.bias != "none":
        miss = miss + cp.reshape(b, (K, 1), order="C") @ (roots / unit).reshape(1, K)
    objective = cp.sum_squares(miss) / 2 + math.sqrt(float(problem.lam2)) * N / unit * cp.normNuc(X)
    if isinstance(problem.bias, Fraction):
        objective = objective + float(problem.bias) * N / unit**2 / 2 * cp.sum_squares(b)
    program = cp.Problem(cp.Minimize(objective), [b == 0] if problem.bias == "none" else [])
    work = run(program, solver)
    if work["status"] != "optimal":
        return np.zeros((0, 0)), np.zeros(0), work
    Z, bias = np.asarray(X.value) * unit / roots, np.asarray(b.value) * (problem.bias != "none")
    return Z, bias, work


def assess(problem: Problem, Z: Array, b: Array) -> dict[str, Any]:
    """Bounds from a point of the program, and what the gap says about every minimiser.

    Strong convexity: (1/(2N))|E - E*|^2 and (lambda_b/2)|b - b*|^2 are at most the gap. Free bias: E* sqrt(n) = 0 and
    Z* n = 0, so b* = (E* + D^(1/2)) sqrt(n)/N. Gram matrices by |(A^T A)^(1/2) - (B^T B)^(1/2)| <= sqrt(2)|A - B|.

    Parameters
    ----------
    problem : model ``mse`` with one layer.
    Z, b : logits without bias, and bias.

    Returns
    -------
    dict
        Fields of an :class:`theory.optimum.Optimum`; a lower bound alone where the dimension may be too small.

    Examples
    --------
    >>> found = assess(Problem.mse([8, 2], "1/10"), np.zeros((2, 2)), np.zeros(2))
    >>> float(found["lower"]) < float(found["upper"])
    True
    """
    K, N, roots = problem.K, float(problem.N), np.sqrt([float(n) for n in problem.sizes])
    lam = math.sqrt(float(problem.lam2))
    if problem.bias == "free":
        shift = Z @ roots**2 / N
        Z, b = Z - shift[:, None], b + shift
    X, E = Z * roots, (Z + b[:, None] - np.eye(K)) * roots
    values = np.linalg.svd(X, compute_uv=False)
    lambda_b = float(problem.bias) if isinstance(problem.bias, Fraction) else 0.0
    upper = float((E**2).sum()) / (2 * N) + lam * float(values.sum()) + lambda_b / 2 * float(b @ b)
    lower = _dual(E, roots, lam, problem.bias) - ALLOWANCE * upper
    gap = max(upper - lower, 0.0) + ALLOWANCE * upper
    near_b = {"none": 0.0, "free": math.sqrt(2 * gap)}.get(
        str(problem.bias), math.sqrt(2 * gap / lambda_b) if lambda_b else 0
    )
    near = math.sqrt(2 * N * gap) + near_b * math.sqrt(N)
    pull = np.linalg.svd(E, compute_uv=False)
    least = int((values > near).sum())
    most = int((pull >= lam * N - math.sqrt(2 * N * gap)).sum())
    if problem.dim < most:
        return {
            "lower": arb(lower),
            "reason": f"d = {problem.dim} is below the possible rank {most}: a lower bound only",
        }
    known = {"lower": arb(lower), "upper": arb(upper, ALLOWANCE * upper), "rank": (least, most)}
    return known | _matrices(problem, Z, near) | {"bias": _balls(b, np.full(K, near_b))}


def _matrices(problem: Problem, Z: Array, near: float) -> dict[str, Any]:
    """What follows from logits with |(Z - Z*) D^(1/2)| <= near."""
    K, roots = problem.K, np.sqrt([float(n) for n in problem.sizes])
    products, ratio = np.outer(roots, roots), math.sqrt(float(problem.lambda_w / problem.lambda_h))
    left, sigma, right = np.linalg.svd(Z * roots)
    logits = _balls(Z, np.broadcast_to(near / roots, (K, K)))
    return {
        "logits": logits,
        "contrasts": _states(problem, logits),
        "gram_features": _balls((right.T * sigma) @ right * ratio / products, 1.5 * near * ratio / products),
        "gram_classifier": _balls((left * sigma) @ left.T / ratio, np.full((K, K), 1.5 * near / ratio)),
        "singular_values": _balls(sigma, np.full(K, near)),
        "facts": {"trace": arb(float(np.trace(Z)), near * float((1 / roots).sum()))},
    }


def _dual(E: Array, roots: Array, lam: float, bias: Any) -> float:
    """Best multiple of E/N as a dual point."""
    N = float(roots @ roots)
    Y = E / N
    if bias == "free":
        Y = Y - np.outer(Y @ roots, roots) / N
    slope, bend = -float(np.diagonal(Y) @ roots), N * float((Y**2).sum())
    if isinstance(bias, Fraction):
        bend += float(((Y @ roots) ** 2).sum()) / float(bias)
    largest = lam / max(float(np.linalg.norm(Y, 2)), 1e-300)
    t = max(0.0, min(largest * (1 - 1e-15), slope / bend if bend > 0 else 0.0))
    return t * slope - t * t * bend / 2


def _states(problem: Problem, logits: Array) -> tuple[State, ...]:
    """Classes with logits certainly not zero are alive; no gap proves a zero."""
    alive = [any(z > 0 or z < 0 for z in logits[:, k]) for k in range(problem.K)]
    return tuple("alive" if all(alive[k] for k in c.members) else None for c in problem.clusters)


def _balls(values: Array, radii: Array) -> Array:
    pairs = zip(values.ravel().tolist(), np.asarray(radii).ravel().tolist(), strict=True)
    return np.array([arb(x, r) for x, r in pairs], dtype=object).reshape(values.shape)
