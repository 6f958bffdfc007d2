"""Terms of a refutation (:mod:`verify.kernel.refutation`) by operator: pointers to facts, numbers, SymPy expressions.

A term carries its ball as well, so that the readers of claims, which expect balls, can run on terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import sympy as sp
from flint import arb, fmpq
from numpy.typing import NDArray

from theory.problem import Problem

__all__ = ["Term", "Untraceable", "gram", "index", "lift", "logits", "pointer", "samples", "translate", "x2"]

Array = NDArray[Any]


class Untraceable(Exception):
    """An expression that the kernel's terms cannot say."""


class Term:
    """A JSON tree and, where known, the ball it stands for.

    Examples
    --------
    >>> (pointer("/0/bounds") * 2 + 0).tree
    ['*', '/0/bounds', '2']
    """

    compared: ClassVar[list[list[Any]]] = []
    """Comparisons that came out true, as statements: what a reader's choices rest on."""

    def __init__(self, tree: Any, value: Any = None) -> None:
        self.tree, self.value = tree, arb("nan") if value is None else value

    @property
    def number(self) -> Fraction | None:
        """The rational number, for a constant."""
        return Fraction(self.tree) if isinstance(self.tree, str) and not self.tree.startswith("/") else None

    def __add__(self, other: Any) -> Term:
        other = lift(other)
        if 0 in (self.number, other.number):
            return other if self.number == 0 else self
        return _combine("+", self, other)

    def __mul__(self, other: Any) -> Term:
        other = lift(other)
        if 0 in (self.number, other.number):
            return lift(0)
        if 1 in (self.number, other.number):
            return other if self.number == 1 else self
        return _combine("*", self, other)

    def __sub__(self, other: Any) -> Term:
        other = lift(other)
        return self if other.number == 0 else _combine("-", self, other)

    def __truediv__(self, other: Any) -> Term:
        other = lift(other)
        return self if other.number == 1 else _combine("/", self, other)

    def __rsub__(self, other: Any) -> Term:
        return lift(other) - self

    def __rtruediv__(self, other: Any) -> Term:
        return lift(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Term:
        return self * -1

    def __pow__(self, exponent: int) -> Term:
        product = lift(1)
        for _ in range(exponent):
            product = product * self
        return product

    def exp(self) -> Term:
        """Exponential."""
        return Term(["exp", self.tree], self.value.exp())

    def log(self) -> Term:
        """Natural logarithm."""
        return Term(["log", self.tree], self.value.log())

    def sqrt(self) -> Term:
        """Square root."""
        return Term(["sqrt", self.tree], self.value.sqrt())

    def union(self, other: Any) -> Term:
        """The two ends of one interval."""
        if other.tree != self.tree:
            raise Untraceable("an interval between two different terms")
        return self

    def is_finite(self) -> bool:
        """Whether the ball is finite."""
        return bool(self.value.is_finite())

    def __lt__(self, other: Any) -> bool:
        return self._compare("<", bool(self.value < lift(other).value), other)

    def __gt__(self, other: Any) -> bool:
        return self._compare(">", bool(self.value > lift(other).value), other)

    def _compare(self, sign: str, true: bool, other: Any) -> bool:
        statement = [self.tree, sign, lift(other).tree]
        if true and statement not in Term.compared:
            Term.compared.append(statement)
        return true


FOLDS = {"+": Fraction.__add__, "-": Fraction.__sub__, "*": Fraction.__mul__, "/": Fraction.__truediv__}
OPERATIONS = {"+": arb.__add__, "-": arb.__sub__, "*": arb.__mul__, "/": arb.__truediv__}


def _combine(name: str, left: Term, right: Term) -> Term:
    """Constants are folded, sums and products flattened."""
    if left.number is not None and right.number is not None and (name != "/" or right.number):
        return lift(FOLDS[name](left.number, right.number))
    parts: list[Any] = []
    for term in (left, right):
        nested = name in "+*" and isinstance(term.tree, list) and term.tree[0] == name
        parts += term.tree[1:] if nested else [term.tree]
    return Term([name, *parts], OPERATIONS[name](left.value, right.value))


def lift(value: Any) -> Term:
    """A term from an exact number.

    Raises
    ------
    Untraceable
        For a ball with a radius, or a float.

    Examples
    --------
    >>> lift(Fraction(1, 3)).tree, lift(arb("0.5")).tree
    ('1/3', '1/2')
    """
    if isinstance(value, Term):
        return value
    if isinstance(value, arb) and value.is_exact():
        mantissa, exponent = (int(part) for part in value.man_exp())
        value = Fraction(mantissa) * Fraction(2) ** exponent
    if isinstance(value, sp.Rational):
        value = Fraction(int(value.p), int(value.q))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int | np.integer | Fraction):
        raise Untraceable(f"not an exact number: {value}")
    exact = Fraction(int(value)) if not isinstance(value, Fraction) else value
    return Term(str(exact), arb(fmpq(exact.numerator, exact.denominator)))


def pointer(path: str, value: Any = None) -> Term:
    """A fact of a certificate, or a number of its problem.

    Examples
    --------
    >>> (1 - pointer("/0/facts/rank")).tree
    ['-', '1', '/0/facts/rank']
    """
    return Term(path, value)


def translate(expression: Any, env: Mapping[sp.Symbol, Any]) -> Term:
    """The term of a SymPy expression whose symbols stand for terms or exact numbers.

    Raises
    ------
    Untraceable
        For a function, or a value of a symbol, that terms do not know.

    Examples
    --------
    >>> k = sp.Symbol("k")
    >>> translate(sp.log(k - 1) / 2, {k: pointer("/0/options/dim")}).tree
    ['*', '1/2', ['log', ['+', '-1', '/0/options/dim']]]
    """
    if isinstance(expression, sp.Symbol):
        value = env[expression]
        return translate(value, env) if isinstance(value, sp.Basic) else lift(value)
    if isinstance(expression, sp.Rational):
        return lift(expression)
    parts = [translate(part, env) for part in expression.args] if isinstance(expression, sp.Basic) else []
    if isinstance(expression, sp.Add | sp.Mul):
        result = parts[0]
        for part in parts[1:]:
            result = result + part if isinstance(expression, sp.Add) else result * part
        return result
    if isinstance(expression, sp.exp | sp.log):
        return parts[0].exp() if isinstance(expression, sp.exp) else parts[0].log()
    if isinstance(expression, sp.Pow):
        return _power(parts[0], parts[1])
    raise Untraceable(f"no term for {type(expression).__name__}")


def _power(base: Term, exponent: Term) -> Term:
    number = exponent.number
    if number is None or number.denominator > 2:
        return (exponent * base.log()).exp()
    power = (base.sqrt() if number.denominator == 2 else base) ** abs(number.numerator)
    return power if number >= 0 else 1 / power


# --- where the kernel's facts are ------------------------------------------------------------------------------------

STATED = ("ce", "ce-relu", "layer-peeled", "uf-svm", "loss", "ce-sphere")
"""Models whose certificates state logits (``ce-sphere``: inner products)."""


def index(problem: Problem, k: int) -> int:
    """Number of the cluster of a class, in the kernel's order.

    Examples
    --------
    >>> index(Problem.ce([4, 9, 9], 1), 0)
    1
    """
    if problem.key in ("layer-peeled", "uf-svm"):
        strength = [n * (w if problem.key == "layer-peeled" else 1) for n, w in _classes(problem)]
        return sorted(set(strength), reverse=True).index(strength[k])
    return next(c for c, cluster in enumerate(problem.clusters) if k in cluster.members)


def _classes(problem: Problem) -> list[tuple[Fraction, Fraction]]:
    return list(zip(problem.sizes, problem.weights, strict=True))


def _table(problem: Problem, path: str, balls: Array | None) -> Array:
    """(K, K) pointers into a table of blocks, or of rows."""
    K = problem.K
    rows = np.empty((K, K), dtype=object)
    for j in range(K):
        for k in range(K):
            h, g = index(problem, j), index(problem, k)
            if problem.key == "loss":
                place = f"{j}/{k}"
            elif problem.key == "ce-sphere":
                place = "own/value" if j == k else "other/value"
            elif j == k:
                place = f"own/{g}"
            elif problem.key == "uf-svm":
                place = f"others/{h}/{g}"
            else:
                place = f"sibling/{g}" if h == g else f"cross/{h}/{g}"
            rows[j, k] = pointer(f"{path}/{place}", None if balls is None else balls[j, k])
    return rows


def logits(problem: Problem, number: int = 0, balls: Array | None = None) -> Array:
    """(K, K) mean logits, column k of class k, as pointers into certificate ``number``.

    Raises
    ------
    Untraceable
        For a model whose certificates state no logits.

    Examples
    --------
    >>> logits(Problem.ce([9, 9, 4], 1))[2, 0].tree
    '/0/facts/logits/cross/1/0'
    """
    if problem.key not in STATED:
        raise Untraceable(f"certificates of model {problem.key} state no logits")
    return _table(problem, f"/{number}/facts" + ("" if problem.key == "ce-sphere" else "/logits"), balls)


def gram(problem: Problem, name: str, balls: Array | None = None) -> Array:
    """(K, K) pointers to ``classifier`` (W W^T), ``features`` (of the class means) or ``multipliers`` of uf-svm.

    Examples
    --------
    >>> gram(Problem.svm([9, 4, 4]), "features")[1, 2].tree
    '/0/facts/features/others/1/1'
    """
    return _table(problem, f"/0/facts/{name}", balls)


def samples(problem: Problem, number: int = 0) -> Term:
    """N, as the sum over the counts of certificate ``number``.

    Examples
    --------
    >>> samples(Problem.svm([(5, 2), 1])).tree
    ['+', ['*', '/0/counts/0/0', '/0/counts/0/1'], ['*', '/0/counts/1/0', '/0/counts/1/1']]
    """
    runs = range(len(problem.canonical()["counts"]))
    return sum(
        (pointer(f"/{number}/counts/{i}/0") * pointer(f"/{number}/counts/{i}/1") for i in runs),
        lift(0),
    )


def x2(problem: Problem, number: int = 0) -> Term:
    """(lam N)^2 = lambda_w lambda_h N^2, from the problem of certificate ``number``.

    Examples
    --------
    >>> x2(Problem.ce([4, 4], 1)).tree[:3]
    ['*', '/0/options/lambda_w', '/0/options/lambda_h']
    """
    decays = pointer(f"/{number}/options/lambda_w") * pointer(f"/{number}/options/lambda_h")
    return decays * samples(problem, number) ** 2
