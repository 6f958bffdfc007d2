"""A free bias, unequal sizes: bias = class frequencies, modes by a secular equation, one feature for all minorities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Hypothesis, Mutant, Reading, Root
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.modes import (
    bias_steps,
    equality_steps,
    gram_steps,
    mode_steps,
    mu,
    p,
    r,
    reduction_steps,
)
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.mse_observables import STRENGTH, M, Mode, base, best, hh, lH, total, z_own, z_wrong
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, N, dead, n, nA, nB

frequency = sp.Symbol("b_k", real=True)
"""One entry of the bias."""
mode_seen, mode_some, sigma, secular = sp.symbols("mu_seen mu_some sigma S", real=True)
"""An observed mode, the predicted one that a state is about, a singular value, sum_k n_k^2/(n_k - mu)."""
p_i, mu_i = sp.symbols("p_i mu_i", nonnegative=True)
z_pred, hh_pred, centre = sp.symbols("Z_pred hh_pred h_centre", real=True)
"""Predicted entries of Z and of Hbar^T Hbar; <hbar_k, sum_l n_l hbar_l>."""


class FreeReader:
    """Bias, modes, singular values, entries and value with a free bias.

    Parameters
    ----------
    power : exponent of n_k in the secular equation (2; others for mutants).
    """

    def __init__(self, power: int = 2) -> None:
        self.power = power

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """One reading per class, mode and pair of clusters.

        Examples
        --------
        >>> len(list(FreeReader()(Optimum(settings.GROUPS, "exact"))))
        4
        """
        problem = optimum.problem
        modes = mse.label_modes(problem, True, self.power)
        common = {**mse.mse_parameters(problem), **mse.mode_values(problem, modes)}
        yield {**common, **_totals(problem, modes, common), **mse.value_readings(optimum)}
        if optimum.bias is not None:
            for k, size in enumerate(problem.sizes):
                yield {**common, n: rational(size), frequency: optimum.bias[k]}
        yield from self._modes(optimum, common, modes)
        yield from _entries(optimum, common, modes)

    def _modes(self, optimum: Optimum, common: dict[sp.Symbol, Any], modes: tuple[Mode, ...]) -> Iterator[Reading]:
        problem, place = optimum.problem, 0
        seen, states = optimum.facts.get("modes"), optimum.facts.get("mode_states")
        for index, mode in enumerate(modes):
            own, size = mse.mode_symbols(index)
            reading = {**common, mu_i: size}
            if own in common and mode.state != "tie":
                reading[p_i] = own
            if seen is not None:
                reading[mode_seen] = seen[place]
                if not any(mode.value == rational(cluster.size) for cluster in problem.clusters):
                    reading[secular] = _secular(problem, seen[place])
            if states is not None and mode.kept:
                reading[mode_some] = common[size] if not isinstance(mode.value, Root) else _renamed(common[size])
                reading |= mse.some_and_every(None if states[place] == "tie" else states[place], states[place])[0]
            yield reading
            if optimum.singular_values is not None and p_i in reading:
                live = (1,) * mode.kept + (0,) * (mode.times - mode.kept)
                for extra, kept in enumerate(live):
                    yield {
                        **common,
                        mu_i: size,
                        p_i: own if kept else sp.Integer(0),
                        sigma: optimum.singular_values[place + extra],
                    }
            place += mode.times


def _renamed(root: Root) -> Root:
    return replace(root, unknown=mode_some, equation=root.equation.subs(root.unknown, mode_some))


def _secular(problem: Problem, value: Any) -> Any:
    """sum_k n_k^2/(n_k - mu) at an observed mu."""
    sizes = [((0 * value + c_.size.numerator) / c_.size.denominator, c_.classes) for c_ in problem.clusters]
    return sum((times * size * size / (size - value) for size, times in sizes), 0 * value)


def _totals(problem: Problem, modes: tuple[Mode, ...], common: dict[sp.Symbol, Any]) -> dict[sp.Symbol, Any]:
    """f(0) with the best bias, less the gain of every live mode."""
    squares = sum((cluster.classes * cluster.size**2 for cluster in problem.clusters), start=problem.N * 0)
    gain = mse.total_over_modes(modes, lambda size, own: size * own * (M * own - (M - 1)) / (2 * N))
    expected = (N - rational(squares) / N) / (2 * N) - gain
    return {total: expected} if expected.free_symbols <= set(common) else {}


def _entries(optimum: Optimum, common: dict[sp.Symbol, Any], modes: tuple[Mode, ...]) -> Iterator[Reading]:
    """Entries of Z and Hbar^T Hbar for pairs of clusters, where the rank budget cuts through no live mode."""
    problem, Z, features = optimum.problem, optimum.logits, optimum.gram_features
    settled = all(mode.state == "dead" or (mode.state == "alive" and mode.kept in (0, mode.times)) for mode in modes)
    if Z is None or features is None or not settled:
        return
    sizes = [rational(size) for size in problem.sizes]
    for g, h, k, other in [
        *mse.class_pairs(problem),
        *((i, i, c_.members[0], c_.members[0]) for i, c_ in enumerate(problem.clusters)),
    ]:
        yield {
            **common,
            z_own if k == other else z_wrong: Z[other, k],
            z_pred: predicted_entry(problem, modes, (h, g), other == k, features=False),
            hh: features[other, k],
            hh_pred: predicted_entry(problem, modes, (h, g), other == k, features=True),
            centre: sum((features[k, j] * size.p / size.q for j, size in enumerate(sizes)), 0 * features[k, k]),
        }


def predicted_entry(
    problem: Problem, modes: tuple[Mode, ...], pair: tuple[int, int], same: bool, features: bool
) -> sp.Expr:
    """Entry (l, k) of Q_p T, or of T^T Q_{p(1-p)/(N lambda_H)} T, T = I - (n/N) 1^T, in terms of mu_i and p_i.

    Parameters
    ----------
    problem, modes : with a free bias.
    pair : clusters of l and k.
    same : whether l = k.
    features : the Gram matrix of class means instead of the logits.

    Examples
    --------
    >>> problem = Problem.mse([(4, 2)], "0.01", bias="free")
    >>> predicted_entry(problem, mse.label_modes(problem, True), (0, 0), True, features=False)
    p_0/2
    """
    clusters = problem.clusters
    result = sp.Integer(0)
    for index, mode in enumerate(modes):
        own, size = mse.mode_symbols(index)
        weight = own * (1 - own) / (N * lH) if features else own
        if mode.kept == 0 or mode.state != "alive":
            continue
        owner = next((g for g, cluster in enumerate(clusters) if mode.value == rational(cluster.size)), None)
        if owner is not None:
            if pair == (owner, owner):
                result += weight * (sp.Integer(same) - sp.Rational(1, clusters[owner].classes))
            continue
        row, column = (_component(problem, g, size) for g in pair)
        norm = sum(
            (cluster.classes * _component(problem, g, size) ** 2 for g, cluster in enumerate(clusters)), sp.Integer(0)
        )
        mean = (
            sum(
                (
                    rational(cluster.size) * cluster.classes * _component(problem, g, size)
                    for g, cluster in enumerate(clusters)
                ),
                sp.Integer(0),
            )
            / N
        )
        result += weight * (row - mean if features else row) * (column - mean) / norm
    return result


def _component(problem: Problem, cluster: int, size: sp.Symbol) -> sp.Expr:
    own = rational(problem.clusters[cluster].size)
    return own / (own - size)


def secular_derivation() -> Derivation:
    """Centred labels, their eigenvalues, and the modes."""
    first, second, value = sp.symbols("n_1 n_2 m", positive=True)
    total_ = first + second
    C = sp.diag(first, second) - sp.Matrix([first, second]) * sp.Matrix([first, second]).T / total_
    determinant = (C - value * sp.eye(2)).det()
    return Derivation(
        steps=(
            *bias_steps(),
            *reduction_steps(),
            *mode_steps(),
            *equality_steps(),
            *gram_steps(),
            Identity(
                "det(C - mu) = prod (n_k - mu) (1 - sum n_k^2/(N (n_k - mu))) (two classes written out)",
                determinant,
                (first - value)
                * (second - value)
                * (1 - (first**2 / (first - value) + second**2 / (second - value)) / total_),
            ),
            Lemma("so for mu not a count: sum_k n_k^2/(n_k - mu) = N", "matrix determinant lemma"),
            Identity("mu = 0 solves it", (first**2 / first + second**2 / second), total_),
            Identity(
                "K = 2: the other eigenvalue is 2 n_1 n_2/N",
                determinant.subs(value, 2 * first * second / total_),
                sp.Integer(0),
            ),
            Lemma(
                "a count of multiplicity m: its m - 1 contrasts are eigenvectors with mu = n_k", "direct verification"
            ),
            Identity(
                "the trace of C is N - sum n_k^2/N: the modes cost its half over N at zero",
                C.trace(),
                total_ - (first**2 + second**2) / total_,
            ),
            Identity(
                "eigenvectors u_k = n_k/(n_k - mu): row 1 of C u - mu u is n_1 (1 - sum n_k^2/(N (n_k - mu)))",
                (C * sp.Matrix([first / (first - value), second / (second - value)]))[0]
                - value * first / (first - value),
                first * (1 - (first**2 / (first - value) + second**2 / (second - value)) / total_),
            ),
            Lemma(
                "X = sum_i p_i u_i (u_i^T Y (I - J/N)): class means of X are Q_p T with T = I - (n/N) 1^T, and those "
                "of H have the Gram matrix T^T Q T with p (1-p)/(N lambda_H)",
                "DA23-14",
            ),
            Identity(
                "mu p (1-p)/(N lambda_H) over mu: from singular values of H to class means",
                mu * p * r / (N * lH) / mu,
                p * r / (N * lH),
            ),
        )
    )


FREE = Hypothesis("a free bias", lambda problem: problem.bias == "free", dropped=settings.NO_BIAS)
GROUPS2 = (
    settings.BIASED,
    Problem.mse([9, 9, 3, 3, 3], "0.02", "0.03", bias="free"),
    Problem.mse([7, 2], ["0.01", "0.03"], "0.02", bias="free"),
    Problem.mse([9, 5, 2], "0.02", "0.03", bias="free", dim=1),
    Problem.mse([9, 9, 3, 3], ["0.01", "0.02"], "0.03", bias="free", dim=2),
    Problem.mse([6, 3], "1/9", "4/9", bias="free"),
    Problem.mse([6, 2], ["9/256", "1/16"], "1/2", bias="free"),
)
"""Free bias; the last two lie exactly on the threshold of their only mode, 4 (M = 1) and 3 (M = 2)."""
TINY = Problem.mse(["1/2", "1/4", "1/5"], ["0.1"] * 3, "0.1", bias="free")
TINY_PAIRS = Problem.mse([("1/2", 2), ("1/4", 2)], ["0.08"] * 3, "0.08", bias="free")
"""Sizes below 1, where squares are smaller; M = 3, the least where (M-1)^(M-1) is not 1."""


def _as_counts(optimum: Optimum) -> Iterator[Reading]:
    """The i-th observed mode beside the i-th largest count."""
    for size, value in zip(sorted(optimum.problem.sizes, reverse=True), optimum.facts.get("modes") or (), strict=False):
        yield {n: rational(size), mode_seen: value}


def _group_modes(optimum: Optimum) -> Iterator[Reading]:
    """The mode between two sizes, beside the sizes."""
    seen, (A, B) = optimum.facts.get("modes"), optimum.problem.clusters
    if seen is not None:
        yield {nA: rational(A.size), nB: rational(B.size), mode_seen: seen[A.classes - 1]}


equation = Claim(
    id="DA23-19",
    title="Free bias: secular equation",
    kind="equality",
    paper=settings.PAPER,
    statement=(
        r"b = n/N,\qquad \sum_i h_i = 0,\qquad C = \mathrm{diag}(n) - \tfrac{n n^\top}{N} = \sum_i \mu_i u_i u_i^\top",
        r"\sum_k \frac{n_k^2}{n_k - \mu_i} = N;\ \text{a count of multiplicity } m \text{ gives } \mu = n_k,\ m-1 "
        r"\text{ times;}\qquad p_i = p(\mu_i),\ \text{the same } n_*",
        r"\sigma_i(P H) = p_i \sqrt{\mu_i},\qquad Z = Q_p T,\qquad \bar H^\top \bar H = T^\top Q_{p(1-p)/(N "
        r"\lambda_H)} T,\qquad Q_g = \sum_i g_i u_i u_i^\top,\quad T = I - \tfrac{n}{N} 1^\top",
        r"f^* = \frac{N - \sum_k n_k^2/N}{2N} - \frac{1}{2N} \sum_{\mathrm{alive}} \mu_i p_i (M p_i - (M-1)),\qquad K "
        r"= 2:\ \mu = \tfrac{2 n_1 n_2}{N}",
        r"R = \min(K - 1, d_1, \ldots, d_M) < K - 1:\ \text{the } R \text{ largest } \mu_i \text{ are kept, } p_i = 0"
        r" \text{ for the others}",
    ),
    relations=(
        sp.Eq(frequency, n / N, evaluate=False),
        sp.Eq(mode_seen, mu_i, evaluate=False),
        sp.Eq(secular, N, evaluate=False),
        sp.Eq(sigma, p_i * sp.sqrt(mu_i), evaluate=False),
        sp.Eq(z_own, z_pred, evaluate=False),
        sp.Eq(z_wrong, z_pred, evaluate=False),
        sp.Eq(hh, hh_pred, evaluate=False),
        sp.Eq(centre, 0, evaluate=False),
        sp.Eq(F, total, evaluate=False),
        sp.Le(total, best, evaluate=False),
        sp.Equivalent(dead, mode_some**M * base <= M ** (2 * M) * STRENGTH),
    ),
    read=FreeReader(),
    hypotheses=(
        replace(settings.SQUARED, dropped=Problem.ce([9, 5, 2], "0.02", "0.03", bias="free")),
        FREE,
    ),
    witness=settings.GROUPS,
    family=replace(settings.FREE, dims="any"),
    settings=(*GROUPS2, TINY),
    derivation=secular_derivation,
    rests_on=frozenset({"DA23-01", "DA23-02", "DA23-03", "DA23-14"}),
    required="proved",
    mutants=(
        Mutant(
            "mu_i = n_i",
            relations=(sp.Eq(mode_seen, n, evaluate=False),),
            read=_as_counts,
            problem=settings.BIASED,
        ),
        Mutant(
            "b = 1/K for unequal counts", relations=(sp.Eq(frequency, 1 / K, evaluate=False),), problem=settings.BIASED
        ),
        Mutant(
            "threshold N mu",
            relations=(sp.Equivalent(dead, (N * mode_some) ** M * base <= M ** (2 * M) * STRENGTH),),
            problem=settings.GROUPS,
        ),
        Mutant("n_k instead of n_k^2 in the secular equation", read=FreeReader(1), problem=settings.BIASED),
        Mutant(
            "harmonic mean of the two sizes as mode of the groups",
            relations=(sp.Eq(mode_seen, 2 * nA * nB / (nA + nB), evaluate=False),),
            read=_group_modes,
            problem=Problem.mse([9, 9, 3, 3, 3], "0.02", "0.03", bias="free"),
        ),
    ),
    source="derived here; the balanced case is published",
    note="A mode exactly on its threshold (M >= 2) may be alive or dead, and where the rank budget cuts through equal "
    "mu_i any of their directions may be kept: then Z and the Gram matrix are not unique, bias and value are.",
)


upper, lower = sp.symbols("n_i n_i1", positive=True)
live, classes_alive = sp.symbols("live j", nonnegative=True)


def interlacing_readings(optimum: Optimum) -> Iterator[Reading]:
    """Every mode between two counts; the number of live modes beside that of classes above n_star.

    Examples
    --------
    >>> list(interlacing_readings(Optimum(settings.GROUPS, "convex")))
    []
    """
    problem = optimum.problem
    sizes = sorted((rational(size) for size in problem.sizes), reverse=True)
    for high, low, value in zip(sizes, sizes[1:], optimum.facts.get("modes") or (), strict=False):
        yield {upper: high, lower: low, mode_seen: value}
    states = optimum.facts.get("mode_states")
    if states and None not in states:
        above = sum(mode.times for mode in mse.label_modes(problem) if mode.state == "alive")
        yield {live: sp.Integer(states.count("alive")), classes_alive: sp.Integer(above)}


def interlacing_derivation() -> Derivation:
    """A rank-one change of a diagonal matrix, and one threshold for counts and modes."""
    value, gap = sp.symbols("m d", positive=True)
    term = n**2 / (n - value)
    return Derivation(
        steps=(
            Lemma("mu_i are the eigenvalues of diag(n) - n n^T/N, and n_star is the same", "DA23-19"),
            Lemma("n_{i+1} <= mu_i <= n_i: diag(n) minus a positive matrix of rank one", "Weyl's inequalities"),
            Identity(
                "each term of the secular sum has derivative n^2/(n-m)^2", sp.diff(term, value), n**2 / (n - value) ** 2
            ),
            Positive("which is positive: one root between neighbouring distinct counts", n**2 / gap**2),
            Lemma(
                "j counts above n_star: mu_i >= n_{i+1} > n_star for i <= j - 1, and mu_{j+1} <= n_{j+1} <= n_star: "
                "the modes that are alive are the first j - 1, and perhaps the j-th",
                "DA23-03",
            ),
        )
    )


interlacing = Claim(
    id="DA23-20",
    title="A free bias costs at most one live mode",
    kind="bound",
    paper=settings.PAPER,
    statement=(
        r"n_{i+1} \leq \mu_i \leq n_i\quad (i = 1, \ldots, K-1)",
        r"j = \#\{k: n_k > n_*\}:\ \text{with a free bias } j \text{ or } j - 1 \text{ modes are alive}",
    ),
    relations=(
        sp.Le(mode_seen, upper, evaluate=False),
        sp.Ge(mode_seen, lower, evaluate=False),
        sp.Le(live, classes_alive, evaluate=False),
        sp.Ge(live, classes_alive - 1, evaluate=False),
    ),
    read=interlacing_readings,
    hypotheses=(
        settings.SQUARED_ONLY,
        replace(FREE, dropped="without a bias the modes are the counts, and j of them are alive"),
        replace(settings.WIDE, dropped="without room fewer modes are alive: DA23-17"),
    ),
    witness=settings.GROUPS,
    family=settings.FREE,
    settings=(settings.BIASED, *GROUPS2[1:3], *GROUPS2[5:], Problem.mse([8, 7, 1], "0.12", "0.13", bias="free"), TINY),
    derivation=interlacing_derivation,
    rests_on=frozenset({"DA23-03", "DA23-19"}),
    required="proved",
    mutants=(
        Mutant("always j - 1", relations=(sp.Eq(live, classes_alive - 1, evaluate=False),), problem=GROUPS2[1]),
        Mutant("always j", relations=(sp.Eq(live, classes_alive, evaluate=False),), problem=settings.BIASED),
        Mutant("mu_i >= n_i", relations=(sp.Ge(mode_seen, upper, evaluate=False),), problem=settings.BIASED),
    ),
)
