"""Where descents end when the simplex fits, and why no convex program in the Gram matrix sees the dimension."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.lu_steinerberger_2020.minimum_value import point_steps, slack_steps
from theory.lu_steinerberger_2020.settings import COLD, PENTAGON, ROOMY, SQUARE, TRIANGLE, WORKED
from theory.optimum import Optimum
from theory.problem import Problem
from theory.sphere_observables import (
    PAPER,
    UNIT,
    a,
    at_most,
    best,
    d,
    n,
    simplex_value,
    sphere_parameters,
    values,
    wide,
)

VALUE = simplex_value()
end, bottom = sp.symbols("L_end L_bottom", positive=True)
"""Where one random start ended; the best point of the same route."""
relaxed = sp.Symbol("L_relaxed", real=True)
"""Value of the convex relaxation over Gram matrices."""


def end_readings(optimum: Optimum) -> Iterator[Reading]:
    """One reading per random start of a route that descends.

    Examples
    --------
    >>> searched = Optimum(WORKED, "nonconvex", upper=sp.Integer(2), work={"values": [2.25, 2.5]})
    >>> [float(reading[end]) for reading in end_readings(searched)]
    [2.25, 2.5]
    """
    if optimum.upper is None:
        return
    for value in optimum.work.get("values", []):
        yield {**sphere_parameters(optimum.problem), end: 0 * optimum.upper + value, bottom: optimum.upper}


def landscape_derivation() -> Derivation:
    """Where a critical point leaves a dimension free, the second variation is the dual certificate.

    f is convex in the Gram matrix G (one family) or in its block of the <u_i, v_j> (two), S its gradient, Lambda the
    diagonal matrix of multipliers of the unit lengths.
    """
    t, x, y, z, g = sp.symbols("t x y z g", real=True)
    p, q = sp.symbols("p_ij p_ji", positive=True)
    curve = (g + t**2 * x * y) / sp.sqrt((1 + t**2 * x**2) * (1 + t**2 * y**2))
    S, G = (
        sp.Matrix(3, 3, lambda i, j, name=name: sp.Symbol(f"{name}_{min(i, j)}{max(i, j)}", real=True)) for name in "sg"
    )
    for k in range(3):
        G[k, k] = 1
    w = sp.Matrix([x, y, z])
    pairs = [(i, j) for i in range(3) for j in range(3)]
    change = sum(S[i, j] * (w[i] * w[j] - G[i, j] * (w[i] ** 2 + w[j] ** 2) / 2) for i, j in pairs)
    multipliers = sp.diag(*(sum(S[i, j] * G[i, j] for j in range(3)) for i in range(3)))
    return Derivation(
        (
            Lemma("(S - Lambda) V = 0 with lambda_i = sum_j S_ij G_ij at a critical point", "Lagrange multipliers"),
            Identity(
                "v_i + t w_i e, normalised, e orthogonal to all vectors: t^2 of the inner product of two of them",
                sp.diff(curve, t, 2).subs(t, 0) / 2,
                x * y - g * (x**2 + y**2) / 2,
            ),
            Identity(
                "so t^2 of the objective is w^T (S - Lambda) w (three vectors)",
                change,
                (w.T * (S - multipliers) * w)[0],
            ),
            Lemma("rank V < d leaves such an e: at a second-order point S - Lambda >= 0", "second-order condition"),
            Lemma("f(G') - f(G) >= <S - Lambda, G' - G> = <S - Lambda, G'> >= 0: a global minimum", "convexity"),
            Positive("one family: S_ij = a (p_ij + p_ji)/2 > 0 for i != j", a * (p + q) / 2),
            Lemma("rank V = n would make S = Lambda diagonal: impossible, so d >= n always leaves an e", "rank"),
            Identity(
                "rank V = d = n - 1 >= 2: S - Lambda = t w w^T, and three products of entries off the diagonal have the"
                " sign of t",
                (t * x * y) * (t * y * z) * (t * x * z),
                t**3 * (x * y * z) ** 2,
            ),
            Lemma("they are positive, so t > 0 and S - Lambda >= 0: a global minimum", "convexity"),
            Lemma(
                "two families: S V = A U with A diagonal; A_i = 0 only if all v_j coincide, as |sum_j p_ij v_j| < 1"
                " otherwise; so rank (U, V) = rank V <= n",
                "strict convexity of the ball",
            ),
            Lemma("if all v_j coincide, S^T U = B V puts all u_j on one line: rank <= 2", "mean of the u_j"),
            Lemma("d >= n + 1 leaves an e, and the argument is the same", "second-order condition"),
            Lemma("descents avoid strict saddles from almost every start", "stable manifold theorem"),
        ),
        complete=False,
        gap="two families with d = n - 1 or d = n",
    )


landscape = Claim(
    id="LS20-20",
    title="Every descent finds the simplex",
    kind="structure",
    paper=PAPER,
    status="conjecture",
    statement=(r"d \geq n - 1:\quad \text{descents on } L_1 \text{ and } L_2 \text{ from random starts end at } L^*",),
    relations=(sp.Eq(end / VALUE, 1, evaluate=False),),
    read=end_readings,
    hypotheses=(
        UNIT,
        Hypothesis("d >= n - 1", wide, dropped=Problem.sphere(5, 3, 7, families=1)),
        at_most(16, "only the check needs it: for larger a the surface is flat to rounding"),
    ),
    witness=WORKED,
    family=Family(model="ce-sphere", near=(), dims="wide"),
    settings=(TRIANGLE, COLD, ROOMY, Problem.sphere(6, 5, 4, families=1)),
    derivation=landscape_derivation,
    required="agrees",
    mutants=(
        Mutant(
            "for one family only: two families end 1/1000 above",
            relations=(sp.Ge(end / VALUE, 1 + sp.Rational(1, 1000), evaluate=False),),
            problem=WORKED,
        ),
        Mutant(
            "inner products are as accurate as the value, whatever a is",
            reason="a statement about solvers, not about the landscape: no relation of this claim speaks of it",
        ),
    ),
    source="numerical; the parts with a proof re-derived",
    note="Proved by the derivation: every second-order critical point is a minimiser for one family (d >= n - 1, "
    "except n = 2 on a line) and for two families with d >= n + 1. Ends are compared relative to L*. For large a "
    "the surface is exponentially flat: judge gradients relative to exp(-a n/(n-1)). For d < n - 1 only a part of "
    "the starts ends at the best level.",
)


def relaxation_readings(optimum: Optimum) -> Iterator[Reading]:
    """The value of the relaxation, where a route solves it, and the best point.

    Examples
    --------
    >>> [relaxed in reading for reading in relaxation_readings(Optimum(SQUARE, "exact"))]
    [False]
    """
    reading = values(optimum)
    if "relaxation" in optimum.facts:
        reading[relaxed] = optimum.facts["relaxation"]
    yield reading


def relaxation_derivation() -> Derivation:
    """Gibbs, then LS20-01 in a space large enough for any Gram matrix."""
    x, y = sp.symbols("x y", real=True)
    p, q, total = sp.symbols("p q Z", positive=True)
    gibbs = p * x + q * y - p * sp.log(p) - q * sp.log(q)
    return Derivation(
        (
            Lemma("log sum_j exp(a G_ij) >= sum_j p_ij a G_ij + H(p_i) for every probability vector p_i", "Gibbs"),
            Identity(
                "its slope along p + q = 1 for two of its entries",
                sp.diff(gibbs, p) - sp.diff(gibbs, q),
                x - y - sp.log(p) + sp.log(q),
            ),
            Identity(
                "vanishes at the softmax",
                x - y - sp.log(sp.exp(x) / total) + sp.log(sp.exp(y) / total),
                sp.Integer(0),
            ),
            Lemma(
                "with the best p the relaxation is the minimum of L over Gram matrices of any rank", "Gibbs, equality"
            ),
            Lemma(
                "a positive semidefinite matrix with unit diagonal is a Gram matrix of unit vectors", "spectral theorem"
            ),
            *slack_steps(),
            *point_steps(),
            Lemma("the Gram matrix of the simplex is admissible, whatever d is", "LS20-01"),
        )
    )


THOUSANDTH = sp.Rational(1, 1000)

relaxation = Claim(
    id="LS20-21",
    title="The Gibbs relaxation returns the value of the simplex",
    kind="bound",
    paper=PAPER,
    statement=(
        r"\min_{G \succeq 0,\, G_{ii} = 1} \max_p \sum_i \Big(\sum_j p_{ij}\, a\, G_{ij} + H(p_i) - a\, G_{ii}\Big) ="
        r" L^* \text{ for every } d",
    ),
    relations=(sp.Eq(relaxed, VALUE, evaluate=False),),
    read=relaxation_readings,
    hypotheses=(UNIT,),
    witness=PENTAGON,
    family=None,
    settings=(SQUARE, Problem.sphere(5, 3, 1), TRIANGLE, Problem.sphere(5, 3, 2)),
    derivation=relaxation_derivation,
    rests_on=frozenset({"LS20-01"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=PENTAGON)
        for text, wrong in (
            ("tight for d < n - 1", sp.Eq(relaxed, best, evaluate=False)),
            (
                "its value depends on d: cosine -1/d",
                sp.Eq(relaxed, n * sp.log(1 + (n - 1) * sp.exp(-a * (1 + 1 / d))), evaluate=False),
            ),
            ("below L*", sp.Le(relaxed, VALUE - THOUSANDTH, evaluate=False)),
        )
    ),
    source="re-derived",
    note="So no semidefinite program in the Gram matrix alone certifies an optimum of low dimension: a constraint on"
    " the rank or on Gegenbauer coefficients is needed, as in LS20-05 and LS20-11.",
)
