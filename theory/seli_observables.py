"""Symbols and readings of the max-margin problem with imbalanced classes, and of its geometry (SELI).

With K classes of n_k samples, P = I - J/K and D = diag(n): the logits are P, the classifier has the Gram matrix
W W^T = (P D P)^(1/2) and the class means have L^(1/2), L the pseudo-inverse of P D P. Both roots are observed as Gram
matrices, which are positive semidefinite, so that their squares tell everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory import symbols as s
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_pairs

__all__ = ["entries", "matrix_readings", "size_parameters", "step_readings", "value_readings"]

Array = NDArray[Any]

n2 = sp.Symbol("n_l", positive=True)
"""Size of a second class."""
inv = sp.Symbol("s_inv", positive=True)
"""Sum over classes of 1/n_k."""
R, rho = sp.symbols("R rho", positive=True)
"""Two sizes: majority over minority size, and the share kB/K of minority classes."""

z_own, z_off = sp.symbols("z_kk z_kl", real=True)
"""Logits of the class means."""
ww, ww2 = sp.symbols("ww_k ww_l", nonnegative=True)
ww12 = sp.Symbol("ww_kl", real=True)
"""Entries of W W^T for two classes k, l."""
hh, hh2 = sp.symbols("hh_k hh_l", nonnegative=True)
hh12 = sp.Symbol("hh_kl", real=True)
"""Entries of Hbar^T Hbar."""
WW, WW12, HH, HH12, WH, WH12 = sp.symbols("WW_k WW_kl HH_k HH_kl WH_k WH_kl", real=True)
"""Diagonal and other entries of the products (W W^T)^2, (Hbar^T Hbar)^2 and W W^T Hbar^T Hbar."""
beta, beta2, BB, BB12 = sp.symbols("beta_lk beta_kl BB_k BB_kl", real=True)
"""Multipliers of the margins of class k over l and of l over k; entries of the squared matrix of multipliers."""
trace_w, trace_h = sp.symbols("tr_W tr_H", real=True)
"""|W|^2 and sum_k n_k |hbar_k|^2."""
multipliers = sp.Symbol("sum_beta", real=True)
"""Sum over samples and margins of the multipliers."""
scatter = sp.Symbol("spread", real=True)
"""sqrt(sum_i |h_i - hbar_{y_i}|^2)."""


def size_parameters(problem: Problem) -> dict[sp.Symbol, Any]:
    """K, N and sum 1/n_k.

    Examples
    --------
    >>> size_parameters(Problem.svm([2, 2, 1]))[inv]
    2
    """
    return {
        s.K: sp.Integer(problem.K),
        s.N: rational(problem.N),
        inv: sum((c.classes / rational(c.size) for c in problem.clusters), sp.Integer(0)),
    }


def step_parameters(problem: Problem) -> dict[sp.Symbol, Any]:
    """kA, nA, kB, nB, R and rho of two sizes; of more, the largest against the smallest and all other classes.

    Examples
    --------
    >>> found = step_parameters(Problem.svm([(8, 3), (2, 2)]))
    >>> found[R], found[rho]
    (4, 2/5)
    """
    A, B = problem.clusters[0], problem.clusters[-1]
    rest = problem.K - A.classes
    return {
        **size_parameters(problem),
        s.kA: sp.Integer(A.classes),
        s.nA: rational(A.size),
        s.kB: sp.Integer(rest),
        s.nB: rational(B.size),
        R: rational(A.size / B.size),
        rho: sp.Rational(rest, problem.K),
    }


def sizes(problem: Problem, zero: Any) -> Array:
    """Class sizes as balls."""
    return np.array([(zero + n.numerator) / n.denominator for n in problem.sizes])


def value_readings(optimum: Optimum) -> dict[sp.Symbol, Any]:
    """The optimal value (interval between the bounds), both traces, the sum of the multipliers, the spread.

    Examples
    --------
    >>> value_readings(Optimum(Problem.svm([2, 1]), "convex"))
    {}
    """
    found: dict[sp.Symbol, Any] = {}
    if optimum.upper is not None and optimum.lower is not None:
        found[s.F] = optimum.lower.union(optimum.upper)
    W, H, B = optimum.gram_classifier, optimum.gram_features, optimum.facts.get("multipliers")
    if W is not None and H is not None:
        weights = sizes(optimum.problem, 0 * W[0, 0])
        found |= {trace_w: W.trace(), trace_h: (H.diagonal() * weights).sum()}
    if B is not None:
        found[multipliers] = -(B.diagonal() * sizes(optimum.problem, 0 * B[0, 0])).sum()
    if optimum.spread is not None:
        found[scatter] = optimum.spread
    return found


def entries(optimum: Optimum, k: int, other: int) -> dict[sp.Symbol, Any]:
    """Logits, Gram entries and multipliers of two classes.

    Examples
    --------
    >>> entries(Optimum(Problem.svm([2, 1]), "convex"), 0, 1)
    {}
    """
    found: dict[sp.Symbol, Any] = {}
    Z, W, H, B = optimum.logits, optimum.gram_classifier, optimum.gram_features, optimum.facts.get("multipliers")
    if Z is not None:
        found |= {z_own: Z[k, k], z_off: Z[other, k]}
    if W is not None:
        found |= {ww: W[k, k], ww2: W[other, other], ww12: W[k, other]}
    if H is not None:
        found |= {hh: H[k, k], hh2: H[other, other], hh12: H[k, other]}
    if B is not None:
        found |= {beta: B[other, k], beta2: B[k, other]}
    return found


def matrix_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading per ordered pair of clusters: sizes, entries, and entries of products of Gram matrices.

    Examples
    --------
    >>> [(reading[s.n], reading[n2]) for reading in matrix_readings(Optimum(Problem.svm([9, 4, 4]), "exact"))]
    [(9, 4), (4, 9), (4, 4)]
    """
    problem = optimum.problem
    common = {**size_parameters(problem), **value_readings(optimum)}
    W, H, B = optimum.gram_classifier, optimum.gram_features, optimum.facts.get("multipliers")
    for k, other in class_pairs(problem):
        reading = {
            **common,
            s.n: rational(problem.sizes[k]),
            n2: rational(problem.sizes[other]),
            **entries(optimum, k, other),
        }
        if W is not None and H is not None:
            reading |= {WW: W[k] @ W[:, k], WW12: W[k] @ W[:, other], HH: H[k] @ H[:, k], HH12: H[k] @ H[:, other]}
            reading |= {WH: W[k] @ H[:, k], WH12: W[k] @ H[:, other]}
        if B is not None:
            reading |= {BB: B[k] @ B[:, k], BB12: B[k] @ B[:, other]}
        yield reading


wA, wB, wAA, wBB, wAB = sp.symbols("ww_A ww_B ww_AA ww_BB ww_AB", real=True)
hA, hB, hAA, hBB, hAB = sp.symbols("hh_A hh_B hh_AA hh_BB hh_AB", real=True)
"""Two sizes: squared lengths, and inner products of two classes of one size or of both."""
zA, zB = sp.symbols("z_A z_B", real=True)
"""Own logits <w_k, hbar_k>."""


def step_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """One reading: lengths and inner products of majority (A) and minority (B) classes, of either matrix.

    Examples
    --------
    >>> (reading,) = step_readings(Optimum(Problem.svm([(8, 3), 2]), "convex"))
    >>> reading[s.kB]
    1
    """
    problem = optimum.problem
    reading = {**step_parameters(problem), **value_readings(optimum)}
    A, B = problem.clusters[0].members, problem.clusters[-1].members
    grams = (
        (optimum.gram_classifier, (wA, wB, wAA, wBB, wAB)),
        (optimum.gram_features, (hA, hB, hAA, hBB, hAB)),
    )
    for gram, (long, short, inside, inside_B, across) in grams:
        if gram is None:
            continue
        reading |= {long: gram[A[0], A[0]], short: gram[B[0], B[0]], across: gram[A[0], B[0]]}
        if len(A) > 1:
            reading[inside] = gram[A[0], A[1]]
        if len(B) > 1:
            reading[inside_B] = gram[B[0], B[1]]
    if optimum.logits is not None:
        reading |= {zA: optimum.logits[A[0], A[0]], zB: optimum.logits[B[0], B[0]]}
    yield reading
