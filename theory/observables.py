"""Read the quantities that claims speak of off an optimum: exact parameters, balls, states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory import symbols as s
from theory.optimum import Optimum, State
from theory.problem import Cluster, Problem

__all__ = ["cluster_readings", "dead_state", "parameters", "rational", "two_cluster_parameters", "two_cluster_readings"]


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
    """Truth value of 'this direction is dead'; None when undecided."""
    return {"dead": True, "alive": False}.get(state or "")


def cluster_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading per cluster with at least two classes: k, n, w, x, p, q, alpha and the state of its contrast.

    Own and sibling probabilities are taken from the first two classes of the cluster: equal for all by
    symmetry, which HL23-02 checks.
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
    yield reading
