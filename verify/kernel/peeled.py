"""Model ``layer-peeled``: sum_k mu_k CE(W h_k, k), mu_k = w_k n_k/N, with |W|^2 <= K E_W and sum_k |h_k|^2 <= K E_H.

Jensen: averaging the features of a class lowers the loss and keeps the budget, so one feature per class suffices. With
T = K sqrt(E_W E_H) the two budgets allow exactly the logits Z of rank at most d with |Z|_* <= T (norm duality).

Groups are the classes of equal mu, largest first (``"full": true``: every class alone, in the same order). Witness:
``norm`` 1 x 1, ``point`` = {gaps 1 x G, W, H G x r} and ``dual``, null or a second such table. A table stands for the
logits (W H^T)[h, g] between classes of the groups h and g plus gaps_g (I - J/m_g) inside group g. Entries are those for
equal budgets T; any other E_W/E_H scales W and H by reciprocal numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
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

Array = tuple[int, list[list[int]]]


@dataclass(frozen=True)
class Group:
    """Classes of one coefficient ``mu`` in the loss."""

    mu: Fraction
    classes: int


@dataclass(frozen=True)
class Task:
    """Problem and witness."""

    groups: list[Group]
    full: bool
    budget2: Fraction
    dim: int
    norm: Array
    point: dict[str, Array]
    dual: dict[str, Array]

    @property
    def K(self) -> int:
        """Number of classes."""
        return sum(g.classes for g in self.groups)

    @property
    def precisions(self) -> list[int]:
        """Bits to try."""
        arrays = (self.norm, *self.point.values(), *self.dual.values())
        return precisions([array[0] for array in arrays], len(self.groups))


def read(data: dict[str, Any]) -> Task:
    """Problem and witness; width and budgets of the point are checked on integers."""
    options, witness = data["options"], data["witness"]
    demand(set(options) == {"e_w", "e_h", "class_weights", "dim"}, "unexpected options")
    demand(isinstance(witness, dict) and set(witness) == {"full", "norm", "point", "dual"}, "not a witness")
    demand(type(witness["full"]) is bool, "full is not a boolean")
    groups = read_groups(data["counts"], options["class_weights"], witness["full"])
    budgets, K = positive_rational(options["e_w"]) * positive_rational(options["e_h"]), sum(g.classes for g in groups)
    point, dim, norm = read_point(witness["point"], groups), whole(options["dim"], 1), read_array(witness["norm"], 1, 1)
    dual = point if witness["dual"] is None else read_point(witness["dual"], groups)
    task = Task(groups, witness["full"], K**2 * budgets, dim, norm, point, dual)
    (P, (gaps,)), inside = point["gaps"], [g.classes - 1 for g in groups]
    width = len(point["W"][1][0]) + sum(m for m, a in zip(inside, gaps, strict=True) if a)
    demand(width <= dim, f"the point has width {width}, the features only {dim}")
    for name in ("W", "H"):  # gaps_g (I - J/m_g) = X X^T with |X|^2 = gaps_g (m_g - 1), up to signs
        p, rows = point[name]
        quotient = sum(g.classes * sum(x * x for x in row) for g, row in zip(groups, rows, strict=True))
        contrasts = sum(m * abs(a) for m, a in zip(inside, gaps, strict=True))
        price = Fraction(quotient, 1 << 2 * p) + Fraction(contrasts, 1 << P)
        demand(price**2 <= task.budget2, f"the point exceeds the budget of {name}")
    return task


def read_groups(counts: Any, weights: Any, full: bool) -> list[Group]:
    """Classes by coefficient in the loss, largest first; a weight may be 0."""
    sizes = runs(counts)
    K, N = sum(m for _, m in sizes), sum(n * m for n, m in sizes)
    factors = [(Fraction(1), K)]
    if weights is not None:
        factors = [(Fraction(0) if w == "0" else positive_rational(w), whole(m, 1)) for w, m in reversed(weights)]
    demand(any(w for w, _ in factors), "all weights are zero")
    demand(K >= 2 and sum(m for _, m in factors) == K, "numbers of classes differ")
    members: dict[Fraction, int] = {}
    while sizes:
        (size, m), (weight, n) = sizes.pop(), factors.pop()
        step = min(m, n)
        members[weight * size / N] = members.get(weight * size / N, 0) + step
        sizes += [(size, m - step)] * (m > step)
        factors += [(weight, n - step)] * (n > step)
    demand((K if full else len(members)) <= MAX_GROUPS, "too many groups")
    groups = [Group(mu, members[mu]) for mu in sorted(members, reverse=True)]
    return [Group(g.mu, 1) for g in groups for _ in range(g.classes)] if full else groups


def read_point(data: Any, groups: list[Group]) -> dict[str, Array]:
    """Table of logits in factors."""
    shapes = {"gaps": (1, len(groups)), "W": (len(groups), None), "H": (len(groups), None)}
    demand(isinstance(data, dict) and set(data) == set(shapes), "not a point")
    point = {name: read_array(data[name], *shapes[name]) for name in shapes}
    demand(all(g.classes > 1 or not a for g, a in zip(groups, point["gaps"][1][0], strict=True)), "no siblings")
    return point


# --- probabilities and bounds ----------------------------------------------------------------------------------


def times(groups: list[Group], g: int) -> list[int]:
    """How many other classes of every group a class of group g sees."""
    return [group.classes - (h == g) for h, group in enumerate(groups)]


def log_probabilities(groups: list[Group], point: dict[str, Array]) -> Blocks:
    """Of the softmax of the logits of a point."""
    arrays = (point[name] for name in ("gaps", "W", "H"))
    (gaps,), W, H = ([[arb((x, -P)) for x in row] for row in rows] for P, rows in arrays)
    own, columns, Z = [], [], arb_mat(W) * arb_mat(H).transpose()
    for g, group in enumerate(groups):
        z = [Z[h, g] for h in range(len(groups))]
        top = z[g] + gaps[g] * (group.classes - 1) / group.classes
        z[g] -= gaps[g] / group.classes
        loss = total(m * (x - top).exp() for m, x in zip(times(groups, g), z, strict=True) if m).log1p()
        own.append(-loss)
        columns.append([x - top - loss for x in z])
    return Blocks(own, [[column[h] for column in columns] for h in range(len(groups))])


def gradient(groups: list[Group], log_p: Blocks) -> tuple[Any, list[Any]]:
    """Quotient block and contrast values of (I - P) diag(mu).

    In the orthonormal basis (contrasts of each group, indicators over sqrt(m)) that matrix is block diagonal.
    """
    G = range(len(groups))
    p = [[x.exp() for x in row] for row in log_p.others]
    roots = [ball(g.classes).sqrt() for g in groups]
    leak = [total(groups[h].classes * p[h][g] for h in G if h != g) for g in G]
    rows = [[leak[g] if h == g else -roots[h] * roots[g] * p[h][g] for g in G] for h in G]
    M = arb_mat([[ball(groups[g].mu) * x for g, x in enumerate(row)] for row in rows])
    # own minus sibling entry: 1 - p + q, the own probability p being 1 minus the rest of the column
    return M, [ball(group.mu) * (leak[g] + group.classes * p[g][g]) for g, group in enumerate(groups)]


def lower_bound(task: Task) -> Any:
    """Value of the dual point, for every column-stochastic P.

    Gibbs: CE(z, k) >= H(p_k) + <p_k - e_k, z>. Duality: <(I - P) diag(mu), Z> <= norm |Z|_* <= norm T.
    """
    log_p, norm = log_probabilities(task.groups, task.dual), arb((task.norm[1][0][0], -task.norm[0]))
    M, contrasts = gradient(task.groups, log_p)
    inside = [x for x, g in zip(contrasts, task.groups, strict=True) if g.classes > 1]
    demand(norm > 0 and all(positive(norm - x) for x in inside) and count_above(M, norm) == 0, "the norm is too small")
    value = -norm * ball(task.budget2).sqrt()
    for g, group in enumerate(task.groups):
        column = [(m, row[g]) for m, row in zip(times(task.groups, g), log_p.others, strict=True) if m]
        value -= ball(group.mu * group.classes) * total(m * x.exp() * x for m, x in [(1, log_p.own[g]), *column])
    return value


# --- facts about every global minimiser ------------------------------------------------------------------------


def near(task: Task, point: Blocks, gap: Any) -> Blocks:
    """Log-probabilities of every minimiser from those of the point.

    Gibbs is an identity with the term KL(p*_k || p_k), and <(I - P*) diag(mu), Z* - Z> >= 0 for |Z|_* <= T, so
    sum_k mu_k KL(p*_k || p_k) <= gap. Every entry obeys (p* - p)^2 <= 2 KL max(p, p*) (data processing to two outcomes,
    Taylor), hence |log p* - log p| <= -log(1 - sqrt(2 KL/p)). Where mu_k = 0 the logits vanish: deleting a column
    other than 0 lowers |Z|_*, and the loss decreases in the budget.
    """

    def around(log_p: Any, mu: Fraction) -> Any:
        if not mu:
            return -arb(task.K).log()
        root = (2 * gap / (ball(mu) * log_p.exp())).sqrt()
        return arb(log_p.mid(), log_p.rad() - (-root).log1p().lower()) if root < 1 else arb("nan")

    mus = [g.mu for g in task.groups]
    rows = [[around(x, mu) for x, mu in zip(row, mus, strict=True)] for row in point.others]
    return Blocks([around(x, mu) for x, mu in zip(point.own, mus, strict=True)], rows)


def multiplier(task: Task, log_p: Blocks) -> Any:
    """|(I - P*) diag(mu)|, which is <(I - P*) diag(mu), Z*>/T: the budget is active and norm duality tight."""
    value = arb(0)
    for g, group in enumerate(task.groups):
        column = [(m, row[g]) for m, row in zip(times(task.groups, g), log_p.others, strict=True) if m]
        value += ball(group.mu * group.classes) * total(m * x.exp() * (log_p.own[g] - x) for m, x in column)
    return value / ball(task.budget2).sqrt()


def merged_states(task: Task, nu: Any) -> list[bool | None]:
    """The m >= 2 classes of a group coincide iff the multiplier is at least mu.

    Z* is unique (strict convexity), hence invariant under permutations of the group: Z* = Z' + c Pi, Pi the contrast
    projector, |Z*|_* = |Z'|_* + |c| (m - 1). At Z' the loss has the slope -(m - 1) mu along Pi and is strictly convex.
    """
    return [
        None if g.classes == 1 else True if nu >= ball(g.mu) else False if nu < ball(g.mu) else None
        for g in task.groups
    ]


def distance(A: Any) -> Any:
    """Frobenius norm of the radii."""
    return total(x.rad() * x.rad() for x in A.entries()).sqrt().upper()


def rank_at_most(task: Task, log_p: Blocks, nu: Any, merged: list[bool | None]) -> int:
    """Z* lives on singular directions where (I - P*) diag(mu) attains nu (norm duality); Weyl for its ball."""
    M = gradient(task.groups, log_p)[0]
    c, most = nu.lower() - distance(M), task.K - 1
    if not c > 0 or None in [m for g, m in zip(task.groups, merged, strict=True) if g.classes > 1]:
        return most
    alive = sum(g.classes - 1 for g, together in zip(task.groups, merged, strict=True) if together is False)
    return min(most, alive + count_above(M.mid(), c))


def quotient(task: Task, logits: Blocks) -> Any:
    """Z* on the span of the indicators of the groups, in an orthonormal basis."""
    G, roots = range(len(task.groups)), [ball(g.classes).sqrt() for g in task.groups]
    means = [list(row) for row in logits.others]
    for g, group in enumerate(task.groups):
        siblings = (group.classes - 1) * means[g][g] if group.classes > 1 else arb(0)
        means[g][g] = (logits.own[g] + siblings) / group.classes
    return arb_mat([[roots[h] * roots[g] * means[h][g] for g in G] for h in G])


def centred(task: Task, log_p: Blocks, merged: list[bool | None], alone: bool) -> Blocks:
    """Logits Z*: 1^T Z* = 0. ``alone`` says that only contrasts are alive: then every other entry is 0."""
    own, rows = list(log_p.own), [list(row) for row in log_p.others]
    for g, group in enumerate(task.groups):
        if alone or not group.mu:
            gap = arb(0) if group.classes == 1 or merged[g] else own[g] - rows[g][g]
            own[g], mean = gap * (group.classes - 1) / group.classes, None
        else:
            seen = total(m * row[g] for m, row in zip(times(task.groups, g), rows, strict=True) if m)
            mean = (own[g] + seen) / task.K
            own[g] -= mean
        for h, row in enumerate(rows):
            row[g] = row[g] - mean if mean is not None else -gap / group.classes if h == g else arb(0)
    return Blocks(own, rows)


def nonzero(entries: list[Any]) -> bool:
    """Whether some entry certainly is not 0."""
    return any(z > 0 or z < 0 for z in entries)


def prove(task: Task, problem: str) -> Outcome:
    """Bounds and facts at the current precision."""
    groups, point = task.groups, log_probabilities(task.groups, task.point)
    upper = total(ball(g.mu * g.classes) * -x for g, x in zip(groups, point.own, strict=True))
    lower = lower_bound(task)
    result = bounds(lower, upper, problem)
    log_p = near(task, point, (upper - lower).upper())
    if task.full or not all(x.is_finite() for x in (*log_p.own, *(x for row in log_p.others for x in row))):
        result.reason = "no facts: the bounds are too far apart, or the file does not group classes"
        return result
    nu = multiplier(task, log_p)
    merged = merged_states(task, nu)
    for g, together in enumerate(merged):
        demand(not (together and log_p.own[g] > log_p.others[g][g]), "impossible: merged, apart; report a kernel bug")
        log_p.others[g][g] = log_p.own[g] if together else log_p.others[g][g]
    most = rank_at_most(task, log_p, nu, merged)
    if task.dim < most:
        result.reason = f"d = {task.dim} is below the certified rank bound {most}: no facts, the bounds may be loose"
        return result
    least = sum(g.classes - 1 for g, together in zip(groups, merged, strict=True) if together is False)
    alone = most == least
    logits = centred(task, log_p, merged, alone)
    if not alone:
        Z = quotient(task, logits)
        least += count_above(Z.mid(), distance(Z))
    demand(least <= most, "impossible: rank bounds cross; report a kernel bug")
    result.log_probabilities, result.logits, result.merged, result.rank = log_p, logits, merged, (least, most)
    names = {True: "dead", False: "alive", None: None}
    result.contrasts = [names[m] if g.classes > 1 else "absent" for g, m in zip(groups, merged, strict=True)]
    columns = [[logits.own[g], *(row[g] for row in logits.others)] for g in range(len(groups))]
    dead = [alone and together is not False for together in merged]
    result.zero = [
        True if d or not g.mu else False if nonzero(z) else None for g, d, z in zip(groups, dead, columns, strict=True)
    ]
    last = "dead" if dead[-1] else "alive" if nonzero([*columns[-1], *logits.others[-1]]) else None
    result.found = {"multiplier": nu, "minority_zero": last if len(groups) > 1 else None}
    result.facts = describe(task, result)
    return result


def describe(task: Task, result: Outcome) -> dict[str, Any]:
    """Facts as JSON data, per group; they rely on no claim."""
    logits = result.logits or Blocks([], [])
    cross = [[interval(z, z) if h != g else None for g, z in enumerate(row)] for h, row in enumerate(logits.others)]
    sibling = [interval(row[g], row[g]) if task.groups[g].classes > 1 else None for g, row in enumerate(logits.others)]
    rank = result.rank or (0, 0)
    return {
        "groups": [[str(g.mu), g.classes] for g in task.groups],
        "rank": {"lower": rank[0], "upper": rank[1]},
        "merged": result.merged,
        "zero": result.zero,
        "minority_zero": result.found["minority_zero"],
        "multiplier": interval(result.found["multiplier"], result.found["multiplier"]),
        "logits": {"own": [interval(z, z) for z in logits.own], "sibling": sibling, "cross": cross},
    }
