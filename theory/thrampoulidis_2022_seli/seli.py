"""The max-margin problem has one geometry for every imbalance: logits P, Gram matrices (P D P)^(1/2) and L^(1/2).

L, the pseudo-inverse of P D P, is the Laplacian of a complete graph with positive weights; so the entries of L^(1/2)
off the diagonal are negative, and minus these entries are multipliers that certify the optimum.
"""

from __future__ import annotations

import sympy as sp

from theory.claim import Claim, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.problem import Problem
from theory.seli_observables import (
    BB,
    BB12,
    HH,
    HH12,
    WH,
    WH12,
    WW,
    WW12,
    beta,
    beta2,
    hh12,
    inv,
    matrix_readings,
    multipliers,
    n2,
    scatter,
    trace_h,
    trace_w,
    ww12,
    z_off,
    z_own,
)
from theory.symbols import F, K, N, n
from theory.thrampoulidis_2022_seli.settings import (
    ANY,
    BALANCED,
    BASIC,
    CIFAR,
    EQUAL_PAIR,
    FOUR,
    PAPER,
    STEEP,
    STEP,
    TWO_CLASSES,
    TWO_EQUAL,
)

PDP_OWN = n * (1 - 2 / K) + N / K**2
PDP_OFF = N / K**2 - (n + n2) / K
L_OWN = 1 / n - 1 / (n**2 * inv)
L_OFF = -1 / (n * n2 * inv)
"""Entries of P D P and of its pseudo-inverse L; ``inv`` is the sum of 1/n_k."""


def laplacian_steps() -> tuple[Step, ...]:
    """L is the pseudo-inverse of P D P, and the root of L is negative off the diagonal."""
    rest, m, share = sp.symbols("t m u", positive=True)
    total = 1 / n + 1 / n2 + rest
    return (
        Identity(
            "(P D P)_kk, entry by entry",
            (1 - 1 / K) ** 2 * n + (N - n) / K**2,
            PDP_OWN,
        ),
        Identity(
            "(P D P)_kl: the terms k, l and the others",
            -(1 - 1 / K) / K * (n + n2) + (N - n - n2) / K**2,
            PDP_OFF,
        ),
        Identity("D L = I - 1 1^T D^-1/s on the diagonal", n * L_OWN, 1 - 1 / (n * inv)),
        Identity("and off it", n * L_OFF, -1 / (n2 * inv)),
        Identity("the columns of L sum to 0", L_OWN - (inv - 1 / n) / (n * inv), sp.Integer(0)),
        Identity("P 1 = 0, so P D P L = P D L = P", (1 - 1 / K) - (K - 1) / K, sp.Integer(0)),
        Lemma("P D P and L are symmetric, vanish on 1 and multiply to P: L = (P D P)^+", "Moore-Penrose conditions"),
        Positive("L is a Laplacian: -L_kl = 1/(n_k n_l s) > 0", (-L_OFF).subs(inv, total)),
        Lemma(
            "for c > max L_kk, T = I - L/c >= 0 entrywise has norm 1: L^(1/2) = sqrt(c) (I - sum a_j T^j)",
            "binomial series of sqrt(1 - x) on [-1, 1]",
        ),
        Identity("a_1 = 1/2", -sp.diff(sp.sqrt(1 - share), share).subs(share, 0), sp.Rational(1, 2)),
        Positive("a_(j+1)/a_j = (2j - 1)/(2j + 2) > 0 for j = 1 + m, or m = 0", (2 * m + 1) / (2 * m + 4)),
        Positive("hence -(L^(1/2))_kl >= sqrt(c) a_1 T_kl > 0", (-L_OFF).subs(inv, total) / 2),
    )


def duality_steps() -> tuple[Step, ...]:
    """B = L^(1/2) is dual feasible with positive multipliers, so all margins are 1."""
    square, mean = sp.symbols("p m", real=True)
    return (
        Lemma("averaging the features of a class keeps its margins and lowers |H|^2 unless they agree", "Jensen"),
        Identity(
            "subtracting the mean row m lowers |W|^2: sum (w - m)^2 = sum w^2 - K m^2, as sum w = K m",
            square - 2 * mean * (K * mean) + K * mean**2,
            square - K * mean**2,
        ),
        Lemma("(|W|^2 + |H|^2)/2 >= |X|_*, X = Z D^(1/2), equality iff balanced", "variational nuclear norm"),
        Lemma("L^(1/2) D L^(1/2) = L^(1/2) P D P L^(1/2) = P: |L^(1/2) D^(1/2)| <= 1", "spectral theorem"),
        Lemma("|X|_* >= <L^(1/2) D^(1/2), X> = sum n_k beta_ck margin_ck, beta_ck = -(L^(1/2))_ck", "norm duality"),
        Lemma("all multipliers are positive: equality needs every margin to be 1", "complementary slackness"),
        Identity("margins 1 and 1^T z_k = 0: own logit", (1 - 1 / K) + (K - 1) * (-1 / K), sp.Integer(0)),
        Lemma("X = P D^(1/2) attains the bound: W W^T = (X X^T)^(1/2)", "polar decomposition"),
        Lemma("Hbar^T Hbar = P (W W^T)^+ P = L^(1/2), and tr (P D P)^(1/2) = tr(D L^(1/2))", "spectral theorem"),
    )


def geometry_derivation() -> Derivation:
    """Bound, equality and the two Gram matrices."""
    return Derivation(steps=(*laplacian_steps(), *duality_steps()))


geometry = Claim(
    id="TH22-01",
    title="The max-margin optimum for every imbalance",
    kind="equality",
    paper=PAPER,
    statement=(
        r"W \bar H = P = I - \tfrac1K J \quad\text{(all margins are 1) in every minimiser, and the only minimiser of }"
        r" \|Z D^{1/2}\|_*,\qquad h_i = \bar h_{y_i}",
        r"W W^\top = (P D P)^{1/2},\quad \bar H^\top \bar H = L^{1/2},\quad L = (P D P)^+,\quad D = \mathrm{diag}(n)",
        r"(P D P)_{kl} = \frac{N}{K^2} - \frac{n_k + n_l}{K},\quad L_{kl} = -\frac{1}{n_k n_l s},\quad s = \sum_k"
        r" \frac1{n_k}\qquad (k \neq l)",
        r"f^* = \mathrm{tr}\,(P D P)^{1/2} = \mathrm{tr}(D L^{1/2})",
    ),
    relations=tuple(
        sp.Eq(left, right, evaluate=False)
        for left, right in (
            (z_own, 1 - 1 / K),
            (z_off, -1 / K),
            (WW, PDP_OWN),
            (WW12, PDP_OFF),
            (HH, L_OWN),
            (HH12, L_OFF),
            (WH, 1 - 1 / K),
            (WH12, -1 / K),
            (F, trace_w),
            (F, trace_h),
            (scatter, sp.Integer(0)),
        )
    ),
    read=matrix_readings,
    hypotheses=BASIC,
    witness=FOUR,
    family=ANY,
    settings=(EQUAL_PAIR, STEP, BALANCED, TWO_CLASSES, STEEP, CIFAR),
    derivation=geometry_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, right, evaluate=False),), problem=FOUR)
        for text, left, right in (
            ("W W^T = P D P, no root", ww12, PDP_OFF),
            ("Hbar^T Hbar = D^(-1/2) P D^(-1/2)", hh12, -1 / (K * sp.sqrt(n * n2))),
            ("centred by the sample weights: Z = Y - n/N 1^T", z_off, -n2 / N),
            ("the value without halves", F, 2 * trace_w),
            ("P D^(-1) P instead of its pseudo-inverse relation", HH12, inv / K**2 - (1 / n + 1 / n2) / K),
        )
    ),
    source="published result, constants re-derived",
    note="W W^T and Hbar^T Hbar are positive semidefinite, so their squares determine them. Without the halves in the "
    "objective the value doubles.",
)


def certificate_derivation() -> Derivation:
    """The multipliers, their signs and their sum."""
    return Derivation(
        steps=(
            *laplacian_steps(),
            *duality_steps(),
            Identity("symmetric: (L)_kl = (L)_lk", L_OFF, L_OFF.subs({n: n2, n2: n}, simultaneous=True)),
            Lemma("the columns of L^(1/2) sum to 0: sum_c beta_ck = (L^(1/2))_kk", "L^(1/2) 1 = 0 as L 1 = 0"),
            Lemma(
                "B with 1^T B = 0, |B D^(1/2)| <= 1 and <B, Z D> = |X|_* is unique, as rank X = K - 1", "norm duality"
            ),
        )
    )


certificate = Claim(
    id="TH22-02",
    title="Strictly positive multipliers",
    kind="bound",
    paper=PAPER,
    statement=(
        r"\beta_{ck} = -(L^{1/2})_{ck} > 0 \text{ for all } c \neq k,\qquad B = L^{1/2}",
        r"f^* = \sum_k n_k \sum_{c \neq k} \beta_{ck} = \mathrm{tr}(D L^{1/2})",
    ),
    relations=(
        sp.Gt(beta, 0, evaluate=False),
        sp.Eq(beta, -hh12, evaluate=False),
        sp.Eq(beta, beta2, evaluate=False),
        sp.Eq(BB, L_OWN, evaluate=False),
        sp.Eq(BB12, L_OFF, evaluate=False),
        sp.Eq(F, multipliers, evaluate=False),
    ),
    read=matrix_readings,
    hypotheses=BASIC,
    witness=FOUR,
    family=ANY,
    settings=(STEP, STEEP, Problem.svm([50, 1, 1]), TWO_CLASSES, TWO_EQUAL),
    derivation=certificate_derivation,
    rests_on=frozenset({"TH22-01"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(relation,), problem=problem)
        for text, relation, problem in (
            ("beta = -L_ck, no root", sp.Eq(beta, -L_OFF, evaluate=False), FOUR),
            ("beta = -(L^(1/2))_ck/n_k", sp.Eq(beta, -hh12 / n, evaluate=False), FOUR),
            ("some multipliers vanish at strong imbalance", sp.Eq(beta, 0, evaluate=False), STEEP),
            ("the sign from P D P", sp.Lt(WW12, 0, evaluate=False), Problem.svm([50, 1, 1])),
            ("sum without the sizes", sp.Eq(F, multipliers / n, evaluate=False), FOUR),
        )
    ),
    source="re-derived, printed constants not compared",
    note="In the program with one constraint per class instead of per sample the multiplier is n_k beta_ck. The second "
    "relation says that any two class means form an obtuse angle, whatever the sizes.",
)
