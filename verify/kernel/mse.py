"""Model ``mse``: M linear layers on free features, squared loss; bias none, free or penalised.

    f = (1/(2N)) |W_M ... W_1 H + b 1^T - Y|^2 + sum_m (lambda_m/2)|W_m|^2 + (lambda_h/2)|H|^2 + (lambda_b/2)|b|^2

Witness. ``squares`` 2 x (G-1): brackets of the modes between sizes (free bias and more than two sizes; else no
columns). ``roots`` 2 x modes: brackets of s, x = s^L, or [0, 0] for a dead mode or L = 2. The point: ``kept`` 1 x G
contrasts of each cluster with a coordinate of their own, ``contrasts`` (M+1) x G their factors in W_M, ..., W_1, H; in
the orthonormal basis of cluster indicators ``layers``, the matrices of W_M, ..., W_1, H, and ``bias`` 1 x G, the bias
of a class. ``target`` (a penalised bias on several sizes; else null): approximate singular value decomposition U,
values, V^T of the matrix of :func:`tangent_bound`; its modes are G contrasts and these G. No full form: nothing
grows with the number of classes of a size.
"""

from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

from flint import arb, arb_mat

from . import core
from .core import MAX_GROUPS, Array, Outcome, ball, balls, bounds, demand, interval, number, positive, read_array

MAX_LAYERS = 64


class Mode(NamedTuple):
    """``copies`` singular values sqrt(mu) of the labels, with weight ``share`` in the loss; ``kept`` have room."""

    mu: tuple[Fraction, Fraction]  # a bracket; equal ends if mu is rational
    copies: int
    kept: int
    share: Fraction

    def square(self) -> Any:
        """Ball of mu."""
        return ball(self.mu[0]).union(ball(self.mu[1])) if self.mu[0] < self.mu[1] else ball(self.mu[0])


class Task(NamedTuple):
    """The problem (N samples) and the witness."""

    clusters: list[tuple[Fraction, int]]
    N: Fraction
    decays: list[Fraction]
    bias: str | Fraction
    modes: list[Mode]
    roots: list[tuple[Fraction, Fraction]]
    kept: list[int]
    arrays: dict[str, Array]
    layers: list[Array]
    target: list[Array] | None
    precisions: list[int]


def read(data: dict[str, Any]) -> Task:
    """Problem and witness; the widths of the point and the brackets of the modes are checked exactly."""
    options, witness = data["options"], data["witness"]
    demand(set(options) == {"lambda_w", "lambda_h", "bias", "widths"}, "unexpected options")
    names = {"squares", "roots", "kept", "contrasts", "layers", "bias", "target"}
    demand(isinstance(witness, dict) and set(witness) == names, "not a witness")
    decays, widths = options["lambda_w"], options["widths"]
    demand(isinstance(decays, list) and isinstance(widths, list), "not a list of layers")
    demand(1 <= len(decays) == len(widths) <= MAX_LAYERS, "wrong number of layers")
    decays, widths = [number(decay) for decay in (*decays, options["lambda_h"])], [core.whole(d, 1) for d in widths]
    clusters = [(size, m) for (size,), m in core.clusters(core.runs(data["counts"]))]
    G, L, N = len(clusters), len(decays), sum((size * m for size, m in clusters), Fraction(0))
    demand(G <= MAX_GROUPS, "too many sizes")
    bias = options["bias"] if options["bias"] in ("none", "free") else number(options["bias"])
    digits = sum(len(str(x)) for x in (*decays, *(size for size, _ in clusters), bias))
    demand(L * digits <= 25 * core.MAX_DIGITS, "too many digits for so many layers")  # powers of order L are compared
    modes, target = read_modes(clusters, N, bias, min(widths), witness["squares"]), witness["target"]
    demand((target is None) == bool(modes), "a target is for a penalised bias on several sizes")
    if target is not None:
        demand(isinstance(target, list) and len(target) == 3, "not a decomposition")
        target = [read_array(part, rows, G) for part, rows in zip(target, (G, 1, G), strict=True)]
    roots = read_brackets(witness["roots"], len(modes) or 2 * G)
    demand(all(0 <= a < b or a == b == 0 for a, b in roots), "not a bracket")
    P, (kept,) = read_array(witness["kept"], 1, G)
    demand(P == 0 and all(0 <= r < m for r, (_, m) in zip(kept, clusters, strict=True)), "not a choice of contrasts")
    demand(isinstance(witness["layers"], list) and len(witness["layers"]) == L, "wrong number of layers")
    layers, rows = list[Array](), G
    for layer, width in zip(witness["layers"], [*widths, 0], strict=True):
        layers.append(read_array(layer, rows, None if width else G))
        rows = len(layers[-1][1][0])
        used = sum(any(column) for column in zip(*layers[-1][1], strict=True))  # a zero column needs no room
        demand(not width or (rows >= 1 and used <= width - sum(kept)), "the point is wider than a layer")
    demand(sum(len(rows) * len(rows[0]) for _, rows in layers) <= 16 * MAX_GROUPS**2, "too many numbers")
    arrays = {"contrasts": read_array(witness["contrasts"], L, G), "bias": read_array(witness["bias"], 1, G)}
    demand(bias != "none" or not any(arrays["bias"][1][0]), "this problem has no bias")
    bits = [P for P, _ in (*arrays.values(), *layers, *(target or ()))]
    bits += [end.denominator.bit_length() for bracket in roots for end in bracket]
    return Task(clusters, N, decays, bias, modes, roots, kept, arrays, layers, target, core.precisions(bits, G + L))


def read_brackets(data: Any, count: int) -> list[tuple[Fraction, Fraction]]:
    """Pairs of numbers from an array of two rows."""
    P, ends = read_array(data, 2, count)
    return [(Fraction(a, 1 << P), Fraction(b, 1 << P)) for a, b in zip(*ends, strict=True)]


def read_modes(clusters: list[tuple[Fraction, int]], N: Fraction, bias: Any, room: int, data: Any) -> list[Mode]:
    """Squared singular values of the labels, descending, with what fits into ``room`` dimensions.

    Without a bias they are the sizes. A free bias centres the labels: diag(n) - n n^T/N has each size of m classes m -
    1 times, and between neighbouring sizes the one zero of sum_k n_k/(n_k - mu), which increases there (the matrix
    determinant lemma); its other eigenvalue is 0. Equal classes with a penalised bias: see :func:`lower_bound`;
    unequal ones have no modes of their own.
    """
    G, one = len(clusters), Fraction(1)
    between = read_brackets(data, G - 1 if bias == "free" and G > 2 else 0)
    for ends, ((large, _), (small, _)) in zip(between, pairwise(clusters), strict=False):
        demand(small < ends[0] < ends[1] < large, "a mode is not between its sizes")
    if bias == "free" and G == 2:
        between = [(sum(m for _, m in clusters) * clusters[0][0] * clusters[1][0] / N,) * 2]
    found, modes = list[tuple[tuple[Fraction, Fraction], int, Fraction]](), list[Mode]()
    for g, (size, m) in enumerate(clusters):
        if bias == "none":
            found.append(((size, size), m, one))
        elif bias == "free":
            found += [((size, size), m - 1, one)] * (m > 1) + [(mu, 1, one) for mu in between[g : g + 1]]
        elif G == 1:
            found += [((size, size), m - 1, one), ((size, size), 1, bias / (1 + bias))]
    for mu, copies, share in found:
        modes.append(Mode(mu, copies, min(room, copies), share))
        room -= modes[-1].kept
    return modes


def power(x: Any, exponent: int) -> Any:
    """Integer power of a ball by multiplication."""
    return prod([x] * exponent, start=arb(1))


def scalar_minimum(task: Task, share: Any, r: Any, bracket: Any) -> tuple[Any, Any, str | None]:
    """Least value of phi(s) = share (s^L - r)^2/(2N) + (L/2) G s^2 over s >= 0, its place, its state (None: unclear).

    phi' = (L s/N) g, g = share s^(2L-2) - share r s^(L-2) + N G. For L >= 3 g decreases up to s^L = r (L-2)/(2L-2),
    then it increases: g < 0 exactly between its zeros, and the larger one, where it changes to g > 0, is the only
    local minimum besides 0. phi - phi(0) = (s^2/(2N)) e, e = share s^(2L-2) - 2 share r s^(L-2) + L N G decides
    between the two. Without a bracket e > 0 is proved where it is least, s^L = r (L-2)/(L-1): there e = L (N G - share
    r s^(L-2)/(L-1)), which falls in r. For L = 2 phi is a parabola in s^2 and needs no bracket.
    """
    L, N = len(task.decays), ball(task.N)
    price, zero = N * ball(prod(task.decays)).root(L), share * r * r / (2 * N)
    if L == 2:
        x = r - price / share
        if x > 0:
            return zero - share * x * x / (2 * N), x.sqrt(), "alive"
        most = arb(0) if x <= 0 else x.abs_upper()
        state = None if most > 0 else "dead"
        return zero - arb(0).union(share * most * most / (2 * N)), arb(0).union(most.sqrt()), state
    if not any(bracket):
        top = r.abs_upper()  # the largest r
        least = (L - 1) * price - share * top * power((top * (L - 2) / (L - 1)).root(L), L - 2)
        demand(positive(least), "a mode is alive")
        return zero, arb(0), "dead"
    ends = [ball(end) for end in bracket]
    signs = [share * (power(s, 2 * L - 2) - r * power(s, L - 2)) + price for s in ends]
    demand(not positive(signs[0]) and positive(signs[1]), "no sign change in a bracket")
    s = ends[0].union(ends[1])
    e = share * (power(s, 2 * L - 2) - 2 * r * power(s, L - 2)) + L * price
    value = zero + e * s * s / (2 * N)
    return (value, s, "alive") if e < 0 else (arb.min(zero, value), s, None)


def exact_state(task: Task, mode: Mode) -> str | None:
    """Alive, tie or dead as mu^M (M-1)^(M-1) share^(M+1) is above, at or below M^(2M) N^(M+1) Lam; rational mu only.

    At equality phi - phi(0) of :func:`scalar_minimum` and its derivative vanish together: s = 0 and another s have the
    least value; for L = 2 that other s is 0 as well.
    """
    M, mu = len(task.decays) - 1, mode.mu[0]
    excess = mu**M * mode.share ** (M + 1) * max(1, M - 1) ** (M - 1)
    excess -= M ** (2 * M) * task.N ** (M + 1) * prod(task.decays)
    tie = "tie" if M > 1 else "dead"
    return None if mu < mode.mu[1] else "alive" if excess > 0 else "dead" if excess < 0 else tie


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
        if mode.mu[0] < mode.mu[1]:  # the secular function changes sign
            left, right = (sum(m * ball(n) / (ball(n) - ball(end)) for n, m in task.clusters) for end in mode.mu)
            demand(not positive(left) and positive(right), "no sign change of the secular function")
        square, share = mode.square(), ball(mode.share)
        least, s, state = scalar_minimum(task, share, square.sqrt(), bracket)
        exact = exact_state(task, mode)
        demand(None in (state, exact) or state == exact, "impossible: rule against state; report a kernel bug")
        state, s = exact or state, arb(0) if exact == "dead" else s
        value += mode.kept * least + (mode.copies - mode.kept) * share * square / ball(2 * task.N)
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
    G, N, share = range(len(task.clusters)), ball(task.N), ball(Fraction(task.bias) / (1 + Fraction(task.bias)))
    roots = [ball(size).sqrt() for size, _ in task.clusters]
    v = [(ball(m * size) / N).sqrt() for size, m in task.clusters]
    (U, values, V), one = (arb_mat(balls(part)) for part in target), diagonal([arb(1) for _ in G])
    D, X = diagonal(roots), product(task) * diagonal(roots)
    A = (X - D) * (one - arb_mat([[x * y for y in v] for x in v]))
    value, inner, found = norm2(A), sum(a * x for a, x in zip(A.entries(), X.entries(), strict=True)), []
    for g, (_, m) in enumerate(task.clusters):
        x = roots[g] * contrast(task, g) * (task.kept[g] > 0)
        value, inner = value + (m - 1) * (x - roots[g]) ** 2, inner + (m - 1) * (x - roots[g]) * x
        found.append((m - 1, abs(roots[g] - (1 - share) / share * (x - roots[g]))))
    T, S = D - A * ((1 - share) / share), diagonal(values.entries())
    skew = [arb(0, norm2(W - one).sqrt()) for W in (U.transpose() * U, V * V.transpose())]
    stretch, apart = ((1 + skew[0]) * (1 + skew[1])).sqrt(), arb(0, norm2(T - U * S * V).sqrt())
    found += [(1, arb.max(stretch * abs(values[0, g]) + apart, arb(0))) for g in G]
    bound, states = (1 - share) / (2 * N) * (value - 2 * inner) + share / 2, []
    for (copies, r), bracket in zip(found, task.roots, strict=True):
        least, s, state = scalar_minimum(task, share, r, bracket) if copies else (arb(0), arb(0), "dead")
        bound += copies * (least - share * r * r / (2 * N))
        states.append((copies, r, s, state))
    return arb.max(bound, arb(0)), states


def diagonal(entries: list[Any]) -> Any:
    """Diagonal matrix."""
    return arb_mat([[x * (i == j) for j in range(len(entries))] for i, x in enumerate(entries)])


def norm2(A: Any) -> Any:
    """Square of the Frobenius norm."""
    return sum(a * a for a in A.entries())


def product(task: Task) -> Any:
    """W_M ... W_1 H in the basis of cluster indicators."""
    first, *rest = (arb_mat(balls(layer)) for layer in task.layers)
    return prod(rest, start=first)


def contrast(task: Task, g: int) -> Any:
    """Logits on the kept contrasts of a cluster."""
    return prod((row[g] for row in balls(task.arrays["contrasts"])), start=arb(1))


def upper_bound(task: Task) -> Any:
    """Objective at the point: contrasts and the block of cluster indicators do not mix."""
    own, (b,), data, penalty = balls(task.arrays["contrasts"]), balls(task.arrays["bias"]), arb(0), arb(0)
    factors, Z = [arb_mat(balls(layer)) for layer in task.layers], product(task)
    for g, (size, m) in enumerate(task.clusters):
        kept, miss = task.kept[g], contrast(task, g) - 1
        data += ball(size) * (kept * miss * miss + (m - 1 - kept))
        for h, (_, other) in enumerate(task.clusters):
            miss = Z[h, g] + b[h] * ball(m * other).sqrt() - (h == g)
            data += ball(size) * miss * miss
        weights = [ball(decay) for decay in (*task.decays[:-1], task.decays[-1] * size)]
        penalty += kept * sum(w * row[g] * row[g] for w, row in zip(weights, own, strict=True))
        penalty += weights[-1] * sum(factors[-1][i, g] * factors[-1][i, g] for i in range(factors[-1].nrows()))
        if isinstance(task.bias, Fraction):
            penalty += ball(task.bias * m) * b[g] * b[g]
    penalty += sum(ball(decay) * norm2(factor) for decay, factor in zip(task.decays, factors[:-1], strict=False))
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
    least, most, rows = 0, 0, []
    for mode, (s, state) in zip(task.modes, states, strict=True):
        least, most = least + mode.kept * (state == "alive"), most + mode.kept * (state != "dead")
        p = power(s, len(task.decays)) / mode.square().sqrt()
        p = arb(0).union(p) if state in ("tie", None) else p
        row = {"mu": interval(mode.square()), "share": str(mode.share), "copies": mode.copies, "kept": mode.kept}
        rows.append(row | {"state": state, "p": interval(p)})
    result.rank = (least, most)
    result.found = {"modes": states}
    result.facts = {
        "clusters": [[str(size), m] for size, m in task.clusters],
        "rank": {"uses": [], "lower": least, "upper": most},
        "modes": {"uses": [], "values": rows},
    }
    return result
