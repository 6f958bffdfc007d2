"""Model ce-relu: the kernel's bounds, the routes against each other, slacks, thresholds, the command line."""

import copy
import json
from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.claim import Family
from theory.problem import Problem
from verify.balls import precision
from verify.cli import run
from verify.kernel import check, verify_certificate
from verify.relu import alive_classes
from verify.routes import certify, solve
from verify.routes.relu_nonconvex import level
from verify.routes.relu_nonconvex import solve as descend
from verify.sampling import problems
from verify.slacks import slacks
from verify.thresholds import thresholds

ANY = problems(Family(bias=("none",), weights=True, near=("zero",), model="ce-relu"))
FIRST = Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu")
SECOND = Problem.ce([9, 5, 3, 1], "0.06", "0.05", model="ce-relu", dim=3)
PARTS = ("logits", "gram_features", "gram_classifier")


def relu(counts, x2, **options):
    return Problem.ce(counts, 1, model="ce-relu", **options).at(x2)


# --- the problem -------------------------------------------------------------------------------------------------


def test_a_negative_feature_is_infeasible():
    H = np.eye(3)
    FIRST.objective(np.eye(3), H)
    H[0, 1] = -1e-300
    with pytest.raises(ValueError, match="negative"):
        FIRST.objective(np.eye(3), H)
    with pytest.raises(ValueError, match="negative"):
        FIRST.objective(np.eye(3), np.full((3, 3), np.nan))


def test_the_model_is_part_of_the_problem():
    plain = Problem.ce([6, 3, 2], "0.02", "0.03")
    assert plain != FIRST
    assert plain.sha256 != FIRST.sha256
    assert Problem.from_canonical(FIRST.canonical()) == FIRST
    assert FIRST.at(1).tilted(2, 5).model == "ce-relu"
    with pytest.raises(ValueError, match="unknown model"):
        Problem.ce([1, 1], 1, model="relu")


# --- routes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "value", "margins", "squares"),
    [
        (
            FIRST,
            0.424770080780,
            (3.009047657584, 2.620741793272, 2.384762775125),
            (0.818959041422, 1.008723986548, 1.124187953208),
        ),
        (
            SECOND,
            1.038980456169,
            (2.020344924340, 1.580367845458, 1.126812950447, 0),
            (0.638889162008, 0.670493292176, 0.617180871049, 0),
        ),
    ],
)
@pytest.mark.parametrize("route", ["exact", "enclosure", "nonconvex"])
def test_worked_examples(route, problem, value, margins, squares):
    optimum = solve(route, problem)
    assert float(optimum.lower.mid()) == pytest.approx(value, abs=1e-12)
    assert float(optimum.upper.mid()) == pytest.approx(value, abs=1e-12)
    Z, gram = (np.vectorize(lambda x: float(x.mid()))(a) for a in (optimum.logits, optimum.gram_features))
    np.testing.assert_allclose(np.diag(Z) - Z[[1, 2, 0, *range(len(Z) - 3)], range(len(Z))], margins, atol=1e-7)
    np.testing.assert_allclose(gram, np.diag(squares), atol=1e-7)


@settings(max_examples=25)
@given(ANY)
def test_the_closed_form_lies_in_every_ball_of_the_certificate(problem):
    with precision(320):
        closed, proved = solve("exact", problem), solve("enclosure", problem)
        assert not proved.lower > closed.lower, "a dual point above the closed form"
        if problem.dim < alive_classes(problem):
            assert proved.logits is closed.logits is None
            assert proved.reason
            return
        assert closed.lower < proved.upper or closed.lower.overlaps(proved.upper)
        for name in PARTS:
            balls = getattr(proved, name).ravel()
            assert all(a.overlaps(b) for a, b in zip(getattr(closed, name).ravel(), balls, strict=True)), name
            assert max(float(b.rad()) for b in balls) < 1e-25, name
        assert proved.exact_contrasts == closed.contrasts
        assert all(one in (None, two) for one, two in zip(proved.contrasts, closed.contrasts, strict=True))
        assert float(proved.spread.upper()) < 1e-25


@settings(max_examples=12)
@given(ANY)
def test_descent_never_goes_below_the_certificate_and_reaches_it_from_the_constructed_start(problem):
    proved, found = solve("enclosure", problem), descend(problem, starts=2)
    value = problem.objective(found.point.W, found.point.H)
    assert value == pytest.approx(float(found.upper), rel=1e-12)
    assert value >= float(proved.lower) * (1 - 1e-12)
    assert found.work["constructed"] <= float(proved.upper) * (1 + 1e-12)
    if found.logits is not None and proved.logits is not None:
        for name in PARTS:
            assert all(
                a.overlaps(b) for a, b in zip(getattr(found, name).ravel(), getattr(proved, name).ravel(), strict=True)
            ), name


def test_random_starts_end_on_levels_of_dead_classes():
    work = descend(FIRST, starts=40).work
    assert work["explained"] == 40
    assert 8 <= work["hits"] <= 36
    assert len({tuple(classes) for classes in work["alive"]}) >= 3
    found = [level(FIRST, classes) for classes in ([0, 1, 2], [0, 1], [0, 2], [0], [1, 2])]
    np.testing.assert_allclose(found[:3], [0.424770, 0.526324, 0.596559], atol=1e-6)


@pytest.mark.parametrize(
    ("counts", "lambdas", "dim", "bound", "best", "keep"),
    [
        ([2, 2, 2], ("0.004", None), 2, 0.082656157485, 0.157835339960, 0.421308201212),
        ([1, 1, 1], ("0.04", None), 2, 0.388535139343, 0.621546965610, 0.625227522452),
        ([3, 2, 1], ("0.005", "0.008"), 2, 0.117843338150, 0.207439840606, 0.274341701723),
        ([1] * 4, ("0.002", None), 2, 0.048963655582, 0.153610941710, 0.717629008351),
        ([2, 1, 1, 1], ("0.002", None), 3, 0.053173326912, 0.078688586502, 0.318579289049),
    ],
)
def test_too_few_dimensions(counts, lambdas, dim, bound, best, keep):
    problem = Problem.ce(counts, *lambdas, model="ce-relu", dim=dim)
    proved, found = solve("enclosure", problem), descend(problem, starts=60)
    assert float(proved.lower) == pytest.approx(bound, abs=1e-11)
    assert float(proved.upper) == pytest.approx(keep, abs=1e-11)
    assert float(found.upper) == pytest.approx(best, abs=1e-9)
    assert solve("exact", problem).upper is None
    assert found.logits is None


def test_without_the_sign_constraint_only_a_lower_bound():
    optimum = solve("convex", FIRST)
    assert optimum.lower < solve("enclosure", FIRST).lower
    assert optimum.upper is optimum.logits is None
    assert abs(float(optimum.facts["descent"]) - float(solve("enclosure", FIRST).upper)) < 1e-9
    assert "DA24-18" in solve("convex", Problem.ce([(6, 5), (3, 3)], "0.02", model="ce-relu")).reason


def test_a_bias_leaves_descent_only():
    problem = relu([6, 3, 2], "2.579", bias="free")
    for route in ("exact", "enclosure"):
        assert solve(route, problem).lower is None
        assert solve(route, problem).reason
    entropy = -sum(n / 11 * np.log(n / 11) for n in (6, 3, 2))
    assert float(solve("nonconvex", problem).upper) == pytest.approx(entropy, abs=1e-8)


def test_exactly_at_the_threshold():
    for x2, zero in ((Fraction(2), True), (Fraction(2) * Fraction(999999, 1000000) ** 2, False)):
        outcome = certify(relu([9, 3, 3], x2))[1]
        assert outcome.zero == [False, zero]
        assert outcome.contrasts == ["alive", None if zero else "alive"]
        assert solve("enclosure", relu([9, 3, 3], x2)).exact_contrasts == ("alive", "dead" if zero else "alive")
    assert certify(relu([9, 3, 3], Fraction(2) * Fraction(1000001, 1000000)))[1].contrasts == ["alive", "dead"]


@pytest.mark.parametrize(
    ("problem", "states"),
    [
        (relu([9, 3, 3], Fraction(2) * (1 - Fraction(1, 10**200))), ("alive", "alive")),
        (relu([9, 3, 3], Fraction(1, 10**600)), ("alive", "alive")),
        (relu([9, 3, 3], 10**600), ("dead", "dead")),
        (relu([10**400, 3, 3], 2), ("alive", "dead")),
        (relu([10, 3, 3], 1).tilted(10**200, 3), ("alive", "alive")),
        (relu([1, 1], "0.1", weights=["1/1000000000", 10**9]), ("alive", "dead")),
    ],
)
def test_numbers_far_apart(problem, states):
    with precision(2048):
        proved = solve("enclosure", problem)
        assert proved.exact_contrasts == states
        assert proved.upper - proved.lower < proved.lower * arb(10) ** -40
        assert max(float(z.rad()) for z in proved.logits.ravel()) < 1e-40
    assert solve("nonconvex", problem).reason or solve("nonconvex", problem).upper is not None


# --- the kernel --------------------------------------------------------------------------------------------------


def changed(problem, **arrays):
    """A certificate that states nothing, with other arrays."""
    data = copy.deepcopy(certify(problem)[0])
    data["bounds"] = data["facts"] = None
    data["witness"] |= {name: {"p": P, "rows": rows} for name, (P, rows) in arrays.items()}
    return json.dumps(data)


POOR = {"kept": (0, [[0, 0, 0]]), "W": (0, [[0, 0, 0]] * 2), "H": (0, [[0, 0, 0]])}


def test_bounds_are_those_of_the_points_in_the_file():
    arrays = {
        "errors": (4, [[1, 1, 2]]),
        "kept": (0, [[1, 0, 1]]),
        "W": (2, [[9, 1, 7], [-3, 1, -2]]),
        "H": (1, [[2, 5, 3]]),
    }
    outcome = verify_certificate(changed(FIRST, **arrays))
    lower, upper = float(outcome.lower), float(outcome.upper)
    W, H = np.zeros((3, 3)), np.zeros((3, 3))
    for k, own, other, h in ((0, 9 / 4, -3 / 4, 1), (2, 7 / 4, -2 / 4, 1.5)):
        W[:, k], H[k, k] = other, h
        W[k, k] = own
    assert upper == pytest.approx(FIRST.objective(W, H), rel=1e-12)
    q = [np.array([1 - t, t / 2, t / 2]) for t in (1 / 16, 1 / 16, 1 / 8)]
    assert lower == pytest.approx(sum(n / 11 * -(p @ np.log(p)) for n, p in zip((6, 3, 2), q, strict=True)), rel=1e-12)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        (POOR | {"errors": (10, [[92, 130, 160]])}, "infeasible"),
        (POOR | {"errors": (10, [[-1, 130, 150]])}, "negative"),
        ({"errors": (0, [[0, 0, 0]]), "H": (0, [[1, 1, -1]])}, "negative"),
        ({"errors": (0, [[0, 0, 0]]), "kept": (0, [[2, 0, 0]])}, "choice"),
        ({"errors": (0, [[0, 0, 0]]), "kept": (1, [[1, 1, 1]])}, "choice"),
        ({"errors": (0, [[0, 0]])}, "columns"),
        ({"flows": (0, [[0]])}, "not a witness"),
    ],
)
def test_a_violated_side_is_rejected_though_the_other_is_loose(arrays, reason):
    answer = check(changed(FIRST, **arrays))
    assert answer["outcome"] == "rejected"
    assert reason in answer["reason"]


def test_the_widest_feasible_error_is_accepted_and_loose_points_have_no_facts():
    answer = check(changed(FIRST, **POOR, errors=(10, [[91, 130, 159]])))
    assert answer["outcome"] == "bounds"
    assert float(answer["bounds"]["upper"]) == pytest.approx(np.log(3), abs=1e-3)
    contrasts = answer["facts"]["contrast"]["values"]
    assert contrasts == [None] * 3


def test_too_wide_and_other_models():
    narrow = json.loads(changed(SECOND))
    narrow["options"]["dim"] = 2
    problem = Problem.from_canonical({key: narrow[key] for key in ("model", "counts", "options")})
    assert "width 3" in check(json.dumps(narrow | {"problem": problem.sha256}))["reason"]
    plain = Problem.ce([6, 3, 2], "0.02", "0.03")
    stolen = json.loads(changed(FIRST)) | plain.canonical() | {"problem": plain.sha256}
    assert check(json.dumps(stolen))["outcome"] == "rejected"
    biased = Problem.ce([6, 3, 2], "0.02", "0.03", bias="free", model="ce-relu")
    stolen = json.loads(changed(FIRST)) | biased.canonical() | {"problem": biased.sha256}
    assert "bias" in check(json.dumps(stolen))["reason"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("bounds", "lower"), "0.4248"),
        (("facts", "contrast", "values"), ["alive", "alive", "dead"]),
        (("facts", "zero", "values"), [False, False, True]),
        (("facts", "logits", "own", 0), {"lower": "2.1", "upper": "2.2"}),
        (("facts", "zero", "uses"), []),
    ],
)
def test_a_false_statement_is_rejected(path, value):
    data = copy.deepcopy(certify(FIRST)[0])
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert check(json.dumps(data))["outcome"] == "rejected"


def test_facts_hold_for_a_rough_certificate():
    """Every fact of a certificate with few bits contains the fact of a sharp one."""
    rough = changed(
        FIRST, errors=(14, [[1471, 2081, 2548]]), W=(7, [[283, 222, 191], [-142, -111, -96]]), H=(7, [[116, 129, 136]])
    )
    loose, sharp = verify_certificate(rough), certify(FIRST)[1]
    assert loose.outcome == "bounds"
    assert loose.upper - loose.lower < 1e-3
    for one, two in zip(loose.logits.own, sharp.logits.own, strict=True):
        assert one.is_finite()
        assert one.contains(two.mid())


# --- slacks, thresholds, command line ----------------------------------------------------------------------------


@given(st.integers(0, 10**6))
def test_six_slacks_add_up_to_the_excess_everywhere(seed):
    rng = np.random.default_rng(seed)
    K, d = int(rng.integers(2, 5)), int(rng.integers(1, 6))
    counts, weights = ([int(n) for n in rng.integers(1, 5, K)] for _ in range(2))
    problem = Problem.ce(counts, "0.02", "0.05", weights=weights, dim=d, model="ce-relu")
    W, H = rng.normal(size=(K, d)), abs(rng.normal(size=(d, sum(counts))))
    with precision(256):
        found = slacks(problem, W, H)
        assert found.residual.contains(0)
        assert found.residual.abs_upper() < arb(10) ** -70
        assert all(not part < 0 for part in found.parts)
    assert float(found.value) == pytest.approx(problem.objective(W, H), rel=1e-12)


def test_slacks_say_what_is_wrong():
    point = solve("nonconvex", FIRST).point
    assert all(abs(float(part)) < 1e-12 for part in slacks(FIRST, point.W, point.H).parts)
    for index, (W, H) in {
        1: (point.W, point.H * (1 + 0.1 * (np.arange(11) % 2))),
        2: (point.W + 0.1, point.H),
        4: (2 * point.W, point.H / 2),
        5: (1.2 * point.W, 1.2 * point.H),
    }.items():
        parts = [float(part) for part in slacks(FIRST, W, H).parts]
        assert max(range(6), key=parts.__getitem__) == index


def test_thresholds_are_exact():
    found = thresholds(relu([9, 5, 3, 3], 1, weights=[1, 1, 2, 2]))
    assert [(t.count, t.x2[0]) for t in found] == [(5, Fraction(15, 4)), (9, Fraction(27, 4)), (3, Fraction(9))]
    assert {t.claim for t in found} == {"DA24-07"}
    assert all(t.x2 is None for t in thresholds(relu([9, 5], 1, bias="free")))


def test_the_command_line_serves_the_model(tmp_path, capsys):
    options = ["ce-relu", "--counts", "9,5,3,1", "--lambda-w", ".06", "--lambda-h", ".05", "--json"]
    assert run(["optimum", *options]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["zero"], answer["singular_values"], answer["undecided"]) == ([3], None, [])
    assert answer["gap"] < 1e-80
    assert run(["thresholds", *options]) == 0
    assert [t["count"] for t in json.loads(capsys.readouterr().out)["thresholds"]] == [1, 3, 5, 9]
    file = tmp_path / "relu.json"
    assert run(["certify", *options, "-o", str(file)]) == 0
    capsys.readouterr()
    assert run(["check", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["zero"]["values"] == [False, False, False, True]
    for command in (["optimum"], ["certify", "-o", str(file)]):
        assert run([*command, *options, "--bias", "free"]) == 2
        assert "bias" in capsys.readouterr().err
