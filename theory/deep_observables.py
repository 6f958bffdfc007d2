"""Symbols, parameters and readings of cross-entropy behind M linear layers, L = M + 1 factors, equal sizes.

Only G_n = (n Lam)^(1/L) matters, Lam the product of all weight decays and n the samples per class. At M = 1 it is
sqrt(n lambda_w lambda_h).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import sympy as sp

from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, n

__all__ = ["at_price", "deep_parameters", "frame_loss", "frame_objective", "polytope_objective"]

M = sp.Symbol("M", positive=True, integer=True)
"""Number of linear layers."""
G = sp.Symbol("G_n", positive=True)
Lam = sp.Symbol("Lambda", positive=True)
"""Product of all weight decays."""
a, c = sp.symbols("a c", positive=True)
"""Scale of a simplex frame Z = a (I - J/K), of a cross-polytope (c on the diagonal, -c at the partner)."""
best = sp.Symbol("f_best", real=True)
"""Objective at an explicit feasible point."""
q = 2 / (M + 1)


def at_price(problem: Problem, price: Fraction | int | str) -> Problem:
    """The same problem with lambda_h such that G_n is exactly ``price`` (n the smallest size).

    Examples
    --------
    >>> p = at_price(Problem.ce([(3, 4)], ["0.2", "0.1"], 1), "1/100")
    >>> p.product * 3
    Fraction(1, 1000000)
    """
    total = Fraction(price) ** (problem.depth + 1) / min(cluster.size for cluster in problem.clusters)
    return replace(problem, lambda_h=total / prod(problem.layers))


def deep_parameters(problem: Problem) -> dict[sp.Symbol, Any]:
    """K, M, n, Lam and G_n, exact.

    Examples
    --------
    >>> deep_parameters(Problem.ce([(2, 3)], ["1/2", "1/2"], "1/2"))[G]
    2**(1/3)/2
    """
    size, total = rational(problem.clusters[0].size), rational(problem.product)
    L = problem.depth + 1
    return {
        K: sp.Integer(problem.K),
        M: sp.Integer(problem.depth),
        n: size,
        Lam: total,
        G: (size * total) ** sp.Rational(1, L),
    }


def frame_loss(scale: sp.Expr = a) -> sp.Expr:
    """Cross-entropy log(1 + (K-1) e^-a) of the logits a (I - J/K).

    Examples
    --------
    >>> frame_loss(sp.Integer(0)).subs(K, 3)
    log(3)
    """
    return sp.log(1 + (K - 1) * sp.exp(-scale))


def frame_objective(scale: sp.Expr = a) -> sp.Expr:
    """F(a): loss plus the cheapest factors, K - 1 equal singular values.

    Examples
    --------
    >>> frame_objective().subs({K: 2, M: 1})
    G_n*a + log(1 + exp(-a))
    """
    return frame_loss(scale) + (M + 1) / sp.Integer(2) * (K - 1) * G * scale**q


def polytope_objective(scale: sp.Expr = c) -> sp.Expr:
    """F_cp(c): K/2 singular values 2c.

    Examples
    --------
    >>> polytope_objective().subs({K: 4, M: 1, G: 1}) == 4 * c + sp.log(1 + 2 * sp.exp(-c) + sp.exp(-2 * c))
    True
    """
    loss = sp.log(1 + (K - 2) * sp.exp(-scale) + sp.exp(-2 * scale))
    return loss + (M + 1) / sp.Integer(2) * K / 2 * G * (2 * scale) ** q


def value_readings(optimum: Optimum) -> dict[sp.Symbol, Any]:
    """The optimal value (interval between the bounds) and the objective at the best point known.

    Examples
    --------
    >>> value_readings(Optimum(Problem.ce([2, 1], 1), "convex"))
    {}
    """
    found = {}
    if optimum.upper is not None:
        found[best] = optimum.upper
        if optimum.lower is not None:
            found[F] = optimum.lower.union(optimum.upper)
    return found
