"""Unit vectors in balls: a certificate from the best point known, proved by the kernel, and what follows from it.

Bounds. d >= n - 1: the three slacks of LS20-01 give L*, the simplex attains it. Below that L* plus a small number for
two families; for one family a kernel p <= exp(a t) with a square root that is not negative: a truncation of exp(a t)
itself (the bound of LS20-05), its Hermite interpolant at the inner products of a code (LS20-11), or a kernel with more
harmonics that touches it there (:mod:`verify.sphere_kernels`). The kernel of trust proves every sign it needs; nothing
rests on a claim. d = 1: all signs.

Balls for EVERY minimiser, d >= n - 1 only: ``logits``, ``gram_features``, ``gram_classifier``, ``rank``.
``facts`` of this and the other routes speak of the point of ``upper``, see :func:`verify.sphere.point_facts`; here also
:func:`verify.sphere_measures.divergences` for few vectors of one family in the plane.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.balls import precision
from verify.kernel import MAX_GROUPS, Outcome
from verify.kernel.sphere import read
from verify.routes.sphere_nonconvex import LARGEST, best_point
from verify.sphere import codes, exact, loss, point_facts, simplex_spectrum
from verify.sphere_kernels import SHARE, extended, hermite, inner_products, promise, truncation
from verify.sphere_measures import divergences
from verify.witness import dyadics, offer, prove

__all__ = ["certify", "solve"]

Array = NDArray[Any]
MOST_DIGITS, MOST_TOUCHING = 200, 100
"""Most digits used, of a kernel that touches exp(a t) fewer: to prove p <= exp takes time with every digit."""
SEARCHED = 12
"""Most vectors for which a descent looks for a better point than the configuration with a name."""

HOT = 8
"""Largest temperature for which divergences are integrated."""
SHARP = {"n-gon": 6, "orthoplex": 12}
WARM = 6
"""Codes with most vectors, and the largest temperature, at which a kernel that proves them optimal is searched for."""


def certify(problem: Problem, digits: int = 40, share: int | None = None) -> tuple[dict[str, Any], Outcome]:
    """Certificate of a problem and what the kernel proves from it.

    Parameters
    ----------
    problem : model ``ce-sphere`` with at most 256 vectors.
    digits : digits of the point and of the kernel, at most 200 are used.
    share : a kernel that touches exp(a t) is lowered by 2^-share; default by the digits, less where that fails.

    Raises
    ------
    ValueError
        If the kernel does not accept it.

    Examples
    --------
    >>> certificate, outcome = certify(Problem.sphere(6, 5, 2))
    >>> outcome.rank, bool(outcome.upper - outcome.lower < arb(10) ** -70)
    ((5, 5), True)
    """
    if problem.K > MAX_GROUPS:
        raise ValueError(f"more than {MAX_GROUPS} vectors are too many for a certificate")
    bits = int(3.33 * min(digits, MOST_DIGITS)) + int(2 * problem.temperature) + 32
    fine = share or int(3.4 * min(digits, MOST_TOUCHING)) + 8
    shares = sorted({fine, (fine + SHARE) // 2, SHARE}, reverse=True) if fine > SHARE else [fine]
    with precision(2 * bits + 64):
        U, V = _point(problem)
        kernels = _kernels(problem, bits, shares)
        offers = [_write(problem, U, V, mu, bits) for mu in (*kernels, [])]
    reason = ""
    for data in offers:
        try:
            return prove(data)
        except ValueError as why:
            reason = str(why)
    raise ValueError(reason)


def _write(problem: Problem, U: Array, V: Array, mu: list[Any], bits: int) -> dict[str, Any]:
    """Certificate without bounds and facts."""
    second = V if problem.families == 2 else V[:0]
    return offer(problem, {"U": dyadics(U, bits), "V": dyadics(second, bits), "kernel": dyadics([mu], 2 * bits)})


def _point(problem: Problem) -> tuple[Array, Array]:
    """The configuration with a name, unless a descent finds a better point."""
    named = next(iter(codes(problem).values()), None)
    if named is not None and (problem.dim in (1, 2) or problem.dim >= problem.K - 1 or problem.K > SEARCHED):
        return named, named
    U, V, _ = best_point(problem, 0, 16 if problem.K <= SEARCHED else 4 if problem.K <= LARGEST else 1)
    if named is not None:
        a = float(problem.temperature)
        if not loss(U @ V.T, a) < loss((named @ named.T).astype(float), a) * (1 - 1e-12):
            return named, named
    exactly = np.vectorize(lambda x: arb(float(x)), otypes=[object])
    return exactly(U), exactly(V)


def _kernels(problem: Problem, bits: int, shares: list[int]) -> list[list[Any]]:
    """Coefficients mu_k worth offering, the best bound first."""
    if problem.families == 2 or problem.dim >= problem.K - 1 or problem.dim == 1:
        return []
    found = [truncation(problem, bits)]
    if problem.K <= SEARCHED:
        for name, V in codes(problem).items():
            touching = [hermite(problem, inner_products(V), share) for share in shares]
            known = SHARP.get(name, 0) >= problem.K and problem.temperature <= WARM
            if known and promise(problem, touching[0]) == -inf:
                touching += extended(problem, V, shares)
            found = touching + found  # of kernels that promise the same in floats the closest comes first
    values = [(promise(problem, mu), mu) for mu in found]
    return [mu for value, mu in sorted(values, key=lambda pair: -round(pair[0], 12)) if value > -inf]


# --- the route -----------------------------------------------------------------------------------------------------


def solve(
    problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int | None = None
) -> Optimum:
    """Rigorous bounds, and for d >= n - 1 inner products of every minimiser (route ``enclosure``).

    Parameters
    ----------
    problem : model ``ce-sphere`` with at most 256 vectors.
    seed, avoid : not used; the proof relies on no claim.
    digits : digits of the certificate, at most 200 are used; default 40, where a kernel touches exp(a t) 27.

    Examples
    --------
    >>> optimum = solve(Problem.sphere(7, 2, "19/10", families=1))
    >>> optimum.upper.str(15, radius=False), bool(optimum.upper - optimum.lower < arb(10) ** -24)
    ('5.60781414050937', True)
    """
    try:
        certificate, outcome = certify(problem, share=SHARE) if digits is None else certify(problem, digits)
    except ValueError as why:
        return Optimum(problem, "enclosure", reason=str(why))
    with precision(outcome.precision):
        task = read(certificate)
        U, V = (_unit_rows(*task.arrays[name]) for name in ("U", "V" if problem.families == 2 else "U"))
        found = _arrays(problem, outcome.found) if outcome.found else {}
        facts = point_facts(problem, U, V)
        if problem.families == 1 and problem.dim == 2 and problem.K <= SEARCHED and problem.temperature <= HOT:
            facts |= divergences(exact(problem.temperature), V)
    return Optimum(
        problem,
        "enclosure",
        lower=outcome.lower,
        upper=outcome.upper,
        rank=outcome.rank or (0, min(problem.dim, problem.K)),
        facts=facts,
        point=Point(V.astype(float), U.T.astype(float), np.zeros(problem.K)),
        work={"certificate": certificate, "precision": outcome.precision},
        **found,
    )


def _unit_rows(P: int, rows: list[list[int]]) -> Array:
    """The vectors that the kernel reads."""
    table = [[arb((entry, -P)) for entry in row] for row in rows]
    lengths = [sum((x * x for x in row), arb(0)).sqrt() for row in table]
    return np.array([[x / r for x in row] for row, r in zip(table, lengths, strict=True)], dtype=object)


def _arrays(problem: Problem, found: dict[str, Any]) -> dict[str, Any]:
    """Inner products of every minimiser as matrices."""
    n = problem.K

    def matrix(diagonal: Any, elsewhere: Any) -> Array:
        table = np.full((n, n), elsewhere, dtype=object)
        np.fill_diagonal(table, diagonal)
        return table

    gram = matrix(arb(1), found["gram"])
    radius = found["other"].rad().max(1 - found["own"].lower())
    return {
        "logits": matrix(found["own"], found["other"]),
        "bias": np.array([arb(0)] * n, dtype=object),
        "gram_features": gram,
        "gram_classifier": gram,
        "singular_values": simplex_spectrum(n, radius),
        "merged": () if found["gram"] < 1 else None,
        "zero": (),
    }
