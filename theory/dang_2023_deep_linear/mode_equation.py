"""One scalar problem per class: value, mode equation and its hard threshold, non-zero points that are not optimal.

Everything is stated without a bias, where the squared singular values of the labels are the class sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Mutant, Reading, Root
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.modes import (
    c,
    mode_steps,
    monotone_steps,
    r,
    u,
)
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.mse_observables import STRENGTH, Lam, M, base, best, value_readings, z_own
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, N, dead, n

ALL = (
    settings.SHALLOW_DEAD,
    settings.WINDOW,
    settings.EXAMPLE,
    settings.DEAD,
    *settings.TIES,
)


def psi(size: sp.Expr, own: sp.Expr) -> sp.Expr:
    """Value of a mode: mu (1-p)(1+Mp)/(2N).

    Examples
    --------
    >>> psi(sp.Integer(4), sp.Integer(0))
    2/N
    """
    return size * (1 - own) * (1 + M * own) / (2 * N)


class ClassReader:
    """One reading per cluster: size, predicted p, observed own logit, and its state in some and in every minimiser.

    Parameters
    ----------
    smallest : predict the other root of the mode equation (a mutant).
    """

    def __init__(self, smallest: bool = False) -> None:
        self.smallest = smallest

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """Readings of every cluster; those of a state come apart.

        Examples
        --------
        >>> len(list(ClassReader()(Optimum(settings.EXAMPLE, "exact"))))
        9
        """
        problem, Z = optimum.problem, optimum.logits
        common = mse.mse_parameters(problem)
        states = mse.class_states(optimum)
        for index, (cluster, mode) in enumerate(zip(problem.clusters, mse.label_modes(problem), strict=True)):
            size = {n: rational(cluster.size)}
            reading = {**common, **size, **x_values(problem, index), **mse.predicted(problem, index, mse.p)}
            if self.smallest and mode.state == "alive":
                turn = sp.Rational(problem.depth - 1, 2 * problem.depth)
                reading[mse.p] = replace(reading[mse.p], lower=sp.Integer(0), upper=turn)
            if Z is not None:
                k = cluster.members[0]
                reading[z_own] = Z[k, k]
                if states[index][0] == "alive":
                    reading[z_alive] = Z[k, k]
            yield reading
            loose, strict = mse.some_and_every(*states[index])
            yield {**common, n_some: size[n], b: reading[b], thr: reading[thr], **loose}
            yield {**common, (n_every if problem.depth > 1 else n_shallow): size[n], **strict}


n_some, n_every, n_shallow = sp.symbols("n_some n_every n_shallow", positive=True)
"""The size of a class where the state is 'dead in some minimiser', in every one at M >= 2, in every one at M = 1."""
z_alive = sp.Symbol("Z_alive", real=True)
"""Own logit of a class that is alive."""
b, thr = sp.symbols("b thr", positive=True)
x = sp.Symbol("x_k", nonnegative=True)
"""M N (N Lam)^(1/M) and (M-1)^((M-1)/M)/M; the largest root of the x-equation, 0 where a class is dead."""
total_x = sp.Symbol("f_x", real=True)
"""The value in terms of the x_k."""


@lru_cache(maxsize=4096)
def x_values(problem: Problem, index: int) -> dict[sp.Symbol, Any]:
    """b, thr(M), and the largest root x of the x-equation of a cluster that is alive.

    Examples
    --------
    >>> x_values(Problem.mse([4, 4], "1/32"), 0)[x].equation
    1/64 - 1/(x_k + 1)**2
    """
    found = x_root(problem, index, lambda x_, M_: M_ * x_ ** (M_ - 1) / (1 + x_**M_) ** 2)
    if x in found:
        depth, size = problem.depth, problem.clusters[index].size
        rest = mse.remainder(depth, problem.N ** (depth + 1) * problem.product / size**depth)
        near = Fraction(((1 - rest) / rest) ** (1 / depth))
        ends = near * (1 - 3 * mse.NEAR), near * (1 + mse.NEAR)
        found[x] = replace(found[x], lower=sp.Max(found[x].lower, rational(ends[0])), upper=rational(ends[1]))
    return found


def x_root(problem: Problem, index: int, law: Callable[[sp.Expr, int], sp.Expr]) -> dict[sp.Symbol, Any]:
    """As :func:`x_values` for another right side of b/n_k = law(x, M)."""
    depth, mode = problem.depth, mse.label_modes(problem)[index]
    scale = depth * rational(problem.N) * rational(problem.N * problem.product) ** sp.Rational(1, depth)
    cap = sp.Integer((depth - 1) ** (depth - 1)) ** sp.Rational(1, depth)
    found = {b: scale, thr: cap / depth}
    if mode.state == "alive":
        found[x] = Root(x, scale / mode.value - law(x, depth), cap ** sp.Rational(1, max(depth - 1, 1)), sp.oo)
        if depth == 1:
            found[x] = replace(found[x], lower=sp.Integer(0))
    return found


def mode_derivation() -> Derivation:
    """The scalar problem of a mode, for every real M >= 1."""
    return Derivation(steps=(*mode_steps(), *monotone_steps(), Lemma("the problem splits into modes", "DA23-02")))


SOME = n_some**M * base <= M ** (2 * M) * STRENGTH
EVERY = n_every**M * base < M ** (2 * M) * STRENGTH
SHALLOW = n_shallow <= N**2 * Lam

equation = Claim(
    id="DA23-03",
    title="Mode equation and hard threshold",
    kind="threshold",
    paper=settings.PAPER,
    statement=(
        r"t_k = \frac{N (N \Lambda)^{1/M}}{n_k} < t_*(M) = \frac{(M-1)^{(M-1)/M}}{M^2}:\quad p_k \text{ the largest "
        r"root of } p^{\frac{M-1}{M}} (1-p)^{\frac{M+1}{M}} = t_k,\quad p_k > \frac{M-1}{M}",
        r"t_k > t_*(M):\ p_k = 0;\qquad t_k = t_*(M):\ p \in \{0, \tfrac{M-1}{M}\} \text{ are both optimal}",
        r"M = 1:\quad p_k = \max\left(0, 1 - N \sqrt{\Lambda/n_k}\right)",
    ),
    relations=(
        sp.Eq(z_own, mse.p, evaluate=False),
        sp.Gt(z_alive, (M - 1) / M, evaluate=False),
        sp.Equivalent(dead, SOME),
        sp.Equivalent(dead, EVERY),
        sp.Equivalent(dead, SHALLOW),
    ),
    read=ClassReader(),
    hypotheses=settings.FULL,
    witness=settings.SHALLOW,
    family=settings.CLASSES,
    settings=ALL,
    derivation=mode_derivation,
    rests_on=frozenset({"DA23-02"}),
    required="proved",
    mutants=(
        Mutant("smallest root (M >= 2)", read=ClassReader(smallest=True), problem=settings.DEEP),
        *(
            Mutant(text, relations=(sp.Equivalent(dead, wrong),), problem=problem)
            for text, wrong, problem in (
                ("thr(M) as threshold of t", n_some**M * base * M**M <= M ** (2 * M) * STRENGTH, settings.WINDOW),
                (
                    "exponent (M+1)/M in the threshold (M >= 3)",
                    n_some**M * base * (M - 1) ** 2 <= M ** (2 * M) * STRENGTH,
                    settings.EXAMPLE,
                ),
                (
                    "dead iff there is no non-zero stationary point",
                    n_some**M * base * (M + 1) ** (M + 1) < (2 * M) ** (2 * M) * STRENGTH,
                    settings.WINDOW,
                ),
            )
        ),
    ),
    source="published result; constants re-derived",
    note="With rational data the equation is the polynomial p^(M-1) (1-p)^(M+1) = N^(M+1) Lam/n_k^M.",
    survivors=dict.fromkeys(
        (
            "sign: (M - 1)/M *(relation 2)",
            "factor: (M - 1)/M becomes (M - 1)/(2[*]M) (relation 2)",
            "exponent: 1/M becomes M[*][*](-2) (relation 2)",
            "exponent: M becomes sqrt(M) (relation 2)",
            "off by one: M becomes M + 1 (relation 2)",
        ),
        "a smaller lower bound, since M >= 1: weaker",
    ),
)


def x_readings(optimum: Optimum, law: Callable[[sp.Expr, int], sp.Expr] | None = None) -> Iterator[Reading]:
    """The readings of DA23-03 beside the value as a sum of g(x_k).

    Examples
    --------
    >>> readings = list(x_readings(Optimum(settings.EXAMPLE, "exact")))
    >>> len(readings), total_x in readings[-1]
    (10, True)
    """
    problem = optimum.problem
    for reading in ClassReader()(optimum):
        if law is not None and x in reading:
            index = [rational(cluster.size) for cluster in problem.clusters].index(reading[n])
            reading = {**reading, **x_root(problem, index, law)}
        yield reading
    values: dict[sp.Symbol, Any] = {}
    value = sp.Integer(0)
    for index, cluster in enumerate(problem.clusters):
        own = sp.Symbol(f"x_{index}", positive=True)
        found = x_values(problem, index) if law is None else x_root(problem, index, law)
        share = cluster.classes * rational(cluster.size) / (2 * N)
        if x in found:
            values[own] = replace(found[x], unknown=own, equation=found[x].equation.subs(x, own))
            value += share * (1 / (1 + own**M) + found[b] / rational(cluster.size) * own)
        else:
            value += share
    yield {**mse.mse_parameters(problem), **values, **value_readings(optimum), total_x: value}


def x_derivation() -> Derivation:
    """P = x^M/(1+x^M) turns one problem into the other."""
    y, depth = sp.symbols("x M", positive=True)
    power = y**depth
    share, ratio = power / (1 + power), sp.Symbol("b", positive=True)
    objective = 1 / (1 + power) + ratio * y
    rise = y ** (depth - 1) / (1 + power)
    return Derivation(
        steps=(
            *mode_steps(),
            Identity("1 - p = 1/(1 + x^M)", 1 - share, 1 / (1 + power)),
            Identity(
                "t^M = p^(M-1) (1-p)^(M+1) with the powers of x and of 1 + x^M taken apart",
                (power * r) ** (depth - 1) * r ** (depth + 1),
                (y ** (depth - 1) * r**2) ** depth,
            ),
            Identity(
                "b/n_k = M t_k", depth * N * (N * Lam) ** (1 / depth) / n, depth * (N * (N * Lam) ** (1 / depth) / n)
            ),
            Identity(
                "g'(x) = b/n - M x^(M-1)/(1+x^M)^2: stationary points solve the x-equation",
                sp.diff(objective, y),
                ratio - depth * y ** (depth - 1) / (1 + power) ** 2,
            ),
            Identity(
                "there g = (1-p)(1+Mp) = (2N/n) psi",
                objective.subs(ratio, depth * y ** (depth - 1) / (1 + power) ** 2),
                (1 - share) * (1 + depth * share),
            ),
            Identity("and g(0) = 1 = (2N/n) psi at p = 0", objective.subs(y, 0), sp.Integer(1)),
            Positive("p = y/(1+y) increases with y = x^M: the largest roots correspond", sp.diff(u / (1 + u), u)),
            Identity(
                "g(x) < 1 iff b/n < x^(M-1)/(1+x^M)",
                (1 - objective) * (1 + power) / (y * (1 + power)),
                rise - ratio,
            ),
            *_peak_steps(y, depth, rise),
            Lemma("x minimises g over x >= 0 iff p minimises the scalar problem; thr(M) is the maximum", "DA23-03"),
        )
    )


def _peak_steps(y: sp.Symbol, depth: sp.Symbol, rise: sp.Expr) -> tuple[Step, ...]:
    return (
        Identity(
            "x^(M-1)/(1+x^M) rises until x^M = M - 1 and falls after",
            sp.diff(rise, y),
            y ** (depth - 2) * ((depth - 1) - y**depth) / (1 + y**depth) ** 2,
        ),
        Identity(
            "its maximum is thr(M) = (M-1)^((M-1)/M)/M (c for M - 1 as a base)",
            c ** ((depth - 1) / depth) / (1 + (depth - 1)),
            depth * (c ** ((depth - 1) / depth) / depth**2),
        ),
    )


def _wrong_x(law: Callable[[sp.Expr, int], sp.Expr]) -> Callable[[Optimum], Iterator[Reading]]:
    return lambda optimum: x_readings(optimum, law)


def small_x(optimum: Optimum) -> Iterator[Reading]:
    """Readings with the smaller root x (a mutant)."""
    for reading in x_readings(optimum):
        if x in reading and isinstance(reading[x], Root):
            depth = optimum.problem.depth
            reading = {**reading, x: replace(reading[x], lower=sp.Integer(0), upper=sp.Rational(depth - 1, 2 * depth))}
        yield reading


x_equation = Claim(
    id="DA23-04",
    title="Equivalence with the equation of the authors",
    kind="equality",
    paper=settings.PAPER,
    statement=(
        r"p_k = \frac{x_k^M}{1 + x_k^M},\qquad \frac{b}{n_k} = \frac{M x_k^{M-1}}{(1 + x_k^M)^2},\qquad b = M N (N "
        r"\Lambda)^{1/M}",
        r"x_k \in \operatorname{argmin}_{x \geq 0} \frac{1}{1 + x^M} + \frac{b}{n_k} x,\qquad f^* = \sum_k "
        r"\frac{n_k}{2N} \min_{x \geq 0} \left(\frac{1}{1 + x^M} + \frac{b}{n_k} x\right)",
        r"k \text{ alive} \iff \frac{b}{n_k} < \max_{x > 0} \frac{x^{M-1}}{1 + x^M} = \frac{(M-1)^{(M-1)/M}}{M}",
    ),
    relations=(
        sp.Eq(z_own, x**M / (1 + x**M), evaluate=False),
        sp.Eq(F, total_x, evaluate=False),
        sp.Le(total_x, best, evaluate=False),
        sp.Equivalent(dead, b / n_some >= thr),
    ),
    read=x_readings,
    hypotheses=settings.FULL,
    witness=settings.SHALLOW,
    family=settings.CLASSES,
    settings=ALL,
    derivation=x_derivation,
    rests_on=frozenset({"DA23-02", "DA23-03"}),
    required="proved",
    mutants=(
        Mutant("p = x/(1+x) (M >= 2)", relations=(sp.Eq(z_own, x / (1 + x), evaluate=False),), problem=settings.DEEP),
        Mutant(
            "no M in front (M >= 2)",
            read=_wrong_x(lambda y, M_: y ** (M_ - 1) / (1 + y**M_) ** 2),
            problem=settings.DEEP,
        ),
        Mutant(
            "1 + x^M not squared", read=_wrong_x(lambda y, M_: M_ * y ** (M_ - 1) / (1 + y**M_)), problem=settings.DEEP
        ),
        Mutant("smallest root (M >= 2)", read=small_x, problem=settings.DEEP),
    ),
    source="published result; constants re-derived",
)
