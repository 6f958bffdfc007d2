"""Losses by name: one small object each, so that a further loss is one small file.

Every loss sees adjusted logits u = Delta z / tau + iota (K x n, one column per sample) and the targets of its samples
(K x n). :func:`theory.objectives.adjusted` makes them, with the shifts of the loss itself.
A Fenchel-Young loss is Om(u) - <y, u> plus a constant, with a convex potential Om and the prediction p = grad Om(u):

========== ========================================= =========================================
potential  Om                                        its conjugate, on its domain
========== ========================================= =========================================
logsumexp  log sum_j exp(u_j)                        sum p log p, simplex
squared    |u|^2 / 2                                 |p|^2 / 2, all of R^K
sparsemax  max over the simplex of <p, u> - |p|^2/2  |p|^2 / 2, simplex
softplus   sum_j log(1 + exp(u_j))                   sum p log p + (1-p) log(1-p), [0,1]^K
max        max_j u_j                                 0, simplex
========== ========================================= =========================================

``margin:M``, ``ldam:C`` and ``hinge`` are of this form with an own shift per class: M (for ``ldam`` C / n_k^(1/4)) is
subtracted from the logit of the own class, respectively 1 is added to every other one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.loss_check import broken_promise

__all__ = ["NAMES", "Loss", "canonical", "find", "register"]

Array = NDArray[Any]
Form = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Loss:
    """A loss of K logits against a target distribution.

    Attributes
    ----------
    value : (U, Y) -> the loss of every column.
    gradient : (U, Y) -> its derivative in U, (K, n).
    convex : whether the loss is convex in U.
    potential : name of the symmetric Om of a Fenchel-Young loss, or None; the kernel knows those of the table.
    constant : what the loss adds to Om(u) - <y, u>, as a multiple of |y|^2.
    own, others : shifts of the logit of the own class and of every other one, before Om.
    decay : the power of the class size by which ``own`` is divided.
    soft : whether targets other than one-hot ones make sense.
    shift_invariant : whether adding a constant to all logits changes nothing.
    atom : (cvxpy, U, Y) -> the losses of the columns as a convex expression, or None.
    factor : k_C -> (least, most) factor of sqrt(n_C) in the merging threshold of a loss without a closed form.
    """

    value: Form
    gradient: Form
    convex: bool = True
    potential: str | None = None
    constant: Fraction = Fraction(0)
    own: Fraction = Fraction(0)
    others: Fraction = Fraction(0)
    decay: Fraction = Fraction(0)
    soft: bool = False
    shift_invariant: bool = False
    atom: Callable[[Any, Any, Array], Any] | None = None
    factor: Callable[[int], tuple[Fraction | None, Fraction | None]] | None = None

    @property
    def universal(self) -> bool:
        """Whether it is Fenchel-Young with one differentiable potential and no shift: NR26-02 applies."""
        return self.potential not in (None, "max") and not self.own and not self.others


Factory = Callable[[Fraction], Loss]
_found: dict[str, tuple[Factory, Fraction | None]] = {}


class _Names:
    """The registered names, in order."""

    def __iter__(self) -> Iterator[str]:
        return iter(_found)


NAMES = _Names()
_shipped: frozenset[str] = frozenset()


def register(name: str, factory: Factory, parameter: Fraction | None = None) -> None:
    """Make a loss known by a name; a loss that is not shipped may be registered again.

    Parameters
    ----------
    name : lower-case letters, digits and hyphens.
    factory : builds the loss from its parameter, and raises ValueError where that is out of range.
    parameter : default of the parameter in ``name:parameter``; None for a loss without one.

    Raises
    ------
    ValueError
        If the name is malformed or that of a shipped loss, or if the loss does not keep what its entry promises: its
        gradient, convexity and symmetries are tried at a few points.
    """
    if not name.replace("-", "").isalnum() or not name.isascii() or name != name.lower():
        raise ValueError(f"loss: {name[:40]!r} is not a name of lower-case letters, digits and hyphens")
    if name in _shipped:
        raise ValueError(f"loss: {name} is a shipped loss; choose another name")
    if _shipped and (wrong := broken_promise(factory(Fraction(0) if parameter is None else parameter))):
        raise ValueError(f"loss: {name}: {wrong}")
    _found[name] = (factory, parameter)


def _parse(spec: str) -> tuple[str, Fraction | None]:
    name, colon, text = spec.partition(":")
    if name not in _found:
        raise ValueError(f"loss: unknown loss {name[:40]!r}; known are {', '.join(NAMES)}")
    default = _found[name][1]
    if not colon:
        return name, default
    if default is None:
        raise ValueError(f"loss: {name} has no parameter")
    try:
        if len(text) > 100:
            raise ValueError
        return name, Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"loss: {text[:40]!r} is not a number") from None


def canonical(spec: str) -> str:
    """The one spelling of a loss.

    Raises
    ------
    ValueError
        If it is unknown or its parameter out of range.

    Examples
    --------
    >>> canonical("focal:2.0"), canonical("ce")
    ('focal:2', 'ce')
    """
    name, parameter = _parse(spec)
    find(spec)
    return name if parameter is None else f"{name}:{parameter}"


def find(spec: str) -> Loss:
    """The loss of a name, such as ``focal:2``.

    Examples
    --------
    >>> find("ce").potential, find("focal:2").convex
    ('logsumexp', False)
    >>> round(float(find("poly1:1").value(np.zeros((2, 1)), np.array([[1.0], [0.0]]))[0]), 6)
    1.193147
    """
    name, parameter = _parse(spec)
    return _found[name][0](Fraction(0) if parameter is None else parameter)


# --- shipped -----------------------------------------------------------------------------------------------------


def _lse(U: Array) -> Array:
    top = U.max(axis=0)
    return np.asarray(top + np.log(np.exp(U - top).sum(axis=0)))


def _softmax(U: Array) -> Array:
    E = np.exp(U - U.max(axis=0))
    return np.asarray(E / E.sum(axis=0))


def _inner(U: Array, Y: Array) -> Array:
    return np.asarray((U * Y).sum(axis=0))


def _project(U: Array) -> Array:
    """Euclidean projection of every column on the simplex."""
    ranked = -np.sort(-U, axis=0)
    excess = ranked.cumsum(axis=0) - 1
    counts = np.arange(1, len(U) + 1)[:, None]
    support = (ranked * counts > excess).sum(axis=0)
    level = excess[support - 1, np.arange(U.shape[1])] / support
    return np.asarray(np.maximum(U - level, 0))


def _expit(U: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -U)))


def _cross_entropy(parameter: Fraction, own: Fraction = Fraction(0), decay: Fraction = Fraction(0)) -> Loss:
    return Loss(
        value=lambda U, Y: _lse(U) - _inner(U, Y),
        gradient=lambda U, Y: _softmax(U) - Y,
        potential="logsumexp",
        own=own,
        decay=decay,
        soft=True,
        shift_invariant=True,
        atom=lambda cp, U, Y: cp.log_sum_exp(U, axis=0) - cp.sum(cp.multiply(Y, U), axis=0),
    )


def _squared(_: Fraction) -> Loss:
    return Loss(
        value=lambda U, Y: np.asarray(((U - Y) ** 2).sum(axis=0) / 2),
        gradient=lambda U, Y: U - Y,
        potential="squared",
        constant=Fraction(1, 2),
        soft=True,
        atom=lambda cp, U, Y: cp.sum(cp.square(U - Y), axis=0) / 2,
    )


def _sparsemax(_: Fraction) -> Loss:
    def value(U: Array, Y: Array) -> Array:
        P = _project(U)
        return np.asarray(_inner(P - Y, U) - (P**2).sum(axis=0) / 2 + (Y**2).sum(axis=0) / 2)

    def atom(cp: Any, U: Any, Y: Array) -> Any:
        # Om(u) = max over the simplex = min over t, v >= 0 with v >= u - t of t + |v|^2/2 (its Lagrange dual)
        K, n = Y.shape
        level = cp.Variable((1, n))
        squares = cp.sum(cp.square(cp.pos(U - np.ones((K, 1)) @ level)), axis=0) / 2
        rest = -cp.sum(cp.multiply(Y, U), axis=0) + (Y**2).sum(axis=0) / 2
        return level[0] + squares + rest

    return Loss(
        value=value,
        gradient=lambda U, Y: _project(U) - Y,
        potential="sparsemax",
        constant=Fraction(1, 2),
        soft=True,
        shift_invariant=True,
        atom=atom,
    )


def _one_vs_rest(_: Fraction) -> Loss:
    return Loss(
        value=lambda U, Y: np.asarray(np.logaddexp(0, U).sum(axis=0) - _inner(U, Y)),
        gradient=lambda U, Y: _expit(U) - Y,
        potential="softplus",
        soft=True,
        atom=lambda cp, U, Y: cp.sum(cp.logistic(U), axis=0) - cp.sum(cp.multiply(Y, U), axis=0),
    )


def _margin(margin: Fraction, decay: Fraction = Fraction(0)) -> Loss:
    if margin < 0:
        raise ValueError("loss: a margin is not negative")

    def factor(classes: int) -> tuple[Fraction | None, Fraction | None]:
        return Fraction(1), Fraction(classes, classes - 1)

    base = _cross_entropy(margin, own=-margin, decay=decay)
    return Loss(**{**base.__dict__, "factor": factor})


def _hinge(_: Fraction) -> Loss:
    def gradient(U: Array, Y: Array) -> Array:
        P = np.zeros_like(U)
        P[U.argmax(axis=0), np.arange(U.shape[1])] = 1
        return P - Y

    return Loss(
        value=lambda U, Y: np.asarray(U.max(axis=0) - _inner(U, Y)),
        gradient=gradient,
        potential="max",
        others=Fraction(1),
        shift_invariant=True,
        atom=lambda cp, U, Y: cp.max(U, axis=0) - cp.sum(cp.multiply(Y, U), axis=0),
        factor=lambda classes: (Fraction(1), Fraction(classes, classes - 1)),
    )


def _own(f: Callable[[Array], Array], slope: Callable[[Array], Array], **facts: Any) -> Loss:
    """f(-log p) of the own class; ``slope`` is f' as a function of c = -log p."""

    def value(U: Array, Y: Array) -> Array:
        return np.asarray(f(_lse(U) - _inner(U, Y)))

    def gradient(U: Array, Y: Array) -> Array:
        return np.asarray(slope(_lse(U) - _inner(U, Y)) * (_softmax(U) - Y))

    return Loss(value, gradient, shift_invariant=True, **facts)


def _focal(gamma: Fraction) -> Loss:
    if gamma < 0:
        raise ValueError("loss: gamma of focal is not negative")
    g = float(gamma)

    def slope(c: Array) -> Array:
        wrong = -np.expm1(-c)
        inner = g * c * np.exp(-c) * np.where(wrong > 0, wrong, 1.0) ** (g - 1)
        return np.asarray(wrong**g + np.where(wrong > 0, inner, 0.0))

    def factor(classes: int) -> tuple[Fraction | None, Fraction | None]:
        wrong = 1 - 1 / classes
        end = wrong**g + g / classes * wrong ** (g - 1) * log(classes)
        return min(Fraction(1), Fraction(int(end * 10**12), 10**12)), None

    return _own(lambda c: (-np.expm1(-c)) ** g * c, slope, convex=gamma == 0, factor=factor)


def _poly1(epsilon: Fraction) -> Loss:
    if abs(epsilon) > 1:
        raise ValueError("loss: the parameter of poly1 is between -1 and 1")
    e = float(epsilon)

    def factor(classes: int) -> tuple[Fraction | None, Fraction | None]:
        ends = sorted((Fraction(1), 1 + epsilon / classes))
        return ends[0], ends[1]

    return _own(lambda c: c - e * np.expm1(-c), lambda c: 1 + e * np.exp(-c), factor=factor)


def _one_vs_rest_exponential(_: Fraction) -> Loss:
    return Loss(
        value=lambda U, Y: np.asarray(np.exp(np.where(Y > 0, -U, U)).sum(axis=0)),
        gradient=lambda U, Y: np.where(Y > 0, -1.0, 1.0) * np.exp(np.where(Y > 0, -U, U)),
        atom=lambda cp, U, Y: cp.sum(cp.exp(cp.multiply(1 - 2 * Y, U)), axis=0),
        factor=lambda classes: (Fraction(2), None),
    )


def _one_vs_rest_squared_hinge(_: Fraction) -> Loss:
    def gradient(U: Array, Y: Array) -> Array:
        sign = 1 - 2 * Y
        return np.asarray(2 * sign * np.maximum(1 + sign * U, 0))

    return Loss(
        value=lambda U, Y: np.asarray((np.maximum(1 + (1 - 2 * Y) * U, 0) ** 2).sum(axis=0)),
        gradient=gradient,
        atom=lambda cp, U, Y: cp.sum(cp.square(cp.pos(1 + cp.multiply(1 - 2 * Y, U))), axis=0),
        factor=lambda classes: (Fraction(4), None),
    )


register("ce", _cross_entropy)
register("squared", _squared)
register("sparsemax", _sparsemax)
register("ovr", _one_vs_rest)
register("margin", _margin, Fraction(1))
register("ldam", lambda scale: _margin(scale, Fraction(1, 4)), Fraction(1))
register("hinge", _hinge)
register("focal", _focal, Fraction(2))
register("poly1", _poly1, Fraction(1))
register("ovr-exp", _one_vs_rest_exponential)
register("ovr-squared-hinge", _one_vs_rest_squared_hinge)
_shipped = frozenset(_found)
