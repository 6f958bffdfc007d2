"""CJ26-05: in the layer-peeled model a larger budget lowers the loss of both groups.

First a conjecture, now a theorem. One multiplier mu prices three kinds of singular values: of the contrasts inside a
group (a or b) and s, between the groups. In terms of mu and rho = mu/s the groups decouple: A pays for its contrast a
and rho alpha t^2/2 for its mean advantage t over B. Contrast and advantage are substitutes (L_at >= 0); still the loss
of A increases in mu and in rho, and rho increases with mu.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.fang_2021_layer_peeled.settings import BOTH_LIVE, COLLAPSED, TWO_GROUPS, VANISHED, WIDE
from theory.optimum import Optimum
from theory.peeled_observables import groups
from theory.problem import Problem
from theory.value_observables import losses

__all__ = ["budget_losses"]

loss_A, loss_B, more_A, more_B = sp.symbols("L_A L_B L_A_more L_B_more", nonnegative=True)
"""Losses of a majority and a minority class, at the budget of the problem and at a larger one."""
STEPS = (Fraction(101, 100), Fraction(3, 2))


def larger_budgets(problem: Problem) -> tuple[Problem, ...]:
    """The same classes with larger budgets.

    Examples
    --------
    >>> [str(p.e_w) for p in larger_budgets(Problem.peeled([2, 1]))]
    ['101/100', '3/2']
    """
    return tuple(replace(problem, e_w=problem.e_w * step, e_h=problem.e_h * step) for step in STEPS)


def budget_readings(optimum: Optimum) -> Iterator[Reading]:
    """Losses of one class of each group at one budget and the next.

    Examples
    --------
    >>> list(budget_readings(Optimum(Problem.peeled([2, 1]), "exact")))
    []
    """
    A, B = (members[0] for _, members in groups(optimum.problem))
    points = (optimum, *optimum.companions)
    for here, there in pairwise(points):
        if here.logits is not None and there.logits is not None:
            now, then = losses(here), losses(there)
            yield {loss_A: now[A], more_A: then[A], loss_B: now[B], more_B: then[B]}


j, q, a, t = sp.symbols("j q a t", positive=True)
"""Siblings of a class, classes of the other group, contrast, advantage of the mean over the group in a column."""
mass, root, mu, rho, alpha, beta = sp.symbols("m sqrt_g mu rho alpha beta", positive=True)
A_a, A_t, H_aa, H_at, H_tt, r = sp.symbols("A_a A_t H_aa H_at H_tt r", positive=True)
"""Minus the gradient of the loss, its Hessian, and r = rho alpha/(k m)."""


def _one_group() -> tuple[Step, ...]:
    """Gradient and Hessian of the loss of a class in contrast a and advantage t."""
    share = j / (j + 1)
    whole = 1 + j * sp.exp(-a) + q * sp.exp(-(t + share * a))
    own, sibling, other = 1 / whole, sp.exp(-a) / whole, q * sp.exp(-(t + share * a)) / whole
    loss = sp.log(whole)
    by_a, by_t = -sp.diff(loss, a), -sp.diff(loss, t)
    aa, at, tt = sp.diff(loss, a, 2), sp.diff(loss, a, t), sp.diff(loss, t, 2)
    return (
        Identity("-L_a = (1 - 1/k)(1 - (p_own - p_sib)), j = k - 1", by_a, share * (1 - own + sibling)),
        Identity("so a > 0 iff mu sqrt(g) < m, by k m (-L_a) = mu (k - 1) sqrt(g)", (j + 1) * mass * share, j * mass),
        Identity("-L_t = p, the prediction for the other group", by_t, other),
        Identity("L_at = (1 - 1/k) p (p_own - p_sib), so L_at >= 0 for a >= 0", at, share * other * (own - sibling)),
        Identity("L_aa L_tt - L_at^2 = p_own (k - 1) p_sib p > 0", aa * tt - at**2, own * j * sibling * other),
        Identity("(i) |L_a| L_tt - |L_t| L_at = p (k - 1) p_sib", by_a * tt - by_t * at, other * j * sibling),
        Identity(
            "(ii) |L_t| L_aa - |L_a| L_at = p (k - 1) p_sib/k", by_t * aa - by_a * at, other * j * sibling / (j + 1)
        ),
    )


def _statics() -> tuple[Step, ...]:
    """How contrast and advantage answer to mu and rho."""
    hessian, D = sp.Matrix([[H_aa, H_at], [H_at, H_tt + r]]), H_aa * (H_tt + r) - H_at**2
    to_mu, to_rho = sp.Matrix([-(H_tt + r), H_at]), sp.Matrix([H_at, -H_aa])
    gradient, minus_p = -sp.Matrix([[A_a, A_t]]), sp.Matrix([[H_at, H_tt]])
    late, early = A_a * r * H_at / (D * A_t), (H_aa * H_tt - H_at**2) / D
    return (
        Lemma(
            "a alive, s > 0: L_a + mu c = 0 and L_t + r t = 0 define (a, t) by mu and rho, smoothly, as D > 0",
            "implicit function theorem",
        ),
        Identity("d(a, t)/dmu = (c/D) (-(L_tt + r), L_at)", hessian * to_mu, sp.Matrix([-D, 0])),
        Identity("d(a, t)/drho = (r t/(rho D)) (L_at, -L_aa)", hessian * to_rho, sp.Matrix([0, -D])),
        Identity("dL/dmu >= 0 by (i)", gradient * to_mu, sp.Matrix([[(A_a * H_tt - A_t * H_at) + A_a * r]])),
        Identity("dL/drho >= 0 by (ii)", gradient * to_rho, sp.Matrix([[A_t * H_aa - A_a * H_at]])),
        Identity("dp/dmu = c r L_at/D >= 0", -minus_p * to_mu, sp.Matrix([[r * H_at]])),
        Identity("dp/drho > 0", -minus_p * to_rho, sp.Matrix([[H_aa * H_tt - H_at**2]])),
        Identity(
            "elasticities of p in mu and rho: 1 - eps - eta = r (|L_t| L_aa - |L_a| L_at)/(D |L_t|) >= 0 by (ii)",
            1 - late - early,
            r * (A_t * H_aa - A_a * H_at) / (D * A_t),
        ),
        Positive("no contrast (a = 0 or k = 1): eps = 0, eta = L_tt/(L_tt + r)", 1 - H_tt / (H_tt + r)),
        Positive("and dL/drho = p r t/(rho (L_tt + r))", A_t * r * t / (rho * (H_tt + r))),
    )


def losses_derivation() -> Derivation:
    """Comparative statics in the multiplier and in its ratio to the singular value between the groups."""
    kA, kB, gA, gB, tA, tB = sp.symbols("k_A k_B g_A g_B t_A t_B", positive=True)
    wA, wB, epsA, epsB, etaA, etaB = sp.symbols("w_A w_B eps_A eps_B eta_A eta_B", positive=True)
    left = kA * (kB / (kA + kB)) ** 2 + kB * (kA / (kA + kB)) ** 2
    return Derivation(
        steps=(
            Lemma("Z at budget T minimises sum m_k CE + mu |Z|_*, mu = mu(T)", "FA21-02"),
            Lemma("T <= T' gives mu(T) >= mu(T'): add the two inequalities of optimality", "exchange"),
            Lemma(
                "the centred minimiser is unique, so permuting a group leaves it unchanged: Z = a P_A + b P_B + u r^T "
                "with u = (k_B/K on A, -k_A/K on B), r = (t_A on A, -t_B on B); a, b, t_A, t_B >= 0, as the losses "
                "fall in each; it depends continuously on mu",
                "cross-entropy is strictly convex modulo shifts",
            ),
            Identity(
                "|Z G^(1/2)|_* = (k_A - 1) sqrt(g_A) a + (k_B - 1) sqrt(g_B) b + s, s^2 = alpha t_A^2 + beta t_B^2 "
                "(g = 1 under a budget, g = n for ridge on samples)",
                left * (gA * kA * tA**2 + gB * kB * tB**2),
                (gA * kA**2 * kB * tA**2 + gB * kB**2 * kA * tB**2) / (kA + kB),
            ),
            *_one_group(),
            *_statics(),
            Identity(
                "k m p = rho alpha t in both groups, so sum (k m p)^2/alpha = (rho s)^2 = mu^2",
                (rho * alpha * tA) ** 2 / alpha + (rho * beta * tB) ** 2 / beta,
                rho**2 * (alpha * tA**2 + beta * tB**2),
            ),
            Identity(
                "its logarithmic derivative, w = (k m p)^2/alpha: dlog rho/dlog mu = sum w (1 - eps)/sum w eta >= 1",
                (wA * (1 - epsA) + wB * (1 - epsB)) / (wA * etaA + wB * etaB) - 1,
                (wA * (1 - epsA - etaA) + wB * (1 - epsB - etaB)) / (wA * etaA + wB * etaB),
            ),
            Lemma("so rho rises with mu, s = mu/rho falls, and both losses rise while s > 0", "chain rule"),
            Lemma(
                "s = 0: both t = 0, and L_aa > 0, k m (-L_a) = mu (k - 1) sqrt(g) let a fall and the loss rise with mu",
                "monotone derivative",
            ),
            Lemma(
                "mu sqrt(g) = m of either group cuts the axis; on each piece s > 0 holds on an initial part, as s "
                "falls there and is continuous: the losses rise on all of it",
                "continuity",
            ),
        )
    )


budget_losses = Claim(
    id="CJ26-05",
    title="A larger budget lowers both group losses",
    kind="ordering",
    paper="conjectures",
    statement=(r"T \leq T' \implies L_A(T') \leq L_A(T),\quad L_B(T') \leq L_B(T)",),
    relations=(sp.Le(more_A, loss_A, evaluate=False), sp.Le(more_B, loss_B, evaluate=False)),
    read=budget_readings,
    companions=larger_budgets,
    hypotheses=(TWO_GROUPS, WIDE),
    witness=BOTH_LIVE,
    family=Family(sizes="two", bias=("none",), near=("minority_merge",), model="layer-peeled"),
    settings=(COLLAPSED, VANISHED, Problem.peeled([(9, 1), (1, 4)], "1/2", "1/2"), Problem.peeled([20, 1], "1/10")),
    derivation=losses_derivation,
    rests_on=frozenset({"FA21-02"}),
    required="proved",
    mutants=(
        Mutant("the majority pays", relations=(sp.Ge(more_A, loss_A, evaluate=False),), problem=BOTH_LIVE),
        Mutant("both losses halve", relations=(sp.Le(more_A, loss_A / 2, evaluate=False),), problem=BOTH_LIVE),
        Mutant(
            "the minority gains a hundredth",
            relations=(sp.Le(more_B, loss_B * 99 / 100, evaluate=False),),
            problem=VANISHED,
        ),
    ),
    source="ours; conjectured after several hundred solves, proved here, novelty not checked",
    note="It implies that minority collapse in the ratio is an up-set (FA21-04). With g = n the same steps show for "
    "ridge on samples and two sizes that both losses increase with the weight decay: the last part of CJ26-04.",
)
