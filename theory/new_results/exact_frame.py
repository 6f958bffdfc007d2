"""When the optimal logits are exactly a simplex equiangular tight frame: NR26-09."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.loss_observables import centred, loss_parameters, vanishes
from theory.observables import norm, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, dead, dead_exact, lam

PAPER = "new_results"

mass, decay = sp.symbols("m g", positive=True)
"""m_k = n_k w_k/N and g_k = n_k r_k of a class where they are constant."""
mass_low, mass_high, decay_low, decay_high = sp.symbols("m_min m_max g_min g_max", positive=True)
height, distance = sp.symbols("a distance", real=True)
"""The multiple a of P closest to Z, and |Z - a P|."""
LEVEL = sp.log(mass * K / (lam * sp.sqrt(decay)) - (K - 1))


def frame_readings(optimum: Optimum) -> Iterator[Reading]:
    """State of 'Z is a multiple of P', beside the largest and smallest m_k and g_k; only where Z is not zero.

    Examples
    --------
    >>> Z = np.eye(3) - 1 / 3
    >>> (reading,) = frame_readings(Optimum(Problem.ce([4, 4, 4], "1/20"), "exact", logits=2 * Z))
    >>> reading[dead], round(float(reading[height]), 12), reading[mass]
    (True, 2.0, 1/3)
    """
    problem, Z = optimum.problem, optimum.logits
    if Z is None or not any(entry > 0 or entry < 0 for entry in Z.ravel()):
        return
    masses = [rational(n_k * w_k / problem.N) for n_k, w_k in zip(problem.sizes, problem.weights, strict=True)]
    decays = [rational(n_k * r_k) for n_k, r_k in zip(problem.sizes, problem.feature_decays, strict=True)]
    found: dict[sp.Symbol, Any] = {
        **loss_parameters(problem),
        mass_low: min(masses),
        mass_high: max(masses),
        decay_low: min(decays),
        decay_high: max(decays),
        **_nearest(problem, Z),
    }
    if min(masses) == max(masses) and min(decays) == max(decays):
        found |= {mass: masses[0], decay: decays[0]}
    yield found


def _nearest(problem: Problem, Z: Any) -> dict[sp.Symbol, Any]:
    """The multiple of P nearest to Z and how far it is."""
    one = 0 * Z[0, 0] + 1
    P = np.array([centred(problem, k, one) for k in range(problem.K)]).T
    level = (Z * P).sum() / (problem.K - 1)
    gap = norm(Z - level * P)
    return {height: level, distance: gap, dead: vanishes(gap), dead_exact: None}


def frame_derivation() -> Derivation:
    """Both directions, with X = Z G^(1/2) and Mx = (Y - softmax) diag(m) G^(-1/2)/lam."""
    g_i, g_j, total, E = sp.symbols("g_i g_j G E", positive=True)
    own, other = E / (E + K - 1), 1 / (E + K - 1)
    m, g, x_a = sp.symbols("m g lam_g", positive=True)
    return Derivation(
        steps=(
            Lemma("Z != 0 is optimal iff Mx is X (X^T X)^(-1/2) on the row space and ||Mx|| <= 1", "NR26-01"),
            Identity(
                "at Z = a P, E = exp(a): I - softmax is c P, c = K/(E + K - 1): on the diagonal",
                1 - own,
                K / (E + K - 1) * (1 - 1 / K),
            ),
            Identity("and off it", -other, K / (E + K - 1) * (-1 / K)),
            Lemma(
                "X = a P G^(1/2) has rank K - 1, so Mx = pinv((P G P)^(1/2)) P G^(1/2): c P diag(m/g) = lam "
                "pinv((P G P)^(1/2)) P; times the vector 1: P (m/g) = 0, so m_k/g_k is constant",
                "polar decomposition; 1 is the kernel of P",
            ),
            Lemma("then pinv((P G P)^(1/2)) is a multiple of P, and so is P G P", "functional calculus of P G P"),
            Identity(
                "entry (i, j), i != j, of P G P: sum_k (delta_ik - 1/K) g_k (delta_jk - 1/K)",
                (1 - 1 / K) * g_i * (-1 / K) + (-1 / K) * g_j * (1 - 1 / K) + (total - g_i - g_j) / K**2,
                total / K**2 - (g_i + g_j) / K,
            ),
            Lemma("g_i + g_j is the same for all pairs; with a third class k: g_i + g_k = g_j + g_k", "K >= 3"),
            Identity("so g_i = g_j", (g_i + g) - (g_j + g), g_i - g_j),
            Identity(
                "conversely m, g constant: X = a sqrt(g) P, Mx = c m/(lam sqrt(g)) P is its polar factor iff c m = "
                "lam sqrt(g)",
                K * m / (E + K - 1) / x_a - 1,
                (K * m / x_a - (K - 1) - E) / (E + K - 1),
            ),
            Identity(
                "so a = log(m K/(lam sqrt(g)) - (K - 1))", sp.exp(sp.log(K * m / x_a - (K - 1))), K * m / x_a - (K - 1)
            ),
            Identity(
                "alive iff E > 1 iff lam sqrt(g) < m",
                (K * m / x_a - (K - 1)) - 1,
                K * (m - x_a) / x_a,
            ),
        )
    )


BALANCED = Problem.ce([(6, 4)], "1/40")
LONG_TAIL = Problem.ce([12, 6, 3], "1/50")
INVERSE = Problem.ce([12, 6, 3], "1/50", weights=["7/12", "7/6", "7/3"])
BOTH = INVERSE.with_loss(feature_decay=["1/12", "1/6", "1/3"])
DECAY_ONLY = LONG_TAIL.with_loss(feature_decay=["1/12", "1/6", "1/3"])
ROOT = Problem.ce([16, 4, 1], "1/100", weights=[1, 2, 4])
TWO = Problem.ce([9, 4], "1/20")
NEAR_DECAY = INVERSE.with_loss(feature_decay=["1/6", "1/3", 1])
"""n_k w_k constant, n_k r_k = 2, 2, 3."""
NEAR_WEIGHTS = Problem.ce([12, 6, 3], "1/50", weights=["7/12", "7/6", "10/3"]).with_loss(
    feature_decay=["1/12", "1/6", "1/3"]
)
"""n_k r_k constant, n_k w_k = 7, 7, 10."""
CONSTANT = sp.And(mass_high <= mass_low, decay_high <= decay_low)

frame = Claim(
    id="NR26-09",
    title="When the optimum is exactly a simplex ETF",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"K \geq 3,\ Z^* \neq 0:\quad Z^* \text{ is a multiple of } P = I - J/K \iff n_k w_k \text{ and } n_k r_k"
        r" \text{ are both constant}",
        r"\text{then } Z^* = \log\left(\frac{m K}{\lambda \sqrt{g}} - (K - 1)\right) P,\quad m = n_k w_k/N,\ "
        r"g = n_k r_k",
    ),
    relations=(
        sp.Equivalent(dead, CONSTANT),
        sp.Eq(height, LEVEL, evaluate=False),
    ),
    read=frame_readings,
    hypotheses=(
        Hypothesis("K >= 3", lambda problem: problem.K >= 3, dropped=TWO),
        Hypothesis(
            "cross-entropy on linear features, one-hot targets, no bias and no knob but weights and feature decay",
            lambda p: (
                p.model == "ce"
                and p.loss == "ce"
                and p.bias == "none"
                and not (p.smoothing or p.adjustment or p.scaling or p.targets)
                and p.loss_temperature == 1
                and all(s_j == 1 for s_j in p.row_decays)
            ),
            dropped=BALANCED.with_loss(smoothing="1/10"),
        ),
        Hypothesis(
            "d >= K - 1", lambda p: p.dim >= p.K - 1, dropped="below it P has more rank than Z may have: never a frame"
        ),
    ),
    witness=BALANCED,
    family=Family(sizes="any", bias=("none",), near=("collapse",), model="loss", knobs=("weights", "feature_decay")),
    settings=(BOTH, BOTH.at("1/4"), LONG_TAIL, INVERSE, DECAY_ONLY, ROOT, BALANCED.at(1), NEAR_DECAY, NEAR_WEIGHTS),
    derivation=frame_derivation,
    rests_on=frozenset({"NR26-01"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("inverse-frequency weights suffice", (sp.Equivalent(dead, mass_high <= mass_low),), problem=INVERSE),
        Mutant("feature decay 1/n suffices", (sp.Equivalent(dead, decay_high <= decay_low),), problem=DECAY_ONLY),
        Mutant(
            "g instead of sqrt(g)",
            (sp.Eq(height, sp.log(mass * K / (lam * decay) - (K - 1)), evaluate=False),),
            problem=BALANCED,
        ),
    ),
    note="No loss weighting alone and no feature decay alone restores the frame at finite lam; both proportional to "
    "1/n_k do, for every lam. Below 1e-8, radius included, a distance counts as zero.",
)
