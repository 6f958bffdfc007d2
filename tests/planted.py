"""Claims with a known fate, to test the checker itself."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Reading
from theory.derivation import Derivation, Identity
from theory.hong_ling_2023.minority_collapse import law, threshold
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import alpha, dead, n, p, q, w, x

FAMILY = Family(sizes="two", bias=("none",), near=("merge",))

true_law = replace(law, id="PLANT-TRUE", mutants=(), family=FAMILY)
underived = replace(true_law, id="PLANT-UNDERIVED", derivation=None)
false_threshold = replace(
    threshold,
    id="PLANT-FALSE",
    mutants=(),
    derivation=None,
    family=FAMILY,
    relations=(sp.Equivalent(dead, x >= w * n),),
)
nearly_true = replace(
    false_threshold,
    id="PLANT-NEARLY",
    relations=(sp.Equivalent(dead, x >= w * sp.sqrt(n) * (1 + sp.Rational(1, 2000))),),
)
impossible = replace(
    true_law,
    id="PLANT-VACUOUS",
    witness=None,
    hypotheses=(Hypothesis("more than a thousand classes", lambda problem: problem.K > 1000, "nothing to drop"),),
)
never_exercised = replace(
    underived, id="PLANT-UNEXERCISED", relations=(*law.relations, sp.Eq(sp.Symbol("never_read"), 0))
)
crashing = replace(underived, id="PLANT-ERROR", read=lambda optimum: [{p: 1 / 0}])
wrong_derivation = replace(
    true_law, id="PLANT-WRONG-PROOF", derivation=lambda: Derivation((Identity("wrong", n + 1, n),))
)
partial_derivation = replace(
    true_law,
    id="PLANT-PARTIAL",
    derivation=lambda: Derivation((Identity("fine", n, n),), complete=False, gap="the point"),
)
nothing_decided = replace(underived, id="PLANT-UNDECIDED", relations=(sp.Ne(alpha - sp.log(p / q), 0, evaluate=False),))


def planted() -> dict[str, Claim]:
    """All planted claims by ID."""
    return {
        value.id: value for value in globals().values() if isinstance(value, Claim) and value.id.startswith("PLANT")
    }


FLAW = sp.Symbol("flaw")


def _nearest(problem: Problem) -> float:
    gaps = [abs(float(problem.x2 / (c.weight**2 * c.size)) ** 0.5 - 1) for c in problem.clusters if c.classes > 1]
    return min(gaps, default=1.0)


def _weighted(problem: Problem) -> bool:
    return any(c.weight != 1 for c in problem.clusters)


FLAWS: dict[str, Callable[[Problem], bool]] = {
    "K >= 5 with a singleton": lambda problem: problem.K >= 5 and any(c.classes == 1 for c in problem.clusters),
    "within 1e-4 of a threshold": lambda problem: 1e-12 < _nearest(problem) < 1e-4,
    "exactly at a threshold": lambda problem: _nearest(problem) < 1e-12,
    "weights": _weighted,
    "equal sizes, different weights": lambda problem: (
        len({c.size for c in problem.clusters}) < len(problem.clusters) and _weighted(problem)
    ),
    "penalised bias": lambda problem: isinstance(problem.bias, Fraction),
    "weak penalty on the bias": lambda problem: isinstance(problem.bias, Fraction) and problem.bias <= Fraction(1, 100),
    "four sizes": lambda problem: len({c.size for c in problem.clusters}) >= 4,
    "size ratio above 100": lambda problem: problem.clusters[0].size > 100 * problem.clusters[-1].size,
    "fractional sizes": lambda problem: any(c.size.denominator > 1 for c in problem.clusters),
    "d = K - 1": lambda problem: problem.dim == problem.K - 1,
    "far below every threshold": lambda problem: all(
        problem.x2 < c.size * c.weight**2 / 10**6 for c in problem.clusters
    ),
}
"""Corners where a planted claim is false."""


def flawed(name: str) -> Claim:
    """A claim that is false in one corner, far from its witness."""

    def read(optimum: Optimum) -> list[Reading]:
        return [{FLAW: sp.Integer(FLAWS[name](optimum.problem))}]

    return Claim(
        id="FLAWED",
        title=name,
        kind="equality",
        paper="none",
        statement=(),
        relations=(sp.Eq(FLAW, 0, evaluate=False),),
        read=read,
        family=Family(sizes="any", weights=True, near=("merge",)),
    )
