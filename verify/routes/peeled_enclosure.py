"""Model ``layer-peeled`` in balls: a point by groups of equal mass, proved by the kernel, and what follows from it.

Facts: see :mod:`verify.routes.peeled_exact`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.kernel import Outcome
from verify.peeled import groups
from verify.peeled_blocks import certificate, narrowed, solve_groups
from verify.peeled_optimum import MAX_LOGITS, optimum_of

__all__ = ["certify", "solve"]


def certify(problem: Problem, digits: int = 40) -> tuple[dict[str, Any], Outcome]:
    """Certificate of a problem and what the kernel proves from it.

    Parameters
    ----------
    problem : model ``layer-peeled``; any masses and dimension.
    digits : digits of the point; as many are added as budget and ratio of masses need.

    Raises
    ------
    ValueError
        If no certificate was found.

    Examples
    --------
    >>> certificate, outcome = certify(Problem.peeled([(3, 3), (2, 2)], 2, "1/2"))
    >>> outcome.upper.str(12, radius=False), outcome.rank, outcome.merged
    ('0.743740835402', (4, 4), [False, False])
    """
    masses = [g.mass for g in groups(problem) if g.mass]
    digits += _decimals(problem.budget2) // 2 + _decimals(masses[0] / masses[-1])
    try:
        blocks = solve_groups(problem, digits)
    except ArithmeticError as why:
        raise ValueError(f"no certificate found: {why}") from None
    width = len(blocks.A[0]) + sum(g.classes - 1 for g, a in zip(groups(problem), blocks.gaps, strict=True) if a != 0)
    if width <= problem.dim:
        return certificate(problem, blocks, digits)
    if problem.K > MAX_LOGITS:
        raise ValueError(f"d = {problem.dim} is below the rank {width} of the logits")
    with precision(64 + 4 * digits):
        point, dual = narrowed(problem, blocks)
    return certificate(problem, point, digits, dual=dual, full=True)


def _decimals(value: Fraction) -> int:
    """About log10 of a number, at least 0."""
    return max(0, (value.numerator.bit_length() - value.denominator.bit_length() + 2) * 302 // 1000 + 1)


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """Rigorous bounds, logits, Gram matrices and states of every global minimiser (route ``enclosure``).

    Parameters
    ----------
    problem : model ``layer-peeled``; any masses and dimension.
    seed, avoid : not used; the proof relies on no claim.
    digits : digits of the certificate.

    Returns
    -------
    Optimum
        Without structural facts where the dimension is below the certified rank.

    Examples
    --------
    >>> optimum = solve(Problem.peeled([(3, 3), (2, 2)], 2, "1/2"))
    >>> optimum.facts["mu"].str(12, radius=False), optimum.gram_classifier[0, 0].str(12, radius=False)
    ('0.837530749915', '2.49002640829')
    """
    try:
        data, outcome = certify(problem, digits)
    except ValueError as why:
        return Optimum(problem, "enclosure", contrasts=(None,) * len(problem.clusters), reason=str(why))
    return optimum_of(problem, "enclosure", data, outcome)
