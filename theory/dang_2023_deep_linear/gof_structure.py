"""Unequal sizes without a bias: orthogonal class vectors with lengths set by the counts, the value, the order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Hypothesis, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.mode_equation import psi
from theory.dang_2023_deep_linear.modes import (
    LAM_OF_P,
    c,
    equality_steps,
    gram_steps,
    mode_steps,
    monotone_steps,
    mu,
    p,
    r,
    reduction_steps,
    u,
)
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.mse_observables import M, hh, hh12, lH, lM, total, vv, vv12, ww, ww12, z_own, z_wrong
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, N, n


def alive_classes(problem: Problem) -> int:
    """Number of classes whose optimum is not zero when every layer is wide enough.

    Examples
    --------
    >>> alive_classes(settings.EXAMPLE)
    2
    """
    return sum(mode.times for mode in mse.label_modes(problem) if mode.state == "alive")


ROOM = Hypothesis(
    "every layer has room for the live classes",
    lambda problem: min(problem.layer_widths) >= alive_classes(problem),
    dropped=replace(settings.SHALLOW, dim=1),
)
OFF_TIE = Hypothesis(
    "no class lies exactly on its threshold at M >= 2",
    lambda problem: all(mode.state in ("alive", "dead") for mode in mse.label_modes(problem)),
    dropped="there two values of p are optimal, and no quantity of a single minimiser is observed: DA23-10",
)
decay_m = sp.Symbol("lambda_m", positive=True)
own = sp.Symbol("s2_mk", nonnegative=True)
"""Decay of one factor, and one of its squared singular values."""

PROBLEMS = (
    settings.SHALLOW_DEAD,
    settings.DEEP,
    settings.EXAMPLE,
    settings.FOUR,
    settings.DEAD,
    settings.TIES[0],
    replace(settings.EXAMPLE, dim=2),
)


def frame_readings(optimum: Optimum) -> Iterator[Reading]:
    """Pairs of classes; then the singular values of every factor, the i-th beside the i-th live class.

    Examples
    --------
    >>> len(list(frame_readings(Optimum(settings.DEEP, "exact"))))
    2
    """
    problem = optimum.problem
    yield from mse.pair_readings(optimum)
    rows = optimum.facts.get("factor_values")
    if rows is None:
        return
    common = mse.mse_parameters(problem)
    classes = [index for index, cluster in enumerate(problem.clusters) for _ in range(cluster.classes)]
    for decay, row in zip((*problem.layers, problem.lambda_h), rows, strict=True):
        for index, value in zip(classes, row, strict=True):
            size = {n: rational(problem.clusters[index].size)}
            yield {**common, **size, **mse.predicted(problem, index, mse.p), decay_m: rational(decay), own: value}


def frame_derivation() -> Derivation:
    """Equality in the reduction, then all Gram matrices from X = diag(p) Y."""
    depth = sp.Symbol("M", positive=True)
    a = mu * p * r / N
    return Derivation(
        steps=(
            *reduction_steps(),
            *mode_steps(),
            *equality_steps(),
            *gram_steps(),
            Identity(
                "product of the layers: N lambda_H p/(1-p) = prod_m mu p (1-p)/(N lambda_m)",
                a**depth / (LAM_OF_P / lH),
                N * lH * p / r,
            ),
            Identity("and with the features: their product is (sqrt(mu) p)^2", a ** (depth + 1) / LAM_OF_P, mu * p**2),
            Lemma(
                "equal counts have equal p: diag(p) does not depend on the basis chosen inside the block",
                "linear algebra",
            ),
        )
    )


SCALE = N * lH / (1 - mse.p)

frame = Claim(
    id="DA23-14",
    title="General orthogonal frame",
    kind="structure",
    paper=settings.PAPER,
    statement=(
        r"Z = P \bar H = \mathrm{diag}(p),\quad P P^\top = \mathrm{diag}\left(\tfrac{N \lambda_H p_k}{1 - "
        r"p_k}\right),\quad \bar H^\top \bar H = \mathrm{diag}\left(\tfrac{p_k (1 - p_k)}{N \lambda_H}\right),\quad "
        r"W_M W_M^\top = \mathrm{diag}\left(\tfrac{n_k p_k (1 - p_k)}{N \lambda_M}\right)",
        r"\text{squared singular values of factor } m: \tfrac{n_k p_k (1 - p_k)}{N \lambda_m};\qquad "
        r"\mathrm{row}_k(P) = \tfrac{N \lambda_H}{1 - p_k} \bar h_k = (\|\mathrm{row}_k(P)\|^2 + N \lambda_H)\, \bar "
        r"h_k",
    ),
    relations=(
        sp.Eq(z_own, mse.p, evaluate=False),
        sp.Eq(z_wrong, 0, evaluate=False),
        sp.Eq(ww, SCALE * mse.p, evaluate=False),
        sp.Eq(ww12, 0, evaluate=False),
        sp.Eq(hh, mse.p * (1 - mse.p) / (N * lH), evaluate=False),
        sp.Eq(hh12, 0, evaluate=False),
        sp.Eq(vv, n * mse.p * (1 - mse.p) / (N * lM), evaluate=False),
        sp.Eq(vv12, 0, evaluate=False),
        sp.Eq(decay_m * own, n * mse.p * (1 - mse.p) / N, evaluate=False),
        sp.Eq(ww + SCALE**2 * hh, 2 * SCALE * z_own, evaluate=False),
        sp.Eq(ww + (ww + N * lH) ** 2 * hh, 2 * (ww + N * lH) * z_own, evaluate=False),
    ),
    read=frame_readings,
    hypotheses=(*settings.BASIC, ROOM, OFF_TIE),
    witness=settings.SHALLOW,
    family=settings.CLASSES,
    settings=PROBLEMS,
    derivation=frame_derivation,
    rests_on=frozenset({"DA23-01", "DA23-02", "DA23-03"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, wrong, evaluate=False),), problem=settings.DEEP)
        for text, left, wrong in (
            ("Gram matrix of class means diag(p/(N lambda_H))", hh, mse.p / (N * lH)),
            ("P P^T without lambda_H", ww, N * mse.p / (1 - mse.p)),
            ("row_k(P) = N lambda_H (1 - p_k) hbar_k", ww, (N * lH * (1 - mse.p)) ** 2 * hh),
            ("rows of W_M of equal length", vv, mse.p * (1 - mse.p) / lM),
        )
    ),
    source="published (abstract) for orthogonality and lengths set by counts; constants re-derived",
)

data, data_total, energy_total, gain_total, square = sp.symbols("data data_pred e_pred gain_pred e_m", real=True)
"""Loss without penalties, observed and predicted; lambda_m |factor|^2 and gain over f(0), predicted; observed."""


class SplitReader:
    """Value, loss and the penalty of every factor, beside their predicted sums over classes.

    Parameters
    ----------
    gain : the summand of f(0) - f* in n and p (others for mutants).
    """

    def __init__(self, gain: Callable[[sp.Expr, sp.Expr], sp.Expr]) -> None:
        self.gain = gain

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """The value first, then one reading per factor.

        Examples
        --------
        >>> len(list(SplitReader(gain_of)(Optimum(settings.DEEP, "exact"))))
        1
        """
        problem = optimum.problem
        modes = mse.label_modes(replace(problem, dim=problem.K, widths=()))
        found = {
            **mse.mse_parameters(problem),
            **mse.mode_values(problem, modes),
            **mse.value_readings(optimum),
            total: mse.total_over_modes(modes, psi),
            gain_total: mse.total_over_modes(modes, self.gain),
            data_total: mse.total_over_modes(modes, lambda size, own_: size * (1 - own_) ** 2 / (2 * N)),
            energy_total: mse.total_over_modes(modes, lambda size, own_: size * own_ * (1 - own_) / N),
        }
        if optimum.facts.get("data") is not None:
            found[data] = optimum.facts["data"]
        yield found
        squares = optimum.facts.get("factor_squares") or ()
        for decay, value in zip((*problem.layers, problem.lambda_h), squares, strict=False):
            yield {**found, square: (0 * value + decay.numerator) / decay.denominator * value}


def gain_of(size: sp.Expr, own_: sp.Expr) -> sp.Expr:
    """What a class saves over p = 0: n p (M p - (M-1))/(2N).

    Examples
    --------
    >>> gain_of(sp.Integer(4), sp.Integer(0))
    0
    """
    return size * own_ * (M * own_ - (M - 1)) / (2 * N)


def value_derivation() -> Derivation:
    """Sum of the mode values; data and penalties separately."""
    depth = sp.Symbol("M", positive=True)
    mode = mu * (1 - p) * (1 + depth * p) / (2 * N)
    return Derivation(
        steps=(
            *reduction_steps(),
            *mode_steps(),
            Lemma("lambda_m |factor m|^2 = sum_k n_k p_k (1-p_k)/N for every factor", "DA23-14"),
            Identity(
                "psi = mu/(2N) - mu p (M p - (M-1))/(2N)",
                mode,
                mu / (2 * N) - mu * p * (depth * p - (depth - 1)) / (2 * N),
            ),
            Identity("sum_k n_k/(2N) = 1/2", N / (2 * N), sp.Rational(1, 2)),
            Identity(
                "loss of a class: n (p - 1)^2/(2N), W H - Y = diag(p - 1) Y",
                mu * (p - 1) ** 2 / (2 * N),
                mu * (1 - p) ** 2 / (2 * N),
            ),
            Identity(
                "loss plus (L/2) penalties is psi",
                mu * (1 - p) ** 2 / (2 * N) + (depth + 1) / 2 * mu * p * (1 - p) / N,
                mode,
            ),
        )
    )


value = Claim(
    id="DA23-15",
    title="Optimal value and its split",
    kind="equality",
    paper=settings.PAPER,
    statement=(
        r"f^* = \tfrac12 - \tfrac{1}{2N} \sum_{\mathrm{alive}} n_k p_k (M p_k - (M-1)) = \sum_k \tfrac{n_k (1 - "
        r"p_k)(1 + M p_k)}{2N}",
        r"\lambda_m \|W_m\|^2 = \lambda_H \|H\|^2 = \tfrac1N \sum_k n_k p_k (1 - p_k),\qquad \text{loss} = "
        r"\tfrac{1}{2N} \sum_k n_k (1 - p_k)^2",
    ),
    relations=(
        sp.Eq(F, total, evaluate=False),
        sp.Eq(F, sp.Rational(1, 2) - gain_total, evaluate=False),
        sp.Eq(square, energy_total, evaluate=False),
        sp.Eq(data, data_total, evaluate=False),
    ),
    read=SplitReader(gain_of),
    hypotheses=(*settings.BASIC, ROOM, OFF_TIE),
    witness=settings.SHALLOW,
    family=settings.CLASSES,
    settings=PROBLEMS,
    derivation=value_derivation,
    rests_on=frozenset({"DA23-01", "DA23-02", "DA23-03", "DA23-14"}),
    required="proved",
    mutants=(
        Mutant(
            "M + 1 for M",
            read=SplitReader(lambda size, own_: size * own_ * ((M + 1) * own_ - M) / (2 * N)),
            problem=settings.DEEP,
        ),
        Mutant("1/N for 1/(2N)", read=SplitReader(lambda size, own_: 2 * gain_of(size, own_)), problem=settings.DEEP),
        Mutant(
            "every class contributes the same to a factor",
            relations=(sp.Eq(square, sp.Symbol("K", positive=True) * energy_total, evaluate=False),),
            problem=settings.DEEP,
        ),
    ),
)

big, small = sp.symbols("p_big p_small", nonnegative=True)
row_big, row_small, top_big, top_small = sp.symbols("row_big row_small top_big top_small", nonnegative=True)
"""Of two live classes, the larger one first: own logit, |row_k(P)|^2, |row_k(W_M)|^2."""
h_big, h_small, rise_big, rise_small, fall_big, fall_small = sp.symbols(
    "h_big h_small rise_big rise_small fall_big fall_small", nonnegative=True
)
"""|hbar_k|^2 at M >= 2; at M = 1 below and above the size where it is largest."""


class OrderReader:
    """Lengths of pairs of live classes of different sizes.

    Parameters
    ----------
    peak : |hbar_k| at M = 1 is largest at this multiple of n_star (4; others for mutants).
    """

    def __init__(self, peak: int) -> None:
        self.peak = peak

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """One reading per pair, the larger class first.

        Examples
        --------
        >>> list(OrderReader(4)(Optimum(settings.DEEP, "convex")))
        []
        """
        problem = optimum.problem
        Z, features, classifier = optimum.logits, optimum.gram_features, optimum.gram_classifier
        top = optimum.facts.get("top_gram")
        if Z is None or features is None or classifier is None or top is None:
            return
        live = [
            cluster
            for cluster, mode in zip(problem.clusters, mse.label_modes(problem), strict=True)
            if mode.state == "alive" and mode.kept == mode.times
        ]
        for one, two in combinations(live, 2):
            i, j = one.members[0], two.members[0]
            reading = {big: Z[i, i], small: Z[j, j], row_big: classifier[i, i], row_small: classifier[j, j]}
            reading |= {top_big: top[i, i], top_small: top[j, j]}
            names: tuple[sp.Symbol, ...] = (h_big, h_small)
            if problem.depth == 1:
                limit = self.peak * problem.N**2 * problem.product
                names = (
                    (rise_big, rise_small) if one.size <= limit else (fall_big, fall_small) if two.size >= limit else ()
                )
            yield {**reading, **dict(zip(names, (features[i, i], features[j, j]), strict=False))}


def order_derivation() -> Derivation:
    """Logarithmic derivatives along the mode equation."""
    depth = sp.Symbol("M", positive=True)
    slope = (2 * depth * p - (depth - 1)) / (depth * p * (1 - p))
    inside = (c / (c + 1) + u) / (1 + u)
    return Derivation(
        steps=(
            *mode_steps(),
            *monotone_steps(),
            Lemma("the lengths in terms of p", "DA23-14"),
            Positive(
                "|row_k(P)|^2 = N lambda_H p/(1-p) increases with p", sp.diff(u / (1 - u), u).subs(u, 1 / (1 + c))
            ),
            Identity(
                "d(log n p (1-p))/dp along the mode equation is 1/(M p (1-p)): |row_k(W_M)| increases",
                slope + sp.diff(sp.log(p) + sp.log(1 - p), p),
                1 / (depth * p * (1 - p)),
            ),
            Identity("|hbar_k|^2 N lambda_H = p (1-p) has derivative 1 - 2p", sp.diff(p * (1 - p), p), 1 - 2 * p),
            Positive(
                "M >= 2, p > (M-1)/M: 2p - 1 > 0, with M = 2 + c (and (M-1)/M = 1/2 at M = 2)",
                2 * inside.subs(c, c + 1) - 1,
            ),
            Positive("M = 2", 2 * inside.subs(c, 1) - 1),
            Identity(
                "M = 1: p = 1 - sqrt(n_star/n) = 1/2 at n = 4 n_star", 1 - sp.sqrt(n / (4 * n)), sp.Rational(1, 2)
            ),
        )
    )


RISING = Problem.mse([12, 4, 3], "0.05", "0.08")
"""One layer, n_star = 1.444: sizes 4 and 3 lie between n_star and 4 n_star."""

order = Claim(
    id="DA23-16",
    title="Lengths in the order of the counts",
    kind="ordering",
    paper=settings.PAPER,
    statement=(
        r"n_k > n_l,\ \text{both alive}:\quad p_k > p_l,\quad \|\mathrm{row}_k(P)\| > \|\mathrm{row}_l(P)\|,\quad "
        r"\|\mathrm{row}_k(W_M)\| > \|\mathrm{row}_l(W_M)\|",
        r"M \geq 2:\ \|\bar h_k\| < \|\bar h_l\|;\qquad M = 1:\ \|\bar h_k\| \text{ increases up to } n_k = 4 n_* "
        r"\text{ and decreases beyond}",
    ),
    relations=(
        sp.Gt(big, small, evaluate=False),
        sp.Gt(row_big, row_small, evaluate=False),
        sp.Gt(top_big, top_small, evaluate=False),
        sp.Lt(h_big, h_small, evaluate=False),
        sp.Gt(rise_big, rise_small, evaluate=False),
        sp.Lt(fall_big, fall_small, evaluate=False),
    ),
    read=OrderReader(4),
    hypotheses=(
        settings.SQUARED_ONLY,
        replace(settings.UNBIASED, dropped=Problem.mse([9, 9, 3, 3, 3], ["0.01", "0.02"], "0.02", bias="free")),
        replace(ROOM, dropped="without room the orders hold among the classes that are kept"),
        OFF_TIE,
    ),
    witness=settings.DEEP,
    family=replace(settings.CLASSES, sizes="distinct"),
    settings=(settings.SHALLOW, RISING, settings.EXAMPLE, settings.FOUR, Problem.mse([16, 9, 4], "1/29", "1/29")),
    derivation=order_derivation,
    rests_on=frozenset({"DA23-03", "DA23-14"}),
    required="proved",
    mutants=(
        Mutant(
            "larger classes have longer features (M >= 2)",
            relations=(sp.Gt(h_big, h_small, evaluate=False),),
            problem=settings.DEEP,
        ),
        Mutant("|hbar_k| largest at 2 n_star (M = 1)", read=OrderReader(2), problem=RISING),
        Mutant(
            "|row_k(P)| decreases with n_k",
            relations=(sp.Lt(row_big, row_small, evaluate=False),),
            problem=settings.DEEP,
        ),
    ),
)
