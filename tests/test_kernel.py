"""The certificate kernel: worked examples, both forms, thresholds, lies, corruption and an outside check."""

from __future__ import annotations

import copy
import json
import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from flint import arb, ctx

from theory.problem import Problem
from verify.kernel import check, verify_certificate
from verify.propose import propose

TWO = [(120, 4), (25, 3)]


def dumps(certificate: dict[str, Any]) -> str:
    return json.dumps(certificate)


def lie(certificate: dict[str, Any], **witness: Any) -> str:
    """Text of a certificate with parts of its witness exchanged and no statements."""
    changed = copy.deepcopy(certificate) | {"bounds": None, "facts": None}
    changed["witness"] |= witness
    return dumps(changed)


def scaled(array: dict[str, Any], factor: str) -> dict[str, Any]:
    return {"p": array["p"], "rows": [[int(a * Fraction(factor)) for a in row] for row in array["rows"]]}


def eighths(array: dict[str, Any], factor: int) -> dict[str, Any]:
    """Exact multiple by factor/8: flows stay balanced."""
    return {"p": array["p"] + 3, "rows": [[a * factor for a in row] for row in array["rows"]]}


def ends(interval: dict[str, str]) -> tuple[Fraction, Fraction]:
    return Fraction(interval["lower"]), Fraction(interval["upper"])


def near(interval: dict[str, str], value: str, allowance: float = 1.0) -> bool:
    """Whether an interval meets a printed number, with an allowance in units of its last digit."""
    unit = Fraction(1, 10 ** len(value.partition(".")[2])) * Fraction(allowance)
    lower, upper = ends(interval)
    return lower - unit <= Fraction(value) <= upper + unit


def poor(certificate: dict[str, Any]) -> dict[str, Any]:
    """Primal point zero: a loose upper bound that lets every fault of the dual point show."""
    G = len(certificate["witness"]["flows"]["rows"])
    nothing = {"p": 0, "rows": [[0] * G]}
    return {"gaps": nothing, "W": {"p": 0, "rows": [[]] * G}, "H": {"p": 0, "rows": [[]] * G}, "bias": nothing}


def weak(certificate: dict[str, Any]) -> dict[str, Any]:
    """Dual point Q = I: the lower bound 0 that lets every fault of the primal point show."""
    G = len(certificate["witness"]["flows"]["rows"])
    return {"flows": {"p": 0, "rows": [[0] * G] * G}}


def full_form(certificate: dict[str, Any]) -> dict[str, Any]:
    """The same two points with every class alone (contrasts in a Helmert basis)."""
    problem = Problem.from_canonical(certificate)
    witness, clusters = certificate["witness"], problem.clusters
    owner = [g for g, c in enumerate(clusters) for _ in range(c.classes)]
    K = len(owner)

    def array(name: str) -> list[list[Any]]:
        return [[arb((a, -witness[name]["p"])) for a in row] for row in witness[name]["rows"]]

    def write(table: list[list[Any]], bits: int) -> dict[str, Any]:
        return {"p": bits, "rows": [[int((a * arb(2) ** bits).floor().unique_fmpz()) for a in row] for row in table]}

    before, ctx.prec = ctx.prec, 400
    W, H = ([list(array(name)[g]) for g in owner] for name in ("W", "H"))
    ratio = arb(problem.lambda_h.numerator) * problem.lambda_w.denominator
    ratio /= problem.lambda_h.denominator * problem.lambda_w.numerator
    start = 0
    for cluster, gap in zip(clusters, array("gaps")[0], strict=True):
        m, s = cluster.classes, arb(cluster.size.numerator) / cluster.size.denominator
        u = (gap * (ratio * s).sqrt()).sqrt()
        for i in range(1, m if not gap.is_zero() else 1):
            norm = arb(i * (i + 1)).sqrt()
            for k in range(K):
                entry = 1 / norm if start <= k < start + i else -i / norm if k == start + i else arb(0)
                W[k].append(u * entry)
                H[k].append(gap / u * entry)
        start += m
    flows = witness["flows"]["rows"]
    full = copy.deepcopy(certificate) | {"bounds": None, "facts": None}
    full["witness"] = {
        "full": True,
        "flows": {
            "p": witness["flows"]["p"],
            "rows": [[0 if j == k else flows[owner[j]][owner[k]] for k in range(K)] for j in range(K)],
        },
        "gaps": {"p": 0, "rows": [[0] * K]},
        "W": write(W, 200),
        "H": write(H, 200),
        "bias": {"p": witness["bias"]["p"], "rows": [[witness["bias"]["rows"][0][g] for g in owner]]},
    }
    ctx.prec = before
    return full


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    return propose(Problem.ce(TWO, "0.0085"))


def test_example_1_of_the_catalogue() -> None:
    result = check(dumps(propose(Problem.ce([(9, 2), (4, 3)], "0.03"))))
    facts = result["facts"]
    assert near(result["bounds"], "0.994356600214")
    assert facts["rank"] == {"uses": [], "lower": 4, "upper": 4}
    assert facts["contrast"]["values"] == ["alive", "alive"]
    assert facts["merged"] == {"uses": ["HL23-04"], "values": [False, False]}
    log_p, logits = facts["log_probabilities"], facts["logits"]
    for name, g, value in [("own", 0, 0.752267833462), ("sibling", 0, 0.0522678334621), ("own", 1, 0.648694226291)]:
        lower, upper = ends(log_p[name][g])
        assert float(lower) - 1e-11 <= math.log(value) <= float(upper) + 1e-11
    for h, g, value in [(1, 0, 0.0651547776919), (0, 1, 0.0769586605634)]:
        assert float(ends(log_p["cross"][h][g])[0]) == pytest.approx(math.log(value), abs=1e-8)
    gap = float(ends(logits["own"][0])[0] - ends(logits["sibling"][0])[0])
    assert gap == pytest.approx(2.66671127917, abs=1e-7)
    within = float(ends(logits["own"][1])[0] + 2 * ends(logits["sibling"][1])[0]) / 3
    assert within - float(ends(logits["cross"][0][1])[0]) == pytest.approx(0.876403049479, abs=1e-7)


def test_example_2_of_the_catalogue() -> None:
    result = check(dumps(propose(Problem.ce([(16, 3), (4, 2)], "0.05", bias="0.04"))))
    facts = result["facts"]
    assert near(result["bounds"], "1.39633806293")
    assert (facts["rank"]["lower"], facts["rank"]["upper"]) == (2, 2)
    assert facts["contrast"]["values"] == ["alive", "dead"]
    assert facts["zero"]["values"] == [False, True]
    bias = [ends(b) for b in facts["bias"]["values"]]
    assert float(bias[0][0] - bias[1][1]) - 1e-11 <= 0.950240358007 <= float(bias[0][1] - bias[1][0]) + 1e-11


@pytest.mark.parametrize(
    ("lam", "contrast", "merged", "zero", "rank"),
    [
        ("0.0085", ["alive", "alive"], [False, False], [False, False], (6, 6)),
        ("1/111", ["alive", None], [False, True], [False, False], (4, 6)),
        ("0.0105", ["alive", "dead"], [False, True], [False, False], (4, 4)),
        ("0.013", ["alive", "dead"], [False, True], [False, True], (3, 3)),
    ],
)
def test_phases_of_two_groups(lam: str, contrast: Any, merged: Any, zero: Any, rank: Any) -> None:
    facts = check(dumps(propose(Problem.ce(TWO, lam))))["facts"]
    assert facts["contrast"]["values"] == contrast
    assert facts["merged"]["values"] == merged
    assert facts["zero"]["values"] == zero
    assert (facts["rank"]["lower"], facts["rank"]["upper"]) == rank


def test_free_bias_merges_the_same_and_vanishes_earlier() -> None:
    none, free = (check(dumps(propose(Problem.ce(TWO, "0.011", bias=bias))))["facts"] for bias in ("none", "free"))
    assert none["merged"] == free["merged"]
    assert none["zero"]["values"] == [False, False]
    assert free["zero"]["values"] == [False, True]


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
@pytest.mark.parametrize("lam", ["0.0085", "1/111", "0.0105", "0.013", "0.03"])
def test_the_full_form_proves_the_same(bias: Any, lam: str) -> None:
    reduced = propose(Problem.ce(TWO, lam, bias=bias))
    a, b = check(dumps(reduced)), check(dumps(full_form(reduced)))
    assert b["outcome"] == "bounds", b["reason"]
    for end in ("lower", "upper"):
        assert abs(Fraction(a["bounds"][end]) - Fraction(b["bounds"][end])) < Fraction(1, 10**37)
    for fact in ("clusters", "rank", "contrast", "merged", "zero"):
        assert a["facts"][fact] == b["facts"][fact]
    for fact in ("log_probabilities", "logits"):
        for one, two in zip(a["facts"][fact]["own"], b["facts"][fact]["own"], strict=True):
            assert max(ends(one)[0], ends(two)[0]) <= min(ends(one)[1], ends(two)[1])
            assert ends(two)[1] - ends(two)[0] < Fraction(1, 10**15)


BETWEEN = Fraction("0.01223150093485392267472752")  # between-group threshold of TWO, no bias


@pytest.mark.parametrize("k", [6, 12])
def test_both_sides_of_every_threshold(k: int) -> None:
    below, above = 1 - Fraction(1, 10**k), 1 + Fraction(1, 10**k)

    def facts(counts: Any, lam: Fraction, bias: Any = "none") -> tuple[Any, ...]:
        found = check(dumps(propose(Problem.ce(counts, lam, bias=bias))))["facts"]
        return found["contrast"]["values"][-1], found["rank"]["lower"], found["rank"]["upper"]

    assert facts(TWO, Fraction(1, 111) * below) == ("alive", 6, 6)
    assert facts(TWO, Fraction(1, 111) * above) == ("dead", 4, 4)
    assert facts(TWO, BETWEEN * below) == ("dead", 4, 4)
    assert facts(TWO, BETWEEN * above) == ("dead", 3, 3)
    assert facts([(25, 5)], Fraction(1, 25) * below, "free") == ("alive", 4, 4)
    assert facts([(25, 5)], Fraction(1, 25) * above, "free") == ("dead", 0, 0)
    assert facts([48, 50], Fraction(1, 14) * below) == ("absent", 1, 1)
    assert facts([48, 50], Fraction(1, 14) * above) == ("absent", 0, 0)


def test_merging_is_exact_to_fifty_digits_and_equality_merges() -> None:
    for offset, expected in [(-1, False), (0, True), (1, True)]:
        lam = Fraction(1, 111) * (1 + Fraction(offset, 10**50))
        facts = check(dumps(propose(Problem.ce(TWO, lam))))["facts"]
        assert facts["merged"]["values"] == [False, expected]
        assert facts["contrast"]["values"] == ["alive", None]


@pytest.mark.parametrize("bias", ["none", "free", "1/20"])
def test_class_weights_scale_the_contrast_law(bias: Any) -> None:
    problem = Problem.ce([(40, 3), (40, 2), (10, 2)], "1/333", bias=bias, weights=[(1, 3), ("5/2", 2), (3, 2)])
    outcome = verify_certificate(dumps(propose(problem)))
    before, ctx.prec = ctx.prec, 256
    x = arb(problem.x2.numerator).sqrt() / arb(problem.x2.denominator).sqrt()
    log_p = outcome.log_probabilities
    for g, cluster in enumerate(problem.clusters):
        law = 1 - x / (arb(int(cluster.weight * 2)) / 2 * arb(int(cluster.size)).sqrt())
        assert (log_p.own[g].exp() - log_p.others[g][g].exp()).overlaps(law)
    ctx.prec = before
    lower, upper = ends(check(dumps(propose(problem)))["bounds"])
    assert upper - lower < upper / 10**38


def test_narrow_features_keep_the_bounds_and_drop_the_facts() -> None:
    problem = Problem.ce([(9, 2), (4, 3)], "0.03", dim=3)
    result = check(dumps(propose(problem)))
    assert result["outcome"] == "bounds"
    assert result["facts"] == {}
    assert "below the certified rank" in result["reason"]
    enough = check(dumps(propose(Problem.ce([(9, 2), (4, 3)], "0.03", dim=4))))
    assert enough["facts"]["rank"]["upper"] == 4
    assert ends(result["bounds"])[0] <= ends(enough["bounds"])[1] < ends(result["bounds"])[1]


def test_a_million_classes() -> None:
    problem = Problem.ce([(1000, 500_000), (10, 500_000)], Fraction(3, 505_000_000))
    facts = check(dumps(propose(problem)))["facts"]
    assert (facts["rank"]["lower"], facts["rank"]["upper"]) == (999_999, 999_999)


def infeasible(bias: Any = "none") -> list[tuple[str, str]]:
    """One violated condition each, with the other side so loose that bounds cannot cross."""
    one = propose(Problem.ce(TWO, "0.0085", bias=bias))
    single = propose(Problem.ce([(120, 4), 25], "0.0085", bias=bias))
    flows = one["witness"]["flows"]
    half = eighths(flows, 4)
    m, rows = [c.classes for c in Problem.from_canonical(one).clusters], flows["rows"]
    contrast = _with(half, 0, 0, 8 * rows[0][0] + 5 * m[1] * rows[1][0] // m[0])  # 1 + 1/8 of the other flow too much
    negative = _with(half, 0, 0, -1)
    quotient = eighths(flows, 11)
    for g in (0, 1):
        quotient["rows"][g][g] = 0
    cases = [
        ("contrast", lie(one, **poor(one), flows=contrast)),
        ("quotient", lie(one, **poor(one), flows=quotient)),
        ("negative", lie(one, **poor(one), flows=negative)),
        ("sibling of a single class", lie(single, **poor(single), flows=_with(single["witness"]["flows"], 1, 1, 1))),
        ("gap of a single class", lie(single, **weak(single), gaps=_with(single["witness"]["gaps"], 0, 1, 1))),
    ]
    narrow = copy.deepcopy(one)
    narrow["options"]["dim"] = 5
    narrow["problem"] = Problem.from_canonical(narrow).sha256
    cases.append(("width", lie(narrow, **weak(one))))
    if bias == "none":
        cases.append(("bias where there is none", lie(one, **weak(one), bias={"p": 4, "rows": [[1, -1]]})))
    if bias == "free":
        cases.append(("flows not balanced", lie(one, **poor(one), flows=_with(half, 0, 1, half["rows"][0][1] + 1))))
    return [(f"{name}, bias {bias}", text) for name, text in cases]


def _with(array: dict[str, Any], row: int, column: int, value: int) -> dict[str, Any]:
    array = copy.deepcopy(array)
    array["rows"][row][column] = value
    return array


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
def test_violations_are_rejected_without_help_of_crossing_bounds(bias: Any) -> None:
    for name, text in infeasible(bias):
        assert check(text)["outcome"] == "rejected", name
        assert "impossible" not in check(text)["reason"], name


def test_loose_but_valid_points_are_accepted(good: dict[str, Any]) -> None:
    half = eighths(good["witness"]["flows"], 4)
    for text in (lie(good, **poor(good)), lie(good, **weak(good)), lie(good, **poor(good), flows=half)):
        result = check(text)
        assert result["outcome"] == "bounds"
        assert ends(result["bounds"])[0] <= Fraction("1.41274921463044") < ends(result["bounds"])[1]


@pytest.mark.parametrize("bias", ["none", "free", "1/50"])
def test_wide_bounds_equal_a_direct_evaluation(bias: Any) -> None:
    rng = random.Random(3)
    for counts, weights in [(TWO, None), ([(9, 2), 5, (4, 3)], [(2, 2), (1, 1), ("1/2", 3)])]:
        problem = Problem.ce(counts, "0.004", "0.03", bias=bias, weights=weights)
        base = propose(problem)
        G = len(problem.clusters)

        def noise(rows: int, columns: int, size: int) -> dict[str, Any]:
            return {"p": 10, "rows": [[rng.randint(-size, size) for _ in range(columns)] for _ in range(rows)]}

        gaps = noise(1, G, 1500)
        gaps["rows"][0] = [a * (c.classes > 1) for a, c in zip(gaps["rows"][0], problem.clusters, strict=True)]
        bend = eighths(base["witness"]["flows"], 5)
        if bias != "free":
            bend["rows"][0] = [a * 4 // 5 for a in bend["rows"][0]]
        biases = noise(1, G, 900 * (bias != "none"))
        text = lie(base, flows=bend, gaps=gaps, W=noise(G, 2, 900), H=noise(G, 2, 900), bias=biases)
        lower, upper = direct(problem, json.loads(text)["witness"])
        result = verify_certificate(text)
        assert result.outcome == "bounds", result.reason
        assert float(result.lower) == pytest.approx(lower, rel=1e-12)
        assert float(result.upper) == pytest.approx(upper, rel=1e-12)


def direct(problem: Problem, witness: dict[str, Any]) -> tuple[float, float]:
    """Both bounds from K x K matrices in floats."""
    arrays = {
        key: np.array([[a / 2 ** value["p"] for a in row] for row in value["rows"]])
        for key, value in witness.items()
        if key != "full"
    }
    clusters = problem.clusters
    owner = np.repeat(np.arange(len(clusters)), [c.classes for c in clusters])
    n = np.array([float(c.size) for c in clusters])[owner]
    w = np.array([float(c.weight) for c in clusters])[owner]
    N, K = float(problem.N), problem.K
    Q = arrays["flows"][np.ix_(owner, owner)] / (w * n)
    np.fill_diagonal(Q, 0)
    np.fill_diagonal(Q, 1 - Q.sum(axis=0))
    lower = -(w * n / N) @ (Q * np.log(np.where(Q > 0, Q, 1))).sum(axis=0)
    same = (owner[:, None] == owner).astype(float)
    contrast = arrays["gaps"][0][owner] * (np.eye(K) - same / same.sum(axis=0))
    b = arrays["bias"][0][owner]
    Z = (arrays["W"] @ arrays["H"].T)[np.ix_(owner, owner)] + contrast + b[:, None]
    upper = (w * n / N) @ (np.log(np.exp(Z).sum(axis=0)) - np.diag(Z))
    upper += math.sqrt(problem.lam2) * np.linalg.svd(contrast * np.sqrt(n))[1].sum()
    upper += float(problem.lambda_w) / 2 * (arrays["W"][owner] ** 2).sum()
    upper += float(problem.lambda_h) / 2 * (n @ (arrays["H"][owner] ** 2)).sum()
    if isinstance(problem.bias, Fraction):
        y = (np.eye(K) - Q) @ (w * n)
        lower -= y @ y / (2 * float(problem.bias) * N**2)
        upper += float(problem.bias) / 2 * b @ b
    return float(lower), float(upper)


def test_statements_are_compared_with_what_follows(good: dict[str, Any]) -> None:
    assert check(dumps(good))["outcome"] == "bounds"
    lower, upper = ends(good["bounds"])
    modest = good | {"bounds": {"lower": "1.4", "upper": "1.5"}, "facts": {"rank": {"lower": 5, "upper": None}}}
    assert check(dumps(modest))["outcome"] == "bounds"
    shift = Fraction(1, 10**45)
    for key, value in [("lower", lower + shift), ("upper", upper - shift)]:
        changed = copy.deepcopy(good)
        changed["bounds"][key] = f"{value.numerator}/{value.denominator}"
        assert check(dumps(changed))["outcome"] == "rejected"
    for path, value in [
        (("rank", "lower"), 7),
        (("rank", "upper"), 5),
        (("contrast", "values"), ["alive", "dead"]),
        (("merged", "values"), [False, True]),
        (("merged", "uses"), []),
        (("zero", "values"), [True, False]),
        (("zero", "values"), [0, 0]),
        (("logits", "own"), [{"lower": "1", "upper": "2"}] * 2),
        (("logits", "own"), []),
        (("proof", "of"), "P = NP"),
    ]:
        changed = copy.deepcopy(good)
        changed["facts"].setdefault(path[0], {})[path[1]] = value
        result = check(dumps(changed))
        assert (result["outcome"], "claims more" in result["reason"]) == ("rejected", True), path


def facts_hold(coarse: dict[str, Any], fine: dict[str, Any]) -> bool:
    """Whether every interval of a wide certificate meets that of a narrow one and no decision differs."""
    if isinstance(coarse, dict) and isinstance(fine, dict) and set(coarse) == {"lower", "upper"}:
        return ends(coarse)[0] <= ends(fine)[1] and ends(fine)[0] <= ends(coarse)[1]
    if isinstance(coarse, dict):
        if not isinstance(fine, dict):
            return False
        fine = {"centred_logits": fine.get("logits")} | fine  # logits are centred; the others need not be unique
        keys = set(coarse) - {"lower", "upper"}
        return keys <= set(fine) and all(facts_hold(coarse[key], fine[key]) for key in keys)
    if isinstance(coarse, list):
        return all(facts_hold(a, b) for a, b in zip(coarse, fine, strict=True))
    return coarse is None or coarse == fine


def sloppy() -> list[tuple[str, str, str]]:
    """Valid certificates with wide gaps, each with a sharp one of the same problem: their facts must stay true."""
    cases = []
    stretch = [("101/100", "1"), ("1", "99/100"), ("103/100", "98/100"), ("1001/1000", "999/1000"), ("11/10", "1")]
    for problem in [
        Problem.ce([1000, 1], "1/100000"),
        Problem.ce(TWO, "0.00899"),
        Problem.ce(TWO, "0.00901", bias="free"),
        Problem.ce(TWO, "0.0121", bias="1/50"),
        Problem.ce(TWO, "0.0123"),
        Problem.ce([(9, 2), 5, (4, 3)], "0.004", "0.03", bias="1/7", weights=[(2, 2), (1, 1), ("1/2", 3)]),
        Problem.ce([(30, 2), (2, 2)], "0.02", bias="free", weights=[(1, 2), (5, 2)]),
    ]:
        sharp = propose(problem)
        for point, dual in stretch:
            for key in ("W", "gaps", "bias"):
                witness = sharp["witness"]
                changed = {key: scaled(witness[key], point), "flows": scaled(witness["flows"], dual)}
                if problem.bias == "free":
                    changed["flows"] = witness["flows"]
                cases.append((f"{problem.canonical()} {point} {dual} {key}", lie(sharp, **changed), dumps(sharp)))
    return cases


def test_facts_of_wide_certificates_are_true() -> None:
    decided = 0
    for name, coarse, fine in sloppy():
        a, b = check(coarse), check(fine)
        assert a["outcome"] == "bounds", f"{name}: {a['reason']}"
        assert facts_hold(a["facts"], b["facts"]), name
        assert a["facts"]["rank"]["lower"] <= b["facts"]["rank"]["lower"], name
        assert a["facts"]["rank"]["upper"] >= b["facts"]["rank"]["upper"], name
        decided += a["facts"]["rank"]["lower"] == a["facts"]["rank"]["upper"]
    assert decided > 10


HOSTILE = [
    b"",
    b"\xff\xfe\x00",
    "[" * 10_000_000,
    '{"a":' * 100_000,
    "NaN",
    "null",
    "[]",
    '{"schema": "verify.certificate/1"}',
    '{"schema": "verify.certificate/1", "schema": "verify.certificate/1"}',
    '{"schema": "verify.certificate/1", "x": ' + "9" * 10_000_000 + "}",
    '{"schema": "verify.certificate/1", "x": 1e400}',
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_is_rejected(number: int) -> None:
    assert check(HOSTILE[number])["outcome"] == "rejected"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("problem",), "0" * 64),
        (("options", "dim"), 8),
        (("options", "bias"), "free"),
        (("counts", 0, 0), "1e9"),
        (("witness", "flows", "p"), 10**9),
        (("witness", "flows", "p"), -1),
        (("witness", "flows", "p"), True),
        (("witness", "flows", "rows"), [[0, 0]]),
        (("witness", "W", "rows"), [[0], [0, 0]]),
        (("witness", "W", "rows"), [[0] * 5000] * 2),
        (("witness", "gaps", "rows", 0, 0), True),
        (("witness", "gaps", "rows", 0, 0), "1"),
        (("witness", "full"), 1),
        (("witness", "extra"), 1),
        (("witness", "full"), True),
    ],
)
def test_malformed_fields_are_rejected(good: dict[str, Any], path: tuple[Any, ...], value: Any) -> None:
    changed = copy.deepcopy(good)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert check(dumps(changed))["outcome"] == "rejected"


@pytest.mark.parametrize("count", ["1e9", "0", "-3", "2.50", "1/0", "1_0", "²", " 3", "4/2", 3, None, True, "9" * 5000])
def test_numbers_of_the_problem_have_one_spelling(good: dict[str, Any], count: Any) -> None:
    import hashlib

    changed = copy.deepcopy(good)
    changed["counts"][0][0] = count
    canonical = {key: changed[key] for key in ("model", "counts", "options")}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    changed["problem"] = hashlib.sha256(text.encode()).hexdigest()
    assert check(dumps(changed))["outcome"] == "rejected"


JUNK = [0, -1, 10**400, True, None, 0.5, "x", "1e5", [], {}, [[0]], "NaN", 2**64, -(10**30)]


def corrupt(rng: random.Random, certificate: dict[str, Any]) -> str:
    """One random change: a value exchanged, dropped, shifted, swapped, or the text cut or altered."""
    changed = copy.deepcopy(certificate)
    kind = rng.randrange(8)
    if kind == 0:
        text = dumps(changed)
        return text[: rng.randrange(len(text))]
    if kind == 1:
        text = list(dumps(changed))
        text[rng.randrange(len(text))] = rng.choice('0123456789-"[]{},:.eE ')
        return "".join(text)
    place: Any = changed
    key: Any = rng.choice(sorted(place))
    while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.9:
        place = place[key]
        key = rng.choice(sorted(place)) if isinstance(place, dict) else rng.randrange(len(place))
    value = place[key]
    if kind == 2 and isinstance(place, dict):
        del place[key]
    elif kind in (3, 4) and type(value) is int:
        change = rng.choice(
            [-value, value + 1, value - 1, value << rng.randrange(1, 80), value >> rng.randrange(1, 80)]
        )
        place[key] = change
    elif kind == 5 and isinstance(place, list) and len(place) > 1:
        place[0], place[-1] = place[-1], place[0]
    else:
        place[key] = rng.choice(JUNK)
    return dumps(changed)


def test_random_corruption_never_proves_anything_false() -> None:
    rng = random.Random(0)
    seen = {"bounds": 0, "rejected": 0, "undecided": 0}
    for bias in ("none", "free", "1/50"):
        for counts in (TWO, [9, (5, 2), 4]):
            sharp = propose(Problem.ce(counts, "0.0085", bias=bias))
            lower, upper = ends(sharp["bounds"])
            truth = check(dumps(sharp))
            for _ in range(80):
                result = check(corrupt(rng, sharp))
                seen[result["outcome"]] += 1
                if result["outcome"] == "bounds" and result["problem"] == sharp["problem"]:
                    assert ends(result["bounds"])[0] <= upper
                    assert ends(result["bounds"])[1] >= lower
                    assert facts_hold(result["facts"], truth["facts"])
    assert seen["rejected"] > 300
    assert seen["bounds"] > 5


@pytest.mark.parametrize("seed", range(6))
def test_no_nonconvex_descent_gets_below_the_lower_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    K = int(rng.integers(2, 5))
    bias = ["none", "free", "1/30"][seed % 3]
    weights = [str(a) for a in rng.integers(1, 4, K)] if seed % 2 else None
    dim = K if seed < 4 else K - 1
    counts = [int(a) for a in rng.integers(1, 40, K)]
    problem = Problem.ce(counts, f"{rng.integers(1, 90)}/3000", "0.02", bias, weights, dim)
    result = check(dumps(propose(problem)))

    def value(flat: Any) -> float:
        W, H = flat[: K * dim].reshape(K, dim), flat[K * dim : 2 * K * dim].reshape(dim, K)
        return problem.objective(W, H, flat[2 * K * dim :] if bias != "none" else None)

    best = min(
        scipy.optimize.minimize(value, rng.normal(size=2 * K * dim + K), method="L-BFGS-B").fun for _ in range(3)
    )
    lower, upper = ends(result["bounds"])
    assert best >= float(lower) - 1e-12
    if result["facts"]:
        assert best == pytest.approx(float(upper), abs=1e-6)


def test_the_ball_context_is_restored(good: dict[str, Any]) -> None:
    before, ctx.prec = ctx.prec, 77
    check(dumps(good))
    verify_certificate("nonsense")
    assert ctx.prec == 77
    ctx.prec = before
