"""FA21-11: R_0 grows with the budget: stronger regularisation collapses the minority at a smaller ratio."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading, Root
from theory.derivation import Derivation
from theory.fang_2021_layer_peeled.critical_ratio import budget_at, ratio_at
from theory.fang_2021_layer_peeled.minority_collapse import collapse_derivation
from theory.fang_2021_layer_peeled.settings import BASIC, BOTH_LIVE, COLLAPSED, MINORITY, PAPER, VANISHED, step
from theory.optimum import Optimum
from theory.peeled_observables import R, T, group_readings, groups, merged
from theory.symbols import K, kA, kB

__all__ = ["monotone"]

R_merged, R_alive = sp.symbols("R_merged R_alive", positive=True)
"""R where the minority is merged, R where it is not."""
ratio_less, ratio_more = sp.symbols("R_0_less R_0_more", positive=True)
"""R_0 of a smaller and of a larger budget."""
t_less, t_more = sp.symbols("t_less t_more", positive=True)
"""t at R_0 of a smaller and of a larger budget."""
FACTORS = (sp.Rational(1, 2), sp.Rational(99, 100))
"""Smaller budgets in terms of T; the larger ones are T divided by them."""


def _root(name: sp.Symbol, budget: sp.Expr) -> Root:
    return Root(name, budget_at(name) - budget, sp.Integer(0), sp.oo)


def budget_readings(optimum: Optimum) -> Iterator[Reading]:
    """What the state at (R, T) says about R_0 at smaller budgets (merged) or larger ones (not merged).

    Examples
    --------
    >>> len(list(budget_readings(Optimum(COLLAPSED, "exact", contrasts=("alive", "dead")))))
    2
    """
    state = merged(optimum, groups(optimum.problem)[-1][1])
    if state is None:
        return
    for reading in group_readings(optimum):
        known = {symbol: reading[symbol] for symbol in (K, kA, kB, T)}
        for factor in FACTORS:
            more = {t_more: _root(t_more, T / factor), ratio_more: ratio_at(t_more)}
            if state:
                less = {t_less: _root(t_less, T * factor), ratio_less: ratio_at(t_less)}
                yield {**known, R_merged: reading[R], **less, **more}
            else:
                yield {**known, R_alive: reading[R], **more}


def monotone_derivation() -> Derivation:
    """R_0 and T both increase in t: see the steps of FA21-04."""
    return Derivation(steps=collapse_derivation().steps)


monotone = Claim(
    id="FA21-11",
    title="R_0 increases with the budget",
    kind="ordering",
    paper=PAPER,
    statement=(
        r"T < T' \implies R_0(T) < R_0(T') \text{ for fixed } k_A, k_B:\quad"
        r" \text{merged at } (R, T) \implies \text{merged at } (R, T') \text{ for every } T' < T",
    ),
    relations=(
        sp.Gt(R_merged, ratio_less, evaluate=False),
        sp.Lt(R_alive, ratio_more, evaluate=False),
    ),
    read=budget_readings,
    hypotheses=(*BASIC, MINORITY),
    witness=COLLAPSED,
    family=Family(sizes="two", bias=("none",), near=("minority_merge",), model="layer-peeled"),
    settings=(BOTH_LIVE, VANISHED, step(3, 2, "2.172", "2", "1/2"), step(1, 3, "9"), step(2, 4, "11/10", "1/3", "3")),
    derivation=monotone_derivation,
    rests_on=frozenset({"FA21-01", "FA21-04", "FA21-09"}),
    required="proved",
    mutants=(
        Mutant("R_0 decreases with T", relations=(sp.Lt(R_merged, ratio_less, evaluate=False),), problem=COLLAPSED),
        Mutant(
            "R_0 does not depend on T",
            relations=(sp.Ge(R_merged, ratio_more, evaluate=False),),
            problem=step(3, 2, "2.172", "2", "1/2"),
        ),
    ),
    source="numerical observation; proved here",
    survivors={
        "exponent: R_0_less becomes sqrt(R_0_less) (relation 1)": "a smaller lower bound, since R_0 >= 1: weaker",
        "exponent: R_0_more becomes R_0_more[*][*]2 (relation 2)": "a larger upper bound, since R_0 >= 1: weaker",
    },
    note="Stated as observed on grids only; with everything in terms of t it is a theorem.",
)
