"""The minimum where the simplex fits: value, uniqueness, a lower bound in every dimension, and InfoNCE.

L2 - L* is a sum of three terms that are never negative, in every dimension and on the whole unit ball:
s1 (Jensen over j), s2 (Jensen over i), s3 (Cauchy-Schwarz).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.lu_steinerberger_2020.settings import COLD, PAIR, PENTAGON, ROOMY, SQUARE, TRIANGLE, WORKED
from theory.optimum import Optimum
from theory.problem import Problem
from theory.sphere_observables import PAPER, UNIT, WIDE, a, best, n, simplex_value, value_readings, values, wide
from theory.symbols import F

c, E = sp.symbols("c E", positive=True)
"""n - 1, and exp(m)."""
FAMILY = Family(model="ce-sphere", near=(), dims="wide")
VALUE = simplex_value()

own, cos_uv, cos_u, cos_v, square = sp.symbols("own cos_uv cos_u cos_v S2", real=True)
"""<u_i, v_i>; <u_i, v_j>, <u_i, u_j>, <v_i, v_j> for i != j: one ball around all of them each; |sum_i v_i|^2."""
simplex = sp.Symbol("L_simplex", positive=True)
"""The value of the simplex, in every dimension."""
attained = sp.Symbol("L_attained", positive=True)
"""The optimal value where the simplex fits."""
low, narrow = sp.symbols("L_low L_narrow", nonnegative=True)
"""Where it does not: a proved lower bound, and the objective at the best point known."""
tau = sp.Symbol("tau", positive=True)
"""Temperature of InfoNCE."""


def slack_steps() -> tuple[Identity | Lemma | Positive, ...]:
    """L2 - L* = s1 + s2 + s3 with all three >= 0, in every dimension."""
    x, mean, m = sp.symbols("x xbar m", positive=True)
    norms, centre = sp.symbols("q vbar2", positive=True)
    phi = sp.log(1 + c * sp.exp(-m))
    slope = sp.diff(phi, m).subs(sp.exp(-m), 1 / E)
    curve = sp.diff(phi, m, 2).subs({sp.exp(-m): 1 / E, sp.exp(-2 * m): 1 / E**2})
    return (
        Identity(
            "with x_j = <v_j, u_i> the mean of x_j - x_i over j != i is -m_i/a, m_i = a (n/(n-1)) <v_i - vbar, u_i>",
            ((c + 1) * mean - x - c * x) / c,
            -(c + 1) / c * (x - mean),
        ),
        Lemma("s1 = L2 - sum phi(m_i) >= 0, phi(m) = log(1 + (n-1) exp(-m)): Jensen for exp over j", "Jensen"),
        Identity("phi'(m)", slope, -c / (E + c)),
        Identity("phi''(m)", curve, c * E / (E + c) ** 2),
        Positive("phi decreases", c / (E + c)),
        Positive("phi is strictly convex", c * E / (E + c) ** 2),
        Lemma("s2 = sum phi(m_i) - n phi(mbar) >= 0: Jensen for phi over i", "Jensen"),
        Identity(
            "sum |v_i - vbar|^2 = sum |v_i|^2 - n |vbar|^2",
            (c + 1) * (norms - 2 * centre + centre),
            (c + 1) * norms - (c + 1) * centre,
        ),
        Lemma("sum <v_i - vbar, u_i> <= sum |v_i - vbar| <= sqrt(n sum |v_i - vbar|^2) <= n", "Cauchy-Schwarz"),
        Identity(
            "hence mbar = (1/n) sum m_i <= a n/(n-1), where phi is L*/n: s3 = n phi(mbar) - L* >= 0, as phi decreases",
            (c + 1) * phi.subs(m, (a * (c + 1) / c) * (c + 1) / (c + 1)),
            VALUE.subs(n, c + 1),
        ),
    )


def point_steps() -> tuple[Identity | Lemma | Positive, ...]:
    """The simplex with u = v attains L*, and exists for d >= n - 1."""
    return (
        Identity("<v_j - v_i, u_i> at the simplex", -1 / c - 1, -(c + 1) / c),
        Identity(
            "its value",
            (c + 1) * sp.log(1 + c * sp.exp(a * (-1 / c - 1))),
            VALUE.subs(n, c + 1),
        ),
        Identity("its Gram matrix (n/(n-1)) (I - J/n): diagonal", (c + 1) / c * (1 - 1 / (c + 1)), sp.Integer(1)),
        Identity("off the diagonal", (c + 1) / c * (0 - 1 / (c + 1)), -1 / c),
        Identity("the eigenvalue of (1, ..., 1) is 0", 1 - c / c, sp.Integer(0)),
        Positive("all others are n/(n-1): rank n - 1", (c + 1) / c),
        Lemma("a positive semidefinite matrix of rank r is a Gram matrix in R^r", "spectral theorem"),
    )


def value_derivation() -> Derivation:
    """Lower bound by the slacks, attained by the simplex."""
    return Derivation((*slack_steps(), *point_steps()))


GRID = tuple(
    Problem.sphere(size, size - 1 + extra, temperature, families)
    for size, extra, temperature, families in (
        (2, 0, "1/10", 1),
        (3, 1, 4, 2),
        (5, 0, "1/2", 1),
        (8, 2, 8, 1),
        (10, 0, 1, 2),
    )
)

minimum = Claim(
    id="LS20-01",
    title="Minimum value where the simplex fits",
    kind="equality",
    paper=PAPER,
    statement=(
        r"d \geq n - 1:\quad \min L_2 = \min L_1 = L^* = n \log\left(1 + (n-1) e^{-a n/(n-1)}\right)",
        r"L_2(U, V) = \sum_i \log \sum_j e^{a \langle v_j - v_i, u_i \rangle},\quad L_1(V) = L_2(V, V),\quad"
        r" |u_i|, |v_i| \leq 1",
    ),
    relations=(sp.Eq(F, VALUE, evaluate=False),),
    read=value_readings,
    hypotheses=(UNIT, WIDE),
    witness=WORKED,
    family=FAMILY,
    settings=(PAIR, TRIANGLE, COLD, ROOMY, Problem.sphere(6, 5, 2, families=1), *GRID),
    derivation=value_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(F, wrong, evaluate=False),), problem=WORKED)
        for text, wrong in (
            ("exponent -a (n-1)/n", n * sp.log(1 + (n - 1) * sp.exp(-a * (n - 1) / n))),
            ("exponent -a/(n-1)", n * sp.log(1 + (n - 1) * sp.exp(-a / (n - 1)))),
            ("n - 1 outside the logarithm", n * (n - 1) * sp.log(1 + sp.exp(-a * n / (n - 1)))),
            ("factor n missing: the mean, not the sum", VALUE / n),
            ("exponent -a (1 + 1/n)", n * sp.log(1 + (n - 1) * sp.exp(-a * (1 + 1 / n)))),
        )
    ),
    source="statement published (abstract); value re-derived",
)


def _all(entries: list[object]) -> object:
    """One ball around all balls."""
    return reduce(lambda one, two: one.union(two), entries)  # type: ignore[attr-defined]


def gram_readings(optimum: Optimum) -> Iterator[Reading]:
    """Inner products of every minimiser, each kind as one ball around all pairs; the value; tau = 1/a.

    Examples
    --------
    >>> [cos_uv in reading for reading in gram_readings(Optimum(WORKED, "convex"))]
    [False]
    """
    reading = values(optimum)
    reading[tau] = 1 / reading[a]
    others = ~np.eye(optimum.problem.K, dtype=bool)
    if optimum.logits is not None:
        reading |= {own: _all(list(optimum.logits.diagonal())), cos_uv: _all(list(optimum.logits[others]))}
    if optimum.gram_features is not None:
        reading[cos_u] = _all(list(optimum.gram_features[others]))
    if optimum.gram_classifier is not None:
        reading |= {cos_v: _all(list(optimum.gram_classifier[others])), square: optimum.gram_classifier.sum()}
    yield reading


def unique_derivation() -> Derivation:
    """Equality in all three slacks."""
    cosine = sp.Symbol("gamma", real=True)
    return Derivation(
        (
            *slack_steps(),
            *point_steps(),
            Lemma("s1 = 0: <v_j, u_i> is the same for all j != i; s2 = 0: m_i is the same for all i", "Jensen, strict"),
            Lemma("s3 = 0: u_i parallel to v_i - vbar, |v_i - vbar| = 1, vbar = 0, |v_i| = 1", "Cauchy-Schwarz"),
            Identity("u_i = v_i with sum_j <v_j, v_i> = 0: 1 + (n-1) gamma = 0", 1 + c * (-1 / c), sp.Integer(0)),
            Identity("linear in gamma, so gamma = -1/(n-1) only", sp.diff(1 + c * cosine, cosine), c),
            Lemma("vectors with the same Gram matrix differ by an orthogonal map", "polar decomposition"),
        )
    )


SIMPLEX = -1 / (n - 1)

unique = Claim(
    id="LS20-02",
    title="The simplex with u = v is the only minimiser",
    kind="structure",
    paper=PAPER,
    statement=(
        r"d \geq n - 1:\quad u_i = v_i,\quad |v_i| = 1,\quad \langle v_i, v_j \rangle = -\tfrac{1}{n-1}\ (i \neq j),"
        r"\quad \sum_i v_i = 0 \text{ at every minimiser}",
    ),
    relations=(
        sp.Eq(own, 1, evaluate=False),
        sp.Eq(cos_uv, SIMPLEX, evaluate=False),
        sp.Eq(cos_u, SIMPLEX, evaluate=False),
        sp.Eq(cos_v, SIMPLEX, evaluate=False),
        sp.Eq(square, 0, evaluate=False),
    ),
    read=gram_readings,
    hypotheses=(
        UNIT,
        Hypothesis("d >= n - 1", wide, dropped="below that nothing is known about every minimiser, see LS20-17"),
    ),
    witness=WORKED,
    family=FAMILY,
    settings=(PAIR, TRIANGLE, COLD, ROOMY),
    derivation=unique_derivation,
    rests_on=frozenset({"LS20-01"}),
    required="proved",
    mutants=(
        *(
            Mutant(text, relations=(wrong,), problem=WORKED)
            for text, wrong in (
                ("cosine -1/n", sp.Eq(cos_v, -1 / n, evaluate=False)),
                ("an orthogonal frame", sp.Eq(cos_v, 0, evaluate=False)),
                ("u and v agree up to a rotation only", sp.Le(own, 1 - sp.Rational(1, 1000), evaluate=False)),
                ("not unique: a minimiser with another mean", sp.Ge(square, sp.Rational(1, 1000), evaluate=False)),
                (
                    "not unique: an orthogonal frame has the same value",
                    sp.Eq(F, n * sp.log(1 + (n - 1) * sp.exp(-a)), evaluate=False),
                ),
            )
        ),
    ),
    source="published (abstract); proof re-derived",
    note="Only Gram matrices can be compared: minimisers differ by rotations. At a large inverse temperature the "
    "surface is flat, with curvature like exp(-a n/(n-1)).",
)


def bound_readings(optimum: Optimum) -> Iterator[Reading]:
    """The value and the best point, and below dimension n - 1 the lower bound that the kernel proves.

    Examples
    --------
    >>> [low in reading for reading in bound_readings(Optimum(SQUARE, "convex"))]
    [False]
    """
    reading = {**values(optimum), simplex: VALUE}
    if wide(optimum.problem):
        reading |= {attained: reading[F]} if F in reading else {}
    else:
        reading |= {narrow: reading[best]} if best in reading else {}
        if optimum.lower is not None and optimum.route == "enclosure":
            reading[low] = optimum.lower
    yield reading


def bound_derivation() -> Derivation:
    """The slacks need no hypothesis on d; equality needs the rank of the simplex."""
    return Derivation(
        (
            *unique_derivation().steps,
            Lemma("n vectors in R^d have a Gram matrix of rank at most d: no equality for d < n - 1", "rank"),
            Lemma("L2 is continuous on a compact set: for d < n - 1 its minimum exceeds L*", "Weierstrass"),
        )
    )


THOUSANDTH = sp.Rational(1, 1000)

bound = Claim(
    id="LS20-03",
    title="Lower bound in every dimension, attained only where the simplex fits",
    kind="bound",
    paper=PAPER,
    statement=(r"L_2(U, V) \geq L^* \text{ for every } d;\quad \text{strict for } d < n - 1",),
    relations=(
        sp.Eq(attained, VALUE, evaluate=False),
        sp.Lt(simplex, narrow, evaluate=False),
        sp.Lt(simplex, low, evaluate=False),
    ),
    read=bound_readings,
    hypotheses=(UNIT,),
    witness=SQUARE,
    family=Family(model="ce-sphere", near=(), dims="any"),
    settings=(PENTAGON, WORKED, Problem.sphere(4, 1, "1/2"), Problem.sphere(5, 3, 1), Problem.sphere(6, 3, 2)),
    derivation=bound_derivation,
    rests_on=frozenset({"LS20-01", "LS20-02"}),
    required="proved",
    mutants=(
        Mutant("attained at d = n - 2", relations=(sp.Eq(F, VALUE, evaluate=False),), problem=SQUARE),
        Mutant(
            "d >= n is needed: at d = n - 1 the best point costs 1/1000 more",
            relations=(sp.Le(VALUE + THOUSANDTH, best, evaluate=False),),
            problem=WORKED,
        ),
        Mutant(
            "no lower bound for small d: the optimum lies below L*",
            relations=(sp.Lt(F, VALUE, evaluate=False),),
            problem=SQUARE,
        ),
    ),
    source="re-derived",
    note="How far above L* the optimum lies for d < n - 1 is known only where LS20-05 or LS20-11 speak.",
)

infonce = Claim(
    id="LS20-22",
    title="InfoNCE with one positive and all other keys as negatives",
    kind="equality",
    paper=PAPER,
    statement=(
        r"d \geq n - 1:\quad u_i = v_i,\quad \langle u_i, v_j \rangle = -\tfrac{1}{n-1},\quad \text{mean loss}"
        r" = \log\left(1 + (n-1) e^{-n/(\tau (n-1))}\right),\quad \tau = 1/a",
    ),
    relations=(
        sp.Eq(own, 1, evaluate=False),
        sp.Eq(cos_uv, SIMPLEX, evaluate=False),
        sp.Eq(F / n, sp.log(1 + (n - 1) * sp.exp(-n / (tau * (n - 1)))), evaluate=False),
    ),
    read=gram_readings,
    hypotheses=(
        UNIT,
        Hypothesis("d >= n - 1", wide, dropped="below that the negatives cannot all be at the same angle (LS20-03)"),
        Hypothesis(
            "keys and queries are two families",
            lambda problem: problem.families == 2,
            dropped="with one encoder for both, LS20-01 and LS20-02 give the same numbers",
        ),
    ),
    witness=Problem.sphere(5, 4, 2),
    family=Family(model="ce-sphere", near=(), dims="wide", families=(2,)),
    settings=(WORKED, PAIR, Problem.sphere(8, 7, "10/7")),
    derivation=unique_derivation,
    rests_on=frozenset({"LS20-01", "LS20-02"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=Problem.sphere(5, 4, 2))
        for text, wrong in (
            ("cosine -1/n", sp.Eq(cos_uv, -1 / n, evaluate=False)),
            ("tau in the numerator", sp.Eq(F / n, sp.log(1 + (n - 1) * sp.exp(-n * tau / (n - 1))), evaluate=False)),
            (
                "exponent -(n-1)/(tau n)",
                sp.Eq(F / n, sp.log(1 + (n - 1) * sp.exp(-(n - 1) / (tau * n))), evaluate=False),
            ),
        )
    ),
    source="published in citing work; re-derived",
)
