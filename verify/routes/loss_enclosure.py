"""Another loss or knobs in balls: a floating solution is polished, written as a certificate, proved by the kernel."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import threadpoolctl
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.kernel import Outcome, verify_certificate
from verify.loss import Floats, averaged, certificate, covered
from verify.loss_optimum import optimum_of
from verify.loss_polish import CUTS, NotConverged, polish
from verify.loss_rules import collapse_square, merged_states
from verify.routes import loss_convex, loss_exact
from verify.routes.loss_nonconvex import LARGEST, Landscape, descents

__all__ = ["certify", "solve"]

Array = NDArray[Any]
FLOAT_DIGITS = 16


def certify(problem: Problem, digits: int = 40) -> tuple[dict[str, Any], Outcome]:
    """Certificate of a problem and what the kernel proves from it.

    Parameters
    ----------
    problem : a loss with a conjugate in the kernel, bias none or penalised, at most 32 classes.
    digits : digits of the polished point; where polishing fails, about 15.

    Raises
    ------
    ValueError
        If no certificate was found.

    Examples
    --------
    >>> problem = Problem.ce([(18, 2), (7, 3)], "0.034", weights=[(1, 2), ("1.5", 3)]).with_loss(smoothing="0.1")
    >>> certify(problem)[1].contrasts
    ['alive', 'alive']
    """
    if problem.K > LARGEST:
        raise ValueError("too large for this route")
    if not covered(problem):
        if problem.bias == "free":
            raise ValueError("the kernel has no certificate for this loss with a free bias")
        raise ValueError("the kernel has no conjugate of this loss")
    if problem.model == "layer-peeled" and not all(problem.weights):
        raise ValueError("a class of weight 0: this loss is not covered there")
    if Floats(problem).loss.potential == "max":
        return _kinked(problem)
    if problem.model == "ce-relu" and (found := _relu(problem, digits)) is not None:
        return found
    return _smooth(problem, digits)


def _kinked(problem: Problem) -> tuple[dict[str, Any], Outcome]:
    """The hinge: point and dual point from a conic solver."""
    found = loss_convex.solve(problem)
    if "certificate" not in found.work:
        raise ValueError(found.reason)
    data = found.work["certificate"]
    return data, verify_certificate(json.dumps(data))


def _saturated(problem: Problem, digits: int) -> tuple[dict[str, Any], Outcome] | None:
    """Smoothed labels under a budget that is not used in full: the point that every loss would take alone."""
    K, eps = problem.K, problem.smoothing
    knobs = problem.adjustment or problem.scaling or problem.loss_temperature != 1
    if problem.model != "layer-peeled" or problem.loss != "ce" or not eps or knobs or problem.dim < K:
        return None
    with precision(5 * digits + 128):
        height = (1 + K * (1 - ball(eps)) / ball(eps)).log()
        if not (K - 1) * height < ball(problem.budget2).sqrt():
            return None
        tilt = ball(problem.e_w / problem.e_h).root(4)
        P = [[height.sqrt() * (arb(i == j) - arb(1) / K) for j in range(K)] for i in range(K)]
        W, H = ([[a * factor for a in row] for row in P] for factor in (tilt, 1 / tilt))
        targets = [[ball(y[j]) for y in problem.target_columns] for j in range(K)]
        return certificate(problem, W, np.array(H, dtype=object), targets, digits, nu=arb(10) ** -digits)


def _smooth(problem: Problem, digits: int) -> tuple[dict[str, Any], Outcome]:
    if (found := _saturated(problem, digits)) is not None:
        return found
    point = _descended(problem)
    floats = Floats(problem)
    Z, b = averaged(problem, point.W @ point.H), point.b
    Z = _without_merged(problem, Z)
    for cut in CUTS:
        try:
            with precision(5 * digits + 128):
                fine = polish(problem, Z, b, digits, cut)
                H = np.array(fine.H, dtype=object)
                return certificate(problem, fine.W, H, fine.q, digits, fine.bias, fine.nu)
        except (NotConverged, ValueError):
            continue
    q = averaged(problem, floats.predictions(point.W @ point.H + point.b[:, None]))
    return certificate(problem, point.W, point.H, q, FLOAT_DIGITS, point.b)


def _descended(problem: Problem) -> Point:
    landscape = Landscape(problem, per_sample=False)
    try:
        with threadpoolctl.threadpool_limits(1):
            v, _, _ = descents(landscape, 0, 2)
    except (ArithmeticError, np.linalg.LinAlgError) as error:
        raise ValueError(f"does not fit floats: {error}") from None
    return landscape.point(v)


def _without_merged(problem: Problem, Z: Array) -> Array:
    """The contrasts that the merging rule calls dead are removed: a guess, which the kernel does not trust."""
    states = merged_states(problem) if problem.model == "ce" else ()
    Z = Z.copy()
    for c, state in zip(problem.clusters, states, strict=bool(states)):
        if state == "dead":
            block = np.ix_(c.members, c.members)
            Z[block] = Z[block].mean()
    return Z


def _relu(problem: Problem, digits: int) -> tuple[dict[str, Any], Outcome] | None:
    """From the closed form, as a guess: every alive class has a coordinate of its own."""
    with precision(5 * digits + 128):
        known = loss_exact.solve(problem)
        p = known.facts.get("predictions")
        if known.logits is None or p is None or not all(x.is_finite() for x in p.ravel()):
            return None
        K, Z = problem.K, known.logits
        alive = [k for k in range(K) if k not in (known.zero or ())]
        W = [[arb(0)] * max(1, len(alive)) for _ in range(K)]
        H = [[arb(0)] * K for _ in range(max(1, len(alive)))]
        for i, k in enumerate(alive):
            size = sum((z * z for z in Z[:, k]), arb(0)).sqrt()
            ratio = problem.lambda_h * problem.sizes[k] * problem.feature_decays[k] / problem.lambda_w
            tilt = (arb(ratio.numerator) / arb(ratio.denominator)).root(4)
            for j in range(K):
                W[j][i] = (Z[j, k] / size.sqrt() * tilt).mid()
            H[i][k] = (size.sqrt() / tilt).mid()
        try:
            return certificate(problem, W, np.array(H, dtype=object), p, digits)
        except ValueError:
            return None


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """Rigorous bounds, predictions, logits, ranks and contrasts of every global minimiser (route ``enclosure``).

    Parameters
    ----------
    problem : see :func:`certify`; for other losses only the reason.
    seed : not used (the route is deterministic).
    avoid : not used; formulas only propose the point, the proof rests on duality alone.
    digits : digits of the certificate.

    Returns
    -------
    Optimum
        ``exact_contrasts`` and ``exact_zero`` are exact decisions by NR26-02 and NR26-05.

    Examples
    --------
    >>> optimum = solve(Problem.ce([(9, 2), (4, 3)], "0.03").with_loss("ovr"))
    >>> optimum.contrasts, optimum.upper.str(12, radius=False)
    (('alive', 'alive'), '2.15240320700')
    """
    try:
        data, outcome = certify(problem, digits)
    except ValueError as why:
        return Optimum(problem, "enclosure", contrasts=(None,) * len(problem.clusters), reason=str(why))
    found = optimum_of(problem, "enclosure", data, outcome, {}, None)
    states = merged_states(problem)
    return replace(found, exact_contrasts=states, exact_zero=_exact_zero(problem))


def _exact_zero(problem: Problem) -> bool | None:
    try:
        square = collapse_square(problem, 30) if problem.model == "ce" else None
    except ArithmeticError:
        return None
    if square is None or square[0] <= problem.x2 < square[1]:
        return None
    return problem.x2 >= square[1]
