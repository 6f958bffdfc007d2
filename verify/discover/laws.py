"""Closed forms: products of powers, times a ratio of polynomials; and numbers whose powers obey such coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from flint import arb, fmpz_poly

from verify.bracket import ball

__all__ = ["Form", "Law", "Power", "Values"]

Values = Mapping[str, Fraction]
"""Value of every base of a configuration: parameters, K, N, neighbours such as ``K - 1``, primes such as ``2``."""
Terms = tuple[tuple[tuple[int, ...], Fraction], ...]
"""Polynomial: exponents and coefficient of each term."""


@dataclass(frozen=True)
class Power:
    """``base ** (constant + slope * index)``."""

    base: str
    constant: Fraction
    slope: Fraction = Fraction(0)

    def exponent(self, index: Fraction) -> Fraction:
        """The exponent at a value of the index."""
        return self.constant + self.slope * index

    @property
    def complexity(self) -> int:
        """1 for the base, and the digits beyond 1 of its exponents."""
        return 1 + abs(_cost(self.constant) - 1) * bool(self.constant) + 2 * _cost(self.slope)


@dataclass(frozen=True)
class Form:
    """sign * product of powers * top/bottom; polynomials in ``variables``.

    Complexity (what ranks proposals): for a power 1 and numerator plus denominator of its exponent beyond 1 (those of a
    slope twice); for a polynomial per term 1, its degree, and the bits of its coefficient.

    Examples
    --------
    >>> form = Form((Power("n", Fraction(1)), Power("N", Fraction(-2))))
    >>> form.text(), form.complexity, form({"n": Fraction(9), "N": Fraction(6)})
    ('n/N**2', 3, Fraction(1, 4))
    """

    powers: tuple[Power, ...] = ()
    sign: int = 1
    index: str | None = None
    variables: tuple[str, ...] = ()
    top: Terms = ()
    bottom: Terms = ()

    def __call__(self, values: Values) -> Any:
        """Value: a rational where all exponents are whole, else a ball.

        Raises
        ------
        ZeroDivisionError
            If the form is not defined there.
        """
        index = values[self.index] if self.index else Fraction(0)
        result: Any = Fraction(self.sign)
        for power in self.powers:
            e, base = power.exponent(index), values[power.base]
            if e.denominator == 1:
                result *= base ** int(e)
            else:
                result = (result if isinstance(result, arb) else ball(result)) * ball(base) ** ball(e)
        for terms, direction in ((self.top, 1), (self.bottom, -1)):
            if terms:
                factor = evaluate(terms, [values[v] for v in self.variables]) ** direction
                result *= ball(factor) if isinstance(result, arb) else factor
        return result

    @property
    def bases(self) -> set[str]:
        """Names that occur."""
        used = {
            v
            for terms in (self.top, self.bottom)
            for e, _ in terms
            for v, d in zip(self.variables, e, strict=True)
            if d
        }
        return used | {p.base for p in self.powers if not p.base.isdigit()}

    @property
    def complexity(self) -> int:
        """See the class."""
        polynomials = sum(1 + sum(e) + _bits(c) - 1 for terms in (self.top, self.bottom) for e, c in terms)
        return sum(p.complexity for p in self.powers) + polynomials

    def sides(self) -> tuple[list[str], list[str]]:
        """Factors above and below the fraction bar, as SymPy reads them; whole numbers first, without the sign."""
        above: list[str] = []
        below: list[str] = []
        number = Fraction(1)
        for p in self.powers:
            if p.base.isdigit() and not p.slope and p.constant.denominator == 1:
                number *= Fraction(p.base) ** int(p.constant)
                continue
            down = p.slope < 0 or (not p.slope and p.constant < 0)
            e = Power(p.base, -p.constant, -p.slope) if down else p
            (below if down else above).append(_factor(e, self.index))
        for terms, side in ((self.top, above), (self.bottom, below)):
            if len(terms) == 1 and not any(terms[0][0]):
                number = number * terms[0][1] if side is above else number / terms[0][1]
            elif terms:
                text = _polynomial(terms, self.variables)
                side.append(f"({text})" if len(terms) > 1 else text)
        for whole, side in ((number.numerator, above), (number.denominator, below)):
            if whole != 1:
                side.insert(0, str(whole))
        return above, below

    def text(self) -> str:
        """The form as SymPy reads it."""
        above, below = self.sides()
        top = ("-" if self.sign < 0 else "") + ("*".join(above) or "1")
        if not below:
            return top
        single = len(below) == 1 and "*" not in below[0].replace("**", "")
        return f"{top}/{below[0]}" if single else f"{top}/({'*'.join(below)})"


@dataclass(frozen=True)
class Law:
    """unknown^degree = sum of forms[i] unknown^i; the zero meant is the ``root``-th largest real one (0: the largest).

    Examples
    --------
    >>> law = Law("lam", 2, {0: Form((Power("n", Fraction(1)), Power("N", Fraction(-2))))})
    >>> law.equation(), law({"n": Fraction(9), "N": Fraction(6)}).str(5)
    ('lam**2*N**2 = n', '0.50000')
    """

    unknown: str
    degree: int
    forms: Mapping[int, Form]
    root: int = 0

    @property
    def binomial(self) -> bool:
        """Whether the law is one power equal to one form."""
        return set(self.forms) == {0}

    @property
    def complexity(self) -> int:
        """Complexities of the forms, the power or powers of the unknown."""
        return self.degree * (1 if self.binomial else 2) - 1 + sum(f.complexity for f in self.forms.values())

    @property
    def bases(self) -> set[str]:
        """Names that occur on the right."""
        return {base for form in self.forms.values() for base in form.bases}

    def __call__(self, values: Values) -> arb:
        """The predicted number as a ball.

        Raises
        ------
        ArithmeticError
            If the law defines none there.
        """
        forms = {i: form(values) for i, form in self.forms.items()}
        if self.binomial:
            number = forms[0] if isinstance(forms[0], arb) else ball(forms[0])
            return number.root(self.degree) if self.degree > 1 else number
        roots = real_roots([-Fraction(forms.get(i, 0)) for i in range(self.degree)] + [Fraction(1)])
        if self.root >= len(roots):
            raise ArithmeticError("fewer real zeros than the law names")
        return roots[self.root]

    def equation(self, common: tuple[str, Sequence[str]] | None = None) -> str:
        """The law as an equation, denominators multiplied out.

        Parameters
        ----------
        common : a symbol and the bases that it stands for besides the unknown: the law where all of them are equal.
        """
        if not self.binomial:
            powers = {0: "", 1: f"*{self.unknown}"}
            terms = [form.text() + powers.get(i, f"*{self.unknown}**{i}") for i, form in sorted(self.forms.items())]
            return f"{self.unknown}**{self.degree} = " + " + ".join(terms).replace("+ -", "- ")
        form, e = self.forms[0], Power(self.unknown, Fraction(self.degree))
        if common is not None:
            shared = [p for p in form.powers if p.base in common[1]]
            constant, slope = e.constant - sum(p.constant for p in shared), -sum(p.slope for p in shared)
            form = Form(
                tuple(p for p in form.powers if p not in shared),
                form.sign, form.index, form.variables, form.top, form.bottom,
            )  # fmt: skip
            e = Power(common[0], Fraction(constant), Fraction(slope))
        above, below = form.sides()
        if form.sign > 0 and len(above) == 1 and above[0].startswith("("):
            above = [above[0][1:-1]]
        sign = "-" if form.sign < 0 else ""
        return f"{'*'.join([_factor(e, form.index), *below])} = {sign}{'*'.join(above) or '1'}"


def real_roots(coefficients: Sequence[Fraction]) -> list[arb]:
    """Simple real zeros of a polynomial, largest first."""
    scale = lcm(*(c.denominator for c in coefficients))
    polynomial = fmpz_poly([int(c * scale) for c in coefficients])
    found = [z.real for z, _ in polynomial.complex_roots() if z.imag.is_zero() or z.imag.contains(0)]
    return sorted(found, key=lambda z: -float(z.mid()))


def evaluate(terms: Terms, point: Sequence[Fraction]) -> Fraction:
    """Value of a polynomial."""
    value = Fraction(0)
    for exponents, coefficient in terms:
        for x, e in zip(point, exponents, strict=True):
            coefficient *= x**e
        value += coefficient
    return value


def _cost(number: Fraction) -> int:
    return abs(number.numerator) + number.denominator - 1


def _bits(number: Fraction) -> int:
    return abs(number.numerator).bit_length() + number.denominator.bit_length() - 1


def _factor(power: Power, index: str | None) -> str:
    base = power.base if power.base.isidentifier() or power.base.isdigit() else f"({power.base})"
    slope = {Fraction(0): "", Fraction(1): str(index), Fraction(-1): f"-{index}"}.get(
        power.slope, f"{power.slope}*{index}"
    )
    constant = str(power.constant) if power.constant else ""
    if slope and constant:
        exponent = f"({slope} {'-' if power.constant < 0 else '+'} {abs(power.constant)})"
    else:
        exponent = slope or constant or "0"
        exponent = exponent if exponent.isidentifier() or exponent.isdigit() else f"({exponent})"
    return base if exponent == "1" else f"{base}**{exponent}"


def _polynomial(terms: Terms, variables: Sequence[str]) -> str:
    text = ""
    for exponents, c in terms:
        names = [v if e == 1 else f"{v}**{e}" for v, e in zip(variables, exponents, strict=True) if e]
        if abs(c) != 1 or not names:
            names.insert(0, str(abs(c)))
        text += f" {'-' if c < 0 else '+'} {'*'.join(names)}" if text else f"{'-' if c < 0 else ''}{'*'.join(names)}"
    return text


def primitive(terms: Terms) -> tuple[Fraction, Terms]:
    """Content with the sign of the first coefficient, and the polynomial without it."""
    content = Fraction(gcd(*(c.numerator for _, c in terms)), lcm(*(c.denominator for _, c in terms)))
    content *= 1 if terms[0][1] > 0 else -1
    return content, tuple((e, c / content) for e, c in terms)
