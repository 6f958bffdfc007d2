"""When a class collapses to zero features: class-wise threshold, dead classes, total collapse, and a bias.

The threshold of a class depends on its own size only, n_k <= n_crit = (lam N)^2 K/(K-1), equality included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2024_relu.settings import (
    ALL_ALIVE,
    ALL_DEAD,
    BALANCED,
    BASIC,
    CIFAR,
    DIMENSION,
    NARROW,
    ONE_DEAD,
    PAPER,
    STEP,
    TIE,
    TWO_DEAD,
    UNWEIGHTED,
    WEIGHTED,
    alive_classes,
)
from theory.dang_2024_relu.slacks import E, c, equality_steps, point_steps, slack_steps
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import (
    S,
    alive_margin,
    best,
    class_sum,
    hh,
    hh2,
    hw2,
    lH,
    lW,
    n2,
    p_wrong,
    pair_readings,
    relu_margin,
    relu_parameters,
    value_bounds,
    ww,
    ww2,
    ww12,
)
from theory.symbols import F, K, N, dead, dead_exact, kA, kB, lam, n, x

CRITICAL = x**2 * K / (K - 1)
"""n_crit, in samples."""
largest, smallest, count = sp.symbols("n_max n_min r", positive=True)
"""Largest and smallest size, number of alive classes."""
R = sp.Symbol("R", positive=True)
"""Majority size over minority size."""


def class_readings(optimum: Optimum) -> Iterator[Reading]:
    """State and size per cluster; the minority of two clusters in terms of R = nA/nB as well.

    Examples
    --------
    >>> [(reading[n], reading.get(R)) for reading in class_readings(Optimum(STEP, "exact"))]
    [(8, None), (2, 4)]
    """
    problem = optimum.problem
    seen = set()
    for reading in pair_readings(optimum):
        if reading[n] in seen:
            continue
        seen.add(reading[n])
        found = {**reading, largest: rational(problem.clusters[0].size)}
        if len(problem.clusters) == 2 and len(seen) == 2:
            A, B = problem.clusters
            found |= {kA: sp.Integer(A.classes), kB: sp.Integer(B.classes), R: rational(A.size / B.size)}
        yield found


def threshold_derivation() -> Derivation:
    """The dead condition t >= (K-1)/K of s6 in terms of the size."""
    ratio, excess = sp.symbols("R d", positive=True)
    crit = N**2 * lW * lH * (c + 1) / c
    own = N * sp.sqrt(lW * lH * c / ((c + 1) * n))
    step = (kA * ratio + kB) * n
    return Derivation(
        steps=(
            *slack_steps(),
            *point_steps(),
            *equality_steps(),
            Identity("t = (K-1)/K at n = n_crit", own.subs(n, crit), c / (c + 1)),
            Positive("below n_crit t exceeds (K-1)/K: t^2", (own**2).subs(n, crit / (1 + excess)) - (c / (c + 1)) ** 2),
            Positive("above n_crit it does not", (c / (c + 1)) ** 2 - (own**2).subs(n, crit * (1 + excess))),
            Identity("in proportions: n_crit/N = N lambda_W lambda_H K/(K-1)", crit / N, N * lW * lH * (c + 1) / c),
            Identity(
                "two sizes R n and n: N = (kA R + kB) n turns n_crit/n into a square",
                (crit / n).subs(N, step),
                ((kA * ratio + kB) / sp.sqrt(c / ((c + 1) * n * lW * lH))) ** 2,
            ),
        )
    )


threshold = Claim(
    id="DA24-07",
    title="Sharp threshold of a class",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\bar h_k = 0 \iff n_k \leq n_{\mathrm{crit}} = N^2 \lambda_W \lambda_H \frac{K}{K-1}",
        r"k_A \text{ classes of } R n,\ k_B \text{ of } n:\ \text{the minority collapses} \iff"
        r" k_A R + k_B \geq \sqrt{\frac{K-1}{K n \lambda_W \lambda_H}}",
    ),
    relations=(
        sp.Equivalent(dead, n <= CRITICAL),
        sp.Equivalent(dead, kA * R + kB >= sp.sqrt((K - 1) / (K * n * lW * lH))),
    ),
    read=class_readings,
    hypotheses=(*BASIC, UNWEIGHTED, DIMENSION),
    witness=ONE_DEAD,
    family=Family(bias=("none",), near=("zero",), model="ce-relu"),
    settings=(ALL_ALIVE, ALL_DEAD, TIE, STEP, STEP.at("1.6"), STEP.at(2), CIFAR),
    derivation=threshold_derivation,
    rests_on=frozenset({"DA24-01"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, wrong),), problem=problem)
        for text, wrong, problem in (
            ("strict instead of non-strict", n < CRITICAL, TIE),
            ("(K-1)/K for K/(K-1)", n <= x**2 * (K - 1) / K, ONE_DEAD.at("1.2")),
            ("N instead of N^2", n <= N * lam**2 * K / (K - 1), ONE_DEAD),
            ("sqrt(n) for n", sp.sqrt(n) <= CRITICAL, Problem.ce([6, 3, 2], 1, model="ce-relu").at("1.1")),
            ("the largest size decides", largest <= CRITICAL, ONE_DEAD),
        )
    ),
    source="published result; constants re-derived",
    note="With the published CIFAR-10 counts and lambda_W, lambda_H = weight and feature decay of the runs n_crit is "
    "one sample: no collapse can be seen there. The training loss of the public code is not the model's with these "
    "constants: CE/2 and feature decay per batch make lambda_W = 2 wd, lambda_H = 2 fd B/N.",
)


def dead_readings(optimum: Optimum) -> Iterator[Reading]:
    """Pairs (k, l) where k is dead: l dead too gives two equal rows, l alive its margin; beside what is observed.

    Examples
    --------
    >>> len(list(dead_readings(Optimum(ONE_DEAD, "exact", contrasts=("alive", "alive", "alive", "dead")))))
    3
    """
    alive = {
        rational(c_.size)
        for c_, state in zip(optimum.problem.clusters, optimum.contrasts, strict=False)
        if state == "alive"
    }
    if not alive:
        return
    for reading in pair_readings(optimum):
        if reading[dead] is not True:
            continue
        reading = {**reading, count: sp.Integer(alive_classes(optimum.problem))}
        if ww12 in reading:
            found = {dead_row: reading[ww], dead_feature: reading[hh], dead_guess: reading[p_wrong]}
            if reading[n2] in alive:
                found |= {dead_logit: reading[hw2], length_l: reading[hh2]}
            else:
                found[row_gap] = reading[ww] + reading[ww2] - 2 * reading[ww12]
            reading |= found
        yield reading


dead_row, dead_feature, row_gap = sp.symbols("v_dead g_dead v_gap", nonnegative=True)
"""Squares: |w_k|^2 and |hbar_k|^2 of a dead class, |w_k - w_l|^2 of two dead classes."""
dead_guess, dead_logit, length_l = sp.symbols("p_dead z_dead g_alive", real=True)
"""Probability of a class at a dead feature; <w_dead, hbar_l> and |hbar_l|^2 of an alive class l."""
M_l = alive_margin().subs(n, n2).subs(sp.Symbol("w", positive=True), sp.Symbol("w_l", positive=True))
FEW = (K - 1) / K
M_few = relu_margin(x * sp.sqrt((count - 1) / count) / sp.sqrt(n2), count)


def dead_derivation() -> Derivation:
    """c_k = 0 in the classifier: rows of dead classes."""
    total = sp.Symbol("S", positive=True)
    gap = sp.Symbol("M_l", positive=True)
    return Derivation(
        steps=(
            *slack_steps(),
            *equality_steps(),
            Identity(
                "|w_k|^2 = c2_k (1 - 2/K) + S/K^2 with c_k = 0", 0 * total + total / (c + 1) ** 2, total / (c + 1) ** 2
            ),
            Positive("S > 0 where a class is alive: the row is not zero", total / (c + 1) ** 2),
            Identity(
                "two dead rows: |w_k|^2 + |w_l|^2 - 2 <w_k, w_l> with <w_k, w_l> = S/K^2 - (c2_k + c2_l)/K, c2 = 0",
                2 * total / (c + 1) ** 2 - 2 * (total / (c + 1) ** 2 - 0 / (c + 1)),
                sp.Integer(0),
            ),
            Identity("<w_k, hbar_l> = -c_l a_l/K = -M_l/K", -sp.sqrt(gap**2) / (c + 1), -gap / (c + 1)),
            Identity("zero feature: uniform softmax, loss log K", sp.log((c + 1) * E) - sp.log(E), sp.log(c + 1)),
            Identity(
                "margins of survivors contain K, N and their own size only",
                sp.diff(c * (sp.sqrt((c + 1) * n / (lW * lH * c)) / N - 1), sp.Symbol("r", positive=True)),
                sp.Integer(0),
            ),
        )
    )


dead_classes = Claim(
    id="DA24-08",
    title="What a dead class looks like",
    kind="structure",
    paper=PAPER,
    statement=(
        r"k \text{ dead}: \bar h_k = 0,\quad w_k = -\tfrac1K \sum_{m\ \mathrm{alive}} c_m u_m \neq 0 \text{ for all "
        r"dead } k,"
        r"\quad \|w_k\|^2 = S/K^2",
        r"\text{softmax uniform, loss } \log K;\ \text{margins of survivors as if nothing had died}",
    ),
    relations=(
        sp.Eq(dead_row, S / K**2, evaluate=False),
        sp.Eq(row_gap, 0, evaluate=False),
        sp.Eq(dead_feature, 0, evaluate=False),
        sp.Eq(dead_guess, 1 / K, evaluate=False),
        sp.Eq(dead_logit, -M_l / K, evaluate=False),
    ),
    read=dead_readings,
    hypotheses=(
        *BASIC,
        DIMENSION,
        Hypothesis(
            "a class is dead and a class is alive",
            lambda problem: 0 < alive_classes(problem) < problem.K,
            dropped="otherwise there is no dead class, or the rows vanish with S = 0 and the formulas hold as 0 = 0",
        ),
    ),
    witness=TWO_DEAD,
    family=Family(bias=("none",), near=("zero",), model="ce-relu"),
    settings=(ONE_DEAD, STEP.at("2.5"), TIE, WEIGHTED.at(5)),
    derivation=dead_derivation,
    rests_on=frozenset({"DA24-01", "DA24-05", "DA24-06", "DA24-07"}),
    required="proved",
    mutants=(
        Mutant("the row of a dead class is zero", relations=(sp.Eq(dead_row, 0, evaluate=False),), problem=TWO_DEAD),
        Mutant(
            "dead features equal and not zero, 1/100 long",
            relations=(sp.Le(sp.Rational(1, 10**4), dead_feature, evaluate=False),),
            problem=TWO_DEAD,
        ),
        Mutant(
            "survivors live in a problem of r classes",
            relations=(sp.Eq(dead_logit, -M_few / K, evaluate=False),),
            problem=TWO_DEAD,
        ),
    ),
)

f_zero = sp.Symbol("F_0", real=True)
"""The value where every class is dead."""
entropy = sp.Symbol("H_pi", real=True)
"""Entropy of the class frequencies: the value at W = H = 0 with the best free bias."""


def total_readings(optimum: Optimum) -> Iterator[Reading]:
    """State of the zero solution: dead when all classes are, alive when one is or a better point is known.

    Examples
    --------
    >>> (reading,) = total_readings(Optimum(BALANCED, "exact", contrasts=("alive",)))
    >>> reading[dead], reading[n], reading[largest]
    (False, 4, 4)
    """
    problem, states = optimum.problem, optimum.contrasts
    clusters = problem.clusters
    share = n / N
    reading: dict[sp.Symbol, Any] = {
        **relu_parameters(problem),
        largest: rational(clusters[0].size),
        smallest: rational(clusters[-1].size),
        entropy: class_sum(problem, -share * sp.log(share)),
        dead: _zero(optimum),
        dead_exact: None if not optimum.exact_contrasts else set(optimum.exact_contrasts) == {"dead"},
    }
    if len(clusters) == 1:
        reading[n] = rational(clusters[0].size)
    bounds = value_bounds(optimum)
    if states and set(states) == {"dead"} and F in bounds:
        reading[f_zero] = bounds[F]
    yield reading


def _zero(optimum: Optimum) -> bool | None:
    states = optimum.contrasts
    if states and set(states) == {"dead"}:
        return True
    upper = optimum.upper
    if "alive" in states or (upper is not None and upper < np.log(np.array([0 * upper + optimum.problem.K]))[0]):
        return False
    return None


def total_derivation() -> Derivation:
    """Zero is the minimiser iff every class is dead; one alive class needs one coordinate only."""
    return Derivation(
        steps=(
            *threshold_derivation().steps,
            Lemma("all classes are dead iff the largest is, as n <= n_crit for the largest size", "monotonicity in n"),
            Identity(
                "then f* = sum (n_k/N) log K = log K (K classes of N/K, or any sizes)",
                n / N * sp.log(K) * N / n,
                sp.log(K),
            ),
            Positive(
                "otherwise keeping the largest class alone is feasible in every d >= 1 and better than zero: "
                "F_K increases strictly up to (K-1)/K, log((K-1)(1-t)/t) = log E with E = 1 + d",
                sp.Symbol("d", positive=True),
            ),
            Identity(
                "balanced: n <= K^2 n^2 lambda_W lambda_H K/(K-1)",
                (K * n) ** 2 * lW * lH * K / (K - 1) / n * (K - 1),
                K**3 * n * lW * lH,
            ),
        )
    )


RESCUED = Problem.ce([6, 3, 2], 1, weights=[3, 1, 1], model="ce-relu").at(5)

total = Claim(
    id="DA24-09",
    title="Total collapse",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"W = 0,\ H = 0 \text{ is the only minimiser} \iff \max_k n_k \leq n_{\mathrm{crit}};\qquad f^* = \log K",
        r"\text{balanced}: \iff K^3 n \lambda_W \lambda_H \geq K - 1",
    ),
    relations=(
        sp.Equivalent(dead, largest <= CRITICAL),
        sp.Equivalent(dead, K**3 * n * lW * lH >= K - 1),
        sp.Eq(f_zero, sp.log(K), evaluate=False),
    ),
    read=total_readings,
    hypotheses=(*BASIC, replace(UNWEIGHTED, dropped=RESCUED)),
    witness=ALL_DEAD,
    family=Family(bias=("none",), near=("zero",), model="ce-relu"),
    settings=(ALL_ALIVE, ONE_DEAD, NARROW, BALANCED.at("2.5"), BALANCED.at("2.7"), ALL_DEAD.at(4)),
    derivation=total_derivation,
    rests_on=frozenset({"DA24-01", "DA24-07"}),
    required="proved",
    mutants=(
        Mutant("the smallest size", relations=(sp.Equivalent(dead, smallest <= CRITICAL),), problem=ONE_DEAD),
        Mutant(
            "K^2 in the balanced case",
            relations=(sp.Equivalent(dead, K**2 * n * lW * lH >= K - 1),),
            problem=BALANCED.at(3),
        ),
        Mutant(
            "collapse to the class frequencies",
            relations=(sp.Eq(f_zero, entropy, evaluate=False),),
            problem=ALL_DEAD,
        ),
    ),
    source="published result; constants re-derived",
)

FREE = replace(ALL_DEAD, bias="free")


def bias_readings(optimum: Optimum) -> Iterator[Reading]:
    """What DA24-09 predicts, the entropy, the objective at the point found, and whether its W vanishes.

    Examples
    --------
    >>> (reading,) = bias_readings(Optimum(FREE, "convex"))
    >>> round(float(reading[entropy].subs(N, 11)), 6)
    0.994924
    """
    for reading in total_readings(optimum):
        found = {**reading, **value_bounds(optimum)}
        if optimum.point is not None:
            found[dead] = bool(abs(optimum.point.W).max() < 1e-6)
        yield found


def bias_derivation() -> Derivation:
    """The value at W = H = 0 with a free bias."""
    first, second = sp.symbols("n_1 n_2", positive=True)
    share = first / (first + second)
    return Derivation(
        steps=(
            Identity(
                "b_k = log(n_k/N): the loss of a class is -log(n_k/N)",
                sp.log(first / N + second / N) - sp.log(first / N),
                sp.log(first + second) - sp.log(first),
            ),
            Lemma("the entropy of the frequencies is below log K unless they are equal", "Gibbs' inequality"),
            Identity("equal frequencies reach it", -sp.log(share.subs(second, first)), sp.log(2)),
        ),
        complete=False,
        gap="the steps derive the value with a bias, which contradicts the statement",
    )


bias = Claim(
    id="DA24-14",
    title="The formulas hold with a free bias",
    kind="bound",
    paper=PAPER,
    statement=(
        r"\text{with a free bias } f^* = \log K \text{ at total collapse, which sets in at } \max_k n_k = "
        r"n_{\mathrm{crit}}",
        r"\text{correct: } f(0, 0) = -\sum_k \pi_k \log \pi_k < \log K \text{ for unequal counts}",
    ),
    relations=(sp.Le(sp.log(K), best, evaluate=False), sp.Equivalent(dead, largest <= CRITICAL)),
    read=bias_readings,
    hypotheses=(
        replace(BASIC[0], dropped="the same holds for any features"),
        Hypothesis("a free bias", lambda problem: problem.bias == "free", dropped="without a bias it is DA24-09"),
        Hypothesis(
            "unequal sizes",
            lambda problem: len({run.size for run in problem.runs}) > 1,
            dropped="equal sizes: the best bias is zero and the value is log K",
        ),
    ),
    witness=FREE,
    settings=(FREE.at(3), FREE.at("2.6"), FREE.at("2.5")),
    family=None,
    derivation=bias_derivation,
    status="refuted",
    required="refuted",
    mutants=(
        Mutant("value log K - entropy", relations=(sp.Eq(best, sp.log(K) - entropy, evaluate=False),), problem=FREE),
        Mutant("value log K", relations=(sp.Eq(best, sp.log(K), evaluate=False),), problem=FREE),
        Mutant(
            "threshold of total collapse unchanged",
            relations=(sp.Equivalent(dead, largest <= CRITICAL),),
            problem=FREE.at(3),
        ),
    ),
    note="DA24-01, 07 and 09 are for the model without bias. For sizes (6, 3, 2) total collapse sets in at (lam N)^2 "
    "= 2.579 with a free bias and at 4 without, numerically.",
)
