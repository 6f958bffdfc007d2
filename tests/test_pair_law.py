"""The pair law (NR26-24): at stationary points found by descent, at proved optima, on both sides of the level."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import scipy.optimize

from theory.new_results.pair_law import level
from theory.problem import Problem
from verify.routes import solve
from verify.routes.nonconvex import Landscape

SEED = 24


def stationary(problem, rng):
    """Logits with bias at a point where a descent from a random start ends."""
    landscape = Landscape(problem)
    start = rng.normal(size=landscape.size)
    end = scipy.optimize.minimize(
        landscape.value, start, jac=True, method="L-BFGS-B", options={"maxiter": 20000, "ftol": 1e-16, "gtol": 1e-10}
    )
    assert np.abs(end.jac).max() < 1e-6
    point = landscape.point(end.x)
    means = np.stack([point.H[:, landscape.labels == k].mean(axis=1) for k in range(problem.K)], axis=1)
    return point.W @ means + point.b[:, None]


@pytest.mark.parametrize("bias", ["none", "free", "1/100", 2])
@pytest.mark.parametrize("dim", [1, 2, 4])
def test_it_holds_where_descents_end_in_every_dimension(bias, dim):
    rng = np.random.default_rng(SEED)
    decided = 0
    for _ in range(3):
        sizes = sorted((int(n) for n in rng.integers(1, 30, 4)), reverse=True)
        problem = Problem.ce(sizes, 1, bias=bias, dim=dim).at(Fraction(int(rng.integers(1, 12) * sizes[0]), 12))
        Z, x2 = stationary(problem, rng), float(problem.x2)
        for i, j in combinations(range(4), 2):
            first, second = Z[i, i] - Z[j, i], Z[j, j] - Z[i, j]
            assert (sizes[i] - x2) * first + (sizes[j] - x2) * second > -1e-4
            assert first + second > -1e-5
            if sizes[j] < sizes[i] and first + second > 1e-3:
                decided += 1
                assert second < 0 or sizes[i] > x2
                assert first > 0 or sizes[j] > x2
    assert decided or bias == "none"


@pytest.mark.parametrize("sizes", [[9, 7, 5, 2], [30, 11, 10, 4, 3], [8, 4, 3]])
@pytest.mark.parametrize("factor", ["1", "1.000001", "1.1"])
def test_at_most_one_class_at_or_below_the_level_is_right(sizes, factor):
    problem = Problem.ce(sizes, 1).at(sizes[1] * Fraction(factor))
    Z = solve("enclosure", problem).logits
    lost = [k for k in range(2, len(sizes)) if any(Z[j, k] > Z[k, k] for j in range(k))]
    assert lost == list(range(2, len(sizes)))


@pytest.mark.parametrize(("x2", "wins"), [("4.99", True), (5, True), ("5.5", False), (6, False), ("6.01", False)])
def test_a_class_is_lost_at_the_latest_where_the_next_larger_size_is_reached(x2, wins):
    """Sizes 6 and 5: the smaller one is safe up to x^2 = 5 and lost before 6."""
    Z = solve("enclosure", Problem.ce([14, 6, 5, 1], 1).at(x2)).logits
    margin = Z[2, 2] - Z[1, 2]
    assert (margin > 0) is wins
    assert (margin < 0) is not wins


def test_the_level_counts_weights_decays_and_smoothing():
    plain = Problem.ce([9, 4], 1).at(3)
    assert level(plain) == 3
    assert level(Problem.ce([9, 4], 1, weights=[2, 2]).at(3)) == Fraction(3, 4)
    assert level(plain.with_loss("ce", smoothing="1/2")) == 12
    assert level(plain.with_loss("ce", loss_temperature=2)) == 12
    assert level(plain.with_loss("ce", feature_decay=[2, 2], row_decay=[5, 5])) == 30
