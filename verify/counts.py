"""Class counts, class weights and numbers as they are written on the command line, all exact.

Counts come as runs (value, repeat): 10^7 equal classes cost one entry.
"""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fractions import Fraction
from itertools import groupby
from math import gcd
from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "InputError",
    "parse_counts",
    "parse_multipliers",
    "parse_number",
    "parse_profile",
    "parse_weights",
    "spans",
]

MAX_CLASSES = 10**7
MAX_DIGITS = 100
MAX_EXPONENT = 300
MAX_LENGTH = 1000
MAX_BYTES = 64 * 2**20
MAX_SHOWN = 60
SCHEME_DIGITS = 40

Value = TypeVar("Value")


class InputError(ValueError):
    """Unusable input; the message is one sentence that names the input and the rule."""


def parse_counts(text: str) -> list[tuple[int, int]]:
    """Read ``--counts``: ``500x5,100x5`` or ``@file.json`` or ``@file.csv``.

    Parameters
    ----------
    text : COUNT or COUNTxREPEAT, separated by commas; or @ and the path of a JSON array of integers, or of a CSV
        file with one count per line or with the columns class,count. UTF-8, at most 64 MB.

    Returns
    -------
    list of (count, repeat)
        In class order, neighbours of equal count joined.

    Raises
    ------
    InputError
        If a count is not a positive integer, there are fewer than 2 or more than 10^7 classes, or the file cannot be
        used.

    Examples
    --------
    >>> parse_counts("500x5,100x5")
    [(500, 5), (100, 5)]
    >>> parse_counts("9,9,4")
    [(9, 2), (4, 1)]
    """
    if text.startswith("@"):
        return _checked([(count, 1) for count in _read(Path(text[1:]))], "counts")
    return _checked(list(_items(text, "counts", _count)), "counts")


def parse_profile(text: str) -> list[tuple[int, int]]:
    """Read ``--profile``: ``exp:NMAX:NMIN:K`` or ``step:NMAX:NMIN:K``.

    ``exp`` is n_k = floor(n_max (n_min/n_max)^(k/(K-1))), the floor of the exact real number; ``step`` gives the
    first ceil(K/2) classes n_max and the others n_min.

    Returns
    -------
    list of (count, repeat)
        In class order.

    Raises
    ------
    InputError
        If the text has another form, NMAX < NMIN, or K is not between 2 and 10^7.

    Examples
    --------
    >>> parse_profile("exp:1000:1:4")
    [(1000, 1), (100, 1), (10, 1), (1, 1)]
    >>> parse_profile("step:500:5:5")
    [(500, 3), (5, 2)]
    """
    match = re.fullmatch(r"(exp|step):([^:]*):([^:]*):([^:]*)", text)
    if match is None:
        raise InputError(f"profile: {_shown(text)} is not exp:NMAX:NMIN:K or step:NMAX:NMIN:K.")
    largest, smallest = _count(match[2], "profile"), _count(match[3], "profile")
    K = _integer(match[4], "profile", "the number of classes")
    if largest < smallest:
        raise InputError(f"profile: NMAX = {_shown(match[2])} is smaller than NMIN = {_shown(match[3])}.")
    if not 2 <= K <= MAX_CLASSES:
        raise InputError(f"profile: K = {_shown(match[4])} is not between 2 and {MAX_CLASSES}.")
    if match[1] == "exp":
        return _join(_exponential(largest, smallest, 0, K - 1, K - 1))
    return _join([(largest, (K + 1) // 2), (smallest, K // 2)])


def parse_weights(text: str, K: int, name: str = "class-weights", zero: bool = False) -> list[tuple[Fraction, int]]:
    """Read ``--class-weights``: one exact positive rational per class, ``1x5,5/2x5``; with ``zero`` 0 is allowed.

    Parameters
    ----------
    text : WEIGHT or WEIGHTxREPEAT, separated by commas, in class order.
    K : number of classes.
    name : the option, for messages.

    Raises
    ------
    InputError
        If a weight is not a positive number or there are not exactly K of them.

    Examples
    --------
    >>> parse_weights("1x5,5/2x5", 10)
    [(Fraction(1, 1), 5), (Fraction(5, 2), 5)]
    """

    def read(item: str, name: str) -> Fraction:
        return Fraction(0) if zero and item == "0" else parse_number(item, name)

    weights = _join(_items(text, name, read))
    total = sum(repeat for _, repeat in weights)
    if total != K:
        raise InputError(f"{name}: {total} {'weights' if 'weights' in name else 'values'} are given for {K} classes.")
    return weights


SCHEMES = ("inverse", "sqrt-inverse", "effective")


def parse_multipliers(
    text: str, counts: Sequence[tuple[int, int]], name: str, zero: bool = False
) -> list[tuple[Fraction, int]]:
    """Read ``--class-weights`` and its like: explicit numbers, or a scheme of the class sizes n.

    ``inverse`` is proportional to 1/n, ``sqrt-inverse`` to 1/sqrt(n), ``effective:B`` to (1 - B)/(1 - B^n) with B
    between 0 and 1 (effective number of samples). A scheme is scaled so that the mean over all samples is 1.
    ``inverse`` is exact; the others are irrational, or have thousands of digits, and are rounded to 40 digits.

    Parameters
    ----------
    text : as for :func:`parse_weights`, or the name of a scheme.
    counts : (size, repeat) pairs, in class order.
    name : the option, for messages.

    Raises
    ------
    InputError
        If the text is neither.

    Examples
    --------
    >>> parse_multipliers("inverse", [(6, 1), (3, 2)], "class-weights")
    [(Fraction(2, 3), 1), (Fraction(4, 3), 2)]
    >>> [round(float(w), 6) for w, _ in parse_multipliers("effective:0.9", [(6, 1), (3, 2)], "class-weights")]
    [0.732869, 1.267131]
    """
    scheme, colon, parameter = text.strip().partition(":")
    if scheme not in SCHEMES or (scheme != "effective" and colon):
        if near := get_close_matches(scheme, SCHEMES, n=1):
            raise InputError(f"{name}: {_shown(text)} is no scheme; did you mean {near[0]}?")
        return parse_weights(text, sum(repeat for _, repeat in counts), name, zero)
    if scheme == "effective":
        if not parameter:
            raise InputError(f"{name}: effective needs its number B between 0 and 1, such as effective:0.999")
        beta = parse_number(parameter, name)
        if beta >= 1:
            raise InputError(f"{name}: B in effective:B is between 0 and 1, not {_shown(parameter)}.")
    else:
        beta = Fraction(0)
    largest = max(size for size, _ in counts)
    raw = [(_scheme(scheme, size, beta, largest), repeat) for size, repeat in counts]
    samples = sum(size * repeat for size, repeat in counts)
    terms = (value * size * repeat for (value, repeat), (size, _) in zip(raw, counts, strict=True))
    mean = sum(terms, Fraction(0)) / samples
    exact = scheme == "inverse"
    return _join((value / mean if exact else _rounded(value / mean), repeat) for value, repeat in raw)


def _scheme(scheme: str, size: int, beta: Fraction, largest: int) -> Fraction:
    """Unscaled weight of a class, exact or to some 60 digits."""
    from flint import arb, ctx, fmpq

    if scheme == "inverse":
        return Fraction(largest, size)
    before, ctx.prec = ctx.prec, 256 + 2 * largest.bit_length()
    try:
        if scheme == "sqrt-inverse":
            value = (arb(largest) / arb(size)).sqrt()
        else:
            base = arb(fmpq(beta.numerator, beta.denominator))
            value = 1 / -(arb(size) * base.log()).expm1()
        mantissa, exponent = (int(part) for part in value.mid().man_exp())
    finally:
        ctx.prec = before
    return Fraction(mantissa) * Fraction(2) ** exponent


def _rounded(value: Fraction) -> Fraction:
    """The value to 40 significant digits."""
    places = SCHEME_DIGITS - len(str(int(value))) if value >= 1 else SCHEME_DIGITS
    scale = Fraction(10) ** places
    return Fraction(round(value * scale)) / scale


def parse_number(text: str, name: str, *, zero: bool = False) -> Fraction:
    """Read an exact positive number: ``1/300``, ``0.0005`` or ``5e-4``.

    Parameters
    ----------
    text : decimal (exponent at most 300 in size) or fraction of integers, at most 1000 characters.
    name : the option, for the message.
    zero : whether 0 is allowed.

    Raises
    ------
    InputError
        If the text is not such a number or the number is not positive.

    Examples
    --------
    >>> parse_number("1/300", "lam"), parse_number("5e-4", "lam")
    (Fraction(1, 300), Fraction(1, 2000))
    """
    text = text.strip()
    if len(text) > MAX_LENGTH:
        raise InputError(f"{name}: a number of {len(text)} characters is longer than {MAX_LENGTH}.")
    if not re.fullmatch(r"[+-]?([0-9]+/[0-9]+|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)", text):
        raise InputError(f"{name}: {_shown(text)} is not a number such as 1/300, 0.0005 or 5e-4.")
    exponent = re.split("[eE]", text)[1:]
    if exponent and (len(exponent[0]) > 5 or abs(int(exponent[0])) > MAX_EXPONENT):
        raise InputError(f"{name}: the exponent of {_shown(text)} is larger than {MAX_EXPONENT}.")
    try:
        number = Fraction(text)
    except ZeroDivisionError:
        raise InputError(f"{name}: {_shown(text)} divides by zero.") from None
    if number < 0 or (number == 0 and not zero):
        raise InputError(f"{name}: {_shown(text)} is {'negative' if zero else 'not positive'}.")
    return number


def _items(text: str, name: str, read: Any) -> Iterable[tuple[Any, int]]:
    """(value, repeat) of each VALUE or VALUExREPEAT."""
    if not text.strip():
        raise InputError(f"{name}: nothing is given, write for instance 500x5,100x5.")
    for item in text.split(","):
        value, times, repeat = item.strip().rpartition("x")
        if times:
            yield read(value, name), _integer(repeat, name, f"the repeat in {_shown(item)}")
        else:
            yield read(item.strip(), name), 1


def _count(text: str, name: str) -> int:
    return _integer(text, name, "a count")


def _integer(text: str, name: str, what: str) -> int:
    """Positive integer of at most 100 digits."""
    if not re.fullmatch(r"\s*[0-9]+\s*", text):
        raise InputError(f"{name}: {what} must be a positive integer, not {_shown(text)}.")
    if len(text.strip()) > MAX_DIGITS:
        raise InputError(f"{name}: {what} must have at most {MAX_DIGITS} digits, not {len(text.strip())}.")
    if int(text) == 0:
        raise InputError(f"{name}: {what} must be at least 1, not 0.")
    return int(text)


def _checked(runs: Sequence[tuple[int, int]], name: str) -> list[tuple[int, int]]:
    """Runs, joined, with 2 to 10^7 classes."""
    K = sum(repeat for _, repeat in runs)
    if K < 2:
        raise InputError(f"{name}: at least two classes are needed, {K} given.")
    if K > MAX_CLASSES:
        raise InputError(f"{name}: at most {MAX_CLASSES} classes are allowed, {K if K < 10**30 else 'far more'} given.")
    return _join(runs)


def _join(runs: Iterable[tuple[Value, int]]) -> list[tuple[Value, int]]:
    return [(value, sum(r for _, r in group)) for value, group in groupby(runs, key=lambda run: run[0])]


def _read(path: Path) -> list[int]:
    """Counts of a JSON or CSV file."""
    name = f"counts file {path}"
    readers = {".json": _from_json, ".csv": _from_csv}
    if path.suffix.lower() not in readers:
        raise InputError(f"{name}: the name must end in .json or .csv.")
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise InputError(f"{name}: this is not a file.")
        if info.st_size > MAX_BYTES:
            raise InputError(f"{name}: {info.st_size} bytes are more than the {MAX_BYTES} allowed.")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name}: the file is not UTF-8 text.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{name}: the file cannot be read ({reason}).") from None
    return readers[path.suffix.lower()](text, name)


def _from_json(text: str, name: str) -> list[int]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: this is not JSON that can be read ({_first_line(error)}).") from None
    if not isinstance(data, list):
        raise InputError(f"{name}: the JSON must be an array of integers, not {_json_type(data)}.")
    if len(data) > MAX_CLASSES:
        raise InputError(f"{name}: at most {MAX_CLASSES} classes are allowed, {len(data)} given.")
    for position, value in enumerate(data):
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{name}: entry {position} must be an integer, not {_json_type(value)}.")
        if not 1 <= value < 10**MAX_DIGITS:
            raise InputError(f"{name}: entry {position} must be positive with at most {MAX_DIGITS} digits.")
    return data


def _from_csv(text: str, name: str) -> list[int]:
    """One count per line, or a header class,count and its columns; classes are numbered in the order of the lines."""
    counts: list[int] = []
    labels: set[str] | None = None
    try:
        for line, row in enumerate(csv.reader(io.StringIO(text), strict=True), 1):
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not counts and labels is None and [cell.lower() for cell in cells] == ["class", "count"]:
                labels = set()
                continue
            if len(cells) != (1 if labels is None else 2):
                expected = "one count" if labels is None else "class,count"
                raise InputError(f"{name}: line {line} must hold {expected} (two columns need the header class,count).")
            if labels is not None and cells[0] in labels:
                raise InputError(f"{name}: line {line} repeats the class {_shown(cells[0])}.")
            if labels is not None:
                labels.add(cells[0])
            counts.append(_integer(cells[-1], name, f"the count in line {line}"))
            if len(counts) > MAX_CLASSES:
                raise InputError(f"{name}: at most {MAX_CLASSES} classes are allowed.")
    except csv.Error as error:
        raise InputError(f"{name}: this is not CSV that can be read ({_first_line(error)}).") from None
    return counts


def _exponential(largest: int, smallest: int, first: int, last: int, steps: int) -> list[tuple[int, int]]:
    """Runs of the profile between two classes: the profile falls, so equal ends are one run."""
    ends = [_profile_floor(largest, smallest, k, steps) for k in (first, last)]
    if ends[0] == ends[1]:
        return [(ends[0], last - first + 1)]
    if last - first == 1:
        return [(ends[0], 1), (ends[1], 1)]
    middle = (first + last) // 2
    left = _exponential(largest, smallest, first, middle, steps)
    return left + _exponential(largest, smallest, middle + 1, last, steps)


def _profile_floor(largest: int, smallest: int, k: int, steps: int) -> int:
    """Exact floor of largest (smallest/largest)^(k/steps).

    With k/steps = a/q in lowest terms the number is the q-th root of the integer largest^(q-a) smallest^a. It can be
    rational only if the ratio in lowest terms is a q-th power, so q <= log2(largest); then the integer root is taken.
    Otherwise it is irrational and balls of growing precision separate it from every integer.
    """
    from flint import arb, ctx, fmpz

    common = gcd(k, steps)
    a, q = k // common, steps // common
    if q <= largest.bit_length() or largest == smallest:
        q, a = (1, 0) if largest == smallest else (q, a)
        return int((fmpz(largest) ** (q - a) * fmpz(smallest) ** a).root(q))
    before, bits = ctx.prec, largest.bit_length() + 32
    try:
        while True:
            ctx.prec = bits
            value = (((q - a) * arb(largest).log() + a * arb(smallest).log()) / q).exp().floor().unique_fmpz()
            if value is not None:
                return int(value)
            bits *= 2
    finally:
        ctx.prec = before


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a Boolean", float: "a decimal number"}
    return "null" if value is None else names.get(type(value), "an integer")


def _first_line(error: BaseException) -> str:
    return _clip(str(error).splitlines()[0] if str(error) else type(error).__name__)


def _shown(text: str) -> str:
    return repr(_clip(text))


def _clip(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def spans(classes: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending class numbers as [first, last] of what follows without a gap.

    Examples
    --------
    >>> spans([0, 1, 2, 5])
    [(0, 2), (5, 5)]
    """
    found: list[tuple[int, int]] = []
    for k in classes:
        found = [*found[:-1], (found[-1][0], k)] if found and found[-1][1] + 1 == k else [*found, (k, k)]
    return found
