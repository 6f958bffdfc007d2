"""Another loss or knobs: bounds and states of a point, from the kernel where it has the conjugate, else from floats.

``facts`` of an optimum with ``Problem.key`` ``loss``, by name:

* ``predictions`` (K, K) balls of p_k = grad Om(u_k) in column k; for a loss without a potential target plus gradient.
* ``contrast_values`` per cluster, balls of the eigenvalue of the dual matrix on contrasts, over lam (over its norm
  under budgets): below 1 where the cluster merges, 1 where it does not; None for a cluster of one class.
* ``multiplier`` (``layer-peeled``) ball of the norm of the gradient in Z, the multiplier of the nuclear budget.
* ``loss_values`` (K,) balls of the losses, weights excluded (losses without a conjugate in the kernel).

``point`` holds W (K, d), one mean feature per class in H (d, K), and b.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from theory.optimum import Optimum, Point, State
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.dual import svd
from verify.kernel import Outcome
from verify.kernel.core import Undecided, count_above
from verify.loss import Floats, averaged, certificate, covered

__all__ = ["assessed", "convex_bound", "optimum_of"]

Array = NDArray[Any]
DIGITS = 16
ALLOWANCE = 1e-13
"""Relative rounding allowed for in a value."""
SETTLED = 1e-6
"""A contrast of floats counts as zero, or an eigenvalue as below 1, beyond this."""


def optimum_of(
    problem: Problem, route: str, data: dict[str, Any], outcome: Outcome, work: dict[str, Any], point: Point | None
) -> Optimum:
    """What the kernel proved, as an optimum."""
    K = problem.K
    known: dict[str, Any] = {
        "lower": outcome.lower,
        "upper": outcome.upper,
        "reason": outcome.reason,
        "work": {"certificate": data, "precision": outcome.precision} | work,
        "point": point,
        "bias": np.array([arb(0)] * K, dtype=object) if problem.bias == "none" else None,
        "contrasts": tuple(outcome.contrasts or [None] * len(problem.clusters)),
        "rank": outcome.rank or (0, min(problem.dim, K)),
    }
    if not outcome.found:
        return Optimum(problem, route, **known)
    p = np.array(outcome.found["predictions"], dtype=object)
    z = np.array(outcome.found["logits"], dtype=object)
    if all(x.is_finite() for x in z.ravel()):
        known["logits"] = z
    zero, clusters = outcome.zero or [None], problem.clusters
    if None not in zero:
        known["zero"] = tuple(sorted(k for c, dead in zip(clusters, zero, strict=True) if dead for k in c.members))
        if all(zero):
            known["logits"] = np.array([[arb(0)] * K for _ in range(K)], dtype=object)
    states = known["contrasts"]
    if problem.model != "ce-relu" and all(s is not None for s in states):
        together = tuple(tuple(c.members) for c, s in zip(clusters, states, strict=True) if s == "dead")
        known["merged"] = (tuple(range(K)),) if zero and all(zero) else together
    with precision(outcome.precision):
        facts = {"predictions": p} | _eigenvalues(problem, p)
        unique = problem.model != "ce-relu" and not outcome.found["shifted"]  # else logits stand for Z + 1 c^T
        if known.get("logits") is not None and unique:
            known |= _spectral(problem, known["logits"])
    return Optimum(problem, route, facts=facts, **known)


def _eigenvalues(problem: Problem, p: Array) -> dict[str, Any]:
    """Contrast values, and the multiplier under budgets."""
    peeled, top = problem.model == "layer-peeled", max(problem.sizes)
    found: dict[str, Any] = {}
    if peeled:
        found["multiplier"] = _norm(problem, p)
    unit = found["multiplier"] if peeled else ball(problem.lam2).sqrt()
    values: list[Any] = []
    for c in problem.clusters:
        if c.classes == 1:
            values.append(None)
            continue
        k, j = c.members[:2]
        slope = (ball(problem.scaling) * ball(c.size / top).log()).exp() / ball(problem.loss_temperature)
        mass = c.size * c.weight / problem.N
        column = arb(1) if peeled else ball(c.size * c.feature_decay * c.row_decay).sqrt()
        rest = ball(problem.contrast(c)) - (p[k, k] - p[j, k])
        values.append(ball(mass) * slope * rest / column / unit)
    return found | {"contrast_values": tuple(values)}


def _norm(problem: Problem, p: Array) -> Any:
    """Norm of the gradient in Z under budgets: of its midpoint, to float accuracy and checked, plus its radius."""
    K = range(problem.K)
    top = max(problem.sizes)
    rows = []
    for j in K:
        slope = (ball(problem.scaling) * ball(problem.sizes[j] / top).log()).exp() / ball(problem.loss_temperature)
        rows.append(
            [
                slope
                * (ball(problem.target_columns[k][j]) - p[j, k])
                * ball(problem.sizes[k] * problem.weights[k] / problem.N)
                for k in K
            ]
        )
    if not all(x.is_finite() for row in rows for x in row):
        return arb("nan")
    M = arb_mat(rows)
    radius = sum((x.rad() ** 2 for x in M.entries()), arb(0)).sqrt().upper()
    middle = float(svd(np.array([[float(x.mid()) for x in row] for row in rows]))[1][0])
    for width in (1e-14, 1e-12, 1e-9, 1e-6):
        low, high = arb(middle * (1 - width)), arb(middle * (1 + width))
        try:
            if count_above(M.mid(), high) == 0 and count_above(M.mid(), low) > 0:
                return arb((low + high) / 2).mid() + arb(0, 1) * ((high - low) / 2 + radius).upper()
        except Undecided:  # a pivot holds both signs: wider
            continue
    return arb("nan")


def _spectral(problem: Problem, Z: Array) -> dict[str, Any]:
    """Singular values of Z D^(1/2), from floats with the Frobenius radius (Weyl)."""
    sizes = np.array([float(n) for n in problem.sizes])
    middle = np.array([[float(z.mid()) for z in row] for row in Z]) * np.sqrt(sizes)
    values = svd(middle)[1]
    radius = sum((z.rad() ** 2 * ball(n) for row in Z for z, n in zip(row, problem.sizes, strict=True)), arb(0)).sqrt()
    slack = radius.upper() + arb(1e-14 * problem.K * float(values[0] + 1e-300))
    return {"singular_values": np.array([arb(float(v)) + arb(0, 1) * slack for v in values], dtype=object)}


# --- points of descents --------------------------------------------------------------------------------------------


def assessed(
    problem: Problem, route: str, value: float, point: Point, work: dict[str, Any], q: Array | None = None
) -> Optimum:
    """Bounds and states of a point (W, H one column per class, b) with a value, and a dual point q where one is known.

    The kernel proves them where it has the conjugate of the loss. Elsewhere: a convex loss gives a lower bound from
    its gradient at the point; the states come from floats, and only where both tests of them agree clearly.
    """
    floats = Floats(problem)
    Z = point.W @ point.H + point.b[:, None]
    upper = arb(value) + arb(0, 1) * arb(abs(value) * ALLOWANCE)
    if covered(problem):
        try:
            q = averaged(problem, floats.predictions(Z) if q is None else q)
            data, outcome = certificate(problem, point.W, point.H, q, DIGITS, point.b)
            return optimum_of(problem, route, data, outcome, work, point)
        except ValueError as error:
            return Optimum(problem, route, upper=upper, point=point, reason=str(error), work=work)
    lower = convex_bound(problem, point, value) if floats.loss.convex else None
    reason = ""
    if lower is None:
        reason = f"no lower bound is known for the loss {problem.loss}" + (
            "" if problem.bias == "none" else " with a bias"
        )
    centre = averaged(problem, Z)
    wide = arb(0, 1) * arb(float(np.abs(Z - centre).max()) + 1e-6)
    states, values = _float_states(problem, floats, centre)
    facts = {
        "predictions": np.array(
            [[arb(float(x)) + wide for x in row] for row in floats.predictions(centre)], dtype=object
        ),
        "contrast_values": values,
        "loss_values": np.array([arb(float(x)) + wide for x in floats.values(centre)[0]], dtype=object),
    }
    logits = np.array([[arb(float(x)) + wide for x in row] for row in centre], dtype=object)
    bias = np.array([arb(float(x)) for x in point.b], dtype=object)
    if problem.bias != "none":
        logits = None  # type: ignore[assignment]
    return Optimum(
        problem,
        route,
        lower=lower,
        upper=upper,
        logits=logits,
        bias=bias,
        contrasts=states,
        facts=facts,
        point=point,
        reason=reason,
        work=work,
    )


def convex_bound(problem: Problem, point: Point, value: float) -> Any:
    """Lower bound by the gradient of a convex loss at a point, in floats.

    With M minus the gradient of the losses in X, the losses are at least their value at the point minus <M, X - X_0>,
    and lam|X|_* >= <M, X> - (|M| - lam)_+ |X|_*, where lam|X|_* is at most the value at the point for a minimiser.
    """
    floats = Floats(problem)
    if problem.model != "ce" or problem.bias != "none":
        return None
    Z = point.W @ point.H
    losses, M = floats.values(Z)[0], floats.dual(Z)
    excess = max(0.0, float(svd(M)[1][0]) / floats.lam - 1)
    bound = float(floats.masses @ losses) + float((M * floats.scaled(Z)).sum()) - excess * value
    return arb(bound) + arb(0, 1) * arb(abs(value) * ALLOWANCE * problem.K)


def _float_states(problem: Problem, floats: Floats, Z: Array) -> tuple[tuple[State, ...], tuple[Any, ...]]:
    """A contrast is alive if it is far from 0 and its eigenvalue is lam, dead if it is 0 and that is below."""
    states: list[State] = []
    values: list[Any] = []
    M = floats.dual(Z)
    unit = float(svd(M)[1][0]) if problem.model == "layer-peeled" else floats.lam
    for c in problem.clusters:
        if c.classes == 1:
            states.append("absent")
            values.append(None)
            continue
        k, j = c.members[:2]
        gap, ratio = float(Z[k, k] - Z[j, k]), float(M[k, k] - M[j, k]) / unit
        values.append(arb(ratio) + arb(0, 1) * arb(SETTLED))
        if problem.model == "ce-relu":
            size = float(np.linalg.norm(Z[:, k]))
            column = float(np.linalg.norm(M[:, k])) / unit
            state: State = "alive" if gap > 1e-4 else "dead" if size < SETTLED and column < 1 - SETTLED else None
        else:
            near = abs(ratio - 1) < 1e-4
            state = "alive" if gap > 1e-4 and near else "dead" if abs(gap) < SETTLED and ratio < 1 - SETTLED else None
        states.append(state)
    return tuple(states), tuple(values)
