"""``verify optimum``: bounds that hold, facts of the worked examples, both ways of printing."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.optimize

import verify.optimum
from theory.problem import Problem
from verify.counts import InputError, parse_profile
from verify.optimum import optimum

STEP = [(120, 4), (25, 3)]


def bounds(result):
    return Fraction(result.value.lower), Fraction(result.value.upper)


def without_time(result):
    return result.model_dump(exclude={"seconds"})


@pytest.mark.parametrize(
    ("lam", "rank", "merged", "zero"),
    [
        ("0.0085", 6, [], []),
        ("1/111", 4, [[4, 5, 6]], []),
        ("0.0105", 4, [[4, 5, 6]], []),
        ("0.013", 3, [[4, 5, 6]], [4, 5, 6]),
        ("0.02", 0, [[0, 1, 2, 3, 4, 5, 6]], [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_the_worked_example_on_both_sides_of_its_thresholds(lam, rank, merged, zero):
    result = optimum(Problem.ce(STEP, lam))
    assert (result.verdict, result.merged, result.zero) == ("enclosed", merged, zero)
    assert sum(s > 0 for s in result.singular_values) == rank
    assert result.undecided == []
    assert result.gap < 1e-12


def test_balanced_classes_have_the_closed_form():
    K, n, lam = 5, 40, Fraction(1, 100)
    result = optimum(Problem.ce([(n, K)], lam))
    x = float(lam) * K * n
    difference = 1 - x / math.sqrt(n)
    sibling = (1 - difference) / K
    gap = math.log1p(difference / sibling)
    value = -math.log(sibling + difference) + float(lam) * (K - 1) * math.sqrt(n) * gap
    lower, upper = bounds(result)
    assert float(lower) == pytest.approx(value, rel=1e-14)
    assert lower <= upper
    assert result.singular_values == pytest.approx([math.sqrt(n) * gap] * (K - 1) + [0.0], abs=1e-9)


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
def test_the_printed_logits_attain_the_printed_value(bias):
    problem = Problem.ce([30, 30, 12, 12, 5], "1/100", "1/200", bias=bias)
    result = optimum(problem)
    b = np.array(result.bias)
    Z = np.array(result.logits) - b[:, None]
    roots = np.sqrt([float(n) for n in problem.sizes])
    U, s, Vt = np.linalg.svd(Z * roots)
    ratio = float(problem.lambda_h / problem.lambda_w) ** 0.25
    W, H = U * np.sqrt(s) * ratio, (np.sqrt(s) * Vt.T).T / roots / ratio
    lower, upper = bounds(result)
    assert problem.objective(W, H, None if bias == "none" else b) == pytest.approx(float(upper), rel=1e-9)
    assert result.singular_values == pytest.approx(s.tolist(), abs=1e-6)
    assert lower <= upper


def test_a_dimension_below_the_rank_gives_bounds_and_no_facts():
    problem = Problem.ce([10, 10, 3, 3], "1/100", dim=2)
    result = optimum(problem)
    K, d = problem.K, problem.dim

    def value(point):
        return problem.objective(point[: K * d].reshape(K, d), point[K * d :].reshape(d, K))

    starts = np.random.default_rng(0).normal(size=(5, 2 * K * d))
    best = min(scipy.optimize.minimize(value, start, method="BFGS").fun for start in starts)
    lower, upper = (float(bound) for bound in bounds(result))
    assert lower <= best <= upper + 1e-6
    assert result.undecided == ["singular_values", "logits", "bias", "merged", "zero"]
    assert "d = 2" in result.reason


def test_a_dimension_of_at_least_the_rank_is_enough():
    result = optimum(Problem.ce(STEP, "0.013", dim=3))
    assert result.undecided == []
    assert without_time(result)["value"] == without_time(optimum(Problem.ce(STEP, "0.013")))["value"]


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
@pytest.mark.parametrize("lam", ["1/10000", "1/200", "1/100", "1/20"])
def test_floating_bounds_and_facts_agree_with_the_kernel(bias, lam, monkeypatch):
    problem = Problem.ce([60, 60, 21, 8, 8, 8], lam, bias=bias)
    proved = optimum(problem)
    monkeypatch.setattr(verify.optimum, "AFFORDABLE_CLUSTERS", 0)
    monkeypatch.setattr(verify.optimum, "AFFORDABLE_CLASSES", 0)
    floating = optimum(problem)
    assert (proved.verdict, floating.verdict) == ("enclosed", "certified")
    assert bounds(floating)[0] <= bounds(proved)[1]
    assert bounds(proved)[0] <= bounds(floating)[1]
    assert floating.singular_values == pytest.approx(proved.singular_values, abs=1e-5)
    for fact in ("merged", "zero"):
        assert fact in floating.undecided or getattr(floating, fact) == getattr(proved, fact)


def test_runs_hold_the_same_as_lists():
    problem = Problem.ce([(60, 2), (8, 3), (60, 1), (8, 2)], "1/40", bias="free")
    listed, runs = optimum(problem), optimum(problem, listed=False)
    assert runs.logits is None
    assert listed.merged == [[2, 3, 4, 6, 7]]
    assert runs.merged == [[2, 4, 6, 7]]
    for name in ("counts", "singular_values", "bias"):
        assert [value for value, repeat in getattr(runs, name) for _ in range(repeat)] == getattr(listed, name)
    assert [k for first, last in runs.zero for k in range(first, last + 1)] == listed.zero


def test_a_million_classes_cost_what_ten_cost():
    result = optimum(Problem.ce([(5000, 5), (500, 10**6 - 5)], "1e-7", bias="free"))
    assert result.counts == [(5000, 5), (500, 10**6 - 5)]
    assert result.merged == [[5, 10**6 - 1]]
    assert sum(repeat for _, repeat in result.singular_values) == 10**6
    assert result.seconds < 2
    assert result.gap < 1e-12


def test_the_rank_is_the_proved_one_and_not_counted_on_a_floating_point_solution():
    sizes = parse_profile("exp:500:5:100")  # the solver leaves 23 singular values near 1e-6 that are zero
    result = optimum(Problem.ce(sizes, "1/2000"))
    assert sum(s > 0 for s in result.singular_values) == 60
    runs = optimum(Problem.ce(sizes, "1/2000"), listed=False).singular_values
    assert sum(repeat for value, repeat in runs if value > 0) == 60


def test_only_the_product_of_the_weight_decays_moves_the_logits():
    one, two = optimum(Problem.ce(STEP, "1/100")), optimum(Problem.ce(STEP, "1/20", "1/500"))
    assert one.logits == two.logits
    assert one.singular_values == two.singular_values


def test_class_weights_make_clusters():
    result = optimum(Problem.ce([(10, 4)], "1/10", weights=[(1, 2), (3, 2)]))
    assert result.merged == [[0, 1]]
    assert result.options["class_weights"] == [["1", 2], ["3", 2]]


def test_exactly_at_complete_collapse_everything_vanishes():
    result = optimum(Problem.ce([9, 9, 4], "3/22"))
    assert (result.merged, result.zero) == ([[0, 1, 2]], [0, 1, 2])


def test_the_same_problem_prints_the_same():
    problem = Problem.ce([50, 30, 20, 20, 5], "1/300", bias="1/10")
    assert without_time(optimum(problem)) == without_time(optimum(problem))


def test_too_many_different_sizes_are_refused():
    problem = Problem.ce(range(1, 400), "1/100")
    with pytest.raises(InputError, match="399 different"):
        optimum(problem, rigorous=True)


@pytest.mark.parametrize(
    ("profile", "gap"), [("exp:500:5:100", 1e-9), ("exp:5000:50:10", 1e-9), ("step:5000:500:10", 1e-12)]
)
def test_long_tailed_data_sets_at_the_usual_weight_decay(profile, gap):
    problem = Problem.ce(parse_profile(profile), "5e-4")
    result = optimum(problem)
    assert (result.verdict, result.undecided) == ("enclosed", [])
    assert result.gap <= gap
    merged = {k for group in result.merged for k in group}
    repeated = {k for c in problem.clusters if c.classes > 1 and problem.x2 >= c.size for k in c.members}
    assert merged == repeated
