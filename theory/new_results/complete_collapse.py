"""Complete collapse for convex losses with any knobs: an operator norm (NR26-05) and its closed equations (NR26-06)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp

from theory import losses
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import LINEAR, UNBIASED, Delta, eps, loss_parameters, s, slope, target_column, zero_states
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, N, dead, kB, lam, n, nA, nB, w, x

PAPER = "new_results"

t = sp.Symbol("t", positive=True)
"""Unknown of the characteristic polynomials."""
norm2, norm2_flat, norm2_root, norm2_bare, frobenius2 = sp.symbols("c c_flat c_root c_bare c_F", positive=True)
"""Square of the operator norm; with u = 1/K; with sqrt(w); without u; the Frobenius norm."""


def central(problem: Problem) -> list[sp.Expr] | None:
    """U = grad Om(iota), exact; None where it is not known in closed form.

    Examples
    --------
    >>> central(Problem.ce([3, 1], 1).with_loss(adjustment=1))
    [3/4, 1/4]
    """
    classes, potential = problem.K, losses.find(problem.loss).potential
    if problem.adjustment == 0:
        value = {"squared": sp.Integer(0), "softplus": sp.Rational(1, 2)}.get(str(potential), sp.Rational(1, classes))
        return [value] * classes
    if potential != "logsumexp" or problem.adjustment.denominator != 1:
        return None
    powers = [rational(size) ** int(problem.adjustment) for size in problem.sizes]
    return [power / sum(powers) for power in powers]


def norm_square(problem: Problem, unknown: sp.Symbol, variant: str = "") -> sp.Expr | Root | None:
    """Square of |Diag(Delta) S^(-1/2) (Y - u 1^T) Diag(w sqrt(n/r))|: an exact number or a root; None if not exact.

    Parameters
    ----------
    problem : its classes, weights, multipliers and targets.
    unknown : symbol of the root.
    variant : '' for the norm itself; 'flat' with u = 1/K, 'root' with sqrt(w), 'bare' without u.

    Examples
    --------
    >>> norm_square(Problem.ce([12, 7, 4], 1), norm2)
    10
    >>> norm_square(Problem.ce([4, 4], 1).with_loss(smoothing="1/2"), norm2)
    1
    """
    u = central(problem)
    if u is None or (2 * problem.scaling).denominator != 1:
        return None
    if variant == "flat":
        u = [sp.Rational(1, problem.K)] * problem.K
    if variant == "bare":
        u = [sp.Integer(0)] * problem.K
    return _largest(_shape(problem), tuple(u), 1 if variant == "root" else 2, unknown)


def _shape(problem: Problem) -> Problem:
    """The problem without what the norm does not depend on, so that it is computed once."""
    return replace(problem, lambda_w=Fraction(1), lambda_h=Fraction(1), dim=problem.K)


@lru_cache(maxsize=1024)
def _largest(problem: Problem, u: tuple[sp.Expr, ...], power: int, unknown: sp.Symbol) -> sp.Expr | Root:
    """Largest t with det(t S Delta^-2 - B D B^T) = 0, B = Y - u 1^T, D = diag(w^2 n/r)."""
    size = problem.K
    columns = [target_column(problem, k) for k in range(size)]
    B = sp.Matrix(size, size, lambda j, k: columns[k][j] - u[j])
    masses = [
        rational(weight**power * n_k / r_k)
        for weight, n_k, r_k in zip(problem.weights, problem.sizes, problem.feature_decays, strict=True)
    ]
    rows = [
        rational(s_j) / slope(problem, n_j) ** 2 for s_j, n_j in zip(problem.row_decays, problem.sizes, strict=True)
    ]
    matrix = sp.diag(*(1 / row for row in rows)) * B * sp.diag(*masses) * B.T
    polynomial = sp.Poly(matrix.charpoly().all_coeffs(), t, domain="QQ")
    return largest_root(polynomial, unknown)


def largest_root(polynomial: sp.Poly, unknown: sp.Symbol) -> sp.Expr | Root:
    """Largest real root of a polynomial with rational coefficients: exact where rational, else a Root.

    Examples
    --------
    >>> largest_root(sp.Poly((t - 3) ** 2 * (t - 1), t), norm2)
    3
    >>> touching = sp.Poly((t - 1) * (2 * t**2 - 4 * t + 1), t)  # 1 is an end of the interval of the largest root
    >>> largest_root(touching, norm2).lower
    1
    """
    simple = polynomial.sqf_part()
    (low, high), _ = max(simple.intervals(), key=lambda item: item[0])
    if low == high:
        return sp.Rational(low)
    exact = [root for root in simple.ground_roots() if low < root < high]
    if exact:
        return max(exact)
    return Root(unknown, simple.as_expr().subs(t, unknown), sp.Rational(low), sp.Rational(high))


def norm_readings(optimum: Optimum) -> Iterator[Reading]:
    """State of Z*, the squared norm that decides it, and variants that do not.

    Examples
    --------
    >>> (reading,) = norm_readings(Optimum(Problem.ce([12, 7, 4], 1).at(9), "exact", rank=(1, 2)))
    >>> reading[norm2], reading[dead]
    (10, False)
    """
    problem = optimum.problem
    found: dict[sp.Symbol, Any] = {**loss_parameters(problem), **zero_states(optimum)}
    for symbol, variant in ((norm2, ""), (norm2_flat, "flat"), (norm2_root, "root"), (norm2_bare, "bare")):
        value = norm_square(problem, symbol, variant)
        if value is None:
            return
        found[symbol] = value
    found[frobenius2] = _frobenius(problem)
    yield found


def _frobenius(problem: Problem) -> sp.Expr:
    """Sum of squares of the entries of the matrix, for u = grad Om(iota)."""
    u = central(problem)
    assert u is not None
    total = sp.Integer(0)
    for k, (weight, size, decay) in enumerate(zip(problem.weights, problem.sizes, problem.feature_decays, strict=True)):
        for j, y in enumerate(target_column(problem, k)):
            factor = slope(problem, problem.sizes[j]) ** 2 / rational(problem.row_decays[j])
            total += (y - u[j]) ** 2 * factor * rational(weight**2 * size / decay)
    return total


def norm_derivation() -> Derivation:
    """Optimality of Z = 0 for a convex loss."""
    y, u, decay = sp.symbols("y u r_k", positive=True)
    gradient = -Delta * (y - u) * n * w / N
    return Derivation(
        steps=(
            Lemma("Z is optimal iff ||Mx|| <= 1 and <Mx, X> = ||X||_*; at Z = 0 the second is 0 = 0", "NR26-01"),
            Identity(
                "entry of Mx = -S^(-1/2) (gradient) G^(-1/2)/lam at Z = 0",
                -gradient / sp.sqrt(s * n * decay) / lam,
                Delta * (y - u) / sp.sqrt(s) * w * sp.sqrt(n / decay) / (lam * N),
            ),
            Identity(
                "the gradient of Om(Delta z + iota) - <y, Delta z + iota> at z = 0",
                gradient,
                Delta * (u - y) * n * w / N,
            ),
            Lemma(
                "||Mx|| < 1: Mx is the same for all minimisers, and <Mx, X> < ||X||_* unless X = 0, so 0 is the only "
                "one; "
                "at ||Mx|| = 1 it is one of them, the only one for losses strictly convex up to shifts",
                "duality of the two norms",
            ),
        )
    )


CONVEX = Hypothesis(
    "Fenchel-Young loss with one symmetric, differentiable potential and no margin",
    lambda problem: losses.find(problem.loss).universal,
    dropped="the gradient of another loss at Z = 0 is not Delta (u - y) with u = grad Om(iota)",
)
FLAT = Hypothesis(
    "linear features with weight decay",
    LINEAR.holds,
    dropped=Problem.ce([9, 4, 4], 1, model="ce-relu").at("6.5"),
)
UNBIASED_HERE = Hypothesis("no bias", UNBIASED.holds, dropped=Problem.ce([(20, 1), (5, 4)], 1, bias="free").at("14.5"))
THREE = Problem.ce([12, 7, 4], 1)
LONE = Problem.ce([(20, 1), (5, 3)], 1)
PAIRED = Problem.ce([(9, 2), 4], 1)
WEIGHTED = Problem.ce([9, 4, 4], 1, weights=[1, 2, 3])
MIXED = THREE.with_loss(smoothing="1/5", feature_decay=[2, 1, 1], row_decay=[1, 1, 4])
BALANCED_SOFTMAX = THREE.with_loss(adjustment=1)
KNOBS = ("weights", "smoothing", "adjustment", "feature_decay", "row_decay", "loss_temperature")

norm = Claim(
    id="NR26-05",
    title="Complete collapse for convex losses",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"Z^* = 0 \iff \lambda N \geq \left\| S^{-1/2} \mathrm{Diag}(\Delta) (Y - u 1^T)\,"
        r"\mathrm{Diag}(w_k \sqrt{n_k/r_k}) \right\|_{\mathrm{op}},\quad u = \nabla\Omega(\iota)",
    ),
    relations=(sp.Equivalent(dead, x**2 >= norm2),),
    read=norm_readings,
    hypotheses=(CONVEX, FLAT, UNBIASED_HERE),
    witness=THREE.with_loss(smoothing="1/10").at(8),
    family=Family(
        sizes="any",
        bias=("none",),
        near=("collapse",),
        model="loss",
        losses=("ce", "squared", "sparsemax", "ovr"),
        knobs=KNOBS,
    ),
    settings=(
        THREE.with_loss(smoothing="1/10").at("8.2"),
        THREE.with_loss("squared").at(11),
        THREE.with_loss("sparsemax").at(11),
        THREE.with_loss("ovr").at(13),
        BALANCED_SOFTMAX.at(9),
        MIXED.at(4),
        WEIGHTED.at(30),
        THREE.at(10),
    ),
    derivation=norm_derivation,
    rests_on=frozenset({"NR26-01"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, x**2 >= wrong),), problem=problem)
        for text, wrong, problem in (
            ("u uniform although iota is not 0", norm2_flat, BALANCED_SOFTMAX.at("9.5")),
            ("sqrt(w)", norm2_root, WEIGHTED.at(12)),
            ("u missing", norm2_bare, THREE.with_loss(smoothing="1/10").at("8.2")),
            ("Frobenius norm", frobenius2, THREE.with_loss(smoothing="1/10").at("8.2")),
        )
    ),
    note="The state is decided where u and Delta^2 are rational: no log-prior shift, or a whole multiple of it with "
    "cross-entropy.",
)

# --- closed equations --------------------------------------------------------------------------------------------

m_plain, m_smooth, m_free, m_wrong, m_below = sp.symbols("m m_eps m_free m_wn m_below", positive=True)
"""Root of sum 1/(v - m) = 0, v = w^2 n (plain; smoothed labels), of sum n/(n - m) = 0; with v = w n; the next one."""
f_zero = sp.Symbol("F_0", positive=True)
"""Value at Z = 0."""


def secular_root(
    values: list[sp.Expr], masses: list[sp.Expr], unknown: sp.Symbol, skip: int = 0
) -> sp.Expr | Root | None:
    """Root of sum mass/(value - m) between the two largest values (the largest where it is repeated).

    Parameters
    ----------
    values, masses : one entry per class.
    unknown : symbol of the root.
    skip : leave out the largest values: the interval shifted.

    Examples
    --------
    >>> secular_root([sp.Integer(12), sp.Integer(7), sp.Integer(4)], [sp.Integer(1)] * 3, m_plain)
    10
    """
    together: dict[sp.Expr, sp.Expr] = {}
    for value, mass in zip(values, masses, strict=True):
        together[value] = together.get(value, sp.Integer(0)) + mass
    ranked = sorted(together, reverse=True)[skip:]
    if skip and len(ranked) < 2:
        return None
    if sum(value == ranked[0] for value in values) > 1 or len(ranked) < 2:
        return None if skip else ranked[0]
    equation = sum((mass / (value - t) for value, mass in together.items()), sp.Integer(0))
    numerator = sp.Poly(sp.fraction(sp.together(equation))[0], t)
    exact = [root for root in numerator.ground_roots() if ranked[1] < root < ranked[0]]
    return exact[0] if exact else Root(unknown, equation.subs(t, unknown), ranked[1], ranked[0])


def equation_readings(optimum: Optimum) -> Iterator[Reading]:
    """State of Z* beside the root of the equation that applies: plain or weighted, smoothed, balanced softmax or bias.

    Examples
    --------
    >>> (reading,) = equation_readings(Optimum(LONE.at(16), "exact", rank=(1, 3)))
    >>> reading[m_plain], reading[nA]
    (65/4, 20)
    """
    problem = optimum.problem
    spec = problem.loss.partition(":")[0]
    sizes = [rational(size) for size in problem.sizes]
    values = [rational(weight**2 * size) for weight, size in zip(problem.weights, problem.sizes, strict=True)]
    ones = [sp.Integer(1)] * problem.K
    found: dict[sp.Symbol, Any] = {**loss_parameters(problem), **zero_states(optimum)}
    if len(problem.clusters) == 2 and problem.clusters[0].classes == 1 and not any(v != 1 for v in problem.weights):
        A, B = problem.clusters
        found |= {nA: rational(A.size), nB: rational(B.size), kB: sp.Integer(B.classes)}
    if spec in ("focal", "poly1"):
        yield from _necessary(optimum, secular_root(values, ones, m_wrong), spec)
    elif problem.adjustment == 1 or problem.bias == "free":
        yield found | {m_free: secular_root(sizes, sizes, m_free)}
    elif problem.smoothing:
        yield found | {m_smooth: secular_root(values, ones, m_smooth)}
    else:
        products = [rational(weight * size) for weight, size in zip(problem.weights, problem.sizes, strict=True)]
        found |= {m_plain: secular_root(values, ones, m_plain), m_wrong: secular_root(products, ones, m_wrong)}
        below = secular_root(values, ones, m_below, 1)
        yield found | ({} if below is None else {m_below: below})


def _necessary(optimum: Optimum, root: Any, spec: str) -> Iterator[Reading]:
    """The best value known below the threshold of a loss of the own probability, where x is certainly below it."""
    problem = optimum.problem
    parameter = rational(losses_parameter(problem))
    classes = problem.K
    q = 1 - sp.Rational(1, classes)
    if not isinstance(root, sp.Expr) or optimum.upper is None:
        return
    if spec == "focal":
        factor = q**parameter + parameter / classes * q ** (parameter - 1) * sp.log(classes)
        zero = q**parameter * sp.log(classes)
    else:
        factor = 1 + parameter / classes
        zero = sp.log(classes) + parameter * q
    threshold = factor * sp.sqrt(root)
    if bool(sp.N(threshold) > sp.N(loss_parameters(problem)[x]) * sp.Rational(10001, 10000)):
        mean = sum(rational(n_k * w_k) for n_k, w_k in zip(problem.sizes, problem.weights, strict=True)) / rational(
            problem.N
        )
        yield {**loss_parameters(problem), F: optimum.upper, f_zero: mean * zero}


def losses_parameter(problem: Problem) -> Any:
    """The number after the colon of the loss.

    Examples
    --------
    >>> losses_parameter(Problem.ce([2, 1], 1).with_loss("focal:2"))
    Fraction(2, 1)
    """
    return Fraction(problem.loss.partition(":")[2])


def equation_derivation() -> Derivation:
    """The operator norm with Delta = r = 1: largest eigenvalue of P V P, and of the centred D with u = n/N."""
    v, m, c, power, probability, e = sp.symbols("v m c g p epsilon", positive=True)
    excess = sp.Symbol("d", positive=True)
    logp = sp.Symbol("L", real=True)
    slope_focal = sp.diff(-((1 - probability) ** power) * sp.log(probability), probability)
    return Derivation(
        steps=(
            *norm_derivation().steps,
            Lemma("||P V^(1/2)||^2 is the largest eigenvalue of P V P; V = diag(w^2 n), u = 1/K", "singular values"),
            Identity(
                "an eigenvector y perpendicular to 1 with P V y = m y: (v_k - m) y_k is the same c for all k, so "
                "sum y_k = 0 says sum 1/(v_k - m) = 0",
                (v - m) * (c / (v - m)),
                c,
            ),
            Positive("every term 1/(v - m) increases in m: one root between neighbours", 1 / excess**2),
            Identity("(that slope at v - m = d)", sp.diff(1 / (v - m), m).subs(m, v - excess), 1 / excess**2),
            Lemma("from -inf to +inf in the gap of the two largest values", "intermediate value theorem"),
            Identity(
                "a repeated largest value: the contrast of the two classes is an eigenvector of P V P",
                (sp.eye(2) - sp.ones(2, 2) / K) * sp.diag(v, v) * sp.Matrix([1, -1]),
                v * sp.Matrix([1, -1]),
            ),
            Identity("smoothing: y_k - 1/K is 1 - eps times e_k - 1/K", (1 - e + e / K) - 1 / K, (1 - e) * (1 - 1 / K)),
            Identity(
                "balanced softmax or free bias: u = n/N; y in the range of D - n n^T/N, (n_k - m) y_k = c n_k",
                (n - m) * (c * n / (n - m)),
                c * n,
            ),
            Identity(
                "one class of nA, K - 1 of nB, balanced softmax: the root is K nA nB/N",
                (nA / (nA - m) + kB * nB / (nB - m)).subs(m, (1 + kB) * nA * nB / (nA + kB * nB)),
                sp.Integer(0),
            ),
            Identity(
                "and (nA (K-1) + nB)/K without it",
                (1 / (nA - m) + kB / (nB - m)).subs(m, (nA * kB + nB) / (1 + kB)),
                sp.Integer(0),
            ),
            Identity(
                "focal: -p f'(p) at p = 1/K, f = -(1-p)^g log p, multiplies the gradient of CE at Z = 0",
                (-probability * slope_focal).subs(sp.log(probability), logp),
                (1 - probability) ** power - power * probability * (1 - probability) ** (power - 1) * logp,
            ),
            Identity(
                "poly-1: -p f'(p) with f = -log p + e (1 - p)",
                -probability * sp.diff(-sp.log(probability) + e * (1 - probability), probability),
                1 + e * probability,
            ),
            Lemma(
                "below the threshold the top singular pair of Mx descends from Z = 0, convex or not",
                "first-order expansion",
            ),
        )
    )


FOCAL = Problem.ce([12, 7, 4], 1).with_loss("focal:2")
POLY = Problem.ce([12, 7, 4], 1).with_loss("poly1:1")
DELTA_ONE = Hypothesis(
    "Delta = r = s = 1, targets one-hot or smoothed, no penalised bias",
    lambda p: (
        not p.scaling
        and p.loss_temperature == 1
        and not p.targets
        and p.adjustment in (0, 1)
        and (p.adjustment == 0 or (not p.smoothing and p.bias == "none" and all(w_k == 1 for w_k in p.weights)))
        and (p.bias == "none" or (p.bias == "free" and not p.smoothing and all(w_k == 1 for w_k in p.weights)))
        and all(run.feature_decay == 1 and run.row_decay == 1 for run in p.runs)
    ),
    dropped=Problem.ce([12, 7, 4], 1).with_loss(loss_temperature=2).at(5),
)
SIMPLEX = Hypothesis(
    "linear features; CE, sparsemax, focal or poly-1 (u = 1/K)",
    lambda p: p.model == "ce" and p.loss.partition(":")[0] in ("ce", "sparsemax", "focal", "poly1"),
    dropped=Problem.ce([12, 7, 4], 1).with_loss("squared").at(11),
)

equations = Claim(
    id="NR26-06",
    title="Closed equations for complete collapse",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\text{plain or weighted: } Z^* = 0 \iff (\lambda N)^2 \geq m,\quad \sum_k \frac{1}{v_k - m} = 0,\ "
        r"v_k = w_k^2 n_k",
        r"\text{label smoothing: } (\lambda N)^2 \geq (1 - \epsilon)^2 m",
        r"\text{balanced softmax or free bias: } \sum_k \frac{n_k}{n_k - m} = 0;\quad"
        r"\text{one majority class: } m = \frac{K n_A n_B}{N} \text{ against } \frac{n_A (K-1) + n_B}{K}",
        r"\text{focal } \gamma \text{ (necessary): } x_c \left(\left(1 - \tfrac1K\right)^\gamma"
        r" + \tfrac{\gamma}{K} \left(1 - \tfrac1K\right)^{\gamma - 1} \log K\right);\quad \text{poly-1: }"
        r" x_c (1 + \epsilon/K)",
    ),
    relations=(
        sp.Equivalent(dead, x**2 >= m_plain),
        sp.Equivalent(dead, x**2 >= (1 - eps) ** 2 * m_smooth),
        sp.Equivalent(dead, x**2 >= m_free),
        sp.Eq(m_free, K * nA * nB / N, evaluate=False),
        sp.Eq(m_plain, (nA * (K - 1) + nB) / K, evaluate=False),
        sp.Lt(F, f_zero, evaluate=False),
    ),
    read=equation_readings,
    hypotheses=(DELTA_ONE, SIMPLEX),
    witness=THREE.at(9),
    family=Family(sizes="any", weights=True, bias=("none",), near=("collapse",)),
    settings=(
        THREE.at(10),
        LONE.at(16),
        Problem.ce([9, 4, 4], 1, weights=[1, 2, 3]).at(30),
        THREE.with_loss(smoothing="1/10").at("8.2"),
        PAIRED.with_loss(smoothing="1/10").at("7.29"),
        BALANCED_SOFTMAX.at(9),
        LONE.with_loss(adjustment=1).at(10),
        Problem.ce([(20, 1), (5, 3)], 1, bias="free").at(10),
        THREE.with_loss("sparsemax").at(11),
        FOCAL.at(3),
        POLY.at(12),
    ),
    derivation=equation_derivation,
    rests_on=frozenset({"NR26-01", "NR26-05"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("v = w n", (sp.Equivalent(dead, x**2 >= m_wrong),), problem=WEIGHTED.at(10)),
        Mutant("interlacing interval shifted", (sp.Equivalent(dead, x**2 >= m_below),), problem=THREE.at(9)),
        Mutant(
            "label smoothing divides by 1 - eps",
            (sp.Equivalent(dead, x**2 >= m_smooth / (1 - eps) ** 2),),
            problem=THREE.with_loss(smoothing="1/10").at(9),
        ),
        Mutant(
            "K^2", (sp.Eq(m_free, K**2 * nA * nB / N, evaluate=False),), problem=LONE.with_loss(adjustment=1).at(10)
        ),
        Mutant(
            "balanced softmax changes nothing",
            (sp.Equivalent(dead, x**2 >= (nA * (K - 1) + nB) / K),),
            problem=LONE.with_loss(adjustment=1).at(14),
        ),
    ),
    note="For focal and poly-1 losses only the necessary part is checked: below the threshold a point better than "
    "Z = 0 is found.",
)
