"""Two class sizes: the whole solution from one scalar equation (HL23-07).

kA classes of size nA > nB, kB classes of size nB, x = lam N. Every number of the optimum is a function of the
cross-cluster probabilities rA, rB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import sympy as sp

from theory.blocks import Blocks, diagonal
from theory.claim import Claim, Family, Hypothesis, Mutant, Root
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.hong_ling_2023.block_structure import two_cluster_blocks
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.observables import (
    between_dead,
    between_states,
    norm,
    quotient,
    two_cluster_parameters,
    two_cluster_readings,
)
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import (
    F,
    K,
    N,
    a,
    b,
    dead,
    delta,
    kA,
    kB,
    lam,
    mu,
    nA,
    nB,
    pA,
    pB,
    qA,
    qB,
    rA,
    rB,
    s1,
    tA,
    tB,
    x,
)

PAPER = "hong_ling_2023"

eA, eB = sp.symbols("e_A e_B", positive=True)
"""1 - p + q of a cluster: 1 for a single class or a dead contrast, x/sqrt(size) for an alive one (HL23-03)."""

cos_theta, sin_theta = sp.symbols("cos_theta sin_theta", real=True)
"""Direction of (sqrt(nA kA) tA, sqrt(nB kB) tB); it exists while the between-cluster direction is alive."""

rA0, rB0 = sp.symbols("r_A0 r_B0", positive=True)
"""Cross-cluster probabilities of the solution with tA = tB = 0."""

mu_0 = sp.Symbol("mu_0", nonnegative=True)
"""Weight of the bias in the value: mu, or 0 without a penalty."""

u_none, u_free, u_low, u_high = sp.symbols("u_none u_free u_low u_high", positive=True)
"""Ends of the interval of rA0 under a penalised bias: its values in the other modes, and where rB0 is in range."""

Reading = dict[sp.Symbol, Any]


def own_probability(k: sp.Expr, other: sp.Expr, e: sp.Expr, r: sp.Expr) -> sp.Expr:
    """p(r) of a cluster of k classes that gives r to each of ``other`` classes of the other cluster.

    Examples
    --------
    >>> own_probability(kA, kB, eA, rA).subs({kA: 2, kB: 3, eA: sp.Rational(3, 10), rA: sp.Rational(1, 10)})
    7/10
    """
    return (k - other * r - (k - 1) * e) / k


def sibling_probability(k: sp.Expr, other: sp.Expr, e: sp.Expr, r: sp.Expr) -> sp.Expr:
    """q(r), with the arguments of :func:`own_probability`; equals p(r) for a single class.

    Examples
    --------
    >>> sibling_probability(kA, kB, eA, rA).subs({kA: 2, kB: 3, eA: sp.Rational(1, 2), rA: sp.Rational(1, 10)})
    1/10
    """
    return (e - other * r) / k


def log_margin(k: sp.Expr, other: sp.Expr, e: sp.Expr, r: sp.Expr) -> sp.Expr:
    """T(r): mean log-probability of the own cluster minus log r, strictly decreasing from +oo to -oo.

    Examples
    --------
    >>> log_margin(sp.Integer(1), sp.Integer(1), sp.Integer(1), sp.Rational(1, 2))
    0
    """
    p, q = own_probability(k, other, e, r), sibling_probability(k, other, e, r)
    return sp.log(p) / k + (k - 1) / k * sp.log(q) - sp.log(r)


def margin_A(r: sp.Expr) -> sp.Expr:
    """TA(r) in the symbols of the claims."""
    return log_margin(kA, kB, eA, r)


def margin_B(r: sp.Expr) -> sp.Expr:
    """TB(r) in the symbols of the claims."""
    return log_margin(kB, kA, eB, r)


def block_square(r_A: sp.Expr, r_B: sp.Expr) -> sp.Expr:
    """Square of the norm of (I - P) D^(1/2) on cluster-constant vectors.

    Examples
    --------
    >>> block_square(1 / K, 1 / K)
    K*(k_A*n_B/K**2 + k_B*n_A/K**2)
    """
    return K * (nA * kB * r_A**2 + nB * kA * r_B**2)


def saturation(problem: Problem) -> Reading:
    """Values of eA and eB for a two-cluster problem, exact.

    Examples
    --------
    >>> saturation(Problem.ce([9, 9, 4, 4], "1/26").at(4))
    {e_A: 2/3, e_B: 1}
    """
    p = two_cluster_parameters(problem)
    values = {}
    for e, cluster, size in zip((eA, eB), problem.clusters, (nA, nB), strict=True):
        full = cluster.classes == 1 or problem.x2 >= cluster.size
        values[e] = sp.Integer(1) if full else p[x] / sp.sqrt(p[size])
    return values


def dead_solution(problem: Problem) -> Reading:
    """rA0 and rB0 as roots: TA(rA0) = d0, TB(rB0) = -d0 with the bias gap d0 of the problem's bias mode.

    The unknown is rA0 alone. Dead contrasts leave the uniform distribution without a bias, n/N with a free one.
    A penalised bias has d0 = TA(rA0) and nB rB0 = nA rA0 - 2 mu N d0/K, which increases with rA0; its rA0 lies
    between those without and with a free bias, and where rB0 is in its range (0, eB/kA).

    Examples
    --------
    >>> dead_solution(Problem.ce([9, 9, 4], 1, bias="free").at(10))
    {r_A0: 2/11, r_B0: 9/22}
    """
    zero, full = sp.Integer(0), saturation(problem)
    if problem.bias == "none":
        uniform = sp.Rational(1, problem.K)
        return {
            rA0: uniform if full[eA] == 1 else Root(rA0, margin_A(rA0), zero, eA / kB),
            rB0: uniform if full[eB] == 1 else Root(rB0, margin_B(rB0), zero, eB / kA),
        }
    if problem.bias == "free" and full[eA] == full[eB] == 1:
        known = two_cluster_parameters(problem)
        return {rA0: known[nB] / known[N], rB0: known[nA] / known[N]}
    return dict(_biased_roots(problem.bias == "free"))


@cache
def _biased_roots(without_penalty: bool) -> Reading:
    """rA0 and rB0 of a bias, in symbols."""
    zero, top_A, top_B = sp.Integer(0), eA / kB, eB / kA
    second = Root(rB0, margin_B(rB0) + margin_A(rA0), zero, top_B)

    def free(u: sp.Symbol) -> Root:
        return Root(u, margin_A(u) + margin_B(nA * u / nB), zero, sp.Min(top_A, top_B * nB / nA))

    if without_penalty:
        return {rA0: free(rA0), rB0: second}

    def cross(u: sp.Expr) -> sp.Expr:
        return (nA * u - 2 * mu * N * margin_A(u) / K) / nB

    low, high = sp.Min(u_none, u_free), sp.Max(u_none, u_free)
    return {
        u_none: Root(u_none, margin_A(u_none), zero, top_A),
        u_free: free(u_free),
        u_low: Root(u_low, sp.Min(cross(u_low), u_low - low), zero, top_A),
        u_high: Root(u_high, sp.Max(cross(u_high) - top_B, u_high - high), zero, top_A),
        rA0: Root(rA0, margin_A(rA0) + margin_B(cross(rA0)), u_low, u_high),
        rB0: second,
    }


def solution_readings(optimum: Optimum) -> Iterator[Reading]:
    """One reading of the numbers of the optimum, one of the state of the between-cluster direction."""
    problem = optimum.problem
    for reading in two_cluster_readings(optimum):
        reading |= {**saturation(problem), mu_0: reading.get(mu, sp.Integer(0))}
        for gap, cluster in zip((a, b), problem.clusters, strict=True):
            if cluster.classes == 1:
                reading[gap] = sp.Integer(0)
        if between_dead(optimum) is False and optimum.logits is not None:
            block = quotient(problem, optimum.logits)
            reading |= {angle: norm(block[:, g]) / norm(block) for g, angle in enumerate((cos_theta, sin_theta))}
        yield reading
    yield {
        **two_cluster_parameters(problem),
        **saturation(problem),
        **dead_solution(problem),
        **between_states(optimum),
    }


def entropy_A(a: sp.Expr, tA: sp.Expr, delta: sp.Expr) -> sp.Expr:
    """CE of an A sample; with the symbols of B exchanged for those of A it is the one of a B sample."""
    return sp.log(1 + (kA - 1) * sp.exp(-a) + kB * sp.exp(-a * (kA - 1) / kA - tA - delta))


def entropy_B(b: sp.Expr, tB: sp.Expr, delta: sp.Expr) -> sp.Expr:
    """CE of a B sample."""
    return sp.log(1 + (kB - 1) * sp.exp(-b) + kA * sp.exp(-b * (kB - 1) / kB - tB + delta))


LOSS = (nA * kA * entropy_A(a, tA, delta) + nB * kB * entropy_B(b, tB, delta)) / N
NUCLEAR = lam * ((kA - 1) * a * sp.sqrt(nA) + (kB - 1) * b * sp.sqrt(nB) + s1)
PENALTY = mu * kA * kB * delta**2 / K
SPECTRAL = sp.sqrt(kA * kB / K) * sp.sqrt(nA * kA * tA**2 + nB * kB * tB**2)


def gradient_steps() -> tuple[Step, ...]:
    """Stationarity of N F in (tA, a, delta); the equations of B follow by exchanging the clusters."""
    a, b, tA, tB = sp.symbols("a b t_A t_B", positive=True)
    gaps = {K: kA + kB, lam: x / N}
    objective = N * (LOSS + NUCLEAR + PENALTY).subs(s1, SPECTRAL).subs(gaps)
    objective = objective.subs(dict(zip(sp.symbols("a b t_A t_B", real=True), (a, b, tA, tB), strict=True)))
    Z_A, Z_B = sp.exp(entropy_A(a, tA, delta)), sp.exp(entropy_B(b, tB, delta))
    p, q, r = 1 / Z_A, sp.exp(-a) / Z_A, sp.exp(-a * (kA - 1) / kA - tA - delta) / Z_A
    r_B = sp.exp(-b * (kB - 1) / kB - tB + delta) / Z_B
    s = SPECTRAL.subs(gaps).subs(dict(zip(sp.symbols("t_A t_B", real=True), (tA, tB), strict=True)))
    hypotenuse = sp.sqrt(nA * kA * tA**2 + nB * kB * tB**2)
    return (
        Identity(
            "N dF/dtA vanishes iff rA = x kA tA/(K s1)",
            sp.diff(objective, tA),
            nA * kA * kB * (x * kA * tA / ((kA + kB) * s) - r),
        ),
        Identity(
            "with cos(theta) = sqrt(nA kA) tA/sqrt(nA kA tA^2 + nB kB tB^2) this is rA = x cos(theta)/sqrt(kB K nA)",
            x * kA * tA / ((kA + kB) * s),
            x * sp.sqrt(nA * kA) * tA / hypotenuse / sp.sqrt(kB * (kA + kB) * nA),
        ),
        Identity(
            "N dF/da vanishes iff 1 - pA + qA = x/sqrt(nA) (HL23-03)",
            sp.diff(objective, a),
            (kA - 1) * sp.sqrt(nA) * (x - sp.sqrt(nA) * (1 - p + q)),
        ),
        Identity(
            "N dF/ddelta vanishes iff 2 mu N delta = K (nA rA - nB rB)",
            sp.diff(objective, delta),
            kA * kB * (2 * mu * N * delta / (kA + kB) - nA * r + nB * r_B),
        ),
        Identity(
            "the mean own log-probability minus log rA is tA + delta",
            sp.log(p) / kA + (kA - 1) / kA * sp.log(q) - sp.log(r),
            tA + delta,
        ),
    )


def margin_steps() -> tuple[Step, ...]:
    """p, q, T as functions of r, and the monotonicity of T."""
    k, other, e, r = sp.symbols("k l e r", positive=True)
    p, q = own_probability(k, other, e, r), sibling_probability(k, other, e, r)
    p_c, q_c, m = sp.symbols("p_c q_c m", positive=True)
    slope = other / (k**2 * p) + (k - 1) * other / (k**2 * q) + 1 / r
    return (
        Identity("p + (k - 1) q + l r = 1", p + (k - 1) * q + other * r, sp.Integer(1)),
        Identity("1 - p + q = e", 1 - p + q, e),
        Identity("dT/dr = -(l/(k^2 p) + (k - 1) l/(k^2 q) + 1/r)", sp.diff(log_margin(k, other, e, r), r), -slope),
        Positive(
            "T is strictly decreasing (k = 1 + m; without siblings the middle term is absent)",
            other / (k**2 * p_c) + m * other / (k**2 * q_c) + 1 / r,
        ),
        Lemma("T runs from +oo to -oo on 0 < r < e/l, where p > 0 and q > 0", "limits of the logarithm"),
    )


def block_steps() -> tuple[Step, ...]:
    """(I - P) D^(1/2) on cluster-constant vectors and the certificate."""
    roots = diagonal((kA, kB), (sp.sqrt(nA), sp.sqrt(nB)))
    error = Blocks((kA, kB), (kA * qA + kB * rA, kB * qB + kA * rB), sp.Matrix([[-qA, -rB], [-rA, -qB]]))
    left, right = sp.Matrix([sp.sqrt(kB), -sp.sqrt(kA)]), sp.Matrix([sp.sqrt(kB * nA) * rA, -sp.sqrt(kA * nB) * rB])
    Z = two_cluster_blocks(a, b, tA, tB)
    return (
        Lemma(
            "the minimiser is unique, invariant under permutations inside clusters and centred: a, b, tA, tB, delta",
            "strict convexity modulo constants",
        ),
        Identity(
            "own logit minus the logit of the other cluster is a (kA - 1)/kA + tA",
            a + Z.entries[0, 0] - Z.entries[1, 0],
            a * (kA - 1) / kA + tA,
        ),
        Identity(
            "s1 is the norm of the rank-one block of Z D^(1/2)",
            sum(entry**2 for entry in (Z @ roots).quotient()),
            (SPECTRAL**2).subs(K, kA + kB),
        ),
        Identity(
            "the bias penalty is mu kA kB delta^2/K",
            (mu * (kA * (kB * delta / K) ** 2 + kB * (kA * delta / K) ** 2)).subs(K, kA + kB),
            PENALTY.subs(K, kA + kB),
        ),
        Identity(
            "I - P has the gaps 1 - p + q = kA qA + kB rA and kB qB + kA rB because p + (k - 1) q + l r = 1, and "
            "(I - P) D^(1/2) has rank one on the unit vectors of the clusters",
            (error @ roots).quotient(),
            left * right.T,
        ),
        Identity(
            "its squared norm is K (nA kB rA^2 + nB kA rB^2)",
            (left.T * left)[0] * (right.T * right)[0],
            block_square(rA, rB).subs(K, kA + kB),
        ),
        Lemma(
            "optimal iff the three norms (two contrasts, block) are at most x and equal x where alive, the block of X "
            "is then a positive multiple of that of (I - P) D^(1/2), and the bias equation holds",
            "first-order conditions of a convex program",
        ),
    )


def dead_steps() -> tuple[Step, ...]:
    """The solution with tA = tB = 0 exists once, and is optimal iff its block norm is at most x."""
    u = sp.Symbol("u", positive=True)
    slope_A, slope_B = sp.symbols("minus_dTA minus_dTB", positive=True)
    return (
        Lemma(
            "given d0, TA(rA0) = d0 and TB(rB0) = -d0 have one solution each; the contrasts then satisfy HL23-03",
            "intermediate value theorem",
        ),
        Positive(
            "penalised: nB rB0 = nA u - 2 mu N TA(u)/K increases with u = rA0",
            nA + 2 * mu * N * slope_A / K,
        ),
        Positive(
            "so TA(u) + TB(rB0(u)) decreases strictly, from +oo to -oo where 0 < rB0 < eB/kA (mu = 0: free bias): one "
            "zero",
            slope_A + slope_B * (nA + 2 * mu * N * slope_A / K) / nB,
        ),
        Identity(
            "alive: kB rA tB = kA rB tA is h(theta) = 0",
            (kB * rA * tB - kA * rB * tA).subs(
                {rA: x * sp.cos(u) / sp.sqrt(kB * K * nA), rB: x * sp.sin(u) / sp.sqrt(kA * K * nB)}
            ),
            x / sp.sqrt(K * nA * nB) * (sp.cos(u) * sp.sqrt(nB * kB) * tB - sp.sin(u) * sp.sqrt(nA * kA) * tA),
        ),
        Identity(
            "kB rA = eA at the end cos(theta) = eA sqrt(K nA/kB)/x: there qA = 0, tA = -oo and h = +oo (also at "
            "theta = 0, where tB = +oo)",
            (kB * x * sp.Symbol("c_1", positive=True) / sp.sqrt(kB * K * nA)).subs(
                sp.Symbol("c_1", positive=True), eA * sp.sqrt(K * nA / kB) / x
            ),
            eA,
        ),
        Lemma("likewise h = -oo at the upper end: every bisection on h ends at a root", "intermediate value theorem"),
        Lemma(
            "dead implies optimal, hence block norm <= x; block norm <= x makes the t = 0 solution optimal",
            "first-order conditions of a convex program",
        ),
    )


def solution_derivation() -> Derivation:
    """Gradient in five scalars, T as a function of r, the block of the dual matrix."""
    return Derivation(steps=(*block_steps(), *gradient_steps(), *margin_steps(), *dead_steps()))


def two_sizes(problem: Problem) -> bool:
    """Whether exactly two sizes occur."""
    return len({cluster.size for cluster in problem.clusters}) == 2


def _unweighted(problem: Problem) -> bool:
    return all(cluster.weight == 1 for cluster in problem.clusters)


def _free_bias(problem: Problem) -> bool:
    return problem.bias == "free"


ALIVE = Problem.ce([(9, 2), (4, 3)], "0.03")
BETWEEN_DEAD = Problem.ce([(16, 3), (4, 2)], "0.05", bias="0.04")
WIDE_GAP = Problem.ce([(60, 3), (10, 3)], "0.01", bias="0.02")
FREE = Problem.ce([(9, 2), (4, 3)], "0.03", bias="free")
FREE_SINGLE = Problem.ce([(9, 1), (4, 3)], "0.03", bias="free")
FREE_PAIR = Problem.ce([9, 4], "0.03", bias="free")

TWO_SIZES = Hypothesis(
    text="exactly two sizes, nA > nB",
    holds=two_sizes,
    dropped="with another number of sizes the quantities of clusters A and B do not exist",
)
UNWEIGHTED = Hypothesis(
    text="no class weights",
    holds=_unweighted,
    dropped=Problem.ce([(9, 2), (4, 3)], "0.03", weights=[(1, 2), (2, 3)]),
)
FREE_BIAS = Hypothesis(
    text="the bias is free (mu = 0)",
    holds=_free_bias,
    dropped=ALIVE,
)


def equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    """Relation observed = predicted, kept as written."""
    return sp.Eq(left, right, evaluate=False)


PREDICTED_pA, PREDICTED_qA = own_probability(kA, kB, eA, rA), sibling_probability(kA, kB, eA, rA)
PREDICTED_pB, PREDICTED_qB = own_probability(kB, kA, eB, rB), sibling_probability(kB, kA, eB, rB)

solution = Claim(
    id="HL23-07",
    title="Two clusters: full solution from one scalar equation",
    kind="equality",
    paper=PAPER,
    statement=(
        r"p_A = \frac{k_A - k_B r_A - (k_A-1)e_A}{k_A},\quad q_A = \frac{e_A - k_B r_A}{k_A},\quad"
        r" e_A = \min\left(1, \frac{x}{\sqrt{n_A}}\right) \text{ or } 1 \text{ if } k_A = 1",
        r"t_A = T_A(r_A) - \delta,\; t_B = T_B(r_B) + \delta,\quad"
        r" T_A(r) = \frac{\log p_A(r)}{k_A} + \frac{k_A-1}{k_A}\log q_A(r) - \log r",
        r"r_A = \frac{x\cos\theta}{\sqrt{k_B K n_A}},\quad r_B = \frac{x\sin\theta}{\sqrt{k_A K n_B}},\quad"
        r" k_B r_A t_B = k_A r_B t_A",
        r"\delta = \frac{K(n_A r_A - n_B r_B)}{2\mu N} \text{ (penalised bias)},\quad"
        r" n_A r_A = n_B r_B \text{ (free)},\quad \delta = 0 \text{ (none)}",
        r"h(\theta) = \cos\theta\sqrt{n_B k_B}\,t_B - \sin\theta\sqrt{n_A k_A}\,t_A = 0,\quad"
        r" k_B r_A < e_A,\ k_A r_B < e_B",
        r"s_1 = 0 \iff K(n_A k_B r_{A0}^2 + n_B k_A r_{B0}^2) \leq x^2,\quad"
        r" T_A(r_{A0}) = d_0 = -T_B(r_{B0})",
        r"F = \frac{n_A k_A \mathrm{CE}_A + n_B k_B \mathrm{CE}_B}{N} + \lambda\left((k_A-1)a\sqrt{n_A}"
        r" + (k_B-1)b\sqrt{n_B} + s_1\right) + \frac{\mu k_A k_B \delta^2}{K}",
    ),
    relations=(
        equation(pA, PREDICTED_pA),
        equation(qA, PREDICTED_qA),
        equation(pB, PREDICTED_pB),
        equation(qB, PREDICTED_qB),
        equation(a, sp.log(PREDICTED_pA / PREDICTED_qA)),
        equation(b, sp.log(PREDICTED_pB / PREDICTED_qB)),
        equation(tA, margin_A(rA) - delta),
        equation(tB, margin_B(rB) + delta),
        equation(rA, x * cos_theta / sp.sqrt(kB * K * nA)),
        equation(rB, x * sin_theta / sp.sqrt(kA * K * nB)),
        equation(kB * rA * (margin_B(rB) + delta), kA * rB * (margin_A(rA) - delta)),
        equation(delta, K * (nA * rA - nB * rB) / (2 * mu * N)),
        equation(F, LOSS + NUCLEAR + PENALTY.subs(mu, mu_0)),
        sp.Equivalent(dead, x >= sp.sqrt(block_square(rA0, rB0))),
    ),
    read=solution_readings,
    hypotheses=(TWO_SIZES, UNWEIGHTED, WIDE),
    witness=ALIVE,
    family=Family(sizes="two", near=("merge", "between")),
    settings=(
        BETWEEN_DEAD,
        WIDE_GAP,
        FREE,
        FREE_SINGLE,
        FREE_SINGLE.at("48/7"),
        replace(FREE_SINGLE, bias="none").at("31/4"),
        Problem.ce([(16, 3), (4, 1)], "0.04"),
    ),
    derivation=solution_derivation,
    rests_on=frozenset({"HL23-02", "HL23-03"}),
    required="proved",
    note="For every theta the numbers p, q, r meet the norms of the optimality condition, x on the contrasts and on "
    "the block alike: a certificate has to check the equation kB rA tB = kA rB tA as well. A root of h with tA <= 0 "
    "and tB <= 0 is spurious; the alive test on the t = 0 solution decides.",
    mutants=(
        Mutant("cos and sin swapped", relations=(equation(rA, x * sin_theta / sp.sqrt(kB * K * nA)),), problem=ALIVE),
        Mutant(
            "sqrt(nA) instead of sqrt(kB K nA)", relations=(equation(rA, x * cos_theta / sp.sqrt(nA)),), problem=ALIVE
        ),
        Mutant(
            "tan(theta) inverted",
            relations=(
                equation(
                    rB * sp.sqrt(kA * nB) / (rA * sp.sqrt(kB * nA)), sp.sqrt(nA * kA) * tA / (sp.sqrt(nB * kB) * tB)
                ),
            ),
            problem=ALIVE,
        ),
        Mutant("tA = TA + delta", relations=(equation(tA, margin_A(rA) + delta),), problem=WIDE_GAP),
        Mutant(
            "log(qA) weighted by 1/kA",
            relations=(equation(tA, (sp.log(PREDICTED_pA) + sp.log(PREDICTED_qA)) / kA - sp.log(rA) - delta),),
            problem=WIDE_GAP,
        ),
        Mutant(
            "factor K/2 missing in delta",
            relations=(equation(delta, (nA * rA - nB * rB) / (mu * N)),),
            problem=WIDE_GAP,
        ),
    ),
)
