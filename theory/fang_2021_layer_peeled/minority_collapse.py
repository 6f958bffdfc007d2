"""FA21-03, 04 and R2: when the minority classes collapse onto one classifier, from a finite ratio R_0 on.

The system for R_0 has one free number left, t: everything else is explicit in it and strictly increasing, the budget
too. So R_0(T) is unique, and the collapse set in R is the up-set [R_0, infinity).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.fang_2021_layer_peeled.critical_ratio import ratio_at, root_t0, system_steps, t0, up_set_steps
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
    VANISHED,
    step,
)
from theory.optimum import Optimum
from theory.peeled_observables import (
    R,
    T,
    eH,
    eW,
    group_readings,
    groups,
    hh_A,
    hh_B,
    hh_BB,
    merged,
    minority_zero,
    nu,
    ww_A,
    ww_AA,
    ww_B,
    ww_BB,
)
from theory.symbols import K, dead, kA, kB, mu

__all__ = ["collapse", "collapse_derivation", "limit", "never_zero"]


def collapse_readings(optimum: Optimum, root: Root | None = None) -> Iterator[Reading]:
    """State of the minority contrasts against mu and against R_0; once it is dead, distances within the minority.

    Examples
    --------
    >>> p = COLLAPSED
    >>> [reading[R] for reading in collapse_readings(Optimum(p, "exact", contrasts=("alive", "dead")))]
    [3, 3]
    """
    problem = optimum.problem
    B = groups(problem)[-1][1]
    state = merged(optimum, B)
    for reading in group_readings(optimum):
        known = {symbol: reading[symbol] for symbol in (K, kA, kB, R, T, eW, eH)}
        raw = {nu: optimum.facts["multiplier"], mu: reading[mu]} if mu in reading else {}
        yield {**known, **raw, dead: state}
        yield {**known, t0: root or root_t0(), dead: state}
        if state is True and ww_BB in reading and hh_BB in reading:
            yield {
                **known,
                **raw,
                apart_w: 2 * (reading[ww_B] - reading[ww_BB]),
                apart_h: 2 * (reading[hh_B] - reading[hh_BB]),
            }


apart_w, apart_h = sp.symbols("apart_w apart_h", real=True)
"""Squared distance of two minority classifiers, of two minority features."""


def collapse_derivation() -> Derivation:
    """B = 0 iff mu >= 1 iff R >= R_0."""
    return Derivation(
        steps=(
            *nuclear_steps(),
            *symmetry_steps(),
            *gradient_steps(),
            *alive_steps(),
            *system_steps(),
            *up_set_steps(),
            Lemma("|w_k - w_k'|^2 = 2 sqrt(E_W/E_H) b and |h_k - h_k'|^2 = 2 sqrt(E_H/E_W) b", "FA21-09"),
        )
    )


def _equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


FAMILY = Family(sizes="two", bias=("none",), near=("minority_merge",), model="layer-peeled")
BEFORE, AFTER = step(3, 2, "2.15", "2", "1/2"), step(3, 2, "2.19", "2", "1/2")
SINGLE = step(1, 3, "9")

collapse = Claim(
    id="FA21-04",
    title="Exact finite threshold R_0 of minority collapse",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"w_k = w_{k'},\ h_k = h_{k'} \text{ for all minority classes} \iff \mu \geq 1 \iff R \geq R_0(T),\quad"
        r" 1 < R_0 < \infty,\quad R_0 \to 1 \text{ as } T \to 0",
        r"R(k_A p_o + k_B p_B) = 1,\quad K(R^2 k_B p_B^2 + k_A q_A^2) = 1,\quad s\,k_A q_A = t\,R\,k_B p_B,\quad"
        r" a(k_A - 1) + r = T \text{ at } R_0",
        r"q = \frac{e^{-t}}{k_B + k_A e^{-t}},\ y = \sqrt{(1/K - k_A q^2)/k_B},\ s = \frac{t k_B y}{k_A q},"
        r"\ a = k_A\left(s - \log\frac{1 - k_B y}{k_A y}\right),\ R_0 = \frac{1 - k_B y}{k_A}(e^a + k_A - 1) + k_B y",
    ),
    relations=(
        sp.Equivalent(dead, mu >= 1),
        sp.Equivalent(dead, ratio_at() <= R),
        _equation(apart_w, sp.Integer(0)),
        _equation(apart_h, sp.Integer(0)),
    ),
    read=collapse_readings,
    hypotheses=(*BASIC, MINORITY),
    witness=BEFORE,
    family=FAMILY,
    settings=(AFTER, COLLAPSED, VANISHED, SINGLE, step(2, 4, "2", "1/3", "3"), step(1, 2, "150", "5/3", "5/3")),
    derivation=collapse_derivation,
    rests_on=frozenset({"FA21-01", "FA21-09"}),
    required="proved",
    mutants=(
        *(
            Mutant(f"mu >= 1 {sign} {step_}", relations=(sp.Equivalent(dead, mu >= 1 + sp.Rational(sign + step_)),))
            for step_ in ("1/1000", "1/1000000")
            for sign in "+-"
        ),
        Mutant("mu >= kB", relations=(sp.Equivalent(dead, mu >= kB),), problem=AFTER),
        Mutant("mu_true >= 1", relations=(sp.Equivalent(dead, nu >= 1),), problem=AFTER),
        Mutant(
            "R_0 depends on E_W E_H^2",
            relations=(sp.Equivalent(dead, ratio_at() <= R),),
            read=lambda optimum: collapse_readings(optimum, root_t0(K * sp.sqrt(eW) * eH)),
            problem=AFTER,
        ),
        Mutant(
            "sqrt(R) as with ridge penalties", relations=(sp.Equivalent(dead, sp.sqrt(R) >= ratio_at()),), problem=AFTER
        ),
        Mutant(
            "the equation of the majority gap kept for kA = 1: R = 1/K at the optimum",
            relations=(sp.Equivalent(dead, R >= 1),),
            problem=step(1, 3, "2"),
        ),
        Mutant("collapse only as R -> infinity", relations=(sp.Equivalent(dead, R < 1),), problem=COLLAPSED),
    ),
    note="That the ratios with collapse form an up-set, and that the system has one solution, is proved here: in the "
    "parameter t every quantity of the system increases. Only sqrt(E_W E_H) enters R_0. For kA = 1 there is no gap a: "
    "the first equation then only defines a number a that cancels in R_0 and T.",
    survivors={
        "strict for non-strict (relation 1)": "mu = 1 only at R = R_0, a root in T: there no ball decides mu or the "
        "state",
    },
)


def limit_readings(optimum: Optimum, always: bool = False) -> Iterator[Reading]:
    """The lower bound on mu; lengths of minority features where mu > 1 (``always``: a mutant); distances for large R.

    Examples
    --------
    >>> list(limit_readings(Optimum(COLLAPSED, "exact")))[0][R]
    3
    """
    for reading in group_readings(optimum):
        known = {symbol: reading[symbol] for symbol in (K, kA, kB, R, T, eW, eH)}
        if mu in reading:
            known[mu] = reading[mu]
            found = dict(known)
            if hh_B in reading and (always or reading[mu] > 1):
                found[length] = reading[hh_B]
            if ww_BB in reading and hh_B in reading and _beyond(known):
                found[apart_w] = 2 * (reading[ww_B] - reading[ww_BB])
                if ww_AA in reading:
                    found |= {apart_A: 2 * (reading[ww_A] - reading[ww_AA])}
                found[hh_A] = reading[hh_A]
            yield found
        else:
            yield known


def _beyond(known: dict[sp.Symbol, Any]) -> bool:
    """R >= 1 + exp(sqrt(2) T)/(K - 1)."""
    return bool((known[R] - 1) * (known[K] - 1) > sp.exp(sp.sqrt(2) * known[T]).evalf(30))


length, apart_A = sp.symbols("h2_B apart_A", real=True)
FLOOR = R * (K - 1) / (K - 1 + sp.exp(sp.sqrt(2) * T))
SHORT = sp.sqrt(eH / eW) * kA / (kB * sp.E * mu)


def limit_derivation() -> Derivation:
    """A lower bound on mu that grows like R, and an upper bound on minority features that falls like 1/mu."""
    t, q, rr = sp.symbols("t q r", positive=True)
    grow = sp.Symbol("E", positive=True)
    return Derivation(
        steps=(
            *nuclear_steps(),
            *symmetry_steps(),
            *gradient_steps(),
            *alive_steps(),
            *up_set_steps(),
            Identity(
                "features: v v^T/r has the minority entry t^2 kA kB/(K r) = kA kB t (t/(K r))",
                t**2 * kA * kB / (K * rr),
                kA * kB * t * (t / (K * rr)),
            ),
            Identity("q_A = mu kB t/(K r): t/(K r) = q_A/(mu kB)", kA * kB * t * q / (mu * kB), kA * t * q / mu),
            Positive(
                "once mu >= 1, so that b = 0: q_A <= exp(-t)/kB, with E = exp(t)",
                1 / (kB * grow) - 1 / (kB * grow + kA),
            ),
            Lemma("t exp(-t) <= 1/e", "exp(x) >= 1 + x"),
            Lemma("both bounds tend to their limits as R -> infinity with K and T fixed", "squeeze theorem"),
        )
    )


FAR = step(2, 2, "2000", "1/4", "4")

limit = Claim(
    id="FA21-03",
    title="Minority collapse as R grows",
    kind="limit",
    paper=PAPER,
    statement=(
        r"R \to \infty:\ w_k - w_{k'} \to 0 \text{ for minority } k, k';\quad"
        r" w_k = w_{k'} \text{ from } R = 1 + \frac{e^{\sqrt 2 T}}{K-1} \text{ on}",
        r"\mu \geq \frac{R(K-1)}{K-1+e^{\sqrt 2 T}} \text{ for every } R;\qquad"
        r" \|h_k\|^2 \leq \sqrt{\frac{E_H}{E_W}} \frac{k_A}{e\,k_B\,\mu} \to 0 \text{ for minority } k \text{ once"
        r" } \mu \geq 1",
    ),
    relations=(
        _equation(apart_w, sp.Integer(0)),
        sp.Le(length, SHORT, evaluate=False),
        sp.Le(FLOOR, mu, evaluate=False),
    ),
    read=limit_readings,
    hypotheses=(*BASIC, MINORITY),
    witness=FAR,
    family=Family(sizes="two", bias=("none",), near=("minority_merge", "minority_zero"), model="layer-peeled"),
    settings=(
        step(2, 2, "2000000", "1/4", "4"),
        step(3, 2, "800", "1/2", "1/2"),
        step(1, 2, "10000", "1", "1"),
        BOTH_LIVE,
        step(1, 9, "3", "1/100", "1/100"),
        step(1, 2, "11/10", "1/3", "1/3"),
        step(1, 2, "100", "100", "1/100"),
        step(1, 2, "1000000", "8/3", "8/3"),
    ),
    derivation=limit_derivation,
    rests_on=frozenset({"FA21-01", "FA21-04"}),
    required="proved",
    mutants=(
        Mutant("majority classifiers merge too", relations=(_equation(apart_A, sp.Integer(0)),), problem=FAR),
        Mutant("minority features keep the length of the majority", relations=(_equation(length, hh_A),), problem=FAR),
        Mutant("the bound on mu without exp(sqrt(2) T)", relations=(sp.Le(R, mu, evaluate=False),), problem=FAR),
        Mutant(
            "the bound on minority features for every R",
            relations=(sp.Le(length, SHORT, evaluate=False),),
            read=partial(limit_readings, always=True),
            problem=step(1, 2, "101/100"),
        ),
        Mutant("mu stays below a bound", relations=(sp.Le(mu, sp.Integer(10), evaluate=False),), problem=FAR),
    ),
    source="published result (abstract); rate and finite ratio re-derived",
    note="Explicit in R, so the limit is checked at finite R. FA21-04 gives the exact ratio. Below it (mu < 1) the "
    "bound on minority features is false: at kA = 1, kB = 2, R = 1.01, T = 3, E_W = E_H their squared length is 0.997, "
    "the bound 0.396.",
    survivors={
        "exponent: 1/mu becomes mu (relation 2)": "a larger upper bound, since it is read for mu > 1: weaker",
        "strictness: *(relation 2)": "true as well: q_A < exp(-t)/k_B",
        "off by one: T becomes T + 1 (relation 3)": "a smaller lower bound: weaker",
        "strictness: *(relation 3)": "true as well: equality needs two wrong logits sqrt(2) T below the own one",
    },
)


def zero_readings(optimum: Optimum) -> Iterator[Reading]:
    """Ratio, and whether minority logits vanish.

    Examples
    --------
    >>> [reading[dead] for reading in zero_readings(Optimum(VANISHED, "exact"))]
    [None]
    """
    for reading in group_readings(optimum):
        yield {R: reading[R], dead: minority_zero(optimum)}


never_zero = Claim(
    id="FA21-R2",
    title="Minority classifiers have cosine 1 for every R >= R_0",
    kind="structure",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\cos(w_k, w_{k'}) = 1 \text{ for minority } k, k' \text{ at every } R \geq R_0,"
        r" \text{ so they never vanish}",
    ),
    relations=(sp.Equivalent(dead, R < 1),),
    read=zero_readings,
    hypotheses=(*BASIC, MINORITY),
    witness=VANISHED,
    family=Family(sizes="two", bias=("none",), near=("minority_zero",), model="layer-peeled"),
    settings=(),
    required="refuted",
    note="For T < T_c both vectors are exactly 0 from R_1 on (FA21-06): the cosine is 0/0 and a solver prints noise. "
    "Look at |w_k - w_k'| or at the norms.",
)
