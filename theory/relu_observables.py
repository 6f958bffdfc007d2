"""Symbols, formulas and readings of the model with ReLU features (H >= 0, no bias).

A class of n samples and loss weight w has error t = x sqrt((K-1)/K)/(w sqrt(n)), x = lam N, capped at (K-1)/K: the
class is dead there. Everything else at the optimum is elementary in its margin M = log((K-1)(1/t - 1)).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import sympy as sp

from theory import symbols as s
from theory.observables import dead_state, parameters, rational
from theory.optimum import Optimum, State
from theory.problem import Cluster, Problem

__all__ = [
    "alive_margin",
    "class_pairs",
    "class_sum",
    "classifier_square",
    "error",
    "fano",
    "feature_square",
    "pair_readings",
    "relu_margin",
    "relu_parameters",
    "value_bounds",
]

lW, lH = sp.symbols("lambda_W lambda_H", positive=True)
"""The two weight decays: lengths depend on their ratio, everything else on their product."""
n2, w2 = sp.symbols("n_l w_l", positive=True)
"""Size and loss weight of a second class."""

margin, z_own, z_wrong = sp.symbols("margin z_own z_wrong", real=True)
"""Logits at the mean of a class: own minus wrong, own, wrong."""
p_own, p_wrong = sp.symbols("p_own p_wrong", positive=True)
hh, hh2, hw2, hh12, ww, ww2, ww12 = sp.symbols("hh_k hh_l hw_lk hh_kl ww_k ww_l ww_kl", real=True)
"""Entries of Hbar^T Hbar and W W^T of two classes k, l; hw_lk = <hbar_l, w_k>."""
S = sp.Symbol("S", nonnegative=True)
"""Sum over classes of the predicted classifier squares c2."""
best = sp.Symbol("f_best", nonnegative=True)
"""Objective at an explicit feasible point."""

CAP = (s.K - 1) / s.K
ERROR = s.x * sp.sqrt(CAP) / (s.w * sp.sqrt(s.n))


def error(t: sp.Expr = ERROR, cap: sp.Expr = CAP) -> sp.Expr:
    """Softmax error of a class: t, but at most (K-1)/K.

    Examples
    --------
    >>> error().subs({s.x: 1, s.w: 1, s.n: 4, s.K: 2})
    sqrt(2)/4
    """
    return sp.Min(t, cap)


def relu_margin(t: sp.Expr = ERROR, classes: sp.Expr = s.K) -> sp.Expr:
    """log((K-1)(1/t - 1)) for the capped t: the margin over every wrong class, 0 for a dead class.

    Examples
    --------
    >>> relu_margin().subs({s.x: 2, s.w: 1, s.n: 4, s.K: 2})
    0
    """
    return alive_margin(error(t, (classes - 1) / classes), classes)


def alive_margin(t: sp.Expr = ERROR, classes: sp.Expr = s.K) -> sp.Expr:
    """log((K-1)(1/t - 1)) without the cap, for a class that is known to be alive.

    Examples
    --------
    >>> alive_margin().subs({s.x: 1, s.w: 1, s.n: 2, s.K: 2})
    0
    """
    return sp.log((classes - 1) * (1 / t - 1))


def feature_square(gap: sp.Expr | None = None) -> sp.Expr:
    """Predicted |hbar_k|^2 = sqrt((K-1) lambda_W/(K lambda_H n_k)) M_k.

    Examples
    --------
    >>> feature_square(margin).subs({s.K: 2, lW: 2, lH: 1, s.n: 4})
    margin/2
    """
    return sp.sqrt((s.K - 1) * lW / (s.K * lH * s.n)) * (relu_margin() if gap is None else gap)


def classifier_square(gap: sp.Expr | None = None) -> sp.Expr:
    """Predicted c2_k = sqrt(K lambda_H n_k/((K-1) lambda_W)) M_k: w_k = c_k u_k - (1/K) sum_m c_m u_m.

    Examples
    --------
    >>> classifier_square(margin).subs({s.K: 2, lW: 2, lH: 1, s.n: 4})
    2*margin
    """
    return sp.sqrt(s.K * lH * s.n / ((s.K - 1) * lW)) * (relu_margin() if gap is None else gap)


def fano(t: sp.Expr, classes: sp.Expr = s.K) -> sp.Expr:
    """Entropy of 1 - t on one class and t shared by the others: the Fano function F_K(t).

    Examples
    --------
    >>> sp.simplify(fano(sp.Rational(1, 2)).subs(s.K, 2))
    log(2)
    """
    return -(1 - t) * sp.log(1 - t) - t * sp.log(t) + t * sp.log(classes - 1)


@lru_cache(maxsize=4096)
def class_sum(problem: Problem, term: sp.Expr) -> sp.Expr:
    """Sum over classes of a term in n and w; its other symbols stay.

    Examples
    --------
    >>> class_sum(Problem.ce([9, 4, 4], 1, model="ce-relu"), s.w * s.n / s.N)
    17/N
    """
    return sum(
        (c.classes * term.subs({s.n: rational(c.size), s.w: rational(c.weight)}) for c in problem.clusters),
        sp.Integer(0),
    )


def relu_parameters(problem: Problem) -> dict[sp.Symbol, Any]:
    """K, N, lam, x and both weight decays.

    Examples
    --------
    >>> relu_parameters(Problem.ce([6, 3, 2], "1/5", "1/20", model="ce-relu"))[s.x]
    11/10
    """
    return {**parameters(problem), lW: rational(problem.lambda_w), lH: rational(problem.lambda_h)}


def value_bounds(optimum: Optimum) -> dict[sp.Symbol, Any]:
    """The optimal value (interval between the bounds) and the objective at the best point known.

    Examples
    --------
    >>> value_bounds(Optimum(Problem.ce([2, 1], 1, model="ce-relu"), "convex"))
    {}
    """
    found = {}
    if optimum.upper is not None:
        found[best] = optimum.upper
        if optimum.lower is not None:
            found[s.F] = optimum.lower.union(optimum.upper)
    return found


def pair_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading per ordered pair of clusters: a class k (n, w) with its state, and another class l (n2, w2).

    Logits, Gram entries and lengths are observed; classes of one cluster are alike by symmetry of the balls.

    Examples
    --------
    >>> [(reading[s.n], reading[n2]) for reading in pair_readings(Optimum(Problem.ce([9, 4, 4], 1), "exact"))]
    [(9, 4), (4, 9), (4, 4)]
    """
    problem = optimum.problem
    common = {**relu_parameters(problem), S: class_sum(problem, classifier_square())}
    unknown: tuple[State, ...] = (None,) * len(problem.clusters)
    states = zip(optimum.contrasts or unknown, optimum.exact_contrasts or unknown, strict=True)
    for own, (state, exact) in zip(problem.clusters, states, strict=True):
        reading = {
            **common,
            s.k: sp.Integer(own.classes),
            s.n: rational(own.size),
            s.w: rational(own.weight),
            s.dead: dead_state(state),
            s.dead_exact: dead_state(exact),
        }
        for other in problem.clusters:
            pair = _pair(own, other)
            if pair:
                yield {**reading, n2: rational(other.size), w2: rational(other.weight), **_entries(optimum, *pair)}


def class_pairs(problem: Problem) -> list[tuple[int, int]]:
    """The classes (k, l) that the readings of :func:`pair_readings` speak of, in their order.

    Examples
    --------
    >>> class_pairs(Problem.ce([9, 4, 4], 1))
    [(0, 1), (1, 0), (1, 2)]
    """
    pairs = (_pair(own, other) for own in problem.clusters for other in problem.clusters)
    return [pair for pair in pairs if pair is not None]


def _pair(own: Cluster, other: Cluster) -> tuple[int, int] | None:
    """First class of a cluster and a different class of the other, if there is one."""
    first = own.ranges[0][0]
    if other != own:
        return first, other.ranges[0][0]
    return (first, own.members[1]) if own.classes > 1 else None


def _entries(optimum: Optimum, k: int, other: int) -> dict[sp.Symbol, Any]:
    found: dict[sp.Symbol, Any] = {}
    Z, features, classifier = optimum.logits, optimum.gram_features, optimum.gram_classifier
    if Z is not None:
        P = optimum.probabilities
        found |= {z_own: Z[k, k], z_wrong: Z[other, k], margin: Z[k, k] - Z[other, k], hw2: Z[k, other]}
        found |= {p_own: P[k, k], p_wrong: P[other, k]}
    if features is not None:
        found |= {hh: features[k, k], hh2: features[other, other], hh12: features[k, other]}
    if classifier is not None:
        found |= {ww: classifier[k, k], ww2: classifier[other, other], ww12: classifier[k, other]}
    return found
