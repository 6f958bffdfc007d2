"""Claims on two clusters: derivations, derivations that must fail, and the catalogue's numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy as sp

from theory import symbols as s
from theory.claim import Claim, Root
from theory.hong_ling_2023 import (
    angles,
    balanced,
    between_clusters,
    bias_thresholds,
    distinct_sizes,
    free_bias,
    threshold_order,
    two_clusters,
)
from theory.observables import between_dead, two_cluster_parameters
from theory.optimum import softmax
from theory.problem import Problem
from verify.balls import ball, precision, resolve
from verify.routes import solve

MODULES = (
    angles,
    balanced,
    between_clusters,
    bias_thresholds,
    distinct_sizes,
    free_bias,
    threshold_order,
    two_clusters,
)
CLAIMS = {c.id: c for module in MODULES for c in vars(module).values() if isinstance(c, Claim)}
EXAMPLE_1 = Problem.ce([(9, 2), (4, 3)], "0.03")
EXAMPLE_2 = Problem.ce([(16, 3), (4, 2)], "0.05", bias="0.04")


def number(expression: Any, values: dict[sp.Symbol, Any]) -> float:
    with precision(200):
        return float(ball(expression, resolve(values)))


def test_every_id_is_there() -> None:
    expected = {f"HL23-{n}" for n in ("07", "08", "09", "10", "12", "13", "14", "21", "R2", "R6")}
    assert set(CLAIMS) == expected


@pytest.mark.parametrize("id", sorted(CLAIMS))
def test_settings_satisfy_the_hypotheses(id: str) -> None:
    claim = CLAIMS[id]
    assert claim.witness is not None
    for problem in (claim.witness, *claim.settings):
        assert claim.applies(problem), problem.canonical()
    for hypothesis in claim.hypotheses:
        if isinstance(hypothesis.dropped, Problem):
            broken = [h.text for h in claim.hypotheses if not h.holds(hypothesis.dropped)]
            assert broken == [hypothesis.text]


def test_example_1() -> None:
    """Everything alive: r from the printed t, then p, q, t and the value from r and the gaps."""
    values = {**two_cluster_parameters(EXAMPLE_1), **two_clusters.saturation(EXAMPLE_1)}
    printed = {
        s.a: "2.66671127917",
        s.b: "1.88293501258",
        s.tA: "1.11297114787",
        s.tB: "0.876403049479",
        s.s1: "6.14950472440",
        s.rA: "0.0651547776919",
        s.rB: "0.0769586605634",
        s.delta: "0",
        two_clusters.mu_0: "0",
    }
    values |= {symbol: sp.Rational(digits) for symbol, digits in printed.items()}
    share = 18 * values[s.tA] ** 2 / (18 * values[s.tA] ** 2 + 12 * values[s.tB] ** 2)
    values |= {two_clusters.cos_theta: sp.sqrt(share), two_clusters.sin_theta: sp.sqrt(1 - share)}
    expected = {s.pA: 0.752267833462, s.qA: 0.0522678334621, s.pB: 0.648694226291, s.qB: 0.0986942262910}
    expected |= {s.F: 0.994356600214}
    for relation in two_clusters.solution.relations:
        if isinstance(relation, sp.Eq) and relation.rhs.free_symbols <= set(values):
            left = expected.get(relation.lhs, None)
            left = number(relation.lhs, values) if left is None else left
            assert number(relation.rhs, values) == pytest.approx(left, abs=2e-11), relation
    assert number(two_clusters.SPECTRAL, values) == pytest.approx(6.14950472440, abs=1e-10)
    cosines = (-0.410388623757, -0.0791750370181, -0.287589513938, -0.368733210202, -0.130717375079, -0.278756678343)
    for formula, cosine in zip((*angles.PREDICTIONS, *angles.CLASSIFIER), cosines, strict=True):
        assert number(formula, values) == pytest.approx(cosine, abs=1e-10)


def test_example_2() -> None:
    """Between-cluster direction dead under a penalised bias: probabilities, bias gap and certificate scalar."""
    values = {**two_cluster_parameters(EXAMPLE_2), **two_clusters.saturation(EXAMPLE_2)}
    values |= two_clusters.dead_solution(EXAMPLE_2)
    assert number(two_clusters.rA0, values) == pytest.approx(0.0928617997620, abs=1e-12)
    assert number(two_clusters.rB0, values) == pytest.approx(0.265020278951, abs=1e-12)
    assert number(two_clusters.margin_A(two_clusters.rA0), values) == pytest.approx(0.950240358007, abs=1e-11)
    block = sp.sqrt(two_clusters.block_square(two_clusters.rA0, two_clusters.rB0)) / s.x
    assert number(block, values) == pytest.approx(0.844691943011, abs=1e-12)


def unbiased_threshold(problem: Problem) -> float:
    u = between_clusters.u
    root = Root(u, between_clusters.threshold_equation(u), sp.Integer(0), sp.Integer(1))
    return number(between_clusters.threshold_at(u), {**two_cluster_parameters(problem), u: root})


def free_threshold(problem: Problem) -> float:
    values = {**two_cluster_parameters(problem), threshold_order.x_t: threshold_order.free_threshold()}
    return number(threshold_order.x_t, values)


def test_thresholds_of_example_1() -> None:
    assert unbiased_threshold(EXAMPLE_1) / 30 == pytest.approx(0.0866992949534, abs=1e-13)
    assert free_threshold(EXAMPLE_1) / 30 == pytest.approx(0.0805844911743, abs=1e-13)


def test_threshold_is_not_monotone_in_the_penalty() -> None:
    """The listed x_t: no bias and free bias in closed form, penalties by bisection of the alive test."""
    problem = Problem.ce(bias_thresholds.COUNTS, 1)
    assert unbiased_threshold(problem) == pytest.approx(5.09259938291, abs=1e-11)
    assert free_threshold(problem) == pytest.approx(3.97569363682, abs=1e-11)
    for bias, listed in bias_thresholds.LISTED[1:-1]:
        margins = []
        for side in ("0.9999998", "1.0000002"):
            near = bias_thresholds.beside(bias, listed, side)
            values = {**two_cluster_parameters(near), **two_clusters.saturation(near)}
            values |= two_clusters.dead_solution(near)
            block = sp.sqrt(two_clusters.block_square(two_clusters.rA0, two_clusters.rB0))
            margins.append(number(block - s.x, values))
        assert margins[0] > 0 > margins[1], bias
    listed_values = [float(value) for _, value in bias_thresholds.LISTED]
    assert min(listed_values) == listed_values[3]
    assert listed_values[4] > listed_values[3] < listed_values[2]


@pytest.mark.parametrize(("kA", "kB", "nA", "nB"), [(2, 3, 9, 4), (5, 1, 50, 49), (7, 2, 1000, 1)])
def test_alive_test_changes_sign_once_without_a_bias(kA: int, kB: int, nA: int, nB: int) -> None:
    """What the derivation of HL23-08 proves, sampled: one sign change of the threshold equation on (0, 1)."""
    values = two_cluster_parameters(Problem.ce([(nA, kA), (nB, kB)], 1))
    signs = [number(between_clusters.threshold_equation(sp.Rational(i, 60)), values) > 0 for i in range(1, 60)]
    assert sum(left != right for left, right in pairwise(signs)) <= 1


def test_norms_alone_are_no_certificate() -> None:
    """At every angle theta the dual matrix has norm x; only a root of h has the least value."""
    K, roots, x = 5, np.sqrt([9.0, 9, 4, 4, 4]), 0.9

    def at(theta: float) -> tuple[float, float]:
        values = {s.kA: 2, s.kB: 3, two_clusters.eA: x / 3, two_clusters.eB: x / 2}
        r_A, r_B = x * np.cos(theta) / np.sqrt(3 * K * 9), x * np.sin(theta) / np.sqrt(2 * K * 4)
        p_A, q_A = ((2 - 3 * r_A) - x / 3) / 2, (x / 3 - 3 * r_A) / 2
        p_B, q_B = ((3 - 2 * r_B) - x) / 3, (x / 2 - 2 * r_B) / 3
        t_A = float(two_clusters.margin_A(sp.Float(r_A)).subs(values))
        t_B = float(two_clusters.margin_B(sp.Float(r_B)).subs(values))
        Z = np.zeros((K, K))
        Z[:2, :2] = np.log(p_A / q_A) * (np.eye(2) - 1 / 2) + t_A
        Z[2:, 2:] = np.log(p_B / q_B) * (np.eye(3) - 1 / 3) + t_B
        Z -= Z.mean(axis=0)
        P = softmax(Z)
        value = -(roots**2) @ np.log(np.diag(P)) / 30 + 0.03 * np.linalg.svd(Z * roots, compute_uv=False).sum()
        return float(np.linalg.norm((np.eye(K) - P) * roots, 2)), float(value)

    norms, values = zip(*(at(theta) for theta in (0.5, 0.6, 0.7)), strict=True)
    assert norms == pytest.approx([x, x, x], rel=1e-12)
    assert min(values) > 0.994356600214 + 1e-4


def test_bias_gap_can_favour_the_minority() -> None:
    """E = exp(d0) of HL23-10 leaves [1, nA/nB] for small lam N."""
    problem = Problem.ce([(60, 3), (10, 1)], 1, bias="free").at("0.0361")
    values = {**two_cluster_parameters(problem), **two_clusters.saturation(problem)}
    values |= two_clusters.dead_solution(problem)
    assert number(two_clusters.margin_A(two_clusters.rA0), values) == pytest.approx(-1.4267056, abs=1e-7)


def test_a_heavy_minority_stays_apart_without_between_signal() -> None:
    """With loss weights s1 = 0 does not make the minority vectors vanish (HL23-14)."""
    optimum = solve("enclosure", angles.LOUD_MINORITY)
    assert between_dead(optimum)
    assert optimum.contrasts == ("dead", "alive")
