"""Too few dimensions: the smallest classes are lost; where sizes tie at the cut class vectors are not orthogonal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Hypothesis, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.balanced import minimisers
from theory.dang_2023_deep_linear.mode_equation import n_some, psi
from theory.dang_2023_deep_linear.modes import equality_steps, gram_steps, mode_steps, monotone_steps, reduction_steps
from theory.dang_2023_deep_linear.reduction import ValueReader, smallest_kept
from theory.derivation import Derivation, Identity, Lemma
from theory.mse_observables import STRENGTH, M, Mode, base, best, hh, hh2, hh12, total, z_own, z_wrong
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, dead, n

R, position, n_R, n_next, misses = sp.symbols("R i n_R n_R1 m", real=True)
"""Rank budget, place of the last class of a cluster, sizes of the classes R and R + 1 (0 if none), product over kept
clusters of n^M (M-1)^(M-1) - M^(2M) N^(M+1) Lam (1 at M = 1)."""
hh_lost = sp.Symbol("hh_lost", real=True)
"""|hbar_k|^2 of a class beyond the budget."""


def cut_readings(optimum: Optimum) -> Iterator[Reading]:
    """Whether the minimiser is unique; the classes that are kept or lost as a whole; the value.

    Examples
    --------
    >>> len(list(cut_readings(Optimum(replace(settings.SHALLOW, dim=1), "exact"))))
    5
    """
    problem = optimum.problem
    budget, sizes = mse.budget(problem), sorted(problem.sizes, reverse=True)
    common = {**mse.mse_parameters(problem), R: sp.Integer(budget)}
    modes = mse.label_modes(problem)
    kept = [mode for mode in modes if mode.kept]
    gaps = (mode.value**M * base - M ** (2 * M) * STRENGTH for mode in kept)
    unique = optimum.facts.get("unique")
    yield {
        **common,
        n_R: rational(sizes[budget - 1]),
        n_next: rational(sizes[budget]) if budget < problem.K else sp.Integer(0),
        misses: sp.prod(gaps).subs(common) if problem.depth > 1 else sp.Integer(1),
        dead: None if unique is None else not unique,
    }
    yield from ValueReader(psi)(optimum)
    yield from _clusters(optimum, common, modes)


def _clusters(optimum: Optimum, common: dict[sp.Symbol, Any], modes: tuple[Mode, ...]) -> Iterator[Reading]:
    problem, place = optimum.problem, 0
    for index, (cluster, mode) in enumerate(zip(problem.clusters, modes, strict=True)):
        place += cluster.classes
        if mode.kept not in (0, mode.times):
            continue
        seen, exact = mse.class_states(optimum)[index]
        reading = {**common, n: mode.value, n_some: mode.value, position: sp.Integer(place)}
        reading |= mse.some_and_every(seen, exact)[0]
        k = cluster.members[0]
        if optimum.logits is not None and optimum.gram_features is not None:
            reading |= mse.predicted(problem, index, mse.p) if mode.kept else {mse.p: sp.Integer(0)}
            reading[z_own] = optimum.logits[k, k]
            if not mode.kept:
                reading[hh_lost] = optimum.gram_features[k, k]
            others = [j for j in range(problem.K) if j != k]
            yield from ({**reading, z_wrong: optimum.logits[j, k]} for j in others[:2])
        else:
            yield reading


def cut_derivation() -> Derivation:
    """The reduction with rank(X) <= R, and when the truncated labels are unique."""
    return Derivation(
        steps=(
            *reduction_steps(),
            *mode_steps(),
            *monotone_steps(),
            *equality_steps(),
            Lemma("lost modes have x = 0: X Y^T vanishes on them, so do P and H by the Gram matrices", "DA23-01"),
            Lemma(
                "the best X of rank <= R is unique iff its live singular space is: sigma_R > sigma_{R+1} of the "
                "labels, or the R-th mode is dead anyway, and no kept mode may be alive as well as dead",
                "uniqueness of the truncated singular value decomposition",
            ),
            Lemma("a kept mode has two optimal p iff it lies on the threshold and M >= 2", "DA23-03"),
            Lemma("factors of a given X are unique up to rotations of the inner spaces", "DA23-01"),
        )
    )


ABOVE = n_R**M * base > M ** (2 * M) * STRENGTH
LOST = sp.Gt(position, R + sp.Rational(1, 2), evaluate=False)
CUT = sp.And(sp.Le(n_R, n_next, evaluate=False), ABOVE)
TIED_KEPT = Problem.mse([5, 3, 1], ["1/36", "1/6"], "1/6", dim=2)
"""M = 2, N = 9: the second of two kept classes lies exactly on the threshold."""
TIED_CUT = Problem.mse([5, 4, 4], "0.01", dim=2)
NARROW = replace(settings.SHALLOW, dim=1)

cut = Claim(
    id="DA23-17",
    title="Bottleneck: the smallest classes are lost",
    kind="structure",
    paper=settings.PAPER,
    statement=(
        r"R = \min(K, d_1, \ldots, d_M):\ \text{the } R \text{ largest classes are kept (where } n_k > n_* \text{), "
        r"the others are exactly zero},\qquad f^* = \sum_{k \leq R} \psi(n_k) + \sum_{k > R} \frac{n_k}{2N}",
        r"\text{unique up to rotations} \iff (n_R > n_{R+1} \text{ or class } R \text{ is dead}) \text{ and } (M = 1 "
        r"\text{ or no kept count equals } n_*)",
    ),
    relations=(
        sp.Eq(F, total, evaluate=False),
        sp.Le(total, best, evaluate=False),
        sp.Equivalent(dead, sp.Or(LOST, n_some**M * base <= M ** (2 * M) * STRENGTH)),
        sp.Eq(z_own, mse.p, evaluate=False),
        sp.Eq(z_wrong, 0, evaluate=False),
        sp.Eq(hh_lost, 0, evaluate=False),
        sp.Equivalent(dead, sp.Or(CUT, sp.Eq(misses, 0, evaluate=False))),
    ),
    read=cut_readings,
    hypotheses=settings.BASIC,
    witness=NARROW,
    family=settings.ANY_WIDTH,
    settings=(
        replace(settings.SHALLOW, dim=2),
        replace(settings.EXAMPLE, dim=1),
        replace(settings.FOUR, dim=2),
        Problem.mse([8, 5, 3], ["0.01", "0.03"], "0.02", widths=[5, 2]),
        Problem.mse([6, 3, 3], ["1/2"], "1/8", dim=2),
        TIED_KEPT,
        TIED_CUT,
        Problem.mse([5, 4, 2], "0.02", "0.03", dim=1),
    ),
    derivation=cut_derivation,
    rests_on=frozenset({"DA23-01", "DA23-02", "DA23-03"}),
    required="proved",
    mutants=(
        Mutant("the smallest classes are kept", read=ValueReader(psi, smallest_kept), problem=NARROW),
        Mutant(
            "all classes are kept with p R/K",
            relations=(sp.Eq(z_own, mse.p * R / K, evaluate=False),),
            problem=NARROW,
        ),
        Mutant(
            "R = min(K - 1, d_1, ..., d_M) without a bias",
            read=ValueReader(psi, lambda problem: mse.label_modes(replace(problem, dim=problem.K - 1, widths=()))),
            problem=settings.SHALLOW,
        ),
        Mutant(
            "unique also where a kept count equals n_star",
            relations=(sp.Equivalent(dead, CUT),),
            problem=TIED_KEPT,
        ),
    ),
    survivors={
        "dropped term: R + 1/2 becomes R (relation 3)": "i and R are whole numbers: the comparison says the same",
        "strictness: strict for non-strict (relation 3)": "i and R are whole numbers: never equal",
    },
)


def block_readings(optimum: Optimum) -> Iterator[Reading]:
    """<hbar_k, hbar_l> of two classes of the size that is cut, at every minimiser the route knows, and the value there.

    Examples
    --------
    >>> list(block_readings(Optimum(TIED_CUT, "convex")))
    []
    """
    problem = optimum.problem
    cluster = next(
        (c for c, mode in zip(problem.clusters, mse.label_modes(problem), strict=True) if 0 < mode.kept < mode.times),
        None,
    )
    if cluster is None:
        return
    k, other = cluster.members[:2]
    lower = optimum.lower
    values = [one["value"] for one in optimum.facts.get("alternatives", ())]
    for index, (_, features, _) in enumerate(minimisers(optimum)):
        reading = {hh12: features[k, other], hh: features[k, k], hh2: features[other, other]}
        if lower is not None and index < len(values):
            reading[excess] = values[index] - lower
        yield reading


excess = sp.Symbol("f_excess", real=True)
"""Objective at the minimiser that a reading describes, minus the lower bound."""


def block_derivation() -> Derivation:
    """Two of three classes share one place: any direction in their plane does."""
    angle = sp.Symbol("v", real=True)
    size, own, N_ = sp.symbols("n p N", positive=True)
    vector = sp.Matrix([sp.cos(angle), sp.sin(angle)])
    Q = vector * vector.T
    return Derivation(
        steps=(
            *reduction_steps(),
            *mode_steps(),
            *gram_steps(),
            Identity(
                "|p Q D^(1/2) - D^(1/2)|^2 does not depend on the direction v of Q (with cos^2 + sin^2 = 1)",
                _norm(own * Q - sp.eye(2), size, angle),
                size * ((1 - own) ** 2 + 1),
            ),
            Identity(
                "its one singular value is p sqrt(n): the penalty does not depend on it either",
                *_rank_one(Q, own, size, angle),
            ),
            Lemma("so all of them are minimisers, with Hbar^T Hbar = p (1-p)/(N lambda_H) Q on the block", "DA23-02"),
            Identity(
                "at v = pi/4 the inner product of the two class means is half of the trace, not 0",
                (own * (1 - own) / N_ * Q[0, 1]).subs(angle, sp.pi / 4),
                own * (1 - own) / (2 * N_),
            ),
        ),
        complete=False,
        gap="the steps derive minimisers that contradict the statement",
    )


def _norm(matrix: sp.Matrix, size: sp.Symbol, angle: sp.Symbol) -> sp.Expr:
    square = sp.expand(size * sum(entry**2 for entry in matrix))
    return _unit(square, angle)


def _rank_one(Q: sp.Matrix, own: sp.Symbol, size: sp.Symbol, angle: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
    return _unit(sp.expand((own * sp.sqrt(size)) ** 2 * sum(entry**2 for entry in Q)), angle), own**2 * size


def _unit(expression: sp.Expr, angle: sp.Symbol) -> sp.Expr:
    """Replace sin^2 by 1 - cos^2."""
    return sp.expand(
        sp.expand(expression)
        .subs(sp.sin(angle) ** 4, (1 - sp.cos(angle) ** 2) ** 2)
        .subs(sp.sin(angle) ** 2, 1 - sp.cos(angle) ** 2)
    )


def _cut_through(problem: Problem) -> bool:
    modes = mse.label_modes(problem)
    return any(0 < mode.kept < mode.times and mode.state == "alive" for mode in modes)


block = Claim(
    id="DA23-18",
    title="Class vectors are orthogonal also where the bottleneck cuts through equal sizes",
    kind="structure",
    paper=settings.PAPER,
    statement=(
        r"n_R = n_{R+1} \text{ alive}:\quad \langle \bar h_k, \bar h_l \rangle = 0 \text{ for } k \neq l \text{ in "
        r"every minimiser}",
        r"\text{correct: } Z_{\mathrm{block}} = p\,Q,\ Q \text{ any orthogonal projector of the rank that is left}",
    ),
    relations=(sp.Eq(hh12, 0, evaluate=False),),
    read=block_readings,
    hypotheses=(
        *settings.full(Problem.ce([5, 4, 4], "0.01", dim=2), replace(TIED_CUT, bias="free")),
        Hypothesis(
            "the rank budget cuts through live classes of equal size",
            _cut_through,
            dropped="otherwise the class vectors are orthogonal: DA23-14, DA23-17",
        ),
    ),
    witness=TIED_CUT,
    family=None,
    settings=(replace(settings.FOUR, dim=2), Problem.mse([(4, 3)], ["0.01", "0.02"], "0.03", dim=2)),
    derivation=block_derivation,
    status="refuted",
    required="refuted",
    rests_on=frozenset({"DA23-01", "DA23-02"}),
    mutants=(
        Mutant(
            "class means of the block have equal lengths", relations=(sp.Eq(hh, hh2, evaluate=False),), problem=TIED_CUT
        ),
        Mutant(
            "the loss depends on Q",
            relations=(sp.Ge(excess, sp.Rational(1, 10**6), evaluate=False),),
            problem=TIED_CUT,
        ),
    ),
    source="derived here",
    note="Sizes (5, 4, 4), M = 1, d = 2: in every generic minimiser the means of the two equal classes are parallel.",
)
