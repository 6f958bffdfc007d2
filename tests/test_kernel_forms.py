"""A certificate in blocks and the same points written out for every class prove the same bounds and the same facts."""

from __future__ import annotations

import copy
import functools
from fractions import Fraction
from typing import Any

import pytest
from faulty_kernel import load, module_with
from flint import arb
from test_kernel import dumps, ends, facts_hold

import verify.kernel
from theory.problem import Problem
from verify.balls import precision
from verify.propose import propose
from verify.routes import certify

MIXED: dict[str, Any] = {"weights": [(2, 5), (1, 4), ("1/2", 3)]}
BLOCKS = (
    Problem.ce([(9, 5), (5, 4), (4, 3)], "0.004", "0.006"),
    Problem.ce([(9, 5), (5, 4), (4, 3)], "0.004", "0.006", bias="free"),
    Problem.ce([(9, 5), (5, 4), (4, 3)], "0.004", "0.006", bias="1/50", **MIXED),
    Problem.ce([(120, 4), (25, 3), 60], "1/100"),
    Problem.ce([(120, 5), (2, 7)], "0.002"),
    Problem.svm([(50, 6), (3, 5), 1]),
    Problem.svm([(7, 2), (2, 10)]),
    Problem.peeled([(8, 5), (2, 7)], 2, "1/2", dim=99),
    Problem.peeled([(3, 3), (2, 2)], 2, "1/2", dim=99),
    Problem.peeled([(10, 3), (9, 2), (8, 1)], "1/9", weights=[(1, 5), (0, 1)], dim=99),
    Problem.peeled([(7, 3), (1, 9)], dim=99),
)
BITS = 300


@functools.cache
def reduced(problem: Problem) -> dict[str, Any]:
    """Certificate in blocks."""
    return propose(problem) if problem.model == "ce" else certify(problem)[0]


def spans(problem: Problem) -> list[tuple[Any, int]]:
    """(price of the feature of a contrast over that of its row, number of classes) per group, as the file orders them."""
    if problem.model != "layer-peeled":
        ratio = problem.lambda_h / problem.lambda_w if problem.model == "ce" else Fraction(1)
        return [(ratio * c.size, c.classes) for c in problem.clusters]
    masses: dict[Fraction, int] = {}
    for weight, size in zip(problem.weights, problem.sizes, strict=True):
        masses[weight * size] = masses.get(weight * size, 0) + 1
    return [(Fraction(1), masses[mass]) for mass in sorted(masses, reverse=True)]


def point(problem: Problem, data: dict[str, Any]) -> dict[str, Any]:
    """Arrays of a point for every class, contrasts in a Helmert basis."""
    groups = spans(problem)
    owner = [g for g, (_, m) in enumerate(groups) for _ in range(m)]
    read = {name: [[arb((a, -data[name]["p"])) for a in row] for row in data[name]["rows"]] for name in data}
    W, H = ([list(read[name][g]) for g in owner] for name in ("W", "H"))
    start = 0
    for (ratio, m), gap in zip(groups, read["gaps"][0], strict=True):
        u = (gap * (arb(ratio.numerator) / ratio.denominator).sqrt()).sqrt()
        for i in range(1, m if not gap.is_zero() else 1):
            norm = arb(i * (i + 1)).sqrt()
            for k in range(len(owner)):
                entry = 1 / norm if start <= k < start + i else -i / norm if k == start + i else arb(0)
                W[k].append(u * entry)
                H[k].append(gap / u * entry)
        start += m
    turn = {"uf-svm": 1, "layer-peeled": -1, "ce": 0}[problem.model]  # margins and budgets must survive the rounding
    stretch = 1 + turn * arb(2) ** -270
    found = {name: written([[a * stretch for a in row] for row in rows]) for name, rows in (("W", W), ("H", H))}
    return found | {"gaps": {"p": 0, "rows": [[0] * len(owner)]}}


def written(table: list[list[Any]]) -> dict[str, Any]:
    return {"p": BITS, "rows": [[int((a * arb(2) ** BITS).floor().unique_fmpz()) for a in row] for row in table]}


@functools.cache
def full(problem: Problem) -> str:
    """The same two points for every class, stating nothing."""
    data = copy.deepcopy(reduced(problem)) | {"bounds": None, "facts": None}
    witness, owner = data["witness"], [g for g, (_, m) in enumerate(spans(problem)) for _ in range(m)]
    with precision(2 * BITS):
        if problem.model == "layer-peeled":
            dual = point(problem, witness["dual"] or witness["point"])
            witness |= {"full": True, "point": point(problem, witness["point"]), "dual": dual}
            return dumps(data)
        found = point(problem, {name: witness[name] for name in ("W", "H", "gaps")})
    rows = witness["flows"]["rows"]
    flows = [[0 if j == k else rows[g][h] for k, h in enumerate(owner)] for j, g in enumerate(owner)]
    found |= {"full": True, "flows": {"p": witness["flows"]["p"], "rows": flows}}
    if problem.model == "ce":
        found["bias"] = {"p": witness["bias"]["p"], "rows": [[witness["bias"]["rows"][0][g] for g in owner]]}
    data["witness"] = found
    return dumps(data)


def expanded(facts: dict[str, Any], problem: Problem) -> dict[str, Any]:
    """Facts of ``uf-svm`` by groups, written out by classes."""
    owner = [g for g, (_, m) in enumerate(spans(problem)) for _ in range(m)]
    found = {name: facts[name] for name in ("rank", "spread")}
    for name in ("classifier", "features", "multipliers", "logits", "margins"):
        others = [
            [facts[name]["others"][g][h] if j != k else None for k, h in enumerate(owner)] for j, g in enumerate(owner)
        ]
        own = [facts[name]["own"][g] for g in owner] if facts[name]["own"] else []
        found[name] = {"own": own, "others": others}
    return found


def differences(kernel: Any, problem: Problem) -> list[str]:
    """How the two forms differ."""
    stated = reduced(problem) | {"bounds": None, "facts": None}
    blocks, classes = kernel.check(dumps(stated)), kernel.check(full(problem))
    if blocks["outcome"] != "bounds" or classes["outcome"] != "bounds":
        return [f"{blocks['outcome']} {blocks['reason']}, {classes['outcome']} {classes['reason']}"]
    found = [
        end
        for end in ("lower", "upper")
        if abs(Fraction(blocks["bounds"][end]) - Fraction(classes["bounds"][end])) > Fraction(1, 10**36)
    ]
    one, two = blocks["facts"], classes["facts"]
    if problem.model == "uf-svm" and one and two:
        one, two = expanded(one, problem), {name: two[name] for name in expanded(one, problem)}
    return found + ["facts"] * (set(one) != set(two) or not facts_hold(one, two) or not facts_hold(two, one))


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_both_forms_prove_the_same(number: int) -> None:
    problem = BLOCKS[number]
    assert differences(verify.kernel, problem) == []
    facts = verify.kernel.check(full(problem))["facts"]
    assert facts
    lower, upper = ends(reduced(problem)["bounds"])
    assert upper - lower < Fraction(1, 10**30)


MULTIPLICITIES = [
    ("(n - (h == g)) * x for", "n * x for"),
    ("lam * (m - 1) * ball(s)", "lam * m * ball(s)"),
    ("(m - 1) * ball(size).sqrt() * ball(gaps[g])", "m * ball(size).sqrt() * ball(gaps[g])"),
    ("A.own[g] + (m[g] - 1) * A.others", "A.own[g] + m[g] * A.others"),
    ("z[g] + a * (n - 1) / n", "z[g] + a"),
    ("alive = sum(n - 1 for", "alive = sum(n for"),
    ("least = nu.lower() - tables.radius(M), sum(n - 1 for", "least = nu.lower() - tables.radius(M), sum(n for"),
    ("(contrasts[g] * (m[g] - 1) + quotient", "(contrasts[g] * m[g] + quotient"),
]


@pytest.mark.parametrize("number", range(len(MULTIPLICITIES)))
def test_a_wrong_multiplicity_is_noticed(number: int) -> None:
    before, after = MULTIPLICITIES[number]
    kernel = load(module_with(before, "ce", "svm", "peeled", "tables"), before, after)
    assert any(differences(kernel, problem) for problem in BLOCKS)
