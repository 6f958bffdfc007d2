"""Equal class sizes: an orthogonal frame, a simplex ETF with a free bias, every rank at once at the threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Hypothesis, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.mode_equation import psi
from theory.dang_2023_deep_linear.modes import (
    bias_steps,
    gram_steps,
    landscape_steps,
    mode_steps,
    mu,
    p,
    r,
    reduction_steps,
)
from theory.derivation import Derivation, Identity, Lemma
from theory.mse_observables import Lam, M, base, hh, lH, lM, vv, ww, z_own, z_wrong
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, N, dead, n

n_some, n_every, n_shallow = sp.symbols("n_some n_every n_shallow", positive=True)
"""The common size, where the state is 'zero in some minimiser', in every one at M >= 2, in every one at M = 1."""
R, rank = sp.symbols("R r", nonnegative=True)
"""Rank budget; number of live modes."""
trace, s_live, s_zero, energy, energy_zero = sp.symbols("tr_Z sigma_live sigma_zero e_live e_zero", real=True)
"""Trace of Z; one of the R largest singular values of Z D^(1/2), one of the others; the same of s_i(factor m)^2."""
z_kl, z_lk, zz_kl, first, second = sp.symbols("Z_kl Z_lk' ZZ_kl ww_1 ww_2", real=True)
"""Entries of Z, of Z Z, and |row|^2 of two classes where R is too small for all."""
z_d, hh_d, ww_d = sp.symbols("z_d hh_d ww_d", real=True)
"""Diagonal entries of one class."""
bias, h_sum = sp.symbols("b_k h_sum", real=True)
"""One entry of the bias; <hbar_k, sum_l hbar_l>."""
wrong_p = sp.Symbol("p_wrong", nonnegative=True)


def minimisers(optimum: Optimum) -> list[tuple[Any, Any, Any]]:
    """(Z, Hbar^T Hbar, P P^T) of the minimiser where it is unique, else of all those that the route knows.

    Examples
    --------
    >>> minimisers(Optimum(settings.BALANCED, "convex"))
    []
    """
    if optimum.logits is not None and optimum.gram_features is not None and optimum.gram_classifier is not None:
        return [(optimum.logits, optimum.gram_features, optimum.gram_classifier)]
    facts = optimum.facts
    found = [(one["logits"], one["gram_features"], one["gram_classifier"]) for one in facts.get("alternatives", ())]
    if facts.get("point_logits") is not None:
        found.append((facts["point_logits"], facts["point_features"], facts["point_classifier"]))
    return found


class BalancedReader:
    """What equal sizes predict, beside states, singular values and the Gram matrices of every minimiser known.

    Parameters
    ----------
    free : the claim is about a free bias.
    scale : the squared singular value of the labels over n (1; others for mutants).
    """

    def __init__(self, free: bool, scale: Callable[[Problem], sp.Rational] = lambda problem: sp.Integer(1)) -> None:
        self.free, self.scale = free, scale

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """States, then singular values, then entries.

        Examples
        --------
        >>> len(list(BalancedReader(False)(Optimum(settings.BALANCED, "exact"))))
        3
        """
        problem = optimum.problem
        size = rational(problem.clusters[0].size)
        common = {**mse.mse_parameters(problem), n: size, R: sp.Integer(mse.budget(problem, self.free))}
        yield from self._states(optimum, common)
        mode = mse.label_modes(problem)[0]
        if mode.state == "tie":
            return
        common[mse.p] = sp.Integer(0)
        if mode.state == "alive":
            common[mse.p] = mse.largest_root(problem, mse.p, size * self.scale(problem))
        found = {**common, **mse.value_readings(optimum)}
        if optimum.facts.get("trace") is not None:
            found[trace] = optimum.facts["trace"]
        yield found
        yield from self._spectra(optimum, common)
        for arrays in minimisers(optimum):
            yield from _entries(optimum, common, *arrays)

    def _states(self, optimum: Optimum, common: dict[sp.Symbol, Any]) -> Iterator[Reading]:
        states = optimum.facts.get("mode_states") or [None]
        seen = optimum.contrasts[0] if optimum.contrasts else None
        if seen is None and states[0] in ("alive", "dead"):
            seen = states[0]
        loose, strict = mse.some_and_every(seen, states[0])
        size = common[n]
        yield {**common, n_some: size, **loose}
        yield {**common, (n_every if optimum.problem.depth > 1 else n_shallow): size, **strict}

    def _spectra(self, optimum: Optimum, common: dict[sp.Symbol, Any]) -> Iterator[Reading]:
        budget = int(common[R])
        if optimum.singular_values is not None:
            for i, value in enumerate(optimum.singular_values):
                yield {**common, (s_live if i < budget else s_zero): value}
        decays = [rational(decay) for decay in (*optimum.problem.layers, optimum.problem.lambda_h)]
        for decay, row in zip(decays, optimum.facts.get("factor_values") or (), strict=False):
            for i, value in enumerate(row):
                yield {**common, decay_m: decay, (energy if i < budget else energy_zero): value}
        for value in optimum.bias if optimum.bias is not None else ():
            yield {**common, bias: value}


decay_m = sp.Symbol("lambda_m", positive=True)


def _entries(
    optimum: Optimum, common: dict[sp.Symbol, Any], Z: Any, features: Any, classifier: Any
) -> Iterator[Reading]:
    """Entries of one minimiser for the first classes."""
    top = optimum.facts.get("top_gram") if optimum.logits is not None else None
    classes = range(min(len(Z), 3))
    full = common[R] == len(Z) or (optimum.problem.bias == "free" and common[R] == len(Z) - 1)
    for k in classes:
        for other in classes:
            reading = {**common, z_kl: Z[k, other], z_lk: Z[other, k], zz_kl: (Z[k, :] * Z[:, other]).sum()}
            reading |= {hh: features[k, other], ww: classifier[k, other]}
            if top is not None:
                reading[vv] = top[k, other]
            if k == other:
                reading |= {z_d: Z[k, k], hh_d: features[k, k], ww_d: classifier[k, k], h_sum: features[k, :].sum()}
            if full:
                reading[z_own if k == other else z_wrong] = Z[k, other]
            elif k < other:
                reading |= {first: classifier[k, k], second: classifier[other, other]}
            yield reading


def _common_relations() -> tuple[Any, ...]:
    """What the orthogonal frame and the simplex ETF share: Z is p times a projector, all Gram matrices follow."""
    strength = (M**2 * K) ** M * K * Lam
    return (
        sp.Equivalent(dead, strength * n_some >= base),
        sp.Equivalent(dead, strength * n_every > base),
        sp.Equivalent(dead, K**2 * Lam * n_shallow >= 1),
        sp.Eq(s_live, mse.p * sp.sqrt(n), evaluate=False),
        sp.Eq(s_zero, 0, evaluate=False),
        sp.Eq(z_kl, z_lk, evaluate=False),
        sp.Eq(zz_kl, mse.p * z_kl, evaluate=False),
        sp.Eq(hh, (1 - mse.p) / (N * lH) * z_kl, evaluate=False),
        sp.Eq(ww, N * lH / (1 - mse.p) * z_kl, evaluate=False),
        sp.Eq(vv, n * (1 - mse.p) / (N * lM) * z_kl, evaluate=False),
        sp.Eq(ww_d + (N * lH / (1 - mse.p)) ** 2 * hh_d, 2 * N * lH / (1 - mse.p) * z_d, evaluate=False),
        sp.Eq(decay_m * energy, n * mse.p * (1 - mse.p) / N, evaluate=False),
        sp.Eq(energy_zero, 0, evaluate=False),
        sp.Eq(F, R * psi(n, mse.p) + (SPARE - R) * n / (2 * N), evaluate=False),
    )


SPARE = sp.Symbol("K_modes", positive=True)
"""Number of modes of the labels: K, or K - 1 with a free bias."""


def _relations(modes: sp.Expr, *more: Any) -> tuple[Any, ...]:
    shared = (r_.subs(SPARE, modes) if r_.has(SPARE) else r_ for r_ in _common_relations())
    return (*more, *shared)


def _frame_steps() -> tuple[Any, ...]:
    depth = sp.Symbol("M", positive=True)
    return (
        Lemma(
            "all mu = n: equality in von Neumann's inequality makes X = p Pi Y with an orthogonal projector Pi of "
            "rank R (M >= 2, off the tie), so Z = p Pi, trace(Z) = R p",
            "von Neumann's trace inequality",
        ),
        *gram_steps(),
        Lemma(
            "balance makes (W_M ... W_j)(W_M ... W_j)^T a multiple of (W_M W_M^T)^(M-j+1), and W_M W_M^T one of "
            "(X X^T)^(1/L)",
            "DA23-01",
        ),
        Identity("P = N lambda_H/(1-p) Hbar^T: |P - that|^2 along Pi", *_match()),
        Identity(
            "t = N (N Lam)^(1/M)/n at N = K n, in M-th powers: b_bal = M K (K n Lam)^(1/M) = M t",
            ((K * n) * (K * n * Lam) ** (1 / depth) / n) ** depth,
            (K * (K * n * Lam) ** (1 / depth)) ** depth,
        ),
    )


def _match() -> tuple[sp.Expr, sp.Expr]:
    row = N * lH * p / r
    return row - 2 * (N * lH / r) * p + (N * lH / r) ** 2 * (p * r / (N * lH)), sp.Integer(0)


def orthogonal_derivation() -> Derivation:
    """DA23-02 and DA23-03 with all modes equal."""
    return Derivation(
        steps=(*reduction_steps(), *mode_steps(), *_frame_steps(), Lemma("the modes are the classes", "DA23-02"))
    )


BALANCED = (
    settings.BALANCED_DEEP,
    settings.PAIR,
    settings.BALANCED_DEAD,
    *settings.BALANCED_TIES,
    replace(settings.BALANCED, dim=2),
    replace(settings.PAIR, dim=1),
    Problem.mse([(4, 4)], ["0.01", "0.02"], "0.03", widths=[5, 2]),
)

orthogonal = Claim(
    id="DA23-08",
    title="Balanced classes without bias: orthogonal frame or nothing",
    kind="structure",
    paper=settings.PAPER,
    statement=(
        r"b_{\mathrm{bal}} = M K (K n \Lambda)^{1/M} < \tfrac{(M-1)^{(M-1)/M}}{M}:\quad Z = p\,\Pi,\ \Pi \text{ an "
        r"orthogonal projector of rank } R = \min(K, d_1, \ldots, d_M);\qquad >:\ \text{all zero}",
        r"\bar H^\top \bar H = \tfrac{p(1-p)}{N \lambda_H} \Pi,\quad P P^\top = \tfrac{N \lambda_H p}{1-p} \Pi,\quad "
        r"P = \tfrac{N \lambda_H}{1-p} \bar H^\top,\quad \lambda_m s_i(W_m)^2 = \tfrac{n p (1-p)}{N}",
        r"(W_M \cdots W_j)(W_M \cdots W_j)^\top \propto \Pi \text{ for every } j,\qquad W_M W_M^\top = \tfrac{n p"
        r" (1-p)}{N \lambda_M} \Pi",
        r"R = K:\ \Pi = I;\qquad M = 1:\ p = \max\left(0, 1 - K \sqrt{n \lambda_W \lambda_H}\right)",
    ),
    relations=_relations(
        K,
        sp.Eq(z_own, mse.p, evaluate=False),
        sp.Eq(z_wrong, 0, evaluate=False),
        sp.Eq(trace, R * mse.p, evaluate=False),
    ),
    read=BalancedReader(False),
    hypotheses=(
        *settings.full(Problem.ce([(4, 3)], "0.02", "0.05"), replace(settings.BALANCED, bias="free")),
        settings.EQUAL,
    ),
    witness=settings.BALANCED,
    family=replace(settings.EQUAL_SIZES, dims="any"),
    settings=BALANCED,
    derivation=orthogonal_derivation,
    rests_on=frozenset({"DA23-01", "DA23-02", "DA23-03"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, wrong, evaluate=False),), problem=problem)
        for text, left, wrong, problem in (
            ("simplex ETF instead of an orthogonal frame", z_wrong, -mse.p / (K - 1), settings.BALANCED),
            ("row_k(P) = hbar_k without the factor", ww, hh, settings.BALANCED),
            ("p scaled by R/K", s_live, R / K * mse.p * sp.sqrt(n), replace(settings.BALANCED, dim=2)),
            ("rows of equal length also for R < K", first, second, replace(settings.BALANCED, dim=2)),
        )
    ),
    source="published result; constants re-derived",
)


def simplex_derivation() -> Derivation:
    """The centred labels of equal classes."""
    labels = n * sp.eye(3) - n * sp.ones(3, 3) / 3
    return Derivation(
        steps=(
            *bias_steps(),
            Identity(
                "diag(n) - n n^T/N = n (I - J/K) (three classes written out)",
                labels,
                n * (sp.eye(3) - sp.ones(3, 3) / 3),
            ),
            Identity("it is n times a projector of rank K - 1", (labels / n) * (labels / n), labels / n),
            *reduction_steps(),
            *mode_steps(),
            *_frame_steps(),
            Identity("b = n/N = 1/K", n / (K * n), 1 / K),
            Lemma(
                "Pi has the range of I - J/K: Pi 1 = 0, and Pi = I - J/K at rank K - 1; the mode of 1 costs nothing",
                "DA23-02",
            ),
        )
    )


simplex = Claim(
    id="DA23-09",
    title="Balanced classes with a free bias: simplex ETF",
    kind="structure",
    paper=settings.PAPER,
    statement=(
        r"b = \tfrac1K 1,\quad P H 1_N = 0,\quad P H = p\,\Pi Y,\ \Pi \text{ an orthogonal projector of rank } R = "
        r"\min(K - 1, d_1, \ldots, d_M),\ \Pi 1 = 0;\quad p \text{ and Gram constants of DA23-08}",
        r"R = K - 1:\ \Pi = I - J/K \text{: class means and rows of } P \text{ are simplex ETFs};\qquad f^* = "
        r"R\,\psi(n) + (K - 1 - R) \tfrac{n}{2N}",
    ),
    relations=_relations(
        K - 1,
        sp.Eq(z_own, mse.p * (1 - 1 / K), evaluate=False),
        sp.Eq(z_wrong, -mse.p / K, evaluate=False),
        sp.Eq(trace, R * mse.p, evaluate=False),
        sp.Eq(bias, 1 / K, evaluate=False),
        sp.Eq(h_sum, 0, evaluate=False),
    ),
    read=BalancedReader(True),
    hypotheses=(
        replace(settings.SQUARED, dropped=Problem.ce([(4, 3)], "0.02", "0.05", bias="free")),
        Hypothesis("a free bias", lambda problem: problem.bias == "free", dropped=settings.BALANCED),
        replace(settings.EQUAL, dropped=settings.BIASED),
    ),
    witness=replace(settings.BALANCED, bias="free"),
    family=replace(settings.EQUAL_SIZES, bias=("free",), dims="any"),
    settings=tuple(replace(problem, bias="free") for problem in BALANCED),
    derivation=simplex_derivation,
    rests_on=frozenset({"DA23-01", "DA23-02", "DA23-03"}),
    required="proved",
    mutants=(
        *(
            Mutant(
                text, relations=(sp.Eq(left, wrong, evaluate=False),), problem=replace(settings.BALANCED, bias="free")
            )
            for text, left, wrong in (
                ("K live modes", trace, K * mse.p),
                ("b = 0", bias, sp.Integer(0)),
                ("the mean mode costs n/(2N)", F, R * psi(n, mse.p) + (K - R) * n / (2 * N)),
            )
        ),
        Mutant(
            "n (K-1)/K in the mode equation",
            read=BalancedReader(True, lambda problem: sp.Rational(problem.K - 1, problem.K)),
            problem=replace(settings.BALANCED, bias="free"),
        ),
    ),
    source="published result; constants re-derived",
)

f_rank, f_mid, trace_shallow = sp.symbols("f_r f_mid tr_shallow", real=True)
"""Objective at an explicit point with r live modes, the same where 0 < r < R; trace of Z at M = 1."""


def tie_value(own: sp.Expr) -> sp.Expr:
    """F at r live modes with the given p: loss and the least penalty of DA23-01.

    Examples
    --------
    >>> sp.simplify(tie_value((M - 1) / M).subs({M: 2, K: 2, n: 4, N: 8, Lam: sp.Rational(1, 512), rank: 1}))
    1/2
    """
    penalty = (M + 1) / 2 * Lam ** (1 / (M + 1)) * (own**2 * n) ** (1 / (M + 1))
    return rank * (n * (1 - own) ** 2 / (2 * N) + penalty) + (K - rank) * n / (2 * N)


def tie_readings(optimum: Optimum) -> Iterator[Reading]:
    """Whether both are optimal; at a tie one reading per rank, with the value found.

    Examples
    --------
    >>> [reading[rank] for reading in tie_readings(Optimum(settings.BALANCED_TIES[1], "exact")) if rank in reading]
    [0, 1, 2, 3]
    """
    problem = optimum.problem
    size = rational(problem.clusters[0].size)
    common = {**mse.mse_parameters(problem), n: size}
    states = optimum.facts.get("mode_states") or [None]
    if problem.depth == 1:
        at_tie = problem.N**2 * problem.product == problem.clusters[0].size
        if at_tie and optimum.facts.get("trace") is not None:
            yield {**common, trace_shallow: optimum.facts["trace"]}
        return
    yield {**common, n_some: size, dead: None if states[0] is None else states[0] == "tie"}
    if mse.label_modes(problem)[0].state != "tie":
        return
    budget = mse.budget(problem)
    for live in range(budget + 1):
        yield {**common, rank: sp.Integer(live), **mse.value_readings(optimum)}
    for one in optimum.facts.get("alternatives", ()):
        found = {**common, rank: sp.Integer(one["rank"]), f_rank: one["value"], **mse.value_readings(optimum)}
        if 0 < one["rank"] < budget:
            found[f_mid] = one["value"]
        yield found


def tie_derivation() -> Derivation:
    """psi(n) = n/(2N) at p = (M-1)/M."""
    half = mu / (2 * N)
    return Derivation(
        steps=(
            *landscape_steps(),
            *mode_steps(),
            Identity(
                "psi at p = (M-1)/M is mu/(2N)",
                mu * (1 - p) * (1 + M * p) / (2 * N) - half,
                -mu * p * (M * p - (M - 1)) / (2 * N),
            ),
            Identity("which vanishes there", (M * p - (M - 1)).subs(p, (M - 1) / M), sp.Integer(0)),
            Identity(
                "r live modes and K - r dead ones: K n/(2N) = 1/2 at N = K n", rank * half + (K - rank) * half, K * half
            ),
            Identity("K n/(2 K n) = 1/2", K * n / (2 * (K * n)), sp.Rational(1, 2)),
            Lemma(
                "each of the R modes with room may be alive or dead, and any projector of rank r <= R is one choice",
                "DA23-08",
            ),
            Lemma("M = 1: the root at the tie is p = 0", "DA23-03"),
        )
    )


STRENGTH = (M**2 * K) ** M * K * n_some * Lam

tie = Claim(
    id="DA23-10",
    title="Balanced classes exactly at the threshold",
    kind="structure",
    paper=settings.PAPER,
    statement=(
        r"b_{\mathrm{bal}} = \tfrac{(M-1)^{(M-1)/M}}{M},\ M \geq 2:\quad Z = \tfrac{M-1}{M} \Pi \text{ is optimal for "
        r"every orthogonal projector of rank } r \in \{0, \ldots, R\},\qquad f^* = \tfrac12",
        r"M = 1:\ \text{only } Z = 0",
    ),
    relations=(
        sp.Equivalent(dead, sp.And(sp.Le(base, STRENGTH, evaluate=False), sp.Ge(base, STRENGTH, evaluate=False))),
        sp.Eq(F, tie_value((M - 1) / M), evaluate=False),
        sp.Eq(f_rank, tie_value((M - 1) / M), evaluate=False),
        sp.Eq(trace_shallow, 0, evaluate=False),
    ),
    read=tie_readings,
    hypotheses=(
        settings.SQUARED_ONLY,
        replace(settings.UNBIASED, dropped=replace(settings.BALANCED_TIES[1], bias="free")),
        replace(settings.EQUAL, dropped=Problem.mse([3, 1], ["3/32", "3/32"], 1)),
    ),
    witness=settings.BALANCED_TIES[1],
    family=settings.EQUAL_SIZES,
    settings=(
        *settings.BALANCED_TIES,
        settings.BALANCED_DEEP,
        settings.BALANCED_DEAD,
        Problem.mse([(16, 2)], ["1/32", "1/32"], "1/8"),
        replace(settings.BALANCED_TIES[2], dim=2),
    ),
    derivation=tie_derivation,
    rests_on=frozenset({"DA23-03", "DA23-08"}),
    required="proved",
    mutants=(
        Mutant(
            "only r = 0 and r = R (R >= 2)",
            relations=(sp.Ge(f_mid, F + sp.Rational(1, 10**6), evaluate=False),),
            problem=settings.BALANCED_TIES[1],
        ),
        Mutant(
            "p = 1/M (M >= 3)",
            relations=(sp.Eq(F, tie_value(1 / M), evaluate=False),),
            problem=settings.BALANCED_TIES[2],
        ),
        Mutant(
            "the tie at b_bal = (1 + 1/1000) thr",
            relations=(
                sp.Equivalent(
                    dead,
                    sp.And(
                        sp.Le(sp.Rational(1001, 1000) ** M * base, STRENGTH, evaluate=False),
                        sp.Ge(sp.Rational(1001, 1000) ** M * base, STRENGTH, evaluate=False),
                    ),
                ),
            ),
            problem=settings.BALANCED_TIES[1],
        ),
    ),
    note="The published wording covers the two sides of the threshold; what happens on it was derived here.",
)
