"""Exact fits of rational numbers: products of powers by their prime factors, ratios of polynomials by linear algebra.

No tolerance enters: a fit explains every number exactly, or it is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product
from math import prod

from flint import fmpq, fmpq_mat, fmpz

from verify.discover.laws import Form, Power, Terms, Values, evaluate, primitive

__all__ = ["CONSTANTS", "monomial", "polynomial_in", "rank", "rational_functions"]

CONSTANTS = (2, 3, 5, 7)
"""Primes of which the constant factor may be made."""
SPARE = 2
"""Equations that a rational function must satisfy beyond those that determine it."""


def valuations(number: Fraction) -> dict[int, int]:
    """Exponents of the primes of a rational that is not 0.

    Examples
    --------
    >>> valuations(Fraction(-12, 5))
    {2: 2, 3: 1, 5: -1}
    """
    found = {int(p): e for p, e in fmpz(abs(number.numerator)).factor() if p > 1}
    return found | {int(p): -e for p, e in fmpz(number.denominator).factor()}


def equations(values: Values, bases: Sequence[str], index: str | None) -> dict[int, list[Fraction]]:
    """One equation for the exponents per prime of a configuration; with an index two unknowns per base."""
    primes = [valuations(values[base]) for base in bases]
    seen = sorted({*CONSTANTS, *(p for found in primes for p in found)})
    rows = {}
    for p in seen:
        row = [Fraction(found.get(p, 0)) for found in primes] + [Fraction(int(p == c)) for c in CONSTANTS]
        rows[p] = row + [e * values[index] for e in row] if index else row
    return rows


def rank(rows: Sequence[Sequence[Fraction]]) -> int:
    """Rank of a rational matrix.

    Examples
    --------
    >>> rank([[Fraction(1), Fraction(2)], [Fraction(2), Fraction(4)]])
    1
    """
    return int(_matrix(rows).rank()) if rows else 0


def _matrix(rows: Sequence[Sequence[Fraction]]) -> fmpq_mat:
    return fmpq_mat([[fmpq(a.numerator, a.denominator) for a in row] for row in rows])


def solve(rows: Sequence[Sequence[Fraction]]) -> list[Fraction] | None:
    """The one solution of equations [coefficients..., right side], None if there is none or more than one."""
    reduced, found = _matrix(rows).rref()
    n = len(rows[0]) - 1
    if found < n or (found > n):
        return None
    if any(reduced[i, j] != int(i == j) for i in range(n) for j in range(n)):
        return None
    return [Fraction(int(reduced[i, n].p), int(reduced[i, n].q)) for i in range(n)]


def monomial(
    configurations: Sequence[Values], numbers: Sequence[Fraction], bases: Sequence[str], index: str | None = None
) -> Form | None:
    """The one product of powers of the bases, with exponents linear in the index, equal to every number.

    Examples
    --------
    >>> at = [{"n": Fraction(a), "N": Fraction(b)} for a, b in ((11, 13), (17, 19), (23, 39))]
    >>> monomial(at, [3 * v["n"] / v["N"] ** 2 for v in at], ["n", "N"]).text()
    '3*n/N**2'
    """
    signs = {r > 0 for r in numbers}
    if len(signs) > 1 or not all(numbers):
        return None
    rows: dict[tuple[Fraction, ...], None] = {}
    for values, number in zip(configurations, numbers, strict=True):
        right, left = valuations(number), equations(values, bases, index)
        if not set(right) <= set(left):
            return None
        rows |= {(*row, Fraction(right.get(p, 0))): None for p, row in left.items()}
    found = solve(list(rows))
    if found is None:
        return None
    names = [*bases, *map(str, CONSTANTS)]
    slopes = found[len(names) :] or [Fraction(0)] * len(names)
    powers = tuple(Power(n, e, s) for n, e, s in zip(names, found, slopes, strict=False) if e or s)
    return Form(powers, 1 if signs == {True} else -1, index)


def private_powers(
    configurations: Sequence[Values], numbers: Sequence[Fraction], bases: Sequence[str]
) -> tuple[Power, ...]:
    """Exponent of each base, read at primes that divide no other base; 0 unless most of them agree.

    A proposal for the monomial in front of a polynomial: the polynomial is rarely divisible by such a prime.
    """
    votes: dict[str, Counter[Fraction]] = {base: Counter() for base in bases}
    for values, number in zip(configurations, numbers, strict=True):
        right = valuations(number)
        primes = {base: valuations(values[base]) for base in bases}
        for base, found in primes.items():
            for p, e in found.items():
                if p > 3 and not any(p in other for name, other in primes.items() if name != base):
                    votes[base][Fraction(right.get(p, 0), e)] += 1
    powers = []
    for base, counter in votes.items():
        if counter:
            exponent, agreeing = counter.most_common(1)[0]
            if exponent and exponent.denominator == 1 and agreeing >= 2 and 3 * agreeing >= 2 * sum(counter.values()):
                powers.append(Power(base, exponent))
    return tuple(powers)


def rational_functions(
    configurations: Sequence[Values], numbers: Sequence[Fraction], bases: Sequence[str]
) -> Iterator[Form]:
    """Products of powers times a polynomial, or a ratio of two, equal to every number; in up to three of the bases.

    Examples
    --------
    >>> at = [{"k": Fraction(a), "K": Fraction(b)} for a in (1, 2, 3, 5) for b in (7, 11, 13)]
    >>> forms = rational_functions(at, [(v["K"] ** 2 + v["k"]) / v["k"] for v in at], ["k", "K"])
    >>> next(forms).text()
    '(K**2 + k)/k'
    """
    powers = private_powers(configurations, numbers, bases)
    for front in [powers, ()] if powers else [()]:
        scale = Form(front)
        rest = [r / scale(values) for r, values in zip(numbers, configurations, strict=True)]
        for size, degrees in SHAPES:
            for variables in combinations(bases, min(size, len(bases))):
                points = [[values[v] for v in variables] for values in configurations]
                terms = ratio(points, rest, *degrees)
                if terms is not None:
                    yield _form(front, variables, *terms)


def polynomial_in(form: Form, configurations: Sequence[Values], numbers: Sequence[Fraction]) -> Form | None:
    """Polynomial of degree up to 3 in a product of whole powers that equals every number, written out.

    Examples
    --------
    >>> at = [{"n": Fraction(a)} for a in range(1, 9)]
    >>> polynomial_in(Form((Power("n", Fraction(2)),)), at, [v["n"] ** 4 - v["n"] ** 2 / 3 for v in at]).text()
    '(3*n**4 - n**2)/3'
    """
    primes = {str(p): Fraction(p) for p in CONSTANTS}
    number = Form(tuple(p for p in form.powers if p.base.isdigit()), form.sign)(primes)
    letters = [p for p in form.powers if not p.base.isdigit()]
    if form.top or form.index or any(p.constant.denominator > 1 or p.constant < 0 for p in letters):
        return None
    points = [[form(values)] for values in configurations]
    for degree in (1, 2, 3):
        found = ratio(points, numbers, degree, 0)
        if found is not None:
            whole = tuple((tuple(int(p.constant) * e for p in letters), c * number**e) for (e,), c in found[0])
            ((_, below),) = found[1]
            return _form((), tuple(p.base for p in letters), whole, (((0,) * len(letters), below),))
    return None


SHAPES = (
    *((n, (degree, 0)) for degree in (1, 2, 3) for n in (1, 2)),
    *((3, (degree, 0)) for degree in (1, 2)),
    *((1, (degree, degree)) for degree in (1, 2, 3)),
    *((2, (degree, degree)) for degree in (1, 2)),
)
"""Number of variables, total degrees above and below the fraction bar."""


def exponents(variables: int, degree: int) -> list[tuple[int, ...]]:
    """Exponents of all monomials up to a total degree, highest first."""
    found = [e for e in product(range(degree + 1), repeat=variables) if sum(e) <= degree]
    return sorted(found, key=lambda e: (-sum(e), [-a for a in e]))


def ratio(
    points: Sequence[Sequence[Fraction]], numbers: Sequence[Fraction], above: int, below: int
) -> tuple[Terms, Terms] | None:
    """The one ratio of polynomials of these total degrees equal to every number, None unless it is overdetermined.

    Configurations that differ in other letters only are one equation.
    """
    top, bottom = (exponents(len(points[0]), degree) for degree in (above, below))
    different = dict.fromkeys((tuple(point), r) for point, r in zip(points, numbers, strict=True))
    if len(different) < len(top) + len(bottom) - 1 + SPARE:
        return None
    rows = []
    for point, r in different:
        at = [
            [prod((x**e for x, e in zip(point, exps, strict=True)), start=Fraction(1)) for exps in side]
            for side in (top, bottom)
        ]
        rows.append([*at[0], *(-r * a for a in at[1])])
    reduced, found = _matrix(rows).rref()
    n = len(rows[0])
    if found != n - 1:
        return None
    pivots = [next(j for j in range(n) if reduced[i, j] != 0) for i in range(found)]
    (free,) = set(range(n)) - set(pivots)
    solution = [Fraction(0)] * n
    solution[free] = Fraction(1)
    for i, j in enumerate(pivots):
        solution[j] = -Fraction(int(reduced[i, free].p), int(reduced[i, free].q))
    terms = list(zip([*top, *bottom], solution, strict=True))
    kept = tuple(tuple(t for t in side if t[1]) for side in (terms[: len(top)], terms[len(top) :]))
    # a denominator that vanishes says nothing about the number there
    return (kept[0], kept[1]) if all(kept) and all(evaluate(kept[1], point) for point in points) else None


def _form(front: tuple[Power, ...], variables: tuple[str, ...], top: Terms, bottom: Terms) -> Form:
    """Form in whole coefficients without common content; a denominator of one term joins the powers in front."""
    content, top = primitive(top)
    below, bottom = primitive(bottom)
    content /= below
    top = tuple((e, c * abs(content.numerator)) for e, c in top)
    bottom = tuple((e, c * content.denominator) for e, c in bottom)
    if len(bottom) == 1:
        ((degrees, below),) = bottom
        powers = {power.base: power.constant for power in front}
        for v, e in zip(variables, degrees, strict=True):
            powers[v] = powers.get(v, Fraction(0)) - e
        front = tuple(Power(base, e) for base, e in powers.items() if e)
        bottom = () if below == 1 else (((0,) * len(variables), below),)
    return Form(front, 1 if content > 0 else -1, None, variables, top, bottom)
