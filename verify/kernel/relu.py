"""Model ``ce-relu``: cross-entropy under H >= 0, no bias.

Witness, per cluster (1 x G, W 2 x G): errors t_g, classes kept, features h_g, rows of W. The dual point gives class k
the distribution q_k = 1 - t on k and t/(K-1) on every other class. The primal point gives every kept class a
coordinate of its own, with feature h_g and with the column of W that is W[0][g] at the class and W[1][g] elsewhere;
the features of classes that are not kept vanish.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import arb

from .ce import Task, Witness, describe, read_task, times, widened
from .core import MAX_GROUPS, Blocks, Outcome, ball, bounds, demand, read_array


def read(data: dict[str, Any]) -> Witness:
    """Witness with H >= 0 and the width checked on integers."""
    task, data = read_task(data), data["witness"]
    shapes = {"errors": 1, "kept": 1, "W": 2, "H": 1}
    demand(isinstance(data, dict) and set(data) == set(shapes), "not a witness")
    demand(len(task.clusters) <= MAX_GROUPS, "too many groups")
    demand(task.bias == "none", "ce-relu: only the model without bias is covered")
    arrays = {name: read_array(data[name], rows, len(task.clusters)) for name, rows in shapes.items()}
    P, (kept,) = arrays["kept"]
    demand(P == 0 and all(0 <= r <= c.classes for r, c in zip(kept, task.clusters, strict=True)), "not a choice")
    demand(sum(kept) <= task.dim, f"the point has width {sum(kept)}, the features only {task.dim}")
    demand(all(h >= 0 for h in arrays["H"][1][0]), "a feature is negative")
    return Witness(task, task.clusters, False, arrays)


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


def prove(witness: Witness, problem: str) -> Outcome:
    """Bounds and facts at the current precision."""
    task = witness.task
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
