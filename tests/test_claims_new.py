"""Results for arbitrary sizes, conjectures, refuted beliefs: derivations, worked numbers, sides of thresholds."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from theory.beliefs import geometry, thresholds
from theory.claim import Claim
from theory.conjectures import budget_losses, monotone_path, rank_law, safe_size, size_order
from theory.new_results.potential import EXAMPLE, GROWN_AWAY, more_data
from theory.new_results.rank_count import before_the_largest, strong_classes
from theory.new_results.sandwich import WITNESS, relu_optima
from theory.new_results.settings import MINORITY_WRONG, WEIGHTED_WRONG
from theory.observables import norm
from theory.problem import Problem
from theory.value_observables import collapsed, entropies, grams, losses, merged_state, scaled
from verify import registry
from verify.balls import precision
from verify.findings import findings_for
from verify.routes import solve

CLAIMS = {name: c for name, c in registry.load().items() if name.split("-")[0] in ("NR26", "CJ26", "RF26")}
MINE = [f"NR26-{i}" for i in range(16, 26)] + [f"CJ26-0{i}" for i in range(1, 6)]
REFUTED = [f"RF26-{i:02d}" for i in (1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 14, 15)] + ["CJ26-02"]


def enclosed(problem):
    return solve("enclosure", problem)


def cosines(gram):
    lengths = [float(gram[i, i]) ** 0.5 for i in range(3)]
    return [float(gram[i, j]) / (lengths[i] * lengths[j]) for i, j in ((0, 1), (0, 2), (1, 2))]


def gap(problem, members):
    """Distance of a classifier row from the mean of its group, which is alike for all its classes."""
    with precision(300):
        rows = grams(enclosed(problem))[0]
        i, j = members[:2]
        square = (rows[i, i] - rows[i, j]) * (len(members) - 1) / len(members)
        return max(float(square.mid()), 0.0) ** 0.5


def test_all_are_registered_with_their_status():
    assert {*MINE, *REFUTED} <= set(CLAIMS)
    assert all(CLAIMS[name].status == "refuted" for name in REFUTED)
    proved = {name for name in MINE if name[:2] == "NR"} | {"CJ26-05"}  # this conjecture has found its proof
    assert {name for name in MINE if CLAIMS[name].status == "theorem"} == proved


@pytest.mark.parametrize("name", REFUTED)
def test_the_worked_example_refutes_the_belief(name):
    claim = CLAIMS[name]
    assert claim.applies(claim.witness)
    found = findings_for(claim, claim.witness, "enclosure", 0, frozenset({name}))
    assert "violated" in {finding.outcome for finding in found}


@pytest.mark.parametrize("name", REFUTED)
def test_variants_of_the_corrected_statement_are_refuted_too(name):
    claim = CLAIMS[name]
    assert claim.mutants
    for mutant in claim.mutants:
        assert claim.applies(mutant.problem), mutant.text
        found = findings_for(claim.mutated(mutant), mutant.problem, "enclosure", 0, frozenset({name}))
        assert "violated" in {finding.outcome for finding in found}, mutant.text


def test_sandwich_numbers():
    low, high = (solve("enclosure", p) for p in (relu_optima(WITNESS)[1], relu_optima(WITNESS)[0]))
    values = [float(o.upper) for o in (low, enclosed(WITNESS), high)]
    assert values == pytest.approx([0.875469478333, 0.894730930688, 0.952632006244], abs=1e-11)


def test_a_misclassified_minority():
    found = enclosed(MINORITY_WRONG)
    column = [float(p) for p in found.probabilities[:, 2]]
    assert column == pytest.approx([0.28985834, 0.36864768, 0.34149398], abs=1e-8)
    assert float(found.upper) == pytest.approx(1.01857905056, abs=1e-10)
    assert float(found.logits[2, 2] - found.logits[1, 2]) == pytest.approx(-0.0765113, abs=1e-7)


def test_weights_break_the_safe_size():
    found = enclosed(WEIGHTED_WRONG)
    assert float(WEIGHTED_WRONG.weights[2] ** 2 * 2 / WEIGHTED_WRONG.x2) == pytest.approx(1.0466, abs=1e-4)
    margins = [float(found.logits[2, 2] - found.logits[j, 2]) for j in (0, 1)]
    assert min(margins) == pytest.approx(-0.0566, abs=1e-4)


def test_potentials_at_one_dimension():
    point = solve("nonconvex", Problem.ce([4, 4, 4], "0.02", dim=1)).point
    means = point.H if point.H.shape[1] == 3 else point.H[:, ::4]
    Z = point.W @ means
    cost = np.log(np.exp(Z).sum(axis=0)) - np.diagonal(Z)
    phi = np.sort(cost + 0.02 * 12 / 2 * (means * means).sum(axis=0))
    assert phi == pytest.approx([0.2478, 0.2478, 1.0986], abs=1e-4)


def test_more_data_with_fixed_decays_can_raise_the_potential():
    before, (moved, fixed) = enclosed(GROWN_AWAY), (enclosed(p) for p in more_data(GROWN_AWAY))
    phi = [float((losses(o)[1] + entropies(o)[1]) / 2) for o in (before, moved, fixed)]
    assert phi[1] < phi[0] < phi[2]
    assert [str(p.lambda_w * p.N) for p in (EXAMPLE, more_data(EXAMPLE)[0])] == ["27/25", "27/25"]


@pytest.mark.parametrize(("x2", "expected"), [("3.49", False), ("3.5", True), ("4", True)])
def test_complete_collapse_is_decided_exactly(x2, expected):
    problem = Problem.ce([5, 2], 1).at(x2)
    assert collapsed(problem) is expected
    assert enclosed(problem).exact_zero is expected


def test_collapse_before_the_largest_size():
    (early,) = before_the_largest(Problem.ce([10, 4, 1], 1))
    assert 7.6457513 < early.x2 < 10
    assert enclosed(early).rank == (0, 0)
    assert not collapsed(Problem.ce([10, 4, 1], 1).at("7.6457513"))
    assert collapsed(Problem.ce([10, 4, 1], 1).at("7.6457514"))


def test_ranks_at_both_ends():
    seen = set()
    for x2 in ("0.5", "3", "4.9", "5.5", "9"):
        problem = Problem.ce([14, 6, 5, 1], 1).at(x2)
        least, most = enclosed(problem).rank
        assert least == most
        seen.add(most - strong_classes(problem))
    assert seen == {-1, 0}


def test_cosines_of_means_and_rows():
    problem = Problem.ce([8, 4, 2], "0.05")
    rows, means = grams(enclosed(problem))
    assert cosines(means) == pytest.approx([-0.5600744, -0.4915299, -0.4461646], abs=1e-7)
    assert cosines(rows) == pytest.approx([-0.7129611, -0.5569621, -0.1852838], abs=1e-7)
    own = [float(enclosed(problem).logits[k, k] / (rows[k, k] * means[k, k]) ** 0.5) for k in range(3)]
    assert own == pytest.approx([0.9990, 0.9880, 0.9927], abs=5e-5)


def test_merged_is_not_zero():
    found = enclosed(geometry.MERGED)
    rows, means = grams(found)
    assert float(means[3, 3]) ** 0.5 == pytest.approx(0.2816410 * _feature_unit(), abs=1e-6)
    assert float(rows[3, 3]) ** 0.5 == pytest.approx(0.7989721 / _feature_unit(), abs=1e-6)
    assert float(losses(found)[3]) == pytest.approx(1.4016232, abs=1e-7)


def _feature_unit():
    """(lambda_W/lambda_H)^(1/4): the printed lengths are for equal decays."""
    return float(geometry.MERGED.lambda_w / geometry.MERGED.lambda_h) ** 0.25


@pytest.mark.parametrize(("x2", "margin", "cosine"), [("3.8416", 0.0748, 0.9016), ("3.9601", 0.0189, 0.9735)])
def test_all_correct_and_nearly_parallel(x2, margin, cosine):
    found = enclosed(Problem.ce([(50, 2), (4, 3)], 1).at(x2))
    Z, rows = found.logits, grams(found)[0]
    assert min(float(Z[k, k] - Z[j, k]) for k in range(5) for j in range(5) if j != k) == pytest.approx(
        margin, abs=5e-5
    )
    assert float(rows[2, 3] / rows[2, 2]) == pytest.approx(cosine, abs=5e-5)


def test_gaps_of_the_beliefs_on_thresholds():
    large = thresholds.four_times_larger(thresholds.RATIO)[0]
    assert gap(thresholds.RATIO, [2, 3, 4]) == pytest.approx(0.9301, abs=5e-5)
    assert merged_state(enclosed(large), [2, 3, 4]) == 1
    assert gap(thresholds.HARMLESS, [2, 3, 4]) == pytest.approx(1.0011, abs=5e-5)
    assert merged_state(enclosed(thresholds.doubled_majority(thresholds.HARMLESS)[0]), [2, 3, 4]) == 1
    assert gap(thresholds.WEIGHTED, [2, 3]) == pytest.approx(1.3053, abs=5e-5)
    assert merged_state(enclosed(thresholds.copies_for_weights(thresholds.WEIGHTED)[0]), [2, 3]) == 1


@pytest.mark.parametrize(("copies", "state"), [(1, 1), (2, 0), (20, 0), (29, 0), (30, 1), (35, 1)])
def test_oversampling_window(copies, state):
    problem = scaled(Problem.ce([(30, 3), (6, 2)], "0.03"), lambda cluster: cluster.size == 6, copies)
    assert merged_state(enclosed(problem), [3, 4]) == state
    assert merged_state(enclosed(replace(problem, lambda_w=Fraction("0.04"), lambda_h=Fraction("0.04"))), [3, 4]) == 1


def test_weight_schemes():
    plain = thresholds.LONG_TAIL
    (inverse,) = thresholds.inverse_frequency(plain)
    roots = [Fraction(f"{float(n) ** -0.5:.15g}") for n in plain.sizes]
    total = sum(n * r for n, r in zip(plain.sizes, roots, strict=True))
    root = Problem.ce(plain.sizes, plain.lambda_w, weights=[plain.N * r / total for r in roots])
    for problem, many, few in ((plain, 3.8297, 1.4223), (inverse, 0, 2.6538), (root, 3.3168, 2.3939)):
        assert [gap(problem, [0, 1]), gap(problem, list(range(2, 12)))] == pytest.approx([many, few], abs=2e-4)


def test_squared_loss_outlives_cross_entropy():
    (squared,) = thresholds.squared_loss(thresholds.COLLAPSED)
    assert enclosed(thresholds.COLLAPSED).rank == (0, 0)
    found = enclosed(squared)
    assert found.rank == (1, 1)
    assert float(found.logits[0, 0]) == pytest.approx(0.105572809, abs=1e-9)


@pytest.mark.parametrize(
    "problem", [rank_law.EVEN, Problem.ce([40, 25, 1], 1, weights=[1, 1, 5]).at("25.25")], ids=["smallest", "1 %"]
)
def test_class_weights_break_the_rank_law(problem):
    law = CLAIMS["CJ26-01"]
    assert not law.applies(problem)
    (reading,) = rank_law.rank_readings(enclosed(problem))
    assert (reading[rank_law.count], reading[rank_law.rank]) == (1, 2)
    found = findings_for(law, problem, "enclosure", 0, frozenset())
    assert [finding.outcome for finding in found] == ["holds", "violated"]


def test_columns_do_not_follow_the_sizes_beside_a_giant_and_probabilities_do():
    """Every route sees it at sizes 10^6, 1000, 10, 1; the descent knows nothing of the kernel."""
    broken, kept = size_order.column_order, size_order.size_order
    for route in ("enclosure", "nonconvex"):
        optimum = solve(route, size_order.GIANT)
        length = [float(norm(optimum.logits[:, k])) for k in range(4)]
        assert length == pytest.approx([6.7576, 5.3478, 5.4164, 4.7792], abs=1e-3)
        outcomes = [f.outcome for f in findings_for(broken, size_order.GIANT, route, 0, frozenset())]
        assert outcomes == ["holds", "violated", "holds"]
    assert {f.outcome for f in findings_for(kept, size_order.GIANT, "enclosure", 0, frozenset())} == {"holds"}
    assert findings_for(broken, size_order.SHRUNK, "enclosure", 0, frozenset())[1].outcome == "violated"


def test_rows_do_not_follow_the_sizes_beside_giants():
    Z = enclosed(size_order.GIANTS).logits
    assert [float(norm(Z[k])) for k in (6, 8)] == pytest.approx([9.2927, 9.4112], abs=1e-4)


@pytest.mark.parametrize(
    ("problem", "margin"), [(safe_size.GIANTS, -0.02254623), (safe_size.SHRUNK, -0.00063465)], ids=["10^5", "10^4"]
)
def test_a_class_above_the_level_loses_beside_twelve_giants(problem, margin):
    last = problem.K - 1
    assert problem.sizes[last] > problem.x2
    Z = enclosed(problem).logits
    assert float(Z[last, last] - Z[last - 1, last]) == pytest.approx(margin, abs=1e-8)
    assert Z[last - 1, last - 1] > Z[last, last - 1]


def test_a_descent_finds_the_same_loss():
    """It knows nothing of the kernel; the loss is .0225."""
    point = solve("nonconvex", safe_size.GIANTS).point
    Z = point.W @ point.H  # so many samples that there is one column per class
    assert Z[13, 13] - Z[12, 13] == pytest.approx(-0.0225462, abs=1e-4)


def test_conjectures_are_read_on_their_witnesses():
    for module in (rank_law, size_order, monotone_path, budget_losses):
        claims = (value for value in vars(module).values() if isinstance(value, Claim))
        (claim,) = (value for value in claims if value.status != "refuted")
        found = findings_for(claim, claim.witness, "enclosure", 0, frozenset())
        assert {finding.relation for finding in found} == set(range(len(claim.relations)))
        assert {finding.outcome for finding in found} == {"holds"}
