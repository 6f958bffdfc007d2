"""The certificate checker: a file of integers goes in, proved bounds on a global optimum come out.

The model is ``ce``: minimise, over W (K x d), one feature per sample and b (K),

    f = (1/N) sum_i w_{y_i} CE(W h_i + b, y_i) + (lambda_w/2)|W|^2 + (lambda_h/2)|H|^2 + (lambda_b/2)|b|^2.

Sphere of trust. To believe an outcome, trust Python's integers and fractions, the ball arithmetic of
python-flint, the textbook inequalities named beside each step (Jensen, Gibbs, norm duality, Weyl, Sylvester,
uniqueness of the minimiser of a strictly convex function) and the lines below. Nothing else of this project is
imported. The file is not trusted: it offers a dual point, a primal point and statements; every number used is
recomputed from the problem and the integers, and a statement that claims more than follows is rejected.

Symmetry. Classes are partitioned into groups of equal size s_g and weight w_g with m_g members: by default all
classes of one (size, weight), in decreasing order; with ``"full": true`` every class alone. Both points offered
are constant on groups. The optimum is not assumed to be: the bounds hold for the full problem.

Witness, integers over a power of two:
    flows  G x G  flows[h][g] = w_g s_g * (probability that Q gives to one class of group h in a column of group g);
                  on the diagonal a sibling class; Q's own probability is DEFINED as 1 minus the rest
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
from typing import Any

from flint import arb, arb_mat, ctx, fmpq

__all__ = ["Outcome", "check", "verify_certificate"]

MAX_BYTES, MAX_P, MAX_GROUPS, MAX_DIGITS = 32_000_000, 100_000, 256, 4000


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


@dataclass(frozen=True)
class Task:
    """The problem, rebuilt from the canonical description."""

    clusters: list[Group]
    lambda_w: Fraction
    lambda_h: Fraction
    bias: str | Fraction
    dim: int

    @property
    def K(self) -> int:
        """Number of classes."""
        return sum(c.classes for c in self.clusters)

    @property
    def N(self) -> Fraction:
        """Number of samples."""
        return sum((c.classes * c.size for c in self.clusters), Fraction(0))

    @property
    def x2(self) -> Fraction:
        """x^2 = lambda_w lambda_h N^2."""
        return self.lambda_w * self.lambda_h * self.N**2


@dataclass
class Blocks:
    """Numbers per cluster: own class, a sibling class (None if there is none), a class of cluster h (``cross[h][c]``)."""

    own: list[Any]
    sibling: list[Any]
    cross: list[list[Any]]


@dataclass
class Outcome:
    """What was proved. The numbers are balls and hold for every global minimiser.

    ``outcome`` is 'bounds', 'rejected' or 'undecided'. ``log_probabilities`` and ``logits`` (bias excluded,
    columns centred), ``bias``, ``contrasts``, ``merged``, ``zero`` have one entry per cluster and are None when no
    facts follow. ``rank`` holds (at least, at most) for Z D^(1/2).
    """

    outcome: str
    reason: str = ""
    problem: str = ""
    lower: Any = None
    upper: Any = None
    log_probabilities: Blocks | None = None
    logits: Blocks | None = None
    bias: list[Any] | None = None
    contrasts: list[str | None] | None = None
    merged: list[bool | None] | None = None
    zero: list[bool | None] | None = None
    rank: tuple[int, int] | None = None
    precision: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


# --- reading ---------------------------------------------------------------------------------------------------


def demand(condition: bool, message: str) -> None:
    """Reject unless ``condition``."""
    if not condition:
        raise Rejected(message)


def reject_number(text: str) -> Any:
    """Floats, NaN and Infinity have no place in a certificate."""
    raise Rejected(f"the number {text[:20]} is not an integer")


def integer(text: str) -> int:
    """JSON integer of bounded length."""
    demand(len(text) <= MAX_DIGITS, "an integer has too many digits")
    return int(text)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON object without repeated keys."""
    demand(len({key for key, _ in pairs}) == len(pairs), "a key occurs twice")
    return dict(pairs)


def read(text: bytes | str) -> dict[str, Any]:
    """JSON object from text, with caps on what a hostile file could cost."""
    demand(len(text) <= MAX_BYTES, "the file is too large")
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    data = json.loads(
        text, parse_float=reject_number, parse_constant=reject_number, parse_int=integer, object_pairs_hook=unique
    )
    demand(isinstance(data, dict) and data.get("schema") == "verify.certificate/1", "not a verify.certificate/1 file")
    return dict(data)


def rational(text: Any) -> Fraction:
    """Exact number from a decimal or fraction string without exponent."""
    demand(isinstance(text, str) and text.isascii() and len(text) <= MAX_DIGITS, f"{text!r:.40} is not an exact number")
    top, _, bottom = text.removeprefix("-").partition("/")
    demand(top.replace(".", "", 1).isdigit() and (bottom.isdigit() or "/" not in text), f"{text:.40} is not a number")
    return Fraction(text)


def positive_rational(text: Any) -> Fraction:
    """Rational > 0 in its one canonical spelling, such as 25 or 1/111."""
    value = rational(text)
    demand(value > 0 and str(value) == text, f"{text:.40} is not a positive rational in lowest terms")
    return value


def whole(value: Any, least: int) -> int:
    """Integer (no boolean) of at least ``least``."""
    demand(type(value) is int and value >= least, f"{value!r:.40} is not an integer >= {least}")
    return int(value)


def runs(pairs: Any) -> list[tuple[Fraction, int]]:
    """[[value, repeat], ...] with exact positive values."""
    demand(isinstance(pairs, list) and all(isinstance(p, list) and len(p) == 2 for p in pairs), "not [value, repeat]")
    return [(positive_rational(value), whole(repeat, 1)) for value, repeat in pairs]


def read_task(data: dict[str, Any]) -> tuple[Task, str]:
    """Problem and its hash; the hash in the file must be that of the canonical problem in the file."""
    canonical = {key: data[key] for key in ("model", "counts", "options")}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    demand(data["problem"] == digest, "the certificate is for another problem (hash)")
    demand(data["model"] == "ce", "unknown model")
    options = data["options"]
    demand(set(options) == {"lambda_w", "lambda_h", "bias", "class_weights", "dim"}, "unexpected options")
    sizes = runs(data["counts"])
    K = sum(repeat for _, repeat in sizes)
    weights = [(Fraction(1), K)] if options["class_weights"] is None else runs(options["class_weights"])
    demand(K >= 2 and sum(repeat for _, repeat in weights) == K, "numbers of classes differ")
    members: dict[tuple[Fraction, Fraction], int] = {}
    sizes, weights = sizes[::-1], weights[::-1]
    while sizes:
        (size, m), (weight, n) = sizes.pop(), weights.pop()
        step = min(m, n)
        members[size, weight] = members.get((size, weight), 0) + step
        sizes += [(size, m - step)] * (m > step)
        weights += [(weight, n - step)] * (n > step)
    bias = options["bias"]
    task = Task(
        [Group(size, weight, members[size, weight]) for size, weight in sorted(members, reverse=True)],
        positive_rational(options["lambda_w"]),
        positive_rational(options["lambda_h"]),
        bias if bias in ("none", "free") else positive_rational(bias),
        whole(options["dim"], 1),
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


@dataclass(frozen=True)
class Witness:
    """The two points offered, as exact integers."""

    groups: list[Group]
    flows: tuple[int, list[list[int]]]
    gaps: tuple[int, list[list[int]]]
    W: tuple[int, list[list[int]]]
    H: tuple[int, list[list[int]]]
    bias: tuple[int, list[list[int]]]


def read_witness(data: Any, task: Task) -> Witness:
    """Witness of the certificate with every exact condition on it checked, except the spectral norm."""
    keys = {"full", "flows", "gaps", "W", "H", "bias"}
    demand(isinstance(data, dict) and set(data) == keys and type(data["full"]) is bool, "unexpected witness")
    demand((task.K if data["full"] else len(task.clusters)) <= MAX_GROUPS, "too many groups")
    groups = task.clusters
    if data["full"]:
        groups = [Group(c.size, c.weight, 1) for c in task.clusters for _ in range(c.classes)]
    G = len(groups)
    W = read_array(data["W"], G, None)
    witness = Witness(
        groups,
        read_array(data["flows"], G, G),
        read_array(data["gaps"], 1, G),
        W,
        read_array(data["H"], G, len(W[1][0])),
        read_array(data["bias"], 1, G),
    )
    gaps, bias = witness.gaps[1][0], witness.bias[1][0]
    width = len(W[1][0]) + sum(g.classes - 1 for g, a in zip(groups, gaps, strict=True) if a)
    demand(width <= task.dim, f"the point has width {width}, the features only {task.dim}")
    demand(task.bias != "none" or not any(bias), "this problem has no bias")
    for g, group in enumerate(groups):
        demand(group.classes > 1 or (gaps[g] == 0 and witness.flows[1][g][g] == 0), "a class without siblings")
    return witness


# --- balls -----------------------------------------------------------------------------------------------------


def ball(value: Fraction | int) -> Any:
    """Ball that holds a rational."""
    return arb(fmpq(value.numerator, value.denominator))


def dyadic(array: tuple[int, list[list[int]]]) -> list[list[Any]]:
    """Balls of an integer array; exact before the first operation."""
    return [[arb((entry, -array[0])) for entry in row] for row in array[1]]


def positive(x: Any) -> bool:
    """Sign of a ball; :class:`Undecided` if it holds both signs or is not finite."""
    if x.is_finite():
        if x > 0:
            return True
        if x <= 0:
            return False
    raise Undecided("a ball holds both signs; more digits are needed")


def exact(x: Any) -> Fraction:
    """Value of a ball of radius zero."""
    mantissa, exponent = (int(part) for part in x.man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


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


def dual_blocks(task: Task, witness: Witness) -> tuple[list[Fraction], Any]:
    """Contrast values and quotient block of M = (I - Q) diag(w) D^(1/2); proves the norm of M is at most x.

    M is block diagonal in the orthonormal basis (contrasts of each group, indicators of groups over sqrt(m)):
    on the contrasts of g it is T_g/sqrt(s_g) with T_g = w_g s_g (1 - p_g + q_g); the T_g are returned.
    """
    P, flows = witness.flows
    groups = witness.groups
    G = range(len(groups))
    leak = [Fraction(sum(groups[h].classes * flows[h][g] for h in G if h != g), 1 << P) for g in G]
    T = [leak[g] + Fraction(groups[g].classes * flows[g][g], 1 << P) for g in G]
    for g, group in enumerate(groups):
        demand(all(flows[h][g] >= 0 for h in G), "a probability is negative")
        rest = leak[g] + Fraction((group.classes - 1) * flows[g][g], 1 << P)
        demand(rest <= group.weight * group.size, "a probability is negative")
        demand(group.classes == 1 or T[g] ** 2 <= task.x2 * group.size, "the dual point is infeasible (contrast)")
    roots = [ball(g.classes).sqrt() for g in groups]
    scale = [1 / ball(g.size).sqrt() for g in groups]
    phi = dyadic(witness.flows)
    block = [[scale[g] * (ball(leak[g]) if h == g else -roots[h] * roots[g] * phi[h][g]) for g in G] for h in G]
    M = arb_mat(block)
    demand(count_above(M, ball(task.x2).sqrt()) == 0, "the dual point is infeasible (norm)")
    return T, M


def lower_bound(task: Task, witness: Witness) -> Any:
    """Value of the dual point, a lower bound whenever the norm of M is at most x.

    Gibbs: CE(z, k) >= H(q) + <q - e_k, z> for every distribution q. Duality: x|X|_* - <M, X> >= 0 for every
    X = Z D^(1/2), and (lambda_w/2)|W|^2 + (lambda_h/2)|H|^2 >= lam |X|_* (after Jensen: averaging the features of
    a class lowers the objective). With y = (I - Q) diag(w) n, the bias contributes min_b lambda_b/2 |b|^2 - <y, b>/N;
    for a free bias y must vanish exactly.
    """
    P, flows = witness.flows
    groups, phi = witness.groups, dyadic(witness.flows)
    G = range(len(groups))
    value = arb(0)
    for g, group in enumerate(groups):
        mass = group.weight * group.size
        times = [groups[h].classes - (h == g) for h in G]
        rest = Fraction(sum(times[h] * flows[h][g] for h in G), 1 << P) / mass
        entropy = arb(0) if rest == 1 else -(1 - ball(rest)) * (-ball(rest)).log1p()
        for h in G:
            if times[h] and flows[h][g]:
                q = phi[h][g] / ball(mass)
                entropy -= times[h] * q * q.log()
        value += ball(group.classes * mass) * entropy
    if task.bias != "none":
        y = [sum(groups[k].classes * (flows[k][h] - flows[h][k]) for k in G) for h in G]
        demand(task.bias != "free" or not any(y), "the dual point is infeasible (free bias)")
        square = Fraction(sum(group.classes * entry**2 for group, entry in zip(groups, y, strict=True)), 1 << (2 * P))
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
    G = range(len(groups))
    (gaps,), (bias,) = dyadic(witness.gaps), dyadic(witness.bias)
    W, H = dyadic(witness.W), dyadic(witness.H)
    lam = ball(task.lambda_w * task.lambda_h).sqrt()
    loss, penalty = arb(0), arb(0)
    log_p = Blocks([], [], [[None] * len(groups) for _ in G])
    for g, group in enumerate(groups):
        m = group.classes
        z = [sum((a * b for a, b in zip(W[h], H[g], strict=True)), bias[h]) for h in G]
        own = z[g] + gaps[g] * (m - 1) / m
        others = (m - 1) * (-gaps[g]).exp()
        others += sum((groups[h].classes * (z[h] - own).exp() for h in G if h != g), arb(0))
        ce = others.log1p()
        loss += ball(m * group.weight * group.size / task.N) * ce
        penalty += lam * (m - 1) * ball(group.size).sqrt() * abs(gaps[g])
        penalty += ball(m * task.lambda_w / 2) * sum((a * a for a in W[g]), arb(0))
        penalty += ball(m * group.size * task.lambda_h / 2) * sum((a * a for a in H[g]), arb(0))
        if isinstance(task.bias, Fraction):
            penalty += ball(m * task.bias / 2) * bias[g] * bias[g]
        log_p.own.append(-ce)
        log_p.sibling.append(-gaps[g] - ce if m > 1 else None)
        for h in G:
            log_p.cross[h][g] = z[h] - own - ce
    return loss + penalty, log_p


# --- facts about every global minimiser ------------------------------------------------------------------------


def per_cluster(task: Task, witness: Witness, blocks: Blocks) -> Blocks:
    """Entries of representatives: with one group per class, the first classes of each cluster stand for it.

    The minimiser Z* is unique (strict convexity), hence invariant under permutations of the classes of a cluster.
    """
    if len(witness.groups) == len(task.clusters):
        return blocks
    first = [sum(c.classes for c in task.clusters[:i]) for i in range(len(task.clusters))]
    return Blocks(
        [blocks.own[k] for k in first],
        [blocks.cross[k + 1][k] if c.classes > 1 else None for k, c in zip(first, task.clusters, strict=True)],
        [[blocks.cross[j][k] for k in first] for j in first],
    )


def widen(task: Task, gap: Any, blocks: Blocks) -> Blocks:
    """Log-probabilities of every minimiser from those of the point.

    Gibbs is an identity with the term KL(p*_k || p_k), so sum_k (w_k n_k/N) KL(p*_k || p_k) <= gap. With t a bound
    on one KL, every entry obeys (p* - p)^2 <= 2 t max(p, p*) (data processing to two outcomes, Taylor), hence
    |log p* - log p| <= -log(1 - sqrt(2 t/p)).
    """

    def around(log_p: Any, t: Any) -> Any:
        root = (2 * t / log_p.exp()).sqrt()
        return arb(log_p.mid(), log_p.rad() + (-(-root).log1p()).upper()) if root < 1 else arb("nan")

    C = range(len(task.clusters))
    t = [gap * ball(task.N / (c.weight * c.size)) for c in task.clusters]
    return Blocks(
        [around(blocks.own[c], t[c]) for c in C],
        [None if blocks.sibling[c] is None else around(blocks.sibling[c], t[c]) for c in C],
        [[around(blocks.cross[h][c], t[c]) if h != c else blocks.cross[h][c] for c in C] for h in C],
    )


def split_bias(task: Task, point_bias: list[Any], gap: Any, log_p: Blocks) -> tuple[Blocks, list[Any]]:
    """Centred logits Z* (bias excluded) and centred bias b* from the log-probabilities.

    1^T Z* = 0, so centred log-probabilities are Z* + b* 1^T. Penalised: strong convexity, (lambda_b/2)|b - b*|^2 <= gap.
    Free: stationarity in b says M* sqrt(n) = 0, and the right singular vectors of X* lie in the range of M*^T, so Z* n = 0.
    """
    clusters = task.clusters
    C = range(len(clusters))
    own, sibling, cross = [], [], [[arb(0)] * len(clusters) for _ in C]
    for c, cluster in enumerate(clusters):
        siblings = (cluster.classes - 1) * log_p.sibling[c] if cluster.classes > 1 else arb(0)
        total = log_p.own[c] + siblings + sum((clusters[h].classes * log_p.cross[h][c] for h in C if h != c), arb(0))
        mean = total / task.K
        own.append(log_p.own[c] - mean)
        sibling.append(log_p.sibling[c] - mean if cluster.classes > 1 else None)
        for h in C:
            cross[h][c] = log_p.cross[h][c] - mean
    bias = [arb(0) for _ in C]
    if isinstance(task.bias, Fraction):
        bias = [arb(b.mid(), b.rad() + (2 * gap / ball(task.bias)).sqrt().upper()) for b in point_bias]
    elif task.bias == "free":
        for h, cluster in enumerate(clusters):
            inside = own[h] + ((cluster.classes - 1) * sibling[h] if cluster.classes > 1 else 0)
            outside = sum((ball(clusters[c].classes * clusters[c].size) * cross[h][c] for c in C if c != h), arb(0))
            bias[h] = (ball(cluster.size) * inside + outside) / ball(task.N)
    logits = Blocks(
        [own[c] - bias[c] for c in C],
        [None if sibling[c] is None else sibling[c] - bias[c] for c in C],
        [[cross[h][c] - bias[h] for c in C] for h in C],
    )
    return logits, bias


def rank_at_most(task: Task, witness: Witness, T: list[Fraction], M: Any, radius: Any) -> int:
    """K - 1 or better: X* lives on singular directions where M* attains x (Weyl: |sigma_i(M) - sigma_i(M*)| <= radius)."""
    c = ball(task.x2).sqrt() - radius
    if not positive(c):
        return task.K - 1
    most = count_above(M, c)
    for group, value in zip(witness.groups, T, strict=True):
        if group.classes > 1 and not positive(c - ball(value) / ball(group.size).sqrt()):
            most += group.classes - 1
    return min(most, task.K - 1)


def rank_at_least(task: Task, logits: Blocks, alive: int) -> int:
    """Alive contrasts plus the singular values of the quotient of Z* D^(1/2) that exceed its Frobenius radius (Weyl)."""
    clusters = task.clusters
    C = range(len(clusters))
    rows = [[logits.cross[h][c] for c in C] for h in C]
    for c, cluster in enumerate(clusters):
        siblings = (cluster.classes - 1) * logits.sibling[c] if cluster.classes > 1 else 0
        rows[c][c] = (logits.own[c] + siblings) / cluster.classes
    X = arb_mat(
        [[ball(clusters[h].classes * clusters[c].classes * clusters[c].size).sqrt() * rows[h][c] for c in C] for h in C]
    )
    if not all(entry.is_finite() for entry in X.entries()):
        return alive
    radius = sum((entry.rad() * entry.rad() for entry in X.entries()), arb(0)).sqrt()
    return alive + count_above(X.mid(), radius.upper())


def contrast_states(task: Task, witness: Witness, T: list[Fraction], log_p: Blocks, radius: Any) -> list[str | None]:
    """Contrast of each cluster, from the gap alone.

    alive: own > sibling probability in every minimiser. dead: the contrast value of M*, an entry difference
    (M*_kk - M*_jk) within ``radius`` of that of M, is below x, so X* has no part there.
    """
    G = len(witness.groups)
    (phi, x) = (dyadic(witness.flows), ball(task.x2).sqrt())
    states: list[str | None] = []
    k = 0
    for c, cluster in enumerate(task.clusters):
        if cluster.classes == 1:
            states.append("absent")
        else:
            value = ball(T[k]) + (phi[k + 1][k] if len(task.clusters) < G else 0)
            alive = log_p.own[c] - log_p.sibling[c] > 0
            dead = value / ball(cluster.size).sqrt() + radius < x
            demand(not (alive and dead), "impossible: a contrast is alive and dead; report a kernel bug")
            states.append("alive" if alive else "dead" if dead else None)
        k += cluster.classes if len(task.clusters) < G else 1
    return states


def merged_states(task: Task, states: list[str | None]) -> list[bool | None]:
    """HL23-04: the m >= 2 classes of a cluster coincide iff x^2 >= w^2 s, an exact decision."""
    merged = [None if c.classes == 1 else task.x2 >= c.weight**2 * c.size for c in task.clusters]
    for state, together in zip(states, merged, strict=True):
        clash = (state == "alive" and together) or (state == "dead" and not together)
        demand(not clash, "impossible: merging rule against certified contrast; report a kernel bug")
    return merged


def zero_states(task: Task, states: list[str | None], logits: Blocks, most: int) -> list[bool | None]:
    """Classes whose features vanish: true if the alive contrasts exhaust the rank, false if a logit is not zero."""
    C = range(len(task.clusters))
    alive = sum(c.classes - 1 for c, state in zip(task.clusters, states, strict=True) if state == "alive")
    zero: list[bool | None] = []
    for c in C:
        column = [logits.own[c], logits.sibling[c] or arb(0)] + [logits.cross[h][c] for h in C if h != c]
        nonzero = any(z > 0 or z < 0 for z in column)
        vanishes = most == alive and states[c] != "alive"
        demand(not (nonzero and vanishes), "impossible: a class is zero and not zero; report a kernel bug")
        zero.append(False if nonzero else True if vanishes else None)
    return zero


def judge(task: Task, witness: Witness, problem: str) -> Outcome:
    """Bounds and facts at the current precision."""
    T, M = dual_blocks(task, witness)
    lower = lower_bound(task, witness)
    upper, blocks = upper_bound(task, witness)
    if not (lower.is_finite() and upper.is_finite()):
        raise Undecided("a bound is not finite")
    demand(not lower > upper, "impossible: lower bound above upper bound; report a kernel bug")
    result = Outcome("bounds", problem=problem, lower=lower, upper=upper, precision=ctx.prec)
    gap = (upper - lower).upper()
    # sum (w_k n_k/N) KL(q_k || p*_k) <= gap; with Pinsker |M - M*|_F^2 <= N max(w) gap. The factor 2 covers an entry difference.
    radius = (2 * gap * ball(task.N * max(c.weight for c in task.clusters))).sqrt()
    most = rank_at_most(task, witness, T, M, radius)
    if task.dim < most:
        result.reason = (
            f"d = {task.dim} is below the certified rank bound {most}: the convex form may be loose, no facts"
        )
        return result
    log_p = widen(task, gap, per_cluster(task, witness, blocks))
    (bias,) = dyadic(witness.bias)
    first = [sum(c.classes for c in task.clusters[:i]) for i in range(len(task.clusters))]
    point_bias = bias if len(bias) == len(first) else [bias[k] for k in first]
    logits, result.bias = split_bias(task, point_bias, gap, log_p)
    result.log_probabilities, result.logits = log_p, logits
    states = result.contrasts = contrast_states(task, witness, T, log_p, radius)
    alive = sum(c.classes - 1 for c, state in zip(task.clusters, states, strict=True) if state == "alive")
    result.rank = (rank_at_least(task, logits, alive), most)
    demand(result.rank[0] <= most, "impossible: rank bounds cross; report a kernel bug")
    result.merged = merged_states(task, states)
    result.zero = zero_states(task, states, logits, most)
    result.facts = describe(task, result)
    return result


# --- output and comparison with what the file states -------------------------------------------------------------


def decimal(value: Fraction, digits: int) -> str:
    """Largest decimal with ``digits`` places that is at most ``value``."""
    scaled = value.numerator * 10**digits // value.denominator
    whole_part, places = divmod(abs(scaled), 10**digits)
    return "-" * (scaled < 0) + str(whole_part) + (f".{places:0{digits}d}" if digits else "")


def interval(lower: Any, upper: Any) -> dict[str, str] | None:
    """Decimal interval around two balls, rounded outward to the digits that its width justifies."""
    if not (lower.is_finite() and upper.is_finite()):
        return None
    low, high = exact(lower.lower()), exact(upper.upper())
    width = high - low
    bits = ctx.prec if width == 0 else min(ctx.prec, width.denominator.bit_length() - width.numerator.bit_length())
    digits = max(0, bits * 30103 // 100000) + 3
    negated = decimal(-high, digits)
    return {"lower": decimal(low, digits), "upper": negated[1:] if negated[0] == "-" else "-" + negated}


def describe(task: Task, result: Outcome) -> dict[str, Any]:
    """Facts as JSON data; ``uses`` names the claims a fact relies on."""

    def single(z: Any) -> Any:
        return None if z is None else interval(z, z)

    def table(blocks: Blocks) -> dict[str, Any]:
        C = range(len(task.clusters))
        return {
            "uses": [],
            "own": [single(z) for z in blocks.own],
            "sibling": [single(z) for z in blocks.sibling],
            "cross": [[None if h == c else single(blocks.cross[h][c]) for c in C] for h in C],
        }

    assert result.rank and result.bias and result.log_probabilities and result.logits
    return {
        "clusters": [[str(c.size), str(c.weight), c.classes] for c in task.clusters],
        "rank": {"uses": [], "lower": result.rank[0], "upper": result.rank[1]},
        "contrast": {"uses": [], "values": result.contrasts},
        "merged": {"uses": ["HL23-04"], "values": result.merged},
        "zero": {"uses": [], "values": result.zero},
        "log_probabilities": table(result.log_probabilities),
        "logits": table(result.logits),
        "bias": {"uses": [], "values": [single(b) for b in result.bias]},
    }


def follows(stated: Any, proved: Any) -> bool:
    """Whether a statement claims no more than was proved: null claims nothing, an interval may be wider."""
    if stated is None:
        return True
    if isinstance(stated, dict) and isinstance(proved, dict):
        if not set(stated) <= set(proved):
            return False
        ends = [key for key in ("lower", "upper") if stated.get(key) is not None]
        signs = {"lower": 1, "upper": -1}
        return all(signs[e] * number(stated[e]) <= signs[e] * number(proved[e]) for e in ends) and all(
            follows(stated[key], proved[key]) for key in stated if key not in signs
        )
    if isinstance(stated, list) and isinstance(proved, list):
        return len(stated) == len(proved) and all(follows(a, b) for a, b in zip(stated, proved, strict=True))
    return type(stated) is type(proved) and bool(stated == proved)


def number(value: Any) -> Fraction:
    """End of an interval: an integer or a decimal string."""
    return Fraction(value) if type(value) is int else rational(value)


def ladder(witness: Witness) -> list[int]:
    """Precisions in bits: from 256 (or the digits of the file) doubling to 4096 (8192 for a file of many digits)."""
    P = max(array[0] for array in (witness.flows, witness.gaps, witness.W, witness.H, witness.bias))
    steps = [256, 512, 1024, 2048, 4096]
    if P > 1024:
        steps.append(8192)
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
        witness = read_witness(data["witness"], task)
        result = Outcome("undecided", problem=digest)
        for ctx.prec in ladder(witness):
            try:
                result = judge(task, witness, digest)
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
    except (Exception, RecursionError, MemoryError) as error:  # anything unexpected in the file ends here
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
    saved, ctx.prec = ctx.prec, result.precision or ctx.prec
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
