"""Any convex loss with an expression for cvxpy: the program on the full K x K logits, with no symmetry used.

Linear features cost the nuclear norm of S^(1/2) Z G^(1/2) (NR26-01), or are constrained by it; with H >= 0 the sum of
the column norms of Z G^(1/2) (NR26-15) is exact for losses that are symmetric in the wrong classes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.dual import svd
from verify.loss import Floats
from verify.loss_optimum import assessed
from verify.loss_rules import relu_slope
from verify.routes.conic import SOLVERS, first_optimal, run

__all__ = ["solve"]

Array = NDArray[Any]
LARGEST = 10


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset()) -> Optimum:
    """The optimum from cvxpy (route ``convex``).

    Parameters
    ----------
    problem : another loss or knobs, at most 10 classes.
    seed : unused; nothing here is random.
    avoid : under H >= 0 the program rests on NR26-15; nothing is said where that is to be avoided.

    Returns
    -------
    Optimum
        As :func:`verify.loss_optimum.assessed` says; ``work``: solver, status, raw logits ``Z``, multipliers
        as predictions ``q``, the program's ``value``. A loss that is not convex gives only the reason.

    Examples
    --------
    >>> optimum = solve(Problem.ce([(9, 2), (4, 3)], "0.03").with_loss("squared"))
    >>> optimum.work["status"], round(float(optimum.upper), 6)
    ('optimal', 0.2925)
    """
    floats = Floats(problem)
    why = _refusal(problem, floats, avoid)
    if why:
        return Optimum(problem, "convex", reason=why)

    def attempt(name: str) -> Optimum | str:
        Z, b, work = _conic(problem, floats, name)
        return _result(problem, floats, Z, b, work) if work["status"] == "optimal" else str(work["status"])

    return first_optimal(problem, SOLVERS, attempt)


def _refusal(problem: Problem, floats: Floats, avoid: frozenset[str]) -> str:
    if not floats.loss.convex:
        return "this loss is not convex"
    if floats.loss.atom is None:
        return "no convex program is known for this loss"
    if problem.model == "ce-relu" and relu_slope(problem) is None:
        return "with H >= 0 only losses that are symmetric in the wrong classes are a convex program (NR26-15)"
    if problem.model == "ce-relu" and "NR26-15" in avoid:
        return "with H >= 0 the convex program rests on NR26-15"
    if problem.model == "layer-peeled" and not all(problem.weights):
        return "a class of weight 0: this loss is not covered there"
    return "too large for this route" if problem.K > LARGEST else ""


def _conic(problem: Problem, floats: Floats, solver: str) -> tuple[Array, Array, dict[str, Any]]:
    import cvxpy as cp  # a slow import

    K = problem.K
    Z = cp.Variable((K, K))
    has_bias = problem.bias != "none"
    b: Any = cp.Variable((K, 1)) if has_bias else np.zeros((K, 1))
    shift, slope = floats.knobs
    adjusted = cp.multiply(np.outer(slope, np.ones(K)), Z + b @ np.ones((1, K))) + shift
    U = cp.Variable((K, K))
    split = adjusted == U  # its multipliers are the gradient of the losses
    loss = floats.masses @ floats.loss.atom(cp, U, floats.targets)  # type: ignore[misc]
    rows, columns = np.diag(np.sqrt(floats.rows)), np.diag(np.sqrt(floats.columns))
    constraints: list[Any] = [split]
    unit = 1 / min(1.0, max(floats.lam * math.sqrt(float(floats.columns.max())), 1e-6))
    if problem.model == "layer-peeled":
        budget = K * math.sqrt(float(problem.e_w)) * math.sqrt(float(problem.e_h))
        constraints, unit = [split, cp.normNuc(Z) <= budget], 1.0
        objective = loss
    elif problem.model == "ce-relu":
        objective = unit * (loss + floats.lam * cp.sum(cp.norm(Z @ columns, 2, axis=0)))
    else:
        objective = unit * (loss + floats.lam * cp.normNuc(rows @ Z @ columns))
    if isinstance(problem.bias, str):
        constraints += [cp.sum(b) == 0] if has_bias and floats.loss.shift_invariant else []
    else:
        objective = objective + unit * float(problem.bias) / 2 * cp.sum_squares(b)
    program = cp.Problem(cp.Minimize(objective), constraints)
    work = run(program, solver)
    if work["status"] != "optimal":
        return np.zeros((0, 0)), np.zeros(0), work
    bias = np.asarray(b.value).ravel() if has_bias else np.zeros(K)
    found = np.asarray(Z.value)
    q = floats.targets + np.asarray(split.dual_value) / unit / floats.masses
    return found, bias, work | {"Z": found, "value": float(program.value) / unit, "q": q}


def _result(problem: Problem, floats: Floats, Z: Array, b: Array, work: dict[str, Any]) -> Optimum:
    """Bounds and states of the program's solution, as a point (W, H, b) with that product."""
    if problem.model == "ce-relu":
        return _relu(problem, floats, Z, work)
    point = _factors(problem, floats, Z, b)
    return assessed(
        problem, "convex", problem.objective(point.W, point.H, point.b), point, work, _subgradient(floats, work)
    )


def _subgradient(floats: Floats, work: dict[str, Any]) -> Array | None:
    """Where the potential has a kink its prediction comes from the multipliers of the program."""
    if floats.loss.potential != "max":
        return None
    q = np.maximum(work["q"], 0)
    return np.asarray(q / q.sum(axis=0))


def _factors(problem: Problem, floats: Floats, Z: Array, b: Array) -> Point:
    U, S, Vt = svd(floats.scaled(Z))
    d, r = problem.dim, min(problem.dim, problem.K)
    root = np.sqrt(S[:r])
    W, H = np.zeros((problem.K, d)), np.zeros((d, problem.K))
    W[:, :r], H[:r] = U[:, :r] * root, root[:, None] * Vt[:r]
    W, H = W / np.sqrt(floats.rows)[:, None], H / np.sqrt(floats.columns)
    tilt = (float(problem.lambda_h) / float(problem.lambda_w)) ** 0.25
    if problem.model == "layer-peeled":
        sides = [math.sqrt(problem.K * float(e)) for e in (problem.e_w, problem.e_h)]
        norms = float(np.linalg.norm(W)), float(np.linalg.norm(H))
        if norms[0] * norms[1] > 0:
            tilt = math.sqrt(sides[0] * norms[1] / sides[1] / norms[0])
    return Point(W * tilt, H / tilt, b)


def _relu(problem: Problem, floats: Floats, Z: Array, work: dict[str, Any]) -> Optimum:
    """Under H >= 0: one coordinate per class, W = its direction, which NR26-15 says is optimal."""
    sizes = np.linalg.norm(Z, axis=0)
    if np.count_nonzero(sizes > 1e-9) > problem.dim:
        return Optimum(problem, "convex", reason="d is below the number of alive classes")
    alive = [int(k) for k in np.flatnonzero(sizes > 1e-9)]
    W, H = np.zeros((problem.K, problem.dim)), np.zeros((problem.dim, problem.K))
    for i, k in enumerate(alive):
        ratio = float(problem.lambda_h) * floats.columns[k] / float(problem.lambda_w)
        W[:, i] = Z[:, k] / sizes[k] * math.sqrt(sizes[k]) * ratio**0.25
        H[i, k] = math.sqrt(sizes[k]) / ratio**0.25
    point = Point(W, H, np.zeros(problem.K))
    found = assessed(problem, "convex", problem.objective(W, H), point, work, _subgradient(floats, work))
    if found.lower is None:  # the program itself, to its own accuracy
        value = work["value"]
        return replace(found, lower=arb(value) + arb(0, 1) * arb(1e-7 * abs(value)), uses=frozenset({"NR26-15"}))
    return found
