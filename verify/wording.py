"""Numbers and counts for people."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact
from fractions import Fraction
from math import ceil

__all__ = ["brief", "counted", "outward", "surviving", "worked"]

SHORT = 12
"""Characters of a number that is printed as it is."""
LONGEST = 500
"""Digits of a number that is written with a power of ten."""
PLURALS = {"class": "classes"}


def brief(number: object) -> str:
    """The shortest exact way to write a number: as it is, or its digits and a power of ten.

    Parameters
    ----------
    number : a rational, or its text: a decimal or a fraction.

    Examples
    --------
    >>> brief(Fraction(1, 10**300)), brief("1/300"), brief("1/1000"), brief("0.000000000000")
    ('1e-300', '1/300', '1/1000', '0')
    >>> brief("-0.00000000000001234"), brief("0.1985626544507132")
    ('-1.234e-14', '0.1985626544507132')
    """
    text = str(number)
    value = Fraction(text)
    if not value:
        return "0"
    if len(text) <= SHORT:
        return text
    try:
        context = Context(prec=LONGEST, traps=[Inexact])
        exact = context.divide(Decimal(value.numerator), Decimal(value.denominator)).normalize(context)
    except Inexact:
        return text
    powered = f"{exact:e}".replace("e+", "e")
    return powered if len(powered) + 3 < len(text) else text


def outward(value: Fraction, rounding: str, digits: int = 4) -> str:
    """A number rounded to one side, without an exponent where it stays short.

    Parameters
    ----------
    value : the number.
    rounding : ROUND_FLOOR or ROUND_CEILING of :mod:`decimal`.
    digits : significant ones.

    Examples
    --------
    >>> outward(Fraction(1, 3), "ROUND_CEILING"), outward(Fraction(-2, 3 * 10**9), "ROUND_FLOOR")
    ('0.3334', '-6.667e-10')
    """
    rounded = Context(prec=digits, rounding=rounding).divide(Decimal(value.numerator), Decimal(value.denominator))
    short = rounded.normalize(Context(prec=digits))
    return f"{short:f}" if -6 <= short.adjusted() < digits else f"{short:e}".replace("e+", "e")


def counted(number: int | Fraction, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "configuration"), counted(0, "file"), counted(2, "class")
    ('1 configuration', '0 files', '2 classes')
    """
    return f"{number} {noun if number == 1 else PLURALS.get(noun, f'{noun}s')}"


def surviving(mutants: int) -> str:
    """How many mutants survive.

    Examples
    --------
    >>> surviving(1), surviving(2)
    ('1 mutant survives', '2 mutants survive')
    """
    return f"{counted(mutants, 'mutant')} survive{'s' if mutants == 1 else ''}"


def worked(seconds: float) -> str:
    """Processor time in words.

    Examples
    --------
    >>> worked(3.4), worked(3600)
    ('4 s of processor time', '60 min of processor time')
    """
    return f"{ceil(seconds)} s of processor time" if seconds < 120 else f"{seconds / 60:.0f} min of processor time"
