"""Why a point of model ``ce-relu`` is not optimal: six nonnegative numbers that add up to its excess over the optimum.

The identity f - f* = s1 + ... + s6 holds at every feasible point and for every dimension, f* being the closed form of
DA24-01 (a lower bound for small dimensions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory.problem import Problem
from verify.balls import Undecided
from verify.bracket import ball
from verify.relu import class_scalars, fano

__all__ = ["NAMES", "Slacks", "slacks"]

Array = NDArray[Any]

NAMES = (
    "wrong classes: their logits differ",
    "within class: samples differ",
    "mean row of W",
    "overlapping supports or unequal negative entries of W",
    "lengths of features and rows out of balance",
    "margin of a class off its optimum",
)
"""What each slack measures."""


@dataclass(frozen=True)
class Slacks:
    """Balls: the six parts, the objective at the point, and the closed form f*."""

    parts: tuple[Any, ...]
    value: Any
    optimum: Any

    @property
    def residual(self) -> Any:
        """Sum of the parts minus (value - optimum); a ball that contains 0."""
        return sum(self.parts, arb(0)) - (self.value - self.optimum)

    @property
    def reason(self) -> str:
        """The largest part by name, with its share of the excess."""
        sizes = [max(0.0, float(part.mid())) for part in self.parts]
        largest, total = max(range(len(sizes)), key=sizes.__getitem__), sum(sizes)
        return f"{NAMES[largest]} ({sizes[largest] / total:.0%} of {total:.3g})" if total else "nothing is missing"


def slacks(problem: Problem, W: Array, H: Array) -> Slacks:
    """The six slacks at a point, in balls at the current precision.

    Parameters
    ----------
    problem : model ``ce-relu`` without bias, any class weights.
    W : (K, d) classifier: floats (taken exactly), integers or balls.
    H : (d, N) one feature per sample, samples sorted by class; or (d, K) one per class. No negative entry.

    Raises
    ------
    ValueError
        If the problem has a bias, the shapes do not fit, or a feature has a negative entry.
    Undecided
        If a ball of H holds both signs.

    Examples
    --------
    >>> problem = Problem.ce([2, 1], "0.1", model="ce-relu")
    >>> found = slacks(problem, np.zeros((2, 2)), np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]))
    >>> [round(float(part), 6) for part in found.parts], found.residual.contains(0)
    ([0.0, 0.025, 0.0, 0.0, 0.125, 0.239085], True)
    """
    if problem.bias != "none":
        raise ValueError("bias: the slacks are those of the model without bias")
    K, w, h = problem.K, _balls(W), _balls(H)
    labels, repeats = _labels(problem, H.shape[1])
    if W.shape != (K, H.shape[0]):
        raise ValueError(f"W: expected shape {(K, H.shape[0])}, got {W.shape}")
    if any(entry < 0 for entry in h.ravel()):
        raise ValueError("H: a feature has a negative entry")
    if not all(entry >= 0 for entry in h.ravel()):
        raise Undecided("the sign of a feature is not decided")
    return _slacks(problem, w, h, labels, repeats)


def _balls(values: Array) -> Array:
    return np.array([arb(x) for x in np.asarray(values, dtype=object).ravel()], dtype=object).reshape(values.shape)


def _labels(problem: Problem, columns: int) -> tuple[list[int], list[Any]]:
    """Class and number of samples of each column of H."""
    if columns == problem.K:
        return list(range(problem.K)), [ball(n) for n in problem.sizes]
    if problem.N.denominator == 1 and columns == problem.N:
        return [k for k, n in enumerate(problem.sizes) for _ in range(int(n))], [arb(1)] * columns
    raise ValueError(f"H: expected {problem.K} or {problem.N} columns, got {columns}")


def _square(values: Array) -> Any:
    return sum((x * x for x in values.ravel()), arb(0))


def _slacks(problem: Problem, W: Array, H: Array, labels: list[int], repeats: Sequence[Any]) -> Slacks:
    K, N = problem.K, ball(problem.N)
    lambda_w, lambda_h = ball(problem.lambda_w), ball(problem.lambda_h)
    sizes, weights = [ball(n) for n in problem.sizes], [ball(w) for w in problem.weights]
    mean = W.sum(axis=0) / K
    centred = W - mean
    Z = W @ H
    means = np.array([[arb(0)] * K for _ in range(H.shape[0])], dtype=object)
    for i, k in enumerate(labels):
        means[:, k] = means[:, k] + H[:, i] * repeats[i] / sizes[k]

    def phi(m: Any) -> Any:
        return ((K - 1) * (-m).exp()).log1p()

    margins = [K * (centred[k] @ H[:, i]) / (K - 1) for i, k in enumerate(labels)]
    margin_of = [K * (centred[k] @ means[:, k]) / (K - 1) for k in range(K)]
    loss = [sum(((Z[j, i] - Z[k, i]).exp() for j in range(K) if j != k), arb(0)).log1p() for i, k in enumerate(labels)]
    share = [weights[k] * r / N for k, r in zip(labels, repeats, strict=True)]
    spread = sum(
        (r * _square(H[:, i] - means[:, k]) for i, (k, r) in enumerate(zip(labels, repeats, strict=True))), arb(0)
    )
    positive = [_square(np.array([arb.max(x, arb(0)) for x in row], dtype=object)) for row in centred]
    kappa = [(lambda_w * lambda_h * n * (K - 1) / K).sqrt() for n in sizes]
    fanos = _fanos(problem)
    pulls = [c * arb.max(m, arb(0)) for c, m in zip(kappa, margin_of, strict=True)]
    omega = [w * n / N for w, n in zip(weights, sizes, strict=True)]
    parts = (
        sum((s * (c - phi(m)) for s, c, m in zip(share, loss, margins, strict=True)), arb(0)),
        sum((s * (phi(m) - phi(margin_of[k])) for s, m, k in zip(share, margins, labels, strict=True)), arb(0))
        + lambda_h / 2 * spread,
        lambda_w / 2 * K * _square(mean),
        lambda_w / 2 * (_square(centred) - sum(positive, arb(0)) * K / (K - 1)),
        sum(
            (
                lambda_w / 2 * K / (K - 1) * positive[k] + lambda_h / 2 * sizes[k] * _square(means[:, k]) - pulls[k]
                for k in range(K)
            ),
            arb(0),
        ),
        sum((omega[k] * (phi(margin_of[k]) - fanos[k]) + pulls[k] for k in range(K)), arb(0)),
    )
    value = sum((s * c for s, c in zip(share, loss, strict=True)), arb(0)) + lambda_w / 2 * _square(W)
    value += lambda_h / 2 * sum((r * _square(H[:, i]) for i, r in enumerate(repeats)), arb(0))
    return Slacks(parts, value, sum((o * f for o, f in zip(omega, fanos, strict=True)), arb(0)))


def _fanos(problem: Problem) -> list[Any]:
    """F_K(t_k) of every class."""
    found = [arb(0)] * problem.K
    for cluster, scalars in zip(problem.clusters, class_scalars(problem), strict=True):
        for k in cluster.members:
            found[k] = fano(scalars.error, problem.K)
    return found
