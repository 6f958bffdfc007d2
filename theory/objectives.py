"""The objective of every model at an explicit point, in floats; see :meth:`theory.problem.Problem.objective`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory import losses
from theory.problem import Problem

__all__ = ["adjusted", "loss_terms", "objective"]

Array = NDArray[Any]


def objective(problem: Problem, layers: Sequence[Array], H: Array, b: Array | None) -> float:
    """Objective of a problem at the layers W_M, ..., W_1, the features H and the bias b.

    Examples
    --------
    >>> svm = Problem.svm([2, 1])
    >>> round(objective(svm, [np.eye(2)], np.eye(2), None), 12)  # margins 1, |W|^2 = 2, |H|^2 = 3
    2.5
    """
    labels, repeats = _samples(problem, H)
    W = _product(problem, layers, H)
    bias = np.zeros(problem.K) if b is None else np.asarray(b, dtype=float)
    if problem.bias == "none" and bias.any():
        raise ValueError("b: this problem has no bias")
    if problem.model == "ce-relu" and not (H >= 0).all():
        raise ValueError("H: a feature has a negative entry")
    match problem.model:
        case "uf-svm":
            return _svm(W, H, labels, repeats)
        case "layer-peeled":
            return _peeled(problem, W, H, labels, repeats)
        case "ce-sphere":
            return _sphere(problem, W, H)
    logits = W @ H + bias[:, None]
    if problem.model == "mse":
        target = np.eye(problem.K)[:, labels]
        value = ((logits - target) ** 2).sum(axis=0) @ repeats / (2 * float(problem.N))
    else:
        value = _cross_entropy(problem, logits, labels, repeats)
    rows = np.array([float(s) for s in problem.row_decays]) if problem.key == "loss" else np.ones(problem.K)
    columns = np.array([float(r) for r in problem.feature_decays])[labels] if problem.key == "loss" else 1.0
    for decay, layer in zip(problem.layers, layers, strict=True):
        value += float(decay) / 2 * float((rows @ layer**2 if layer is layers[0] else layer**2).sum())
    value += float(problem.lambda_h) / 2 * ((H**2).sum(axis=0) @ (repeats * columns))
    if isinstance(problem.bias, Fraction):
        value += float(problem.bias) / 2 * float(bias @ bias)
    return float(value)


def _samples(problem: Problem, H: Array) -> tuple[Array, Array]:
    """Class of every column of H, and how many samples it stands for."""
    K, N = problem.K, problem.N
    if H.ndim == 2 and H.shape[1] == K:
        return np.arange(K), np.array([float(n) for n in problem.sizes])
    if H.ndim == 2 and N.denominator == 1 and H.shape[1] == int(N):
        return np.repeat(np.arange(K), [int(n) for n in problem.sizes]), np.ones(int(N))
    raise ValueError(f"H: expected {K} or {N} columns, got shape {H.shape}")


def _product(problem: Problem, layers: Sequence[Array], H: Array) -> Array:
    """W_M ... W_1, after checking every shape that the problem fixes."""
    if len(layers) != problem.depth:
        raise ValueError(f"W: expected {problem.depth} layers, got {len(layers)}")
    heights = [problem.K, *(layer.shape[1] for layer in layers[:-1])]
    widths = [*(layer.shape[1] for layer in layers[:-1]), H.shape[0]]
    for layer, expected in zip(layers, zip(heights, widths, strict=True), strict=True):
        if layer.shape != expected:
            raise ValueError(f"W: expected shape {expected}, got {layer.shape}")
    W = layers[0]
    for layer in layers[1:]:
        W = W @ layer
    return W


def adjusted(problem: Problem, logits: Array, labels: Array) -> tuple[Array, Array]:
    """Adjusted logits u and d u / d z (a factor per row) of columns of logits (bias included) with these classes.

    Examples
    --------
    >>> p = Problem.ce([4, 1], 1).with_loss("margin:2", scaling="1/2", loss_temperature=2)
    >>> u, slope = adjusted(p, np.ones((2, 2)), np.arange(2))
    >>> u.tolist(), slope.tolist()
    ([[-1.5, 0.5], [0.25, -1.75]], [0.5, 0.25])
    """
    loss = losses.find(problem.loss)
    sizes = np.array([float(n) for n in problem.sizes])
    slope = (sizes / sizes.max()) ** float(problem.scaling) / float(problem.loss_temperature)
    own = np.zeros((problem.K, len(labels)))
    own[labels, np.arange(len(labels))] = 1
    shift = float(problem.adjustment) * np.log(sizes / sizes.sum())[:, None] + float(loss.others) * (1 - own)
    shift = shift + own * (float(loss.own) / sizes[labels] ** float(loss.decay))
    return slope[:, None] * logits + shift, slope


def loss_terms(problem: Problem, logits: Array, labels: Array) -> tuple[Array, Array]:
    """Loss of every column of logits (bias included), and its gradient in the logits; weights excluded."""
    loss = losses.find(problem.loss)
    U, slope = adjusted(problem, logits, labels)
    Y = np.array([[float(y) for y in target] for target in problem.target_columns]).T[:, labels]
    return loss.value(U, Y), slope[:, None] * loss.gradient(U, Y)


def _cross_entropy(problem: Problem, logits: Array, labels: Array, repeats: Array) -> float:
    if problem.key == "loss":
        factor = np.array([float(w) for w in problem.weights])[labels]
        return float((repeats * factor) @ loss_terms(problem, logits, labels)[0] / float(problem.N))
    top = logits.max(axis=0)
    losses = top + np.log(np.exp(logits - top).sum(axis=0)) - logits[labels, np.arange(len(labels))]
    factor = np.array([float(w) for w in problem.weights])[labels]
    return float((repeats * factor) @ losses / float(problem.N))


def _svm(W: Array, H: Array, labels: Array, repeats: Array) -> float:
    logits = W @ H
    margins = logits[labels, np.arange(len(labels))] - logits
    margins[labels, np.arange(len(labels))] = np.inf
    if not (least := margins.min()) > 0:
        raise ValueError("W, H: a margin is not positive")
    return float(((W**2).sum() + (H**2).sum(axis=0) @ repeats) / (2 * least))


def _peeled(problem: Problem, W: Array, H: Array, labels: Array, repeats: Array) -> float:
    sizes = np.array([float(n) for n in problem.sizes])[labels]
    spent = (W**2).sum() / problem.K, ((H**2).sum(axis=0) * repeats / sizes).sum() / problem.K
    budgets = float(problem.e_w), float(problem.e_h)
    scale = 1.0
    for square, budget in zip(spent, budgets, strict=True):
        scale *= min(1.0, np.sqrt(budget / square)) if square > 0 else 1.0
    return _cross_entropy(problem, scale * (W @ H), labels, repeats)


def _sphere(problem: Problem, V: Array, U: Array) -> float:
    norms = np.linalg.norm(V, axis=1), np.linalg.norm(U, axis=0)
    if not all((norm > 0).all() for norm in norms):
        raise ValueError("W, H: a vector vanishes")
    inner = (V / norms[0][:, None]) @ (U / norms[1])
    if problem.families == 1 and not np.allclose(V / norms[0][:, None], (U / norms[1]).T, rtol=0, atol=1e-12):
        raise ValueError("W, H: with one family W is the transpose of H")
    n = problem.K
    return n * _cross_entropy(problem, float(problem.temperature) * inner, np.arange(n), np.ones(n))
