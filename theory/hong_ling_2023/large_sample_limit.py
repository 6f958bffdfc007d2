"""Large samples: mean predictions tend to an equiangular frame, at the rate 1/log(sqrt(n)/(lam N)) only.

Sizes nA = al n and nB = be n grow at fixed lam N. Everything is expressed in L = log(sqrt(n)/(lam N)), where n is
the mean size N/K; another reference size c n shifts L by log(c)/2 and leaves the statements as they are. Without
a bias only n/(lam N)^2 enters, so that lam -> 0 at fixed sizes is the same limit. HL23-15 gives the constants of
the mean predictions without a bias or with a penalised one, HL23-17 the different limit under a free bias.

At scale L probabilities are of size e^-L: computing with L/log(10) digits more than wanted represents them beside
1. A bound on the value has to be tight to twice the digits wanted of the logits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory.claim import Asymptotic, Claim, Family, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.hong_ling_2023.minority_collapse import PAIR, PAPER, WIDE
from theory.hong_ling_2023.two_clusters import (
    FREE_BIAS,
    SPECTRAL,
    TWO_SIZES,
    UNWEIGHTED,
    block_square,
    block_steps,
    gradient_steps,
    margin_steps,
    own_probability,
    sibling_probability,
)
from theory.observables import cluster_readings, rational, two_cluster_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, a, b, dead, delta, k, kA, kB, lam, mu, n, nA, nB, rA, rB, tA, tB, x

L = sp.Symbol("L", positive=True)
"""log(sqrt(n)/(lam N)) with n = N/K."""
al, be = sp.symbols("alpha_A beta_B", positive=True)
"""Sizes over the mean size: nA = al n, nB = be n."""

r0 = 1 / sp.sqrt(K * (al * kB + be * kA))
cqA = (1 / sp.sqrt(al) - kB * r0) / kA
cqB = (1 / sp.sqrt(be) - kA * r0) / kB
"""Leading constants: cross probabilities r0 e^-L, sibling probabilities cqA e^-L and cqB e^-L."""


def grow(problem: Problem, scale: int) -> Problem:
    """Multiply every size by one integer such that log(sqrt(N/K)/(lam N)) becomes ``scale``, at the same lam N.

    Parameters
    ----------
    problem : any problem; bias, loss weights and dimension are kept.
    scale : the L wanted; met to 50 digits or to the rounding of that integer.

    Examples
    --------
    >>> big = grow(Problem.ce([(9, 2), (4, 3)], "0.03"), 20)
    >>> big.x2, len(str(big.N)), big.clusters[0].size / big.clusters[1].size
    (Fraction(81, 100), 18, Fraction(9, 4))
    """
    now = rational(problem.N) / (problem.K * rational(problem.x2))
    factor = int((sp.exp(2 * scale) / now).evalf(60))
    runs = tuple(replace(run, size=run.size * factor) for run in problem.runs)
    return replace(problem, runs=runs).at(problem.x2)


def scaled_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """The two-cluster reading with L, n, al and be, all exact."""
    for reading in two_cluster_readings(optimum):
        mean = reading[N] / reading[K]
        log_ratio = sp.log(mean / reading[x] ** 2) / 2
        yield {**reading, n: mean, al: reading[nA] / mean, be: reading[nB] / mean, L: log_ratio}


STEP = Problem.ce([(9, 2), (4, 3)], "0.03")
WIDER = Problem.ce([(60, 3), (10, 4)], "0.01")
SINGLE = Problem.ce([(7, 1), (2, 3)], "0.1")
PENALISED = Problem.ce([(500, 5), (250, 5)], "1/37500", bias="0.02")
UNEVEN = Problem.ce([(500, 2), (250, 3)], "1/37500", bias="0.02")
FREE = Problem.ce([(60, 3), (10, 4)], "0.01", bias="free")

REACH = Hypothesis(
    text="nA <= 10^4 nB",
    holds=lambda problem: problem.clusters[0].size <= 10**4 * problem.clusters[-1].size,
    dropped="only the check needs it: the error of extrapolating from L <= 800 grows like log(nA/nB)^3",
)
PLAIN_FREE = replace(UNWEIGHTED, dropped="fixed loss weights change the O(1) terms, not the limit of Z/L")
BOUND_BIAS = Hypothesis(
    text="no bias, or a fixed penalty on it", holds=lambda problem: problem.bias != "free", dropped=FREE
)


def optimality_steps() -> tuple[Step, ...]:
    """Optimality of a two-cluster point with a, b, tA, tB > 0 as a system in the probabilities."""
    classes, c = kA + kB, sp.Symbol("c", positive=True)
    return (
        *block_steps(),
        *gradient_steps(),
        *margin_steps(),
        Identity(
            "(rA, rB) = c (kA tA, kB tB), c > 0, has c = x/(K s1) iff K (nA kB rA^2 + nB kA rB^2) = x^2",
            block_square(c * kA * tA, c * kB * tB).subs(K, classes),
            (c * classes * SPECTRAL.subs(K, classes)) ** 2,
        ),
    )


u, v, s, tauA, tauB = sp.symbols("u v s tau_A tau_B", positive=True)
"""rA = u e^-L, rB = v e^-L, s = 1/L; tA = L/kA + tauA, tB = L/kB + tauB."""


def scaled_steps() -> tuple[Step, ...]:
    """The probabilities at scale L: x = sqrt(n) e^-L, rA = u e^-L, and what the logits become."""
    small = sp.exp(-L)
    QA = sp.Symbol("Q_A", positive=True)
    p = sp.Symbol("p", positive=True)
    return (
        Identity(
            "qA = QA e^-L with QA = (al^(-1/2) - kB u)/kA",
            sibling_probability(kA, kB, small / sp.sqrt(al), u * small),
            (1 / sp.sqrt(al) - kB * u) / kA * small,
        ),
        Identity(
            "pA = 1 - O(e^-L)",
            own_probability(kA, kB, small / sp.sqrt(al), u * small),
            1 - small * ((kA - 1) / sp.sqrt(al) + kB * u) / kA,
        ),
        Identity(
            "with qA = QA e^-L: tA + delta = L/kA + ((kA - 1)/kA) log QA - log u + log(pA)/kA",
            (sp.log(p) + (kA - 1) * sp.log(QA * small)) / kA - sp.log(u * small),
            L / kA + (kA - 1) / kA * sp.log(QA) - sp.log(u) + sp.log(p) / kA,
        ),
        Identity("and a = L - log QA + log pA", sp.log(p) - sp.log(QA * small), L - sp.log(QA) + sp.log(p)),
    )


def mean_derivation() -> Derivation:
    """The optimality system in (u, v, 1/L, e^-L) is analytic and regular at (r0, r0, 0, 0)."""
    classes = kA + kB
    base = r0.subs(K, classes)
    norm = classes * (al * kB * u**2 + be * kA * v**2)
    direction = u - v + s * (kB * u * tauB - kA * v * tauA)
    corner = {u: base, v: base, s: 0}
    mean_be = (classes - al * kA) / kB
    scaled = {nA: al * n, nB: be * n, rA: u * sp.exp(-L), rB: v * sp.exp(-L)}
    jacobian = sp.Matrix([norm, direction]).jacobian([u, v]).subs(corner)
    return Derivation(
        steps=(
            *optimality_steps(),
            *scaled_steps(),
            Identity(
                "penalised: delta = K (nA rA - nB rB)/(2 mu N) is e^-L times a function of u and v",
                (classes * (nA * rA - nB * rB) / (2 * mu * (kA * nA + kB * nB))).subs(scaled),
                sp.exp(-L) * classes * (al * u - be * v) / (2 * mu * (al * kA + be * kB)),
            ),
            Identity(
                "at u = v = r0, with sqrt(n) e^-L = x and N = K n: delta sqrt(n) -> x r0 (al - be)/(2 mu)",
                (classes * (al * u - be * v) / (2 * mu * (al * kA + be * kB)))
                .subs({u: base, v: base})
                .subs(be, mean_be),
                (base * (al - be) / (2 * mu)).subs(be, mean_be),
            ),
            Identity(
                "norm equation, scaled",
                classes * (al * n * kB * (u * sp.exp(-L)) ** 2 + be * n * kA * (v * sp.exp(-L)) ** 2),
                norm * (sp.sqrt(n) * sp.exp(-L)) ** 2,
            ),
            Identity(
                "direction equation kB rA tB = kA rB tA over L e^-L",
                (kB * u * (L / kB + tauB) - kA * v * (L / kA + tauA)) / L,
                direction.subs(s, 1 / L),
            ),
            Identity("at L = infinity u = v = r0 solves the norm equation", norm.subs(corner), sp.Integer(1)),
            Identity("and the direction equation", direction.subs(corner), sp.Integer(0)),
            Positive("and regularly", -jacobian.det()),
            Positive("there qA > 0: r0^-2 > al kB^2", classes * (al * kB + be * kA) - al * kB**2),
            Positive("there qB > 0: r0^-2 > be kA^2", classes * (al * kB + be * kA) - be * kA**2),
            Lemma(
                "tauA, tauB are analytic in (u, v, e^-L): u, v = r0 + O(1/L), where a, b, tA, tB > 0",
                "analytic implicit function theorem",
            ),
            *_frame_steps(sp.Integer(1) / kA, sp.Integer(1) / kB, 1 / classes, 1 / classes),
        ),
    )


def _frame_steps(between_A: sp.Expr, between_B: sp.Expr, from_A: sp.Expr, from_B: sp.Expr) -> tuple[Step, ...]:
    """Z/L from a/L = b/L = 1 and tA/L, tB/L: column k is e_k minus ``from_A`` on A and ``from_B`` on B."""
    classes = kA + kB
    return (
        Identity("own logit in A", between_A * kB / classes + (kA - 1) / kA, 1 - from_A),
        Identity("sibling logits in A", between_A * kB / classes - 1 / kA, -from_A),
        Identity("B logits of an A sample", -between_A * kA / classes, -from_B),
        Identity("own logit in B", between_B * kA / classes + (kB - 1) / kB, 1 - from_B),
        Identity("sibling logits in B", between_B * kA / classes - 1 / kB, -from_B),
        Identity("A logits of a B sample", -between_B * kB / classes, -from_A),
    )


def _mean_relations(
    log_ratio: sp.Expr = L, cross: sp.Expr = r0, sign: int = -1, order: int = 1
) -> tuple[Asymptotic, ...]:
    sibling_A = (sp.sqrt(al) ** sign - kB * cross) / kA
    sibling_B = (sp.sqrt(be) ** sign - kA * cross) / kB
    predictions = (
        (a, log_ratio - sp.log(sibling_A)),
        (b, log_ratio - sp.log(sibling_B)),
        (tA, log_ratio / kA + (kA - 1) / kA * sp.log(sibling_A) - sp.log(cross)),
        (tB, log_ratio / kB + (kB - 1) / kB * sp.log(sibling_B) - sp.log(cross)),
    )
    return tuple(Asymptotic(observed, predicted, order) for observed, predicted in predictions)


def _bias_gap(cross: sp.Expr) -> Asymptotic:
    """Bias gap times sqrt(n), over its limit under a penalised bias, with cross probabilities ``cross`` e^-L."""
    return Asymptotic(2 * mu * delta * sp.sqrt(n) / (x * cross * (al - be)), sp.Integer(1))


mean_predictions = Claim(
    id="HL23-15",
    title="Large-sample limit of the mean predictions",
    kind="limit",
    paper=PAPER,
    statement=(
        r"L = \log\frac{\sqrt{n}}{\lambda N},\quad n_A = \alpha n,\ n_B = \beta n,\quad "
        r"r_0 = (K(\alpha k_B + \beta k_A))^{-1/2}",
        r"c_A = (\alpha^{-1/2} - k_B r_0)/k_A,\quad c_B = (\beta^{-1/2} - k_A r_0)/k_B",
        r"a = L - \log c_A + O(1/L),\quad b = L - \log c_B + O(1/L)",
        r"t_A = \frac{L}{k_A} + \frac{k_A - 1}{k_A}\log c_A - \log r_0 + O(1/L)",
        r"t_B = \frac{L}{k_B} + \frac{k_B - 1}{k_B}\log c_B - \log r_0 + O(1/L)",
        r"\delta \sqrt{n} \to \frac{\lambda N r_0 (\alpha - \beta)}{2 \mu} \text{ (penalised; } n = N/K),\quad"
        r" Z = L\,(I - J/K) + O(1)",
    ),
    relations=(*_mean_relations(), Asymptotic(delta, sp.Integer(0)), _bias_gap(r0)),
    read=scaled_readings,
    along=grow,
    hypotheses=(TWO_SIZES, UNWEIGHTED, BOUND_BIAS, REACH, WIDE),
    witness=WIDER,
    settings=(SINGLE, PENALISED, UNEVEN),
    family=Family(sizes="two", bias=("none", "penalised"), near=()),
    derivation=mean_derivation,
    rests_on=frozenset({"HL23-07"}),
    required="agrees",
    mutants=(
        Mutant("L = log(n/x)", _mean_relations(log_ratio=L + sp.log(n) / 2), problem=WIDER),
        Mutant("r0 = 1/G", _mean_relations(cross=r0**2), problem=WIDER),
        Mutant("rate 1/sqrt(n), hence faster than 1/L^2", _mean_relations(order=2), problem=WIDER),
        Mutant("limit constant al^(1/2)", _mean_relations(sign=1), problem=STEP),
        Mutant("r0 = 1/G in the bias gap", (_bias_gap(r0**2),), problem=PENALISED),
    ),
    note="The rate 1/L is logarithmic in the sample size: a thousand times more data adds 3.5 to L.",
)


def _centred_columns(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """Scaled reading with the six different logits of Z and the bias of both clusters."""
    A, B = (cluster.members for cluster in optimum.problem.clusters)
    for reading in scaled_readings(optimum):
        if optimum.logits is None or optimum.bias is None:
            continue
        Z, i, j = optimum.logits, A[0], B[0]
        columns = {ownA: Z[i, i], downA: Z[j, i], ownB: Z[j, j], downB: Z[i, j], biasA: optimum.bias[i]}
        columns[biasB] = optimum.bias[j]
        if len(A) > 1:
            columns[sibA] = Z[A[1], i]
        if len(B) > 1:
            columns[sibB] = Z[B[1], j]
        yield {**reading, **columns}


ownA, sibA, downA, ownB, sibB, downB = sp.symbols("z_AA z'_AA z_BA z_BB z'_BB z_AB", real=True)
biasA, biasB = sp.symbols("b_A b_B", real=True)
"""Logits of an A sample for itself, a sibling and a B class, of a B sample likewise; biases."""


def _frame(from_A: sp.Expr, from_B: sp.Expr, down_A: sp.Expr, down_B: sp.Expr) -> tuple[Asymptotic, ...]:
    """Z/L with siblings -from_A and -from_B, and -down_A, -down_B for the other cluster's logits."""
    logits = (
        (ownA, 1 - from_A),
        (sibA, -from_A),
        (downA, -down_A),
        (ownB, 1 - from_B),
        (sibB, -from_B),
        (downB, -down_B),
    )
    return tuple(Asymptotic(logit / L, limit) for logit, limit in logits)


def free_derivation() -> Derivation:
    """With a free bias u and v are explicit and tA, tB are affine in L up to O(e^-L)."""
    classes, total = kA + kB, kA * nA + kB * nB
    free_A = x * sp.sqrt(nB / (total * classes * nA))
    free_B = x * sp.sqrt(nA / (total * classes * nB))
    S = sp.Symbol("S", positive=True)
    between_A, between_B = S * nB * kB / total, S * nA * kA / total
    slope = {S: classes / (kA * kB)}
    limit_A, limit_B = between_A.subs(slope), between_B.subs(slope)
    return Derivation(
        steps=(
            *optimality_steps(),
            *scaled_steps(),
            Identity("slope in delta at mu = 0", nA * free_A, nB * free_B),
            Identity("norm equation", classes * (nA * kB * free_A**2 + nB * kA * free_B**2), x**2),
            Positive("qA > 0: (x/sqrt(nA))^2 > (kB rA)^2", x**2 / nA - (kB * free_A) ** 2),
            Positive("qB > 0: (x/sqrt(nB))^2 > (kA rB)^2", x**2 / nB - (kA * free_B) ** 2),
            Identity("split of S = tA + tB", between_A + between_B, S),
            Identity("direction equation kB rA tB = kA rB tA", kB * free_A * between_B, kA * free_B * between_A),
            Identity("S/L -> 1/kA + 1/kB", 1 / kA + 1 / kB, slope[S]),
            Identity("delta/L -> (nA - nB)/N", 1 / kA - limit_A, (nA - nB) / total),
            Identity("bA/L -> pi_A - 1/K", kB / classes * (nA - nB) / total, nA / total - 1 / classes),
            Identity("bB/L -> pi_B - 1/K", -kA / classes * (nA - nB) / total, nB / total - 1 / classes),
            *_frame_steps(limit_A, limit_B, nA / total, nB / total),
        ),
    )


free_bias = Claim(
    id="HL23-17",
    title="Free bias: a different large-sample limit",
    kind="limit",
    paper=PAPER,
    statement=(
        r"Z/L \to I - \pi 1^T,\quad \pi = n/N",
        r"(Z + b 1^T)/L \to I - J/K",
        r"b_k/L \to \pi_k - 1/K",
    ),
    relations=(
        *_frame(nA / N, nB / N, nB / N, nA / N),
        Asymptotic(biasA / L, nA / N - 1 / K),
        Asymptotic(biasB / L, nB / N - 1 / K),
    ),
    read=_centred_columns,
    along=grow,
    hypotheses=(TWO_SIZES, PLAIN_FREE, FREE_BIAS, WIDE),
    witness=FREE,
    settings=(replace(SINGLE, bias="free"),),
    family=Family(sizes="two", bias=("free",), near=()),
    derivation=free_derivation,
    rests_on=frozenset({"HL23-12"}),
    required="agrees",
    mutants=(
        Mutant("Z tends to the ETF also with a free bias", _frame(1 / K, 1 / K, 1 / K, 1 / K), problem=FREE),
        Mutant("limit I - 1 pi^T", _frame(nA / N, nB / N, nA / N, nB / N), problem=FREE),
    ),
)


removes_imbalance = Claim(
    id="HL23-R1",
    title="Growing data always removes the imbalance effect",
    kind="threshold",
    paper=PAPER,
    status="refuted",
    statement=(
        r"\text{at fixed } \lambda \text{ the contrast of a cluster of } k \text{ classes of size } n "
        r"\text{ is alive for every } \sqrt{n} > 1/(2 \lambda k): \text{ growing data always cures}",
        r"\text{correct: it is alive on a bounded window of } \sqrt{n} \text{ only, and dead for large } n",
    ),
    relations=(sp.Equivalent(dead, sp.And(x >= sp.sqrt(n), sp.sqrt(n) <= 1 / (2 * lam * k))),),
    read=cluster_readings,
    hypotheses=(PAIR, UNWEIGHTED, WIDE),
    witness=Problem.ce([(400, 3), (16, 2)], "1/100"),
    family=Family(sizes="two", near=("merge",)),
    required="refuted",
    source="what is left of HL23-11 if only the start of its window is kept",
    note=(
        "True for mean predictions only, when lam N = o(sqrt(n)) and the bias is absent or penalised (HL23-15). "
        "At fixed lam the window of HL23-11 closes again: x = lam N outgrows sqrt(n) and every cluster merges. Even at "
        "fixed lam N the classifier and the features keep angles that depend on the ratio of the sizes (HL23-18), and "
        "with a free bias the mean predictions do too (HL23-17); those two readings of the statement are mutants there."
    ),
)
