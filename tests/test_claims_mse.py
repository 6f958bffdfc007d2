"""Deep linear networks with squared loss: derivations, worked numbers, both sides of thresholds, refuted variants."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from theory import mse_observables as mse
from theory.claim import Root
from theory.dang_2023_deep_linear import (
    balanced,
    bottleneck,
    free_bias,
    gof_structure,
    metastability,
    minority_collapse,
    mode_equation,
    penalised_bias,
    plain_model,
    reduction,
    schatten_form,
    settings,
    two_sizes,
)
from theory.observables import rational
from theory.problem import Problem
from theory.symbols import F, N
from verify import registry
from verify.balls import precision, resolve
from verify.findings import findings_for
from verify.judge import judge, observe
from verify.routes import solve

FILES = (
    schatten_form,
    reduction,
    metastability,
    two_sizes,
    mode_equation,
    minority_collapse,
    balanced,
    plain_model,
    gof_structure,
    bottleneck,
    free_bias,
    penalised_bias,
)
IDS = [f"DA23-{i:02d}" for i in range(1, 24)]
CLAIMS = {name: claim for name, claim in registry.load().items() if name in IDS}
SHIFT = sp.Rational(1, 1000)


def p_of(problem, free=False):
    """Predicted p of every mode, as floats."""
    values = resolve(mse.mode_values(problem, mse.label_modes(problem, free)))
    return [float(value) for symbol, value in values.items() if str(symbol).startswith("p_")]


def scaled(problem, factor):
    """The same problem with every weight decay times a factor."""
    factor = Fraction(factor)
    return replace(
        problem,
        lambda_w=problem.lambda_w * factor,
        deeper=tuple(decay * factor for decay in problem.deeper),
        lambda_h=problem.lambda_h * factor,
    )


def outcomes(claim, problem, route="enclosure"):
    return [finding.outcome for finding in findings_for(claim, problem, route, 0, frozenset())]


def test_every_statement_of_the_catalogue_has_one_claim():
    found = [name for module in FILES for name, claim in vars(module).items() if getattr(claim, "id", "") in IDS]
    assert len(found) == len(IDS)
    assert sorted(CLAIMS) == IDS
    assert {name for name, claim in CLAIMS.items() if claim.status == "refuted"} == {"DA23-18"}


@pytest.mark.parametrize("route", ["enclosure", "exact"])
def test_worked_example_with_three_layers(route):
    problem = settings.EXAMPLE
    own = p_of(problem)
    assert own == pytest.approx([0.799634978530, 0.712246112611, 0], abs=1e-12)
    assert [(p / (1 - p)) ** (1 / 3) for p in own] == pytest.approx([1.586195178112, 1.352704587018, 0], abs=1e-12)
    star = mse.n_star(3).subs({N: rational(problem.N), mse.Lam: rational(problem.product)})
    assert float(star) == pytest.approx(5.154130616690, abs=1e-11)
    optimum = solve(route, problem)
    assert [float(optimum.gram_features[k, k]) for k in range(3)] == pytest.approx(
        [0.172093318627, 0.220141340152, 0], abs=1e-12
    )
    assert float(optimum.upper) == pytest.approx(0.409074917004, abs=1e-12)
    shares = [
        float(decay) * float(square)
        for decay, square in zip((*problem.layers, problem.lambda_h), optimum.facts["factor_squares"], strict=True)
    ]
    assert shares == pytest.approx([0.140614707519] * 4, abs=1e-11)
    b = mode_equation.x_values(problem, 0)[mode_equation.b]
    assert [float(b / 9), float(b / 6), float(b / 4)] == pytest.approx(
        [0.303024902330, 0.454537353496, 0.681806030243], abs=1e-12
    )


def test_a_largest_root_below_its_threshold_is_no_minimum():
    readings = list(metastability.window_readings(solve("exact", settings.EXAMPLE)))
    with precision(200):
        (found,) = [resolve(reading) for reading in readings if metastability.f_root in reading]
        value = judge([sp.Eq(metastability.f_root, 0, evaluate=False)], [found], "exact")[0].value
    assert float(found[metastability.p_root]) == pytest.approx(0.5602368217, abs=1e-10)
    assert value == pytest.approx(0.427904154285, abs=1e-12)


@pytest.mark.parametrize("route", ["enclosure", "exact"])
def test_worked_example_with_a_free_bias(route):
    problem = settings.GROUPS
    assert [mode.value for mode in mse.label_modes(problem, True)] == [9, 5, 3]
    assert p_of(problem, True) == pytest.approx([0.764557736795, 0.627992846967, 0], abs=1e-12)
    optimum, plain = solve(route, problem), solve(route, settings.NO_BIAS)
    assert float(optimum.upper) == pytest.approx(0.288062224361, abs=1e-12)
    lengths = [float(optimum.gram_features[k, k]) ** 0.5 for k in range(5)]
    assert lengths == pytest.approx([0.346187, 0.346187, 0.304775, 0.304775, 0.304775], abs=1e-6)
    assert optimum.merged == ((2, 3, 4),)
    assert float(plain.upper) == pytest.approx(0.365153557003, abs=1e-12)
    assert plain.zero == (2, 3, 4)
    star = mse.n_star(2).subs({N: rational(problem.N), mse.Lam: rational(problem.product)})
    assert float(star) == pytest.approx(3.596120867546, abs=1e-11)


def test_printed_threshold_constants():
    thr = [1, 0.5, 0.529, 0.570, 0.606, 0.637]
    found = [mode_equation.x_values(Problem.mse([2, 1], [1] * m), 0)[mode_equation.thr] for m in range(1, 7)]
    assert [float(value) for value in found] == pytest.approx(thr, abs=6e-4)
    exist = [m * ((m - 1) / (2 * m)) ** ((m - 1) / m) * ((m + 1) / (2 * m)) ** ((m + 1) / m) for m in range(2, 7)]
    assert exist == pytest.approx([0.650, 0.840, 1.065, 1.301, 1.542], abs=6e-4)
    assert exist[0] == pytest.approx(3 * 3**0.5 / 8)


@pytest.mark.parametrize("problem", settings.TIES, ids=["M = 1", "M = 2", "M = 3"])
def test_a_class_exactly_on_its_threshold_and_a_millionth_beside(problem):
    claim = CLAIMS["DA23-05"]
    for offset, states in ((0, {"tie", "dead"}), (1, {"dead"}), (-1, {"alive"})):
        moved = scaled(problem, 1 + Fraction(offset, 10**6))
        optimum = solve("enclosure", moved)
        assert optimum.facts["mode_states"][1] in states
        assert optimum.facts["mode_states"][0] == "alive"
        assert set(outcomes(claim, moved)) == {"holds"}
    at = solve("enclosure", problem).facts["mode_states"][1]
    assert at == ("dead" if problem.depth == 1 else "tie")


@pytest.mark.parametrize("end", ["0", "1/1000000", "-1/1000000"])
def test_end_of_the_window(end):
    problem = scaled(Problem.mse([(16, 2)], ["3/32", "3/32"], "3/32"), 1 + Fraction(end))
    found = metastability.stationary_points(problem, 0)
    assert len(found) == {"0": 1, "1/1000000": 0, "-1/1000000": 2}[end]
    assert not found or found[0][0] <= sp.Rational(1, 4) + sp.Rational(1, 1000)


@pytest.mark.parametrize("problem", settings.BALANCED_TIES[1:], ids=["M = 2", "M = 3"])
def test_every_rank_is_optimal_at_a_balanced_tie(problem):
    optimum = solve("enclosure", problem)
    ranks = {one["rank"]: float(one["value"]) for one in optimum.facts["alternatives"]}
    assert sorted(ranks) == [0, 1, 2, 3]
    assert list(ranks.values()) == pytest.approx([0.5] * 4, abs=1e-15)
    assert float(optimum.lower) == pytest.approx(0.5, abs=1e-12)


def test_cubic_closed_form_is_the_largest_root():
    for size in (Fraction(1, 2), Fraction(4, 5), Fraction(7, 10)):
        problem = Problem.mse([(1, 2)], [size / 10] * 3, size / 10)
        root = mse.predicted(problem, 0, mse.p)[mse.p]
        assert isinstance(root, Root)
        b = mode_equation.x_values(problem, 0)[mode_equation.b]
        closed = plain_model.closed_form(4 * sp.pi).subs(plain_model.t, b / 3)
        assert float(resolve({mse.p: root})[mse.p]) == pytest.approx(float(closed), abs=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_modes_of_a_free_bias_are_eigenvalues(seed):
    rng = np.random.default_rng(seed)
    sizes = sorted({int(size) for size in rng.integers(1, 40, size=5)} | {3}, reverse=True)
    problem = Problem.mse([(size, int(rng.integers(1, 3))) for size in sizes], "1/1000", bias="free")
    modes = mse.label_modes(problem, True)
    values = resolve(mse.mode_values(problem, modes))
    found = sorted(
        (
            float(values[mse.mode_symbols(i)[1]].evalf())
            if isinstance(values[mse.mode_symbols(i)[1]], sp.Basic)
            else float(values[mse.mode_symbols(i)[1]])
        )
        for i, mode in enumerate(modes)
        for _ in range(mode.times)
    )
    n = np.array([float(size) for size in problem.sizes])
    assert found == pytest.approx(np.linalg.eigvalsh(np.diag(n) - np.outer(n, n) / n.sum())[1:], rel=1e-9)


@pytest.mark.parametrize("mutant", bottleneck.block.mutants, ids=lambda mutant: mutant.text)
@pytest.mark.parametrize("route", ["enclosure", "nonconvex"])
def test_variants_of_the_refuted_statement_are_refuted_too(mutant, route):
    found = outcomes(bottleneck.block.mutated(mutant), mutant.problem, route)
    if route == "enclosure" or "loss" not in mutant.text:
        assert "violated" in found


def test_tied_bottleneck_gives_parallel_class_vectors():
    optimum = solve("nonconvex", bottleneck.TIED_CUT)
    gram = np.array(optimum.facts["point_features"], dtype=object)
    two, three, both = (float(gram[i, j]) for i, j in ((1, 1), (2, 2), (1, 2)))
    assert abs(both) == pytest.approx((two * three) ** 0.5, abs=1e-6)
    problem = bottleneck.TIED_CUT
    (p,) = [float(v) for v in resolve(mse.predicted(problem, 1, mse.p)).values()]
    assert two + three == pytest.approx(p * (1 - p) / float(problem.N * problem.lambda_h), abs=1e-6)


def test_penalised_bias_moves_from_the_simplex_to_the_orthogonal_frame():
    claim = CLAIMS["DA23-22"]
    for problem in (penalised_bias.TIE_DEEP, *penalised_bias.NEAR_TIE, *penalised_bias.NEAR_SHALLOW):
        assert "violated" not in outcomes(claim, problem)
    above, below = penalised_bias.NEAR_TIE
    assert [penalised_bias.mean_state(problem) for problem in (above, below)] == ["alive", "dead"]
    stiff = replace(penalised_bias.LOOSE, bias=Fraction(10**8))
    Z = solve("exact", stiff).logits
    assert abs(float(Z[0, 1])) < 1e-8


def test_published_experiments_are_far_from_any_collapse():
    synthetic = Problem.mse([200, 100, 50, 50], ["5e-4"] * 9, "5e-4", dim=64)
    subset = Problem.mse([500, 500, 400, 400, 300, 300, 200, 200, 100, 100], ["1e-5"] * 6, "1e-5")
    stars = [
        float(mse.n_star(problem.depth).subs({N: rational(problem.N), mse.Lam: rational(problem.product)}))
        for problem in (synthetic, subset)
    ]
    assert stars[0] < 3
    assert stars[1] < 0.2


def test_values_agree_between_routes_and_prediction():
    for problem in (settings.SHALLOW, settings.DEEP, settings.FOUR, bottleneck.NARROW):
        with precision(200):
            (reading,) = observe(reduction.ValueReader(mode_equation.psi), solve("enclosure", problem))
            (finding,) = judge([sp.Eq(F, mse.total, evaluate=False)], [reading], "enclosure")
        assert finding.outcome == "holds"
        assert finding.radius < 1e-12
