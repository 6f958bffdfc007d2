"""Model mse: worked examples, the routes against each other, thresholds, ties, minimisers that are not unique."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
import sympy as sp
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.models.mse import around, at_product, at_threshold, problems
from verify.mse import critical, largest_root, minimise, modes, separable, side, state
from verify.mse_minimiser import construct, penalised
from verify.routes import solve
from verify.routes.mse_convex import assess
from verify.routes.mse_nonconvex import Landscape, growth
from verify.routes.mse_nonconvex import solve as descend
from verify.thresholds import thresholds

DEPTHS = (1, 2, 3, 4, 5, 6)
ANY = problems(Family(near=("zero",), model="mse", depths=DEPTHS, dims="any"))
SPLIT = problems(Family(near=("zero",), bias=("none", "free"), model="mse", depths=DEPTHS, dims="any"))
EQUAL = problems(Family(sizes="balanced", bias=("penalised",), near=("zero",), model="mse", depths=(1, 2, 3)))
ONE_LAYER = problems(Family(near=("zero",), model="mse"))
PARTS = ("logits", "gram_features", "gram_classifier", "singular_values", "bias")
LISTS = ("factor_squares", "factor_values", "top_gram", "trace", "data", "mode_values", "modes")

FIRST = Problem.mse([9, 6, 4], ["0.049"] * 3, "0.049")
SECOND = Problem.mse([(9, 2), (3, 3)], ["0.0345"] * 2, "0.0345", bias="free")


def floats(balls) -> np.ndarray:
    return np.vectorize(lambda x: float(x.mid()))(np.array(balls, dtype=object))


def overlap(one, two) -> bool:
    """Whether two arrays of balls have common points everywhere."""
    pairs = zip(np.array(one, dtype=object).ravel(), np.array(two, dtype=object).ravel(), strict=True)
    return all(a.overlaps(b) for a, b in pairs)


def widest(balls) -> float:
    return max(float(x.rad()) / max(1.0, abs(float(x))) for x in np.array(balls, dtype=object).ravel())


# --- worked examples ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["exact", "enclosure", "nonconvex"])
def test_three_classes_at_depth_three(route):
    optimum = solve(route, FIRST)
    assert float(optimum.upper) == pytest.approx(0.409074917004, abs=1e-12)
    np.testing.assert_allclose(floats(optimum.logits.diagonal()), [0.799634978530, 0.712246112611, 0], atol=1e-7)
    np.testing.assert_allclose(floats(optimum.gram_features.diagonal()), [0.172093318627, 0.220141340152, 0], atol=1e-7)
    squares = 0.049 * floats(optimum.facts["factor_squares"])
    np.testing.assert_allclose(squares, [0.140614707519] * 4, atol=1e-7)
    assert optimum.contrasts == ("alive", "alive", "dead")


@pytest.mark.parametrize("route", ["exact", "enclosure", "nonconvex"])
def test_a_free_bias_merges_the_minority_away_from_zero(route):
    optimum = solve(route, SECOND)
    assert float(optimum.upper) == pytest.approx(0.288062224361, abs=1e-12)
    lengths = np.sqrt(floats(optimum.gram_features.diagonal()))
    np.testing.assert_allclose(lengths, [0.346187] * 2 + [0.304775] * 3, atol=1e-6)
    minority = floats(optimum.gram_features)[2:, 2:]
    np.testing.assert_allclose(minority, minority[0, 0], atol=1e-7)
    np.testing.assert_allclose(floats(optimum.bias), np.array([9, 9, 3, 3, 3]) / 27, atol=1e-12)
    if route != "nonconvex":
        np.testing.assert_allclose(floats(optimum.facts["modes"]), [9, 5, 3, 3, 0], atol=1e-15)
        np.testing.assert_allclose(
            floats(optimum.facts["mode_values"])[:2], [0.764557736795, 0.627992846967], atol=1e-12
        )
        assert optimum.merged == ((2, 3, 4),)
        assert optimum.zero == ()
    without = solve(route, Problem.mse([(9, 2), (3, 3)], ["0.0345"] * 2))
    assert float(without.upper) == pytest.approx(0.365153557003, abs=1e-12)
    assert without.contrasts == ("alive", "dead")


@pytest.mark.parametrize(
    ("counts", "lam", "depth", "value"),
    [
        ([8, 5], "0.096", 2, 0.4460674440488),
        ([9, 5], "0.07", 3, 0.408271903266),
        ([7, 4], "0.07", 3, 0.398225056594),
    ],
)
def test_the_largest_root_is_no_minimum_in_the_window(counts, lam, depth, value):
    optimum = solve("enclosure", Problem.mse(counts, [lam] * depth))
    assert float(optimum.upper) == pytest.approx(value, abs=1e-12)
    assert optimum.contrasts == ("alive", "dead")


def test_a_bottleneck_keeps_the_largest_classes():
    for route in ("exact", "enclosure", "nonconvex"):
        optimum = solve(route, Problem.mse([5, 4, 3], ["0.01"] * 3, widths=[2, 5, 4]))
        assert optimum.contrasts == ("alive", "alive", "dead")
        assert optimum.rank == (2, 2)
    assert float(solve("convex", Problem.mse([9, 6, 4], "0.05", dim=2)).lower) < float(
        solve("exact", Problem.mse([9, 6, 4], "0.05", dim=2)).lower
    )


# --- routes ------------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.one_of(SPLIT, EQUAL))
def test_the_formulas_lie_in_every_ball_of_the_certificate(problem):
    closed, proved = solve("exact", problem), solve("enclosure", problem)
    with precision(400):
        if closed.lower is None:
            return
        assert closed.lower.overlaps(proved.lower.union(proved.upper))
        assert proved.upper - proved.lower < proved.upper * arb(10) ** -35
        assert proved.facts["mode_states"] == closed.facts["mode_states"]
        for name in ("contrasts", "rank", "merged", "zero"):
            assert getattr(closed, name) == getattr(proved, name), name
        for name in PARTS:
            one, two = getattr(closed, name), getattr(proved, name)
            assert (one is None) == (two is None), name
            assert one is None or (overlap(one, two) and widest(two) < 1e-20), name
        for name in LISTS:
            one, two = closed.facts.get(name), proved.facts.get(name)
            assert (one is None) == (two is None), name
            assert one is None or (overlap(one, two) and widest(two) < 1e-20), name


@settings(max_examples=30)
@given(ANY)
def test_descent_never_goes_below_the_certificate_and_reaches_it_from_the_constructed_start(problem):
    proved, found = solve("enclosure", problem), descend(problem, starts=2)
    value = problem.objective(found.point.layers, found.point.H, found.point.b)
    assert value == pytest.approx(float(found.upper), rel=1e-12)
    assert value >= float(proved.lower) * (1 - 1e-12)
    assert found.work["constructed"] <= float(proved.upper) * (1 + 1e-11)
    assert all(one in (None, two) for one, two in zip(found.contrasts, proved.contrasts, strict=False))
    if proved.rank[1] < 10**9:
        assert found.rank[0] <= proved.rank[0] <= proved.rank[1] <= found.rank[1]
    for name in PARTS:
        one, two = getattr(found, name), getattr(proved, name)
        assert one is None or two is None or overlap(one, two), name
    for name in ("factor_squares", "factor_values", "top_gram", "trace"):
        one, two = found.facts.get(name), proved.facts.get(name)
        assert one is None or two is None or overlap(one, two), name


@settings(max_examples=20, deadline=None)
@given(ONE_LAYER)
def test_the_convex_program_agrees_at_one_layer(problem):
    proved, found = solve("enclosure", problem), solve("convex", problem)
    if found.lower is None:
        assert found.reason
        return
    assert float(found.lower) <= float(proved.upper) * (1 + 1e-12)
    if found.upper is not None:
        assert float(found.upper.upper()) >= float(proved.lower) * (1 - 1e-12)
        assert float(found.upper - found.lower) <= 1e-6 * float(found.upper)
    for name in PARTS:
        one, two = getattr(found, name), getattr(proved, name)
        assert one is None or two is None or overlap(one, two), name


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("counts", [[5, 4], [(9, 2), 4, 1], [40, (3, 2)]])
def test_a_penalised_bias_on_unequal_classes(counts, depth):
    problem = Problem.mse(counts, ["1/300"] * depth, bias="2")
    proved = solve("enclosure", problem)
    assert proved.upper - proved.lower < 1e-40
    for route in ("exact", "nonconvex"):
        assert float(solve(route, problem).upper) == pytest.approx(float(proved.upper), rel=1e-11)
    value, b, layers, H = penalised(problem)
    assert problem.objective(layers, H, b) == pytest.approx(value, rel=1e-12)
    assert widest(proved.bias) < 1e-18
    assert (proved.zero, proved.merged) == ((), ())
    np.testing.assert_allclose(floats(proved.bias), b, atol=1e-7)
    np.testing.assert_allclose(floats(proved.logits), reduce(np.matmul, [*layers, H]), atol=1e-6)
    if depth == 1:
        assert overlap(solve("exact", problem).logits, proved.logits)
        assert widest(proved.logits) < 1e-18
        assert overlap(solve("nonconvex", problem).gram_features, proved.gram_features)


def test_equal_classes_with_a_penalised_bias_lie_between_free_and_none():
    values = []
    for bias in ("free", "1/100", "1/4", "4", "1000", "none"):
        values.append(float(solve("enclosure", Problem.mse([(4, 3)], ["0.05", "0.03"], bias=bias)).upper))
    assert values == sorted(values)
    dead = solve("exact", Problem.mse([(4, 3)], ["0.05", "0.03"], bias="1/100"))
    assert dead.rank == (2, 2)
    assert float(dead.bias[0]) == pytest.approx(1 / (3 * 1.01), abs=1e-15)


def test_a_million_classes_cost_as_much_as_two():
    problem = Problem.mse([(100, 10**6), (3, 10**6)], ["1/1000000"] * 2, "1/1000000", bias="free")
    proved, closed = solve("enclosure", problem), solve("exact", problem)
    assert proved.lower.overlaps(closed.lower)
    assert proved.logits is None


def test_random_starts_end_on_levels_of_subsets_of_classes():
    work = descend(FIRST, starts=30).work
    assert 0 < work["hits"] < 25
    ends = np.unique(np.round(work["values"], 9))
    sizes, N, p = np.array([9, 6, 4]), 19, np.array([0.799634978530, 0.712246112611, 0.560236820])
    cost = sizes * (1 - p) * (1 + 3 * p) / (2 * N)
    levels = [sum(cost[i] if i in alive else sizes[i] / (2 * N) for i in range(3)) for alive in subsets(3)]
    assert all(np.abs(np.array(levels) - end).min() < 1e-8 for end in ends)


def subsets(n):
    return [[i for i in range(n) if mask >> i & 1] for mask in range(2**n)]


def test_gradients():
    rng = np.random.default_rng(0)
    for problem in (FIRST, SECOND, Problem.mse([4, (2, 2)], ["0.1", "0.3"], "0.2", bias="1/3", widths=[2, 5])):
        landscape = Landscape(problem)
        v, u = rng.normal(size=(2, landscape.size))
        slope = landscape.value(v)[1] @ u
        ends = [landscape.value(v + h * u)[0] for h in (1e-5, -1e-5)]
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope, rel=1e-6)


@settings(max_examples=40)
@given(SPLIT, st.integers(0, 2**32 - 1))
def test_growth_holds_at_random_logits(problem, seed):
    """The constant of the lower bound by |X - X*|^2, tried on balanced factors of random matrices."""
    found = [minimise(problem, mode) for mode in modes(problem)]
    c = growth(problem, found)
    closed = solve("exact", problem)
    if c == 0 or closed.logits is None:
        return
    rng = np.random.default_rng(seed)
    roots = np.sqrt([float(n) for n in problem.sizes])
    best = floats(closed.logits) * roots
    for scale in (1e-2, 0.3, 1.0, 3.0):
        X = best * rng.choice([0, 0.5, 1]) + scale * rng.normal(size=best.shape) * roots.min()
        if problem.bias == "free":
            X -= np.outer(X @ roots, roots) / float(problem.N)
        left, sigma, right = np.linalg.svd(X)
        sigma[problem.dim :] = 0
        X = (left * sigma) @ right
        b = floats(closed.bias)
        L = problem.depth + 1
        value = ((X + np.outer(b, roots) - np.diag(roots)) ** 2).sum() / (2 * float(problem.N))
        value += L / 2 * float(problem.product) ** (1 / L) * (sigma ** (2 / L)).sum()
        assert value - float(closed.upper) >= c / 2 * ((X - best) ** 2).sum() - 1e-12 * value


def test_a_dual_point_of_the_convex_program_never_exceeds_the_optimum():
    rng = np.random.default_rng(0)
    for bias in ("none", "free", "1/2"):
        problem = Problem.mse([5, 3, 2], "0.06", bias=bias)
        value = float(solve("enclosure", problem).upper)
        for _ in range(30):
            b = rng.normal(size=3) * (bias != "none")
            found = assess(problem, rng.normal(size=(3, 3)), b)
            assert float(found["lower"]) <= value * (1 + 1e-12) <= float(found["upper"]) * (1 + 2e-12)


# --- minimisers that are not unique --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "ranks"),
    [
        (Problem.mse([5, 4, 4], "0.01", dim=2), {2}),
        (Problem.mse([(4, 3)], ["0.01"] * 2, dim=1), {1}),
        (Problem.mse([(4, 4)], ["0.01"] * 2, dim=2, bias="free"), {2}),
        (Problem.mse([(4, 3)], ["1/12", "1/12"]), {0, 1, 2, 3}),
        (Problem.mse([6, 2], ["1/9"] * 3, "1/128"), {1, 2}),
        (Problem.mse([(4, 3)], ["1/12", "1/9"], "1/54", bias=2), {2, 3}),
    ],
)
def test_several_minimisers(problem, ranks):
    for route in ("exact", "enclosure"):
        optimum = solve(route, problem)
        assert optimum.facts["unique"] is False
        assert optimum.logits is None
        found = optimum.facts["alternatives"]
        assert {other["rank"] for other in found} == ranks
        with precision(320):
            assert all(other["value"].overlaps(optimum.lower.union(optimum.upper)) for other in found)
    assert at_threshold(problem)
    descent = solve("nonconvex", problem)
    assert float(descent.upper) == pytest.approx(float(solve("exact", problem).upper), rel=1e-12)


def test_every_seed_finds_another_projector_of_the_same_rank():
    problem = Problem.mse([(4, 3)], ["0.01"] * 2, dim=2)
    p = float(solve("exact", problem).facts["mode_values"][0])
    points = [floats(descend(problem, seed=seed, starts=4).facts["point_logits"]) / p for seed in (0, 1)]
    for point in points:
        np.testing.assert_allclose(point @ point, point, atol=1e-7)
        assert np.trace(point) == pytest.approx(2, abs=1e-7)
    assert np.abs(points[0] - points[1]).max() > 1e-3


# --- thresholds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("bias", ["none", "free", "1/2"])
def test_modes_die_at_their_thresholds(depth, bias):
    problem = Problem.mse([(9, 2)] if bias == "1/2" else [9, (4, 2), 1], [1] * depth, bias=bias)
    base = modes(problem)
    for offset in (Fraction(1, 10**6), Fraction(1, 1000), Fraction(1, 10)):
        for index, (below, above) in enumerate(
            zip(*(around(problem, ("zero",), [s * offset]) for s in (-1, 1)), strict=True)
        ):
            for closer, expected in ((below, "alive"), (above, "dead")):
                assert state(closer, modes(closer)[index]) == expected
                proved = solve("enclosure", closer).facts["mode_states"]
                assert proved[sum(mode.copies for mode in base[:index])] == expected


@pytest.mark.parametrize("depth", DEPTHS)
def test_exactly_at_a_threshold(depth):
    problem = Problem.mse([9, (4, 2), 1], [1] * depth)
    for index, tied in enumerate(around(problem, ("zero",), [Fraction(0)])):
        mode = modes(tied)[index]
        assert at_threshold(tied)
        assert side(tied, mode) == 0
        expected = "dead" if depth == 1 else "tie"
        for route in ("exact", "enclosure"):
            states = solve(route, tied).facts["mode_states"]
            assert states[sum(m.copies for m in modes(problem)[:index])] == expected
        assert not at_threshold(at_product(tied, tied.product * Fraction(10**40 + 1, 10**40)))


def test_irrational_modes():
    """Sizes 3, 2, 1: 3 mu^2 - 11 mu + 9 = 0. With M = 1 the critical product is irrational: no problem lies on it."""
    problem = Problem.mse([3, 2, 1], [1], bias="free")
    groups = [mode for mode in modes(problem) if mode.kind == "group"]
    for mode, root in zip(groups, sorted(np.roots([3, -11, 9]))[::-1], strict=True):
        assert float(mode.ball) == pytest.approx(root, rel=1e-12)
        low, high = critical(problem, mode)
        assert low < high
        assert side(at_product(problem, (low + high) / 2), mode) is None


def test_thresholds_are_common_decays():
    problem = Problem.mse([9, (4, 2), 1], [1, 1], bias="none")
    found = thresholds(problem, 25)
    assert [t.name for t in found] == ["class_zero"] * 3
    assert [t.count for t in found] == [1, 4, 9]
    with precision(200):
        for t in found:
            value = sp.N(sp.sympify(t.closed_form), 40)
            assert abs(t.value - arb(str(value))) < 1e-30
            lam = Fraction(str(t.bounds[0]))
            at = Problem.mse([9, (4, 2), 1], [str(lam * Fraction(999, 1000))] * 2)
            assert solve("enclosure", at).contrasts[[9, 4, 1].index(t.count)] == "alive"
    assert [t.name for t in thresholds(Problem.mse([9, (4, 2), 1], 1, bias="free"), 10)] == ["mode_zero"] * 3
    assert thresholds(Problem.mse([9, 4], 1, bias="1/2"), 10)[0].verdict == "undecided"
    narrow = thresholds(Problem.mse([9, 4], 1, dim=1), 10)
    assert [t.enclosure is None for t in narrow] == [True, False]
    assert narrow[0].reason


@settings(max_examples=60)
@given(ANY)
def test_drawn_problems(problem):
    assert 2 <= problem.K <= 8
    assert max(problem.sizes) / min(problem.sizes) <= 2 * 10**4
    assert Problem.from_canonical(problem.canonical()) == problem
    assert all(Fraction(1, 10**12) < decay / problem.lambda_w < 10**12 for decay in problem.layers)


@settings(max_examples=40)
@given(SPLIT)
def test_the_constructed_point_has_the_value_of_the_formula(problem):
    if not separable(problem):
        return
    with precision(128):
        found = [minimise(problem, mode) for mode in modes(problem)]
        b = np.array([float(n / problem.N) if problem.bias == "free" else 0.0 for n in problem.sizes])
        layers, H = construct(problem, found, b)
    value = problem.objective(layers, H, b if problem.bias != "none" else None)
    assert value == pytest.approx(float(solve("exact", problem).upper), rel=1e-11)


def test_the_largest_root_solves_its_equation():
    with precision(300):
        for M in DEPTHS:
            for p in (Fraction(M - 1, M) + Fraction(1, 10**9), Fraction(99, 100), 1 - Fraction(1, 10**50)):
                q = ball(p ** (M - 1) * (1 - p) ** (M + 1))
                assert largest_root(M, q).contains(ball(p).mid()) or abs(largest_root(M, q) - ball(p)) < 1e-70


def test_many_sizes_with_a_penalised_bias_are_certified_from_floats():
    proved = solve("enclosure", Problem.mse(list(range(24, 12, -1)), ["1/10000"] * 2, bias="1/2"))
    assert proved.upper - proved.lower < 1e-11
    assert widest(proved.bias) < 1e-3
