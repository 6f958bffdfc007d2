"""Minimiser of the cluster-reduced convex program in floats: a semismooth proximal Newton method.

With the contrasts and the bias minimised out, the program has one unknown, the G x G block X of Z D^(1/2) on
cluster-constant vectors:  minimise f(X) + x |X|_*, f smooth and convex. The solution is the fixed point of
X -> prox(X - eta grad f(X)), found by a semismooth Newton method on that equation; its linear system is
symmetric in the singular frame of the proximal step, so the rank needs no bookkeeping.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.dual import gradient_block, svd
from verify.reduced import Masses, Reduced, masses

__all__ = ["Local", "minimise"]

Array = NDArray[Any]
Linear = Callable[[Array], Array]


@dataclass(frozen=True)
class Local:
    """The smooth part at a block X, contrasts and bias minimised out."""

    X: Array
    alpha: Array
    bias: Array
    value: float
    grad: Array
    p: Masses
    own: Array  # curvature weight of the own cluster


def contrasts(r: Reduced, s: Array) -> Array:
    """Best contrast gaps for given log-masses ``s`` of the other clusters relative to the own mean logit.

    Newton on a convex decreasing function with slope in [-1, -1/2], from the left.
    """
    alive = r.delta > 0
    k, d, s = r.m[alive], r.delta[alive], s[alive]
    target, slope = np.log(r.level[alive]), (k - 1) / k
    first, second = np.log1p(d * (k - 1)), np.log(d) + s
    a = np.maximum(first - target, (second - target) / slope)
    for _ in range(60):
        u, v = first - a, second - slope * a
        h = np.logaddexp(u, v)
        share = np.exp(v - h)
        step = (h - target) / (1 - share + share * slope)
        a = a + step
        if np.all(np.abs(step) <= 4e-16 * (1 + np.abs(a))):
            break
    alpha = np.zeros(len(r.m))
    alpha[alive] = np.maximum(a, 0)
    return alpha


def curvature(r: Reduced, weights: Array, shift: Array) -> Array:
    """Second derivative of the loss along block logits ``shift`` (G, G), column by column."""
    shift = shift - np.diag(shift)
    mean = (weights * shift).sum(axis=0) / weights.sum(axis=0)
    return np.asarray(r.m * r.w * r.n * weights * (shift - mean))


def bias_inverse(r: Reduced, weights: Array) -> Array:
    """Inverse Hessian of the loss and penalty in a bias with sum_h m_h b_h = 0.

    The multiple of m m^T makes the direction regular that only shifts every logit; a centred step has none.
    """
    c = r.m * r.w * r.n
    matrix = -(weights * (c / weights.sum(axis=0))) @ weights.T
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, r.nu * r.m - matrix.sum(axis=1))
    d = np.sqrt(np.diag(matrix))
    u = r.m / d
    return np.asarray(np.linalg.pinv(matrix / np.outer(d, d) + np.outer(u, u) / (u @ u), rcond=1e-14) / np.outer(d, d))


def local_at(r: Reduced, X: Array, bias: Array) -> Local:
    means = X / r.scale
    logits = means + bias[:, None]
    logs = logits - np.diag(logits) + np.log(r.m)[:, None]
    np.fill_diagonal(logs, -np.inf)
    alpha = contrasts(r, np.logaddexp.reduce(logs, axis=0))
    p, loss = masses(r, alpha, means, bias)
    value = (r.m * r.w * r.n) @ (loss + r.level * (1 - 1 / r.m) * alpha)
    t = np.exp(-alpha)
    own = p.own * r.m**2 * t / (r.m - 1 + t)
    if math.isfinite(r.nu):
        value += r.nu / 2 * float(r.m @ bias**2)
    return Local(X, alpha, bias, float(value), gradient_block(r, p), p, own)


def weights_of(r: Reduced, at: Local) -> Array:
    """(G, G) curvature weights: cluster masses, the own one corrected for the eliminated contrast."""
    weights = r.m[:, None] * at.p.cross
    np.fill_diagonal(weights, at.own)
    return np.asarray(np.maximum(weights, 1e-300))


def local(r: Reduced, X: Array, bias: Array) -> Local:
    """Evaluate at X; a bias is minimised out by damped Newton from ``bias``."""
    at = local_at(r, X, bias)
    if not math.isfinite(r.nu) or len(r.m) == 1:
        return at
    for _ in range(100):
        slope = (at.grad * np.sqrt(r.m * r.n)).sum(axis=1) * np.sqrt(r.m) + r.nu * r.m * at.bias
        step = -bias_inverse(r, weights_of(r, at)) @ slope
        step -= r.m @ step / r.m.sum()
        step *= min(1.0, 3 / (1e-300 + float(np.abs(step).max())))
        if np.abs(step).max() <= 1e-15 * (1 + np.abs(at.bias).max()):
            break
        length = 1.0
        new = local_at(r, X, at.bias + step)
        while not new.value <= at.value * (1 + 1e-15) + 1e-4 * length * float(slope @ step) and length > 1e-6:
            length /= 2
            new = local_at(r, X, at.bias + length * step)
        if length <= 1e-6:
            break
        done = np.abs(step).max() <= 1e-9 * (1 + np.abs(at.bias).max())
        at = new
        if done:
            break
    return at


@dataclass(frozen=True)
class Step:
    """One proximal step from a point: singular frame of X - step grad f(X), and where it leads."""

    at: Local
    U: Array
    y: Array
    V: Array
    threshold: float
    target: Array

    @property
    def residual(self) -> float:
        return float(np.linalg.norm(self.at.X - self.target))

    @property
    def rounding(self) -> float:
        """What rounding alone leaves of the residual."""
        return 2e-16 * math.sqrt(len(self.y)) * float(np.linalg.norm(self.target))

    @property
    def nuclear(self) -> float:
        return float(np.maximum(self.y - self.threshold, 0).sum())


def proximal(r: Reduced, at: Local) -> Step:
    """Soft-threshold the singular values of X - (2/max w) grad f(X)."""
    eta = 2 / float(r.w.max())
    Y = at.X - eta * at.grad
    U, y, Vt = svd(Y - np.outer(r.null, r.null @ Y))
    target = (U * np.maximum(y - eta * r.x, 0)) @ Vt
    return Step(at, U, y, Vt.T, eta * r.x, target)


def secant_weights(r: Reduced, step: Step) -> Array:
    """Curvature weights between the masses at X and those of the dual point of the proximal step.

    The logarithmic mean is the exact slope of exp between the two logits, so that steps do not overshoot
    where probabilities are tiny.
    """
    p = r.m[:, None] * step.at.p.cross
    dual = -(step.U * np.minimum(step.y, step.threshold)) @ step.V.T * (float(r.w.max()) / 2)
    q = np.maximum(np.sqrt(r.m)[:, None] * dual / (r.w * np.sqrt(r.m * r.n)), 0.1 * p)
    np.fill_diagonal(p, 1.0)
    np.fill_diagonal(q, 1.0)
    ratio = (q - p) / np.maximum(p, 1e-300)
    mean = p * np.where(np.abs(ratio) < 1e-6, 1 + ratio / 2, ratio / np.log1p(np.where(ratio == 0, 1, ratio)))
    np.fill_diagonal(mean, step.at.own)
    return np.asarray(np.maximum(mean, 1e-300))


def prox_derivative(step: Step) -> tuple[Array, Array, Array]:
    """Where the derivative of prox is not zero, and its factors on symmetric and skew pairs (1 elsewhere)."""
    y, active = step.y, step.y > step.threshold
    phi = np.maximum(y - step.threshold, 0)
    either, both = active[:, None] | active, active[:, None] & active
    skew = (phi[:, None] + phi) / np.where(either, y[:, None] + y, 1)
    one = either & ~both
    symmetric = np.where(one, (phi[:, None] - phi) / np.where(one, y[:, None] - y, 1), 1)
    return either, symmetric, np.where(either, skew, 1)


def split(E: Array, symmetric: Array, skew: Array) -> Array:
    """Scale the symmetric and the skew part of a matrix entry by entry."""
    return np.asarray(symmetric * (E + E.T) / 2 + skew * (E - E.T) / 2)


@dataclass(frozen=True)
class Tangent:
    """The linear system of a Newton step in the singular frame (U, V) of a proximal step.

    The derivative of prox multiplies symmetric and skew parts of pairs by factors in [0, 1]; where both are 0 an entry
    is not an unknown. ``shape_s``, ``shape_a`` are the inverse factors minus 1: eta times the curvature of the nuclear
    norm. ``inverse`` is that of the bias, eliminated, or None.
    """

    r: Reduced
    U: Array
    V: Array
    eta: float
    weights: Array
    inverse: Array | None
    either: Array
    shape_s: Array
    shape_a: Array

    @classmethod
    def of(cls, r: Reduced, step: Step, weights: Array, damping: float = 0.0) -> Tangent:
        """``damping`` weighs the majoriser x (1/s_i + 1/s_j)/2 of the nuclear norm on the active symmetric part."""
        inverse = bias_inverse(r, weights) if math.isfinite(r.nu) and len(r.m) > 1 else None
        either, symmetric, skew = prox_derivative(step)
        active = step.y > step.threshold
        reciprocal = np.where(active, 1 / np.where(active, step.y - step.threshold, 1), 0)
        both = active[:, None] & active
        shape = 1 / symmetric - 1 + both * damping * step.threshold * (reciprocal[:, None] + reciprocal) / 2
        return cls(r, step.U, step.V, 2 / float(r.w.max()), weights, inverse, either, shape, 1 / skew - 1)

    def shift(self, E: Array) -> Array:
        """Block logits of a direction."""
        return np.asarray(self.U @ E @ self.V.T / self.r.scale)

    def pull(self, dz: Array) -> Array:
        """The curvature of the loss along block logits, in the frame, times eta."""
        return np.asarray(self.eta * (self.U.T @ (curvature(self.r, self.weights, dz) / self.r.scale) @ self.V))

    def bias_step(self, slope: Array, dz: Array) -> Array:
        """Minus the change of the bias for a slope in the bias and a change of the block logits."""
        if self.inverse is None:
            return np.zeros(len(self.r.m))
        return np.asarray(self.inverse @ (slope + curvature(self.r, self.weights, dz).sum(axis=1)))

    def hessian(self, E: Array) -> Array:
        """The Hessian of the loss along a direction, the bias minimised out, times eta."""
        dz = self.shift(E)
        return self.pull(dz - self.bias_step(np.zeros(len(self.r.m)), dz)[:, None])

    def solve(self, rhs: Array, tolerance: float, steps: int = 300) -> Array:
        """Direction E whose image is ``rhs``, by preconditioned conjugate gradients."""
        r, weights, either = self.r, self.weights, self.either
        scaled = weights / np.sqrt(r.m)[:, None]
        squares = (self.U**2).T @ (weights / r.m[:, None]) - (self.U.T @ scaled) ** 2 / weights.sum(axis=0)
        diagonal = self.eta * (squares * r.w) @ self.V**2
        diagonal = np.maximum((diagonal + diagonal.T) / 2, 1e-300)
        return conjugate_gradients(
            lambda E: np.where(either, split(E, self.shape_s, self.shape_a) + self.hessian(E), 0),
            lambda E: np.where(either, split(E, 1 / (self.shape_s + diagonal), 1 / (self.shape_a + diagonal)), 0),
            np.where(either, rhs, 0),
            tolerance,
            steps,
        )


def newton(r: Reduced, step: Step, damping: float, tolerance: float) -> Array:
    """Direction of the semismooth Newton method for X = prox(X - eta grad f(X)).

    Where the derivative of prox vanishes the residual itself is the step.
    """
    tangent = Tangent.of(r, step, secant_weights(r, step), damping)
    either, symmetric, skew = prox_derivative(step)
    residual = step.U.T @ (step.at.X - step.target) @ step.V
    fixed = np.where(either, 0, -residual)
    E = tangent.solve(-split(residual, 1 / symmetric, 1 / skew) - tangent.hessian(fixed), tolerance)
    return np.asarray(step.U @ (E + fixed) @ step.V.T)


def conjugate_gradients(
    operator: Linear, precondition: Linear, rhs: Array, tolerance: float, steps: int = 300
) -> Array:
    """Preconditioned conjugate gradients for matrices, from zero."""
    x = np.zeros_like(rhs)
    residual, z = rhs, precondition(rhs)
    direction, rz = z, float((rhs * z).sum())
    goal = tolerance**2 * rz
    for _ in range(steps):
        if not rz > goal:
            break
        image = operator(direction)
        bend = float((direction * image).sum())
        if not bend > 0:
            break
        x = x + rz / bend * direction
        residual = residual - rz / bend * image
        z = precondition(residual)
        rz, old = float((residual * z).sum()), rz
        direction = z + rz / old * direction
    return x


def seli_start(r: Reduced) -> Array | None:
    """Block of the limit of vanishing decay, or None where it is not of the right sign."""
    project = np.eye(len(r.m)) - np.outer(r.null, r.null)
    block = project * np.sqrt(r.n)
    if r.nu == 0:
        s = np.sqrt(r.m * r.n / r.total)
        block = block - np.outer(block @ s, s)
    U, y, Vt = svd(block)
    keep = y > 1e-9 * y[0]
    q = -r.x * (U[:, keep] @ Vt[keep]) * np.sqrt(r.m)[:, None] / (r.w * np.sqrt(r.m * r.n))
    np.fill_diagonal(q, 0)
    rho = q.sum(axis=0)
    sibling = (r.level - rho) / r.m
    outside = ~np.eye(len(r.m), dtype=bool)
    if (q[outside] <= 0).any() or ((r.m > 1) & (sibling <= 0)).any() or (rho >= 0.5).any():
        return None
    means = np.log(np.where(outside, q / r.m[:, None], 1.0))
    means[~outside] = np.where(r.m > 1, (r.m - 1) / r.m * np.log(np.where(r.m > 1, sibling, 1.0)), 0.0)
    return r.centred(means) * r.scale


def accelerated(r: Reduced, steps: int) -> Step:
    """Proximal gradient with momentum and restarts, from zero."""
    now = proximal(r, local(r, np.zeros((len(r.m), len(r.m))), np.zeros(len(r.m))))
    previous, momentum = now.at.X, 1.0
    for _ in range(steps):
        X = now.target
        if float(((now.at.X - X) * (X - previous)).sum()) > 0:
            momentum = 1.0
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = X + (momentum - 1) / following * (X - previous)
        previous, momentum = X, following
        now = proximal(r, local(r, ahead, now.at.bias))
    return proximal(r, local(r, now.target, now.at.bias))


def descend(r: Reduced, now: Step, iterations: int = 60) -> tuple[Step, int]:
    """Damped Newton steps until the residual stops falling; returns the best step and their number."""
    damping, stalled, best = 0.0, 0, now
    for count in range(iterations):
        if now.residual <= 2 * now.rounding or stalled >= 3:
            return best, count
        tolerance = min(0.1, max(1e-6, now.residual / now.threshold))
        direction = newton(r, now, damping, tolerance)
        # beyond ten logits the quadratic model says nothing
        direction *= min(1.0, 10 / (1e-300 + float(np.abs(direction / r.scale).max())))
        trial = proximal(r, local(r, now.at.X + direction, now.at.bias))
        candidate = proximal(r, local(r, trial.target, trial.at.bias))
        safe = proximal(r, local(r, now.target, now.at.bias))
        better = candidate.at.value + r.x * trial.nuclear < safe.at.value + r.x * now.nuclear
        if better or candidate.residual < 0.5 * safe.residual:
            now, damping = candidate, damping / 10 if damping > 1e-8 else 0.0
        else:
            now, damping = safe, max(30 * damping, 1e-5)
        if now.residual < 0.5 * best.residual:
            best, stalled = now, 0
        elif now.residual < 1e4 * now.rounding:
            stalled += 1
    return best, iterations


def minimise(r: Reduced) -> tuple[Local, dict[str, Any]]:
    """Newton from the vanishing-decay limit or a few gradient steps; longer starts if that stalls.

    Returns
    -------
    The best point, and the number of Newton steps with the residual of the fixed-point equation.
    """
    zero = np.zeros(len(r.m))
    guess, total = seli_start(r), 0
    best = accelerated(r, 20) if guess is None else proximal(r, local(r, guess, zero))
    for steps in (0, 100, 1000):
        start = accelerated(r, steps) if steps else proximal(r, local(r, best.target, best.at.bias))
        now, count = descend(r, start)
        best, total = min(best, now, key=lambda step: step.residual), total + count
        if best.residual <= max(1e3 * best.rounding, 1e-9 * best.threshold):
            break
    return best.at, {"newton": total, "residual": best.residual}
