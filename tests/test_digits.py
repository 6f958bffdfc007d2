"""Certificates to any number of digits: the width asked for or a reason, nested enclosures, independent values."""

import json
from dataclasses import replace
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings

from theory.claim import Family
from theory.problem import Problem
from verify import peeled_blocks, propose, sampling
from verify.balls import precision
from verify.digits import LEAST, MOST, SPARE, scientific, shortfall, width
from verify.kernel import verify_certificate
from verify.optimum import certificate, optimum
from verify.polish import NotConverged, Space, polish
from verify.reduced import reduce
from verify.routes import mse_enclosure, svm_enclosure
from verify.routes.exact import solve_blocks

FEW = settings(max_examples=max(4, settings.default.max_examples // 3))
COVERED = {
    "ce": Family(model="ce", bias=("none", "free", "penalised"), sizes="any"),
    "ce distinct": Family(model="ce", bias=("none", "free", "penalised"), sizes="distinct"),
    "ce-relu": Family(model="ce-relu", bias=("none",)),
    "mse": Family(model="mse", bias=("none", "free")),
    "uf-svm": Family(model="uf-svm"),
    "layer-peeled": Family(model="layer-peeled"),
    "ce-sphere": Family(model="ce-sphere"),
}
DISTINCT = Problem.ce([9, 6, 4, 3, 2, 1], "0.02")
MANY = [int(5000 * 100 ** (-k / 29)) for k in range(30)]
EVERY = {
    "distinct": DISTINCT,
    "tie": Problem.ce([(9, 2), (4, 3)], 1, bias="free").at(4),
    "mse": Problem.mse([9, 6, 4], ["0.02"] * 3, "0.02", bias="free"),
    "uf-svm": Problem.svm([9, 4, 4]),
    "layer-peeled": Problem.peeled([8, 4, 2], weights=[1, 1, 0]),
    "ce-relu": Problem.ce([9, 3, 3], 1, model="ce-relu").at(2),
    "simplex": Problem.sphere(5),
    "several layers": Problem.ce([(7, 2)], ["0.05"] * 2, "0.05"),
    "smoothed": Problem.ce([(9, 2), (4, 3)], "0.03").with_loss(smoothing="0.1"),
}
WIDE = {
    "several layers": Problem.ce([(1, 4)], ["0.02"] * 3, "0.02"),
    "few dimensions": Problem.ce([(9, 2), (4, 3)], "0.03", dim=2),
    "24 vectors in the plane": Problem.sphere(24, 2, 2, families=1),
    "margins in the plane": Problem.svm([3, 3, 1, 1], dim=2),
    "hinge": Problem.ce([(9, 2), (4, 3)], "0.03").with_loss("hinge"),
}


def ends(data):
    return Fraction(data["bounds"]["lower"]), Fraction(data["bounds"]["upper"])


def middle(problem, digits=100):
    return sum(ends(certificate(problem, digits))) / 2


def asked(problem, digits):
    """The certificate, whose width must be that of the digits."""
    data = certificate(problem, digits)
    assert width(data["bounds"]) <= Fraction(1, 10 ** (digits - SPARE)), shortfall(data["bounds"], digits)
    return data


# --- every model, random problems ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COVERED)
def test_the_width_is_that_of_the_digits_and_enclosures_are_nested(name):
    @FEW
    @given(sampling.problems(COVERED[name]))
    def check(problem):
        if problem.dim < problem.K - 1 and problem.model != "mse":
            return
        lower, upper = ends(asked(problem, 12))
        assert lower <= sum(ends(asked(problem, 60))) / 2 <= upper

    check()


@pytest.mark.parametrize("digits", [LEAST, 100, MOST])
@pytest.mark.parametrize("name", EVERY)
def test_from_6_to_200_digits(name, digits):
    inner, outer = ends(asked(EVERY[name], digits)), ends(certificate(EVERY[name], 12))
    assert outer[0] <= inner[1]
    assert inner[0] <= outer[1]


@pytest.mark.parametrize("name", WIDE)
def test_what_stays_wide_says_how_wide_and_why(name):
    result = optimum(WIDE[name], digits=40)
    assert result.reason.startswith(
        f"the relative width reached is {scientific(width(result.value.model_dump()))}, not 1e-38: "
    )
    assert len(result.reason.partition(": ")[2]) > 20


# --- values computed elsewhere -------------------------------------------------------------------------------------


def inside(problem, value):
    """Whether the value lies in the interval of 50 digits, up to its own rounding."""
    lower, upper = (mpmath.mpf(end.numerator) / end.denominator for end in ends(asked(problem, 50)))
    rounding = mpmath.mpf(10) ** -58
    return lower <= value * (1 + rounding) and upper >= value * (1 - rounding)


def test_closed_forms_of_another_arithmetic_lie_inside():
    with mpmath.workdps(80):
        one, K, n, lam = mpmath.mpf(1), 5, 40, mpmath.mpf(1) / 100
        away = 1 - lam * K * mpmath.sqrt(n)  # own minus sibling probability of equal classes
        gap = mpmath.log1p(K * away / (1 - away))
        value = -mpmath.log((1 - away) / K + away) + lam * (K - 1) * mpmath.sqrt(n) * gap
        assert inside(Problem.ce([(n, K)], "1/100"), value)
        assert inside(Problem.ce([3, 2, 1], 3), mpmath.log(3))  # complete collapse
        sizes, decay = (9, 4), mpmath.mpf(1) / 50  # one layer of squared loss: singular values soft-thresholded
        value = sum(
            one / 2 / 13 * (min(m**0.5, 13 * decay) ** 2) + decay * max(m**0.5 - 13 * decay, 0)
            for m in map(mpmath.mpf, sizes)
        )
        assert inside(Problem.mse(sizes, "1/50"), value)
        spread = sum(mpmath.sqrt(e) for e in mpmath.eigsy(_centred([9, 4, 4]), eigvals_only=True) if e > 1e-9)
        assert inside(Problem.svm([9, 4, 4]), spread)
        a, m = mpmath.mpf(3), 6
        assert inside(Problem.sphere(m, 5, 3), m * mpmath.log1p((m - 1) * mpmath.exp(-a * m / (m - 1))))
        lam, m = mpmath.mpf(1) / 20, 3
        value = mpmath.mpf(0)
        for size in (9, 6, 4):
            t = lam * 19 / mpmath.sqrt(size) * mpmath.sqrt(mpmath.mpf(m - 1) / m)
            fano = -(1 - t) * mpmath.log1p(-t) - t * mpmath.log(t) + t * mpmath.log(m - 1)
            value += mpmath.mpf(size) / 19 * fano
        assert inside(Problem.ce([9, 6, 4], "1/20", model="ce-relu"), value)
        budget, m = mpmath.mpf(4), 4
        assert inside(Problem.peeled([(7, 4)]), mpmath.log1p((m - 1) * mpmath.exp(-budget / (m - 1))))


def _centred(sizes):
    K = len(sizes)
    P = mpmath.eye(K) - mpmath.ones(K) / K
    return P * mpmath.diag(sizes) * P


# --- many clusters -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", ["none", "free", "1/100"])
def test_refined_floats_agree_with_high_precision_throughout(bias):
    problem = replace(DISTINCT, bias=Fraction(bias) if "/" in bias else bias)
    start = solve_blocks(problem)
    with precision(330), mpmath.workprec(330):
        space = Space.of(problem)
        fine, (slow, _) = propose._refined(problem, space, start, 50), polish(space, start, 50)
        blocks = [np.array(s.A) @ np.array(s.B).T for s in (fine, slow)]
        assert max(abs(x) for x in (blocks[0] - blocks[1]).ravel()) < arb(10) ** -45


@pytest.mark.parametrize("problem", [Problem.ce(MANY, "0.0003"), Problem.peeled(MANY)], ids=lambda p: p.model)
def test_thirty_different_sizes_have_forty_digits(problem):
    assert asked(problem, 40)["witness"]["full"] is False


def test_just_before_complete_collapse_of_many_sizes():
    from verify.thresholds import thresholds

    base = Problem.ce(MANY[::3], 1)
    limit = next(t for t in thresholds(base, digits=60) if t.name == "complete_collapse").x2[0]
    data = asked(base.at(limit * (1 - Fraction(1, 10**9))), 40)
    assert (data["facts"]["rank"]["lower"], data["facts"]["rank"]["upper"]) == (1, 1)


def test_floats_are_the_last_resort_and_a_shortfall_is_said(monkeypatch):
    def refuse(*_):
        raise NotConverged("refused")

    truth = middle(DISTINCT)
    monkeypatch.setattr(propose, "refine", refuse)
    monkeypatch.setattr(propose, "polish", refuse)
    data = certificate(DISTINCT, 40)
    lower, upper = ends(data)
    assert lower <= truth <= upper
    assert Fraction(1, 10**38) < width(data["bounds"]) < Fraction(1, 10**12)
    assert "no closer certificate" in shortfall(data["bounds"], 40)


# --- mutants -------------------------------------------------------------------------------------------------------


def off(a):
    """A relative error of 1e-20, at the precision in force."""
    return a * (10**20 + 1) / 10**20


def _state(original):
    def perturbed(*given):
        state, flows = original(*given)
        state.A = [[off(a) for a in row] for row in state.A]
        return state, [[off(a) if i % 2 else a for a in row] for i, row in enumerate(flows)]

    return perturbed


def _blocks(original):
    def perturbed(*given):
        found = original(*given)
        return replace(found, gaps=[off(a) for a in found.gaps])

    return perturbed


def _layers(original):
    return lambda problem, blocks: [[[off(a) for a in row] for row in table] for table in original(problem, blocks)]


def _quotient(original):
    def perturbed(problem):
        found = original(problem)
        return replace(found, square=off(found.square))

    return perturbed


MUTANTS = {
    "ce": (DISTINCT, propose, "_polished", _state),
    "layer-peeled": (Problem.peeled([(3, 3), (2, 2)]), peeled_blocks, "_from_scalars", _blocks),
    "mse": (Problem.mse([9, 6, 4], ["0.02"] * 3, "0.02"), mse_enclosure, "_blocks", _layers),
    "uf-svm": (Problem.svm([9, 4, 4]), svm_enclosure, "roots", _quotient),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_point_that_is_off_by_1e_20_widens_the_enclosure_and_never_falsifies_it(name, monkeypatch):
    problem, module, attribute, mutant = MUTANTS[name]
    truth, sharp = middle(problem), width(certificate(problem, 40)["bounds"])
    monkeypatch.setattr(module, attribute, mutant(getattr(module, attribute)))
    data = certificate(problem, 40)
    lower, upper = ends(data)
    assert lower <= truth <= upper
    assert width(data["bounds"]) > 100 * sharp


def test_a_certificate_off_by_one_unit_proves_no_more_than_the_truth():
    data, truth = asked(DISTINCT, 40), middle(DISTINCT)
    rng = np.random.default_rng(0)
    for name in ("flows", "W", "H"):
        changed = json.loads(json.dumps(data)) | {"bounds": None, "facts": None}
        rows = changed["witness"][name]["rows"]
        i, j = rng.integers(len(rows)), rng.integers(len(rows[0]))
        rows[i][j] += 1 << 40
        found = verify_certificate(json.dumps(changed))
        if found.outcome == "bounds":
            with precision(found.precision):
                value = arb(truth.numerator) / arb(truth.denominator)
                assert found.lower.lower() <= value.upper()
                assert value.lower() <= found.upper.upper()


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_prints_the_digits_asked_for(call):
    words = ("optimum", "ce", "--counts", "120x4,25x3", "--lam", "0.0085", "--no-logits")
    found = {n: json.loads(call(*words, "--digits", n, "--json")[1]) for n in (12, 100)}
    for n, data in found.items():
        assert width(data["value"]) <= Fraction(1, 10 ** (n - SPARE))
        assert "width" not in data["reason"]
    assert Fraction(found[12]["value"]["lower"]) <= Fraction(found[100]["value"]["lower"])
    shown = "".join(call(*words, "--digits", 100)[1].split())
    assert found[100]["value"]["lower"][:99] in shown


@pytest.mark.parametrize("digits", ["5", "201", "many"])
def test_other_digits_are_refused(call, digits):
    assert call("optimum", "ce", "--counts", "3x2", "--lam", "0.1", "--digits", digits)[0] == 2


def test_the_certify_command_says_a_shortfall(call, tmp_path):
    words = ("certify", "ce", "--counts", "5x3", "--depth", "2", "--lam", "0.05", "-o", tmp_path / "c.json")
    code, out, _ = call(*words, "--digits", "20")
    assert code == 0
    assert "asked were 20 digits; the relative width reached is" in out
    assert "several layers" in out


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (Problem.svm([3, 2, 1], dim=1), "no feasible point"),
        (Problem.svm(list(range(1, 301))), "at most 256"),
        (Problem.peeled(list(range(1, 301))), "at most 256"),
        (Problem.sphere(300), "at most 256"),
        (Problem.mse(list(range(1, 301)), 1), "at most 256"),
    ],
)
def test_what_has_no_certificate_says_why_at_once(problem, why):
    with pytest.raises(ValueError, match=why):
        certificate(problem)


def test_reduced_problems_of_many_classes_cost_what_two_do():
    assert asked(Problem.svm([(5, 50_000), (2, 50_000)]), 40)["facts"]["rank"]["lower"] == 99_999
    assert reduce(Problem.ce([(5, 50_000), (2, 50_000)], "1e-6")).m.tolist() == [50_000, 50_000]
