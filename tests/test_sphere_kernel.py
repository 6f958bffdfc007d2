"""The sphere's part of the kernel: lies, corruption, and seeded faults that the battery below must notice."""

from __future__ import annotations

import copy
import functools
import json
import random
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from faulty_kernel import SOURCES, load
from flint import arb
from test_kernel import corrupt, ends, facts_hold

import verify.kernel
from theory.problem import Problem
from verify.kernel import check
from verify.routes import certify
from verify.sphere import loss

PROBLEMS = (
    Problem.sphere(4, 3, 2),
    Problem.sphere(4, 5, "1/2", families=1),
    Problem.sphere(3, 2, 10),
    Problem.sphere(2, 1, 1),
    Problem.sphere(5, 2, "13/10", families=1),
    Problem.sphere(6, 3, 3, families=1),
    Problem.sphere(5, 3, 2),
    Problem.sphere(5, 1, 1),
    Problem.sphere(7, 1, "1/4", families=1),
)
PAIR, ONE, GON, SPREAD = PROBLEMS[0], PROBLEMS[1], PROBLEMS[4], PROBLEMS[5]
POOR = (0, [[1, 0], [1, 1], [-1, 0], [0, -1], [3, 2]])
WEAK = (10, [[1215, 890, 475, 190]])


@functools.cache
def sharp(problem: Problem) -> dict[str, Any]:
    return certify(problem)[0]


def changed(problem: Problem, **arrays: tuple[int, list[list[Any]]]) -> str:
    """A certificate that states nothing, with other arrays."""
    data = copy.deepcopy(sharp(problem)) | {"bounds": None, "facts": None}
    data["witness"] |= {name: {"p": P, "rows": rows} for name, (P, rows) in arrays.items()}
    return json.dumps(data)


def moved(problem: Problem, other: Problem) -> str:
    """The witness of one problem under the description of another."""
    data = json.loads(changed(problem)) | other.canonical()
    return json.dumps(data | {"problem": other.sha256})


@functools.cache
def rejected() -> list[str]:
    """Violations, each beside a point so poor that bounds do not cross."""
    zero, flat = [[0] * 3] + [[1, 0, 0]] * 3, [[1, 0, 0]] * 4
    doubled = json.loads(changed(PAIR))
    doubled["counts"] = [["2", 4]]
    canonical = {key: doubled[key] for key in ("model", "counts", "options")}
    doubled["problem"] = _hash(canonical)
    several = json.loads(changed(PAIR))
    several["options"]["families"], several["witness"]["V"] = 3, {"p": 0, "rows": []}
    several["problem"] = _hash({key: several[key] for key in ("model", "counts", "options")})
    return [
        changed(PAIR, U=(0, zero)),
        changed(PAIR, V=(0, zero)),
        changed(PAIR, U=(0, [[1, 0, 0, 0]] * 4), V=(0, [[1, 0, 0, 0]] * 4)),
        changed(PAIR, U=(0, flat), V=(0, [[1, 0]] * 4)),
        changed(PAIR, V=(0, [[1, 0, 0]] * 3)),
        changed(ONE, V=(0, [[1, 0, 0]] * 4)),
        changed(GON, U=POOR, kernel=(0, [[2]])),
        changed(GON, U=POOR, kernel=(10, [[1100, 900, 100]])),
        changed(GON, U=POOR, kernel=(10, [[1200, 890, 470, 185]])),
        changed(GON, U=POOR, kernel=(10, [[1226, 896, 478, 191]])),
        changed(GON, U=POOR, kernel=(10, [[900, 300, 100, 0, 0, 0, 0, 0, 0, 800]])),
        changed(GON, U=POOR, kernel=(10, [[0] * 5])),
        changed(GON, U=POOR, kernel=(10, [[-900, -300, -100]])),
        json.dumps(doubled),
        json.dumps(several),
        changed(PROBLEMS[6], kernel=(20, [[1]])),
        moved(PAIR, Problem.sphere(4, 2, 2)),
        moved(PAIR, Problem.sphere(4, 3, 2, families=1)),
    ]


def _hash(canonical: dict[str, Any]) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@functools.cache
def far() -> list[tuple[str, float, float]]:
    """Loose certificates with both bounds evaluated directly."""
    found = []
    V = np.array(POOR[1], dtype=float)
    V /= np.linalg.norm(V, axis=1)[:, None]
    m = np.array(WEAK[1][0]) / 2**10
    p1 = 2 * (m @ m) - m[0] ** 2
    lower = 5 * (np.log(5 * m[0] ** 2 + np.exp(1.3) - p1) - 1.3)
    found.append((changed(GON, U=POOR, kernel=WEAK), lower, loss(V @ V.T, 1.3)))
    U, W = (
        np.array([[1, 0, 0], [0, 2, 1], [0, -1, 0], [-1, 1, 1]]),
        np.array([[2, 1, 0], [0, 1, 0], [1, -1, 0], [-1, 0, 1]]),
    )
    unit = [X / np.linalg.norm(X, axis=1)[:, None] for X in (U, W)]
    text = changed(PAIR, U=(3, U.tolist()), V=(5, W.tolist()))
    found.append((text, 4 * np.log1p(3 * np.exp(-8 / 3)), loss(unit[0] @ unit[1].T, 2.0)))
    tetra = np.array([[8, 2, 1, 0], [-3, 7, 0, 0], [-3, -4, 7, 0], [-3, -4, -6, 1]])
    unit = [X / np.linalg.norm(X, axis=1)[:, None] for X in (tetra,)]
    text = changed(ONE, U=(2, tetra.tolist()))
    found.append((text, 4 * np.log1p(3 * np.exp(-2 / 3)), loss(unit[0] @ unit[0].T, 0.5)))
    return found


@functools.cache
def rough() -> list[tuple[str, dict[str, float]]]:
    """Certificates with few digits: their balls are wide and must hold the simplex."""
    found = []
    for problem, bits in ((PAIR, 5), (PAIR, 12), (ONE, 6), (ONE, 12), (PROBLEMS[2], 14)):
        witness = sharp(problem)["witness"]
        rows = {
            name: (
                bits,
                [
                    [(x >> witness[name]["p"] - bits) + (i == j) for j, x in enumerate(row)]
                    for i, row in enumerate(witness[name]["rows"])
                ],
            )
            for name in ("U", "V")
        }
        truth = {
            "own": 1.0,
            "other": -1 / (problem.K - 1),
            "gram": -1 / (problem.K - 1),
            "mean_norm": 0.0,
            "distance": 0.0,
        }
        found.append((changed(problem, **rows), truth))
    return found


@functools.cache
def proven() -> list[dict[str, Any]]:
    """Statements that follow from no witness, and the sharp certificates of the unchanged kernel."""
    return [sharp(problem) for problem in PROBLEMS]


def complaints(kernel: types.ModuleType) -> Iterator[str]:
    """What is wrong with a kernel."""
    for certificate in proven():
        result = kernel.check(json.dumps(certificate))
        if result["outcome"] != "bounds":
            yield f"a valid certificate is refused: {result['reason']}"
        elif result["facts"] != certificate["facts"] or result["bounds"] != certificate["bounds"]:
            yield "other facts than the certificate states"
    for number, text in enumerate(rejected()):
        result = kernel.check(text)
        if result["outcome"] != "rejected" or result["reason"].startswith("malformed"):
            yield f"no clear refusal of a wrong certificate: number {number}, {result['outcome']}, {result['reason']}"
    for text, lower, upper in far():
        outcome = kernel.verify_certificate(text)
        if outcome.outcome != "bounds":
            yield f"a loose certificate is refused: {outcome.reason}"
        elif abs(float(outcome.lower) - lower) + abs(float(outcome.upper) - upper) > 1e-12:
            yield "a loose bound is not what direct evaluation gives"
    for text, truth in rough():
        found = kernel.verify_certificate(text).found
        if not all(found[name].overlaps(arb(x) + arb(0, 1e-15)) for name, x in truth.items()):
            yield "a wide certificate misses the truth"


FAULTS = [
    ("demand(size == 1 and n >= 2", "demand(n >= 2"),
    ("demand(n <= MAX_GROUPS and families <= 2", "demand(n <= MAX_GROUPS"),
    ("demand(len(row) == width and any(row)", "demand(len(row) == width"),
    ("demand(len(row) == width and any(row)", "demand(any(row)"),
    ("demand(width <= dim", "demand(True"),
    ('"V" if task.families == 2 else "U"', '"U"'),
    ("units.append(arb_mat([[x / norm for x in row]", "units.append(arb_mat([[x for x in row]"),
    (
        "norms = [sum(x * x for x in row).sqrt() for row in table]",
        "norms = [sum(x * x for x in row) for row in table]",
    ),
    ("(a * (Z[i, j] - Z[i, i])).exp() for j in n if j != i", "(a * (Z[i, j] - Z[i, i])).exp() for j in n"),
    ("(a * (Z[i, j] - Z[i, i])).exp()", "(a * Z[i, j]).exp()"),
    ("return ((task.n - 1) * (-x).exp()).log1p()", "return (task.n * (-x).exp()).log1p()"),
    ("return task.n * phi(task, ball(task.a * task.n / (task.n - 1)))", "return task.n * phi(task, ball(task.a))"),
    ("delta = gap * (1 + A.exp() / (n - 1)) / (n * A)", "delta = gap / (n * A)"),
    ("delta = gap * (1 + A.exp() / (n - 1)) / (n * A)", "delta = gap * 0"),
    ("mean = (2 * delta).sqrt()", "mean = delta"),
    ("shift = n * (mean + 2 * delta) / (n - 1)", "shift = arb(0)"),
    ("squares = 2 * (n - 1) *", "squares = (n - 1) *"),
    ("* gap.expm1()", "* gap * gap"),
    ("squares *= 1 + (A * (1 + mean)).exp() / (n - 1)", "squares *= 1"),
    ("return delta, squares.sqrt() / a + shift", "return delta, squares / a + shift"),
    ("return bool(1 / arb(task.n - 1) > arb.max(E, 2 * task.n * delta))", "return True"),
    ("if is_simplex(task, g):", "if not is_simplex(task, g):"),
    ("values = [m * (m + (n - m) * rare).log()", "values = [m * (m + n * rare).log()"),
    ("least = n * arb(n).log()", "least = 2 * arb(n).log()"),
    ("if not first > sum(abs(c) for c in rest):", "if not first > 0:"),
    ("(2 * k + dim - 2) - C[k - 1] * k", "(2 * k + dim - 1) - C[k - 1] * k"),
    ("N.append(comb(k + dim, k + 1) - comb(k + dim - 2, k - 1))", "N.append(comb(k + dim, k + 1))"),
    ("p += C * (m * m * N)", "p += C * (m * m)"),
    ("q += C * (m * N)", "q += C * m"),
    ("taylor.append(taylor[-1] * a / len(taylor))", "taylor.append(taylor[-1] * a)"),
    ("demand(nonnegative(q) and nonnegative(arb_poly(taylor) - p)", "demand(nonnegative(arb_poly(taylor) - p)"),
    ("demand(nonnegative(q) and nonnegative(arb_poly(taylor) - p)", "demand(nonnegative(q)"),
    ("(task.n * mu[0] * mu[0] + a.exp() - p(arb(1)))", "(task.n * mu[0] * mu[0])"),
    ("(task.n * mu[0] * mu[0] + a.exp() - p(arb(1)))", "(task.n * mu[0] * mu[0] + a.exp())"),
    ("if task.dim >= task.n - 1:", "if task.dim >= task.n:"),
    ("if task.dim >= task.n - 1:", "if task.dim >= task.n - 2:"),
    ("lower += deficit_bound(task)", "lower += 0"),
    ("if task.dim == 1:", "if False:"),
    ("and (degree < 0 or families == 1)", "and (degree < 0 or families <= 2)"),
    ("own = one.union(one - 2 * n * delta)", "own = one"),
    ("turn = 2 * (n * delta).sqrt()", "turn = arb(0)"),
    ('"gram": -one / (n - 1) + arb(0, (E + turn).upper())', '"gram": -one / n + arb(0, (E + turn).upper())'),
    ('"mean_norm": arb(0).union((2 * delta).sqrt())', '"mean_norm": (2 * delta).sqrt()'),
    ("result.rank = ((n - 1) * is_simplex(task, gap), min(task.dim, n))", "result.rank = (n, n)"),
]


def test_the_unchanged_kernel_passes() -> None:
    assert list(complaints(verify.kernel)) == []


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_is_noticed(number: int) -> None:
    before, after = FAULTS[number]
    assert SOURCES["sphere"].count(before) == 1, "the line to change is gone"
    assert next(complaints(load("sphere", before, after)), None) is not None


def test_statements_beyond_the_proof_are_rejected() -> None:
    for path, value in [
        (("bounds", "lower"), "0.76"),
        (("bounds", "upper"), "0.75"),
        (("facts", "rank", "lower"), 4),
        (("facts", "gram", "value", "lower"), "-0.3333"),
        (("facts", "distance", "value", "upper"), "0.0"),
    ]:
        data = copy.deepcopy(sharp(PAIR))
        place = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert check(json.dumps(data))["outcome"] == "rejected", path


def test_random_corruption_never_proves_anything_false() -> None:
    rng = random.Random(0)
    seen = {"bounds": 0, "rejected": 0, "undecided": 0}
    for problem in (PAIR, ONE, GON, SPREAD, PROBLEMS[7]):
        certificate = sharp(problem)
        lower, upper = ends(certificate["bounds"])
        truth = check(json.dumps(certificate))
        for _ in range(80):
            result = check(corrupt(rng, certificate))
            seen[result["outcome"]] += 1
            if result["outcome"] == "bounds" and result["problem"] == certificate["problem"]:
                assert ends(result["bounds"])[0] <= upper
                assert ends(result["bounds"])[1] >= lower
                assert facts_hold(result["facts"], truth["facts"])
    assert seen["rejected"] > 200
    assert seen["bounds"] > 5
