"""Direct descent on every layer, one feature per sample and b: many starts end at worse levels, as the work says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import threadpoolctl
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, Point, State
from theory.problem import Problem
from verify.balls import precision
from verify.mse import Solved, minimise, modes, separable
from verify.mse_minimiser import at_modes, construct, penalised
from verify.routes.descent import descend, lbfgs
from verify.routes.mse_convex import assess

__all__ = ["Landscape", "solve"]

Array = NDArray[Any]
LARGEST = 32
SAMPLES = 40
BITS = 128
NO_BOUND = (
    "several layers and a penalised bias on unequal classes: the problem does not split, no lower bound is known here"
)
UNCLEAR = "no run comes near the lower bound, or a mode is so close to its threshold that the gap says nothing"
NOT_UNIQUE = "the minimiser is not unique"
CLOSE = 0.1
"""Largest radius, in units of the largest singular value of the labels, with which facts are given."""
ALLOWANCE = 1e-14
"""Relative rounding allowed for in the objective."""


class Landscape:
    """The objective in balanced variables: every factor has decay G, and their product is the logits times D^(1/2).

    W_m = sqrt(G/lambda_m) A_m and column i of H is sqrt(G/(lambda_h c_i)) B_i; one column of H per sample (c_i = 1), or
    one per class shared by its c_k = n_k samples.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.K = problem, problem.K
        self.N, sizes = float(problem.N), np.array([float(n) for n in problem.sizes])
        self.per_sample = problem.N <= SAMPLES and all(n.denominator == 1 for n in problem.sizes)
        repeats = sizes.astype(int) if self.per_sample else np.ones(self.K, dtype=int)
        self.labels = np.repeat(np.arange(self.K), repeats)
        self.roots = np.sqrt(np.ones(len(self.labels)) if self.per_sample else sizes)
        self.target = np.eye(self.K)[:, self.labels] * self.roots
        self.decays = np.array([float(decay) for decay in (*problem.layers, problem.lambda_h)])
        self.G = float(np.exp(np.log(self.decays).mean()))
        widths = [self.K, *problem.layer_widths, len(self.labels)]
        self.shapes = list(pairwise(widths))
        self.has_bias = problem.bias != "none"
        self.lambda_b = float(problem.bias) if isinstance(problem.bias, Fraction) else 0.0
        self.size = sum(a * b for a, b in self.shapes) + self.K * self.has_bias

    def split(self, v: Array) -> tuple[list[Array], Array]:
        """A_M, ..., A_1, B and b."""
        factors, start = [], 0
        for a, b in self.shapes:
            factors.append(v[start : start + a * b].reshape(a, b))
            start += a * b
        return factors, v[start:] if self.has_bias else np.zeros(self.K)

    def value(self, v: Array) -> tuple[float, Array]:
        """Objective and gradient."""
        factors, b = self.split(v)
        right = [factors[-1]]
        for factor in factors[-2::-1]:
            right.append(factor @ right[-1])
        miss = right[-1] + np.outer(b, self.roots) - self.target
        free = v[: v.size - self.K] if self.has_bias else v
        value = (
            float((miss**2).sum()) / (2 * self.N) + self.G / 2 * float(free @ free) + self.lambda_b / 2 * float(b @ b)
        )
        left, parts = miss / self.N, []
        for factor, below in zip(factors[:-1], right[-2::-1], strict=True):
            parts.append(left @ below.T + self.G * factor)
            left = factor.T @ left
        parts.append(left + self.G * factors[-1])
        if self.has_bias:
            parts.append(miss @ self.roots / self.N + self.lambda_b * b)
        return value, np.concatenate([part.ravel() for part in parts])

    def point(self, v: Array) -> Point:
        """Back to (W_M, ..., W_1, H, b)."""
        factors, b = self.split(v)
        scaled = [factor * math.sqrt(self.G / decay) for factor, decay in zip(factors, self.decays, strict=True)]
        layers, H = scaled[:-1], scaled[-1] / self.roots
        return Point(_product(layers), H, b.copy(), tuple(layers))

    def start(self, layers: list[Array], H: Array, b: Array) -> Array:
        """Variables of a point with one feature per class."""
        factors = [*layers, H[:, self.labels] * self.roots]
        scaled = [factor * math.sqrt(decay / self.G) for factor, decay in zip(factors, self.decays, strict=True)]
        return np.concatenate([*(factor.ravel() for factor in scaled), *([b] if self.has_bias else [])])

    def random(self, rng: np.random.Generator) -> Array:
        """Normal start; the scale of the factors is drawn around that of the labels."""
        L = len(self.shapes)
        scale = float(max(self.problem.sizes)) ** (1 / (2 * L)) * 10 ** rng.uniform(-0.3, 0.5)
        parts = [rng.normal(size=a * b) * scale / math.sqrt(max(a, b)) for a, b in self.shapes]
        return np.concatenate([*parts, *([rng.normal(size=self.K)] if self.has_bias else [])])

    def means(self, point: Point) -> Array:
        """Class means of the features."""
        return np.stack([point.H[:, self.labels == k].mean(axis=1) for k in range(self.K)], axis=1)


def _product(layers: list[Array]) -> Array:
    W = layers[0]
    for layer in layers[1:]:
        W = W @ layer
    return W


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), starts: int = 6) -> Optimum:
    """Best of L-BFGS runs from random starts and from one constructed start (route ``nonconvex``).

    Parameters
    ----------
    problem : model ``mse`` with at most 32 classes.
    seed : of the random starts.
    avoid : nothing is relied on here; the constructed start is a guess.
    starts : number of random starts.

    Returns
    -------
    Optimum
        ``upper`` is the objective at ``point``. Where the problem splits into modes, their scalar minima are the lower
        bound and the gap gives radii (:func:`growth`). ``work``: ``starts``, ``hits`` (random starts within 1e-9
        relative of the best), ``values`` (their ends, sorted), ``constructed`` (end of that start), ``balance``
        (largest entry of lambda_(m+1) W_(m+1)^T W_(m+1) - lambda_m W_m W_m^T at the point, over the largest entry of
        its parts).

    Examples
    --------
    >>> optimum = solve(Problem.mse([9, 6, 4], ["0.049"] * 3, "0.049"))
    >>> round(float(optimum.upper), 12), optimum.work["constructed"] <= optimum.work["values"][0] + 1e-15
    (0.409074917004, True)
    """
    if problem.K > LARGEST:
        return Optimum(problem, "nonconvex", reason="too large for this route")
    rng = np.random.default_rng(seed)
    try:
        landscape = Landscape(problem)
        with threadpoolctl.threadpool_limits(1), precision(BITS):
            found, start = _proposal(landscape)
            first = descend(landscape.value, start, lbfgs(10000))
            runs = [descend(landscape.value, landscape.random(rng), lbfgs(10000)) for _ in range(starts)]
            value, v = min(runs, key=lambda run: run[0])
            if first[0] < value * (1 - 1e-13):  # a point that nothing proposed is worth more
                value, v = first
            values = sorted(end for end, _ in runs)
            work: dict[str, Any] = {
                "starts": starts,
                "hits": sum(end <= value * (1 + 1e-9) for end in values),
                "values": values,
                "constructed": first[0],
                "balance": _imbalance(landscape, v),
            }
            return _optimum(landscape, v, found, work)
    except (ArithmeticError, ValueError) as error:
        return Optimum(problem, "nonconvex", reason=f"does not fit floats: {error}")


def _proposal(landscape: Landscape) -> tuple[list[Solved], Array]:
    """Scalar minima of the modes (none where the problem does not split) and the start that they make."""
    problem = landscape.problem
    if not separable(problem):
        _, b, layers, H = penalised(problem)
        return [], landscape.start(layers, H, b)
    found = [minimise(problem, mode) for mode in modes(problem)]
    b = np.zeros(problem.K)
    if problem.bias == "free":
        b = np.array([float(n / problem.N) for n in problem.sizes])
    elif problem.bias != "none":
        mean = float(found[-1].p) if found[-1].mode.kept else 0.0
        b += (1 - mean) / (problem.K * (1 + float(problem.bias)))
    return found, landscape.start(*construct(problem, found, b), b)


def _imbalance(landscape: Landscape, v: Array) -> float:
    factors, _ = landscape.split(v)
    pairs = [(above.T @ above, below @ below.T) for above, below in pairwise(factors)]
    size = max((float(abs(part).max()) for pair in pairs for part in pair), default=0.0)
    return max(float(abs(one - two).max()) for one, two in pairs) / max(size, 1e-300)


def growth(problem: Problem, found: Sequence[Solved], *, unique: bool = True) -> float:
    """Constant c with f - f* >= (c/2) |X - X*|^2 for X = Z D^(1/2) of rank within the budget; 0 if none is known.

    Suppose that phi_i(x) - phi_i(x_i) + nu (1[x > 0] - 1[x_i > 0]) >= (c/2)(x - x_i)^2 for every mode i and every x >=
    0. Then the largest of the quadratics of curvature c that touch phi_i(x) + share x sqrt(mu_i)/N + nu 1[x > 0] at
    the x_i (this sum does not depend on i) is a c-strongly convex minorant of it, and makes a spectral function below
    the objective (von Neumann). ``nu`` is the price of a dimension, between the gains of the last mode with room and
    of the first one without. A penalised bias leaves (1/(2N)) |(X - D^(1/2)) S|^2 with S^2 >= share I: what exceeds
    share is convex and only moves the targets of the modes.

    Parameters
    ----------
    problem : model ``mse``; it splits into modes.
    found : the modes with their minimisers.
    unique : with False, growth away from a set of minimisers: nu = 0, and modes without room do not count.

    Examples
    --------
    >>> problem = Problem.mse([4, 2], "1/10")
    >>> round(growth(problem, [minimise(problem, mode) for mode in modes(problem)]), 6)
    0.15
    """
    M, L, N = problem.depth, problem.depth + 1, float(problem.N)
    share = min(float(one.mode.share) for one in found)
    y = np.concatenate([[0.0], np.geomspace(1e-5, 1e5, 3001)])
    rows = []
    for one in found:
        weight = float(one.mode.share)
        stretch = weight / share * (1 - (1 - share / weight) * float(one.p))
        mu = float(one.mode.ball) * stretch**2
        price = L * N * _mean_decay(problem) * mu ** (1 / L - 1)
        phi = share * (y - 1) ** 2 + price * y ** (2 / L)  # times mu/(2N), at x = y sqrt(mu)
        rows.append((one.mode, mu, float(one.p) / stretch if one.mode.kept else 0.0, price, phi))
    kept = [mu * (share - phi.min()) for mode, mu, p, _, phi in rows if p > 0]
    dropped = [mu * (share - phi.min()) for mode, mu, _, _, phi in rows if mode.kept < mode.copies]
    nu = (min(kept) + max(dropped)) / 2 if unique and kept and max(dropped, default=0) > 0 else 0.0
    best = share
    for mode, mu, p, price, phi in rows:
        if not (mode.kept or unique):
            continue
        far = abs(y - p) > 1e-2 * (p > 0)
        excess = phi - share * (p - 1) ** 2 - price * p ** (2 / L) + nu / mu * ((y > 0) * 1.0 - (p > 0))
        best = min(best, float((excess[far] / (y[far] - p) ** 2).min()))
        if p > 0:  # the curvature
            best = min(best, share - price * p ** (2 / L - 2) * (M - 1) / L**2)
    return max(0.0, 0.9 * best / N)


def _mean_decay(problem: Problem) -> float:
    """G, the geometric mean of all weight decays."""
    decays = (*problem.layers, problem.lambda_h)
    return math.exp(sum(math.log(decay) for decay in decays) / len(decays))


def _centred(landscape: Landscape, v: Array) -> Array:
    """With a free bias: features with mean zero and the best bias for them, which lowers the objective."""
    if landscape.problem.bias != "free":
        return v
    factors, _ = landscape.split(v)
    unit = landscape.roots / math.sqrt(landscape.N)
    last = factors[-1] - np.outer(factors[-1] @ unit, unit)
    b = (landscape.target @ unit) / math.sqrt(landscape.N)
    return np.concatenate([*(factor.ravel() for factor in (*factors[:-1], last)), b])


def _optimum(landscape: Landscape, v: Array, found: list[Solved], work: dict[str, Any]) -> Optimum:
    """The best point with the radii that its gap gives; the numbers are those of the point itself."""
    problem, end = landscape.problem, v
    v = _centred(landscape, v)
    value, point = landscape.value(v)[0], landscape.point(v)
    means = landscape.means(point)
    spread = float(np.linalg.norm((point.H - means[:, landscape.labels]) * landscape.roots))
    unknown = (None,) * len(problem.clusters)
    optimum = Optimum(problem, "nonconvex", upper=arb(value), contrasts=unknown, point=point, work=work)
    if not found:
        if problem.depth > 1:
            return replace(optimum, reason=NO_BOUND)
        return replace(optimum, **(assess(problem, point.W @ means, point.b) | {"upper": arb(value)}))
    lower = at_modes(problem, found)
    if lower > arb(value) * (1 + arb(ALLOWANCE) * 100):
        return replace(optimum, reason="the point is below the sum of the scalar minima")
    gap = float(arb.max(arb(value) - lower, arb(0)).abs_upper()) + value * ALLOWANCE
    unique = all(one.settled for one in found)
    c = growth(problem, found, unique=unique)
    near = math.sqrt(2 * gap / c) if c > 0 else math.inf
    spread_ball = arb(0).union(arb(spread) + (arb(2 * gap) / float(problem.lambda_h)).sqrt())
    optimum = replace(optimum, lower=lower, spread=spread_ball)
    if not near < CLOSE * math.sqrt(float(max(problem.sizes))):
        return replace(optimum, reason=UNCLEAR)
    alive = [one for one in found if one.mode.kept and one.p > 0]
    stiff = [1 - problem.depth + (problem.depth + 1) * float(one.p / (1 - one.p)) for one in alive]
    bend = landscape.G * min([1.0, *stiff]) * c * landscape.N
    shown = _with_facts(optimum, landscape, found, near, 2 * math.sqrt(2 * gap / bend))
    return shown if problem.bias != "free" else replace(shown, bias=_free_bias(landscape, end, lower))


def _free_bias(landscape: Landscape, end: Array, lower: Any) -> Array:
    """A free bias as the descent left it, before features are centred.

    The loss is |R|^2/(2N) with R = X - Y centred, plus |b + mean of R|^2/2, which the gap bounds; X has mean 0 at a
    minimiser.
    """
    factors, b = landscape.split(end)
    value = landscape.value(end)[0]
    gap = float(arb.max(arb(value) - lower, arb(0)).abs_upper()) + value * ALLOWANCE
    mean = _product(factors) @ landscape.roots / landscape.N
    return _balls(b, np.full(landscape.K, math.sqrt(2 * gap) + float(np.linalg.norm(mean))))


def _with_facts(optimum: Optimum, landscape: Landscape, found: list[Solved], near: float, far: float) -> Optimum:
    """Logits, Gram matrices and states; ``near`` bounds |X - X*|, ``far`` the distance in the balanced factors.

    The latter is an estimate, from the curvature along the modes.
    """
    problem, point, depth = landscape.problem, optimum.point, landscape.problem.depth
    assert point is not None
    unique = all(one.settled for one in found)
    means, root_n = landscape.means(point), np.sqrt([float(n) for n in problem.sizes])
    Z, G, decays = point.W @ means, landscape.G, landscape.decays
    square = _square_radius(landscape, point, found, near, far)
    top = max((float(one.energy) / G for one in found if one.mode.kept), default=0.0)
    head = float(np.prod(G / decays[:-1])) * depth * (top + square) ** (depth - 1) * square
    arrays: dict[str, Any] = {
        "logits": _balls(Z, near / np.broadcast_to(root_n, Z.shape)),
        "gram_features": _balls(means.T @ means, G / decays[-1] * square / np.outer(root_n, root_n)),
        "gram_classifier": _balls(point.W @ point.W.T, np.full(Z.shape, head)),
    }
    values = np.linalg.svd(Z * root_n, compute_uv=False)
    known: dict[str, Any] = {f"point_{name.removeprefix('gram_')}": array for name, array in arrays.items()}
    known |= {"unique": unique, "trace": arb(float(np.trace(Z)), near * float((1 / root_n).sum()))}
    known["factor_squares"], known["factor_values"] = _factor_squares(landscape, point, square)
    known["top_gram"] = _balls(point.layers[0] @ point.layers[0].T, np.full(Z.shape, G / decays[0] * square))
    tied = any(one.state == "tie" and one.mode.kept for one in found)
    for name in ("trace", "factor_squares", "factor_values") if tied else ():
        del known[name]
    shown = replace(
        optimum,
        bias=_bias(landscape, point, near),
        contrasts=_states(problem, arrays["logits"]) if unique else (None,) * len(problem.clusters),
        rank=_rank(problem, found, values, near),
        singular_values=None if tied else _balls(values, np.full(problem.K, near)),
        facts=known,
    )
    if unique:
        return replace(shown, **arrays)
    del known["top_gram"]
    return replace(shown, reason=NOT_UNIQUE)


def _square_radius(landscape: Landscape, point: Point, found: list[Solved], near: float, far: float) -> float:
    """Radius of the Gram matrices of the balanced factors.

    One layer: they are |X^T| and |X|, and ||A| - |B||_F <= sqrt(2)|A - B|_F; the imbalance of the point is measured.
    Several: from ``far``, as the factors of a mode that is zero have curvature G there.
    """
    if landscape.problem.depth > 1:
        top = max((float(one.energy) / landscape.G for one in found if one.mode.kept), default=0.0) ** 0.5
        return float((2 * top + far) * far)
    s, K = math.sqrt(landscape.decays[0] / landscape.G), landscape.K
    B = (
        landscape.means(point)
        * math.sqrt(landscape.decays[1] / landscape.G)
        * np.sqrt([float(n) for n in landscape.problem.sizes])
    )
    left, sigma, right = np.linalg.svd(s * point.W @ B)
    inside = np.linalg.norm(B.T @ B - (right.T * sigma) @ right)
    outside = np.linalg.norm(s**2 * point.W @ point.W.T - (left * sigma) @ left.T)
    return 1.5 * near + 2 * float(inside + outside) + 1e-15 * K


def _balls(values: Array, radii: Array) -> Array:
    pairs = zip(values.ravel().tolist(), np.asarray(radii).ravel().tolist(), strict=True)
    return np.array([arb(x, r) for x, r in pairs], dtype=object).reshape(values.shape)


def _factor_squares(landscape: Landscape, point: Point, square: float) -> tuple[list[Any], list[list[Any]]]:
    """Squared norms and squared singular values of W_M, ..., W_1, H (K each, descending)."""
    K, norms, values = landscape.K, [], []
    for factor, decay in zip((*point.layers, point.H), landscape.decays, strict=True):
        squares = np.zeros(K)
        found = np.linalg.svd(factor * (landscape.roots if factor is point.H else 1.0), compute_uv=False)[:K] ** 2
        squares[: len(found)] = found
        radius = landscape.G / decay * square
        norms.append(arb(float(squares.sum()), K * radius))
        values.append([arb(float(square), radius) for square in squares])
    return norms, values


def _bias(landscape: Landscape, point: Point, near: float) -> Array:
    """None: zeros. Penalised: the best for the logits. Free: see :func:`_free_bias`."""
    if isinstance(landscape.problem.bias, str):
        return _balls(point.b, np.full(landscape.K, 1e-15))
    return _balls(point.b, np.full(landscape.K, 2 * near / math.sqrt(landscape.N)))


def _rank(problem: Problem, found: list[Solved], values: Array, near: float) -> tuple[int, int]:
    """Singular values certainly positive, and those that may be: a live mode has p >= (M-1)/M."""
    least = sum(bool(value > near) for value in values)
    if any(one.state == "tie" and one.mode.kept for one in found):
        return 0, min(problem.dim, problem.K)
    jump = (problem.depth - 1) / problem.depth * min(float(one.mode.ball) for one in found) ** 0.5
    most = sum(bool(value + near >= jump) for value in values) if problem.depth > 1 else problem.K
    return least, min(problem.dim, most, problem.K - (problem.bias == "free"))


def _states(problem: Problem, logits: Array) -> tuple[State, ...]:
    """Classes with logits certainly not zero are alive; without bias they are dead if p is certainly below (M-1)/M."""
    states: list[State] = []
    for cluster in problem.clusters:
        columns = [logits[:, k] for k in cluster.members]
        alive = all(any(z > 0 or z < 0 for z in column) for column in columns)
        jump = (problem.depth - 1) / problem.depth if problem.bias == "none" else 0.0
        dead = all(abs(z) < jump for column in columns for z in column)
        states.append("alive" if alive else "dead" if dead else None)
    return tuple(states)
