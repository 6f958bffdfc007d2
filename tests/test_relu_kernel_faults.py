"""Seeded faults in the ReLU part of the kernel: each one-line change must be noticed by the battery below."""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from faulty_kernel import SOURCES, load
from test_relu_model import FIRST, POOR, SECOND, changed

import verify.kernel
from theory.problem import Problem
from verify.routes import certify

HEAVY = Problem.ce([(9, 2), (4, 3)], "0.1", "0.02", weights=[(3, 2), ("1/2", 3)], model="ce-relu", dim=8)
BARELY = Problem.ce([(9, 2), (4, 3)], 1, model="ce-relu").at(Fraction(16, 5) * Fraction(1000001, 1000000))
TIE = Problem.ce([(9, 2), (4, 3)], 1, model="ce-relu").at(Fraction(16, 5))
CLOSE = Problem.ce([9, 3, 3], 1, model="ce-relu", weights=[1, 2, 2]).at(5)
PROBLEMS = (FIRST, SECOND, HEAVY, BARELY, TIE, CLOSE)

ROUGH = {
    "errors": (14, [[1471, 2081, 2548]]),
    "W": (7, [[283, 222, 191], [-142, -111, -96]]),
    "H": (7, [[116, 129, 136]]),
}
FAR = {"errors": (4, [[1, 1, 2]]), "kept": (0, [[1, 0, 1]]), "W": (2, [[9, 1, 7], [-3, 1, -2]]), "H": (1, [[2, 5, 3]])}
REJECTED = (
    POOR | {"errors": (10, [[92, 130, 159]])},
    POOR | {"errors": (10, [[91, 130, 160]])},
    POOR | {"errors": (10, [[-1, 130, 159]])},
    {"errors": (0, [[0, 0, 0]]), "H": (0, [[1, 1, -1]])},
    {"errors": (0, [[0, 0, 0]]), "kept": (0, [[2, 0, 0]])},
    {"errors": (0, [[0, 0, 0]]), "kept": (0, [[-1, 0, 0]])},
    {"errors": (0, [[0, 0, 0]]), "kept": (1, [[1, 1, 1]])},
)


@functools.cache
def sharp(problem: Problem) -> dict:
    return certify(problem)[0]


@functools.cache
def texts() -> tuple[list[str], str, str]:
    """What must be rejected, a far point, a rough point."""
    narrow = json.loads(changed(SECOND, errors=(0, [[0, 0, 0, 0]])))
    narrow["options"]["dim"] = 2
    canonical = {key: narrow[key] for key in ("model", "counts", "options")}
    rejected = [changed(FIRST, **arrays) for arrays in REJECTED]
    rejected.append(json.dumps(narrow | {"problem": Problem.from_canonical(canonical).sha256}))
    heavy = {"kept": (0, [[0, 0]]), "W": (0, [[0, 0]] * 2), "H": (0, [[0, 0]]), "errors": (10, [[137, 819]])}
    rejected.append(changed(HEAVY, **heavy))
    biased = Problem.ce([6, 3, 2], "0.02", "0.03", bias="free", model="ce-relu")
    rejected.append(json.dumps(json.loads(changed(FIRST)) | biased.canonical() | {"problem": biased.sha256}))
    return rejected, changed(FIRST, **FAR), changed(FIRST, **ROUGH)


def direct() -> tuple[float, float]:
    """Bounds of the far point, evaluated directly."""
    W, H = np.zeros((3, 3)), np.zeros((3, 3))
    for k, own, other, h in ((0, 9 / 4, -3 / 4, 1), (2, 7 / 4, -2 / 4, 1.5)):
        W[:, k], H[k, k] = other, h
        W[k, k] = own
    q = [np.array([1 - t, t / 2, t / 2]) for t in (1 / 16, 1 / 16, 1 / 8)]
    return sum(n / 11 * -(p @ np.log(p)) for n, p in zip((6, 3, 2), q, strict=True)), FIRST.objective(W, H)


def complaints(kernel: types.ModuleType) -> Iterator[str]:
    """What is wrong with a kernel."""
    for problem in PROBLEMS:
        certificate = sharp(problem)
        result = kernel.check(json.dumps(certificate))
        if result["outcome"] != "bounds":
            yield f"a valid certificate is refused: {result['reason']}"
        elif result["facts"] != certificate["facts"] or result["bounds"] != certificate["bounds"]:
            yield "other facts than the certificate states"
    rejected, far, rough = texts()
    for number, text in enumerate(rejected):
        if kernel.check(text)["outcome"] == "bounds":
            yield f"accepted a wrong certificate: number {number}"
    outcome, (lower, upper) = kernel.verify_certificate(far), direct()
    if outcome.outcome != "bounds":
        yield "a loose certificate is refused"
    elif abs(float(outcome.lower) - lower) + abs(float(outcome.upper) - upper) > 1e-12:
        yield "a loose bound is not what direct evaluation gives"
    elif outcome.contrasts != [None] * 3 and outcome.contrasts is not None:
        yield "a loose certificate decides a state"
    loose, fine = kernel.verify_certificate(rough), kernel.verify_certificate(json.dumps(sharp(FIRST)))
    pairs = zip(loose.logits.own, fine.logits.own, strict=True) if loose.logits and fine.logits else ()
    if not all(a.is_finite() and a.contains(b.mid()) for a, b in pairs):
        yield "a wide certificate misses the truth"


FAULTS = [
    ('demand(problem.bias == "none", "ce-relu', 'demand(True, "ce-relu'),
    ("P == 0 and all(0 <= r <= c.classes", "all(0 <= r <= c.classes"),
    ("all(0 <= r <= c.classes", "all(0 <= r"),
    ("all(0 <= r <= c.classes", "all(r <= c.classes"),
    ("demand(sum(kept) <= problem.dim", "demand(True"),
    ("demand(all(h >= 0 for h in arrays", "demand(all(True for h in arrays"),
    ("demand(group.weight**2 * group.size * t**2 * K <= problem.x2 * (K - 1)", "demand(True"),
    ("group.size * t**2 * K <= problem.x2 * (K - 1)", "group.size * t**2 * K <= problem.x2 * K"),
    ("demand(group.weight**2 * group.size * t**2", "demand(group.weight * group.size * t**2"),
    ("entropy = ball(t) * arb(K - 1).log()", "entropy = arb(0)"),
    (
        "value += ball(group.classes * group.mass / problem.N) * entropy",
        "value += ball(group.mass / problem.N) * entropy",
    ),
    ("((K - 1) * ((other[g] - own[g])", "(K * ((other[g] - own[g])"),
    ("own[g] * own[g] + (K - 1) * other[g]", "own[g] * own[g] + K * other[g]"),
    ("decay[1] * ball(group.size) * H[g]", "decay[1] * H[g]"),
    ("kept * (share * loss + price / 2)", "kept * (share * loss + price)"),
    ("(group.classes - kept) * share * arb(K).log()", "0"),
    ("[gap * ball(problem.N / cluster.mass) for", "[gap / 2 * ball(problem.N / cluster.mass) for"),
    ("[gap * ball(problem.N / cluster.mass) for", "[0 * gap for"),
    ("square = ball(group.weight**2 * group.size) * (K - 1) * K", "square = ball(group.weight**2 * group.size) * K"),
    ("square = ball(group.weight**2 * group.size)", "square = ball(group.weight * group.size)"),
    ("state(log_p.own[c] > log_p.others[0][c], dead)", "state(not log_p.own[c] < log_p.others[0][c], dead)"),
    ("means = [(own + (K - 1) * other) / K", "means = [(own + K * other) / K"),
    ("(min(least, K - 1), min(most, K - 1))", "(min(least, K - 1), K - 1)"),
    ("(min(least, K - 1), min(most, K - 1))", "(least, most)"),
    ("zero = [problem.x2 * K >= c.weight", "zero = [problem.x2 * K > c.weight"),
    ("zero = [problem.x2 * K >= c.weight**2", "zero = [problem.x2 * K >= c.weight"),
    ("result.zero = list(zero)", "result.zero = [None] * len(zero)"),
]


def test_the_unchanged_kernel_passes() -> None:
    assert list(complaints(verify.kernel)) == []


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_is_noticed(number: int) -> None:
    before, after = FAULTS[number]
    assert SOURCES["relu"].count(before) == 1, "the line to change is gone"
    assert next(complaints(load("relu", before, after)), None) is not None
