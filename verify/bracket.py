"""Rigorous brackets of zeros: bisection on signs that balls decide, with rational ends, and outward decimals."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import isqrt

from flint import arb, fmpq

__all__ = [
    "Bracket",
    "Sign",
    "ball",
    "bisect",
    "expand",
    "fraction",
    "hull",
    "reach",
    "root_decimal",
    "sign_of",
    "widen",
]

Sign = Callable[[Fraction], int]
"""-1 below the wanted point, +1 above it, 0 where balls cannot tell; must change once."""
Bracket = tuple[Fraction, Fraction]
DOUBLINGS = 2000


def bisect(sign: Sign, lower: Fraction, upper: Fraction, digits: int) -> Bracket:
    """Shrink [lower, upper], sign -1 at the lower and +1 at the upper end, to a relative width of 10^-digits.

    Where a sign is undecided (an exact zero, or balls too wide) other points are tried; the bracket stays valid
    and is returned as it is when none is decided.

    Examples
    --------
    >>> a, b = bisect(lambda t: sign_of(ball(t) * ball(t) - 2), Fraction(1), Fraction(2), 10)
    >>> a * a < 2 < b * b, float(b - a) < 1e-9
    (True, True)
    """
    while (upper - lower) * 10**digits > abs(upper) + abs(lower):
        for share in (Fraction(1, 2), Fraction(3, 8), Fraction(5, 8)):
            middle = lower + (upper - lower) * share
            s = sign(middle)
            if s:
                break
        else:
            break
        lower, upper = (middle, upper) if s < 0 else (lower, middle)
    return lower, upper


def expand(sign: Sign, start: Fraction) -> Bracket:
    """Bracket on the positive axis by halving and doubling from ``start``.

    Raises
    ------
    ArithmeticError
        If no sign is found on one side.
    """
    return reach(sign, -1, start, Fraction(1, 2)), reach(sign, 1, start, Fraction(2))


def widen(sign: Sign) -> Bracket:
    """Bracket on the whole axis by doubling from -1 and 1.

    Raises
    ------
    ArithmeticError
        If no sign is found on one side.
    """
    return reach(sign, -1, Fraction(-1), Fraction(2)), reach(sign, 1, Fraction(1), Fraction(2))


def reach(sign: Sign, wanted: int, point: Fraction, factor: Fraction) -> Fraction:
    """First point of the sequence point * factor^i whose sign is ``wanted``.

    Raises
    ------
    ArithmeticError
        If there is none within the range of magnitudes tried.
    """
    for _ in range(DOUBLINGS):
        if sign(point) == wanted:
            return point
        point *= factor
    raise ArithmeticError("no bracket: balls decide no sign on one side")


def sign_of(value: arb) -> int:
    """Certain sign of a ball, 0 when it contains zero or is not finite."""
    return 1 if value > 0 else -1 if value < 0 else 0


def ball(number: Fraction | int) -> arb:
    """Ball around a rational at the current precision."""
    number = Fraction(number)
    return arb(fmpq(number.numerator, number.denominator))


def hull(ends: Bracket) -> arb:
    """Ball around an interval with rational ends."""
    return ball(ends[0]).union(ball(ends[1]))


def fraction(exact: arb) -> Fraction:
    """Rational value of an exact ball.

    Raises
    ------
    ArithmeticError
        If the ball is not finite.
    """
    if not exact.is_finite():
        raise ArithmeticError("a ball is not finite")
    mantissa, exponent = exact.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def root_decimal(square: Fraction, digits: int, up: bool) -> str:
    """Decimal string of the square root of a positive rational, rounded up or down to ``digits`` significant digits.

    Examples
    --------
    >>> root_decimal(Fraction(2), 6, up=False), root_decimal(Fraction(2), 6, up=True)
    ('1.41421', '1.41422')
    """
    shift = digits
    while True:
        scaled = square * Fraction(10) ** (2 * shift)
        root = isqrt(scaled.numerator // scaled.denominator)
        excess = len(str(root)) - digits
        if excess == 0:
            break
        shift -= excess
    if up and root * root != scaled:
        root += 1
    while root % 10 == 0:
        root, shift = root // 10, shift - 1
    return f"{Decimal(f'{root}E{-shift}'):f}" if -shift >= 0 else str(Decimal(f"{root}E{-shift}"))
