"""The published settings of Hong & Ling 2023 as theory curves with numerical points.

Their code penalises without halves: l_W|W|^2 + l_H|H|^2 + mu|b|^2 with l_W = 5 l and l_H = l/20. In the canonical
normalisation that is lambda_w = 10 l, lambda_h = l/10, lambda_b = 2 mu, hence lam = l.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.optimum import softmax
from theory.problem import Problem
from verify.report.axes import threshold_markers
from verify.report.figures import Marker, Plot, Series
from verify.routes import solve

__all__ = ["Experiment", "experiments"]

Array = NDArray[Any]
MU = Fraction(1, 100)
WEIGHT_DECAY = Fraction(5, 10_000)


@dataclass(frozen=True)
class Experiment:
    """One setting: what was fixed, what varies, figures, and a table of numbers."""

    key: str
    title: str
    setting: str
    remark: str
    plots: tuple[Plot, ...]
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Measured:
    """Mean predictions at an optimum: A is the first class and its neighbour, B the last class and its neighbour."""

    gap: tuple[float, float]
    cosine: tuple[float, float, float]
    norm: tuple[float, float]


def published(counts: Sequence[tuple[Fraction | int, int]], l: Fraction, decay: Fraction = Fraction(0)) -> Problem:
    """Problem of the published code at its parameter l; an optimiser's weight decay adds to lambda_w.

    Examples
    --------
    >>> published([(500, 5), (100, 5)], Fraction("0.0027")).lam2 == Fraction("0.0027") ** 2
    True
    """
    return Problem.ce(counts, 10 * l + decay, l / 10, bias=2 * MU)


def measure(problem: Problem, route: str, seed: int) -> Measured:
    """Probability gaps, cosines and norms of the columns of Z (undefined cosines are nan)."""
    optimum = solve(route, problem, seed)
    if optimum.logits is None or optimum.bias is None:
        return Measured((math.nan,) * 2, (math.nan,) * 3, (math.nan,) * 2)
    Z = np.array([[float(entry) for entry in row] for row in optimum.logits])
    P = softmax(Z + np.array([float(entry) for entry in optimum.bias])[:, None])
    last = problem.K - 1
    return Measured(
        gap=(float(P[0, 0] - P[1, 0]), float(P[last, last] - P[last - 1, last])),
        cosine=(_cosine(Z, 0, 1), _cosine(Z, last, last - 1), _cosine(Z, 0, last)),
        norm=(float(np.linalg.norm(Z[:, 0])), float(np.linalg.norm(Z[:, last]))),
    )


def _cosine(Z: Array, i: int, j: int) -> float:
    left, right = np.linalg.norm(Z[:, i]), np.linalg.norm(Z[:, j])
    return float(Z[:, i] @ Z[:, j] / (left * right)) if min(left, right) > 1e-5 else math.nan


@dataclass(frozen=True)
class Scan:
    """Problems along a parameter: a dense one by the exact route, the published points by the nonconvex route."""

    at: Sequence[float]
    exact: list[Measured]
    points: Sequence[float]
    nonconvex: list[Measured]
    xlabel: str
    markers: tuple[Marker, ...]

    def plot(self, ylabel: str, text: str, part: Callable[[Measured], Sequence[float]], names: Sequence[str]) -> Plot:
        """One figure with a curve and points per name."""
        series = []
        for i, name in enumerate(names):
            series.append(Series(self.at, [part(m)[i] for m in self.exact], f"{name}, exact optimum", "curve", i))
            series.append(Series(self.points, [part(m)[i] for m in self.nonconvex], f"{name}, nonconvex", "rings", i))
        return Plot(self.xlabel, ylabel, tuple(series), self.markers, text=text)

    def figures(self) -> tuple[Plot, Plot, Plot]:
        """Probability gaps, cosines and norms of the mean predictions."""
        return (
            self.plot("$p - q$", "Own minus sibling probability", lambda m: m.gap, "AB"),
            self.plot("cosine", "Cosines between mean predictions", lambda m: m.cosine, ("AA", "BB", "AB")),
            self.plot("norm of $z_k$ (nats)", "Norms of the mean predictions", lambda m: m.norm, "AB"),
        )


def scan(
    build: Callable[[Fraction], Problem],
    dense: Iterable[float],
    points: Iterable[str],
    xlabel: str,
    markers: tuple[Marker, ...],
    seed: int,
) -> Scan:
    """Solve along both grids and at the markers; values are made exact before they reach a problem."""
    some = [Fraction(value) for value in points]
    ends = (min(some), max(some))
    kinks = [Fraction(f"{line.x:.9g}") for line in markers]
    even = [Fraction(f"{value:.6g}") for value in dense]
    at = sorted({*even, *some, *(kink for kink in kinks if ends[0] <= kink <= ends[1])})
    return Scan(
        at=[float(value) for value in at],
        exact=[measure(build(value), "exact", seed) for value in at],
        points=[float(value) for value in some],
        nonconvex=[measure(build(value), "nonconvex", seed) for value in some],
        xlabel=xlabel,
        markers=markers,
    )


LAMBDA_GRIDS = {
    5: ".0027 .0030 .0033 .0039 .0045 .0051 .0057 .0063 .0069 .0075",
    3: ".0037 .0041 .0045 .0053 .0062 .0070 .0078 .0086 .0094 .0102",
}
SIZE_GRIDS = {5: "100 200 300 400 600 800 1000 1100 1200 1400", 3: "100 400 450 500 700 1000 1600 2200 2500 2800"}


def lambda_sweep(kA: int, seed: int) -> Experiment:
    """Raise lam at fixed data: minority merges (T1), the between-cluster direction dies (T2), majority merges (T3)."""
    counts = [(500, kA), (100, 10 - kA)]
    grid = LAMBDA_GRIDS[kA].split()
    lines = threshold_markers(published(counts, Fraction(1)), 1 / float(published(counts, Fraction(1)).N))
    markers = tuple(Marker(line.x, f"T{i}") for i, line in enumerate(lines, 1))
    dense = np.linspace(float(grid[0]), float(grid[-1]), 21)
    found = scan(lambda l: published(counts, l), dense, grid, r"$\lambda$", markers, seed)
    names = ", ".join(f"T{i} = {line.x:.6g} ({line.label})" for i, line in enumerate(lines, 1))
    return Experiment(
        f"lambda-{kA}",
        f"Regularisation sweep, {kA} majority classes",
        f"{kA} classes of 500 (A), {10 - kA} classes of 100 (B); l_H = l/20, l_W = 5 l, μ = 0.01; λ = l.",
        f"The published grid brackets the thresholds: {names}. Beyond T2 the minority columns are exactly 0, so their "
        "cosines are undefined and not drawn.",
        found.figures(),
    )


def size_thresholds(kA: int, kB: int, nB: int, lam: float) -> list[Marker]:
    """Majority sizes at which the contrast of B, then of A dies (HL23-11).

    Examples
    --------
    >>> [(round(m.x, 1), m.label) for m in size_thresholds(5, 5, 100, 0.005)]
    [(300.0, 'B merges'), (1392.8, 'A merges')]
    """
    discriminant = 1 - 4 * lam**2 * kA * kB * nB
    lines = [Marker((math.sqrt(nB) / lam - kB * nB) / kA, "B merges")]
    if discriminant > 0:
        lines.append(Marker(((1 + math.sqrt(discriminant)) / (2 * lam * kA)) ** 2, "A merges"))
    return lines


def size_sweep(kA: int, seed: int) -> Experiment:
    """More majority data at fixed lam: it hurts the minority first and the majority in the end."""
    l, grid = Fraction("0.005"), SIZE_GRIDS[kA].split()
    kB = 10 - kA
    markers = tuple(size_thresholds(kA, kB, 100, float(l)))
    dense = np.linspace(float(grid[0]), float(grid[-1]), 21)
    found = scan(
        lambda nA: published([(nA, kA), (100, kB)], l), dense, grid, "$n_A$ (samples per class)", markers, seed
    )
    names = " and ".join(f"n_A = {line.x:.6g} ({line.label})" for line in markers)
    return Experiment(
        f"size-{kA}",
        f"Majority size sweep, {kA} majority classes",
        f"{kB} classes of 100 (B), {kA} classes of n_A (A), l = 0.005, μ = 0.01.",
        f"Thresholds in n_A at fixed λ: {names}.",
        found.figures(),
    )


CATALOGUE = {2500: (-0.136219, -0.079977, -0.111270), 5500: (-0.135446, -0.080966, -0.111322)}
"""Cosines AA, BB, AB computed independently for the claim catalogue."""


def growing_data(seed: int) -> Experiment:
    """All sizes grow at lam N = 0.1; an optimiser's weight decay makes the effective lam N grow with them (HL23-R3)."""

    def build(nA: Fraction, decay: Fraction = Fraction(0)) -> Problem:
        counts = [(nA, 5), (Fraction(nA // 2), 5)]
        return published(counts, Fraction(1, 10) / sum(size * classes for size, classes in counts), decay)

    sizes = range(500, 5501, 500)
    found = scan(build, sizes, [str(n) for n in sizes[1::3]], "$n_A$ (samples per class)", (), seed)
    base = found.plot(
        "cosine", "Cosines of mean predictions, against the catalogue", lambda m: m.cosine, ("AA", "BB", "AB")
    )
    catalogue = Series(
        [n for n in CATALOGUE for _ in range(3)],
        [v for row in CATALOGUE.values() for v in row],
        "catalogue",
        "crosses",
        4,
    )
    frame = Series([500, 5500], [-1 / 9, -1 / 9], "equiangular frame", "dashed", 4)
    decayed = [build(Fraction(n), WEIGHT_DECAY) for n in sizes]
    effective = [math.sqrt(float(problem.x2)) for problem in decayed]
    cosines = [measure(problem, "exact", seed).cosine[0] for problem in decayed]
    points = sizes[1::3]
    measured = [measure(build(Fraction(n), WEIGHT_DECAY), "nonconvex", seed).cosine[0] for n in points]
    return Experiment(
        "growing",
        "Growing data",
        "5 classes of n_A, 5 of n_A/2, l = 0.1/N, μ = 0.01; with and without a weight decay of 5e-4 on W.",
        "Without weight decay λN is 0.1 at every size. The optimiser's decay raises the effective value, so that "
        "sqrt(n)/(λN) hardly moves and neither does the angle (HL23-R3). Either way convergence is logarithmic.",
        (
            Plot(base.xlabel, base.ylabel, (*base.series, catalogue, frame), text=base.text),
            Plot(
                base.xlabel,
                r"effective $\lambda N$",
                (
                    Series(sizes, effective, "weight decay 5e-4", "curve", 1),
                    Series(sizes, [0.1] * len(sizes), "as intended", "dashed", 4),
                ),
                text="What weight decay does to the regularisation",
            ),
            Plot(
                base.xlabel,
                "cosine AA",
                (
                    Series(sizes, [m.cosine[0] for m in found.exact], "λN = 0.1", "curve", 0),
                    Series(sizes, cosines, "with weight decay", "curve", 1),
                    Series(points, measured, "same, nonconvex", "rings", 1),
                ),
                text="Majority cosine with and without weight decay",
            ),
        ),
        ("n_A", "AA", "BB", "AB", "catalogue AA / BB / AB", "effective λN", "AA with decay"),
        tuple(
            (
                str(n),
                *(f"{v:.6f}" for v in m.cosine),
                " / ".join(f"{v:.6f}" for v in CATALOGUE[n]) if n in CATALOGUE else "",
                f"{x:.4f}",
                f"{c:.5f}",
            )
            for n, m, x, c in zip(sizes, found.exact, effective, cosines, strict=True)
        ),
    )


def oversampling(seed: int) -> Experiment:
    """Repeat minority samples w times: a window (HL23-19), whereas loss weights have no upper end (HL23-20)."""
    kA, nA, kB, nB, lam = 5, 500, 5, 100, Fraction("0.004")
    discriminant = math.sqrt(1 - 4 * float(lam) ** 2 * kA * kB * nA)
    window = [((1 + sign * discriminant) / (2 * float(lam) * kB)) ** 2 / nB for sign in (-1, 1)]
    dense = np.geomspace(1, 20, 25).tolist()
    grid = ["1", "1.5", "2", "3", "5", "8", "12", "14", "18"]
    markers = (Marker(window[0], f"w = {window[0]:.4g}"), Marker(window[1], f"w = {window[1]:.4g}"))
    found = scan(
        lambda w: Problem.ce([(nA, kA), (w * nB, kB)], lam), dense, grid, "$w$ (copies, or loss weight)", markers, seed
    )
    base = found.plot("$p - q$ of B", "Oversampling against reweighting", lambda m: m.gap[1:], ("copies",))
    weighted = [Problem.ce([(nA, kA), (nB, kB)], lam, weights=[(1, kA), (Fraction(w), kB)]) for w in grid]
    x = float(lam) * (kA * nA + kB * nB)
    ticks, ratios = (1, 2, 5, 10, 20), sorted([*dense, x / math.sqrt(nB)])
    series = (
        *base.series,
        Series(ratios, [max(0, 1 - x / (w * math.sqrt(nB))) for w in ratios], "weight, predicted", "curve", 1),
        Series(
            [float(w) for w in grid],
            [measure(p, "nonconvex", seed).gap[1] for p in weighted],
            "weight, nonconvex",
            "rings",
            1,
        ),
    )
    return Experiment(
        "oversampling",
        "Oversampling window",
        "5 classes of 500, 5 classes of 100 repeated w times (copies count in N and in the penalty); λ = 0.004, "
        "no bias.",
        f"The minority classes are apart exactly for {window[0]:.6g} < w < {window[1]:.6g} (HL23-19). Multiplying "
        f"their loss by w instead needs w > {x / math.sqrt(nB):.6g} and has no upper end (HL23-20).",
        (
            Plot(base.xlabel, base.ylabel, series, markers, text=base.text, log_x=True, ticks=ticks),
            replace(found.figures()[2], log_x=True, ticks=ticks),
        ),
    )


THREE = {
    "4 x 5000, 3 x 4000, 3 x 3000": [(5000, 4), (4000, 3), (3000, 3)],
    "4 x 5000, 2 x 3000, 4 x 1000": [(5000, 4), (3000, 2), (1000, 4)],
}


def three_clusters(seed: int) -> Experiment:
    """Network settings with three sizes: how far their effective lam is from every threshold."""
    plots, rows = [], []
    for name, counts in THREE.items():
        problem = Problem.ce(counts, Fraction("2e-3") + WEIGHT_DECAY, Fraction("2e-6"), bias=2 * MU)
        lam, N = math.sqrt(float(problem.lam2)), float(problem.N)
        grid = np.geomspace(lam / 3, 1.15 * math.sqrt(5000) / N, 60).tolist()
        asked = [Fraction(problem.x2) * ratio**2 for ratio in (1, 4, 10, 16, 20)]
        optima = [solve("nonconvex", problem.at(square), seed) for square in asked]
        series: list[Series] = []
        for i, cluster in enumerate(problem.clusters):
            own, sibling = cluster.members[:2]
            root = math.sqrt(cluster.size)
            label = f"n = {cluster.size}"
            series.append(Series(grid, [max(0.0, 1 - g * N / root) for g in grid], f"{label}, predicted", "curve", i))
            seen = [float(o.probabilities[own, own] - o.probabilities[sibling, own]) for o in optima]
            series.append(Series([math.sqrt(float(s)) / N for s in asked], seen, f"{label}, nonconvex", "rings", i))
            rows.append(
                (
                    name,
                    str(cluster.size),
                    f"{root / N:.6g}",
                    f"{lam * N / root:.4f}",
                    f"{1 - lam * N / root:.6f}",
                    f"{seen[0]:.6f}",
                )
            )
        marks = (
            Marker(lam, r"effective $\lambda$"),
            *(Marker(math.sqrt(c.size) / N, f"{c.size}") for c in problem.clusters),
        )
        plots.append(
            Plot(
                r"$\lambda$",
                "$p - q$",
                tuple(series),
                marks,
                text=f"{name}: probability gap of each cluster",
                log_x=True,
            )
        )
    return Experiment(
        "three-clusters",
        "Three-cluster network settings",
        "l_H = 1e-6, l_W = 1e-3, l_b = 0.01 without halves, weight decay 5e-4 on the classifier: λ_W = 2.5e-3, "
        "λ_H = 2e-6, λ_b = 0.02.",
        "Every cluster is far below its merge threshold: the model predicts no minority collapse in these runs. With "
        "ReLU features the regulariser is only bounded below by λ|X|_* (HL23-R4).",
        tuple(plots),
        (
            "sizes",
            "cluster",
            "threshold in λ",
            "effective λ / threshold",
            "p - q predicted",
            "p - q nonconvex",
        ),
        tuple(rows),
    )


BUILDERS: tuple[tuple[Callable[[int], Experiment], tuple[str, ...]], ...] = (
    (lambda seed: lambda_sweep(5, seed), ("HL23-04", "HL23-10", "HL23-14")),
    (lambda seed: lambda_sweep(3, seed), ("HL23-04", "HL23-10", "HL23-14")),
    (lambda seed: size_sweep(5, seed), ("HL23-11",)),
    (lambda seed: size_sweep(3, seed), ("HL23-11",)),
    (growing_data, ("HL23-14", "HL23-15", "HL23-R3")),
    (oversampling, ("HL23-19", "HL23-20")),
    (three_clusters, ("HL23-03", "HL23-04")),
)
"""Settings in the order of the paper, and the claims that each illustrates."""


def experiments(checked: Collection[str], seed: int) -> list[Experiment]:
    """The settings whose claims were all checked.

    Parameters
    ----------
    checked : IDs of the claims of a run.
    seed : seed of the nonconvex route.
    """
    return [build(seed) for build, claims in BUILDERS if set(claims) <= set(checked)]
