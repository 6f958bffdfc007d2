"""Cross-entropy with several layers, and refuted statements on deep linear networks: printed numbers, both sides."""

from dataclasses import replace

import numpy as np
import pytest

from theory.claim import Mutant
from theory.dang_2023_deep_linear import (
    cross_entropy,
    etf_refuted,
    landscape,
    largest_root,
    length_constant,
    projector_refuted,
    settings,
)
from theory.deep_observables import polytope_objective
from theory.problem import Problem
from verify.balls import ball, precision, resolve
from verify.findings import findings_for
from verify.routes import solve
from verify.routes.mse_nonconvex import solve as descend

REFUTED = (
    etf_refuted.frames_optimal,
    length_constant.equal_decays,
    projector_refuted.unique,
    largest_root.recipe,
)
VARIANTS = [(claim, mutant) for claim in REFUTED for mutant in claim.mutants]
ROUTES = ("enclosure", "exact", "nonconvex")


def outcomes(claim, problem, route="enclosure"):
    return [finding.outcome for finding in findings_for(claim, problem, route, 0, frozenset())]


@pytest.mark.parametrize(("claim", "mutant"), VARIANTS, ids=lambda item: getattr(item, "id", None) or item.text)
def test_variants_of_refuted_statements_are_refuted_too(claim, mutant):
    assert any("violated" in outcomes(claim.mutated(mutant), mutant.problem, route) for route in ROUTES)


@pytest.mark.parametrize(
    "problem", [etf_refuted.FRAMES, *etf_refuted.COUNTEREXAMPLES], ids=lambda p: f"{p.K} {p.depth}"
)
def test_codes_beat_frames(problem):
    assert outcomes(etf_refuted.frames_optimal, problem) == ["violated", "violated"]


@pytest.mark.parametrize("problem", etf_refuted.FRAME_WINS, ids=lambda p: f"{p.K} {p.depth}")
def test_no_refutation_where_no_better_code_is_known(problem):
    assert outcomes(etf_refuted.frames_optimal, problem) == ["holds", "holds"]


def test_two_classes_are_outside_the_refuted_statement():
    assert not etf_refuted.frames_optimal.applies(etf_refuted.equal(2, 4, "0.12"))
    assert "violated" not in outcomes(etf_refuted.frames_optimal, etf_refuted.equal(2, 4, "0.12"))


def test_at_one_layer_the_frame_beats_the_cross_polytope():
    problem = Problem.ce([(1, 4)], "0.02")
    best = float(solve("enclosure", problem).upper)
    assert best == pytest.approx(0.292884, abs=1e-6)
    known = etf_refuted.deep_parameters(problem)
    values = [float(polytope_objective().subs(known | {etf_refuted.c: c}).evalf()) for c in np.linspace(2, 6, 401)]
    assert min(values) == pytest.approx(0.335888, abs=1e-5)


@pytest.mark.parametrize(
    ("classes", "depth", "cross_wins"), [(4, 2, False), (4, 3, True), (6, 2, True), (8, 2, True), (4, 5, True)]
)
@pytest.mark.parametrize("price", ["1/100000", "1/100000000000000000000"])
def test_which_shape_wins_at_small_decay(classes, depth, cross_wins, price):
    facts = solve("enclosure", etf_refuted.equal(classes, depth, price)).facts
    assert (facts["cross_value"] < facts["frame_value"]) is cross_wins
    assert bool(etf_refuted.PREFERENCE.subs({etf_refuted.K: classes, etf_refuted.M: depth}) < 1) is cross_wins


def test_the_largest_root_of_the_frame_equation():
    (reading,) = cross_entropy.frame_readings(solve("enclosure", cross_entropy.FRAMES))
    with precision(200):
        found = resolve(reading)
    assert float(found[cross_entropy.a]) == pytest.approx(4.652516062115, abs=1e-12)
    assert float(reading[cross_entropy.frame_value]) == pytest.approx(0.287047326377, abs=1e-12)


def test_one_layer_and_many_layers_are_told_apart():
    assert cross_entropy.balanced.applies(cross_entropy.BALANCED)
    assert not cross_entropy.balanced.applies(cross_entropy.FRAMES)
    assert not cross_entropy.restricted.applies(cross_entropy.BALANCED)
    assert outcomes(cross_entropy.restricted, cross_entropy.WINDOW) == ["holds", "holds"]


@pytest.mark.parametrize("problem", [length_constant.UNEQUAL, length_constant.THREE, length_constant.EVEN])
@pytest.mark.parametrize("route", ROUTES)
def test_the_law_of_the_lengths(problem, route):
    law = length_constant.equal_decays.mutated(Mutant("", relations=length_constant.LAW))
    assert set(outcomes(law, problem, route)) == {"holds"}
    expected = "holds" if problem == length_constant.EVEN else "violated"
    assert set(outcomes(length_constant.equal_decays, problem, route)) == {expected}


def test_the_recipe_on_the_published_example():
    reading = next(largest_root.recipe_readings(solve("enclosure", settings.WINDOW)))
    with precision(200):
        found = resolve(reading)
        value = float(ball(found[largest_root.total], found))
    roots = [float(found[largest_root.mode_symbols(i)[0]]) for i in range(2)]
    np.testing.assert_allclose(roots, [0.637479550, 0.437984400], atol=1e-9)
    assert value == pytest.approx(0.4565143146322, abs=1e-13)
    assert float(found[largest_root.F]) == pytest.approx(0.4460674440488, abs=1e-13)


@pytest.mark.parametrize(
    ("problem", "recipe", "truth"),
    [
        (largest_root.PRINTED, 0.420312245660, 0.408271903266),
        (largest_root.CLOSE, 0.398266968538, 0.398225056594),
        (settings.EXAMPLE, 0.427904154285, 0.409074917004),
    ],
)
def test_the_recipe_costs(problem, recipe, truth):
    reading = next(largest_root.recipe_readings(solve("enclosure", problem)))
    with precision(200):
        found = resolve(reading)
        assert float(ball(found[largest_root.total], found)) == pytest.approx(recipe, abs=1e-12)
    assert float(found[largest_root.F]) == pytest.approx(truth, abs=1e-12)


def test_the_recipe_is_right_outside_the_window():
    for problem in (settings.DEEP, settings.SHALLOW, settings.SHALLOW_DEAD):
        assert set(outcomes(largest_root.recipe, problem)) == {"holds"}


@pytest.mark.parametrize("dim", [1, 2])
def test_any_projector_is_a_minimiser(dim):
    problem = replace(settings.BALANCED, dim=dim)
    optimum = solve("nonconvex", problem)
    Z = optimum.point.W @ np.stack([optimum.point.H[:, 4 * k : 4 * k + 4].mean(axis=1) for k in range(3)], axis=1)
    p = np.trace(Z) / dim
    np.testing.assert_allclose(Z @ Z, p * Z, atol=1e-6)
    found = [findings_for(projector_refuted.unique, problem, route, 0, frozenset()) for route in ROUTES]
    assert any(f.outcome == "violated" for findings in found for f in findings)


@pytest.mark.parametrize("problem", [settings.WINDOW, settings.EXAMPLE, settings.FOUR])
def test_descents_end_on_levels(problem):
    levels = set()
    for reading in landscape.level_readings(solve("exact", problem)):
        if landscape.level in reading:
            with precision(128):
                found = resolve(reading)
                levels.add(round(float(ball(found[landscape.level], found)), 9))
    work = descend(problem, starts=40, seed=3).work
    whole = problem != settings.FOUR  # there a level may hold one of two equal classes, which no set of clusters does
    ends = [min(abs(value - level) for level in levels) for value in work["values"]]
    assert sum(end > 1e-7 for end in ends) == 0 if whole else min(ends) < 1e-7
    assert 0 < work["hits"] < 40


def test_the_origin():
    states = [landscape.rises(p) for p in (settings.DEEP, settings.FOUR, settings.SHALLOW, settings.DEAD)]
    assert states == [True, True, False, True]
    tie = Problem.mse([16, 4], "1/5", "1/5")
    assert tie.N**2 * tie.product == 16
    assert landscape.rises(tie)
    assert not landscape.rises(replace(tie, lambda_h=tie.lambda_h * (1 - tie.lambda_h / 10**6)))
