"""Complete collapse: from which regularisation on the best logits are zero, for any class sizes.

Z* = 0 exactly when x = lam N reaches the norm of (I - p 1^T) D^(1/2), p the class probabilities that the bias
alone produces: uniform without a bias (HL23-05), the class frequencies with a free bias, and softmax(b) with
2 mu b = n/N - softmax(b) for a penalised one (HL23-06). The square of that norm is the largest size where the
largest size occurs twice, and otherwise the only root of a secular equation between the two largest sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from theory.blocks import Blocks, diagonal
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading, Root
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.observables import parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, dead, dead_exact, kA, kB, mu, nA, nB, x

PAPER = "hong_ling_2023"

m_c, m_free, m_none = sp.symbols("m_c m_free m_none", positive=True)
"""Square of the threshold, and what the equations of the other two bias modes would give."""

n1, n_last = sp.symbols("n_1 n_last", positive=True)
"""Largest and smallest size."""

L = sp.Symbol("L", real=True)
"""log(sum_k exp(b_k)) of the penalised bias at Z = 0."""

gap_b, p1, p_last, pi1, pi_last = sp.symbols("b_gap p_1 p_last pi_1 pi_last", real=True)
"""Bias, probability and frequency of the largest and of the smallest class."""

m = sp.Symbol("m", positive=True)
"""Unknown of the secular equations."""


def _unbiased(problem: Problem) -> bool:
    return problem.bias == "none"


def _biased(problem: Problem) -> bool:
    return problem.bias != "none"


def _unweighted(problem: Problem) -> bool:
    return all(cluster.weight == 1 for cluster in problem.clusters)


THREE = Problem.ce([12, 7, 4], 1)
LONE = Problem.ce([(20, 1), (5, 4)], 1)
PAIR = Problem.ce([(12, 2), (7, 1), (4, 2)], 1)
TINY = Problem.ce(["1/2", "1/4", "1/5"], 1)

UNBIASED = Hypothesis("no bias", _unbiased, dropped=Problem.ce([(20, 1), (5, 4)], 1, bias="free").at("14.5"))
BIASED = Hypothesis("a free or penalised bias", _biased, dropped=LONE.at("14.5"))
HEAVY = Problem.ce([(20, 1), (5, 4)], 1, weights=[2, 1, 1, 1, 1]).at(20)
UNWEIGHTED = Hypothesis("all class weights are 1", _unweighted, dropped=HEAVY)
UNWEIGHTED_BIASED = replace(UNWEIGHTED, dropped=replace(HEAVY, bias="free"))


def bias_probability(frequency: sp.Expr) -> sp.Expr:
    """Solution p of 2 mu (log(p) + L) = frequency - p.

    Examples
    --------
    >>> p = bias_probability(sp.Rational(1, 3))
    >>> sp.N((2 * mu * (sp.log(p) + L) - sp.Rational(1, 3) + p).subs({mu: 1, L: 1}), 3, chop=True)
    0
    """
    return 2 * mu * sp.LambertW(sp.exp(frequency / (2 * mu) - L) / (2 * mu))


def secular(sizes: Sequence[tuple[sp.Expr, sp.Expr]], mode: str) -> sp.Expr:
    """The function of m whose root is the squared threshold; it increases through its root.

    Parameters
    ----------
    sizes : (size, number of classes) per cluster.
    mode : 'none', 'free' or 'penalised' (then in terms of L and mu).

    Examples
    --------
    >>> secular([(sp.Integer(12), 1), (sp.Integer(7), 1), (sp.Integer(4), 1)], "none").subs(m, 10)
    0
    """
    if mode == "none":
        return sum((k / (n - m) for n, k in sizes), sp.Integer(0))
    if mode == "free":
        return sum((k * n / (n - m) for n, k in sizes), sp.Integer(0))
    classes, total = sum(k for _, k in sizes), sum(k * n for n, k in sizes)
    probabilities = [bias_probability(n / total) for n, _ in sizes]
    terms = list(zip(sizes, probabilities, strict=True))
    S = sum(k / (n - m) for n, k in sizes)
    P = sum(k * p / (n - m) for (n, k), p in terms)
    A = sum(k * p**2 / (n - m) for (n, k), p in terms)
    return -_penalised(S, P, A, classes)


def _penalised(S: sp.Expr, P: sp.Expr, A: sp.Expr, classes: sp.Expr) -> sp.Expr:
    """det(M M^T - m I) over m prod_k (n_k - m), where S, P, A are the sums of p_k^j/(n_k - m), j = 0, 1, 2."""
    return m * (P**2 - A * S) - classes * A


def squared_threshold(problem: Problem, mode: str, unknown: sp.Symbol) -> sp.Expr | Root:
    """Exact where the largest size is repeated or the root is rational, else a Root between the two largest sizes.

    Examples
    --------
    >>> squared_threshold(THREE, "none", m_c), squared_threshold(PAIR, "free", m_c)
    (10, 12)
    """
    clusters = problem.clusters
    sizes = [(rational(c.size), sp.Integer(c.classes)) for c in clusters]
    if clusters[0].classes > 1:
        return sizes[0][0]
    top, second = sizes[0][0], sizes[1][0]
    equation = secular(sizes, mode)
    if mode != "penalised":
        numerator = sp.Poly(sp.fraction(sp.together(equation))[0], m)
        exact = [root for root in numerator.ground_roots() if second < root < top]
        if exact:
            return exact[0]
    return Root(unknown, equation.subs(m, unknown), second, top)


def _mode(problem: Problem) -> str:
    return problem.bias if isinstance(problem.bias, str) else "penalised"


def collapse_readings(optimum: Optimum) -> Iterator[Reading]:
    """State of Z*, the squared threshold of the problem, and what the other equations would predict.

    Examples
    --------
    >>> (reading,) = collapse_readings(Optimum(LONE.at(16), "exact", rank=(1, 4)))
    >>> reading[dead], reading[m_none], reading[m_free]
    (False, 17, 25/2)
    """
    problem = optimum.problem
    mode, clusters = _mode(problem), problem.clusters
    least, most = optimum.rank
    state = True if most == 0 else False if least > 0 else None
    reading: dict[sp.Symbol, Any] = {
        **parameters(problem),
        dead: state,
        dead_exact: optimum.exact_zero,
        n1: rational(clusters[0].size),
    }
    if mode == "penalised" and clusters[0].classes == 1:
        reading[L] = _log_partition(problem)
    reading[m_c] = squared_threshold(problem, mode, m_c)
    reading[m_none] = squared_threshold(problem, "none", m_none)
    reading[m_free] = squared_threshold(problem, "free", m_free)
    if len(clusters) == 2 and clusters[0].classes == 1 and mode != "penalised":
        A, B = clusters
        reading |= {nA: rational(A.size), kB: sp.Integer(B.classes), nB: rational(B.size)}
    if state and optimum.logits is not None and optimum.bias is not None and mode != "none":
        reading |= _bias_readings(optimum, mode)
    yield reading


def _log_partition(problem: Problem) -> Root:
    """L from sum_k p_k = 1; it lies between log K and log K + 1/(2 mu)."""
    total = rational(problem.N)
    masses = [c.classes * bias_probability(rational(c.size) / total) for c in problem.clusters]
    classes = sp.log(problem.K)
    return Root(L, sum(masses) - 1, classes - 1, classes + 1 / (2 * mu))


def _bias_readings(optimum: Optimum, mode: str) -> dict[sp.Symbol, Any]:
    clusters = optimum.problem.clusters
    first, last = clusters[0].members[0], clusters[-1].members[0]
    P, b = optimum.probabilities, optimum.bias
    assert b is not None
    reading: dict[sp.Symbol, Any] = {gap_b: b[first] - b[last]}
    if mode == "free":
        return reading | {n_last: rational(clusters[-1].size)}
    total = rational(optimum.problem.N)
    return reading | {
        p1: P[first, first],
        p_last: P[last, first],
        pi1: rational(clusters[0].size) / total,
        pi_last: rational(clusters[-1].size) / total,
    }


def _zero_steps() -> tuple[Step, ...]:
    """From the optimality of Z = 0 to the norm of M = (I - p 1^T) D^(1/2); any feature dimension d >= 1."""
    return (
        Lemma("at Z = 0 every column of P is the same p, and b solves the bias equation", "strict convexity"),
        Lemma(
            "Z = 0 is the minimiser iff ||M|| <= x; else the top singular pair of M is a rank-one descent direction",
            "subdifferential of the nuclear norm",
        ),
        Lemma("||M||^2 is the largest eigenvalue of M M^T and of M^T M", "singular value decomposition"),
    )


def unbiased_derivation() -> Derivation:
    """M^T M = D - u u^T/K with u = sqrt(n): a rank-one update, whose eigenvalues solve one scalar equation."""
    n, s = sp.symbols("n_k s", positive=True)
    top, rest = sp.symbols("n_1 R", positive=True)
    centring = Blocks((K,), (sp.Integer(1),), sp.Matrix([[-1 / K]]))
    steps: tuple[Step, ...] = (
        *_zero_steps(),
        Identity("I - J/K is a projection, so M^T M = D - u u^T/K", (centring @ centring).flat(), centring.flat()),
        Lemma(
            "det(D - u u^T/K - m I) = prod_k (n_k - m) * (1 - (1/K) sum_k n_k/(n_k - m))", "matrix determinant lemma"
        ),
        Identity("term by term: 1 - n_k/(n_k - m) = -m/(n_k - m)", 1 - n / (n - m), -m / (n - m)),
        Identity(
            "summed over K classes the bracket is -(m/K) f(m), f = sum_k 1/(n_k - m); all eigenvalues solve f = 0, "
            "are 0, or are a repeated size",
            sp.Integer(1) - (K + m * s) / K,
            -m / K * s,
        ),
        _determinant_step("none"),
        *_root_steps(sp.Integer(1), n),
        Identity(
            "n_1 = n_2: the contrast e_1 - e_2 is an eigenvector with eigenvalue n_1, and none is larger",
            (sp.diag(top, top) - top * sp.ones(2, 2) / K) * sp.Matrix([1, -1]),
            top * sp.Matrix([1, -1]),
        ),
        Identity(
            "n_1 > n_2: det = R (-m/K) (1 + (n_1 - m) sum_{k>1} 1/(n_k - m)), R = prod_{k>1} (n_k - m) not 0 there",
            (rest * (-m / K) * (1 + (top - m) * s)).subs(m, top),
            -top / K * rest,
        ),
        Identity(
            "two clusters, kA = 1: the root is (nA kB + nB)/K",
            (1 / (nA - m) + kB / (nB - m)).subs(m, (nA * kB + nB) / (1 + kB)),
            sp.Integer(0),
        ),
    )
    return Derivation(steps=steps)


def _root_steps(weight: sp.Expr, n: sp.Expr) -> tuple[Step, ...]:
    """One root between neighbouring sizes, none above the largest."""
    s = sp.Symbol("s", positive=True)
    term = weight / (n - m)
    return (
        Identity("every term increases in m", sp.diff(term, m), weight / (n - m) ** 2),
        Positive("and strictly: the slope is positive on both sides of the pole", (weight / s**2)),
        Lemma(
            "from -inf to +inf between neighbouring sizes: exactly one root in each gap", "intermediate value theorem"
        ),
        Positive("above the largest size, m = n_k + s, every term is negative: no eigenvalue there", weight / s),
        Identity("(that term)", term.subs(m, n + s), -weight / s),
    )


def _determinant_step(mode: str) -> Identity:
    """The characteristic polynomial on cluster-constant vectors against the secular function, two clusters."""
    classes = kA + kB
    p_B = {"none": 1 / classes, "free": nB / (kA * nA + kB * nB)}.get(mode, sp.Symbol("p_B", positive=True))
    p_A = (1 - kB * p_B) / kA
    shift = Blocks((kA, kB), (sp.Integer(1),) * 2, sp.Matrix([[-p_A, -p_A], [-p_B, -p_B]]))
    gram = shift @ diagonal((kA, kB), (nA, nB)) @ shift.T
    if mode == "penalised":
        terms = ((kA, nA, p_A), (kB, nB, p_B))
        S, P, A = (sum(k * p**j / (n - m) for k, n, p in terms) for j in range(3))
        factor = m * _penalised(S, P, A, classes)
    else:
        factor = -m / (classes if mode == "none" else kA * nA + kB * nB) * secular([(nA, kA), (nB, kB)], mode)
    return Identity(
        "two clusters: det(M M^T - m I) on cluster-constant vectors is this form",
        (gram.quotient() - m * sp.eye(2)).det(),
        (nA - m) * (nB - m) * factor,
    )


def biased_derivation() -> Derivation:
    """The free bias as a rank-one update; the penalised one as rank two, with all eigenvalues located.

    Below r_k = p_k/p_1, v_k = pi_k/pi_1 = n_k/n_1 and c = p_1/pi_1 compare class k with the largest class.
    """
    n, n_j, p, p_j = sp.symbols("n_k n_j p_k p_j", positive=True)
    steps: tuple[Step, ...] = (
        *_zero_steps(),
        Identity(
            "entry (j, k) of M M^T is -p_j n_k - p_k n_j + N p_j p_k (plus n_j on the diagonal): here -n_j n_k/N",
            (-p * n_j - p_j * n + N * p * p_j).subs({p: n / N, p_j: n_j / N}),
            -n * n_j / N,
        ),
        Lemma(
            "det(D - n n^T/N - m I) = prod_k (n_k - m) * (1 - (1/N) sum_k n_k^2/(n_k - m))", "matrix determinant lemma"
        ),
        Identity("term by term: n_k - n_k^2/(n_k - m) = -m n_k/(n_k - m)", n - n**2 / (n - m), -m * n / (n - m)),
        _determinant_step("free"),
        *_root_steps(n, n),
        Identity(
            "two clusters, kA = 1, free bias: the root is K nA nB/N",
            (nA / (nA - m) + kB * nB / (nB - m)).subs(m, (1 + kB) * nA * nB / (nA + kB * nB)),
            sp.Integer(0),
        ),
        *_rank_two_steps(),
        *_location_steps(),
        Identity("free bias: p = n/N, so b_k - b_j = log(n_k/n_j)", sp.log(n / N) - sp.log(nB / N), sp.log(n / nB)),
    )
    return Derivation(steps=steps)


def _rank_two_steps() -> tuple[Step, ...]:
    """M M^T = D - p n^T - n p^T + N p p^T for any p: the determinant of a rank-two update in three sums."""
    n, p, n_j, p_j = sp.symbols("n_k p_k n_j p_j", positive=True)
    S, P, A = sp.symbols("S P A", real=True)
    cross, squares = 1 + m * P, N + m * (K + m * S)
    core = sp.eye(2) + sp.Matrix([[N, -1], [-1, 0]]) * sp.Matrix([[A, cross], [cross, squares]])
    return (
        Lemma("det(D + V C V^T - m I) = prod_k (n_k - m) * det(I + C V^T (D - m I)^-1 V)", "matrix determinant lemma"),
        Identity(
            "M M^T = D + V C V^T with V = (p, n), entry by entry",
            (sp.Matrix([[p, n]]) * sp.Matrix([[N, -1], [-1, 0]]) * sp.Matrix([p_j, n_j]))[0],
            N * p * p_j - p * n_j - n * p_j,
        ),
        Identity("sum p n/(n - m) = 1 + m P, term by term", p * n / (n - m), p + m * p / (n - m)),
        Identity("sum n^2/(n - m) = N + m (K + m S)", n**2 / (n - m), n + m * (1 + m / (n - m))),
        Identity("the secular function of a penalised bias", core.det(), m * _penalised(S, P, A, K)),
        _determinant_step("penalised"),
    )


def _location_steps() -> tuple[Step, ...]:
    """For every bias mode: ||M||^2 <= n_1, equal iff n_1 is repeated; the second eigenvalue is at most n_2."""
    r, v, c, s = sp.symbols("r v c s", positive=True)
    z, z_bar = sp.symbols("z_k z_bar", real=True)
    low = sp.Symbol("s_1", positive=True)
    head, other, n_1, n_2 = sp.symbols("p_1 p_2 n_1 n_2", positive=True)
    share_1, share_2, mass = sp.symbols("pi_1 pi_2 k_2", positive=True)
    slack = v * (1 - v) / c - (1 - r) * (v - r)
    return (
        Lemma(
            "with y = z - mean(z), z orthogonal to p: ||M||^2 <= m iff "
            "sum (m - n_k) z_k^2 >= (m/K) (sum z_k)^2 for all such z",
            "variational characterisation of eigenvalues",
        ),
        Identity(
            "because M^T y has the entries sqrt(n_k) z_k, and |y|^2 = |z|^2 - K mean(z)^2 (term by term)",
            (z - z_bar) ** 2,
            z**2 - z_bar**2 - 2 * z_bar * (z - z_bar),
        ),
        Lemma(
            "sum z_k = sum (1 - r_k) z_k, so it is enough that n_1 sum (1 - r_k)^2/(n_1 - n_k) <= K "
            "over the classes smaller than n_1 (also necessary when n_1 is repeated)",
            "Cauchy-Schwarz",
        ),
        Identity(
            "2 mu b = pi - p, b = log(p) + L: pi_1 - pi_k = p_1 - p_k + 2 mu log(p_1/p_k)",
            (head + 2 * mu * (sp.log(head) + L)) - (other + 2 * mu * (sp.log(other) + L)),
            head - other + 2 * mu * sp.log(head / other),
        ),
        Positive(
            "p increases with pi: so 1 - v_k >= c (1 - r_k), and p_1 <= pi_1 because b_1 is the largest of sum b = 0",
            1 + 2 * mu / head,
        ),
        Identity(
            "with 1 - v = c (1 - r) + s, s >= 0: the slack of (1 - r)^2/(1 - v) <= 1 - r + v/c ...",
            slack,
            r * (1 - r) + v * (1 - v - c * (1 - r)) / c,
        ),
        Positive("... is positive for r = 1/(1 + s_1) <= 1", (r * (1 - r) + v * s / c).subs(r, 1 / (1 + low))),
        Identity(
            "all K classes: sum (1 - r_k + v_k/c) = K because sum p = sum pi = 1; the largest ones take away 1/c each",
            K - 1 / head + (1 / share_1) / (head / share_1),
            K,
        ),
        Identity(
            "without class 1 (a subspace of codimension one), relative to n_2: the sum is K - 1 + (p_1 - pi_1)/p_2, "
            "less k_2/c, and p_1 <= pi_1: the second eigenvalue is at most n_2",
            K - 1 - (1 - head) / other + ((1 - share_1) / share_2) * (share_2 / other) - mass * share_2 / other,
            K - 1 + (head - share_1) / other - mass * share_2 / other,
        ),
        Identity(
            "n_1 > n_2: z = (p_2, -p_1, 0 ...) shows ||M||^2 > n_2",
            n_1 * other**2 + n_2 * head**2 - n_2 * (other**2 + head**2 - (other - head) ** 2 / K),
            (n_1 - n_2) * other**2 + n_2 * (other - head) ** 2 / K,
        ),
        Lemma("one simple eigenvalue in (n_2, n_1): one sign change of the secular function", "Courant-Fischer"),
    )


def _dead_iff(square: sp.Expr) -> tuple[Any, ...]:
    return (sp.Equivalent(dead, x**2 >= square),)


unbiased = Claim(
    id="HL23-05",
    title="Complete collapse without a bias and its secular equation",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"Z^* = 0 \iff \lambda N \geq x_c = \lVert (I - J/K) D^{1/2} \rVert",
        r"x_c^2 = n_{(1)} \text{ if } n_{(1)} = n_{(2)}, \text{ else the root in } (n_{(2)}, n_{(1)}) \text{ of }"
        r" \sum_k \frac{1}{n_k - m} = 0",
        r"x_c^2 = \frac{n_A k_B + n_B}{K} \text{ for two clusters with } k_A = 1,\qquad x_c^2 \leq n_{(1)}",
    ),
    relations=(
        *_dead_iff(m_none),
        sp.Le(m_none, n1, evaluate=False),
        sp.Equivalent(dead, x**2 >= (nA * kB + nB) / K),
    ),
    read=collapse_readings,
    hypotheses=(UNBIASED, UNWEIGHTED),
    witness=THREE.at(9),
    family=Family(sizes="any", bias=("none",), near=("collapse",)),
    settings=(
        THREE.at(10),
        THREE.at(11),
        LONE.at(17),
        LONE.at("17.000008"),
        LONE.at("16.999992"),
        PAIR.at(12),
        Problem.ce([7, 3], 1).at(5),
        TINY.at("2/5"),
    ),
    derivation=unbiased_derivation,
    required="proved",
    mutants=tuple(
        Mutant(text, relations=_dead_iff(square), problem=problem)
        for text, square, problem in (
            ("sqrt(n_max) for distinct sizes", n1, THREE.at(11)),
            ("the equation of a free bias, sum n_k/(n_k - m) = 0", m_free, THREE.at("9.5")),
            ("mean size", N / K, THREE.at(9)),
            ("missing projector, ||D^(1/2)||", n1, LONE.at(18)),
        )
    ),
    note="Holds for every feature dimension d >= 1: a descent direction at Z = 0 has rank one.",
)

biased = Claim(
    id="HL23-06",
    title="Complete collapse with a bias",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"Z^* = 0 \iff \lambda N \geq \lVert (I - p 1^\top) D^{1/2} \rVert,\qquad "
        r"p = n/N \text{ (free)},\quad p = \mathrm{softmax}(b),\ 2 \mu b = n/N - p \text{ (penalised)}",
        r"\text{free: the square is } n_{(1)} \text{ if } n_{(1)} = n_{(2)}, \text{ else the root in }"
        r" (n_{(2)}, n_{(1)}) \text{ of } \sum_k \frac{n_k}{n_k - m} = 0",
        r"\text{penalised: likewise with } m (P^2 - A S) = K A,\ (S, P, A) = \sum_k \frac{(1, p_k, p_k^2)}{n_k - m}",
        r"\text{free, collapsed: } b_k - b_j = \log(n_k/n_j);\qquad n_{(1)} = n_{(2)} \Rightarrow \sqrt{n_{(1)}}",
    ),
    relations=(
        *_dead_iff(m_c),
        sp.Le(m_c, n1, evaluate=False),
        sp.Equivalent(dead, x**2 >= K * nA * nB / N),
        sp.Eq(gap_b, sp.log(n1 / n_last), evaluate=False),
        sp.Eq(2 * mu * gap_b, (pi1 - p1) - (pi_last - p_last), evaluate=False),
        sp.Eq(gap_b, sp.log(p1 / p_last), evaluate=False),
    ),
    read=collapse_readings,
    hypotheses=(BIASED, UNWEIGHTED_BIASED),
    witness=Problem.ce([(20, 1), (5, 4)], 1, bias="free").at(12),
    family=Family(sizes="any", bias=("free", "penalised"), near=("collapse",)),
    settings=(
        Problem.ce([12, 7, 4], 1, bias="free").at(8),
        Problem.ce([12, 7, 4], 1, bias="free").at(11),
        Problem.ce([12, 7, 4], 1, bias="1/10").at("9.9"),
        Problem.ce([12, 7, 4], 1, bias="1/10").at("9.3"),
        *(Problem.ce([(20, 1), (5, 4)], 1, bias="free").at(x2) for x2 in ("12.5", "12.500006", "12.499994")),
        Problem.ce([(12, 2), (7, 1), (4, 2)], 1, bias="1/25").at("12.01"),
        Problem.ce([(12, 2), (7, 1), (4, 2)], 1, bias="1/25").at("11.99"),
        Problem.ce([(12, 2), (7, 1), (4, 2)], 1, bias="free").at(12),
        replace(TINY, bias="free").at("2/5"),
    ),
    derivation=biased_derivation,
    required="proved",
    mutants=(
        Mutant("J/K with a bias", _dead_iff(m_none), problem=Problem.ce([12, 7, 4], 1, bias="free").at("9.8")),
        Mutant(
            "sum 1/(n_k - m) = 0 with a free bias",
            _dead_iff(m_none),
            problem=Problem.ce([(20, 1), (5, 4)], 1, bias="free").at(15),
        ),
        *(
            Mutant(
                text,
                relations=(sp.Eq(gap_b, wrong, evaluate=False),),
                problem=Problem.ce([12, 7, 4], 1, bias="free").at(13),
            )
            for text, wrong in (
                ("bias limit log(n_k/N) with the wrong sign", sp.log(n_last / n1)),
                ("half the bias gap", sp.log(n1 / n_last) / 2),
            )
        ),
        Mutant(
            "the free threshold with a penalised bias",
            _dead_iff(m_free),
            problem=Problem.ce([(20, 1), (5, 4)], 1, bias=1).at(15),
        ),
    ),
    note="The secular equation of a penalised bias, for any number of sizes, is ours: the free and the unbiased one do "
    "not cover it. Proved in every mode: the threshold never exceeds sqrt(n_max), and equals it exactly when the "
    "largest size is repeated. Any d >= 1, as in HL23-05.",
)
