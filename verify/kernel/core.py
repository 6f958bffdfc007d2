"""What every model of the kernel shares: reading a file of integers with caps, balls, the norm test, the outcome."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from flint import arb, ctx, fmpq

MAX_BYTES, MAX_P, MAX_GROUPS, MAX_DIGITS, MAX_WORK = 32_000_000, 100_000, 256, 4000, 10**10


class Rejected(Exception):
    """The certificate is malformed, wrong, or claims more than follows."""


class Undecided(Exception):
    """A comparison of balls came out neither true nor false."""


@dataclass
class Blocks:
    """A symmetric K x K matrix per cluster: own entries, and ``others[h][c]`` of a class of cluster h for one of c.

    On the diagonal of ``others`` stands a sibling; for a cluster of one class that entry means nothing.
    """

    own: list[Any]
    others: list[list[Any]]


@dataclass
class Outcome:
    """What was proved. The numbers are balls and hold for every global minimiser.

    ``outcome`` is 'bounds', 'rejected' or 'undecided'; ``facts`` are statements as JSON data. Cross-entropy:
    ``log_probabilities``, ``logits`` (bias excluded, columns centred), ``bias``, ``contrasts``, ``merged``, ``zero``
    are per cluster, ``rank`` holds (at least, at most) for Z D^(1/2); None where no facts follow. Other models keep
    their balls by name in ``found``.
    """

    outcome: str
    reason: str = ""
    problem: str = ""
    precision: int = 53
    lower: Any = None
    upper: Any = None
    log_probabilities: Blocks | None = None
    logits: Blocks | None = None
    bias: list[Any] | None = None
    contrasts: list[str | None] | None = None
    merged: list[bool | None] | None = None
    zero: list[bool | None] | None = None
    rank: tuple[int, int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)


# --- reading ---------------------------------------------------------------------------------------------------


def demand(condition: bool, message: str) -> None:
    """Reject unless ``condition``."""
    if not condition:
        raise Rejected(message)


def read(text: bytes | str, schema: str = "verify.certificate/1") -> dict[str, Any]:
    """JSON object from text, with caps on what a hostile file could cost; no floats, no repeated keys."""

    def integer(digits: str) -> int:
        demand(len(digits) <= MAX_DIGITS, "an integer has too many digits")
        return int(digits)

    def no_float(digits: str) -> Any:
        raise Rejected(f"{digits:.20} is not an integer")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        demand(len(dict(pairs)) == len(pairs), "a key occurs twice")
        return dict(pairs)

    demand(len(text) <= MAX_BYTES, "the file is too large")
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    data = json.loads(text, parse_float=no_float, parse_constant=no_float, parse_int=integer, object_pairs_hook=unique)
    demand(isinstance(data, dict) and data.get("schema") == schema, f"not a {schema} file")
    return dict(data)


def rational(text: Any) -> Fraction:
    """Exact number from a decimal or fraction string without exponent."""
    demand(isinstance(text, str) and text.isascii() and len(text) <= MAX_DIGITS, "not an exact number")
    top, slash, bottom = text.removeprefix("-").partition("/")
    demand(top.replace(".", "", 1).isdigit() and bottom.isdigit() == bool(slash), "not an exact number")
    return Fraction(text)


def positive_rational(text: Any) -> Fraction:
    """Rational > 0 in its one canonical spelling, such as 25 or 1/111."""
    value = rational(text)
    demand(value > 0 and str(value) == text, "not a positive rational in lowest terms")
    return value


def whole(value: Any, least: int) -> int:
    """Integer (no boolean) of at least ``least``."""
    demand(type(value) is int and value >= least, f"not an integer >= {least}")
    return int(value)


def runs(pairs: Any) -> list[tuple[Fraction, int]]:
    """[[value, repeat], ...] with exact positive values, last first."""
    demand(isinstance(pairs, list) and all(isinstance(p, list) and len(p) == 2 for p in pairs), "not [value, repeat]")
    digits = sum(len(value) for value, _ in pairs if isinstance(value, str) and "/" in value)
    demand(digits <= 5 * MAX_DIGITS, "too many digits in fractions")  # their sum has as many
    return [(positive_rational(value), whole(repeat, 1)) for value, repeat in reversed(pairs)]


def read_array(data: Any, rows: int, columns: int | None) -> tuple[int, list[list[int]]]:
    """(P, integers) of an array of integers times 2^-P; ``columns`` None allows any common number."""
    demand(isinstance(data, dict) and set(data) == {"p", "rows"}, "an array is {p, rows}")
    P, table = whole(data["p"], 0), data["rows"]
    demand(P < MAX_P and isinstance(table, list) and len(table) == rows, "wrong p or number of rows")
    demand(all(isinstance(row, list) for row in table), "a row is not an array")
    width = len(table[0]) if columns is None else columns
    demand(width <= 4 * MAX_GROUPS and all(len(row) == width for row in table), "wrong number of columns")
    demand(all(type(entry) is int for row in table for entry in row), "an entry is not an integer")
    return P, table


# --- balls -----------------------------------------------------------------------------------------------------


def ball(value: Fraction | int) -> Any:
    """Ball that holds a rational."""
    return arb(fmpq(value.numerator, value.denominator))


def total(terms: Any) -> Any:
    """Sum of balls."""
    return sum(terms, arb(0))


def positive(x: Any) -> bool:
    """Sign of a ball; :class:`Undecided` if it holds both signs or is not finite."""
    if x.is_finite() and x > 0:
        return True
    if x.is_finite() and x <= 0:
        return False
    raise Undecided("a ball holds both signs; more digits are needed")


def count_above(A: Any, c: Any) -> int:
    """Number of singular values above c of every matrix in the ball matrix A.

    Sylvester: the pivots of L D L^T have the signs of the eigenvalues of c^2 I - A^T A.
    """
    square = A.transpose() * A
    n = square.ncols()
    rows = [[c * c * (i == j) - square[i, j] for j in range(n)] for i in range(n)]
    above = 0
    while rows:
        p = max(range(len(rows)), key=lambda i: abs(rows[i][i].mid()))
        top = rows.pop(p)
        pivot = top.pop(p)
        above += not positive(pivot)
        for row in rows:
            factor = row.pop(p) / pivot
            row[:] = [a - factor * b for a, b in zip(row, top, strict=True)]
    return above


def bounds(lower: Any, upper: Any, problem: str) -> Outcome:
    """Outcome that holds the bounds alone."""
    if not (lower.is_finite() and upper.is_finite()):
        raise Undecided("a bound is not finite")
    demand(not lower > upper, "impossible: lower bound above upper bound; report a kernel bug")
    return Outcome("bounds", problem=problem, lower=lower, upper=upper, precision=ctx.prec)


# --- output and comparison with what the file states -------------------------------------------------------------


def interval(lower: Any, upper: Any) -> dict[str, str] | None:
    """Decimal interval around two balls, rounded outward to the digits that its width justifies."""

    def exact(x: Any) -> Fraction:
        mantissa, exponent = (int(part) for part in x.man_exp())
        return Fraction(mantissa) * Fraction(2) ** exponent

    def floor(value: Fraction) -> str:
        scaled = value.numerator * 10**digits // value.denominator
        units, places = divmod(abs(scaled), 10**digits)
        return f"{'-' * (scaled < 0)}{units}.{places:0{digits}d}"

    if not (lower.is_finite() and upper.is_finite()):
        return None
    low, high = exact(lower.lower()), exact(upper.upper())
    width = high - low
    bits = min(ctx.prec, width.denominator.bit_length() - width.numerator.bit_length()) if width else ctx.prec
    digits = max(0, bits * 30103 // 100000) + 3
    negated = floor(-high)
    return {"lower": floor(low), "upper": negated[1:] if negated[0] == "-" else "-" + negated}


def follows(stated: Any, proved: Any) -> bool:
    """Whether a statement claims no more than was proved: null claims nothing, an interval may be wider."""

    def number(value: Any) -> Fraction:
        return Fraction(value) if type(value) is int else rational(value)

    if stated is None:
        return True
    if isinstance(stated, dict) and isinstance(proved, dict):
        if not set(stated) <= set(proved):
            return False
        below = stated.get("lower") is None or number(stated["lower"]) <= number(proved["lower"])
        above = stated.get("upper") is None or number(stated["upper"]) >= number(proved["upper"])
        return below and above and all(follows(stated[k], proved[k]) for k in stated if k not in ("lower", "upper"))
    if isinstance(stated, list) and isinstance(proved, list):
        return len(stated) == len(proved) and all(follows(a, b) for a, b in zip(stated, proved, strict=True))
    return type(stated) is type(proved) and bool(stated == proved)


def precisions(digits: list[int], size: int) -> list[int]:
    """Bits: from 256 (or the digits of the file) doubling to 4096 (8192 for a file of many digits), within MAX_WORK.

    ``digits`` are the P of the arrays; the work of one attempt is that of ``size``^3 multiplications.
    """
    P = max(digits)
    steps = [256, 512, 1024, 2048, 4096] + [8192] * (P > 1024)
    steps = [bits for bits in steps if bits * size**3 <= MAX_WORK]
    return [bits for bits in steps if bits >= P + 64] or steps[-1:]
