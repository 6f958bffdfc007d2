"""What every model of the kernel shares: reading a file of integers with caps, balls, the norm test, the outcome."""

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from flint import arb, ctx, fmpq

MAX_BYTES, MAX_P, MAX_GROUPS, MAX_DIGITS, MAX_WORK = 32_000_000, 100_000, 256, 4000, 10**10
Array = tuple[int, list[list[int]]]  # (P, rows): integers times 2^-P


class Rejected(Exception):
    """The certificate is malformed, wrong, or claims more than follows."""


class Undecided(Exception):
    """A comparison of balls came out neither true nor false."""


@dataclass
class Outcome:
    """What was proved: balls that hold for every global minimiser, and statements. Fields hold what applies."""

    outcome: str  # 'bounds', 'rejected' or 'undecided'
    reason: str = ""
    problem: str = ""
    precision: int = 53
    lower: Any = None
    upper: Any = None
    log_probabilities: Any = None  # table of blocks
    logits: Any = None  # table of blocks, columns centred, without the bias
    bias: list[Any] | None = None  # per cluster, as the next three
    contrasts: list[str | None] | None = None
    merged: list[bool | None] | None = None
    zero: list[bool | None] | None = None
    rank: tuple[int, int] | None = None  # of the logits: at least, at most
    facts: dict[str, Any] = field(default_factory=dict)  # as JSON data
    found: dict[str, Any] = field(default_factory=dict)  # other balls by name


def demand(condition: bool, message: str) -> None:
    """Reject unless ``condition``."""
    if not condition:
        raise Rejected(message)


def read(text: bytes | str, schema: str = "verify.certificate/1") -> dict[str, Any]:
    """JSON object from text, with caps on what a hostile file could cost; no floats, no repeated keys."""

    def integer(digits: str) -> int:
        demand(len(digits) <= MAX_DIGITS, "an integer has too many digits")
        demand(digits.removeprefix("-").isdigit(), f"{digits:.20} is not an integer")
        return int(digits)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        demand(len(dict(pairs)) == len(pairs), "a key occurs twice")
        return dict(pairs)

    demand(len(text) <= MAX_BYTES, "the file is too large")
    data = json.loads(text, parse_float=integer, parse_constant=integer, parse_int=integer, object_pairs_hook=unique)
    demand(isinstance(data, dict) and data.get("schema") == schema, f"not a {schema} file")
    return dict(data)


def rational(text: Any) -> Fraction:
    """Exact number from a decimal or fraction string without exponent."""
    demand(isinstance(text, str) and text.isascii() and len(text) <= MAX_DIGITS, "not an exact number")
    top, slash, bottom = text.removeprefix("-").partition("/")
    demand(top.replace(".", "", 1).isdigit() and bottom.isdigit() == bool(slash), "not an exact number")
    return Fraction(text)


def number(text: Any, zero: bool = False) -> Fraction:
    """Rational > 0 (>= 0 with ``zero``) in its one canonical spelling, such as 25 or 1/111."""
    value = rational(text)
    demand(str(value) == text and value >= 0 and (zero or value > 0), "not a positive rational in lowest terms")
    return value


def whole(value: Any, least: int) -> int:
    """Integer (no boolean) of at least ``least``."""
    demand(type(value) is int and value >= least, f"not an integer >= {least}")
    return int(value)


def runs(pairs: Any, zero: bool = False) -> list[tuple[Fraction, int]]:
    """[[value, repeat], ...] with exact values."""
    demand(isinstance(pairs, list) and all(isinstance(p, list) and len(p) == 2 for p in pairs), "not [value, repeat]")
    digits = sum(len(value) for value, _ in pairs if isinstance(value, str) and "/" in value)
    demand(digits <= 5 * MAX_DIGITS, "too many digits in fractions")  # their sum has as many
    return [(number(value, zero), whole(repeat, 1)) for value, repeat in pairs]


def clusters(*columns: list[tuple[Fraction, int]]) -> list[tuple[tuple[Fraction, ...], int]]:
    """(values, number of classes) of the classes with the same value in every list of runs, largest values first."""
    demand(len({sum(m for _, m in column) for column in columns}) == 1, "numbers of classes differ")
    found, left = dict[tuple[Fraction, ...], int](), [column[::-1] for column in columns]
    while left[0]:
        values, step = tuple(column[-1][0] for column in left), min(column[-1][1] for column in left)
        found[values] = found.get(values, 0) + step
        for column in left:
            value, m = column.pop()
            column += [(value, m - step)] * (m > step)
    demand(sum(found.values()) >= 2, "at least two classes are needed")
    return sorted(found.items(), reverse=True)


def read_array(data: Any, rows: int, columns: int | None) -> Array:
    """(P, integers) of an array of integers times 2^-P; ``columns`` None allows any common number."""
    demand(isinstance(data, dict) and set(data) == {"p", "rows"}, "an array is {p, rows}")
    P, table = whole(data["p"], 0), data["rows"]
    demand(P < MAX_P and isinstance(table, list) and len(table) == rows, "wrong p or number of rows")
    demand(all(isinstance(row, list) for row in table), "a row is not an array")
    width = len(table[0]) if columns is None else columns
    demand(width <= 4 * MAX_GROUPS and all(len(row) == width for row in table), "wrong number of columns")
    demand(all(type(entry) is int for row in table for entry in row), "an entry is not an integer")
    return P, table


def precisions(digits: list[int], size: int) -> list[int]:
    """Bits to try: 256 (or those of the file) doubling to 4096 (8192 if P > 1024), within MAX_WORK for size^3 steps."""
    P = max(digits)
    steps = [bits for bits in [256, 512, 1024, 2048, 4096] + [8192] * (P > 1024) if bits * size**3 <= MAX_WORK]
    return [bits for bits in steps if bits >= P + 64] or steps[-1:]


def ball(value: Fraction | int) -> Any:
    """Ball that holds a rational."""
    return arb(fmpq(value.numerator, value.denominator))


def balls(array: Array) -> list[list[Any]]:
    """An array as balls, exact before the first operation."""
    P, rows = array
    return [[arb((entry, -P)) for entry in row] for row in rows]


def positive(x: Any) -> bool:
    """Sign of a ball; :class:`Undecided` if it holds both signs or is not finite."""
    if not (x.is_finite() and (x > 0 or x <= 0)):
        raise Undecided("a ball holds both signs; more digits are needed")
    return bool(x > 0)


def state(alive: Any, dead: Any) -> str | None:
    """State from two one-sided proofs."""
    demand(not (alive and dead), "impossible: alive and dead; report a kernel bug")
    return "alive" if alive else "dead" if dead else None


def count_above(A: Any, c: Any) -> int:
    """Number of singular values above c of every matrix in the ball matrix A; one equal to c is not counted.

    Sylvester: the pivots of L D L^T have the signs of the eigenvalues of c^2 I - A^T A. (After a pivot 0: undecided.)
    """
    rows, above = (-(A.transpose() * A)).tolist(), 0
    for i, row in enumerate(rows):
        row[i] += c * c
    while rows:
        p = max(range(len(rows)), key=lambda i: abs(rows[i][i].mid()))
        top = rows.pop(p)
        pivot = top.pop(p)
        above += positive(-pivot)
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


def interval(lower: Any, upper: Any = None) -> dict[str, str] | None:
    """Decimal interval around one or two balls, rounded outward to the digits that its width justifies."""
    tiny, ends = arb(2) ** -MAX_P, (lower.lower(), -(lower if upper is None else upper).upper())
    if not all(abs(end) < 1 / tiny for end in ends):  # not finite, or too large to print
        return None
    low, high = ((-tiny * (end < 0) if abs(end) < tiny else end).fmpq() for end in ends)  # towards the sound side
    width, high, found = -high - low, -high, dict[str, str]()
    bits = min(ctx.prec, int(width.q).bit_length() - int(width.p).bit_length()) if width else ctx.prec
    digits = max(0, bits * 30103 // 100000) + 3
    for name, end in (("lower", (low * 10**digits).floor()), ("upper", (high * 10**digits).ceil())):
        units, places = divmod(abs(int(end)), 10**digits)
        found[name] = f"{'-' * (end < 0)}{units}.{places:0{digits}d}"
    return found


def follows(stated: Any, proved: Any, side: int = 0) -> bool:
    """Whether a statement claims no more than was proved: null nothing, a lower (side 1) or upper (-1) end less."""
    if stated is None or (type(stated) is str and stated == proved):
        return True
    if side:
        claim, end = (Fraction(value) if type(value) is int else rational(value) for value in (stated, proved))
        return side * claim <= side * end
    if isinstance(stated, dict) and isinstance(proved, dict):
        sides = {"lower": 1, "upper": -1}
        return all(key in proved and follows(value, proved[key], sides.get(key, 0)) for key, value in stated.items())
    if isinstance(stated, list) and isinstance(proved, list):
        return len(stated) == len(proved) and all(follows(a, b) for a, b in zip(stated, proved, strict=True))
    return type(stated) is type(proved) and bool(stated == proved)
