"""Model ``ce``: cross-entropy, linear features, weight decay; bias absent, free or penalised.

Groups are the clusters, all classes of one size s_g and weight w_g, in decreasing order; with ``"full": true`` every
class alone, in the same order. Witness (as in tables.py): ``flows`` G x G, w_g s_g times a probability (Q's own
probability is DEFINED as 1 minus the rest of the column); ``gaps``, ``W``, ``H``, ``bias`` (1 x G), a point.
Notation: x = N sqrt(lambda_w lambda_h), D = diag(n), X = Z D^(1/2), M = (I - Q) diag(w) D^(1/2).
"""

from fractions import Fraction
from typing import Any

from flint import arb

from . import tables
from .core import Outcome, ball, balls, bounds, count_above, demand, precisions, state
from .decay import Group, Problem, Task, describe, read_problem
from .tables import Blocks, pick, seen, spectrum


def read(data: dict[str, Any]) -> Task:
    """Task with the exact conditions on the primal point checked: zeros where they must be, width at most d."""
    problem, witness = read_problem(data), dict(data["witness"])
    groups = [Group(*c) for c in tables.grouped(witness.pop("full"), problem.clusters)]
    G, m = len(groups), [group.classes for group in groups]
    arrays = tables.read_point(witness, m, problem.dim, flows=(G, G), bias=(1, G))
    demand(problem.bias != "none" or not any(arrays["bias"][1][0]), "this problem has no bias")
    return Task(problem, groups, m, arrays, precisions([P for P, _ in arrays.values()], G))


def lower_bound(task: Task) -> tuple[Any, Blocks, Any]:
    """Value of the dual point, a lower bound if |M| <= x; M D^(1/2), and the quotient block of M.

    Gibbs: CE(z, k) >= H(q) + <q - e_k, z> for every distribution q. Jensen: averaging the features of a class lowers
    the objective. Then (lambda_w/2)|W|^2 + (lambda_h/2)|H|^2 >= lam |X|_*, and norm duality: x|X|_* - <M, X> >= 0.
    With y = (I - Q) diag(w) n, a bias contributes min_b lambda_b/2 |b|^2 - <y, b>/N; if it is free y must vanish.
    """
    problem, m, (P, flows), value = task.problem, task.m, task.arrays["flows"], arb(0)
    demand(all(entry >= 0 for row in flows for entry in row), "a probability is negative")
    rest = [Fraction(seen(m, g, column), 1 << P) for g, column in enumerate(zip(*flows, strict=True))]
    M = Blocks([ball(r) for r in rest], [[-f for f in row] for row in balls(task.arrays["flows"])])
    for g, (group, column) in enumerate(zip(task.groups, zip(*M.others, strict=True), strict=True)):
        contrast = rest[g] + Fraction(flows[g][g], 1 << P)
        demand(rest[g] <= group.mass, "a probability is negative")
        demand(m[g] == 1 or contrast**2 <= problem.x2 * group.size, "the dual point is infeasible (contrast)")
        share, q = ball(rest[g] / group.mass), [-f / ball(group.mass) for f in column]
        own = -(1 - share) * (-share).log1p() if rest[g] < group.mass else arb(0)
        value += ball(m[g] * group.mass) * (own + seen(m, g, [p if p.is_zero() else -p * p.log() for p in q]))
    block = spectrum(m, M, [1 / ball(group.size).sqrt() for group in task.groups])[1]
    demand(count_above(block, ball(problem.x2).sqrt()) == 0, "the dual point is infeasible (norm)")
    if problem.bias != "none":
        pairs = zip(flows, zip(*flows, strict=True), strict=True)
        y = [sum(n * (out - into) for n, out, into in zip(m, column, row, strict=True)) for row, column in pairs]
        square = Fraction(sum(n * entry**2 for n, entry in zip(m, y, strict=True)), 1 << (2 * P))
        demand(problem.bias != "free" or square == 0, "the dual point is infeasible (free bias)")
        if isinstance(problem.bias, Fraction):
            value -= ball(square / (2 * problem.bias * problem.N))
    return value / ball(problem.N), M, block


def upper_bound(task: Task) -> tuple[Any, Blocks]:
    """Objective at the point, and its log-probabilities.

    A gap costs lam (m_g - 1) sqrt(s_g) |a_g|: equality in (lambda_w u^2 + lambda_h s v^2)/2 >= lam sqrt(s) |u v|.
    """
    problem, (W, H, (gaps,), (bias,)) = task.problem, (balls(task.arrays[name]) for name in ("W", "H", "gaps", "bias"))
    log_p, value = tables.log_probabilities(task.m, task.arrays, bias), arb(0)
    lam = ball(problem.lambda_w * problem.lambda_h).sqrt()
    for g, (s, _, mass, m) in enumerate(task.groups):
        value += ball(m * mass / problem.N) * -log_p.own[g] + lam * (m - 1) * ball(s).sqrt() * abs(gaps[g])
        value += ball(m * problem.lambda_w / 2) * sum(u * u for u in W[g])
        value += ball(m * s * problem.lambda_h / 2) * sum(v * v for v in H[g])
        value += ball(m * problem.bias / 2) * bias[g] * bias[g] if isinstance(problem.bias, Fraction) else 0
    return value, log_p


def split_bias(problem: Problem, bias: list[Any], gap: Any, Z: Blocks) -> list[Any]:
    """Centred bias b* from the bias of the point and centred log-probabilities Z* + b* 1^T (1^T Z* = 0).

    Penalised: (lambda_b/2)|b - b*|^2 <= gap by strong convexity. Free: M* sqrt(n) = 0 by stationarity, and the right
    singular vectors of X* lie in the range of M*^T, so Z* n = 0.
    """
    if problem.bias == "free":
        m, sizes = [c.classes for c in problem.clusters], [ball(c.size) for c in problem.clusters]
        rows = [[s * z for s, z in zip(sizes, row, strict=True)] for row in Z.others]
        return [(sizes[h] * Z.own[h] + seen(m, h, row)) / ball(problem.N) for h, row in enumerate(rows)]
    away = 0 if problem.bias == "none" else (2 * gap / ball(Fraction(problem.bias))).sqrt()
    return [b + arb(0, away) for b in bias]


def prove(task: Task, digest: str) -> Outcome:
    """Bounds and facts at the current precision.

    The minimiser Z* is unique (strict convexity), hence invariant under permutations inside a cluster: the first two
    classes stand for their cluster. Gibbs is an identity with the term KL(p*_k || p_k), so sum_k (w_k n_k/N) KL(p*_k ||
    p_k) <= gap for the point and, likewise, sum_k (w_k n_k/N) KL(q_k || p*_k) <= gap; with Pinsker |M - M*|_F^2 <= N
    max(w) gap (twice that covers the difference of two entries). X* lives where M* attains x (norm duality).
    """
    problem, clusters, m = task.problem, task.problem.clusters, [c.classes for c in task.problem.clusters]
    (lower, M, block), (upper, point), full = lower_bound(task), upper_bound(task), len(task.m) > len(m)
    result, gap = bounds(lower, upper, digest), (upper - lower).upper()
    log_p = tables.near(pick(point, m, full), [gap * ball(problem.N / c.mass) for c in clusters])
    below = ball(problem.x2).sqrt() - (2 * gap * ball(problem.N * max(c.weight for c in clusters))).sqrt()
    roots = [ball(c.size).sqrt() for c in clusters]
    # alive: own above sibling probability; dead: M*_kk - M*_jk is below x, so X* has no part there
    dead = [value < below for value in spectrum(m, pick(M, m, full), [1 / root for root in roots])[0]]
    found = [state(log_p.own[c] > log_p.others[c][c], dead[c]) if n > 1 else "absent" for c, n in enumerate(m)]
    alive = sum(n - 1 for n, contrast in zip(m, found, strict=True) if contrast == "alive")
    loose = sum(n - 1 for n, contrast in zip(m, found, strict=True) if contrast != "dead" and not full)
    # singular values of M that may be x, by Weyl; in the full form the block has those of contrasts
    most = min(count_above(block, below) + loose, problem.K - 1) if below > 0 else problem.K - 1
    if problem.dim < most:
        result.reason = f"d = {problem.dim} is below the certified rank bound {most}: no facts, the bounds may be loose"
        return result
    Z, (bias,) = tables.centred(m, log_p), balls(task.arrays["bias"])
    bias = split_bias(problem, pick(Blocks(bias, M.others), m, full).own, gap, Z)
    rows = [[z - b for z in row] for row, b in zip(Z.others, bias, strict=True)]
    Z = Blocks([z - b for z, b in zip(Z.own, bias, strict=True)], rows)
    least = alive + tables.rank_above(spectrum(m, Z, roots)[1])
    demand(least <= most, "impossible: rank bounds cross; report a kernel bug")
    # HL23-04: the m >= 2 classes of a cluster coincide iff x^2 >= w^2 s, an exact decision
    merged = [None if c.classes == 1 else problem.x2 >= c.weight**2 * c.size for c in clusters]
    zero = list[bool | None]()
    for c, moves in enumerate(not z.contains(0) for z in Z.own):
        demand(found[c] != ("alive" if merged[c] else "dead"), "impossible: rule against state; report a kernel bug")
        vanishes = most == alive and found[c] != "alive"  # the alive contrasts exhaust the rank
        demand(not (moves and vanishes), "impossible: a class is zero and not zero; report a kernel bug")
        zero.append(False if moves else vanishes or None)
    result.log_probabilities, result.logits, result.bias, result.contrasts = log_p, Z, bias, found
    result.merged, result.zero, result.rank = merged, zero, (least, most)
    result.facts = describe(problem, result, ["HL23-04"], [])
    return result
