"""ReLU features: derivations, the catalogue's worked examples, refuted statements and their variants."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from theory.dang_2024_relu import geometry, landscape, limits, logits, optimal_value, sign_constraint, threshold
from theory.dang_2024_relu.settings import ALL_ALIVE, ONE_DEAD, alive_classes
from theory.observables import rational
from theory.problem import Problem
from theory.relu_observables import (
    ERROR,
    class_sum,
    classifier_square,
    feature_square,
    relu_margin,
    relu_parameters,
)
from theory.symbols import n, w
from verify import registry
from verify.balls import precision
from verify.findings import findings_for
from verify.routes import relu_nonconvex, solve
from verify.slacks import slacks

CLAIMS = {identifier: claim for identifier, claim in registry.load().items() if identifier.startswith("DA24")}
REFUTED = [(claim, mutant) for claim in CLAIMS.values() if claim.status == "refuted" for mutant in claim.mutants]


def per_class(problem, term):
    common = relu_parameters(problem)
    values = (
        {n: rational(size), w: rational(weight)} for size, weight in zip(problem.sizes, problem.weights, strict=True)
    )
    return [float(term.subs(own).subs(common)) for own in values]


def number(problem, term):
    return float(term.subs(relu_parameters(problem)))


def test_the_whole_catalogue_is_registered():
    assert list(CLAIMS) == [f"DA24-{i:02d}" for i in range(1, 21)]
    assert {claim.id for claim in CLAIMS.values() if claim.status == "refuted"} == {"DA24-14", "DA24-17"}


def test_six_slacks_add_up_and_none_is_negative():
    rng = np.random.default_rng(3)
    for problem in (ALL_ALIVE, replace(ONE_DEAD, dim=2)):
        W, H = rng.normal(size=(problem.K, problem.dim)), abs(rng.normal(size=(problem.dim, int(problem.N))))
        with precision(200):
            found = slacks(problem, W, H)
            assert found.residual.contains(0)
            assert abs(found.residual) < 1e-50
            assert all(part > 0 for part in found.parts)


def test_worked_example_with_all_classes_alive():
    assert per_class(ALL_ALIVE, ERROR) == pytest.approx([0.089814623902, 0.127017059222, 0.155563491861], abs=1e-12)
    assert per_class(ALL_ALIVE, relu_margin()) == pytest.approx(
        [3.009047657584, 2.620741793272, 2.384762775125], abs=1e-12
    )
    assert per_class(ALL_ALIVE, feature_square()) == pytest.approx(
        [0.818959041422, 1.008723986548, 1.124187953208], abs=1e-12
    )
    assert per_class(ALL_ALIVE, classifier_square()) == pytest.approx(
        [11.055947059197, 6.808886909199, 5.058845789437], abs=1e-11
    )
    assert number(ALL_ALIVE, threshold.CRITICAL) == pytest.approx(0.1089, abs=1e-12)
    assert number(ALL_ALIVE, class_sum(ALL_ALIVE, optimal_value.VALUE)) == pytest.approx(0.424770080780, abs=1e-12)


def test_worked_example_with_a_dead_class():
    assert alive_classes(ONE_DEAD) == ONE_DEAD.dim == 3
    assert number(ONE_DEAD, threshold.CRITICAL) == pytest.approx(1.296, abs=1e-12)
    assert per_class(ONE_DEAD, relu_margin()) == pytest.approx(
        [2.020344924340, 1.580367845458, 1.126812950447, 0], abs=1e-12
    )
    assert per_class(ONE_DEAD, feature_square()) == pytest.approx(
        [0.638889162008, 0.670493292176, 0.617180871049, 0], abs=1e-12
    )
    assert per_class(ONE_DEAD, classifier_square()) == pytest.approx(
        [6.388891620075, 3.724962734308, 2.057269570162, 0], abs=1e-11
    )
    assert number(ONE_DEAD, class_sum(ONE_DEAD, optimal_value.VALUE)) == pytest.approx(1.038980456169, abs=1e-12)


@pytest.mark.parametrize(
    ("problem", "bound", "found", "keep"),
    [
        (landscape.NARROW, 0.082656157485, 0.157835339960, 0.421308201212),
        (landscape.FEWER[0], 0.313496602088, 0.522566823675, 0.575201830948),
        (landscape.FEWER[1], 0.388535139343, 0.621546965610, 0.625227522452),
        (landscape.FEWER[2], 0.117843338150, 0.207439840606, 0.274341701723),
        (landscape.FEWER[3], 0.048963655582, 0.153610941710, 0.717629008351),
        (landscape.FEWER[4], 0.053173326912, 0.078688586502, 0.318579289049),
    ],
    ids=["2 2 2", "1 1 1 at .03", "1 1 1 at .04", "3 2 1", "1 1 1 1", "2 1 1 1"],
)
def test_too_few_dimensions(problem, bound, found, keep):
    (reading,) = landscape.keep_readings(relu_nonconvex.solve(problem, starts=40))
    assert number(problem, reading[landscape.total]) == pytest.approx(bound, abs=1e-12)
    assert number(problem, reading[landscape.keep]) == pytest.approx(keep, abs=1e-12)
    assert float(reading[landscape.best]) == pytest.approx(found, abs=1e-9)


def test_levels_of_the_example():
    levels = {
        round(number(ALL_ALIVE, landscape.kept_value(ALL_ALIVE, kept)), 6)
        for kept in ([0, 1, 2], [0, 1], [0, 2], [0], [1])
    }
    assert {0.424770, 0.526324, 0.596559, 0.698113} <= levels


def test_margin_of_the_evaluation_code():
    code = sp.log((sp.Symbol("K", positive=True) - 1) * (1 / logits.CODE - 1))
    wrong, true = [7.295343, 6.948207, 6.600838], [7.956877, 7.610013, 7.263029]
    halved = Problem.ce([40, 20, 10], "15e-5", "1e-5", model="ce-relu")
    assert per_class(halved, code) == pytest.approx(wrong, abs=1e-6)
    assert per_class(replace(halved, lambda_h=10 * halved.lambda_h), code) == pytest.approx(wrong, abs=1e-6)
    assert per_class(logits.PUBLISHED, relu_margin()) == pytest.approx(true, abs=1e-6)
    assert per_class(halved, relu_margin()) == pytest.approx([8.650375, 8.303656, 7.956877], abs=1e-6)


def test_onset_is_linear():
    problem = limits.onset(ONE_DEAD, 1000)
    margin = per_class(problem, relu_margin())[-1]
    assert margin / (problem.K / 2 / 1000) == pytest.approx(0.9988, abs=5e-5)


@pytest.mark.parametrize(("claim", "mutant"), REFUTED, ids=lambda item: getattr(item, "id", None) or item.text)
def test_variants_of_refuted_statements_are_refuted_too(claim, mutant):
    findings = findings_for(claim.mutated(mutant), mutant.problem, "nonconvex", 0, frozenset())
    assert "violated" in {finding.outcome for finding in findings}


def test_free_bias_moves_the_threshold_of_total_collapse():
    states = [
        next(threshold.bias_readings(solve("nonconvex", threshold.FREE.at(x2))))[threshold.dead]
        for x2 in ("2.57", "2.59")
    ]
    assert states == [False, True]


def test_sign_constraint_window():
    problem = sign_constraint.WINDOW
    assert alive_classes(problem) == 0
    assert solve("convex", problem).lower < sp.log(3).evalf() - sp.Float("1e-3")


def test_balanced_rows_are_a_simplex_frame_and_features_are_not():
    optimum = solve("enclosure", geometry.BALANCED)
    rows, features = optimum.gram_classifier, optimum.gram_features
    assert float(rows[0, 1] / rows[0, 0]) == pytest.approx(-1 / 2, abs=1e-12)
    assert abs(float(features[0, 1])) < 1e-12
