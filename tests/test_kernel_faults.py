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
    return [*found, (dumps(heavy), heavy)]


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


MODULES = ("ce", "core", "__init__")

FAULTS = [
    # dual point
    ('demand(count_above(M, ball(task.x2).sqrt()) == 0, "the dual', 'demand(True, "the dual'),
    ("contrast**2 <= task.x2 * group.size", "True"),
    ("contrast = rest[g] + Fraction(flows[g][g], 1 << P)", "contrast = rest[g]"),
    ("Fraction((groups[g].classes - 1) * flows[g][g], 1 << P) for g in G]", "Fraction(0) for g in G]"),
    ("-roots[h] * roots[g] * phi[h][g]", "-phi[h][g]"),
    (") / ball(groups[g].size).sqrt() for g in G]", ") / ball(groups[h].size).sqrt() for g in G]"),
    ("above += not positive(pivot)", "above = not positive(pivot)"),
    ("- factor * b for", "+ factor * b for"),
    ("c * c * (i == j)", "c * (i == j)"),
    # lower bound
    ("own = -(1 - share) * (-share).log1p()", "own = -(-share).log1p()"),
    ("value += ball(group.classes * group.mass) * (own", "value += ball(group.mass) * (own"),
    ("(own + dot(times(groups, g), terms))", "(own + total(terms))"),
    ('demand(task.bias != "free" or square == 0', "demand(True"),
    ("value -= ball(square / (2 * task.bias * task.N))", "value -= ball(square / (4 * task.bias * task.N))"),
    ("value -= ball(square / (2 * task.bias * task.N))", "pass"),
    ("sum(group.classes * entry**2 for group", "sum(entry**2 for group"),
    ("return self.weight * self.size", "return self.size"),
    # upper bound
    ("top = z[g] + a * (m - 1) / m", "top = z[g] + a"),
    ("z[g] -= a / m", "pass"),
    ("lam * (m - 1) * ball(group.size).sqrt() * abs(a)", "lam * (m - 1) * ball(group.size).sqrt() * a"),
    ("lam * (m - 1) * ball(group.size).sqrt()", "lam * m * ball(group.size).sqrt()"),
    ("lam * (m - 1) * ball(group.size).sqrt()", "lam * (m - 1) * ball(group.mass).sqrt()"),
    ("ball(m * task.lambda_w / 2)", "ball(m * task.lambda_w)"),
    ("ball(m * group.size * task.lambda_h / 2)", "ball(m * task.lambda_h / 2)"),
    ("ball(m * task.bias / 2) * bias[g]", "ball(task.bias / 2) * bias[g]"),
    ("strict=True)) + b for row, b in", "strict=True)) for row, b in"),
    ("demand(width <= task.dim", "demand(True"),
    ("width = r + sum(group.classes - 1 for", "width = r + sum(0 for"),
    ('demand(task.bias != "none" or not any', "demand(True or not any"),
    ("demand(group.classes > 1 or not (rows", "demand(True or not (rows"),
    ("self.lambda_w * self.lambda_h * self.N**2", "self.lambda_w * self.lambda_h * self.N"),
    # facts
    ("root = (2 * gap *", "root = (gap *"),
    ("ball(task.N / task.clusters[c].mass)", "ball(task.N / task.N)"),
    ("widened(log_p, -(-root).log1p())", "log_p"),
    ("others = [[row[c] - mean[c] for c in C] for row in log_p.others]", "others = log_p.others"),
    ("widened(b, (2 * gap / ball(task.bias)).sqrt()) for b", "b for b"),
    ("bias[h] = (sizes[h] * own[h] + seen)", "bias[h] = (own[h] + seen)"),
    ("[[others[h][c] - bias[h] for c in C]", "[[others[h][c] - bias[c] for c in C]"),
    ("c = ball(task.x2).sqrt() - radius\n", "c = ball(task.x2).sqrt()\n"),
    ("most += group.classes - 1", "most += group.classes"),
    ("most = count_above(M, c)", "most = 0"),
    ("(ball(rest[g]) + phi[g][g]) / ball(group.size).sqrt()", "ball(rest[g]) / ball(group.size).sqrt()"),
    ("+ dot([cluster.classes - 1], [table[c][c]])) / cluster.classes", ") / cluster.classes"),
    ("return alive + count_above(X.mid()", "return count_above(X.mid()"),
    ("total(entry.rad() * entry.rad() for entry in X.entries()).sqrt().upper()", "arb(0)"),
    ("dead = values[c] / ball(cluster.size).sqrt() + radius <", "dead = values[c] / ball(cluster.size).sqrt() <"),
    ("task.x2 >= c.weight**2 * c.size", "task.x2 > c.weight**2 * c.size"),
    ("task.x2 >= c.weight**2 * c.size", "task.x2 >= c.weight * c.size"),
    ('exhausted and state != "alive"', 'exhausted or state == "dead"'),
    ("if task.dim < most:", "if False:"),
    ("gap = (upper - lower).upper()", "gap = arb(0)"),
    ("radius = (2 * gap * ball(task.N * max(c.weight for c in task.clusters))).sqrt()", "radius = arb(0)"),
    ("table[second[c] if h == c else first[h]][k]", "table[first[h]][k]"),
    # reading and statements
    ('demand(data["problem"] == digest', "demand(True"),
    ("type(entry) is int for row", "True for row"),
    ("demand(P < MAX_P and", "demand("),
    ("demand(len(dict(pairs)) == len(pairs)", "demand(True"),
    ("demand(len(digits) <= MAX_DIGITS", "demand(True"),
    ('raise Rejected(f"{digits:.20} is not an integer")', "return 0"),
    ('set(data) == {"full", *names}', 'set(data) >= {"full", *names}'),
    ("demand(follows(data[key], proved[key])", "demand(True"),
    ('number(stated["upper"]) >= number(proved["upper"])', "True"),
    ('number(stated["lower"]) <= number(proved["lower"])', "True"),
    ('data.get("schema") == "verify.certificate/1"', "True"),
    ("demand(value > 0 and str(value) == text", "demand(value > 0"),
]

EQUIVALENT = [  # with the reason: what else catches all that the changed line lets through
    ("demand(all(entry >= 0 for row in flows for entry in row)", "demand(True"),  # log of a negative ball: undecided
    ("if not set(stated) <= set(proved):", "if False:"),  # the missing key ends in the catch-all
    ("return len(stated) == len(proved) and all(", "return all("),  # the strict zip ends in the catch-all
    ('demand(rest[g] <= group.mass, "a probability is negative")', "pass"),  # log of a negative ball: undecided
    ("demand(not lower > upper", "demand(True"),  # guards against faults of the kernel itself
    ('raise Undecided("a bound is not finite")', "pass"),  # a bound that is not finite has a gap that decides nothing
    ('demand(not clash, "impossible', 'demand(True, "impossible'),  # guards against faults of the kernel itself
    ("key=lambda i: abs(rows[i][i].mid())", "key=lambda i: 0"),  # the order of pivots changes widths, not signs
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
