"""Bridges between the models: derivations, every printed number, both sides of thresholds."""

from dataclasses import replace
from fractions import Fraction
from math import exp, log, sqrt

import numpy as np
import pytest
import sympy as sp

from theory.bridges import balanced, budgets, free_bias, small_decay, squared_loss, two_classes, two_sizes
from theory.bridges.settings import max_margin, peeled, relu, squared, weighted
from theory.mse_observables import label_modes
from theory.problem import Problem
from verify import registry
from verify.balls import ball, precision, resolve
from verify.findings import findings_for
from verify.routes import solve

CLAIMS = {name: claim for name, claim in registry.load().items() if name.startswith("XP26")}


def logits(problem, route="enclosure"):
    return np.array(solve(route, problem).logits, dtype=float)


def margins(problem):
    Z = logits(problem)
    return Z[0, 0] - Z[1, 0], Z[1, 1] - Z[0, 1]


def test_the_bridges_are_registered():
    assert [name for name in CLAIMS if name != "XP26-12"] == [f"XP26-{i:02d}" for i in range(1, 12)]


def constants(sizes):
    """C of Z D^(1/2) and of Z, in floats."""
    K, n = len(sizes), np.array(sizes, dtype=float)
    P = np.eye(K) - 1 / K
    values, vectors = np.linalg.eigh(P @ np.diag(n) @ P)
    inverse = np.where(values > 1e-9, 1 / np.sqrt(np.abs(values) + 1e-300), 0)
    root = vectors @ np.diag(inverse) @ vectors.T
    X = np.log(np.where(np.eye(K) > 0, 1.0, -root))
    X -= X.mean(axis=0)

    def constant(A, B):
        return np.linalg.norm(A / np.linalg.norm(B) - B * (A * B).sum() / np.linalg.norm(B) ** 3)

    return constant(X * np.sqrt(n), P * np.sqrt(n)), constant(X, P)


@pytest.mark.parametrize(
    ("sizes", "expected", "without"), [((7, 4, 2), 0.3738, 0.3874), ((9, 9, 3, 1), 0.7228, 0.7908)]
)
def test_constants_of_the_path(sizes, expected, without):
    assert constants(sizes) == (pytest.approx(expected, abs=5e-5), pytest.approx(without, abs=5e-5))


def test_deviation_times_logarithm_on_the_path():
    for level, expected in ((3, 0.2077), (6, 0.2647), (10, 0.2991), (14, 0.3169)):
        optimum = solve("enclosure", Problem.ce([7, 4, 2], 1).at(Fraction(f"{exp(-2 * level):.15e}")))
        companion = solve("enclosure", max_margin(optimum.problem))
        readings = list(small_decay.path_readings(replace(optimum, companions=(companion,))))
        assert float(readings[-1][small_decay.deviation]) * level == pytest.approx(expected, abs=6e-5)
        assert float(readings[-1][small_decay.C]) == pytest.approx(0.3738, abs=5e-5)


def test_constant_of_two_sizes_and_of_two_classes():
    assert constants((8, 8, 8, 2, 2))[0] == pytest.approx(0.67238, abs=5e-6)
    assert constants((9, 2))[0] == pytest.approx(0, abs=1e-12)
    assert constants((4, 4, 4))[0] == pytest.approx(0, abs=1e-12)


def test_ordinary_ridge_misses_a_budget_optimum():
    """Sizes 12, 4, 1 with one decay per class mean at .02: the nearest ordinary ridge optimum is a fifth away."""
    sizes = [Fraction(12), Fraction(4), Fraction(1)]
    target = logits(Problem.ce([(1, 3)], "1/50", weights=[3 * n / 17 for n in sizes]))
    nearest = min(
        np.linalg.norm(logits(Problem.ce(sizes, 1).at(Fraction(f"{x:.3f}") ** 2), "exact") - target)
        for x in np.geomspace(0.03, 0.6, 20)
    )
    assert nearest / np.linalg.norm(target) == pytest.approx(0.21, abs=0.02)


def test_budget_and_one_decay_per_class_mean():
    problem = Problem.ce([1, 1], "3/100", weights=["9/5", "1/5"])
    s, t = margins(problem)
    assert (s, t) == (pytest.approx(3.8629005, abs=1e-7), pytest.approx(2.1589920, abs=1e-7))
    assert sqrt((s**2 + t**2) / 2) == pytest.approx(3.1291570, abs=1e-7)
    budget = solve("enclosure", Problem.peeled([9, 1], "1.5645785", "1.5645785"))
    assert float(budget.facts["multiplier"]) == pytest.approx(0.03, abs=1e-7)


def test_two_classes():
    pair = two_classes.PAIR
    assert margins(pair) == (pytest.approx(1.361, abs=5e-4),) * 2
    free = replace(pair, bias="free")
    optimum, (t1, t2) = solve("enclosure", free), margins(free)
    assert (t1, t2) == (pytest.approx(0.654, abs=6e-4), pytest.approx(1.962, abs=6e-4))
    b = float(optimum.bias[0] - optimum.bias[1])
    assert (t1 + b, t2 - b) == (pytest.approx(2.013, abs=6e-4), pytest.approx(0.603, abs=6e-4))
    assert margins(weighted(pair, [1, 2])) == (pytest.approx(1.470, abs=6e-4), pytest.approx(1.953, abs=6e-4))
    assert margins(relu(pair))[0] == pytest.approx(log(sqrt(18) - 1), abs=1e-9)
    assert margins(relu(pair))[1] == pytest.approx(log(sqrt(6) - 1), abs=1e-9)


@pytest.mark.parametrize(("x2", "alive"), [("1.498", 1), ("1.502", 0)])
def test_nonnegative_features_separately(x2, alive):
    states = solve("enclosure", relu(Problem.ce([5, 3], 1).at(x2))).contrasts
    assert states == ("alive", ("dead", "alive")[alive])


def test_relu_against_linear():
    problem = Problem.ce([11, 11, 5, 5], 1).at("35/8")
    Z = logits(problem)
    assert Z[2, 2] - Z[3, 2] == pytest.approx(0.2142, abs=5e-5)
    assert solve("enclosure", problem).contrasts == ("alive", "alive")
    assert solve("enclosure", relu(problem)).contrasts == ("alive", "dead")
    values = [float(solve("enclosure", p).upper) for p in (problem, relu(problem))]
    assert values == [pytest.approx(1.2723571, abs=5e-8), pytest.approx(1.3193369, abs=5e-8)]


def test_two_losses():
    problem = squared_loss.TRIPLE.at(8)
    with precision(128):
        (reading,) = [
            r for r in squared_loss.both_losses(solve("enclosure", problem)) if set(r) >= {squared_loss.n_top}
        ]
        m = resolve(reading)[squared_loss.m_c]
    assert float(m) == pytest.approx(7.64575131106, abs=1e-11)
    assert solve("enclosure", problem).rank == (0, 0)
    assert logits(squared(problem))[0, 0] == pytest.approx(0.105572809, abs=1e-9)


def test_nonnegative_features_with_a_free_bias():
    free = solve("enclosure", Problem.mse([6, 3, 2], "0.03", bias="free"))
    assert float(free.upper) == pytest.approx(0.0974826, abs=5e-8)
    inner = np.array(free.gram_features, dtype=float)
    assert min(inner[j, k] for j in range(3) for k in range(j)) < -0.1


def test_interlacing_of_random_sizes():
    generator = np.random.default_rng(5)
    for _ in range(50):
        sizes = sorted((int(n) for n in generator.integers(1, 300, size=generator.integers(2, 8))), reverse=True)
        n = np.array(sizes, dtype=float)
        modes = np.linalg.eigvalsh(np.diag(n) - np.outer(n, n) / n.sum())[::-1]
        assert all(n[i + 1] - 1e-9 <= modes[i] <= n[i] + 1e-9 for i in range(len(n) - 1))


def test_one_equation():
    shift = np.eye(3) - np.outer([12, 7, 4], np.ones(3)) / 23
    direct = np.linalg.norm(shift * np.sqrt([12, 7, 4]), 2) ** 2
    root = label_modes(squared(free_bias.TRIPLE, "free"), True)[0].value
    assert float(root.lower) < direct < float(root.upper)
    assert label_modes(squared(free_bias.LONE, "free"), True)[0].value == sp.Rational(5 * 20 * 5, 40)


def test_second_transition():
    (_, reading, _, cosines) = two_sizes.both_notations(
        replace(solve("enclosure", two_sizes.STEP), companions=(solve("enclosure", max_margin(two_sizes.STEP)),))
    )
    with precision(200):
        known = resolve(reading)
        assert float(ball(two_sizes.SECOND, known)) == pytest.approx(3.74936392065, abs=1e-11)
    assert set(cosines) >= {two_sizes.w_AA, two_sizes.h_BB}


@pytest.mark.parametrize(("factor", "rank"), [("0.97", 3), ("1.01", 2)])
def test_both_sides_of_the_second_transition(factor, rank):
    x = Fraction("3.74936392065") * Fraction(factor)
    assert solve("enclosure", two_sizes.STEP.at(x**2)).rank == (rank, rank)


def test_limit_cosines():
    problem = two_sizes.ANGLES
    optimum = replace(solve("exact", problem), companions=(solve("enclosure", max_margin(problem)),))
    reading = list(two_sizes.both_notations(optimum))[-1]
    expected = {
        two_sizes.w_AA: -0.236895920,
        two_sizes.w_BB: -0.054776415037,
        two_sizes.h_AA: -0.094704669,
        two_sizes.h_BB: -0.216467002,
    }
    for symbol, number in expected.items():
        assert float(reading[symbol]) == pytest.approx(number, abs=1e-9)
        formula = two_sizes.COSINES[symbol].subs({key: v for key, v in reading.items() if key not in expected})
        assert float(formula) == pytest.approx(number, abs=1e-9)


def test_equal_sizes():
    problem = balanced.EQUAL
    Z = logits(problem)
    assert Z[0, 0] - Z[1, 0] == pytest.approx(log(1 / (0.04 * 3) - 3), abs=1e-12)
    moved = problem.at(problem.x2 * Fraction(4, 3))
    assert float(solve("exact", relu(problem)).upper) == pytest.approx(float(solve("exact", moved).upper), abs=1e-12)
    gap = logits(peeled(problem, "3/2"))[0, 0] * 4 / 3
    multiplier = float(solve("enclosure", peeled(problem, "3/2")).facts["multiplier"])
    assert multiplier == pytest.approx(1 / (exp(gap) + 3), abs=1e-12)


@pytest.mark.parametrize("identifier", ["XP26-02", "XP26-03", "XP26-05", "XP26-06", "XP26-11"])
def test_the_witness_is_decided_by_enclosure(identifier):
    claim = CLAIMS[identifier]
    assert {f.outcome for f in findings_for(claim, claim.witness, "enclosure", 0, frozenset())} == {"holds"}


def test_the_guess_of_a_multiplier_is_rational_and_close():
    problem = budgets.BOTH_LIVE
    assert float(budgets.near_multiplier(problem)) == pytest.approx(
        float(solve("enclosure", problem).facts["multiplier"]), rel=0.5
    )


def test_the_square_root_of_a_decay_above_1_is_no_bound():
    claim = CLAIMS["XP26-02"]
    wrong = claim.relations[2].subs(budgets.lam, sp.sqrt(budgets.lam))
    for relations, outcome in (((claim.relations[2],), "holds"), ((wrong,), "violated")):
        found = findings_for(replace(claim, relations=relations), budgets.HEAVY, "enclosure", 0, frozenset({claim.id}))
        assert {f.outcome for f in found} == {outcome}
