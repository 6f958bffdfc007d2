"""Two minority classifiers turn from an obtuse to an acute angle at one ratio of the sizes; no other pair ever does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.optimum import Optimum
from theory.problem import Problem
from theory.seli_observables import R, hAA, hAB, hBB, rho, step_readings, wAA, wAB, wBB
from theory.symbols import K, dead, dead_exact, kA, kB
from theory.thrampoulidis_2022_seli.settings import (
    BASIC,
    CIFAR,
    PAPER,
    STEEP,
    STEP,
    STEPS,
    TIE,
    with_two_sizes,
)
from theory.thrampoulidis_2022_seli.step_closed_forms import W_BB, q

below = sp.Symbol("R_down", positive=True)
"""R again, in the readings that ask for an angle of at least 90 degrees."""

STAR = 1 + (2 - rho) / (1 - rho) ** 2
UNEVEN = Problem.svm([("31/4", 1), (1, 2)])
"""rho = 2/3."""


def star(problem: Problem) -> Problem:
    """The same classes exactly at the ratio R*, in units of the smallest size.

    Examples
    --------
    >>> [str(run.size) for run in star(STEP).runs]
    ['49/9', '1']
    """
    A, B = problem.clusters
    share = sp.Rational(B.classes, problem.K)
    return Problem.svm([(str(STAR.subs(rho, share)), A.classes), (1, B.classes)], dim=problem.dim)


def sign_readings(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """The sign of <w_B, w_B'> in two readings: whether it is at least 0, and whether it is at most 0.

    Examples
    --------
    >>> [reading[dead] for reading in sign_readings(Optimum(STEP, "convex"))]
    [None, None]
    """
    exact = optimum.facts.get("orthogonal") or None
    for reading in step_readings(optimum):
        inner = reading.pop(wBB, None)
        sign = None if inner is None or not (inner > 0 or inner < 0) else bool(inner > 0)
        yield {**reading, dead: sign, dead_exact: exact}
        ratio = reading.pop(R)
        others = (hAA, hBB, wAA, wAB, hAB)
        rest = {symbol: value for symbol, value in reading.items() if symbol not in others}
        yield {**rest, below: ratio, dead: None if sign is None else not sign, dead_exact: exact}


def sign_derivation() -> Derivation:
    """Where the closed form vanishes, and why the others do not."""
    size = kA + kB
    share = {rho: kB / size, K: size}
    star_value = STAR.subs(share)
    step, less = sp.symbols("d t", positive=True)
    tau = sp.Symbol("tau", positive=True)
    return Derivation(
        steps=(
            Lemma("closed forms of the inner products", "TH22-12"),
            Identity(
                "<w_B, w_B'>/q = (sqrt(tau) kA/K - 1)/kB",
                (W_BB / q).subs({R: (tau - 1 + rho) / rho}),
                (sp.sqrt(tau) * kA / K - 1) / kB,
            ),
            Identity("tau(R*) = (K/kA)^2", (1 - rho + rho * STAR).subs(share), (size / kA) ** 2),
            Identity("1 - rho = kA/K: R* depends on rho only", (1 - kB / size), kA / size),
            Positive("tau grows with R, so the sign is that of R - R*", sp.diff(1 - rho + rho * R, R)),
            Positive("R* > 1", star_value - 1),
            Identity(
                "majority classifiers: <w_A, w_A'> = (q/kA)(sqrt(tau) kB/K - sqrt(R))",
                -less + less * kB / size,
                -less * kA / size,
            ),
            Positive(
                "= -(q/kA)(sqrt(R) - sqrt(tau) + sqrt(tau) kA/K) < 0, as sqrt(R) >= sqrt(tau)", step + less * kA / size
            ),
            Positive(
                "class means, majority: 1/sqrt(R) - kB/(K sqrt(tau)) > 0: 1/R - (1 - rho)^2/tau at rho < 1",
                _majority_means(),
            ),
            Positive("class means, minority: 1 - kA/(K sqrt(tau)) > 0, as tau >= 1", 1 - kA / size),
            Positive(
                "majority with minority: -<w_A, w_B>, -<mu_A, mu_B>", sp.sqrt(tau) / size + 1 / (size * sp.sqrt(tau))
            ),
        )
    )


def _majority_means() -> sp.Expr:
    """The numerator of tau - R (kB/K)^2, positive with R = 1 + d."""
    step = sp.Symbol("d", positive=True)
    size = kA + kB
    return sp.expand((1 - rho + rho * (1 + step)).subs(rho, kB / size) * size**2 - (1 + step) * kB**2)


signs = Claim(
    id="TH22-14",
    title="Two sizes: the ratio at which minority classifiers are orthogonal",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\langle w_B, w_B' \rangle <, =, > 0 \iff R <, =, > R^* = 1 + \frac{2 - \rho}{(1 - \rho)^2}",
        r"\langle w_A, w_A' \rangle,\ \langle w_A, w_B \rangle,\ \langle \mu_A, \mu_A' \rangle,\ \langle \mu_A, \mu_B"
        r" \rangle,\ \langle \mu_B, \mu_B' \rangle < 0 \text{ for every } R",
    ),
    relations=(
        sp.Equivalent(dead, R >= STAR),
        sp.Equivalent(dead, below <= STAR),
        *(sp.Lt(inner, 0, evaluate=False) for inner in (wAA, wAB, hAA, hAB, hBB)),
    ),
    read=sign_readings,
    hypotheses=(
        *BASIC,
        with_two_sizes("R and rho are those of two sizes"),
        Hypothesis(
            "at least two minority classes",
            lambda problem: problem.clusters[-1].classes > 1,
            dropped="one minority class has no angle with another",
        ),
    ),
    witness=STEP,
    family=STEPS,
    settings=(
        TIE,
        star(STEP),
        star(UNEVEN),
        UNEVEN,
        STEEP,
        CIFAR,
        Problem.svm([(10, 1), (1, 3)]),
        Problem.svm([(30, 1), (1, 3)]),
    ),
    derivation=sign_derivation,
    rests_on=frozenset({"TH22-01", "TH22-12"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, sp.Ge(R, wrong)),), problem=problem)
        for text, wrong, problem in (
            ("rho and 1 - rho exchanged", 1 + (1 + rho) / rho**2, STEP),
            ("R* = 1/(1 - rho)^2", 1 / (1 - rho) ** 2, STEP),
            ("R* depends on K", STAR * K / 4, Problem.svm([(7, 4), (1, 4)])),
        )
    ),
    source="re-derived, printed constants not compared",
)
