"""FA21-07 and R5: the limit R = infinity in closed form: minority loss dropped, all K classifiers kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim, Hypothesis, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma
from theory.fang_2021_layer_peeled.minority_vanishes import CRITICAL_BUDGET
from theory.fang_2021_layer_peeled.reduction import EXP_A, EXP_AB, Q_A, nuclear_steps, symmetry_steps
from theory.fang_2021_layer_peeled.reduction import a as gap_a
from theory.fang_2021_layer_peeled.reduction import s as gap_s
from theory.fang_2021_layer_peeled.settings import PAPER, WIDE
from theory.optimum import Optimum
from theory.peeled_observables import T, group_readings, groups, hh_B, minority_zero, ww_B, ww_BB
from theory.problem import Problem
from theory.symbols import F, K, a, dead, kA, kB, tA

__all__ = ["infinite_ratio", "majority_only"]

sq = sp.sqrt(kB / K)
KAPPA = sp.sqrt(kB) / (sp.sqrt(K) + sp.sqrt(kB))


def gaps(kappa: sp.Expr = KAPPA, sign: int = 1) -> tuple[sp.Expr, sp.Expr]:
    """A and s for T > T_c.

    Examples
    --------
    >>> gaps()[1].subs({kA: 2, kB: 2, K: 4, T: 0}).free_symbols
    set()
    """
    above = (T - kA * sq * sp.log(kappa)) / (kA - 1 + sq)
    return above, above / kA + sign * sp.log(kappa)


GAP_A, GAP_S = gaps()


def majority_loss(gap: sp.Expr, between: sp.Expr) -> sp.Expr:
    """Loss of a majority sample with the K classifiers kept.

    Examples
    --------
    >>> majority_loss(sp.Integer(0), sp.Integer(0)).subs({kA: 1, kB: 3})
    log(4)
    """
    return sp.log(1 + (kA - 1) * sp.exp(-gap) + kB * sp.exp(-gap * (1 - 1 / kA) - between))


apart_w, square_w, square_h = sp.symbols("apart_w w2_B h2_B", real=True)
"""Minority: squared distance of two classifiers, squared length of a classifier and of a feature."""
share, share_small, share_large, share_one = sp.symbols("F_A F_small F_large F_one", real=True)
"""Loss per majority sample; the same where T <= T_c, where T > T_c, and where kA = 1."""
a_small, a_large, s_large, s_one = sp.symbols("a_small a_large s_large s_one", real=True)
"""Gaps in the same cases."""
CASES = {
    "small": (share_small, a_small, None),
    "large": (share_large, a_large, s_large),
    "one": (share_one, None, s_one),
}
T_c = sp.Symbol("T_c", positive=True)
ROOT_T_C = Root(T_c, kA * sp.exp(-T_c / (kA * (kA - 1))) + kB - sp.sqrt(K * kB), sp.Integer(0), sp.oo)
"""Where p_o/p_B = exp(-a/kA) reaches kappa."""


def infinite_readings(optimum: Optimum) -> Iterator[Reading]:
    """Gaps, loss per majority sample and minority vectors, with the case of the budget.

    Examples
    --------
    >>> [reading[K] for reading in infinite_readings(Optimum(SMALL, "exact"))]
    [5]
    """
    problem = optimum.problem
    heavy, A = groups(problem)[0]
    for found in group_readings(optimum):
        reading = {symbol: found[symbol] for symbol in (K, kA, kB, T)}
        case = "one" if len(A) == 1 else "small" if _below(reading) else "large"
        value, gap, between = CASES[case]
        if F in found:
            scale = problem.N / (heavy * len(A))
            reading[share] = reading[value] = found[F] * scale.numerator / scale.denominator
        reading |= {mine: found[theirs] for mine, theirs in ((gap, a), (between, tA)) if mine and theirs in found}
        if ww_B in found and hh_B in found:
            reading |= {square_w: found[ww_B], square_h: found[hh_B]}
            if ww_BB in found:
                reading[apart_w] = 2 * (found[ww_B] - found[ww_BB])
        if case != "one":
            reading |= {T_c: ROOT_T_C, dead: minority_zero(optimum)}
        yield reading


def _below(known: dict[sp.Symbol, Any]) -> bool:
    return bool((CRITICAL_BUDGET.subs(known) - known[T]).evalf(40) > 0)


def infinite_derivation() -> Derivation:
    """Two numbers a, s and one constraint."""
    u, v = sp.symbols("u v", positive=True)
    size = kA + kB
    root = sp.sqrt(kB / size)
    kappa = sp.Symbol("l", real=True)
    above = (T - kA * root * kappa) / (kA - 1 + root)
    value = kA * sp.log(Q_A)
    return Derivation(
        steps=(
            *nuclear_steps()[:-1],
            *symmetry_steps(),
            Lemma(
                "columns of weight 0 do not enter the loss; deleting a nonzero column lowers |Z|_* strictly, and "
                "budget is worth something: minority columns and features are 0, so b = t = 0",
                "operator monotonicity of the square root",
            ),
            Lemma("the other columns are unique", "strict convexity"),
            Identity("r = kA sqrt(kB/K) s at t = 0", sp.sqrt(kA * kB * kA * gap_s**2 / size), kA * root * gap_s),
            Identity(
                "derivative of the loss in a", sp.diff(value, gap_a), -(kA - 1) * (kA * EXP_A + kB * EXP_AB) / Q_A
            ),
            Identity("and in s", sp.diff(value, gap_s), -kA * kB * EXP_AB / Q_A),
            Identity(
                "stationary: nu = kA p_o + kB p_B and kB p_B = nu sqrt(kB/K) give p_o/p_B = (sqrt(K kB) - kB)/kA; with "
                "K = u^2, kB = v^2",
                (u**2 - v**2) * ((u * v - v**2) / (u**2 - v**2)) + v**2,
                u * v,
            ),
            Identity("which is kappa = sqrt(kB)/(sqrt(K) + sqrt(kB))", (u * v - v**2) / (u**2 - v**2), v / (u + v)),
            Identity("p_o/p_B = exp(s - a/kA)", EXP_A / EXP_AB, sp.exp(gap_s - gap_a / kA)),
            Lemma(
                "s = 0 iff kB p_B <= nu sqrt(kB/K) there, iff exp(-a/kA) >= kappa with a = T/(kA - 1), iff T <= T_c; "
                "kA = 1: a = 0 and s > 0 always",
                "optimality of a convex program in s >= 0",
            ),
            Identity(
                "T > T_c: a (kA - 1) + kA sqrt(kB/K) s = T with s = a/kA + log(kappa)",
                above * (kA - 1) + kA * root * (above / kA + kappa),
                T,
            ),
            Identity("kA = 1: s = T/sqrt(kB/K)", root * (T / root), T),
            Lemma("W W^T = f (a C_A + r u u^T): minority rows are equal, and zero iff r = 0", "FA21-09"),
        )
    )


def at_infinity(kA_: int, kB_: int, e_w: str, e_h: str = "1") -> Problem:
    """kA_ classes of weight 1, kB_ of loss weight 0.

    Examples
    --------
    >>> at_infinity(2, 3, "1").K
    5
    """
    return Problem.peeled([(1, kA_ + kB_)], e_w, e_h, weights=[(1, kA_), (0, kB_)])


SMALL, LARGE, SINGLE = at_infinity(3, 2, "2", "1/2"), at_infinity(3, 2, "4", "1"), at_infinity(1, 3, "1/2", "2")


NEAR = tuple(at_infinity(3, 2, share_, share_) for share_ in ("1.138161", "1.137592", "1.1378771", "1.1378765"))
"""T at relative distances 2.5e-4 and 2.5e-7 from T_c, above and below."""


def _two_with_zero(problem: Problem) -> bool:
    found = groups(problem)
    return len(found) == 2 and found[-1][0] == 0


def _equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


ZERO = Hypothesis(
    "two groups, the minority with loss weight 0",
    _two_with_zero,
    dropped="with a positive weight the ratio is finite: FA21-09",
)

infinite_ratio = Claim(
    id="FA21-07",
    title="Infinite ratio in closed form",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\text{minority loss dropped, } \kappa = \frac{\sqrt{k_B}}{\sqrt K + \sqrt{k_B}},\ \sigma = \sqrt{k_B/K},"
        r"\ T_c = k_A(k_A-1)\log(1/\kappa):\quad b = t = 0",
        r"k_A = 1:\ s = T/\sigma;\qquad T \leq T_c:\ a = \frac{T}{k_A-1},\ s = 0;\qquad"
        r" T > T_c:\ a = \frac{T - k_A\sigma\log\kappa}{k_A-1+\sigma},\ s = \frac{a}{k_A} + \log\kappa",
        r"\text{loss per majority sample } \log\left(1 + (k_A-1)e^{-a} + k_B e^{-a(1-1/k_A)-s}\right)",
        r"h_k = 0,\ w_k = w_{k'} \text{ for the minority; } w_k = 0 \iff k_A \geq 2 \text{ and } T \leq T_c",
    ),
    relations=(
        _equation(share_small, majority_loss(T / (kA - 1), sp.Integer(0))),
        _equation(share_large, majority_loss(GAP_A, GAP_S)),
        _equation(share_one, sp.log(1 + kB * sp.exp(-T / sq))),
        _equation(a_small, T / (kA - 1)),
        _equation(a_large, GAP_A),
        _equation(s_large, GAP_S),
        _equation(s_one, T / sq),
        _equation(square_h, sp.Integer(0)),
        _equation(apart_w, sp.Integer(0)),
        sp.Equivalent(dead, T_c >= T),
    ),
    read=infinite_readings,
    hypotheses=(ZERO, WIDE),
    witness=SMALL,
    family=None,
    settings=(
        LARGE,
        SINGLE,
        at_infinity(1, 2, "1/3", "1/2"),
        at_infinity(2, 2, "1/2"),
        at_infinity(2, 2, "3", "2"),
        *NEAR,
        at_infinity(2, 1, "1", "3"),
    ),
    derivation=infinite_derivation,
    rests_on=frozenset({"FA21-09"}),
    required="proved",
    mutants=(
        Mutant("kappa = sqrt(kB/K)", relations=(_equation(a_large, gaps(sq)[0]),), problem=LARGE),
        Mutant("s = a/kA - log(kappa)", relations=(_equation(s_large, gaps(sign=-1)[1]),), problem=LARGE),
        Mutant(
            "only kA outputs",
            relations=(_equation(share_small, sp.log(1 + (kA - 1) * sp.exp(-T / (kA - 1)))),),
            problem=SMALL,
        ),
        Mutant(
            "minority classifiers vanish for every T", relations=(_equation(square_w, sp.Integer(0)),), problem=LARGE
        ),
    ),
    note="The public training code drops the minority samples and keeps K outputs, which is this problem.",
)

majority_only = Claim(
    id="FA21-R5",
    title="R = infinity means kA outputs",
    kind="equality",
    status="refuted",
    paper=PAPER,
    statement=(r"R = \infty:\quad \text{loss per majority sample} = \log\left(1 + (k_A-1)e^{-T/(k_A-1)}\right)",),
    relations=(_equation(share, sp.log(1 + (kA - 1) * sp.exp(-T / (kA - 1)))),),
    read=infinite_readings,
    hypotheses=(ZERO, WIDE),
    witness=SMALL,
    family=None,
    settings=(LARGE,),
    required="refuted",
    note="The unused outputs stay in the softmax: FA21-07.",
)
