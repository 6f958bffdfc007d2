"""Exact, convex and nonconvex routes against the worked examples, closed forms and each other."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.optimize
from cvxpy.error import SolverError

from theory.optimum import Optimum
from theory.problem import Problem
from verify.dual import assess
from verify.routes import conic, convex, exact, nonconvex
from verify.two_clusters import solve_two_clusters

CLOSED = frozenset({"HL23-07", "HL23-09", "HL23-12"})
ROUTES = {
    "exact": exact.solve,
    "newton": lambda problem: exact.solve(problem, avoid=CLOSED),
    "clarabel": lambda problem: convex.solve(problem, solver="CLARABEL"),
    "scs": lambda problem: convex.solve(problem, solver="SCS"),
    "nonconvex": nonconvex.solve,
}
DIGITS = {"exact": 1e-11, "newton": 1e-11, "clarabel": 1e-4, "scs": 1e-3, "nonconvex": 1e-8}
EXAMPLE_1 = Problem.ce([(9, 2), (4, 3)], "0.03")
EXAMPLE_2 = Problem.ce([(16, 3), (4, 2)], "0.05", bias="0.04")


def middle(balls: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda ball: float(ball.mid()))(balls)


def widest(balls: np.ndarray) -> float:
    return max(float(ball.rad()) for ball in balls.ravel())


@pytest.mark.parametrize("route", ROUTES)
def test_worked_example_1(route: str) -> None:
    found, tolerance = ROUTES[route](EXAMPLE_1), DIGITS[route]
    Z = middle(found.logits)
    a, b, tA, tB = 2.66671127917, 1.88293501258, 1.11297114787, 0.876403049479
    assert float(found.upper) == pytest.approx(0.994356600214, abs=1e-7 if route == "scs" else 1e-9)
    assert [Z[0, 0] - Z[1, 0], Z[2, 2] - Z[3, 2]] == pytest.approx([a, b], abs=tolerance)
    assert [Z[:2, 0].mean() - Z[2, 0], Z[2:, 2].mean() - Z[0, 2]] == pytest.approx([tA, tB], abs=tolerance)
    assert np.linalg.svd(Z * np.sqrt([9, 9, 4, 4, 4]))[1] == pytest.approx(
        [3 * a, 6.14950472440, 2 * b, 2 * b, 0], abs=10 * tolerance
    )
    assert (found.contrasts, found.rank) == (("alive", "alive"), (4, 4))
    assert widest(found.logits) < 1e-2


@pytest.mark.parametrize("route", ROUTES)
def test_worked_example_2(route: str) -> None:
    found, tolerance = ROUTES[route](EXAMPLE_2), DIGITS[route]
    Z, b = middle(found.logits), middle(found.bias)
    assert float(found.upper) == pytest.approx(1.39633806293, abs=1e-7 if route == "scs" else 1e-9)
    assert Z[0, 0] - Z[1, 0] == pytest.approx(1.01161243648, abs=tolerance)
    assert np.abs(Z[:, 3:]).max() < tolerance
    assert b[0] - b[3] == pytest.approx(0.950240358007, abs=tolerance)
    assert (found.contrasts, found.rank) == (("alive", "dead"), (2, 2))


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
def test_balanced_classes(bias: str) -> None:
    for lam, gap in (("0.05", np.log(4 * np.sqrt(5) - 3)), ("0.2", 0.0)):
        problem = Problem.ce([(5, 4)], lam, bias=bias)
        for avoid in (frozenset(), CLOSED):
            point = exact.solve_blocks(problem, avoid)
            assert [*point.alpha, *point.bias] == pytest.approx([gap, 0], abs=1e-13)


def test_two_classes_without_bias_have_opposite_columns() -> None:
    problem = Problem.ce([7, 2], "0.1")
    t = np.log(np.sqrt(18) / 0.9 - 1)
    for route, solve in ROUTES.items():
        Z = middle(solve(problem).logits)
        np.testing.assert_allclose(Z, np.array([[t, -t], [-t, t]]) / 2, atol=DIGITS[route])


def contradictions(found: list[Optimum]) -> list[str]:
    """Facts of routes on one problem that cannot all be true."""
    clashes = []
    for i, one in enumerate(found):
        for other in found[:i]:
            clashes += ["value"] if not one.lower <= other.upper else []
            for name in ("logits", "bias"):
                balls = zip(getattr(one, name).flat, getattr(other, name).flat, strict=True)
                clashes += [] if all(u.overlaps(v) for u, v in balls) else [name]
            clashes += ["rank"] if max(one.rank[0], other.rank[0]) > min(one.rank[1], other.rank[1]) else []
            pairs = zip(one.contrasts, other.contrasts, strict=True)
            clashes += ["contrast"] if any(u != v and None not in (u, v) for u, v in pairs) else []
    return clashes


@pytest.mark.parametrize("seed", range(30))
def test_routes_never_contradict_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 4))
    repeats = [int(k) for k in rng.integers(1, 3, size=groups)]
    repeats[0] += 1
    sizes = sorted((int(n) for n in rng.choice(60, size=groups, replace=False) + 1), reverse=True)
    total = sum(n * k for n, k in zip(sizes, repeats, strict=True))
    lam = Fraction(float(rng.uniform(0.01, 1.1) * sizes[0] ** 0.5)) / total
    bias = ["none", "free", "1/10"][seed % 3]
    weights = [(Fraction(int(w), 2), k) for w, k in zip(rng.integers(1, 4, size=groups), repeats, strict=True)]
    problem = Problem.ce(
        list(zip(sizes, repeats, strict=True)), lam, 3 * lam, bias=bias, weights=weights if seed % 2 else None
    )
    found = [ROUTES[name](problem) for name in ("exact", "newton", "clarabel", "nonconvex")]
    if found[2].reason == "CLARABEL: status optimal_inaccurate":  # an answer that depends on the machine, and no number
        assert found[2].lower is found[2].upper is None
        found[2] = found[1]
    assert [one.reason for one in found] == [""] * 4
    assert all(one.lower <= one.upper for one in found)
    assert contradictions(found) == []
    assert max(one.work["gap"] / float(one.upper) for one in (found[0], found[1], found[3])) < 1e-10
    assert found[3].work["hits"] == found[3].work["starts"]


@pytest.mark.parametrize("bias", ["none", "free", "1/25"])
def test_newton_agrees_with_the_scalar_equation_next_to_its_thresholds(bias: str) -> None:
    def problem(x: Fraction) -> Problem:
        return Problem.ce([(60, 3), (10, 2)], x / 200, bias=bias)

    def alive(x: float) -> float:
        return float(solve_two_clusters(problem(Fraction(x)), 30).means[0, 0] != 0) - 0.5

    between = scipy.optimize.bisect(alive, 10**0.5, 60**0.5, xtol=1e-13)
    for threshold in (10**0.5, between, 60**0.5):
        for offset in (-1e-6, 1e-6):
            near = problem(Fraction(threshold * (1 + offset)))
            one, other = exact.solve_blocks(near), exact.solve_blocks(near, CLOSED)
            for part in ("alpha", "means", "bias"):
                assert getattr(other, part) == pytest.approx(getattr(one, part), abs=2e-11)


def test_two_clusters_at_many_digits_and_astronomic_sizes() -> None:
    low, high = solve_two_clusters(EXAMPLE_1, 60), solve_two_clusters(EXAMPLE_1, 300)
    assert abs(low.alpha[0] - high.alpha[0]) < mpmath.mpf(10) ** -60
    huge = solve_two_clusters(Problem.ce([("9e350", 2), ("4e350", 3)], "1/50000000", bias="1/7"), 40)
    assert float(huge.means[0, 0]) == 0
    tiny = exact.solve_digits(Problem.ce([("9e350", 2), ("4e350", 3)], Fraction(3, 10**177)), 40)
    assert tiny.contrasts == ("alive", "alive")
    assert widest(tiny.logits) < 1e-36
    with pytest.raises(ValueError, match="two sizes"):
        solve_two_clusters(Problem.ce([3, 2, 1], "0.1"))


def profile(largest: int, smallest: int, classes: int) -> list[int]:
    return [int(largest * (smallest / largest) ** (k / (classes - 1)) + 1e-9) for k in range(classes)]


@pytest.mark.parametrize(
    ("counts", "lam", "bias"),
    [
        (profile(500, 5, 100), "0.0005", "none"),
        (profile(5000, 50, 10), "0.0005", "free"),
        (profile(5000, 50, 30), "1e-9", "none"),
        ([(5000, 10**6), (50, 3), (7, 10**6)], "1e-9", "1/10"),
        ([10**6, 10**3, 1], "1/100000", "free"),
        ([("7/3", 4), ("1/5", 2), ("1/7", 1)], "0.01", "none"),
        ([5, 4, 3], "1", "none"),
    ],
)
def test_newton_closes_the_gap(counts: list, lam: str, bias: str) -> None:
    problem = Problem.ce(counts, lam, bias=bias)
    found = assess(problem, exact.solve_blocks(problem))
    assert found.gap <= 1e-12 * found.upper


def test_gradient_of_the_nonconvex_route() -> None:
    rng = np.random.default_rng(0)
    for problem in (
        Problem.ce([(4, 2), (2, 1)], "0.03", "0.06", bias="0.1", weights=[1, 2, 3], dim=2),
        Problem.ce([("9/2", 2), (2, 1)], "0.03", "0.01", bias="free", dim=3),
    ):
        landscape = nonconvex.Landscape(problem)
        v, u = rng.normal(size=(2, landscape.size))
        value, slope = landscape.value(v)
        point = landscape.point(v)
        if problem.bias == "free":
            assert value == pytest.approx(problem.objective(point.W, point.H, point.b), rel=1e-13)
        step = 1e-5
        (up, slope_up), (down, slope_down) = landscape.value(v + step * u), landscape.value(v - step * u)
        assert slope @ u == pytest.approx((up - down) / (2 * step), rel=1e-7)
        assert landscape.curvature(v, u) == pytest.approx((slope_up - slope_down) / (2 * step), abs=1e-7)


def test_features_of_a_class_collapse_and_factors_are_balanced() -> None:
    problem = Problem.ce([(6, 2), (3, 2)], "0.02", "0.05")
    found = nonconvex.solve(problem)
    W, H = found.point.W, found.point.H
    assert H.shape == (4, 18)
    starts = np.cumsum([0, 6, 6, 3])
    assert np.abs(H - np.repeat(H[:, starts], [6, 6, 3, 3], axis=1)).max() < 1e-8
    np.testing.assert_allclose(0.02 * W.T @ W, 0.05 * H @ H.T, atol=1e-9)
    assert float(found.upper) == pytest.approx(problem.objective(W, H), rel=1e-13)


def test_a_dimension_below_the_rank_leaves_the_bounds_open() -> None:
    found = nonconvex.solve(Problem.ce([(9, 2), (4, 3)], "0.03", dim=2), starts=3)
    assert found.logits is None
    assert "dimension" in found.reason
    assert found.lower < 0.9943566003
    assert found.upper > 1.0


def test_solver_failures_give_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert convex.solve(Problem.ce([(3, 13)], "0.01")).reason == "too large for this route"
    monkeypatch.setattr(convex, "_conic", lambda problem, solver: (None, None, {"status": "optimal_inaccurate"}))
    failed = convex.solve(EXAMPLE_1)
    assert (failed.lower, failed.upper, failed.logits) == (None, None, None)
    assert "optimal_inaccurate" in failed.reason

    def crash(problem: Problem, solver: str) -> None:
        raise RuntimeError("solver died")

    monkeypatch.setattr(convex, "_conic", crash)
    assert "solver died" in convex.solve(EXAMPLE_1).reason
    assert convex.solve(EXAMPLE_1).lower is None


def test_a_solver_that_makes_no_progress_is_asked_for_less() -> None:
    class Stubborn:
        status, solver_stats, tried = None, None, 0

        def solve(self, **options: object) -> None:
            self.tried += 1
            if self.tried < 3:
                raise SolverError("InsufficientProgress")
            self.status = "optimal"

    assert conic.run(Stubborn(), "CLARABEL")["status"] == "optimal"
    assert conic.run(Stubborn(), "SCS")["status"] == "solver_error"
