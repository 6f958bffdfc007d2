"""Unit vectors: derivations, printed numbers, both sides of limits, refuted statements and their variants."""

from dataclasses import replace
from fractions import Fraction
from math import comb

import numpy as np
import pytest
import sympy as sp
from flint import arb
from scipy.interpolate import KroghInterpolator
from scipy.special import eval_chebyt, eval_gegenbauer, roots_chebyt, roots_gegenbauer

from theory.lu_steinerberger_2020 import codes, small_temperature, stability, two_families, uniform_bound
from theory.lu_steinerberger_2020.settings import CROSSING, LINE, PENTAGON, PYRAMID, SQUARE, WORKED
from theory.problem import Problem
from theory.sphere_observables import (
    a,
    bipyramid_value,
    code_cosines,
    code_value,
    d,
    double_mean,
    energy,
    n,
    point_values,
    potential,
    simplex_value,
    sphere_parameters,
    spread,
)
from theory.sphere_observables import uniform_bound as bound_of
from verify import registry
from verify.balls import ball, precision, resolve
from verify.findings import findings_for
from verify.routes import solve, sphere_nonconvex
from verify.sphere import n_gon
from verify.sphere_measures import divergences

CLAIMS = {identifier: claim for identifier, claim in registry.load().items() if identifier.startswith("LS20")}
REFUTED = [(claim, mutant) for claim in CLAIMS.values() if claim.status == "refuted" for mutant in claim.mutants]


def best(problem, starts=6):
    return float(sphere_nonconvex.solve(problem, starts=starts).upper)


def test_the_whole_catalogue_is_registered():
    assert list(CLAIMS) == [f"LS20-{i:02d}" for i in range(1, 23)]
    assert {c.id for c in CLAIMS.values() if c.status == "refuted"} == {"LS20-06", "LS20-15", "LS20-17"}
    assert {c.id for c in CLAIMS.values() if c.status == "conjecture"} == {f"LS20-{i}" for i in (16, 18, 19, 20)}


def test_worked_examples():
    assert float(simplex_value(6, 2)) == pytest.approx(2.244217187588, abs=1e-12)
    for families in (1, 2):
        optimum = solve("enclosure", replace(WORKED, families=families))
        assert float(optimum.upper) == pytest.approx(2.244217187588, abs=1e-12)
        assert float(optimum.logits[0, 1]) == pytest.approx(-1 / 5, abs=1e-12)
    heptagon = Problem.sphere(7, 2, 3, families=1)
    value, below = float(code_value(heptagon, 3)), float(bound_of(2, 3, 7))
    assert value == pytest.approx(3.731340433261, abs=1e-12)
    assert below == pytest.approx(3.718524396081, abs=1e-12)
    assert (value - below) / 7 == pytest.approx(0.001830862454, abs=1e-12)
    assert float(solve("enclosure", heptagon).upper) == pytest.approx(value, abs=1e-12)


def test_three_points_refute_the_step_through_the_double_mean():
    reading = point_values(solve("enclosure", LINE))
    assert float(reading[energy]) == pytest.approx(0.486985083859, abs=1e-12)
    assert float(reading[double_mean]) == pytest.approx(0.515011975885, abs=1e-12)


@pytest.mark.parametrize(("size", "gap"), [(10, 9.418e-2), (20, 4.057e-3), (40, 2.404e-5)])
def test_gap_to_the_uniform_bound_in_space(size, gap):
    problem = Problem.sphere(size, 3, 4, families=1)
    per_point = (best(problem, starts=2) - float(bound_of(3, 4, size))) / size
    assert per_point == pytest.approx(gap, rel=5e-4)


def test_divergences_of_polygons():
    nodes = 2 * np.pi * np.arange(2000) / 2000
    for size, temperature in ((3, 1.0), (5, 3.0), (2, 8.0)):
        found = divergences(arb(temperature), n_gon(size))
        for name, power in (("kl_root", 0.5), ("kl_kernel", 1.0)):
            orders = size * np.arange(1, 40)
            ratios = [float(sp.besseli(int(k), temperature) / sp.besseli(0, temperature)) ** power for k in orders]
            h = 1 + 2 * (np.array(ratios) @ np.cos(np.outer(orders, nodes)))
            assert abs(float(found[name]) - (h * np.log(h)).mean()) <= float(found[name].rad()) + 1e-12
            assert found[name].rad() < 1e-3


def test_share_of_the_gap_that_the_divergence_explains():
    gap = stability.GAP
    for problem in (SQUARE, PENTAGON, Problem.sphere(7, 2, 3, families=1)):
        (reading,) = stability.divergence_readings(solve("enclosure", problem))
        with precision(320):
            share = float(reading[stability.kl_root] / ball(gap, reading))
        assert 0.5 < share < 0.97


def hermite_root(size, dim, temperature):
    """Least values of lam_k and of q = sum_k sqrt(lam_k) N_k C_k on a grid, for the interpolant at a code."""
    cosines = sorted({round(float(c), 12) for c in code_cosines(Problem.sphere(size, dim))[1:]})
    nodes = [c for c in cosines for _ in range(1 if c == -1 else 2)]
    slopes = [nodes[k - 1] == c for k, c in enumerate(nodes)]
    values = [temperature**slope * np.exp(temperature * c) for c, slope in zip(nodes, slopes, strict=True)]
    p = KroghInterpolator(nodes, values)
    alpha = dim / 2 - 1

    def harmonic(k, t):
        return eval_chebyt(k, t) if dim == 2 else eval_gegenbauer(k, alpha, t) / eval_gegenbauer(k, alpha, 1)

    points, weights = roots_chebyt(60) if dim == 2 else roots_gegenbauer(60, alpha)
    grid, total, least = np.linspace(-1, 1, 4001), 0, []
    for k in range(len(nodes)):
        N = comb(k + dim - 1, k) - (comb(k + dim - 3, k - 2) if k > 1 else 0)
        least.append(weights @ (p(points) * harmonic(k, points)) / weights.sum())
        total = total + np.sqrt(max(least[-1], 0)) * N * harmonic(k, grid)
    return min(least), total.min()


@pytest.mark.parametrize("key", codes.INTERPOLANT, ids=str)
def test_interpolants_have_a_root_up_to_their_limit(key):
    limit = float(codes.INTERPOLANT[key])
    least, root = hermite_root(*key, limit)
    assert least > -1e-12
    assert root > 0
    least, root = hermite_root(*key, limit + 0.1)
    assert least > -1e-12
    assert root < 0


@pytest.mark.parametrize("key", codes.LIMITS, ids=str)
def test_codes_are_proved_optimal_below_their_limit(key):
    for share in (Fraction(1, 7), Fraction(20, 21)):
        optimum = solve("enclosure", Problem.sphere(*key, codes.LIMITS[key] * share, families=1))
        assert float((optimum.upper - optimum.lower) / optimum.upper) < 1e-20


@pytest.mark.parametrize("dim", [2, 3, 4])
def test_root_of_the_orthoplex_kernel_changes_sign_after_its_limit(dim):
    least = codes.orthoplex_kernel(sp.Integer(dim))[codes.root_least]
    assert least.subs(a, sp.Rational(11, 10)).evalf() > 0
    assert least.subs(a, sp.Rational(12, 10)).evalf() < 0


def test_frame_potential_of_explicit_sets():
    reading = point_values(solve("enclosure", Problem.sphere(8, 3, "1/100", families=1)))
    assert float(reading[potential]) == pytest.approx(64 / 3, abs=1e-6)
    assert float(reading[spread]) < 1e-9


def test_basis_against_simplex():
    value = small_temperature.BASIS.subs({n: 4, a: sp.Rational(1, 2)})
    assert float(value) == pytest.approx(4.146368744931, abs=1e-12)
    simplex = solve("enclosure", Problem.sphere(4, 4, "1/2", families=1))
    assert float(simplex.upper) == pytest.approx(3.729052142486, abs=1e-12)


@pytest.mark.parametrize(("temperature", "gain"), [("34/5", 0.0), ("139/20", 7.5e-6), ("8", 4.7e-5)])
def test_five_points_cross_to_a_square_pyramid(temperature, gain):
    value = float(bipyramid_value(sp.Rational(temperature)))
    assert value - best(Problem.sphere(5, 3, temperature, families=1)) == pytest.approx(gain, abs=6e-7)


def test_levels_of_bipyramid_and_pyramid_cross():
    signs = []
    for temperature in ("6884/1000", "6886/1000"):
        problem = Problem.sphere(5, 3, temperature)
        with precision(200):
            reading = resolve({**sphere_parameters(problem), two_families.height: two_families.HEIGHT})
            signs.append(ball(two_families.PYRAMID_VALUE - bipyramid_value(), reading) > 0)
    assert signs == [True, False]
    assert Fraction(6884, 1000) > CROSSING


@pytest.mark.parametrize(
    ("size", "dim", "temperature", "one", "two"),
    [
        (7, 3, 1, 7.781403988285, 7.781403561203),
        (9, 3, "3/2", 9.465373766856, 9.465372038313),
        (10, 3, 2, 9.048870093358, 9.048862991578),
        (9, 4, 1, 11.920333170771, 11.920328175246),
        (8, 3, 1, 9.939699085744, 9.939699085744),
    ],
)
def test_two_families_against_one(size, dim, temperature, one, two):
    values = [best(Problem.sphere(size, dim, temperature, families)) for families in (1, 2)]
    assert values == pytest.approx([one, two], abs=2e-12)


def test_every_part_of_the_false_statement_on_two_families_is_refuted():
    found = {
        finding.relation
        for problem in (Problem.sphere(5, 3, 8), Problem.sphere(7, 3, 1))
        for finding in findings_for(two_families.inherited, problem, "enclosure", 0, frozenset())
        if finding.outcome == "violated"
    }
    assert found == {0, 1, 2}


@pytest.mark.parametrize(("claim", "mutant"), REFUTED, ids=lambda item: getattr(item, "id", None) or item.text)
def test_variants_of_refuted_statements_are_refuted_too(claim, mutant):
    findings = findings_for(claim.mutated(mutant), mutant.problem, "enclosure", 0, frozenset())
    assert "violated" in {finding.outcome for finding in findings}


def test_below_the_simplex_starts_end_at_several_levels():
    work = solve("nonconvex", PYRAMID).work
    assert 0.3 < work["hits"] / work["starts"] < 1


def test_no_known_point_beats_the_open_bound():
    problem = Problem.sphere(12, 2, 1)
    below = float(bound_of(d, a, n).subs(sphere_parameters(problem)).evalf(30))
    assert below - 1e-12 <= best(problem) < below + 12 * np.log(13 / 12)
    assert uniform_bound.two.required == "agrees"
