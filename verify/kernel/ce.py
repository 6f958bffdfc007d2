"""Model ``ce``: cross-entropy, linear features, weight decay; bias absent, free or penalised.

Symmetry. Classes are partitioned into groups of equal size s_g and weight w_g with m_g members: by default the
clusters, all classes of one (size, weight), in decreasing order; with ``"full": true`` every class alone, in the same
order. The points offered are constant on groups. The optimum is not assumed to be: bounds hold for the full problem.

Witness, integers over a power of two (all tables are indexed [h][g]: an entry of a class of group h in the column
of a class of group g; on the diagonal, another class of the same group):
    flows  G x G  w_g s_g * probability; Q's own probability is DEFINED as 1 minus the rest of the column
    gaps   1 x G  own minus sibling logit of a class
    W, H   G x r  classifier row and mean feature shared by the classes of a group, contrasts excluded
    bias   1 x G
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from flint import arb, arb_mat

from .core import (
    MAX_GROUPS,
    Blocks,
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


@dataclass(frozen=True)
class Group:
    """``classes`` classes of one size and weight."""

    size: Fraction
    weight: Fraction
    classes: int

    @property
    def mass(self) -> Fraction:
        """Weight times size: N times the coefficient of one class in the loss."""
        return self.weight * self.size


@dataclass(frozen=True)
class Task:
    """The problem, rebuilt from the canonical description."""

    clusters: list[Group]
    lambda_w: Fraction
    lambda_h: Fraction
    bias: str | Fraction
    dim: int
    model: str = "ce"

    @cached_property
    def K(self) -> int:
        """Number of classes."""
        return sum(c.classes for c in self.clusters)

    @cached_property
    def N(self) -> Fraction:
        """Number of samples."""
        return sum((c.classes * c.size for c in self.clusters), Fraction(0))

    @cached_property
    def x2(self) -> Fraction:
        """x^2 = lambda_w lambda_h N^2."""
        return self.lambda_w * self.lambda_h * self.N**2


@dataclass(frozen=True)
class Witness:
    """The problem and the two points offered; each array is (P, integer rows)."""

    task: Task
    groups: list[Group]
    full: bool
    arrays: dict[str, tuple[int, list[list[int]]]]

    def balls(self, name: str) -> list[list[Any]]:
        """An array as balls, exact before the first operation."""
        P, rows = self.arrays[name]
        return [[arb((entry, -P)) for entry in row] for row in rows]

    @property
    def precisions(self) -> list[int]:
        """Bits to try."""
        return precisions([P for P, _ in self.arrays.values()], len(self.groups))


def read_task(data: dict[str, Any]) -> Task:
    """The problem of model ``ce`` or ``ce-relu``."""
    options = data["options"]
    demand(set(options) == {"lambda_w", "lambda_h", "bias", "class_weights", "dim"}, "unexpected options")
    sizes = runs(data["counts"])
    K = sum(repeat for _, repeat in sizes)
    weights = [(Fraction(1), K)] if options["class_weights"] is None else runs(options["class_weights"])
    demand(K >= 2 and sum(repeat for _, repeat in weights) == K, "numbers of classes differ")
    members: dict[tuple[Fraction, Fraction], int] = {}
    while sizes:
        (size, m), (weight, n) = sizes.pop(), weights.pop()
        step = min(m, n)
        members[size, weight] = members.get((size, weight), 0) + step
        sizes += [(size, m - step)] * (m > step)
        weights += [(weight, n - step)] * (n > step)
    return Task(
        [Group(size, weight, members[size, weight]) for size, weight in sorted(members, reverse=True)],
        positive_rational(options["lambda_w"]),
        positive_rational(options["lambda_h"]),
        options["bias"] if options["bias"] in ("none", "free") else positive_rational(options["bias"]),
        whole(options["dim"], 1),
        data["model"],
    )


def read(data: dict[str, Any]) -> Witness:
    """Witness with the exact conditions on the primal point checked: zeros where they must be, width at most d."""
    task, data = read_task(data), data["witness"]
    names = ("flows", "gaps", "W", "H", "bias")
    demand(isinstance(data, dict) and set(data) == {"full", *names} and type(data["full"]) is bool, "not a witness")
    demand((task.K if data["full"] else len(task.clusters)) <= MAX_GROUPS, "too many groups")
    groups = task.clusters
    if data["full"]:
        groups = [Group(c.size, c.weight, 1) for c in task.clusters for _ in range(c.classes)]
    G = len(groups)
    shapes = {"flows": (G, G), "gaps": (1, G), "W": (G, None), "H": (G, None), "bias": (1, G)}
    witness = Witness(task, groups, data["full"], {name: read_array(data[name], *shapes[name]) for name in names})
    rows = {name: array[1] for name, array in witness.arrays.items()}
    r = len(rows["W"][0])
    demand(len(rows["H"][0]) == r, "W and H differ in width")
    width = r + sum(group.classes - 1 for group, a in zip(groups, rows["gaps"][0], strict=True) if a)
    demand(width <= task.dim, f"the point has width {width}, the features only {task.dim}")
    demand(task.bias != "none" or not any(rows["bias"][0]), "this problem has no bias")
    for g, group in enumerate(groups):
        demand(group.classes > 1 or not (rows["gaps"][0][g] or rows["flows"][g][g]), "a class without siblings")
    return witness


def dot(counts: list[int], terms: list[Any]) -> Any:
    """Sum of balls with multiplicities (a multiplicity 0 drops its term)."""
    return total(m * term for m, term in zip(counts, terms, strict=True) if m)


def column(table: list[list[Any]], c: int) -> list[Any]:
    """Column of a table."""
    return [row[c] for row in table]


def times(groups: list[Group], c: int) -> list[int]:
    """How many other classes of every group a class of group c sees."""
    return [group.classes - (h == c) for h, group in enumerate(groups)]


def dual_norm(task: Task, witness: Witness) -> tuple[list[Fraction], Any]:
    """Contrast values and quotient block of M = (I - Q) diag(w) D^(1/2), after proving that its norm is at most x.

    M is block diagonal in the orthonormal basis (contrasts of each group, indicators of groups over sqrt(m)).
    On the contrasts of g it is T_g/sqrt(s_g), T_g = w_g s_g (1 - p_g + q_g); returned are the w_g s_g (1 - p_g).
    """
    P, flows = witness.arrays["flows"]
    groups, phi = witness.groups, witness.balls("flows")
    G = range(len(groups))
    demand(all(entry >= 0 for row in flows for entry in row), "a probability is negative")
    rest = [Fraction(sum(m * f for m, f in zip(times(groups, g), column(flows, g), strict=True)), 1 << P) for g in G]
    for g, group in enumerate(groups):
        contrast = rest[g] + Fraction(flows[g][g], 1 << P)
        demand(rest[g] <= group.mass, "a probability is negative")
        demand(group.classes == 1 or contrast**2 <= task.x2 * group.size, "the dual point is infeasible (contrast)")
    leak = [rest[g] - Fraction((groups[g].classes - 1) * flows[g][g], 1 << P) for g in G]
    roots = [ball(group.classes).sqrt() for group in groups]
    M = arb_mat(
        [
            [(ball(leak[g]) if h == g else -roots[h] * roots[g] * phi[h][g]) / ball(groups[g].size).sqrt() for g in G]
            for h in G
        ]
    )
    demand(count_above(M, ball(task.x2).sqrt()) == 0, "the dual point is infeasible (norm)")
    return rest, M


def lower_bound(task: Task, witness: Witness, rest: list[Fraction]) -> Any:
    """Value of the dual point, a lower bound whenever the norm of M is at most x.

    Gibbs: CE(z, k) >= H(q) + <q - e_k, z> for every distribution q. Duality: x|X|_* - <M, X> >= 0 for every
    X = Z D^(1/2), and (lambda_w/2)|W|^2 + (lambda_h/2)|H|^2 >= lam |X|_* (after Jensen: averaging the features of
    a class lowers the objective). With y = (I - Q) diag(w) n, the bias contributes min_b lambda_b/2 |b|^2 - <y, b>/N;
    for a free bias y must vanish exactly.
    """
    P, flows = witness.arrays["flows"]
    groups, phi = witness.groups, witness.balls("flows")
    value = arb(0)
    for g, group in enumerate(groups):
        share = ball(rest[g] / group.mass)
        q = [p / ball(group.mass) if not p.is_zero() else None for p in column(phi, g)]
        terms = [-p * p.log() if p is not None else arb(0) for p in q]
        own = -(1 - share) * (-share).log1p() if rest[g] < group.mass else arb(0)
        value += ball(group.classes * group.mass) * (own + dot(times(groups, g), terms))
    if task.bias != "none":
        y = [sum(k.classes * (flows[i][h] - flows[h][i]) for i, k in enumerate(groups)) for h in range(len(groups))]
        square = Fraction(sum(group.classes * entry**2 for group, entry in zip(groups, y, strict=True)), 1 << (2 * P))
        demand(task.bias != "free" or square == 0, "the dual point is infeasible (free bias)")
        if isinstance(task.bias, Fraction):
            value -= ball(square / (2 * task.bias * task.N))
    return value / ball(task.N)


def upper_bound(task: Task, witness: Witness) -> tuple[Any, Blocks]:
    """Objective at the point, and its log-probabilities per group.

    W and H give the logits (W H^T)[h, g] between classes of groups h and g; a gap a_g adds a_g (I - J/m_g) inside
    the group, attained in m_g - 1 further coordinates at the price lam (m_g - 1) sqrt(s_g) |a_g| (equality in
    (lambda_w u^2 + lambda_h s v^2)/2 >= lam sqrt(s) |u v|).
    """
    groups = witness.groups
    W, H, (gaps,), (bias,) = (witness.balls(name) for name in ("W", "H", "gaps", "bias"))
    lam = ball(task.lambda_w * task.lambda_h).sqrt()
    value, own, others = arb(0), [], []
    for g, group in enumerate(groups):
        m, a = group.classes, gaps[g]
        z = [total(u * v for u, v in zip(row, H[g], strict=True)) + b for row, b in zip(W, bias, strict=True)]
        top = z[g] + a * (m - 1) / m
        z[g] -= a / m
        loss = dot(times(groups, g), [(entry - top).exp() for entry in z]).log1p()
        own.append(-loss)
        others.append([entry - top - loss for entry in z])
        value += ball(m * group.mass / task.N) * loss + lam * (m - 1) * ball(group.size).sqrt() * abs(a)
        value += ball(m * task.lambda_w / 2) * total(u * u for u in W[g])
        value += ball(m * group.size * task.lambda_h / 2) * total(v * v for v in H[g])
        if isinstance(task.bias, Fraction):
            value += ball(m * task.bias / 2) * bias[g] * bias[g]
    return value, Blocks(own, [column(others, h) for h in range(len(groups))])


def widened(x: Any, radius: Any) -> Any:
    """Ball with a larger radius."""
    return arb(x.mid(), x.rad() + radius.upper())


def log_probabilities(task: Task, gap: Any, point: Blocks) -> Blocks:
    """Log-probabilities of every minimiser from those of the point.

    Gibbs is an identity with the term KL(p*_k || p_k), so sum_k (w_k n_k/N) KL(p*_k || p_k) <= gap. With t a bound
    on one KL, every entry obeys (p* - p)^2 <= 2 t max(p, p*) (data processing to two outcomes, Taylor), hence
    |log p* - log p| <= -log(1 - sqrt(2 t/p)).
    """

    def around(log_p: Any, c: int) -> Any:
        root = (2 * gap * ball(task.N / task.clusters[c].mass) / log_p.exp()).sqrt()
        return widened(log_p, -(-root).log1p()) if root < 1 else arb("nan")

    own = [around(p, c) for c, p in enumerate(point.own)]
    return Blocks(own, [[around(p, c) for c, p in enumerate(row)] for row in point.others])


def split_bias(task: Task, point_bias: list[Any], gap: Any, log_p: Blocks) -> tuple[Blocks, list[Any]]:
    """Centred logits Z* (bias excluded) and centred bias b* from the log-probabilities.

    1^T Z* = 0, so centred log-probabilities are Z* + b* 1^T. Penalised: (lambda_b/2)|b - b*|^2 <= gap by strong
    convexity. Free: M* sqrt(n) = 0 by stationarity, and the right singular vectors of X* lie in the range of M*^T, so
    Z* n = 0.
    """
    clusters = task.clusters
    C = range(len(clusters))
    mean = [(log_p.own[c] + dot(times(clusters, c), column(log_p.others, c))) / task.K for c in C]
    own = [log_p.own[c] - mean[c] for c in C]
    others = [[row[c] - mean[c] for c in C] for row in log_p.others]
    bias = [arb(0) for _ in C]
    if isinstance(task.bias, Fraction):
        bias = [widened(b, (2 * gap / ball(task.bias)).sqrt()) for b in point_bias]
    elif task.bias == "free":
        sizes = [ball(cluster.size) for cluster in clusters]
        for h in C:
            seen = dot(times(clusters, h), [s * z for s, z in zip(sizes, others[h], strict=True)])
            bias[h] = (sizes[h] * own[h] + seen) / ball(task.N)
    return Blocks([own[c] - bias[c] for c in C], [[others[h][c] - bias[h] for c in C] for h in C]), bias


def rank_at_most(task: Task, witness: Witness, rest: list[Fraction], M: Any, radius: Any) -> int:
    """K - 1 or better: X* lives where M* attains x, and |sigma_i(M) - sigma_i(M*)| <= radius (Weyl)."""
    c = ball(task.x2).sqrt() - radius
    if not positive(c):
        return task.K - 1
    most = count_above(M, c)
    phi = witness.balls("flows")
    for g, group in enumerate(witness.groups):
        if group.classes > 1 and not positive(c - (ball(rest[g]) + phi[g][g]) / ball(group.size).sqrt()):
            most += group.classes - 1
    return min(most, task.K - 1)


def rank_at_least(task: Task, logits: Blocks, alive: int) -> int:
    """Alive contrasts plus the singular values of the quotient of Z* D^(1/2) above its Frobenius radius (Weyl)."""
    clusters = task.clusters
    table = [list(row) for row in logits.others]
    for c, cluster in enumerate(clusters):
        table[c][c] = (logits.own[c] + dot([cluster.classes - 1], [table[c][c]])) / cluster.classes
    columns = [ball(c.classes * c.size).sqrt() for c in clusters]
    X = arb_mat(
        [
            [ball(cluster.classes).sqrt() * s * z for s, z in zip(columns, row, strict=True)]
            for cluster, row in zip(clusters, table, strict=True)
        ]
    )
    if not all(entry.is_finite() for entry in X.entries()):
        return alive
    return alive + count_above(X.mid(), total(entry.rad() * entry.rad() for entry in X.entries()).sqrt().upper())


def contrast_states(task: Task, log_p: Blocks, values: list[Any], radius: Any) -> list[str | None]:
    """Contrast of each cluster, from the gap alone.

    alive: own > sibling probability in every minimiser. dead: the contrast value of M*, the entry difference
    M*_kk - M*_jk within ``radius`` of ``values``, is below x, so X* has no part there.
    """
    states: list[str | None] = []
    for c, cluster in enumerate(task.clusters):
        alive = log_p.own[c] - log_p.others[c][c] > 0
        dead = values[c] / ball(cluster.size).sqrt() + radius < ball(task.x2).sqrt()
        demand(cluster.classes == 1 or not (alive and dead), "impossible: alive and dead; report a kernel bug")
        states.append("absent" if cluster.classes == 1 else "alive" if alive else "dead" if dead else None)
    return states


def merged_states(task: Task, states: list[str | None]) -> list[bool | None]:
    """HL23-04: the m >= 2 classes of a cluster coincide iff x^2 >= w^2 s, an exact decision."""
    merged = [None if c.classes == 1 else task.x2 >= c.weight**2 * c.size for c in task.clusters]
    for state, together in zip(states, merged, strict=True):
        clash = (state == "alive" and together) or (state == "dead" and not together)
        demand(not clash, "impossible: merging rule against certified contrast; report a kernel bug")
    return merged


def zero_states(task: Task, states: list[str | None], logits: Blocks, exhausted: bool) -> list[bool | None]:
    """Classes whose features vanish: true if the alive contrasts exhaust the rank, false if a logit is not zero."""
    zero: list[bool | None] = []
    for c, state in enumerate(states):
        seen = [z for z, m in zip(column(logits.others, c), times(task.clusters, c), strict=True) if m]
        nonzero = any(z > 0 or z < 0 for z in [logits.own[c], *seen])
        vanishes = exhausted and state != "alive"
        demand(not (nonzero and vanishes), "impossible: a class is zero and not zero; report a kernel bug")
        zero.append(False if nonzero else True if vanishes else None)
    return zero


def prove(witness: Witness, problem: str) -> Outcome:
    """Bounds and facts at the current precision."""
    task = witness.task
    rest, M = dual_norm(task, witness)
    lower = lower_bound(task, witness, rest)
    upper, point = upper_bound(task, witness)
    result = bounds(lower, upper, problem)
    gap = (upper - lower).upper()
    # sum (w_k n_k/N) KL(q_k || p*_k) <= gap as well; with Pinsker |M - M*|_F^2 <= N max(w) gap. The factor 2 below
    # covers the difference of two entries.
    radius = (2 * gap * ball(task.N * max(c.weight for c in task.clusters))).sqrt()
    most = rank_at_most(task, witness, rest, M, radius)
    if task.dim < most:
        result.reason = f"d = {task.dim} is below the certified rank bound {most}: no facts, the bounds may be loose"
        return result
    # The minimiser Z* is unique (strict convexity), hence invariant under permutations inside a cluster: the first
    # two classes stand for their cluster.
    first = [sum(c.classes for c in task.clusters[:i]) if witness.full else i for i in range(len(task.clusters))]
    second = [k + (witness.full and c.classes > 1) for k, c in zip(first, task.clusters, strict=True)]

    def pick(table: list[list[Any]]) -> list[list[Any]]:
        return [[table[second[c] if h == c else first[h]][k] for c, k in enumerate(first)] for h in range(len(first))]

    log_p = log_probabilities(task, gap, Blocks([point.own[k] for k in first], pick(point.others)))
    bias = witness.balls("bias")[0]
    logits, result.bias = split_bias(task, [bias[k] for k in first], gap, log_p)
    result.log_probabilities, result.logits = log_p, logits
    siblings = pick(witness.balls("flows"))
    values = [ball(rest[k]) + siblings[c][c] for c, k in enumerate(first)]
    states = result.contrasts = contrast_states(task, log_p, values, radius)
    alive = sum(c.classes - 1 for c, state in zip(task.clusters, states, strict=True) if state == "alive")
    result.rank = (rank_at_least(task, logits, alive), most)
    demand(result.rank[0] <= most, "impossible: rank bounds cross; report a kernel bug")
    result.merged = merged_states(task, states)
    result.zero = zero_states(task, states, logits, most == alive)
    result.facts = describe(task, result)
    return result


def describe(task: Task, result: Outcome) -> dict[str, Any]:
    """Facts as JSON data; ``uses`` names the claims a fact relies on."""

    def table(blocks: Any) -> dict[str, Any]:
        rows = {id(row): row for row in blocks.others}  # with H >= 0 all are one
        printed = {key: [interval(z, z) for z in row] for key, row in rows.items()}
        cross = [list(printed[id(row)]) for row in blocks.others]
        sibling = [cross[c][c] if cluster.classes > 1 else None for c, cluster in enumerate(task.clusters)]
        for c in range(len(cross)):
            cross[c][c] = None
        return {"uses": [], "own": [interval(z, z) for z in blocks.own], "sibling": sibling, "cross": cross}

    rank, bias = result.rank or (0, 0), result.bias or []
    return {
        "clusters": [[str(c.size), str(c.weight), c.classes] for c in task.clusters],
        "rank": {"uses": [], "lower": rank[0], "upper": rank[1]},
        "contrast": {"uses": [], "values": result.contrasts},
        "merged": {"uses": ["HL23-04" if task.model == "ce" else "DA24-07"], "values": result.merged},
        "zero": {"uses": [] if task.model == "ce" else ["DA24-07"], "values": result.zero},
        "log_probabilities": table(result.log_probabilities),
        "logits": table(result.logits),
        "bias": {"uses": [], "values": [interval(b, b) for b in bias]},
    }
