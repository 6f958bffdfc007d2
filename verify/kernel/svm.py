"""Model ``uf-svm``: minimise (|W|^2 + |H|^2)/2 where every margin <w_{y_i} - w_c, h_i>, c != y_i, is at least 1.

Classes of one size form a group (with ``"full": true`` every class alone). Witness (tables and points as in
``tables.py``): ``flows`` G x G, size n_k times the multiplier beta_ck >= 0 of one margin; ``gaps``, ``W``, ``H``, a
point. Notation: D = diag(n), X = Z D^(1/2), B_k = sum_c beta_ck (e_k - e_c).
"""

from fractions import Fraction
from typing import Any, NamedTuple

from flint import arb, arb_mat, fmpz_mat

from .core import MAX_WORK, Outcome, ball, bounds, clusters, count_above, demand, interval, positive, precisions, runs
from .tables import Blocks, centred, grouped, read_point, seen, spectrum


class Task(NamedTuple):
    """Size and number of classes per group, and the two points offered as exact numbers."""

    sizes: list[Fraction]
    m: list[int]
    arrays: dict[str, list[list[Fraction]]]
    precisions: list[int]


def read(data: dict[str, Any]) -> Task:
    """Problem and witness; the width of the point is checked on integers."""
    options, witness = data["options"], dict(data["witness"])
    demand(set(options) == {"dim"} and type(options["dim"]) is int, "unexpected options")
    groups = grouped(witness.pop("full"), [(size, n) for (size,), n in clusters(runs(data["counts"]))])
    G, m = len(groups), [n for _, n in groups]
    raw = read_point(witness, m, options["dim"], flows=(G, G))
    work = sum(P * len(rows) * len(rows[0]) for P, rows in raw.values())
    demand(work <= MAX_WORK // 10, "too many digits")  # sums of this many rationals follow
    arrays = {name: [[Fraction(entry, 1 << P) for entry in row] for row in rows] for name, (P, rows) in raw.items()}
    return Task([size for size, _ in groups], m, arrays, precisions([P for P, _ in raw.values()], G))


def lower_bound(task: Task) -> Fraction:
    """Sum of the flows over all pairs of classes, a lower bound if |B D^(1/2)| <= 1.

    Jensen: averaging the features of a class keeps the margins and does not raise |H|. Then (|W|^2 + |H|^2)/2 >= |X|_*
    and norm duality: |X|_* >= <B D^(1/2), X> = sum_k n_k sum_c beta_ck (z_kk - z_ck) >= sum_k n_k sum_c beta_ck.
    """
    flows, m = task.arrays["flows"], task.m
    demand(all(f >= 0 for row in flows for f in row), "a multiplier is negative")
    rest = [Fraction(seen(m, g, column)) for g, column in enumerate(zip(*flows, strict=True))]
    for g, size in enumerate(task.sizes):
        demand(m[g] == 1 or (rest[g] + flows[g][g]) ** 2 <= size, "the dual point is infeasible (contrast)")
    B = Blocks([ball(r) for r in rest], [[-ball(f) for f in row] for row in flows])
    block = spectrum(m, B, [1 / ball(size).sqrt() for size in task.sizes])[1]
    demand(count_above(block, arb(1)) == 0, "the dual point is infeasible (norm)")
    return sum((n * r for n, r in zip(m, rest, strict=True)), Fraction(0))


def upper_bound(task: Task) -> Any:
    """(|W|^2 + |H|^2)/2 at a point whose margins are at least 1, which is checked in rational numbers.

    A gap a_g costs (m_g - 1) sqrt(s_g) a_g.
    """
    W, H, (gaps,), value = task.arrays["W"], task.arrays["H"], task.arrays["gaps"], arb(0)
    scales = [max(x.denominator for row in A for x in (*row, Fraction(1))) for A in (W, H)]  # powers of two
    left, right = (fmpz_mat([[int(x * s) for x in row] for row in A]) for A, s in zip((W, H), scales, strict=True))
    Z = left * right.transpose()
    for g, (size, m) in enumerate(zip(task.sizes, task.m, strict=True)):
        z = [Fraction(int(Z[h, g]), scales[0] * scales[1]) for h in range(len(task.m))]
        own = z[g] + gaps[g] * (m - 1) / m
        demand(m == 1 or gaps[g] >= 1, "a margin is below 1 (siblings)")
        demand(all(own - entry >= 1 for h, entry in enumerate(z) if h != g), "a margin is below 1")
        square = sum((u * u for u in W[g]), Fraction(0)) + size * sum((v * v for v in H[g]), Fraction(0))
        value += (m - 1) * ball(size).sqrt() * ball(gaps[g]) + ball(m * square / 2)
    return value


def blocks(m: list[int], contrasts: list[Any], quotient: Any, radius: Any) -> Blocks:
    """Entries of a symmetric matrix within ``radius`` of the one with these contrast values and quotient block."""
    G, error = range(len(m)), arb(0, radius)
    own = [(contrasts[g] * (m[g] - 1) + quotient[g, g]) / m[g] + error for g in G]
    table = [[quotient[h, g] / (arb(m[h]) * m[g]).sqrt() + error for g in G] for h in G]
    for g in G:
        table[g][g] -= contrasts[g] / m[g]
    return Blocks(own, table)


def norm(A: Any) -> Any:
    """Upper bound of the Frobenius norm."""
    return sum((entry * entry for entry in A.entries()), arb(0)).abs_upper().sqrt().upper()


def near_optimal(task: Task, gap: Any) -> dict[str, Blocks] | None:
    """W W^T, Hbar^T Hbar and the multipliers (-B off its diagonal) of every minimiser; None if the gap is too wide.

    * The excess of the margins puts X = Z D^(1/2) within E = gap max_k sqrt(n_k)/min_c (n_k beta_ck) of P D^(1/2),
      P = I - J/K, and Z within E/sqrt(min n) of P.
    * A minimiser attains equality in (|W|^2 + |H|^2)/2 >= |X|_*: it is balanced, W^T W = H H^T, so that W W^T is
      (X X^T)^(1/2). For a matrix S >= c on the complement of 1, |(X X^T)^(1/2) - S| <= |X X^T - S^2|/c (Sylvester
      equation), and the pseudo-inverses differ by at most that over c times the least eigenvalue left.
    * The columns of Hbar lie in the range of W^T, so Hbar^T Hbar = Z^T (W W^T)^+ Z.
    * 1^T B = 0, |B D^(1/2)| <= 1, <B, Z D> = |X|_* and rank X = K - 1 leave B = (W W^T)^+ Z only.
    """
    m, K, G, sizes = task.m, sum(task.m), range(len(task.m)), [ball(size) for size in task.sizes]
    flows, W, least = task.arrays["flows"], task.arrays["W"], ball(min(task.sizes)).sqrt()
    rarest = [min(flows[h][g] for h in G if m[h] > (h == g)) for g in G]
    if not all(rarest):
        return None
    E = gap * ball(max(size / f**2 for size, f in zip(task.sizes, rarest, strict=True))).sqrt()
    means = [sum((n * u for n, u in zip(m, column, strict=True)), Fraction(0)) / K for column in zip(*W, strict=True)]
    roots = [arb(n).sqrt() for n in m]
    V = arb_mat([[roots[g] * ball(u - mean) for u, mean in zip(W[g], means, strict=True)] for g in G])
    S, c = V * V.transpose(), least / 2
    if count_above(V, c.sqrt()) < len(m) - 1:
        return None
    J = arb_mat([[a * b / K for b in roots] for a in roots])
    P, D = arb_mat([[(h == g) - J[h, g] for g in G] for h in G]), arb_mat([[sizes[g] * (h == g) for g in G] for h in G])
    rho = (norm(S * S - P * D * P) + E * (2 * ball(max(task.sizes)).sqrt() + E)) / c
    shift, kept = E / least, c - rho
    if not positive(kept):
        return None
    inverse, away = (S + J).inv() - J, rho / (c * kept)
    return {
        "classifier": blocks(m, [s.sqrt() for s in sizes], S, rho),
        "features": blocks(m, [1 / s.sqrt() for s in sizes], inverse, away + (2 * shift + shift * shift) / kept),
        "multipliers": blocks(m, [-1 / s.sqrt() for s in sizes], -inverse, away + shift / kept),
    }


def prove(task: Task, digest: str) -> Outcome:
    """Bounds and facts at the current precision; no facts where a multiplier vanishes or the gap is too wide."""
    result, flows = bounds(ball(lower_bound(task)), upper_bound(task), digest), task.arrays["flows"]
    gap, m, least = (result.upper - result.lower).upper(), task.m, sum(task.m) - 1
    tables = near_optimal(task, gap)
    if tables is None:
        result.reason = "the gap is too wide for facts"
        return result
    # sum n_k beta_ck (margin_ck - 1) <= gap for the mean margins of classes, and no term is negative
    margins = [[arb(1).union(1 + gap / ball(f)) if f else arb("nan") for f in row] for row in flows]
    # 1^T W = 0, as subtracting the mean row keeps the margins and lowers |W|
    result.logits = centred(m, Blocks([arb(0)] * len(m), [[-margin for margin in row] for row in margins]))
    result.rank = (least, least)  # (X X^T)^(1/2) was shown to be positive on the complement of 1
    # averaging the features of a class gains half their squared distance from the mean
    spread = arb(0).union((2 * gap).sqrt())
    result.found = tables | {"margins": margins, "spread": spread}
    result.facts = {"groups": [[str(s), n] for s, n in zip(task.sizes, m, strict=True)]}
    result.facts |= {"rank": {"lower": least, "upper": least}, "spread": interval(spread)}
    for name, table in (tables | {"logits": result.logits, "margins": Blocks([], margins)}).items():
        rows = [
            [interval(x) if m[h] > (h == g) else None for g, x in enumerate(row)] for h, row in enumerate(table.others)
        ]
        result.facts[name] = {"own": [interval(x) for x in table.own], "others": rows}
    return result
