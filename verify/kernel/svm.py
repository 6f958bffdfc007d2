"""Model ``uf-svm``: minimise (|W|^2 + |H|^2)/2 where every margin <w_{y_i} - w_c, h_i>, c != y_i, is at least 1.

Classes of one size form a group (with ``"full": true`` every class alone). The points offered are constant on groups;
the optimum is not assumed to be. Witness, indexed [h][g] (a class of group h in the column of a class of group g):
    flows  G x G  size n_k times the multiplier beta_ck >= 0 of one margin
    gaps   1 x G  own minus sibling logit
    W, H   G x r  classifier row and feature shared by the classes of a group, contrasts excluded
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, arb_mat, fmpz_mat

from .core import (
    MAX_GROUPS,
    MAX_WORK,
    Blocks,
    Outcome,
    ball,
    bounds,
    count_above,
    demand,
    interval,
    positive,
    precisions,
    read_array,
    runs,
    total,
    whole,
)


@dataclass(frozen=True)
class Task:
    """Size and number of classes per group, and the two points offered as exact numbers."""

    sizes: list[Fraction]
    classes: list[int]
    arrays: dict[str, list[list[Fraction]]]
    precisions: list[int]

    @property
    def groups(self) -> range:
        """Numbers of the groups."""
        return range(len(self.classes))

    def seen(self, g: int) -> list[int]:
        """How many other classes of every group a class of group g sees."""
        return [m - (h == g) for h, m in enumerate(self.classes)]


def read(data: dict[str, Any]) -> Task:
    """Problem and witness; the width of the point is checked on integers."""
    demand(set(data["options"]) == {"dim"}, "unexpected options")
    members: dict[Fraction, int] = {}
    for size, repeat in runs(data["counts"]):
        members[size] = members.get(size, 0) + repeat
    K, groups, witness = sum(members.values()), sorted(members.items(), reverse=True), data["witness"]
    demand(K >= 2, "at least two classes are needed")
    demand(isinstance(witness, dict) and set(witness) == {"full", "flows", "gaps", "W", "H"}, "not a witness")
    demand(type(witness["full"]) is bool, "not a witness")
    demand((K if witness["full"] else len(groups)) <= MAX_GROUPS, "too many groups")
    if witness["full"]:
        groups = [(size, 1) for size, m in groups for _ in range(m)]
    G = len(groups)
    shapes = {"flows": (G, G), "gaps": (1, G), "W": (G, None), "H": (G, None)}
    raw = {name: read_array(witness[name], *shape) for name, shape in shapes.items()}
    work = sum(P * len(rows) * len(rows[0]) for P, rows in raw.values())
    demand(work <= MAX_WORK // 10, "too many digits")  # sums of this many rationals follow
    arrays = {name: [[Fraction(entry, 1 << P) for entry in row] for row in rows] for name, (P, rows) in raw.items()}
    r, (gaps,) = len(arrays["W"][0]), arrays["gaps"]
    demand(len(arrays["H"][0]) == r, "W and H differ in width")
    dim, width = whole(data["options"]["dim"], 1), r + sum(m - 1 for (_, m), a in zip(groups, gaps, strict=True) if a)
    demand(width <= dim, f"the point has width {width}, the features only {dim}")
    for g, (_, m) in enumerate(groups):
        demand(m > 1 or not (gaps[g] or arrays["flows"][g][g]), "a class without siblings")
    bits = precisions([P for P, _ in raw.values()], G)
    return Task([size for size, _ in groups], [m for _, m in groups], arrays, bits)


def lower_bound(task: Task) -> Fraction:
    """Sum of the flows over all pairs of classes, a lower bound if |B D^(1/2)| <= 1, B_k = sum_c beta_ck (e_k - e_c).

    Jensen: averaging the features of a class keeps the margins and does not raise |H|. With X = Z D^(1/2) then
    (|W|^2 + |H|^2)/2 >= |X|_* >= <B D^(1/2), X> = sum_k n_k sum_c beta_ck (z_kk - z_ck) >= sum_k n_k sum_c beta_ck.
    B D^(1/2) is block diagonal in the orthonormal basis (contrasts of each group, indicators of groups over sqrt(m)).
    """
    flows, classes = task.arrays["flows"], task.classes
    demand(all(f >= 0 for row in flows for f in row), "a multiplier is negative")
    rest = [sum((m * flows[h][g] for h, m in enumerate(task.seen(g))), Fraction(0)) for g in task.groups]
    for g, size in enumerate(task.sizes):
        demand(classes[g] == 1 or (rest[g] + flows[g][g]) ** 2 <= size, "the dual point is infeasible (contrast)")

    def entry(h: int, g: int) -> Any:
        if h == g:
            return ball(rest[g] - (classes[g] - 1) * flows[g][g])
        return -(arb(classes[h]) * classes[g]).sqrt() * ball(flows[h][g])

    M = arb_mat([[entry(h, g) / ball(size).sqrt() for g, size in enumerate(task.sizes)] for h in task.groups])
    demand(count_above(M, arb(1)) == 0, "the dual point is infeasible (norm)")
    return sum((m * r for m, r in zip(classes, rest, strict=True)), Fraction(0))


def upper_bound(task: Task) -> Any:
    """(|W|^2 + |H|^2)/2 at a point whose margins are at least 1, which is checked in rational numbers.

    A gap a_g adds a_g (I - J/m_g) to the logits inside the group, at the price (m_g - 1) sqrt(s_g) a_g.
    """
    W, H, (gaps,), value = task.arrays["W"], task.arrays["H"], task.arrays["gaps"], arb(0)
    scales = [max(x.denominator for row in A for x in (*row, Fraction(1))) for A in (W, H)]  # powers of two
    left, right = (fmpz_mat([[int(x * s) for x in row] for row in A]) for A, s in zip((W, H), scales, strict=True))
    Z = left * right.transpose()
    for g, (size, m) in enumerate(zip(task.sizes, task.classes, strict=True)):
        z = [Fraction(int(Z[h, g]), int(scales[0] * scales[1])) for h in task.groups]
        own = z[g] + gaps[g] * (m - 1) / m
        demand(m == 1 or gaps[g] >= 1, "a margin is below 1 (siblings)")
        demand(all(own - entry >= 1 for h, entry in enumerate(z) if h != g), "a margin is below 1")
        square = sum((u * u for u in W[g]), Fraction(0)) + size * sum((v * v for v in H[g]), Fraction(0))
        value += (m - 1) * ball(size).sqrt() * ball(gaps[g]) + ball(m * square / 2)
    return value


# --- facts about every global minimiser ------------------------------------------------------------------------


def margins(task: Task, gap: Any) -> list[list[Any]]:
    """Mean margins per class: sum n_k beta_ck (margin_ck - 1) <= gap, and no term is negative."""
    flows = task.arrays["flows"]
    return [[arb(1).union(1 + gap / ball(f)) if f else arb("nan") for f in row] for row in flows]


def logits(task: Task, margin: list[list[Any]]) -> Blocks:
    """Centred logits; 1^T W = 0 at a minimiser, as subtracting the mean row keeps the margins and lowers |W|."""
    own = [total(m * margin[h][g] for h, m in enumerate(task.seen(g)) if m) / sum(task.classes) for g in task.groups]
    return Blocks(own, [[own[g] - margin[h][g] for g in task.groups] for h in task.groups])


def blocks(task: Task, contrasts: list[Any], quotient: Any, radius: Any) -> Blocks:
    """Entries of a symmetric matrix within ``radius`` of the one with these contrast values and quotient block."""
    m, error = task.classes, arb(0, 1) * radius.upper()
    own = [(contrasts[g] * (m[g] - 1) + quotient[g, g]) / m[g] + error for g in task.groups]
    table = [[quotient[h, g] / (arb(m[h]) * m[g]).sqrt() + error for g in task.groups] for h in task.groups]
    for g in task.groups:
        table[g][g] -= contrasts[g] / m[g]
    return Blocks(own, table)


def norm(A: Any) -> Any:
    """Upper bound of the Frobenius norm."""
    return total(entry * entry for entry in A.entries()).abs_upper().sqrt().upper()


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
    m, K, sizes = task.classes, sum(task.classes), [ball(size) for size in task.sizes]
    flows, W, least = task.arrays["flows"], task.arrays["W"], ball(min(task.sizes)).sqrt()
    rarest = [min(flows[h][g] for h, n in enumerate(task.seen(g)) if n) for g in task.groups]
    if not all(rarest):
        return None
    E = gap * ball(max(size / f**2 for size, f in zip(task.sizes, rarest, strict=True))).sqrt()
    means = [sum((n * u for n, u in zip(m, column, strict=True)), Fraction(0)) / K for column in zip(*W, strict=True)]
    roots = [arb(n).sqrt() for n in m]
    V = arb_mat(
        [[root * ball(u - t) for u, t in zip(row, means, strict=True)] for root, row in zip(roots, W, strict=True)]
    )
    S, c = V * V.transpose(), least / 2
    if count_above(V, c.sqrt()) < len(m) - 1:
        return None
    J = arb_mat([[a * b / K for b in roots] for a in roots])
    P = arb_mat([[arb(h == g) - J[h, g] for g in task.groups] for h in task.groups])
    D = arb_mat([[sizes[g] if h == g else arb(0) for g in task.groups] for h in task.groups])
    rho = (norm(S * S - P * D * P) + E * (2 * ball(max(task.sizes)).sqrt() + E)) / c
    shift, kept = E / least, c - rho
    if not positive(kept):
        return None
    inverse, away = (S + J).inv() - J, rho / (c * kept)
    return {
        "classifier": blocks(task, [s.sqrt() for s in sizes], S, rho),
        "features": blocks(task, [1 / s.sqrt() for s in sizes], inverse, away + (2 * shift + shift * shift) / kept),
        "multipliers": blocks(task, [-1 / s.sqrt() for s in sizes], -inverse, away + shift / kept),
    }


def prove(task: Task, digest: str) -> Outcome:
    """Bounds and facts at the current precision; no facts where a multiplier vanishes or the gap is too wide."""
    lower = lower_bound(task)
    result = bounds(ball(lower), upper_bound(task), digest)
    gap, K = (result.upper - result.lower).upper(), sum(task.classes)
    tables = near_optimal(task, gap)
    if tables is None:
        result.reason = "the gap is too wide for facts"
        return result
    margin = margins(task, gap)
    result.logits = logits(task, margin)
    result.rank = (K - 1, K - 1)  # 1^T Z = 0, and (X X^T)^(1/2) was shown to be positive on the complement of 1
    # averaging the features of a class gains half their squared distance from the mean
    spread = arb(0).union((2 * gap).sqrt())
    result.found = tables | {"margins": margin, "spread": spread}
    result.facts = describe(task, tables | {"logits": result.logits, "margins": Blocks([], margin)})
    result.facts["spread"] = interval(spread, spread)
    return result


def describe(task: Task, tables: dict[str, Blocks]) -> dict[str, Any]:
    """Facts as JSON data."""

    def table(blocks: Blocks) -> dict[str, Any]:
        others = [
            [interval(x, x) if task.seen(g)[h] else None for g, x in enumerate(row)]
            for h, row in enumerate(blocks.others)
        ]
        return {"own": [interval(x, x) for x in blocks.own], "others": others}

    groups = [[str(size), m] for size, m in zip(task.sizes, task.classes, strict=True)]
    rank = {"lower": sum(task.classes) - 1, "upper": sum(task.classes) - 1}
    return {"groups": groups, "rank": rank, **{name: table(blocks) for name, blocks in tables.items()}}
