"""Closed forms of problems with another loss or knobs, where there are any.

Everything vanishes (NR26-05); the squared loss with one-hot targets (NR26-23); one cluster and cross-entropy (NR26-09);
H >= 0 with cross-entropy or the hinge (NR26-13, NR26-14); a norm constraint that smoothing makes inactive (NR26-12).
Elsewhere only the merging rule (NR26-02) says something. ``facts`` are those of :mod:`verify.loss_optimum`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory import losses
from theory.optimum import Optimum, State
from theory.problem import Cluster, Problem
from verify.balls import precision
from verify.bracket import ball
from verify.loss_rules import (
    collapse_square,
    merged_states,
    merging_power,
    prediction_at_zero,
    relu_slope,
    slopes,
    vanishing_square,
)

__all__ = ["solve"]

Array = NDArray[Any]
BITS = 256
NONE = "no closed form of this optimum is known"


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """The optimum from a closed form, or only the exact states of the contrasts (route ``exact``).

    Parameters
    ----------
    problem : another loss or knobs.
    seed : unused; nothing here is random.
    avoid : closed forms of these claims are not used; ``uses`` names the one that was.
    digits : unused; closed forms are evaluated at a fixed precision.

    Examples
    --------
    >>> optimum = solve(Problem.ce([(9, 2), (4, 3)], "0.03").with_loss("squared"))
    >>> sorted(optimum.uses), optimum.upper.str(6, radius=False)
    (['NR26-23'], '0.292500')
    """
    with precision(BITS):
        for claim, form in FORMS.items():
            if claim not in avoid and (found := form(problem)) is not None:
                return found
        rule = "NR26-13" if problem.model == "ce-relu" else "NR26-02"
        states = () if rule in avoid else merged_states(problem)
    return Optimum(
        problem,
        "exact",
        contrasts=states,
        exact_contrasts=states,
        reason=NONE,
        uses=frozenset({rule} if states else ()),
    )


def _plain(problem: Problem) -> bool:
    """No knobs that move the logits, and no targets of one's own."""
    return not (problem.adjustment or problem.scaling or problem.targets) and problem.bias == "none"


def _known(
    problem: Problem, claim: str, value: Any, Z: Array, p: Array, states: tuple[State, ...], **more: Any
) -> Optimum:
    contrasts: tuple[State, ...] = tuple(
        "absent" if c.classes < 2 and problem.model != "ce-relu" else s
        for c, s in zip(problem.clusters, states, strict=True)
    )
    alive = [any(z != 0 for z in Z[:, k]) for k in range(problem.K)]
    return Optimum(
        problem,
        "exact",
        lower=value,
        upper=value,
        logits=Z,
        bias=np.array([arb(0)] * problem.K, dtype=object),
        contrasts=contrasts,
        exact_contrasts=contrasts,
        exact_zero=not any(alive),
        zero=tuple(k for k, a in enumerate(alive) if not a),
        facts={"predictions": p},
        uses=frozenset({claim}),
        **more,
    )


def _potential(problem: Problem, u: list[Any]) -> Any:
    """Om(u)."""
    name = losses.find(problem.loss).potential
    if name == "logsumexp":
        return sum((x.exp() for x in u), arb(0)).log()
    if name == "softplus":
        return sum((x.exp().log1p() for x in u), arb(0))
    if name == "squared":
        return sum((x * x for x in u), arb(0)) / 2
    raise ValueError(name)


def _collapsed(problem: Problem) -> Optimum | None:
    """NR26-05: Z* = 0."""
    if problem.model != "ce" or losses.find(problem.loss).potential not in ("logsumexp", "softplus", "squared"):
        return None
    try:
        square = collapse_square(problem, 30)
    except ArithmeticError:
        return None
    u = prediction_at_zero(problem)
    if square is None or u is None or problem.x2 < square[1]:
        return None
    K = problem.K
    iota = [
        ball(problem.adjustment) * ball(n / problem.N).log() if problem.adjustment else arb(0) for n in problem.sizes
    ]
    value = arb(0)
    for k, y in enumerate(problem.target_columns):
        inner = sum((ball(t) * i for t, i in zip(y, iota, strict=True)), arb(0))
        extra = ball(sum((t * t for t in y), Fraction(0)) * losses.find(problem.loss).constant)
        value += ball(problem.sizes[k] * problem.weights[k] / problem.N) * (_potential(problem, iota) - inner + extra)
    Z = np.array([[arb(0)] * K for _ in range(K)], dtype=object)
    p = np.array([[u[j]] * K for j in range(K)], dtype=object)
    groups = (tuple(range(K)),)
    dead: tuple[State, ...] = tuple("dead" for _ in problem.clusters)
    return _known(problem, "NR26-05", value, Z, p, dead, rank=(0, 0), merged=groups)


def _squared(problem: Problem) -> Optimum | None:
    """NR26-23: X soft-thresholded; the least-squares logits are diagonal for one-hot targets."""
    if problem.loss != "squared" or problem.smoothing or problem.adjustment or problem.targets:
        return None
    if problem.model == "layer-peeled" or problem.bias != "none":
        return None
    K, delta, lam = problem.K, slopes(problem), ball(problem.lam2).sqrt()
    Z = np.array([[arb(0)] * K for _ in range(K)], dtype=object)
    value, alive = arb(0), 0
    for c in problem.clusters:
        mass, k = ball(c.size * c.weight / problem.N), c.members[0]
        price = lam * ball(c.size * c.feature_decay * c.row_decay).sqrt() / (mass * delta[k])
        dead = merging_power(problem, c).at_most(problem.x2)
        shrunk = arb(0) if dead else 1 - price
        alive += 0 if dead else c.classes
        for member in c.members:
            Z[member, member] = shrunk / delta[member]
        value += c.classes * mass * ((1 - shrunk) ** 2 / 2 + price * shrunk)
    if problem.dim < alive:
        return None
    p = np.array([[delta[j] * Z[j, k] for k in range(K)] for j in range(K)], dtype=object)
    states: tuple[State, ...] = tuple(
        "dead" if merging_power(problem, c).at_most(problem.x2) else "alive" for c in problem.clusters
    )
    return _known(problem, "NR26-23", value, Z, p, states, rank=(alive, alive))


def _one_cluster(problem: Problem) -> Optimum | None:
    """NR26-09 for one cluster: Z = a (I - J/K) with own minus sibling probability kappa (1 - lam N/T)."""
    if problem.model != "ce" or len(problem.clusters) > 1 or problem.loss != "ce" or problem.bias != "none":
        return None
    K, c = problem.K, problem.clusters[0]
    if problem.dim < K - 1 or problem.targets:
        return None
    power, kappa = merging_power(problem, c), ball(problem.contrast(c))
    dead = power.at_most(problem.x2)
    ratio = (ball(problem.x2) / ball(power.exact or Fraction(1))).sqrt()
    difference = arb(0) if dead else kappa * (1 - ratio)
    sibling = (1 - difference) / K
    own = sibling + difference
    a = arb(0) if dead else (own / sibling).log() * ball(problem.loss_temperature)
    Z = _simplex(problem, [a])
    p = np.array([[own if j == k else sibling for k in range(K)] for j in range(K)], dtype=object)
    y_own = ball(problem.target_columns[0][0])
    y_other = ball(problem.target_columns[0][1])
    loss = -(y_own * own.log() + (K - 1) * y_other * sibling.log())
    lam = ball(problem.lam2 * c.size * c.feature_decay * c.row_decay).sqrt()
    value = ball(c.weight) * loss + lam * (K - 1) * a
    rank = 0 if dead else K - 1
    state: State = "dead" if dead else "alive"
    merged = (tuple(range(K)),) if dead else ()
    return _known(problem, "NR26-09", value, Z, p, (state,), rank=(rank, rank), merged=merged)


def _simplex(problem: Problem, margins: list[Any]) -> Array:
    """Columns M_k (e_k - 1/K), one margin per cluster."""
    K = problem.K
    Z = np.array([[arb(0)] * K for _ in range(K)], dtype=object)
    for c, margin in zip(problem.clusters, margins, strict=True):
        for k in c.members:
            for j in range(K):
                Z[j, k] = margin * (K - 1) / K if j == k else -margin / K
    return Z


def _relu(problem: Problem) -> Optimum | None:
    """NR26-13 (cross-entropy with smoothing and weights), NR26-14 (hinge)."""
    if problem.model != "ce-relu" or relu_slope(problem) is None or problem.loss not in ("ce", "hinge"):
        return None
    K, value, margins, alive = problem.K, arb(0), [], 0
    states: list[State] = []
    columns: dict[int, tuple[Any, Any]] = {}
    for i, c in enumerate(problem.clusters):
        square = vanishing_square(problem, c)
        dead = square is not None and square <= problem.x2
        if problem.loss == "hinge" and square == problem.x2:
            return None
        omega = ball(c.size * c.weight / problem.N)
        price = (ball(problem.lam2 * c.size * c.feature_decay) * ball(Fraction(K - 1, K))).sqrt()
        find = _hinge_margin if problem.loss == "hinge" else _smooth_margin
        margin, loss, own, other = find(problem, c, price / omega, dead)
        margins.append(margin)
        alive += 0 if dead else c.classes
        columns[i] = own, other
        states.append("dead" if dead else "alive")
        value += c.classes * (omega * loss + price * margin)
    if problem.dim < alive:
        return None
    p = np.array([[arb(0)] * K for _ in range(K)], dtype=object)
    for i, c in enumerate(problem.clusters):
        for k in c.members:
            for j in range(K):
                p[j, k] = columns[i][0] if j == k else columns[i][1]
    claim = "NR26-14" if problem.loss == "hinge" else "NR26-13"
    return _known(problem, claim, value, _simplex(problem, margins), p, tuple(states))


def _smooth_margin(problem: Problem, cluster: Cluster, t: Any, dead: bool) -> tuple[Any, Any, Any, Any]:
    """Margin, loss, own and other probability of cross-entropy with smoothing, temperature tau."""
    K, eps, tau = problem.K, ball(problem.smoothing), ball(problem.loss_temperature)
    if dead:
        return arb(0), arb(K).log(), arb(1) / K, arb(1) / K
    error = tau * t + eps * (K - 1) / K
    scaled = ((K - 1) * (1 / error - 1)).log()
    loss = ((K - 1) * (-scaled).exp()).log1p() + eps * (K - 1) / K * scaled
    return scaled * tau, loss, 1 - error, error / (K - 1)


def _hinge_margin(problem: Problem, cluster: Cluster, t: Any, dead: bool) -> tuple[Any, Any, Any, Any]:
    """Margin tau where alive; the prediction is any subgradient, that with the sum of errors t."""
    if dead:
        return arb(0), arb(1), arb("nan"), arb("nan")
    return ball(problem.loss_temperature), arb(0), arb("nan"), arb("nan")


def _saturated(problem: Problem) -> Optimum | None:
    """NR26-12: smoothing, and a budget T of at least (K - 1) a, a = log(1 + K (1 - eps)/eps)."""
    if problem.model != "layer-peeled" or problem.loss != "ce" or not problem.smoothing or not _plain(problem):
        return None
    K, eps, tau = problem.K, problem.smoothing, ball(problem.loss_temperature)
    a = ball(1 + K * (1 - eps) / eps).log() * tau
    if not ball(problem.budget2).sqrt() > (K - 1) * a or problem.dim < K - 1:
        return None
    Z = _simplex(problem, [a] * len(problem.clusters))
    own, other = ball(problem.target_columns[0][0]), ball(problem.target_columns[0][1])
    total = sum((n * w for n, w in zip(problem.sizes, problem.weights, strict=True)), Fraction(0)) / problem.N
    states: tuple[State, ...] = tuple("alive" for _ in problem.clusters)
    value = -ball(total) * (own * own.log() + (K - 1) * other * other.log())
    p = np.array([[own if j == k else other for k in range(K)] for j in range(K)], dtype=object)
    return _known(problem, "NR26-12", value, Z, p, states, rank=(K - 1, K - 1))


FORMS: dict[str, Callable[[Problem], Optimum | None]] = {
    "NR26-13": _relu,
    "NR26-05": _collapsed,
    "NR26-23": _squared,
    "NR26-09": _one_cluster,
    "NR26-12": _saturated,
}
