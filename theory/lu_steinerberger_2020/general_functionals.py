"""The simplex minimises every sum of functions of this shape, not only the cross-entropy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.lu_steinerberger_2020.minimum_value import E, c, point_steps
from theory.lu_steinerberger_2020.settings import COLD, PAIR, PENTAGON, SQUARE, WORKED
from theory.optimum import Optimum
from theory.problem import Problem
from theory.sphere_observables import PAPER, UNIT, Array, a, code_cosines, n, sphere_parameters, wide

sum_exp, sum_soft, sum_square = sp.symbols("F_exp F_soft F_square", real=True)
"""F at the simplex that a route proves optimal: (f, g) = (exp(a t), s), (log(1 + exp(t)), s), (exp(a t), s^2)."""
point_exp, point_soft, point_square = sp.symbols("F_exp_point F_soft_point F_square_point", nonnegative=True)
"""The same at the best point known where the simplex does not fit; it minimises the cross-entropy and not these."""
least_exp, least_soft, least_square = sp.symbols("F_exp_simplex F_soft_simplex F_square_simplex", positive=True)
"""The same at the simplex, in every dimension."""
axes, split = sp.symbols("F_axes F_split", real=True)
"""(t, exp) at the square {+-e_1, +-e_2} with u = v; (t, -exp(-s)) at v_1 = e, all other v_i = -e, with u = v."""

EXPONENT = -n / (n - 1)
EXP = n * (n - 1) * sp.exp(a * EXPONENT)
SOFT = n * (n - 1) * sp.log(1 + sp.exp(EXPONENT))
SQUARE_SUM = n * ((n - 1) * sp.exp(a * EXPONENT)) ** 2


def sums(gram: Array, temperature: object) -> list[object]:
    """F of the three pairs (f, g) at inner products <u_k, v_j> (row j, column k).

    Examples
    --------
    >>> [round(float(x), 6) for x in sums(np.array([[1.0, -1.0], [-1.0, 1.0]]), 1.0)]
    [0.270671, 0.253856, 0.036631]
    """
    size = len(gram)
    t = gram - gram.diagonal()[None, :]
    others = ~np.eye(size, dtype=bool)
    powers = np.exp(temperature * t)
    rows = [powers[others[:, k], k].sum() for k in range(size)]
    soft = np.log(np.exp(t[others]) + 1).sum()
    return [sum(rows), soft, sum(row * row for row in rows)]


def readings(optimum: Optimum) -> Iterator[Reading]:
    """F of three pairs at every minimiser where the simplex fits, and at the best point of any dimension.

    Examples
    --------
    >>> [reading[split] for reading in readings(Optimum(Problem.sphere(3), "convex"))]
    [-exp(4) - 2*exp(2)]
    """
    problem = optimum.problem
    reading = sphere_parameters(problem)
    for gram, symbols in (
        (optimum.logits if wide(problem) else None, (sum_exp, sum_soft, sum_square)),
        (None if wide(problem) else optimum.facts.get("point_gram"), (point_exp, point_soft, point_square)),
    ):
        if gram is not None:
            temperature = (0 * gram[0, 0] + problem.temperature.numerator) / problem.temperature.denominator
            reading |= dict(zip(symbols, sums(gram, temperature), strict=True))
    reading |= {least_exp: EXP, least_soft: SOFT, least_square: SQUARE_SUM}
    reading[split] = sum(
        -sp.exp(-sum(y * x - 1 for y in line)) for line in [[1] + [-1] * (problem.K - 1)] for x in line
    )
    if problem.K == 4:
        reading[axes] = 4 * sp.exp(sum(cosine - 1 for cosine in code_cosines(SQUARE) or []))
    yield reading


def derivation() -> Derivation:
    """Jensen for f, Jensen for the composite, Cauchy-Schwarz."""
    x, mean, m = sp.symbols("x xbar m", positive=True)
    soft = sp.log(1 + sp.exp(-m))
    return Derivation(
        (
            Identity(
                "the mean over j != i of t_j = <v_j - v_i, u_i> is -m_i, m_i = (n/(n-1)) <v_i - vbar, u_i>",
                ((c + 1) * mean - x - c * x) / c,
                -(c + 1) / c * (x - mean),
            ),
            Lemma("sum_j f(t_j) >= (n-1) f(-m_i); g increases", "Jensen"),
            Lemma("sum_i G(-m_i) >= n G(-mbar) for the convex composite G(s) = g((n-1) f(s))", "Jensen"),
            Lemma("mbar <= n/(n-1), as sum |v_i - vbar| <= n on the unit ball", "Cauchy-Schwarz"),
            Lemma("f and g increase, so G(-mbar) >= G(-n/(n-1))", "monotone"),
            *point_steps(),
            Lemma("f strictly convex and g strictly increasing: equality as for LS20-02", "Jensen, strict"),
            Identity(
                "(exp(a t), log(1 + s)) is LS20-01: its composite has the second derivative",
                sp.diff(sp.log(1 + c * sp.exp(-m)), m, 2).subs({sp.exp(-m): 1 / E, sp.exp(-2 * m): 1 / E**2}),
                c * E / (E + c) ** 2,
            ),
            Positive("which is positive", c * E / (E + c) ** 2),
            Identity(
                "(log(1 + exp(t)), s): second derivative",
                sp.diff(soft, m, 2).subs({sp.exp(-m): 1 / E, sp.exp(-2 * m): 1 / E**2}),
                E / (E + 1) ** 2,
            ),
            Positive("which is positive", E / (E + 1) ** 2),
            Identity(
                "f(t) = t alone, g = exp: every u = v with sum v = 0 has t summing to -n",
                sp.exp(-1 - c) * (c + 1),
                (c + 1) * sp.exp(c * (-(c + 1) / c)),
            ),
        )
    )


THOUSANDTH = sp.Rational(1, 1000)

functionals = Claim(
    id="LS20-04",
    title="General functionals",
    kind="equality",
    paper=PAPER,
    statement=(
        r"F(U, V) = \sum_i g\left(\sum_{j \neq i} f(\langle v_j - v_i, u_i \rangle)\right),\quad f \text{ convex and"
        r" increasing},\ g \text{ increasing},\ s \mapsto g((n-1) f(s)) \text{ convex}",
        r"F \geq n\, g\left((n-1) f\left(-\tfrac{n}{n-1}\right)\right),\quad \text{attained by the simplex } (d \geq"
        r" n - 1);\quad \text{if } f \text{ is strictly convex and } g \text{ strictly increasing, by nothing else}",
    ),
    relations=(
        sp.Eq(sum_exp, EXP, evaluate=False),
        sp.Eq(sum_soft, SOFT, evaluate=False),
        sp.Eq(sum_square, SQUARE_SUM, evaluate=False),
        sp.Lt(least_exp, point_exp, evaluate=False),
        sp.Lt(least_soft, point_soft, evaluate=False),
        sp.Lt(least_square, point_square, evaluate=False),
    ),
    read=readings,
    hypotheses=(UNIT,),
    witness=WORKED,
    family=Family(model="ce-sphere", near=(), dims="any"),
    settings=(PAIR, COLD, SQUARE, PENTAGON, Problem.sphere(6, 3, 2), Problem.sphere(5, 3, 1)),
    derivation=derivation,
    required="proved",
    mutants=(
        Mutant(
            "value with -1/(n-1)",
            relations=(sp.Eq(sum_exp, n * (n - 1) * sp.exp(-a / (n - 1)), evaluate=False),),
            problem=WORKED,
        ),
        Mutant(
            "convexity of the composite dropped: f(t) = t, g(s) = -exp(-s)",
            relations=(sp.Le(-n * sp.exp(n), split, evaluate=False),),
            problem=Problem.sphere(4, 3, 1),
        ),
        Mutant(
            "a strictly convex composite gives uniqueness: f(t) = t, g = exp, the square costs 1/1000 more",
            relations=(sp.Le(n * sp.exp(-n) + THOUSANDTH, axes, evaluate=False),),
            problem=Problem.sphere(4, 3, 1),
        ),
    ),
    source="re-derived; a principle of this type is published",
    note="The readings use (exp(a t), s), (log(1 + exp(t)), s) and (exp(a t), s^2); (exp(a t), log(1 + s)) is LS20-01.",
)
