"""Large-sample limits: derivations, printed numbers, mutants at L = 200 to 800, and the refuted statement."""

import mpmath
import pytest
import sympy as sp

from theory.hong_ling_2023 import large_sample_limit as limit
from theory.hong_ling_2023 import limit_angles as angles
from theory.symbols import K, kA, kB, nA, nB
from verify.engine import check, findings_for
from verify.two_clusters import solve_two_clusters

CLAIMS = (limit.mean_predictions, limit.free_bias, angles.first_order, angles.not_a_frame)
MUTANTS = [(claim, mutant) for claim in CLAIMS for mutant in claim.mutants]


def outcomes(claim, problem):
    return [finding.outcome for finding in findings_for(claim, problem, "enclosure", 0, frozenset())]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_limit_holds_at_the_witness_and_the_settings(claim):
    for problem in (claim.witness, *claim.settings):
        assert claim.applies(problem)
        found = outcomes(claim, problem)
        assert found
        assert set(found) == {"holds"}


@pytest.mark.parametrize(("claim", "mutant"), MUTANTS, ids=lambda item: getattr(item, "id", None) or item.text)
def test_mutant_is_refuted_where_the_claim_holds(claim, mutant):
    assert claim.applies(mutant.problem)
    assert "violated" in outcomes(claim.mutated(mutant), mutant.problem)
    assert set(outcomes(claim, mutant.problem)) == {"holds"}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_dropped_hypotheses_matter(claim):
    for hypothesis in claim.hypotheses:
        if not isinstance(hypothesis.dropped, str):
            broken = [h.text for h in claim.hypotheses if not h.holds(hypothesis.dropped)]
            assert broken == [hypothesis.text]
            assert "violated" in outcomes(claim, hypothesis.dropped)


def test_limits_of_the_angles_reproduce_the_worked_example():
    example = {kA: 3, kB: 4, K: 7, nA: 6, nB: 1}
    predictions = {relation.lhs: relation.rhs for relation in angles.not_a_frame.relations}
    assert float(predictions[angles.w_AA].subs(example)) == pytest.approx(-0.220423976359, abs=5e-13)
    assert float(predictions[angles.h_AA].subs(example)) == pytest.approx(-0.105910609437, abs=5e-13)
    assert float(angles.ETF.subs(example)) == pytest.approx(-0.166666666667, abs=5e-13)


def test_majority_angles_are_more_obtuse_than_the_frame_and_minority_angles_less():
    for majority, minority, ratio in ((1, 3, 2), (3, 4, 6), (5, 5, 1000), (40, 1, sp.Rational(11, 10))):
        values = {kA: majority, kB: minority, K: majority + minority, nA: ratio, nB: 1}
        assert angles.lA.subs(values).evalf() < 0 < angles.lB.subs(values).evalf()


def test_growing_the_sizes_is_letting_lambda_vanish():
    grown = limit.grow(limit.STEP, 300)
    factor = grown.clusters[0].size / limit.STEP.clusters[0].size
    vanishing = limit.STEP.at(limit.STEP.x2 / factor)
    large, small = (solve_two_clusters(problem, 300) for problem in (grown, vanishing))
    assert grown.x2 == limit.STEP.x2
    with mpmath.workdps(300):
        for one, other in zip([*large.alpha, *large.means.flat], [*small.alpha, *small.means.flat], strict=True):
            assert abs(one - other) < mpmath.mpf(10) ** -100


def test_the_scale_is_met():
    for scale in (20, 200, 800):
        grown = limit.grow(limit.PENALISED, scale)
        ratio = sp.Rational(grown.N.numerator, grown.N.denominator) / (10 * sp.Rational(str(grown.x2)))
        assert abs(sp.log(ratio).evalf(80) / 2 - scale) < sp.Float("1e-13", 80)
        assert grown.bias == limit.PENALISED.bias


def test_growing_data_at_fixed_lambda_is_refuted_by_drawn_problems():
    result = check(limit.removes_imbalance, examples=12, routes=["enclosure"], mutants=False)
    assert result.verdict == "refuted"
    assert (result.counterexample.observed["value"], result.counterexample.predicted["value"]) == ("dead", "alive")
