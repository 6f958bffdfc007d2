"""Model ``mse`` mode by mode: the singular values of the labels and which of them survive.

The problem splits into scalar problems, one per singular value sqrt(mu) of the labels Y (no bias) or of the centred
labels (free bias): minimise over x >= 0

    (share/(2N)) (x - sqrt(mu))^2 + (L/2) G x^(2/L),     L = M + 1,  G = Lam^(1/L),  Lam the product of all decays,

with share = 1. Equal classes with a penalised bias split as well: the mean of the labels has the share lambda_b/(1 +
lambda_b), every other mode 1. No more modes than the smallest layer has room for are positive, the first in the order
of :func:`modes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from flint import arb, ctx, fmpq, fmpq_poly
from numpy.typing import NDArray

from theory.problem import Problem
from verify.bracket import Bracket, ball, bisect, fraction

__all__ = [
    "Mode",
    "ModeState",
    "Solved",
    "critical",
    "from_root",
    "largest_root",
    "minimise",
    "modes",
    "projector",
    "rate",
    "separable",
    "side",
    "spectral",
    "state",
    "stationary",
]

Array = NDArray[Any]
ModeState = Literal["alive", "dead", "tie"] | None
"""alive: the mode is positive in every minimiser; dead: zero; tie: both are optimal; None: not decided."""


@dataclass(frozen=True)
class Mode:
    """``copies`` equal singular values of the target, of which ``kept`` find room.

    Attributes
    ----------
    kind : 'class' (every class of a cluster), 'contrast' (differences inside a cluster), 'group' (between clusters),
        'mean' (of all classes).
    cluster : number of the cluster; of a group mode that of the next larger size.
    mu : rational, or rational bounds of the squared singular value.
    share : weight of the mode in the loss.
    """

    kind: Literal["class", "contrast", "group", "mean"]
    cluster: int
    mu: Fraction | Bracket
    copies: int
    kept: int
    share: Fraction = Fraction(1)

    @property
    def ball(self) -> Any:
        """Ball around mu at the current precision."""
        if isinstance(self.mu, Fraction):
            return ball(self.mu)
        lower, upper = (ball(end) for end in self.mu)
        return lower.union(upper)


@dataclass(frozen=True)
class Solved:
    """A mode with its minimiser x = p sqrt(mu).

    ``energy`` is lambda (singular value)^2 of every factor; the mode adds ``feature`` times its projector to the Gram
    matrix of the class means and ``classifier`` times it to that of W_M ... W_1.
    """

    mode: Mode
    state: ModeState
    p: Any
    energy: Any
    feature: Any
    classifier: Any

    @property
    def settled(self) -> bool:
        """Whether every minimiser has the same part in the space of this mode."""
        whole = self.mode.kept in (0, self.mode.copies)
        return self.state == "dead" or self.mode.kept == 0 or (self.state == "alive" and whole)


def separable(problem: Problem) -> bool:
    """Whether the problem splits into modes: not with a penalised bias on unequal classes.

    Examples
    --------
    >>> separable(Problem.mse([3, 2], 1, bias="free")), separable(Problem.mse([3, 2], 1, bias=1))
    (True, False)
    """
    return isinstance(problem.bias, str) or len(problem.clusters) == 1


def modes(problem: Problem) -> list[Mode]:
    """Modes in the order in which they fill the rank budget: decreasing mu, the mean of a penalised bias last.

    The mode 0 of the free bias is left out. Enclosures of irrational mu are as wide as the current precision.

    Examples
    --------
    >>> [(m.kind, str(m.mu), m.copies, m.kept) for m in modes(Problem.mse([(9, 2), (3, 3)], 1, bias="free", dim=3))]
    [('contrast', '9', 1, 1), ('group', '5', 1, 1), ('contrast', '3', 2, 1)]
    """
    clusters = problem.clusters
    if problem.bias == "none":
        found = [Mode("class", g, c.size, c.classes, 0) for g, c in enumerate(clusters)]
    else:
        found = [Mode("contrast", g, c.size, c.classes - 1, 0) for g, c in enumerate(clusters) if c.classes > 1]
        if problem.bias == "free":
            squares = _secular(tuple((c.size, c.classes) for c in clusters), ctx.prec)
            found += [Mode("group", g, mu, 1, 0) for g, mu in enumerate(squares)]
        else:
            found.append(Mode("mean", 0, clusters[0].size, 1, 0, Fraction(problem.bias) / (1 + Fraction(problem.bias))))
        found.sort(key=lambda mode: (mode.kind == "mean", mode.cluster, mode.kind == "group"))
    room, kept = problem.dim, []
    for mode in found:
        kept.append(min(room, mode.copies))
        room -= kept[-1]
    return [replace(mode, kept=r) for mode, r in zip(found, kept, strict=True)]


@lru_cache(maxsize=256)
def _secular(sizes: tuple[tuple[Fraction, int], ...], bits: int) -> tuple[Fraction | Bracket, ...]:
    """Eigenvalues of diag(n) - n n^T/N between neighbouring sizes: zeros of sum_k n_k/(n_k - mu), which increases."""
    if len(sizes) == 2:
        (a, m), (b, r) = sizes
        return ((m + r) * a * b / (m * a + r * b),)

    return tuple(_zero(sizes, b, a, bits) for (a, _), (b, _) in pairwise(sizes))


def _zero(sizes: Sequence[tuple[Fraction, int]], lower: Fraction, upper: Fraction, bits: int) -> Bracket:
    """Bracket of the zero of sum_k n_k/(n_k - mu) between neighbouring sizes, relative width about 2^-bits."""

    def value(mu: Any) -> Any:
        return sum((m * ball(n) / (ball(n) - mu) for n, m in sizes), arb(0))

    def slope(mu: Any) -> Any:
        return sum((m * ball(n) / _power(ball(n) - mu, 2) for n, m in sizes), arb(0))

    def sign(mu: Fraction) -> int:
        found = value(ball(mu))
        return 1 if found > 0 else -1 if found < 0 else 0

    bracket = bisect(sign, lower, upper, 12)
    mu = ball((bracket[0] + bracket[1]) / 2).mid()
    for _ in range(bits.bit_length()):
        mu = (mu - value(mu) / slope(mu)).mid()
    if mu.is_finite():
        guess = fraction(mu)
        sides = guess * (1 - Fraction(1, 1 << (bits - 16))), guess * (1 + Fraction(1, 1 << (bits - 16)))
        if bracket[0] < sides[0] and sides[1] < bracket[1] and sign(sides[0]) < 0 < sign(sides[1]):
            return sides
    return bisect(sign, *bracket, int(bits * 0.3))


def critical(problem: Problem, mode: Mode) -> Fraction | Bracket:
    """The product Lam of all weight decays at which the mode ties with zero: mu^M B share^(M+1)/(M^(2M) N^(M+1)).

    B = (M-1)^(M-1), 1 for M = 1. Rational bounds where mu is irrational.

    Examples
    --------
    >>> problem = Problem.mse([5, 3], [1, 1], 1)
    >>> [str(critical(problem, mode)) for mode in modes(problem)]
    ['25/8192', '9/8192']
    """
    M = problem.depth
    base = Fraction(max(1, M - 1) ** (M - 1), M ** (2 * M))
    scale: Fraction = base * (mode.share / problem.N) ** (M + 1)
    if isinstance(mode.mu, Fraction):
        return scale * mode.mu**M
    return scale * mode.mu[0] ** M, scale * mode.mu[1] ** M


def side(problem: Problem, mode: Mode) -> int | None:
    """Sign of critical Lam minus Lam, exactly; for irrational mu 0 if it is a common root of two polynomials.

    None where the bounds of an irrational mu do not decide.
    """
    limit, M = critical(problem, mode), problem.depth
    if isinstance(limit, Fraction):
        return (limit > problem.product) - (limit < problem.product)
    if limit[0] > problem.product or limit[1] < problem.product:
        return 1 if limit[0] > problem.product else -1
    secular = fmpq_poly([0])
    for c in problem.clusters:
        term = fmpq_poly([_q(c.size * c.classes)])
        for other in problem.clusters:
            term *= fmpq_poly([_q(other.size), -1]) if other != c else fmpq_poly([1])
        secular += term
    power = problem.product * M ** (2 * M) * problem.N ** (M + 1) / max(1, M - 1) ** (M - 1)
    return 0 if secular.gcd(fmpq_poly([-_q(power), *[0] * (M - 1), 1])).degree() > 0 else None


def state(problem: Problem, mode: Mode) -> ModeState:
    """State by the exact rule: alive iff Lam is below the critical product; at equality a tie, dead for M = 1.

    Examples
    --------
    >>> problem = Problem.mse([5, 3], ["3/128", "3/128"], 2)
    >>> [state(problem, mode) for mode in modes(problem)]
    ['alive', 'tie']
    """
    sign = side(problem, mode)
    if sign is None:
        return None
    return "alive" if sign > 0 else "dead" if sign < 0 or problem.depth == 1 else "tie"


def _q(value: Fraction) -> Any:
    return fmpq(value.numerator, value.denominator)


def _power(x: Any, exponent: int) -> Any:
    result = arb(1)
    for _ in range(exponent):
        result = result * x
    return result


def rate(problem: Problem, mode: Mode) -> Any:
    """Right side q = N^(M+1) Lam/(share^(M+1) mu^M) of the mode equation p^(M-1) (1-p)^(M+1) = q."""
    M = problem.depth
    return ball((problem.N / mode.share) ** (M + 1) * problem.product) / _power(mode.ball, M)


def largest_root(M: int, q: Any) -> Any:
    """The root p >= (M-1)/M of p^(M-1) (1-p)^(M+1) = q, as a ball.

    Parameters
    ----------
    M : depth.
    q : ball, positive, at most the value at (M-1)/M.

    Examples
    --------
    >>> largest_root(2, arb(1) / 100).str(8, radius=False)
    '0.76436907'
    """
    if M == 1:
        return 1 - q.sqrt()

    def slope(e: Any) -> Any:
        return (M + 1) / e - (M - 1) / (1 - e)

    def excess(e: Any) -> Any:
        return (M + 1) * e.log() + (M - 1) * (1 - e).log() - q.log()

    e = arb(0)
    for _ in range(40):  # a contraction for 1 - p by 1/(M+1) or better
        e = ((q.log() - (M - 1) * (1 - e).log()) / (M + 1)).exp().mid()
    for _ in range(ctx.prec.bit_length()):
        e = (e - excess(e) / slope(e)).mid()
    for lost in range(16, ctx.prec, 16):
        ends = (e * (1 - arb((1, lost - ctx.prec)))).mid(), (e * (1 + arb((1, lost - ctx.prec)))).mid()
        if excess(ends[0]) < 0 < excess(ends[1]):
            return 1 - ends[0].union(ends[1])
    raise ArithmeticError("the mode equation has no root here")


def from_root(problem: Problem, mode: Mode, now: ModeState, s: Any) -> Solved:
    """The mode whose factors all have lambda (singular value)^2 = G s^2, so that x = s^L.

    Parameters
    ----------
    mode, now : the mode and its state.
    s : ball; not used for a dead mode.
    """
    if now == "dead":
        return Solved(mode, now, arb(0), arb(0), arb(0), arb(0))
    L, decay = problem.depth + 1, ball(problem.lambda_h)
    x, energy = _power(s, L), ball(problem.product).root(L) * s * s
    return Solved(mode, now, x / mode.ball.sqrt(), energy, energy / (decay * mode.ball), x * x * decay / energy)


def stationary(problem: Problem, mode: Mode) -> Any | None:
    """The larger zero s of the slope of the scalar problem, x = s^L, in floating balls (a proposal); None without one.

    The slope has the sign of share s^(2L-2) - share sqrt(mu) s^(L-2) + N G, which is convex and increasing from that
    zero to s = mu^(1/(2L)): Newton's method decreases to it, or leaves the interval.
    """
    L, N, share, r = problem.depth + 1, ball(problem.N), ball(mode.share), mode.ball.sqrt()
    price = N * ball(problem.product).root(L)
    if L == 2:
        square = r - price / share
        return square.mid().sqrt().mid() if square > 0 else None
    s, polished = r.root(L).mid(), 0
    for _ in range(10 * ctx.prec):
        slope = share * (_power(s, 2 * L - 2) - r * _power(s, L - 2)) + price
        bend = share * ((2 * L - 2) * _power(s, L) - (L - 2) * r) * _power(s, L - 3)
        if not bend > 0:
            return None
        step = (slope / bend).mid()
        s = (s - step).mid()
        polished += bool(abs(step) * arb(2) ** (ctx.prec // 2) < s)
        if not s > 0 or polished == 2:
            break
    return s if s > 0 else None


def minimise(problem: Problem, mode: Mode) -> Solved:
    """The scalar problem of a mode: the better of 0 and its other stationary point, in floating balls (a proposal).

    Examples
    --------
    >>> problem = Problem.mse([9, 6, 4], ["0.049"] * 3, "0.049")
    >>> [minimise(problem, mode).p.str(8, radius=False) for mode in modes(problem)]
    ['0.79963498', '0.71224611', '0']
    """
    L, r, s = problem.depth + 1, mode.ball.sqrt(), stationary(problem, mode)
    if s is None:
        return from_root(problem, mode, "dead", s)
    price = ball(problem.N) * ball(problem.product).root(L)
    gain = ball(mode.share) * (2 * r * _power(s, L - 2) - _power(s, 2 * L - 2)) - L * price
    close = abs(gain) < L * price * arb(2) ** (20 - ctx.prec)
    return from_root(problem, mode, state(problem, mode) if close else "alive" if gain > 0 else "dead", s)


def projector(problem: Problem, mode: Mode) -> tuple[list[int], Any]:
    """Classes on which the projector of a mode lives, and its matrix there."""
    if mode.kind in ("class", "contrast"):
        members = problem.clusters[mode.cluster].members
        m = len(members)
        shift = 0 if mode.kind == "class" else ball(Fraction(1, m))
        return members, [[arb(i == j) - shift for j in range(m)] for i in range(m)]
    K = problem.K
    sizes = [ball(n) for n in problem.sizes]
    vector = [arb(1)] * K if mode.kind == "mean" else [n / (n - mode.ball) for n in sizes]
    square = sum((u * u for u in vector), arb(0))
    return list(range(K)), [[u * v / square for v in vector] for u in vector]


def spectral(problem: Problem, found: Sequence[Solved], values: Sequence[Any]) -> Array:
    """(K, K) sum over the kept modes of value times projector.

    Examples
    --------
    >>> problem = Problem.mse([4, 9], "1/100")
    >>> solved = [Solved(mode, "alive", *[arb(1)] * 4) for mode in modes(problem)]
    >>> spectral(problem, solved, [arb(2), arb(3)]).astype(float).tolist()
    [[3.0, 0.0], [0.0, 2.0]]
    """
    table = np.array([[arb(0)] * problem.K for _ in range(problem.K)], dtype=object)
    for one, value in zip(found, values, strict=True):
        if one.mode.kept and one.state != "dead":
            members, block = projector(problem, one.mode)
            for i, j in np.ndindex(len(members), len(members)):
                table[members[i], members[j]] += value * block[i][j]
    return table
