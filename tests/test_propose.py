"""The proposer reaches the digits asked for, from any start, in every regime."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb

from theory.problem import Problem
from verify.blocks import BlockPoint
from verify.kernel import check
from verify.propose import propose
from verify.routes.enclosure import solve
from verify.routes.exact import solve_blocks

TWO = [(120, 4), (25, 3)]


def width(certificate: dict[str, Any]) -> float:
    """Relative width of the bounds, after the kernel agreed."""
    result = check(json.dumps(certificate))
    assert result["outcome"] == "bounds", result["reason"]
    lower, upper = Fraction(result["bounds"]["lower"]), Fraction(result["bounds"]["upper"])
    return float((upper - lower) / upper)


def collapse(problem: Problem) -> Fraction:
    """Upper bound for x at complete collapse in units of lambda: x <= max w sqrt(n)."""
    top = max(c.weight * Fraction(float(c.size) ** 0.5) for c in problem.clusters)
    return top / problem.N


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        (TWO, None),
        ([(25, 5)], None),
        ([30, 10], None),
        ([48, 50], None),
        ([(1000, 500_000), (10, 500_000)], None),
        ([(10**6, 2), (1, 3)], None),
        ([10**6, 1000, 1], None),
        ([100, 50, 20, 10, 3], None),
        ([(9, 2), 5, (4, 3)], [(2, 2), (1, 1), ("1/2", 3)]),
        ([("7/3", 2), ("1/5", 2), 1], None),
    ],
    ids=str,
)
def test_forty_digits_from_small_decay_to_collapse(counts: Any, weights: Any, bias: Any) -> None:
    unit = Problem.ce(counts, 1, bias=bias, weights=weights)
    for factor in ("1/1000000", "1/1000", "1/7", "3/5", "9/10", "999999/1000000", "11/10"):
        lam = collapse(unit) * Fraction(factor)
        problem = Problem.ce(counts, lam, lam * 3, bias=bias, weights=weights)
        assert width(propose(problem, solve_blocks(problem))) < 1e-39, factor


@pytest.mark.parametrize("lam", ["0.000001", "0.0003", "0.01"])
def test_many_different_sizes(lam: str) -> None:
    problem = Problem.ce([500, 400, 300, 200, 120, 80, 50, 30, 20, 10, 7, 5], lam)
    assert width(propose(problem, solve_blocks(problem))) < 1e-39


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
def test_double_precision_when_there_are_too_many_sizes(bias: Any) -> None:
    problem = Problem.ce([int(500 * 0.01 ** (k / 29)) for k in range(30)], "0.0005", bias=bias)
    certificate = propose(problem, solve_blocks(problem))
    assert width(certificate) < 1e-12
    assert certificate["facts"]["rank"]["lower"] == certificate["facts"]["rank"]["upper"]


@pytest.mark.parametrize("digits", [20, 60, 100, 200])
def test_the_width_follows_the_digits(digits: int) -> None:
    problem = Problem.ce(TWO, "0.0085", bias="free")
    result = check(json.dumps(propose(problem, digits=digits)))
    lower, upper = Fraction(result["bounds"]["lower"]), Fraction(result["bounds"]["upper"])
    assert upper - lower < upper / 10 ** (digits - 1)


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
@pytest.mark.parametrize("exponent", [40, 350])
def test_sizes_beyond_floats(bias: Any, exponent: int) -> None:
    n = 10**exponent
    problem = Problem.ce([(2 * n, 3), (n, 2)], Fraction(1, 80 * n), bias=bias)
    optimum = solve(problem)
    assert optimum.rank == (4, 4)
    assert float((optimum.upper - optimum.lower).upper() / optimum.upper) < 1e-38
    own = optimum.logits[0, 0] - optimum.logits[1, 0]
    assert float(own.rad()) < 1e-8 * float(own)
    long = propose(problem, digits=800)
    assert len(long["bounds"]["lower"]) > 800


def test_starts_may_be_floats_mpmath_numbers_or_balls() -> None:
    problem = Problem.ce(TWO, "0.0085")
    floats = solve_blocks(problem)
    kinds = [float, mpmath.mpf, lambda a: arb(float(a), 1e-9)]
    texts = set()
    for kind in kinds:
        start = BlockPoint(*(np.vectorize(kind, otypes=[object])(a) for a in (floats.alpha, floats.means, floats.bias)))
        texts.add(json.dumps(propose(problem, start)["facts"]))
    assert len(texts) == 1


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
def test_a_bad_start_is_repaired(bias: Any) -> None:
    problem = Problem.ce([(1000, 5), 70, 3], "1/7290", bias=bias)
    rng = np.random.default_rng(0)
    for scale in (0, 1, 5):
        start = BlockPoint(scale * rng.random(3), scale * rng.normal(size=(3, 3)), scale * rng.normal(size=3))
        assert width(propose(problem, start)) < 1e-39


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
def test_narrow_points_give_better_upper_bounds_with_more_width(bias: Any) -> None:
    uppers = []
    for dim in (1, 2, 3, 4):
        certificate = propose(Problem.ce([(9, 2), (4, 3)], "0.03", bias=bias, dim=dim))
        width(certificate)
        uppers.append(Fraction(certificate["bounds"]["upper"]))
    assert uppers[0] >= uppers[1] >= uppers[2] > uppers[3]


def test_free_bias_flows_are_balanced_exactly() -> None:
    problem = Problem.ce([(17, 6), (5, 4), 3], "0.004", bias="free")
    rows = propose(problem)["witness"]["flows"]["rows"]
    m = [c.classes for c in problem.clusters]
    for h in range(3):
        assert sum(m[k] * rows[k][h] for k in range(3)) == sum(m[k] * rows[h][k] for k in range(3))


def test_the_route_expands_clusters_in_class_order() -> None:
    optimum = solve(Problem.ce([4, 9, 4, 9], "0.03", bias="free"))
    assert optimum.contrasts == ("alive", "alive")
    assert optimum.rank == (3, 3)
    Z = optimum.logits
    assert Z[0, 0].overlaps(Z[2, 2])
    assert Z[0, 2].overlaps(Z[2, 0])
    assert not Z[0, 0].overlaps(Z[1, 1])
    for k in range(4):
        assert sum(Z[:, k]).overlaps(arb(0))
        assert (4 * Z[k, 0] + 9 * Z[k, 1] + 4 * Z[k, 2] + 9 * Z[k, 3]).overlaps(arb(0))


def test_the_route_says_why_it_is_silent() -> None:
    optimum = solve(Problem.ce(TWO, "0.0085", dim=2))
    assert optimum.logits is None
    assert "below the certified rank" in optimum.reason
    assert optimum.lower < optimum.upper
    tie = solve(Problem.ce(TWO, "1/111"))
    assert (tie.contrasts, tie.rank) == (("alive", None), (4, 6))
