"""Derivations as executed steps: every identity and sign is verified in exact arithmetic, lemmas are named.

SymPy proposes; what counts is that the numerator of ``left - right``, expanded over the rationals in its
generators (symbols, exponentials, logarithms, square roots), is structurally zero. The only rewriting rules
used hold for all positive reals, so symbols in a derivation must be declared positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

__all__ = ["Derivation", "Identity", "Lemma", "Positive", "is_zero"]


@dataclass(frozen=True)
class Identity:
    """left = right for all values of the symbols."""

    text: str
    left: sp.Expr
    right: sp.Expr

    def verify(self) -> bool:
        """Whether the identity holds, by exact expansion (entry by entry for matrices)."""
        left, right = self.left, self.right
        if isinstance(left, sp.MatrixBase):
            return left.shape == right.shape and all(is_zero(entry) for entry in left - right)
        return is_zero(left - right)

    def latex(self) -> str:
        """Both sides as LaTeX."""
        return f"{sp.latex(self.left)} = {sp.latex(self.right)}"


@dataclass(frozen=True)
class Positive:
    """``expression`` > 0 (or >= 0) for all positive values of its symbols.

    Verified when numerator and denominator expand to polynomials whose coefficients are all positive
    rationals; substitute ``nA = nB + s`` and the like to bring an inequality into this form.
    """

    text: str
    expression: sp.Expr
    strict: bool = True

    def verify(self) -> bool:
        """Whether all coefficients of numerator and denominator are positive (or the expression is 0 if not strict)."""
        numerator, denominator = sp.fraction(sp.cancel(sp.together(self.expression)))
        if numerator == 0:
            return not self.strict
        return all(_coefficients_positive(part) for part in (numerator, denominator))

    def latex(self) -> str:
        """The inequality as LaTeX."""
        relation = ">" if self.strict else r"\geq"
        return f"{sp.latex(self.expression)} {relation} 0"


@dataclass(frozen=True)
class Lemma:
    """A textbook fact, or another claim (its ID is the name), that the derivation uses and does not prove."""

    text: str
    name: str

    def verify(self) -> bool:
        """Return True: a lemma is not checked, it is named (and printed among what is assumed)."""
        return True

    def latex(self) -> str:
        """The name of the lemma."""
        return rf"\text{{{self.name}}}"


Step = Identity | Positive | Lemma


@dataclass(frozen=True)
class Derivation:
    """Steps of an argument.

    Attributes
    ----------
    steps : in reading order.
    complete : True when the steps and the named lemmas prove the statement for the whole family; False when
        they verify its algebra only (then the symbolic route alone never yields ``proved``).
    gap : what is missing when not complete.
    """

    steps: tuple[Step, ...]
    complete: bool = True
    gap: str = ""

    @property
    def assumes(self) -> tuple[str, ...]:
        """Names of the lemmas used: textbook facts, and claims that the claim rests on."""
        return tuple(dict.fromkeys(step.name for step in self.steps if isinstance(step, Lemma)))

    def failures(self) -> list[Step]:
        """Steps that exact arithmetic does not confirm."""
        return [step for step in self.steps if not step.verify()]


def is_zero(expression: sp.Expr) -> bool:
    """Whether an expression is identically zero for all positive values of its symbols.

    True is a proof; False means that the normal form is not zero.

    Raises
    ------
    ValueError
        If a symbol is not declared positive or real.

    Examples
    --------
    >>> a, k = sp.symbols("a k", positive=True)
    >>> is_zero(sp.exp(-a * (k - 1) / k) - sp.exp(a / k) / sp.exp(a))
    True
    >>> is_zero(sp.log(a / k) - sp.log(a) + sp.log(k) * 2)
    False
    """
    for symbol in expression.free_symbols:
        if not (symbol.is_positive or symbol.is_real):
            raise ValueError(f"{symbol}: declare symbols of a derivation real or positive")
    expression = sp.expand_log(sp.sympify(expression))
    numerator = sp.fraction(sp.together(sp.expand(expression)))[0]
    if sp.expand(numerator) == 0:
        return True
    return bool(sp.expand(sp.fraction(sp.cancel(sp.together(sp.powsimp(numerator))))[0]) == 0)


def _coefficients_positive(expression: sp.Expr) -> bool:
    if any(not symbol.is_positive for symbol in expression.free_symbols):
        return False
    terms = sp.Add.make_args(sp.expand(expression))
    coefficients = [term.as_coeff_Mul() for term in terms]
    return all(c.is_Rational and c > 0 and rest.is_positive for c, rest in coefficients)
