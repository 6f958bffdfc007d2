"""Thresholds against the dense operator norm, the catalogue's numbers, and the pointwise alive test."""

from __future__ import annotations

import random
from fractions import Fraction
from math import exp, isclose, log, sqrt

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from theory.problem import Problem
from verify.thresholds import Threshold, thresholds

BIASES = ("none", "free", "2", "0.02", "1e-6")


def named(problem: Problem, name: str, digits: int = 30) -> list[Threshold]:
    return [t for t in thresholds(problem, digits) if t.name == name]


def only(problem: Problem, name: str, digits: int = 30) -> Threshold:
    (entry,) = named(problem, name, digits)
    return entry


def x_of(entry: Threshold) -> float:
    assert entry.x2 is not None
    return sqrt(entry.x2[0])


def base_rates(problem: Problem) -> np.ndarray:
    """Prediction at Z = 0 in floats: Newton on the penalised bias."""
    mass = np.array([float(n * w) for n, w in zip(problem.sizes, problem.weights, strict=True)])
    if problem.bias == "none":
        return np.full(problem.K, 1 / problem.K)
    if problem.bias == "free":
        return mass / mass.sum()
    stiff, total = float(problem.bias * problem.N), mass.sum()
    b = np.log(mass) - np.log(mass).mean()
    for _ in range(200):
        p = np.exp(b - b.max())
        p /= p.sum()
        gradient = stiff * b + total * p - mass
        hessian = stiff * np.eye(problem.K) + total * (np.diag(p) - np.outer(p, p))
        step = np.linalg.solve(hessian, gradient)
        b = b - step * min(1, 1 / max(abs(step).max(), 1e-300))
    return np.exp(b) / np.exp(b).sum()


def dense_norm(problem: Problem) -> float:
    root = np.array([float(w) * sqrt(n) for n, w in zip(problem.sizes, problem.weights, strict=True)])
    operator = (np.eye(problem.K) - base_rates(problem)[:, None]) * root
    return sqrt(np.linalg.eigvalsh(operator @ operator.T)[-1])


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        ("none", "0.01223150093485392267472752"),
        ("free", "0.01061964001248805094533339"),
    ],
)
def test_between_groups_agrees_with_the_published_digits(bias: str, expected: str) -> None:
    entry = only(Problem.ce([(120, 4), (25, 3)], 1, bias=bias), "between_groups_dead", 40)
    assert entry.bounds is not None
    assert all(abs(Fraction(end) - Fraction(expected)) < Fraction(1, 2 * 10**26) for end in entry.bounds)
    assert entry.verdict == "enclosed"


@pytest.mark.parametrize(
    ("mu", "expected", "digits"),
    [
        (None, 5.09259938291, 12),
        ("1", 4.867649146, 9),
        ("0.03", 3.969784, 7),
        ("0.01", 3.942208, 7),
        ("0.001", 3.969166, 7),
    ],
)
def test_bias_moves_the_between_group_threshold(mu: str | None, expected: float, digits: int) -> None:
    bias = "none" if mu is None else str(2 * Fraction(mu))
    entry = only(Problem.ce([(60, 3), (10, 3)], 1, bias=bias), "between_groups_dead")
    assert abs(x_of(entry) - expected) < 0.51 * 10 ** (1 - digits)


def test_first_worked_example() -> None:
    for bias, between in (("none", 0.0866992949534), ("free", 0.0805844911743)):
        entries = thresholds(Problem.ce([(9, 2), (4, 3)], 1, bias=bias))
        assert [t.name for t in entries] == [
            "cluster_merge",
            "between_groups_dead",
            "cluster_merge",
            "complete_collapse",
        ]
        assert [t.closed_form for t in entries] == ["1/15", None, "1/10", "1/10"]
        assert isclose(float(entries[1].value), between, rel_tol=1e-11)


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize(
    "counts",
    [
        [9, 3],
        [9, 9],
        [(9, 1), (4, 3)],
        [9, 7, (4, 3)],
        [9, 9, 4, 1],
        [30, 20, 10, 5, 2, 1],
        [(10**6, 1), (1, 4)],
        [5, 5, 5],
    ],
)
def test_complete_collapse_is_the_dense_operator_norm(counts: list, bias: str) -> None:
    problem = Problem.ce(counts, 1, bias=bias)
    entry = only(problem, "complete_collapse")
    assert isclose(x_of(entry), dense_norm(problem), rel_tol=1e-10)
    assert entry.claim == ("HL23-05" if bias == "none" else "HL23-06")


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("seed", range(8))
def test_complete_collapse_with_class_weights(bias: str, seed: int) -> None:
    draw = random.Random(seed)
    counts = [draw.choice([1, 2, 4, 9, 30, 100]) for _ in range(draw.randint(2, 7))]
    weights = [Fraction(draw.choice([1, 2, 3, 10]), draw.choice([1, 2, 7, 40])) for _ in counts]
    problem = Problem.ce(counts, 1, bias=bias, weights=weights)
    assert isclose(x_of(only(problem, "complete_collapse")), dense_norm(problem), rel_tol=1e-9)


def test_a_heavy_small_class_lifts_complete_collapse_above_the_largest_effective_size() -> None:
    problem = Problem.ce([100, 100, 10**6], 1, bias="free", weights=[1, 1, Fraction(1, 200)])
    entry = only(problem, "complete_collapse")
    assert entry.x2 is not None
    assert entry.x2[0] > 100
    assert isclose(x_of(entry), dense_norm(problem), rel_tol=1e-10)


def mean_log(own: int, other: int, shrink: float, r: float) -> float:
    p, q = (own - other * r - (own - 1) * shrink) / own, (shrink - other * r) / own
    if p <= 0 or q <= 0:
        return -1e3
    return log(p) / own + (own - 1) / own * log(q) - log(r)


def alive_margin(problem: Problem, x: float) -> float:
    """K (v_A k_B r_A^2 + v_B k_A r_B^2) - x^2 at the t = 0 solution, by nested root finding in floats."""
    (a, b), K, N = problem.clusters, problem.K, float(problem.N)
    v = [float(c.weight) ** 2 * float(c.size) for c in (a, b)]
    m = [float(c.weight * c.size) for c in (a, b)]
    e = [1 if c.classes == 1 else min(1.0, x / sqrt(size)) for c, size in zip((a, b), v, strict=True)]

    def rate(i: int, gap: float) -> float:
        own, other = (a, b)[i].classes, (b, a)[i].classes
        top = log(e[i] / other)
        return exp(brentq(lambda s: mean_log(own, other, e[i], exp(s)) - gap, top - 60, top + 1e-9, xtol=1e-15))

    def flow(d: float) -> float:
        difference = m[0] * rate(0, d) - m[1] * rate(1, -d)
        return -difference if problem.bias == "free" else d * float(problem.bias) * N / K - difference

    d = 0.0 if problem.bias == "none" else brentq(flow, -25, 25, xtol=1e-15)
    return K * (v[0] * b.classes * rate(0, d) ** 2 + v[1] * a.classes * rate(1, -d) ** 2) - x * x


PAIRS = [
    ((3, 60, 3, 10), (1, 1)),
    ((2, 9, 3, 4), (1, 1)),
    ((1, 9, 3, 4), (1, 1)),
    ((1, 9, 1, 4), (1, 1)),
    ((4, 9, 1, 4), (1, 1)),
    ((10, 5000, 90, 50), (1, 1)),
    ((2, 300, 7, 299), (1, 1)),
    ((3, 60, 3, 10), (Fraction(1, 2), 3)),
    ((3, 60, 2, 10), (Fraction(1, 3), Fraction(1, 2))),
    ((2, 36, 3, 4), (1, 3)),
]


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize(("pair", "weights"), PAIRS)
def test_the_alive_test_changes_sign_at_the_threshold(pair: tuple, weights: tuple, bias: str) -> None:
    k_a, n_a, k_b, n_b = pair
    problem = Problem.ce([(n_a, k_a), (n_b, k_b)], 1, bias=bias, weights=[(weights[0], k_a), (weights[1], k_b)])
    entry = only(problem, "between_groups_dead", 20)
    if weights != (1, 1) and bias not in ("none", "free"):
        assert entry.value is None
        assert entry.verdict == "undecided"
        assert "penalised" in entry.reason
        return
    x = x_of(entry)
    assert alive_margin(problem, x * (1 - 1e-6)) > 0
    assert alive_margin(problem, x * (1 + 1e-6)) < 0
    assert all(alive_margin(problem, x * f) > 0 for f in (0.3, 0.5, 0.7, 0.9, 0.99))
    assert all(alive_margin(problem, x * f) < 0 for f in (1.01, 1.1, 1.5, 3))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    k_a=st.integers(1, 40),
    k_b=st.integers(1, 40),
    n_b=st.integers(1, 1000),
    extra=st.integers(1, 10**6),
    bias=st.sampled_from(["none", "free"]),
)
def test_order_of_the_thresholds(k_a: int, k_b: int, n_b: int, extra: int, bias: str) -> None:
    """HL23-10: sqrt(n_B) < x_t, and x_t < sqrt(n_A) or complete collapse."""
    problem = Problem.ce([(n_b + extra, k_a), (n_b, k_b)], 1, bias=bias)
    between, collapse = only(problem, "between_groups_dead").x2, only(problem, "complete_collapse").x2
    assert between is not None
    assert collapse is not None
    assert n_b < between[0] <= between[1] < n_b + extra
    if k_a == 1:
        assert between[0] <= collapse[1]
        assert collapse[0] <= between[1]
    else:
        assert collapse == (n_b + extra, n_b + extra)
    assert between[1] - between[0] <= between[1] * Fraction(1, 10**29)


def test_a_ratio_of_a_million() -> None:
    for bias in BIASES:
        entry = only(Problem.ce([(10**6, 5), (1, 5)], 1, bias=bias), "between_groups_dead")
        assert entry.x2 is not None
        assert 1 < entry.x2[0] < entry.x2[1] < 10**6


def test_many_minority_classes_with_a_weak_bias_penalty_are_only_certified() -> None:
    entry = only(Problem.ce([(10**6, 5), (1, 500)], 1, bias="0.02"), "between_groups_dead")
    assert (entry.verdict, bool(entry.reason)) == ("certified", True)


def test_the_between_group_direction_can_die_revive_and_die_again() -> None:
    """With a penalised bias the dead set in lam need not be one interval."""
    problem = Problem.ce([(355730, 8), (1, 8346)], 1, bias="1/2000")
    margins = [alive_margin(problem, x) for x in (3, 8, 14, 30)]
    assert [m > 0 for m in margins] == [True, False, True, False]
    entry = only(problem, "between_groups_dead")
    assert entry.verdict == "certified"
    assert "not the only crossing" in entry.reason
    assert 14 < x_of(entry) < 30


@pytest.mark.parametrize("counts", [[(120, 4), (25, 3)], [9, 3], [9, 7, (4, 3)], [(9, 1), (4, 3)], [12, 5, 3]])
@pytest.mark.parametrize("bias", ["none", "free"])
def test_closed_forms_lie_inside_the_bounds(counts: list, bias: str) -> None:
    entries = thresholds(Problem.ce(counts, 1, bias=bias))
    closed = [t for t in entries if t.closed_form]
    assert any(t.name == "complete_collapse" for t in closed)
    for entry in closed:
        assert entry.bounds is not None
        value = sp.sympify(entry.closed_form)
        lower, upper = (sp.Rational(end) for end in entry.bounds)
        assert lower <= value <= upper


def test_exact_decimals_are_exact_and_others_are_rounded_outward() -> None:
    entries = thresholds(Problem.ce([(9, 2), (4, 3)], 1), digits=7)
    assert [t.bounds for t in entries][::2] == [("0.06666666", "0.06666667"), ("0.1", "0.1")]


def test_loss_weights_enter_merging_linearly() -> None:
    (entry,) = named(Problem.ce([16, 4, 4], 1, weights=[1, 3, 3]), "cluster_merge")
    assert entry.x2 == (36, 36)
    assert entry.closed_form == "1/4"


def test_three_sizes_have_no_between_group_threshold_and_all_distinct_no_merging() -> None:
    entries = thresholds(Problem.ce([9, 7, 4], 1))
    assert [t.name for t in entries] == ["complete_collapse"]


def test_weights_that_split_a_size_are_named_as_the_reason() -> None:
    entry = only(Problem.ce([16, 4, 4], 1, weights=[1, 2, 3]), "between_groups_dead")
    assert entry.as_json()["value"] is None
    assert "different weights" in entry.reason


def test_cost_does_not_depend_on_the_number_of_classes() -> None:
    problem = Problem.ce([(500, 10**6), (5, 10**7)], 1)
    assert [t.verdict for t in thresholds(problem)] == ["enclosed"] * 4


def test_json_entries_have_the_fields_of_the_schema() -> None:
    entries = [t.as_json() for t in thresholds(Problem.ce([(120, 4), (25, 3)], 1))]
    fields = {"claim", "name", "count", "parameter", "value", "reason", "closed_form", "at_equality", "verdict"}
    assert all(set(e) == fields | {"consequence"} for e in entries)
    assert [e["count"] for e in entries] == [25, None, 120, None]
    assert {e["at_equality"] for e in entries} == {"dead"}


def test_digits_are_checked() -> None:
    with pytest.raises(ValueError, match="digits"):
        thresholds(Problem.ce([1, 2], 1), digits=0)
