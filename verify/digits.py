"""How many digits a certificate is asked for, how many it proves, and why where these are fewer."""

from __future__ import annotations

from fractions import Fraction

__all__ = ["DIGITS", "LEAST", "MOST", "SPARE", "shortfall", "width"]

DIGITS = 40
"""Default of ``--digits``."""
LEAST, MOST = 6, 200
"""Range of ``--digits``."""
SPARE = 2
"""A certificate of N digits has a relative width of at most 10^(SPARE - N)."""


def width(bounds: dict[str, str]) -> Fraction:
    """Width of an interval of decimal strings relative to its upper end.

    Examples
    --------
    >>> width({"lower": "0.999", "upper": "1"})
    Fraction(1, 1000)
    """
    lower, upper = Fraction(bounds["lower"]), Fraction(bounds["upper"])
    return (upper - lower) / abs(upper) if upper else upper - lower


REASONS = {
    "ce-deep": "with several layers the bounds known meet only for two equal classes and where zero is optimal",
    "ce-sphere": "the lower bound for so few dimensions is not attained by all codes, and is proved to 100 digits at most",
    "uf-svm": "below K - 1 dimensions the lower bound is that of wider features",
    "layer-peeled": "with so few dimensions the lower bound is that of wider features",
    "loss": "the point of this loss comes from floating-point numbers",
}
"""Why the bounds of a model may stay apart, by :attr:`theory.problem.Problem.key`."""


def shortfall(bounds: dict[str, str], digits: int, why: str = "", key: str = "") -> str:
    """Sentence where an interval is wider than the digits asked for, else ''.

    Parameters
    ----------
    bounds : decimal strings ``lower`` and ``upper``.
    digits : those asked for.
    why : the reason, where one is known; else it is that of the model ``key``.

    Examples
    --------
    >>> shortfall({"lower": "1.41421", "upper": "1.41422"}, 12, "the bounds do not meet here")
    'the relative width reached is 7.1e-6, not 1e-10: the bounds do not meet here'
    >>> shortfall({"lower": "1.41421", "upper": "1.41422"}, 6)
    ''
    """
    found = width(bounds)
    if found <= Fraction(1, 10 ** (digits - SPARE)):
        return ""
    reason = why or REASONS.get(key, "no closer certificate was found")
    return f"the relative width reached is {scientific(found)}, not 1e-{digits - SPARE}: {reason}"


def scientific(value: Fraction) -> str:
    """Two significant digits, rounded up, whatever the exponent.

    Examples
    --------
    >>> scientific(Fraction(1, 3 * 10**400)), scientific(Fraction(0)), scientific(Fraction(99, 10))
    ('3.4e-401', '0', '9.9')
    """
    if not value:
        return "0"
    exponent = len(str(value.numerator)) - len(str(value.denominator))
    while value < Fraction(10) ** exponent:
        exponent -= 1
    leading = int(-(-value * 10 / Fraction(10) ** exponent // 1))
    if leading == 100:
        exponent, leading = exponent + 1, 10
    head = f"{leading // 10}.{leading % 10}"
    return f"{head}e{exponent}" if exponent else head
