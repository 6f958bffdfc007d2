"""The kernel of model mse: corrupted certificates, loose certificates, and seeded faults that must all be noticed."""

from __future__ import annotations

import copy
import functools
import json
import random
import types
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from faulty_kernel import load

import verify.kernel
from theory.problem import Problem
from verify.bracket import fraction
from verify.kernel import check, verify_certificate
from verify.mse import Mode, stationary
from verify.routes import certify, solve

PLAIN = Problem.mse([(5, 2), 2], ["1/20", "1/30"], "1/25", dim=9)
DEAD = Problem.mse([9, 6, 4], ["0.049"] * 3, "0.049")
NARROW = Problem.mse([(5, 3), 2], ["1/40", "1/30"], "1/25", widths=[2, 4])
FREE = Problem.mse([9, (5, 2), 2, 1], ["1/50", "1/60"], "1/30", bias="free")
GROUPS = Problem.mse([(9, 2), (3, 3)], ["0.0345"] * 2, "0.0345", bias="free")
SHALLOW = Problem.mse([9, 4, 1], "1/14", "1/10")
SHALLOW_CLOSE = Problem.mse([6, 4], "1/5", Fraction(1, 5) * (1 - Fraction(1, 10**400)))
BIASED_TIE = Problem.mse([(2, 2), 1], "7/25", "2/7", bias="1/20")
EQUAL = Problem.mse([(4, 3)], ["1/100", "1/80"], "1/90", bias="1/3")
BIASED = Problem.mse([(9, 2), 4, 1], ["1/100", "1/80"], "1/90", bias="2")
BIASED_SHALLOW = Problem.mse([5, (4, 3), 2], "1/50", bias="1/3")
TIE = Problem.mse([5, 3], ["3/128", "3/128"], 2)
SHALLOW_TIE = Problem.mse([6, 4], "1/5")
CLOSE = Problem.mse([5, 3], ["3/128", "3/128"], 2 * (1 + Fraction(1, 10**30)))
DOUBLE = Problem.mse([(16, 2)], ["3/32"] * 2)
WINDOW = Problem.mse([8, 5], ["0.096"] * 2)
SHARE_TIE = Problem.mse([(4, 3)], ["1/12", "1/9"], "1/54", bias=2)
NO_MEAN = Problem.mse([(4, 3)], ["1/100", "1/80"], "1/90", bias="1/3", dim=2)
PROBLEMS = (
    PLAIN,
    DEAD,
    NARROW,
    FREE,
    GROUPS,
    SHALLOW,
    EQUAL,
    TIE,
    SHALLOW_TIE,
    CLOSE,
    WINDOW,
    SHARE_TIE,
    NO_MEAN,
    DOUBLE,
)
ALL = (*PROBLEMS, BIASED, BIASED_SHALLOW, BIASED_TIE, SHALLOW_CLOSE)


@functools.cache
def sharp(problem: Problem) -> dict:
    return certify(problem)[0]


def changed(problem: Problem, **witness) -> str:
    """The certificate without statements, with other arrays in its witness."""
    data = copy.deepcopy(sharp(problem)) | {"bounds": None, "facts": None}
    data["witness"] |= witness
    return json.dumps(data)


def array(rows, p=0):
    return {"p": p, "rows": rows}


def shift(data, by):
    """Every entry of an array times a rational, rounded down."""
    return array([[int(entry * by) for entry in row] for row in data["rows"]], data["p"])


def floats(data):
    return np.array([[float(Fraction(entry, 1 << data["p"])) for entry in row] for row in data["rows"]])


def at_point(problem: Problem, text: str) -> float:
    """Objective at the point of a certificate, evaluated in floats on every class."""
    witness = json.loads(text)["witness"]
    clusters, K = problem.clusters, problem.K
    indicator = np.zeros((K, len(clusters)))
    for g, c in enumerate(clusters):
        indicator[c.members, g] = 1 / np.sqrt(c.classes)
    factors = [floats(layer) for layer in witness["layers"]]
    factors[0], factors[-1] = indicator @ factors[0], factors[-1] @ indicator.T
    own = floats(witness["contrasts"])
    for g, c in enumerate(clusters):
        for r in range(witness["kept"]["rows"][0][g]):
            u = np.zeros(K)
            u[c.members[: r + 1]] = 1
            u[c.members[r + 1]] = -r - 1
            u /= np.linalg.norm(u)
            for i, value in enumerate(own[:, g]):
                row = u[:, None] if i == 0 else np.array([[0.0]])
                column = u[None] if i == len(factors) - 1 else np.array([[0.0]])
                extended = [[factors[i], row * value], [column * value, np.array([[value]])]]
                if i == 0:
                    factors[i] = np.hstack(extended[0])
                elif i == len(factors) - 1:
                    factors[i] = np.vstack([factors[i], column * value])
                else:
                    a, b = factors[i].shape
                    factors[i] = np.block([[factors[i], np.zeros((a, 1))], [np.zeros((1, b)), np.array([[value]])]])
    b = (indicator * np.sqrt([c.classes for c in clusters])) @ floats(witness["bias"])[0]
    return problem.objective(factors[:-1], factors[-1], b if problem.bias != "none" else None)


def rough(problem: Problem) -> str:
    """A valid certificate of a poor point and wide brackets (of a poor bias where the point fixes the brackets)."""
    witness = sharp(problem)["witness"]
    layers = [shift(layer, 1 + Fraction(i + 1, 9)) for i, layer in enumerate(witness["layers"])]
    low, high = witness["roots"]["rows"]
    roots = array([[a * 99 // 100 for a in low], [b * 103 // 100 for b in high]], witness["roots"]["p"])
    parts = {"layers": layers, "contrasts": shift(witness["contrasts"], Fraction(8, 9)), "roots": roots}
    if witness["target"] is not None:  # it belongs to the point
        parts = {}
    if problem.bias != "none":
        parts["bias"] = shift(witness["bias"], Fraction(4, 3))
    return changed(problem, **parts)


def decomposed(stretch: Fraction, shrink: Fraction) -> str:
    """A target decomposed wrongly, with brackets that suit it and a loose point."""
    witness = sharp(BIASED)["witness"]
    U, values, V = witness["target"]
    values = shift(values, shrink)
    p, (low, high) = witness["roots"]["p"], witness["roots"]["rows"]
    low, high = low[:3], high[:3]
    for entry in values["rows"][0]:
        mu = Fraction(entry, 1 << values["p"]) ** 2
        s = stationary(BIASED, Mode("group", 0, mu, 1, 1, Fraction(2, 3)))
        near = 0 if s is None else int(fraction(s) * (1 << p))
        low, high = [*low, near - near // 10**9], [*high, near + near // 10**9]
    bias = shift(witness["bias"], 5)
    return changed(BIASED, target=[shift(U, stretch), values, V], roots=array([low, high], p), bias=bias)


@functools.cache
def rejected() -> list[str]:
    """Wrong certificates; where a bound is attacked the other one is loose."""
    found, zeros = [], {}
    for problem in (PLAIN, DEAD, FREE, BIASED):
        witness = sharp(problem)["witness"]
        zeros[problem] = {
            "layers": [shift(layer, 0) for layer in witness["layers"]],
            "kept": array([[0] * len(problem.clusters)]),
        }
        roots = witness["roots"]
        for by in (Fraction(9, 10), Fraction(10, 9), 0, -1):
            found.append(changed(problem, roots=shift(roots, by), **(zeros[problem] if problem != BIASED else {})))
        found.append(
            changed(problem, roots=array(roots["rows"][::-1], roots["p"]), **zeros[PLAIN] if problem == PLAIN else {})
        )
    squares = sharp(FREE)["witness"]["squares"]
    for by in (Fraction(99, 100), Fraction(101, 100)):
        found.append(changed(FREE, squares=shift(squares, by), **zeros[FREE]))
    found.append(changed(FREE, squares=array([row[::-1] for row in squares["rows"]], squares["p"]), **zeros[FREE]))
    roots = sharp(FREE)["witness"]["roots"]  # the largest mode, between two sizes, called dead
    roots = array([[0, *row[1:]] for row in roots["rows"]], roots["p"])
    found.append(changed(FREE, roots=roots, **zeros[FREE]))
    found += [decomposed(Fraction(20, 19), Fraction(19, 20)), decomposed(Fraction(1), Fraction(19, 20))]
    found += [repeated(zeros[FREE]), negative()]
    found += [moved(zeros[FREE], by) for by in (Fraction(21, 20), Fraction(19, 20))]
    one = array([[1, 1], [1, 1]])
    found += [
        changed(PLAIN, kept=array([[1, 1]]), roots=wide_roots(PLAIN)),
        changed(PLAIN, kept=array([[-1, 0]])),
        changed(PLAIN, kept=array([[1, 0]], 1)),
        changed(PLAIN, bias=array([[1, 0]])),
        changed(PLAIN, squares=array([[1], [2]])),
        changed(PLAIN, target=[one, array([[1, 1]]), one]),
        changed(PLAIN, layers=sharp(PLAIN)["witness"]["layers"][:2]),
        changed(PLAIN, extra=array([[1]])),
        changed(BIASED, target=None),
        changed(BIASED, target=sharp(BIASED)["witness"]["target"][:2]),
        changed(NARROW, kept=array([[2, 0]]), layers=[one, array([[1, 0], [0, 1]]), one]),
        changed(NARROW, kept=array([[1, 0]]), layers=[one, array([[1, 0], [0, 1]]), one]),
        changed(BIASED, kept=array([[0, 0, 0]]), roots=array([[0] * 6, [0] * 6])),
    ]
    return found


def repeated(zeros: dict) -> str:
    """The largest mode between sizes also in the place of the second."""
    witness = sharp(FREE)["witness"]
    squares = array([[row[0], row[0], row[2]] for row in witness["squares"]["rows"]], witness["squares"]["p"])
    roots = array([[row[0], row[1], row[0], row[3]] for row in witness["roots"]["rows"]], witness["roots"]["p"])
    return changed(FREE, squares=squares, roots=roots, **zeros)


def moved(zeros: dict, by: Fraction) -> str:
    """The largest mode between sizes is wrong, its bracket fits."""
    witness = sharp(FREE)["witness"]
    squares = [[int(row[0] * by), *row[1:]] for row in witness["squares"]["rows"]]
    s = fraction(stationary(FREE, Mode("group", 0, Fraction(squares[0][0], 1 << witness["squares"]["p"]), 1, 1)))
    ends = zip((Fraction(999, 1000), Fraction(1001, 1000)), witness["roots"]["rows"], strict=True)
    roots = [[int(s * end * (1 << witness["roots"]["p"])), *row[1:]] for end, row in ends]
    return changed(
        FREE, squares=array(squares, witness["squares"]["p"]), roots=array(roots, witness["roots"]["p"]), **zeros
    )


def negative() -> str:
    """A bracket from a negative zero of the slope to a point left of both positive ones."""
    witness = sharp(DEAD)["witness"]
    p, (low, high) = witness["roots"]["p"], witness["roots"]["rows"]
    roots = array([[-(57 << p) // 100, *low[1:]], [(1 << p) // 2, *high[1:]]], p)
    return changed(DEAD, roots=roots, layers=[shift(layer, 0) for layer in witness["layers"]])


def wide_roots(problem: Problem) -> dict:
    """Brackets with which the lower bound is loose."""
    roots = sharp(problem)["witness"]["roots"]
    low, high = roots["rows"]
    return array([[a * 2 // 3 for a in low], [b * 7 // 5 for b in high]], roots["p"])


def very_wide() -> str:
    """Brackets so wide that they do not decide a state."""
    low, high = sharp(PLAIN)["witness"]["roots"]["rows"]
    roots = array([[a * 2 // 3 for a in low], [2 * b for b in high]], sharp(PLAIN)["witness"]["roots"]["p"])
    return changed(PLAIN, roots=roots)


def complaints(kernel: types.ModuleType) -> Iterator[str]:
    """What is wrong with a kernel."""
    for problem in ALL:
        certificate = sharp(problem)
        result = kernel.check(json.dumps(certificate))
        if result["outcome"] != "bounds":
            yield f"a valid certificate is refused: {result['reason']}"
        elif result["facts"] != certificate["facts"] or result["bounds"] != certificate["bounds"]:
            yield "other facts than the certificate states"
    for number, text in enumerate(rejected()):
        if kernel.check(text)["outcome"] == "bounds":
            yield f"accepted a wrong certificate: number {number}"
    for problem in (PLAIN, SHALLOW, FREE, EQUAL, BIASED, BIASED_SHALLOW):
        outcome, value = kernel.verify_certificate(rough(problem)), float(solve("exact", problem).upper)
        if outcome.outcome != "bounds":
            yield f"a rough certificate is refused: {outcome.reason}"
        elif not float(outcome.lower.lower()) < value * (1 + 1e-12) or not float(outcome.upper) > value:
            yield "a rough bound is wrong"
        elif abs(float(outcome.upper) / at_point(problem, rough(problem)) - 1) > 1e-12:
            yield "a rough upper bound is not what direct evaluation gives"
    wide = kernel.verify_certificate(very_wide())
    if wide.outcome != "bounds" or not float(wide.lower.lower()) < float(solve("exact", PLAIN).upper):
        yield "a very wide certificate"


FAULTS = [
    ("P == 0 and all(0 <= r < m", "all(0 <= r < m"),
    ("all(0 <= r < m for", "all(r < m for"),
    ("all(0 <= r < m for", "all(0 <= r for"),
    ("used <= width - sum(kept)", "used <= width"),
    ("used <= width - sum(kept)", "True"),
    ('demand(bias != "none" or not any', "demand(True or not any"),
    ("demand(all(0 <= a < b or a == b == 0", "demand(all(a < b or a == b == 0"),
    ("demand(all(0 <= a < b or a == b == 0", "demand(all(True"),
    ("demand(small < ends[0] < ends[1] < large", "demand(True"),
    ("demand(not positive(left) and positive(right)", "demand(positive(right)"),
    ("demand(not positive(left) and positive(right)", "demand(not positive(left)"),
    ("sum(m for _, m in clusters) * clusters[0][0]", "len(clusters) * clusters[0][0]"),
    ("found += [((size, size), m - 1, one)] * (m > 1)", "found += [((size, size), m, one)] * (m > 1)"),
    ("bias / (1 + bias))]", "bias)]"),
    ("Mode(mu, copies, min(room, copies), share)", "Mode(mu, copies, copies, share)"),
    ("room -= modes[-1].kept", "room -= 0"),
    ("ball(self.mu[0]).union(ball(self.mu[1])) if", "ball(self.mu[0]) if"),
    ("N * ball(prod(task.decays)).root(L)", "ball(prod(task.decays)).root(L)"),
    ("ball(prod(task.decays)).root(L)", "ball(prod(task.decays[:-1])).root(L)"),
    ("root(L), share * r * r / (2 * N)", "root(L), share * r * r / N"),
    ("demand(positive(least)", "demand(True or positive(least)"),
    ("x = r - price / share", "x = r - price"),
    ("zero - share * x * x / (2 * N)", "zero - share * x * x / N"),
    ("most = arb(0) if x <= 0 else x.abs_upper()", "most = x.abs_upper()"),
    ('"alive" if excess > 0', '"alive" if excess >= 0'),
    ('tie = "tie" if M > 1 else "dead"', 'tie = "tie"'),
    ("state, s = exact or state, arb(0) if", "state, s = state, arb(0) if"),
    ('state = None if most > 0 else "dead"', 'state = "dead"'),
    ("(top * (L - 2) / (L - 1)).root(L)", "(top * (L - 2) / (10**9 * L)).root(L)"),
    ("demand(not positive(signs[0]) and positive(signs[1])", "demand(positive(signs[1])"),
    ("demand(not positive(signs[0]) and positive(signs[1])", "demand(not positive(signs[0])"),
    ("s = ends[0].union(ends[1])", "s = ends[0]"),
    ("power(s, 2 * L - 2) - 2 * r * power(s, L - 2)", "power(s, 2 * L - 2) - r * power(s, L - 2)"),
    ("- 2 * r * power(s, L - 2)) + L * price", "- 2 * r * power(s, L - 2)) + price"),
    ("e * s * s / (2 * N)", "e * s * s / N"),
    ('"alive") if e < 0 else', '"alive") if True else'),
    ("arb.min(zero, value), s, ", "zero, s, "),
    ("(arb.min(zero, value), s, None)", '(arb.min(zero, value), s, "alive")'),
    ("M ** (2 * M) * task.N ** (M + 1)", "M ** M * task.N ** (M + 1)"),
    ("mode.share ** (M + 1) * max", "mode.share ** M * max"),
    ("max(1, M - 1) ** (M - 1)", "max(1, M) ** (M - 1)"),
    ("mode.kept * least + (mode.copies - mode.kept) * share * square", "mode.copies * least + 0 * square"),
    ("mode.kept * least + (mode.copies - mode.kept) * share * square", "mode.kept * least + 0 * square"),
    ("(mode.copies - mode.kept) * share * square", "(mode.copies - mode.kept) * square"),
    ("ball(Fraction(task.bias) / (1 + Fraction(task.bias)))", "ball(Fraction(task.bias))"),
    (" * (one - arb_mat([[x * y for y in v] for x in v]))", ""),
    ("value, inner = value + (m - 1)", "value, inner = value + m"),
    ("inner + (m - 1) * (x - roots[g]) * x", "inner + (x - roots[g]) * x"),
    ("stretch, apart = ((1 + skew[0]) * (1 + skew[1])).sqrt()", "stretch, apart = arb(1)"),
    ("stretch * abs(values[0, g]) + apart", "stretch * abs(values[0, g])"),
    ("(value - 2 * inner)", "(value - inner)"),
    ("(value - 2 * inner) + share / 2", "(value - 2 * inner) + 1 / ball(2)"),
    ("bound += copies * (least", "bound += (least"),
    ("bound += copies * (least - share * r * r / (2 * N))", "bound += copies * least"),
    ("data += ball(size) * (kept * miss * miss + (m - 1 - kept))", "data += ball(size) * kept * miss * miss"),
    ("b[h] * ball(m * other).sqrt()", "b[h] * ball(m).sqrt()"),
    ("penalty += kept * sum(w * row[g]", "penalty += sum(w * row[g]"),
    ("task.decays[-1] * size)]", "task.decays[-1])]"),
    ("penalty += ball(task.bias * m) * b[g]", "penalty += ball(task.bias) * b[g]"),
    ("sum(ball(decay) * norm2(factor) for", "sum(0 * norm2(factor) for"),
    ("(data / ball(task.N) + penalty) / 2", "(data / ball(task.N) + penalty)"),
    ('mode.kept * (state == "alive")', 'mode.kept * (state != "dead")'),
    ('mode.kept * (state != "dead")', 'mode.kept * (state == "alive")'),
    ('arb(0).union(p) if state in ("tie", None) else p', "p"),
]


def test_the_unchanged_kernel_passes() -> None:
    assert list(complaints(verify.kernel)) == []


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_every_fault_is_noticed(number: int) -> None:
    assert next(complaints(load("mse", *FAULTS[number])), None) is not None


def test_the_bounds_hold_the_formulas_and_the_objective_at_the_point() -> None:
    for problem in PROBLEMS:
        outcome, value = certify(problem)[1], solve("exact", problem).upper
        assert outcome.lower.union(outcome.upper).overlaps(value)
        assert outcome.upper - outcome.lower < 1e-40
        assert float(outcome.upper) == pytest.approx(at_point(problem, json.dumps(sharp(problem))), rel=1e-12)
    for problem in (BIASED, BIASED_SHALLOW):
        outcome = certify(problem)[1]
        assert outcome.upper - outcome.lower < 1e-40
        assert float(outcome.upper) == pytest.approx(float(solve("exact", problem).upper), rel=1e-11)


def test_states_and_ranks() -> None:
    states = {problem: [row["state"] for row in sharp(problem)["facts"]["modes"]["values"]] for problem in PROBLEMS}
    assert states[DEAD] == ["alive", "alive", "dead"]
    assert states[WINDOW] == ["alive", "dead"]
    assert states[TIE] == ["alive", "tie"]
    assert states[SHALLOW_TIE] == ["alive", "dead"]
    assert states[CLOSE] == ["alive", "dead"]
    assert states[SHARE_TIE] == ["alive", "tie"]
    assert certify(TIE)[1].rank == (1, 2)
    assert certify(NARROW)[1].rank == (2, 2)


def test_random_corruptions_never_exclude_the_optimum() -> None:
    """Corrupted certificates are rejected, undecided, or still enclose the optimum."""
    rng = random.Random(1)
    for problem in (PLAIN, FREE, SHALLOW, BIASED):
        value = float(certify(problem)[1].lower)
        for _ in range(120):
            data = json.loads(changed(problem))
            corrupt(rng, data["witness"])
            outcome = verify_certificate(json.dumps(data))
            if outcome.outcome == "bounds":
                assert float(outcome.lower) <= value * (1 + 1e-12)
                assert float(outcome.upper) >= value * (1 - 1e-12)


def corrupt(rng: random.Random, witness: dict) -> None:
    """Change one number, array or key."""
    name = rng.choice(sorted(witness))
    part = witness[name]
    if isinstance(part, list):
        part = rng.choice(part)
    kind = rng.randrange(6)
    if part is None or kind == 0:
        witness[name] = rng.choice([None, [], 1, "x", {"p": 1, "rows": [[True]]}, {"p": 10**9, "rows": [[1]]}])
    elif kind == 1:
        del witness[name]
    elif kind == 2:
        part["p"] = max(0, part["p"] + rng.choice([-1, 1, 64]))
    elif part["rows"] and part["rows"][0]:
        row = rng.choice(part["rows"])
        j = rng.randrange(len(row))
        row[j] = rng.choice([0, -row[j], row[j] + rng.choice([-1, 1]), row[j] // 2, row[j] * 2, 10**400])
        if kind == 5:
            rng.shuffle(row)


def test_statements_are_checked() -> None:
    for path, value in ((("facts", "rank", "lower"), 3), (("bounds", "upper"), "0.0001"), (("problem",), "0" * 64)):
        data = copy.deepcopy(sharp(DEAD))
        place = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert check(json.dumps(data))["outcome"] == "rejected"
    data = copy.deepcopy(sharp(DEAD))
    data["facts"]["modes"]["values"][2]["state"] = "alive"
    assert check(json.dumps(data))["outcome"] == "rejected"
