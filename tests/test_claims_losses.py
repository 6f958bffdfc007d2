"""Claims on losses and knobs: derivations, hypotheses, worked numbers, both sides of thresholds, refuted beliefs."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from theory.beliefs import knobs as beliefs
from theory.conjectures import single_crossing
from theory.loss_observables import THRESHOLD, loss_cluster_readings, loss_values, zero_states
from theory.new_results import (
    class_weights,
    complete_collapse,
    exact_frame,
    merging_law,
    norm_constrained,
    relu_losses,
    universality,
)
from theory.objectives import loss_terms
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, dead, n, p, q
from verify import registry
from verify.balls import ball, precision
from verify.findings import findings_for
from verify.routes import solve

IDS = (
    *(f"NR26-{number:02}" for number in range(1, 16)),
    *("XP26-12", "CJ26-06", "CJ26-07", "RF26-04", "RF26-07", "RF26-13"),
)
CLAIMS = {identifier: claim for identifier, claim in registry.load().items() if identifier in IDS}
REFUTED = [claim for claim in CLAIMS.values() if claim.status == "refuted"]


def states(problem, route="enclosure"):
    return solve(route, problem).contrasts


def test_every_claim_is_there():
    assert set(CLAIMS) == set(IDS)


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=lambda claim: claim.id)
def test_settings_satisfy_the_hypotheses_and_dropped_problems_violate_theirs(claim):
    assert claim.applies(claim.witness)
    assert all(claim.applies(problem) for problem in claim.settings)
    for hypothesis in claim.hypotheses:
        if isinstance(hypothesis.dropped, Problem):
            assert not hypothesis.holds(hypothesis.dropped)


@pytest.mark.parametrize("claim", REFUTED, ids=lambda claim: claim.id)
def test_beliefs_are_refuted_by_the_kernel(claim):
    found = findings_for(claim, claim.witness, "enclosure", 0, frozenset())
    assert [finding.outcome for finding in found] == ["violated"]


# --- NR26-02, NR26-03 --------------------------------------------------------------------------------------------


def test_merging_law_worked_example():
    problem = merging_law.EXAMPLE.at("3.189375")
    reading = list(loss_cluster_readings(solve("enclosure", problem)))[1]
    with precision(200):
        assert abs(float(ball(THRESHOLD, reading)) - 3.571764269937) < 1e-12
    assert abs(float(reading[p] - reading[q]) - 0.45) < 1e-12
    assert abs(float(solve("enclosure", problem).upper) - 1.51200758236) < 1e-11


@pytest.mark.parametrize("base", [merging_law.SQUARED, merging_law.SPARSE, merging_law.SINGLE, merging_law.SHIFTED])
def test_both_sides_of_the_merging_threshold(base):
    reading = list(loss_cluster_readings(solve("exact", base)))[1]
    square = Fraction(str(sp.nsimplify(THRESHOLD.subs(reading) ** 2)))
    assert states(base.at(square * Fraction(99, 100)))[1] == "alive"
    assert states(base.at(square * Fraction(101, 100)))[1] == "dead"


def test_a_knob_alone_is_read_under_its_own_name():
    (reading,) = merging_law.knob_readings(solve("exact", merging_law.WEIGHTED.at(3)))
    assert reading[merging_law.weight_only] == 3
    (reading,) = merging_law.knob_readings(solve("exact", merging_law.LONE.at(3)))
    assert (reading[merging_law.copies], reading[merging_law.n_once], reading[merging_law.N_once]) == (4, 1, 11)


# --- NR26-05, NR26-06 --------------------------------------------------------------------------------------------


def test_norm_of_three_classes():
    root = complete_collapse.norm_square(Problem.ce([10, 4, 1], 1), complete_collapse.norm2)
    exact = 5 + sp.sqrt(7)
    assert root.lower < exact < root.upper
    assert sp.expand(root.equation.subs(root.unknown, exact)) == 0
    assert complete_collapse.norm_square(Problem.ce([12, 7, 4], 1), complete_collapse.norm2) == 10


@pytest.mark.parametrize(("base", "square"), [(complete_collapse.THREE.with_loss(smoothing="1/10"), "8.1")])
@pytest.mark.parametrize("route", ["enclosure", "convex", "nonconvex"])
def test_both_sides_of_complete_collapse(base, square, route):
    critical = Fraction(square)
    below, above = (
        solve(route, base.at(critical * factor)) for factor in (Fraction(97, 100) ** 2, Fraction(103, 100) ** 2)
    )
    assert [zero_states(below)[dead], zero_states(above)[dead]] == [False, True]


def test_norm_agrees_with_floats_for_mixed_knobs():
    problem = complete_collapse.MIXED
    root = complete_collapse.norm_square(problem, complete_collapse.norm2)
    Y = np.array([[float(y) for y in column] for column in problem.target_columns]).T
    B = (Y - 1 / 3) * np.sqrt([6.0, 7.0, 4.0]) / np.sqrt([[1.0], [1.0], [4.0]])
    value = np.linalg.norm(B, 2) ** 2
    low, high = (root.lower, root.upper) if hasattr(root, "lower") else (root, root)
    assert float(low) - 1e-9 <= value <= float(high) + 1e-9


def test_closed_equation_of_balanced_softmax():
    root = complete_collapse.secular_root(
        [sp.Integer(20)] + [sp.Integer(5)] * 3, [sp.Integer(20)] + [sp.Integer(5)] * 3, K
    )
    assert root == sp.Rational(4 * 20 * 5, 35)


# --- NR26-07 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([(300, 3), (12, 4)], (0.00365411562778, 0.00824786098842, 0.0122757154035, 0.0151934281366)),
        ([(60, 2), (6, 10)], (0.0136082763, 0.0107582871, None, 0.0250082335)),
    ],
)
def test_first_merging_of_weight_schemes(counts, expected):
    (reading,) = class_weights.scheme_readings(solve("exact", Problem.ce(counts, "1/100")))
    known = reading | {
        class_weights.K_inverse: reading[K],
        class_weights.N_balanced: reading[class_weights.N_plain],
        class_weights.root_sum: reading[class_weights.roots],
    }
    for formula, value in zip(class_weights.FIRST.values(), expected, strict=True):
        exact = formula.subs({symbol: known[symbol] for symbol in formula.free_symbols})
        assert value is None or abs(float(exact) - value) < 1e-10


def test_inverse_frequency_merges_the_majority_first():
    base = class_weights.weighted(class_weights.WORSE, [1 / size for size in class_weights.WORSE.sizes])
    between = (Fraction(17, 3) ** 2 / 9 + 4) / 2
    assert states(base.at(between)) == ("dead", "alive")
    assert states(class_weights.WORSE.at(between)) == ("alive", "alive")


# --- NR26-09 to NR26-15 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "frame"),
    [
        (exact_frame.BOTH, True),
        (exact_frame.INVERSE, False),
        (exact_frame.DECAY_ONLY, False),
        (exact_frame.ROOT, False),
    ],
)
def test_only_both_cures_give_the_frame(problem, frame):
    (reading,) = exact_frame.frame_readings(solve("enclosure", problem))
    assert reading[dead] is frame


def test_saturation_constants():
    with precision(200):
        values = {K: sp.Integer(6), norm_constrained.eps: sp.Rational(3, 20)}
        assert abs(float(ball(norm_constrained.LEVEL, values)) - 3.55534806149) < 1e-11
        assert abs(float(ball(norm_constrained.BUDGET, values)) - 17.7767403074) < 1e-10


@pytest.mark.parametrize(("size", "state"), [(6, "alive"), (3, "dead"), (2, "dead")])
def test_smoothing_kills_relu_classes_earlier(size, state):
    problem = Problem.ce([6, 3, 2], 1, model="ce-relu").with_loss(smoothing="1/2").at("4/5")
    found = dict(zip((int(c.size) for c in problem.clusters), states(problem), strict=True))
    assert found[size] == state  # (1 - eps)^2 n <= 1.2


def test_hinge_is_all_or_nothing():
    margins = {}
    for reading in relu_losses.general_readings(solve("exact", relu_losses.HINGE)):
        observed = reading[relu_losses.hinge_dead if reading[dead] else relu_losses.hinge_alive]
        margins[int(reading[n])] = float(observed)
    assert margins == pytest.approx({9: 1, 5: 1, 2: 0}, abs=1e-12)  # zero iff n <= x^2 (K - 1)/K = 8/3


@pytest.mark.parametrize("problem", [merging_law.EXAMPLE.at(2), merging_law.SQUARED.at(1)])
def test_losses_in_balls_agree_with_the_objective(problem):
    optimum = solve("enclosure", problem)
    Z = np.array([[float(z) for z in row] for row in optimum.logits])
    direct = loss_terms(problem, Z, np.arange(problem.K))[0]
    assert np.allclose([float(value) for value in loss_values(optimum)], direct, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("along", "expected"),
    [("ssmms", [2]), ("mssmm", [2]), ("msssm", [2]), ("sssmm", [1]), ("sssss", []), ("ss?mm", [])],
)
def test_a_cluster_that_separates_again_is_not_passed_over(along, expected):
    meaning = {"s": "alive", "m": "dead", "?": None}
    problem = CLAIMS["CJ26-06"].witness
    points = tuple(
        Optimum(other, "exact", contrasts=(meaning[mark],) * len(other.clusters))
        for mark, other in zip(along, single_crossing.grid(problem), strict=True)
    )
    readings = single_crossing.change_readings(Optimum(problem, "exact", companions=points))
    clusters = [cluster for cluster in problem.clusters if cluster.classes > 1]
    assert [reading[single_crossing.changes] for reading in readings] == expected * len(clusters)


def test_bracket_of_margins():
    assert universality.bracket(universality.MARGIN, 2)[1] < 2
    assert universality.bracket(universality.POLY, 2) == (1, sp.Rational(3, 2))


# --- RF26 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adjustment", [0, 1])
@pytest.mark.parametrize(("square", "state"), [("4.802", "alive"), ("5.202", "dead")])
def test_logit_adjustment_does_not_move_merging(adjustment, square, state):
    assert states(beliefs.SIZES.with_loss(adjustment=adjustment).at(square))[1] == state


def test_smoothing_merges_what_one_hot_labels_separate():
    assert states(beliefs.SMOOTH)[1] == "dead"
    assert states(beliefs.SMOOTH.with_loss())[1] == "alive"


@pytest.mark.parametrize(
    ("margin", "ratio", "state"),
    [
        (2, "1.2", "alive"),
        (12, "1.2", "alive"),
        (2, "1.5", "dead"),
        (12, "1.5", "alive"),
        (2, "1.9", "dead"),
        (12, "1.9", "dead"),
    ],
)
def test_margins_gain_less_than_a_factor_two(margin, ratio, state):
    base = Problem.ce([(25, 3), (4, 2)], 1).with_loss(f"margin:{margin}")
    assert states(base.at(4 * Fraction(ratio) ** 2))[1] == state
