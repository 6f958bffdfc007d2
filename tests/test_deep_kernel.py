"""The kernel's part for several layers: seeded one-line faults and corrupted certificates must be noticed."""

from __future__ import annotations

import copy
import functools
import json
import random
import types
from collections.abc import Iterator

import numpy as np
import pytest
from faulty_kernel import SOURCES, load

import verify.kernel
from theory.problem import Problem
from verify.routes import certify

FOUR = Problem.ce([(1, 4)], ["0.02"] * 3, "0.02")
PAIR = Problem.ce([(5, 2)], ["0.1", "0.2"], "0.01")
ZERO = Problem.ce([(3, 5)], ["0.1", "0.3"], "0.2")
UNEVEN = Problem.ce([(4, 1), (1, 2)], ["0.02", "0.03"], "0.01", bias="1/10", widths=[3, 2])
FOLD = Problem.ce([(1, 3)], ["0.19", "0.19"], "0.19", bias="free")
NARROW = Problem.ce([(2, 4)], ["0.02", "0.03"], "0.01", widths=[2, 5])
UNEVEN_ZERO = Problem.ce([4, 1], ["0.5", "0.5"], "0.5")
STEP = Problem.ce([(9, 3), (1, 2)], ["0.02", "0.02"], "0.002", bias="free")
PROBLEMS = (FOUR, PAIR, ZERO, UNEVEN, FOLD, NARROW, UNEVEN_ZERO, STEP)

POINT = {  # a poor point of PAIR: W_2, W_1, H, and brackets that hold far more than the root
    "factors": [{"p": 1, "rows": [[3], [-2]]}, {"p": 0, "rows": [[1]]}, {"p": 1, "rows": [[1, -1]]}],
    "bias": {"p": 0, "rows": [[0, 0]]},
    "brackets": {"p": 1, "rows": [[5, 9], [5, 9]]},
}
OUTSIDE = ([[1, 3], [5, 9]], [[9, 11], [5, 9]], [[5, 9], [9, 11]], [[9, 5], [5, 9]], [[0, 9], [5, 9]], [[5, 5], [5, 9]])
"""Brackets of PAIR whose larger zero of rho is about 4.1: left of it, right of it, reversed, at 0, empty."""


@functools.cache
def sharp(problem: Problem) -> dict:
    return certify(problem)[0]


def written(problem: Problem, **witness: object) -> str:
    base = {"schema": "verify.certificate/1", "problem": problem.sha256, **problem.canonical()}
    return json.dumps(base | {"bounds": None, "facts": None, "witness": POINT | witness})


@functools.cache
def wrong() -> tuple[str, ...]:
    """Certificates that must be rejected."""
    biased = {"p": 0, "rows": [[1, 0]]}
    wide = [{"p": 0, "rows": [[1, 1], [0, 1]]}, {"p": 0, "rows": [[1], [1]]}, {"p": 1, "rows": [[1, -1]]}]
    narrow = Problem.ce([(5, 2)], ["0.1", "0.2"], "0.01", widths=[1, 1])
    dead = {"p": 1, "rows": [[1, 2], [1, 2]]}
    found = [written(PAIR, brackets={"p": 1, "rows": rows}) for rows in OUTSIDE]
    found += [written(PAIR, brackets={"p": 8, "rows": [[640, 1], [640, 1152]]})]  # backwards, around the smaller zero
    found += [written(PAIR, bias=biased), written(narrow, factors=wide), written(PAIR, factors=POINT["factors"][:2])]
    lopsided = [*POINT["factors"][:2], {"p": 1, "rows": [[1, -1, 1]]}]
    found += [written(PAIR, factors=lopsided)]
    three = {"bias": {"p": 0, "rows": [[0] * 5]}, "factors": [{"p": 0, "rows": [[0]] * 5}, *POINT["factors"][1:2]]}
    three["factors"].append({"p": 0, "rows": [[0] * 5]})
    found += [
        written(ZERO, **three, brackets={"p": 5, "rows": [[1, 2], [1, 2]]}),
        written(ZERO, **three, brackets=dead),
    ]
    return tuple(found)


def test_the_place_of_a_frame_that_a_wide_bracket_leaves_open_includes_zero() -> None:
    """The bracket holds the larger zero of rho, but zero is the better frame; the file shows neither."""
    data = json.loads(json.dumps(sharp(FOLD)))
    assert data["facts"]["frame"]["alive"] is False
    wide = {"p": 0, "rows": [[1, 9], [1, 9]]}
    data["witness"]["brackets"] = wide
    frame = verify.kernel.check(json.dumps(data | {"bounds": None, "facts": None}))["facts"]["frame"]
    assert frame["alive"] is None
    assert float(frame["scale"]["lower"]) <= 0


def complaints(kernel: types.ModuleType) -> Iterator[str]:
    """What is wrong with a kernel."""
    for problem in PROBLEMS:
        certificate = sharp(problem)
        result = kernel.check(json.dumps(certificate))
        if result["outcome"] != "bounds":
            yield f"a valid certificate is refused: {result['reason']}"
        elif result["facts"] != certificate["facts"] or result["bounds"] != certificate["bounds"]:
            yield "other facts than the certificate states"
    for number, text in enumerate(wrong()):
        if kernel.check(text)["outcome"] == "bounds":
            yield f"accepted a wrong certificate: number {number}"
    outcome = kernel.verify_certificate(written(PAIR))
    W2, W1, H = np.array([[1.5], [-1.0]]), np.array([[1.0]]), np.array([[0.5, -0.5]])
    if outcome.outcome != "bounds" or abs(float(outcome.upper) - PAIR.objective([W2, W1], H)) > 1e-12:
        yield "the upper bound is not what direct evaluation gives"
    elif not float(outcome.lower.rad()) > 0.1 or not outcome.lower.contains(arb_of(sharp(PAIR))):
        yield "a wide bracket gives a narrow bound, or misses it"
    wider = kernel.verify_certificate(written(PAIR, brackets={"p": 1, "rows": [[1, 80], [1, 80]]}))
    if wider.outcome != "bounds" or wider.found["frame"][2] is not None:
        yield "a state is decided from a bracket that does not"


def arb_of(certificate: dict) -> object:
    from flint import arb

    return arb(certificate["bounds"]["lower"]).mid()


FAULTS = [
    ("demand(1 <= height <= width", "demand(1 <= height"),
    ('demand(bias != "none" or not any(offset[1][0])', "demand(True"),
    ("demand(all(0 < low < high for", "demand(all(0 < low for"),
    ("log_c - arb(K - 1).log() - (1 - q) * a.log()", "log_c - (1 - q) * a.log()"),
    ("log_c - arb(K - 1).log() - (1 - q) * a.log()", "log_c - arb(K - 1).log() - q * a.log()"),
    ("(a.exp() + (K - 1)).log() + log_c", "(a.exp() + K).log() + log_c"),
    ("around = not positive(turn(low)) and positive(turn(high))", "around = positive(turn(high))"),
    ("around = not positive(turn(low)) and positive(turn(high))", "around = not positive(turn(low))"),
    ("demand(around and positive(rho(between))", "demand(around"),
    ('demand(positive(rho(high)), "the bracket', 'demand(True, "the bracket'),
    ("zero, between = arb(K).log(), low.union(high)", "zero, between = arb(K).log(), high"),
    ("((K - 1) * (-between).exp()).log1p() +", "(K * (-between).exp()).log1p() +"),
    ("(log_c + q * between.log()).exp() / q", "(log_c + q * between.log()).exp()"),
    ("if value > zero:\n        return zero, arb(0), False", "if False:\n        return zero, arb(0), False"),
    ("True if value < zero else None", "True"),
    ("share = ball(K * n / N)", "share = ball(Fraction(1))"),
    ("+ q * arb(K - 1).log() - share.log()", "+ arb(K - 1).log() - share.log()"),
    ("+ q * arb(K - 1).log() - share.log()", "+ q * arb(K - 1).log()"),
    ("log_c = ball(n * prod(task.decays)).log()", "log_c = ball(prod(task.decays)).log()"),
    ("lower = arb.max(lower, share * value)", "lower = arb.max(lower, value)"),
    ("lower = arb.max(lower, share * value)", "lower = share * value"),
    ("return sum(n >= size for n in", "return sum(n > 0 for n in"),
    ("if self.kept(size) > 1]", "if self.kept(size) > 2]"),
    ("task.balanced and alive is False", "alive is not True"),
    ("K, q = task.kept(n), arb(2) / L", "K, q = len(task.sizes), arb(2) / L"),
    ("if not task.balanced or min(task.widths) < K - 1:", "if not task.balanced:"),
    ("if not task.balanced or min(task.widths) < K - 1:", "if min(task.widths) < K - 1:"),
    (
        "ball(task.sizes[0] * prod(task.decays)).log() / L + arb(K - 1).log()",
        "ball(task.sizes[0] * prod(task.decays)).log() / L",
    ),
    ("scalar_minimum(K, arb(2) / L, log_c", "scalar_minimum(K, arb(1) / L, log_c"),
    ("(Z[j, k] + offset[j] - Z[k, k] - offset[k])", "(Z[j, k] - Z[k, k])"),
    ("(Z[j, k] + offset[j] - Z[k, k] - offset[k])", "(Z[k, j] + offset[j] - Z[k, k] - offset[k])"),
    ("value += ball(size / N) * others.log1p()", "value += ball(1 / N) * others.log1p()"),
    ("ball(decay) / 2 * sum(x * x for row in", "ball(decay) * sum(x * x for row in"),
    ("sum(ball(n) * h * h for n, h", "sum(h * h for n, h"),
    ("value += ball(task.bias) / 2 * sum(x * x for x in offset)", "pass"),
    ("for matrix in matrices[1:]:", "for matrix in matrices[2:]:"),
]


def test_the_unchanged_kernel_passes() -> None:
    assert list(complaints(verify.kernel)) == []


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_is_noticed(number: int) -> None:
    before, after = FAULTS[number]
    assert SOURCES["deep"].count(before) == 1, "the line to change is gone"
    assert next(complaints(load("deep", before, after)), None) is not None


def corrupted(data: dict, rng: random.Random) -> object:
    """A certificate with one random change somewhere in its witness or problem."""
    data = copy.deepcopy(data)
    node, parent, key = data[rng.choice(["witness", "witness", "options"])], data, None
    while isinstance(node, dict | list) and node:
        parent, key = node, rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
        node = node[key]
        if rng.random() < 0.1:
            break
    choices = [None, True, -1, 0, 1, 10**400, "1/3", [], {}, 0.5, 2**60]
    if isinstance(node, int):
        choices += [node + 1, -node, 2 * node, node >> 1]
    parent[key] = rng.choice(choices)
    return data


def test_corrupted_certificates_never_prove_anything_false() -> None:
    rng, outcomes = random.Random(5), {"bounds": 0, "rejected": 0, "undecided": 0}
    for problem in (FOUR, PAIR, UNEVEN):
        certificate = sharp(problem)
        good = verify.kernel.verify_certificate(json.dumps(certificate))
        for _ in range(120):
            data = corrupted(certificate, rng)
            data |= {"bounds": None, "facts": None}
            outcome = verify.kernel.verify_certificate(json.dumps(data))
            outcomes[outcome.outcome] += 1
            if outcome.outcome == "bounds":
                assert not outcome.lower > good.upper
                assert not outcome.upper < good.lower
    assert outcomes["rejected"] > 150
    assert outcomes["bounds"] > 5
