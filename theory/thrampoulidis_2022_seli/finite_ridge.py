"""Ridge cross-entropy at a finite ridge: two classes, any classes, and two sizes in four scalars."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import sympy as sp

from theory.blocks import Blocks, diagonal
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.hong_ling_2023.two_clusters import (
    block_square,
    block_steps,
    gradient_steps,
    margin_steps,
    rA0,
    rB0,
    solution_readings,
)
from theory.observables import between_dead, parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.seli_observables import entries, hh, hh2, hh12, n2, size_parameters, value_readings, ww, ww2, ww12
from theory.symbols import F, K, N, a, b, dead, dead_exact, kA, kB, n, nA, nB, pA, pB, qA, qB, rA, rB, s1, tA, tB, x
from theory.thrampoulidis_2022_seli.seli import PDP_OFF
from theory.thrampoulidis_2022_seli.settings import PAPER, TWO_CLASSES, TWO_EQUAL, equal_sizes

m_1, m_2 = sp.symbols("m_1 m_2", real=True)
"""Margins of the two classes."""

WIDE = Hypothesis(
    "d is at least K - 1", lambda problem: problem.dim >= problem.K - 1, dropped="for d < K - 1 only bounds"
)
PLAIN = Hypothesis(
    "no loss weights",
    lambda problem: all(run.weight == 1 for run in problem.runs),
    dropped="the paper has none; HL23-03 shows what they change",
)
NO_BIAS = Hypothesis("no bias", lambda problem: problem.bias == "none", dropped="the paper has none (HL23-06, HL23-07)")
RIDGE = (PLAIN, NO_BIAS, WIDE)

# --- two classes -------------------------------------------------------------------------------------------------


def pair_readings(optimum: Optimum) -> Iterator[Reading]:
    """Both margins and the state of Z; for the max-margin problem lengths and inner products.

    Examples
    --------
    >>> [sorted(map(str, reading)) for reading in pair_readings(Optimum(Problem.ce([9, 1], 1), "convex"))]
    [['K', 'N', 'dead', 'dead_exact', 'lambda', 'x']]
    """
    problem = optimum.problem
    if problem.model == "uf-svm":
        yield {**size_parameters(problem), **value_readings(optimum), **entries(optimum, 0, 1)}
        return
    least, most = optimum.rank
    state = True if most == 0 else False if least > 0 else None
    reading: Reading = {**parameters(problem), dead: state, dead_exact: optimum.exact_zero}
    if optimum.logits is not None:
        Z = optimum.logits
        reading = {**reading, m_1: Z[0, 0] - Z[1, 0], m_2: Z[1, 1] - Z[0, 1]}
    yield reading


HALF = sp.sqrt(N / 2)
MARGIN = sp.log(sp.Max(1, sp.sqrt(2 * N) / x - 1))


def pair_derivation() -> Derivation:
    """P D P = (N/2) P, and one scalar equation for the common margin."""
    margin, excess = sp.symbols("m d", positive=True)
    size = n + n2
    slope = -size * sp.exp(-margin) / (1 + sp.exp(-margin)) + x * sp.sqrt(size / 2)
    return Derivation(
        steps=(
            Lemma("max-margin: W W^T = (P D P)^(1/2), Hbar^T Hbar = its pseudo-inverse", "TH22-01"),
            Identity("P D P = (N/2) P", PDP_OFF.subs({K: 2, N: size}), -size / 4),
            Identity("root: ((1/2) sqrt(N/2) (1, -1; -1, 1))^2", 2 * (HALF / 2) ** 2, N / 4),
            Identity("the trace is sqrt(N/2)", 2 * HALF / 2, HALF),
            Lemma(
                "ridge: Z = (z_1, z_2) on (1, -1)/2, of rank one: |Z D^(1/2)|_* = sqrt((n_1 z_1^2 + n_2 z_2^2)/2)",
                "SVD",
            ),
            Lemma(
                "stationarity sigma(-z_i) = x z_i/(2 r), r the nuclear norm: sigma(-z) falls, z grows, so z_1 = z_2",
                "monotonicity",
            ),
            Identity(
                "with z_1 = z_2 = m the nuclear norm is m sqrt(N/2)",
                sp.sqrt((n + n2) * margin**2 / 2),
                margin * sp.sqrt(size / 2),
            ),
            Identity(
                "the derivative of N log(1 + e^-m) + x m sqrt(N/2)",
                sp.diff(size * sp.log(1 + sp.exp(-margin)) + x * margin * sp.sqrt(size / 2), margin),
                slope,
            ),
            Identity(
                "vanishes at e^m = sqrt(2 N)/x - 1",
                slope.subs(x, sp.sqrt(2 * size) / (1 + sp.exp(margin))),
                sp.Integer(0),
            ),
            Identity(
                "x = sqrt(2 N)/(2 + d) < sqrt(N/2) gives e^m = 1 + d > 1",
                sp.sqrt(2 * size) / (sp.sqrt(2 * size) / (2 + excess)) - 1,
                1 + excess,
            ),
        )
    )


TWO = Hypothesis("two classes", lambda problem: problem.K == 2, dropped="with three classes the sizes matter (TH22-07)")
NINE_ONE = Problem.ce([9, 1], 1)

two_classes = Claim(
    id="TH22-05",
    title="Two classes: no imbalance in the geometry",
    kind="equality",
    paper=PAPER,
    statement=(
        r"K = 2,\ \text{max-margin}:\quad W W^\top = \tfrac12\sqrt{N/2} \begin{pmatrix} 1 & -1 \\ -1 & 1 \end{pmatrix},"
        r"\quad \bar H^\top \bar H = \frac{1}{2\sqrt{N/2}} \begin{pmatrix} 1 & -1 \\ -1 & 1 \end{pmatrix},\quad f^* ="
        r" \sqrt{N/2}",
        r"\text{ridge } x = \lambda N < \sqrt{N/2}:\quad \text{both margins are } \log\left(\sqrt{2N}/x - 1\right)",
        r"Z = 0 \iff x \geq \sqrt{N/2}",
    ),
    relations=(
        *(
            sp.Eq(left, right, evaluate=False)
            for left, right in (
                (ww, HALF / 2),
                (ww2, HALF / 2),
                (ww12, -HALF / 2),
                (hh, 1 / (2 * HALF)),
                (hh2, 1 / (2 * HALF)),
                (hh12, -1 / (2 * HALF)),
                (F, HALF),
                (m_1, MARGIN),
                (m_2, MARGIN),
            )
        ),
        sp.Equivalent(dead, x >= HALF),
    ),
    read=pair_readings,
    hypotheses=(TWO, *RIDGE),
    witness=NINE_ONE.at("0.25"),
    family=Family(sizes="distinct", bias=("none",), near=("collapse",)),
    settings=(
        *(NINE_ONE.at(square) for square in ("0.0001", 1, "4.9", 5, "5.1")),
        Problem.ce([4, 4], 1).at(1),
        Problem.ce([1000, 1], 1).at(3),
        TWO_CLASSES,
        TWO_EQUAL,
        Problem.svm([10**4, 1]),
    ),
    derivation=pair_derivation,
    rests_on=frozenset({"TH22-01"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, right, evaluate=False),), problem=problem)
        for text, left, right, problem in (
            ("sqrt(N) instead of sqrt(N/2) in the geometry", ww, sp.sqrt(N) / 2, TWO_CLASSES),
            ("lengths depend on n_1/n_2", ww / ww2, sp.sqrt(N - 1), TWO_CLASSES),
            (
                "sqrt(N) instead of sqrt(2 N) in the margin",
                m_1,
                sp.log(sp.Max(1, sp.sqrt(N) / x - 1)),
                NINE_ONE.at("0.25"),
            ),
            ("the margin of the rare class is smaller", m_2, m_1 / 2, NINE_ONE.at("0.25")),
        )
    ),
    source="published result, constants re-derived",
)

# --- any classes -------------------------------------------------------------------------------------------------

lost, kept = sp.symbols("sin2_ZP sin2_ZP_equal", real=True)
"""1 - <Z, P>^2/(|Z|^2 |P|^2), for unequal sizes of three or more classes, and otherwise."""


def sine_readings(optimum: Optimum) -> Iterator[Reading]:
    """The squared sine between the logits and P; <Z, P> is the trace of Z, as columns are centred.

    Examples
    --------
    >>> list(sine_readings(Optimum(NINE_ONE, "convex")))
    []
    """
    Z, problem = optimum.logits, optimum.problem
    if Z is None:
        return
    trace, square = Z.trace(), (Z * Z).sum()
    if square > 0:
        symbol = kept if equal_sizes(problem) or problem.K == 2 else lost
        yield {K: sp.Integer(problem.K), symbol: 1 - trace * trace / (square * (problem.K - 1))}


def is_alive(problem: Problem) -> bool:
    """Whether Z* is not 0, i.e. (lam N)^2 is below the largest eigenvalue of P D P; decided exactly.

    Examples
    --------
    >>> [is_alive(NINE_ONE.at(square)) for square in ("4.9", 5)]
    [True, False]
    """
    top, *others = problem.clusters
    if problem.x2 >= top.size:
        return False
    if top.classes > 1 or problem.x2 <= others[0].size:
        return True
    secular = sum((c.classes / (c.size - problem.x2) for c in problem.clusters), Fraction(0))
    return secular < 0


def multiple_derivation() -> Derivation:
    """At Z = alpha P stationarity needs P D P proportional to P."""
    wrong, third, step = sp.symbols("q n_m d", positive=True)
    return Derivation(
        steps=(
            Identity("Z = alpha P: I - Q = K q P on the diagonal", (K - 1) * wrong, K * wrong * (1 - 1 / K)),
            Identity("and off it", -wrong, K * wrong * (-1 / K)),
            Lemma(
                "stationarity: (I - Q) D^(1/2) is x times the polar factor of P D^(1/2), (P D P)^(+1/2) P D^(1/2)",
                "subdifferential of the nuclear norm",
            ),
            Lemma("so K q P = x (P D P)^(+1/2), i.e. P D P = c P", "spectral theorem"),
            Identity(
                "entries: n_k + n_l is the same for all pairs", PDP_OFF - PDP_OFF.subs(n2, third), (third - n2) / K
            ),
            Positive("n_m = n_l + d with d > 0 contradicts it", ((third - n2) / K).subs(third, n2 + step)),
            Identity("two classes: one pair, P D P = (N/2) P", PDP_OFF.subs({K: 2, N: n + n2}), -(n + n2) / 4),
            Lemma(
                "where P D P = c P the scalar problem along alpha P has a stationary point; convexity",
                "first-order conditions",
            ),
        )
    )


ALIVE = Hypothesis("x is below the ridge at which Z vanishes", is_alive, dropped="Z = 0 has no direction")
THREE = Problem.ce([6, 3, 1], 1)

not_seli = Claim(
    id="TH22-07",
    title="At a finite ridge the logits are not SELI",
    kind="structure",
    paper=PAPER,
    statement=(r"0 < x < x_0:\quad Z \propto P = I - \tfrac1K J \iff \text{all sizes are equal, or } K = 2",),
    relations=(sp.Gt(lost, 0, evaluate=False), sp.Eq(kept, 0, evaluate=False)),
    read=sine_readings,
    hypotheses=(*RIDGE, ALIVE),
    witness=THREE.at("0.25"),
    family=Family(sizes="any", bias=("none",), near=("collapse", "merge")),
    settings=(
        THREE.at(1),
        THREE.at("0.0001"),
        NINE_ONE.at(1),
        Problem.ce([(4, 3)], 1).at(1),
        Problem.ce([(8, 3), (2, 2)], 1).at("0.04"),
        Problem.ce([(8, 2), (2, 2)], 1).at(3),
    ),
    derivation=multiple_derivation,
    required="proved",
    mutants=(
        Mutant("SELI at every ridge", relations=(sp.Eq(lost, 0, evaluate=False),), problem=THREE.at("0.25")),
        Mutant(
            "SELI for K <= 3", relations=(sp.Eq(lost * sp.Max(0, 4 - K), 0, evaluate=False),), problem=THREE.at("0.25")
        ),
        Mutant(
            "iff balanced, forgetting K = 2: a squared sine of 1/1000 for two unequal classes",
            relations=(sp.Ge(kept, sp.Rational(1, 1000), evaluate=False),),
            problem=NINE_ONE.at(1),
        ),
    ),
    source="published (abstract) qualitatively; the equivalence re-derived",
)

# --- two sizes ---------------------------------------------------------------------------------------------------

x_alive = sp.Symbol("x_u", positive=True)
"""x where the direction between the groups is alive."""


def scalar_readings(optimum: Optimum) -> Iterator[Reading]:
    """The readings of HL23-07, with the state of the direction between the groups.

    Examples
    --------
    >>> len(list(scalar_readings(Optimum(STEP.at(1), "exact"))))
    2
    """
    alive = between_dead(optimum) is False
    for reading in solution_readings(optimum):
        yield {**reading, x_alive: reading[x]} if alive and x in reading else reading


STEP = Problem.ce([(8, 3), (2, 2)], 1)
NORM = K * (nA * kB * rA**2 + nB * kA * rB**2)
ENTROPY = nA * kA * sp.log(1 + (kA - 1) * sp.exp(-a) + kB * sp.exp(-a * (1 - 1 / kA) - tA)) + nB * kB * sp.log(
    1 + (kB - 1) * sp.exp(-b) + kA * sp.exp(-b * (1 - 1 / kB) - tB)
)
OBJECTIVE = ENTROPY + x * ((kA - 1) * a * sp.sqrt(nA) + (kB - 1) * b * sp.sqrt(nB) + s1)
RADIUS = sp.sqrt(kA * kB / K) * sp.sqrt(nA * kA * tA**2 + nB * kB * tB**2)


def scalar_derivation() -> Derivation:
    """The system of HL23-07 without a bias, and both Gram matrices."""
    size = kA + kB
    u, v = sp.symbols("x_A y_B", positive=True)  # s/w and t/w
    classes = (kA, kB)
    unit = sp.sqrt(kA * kB * size)
    r = sp.sqrt(nA * kA * u**2 + nB * kB * v**2)
    ga, gb = sp.symbols("a b", positive=True)
    Z = Blocks(
        classes,
        (ga, gb),
        sp.Matrix([[-ga / kA + kB * u / unit, -kB * v / unit], [-kA * u / unit, -gb / kB + kA * v / unit]]),
    )
    D = diagonal(classes, (nA, nB))
    line = Blocks(classes, (sp.Integer(0),) * 2, sp.Matrix([[kB**2, -kA * kB], [-kA * kB, kA**2]]) * r / unit**2)
    contrasts = Blocks(
        classes, (sp.sqrt(nA) * ga, sp.sqrt(nB) * gb), sp.diag(-sp.sqrt(nA) * ga / kA, -sp.sqrt(nB) * gb / kB)
    )
    gram = Blocks(classes, contrasts.gaps, contrasts.entries + line.entries)
    mean_gaps = (ga / sp.sqrt(nA), gb / sp.sqrt(nB))
    outer = sp.Matrix([[u**2, -u * v], [-u * v, v**2]]) / r
    means = Blocks(classes, mean_gaps, sp.diag(-mean_gaps[0] / kA, -mean_gaps[1] / kB) + outer)
    return Derivation(
        steps=(
            *block_steps(),
            *gradient_steps(),
            *margin_steps(),
            Lemma("dead iff the norm at s = t = 0 is at most x", "HL23-07"),
            Identity(
                "w = sqrt(K/(kA kB)), x = s/w: own minus other group is s",
                u * (kB + kA) / unit,
                u / sp.sqrt(kA * kB / size),
            ),
            Identity("(W W^T)^2 = Z D Z^T with the closed form of W W^T", (gram @ gram).flat(), (Z @ D @ Z.T).flat()),
            Identity(
                "G D G = Z^T Z with the closed form G of Hbar^T Hbar",
                (means @ D @ means).flat(),
                (Z.T @ Z).flat(),
            ),
        )
    )


def _relation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


four_scalars = Claim(
    id="TH22-08",
    title="Two sizes at a finite ridge: four scalars",
    kind="equality",
    paper=PAPER,
    statement=(
        r"Z = a C_A + b C_B + u (s\, 1_A - t\, 1_B)^\top/w,\quad w = \sqrt{K/(k_A k_B)}",
        r"a > 0 \iff x < \sqrt{n_A},\qquad b > 0 \iff x < \sqrt{n_B}",
        r"\sqrt{n_A}(k_A p_o + k_B p_B) = x,\qquad \sqrt{n_B}(k_B q_o + k_A q_A) = x",
        r"K(n_A k_B p_B^2 + n_B k_A q_A^2) = x^2,\qquad s\, k_A q_A = t\, k_B p_B",
        r"N f^* = n_A k_A \log Q_A + n_B k_B \log Q_B + x\left((k_A - 1) a \sqrt{n_A} + (k_B - 1) b \sqrt{n_B} +"
        r" r\right),\quad r = \sqrt{n_A k_A s^2 + n_B k_B t^2}/w",
        r"W W^\top \propto \sqrt{n_A} a C_A + \sqrt{n_B} b C_B + r u u^\top,\quad \bar H^\top \bar H \propto"
        r" \frac{a}{\sqrt{n_A}} C_A + \frac{b}{\sqrt{n_B}} C_B + \frac1r z z^\top,\quad z = (s\, 1_A, -t\, 1_B)/w",
        r"s = t = r = 0 \iff K(n_A k_B p_B^2 + n_B k_A q_A^2) \leq x^2 \text{ at the solution with } s = t = 0",
    ),
    relations=(
        _relation(kA * qA + kB * rA, sp.Min(1, x / sp.sqrt(nA))),
        _relation(kB * qB + kA * rB, sp.Min(1, x / sp.sqrt(nB))),
        _relation(NORM, x_alive**2),
        _relation(tA * kA * rB, tB * kB * rA),
        _relation(F * N, OBJECTIVE),
        _relation(s1**2, RADIUS**2),
        _relation(sp.log(pA / rA), a * (1 - 1 / kA) + tA),
        _relation(sp.log(pB / rB), b * (1 - 1 / kB) + tB),
        sp.Equivalent(dead, x >= sp.sqrt(block_square(rA0, rB0))),
    ),
    read=scalar_readings,
    hypotheses=(
        Hypothesis("two sizes", lambda problem: len(problem.clusters) == 2, dropped="the formula names two sizes"),
        *RIDGE,
    ),
    witness=STEP.at("0.04"),
    family=Family(sizes="two", bias=("none",), near=("merge", "between")),
    settings=(
        STEP.at(1),
        STEP.at("2.5"),
        STEP.at(5),
        Problem.ce([9, (4, 3)], 1).at(1),
        Problem.ce([(9, 3), 4], 1).at(1),
    ),
    derivation=scalar_derivation,
    rests_on=frozenset({"HL23-07"}),
    required="proved",
    mutants=(
        *(
            Mutant(text, relations=(_relation(left, right),), problem=STEP.at("0.04"))
            for text, left, right in (
                ("n instead of sqrt(n) in the first equation", nA * (kA * qA + kB * rA), x),
                ("K missing in the norm", NORM / K, x_alive**2),
                ("sizes in the direction", tA * kA * nB * rB, tB * kB * nA * rA),
                ("sizes missing in r", s1**2, RADIUS**2 / nB),
                ("margins without 1 - 1/k", sp.log(pA / rA), a + tA),
            )
        ),
        Mutant(
            "the direction between the groups lives for every x < sqrt(nA)",
            relations=(sp.Equivalent(dead, x >= sp.sqrt(nA)),),
            problem=Problem.ce([(9, 3), 4], 1).at("8.9"),
        ),
    ),
    source="re-derived, printed constants not compared",
    note="The system of HL23-07 without a bias in other unknowns; the Gram matrices follow from the logits by the last "
    "two steps of the derivation and are not observed; a term whose gap or r is 0 is absent.",
)
