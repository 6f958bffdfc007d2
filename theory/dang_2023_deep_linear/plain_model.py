"""One, two and three layers without a bias: the mode equation is linear, quartic and cubic there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Mutant, Reading, Root
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.mode_equation import ClassReader, b, n_some, thr, x, z_alive
from theory.dang_2023_deep_linear.modes import (
    c,
    equality_steps,
    gram_steps,
    mode_steps,
    monotone_steps,
    reduction_steps,
    u,
)
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.mse_observables import Lam, M, hh, hh12, lH, lM, ww, z_own, z_wrong
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import N, dead, n

OTHER_LOSS = "cross-entropy behind several layers has no such formula: DA23-24 to DA23-26"
SHALLOW_P = sp.Max(0, 1 - N * sp.sqrt(lM * lH / n))
"""p at M = 1, where lM = lambda_W."""


def shallow_readings(optimum: Optimum) -> Iterator[Reading]:
    """Pairs of classes, then the states.

    Examples
    --------
    >>> len(list(shallow_readings(Optimum(settings.SHALLOW, "exact"))))
    15
    """
    yield from mse.pair_readings(optimum)
    yield from ClassReader()(optimum)


def shallow_derivation() -> Derivation:
    """Soft thresholding of sqrt(n_k) by N sqrt(lambda_W lambda_H)."""
    own = 1 - N * sp.sqrt(Lam / n)
    g = N * sp.sqrt(Lam / n)
    return Derivation(
        steps=(
            *reduction_steps(),
            *mode_steps(),
            *equality_steps(),
            *gram_steps(),
            Identity(
                "p = 1 - g, g = N sqrt(Lam/n); sqrt(n) p = sqrt(n) - N sqrt(Lam)",
                sp.sqrt(n) * own,
                sp.sqrt(n) - N * sp.sqrt(Lam),
            ),
            Identity(
                "|w_k|^2 = N lambda_H p/(1-p) = sqrt(n lambda_H/lambda_W) - N lambda_H",
                (N * lH * own / g).subs(Lam, lM * lH),
                sp.sqrt(n * lH / lM) - N * lH,
            ),
            Identity(
                "w_k = N lambda_H/(1-p) hbar_k = sqrt(n lambda_H/lambda_W) hbar_k",
                (N * lH / g).subs(Lam, lM * lH),
                sp.sqrt(n * lH / lM),
            ),
            Identity("g = 1 at n = N^2 lambda_W lambda_H, where p = 0", g.subs(n, N**2 * Lam), sp.Integer(1)),
            Positive("larger classes are alive: g < 1", 1 - (g**2).subs(n, N**2 * Lam + u)),
        )
    )


plain = Claim(
    id="DA23-11",
    title="One layer: orthogonal class vectors",
    kind="equality",
    paper=settings.PAPER,
    statement=(
        r"M = 1:\quad W \bar H = \mathrm{diag}(p_k),\quad p_k = \max\left(0, 1 - N \sqrt{\lambda_W "
        r"\lambda_H/n_k}\right)",
        r"\|w_k\|^2 = \max\left(0, \sqrt{n_k \lambda_H/\lambda_W} - N \lambda_H\right),\quad \|\bar h_k\|^2 = "
        r"\frac{p_k (1 - p_k)}{N \lambda_H},\quad w_k = \sqrt{n_k \lambda_H/\lambda_W}\, \bar h_k",
        r"\bar h_k = 0 \iff n_k \leq N^2 \lambda_W \lambda_H",
    ),
    relations=(
        sp.Eq(z_own, SHALLOW_P, evaluate=False),
        sp.Eq(z_wrong, 0, evaluate=False),
        sp.Eq(hh12, 0, evaluate=False),
        sp.Eq(ww, sp.Max(0, sp.sqrt(n * lH / lM) - N * lH), evaluate=False),
        sp.Eq(hh, SHALLOW_P * (1 - SHALLOW_P) / (N * lH), evaluate=False),
        sp.Eq(z_own, sp.sqrt(n * lH / lM) * hh, evaluate=False),
        sp.Eq(ww, n * lH / lM * hh, evaluate=False),
        sp.Equivalent(dead, n_some <= N**2 * lM * lH),
    ),
    read=shallow_readings,
    hypotheses=(
        *settings.full(
            Problem.ce([9, 5, 2], "0.02", "0.03"),
            replace(settings.SHALLOW, bias="free"),
            replace(settings.SHALLOW, dim=1),
        ),
        settings.depth_is(1, settings.DEEP),
    ),
    witness=settings.SHALLOW,
    family=replace(settings.CLASSES, depths=(1,)),
    settings=(
        settings.SHALLOW_DEAD,
        settings.TIES[0],
        settings.BALANCED,
        settings.BALANCED_TIES[0],
        Problem.mse([3, 1], ["1/5"], "1/3"),
        Problem.mse([100, 10, 1], "0.0005", "0.0008"),
    ),
    derivation=shallow_derivation,
    rests_on=frozenset({"DA23-01", "DA23-02", "DA23-03"}),
    required="proved",
    mutants=(
        *(
            Mutant(text, relations=(sp.Eq(left, wrong, evaluate=False),), problem=settings.SHALLOW)
            for text, left, wrong in (
                ("lambda_W and lambda_H swapped", ww, sp.Max(0, sp.sqrt(n * lM / lH) - N * lM)),
                ("square root missing", z_own, sp.Max(0, 1 - N * lM * lH / n)),
                ("|hbar_k|^2 = p_k/(N lambda_H)", hh, SHALLOW_P / (N * lH)),
            )
        ),
        Mutant(
            "threshold N lambda_W lambda_H",
            relations=(sp.Equivalent(dead, n_some <= N * lM * lH),),
            problem=settings.SHALLOW_DEAD,
        ),
    ),
    source="published result; constants re-derived",
)


class QuarticReader:
    """States and own logits at M = 2, with x the largest root of b (x^2+1)^2 = factor n x.

    Parameters
    ----------
    factor : 2 (others for mutants).
    """

    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """Readings of DA23-03 with the quartic.

        Examples
        --------
        >>> reading = next(QuarticReader()(Optimum(settings.DEEP, "exact")))
        >>> reading[x].lower
        1
        """
        for reading in ClassReader()(optimum):
            if x in reading:
                law = b * (x**2 + 1) ** 2 - self.factor * n * x
                reading = {**reading, x: Root(x, law.subs({b: reading[b], n: reading[n]}), sp.Integer(1), sp.oo)}
            elif n in reading and mse.p in reading:
                reading = {**reading, x: sp.Integer(0)}
            yield reading


def quartic_derivation() -> Derivation:
    """The x-equation at M = 2, cleared of fractions."""
    y, ratio = sp.symbols("x b", positive=True)
    share = y**2 / (1 + y**2)
    return Derivation(
        steps=(
            *mode_steps(),
            Lemma("the x-equation and the threshold for every M", "DA23-04"),
            Identity(
                "M = 2: (b/n - 2x/(1+x^2)^2) n (1+x^2)^2 = b (x^2+1)^2 - 2 n x",
                (ratio / n - 2 * y / (1 + y**2) ** 2) * n * (1 + y**2) ** 2,
                ratio * (y**2 + 1) ** 2 - 2 * n * y,
            ),
            Identity(
                "b = 2 N (N Lam)^(1/2), thr(2) = 1^(1/2)/2", sp.Integer(1) ** sp.Rational(1, 2) / 2, sp.Rational(1, 2)
            ),
            Identity(
                "p (1-p)^3 = x^2/(1+x^2)^4 = (b/(2n))^2 = t^2", share * (1 - share) ** 3, (y / (1 + y**2) ** 2) ** 2
            ),
            Identity("p >= 1/2 is x >= 1", share.subs(y, 1), sp.Rational(1, 2)),
            Positive("p increases with x", sp.diff(share, y)),
        )
    )


quartic = Claim(
    id="DA23-12",
    title="Two layers: a quartic",
    kind="equality",
    paper=settings.PAPER,
    statement=(
        r"M = 2,\ b = 2 N \sqrt{N \Lambda}:\quad x_k \text{ the largest root of } b (x^2 + 1)^2 = 2 n_k x \text{ if } "
        r"b/n_k < \tfrac12 \text{, else } 0;\qquad p_k = \frac{x_k^2}{1 + x_k^2}",
        r"p (1 - p)^3 = t_k^2 \text{ on } [\tfrac12, 1),\qquad x_k \geq 1 \text{ where } k \text{ is alive}",
    ),
    relations=(
        sp.Eq(z_own, x**2 / (1 + x**2), evaluate=False),
        sp.Eq(z_alive * (1 - z_alive) ** 3, N**3 * Lam / n**2, evaluate=False),
        sp.Equivalent(dead, b / n_some >= sp.Rational(1, 2)),
        sp.Gt(z_alive, sp.Rational(1, 2), evaluate=False),
    ),
    read=QuarticReader(),
    hypotheses=(
        *settings.full(OTHER_LOSS, settings.GROUPS, replace(settings.DEEP, dim=1)),
        settings.depth_is(2, settings.EXAMPLE),
    ),
    witness=settings.DEEP,
    family=replace(settings.CLASSES, depths=(2,)),
    settings=(settings.WINDOW, settings.NO_BIAS, settings.DEAD, settings.TIES[1], settings.PAIR),
    derivation=quartic_derivation,
    rests_on=frozenset({"DA23-03", "DA23-04"}),
    required="proved",
    mutants=(
        Mutant(
            "alive wherever a root exists, b/n < 3 sqrt(3)/8",
            relations=(sp.Equivalent(dead, b / n_some >= 3 * sp.sqrt(3) / 8),),
            problem=settings.WINDOW,
        ),
        Mutant(
            "x_k < 1 for alive classes",
            relations=(sp.Lt(z_alive / (1 - z_alive), 1, evaluate=False),),
            problem=settings.DEEP,
        ),
        Mutant("b without the factor 2", read=QuarticReader(4), problem=settings.DEEP),
    ),
    source="published result; constants re-derived",
)

t = sp.Symbol("t_k", positive=True)
"""t_k of a class that is alive."""


def cubic_readings(optimum: Optimum) -> Iterator[Reading]:
    """The readings of DA23-03, with t_k, and M - 1 for comparison with x_k^M.

    Examples
    --------
    >>> next(cubic_readings(Optimum(settings.EXAMPLE, "exact")))[mse.M]
    3
    """
    for reading in ClassReader()(optimum):
        if z_alive in reading:
            reading = {**reading, odds: reading[z_alive] / (1 - reading[z_alive])}
            if optimum.problem.depth == 3:
                reading[t] = reading[b] / (3 * reading[n])
        yield reading


odds = sp.Symbol("odds", positive=True)
"""p/(1-p) = x^M, observed."""
ARGUMENT = sp.Rational(27, 2) * t ** sp.Rational(3, 2)


def closed_form(turn: sp.Expr, argument: sp.Expr = ARGUMENT) -> sp.Expr:
    """2/3 - (2/3) cos((acos(1 - argument) + turn)/3); acos(1 - 2 v) = 2 asin(sqrt(v)).

    Examples
    --------
    >>> round(float(closed_form(4 * sp.pi).subs(t, sp.Rational(1, 100))), 12)
    0.967856398352
    """
    return sp.Rational(2, 3) - sp.Rational(2, 3) * sp.cos((sp.acos(1 - argument) + turn) / 3)


def cubic_derivation() -> Derivation:
    """Trigonometric solution of p (1-p)^2 = t^(3/2), and x^M > M - 1."""
    cosine, target = sp.symbols("C k", real=True)
    own = sp.Rational(2, 3) * (1 - cosine)
    power = u / (1 + u)
    return Derivation(
        steps=(
            *mode_steps(),
            *monotone_steps(),
            Lemma("the x-equation and the threshold for every M", "DA23-04"),
            Identity(
                "M = 3: p^2 (1-p)^4 = t^3 is p (1-p)^2 = t^(3/2)",
                (target * (1 - target) ** 2) ** 2,
                target**2 * (1 - target) ** 4,
            ),
            Identity(
                "with p = (2/3)(1 - C): p (1-p)^2 = (2/27)(1 - (4 C^3 - 3 C))",
                own * (1 - own) ** 2,
                sp.Rational(2, 27) * (1 - (4 * cosine**3 - 3 * cosine)),
            ),
            Lemma(
                "cos(3 v) = 4 cos(v)^3 - 3 cos(v): C = cos(v) solves it iff cos(3 v) = 1 - 27 t^(3/2)/2",
                "triple angle formula",
            ),
            Lemma(
                "w = acos(1 - 27 t^(3/2)/2) = 2 asin(sqrt(27 t^(3/2)/4)) in [0, pi): 3 v is w, w + 2 pi or w + 4 pi. "
                "The first has C > 1/2 and p < 1/3, the second C <= -1/2 and p >= 1, the third -1/2 < C < 1/2: it is "
                "the largest root below 1, and falls from 1 to 1/3 as w grows",
                "monotonicity of the cosine on [0, pi] and [pi, 2 pi]",
            ),
            Identity(
                "p = 2/3 at C = 0: w = pi/2, 27 t^(3/2)/2 = 1",
                own.subs(cosine, 0) * (1 - own.subs(cosine, 0)) ** 2,
                sp.Rational(2, 27),
            ),
            Identity("which is t = tstar(3) = 4^(1/3)/9: t^3 = 4/729", sp.Rational(2, 27) ** 2, sp.Rational(4, 729)),
            Positive("p >= (M-1)/M iff x^M >= M - 1: p/(1-p) at p = c/(c+1) is c", (c / (c + 1)) / (1 - c / (c + 1))),
            Identity("exactly c = M - 1", (c / (c + 1)) / (1 - c / (c + 1)), c),
            Positive("and p increases with x^M", sp.diff(power, u)),
        )
    )


cubic = Claim(
    id="DA23-13",
    title="Three layers and more: largest root, closed form for three",
    kind="equality",
    paper=settings.PAPER,
    statement=(
        r"x_k \text{ the largest root of } \frac{b}{n_k} = \frac{M x^{M-1}}{(1 + x^M)^2} \text{ if } \frac{b}{n_k} < "
        r"\frac{(M-1)^{(M-1)/M}}{M} \text{, else } 0;\qquad k \text{ alive} \iff x_k > (M-1)^{1/M}",
        r"M = 3:\quad p_k (1 - p_k)^2 = t_k^{3/2},\qquad p_k = \tfrac23 - \tfrac23 \cos\frac{2 \arcsin\sqrt{27 "
        r"t_k^{3/2}/4} + 4\pi}{3}",
    ),
    relations=(
        sp.Eq(z_own, x**M / (1 + x**M), evaluate=False),
        sp.Eq(z_alive, closed_form(4 * sp.pi), evaluate=False),
        sp.Gt(odds, M - 1, evaluate=False),
        sp.Equivalent(dead, b / n_some >= thr),
    ),
    read=cubic_readings,
    hypotheses=(
        *settings.full(OTHER_LOSS, replace(settings.EXAMPLE, bias="free"), replace(settings.EXAMPLE, dim=1)),
        replace(
            settings.SEVERAL,
            text="depth M >= 3",
            holds=lambda problem: problem.depth >= 3,
            dropped="M = 1, 2: DA23-11, 12",
        ),
    ),
    witness=settings.EXAMPLE,
    family=replace(settings.CLASSES, depths=(3, 4, 5)),
    settings=(
        settings.FOUR,
        settings.TIES[2],
        settings.BALANCED_DEEP,
        settings.BALANCED_TIES[2],
        Problem.mse([200, 100, 50, 50], ["5e-4"] * 3, "5e-4"),
        Problem.mse([2, 1], ["1/3"] * 3, "1/4"),
    ),
    derivation=cubic_derivation,
    rests_on=frozenset({"DA23-03", "DA23-04"}),
    required="proved",
    mutants=(
        Mutant(
            "+ 2 pi, another root",
            relations=(sp.Eq(z_alive, closed_form(2 * sp.pi), evaluate=False),),
            problem=settings.EXAMPLE,
        ),
        Mutant(
            "27/2 misplaced",
            relations=(
                sp.Eq(z_alive, closed_form(4 * sp.pi, sp.Rational(2, 27) * t ** sp.Rational(3, 2)), evaluate=False),
            ),
            problem=settings.EXAMPLE,
        ),
        Mutant(
            "alive iff a root x_k > 1 exists: b/n < M/4 (M >= 3)",
            relations=(sp.Equivalent(dead, b / n_some >= M / 4),),
            problem=settings.EXAMPLE,
        ),
    ),
    source="published result (equation), constants re-derived; closed form derived here",
    note="The arcsine form keeps its digits for small t, where 1 - 27 t^(3/2)/2 rounds to 1.",
    survivors={
        "sign: M - 1 becomes 1 - M (relation 3)": "a smaller lower bound, since M >= 3: weaker",
        "exponent: M becomes sqrt(M) (relation 3)": "a smaller lower bound, since M >= 3: weaker",
        "swapped symbols: M and odds in M - 1 (relation 3)": "odds > odds - 1 always holds",
    },
)
