"""Losses and knobs: the objective, the canonical form, the routes against each other, closed forms, sampling."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from theory import losses
from theory.claim import Family
from theory.objectives import adjusted, loss_terms
from theory.problem import Problem
from verify.balls import precision
from verify.loss_rules import collapse_square, merged_states, merging_power
from verify.models.loss import around, at_threshold, problems, thresholds
from verify.routes import loss_enclosure, loss_exact, loss_nonconvex, solve

SHIPPED = (
    "ce",
    "squared",
    "sparsemax",
    "ovr",
    "margin:2",
    "ldam:1",
    "hinge",
    "focal:2",
    "poly1:1",
    "poly1:-1/2",
    "ovr-exp",
    "ovr-squared-hinge",
)
TWO = Problem.ce([(18, 2), (7, 3)], "0.034", weights=[(1, 2), ("1.5", 3)])
EVERYTHING = {
    "smoothing": "0.1",
    "adjustment": 1,
    "scaling": "1/2",
    "loss_temperature": 2,
    "feature_decay": [(2, 2), (1, 3)],
    "row_decay": [(1, 2), ("1/2", 3)],
}


@pytest.mark.parametrize("spec", SHIPPED)
def test_gradient_is_the_derivative(spec: str) -> None:
    problem = Problem.ce([5, 3, 2], 1).with_loss(spec, adjustment="1/2", scaling="1/3", loss_temperature=2)
    rng = np.random.default_rng(0)
    Z, direction, labels = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), np.arange(3)
    ahead, behind = (loss_terms(problem, Z + sign * 1e-6 * direction, labels)[0] for sign in (1, -1))
    slope = (loss_terms(problem, Z, labels)[1] * direction).sum(axis=0)
    assert np.allclose((ahead - behind) / 2e-6, slope, atol=1e-7)


@pytest.mark.parametrize("spec", SHIPPED)
def test_convexity_along_random_lines(spec: str) -> None:
    loss, rng = losses.find(spec), np.random.default_rng(1)
    Y = np.eye(4)[:, rng.integers(0, 4, 400)]
    A, B = 4 * rng.normal(size=(2, 4, 400))
    bent = loss.value((A + B) / 2, Y) - (loss.value(A, Y) + loss.value(B, Y)) / 2
    assert (bent.max() <= 1e-12) == loss.convex


@pytest.mark.parametrize("spec", SHIPPED)
def test_shift_invariance_is_as_stated(spec: str) -> None:
    loss, rng = losses.find(spec), np.random.default_rng(2)
    U, Y = rng.normal(size=(4, 4)), np.eye(4)
    assert np.allclose(loss.value(U + 1, Y), loss.value(U, Y)) == loss.shift_invariant


def test_printed_value_of_label_smoothing() -> None:
    """The value and the linear law of the worked example: half of the merging threshold of the minority."""
    problem = Problem.ce([(18, 2), (7, 3)], 1, weights=[(1, 2), ("3/2", 3)]).with_loss(smoothing="0.1")
    square = merging_power(problem, problem.clusters[1]).exact
    assert square is not None
    assert math.isclose(math.sqrt(square), 3.571764269937, abs_tol=1e-12)
    optimum = solve("enclosure", problem.at(square / 4))
    with precision(200):
        assert abs(optimum.upper - arb("1.51200758236")) < arb("1e-11")
        difference = optimum.facts["predictions"][2, 2] - optimum.facts["predictions"][3, 2]
        assert difference.contains(arb(45) / 100)
        assert difference.rad() < 1e-15


def test_canonical_form_round_trips_and_keeps_plain_hashes() -> None:
    plain = Problem.ce([(3, 2), (1, 1)], "1/2", weights=[1, 1, 2])
    assert set(plain.canonical()["options"]) == {"lambda_w", "lambda_h", "bias", "class_weights", "dim"}
    assert plain.with_loss("ce") == plain
    assert plain.with_loss("ce").sha256 == plain.sha256
    targets = [["0.8", "0.1", "0.1"], ["0.1", "0.8", "0.1"], ["0.2", "0.2", "0.6"]]
    for problem in (
        TWO.with_loss("margin:2.0"),
        TWO.with_loss(**EVERYTHING),
        plain.with_loss("squared", targets=targets),
        Problem.peeled([3, 2], 2).with_loss("ovr", smoothing="1/5"),
        Problem.ce([3, 2], 1, model="ce-relu").with_loss("hinge"),
    ):
        assert problem.key == "loss"
        assert Problem.from_canonical(problem.canonical()) == problem


@pytest.mark.parametrize(
    ("problem", "arguments", "words"),
    [
        (TWO, {"loss": "nosuch"}, "unknown loss"),
        (TWO, {"loss": "focal:-1"}, "not negative"),
        (TWO, {"loss": "poly1:2"}, "between -1 and 1"),
        (TWO, {"loss": "squared:1"}, "no parameter"),
        (TWO, {"loss": "focal:x"}, "not a number"),
        (TWO, {"loss": "focal", "smoothing": "0.1"}, "one-hot"),
        (TWO, {"smoothing": 1}, "not below 1"),
        (TWO, {"smoothing": "-0.1"}, "negative"),
        (TWO, {"loss_temperature": 0}, "not positive"),
        (TWO, {"feature_decay": [1, 2]}, "2 values for 5 classes"),
        (TWO, {"row_decay": [(0, 5)]}, "not positive"),
        (TWO, {"targets": [[1, 0]]}, "sum 1"),
        (TWO, {"smoothing": "0.1", "targets": [["0.6", "0.1", "0.1", "0.1", "0.1"]] * 5}, "no smoothing"),
        (Problem.mse([2, 1], 1), {"loss": "focal"}, "own loss only"),
        (Problem.ce([2, 1], [1, 1]), {"loss": "focal"}, "own loss only"),
        (Problem.peeled([2, 1]), {"row_decay": [1, 2]}, "no weight decay"),
    ],
)
def test_bad_options_are_refused(problem: Problem, arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        problem.with_loss(**arguments)


def test_clusters_are_equal_in_everything() -> None:
    base = Problem.ce([(4, 4)], 1)
    assert len(base.with_loss(feature_decay=[(1, 2), (2, 2)]).clusters) == 2
    assert len(base.with_loss(row_decay=[(1, 3), (2, 1)]).clusters) == 2
    pairs = [[6, 2, 1, 1], [2, 6, 1, 1], [1, 1, 6, 2], [1, 1, 2, 6]]
    targets = [[Fraction(y, 10) for y in row] for row in pairs]
    found = base.with_loss("ce", targets=targets).clusters
    assert [c.members for c in found] == [[0, 1], [2, 3]]
    assert base.with_loss("ce", targets=targets).contrast(found[0]) == Fraction(4, 10)


def test_shifts_of_margins_and_hinge() -> None:
    labels = np.arange(2)
    margin = adjusted(Problem.ce([16, 1], 1).with_loss("ldam:2"), np.zeros((2, 2)), labels)[0]
    assert margin.tolist() == [[-1, 0], [0, -2]]
    hinge = adjusted(Problem.ce([16, 1], 1).with_loss("hinge"), np.zeros((2, 2)), labels)[0]
    assert hinge.tolist() == [[0, 1], [1, 0]]


def contradictions(problem: Problem) -> Iterator[str]:
    """Bounds or states in which two routes differ; where the loss is convex the kernel's own bounds meet."""
    found = {route: solve(route, problem) for route in ("enclosure", "exact", "nonconvex", "convex")}
    smooth = (
        losses.find(problem.loss).potential not in (None, "max") and problem.model == "ce" and problem.bias != "free"
    )
    kernel = found["enclosure"]
    if smooth and not kernel.upper - kernel.lower < 1e-11 * kernel.upper:
        yield "the kernel's bounds do not meet"
    for first in found.values():
        for second in found.values():
            if first.lower is not None and second.upper is not None and first.lower > second.upper:
                yield f"bounds of {first.route} and {second.route}"
            states = zip(first.contrasts, second.contrasts, strict=False)
            if any(None not in pair and len(set(pair)) > 1 for pair in states):
                yield f"states of {first.route} and {second.route}"
    for state, rule in zip(kernel.contrasts, merged_states(problem), strict=False):
        if state not in (None, rule):
            yield f"{state} for the kernel, {rule} by the merging rule"
        if state is None and smooth and not at_threshold(problem):
            yield "a state that the kernel leaves open"


FAMILIES = (
    Family(
        model="loss",
        bias=("none",),
        losses=("ce", "squared", "sparsemax", "ovr"),
        near=("merge", "collapse"),
        knobs=("weights", "smoothing", "adjustment", "scaling", "loss_temperature", "feature_decay", "row_decay"),
    ),
    Family(model="loss", losses=("ce", "margin:1", "ldam:2", "hinge"), near=("merge",), knobs=("weights", "smoothing")),
    Family(
        model="loss", losses=("focal:2", "poly1:1", "ovr-exp", "ovr-squared-hinge"), bias=("none",), knobs=("weights",)
    ),
    Family(model="loss", base="ce-relu", near=("zero",), knobs=("weights", "smoothing", "feature_decay")),
    Family(model="loss", base="layer-peeled", losses=("ce", "squared", "ovr"), knobs=("weights", "smoothing")),
)


@pytest.mark.parametrize("family", FAMILIES)
def test_routes_agree_on_random_problems(family: Family) -> None:
    @settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(problems(family))
    def check(problem: Problem) -> None:
        if problem.key == "loss":
            assert list(contradictions(problem)) == [], problem.canonical()

    check()


@pytest.mark.parametrize(
    "knob",
    [
        {"smoothing": "0.3"},
        {"adjustment": 2},
        {"scaling": "1/2"},
        {"loss_temperature": 3},
        {"feature_decay": [(1, 2), (4, 3)]},
        {"row_decay": [(1, 2), ("1/4", 3)]},
        {"loss": "squared"},
        {"loss": "sparsemax"},
        {"loss": "ovr"},
    ],
)
@pytest.mark.parametrize("offset", ["-1/1000000", "1/1000000"])
def test_merging_is_certified_on_both_sides(knob: dict, offset: str) -> None:
    problem = Problem.ce([(16, 2), (4, 3)], 1).with_loss(**knob)
    power = merging_power(problem, problem.clusters[1])
    low, high = power.bracket(30)
    square = (low + high) / 2 * (1 + Fraction(offset)) ** 2
    state = solve("enclosure", problem.at(square)).contrasts[1]
    assert state == ("alive" if offset.startswith("-") else "dead")


@pytest.mark.parametrize("factor", ["0.97", "1.03"])
@pytest.mark.parametrize(
    "spec", ["squared", "ovr", "ovr-exp", "ovr-squared-hinge", "poly1:1", "poly1:-1/2", "margin:2", "ldam:3"]
)
def test_collapse_is_where_the_gradient_at_zero_says(spec: str, factor: str) -> None:
    knobs = {"adjustment": 1} if spec[0] in "plm" else {}
    problem = Problem.ce([(9, 2), (4, 1), (2, 2)], 1).with_loss(spec, **knobs)
    square = collapse_square(problem, 20)
    assert square is not None
    point = loss_nonconvex.solve(problem.at((square[0] + square[1]) / 2 * Fraction(factor) ** 2)).point
    assert point is not None
    assert (np.abs(point.W @ point.H).max() < 1e-6) == (factor == "1.03")


def test_collapse_equations() -> None:
    """Balanced softmax and smoothing: closed values with one majority class."""
    base = Problem.ce([(10, 1), (2, 4)], 1)
    plain, balanced = base.with_loss(smoothing="1/5"), base.with_loss(adjustment=1)
    low, high = collapse_square(plain, 25) or (0, 0)
    assert low == high == Fraction(16, 25) * Fraction(10 * 4 + 2, 5)
    low, high = collapse_square(balanced, 25) or (0, 0)
    assert low < Fraction(5 * 10 * 2, 18) < high
    assert high - low < Fraction(1, 10**20)


def test_powers_are_compared_exactly() -> None:
    problem = Problem.ce([(16, 2), (4, 2)], 1).with_loss(scaling="1/2")
    small = problem.clusters[1]
    assert merging_power(problem, small).exact == 1
    assert merged_states(problem.at(1))[1] == "dead"
    assert merged_states(problem.at("0.999999"))[1] == "alive"
    third = Problem.ce([(16, 2), (4, 2)], 1).with_loss(scaling="1/3")
    low, high = merging_power(third, third.clusters[1]).bracket(30)
    assert low < high
    assert merged_states(third.at(high))[1] == "dead"
    assert merged_states(third.at(low))[1] == "alive"


def test_thresholds_say_where_no_closed_form_exists() -> None:
    focal = thresholds(Problem.ce([(9, 2), (4, 3)], 1).with_loss("focal:2"))
    assert all(t.verdict == "undecided" for t in focal)
    assert "no closed form exists" in focal[0].reason
    margin = thresholds(Problem.ce([(9, 2), (4, 3)], 1).with_loss("margin:1"))
    assert any("in lam it is at least 0.0666667 and at most 0.1" in t.reason for t in margin)
    peeled = thresholds(Problem.peeled([(9, 2), (4, 3)]).with_loss(smoothing="1/10"))
    assert [(t.parameter, t.closed_form) for t in peeled] == [("multiplier", "3/25"), ("multiplier", "27/100")]


def test_universality_fails_for_other_losses() -> None:
    """A margin moves the threshold, but at most by k/(k-1); cross-entropy does not care."""
    problem = Problem.ce([(25, 3), (4, 2)], 1)
    states = {
        (spec, x): solve("enclosure", problem.with_loss(spec).at(Fraction(x) ** 2)).contrasts[1]
        for spec in ("margin:2", "margin:12")
        for x in ("2.4", "3", "3.8", "4.1")
    }
    assert states["margin:2", "2.4"] == "alive"
    assert states["margin:12", "2.4"] == "alive"
    assert states["margin:2", "3"] == "dead"
    assert states["margin:12", "3"] == "alive"
    assert all(states[spec, x] == "dead" for spec in ("margin:2", "margin:12") for x in ("3.8", "4.1"))


def test_exact_route_avoids_what_it_is_told() -> None:
    squared = Problem.ce([(9, 2), (4, 3)], "0.03").with_loss("squared")
    assert loss_exact.solve(squared).uses == {"NR26-23"}
    rest = loss_exact.solve(squared, avoid=frozenset({"NR26-23", "NR26-02"}))
    assert rest.lower is None
    assert not rest.contrasts
    assert rest.reason


def test_saturated_budget() -> None:
    base = Problem.peeled([(9, 2), (4, 1), (1, 3)], 1).with_loss(smoothing="0.15")
    a = math.log(1 + 6 * 0.85 / 0.15)
    assert math.isclose(a, 3.55534806149, abs_tol=1e-11)
    wide = Problem.peeled([(9, 2), (4, 1), (1, 3)], 3, 3).with_loss(smoothing="0.15")
    found = loss_exact.solve(wide)
    assert found.uses == {"NR26-12"}
    assert loss_exact.solve(base).lower is None
    again = solve("nonconvex", wide)
    assert abs(float(again.upper - found.upper)) < 1e-12
    Z = again.point.W @ again.point.H  # any shift of a column fits into a budget that is not used in full
    assert np.allclose(Z - Z.mean(axis=0), a * (np.eye(6) - 1 / 6), atol=1e-5)


def test_hinge_has_tight_bounds() -> None:
    for problem in (Problem.ce([(9, 2), (4, 3)], "0.03"), Problem.ce([(9, 2), (4, 3)], "0.03", model="ce-relu")):
        found = solve("enclosure", problem.with_loss("hinge"))
        assert found.upper - found.lower < 1e-7
        searched = solve("nonconvex", problem.with_loss("hinge"))
        assert abs(float(searched.upper - found.upper)) < 1e-4


@given(st.integers(2, 4), st.fractions(Fraction(1, 4), 4))
@settings(max_examples=10, deadline=None, database=None)
def test_around_keeps_the_classes(K: int, factor: Fraction) -> None:
    problem = Problem.ce([(7, K)], 1).with_loss(smoothing="1/4")
    near = around(problem, ("merge",), (Fraction(0), factor))
    assert [p.x2 for p in near] == [Fraction(63, 16), Fraction(63, 16) * (1 + factor) ** 2]
    assert at_threshold(near[0])
    assert not at_threshold(near[1])


def test_losses_outside_the_kernel_give_a_sentence() -> None:
    found = loss_enclosure.solve(Problem.ce([3, 2], 1).with_loss("focal:2"))
    assert found.lower is None
    assert "no conjugate" in found.reason
    assert "too large" in loss_nonconvex.solve(Problem.ce([(1, 40)], 1).with_loss("squared")).reason
