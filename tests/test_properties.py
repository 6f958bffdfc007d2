"""Properties of the optimum that no route may break, over random problems."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, target
from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from verify.blocks import average
from verify.dual import assess
from verify.routes import solve
from verify.routes.exact import solve_blocks
from verify.sampling import problems

ANY = problems(Family(sizes="any", weights=True, near=("merge", "collapse")))
TWO = problems(Family(sizes="two", near=("merge", "between", "collapse")))
AVOID = frozenset({"HL23-07", "HL23-09", "HL23-12"})


def value(problem):
    optimum = solve("enclosure", problem)
    assert optimum.lower is not None, optimum.reason
    return optimum.lower, optimum.upper


@given(ANY)
def test_certified_bounds_of_all_routes_overlap(problem):
    lower, upper = value(problem)
    for route in ("exact", "nonconvex", "convex") if problem.K <= 6 else ("exact",):
        other = solve(route, problem, 0, AVOID)
        if other.lower is not None:
            assert not other.lower > upper, route
            assert not other.upper < lower, route


@given(ANY)
def test_no_point_lies_below_the_enclosure(problem):
    assume(problem.K <= 6)
    lower, upper = value(problem)
    point = solve("nonconvex", problem).point
    assert point is not None
    found = problem.objective(point.W, point.H, point.b)
    target(float((found - upper.mid()) / upper.mid()), label="excess of the nonconvex optimum")
    assert found >= float(lower) * (1 - 1e-12)


@given(ANY)
def test_any_symmetric_point_gives_a_valid_lower_bound(problem):
    _, upper = value(problem)
    rng = np.random.default_rng(problem.K)
    anywhere = average(problem, rng.normal(size=(problem.K, problem.K)), np.zeros(problem.K))
    assert assess(problem, anywhere).lower <= float(upper) * (1 + 1e-12)


@given(TWO)
def test_the_general_solver_does_not_need_the_scalar_equation(problem):
    closed, general = solve_blocks(problem), solve_blocks(problem, AVOID)
    np.testing.assert_allclose(general.alpha, closed.alpha, atol=1e-6)
    np.testing.assert_allclose(general.means, closed.means, atol=1e-6)


@given(ANY, st.integers(2, 10**6))
def test_only_x_squared_over_the_sizes_matters_without_a_penalised_bias(problem, factor):
    assume(problem.bias in ("none", "free"))
    runs = tuple(dataclasses.replace(run, size=run.size * factor) for run in problem.runs)
    scaled = dataclasses.replace(problem, runs=runs).at(problem.x2 * factor).tilted(1, problem.dim)
    (lower, upper), (scaled_lower, scaled_upper) = value(problem), value(scaled)
    assert not lower > scaled_upper
    assert not scaled_lower > upper


@given(ANY, st.randoms(use_true_random=False))
def test_the_order_of_the_classes_does_not_matter(problem, random):
    order = list(range(problem.K))
    random.shuffle(order)
    sizes, weights = problem.sizes, problem.weights
    bias = problem.bias
    shuffled = Problem.ce(
        [sizes[k] for k in order],
        problem.lambda_w,
        problem.lambda_h,
        bias=bias,
        weights=[weights[k] for k in order],
        dim=problem.dim,
    )
    (lower, upper), (other_lower, other_upper) = value(problem), value(shuffled)
    assert not lower > other_upper
    assert not other_lower > upper
    one, two = solve("enclosure", problem).logits, solve("enclosure", shuffled).logits
    if one is not None and two is not None:
        assert all(two[i, j].overlaps(one[order[i], order[j]]) for i in range(problem.K) for j in range(problem.K))


@given(ANY)
def test_more_weight_decay_costs_more(problem):
    cheap, _ = value(problem)
    _, costly = value(problem.at(problem.x2 * 4).tilted(1, problem.dim))
    assert not costly < cheap


@pytest.mark.parametrize("bias", ["none", "free", "1/10"])
def test_entropy_identity(bias):
    """At the optimum the value is the weighted entropy of the predictions, plus the bias term (conjugate)."""
    problem = Problem.ce([(9, 2), (4, 3)], "0.03", bias=bias)
    optimum = solve("enclosure", problem)
    P = optimum.probabilities
    sizes = np.array([int(n) for n in problem.sizes], dtype=object)
    entropy = -(P * np.log(P)).sum(axis=0)
    flow = P @ sizes - sizes
    total = (sizes * entropy).sum() / int(problem.N)
    if bias == "1/10":
        total -= (flow * flow).sum() / (2 * int(problem.N) ** 2) * 10
    assert total.overlaps(optimum.upper)
    assert abs(float(total) - float(optimum.upper)) < 1e-12
