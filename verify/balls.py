"""Evaluate SymPy expressions and conditions in ball arithmetic, with an exact decision where balls cannot tell."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, zip_longest
from typing import Any

import sympy as sp
from flint import arb, ctx, fmpq

from theory.claim import Root

__all__ = ["Undecided", "ball", "decide", "distance", "precision", "resolve", "valueless"]

Env = Mapping[sp.Symbol, Any]
EXACT_BITS = 2048


class Undecided(Exception):
    """Balls are too wide, or not finite, to answer. Arguments are printed only if asked: expressions can be long."""

    def __str__(self) -> str:
        return " ".join(map(str, self.args))


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Work at the given number of bits inside the block.

    Examples
    --------
    >>> with precision(200):
    ...     float(arb(1).exp().rad()) < 1e-55
    True
    """
    before, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = before


def ball(expression: Any, env: Env) -> arb:
    """Enclose the value of an expression.

    Parameters
    ----------
    expression : SymPy expression, or a ball.
    env : values of its symbols, as balls or exact SymPy numbers.

    Raises
    ------
    Undecided
        If an operation is not defined on the whole ball (the result is not finite).

    Examples
    --------
    >>> n = sp.Symbol("n")
    >>> abs(float(ball(sp.sqrt(n) - sp.exp(0), {n: sp.Integer(9)})) - 2) < 1e-15
    True
    >>> abs(ball(n**2, {n: arb(0, 1)})) < 2
    True
    """
    value = _walk(sp.sympify(expression) if not isinstance(expression, arb) else expression, env)
    if not value.is_finite():
        raise Undecided("a formula is not finite on the given balls")
    return value


def _walk(e: Any, env: Env) -> arb:
    if isinstance(e, arb):
        return e
    if e.is_Symbol:
        return _walk(env[e], env)
    if e.is_Rational:
        return arb(fmpq(int(e.p), int(e.q)))
    if e.is_Float:
        raise TypeError(f"{e}: write exact numbers in claims, not floats")
    if isinstance(e, sp.Add):
        return sum((_walk(term, env) for term in e.args), arb(0))
    if isinstance(e, sp.Mul):
        product = arb(1)
        for factor in e.args:
            product = product * _walk(factor, env)
        return product
    if isinstance(e, sp.Pow):
        return _power(e, env)
    function = FUNCTIONS.get(e.func)
    if function is None:
        raise TypeError(f"{e}: no ball arithmetic for {e.func}")
    return function(*(_walk(argument, env) for argument in e.args))


def _power(e: sp.Pow, env: Env) -> arb:
    base, exponent = e.args
    if base is sp.E:
        return _walk(exponent, env).exp()
    value = _walk(base, env)
    exponent = _exact(exponent, env)
    if exponent.is_Integer:
        power, left = arb(1), abs(int(exponent))  # ``**`` of python-flint is not finite on a ball around 0
        while left:
            power, value, left = power * value if left % 2 else power, value * value, left // 2
        return power if exponent >= 0 else 1 / power
    if exponent == sp.Rational(1, 2):
        return value.sqrt()
    if exponent == sp.Rational(-1, 2):
        return 1 / value.sqrt()
    return (value.log() * _walk(exponent, env)).exp()


def _exact(exponent: sp.Expr, env: Env) -> sp.Expr:
    """An exponent with the exact values of its symbols put in: whole numbers belong to negative bases too."""
    known = {symbol: env[symbol] for symbol in exponent.free_symbols if isinstance(env[symbol], sp.Basic)}
    return exponent.xreplace(known) if known else exponent


FUNCTIONS: dict[Any, Callable[..., arb]] = {
    sp.exp: lambda v: v.exp(),
    sp.log: lambda v: v.log(),
    sp.cos: lambda v: v.cos(),
    sp.sin: lambda v: v.sin(),
    sp.acos: lambda v: v.acos(),
    sp.atan: lambda v: v.atan(),
    sp.LambertW: lambda v: v.lambertw(),
    sp.gamma: lambda v: v.gamma(),
    sp.besseli: lambda order, v: v.bessel_i(order),
    sp.Abs: abs,
    sp.Max: lambda *vs: _extreme(vs, arb.max),
    sp.Min: lambda *vs: _extreme(vs, arb.min),
    type(sp.pi): lambda: arb.pi(),
}


def _extreme(values: tuple[arb, ...], choose: Callable[[arb, arb], arb]) -> arb:
    result = values[0]
    for value in values[1:]:
        result = choose(result, value)
    return result


def resolve(reading: Env) -> dict[sp.Symbol, Any]:
    """Replace every :class:`Root` of a reading by a ball that contains it.

    Raises
    ------
    Undecided
        If the equation shows no sign change inside the interval.

    Examples
    --------
    >>> t = sp.Symbol("t")
    >>> value = resolve({t: Root(t, t**2 - 2, sp.Integer(0), sp.Integer(2))})[t]
    >>> abs(float(value) - 2**0.5) < 1e-15
    True
    """
    values: dict[sp.Symbol, Any] = {}
    for symbol, value in reading.items():
        values[symbol] = _remembered(value, values, reading) if isinstance(value, Root) else value
    return values


_found: OrderedDict[Hashable, arb] = OrderedDict()
ROOTS_KEPT = 4096


def _remembered(root: Root, env: Env, reading: Env) -> arb:
    """The root, found once for the same equation and exact parameters: every route reads the same one."""
    parts = [part for part in (root.equation, root.lower, root.upper) if part is not sp.oo]
    symbols = set().union(*(sp.sympify(part).free_symbols for part in parts)) - {root.unknown}
    given = frozenset((symbol, reading[symbol]) for symbol in symbols if isinstance(reading[symbol], sp.Basic | Root))
    if len(given) < len(symbols):
        return _bisect(root, env)
    nested = [value for _, value in given if isinstance(value, Root)]
    if nested:
        given |= frozenset((symbol, value) for symbol, value in reading.items() if isinstance(value, sp.Basic))
    key = (root, given, ctx.prec)
    if key not in _found:
        _found[key] = _bisect(root, env)
    _found.move_to_end(key)
    while len(_found) > ROOTS_KEPT:
        _found.popitem(last=False)
    return _found[key]


def _bisect(root: Root, env: Env) -> arb:
    lower, upper = _end(ball(root.lower, env)), None
    if root.upper is not sp.oo:
        upper = _end(ball(root.upper, env))

    def value(t: arb) -> arb:
        try:
            return ball(root.equation, {**env, root.unknown: t})
        except Undecided:
            return arb(0)

    a, b = _bracket(lambda t: _sign_of(value(t)), lower, upper)
    f_a, f_b, pieces = value(a), value(b), arb(4)
    for _ in range(4 * ctx.prec):
        # Quadratic interval refinement: the secant picks one of ``pieces`` parts, two signs confirm it.
        part = (f_a / (f_a - f_b) * pieces).mid().floor()
        cuts = _end(a + part / pieces * (b - a)), _end(a + (part + 1) / pieces * (b - a))
        f_cuts = value(cuts[0]), value(cuts[1])
        if cuts[0] < cuts[1] and _sign_of(f_cuts[0]) == _sign_of(f_a) and _sign_of(f_cuts[1]) == _sign_of(f_b):
            (a, b), (f_a, f_b), pieces = cuts, f_cuts, pieces * pieces
            continue
        pieces = arb.max(arb(4), pieces.sqrt().mid().floor())
        inner = (_end(((8 - i) * a + i * b) / 8) for i in (4, 3, 5))  # the root may be exactly the middle
        cut = next((t for t in inner if a < t < b and _sign_of(value(t))), None)
        if cut is None:
            break
        f_cut = value(cut)
        a, b, f_a, f_b = (cut, b, f_cut, f_b) if _sign_of(f_cut) == _sign_of(f_a) else (a, cut, f_a, f_cut)
    return a.union(b)


def _sign_of(value: arb) -> int:
    return 1 if value > 0 else -1 if value < 0 else 0


def _end(value: arb) -> arb:
    """Midpoint as an exact ball."""
    return value.mid()


def _bracket(sign: Callable[[arb], int], lower: arb, upper: arb | None) -> tuple[arb, arb]:
    """Two points with opposite certain signs; the ends themselves may be singular."""
    if upper is None:
        near = [(lower + arb(2) ** -j).mid() for j in range(1, 200)]
        far = [(lower + arb(2) ** j).mid() for j in range(60)]
    else:
        near = [(lower + (upper - lower) * arb(2) ** -j).mid() for j in range(1, 200)]
        far = [(upper - (upper - lower) * arb(2) ** -j).mid() for j in range(1, 200)]
    first = next(((t, s) for t in near if (s := sign(t))), None)
    if first is None:
        raise Undecided("the equation of a root has no sign inside its interval")
    both = chain.from_iterable(zip_longest(far, near))  # outwards on both sides: nobody knows where the root is
    for t in both:
        if t is not None and sign(t) == -first[1]:
            a, b = sorted((first[0], t), key=float)
            return a, b
    raise Undecided("the equation of a root does not change sign inside its interval")


def decide(condition: Any, reading: Env) -> bool | None:
    """Truth of a Boolean of inequalities; None when balls overlap and no exact decision is possible.

    Inequalities between exact algebraic numbers are always decided (balls first, then the minimal polynomial).

    Examples
    --------
    >>> x, n = sp.symbols("x n", positive=True)
    >>> decide(x >= sp.sqrt(n), {x: sp.Integer(5), n: sp.Integer(25)})
    True
    >>> decide(x > sp.sqrt(n), {x: sp.Integer(5), n: sp.Integer(25)})
    False
    """
    if condition in (sp.true, sp.false):
        return bool(condition)
    if isinstance(condition, sp.And | sp.Or):
        answers = [decide(part, reading) for part in condition.args]
        settled = isinstance(condition, sp.Or)
        if settled in answers:
            return settled
        return None if None in answers else not settled
    if isinstance(condition, sp.Not):
        answer = decide(condition.args[0], reading)
        return None if answer is None else not answer
    if condition.is_Symbol:
        state = reading[condition]
        return state if isinstance(state, bool) else None
    sign = _sign(condition.lhs - condition.rhs, reading)
    if sign is None:
        return None
    return bool(condition.func(sp.Integer(sign), sp.Integer(0)))


def valueless(relation: Any, reading: Env) -> bool:
    """Whether a formula certainly has no real value: a root or log of a negative number, a division by exactly 0.

    An acos beyond 1 has none either; a condition has none where every inequality that is left open in it has none.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> [valueless(sp.sqrt(x - 2) <= 1, {x: value}) for value in (sp.Integer(1), arb(1, 2), sp.Integer(3))]
    [True, False, False]
    """
    if isinstance(relation, sp.Basic) and (relation.is_Boolean and not relation.is_Relational):
        atoms = [a for a in relation.atoms(sp.core.relational.Relational) if decide(a, reading) is None]
        return bool(atoms) and all(valueless(atom, reading) for atom in atoms)
    return any(
        _singular(part, reading) for side in (relation.lhs, relation.rhs) for part in sp.preorder_traversal(side)
    )


def _singular(part: Any, reading: Env) -> bool:
    """Whether a root, log, acos or power is certainly not defined where its argument is."""
    if isinstance(part, sp.log):
        return _sign(part.args[0], reading) in (-1, 0)  # None if a smaller part has no value: that one says so itself
    if isinstance(part, sp.acos):
        return _sign(part.args[0] ** 2 - 1, reading) == 1
    if not part.is_Pow or part.base is sp.E:
        return False
    exponent = _exact(part.exp, reading)
    if not exponent.is_Rational:
        return False
    sign = _sign(part.base, reading)
    return (sign == -1 and not exponent.is_Integer) or (sign == 0 and exponent < 0)


def _sign(expression: sp.Expr, reading: Env) -> int | None:
    exact = all(isinstance(reading[s], sp.Basic) for s in expression.free_symbols)
    bits = ctx.prec
    while True:
        with precision(bits):
            try:
                value = ball(expression, reading)
                if value > 0 or value < 0:
                    return 1 if value > 0 else -1
            except Undecided:
                pass
        if not exact or bits >= EXACT_BITS:
            break
        bits *= 2
    return 0 if exact and _is_algebraic_zero(expression, reading) else None


def _is_algebraic_zero(expression: sp.Expr, reading: Env) -> bool:
    number = sp.expand(expression.subs({symbol: reading[symbol] for symbol in expression.free_symbols}))
    if number == 0:
        return True
    try:
        t = sp.Dummy("t")
        return bool(sp.minimal_polynomial(number, t) == t)
    except (NotImplementedError, sp.polys.polyerrors.NotAlgebraic):
        return False


def distance(condition: Any, reading: Env) -> float:
    """Smallest relative distance of the sides of any inequality in a condition; 0 at a tie.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> round(distance(x >= 4, {x: sp.Integer(5)}), 3)
    0.2
    """
    distances = []
    for atom in sp.sympify(condition).atoms(sp.core.relational.Relational):
        if _sign(atom.lhs - atom.rhs, reading) == 0:
            return 0.0
        left, right = ball(atom.lhs, reading), ball(atom.rhs, reading)
        distances.append(
            float((left - right).abs_upper()) / max(float(abs(left).mid()), float(abs(right).mid()), 1e-300)
        )
    return min(distances, default=1.0)
