"""Unit vectors in closed form: the simplex for d >= n - 1 (LS20-01, LS20-02), named codes below that, halves for d = 1.

``facts``: see :mod:`verify.routes.sphere_enclosure`.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from flint import arb

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.sphere import codes, loss, point_facts, simplex_spectrum, simplex_value, uniform_bound

__all__ = ["solve"]

BITS = 320
LARGEST = 100
USES = {
    "simplex": frozenset({"LS20-01", "LS20-02"}),
    "n-gon": frozenset({"LS20-11"}),
    "orthoplex": frozenset({"LS20-11"}),
    "icosahedron": frozenset({"LS20-11"}),
    "bipyramid": frozenset({"LS20-16"}),
}
SHARP = {
    ("n-gon", 4): Fraction(5),
    ("n-gon", 5): Fraction(5),
    ("n-gon", 6): Fraction(3),
    ("n-gon", 7): Fraction(19, 10),
    ("n-gon", 8): Fraction(23, 10),
    ("orthoplex", 6): Fraction(5, 2),
    ("orthoplex", 8): Fraction(5, 2),
    ("icosahedron", 12): Fraction(3, 2),
}
"""Largest temperature at which LS20-11 says that a code is optimal."""


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """The optimum from its closed form; the radius is that of the arithmetic (route ``exact``).

    Parameters
    ----------
    problem : model ``ce-sphere``.
    seed, avoid : unused; there is nothing but the closed forms, ``uses`` says which.
    digits : working precision.

    Returns
    -------
    Optimum
        For d < n - 1 a configuration with a name gives an upper bound; for one family the lower bound is the same where
        LS20-11 says that it is optimal, else that of LS20-05. Nothing where no configuration has a name.

    Examples
    --------
    >>> optimum = solve(Problem.sphere(6, 5, 2))
    >>> optimum.upper.str(13, radius=False), optimum.logits[0, 1].str(5, radius=False)
    ('2.244217187588', '-0.20000')
    """
    with precision(max(BITS, int(3.4 * digits) + 64)):
        if problem.dim >= problem.K - 1:
            return _simplex(problem)
        if problem.dim == 1:
            value = _line(problem)
            return Optimum(problem, "exact", lower=value, upper=value)
        if problem.K > LARGEST or not (named := codes(problem)):
            return Optimum(problem, "exact", reason="no configuration of this size and dimension has a closed form")
        ((name, V),) = named.items()
        lower, value = None, loss(V @ V.T, ball(problem.temperature))
        uses = USES[name]
        if problem.families == 1 and problem.temperature <= SHARP.get((name, problem.K), 0):
            lower = value
        elif problem.families == 1:
            lower, uses = uniform_bound(problem), uses | {"LS20-05"}
        facts, work = point_facts(problem, V, V), {"configuration": name}
        return Optimum(problem, "exact", lower=lower, upper=value, uses=uses, facts=facts, work=work)


def _simplex(problem: Problem) -> Optimum:
    n, value = problem.K, simplex_value(problem)
    known = Optimum(problem, "exact", lower=value, upper=value, rank=(n - 1, n - 1), uses=USES["simplex"])
    if n > LARGEST:
        return known
    gram = np.full((n, n), -1 / arb(n - 1), dtype=object)
    np.fill_diagonal(gram, arb(1))
    V = codes(problem)["simplex"]
    return replace(
        known,
        logits=gram,
        bias=np.array([arb(0)] * n, dtype=object),
        gram_features=gram,
        gram_classifier=gram,
        singular_values=simplex_spectrum(n, arb(0)),
        merged=(),
        zero=(),
        facts=point_facts(problem, V, V),
    )


def _line(problem: Problem) -> arb:
    """On a line u = v and half are -1, since x log(x + q y) + y log(y + q x) is convex along x + y = n."""
    n, rare = problem.K, (-2 * ball(problem.temperature)).exp()
    m = n // 2
    return m * (m + (n - m) * rare).log() + (n - m) * (n - m + m * rare).log()
