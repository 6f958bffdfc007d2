"""The Fenchel-Young part of the kernel: direct evaluation, hostile files, and seeded faults that must be noticed."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import types
from collections.abc import Iterator

import numpy as np
import pytest
from faulty_kernel import load
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

import verify.kernel
from theory.problem import Problem
from verify.balls import precision
from verify.kernel import check, verify_certificate
from verify.kernel.fenchel_young import omega
from verify.loss import Floats
from verify.routes import certify, solve

TWO = Problem.ce([(8, 2), (3, 3)], "0.05", weights=[(1, 2), ("1.5", 3)])
TARGETS = [["0.7", "0.2", "0.1"], ["0.2", "0.7", "0.1"], ["0.25", "0.25", "0.5"]]
PAIRS = [
    ["0.6", "0.2", "0.1", "0.1"],
    ["0.2", "0.6", "0.1", "0.1"],
    ["0.1", "0.1", "0.6", "0.2"],
    ["0.1", "0.1", "0.2", "0.6"],
]
PEELED = Problem.peeled([(8, 2), (3, 2)], "1/2", 1, weights=[(1, 2), (2, 2)])
RELU = Problem.ce([(8, 2), (3, 2)], "0.05", "0.06", model="ce-relu")
SHARP = (
    TWO.with_loss(smoothing="0.1"),
    TWO.with_loss(
        adjustment=1,
        scaling="1/2",
        loss_temperature=2,
        feature_decay=[(2, 2), ("1/2", 3)],
        row_decay=[(1, 2), (3, 3)],
    ).at("0.4"),
    TWO.with_loss("squared", smoothing="0.2"),
    TWO.with_loss("squared", row_decay=[(1, 2), (3, 3)]).at("1.2"),
    TWO.with_loss("sparsemax").at(2),
    TWO.with_loss("ovr", adjustment="1/2"),
    TWO.with_loss("ovr").at(4),
    TWO.with_loss("margin:2"),
    TWO.with_loss("ldam:1").at(9),
    TWO.with_loss(smoothing="0.3").at(9),
    TWO.with_loss("hinge"),
    Problem.ce([4, 4, 1], "0.05").with_loss(targets=TARGETS),
    Problem.ce([4, 4, 1], "0.05").with_loss(targets=[["0.7", "0.2", "0.1"], ["0.1", "0.8", "0.1"], TARGETS[2]]),
    Problem.ce([4, 4, 1], "0.05").with_loss(targets=[*TARGETS[:2], ["0.3", "0.2", "0.5"]]),
    Problem.ce([(8, 2), (3, 2)], "0.05", bias="1/10").with_loss(smoothing="0.1"),
    PEELED.with_loss(smoothing="0.2"),
    PEELED.with_loss("ovr", scaling="1/2"),
    RELU.with_loss(smoothing="0.1"),
    RELU.with_loss(smoothing="0.1").at(4),
    RELU.with_loss("squared"),
    Problem.ce([(4, 4)], "0.05").with_loss(targets=PAIRS),
    Problem.ce([(4, 2)], "0.05").with_loss(targets=[["0.2", "0.8"], ["0.8", "0.2"]]),  # the sibling's logit is above
    Problem.ce([(4, 2), (2, 2)], 1).with_loss(row_decay=[(4, 2), (1, 2)]).at(2),
    Problem.ce([(16, 2), (4, 2)], 1).with_loss(scaling=1).at(1),
    Problem.peeled([4, 2, 1], 3, 3).with_loss(smoothing="0.2"),
    Problem.ce([3, 1, 1, 1], 1).with_loss("sparsemax", adjustment=1).at("3.5"),  # alive above every class
    Problem.ce([4, 2, 1], 1)
    .with_loss(
        "sparsemax",
        smoothing="1/10",
        adjustment="1/2",
        scaling="1/2",
        feature_decay=[(2, 1), (1, 2)],
        row_decay=[(1, 2), (3, 1)],
    )
    .at("1/2"),
    Problem.peeled([4, 2, 1], "1/5", "1/5").with_loss("sparsemax"),
    Problem.ce([3, 1], 1, bias=1).with_loss("sparsemax").at(4),  # the bias alone lowers the value
    Problem.peeled([3, 1], 1, 1).with_loss("sparsemax"),  # no loss is left: predictions do not tell the logits
)
LOOSE = tuple(
    problem.with_loss(spec, **knobs)
    for problem, knobs in (
        (TWO, {"scaling": "1/2", "adjustment": 1, "row_decay": [(1, 2), (3, 3)], "feature_decay": [(2, 2), (1, 3)]}),
        (PEELED, {"loss_temperature": 3}),
        (Problem.ce([4, 2, 1], "0.2", "0.3", bias="1/7"), {"loss_temperature": "1/2"}),
    )
    for spec in ("ce", "squared", "sparsemax", "ovr", "margin:2", "ldam:3", "hinge")
)
DYADIC = 12


def signed(data: dict) -> str:
    """The file with the hash of the problem in it."""
    canonical = {key: data[key] for key in ("model", "counts", "options")}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    return json.dumps(data | {"problem": hashlib.sha256(text.encode()).hexdigest()})


def file(problem: Problem, witness: dict, **options: object) -> str:
    """A certificate by hand from integer tables, all over 2^DYADIC."""
    canonical = copy.deepcopy(problem.canonical())
    canonical["options"] |= options
    tables = {name: {"p": DYADIC, "rows": np.asarray(rows).tolist()} for name, rows in witness.items()}
    return signed({"schema": "verify.certificate/1", **canonical, "witness": tables, "bounds": None, "facts": None})


@functools.cache
def rough(problem: Problem, seed: int = 0) -> dict:
    """A random feasible witness, far from the optimum."""
    rng, floats, K, unit = np.random.default_rng(seed), Floats(problem), problem.K, 2**DYADIC
    W, H = rng.integers(-unit // 4, unit // 4, size=(2, K, min(3, problem.dim)))
    near = np.eye(K) + 0.3 * rng.random((K, K))
    target = floats.targets
    for share in (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.002):
        q = np.floor((target + share * (near / near.sum(axis=0) - target)) * unit).astype(int)
        np.fill_diagonal(q, unit - q.sum(axis=0) + np.diag(q))
        if problem.model == "layer-peeled" or norm(problem, q / unit) < 0.99 * floats.lam:
            break
    witness = {"dual": q, "W": W, "H": H, "bias": [[0] * K]}
    if problem.bias != "none":
        witness["bias"] = rng.integers(-unit, unit, size=(1, K))
    if problem.model == "layer-peeled":
        witness["nu"] = [[int(1.1 * norm(problem, q / unit) * unit) + 1]]
        witness["H"] = H // 8
    return witness


def matrix(problem: Problem, q: np.ndarray) -> np.ndarray:
    """The dual matrix, from the definition."""
    floats = Floats(problem)
    delta = np.array([float(n / max(problem.sizes)) for n in problem.sizes]) ** float(problem.scaling)
    rows = delta / float(problem.loss_temperature) / np.sqrt(floats.rows)
    return rows[:, None] * (floats.targets - q) * floats.masses / np.sqrt(floats.columns)


def norm(problem: Problem, q: np.ndarray) -> float:
    return float(np.linalg.norm(matrix(problem, q), 2))


def direct(problem: Problem, witness: dict) -> tuple[float, float]:
    """Both bounds from full matrices in floats; the upper one from the project's own objective."""
    unit, floats, K = 2.0**DYADIC, Floats(problem), problem.K
    W, H = np.asarray(witness["W"]) / unit, np.asarray(witness["H"]) / unit
    b, q = np.asarray(witness["bias"])[0] / unit, np.asarray(witness["dual"]) / unit
    wide = np.zeros((2, K, problem.dim))
    wide[:, :, : W.shape[1]] = W, H
    upper = problem.objective(wide[0], wide[1].T, b)
    safe = np.clip(q, 1e-300, None)
    rest = np.clip(1 - q, 1e-300, None)
    conjugate = {
        "logsumexp": (safe * np.log(safe)).sum(axis=0),
        "squared": (q**2).sum(axis=0) / 2,
        "sparsemax": (q**2).sum(axis=0) / 2,
        "softplus": (safe * np.log(safe) + rest * np.log(rest)).sum(axis=0),
        "max": np.zeros(K),
    }[floats.loss.potential or ""]
    constant = float(floats.loss.constant) * (floats.targets**2).sum(axis=0)
    gain = ((q - floats.targets) * floats.knobs[0]).sum(axis=0) - conjugate + constant
    lower = float(floats.masses @ gain)
    if problem.model == "layer-peeled":
        lower -= witness["nu"][0][0] / unit * float(problem.budget2) ** 0.5
    if problem.bias != "none":
        flow = floats.knobs[1] * ((floats.targets - q) @ floats.masses)
        lower -= float(flow @ flow) / 2 / float(problem.bias)
    return lower, upper


FLAT = Problem.ce([4, 2, 1], "0.2", "0.3").with_loss("ce", loss_temperature=2)
BASE = {"dual": rough(FLAT)["dual"], "W": [[0]] * 3, "H": [[0]] * 3, "bias": [[0] * 3]}
UNIT = 2**DYADIC
CERTAIN = (np.eye(3, dtype=int) * UNIT).tolist()
FOUR = {"dual": (np.eye(4, dtype=int) * UNIT).tolist(), "W": [[0]] * 4, "H": [[0]] * 4, "bias": [[0] * 4]}
SOFT = FLAT.with_loss("ce", smoothing="0.1")
BUDGET = Problem.peeled([4, 2, 1]).with_loss("ce", loss_temperature=2)
INSIDE = BASE | {"dual": CERTAIN, "nu": [[UNIT]]}
BIG = UNIT * 2


def moved(amount: int, row: int = 0, column: int = 1) -> list:
    """The certain dual point with mass moved in one column."""
    table = copy.deepcopy(CERTAIN)
    table[row][column] += amount
    table[column][column] -= amount
    return table


# each breaks one rule and is harmless otherwise: the other bound is loose, so no crossing gives it away
REJECTED = (
    file(FLAT, BASE | {"dual": moved(-5)}),
    file(FLAT, BASE | {"dual": (np.array(CERTAIN) - [[0, 1, 0], [0, 0, 0], [0, 0, 0]]).tolist()}),
    file(FLAT, BASE | {"dual": (np.array(CERTAIN) - [[0, 0, 0], [0, 1, 0], [0, 0, 0]]).tolist()}),
    file(FLAT.with_loss("ovr"), BASE | {"dual": moved(-5)}),
    file(FLAT.with_loss("ovr"), BASE | {"dual": (np.array(CERTAIN) + np.eye(3, dtype=int)).tolist()}),
    file(FLAT.with_loss("sparsemax"), BASE | {"dual": moved(-5)}),
    file(FLAT.at("0.01"), BASE | {"dual": [[UNIT] * 3, [0] * 3, [0] * 3]}),  # norm
    file(FLAT, BASE | {"W": [[0] * 4] * 3, "H": [[0] * 4] * 3}),  # wider than d
    file(FLAT, BASE | {"W": [[0, 0]] * 3}),
    file(FLAT, BASE | {"bias": [[0, 0, 1]]}),  # a worse value than at 0, where every rank is possible
    file(FLAT, BASE | {"nu": [[UNIT]]}),
    file(BUDGET, BASE | {"dual": CERTAIN}),
    file(BUDGET, INSIDE | {"W": [[BIG], [0], [0]]}),
    file(BUDGET, INSIDE | {"H": [[BIG], [0], [0]]}),
    file(BUDGET, INSIDE | {"dual": moved(UNIT), "nu": [[1]]}),
    file(BUDGET, INSIDE | {"nu": [[-UNIT // 8]]}),  # as a norm it exceeds that of the matrix 0; its price is a gain
    file(BUDGET, INSIDE, feature_decay=[["2", 3]]),
    file(BUDGET, INSIDE, row_decay=[["2", 3]]),
    file(
        Problem.ce([4, 2, 1], 1, model="ce-relu").with_loss(smoothing="0.1"),
        BASE | {"dual": CERTAIN, "H": [[-1], [0], [0]]},
    ),
    file(Problem.ce([4, 2, 1], "0.01", model="ce-relu").with_loss(smoothing="0.5"), BASE | {"dual": CERTAIN}),
    file(FLAT, BASE, loss="focal:2"),
    file(FLAT, BASE, loss="margin"),
    file(FLAT, BASE, loss="ce:1"),
    file(FLAT, BASE, loss="margin:1.0"),
    file(FLAT, BASE, loss="margin:-1"),
    file(FLAT, BASE, smoothing="1"),
    file(FLAT, BASE, smoothing="-1/2"),
    file(SOFT.at(100), BASE, targets=[["1", "0", "0"]] * 3),
    file(RELU.with_loss("ce", loss_temperature=2).at(100), FOUR, bias="1/10"),
    file(FLAT, BASE, targets=[["1", "0", "0"]] * 2),
    file(FLAT, BASE, targets=[["1/2", "0", "0"]] * 3),
    file(FLAT, BASE, targets=[["2", "-1", "0"]] * 3),
    file(FLAT.with_loss("hinge"), BASE | {"dual": CERTAIN}, smoothing="1/2"),
    file(FLAT, BASE, bias="free"),
    file(FLAT, BASE, bias="0"),
    file(FLAT, BASE, feature_decay=[["1", 2]]),
    file(FLAT, BASE, row_decay=[["0", 3]]),
    file(FLAT, BASE, class_weights=[["1", 4]]),
    file(FLAT, BASE, loss_temperature="0"),
    file(FLAT, BASE, scaling="-1"),
    file(FLAT, BASE, dim=0),
    file(FLAT, BASE, extra="1"),
    signed(json.loads(file(FLAT, BASE)) | {"counts": [["4", 1]]}),
    signed(json.loads(file(FLAT, BASE)) | {"counts": [["1", 300]]}),
)


@functools.cache
def sharp() -> tuple[dict, ...]:
    """Certificates of the optima."""
    return tuple(certify(problem)[0] for problem in SHARP)


@functools.cache
def wide() -> tuple[tuple[str, float, float], ...]:
    """Rough certificates, with both bounds evaluated directly."""
    return tuple((file(problem, rough(problem)), *direct(problem, rough(problem))) for problem in LOOSE)


# --- bounds and facts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(len(LOOSE)))
def test_rough_bounds_are_what_direct_evaluation_gives(number: int) -> None:
    text, lower, upper = wide()[number]
    outcome = verify_certificate(text)
    assert outcome.outcome == "bounds", outcome.reason
    assert float(outcome.lower) == pytest.approx(lower, rel=1e-9, abs=1e-9)
    assert float(outcome.upper) == pytest.approx(upper, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("bits", [2, 64])
def test_the_potential_of_sparsemax_is_enclosed_from_below_too(bits: int) -> None:
    """At u = (-3, -3) it is -13/4; with two bits the best level is rounded, and its Lagrange dual is -3 exactly."""
    with precision(bits):
        found = omega("sparsemax", [arb(-3)] * 2)
    assert found.is_finite()
    assert found.contains(arb(-13) / 4)


@pytest.mark.parametrize("number", range(len(REJECTED)))
def test_wrong_files_are_rejected(number: int) -> None:
    assert check(REJECTED[number])["outcome"] == "rejected"


def test_the_harmless_file_is_accepted() -> None:
    assert check(file(FLAT, BASE))["outcome"] == "bounds"
    assert check(file(BUDGET, INSIDE))["outcome"] == "bounds"


@pytest.mark.parametrize("number", range(len(SHARP)))
def test_rough_facts_hold(number: int) -> None:
    """What follows from a point moved away from the optimum contains what follows at the optimum."""
    truth = verify_certificate(json.dumps(sharp()[number]))
    for bits in (12, 20, 30, 45):
        data = copy.deepcopy(sharp()[number]) | {"bounds": None, "facts": None}
        W = data["witness"]["W"]
        W["rows"] = [[entry >> max(0, W["p"] - bits) << max(0, W["p"] - bits) for entry in row] for row in W["rows"]]
        found = verify_certificate(signed(data))
        if found.outcome != "bounds" or "predictions" not in found.found:
            continue
        with precision(600):
            for name in ("predictions", "logits"):
                for row, inner in zip(found.found[name], truth.found[name], strict=True):
                    assert all(not a.is_finite() or a.overlaps(b) for a, b in zip(row, inner, strict=True))
        assert all(a in (None, b) for a, b in zip(found.contrasts or [], truth.contrasts or [], strict=False))
        if found.rank and truth.rank:
            assert found.rank[0] <= truth.rank[1]
            assert truth.rank[0] <= found.rank[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(SHARP) - 1), st.randoms(use_true_random=False))
def test_a_changed_file_never_excludes_the_truth(number: int, random) -> None:
    data = copy.deepcopy(sharp()[number])
    truth = verify_certificate(json.dumps(data))
    data["bounds"] = data["facts"] = None
    for _ in range(random.randint(1, 3)):
        parent, node = None, data["witness"]
        while isinstance(node, dict | list) and node:
            key = random.choice(list(node) if isinstance(node, dict) else range(len(node)))
            parent, node = node, node[key]
        if parent is not None:
            bad = [0, -1, 10**400, "1", None, True, 1.5, [], {}]
            change = [*bad, *([node + 1, -node, 2 * node, node >> 3] if type(node) is int else [])]
            parent[key] = random.choice(change)
    found = verify_certificate(json.dumps(data))
    if found.outcome == "bounds":
        with precision(600):
            assert not found.lower > truth.upper
            assert not found.upper < truth.lower


# --- seeded faults -----------------------------------------------------------------------------------------------


def complaints(kernel: types.ModuleType) -> Iterator[str]:
    """What is wrong with a kernel."""
    for number, data in enumerate(sharp()):
        result = kernel.check(json.dumps(data))
        if result["outcome"] != "bounds":
            yield f"a valid certificate is refused: number {number}, {result['reason']}"
        elif result["facts"] != (data["facts"] or {}) or result["bounds"] != data["bounds"]:
            yield f"other facts than the certificate states: number {number}"
    for number, text in enumerate(REJECTED):
        if kernel.check(text)["outcome"] == "bounds":
            yield f"accepted a wrong certificate: number {number}"
    for number, (text, lower, upper) in enumerate(wide()):
        outcome = kernel.verify_certificate(text)
        if outcome.outcome != "bounds":
            yield f"a rough certificate is refused: number {number}, {outcome.reason}"
        elif abs(float(outcome.lower) - lower) + abs(float(outcome.upper) - upper) > 1e-8 * (1 + abs(upper)):
            yield f"a rough bound is not what direct evaluation gives: number {number}"


FAULTS = [
    ("set(options) == {*KNOBS, *OWN[model]}", "True"),
    ('bool(colon) == (name in ("margin", "ldam"))', "True"),
    ('bias != "free" and (bias == "none" or model == "ce")', "True"),
    ("set(witness) == set(shapes)", "True"),
    ("first, second = (number", "second, first = (number"),
    ('adjustment=number(options["adjustment"], zero=True)', 'adjustment=number(options["adjustment"])'),
    ('scaling=number(options["scaling"], zero=True)', 'scaling=number(options["scaling"])'),
    ('options["smoothing"] == "0" and ', ""),
    ("and sum(y) == 1 for y in targets", "for y in targets"),
    ('demand(eps < 1, "smoothing', 'demand(True, "smoothing'),
    ("eps / K + (1 - eps)", "(1 - eps)"),
    ('task.loss != "hinge" or all(', "True or all("),
    ("demand(all(entry >= 0 for row in dual for entry in row)", "demand(True"),
    ("sum(row[k] for row in dual) == 1 << P", "True"),
    ("len(W[0]) == len(H[0]) <= task.dim", "len(W[0]) == len(H[0])"),
    ('task.model != "ce-relu" or all(h >= 0', "True or all(h >= 0"),
    ("demand(task.penalty is not None or", "demand(True or"),
    ("all(s == 1 for s in task.s) and ", ""),
    ("and all(r == 1 for r in task.r)", ""),
    ("((W, task.first), (H, task.second))", "((W, task.first),)"),
    ("((W, task.first), (H, task.second))", "((H, task.second),)"),
    ("<= task.K * budget", "<= task.K**2 * budget"),
    ("return [n * w / N for", "return [n / N for"),
    ("Fraction(1) if self.peeled else n * r", "n * r"),
    ("Fraction(1) if self.peeled else n * r", "n"),
    ("ball(self.scaling) * ball(n / top)", "ball(n / top)"),
    (".exp() / ball(self.temperature)", ".exp() * ball(self.temperature)"),
    ("ball(self.adjustment) * ball(n / N)", "ball(self.adjustment) * ball(n)"),
    ("own = [-ball(self.parameter)", "own = [ball(self.parameter)"),
    ('1 if self.loss == "margin" else ball(n).root(4)', "1"),
    ("own[k] if j == k else other", "own[k] if j == k else 0"),
    ("data[c[0]] == data[k] and self.exchangeable", "self.exchangeable"),
    ("data[c[0]] == data[k] and self.exchangeable(c[0], k)", "data[c[0]] == data[k]"),
    ("top + sum((x - top).exp() for x in u).log()", "top"),
    ("sum(x * x for x in u) / 2", "sum(x * x for x in u)"),
    ("(level + square / 2)", "(square / 2)"),
    ("return max_of(u)", "return u[0]"),
    ("ball(p) * ball(p).log()", "ball(p)"),
    ('if potential == "softplus" else value', "if False else value"),
    ("d / ball(s).sqrt() for d, s", "d for d, s"),
    ("[ball(m) / ball(g).sqrt() for m, g", "[ball(m) for m, g"),
    ("ball(column[j] - y[k][j]) * iota[j][k]", "ball(column[j]) * iota[j][k]"),
    ("moved - conjugate(", "moved + conjugate("),
    ("column) + constant(task, k))", "column))"),
    ("inner + constant(task, k))", "inner)"),
    ("demand(count_above(M, nu) == 0", "demand(True"),
    ('demand(task.arrays["nu"][1][0][0] > 0, "nu is not a norm")', "pass"),
    ("demand(count_above(M, ball(task.first * task.second).sqrt()) == 0", "demand(True"),
    ("value -= nu * task.K", "value -= nu"),
    ("/ ball(2 * task.penalty)", "/ ball(task.penalty)"),
    ("sum((d * v) ** 2 for d, v", "sum(v**2 for d, v"),
    ("zip(row, h, strict=True)) + b for", "zip(row, h, strict=True)) for"),
    ("u = [d * x + row[k] for", "u = [x + row[k] for"),
    ("u = [d * x + row[k] for", "u = [d * x for"),
    ("omega(task.potential, u) - inner", "omega(task.potential, u)"),
    ("(W, task.first, task.s), (H, task.second, task.g)", "(W, task.first, task.g), (H, task.second, task.s)"),
    ("ball(task.penalty / 2) * sum(b * b for b in bias)", "arb(0) * sum(b * b for b in bias)"),
    ("root = (2 * t / q).sqrt()", "root = (t / q).sqrt()"),
    ("(q.rad() + (2 * t).sqrt()).upper()", "(q.rad() + t.sqrt()).upper()"),
    ("t = gap / ball(m)", "t = gap"),
    ("u[j][k] -= rest", "pass"),
    ('if task.potential == "sparsemax":\n                u', "if False:\n                u"),
    ("(u[j][k] - iota[j][k]) / delta[j]", "u[j][k] / delta[j]"),
    ("(u[j][k] - iota[j][k]) / delta[j]", "u[j][k] - iota[j][k]"),
    ("[ball(s) / d for s, d", "[1 / d for s, d"),
    ("+ distance(task, gap)) if task.peeled else top", ") if task.peeled else top"),
    ("delta[row] * ((row == i)", "1 * ((row == i)"),
    ("- iota[i][k] + iota[j][k]))", "))"),
    ("for x in factors] for factors in (task.s, task.g)", "for x in factors] for factors in (task.g, task.s)"),
    ("sparse_logits(task, p, top, gap) or logits", "logits"),
    ("z[j][k] - means[k] / delta[j]", "z[j][k] - means[k]"),
    ('if task.potential != "logsumexp":\n        return z', "if False:\n        return z"),
    ("dead = square[k, k] < lam2 and", "dead = square[k, k] < 2 * lam2 and"),
    ("alive = not (task.adjustment or task.scaling) and all(", "alive = False and all("),
    ("value, radius = M[k, k] - M[j, k], 2", "value, radius = M[k, k], 2"),
    ("dead = value + radius < top and radius - value < top", "dead = False"),
    ("alive = p[k][k] > p[j][k] or z[k][k] > z[j][k]", "alive = p[k][k] > p[j][k]"),
    ("alive = p[k][k] > p[j][k] or z[k][k] > z[j][k]", "alive = z[k][k] > z[j][k]"),
    ("most = min(most, count_above(M, below))", "pass"),
    ("bool(top > 0)", "True"),
    ('else state == "dead" for', 'else state == "alive" for'),
    ("least = count_above(arb_mat(X).mid(), arb(away))", "pass"),
    ("[ball(s * g).sqrt() for g in task.g]", "[arb(0) for g in task.g]"),
    ("least = max(least, 1)", "pass"),
    ("task.penalty is None and upper < loss_at", "task.penalty is None and upper > loss_at"),
    ("return below - radius", "return arb(0)"),
    ("if task.penalty is None else [[arb", "if True else [[arb"),
    ("True if most == 0 else", "None if most == 0 else"),
    ("not row[k].contains(0) for row", "False for row"),
    ('if task.potential == "max":\n        result', "if False:\n        result"),
]


def test_the_unchanged_kernel_passes() -> None:
    assert list(complaints(verify.kernel)) == []


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_is_noticed(number: int) -> None:
    assert next(complaints(load("fenchel_young", *FAULTS[number])), None) is not None


POLAR_FAULTS = [
    ("polar = M / norm", "polar = M"),
    ("x * s * polar[i, j]", "x * polar[i, j]"),
    ("value / right[k]", "value"),
    ("left[j] * X[j, k] * right[k]", "X[j, k] * right[k]"),
    ("left[j] * X[j, k] * right[k]", "left[j] * X[j, k]"),
    ("X = polar * B", "X = polar.transpose() * B"),
    ("defect[i, j] - (i == j)", "defect[i, j]"),
    ("x = (C * L).solve(C * y)", "x = (C * L).mid().solve((C * y).mid())"),
    ("    except ZeroDivisionError:\n        return None\n", "    except ArithmeticError:\n        raise\n"),
]


@pytest.mark.parametrize("number", range(len(POLAR_FAULTS)))
def test_every_fault_of_the_polar_form_is_noticed(number: int) -> None:
    assert next(complaints(load("polar", *POLAR_FAULTS[number])), None) is not None


KNOBS = st.fixed_dictionaries(
    {
        "smoothing": st.sampled_from(["0", "1/10", "1/3"]),
        "scaling": st.sampled_from(["0", "1/2"]),
        "loss_temperature": st.sampled_from(["1", "2"]),
        "row_decay": st.sampled_from([[(1, 3)], [(2, 1), (1, 2)]]),
        "feature_decay": st.sampled_from([[(1, 3)], [(1, 2), (3, 1)]]),
    }
)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=3), KNOBS, st.sampled_from(["1/5", "1/2", "1", "2"]))
def test_logits_of_sparsemax_are_those_at_which_a_descent_ends(sizes: list[int], knobs: dict, square: str) -> None:
    """A gap bounds predictions only; the descent knows nothing of the polar form and ends at the logits themselves."""
    problem = Problem.ce(sizes, 1).with_loss("sparsemax", **knobs).at(square)
    proved, found = solve("enclosure", problem), solve("nonconvex", problem)
    if proved.logits is not None:
        wrong = [float(abs(a - b).mid()) for a, b in zip(proved.logits.ravel(), found.logits.ravel(), strict=True)]
        assert max(wrong) < 1e-4
