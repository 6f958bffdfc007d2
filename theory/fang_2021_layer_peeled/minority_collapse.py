"""FA21-03, 04, 05 and R2: when the minority classes collapse onto one classifier, from a finite ratio R_0 on.

The system for R_0 has one free number left, t: everything else is explicit in it and strictly increasing, the budget
too. So R_0(T) is unique, and the collapse set in R is the up-set [R_0, infinity).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.fang_2021_layer_peeled.reduction import (
    alive_steps,
    gradient_steps,
    nuclear_steps,
    s,
    symmetry_steps,
    t,
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
    between_norm,
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

__all__ = ["budget_at", "collapse", "large_budget", "limit", "ratio_at", "root_t0", "system_steps", "t0"]

t0 = sp.Symbol("t_0", positive=True)
"""The gap t of the minority at R_0(T)."""


def wrong_at(t: sp.Expr = t0) -> sp.Expr:
    """q_A: probability of a majority class for a minority sample, with b = 0.

    Examples
    --------
    >>> wrong_at(sp.Integer(0))
    1/(k_A + k_B)
    """
    return sp.exp(-t) / (kB + kA * sp.exp(-t))


def pull_at(t: sp.Expr = t0) -> sp.Expr:
    """Y = R p_B, where mu = 1: K (kB y^2 + kA q_A^2) = 1.

    Examples
    --------
    >>> pull_at(sp.Integer(0)).subs({kA: 1, kB: 3})
    1/4
    """
    return sp.sqrt((1 / (kA + kB) - kA * wrong_at(t) ** 2) / kB)


def gap_s(t: sp.Expr = t0) -> sp.Expr:
    """S from s kA q_A = t kB y.

    Examples
    --------
    >>> gap_s(sp.Integer(0))
    0
    """
    return t * kB * pull_at(t) / (kA * wrong_at(t))


def odds_at(t: sp.Expr = t0) -> sp.Expr:
    """p_o/p_B, from kA p_o + kB p_B = 1/R.

    Examples
    --------
    >>> odds_at(sp.Integer(0)).subs({kA: 1, kB: 3})
    1
    """
    return (1 - kB * pull_at(t)) / (kA * pull_at(t))


def gap_a(t: sp.Expr = t0) -> sp.Expr:
    """A from p_o/p_B = exp(s - a/kA); for kA = 1 it has no meaning of its own and cancels.

    Examples
    --------
    >>> gap_a(sp.Integer(0)).subs({kA: 1, kB: 3})
    0
    """
    return kA * (gap_s(t) - sp.log(odds_at(t)))


def ratio_at(t: sp.Expr = t0) -> sp.Expr:
    """R_0 = y/p_B as a function of t.

    Examples
    --------
    >>> ratio_at(sp.Integer(0)).subs({kA: 1, kB: 3})
    1
    """
    alpha = (1 - kB * pull_at(t)) / kA
    return alpha * (sp.exp(gap_a(t)) + kA - 1) + kB * pull_at(t)


def budget_at(t: sp.Expr = t0) -> sp.Expr:
    """T = a (kA - 1) + r as a function of t, zero at t = 0.

    Examples
    --------
    >>> round(float(budget_at(sp.Float("0.3817461890738")).subs({kA: 3, kB: 2})), 9)
    5.0
    """
    return gap_a(t) * (kA - 1) + between_norm(gap_s(t), t)


def root_t0(budget: sp.Expr = T) -> Root:
    """T at R_0, for a given budget."""
    return Root(t0, budget_at() - budget, sp.Integer(0), sp.oo)


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


def system_steps() -> tuple[Step, ...]:
    """At mu = 1 everything is explicit in t and increasing; q, y, a, R below stand for q_A, R p_B, a, R_0.

    Examples
    --------
    >>> all(step.verify() for step in system_steps())
    True
    """
    E, q, y, grow_q, grow_s = sp.symbols("E q y dq ds", positive=True)
    rate_y, top, h = sp.symbols("dy E_a h", positive=True)
    more = sp.Symbol("c", positive=True)
    alpha = (1 - kB * y) / kA
    u = sp.Symbol("u", positive=True)
    rise = kA * (grow_s + rate_y / y + kB * rate_y / u)
    rate_R = (u * top * rise - kB * rate_y * (top - 1)) / kA
    return (
        Identity("q_A(t) with E = exp(t)", wrong_at(sp.log(E)), 1 / (kB * E + kA)),
        Identity("q_A decreases: dq/dt = -kB E q^2", sp.diff(wrong_at(), t0), -kB * sp.exp(t0) * wrong_at() ** 2),
        Identity(
            "y solves K (kB y^2 + kA q_A^2) = 1",
            (kA + kB) * (kB * pull_at() ** 2 + kA * wrong_at() ** 2),
            sp.Integer(1),
        ),
        Positive("so 2 kB y dy/dt = 2 kA q (-dq/dt) > 0: y increases", kA * q * grow_q / (kB * y)),
        Identity("y = 1/K at t = 0", pull_at(sp.Integer(0)) ** 2, 1 / (kA + kB) ** 2),
        Positive("kB^2 y^2 < kB/K < 1: p_o > 0", 1 - kB / (kA + kB)),
        Identity("s kA q_A = t kB y", gap_s() * kA * wrong_at(), t0 * kB * pull_at()),
        Positive("s = t kB y (kB E + kA)/kA is a product of increasing factors", kB * y * (kB * E + kA) / kA),
        Identity("kA p_o + kB p_B = 1/R: R p_o = alpha", kA * alpha + kB * y, sp.Integer(1)),
        Identity(
            "da/dt = kA (ds/dt + dy/dt (1/y + kB/(1 - kB y)))",
            sp.diff(sp.log(kA * y) - sp.log(1 - kB * y), y),
            1 / y + kB / (1 - kB * y),
        ),
        Identity(
            "1/p_B = exp(s) exp(a - a/kA) + (kA - 1) odds + kB, odds = alpha/y = exp(s - a/kA): R = y/p_B",
            y * (top * alpha / y + (kA - 1) * alpha / y + kB),
            alpha * (top + kA - 1) + kB * y,
        ),
        Identity(
            "dR/dt, with E_a = exp(a), u = 1 - kB y",
            (u / kA) * top * rise - kB * rate_y / kA * (top + kA - 1) + kB * rate_y,
            rate_R,
        ),
        Positive("R increases (kA >= 2)", sp.expand(rate_R * u * y).subs(kA, 1 + more) * (1 + more)),
        Positive("R increases (kA = 1)", sp.expand(rate_R * u * y).subs(kA, 1)),
        Identity(
            "dr^2/dt with ds/dt = d_s",
            sp.diff(between_norm(s + grow_s * h, t + h) ** 2, h).subs(h, 0),
            2 * kA * kB * (kA * s * grow_s + kB * t) / (kA + kB),
        ),
        Positive("r increases, and so does T = a (kA - 1) + r", kA * s * grow_s + kB * t),
        Identity("at t = 0: s = 0", gap_s(sp.Integer(0)), sp.Integer(0)),
        Identity("and the odds are 1, so a = 0, T = 0", (1 - kB / (kA + kB)) / (kA / (kA + kB)), sp.Integer(1)),
        Lemma(
            "T runs from 0 to infinity as t does: exactly one t, hence one R_0, for every T",
            "intermediate value theorem",
        ),
    )


def up_set_steps() -> tuple[Step, ...]:
    """Mu is continuous in R, below 1 at R = 1, 1 at R_0 only, and at least 1 for large R."""
    X, more, size = sp.symbols("X g c", positive=True)
    floor, enough = R * (K - 1) / (K - 1 + X), 1 + X / (K - 1)
    return (
        Lemma("Z depends continuously on R, so does mu", "Berge's maximum theorem"),
        Lemma("at R = 1 the optimum is a simplex ETF with b > 0, so mu < 1", "FA21-01"),
        Lemma("mu_true >= m_k (1 - p_kk), a diagonal entry of (I - P) diag(m)", "an entry is at most the norm"),
        Lemma("a margin is at most |e_k - e_j| |Z| <= sqrt(2) T", "Cauchy-Schwarz inequality"),
        Identity(
            "1 - p_kk >= (K-1) x/(1 + (K-1) x), x = exp(-sqrt(2) T) = 1/X: mu >= R (K-1)/(K-1+X)",
            ((K - 1) * x_ / (1 + (K - 1) * x_)).subs(x_, 1 / X),
            floor / R,
        ),
        Identity("at least 1 from R = 1 + X/(K-1) on", floor.subs(R, enough), sp.Integer(1)),
        Positive(
            "above 1 beyond: R_0 <= 1 + X/(K-1) is finite",
            (floor - 1).subs(R, enough + more).subs(K, 1 + size),
        ),
    )


x_ = sp.Symbol("x", positive=True)


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
        r" 1 < R_0 < \infty",
        r"R(k_A p_o + k_B p_B) = 1,\quad K(R^2 k_B p_B^2 + k_A q_A^2) = 1,\quad s\,k_A q_A = t\,R\,k_B p_B,\quad"
        r" a(k_A - 1) + r = T \text{ at } R_0",
        r"q = \frac{e^{-t}}{k_B + k_A e^{-t}},\ y = \sqrt{(1/K - k_A q^2)/k_B},\ s = \frac{t k_B y}{k_A q},"
        r"\ a = k_A\left(s - \log\frac{1 - k_B y}{k_A y}\right),\ R_0 = \frac{1 - k_B y}{k_A}(e^a + k_A - 1) + k_B y",
    ),
    relations=(
        sp.Equivalent(dead, sp.And(kB >= 2, mu >= 1)),
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
    "parameter t every quantity of the system increases. Only sqrt(E_W E_H) enters R_0.",
)


def limit_readings(optimum: Optimum) -> Iterator[Reading]:
    """The lower bound on mu and the lengths of minority features; distances where R is beyond the bound on R_0.

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
            if ww_BB in reading and hh_B in reading and _beyond(known):
                found |= {apart_w: 2 * (reading[ww_B] - reading[ww_BB]), length: reading[hh_B]}
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
            Positive("q_A <= exp(-t)/kB, with E = exp(t)", 1 / (kB * grow) - 1 / (kB * grow + kA)),
            Lemma("t exp(-t) <= 1/e", "exp(x) >= 1 + x"),
            Lemma("both bounds tend to their limits as R -> infinity with K and T fixed", "mu >= c R"),
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
        r"\mu \geq \frac{R(K-1)}{K-1+e^{\sqrt 2 T}},\qquad"
        r" \|h_k\|^2 \leq \sqrt{\frac{E_H}{E_W}} \frac{k_A}{e\,k_B\,\mu} \to 0 \text{ for minority } k",
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
    ),
    derivation=limit_derivation,
    rests_on=frozenset({"FA21-04"}),
    required="proved",
    mutants=(
        Mutant("majority classifiers merge too", relations=(_equation(apart_A, sp.Integer(0)),), problem=FAR),
        Mutant("minority features keep the length of the majority", relations=(_equation(length, hh_A),), problem=FAR),
        Mutant("the bound on mu without exp(sqrt(2) T)", relations=(sp.Le(R, mu, evaluate=False),), problem=FAR),
        Mutant("mu stays below a bound", relations=(sp.Le(mu, sp.Integer(10), evaluate=False),), problem=FAR),
    ),
    source="published result (abstract); rate and finite ratio re-derived",
    note="Explicit in R, so the limit is checked at finite R. FA21-04 gives the exact ratio.",
)

sr = sp.sqrt(kB / (kA + kB))
LOG_RATIO = (T - (kA - 1) * (1 - sr) * sp.log(kA / (1 - sr)) - kA * sr / 2 * sp.log((kA + kB) * kB)) / (kA - 1 + sr)
"""log R_0 for large T."""
KAPPA = (1 - sr) * sp.sqrt((kA + kB) * kB) / kA
DELTA = t0 * wrong_at() * sp.sqrt(kA) * sp.sqrt(kA * kB / (kA + kB)) / (2 * pull_at())
LOW = (kA * sr * sp.log(odds_at() / KAPPA) + DELTA) / (kA - 1 + sr)
FALL = sp.exp(-(LOG_RATIO - sp.log((1 - sr) / kA)))
HIGH = sp.log(((1 - kB * pull_at()) * (1 + (kA - 1) * FALL) + kA * kB * pull_at() * FALL) / (1 - sr))
"""FORMULA - LOW <= log R_0 <= FORMULA + HIGH; both vanish as t_0, hence T, grows."""

log_dead, log_alive, error = sp.symbols("logR_dead logR_alive err", real=True)


def large_readings(optimum: Optimum) -> Iterator[Reading]:
    """Log R where the minority is merged (an upper bound on log R_0) or alive (a lower bound).

    Examples
    --------
    >>> [log_dead in reading for reading in large_readings(Optimum(COLLAPSED, "exact", contrasts=("alive", "dead")))]
    [True]
    """
    state = merged(optimum, groups(optimum.problem)[-1][1])
    if state is None:
        return
    for reading in group_readings(optimum):
        known = {symbol: reading[symbol] for symbol in (K, kA, kB, T)}
        yield {**known, t0: root_t0(), (log_dead if state else log_alive): sp.log(reading[R])}


def large_derivation() -> Derivation:
    """Two-sided bounds on log R_0 around the formula, from the explicit system."""
    t, q, y, extra = sp.symbols("t q y d", positive=True)
    w2 = (kA + kB) / (kA * kB)
    root = sp.sqrt(kB / (kA + kB))
    at, log_odds, gap = sp.symbols("a_inf l s", positive=True)
    c, u, v, m, top = sp.symbols("c u v m E_a", positive=True)
    return Derivation(
        steps=(
            *nuclear_steps(),
            *symmetry_steps(),
            *gradient_steps(),
            *alive_steps(),
            *system_steps(),
            Identity("y increases to y_inf = sr/kB", (1 / (kA + kB)) / kB, (root / kB) ** 2),
            Identity("odds decrease to kappa", ((1 - root) / (kA * (root / kB))), (1 - root) * kB / (kA * root)),
            Identity(
                "kappa = (1 - sr) sqrt(K kB)/kA",
                (1 - root) * kB / (kA * root),
                (1 - root) * sp.sqrt(kB * (kA + kB)) / kA,
            ),
            Identity("r without its t term: sqrt(kA) s/w = kA sr s", sp.sqrt(kA) * gap / sp.sqrt(w2), kA * root * gap),
            Positive(
                "sqrt(1 + d) <= 1 + d/2, so r <= kA sr s + kB t^2/(2 s sqrt(kA) w)", (1 + extra / 2) ** 2 - 1 - extra
            ),
            Identity(
                "with s = t kB y/(kA q): the excess is DELTA = t q sqrt(kA)/(2 y w)",
                kB * t**2 / (2 * (t * kB * y / (kA * q)) * sp.sqrt(kA) * sp.sqrt(w2)),
                t * q * sp.sqrt(kA) / (2 * y * sp.sqrt(w2)),
            ),
            Identity(
                "s = a/kA + log(odds): kA sr s = sr a + kA sr log(odds); so (kA-1+sr) a = T - kA sr log(odds) - "
                "(excess), against a_inf with kappa",
                (kA - 1) * at + kA * root * (at / kA + log_odds),
                (kA - 1 + root) * at + kA * root * log_odds,
            ),
            Identity(
                "a_inf + log((1 - sr)/kA) is the formula: l = log(kA/(1 - sr)), m = log(K kB), log(kappa) = m/2 - l",
                (T - kA * root * (m / 2 - log_odds)) / (kA - 1 + root) - log_odds,
                (T - (kA - 1) * (1 - root) * log_odds - kA * root * m / 2) / (kA - 1 + root),
            ),
            Positive(
                "with 1 - kB y = (1 - sr) + d, R_0 exceeds (1 - sr) exp(a)/kA: log R_0 >= formula - LOW (kA = 1 + c)",
                ((u + extra) * (top + c) / (1 + c) + kB * y - u * top / (1 + c)) * (1 + c),
            ),
            Identity(
                "kA R_0/E_inf with exp(a) <= E_inf = exp(a_inf), 1 - kB y = v: HIGH",
                (kA * kB * y + v * (top + kA - 1)) / top,
                v * (1 + (kA - 1) / top) + kA * kB * y / top,
            ),
            Lemma(
                "t q_A <= t exp(-t)/kB -> 0 and y -> y_inf exponentially in t, while T -> infinity only as t does: "
                "LOW and HIGH are o(1)",
                "exponentials beat powers",
            ),
        )
    )


def _sides(text: str, formula: sp.Expr) -> Mutant:
    return Mutant(
        text,
        relations=(
            sp.Ge(log_dead, formula - LOW, evaluate=False),
            sp.Le(log_alive, formula + HIGH, evaluate=False),
        ),
    )


BUDGET = Hypothesis(
    "T >= 12, R < 10^14",
    lambda problem: problem.budget2 >= 144 and groups(problem)[0][0] < 10**14 * groups(problem)[-1][0],
    dropped="the bounds hold for every T; the check looks at large T only, as far as 40 digits reach",
)

LARGE = step(2, 2, "70000", "5", "5")

large_budget = Claim(
    id="FA21-05",
    title="R_0 for large budgets",
    kind="limit",
    paper=PAPER,
    statement=(
        r"\log R_0 = \frac{T - (k_A-1)(1-\sigma)\log\frac{k_A}{1-\sigma} - \frac{k_A \sigma}{2}\log(K k_B)}"
        r"{k_A - 1 + \sigma} + o(1),\qquad \sigma = \sqrt{k_B/K}",
    ),
    relations=(
        sp.Ge(log_dead, LOG_RATIO - LOW, evaluate=False),
        sp.Le(log_alive, LOG_RATIO + HIGH, evaluate=False),
    ),
    read=large_readings,
    hypotheses=(*BASIC, MINORITY, BUDGET),
    witness=LARGE,
    family=Family(sizes="two", bias=("none",), near=("minority_merge",), model="layer-peeled"),
    settings=(
        step(2, 2, "20000", "5", "5"),
        step(3, 2, "350", "4", "4"),
        step(3, 2, "450", "4", "4"),
        step(1, 3, "20000", "15/4", "15/4"),
        step(1, 3, "60000", "15/4", "15/4"),
    ),
    derivation=large_derivation,
    rests_on=frozenset({"FA21-04"}),
    required="proved",
    mutants=(
        _sides("denominator kA - 1", LOG_RATIO * (kA - 1 + sr) / (kA - 1 + sp.Rational(1, 10**6))),
        _sides("kB/K for its root", LOG_RATIO.subs(sr, kB / (kA + kB))),
        _sides("T/K", LOG_RATIO - (T - T / (kA + kB)) / (kA - 1 + sr)),
        _sides("sign of the logarithms", 2 * T / (kA - 1 + sr) - LOG_RATIO),
    ),
    note="The bounds come from the explicit system of FA21-04; LOW, the slow part, is of order log(T)^2/T.",
)

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
    read=lambda optimum: zero_readings(optimum),
    hypotheses=(*BASIC, MINORITY),
    witness=VANISHED,
    family=Family(sizes="two", bias=("none",), near=("minority_zero",), model="layer-peeled"),
    settings=(),
    required="refuted",
    note="For T < T_c both vectors are exactly 0 from R_1 on (FA21-06): the cosine is 0/0 and a solver prints noise. "
    "Look at |w_k - w_k'| or at the norms.",
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
