"""Where the multiclass hinge collapses completely: in closed form for two sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.conjectures.hinge_limit import PLAIN_HINGE, STEP, equal, value_of
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import LINEAR, UNBIASED, WIDE, loss_parameters
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, dead, kA, kB, x

__all__ = ["hinge_zero"]

aA, aB = sp.symbols("a_A a_B", positive=True)
"""w sqrt(n/r) of either cluster."""
a, b = sp.symbols("a b", positive=True)


def outflow(size: sp.Expr, classes: sp.Expr) -> sp.Expr:
    """Least share that a class must give to the other cluster so that its own contrast fits below x.

    Examples
    --------
    >>> outflow(sp.Integer(2), sp.Integer(1)), outflow(sp.Integer(2), sp.Integer(3)).subs(x, 2)
    (1, 1)
    """
    return sp.Max(0, 1 - (classes - 1) * (x / size - 1))


COLLAPSED = K * (aA**2 * outflow(aA, kA) ** 2 / kB + aB**2 * outflow(aB, kB) ** 2 / kA) <= x**2


def zero_readings(optimum: Optimum, root: bool = False) -> Iterator[Reading]:
    """Whether the value is that of Z = 0, beside w sqrt(n/r) of both clusters (``root``: sqrt(w n/r), which is wrong).

    Examples
    --------
    >>> list(zero_readings(Optimum(BOTH, "exact")))
    []
    """
    problem, value = optimum.problem, value_of(optimum)
    if value is None:
        return
    one = 0 * value + 1
    A, B = problem.clusters
    mean = sum(n * w for n, w in zip(problem.sizes, problem.weights, strict=True)) / problem.N
    found: dict[sp.Symbol, Any] = {**loss_parameters(problem), kA: sp.Integer(A.classes), kB: sp.Integer(B.classes)}
    for symbol, c in ((aA, A), (aB, B)):
        ratio = rational(c.size / c.feature_decay)
        weight = rational(c.weight)
        found[symbol] = sp.sqrt(weight * ratio) if root else weight * sp.sqrt(ratio)
    flat = one * mean.numerator / mean.denominator
    before = [equal(v, flat) for v in map(value_of, optimum.companions) if v]
    yield {**found, dead: equal(value, flat, bool(before and before[0]))}


def just_below(problem: Problem) -> tuple[Problem]:
    """The same classes at a little less weight decay; two classes leave 0 in a jump, which is seen much closer.

    Below the threshold the value falls in proportion to the distance, and to the share in the loss of the cluster that
    leaves 0 farthest: the smaller the smallest share, the larger the step that shows it.

    Examples
    --------
    >>> [float(just_below(Problem.ce(sizes, 1).with_loss("hinge"))[0].x2) for sizes in ([9, 4], [10**4, 1])]
    [168.99996620000508, 99980001.00039987]
    """
    masses = [c.size * c.weight * c.classes for c in problem.clusters]
    least = Fraction(1, 10**7) if problem.K == 2 else STEP
    step = 1 + least * max(Fraction(1), sum(masses, Fraction(0)) / min(masses) / 5)
    return (problem.at(problem.x2 / step**2),)


def zero_derivation() -> Derivation:
    """Subgradients at 0: any distribution over the wrong classes; the best one is the same inside clusters."""
    qA, share = sp.symbols("q beta", positive=True)
    top = sp.Matrix([share, -share * kA / kB])
    return Derivation(
        steps=(
            Lemma(
                "Z = 0 is optimal iff |(I - Q) diag(w sqrt(n/r))| <= x for some Q of distributions q_k over the "
                "wrong classes: the subgradients at 0",
                "NR26-01",
            ),
            Lemma("the mean of Q over permutations inside the clusters is as good", "convexity of the norm"),
            Identity(
                "on the contrast of a cluster, q the share of each sibling: a (1 + q)",
                sp.Matrix([[1, -qA], [-qA, 1]]) * sp.Matrix([1, -1]) * a,
                a * (1 + qA) * sp.Matrix([1, -1]),
            ),
            Identity(
                "share of the other cluster beta = 1 - (k - 1) q; a (1 + q) <= x is beta >= 1 - (k-1) (x/a - 1)",
                (1 - (kA - 1) * qA).subs(qA, x / a - 1),
                1 - (kA - 1) * (x / a - 1),
            ),
            Identity(
                "cluster constants: column of A on 1_A and 1_B, in unit vectors beta (1, -sqrt(kA/kB))",
                sp.Matrix([top[0], top[1] * sp.sqrt(kB / kA)]),
                share * sp.Matrix([1, -sp.sqrt(kA / kB)]),
            ),
            Identity(
                "parallel to that of B, beta' (-sqrt(kB/kA), 1): one singular value, its square the sum of",
                a**2 * share**2 * (1 + kA / kB),
                (kA + kB) * a**2 * share**2 / kB,
            ),
            Identity(
                "(parallel)", sp.Matrix([1, -sp.sqrt(kA / kB)]) * (-sp.sqrt(kB / kA)), sp.Matrix([-sp.sqrt(kB / kA), 1])
            ),
            Lemma(
                "it grows with both shares, so the least ones decide; x < a with k >= 2 is excluded by it too, as "
                "then beta > 1 and (kA + kB) a^2/kB > x^2",
                "monotonicity",
            ),
            Positive("(kA + kB)/kB - 1", kA / kB),
        )
    )


BOTH = Problem.ce([(9, 2), (4, 3)], 1).with_loss("hinge")
HEAVY = Problem.ce([9, (4, 2)], 1, weights=[1, (3, 2)]).with_loss("hinge", feature_decay=[1, (2, 2)])
EXACT = Problem.ce([9, 4], 1).with_loss("hinge")
"""Collapses at x^2 = 2 (9 + 4)."""

hinge_zero = Claim(
    id="UC26-07",
    title="Where the multiclass hinge collapses completely, two clusters",
    kind="threshold",
    paper="conjectures",
    statement=(
        r"Z^* = 0 \iff K \left(\frac{a_A^2 \beta_A^2}{k_B} + \frac{a_B^2 \beta_B^2}{k_A}\right) \leq (\lambda N)^2,"
        r"\quad a = w \sqrt{n/r},\quad \beta = \max\left(0, 1 - (k - 1) \left(\tfrac{\lambda N}{a} - 1\right)\right)",
        r"\text{any sizes: } Z^* = 0 \iff \lambda N \geq \min_Q \|(I - Q)\, \mathrm{diag}(a)\|,\ "
        r"Q \text{ with columns of distributions over the wrong classes}",
    ),
    relations=(sp.Equivalent(dead, COLLAPSED),),
    read=zero_readings,
    companions=just_below,
    hypotheses=(
        PLAIN_HINGE,
        Hypothesis(
            "two clusters, no row decay",
            lambda p: len(p.clusters) == 2 and all(run.row_decay == 1 for run in p.runs),
            dropped="for more clusters the best Q is not known in closed form",
        ),
        replace(LINEAR, dropped=Problem.ce([(9, 2), (4, 3)], 1, model="ce-relu").with_loss("hinge").at("11.35")),
        UNBIASED,
        replace(WIDE, dropped="the descent from zero may need rank two, so one dimension need not do"),
    ),
    witness=BOTH.at(9),
    family=Family(
        sizes="two",
        bias=("none",),
        near=("merge",),
        model="loss",
        losses=("hinge",),
        knobs=("weights", "feature_decay"),
    ),
    settings=(
        BOTH.at("11.35"),
        BOTH.at(12),
        BOTH.at(20),
        HEAVY.at("34.2"),
        HEAVY.at("34.3"),
        *(EXACT.at(square) for square in (26, "26.00001", "25.99999")),
    ),
    derivation=zero_derivation,
    rests_on=frozenset({"NR26-01"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("where cross-entropy does: the largest a", (sp.Equivalent(dead, sp.Max(aA, aB) <= x),)),
        Mutant("nothing for siblings", (sp.Equivalent(dead, K * (aA**2 / kB + aB**2 / kA) <= x**2),)),
        Mutant("sqrt(w)", read=lambda optimum: zero_readings(optimum, root=True), problem=HEAVY.at(40)),
    ),
    survivors={"strict*": "at the threshold itself the derivation decides: 8 digits of a value do not"},
    note="Read off the value to 8 digits, here and at a little less weight decay. Equal classes collapse at "
    "lam N = K/(K-1) sqrt(n), where they also leave the max-margin solution: all or nothing.",
)
