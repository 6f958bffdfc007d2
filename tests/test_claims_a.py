"""Reduction, block structure, merge thresholds and complete collapse: derivations and the catalogue's numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from flint import arb
from scipy.optimize import root

from theory import symbols as s
from theory.blocks import Blocks, diagonal, ones
from theory.claim import Claim, Root
from theory.hong_ling_2023 import block_structure, complete_collapse, minority_collapse, reduction, weight_decay
from theory.observables import cluster_readings
from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import ball, resolve
from verify.routes import solve

MODULES = (block_structure, complete_collapse, minority_collapse, reduction, weight_decay)
CLAIMS = {c.id: c for module in MODULES for c in vars(module).values() if isinstance(c, Claim)}


def test_every_id_is_there() -> None:
    numbers = ("01", "02", "03", "04", "05", "06", "11", "19", "20", "R3", "R4", "R5")
    assert set(CLAIMS) == {f"HL23-{number}" for number in numbers}


@pytest.mark.parametrize("classes", [(1, 2), (2, 3)])
def test_block_algebra_is_that_of_the_matrices(classes: tuple[int, int]) -> None:
    m = sp.symbols("m_1 m_2", positive=True)
    c, d = sp.symbols("c:2", positive=True), sp.symbols("d:2", positive=True)
    left = Blocks(m, c, sp.Matrix([[1, m[0]], [c[1], 3]]))
    right = Blocks(m, d, sp.Matrix([[d[0], 2], [m[1], 5]]))
    dense = left.dense(classes) * right.dense(classes).T
    assert (dense - (left @ right.T).dense(classes)).expand() == sp.zeros(*dense.shape)
    assert left.dense(classes) * sp.ones(sum(classes), 1) == sp.Matrix(
        [
            left.on_constant([1, 1])[g].subs(dict(zip(m, classes, strict=True)))
            for g in range(2)
            for _ in range(classes[g])
        ]
    )
    assert (ones(m) - diagonal(m, d)).dense(classes) == ones(m).dense(classes) - diagonal(m, d).dense(classes)


def test_quotient_and_gaps_hold_all_singular_values() -> None:
    values = {s.kA: 2, s.kB: 3, s.a: sp.Rational(5, 2), s.b: 2, s.tA: 1, s.tB: sp.Rational(4, 5)}
    Z = block_structure.two_cluster_blocks(s.a, s.b, s.tA, s.tB)
    dense = np.array(Z.dense((2, 3)).subs(values), dtype=float)
    small = np.array(Z.quotient().subs(values), dtype=float)
    expected = sorted([2.5, 2, 2, *np.linalg.svd(small, compute_uv=False)])
    np.testing.assert_allclose(sorted(np.linalg.svd(dense, compute_uv=False)), expected, atol=1e-14)


def test_worked_example() -> None:
    """Example 1: pA - qA = 0.7 and pB - qB = 0.55 exactly; s1 from tA, tB; T1 = 1/15."""
    problem = Problem.ce([(9, 2), (4, 3)], "0.03")
    law = minority_collapse.law.relations[0].rhs
    readings = cluster_readings(Optimum(problem, "exact"))
    gaps = [law.subs({symbol: reading[symbol] for symbol in law.free_symbols}) for reading in readings]
    assert gaps == [sp.Rational(7, 10), sp.Rational(11, 20)]
    sizes = {s.K: 5, s.kA: 2, s.nA: 9, s.kB: 3, s.nB: 4}
    square = block_structure.structure.relations[10].rhs.subs(sizes)
    assert sp.sqrt(square).subs({s.tA: 1.11297114787, s.tB: 0.876403049479}) == pytest.approx(6.14950472440, rel=1e-11)
    (condition,) = (part for part in minority_collapse.threshold.relations[0].args if part != s.dead)
    at = {s.n: 4, s.w: 1}
    assert [condition.subs({**at, s.x: 30 * lam}) for lam in (sp.Rational(1, 15), sp.Rational(1, 16))] == [True, False]


def test_values_of_the_reduced_problem() -> None:
    for problem, value in (
        (Problem.ce([(9, 2), (4, 3)], "0.03"), 0.994356600214),
        (Problem.ce([(16, 3), (4, 2)], "0.05", bias="1/25"), 1.39633806293),
    ):
        (reading,) = reduction.reduction.readings(solve("enclosure", problem))
        assert float(ball(reduction.reduction.relations[0].rhs, reading)) == pytest.approx(value, rel=1e-11)


def threshold(problem: Problem, mode: str) -> float:
    """Squared threshold of a bias mode, as a claim reads it."""
    (reading,) = complete_collapse.collapse_readings(Optimum(problem, "exact"))
    symbol = {"none": complete_collapse.m_none, "free": complete_collapse.m_free}.get(mode, complete_collapse.m_c)
    return float(ball(symbol, resolve(reading)))


def operator(problem: Problem, p: np.ndarray) -> np.ndarray:
    """Squared singular values of (I - p 1^T) D^(1/2), ascending."""
    n = np.array([float(size) for size in problem.sizes])
    return np.linalg.svd((np.eye(len(n)) - p[:, None]) * np.sqrt(n), compute_uv=False)[::-1] ** 2


@pytest.mark.parametrize("counts", [(12, 7, 4), (30, 29, 2, 2, 1), (9, 1), (12, 12, 7, 4), (1000, 3, 3, 2, 2, 1)])
@pytest.mark.parametrize("penalty", ["none", "free", "1/10", "1/1000"])
def test_collapse_threshold_is_the_norm(counts: tuple[int, ...], penalty: str) -> None:
    """And the second eigenvalue is at most the second size, the largest at most the largest, in every bias mode."""
    problem = Problem.ce(list(counts), 1, bias=penalty)
    frequency = np.array(counts) / sum(counts)
    p = {"none": np.full(len(counts), 1 / len(counts)), "free": frequency}.get(penalty)
    if p is None:
        two_mu = float(Fraction(penalty))
        softmax = lambda b: np.exp(b - b.max()) / np.exp(b - b.max()).sum()  # noqa: E731
        p = softmax(
            root(lambda b: two_mu * b - frequency + softmax(b), np.log(frequency / frequency.mean()), tol=1e-13).x
        )
    squares = operator(problem, p)
    assert threshold(problem, penalty) == pytest.approx(squares[-1], rel=1e-9)
    assert squares[-1] <= counts[0] * (1 + 1e-12)
    assert squares[-2] <= counts[1] * (1 + 1e-12)


def test_closed_forms_of_complete_collapse() -> None:
    lone = Problem.ce([(20, 1), (5, 4)], 1)
    assert threshold(lone, "none") == (20 * 4 + 5) / 5
    assert threshold(lone, "free") == 5 * 20 * 5 / 40
    exact = complete_collapse.squared_threshold(Problem.ce([12, 7, 4], 1), "free", complete_collapse.m_c)
    assert isinstance(exact, Root)


def test_no_rotation_hides_a_wrong_modulus() -> None:
    """The balls around (X X^T)^(1/2) contain the truth for every matrix inside balls of radius 1e-3."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4, 4)) @ np.diag([3.0, 3.0, 1e-4, 0])
    left, _ = reduction.moduli(np.array([[arb(v, 1e-3) for v in row] for row in X], dtype=object))
    for _ in range(20):
        moved = X + rng.uniform(-1e-3, 1e-3, X.shape)
        values, vectors = np.linalg.eigh(moved @ moved.T)
        true = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        assert all(left[i, j].contains(arb(true[i, j], 1e-12)) for i in range(4) for j in range(4))


def test_effective_weight_decay() -> None:
    for majority, expected in ((500, 0.1696), (5500, 0.4650)):
        assert float(weight_decay.growing_data(majority).x2) ** 0.5 == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("majority", "cosine"), [(500, -0.13982), (5500, -0.13917)])
def test_columns_under_the_effective_weight_decay(majority: int, cosine: float) -> None:
    Z = solve("exact", weight_decay.growing_data(majority)).logits
    assert Z is not None
    columns = np.array([[float(entry) for entry in row] for row in Z])[:, :2].T
    assert np.corrcoef(columns)[0, 1] == pytest.approx(cosine, abs=1e-5)
