"""ReLU features with class weights, label smoothing and other symmetric losses: NR26-13, NR26-14 and NR26-15.

The six slacks of the cross-entropy case (DA24-01) need of the loss only that it is convex, ignores a shift of all
logits and treats the wrong classes alike: phi(m) is its value at margin m over every wrong class.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory import losses
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2024_relu.settings import UNBIASED
from theory.dang_2024_relu.slacks import (
    KAPPA,
    E,
    T,
    c,
    cone_steps,
    equality_steps,
    identity_steps,
    omega,
    point_steps,
    slack_steps,
)
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import eps, loss_parameters, loss_values, predictions, r, slopes, states
from theory.observables import dead_state, norm, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_sum, value_bounds
from theory.symbols import F, K, N, dead, dead_exact, lam, n, w, x

PAPER = "new_results"

err, margin, total = sp.symbols("err margin f_sum", real=True)
"""Softmax error of a class and its margin over every wrong class, observed; the predicted value."""
CAP = (K - 1) / K
OWN = x * sp.sqrt(CAP) / (w * sp.sqrt(n))
"""t_k."""
ERROR = sp.Min(OWN + eps * CAP, CAP)
MARGIN = sp.log((K - 1) * (1 / ERROR - 1))
SHARE = w * n / N
VALUE = SHARE * (sp.log(1 + (K - 1) * sp.exp(-MARGIN)) + eps * CAP * MARGIN) + lam * sp.sqrt(n * CAP) * MARGIN


def class_readings(optimum: Optimum) -> Iterator[Reading]:
    """One reading per cluster: parameters, state, margin and softmax error of its first class; bounds on the value.

    Examples
    --------
    >>> found = class_readings(Optimum(SMOOTH, "exact", contrasts=("alive", "alive", "dead")))
    >>> [(reading[n], reading[dead]) for reading in found]
    [(9, False), (5, False), (2, True)]
    """
    problem, Z = optimum.problem, optimum.logits
    common = {**loss_parameters(problem), **value_bounds(optimum)}
    P = predictions(optimum)
    for cluster, state, exact in states(optimum):
        k = cluster.members[0]
        found: dict[sp.Symbol, Any] = {
            **common,
            n: rational(cluster.size),
            w: rational(cluster.weight),
            r: rational(cluster.feature_decay),
            dead: dead_state(state),
            dead_exact: dead_state(exact),
        }
        if Z is not None:
            found[margin] = Z[k, k] - Z[(k + 1) % problem.K, k]
        if P is not None:
            found[err] = 1 - P[k, k]
        yield found


def smooth_readings(optimum: Optimum) -> Iterator[Reading]:
    """The readings of classes, beside the predicted value.

    Examples
    --------
    >>> len(list(smooth_readings(Optimum(SMOOTH, "exact"))))
    3
    """
    predicted = class_sum(optimum.problem, VALUE)
    yield from ({**reading, total: predicted} for reading in class_readings(optimum))


def smooth_derivation() -> Derivation:
    """Smoothing adds eps (K-1)/K times the margin to the loss: the case of DA24-01 with t + eps (K-1)/K in s6."""
    z, mean, m, e, weight = sp.symbols("z_y zbar m epsilon w_k", positive=True)
    lse = sp.Symbol("L", real=True)
    size_crit = N**2 * lam**2 * (c + 1) / (c * (weight * (1 - e)) ** 2)
    own = N * lam * sp.sqrt(c / ((c + 1) * n)) / weight
    return Derivation(
        steps=(
            *slack_steps(),
            *point_steps(),
            *equality_steps(),
            Identity(
                "smoothed loss: log sum exp - (1 - eps) z_y - eps zbar = CE + eps (z_y - zbar)",
                lse - (1 - e) * z - e * mean,
                (lse - z) + e * (z - mean),
            ),
            Identity(
                "with z_y - zbar = (K-1)/K m exactly, linear in m: s1 and s2 do not change",
                c / (c + 1) * (m * (c + 1) / c),
                m,
            ),
            Identity(
                "s6: the slope of phi(m) + (eps (K-1)/K + t) m is that of DA24-01 with t' = t + eps (K-1)/K",
                sp.diff(e * c / (c + 1) * m + KAPPA / omega * m, m),
                KAPPA / omega + e * c / (c + 1),
            ),
            Identity("margin: exp(M) = (K-1)(1/t' - 1), softmax error t'", c * (1 / T - 1), E),
            Identity(
                "dead iff t' >= (K-1)/K iff t >= (1-eps)(K-1)/K", c / (c + 1) - e * c / (c + 1), (1 - e) * c / (c + 1)
            ),
            Identity("t at the critical size", own.subs(n, size_crit) ** 2, ((1 - e) * c / (c + 1)) ** 2),
            Positive("t decreases with the size", -sp.diff(own, n)),
        )
    )


def _plain(problem: Problem) -> bool:
    return not (problem.adjustment or problem.scaling or problem.targets) and problem.loss_temperature == 1


RELU = Hypothesis(
    "features are nonnegative",
    lambda problem: problem.model == "ce-relu",
    dropped=Problem.ce([11, 11, 5, 5], 1).with_loss(smoothing="1/10").at("3.9"),
)
NO_BIAS = Hypothesis("no bias", UNBIASED.holds, dropped="DA24-14 shows what a bias changes")
CE = Hypothesis(
    "cross-entropy, r = s = 1, labels one-hot or smoothed, no other knob",
    lambda p: p.loss == "ce" and _plain(p) and all(run.feature_decay == run.row_decay == 1 for run in p.runs),
    dropped=Problem.ce([9, 5, 2], 1, model="ce-relu").with_loss(feature_decay=[1, 1, 4]).at(1),
)
ENOUGH = Hypothesis(
    "d is at least the number of alive classes (K suffices)",
    lambda problem: problem.dim >= problem.K,
    dropped="for d below it only bounds on the value are known (DA24-15)",
)
RAW = Problem.ce([9, 5, 2], 1, weights=[1, 2, 1], model="ce-relu").at(2)
SMOOTH = RAW.with_loss(smoothing="1/10")
TIE = Problem.ce([6, 3, 2], 1, model="ce-relu").with_loss(smoothing="1/2").at(1)

smoothed = Claim(
    id="NR26-13",
    title="ReLU features with weights and label smoothing",
    kind="equality",
    paper=PAPER,
    statement=(
        r"t_k = \lambda \sqrt{n_k (K-1)/K}/\omega_k,\ \omega_k = n_k w_k/N:\quad \mathrm{err}_k = \min\left(t_k +"
        r" \epsilon \tfrac{K-1}{K}, \tfrac{K-1}{K}\right),\quad M_k = \log((K-1)(1/\mathrm{err}_k - 1))",
        r"\text{features of class } k \text{ vanish} \iff (w_k (1 - \epsilon))^2 n_k \leq N^2 \lambda_W \lambda_H"
        r" \frac{K}{K-1}",
        r"f^* = \sum_k \left[\omega_k \left(\log(1 + (K-1) e^{-M_k}) + \epsilon \tfrac{K-1}{K} M_k\right)"
        r" + \lambda \sqrt{n_k (K-1)/K}\, M_k\right]",
    ),
    relations=(
        sp.Equivalent(dead, (w * (1 - eps)) ** 2 * n <= x**2 * K / (K - 1)),
        sp.Eq(err, ERROR, evaluate=False),
        sp.Eq(margin, MARGIN, evaluate=False),
        sp.Eq(F, total, evaluate=False),
    ),
    read=smooth_readings,
    hypotheses=(RELU, NO_BIAS, CE, ENOUGH),
    witness=SMOOTH,
    family=Family(
        sizes="any", bias=("none",), near=("zero",), model="loss", base="ce-relu", knobs=("weights", "smoothing")
    ),
    settings=(TIE, TIE.at("3/2"), SMOOTH.at(6), RAW),
    derivation=smooth_derivation,
    rests_on=frozenset({"DA24-01"}),
    required="proved",
    source="ours; extends the published one-hot case",
    mutants=(
        Mutant(
            "sqrt(w) in the rule",
            (sp.Equivalent(dead, w * (1 - eps) ** 2 * n <= x**2 * K / (K - 1)),),
            problem=RAW.at(9),
        ),
        Mutant("err = t (1 - eps)", (sp.Eq(err, sp.Min(OWN * (1 - eps), CAP), evaluate=False),), problem=SMOOTH),
        Mutant(
            "1 - eps not squared",
            (sp.Equivalent(dead, w**2 * (1 - eps) * n <= x**2 * K / (K - 1)),),
            problem=TIE.at("6/5"),
        ),
        Mutant(
            "sum of weights enters",
            (sp.Equivalent(dead, (w * (1 - eps)) ** 2 * n <= x**2 * (K + w) / (K - 1)),),
            problem=TIE.at("11/10"),
        ),
    ),
    note="Log-prior shifts and Delta treat the wrong classes differently: no closed form.",
)

# --- other symmetric losses --------------------------------------------------------------------------------------

slope0 = sp.Symbol("phi_0", positive=True)
own_margin = sp.Symbol("mg", nonnegative=True)
"""-phi'(0); the margin subtracted from the own logit."""
residual, hinge_alive, hinge_dead = sp.symbols("y_p M_hinge M_zero", real=True)
"""y_own - p_own = -phi'(M) of an alive class; margins of alive and dead classes with the hinge."""
f_hinge = sp.Symbol("f_hinge", positive=True)
PRICE = lam * sp.sqrt(n * CAP)
"""kappa_k, the price of a unit of margin."""


def initial_slope(problem: Problem) -> sp.Expr | None:
    """-phi'(0) of a loss.

    Examples
    --------
    >>> initial_slope(Problem.ce([2, 1, 1], 1, model="ce-relu").with_loss("hinge"))
    1
    """
    loss, wrong = losses.find(problem.loss), sp.Integer(problem.K - 1)
    if loss.potential == "max":
        return sp.Integer(1)
    if loss.potential == "sparsemax" and not problem.smoothing:
        return wrong / problem.K
    if loss.potential != "logsumexp" or loss.decay:
        return None
    odds = wrong * sp.exp(own_margin) if loss.own else wrong
    return odds / (1 + odds) - rational(problem.smoothing) * wrong / problem.K


def general_readings(optimum: Optimum) -> Iterator[Reading]:
    """The readings of classes, beside the slope at 0 and what an alive or dead class shows.

    Examples
    --------
    >>> [reading[slope0] for reading in general_readings(Optimum(HINGE, "exact"))]
    [1, 1, 1]
    """
    problem = optimum.problem
    first, P = initial_slope(problem), predictions(optimum)
    if first is None:
        return
    hinge = problem.loss == "hinge"
    for cluster, reading in zip(problem.clusters, class_readings(optimum), strict=True):
        k = cluster.members[0]
        found = {**reading, slope0: first, own_margin: -rational(losses.find(problem.loss).own)}
        if hinge:
            found[f_hinge] = class_sum(problem, sp.Min(SHARE, PRICE))
            if margin in reading and reading[dead] is not None:
                found[hinge_dead if reading[dead] else hinge_alive] = reading[margin]
        elif P is not None and reading[dead] is False:
            found[residual] = _gap(problem, P, k)
        yield found


def _gap(problem: Problem, P: Any, k: int) -> Any:
    y = problem.target_columns[k][k]
    return (0 * P[k, k] + y.numerator) / y.denominator - P[k, k]


def general_derivation() -> Derivation:
    """s1, s2 by convexity and symmetry; s3 to s5 as for cross-entropy; s6 by the slope of phi."""
    m, price, e = sp.symbols("m kappa d", positive=True)
    own, shift = sp.symbols("p_k mg", positive=True)
    phi = sp.log(1 + c * sp.exp(shift - m))
    return Derivation(
        steps=(
            *identity_steps(),
            Lemma(
                "s1, s2 >= 0: the mean of the loss over permutations of the wrong classes and over the samples of a "
                "class "
                "is at least phi at the mean margin; s3 >= 0 as the loss ignores a shift",
                "Jensen's inequality",
            ),
            *cone_steps(),
            Lemma(
                "s6: omega phi(m) + kappa max(m, 0) is convex and phi decreasing at 0, so its minimum is at 0 iff "
                "kappa >= -omega phi'(0), else where omega phi'(M) = -kappa",
                "one convex function of one variable",
            ),
            Identity(
                "kappa = lam sqrt(n (K-1)/K); -omega phi'(0) <= kappa, times N/sqrt(n)",
                w * n / N * N / sp.sqrt(n),
                w * sp.sqrt(n),
            ),
            *point_steps()[:6],
            Identity(
                "along M (e_k - 1/K) the slope of Om(u) - <y, u> is <p - y, e_k - 1/K> = p_k - y_k, as both sum to 1",
                own * (1 - 1 / K) - (1 - own) / K,
                own - 1 / K,
            ),
            Identity(
                "margin mg on the own logit: phi'(0)",
                sp.diff(phi, m).subs(m, 0),
                -c * sp.exp(shift) / (1 + c * sp.exp(shift)),
            ),
            Identity("cross-entropy: phi'(0) = -(K-1)/K", sp.diff(phi, m).subs(m, 0).subs(shift, 0), -c / (c + 1)),
            Identity(
                "hinge: on 0 < m < 1 the slope is kappa - omega, constant",
                sp.diff(omega * (1 - m) + price * m, m),
                price - omega,
            ),
            Positive("beyond 1 it is kappa > 0: so M = 1 for omega > kappa, value kappa", sp.diff(price * m, m)),
            Positive("omega = kappa - d < kappa: the slope is positive, M = 0, value omega", price - (price - e)),
        )
    )


SYMMETRIC = Hypothesis(
    "a convex loss that ignores a shift and treats the wrong classes alike; r = s = 1",
    lambda p: (
        losses.find(p.loss).convex
        and losses.find(p.loss).shift_invariant
        and _plain(p)
        and all(run.feature_decay == run.row_decay == 1 for run in p.runs)
    ),
    dropped="no other loss has one function phi; NR26-15 says which price g changes",
)
HINGE = Problem.ce([9, 5, 2], 1, model="ce-relu").with_loss("hinge").at(4)
MARGIN_ONE = Problem.ce([9, 5, 2], 1, model="ce-relu").with_loss("margin:1").at(2)
SPARSE = Problem.ce([9, 5, 2], 1, model="ce-relu").with_loss("sparsemax").at(2)
PLAIN = Problem.ce([9, 5, 2], 1, model="ce-relu").at(2)

general = Claim(
    id="NR26-14",
    title="ReLU features with symmetric losses; the hinge is all or nothing",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{features of class } k \text{ vanish} \iff \sqrt{n_k} w_k |\phi'(0)| \leq \lambda N \sqrt{(K-1)/K}",
        r"\text{else } W \bar h_k = M_k (e_k - 1/K) \text{ with } \omega_k \phi'(M_k) = -\lambda \sqrt{n_k (K-1)/K}",
        r"\text{multiclass hinge: } M_k \in \{0, 1\},\quad f^* = \sum_k \min(\omega_k, \lambda \sqrt{n_k (K-1)/K})",
    ),
    relations=(
        sp.Equivalent(dead, sp.sqrt(n) * w * slope0 <= x * sp.sqrt(CAP)),
        sp.Eq(w * sp.sqrt(n) * residual, x * sp.sqrt(CAP), evaluate=False),
        sp.Eq(hinge_alive, 1, evaluate=False),
        sp.Eq(hinge_dead, 0, evaluate=False),
        sp.Eq(F, f_hinge, evaluate=False),
    ),
    read=general_readings,
    hypotheses=(RELU, NO_BIAS, SYMMETRIC, ENOUGH),
    witness=HINGE,
    family=Family(
        sizes="any",
        bias=("none",),
        near=("zero",),
        model="loss",
        base="ce-relu",
        losses=("ce", "hinge", "sparsemax"),
        knobs=("weights",),
    ),
    settings=(MARGIN_ONE, SPARSE, PLAIN, RAW, HINGE.at("15/2")),
    derivation=general_derivation,
    rests_on=frozenset({"DA24-01"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("hinge margins between 0 and 1", (sp.Eq(hinge_alive, 1 - lam, evaluate=False),), problem=HINGE),
        Mutant(
            "phi'(0) = -1 for every loss",
            (sp.Equivalent(dead, sp.sqrt(n) * w <= x * sp.sqrt(CAP)),),
            problem=PLAIN.at(5),
        ),
        Mutant("n instead of sqrt(n)", (sp.Equivalent(dead, n * w * slope0 <= x * sp.sqrt(CAP)),), problem=PLAIN.at(5)),
        Mutant("the hinge pays the weights only", (sp.Eq(F, sp.Min(f_hinge, lam), evaluate=False),), problem=HINGE),
    ),
    note="At the tie omega_k = lam sqrt(n_k (K-1)/K) every hinge margin between 0 and 1 is optimal.",
)

# --- the convex form ---------------------------------------------------------------------------------------------

lasso, lasso_linear, lasso_rows = sp.symbols("f_lasso f_g f_rows", real=True)
"""Loss plus lam times sum of sqrt(g_k) |z_k|; with g_k; with the norms of the rows of Z G^(1/2)."""
dual_norm, dual_alive = sp.symbols("theta theta_alive", nonnegative=True)
"""|m_k (y_k - p_k)|/(lam sqrt(g_k)), of any class and of an alive one."""


def lasso_readings(optimum: Optimum) -> Iterator[Reading]:
    """The value beside the objective of the column-norm program at the logits, and its dual norms class by class.

    Examples
    --------
    >>> list(lasso_readings(Optimum(SMOOTH, "convex")))
    []
    """
    problem, Z, P = optimum.problem, optimum.logits, predictions(optimum)
    values = loss_values(optimum)
    if Z is None or values is None or P is None or optimum.lower is None or optimum.upper is None:
        return
    one = 0 * Z[0, 0] + 1
    masses = [_ball(n_k * w_k / problem.N, one) for n_k, w_k in zip(problem.sizes, problem.weights, strict=True)]
    decays = [_ball(n_k * r_k, one) for n_k, r_k in zip(problem.sizes, problem.feature_decays, strict=True)]
    level = np.sqrt(_ball(problem.lam2, one))
    loss = sum(m_k * value for m_k, value in zip(masses, values, strict=True))
    lengths = [norm(Z[:, k]) for k in range(problem.K)]
    roots = [np.sqrt(g_k) for g_k in decays]
    common = {
        F: optimum.lower.union(optimum.upper),
        lasso: loss + level * sum(g_k * length for g_k, length in zip(roots, lengths, strict=True)),
        lasso_linear: loss + level * sum(g_k * length for g_k, length in zip(decays, lengths, strict=True)),
        lasso_rows: loss + level * sum(norm(Z[j, :] * np.array(roots)) for j in range(problem.K)),
    }
    delta = slopes(problem, one)
    for cluster, state, _ in states(optimum):
        k = cluster.members[0]
        y = np.array([_ball(entry, one) for entry in problem.target_columns[k]])
        found = norm(delta * (y - P[:, k])) * masses[k] / (level * roots[k])
        yield {**common, dual_norm: found, **({dual_alive: found} if state == "alive" else {})}


def _ball(value: Any, one: Any) -> Any:
    return one * value.numerator / value.denominator


def lasso_derivation() -> Derivation:
    """Both programs separate over classes and reduce to the same convex function of one margin."""
    m, g = sp.symbols("M g_k", positive=True)
    return Derivation(
        steps=(
            *general_derivation().steps,
            Lemma(
                "sum_k m_k loss_k(z_k) + lam sqrt(g_k) |z_k| separates over classes; averaging z_k over the wrong "
                "classes and centring it raise neither term: z_k = M (e_k - 1/K)",
                "Jensen's inequality",
            ),
            Identity("|M (e_k - 1/K)|^2", m**2 * ((1 - 1 / K) ** 2 + (K - 1) / K**2), m**2 * (K - 1) / K),
            Identity(
                "so the penalty is kappa M, kappa = lam sqrt(g_k (K-1)/K): the price of NR26-14 with n_k r_k = g_k",
                lam * sp.sqrt(g) * m * sp.sqrt((K - 1) / K),
                lam * sp.sqrt(g * (K - 1) / K) * m,
            ),
            Lemma("M < 0 is never better: phi decreases up to 0 and the penalty is positive", "convexity of phi"),
        )
    )


DECAYED = SMOOTH.with_loss(smoothing="1/10", feature_decay=[1, 2, "1/2"])
SYMMETRIC_G = Hypothesis(
    "a convex loss that ignores a shift and treats the wrong classes alike; s = 1",
    lambda p: (
        losses.find(p.loss).convex
        and losses.find(p.loss).shift_invariant
        and _plain(p)
        and all(run.row_decay == 1 for run in p.runs)
    ),
    dropped="with log-prior shifts the value of the ReLU model is certified only where no two columns of the "
    "dual matrix "
    "have a positive product, and there the equality holds as well; elsewhere no bound is known",
)

group_lasso = Claim(
    id="NR26-15",
    title="ReLU features are a column-norm group lasso",
    kind="equality",
    paper=PAPER,
    statement=(
        r"f_{\mathrm{relu}} = \min_Z \sum_k m_k \ell_k(z_k) + \lambda \sum_k \sqrt{g_k}\, \|z_k\|_2,\quad g_k "
        r"= n_k r_k",
    ),
    relations=(
        sp.Eq(F, lasso, evaluate=False),
        sp.Le(dual_norm, 1, evaluate=False),
        sp.Eq(dual_alive, 1, evaluate=False),
    ),
    read=lasso_readings,
    hypotheses=(RELU, NO_BIAS, SYMMETRIC_G, ENOUGH),
    witness=SMOOTH,
    family=Family(
        sizes="any",
        bias=("none",),
        near=("zero",),
        model="loss",
        base="ce-relu",
        knobs=("weights", "smoothing", "feature_decay"),
    ),
    settings=(DECAYED, RAW, SMOOTH.at(6), PLAIN),
    derivation=lasso_derivation,
    rests_on=frozenset({"NR26-14"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("norms of rows", (sp.Eq(F, lasso_rows, evaluate=False),), problem=SMOOTH),
        Mutant("g instead of sqrt(g)", (sp.Eq(F, lasso_linear, evaluate=False),), problem=SMOOTH),
    ),
    note="A convex program for the ReLU model: the nuclear norm of Z G^(1/2) becomes the sum of its column norms.",
)
