"""The layer-peeled part of the kernel: direct evaluation, hostile files, and seeded faults that must be noticed."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import types
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from faulty_kernel import load
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

import verify.kernel
from theory.problem import Problem
from verify.balls import precision
from verify.kernel import check, verify_certificate
from verify.peeled import groups
from verify.peeled_blocks import certificate, narrowed, solve_groups
from verify.routes import certify

FIRST = Problem.peeled([(3, 3), (2, 2)], 2, "1/2")
MERGED = Problem.peeled([(6, 3), (2, 2)])
VANISHED = Problem.peeled([(7, 3), (1, 2)])
UNWEIGHTED = Problem.peeled([5, 5, 1, 1], weights=[1, 1, 0, 0])
LEFT_OUT = Problem.peeled([(10, 3), (9, 2), (8, 1)], "1/9", weights=[(1, 5), (0, 1)])
THREE = Problem.peeled([(8, 2), (4, 1), (1, 2)], dim=4)
NARROW = Problem.peeled([3, 2, 1], dim=1)
SHARP = (FIRST, MERGED, VANISHED, UNWEIGHTED, LEFT_OUT, THREE, NARROW)

ONES = Problem.peeled([4, 2, 1], 4, 1)
ROUGH = {"gaps": (2, [[3, 0]]), "W": (2, [[2], [-3]]), "H": (2, [[2], [-1]])}
ZERO = {"gaps": (0, [[0, 0]]), "W": (0, [[0], [0]]), "H": (0, [[0], [0]])}


def table(point: dict) -> dict:
    return {name: {"p": P, "rows": rows} for name, (P, rows) in point.items()}


def file(problem: Problem, norm: tuple[int, int], point: dict, dual: dict | None = None, **options: object) -> str:
    """A certificate by hand; ``norm`` is (P, integer)."""
    canonical = copy.deepcopy(problem.canonical())
    canonical["options"] |= options
    witness = {
        "full": False,
        "norm": {"p": norm[0], "rows": [[norm[1]]]},
        "point": table(point),
        "dual": None if dual is None else table(dual),
    }
    return signed({"schema": "verify.certificate/1", **canonical, "witness": witness, "bounds": None, "facts": None})


def signed(data: dict) -> str:
    """The file with the hash of the problem in it."""
    canonical = {key: data[key] for key in ("model", "counts", "options")}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    return json.dumps(data | {"problem": hashlib.sha256(text.encode()).hexdigest()})


def logits(problem: Problem, point: dict) -> np.ndarray:
    """(K, K) logits of a table, classes sorted by group."""
    found = groups(problem)
    owner = [g for g, group in enumerate(found) for _ in range(group.classes)]
    W, H = (np.array(point[name][1]) / 2.0 ** point[name][0] for name in "WH")
    Z = (W @ H.T)[np.ix_(owner, owner)]
    for g, group in enumerate(found):
        own = [k for k, h in enumerate(owner) if h == g]
        gap = point["gaps"][1][0][g] / 2.0 ** point["gaps"][0]
        Z[np.ix_(own, own)] += gap * (np.eye(group.classes) - 1 / group.classes)
    return Z


def direct(problem: Problem, norm: float, point: dict, dual: dict) -> tuple[float, float]:
    """Both bounds, from full matrices in floats."""
    found = groups(problem)
    mu = np.array([float(group.mass) for group in found for _ in range(group.classes)])
    Z = logits(problem, point)
    upper = mu @ (np.log(np.exp(Z).sum(axis=0)) - np.diag(Z))
    P = np.exp(logits(problem, dual))
    P /= P.sum(axis=0)
    assert np.linalg.norm((np.eye(len(mu)) - P) * mu, 2) < norm
    return float(mu @ -(P * np.log(P)).sum(axis=0)) - norm * float(problem.budget2) ** 0.5, float(upper)


ALONE = {"gaps": (0, [[0]]), "W": (0, [[0]]), "H": (0, [[0]])}
LOOSE = (
    (FIRST, (1, 1), ROUGH, ROUGH),
    (MERGED, (3, 3), ROUGH, {"gaps": (1, [[5, 1]]), "W": (2, [[1, 2], [-3, 1]]), "H": (2, [[2, 0], [-1, 3]])}),
    (UNWEIGHTED, (0, 1), ROUGH, ROUGH),
    (Problem.peeled([(4, 3), 1], 3, 2), (1, 1), ROUGH, ROUGH),
    (Problem.peeled([(3, 3), (2, 2)], "1/1000", "1/1000", dim=1), (2, 1), ZERO, ZERO),
)

# each violates one rule and is harmless otherwise: the other bound is loose, so no crossing gives it away
REJECTED = (
    file(FIRST, (0, 1), ZERO | {"W": (0, [[2], [0]])}),  # 12 > 5
    file(FIRST, (0, 1), ZERO | {"H": (0, [[2], [0]])}),
    file(FIRST, (0, 1), ZERO | {"gaps": (0, [[3, 0]])}),
    file(FIRST, (0, 1), ZERO | {"gaps": (0, [[-2, 2]])}),
    file(FIRST, (0, 1), ZERO | {"gaps": (0, [[0, 6]])}),
    file(FIRST, (0, 1), ROUGH, dim=2),
    file(FIRST, (0, 1), ZERO | {"gaps": (2, [[1, 1]])}, dim=3),
    file(FIRST, (0, 1), ZERO | {"W": (0, [[0, 0], [0, 0]])}),
    file(FIRST, (10, 205), ZERO),  # |(I - P) diag(mu)| = 3/13 on contrasts
    file(ONES, (10, 470), {name: (0, [[0]] * 3 if name != "gaps" else [[0] * 3]) for name in ("gaps", "W", "H")}),
    file(Problem.peeled([2, 1], 10, 10), (10, -540), ZERO | {"W": (0, [[-3], [3]]), "H": (0, [[3], [-3]])}, ZERO),
    file(FIRST, (0, 0), ZERO),
    file(Problem.peeled([(4, 3), 1]), (0, 1), ZERO | {"gaps": (0, [[0, 1]])}),
    file(FIRST, (0, 1), ALONE, class_weights=[["0", 5]]),
    file(FIRST, (0, 1), ZERO, class_weights=[["-1", 3], ["1", 2]]),
    file(FIRST, (0, 1), ZERO, class_weights=[["2/2", 5]]),
    file(FIRST, (0, 1), ZERO, class_weights=[["2", 6]]),
    file(FIRST, (0, 1), ZERO, e_w="0"),
    file(FIRST, (0, 1), ZERO, dim=0),
    file(FIRST, (0, 1), ZERO, extra="1"),
    signed(json.loads(file(FIRST, (0, 1), ZERO)) | {"counts": [["3", 3], ["0", 2]]}),
    signed(json.loads(file(FIRST, (0, 1), ZERO)) | {"counts": [["3", 1]]}),
    file(FIRST, (0, 1), ZERO).replace('"full": false', '"full": 0'),
    file(
        Problem.peeled([*range(1, 258)]),
        (0, 1),
        {"gaps": (0, [[0] * 257]), "W": (0, [[0]] * 257), "H": (0, [[0]] * 257)},
    ),
)


@functools.cache
def sharp() -> tuple[dict, ...]:
    """Valid certificates, one of them with a row per class."""
    found = [certify(problem)[0] for problem in SHARP]
    blocks = solve_groups(FIRST, 40)
    with precision(400):
        _, dual = narrowed(FIRST, blocks)
    wide = Problem.peeled([(3, 3), (2, 2)], 2, "1/2", dim=9)
    return (*found, certificate(wide, dual, 40, full=True)[0])


# --- bounds and facts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", LOOSE, ids=range(len(LOOSE)))
def test_loose_bounds_are_what_direct_evaluation_gives(case):
    problem, norm, point, dual = case
    outcome = verify_certificate(file(problem, norm, point, dual))
    assert outcome.outcome == "bounds", outcome.reason
    lower, upper = direct(problem, norm[1] / 2.0 ** norm[0], point, dual)
    assert float(outcome.lower) == pytest.approx(lower, abs=1e-12)
    assert float(outcome.upper) == pytest.approx(upper, abs=1e-12)


@pytest.mark.parametrize("number", range(len(REJECTED)))
def test_wrong_files_are_rejected(number):
    assert check(REJECTED[number])["outcome"] == "rejected"


def test_a_rough_point_gives_wide_facts_that_hold():
    problem, blocks = MERGED, solve_groups(MERGED, 40)
    for digits in range(3, 12):
        rough = certificate(problem, blocks, digits)[1]
        fine = verify_certificate(json.dumps(sharp()[1]))
        assert rough.logits is None or rough.found["multiplier"].overlaps(fine.found["multiplier"])
        if rough.logits is not None:
            pairs = zip(
                (*rough.logits.own, *rough.logits.others[0]), (*fine.logits.own, *fine.logits.others[0]), strict=True
            )
            assert all(a.contains(b.mid()) for a, b in pairs)
            assert rough.rank[0] <= 3 <= rough.rank[1]
            assert all(a in (None, b) for a, b in zip(rough.merged, fine.merged, strict=True))


def test_a_row_per_class_gives_the_same_bounds_and_facts():
    grouped, single = (verify_certificate(json.dumps(sharp()[i])) for i in (0, -1))
    with precision(grouped.precision):
        assert abs(grouped.upper - single.upper) < arb(10) ** -38
        assert abs(grouped.lower - single.lower) < arb(10) ** -37
    for name in ("groups", "rank", "merged", "zero", "minority_zero"):
        assert grouped.facts[name] == single.facts[name]


@pytest.mark.parametrize("exponent", [3, 6, 9])
def test_certificates_on_both_sides_of_the_merging_ratio(exponent):
    middle = Fraction("2.17188298296851132")
    for sign, states in ((-1, [False, False]), (1, [False, True])):
        ratio = middle * (1 + sign * Fraction(1, 10**exponent))
        outcome = certify(Problem.peeled([(ratio, 3), (1, 2)], 2, "1/2"))[1]
        assert outcome.merged == states
        assert outcome.rank == ((4, 4) if sign < 0 else (3, 3))


@given(st.integers(0, len(SHARP)), st.randoms(use_true_random=False))
def test_a_changed_file_never_excludes_the_truth(number, random):
    data = copy.deepcopy(sharp()[number])
    truth = verify_certificate(json.dumps(data))
    data["bounds"] = data["facts"] = None
    for _ in range(random.randint(1, 3)):
        parent, node = None, data["witness"]
        while isinstance(node, dict | list) and node:
            key = random.choice(list(node) if isinstance(node, dict) else range(len(node)))
            parent, node = node, node[key]
        if parent is not None and key not in ("full", "dual"):
            bad = [0, -1, 10**400, "1", None, True, 1.5, [], {}]
            change = [*bad, *([node + 1, -node, 2 * node, node >> 3] if type(node) is int else [])]
            parent[key] = random.choice(change)
    found = verify_certificate(json.dumps(data))
    if found.outcome == "bounds":
        with precision(512):
            assert not found.lower > truth.upper
            assert not found.upper < truth.lower
            if found.found:
                assert found.found["multiplier"].overlaps(truth.found["multiplier"])


# --- seeded faults -----------------------------------------------------------------------------------------------


def complaints(kernel: types.ModuleType) -> Iterator[str]:
    """What is wrong with a kernel."""
    for data in sharp():
        result = kernel.check(json.dumps(data))
        if result["outcome"] != "bounds":
            yield f"a valid certificate is refused: {result['reason']}"
        elif result["facts"] != (data["facts"] or {}) or result["bounds"] != data["bounds"]:
            yield "other facts than the certificate states"
    for number, text in enumerate(REJECTED):
        if kernel.check(text)["outcome"] == "bounds":
            yield f"accepted a wrong certificate: number {number}"
    for problem, norm, point, dual in LOOSE:
        outcome = kernel.verify_certificate(file(problem, norm, point, dual))
        lower, upper = direct(problem, norm[1] / 2.0 ** norm[0], point, dual)
        if outcome.outcome != "bounds":
            yield f"a loose certificate is refused: {outcome.reason}"
        elif abs(float(outcome.lower) - lower) + abs(float(outcome.upper) - upper) > 1e-12:
            yield "a loose bound is not what direct evaluation gives"
        elif outcome.merged is not None:
            yield "a loose certificate decides a state"


FAULTS = [
    ('set(options) == {"e_w", "e_h", "class_weights", "dim"}', "True"),
    ("K**2 * number(", "K * number("),
    ('number(options["e_w"]) * ', ""),
    ("price**2 <= budget2", "True"),
    ("price**2 <= budget2", "price <= budget2"),
    ("(n - 1) * abs(a) for n, a", "(n - 1) * a for n, a"),
    ('for name in ("W", "H"):', 'for name in ("W",):'),
    ('for name in ("W", "H"):', 'for name in ("H",):'),
    ("n * sum(x * x for x in row)", "sum(x * x for x in row)"),
    ("core.runs(given, zero=True)", "core.runs(given)"),
    ("demand(any(masses)", "demand(True"),
    ("sum(n * m for n, m in sizes)", "sum(n for n, m in sizes)"),
    ("sorted(masses.items(), reverse=True)", "sorted(masses.items())"),
    ("demand(norm > 0 and ", "demand("),
    ("all(core.positive(norm - x) for", "all(True for"),
    ("count_above(block, norm) == 0", "True"),
    ("-norm * ball(task.budget2).sqrt()", "-norm * ball(task.budget2)"),
    ("[gap / ball(x) if x", "[gap / 2 / ball(x) if x"),
    ("enumerate(zip(*p, strict=True))]", "enumerate(p)]"),
    ("[ball(x) for x in mu])", "[arb(1) for x in mu])"),
    ("own.exp() * own + seen", "seen"),
    ("ball(mu * m[g]) * (own", "ball(mu) * (own"),
    ("[p if x else -arb(K).log() for", "[p for"),
    ("for g, (x, own, column) in sides) / T", "for g, (x, own, column) in sides)"),
    ("nu >= ball(x)) if n > 1", "nu > 2 * ball(x)) if n > 1"),
    ("core.state(nu < ball(x)", "core.state(nu > ball(x)"),
    ("nu.lower() - tables.radius(M)", "2 * nu.lower() - tables.radius(M)"),
    ("if task.dim < most:", "if False:"),
    ("least += 0 if alone else tables", "least += 0 if True else tables"),
    ("Z, alone = tables.centred(m, log_p)", "Z, alone = log_p"),
    ('[alone and s != "alive" for', '[s != "alive" for'),
    ("True if dead[g] or not mu[g] else", "True if dead[g] else"),
    ("pick(point, m, len(task.m) > len(m))", "pick(point, m, False)"),
]


def test_the_unchanged_kernel_passes():
    assert list(complaints(verify.kernel)) == []


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_is_noticed(number):
    assert next(complaints(load("peeled", *FAULTS[number])), None) is not None
