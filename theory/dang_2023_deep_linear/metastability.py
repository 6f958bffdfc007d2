"""Stationary points that are not optimal: above its threshold a mode keeps a non-zero local minimum for a while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Mutant, Reading, Root
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.mode_equation import psi
from theory.dang_2023_deep_linear.modes import M as DEPTH
from theory.dang_2023_deep_linear.modes import c, mode_steps, p, u
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.mse_observables import STRENGTH, M, base, value_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, dead, n

f_root, p_root = sp.symbols("f_root p_root", nonnegative=True)
"""Value with the class at its non-zero stationary point, and that point."""


@lru_cache(maxsize=1024)
def stationary_points(problem: Problem, index: int) -> tuple[tuple[sp.Rational, sp.Rational], ...]:
    """Rational intervals, each around one root in (0, 1) of the mode equation of a cluster, found by Sturm sequences.

    Examples
    --------
    >>> len(stationary_points(settings.WINDOW, 1)), len(stationary_points(settings.DEAD, 0))
    (2, 0)
    """
    unknown = sp.Symbol("p")
    equation = mse.largest_root(problem, unknown, mse.label_modes(problem)[index].value).equation
    polynomial = sp.Poly(equation, unknown)
    found = polynomial.intervals(inf=0, sup=1, eps=sp.Rational(1, 10**8))
    return tuple((lower, upper) for (lower, upper), _ in found)


def window_readings(optimum: Optimum) -> Iterator[Reading]:
    """Whether a class has a non-zero stationary point; inside the window that point and the value there.

    Examples
    --------
    >>> [f_root in reading for reading in window_readings(Optimum(settings.WINDOW, "exact"))]
    [False, True]
    """
    problem = optimum.problem
    modes = mse.label_modes(problem)
    common = {**mse.mse_parameters(problem), **mse.mode_values(problem, modes), **value_readings(optimum)}
    for index, mode in enumerate(modes):
        found = stationary_points(problem, index)
        reading = {**common, n: mode.value, dead: not found}
        if mode.state == "dead" and found and found[-1][0] < found[-1][1]:
            _, size = mse.mode_symbols(index)
            reading[p_root] = Root(p_root, mse.largest_root(problem, p_root, mode.value).equation, *found[-1])
            reading[f_root] = mse.total_over_modes(modes, psi) + psi(size, p_root) - psi(size, sp.Integer(0))
        yield reading


EXIST = n**M * base * (M + 1) ** (M + 1)


def window_derivation() -> Derivation:
    """The maximum of h, and what lies between the threshold and it."""
    depth = DEPTH
    peak = (c / (2 * depth)) ** (depth - 1) * ((depth + 1) / (2 * depth)) ** (depth + 1)
    return Derivation(
        steps=(
            *mode_steps(),
            Identity(
                "h^L = p^(M-1) (1-p)^(M+1) at its maximum p = (M-1)/(2M) is t_exist^M (c for M - 1 as a base)",
                peak,
                ((c / (2 * depth)) ** ((depth - 1) / depth) * ((depth + 1) / (2 * depth)) ** ((depth + 1) / depth))
                ** depth,
            ),
            Identity(
                "so a root exists iff q <= t_exist^M, q = N^(M+1) Lam/n^M",
                peak,
                c ** (depth - 1) * (depth + 1) ** (depth + 1) / (2 * depth) ** (2 * depth),
            ),
            Lemma(
                "tstar < t < t_exist: the larger root has (M-1)/(2M) < p < (M-1)/M, as h falls there", "monotonicity"
            ),
            Lemma(
                "there phi' = L s (g - h) changes from - to +: a local minimum, with phi > phi(0) = 1/2 as p < "
                "(M-1)/M, so not a global one",
                "DA23-03",
            ),
            Positive("value at p = (M-1)/M - v, v > 0, minus 1/2, times 2/p", depth * u),
            Identity(
                "that is the difference",
                ((1 - p) * (1 + depth * p) - 1).subs(p, (depth - 1) / depth - u) / ((depth - 1) / depth - u),
                depth * u,
            ),
        )
    )


LARGER = "a larger upper bound, since M >= 2: weaker"
SMALLER = "a smaller lower bound, since M >= 2: weaker"

window = Claim(
    id="DA23-06",
    title="Non-zero stationary points above the threshold",
    kind="bound",
    paper=settings.PAPER,
    statement=(
        r"\text{a non-zero stationary point of the mode exists} \iff t_k \leq t_{\mathrm{exist}}(M) = "
        r"\left(\tfrac{M-1}{2M}\right)^{\frac{M-1}{M}} \left(\tfrac{M+1}{2M}\right)^{\frac{M+1}{M}}",
        r"t_*(M) < t_k < t_{\mathrm{exist}}(M):\quad \tfrac{M-1}{2M} < p < \tfrac{M-1}{M} \text{ at the largest root, "
        r"a local minimum and not a global one}",
    ),
    relations=(
        sp.Equivalent(dead, (2 * M) ** (2 * M) * STRENGTH > EXIST),
        sp.Lt(p_root, (M - 1) / M, evaluate=False),
        sp.Gt(p_root, (M - 1) / (2 * M), evaluate=False),
        sp.Lt(F, f_root, evaluate=False),
    ),
    read=window_readings,
    hypotheses=(
        *(replace(one, dropped="the equation of a single mode knows nothing of it") for one in settings.FULL),
        settings.SEVERAL,
    ),
    witness=settings.WINDOW,
    family=replace(settings.CLASSES, depths=(2, 3, 4)),
    settings=(
        settings.EXAMPLE,
        settings.DEAD,
        settings.FOUR,
        *settings.TIES[1:],
        *(Problem.mse([(16, 2)], ["3/32", "3/32"], end) for end in ("3/32", "3000003/32000000", "2999997/32000000")),
    ),
    derivation=window_derivation,
    rests_on=frozenset({"DA23-03"}),
    required="proved",
    mutants=(
        Mutant(
            "the window closes at thr",
            relations=(sp.Equivalent(dead, n**M * base < M ** (2 * M) * STRENGTH),),
            problem=settings.WINDOW,
        ),
        Mutant(
            "h is largest at p = (M-1)/M",
            relations=(sp.Gt(p_root, (M - 1) / M, evaluate=False),),
            problem=settings.WINDOW,
        ),
        Mutant(
            "a global minimum inside the window", relations=(sp.Le(f_root, F, evaluate=False),), problem=settings.WINDOW
        ),
    ),
    note="At t = t_exist, and 1e-6 on either side, for sizes (16, 16) with M = 2. Existence is decided by Sturm "
    "sequences of the mode equation. M = 1: the window is empty.",
    survivors={
        "factor: (M - 1)/M becomes 2*(M - 1)/M (relation 2)": LARGER,
        "exponent: 1/M becomes 1/sqrt(M) (relation 2)": LARGER,
        "exponent: 1/M becomes M (relation 2)": LARGER,
        "sign: (M - 1)/(2[*]M) *(relation 3)": SMALLER,
        "factor: (M - 1)/(2[*]M) becomes (M - 1)/(4[*]M) (relation 3)": SMALLER,
        "exponent: 1/M becomes M[*][*](-2) (relation 3)": SMALLER,
        "exponent: M becomes sqrt(M) (relation 3)": SMALLER,
        "off by one: M becomes M + 1 (relation 3)": SMALLER,
    },
)
