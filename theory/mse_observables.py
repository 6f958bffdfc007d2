"""Symbols, exact parameters and readings of deep linear networks with squared loss (model ``mse``).

The problem splits into one scalar problem per mode, a squared singular value mu of the (with a free bias: centred)
labels. Without a bias the modes are the classes and mu = n_k. What is predicted for a mode is its p in [0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import sympy as sp

from theory import symbols as sym
from theory.claim import Root
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem

__all__ = [
    "Mode",
    "budget",
    "class_pairs",
    "class_states",
    "label_modes",
    "largest_root",
    "mode_state",
    "mode_symbols",
    "mode_values",
    "mse_parameters",
    "n_star",
    "observed_pair",
    "pair_readings",
    "predicted",
    "remainder",
    "some_and_every",
    "total_over_modes",
    "value_readings",
]

M, Lam, lH, lM, base = sp.symbols("M Lambda lambda_H lambda_M B", positive=True)
"""Depth, product of all weight decays, those of H and W_M, and B = (M-1)^(M-1), 1 at M = 1."""
n2 = sp.Symbol("n_l", positive=True)
"""Size of a second class."""
mu, p, p2 = sp.symbols("mu p_k p_l", nonnegative=True)
"""A mode; what is predicted for the modes of two classes: 0 where dead."""
z_own, z_wrong, hh, hh2, hh12, ww, ww2, ww12, vv, vv12 = sp.symbols(
    "Z_kk Z_lk hh_kk hh_ll hh_kl ww_kk ww_ll ww_kl v_kk v_kl", real=True
)
"""Entries of Z, of Hbar^T Hbar, of P P^T and of W_M W_M^T for two classes k, l."""
best = sp.Symbol("f_best", nonnegative=True)
"""Objective at an explicit point."""
total = sp.Symbol("f_pred", real=True)
"""The predicted value, a sum over modes."""

NEAR = Fraction(1, 10**9)
"""Relative width of the intervals around a root: floats choose them, a sign change in balls confirms them."""
STRENGTH = sym.N ** (M + 1) * Lam
"""q mu^M; a mode is alive iff mu^M (M-1)^(M-1) > M^(2M) N^(M+1) Lam."""

ModeState = Literal["alive", "tie", "dead"] | None


def mse_parameters(problem: Problem) -> dict[sp.Symbol, Any]:
    """K, N, M, Lam, B, lambda_H and the decay of W_M.

    Examples
    --------
    >>> known = mse_parameters(Problem.mse([9, 6, 4], ["1/10", "1/20", "1/5"], "1/30"))
    >>> known[M], known[Lam], known[base]
    (3, 1/30000, 4)
    """
    depth = problem.depth
    return {
        sym.K: sp.Integer(problem.K),
        sym.N: rational(problem.N),
        M: sp.Integer(depth),
        Lam: rational(problem.product),
        base: sp.Integer((depth - 1) ** (depth - 1)),
        lH: rational(problem.lambda_h),
        lM: rational(problem.lambda_w),
    }


def n_star(depth: int) -> sp.Expr:
    """The collapse size M^2 (M-1)^(-(M-1)/M) N (N Lam)^(1/M) in N and Lam.

    Examples
    --------
    >>> n_star(1), n_star(2)
    (Lambda*N**2, 4*sqrt(Lambda)*N**(3/2))
    """
    root = sp.Integer((depth - 1) ** (depth - 1)) ** sp.Rational(1, depth)
    return depth**2 * sym.N * (sym.N * Lam) ** sp.Rational(1, depth) / root


def budget(problem: Problem, free: bool = False) -> int:
    """R = min(K, d_1, ..., d_M), with K - 1 for K where the labels are centred.

    Examples
    --------
    >>> budget(Problem.mse([5, 4, 4], 1), free=True), budget(Problem.mse([5, 4, 4], [1, 1], widths=[1, 2]))
    (2, 1)
    """
    return min(problem.K - free, *problem.layer_widths)


def mode_state(problem: Problem, value: Fraction) -> ModeState:
    """Alive, tie or dead for a rational mode, as integers decide it; at M = 1 equality is dead.

    Examples
    --------
    >>> p = Problem.mse([5, 3], ["3/128", "3/128"], 2)
    >>> [mode_state(p, n) for n in p.sizes]
    ['alive', 'tie']
    """
    depth = problem.depth
    left = value**depth * (depth - 1) ** (depth - 1)
    right = depth ** (2 * depth) * problem.N ** (depth + 1) * problem.product
    if left == right:
        return "dead" if depth == 1 else "tie"
    return "alive" if left > right else "dead"


@dataclass(frozen=True)
class Mode:
    """A squared singular value of the labels: exact or a :class:`Root`, and how often it occurs and is kept.

    Attributes
    ----------
    value : SymPy number, or the Root that defines it.
    times, kept : multiplicity, and how many of these the rank budget keeps.
    state : whether a kept one is alive; None where no exact rule decides.
    """

    value: Any
    times: int
    kept: int
    state: ModeState


@lru_cache(maxsize=4096)
def label_modes(problem: Problem, free: bool = False, power: int = 2) -> tuple[Mode, ...]:
    """The modes of the labels, or of the centred labels (``free``), largest first; their mode 0 is left out.

    Parameters
    ----------
    problem : any weight decays; its own bias is ignored.
    free : centre the labels, as a free bias does.
    power : exponent of n_k in the secular equation sum_k n_k^power/(n_k - mu) = N (2; others for mutants).

    Examples
    --------
    >>> [(mode.value, mode.times, mode.state) for mode in label_modes(Problem.mse([9, 6, 4], ["0.049"] * 3))]
    [(9, 1, 'alive'), (6, 1, 'alive'), (4, 1, 'dead')]
    >>> [mode.value for mode in label_modes(Problem.mse([9, 9, 3, 3, 3], "0.1"), free=True)]
    [9, 5, 3]
    """
    clusters = problem.clusters
    found: list[tuple[Any, int, ModeState]] = []
    for index, cluster in enumerate(clusters):
        if cluster.classes > free:
            found.append((rational(cluster.size), cluster.classes - free, mode_state(problem, cluster.size)))
        if free and index + 1 < len(clusters):
            found.append(_between(problem, index, power))
    modes, left = [], budget(problem, free)
    for value, times, state in found:
        modes.append(Mode(value, times, min(times, left), state))
        left -= modes[-1].kept
    return tuple(modes)


def _between(problem: Problem, index: int, power: int) -> tuple[Any, int, ModeState]:
    """The mode between the sizes of two neighbouring clusters: a root of the secular equation."""
    clusters = problem.clusters
    high, low = clusters[index].size, clusters[index + 1].size
    if len(clusters) == 2 and power == 2:
        exact = problem.K * high * low / problem.N
        return rational(exact), 1, mode_state(problem, exact)
    secular = sum(
        (rational(c.classes * c.size**power) / (rational(c.size) - mu) for c in clusters), -rational(problem.N)
    )
    if power != 2:
        return Root(mu, secular, rational(low), rational(high)), 1, None
    state, near = _bracketed(problem, low, high)
    width = (high - low) / 2**40
    ends = max(low, near - 3 * width), min(high, near + width)
    return Root(mu, secular, *map(rational, ends)), 1, state


def _bracketed(problem: Problem, low: Fraction, high: Fraction) -> tuple[ModeState, Fraction]:
    """State of the secular root between two sizes (None where bisection does not decide), and a point close to it."""
    for step in range(100):
        states = {mode_state(problem, low), mode_state(problem, high)}
        decided = states <= {"alive"} or states <= {"dead"}
        if decided and step > 50:
            return states.pop(), (low + high) / 2
        middle = (low + high) / 2
        secular = sum((c.classes * c.size**2 / (c.size - middle) for c in problem.clusters), -problem.N)
        if secular == 0:
            return mode_state(problem, middle), middle
        low, high = (low, middle) if secular > 0 else (middle, high)
    return None, (low + high) / 2


def remainder(depth: int, q: Fraction) -> float:
    """1 - p for the largest root p of p^(M-1) (1-p)^(M+1) = q, in floats: what the search for the ball starts from.

    Examples
    --------
    >>> round(remainder(1, Fraction(1, 64)), 12)
    0.125
    """
    target = math.log(q.numerator) - math.log(q.denominator)
    high = -math.log(depth)
    low = min(target / (depth + 1), high)
    for _ in range(60):
        middle = (low + high) / 2
        power = (depth - 1) * math.log1p(-math.exp(middle)) if depth > 1 else 0.0
        low, high = (middle, high) if power + (depth + 1) * middle < target else (low, middle)
    return math.exp((low + high) / 2)


def largest_root(problem: Problem, unknown: sp.Symbol, value: sp.Expr, lower: sp.Expr | None = None) -> Root:
    """The p of a live mode: the root of p^(M-1) (1-p)^(M+1) = N^(M+1) Lam/mu^M right of (M-1)/M.

    Parameters
    ----------
    problem : for M, N and Lam.
    unknown : the symbol of p.
    value : mu; for a number the interval is a narrow one around the root.
    lower : another left end of the interval.

    Examples
    --------
    >>> root = largest_root(Problem.mse([4, 4], "1/32"), p, sp.Integer(4))
    >>> root.equation, round(float(root.lower), 12), round(float(root.upper), 12)
    ((1 - p_k)**2 - 1/64, 0.874999999625, 0.875000000125)
    """
    depth = problem.depth
    strength = problem.N ** (depth + 1) * problem.product
    equation = unknown ** (depth - 1) * (1 - unknown) ** (depth + 1) - rational(strength) / value**depth
    least = sp.Rational(depth - 1, depth)
    if lower is not None or not value.is_Rational:
        return Root(unknown, equation, least if lower is None else lower, sp.Integer(1))
    return Root(unknown, equation, *_around(problem, Fraction(int(value.p), int(value.q))))


def _around(problem: Problem, value: Fraction) -> tuple[sp.Rational, sp.Rational]:
    """Rational interval, never left of (M-1)/M, in which the largest root for mu = value lies."""
    depth = problem.depth
    rest = Fraction(remainder(depth, problem.N ** (depth + 1) * problem.product / value**depth))
    ends = max(Fraction(depth - 1, depth), 1 - rest * (1 + 3 * NEAR)), 1 - rest * (1 - NEAR)
    return rational(ends[0]), rational(ends[1])


def mode_values(problem: Problem, modes: Sequence[Mode]) -> dict[sp.Symbol, Any]:
    """mu_i and p_i of every mode: exact numbers and roots; p_i = 0 where dead or tied, none where undecided.

    Examples
    --------
    >>> example = Problem.mse([9, 6, 4], ["0.049"] * 3)
    >>> sorted(map(str, mode_values(example, label_modes(example))))
    ['mu_0', 'mu_1', 'mu_2', 'p_0', 'p_1', 'p_2']
    """
    found: dict[sp.Symbol, Any] = {}
    for index, mode in enumerate(modes):
        own, size = mode_symbols(index)
        value = mode.value
        if isinstance(value, Root):
            value = Root(size, value.equation.subs(mu, size), value.lower, value.upper)
        found[size] = value
        if mode.state == "alive" and isinstance(value, Root):
            middle = (3 * value.upper + value.lower) / 4
            ends = _around(problem, Fraction(int(middle.p), int(middle.q)))
            found[own] = replace(largest_root(problem, own, size), lower=ends[0], upper=ends[1])
        elif mode.state == "alive":
            found[own] = largest_root(problem, own, value)
        elif mode.state is not None:
            found[own] = sp.Integer(0)
    return found


def mode_symbols(index: int) -> tuple[sp.Symbol, sp.Symbol]:
    """p_i and mu_i.

    Examples
    --------
    >>> mode_symbols(0)
    (p_0, mu_0)
    """
    return sp.Symbol(f"p_{index}", nonnegative=True), sp.Symbol(f"mu_{index}", positive=True)


def total_over_modes(modes: Sequence[Mode], term: Callable[[sp.Expr, sp.Expr], sp.Expr]) -> sp.Expr:
    """Sum over modes of term(mu_i, p_i), with p = 0 for modes beyond the rank budget.

    Examples
    --------
    >>> total_over_modes(label_modes(Problem.mse([9, 6, 4], ["0.049"] * 3)), lambda size, own: size * own)
    mu_0*p_0 + mu_1*p_1 + mu_2*p_2
    >>> narrow = Problem.mse([9, 6, 4], ["0.049"] * 3, dim=1)
    >>> total_over_modes(label_modes(narrow), lambda size, own: size * (1 - own))
    mu_0*(1 - p_0) + mu_1 + mu_2
    """
    result = sp.Integer(0)
    for index, mode in enumerate(modes):
        own, size = mode_symbols(index)
        result += mode.kept * term(size, own) + (mode.times - mode.kept) * term(size, sp.Integer(0))
    return result


def value_readings(optimum: Optimum) -> dict[sp.Symbol, Any]:
    """The optimal value (interval between the bounds) and the objective at the best point known.

    Examples
    --------
    >>> value_readings(Optimum(Problem.mse([2, 1], 1), "convex"))
    {}
    """
    found = {}
    if optimum.upper is not None:
        found[best] = optimum.upper
        if optimum.lower is not None:
            found[sym.F] = optimum.lower.union(optimum.upper)
    return found


def class_pairs(problem: Problem) -> list[tuple[int, int, int, int]]:
    """(cluster, cluster, class k, class l): one ordered pair of different classes per pair of clusters that has one.

    Examples
    --------
    >>> class_pairs(Problem.mse([9, 4, 4], 1))
    [(0, 1, 0, 1), (1, 0, 1, 0), (1, 1, 1, 2)]
    """
    pairs = []
    for i, own in enumerate(problem.clusters):
        for j, other in enumerate(problem.clusters):
            if i != j:
                pairs.append((i, j, own.members[0], other.members[0]))
            elif own.classes > 1:
                pairs.append((i, j, own.members[0], own.members[1]))
    return pairs


def predicted(problem: Problem, index: int, unknown: sp.Symbol) -> dict[sp.Symbol, Any]:
    """The p of the classes of a cluster without a bias, layers wide enough; nothing on a tie.

    Examples
    --------
    >>> predicted(Problem.mse([9, 6, 4], ["0.049"] * 3), 2, p)
    {p_k: 0}
    """
    mode = label_modes(problem)[index]
    if mode.state == "alive":
        return {unknown: largest_root(problem, unknown, mode.value)}
    return {unknown: sp.Integer(0)} if mode.state == "dead" else {}


def observed_pair(optimum: Optimum, k: int, other: int) -> dict[sp.Symbol, Any]:
    """Entries of the observed matrices for two classes.

    Examples
    --------
    >>> observed_pair(Optimum(Problem.mse([2, 1], 1), "convex"), 0, 1)
    {}
    """
    found: dict[sp.Symbol, Any] = {}
    Z, features, classifier = optimum.logits, optimum.gram_features, optimum.gram_classifier
    top = optimum.facts.get("top_gram")
    if Z is not None:
        found |= {z_own: Z[k, k], z_wrong: Z[other, k]}
    if features is not None:
        found |= {hh: features[k, k], hh2: features[other, other], hh12: features[k, other]}
    if classifier is not None:
        found |= {ww: classifier[k, k], ww2: classifier[other, other], ww12: classifier[k, other]}
    if top is not None:
        found |= {vv: top[k, k], vv12: top[k, other]}
    return found


def pair_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading per pair of clusters of a problem without a bias: sizes, p of both, observed entries.

    Examples
    --------
    >>> [(reading[sym.n], reading[n2]) for reading in pair_readings(Optimum(Problem.mse([9, 4, 4], 1), "exact"))]
    [(9, 4), (4, 9), (4, 4)]
    """
    problem = optimum.problem
    common = mse_parameters(problem)
    for i, j, k, other in class_pairs(problem):
        yield {
            **common,
            sym.n: rational(problem.clusters[i].size),
            n2: rational(problem.clusters[j].size),
            **predicted(problem, i, p),
            **predicted(problem, j, p2),
            **observed_pair(optimum, k, other),
        }


def class_states(optimum: Optimum) -> list[tuple[str | None, str | None]]:
    """Per cluster without a bias: whether its features vanish as the route saw it, and by its exact rule.

    Examples
    --------
    >>> problem = Problem.mse([5, 3], ["3/128", "3/128"], 2)
    >>> class_states(Optimum(problem, "exact", contrasts=("alive", None), facts={"mode_states": ["alive", "tie"]}))
    [('alive', 'alive'), (None, 'tie')]
    """
    clusters = optimum.problem.clusters
    seen = optimum.contrasts or (None,) * len(clusters)
    exact = optimum.facts.get("mode_states") or [None] * optimum.problem.K
    firsts = [sum(c.classes for c in clusters[:index]) for index in range(len(clusters))]
    return [(state, exact[first]) for state, first in zip(seen, firsts, strict=True)]


def some_and_every(state: str | None, exact: str | None) -> tuple[dict[sp.Symbol, Any], dict[sp.Symbol, Any]]:
    """Two readings of the state of a mode: dead in some minimiser, dead in every minimiser.

    A tie is both for 'some' and neither for 'every'; ``exact`` is consulted only exactly at the threshold.

    Examples
    --------
    >>> some_and_every(None, "tie")
    ({dead: None, dead_exact: True}, {dead: None, dead_exact: False})
    """
    truth = {"alive": (False, False), "dead": (True, True), "tie": (True, False)}
    loose, strict = truth.get(state or "", (None, None))
    loose_exact, strict_exact = truth.get(exact or "", (None, None))
    if state == "tie":
        loose = strict = None
    return {sym.dead: loose, sym.dead_exact: loose_exact}, {sym.dead: strict, sym.dead_exact: strict_exact}
