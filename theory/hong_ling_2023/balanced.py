"""The elementary cases: all sizes equal, and two classes (HL23-09)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.hong_ling_2023.minority_collapse import WIDE
from theory.hong_ling_2023.two_clusters import (
    FREE_PAIR,
    PAPER,
    UNWEIGHTED,
    Reading,
    block_square,
    equation,
    log_margin,
)
from theory.observables import between_states, cluster_readings, two_cluster_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, alpha, dead, kA, kB, lam, n, nA, nB, rA, tA, tB, x


def _balanced_or_pair(problem: Problem) -> bool:
    return len({cluster.size for cluster in problem.clusters}) == 1 or problem.K == 2


def _bias_vanishes(problem: Problem) -> bool:
    return problem.bias == "none" or len({cluster.size for cluster in problem.clusters}) == 1


deviation, bias_size = sp.symbols("dev_Z norm_b", nonnegative=True)
"""Sum of the moduli of Z - alpha (I - J/K), and of the bias."""


def elementary_readings(optimum: Optimum) -> Iterator[Reading]:
    """The contrast of a balanced problem with the distance of Z from a multiple of I - J/K; or tA, tB if K = 2."""
    problem, Z = optimum.problem, optimum.logits
    if problem.K == 2 and len(problem.clusters) == 2:
        yield from ({**reading, **between_states(optimum)} for reading in two_cluster_readings(optimum))
        return
    for reading in cluster_readings(optimum):
        if Z is not None and optimum.bias is not None:
            K_ = problem.K
            frame = np.eye(K_, dtype=int) * K_ - 1
            reading[deviation] = abs(Z - frame * reading[alpha] / K_).sum()
            reading[bias_size] = abs(optimum.bias).sum()
        if optimum.lower is not None and optimum.upper is not None:
            reading[F] = optimum.lower.union(optimum.upper)
        yield reading


def elementary_derivation() -> Derivation:
    """Both cases by substitution in HL23-03 and HL23-07."""
    e, gap, m = sp.symbols("e alpha_c m", positive=True)
    total = nA + nB
    q_c = e / K
    root = sp.sqrt(total / 2)
    return Derivation(
        steps=(
            Lemma(
                "balanced: all classes are interchangeable, so Z = alpha (I - J/K), b = 0 and q = r",
                "strict convexity modulo constants",
            ),
            Identity("1 - p + q = e and p + (K - 1) q = 1 give q = e/K", (1 - e + q_c) + (K - 1) * q_c, sp.Integer(1)),
            Identity(
                "p/q = K sqrt(n)/x - (K - 1) with e = x/sqrt(n) (HL23-03)",
                ((1 - e + q_c) / q_c).subs(e, x / sp.sqrt(n)),
                K * sp.sqrt(n) / x - (K - 1),
            ),
            Positive("which exceeds 1 iff x < sqrt(n): with sqrt(n) = x (1 + m)", K * (1 + m) - K),
            Identity(
                "tA = alpha/kA for any split: mean own logit minus other logit",
                (gap * (1 - 1 / K) - (kA - 1) * gap / K) / kA + gap / K,
                gap / kA,
            ),
            Identity(
                "F: the loss log(sum_j exp(z_j - z_k)) has K - 1 terms exp(-alpha) beside 1; divided by exp(alpha) ...",
                (sp.exp(gap) + K - 1) / sp.exp(gap),
                1 + (K - 1) * sp.exp(-gap),
            ),
            Lemma("... and X has the singular value alpha sqrt(n) K - 1 times and 0 once", "HL23-03"),
            Identity(
                "K = 2: h = 0 at tA = tB, rA = rB = r on the circle 2 (nA + nB) r^2 = x^2",
                block_square(rA, rA).subs({K: 2, kA: 1, kB: 1, rA: x / sp.sqrt(2 * total)}),
                x**2,
            ),
            Identity(
                "T(r) = log((1 - r)/r) is the same for both clusters, hence tA = tB = log(sqrt(2N)/x - 1)",
                log_margin(sp.Integer(1), sp.Integer(1), sp.Integer(1), x / sp.sqrt(2 * total)),
                sp.log(1 - x / sp.sqrt(2 * total)) - sp.log(x / sp.sqrt(2 * total)),
            ),
            Positive("t > 0 iff x < sqrt(N/2): with sqrt(N/2) = x (1 + m)", 2 * (1 + m) - 2),
            Identity(
                "dead: r = 1/2 and 2 (nA + nB)/4 = N/2 <= x^2",
                block_square(rA, rA).subs({K: 2, kA: 1, kB: 1, rA: sp.Rational(1, 2)}),
                root**2,
            ),
        )
    )


BALANCED = Problem.ce([(9, 4)], "0.04")
PAIR = Problem.ce([9, 4], "0.03")
GAP = sp.log(1 + sp.Max(0, K * sp.sqrt(n) / x - K))
PAIR_GAP = sp.log(1 + sp.Max(0, sp.sqrt(2 * (nA + nB)) / x - 2))

elementary = Claim(
    id="HL23-09",
    title="Balanced case and K = 2",
    kind="equality",
    paper=PAPER,
    statement=(
        r"n_k = n:\quad Z = a\left(I - \tfrac{1}{K}J\right),\quad"
        r" a = \log\left(\frac{K\sqrt{n}}{x} - (K-1)\right) \text{ if } x < \sqrt{n},\quad Z = 0 \text{ otherwise}",
        r"F = \log\left(1 + (K-1)e^{-a}\right) + \lambda(K-1)\sqrt{n}\,a,\quad b = 0,"
        r"\quad t_A = a/k_A,\ t_B = a/k_B \text{ for any split}",
        r"K = 2 \text{ without bias}:\quad t_A = t_B = \log\left(\frac{\sqrt{2N}}{x} - 1\right)"
        r" \text{ if } x < \sqrt{N/2},\quad Z = 0 \text{ otherwise}",
    ),
    relations=(
        equation(alpha, GAP),
        equation(deviation, sp.Integer(0)),
        equation(bias_size, sp.Integer(0)),
        equation(F, sp.log(1 + (K - 1) * sp.exp(-alpha)) + lam * (K - 1) * sp.sqrt(n) * alpha),
        sp.Equivalent(dead, x >= sp.sqrt(n)),
        equation(tA, PAIR_GAP),
        equation(tA, tB),
        sp.Equivalent(dead, x >= sp.sqrt((nA + nB) / 2)),
    ),
    read=elementary_readings,
    hypotheses=(
        Hypothesis("all sizes equal, or K = 2", _balanced_or_pair, Problem.ce([9, 9, 4], "0.04")),
        Hypothesis("no bias unless all sizes are equal", _bias_vanishes, FREE_PAIR),
        replace(UNWEIGHTED, dropped=Problem.ce([(9, 3)], "0.04", weights=[2, 1, 1])),
        WIDE,
    ),
    witness=BALANCED,
    family=Family(sizes="balanced", near=("merge",)),
    settings=(BALANCED.at(9), BALANCED.at(12), PAIR, PAIR.at("13/2"), PAIR.at(8), Problem.ce([50, 1], "0.01")),
    derivation=elementary_derivation,
    rests_on=frozenset({"HL23-03", "HL23-07"}),
    required="proved",
    note="Two classes without a bias have z_1 = -z_2 whatever the imbalance; with a free bias tA = S nB/N differs from "
    "tB = S nA/N (HL23-12).",
    mutants=(
        Mutant(
            "K sqrt(n)/x - K",
            relations=(equation(alpha, sp.log(K * sp.sqrt(n) / x - K)),),
            problem=BALANCED,
        ),
        Mutant("alive below n", relations=(sp.Equivalent(dead, x >= n),), problem=BALANCED.at(12)),
        Mutant(
            "sqrt(n) missing in F",
            relations=(equation(F, sp.log(1 + (K - 1) * sp.exp(-alpha)) + lam * (K - 1) * alpha),),
            problem=BALANCED,
        ),
        Mutant(
            "K = 2 with sqrt(N)/x",
            relations=(equation(tA, sp.log(sp.sqrt(nA + nB) / x - 1)),),
            problem=PAIR,
        ),
    ),
    survivors={
        "sign: * becomes -n_A/2 + n_B/2 (relation 8)": "read for two different sizes n_A > n_B: -n_A + n_B has no root",
    },
)
