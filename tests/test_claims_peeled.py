"""Layer-peeled model: derivations, worked numbers, both thresholds and their limits, refuted statements."""

from dataclasses import replace

import pytest
import sympy as sp

from theory.fang_2021_layer_peeled import (
    critical_ratio,
    critical_ratio_growth,
    infinite_ratio,
    minority_vanishes,
    oversampling,
    tightness,
    two_groups,
)
from theory.fang_2021_layer_peeled.settings import BOTH_LIVE, COLLAPSED, VANISHED, WEIGHTED, step, with_budget
from theory.peeled_observables import (
    R,
    T,
    budget_parameters,
    entry_readings,
    group_readings,
    groups,
    merged,
    minority_zero,
    nu,
    ww_A,
    ww_AA,
    ww_AB,
    ww_B,
    ww_BB,
    z_own,
    z_wrong,
)
from theory.problem import Problem
from theory.symbols import F, K, N, a, b, dead, kA, kB, mu, n, tA, tB
from verify import registry
from verify.balls import ball, precision, resolve
from verify.findings import findings_for
from verify.routes import solve

CLAIMS = {identifier: claim for identifier, claim in registry.load().items() if identifier.startswith("FA21")}
REFUTED = [claim for claim in CLAIMS.values() if claim.status == "refuted"]


def solution(majority, minority, budget):
    with precision(200):
        known = resolve(
            {kA: sp.Integer(majority), kB: sp.Integer(minority), T: sp.Rational(budget)}
            | {critical_ratio.t0: critical_ratio.root_t0()}
        )
        return {
            "R": float(ball(critical_ratio.ratio_at(), known)),
            "a": float(ball(critical_ratio.gap_a(), known)),
            "s": float(ball(critical_ratio.gap_s(), known)),
            "t": float(ball(critical_ratio.t0, known)),
        }


def reading_of(problem, route="enclosure"):
    with precision(320):
        return next(group_readings(solve(route, problem)))


def numbers(reading, *symbols):
    return [float(reading[symbol]) for symbol in symbols]


def test_the_whole_paper_is_registered():
    assert set(CLAIMS) == {f"FA21-{i:02d}" for i in range(1, 12)} | {f"FA21-R{i}" for i in range(1, 6)}
    assert {claim.id for claim in REFUTED} == {f"FA21-R{i}" for i in range(1, 6)}


@pytest.mark.parametrize("route", ["enclosure", "exact", "nonconvex", "convex"])
def test_worked_example_with_all_gaps_alive(route):
    reading, tolerance = reading_of(BOTH_LIVE, route), 1e-11 if route in ("enclosure", "exact") else 1e-5
    assert numbers(reading, a, b, tA, tB, F) == pytest.approx(
        [1.65544578395, 0.628738320777, 0.388571705578, 0.491946846560, 0.743740835402], abs=tolerance
    )
    assert numbers(reading, ww_A, ww_B, ww_AA, ww_BB, ww_AB) == pytest.approx(
        [2.49002640829, 1.26496038757, -0.820865159619, 0.00748374601185, -0.424148044526], abs=3 * tolerance
    )
    assert numbers(reading, mu) == pytest.approx([0.837530749915], abs=tolerance)


def test_critical_ratios_of_the_worked_example():
    found = solution(3, 2, 5)
    assert [found[name] for name in "Rast"] == pytest.approx(
        [2.17188298297, 2.04727341403, 0.361360500088, 0.381746189074], abs=1e-10
    )
    known = {T: 5, kA: 3, kB: 2, K: 5}
    assert float(minority_vanishes.vanish_ratio().subs(known)) == pytest.approx(6.61054720631, abs=1e-11)
    assert float(minority_vanishes.CRITICAL_BUDGET.subs(known)) == pytest.approx(5.68938425131, abs=1e-11)


@pytest.mark.parametrize(("ratio", "expected"), [("2.1718829", False), ("2.1718831", True)])
def test_minority_merges_at_the_critical_ratio(ratio, expected):
    assert merged(solve("enclosure", step(3, 2, ratio, "2", "1/2")), [3, 4]) is expected


@pytest.mark.parametrize(("ratio", "expected"), [("6.610547", False), ("6.610548", True)])
def test_minority_vanishes_at_the_second_ratio(ratio, expected):
    assert minority_zero(solve("enclosure", step(3, 2, ratio, "2", "1/2"))) is expected


@pytest.mark.parametrize(("majority", "minority"), [(1, 3), (2, 2), (5, 3)])
def test_critical_ratio_tends_to_one_for_small_budgets_and_grows(majority, minority):
    found = [solution(majority, minority, budget)["R"] for budget in ("1/1000", "1/10", 1, 3, 10)]
    assert 1 < found[0] < 1 + 2e-3
    assert found == sorted(found)
    assert found[-1] < 1 + float(sp.exp(sp.sqrt(2) * 10)) / (majority + minority - 1)


@pytest.mark.parametrize(("majority", "minority", "budget"), [(2, 2, 10), (2, 2, 40), (3, 2, 80), (1, 3, 200)])
def test_large_budget_formula_lies_within_its_bounds(majority, minority, budget):
    with precision(2000):
        known = resolve(
            {kA: sp.Integer(majority), kB: sp.Integer(minority), T: sp.Integer(budget)}
            | {critical_ratio.t0: critical_ratio.root_t0()}
        )
        error = ball(sp.log(critical_ratio.ratio_at()) - critical_ratio_growth.LOG_RATIO, known)
        low, high = ball(critical_ratio_growth.LOW, known), ball(critical_ratio_growth.HIGH, known)
    assert -low <= error <= high
    assert abs(error) < 0.25


def test_cosine_of_full_rows_differs():
    with precision(320):
        (reading,) = two_groups.cosine_readings(solve("enclosure", two_groups.SIX))
    assert numbers(reading, two_groups.cos_classifiers, two_groups.cos_rows) == pytest.approx(
        [0.360211, 0.817761], abs=5e-7
    )


def test_infinite_ratio_is_the_limit_of_large_ratios():
    for share in ("1", "2"):
        far = reading_of(step(3, 2, "100000000", share, share))
        infinite = next(
            infinite_ratio.infinite_readings(solve("enclosure", infinite_ratio.at_infinity(3, 2, share, share)))
        )
        gap = infinite.get(infinite_ratio.a_small, infinite.get(infinite_ratio.a_large))
        assert float(far[a]) == pytest.approx(float(gap), abs=1e-6)


def test_margins_at_a_large_budget():
    problem = with_budget(Problem.peeled([4, 2, 1]), 120)
    with precision(600):
        errors = []
        for reading in entry_readings(solve("enclosure", problem)):
            margin = sp.log(reading[K] * reading[n] / reading[N])
            errors.append(float(reading[z_own] - reading[z_wrong] - ball(margin, {}) + reading[nu].log()))
    assert max(map(abs, errors)) < 3 / 120
    assert max(map(abs, errors)) > 1e-6


def test_copies_and_weights_are_the_same_problem():
    copied = replace(step(3, 2, "3/2", "2", "1/2"))
    assert float(reading_of(WEIGHTED)[a]) == pytest.approx(float(reading_of(copied)[a]), abs=1e-12)
    restored = solve("enclosure", oversampling.RESTORED)
    assert len(groups(oversampling.RESTORED)) == 1
    margin = float(sp.sympify(budget_parameters(oversampling.RESTORED)[T]) / 4)
    assert float(restored.logits[0, 0] - restored.logits[4, 0]) == pytest.approx(margin, abs=1e-12)


def test_relaxation_is_tight_with_one_dimension_less_than_classes():
    for route in ("enclosure", "nonconvex"):
        reading = next(tightness.tightness_readings(solve(route, replace(BOTH_LIVE, dim=4))))
        assert reading[dead] is True
    below = next(tightness.tightness_readings(solve("nonconvex", replace(tightness.TIGHT, dim=1))))
    assert float(below[tightness.gap]) > 1e-2


def test_states_along_the_ratio():
    states = [
        (merged(optimum, [3, 4]), minority_zero(optimum))
        for optimum in (solve("enclosure", problem) for problem in (BOTH_LIVE, COLLAPSED, VANISHED))
    ]
    assert states == [(False, False), (True, False), (True, True)]
    assert reading_of(COLLAPSED)[R] == 3


@pytest.mark.parametrize("claim", REFUTED, ids=lambda claim: claim.id)
def test_refuted_statements_are_refuted_by_the_enclosure(claim):
    findings = findings_for(claim, claim.witness, "enclosure", 0, frozenset())
    assert "violated" in {finding.outcome for finding in findings}


@pytest.mark.parametrize(
    ("claim", "mutant"),
    [(claim, mutant) for claim in REFUTED for mutant in claim.mutants],
    ids=lambda item: getattr(item, "id", None) or item.text,
)
def test_variants_of_refuted_statements_are_refuted_too(claim, mutant):
    findings = findings_for(claim.mutated(mutant), mutant.problem, "enclosure", 0, frozenset())
    assert "violated" in {finding.outcome for finding in findings}
