"""Symbols and readings of the layer-peeled model: budgets instead of weight decays.

Two groups of classes, kA of weight R and kB of weight 1 (weight = size times loss weight, R = ratio >= 1 unless a claim
says otherwise). Z = W H has the gaps a (own minus sibling logit in A), b (in B), and s = t_A, t = t_B: mean logit of
the own group minus logit of the other group, in a column of A or B. The multiplier mu is in units of the minority.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import sympy as sp
from numpy.typing import NDArray

from theory import symbols as sym
from theory.observables import dead_state, rational
from theory.optimum import Optimum
from theory.problem import Problem

__all__ = [
    "balanced_loss",
    "between_norm",
    "budget_parameters",
    "entry_readings",
    "group_parameters",
    "group_readings",
    "groups",
    "merged",
    "minority_zero",
]

Array = NDArray[Any]

R, T, eW, eH, e = sp.symbols("R T E_W E_H e", positive=True)
"""Weight of A over weight of B; bound K e on the nuclear norm of Z, e = sqrt(E_W E_H); the two budgets per class."""
nu = sp.Symbol("mu_true", positive=True)
"""Multiplier of the nuclear norm: |(I - P) diag(m)| with m_k = weight/N; mu = nu N/(weight of a minority class)."""

z_own, z_wrong = sp.symbols("z_own z_wrong", real=True)
"""Logits at the mean of a class k: own, and of another class l."""
hh, hh2, hh12, ww, ww2, ww12 = sp.symbols("hh_k hh_l hh_kl ww_k ww_l ww_kl", real=True)
"""Inner products of features and of classifiers of classes k, l."""
ww_A, ww_AA, ww_B, ww_BB, ww_AB = sp.symbols("ww_A ww_AA ww_B ww_BB ww_AB", real=True)
hh_A, hh_AA, hh_B, hh_BB, hh_AB = sp.symbols("hh_A hh_AA hh_B hh_BB hh_AB", real=True)
"""Two groups: squared length, inner product of two classes of one group, of classes of different groups."""
best, bound = sp.symbols("f_best f_bound", real=True)
"""Objective at an explicit point within the budgets, and a lower bound on every value."""


def between_norm(s: sp.Expr, t: sp.Expr, kA: sp.Expr = sym.kA, kB: sp.Expr = sym.kB) -> sp.Expr:
    """Singular value r of the direction between the groups: r^2 = (kA s^2 + kB t^2) kA kB/K.

    Examples
    --------
    >>> between_norm(sp.Integer(2), sp.Integer(2), sp.Integer(1), sp.Integer(1))
    2
    """
    return sp.sqrt(kA * kB * (kA * s**2 + kB * t**2) / (kA + kB))


def balanced_loss(classes: sp.Expr = sym.K, product: sp.Expr = e) -> sp.Expr:
    """Optimal loss with equal sizes: log(1 + (K-1) exp(-K e/(K-1))).

    Examples
    --------
    >>> balanced_loss(sp.Integer(2), sp.log(3))
    log(10/9)
    """
    return sp.log(1 + (classes - 1) * sp.exp(-classes * product / (classes - 1)))


def groups(problem: Problem) -> list[tuple[Fraction, list[int]]]:
    """Weight (size times loss weight) and class numbers of all classes of one weight, largest weight first.

    Examples
    --------
    >>> groups(Problem.peeled([6, 3, 3], weights=[1, 2, 1]))
    [(Fraction(6, 1), [0, 1]), (Fraction(3, 1), [2])]
    """
    members: dict[Fraction, list[int]] = {}
    for k, (size, weight) in enumerate(zip(problem.sizes, problem.weights, strict=True)):
        members.setdefault(size * weight, []).append(k)
    return sorted(members.items(), reverse=True)


def budget_parameters(problem: Problem) -> dict[sp.Symbol, Any]:
    """K, N, the budgets, e = sqrt(E_W E_H) and T = K e.

    Examples
    --------
    >>> budget_parameters(Problem.peeled([(3, 2), (2, 3)], 2, "1/2"))[T]
    5
    """
    root = sp.sqrt(rational(problem.e_w * problem.e_h))
    return {
        sym.K: sp.Integer(problem.K),
        sym.N: rational(problem.N),
        eW: rational(problem.e_w),
        eH: rational(problem.e_h),
        e: root,
        T: problem.K * root,
    }


def group_parameters(problem: Problem) -> dict[sp.Symbol, Any]:
    """Budgets beside kA, kB, R and the smaller weight n (no R, n where it is 0); for exactly two groups.

    Examples
    --------
    >>> group_parameters(Problem.peeled([(3, 2), (2, 3)], 2, "1/2"))[R]
    3/2
    """
    (heavy, A), (light, B) = groups(problem)
    known = {**budget_parameters(problem), sym.kA: sp.Integer(len(A)), sym.kB: sp.Integer(len(B))}
    return known | ({R: rational(heavy / light), sym.n: rational(light)} if light else {})


def merged(optimum: Optimum, members: list[int]) -> bool | None:
    """Whether the classes of a group coincide in every minimiser; None when undecided or when there is only one.

    Examples
    --------
    >>> p = Problem.peeled([2, 1, 1])
    >>> merged(Optimum(p, "exact", contrasts=("absent", "dead")), [1, 2])
    True
    """
    for cluster, state in zip(optimum.problem.clusters, optimum.contrasts, strict=False):
        if cluster.members == members:
            return dead_state(state)
    Z = optimum.logits
    if Z is not None and len(members) > 1 and Z[members[0], members[0]] - Z[members[1], members[0]] > 0:
        return False
    return None


def minority_zero(optimum: Optimum) -> bool | None:
    """Whether features and classifiers of the smaller weight vanish in every minimiser; None when undecided.

    Examples
    --------
    >>> import numpy as np
    >>> p = Problem.peeled([2, 2, 1])
    >>> minority_zero(Optimum(p, "exact", logits=np.eye(3) - 1 / 3)), minority_zero(Optimum(p, "exact"))
    (False, None)
    """
    B = groups(optimum.problem)[-1][1]
    Z = optimum.logits
    if Z is not None and any(entry > 0 or entry < 0 for entry in (*Z[B, :].ravel(), *Z[:, B].ravel())):
        return False
    return dead_state(optimum.facts.get("minority_zero"))


def _value(optimum: Optimum) -> dict[sp.Symbol, Any]:
    """Bounds on the value; the interval between them as F."""
    found = {}
    if optimum.lower is not None:
        found[bound] = optimum.lower
    if optimum.upper is not None:
        found[best] = optimum.upper
        if optimum.lower is not None:
            found[sym.F] = optimum.lower.union(optimum.upper)
    return found


def entry_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading per ordered pair of clusters (or of classes in one cluster): logits, Gram entries, value.

    n is the weight (size times loss weight) of the class k whose column is read.

    Examples
    --------
    >>> [reading[sym.n] for reading in entry_readings(Optimum(Problem.peeled([2, 2, 1]), "exact"))]
    [2, 2, 1]
    """
    problem = optimum.problem
    common = {**budget_parameters(problem), **_value(optimum)}
    if "multiplier" in optimum.facts:
        common[nu] = optimum.facts["multiplier"]
    for own in problem.clusters:
        for other in problem.clusters:
            pair = own.members[:2] if own == other else [own.members[0], other.members[0]]
            if len(pair) == 2:
                reading = {**common, sym.n: rational(own.size * own.weight)}
                yield reading | _pair(optimum, pair[0], pair[1])


def _pair(optimum: Optimum, k: int, other: int) -> dict[sp.Symbol, Any]:
    found: dict[sp.Symbol, Any] = {}
    Z, features, rows = optimum.logits, optimum.gram_features, optimum.gram_classifier
    if Z is not None:
        found |= {z_own: Z[k, k], z_wrong: Z[other, k]}
    if features is not None:
        found |= {hh: features[k, k], hh2: features[other, other], hh12: features[k, other]}
    if rows is not None:
        found |= {ww: rows[k, k], ww2: rows[other, other], ww12: rows[k, other]}
    return found


def group_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """The reading of two groups: parameters, gaps, probabilities, Gram entries, multiplier in minority units, value.

    Gaps and probabilities are those of the first class of each group; sibling quantities need two classes.

    Examples
    --------
    >>> import numpy as np
    >>> Z = np.array([[1.0, -2.0], [-1.0, 2.0]])
    >>> optimum = Optimum(Problem.peeled([4, 1]), "exact", logits=Z, bias=0 * Z[0])
    >>> (reading,) = group_readings(optimum)
    >>> float(reading[sym.tA]), float(reading[sym.tB])
    (2.0, 4.0)
    """
    problem = optimum.problem
    (_, A), (light, B) = groups(problem)
    reading: dict[sp.Symbol, Any] = {**group_parameters(problem), **_value(optimum)}
    if "multiplier" in optimum.facts and light:
        scale = problem.N / light
        reading[sym.mu] = optimum.facts["multiplier"] * scale.numerator / scale.denominator
    reading |= _gaps(optimum, A, B)
    for gram, names in (
        (optimum.gram_classifier, (ww_A, ww_AA, ww_B, ww_BB, ww_AB)),
        (optimum.gram_features, (hh_A, hh_AA, hh_B, hh_BB, hh_AB)),
    ):
        if gram is not None:
            reading |= _grams(gram, names, A, B)
    yield reading


def _gaps(optimum: Optimum, A: list[int], B: list[int]) -> dict[sp.Symbol, Any]:
    if optimum.logits is None:
        return {}
    Z, P = optimum.logits, optimum.probabilities
    found: dict[sp.Symbol, Any] = {}
    for own, other, gap, between, (p, q, r) in (
        (A, B, sym.a, sym.tA, (sym.pA, sym.qA, sym.rA)),
        (B, A, sym.b, sym.tB, (sym.pB, sym.qB, sym.rB)),
    ):
        k = own[0]
        found[between] = sum(Z[j, k] for j in own) / len(own) - sum(Z[j, k] for j in other) / len(other)
        found |= {p: P[k, k], r: P[other[0], k]}
        if len(own) > 1:
            found |= {gap: Z[k, k] - Z[own[1], k], q: P[own[1], k]}
    return found


def _grams(gram: Array, names: tuple[sp.Symbol, ...], A: list[int], B: list[int]) -> dict[sp.Symbol, Any]:
    own_A, two_A, own_B, two_B, cross = names
    found = {own_A: gram[A[0], A[0]], own_B: gram[B[0], B[0]], cross: gram[A[0], B[0]]}
    if len(A) > 1:
        found[two_A] = gram[A[0], A[1]]
    if len(B) > 1:
        found[two_B] = gram[B[0], B[1]]
    return found
