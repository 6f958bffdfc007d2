"""The claims behind the page on cures: their numbers against independent linear algebra, their readers, loss checks."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from theory import losses
from theory.conjectures import (
    hinge_collapse,
    hinge_limit,
    knob_equivalences,
    one_vs_rest_limit,
    sparsemax_path,
    vanishing_decay,
)
from theory.loss_check import broken_promise
from theory.problem import Problem
from verify.routes import solve

PAIR = Problem.ce([(9, 2), (4, 2)], 1)


def root_of(matrix, power):
    values, vectors = np.linalg.eigh(matrix)
    values = np.where(values > 1e-9, values, 1) ** power * (values > 1e-9)
    return (vectors * values) @ vectors.T


@pytest.mark.parametrize("seed", range(5))
def test_max_margin_with_multipliers_has_positive_multipliers(seed):
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 400, size=5)
    decays = [Fraction(int(v), 7) for v in random.integers(1, 70, size=5)]
    problem = Problem.ce([int(n) for n in sizes], 1).with_loss(row_decay=decays)
    value, R = vanishing_decay.max_margin(problem, 1.0)
    s = np.array(decays, dtype=float)
    unit = np.sqrt(s / s.sum())
    middle = (np.eye(5) - np.outer(unit, unit)) @ np.diag(s * sizes) @ (np.eye(5) - np.outer(unit, unit))
    assert value == pytest.approx(np.trace(root_of(middle, 0.5)))
    np.testing.assert_allclose(R, np.sqrt(np.outer(s, s)) * root_of(middle, -0.5), atol=1e-9)
    np.testing.assert_allclose(R.sum(axis=0), 0, atol=1e-9)
    assert R[~np.eye(5, dtype=bool)].max() < 0


def test_bounds_of_vanishing_decay_tell_wrong_limits_apart():
    optimum = solve("enclosure", PAIR.with_loss(row_decay=[(1, 2), (3, 2)]).at("1e-6"))
    (reading,) = vanishing_decay.margin_readings(optimum)
    assert reading[vanishing_decay.least] < reading[vanishing_decay.t]
    assert reading[vanishing_decay.loss] < reading[vanishing_decay.level] < 0
    assert reading[vanishing_decay.least] > float(reading[vanishing_decay.t]) - 3


def test_feature_decay_makes_equal_classes_of_a_long_tail():
    problem = Problem.ce([500, 50, 5], 1).with_loss(feature_decay=["1/500", "1/50", "1/5"])
    (found,) = knob_equivalences.disguised(problem)
    assert found.sizes == [1, 1, 1]
    assert found.key == "ce"
    assert [n * w / found.N for n, w in zip(found.sizes, found.weights, strict=True)] == [
        n / problem.N for n in (500, 50, 5)
    ]


def test_hinge_sits_at_the_max_margin_value_until_the_first_class_lets_go():
    size, R = vanishing_decay.max_margin(PAIR, 1.0)
    last = 1 / R.diagonal().max()
    for share, exact in ((0.9, True), (1.1, False)):
        problem = PAIR.with_loss("hinge").at(Fraction(share * last) ** 2)
        (reading,) = hinge_limit.hinge_readings(solve("convex", problem))
        value = float(reading[hinge_limit.F])
        assert reading[hinge_limit.held] is exact
        assert bool(abs(value - share * last * size / 26) < 1e-7) is exact


@pytest.mark.parametrize(("share", "state"), [(0.9, True), (1.01, None), (1.2, False)])
def test_a_class_that_hardly_counts_lets_go_unseen(share, state):
    base = Problem.ce([(10**4, 2), 1], 1).with_loss("hinge")
    last = 1 / vanishing_decay.max_margin(base, 1.0)[1].diagonal().max()
    problem = base.at(Fraction(share * last) ** 2)
    later = tuple(solve("convex", other) for other in hinge_limit.further(problem))
    (reading,) = hinge_limit.hinge_readings(replace(solve("convex", problem), companions=later))
    assert reading[hinge_limit.held] is (share < 1)
    assert reading[hinge_limit.dead] is state


def test_sparsemax_tells_no_side_within_8_digits_of_the_threshold():
    for square, state in (("3.999", True), ("4.00000001", None), ("4.001", False)):
        problem = sparsemax_path.SPARSE.at(square)
        later = tuple(solve("enclosure", other) for other in sparsemax_path.just_above(problem))
        (reading,) = sparsemax_path.sparse_readings(replace(solve("enclosure", problem), companions=later))
        assert reading[sparsemax_path.dead] is state
        assert (sparsemax_path.F in reading) is (square == "3.999")


def test_the_exponential_loss_tends_to_the_same_signs():
    """The kernel has no conjugate of it, so it is no setting of the claim."""
    problem = Problem.ce([(9, 2), 1], 1, weights=[(1, 2), 3]).with_loss("ovr-exp").at("1e-4")
    assert one_vs_rest_limit.signs.applies(problem)
    (reading,) = one_vs_rest_limit.sign_readings(solve("convex", problem))
    assert 0 < reading[one_vs_rest_limit.least] < reading[one_vs_rest_limit.t]
    assert reading[one_vs_rest_limit.loss] < reading[one_vs_rest_limit.level]


def test_lengths_of_rows_follow_the_row_decay_alone():
    point = solve("nonconvex", Problem.ce([4, 1], 1).with_loss(scaling=1).at("1/4")).point
    W = point.W
    assert np.linalg.norm(W[1]) / np.linalg.norm(W[0]) == pytest.approx(1 / 4, rel=1e-5)  # 1/16 with the scaling


def test_a_budget_above_the_critical_one_leaves_room_for_other_factors():
    problem = Problem.peeled([4, 4, 1], 4, 4).with_loss(smoothing="1/5")
    frame = np.log(1 + 3 * 0.8 / 0.2) * (np.eye(3) - 1 / 3)
    tilt = np.array([[1.1, 0.2, 0.0], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0]])
    values = [problem.objective(W, np.linalg.inv(W) @ frame) for W in (np.eye(3) * 1.6, tilt * 1.6)]
    assert values == pytest.approx([float(solve("enclosure", problem).upper)] * 2, abs=1e-12)


def test_hinge_collapse_of_equal_classes_is_all_or_nothing():
    from verify.loss_rules import collapse_square

    assert collapse_square(Problem.ce([(8, 4)], 1).with_loss("hinge"), 10) == (Fraction(128, 9),) * 2
    _, R = vanishing_decay.max_margin(Problem.ce([(8, 4)], 1), 1.0)
    assert (1 / R[0, 0]) ** 2 == pytest.approx(128 / 9)
    for square, state in ((25, False), (27, True), (26 - Fraction(1, 10**9), None)):  # 26 is the threshold
        problem = hinge_collapse.EXACT.at(square)
        below = tuple(solve("convex", other) for other in hinge_collapse.just_below(problem))
        (reading,) = hinge_collapse.zero_readings(replace(solve("convex", problem), companions=below))
        assert reading[hinge_collapse.dead] is state


def test_sparsemax_is_linear_in_the_decay():
    optimum = solve("enclosure", sparsemax_path.SPARSE_MANY.at(1))
    found = np.array([[float(p.mid()) for p in row] for row in optimum.facts["predictions"]])
    centring = np.eye(4) - 0.25
    root = root_of(centring @ np.diag([14.0, 6, 5, 1]) @ centring, -0.5)
    np.testing.assert_allclose(found, np.eye(4) - root, atol=1e-9)


@pytest.mark.parametrize("spec", list(losses.NAMES))
def test_shipped_losses_keep_their_promises(spec):
    assert broken_promise(losses.find(spec)) == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"gradient": lambda U, Y: U}, "gradient is not the derivative"),
        ({"value": lambda U, Y: U}, "value has the shape (4, 12)"),
        ({"value": lambda U, Y: np.full(U.shape[1], np.inf)}, "not finite"),
        ({"shift_invariant": True}, "adding a constant"),
    ],
)
def test_a_loss_that_breaks_its_promise_is_refused(change, says):
    wrong = replace(losses.find("ovr"), **change)
    assert says in broken_promise(wrong)
    with pytest.raises(ValueError, match="loss: wrong-one"):
        losses.register("wrong-one", lambda _: wrong)


def test_a_loss_that_is_not_convex_must_say_so():
    assert "not convex" in broken_promise(replace(losses.find("focal:2"), convex=True))
    assert "a potential is named" in broken_promise(replace(losses.find("poly1:1"), potential="mine"))
