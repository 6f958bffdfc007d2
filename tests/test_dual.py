"""The floating duality certificate: valid bounds from every point, facts that contain the truth."""

from fractions import Fraction

import numpy as np
import pytest

from theory.problem import Problem
from verify import dual
from verify.blocks import BlockPoint, average
from verify.reduced import masses, reduce
from verify.routes.exact import solve_blocks

BIASES = ["none", "free", "1/50", "1"]


def random_problem(seed: int, largest: int = 4) -> Problem:
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 4))
    repeats = [int(k) for k in rng.integers(1, largest, size=groups)]
    repeats[0] += 1
    sizes = [Fraction(int(n), 3) for n in 10 ** rng.uniform(0.6, 3, size=groups)]
    weights = (
        [Fraction(int(w), 4) for w in rng.integers(2, 9, size=groups)] if seed % 3 == 0 else [Fraction(1)] * groups
    )
    total = sum(n * k for n, k in zip(sizes, repeats, strict=True))
    lam = Fraction(float(10 ** rng.uniform(-3, 0.1) * float(max(sizes)) ** 0.5)) / total
    counts, factors = zip(sizes, repeats, strict=True), zip(weights, repeats, strict=True)
    return Problem.ce(list(counts), lam, lam / 4, bias=BIASES[seed % 4], weights=list(factors))


def random_point(problem: Problem, seed: int, noise: float) -> BlockPoint:
    rng, point = np.random.default_rng(seed), solve_blocks(problem)
    bias = point.bias if problem.bias == "none" else point.bias + noise * rng.normal(size=point.bias.shape)
    gaps = np.abs(point.alpha + noise * rng.normal(size=point.alpha.shape))
    gaps[[c.classes == 1 for c in problem.clusters]] = 0
    return BlockPoint(gaps, point.means + noise * rng.normal(size=point.means.shape), bias)


def value_of_factors(problem: Problem, point: BlockPoint) -> float:
    """Canonical objective at the factors of the point, by the full singular value decomposition."""
    Z, b = point.expand(problem)
    Z, b = Z - Z.mean(axis=0), b - b.mean()
    root = np.sqrt([float(n) for n in problem.sizes])
    U, s, V = dual.svd(Z * root)
    scale = (float(problem.lambda_h) / float(problem.lambda_w)) ** 0.25
    return problem.objective(scale * U * np.sqrt(s), (np.sqrt(s)[:, None] * V) / root / scale, b)


@pytest.mark.parametrize("seed", range(24))
def test_every_point_gives_valid_bounds(seed: int) -> None:
    problem = random_problem(seed)
    best = dual.assess(problem, solve_blocks(problem))
    assert best.gap <= 1e-11 * best.upper
    for noise in (1e-6, 1e-3, 0.3, 3.0):
        point = random_point(problem, seed, noise)
        found = dual.assess(problem, point)
        assert found.lower <= best.upper
        assert found.upper >= best.lower
        assert found.upper == pytest.approx(value_of_factors(problem, point), rel=1e-12)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_dual_points_are_feasible_and_worth_what_they_claim(seed: int, noise: float) -> None:
    problem = random_problem(seed)
    r = reduce(problem)
    point = random_point(problem, seed, noise)
    X, bias = r.centred(point.means) * r.scale, point.bias - r.m @ point.bias / r.m.sum()
    p = masses(r, point.alpha, X / r.scale, bias)[0]
    safe = dual.safe_dual(r, p)
    unit = float(problem.clusters[0].size)
    n, w = (np.array([float(v) for v in values]) for values in (problem.sizes, problem.weights))
    for found in (safe, dual.blend(r, dual.aligned_dual(r, X, p, 0.5), safe)):
        q = found.q
        means = q.cross.copy()
        np.fill_diagonal(means, (q.own + (r.m - 1) * q.sibling) / r.m)
        Q = BlockPoint(q.own - q.sibling, means, point.bias).expand(problem)[0]
        assert Q.min() >= -1e-15
        assert Q.sum(axis=0) == pytest.approx(np.ones(problem.K), abs=1e-12)
        S = (Q - np.eye(problem.K)) * w * np.sqrt(n)
        assert np.linalg.norm(S, 2) <= float(problem.x2) ** 0.5 * (1 + 1e-12)
        y = S @ np.sqrt(n)
        entropy = -(w * n) @ np.where(Q > 0, Q * np.log(np.where(Q > 0, Q, 1)), 0).sum(axis=0)
        bound = entropy / float(problem.N)
        if problem.bias == "free":
            assert np.abs(y).max() <= 1e-12 * (w * n).sum()
        elif problem.bias != "none":
            bound -= y @ y / (2 * float(Fraction(problem.bias)) * float(problem.N) ** 2)
        gap = dual.duality_gap(r, (point.alpha, X, bias), p, found) * unit / float(problem.N)
        assert value_of_factors(problem, point) - gap == pytest.approx(bound, rel=1e-10)


@pytest.mark.parametrize("seed", range(12))
def test_radii_and_ranks_contain_the_optimum(seed: int) -> None:
    problem = random_problem(seed)
    exact = solve_blocks(problem)
    truth, (Z, b) = dual.assess(problem, exact), exact.expand(problem)
    owner = np.empty(problem.K, dtype=int)
    for g, cluster in enumerate(problem.clusters):
        owner[cluster.members] = g
    for noise in (1e-7, 1e-4):
        point = random_point(problem, seed, noise)
        found = dual.assess(problem, point)
        Y, c = point.expand(problem)
        assert (np.abs(Y - Y.mean(axis=0) - Z) <= found.logit_radius[np.ix_(owner, owner)] + 1e-9).all()
        assert (np.abs(c - c.mean() - b) <= found.bias_radius[owner] + 1e-9).all()
        assert found.rank[0] <= truth.rank[1]
        assert truth.rank[0] <= found.rank[1]
        for one, other in zip(found.contrasts, truth.contrasts, strict=True):
            assert one == other or None in (one, other)


@pytest.mark.parametrize(("offset", "state", "rank"), [(-1, "alive", (6, 6)), (1, "dead", (4, 4))])
def test_merging_threshold_is_seen_from_both_sides(offset: int, state: str, rank: tuple[int, int]) -> None:
    problem = Problem.ce([(120, 4), (25, 3)], Fraction(1, 111) * (1 + offset * Fraction(1, 10**4)))
    found = dual.assess(problem, solve_blocks(problem))
    assert (found.contrasts[1], found.rank) == (state, rank)


def test_a_mutant_without_the_loss_weight_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem.ce([(9, 2), (4, 3)], "0.03", weights=[(1, 2), (2, 3)])
    best, point = dual.assess(problem, solve_blocks(problem)), solve_blocks(problem)
    plain = reduce(Problem.ce([(9, 2), (4, 3)], "0.03"))
    monkeypatch.setattr(dual, "reduce", lambda problem: plain)
    found = dual.assess(problem, point)
    assert found.upper < best.lower


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_mutant_with_another_power_of_the_sizes_is_noticed(monkeypatch: pytest.MonkeyPatch, power: float) -> None:
    problem = Problem.ce([(9, 2), (4, 3)], "0.03")
    best, point = dual.assess(problem, solve_blocks(problem)), solve_blocks(problem)
    monkeypatch.setattr(dual.Reduced, "scale", property(lambda r: np.sqrt(np.outer(r.m, r.m)) * r.n[None, :] ** power))
    found = dual.assess(problem, point)
    assert found.lower > best.upper or found.upper < best.lower


def test_a_small_dimension_leaves_only_the_lower_bound() -> None:
    problem = Problem.ce([(9, 2), (4, 3)], "0.03", dim=2)
    found = dual.to_optimum(problem, "exact", solve_blocks(problem))
    assert found.upper is None
    assert found.logits is None
    assert "dimension" in found.reason
    assert abs(float(found.lower.mid()) - 0.994356600214) < 1e-11


def test_unusable_points_are_refused() -> None:
    problem = Problem.ce([(9, 2), (4, 3)], "0.03")
    zero = np.zeros((2, 2))
    with pytest.raises(ValueError, match="not finite"):
        dual.assess(problem, BlockPoint(np.array([np.nan, 0]), zero, np.zeros(2)))
    with pytest.raises(ValueError, match="no bias"):
        dual.assess(problem, BlockPoint(np.zeros(2), zero, np.array([3.0, -2.0])))


def test_a_diverged_point_gives_a_valid_lower_bound():
    """Probabilities that underflow bound no divergence: the optimum is far below this point."""
    problem = Problem.ce([20, (1000, 4)], 1).at("4.4e-7")
    Z = np.full((5, 5), -1800.0)
    np.fill_diagonal(Z, 6500.0)
    Z[:, 0] = [7.3, -1.2, -1.2, -1.2, -1.2]
    best = dual.assess(problem, solve_blocks(problem))
    found = dual.assess(problem, average(problem, Z, np.zeros(5)))
    assert found.upper > 100 * best.upper
    assert found.lower <= best.upper
