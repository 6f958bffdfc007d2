"""One vocabulary for conjectures about any model: what may stand in a formula, and the reader that provides it.

A reading speaks of a class k, of n samples and loss weight w, and of another class l; every ordered pair of clusters
gives one (two classes of one cluster too). What a model or a route does not know is left out.

======================  ============================================================================================
exact, of the problem   K, N; n, w, k of the class (k: how many are like it), n_l, w_l of the other; n_max, n_min
with weight decay       x = lambda N, lam = sqrt(lambda_W lambda_H), lW, lH; mu for a penalised bias
several layers          M, Lam (product of all decays), G = (n Lam)^(1/(M+1))
layer-peeled            e = sqrt(E_W E_H), T = K e; ce-sphere: d, a (K is the number of vectors)
loss                    eps (smoothing)
observed, numbers       F; z_own, z_wrong, margin, p_own, p_wrong of class k; z_own2, p_own2 of class l;
                        Gram entries ww, ww2, ww12, hh, hh2, hh12; p, q, alpha of a class that has a twin;
                        nu (multiplier of the nuclear budget)
observed, states        dead: the twins of the class coincide (ce-relu, mse: its features vanish; layers: all vanish)
======================  ============================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory.deep_observables import G, deep_parameters
from theory.loss_observables import eps, loss_cluster_readings, predictions
from theory.mse_observables import Lam, M, class_states, mse_parameters
from theory.observables import cluster_readings, dead_state, parameters, rational
from theory.optimum import Optimum
from theory.peeled_observables import T, budget_parameters, e, nu
from theory.problem import Cluster, Problem
from theory.relu_observables import (
    class_pairs,
    hh,
    hh2,
    hh12,
    lH,
    lW,
    margin,
    n2,
    p_own,
    p_wrong,
    w2,
    ww,
    ww2,
    ww12,
    z_own,
    z_wrong,
)
from theory.sphere_observables import a, d
from theory.symbols import F, K, N, alpha, dead, dead_exact, k, lam, mu, n, p, q, w, x
from theory.value_observables import grams

__all__ = [
    "F",
    "G",
    "K",
    "Lam",
    "M",
    "N",
    "T",
    "a",
    "alpha",
    "class_readings",
    "d",
    "dead",
    "e",
    "eps",
    "hh",
    "hh2",
    "hh12",
    "k",
    "lH",
    "lW",
    "lam",
    "larger_readings",
    "margin",
    "mu",
    "n",
    "n2",
    "n_max",
    "n_min",
    "nu",
    "p",
    "p_own",
    "p_own2",
    "p_wrong",
    "q",
    "w",
    "w2",
    "ww",
    "ww2",
    "ww12",
    "x",
    "z_own",
    "z_own2",
    "z_wrong",
]

n_max, n_min = sp.symbols("n_max n_min", positive=True)
"""Largest and smallest size."""
z_own2 = sp.Symbol("z_own_l", real=True)
p_own2 = sp.Symbol("p_own_l", positive=True)
"""Own logit and own probability of the other class."""

DECAYED = ("ce", "ce-relu", "loss")
LAYERED = ("mse", "ce-deep")


def class_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading per ordered pair of clusters, and per pair of twins; see the module docstring.

    Examples
    --------
    >>> [(reading[n], reading[n2]) for reading in class_readings(Optimum(Problem.ce([9, 4, 4], 1), "exact"))]
    [(9, 4), (4, 9), (4, 4)]
    """
    problem = optimum.problem
    common = _problem(problem) | _values(optimum)
    of_class = {cluster.members[0]: _class(optimum, i, cluster) for i, cluster in enumerate(problem.clusters)}
    for own, other in class_pairs(problem):
        right = next(cluster for cluster in problem.clusters if other in cluster.members)
        reading = {**common, **of_class[own], n2: rational(right.size), w2: rational(right.weight)}
        yield reading | _pair(optimum, own, other)


def larger_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """The readings of :func:`class_readings` in which class k is larger than class l.

    Examples
    --------
    >>> [(reading[n], reading[n2]) for reading in larger_readings(Optimum(Problem.ce([9, 4, 4], 1), "exact"))]
    [(9, 4)]
    """
    yield from (reading for reading in class_readings(optimum) if reading[n] > reading[n2])


def _problem(problem: Problem) -> dict[sp.Symbol, Any]:
    """Exact parameters of the problem."""
    sizes = [cluster.size for cluster in problem.clusters]
    known: dict[sp.Symbol, Any] = {K: sp.Integer(problem.K), N: rational(problem.N)}
    known |= {n_max: rational(max(sizes)), n_min: rational(min(sizes))}
    if problem.key in DECAYED or problem.key in LAYERED:
        known |= {lW: rational(problem.lambda_w), lH: rational(problem.lambda_h)}
        if problem.depth == 1:
            known |= parameters(problem)
    if problem.key in LAYERED:
        known |= {M: sp.Integer(problem.depth), Lam: mse_parameters(problem)[Lam]}
    if problem.key == "ce-deep" and len(problem.clusters) == 1:
        known[G] = deep_parameters(problem)[G]
    if problem.model == "layer-peeled":
        budgets = budget_parameters(problem)
        known |= {e: budgets[e], T: budgets[T]}
    if problem.model == "ce-sphere":
        known |= {d: sp.Integer(problem.dim), a: rational(problem.temperature)}
    if problem.key == "loss":
        known[eps] = rational(problem.smoothing)
    return known


def _values(optimum: Optimum) -> dict[sp.Symbol, Any]:
    """The optimal value, and the multiplier where the model has one."""
    found: dict[sp.Symbol, Any] = {}
    if optimum.lower is not None and optimum.upper is not None:
        found[F] = optimum.lower.union(optimum.upper)
    if "multiplier" in optimum.facts:
        found[nu] = optimum.facts["multiplier"]
    return found


def _class(optimum: Optimum, index: int, cluster: Cluster) -> dict[sp.Symbol, Any]:
    """Size, weight, state, and what a class with a twin has."""
    problem = optimum.problem
    found: dict[sp.Symbol, Any] = {
        n: rational(cluster.size),
        w: rational(cluster.weight),
        k: sp.Integer(cluster.classes),
    }
    found |= _state(optimum, index)
    if problem.key in DECAYED and problem.model == "ce":
        readings = loss_cluster_readings(optimum) if problem.key == "loss" else cluster_readings(optimum)
        for reading in readings:
            if reading[n] == found[n] and reading[w] == found[w]:
                found |= {symbol: reading[symbol] for symbol in (p, q, alpha) if symbol in reading}
    return found


def _state(optimum: Optimum, index: int) -> dict[sp.Symbol, Any]:
    problem = optimum.problem
    if problem.key == "ce-deep":
        zero, frame = optimum.facts.get("zero_only"), optimum.facts.get("frame_alive")
        return {dead: True if zero else False if frame else None}
    if problem.key == "mse":
        state, exact = class_states(optimum)[index]
        return {dead: dead_state(state), dead_exact: dead_state(exact)}  # type: ignore[arg-type]
    states = [found[index] if found else None for found in (optimum.contrasts, optimum.exact_contrasts)]
    return {dead: dead_state(states[0]), dead_exact: dead_state(states[1])}


def _pair(optimum: Optimum, own: int, other: int) -> dict[sp.Symbol, Any]:
    """Logits, predictions and Gram entries of two classes."""
    problem, Z, found = optimum.problem, optimum.logits, dict[sp.Symbol, Any]()
    if Z is not None:
        found |= {z_own: Z[own, own], z_wrong: Z[other, own], margin: Z[own, own] - Z[other, own]}
        found[z_own2] = Z[other, other]
    P = _predictions(optimum)
    if P is not None:
        found |= {p_own: P[own, own], p_wrong: P[other, own], p_own2: P[other, other]}
    both = grams(optimum) if problem.key == "ce" else (optimum.gram_classifier, optimum.gram_features)
    for gram, symbols in zip(both or (), ((ww, ww2, ww12), (hh, hh2, hh12)), strict=False):
        if gram is not None:
            found |= dict(zip(symbols, (gram[own, own], gram[other, other], gram[own, other]), strict=True))
    return found


def _predictions(optimum: Optimum) -> Any:
    """Softmax of the logits in the models that have one."""
    if optimum.problem.key == "loss":
        return predictions(optimum)
    if optimum.problem.model not in ("ce", "ce-relu", "layer-peeled") or optimum.logits is None:
        return None
    bias = np.zeros(optimum.problem.K) if optimum.bias is None else optimum.bias
    return Optimum(optimum.problem, optimum.route, logits=optimum.logits, bias=bias).probabilities
