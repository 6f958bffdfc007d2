"""Measurements: a number as a bracket with rational ends that the certificate checker alone vouches for.

A threshold is located by bisection of a state (alive or dead, a sign) that :mod:`verify.kernel` decides from the gap
between its two bounds. The solvers that make the certificates may know closed forms; they cannot move a measurement,
for a wrong guess leaves a wide gap, the state stays undecided and the measurement fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import import_module
from random import Random

import numpy as np
from flint import arb

from theory.problem import Problem
from verify.balls import precision
from verify.bracket import Bracket, ball, bisect, fraction, hull
from verify.discover.numbers import digits_of
from verify.kernel import Outcome
from verify.routes import PREFIXES

__all__ = ["Config", "Parameter", "Quantity", "Unmeasured", "bracket", "misfit"]

Config = Mapping[str, Fraction]
"""Values of the parameters of one configuration."""
STEPS = 100
"""Doublings and halvings tried to find both sides of a threshold in a weight decay, twice as many as for a ratio."""


class Unmeasured(Exception):
    """The kernel decides too little for this many digits."""


@dataclass(frozen=True)
class Parameter:
    """A parameter: its meaning, values of designed configurations, and the wider range of fresh ones."""

    text: str
    design: tuple[Fraction | int, ...]
    fresh: tuple[Fraction | int, ...]


@dataclass(frozen=True)
class Quantity:
    """What can be asked for.

    Attributes
    ----------
    model, name, text : such as ``ce``, ``threshold:cluster_merge`` and one line.
    unknown : name of the number sought; it lives above ``floor``.
    evidence : the facts of the certificate checker that decide it.
    parameters : by name; ``valid`` says which combinations are meant.
    derived : further bases of a configuration (K, N).
    problem : the problem of a configuration, at a value of the unknown (None for an optimal value).
    sign : for a threshold, -1 below and +1 above it, 0 undecided, from what the kernel proved.
    shifted : bases whose neighbours (minus and plus 1) are bases too.
    index : the parameter on which exponents may depend linearly.
    decays : weight decays among parameters and unknown, for the law at one common ``lam``.
    digits : measured at first, and at most.
    """

    model: str
    name: str
    text: str
    unknown: str
    evidence: str
    parameters: Mapping[str, Parameter]
    problem: Callable[[Config, Fraction | None], Problem]
    sign: Callable[[Outcome, Config], int] | None = None
    valid: Callable[[Config], bool] = lambda config: True
    derived: Callable[[Config], Config] = lambda config: {}
    floor: Fraction = Fraction(0)
    shifted: tuple[str, ...] = ()
    index: str | None = None
    decays: tuple[str, ...] = ()
    digits: tuple[int, int] = (24, 72)
    probe: Callable[[Config, int], Bracket] | None = field(default=None, repr=False)
    """Instead of the kernel: measures a configuration to some digits (numbers from elsewhere, tests)."""

    def draw(self, rng: Random, fresh: bool = False) -> Config:
        """A random valid configuration, designed or fresh."""
        while True:
            config = {n: Fraction(rng.choice(p.fresh if fresh else p.design)) for n, p in self.parameters.items()}
            if self.valid(config):
                return config

    def draws(self, seed: int, used: Sequence[Config] = (), *, fresh: bool = False) -> Iterator[Config]:
        """Random valid configurations, different from each other and from the used ones."""
        rng, seen = Random(f"{'fresh' if fresh else 'design'} {self.model} {self.name} {seed}"), list(used)
        for _ in range(2000):
            config = self.draw(rng, fresh)
            if config not in seen:
                seen.append(config)
                yield config

    def values(self, config: Config) -> dict[str, Fraction]:
        """Every base at a configuration: parameters, derived ones, neighbours, primes."""
        found = {**config, **self.derived(config)}
        for name in self.shifted:
            found |= {f"{name} - 1": found[name] - 1, f"{name} + 1": found[name] + 1}
        return found | {str(p): Fraction(p) for p in (2, 3, 5, 7)}

    @property
    def bases(self) -> list[str]:
        """Names of the bases, constants excluded."""
        return [name for name in self.values(self.draw(Random(0))) if not name.isdigit()]


def certified(problem: Problem, digits: int) -> Outcome | None:
    """What the kernel proves about a problem from a certificate of about ``digits`` digits; None if there is none."""
    route = import_module(f"verify.routes.{PREFIXES[problem.key]}enclosure")
    try:
        outcome: Outcome = route.certify(problem, digits)[1]
    except (ArithmeticError, LookupError, ValueError, np.linalg.LinAlgError):  # a proposal may fail in any way
        return None
    return outcome if outcome.outcome == "bounds" else None


def _side(quantity: Quantity, config: Config, digits: int) -> Callable[[Fraction], int]:
    """Sign of unknown - threshold at floor + distance."""

    def sign(distance: Fraction) -> int:
        if quantity.sign is None:
            raise TypeError("an optimal value has no sides")
        outcome = certified(quantity.problem(config, quantity.floor + distance), 2 * digits + 10)
        if outcome is None:
            return 0
        with precision(outcome.precision):
            return quantity.sign(outcome, config)

    return sign


def bracket(quantity: Quantity, config: Config, digits: int, start: Bracket | None = None) -> Bracket:
    """Rational ends around the number, of relative width below 10^-digits.

    Parameters
    ----------
    quantity, config : what is measured, and where.
    digits : digits wanted.
    start : a wider bracket that was proved before.

    Raises
    ------
    Unmeasured
        If the kernel decides too little.

    Examples
    --------
    >>> from verify.discover.quantities import find
    >>> config = {name: Fraction(v) for name, v in (("k_A", 3), ("k_B", 2), ("n_B", 1))}
    >>> low, high = bracket(find("uf-svm", "threshold:minority_orthogonal"), config, 6)
    >>> low < Fraction(49, 9) < high
    True
    """
    if quantity.probe is not None:
        return quantity.probe(config, digits)
    if quantity.sign is None:
        return _value(quantity, config, digits)
    sign = _side(quantity, config, digits)
    if start is None:
        steps = STEPS // 2 if quantity.floor else STEPS
        lower, upper = (_reach(sign, wanted, Fraction(2) ** wanted, steps) for wanted in (-1, 1))
    else:
        lower, upper = (end - quantity.floor for end in start)
    lower, upper = bisect(sign, lower, upper, digits)
    found = (quantity.floor + lower, quantity.floor + upper)
    if digits_of(found) < digits - 2:
        raise Unmeasured(f"the state stays undecided within {float(upper / lower - 1):.0e} of the threshold")
    return found


def _reach(sign: Callable[[Fraction], int], wanted: int, factor: Fraction, steps: int) -> Fraction:
    point = Fraction(1)
    for _ in range(steps):
        if sign(point) == wanted:
            return point
        point *= factor
    raise Unmeasured(f"no side of the threshold is decided for the unknown up to {float(point):.0e}")


def _value(quantity: Quantity, config: Config, digits: int) -> Bracket:
    outcome = certified(quantity.problem(config, None), digits + 10)
    if outcome is None:
        raise Unmeasured("no certificate was found")
    with precision(outcome.precision):
        found = fraction(outcome.lower.lower()), fraction(outcome.upper.upper())
    if digits_of(found) < digits:
        raise Unmeasured("the bounds on the optimal value do not meet")
    return found


def misfit(quantity: Quantity, config: Config, predicted: arb, digits: int) -> arb:
    """Ball around |predicted/measured - 1|; for a threshold two decisions suffice where the prediction is right.

    Raises
    ------
    Unmeasured
        If the kernel decides too little.

    Examples
    --------
    >>> from verify.discover.quantities import find
    >>> config = {name: Fraction(v) for name, v in (("k_A", 3), ("k_B", 2), ("n_B", 1))}
    >>> quantity = find("uf-svm", "threshold:minority_orthogonal")
    >>> bool(misfit(quantity, config, arb(49) / 9, 12) < 1e-12), bool(misfit(quantity, config, arb(5), 12) > 0.08)
    (True, True)
    """
    allowed = Fraction(1, 10**digits)
    threshold = quantity.sign is not None and quantity.probe is None
    if threshold and predicted > ball(quantity.floor):
        sign = _side(quantity, config, digits)
        low, high = fraction(predicted.lower()), fraction(predicted.upper())
        near = (low * (1 - allowed / 2) - quantity.floor, high * (1 + allowed / 2) - quantity.floor)
        if near[0] > 0 and (sign(near[0]), sign(near[1])) == (-1, 1):
            return arb(0).union(ball(allowed * 3 / 4))
    found = bracket(quantity, config, 9 if threshold else digits)
    if threshold and hull(found).overlaps(predicted):
        found = bracket(quantity, config, digits + 2, found)
    return abs(predicted / hull(found) - 1)
