"""Direct descent on (W, H, b) under H >= 0 from many starts: most starts end at a worse level, and the work says so."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.optimize
import threadpoolctl
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.balls import precision
from verify.kernel.relu import relu_log_probabilities, relu_states
from verify.relu import class_scalars, columns, fano, near_optimal, task_of
from verify.routes.descent import descend, lbfgs
from verify.routes.nonconvex import LARGEST, Landscape

__all__ = ["descents", "level", "solve"]

Array = NDArray[Any]
BITS = 128
METHODS: dict[str, Any] = {
    "L-BFGS-B": lbfgs(20000),
    "TNC": {"maxfun": 20000, "ftol": 0.0, "xtol": 0.0, "gtol": 1e-13},
}
ALLOWANCE = 1e-14
"""Relative rounding allowed for in the objective."""


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), starts: int = 8) -> Optimum:
    """Best of L-BFGS-B runs from random starts and from one constructed start (route ``nonconvex``).

    Parameters
    ----------
    problem : model ``ce-relu`` with at most 64 classes; any bias.
    seed : of the random starts.
    avoid : nothing is relied on here; the constructed start is a guess.
    starts : number of random starts.

    Returns
    -------
    Optimum
        ``upper`` is the objective at ``point``; lower bound and radii come from the entropy of a dual point, so they
        are missing with a bias, and facts are missing where no run comes near the bound. ``work``: ``starts``,
        ``hits`` (random starts within 1e-9 relative of the best), ``values`` (their ends, sorted), ``alive`` (classes
        with a margin there), ``explained`` (ends within 1e-7 of :func:`level` of these), ``constructed`` (end of that
        start).

    Examples
    --------
    >>> optimum = solve(Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu"))
    >>> round(float(optimum.upper), 12), optimum.work["explained"], 0 < optimum.work["hits"] < 8
    (0.42477008078, 8, True)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "nonconvex", reason="too large for this route")
    try:
        with threadpoolctl.threadpool_limits(1), precision(BITS):
            landscape, value, v, work = descents(problem, seed, starts)
            return _optimum(landscape, value, v, work)
    except (ArithmeticError, ValueError) as error:
        return Optimum(problem, "nonconvex", reason=f"does not fit floats: {error}")


def descents(
    problem: Problem, seed: int, starts: int, method: str = "L-BFGS-B"
) -> tuple[Landscape, float, Array, dict[str, Any]]:
    """Best end of descents from random starts and from the constructed one, with the statistics of :func:`solve`.

    Parameters
    ----------
    problem, seed, starts : as for :func:`solve`.
    method : 'L-BFGS-B' or 'TNC' (truncated Newton), both of scipy, both under H >= 0.

    Examples
    --------
    >>> _, value, _, work = descents(Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu"), 0, 2, "TNC")
    >>> round(value, 6), len(work["values"])
    (0.42477, 2)
    """
    rng, landscape = np.random.default_rng(seed), Landscape(problem)
    first = _descend(landscape, _constructed(landscape), method)
    found = (_descend(landscape, _random(landscape, rng), method) for _ in range(starts))
    runs = sorted(found, key=lambda run: run[0])
    value, v = min([first, *runs[:1]], key=lambda run: run[0])
    alive = [_alive(landscape, end) for _, end in runs]
    near = (abs(end - level(problem, classes)) <= 1e-7 for (end, _), classes in zip(runs, alive, strict=True))
    work = {
        "starts": starts,
        "hits": sum(end <= value * (1 + 1e-9) for end, _ in runs),
        "values": [end for end, _ in runs],
        "alive": alive,
        "explained": sum(near),
        "constructed": first[0],
    }
    return landscape, value, v, work


def level(problem: Problem, alive: list[int]) -> float:
    """Value at which only some classes have a feature: their Fano terms, log K for every other class.

    Examples
    --------
    >>> round(level(Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu"), [0, 1]), 6)
    0.526324
    """
    total = 0.0
    for cluster, s in zip(problem.clusters, class_scalars(problem), strict=True):
        kept = len(set(cluster.members) & set(alive))
        total += float(s.omega) * (
            kept * float(fano(s.error, problem.K)) + (cluster.classes - kept) * math.log(problem.K)
        )
    return total


def _random(landscape: Landscape, rng: np.random.Generator) -> Array:
    """Normal start of random scale, features folded to H >= 0."""
    v = rng.normal(size=landscape.size) * 10 ** rng.uniform(-1, 0.5)
    features = _features(landscape)
    v[features] = abs(v[features])
    return v


def _features(landscape: Landscape) -> slice:
    start = landscape.K * landscape.d
    return slice(start, start + landscape.d * len(landscape.labels))


def _constructed(landscape: Landscape) -> Array:
    """One coordinate per class while they last, with the lengths of the closed form; biases 0."""
    problem, K = landscape.problem, landscape.K
    W, H = np.zeros((K, landscape.d)), np.zeros((landscape.d, K))
    gains = []
    for cluster, s in zip(problem.clusters, class_scalars(problem), strict=True):
        gain = float(s.omega) * (math.log(K) - float(fano(s.error, K)))
        ratio = math.sqrt((K - 1) * float(problem.lambda_w / (K * problem.lambda_h * cluster.size)))
        gains += [(gain, k, float(s.margin), ratio) for k in cluster.members if s.alive]
    for coordinate, (_, k, margin, ratio) in enumerate(sorted(gains, reverse=True)[: landscape.d]):
        H[coordinate, k] = math.sqrt(ratio * margin)
        W[:, coordinate] = math.sqrt(margin / ratio) * (np.eye(K)[k] - 1 / K)
    B = H[:, landscape.labels] * landscape.s * np.sqrt(landscape.copies)
    v = np.zeros(landscape.size)
    v[: W.size], v[_features(landscape)] = (W / landscape.s).ravel(), B.ravel()
    return v


def _descend(landscape: Landscape, start: Array, method: str) -> tuple[float, Array]:
    """Descent with H >= 0."""
    lower = np.full(landscape.size, -np.inf)
    lower[_features(landscape)] = 0
    bounds = scipy.optimize.Bounds(lower, np.inf)
    return descend(landscape.value, start, METHODS[method], method=method, bounds=bounds)


def _means(landscape: Landscape, point: Point) -> Array:
    return np.stack([point.H[:, landscape.labels == k].mean(axis=1) for k in range(landscape.K)], axis=1)


def _alive(landscape: Landscape, v: Array) -> list[int]:
    """Classes whose own logit is above every other at their mean feature."""
    point = landscape.point(v)
    Z = point.W @ _means(landscape, point)
    margins = [Z[k, k] - np.delete(Z[:, k], k).max() for k in range(landscape.K)]
    return [k for k, margin in enumerate(margins) if margin > 1e-6]


def _optimum(landscape: Landscape, value: float, v: Array, work: dict[str, Any]) -> Optimum:
    """The best point with the radii that its gap gives; logits and Gram matrices are those of the point itself."""
    problem, K, point = landscape.problem, landscape.K, landscape.point(v)
    found = Optimum(problem, "nonconvex", upper=arb(value), point=point, work=work)
    if problem.bias != "none":
        return replace(found, reason="no lower bound is known with a bias (DA24-14)")
    scalars = class_scalars(problem)
    terms = [c.classes * s.omega * fano(s.error, K) for c, s in zip(problem.clusters, scalars, strict=True)]
    lower, errors = sum(terms, arb(0)), [s.error for s in scalars]
    gap = arb.max(arb(value) - lower, arb(0)).upper() + arb(value * ALLOWANCE)
    task = task_of(problem)
    log_p = relu_log_probabilities(task, errors, gap)
    pairs = list(zip(log_p.own, log_p.others[0], strict=True))
    if not all(p.is_finite() for pair in pairs for p in pair):
        return replace(found, lower=lower, reason="no run comes near the lower bound")
    margins = [own - other for own, other in pairs]
    balls = near_optimal(problem, errors, margins, gap)
    means = _means(landscape, point)
    Z = point.W @ means
    shifts = [(p + (K - 1) * q) / K for p, q in pairs]
    own = [p - shift for (p, _), shift in zip(pairs, shifts, strict=True)]
    other = [q - shift for (_, q), shift in zip(pairs, shifts, strict=True)]
    states = relu_states(task, log_p)
    seen = list(zip(problem.clusters, states, other, strict=True))
    least = sum(c.classes for c, state, z in seen if state == "alive" and z < 0)
    most = sum(c.classes for c, state, _ in seen if state != "dead")
    return replace(
        found,
        lower=lower,
        logits=_around(Z - Z.mean(axis=0), columns(problem, own, other)),
        bias=np.array([arb(0)] * K, dtype=object),
        contrasts=tuple(states),  # type: ignore[arg-type]
        rank=(min(least, K - 1), min(most, K - 1)),
        gram_features=_around(means.T @ means, balls["gram_features"]),
        gram_classifier=_around(point.W @ point.W.T, balls["gram_classifier"]),
        spread=balls["spread"],
    )


def _around(values: Array, balls: Array) -> Array:
    """The point's own numbers with twice the radius: point and minimiser are both inside the ball."""
    pairs = zip(values.ravel(), balls.ravel(), strict=True)
    return np.array([arb(float(x), 2 * ball.rad()) for x, ball in pairs], dtype=object).reshape(values.shape)
