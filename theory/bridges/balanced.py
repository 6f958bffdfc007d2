"""Equal sizes: every model has the same frame, and the linear ones the same point of collapse (XP26-04, XP26-08)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.bridges.settings import (
    LINEAR,
    PAPER,
    WIDE,
    beside,
    margin,
    max_margin,
    peeled,
    relu,
    sphere,
    squared,
    unbiased,
    unweighted,
    value,
)
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.observables import dead_state, parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.sphere_observables import UNIT, a, best, simplex_value, sphere_parameters, wide
from theory.symbols import K, alpha, dead, dead_exact, lam, n

BUDGET = Fraction(3, 2)
"""E_W = E_H of the layer-peeled problem, and inverse temperature of the unit vectors."""

lam_relu = sp.Symbol("lambda_relu", positive=True)
relu_margin, ridge_margin, peeled_margin = sp.symbols("margin_relu margin_ridge margin_peeled", real=True)
"""Own minus wrong logit: nonnegative features at lam, linear ones at lam sqrt(K/(K-1)), layer-peeled."""
F_relu, F_ridge, F_peeled, F_sphere, F_svm = sp.symbols("F_relu F_ridge F_peeled F_sphere F_svm", nonnegative=True)
p_own, p_wrong = sp.symbols("Z_kk Z_lk", real=True)
"""Squared loss: own and wrong logit."""
nu = sp.Symbol("mu_true", positive=True)
"""Multiplier of the nuclear norm in the layer-peeled model."""
relu_cross, relu_square = sp.symbols("hh_kl hh_kk", real=True)
"""Nonnegative features: inner product of two class means, squared length."""
e = sp.Symbol("e", positive=True)
"""sqrt(E_W E_H)."""


def ridge(scale: sp.Expr = lam) -> sp.Expr:
    """Margin log(1/(lam sqrt(n)) - (K-1)) of linear cross-entropy, 0 where it is dead.

    Examples
    --------
    >>> ridge().subs({lam: sp.Rational(1, 8), n: 4, K: 2})
    log(3)
    """
    return sp.log(1 + sp.Max(0, 1 / (scale * sp.sqrt(n)) - K))


def simplex_loss(classes: sp.Expr = K, temperature: sp.Expr = e) -> sp.Expr:
    """Loss log(1 + (K-1) exp(-K e/(K-1))) per sample of the frame with w_k . h_k = e.

    Examples
    --------
    >>> simplex_loss(sp.Integer(2), sp.log(3))
    log(10/9)
    """
    return sp.log(1 + (classes - 1) * sp.exp(-classes * temperature / (classes - 1)))


def companions(problem: Problem) -> tuple[Problem, ...]:
    """Squared loss, nonnegative features, lam sqrt(K/(K-1)), layer-peeled, unit vectors, max-margin.

    Examples
    --------
    >>> [other.model for other in companions(Problem.ce([(4, 3)], "0.1"))]
    ['mse', 'ce-relu', 'ce', 'layer-peeled', 'ce-sphere', 'uf-svm']
    """
    moved = problem.at(problem.x2 * problem.K / (problem.K - 1))
    return (
        squared(problem),
        relu(problem),
        moved,
        peeled(problem, BUDGET),
        sphere(problem, BUDGET),
        max_margin(problem),
    )


def six_models(optimum: Optimum) -> Iterator[Reading]:
    """Margins, values, states and multiplier of equal classes in every model.

    Examples
    --------
    >>> len(list(six_models(Optimum(EQUAL, "exact"))))
    1
    """
    problem = optimum.problem
    common = {**parameters(problem), n: rational(problem.clusters[0].size), e: rational(BUDGET)}
    yield {**common, **_state(optimum), **margin(optimum, alpha)}
    if not optimum.companions:
        return
    mse, nonnegative, moved, budget, unit, svm = optimum.companions
    reading = {**common, **_state(mse)}
    if mse.logits is not None:
        reading |= {p_own: mse.logits[0, 0], p_wrong: mse.logits[1, 0]}
    yield reading
    reading = {lam_relu: common[lam], K: common[K], n: common[n], **_state(nonnegative)}
    yield reading | margin(nonnegative, relu_margin) | margin(moved, ridge_margin) | value(nonnegative, F_relu)
    yield {**value(nonnegative, F_relu), **value(moved, F_ridge)}
    if nonnegative.gram_features is not None:
        grams = nonnegative.gram_features
        yield {K: common[K], relu_cross: grams[0, 1], relu_square: grams[0, 0]}
    known = {K: common[K], n: common[n], e: common[e], **value(svm, F_svm), **value(budget, F_peeled)}
    if "multiplier" in budget.facts:
        known[nu] = budget.facts["multiplier"]
    yield known | margin(budget, peeled_margin) | value(unit, F_sphere)


def _state(optimum: Optimum) -> dict[sp.Symbol, bool | None]:
    """State of the only cluster; in squared loss and with nonnegative features 'dead' means zero features."""
    state = optimum.contrasts[0] if optimum.contrasts else None
    exact = optimum.exact_contrasts[0] if optimum.exact_contrasts else None
    return {dead: dead_state(state), dead_exact: dead_state(exact)}


def balanced_derivation() -> Derivation:
    """Substitution of equal sizes, N = K n, in the closed form of every model."""
    c, size, prob, gap = sp.symbols("c n_ q g", positive=True)
    big = c + 1
    x = lam * big * size
    t = x * sp.sqrt(c / (big * size))
    moved = lam * sp.sqrt(big / c)
    return Derivation(
        steps=(
            Lemma("cross-entropy: Z = a P, a = log(K sqrt(n)/x - (K-1)), Z = 0 iff x >= sqrt(n)", "HL23-09"),
            Identity(
                "K sqrt(n)/x = 1/(lam sqrt(n)) with x = lam K n", big * sp.sqrt(size) / x, 1 / (lam * sp.sqrt(size))
            ),
            Identity("x/sqrt(n) = lam K sqrt(n)", x / sp.sqrt(size), lam * big * sp.sqrt(size)),
            Lemma("squared loss: p = max(0, 1 - x/sqrt(n)), dead iff n <= x^2", "DA23-11"),
            Lemma("nonnegative features: error t = x sqrt((K-1)/K)/sqrt(n), margin log((K-1)(1/t - 1))", "DA24-03"),
            Identity(
                "(K-1)/t = 1/(lam' sqrt(n)) with lam' = lam sqrt(K/(K-1)): the linear margin at lam'",
                c / t,
                1 / (moved * sp.sqrt(size)),
            ),
            Identity(
                "dead iff lam' K sqrt(n) >= 1, that is lam K sqrt(n) >= sqrt((K-1)/K)",
                moved * big * sp.sqrt(size) * sp.sqrt(c / big),
                lam * big * sp.sqrt(size),
            ),
            Lemma("value with nonnegative features: the entropy F_K(t) of the error", "DA24-01"),
            Lemma(
                "linear value: the entropy of the softmax as well, since the penalty "
                "lam |Z D^(1/2)|_* equals <(I - P) D, "
                "Z>/N at the optimum and CE(z, k) + <e_k - p, z> = Ent(p)",
                "equality in Gibbs' inequality and in the duality of norms",
            ),
            Identity(
                "with the error t = (K-1) q, q = 1/(e^a + K - 1) = lam' sqrt(n)",
                (c * prob).subs(prob, moved * sp.sqrt(size)),
                t,
            ),
            Lemma("layer-peeled: Z = (K e/(K-1)) P, loss log(1 + (K-1) exp(-K e/(K-1)))", "FA21-01"),
            Lemma("its multiplier is |(I - softmax) diag(1/K)|", "FA21-02"),
            Identity(
                "(I - softmax(a P))/K = q P with q = 1/(e^a + K - 1): the diagonal 1 - p over K is q (1 - 1/K)",
                (1 - gap / (gap + c)) / big,
                (1 - 1 / big) / (gap + c),
            ),
            Lemma("unit vectors: sum of losses K log(1 + (K-1) exp(-a_s K/(K-1)))", "LS20-01"),
            Lemma("max-margin: logits P, value |P D^(1/2)|_*", "TH22-01"),
            Identity(
                "|P|_* sqrt(n) = (K-1) sqrt(n), the trace of the projection P",
                (big - 1) * sp.sqrt(size),
                c * sp.sqrt(size),
            ),
        )
    )


def _equal(left: sp.Expr, right: Any) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


EQUAL = Problem.ce([(9, 4)], "0.04")
MOVED = lam_relu * sp.sqrt(K / (K - 1))
ALL_EQUAL = Hypothesis(
    "all sizes are equal", lambda problem: len(problem.clusters) == 1, dropped=Problem.ce([9, 9, 4], "0.02")
)

every_model = Claim(
    id="XP26-04",
    title="Equal sizes in every model",
    kind="equality",
    paper=PAPER,
    statement=(
        r"n_k = n,\ \text{no bias}:\quad \text{CE: } Z = a\left(I - \tfrac1K J\right),\ a = \log\left(\frac{1}{\lambda"
        r" \sqrt n} - (K-1)\right);\quad \text{squared loss: } Z = (1 - \lambda K"
        r" \sqrt n) I;\quad \text{both alive} \iff"
        r" \lambda K \sqrt n < 1",
        r"H \geq 0:\ \text{margins and value of CE at } \lambda' = \lambda \sqrt{K/(K-1)},\ \text{alive} \iff \lambda K"
        r" \sqrt n < \sqrt{(K-1)/K},\ \text{class means orthogonal}",
        r"\text{layer-peeled, } e = \sqrt{E_W E_H}:\ a = \frac{K e}{K-1},\quad"
        r" \mu_{\mathrm{true}} = \frac{1}{e^a + K - 1}"
        r"\quad (\lambda \sqrt n \text{ in its place for CE})",
        r"\text{loss per sample} = \log\left(1 + (K-1) e^{-a}\right) = L^*/K \text{"
        r" of } K \text{ unit vectors at } a_s = e;"
        r"\qquad \text{max-margin value } (K-1)\sqrt n",
    ),
    relations=(
        _equal(alpha, ridge()),
        sp.Equivalent(dead, lam * K * sp.sqrt(n) >= 1),
        _equal(p_own, sp.Max(0, 1 - lam * K * sp.sqrt(n))),
        _equal(p_wrong, 0),
        _equal(relu_margin, ridge(MOVED)),
        _equal(relu_margin, ridge_margin),
        _equal(F_relu, F_ridge),
        sp.Equivalent(dead, lam_relu * K * sp.sqrt(n) >= sp.sqrt((K - 1) / K)),
        _equal(relu_cross, 0),
        _equal(peeled_margin, K * e / (K - 1)),
        _equal(nu, 1 / (sp.exp(peeled_margin) + K - 1)),
        _equal(F_peeled, simplex_loss()),
        _equal(F_sphere, K * F_peeled),
        _equal(F_svm, (K - 1) * sp.sqrt(n)),
    ),
    read=six_models,
    companions=companions,
    hypotheses=(
        LINEAR,
        ALL_EQUAL,
        unbiased("with equal sizes a free or penalised bias is 0 (HL23-09) and nothing changes for cross-entropy"),
        unweighted(Problem.ce([(9, 4)], "0.04", weights=[2, 2, 2, 2])),
        WIDE,
    ),
    witness=EQUAL,
    family=Family(sizes="balanced", bias=("none",), near=("merge",)),
    settings=(*beside(Problem.ce([(4, 3)], 1), "8/3"), Problem.ce([(4, 3)], 1).at(5), Problem.ce([(3, 2)], "0.05")),
    derivation=balanced_derivation,
    rests_on=frozenset({"HL23-09", "DA23-11", "DA24-01", "DA24-03", "FA21-01", "FA21-02", "LS20-01", "TH22-01"}),
    required="proved",
    mutants=(
        Mutant("lam' = lam K/(K-1)", relations=(_equal(relu_margin, ridge(lam_relu * K / (K - 1))),), problem=EQUAL),
        Mutant("mu = exp(-a)/K", relations=(_equal(nu, sp.exp(-peeled_margin) / K),), problem=EQUAL),
        Mutant("alive iff lam K n < 1", relations=(sp.Equivalent(dead, lam * K * n >= 1),), problem=EQUAL),
        Mutant(
            "nonnegative class means form a simplex",
            relations=(_equal(relu_cross, -relu_square / (K - 1)),),
            problem=EQUAL,
        ),
        Mutant("the sum of the losses is the mean", relations=(_equal(F_sphere, F_peeled),), problem=EQUAL),
        Mutant("max-margin value K sqrt(n)", relations=(_equal(F_svm, K * sp.sqrt(n)),), problem=EQUAL),
    ),
    source="derived here, parts published",
    note="The layer-peeled problem and the unit vectors are solved at e = 3/2, whatever lambda is.",
)

F_one = sp.Symbol("F_mean", real=True)
"""Mean loss per vector on the sphere, d >= n - 1."""
bound = sp.Symbol("f_bound", nonnegative=True)
"""Lower bound on the layer-peeled value at the same d."""
F_uneven = sp.Symbol("F_uneven", real=True)
"""Layer-peeled value where one class is twice as large as the others, d >= n - 1."""


def unit_and_peeled(optimum: Optimum) -> Iterator[Reading]:
    """The value on the sphere beside the layer-peeled one, and the best point beside the layer-peeled lower bound.

    Examples
    --------
    >>> len(list(unit_and_peeled(Optimum(SIX, "exact"))))
    1
    """
    problem = optimum.problem
    reading = {**sphere_parameters(problem), K: sp.Integer(problem.K)}
    if wide(problem):
        reading |= value(optimum, F_sphere)
    if optimum.upper is not None:
        reading[best] = optimum.upper
    for other, symbol in zip(optimum.companions, (F_peeled, F_uneven), strict=False):
        reading |= value(other, symbol) if wide(problem) else {}
        if symbol == F_peeled and other.lower is not None:
            reading[bound] = other.lower
    yield reading


def as_budgets(problem: Problem) -> tuple[Problem, ...]:
    """Layer-peeled problems with K = n, E_W = E_H = a and the same d: equal sizes, and one class twice as large.

    Examples
    --------
    >>> [other.budget2 for other in as_budgets(Problem.sphere(3, 2, "1/2"))]
    [Fraction(9, 4), Fraction(9, 4)]
    """
    budget, dim = problem.temperature, problem.dim
    return tuple(Problem.peeled([first, (1, problem.K - 1)], budget, budget, dim=dim) for first in (1, 2))


def sphere_derivation() -> Derivation:
    """Unit vectors use the budgets up; for d >= n - 1 both minima are at the simplex."""
    c = sp.Symbol("c", positive=True)
    size = c + 1
    return Derivation(
        steps=(
            Lemma(
                "W with rows sqrt(a) v_j and H with columns sqrt(a) u_i: logits a "
                "<u_i, v_j>, |W|^2 = |H|^2 = n a, within "
                "the budgets n E_W = n E_H = n a",
                "substitution",
            ),
            Identity("|W|^2 = n |sqrt(a) v|^2", size * sp.sqrt(a) ** 2, size * a),
            Identity("its loss is L/n: the mean, weights 1/n", simplex_value(size, a) / size, simplex_loss(size, a)),
            Lemma("so L_2/n >= the layer-peeled value at the same d, with one family too", "feasibility"),
            Lemma("layer-peeled, d >= K - 1: log(1 + (K-1) exp(-K e/(K-1))), e = sqrt(E_W E_H) = a", "FA21-01"),
            Lemma("unit vectors, d >= n - 1: L* = n log(1 + (n-1) exp(-a n/(n-1)))", "LS20-01"),
            Identity("e = sqrt(a a)", sp.sqrt(a * a), a),
            Lemma("masses m_k that differ: the simplex is feasible and has the same loss for every class", "FA21-01"),
            Lemma(
                "its gradient is a multiple of P diag(m), P = I - J/n, which would "
                "have to be a multiple of P (the polar "
                "factor of the simplex), so the minimum is smaller",
                "subdifferential of the nuclear norm",
            ),
            Identity(
                "P diag(m) applied to the vector m^-1 is P 1 = 0, and P m^-1 = 0 only "
                "for equal masses (two written out)",
                (sp.eye(2) - sp.ones(2, 2) / 2) * sp.diag(a, c) * sp.Matrix([1 / a, 1 / c]),
                sp.zeros(2, 1),
            ),
        )
    )


SIX = Problem.sphere(6, 5, 2)

sphere_is_peeled = Claim(
    id="XP26-08",
    title="Unit vectors are the balanced layer-peeled model",
    kind="equality",
    paper=PAPER,
    statement=(
        r"K = n,\ \text{equal sizes},\ \sqrt{E_W E_H} = a,\ d \geq n-1:\quad \tfrac1n L_2^* = f^*_{\mathrm{peeled}} ="
        r" \log\left(1 + (n-1) e^{-a n/(n-1)}\right)",
        r"\text{one class twice as large}:\quad f^*_{\mathrm{peeled}} \text{ is smaller}",
        r"\text{any } d:\quad \tfrac1n L_2(U, V) \geq f^*_{\mathrm{peeled}} \text{ at the same } d",
    ),
    relations=(
        _equal(F_sphere, K * F_peeled),
        _equal(F_peeled, simplex_loss(temperature=a)),
        sp.Ge(best, K * bound, evaluate=False),
        sp.Lt(F_uneven, F_peeled, evaluate=False),
    ),
    read=unit_and_peeled,
    companions=as_budgets,
    hypotheses=(
        UNIT,
        Hypothesis(
            "two families",
            lambda problem: problem.families == 2,
            dropped="one family u = v has the same minimum for d >= n - 1, and no smaller one below that",
        ),
    ),
    witness=SIX,
    family=Family(model="ce-sphere", dims="any", families=(2,)),
    settings=(Problem.sphere(2, 1, 1), Problem.sphere(4, 6, "1/2"), Problem.sphere(4, 2, 1), Problem.sphere(5, 3, 2)),
    derivation=sphere_derivation,
    rests_on=frozenset({"FA21-01", "LS20-01"}),
    required="proved",
    mutants=(
        Mutant("sum for mean", relations=(_equal(F_sphere, F_peeled),), problem=SIX),
        Mutant("equality under imbalance", relations=(_equal(F_uneven, F_peeled),), problem=SIX),
        Mutant("a = E_W E_H", relations=(_equal(F_peeled, simplex_loss(temperature=a**2)),), problem=SIX),
        Mutant(
            "the budgets are the harder constraint",
            relations=(sp.Le(best, K * bound, evaluate=False),),
            problem=Problem.sphere(5, 3, 2),
        ),
    ),
    source="derived here",
)
