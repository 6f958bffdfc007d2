"""The certificate checker: a file of integers goes in, proved bounds on a global optimum come out.

Model ``ce``: minimise, over W (K x d), one feature per sample and b (K),

    f = (1/N) sum_i w_{y_i} CE(W h_i + b, y_i) + (lambda_w/2)|W|^2 + (lambda_h/2)|H|^2 + (lambda_b/2)|b|^2.

Model ``ce-relu`` is the same without bias under H >= 0; its witness and inequalities have a section of their own.

Sphere of trust. To believe an outcome, trust Python's integers and fractions, the ball arithmetic of
python-flint, the textbook inequalities named beside each step (Jensen, Gibbs, Pinsker, norm duality, Weyl, Sylvester,
uniqueness of the minimiser of a strictly convex function) and the lines below. Nothing else of this project is
imported. The file is not trusted: it offers a dual point, a primal point and statements; every number used is
recomputed from the problem and the integers, and a statement that claims more than follows is rejected.

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

import hashlib
import json
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from flint import arb, arb_mat, ctx, fmpq

__all__ = ["Blocks", "Outcome", "check", "verify_certificate"]

MAX_BYTES, MAX_P, MAX_GROUPS, MAX_DIGITS, MAX_WORK = 32_000_000, 100_000, 256, 4000, 10**10


class Rejected(Exception):
    """The certificate is malformed, wrong, or claims more than follows."""


class Undecided(Exception):
    """A comparison of balls came out neither true nor false."""


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
    """The two points offered; each array is (P, integer rows)."""

    groups: list[Group]
    full: bool
    arrays: dict[str, tuple[int, list[list[int]]]]

    def balls(self, name: str) -> list[list[Any]]:
        """An array as balls, exact before the first operation."""
        P, rows = self.arrays[name]
        return [[arb((entry, -P)) for entry in row] for row in rows]


@dataclass
class Blocks:
    """A symmetric K x K matrix per cluster: own entries, and ``others[h][c]`` of a class of cluster h for one of c.

    On the diagonal of ``others`` stands a sibling; for a cluster of one class that entry means nothing.
    """

    own: list[Any]
    others: list[list[Any]]


@dataclass
class Outcome:
    """What was proved. The numbers are balls and hold for every global minimiser.

    ``outcome`` is 'bounds', 'rejected' or 'undecided'. ``log_probabilities``, ``logits`` (bias excluded, columns
    centred), ``bias``, ``contrasts``, ``merged``, ``zero`` are per cluster, ``rank`` holds (at least, at most) for
    Z D^(1/2); None where no facts follow.
    """

    outcome: str
    reason: str = ""
    problem: str = ""
    precision: int = 53
    lower: Any = None
    upper: Any = None
    log_probabilities: Blocks | None = None
    logits: Blocks | None = None
    bias: list[Any] | None = None
    contrasts: list[str | None] | None = None
    merged: list[bool | None] | None = None
    zero: list[bool | None] | None = None
    rank: tuple[int, int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


# --- reading ---------------------------------------------------------------------------------------------------


def demand(condition: bool, message: str) -> None:
    """Reject unless ``condition``."""
    if not condition:
        raise Rejected(message)


def read(text: bytes | str) -> dict[str, Any]:
    """JSON object from text, with caps on what a hostile file could cost; no floats, no repeated keys."""

    def integer(digits: str) -> int:
        demand(len(digits) <= MAX_DIGITS, "an integer has too many digits")
        return int(digits)

    def no_float(digits: str) -> Any:
        raise Rejected(f"{digits:.20} is not an integer")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        demand(len(dict(pairs)) == len(pairs), "a key occurs twice")
        return dict(pairs)

    demand(len(text) <= MAX_BYTES, "the file is too large")
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    data = json.loads(text, parse_float=no_float, parse_constant=no_float, parse_int=integer, object_pairs_hook=unique)
    demand(isinstance(data, dict) and data.get("schema") == "verify.certificate/1", "not a verify.certificate/1 file")
    return dict(data)


def rational(text: Any) -> Fraction:
    """Exact number from a decimal or fraction string without exponent."""
    demand(isinstance(text, str) and text.isascii() and len(text) <= MAX_DIGITS, "not an exact number")
    top, slash, bottom = text.removeprefix("-").partition("/")
    demand(top.replace(".", "", 1).isdigit() and bottom.isdigit() == bool(slash), "not an exact number")
    return Fraction(text)


def positive_rational(text: Any) -> Fraction:
    """Rational > 0 in its one canonical spelling, such as 25 or 1/111."""
    value = rational(text)
    demand(value > 0 and str(value) == text, "not a positive rational in lowest terms")
    return value


def whole(value: Any, least: int) -> int:
    """Integer (no boolean) of at least ``least``."""
    demand(type(value) is int and value >= least, f"not an integer >= {least}")
    return int(value)


def runs(pairs: Any) -> list[tuple[Fraction, int]]:
    """[[value, repeat], ...] with exact positive values, last first."""
    demand(isinstance(pairs, list) and all(isinstance(p, list) and len(p) == 2 for p in pairs), "not [value, repeat]")
    return [(positive_rational(value), whole(repeat, 1)) for value, repeat in reversed(pairs)]


def read_task(data: dict[str, Any]) -> tuple[Task, str]:
    """Problem and its hash; the hash in the file must be that of the canonical problem in the file."""
    canonical = {key: data[key] for key in ("model", "counts", "options")}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    demand(data["problem"] == digest, "the certificate is for another problem (hash)")
    demand(data["model"] in ("ce", "ce-relu"), "unknown model")
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
    task = Task(
        [Group(size, weight, members[size, weight]) for size, weight in sorted(members, reverse=True)],
        positive_rational(options["lambda_w"]),
        positive_rational(options["lambda_h"]),
        options["bias"] if options["bias"] in ("none", "free") else positive_rational(options["bias"]),
        whole(options["dim"], 1),
        data["model"],
    )
    return task, digest


def read_array(data: Any, rows: int, columns: int | None) -> tuple[int, list[list[int]]]:
    """(P, integers) of an array of integers times 2^-P; ``columns`` None allows any common number."""
    demand(isinstance(data, dict) and set(data) == {"p", "rows"}, "an array is {p, rows}")
    P, table = whole(data["p"], 0), data["rows"]
    demand(P < MAX_P and isinstance(table, list) and len(table) == rows, "wrong p or number of rows")
    demand(all(isinstance(row, list) for row in table), "a row is not an array")
    width = len(table[0]) if columns is None else columns
    demand(width <= 4 * MAX_GROUPS and all(len(row) == width for row in table), "wrong number of columns")
    demand(all(type(entry) is int for row in table for entry in row), "an entry is not an integer")
    return P, table


def read_witness(data: Any, task: Task) -> Witness:
    """Witness with the exact conditions on the primal point checked: zeros where they must be, width at most d."""
    names = ("flows", "gaps", "W", "H", "bias")
    demand(isinstance(data, dict) and set(data) == {"full", *names} and type(data["full"]) is bool, "not a witness")
    demand((task.K if data["full"] else len(task.clusters)) <= MAX_GROUPS, "too many groups")
    groups = task.clusters
    if data["full"]:
        groups = [Group(c.size, c.weight, 1) for c in task.clusters for _ in range(c.classes)]
    G = len(groups)
    shapes = {"flows": (G, G), "gaps": (1, G), "W": (G, None), "H": (G, None), "bias": (1, G)}
    witness = Witness(groups, data["full"], {name: read_array(data[name], *shapes[name]) for name in names})
    rows = {name: array[1] for name, array in witness.arrays.items()}
    r = len(rows["W"][0])
    demand(len(rows["H"][0]) == r, "W and H differ in width")
    width = r + sum(group.classes - 1 for group, a in zip(groups, rows["gaps"][0], strict=True) if a)
    demand(width <= task.dim, f"the point has width {width}, the features only {task.dim}")
    demand(task.bias != "none" or not any(rows["bias"][0]), "this problem has no bias")
    for g, group in enumerate(groups):
        demand(group.classes > 1 or not (rows["gaps"][0][g] or rows["flows"][g][g]), "a class without siblings")
    return witness


# --- balls -----------------------------------------------------------------------------------------------------


def ball(value: Fraction | int) -> Any:
    """Ball that holds a rational."""
    return arb(fmpq(value.numerator, value.denominator))


def total(terms: Any) -> Any:
    """Sum of balls."""
    return sum(terms, arb(0))


def dot(counts: list[int], terms: list[Any]) -> Any:
    """Sum of balls with multiplicities (a multiplicity 0 drops its term)."""
    return total(m * term for m, term in zip(counts, terms, strict=True) if m)


def column(table: list[list[Any]], c: int) -> list[Any]:
    """Column of a table."""
    return [row[c] for row in table]


def times(groups: list[Group], c: int) -> list[int]:
    """How many other classes of every group a class of group c sees."""
    return [group.classes - (h == c) for h, group in enumerate(groups)]


def positive(x: Any) -> bool:
    """Sign of a ball; :class:`Undecided` if it holds both signs or is not finite."""
    if x.is_finite() and x > 0:
        return True
    if x.is_finite() and x <= 0:
        return False
    raise Undecided("a ball holds both signs; more digits are needed")


def count_above(A: Any, c: Any) -> int:
    """Number of singular values above c of every matrix in the ball matrix A.

    Sylvester: the pivots of L D L^T have the signs of the eigenvalues of c^2 I - A^T A.
    """
    square = A.transpose() * A
    n = square.ncols()
    rows = [[c * c * (i == j) - square[i, j] for j in range(n)] for i in range(n)]
    above = 0
    while rows:
        p = max(range(len(rows)), key=lambda i: abs(rows[i][i].mid()))
        top = rows.pop(p)
        pivot = top.pop(p)
        above += not positive(pivot)
        for row in rows:
            factor = row.pop(p) / pivot
            row[:] = [a - factor * b for a, b in zip(row, top, strict=True)]
    return above


# --- bounds ----------------------------------------------------------------------------------------------------


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


# --- facts about every global minimiser ------------------------------------------------------------------------


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


def bounds(lower: Any, upper: Any, problem: str) -> Outcome:
    """Outcome that holds the bounds alone."""
    if not (lower.is_finite() and upper.is_finite()):
        raise Undecided("a bound is not finite")
    demand(not lower > upper, "impossible: lower bound above upper bound; report a kernel bug")
    return Outcome("bounds", problem=problem, lower=lower, upper=upper, precision=ctx.prec)


def judge(task: Task, witness: Witness, problem: str) -> Outcome:
    """Bounds and facts at the current precision."""
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


# --- features without negative entries (model ce-relu) -----------------------------------------------------------
#
# Witness, per cluster (1 x G, W 2 x G): errors t_g, classes kept, features h_g, rows of W. The dual point gives class k
# the distribution q_k = 1 - t on k and t/(K-1) on every other class. The primal point gives every kept class a
# coordinate of its own, with feature h_g and with the column of W that is W[0][g] at the class and W[1][g] elsewhere;
# the features of classes that are not kept vanish.


def read_relu(data: Any, task: Task) -> Witness:
    """Witness with H >= 0 and the width checked on integers."""
    shapes = {"errors": 1, "kept": 1, "W": 2, "H": 1}
    demand(isinstance(data, dict) and set(data) == set(shapes), "not a witness")
    demand(len(task.clusters) <= MAX_GROUPS, "too many groups")
    demand(task.bias == "none", "ce-relu: only the model without bias is covered")
    arrays = {name: read_array(data[name], rows, len(task.clusters)) for name, rows in shapes.items()}
    P, (kept,) = arrays["kept"]
    demand(P == 0 and all(0 <= r <= c.classes for r, c in zip(kept, task.clusters, strict=True)), "not a choice")
    demand(sum(kept) <= task.dim, f"the point has width {sum(kept)}, the features only {task.dim}")
    demand(all(h >= 0 for h in arrays["H"][1][0]), "a feature is negative")
    return Witness(task.clusters, False, arrays)


def relu_lower_bound(task: Task, witness: Witness) -> Any:
    """Entropy of the dual point, a lower bound for every d.

    Gibbs, with a_k = sqrt(n_k) hbar_k >= 0 and G_k = (w_k n_k/N) (e_k - q_k)/sqrt(n_k): f is at least
    sum_k (w_k n_k/N) H(q_k) plus, per coordinate, (lambda_w/2)|w|^2 + (lambda_h/2)|a|^2 - <w, sum_k a_k G_k>. That is
    nonnegative if |sum_k a_k G_k|^2 <= lambda_w lambda_h |a|^2 for all a >= 0. Now <G_k, G_l> is a negative multiple of
    t_k t_l for k != l, and |G_k|^2 = w^2 n t^2 K/((K-1) N^2) <= lambda_w lambda_h is checked exactly.
    """
    (P, (errors,)), K, value = witness.arrays["errors"], task.K, arb(0)
    for e, group in zip(errors, witness.groups, strict=True):
        t = Fraction(e, 1 << P)
        demand(0 <= t <= 1, "a probability is negative")
        demand(group.weight**2 * group.size * t**2 * K <= task.x2 * (K - 1), "the dual point is infeasible")
        entropy = ball(t) * arb(K - 1).log()
        for part in (t, 1 - t):
            entropy -= ball(part) * ball(part).log() if part else arb(0)
        value += ball(group.classes * group.mass / task.N) * entropy
    return value


def relu_upper_bound(task: Task, witness: Witness) -> Any:
    """Objective at the point."""
    (own, other), (H,), value = witness.balls("W"), witness.balls("H"), arb(0)
    for g, (group, kept) in enumerate(zip(witness.groups, witness.arrays["kept"][1][0], strict=True)):
        share = ball(group.mass / task.N)
        loss = ((task.K - 1) * ((other[g] - own[g]) * H[g]).exp()).log1p()
        price = ball(task.lambda_w) * (own[g] * own[g] + (task.K - 1) * other[g] * other[g])
        price += ball(task.lambda_h * group.size) * H[g] * H[g]
        value += kept * (share * loss + price / 2) + (group.classes - kept) * share * arb(task.K).log()
    return value


def relu_log_probabilities(task: Task, errors: list[Any], gap: Any) -> list[tuple[Any, Any]]:
    """Log-probabilities (own class, any other) of every point within ``gap`` of the dual bound, per cluster.

    As in :func:`log_probabilities`, now with KL(q_k || P_k) <= gap N/(w n), at the mean feature of a class by Jensen.
    """
    found = []
    for t, cluster in zip(errors, task.clusters, strict=True):
        q = [(-t).log1p(), (t / (task.K - 1)).log()]
        roots = [(2 * gap * ball(task.N / cluster.mass) / p.exp()).sqrt() for p in q]
        own, other = (widened(p, -(-r).log1p()) if r < 1 else arb("nan") for p, r in zip(q, roots, strict=True))
        found.append((own, other))
    return found


def relu_states(task: Task, log_p: list[tuple[Any, Any]]) -> list[str | None]:
    """Alive (own logit above the others) or dead (the features vanish) in every minimiser, from probabilities alone.

    With P_k the probabilities at a minimiser, stationarity in W and complementarity <h, df/dh> = 0 give
    lambda_w lambda_h n_k |h_k|^2 = sum_l omega_k omega_l <e_k - P_k, e_l - P_l> <h_k, h_l>, omega = w n/N. All
    <h_k, h_l> are nonnegative. So h_k = 0 where every product with l != k is at most 0 and
    omega_k^2 |e_k - P_k|^2 < lambda_w lambda_h n_k. (For fixed W the problem in one feature is strictly convex: samples
    of a class share it.)
    """
    K, states = task.K, list[str | None]()
    others = [other.exp() for _, other in log_p]
    for c, (own, other) in enumerate(log_p):
        group, p = task.clusters[c], others[c]
        # 1 - P_kk is the sum of the others, so no two close numbers are subtracted
        seen = [q for q, m in zip(others, times(task.clusters, c), strict=True) if m]
        products = [(K - 2) * p * q - 2 * (K - 1) * p * q for q in seen]
        square = ball(group.weight**2 * group.size) * (K - 1) * K * p * p
        dead = square < ball(task.x2) and all(product <= 0 for product in products)
        alive = own > other
        demand(not (alive and dead), "impossible: alive and dead; report a kernel bug")
        states.append("alive" if alive else "dead" if dead else None)
    return states


def judge_relu(task: Task, witness: Witness, problem: str) -> Outcome:
    """Bounds and facts at the current precision."""
    lower, upper = relu_lower_bound(task, witness), relu_upper_bound(task, witness)
    result = bounds(lower, upper, problem)
    clusters, K = task.clusters, task.K
    dead = [task.x2 * K >= c.weight**2 * c.size * (K - 1) for c in clusters]
    most = sum(c.classes for c, zero in zip(clusters, dead, strict=True) if not zero)
    if task.dim < most:
        result.reason = f"d = {task.dim} is below the {most} alive classes: no facts, the bounds may be loose"
        return result
    log_p = relu_log_probabilities(task, witness.balls("errors")[0], (upper - lower).upper())
    states = result.contrasts = relu_states(task, log_p)
    log_p = [(-arb(K).log(),) * 2 if state == "dead" else p for state, p in zip(states, log_p, strict=True)]
    means = [(own + (K - 1) * other) / K for own, other in log_p]
    logits = [
        (arb(0), arb(0)) if state == "dead" else (own - mean, other - mean)
        for state, mean, (own, other) in zip(states, means, log_p, strict=True)
    ]
    result.log_probabilities, result.logits = (
        Blocks([own for own, _ in pairs], [[other for _, other in pairs]] * len(clusters)) for pairs in (log_p, logits)
    )
    result.bias = [arb(0) for _ in clusters]
    # 1^T Z = 0, so alive columns with negative others are diagonally dominant on their own rows
    sure = [state == "alive" and z < 0 for state, (_, z) in zip(states, logits, strict=True)]
    least = sum(c.classes for c, alive in zip(clusters, sure, strict=True) if alive)
    most = sum(c.classes for c, state in zip(clusters, states, strict=True) if state != "dead")
    result.rank = (min(least, K - 1), min(most, K - 1))
    # DA24-07: the features of a class vanish iff x^2 K >= w^2 n (K - 1), an exact decision
    for state, zero in zip(states, dead, strict=True):
        demand(state is None or (state == "dead") == zero, "impossible: threshold against a state; report a kernel bug")
    result.zero = list(dead)
    result.merged = [zero if c.classes > 1 else None for c, zero in zip(clusters, dead, strict=True)]
    result.facts = describe(task, result)
    return result


# --- output and comparison with what the file states -------------------------------------------------------------


def interval(lower: Any, upper: Any) -> dict[str, str] | None:
    """Decimal interval around two balls, rounded outward to the digits that its width justifies."""

    def exact(x: Any) -> Fraction:
        mantissa, exponent = (int(part) for part in x.man_exp())
        return Fraction(mantissa) * Fraction(2) ** exponent

    def floor(value: Fraction) -> str:
        scaled = value.numerator * 10**digits // value.denominator
        units, places = divmod(abs(scaled), 10**digits)
        return f"{'-' * (scaled < 0)}{units}.{places:0{digits}d}"

    if not (lower.is_finite() and upper.is_finite()):
        return None
    low, high = exact(lower.lower()), exact(upper.upper())
    width = high - low
    bits = min(ctx.prec, width.denominator.bit_length() - width.numerator.bit_length()) if width else ctx.prec
    digits = max(0, bits * 30103 // 100000) + 3
    negated = floor(-high)
    return {"lower": floor(low), "upper": negated[1:] if negated[0] == "-" else "-" + negated}


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


def follows(stated: Any, proved: Any) -> bool:
    """Whether a statement claims no more than was proved: null claims nothing, an interval may be wider."""

    def number(value: Any) -> Fraction:
        return Fraction(value) if type(value) is int else rational(value)

    if stated is None:
        return True
    if isinstance(stated, dict) and isinstance(proved, dict):
        if not set(stated) <= set(proved):
            return False
        below = stated.get("lower") is None or number(stated["lower"]) <= number(proved["lower"])
        above = stated.get("upper") is None or number(stated["upper"]) >= number(proved["upper"])
        return below and above and all(follows(stated[k], proved[k]) for k in stated if k not in ("lower", "upper"))
    if isinstance(stated, list) and isinstance(proved, list):
        return len(stated) == len(proved) and all(follows(a, b) for a, b in zip(stated, proved, strict=True))
    return type(stated) is type(proved) and bool(stated == proved)


def precisions(witness: Witness) -> list[int]:
    """Bits: from 256 (or the digits of the file) doubling to 4096 (8192 for a file of many digits), within MAX_WORK."""
    P = max(array[0] for array in witness.arrays.values())
    steps = [256, 512, 1024, 2048, 4096] + [8192] * (P > 1024)
    steps = [bits for bits in steps if bits * len(witness.groups) ** 3 <= MAX_WORK]
    return [bits for bits in steps if bits >= P + 64] or steps[-1:]


def verify_certificate(text: bytes | str) -> Outcome:
    """Check a certificate and return what it proves, as balls.

    Parameters
    ----------
    text : the file, schema ``verify.certificate/1``.

    Returns
    -------
    Outcome
        Never raises on hostile input; the ball context is restored. The balls carry ``precision`` bits: raise
        ``flint.ctx.prec`` before computing with them, or the results get wider (never wrong).

    Examples
    --------
    >>> verify_certificate('{"schema": "something else"}').outcome
    'rejected'
    """
    saved = ctx.prec
    try:
        data = read(text)
        task, digest = read_task(data)
        relu = task.model == "ce-relu"
        witness = read_relu(data["witness"], task) if relu else read_witness(data["witness"], task)
        result = Outcome("undecided", problem=digest)
        for ctx.prec in precisions(witness):
            try:
                result = judge_relu(task, witness, digest) if relu else judge(task, witness, digest)
                break
            except Undecided as why:
                result.reason = str(why)
        if result.outcome == "bounds":
            proved = {"bounds": interval(result.lower, result.upper), "facts": result.facts}
            for key in proved:
                demand(follows(data[key], proved[key]), f"the file claims more than follows ({key})")
        return result
    except Rejected as why:
        return Outcome("rejected", str(why))
    except Exception as error:  # anything unexpected in the file ends here, RecursionError and MemoryError included
        return Outcome("rejected", f"malformed ({type(error).__name__})")
    finally:
        ctx.prec = saved


def check(text: bytes | str) -> dict[str, Any]:
    """Check a certificate and return ``verify.check/1`` data: outcome, problem, bounds, facts, reason.

    Bounds and the numbers in the facts are decimal strings rounded outward; they hold for the global optimum of
    the problem in (W, H, b), whoever wrote the file.

    Examples
    --------
    >>> check("[" * 100000)["outcome"]
    'rejected'
    """
    result = verify_certificate(text)
    saved, ctx.prec = ctx.prec, result.precision
    bounds = interval(result.lower, result.upper) if result.outcome == "bounds" else None
    ctx.prec = saved
    return {
        "schema": "verify.check/1",
        "outcome": result.outcome,
        "problem": result.problem or None,
        "bounds": bounds,
        "facts": result.facts,
        "reason": result.reason,
    }


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print(json.dumps(check(file.read(MAX_BYTES + 1)), indent=1))
