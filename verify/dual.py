"""Floating-point duality certificate of a symmetric point, and what the gap says about every minimiser.

For column-stochastic Q with |(I - Q) diag(w) D^(1/2)| <= x the optimal value is at least

    sum_k c_k H(q_k) - |y|^2 / (2 lambda_b N^2),     c_k = w_k n_k / N,   y = (Q - I) diag(w) n

(y = 0 is required for a free bias, and plays no role without one). The gap to the value at a point (Z, b) is a
sum of non-negative terms, evaluated one by one so that nothing cancels:

    sum_k c_k KL(q_k | p_k) + (x |X|_* + <S, X>)/N + (lambda_b/2) |b + y/(lambda_b N)|^2,   S = (Q - I) diag(w) D^(1/2).

Everything lives on one row and column per cluster; probabilities are kept as differences from certainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
from flint import arb
from numpy.typing import NDArray
from scipy.special import xlog1py

from theory.optimum import Optimum, Point, State
from theory.problem import Problem
from verify.blocks import BlockPoint
from verify.reduced import Masses, Reduced, masses, reduce

__all__ = ["Assessment", "assess", "svd", "to_optimum"]

Array = NDArray[Any]
EPS = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Assessment:
    """Bounds on the optimal value and facts about every minimiser, from one point and one dual point.

    Radii are infinite where the gap is too wide for the entry; they hold for the optimum of the convex program,
    hence for every minimiser when the feature dimension is at least ``rank[1]``.

    Attributes
    ----------
    lower, upper, gap : bounds on the optimal value (canonical normalisation) and their difference.
    allowance : stated bound for the rounding of the value, on both sides of it. The facts rest on the gap
        before that: it is a sum of small terms, whose own rounding is smaller.
    logit_radius : (G, G) of the centred mean logits of one class of cluster h for a class of cluster g, bias
        excluded; for h == g the larger of own and sibling.
    bias_radius : (G,) of the centred bias.
    own_radius, sibling_radius, cross_radius : (G,), (G,), (G, G) of log-probabilities.
    contrasts : one state per cluster.
    rank : (least, most) rank of Z D^(1/2).
    """

    lower: float
    upper: float
    gap: float
    allowance: float
    logit_radius: Array
    bias_radius: Array
    own_radius: Array
    sibling_radius: Array
    cross_radius: Array
    contrasts: tuple[State, ...]
    rank: tuple[int, int]


@dataclass(frozen=True)
class Dual:
    """A column-stochastic Q: its masses, and the block of S = (Q - I) diag(w) D^(1/2)."""

    q: Masses
    block: Array


def svd(matrix: Array) -> tuple[Array, Array, Array]:
    """Singular value decomposition (U, s, V^T) that survives repeated singular values.

    Examples
    --------
    >>> svd(np.eye(2))[1].tolist()
    [1.0, 1.0]
    """
    try:
        U, s, Vt = scipy.linalg.svd(matrix)
    except np.linalg.LinAlgError:
        U, s, Vt = scipy.linalg.svd(matrix, lapack_driver="gesvd")
    return U, s, Vt


def singular_values(matrix: Array) -> Array:
    """Singular values in descending order.

    Examples
    --------
    >>> singular_values(np.array([[0.0, 2.0], [1.0, 0.0]])).tolist()
    [2.0, 1.0]
    """
    try:
        return np.asarray(scipy.linalg.svdvals(matrix))
    except np.linalg.LinAlgError:
        return np.asarray(scipy.linalg.svd(matrix, compute_uv=False, lapack_driver="gesvd"))


def gradient_block(r: Reduced, p: Masses) -> Array:
    """Block of (P - I) diag(w) D^(1/2), the gradient of the loss (times N) in X."""
    block = r.w * r.scale * p.cross
    np.fill_diagonal(block, -r.w * np.sqrt(r.n) * (r.m @ p.cross))
    return np.asarray(block)


def dual_from_block(r: Reduced, block: Array, contrast: Array) -> Dual:
    """Q whose S has the given block and the contrast values 1 - q_own + q_sibling.

    The diagonal of the block is rebuilt from the rest of its column, so columns of Q sum to one exactly.
    """
    cross = block / (r.w * r.scale)
    np.fill_diagonal(cross, 0)
    rho = r.m @ cross
    sibling = np.where(r.m > 1, (contrast - rho) / r.m, 0.0)
    miss = rho + (r.m - 1) * sibling
    q = Masses(cross, sibling, miss, 1 - miss)
    return Dual(q, gradient_block(r, q))


def mix(r: Reduced, a: Dual, b: Dual, share: float) -> Dual:
    """(1 - share) a + share b."""
    parts = [(1 - share) * u + share * v for u, v in ((a.q.cross, b.q.cross), (a.q.sibling, b.q.sibling))]
    miss = r.m @ parts[0] + (r.m - 1) * parts[1]
    q = Masses(parts[0], parts[1], miss, 1 - miss)
    return Dual(q, gradient_block(r, q))


def certainty(r: Reduced) -> Dual:
    """Q = I."""
    zero, one = np.zeros(len(r.m)), np.ones(len(r.m))
    return Dual(Masses(np.diag(zero), zero, zero, one), np.diag(zero))


def blend(r: Reduced, a: Dual, b: Dual) -> Dual:
    """The mixture of a and the positive b that is nearest to a and has no negative entry, kept feasible."""
    share = 0.0
    for u, v in ((a.q.cross, b.q.cross), (a.q.sibling, b.q.sibling), (a.q.own, b.q.own)):
        negative = u < 0
        if negative.any():
            share = max(share, float((u[negative] / (u[negative] - v[negative])).max()))
    mixed = a if share == 0 else mix(r, a, b, min(1.0, share * (1 + 4 * EPS)))
    # what the columns' sums changed by rounding must not leave the norm ball
    excess = operator_norm(r, mixed.block, mixed.q.miss + mixed.q.sibling) / r.x
    return mixed if excess <= 1 + 8 * EPS * math.sqrt(len(r.m)) else mix(r, mixed, certainty(r), 1 - 1 / excess)


def safe_dual(r: Reduced, p: Masses) -> Dual:
    """Feasible Q = t P + (1 - t) I; for a free bias moved to Q diag(w) n = diag(w) n and kept non-negative."""
    block, contrast = gradient_block(r, p), p.miss + p.sibling
    t = min(1.0, r.x / operator_norm(r, block, contrast))
    block, contrast = t * block, t * contrast
    if r.nu != 0:
        return dual_from_block(r, block, contrast)
    v = r.w * r.n / (r.m @ (r.w * r.n))
    cross = np.outer(v, np.ones(len(v)))
    np.fill_diagonal(cross, 0)
    sibling = np.where(r.m > 1, v, 0.0)
    q = Masses(cross, sibling, 1 - v, v)
    norm = operator_norm(r, gradient_block(r, q), np.ones(len(v)))
    t = min(1.0, r.x / norm)
    q = Masses(t * cross, t * sibling, t * (1 - v), 1 - t * (1 - v))
    return blend(r, dual_from_block(r, balanced(r, block), contrast), Dual(q, gradient_block(r, q)))


def operator_norm(r: Reduced, block: Array, contrast: Array) -> float:
    """Spectral norm of S from its block and its contrast values (a cluster of one class has none)."""
    return float(max(singular_values(block)[0], (r.w * np.sqrt(r.n) * contrast)[r.m > 1].max(initial=1e-300)))


def balanced(r: Reduced, block: Array) -> Array:
    """Project S on S sqrt(n) = 0, the condition of a free bias; this never raises the norm."""
    s = np.sqrt(r.m * r.n / r.total)
    return np.asarray(block - np.outer(block @ s, s))


def aligned_dual(r: Reduced, X: Array, p: Masses, eta: float) -> Dual:
    """Dual point of a proximal step from X: norm at most x and aligned with the target of the step.

    For eta -> 0 it is -x U V^T plus the clipped rest of the gradient, aligned with X itself.
    """
    U, y, Vt = svd(X - eta * gradient_block(r, p))
    block = -(U * np.minimum(y / eta, r.x)) @ Vt
    block -= np.outer(r.null, r.null @ block)
    return dual_from_block(r, balanced(r, block) if r.nu == 0 else block, r.level)


def divergence(p: Array, difference: Array) -> Array:
    """Terms q log(q/p) - q + p of KL(q | p) for q = p + difference, without cancellation; inf for q < 0.

    Also inf for a p that underflows and q != p: its logarithm is not known.
    """
    d = difference / np.maximum(p, 1e-300)
    small = np.abs(d) < 1e-3
    e = np.where(small, d, 0.0)
    series = e * e * (1 / 2 - e * (1 / 6 - e * (1 / 12 - e * (1 / 20 - e / 30))))
    f = np.where(small, 0.0, np.maximum(d, -1.0))
    terms = p * np.where(small, series, xlog1py(1 + f, f) - f)
    return np.asarray(np.where((d < -1) | ((p < 1e-300) & (difference != 0)), np.inf, terms))


def duality_gap(r: Reduced, point: tuple[Array, Array, Array], p: Masses, dual: Dual) -> float:
    """Value at the point minus the dual value, times the number of samples (in units of the largest size)."""
    alpha, X, bias = point
    q = dual.q
    kl = divergence(p.own, p.miss - q.miss) + (r.m - 1) * divergence(p.sibling, q.sibling - p.sibling)
    kl = kl + r.m @ divergence(p.cross, q.cross - p.cross)
    gap = float((r.m * r.w * r.n) @ kl)
    slack = r.x * singular_values(X).sum() + float((dual.block * X).sum())
    inner = np.sqrt(r.n) * (r.x * np.abs(alpha) - r.w * np.sqrt(r.n) * (q.miss + q.sibling) * alpha)
    gap += max(0.0, float(slack)) + float((r.m - 1) @ np.maximum(inner, 0))
    y = dual.block @ np.sqrt(r.m * r.n) / np.sqrt(r.m)
    if r.nu == 0:
        gap += float(r.m @ np.abs(bias * y))
    elif math.isfinite(r.nu):
        gap += r.nu / 2 * float(r.m @ (bias + y / r.nu) ** 2)
    return gap


def log_radius(mass: Array, budget: Array) -> Array:
    """Bound on |log(R*/R)| for an event of mass R > 0 when KL(q* | p) <= budget; inf if the budget is too large.

    From R phi(R*/R - 1) <= KL with phi(d) = (1 + d) log(1 + d) - d >= d^2/2 for d < 0 (data processing); the
    upper side is never the larger one.
    """
    with np.errstate(over="ignore"):  # infinite is right: no bound
        s = np.sqrt(2 * budget / np.maximum(mass, 1e-300))
    return np.asarray(np.where(s < 1, -np.log1p(-np.where(s < 1, s, 0.0)), np.inf))


def own_log_radius(p: Masses, budget: Array) -> Array:
    """Bound on |log own - log own*|, from the own mass or from its complement, whichever is smaller."""
    shift = budget / 3 + np.sqrt(budget**2 / 9 + 2 * budget * p.miss)
    s = shift / np.maximum(p.own, 1e-300)
    other = np.where(s < 1, -np.log1p(-np.where(s < 1, s, 0.0)), np.inf)
    return np.asarray(np.minimum(log_radius(p.own, budget), other))


def assess(problem: Problem, point: BlockPoint) -> Assessment:
    """Bounds on the optimal value and facts about every minimiser, from any symmetric point.

    Parameters
    ----------
    problem : Problem
    point : BlockPoint of floats; it need not be optimal, the bounds are valid for every point.

    Returns
    -------
    Assessment
        All numbers in the canonical normalisation; the lower bound is the best of the scaled gradient and of
        the dual points aligned with proximal steps of different lengths.

    Raises
    ------
    ValueError
        If the point has entries that are not finite, or a bias although the problem has none.
    OverflowError
        If ratios of sizes do not fit floats.

    Examples
    --------
    >>> problem = Problem.ce([(9, 2), (4, 3)], "0.03")
    >>> zero = assess(problem, BlockPoint(np.zeros(2), np.zeros((2, 2)), np.zeros(2)))
    >>> zero.lower < 0.994356600214 < zero.upper
    True
    """
    r = reduce(problem)
    alpha, bias = np.asarray(point.alpha, dtype=float), np.asarray(point.bias, dtype=float)
    means = r.centred(np.asarray(point.means, dtype=float))
    if not (np.isfinite(alpha).all() and np.isfinite(means).all() and np.isfinite(bias).all()):
        raise ValueError("point: logits or bias are not finite")
    if problem.bias == "none" and bias.any():
        raise ValueError("point: this problem has no bias")
    bias = bias - r.m @ bias / r.m.sum()
    X = means * r.scale
    p, loss = masses(r, alpha, means, bias)
    penalty = r.x * (float(singular_values(X).sum()) + float((r.m - 1) @ (np.sqrt(r.n) * np.abs(alpha))))
    if math.isfinite(r.nu):
        penalty += r.nu / 2 * float(r.m @ bias**2)
    value = (float((r.m * r.w * r.n) @ loss) + penalty) / r.total
    safe = safe_dual(r, p)
    eta = 2 / float(r.w.max())
    duals = [safe] + [blend(r, aligned_dual(r, X, p, step), safe) for step in (eta, 1e-2 * eta, 1e-4 * eta)]
    evaluated = min(duality_gap(r, (alpha, X, bias), p, dual) for dual in duals) / r.total
    largest = float(np.abs(means).max() + np.abs(alpha).max() + np.abs(bias).max())
    allowance = EPS * (4 * len(r.m) + 4 * largest + 16) * value
    # the gap is a sum of small terms: it feels the rounding of the norm of S, not that of the value
    certain = evaluated + _gap_rounding(r, penalty, float((r.m * r.w * r.n) @ p.miss), largest)
    lower, upper = value - certain - allowance, value + allowance
    return _facts(r, (alpha, means, bias), p, (lower, upper, upper - lower, allowance), certain)


def _gap_rounding(r: Reduced, penalty: float, missing: float, largest: float) -> float:
    """Allowance for the evaluated gap: first order in the norm of S, second order in the probabilities."""
    relative = 4 * EPS * (1 + largest)
    return 16 * EPS * math.sqrt(len(r.m)) * penalty / r.total + relative**2 * missing / r.total


def _facts(
    r: Reduced,
    point: tuple[Array, Array, Array],
    p: Masses,
    bounds: tuple[float, float, float, float],
    gap: float,
) -> Assessment:
    """What follows for every minimiser from KL(p*_k | p_k) summed with weights c_k being at most the gap."""
    alpha, means, bias = point
    budget = gap * r.total / (r.m * r.w * r.n)
    own = own_log_radius(p, budget)
    sibling = np.where(r.m > 1, log_radius((r.m - 1) * p.sibling, budget), 0.0)
    cross = log_radius(r.m[:, None] * p.cross, budget)
    np.fill_diagonal(cross, 0)
    mean = (own + (r.m - 1) * sibling + r.m @ cross) / r.m.sum()
    entries = cross + mean
    np.fill_diagonal(entries, np.maximum(own, sibling) + mean)
    bias_radius = _bias_radius(r, means, entries, gap)
    rounding = 4 * EPS * (1 + np.abs(means) + alpha)
    states = tuple(
        _contrast(r, g, p, float(alpha[g]), float(own[g] + sibling[g]), float(budget[g])) for g in range(len(r.m))
    )
    return Assessment(
        *bounds,
        logit_radius=entries + bias_radius[:, None] + rounding,
        bias_radius=bias_radius,
        own_radius=own,
        sibling_radius=sibling,
        cross_radius=cross,
        contrasts=states,
        rank=_rank(r, (means, bias), p, entries, states, gap),
    )


def _bias_radius(r: Reduced, means: Array, entries: Array, gap: float) -> Array:
    """Radius of the centred bias: strong convexity of its penalty, or Z n = 0 at a minimiser with a free bias."""
    if math.isinf(r.nu):
        return np.zeros(len(r.m))
    if r.nu > 0:
        return np.asarray(np.sqrt(2 * gap * r.total / (r.nu * r.m)))
    share = r.m * r.n / r.total
    return np.asarray(entries @ share + np.abs(means @ share))


def _contrast(r: Reduced, g: int, p: Masses, alpha: float, radius: float, budget: float) -> State:
    if r.m[g] == 1:
        return "absent"
    strength = r.w[g] * math.sqrt(r.n[g])
    if alpha > radius:
        return "alive"
    if strength * (p.miss[g] + p.sibling[g] + math.sqrt(2 * budget)) * (1 + 64 * EPS) < r.x:
        return "dead"
    return None


def _rank(
    r: Reduced, logits: tuple[Array, Array], p: Masses, entries: Array, states: tuple[State, ...], gap: float
) -> tuple[int, int]:
    """Least and most rank: Weyl's inequality for the logits (bias projected off) and for the dual matrix."""
    means, bias = logits
    X = (means + bias[:, None]) * r.scale
    if math.isfinite(r.nu):
        X = balanced(r, X)
    distance = float(np.linalg.norm(entries * r.scale)) + 16 * EPS * len(r.m) * float(np.linalg.norm(X))
    least = int((singular_values(X) > distance).sum())
    shift = math.sqrt(2 * r.total * float(r.w.max()) * gap) + 16 * EPS * len(r.m) * r.x
    most = min(int((singular_values(gradient_block(r, p)) >= r.x - shift).sum()), len(r.m) - 1)
    contrast = (r.m - 1).astype(int)
    alive = sum(int(k) for k, state in zip(contrast, states, strict=True) if state == "alive")
    possible = sum(int(k) for k, state in zip(contrast, states, strict=True) if state in ("alive", None))
    return least + alive, most + possible


def to_optimum(
    problem: Problem,
    route: str,
    point: BlockPoint,
    *,
    uses: frozenset[str] = frozenset(),
    witness: Point | None = None,
    upper: float | None = None,
    work: dict[str, Any] | None = None,
) -> Optimum:
    """Certify a symmetric point and deliver it as balls (K x K arrays up to K = 64).

    Parameters
    ----------
    point : the symmetric point that a route found.
    witness, upper : an explicit (W, H, b) and its objective; without them the upper bound is the value of the
        convex program at ``point``, which needs the feature dimension to be at least the certified rank.
    uses, work : passed on to the optimum.

    Raises
    ------
    ValueError, OverflowError
        As :func:`assess`.

    Examples
    --------
    >>> problem = Problem.ce([(9, 2), (4, 3)], "0.03")
    >>> zero = BlockPoint(np.zeros(2), np.zeros((2, 2)), np.zeros(2))
    >>> to_optimum(problem, "guess", zero).lower < arb("0.994356600214")
    True
    """
    facts = assess(problem, point)
    optimum = Optimum(problem, route, arb(facts.lower), uses=uses, point=witness, work=dict(work or {}, gap=facts.gap))
    if upper is None and problem.dim >= facts.rank[1]:
        upper = facts.upper
    elif upper is not None:
        upper += 16 * EPS * (problem.K + 8) * upper
    optimum = replace(optimum, upper=None if upper is None else arb(upper))
    if problem.dim < facts.rank[1]:
        return replace(optimum, reason="the feature dimension is below the certified rank of the convex program")
    optimum = replace(optimum, contrasts=facts.contrasts, rank=facts.rank)
    if problem.K > 64:
        return replace(optimum, reason="K > 64: logits are not expanded")
    Z, b = point.expand(problem)
    owner = np.empty(problem.K, dtype=int)
    for g, cluster in enumerate(problem.clusters):
        owner[cluster.members] = g
    radius = facts.logit_radius[np.ix_(owner, owner)]
    logits = [[arb(float(z), float(e)) for z, e in zip(*row, strict=True)] for row in zip(Z, radius, strict=True)]
    balls = [arb(float(z), float(facts.bias_radius[g])) for z, g in zip(b, owner, strict=True)]
    return replace(optimum, logits=np.array(logits, dtype=object), bias=np.array(balls, dtype=object))
