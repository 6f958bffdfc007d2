"""The kernel's part for refutations: what it must reject, seeded one-line faults, corrupted files."""

from __future__ import annotations

import functools
import json
import os
import random
import time
import types
from fractions import Fraction
from typing import Any

import pytest
from faulty_kernel import SOURCES, load
from test_refutation import CLAIMS, NUMBERS, RANK, RELU, VALUE, check, example, floats

import verify.kernel
from theory.problem import Problem
from verify.refute import refutation
from verify.routes import certify
from verify.terms import Term, x2

NIGHTLY = os.environ.get("UFMCHECK_PROFILE") == "nightly"

# --- statements that the kernel must reject, each beside one that it accepts -----------------------------------------

ROOTS = Problem.mse([9, 5], ["0.07"] * 3, "0.07")
PLAIN = Problem.ce([(20, 3), (5, 2)], 1).at("5.76")


@functools.cache
def certificate(problem: Problem) -> str:
    return json.dumps(certify(problem)[0] | {"facts": None})


def said(problem: Problem, says: list[Any], *given: list[Any], **parts: Any) -> dict[str, Any]:
    base = {"schema": "verify.refutation/1", "claim": "X", "because": "", "shows": None}
    plain = [[part.tree if isinstance(part, Term) else part for part in statement] for statement in (says, *given)]
    return base | {"certificates": [json.loads(certificate(problem))], "says": plain[0], "given": plain[1:]} | parts


def recipe(rows: list[list[int]], p: int = 10, problem: Problem = ROOTS) -> dict[str, Any]:
    return said(problem, [{"largest-root": 0, "brackets": {"p": p, "rows": rows}}, "<=", "/0/bounds"])


@functools.cache
def accepted() -> tuple[str, ...]:
    """Files that refute: with wide brackets, every relation, states, intervals, conditions."""
    third = ["/", "1", "3"]
    wide = recipe([[805, 808], [645, 648]])
    numbers = [
        ([third, "=", "1/2"], ["2", "<=", "1"], ["1", "<", "1"], ["1", ">=", "2"], ["1", ">", "1"], ["0", "=", RANK]),
        (
            [["exp", "1"], "<=", ["sqrt", "2"]],
            [["log", ["+", "2", "3"]], ">", ["*", "2", "3"]],
            [["-", "1", "2"], ">=", 0],
        ),
        (["100", "<=", VALUE], [VALUE, "<=", "0"], [{"lower": "1", "upper": "2"}, "=", "3"], [x2(PLAIN), "=", "1"]),
    ]
    states = ["/0/facts/merged/values/1", "is", False], ["/0/facts/contrast/values/1", "is", "alive"]
    files = [wide, *(said(PLAIN, list(says)) for group in (*numbers, states) for says in group)]
    files.append(said(PLAIN, ["1", "=", "2"], [RANK, ">=", "1"], [third, "<", "1/2"], ["1", "=", ["+", 0, "1"]]))
    files.append(said(PLAIN, ["1", "=", "2"], [VALUE, "<=", "2"], ["1", "<=", "1"], ["1", ">=", "1"], ["2", ">", "1"]))
    return tuple(json.dumps(data) for data in files)


@functools.cache
def refused() -> tuple[str, ...]:
    """Files that must not refute: a check left out of the kernel accepts one of them."""
    false = ["1", "=", "2"]
    dead = Problem.mse([9, 2], ["0.07"] * 3, "0.07")
    biased = Problem.mse([9, 5], ["0.07"] * 3, "0.07", bias="free")
    narrow = Problem.mse([9, 5], ["0.07"] * 3, "0.07", widths=[2, 1, 2])
    files = [
        recipe([[45, 30], [645, 648]]),  # backwards, around the smaller root
        recipe([[-45, 30], [645, 648]]),  # around 0
        recipe([[100, 808], [645, 648]]),  # no change of sign, or one to the other side
        recipe([[700, 800], [645, 648]]),
        recipe([[100, 120], [645, 648]]),
        recipe([[900, 1024], [645, 648]]),
        recipe([[0, 0], [645, 648]]),  # a class left out that has a root
        recipe([[805, 808], [645, 648], [645, 648]]),
        recipe([[805, 808], [1, 2]], problem=dead),  # no root at all
        recipe([[805, 808], [645, 648]], problem=biased),
        recipe([[805, 808], [645, 648]], problem=narrow),
        said(PLAIN, [{"largest-root": 0, "brackets": {"p": 1, "rows": [[1, 2]] * 2}}, "<=", "/0/bounds"]),
        said(PLAIN, [{"coded-margin": 0, "factor": "1"}, "<=", "/0/bounds"]),
        said(RELU, [{"coded-margin": 0, "factor": "30"}, "<=", "/0/bounds"]),  # the logarithm of a negative number
        said(RELU, [{"coded-margin": -1, "factor": "1"}, "<=", "/0/bounds"]),
        said(RELU, [{"coded-margin": 0, "factor": "-1"}, "<=", "/0/bounds"]),
        said(PLAIN, [{"coded-margin": 3, "factor": "1"}, "<=", "/0/bounds"]),
    ]
    true = [["1", "=", "1"], ["1", "<=", "1"], ["1", ">=", "1"], ["1", "<", "2"], ["2", ">", "1"], [VALUE, "<=", "2"]]
    files += [said(PLAIN, says) for says in (*true, [VALUE, ">", "0"], [RANK, "=", "3"])]
    open_state = Problem.ce([(20, 3), (5, 2)], 1).at(5)
    files.append(said(open_state, ["/0/facts/contrast/values/1", "is", "alive"]))
    wide = {"lower": "0", "upper": "3"}
    files += [said(PLAIN, [["+", wide, "0"], "=", "2"]), said(PLAIN, [["log", "0"], "=", "2"])]
    strange = (
        ("/0/facts/contrast/values/-1", "alive"),
        ("/0/bounds", wide),
        ("/0/counts/0/1", 7),
        ("/0/options/dim", 99),
    )
    files += [said(PLAIN, [path, "is", state]) for path, state in (*strange, ("/0/options/lambda_w", "24/2"))]
    files += [said(PLAIN, [wide, sign, "2"]) for sign in ("=", "<=", "<", ">", ">=")]
    files += [said(PLAIN, [["1", sign, "1"][i] for i in range(3)]) for sign in ("<=", ">=")]
    files += [
        said(PLAIN, says)
        for says in (["/0/facts/merged/values/1", "is", True], ["/0/facts/zero/values/1", "is", False])
    ]
    conditions = (
        ["2", "=", "1"],
        ["1", "=", wide],
        ["2", "<=", "1"],
        ["1", "<", "1"],
        [VALUE, ">=", "2"],
        ["1", ">", "1"],
    )
    files += [said(PLAIN, false, condition) for condition in (*conditions, ["/0/facts/zero/values/1", "is", True])]
    ends = (
        ["/0/bounds/lower", "=", "/0/bounds/upper"],
        [["/0/facts/rank/upper"], "=", "9"],
        ["/0/bounds/upper", "<", "0"],
    )
    files += [said(PLAIN, list(says)) for says in ends]
    stronger = json.loads(example("DA23-26"))
    stronger["shows"]["margin"]["lower"] = "0.9"
    files += [stronger, said(PLAIN, false, shows={"claimed": {"lower": "1.5", "upper": "2"}})]
    other = json.loads(certificate(PLAIN)) | {"bounds": {"lower": "1.2", "upper": "1.3"}}
    files += [said(PLAIN, false, certificates=[bad]) for bad in (other, said(PLAIN, false), [], 3, {})]
    files.append(forged())
    nothing = (
        "/0/witness",
        "/1/bounds",
        "/0/facts",
        "/0/counts",
        "/",
        "/0/facts/merged/values/-1",
        "/x",
        "/0/facts/rank/uses",
    )
    files += [said(PLAIN, [path, "=", "99"]) for path in (*nothing, "/0/facts/merged/values/1", "/0/model")]
    operations = (
        ["sin", "1"],
        ["-", "1"],
        ["/", "1", "0"],
        ["log", "-1"],
        ["sqrt", "-1"],
        ["exp", "1", "1"],
        [["exp"], 1],
    )
    files += [said(PLAIN, [term, "=", "99"]) for term in (*operations, ["exp", "99999"], [], {}, None, True, "x", 1.5)]
    odd = (
        ["1", "!=", "2"],
        ["1", "=", "2", "3"],
        "false",
        ["1", "is", "2"],
        ["/0/model", "is", True],
        ["1", ["="], "2"],
        None,
    )
    files += [said(PLAIN, false) | {"says": says} for says in odd]
    files += [
        said(PLAIN, false) | part for part in ({"claim": 3}, {"because": "x" * 5000}, {"given": None}, {"more": 1})
    ]
    files.append(said(PLAIN, [{"lower": "3", "upper": "2"}, "=", "9"]))
    files.append(said(PLAIN, false, certificates=[json.loads(certificate(PLAIN))] * 9))
    files += [
        said(PLAIN, [["+", *["1"] * 6000], "=", "2"]),
        said(PLAIN, false, *[["/0/facts/zero/values/1", "is", False]] * 6000),
    ]
    return tuple(json.dumps(data) for data in files)


def test_every_form_of_statement_is_accepted() -> None:
    for text in accepted():
        assert check(text)["outcome"] == "refuted", text[-300:]


def test_statements_that_do_not_follow_are_not_refuted() -> None:
    for text in refused():
        answer = check(text)
        assert answer["outcome"] in ("rejected", "undecided"), text[-300:]
        assert answer["reason"]
        assert answer["refutation"] is None


def test_hostile_files_end_quickly() -> None:
    tower: Any = "9"
    for _ in range(300):
        tower = ["*", tower, ["exp", "9999"]]
    nested = '["+",' * 20_000 + "1" + "]" * 20_000
    inside = json.dumps(said(PLAIN, ["1", "=", "2"]))
    files = [
        said(PLAIN, [tower, "<=", "0"]),
        said(PLAIN, [["/", "1", tower], "=", "1"]),
        inside.replace('["1", "=", "2"]', f'[{nested}, "=", "2"]'),
        inside.replace('"given": []', f'"given": {"[" * 50_000}{"]" * 50_000}'),
        inside.replace('["1", "=", "2"]', f'[{"9" * 5000}, "=", "2"]'),
        inside.replace('["1", "=", "2"]', f'["{"9" * 5000}", "=", "2"]'),
        inside.replace('["1", "=", "2"]', '[1e999, "=", NaN]'),
        inside[: len(inside) // 2],
        "\x00" + inside,
        inside.encode("utf-16"),
        b'"verify.refutation/1"',
    ]
    for data in files:
        start = time.process_time()
        assert check(data)["outcome"] in ("rejected", "undecided", "refuted")
        assert time.process_time() - start < 2


# --- seeded faults ---------------------------------------------------------------------------------------------------

FAULTS = (
    ('        demand(self.left >= 0, "too many terms")', "        pass"),
    ("key.isascii() and key.isdigit() and len(key) < 7", "True"),
    ('demand(keys[-1] not in ("lower", "upper"), "an end of an interval is not a fact")', "pass"),
    ('            raise Undecided(f"{pointer[:80]} is open', '            return "dead"  # ('),
    ('            demand(low <= high, "an interval is empty")', "            pass"),
    ("demand(type(term[name]) is int and 0 <= term[name]", "demand(term[name] >= -9 and term[name]"),
    ("return low.union(high)", "return low"),
    ("ball(low), ball(high)", "ball(low), ball(low)"),
    ("ball(low), ball(high)", "ball(high), ball(high)"),
    ("return value.lower(), value.upper()", "return value.mid(), value.mid()"),
    ("demand(bool(abs(x) < MAX_EXP)", "demand(True"),
    ('options["bias"] == "none", "the recipe', 'True, "the recipe'),
    ('demand(M >= 2 and min(options["widths"]) >= K', "demand(M >= 2"),
    ("N ** (M + 1)", "N**M"),
    ("power(1 - p, M + 1)", "power(1 - p, M)"),
    ("cost / n**M", "cost / n"),
    ("demand(above in ([True, False], [False])", "demand(True"),
    ("demand(above in ([True, False], [False])", "demand(above in ([True, False], [False], [True])"),
    ("demand(above in ([True, False], [False])", "demand(above[0] or len(above) == 1"),
    ("0 <= a <= b", "True"),
    ("0 <= a <= b", "0 <= a"),
    ("0 <= a <= b", "a <= b"),
    ("p = arb((a, -P)).union(arb((b, -P)))", "p = arb((a, -P))"),
    ("(1 + M * p)", "(1 + p)"),
    ("value += ball(m * n) * (1 - p)", "value += ball(n) * (1 - p)"),
    ("/ ball(2 * N)", "/ ball(N)"),
    ("ball(lam2 * n * (K - 1) / K)", "ball(lam2 * n)"),
    ("value += m * (loss + price)", "value += loss + price"),
    ("value += m * (loss + price)", "value += m * loss"),
    ("demand(isinstance(right, bool) or", "demand(True or"),
    ("right.isalpha()", "True"),
    ("return state == right, {", "return state != right, {"),
    ('demand(type(state) is type(right), "a state', 'demand(True, "a state'),
    ("a[1] < b[0], a[0] > b[1]", "a[0] < b[0], a[0] > b[0]"),
    ("a[1] <= b[0], a[0] >= b[1]", "a[0] <= b[1], a[1] >= b[0]"),
    ('"<=": (at_most, above)', '"<=": (below, above)'),
    ('"<": (below, at_least)', '"<": (at_most, at_least)'),
    ('"<": (below, at_least)', '"<": (below, above)'),
    ('">": (above, at_most)', '">": (at_least, at_most)'),
    ('">": (above, at_most)', '">": (above, below)'),
    ("(at_most and at_least, below or above)", "(at_most or at_least, below or above)"),
    ("(at_most and at_least, below or above)", "(at_most and at_least, below)"),
    ("    if not any(known[relation]):", "    if False:"),
    ("demand(decide(statement, proved)[0]", "demand(decide(statement, proved) is not None"),
    ('demand(not holds, "the statement', 'demand(True, "the statement'),
    ('demand(follows(data["shows"], shown)', "demand(True"),
    ("demand(set(data) ==", "demand(True or set(data) =="),
    ("len(data[k]) <= MAX_TEXT", "True"),
    ('len(data["certificates"]) <= MAX_CERTIFICATES', "True"),
    ('len(data["given"]) <= MAX_TERMS', "True"),
    ('demand(found.outcome != "rejected", f"certificate', 'demand(True, f"certificate'),
    ("    except Exception as error:", "    except ZeroDivisionError as error:"),
    ("        ctx.prec = saved", "        pass"),
)


def forged() -> dict[str, Any]:
    """A certificate with the hash of another problem."""
    return said(PLAIN, ["1", "=", "2"], certificates=[json.loads(certificate(PLAIN)) | {"problem": "0" * 64}])


def noticed(kernel: types.ModuleType) -> bool:
    """Whether the permanent examples tell this kernel from the right one."""
    from flint import ctx

    before = ctx.prec
    try:
        right = all(check(text, kernel)["outcome"] == "refuted" for text in accepted())
        right = right and all(check(text, kernel)["outcome"] != "refuted" for text in refused())
        right = right and check(forged(), kernel)["outcome"] == "rejected"
        right = right and "exp" in check(said(PLAIN, [["exp", "99999"], "=", "1"]), kernel)["reason"]
        for name, problem, claimed, found in NUMBERS[-4:]:
            shown = check(_numbers(name, problem), kernel)["refutation"]
            right = right and Fraction(claimed) <= Fraction(shown["claimed"]["lower"]) < Fraction(claimed) + Fraction(
                1, 10**11
            )
            right = right and Fraction(shown["found"]["upper"]) <= Fraction(found)
        return not (right and ctx.prec == before)
    except Exception:
        return True
    finally:
        ctx.prec = before


@functools.cache
def _numbers(name: str, problem: Problem) -> str:
    return json.dumps(refutation(CLAIMS[name], problem))


def test_the_unchanged_kernel_is_right() -> None:
    assert not noticed(verify.kernel)


@pytest.mark.parametrize(("before", "after"), FAULTS)
def test_seeded_faults_are_noticed(before: str, after: str) -> None:
    assert before in SOURCES["refutation"]
    assert noticed(load("refutation", before, after))


# --- corrupted files -------------------------------------------------------------------------------------------------


def corrupted(text: str, rng: random.Random) -> str:
    """One random change: of a character range, or of a value, a key or the order somewhere in the tree."""
    if rng.random() < 0.15:
        i, j = sorted(rng.randrange(len(text)) for _ in range(2))
        return text[:i] + rng.choice(["", text[j:], "[" * 999, "9" * 999, '"', ",", "\\"]) + text[min(j, i + 9) :]
    data = json.loads(text)
    node, path = data, []
    while isinstance(node, dict | list) and node and (not path or rng.random() < 0.85):
        key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
        path.append((node, key))
        node = node[key]
    parent, key = path[-1]
    value = parent[key]
    changes: list[Any] = [
        None,
        True,
        -1,
        0,
        10**400,
        "1/0",
        "nan",
        [],
        {},
        [value],
        {"lower": "0", "upper": "1"},
        "/0/bounds",
    ]
    if type(value) is int:
        changes += [-value, value + 1, value - 1, 2 * value, value << 64, value >> 1] * 3
    if isinstance(value, str):
        changes += [
            value[:-1],
            value + "1",
            value.replace("0", "1"),
            value.replace("1", "7"),
            "-" + value,
            "2" + value,
        ] * 3
    if isinstance(value, list) and len(value) > 1:
        changes += [value[::-1], value[1:], value * 2] * 3
    if isinstance(value, bool):
        changes += [not value] * 3
    if rng.random() < 0.1 and isinstance(parent, dict):
        del parent[key]
    else:
        parent[key] = rng.choice(changes)
    return json.dumps(data)


def is_false(data: dict[str, Any]) -> bool:
    """Whether the statement fails, from ordinary checks of its certificates and floats."""
    proved = []
    for part in data["certificates"]:
        answer = verify.kernel.check(json.dumps(part))
        assert answer["outcome"] == "bounds"
        proved.append(part | {"bounds": answer["bounds"], "facts": answer["facts"]})
    left, relation, right = data["says"]
    if relation == "is":
        value: Any = proved
        for key in left.split("/")[1:]:
            value = value[int(key)] if isinstance(value, list) else value[key]
        return bool(value != right)
    (a, b), (c, d) = floats(left, proved), floats(right, proved)
    slack = 1e-9 * max(1, abs(a), abs(d))
    failing = {"=": a > d - slack or b < c + slack, "<=": a > d - slack, "<": a > d - slack}
    return bool((failing | {">=": b < c + slack, ">": b < c + slack})[relation])


SEEDS = ("DA23-31", "RF26-08", "RF26-09", "FA21-R1", "HL23-R3", "LS20-06", "FA21-R3", "RF26-10")


def test_corrupted_files_are_never_accepted_wrongly() -> None:
    rng, outcomes = random.Random(5), dict[str, int]()
    for number in range(10_000 if NIGHTLY else 1_000):
        name = SEEDS[number % len(SEEDS)]
        text = corrupted(example(name), rng)
        start = time.process_time()
        answer = check(text)
        assert time.process_time() - start < 5
        outcomes[answer["outcome"]] = outcomes.get(answer["outcome"], 0) + 1
        if answer["outcome"] != "refuted":
            continue
        data, shown = json.loads(text), answer["refutation"]
        if any(isinstance(part, dict) and "largest-root" in part for part in data["says"]):
            assert shown["claimed"]["lower"][:20] <= _root_value(data)
        else:
            assert is_false(data), text[-400:]
    assert outcomes["rejected"] > 500
    assert outcomes["refuted"] > 50
    assert set(outcomes) <= {"refuted", "rejected", "undecided"}


def _root_value(data: dict[str, Any]) -> str:
    """Value of the recipe at the unchanged example, or the opposite of a bound where the problem changed."""
    original = json.loads(example("DA23-31"))
    same = data["certificates"][0]["problem"] == original["certificates"][0]["problem"]
    return str(original["shows"]["claimed"]["upper"]) if same else "9"
