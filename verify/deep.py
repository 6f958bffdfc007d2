"""Deep linear cross-entropy in reduced form: simplex frames, cross-polytopes and block-simplex codes for equal sizes.

With L = M + 1 factors and G_n = (n Lam)^(1/L), n samples per class, the cheapest factors of logits Z cost
(L/2) G_n sum_i s_i(Z)^(2/L) (Horn, means). So a code with scales a_j costs

    (1/K) sum over classes of CE + (L/2) G_n sum over blocks of (k_j - 1) a_j^(2/L),

a class of a block of size k seeing its k - 1 siblings at distance a and all others at distance a (k - 1)/k. These are
values of explicit points: upper bounds on the optimal value, not the optimal value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.optimize
import threadpoolctl
from flint import arb, ctx, fmpq
from numpy.typing import NDArray

from theory.problem import Problem
from verify.balls import precision

__all__ = [
    "Best",
    "Curve",
    "best_code",
    "best_codes",
    "best_scale",
    "code_factors",
    "code_value",
    "codes",
    "contrasts",
    "critical_code",
    "critical_frame",
    "cross_curve",
    "frame_curve",
    "price",
]

Array = NDArray[Any]
EVERY_CODE = 8
"""Most classes for which every partition into blocks is tried."""


def price(problem: Problem, size: Fraction | None = None) -> Any:
    """Ball around G_n = (n Lam)^(1/L), n the given size or the smallest one.

    Examples
    --------
    >>> price(Problem.ce([(1, 3)], ["0.2", "0.2"], "0.2")).str(6, radius=False)
    '0.200000'
    """
    total = (size or min(cluster.size for cluster in problem.clusters)) * problem.product
    return (arb(fmpq(total.numerator, total.denominator)).log() / (problem.depth + 1)).exp()


# --- one scale ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """Points with one scale t: f(t) = loss(t) + (L/2) g t^q, q = 2/L, ``loss`` convex and decreasing.

    ``resistance`` is -log(-loss'), ``slope`` its derivative. f' has the sign of
    rho(t) = resistance(t) + log g - (1 - q) log t, and rho is convex where the resistance is: f falls between the two
    zeros of rho and rises elsewhere, so its minimum is at the larger zero or at t = 0.
    """

    loss: Callable[[Any], Any]
    resistance: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    g: Any
    depth: int

    @property
    def q(self) -> Any:
        """Exponent 2/L of the penalty."""
        return arb(2) / (self.depth + 1)

    def value(self, t: Any) -> Any:
        """Objective at t > 0."""
        return self.loss(t) + self.g / self.q * (self.q * t.log()).exp()

    def rho(self, t: Any) -> Any:
        """Convex function with the sign of f'."""
        return self.resistance(t) + self.g.log() - (1 - self.q) * t.log()

    def turn(self, t: Any) -> Any:
        """Derivative of rho."""
        return self.slope(t) - (1 - self.q) / t


@dataclass(frozen=True)
class Best:
    """The minimum of a curve over t >= 0.

    ``scale`` is 0 where zero wins, ``alive`` None where that is not decided; ``bracket`` holds the larger zero of rho
    or, where it has none, the place where rho is smallest.
    """

    value: Any
    scale: Any
    alive: bool | None
    bracket: tuple[Any, Any]


def frame_curve(classes: int, depth: int, g: Any, weight: Any | None = None) -> Curve:
    """Simplex frames Z = a (I - J/K), or any points of penalty (L/2) g weight a^q (default weight K - 1).

    Examples
    --------
    >>> best_scale(frame_curve(4, 3, arb("0.02"))).value.str(12, radius=False)
    '0.287047326377'
    """
    c = classes - 1
    return Curve(
        loss=lambda a: (c * (-a).exp()).log1p(),
        resistance=lambda a: a + (c * (-a).exp()).log1p() - arb(c).log(),
        slope=lambda a: 1 / (1 + c * (-a).exp()),
        g=g * (arb(c) if weight is None else weight),
        depth=depth,
    )


def cross_curve(classes: int, depth: int, g: Any) -> Curve:
    """Cross-polytopes, K even and at least 4: c on the diagonal of Z, -c at the partner, 0 elsewhere.

    The resistance is convex because (s + s u^2 + 4u)(s u + 2)^2 >= 2 s (u^2 + s u + 1)^2 for s = K - 2 >= 2, u >= 1.

    Examples
    --------
    >>> best_scale(cross_curve(4, 3, arb("0.02"))).value.str(12, radius=False)
    '0.261555249021'
    """
    s, q = classes - 2, arb(2) / (depth + 1)

    def slope(c: Any) -> Any:
        e = (-c).exp()
        return (2 + s * e) / (1 + s * e + e * e) - s / (s + 2 * e)

    return Curve(
        loss=lambda c: (s * (-c).exp() + (-2 * c).exp()).log1p(),
        resistance=lambda c: c + (s * (-c).exp() + (-2 * c).exp()).log1p() - (s + 2 * (-c).exp()).log(),
        slope=slope,
        g=g * arb(classes) / 2 * (arb(2).log() * q).exp(),
        depth=depth,
    )


def best_scale(curve: Curve) -> Best:
    """Minimum of a curve, enclosed at the current precision.

    Examples
    --------
    >>> best = best_scale(frame_curve(3, 2, arb("0.3")))
    >>> best.alive, best.scale, best.value.str(12, radius=False)
    (False, 0, '1.09861228867')
    """
    zero = curve.loss(arb(0))
    bottom = _crossing(curve.turn, arb(2) ** -64, arb(64))
    low, high = bottom
    if not curve.rho(low) < 0:
        alive = False if curve.rho(low.union(high)) > 0 else None
        return Best(zero, arb(0) if alive is False else low.union(high), alive, bottom)
    low, high = _crossing(curve.rho, low, 2 * high)
    scale = low.union(high)
    value = curve.value(scale)
    if value > zero:
        return Best(zero, arb(0), False, (low, high))
    return Best(arb.min(value, zero), scale, True if value < zero else None, (low, high))


def _crossing(function: Callable[[Any], Any], low: Any, high: Any) -> tuple[Any, Any]:
    """Two close points, the function certainly negative at the first and positive at the second."""
    while not function(high) > 0:
        high = 2 * high
    while high - low > high * arb(2) ** (12 - ctx.prec):
        middle = ((low + high) / 2).mid()
        value = function(middle)
        if value < 0:
            low = middle
        elif value > 0:
            high = middle
        else:
            break
    return low, high


# --- block codes -------------------------------------------------------------------------------------------------


def codes(classes: int, width: int) -> Iterator[tuple[int, ...]]:
    """Partitions of the classes into blocks, of rank (sum of k - 1) 1 to ``width``; above 8 classes near-equal ones.

    Examples
    --------
    >>> list(codes(4, 2))
    [(3, 1), (2, 2), (2, 1, 1)]
    """
    if classes <= EVERY_CODE:
        found = list(_partitions(classes, classes))
    else:
        found = [tuple(-(-(classes - i) // r) for i in range(r)) for r in range(1, classes)]
    return (blocks for blocks in found if 1 <= classes - len(blocks) <= width)


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    if total == 0:
        yield ()
    for first in range(min(total, largest), 0, -1):
        yield from ((first, *rest) for rest in _partitions(total - first, first))


def code_value(blocks: Sequence[int], scales: Sequence[float] | Array, depth: int, g: float) -> tuple[float, Array]:
    """Objective of a block code with balanced factors, and its gradient in the scales; sizes are equal.

    Parameters
    ----------
    blocks : sizes of the blocks.
    scales : a_j >= 0 per block (of no meaning for a block of one class).
    depth, g : M and G_n.

    Examples
    --------
    >>> round(code_value((2, 2), (6.844939973986, 6.844939973986), 2, 0.03)[0], 12)
    0.388677100221
    """
    k, a = np.array(blocks, dtype=float), np.asarray(scales, dtype=float)
    K, q, share = k.sum(), 2 / (depth + 1), (k - 1) / k
    near, far = (k - 1) * np.exp(-a), (K - k) * np.exp(-a * share)
    value = k @ np.log1p(near + far) / K + g / q * ((k - 1) @ a**q)
    rise = g * (k - 1) * np.where(a > 0, a, 1.0) ** (q - 1)
    return float(value), rise - k / K * (near + far * share) / (1 + near + far)


@lru_cache(maxsize=4096)
def best_code(blocks: tuple[int, ...], depth: int, g: float) -> tuple[float, tuple[float, ...]]:
    """Best scales found for a code, blocks of one size sharing theirs: (objective, scale per block).

    Examples
    --------
    >>> value, scales = best_code((3, 2), 2, 0.02)
    >>> round(value, 9), [round(a, 4) for a in scales]
    (0.362950121, [5.5866, 8.12])
    """
    sizes = sorted({k for k in blocks if k > 1}, reverse=True)
    place = [sizes.index(k) if k > 1 else -1 for k in blocks]

    def spread(v: Array) -> Array:
        return np.array([v[i] if i >= 0 else 0.0 for i in place])

    def objective(v: Array) -> tuple[float, Array]:
        value, slope = code_value(blocks, spread(v), depth, g)
        return value, np.array([sum(s for s, i in zip(slope, place, strict=True) if i == j) for j in range(len(sizes))])

    first = np.array([max(1.0, -np.log(g)) * k / (k - 1) for k in sizes])
    options = {"ftol": 0.0, "gtol": 1e-15, "maxiter": 500}
    bounds = scipy.optimize.Bounds(1e-9, np.inf)
    runs = [
        scipy.optimize.minimize(objective, scale * first, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        for scale in (0.6, 1.0)
    ]
    best = min(runs, key=lambda run: float(run.fun))
    return float(best.fun), tuple(map(float, spread(best.x)))


def best_codes(problem: Problem, count: int = 3) -> list[tuple[float, tuple[int, ...], tuple[float, ...]]]:
    """The best few codes as (objective, blocks, scales), best first, as if all sizes were the smallest one.

    Examples
    --------
    >>> [blocks for _, blocks, _ in best_codes(Problem.ce([(1, 4)], ["0.02"] * 3, "0.02"))]
    [(2, 2), (4,), (3, 1)]
    """
    return _ranked(problem.K, min(problem.layer_widths), problem.depth, float(price(problem)))[:count]


def _ranked(classes: int, width: int, depth: int, g: float) -> list[tuple[float, tuple[int, ...], tuple[float, ...]]]:
    if not 1e-150 < g < 1e150:  # scales beyond 700 leave the range of floats
        return []
    found = []
    with threadpoolctl.threadpool_limits(1):  # threads only wait for each other on matrices this small
        for blocks in codes(classes, width):
            value, scales = best_code(blocks, depth, g)
            found.append((value, blocks, scales))
    return sorted(found)


# --- where zero takes over ----------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def critical_frame(classes: int, depth: int, bits: int) -> tuple[Any, Any]:
    """Two balls: G_n at which the best frame ties with zero, and G_n from which the lower bound proves zero optimal.

    At such a tie log K - log(1 + (K-1) e^-a) = (L/2)(K-1) a/(e^a + K-1), whatever the weight of the penalty. The
    difference of the sides falls from 0 and then rises, so it has one zero a > 0.

    Examples
    --------
    >>> [g.str(8, radius=False) for g in critical_frame(5, 2, 128)]
    ['0.12414656', '0.19707038']
    """
    k, q = classes - 1, arb(2) / (depth + 1)

    def surplus(a: Any) -> Any:
        return arb(classes).log() - (k * (-a).exp()).log1p() - k * a / (a.exp() + k) / q

    with precision(bits):
        low, high = _crossing(surplus, arb(2) ** -16, arb(8))
        a = low.union(high)
        frame = ((1 - q) * a.log()).exp() / (a.exp() + k)
        return frame, frame * ((1 - q) * arb(k).log()).exp()


@lru_cache(maxsize=256)
def critical_code(classes: int, width: int, depth: int) -> tuple[Any, tuple[int, ...]]:
    """A G_n, as large as found, up to which an explicit block code beats zero, and the code.

    Its own scales s tie with zero at G_n = q (log K - loss)/sum (k_j - 1) s_j^q; iterated on the best code.

    Examples
    --------
    >>> g, blocks = critical_code(3, 2, 2)
    >>> g.str(8, radius=False), blocks
    ('0.19418637', (2, 1))
    """
    bits, q = 128, arb(2) / (depth + 1)
    with precision(bits):
        code: tuple[int, ...] = (classes,)
        best, g = arb(0), float(critical_frame(classes, depth, bits)[1])
        for _ in range(100):
            found = [entry for entry in _ranked(classes, width, depth, g) if entry[0] < np.log(classes)]
            ties = _tie(*found[0][1:], q) if found else best
            if ties > best * (1 + arb(1e-12)):
                best, code, g = ties, found[0][1], float(ties)
            elif best > 0:
                break
            else:
                g /= 2
        return best.mid(), code


def _tie(blocks: Sequence[int], scales: Sequence[float], q: Any) -> Any:
    """Ball around the G_n at which the code with these scales ties with zero."""
    K, loss, weight = sum(blocks), arb(0), arb(0)
    for k, scale in zip(blocks, scales, strict=True):
        a = arb(scale)
        loss += arb(k) / K * ((k - 1) * (-a).exp() + (K - k) * (-a * (k - 1) / k).exp()).log1p()
        weight += (k - 1) * (q * a.log()).exp() if k > 1 else 0
    return q * (arb(K).log() - loss) / weight


# --- factors -----------------------------------------------------------------------------------------------------


def contrasts(blocks: Sequence[int]) -> list[list[Any]]:
    """Orthonormal contrasts of every block, as K rows of balls; column (j, i): i classes of block j against the next.

    Examples
    --------
    >>> [[float(x) for x in row] for row in contrasts((1, 2))] == [[0.0], [0.5**0.5], [-(0.5**0.5)]]
    True
    """
    K, start, columns = sum(blocks), 0, []
    for size in blocks:
        for i in range(1, size):
            unit = 1 / arb(i * (i + 1)).sqrt()
            column = [arb(0)] * K
            column[start : start + i + 1] = [unit] * i + [-i * unit]
            columns.append(column)
        start += size
    return [list(row) for row in zip(*columns, strict=True)]


def code_factors(problem: Problem, blocks: Sequence[int], scales: Sequence[Any]) -> list[list[list[Any]]]:
    """Balanced factors W_M, ..., W_1, Hbar of the logits of a code, as rows of balls; all widths are its rank.

    Every factor has the singular values (sqrt(n) a)^(1/L) sqrt(G/lambda), n the smallest size.

    Examples
    --------
    >>> problem = Problem.ce([(1, 2)], ["0.1", "0.1"], "0.1")
    >>> W2, W1, H = (np.array(factor) for factor in code_factors(problem, (2,), (arb(8),)))
    >>> [round(float(x), 9) for x in (W2 @ W1 @ H)[:, 0]]
    [4.0, -4.0]
    """
    V, L = contrasts(blocks), problem.depth + 1
    size = min(cluster.size for cluster in problem.clusters)
    root = arb(fmpq(size.numerator, size.denominator)).sqrt()
    spread = [a for k, a in zip(blocks, scales, strict=True) for _ in range(k - 1)]
    common = (arb(fmpq(problem.product.numerator, problem.product.denominator)).log() / L).exp()
    levels = [((a * root).log() / L).exp() * common.sqrt() for a in spread]
    decays = [arb(fmpq(d.numerator, d.denominator)).sqrt() for d in (*problem.layers, problem.lambda_h)]
    r = len(spread)
    factors = []
    for m, decay in enumerate(decays):
        values = [level / decay for level in levels]
        if m == 0:
            rows = [[x * value for x, value in zip(row, values, strict=True)] for row in V]
        elif m < L - 1:
            rows = [[values[i] if i == j else arb(0) for j in range(r)] for i in range(r)]
        else:
            rows = [[V[k][i] * values[i] / root for k in range(problem.K)] for i in range(r)]
        factors.append(rows)
    return factors
