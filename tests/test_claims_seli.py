"""Imbalanced max-margin geometry: derivations, worked numbers, refuted statements and their variants."""

import numpy as np
import pytest
import sympy as sp

from theory.observables import rational
from theory.problem import Problem
from theory.seli_observables import rho, size_parameters, step_parameters
from theory.symbols import F, K, N, a, b, kA, kB, n, nA, nB, tA, tB
from theory.thrampoulidis_2022_seli import finite_ridge, limits, orthogonality, path, ridge_thresholds
from theory.thrampoulidis_2022_seli import step_closed_forms as closed
from theory.thrampoulidis_2022_seli.seli import L_OFF, PDP_OFF, PDP_OWN, n2
from theory.thrampoulidis_2022_seli.settings import FOUR, STEP
from verify import registry
from verify.balls import precision
from verify.findings import findings_for, routes_of
from verify.routes import solve
from verify.routes.limits import solve_at_scale

CLAIMS = {name: claim for name, claim in registry.load().items() if name.startswith("TH22")}
REFUTED = [(claim, mutant) for claim in CLAIMS.values() if claim.status == "refuted" for mutant in claim.mutants]


def test_the_whole_catalogue_is_registered():
    numbers = [f"TH22-{i:02d}" for i in range(1, 17)] + [f"TH22-R{i}" for i in range(1, 6)]
    assert sorted(CLAIMS) == sorted(numbers)
    assert {name for name, claim in CLAIMS.items() if claim.status == "refuted"} == {f"TH22-R{i}" for i in (1, 2, 3, 5)}
    assert CLAIMS["TH22-R4"].status == "note"
    assert all(claim.required == "proved" for claim in CLAIMS.values() if claim.status == "theorem")


@pytest.mark.parametrize(("claim", "mutant"), REFUTED, ids=lambda item: getattr(item, "id", None) or item.text)
def test_variants_of_refuted_statements_are_refuted_too(claim, mutant):
    wrong = claim.mutated(mutant)
    outcomes = {
        finding.outcome
        for route in routes_of(wrong)
        for finding in findings_for(wrong, mutant.problem, route, 0, frozenset())
    }
    assert "violated" in outcomes


def entry(expression, problem, k, other):
    sizes = [rational(size) for size in problem.sizes]
    return float(expression.subs({n: sizes[k], n2: sizes[other]}).subs(size_parameters(problem)))


def test_matrices_against_numpy():
    K_, sizes = FOUR.K, np.array([float(size) for size in FOUR.sizes])
    P = np.eye(K_) - 1 / K_
    square = P @ np.diag(sizes) @ P
    inverse = np.linalg.pinv(square)
    for k, other in ((0, 1), (2, 3), (3, 0)):
        assert entry(PDP_OFF, FOUR, k, other) == pytest.approx(square[k, other], abs=1e-12)
        assert entry(PDP_OWN, FOUR, k, other) == pytest.approx(square[k, k], abs=1e-12)
        assert entry(L_OFF, FOUR, k, other) == pytest.approx(inverse[k, other], abs=1e-12)


def test_p_d_p_is_no_m_matrix():
    assert PDP_OFF.subs({N: 52, K: 3, n: 1, n2: 1}) == sp.Rational(46, 9)


def number(expression, problem):
    return float(expression.subs(step_parameters(problem)))


def test_closed_forms_of_the_step_example():
    cosines = [
        number(closed.W_AA / closed.W_A, STEP),
        number(closed.W_BB / closed.W_B, STEP),
        number(closed.W_AB / sp.sqrt(closed.W_A * closed.W_B), STEP),
    ]
    assert number(closed.VALUE, STEP) == pytest.approx(9.16868550821, abs=1e-11)
    assert cosines == pytest.approx([-0.306251580150, -0.0582325148896, -0.246621141366], abs=1e-12)


def test_orthogonality_ratio():
    assert orthogonality.STAR.subs(rho, sp.Rational(1, 2)) == 7
    tie = orthogonality.star(STEP)
    assert number(closed.W_BB, tie) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(("left", "right"), limits.LIMITS[:9])
def test_limits_at_a_huge_ratio(left, right):
    problem = limits.steeper(STEP, 10**8)
    with precision(400):
        (reading,) = limits.limit_readings(solve("exact", problem))
    assert float(reading[left]) == pytest.approx(number(right, problem), abs=1e-6)


def test_finite_ridge_example():
    problem = finite_ridge.STEP.at("0.04")
    reading = next(iter(finite_ridge.scalar_readings(solve("enclosure", problem))))
    wanted = {a: 4.37140480776, b: 3.19497998479, tA: 1.06953391055, tB: 2.07770991833}
    assert {symbol: float(reading[symbol]) for symbol in wanted} == pytest.approx(wanted, abs=1e-10)
    assert float(reading[F] * problem.N.numerator) == pytest.approx(9.21198646784, abs=1e-10)


def test_gram_matrices_of_the_finite_ridge_example():
    K_, gaps, between = 5, (4.37140480776, 3.19497998479), (1.06953391055, 2.07770991833)
    w = np.sqrt(K_ / 6)
    u, v = between[0] / w, between[1] / w
    r = np.sqrt(8 * 3 * u**2 + 2 * 2 * v**2)
    major = np.sqrt(8) * gaps[0] * (1 - 1 / 3) + r * 2 / (3 * K_)
    minor = np.sqrt(2) * gaps[1] * (1 - 1 / 2) + r * 3 / (2 * K_)
    assert (major, minor) == pytest.approx((9.21955573688, 4.45689252373), abs=1e-9)
    optimum = solve("nonconvex", finite_ridge.STEP.at("0.04"))
    rows = (optimum.point.W**2).sum(axis=1) * np.sqrt(float(optimum.problem.lambda_w / optimum.problem.lambda_h))
    assert rows[[0, 3]] == pytest.approx([major, minor], rel=1e-5)


def test_first_order_constant():
    assert number(path.CONSTANT, STEP) == pytest.approx(0.67238, abs=5e-6)
    values = []
    for scale in (40, 160, 640):
        with precision(4096):
            (reading,) = path.path_readings(solve_at_scale("enclosure", path.vanish(path.STEP, scale), scale))
        values.append(float(reading[path.deviation]) * scale)
    assert values == pytest.approx([0.6043, 0.6539, 0.6677], abs=1e-4)


def test_second_threshold_lies_between_the_others():
    known = {kA: 2, nA: 9, kB: 3, nB: 4, K: 5}
    equation = sp.lambdify(ridge_thresholds.gap_U, ridge_thresholds.vanishing_equation().subs(known))
    assert equation(0.6) < 0 < equation(0.7)
    assert 2 < float(ridge_thresholds.ridge_at(sp.Rational(13, 20)).subs(known)) < 3


def test_lone_majority_class_lowers_the_zero_threshold():
    assert ridge_thresholds.TAU.subs({ridge_thresholds.single: 4, rho: sp.Rational(4, 5)}) * 5 == 17


def test_alive_is_decided_exactly():
    lone = Problem.ce([(20, 1), (5, 4)], 1)
    assert [finite_ridge.is_alive(lone.at(square)) for square in (4, "16.999", 17, 21)] == [True, True, False, False]
