"""A lower bound by uniform spread: proved for one family, open for two, and the step that does not prove it."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from theory.claim import Asymptotic, Claim, Family, Hypothesis, Mutant
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.lu_steinerberger_2020.settings import (
    BIPYRAMID,
    DODECAGON,
    HEPTAGON,
    LINE,
    PENTAGON,
    SQUARE,
    TRIANGLE,
)
from theory.problem import Problem
from theory.sphere_observables import (
    ONE,
    PAPER,
    UNIT,
    a,
    at_most,
    bessel_mean,
    best,
    d,
    double_mean,
    energy,
    found,
    n,
    point_readings,
    search_readings,
    uniform_bound,
    value_readings,
)
from theory.symbols import F

BOUND = uniform_bound()
ONE_FAMILY = Family(model="ce-sphere", near=(), dims="any", families=(1,))
MODERATE = at_most(50, "only the check needs it: the Bessel functions are evaluated in balls of fixed precision")

KENT = Lemma(
    "d >= 2: p(x, y) = exp(a <x, y>)/c_d(a) is q * q for a zonal Markov kernel q >= 0: the von Mises-Fisher"
    " distribution is infinitely divisible",
    "Kent, Proc. London Math. Soc. 35 (1977) 359-384",
)


def kernel_steps() -> tuple[Identity | Lemma | Positive, ...]:
    """E(mu) - log c_d(a) >= KL(q * mu | sigma) >= 0 for every probability measure mu."""
    size, temperature, mean, constant, density = sp.symbols("n a p c_d h", positive=True)
    up, down = sp.exp(temperature), sp.exp(-temperature)
    tanh = (up - down) / (up + down)
    return (
        Identity(
            "a term of L1 is log(n m_i) - a, m_i the mean of exp(a <v_i, v_j>) over j; m_i = c_d (p * mu)(v_i)",
            sp.log(size * mean * constant / sp.exp(temperature)),
            sp.log(size) - temperature + sp.log(constant) + sp.log(mean),
        ),
        KENT,
        Identity(
            "d = 1, signs x, y: p = 1 + tanh(a) x y is q * q for q = 1 + sqrt(tanh(a)) x y; at x y = 1",
            ((1 + sp.sqrt(tanh)) ** 2 + (1 - sp.sqrt(tanh)) ** 2) / 2,
            2 * up / (up + down),
        ),
        Positive("where q >= 0, as tanh(a) < 1", 2 * down / (up + down)),
        Lemma("log(p * mu) = log(q * h) >= q * log h for the density h = q * mu: q is a Markov kernel", "Jensen"),
        Lemma(
            "integrated against mu: >= integral of h log h, the divergence KL(h | sigma), as q is symmetric", "Fubini"
        ),
        Identity(
            "h log h - h + 1 vanishes at h = 1",
            (density * sp.log(density) - density + 1).subs(density, 1),
            sp.Integer(0),
        ),
        Identity(
            "its slope there", sp.diff(density * sp.log(density) - density + 1, density).subs(density, 1), sp.Integer(0)
        ),
        Positive("it is convex", sp.diff(density * sp.log(density) - density + 1, density, 2)),
        Lemma("so h log h >= h - 1, whose integral is 0: KL >= 0, and 0 only for h = 1", "convexity"),
    )


def bound_derivation() -> Derivation:
    """Jensen through the square root of the kernel."""
    return Derivation(kernel_steps())


TIGHT = tuple(
    Problem.sphere(size, dim, temperature, families=1)
    for size, dim, temperature in ((2, 1, 3), (8, 2, "1/2"), (6, 3, "1/100"))
)
"""The two points of a line attain the bound; polygon and orthoplexes at small a nearly do."""
LOOSE = (Problem.sphere(2, 2, 8, families=1), Problem.sphere(2, 6, 1, families=1))
"""A negative bound; more dimensions than vectors."""
WEAKER = {
    pattern: reason
    for where in ("", " (relation 2)")
    for pattern, reason in (
        (f"sign: -a + log(n) + log(* becomes -a - log(n) + log(*{where}", "a smaller bound, since n >= 1: weaker"),
        (f"dropped term: -a + log(n) + log(* becomes -a + log(n){where}", "a smaller bound, since c_d >= 1: weaker"),
        (f"exponent: n becomes sqrt(n){where}", "a smaller bound, or a negative one: weaker, since n >= 1 and L >= 0"),
        (f"off by one: n becomes n - 1{where}", "a smaller bound, or a negative one: weaker, since L >= 0"),
    )
}
"""Of mutants of the bound, as the only relation of a claim and as its second."""

bound = Claim(
    id="LS20-05",
    title="Uniform lower bound for one family",
    kind="bound",
    paper=PAPER,
    statement=(
        r"L_1(V) = n (\log n - a + E(\mu_n)),\quad E(\mu) = \int \log \int e^{a \langle x, y \rangle} d\mu(y) d\mu(x)",
        r"L_1(V) \geq n (\log n + \log c_d(a) - a),\quad c_d(a) = \Gamma(\tfrac d2) (2/a)^{d/2 - 1} I_{d/2-1}(a)",
    ),
    relations=(sp.Eq(best, n * (sp.log(n) - a + energy), evaluate=False), sp.Le(BOUND, best, evaluate=False)),
    read=point_readings,
    hypotheses=(UNIT, ONE, MODERATE),
    witness=PENTAGON,
    family=ONE_FAMILY,
    settings=(DODECAGON, HEPTAGON, LINE, TRIANGLE, BIPYRAMID, *TIGHT, *LOOSE),
    derivation=bound_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=DODECAGON)
        for text, wrong in (
            (
                "c_d with exponent d/2",
                sp.Le(BOUND + n * sp.log(2 / a), best, evaluate=False),
            ),
            ("without -a", sp.Le(BOUND + n * a, best, evaluate=False)),
            ("log(n - 1) in the identity", sp.Eq(best, n * (sp.log(n - 1) - a + energy), evaluate=False)),
            ("log(n + 1) in the bound", sp.Le(BOUND + n * sp.log((n + 1) / n), best, evaluate=False)),
        )
    ),
    source="asymptotic uniformity published (abstract); this form re-derived",
    note="The certificates do not rest on the cited theorem: for each problem the kernel proves the sign of a"
    " polynomial square root that it can evaluate. For two families the bound is open (LS20-19).",
    survivors=WEAKER,
)


step = Claim(
    id="LS20-06",
    title="The step through the double mean (goes the wrong way)",
    kind="bound",
    paper=PAPER,
    status="refuted",
    statement=(r"E(\mu) \geq \log \iint e^{a \langle x, y \rangle} d\mu\, d\mu \text{ for every } \mu",),
    relations=(sp.Ge(energy, double_mean, evaluate=False),),
    read=point_readings,
    hypotheses=(UNIT, ONE),
    witness=LINE,
    family=None,
    settings=(BIPYRAMID,),
    required="refuted",
    mutants=(
        Mutant(
            "equality for every measure",
            relations=(sp.Eq(energy, double_mean, evaluate=False),),
            problem=LINE,
        ),
        Mutant(
            "strict for everything but the uniform measure: the square loses 1/1000",
            relations=(sp.Le(energy, double_mean - sp.Rational(1, 1000), evaluate=False),),
            problem=SQUARE,
        ),
    ),
    source="re-derived",
    note="The logarithm is concave, so E(mu) <= log of the double mean, with equality only where the inner mean is "
    "constant mu-almost everywhere. Three points 1, 1, -1 on a line show it (a = 1: .486985083859 < .515011975885). "
    "LS20-05 needs the square root of the kernel.",
)


def grow(problem: Problem, scale: int) -> Problem:
    """scale/10 vectors.

    Examples
    --------
    >>> grow(PENTAGON, 200).K
    20
    """
    return Problem.sphere(scale // 10, problem.dim, problem.temperature, families=1)


def limit_derivation() -> Derivation:
    """Uniqueness from the divergence, then weak-* compactness."""
    return Derivation(
        (
            *kernel_steps(),
            Lemma(
                "equality needs q * mu = sigma, and q * mu has the harmonic moments of mu times sqrt(r_k)", "Funk-Hecke"
            ),
            Lemma("r_k > 0 for every k: all moments of degree k >= 1 vanish, so mu = sigma", "density of polynomials"),
            Lemma("measures on the sphere are weak-* compact and sigma is a limit of empirical measures", "Prokhorov"),
            Lemma("E is weak-* continuous: the logarithms of p * mu are equicontinuous and bounded", "Arzela-Ascoli"),
            Identity("L1/n - log n + a = E", n * (sp.log(n) - a + F) / n - sp.log(n) + a, F),
        )
    )


REACH = (
    Hypothesis(
        "d = 2",
        lambda problem: problem.dim == 2,
        dropped="only the check needs it: for d = 2 a certificate follows the optimum to any n",
    ),
    at_most(8, "only the check needs it: n = 20 vectors must be many"),
)

limit = Claim(
    id="LS20-07",
    title="Minimisers of one family become uniformly distributed",
    kind="limit",
    paper=PAPER,
    statement=(
        r"\min_\mu E(\mu) = \log c_d(a), \text{ attained at the uniform measure } \sigma \text{ only } (d \geq 2)",
        r"n \to \infty:\quad \tfrac1n \min L_1 - \log n + a \to \log c_d(a),\quad \mu_n \to \sigma \text{ weakly}",
    ),
    relations=(Asymptotic(F / n - sp.log(n) + a, sp.log(bessel_mean()), order=1),),
    read=value_readings,
    along=grow,
    hypotheses=(UNIT, ONE, *REACH),
    witness=PENTAGON,
    family=None,
    settings=(SQUARE, HEPTAGON, Problem.sphere(5, 2, "1/3", families=1), Problem.sphere(5, 2, 8, families=1)),
    derivation=limit_derivation,
    rests_on=frozenset({"LS20-05"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(Asymptotic(F / n - sp.log(n) + a, sp.log(wrong), order=1),), problem=PENTAGON)
        for text, wrong in (
            ("log c_d(2 a)", bessel_mean(d, 2 * a)),
            ("log c_(d-1)(a)", bessel_mean(d - 1, a)),
        )
    ),
    source="published (abstract) for n to infinity at fixed d; proof re-derived for one family",
    note="For two families uniformity is open (LS20-19). In the plane the approach is faster than any power of 1/n.",
)


def line_derivation() -> Derivation:
    """The case d = 1: signs, where u = v is best and an equal split minimises."""
    x, y, q = sp.symbols("x y q", positive=True)
    rest = sp.Symbol("s", positive=True)  # 1 - q, with q = exp(-2 a) < 1
    term = x * sp.log(q * (x + y) + rest * x)
    curve = rest * (2 * q * (x + y) + rest * x) / (q * (x + y) + rest * x) ** 2
    size = sp.Symbol("n", positive=True)
    total = sp.Symbol("m", positive=True)
    convex = x * sp.log(q * total + rest * x)
    return Derivation(
        (
            Lemma(
                "for signs v every <v_j - v_i, u_i> is 0 or -2 at u_i = v_i, else 0 or 2: u = v is best", "enumeration"
            ),
            Identity(
                "x signs of one kind, y of the other: x log(x + q y) + ..., q = exp(-2 a), s = 1 - q",
                term.subs(rest, 1 - q),
                x * sp.log(x + q * y),
            ),
            Identity(
                "second derivative along x + y = m",
                sp.diff(convex, x, 2),
                curve.subs(y, total - x),
            ),
            Positive("convex, so the equal split is a lower bound", curve),
            Identity(
                "it is n (log n + log cosh(a) - a), as c_1 = cosh(a): the argument of each logarithm",
                size / 2 + sp.exp(-2 * a) * size / 2,
                size * (sp.exp(a) + sp.exp(-a)) / 2 * sp.exp(-a),
            ),
        ),
        complete=False,
        gap="d >= 2 is open",
    )


two = Claim(
    id="LS20-19",
    title="Uniform lower bound for two families (open)",
    kind="bound",
    paper=PAPER,
    status="conjecture",
    statement=(r"L_2(U, V) \geq n (\log n + \log c_d(a) - a) \text{ for all } n, d, a",),
    relations=(sp.Le(BOUND, found, evaluate=False),),
    read=search_readings,
    hypotheses=(
        UNIT,
        Hypothesis("two families", lambda problem: problem.families == 2, dropped="for one family it is LS20-05"),
        MODERATE,
    ),
    witness=Problem.sphere(5, 2, 1),
    family=Family(model="ce-sphere", near=(), dims="any", families=(2,)),
    settings=(
        Problem.sphere(6, 2, 2),
        Problem.sphere(12, 2, 1),
        Problem.sphere(5, 3, 2),
        *(replace(problem, families=2) for problem in (*TIGHT, *LOOSE)),
        Problem.sphere(12, 2, 3),
    ),
    derivation=line_derivation,
    required="agrees",
    mutants=(
        Mutant(
            "log(n + 1)",
            relations=(sp.Le(BOUND + n * sp.log((n + 1) / n), found, evaluate=False),),
            problem=Problem.sphere(12, 2, 1),
        ),
        Mutant(
            "c_(d-1)",
            relations=(sp.Le(uniform_bound(d - 1), found, evaluate=False),),
            problem=Problem.sphere(12, 2, 2),
        ),
    ),
    source="re-derived numerically; no proof known",
    note="Proved for d = 1. No search found a point below the bound; large regular polygons come within rounding of "
    "it. So the uniform distribution of minimisers is proved for u = v only.",
    survivors=WEAKER | {"strictness: *": "attained by the points of a line, where floats do not tell"},
)
