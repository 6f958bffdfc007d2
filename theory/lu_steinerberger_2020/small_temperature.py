"""Small inverse temperatures: first the mean, then the frame potential; what is and what is not optimal there."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import sympy as sp

from theory.claim import Asymptotic, Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.lu_steinerberger_2020.settings import BIPYRAMID, CROSSING, PYRAMID, SQUARE, TRIANGLE
from theory.lu_steinerberger_2020.two_families import HEIGHT, PYRAMID_VALUE, height, pyramid
from theory.optimum import Optimum
from theory.problem import Problem
from theory.sphere_observables import (
    ONE,
    PAPER,
    UNIT,
    a,
    best,
    bipyramid_value,
    code_cosines,
    d,
    double_sum,
    found,
    frame_potential,
    n,
    point_values,
    potential,
    search_readings,
    sphere_parameters,
    spread,
)
from theory.symbols import F

loss, across = sp.symbols("L1 T", real=True)
"""L1 of explicit vectors; sum_i <v_i, vbar>^2."""
ONE_FAMILY = Family(model="ce-sphere", near=(), dims="any", families=(1,))


def cool(problem: Problem, scale: int) -> Problem:
    """Inverse temperature 1/scale.

    Examples
    --------
    >>> cool(SQUARE, 200).temperature
    Fraction(1, 200)
    """
    return Problem.sphere(problem.K, problem.dim, Fraction(1, scale), families=1)


def rational_vectors(size: int, dim: int) -> sp.Matrix:
    """Unit vectors with rational entries and no symmetry, one per row: stereographic projections; +-1 on a line.

    Examples
    --------
    >>> rational_vectors(2, 2)
    Matrix([
    [  3/5,  4/5],
    [24/25, 7/25]])
    """
    rows = []
    for i in range(size):
        y = [sp.Rational((i + 2) * (j + 1) % 5 + (j + 1), i + 1 + (i % 2)) * (-1) ** (i * j) for j in range(dim - 1)]
        square = sum((t * t for t in y), sp.Integer(0))
        tip = (square - 1) / (square + 1) if dim > 1 else sp.Integer((-1) ** (i // 2))
        rows.append([*(2 * t / (square + 1) for t in y), tip])
    return sp.Matrix(rows)


def expansion_readings(optimum: Optimum) -> Iterator[Reading]:
    """L1 of explicit vectors in balls (so on the enclosure route) with |S|^2, FP and T, exact.

    Examples
    --------
    >>> [reading[spread] for reading in expansion_readings(Optimum(TRIANGLE, "convex"))]
    []
    """
    problem = optimum.problem
    if optimum.route != "enclosure":
        return
    V = rational_vectors(problem.K, problem.dim)
    gram = V * V.T
    sums = [sum(gram.row(i)) for i in range(problem.K)]
    reading = sphere_parameters(problem)
    reading |= {loss: double_sum(gram, reading[a]), spread: sum(sums), potential: sum(entry**2 for entry in gram)}
    yield reading | {across: sum(total**2 for total in sums) / problem.K**2}


def expansion_derivation() -> Derivation:
    """Second cumulants of the inner means."""
    t, first, second = sp.symbols("a m_1 m_2", positive=True)
    mean = sp.log(1 + t * first + t**2 * second / 2)
    return Derivation(
        (
            Identity("log of the mean of exp(a x): order 0", mean.subs(t, 0), sp.Integer(0)),
            Identity("order 1: the mean m_1", sp.diff(mean, t).subs(t, 0), first),
            Identity(
                "order 2: half the variance m_2 - m_1^2", sp.diff(mean, t, 2).subs(t, 0) / 2, (second - first**2) / 2
            ),
            Lemma("|<v_i, v_j>| <= 1 bounds the third derivative: the remainder is O(a^3)", "Taylor"),
            Identity("m_1 = <v_i, vbar>, summed over i: |S|^2/n", n * (spread**2 / n**2), spread**2 / n),
            Identity("m_2 summed over i: FP/n", n * (potential / n**2), potential / n),
        )
    )


REST = loss - n * sp.log(n) + n * a
expansion = Claim(
    id="LS20-12",
    title="Expansion at small inverse temperature",
    kind="limit",
    paper=PAPER,
    statement=(
        r"a \to 0:\quad L_1 = n \log n - n a + \tfrac an |S|^2 + \tfrac{a^2}{2} \left(\tfrac{\mathrm{FP}}{n} - \sum_i"
        r" \langle v_i, \bar v \rangle^2\right) + O(a^3)",
        r"S = \sum_i v_i,\quad \mathrm{FP} = \sum_{ij} \langle v_i, v_j \rangle^2",
    ),
    relations=(
        Asymptotic(REST / a, spread / n, order=1),
        Asymptotic((REST - a * spread / n) / a**2, (potential / n - across) / 2, order=1),
    ),
    read=expansion_readings,
    along=cool,
    hypotheses=(
        UNIT,
        ONE,
        Hypothesis(
            "n <= 8", lambda problem: problem.K <= 8, dropped="only the check needs it: it sums n^2 exponentials"
        ),
    ),
    witness=BIPYRAMID,
    family=ONE_FAMILY,
    settings=(Problem.sphere(3, 1, 1, families=1), Problem.sphere(4, 3, "1/2", families=1)),
    derivation=expansion_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(Asymptotic(left, wrong, order=1),), problem=BIPYRAMID)
        for text, left, wrong in (
            ("a^2 FP/n without 1/2", (REST - a * spread / n) / a**2, potential / n - across / 2),
            ("second term missing", (REST - a * spread / n) / a**2, potential / n / 2),
            ("|S|^2 without 1/n", REST / a, spread),
        )
    ),
    source="connection published (abstract); form re-derived",
)

tight, simplex_potential, defect, pair = sp.symbols("FP_code FP_simplex D cos_code", real=True)
"""FP of the code with a name; FP of the simplex that a route proves optimal; |sum v v^T - (n/d) I|^2 of the best point;
inner product of the first two vertices of the code."""
narrow = sp.Symbol("FP_narrow", real=True)
"""FP of the best point where n <= d."""


def potential_readings(optimum: Optimum) -> Iterator[Reading]:
    """Frame potentials of the best point, of the proved simplex (d = n - 1), and of codes; the defect from coordinates.

    Examples
    --------
    >>> [reading[tight] for reading in potential_readings(Optimum(SQUARE, "convex"))]
    [8]
    """
    problem, reading = optimum.problem, point_values(optimum)
    size, dim = problem.K, problem.dim
    if size <= dim and potential in reading:
        reading[narrow] = reading.pop(potential)
    cosines = code_cosines(problem)
    if cosines is not None:
        reading |= {tight: size * sum(cosine**2 for cosine in cosines), pair: cosines[1]}
    if dim == size - 1 and optimum.gram_classifier is not None:
        reading[simplex_potential] = frame_potential(optimum.gram_classifier)
    if optimum.point is not None and optimum.upper is not None and size >= dim:
        V = np.pad(optimum.point.W.astype(float), ((0, 0), (0, dim - optimum.point.W.shape[1]))) + 0 * optimum.upper
        unit = V / np.sqrt((V * V).sum(axis=1))[:, None]
        excess = unit.T @ unit
        for k in range(dim):
            excess[k, k] = excess[k, k] - (0 * optimum.upper + size) / dim
        yield {**sphere_parameters(problem), defect: frame_potential(excess), potential: frame_potential(unit @ unit.T)}
    yield reading


def potential_derivation() -> Derivation:
    """Cauchy-Schwarz on the eigenvalues of sum v v^T."""
    s, square = sp.symbols("s FP", positive=True)
    return Derivation(
        (
            Lemma("FP = tr(M^2), tr(M) = n for M = sum v_i v_i^T", "cyclic trace"),
            Identity("|M - (n/d) I|^2 = FP - n^2/d", square - 2 * n / d * n + (n / d) ** 2 * d, square - n**2 / d),
            Lemma("a Frobenius norm is not negative, and zero only for M = (n/d) I", "norm"),
            Positive(
                "in the plane: eigenvalues n/2 +- s have FP - n^2/2 = 2 s^2",
                (n / 2 + s) ** 2 + (n / 2 - s) ** 2 - n**2 / 2,
            ),
            Identity("n <= d: FP = n + the sum over i != j of <v_i, v_j>^2", square - n + n, square),
            Lemma("zero only where all of them vanish: orthonormal vectors", "sum of squares"),
        )
    )


frame = Claim(
    id="LS20-13",
    title="Frame-potential bound",
    kind="bound",
    paper=PAPER,
    statement=(
        r"n \geq d:\quad \mathrm{FP} \geq n^2/d,\quad \mathrm{FP} - n^2/d = \left\| \sum_i v_i v_i^\top - \tfrac nd I"
        r" \right\|^2",
        r"n \leq d:\quad \mathrm{FP} \geq n, \text{ with equality for orthonormal vectors only}",
    ),
    relations=(
        sp.Le(n**2 / d, potential, evaluate=False),
        sp.Lt(n, narrow, evaluate=False),
        sp.Eq(simplex_potential, n**2 / d, evaluate=False),
        sp.Eq(tight, n**2 / d, evaluate=False),
        sp.Eq(defect, potential - n**2 / d, evaluate=False),
    ),
    read=potential_readings,
    hypotheses=(UNIT, ONE),
    witness=SQUARE,
    family=ONE_FAMILY,
    settings=(TRIANGLE, BIPYRAMID, Problem.sphere(3, 4, 1, families=1), Problem.sphere(6, 3, 1, families=1)),
    derivation=potential_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=SQUARE)
        for text, wrong in (
            ("least value n/d", sp.Eq(tight, n / d, evaluate=False)),
            ("least value n^2/(d + 1)", sp.Eq(tight, n**2 / (d + 1), evaluate=False)),
            ("equality for equiangular frames only", sp.Eq(pair, -1 / (n - 1), evaluate=False)),
        )
    ),
    source="classical (J. J. Benedetto, M. Fickus)",
    survivors={
        "exponent: 1/d becomes d[*][*](-2) (relation 1)": "a smaller bound, since d >= 1: weaker",
        "exponent: n[*][*]2 becomes n[*][*](-2) (relation 1)": "a smaller bound, since n >= 1: weaker",
        "swapped symbols: d and n in n[*][*]2/d (relation 1)": "a smaller bound, since it is read for n >= d: weaker",
        "off by one: n becomes n - 1 (relation 1)": "a smaller bound: weaker",
    },
)


def colder(problem: Problem, scale: int) -> Problem:
    """Inverse temperature 1/scale: the surface is flat like its square, and what descents resolve falls with it.

    Examples
    --------
    >>> colder(SQUARE, 200).temperature
    Fraction(1, 200)
    """
    return Problem.sphere(problem.K, problem.dim, Fraction(1, scale), families=1)


def has_design(problem: Problem) -> bool:
    """Whether a spherical 2-design of n points exists in R^d: n >= d + 1, but not n = d + 2 for odd d (Mimura).

    Examples
    --------
    >>> [has_design(Problem.sphere(n, 3)) for n in (3, 4, 5, 6)]
    [False, True, False, True]
    """
    size, dim = problem.K, problem.dim
    if dim == 1:
        return size % 2 == 0
    return size >= dim + 1 and not (size == dim + 2 and dim % 2 == 1)


def design_readings(optimum: Optimum) -> Iterator[Reading]:
    """The value, and |S|^2 and FP of the best point.

    Examples
    --------
    >>> len(list(design_readings(Optimum(TRIANGLE, "exact"))))
    1
    """
    yield point_values(optimum)


def design_derivation() -> Derivation:
    """The uniform bound from below, a 2-design from above."""
    temperature = sp.Symbol("a", positive=True)
    series = sp.log(1 + temperature**2 / (2 * d))
    return Derivation(
        (
            Lemma("L1 >= n (log n + log c_d(a) - a)", "LS20-05"),
            Lemma("c_d(a) = 1 + a^2/(2 d) + O(a^4): x_1 has mean square 1/d and odd moments vanish", "symmetry"),
            Identity("log c_d(a): order 1", sp.diff(series, temperature).subs(temperature, 0), sp.Integer(0)),
            Identity("order 2", sp.diff(series, temperature, 2).subs(temperature, 0) / 2, 1 / (2 * d)),
            Lemma("LS20-12 at a 2-design: S = 0, FP = n^2/d", "LS20-12"),
            Identity(
                "L1 = n (log n - a + a^2/(2 d)) + O(a^3)",
                temperature**2 / 2 * (n**2 / d) / n,
                n * temperature**2 / (2 * d),
            ),
            Lemma("so |S|^2/n = O(a) at minimisers, then FP = n^2/d + O(a): limits are 2-designs", "LS20-13"),
            Lemma(
                "d >= 2: 2-designs exist iff n >= d + 1, except n = d + 2 with d odd; d = 1: iff n is even",
                "Mimura 1990",
            ),
        )
    )


designs = Claim(
    id="LS20-14",
    title="At small inverse temperature minimisers are centred tight frames",
    kind="limit",
    paper=PAPER,
    statement=(
        r"a \to 0:\quad \min L_1 = n \left(\log n - a + \tfrac{a^2}{2 d}\right) + O(a^3),\quad S \to 0,\quad"
        r" \mathrm{FP} \to n^2/d \text{ where a spherical 2-design of } n \text{ points exists}",
    ),
    relations=(
        Asymptotic((F - n * sp.log(n) + n * a) / (n * a**2), 1 / (2 * d), order=1),
        Asymptotic(spread, sp.Integer(0), order=1),
        Asymptotic(potential, n**2 / d, order=1),
    ),
    read=design_readings,
    along=colder,
    hypotheses=(
        UNIT,
        ONE,
        Hypothesis(
            "a spherical 2-design of n points exists",
            has_design,
            dropped=BIPYRAMID,
        ),
    ),
    witness=SQUARE,
    family=None,
    settings=(TRIANGLE, Problem.sphere(8, 3, 1, families=1), Problem.sphere(6, 3, 1, families=1)),
    derivation=design_derivation,
    rests_on=frozenset({"LS20-05", "LS20-12", "LS20-13"}),
    required="proved",
    mutants=(
        Mutant(
            "a^2/d",
            relations=(Asymptotic((F - n * sp.log(n) + n * a) / (n * a**2), 1 / d, order=1),),
            problem=SQUARE,
        ),
        Mutant(
            "any tight frame: the mean of an orthonormal basis, |S|^2 = n",
            relations=(Asymptotic(spread, n, order=1),),
            problem=SQUARE,
        ),
    ),
    source="re-derived",
)

BASIS = n * sp.log(1 + (n - 1) * sp.exp(-a))
basis = Claim(
    id="LS20-15",
    title="Minimisers of the frame potential minimise L1 at small a (false)",
    kind="ordering",
    paper=PAPER,
    status="refuted",
    statement=(
        r"n = d:\quad \min L_1 = n \log\left(1 + (n-1) e^{-a}\right), \text{ attained by an orthonormal basis }"
        r" (\mathrm{FP} = n)",
    ),
    relations=(sp.Le(BASIS, best, evaluate=False),),
    read=design_readings,
    hypotheses=(
        UNIT,
        ONE,
        Hypothesis("n = d", lambda problem: problem.dim == problem.K, dropped="a basis has d vectors"),
    ),
    witness=Problem.sphere(4, 4, "1/2", families=1),
    family=None,
    settings=(Problem.sphere(3, 3, "1/100", families=1),),
    required="refuted",
    mutants=(
        Mutant(
            "optimal to first order for a -> 0: the best point has |S|^2 = n",
            relations=(sp.Eq(spread, n, evaluate=False),),
            problem=Problem.sphere(3, 3, "1/100", families=1),
        ),
        Mutant(
            "the best point is a minimiser of the frame potential",
            relations=(sp.Eq(potential, n, evaluate=False),),
            problem=Problem.sphere(4, 4, "1/2", families=1),
        ),
    ),
    source="re-derived",
    note="A basis has |S|^2 = n, a loss of first order in a (LS20-12): at n = d = 4, a = 1/2 it costs 4.146368744931,"
    " the simplex in a hyperplane 3.729052142486. Minimisers of FP are unique up to rotations for n = d; for n > d"
    " changing the sign of one vector gives others.",
)

found_potential = sp.Symbol("FP_found", real=True)

BIPYRAMID_VALUE = bipyramid_value()


def bipyramid_readings(optimum: Optimum) -> Iterator[Reading]:
    """The end of the best random start, FP there, and L1 of the critical square pyramid.

    Examples
    --------
    >>> list(bipyramid_readings(Optimum(BIPYRAMID, "enclosure")))
    []
    """
    gram = optimum.facts.get("point_classifier")
    for reading in search_readings(optimum):
        reading = {**reading, height: HEIGHT, pyramid: PYRAMID_VALUE}
        if gram is not None:
            reading[found_potential] = frame_potential(gram)
        yield reading


def bipyramid_derivation() -> Derivation:
    """Value and frame potential from the inner products of the two poles and the triangle."""
    V = sp.Matrix(
        [
            [0, 0, 1],
            [0, 0, -1],
            [1, 0, 0],
            [-sp.Rational(1, 2), sp.sqrt(3) / 2, 0],
            [-sp.Rational(1, 2), -sp.sqrt(3) / 2, 0],
        ]
    )
    gram = V * V.T
    wanted = sp.Matrix(
        5, 5, lambda i, j: 1 if i == j else -1 if i + j == 1 else 0 if min(i, j) < 2 else -sp.Rational(1, 2)
    )
    factored = BIPYRAMID_VALUE - (
        2 * sp.log(sp.exp(a) + sp.exp(-a) + 3) + 3 * sp.log(sp.exp(a) + 2 * sp.exp(-a / 2) + 2)
    )
    return Derivation(
        (
            Identity("Gram matrix: poles -1, pole and triangle 0, triangle -1/2", gram, wanted),
            Identity("FP = n^2/d + 1/6", sum(entry**2 for entry in gram), sp.Rational(25, 3) + sp.Rational(1, 6)),
            Identity("S = 0", sp.ones(1, 5) * V, sp.zeros(1, 3)),
            Identity(
                "a row of exp(a G) at a pole", sum(sp.exp(a * t) for t in gram.row(0)), sp.exp(a) + sp.exp(-a) + 3
            ),
            Identity("at the triangle", sum(sp.exp(a * t) for t in gram.row(2)), sp.exp(a) + 2 * sp.exp(-a / 2) + 2),
            Identity("L1 = sum of the logarithms - 5 a", factored, -5 * a),
        ),
        complete=False,
        gap="that no other five points are better is numerical",
    )


five = Claim(
    id="LS20-16",
    title="Five points in space: the triangular bipyramid",
    kind="structure",
    paper=PAPER,
    status="conjecture",
    statement=(
        r"n = 5,\ d = 3,\ a \leq 6.8:\quad \min L_1 = 2 \log(e^a + e^{-a} + 3) + 3 \log(e^a + 2 e^{-a/2} + 2) - 5 a",
        r"\text{attained by } \pm e_3 \text{ and an equilateral triangle orthogonal to } e_3,\quad \mathrm{FP} = n^2/d"
        r" + \tfrac16",
    ),
    relations=(
        sp.Eq(found, BIPYRAMID_VALUE, evaluate=False),
        sp.Eq(found_potential, n**2 / d + sp.Rational(1, 6), evaluate=False),
    ),
    read=bipyramid_readings,
    hypotheses=(
        UNIT,
        ONE,
        Hypothesis(
            "n = 5, d = 3",
            lambda problem: (problem.K, problem.dim) == (5, 3),
            dropped="the bipyramid has five points in space",
        ),
        Hypothesis("a <= 6.8", lambda problem: problem.temperature <= CROSSING, dropped=PYRAMID),
    ),
    witness=BIPYRAMID,
    family=None,
    settings=tuple(Problem.sphere(5, 3, t, families=1) for t in ("1/3", 4, CROSSING)),
    derivation=bipyramid_derivation,
    required="agrees",
    mutants=(
        Mutant(
            "FP = n^2/d",
            relations=(sp.Eq(found_potential, n**2 / d, evaluate=False),),
            problem=BIPYRAMID,
        ),
        Mutant(
            "the square pyramid at small a",
            relations=(sp.Eq(found, pyramid, evaluate=False),),
            problem=BIPYRAMID,
        ),
    ),
    source="re-derived numerically; value re-derived",
    note="There is no spherical 2-design of five points in space. The bipyramid was best in every run up to a = 6.8;"
    " the two levels cross near a = 6.885, beyond which a square pyramid (not centred) is better.",
)
