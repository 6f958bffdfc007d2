"""Ridge cross-entropy in the paper's normalisation: the three ridges at which directions of the optimum vanish.

The paper sums the losses and writes lam for what is x = lam N here. Its problem is model ``ce`` without a bias, so the
three statements are HL23-05, HL23-04 and HL23-08 in other words; the eigenvalues of P D P tie them to SELI.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy as sp

from theory.blocks import Blocks, diagonal
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.hong_ling_2023 import complete_collapse, minority_collapse
from theory.observables import between_states, cluster_readings, dead_state, rational, two_cluster_parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.seli_observables import R, rho
from theory.symbols import K, dead, dead_exact, kA, kB, lam, n, nA, nB, x
from theory.thrampoulidis_2022_seli.settings import PAPER

single = sp.Symbol("R_1", positive=True)
"""R where there is one majority class."""
m_none = complete_collapse.m_none
TAU = 1 - rho + rho * single

LONE = complete_collapse.LONE
PLAIN = replace(minority_collapse.UNWEIGHTED, text="no loss weights")
NO_BIAS = Hypothesis(
    "no bias", lambda problem: problem.bias == "none", dropped="merging does not depend on the bias (HL23-04)"
)
WIDE = minority_collapse.WIDE


def zero_readings(optimum: Optimum) -> Iterator[Reading]:
    """State of Z, the largest eigenvalue of P D P, and R with rho for two sizes.

    Examples
    --------
    >>> (reading,) = zero_readings(Optimum(LONE.at(16), "exact", rank=(1, 4)))
    >>> reading[m_none], reading[single], reading[rho]
    (17, 4, 4/5)
    """
    problem = optimum.problem
    for reading in complete_collapse.collapse_readings(optimum):
        if len(problem.clusters) == 2:
            A, B = problem.clusters
            ratio = {R if A.classes > 1 else single: rational(A.size / B.size), nB: rational(B.size)}
            reading = {**reading, **ratio, rho: sp.Rational(B.classes, problem.K)}
        yield reading


def zero_derivation() -> Derivation:
    """|P D^(1/2)|^2 is the largest eigenvalue of P D P; for two sizes it is known."""
    size = kA + kB
    P = diagonal((kA, kB), (sp.Integer(1),) * 2) - Blocks((kA, kB), (sp.Integer(0),) * 2, sp.ones(2, 2) / size)
    square = P @ diagonal((kA, kB), (nA, nB)) @ P
    tau = (TAU * nB).subs({single: nA / nB, rho: kB / size})
    step = sp.Symbol("d", positive=True)
    return Derivation(
        steps=(
            Lemma("Z = 0 iff x >= |P D^(1/2)|", "HL23-05"),
            Lemma("|P D^(1/2)|^2 is the largest eigenvalue of P D P", "singular value decomposition"),
            Identity("P D P on contrasts: nA, nB", sp.Matrix(square.gaps), sp.Matrix([nA, nB])),
            Identity(
                "on (kB, -kA): tau nB", sp.Matrix(square.on_constant((kB, -kA))), sp.Matrix([tau * kB, -tau * kA])
            ),
            Identity("tau = 1 - rho + rho R is between 1 and R", single - TAU, (1 - rho) * (single - 1)),
            Positive("kA >= 2: R nB is the largest, R = 1 + d", ((1 - kB / size) * step)),
            Positive("kA = 1: tau nB is, as tau > 1", (TAU - 1).subs(single, 1 + step)),
        )
    )


zero = Claim(
    id="TH22-09",
    title="Ridge at which everything vanishes",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"W = H = 0 \text{ is the minimiser} \iff x = \lambda N \geq x_0 = \sqrt{\lambda_{\max}(P D P)}",
        r"\text{two sizes: } x_0 = \sqrt{R\, n_{\min}} \ (k_A \geq 2),\qquad x_0 = \sqrt{n_{\min} (1 - \rho + \rho R)}"
        r" \ (k_A = 1)",
    ),
    relations=(
        sp.Equivalent(dead, x**2 >= m_none),
        sp.Equivalent(dead, x >= sp.sqrt(R * nB)),
        sp.Equivalent(dead, x >= sp.sqrt(nB * TAU)),
    ),
    read=zero_readings,
    hypotheses=(complete_collapse.UNBIASED, complete_collapse.UNWEIGHTED),
    witness=complete_collapse.THREE.at(9),
    family=Family(sizes="any", bias=("none",), near=("collapse",)),
    settings=(
        complete_collapse.THREE.at(10),
        LONE.at(17),
        LONE.at("16.999992"),
        LONE.at("17.000008"),
        LONE.at(18),
        Problem.ce([(8, 3), (2, 2)], 1).at(8),
        Problem.ce([(8, 3), (2, 2)], 1).at(7),
        Problem.ce([9, 1], 1).at(5),
    ),
    derivation=zero_derivation,
    rests_on=frozenset({"HL23-05"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, wrong),), problem=problem)
        for text, wrong, problem in (
            ("sqrt(n_max) always", x >= sp.sqrt(complete_collapse.n1), LONE.at(18)),
            ("the eigenvalue instead of its root", x >= m_none, LONE.at(18)),
            ("lam instead of lam N", lam**2 >= m_none, LONE.at(18)),
        )
    ),
    source="re-derived, printed constants not compared",
    note="The paper sums the losses over samples: its ridge is x = lam N.",
)


def cluster_collapse_readings(optimum: Optimum) -> Iterator[Reading]:
    """Readings per cluster, the largest size beside, R of the minority of two sizes.

    Examples
    --------
    >>> [reading.get(R) for reading in cluster_collapse_readings(Optimum(STEP.at(9), "exact"))]
    [None, 4]
    """
    clusters = optimum.problem.clusters
    for reading in cluster_readings(optimum):
        found = {**reading, nA: rational(clusters[0].size)}
        if len(clusters) == 2 and reading[n] == rational(clusters[1].size):
            A, B = clusters
            found |= {R: rational(A.size / B.size), kA: sp.Integer(A.classes), kB: sp.Integer(B.classes)}
        yield found


STEP = Problem.ce([(8, 3), (2, 2)], 1)
THREE_SIZES = Problem.ce([(4, 2), (2, 2), (1, 2)], 1)
RATIO = (1 / (sp.sqrt(n) * lam) - kB) / kA


def merge_derivation() -> Derivation:
    """HL23-04, in terms of R."""
    return Derivation(
        steps=(
            *minority_collapse.contrast_derivation().steps,
            Identity(
                "x >= sqrt(n) with x = lam n (kA R + kB): R >= (1/(sqrt(n) lam) - kB)/kA",
                (lam * n * (kA * R + kB) - sp.sqrt(n)) / (lam * n * kA),
                R - RATIO,
            ),
        )
    )


merging = Claim(
    id="TH22-10",
    title="Ridge at which classes of one size collapse",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{classes of size } n,\ m \geq 2:\ \text{one classifier, one mean} \iff x = \lambda N \geq \sqrt n",
        r"\text{two sizes, fixed } \lambda:\ \text{the minority collapses} \iff R \geq \frac{1}{k_A}\left(\frac{1}"
        r"{\sqrt{n_{\min}}\,\lambda} - k_B\right)",
    ),
    relations=(sp.Equivalent(dead, x >= sp.sqrt(n)), sp.Equivalent(dead, sp.Ge(R, RATIO))),
    read=cluster_collapse_readings,
    hypotheses=(minority_collapse.PAIR, PLAIN, NO_BIAS, WIDE),
    witness=STEP.at("1.9"),
    family=Family(sizes="clusters", bias=("none",), near=("merge",)),
    settings=(STEP.at(2), STEP.at("2.1"), STEP.at(8), *(THREE_SIZES.at(square) for square in (1, 2, 4, "0.9", "3.9"))),
    derivation=merge_derivation,
    rests_on=frozenset({"HL23-03", "HL23-04"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, wrong),), problem=problem)
        for text, wrong, problem in (
            ("x >= n", x >= n, THREE_SIZES.at(2)),
            ("depends on R at fixed x", x >= sp.sqrt(n * R), STEP.at(2)),
            ("sqrt(n_max)", x >= sp.sqrt(nA), STEP.at(2)),
        )
    ),
    source="re-derived, printed constants not compared",
    note="HL23-04 without a bias and without weights; SELI is the limit lam -> 0, where no classes collapse.",
)

gap_U = sp.Symbol("a_U", positive=True)
"""Logit gap of the majority at the threshold."""


def weight_at(gap: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Probabilities of a wrong majority and of a minority class for a majority sample whose minority logits are 0.

    Examples
    --------
    >>> weight_at(sp.Integer(0))
    (1/(k_A + k_B), 1/(k_A + k_B))
    """
    wrong, other = sp.exp(-gap), sp.exp(-gap * (1 - 1 / kA))
    total = 1 + (kA - 1) * wrong + kB * other
    return wrong / total, other / total


def ridge_at(gap: sp.Expr) -> sp.Expr:
    """sqrt(nA) (kA p_o + kB p_B)."""
    wrong, other = weight_at(gap)
    return sp.sqrt(nA) * (kA * wrong + kB * other)


def vanishing_equation(tail: sp.Expr = nB * kA / K**2) -> sp.Expr:
    """The norm between the groups minus the ridge, squares."""
    return K * (nA * kB * weight_at(gap_U)[1] ** 2 + tail) - ridge_at(gap_U) ** 2


class VanishingReader:
    """State of the minority against the threshold, whose gap is a root of an equation.

    Parameters
    ----------
    tail : second term of :func:`vanishing_equation`.
    """

    def __init__(self, tail: sp.Expr = nB * kA / K**2) -> None:
        self.tail = tail

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """One reading.

        Examples
        --------
        >>> (reading,) = VanishingReader()(Optimum(STEP.at(9), "exact"))
        >>> reading[nA]
        8
        """
        problem = optimum.problem
        known = two_cluster_parameters(problem)
        root = Root(gap_U, vanishing_equation(self.tail).subs({K: known[K], nB: known[nB]}), sp.Integer(0), sp.oo)
        states = [between_states(optimum)]
        if problem.clusters[1].classes > 1:
            contrast, exact = ((found or (None, None))[1] for found in (optimum.contrasts, optimum.exact_contrasts))
            states.append({dead: dead_state(contrast), dead_exact: dead_state(exact)})
        together = {symbol: _all(found[symbol] for found in states) for symbol in (dead, dead_exact)}
        yield {**{symbol: known[symbol] for symbol in (x, kA, nA, kB)}, nB: known[nB], gap_U: root, **together}


def _all(states: Iterator[bool | None]) -> bool | None:
    """Truth of all; False if one is false, None if that is open."""
    found = list(states)
    return False if False in found else None if None in found else True


def vanishing_derivation() -> Derivation:
    """HL23-08 in terms of the gap a: the same two equations."""
    gap, e = sp.symbols("a e", positive=True)
    wrong, other = weight_at(gap)
    own = 1 / (1 + (kA - 1) * sp.exp(-gap) + kB * sp.exp(-gap * (1 - 1 / kA)))
    start = vanishing_equation().subs({gap_U: 0, K: kA + kB})
    return Derivation(
        steps=(
            Lemma("between-group threshold without a bias, and its uniqueness", "HL23-08"),
            Lemma("for x >= sqrt(n_min) the minority contrast is dead and its cross probability is 1/K", "HL23-03"),
            Identity("1 - p + q = kA q + kB r", 1 - own + wrong, kA * wrong + kB * other),
            Identity("at a = 0 the ridge is sqrt(nA), both probabilities 1/K", ridge_at(sp.Integer(0)), sp.sqrt(nA)),
            Identity("and the equation is -kA (nA - nB)/K", start, -kA * (nA - nB) / (kA + kB)),
            Positive("negative for nA = nB + e", -start.subs(nA, nB + e)),
            Lemma("dead: the logits of the minority are 0, hence its rows of W and its means", "HL23-08"),
            Lemma("alive for x <= sqrt(nB), dead for x >= sqrt(nA): the order of the three ridges", "HL23-10"),
        )
    )


MINORITY = Problem.ce([(9, 2), (4, 3)], 1)
UNEVEN = Problem.ce([(60, 2), (4, 3)], 1)

second = Claim(
    id="TH22-11",
    title="Ridge at which the minority vanishes",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"k_A \geq 2,\ R > 1:\quad w_B = \mu_B = 0 \iff x = \lambda N \geq x_U,\qquad \sqrt{n_{\min}} < x_U < x_0",
        r"x_U = \sqrt{n_A}(k_A p_o + k_B p_B),\qquad K\left(n_A k_B p_B^2 + n_B k_A/K^2\right) = x_U^2",
        r"p_o = e^{-a}/Q,\ p_B = e^{-a(1 - 1/k_A)}/Q,\ Q = 1 + (k_A - 1)e^{-a} + k_B e^{-a(1 - 1/k_A)}",
    ),
    relations=(sp.Equivalent(dead, x >= ridge_at(gap_U)),),
    read=VanishingReader(),
    hypotheses=(
        Hypothesis("two sizes", lambda problem: len(problem.clusters) == 2, dropped="the formula names two sizes"),
        Hypothesis(
            "at least two majority classes",
            lambda problem: problem.clusters[0].classes > 1,
            dropped="a single majority class vanishes together with the minority (TH22-09)",
        ),
        replace(PLAIN, dropped="HL23-08 shows what weights change"),
        replace(NO_BIAS, dropped=replace(MINORITY, bias="free").at("6.5")),
        WIDE,
    ),
    witness=MINORITY.at("6.5"),
    family=Family(sizes="two", bias=("none",), near=("between",)),
    settings=(MINORITY.at(7), MINORITY.at(4), MINORITY.at(9), Problem.ce([(16, 3), (4, 2)], "0.06"), STEP.at(6)),
    derivation=vanishing_derivation,
    rests_on=frozenset({"HL23-03", "HL23-08", "HL23-10"}),
    required="proved",
    mutants=(
        Mutant("equal to sqrt(n_min)", relations=(sp.Equivalent(dead, x >= sp.sqrt(nB)),), problem=MINORITY.at("6.5")),
        Mutant("n_min kA/K: the square missing", read=VanishingReader(nB * kA / K), problem=UNEVEN.at(36)),
        Mutant(
            "nonzero but equal up to x_0", relations=(sp.Equivalent(dead, x >= sp.sqrt(nA)),), problem=MINORITY.at(7)
        ),
    ),
    source="re-derived, printed constants not compared",
    note="HL23-08 without a bias in other words; that x_U is unique is proved there.",
)
