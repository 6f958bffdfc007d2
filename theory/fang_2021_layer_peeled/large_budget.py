"""FA21-08 and R4: for large budgets the geometry is the balanced ETF, whatever the class sizes."""

from __future__ import annotations

import sympy as sp

from theory.claim import Asymptotic, Claim, Family, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma, Step
from theory.fang_2021_layer_peeled.reduction import dual_steps, nuclear_steps
from theory.fang_2021_layer_peeled.settings import BASIC, PAPER, WIDE, step, with_budget
from theory.peeled_observables import (
    R,
    T,
    entry_readings,
    group_readings,
    groups,
    nu,
    ww,
    ww2,
    ww12,
    ww_A,
    ww_B,
    z_own,
    z_wrong,
)
from theory.problem import Problem
from theory.symbols import K, N, kA, kB, n

__all__ = ["balanced_limit", "ridge_limit"]

MARGIN = sp.log(K * n / (N * nu))


def margin_steps() -> tuple[Step, ...]:
    """Margins within O(1) of T/(K-1), hence polar factors within O(1/T) of I - J/K, hence margins within O(1/T).

    Examples
    --------
    >>> all(step.verify() for step in margin_steps())
    True
    """
    x, least, low, size, beta = sp.symbols("x m C k beta", positive=True)
    return (
        Identity("the ETF beta (I - J/K) with beta = T/(K-1) has |Z|_* = T", K * (1 - 1 / K) * T / (K - 1), T),
        Lemma("the optimal loss is at most log(1 + (K-1) exp(-beta)) <= (K-1) exp(-beta)", "log(1 + x) <= x"),
        Lemma(
            "one margin M alone costs m_min log(1 + exp(-M)) >= m_min exp(-M)/2 (M >= 0), m relative to its "
            "sum: for large T every margin is at least beta - C, C = log(2 (K-1)/m_min)",
            "a sum of positive terms",
        ),
        Identity("where both agree", least / 2 * sp.exp(sp.log(2 * size / least) - beta), size * sp.exp(-beta)),
        Lemma("<Z, I - J/K> <= |Z|_* = T", "duality of nuclear and operator norm"),
        Identity(
            "<Z, I - J/K> is the sum of the K (K-1) margins over K: their mean is at most beta",
            K * (K - 1) * beta / K,
            (K - 1) * beta,
        ),
        Identity(
            "so none exceeds beta + (K(K-1) - 1) C: Z = beta (I - J/K) + O(1)",
            K * (K - 1) * beta - (K * (K - 1) - 1) * (beta - low),
            beta + (K * (K - 1) - 1) * low,
        ),
        Lemma(
            "the polar factor is Lipschitz where the least singular value is bounded below: "
            "polar(Z/beta) = I - J/K + O(1/T)",
            "perturbation of the polar decomposition",
        ),
        Lemma("rank Z = K - 1 makes (I - P) diag(m) = mu_true polar(Z)", "equality in norm duality"),
        Identity(
            "off-diagonal entry: m_y p_cy = mu_true/K (1 + O(1/T)); own probability 1 - O(exp(-beta)): "
            "exp(-margin) = N mu_true/(K n_y)",
            sp.exp(-MARGIN),
            N * nu / (K * n),
        ),
        Identity(
            "two-group form: N mu_true = mu n_B, n_y = R n_B: log(K R/mu)",
            MARGIN.subs(n, R * n).subs(nu, x * n / N),
            sp.log(K * R / x),
        ),
        Identity(
            "W W^T is a multiple of (Z Z^T)^(1/2) = beta (I - J/K) + O(1): cosines -1/(K-1)",
            (-1 / K) / (1 - 1 / K),
            -1 / (K - 1),
        ),
    )


def margin_derivation() -> Derivation:
    """The limit of the margins for any sizes."""
    return Derivation(steps=(*nuclear_steps(), *dual_steps(), *margin_steps()))


REACH = Hypothesis(
    "K <= 5, weights at most a factor 20 apart",
    lambda problem: (
        problem.K <= 5 and groups(problem)[0][0] <= 20 * groups(problem)[-1][0] and groups(problem)[-1][0] > 0
    ),
    dropped="only the check needs it: extrapolation from T <= 800 is less exact for more classes and larger ratios",
)
UNEQUAL = step(2, 1, "3")
DISTINCT = Problem.peeled([4, 2, 1], 1, 1)

balanced_limit = Claim(
    id="FA21-08",
    title="Large budgets: the balanced ETF, not SELI",
    kind="limit",
    paper=PAPER,
    statement=(
        r"T \to \infty,\ n_k \text{ fixed}:\quad z_y[y] - z_y[c] = \log\frac{K n_y}{N \mu} + O(1/T)"
        r" \text{ for every } c \neq y",
        r"Z/\|Z\| \to (I - \tfrac1K J)/\|\cdot\|,\qquad \cos(w_k, w_l) \to -\frac{1}{K-1},\ \|w_k\|/\|w_l\| \to 1",
    ),
    relations=(
        Asymptotic(z_own - z_wrong, MARGIN, order=1),
        Asymptotic((z_own - z_wrong) / T, 1 / (K - 1), order=1),
        Asymptotic(ww12 / ww, -1 / (K - 1), order=1),
        Asymptotic(ww2 / ww, sp.Integer(1), order=1),
    ),
    read=entry_readings,
    along=with_budget,
    hypotheses=(WIDE, REACH),
    witness=UNEQUAL,
    family=Family(bias=("none",), near=(), model="layer-peeled"),
    settings=(DISTINCT, step(2, 2, "2")),
    derivation=margin_derivation,
    required="proved",
    mutants=(
        Mutant(
            "offset log(n_y) halved",
            relations=(Asymptotic(z_own - z_wrong, MARGIN - sp.log(n) / 2, order=1),),
            problem=UNEQUAL,
        ),
        Mutant("deviation O(1/T^2)", relations=(Asymptotic(z_own - z_wrong, MARGIN, order=2),), problem=UNEQUAL),
        Mutant(
            "equal margins, as for SELI",
            relations=(Asymptotic(z_own - z_wrong, sp.log(K / nu) - sp.log(K), order=1),),
            problem=UNEQUAL,
        ),
        Mutant("T/K", relations=(Asymptotic((z_own - z_wrong) / T, 1 / K, order=1),), problem=UNEQUAL),
    ),
    note="Features are normalised per class, which takes the sizes out of the limit. With ridge penalties on all "
    "samples the limit depends on them (SELI): FA21-R4.",
)

seli_between = sp.sqrt((R * kB + kA) / (kA + kB))
SELI_A = sp.sqrt(R) * (1 - 1 / kA) + seli_between * kB / (kA * (kA + kB))
SELI_B = 1 - 1 / kB + seli_between * kA / (kB * (kA + kB))
"""Squared lengths of classifiers, up to a factor, in the limit of the ridge model: diagonal of
((I - J/K) D (I - J/K))^(1/2)."""

ridge_limit = Claim(
    id="FA21-R4",
    title="Layer-peeled and ridge-regularised models have the same limit",
    kind="limit",
    status="refuted",
    paper=PAPER,
    statement=(
        r"T \to \infty:\quad W W^\top \propto \left((I - \tfrac1K J)\,\mathrm{diag}(n)\,(I - \tfrac1K J)\right)^{1/2},"
        r"\text{ the SELI geometry}",
    ),
    relations=(Asymptotic(ww_A / ww_B, SELI_A / SELI_B, order=1),),
    read=group_readings,
    along=with_budget,
    hypotheses=(*BASIC, REACH),
    witness=UNEQUAL,
    family=Family(sizes="two", bias=("none",), near=(), model="layer-peeled"),
    settings=(step(2, 2, "2"),),
    required="refuted",
    note="The limit is the balanced ETF (FA21-08). Thresholds differ too: R here, sqrt(n) there.",
)
