"""Codes in which all vertices look alike: regular polygons, codes proved optimal for one family, u = v for two."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.claim import Claim, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.lu_steinerberger_2020.settings import HEPTAGON, PENTAGON, SQUARE
from theory.optimum import Optimum
from theory.problem import Problem
from theory.sphere_observables import (
    PAPER,
    UNIT,
    a,
    at_most,
    bessel_mean,
    code,
    code_value,
    d,
    found,
    n,
    search_readings,
    sphere_parameters,
    turned,
    values,
)
from theory.symbols import F

polygon, formula, formula_short = sp.symbols("L1_polygon L1_row L1_short", real=True)
"""L1 of the regular n-gon from all n^2 inner products of its coordinates, from one row, from a row without its end."""
alias, alias_all = sp.symbols("A A_all", positive=True)
"""Sum over m >= 1 of I_(mn)(a)/I_0(a); the same with I_m."""
MOST_TERMS = 120


def polygon_readings(optimum: Optimum) -> Iterator[Reading]:
    """The polygon by its definition (evaluated in balls, so on the enclosure route), by one row, and the Bessel sums.

    Sums stop where (a/2)^k/k! is below 10^-140.

    Examples
    --------
    >>> (reading,) = polygon_readings(Optimum(HEPTAGON, "enclosure"))
    >>> round(float(reading[polygon]), 12), round(float(sp.log(1 + 2 * reading[alias])), 12)
    (3.731340433261, 0.001830862454)
    """
    problem = optimum.problem
    if optimum.route != "enclosure" or problem.dim != 2:
        return
    size, reading = problem.K, sphere_parameters(problem)
    temperature = reading[a]
    turns = [2 * sp.pi * sp.Rational(j, size) for j in range(size)]
    points = [(sp.cos(turn), sp.sin(turn)) for turn in turns]
    row = [sp.exp(temperature * (sp.cos(turn) - 1)) for turn in turns]
    reading[polygon] = sum(
        sp.log(sum(sp.exp(temperature * (u * x + v * y - u * u - v * v)) for x, y in points)) for u, v in points
    )
    reading |= {formula: size * sp.log(sum(row)), formula_short: size * sp.log(sum(row[:-1]))}
    zero, orders = sp.besseli(0, temperature), range(1, MOST_TERMS + 1)
    reading[alias] = sum(sp.besseli(k, temperature) for k in orders if k % size == 0) / zero
    reading[alias_all] = sum(sp.besseli(k, temperature) for k in orders) / zero
    yield reading


def polygon_derivation() -> Derivation:
    """Jacobi-Anger, averaged over the vertices."""
    size, first, rest = sp.symbols("n I_0 S", positive=True)
    value = size * (sp.log(size) + sp.log(first + 2 * rest) - a)
    return Derivation(
        (
            Lemma("all vertices see the same inner products cos(2 pi j/n): one row decides", "cyclic symmetry"),
            Lemma("exp(a cos t) = I_0(a) + 2 sum_k I_k(a) cos(k t)", "Jacobi-Anger"),
            Lemma("the mean of cos(2 pi k j/n) over j is 1 where n divides k, else 0", "geometric sum"),
            Identity(
                "L1/n - (log n + log I_0 - a) = log(1 + 2 S/I_0), S = sum_m I_(mn)",
                sp.expand_log(value / size - (sp.log(size) + sp.log(first) - a)) - sp.log(first + 2 * rest),
                -sp.log(first),
            ),
            Positive("the gap is positive", 2 * rest / first),
        )
    )


ngon = Claim(
    id="LS20-10",
    title="Regular polygon: exact value and gap",
    kind="equality",
    paper=PAPER,
    statement=(
        r"v_j = (\cos \tfrac{2 \pi j}{n}, \sin \tfrac{2 \pi j}{n}):\quad L_1 = n \log \sum_{j < n}"
        r" e^{a (\cos(2 \pi j/n) - 1)}",
        r"\tfrac1n L_1 - (\log n + \log I_0(a) - a) = \log\left(1 + 2 \sum_{m \geq 1} \frac{I_{mn}(a)}{I_0(a)}\right)",
    ),
    relations=(
        sp.Eq(polygon, formula, evaluate=False),
        sp.Eq(
            polygon / n - (sp.log(n) + sp.log(bessel_mean(2)) - a),
            sp.log(1 + 2 * alias),
            evaluate=False,
        ),
    ),
    read=polygon_readings,
    hypotheses=(
        UNIT,
        Hypothesis(
            "d = 2, n <= 12",
            lambda problem: problem.dim == 2 and problem.K <= 12,
            dropped="a polygon lies in a plane; n only bounds the cost of the check",
        ),
        at_most(10, "only the check needs it: the Bessel sums stop at order 120"),
    ),
    witness=HEPTAGON,
    family=None,
    settings=(SQUARE, PENTAGON, Problem.sphere(3, 2, 10), Problem.sphere(8, 2, "1/10")),
    derivation=polygon_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=HEPTAGON)
        for text, wrong in (
            (
                "I_m instead of I_(mn)",
                sp.Eq(
                    polygon / n - (sp.log(n) + sp.log(bessel_mean(2)) - a), sp.log(1 + 2 * alias_all), evaluate=False
                ),
            ),
            (
                "factor 2 missing",
                sp.Eq(polygon / n - (sp.log(n) + sp.log(bessel_mean(2)) - a), sp.log(1 + alias), evaluate=False),
            ),
            ("n - 1 terms", sp.Eq(polygon, formula_short, evaluate=False)),
        )
    ),
    source="re-derived",
    note="The gap is super-exponentially small once n is much larger than a.",
)

INTERPOLANT = {
    (4, 2): Fraction(11, 10),
    (5, 2): Fraction(13, 10),
    (6, 2): Fraction(17, 10),
    (7, 2): Fraction(19, 10),
    (8, 2): Fraction(23, 10),
    (6, 3): Fraction(11, 10),
    (8, 4): Fraction(11, 10),
    (12, 3): Fraction(3, 2),
}
"""Up to which inverse temperature the square root of the Hermite interpolant is nonnegative, by (n, d), in tenths."""
LIMITS = INTERPOLANT | {
    (4, 2): Fraction(5),
    (5, 2): Fraction(5),
    (6, 2): Fraction(3),
    (6, 3): Fraction(5, 2),
    (8, 4): Fraction(5, 2),
    (10, 5): Fraction(5, 2),
}
"""Up to where kernels with more harmonics than the interpolant were found at every temperature tried."""

root_least, from_kernel, without_rest = sp.symbols("q_min B_kernel B_short", real=True)
"""Orthoplex: least value of q on [-1, 1]; the bound n (log(n lam_0 + e^a - p(1)) - a); the same without e^a - p(1)."""
root_hot = sp.Symbol("q_min_3", real=True)
"""The least value at a = 3."""
halfway, single = sp.symbols("p_half p_single", real=True)
"""Orthoplex: p(-1/2), and the interpolant with a single node at 0 there."""


def orthoplex_kernel(dim: Any = d) -> dict[sp.Symbol, sp.Expr]:
    """What the certificate of the orthoplex consists of, in closed form.

    p(t) = 1 + a t + kappa t^2, kappa = e^-a - 1 + a, interpolates exp(a t) doubly at 0 and at -1;
    lam_0 = 1 + kappa/d, lam_1 = a/d, lam_2 = 2 kappa/(d (d + 2)).

    Examples
    --------
    >>> kernel = orthoplex_kernel(sp.Integer(2))
    >>> [kernel[root_least].subs(a, sp.Rational(t, 10)).evalf(4) > 0 for t in (10, 11, 12, 20)]
    [True, True, False, False]
    """
    kappa = sp.exp(-a) - 1 + a
    mean, second = sp.sqrt(1 + kappa / dim), sp.sqrt(2 * kappa / (dim * (dim + 2)))
    square, linear, constant = second * dim * (dim + 2) / 2, sp.sqrt(a * dim), mean - second * (dim + 2) / 2
    lowest = sp.Max(-1, -linear / (2 * square))
    size, at_one = 2 * dim, 1 + a + kappa
    return {
        root_least: square * lowest**2 + linear * lowest + constant,
        from_kernel: size * (sp.log(size * mean**2 + sp.exp(a) - at_one) - a),
        without_rest: size * (sp.log(size * mean**2) - a),
        halfway: 1 - a / 2 + kappa / 4,
        single: 1 - (1 - sp.exp(-a)) / 2,
    }


def code_readings(optimum: Optimum) -> Iterator[Reading]:
    """The value beside that of the code; for orthoplexes the parts of their certificate.

    Examples
    --------
    >>> [code in reading for reading in code_readings(Optimum(PENTAGON, "exact"))]
    [True]
    """
    problem = optimum.problem
    reading, known = values(optimum), code_value(problem)
    if known is not None:
        reading[code] = known
        if problem.temperature <= INTERPOLANT.get((problem.K, problem.dim), 0) and 2 * problem.dim == problem.K:
            kernel = orthoplex_kernel(sp.Integer(problem.dim))
            reading |= kernel | {root_hot: kernel[root_least].subs(a, 3)}
    yield reading


def code_derivation() -> Derivation:
    """The bound of a positive kernel with a nonnegative square root, and its value for the orthoplex."""
    t = sp.Symbol("t", real=True)
    kappa = sp.exp(-a) - 1 + a
    p = 1 + a * t + kappa * t**2
    return Derivation(
        (
            Lemma(
                "exp(a t) - p(t) = exp(a s) a^m/m! times (t + 1) prod (t - c_i)^2 >= 0 on [-1, 1]", "Hermite remainder"
            ),
            Lemma("p = q * q on the sphere for q = sum_k sqrt(lam_k) N_k C_k, lam_k >= 0", "addition theorem"),
            Lemma("sum_j exp(a <x, v_j>) >= e^a - p(1) + n p * mu at x = v_i, as the term j = i is exact", "p <= exp"),
            Lemma("Jensen for q/sqrt(lam_0) >= 0, then for s log(const + n lam_0 s), as for LS20-05", "Jensen"),
            Identity("p at -1", p.subs(t, -1), sp.exp(-a)),
            Identity("p at 0", p.subs(t, 0), sp.Integer(1)),
            Identity("its slope at 0", sp.diff(p, t).subs(t, 0), a),
            Identity(
                "p = lam_0 + lam_1 d t + lam_2 N_2 C_2(t), C_2 = (d t^2 - 1)/(d - 1), N_2 = (d + 2)(d - 1)/2",
                p,
                (1 + kappa / d) + a / d * d * t + 2 * kappa / (d * (d + 2)) * (d + 2) / 2 * (d * t**2 - 1),
            ),
            Identity(
                "the bound equals the value of the orthoplex, n = 2 d",
                2 * d * (1 + kappa / d) + sp.exp(a) - (1 + a + kappa),
                sp.exp(a) + 2 * d - 2 + sp.exp(-a),
            ),
        ),
        complete=False,
        gap="that q >= 0 is decided in balls, for each code and temperature",
    )


def _within(problem: Problem) -> bool:
    return problem.temperature <= LIMITS.get((problem.K, problem.dim), Fraction(100))


sharp = Claim(
    id="LS20-11",
    title="Regular polygons and sharp codes are optimal for one family",
    kind="structure",
    paper=PAPER,
    statement=(
        r"n\text{-gon } (n = 4..8) \text{ minimises } L_1 \text{ for } a \leq 5, 5, 3, 1.9, 2.3;\quad \text{orthoplex }"
        r" (d = 3, 4, 5) \text{ for } a \leq 2.5;\quad \text{icosahedron for } a \leq 1.5",
        r"L_1 \geq n \left(\log(n \lambda_0 + e^a - p(1)) - a\right),\quad p = \sum_k \lambda_k N_k C_k \leq e^{a t},"
        r"\quad q = \sum_k \sqrt{\lambda_k} N_k C_k \geq 0",
        r"p \text{ can be the Hermite interpolant at the inner products of the code for } a \leq 1.1, 1.3, 1.7, 1.9,"
        r" 2.3;\ 1.1 \ (d = 3, 4);\ 1.5",
    ),
    relations=(
        sp.Eq(F, code, evaluate=False),
        sp.Eq(from_kernel, code, evaluate=False),
        sp.Gt(root_least, 0, evaluate=False),
        sp.Lt(halfway, sp.exp(-a / 2), evaluate=False),
    ),
    read=code_readings,
    hypotheses=(
        UNIT,
        Hypothesis(
            "one family, u = v",
            lambda problem: problem.families == 1,
            dropped="for two families no lower bound of this kind is known (LS20-18)",
        ),
        Hypothesis(
            "(n, d) is one of the codes",
            lambda problem: (problem.K, problem.dim) in LIMITS,
            dropped="elsewhere no code is named",
        ),
        Hypothesis(
            "a is at most the limit of the code",
            _within,
            dropped="beyond it no certificate is known, nor a configuration that is better",
        ),
    ),
    witness=SQUARE,
    family=None,
    settings=tuple(
        Problem.sphere(*key, temperature, families=1)
        for key, temperature in (
            *LIMITS.items(),
            ((5, 2), Fraction(1, 3)),
            ((6, 3), Fraction(1, 2)),
            ((4, 2), Fraction(5, 2)),
            ((4, 2), Fraction(11, 10)),
        )
    ),
    derivation=code_derivation,
    required="enclosed",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=problem)
        for text, wrong, problem in (
            ("the interpolant is valid for every a", sp.Gt(root_hot, 0, evaluate=False), SQUARE),
            ("a single node at the inner product 0", sp.Le(single, sp.exp(-a / 2), evaluate=False), SQUARE),
            ("log(n lam_0) without e^a - p(1)", sp.Eq(without_rest, code, evaluate=False), SQUARE),
        )
    ),
    source="re-derived",
    survivors={"off by one: a becomes a - 1 (relation 4)": "a larger upper bound: weaker"},
    note="The kernels beyond the interpolant contain harmonics in which the code is balanced; they are found by linear"
    " programming and proved in balls, problem by problem: proved at the temperatures that were checked, not at every"
    " one in between. Beyond these temperatures the polygons were optimal in every"
    " run (n <= 10, a <= 30), which proves nothing.",
)


def row_derivation() -> Derivation:
    """Where all rows of exp(a G) have the same sum, (V, V) is critical for two families."""
    own, other, mass = sp.symbols("Z_i Z_j e_ij", positive=True)
    return Derivation(
        (
            Identity(
                "p_ij = e_ij/Z_i with e_ij = exp(a <v_i, v_j>) symmetric: p_ij - p_ji vanishes where Z_i = Z_j",
                mass / own - mass / other,
                mass * (other - own) / (own * other),
            ),
            Lemma("sum_j (p_ij + p_ji) v_j parallel to v_i, as a symmetric code is critical for L1", "symmetry"),
            Identity("so sum_j p_ij v_j is parallel to v_i, which is half of it", 2 * mass / own / 2, mass / own),
            Lemma(
                "the bipyramid: the symmetries that fix a vertex fix only its axis, so both parts are on it", "symmetry"
            ),
        ),
        complete=False,
        gap="criticality is not optimality",
    )


equal_rows = Claim(
    id="LS20-18",
    title="Codes with equal row sums keep u = v",
    kind="structure",
    paper=PAPER,
    status="conjecture",
    statement=(
        r"a \leq 1;\ \text{regular polygons, orthoplexes, two orthogonal triangles } (n = 6, d = 4):\quad \min L_2 ="
        r" \min L_1 = n \log \sum_j e^{a (\langle v_1, v_j \rangle - 1)}",
        r"\min L_2 = \min L_1 \text{ also for } (n, d) = (5, 3) \text{ (the bipyramid)}",
    ),
    relations=(sp.Eq(found, code, evaluate=False),),
    read=search_readings,
    hypotheses=(
        UNIT,
        Hypothesis(
            "a polygon, an orthoplex, or (n, d) = (5, 3), (6, 4); n <= 8",
            lambda problem: problem.K <= 8 and code_value(problem) is not None,
            dropped="elsewhere see LS20-17; n only bounds the cost of the search",
        ),
        Hypothesis("two families", lambda problem: problem.families == 2, dropped="for one family see LS20-11"),
        at_most(1, "for larger a the two triangles of (6, 4) are no longer the best configuration"),
    ),
    witness=Problem.sphere(5, 2, 1),
    family=None,
    settings=(Problem.sphere(5, 3, 1), Problem.sphere(6, 3, 1), Problem.sphere(6, 4, 1), Problem.sphere(4, 2, "1/2")),
    derivation=row_derivation,
    required="agrees",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=Problem.sphere(5, 2, 1))
        for text, wrong in (
            ("fails for polygons: two families gain 1/1000", sp.Le(found, code - sp.Rational(1, 1000), evaluate=False)),
            ("u = -v at the optimum", sp.Eq(turned, -1, evaluate=False)),
        )
    ),
    source="re-derived numerically; criticality re-derived",
    note="Equal row sums make the softmax matrix symmetric. The row sums of the bipyramid differ; there every vertex"
    " lies on an axis of symmetry, which is enough. LS20-17 shows what happens without either: at (n, d) ="
    " (9, 4), where u = v holds for a = 2 and 3, two families get 5.0e-6 below one for a = 1 and 1.4e-6 for a = 5.",
)
