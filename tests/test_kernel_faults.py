"""Seeded faults: each one-line change of the kernel's source must be noticed by the battery below."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from faulty_kernel import load, module_with
from test_kernel import TWO, direct, dumps, eighths, ends, facts_hold, full_form, infeasible, lie, poor, sloppy, weak

import verify.kernel
from theory.problem import Problem
from verify.propose import propose

Check = Callable[[str], dict[str, Any]]


@functools.cache
def sharp() -> list[tuple[str, dict[str, Any]]]:
    """Certificates with the bounds and facts of the unchanged kernel, reduced and full, every bias mode."""
    found = []
    for bias in ("none", "free", "1/50"):
        for lam in ("0.0085", "1/111", "0.0105", "0.013", "0.03"):
            certificate = propose(Problem.ce(TWO, lam, bias=bias))
            found += [(dumps(form), certificate) for form in (certificate, full_form(certificate))]
        mixed = Problem.ce([(9, 2), 5, (4, 3)], "0.004", "0.03", bias=bias, weights=[(2, 2), (1, 1), ("1/2", 3)])
        certificate = propose(mixed)
        found += [(dumps(form), certificate) for form in (certificate, full_form(certificate))]
    heavy = propose(Problem.ce([(9, 2), (4, 3)], "0.2357", weights=[(3, 2), (1, 3)]))  # w s < x^2 < w^2 s
    apart = propose(Problem.ce([9, (4, 3), 9], "0.03"))  # one cluster in two places
    return [*found, (dumps(heavy), heavy), (dumps(apart), apart)]


@functools.cache
def wide() -> list[tuple[str, float, float]]:
    """Valid loose certificates with both bounds evaluated directly."""
    found = []
    for bias in ("none", "free", "1/50"):
        for counts, weights in [(TWO, None), ([(9, 2), 5, (4, 3)], [(2, 2), (1, 1), ("1/2", 3)])]:
            problem = Problem.ce(counts, "0.004", "0.03", bias=bias, weights=weights)
            base = propose(problem)
            G = len(problem.clusters)
            flows = eighths(base["witness"]["flows"], 5)
            if bias != "free":
                flows["rows"][0] = [a // 2 for a in flows["rows"][0]]
            gaps = {"p": 2, "rows": [[(-5 + 8 * g) * (c.classes > 1) for g, c in enumerate(problem.clusters)]]}
            W = {"p": 3, "rows": [[3 - g, 2 * g] for g in range(G)]}
            H = {"p": 3, "rows": [[5, -g - 1] for g in range(G)]}
            b = {"p": 2, "rows": [[(g + 1) * (bias != "none") for g in range(G)]]}
            text = lie(base, flows=flows, gaps=gaps, W=W, H=H, bias=b)
            found.append((text, *direct(problem, json.loads(text)["witness"])))
    return found


@functools.cache
def rejected() -> list[str]:
    """Violations paired with a loose other side, false statements, wrong problems."""
    texts = [text for bias in ("none", "free", "1/50") for _, text in infeasible(bias)]
    good = propose(Problem.ce(TWO, "0.0085"))
    for path, value in [
        (("bounds", "lower"), "1.42"),
        (("bounds", "upper"), "1.41"),
        (("facts", "rank", "lower"), 7),
        (("facts", "rank", "upper"), 5),
        (("facts", "contrast", "values"), ["alive", "dead"]),
        (("facts", "logits", "own"), []),
        (("facts", "proof"), True),
        (("facts", "zero", "values"), [0, 0]),
        (("witness", "full"), 0),
        (("problem",), "0" * 64),
        (("witness", "flows", "p"), True),
        (("witness", "gaps", "rows", 0, 0), True),
        (("witness", "extra"), 0),
    ]:
        changed: Any = copy.deepcopy(good)
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        texts.append(dumps(changed))
    truth = copy.deepcopy(good["witness"]["gaps"])
    truth["rows"][0][0] = True
    texts.append(lie(good, **weak(good) | {"gaps": truth}))
    spelled = copy.deepcopy(good)
    spelled["counts"][0][0] = "120.0"
    canonical = {key: spelled[key] for key in ("model", "counts", "options")}
    line = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    spelled["problem"] = hashlib.sha256(line.encode()).hexdigest()
    texts.append(dumps(spelled))
    longer = copy.deepcopy(good)
    longer["options"]["class_weights"] = [["1", 9]]
    canonical = {key: longer[key] for key in ("model", "counts", "options")}
    line = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    longer["problem"] = hashlib.sha256(line.encode()).hexdigest()
    texts.append(lie(longer, **weak(good)))
    other = copy.deepcopy(good)
    other["options"]["lambda_w"] = other["options"]["lambda_h"] = "17/2001"
    texts.append(lie(other, **weak(good)))
    huge = lie(good, **weak(good))
    texts.append(huge.replace('"p": 0', '"p": 99999999'))
    texts.append(dumps(good)[:-1] + ', "schema": "verify.certificate/1"}')
    texts.append(dumps(good).replace('"120"', '"1.2e2"'))
    texts.append(dumps(good).replace('"schema"', '"shema"'))
    texts.append(dumps(good)[:-1] + ', "more": 0.5}')
    texts.append(dumps(good)[:-1] + ', "more": ' + "9" * 4100 + "}")
    return texts


@functools.cache
def rough() -> list[tuple[str, dict[str, Any]]]:
    """Wide certificates whose facts must stay true, with the facts of a sharp one."""
    return [(text, json.loads(fine)["facts"]) for _, text, fine in sloppy()]


def complaints(check: Check, balls: Callable[[str], Any]) -> Iterator[str]:
    """What is wrong with a kernel."""
    for text, certificate in sharp():
        result = check(text)
        if result["outcome"] != "bounds":
            yield f"a valid certificate is refused: {result['reason']}"
            return
        (low, high), (lower, upper) = ends(result["bounds"]), ends(certificate["bounds"])
        if not (lower <= high and low <= upper and high - low < 2 * (upper - lower) + upper / 10**38):
            yield "other bounds than the certificate states"
        for name in ("rank", "contrast", "merged", "zero"):
            if result["facts"].get(name) != certificate["facts"][name]:
                yield f"other facts than the certificate states: {name}"
        if not facts_hold(result["facts"], certificate["facts"]):
            yield "an interval misses the truth"
    for text, lower, upper in wide():
        outcome = balls(text)
        if outcome.outcome != "bounds":
            yield f"a loose certificate is refused: {outcome.reason}"
        elif abs(float(outcome.lower) / lower - 1) + abs(float(outcome.upper) / upper - 1) > 1e-11:
            yield "a loose bound is not what direct evaluation gives"
    for number, text in enumerate(rejected()):
        if check(text)["outcome"] == "bounds":
            yield f"accepted a wrong certificate: number {number}"
    for text, facts in rough():
        result = check(text)
        if result["outcome"] != "bounds":
            yield f"a wide certificate is refused: {result['reason']}"
        elif result["facts"] and not (
            facts_hold(result["facts"], facts)
            and result["facts"]["rank"]["lower"] <= facts["rank"]["lower"]
            and result["facts"]["rank"]["upper"] >= facts["rank"]["upper"]
        ):
            yield "a wide certificate proves something false"
    narrow = propose(Problem.ce([(9, 2), (4, 3)], "0.03", dim=3))
    if check(dumps(narrow))["facts"]:
        yield "facts although the features are too narrow"
    if check(lie(narrow, **poor(narrow), **weak(narrow)))["outcome"] != "bounds":
        yield "the trivial certificate is refused"


MODULES = ("ce", "decay", "tables", "core", "__init__")

FAULTS = [
    # dual point
    ("demand(count_above(block, ball(problem.x2).sqrt()) == 0", "demand(True"),
    ("contrast**2 <= problem.x2 * group.size", "True"),
    ("contrast = rest[g] + Fraction(flows[g][g], 1 << P)", "contrast = rest[g]"),
    ("A.own[g] + (m[g] - 1) * A.others[g][g] if", "A.own[g] if"),
    ("roots[h] * roots[g] * A.others[h][g]) * scale[g]", "A.others[h][g]) * scale[g]"),
    ("A.others[h][g]) * scale[g] for g in G]", "A.others[h][g]) * scale[h] for g in G]"),
    ("above += positive(-pivot)", "above = positive(-pivot)"),
    ("above += positive(-pivot)", "above += positive(pivot)"),
    ("- factor * b for", "+ factor * b for"),
    ("row[i] += c * c", "row[i] += c"),
    # lower bound
    ("own = -(1 - share) * (-share).log1p()", "own = -(-share).log1p()"),
    ("value += ball(m[g] * group.mass) * (own", "value += ball(group.mass) * (own"),
    ("(own + seen(m, g, [p if", "(own + sum([p if"),
    ("(n - (h == g)) * x for", "n * x for"),
    ('demand(problem.bias != "free" or square == 0', "demand(True"),
    ("value -= ball(square / (2 * problem.bias", "value -= ball(square / (4 * problem.bias"),
    ("value -= ball(square / (2 * problem.bias * problem.N))", "pass"),
    ("sum(n * entry**2 for n, entry", "sum(entry**2 for n, entry"),
    ("sum(n * (out - into) for n, out, into", "sum(out - into for n, out, into"),
    ("[Group(s, w, s * w, m) for", "[Group(s, w, s, m) for"),
    # upper bound
    ("top, z[g] = z[g] + a * (n - 1) / n,", "top, z[g] = z[g] + a,"),
    ("z[g] - a / n\n", "z[g]\n"),
    ("ball(s).sqrt() * abs(gaps[g])", "ball(s).sqrt() * gaps[g]"),
    ("lam * (m - 1) * ball(s).sqrt()", "lam * m * ball(s).sqrt()"),
    ("lam * (m - 1) * ball(s).sqrt()", "lam * (m - 1) * ball(mass).sqrt()"),
    ("ball(m * problem.lambda_w / 2)", "ball(m * problem.lambda_w)"),
    ("ball(m * s * problem.lambda_h / 2)", "ball(m * problem.lambda_h / 2)"),
    ("ball(m * problem.bias / 2) * bias[g]", "ball(problem.bias / 2) * bias[g]"),
    ("ball(m * mass / problem.N) * -log_p", "ball(mass / problem.N) * -log_p"),
    ("[x + b for x, b in zip(z, bias", "[x for x, b in zip(z, bias"),
    ("demand(width <= dim", "demand(True"),
    ("width = len(W[0]) + sum(n - 1 for", "width = len(W[0]) + sum(0 for"),
    ('demand(problem.bias != "none" or not any', "demand(True or not any"),
    ("demand(all(n > 1 or not (gaps[g] or", "demand(all(n > 1 or not (0 or"),
    ("(flows and flows[g][g])", "0"),
    ("W * H * N**2)", "W * H * N)"),
    # facts
    ("r = [(2 * t / p.exp())", "r = [(t / p.exp())"),
    ("[gap * ball(problem.N / c.mass) for", "[gap for"),
    ("p + arb(0, -(-x).log1p()) if", "p if"),
    ("([x - mean for x, mean in", "([x for x, mean in"),
    ("(x + seen(m, g, [row[g] for row in A.others])) / sum(m)", "x / sum(m)"),
    ("return [b + arb(0, away) for b in bias]", "return bias"),
    ("(sizes[h] * Z.own[h] + seen(m, h, row))", "(Z.own[h] + seen(m, h, row))"),
    ("rows = [[z - b for z in row] for row, b in zip(Z.others", "rows = [[z for z in row] for row, b in zip(Z.others"),
    ("below = ball(problem.x2).sqrt() - (2 * gap", "below = ball(problem.x2).sqrt() - (0 * gap"),
    ("loose = sum(n - 1 for", "loose = sum(n for"),
    ("loose = sum(n - 1 for", "loose = sum(0 for"),
    ("min(count_above(block, below) + loose", "min(loose"),
    ("(A.own[g] - A.others[g][g]) * scale[g] for", "A.own[g] * scale[g] for"),
    ("own = [A.own[g] + (m[g] - 1) * A.others[g][g]", "own = [A.own[g] + m[g] * A.others[g][g]"),
    ("least = alive + tables.rank_above", "least = tables.rank_above"),
    ("return count_above(X.mid(), radius(X))", "return count_above(X.mid(), 0 * radius(X))"),
    ("problem.x2 >= c.weight**2 * c.size", "problem.x2 > c.weight**2 * c.size"),
    ("problem.x2 >= c.weight**2 * c.size", "problem.x2 >= c.weight * c.size"),
    ('most == alive and found[c] != "alive"', 'most == alive or found[c] == "dead"'),
    ("for c, moves in enumerate(not z.contains(0) for", "for c, moves in enumerate(False for"),
    ("if problem.dim < most:", "if False:"),
    ("gap = bounds(lower, upper, digest), (upper - lower).upper()", "gap = bounds(lower, upper, digest), arb(0)"),
    ("A.others[other[c] if h == c else first[h]]", "A.others[first[h]]"),
    ("first = range(len(m)), [sum(m[:c]) if full else c", "first = range(len(m)), [c"),
    # reading and statements
    ('demand(data["problem"] == digest', "demand(True"),
    ("type(entry) is int for row", "True for row"),
    ("demand(P < MAX_P and", "demand("),
    ("demand(len(dict(pairs)) == len(pairs)", "demand(True"),
    ("demand(len(digits) <= MAX_DIGITS", "demand(True"),
    (
        'demand(digits.removeprefix("-").isdigit()',
        "return 0 if not digits.isdigit() else int(digits)\n        demand(True",
    ),
    ("set(data) == set(shapes)", "set(data) >= set(shapes)"),
    ("type(full) is bool", "True"),
    ("demand(follows({key: data[key] for key in proved}, proved)", "demand(True"),
    ("return side * claim <= side * end", "return True"),
    ("return side * claim <= side * end", "return claim <= end"),
    ("return type(stated) is type(proved) and", "return"),
    ('data.get("schema") == schema', "True"),
    ("demand(str(value) == text and", "demand("),
    ("demand(len({sum(m for _, m in column) for column in columns}) == 1", "demand(True"),
    ("found[values] = found.get(values, 0) + step", "found[values] = step"),
]

EQUIVALENT = [  # with the reason: what else catches all that the changed line lets through
    ("demand(all(entry >= 0 for row in flows for entry in row)", "demand(True"),  # log of a negative ball: undecided
    ("key in proved and follows", "follows"),  # the missing key ends in the catch-all
    ("return len(stated) == len(proved) and all(", "return all("),  # the strict zip ends in the catch-all
    ('demand(rest[g] <= group.mass, "a probability is negative")', "pass"),  # log of a negative ball: undecided
    ("demand(not lower > upper", "demand(True"),  # guards against faults of the kernel itself
    ('raise Undecided("a bound is not finite")', "pass"),  # a bound that is not finite has a gap that decides nothing
    (
        'demand(found[c] != ("alive" if merged[c] else "dead")',
        "demand(True",
    ),  # guards against faults of the kernel itself
    ("key=lambda i: abs(rows[i][i].mid())", "key=lambda i: 0"),  # the order of pivots changes widths, not signs
    ("most = min(count_above(block, below) + loose, problem.K - 1)", "most = count_above(block, below) + loose"),
    # the last pivot of the block is that of 1^T M = 0: never more than K - 1
    ('demand(len(W[0]) == len(H[0]), "W', 'demand(True, "W'),  # the product of the matrices ends in the catch-all
    ("if x < 1 else arb(", "if True else arb("),  # log of a ball that holds 0 is not finite either
]


def test_the_unchanged_kernel_passes() -> None:
    assert list(complaints(verify.kernel.check, verify.kernel.verify_certificate)) == []


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_is_noticed(number: int) -> None:
    before, after = FAULTS[number]
    faulty = load(module_with(before, *MODULES), before, after)
    assert next(complaints(faulty.check, faulty.verify_certificate), None) is not None


@pytest.mark.parametrize("number", range(len(EQUIVALENT)))
def test_redundant_lines_change_nothing(number: int) -> None:
    before, after = EQUIVALENT[number]
    same = load(module_with(before, *MODULES), before, after)
    assert list(complaints(same.check, same.verify_certificate)) == []
