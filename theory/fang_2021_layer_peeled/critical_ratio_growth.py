"""FA21-05: R_0 grows exponentially with the budget; explicit bounds on both sides of the formula."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.fang_2021_layer_peeled.critical_ratio import odds_at, pull_at, ratio_at, root_t0, system_steps, t0, wrong_at
from theory.fang_2021_layer_peeled.reduction import alive_steps, gradient_steps, nuclear_steps, symmetry_steps
from theory.fang_2021_layer_peeled.settings import BASIC, MINORITY, PAPER, step
from theory.optimum import Optimum
from theory.peeled_observables import R, T, group_readings, groups, merged
from theory.symbols import K, kA, kB

__all__ = ["LOG_RATIO", "large_budget"]

sr = sp.sqrt(kB / (kA + kB))
LOG_RATIO = (T - (kA - 1) * (1 - sr) * sp.log(kA / (1 - sr)) - kA * sr / 2 * sp.log((kA + kB) * kB)) / (kA - 1 + sr)
"""log R_0 for large T."""
KAPPA = (1 - sr) * sp.sqrt((kA + kB) * kB) / kA
DELTA = t0 * wrong_at() * sp.sqrt(kA) * sp.sqrt(kA * kB / (kA + kB)) / (2 * pull_at())
LOW = (kA * sr * sp.log(odds_at() / KAPPA) + DELTA) / (kA - 1 + sr)
FALL = sp.exp(-(LOG_RATIO - sp.log((1 - sr) / kA)))
HIGH = sp.log(((1 - kB * pull_at()) * (1 + (kA - 1) * FALL) + kA * kB * pull_at() * FALL) / (1 - sr))
"""FORMULA - LOW <= log R_0 <= FORMULA + HIGH; both vanish as t_0, hence T, grows."""

log_R, room = sp.symbols("log_R room", positive=True)
middle = sp.Symbol("middle", real=True)
"""log R; the formula lies within ``room`` of log R + middle."""


def large_readings(optimum: Optimum) -> Iterator[Reading]:
    """Log R, which is at least log R_0 where the minority is merged, and less where it is not.

    The formula may be LOW above and HIGH below log R_0; on the side that the state leaves open the distance of R from
    R_0 comes on top.

    Examples
    --------
    >>> [log_R in reading for reading in large_readings(Optimum(LARGE, "exact", contrasts=("alive", "dead")))]
    [True]
    """
    state = merged(optimum, groups(optimum.problem)[-1][1])
    if state is None:
        return
    for reading in group_readings(optimum):
        known = {symbol: reading[symbol] for symbol in (K, kA, kB, T)}
        logarithm = sp.log(reading[R])
        distance = sp.Abs(logarithm - sp.log(ratio_at()))
        above, below = (LOW, HIGH + distance) if state else (LOW + distance, HIGH)
        yield {**known, t0: root_t0(), log_R: logarithm, middle: (above - below) / 2, room: (above + below) / 2}


def bound_steps() -> tuple[Step, ...]:
    """Bounds on both sides of the formula, from the explicit system.

    Examples
    --------
    >>> all(step.verify() for step in bound_steps())
    True
    """
    t, q, y, extra = sp.symbols("t q y d", positive=True)
    w2 = (kA + kB) / (kA * kB)
    root = sp.sqrt(kB / (kA + kB))
    at, log_odds, gap = sp.symbols("a_inf l s", positive=True)
    c, u, v, m, top = sp.symbols("c u v m E_a", positive=True)
    return (
        Identity("y increases to y_inf = sr/kB", (1 / (kA + kB)) / kB, (root / kB) ** 2),
        Identity("odds decrease to kappa", ((1 - root) / (kA * (root / kB))), (1 - root) * kB / (kA * root)),
        Identity(
            "kappa = (1 - sr) sqrt(K kB)/kA",
            (1 - root) * kB / (kA * root),
            (1 - root) * sp.sqrt(kB * (kA + kB)) / kA,
        ),
        Identity("r without its t term: sqrt(kA) s/w = kA sr s", sp.sqrt(kA) * gap / sp.sqrt(w2), kA * root * gap),
        Positive("sqrt(1 + d) <= 1 + d/2, so r <= kA sr s + kB t^2/(2 s sqrt(kA) w)", (1 + extra / 2) ** 2 - 1 - extra),
        Identity(
            "with s = t kB y/(kA q): the excess is DELTA = t q sqrt(kA)/(2 y w)",
            kB * t**2 / (2 * (t * kB * y / (kA * q)) * sp.sqrt(kA) * sp.sqrt(w2)),
            t * q * sp.sqrt(kA) / (2 * y * sp.sqrt(w2)),
        ),
        Identity(
            "s = a/kA + log(odds): kA sr s = sr a + kA sr log(odds); so (kA-1+sr) a = T - kA sr log(odds) - "
            "(excess), against a_inf with kappa",
            (kA - 1) * at + kA * root * (at / kA + log_odds),
            (kA - 1 + root) * at + kA * root * log_odds,
        ),
        Identity(
            "a_inf + log((1 - sr)/kA) is the formula: l = log(kA/(1 - sr)), m = log(K kB), log(kappa) = m/2 - l",
            (T - kA * root * (m / 2 - log_odds)) / (kA - 1 + root) - log_odds,
            (T - (kA - 1) * (1 - root) * log_odds - kA * root * m / 2) / (kA - 1 + root),
        ),
        Positive(
            "with 1 - kB y = (1 - sr) + d, R_0 exceeds (1 - sr) exp(a)/kA: log R_0 >= formula - LOW (kA = 1 + c)",
            ((u + extra) * (top + c) / (1 + c) + kB * y - u * top / (1 + c)) * (1 + c),
        ),
        Identity(
            "kA R_0/E_inf with exp(a) <= E_inf = exp(a_inf), 1 - kB y = v: HIGH",
            (kA * kB * y + v * (top + kA - 1)) / top,
            v * (1 + (kA - 1) / top) + kA * kB * y / top,
        ),
        Lemma(
            "t q_A <= t exp(-t)/kB -> 0 and y -> y_inf exponentially in t, while T -> infinity only as t does: "
            "LOW and HIGH are o(1)",
            "exponentials beat powers",
        ),
    )


def large_derivation() -> Derivation:
    """Two-sided bounds on log R_0."""
    before = (*nuclear_steps(), *symmetry_steps(), *gradient_steps(), *alive_steps(), *system_steps())
    return Derivation(steps=(*before, *bound_steps()))


def _within(formula: sp.Expr) -> sp.Rel:
    return sp.Le(sp.Abs(log_R + middle - formula), room, evaluate=False)


def _wrong(text: str, formula: sp.Expr) -> Mutant:
    return Mutant(
        text,
        relations=(_within(formula),),
    )


BUDGET = Hypothesis(
    "T >= 12, R < 10^14",
    lambda problem: problem.budget2 >= 144 and groups(problem)[0][0] < 10**14 * groups(problem)[-1][0],
    dropped="the bounds hold for every T; the check looks at large T only, as far as 40 digits reach",
)

LARGE = step(2, 2, "70000", "5", "5")

large_budget = Claim(
    id="FA21-05",
    title="R_0 for large budgets",
    kind="limit",
    paper=PAPER,
    statement=(
        r"\log R_0 = \frac{T - (k_A-1)(1-\sigma)\log\frac{k_A}{1-\sigma} - \frac{k_A \sigma}{2}\log(K k_B)}"
        r"{k_A - 1 + \sigma} + o(1),\qquad \sigma = \sqrt{k_B/K}",
    ),
    relations=(_within(LOG_RATIO),),
    read=large_readings,
    hypotheses=(*BASIC, MINORITY, BUDGET),
    witness=LARGE,
    family=Family(sizes="two", bias=("none",), near=("minority_merge",), model="layer-peeled"),
    settings=(
        step(2, 2, "20000", "5", "5"),
        step(3, 2, "350", "4", "4"),
        step(3, 2, "450", "4", "4"),
        step(1, 3, "20000", "15/4", "15/4"),
        step(1, 3, "60000", "15/4", "15/4"),
        step(2, 3, "15000", "4", "4"),
        step(8, 2, "50000000000", "20", "20"),
        step(2, 2, "10", "5", "5"),
    ),
    derivation=large_derivation,
    rests_on=frozenset({"FA21-04"}),
    required="proved",
    mutants=(
        _wrong("denominator kA - 1", LOG_RATIO * (kA - 1 + sr) / (kA - 1 + sp.Rational(1, 10**6))),
        _wrong("kB/K for its root", LOG_RATIO.subs(sr, kB / (kA + kB))),
        _wrong("T/K", LOG_RATIO - (T - T / (kA + kB)) / (kA - 1 + sr)),
        _wrong("sign of the logarithms", 2 * T / (kA - 1 + sr) - LOG_RATIO),
    ),
    survivors={
        "sign: Abs(*becomes -Abs(*": "always holds: no modulus is negative",
        "strictness: *": "true as well: both bounds are strict for t > 0",
        "off by one: k_A becomes k_A + 1": "moves the formula by less than 1/10 towards log R_0, which LOW covers as "
        "long as R < 10^14",
    },
    note="The bounds come from the explicit system of FA21-04; LOW, the slow part, is of order log(T)^2/T.",
)
