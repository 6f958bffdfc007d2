"""FA21-06: the second transition. For small budgets minority classifiers and features are exactly zero from R_1 on."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.fang_2021_layer_peeled.critical_ratio import ratio_at, root_t0, t0
from theory.fang_2021_layer_peeled.reduction import alive_steps, gradient_steps, nuclear_steps, symmetry_steps
from theory.fang_2021_layer_peeled.settings import BASIC, BOTH_LIVE, COLLAPSED, PAPER, VANISHED, step
from theory.optimum import Optimum
from theory.peeled_observables import (
    R,
    T,
    group_readings,
    groups,
    hh_B,
    minority_zero,
    ww_A,
    ww_AA,
    ww_B,
)
from theory.symbols import K, a, dead, kA, kB

__all__ = ["CRITICAL_BUDGET", "critical_budget", "transition", "vanish_ratio"]


def critical_budget(inner: sp.Expr | None = None) -> sp.Expr:
    """T_c = kA (kA - 1) log(1 + sqrt(K/kB)).

    Examples
    --------
    >>> round(float(critical_budget().subs({kA: 3, kB: 2, K: 5})), 11)
    5.68938425131
    """
    return kA * (kA - 1) * sp.log(1 + sp.sqrt(K / kB) if inner is None else inner)


CRITICAL_BUDGET = critical_budget()


def _probabilities() -> tuple[sp.Expr, sp.Expr]:
    """p_o and p_B of a majority sample in its own simplex: a = T/(kA - 1), s = 0."""
    gap = T / (kA - 1)
    other, cross = sp.exp(-gap), sp.exp(-gap * (1 - 1 / kA))
    total = 1 + (kA - 1) * other + kB * cross
    return other / total, cross / total


def bracket(scale: sp.Expr = K) -> sp.Expr:
    """(kA p_o + kB p_B)^2 - K kB p_B^2, positive iff T < T_c.

    Examples
    --------
    >>> value = bracket().subs({T: 5, kA: 3, kB: 2, K: 5})
    >>> bool(value.evalf() > 0)
    True
    """
    p_o, p_B = _probabilities()
    return (kA * p_o + kB * p_B) ** 2 - scale * kB * p_B**2


def vanish_ratio(top: sp.Expr = kA / K) -> sp.Expr:
    """R_1, for T < T_c.

    Examples
    --------
    >>> round(float(vanish_ratio().subs({T: 5, kA: 3, kB: 2, K: 5})), 11)
    6.61054720631
    """
    return sp.sqrt(top / bracket())


square_w, square_h, cosine_A = sp.symbols("w2_B h2_B cos_A", real=True)
"""Squared lengths of minority classifiers and features where they vanish; cosine of two majority classifiers there."""


def transition_readings(optimum: Optimum) -> Iterator[Reading]:
    """State of the minority against R_1 (T < T_c) and against the condition; what is left where it is zero.

    Examples
    --------
    >>> [reading[dead] for reading in transition_readings(Optimum(VANISHED, "exact"))]
    [None, None]
    """
    state = minority_zero(optimum)
    several = len(groups(optimum.problem)[-1][1]) > 1
    for reading in group_readings(optimum):
        known = {symbol: reading[symbol] for symbol in (K, kA, kB, R, T)}
        small = bool(CRITICAL_BUDGET.subs(known).evalf(40) > known[T])
        yield {**known, dead: state, **({R_1: ROOT_R_1} if small else {})}
        yield {**known, dead: state, **({total: known[T]} if _large(known) else {})}
        if state is True and a in reading and ww_A in reading and hh_B in reading:
            found = {**known, a: reading[a], square_w: reading[ww_B], square_h: reading[hh_B]}
            yield found | {cosine_A: reading[ww_AA] / reading[ww_A]}
            if several:
                yield {**known, t0: root_t0(), least: ratio_at(), vanished: known[R]}


def _large(known: Reading) -> bool:
    """R^2 |bracket| >= kA/K: beyond R_1 where T < T_c, and as far above T_c."""
    return bool(abs((bracket() * K / kA).subs(known).evalf(40)) * known[R] ** 2 >= 1)


R_1, vanished, least = sp.symbols("R_1 R_dead R_0", positive=True)
"""Threshold, where T < T_c; R where the minority is zero, and R_0 there."""
total = sp.Symbol("budget", positive=True)
"""T again, for R so large that only the side of T_c decides."""
ROOT_R_1 = Root(R_1, R_1**2 * bracket() * K - kA, sp.Integer(0), sp.oo)


def transition_steps() -> tuple[Step, ...]:
    """Optimality of Z = a C_A: the condition, its sign, and why it implies mu >= 1.

    Examples
    --------
    >>> all(step.verify() for step in transition_steps())
    True
    """
    p_o, p_B, rho, m, g = sp.symbols("p_o p_B rho mu g", positive=True)
    size = kA + kB
    kappa = (sp.sqrt(size * kB) - kB) / kA
    root, small = sp.symbols("u v", positive=True)
    gap = T / (kA - 1)
    condition = size * (R**2 * kB * p_B**2 + kA / size**2)
    mean = kA * p_o + kB * p_B
    return (
        Identity("b = s = t = 0: q_A = 1/K", (1 / (1 + (kB - 1) + kA)), 1 / size),
        Identity("p_o/p_B = exp(-a/kA) at s = 0", sp.exp(-gap) / sp.exp(-gap * (1 - 1 / kA)), sp.exp(-gap / kA)),
        Lemma(
            "Z = a C_A is optimal iff mu = R (kA p_o + kB p_B), mu >= 1 (for kB >= 2) and K (R^2 kB p_B^2 + kA/K^2) "
            "<= mu^2",
            "optimality of a convex program",
        ),
        Identity(
            "the last one is R^2 ((kA p_o + kB p_B)^2 - K kB p_B^2) >= kA/K",
            (R * mean) ** 2 - condition,
            R**2 * (mean**2 - size * kB * p_B**2) - kA / size,
        ),
        Identity(
            "the bracket is p_B^2 times a difference of squares in rho = p_o/p_B",
            ((kA * rho * p_B + kB * p_B) ** 2 - size * kB * p_B**2) / p_B**2,
            (kA * rho + kB - sp.sqrt(size * kB)) * (kA * rho + kB + sp.sqrt(size * kB)),
        ),
        Identity("it vanishes at rho = kappa", kA * kappa + kB, sp.sqrt(size * kB)),
        Identity(
            "1/kappa = 1 + sqrt(K/kB), with K = u^2, kB = v^2, kA = u^2 - v^2",
            (1 + root / small) * (root * small - small**2),
            root**2 - small**2,
        ),
        Lemma("so the bracket is positive iff a < kA log(1/kappa), iff T < T_c", "monotone functions"),
        Identity(
            "R_1: equality in the condition", (R**2 * g - kA / size).subs(R, sp.sqrt(kA / size / g)), sp.Integer(0)
        ),
        Positive("K p_B - (kA p_o + kB p_B) = kA (p_B - p_o) > 0, as p_B = p_o + g", kA * g),
        Identity(
            "so K (R p_B)^2 kB >= kB mu^2/K, and the condition gives mu^2 - kB mu^2/K >= kA/K, i.e. mu >= 1",
            m**2 - kB * m**2 / size - kA / size,
            kA / size * (m**2 - 1),
        ),
        Lemma("so the condition alone decides; with mu >= 1 also b = 0, hence R_1 >= R_0", "FA21-04"),
        Identity("majority simplex of kA classes: cosine -1/(kA - 1)", (-1 / kA) / (1 - 1 / kA), -1 / (kA - 1)),
    )


def transition_derivation() -> Derivation:
    """The condition for Z = a C_A, with everything before it."""
    return Derivation(
        steps=(*nuclear_steps(), *symmetry_steps(), *gradient_steps(), *alive_steps(), *transition_steps())
    )


MAJORITY = Hypothesis(
    "at least two majority classes",
    lambda problem: len(groups(problem)[0][1]) >= 2,
    dropped="with one majority class Z = 0 would be all that is left, which does not use the budget: T_c = 0",
)
JUST_BEFORE, JUST_AFTER = step(3, 2, "6.6", "2", "1/2"), step(3, 2, "6.62", "2", "1/2")
ABOVE = step(3, 2, "1000", "2", "1")
"""T = 5 sqrt(2) > T_c."""
LONE = step(2, 1, "4", "1/4", "1/4")


NEAR = tuple(step(3, 2, "1000000", share, share) for share in ("1.1378771", "1.1378765"))
"""T at the relative distance 2.5e-7 from T_c, above and below."""


def _small(relation: sp.Rel) -> sp.Equivalent:
    return sp.Equivalent(dead, relation)


def _equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


transition = Claim(
    id="FA21-06",
    title="Second transition R_1: the minority vanishes",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"k_A \geq 2,\ T_c = k_A(k_A-1)\log\left(1 + \sqrt{K/k_B}\right):\quad"
        r" w_k = 0,\ h_k = 0 \text{ for the minority} \iff T < T_c \text{ and } R \geq R_1",
        r"R_1 = \sqrt{\frac{k_A}{K}}\left((k_A p_o + k_B p_B)^2 - K k_B p_B^2\right)^{-1/2}"
        r" \text{ with } p_o, p_B \text{ at } a = \tfrac{T}{k_A-1},\ s = 0;\qquad R_1 \geq R_0",
        r"\text{beyond } R_1:\ a = \frac{T}{k_A-1},\quad \cos(w_k, w_l) = -\frac{1}{k_A-1} \text{ for majority } k, l",
    ),
    relations=(
        sp.Equivalent(dead, R >= R_1),
        sp.Equivalent(dead, R**2 * bracket() >= kA / K),
        sp.Equivalent(dead, total < CRITICAL_BUDGET),
        _equation(square_w, sp.Integer(0)),
        _equation(square_h, sp.Integer(0)),
        _equation(a, T / (kA - 1)),
        _equation(cosine_A, -1 / (kA - 1)),
        sp.Gt(vanished, least, evaluate=False),
    ),
    read=transition_readings,
    hypotheses=(*BASIC, MAJORITY),
    witness=JUST_BEFORE,
    family=Family(sizes="two", bias=("none",), near=("minority_zero",), model="layer-peeled"),
    settings=(JUST_AFTER, VANISHED, COLLAPSED, ABOVE, BOTH_LIVE, LONE, step(4, 3, "3", "1/7", "1"), *NEAR),
    derivation=transition_derivation,
    rests_on=frozenset({"FA21-04"}),
    required="proved",
    mutants=(
        Mutant(
            "T_c with sqrt(kB/K)",
            relations=(_small(total < critical_budget(1 + sp.sqrt(kB / K))),),
            problem=VANISHED,
        ),
        Mutant(
            "kA/K for kA/K^2 in the condition",
            relations=(_small(R**2 * bracket() >= kA),),
            problem=VANISHED,
        ),
        Mutant("R_1 < R_0", relations=(sp.Lt(vanished, least, evaluate=False),), problem=VANISHED),
        Mutant("collapsed minority classifiers are always nonzero", relations=(_small(R < 1),), problem=VANISHED),
        Mutant("the minority vanishes for every T", relations=(_small(R >= 1),), problem=ABOVE),
        Mutant("K for the majority's own simplex", relations=(_equation(cosine_A, -1 / (K - 1)),), problem=VANISHED),
    ),
    note="Features and classifiers vanish together. For rational T no rational R lies exactly on R_1.",
    survivors={
        "strict for non-strict (relation 2)": "never equal: T and R are algebraic, exp(-T/(k_A (k_A - 1))) is not "
        "(Lindemann)",
        "strict for non-strict (relation 3)": "T is algebraic, T_c, the logarithm of an algebraic number, is not "
        "(Lindemann): never equal",
        "exponent: R_0 becomes sqrt(R_0) (relation 8)": "a smaller bound, since R_0 >= 1: weaker",
    },
)
