"""What a free bias changes, in squared loss and cross-entropy: one secular equation, and modes between the sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory.bridges.settings import LINEAR, PAPER, WIDE, squared, unweighted, value, zero_state
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2023_deep_linear import settings as deep
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.hong_ling_2023.complete_collapse import m, squared_threshold
from theory.observables import parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, dead, dead_exact, kA, kB, nA, nB, x

mode, upper, lower = sp.symbols("mu_i n_i n_next", positive=True)
"""A mode of the centred labels, the i-th and the (i+1)-th largest size."""
alive, alive_free = sp.symbols("alive alive_free", nonnegative=True)
"""Numbers of live modes without and with a free bias."""
F_none, F_free = sp.symbols("F_none F_free", nonnegative=True)


def interlaced(optimum: Optimum) -> Iterator[Reading]:
    """Modes under a free bias between two sizes, numbers of live modes, and values.

    Examples
    --------
    >>> [len(reading) for reading in interlaced(Optimum(deep.EXAMPLE, "exact"))]
    [0]
    """
    sizes = sorted(optimum.problem.sizes, reverse=True)
    for other in optimum.companions:
        seen = other.facts.get("modes")
        if seen is not None:
            for i in range(len(sizes) - 1):
                yield {mode: seen[i], upper: rational(sizes[i]), lower: rational(sizes[i + 1])}
        reading = {**value(optimum, F_none), **value(other, F_free)}
        for known, symbol in ((optimum, alive), (other, alive_free)):
            if known.rank[0] == known.rank[1]:
                reading[symbol] = sp.Integer(known.rank[0])
        yield reading
        return
    yield {}


def interlacing_derivation() -> Derivation:
    """The modes are the zeros of an increasing function with poles at the sizes."""
    size, share, s = sp.symbols("n_k total s", positive=True)
    term = size / (size - m)
    return Derivation(
        steps=(
            Lemma(
                "the modes are n_k without a bias, and the eigenvalues of C = D - n n^T/N with a free one", "DA23-19"
            ),
            Lemma(
                "det(D - n n^T/N - m I) = prod_k (n_k - m) (1 - (1/N) sum_k n_k^2/(n_k - m))",
                "matrix determinant lemma",
            ),
            Identity("n_k - n_k^2/(n_k - m) = -m n_k/(n_k - m)", size - size**2 / (size - m), -m * size / (size - m)),
            Identity("every term of sum_k n_k/(n_k - m) has the slope", sp.diff(term, m), size / (size - m) ** 2),
            Positive("which is positive", size / s**2),
            Lemma(
                "so there is exactly one zero strictly between two neighbouring "
                "sizes, and a size that occurs r times is "
                "an eigenvalue r - 1 times (contrasts): n_{i+1} <= mu_i <= n_i, and mu_K = 0",
                "intermediate value theorem",
            ),
            Lemma("a mode is alive iff it exceeds one bound that depends on N, Lam and M only", "DA23-03"),
            Lemma("mu_i > bound gives n_i > bound, so no more are alive with the bias", "interlacing"),
            Lemma("n_{i+1} > bound gives mu_i > bound, so at most one is lost: alive_free >= alive - 1", "interlacing"),
            Lemma(
                "a layer of width R keeps the R largest modes of both, and min(R, .) keeps both inequalities", "DA23-02"
            ),
            Lemma("b = 0 is allowed under a free bias: f*(free) <= f*(none)", "a minimum over a larger set"),
            Identity(
                "the contrast of two classes of one size is an eigenvector with that size (two classes written out)",
                (sp.diag(size, size) - size**2 * sp.ones(2, 2) / share) * sp.Matrix([1, -1]),
                size * sp.Matrix([1, -1]),
            ),
        )
    )


LOST = Problem.mse([9, 9, 3, 3, 3], ["0.0345"] * 2, "0.0345")
KEPT = Problem.mse([9, 6, 4], "0.02")

interlacing = Claim(
    id="XP26-09",
    title="Squared loss: live modes with a free bias and without interlace",
    kind="bound",
    paper=PAPER,
    statement=(
        r"\mu_1 \geq \dots \geq \mu_{K-1} > 0 \text{ the eigenvalues of } D - n n^\top/N:\qquad n_{i+1} \leq \mu_i \leq"
        r" n_i\quad (n_1 \geq \dots \geq n_K)",
        r"\#\text{alive(none)} - 1 \leq \#\text{alive(free)} \leq \#\text{alive(none)},\qquad f^*(\text{free}) \leq"
        r" f^*(\text{none})\quad\text{at every depth and width}",
    ),
    relations=(
        sp.Le(lower, mode, evaluate=False),
        sp.Le(mode, upper, evaluate=False),
        sp.Le(alive_free, alive, evaluate=False),
        sp.Le(alive - 1, alive_free, evaluate=False),
        sp.Le(F_free, F_none, evaluate=False),
    ),
    read=interlaced,
    companions=lambda problem: (replace(problem, bias="free"),),
    hypotheses=(
        deep.SQUARED_ONLY,
        Hypothesis(
            "no bias (the other problem has one)",
            lambda problem: problem.bias == "none",
            dropped="with a free bias on both sides the numbers of live modes are equal, and the statement holds",
        ),
    ),
    witness=LOST,
    family=Family(bias=("none",), near=("zero",), model="mse", depths=(1, 2, 3), dims="any"),
    settings=(
        KEPT,
        deep.EXAMPLE,
        Problem.mse([(4, 3)], "0.02", "0.05"),
        Problem.mse([3, 2], ["1/2", "1/3"], 1),
        Problem.mse(["1/2", "1/4"], "1/10"),
    ),
    derivation=interlacing_derivation,
    rests_on=frozenset({"DA23-02", "DA23-03", "DA23-19"}),
    required="proved",
    mutants=(
        Mutant(
            "always one less",
            relations=(sp.Eq(alive_free, alive - 1, evaluate=False),),
            problem=Problem.mse([30, 20, 1], "0.06"),
        ),
        Mutant("never less", relations=(sp.Eq(alive_free, alive, evaluate=False),), problem=KEPT),
        Mutant("mu_i >= n_i", relations=(sp.Ge(mode, upper, evaluate=False),), problem=KEPT),
        Mutant("mu_i <= n_{i+1}", relations=(sp.Le(mode, lower, evaluate=False),), problem=KEPT),
    ),
    source="published result; proof re-derived",
)

m_free, m_none = sp.symbols("m_free m_none", positive=True)
"""Largest root of sum_k n_k/(n_k - m) = 0 (the largest size where that is repeated); of sum_k 1/(n_k - m) = 0."""
largest_mode = sp.Symbol("mu_1", positive=True)
secular, secular_square = sp.symbols("S_1 S_2", real=True)
"""Sums of n_k/(n_k - mu_1) and n_k^2/(n_k - mu_1) at the observed mode, where the largest size is unique."""
repeated = sp.Symbol("n_same", positive=True)
top, second = sp.symbols("n_top n_second", positive=True)
"""The largest size where it is repeated; the two largest where the largest is unique."""


def four_meanings(optimum: Optimum) -> Iterator[Reading]:
    """Complete collapse of cross-entropy and of squared loss, and the largest mode, all against m.

    Examples
    --------
    >>> [sorted(map(str, reading)) for reading in four_meanings(Optimum(LONE.at(16), "exact"))][1]
    ['K', 'N', 'dead', 'dead_exact', 'k_A', 'k_B', 'lambda', 'm_free', 'm_none', 'n_A', 'n_B', 'n_second', 'n_top', 'x']
    """
    problem = optimum.problem
    common = {
        **parameters(problem),
        m_free: squared_threshold(problem, "free", m_free),
        m_none: squared_threshold(problem, "none", m_none),
    }
    yield {**common, dead: zero_state(optimum), dead_exact: optimum.exact_zero}
    yield {**common, **_sizes(problem), dead: zero_state(optimum), dead_exact: optimum.exact_zero}
    for other in optimum.companions:
        if other.problem.key == "loss":
            yield {**common, dead: zero_state(other), dead_exact: other.exact_zero}
            continue
        states = other.facts.get("mode_states")
        exact = None if states is None or states[0] is None else states[0] != "alive"
        yield {**common, dead: zero_state(other), dead_exact: exact}
        seen = other.facts.get("modes")
        if seen is not None:
            reading = {**common, **_sizes(problem), largest_mode: seen[0]}
            if problem.clusters[0].classes == 1:
                reading |= {secular: _sum(problem, seen[0], 1), secular_square: _sum(problem, seen[0], 2)}
            yield reading


def balanced_softmax(problem: Problem) -> Problem:
    """The same classes without a bias and with logits shifted by log(n/N) in training.

    Examples
    --------
    >>> balanced_softmax(LONE).adjustment
    Fraction(1, 1)
    """
    return replace(problem, bias="none").with_loss(adjustment=1)


def _sizes(problem: Problem) -> dict[sp.Symbol, Any]:
    clusters = problem.clusters
    if clusters[0].classes > 1:
        return {repeated: rational(clusters[0].size)}
    found: dict[sp.Symbol, Any] = {top: rational(clusters[0].size), second: rational(clusters[1].size)}
    if len(clusters) == 2:
        found |= {kA: sp.Integer(1), nA: found[top], kB: sp.Integer(clusters[1].classes), nB: found[second]}
    return found


def _sum(problem: Problem, value: Any, power: int) -> Any:
    total = 0 * value
    for cluster in problem.clusters:
        size = (0 * value + cluster.size.numerator) / cluster.size.denominator
        total += cluster.classes * size**power / (size - value)
    return total


def secular_derivation() -> Derivation:
    """One matrix, D - n n^T/N, in four places."""
    n, n_j, s1 = sp.symbols("n_k n_j s_1", positive=True)
    total = sp.Symbol("N_", positive=True)
    return Derivation(
        steps=(
            Lemma("cross-entropy with a free bias: Z = 0 iff x >= |(I - p 1^T) D^(1/2)| with p = n/N", "HL23-06"),
            Lemma(
                "fixed shifts b = log n of the logits without a bias (balanced softmax): at Z = 0 every column of the "
                "softmax is n/N too, so the condition is the same",
                "subdifferential of the nuclear norm",
            ),
            Identity("softmax of log n", sp.exp(sp.log(n)) / total, n / total),
            Lemma("squared loss with a free bias: mu_1 is the largest eigenvalue of D - n n^T/N", "DA23-19"),
            Lemma("squared loss, M = 1: a mode is dead iff mu <= x^2, the largest one dies last", "DA23-03"),
            Identity(
                "entry (j, k) of (I - p 1^T) D (I - 1 p^T): -p_j n_k - n_j p_k + N p_j p_k at p = n/N",
                -(n_j / N) * n - n_j * n / N + N * (n_j / N) * (n / N),
                -n * n_j / N,
            ),
            Identity(
                "and on the diagonal n_k is added: D - n n^T/N", n - 2 * n**2 / N + N * (n / N) ** 2, n - n**2 / N
            ),
            Lemma("its eigenvalues: sum_k n_k^2/(n_k - m) = N off the sizes", "matrix determinant lemma"),
            Identity("n_k^2/(n_k - m) = n_k + m n_k/(n_k - m)", n**2 / (n - m), n + m * n / (n - m)),
            Identity("summed: N + m S_1 = N iff S_1 = 0", (N + m * s1 - N) / m, s1),
            Lemma(
                "one root in each gap between sizes, a repeated size stays an "
                "eigenvalue: the largest is the root below "
                "n_1, or n_1 where that is repeated",
                "intermediate value theorem",
            ),
            Identity(
                "one majority class, equal minorities: m = K nA nB/N",
                (nA / (nA - m) + kB * nB / (nB - m)).subs(m, (1 + kB) * nA * nB / (nA + kB * nB)),
                sp.Integer(0),
            ),
            Lemma("which is x_t^2 of two sizes with a free bias", "HL23-12"),
        )
    )


LONE = Problem.ce([(20, 1), (5, 4)], 1, bias="free")
TRIPLE = Problem.ce([12, 7, 4], 1, bias="free")


def _equal(left: sp.Expr, right: Any) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


one_equation = Claim(
    id="XP26-10",
    title="One secular equation, four meanings",
    kind="equality",
    paper=PAPER,
    statement=(
        r"m \text{ the largest root of } \sum_k \frac{n_k}{n_k - m} = 0 \text{, }"
        r" n_{(2)} < m < n_{(1)};\quad m = n_{\max}"
        r" \text{ where the largest size is repeated}",
        r"m = x_c^2 \text{ of CE with a free bias} = x_c^2 \text{ of CE with fixed"
        r" logit shifts } \log n_k = \mu_1 \text{"
        r" of squared loss with a free bias} = \|(I - \tfrac1N n 1^\top) D^{1/2}\|^2",
        r"k_A = 1,\ \text{equal minorities}:\quad m = \frac{K n_A n_B}{N}",
    ),
    relations=(
        sp.Equivalent(dead, x >= sp.sqrt(m_free)),
        _equal(largest_mode, m_free),
        _equal(secular, 0),
        _equal(secular_square, N),
        _equal(m_free, K * nA * nB / N),
        _equal(m_free, repeated),
        sp.Lt(second, m_free, evaluate=False),
        sp.Lt(m_free, top, evaluate=False),
    ),
    read=four_meanings,
    companions=lambda problem: (squared(problem, "free"), balanced_softmax(problem)),
    hypotheses=(
        LINEAR,
        Hypothesis(
            "free bias", lambda problem: problem.bias == "free", dropped=Problem.ce([(20, 1), (5, 4)], 1).at("14.5")
        ),
        unweighted(Problem.ce([(20, 1), (5, 4)], 1, bias="free", weights=[2, 1, 1, 1, 1]).at(20)),
        replace(WIDE, dropped="complete collapse is decided at Z = 0, where the dimension plays no role"),
    ),
    witness=TRIPLE.at(7),
    family=Family(bias=("free",), near=("collapse",)),
    settings=(
        LONE,
        TRIPLE.at(11),
        Problem.ce([(6, 2), 3], 1, bias="free").at(5),
        Problem.ce([9, 4], 1, bias="free").at(2),
        Problem.ce(["1/2", "1/4"], 1, bias="free").at("1/5"),
    ),
    derivation=secular_derivation,
    rests_on=frozenset({"HL23-06", "HL23-12", "DA23-03", "DA23-19"}),
    required="proved",
    mutants=(
        Mutant(
            "sum_k 1/(n_k - m) = 0, as without a bias",
            relations=(sp.Equivalent(dead, x >= sp.sqrt(m_none)),),
            problem=LONE.at(15),
        ),
        Mutant("mu_1 is the root without a bias", relations=(_equal(largest_mode, m_none),), problem=LONE),
        Mutant("n_k in the form with N", relations=(_equal(secular, N),), problem=LONE),
        Mutant(
            "a smaller root: m below the second size", relations=(sp.Lt(m_free, second, evaluate=False),), problem=LONE
        ),
        Mutant("K replaced by K - 1", relations=(_equal(m_free, (K - 1) * nA * nB / N),), problem=LONE),
    ),
    source="derived here",
)
