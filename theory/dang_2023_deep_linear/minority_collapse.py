"""The collapse size: without a bias a class vanishes, features and classifier row, iff it has too few samples."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.mode_equation import ALL, n_every, n_shallow, n_some
from theory.dang_2023_deep_linear.modes import c, gram_steps, mode_steps
from theory.derivation import Derivation, Identity, Lemma
from theory.mse_observables import STRENGTH, Lam, M, base, lH
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import N, dead, n

star, deep_star, largest_some, largest_every = sp.symbols("n_star n_star_M n_1_some n_1_every", positive=True)
"""The collapse size, the same at M >= 2, and the largest size where the state speaks of all classes."""
hh_dead, ww_dead, hh_alive, ww_alive = sp.symbols("hh_dead ww_dead hh_alive ww_alive", real=True)
"""|hbar_k|^2 and |row_k(P)|^2 of a class that is dead, alive."""


def collapse_readings(optimum: Optimum) -> Iterator[Reading]:
    """State of every cluster and of all together, with the lengths of features and rows.

    Examples
    --------
    >>> [len(reading) for reading in collapse_readings(Optimum(settings.DEEP, "exact"))]
    [13, 13, 13, 13, 12, 12]
    """
    problem = optimum.problem
    depth = problem.depth
    size = {star: mse.n_star(depth).subs({N: rational(problem.N), Lam: rational(problem.product)})}
    common = {**mse.mse_parameters(problem), **size}
    if depth > 1:
        common[deep_star] = size[star]
    states = mse.class_states(optimum)
    for cluster, (seen, exact) in zip(problem.clusters, states, strict=True):
        own = {**common, n: rational(cluster.size)}
        loose, strict = mse.some_and_every(seen, exact)
        lengths = {}
        if seen in ("dead", "alive") and optimum.gram_features is not None and optimum.gram_classifier is not None:
            k = cluster.members[0]
            names = (hh_dead, ww_dead) if seen == "dead" else (hh_alive, ww_alive)
            lengths = dict(zip(names, (optimum.gram_features[k, k], optimum.gram_classifier[k, k]), strict=True))
        yield {**own, n_some: own[n], **loose, **lengths}
        yield {**own, (n_every if depth > 1 else n_shallow): own[n], **strict}
    seen, exact = (_largest(values) for values in zip(*states, strict=True))
    loose, strict = mse.some_and_every(seen, exact)
    yield {**common, largest_some: rational(problem.clusters[0].size), **loose}
    yield {**common, (largest_every if depth > 1 else n_shallow): rational(problem.clusters[0].size), **strict}


def _largest(states: tuple[str | None, ...]) -> str | None:
    """State of all classes together: alive if one is, dead if all are."""
    for known in ("alive", None, "tie"):
        if known in states:
            return known
    return "dead"


def collapse_derivation() -> Derivation:
    """The threshold of a mode with mu = n_k, and what p = 0 means for features and classifier."""
    size = M**2 * c ** (-(M - 1) / M) * N * (N * Lam) ** (1 / M)
    root = M / c * (N * Lam ** (1 / (M + 1)) * c) ** ((M + 1) / (2 * M))
    return Derivation(
        steps=(
            *mode_steps(),
            *gram_steps(),
            Lemma("the modes are the classes, mu = n_k", "DA23-02"),
            Lemma("p_k = 0 is optimal iff t_k >= tstar, and p_k > 0 iff t_k <= tstar (M >= 2), < (M = 1)", "DA23-03"),
            Identity(
                "t_k = tstar at n_k = n_star (c for M - 1 as a base)",
                N * (N * Lam) ** (1 / M) / size,
                c ** ((M - 1) / M) / M**2,
            ),
            Identity("the second form, sqrt(n_star), in logarithms", sp.log(size), 2 * sp.log(root)),
            Identity("M = 1: n_star = N^2 lambda_W lambda_H", (N * (N * Lam)), N**2 * Lam),
            Lemma("everything is zero iff the largest class is, as n_star is the same for all classes", "monotonicity"),
        )
    )


collapse = Claim(
    id="DA23-05",
    title="Collapse size of a class",
    kind="threshold",
    paper=settings.PAPER,
    statement=(
        r"\bar h_k = 0,\ \mathrm{row}_k(P) = 0 \iff n_k < n_*\quad (M \geq 2),\qquad n_k \leq n_*\quad (M = 1)",
        r"n_* = M^2 (M-1)^{-\frac{M-1}{M}} N (N \Lambda)^{1/M}\quad (M = 1:\ N^2 \lambda_W \lambda_H),\qquad "
        r"\sqrt{n_*} = \tfrac{M}{M-1} \left(N \Lambda^{\frac{1}{M+1}} (M-1)\right)^{\frac{M+1}{2M}}",
        r"n_k = n_*,\ M \geq 2:\ \text{both are optimal};\qquad \text{everything is zero} \iff n_1 < n_*\ (M = 1:\ "
        r"\leq)",
    ),
    relations=(
        sp.Equivalent(dead, n_some <= star),
        sp.Equivalent(dead, n_every < star),
        sp.Equivalent(dead, n_shallow <= star),
        sp.Equivalent(dead, largest_some <= star),
        sp.Equivalent(dead, largest_every < star),
        sp.Eq(
            deep_star, (M / (M - 1) * (N * Lam ** (1 / (M + 1)) * (M - 1)) ** ((M + 1) / (2 * M))) ** 2, evaluate=False
        ),
        sp.Eq(hh_dead, 0, evaluate=False),
        sp.Eq(ww_dead, 0, evaluate=False),
        sp.Gt(hh_alive, 0, evaluate=False),
        sp.Gt(ww_alive, 0, evaluate=False),
    ),
    read=collapse_readings,
    hypotheses=settings.FULL,
    witness=settings.SHALLOW,
    family=settings.CLASSES,
    settings=(*ALL, Problem.mse([3, 2], [2, 2], 2)),
    derivation=collapse_derivation,
    rests_on=frozenset({"DA23-01", "DA23-02", "DA23-03"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, wrong),), problem=problem)
        for text, wrong, problem in (
            ("threshold reversed", n_some >= star, settings.SHALLOW_DEAD),
            ("N instead of N^2 (M = 1)", n_shallow <= N * Lam, settings.SHALLOW_DEAD),
            ("M instead of M^2", n_some**M * base <= M**M * STRENGTH, settings.EXAMPLE),
            (
                "(N Lam)^(1/L)",
                n_some ** (M + 1) * base ** ((M + 1) / M) <= M ** (2 * (M + 1)) * N ** (M + 1) * N * Lam,
                settings.EXAMPLE,
            ),
            ("lambda_H does not matter", n_some**M * base <= M ** (2 * M) * STRENGTH / lH, settings.DEEP),
        )
    ),
    source="published result; constants re-derived, n_star as a size derived here",
)
