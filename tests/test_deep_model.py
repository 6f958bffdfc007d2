"""Cross-entropy behind several layers: printed numbers, the routes against each other, thresholds."""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings

from theory.claim import Family
from theory.deep_observables import at_price
from theory.problem import Problem
from verify.balls import precision
from verify.deep import best_code, best_scale, code_factors, code_value, critical_code, critical_frame, frame_curve
from verify.models.deep import around, problems
from verify.routes import solve
from verify.routes.deep_nonconvex import Layers
from verify.routes.deep_nonconvex import solve as descend
from verify.thresholds import thresholds

ANY = problems(Family(sizes="any", near=("frame",), model="ce-deep", depths=(2, 3, 4), dims="any"))
BALANCED = problems(Family(sizes="balanced", near=("frame",), model="ce-deep", depths=(2, 3, 4)))


def equal(classes, depth, price):
    return Problem.ce([(1, classes)], [price] * depth, price)


@pytest.mark.parametrize(
    ("classes", "depth", "price", "frame", "code", "blocks"),
    [
        (4, 3, "0.02", 0.287047326377, 0.261555249021, (2, 2)),
        (6, 2, "0.01", 0.252238665564, 0.235463430785, (2, 2, 2)),
        (4, 2, "0.03", 0.393438424492, 0.388677100221, (2, 2)),
        (4, 2, "0.005", 0.081648854600, 0.082301916096, (2, 2)),
        (5, 2, "0.02", 0.370110875315, 0.362950121009, (3, 2)),
        (7, 2, "0.01", 0.302583166210, 0.284532794755, (3, 2, 2)),
        (3, 2, "0.18", 1.076459072518, 1.066522557857, (2, 1)),
        (3, 4, "0.12", 1.017591947950, 0.983652512750, (2, 1)),
        (8, 2, "0.003", 0.120145668640, 0.108409486886, (2, 2, 2, 2)),
        (12, 2, "0.001", 0.069269741408, 0.060215639503, (2,) * 6),
        (6, 3, "0.004", 0.109458867422, 0.092491164489, (2, 2, 2)),
        (10, 3, "0.002", 0.103294842830, 0.081808067094, (2,) * 5),
    ],
)
def test_frames_and_codes(classes, depth, price, frame, code, blocks):
    problem = equal(classes, depth, price)
    proved = solve("enclosure", problem)
    assert float(proved.facts["frame_value"]) == pytest.approx(frame, abs=1e-12)
    assert float(proved.facts["frame_value"].rad()) < 1e-40
    assert best_code(blocks, depth, float(price))[0] == pytest.approx(code, abs=2e-12)
    assert float(proved.upper) == pytest.approx(min(frame, code), abs=2e-12)
    assert proved.lower < proved.upper
    assert float(solve("exact", problem).facts["frame_value"]) == pytest.approx(frame, abs=1e-12)


@pytest.mark.parametrize(
    ("classes", "depth", "frame", "proved"),
    [
        (2, 4, 0.17172170, 0.17172170),
        (5, 2, 0.12414656, 0.19707038),
        (6, 3, 0.09157167, 0.20476047),
        (8, 2, 0.08481363, 0.16224263),
        (20, 2, 0.03934909, 0.10499918),
    ],
)
def test_where_frames_lose_and_zero_is_proved(classes, depth, frame, proved):
    found = [float(g) for g in critical_frame(classes, depth, 128)]
    np.testing.assert_allclose(found, [frame, proved], atol=1e-8)
    for price, zero in ((found[1] * 0.999, False), (found[1] * 1.001, True)):
        outcome = solve("enclosure", equal(classes, depth, f"{price:.9f}"))
        assert outcome.facts.get("zero_only", False) is zero
        assert (outcome.zero == tuple(range(classes))) is zero
    alive = [solve("enclosure", p).facts["frame_alive"] for p in around(equal(classes, depth, "1"), ("frame",), EITHER)]
    assert alive == [True, False]


EITHER = (Fraction(-1, 10**6), Fraction(0), Fraction(1, 10**6))


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_codes_outlive_frames(depth):
    for classes in range(3, 9):
        tie, blocks = critical_code(classes, classes - 1, depth)
        frame, proved = critical_frame(classes, depth, 128)
        assert frame < tie < proved
        assert sorted(blocks) == sorted((2,) * (classes // 2) + (1,) * (classes % 2))


def test_collapse_of_two_classes_is_exact():
    (t,) = thresholds(equal(2, 3, "1"), 20)
    assert t.bounds is not None
    lower, upper = (Fraction(bound) for bound in t.bounds)
    assert solve("enclosure", equal(2, 3, str(lower * (1 - Fraction(1, 10**9))))).facts["frame_alive"] is True
    assert solve("enclosure", equal(2, 3, str(upper * (1 + Fraction(1, 10**9))))).facts["zero_only"] is True
    assert thresholds(Problem.ce([2, 1], ["1", "1"], 1), 20)[0].reason


@settings(max_examples=15)
@given(ANY)
def test_descent_stays_above_every_lower_bound(problem):
    found, proved = descend(problem, starts=2), solve("enclosure", problem)
    assert proved.lower is not None, proved.reason
    value = float(found.upper)
    assert value >= float(proved.lower) * (1 - 1e-12)
    assert float(proved.upper) >= float(proved.lower)
    assert found.work["constructed"] <= np.log(problem.K) * (1 + 1e-12) or problem.bias == "none"


@pytest.mark.parametrize("bias", ["none", "free", "1/10"])
def test_two_classes_are_solved(bias):
    problem = Problem.ce([(5, 2)], ["0.1", "0.2"], "0.01", bias=bias)
    proved, found = solve("enclosure", problem), descend(problem, starts=4)
    assert float(found.upper) == pytest.approx(float(proved.lower), rel=1e-12)
    Z = found.point.W @ found.point.H
    np.testing.assert_allclose(Z, proved.logits.astype(float), atol=1e-6)
    singular = np.linalg.svd(Z * np.sqrt(5), compute_uv=False)
    np.testing.assert_allclose(singular, proved.singular_values.astype(float), atol=1e-5)
    dead = solve("enclosure", Problem.ce([(5, 2)], ["1", "1"], 1, bias=bias))
    assert (dead.rank, dead.zero, dead.merged) == ((0, 0), (0, 1), ((0, 1),))


def test_unequal_sizes_are_bounded_by_the_larger_classes():
    problem = Problem.ce([(100, 3), (1, 2)], ["0.02", "0.02"], "0.0005")
    alone = Problem.ce([(100, 3)], ["0.02", "0.02"], "0.0005")
    lower = float(solve("enclosure", problem).lower)
    assert lower > 0.9 * float(solve("enclosure", alone).lower)
    assert lower <= float(descend(problem, starts=3).upper)


@settings(max_examples=6)
@given(ANY)
def test_the_convex_program_is_below(problem):
    relaxed, found = solve("convex", problem), descend(problem, starts=1)
    assert relaxed.upper is None
    if relaxed.lower is not None:
        assert float(relaxed.lower) <= float(found.upper) * (1 + 1e-9)


@settings(max_examples=15)
@given(BALANCED)
def test_the_recipe_agrees_with_the_kernel_about_frames(problem):
    closed, proved = solve("exact", problem), solve("enclosure", problem)
    for name in ("frame_value", "frame_scale", "cross_value", "cross_scale"):
        if name in closed.facts:
            assert proved.facts[name].overlaps(closed.facts[name]), name
    assert not proved.lower > closed.upper
    if problem.K == 2:
        assert float(proved.upper - proved.lower) <= 1e-12 * float(proved.upper)


def test_gradient_of_the_layers():
    problem = Problem.ce([5, 3, 1], ["0.02", "0.03"], "0.01", bias="1/10", widths=[2, 5])
    layers, rng = Layers(problem), np.random.default_rng(0)
    v, u = rng.normal(size=layers.size), rng.normal(size=layers.size)
    value, slope = layers.value(v)
    point = layers.point(v)
    shifted = layers.split(v)[1]
    assert problem.objective(list(point.layers), point.H, shifted) == pytest.approx(value, rel=1e-13)
    h = 1e-5
    difference = (layers.value(v + h * u)[0] - layers.value(v - h * u)[0]) / (2 * h)
    assert difference == pytest.approx(float(slope @ u), rel=1e-8)


def test_factors_of_a_code_have_its_value():
    problem = Problem.ce([(3, 5)], ["0.02", "0.3"], "0.001", widths=[4, 3])
    factors = [np.array(f, dtype=float) for f in code_factors(problem, (3, 2), (arb(5), arb(7)))]
    g = float(problem.product * 3) ** (1 / 3)
    expected = code_value((3, 2), (5.0, 7.0), 2, g)[0]
    assert problem.objective(factors[:-1], factors[-1]) == pytest.approx(expected, rel=1e-13)


def test_the_minimum_of_a_curve_by_brute_force():
    a = np.linspace(1e-6, 20, 200001)
    for classes, depth, g in ((3, 2, 0.1), (7, 5, 0.05), (4, 2, 0.2)):
        q = 2 / (depth + 1)
        values = np.log1p((classes - 1) * np.exp(-a)) + g * (classes - 1) * a**q / q
        with precision(128):
            best = best_scale(frame_curve(classes, depth, arb(g)))
        assert float(best.value) == pytest.approx(min(values.min(), np.log(classes)), abs=1e-8)


def test_random_starts_are_counted():
    work = descend(equal(4, 3, "0.02"), starts=12).work
    assert work["starts"] == len(work["values"]) == 12
    assert 1 <= work["hits"] <= 12
    assert work["rank"] == 2
    assert descend(equal(5, 2, "0.3"), starts=2).work["at_zero"] == 2


def test_a_descent_finds_better_points_than_codes():
    assert float(descend(equal(5, 2, "0.02"), starts=6).upper) == pytest.approx(0.362406567063, abs=1e-11)
    assert float(descend(equal(7, 2, "0.01"), starts=6).upper) == pytest.approx(0.283151727294, abs=1e-11)


@pytest.mark.parametrize("route", ["enclosure", "exact", "nonconvex", "convex"])
def test_extreme_decays_end_in_a_reason_or_a_bound(route):
    for price in (Fraction(1, 10**200), Fraction(10**200)):
        optimum = solve(route, at_price(Problem.ce([(1, 3)], [1, 1], 1), price))
        assert optimum.lower is not None or optimum.upper is not None or optimum.reason
