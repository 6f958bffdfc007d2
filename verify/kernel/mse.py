"""Model ``mse``: M linear layers on free features, squared loss; bias none, free or penalised.

    f = (1/(2N)) |W_M ... W_1 H + b 1^T - Y|^2 + sum_m (lambda_m/2)|W_m|^2 + (lambda_h/2)|H|^2 + (lambda_b/2)|b|^2

Witness. ``squares`` 2 x (G-1): brackets of the modes between sizes (with a bias and more than two sizes; else no
columns). ``roots`` 2 x modes: brackets of s, x = s^L, or [0, 0] for a mode without a stationary point. The point:
``kept`` 1 x G contrasts of each cluster with a coordinate of their own, ``contrasts`` (M+1) x G their factors in W_M,
..., W_1, H; in the orthonormal basis of cluster indicators ``layers``, the matrices of W_M, ..., W_1, H, and ``bias``
1 x G, the bias of a class. ``dual`` (penalised bias, several sizes, one layer): [contrast entries, G x G block] of Y;
else null.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import Any

from flint import arb, arb_mat

from .core import (
    MAX_GROUPS,
    Outcome,
    ball,
    bounds,
    count_above,
    demand,
    interval,
    positive,
    positive_rational,
    precisions,
    read_array,
    runs,
    total,
    whole,
)

Array = tuple[int, list[list[int]]]
MAX_LAYERS = 64


@dataclass(frozen=True)
class Mode:
    """``copies`` singular values sqrt(mu) of the labels, with weight ``share`` in the loss; ``kept`` have room."""

    mu: Fraction | tuple[Fraction, Fraction]
    copies: int
    kept: int
    share: Fraction

    def balls(self) -> tuple[Any, Any]:
        """Mu and its square root."""
        ends = self.mu if isinstance(self.mu, tuple) else (self.mu, self.mu)
        square = ball(ends[0]).union(ball(ends[1])) if ends[0] < ends[1] else ball(ends[0])
        return square, square.sqrt()


@dataclass(frozen=True)
class Task:
    """The problem and the witness."""

    clusters: list[tuple[Fraction, int]]
    decays: list[Fraction]
    bias: str | Fraction
    widths: list[int]
    modes: list[Mode]
    roots: list[tuple[Fraction, Fraction]]
    kept: list[int]
    contrasts: Array
    layers: list[Array]
    bias_at: Array
    dual: tuple[Array, Array] | None

    @property
    def N(self) -> Fraction:
        """Number of samples."""
        return sum((size * m for size, m in self.clusters), Fraction(0))

    @property
    def split(self) -> bool:
        """Whether the modes are independent problems: not for a penalised bias on several sizes."""
        return isinstance(self.bias, str) or len(self.clusters) == 1

    @property
    def precisions(self) -> list[int]:
        """Bits to try."""
        arrays = [self.contrasts, self.bias_at, *self.layers, *(self.dual or ())]
        digits = [P for P, _ in arrays] + [end.denominator.bit_length() for pair in self.roots for end in pair]
        return precisions(digits, len(self.clusters) + len(self.decays))


def read(data: dict[str, Any]) -> Task:
    """Problem and witness; the widths of the point and the brackets of the modes are checked exactly."""
    options, witness = data["options"], data["witness"]
    demand(set(options) == {"lambda_w", "lambda_h", "bias", "widths"}, "unexpected options")
    names = {"squares", "roots", "kept", "contrasts", "layers", "bias", "dual"}
    demand(isinstance(witness, dict) and set(witness) == names, "not a witness")
    decays, widths = options["lambda_w"], options["widths"]
    demand(isinstance(decays, list) and isinstance(widths, list), "not a list of layers")
    demand(1 <= len(decays) == len(widths) <= MAX_LAYERS, "wrong number of layers")
    decays = [positive_rational(decay) for decay in (*decays, options["lambda_h"])]
    members: dict[Fraction, int] = {}
    for size, repeat in runs(data["counts"]):
        members[size] = members.get(size, 0) + repeat
    clusters = sorted(members.items(), reverse=True)
    G, L = len(clusters), len(decays)
    demand(G <= MAX_GROUPS and sum(members.values()) >= 2, "too many sizes, or one class")
    bias = options["bias"] if options["bias"] in ("none", "free") else positive_rational(options["bias"])
    widths = [whole(width, 1) for width in widths]
    modes = read_modes(clusters, bias, min(widths), witness["squares"])
    P, ends = read_array(witness["roots"], 2, len(modes))
    roots = [(Fraction(a, 1 << P), Fraction(b, 1 << P)) for a, b in zip(*ends, strict=True)]
    P, (kept,) = read_array(witness["kept"], 1, G)
    demand(P == 0 and all(0 <= r < m for r, (_, m) in zip(kept, clusters, strict=True)), "not a choice of contrasts")
    layers = witness["layers"]
    demand(isinstance(layers, list) and len(layers) == L, "wrong number of layers")
    found, rows = [], G
    for layer, width in zip(layers, [*widths, 0], strict=True):
        found.append(read_array(layer, rows, None if width else G))
        rows = len(found[-1][1][0])
        used = sum(any(column) for column in zip(*found[-1][1], strict=True))  # what a zero column reads needs no room
        demand(not width or (rows >= 1 and used <= width - sum(kept)), "the point is wider than a layer")
    bias_at = read_array(witness["bias"], 1, G)
    demand(bias != "none" or not any(bias_at[1][0]), "this problem has no bias")
    dual = witness["dual"]
    if dual is not None:
        demand(L == 2 and isinstance(dual, list) and len(dual) == 2, "a dual point is for one layer")
        dual = read_array(dual[0], 1, G), read_array(dual[1], G, G)
    contrasts = read_array(witness["contrasts"], L, G)
    return Task(clusters, decays, bias, widths, modes, roots, kept, contrasts, found, bias_at, dual)


def read_modes(clusters: list[tuple[Fraction, int]], bias: str | Fraction, room: int, data: Any) -> list[Mode]:
    """Squared singular values of the labels, descending, with what fits into ``room`` dimensions.

    Without a bias they are the sizes. A free bias centres the labels: diag(n) - n n^T/N has each size of m classes m -
    1 times, and between neighbouring sizes the one zero of sum_k n_k/(n_k - mu), which increases there (the matrix
    determinant lemma); its other eigenvalue is 0. Equal classes with a penalised bias: see ``prove``; unequal ones:
    the modes of the free bias, whose problem has fewer penalties.
    """
    G, one = len(clusters), Fraction(1)
    P, ends = read_array(data, 2, max(0, G - 1) if bias != "none" and G > 2 else 0)
    brackets = [(Fraction(a, 1 << P), Fraction(b, 1 << P)) for a, b in zip(*ends, strict=True)]
    found: list[tuple[Any, int, Fraction]] = []
    if bias == "none":
        found = [(size, m, one) for size, m in clusters]
    elif bias != "free" and G == 1:
        found = [(clusters[0][0], clusters[0][1] - 1, one), (clusters[0][0], 1, bias / (1 + bias))]
    else:
        N = sum((size * m for size, m in clusters), Fraction(0))
        between: list[Any] = list(brackets)
        if G == 2:
            between = [sum(m for _, m in clusters) * clusters[0][0] * clusters[1][0] / N]
        for (below, above), ((large, _), (small, _)) in zip(brackets, pairwise(clusters), strict=False):
            demand(small < below < above < large, "a mode is not between its sizes")
            left, right = (sum(m * size / (size - mu) for size, m in clusters) for mu in (below, above))
            demand(left < 0 < right, "no sign change of the secular function")
        for g, (size, m) in enumerate(clusters):
            found += [(size, m - 1, one)] * (m > 1) + [(mu, 1, one) for mu in between[g : g + 1]]
    modes = []
    for mu, copies, share in found:
        modes.append(Mode(mu, copies, min(room, copies), share))
        room -= modes[-1].kept
    return modes


def power(x: Any, exponent: int) -> Any:
    """Integer power of a ball by multiplication."""
    return prod([x] * exponent, start=arb(1))


def scalar_minimum(task: Task, mode: Mode, bracket: tuple[Fraction, Fraction]) -> tuple[Any, Any, str | None]:
    """Least value of phi(s) = share (s^L - r)^2/(2N) + (L/2) G s^2 over s >= 0, r = sqrt(mu), with s > 0 and the state.

    phi' = (L s/N) g, g = share s^(2L-2) - share r s^(L-2) + N G. Up to s^L = r (L-2)/(2L-2) g decreases, beyond it
    increases: where g changes sign right of that turn lies the only local minimum besides 0; if g > 0 at the turn (L =
    2: g >= 0 at 0) there is none. phi - phi(0) = (s^2/(2N)) (share s^(2L-2) - 2 share r s^(L-2) + L N G) decides
    between the two. Both are 0 together iff mu^M (M-1)^(M-1) share^(M+1) = M^(2M) N^(M+1) Lam: a tie, compared as
    rationals.
    """
    L, N, share = len(task.decays), ball(task.N), ball(mode.share)
    M, r = L - 1, mode.balls()[1]
    price = N * ball(prod(task.decays)).root(L)
    zero = share * r * r / (2 * N)

    def g(s: Any) -> Any:
        return share * (power(s, 2 * L - 2) - r * power(s, L - 2)) + price

    if bracket == (0, 0):
        if L == 2:
            nothing = isinstance(mode.mu, Fraction) and prod(task.decays) * task.N**2 >= mode.share**2 * mode.mu
            demand(nothing or not positive(share * r - price), "a mode has a stationary point")
        else:
            demand(positive(g((r * (L - 2) / (2 * L - 2)).root(L))), "a mode has a stationary point")
        return zero, arb(0), "dead"
    below, above = (ball(end) for end in bracket)
    demand(0 <= bracket[0] < bracket[1], "not a bracket")
    demand(L == 2 or positive(power(below, L) * (2 * L - 2) - r * (L - 2)), "a bracket left of the turn")
    demand(not positive(g(below)) and positive(g(above)), "no sign change in a bracket")
    s = below.union(above)
    excess = share * (power(s, 2 * L - 2) - 2 * r * power(s, L - 2)) + L * price
    value = share * power(power(s, L) - r, 2) / (2 * N) + L * price * s * s / (2 * N)
    if excess > 0 or excess < 0:
        return (zero, arb(0), "dead") if excess > 0 else (value, s, "alive")
    left, right = mode.share ** (M + 1) * max(1, M - 1) ** (M - 1), M ** (2 * M) * task.N ** (M + 1) * prod(task.decays)
    tie = isinstance(mode.mu, Fraction) and mode.mu**M * left == right
    return arb.min(zero, value), s, "tie" if tie else None


def lower_bound(task: Task) -> tuple[Any, list[tuple[Any, str | None]]]:
    """Sum of scalar minima, and (s, state) of every mode.

    Horn and AM-GM: the penalties at a product with singular values x_i are at least (L/2) G sum x_i^(2/L); von
    Neumann: |X - T|^2 >= sum (x_i - t_i)^2 for the ordered singular values; only as many x_i as fit into the layers
    are positive. (For a fixed b the features of a class have the same strictly convex problem: they are equal.)

    Equal classes with a penalised bias: T = sqrt(n) (I - b 1^T) has K - 2 times sqrt(n), and sqrt(n) times s1 >= 1 >=
    s2 with |b|^2 >= (s1 - s2)^2/K. In (lambda_b/(2K))(s1 - s2)^2 + ((x1 - s1)^2 + (x2 - s2)^2)/(2K) + penalties, x1 <
    s1 at a minimum, so it increases in s1: s1 = 1, and the minimum over s2 is lambda_b/(1 + lambda_b) (1 - x2)^2/(2K).
    """
    value, states = arb(0), []
    for mode, bracket in zip(task.modes, task.roots, strict=True):
        least, s, state = scalar_minimum(task, mode, bracket)
        loss = ball(mode.share) * mode.balls()[0] / ball(2 * task.N)
        value += mode.kept * least + (mode.copies - mode.kept) * loss
        states.append((s, state))
    return value, states


def dual_bound(task: Task, dual: tuple[Array, Array]) -> Any:
    """One layer, L = 2, so the penalties are at least lam |X|_*, lam^2 = lambda_w lambda_h.

    With E = X + b sqrt(n)^T - D^(1/2) and |Y|_op <= lam: |E|^2/(2N) >= <Y, E> - (N/2)|Y|^2, <Y, X> + lam |X|_* >= 0,
    and the rest is linear in b: f >= -<Y, D^(1/2)> - (N/2)|Y|^2 - |Y sqrt(n)|^2/(2 lambda_b).
    """
    (P, (entries,)), (Q, rows) = dual
    lam2 = prod(task.decays)
    demand(all(Fraction(y, 1 << P) ** 2 <= lam2 for y in entries), "the dual point is infeasible (contrast)")
    Y = arb_mat([[arb((entry, -Q)) for entry in row] for row in rows])
    demand(count_above(Y, ball(lam2).sqrt()) == 0, "the dual point is infeasible (norm)")
    value, pull = arb(0), [arb(0)] * len(rows)
    for g, (size, m) in enumerate(task.clusters):
        y, root = arb((entries[g], -P)), ball(size).sqrt()
        value -= root * ((m - 1) * y + Y[g, g]) + ball(task.N / 2) * (m - 1) * y * y
        pull = [a + Y[h, g] * ball(size * m).sqrt() for h, a in enumerate(pull)]
    value -= ball(task.N / 2) * total(entry * entry for entry in Y.entries())
    return value - total(a * a for a in pull) / ball(2 * Fraction(task.bias))


def upper_bound(task: Task) -> Any:
    """Objective at the point: contrasts and the block of cluster indicators do not mix."""

    def entry(array: Array, i: int, j: int) -> Any:
        return arb((array[1][i][j], -array[0]))

    L, data, penalty = len(task.decays), arb(0), arb(0)
    factors = [arb_mat([[entry(a, i, j) for j in range(len(a[1][0]))] for i in range(len(a[1]))]) for a in task.layers]
    Z = factors[0]
    for factor in factors[1:]:
        Z = Z * factor
    for g, (size, m) in enumerate(task.clusters):
        parts = [entry(task.contrasts, i, g) for i in range(L)]
        miss = prod(parts, start=arb(1)) - 1
        data += ball(size) * (task.kept[g] * miss * miss + (m - 1 - task.kept[g]))
        squares = [part * part * (ball(size) if i == L - 1 else 1) for i, part in enumerate(parts)]
        penalty += task.kept[g] * total(
            ball(decay) * square for decay, square in zip(task.decays, squares, strict=True)
        )
        for h, (_, r) in enumerate(task.clusters):
            miss = Z[h, g] + entry(task.bias_at, 0, h) * ball(m * r).sqrt() - (h == g)
            data += ball(size) * miss * miss
        if isinstance(task.bias, Fraction):
            penalty += ball(task.bias * m) * entry(task.bias_at, 0, g) * entry(task.bias_at, 0, g)
    for decay, factor in zip(task.decays[:-1], factors, strict=False):
        penalty += ball(decay) * total(a * a for a in factor.entries())
    for g, (size, _) in enumerate(task.clusters):
        penalty += ball(task.decays[-1] * size) * total(
            factors[-1][i, g] * factors[-1][i, g] for i in range(factors[-1].nrows())
        )
    return (data / ball(task.N) + penalty) / 2


def prove(task: Task, digest: str) -> Outcome:
    """Bounds at the current precision, and the modes of every minimiser where the problem splits into modes.

    Every minimiser attains the sum of scalar minima (equality in von Neumann's inequality: its logits share the
    singular vectors of the labels), so its singular values minimise the scalar problems.
    """
    lower, states = lower_bound(task)
    if not task.split and task.dual is not None:
        lower = arb.max(lower, dual_bound(task, task.dual))
    result = bounds(lower, upper_bound(task), digest)
    if not task.split:
        result.reason = "a penalised bias on unequal classes: no facts, with several layers the bounds may be loose"
        return result
    modes = list(zip(task.modes, states, strict=True))
    least = sum(mode.kept for mode, (_, state) in modes if state == "alive")
    most = sum(mode.kept for mode, (_, state) in modes if state != "dead")
    result.rank = (least, most)
    result.found = {"modes": states, "mu": [mode.mu for mode in task.modes]}
    rows = []
    for mode, (s, state) in modes:
        square = mode.balls()[0]
        p = power(s, len(task.decays)) / square.sqrt()
        p = arb(0).union(p) if state in ("tie", None) else p
        row = {"mu": interval(square, square), "share": str(mode.share), "copies": mode.copies, "kept": mode.kept}
        rows.append(row | {"state": state, "p": interval(p, p)})
    result.facts = {
        "clusters": [[str(size), m] for size, m in task.clusters],
        "rank": {"uses": [], "lower": least, "upper": most},
        "modes": {"uses": [], "values": rows},
    }
    return result
