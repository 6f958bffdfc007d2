"""Model ``mse``: M linear layers on free features, squared loss; bias none, free or penalised.

    f = (1/(2N)) |W_M ... W_1 H + b 1^T - Y|^2 + sum_m (lambda_m/2)|W_m|^2 + (lambda_h/2)|H|^2 + (lambda_b/2)|b|^2

Witness. ``squares`` 2 x (G-1): brackets of the modes between sizes (free bias and more than two sizes; else no
columns). ``roots`` 2 x modes: brackets of s, x = s^L, or [0, 0] for a dead mode or L = 2. The point: ``kept`` 1 x G
contrasts of each cluster with a coordinate of their own, ``contrasts`` (M+1) x G their factors in W_M, ..., W_1, H; in
the orthonormal basis of cluster indicators ``layers``, the matrices of W_M, ..., W_1, H, and ``bias`` 1 x G, the bias
of a class. ``target`` (a penalised bias on several sizes; else null): approximate singular value decomposition U,
values, V^T of the matrix of :func:`tangent_bound`; its modes are G contrasts and these G.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import Any

from flint import arb, arb_mat

from .core import (
    MAX_DIGITS,
    MAX_GROUPS,
    Outcome,
    ball,
    bounds,
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
    target: list[Array] | None

    @cached_property
    def N(self) -> Fraction:
        """Number of samples."""
        return sum((size * m for size, m in self.clusters), Fraction(0))

    @property
    def precisions(self) -> list[int]:
        """Bits to try."""
        arrays = [self.contrasts, self.bias_at, *self.layers, *(self.target or ())]
        digits = [P for P, _ in arrays] + [end.denominator.bit_length() for pair in self.roots for end in pair]
        return precisions(digits, len(self.clusters) + len(self.decays))


def read(data: dict[str, Any]) -> Task:
    """Problem and witness; the widths of the point and the brackets of the modes are checked exactly."""
    options, witness = data["options"], data["witness"]
    demand(set(options) == {"lambda_w", "lambda_h", "bias", "widths"}, "unexpected options")
    names = {"squares", "roots", "kept", "contrasts", "layers", "bias", "target"}
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
    digits = sum(len(str(x)) for x in (*decays, *members, bias))
    demand(L * digits <= 25 * MAX_DIGITS, "too many digits for so many layers")  # powers of order L are compared
    widths = [whole(width, 1) for width in widths]
    modes, target = read_modes(clusters, bias, min(widths), witness["squares"]), witness["target"]
    demand((target is None) == bool(modes), "a target is for a penalised bias on several sizes")
    if target is not None:
        demand(isinstance(target, list) and len(target) == 3, "not a decomposition")
        target = [read_array(part, rows, G) for part, rows in zip(target, (G, 1, G), strict=True)]
    P, ends = read_array(witness["roots"], 2, len(modes) or 2 * G)
    roots = [(Fraction(a, 1 << P), Fraction(b, 1 << P)) for a, b in zip(*ends, strict=True)]
    demand(all(0 <= a < b or a == b == 0 for a, b in roots), "not a bracket")
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
    demand(sum(len(rows) * len(rows[0]) for _, rows in found) <= 16 * MAX_GROUPS**2, "too many numbers")
    bias_at = read_array(witness["bias"], 1, G)
    demand(bias != "none" or not any(bias_at[1][0]), "this problem has no bias")
    contrasts = read_array(witness["contrasts"], L, G)
    return Task(clusters, decays, bias, widths, modes, roots, kept, contrasts, found, bias_at, target)


def read_modes(clusters: list[tuple[Fraction, int]], bias: Any, room: int, data: Any) -> list[Mode]:
    """Squared singular values of the labels, descending, with what fits into ``room`` dimensions.

    Without a bias they are the sizes. A free bias centres the labels: diag(n) - n n^T/N has each size of m classes m -
    1 times, and between neighbouring sizes the one zero of sum_k n_k/(n_k - mu), which increases there (the matrix
    determinant lemma); its other eigenvalue is 0. Equal classes with a penalised bias: see :func:`lower_bound`;
    unequal ones have no modes of their own.
    """
    G, one, N = len(clusters), Fraction(1), sum((size * m for size, m in clusters), Fraction(0))
    P, ends = read_array(data, 2, G - 1 if bias == "free" and G > 2 else 0)
    between: list[Any] = [(Fraction(a, 1 << P), Fraction(b, 1 << P)) for a, b in zip(*ends, strict=True)]
    for (below, above), ((large, _), (small, _)) in zip(between, pairwise(clusters), strict=False):
        demand(small < below < above < large, "a mode is not between its sizes")
    if bias == "free" and G == 2:
        between = [sum(m for _, m in clusters) * clusters[0][0] * clusters[1][0] / N]
    found: list[tuple[Any, int, Fraction]] = []
    for g, (size, m) in enumerate(clusters):
        if bias == "none":
            found.append((size, m, one))
        elif bias == "free":
            found += [(size, m - 1, one)] * (m > 1) + [(mu, 1, one) for mu in between[g : g + 1]]
        elif G == 1:
            found += [(size, m - 1, one), (size, 1, bias / (1 + bias))]
    modes = []
    for mu, copies, share in found:
        modes.append(Mode(mu, copies, min(room, copies), share))
        room -= modes[-1].kept
    return modes


def power(x: Any, exponent: int) -> Any:
    """Integer power of a ball by multiplication."""
    return prod([x] * exponent, start=arb(1))


def scalar_minimum(
    task: Task, share: Any, r: Any, bracket: tuple[Fraction, Fraction], tie: bool = False
) -> tuple[Any, Any, str | None]:
    """Least value of phi(s) = share (s^L - r)^2/(2N) + (L/2) G s^2 over s >= 0, its place, its state (None: unclear).

    phi' = (L s/N) g, g = share s^(2L-2) - share r s^(L-2) + N G. For L >= 3 g decreases up to s^L = r (L-2)/(2L-2),
    then it increases: g < 0 exactly between its zeros, and the larger one, where it changes to g > 0, is the only
    local minimum besides 0. phi - phi(0) = (s^2/(2N)) e, e = share s^(2L-2) - 2 share r s^(L-2) + L N G decides
    between the two; without a bracket e > 0 is proved where e is least, s^L = r (L-2)/(L-1), for the largest r. For L
    = 2 phi is a parabola in s^2 and needs no bracket.
    """
    L, N = len(task.decays), ball(task.N)
    price, zero = N * ball(prod(task.decays)).root(L), share * r * r / (2 * N)

    def e(s: Any) -> Any:
        return share * (power(s, 2 * L - 2) - 2 * r * power(s, L - 2)) + L * price

    def g(s: Any) -> Any:
        return share * (power(s, 2 * L - 2) - r * power(s, L - 2)) + price

    if L == 2:
        x = r - price / share
        if x > 0:
            return zero - share * x * x / (2 * N), x.sqrt(), "alive"
        most = x.abs_upper() if not (tie or x < 0) else arb(0)
        state = None if most > 0 else "dead"
        return zero - arb(0).union(share * most * most / (2 * N)), arb(0).union(most.sqrt()), state
    if not any(bracket):
        demand(positive(e((r.abs_upper() * (L - 2) / (L - 1)).root(L))), "a mode is alive")
        return zero, arb(0), "dead"
    below, above = (ball(end) for end in bracket)
    demand(not positive(g(below)) and positive(g(above)), "no sign change in a bracket")
    s = below.union(above)
    value = zero + e(s) * s * s / (2 * N)
    return (value, s, "alive") if e(s) < 0 else (arb.min(zero, value), s, "tie" if tie else None)


def is_tie(task: Task, mode: Mode) -> bool:
    """Whether mu^M (M-1)^(M-1) share^(M+1) = M^(2M) N^(M+1) Lam: then s = 0 and another s have the least value.

    In :func:`scalar_minimum` the difference phi - phi(0) and its derivative vanish together; for L = 2 at s = 0.
    """
    M = len(task.decays) - 1
    limit = M ** (2 * M) * task.N ** (M + 1) * prod(task.decays)
    scale = mode.share ** (M + 1) * max(1, M - 1) ** (M - 1)
    return isinstance(mode.mu, Fraction) and mode.mu**M * scale == limit


def secular(task: Task, mode: Mode) -> tuple[Any, Any]:
    """Values of sum_k n_k/(n_k - mu) at the ends of a bracket of a mode between sizes."""
    if isinstance(mode.mu, Fraction):
        return arb(-1), arb(1)
    left, right = (total(m * ball(n) / (ball(n) - ball(end)) for n, m in task.clusters) for end in mode.mu)
    return left, right


def lower_bound(task: Task) -> tuple[Any, list[tuple[Any, str | None]]]:
    """Sum of scalar minima, and (s, state) of every mode.

    Horn and AM-GM: the penalties at a product with singular values x_i are at least (L/2) G sum x_i^(2/L); von
    Neumann: |X - T|^2 >= sum (x_i - t_i)^2 for the ordered singular values; only as many x_i as have room are
    positive. (For fixed layers and b the features of a class have the same strictly convex problem: they are equal.)

    Equal classes with a penalised bias: T = sqrt(n) (I - b 1^T) has K - 2 times sqrt(n), and sqrt(n) times s1 >= 1 >=
    s2 with |b|^2 >= (s1 - s2)^2/K. In (lambda_b/(2K))(s1 - s2)^2 + ((x1 - s1)^2 + (x2 - s2)^2)/(2K) + penalties, x1 <
    s1 at a minimum, so it increases in s1: s1 = 1, and the minimum over s2 is lambda_b/(1 + lambda_b) (1 - x2)^2/(2K).
    """
    value, states = arb(0), []
    for mode, bracket in zip(task.modes, task.roots, strict=True):
        left, right = secular(task, mode)
        demand(not positive(left) and positive(right), "no sign change of the secular function")
        square, r = mode.balls()
        least, s, state = scalar_minimum(task, ball(mode.share), r, bracket, is_tie(task, mode))
        loss = ball(mode.share) * square / ball(2 * task.N)
        value += mode.kept * least + (mode.copies - mode.kept) * loss
        states.append((s, state))
    return value, states


def tangent_bound(task: Task, target: list[Array]) -> tuple[Any, list[tuple[int, Any, Any, str | None]]]:
    """Lower bound for a penalised bias on any sizes; and (copies, r, s, state) of the scalar problems.

    Minimised over b, the loss and the penalty of b are (1/(2N)) (|A|^2 + share |(X - D^(1/2)) v|^2), X = Z D^(1/2), A
    = (X - D^(1/2)) (I - v v^T), v = sqrt(n/N), share = lambda_b/(1 + lambda_b): that is share |X - D^(1/2)|^2 plus (1
    - share)|A|^2. The last is convex, hence at least its tangent at an X0, here the point (with x on every contrast).
    What is left is the loss share |X - T|^2/(2N) up to constants, T = D^(1/2) - ((1 - share)/share) A0; von Neumann
    and the variational formula of :func:`lower_bound` give scalar minima at the singular values r of T. With |U^T U -
    I|_F <= u < 1 and |V V^T - I|_F <= v < 1 those of U S V are S times a factor between sqrt((1 - u)(1 - v)) and
    sqrt((1 + u)(1 + v)), and T differs from it by at most its Frobenius distance (Weyl).
    """
    clusters, G, N = task.clusters, range(len(task.clusters)), ball(task.N)
    share = ball(Fraction(task.bias) / (1 + Fraction(task.bias)))
    roots = [ball(size).sqrt() for size, _ in clusters]
    v = [(ball(m * size) / N).sqrt() for size, m in clusters]
    U, values, V = (matrix(part) for part in target)
    X = product(task)
    miss = [[X[h, g] * roots[g] - (roots[g] if h == g else 0) for g in G] for h in G]
    along = [total(x * y for x, y in zip(row, v, strict=True)) for row in miss]
    A = arb_mat([[miss[h][g] - along[h] * v[g] for g in G] for h in G])
    value, inner, found = norm2(A), total(A[h, g] * X[h, g] * roots[g] for h in G for g in G), []
    for g, (_, m) in enumerate(clusters):
        x = roots[g] * contrast(task, g) * (task.kept[g] > 0)
        value, inner = value + (m - 1) * (x - roots[g]) ** 2, inner + (m - 1) * (x - roots[g]) * x
        found.append((m - 1, abs(roots[g] - (1 - share) / share * (x - roots[g]))))
    T = arb_mat([[(roots[g] if h == g else arb(0)) - (1 - share) / share * A[h, g] for g in G] for h in G])
    S = arb_mat([[values[0, h] if h == g else arb(0) for g in G] for h in G])
    one = arb_mat([[arb(h == g) for g in G] for h in G])
    skew = [arb(0, norm2(W - one).sqrt().upper()) for W in (U.transpose() * U, V * V.transpose())]
    stretch, apart = ((1 + skew[0]) * (1 + skew[1])).sqrt(), arb(0, norm2(T - U * S * V).sqrt().upper())
    found += [(1, arb.max(stretch * abs(values[0, g]) + apart, arb(0))) for g in G]
    bound, states = (1 - share) / (2 * N) * (value - 2 * inner) + share / 2, []
    for (copies, r), bracket in zip(found, task.roots, strict=True):
        least, s, state = scalar_minimum(task, share, r, bracket) if copies else (arb(0), arb(0), "dead")
        bound += copies * (least - share * r * r / (2 * N))
        states.append((copies, r, s, state))
    return arb.max(bound, arb(0)), states


def matrix(array: Array) -> Any:
    """Matrix of balls from integers."""
    P, rows = array
    return arb_mat([[arb((entry, -P)) for entry in row] for row in rows])


def norm2(A: Any) -> Any:
    """Square of the Frobenius norm."""
    return total(a * a for a in A.entries())


def product(task: Task) -> Any:
    """W_M ... W_1 H in the basis of cluster indicators."""
    return prod((matrix(layer) for layer in task.layers[1:]), start=matrix(task.layers[0]))


def contrast(task: Task, g: int) -> Any:
    """Logits on the kept contrasts of a cluster."""
    P, rows = task.contrasts
    return prod((arb((row[g], -P)) for row in rows), start=arb(1))


def upper_bound(task: Task) -> Any:
    """Objective at the point: contrasts and the block of cluster indicators do not mix."""
    factors, own, (b,) = [matrix(layer) for layer in task.layers], matrix(task.contrasts), matrix(task.bias_at).tolist()
    Z, data, penalty, H = product(task), arb(0), arb(0), factors[-1]
    for g, (size, m) in enumerate(task.clusters):
        kept, miss = task.kept[g], contrast(task, g) - 1
        data += ball(size) * (kept * miss * miss + (m - 1 - kept))
        for h, (_, other) in enumerate(task.clusters):
            miss = Z[h, g] + b[h] * ball(m * other).sqrt() - (h == g)
            data += ball(size) * miss * miss
        for i, decay in enumerate(task.decays[:-1]):
            penalty += kept * ball(decay) * own[i, g] * own[i, g]
        square = kept * own[len(factors) - 1, g] * own[len(factors) - 1, g]
        penalty += ball(task.decays[-1] * size) * (square + total(H[i, g] * H[i, g] for i in range(H.nrows())))
        if isinstance(task.bias, Fraction):
            penalty += ball(task.bias * m) * b[g] * b[g]
    for decay, factor in zip(task.decays[:-1], factors, strict=False):
        penalty += ball(decay) * norm2(factor)
    return (data / ball(task.N) + penalty) / 2


def prove(task: Task, digest: str) -> Outcome:
    """Bounds at the current precision, and the modes of every minimiser where the problem splits into modes.

    Every minimiser attains the sum of scalar minima (equality in von Neumann's inequality: its logits share the
    singular vectors of the labels), so its singular values minimise the scalar problems.
    """
    if task.target is not None:
        lower, scalars = tangent_bound(task, task.target)
        result = bounds(lower, upper_bound(task), digest)
        result.found = {"target": scalars}
        result.reason = "a penalised bias on unequal classes: bounds only, they may be loose"
        return result
    lower, states = lower_bound(task)
    result = bounds(lower, upper_bound(task), digest)
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
