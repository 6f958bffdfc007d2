"""Model ce-sphere: the kernel's bounds, the routes against each other, what a gap says about inner products."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings

from theory.claim import Family
from theory.problem import Problem
from verify.balls import precision
from verify.kernel.sphere import deficit_bound, harmonics, is_simplex, kernel_bound, read, stability
from verify.routes import certify, solve
from verify.routes.sphere_convex import relax
from verify.routes.sphere_nonconvex import best_point, tangent_slope
from verify.sampling import around, problems
from verify.sphere import (
    codes,
    exact,
    log_c,
    loss,
    n_gon,
    near_optimal,
    normalised,
    simplex_value,
    slacks,
    task_of,
    uniform_bound,
)
from verify.sphere_kernels import extended, hermite, inner_products, promise, truncation
from verify.thresholds import thresholds

WIDE = problems(Family(model="ce-sphere"))
ANY = problems(Family(model="ce-sphere", dims="any"))
BELOW = ANY.filter(lambda problem: problem.dim < problem.K - 1)
ROUTES = ("enclosure", "exact", "nonconvex", "convex")


def value(ball):
    return float(ball.mid())


def units(rng, n, d, families):
    """Random unit vectors, from clustered to spread."""
    X = rng.normal(size=(2, n, d)) + rng.exponential() * rng.normal(size=(1, 1, d))
    X /= np.linalg.norm(X, axis=2, keepdims=True)
    return X[0], X[0] if families == 1 else X[1]


# --- the problem and what is drawn -------------------------------------------------------------------------------


def test_only_one_vector_per_class():
    data = Problem.sphere(5, 2).canonical()
    data["counts"] = [["2", 5]]
    with pytest.raises(ValueError, match="one vector per class"):
        Problem.from_canonical(data)


@settings(max_examples=60)
@given(ANY)
def test_problems_drawn(problem):
    assert 2 <= problem.K <= 12
    assert 1 <= problem.dim <= 2 * problem.K
    assert Fraction(1, 10) <= problem.temperature <= 10
    assert Problem.from_canonical(problem.canonical()) == problem
    assert thresholds(problem) == around(problem, ("merge",), (Fraction(0),)) == []


def test_wide_and_one_family_are_respected():
    family = Family(model="ce-sphere", families=(1,))

    @settings(max_examples=30)
    @given(problems(family))
    def check(problem):
        assert problem.dim >= problem.K - 1
        assert problem.families == 1

    check()


# --- d >= n - 1 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("families", [1, 2])
@pytest.mark.parametrize("route", ROUTES)
def test_worked_example(route, families):
    optimum = solve(route, Problem.sphere(6, 5, 2, families=families))
    assert value(optimum.upper) == pytest.approx(2.244217187588, abs=1e-12)
    assert value(optimum.lower) == pytest.approx(2.244217187588, abs=1e-12 if route != "convex" else 1e-6)
    for gram in (optimum.logits, optimum.gram_features, optimum.gram_classifier):
        np.testing.assert_allclose(np.vectorize(value)(gram), 1.2 * np.eye(6) - 0.2, atol=1e-6)


@settings(max_examples=25)
@given(WIDE)
def test_the_closed_form_lies_in_every_ball_of_the_certificate(problem):
    with precision(320):
        closed, proved = solve("exact", problem), solve("enclosure", problem)
        assert closed.upper.overlaps(proved.lower.union(proved.upper))
        assert float((proved.upper - proved.lower) / proved.upper) < 1e-60
        for name in ("logits", "gram_features", "gram_classifier"):
            pairs = zip(getattr(closed, name).ravel(), getattr(proved, name).ravel(), strict=True)
            assert all(a.overlaps(b) and float(b.rad()) < 1e-30 for a, b in pairs), name
        assert proved.rank[0] == problem.K - 1
        assert proved.merged == proved.zero == ()
        spectrum = zip(closed.singular_values, proved.singular_values, strict=True)
        assert all(a.overlaps(b) and float(b.rad()) < 1e-30 for a, b in spectrum)


@settings(max_examples=12)
@given(WIDE)
def test_descent_ends_at_the_simplex_from_every_start(problem):
    proved, found = solve("enclosure", problem), solve("nonconvex", problem)
    if problem.dim == 1:
        assert "no direction" in found.reason
        return
    assert found.work["hits"] == found.work["starts"]
    assert problem.objective(found.point.W, found.point.H) == pytest.approx(value(found.upper), rel=1e-10)
    assert not found.upper < proved.lower
    for name in ("logits", "gram_features", "gram_classifier"):
        pairs = zip(getattr(found, name).ravel(), getattr(proved, name).ravel(), strict=True)
        assert all(a.overlaps(b) for a, b in pairs), name


@pytest.mark.parametrize("families", [1, 2])
@pytest.mark.parametrize(("n", "d", "a"), [(2, 1, 1), (3, 2, 4), (5, 4, 8), (8, 9, "1/2"), (4, 3, "1/10")])
def test_any_point_obeys_what_its_gap_says(n, d, a, families):
    """The three slacks are not negative, and inner products lie within ``stability`` of those of the simplex."""
    problem = Problem.sphere(n, d, a, families=families)
    rng = np.random.default_rng(n + families)
    simplex = codes(problem)["simplex"].astype(float)
    simplex = np.pad(simplex, ((0, 0), (0, d - n + 1)))
    for k in range(120):
        U, V = units(rng, n, d, families)
        if k > 20:
            eps = 10 ** -rng.uniform(0, 5)
            U, V = simplex + eps * U, simplex + eps * V
        with precision(200):
            U, V = normalised(U), normalised(V)
            Z = U @ V.T
            parts = slacks(Z, exact(problem.temperature))
            assert all(part > -(arb(2) ** -180) for part in parts)
            gap = sum(parts, arb(0)).upper()
            delta, E = stability(task_of(problem), gap)
            mean_u, mean_v = (X.sum(axis=0) / n for X in (U, V))
            off = [Z[i, j] + arb(1) / (n - 1) for i in range(n) for j in range(n) if i != j]
            assert all(abs(x) <= E for x in off)
            assert 1 - Z.diagonal().sum() / n <= 2 * delta
            assert max(mean_u @ mean_u, mean_v @ mean_v, key=float) <= 2 * delta
            if is_simplex(task_of(problem), gap):
                assert np.linalg.matrix_rank(Z.astype(float), tol=1e-9) >= n - 1


def test_the_radius_shrinks_like_the_square_root_of_the_gap():
    problem = Problem.sphere(5, 4, 3)
    with precision(200):
        wide, narrow = (stability(task_of(problem), arb(10) ** -e)[1] for e in (20, 40))
    assert float(wide / narrow) == pytest.approx(1e10, rel=1e-6)


def test_a_float_point_gives_balls_that_hold_the_truth():
    problem = Problem.sphere(5, 6, 2)
    V = normalised(np.pad(codes(problem)["simplex"].astype(float), ((0, 0), (0, 2))) + 1e-7)
    found = near_optimal(problem, loss(V @ V.T, arb(2)), V, V)
    assert all(x.contains(-arb(1) / 4) for x in found["logits"][~np.eye(5, dtype=bool)])
    assert 1e-9 < float(found["logits"][0, 1].rad()) < 1e-3


# --- d < n - 1 ---------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(BELOW)
def test_bounds_below(problem):
    proved = solve("enclosure", problem)
    with precision(200):
        star = simplex_value(problem)
        assert proved.lower > star, "no point attains L* below d = n - 1"
        assert not proved.lower > proved.upper
        assert proved.logits is None
        if problem.families == 1 and problem.dim > 1:
            assert proved.lower > uniform_bound(problem) * (1 - arb(10) ** -30) - arb(10) ** -30


@settings(max_examples=8)
@given(BELOW.filter(lambda problem: problem.dim > 1 and problem.K <= 7))
def test_no_search_gets_below_the_kernels_bound(problem):
    proved, found, second = (solve(route, problem) for route in ("enclosure", "nonconvex", "convex"))
    for other in (found, second):
        assert other.upper > proved.lower
        assert other.upper > other.lower if other.lower is not None else True
    assert float((proved.upper - found.upper) / found.upper) < 1e-6
    assert value(second.upper) == pytest.approx(value(found.upper), rel=1e-6)


def test_random_points_obey_the_bound_of_the_kernel():
    rng = np.random.default_rng(0)
    for n, d, a in [(7, 2, 3), (9, 3, 1), (12, 4, 6), (40, 3, 2)]:
        bound = value(solve("enclosure", Problem.sphere(n, d, a, families=1)).lower)
        for _ in range(50):
            U, _ = units(rng, n, d, 1)
            assert loss(U @ U.T, float(a)) > bound


@pytest.mark.parametrize(
    ("n", "d", "a", "name"),
    [
        (4, 2, "11/10", "n-gon"),
        (5, 2, "13/10", "n-gon"),
        (6, 2, "17/10", "n-gon"),
        (7, 2, "19/10", "n-gon"),
        (8, 2, "23/10", "n-gon"),
        (6, 3, "11/10", "orthoplex"),
        (8, 4, "11/10", "orthoplex"),
        (12, 3, "3/2", "icosahedron"),
    ],
)
def test_sharp_codes_are_certified_optimal(n, d, a, name):
    problem = Problem.sphere(n, d, a, families=1)
    proved = solve("enclosure", problem)
    assert float((proved.upper - proved.lower) / proved.upper) < 1e-25
    assert solve("exact", problem).work["configuration"] == name
    assert solve("exact", problem).lower.overlaps(proved.lower.union(proved.upper))
    nodes = inner_products(codes(problem)[name])
    assert promise(problem, hermite(problem, nodes)) > -np.inf
    hotter = replace(problem, temperature=problem.temperature + Fraction(1, 10))
    assert promise(hotter, hermite(hotter, nodes)) == -np.inf, "the interpolant has no nonnegative square root"


@pytest.mark.parametrize(("n", "d", "a"), [(4, 2, 5), (5, 2, 5), (6, 2, 3), (6, 3, "5/2"), (8, 4, "5/2")])
def test_more_harmonics_prove_codes_optimal_at_higher_temperature(n, d, a):
    problem = Problem.sphere(n, d, a, families=1)
    proved = solve("enclosure", problem)
    assert float((proved.upper - proved.lower) / proved.upper) < 1e-25
    with precision(400):
        V = next(iter(codes(problem).values()))
        assert promise(problem, hermite(problem, inner_products(V))) == -np.inf
        assert min(float(m) for m in extended(problem, V)[0]) < 0


def test_beyond_what_is_found_the_uniform_bound_remains():
    hot = solve("enclosure", Problem.sphere(6, 3, 5, families=1))
    assert 1e-6 < float((hot.upper - hot.lower) / hot.upper) < 1


@pytest.mark.parametrize(
    ("n", "a", "width"), [(5, 1, 1e-24), (12, 2, 1e-24), (24, 2, 1e-24), (40, 4, 1e-36), (7, 3, 4e-3)]
)
def test_regular_polygons(n, a, width):
    problem = Problem.sphere(n, 2, a, families=1)
    proved = solve("enclosure", problem)
    assert 0 <= float((proved.upper - proved.lower) / proved.upper) < width
    if n == 7:
        assert value(proved.upper) == pytest.approx(3.731340433261, abs=1e-12)
        assert value(proved.lower) == pytest.approx(3.718524396081, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "a", "one", "two"),
    [
        (7, 1, 7.781403988285, 7.781403561203),
        (9, "3/2", 9.465373766856, 9.465372038313),
        (10, 2, 9.048870093358, 9.048862991578),
    ],
)
def test_two_families_may_beat_one(n, a, one, two):
    single, pair = (Problem.sphere(n, 3, a, families=families) for families in (1, 2))
    assert value(solve("nonconvex", single).upper) == pytest.approx(one, abs=1e-11)
    assert value(solve("nonconvex", pair).upper) == pytest.approx(two, abs=1e-8)
    U, V, _ = best_point(single, 0, 12)
    assert np.array_equal(U, V)
    assert tangent_slope(pair, U, V) > 1e-4


def test_values_of_small_configurations():
    basis = loss(np.eye(4), 0.5)
    assert basis == pytest.approx(4.146368744931, abs=1e-12)
    assert value(solve("exact", Problem.sphere(4, 4, "1/2")).upper) == pytest.approx(3.729052142486, abs=1e-12)
    a = 1.0
    pyramid = 2 * math.log(math.e + 1 / math.e + 3) + 3 * math.log(math.e + 2 * math.exp(-0.5) + 2) - 5 * a
    assert value(solve("exact", Problem.sphere(5, 3)).upper) == pytest.approx(pyramid, abs=1e-13)
    assert value(solve("nonconvex", Problem.sphere(5, 3, families=1)).upper) == pytest.approx(pyramid, abs=1e-12)
    hot = Problem.sphere(5, 3, 8, families=1)
    assert float(solve("exact", hot).upper - solve("enclosure", hot).upper) == pytest.approx(4.7e-5, rel=0.02)


@pytest.mark.parametrize("families", [1, 2])
@pytest.mark.parametrize(("n", "a"), [(3, 1), (4, "1/3"), (5, 2)])
def test_on_a_line_every_sign_is_tried(n, a, families):
    problem = Problem.sphere(n, 1, a, families=families)
    signs = [np.array(s) for s in itertools.product([1.0, -1.0], repeat=n)]
    pairs = [(s, s) for s in signs] if families == 1 else list(itertools.product(signs, signs))
    least = min(loss(np.outer(u, v), float(problem.temperature)) for u, v in pairs)
    for route in ("enclosure", "exact"):
        optimum = solve(route, problem)
        assert value(optimum.lower) == pytest.approx(least, abs=1e-12)
        assert value(optimum.upper) == pytest.approx(least, abs=1e-12)
    for route in ("nonconvex", "convex"):
        assert "no direction" in solve(route, problem).reason


# --- parts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 3, 5])
def test_harmonics_expand_the_exponential(dim):
    """exp(a t) = c_d sum_k r_k N_k C_k(t), and C_k are orthogonal with mean square 1/N_k."""
    with precision(200):
        order = arb(dim) / 2 - 1
        a, total = arb(2), arb(0)
        for k, (N, C) in enumerate(harmonics(dim, 40)):
            total += log_c(dim, a).exp() * a.bessel_i(order + k) / a.bessel_i(order) * N * C(arb(1) / 3)
        assert abs(total - (a / 3).exp()) < arb(10) ** -40
    t, weight = np.polynomial.legendre.leggauss(400)
    density = (1 - t**2) ** ((dim - 3) / 2) * weight
    for N, C in harmonics(dim, 4):
        square = np.array([float(C(arb(x))) ** 2 for x in t]) @ density / density.sum()
        assert square == pytest.approx(1 / N, rel=1e-2 if dim == 2 else 1e-9)


def test_the_relaxation_does_not_depend_on_the_dimension():
    for families in (1, 2):
        found = [relax(Problem.sphere(5, d, 2, families=families))[0] for d in (2, 3, 4)]
        star = 5 * math.log1p(4 * math.exp(-2.5))
        assert all(lower <= star <= upper < lower + 1e-5 for lower, upper in found)


def test_truncations_give_the_uniform_bound_in_any_dimension():
    for n, d, a in [(9, 2, 1), (9, 3, 10), (9, 6, "1/10"), (12, 5, 7)]:
        problem = Problem.sphere(n, d, a, families=1)
        data, _ = certify(problem)
        task = read(data)
        if len(task.arrays["kernel"][1][0]) > 20:
            with precision(512):
                bound = kernel_bound(task)
                assert abs(bound - uniform_bound(problem)) < arb(10) ** -40
        assert len(truncation(problem, 200)) > 20


def test_some_deficit_is_proved_for_every_temperature():
    for n, d, a in [(3, 1, 1), (12, 10, 10), (6, 2, "1/10")]:
        with precision(256):
            assert deficit_bound(task_of(Problem.sphere(n, d, a))) > 0


def test_limits_of_the_routes():
    large = Problem.sphere(300)
    assert solve("exact", large).upper is not None
    assert "256" in solve("enclosure", large).reason
    assert solve("nonconvex", large).reason
    assert solve("convex", large).reason
    assert solve("exact", Problem.sphere(7, 3)).reason
    assert solve("enclosure", Problem.sphere(40, 39, 5)).rank == (39, 39)


def test_polygons_are_regular():
    Z = (n_gon(7) @ n_gon(7).T).astype(float)
    np.testing.assert_allclose(Z[0], np.cos(2 * np.pi * np.arange(7) / 7), atol=1e-15)
