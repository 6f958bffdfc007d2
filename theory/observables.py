"""Read the quantities that claims speak of off an optimum: exact parameters, balls, states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory import symbols as s
from theory.optimum import Optimum, State
from theory.problem import Cluster, Problem

__all__ = [
    "between_dead",
    "between_states",
    "cluster_readings",
    "cosine",
    "dead_state",
    "norm",
    "parameters",
    "quotient",
    "rational",
    "two_cluster_parameters",
    "two_cluster_readings",
]

Array = NDArray[Any]


def rational(value: Any) -> sp.Rational:
    """Exact SymPy number from an integer or Fraction."""
    return sp.Rational(value.numerator, value.denominator)


def parameters(problem: Problem) -> dict[sp.Symbol, sp.Expr]:
    """K, N, lam, x (exact, possibly a square root) and mu for a penalised bias.

    Examples
    --------
    >>> parameters(Problem.ce([9, 9, 4], "1/22"))[s.x]
    1
    """
    values = {
        s.K: sp.Integer(problem.K),
        s.N: rational(problem.N),
        s.lam: sp.sqrt(rational(problem.lam2)),
        s.x: sp.sqrt(rational(problem.x2)),
    }
    if problem.bias not in ("none", "free"):
        values[s.mu] = rational(problem.bias) / 2
    return values


def dead_state(state: State) -> bool | None:
    """Truth value of 'this direction is dead'; None when undecided.

    Examples
    --------
    >>> [dead_state(state) for state in ("dead", "alive", "absent", None)]
    [True, False, None, None]
    """
    return {"dead": True, "alive": False}.get(state or "")


def cluster_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading per cluster with at least two classes: k, n, w, x, p, q, alpha and the state of its contrast.

    Own and sibling probabilities are taken from the first two classes of the cluster: equal for all by
    symmetry, which HL23-02 checks.

    Examples
    --------
    >>> (reading,) = cluster_readings(Optimum(Problem.ce([9, 9, 4], "1/22"), "exact", contrasts=("alive", "absent")))
    >>> reading[s.k], reading[s.n], reading[s.dead]
    (2, 9, False)
    """
    problem = optimum.problem
    common = parameters(problem)
    P = None if optimum.logits is None else optimum.probabilities
    unknown: tuple[State, ...] = (None,) * len(problem.clusters)
    states = zip(optimum.contrasts or unknown, optimum.exact_contrasts or unknown, strict=True)
    for cluster, (state, exact) in zip(problem.clusters, states, strict=True):
        if cluster.classes < 2:
            continue
        reading = {**common, **_cluster(cluster), s.dead: dead_state(state), s.dead_exact: dead_state(exact)}
        if P is not None and optimum.logits is not None:
            i, j = cluster.members[:2]
            reading |= {s.p: P[i, i], s.q: P[j, i], s.alpha: optimum.logits[i, i] - optimum.logits[j, i]}
        yield reading


def _cluster(cluster: Cluster) -> dict[sp.Symbol, sp.Expr]:
    return {s.k: sp.Integer(cluster.classes), s.n: rational(cluster.size), s.w: rational(cluster.weight)}


def two_cluster_parameters(problem: Problem) -> dict[sp.Symbol, sp.Expr]:
    """kA, nA, kB, nB (A the larger size) beside the common parameters.

    Raises
    ------
    ValueError
        If the problem does not have exactly two clusters.

    Examples
    --------
    >>> known = two_cluster_parameters(Problem.ce([4, 9, 9], "1/22"))
    >>> [known[symbol] for symbol in (s.kA, s.nA, s.kB, s.nB)]
    [2, 9, 1, 4]
    """
    if len(problem.clusters) != 2:
        raise ValueError("two clusters expected")
    A, B = problem.clusters
    return {
        **parameters(problem),
        s.kA: sp.Integer(A.classes),
        s.nA: rational(A.size),
        s.kB: sp.Integer(B.classes),
        s.nB: rational(B.size),
    }


def two_cluster_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """The reading of a two-cluster optimum: gaps, between-cluster logits, bias gap, probabilities, s1, value.

    tA is (average logit over A) - (logit of a B class) for an A sample, bias excluded. Probabilities come
    from the softmax of the logits. F is the interval between the bounds.

    Examples
    --------
    >>> Z = np.array([[1.0, -2.0], [-1.0, 2.0]])
    >>> (reading,) = two_cluster_readings(Optimum(Problem.ce([4, 1], "0.1"), "exact", logits=Z, bias=0 * Z[0]))
    >>> float(reading[s.tA]), float(reading[s.tB]), float(reading[s.s1])
    (2.0, 4.0, 4.0)
    """
    problem = optimum.problem
    reading: dict[sp.Symbol, Any] = two_cluster_parameters(problem)
    if optimum.lower is not None and optimum.upper is not None:
        reading[s.F] = (optimum.lower).union(optimum.upper)
    if optimum.logits is not None and optimum.bias is not None:
        A, B = (cluster.members for cluster in problem.clusters)
        Z, P = optimum.logits, optimum.probabilities
        for own, other, gap, between, (op, sib, cross) in (
            (A, B, s.a, s.tA, (s.pA, s.qA, s.rA)),
            (B, A, s.b, s.tB, (s.pB, s.qB, s.rB)),
        ):
            i = own[0]
            reading[between] = sum(Z[j, i] for j in own) / len(own) - sum(Z[j, i] for j in other) / len(other)
            reading |= {op: P[i, i], cross: P[other[0], i]}
            if len(own) > 1:
                reading |= {gap: Z[i, i] - Z[own[1], i], sib: P[own[1], i]}
        reading[s.delta] = optimum.bias[A[0]] - optimum.bias[B[0]]
        reading[s.s1] = norm(quotient(problem, Z))
    yield reading


def between_dead(optimum: Optimum) -> bool | None:
    """Whether the logits are constant between clusters (the quotient vanishes); None when undecided.

    A quotient that is certainly not 0 is alive. Otherwise the rank tells: rank(Z D^(1/2)) is m - 1 for every alive
    contrast of a cluster of m classes, plus the rank of the quotient.

    Examples
    --------
    >>> p = Problem.ce([9, 9, 4], "0.1")
    >>> [between_dead(Optimum(p, "exact", contrasts=("alive", "absent"), rank=r)) for r in ((1, 1), (2, 2), (1, 2))]
    [True, False, None]
    """
    clusters, states, Z = optimum.problem.clusters, optimum.contrasts, optimum.logits
    if Z is not None and any(entry > 0 or entry < 0 for entry in quotient(optimum.problem, Z).ravel()):
        return False
    if not states:
        return None
    ranks = [(c.classes - 1, state) for c, state in zip(clusters, states, strict=True) if c.classes > 1]
    least = sum(rank for rank, state in ranks if state == "alive")
    most = sum(rank for rank, state in ranks if state != "dead")
    if optimum.rank[1] <= least:
        return True
    return False if optimum.rank[0] > most else None


def between_states(optimum: Optimum) -> dict[sp.Symbol, bool | None]:
    """The state of the between-cluster direction, and the one that holds exactly at a tie.

    Z = 0 has a vanishing quotient, which also settles what a gap leaves open; Z != 0 with every contrast dead has not.

    Examples
    --------
    >>> p = Problem.ce([9, 4, 4], "0.1")
    >>> between_states(Optimum(p, "enclosure", exact_contrasts=("absent", "dead"), exact_zero=False))[s.dead_exact]
    False
    >>> between_states(Optimum(p, "enclosure", exact_zero=True))[s.dead]
    True
    """
    state, exact = between_dead(optimum), optimum.exact_zero
    if state is None and exact:
        state = True
    if exact is False and (not optimum.exact_contrasts or "alive" in optimum.exact_contrasts):
        exact = None
    return {s.dead: state, s.dead_exact: exact}


def quotient(problem: Problem, Z: Array) -> Array:
    """(G, G) block of Z D^(1/2) on cluster-constant unit vectors: sqrt(m_h m_g n_g) times the mean logit.

    Examples
    --------
    >>> quotient(Problem.ce([4, 1], "0.1"), np.array([[1.0, -2.0], [-1.0, 2.0]])).tolist()
    [[2.0, -2.0], [-2.0, 2.0]]
    """
    clusters = problem.clusters
    members = [cluster.members for cluster in clusters]
    zero = 0 * Z[0, 0]
    block = np.empty((len(clusters), len(clusters)), dtype=Z.dtype)
    for g, cluster in enumerate(clusters):
        column = cluster.members[0]
        for h, rows in enumerate(members):
            weight = cluster.size * cluster.classes / len(rows)
            block[h, g] = np.sqrt((zero + weight.numerator) / weight.denominator) * sum(
                (Z[j, column] for j in rows), zero
            )
    return block


def norm(entries: Array) -> Any:
    """Euclidean norm of the entries; for balls around zero an interval from 0.

    Examples
    --------
    >>> float(norm(np.array([3.0, 4.0])))
    5.0
    """
    flat = entries.ravel()
    square = (flat * flat).sum()
    if entries.dtype != object or square > 0:
        return np.sqrt(square)
    bound = abs(flat).sum()
    return (0 * bound).union(bound)


def cosine(left: Array, right: Array) -> Any:
    """Cosine of the angle between two nonzero vectors of floats or balls.

    Examples
    --------
    >>> float(cosine(np.array([1.0, 0.0]), np.array([-2.0, 0.0])))
    -1.0
    """
    return (left * right).sum() / np.sqrt((left * left).sum() * (right * right).sum())
