"""Cross-entropy, equal sizes: the exact optimum at M = 1 (DA23-24), the best simplex frame at M >= 2 (DA23-25).

At M = 1 the problem is convex in the logits. At M >= 2 it is not, and the best simplex frame need not be optimal
(DA23-26): DA23-25 is about points with logits a (I - J/K) only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.deep_observables import G, Lam, M, a, deep_parameters, frame_loss, frame_objective, q
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.hong_ling_2023.balanced import bias_size, deviation, elementary_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, alpha, dead, n

PAPER = "dang_2023_deep_linear"
k = sp.Symbol("k", positive=True)
"""K - 1 in derivations."""

EQUAL = Hypothesis(
    "all sizes and loss weights are equal",
    lambda problem: len(problem.clusters) == 1 and problem.clusters[0].weight == 1,
    dropped=Problem.ce([9, 9, 4], "0.04"),
)
SHALLOW = Hypothesis(
    "cross-entropy, M = 1",
    lambda problem: problem.key == "ce",
    dropped=Problem.ce([(5, 2)], ["0.1", "0.2"], "0.01"),
)
ROOM = Hypothesis(
    "no width below K - 1",
    lambda problem: min(problem.layer_widths) >= problem.K - 1,
    dropped="in fewer dimensions no simplex frame fits",
)
LAYERS = Hypothesis(
    "cross-entropy, M >= 2", lambda problem: problem.key == "ce-deep", dropped="M = 1 is DA23-24: no jump there"
)
EQUAL_LAYERS = replace(
    EQUAL, dropped="with unequal sizes the penalty of a (I - J/K) has other singular values; it is not observed"
)


def balanced_readings(optimum: Optimum) -> Iterator[Reading]:
    """Contrast, deviation from a multiple of I - J/K, bias, value and state, with g = G_n.

    Examples
    --------
    >>> (reading,) = balanced_readings(Optimum(Problem.ce([(9, 4)], "0.04"), "exact", contrasts=("alive",)))
    >>> reading[G], reading[dead]
    (3/25, False)
    """
    for reading in elementary_readings(optimum):
        yield {**reading, **deep_parameters(optimum.problem)}


def balanced_derivation() -> Derivation:
    """Average over permutations, then one variable."""
    g, m = sp.symbols("g m", positive=True)
    value = sp.log(1 + k * sp.exp(-a)) + g * k * a
    slope = k * (g - 1 / (sp.exp(a) + k))
    return Derivation(
        steps=(
            Lemma("the cheapest factors of Z cost sqrt(n lambda_W lambda_H) |Z|_*, as d >= K - 1", "DA23-01"),
            Lemma(
                "loss and nuclear norm are convex and invariant under simultaneous permutations of rows and columns: "
                "averaging (Z, b) gives Z = a I + constant, b constant, and costs nothing",
                "Jensen's inequality",
            ),
            Lemma("constant columns only add to the nuclear norm: Z = a (I - J/K)", "projection does not raise |Z|_*"),
            Lemma("the minimiser is unique up to the bias constant", "strict convexity of CE modulo constants"),
            Lemma("lambda_b > 0: a constant added to b changes the penalty only, so b = 0", "monotonicity"),
            Identity("f = log(1 + (K-1) e^-a) + g (K-1) a has the slope", sp.diff(value, a), slope),
            Identity("... 0 at e^a = (1 - (K-1) g)/g", slope.subs(sp.exp(a), (1 - k * g) / g), sp.Integer(0)),
            Identity("f is convex: f''", sp.diff(slope, a), k * sp.exp(a) / (sp.exp(a) + k) ** 2),
            Positive("... > 0", k * sp.exp(a) / (sp.exp(a) + k) ** 2),
            Positive("K g < 1, 1 = K g + m: the root has e^a > 1", ((k + 1) * g + m - k * g) / g - 1),
            Identity("the slope at a = 0", slope.subs(a, 0), k * (g - 1 / (k + 1))),
            Positive("K g >= 1, g = (1 + m)/K: no decrease from a = 0", k * ((1 + m) / (k + 1) - 1 / (k + 1))),
        )
    )


GAP = sp.log(1 + sp.Max(0, (1 - K * G) / G))
BALANCED = Problem.ce([(9, 4)], "0.04")

balanced = Claim(
    id="DA23-24",
    title="Cross-entropy, one layer, equal sizes",
    kind="equality",
    paper=PAPER,
    statement=(
        r"M = 1,\ n_k = n,\ d \geq K-1,\ g = \sqrt{n \lambda_W \lambda_H}:\quad Z = a \left(I - \tfrac{1}{K} J\right),"
        r"\quad a = \log\frac{1 - (K-1) g}{g} \text{ if } K g < 1,\quad a = 0 \text{ otherwise}",
        r"f^* = \log\left(1 + (K-1) e^{-a}\right) + g (K-1) a,\quad \text{all entries of } b \text{ equal, } 0"
        r" \text{ if } \lambda_b > 0",
    ),
    relations=(
        sp.Eq(alpha, GAP, evaluate=False),
        sp.Eq(deviation, 0, evaluate=False),
        sp.Eq(bias_size, 0, evaluate=False),
        sp.Eq(F, frame_loss(GAP) + G * (K - 1) * GAP, evaluate=False),
        sp.Equivalent(dead, K * G >= 1),
    ),
    read=balanced_readings,
    hypotheses=(SHALLOW, EQUAL, ROOM),
    witness=BALANCED,
    family=Family(sizes="balanced", near=("merge",)),
    settings=(
        BALANCED.at(9),
        BALANCED.at(12),
        Problem.ce([(4, 3)], "0.1", "0.02", dim=2),
        Problem.ce([(5, 2)], "0.01", bias="free"),
        Problem.ce([(7, 3)], "0.02", bias="1/10"),
    ),
    derivation=balanced_derivation,
    rests_on=frozenset({"DA23-01"}),
    required="proved",
    source="published result; constants re-derived",
    mutants=(
        Mutant(
            "n lost: g = sqrt(lambda_W lambda_H)",
            relations=(sp.Eq(alpha, GAP.subs(G, G / sp.sqrt(n)), evaluate=False),),
            problem=BALANCED,
        ),
        Mutant(
            "a = log((1 - K g)/g)", relations=(sp.Eq(alpha, sp.log((1 - K * G) / G), evaluate=False),), problem=BALANCED
        ),
        Mutant(
            "dead from (K-1) g = 1",
            relations=(sp.Equivalent(dead, (K - 1) * G >= 1),),
            problem=BALANCED.at(12),
        ),
        Mutant(
            "half the penalty: g (K-1) a/2",
            relations=(sp.Eq(F, frame_loss(GAP) + G * (K - 1) * GAP / 2, evaluate=False),),
            problem=BALANCED,
        ),
    ),
)

frame_value, frame_scale, frame_zero = sp.symbols("F_frame a_frame F_frame_0", real=True)
"""Observed: smallest value of any point with logits a (I - J/K), its a; the value where zero wins."""
turn, tie = sp.symbols("a_turn a_tie", positive=True)
"""Where rho is smallest; where frame and zero tie."""

STATIONARY = G * (sp.exp(a) + K - 1) - a ** ((M - 1) / (M + 1))
"""0 at the stationary points of F: 1/(e^a + K - 1) = G_n a^(-(M-1)/(M+1))."""
TURN = turn * sp.exp(turn) / (sp.exp(turn) + K - 1) - (M - 1) / (M + 1)
TIE = sp.log(K) - frame_loss(tie) - (M + 1) / sp.Integer(2) * (K - 1) * tie / (sp.exp(tie) + K - 1)


def frame_readings(optimum: Optimum, stationary: sp.Expr = STATIONARY, always: bool = False) -> Iterator[Reading]:
    """Best frame as observed, with the largest stationary point where it beats zero (``always``: wherever it exists).

    Examples
    --------
    >>> facts = {"frame_value": 0.1, "frame_scale": 2.0, "frame_alive": True}
    >>> (reading,) = frame_readings(Optimum(FRAMES, "exact", facts=facts))
    >>> reading[frame_scale], reading[a].unknown, reading[dead]
    (2.0, a, False)
    """
    facts, reading = optimum.facts, dict[sp.Symbol, Any](deep_parameters(optimum.problem))
    if "frame_value" not in facts:
        return
    alive = facts["frame_alive"]
    reading |= {dead: None if alive is None else not alive, tie: Root(tie, TIE, sp.Integer(0), sp.oo)}
    if alive or always:
        reading |= {frame_value: facts["frame_value"], frame_scale: facts["frame_scale"]}
        reading[turn] = Root(turn, TURN, sp.Integer(0), sp.oo)
        reading[a] = Root(a, stationary, turn, sp.oo)
    elif alive is False:
        reading[frame_zero] = facts["frame_value"]
    yield reading


def frame_derivation() -> Derivation:
    """F' has the sign of a convex function, so the larger of its two zeros is the only local minimum beside 0."""
    g, r, s, m = sp.symbols("g q s m", positive=True)  # exponent q = 2/(M+1); s = 1 - q
    objective = sp.log(1 + k * sp.exp(-a)) + g * k * a**r / r
    slope = -k / (sp.exp(a) + k) + g * k * a ** (r - 1)
    rho = sp.log(sp.exp(a) + k) + sp.log(g) - s * sp.log(a)
    e = sp.Symbol("e", positive=True)  # e^a
    return Derivation(
        steps=(
            Lemma("logits a (I - J/K) have the singular values a, K - 1 times; X = Z sqrt(n)", "spectral theorem"),
            Lemma("the cheapest factors cost (L/2) Lam^(1/L) sum_i s_i(X)^(2/L), L = M + 1", "DA23-01"),
            Identity(
                "(L/2) Lam^(1/L) (a sqrt(n))^(2/L) = (L/2) G_n a^(2/L): logarithms, q = 2/L",
                sp.log(Lam) * r / 2 + r * sp.log(a * sp.sqrt(n)),
                sp.log(n * Lam) * r / 2 + r * sp.log(a),
            ),
            Lemma("a bias is best constant: averaging over permutations keeps Z, costs nothing", "Jensen's inequality"),
            Identity("F'", sp.diff(objective, a), slope),
            Identity(
                "F' (e^a + K - 1) a^(1-q)/(K-1): 0 where 1/(e^a + K - 1) = G_n a^(q-1)",
                sp.expand(slope * (sp.exp(a) + k) * a ** (1 - r) / k),
                sp.expand(g * (sp.exp(a) + k) - a ** (1 - r)),
            ),
            Identity(
                "rho = log of the ratio of both terms; rho''",
                sp.diff(rho, a, 2),
                k * sp.exp(a) / (sp.exp(a) + k) ** 2 + s / a**2,
            ),
            Positive("... > 0: rho is convex, so F rises, falls, rises", k * e / (e + k) ** 2 + s / a**2),
            Identity(
                "rho' = 0 where a e^a/(e^a + K - 1) = 1 - q", a * sp.diff(rho, a), a * sp.exp(a) / (sp.exp(a) + k) - s
            ),
            Identity(
                "tie with zero: insert G_n = a^(1-q)/(e^a + K-1) in F(a) = log K",
                (g * k * a**r / r).subs(g, a ** (1 - r) / (sp.exp(a) + k)),
                k * a / (r * (sp.exp(a) + k)),
            ),
            Identity(
                "the difference w of the sides of the tie equation falls, then rises: w' (e^a + k)/k",
                sp.diff(-sp.log(1 + k * sp.exp(-a)) - k * a / (r * (sp.exp(a) + k)), a) * (sp.exp(a) + k) / k,
                1 - 1 / r + a * sp.exp(a) / (r * (sp.exp(a) + k)),
            ),
            Positive(
                "... which increases in a, from 1 - 1/q < 0", sp.diff(a * e / (e + k), a) + a * k * e / (e + k) ** 2
            ),
            Positive("1/q = (M+1)/2 > 1 for M = 1 + m", (m + 2) / 2 - 1),
            Lemma("so exactly one a > 0 ties, and the frame wins for smaller G_n: F increases in G_n", "monotonicity"),
        )
    )


FRAMES = Problem.ce([(1, 4)], ["0.02"] * 3, "0.02")
WINDOW = Problem.ce([(1, 3)], ["0.19"] * 2, "0.19")
"""Zero beats the best frame, which has a stationary point still."""
SIZED = Problem.ce([(5, 4)], ["0.02", "0.01"], "0.03")

restricted = Claim(
    id="DA23-25",
    title="Cross-entropy, several layers, equal sizes: the best simplex frame",
    kind="equality",
    paper=PAPER,
    statement=(
        r"M \geq 2,\ n_k = n,\ Z = a (I - \tfrac{1}{K} J),\ G_n = (n \Lambda)^{1/(M+1)}:\quad"
        r" F(a) = \log\left(1 + (K-1) e^{-a}\right) + \tfrac{M+1}{2} (K-1) G_n a^{2/(M+1)}",
        r"\min_a F = \min(F(a_*), \log K),\quad a_* \text{ the largest root of }"
        r" \frac{1}{e^a + K - 1} = G_n a^{-(M-1)/(M+1)}",
        r"\text{zero wins} \iff G_n \geq \frac{a_t^{(M-1)/(M+1)}}{e^{a_t} + K - 1},\quad"
        r" \log\frac{K}{1 + (K-1) e^{-a_t}} = \frac{(M+1)(K-1) a_t}{2 (e^{a_t} + K - 1)}",
    ),
    relations=(
        sp.Eq(frame_scale, a, evaluate=False),
        sp.Eq(frame_value, frame_objective(), evaluate=False),
        sp.Eq(frame_zero, sp.log(K), evaluate=False),
        sp.Equivalent(dead, G * (sp.exp(tie) + K - 1) >= tie ** ((M - 1) / (M + 1))),
    ),
    read=frame_readings,
    hypotheses=(LAYERS, EQUAL_LAYERS, ROOM),
    witness=FRAMES,
    family=Family(sizes="balanced", near=("frame",), model="ce-deep", depths=(2, 3, 4, 5, 6)),
    settings=(
        WINDOW,
        SIZED,
        Problem.ce([(1, 6)], ["0.01"] * 2, "0.01"),
        Problem.ce([(1, 2)], ["0.12"] * 4, "0.12"),
        Problem.ce([(1, 5)], ["0.2"] * 2, "0.2"),
        Problem.ce([(2, 4)], ["0.02", "0.03"], "0.01", bias="free", widths=[3, 7]),
    ),
    derivation=frame_derivation,
    rests_on=frozenset({"DA23-01"}),
    required="proved",
    source="re-derived; no published counterpart is known",
    note="The optimum among points of this shape only, in general not the global one (DA23-26). At the tie both are "
    "optimal among frames.",
    mutants=(
        Mutant(
            "exponent (M-1)/M",
            read=partial(frame_readings, stationary=STATIONARY.subs(a ** ((M - 1) / (M + 1)), a ** ((M - 1) / M))),
            problem=FRAMES,
        ),
        Mutant(
            "G = Lam^(1/L) without n",
            read=partial(frame_readings, stationary=STATIONARY.subs(G, Lam ** (1 / (M + 1)))),
            problem=SIZED,
        ),
        Mutant(
            "the root is taken without comparing with log K",
            relations=(sp.Eq(frame_value, frame_objective(), evaluate=False),),
            read=partial(frame_readings, always=True),
            problem=WINDOW,
        ),
        Mutant(
            "constant 1/2 for (M+1)/2",
            relations=(sp.Eq(frame_value, frame_loss() + (K - 1) * G * a**q / 2, evaluate=False),),
            problem=FRAMES,
        ),
    ),
)
