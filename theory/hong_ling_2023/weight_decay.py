"""Weight decay silently changes lam: what the public growing-data experiment really used.

The public code penalises l_W |W|^2 + l_H |H|^2 + l_b |b|^2 without halves, with l_H = l/20 and l_W = 5 l, and its
optimiser adds (wd/2)|W|^2. Intended: lam N = l N = 0.1 for every sample size. HL23-R5 lists facts about that code.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import sympy as sp

from theory.claim import Claim, Reading
from theory.derivation import Derivation, Identity, Positive
from theory.observables import parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import N, nA, pA, qA, x

PAPER = "hong_ling_2023"

DECAY = Fraction(5, 10_000)
"""Weight decay of the optimiser in the published runs."""

INTENDED = Fraction(1, 10)
"""lam N as the experiment states it."""


def growing_data(majority: int) -> Problem:
    """The experiment at nA = ``majority``: kA = kB = 5, nB = nA//2, l = 0.1/N, l_b = 0.01, in halves.

    Examples
    --------
    >>> round(float(growing_data(500).x2) ** 0.5, 4), round(float(growing_data(5500).x2) ** 0.5, 4)
    (0.1696, 0.465)
    """
    minority = majority // 2
    scale = INTENDED / (5 * majority + 5 * minority)
    return Problem.ce(
        [(majority, 5), (minority, 5)], lambda_w=10 * scale + DECAY, lambda_h=scale / 10, bias=Fraction(2, 100)
    )


def effective_readings(optimum: Optimum) -> Iterator[Reading]:
    """The exact lam N of the problem, and the probabilities of a majority class (HL23-R3).

    Examples
    --------
    >>> (reading,) = effective_readings(Optimum(growing_data(500), "exact"))
    >>> reading[x]**2
    23/800
    """
    problem = optimum.problem
    majority = problem.clusters[0]
    reading: dict[sp.Symbol, object] = {x: parameters(problem)[x], nA: rational(majority.size)}
    if optimum.logits is not None and majority.classes > 1:
        P = optimum.probabilities
        own, sibling = majority.members[:2]
        reading |= {pA: P[own, own], qA: P[sibling, own]}
    yield reading


def effective_derivation() -> Derivation:
    """The effective lam of the settings, and why it exceeds the intended one.

    Examples
    --------
    >>> effective_derivation().failures()
    []
    """
    scale, decay = sp.symbols("l wd", positive=True)
    l_W, l_H = 5 * scale, scale / 20
    lambda_W, lambda_H = 2 * l_W + decay, 2 * l_H
    return Derivation(
        steps=(
            Identity("without decay the scaling gives lam = l exactly", sp.sqrt(2 * l_W * 2 * l_H), scale),
            Identity(
                "with decay, halves against no halves",
                lambda_W * lambda_H,
                (2 * sp.sqrt(scale / 20 * (5 * scale + decay / 2))) ** 2,
            ),
            Identity(
                "(lam N)^2 = (l N)^2 (1 + wd/(10 l)), l N = 0.1",
                lambda_W * lambda_H * N**2,
                (scale * N) ** 2 * (1 + decay / (10 * scale)),
            ),
            Positive("so lam N exceeds l N, the more the larger N is", (1 + decay * N / (10 * scale)) - 1),
        ),
        complete=False,
        gap="the steps derive the correct value, which contradicts the statement",
    )


decay = Claim(
    id="HL23-R3",
    title="lam N = 0.1 in the growing-data experiment",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\lambda N = 0.1 \text{ for } l_H = l/20,\ l_W = 5l,\ l = 0.1/N,\ \text{weight decay } 5 \cdot 10^{-4}",
        r"\text{correct: } \lambda_{\mathrm{eff}} = 2 \sqrt{\tfrac{l}{20} \left(5 l + 2.5 \cdot 10^{-4}\right)}",
    ),
    relations=(
        sp.Eq(x, sp.Rational(1, 10), evaluate=False),
        sp.Eq(sp.sqrt(nA) * (1 - pA + qA), sp.Rational(1, 10), evaluate=False),
    ),
    read=effective_readings,
    family=None,
    witness=growing_data(500),
    settings=(growing_data(500), growing_data(2500), growing_data(5500)),
    derivation=effective_derivation,
    rests_on=frozenset({"HL23-03"}),
    status="refuted",
    required="refuted",
    source="public code, settings as published",
    note="lam_eff N is 0.1696 at nA = 500 and 0.4650 at nA = 5500, so sqrt(n)/(lam N) grows by a factor 1.2 only and "
    "the predicted cosine of majority columns moves from -0.13982 to -0.13917. The second relation reads lam N off the "
    "optimum by the p - q law.",
)

code_facts = Claim(
    id="HL23-R5",
    title="Minor facts about the public code",
    kind="structure",
    paper=PAPER,
    statement=(r"\text{facts that are seen by reading or running the public repository}",),
    family=None,
    status="note",
    source="public code",
    note="The minority-sweep script plots with an undefined variable na_list (NameError before saving). The optimiser "
    "is built with lr = 0.01 while the schedule is computed from 0.1, so the first learning-rate step is void. The "
    "README example of the convex-solver script has sizes (3, 3, 4 classes) other than its structure 1 (4, 3, 3).",
)
