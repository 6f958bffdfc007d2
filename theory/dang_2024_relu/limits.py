"""Two limits: vanishing regularisation, where margins become equal, and the onset of a class just above n_crit.

Both are observed along sequences of problems: x = lam N = exp(-L), and n_k = n_crit (1 + 1/L).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import sympy as sp

from theory.claim import Asymptotic, Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2024_relu.settings import ALL_ALIVE, BASIC, ONE_DEAD, PAPER, STEP, UNWEIGHTED
from theory.dang_2024_relu.slacks import c, equality_steps, slack_steps, tidy
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_pairs, hh, hh2, lH, lW, margin, n2, pair_readings
from theory.symbols import K, n, x

L = sp.Symbol("L", positive=True)
"""log(1/(lam N)) for vanishing decays; 1/eps at an onset."""
margin2 = sp.Symbol("margin_l", real=True)
"""Margin of the second class."""

PLAIN = replace(UNWEIGHTED, dropped="with weights t_k is divided by w_k and the limits contain the weights")
WIDE = Hypothesis(
    "d is at least K", lambda problem: problem.dim >= problem.K, dropped="in the limit every class is alive (DA24-15)"
)
REACH = Hypothesis(
    text="sizes between 1/2 and 10^4, at most a factor 100 apart",
    holds=lambda problem: (
        problem.clusters[-1].size >= Fraction(1, 2)
        and problem.clusters[0].size <= 10**4
        and problem.clusters[0].size <= 100 * problem.clusters[-1].size
    ),
    dropped="only the check needs it: the error of extrapolating from L <= 800 grows with log(n)^3",
)


def vanish(problem: Problem, scale: int) -> Problem:
    """Decays with lam N = exp(-scale), to 60 digits.

    Examples
    --------
    >>> round(-0.5 * sp.log(float(vanish(STEP, 20).x2)), 9)
    20.0000000000000
    """
    return problem.at(Fraction(1, int(sp.exp(2 * scale).evalf(60))))


def onset(problem: Problem, scale: int) -> Problem:
    """Decays such that the smallest size is n_crit (1 + 1/scale), exactly.

    Examples
    --------
    >>> onset(STEP, 100).x2
    Fraction(160, 101)
    """
    K_, size = problem.K, problem.clusters[-1].size
    return problem.at(size * (K_ - 1) / K_ / (1 + Fraction(1, scale)))


def vanishing_readings(optimum: Optimum) -> Iterator[Reading]:
    """Pair readings with the margin of the second class and L.

    Examples
    --------
    >>> [reading[L] for reading in vanishing_readings(Optimum(STEP.at("0.25"), "exact"))][:1]
    [log(4)/2]
    """
    Z = optimum.logits
    for reading, (k, other) in zip(pair_readings(optimum), class_pairs(optimum.problem), strict=True):
        reading = {**reading, L: -sp.log(reading[x] ** 2) / 2}
        if Z is not None:
            reading[margin2] = Z[other, other] - Z[k, other]
        yield reading


def onset_readings(optimum: Optimum) -> Iterator[Reading]:
    """A reading of the smallest class, with L = 1/eps.

    Examples
    --------
    >>> [reading[L] for reading in onset_readings(Optimum(onset(STEP, 100), "exact"))]
    [100]
    """
    size = rational(optimum.problem.clusters[-1].size)
    for reading in pair_readings(optimum):
        if reading[n] == size:
            yield {**reading, L: 1 / (size * (reading[K] - 1) / (reading[x] ** 2 * reading[K]) - 1)}
            return


tk, tl, tau = sp.symbols("t_k t_l tau", positive=True)
"""Errors of two classes; t_k = tau/sqrt(n_k)."""


def vanishing_derivation() -> Derivation:
    """Margins up to terms that vanish with t."""
    one_minus = sp.Symbol("s_k", positive=True)
    own = sp.log(c) + sp.log(one_minus) - sp.log(tk)
    return Derivation(
        steps=(
            *slack_steps(),
            *equality_steps(),
            Identity("M_k = log((K-1)(1 - t_k)/t_k), with s_k = 1 - t_k", sp.log(c * one_minus / tk), own),
            Identity(
                "M_k - M_l = log(n_k/n_l)/2 + log((1 - t_k)/(1 - t_l)), as t_l/t_k = sqrt(n_k/n_l)",
                (own - own.subs({tk: tl})).subs({tk: tau / sp.sqrt(n), tl: tau / sp.sqrt(n2)}),
                sp.log(n / n2) / 2,
            ),
            Lemma(
                "t_k is proportional to sqrt(lambda_W lambda_H): 1 - t_k -> 1 and M_k -> infinity", "continuity of log"
            ),
            Identity(
                "M_k/M_l - 1 = (M_k - M_l)/M_l, of order 1/M_l",
                (tk - tl) / tl,
                tk / tl - 1,
            ),
            Identity(
                "|hbar_k|^2/|hbar_l|^2 = sqrt(n_l/n_k) M_k/M_l",
                sp.sqrt(c * lW / ((c + 1) * lH * n)) / sp.sqrt(c * lW / ((c + 1) * lH * n2)),
                sp.sqrt(n2 / n),
            ),
            Identity(
                "c_k^2/c_l^2 = sqrt(n_k/n_l) M_k/M_l",
                sp.sqrt((c + 1) * lH * n / (c * lW)) / sp.sqrt((c + 1) * lH * n2 / (c * lW)),
                sp.sqrt(n / n2),
            ),
            Positive("majority features are shorter: n_k = n_l (1 + d) gives n_k - n_l > 0", n2 * tau),
        )
    )


CLASSIFIER = (margin**2 / hh) / (margin2**2 / hh2)
"""c_k^2/c_l^2, where c_k = M_k/|hbar_k| is the margin per unit of feature length."""

vanishing = Claim(
    id="DA24-12",
    title="Vanishing regularisation",
    kind="limit",
    paper=PAPER,
    statement=(
        r"\lambda_W \lambda_H \to 0:\quad M_k/M_l = 1 + \frac{\log(n_k/n_l)}{2 L} + O(L^{-2}),\quad L = "
        r"\log\frac{1}{\lambda N}",
        r"M_k - M_l \to \tfrac12 \log(n_k/n_l),\quad \|\bar h_k\|^2/\|\bar h_l\|^2 \to \sqrt{n_l/n_k},\quad"
        r" c_k^2/c_l^2 \to \sqrt{n_k/n_l}",
    ),
    relations=(
        Asymptotic(margin / margin2, 1 + sp.log(n / n2) / (2 * L), order=2),
        Asymptotic(margin - margin2, sp.log(n / n2) / 2, order=1),
        Asymptotic(hh / hh2, sp.sqrt(n2 / n), order=1),
        Asymptotic(CLASSIFIER, sp.sqrt(n / n2), order=1),
    ),
    read=vanishing_readings,
    along=vanish,
    hypotheses=(*BASIC, PLAIN, WIDE, REACH),
    witness=ALL_ALIVE,
    settings=(STEP,),
    family=Family(bias=("none",), near=("zero",), model="ce-relu"),
    derivation=vanishing_derivation,
    rests_on=frozenset({"DA24-01", "DA24-03", "DA24-04"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(Asymptotic(left, wrong, order=1),), problem=ALL_ALIVE)
        for text, left, wrong in (
            ("exponent -1 of the squared lengths", hh / hh2, n2 / n),
            ("majority features longer: exponent +1/2", hh / hh2, sp.sqrt(n / n2)),
            ("margins in proportion to the sizes", margin / margin2, n / n2),
        )
    ),
    note="The margins grow like L, so ratios approach their limits like 1/L only, while differences do exponentially "
    "fast.",
)


def onset_derivation() -> Derivation:
    """The margin as a function of eps, exactly, and its slope at 0."""
    eps = sp.Symbol("eps", positive=True)
    root = sp.Symbol("rho", positive=True)
    gap = sp.log(1 + (c + 1) * (sp.sqrt(1 + eps) - 1))
    return Derivation(
        steps=(
            *slack_steps(),
            *equality_steps(),
            Identity(
                "t = ((K-1)/K)/rho, rho = sqrt(1 + eps): (K-1)(1/t - 1) = 1 + K (rho - 1)",
                c * ((c + 1) / c * root - 1),
                1 + (c + 1) * (root - 1),
            ),
            Identity("M = 0 at eps = 0", tidy(gap.subs(eps, 0)), sp.Integer(0)),
            Identity("dM/deps = K/2 at eps = 0", sp.diff(gap, eps).subs(eps, 0), (c + 1) / 2),
            Lemma("M is analytic at eps = 0, so M = (K/2) eps (1 + O(eps)): no jump", "Taylor's theorem"),
            Identity(
                "|hbar_k|^2 is linear in M: slope sqrt((K-1) lambda_W/(K lambda_H n)) K/2",
                sp.diff(sp.sqrt(c * lW / ((c + 1) * lH * n)) * root, root) * (c + 1) / 2,
                sp.sqrt(c * lW * (c + 1) / (lH * n)) / 2,
            ),
        )
    )


start = Claim(
    id="DA24-13",
    title="Onset of a class",
    kind="limit",
    paper=PAPER,
    statement=(
        r"n_k = n_{\mathrm{crit}} (1 + \varepsilon):\quad M_k = \tfrac{K}{2}\, \varepsilon\, (1 + O(\varepsilon))",
        r"\|\bar h_k\|^2 \text{ grows linearly, } \|\bar h_k\| \text{ like } \sqrt{\varepsilon}",
    ),
    relations=(
        Asymptotic(margin * L, K / 2, order=1),
        Asymptotic(hh * L, sp.sqrt((K - 1) * lW / (K * lH * n)) * K / 2, order=1),
    ),
    read=onset_readings,
    along=onset,
    hypotheses=(*BASIC, PLAIN, WIDE, REACH),
    witness=ONE_DEAD.tilted(1, 4),
    settings=(STEP,),
    family=Family(bias=("none",), near=("zero",), model="ce-relu"),
    derivation=onset_derivation,
    rests_on=frozenset({"DA24-01", "DA24-03", "DA24-04"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(Asymptotic(left, wrong, order=1),), problem=ALL_ALIVE)
        for text, left, wrong in (
            ("K eps", margin * L, K),
            ("M like sqrt(eps)", margin * sp.sqrt(L), K / 2),
            ("K/(2(K-1)), which is right for K = 2 only", margin * L, K / (2 * (K - 1))),
        )
    ),
)
