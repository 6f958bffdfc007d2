"""Budgets and decays: a layer-peeled optimum is a ridge optimum that counts every class mean once (XP26-02)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import exp, sqrt
from typing import Any

import sympy as sp

from theory.bridges.settings import PAPER, beside, max_margin, value
from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.fang_2021_layer_peeled.settings import BASIC, BOTH_LIVE, COLLAPSED, WEIGHTED, step
from theory.observables import cluster_readings, rational, two_cluster_readings
from theory.optimum import Optimum
from theory.peeled_observables import R, T, budget_parameters, e, group_readings, nu
from theory.problem import Problem
from theory.symbols import K as sym_K
from theory.symbols import N, a, b, dead, dead_exact, kA, kB, lam, n, rA, rB, s1, tA, tB, w

F_peeled, F_ridge = sp.symbols("F_peeled F_ridge", nonnegative=True)
T_ridge = sp.Symbol("T_ridge", nonnegative=True)
"""Nuclear norm of the logits of the ridge problem with one decay per class mean, at lam."""
pairing, pairing_ridge = sp.symbols("GZ GZ_ridge", real=True)
"""<(I - P) diag(m), Z> with m_k = n_k w_k/N, at the optimum under budgets and at that ridge optimum."""
mass = sp.Symbol("m_C", positive=True)
"""Mass m_k = n_k w_k/N of the classes of one cluster."""
mass_samples = sp.Symbol("m_C_samples", positive=True)
"""sqrt(n_k) w_k/N of these classes: what counts in ridge on samples."""
unit_cosine, sample_cosine = sp.symbols("cos_1 cos_n", real=True)
"""Cosine of two classifiers of the larger group in the max-margin problem: class means counted once, or all samples."""
balance, balance_ridge = sp.symbols("bal bal_ridge", positive=True)
"""kA tA rB/(kB tB rA) at the layer-peeled optimum, and at an ordinary ridge optimum with the same sizes."""

HEAVY = Problem.peeled([3, 1], "1/4", "1/4", weights=[(20, 2)])
"""Loss weights of 20: decays above 1, where the square root is the smaller one."""


def masses(problem: Problem) -> list[Fraction]:
    """Shares n_k w_k/N of the classes in the loss.

    Examples
    --------
    >>> [str(share) for share in masses(BOTH_LIVE)]
    ['3/13', '3/13', '3/13', '2/13', '2/13']
    """
    return [size * weight / problem.N for size, weight in zip(problem.sizes, problem.weights, strict=True)]


def near_multiplier(problem: Problem) -> Fraction:
    """A rational number in the region of the multiplier of the budget: what equal masses would give, roughly.

    Examples
    --------
    >>> near_multiplier(BOTH_LIVE)
    Fraction(13, 100)
    """
    shares = masses(problem)
    gap = min(50.0, sqrt(problem.budget2) / (problem.K - 1))
    guess = problem.K * sqrt(max(shares) * min(shares)) / (exp(gap) + problem.K - 1)
    return Fraction(f"{guess:.2g}")


def one_decay_each(problem: Problem) -> Problem:
    """Ridge problem with the masses of a layer-peeled one and every class mean penalised once: K classes of size 1.

    Class k of n_k samples with feature decay lambda_H/n_k per sample is one sample of loss weight K m_k.

    Examples
    --------
    >>> p = one_decay_each(BOTH_LIVE)
    >>> p.lam2, p.sizes[0], p.weights[0]
    (Fraction(169, 10000), Fraction(1, 1), Fraction(15, 13))
    """
    weights: list[Any] = [problem.K * share for share in masses(problem)]
    return Problem.ce([(1, problem.K)], near_multiplier(problem), weights=weights)


def ordinary(problem: Problem) -> Problem:
    """Ridge problem with the masses for sizes, where nothing has merged yet.

    Examples
    --------
    >>> ordinary(BOTH_LIVE).x2
    Fraction(1, 4)
    """
    sizes = [size * weight for size, weight in zip(problem.sizes, problem.weights, strict=True)]
    return Problem.ce(sizes, 1).at(min(sizes) / 4)


def companions(problem: Problem) -> tuple[Problem, ...]:
    """Ordinary ridge, max-margin with sizes 1 and n; one decay per class mean near the multiplier and where it merges.

    Examples
    --------
    >>> [float(other.x2) for other in companions(COLLAPSED)[::4]]
    [0.25, 0.2066115702479339]
    """
    ridge = one_decay_each(problem)
    several = [cluster for cluster in ridge.clusters if cluster.classes > 1]
    plain = ordinary(problem)
    frames = Problem.svm([(1, problem.K)]), max_margin(plain)
    return plain, *frames, ridge, *(beside(ridge, several[-1].weight ** 2) if several else ())


def budget_readings(optimum: Optimum) -> Iterator[Reading]:
    """Optimality in both models, the two values, merging in the ridge one, and what tells ordinary ridge apart.

    Examples
    --------
    >>> len(list(budget_readings(Optimum(BOTH_LIVE, "exact"))))
    2
    """
    known = {symbol: number for symbol, number in budget_parameters(optimum.problem).items() if symbol in (T, e)}
    reading = {**known, **_pairing(optimum, masses(optimum.problem), pairing)}
    if "multiplier" in optimum.facts:
        reading[nu] = optimum.facts["multiplier"]
    yield reading
    for group in group_readings(optimum):
        yield {R: group[R], **_balance(group, balance)}
    if not optimum.companions:
        return
    plain, unit, samples, *ridges = optimum.companions
    yield {sym_K: sp.Integer(optimum.problem.K), **_cosine(unit, unit_cosine), **_cosine(samples, sample_cosine)}
    for two in two_cluster_readings(plain):
        yield _balance(two, balance_ridge)
    for ridge in ridges:
        yield {**reading, **value(optimum, F_peeled), **value(ridge, F_ridge), **_nuclear(ridge)}
        for cluster in cluster_readings(ridge):
            share = cluster[n] * cluster[w] / cluster[N]
            known = {lam: cluster[lam], mass: share, dead: cluster[dead], dead_exact: cluster[dead_exact]}
            yield known | _samples(optimum.problem, share)


def _cosine(optimum: Optimum, symbol: sp.Symbol) -> dict[sp.Symbol, Any]:
    """Cosine of the classifiers of the first two classes of the largest size."""
    rows, members = optimum.gram_classifier, optimum.problem.clusters[0].members
    return (
        {}
        if rows is None or len(members) < 2
        else {symbol: rows[members[0], members[1]] / rows[members[0], members[0]]}
    )


def _samples(problem: Problem, share: sp.Rational) -> dict[sp.Symbol, Any]:
    """sqrt(n_k) w_k/N of the classes with this mass."""
    for size, weight in zip(problem.sizes, problem.weights, strict=True):
        if rational(size * weight / problem.N) == share:
            return {mass_samples: sp.sqrt(rational(size)) * rational(weight / problem.N)}
    return {}


def _pairing(optimum: Optimum, shares: list[Fraction], symbol: sp.Symbol) -> dict[sp.Symbol, Any]:
    if optimum.logits is None:
        return {}
    Z, P = optimum.logits, optimum.probabilities
    total = 0 * Z[0, 0]
    for k, share in enumerate(shares):
        total += (Z[k, k] - (P[:, k] * Z[:, k]).sum()) * share.numerator / share.denominator
    return {symbol: total}


def _nuclear(ridge: Optimum) -> dict[sp.Symbol, Any]:
    """Nuclear norm of the logits from the gaps and the one direction between the groups, and lam."""
    (reading,) = two_cluster_readings(ridge)
    found = {lam: reading[lam], **_pairing(ridge, masses(ridge.problem), pairing_ridge)}
    if s1 in reading:
        A, B = reading[kA], reading[kB]
        zero = 0 * reading[s1]
        found[T_ridge] = int(A - 1) * reading.get(a, zero) + int(B - 1) * reading.get(b, zero) + reading[s1]
    return found


def _balance(reading: Reading, symbol: sp.Symbol) -> dict[sp.Symbol, Any]:
    if tA not in reading or not reading[tA] > 0 or not reading[tB] > 0:
        return {}
    return {symbol: int(reading[kA]) * reading[tA] * reading[rB] / (int(reading[kB]) * reading[tB] * reading[rA])}


def budget_derivation() -> Derivation:
    """The budget is the constraint, lam its multiplier; one decay per class mean makes the norms equal."""
    m, g, c, ratio, slack, low, high = sp.symbols("m g c R s T_0 d", positive=True)
    top, first, second = sp.symbols("q t_1 t_2", positive=True)
    return Derivation(
        steps=(
            Identity("n_k samples with feature decay 1/n_k each: g_k = n_k r_k", n * (1 / n), sp.Integer(1)),
            Identity("one sample of weight K m_k among K: its share of the mean loss", c * m / c, m),
            Lemma(
                "collapsed features: the least penalty of given logits is lam |Z|_* for g = 1 (lam |Z D^(1/2)|_* for "
                "g = n)",
                "HL23-01",
            ),
            Lemma("the layer-peeled model is min sum m_k CE(z_k, k) subject to |Z|_* <= T", "FA21-02"),
            Lemma(
                "Z minimises sum m_k CE + lam |Z|_* iff |(I - P) diag(m)| <= lam and <(I - P) diag(m), Z> = lam |Z|_*; "
                "the same two lines with T = |Z|_* say that Z is optimal under the budget with multiplier lam",
                "subdifferential of the nuclear norm",
            ),
            Lemma("the budget is used up: |Z|_* = T and the multiplier is |(I - P) diag(m)|", "FA21-02"),
            Identity(
                "equal decays: |W|^2 = |H|^2 = |Z|_* = T gives E_W = E_H = T/K, and K sqrt(E_W E_H) = T",
                c * sp.sqrt((high / c) * (high / c)),
                high,
            ),
            Lemma(
                "the value f(T) is convex with slope -mu_true, and F_ridge(lam) = f(T_ridge) + lam T_ridge",
                "Lagrangian of a convex program",
            ),
            Lemma("F_ridge(lam) <= f(T) + lam T, as the point under the budget is feasible", "feasibility"),
            Identity(
                "f(T_ridge) >= f(T) - mu_true (T_ridge - T) is F_ridge >= f(T) + lam T - (mu_true - lam)(T_ridge - T)",
                (slack - top * (low - high)) + ratio * low,
                slack + ratio * high - (top - ratio) * (low - high),
            ),
            Lemma("a cluster of loss weight w and size n merges iff x >= w sqrt(n), here n = 1", "HL23-04"),
            Identity("x = lam K, w = K m: lam >= m", (lam * c) / (c * m), lam / m),
            Identity(
                "in the family |Z diag(g)^(1/2)|_* that is m/sqrt(g), with m = n/N: g = 1",
                (n / N) / sp.sqrt(g.subs(g, 1)),
                n / N,
            ),
            Identity("and g = n", ((n / N) / sp.sqrt(g)).subs(g, n), sp.sqrt(n) / N),
            Lemma(
                "small decay: the softmax errors times m_k are lam times the polar "
                "factor of P diag(g)^(1/2), whatever the "
                "masses, so that W W^T tends in direction to the max-margin one with sizes g",
                "XP26-01",
            ),
            Lemma("max-margin with sizes g: W W^T = (P diag(g) P)^(1/2), a multiple of P for g = 1", "TH22-01"),
            Lemma(
                "g = n, two sizes: cos(w_A, w_A') = (c r - 1/kA)/(1 - 1/kA + c r), c = kB/(kA K), r^2 = tau/R = (kB + "
                "kA/R)/K < 1",
                "TH22-12",
            ),
            Identity(
                "it increases with r",
                sp.diff((c * slack - 1 / kA) / (1 - 1 / kA + c * slack), slack),
                c / (1 - 1 / kA + c * slack) ** 2,
            ),
            Identity(
                "and is -1/(K-1) at r = 1, below that for R > 1",
                ((c - 1 / kA) / (1 - 1 / kA + c)).subs(c, kB / (kA * (kA + kB))),
                -1 / (kA + kB - 1),
            ),
            Lemma("two groups between which Z lives, under a budget: s kA q_A = t R kB p_B", "FA21-09"),
            Lemma("two sizes, ridge on samples: (r_A, r_B) is a multiple of (kA t_A, kB t_B)", "HL23-07"),
            Identity(
                "so kA tA rB/(kB tB rA) is 1",
                (kA * first * kB * second) / (kB * second * kA * first),
                sp.Integer(1),
            ),
            Identity(
                "and R under a budget, q_A = t R kB p_B/(s kA): for R != 1 no lam gives the same logits",
                kA * first * (second * ratio * kB * top / (first * kA)) / (kB * second * top),
                ratio,
            ),
        )
    )


def _equal(left: sp.Expr, right: Any) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


GAP = F_peeled + lam * T - F_ridge
"""By how much the point under the budget misses the ridge optimum."""

budget_is_ridge = Claim(
    id="XP26-02",
    title="A layer-peeled optimum is a ridge optimum with one decay per class mean",
    kind="equality",
    paper=PAPER,
    statement=(
        r"r_k = 1/n_k \ (g_k = n_k r_k = 1):\quad Z \text{ minimises } \sum_k m_k \mathrm{CE}(z_k, k) + \lambda \|Z\|_*"
        r" \iff Z \text{ is layer-peeled optimal for } T = \|Z\|_* = K\sqrt{E_W E_H},\ \mu_{\mathrm{true}} = \lambda",
        r"\langle (I - P)\,\mathrm{diag}(m), Z \rangle = \mu_{\mathrm{true}} T;\qquad 0 \leq f_{\mathrm{peeled}}(T) +"
        r" \lambda T - F_{\mathrm{ridge}}(\lambda) \leq (\mu_{\mathrm{true}}(T) -"
        r" \lambda)(T_{\mathrm{ridge}}(\lambda) - T)",
        r"\text{a cluster merges} \iff \lambda \geq m_C = n_C w_C/N\quad (g = 1; \sqrt{n_C} w_C/N \text{ for } g = n)",
        r"\lambda \to 0:\ W W^\top \propto (P\,\mathrm{diag}(g) P)^{1/2} \text{: a simplex ETF for } g = 1 \text{, the"
        r" max-margin frame of the sizes for } g = n",
        r"\text{two groups}, R \neq 1:\quad \frac{k_A t_A r_B}{k_B t_B r_A} = R \text{ (budget)},\ 1 \text{ (ridge on"
        r" samples)}:\text{ no } \lambda \text{ of the ordinary ridge problem gives these logits}",
    ),
    relations=(
        _equal(pairing, nu * T),
        _equal(pairing_ridge, lam * T_ridge),
        sp.Ge(GAP, 0, evaluate=False),
        sp.Le(GAP, (nu - lam) * (T_ridge - T), evaluate=False),
        sp.Equivalent(dead, lam >= mass),
        _equal(balance, R),
        _equal(balance_ridge, 1),
        _equal(unit_cosine, -1 / (sym_K - 1)),
        sp.Lt(sample_cosine, -1 / (sym_K - 1), evaluate=False),
    ),
    read=budget_readings,
    companions=companions,
    hypotheses=BASIC,
    witness=BOTH_LIVE,
    family=Family(sizes="two", bias=("none",), near=("minority_merge",), weights=True, model="layer-peeled"),
    settings=(COLLAPSED, WEIGHTED, step(1, 1, "10"), step(2, 2, "3/2", "1/40", "1/40"), HEAVY),
    derivation=budget_derivation,
    rests_on=frozenset({"HL23-01", "HL23-04", "HL23-07", "FA21-02", "FA21-09", "TH22-01", "TH22-12", "XP26-01"}),
    required="proved",
    mutants=(
        Mutant("T = sqrt(E_W E_H)", relations=(_equal(pairing, nu * e),), problem=BOTH_LIVE),
        Mutant(
            "lam = mu_true/n_C, g = n",
            relations=(sp.Equivalent(dead, lam >= mass_samples),),
            problem=step(2, 2, "3", "2"),
        ),
        Mutant("the same as ridge on samples", relations=(_equal(balance, 1),), problem=BOTH_LIVE),
        Mutant(
            "the budget costs nothing",
            relations=(sp.Le(F_peeled, F_ridge - lam * T, evaluate=False),),
            problem=BOTH_LIVE,
        ),
    ),
    source="derived here",
    note="The multiplier of a rational budget is irrational, so the two problems "
    "that are solved differ slightly: the gap "
    "between them is enclosed from both sides and is of second order. For lam near mu_true it is about half of "
    "its bound; elsewhere any share of it: two classes, T = 1: 0.512 at lam = 7/20, towards 0 as lam falls.",
    survivors={
        "sign: * becomes -F_peeled + F_ridge - T*lambda (relation 4)": "implied by relations 3 and 4: the gap is at "
        "least 0, so the right side is, and minus the gap is at most 0",
    },
)
