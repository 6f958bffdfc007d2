"""Model ``ce-relu``: cross-entropy under H >= 0, no bias.

Witness, per cluster (1 x G, W 2 x G): errors t_g, classes kept, features h_g, rows of W. The dual point gives class k
the distribution q_k = 1 - t on k and t/(K-1) on every other class. The primal point gives every kept class a
coordinate of its own, with feature h_g and with the column of W that is W[0][g] at the class and W[1][g] elsewhere;
the features of classes that are not kept vanish. There is no other form: nothing here grows with the classes.
"""

from fractions import Fraction
from typing import Any

from flint import arb

from .core import MAX_GROUPS, Outcome, ball, balls, bounds, demand, precisions, read_array, state
from .decay import Problem, Task, describe, read_problem
from .tables import Blocks, near


def read(data: dict[str, Any]) -> Task:
    """Task with H >= 0 and the width checked on integers."""
    problem, witness = read_problem(data), data["witness"]
    shapes = {"errors": 1, "kept": 1, "W": 2, "H": 1}
    demand(isinstance(witness, dict) and set(witness) == set(shapes), "not a witness")
    demand(len(problem.clusters) <= MAX_GROUPS, "too many groups")
    demand(problem.bias == "none", "ce-relu: only the model without bias is covered")
    arrays = {name: read_array(witness[name], rows, len(problem.clusters)) for name, rows in shapes.items()}
    P, (kept,) = arrays["kept"]
    demand(P == 0 and all(0 <= r <= c.classes for r, c in zip(kept, problem.clusters, strict=True)), "not a choice")
    demand(sum(kept) <= problem.dim, f"the point has width {sum(kept)}, the features only {problem.dim}")
    demand(all(h >= 0 for h in arrays["H"][1][0]), "a feature is negative")
    return Task(problem, problem.clusters, [], arrays, precisions([P for P, _ in arrays.values()], len(kept)))


def relu_lower_bound(task: Task) -> Any:
    """Entropy of the dual point, a lower bound for every d.

    Gibbs, with a_k = sqrt(n_k) hbar_k >= 0 (Jensen: the mean feature) and G_k = (w_k n_k/N) (e_k - q_k)/sqrt(n_k): f is
    at least sum_k (w_k n_k/N) H(q_k) plus, per coordinate, (lambda_w/2)|w|^2 + (lambda_h/2)|a|^2 - <w, sum_k a_k G_k>.
    That is nonnegative if |sum_k a_k G_k|^2 <= lambda_w lambda_h |a|^2 for all a >= 0. Now <G_k, G_l> is a negative
    multiple of t_k t_l for k != l, and |G_k|^2 = w^2 n t^2 K/((K-1) N^2) <= lambda_w lambda_h is checked exactly.
    """
    problem, (P, (errors,)), value = task.problem, task.arrays["errors"], arb(0)
    K = problem.K
    for e, group in zip(errors, problem.clusters, strict=True):
        t = Fraction(e, 1 << P)
        demand(0 <= t <= 1, "a probability is negative")
        demand(group.weight**2 * group.size * t**2 * K <= problem.x2 * (K - 1), "the dual point is infeasible")
        entropy = ball(t) * arb(K - 1).log()
        for part in (t, 1 - t):
            entropy -= ball(part) * ball(part).log() if part else arb(0)
        value += ball(group.classes * group.mass / problem.N) * entropy
    return value


def relu_upper_bound(task: Task) -> Any:
    """Objective at the point."""
    problem, (own, other), (H,) = task.problem, balls(task.arrays["W"]), balls(task.arrays["H"])
    K, value, decay = problem.K, arb(0), (ball(problem.lambda_w), ball(problem.lambda_h))
    for g, (group, kept) in enumerate(zip(problem.clusters, task.arrays["kept"][1][0], strict=True)):
        share = ball(group.mass / problem.N)
        loss = ((K - 1) * ((other[g] - own[g]) * H[g]).exp()).log1p()
        price = decay[0] * (own[g] * own[g] + (K - 1) * other[g] * other[g]) + decay[1] * ball(group.size) * H[g] * H[g]
        value += kept * (share * loss + price / 2) + (group.classes - kept) * share * arb(K).log()
    return value


def relu_log_probabilities(problem: Problem, errors: list[Any], gap: Any) -> Blocks:
    """Own log-probability and that of any other class, per cluster, of every point within ``gap`` of the dual bound.

    Gibbs is an identity with the term KL(q_k || P_k) <= gap N/(w n), at the mean feature of a class by Jensen.
    """
    q = Blocks([(-t).log1p() for t in errors], [[(t / (problem.K - 1)).log() for t in errors]])
    return near(q, [gap * ball(problem.N / cluster.mass) for cluster in problem.clusters])


def relu_states(problem: Problem, log_p: Blocks) -> list[str | None]:
    """Alive (own logit above the others) or dead (the features vanish) in every minimiser, from probabilities alone.

    With P_k the probabilities at a minimiser, stationarity in W and complementarity <h, df/dh> = 0 give
    lambda_w lambda_h n_k |h_k|^2 = sum_l omega_k omega_l <e_k - P_k, e_l - P_l> <h_k, h_l>, omega = w n/N. All
    <h_k, h_l> are nonnegative. So h_k = 0 where every product with l != k is at most 0 and
    omega_k^2 |e_k - P_k|^2 < lambda_w lambda_h n_k. (For fixed W the problem in one feature is strictly convex: samples
    of a class share it.)
    """
    K, found, wrong = problem.K, list[str | None](), [other.exp() for other in log_p.others[0]]
    for c, (group, p) in enumerate(zip(problem.clusters, wrong, strict=True)):
        # entries of P_k are in one ball, but need not be equal; 1 - P_kk is the sum of the others, not a difference
        rest = [q for h, q in enumerate(wrong) if problem.clusters[h].classes > (h == c)]
        products = [(K - 2) * p * q - 2 * (K - 1) * p * q for q in rest]
        square = ball(group.weight**2 * group.size) * (K - 1) * K * p * p
        dead = square < ball(problem.x2) and all(product <= 0 for product in products)
        found.append(state(log_p.own[c] > log_p.others[0][c], dead))
    return found


def prove(task: Task, digest: str) -> Outcome:
    """Bounds and facts at the current precision."""
    problem, clusters, K = task.problem, task.problem.clusters, task.problem.K
    lower, upper = relu_lower_bound(task), relu_upper_bound(task)
    result = bounds(lower, upper, digest)
    # DA24-07: the features of a class vanish iff x^2 K >= w^2 n (K - 1), an exact decision
    zero = [problem.x2 * K >= c.weight**2 * c.size * (K - 1) for c in clusters]
    most = sum(c.classes for c, vanish in zip(clusters, zero, strict=True) if not vanish)
    if problem.dim < most:
        result.reason = f"d = {problem.dim} is below the {most} alive classes: no facts, the bounds may be loose"
        return result
    log_p = relu_log_probabilities(problem, balls(task.arrays["errors"])[0], (upper - lower).upper())
    states, (row,) = relu_states(problem, log_p), log_p.others
    for c, contrast in enumerate(states):
        wrong = contrast is not None and (contrast == "dead") != zero[c]
        demand(not wrong, "impossible: threshold against a state; report a kernel bug")
        if contrast == "dead":
            log_p.own[c] = row[c] = -arb(K).log()
    means = [(own + (K - 1) * other) / K for own, other in zip(log_p.own, row, strict=True)]
    logits = [
        [arb(0) if s == "dead" else x - mean for s, x, mean in zip(states, part, means, strict=True)]
        for part in (log_p.own, row)
    ]
    # 1^T Z = 0, so alive columns with negative others are diagonally dominant on their own rows
    sure = [contrast == "alive" and z < 0 for contrast, z in zip(states, logits[1], strict=True)]
    least = sum(c.classes for c, alive in zip(clusters, sure, strict=True) if alive)
    most = sum(c.classes for c, contrast in zip(clusters, states, strict=True) if contrast != "dead")
    tables = [Blocks(own, [other] * len(clusters)) for own, other in ((log_p.own, row), logits)]
    result.log_probabilities, result.logits = tables
    result.bias, result.contrasts, result.rank = [arb(0)] * len(clusters), states, (min(least, K - 1), min(most, K - 1))
    result.zero = list(zero)
    result.merged = [vanish if c.classes > 1 else None for c, vanish in zip(clusters, zero, strict=True)]
    result.facts = describe(problem, result, ["DA24-07"], ["DA24-07"])
    return result
