"""The problem splits into one scalar problem per class, and a rank budget keeps the largest classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Mutant, Reading, Root
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.metastability import stationary_points
from theory.dang_2023_deep_linear.mode_equation import ALL, psi
from theory.dang_2023_deep_linear.modes import mode_steps, reduction_steps, schatten_steps
from theory.derivation import Derivation
from theory.mse_observables import M, Mode, best, total, value_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, N


class ValueReader:
    """The value beside a predicted sum over modes.

    Parameters
    ----------
    term : summand in mu and p.
    choose : the modes of a problem (default those of DA23-02: classes, largest first).
    """

    def __init__(
        self,
        term: Callable[[sp.Expr, sp.Expr], sp.Expr],
        choose: Callable[[Problem], tuple[Mode, ...]] = mse.label_modes,
        windows: bool = False,
    ) -> None:
        self.term, self.choose, self.windows = term, choose, windows

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """One reading, of everything that a sum over modes needs.

        Examples
        --------
        >>> (reading,) = ValueReader(psi)(Optimum(settings.EXAMPLE, "convex"))
        >>> reading[total].subs({symbol: 0 for symbol in reading if str(symbol).startswith("p_")})
        mu_0/(2*N) + mu_1/(2*N) + mu_2/(2*N)
        """
        problem = optimum.problem
        modes = self.choose(problem)
        values = mse.mode_values(problem, modes)
        if self.windows:
            values |= {mse.mode_symbols(i)[0]: _stationary(problem, i, mode) for i, mode in enumerate(modes)}
        reading = {**mse.mse_parameters(problem), **values, **value_readings(optimum)}
        expected = mse.total_over_modes(modes, self.term)
        if expected.free_symbols <= set(reading):
            reading[total] = expected
        yield reading


def _stationary(problem: Problem, index: int, mode: Mode) -> Any:
    """The largest stationary p of a mode, whether it is better than 0 or not; 0 where there is none."""
    own, _ = mse.mode_symbols(index)
    found = stationary_points(problem, index)
    return Root(own, mse.largest_root(problem, own, mode.value).equation, *found[-1]) if found else sp.Integer(0)


def smallest_kept(problem: Problem) -> tuple[Mode, ...]:
    """The modes when the rank budget keeps the smallest ones."""
    left, modes = mse.budget(problem), []
    for mode in reversed(mse.label_modes(problem)):
        modes.append(replace(mode, kept=min(mode.times, left)))
        left -= modes[-1].kept
    return tuple(modes)


def reduction_derivation() -> Derivation:
    """Lower bound and a point that reaches it, and the value of the scalar problem."""
    return Derivation(steps=(*schatten_steps(), *reduction_steps(), *mode_steps()))


reduction = Claim(
    id="DA23-02",
    title="Reduction to scalar modes",
    kind="equality",
    paper=settings.PAPER,
    statement=(
        r"f^* = \sum_{k \leq R} \psi(n_k) + \sum_{k > R} \frac{n_k}{2N},\qquad R = \min(K, d_1, \ldots, d_M)",
        r"\psi(\mu) = \min_{x \geq 0} \frac{(x - \sqrt\mu)^2}{2N} + \frac{L}{2} \Lambda^{1/L} x^{2/L} = \frac{\mu "
        r"(1-p)(1 + M p)}{2N}",
    ),
    relations=(sp.Eq(F, total, evaluate=False), sp.Le(total, best, evaluate=False)),
    read=ValueReader(psi),
    hypotheses=settings.BASIC,
    witness=settings.SHALLOW,
    family=settings.ANY_WIDTH,
    settings=(*ALL, replace(settings.EXAMPLE, dim=1), replace(settings.FOUR, dim=2), replace(settings.SHALLOW, dim=2)),
    derivation=reduction_derivation,
    rests_on=frozenset({"DA23-01"}),
    required="proved",
    mutants=(
        Mutant(
            "1 - M p for 1 + M p",
            read=ValueReader(lambda size, own: size * (1 - own) * (1 - M * own) / (2 * N)),
            problem=settings.DEEP,
        ),
        Mutant(
            "the R smallest modes are kept",
            read=ValueReader(psi, smallest_kept),
            problem=replace(settings.SHALLOW, dim=1),
        ),
        Mutant("1/N for 1/(2N)", read=ValueReader(lambda size, own: 2 * psi(size, own)), problem=settings.SHALLOW),
        Mutant(
            "p the largest root, whatever the threshold says",
            read=ValueReader(psi, windows=True),
            problem=settings.WINDOW,
        ),
    ),
    source="re-derived; the value was not seen in print",
)
