"""FA21-09 and R1: the equations of two groups, their Gram entries, and a cosine that was computed of full rows."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.fang_2021_layer_peeled.reduction import (
    alive_steps,
    gradient_steps,
    nuclear_steps,
    symmetry_steps,
)
from theory.fang_2021_layer_peeled.settings import (
    BASIC,
    BOTH_LIVE,
    COLLAPSED,
    MINORITY,
    PAPER,
    WEIGHTED,
    step,
)
from theory.observables import norm
from theory.optimum import Optimum
from theory.peeled_observables import (
    R,
    T,
    eH,
    eW,
    group_readings,
    groups,
    hh_A,
    hh_AA,
    hh_AB,
    hh_B,
    hh_BB,
    merged,
    minority_zero,
    ww_A,
    ww_AA,
    ww_AB,
    ww_B,
    ww_BB,
)
from theory.symbols import F, K, N, a, b, kA, kB, mu, n, pA, pB, qA, qB, rA, rB, tA, tB

__all__ = ["grams", "row_cosine", "two_groups"]

a_live, b_live, r_live, a_all, b_all, r_all = sp.symbols("a_live b_live r_live a_0 b_0 r_0", real=True)
"""kA p_o + kB p_B, kB q_o + kA q_A and q_A^2 where a, b, r are alive; the gaps a, b with 0 for a single class;
r where it may be 0."""
NORM = sp.Symbol("r", positive=True)
"""r where it is certainly positive."""
RATIO = sp.sqrt(eW / eH)


def group_equations(optimum: Optimum) -> Iterator[Reading]:
    """The reading of two groups, with the sides of the equations that belong to live gaps.

    Examples
    --------
    >>> len(list(group_equations(Optimum(BOTH_LIVE, "exact"))))
    1
    """
    problem = optimum.problem
    (_, A), (_, B) = groups(problem)
    for reading in group_readings(optimum):
        if tA in reading:
            zero = 0 * reading[tA]
            reading |= {a_all: reading.get(a, zero), b_all: reading.get(b, zero)}
            r = norm(np.array([ball_root(reading[tA], len(A)), ball_root(reading[tB], len(B))]))
            reading[r_all] = ball_root(r, Fraction(len(A) * len(B), problem.K))
            if reading[r_all] > 0:
                reading[NORM] = reading[r_all]
            if a in reading and reading[a] > 0:
                reading[a_live] = len(A) * reading[qA] + len(B) * reading[rA]
            if b in reading and merged(optimum, B) is False:
                reading[b_live] = len(B) * reading[qB] + len(A) * reading[rB]
            if minority_zero(optimum) is False:
                reading[r_live] = reading[rB] * reading[rB]
        yield reading


def ball_root(value: Any, factor: Fraction | int) -> Any:
    """The value times the square root of a positive rational, as a ball.

    Examples
    --------
    >>> float(ball_root(np.float64(3), 4))
    6.0
    """
    scale = (0 * value + factor.numerator) / factor.denominator
    return value * np.sqrt(np.array([scale]))[0]


def grams(ratio: sp.Expr = RATIO, length: sp.Expr = r_all) -> dict[sp.Symbol, sp.Expr]:
    """Predicted entries of W W^T.

    Examples
    --------
    >>> grams()[ww_AB]
    -sqrt(E_W)*r_0/(sqrt(E_H)*K)
    """
    return {
        ww_A: ratio * (a_all * (1 - 1 / kA) + length * kB / (kA * K)),
        ww_AA: ratio * (-a_all / kA + length * kB / (kA * K)),
        ww_B: ratio * (b_all * (1 - 1 / kB) + length * kA / (kB * K)),
        ww_BB: ratio * (-b_all / kB + length * kA / (kB * K)),
        ww_AB: -ratio * length / K,
    }


def features() -> dict[sp.Symbol, sp.Expr]:
    """Predicted entries of H^T H: r u u^T replaced by v v^T/r.

    Examples
    --------
    >>> sorted(map(str, features()))
    ['hh_A', 'hh_AA', 'hh_AB', 'hh_B', 'hh_BB']
    """
    inverse, scale = 1 / RATIO, kA * kB / K / NORM
    return {
        hh_A: inverse * (a_all * (1 - 1 / kA) + tA**2 * scale),
        hh_AA: inverse * (-a_all / kA + tA**2 * scale),
        hh_B: inverse * (b_all * (1 - 1 / kB) + tB**2 * scale),
        hh_BB: inverse * (-b_all / kB + tB**2 * scale),
        hh_AB: -inverse * tA * tB * scale,
    }


def group_derivation() -> Derivation:
    """Stationarity, and the polar factors of Z."""
    s, t, x = sp.symbols("s t x", positive=True)
    ga, gb, r, f = sp.symbols("a_g b_g r f", positive=True)
    size = kA + kB
    w2 = size / (kA * kB)
    square = (kA * s**2 + kB * t**2) / w2
    return Derivation(
        steps=(
            *nuclear_steps(),
            *symmetry_steps(),
            *gradient_steps(),
            *alive_steps(),
            Lemma(
                "(Z Z^T)^(1/2) = a C_A + b C_B + r u u^T and (Z^T Z)^(1/2) = a C_A + b C_B + v v^T/r, as the three "
                "blocks have orthogonal ranges",
                "polar factors of an orthogonal sum",
            ),
            Identity("u_A^2 = kB/(kA K)", (kB / sp.sqrt(kA * kB * size)) ** 2, kB / (kA * size)),
            Identity("u_B^2 = kA/(kB K)", (kA / sp.sqrt(kA * kB * size)) ** 2, kA / (kB * size)),
            Identity("u_A u_B = -1/K", -kA * kB / (kA * kB * size), -1 / size),
            Identity("v_A^2/r = s^2 kA kB/(K r)", s**2 / w2 / r, s**2 * kA * kB / (size * r)),
            Identity("r^2 = |v|^2", square, kA * s**2 / w2 + kB * t**2 / w2),
            Identity("|w_A|^2 over f", ga * (1 - 1 / kA) + r * (kB / (kA * size)), ga - ga / kA + r * kB / (kA * size)),
            Identity(
                "tr W W^T = f T = K E_W",
                f * (kA * (ga * (1 - 1 / kA) + r * kB / (kA * size)) + kB * (gb * (1 - 1 / kB) + r * kA / (kB * size))),
                f * (ga * (kA - 1) + gb * (kB - 1) + r),
            ),
            Identity(
                "loss = (n_B/N)(R kA log Q + kB log Q2): own probabilities 1/Q, 1/Q2",
                -sp.log(1 / (1 + x)),
                sp.log(1 + x),
            ),
        )
    )


def _equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


LOSS = -(R * kA * sp.log(pA) + kB * sp.log(pB)) * n / N
SQUARES = K * (R**2 * kB * rA**2 + kA * r_live)

two_groups = Claim(
    id="FA21-09",
    title="Equations and Gram matrices of two groups",
    kind="equality",
    paper=PAPER,
    statement=(
        r"a > 0:\ R(k_A p_o + k_B p_B) = \mu;\qquad b > 0:\ k_B q_o + k_A q_A = \mu;\qquad"
        r" a(k_A-1) + b(k_B-1) + r = T",
        r"r > 0:\ K(R^2 k_B p_B^2 + k_A q_A^2) = \mu^2,\quad s\,k_A q_A = t\,R\,k_B p_B;\qquad"
        r" r^2 = \frac{k_A k_B}{K}(k_A s^2 + k_B t^2)",
        r"f = \sqrt{E_W/E_H}:\quad W W^\top = f\,(a C_A + b C_B + r\,u u^\top),\quad"
        r" H^\top H = f^{-1}(a C_A + b C_B + v v^\top/r)",
        r"b = 0 \iff k_B = 1 \text{ or } \mu \geq 1;\quad a = 0 \iff k_A = 1 \text{ or } \mu \geq R;\quad"
        r" r = 0 \iff K(R^2 k_B p_B^2 + k_A q_A^2) \leq \mu^2 \text{ there}",
    ),
    relations=(
        _equation(R * a_live, mu),
        _equation(b_live, mu),
        _equation(a_all * (kA - 1) + b_all * (kB - 1) + r_all, T),
        _equation(SQUARES, mu**2),
        _equation(tA * kA * rB, tB * R * kB * rA),
        *(_equation(entry, value) for entry, value in {**grams(), **features()}.items()),
        _equation(F, LOSS),
    ),
    read=group_equations,
    hypotheses=BASIC,
    witness=BOTH_LIVE,
    family=Family(
        sizes="two", bias=("none",), near=("minority_merge", "minority_zero"), weights=True, model="layer-peeled"
    ),
    settings=(COLLAPSED, WEIGHTED, step(1, 3, "2", "1/3", "2"), step(3, 1, "7/2", "5", "1"), step(1, 1, "10")),
    derivation=group_derivation,
    required="proved",
    mutants=(
        Mutant(
            "R for R^2 (ridge penalties)",
            relations=(_equation(K * (R * kB * rA**2 + kA * r_live), mu**2),),
            problem=BOTH_LIVE,
        ),
        Mutant(
            "r with weights R",
            relations=(
                _equation(
                    a_all * (kA - 1) + b_all * (kB - 1) + sp.sqrt(kA * kB * (R * kA * tA**2 + kB * tB**2) / K), T
                ),
            ),
            problem=BOTH_LIVE,
        ),
        Mutant("f missing", relations=(_equation(ww_A, grams(sp.Integer(1))[ww_A]),), problem=BOTH_LIVE),
        Mutant("f for features too", relations=(_equation(hh_A, features()[hh_A] * RATIO**2),), problem=BOTH_LIVE),
        Mutant("u and v swapped", relations=(_equation(hh_AB, -NORM / K / RATIO),), problem=BOTH_LIVE),
        Mutant("the equation of b where b = 0", relations=(_equation(kB * qB + kA * rB, mu),), problem=COLLAPSED),
    ),
    note="mu >= R never happens for kA >= 2 and T > 0. Only sqrt(E_W E_H) enters the logits, E_W/E_H the lengths.",
)

cos_rows, cos_classifiers = sp.symbols("cos_rows cos_w", real=True)


def cosine_readings(optimum: Optimum) -> Iterator[Reading]:
    """Cosine of two minority classifiers, and of the two full rows (Z, W W^T) of the semidefinite variable.

    Examples
    --------
    >>> list(cosine_readings(Optimum(SIX, "convex")))
    []
    """
    Z, rows = optimum.logits, optimum.gram_classifier
    B = groups(optimum.problem)[-1][1]
    if Z is None or rows is None or minority_zero(optimum) is not False:
        return
    i, j = B[:2]
    if not rows[i, i] > 0:
        return
    square = Z @ Z.T + rows @ rows
    yield {
        K: sp.Integer(optimum.problem.K),
        cos_classifiers: rows[i, j] / rows[i, i],
        cos_rows: square[i, j] / square[i, i],
    }


SIX = step(3, 3, "2", "1/2", "2")
"""Cosine of minority classifiers 0.360211, of their rows 0.817761."""

row_cosine = Claim(
    id="FA21-R1",
    title="The cosine of full rows is the cosine of classifiers",
    kind="equality",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\cos(X_k, X_{k'}) = \cos(w_k, w_{k'}) \text{ for minority classes and rows } X_k ="
        r" (Z_{k\cdot}, (W W^\top)_{k\cdot}) \text{ of the semidefinite variable}",
    ),
    relations=(_equation(cos_rows, cos_classifiers),),
    read=cosine_readings,
    hypotheses=(*BASIC, MINORITY),
    witness=SIX,
    family=Family(sizes="two", bias=("none",), near=("minority_merge",), model="layer-peeled"),
    settings=(),
    required="refuted",
    note="A public plotting script normalised full rows until April 2021. Both cosines are -1/(K-1) at R = 1 and 1 "
    "from R_0 on, and differ between.",
)
