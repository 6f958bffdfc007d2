"""Refutations: what they prove, and what they must not prove. Faults and corruption: test_refutation_faults.py."""

from __future__ import annotations

import ast
import copy
import functools
import json
import math
import re
import types
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import verify.kernel
from theory.problem import Problem
from verify import registry
from verify.commands.refutations import rows
from verify.recipes import UNREACHABLE
from verify.refute import Attempt, NotCovered, refutation, written
from verify.routes import svm_enclosure
from verify.schemas import json_schemas
from verify.terms import gram, lift, pointer

CLAIMS = registry.load()
REFUTED = sorted(name for name, claim in CLAIMS.items() if claim.status == "refuted")
VALUE, RANK = pointer("/0/bounds"), pointer("/0/facts/rank")


@functools.cache
def example(name: str) -> str:
    return json.dumps(refutation(CLAIMS[name]))


def check(data: Any, kernel: types.ModuleType = verify.kernel) -> dict[str, Any]:
    return dict(kernel.check(data if isinstance(data, str | bytes) else json.dumps(data)))


# --- what is refuted -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFUTED)
def test_every_refuted_claim_has_a_refutation_or_a_reason(name: str) -> None:
    if name in UNREACHABLE:
        with pytest.raises(NotCovered, match="a limit"):
            refutation(CLAIMS[name])
        return
    data = json.loads(example(name))
    jsonschema.validate(data, json_schemas()["verify.refutation.1"])
    answer = check(data)
    jsonschema.validate(answer, json_schemas()["verify.check.1"])
    assert answer["outcome"] == "refuted"
    assert dict(rows(answer["refutation"]))["refuted"] == name
    negated = copy.deepcopy(data)
    negated["says"][1:] = _negated(data, answer["refutation"])
    assert check(negated | {"shows": None})["outcome"] == "rejected", "the opposite is true"


def _negated(data: dict[str, Any], shown: dict[str, Any]) -> list[Any]:
    relation, right = data["says"][1:]
    if relation == "is":
        return [relation, shown["found"]]
    above = Fraction(shown["claimed"]["lower"]) > Fraction(shown["found"]["upper"])
    return [">" if above else "<", right]


def deep(classes: int, depth: int, price: str) -> Problem:
    return Problem.ce([(1, classes)], [price] * depth, price)


RELU = Problem.ce([(300, 3), (60, 3)], "0.002", "0.0001", model="ce-relu")
NUMBERS = (
    ("DA23-26", deep(8, 2, "0.003"), "0.120145668640", "0.108409486886"),
    ("DA23-26", deep(12, 2, "0.001"), "0.069269741408", "0.060215639503"),
    ("DA23-26", deep(6, 3, "0.004"), "0.109458867422", "0.092491164489"),
    ("DA23-26", deep(10, 3, "0.002"), "0.103294842830", "0.081808067094"),
    ("DA23-26", deep(5, 3, "0.008"), "0.166091380463", "0.149490244819"),
    ("DA23-31", Problem.mse([9, 5], ["0.07"] * 3, "0.07"), "0.420312245660", "0.408271903266"),
    ("DA23-31", Problem.mse([7, 4], ["0.07"] * 3, "0.07"), "0.398266968538", "0.398225056594"),
    ("DA23-31", Problem.mse([9, (5, 2)], ["0.05"] * 3, "0.05"), "0.437740242558", "0.427545635667"),
    ("DA24-17", RELU, "0.252813930787", "0.184622008651"),
)
"""Claim, problem, least value of what is claimed, value of an explicit point; rounded down and up."""


@pytest.mark.parametrize(("name", "problem", "claimed", "found"), NUMBERS)
def test_values_of_frames_and_recipes(name: str, problem: Problem, claimed: str, found: str) -> None:
    shown = check(refutation(CLAIMS[name], problem))["refutation"]
    assert Fraction(claimed) <= Fraction(shown["claimed"]["lower"]) < Fraction(claimed) + Fraction(1, 10**11)
    assert Fraction(shown["found"]["upper"]) <= Fraction(found)
    assert Fraction(shown["margin"]["lower"]) >= Fraction(claimed) - Fraction(found)


def test_coded_margin_with_the_constants_read_as_the_decays() -> None:
    says = [{"coded-margin": 0, "factor": "1/2"}, "<=", VALUE]
    shown = written("DA24-17", Attempt((RELU,), says, ""))[1]["refutation"]
    assert shown["claimed"]["lower"].startswith("0.198757548316")


def mutant(name: str, text: str) -> tuple[Any, Problem | None]:
    claim = CLAIMS[name]
    (found,) = [m for m in claim.mutants if m.text == text]
    return claim.mutated(found), found.problem


MUTANTS = (
    ("FA21-04", "collapse only as R -> infinity", ["/0/facts/merged/1", "is", False]),
    ("FA21-06", "the minority vanishes for every T", ["/0/facts/minority_zero", "is", "dead"]),
    ("HL23-04", "n instead of sqrt(n)", ["/0/facts/contrast/values/1", "is", "alive"]),
    ("HL23-04", "strict instead of non-strict", ["/0/facts/merged/values/1", "is", False]),
    ("DA23-05", "threshold reversed", ["/0/facts/modes/values/0/state", "is", "dead"]),
    ("TH22-14", "R* = 1/(1 - rho)^2", ["0", "<=", "/0/facts/classifier/others/1/1"]),
    ("TH22-02", "some multipliers vanish at strong imbalance", ["0", "=", "/0/facts/multipliers/others/0/0"]),
    ("DA24-07", "the largest size decides", ["/0/facts/contrast/values/3", "is", "alive"]),
)


def test_a_mutant_of_a_refuted_claim_is_not_refuted_by_the_statement_of_the_claim() -> None:
    """A cosine of 0.9016 is above 9/10, not above 99/100."""
    claim, _ = mutant("RF26-10", "a cosine below 99/100 where all are correct")
    with pytest.raises(NotCovered, match="does not refute"):
        refutation(claim, CLAIMS["RF26-10"].witness)


@pytest.mark.parametrize(("name", "text", "says"), MUTANTS)
def test_mutants_of_true_claims_are_traced_to_the_fact_that_they_contradict(name: str, text: str, says: list) -> None:
    data = refutation(*mutant(name, text))
    assert data["says"] == says
    assert check(data)["outcome"] == "refuted"


# --- what is not refuted -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("DA23-26", deep(4, 2, "0.003")),  # no code beats the frame there
        ("DA23-26", deep(3, 2, "0.1")),
        ("DA23-31", Problem.mse([9, 5], ["0.01"] * 3, "0.01")),  # every largest root is optimal
        ("HL23-04", None),
        ("DA23-25", None),
        ("FA21-04", None),
        ("TH22-14", None),
        ("TH22-14", Problem.svm([(7, 2), (1, 2)])),  # exactly at the ratio
        ("DA24-07", None),
        ("HL23-14", None),
    ],
)
def test_what_is_true_is_not_refuted(name: str, problem: Problem | None) -> None:
    with pytest.raises(NotCovered):
        refutation(CLAIMS[name], problem)


@pytest.mark.parametrize("offset", ["1", "0", "-1"])
def test_a_moved_merging_threshold_is_refuted_on_the_side_where_it_is_wrong(offset: str) -> None:
    """x^2 = 25 (1 + offset 1e-50): the classes of size 25 coincide from equality on."""
    problem = Problem.ce([(120, 4), (25, 3)], 1).at(25 + 25 * Fraction(offset) / 10**50)
    merged = "/0/facts/merged/values/1"
    outcomes = [written("", Attempt((problem,), [merged, "is", says], ""))[1]["outcome"] for says in (True, False)]
    assert outcomes == (["refuted", "rejected"] if offset == "-1" else ["rejected", "refuted"])


def test_sign_of_minority_classifiers_around_the_ratio_where_they_are_orthogonal() -> None:
    outcomes = []
    for size in (Fraction(7) - Fraction(1, 10**12), Fraction(7), Fraction(7) + Fraction(1, 10**12)):
        problem = Problem.svm([(size, 2), (1, 2)])
        inner = gram(problem, "classifier")[2, 3]
        answers = [written("", Attempt((problem,), [inner, sign, lift(0)], ""))[1] for sign in ("<", ">")]
        outcomes.append([answer["outcome"] for answer in answers])
    assert outcomes == [["rejected", "refuted"], ["undecided", "undecided"], ["refuted", "rejected"]]
    data, outcome = svm_enclosure.certify(Problem.svm([(7, 2), (1, 2)]), digits=140)
    inner = outcome.facts["classifier"]["others"][1][1]
    assert Fraction(inner["lower"]) <= 0 <= Fraction(inner["upper"])
    assert max(abs(Fraction(inner[end])) for end in inner) < Fraction(1, 10**60)
    says = [pointer("/0/facts/classifier/others/1/1"), "=", lift(0)]
    assert written("", Attempt((data,), says, ""))[1]["outcome"] == "undecided"


def floats(term: Any, proved: list[dict[str, Any]]) -> tuple[float, float]:
    """Ends of a term in floating point, by another program than the kernel's."""
    if isinstance(term, str) and term.startswith("/"):
        value: Any = proved
        for key in term.split("/")[1:]:
            value = value[int(key)] if isinstance(value, list) else value[key]
        return floats(value, proved)
    if isinstance(term, dict):
        return (float(Fraction(term["lower"])), float(Fraction(term["upper"])))
    if not isinstance(term, list):
        return (float(Fraction(term)),) * 2
    parts = [floats(part, proved) for part in term[1:]]
    function: dict[str, Any] = {"+": lambda *x: sum(x), "*": lambda *x: math.prod(x), "-": lambda a, b: a - b}
    function |= {"/": lambda a, b: a / b, "log": math.log, "exp": math.exp, "sqrt": math.sqrt}
    middle = [(low + high) / 2 for low, high in parts]
    corners = [function[term[0]](*middle)]
    for i, ends in enumerate(parts):
        corners += [function[term[0]](*middle[:i], end, *middle[i + 1 :]) for end in ends]
    return min(corners), max(corners)


# --- independence ---------------------------------------------------------------------------------------------------


def test_the_module_imports_the_kernel_and_the_standard_library_only() -> None:
    tree = ast.parse((Path(verify.kernel.__file__).parent / "refutation.py").read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1
            found.add("." if node.level else str(node.module).split(".")[0])
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    assert found <= {".", "__future__", "collections", "flint", "fractions", "functools", "json", "math", "typing"}


def test_terms_agree_with_the_facts_that_they_point_to() -> None:
    """What tracing believed of both sides is what the kernel found."""
    for name, text in (("HL23-14", "rows of Z used for predictions"), ("TH22-02", "sum without the sizes")):
        claim, problem = mutant(name, text)
        data = refutation(claim, problem)
        proved = [verify.kernel.check(json.dumps(part)) | {"counts": part["counts"]} for part in data["certificates"]]
        for side, tree in (("claimed", data["says"][0]), ("found", data["says"][2])):
            shown = Fraction(data["shows"][side]["lower"])
            assert abs(float(shown) - floats(tree, proved)[0]) < 1e-9


DOCS = (Path(__file__).parents[1] / "docs" / "refutations.md").read_text()


def test_the_docs_name_every_refuted_claim_once_and_print_the_measured_values() -> None:
    table = DOCS.split("## Which refuted claims")[1].split("\\* `because`")[0]
    named = re.findall(r"[A-Z]+\d\d-R?\d+", table)
    assert sorted(named) == REFUTED
    last = next(line for line in table.splitlines() if line.startswith("| none"))
    assert set(re.findall(r"[A-Z]+\d\d-R?\d+", last)) == set(UNREACHABLE)
    values = DOCS.split("## Values")[1]
    for _, _, claimed, found in NUMBERS:
        assert any(claimed in line and found[:12] in line for line in values.splitlines()), claimed
