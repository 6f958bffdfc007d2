"""Writing a certificate: numbers as integers times 2^-P, and what the kernel proves from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from theory.problem import Problem
from verify.balls import precision
from verify.kernel import Outcome, interval, verify_certificate

__all__ = ["dyadics", "exponent", "floor", "offer", "places", "prove"]


def floor(value: Any, P: int) -> int:
    """Largest integer at most 2^P times a rational or the middle of a ball.

    Examples
    --------
    >>> from flint import arb
    >>> floor(Fraction(-1, 3), 2), floor(arb(0.75), 1), floor(arb(3), 0)
    (-2, 1, 3)
    """
    if isinstance(value, Fraction):
        return (value.numerator << P) // value.denominator
    mantissa, power = (int(part) for part in value.mid().man_exp())
    return mantissa << power + P if power + P >= 0 else mantissa >> -power - P


def exponent(value: Any) -> int:
    """The e with 2^(e-1) <= |middle| < 2^e, roughly for a rational; 0 for 0.

    Examples
    --------
    >>> from flint import arb
    >>> exponent(arb(3)), exponent(arb(-0.25)), exponent(arb(0)), exponent(Fraction(1, 4))
    (2, -1, 0, -1)
    """
    if isinstance(value, Fraction):
        return value.numerator.bit_length() - value.denominator.bit_length() + 1 if value else 0
    mantissa, power = (int(part) for part in value.mid().man_exp())
    return abs(mantissa).bit_length() + power if mantissa else 0


def places(entries: Iterable[Any], bits: int) -> int:
    """P at which the largest entry has about ``bits`` bits; at least 0.

    Examples
    --------
    >>> places([Fraction(1, 4), Fraction(-1, 2)], 10)
    10
    """
    sizes = [exponent(entry) for entry in entries if (entry if isinstance(entry, Fraction) else entry.mid()) != 0]
    return max(0, bits - max(sizes, default=0))


def dyadics(table: Iterable[Sequence[Any]], P: int) -> dict[str, Any]:
    """Rows of rationals or balls as integers times 2^-P, rounded down.

    Examples
    --------
    >>> dyadics([[Fraction(1, 2), Fraction(1, 3)]], 4)
    {'p': 4, 'rows': [[8, 5]]}
    """
    return {"p": P, "rows": [[floor(entry, P) for entry in row] for row in table]}


def offer(problem: Problem, witness: dict[str, Any]) -> dict[str, Any]:
    """Certificate without bounds and facts.

    Examples
    --------
    >>> sorted(offer(Problem.svm([2, 1]), {}))
    ['bounds', 'counts', 'facts', 'model', 'options', 'problem', 'schema', 'witness']
    """
    return {
        "schema": "verify.certificate/1",
        "problem": problem.sha256,
        **problem.canonical(),
        "bounds": None,
        "witness": witness,
        "facts": None,
    }


def prove(data: dict[str, Any]) -> tuple[dict[str, Any], Outcome]:
    """The certificate with the bounds and facts that the kernel proves from it, and its outcome.

    Raises
    ------
    ValueError
        If the kernel does not accept it.
    """
    outcome = verify_certificate(json.dumps(data))
    if outcome.outcome != "bounds":
        raise ValueError(outcome.reason)
    with precision(outcome.precision):
        return data | {"bounds": interval(outcome.lower, outcome.upper), "facts": outcome.facts}, outcome
