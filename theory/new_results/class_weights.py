"""Which class weights postpone the first merging longest: NR26-07."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import isqrt
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import states
from theory.observables import parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, dead, dead_exact, lam, n, w

PAPER = "new_results"

n_min, n_max, roots = sp.symbols("n_min n_max S_root", positive=True)
"""Smallest and largest size; sum over classes of sqrt(n_k)."""
N_plain, K_inverse, N_balanced, root_sum, worse = sp.symbols("N_plain K_inv N_bal S_first N_worse", positive=True)
"""N, K, N, sum of sqrt(n_k) and N again, each read only where the scheme of its relation was solved."""


def exact_root(value: Fraction) -> Fraction | None:
    """Square root where it is rational.

    Examples
    --------
    >>> exact_root(Fraction(9, 4)), exact_root(Fraction(2))
    (Fraction(3, 2), None)
    """
    a, b = isqrt(value.numerator), isqrt(value.denominator)
    return Fraction(a, b) if (a * a, b * b) == (value.numerator, value.denominator) else None


def weighted(problem: Problem, weights: list[Fraction]) -> Problem:
    """The problem with these weights, scaled so that sum w_k n_k = N.

    Examples
    --------
    >>> weighted(Problem.ce([3, 1], 1), [Fraction(1, 3), Fraction(1)]).weights
    [Fraction(2, 3), Fraction(2, 1)]
    """
    total = sum((w_k * n_k for w_k, n_k in zip(weights, problem.sizes, strict=True)), Fraction(0))
    scaled = [w_k * problem.N / total for w_k in weights]
    return Problem.ce(problem.sizes, problem.lambda_w, problem.lambda_h, weights=scaled, dim=problem.dim)


def schemes(problem: Problem) -> tuple[Problem, ...]:
    """Inverse-frequency weights; balanced sampling with N kept; plain and inverse-frequency at a lam between their
    first mergings; then, where all roots are rational, square-root weights.

    The first two and the last are as far from what should be their first merging as the problem from its own.

    Examples
    --------
    >>> [str(p.x2) for p in schemes(Problem.ce([(9, 2), (4, 2)], 1).at(4))]
    ['169/36', '13/2', '313/72', '313/72', '169/25']
    """
    mean, least, most = problem.N / problem.K, min(problem.sizes), max(problem.sizes)
    relative = problem.x2 / least
    inverse = weighted(problem, [1 / n_k for n_k in problem.sizes])
    even = Problem.ce([(mean, problem.K)], 1).at(relative * mean)
    between = (least + mean**2 / most) / 2
    found = (inverse.at(relative * mean**2 / most), even, problem.at(between), inverse.at(between))
    each = [root for root in map(exact_root, problem.sizes) if root is not None]
    if len(each) < problem.K:
        return found
    square_root = weighted(problem, [1 / root for root in each])
    return (*found, square_root.at(relative * (problem.N / sum(each)) ** 2))


def some_merged(optimum: Optimum) -> dict[sp.Symbol, bool | None]:
    """State of 'some cluster has merged', and the one that holds exactly at a tie.

    Examples
    --------
    >>> some_merged(Optimum(Problem.ce([(9, 2), (4, 2)], 1), "exact", contrasts=("alive", "dead")))[dead]
    True
    """
    observed = {state for _, state, _ in states(optimum)}
    exact = {state for _, _, state in states(optimum)}
    return {dead: _some(observed), dead_exact: _some(exact)}


def _some(found: set[Any]) -> bool | None:
    if "dead" in found:
        return True
    return None if None in found else False


def scheme_readings(optimum: Optimum) -> Iterator[Reading]:
    """Whether anything has merged, once per scheme, beside what predicts it; and which of two schemes merges first.

    Examples
    --------
    >>> [reading[n_min] for reading in scheme_readings(Optimum(Problem.ce([(9, 2), (4, 2)], 1), "exact"))]
    [4]
    """
    problem = optimum.problem
    each = [sp.sqrt(rational(size)) for size in problem.sizes]
    common = {
        **parameters(problem),
        n_min: rational(min(problem.sizes)),
        n_max: rational(max(problem.sizes)),
        roots: sum(each, sp.Integer(0)),
    }
    yield {**common, N_plain: common[N], **some_merged(optimum)}
    if len(optimum.companions) < 4:
        return
    inverse, even, plain_between, inverse_between, *root = optimum.companions
    yield {**common, lam: parameters(inverse.problem)[lam], K_inverse: common[K], **some_merged(inverse)}
    yield {**common, lam: parameters(even.problem)[lam], N_balanced: common[N], **some_merged(even)}
    if root:
        yield {**common, lam: parameters(root[0].problem)[lam], root_sum: common[roots], **some_merged(root[0])}
    plain, other = some_merged(plain_between), some_merged(inverse_between)
    yield {**common, worse: common[N], **{state: _only(other[state], plain[state]) for state in (dead, dead_exact)}}


def _only(one: bool | None, other: bool | None) -> bool | None:
    """Whether the first has merged and the second has not."""
    return None if one is None or other is None else one and not other


def weight_derivation() -> Derivation:
    """Thresholds T_k = w_k sqrt(n_k) under sum_k w_k n_k = N."""
    a, b, d, e = sp.symbols("a b d e", positive=True)
    return Derivation(
        steps=(
            Lemma("a cluster of two classes or more merges iff lam N >= T_k = w_k sqrt(n_k)", "NR26-02"),
            Identity("sum_k T_k sqrt(n_k) = sum_k w_k n_k = N, term by term", w * sp.sqrt(n) * sp.sqrt(n), w * n),
            Identity(
                "so N >= min T * sum sqrt(n_k): the deficit is sum_k (T_k - min T) sqrt(n_k), zero iff all T_k agree",
                (a + d) * sp.sqrt(n) - a * sp.sqrt(n),
                d * sp.sqrt(n),
            ),
            Identity(
                "all T_k equal to N/S: w_k = N/(S sqrt(n_k)), first lam 1/S",
                N / (roots * sp.sqrt(n)) * sp.sqrt(n) / N,
                1 / roots,
            ),
            Identity(
                "inverse frequency: w_k = N/(K n_k), T_k/N = 1/(K sqrt(n_k)), least at n_max",
                N / (K * n) * sp.sqrt(n) / N,
                1 / (K * sp.sqrt(n)),
            ),
            Identity("balanced sampling: sizes N/K", sp.sqrt(N / K) / N, 1 / sp.sqrt(K * N)),
            Identity(
                "(sum a_k)^2 <= K sum a_k^2, pair by pair (1/sqrt(K N) <= 1/S): a^2 + b^2 - 2 a b",
                a**2 + b**2 - 2 * a * b,
                (a - b) ** 2,
            ),
            Positive(
                "K n_max > N, here for two sizes a and a + d, so 1/(K sqrt(n_max)) < 1/sqrt(K N)",
                2 * (a + d) - (2 * a + d),
            ),
            Positive(
                "N > K n_min, here for two sizes a and a + e, so sqrt(n_min)/N < 1/sqrt(K N)", (2 * a + e) - 2 * a
            ),
            Identity(
                "ratio of plain to inverse frequency: K sqrt(n_min n_max)/N",
                sp.sqrt(n_min) / N * K * sp.sqrt(n_max),
                K * sp.sqrt(n_min) * sp.sqrt(n_max) / N,
            ),
        )
    )


PAIRS = Hypothesis(
    "every cluster has at least two classes",
    lambda problem: all(cluster.classes > 1 for cluster in problem.clusters),
    dropped=Problem.ce([(9, 2), 4], 1).at(5),
)
PLAIN = Hypothesis(
    "no weights, no bias, CE, d >= K - 1",
    lambda p: p.key == "ce" and all(w_k == 1 for w_k in p.weights) and p.bias == "none" and p.dim >= p.K - 1,
    dropped=Problem.ce([(9, 2), (4, 2)], 1, weights=[(1, 2), (2, 2)]).at(5),
)
TAIL = Problem.ce([(300, 2), (12, 3)], "0.005")
SQUARES = Problem.ce([(9, 2), (4, 2)], "0.01")
WORSE = Problem.ce([(9, 2), (4, 4)], "0.05")
"""Inverse frequency merges earlier than no weights."""
EVEN = Problem.ce([(9, 2), (4, 3)], 1)
"""K sqrt(n_min n_max) = N exactly."""


def _around_even(offset: str) -> Problem:
    """K sqrt(n_min n_max)/N = 1 - 0.2 offset nearly."""
    return Problem.ce([(9 * (1 + Fraction(offset)) ** 2, 2), (4, 3)], 1).at(9)


FIRST = {
    "plain": sp.sqrt(n_min) / N_plain,
    "inverse": 1 / (K_inverse * sp.sqrt(n_max)),
    "balanced": 1 / sp.sqrt(K * N_balanced),
    "root": 1 / root_sum,
}

weights = Claim(
    id="NR26-07",
    title="Best class weights against first merging",
    kind="ordering",
    paper=PAPER,
    statement=(
        r"\sum_k w_k n_k = N:\quad \min_k w_k \sqrt{n_k} \text{ is maximal} \iff w_k \propto n_k^{-1/2}",
        r"\text{first merging at } \lambda =\quad \frac{1}{K \sqrt{n_{\max}}} \text{ (inverse frequency)} \leq"
        r" \frac{1}{\sqrt{K N}} \text{ (balanced sampling)} \leq \frac{1}{\sum_k \sqrt{n_k}} \text{ (square root)}",
        r"\text{plain: } \frac{\sqrt{n_{\min}}}{N} \leq \frac{1}{\sqrt{K N}};\quad \text{inverse frequency merges"
        r" earlier than no weights} \iff K \sqrt{n_{\min} n_{\max}} > N",
    ),
    relations=(
        *(sp.Equivalent(dead, lam >= first) for first in FIRST.values()),
        sp.Le(1 / (K * sp.sqrt(n_max)), 1 / sp.sqrt(K * N), evaluate=False),
        sp.Le(1 / sp.sqrt(K * N), 1 / roots, evaluate=False),
        sp.Le(sp.sqrt(n_min) / N, 1 / sp.sqrt(K * N), evaluate=False),
        sp.Equivalent(dead, K * sp.sqrt(n_min * n_max) > worse),
    ),
    read=scheme_readings,
    hypotheses=(PAIRS, PLAIN),
    witness=SQUARES,
    family=Family(sizes="two", bias=("none",), near=("merge",)),
    settings=(
        EVEN.at(3),
        Problem.ce([(4, 4)], 1).at(3),
        Problem.ce([("1/16", 2), ("1/25", 2)], 1).at("1/20"),
        *map(_around_even, ("-1/800000", "1/800000")),
    ),
    companions=schemes,
    derivation=weight_derivation,
    rests_on=frozenset({"NR26-02"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant(
            "inverse frequency is optimal",
            (sp.Ge(1 / (K * sp.sqrt(n_max)), 1 / roots, evaluate=False),),
            problem=TAIL,
        ),
        Mutant(
            "exponent -1/3", (sp.Equivalent(dead, lam >= FIRST["root"] ** sp.Rational(2, 3)),), problem=SQUARES.at(5)
        ),
        Mutant(
            "balanced sampling better than square-root weights",
            (sp.Gt(1 / sp.sqrt(K * N), 1 / roots, evaluate=False),),
            problem=TAIL,
        ),
        Mutant("the criterion with N^2", (sp.Equivalent(dead, K * sp.sqrt(n_min * n_max) > worse**2),), problem=WORSE),
        Mutant(
            "inverse frequency: the smallest size decides",
            (sp.Equivalent(dead, lam >= 1 / (K_inverse * sp.sqrt(n_min))),),
            problem=TAIL,
        ),
    ),
    note="With inverse-frequency weights the majority merges first. A class of its own has no merging threshold.",
    survivors={
        "exponent: 1/sqrt(K) becomes K**(-1/4) (relation [57])": "implied: the right side grows, as K > 1",
        "off by one: N becomes N - 1 (relation [57])": "implied: the right side grows wherever it still has a value",
        "swapped symbols: N and n_max in 1/(K*sqrt(n_max)) (relation 5)": "true by itself: sqrt(K) <= K",
        "swapped symbols: N and n_max in 1/(sqrt(K)*sqrt(N)) (relation 5)": "true by itself: sqrt(K) <= K",
        "swapped symbols: N and n_min in 1/(sqrt(K)*sqrt(N)) (relation 7)": "implied: n_min < N",
    },
)
