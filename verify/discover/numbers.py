"""What kind of number a measurement is: a root of a small rational, or of a small polynomial with integer coefficients.

A number known to D digits lies near *some* rational of about D digits, so only a much smaller one means anything: what
is recognised carries at least ``MARGIN`` digits less than was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import log10

from flint import fmpz_mat, fmpz_poly

__all__ = ["MARGIN", "Polynomial", "digits_of", "minimal_polynomial", "power_of", "simplest"]

Bracket = tuple[Fraction, Fraction]
Polynomial = tuple[int, ...]
"""Coefficients of 1, t, t^2, ..., the last one positive."""

MARGIN = 8
"""Digits by which a recognised number must fall short of the measured ones."""
HIGHEST_POWER = 8
HIGHEST_DEGREE = 4


def digits_of(bracket: Bracket) -> float:
    """Number of proved digits: -log10 of the relative width.

    Examples
    --------
    >>> round(digits_of((Fraction(1), Fraction(10**9 + 1, 10**9))))
    9
    """
    low, high = bracket
    return size(high) - size(high - low) if high > low else float("inf")


def size(number: Fraction) -> float:
    """Decimal logarithm of a positive rational, however large its terms."""
    return _log10(number.numerator) - _log10(number.denominator)


def height(number: Fraction) -> float:
    """Digits that it takes to write a rational."""
    return _log10(max(1, abs(number.numerator))) + _log10(number.denominator)


def _log10(number: int) -> float:
    shift = max(0, number.bit_length() - 1000)
    return log10(number >> shift) + shift * log10(2)


def simplest(bracket: Bracket) -> Fraction:
    """The rational with the smallest denominator in a bracket of nonnegative numbers.

    Examples
    --------
    >>> simplest((Fraction(314, 100), Fraction(315, 100)))
    Fraction(22, 7)
    """
    low, high = bracket
    whole = -(-low.numerator // low.denominator)
    if whole <= high:
        return Fraction(whole)
    whole -= 1
    return whole + 1 / simplest((1 / (high - whole), 1 / (low - whole)))


def rational_in(bracket: Bracket, power: int) -> Fraction | None:
    """The rational of few digits whose root of order ``power`` lies in the bracket, if there is one."""
    powered = (bracket[0] ** power, bracket[1] ** power)
    found = simplest(powered)
    return found if height(found) + MARGIN <= digits_of(powered) else None


def power_of(brackets: Sequence[Bracket]) -> tuple[int, list[Fraction]] | None:
    """The least power that turns every measured number into a rational of few digits, and these rationals.

    Examples
    --------
    >>> root = (Fraction(14142135623730950, 10**16), Fraction(14142135623730951, 10**16))
    >>> power_of([root, (Fraction(3), Fraction(3))])
    (2, [Fraction(2, 1), Fraction(9, 1)])
    """
    for power in range(1, HIGHEST_POWER + 1):
        found = []
        for bracket in brackets:
            rational = rational_in(bracket, power)
            if rational is None:
                break
            found.append(rational)
        else:
            return power, found
    return None


def minimal_polynomial(bracket: Bracket, degree: int) -> Polynomial | None:
    """Irreducible integer polynomial of at most this degree and few digits with a zero in the bracket (LLL).

    Examples
    --------
    >>> minimal_polynomial((Fraction(161803398874989484820458683436, 10**29), Fraction(
    ...     161803398874989484820458683437, 10**29)), 2)
    (-1, -1, 1)
    """
    digits = int(min(digits_of(bracket), 400))
    middle = (bracket[0] + bracket[1]) / 2
    scale = 10 ** (digits - 1)
    rows = []
    for i in range(degree + 1):
        power = middle**i
        scaled = power.numerator * scale // (power.denominator * max(1, int(middle) ** degree))
        rows.append([int(i == j) for j in range(degree + 1)] + [scaled])
    reduced = fmpz_mat(rows).lll()
    candidate = fmpz_poly([int(reduced[0, j]) for j in range(degree + 1)])
    if candidate.degree() < 1:
        return None
    for factor, _ in candidate.factor()[1]:
        coefficients = [int(c) for c in factor.coeffs()]
        changes = _at(coefficients, bracket[0]) * _at(coefficients, bracket[1]) <= 0
        written = len(coefficients) * max(_log10(2 * abs(c)) for c in coefficients if c)
        if changes and written + MARGIN <= digits:
            sign = 1 if coefficients[-1] > 0 else -1
            return tuple(sign * c for c in coefficients)
    return None


def _at(coefficients: Sequence[int], point: Fraction) -> Fraction:
    value = Fraction(0)
    for c in reversed(coefficients):
        value = value * point + c
    return value
