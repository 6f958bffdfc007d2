"""Kernel, max-margin model: loose bounds, wrong files, and one-line faults that the battery below must notice."""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from faulty_kernel import SOURCES, load
from test_kernel_forms import full

import verify.kernel
from theory.problem import Problem
from verify.kernel import check, verify_certificate
from verify.routes import svm_enclosure

FIRST = Problem.svm([6, 3, 2, 1], dim=3)
MIXED = Problem.svm([(5, 2), (2, 3)], dim=4)
EXACT = Problem.svm([4, 4], dim=1)
PROBLEMS = (FIRST, MIXED, EXACT, Problem.svm([(50, 1), ("1/2", 4)]), Problem.svm([4, 2, 2, 1, 4]))

LOOSE: dict[str, Any] = {
    "flows": (3, [[4, 2], [1, 2]]),
    "gaps": (1, [[4, 3]]),
    "W": (1, [[3], [-3]]),
    "H": (0, [[1], [-1]]),
}
WRONG: dict[str, tuple[Problem, dict[str, Any]]] = {
    "a multiplier is negative": (MIXED, LOOSE | {"flows": (3, [[4, 2], [-1, 2]])}),
    "contrast": (MIXED, LOOSE | {"flows": (3, [[12, 2], [1, 2]])}),
    "norm with multiplicities": (MIXED, LOOSE | {"flows": (4, [[0, 7], [7, 0]])}),
    "norm": (MIXED, LOOSE | {"flows": (4, [[0, 10], [11, 0]])}),
    "siblings": (MIXED, LOOSE | {"gaps": (1, [[1, 3]])}),
    "margin": (MIXED, LOOSE | {"gaps": (0, [[1, 1]]), "W": (3, [[1], [-1]])}),
    "margin of the second group": (MIXED, LOOSE | {"gaps": (0, [[2, 1]]), "W": (3, [[8], [7]])}),
    "width": (Problem.svm([(5, 2), (2, 3)], dim=3), LOOSE),
    "widths differ": (MIXED, LOOSE | {"H": (0, [[1, 0], [-1, 0]])}),
    "a gap without siblings": (FIRST, {"gaps": (0, [[1, 0, 0, 0]])}),
    "a flow without siblings": (FIRST, {"flows": (3, [[1, 0, 0, 0], *([[0] * 4] * 3)])}),
}
TIGHT = {"flows": (0, [[1]]), "gaps": (0, [[1]]), "W": (0, [[]]), "H": (0, [[]])}


def changed(problem: Problem, full: bool = False, **arrays: Any) -> str:
    """A certificate with other arrays, stating nothing."""
    base = json.loads(json.dumps(certificates(problem)[0]))
    if problem.dim < problem.K - 1:
        base["witness"] = json.loads(json.dumps(certificates(MIXED)[0]["witness"]))
    base["witness"] |= {name: {"p": p, "rows": rows} for name, (p, rows) in arrays.items()} | {"full": full}
    return json.dumps(base | {"bounds": None, "facts": None})


@functools.cache
def certificates(problem: Problem) -> list[dict[str, Any]]:
    """Sharp, rough, every class alone, and a classifier off its centre, each with what the kernel proves from it."""
    found = [svm_enclosure.certify(problem)[0]]
    if problem.dim < problem.K - 1:
        return found
    found.append(svm_enclosure.certify(problem, digits=1)[0])
    shifted = json.loads(json.dumps(found[0]["witness"]))
    if shifted["W"]["rows"][0]:
        for row in shifted["W"]["rows"]:
            row[0] += 1 << (shifted["W"]["p"] - 12)
    texts = (full(problem), json.dumps(found[0] | {"witness": shifted, "bounds": None, "facts": None}))
    proved = [(text, check(text)) for text in texts]
    return [*found, *(json.loads(text) | {"bounds": p["bounds"], "facts": p["facts"]} for text, p in proved)]


def direct() -> tuple[float, float]:
    """Bounds of the loose point, evaluated on explicit matrices."""
    owner, sizes = np.array([0, 0, 1, 1, 1]), np.array([5, 5, 2, 2, 2.0])
    flows = np.array(LOOSE["flows"][1]) / 8
    beta = flows[np.ix_(owner, owner)] / sizes
    np.fill_diagonal(beta, 0)
    dual = np.diag(beta.sum(axis=0)) - beta
    assert np.linalg.norm(dual * np.sqrt(sizes), 2) < 1
    W, H = np.array([1.5, 1.5, -1.5, -1.5, -1.5]), np.array([1, 1, -1, -1, -1.0])
    value = (W @ W + H @ H * 1 + (sizes - 1) @ (H * H)) / 2
    return float((beta * sizes).sum()), float(value + np.sqrt(5) * 2 + 2 * np.sqrt(2) * 1.5)


def complaints(checking: Callable[[str], dict[str, Any]], verifying: Callable[[str], Any]) -> Iterator[str]:
    """What is wrong with a kernel."""
    for problem in PROBLEMS:
        for certificate in certificates(problem):
            result = checking(json.dumps(certificate))
            if result["outcome"] != "bounds":
                yield f"a valid certificate is refused: {result['reason']}"
            elif result["facts"] != certificate["facts"] or result["bounds"] != certificate["bounds"]:
                yield "other facts than the certificate states"
    for name, (problem, arrays) in WRONG.items():
        if checking(changed(problem, **arrays))["outcome"] == "bounds":
            yield f"accepted a wrong certificate: {name}"
    for text in misshapen():
        if checking(text)["outcome"] == "bounds":
            yield "accepted a misshapen certificate"
    outcome, (lower, upper) = verifying(changed(MIXED, **LOOSE)), direct()
    if outcome.outcome != "bounds":
        yield "a loose certificate is refused"
    elif abs(float(outcome.lower) - lower) + abs(float(outcome.upper) - upper) > 1e-12:
        yield "a loose bound is not what direct evaluation gives"
    tight = verifying(changed(EXACT, **TIGHT))
    if tight.outcome != "bounds" or tight.lower != 2 or tight.upper != 2:
        yield "equality in every inequality is refused"
    zero = verifying(changed(MIXED, **LOOSE | {"flows": (3, [[4, 2], [0, 2]])}))
    if zero.outcome != "bounds" or zero.facts:
        yield "a vanishing multiplier is refused, or used"


@functools.cache
def misshapen() -> list[str]:
    """Files whose problem or witness is not one."""
    base = json.loads(changed(MIXED, **LOOSE))
    one = {"model": "uf-svm", "counts": [["5", 1]], "options": {"dim": 1}}
    extra = base["options"] | {"bias": "none"}
    found = [base | {"options": extra, "problem": _hash(base | {"options": extra})}]
    single = {"flows": [[0]], "gaps": [[0]], "W": [[]], "H": [[]]}
    witness = {"full": False, **{name: {"p": 0, "rows": table} for name, table in single.items()}}
    found.append(base | one | {"problem": _hash(one), "witness": witness})
    found.append(base | {"witness": base["witness"] | {"full": 0}})
    found.append(base | {"witness": base["witness"] | {"more": 0}})
    huge = {"model": "uf-svm", "counts": [["2", 300]], "options": {"dim": 300}}
    rows = {"flows": [[0] * 300] * 300, "gaps": [[0] * 300], "W": [[0]] * 300, "H": [[0]] * 300}
    witness = {name: {"p": 0, "rows": table} for name, table in rows.items()}
    found.append(base | huge | {"problem": _hash(huge), "witness": {"full": True, **witness}})
    return [json.dumps(data) for data in found]


def _hash(data: dict[str, Any]) -> str:
    canonical = {key: data[key] for key in ("model", "counts", "options")}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


FAULTS = [
    ('demand(set(options) == {"dim"} and', "demand("),
    ("demand(all(f >= 0 for row in flows for f in row)", "demand(True"),
    ("(rest[g] + flows[g][g]) ** 2 <= size", "True"),
    ("(rest[g] + flows[g][g]) ** 2 <= size", "(rest[g] + flows[g][g]) ** 2 < size"),
    ("(rest[g] + flows[g][g]) ** 2 <= size", "rest[g] ** 2 <= size"),
    ("B = Blocks([ball(r) for r in rest]", "B = Blocks([arb(0) for r in rest]"),
    ("[[-ball(f) for f in row] for row in flows]", "[[ball(f) for f in row] for row in flows]"),
    ("[1 / ball(size).sqrt() for size in", "[1 / ball(size) for size in"),
    ("demand(count_above(block, arb(1)) == 0", "demand(True"),
    ("return sum((n * r for n, r in zip(m, rest", "return sum((r for n, r in zip(m, rest"),
    ("own = z[g] + gaps[g] * (m - 1) / m", "own = z[g] + gaps[g]"),
    ("demand(m == 1 or gaps[g] >= 1", "demand(True"),
    ("demand(m == 1 or gaps[g] >= 1", "demand(m == 1 or gaps[g] > 1"),
    ("demand(all(own - entry >= 1 for h, entry in enumerate(z) if h != g)", "demand(True"),
    ("demand(all(own - entry >= 1", "demand(any(own - entry >= 1"),
    ("size * sum((v * v for v in H[g])", "sum((v * v for v in H[g])"),
    ("value += (m - 1) * ball(size).sqrt() * ball(gaps[g])", "value += m * ball(size).sqrt() * ball(gaps[g])"),
    ("ball(m * square / 2)", "ball(m * square)"),
    ("arb(1).union(1 + gap / ball(f))", "arb(1).union(1 + gap)"),
    ("centred(m, Blocks(", "(lambda m, A: A)(m, Blocks("),
    ("[[-margin for margin in row]", "[[margin for margin in row]"),
    ("(contrasts[g] * (m[g] - 1) + quotient[g, g]) / m[g]", "(contrasts[g] * m[g] + quotient[g, g]) / m[g]"),
    ("table[g][g] -= contrasts[g] / m[g]", "table[g][g] -= contrasts[g]"),
    ("quotient[h, g] / (arb(m[h]) * m[g]).sqrt() + error", "quotient[h, g] + error"),
    ("error = range(len(m)), arb(0, radius)", "error = range(len(m)), arb(0)"),
    ("return sum((entry * entry for", "return sum((entry for"),
    ("if not all(rarest):", "if False:"),
    ("max(size / f**2 for size, f in", "max(1 / f**2 for size, f in"),
    ("max(size / f**2 for size, f in", "min(size / f**2 for size, f in"),
    ("sum((n * u for n, u in zip(m, column, strict=True)), Fraction(0)) / K", "Fraction(0)"),
    ("least / 2", "least * 2"),
    ("(S * S - P * D * P)", "(S * S - D)"),
    ("E * (2 * ball(max(task.sizes)).sqrt() + E)", "E"),
    ("kept = E / least, c - rho", "kept = E / least, c"),
    ("rho / (c * kept)", "rho / kept"),
    ("away + (2 * shift + shift * shift) / kept", "away"),
    ("-inverse, away + shift / kept", "-inverse, away"),
    ("arb(0).union((2 * gap).sqrt())", "arb(0)"),
]


def test_the_unchanged_kernel_passes() -> None:
    assert list(complaints(verify.kernel.check, verify.kernel.verify_certificate)) == []


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_is_noticed(number: int) -> None:
    before, after = FAULTS[number]
    kernel = load("svm", before, after)
    assert next(complaints(kernel.check, kernel.verify_certificate), None) is not None


def test_corrupted_files_never_prove_a_false_bound() -> None:
    rng = random.Random(5)
    for problem in (FIRST, MIXED):
        sharp = certificates(problem)[0]
        low, high = (float(sharp["bounds"][end]) for end in ("lower", "upper"))
        for _ in range(120):
            data = json.loads(json.dumps(sharp | {"bounds": None, "facts": None}))
            array = data["witness"][rng.choice(["flows", "gaps", "W", "H"])]
            row = rng.choice(array["rows"])
            if not row:
                continue
            index = rng.randrange(len(row))
            kind = rng.randrange(6)
            if kind == 0:
                row[index] = -row[index]
            elif kind == 1:
                row[index] += rng.choice([-1, 1]) << rng.randrange(200)
            elif kind == 2:
                row[index] = rng.choice([None, True, "1", 1.5, 10**400])
            elif kind == 3:
                array["p"] = rng.choice([-1, 0, 10**6, array["p"] + 1, array["p"] - 1])
            elif kind == 4:
                row.pop()
            else:
                del data["witness"][rng.choice(["flows", "gaps", "W", "H", "full"])]
            outcome = verify_certificate(json.dumps(data))
            if outcome.outcome == "bounds":
                assert float(outcome.lower) <= high
                assert float(outcome.upper) >= low


def test_a_file_that_claims_more_is_rejected() -> None:
    sharp = certificates(FIRST)[0]
    assert check(json.dumps(sharp))["outcome"] == "bounds"
    better = sharp["bounds"] | {"lower": sharp["bounds"]["upper"]}
    assert check(json.dumps(sharp | {"bounds": better}))["outcome"] == "rejected"
    rank = sharp["facts"]["rank"] | {"lower": 4}
    assert check(json.dumps(sharp | {"facts": sharp["facts"] | {"rank": rank}}))["outcome"] == "rejected"


def test_sources_hold_every_line_that_a_fault_changes() -> None:
    assert all(SOURCES["svm"].count(before) >= 1 for before, _ in FAULTS)
