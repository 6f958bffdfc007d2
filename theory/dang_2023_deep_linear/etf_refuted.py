"""Cross-entropy behind M >= 2 layers, K >= 3: "every global minimiser is a simplex frame" is false (DA23-26).

Block codes beat every simplex frame: the penalty is a quasi-norm of exponent 2/(M+1) < 1 and prefers low rank. For even
K cross-polytopes (blocks of two) do so for all small weight decays iff (K/2) 2^(2/(M+1)) < K - 1 (DA23-30).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.claim import Asymptotic, Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2023_deep_linear.cross_entropy import (
    EQUAL_LAYERS,
    FRAMES,
    LAYERS,
    PAPER,
    ROOM,
    frame_readings,
    frame_value,
)
from theory.deep_observables import M, a, at_price, best, c, deep_parameters, frame_objective, value_readings
from theory.derivation import Derivation, Identity, Lemma
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K

cross_value, cross_scale = sp.symbols("F_cross c_cross", real=True)
"""Smallest value of any cross-polytope, and its c."""
code_rank = sp.Symbol("r_code", integer=True)
"""Rank of the code that gives the upper bound."""


def code_readings(optimum: Optimum) -> Iterator[Reading]:
    """Best frame (observed, and by DA23-25), best cross-polytope, best point known and the rank of its code.

    Examples
    --------
    >>> facts = {"frame_value": 0.287, "frame_scale": 4.65, "frame_alive": True, "code": (2, 2)}
    >>> (reading,) = code_readings(Optimum(FRAMES, "enclosure", upper=0.262, facts=facts))
    >>> reading[frame_value] > reading[best], reading[code_rank]
    (True, 2)
    """
    facts, readings = optimum.facts, list(frame_readings(optimum))
    reading: dict[sp.Symbol, Any] = {**deep_parameters(optimum.problem), **value_readings(optimum)}
    for found in readings:
        reading |= found
    if "frame_value" in facts:
        reading[frame_value] = facts["frame_value"]
    if "cross_value" in facts:
        reading |= {cross_value: facts["cross_value"], cross_scale: facts["cross_scale"]}
    if "code" in facts:
        reading[code_rank] = sp.Integer(optimum.problem.K - len(facts["code"]))
    yield reading


def equal(classes: int, depth: int, price: str) -> Problem:
    """One sample per class, all weight decays equal: G_n is ``price``.

    Examples
    --------
    >>> equal(4, 3, "0.02") == FRAMES
    True
    """
    return Problem.ce([(1, classes)], [price] * depth, price)


THREE = Hypothesis(
    "K >= 3", lambda problem: problem.K >= 3, dropped="for K = 2 the logits have rank 1 and the frame is optimal"
)
COUNTEREXAMPLES = (
    equal(4, 2, "0.03"),
    equal(5, 2, "0.02"),
    equal(6, 2, "0.01"),
    equal(7, 2, "0.01"),
    equal(3, 2, "0.18"),
    equal(3, 4, "0.12"),
    equal(8, 2, "0.003"),
    equal(6, 3, "0.004"),
    equal(10, 3, "0.002"),
    equal(12, 2, "0.001"),
)
FRAME_WINS = (equal(4, 2, "0.005"), equal(3, 2, "0.16"))
"""Points where no code is known that beats the frame."""

frames_optimal = Claim(
    id="DA23-26",
    title="Cross-entropy, several layers: every global minimiser is a simplex frame",
    kind="structure",
    paper=PAPER,
    status="refuted",
    statement=(
        r"\text{cross-entropy},\ M \geq 2,\ K \geq 3,\ n_k = n,\ d_m \geq K-1:\quad"
        r" \text{every global minimiser has } Z = a (I - \tfrac{1}{K} J)",
    ),
    relations=(
        sp.Le(frame_value, best, evaluate=False),
        sp.Le(frame_objective(), best, evaluate=False),
    ),
    read=code_readings,
    hypotheses=(LAYERS, EQUAL_LAYERS, ROOM, THREE),
    witness=FRAMES,
    family=Family(sizes="balanced", bias=("none",), near=("frame",), model="ce-deep", depths=(2, 3, 4, 5, 6)),
    settings=(*COUNTEREXAMPLES, *FRAME_WINS),
    rests_on=frozenset({"DA23-25"}),
    required="refuted",
    source="the unconditional wording is published; its hypotheses were not seen, so this refutes the unconditional "
    "statement. Counterexamples derived here",
    mutants=(
        Mutant(
            "cross-polytopes beat frames at every G_n, also for K = 4, M = 2",
            relations=(sp.Lt(cross_value, frame_value, evaluate=False),),
            problem=FRAME_WINS[0],
        ),
        Mutant(
            "frames beat cross-polytopes at every G_n",
            relations=(sp.Lt(frame_value, cross_value, evaluate=False),),
            problem=FRAMES,
        ),
        Mutant(
            "the best code has rank 1, as for K = 3",
            relations=(sp.Eq(code_rank, 1, evaluate=False),),
            problem=FRAMES,
        ),
    ),
    note="The best frame is proved from below (DA23-25), the code is an explicit point proved from above. Unaffected: "
    "M = 1 (DA23-24) and K = 2. For K = 4, M = 2 and small G_n, and for K = 3 away from where zero takes over, no "
    "better point is known. For K = 3, ..., 8 and M = 2, 3, 4 a code with as many blocks of two as fit beats zero "
    "where the best frame ties with it: close to that tie the statement always fails. Sub-optimality of deep collapse: "
    "Garrod and Keating, arXiv:2410.23169.",
)

L = sp.Symbol("L", positive=True)
"""log(1/G_n)."""
PREFERENCE = K * 2 ** (2 / (M + 1)) / (2 * (K - 1))
"""Limit of the ratio of the values; below 1 the cross-polytope wins."""


def shrink(problem: Problem, scale: int) -> Problem:
    """The same classes and layers with all decays of W equal to G_n = e^-scale (to 50 digits).

    Examples
    --------
    >>> abs(float(sp.log(shrink(FRAMES, 20).product)) / 4 + 20) < 1e-9
    True
    """
    price = Fraction(1, int(sp.exp(scale).evalf(50)))
    same = replace(problem, lambda_w=price, deeper=(price,) * (problem.depth - 1))
    return at_price(same, price)


def small_readings(optimum: Optimum) -> Iterator[Reading]:
    """Values of the best frame and the best cross-polytope.

    Examples
    --------
    >>> facts = {"frame_value": 2.0, "cross_value": 1.0}
    >>> (reading,) = small_readings(Optimum(FRAMES, "exact", facts=facts))
    >>> reading[cross_value] / reading[frame_value]
    0.5
    """
    facts = optimum.facts
    if "cross_value" in facts:
        known = {frame_value: facts["frame_value"], cross_value: facts["cross_value"]}
        yield {**deep_parameters(optimum.problem), **known}


def small_derivation() -> Derivation:
    """Both minima sit at log(1/G_n) + (1-q) log log(1/G_n) + O(1), so the values compare like the penalties."""
    g, r, s = sp.symbols("g q s", positive=True)
    k = sp.Symbol("k", positive=True)
    frame = sp.log(1 + k * sp.exp(-a)) + g * k * a**r / r
    u = sp.Symbol("u", positive=True)  # e^c
    pull = (s * u + 2) / (u**2 + s * u + 1)
    return Derivation(
        steps=(
            Lemma("values of frames and cross-polytopes: K - 1 singular values a, K/2 singular values 2c", "DA23-01"),
            Identity(
                "frames: slope (K-1) (G_n a^(q-1) - 1/(e^a + K - 1))",
                sp.diff(frame, a),
                k * (g * a ** (r - 1) - 1 / (sp.exp(a) + k)),
            ),
            Identity(
                "cross-polytopes, s = K - 2, u = e^c: loss falls by (s u + 2)/(u^2 + s u + 1)",
                -sp.diff(sp.log(1 + s / u + 1 / u**2), u) * u,
                pull,
            ),
            Identity(
                "... which is (s + remainder)/u, the remainder of order 1/u",
                pull * u,
                s + ((2 - s**2) * u - s) / (u**2 + s * u + 1),
            ),
            Identity(
                "slope of their penalty: (s + 2)/2 2^q G_n c^(q-1)",
                sp.diff(g * (s + 2) / 2 * sp.exp(r * sp.log(2)) * c**r / r, c),
                g * (s + 2) / 2 * sp.exp(r * sp.log(2)) * c ** (r - 1),
            ),
            Lemma("as G_n -> 0 both minima tend to 0, so a and c tend to infinity", "values at a = c = log(1/G_n)"),
            Lemma(
                "logarithms of the stationarity equations: a - (1-q) log a = L + o(1), c - (1-q) log c = L + O(1), "
                "hence c - a = O(1) and c/a = 1 + O(1/L)",
                "monotonicity of t - (1-q) log t for t > 1",
            ),
            Identity(
                "at the stationary point the loss is at most (K-1) e^-a ~ (K-1) G_n a^(q-1), q/a times the penalty",
                (k * g * a ** (r - 1)) / (g * k * a**r / r),
                r / a,
            ),
            Identity(
                "so the ratio of the values is that of the penalties at a = c, up to O(1/L)",
                (g * (s + 2) / 2 * sp.exp(r * sp.log(2)) * a**r / r) / (g * (s + 1) * a**r / r),
                (s + 2) * sp.exp(r * sp.log(2)) / (2 * (s + 1)),
            ),
        )
    )


EVEN = Hypothesis(
    "K even, at least 4",
    lambda problem: problem.K % 2 == 0 and problem.K >= 4,
    dropped="for odd K there is no cross-polytope, at K = 2 it is the frame",
)

small_decay = Claim(
    id="DA23-30",
    title="Cross-polytopes and simplex frames at small weight decay",
    kind="limit",
    paper=PAPER,
    statement=(
        r"\frac{\min_c F_{\mathrm{cp}}(c)}{\min_a F(a)} = \frac{K\, 2^{2/(M+1)}}{2 (K-1)}"
        r" + O\left(\frac{1}{\log(1/G_n)}\right) \text{ as } G_n \to 0",
        r"\text{cross-polytopes win for all small } G_n \text{ if } \tfrac{K}{2} 2^{2/(M+1)} < K-1"
        r"\ (K \geq 6,\ \text{or } K = 4,\ M \geq 3);\quad \text{frames win for } K = 4,\ M = 2",
    ),
    relations=(Asymptotic(cross_value / frame_value, PREFERENCE, order=1),),
    read=small_readings,
    along=shrink,
    hypotheses=(LAYERS, EQUAL_LAYERS, ROOM, EVEN),
    witness=FRAMES,
    family=Family(sizes="balanced", bias=("none",), near=("frame",), model="ce-deep", depths=(2, 3, 4)),
    settings=(equal(4, 2, "0.03"), equal(6, 2, "0.01"), equal(8, 5, "0.01")),
    derivation=small_derivation,
    rests_on=frozenset({"DA23-01"}),
    required="proved",
    source="re-derived; no published counterpart is known",
    mutants=(
        Mutant(
            "K/2 < K - 1 alone decides",
            relations=(Asymptotic(cross_value / frame_value, K / (2 * (K - 1)), order=1),),
            problem=FRAMES,
        ),
        Mutant(
            "exponent 2/M",
            relations=(Asymptotic(cross_value / frame_value, K * 2 ** (2 / M) / (2 * (K - 1)), order=1),),
            problem=FRAMES,
        ),
        Mutant("valid at every G_n", along=lambda problem, scale: problem, problem=FRAMES),
    ),
    note="Which of the two is optimal among all points is open; the rule compares these two shapes.",
)
