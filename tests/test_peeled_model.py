"""Model layer-peeled: worked numbers, the routes against each other, thresholds, what is drawn."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from verify import models
from verify.balls import precision
from verify.peeled import Pair, groups, merge_ratio, solve_pair, zero_ratio
from verify.routes import solve
from verify.routes.peeled_convex import relaxation
from verify.sampling import around, problems
from verify.thresholds import thresholds

NEAR = ("minority_merge", "minority_zero")
TWO = problems(Family(model="layer-peeled", sizes="two", weights=True, near=NEAR))
ANY = problems(Family(model="layer-peeled", sizes="any", weights=True, near=(), dims="any"))
PARTS = ("logits", "gram_features", "gram_classifier", "singular_values")
FIRST = Problem.peeled([(3, 3), (2, 2)], 2, "1/2")
ROUTES = ("exact", "enclosure", "nonconvex", "convex")


def middles(balls):
    return np.vectorize(lambda z: float(z.mid()))(balls)


# --- worked numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "error"), [*zip(ROUTES, (1e-11, 1e-11, 1e-6, 1e-4), strict=True)])
def test_first_worked_example(route, error):
    optimum = solve(route, FIRST)
    assert float(optimum.upper.mid()) == pytest.approx(0.743740835402, abs=1e-11)
    assert float(optimum.lower.mid()) == pytest.approx(0.743740835402, abs=max(error, 1e-11))
    W, Z, H = (middles(part) for part in (optimum.gram_classifier, optimum.logits, optimum.gram_features))
    expected = [2.49002640829, 1.26496038757, -0.820865159619, 0.00748374601185, -0.424148044526]
    np.testing.assert_allclose([W[0, 0], W[4, 4], W[0, 1], W[3, 4], W[0, 3]], expected, atol=error)
    assert W[3, 4] / W[3, 3] == pytest.approx(0.00591619001307, abs=error)
    np.testing.assert_allclose([Z[0, 0] - Z[1, 0], Z[3, 3] - Z[4, 3]], [1.65544578395, 0.628738320777], atol=error)
    assert float(optimum.facts["mu"].mid()) == pytest.approx(0.837530749915, abs=error)
    assert np.trace(W) == pytest.approx(10, abs=error)
    assert np.trace(H) == pytest.approx(2.5, abs=error)
    assert optimum.facts["ratio"] == Fraction(3, 2)


def test_second_worked_example():
    found = thresholds(FIRST, 30)
    assert [t.name for t in found] == ["minority_merge", "minority_zero"]
    assert [t.parameter for t in found] == ["ratio"] * 2
    for t, digits in zip(found, ("2.17188298297", "6.61054720631"), strict=True):
        assert t.value.str(12, radius=False) == digits
        assert float(t.enclosure[1] - t.enclosure[0]) < 1e-28
    x = solve_pair(Pair(3, 2, Fraction(25)), found[0].enclosure[1])
    expected = ["2.04727341403", "0.361360500088", "0.381746189074"]
    assert [v.str(12, radius=False) for v in (x.a, x.s, x.t)] == expected
    critical = 6 * np.log(1 + np.sqrt(5 / 2))
    assert critical == pytest.approx(5.68938425131, abs=1e-11)
    for factor, vanishes in (("0.999999", True), ("1.000001", False)):
        budget = Fraction(critical).limit_denominator(10**12) * Fraction(factor)
        assert (zero_ratio(Pair(3, 2, budget**2)) is not None) == vanishes


@pytest.mark.parametrize(("factor", "distance"), [("0.99", 0.27), ("1.01", 0)])
def test_minority_classifiers_meet_at_the_merging_ratio(factor, distance):
    ratio = Fraction("2.17188298297") * Fraction(factor)
    found = solve("nonconvex", Problem.peeled([(ratio, 3), (1, 2)], 2, "1/2"))
    assert np.linalg.norm(found.point.W[3] - found.point.W[4]) == pytest.approx(
        distance, abs=5e-3 if distance else 1e-6
    )


@pytest.mark.parametrize(("factor", "norm"), [("0.99", 4.5e-2), ("1.01", 0)])
def test_the_minority_vanishes_at_its_ratio(factor, norm):
    ratio = Fraction("6.61054720631") * Fraction(factor)
    found = solve("nonconvex", Problem.peeled([(ratio, 3), (1, 2)], 2, "1/2"))
    assert np.linalg.norm(found.point.W[4]) == pytest.approx(norm, abs=1e-3 if norm else 1e-5)


# --- routes ------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(TWO)
def test_the_scalar_system_lies_in_every_ball_of_the_certificate(problem):
    with precision(320):
        closed, proved = solve("exact", problem), solve("enclosure", problem)
        assert not closed.lower > proved.upper
        assert not closed.upper < proved.lower
        assert proved.upper - proved.lower < proved.upper * arb(10) ** -30
        for name in PARTS:
            balls = getattr(proved, name).ravel()
            assert all(a.overlaps(b) for a, b in zip(getattr(closed, name).ravel(), balls, strict=True)), name
        for name in ("contrasts", "rank", "merged", "zero"):
            assert getattr(closed, name) == getattr(proved, name), name
        assert set(closed.facts) == set(proved.facts)
        assert closed.facts["multiplier"].overlaps(proved.facts["multiplier"])
        assert proved.facts["multiplier"].rel_accuracy_bits() > 45
        assert closed.facts["minority_zero"] == proved.facts["minority_zero"] is not None


@settings(max_examples=8)
@given(ANY)
def test_descent_never_goes_below_the_certificate(problem):
    proved, found = solve("enclosure", problem), solve("nonconvex", problem)
    value = problem.objective(found.point.W, found.point.H)
    assert value == pytest.approx(float(found.upper), rel=1e-11)
    assert value >= float(proved.lower) * (1 - 1e-12)
    if problem.dim >= problem.K - 1:
        assert value <= float(proved.upper) * (1 + 1e-9)
        assert proved.logits is not None
        assert None not in proved.contrasts
        if found.logits is not None:
            for name in PARTS[:3]:
                pairs = zip(getattr(found, name).ravel(), getattr(proved, name).ravel(), strict=True)
                assert all(a.overlaps(b) for a, b in pairs), name


@settings(max_examples=5)
@given(ANY)
def test_the_conic_solver_is_certified_by_its_own_dual(problem):
    proved, found = solve("enclosure", problem), solve("convex", problem)
    if found.upper is not None:
        assert not found.lower > proved.upper
        assert not found.upper < proved.lower


@pytest.mark.parametrize("problem", [FIRST, Problem.peeled([9, 4, 4, 1], 2, 1), Problem.peeled([1, 1, 1])])
def test_the_relaxation_is_tight(problem):
    proved, found = solve("enclosure", problem), relaxation(problem)
    assert found["value"] == pytest.approx(float(proved.upper), rel=1e-8)
    for name in ("logits", "gram_features", "gram_classifier"):
        np.testing.assert_allclose(found[name], middles(getattr(proved, name)), atol=1e-3)


def test_only_sizes_times_weights_matter():
    plain = solve("enclosure", Problem.peeled([(6, 3), (2, 2)]))
    other = solve("enclosure", Problem.peeled([(1, 2), (3, 1), (4, 2)], weights=[(6, 2), (2, 1), ("1/2", 2)]))
    assert plain.facts["ratio"] == other.facts["ratio"] == 3
    assert plain.merged == other.merged == ((3, 4),)
    for name in PARTS:
        pairs = zip(getattr(plain, name).ravel(), getattr(other, name).ravel(), strict=True)
        assert all(a.overlaps(b) for a, b in pairs), name


@pytest.mark.parametrize(("e", "dead"), [(1, True), (2, False)])
def test_a_minority_without_weight(e, dead):
    for route in ("exact", "enclosure"):
        optimum = solve(route, Problem.peeled([(5, 3), (1, 2)], e, e, weights=[(1, 3), (0, 2)]))
        assert optimum.zero == (3, 4)
        assert optimum.merged == ((3, 4),)
        assert optimum.facts["minority_zero"] == ("dead" if dead else "alive")
        assert optimum.gram_features[4, 4] == 0
        assert (optimum.gram_classifier[4, 4] == 0) == dead
        assert set(optimum.facts) == {"multiplier", "T", "minority_zero"}


def test_many_classes_cost_what_their_groups_cost():
    problem = Problem.peeled([(10, 500), (3, 300), (1, 200)], 10, 10)
    optimum = solve("enclosure", problem)
    assert optimum.upper - optimum.lower < optimum.upper * 1e-30
    assert optimum.contrasts == ("alive",) * 3
    assert optimum.logits is None


def test_three_masses_with_one_merged_group():
    optimum = solve("enclosure", Problem.peeled([(8, 2), (4, 1), (1, 2)]))
    assert optimum.contrasts == ("alive", "absent", "dead")
    assert (optimum.merged, optimum.zero, optimum.rank) == (((3, 4),), (), (2, 2))
    assert optimum.facts["minority_zero"] == "alive"
    assert solve("exact", optimum.problem).reason


def test_below_the_rank_only_bounds_remain():
    problem = Problem.peeled([3, 2, 1], dim=1)
    wide = solve("enclosure", replace(problem, dim=2))
    for route in ("enclosure", "nonconvex", "convex", "exact"):
        optimum = solve(route, problem)
        assert optimum.reason
        assert optimum.logits is None
        assert optimum.lower is None or not optimum.lower > wide.upper
        assert optimum.upper is None or (optimum.upper > wide.upper and optimum.rank[1] == 1)


def test_within_class_collapse_is_observed():
    found = solve("nonconvex", Problem.peeled([4, 3, 1]))
    assert found.point.H.shape == (3, 8)
    assert found.work["spread"] < 1e-6
    assert found.work["starts"] == found.work["hits"] == 3


def test_large_budgets_need_no_floats():
    problem = Problem.peeled([(3, 2), (1, 2)], 200, 200)
    with precision(2000):
        proved, closed = (solve(route, problem) for route in ("enclosure", "exact"))
        assert proved.facts["multiplier"].overlaps(closed.facts["multiplier"])
        assert float(proved.facts["multiplier"].log()) < -260
        assert proved.facts["multiplier"].rel_accuracy_bits() > 30


# --- thresholds and drawing ----------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(2, 4), st.fractions("1/10", 30, max_denominator=20))
def test_the_merging_ratio_grows_with_the_budget(majority, minority, budget):
    near, far = (merge_ratio(Pair(majority, minority, (factor * budget) ** 2)) for factor in (1, Fraction(101, 100)))
    assert 1 < near < far


def test_thresholds_of_other_problems():
    assert thresholds(Problem.peeled([5, 5, 5])) == []
    assert thresholds(Problem.peeled([5, 3, 1])) == []
    assert thresholds(Problem.peeled([5, 3], weights=[1, 0])) == []
    assert [t.name for t in thresholds(Problem.peeled([5, 5, 3], "1/2", "1/2"))] == ["minority_zero"]
    assert [t.name for t in thresholds(Problem.peeled([5, 3, 3]))] == ["minority_merge"]
    assert thresholds(Problem.peeled([5, 3])) == []
    swapped = thresholds(Problem.peeled([(2, 2), (2, 3)], 2, "1/2", weights=[(1, 2), (50, 3)]))
    assert [t.bounds for t in swapped] == [t.bounds for t in thresholds(FIRST)]


@pytest.mark.parametrize("name", NEAR)
def test_states_flip_across_a_threshold(name):
    below, above = around(FIRST, (name,), (Fraction(-1, 10**9), Fraction(1, 10**9)))
    for route in ("exact", "enclosure"):
        states = []
        for problem in (below, above):
            optimum = solve(route, problem)
            states.append((optimum.contrasts[1], optimum.facts["minority_zero"]))
        if name == "minority_merge":
            assert states == [("alive", "alive"), ("dead", "alive")]
        else:
            assert states == [("dead", "alive"), ("dead", "dead")]


@settings(max_examples=60)
@given(st.sampled_from([TWO, ANY]).flatmap(lambda family: family))
def test_drawn_problems_are_in_range(problem):
    found = groups(problem)
    assert problem.model == "layer-peeled"
    assert 2 <= problem.K <= 8
    assert found[0].mass <= 10**6 * found[-1].mass
    assert not models.of("layer-peeled").at_threshold(problem)


def test_both_sides_of_both_thresholds_are_drawn():
    seen = set()

    @settings(max_examples=300)
    @given(TWO)
    def draw(problem):
        found = groups(problem)
        if len(found) == 2:
            for t in thresholds(problem, 12):
                relative = float(found[0].mass / found[1].mass) / float(t.value) - 1
                if 0 < abs(relative) < 0.11:
                    seen.add((t.name, relative > 0, round(np.log10(abs(relative)))))

    draw()
    assert {key for key in seen if key[2] == -6} == {(name, side, -6) for name in NEAR for side in (False, True)}
