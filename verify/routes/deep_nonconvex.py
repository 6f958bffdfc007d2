"""Descent on all layers, the features and the bias from many starts: an upper bound, and where random starts end.

Part of the random starts ends elsewhere, and the origin is a strict local minimiser. ``work`` counts it: ``starts``
(random ones), ``hits`` (within 1e-9 relative of the best), ``at_zero`` (no layer left), ``values`` (their ends,
sorted), ``constructed`` (best end from the constructed starts: frame, cross-polytope and block codes), ``rank``
(singular values of the best logits above 1e-6 of the largest).
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

import numpy as np
import threadpoolctl
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.deep import best_code, best_codes, contrasts, price
from verify.routes.descent import descend, lbfgs

__all__ = ["Layers", "solve"]

Array = NDArray[Any]
LARGEST = 64
CODES, STRAY = 3, 1e-5


class Layers:
    """The objective in balanced factors A_M, ..., A_1, B and the bias: every factor has the decay G = Lam^(1/L).

    W_m = sqrt(G/lambda_m) A_m and Hbar = sqrt(G/lambda_h) B D^(-1/2), so Z D^(1/2) = A_M ... A_1 B. Widths above K
    cannot help and are cut to K.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.K = problem, problem.K
        widths = [min(width, problem.K) for width in problem.layer_widths]
        self.shapes = list(zip([self.K, *widths], [*widths, self.K], strict=True))
        sizes = np.array([float(n) for n in problem.sizes])
        self.root, self.shares = np.sqrt(sizes), sizes / float(problem.N)
        self.G = math.exp(math.log(problem.product.numerator / problem.product.denominator) / (problem.depth + 1))
        self.has_bias = problem.bias != "none"
        self.lambda_b = 0.0 if isinstance(problem.bias, str) else float(problem.bias)
        self.cuts = list(accumulate(rows * columns for rows, columns in self.shapes))

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.cuts[-1] + (self.K if self.has_bias else 0)

    def split(self, v: Array) -> tuple[list[Array], Array]:
        """Factors A_M, ..., A_1, B, and the bias."""
        parts = np.split(v, self.cuts)
        factors = [part.reshape(shape) for part, shape in zip(parts[:-1], self.shapes, strict=True)]
        return factors, parts[-1] if self.has_bias else np.zeros(self.K)

    def value(self, v: Array) -> tuple[float, Array]:
        """Objective and gradient."""
        factors, b = self.split(v)
        before = list(accumulate(factors, np.matmul))
        logits = before[-1] / self.root + b[:, None]
        shifted = logits - logits.diagonal()
        top = shifted.max(axis=0)
        residual = np.exp(shifted - top)
        np.fill_diagonal(residual, 0.0)
        off = residual.sum(axis=0)
        value = float(self.shares @ np.where(top > 0, top + np.log(np.exp(-top) + off), np.log1p(off)))
        residual *= self.shares / (np.exp(-top) + off)
        np.fill_diagonal(residual, -residual.sum(axis=0))
        free = v[: self.cuts[-1]]
        value += self.G / 2 * float(free @ free) + self.lambda_b / 2 * float(b @ b)
        after, slopes = residual / self.root, []
        for m in range(len(factors) - 1, 0, -1):
            slopes.append(before[m - 1].T @ after)
            after = after @ factors[m].T
        slopes.append(after)
        parts = [(slope + self.G * A).ravel() for slope, A in zip(reversed(slopes), factors, strict=True)]
        if self.has_bias:
            parts.append(residual.sum(axis=1) + self.lambda_b * b)
        return value, np.concatenate(parts)

    def point(self, v: Array) -> Point:
        """Back to the layers, the class means and the bias."""
        factors, b = self.split(v)
        decays = (*self.problem.layers, self.problem.lambda_h)
        scaled = [math.sqrt(self.G / float(decay)) * A for decay, A in zip(decays, factors, strict=True)]
        layers, H = tuple(scaled[:-1]), scaled[-1] / self.root
        return Point(_product(layers), H, b - b.mean(), layers=layers)

    def pack(self, left: Array, values: Array, right: Array) -> Array:
        """Balanced factors of left diag(values) right, with zero bias."""
        r, spread, parts = len(values), values ** (1 / len(self.shapes)), []
        for m, (rows, columns) in enumerate(self.shapes):
            A = np.zeros((rows, columns))
            A[:r, :r] = np.diag(spread)
            if m == 0:
                A[:, :r] = left * spread
            if m == len(self.shapes) - 1:
                A[:r, :] = spread[:, None] * right
            parts.append(A.ravel())
        return np.concatenate([*parts, np.zeros(self.size - self.cuts[-1])])


def _product(matrices: tuple[Array, ...]) -> Array:
    result = matrices[0]
    for matrix in matrices[1:]:
        result = result @ matrix
    return result


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), starts: int = 6) -> Optimum:
    """Best of L-BFGS runs from random and from constructed starts (route ``nonconvex``): an upper bound.

    Parameters
    ----------
    problem : model ``ce`` with at least two layers and at most 64 classes; any sizes, bias and widths.
    seed : of the random starts.
    avoid : nothing is relied on here; the constructed starts are guesses.
    starts : number of random starts, of scale 1.5 to 3.5.

    Returns
    -------
    Optimum
        ``upper`` is the objective at ``point``; ``work`` as in the module docstring, ``facts`` on frames as in
        :mod:`verify.routes.deep_enclosure`.

    Examples
    --------
    >>> optimum = solve(Problem.ce([(1, 4)], ["0.02"] * 3, "0.02"))
    >>> round(float(optimum.upper), 12), optimum.work["rank"], optimum.work["starts"]
    (0.261555249021, 2, 6)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "nonconvex", reason="too large for this route")
    rng = np.random.default_rng(seed)
    try:
        layers = Layers(problem)
        with threadpoolctl.threadpool_limits(1):
            built = [_descend(layers, start) for start in [np.zeros(layers.size), *_constructed(layers)]]
            ends = [_descend(layers, _random(layers, rng)) for _ in range(starts)]
            facts = _frame(layers)
    except (ArithmeticError, ValueError) as error:
        return Optimum(problem, "nonconvex", reason=f"does not fit floats: {error}")
    value, v = min([*built, *ends], key=lambda run: run[0])
    values = sorted(end for end, _ in ends)
    work = {
        "starts": starts,
        "hits": sum(end <= value * (1 + 1e-9) for end in values),
        "at_zero": sum(float(end @ end) < 1e-6 for _, end in ends),
        "values": values,
        "constructed": min(end for end, _ in built),
        "rank": _rank(_product(tuple(layers.split(v)[0]))),
    }
    point = layers.point(v)
    upper = problem.objective(list(point.layers or ()), point.H, point.b if layers.has_bias else None)
    return Optimum(problem, "nonconvex", upper=arb(upper), facts=facts, point=point, work=work)


def _rank(X: Array) -> int:
    values = np.linalg.svd(X, compute_uv=False)
    return int((values > 1e-6 * max(values[0], 1e-3)).sum())


def _random(layers: Layers, rng: np.random.Generator) -> Array:
    """Normal factors whose singular values are about 0 to twice the scale."""
    scale = rng.uniform(1.5, 3.5) / math.sqrt(layers.K)
    return rng.normal(size=layers.size) * scale


def _constructed(layers: Layers) -> list[Array]:
    """The best few block codes, as if all sizes were equal."""
    found = []
    g = float(price(layers.problem))
    for _, blocks, scales in best_codes(layers.problem, CODES):
        V = np.array([[float(x) for x in row] for row in contrasts(blocks)])
        spread = np.array([a for k, a in zip(blocks, scales, strict=True) for _ in range(k - 1)])
        left, values, right = np.linalg.svd(V * spread @ V.T * layers.root)
        r = int((values > 1e-12 * max(1.0, g)).sum())
        found.append(layers.pack(left[:, :r], values[:r], right[:r]))
    return found


def _frame(layers: Layers) -> dict[str, Any]:
    """Best frame: a descent from a frame keeps its symmetry; its end is compared with zero."""
    problem, K = layers.problem, layers.K
    if len(problem.clusters) > 1 or min(problem.layer_widths) < K - 1:
        return {}
    _, scales = best_code((K,), problem.depth, layers.G * layers.root[0] ** (2 / (problem.depth + 1)))
    V = np.array([[float(x) for x in row] for row in contrasts((K,))])
    value, v = _descend(layers, layers.pack(V, np.full(K - 1, scales[0] * layers.root[0]), V.T))
    Z = _product(tuple(layers.split(v)[0])) / layers.root
    scale = float(Z[0, 0] - Z[1, 0])
    if abs(Z - scale * (np.eye(K) - 1 / K)).max() > STRAY * max(1.0, scale) or abs(value - math.log(K)) < STRAY**2:
        return {}
    alive = value < math.log(K)
    found = arb(value, 1e-12 * value) if alive else arb(K).log()
    return {"frame_value": found, "frame_scale": arb(scale, STRAY) if alive else arb(0), "frame_alive": alive}


def _descend(layers: Layers, start: Array) -> tuple[float, Array]:
    return descend(layers.value, start, lbfgs(3000, 1e-12), restarts=2)
