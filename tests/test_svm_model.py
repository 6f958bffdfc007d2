"""Max-margin model: worked numbers, the routes against each other, few dimensions, many classes, the threshold."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from theory.thrampoulidis_2022_seli.settings import FOUR, STEEP, STEP, TIE
from verify.balls import precision
from verify.models import of, svm
from verify.routes import SOLVERS, certify, solve
from verify.sampling import problems
from verify.svm import near_optimal, orthogonality_ratio, roots
from verify.thresholds import thresholds

DRAWN = problems(Family(model="uf-svm", near=("orthogonal",)))
SMALL = DRAWN.filter(lambda problem: problem.K <= 5)
PARTS = ("logits", "gram_classifier", "gram_features")

CLASSIFIER = [
    [1.67490482659, -0.625167448670, -0.562850274575, -0.486887103344],
    [-0.625167448670, 1.28053278631, -0.375898752288, -0.279466585355],
    [-0.562850274575, -0.375898752288, 1.12178344528, -0.183034418421],
    [-0.486887103344, -0.279466585355, -0.183034418421, 0.949388107120],
]
FEATURES = [
    [0.337280019911, -0.0921307185973, -0.107037490848, -0.138111810466],
    [-0.0921307185973, 0.450971974466, -0.151757807601, -0.207083448268],
    [-0.107037490848, -0.151757807601, 0.521204387385, -0.262409088936],
    [-0.138111810466, -0.207083448268, -0.262409088936, 0.607604347670],
]


def mid(array):
    return np.vectorize(lambda x: float(x.mid()))(array)


@pytest.mark.parametrize("route", SOLVERS)
def test_worked_example(route):
    optimum = solve(route, FOUR)
    assert float(optimum.upper.mid()) == pytest.approx(5.02660916531, abs=1e-6 if route == "convex" else 1e-11)
    tolerance = 1e-6 if route == "convex" else 1e-8 if route == "nonconvex" else 1e-11
    np.testing.assert_allclose(mid(optimum.gram_classifier), CLASSIFIER, atol=tolerance)
    np.testing.assert_allclose(mid(optimum.gram_features), FEATURES, atol=tolerance)
    np.testing.assert_allclose(mid(optimum.logits), np.eye(4) - 1 / 4, atol=1e-5)
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(mid(optimum.facts["multipliers"])[off], -np.array(FEATURES)[off], atol=1e-6)


@pytest.mark.parametrize("problem", [FOUR, STEP, Problem.svm([3, 3]), Problem.svm([(50, 2), 7, ("1/2", 3)])])
def test_singular_values(problem):
    sizes = np.array([float(size) for size in problem.sizes])
    wanted = np.linalg.svd((np.eye(problem.K) - 1 / problem.K) * np.sqrt(sizes), compute_uv=False)
    for route, tolerance in (("exact", 1e-12), ("enclosure", 1e-12), ("nonconvex", 1e-4), ("convex", 1e-3)):
        optimum = solve(route, problem)
        np.testing.assert_allclose(mid(optimum.singular_values), wanted, atol=tolerance)
        assert optimum.merged == optimum.zero == ()
        pairs = zip(optimum.singular_values, solve("exact", problem).singular_values, strict=True)
        assert all(a.overlaps(b) for a, b in pairs)


def test_step_example():
    optimum = solve("enclosure", STEP)
    assert optimum.upper.str(12, radius=False) == "9.16868550821"
    gram = mid(optimum.gram_classifier)
    cosines = [gram[i, j] / np.sqrt(gram[i, i] * gram[j, j]) for i, j in ((0, 1), (3, 4), (0, 4))]
    assert cosines == pytest.approx([-0.306251580150, -0.0582325148896, -0.246621141366], abs=1e-11)


@settings(max_examples=30, deadline=None)
@given(DRAWN)
def test_the_closed_form_lies_in_every_ball_of_the_certificate(problem):
    with precision(320):
        closed, proved = solve("exact", problem), solve("enclosure", problem)
        assert proved.reason == ""
        assert not closed.upper < proved.lower
        assert not closed.lower > proved.upper
        assert proved.upper - proved.lower < proved.upper * arb(10) ** -35
        for name in PARTS:
            pairs = list(zip(getattr(closed, name).ravel(), getattr(proved, name).ravel(), strict=True))
            assert all(a.overlaps(b) for a, b in pairs), name
            assert max(float(b.rad()) for _, b in pairs) < 1e-25, name
        pairs = zip(closed.facts["multipliers"].ravel(), proved.facts["multipliers"].ravel(), strict=True)
        assert all(a.overlaps(b) for a, b in pairs)


@settings(max_examples=15, deadline=None)
@given(SMALL, st.sampled_from(["nonconvex", "convex"]))
def test_floating_routes_agree_with_the_certificate(problem, route):
    proved, found = solve("enclosure", problem), solve(route, problem)
    assert float(found.upper) >= float(proved.lower) * (1 - 1e-12)
    assert float(found.lower) <= float(proved.upper) * (1 + 1e-12)
    assert problem.objective(found.point.W, found.point.H) == pytest.approx(float(found.upper), rel=1e-11)
    if found.logits is not None:
        for name in PARTS:
            pairs = zip(getattr(found, name).ravel(), getattr(proved, name).ravel(), strict=True)
            assert all(a.overlaps(b) for a, b in pairs), name


def test_descent_observes_collapse_within_classes():
    optimum = solve("nonconvex", Problem.svm([4, 2, 1]))
    assert optimum.work["per_sample"]
    assert optimum.work["hits"] == optimum.work["starts"]
    H = optimum.point.H
    np.testing.assert_allclose(H[:, :4], H[:, :1] * np.ones(4), atol=1e-6)
    assert float(optimum.spread.upper()) < 1e-4


def test_few_dimensions_have_bounds_only():
    narrow = Problem.svm([4, 3, 2, 1], dim=2)
    proved = solve("enclosure", narrow)
    assert float(proved.lower) == pytest.approx(4.65882236726, abs=1e-10)
    assert float(proved.upper) == pytest.approx(6.1194435749, abs=1e-9)
    assert proved.logits is None
    assert "d = 2" in proved.reason
    assert solve("exact", narrow).upper is None
    assert solve("convex", narrow).upper is None
    assert solve("nonconvex", narrow).lower is None


def test_three_classes_on_a_line_have_no_feasible_point():
    for route, why in (("enclosure", "no feasible point"), ("nonconvex", "positive margins")):
        optimum = solve(route, Problem.svm([3, 2, 1], dim=1))
        assert optimum.upper is None
        assert why in optimum.reason


def test_a_thousand_classes_in_two_groups():
    start = time.process_time()
    _, outcome = certify(Problem.svm([(100, 500), (10, 500)], dim=2048))
    assert outcome.rank == (999, 999)
    assert time.process_time() - start < 2


def test_forty_sizes():
    optimum = solve("enclosure", Problem.svm(list(range(1, 41))))
    assert optimum.reason == ""
    assert optimum.upper - optimum.lower < arb(10) ** -38


def test_a_wrong_dual_guess_proves_less_and_never_too_much():
    rng = np.random.default_rng(1)
    true = float(solve("enclosure", FOUR).lower)
    W = np.eye(4) - 1 / 4
    for _ in range(20):
        found = near_optimal(FOUR, "nonconvex", W, W, rng.normal(size=(4, 4)), {})
        assert float(found.lower) <= true <= float(found.upper)
    with pytest.raises(ValueError, match="not positive"):
        near_optimal(FOUR, "nonconvex", W, -W, W, {})


def test_roots_of_a_wide_spectrum():
    with precision(400):
        found = roots(Problem.svm([10**12, 10**6, 1]))
        square = found.square * found.square
        exact = found.fourth * found.fourth.transpose()
        assert all(float(entry.rad()) < 1e-50 for entry in square.entries())
        assert all(a.overlaps(b) for a, b in zip(exact.entries(), found.square.entries(), strict=True))


def test_ratio_threshold():
    (entry,) = thresholds(STEP)
    assert (entry.claim, entry.parameter, entry.closed_form) == ("TH22-14", "ratio", "49/9")
    assert entry.as_json()["value"]["lower"].startswith("5.4444")
    assert thresholds(FOUR) == []
    assert orthogonality_ratio(Problem.svm([9, 1])) is None
    assert of("uf-svm").at_threshold(TIE)
    assert not svm.at_threshold(STEP)
    moved = svm.around(STEP, ("orthogonal",), (Fraction(0), Fraction(1, 10)))
    assert [svm.at_threshold(problem) for problem in moved] == [True, False]
    assert svm.around(STEP, (), (Fraction(0),)) == []
    inner = [solve("enclosure", replace(problem)).gram_classifier[3, 4] for problem in moved]
    assert inner[0].contains(0)
    assert inner[1] > 0


@settings(max_examples=60, deadline=None)
@given(problems(Family(sizes="two", model="uf-svm", near=("orthogonal",), dims="any")))
def test_drawn_problems(problem):
    assert problem.model == "uf-svm"
    assert len(problem.clusters) == 2
    assert 1 <= problem.dim <= 2 * problem.K


def test_steep_ratio_is_reached_by_every_route():
    value = float(solve("exact", STEEP).upper)
    for route in SOLVERS:
        assert float(solve(route, STEEP).upper) == pytest.approx(value, rel=1e-8)
