"""The critical ratio R_0 in closed parametric form: the system at mu = 1, b = 0 has one free number left, t.

Everything else is explicit in t and strictly increasing, the budget too. So R_0(T) is unique and increases with T.
"""

from __future__ import annotations

import sympy as sp

from theory.claim import Root
from theory.derivation import Identity, Lemma, Positive, Step
from theory.fang_2021_layer_peeled.reduction import s, t
from theory.peeled_observables import R, T, between_norm
from theory.symbols import K, kA, kB

__all__ = [
    "budget_at",
    "gap_a",
    "gap_s",
    "odds_at",
    "pull_at",
    "ratio_at",
    "root_t0",
    "system_steps",
    "t0",
    "up_set_steps",
    "wrong_at",
]

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


def explicit_steps() -> tuple[Step, ...]:
    """The system at mu = 1, b = 0, solved for everything but t; q, y, a, R stand for q_A, R p_B, a, R_0.

    Examples
    --------
    >>> all(step.verify() for step in explicit_steps())
    True
    """
    E, q, y, grow_q = sp.symbols("E q y dq", positive=True)
    alpha = (1 - kB * y) / kA
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
    )


def growth_steps() -> tuple[Step, ...]:
    """R_0 and T increase with t; d_s and d_y are the derivatives of s and y.

    Examples
    --------
    >>> all(step.verify() for step in growth_steps())
    True
    """
    y, u, top, h, more = sp.symbols("y u E_a h c", positive=True)
    grow_s, rate_y = sp.symbols("d_s d_y", positive=True)
    alpha = (1 - kB * y) / kA
    rise = kA * (grow_s + rate_y / y + kB * rate_y / u)
    rate_R = (u * top * rise - kB * rate_y * (top - 1)) / kA
    return (
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
        Identity(
            "and R_0 = 1 there, with y = 1/K and exp(a) = 1: R_0 -> 1 as T -> 0",
            (alpha * (top + kA - 1) + kB * y).subs({y: 1 / (kA + kB), top: 1}),
            sp.Integer(1),
        ),
        Lemma(
            "T runs from 0 to infinity as t does: exactly one t, hence one R_0, for every T",
            "intermediate value theorem",
        ),
    )


def system_steps() -> tuple[Step, ...]:
    """At mu = 1 everything is explicit in t and increasing: one R_0 for every T, and it increases with T.

    Examples
    --------
    >>> all(step.verify() for step in system_steps())
    True
    """
    return (*explicit_steps(), *growth_steps())


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
            (K - 1) / X / (1 + (K - 1) / X),
            floor / R,
        ),
        Identity("at least 1 from R = 1 + X/(K-1) on", floor.subs(R, enough), sp.Integer(1)),
        Positive(
            "above 1 beyond: R_0 <= 1 + X/(K-1) is finite",
            (floor - 1).subs(R, enough + more).subs(K, 1 + size),
        ),
    )
