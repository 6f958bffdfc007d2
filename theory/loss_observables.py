"""Symbols and readings of problems with another loss, class weights, multipliers of the decay, or other knobs.

A cluster has k classes of size n with loss weight w, feature decay r, row decay s, slope Delta of its logits and
contrast kappa of its targets. Its merging threshold is T_C = w Delta kappa sqrt(n/(r s)), on the scale of x = lam N.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory import losses
from theory import symbols as sym
from theory.claim import Hypothesis
from theory.observables import dead_state, parameters, rational
from theory.optimum import Optimum, State, softmax
from theory.problem import Cluster, Problem

__all__ = [
    "adjusted_logits",
    "loss_cluster_readings",
    "loss_parameters",
    "loss_values",
    "predictions",
    "shifts",
    "slopes",
    "vanishes",
    "zero_states",
]

Array = NDArray[Any]

r, s, kappa, Delta = sp.symbols("r s kappa Delta", positive=True)
"""Of a cluster: multipliers of feature decay and of classifier-row decay, contrast of targets, slope of logits."""
eps, tau, gamma, adjust = sp.symbols("epsilon tau gamma a", nonnegative=True)
"""Label smoothing, temperature of the logits, exponent of Delta = (n/n_max)^gamma, factor of log(n/N)."""
THRESHOLD = sym.w * Delta * kappa * sp.sqrt(sym.n / (r * s))
"""T_C."""

SIMILAR = 1e-8
"""A norm below this, radius included, counts as zero: as narrow as what 'holds' means for an equality."""


def _universal(problem: Problem) -> bool:
    return losses.find(problem.loss).universal


def _linear(problem: Problem) -> bool:
    return problem.model == "ce"


def _wide(problem: Problem) -> bool:
    return problem.dim >= problem.K - losses.find(problem.loss).shift_invariant


LINEAR = Hypothesis(
    "linear features with weight decay",
    _linear,
    dropped=Problem.ce([(11, 2), (5, 2)], 1, model="ce-relu").at("4.375"),
)
UNIVERSAL = Hypothesis(
    "Fenchel-Young loss with one symmetric, differentiable potential and no margin",
    _universal,
    dropped=Problem.ce([(25, 3), (4, 2)], 1).with_loss("margin:12").at(9),
)
WIDE = Hypothesis(
    "d >= K, or K - 1 for losses that ignore a shift of all logits",
    _wide,
    dropped="below it the convex form may be loose; HL23-01 shows what fails",
)
UNBIASED = Hypothesis("no bias", lambda problem: problem.bias == "none", dropped="a bias changes the equations")


def slope(problem: Problem, size: Fraction) -> sp.Expr:
    """Delta of the classes of one size: (n/n_max)^scaling / temperature, exact.

    Examples
    --------
    >>> p = Problem.ce([9, 4], 1).with_loss(scaling="1/2", loss_temperature=2)
    >>> slope(p, Fraction(4))
    1/3
    """
    ratio = rational(size / max(problem.sizes))
    return sp.Pow(ratio, rational(problem.scaling)) / rational(problem.loss_temperature)


def loss_parameters(problem: Problem) -> dict[sp.Symbol, Any]:
    """What :func:`theory.observables.parameters` gives, beside smoothing, temperature, scaling and adjustment.

    Examples
    --------
    >>> loss_parameters(Problem.ce([9, 9, 4], "1/22").with_loss(smoothing="1/5"))[eps]
    1/5
    """
    return {
        **parameters(problem),
        eps: rational(problem.smoothing),
        tau: rational(problem.loss_temperature),
        gamma: rational(problem.scaling),
        adjust: rational(problem.adjustment),
    }


def cluster_parameters(problem: Problem, cluster: Cluster) -> dict[sp.Symbol, Any]:
    """k, n, w, r, s, Delta and (for two classes or more) kappa.

    Examples
    --------
    >>> p = Problem.ce([9, 9, 4], "1/22").with_loss(smoothing="1/5", feature_decay=[2, 2, 1])
    >>> found = cluster_parameters(p, p.clusters[0])
    >>> found[r], found[kappa]
    (2, 4/5)
    """
    found = {
        sym.k: sp.Integer(cluster.classes),
        sym.n: rational(cluster.size),
        sym.w: rational(cluster.weight),
        r: rational(cluster.feature_decay),
        s: rational(cluster.row_decay),
        Delta: slope(problem, cluster.size),
    }
    return found | ({kappa: rational(problem.contrast(cluster))} if cluster.classes > 1 else {})


def loss_cluster_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading per cluster of two classes or more: its parameters, predictions p, q of own and sibling, its state.

    Examples
    --------
    >>> p = Problem.ce([9, 9, 4], "1/22").with_loss(smoothing="1/5")
    >>> (reading,) = loss_cluster_readings(Optimum(p, "exact", contrasts=("alive", "absent")))
    >>> reading[kappa], reading[sym.dead]
    (4/5, False)
    """
    problem = optimum.problem
    common = loss_parameters(problem)
    P = predictions(optimum)
    for cluster, state, exact in states(optimum):
        if cluster.classes < 2:
            continue
        found = {**common, **cluster_parameters(problem, cluster)}
        found |= {sym.dead: dead_state(state), sym.dead_exact: dead_state(exact)}
        if P is not None:
            i, j = cluster.members[:2]
            found |= {sym.p: P[i, i], sym.q: P[j, i]}
        yield found


def states(optimum: Optimum) -> list[tuple[Cluster, State, State]]:
    """Every cluster with the state of its contrast and the one that holds exactly at a tie.

    Examples
    --------
    >>> [state for _, state, _ in states(Optimum(Problem.ce([9, 9, 4], "1/22"), "exact"))]
    [None, None]
    """
    unknown: tuple[State, ...] = (None,) * len(optimum.problem.clusters)
    found = optimum.contrasts or unknown, optimum.exact_contrasts or unknown
    return list(zip(optimum.problem.clusters, *found, strict=True))


def slopes(problem: Problem, one: Any) -> Array:
    """Delta_j as numbers of the kind of ``one`` (a float or a ball equal to 1).

    Examples
    --------
    >>> slopes(Problem.ce([9, 4], 1).with_loss(scaling=1), 1.0).round(12).tolist()
    [1.0, 0.444444444444]
    """
    top = max(problem.sizes)
    powers = [np.exp(_number(problem.scaling, one) * np.log(_number(n / top, one))) for n in problem.sizes]
    return np.asarray(np.array(powers) / _number(problem.loss_temperature, one))


def shifts(problem: Problem, one: Any) -> Array:
    """Column k is iota of class k, the shifts of the loss itself included.

    Examples
    --------
    >>> shifts(Problem.ce([1, 1], 1).with_loss("margin:2"), 1.0).tolist()
    [[-2.0, 0.0], [0.0, -2.0]]
    """
    loss, K = losses.find(problem.loss), problem.K
    common = [_number(problem.adjustment, one) * np.log(_number(n / problem.N, one)) for n in problem.sizes]
    found = np.array([[common[j] + _number(loss.others, one) for _ in range(K)] for j in range(K)])
    for k, n in enumerate(problem.sizes):
        own = _number(loss.own, one) * np.exp(-_number(loss.decay, one) * np.log(_number(n, one)))
        found[k, k] = common[k] + own
    return found


def adjusted_logits(optimum: Optimum) -> Array | None:
    """U = Delta (Z + b) + iota in balls; None where the logits are not known.

    Examples
    --------
    >>> p = Problem.ce([1, 1], 1).with_loss(loss_temperature=2)
    >>> Z = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> adjusted_logits(Optimum(p, "exact", logits=Z, bias=0 * Z[0])).round(6).tolist()
    [[0.5, -0.5], [-0.5, 0.5]]
    """
    Z, b = optimum.logits, optimum.bias
    if Z is None:
        return None
    one = 0 * Z[0, 0] + 1
    raw = Z if b is None else Z + b[:, None]
    return np.asarray(slopes(optimum.problem, one)[:, None] * raw + shifts(optimum.problem, one))


def predictions(optimum: Optimum) -> Array | None:
    """P = grad Om(u), column by column: what the route says, else the softmax of the logits in the losses that have it.

    Examples
    --------
    >>> Z = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> predictions(Optimum(Problem.ce([2, 1], 1), "exact", logits=0 * Z, bias=0 * Z[0])).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    known = optimum.facts.get("predictions")
    if known is not None or optimum.logits is None:
        return None if known is None else np.asarray(known)
    if optimum.problem.key == "ce":
        return optimum.probabilities
    if losses.find(optimum.problem.loss).potential != "logsumexp":
        return None
    u = adjusted_logits(optimum)
    return None if u is None else softmax(u)


def loss_values(optimum: Optimum) -> list[Any] | None:
    """The loss of every class in balls, weights excluded; None where logits or predictions are not known.

    For the squared loss and sparsemax from Om(u) = <p, u> - Om*(p), for cross-entropy from log sum exp.

    Examples
    --------
    >>> Z = np.zeros((2, 2))
    >>> found = loss_values(Optimum(Problem.ce([2, 1], 1), "exact", logits=Z, bias=Z[0]))
    >>> [round(float(value), 12) for value in found]
    [0.69314718056, 0.69314718056]
    """
    problem, u, p = optimum.problem, adjusted_logits(optimum), predictions(optimum)
    if u is None:
        return None
    K, one, loss = problem.K, 0 * u[0, 0] + 1, losses.find(problem.loss)
    y = np.array([[_number(entry, one) for entry in column] for column in problem.target_columns]).T
    if loss.potential == "logsumexp":
        logs = [sum((u[k, k] - u[j, k]) * y[j, k] for j in range(K)) for k in range(K)]
        return [logs[k] + np.log(sum(np.exp(u[j, k] - u[k, k]) for j in range(K))) for k in range(K)]
    if loss.potential not in ("squared", "sparsemax") or p is None:
        return None
    half = [(y[:, k] * y[:, k] - p[:, k] * p[:, k]).sum() / 2 for k in range(K)]
    return [((p[:, k] - y[:, k]) * u[:, k]).sum() + half[k] for k in range(K)]


def target_column(problem: Problem, k: int) -> list[sp.Expr]:
    """y_k, exact.

    Examples
    --------
    >>> target_column(Problem.ce([2, 1], 1).with_loss(smoothing="1/5"), 0)
    [9/10, 1/10]
    """
    return [rational(y) for y in problem.target_columns[k]]


def zero_states(optimum: Optimum) -> dict[sp.Symbol, bool | None]:
    """State of 'Z* = 0', and the one that holds exactly at a tie.

    Examples
    --------
    >>> zero_states(Optimum(Problem.ce([2, 1], 1), "exact", rank=(0, 0)))[sym.dead]
    True
    """
    least, most = optimum.rank
    state = True if most == 0 else False if least > 0 else None
    return {sym.dead: state, sym.dead_exact: optimum.exact_zero}


def vanishes(value: Any) -> bool | None:
    """Whether a nonnegative number is zero: False when it certainly is not, True when nothing above 1e-8 is possible.

    Examples
    --------
    >>> vanishes(1.0), vanishes(0.0)
    (False, True)
    """
    if value < SIMILAR:
        return True
    return False if value > SIMILAR else None


def centred(problem: Problem, k: int, one: Any) -> Array:
    """e_k - 1/K as numbers of the kind of ``one``.

    Examples
    --------
    >>> centred(Problem.ce([1, 1], 1), 0, 1.0).tolist()
    [0.5, -0.5]
    """
    K = problem.K
    return np.array([(int(j == k) - one / K) for j in range(K)])


def _number(value: Fraction, one: Any) -> Any:
    return one * value.numerator / value.denominator
