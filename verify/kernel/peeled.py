"""Model ``layer-peeled``: sum_k mu_k CE(W h_k, k), mu_k = w_k n_k/N, with |W|^2 <= K E_W and sum_k |h_k|^2 <= K E_H.

Jensen: averaging the features of a class lowers the loss and keeps the budget, so one feature per class suffices. With
T = K sqrt(E_W E_H) the two budgets allow exactly the logits Z of rank at most d with |Z|_* <= T (norm duality).

Groups are the classes of equal mu, largest first (``"full": true``: every class alone, in the same order). Witness:
``norm`` 1 x 1, ``point`` and ``dual``, null or a second point (``tables.py``). Entries are those for equal budgets T;
any other E_W/E_H scales W and H by reciprocal numbers. P is the softmax of the dual point, G = (I - P) diag(mu).
"""

from fractions import Fraction
from typing import Any, NamedTuple

from flint import arb

from . import core, tables
from .core import Array, Outcome, ball, balls, bounds, count_above, demand, interval, number, read_array
from .tables import Blocks, log_probabilities, pick, read_point, seen, spectrum


class Task(NamedTuple):
    """Problem and witness: mu and number of classes per group; T^2."""

    mu: list[Fraction]
    m: list[int]
    clusters: list[tuple[Fraction, int]]
    budget2: Fraction
    dim: int
    norm: Array
    point: dict[str, Array]
    dual: dict[str, Array]
    precisions: list[int]


def read(data: dict[str, Any]) -> Task:
    """Problem and witness; width and budgets of the point are checked on integers."""
    options, witness, sizes, masses = data["options"], data["witness"], core.runs(data["counts"]), dict[Fraction, int]()
    demand(set(options) == {"e_w", "e_h", "class_weights", "dim"}, "unexpected options")
    demand(isinstance(witness, dict) and set(witness) == {"full", "norm", "point", "dual"}, "not a witness")
    K, N, given, dim = sum(m for _, m in sizes), sum(n * m for n, m in sizes), options["class_weights"], options["dim"]
    for (size, weight), n in core.clusters(sizes, [(Fraction(1), K)] if given is None else core.runs(given, zero=True)):
        masses[weight * size / N] = masses.get(weight * size / N, 0) + n
    demand(any(masses), "all weights are zero")
    found = sorted(masses.items(), reverse=True)
    groups = tables.grouped(witness["full"], found)
    m, budget2 = [n for _, n in groups], K**2 * number(options["e_w"]) * number(options["e_h"])
    point, norm = read_point(witness["point"], m, core.whole(dim, 1)), read_array(witness["norm"], 1, 1)
    dual = point if witness["dual"] is None else read_point(witness["dual"], m, float("inf"))
    (P, (gaps,)) = point["gaps"]
    for name in ("W", "H"):  # gaps_g (I - J/m_g) = X X^T with |X|^2 = gaps_g (m_g - 1), up to signs
        p, rows = point[name]
        quotient = sum(n * sum(x * x for x in row) for n, row in zip(m, rows, strict=True))
        contrasts = sum((n - 1) * abs(a) for n, a in zip(m, gaps, strict=True))
        price = Fraction(quotient, 1 << 2 * p) + Fraction(contrasts, 1 << P)
        demand(price**2 <= budget2, f"the point exceeds the budget of {name}")
    bits = core.precisions([P for P, _ in (norm, *point.values(), *dual.values())], len(m))
    return Task([mu for mu, _ in groups], m, found, budget2, dim, norm, point, dual, bits)


def gradient(mu: list[Fraction], m: list[int], log_p: Blocks) -> tuple[list[Any], Any]:
    """Contrast values and quotient block of G."""
    p = [[x.exp() for x in row] for row in log_p.others]
    rest = [seen(m, g, column) for g, column in enumerate(zip(*p, strict=True))]  # one minus the own probability
    return spectrum(m, Blocks(rest, [[-x for x in row] for row in p]), [ball(x) for x in mu])


def lower_bound(task: Task) -> Any:
    """Value of the dual point, for every column-stochastic P.

    Gibbs: CE(z, k) >= H(p_k) + <p_k - e_k, z>. Norm duality: <G, Z> <= |G| |Z|_* <= norm T.
    """
    log_p, ((norm,),), m = log_probabilities(task.m, task.dual), balls(task.norm), task.m
    contrasts, block = gradient(task.mu, m, log_p)
    inside = all(core.positive(norm - x) for x, n in zip(contrasts, m, strict=True) if n > 1)
    demand(norm > 0 and inside and count_above(block, norm) == 0, "the norm is too small")
    value = -norm * ball(task.budget2).sqrt()
    for g, (mu, own, column) in enumerate(zip(task.mu, log_p.own, zip(*log_p.others, strict=True), strict=True)):
        value -= ball(mu * m[g]) * (own.exp() * own + seen(m, g, [x.exp() * x for x in column]))
    return value


def multiplier(mu: list[Fraction], m: list[int], log_p: Blocks, T: Any) -> Any:
    """|G*| = <G*, Z*>/T: the budget is active and norm duality tight."""
    sides = enumerate(zip(mu, log_p.own, zip(*log_p.others, strict=True), strict=True))
    return sum(ball(x * m[g]) * seen(m, g, [y.exp() * (own - y) for y in column]) for g, (x, own, column) in sides) / T


def prove(task: Task, digest: str) -> Outcome:
    """Bounds and facts at the current precision.

    Gibbs is an identity with the term KL(p*_k || p_k), and <G*, Z* - Z> >= 0 for |Z|_* <= T, so sum_k mu_k KL(p*_k ||
    p_k) <= gap. Where mu_k = 0 the logits vanish: deleting a column other than 0 lowers |Z|_*, and the loss decreases
    in the budget. Z* is unique (strict convexity), hence invariant under permutations of a group.
    """
    mu, m, point = [x for x, _ in task.clusters], [n for _, n in task.clusters], log_probabilities(task.m, task.point)
    upper = sum(ball(x * n) * -p for x, n, p in zip(task.mu, task.m, point.own, strict=True))
    result, K, G = bounds(lower_bound(task), upper, digest), sum(m), range(len(m))
    gap = (upper - result.lower).upper()
    log_p = tables.near(pick(point, m, len(task.m) > len(m)), [gap / ball(x) if x else arb("inf") for x in mu])
    for column in [log_p.own, *log_p.others]:
        column[:] = [p if x else -arb(K).log() for p, x in zip(column, mu, strict=True)]
    if not all(x.is_finite() for row in (log_p.own, *log_p.others) for x in row):
        result.reason = "no facts: the bounds are too far apart"
        return result
    nu, M = multiplier(mu, m, log_p, ball(task.budget2).sqrt()), gradient(mu, m, log_p)[1]
    # Classes of a group coincide iff nu >= mu: Z* = Z' + c Pi, Pi the contrast projector, |Z*|_* = |Z'|_* + |c|(m - 1),
    # and at Z' the loss has the slope -(m - 1) mu along Pi and is strictly convex.
    contrasts = [core.state(nu < ball(x), nu >= ball(x)) if n > 1 else "absent" for x, n in zip(mu, m, strict=True)]
    for g in G:
        apart = log_p.own[g] > log_p.others[g][g]
        demand(not (contrasts[g] == "dead" and apart), "impossible: merged, apart; report a kernel bug")
        log_p.others[g][g] = log_p.own[g] if contrasts[g] == "dead" else log_p.others[g][g]
    # Z* lives on singular directions where G* attains nu (norm duality); Weyl for the ball of G*
    below, least = nu.lower() - tables.radius(M), sum(n - 1 for n, s in zip(m, contrasts, strict=True) if s == "alive")
    most = min(K - 1, least + count_above(M.mid(), below)) if below > 0 and None not in contrasts else K - 1
    if task.dim < most:
        result.reason = f"d = {task.dim} is below the certified rank bound {most}: no facts, the bounds may be loose"
        return result
    Z, alone = tables.centred(m, log_p), most == least  # 1^T Z* = 0
    for g in G:
        if alone or not mu[g]:  # nothing but contrasts is alive
            a = log_p.own[g] - log_p.others[g][g] if contrasts[g] == "alive" else arb(0)
            Z.own[g] = a * (m[g] - 1) / m[g]
            for h, row in enumerate(Z.others):
                row[g] = -a / m[g] if h == g else arb(0)
    least += 0 if alone else tables.rank_above(spectrum(m, Z, [arb(1)] * len(m))[1])
    demand(least <= most, "impossible: rank bounds cross; report a kernel bug")
    moves, dead = [not z.contains(0) for z in Z.own], [alone and s != "alive" for s in contrasts]
    result.log_probabilities, result.logits, result.contrasts, result.rank = log_p, Z, contrasts, (least, most)
    result.merged = [None if s in (None, "absent") else s == "dead" for s in contrasts]
    result.zero = [True if dead[g] or not mu[g] else False if moves[g] else None for g in G]
    last = core.state(moves[-1] or any(z > 0 or z < 0 for z in Z.others[-1]), dead[-1])
    result.found = {"multiplier": nu, "minority_zero": last if len(m) > 1 else None}
    result.facts = {
        "groups": [[str(x), n] for x, n in task.clusters],
        "rank": {"lower": least, "upper": most},
        "merged": result.merged,
        "zero": result.zero,
        "minority_zero": result.found["minority_zero"],
        "multiplier": interval(nu),
        "logits": tables.facts(m, Z),
    }
    return result
