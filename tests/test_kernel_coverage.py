"""Every demand and every comparison of the kernel, removed or decided once and for all, must be noticed.

The faults are read off the source, so none can be forgotten. A share of them is tried by default, all of them under the
nightly profile. Those that no file can show are listed with the reason.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import signal
import sys
import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest
import test_deep_kernel
import test_kernel_faults
import test_loss_kernel
import test_mse_kernel
import test_peeled_kernel
import test_relu_kernel_faults
import test_sphere_kernel
import test_svm_kernel
from faulty_kernel import SOURCES, load_source
from flint import arb

import verify.kernel
from theory.problem import Problem
from verify.routes import certify

Battery = Callable[[types.ModuleType], Iterator[str]]


def _ce(kernel: types.ModuleType) -> Iterator[str]:
    return test_kernel_faults.complaints(kernel.check, kernel.verify_certificate)


def _svm(kernel: types.ModuleType) -> Iterator[str]:
    return test_svm_kernel.complaints(kernel.check, kernel.verify_certificate)


OWN: dict[str, Battery] = {
    "ce": _ce,
    "relu": test_relu_kernel_faults.complaints,
    "mse": test_mse_kernel.complaints,
    "deep": test_deep_kernel.complaints,
    "svm": _svm,
    "peeled": test_peeled_kernel.complaints,
    "sphere": test_sphere_kernel.complaints,
    "fenchel_young": test_loss_kernel.complaints,
}
PATIENCE = 5.0  # seconds of CPU time
SHARED = ("core", "__init__", "tables", "decay", "polar")
STEP = 1 if os.environ.get("UFMCHECK_PROFILE") == "nightly" else 23


def faults(module: str) -> Iterator[tuple[str, int, str, str]]:
    """(line of source, number of the line, what is changed into what, the source with the fault)."""
    source = SOURCES[module]
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    spans = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "demand":
            spans.append((node.args[0], ("True",)))
        elif isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.In | ast.NotIn):
            spans.append((node, ("True", "False")))
    seen = set()
    for node, values in sorted(spans, key=lambda span: (span[0].lineno, span[0].col_offset, -span[0].end_col_offset)):
        a, b = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        for value in values:
            if (a, b, value) not in seen:
                seen.add((a, b, value))
                line = source.splitlines()[node.lineno - 1].strip()
                yield line, node.lineno, f"{source[a:b]} -> {value}", source[:a] + value + source[b:]


def noticed(module: str, source: str) -> bool:
    """Whether some battery complains about the kernel with this source of a module."""
    kernel = load_source(module, source)
    batteries = [_shapes, *OWN.values(), *(battery for more in MORE.values() for battery in more)]
    if module in OWN:
        batteries = [OWN[module], *MORE.get(module, ()), lambda kernel: _shapes(kernel, module)]
    for battery in batteries[: len(batteries) - (module in OWN)]:
        warm(battery)
    for name in (module,) if module in OWN else OWN:
        misshapen(name)
    signal.signal(signal.SIGVTALRM, _stop)
    return any(_complains(battery, kernel) for battery in batteries)


@functools.cache
def warm(battery: Battery) -> None:
    """Certificates are made before time is measured; the unchanged kernel gives no cause for complaint."""
    assert list(battery(verify.kernel)) == []


def _complains(battery: Battery, kernel: types.ModuleType) -> bool:
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        return next(battery(kernel), None) is not None
    except (Exception, Hang):  # an outcome that lost its numbers breaks the battery: noticed, as is a kernel that hangs
        return True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


class Hang(BaseException):
    """Not caught by a kernel."""


def _stop(*_: object) -> None:
    raise Hang


# --- files whose shape is wrong, for every model ------------------------------------------------------------------


def signed(data: dict[str, Any], options: dict[str, Any] | None = None, **parts: Any) -> str:
    """The file with other parts, stating nothing, under the hash of its problem."""
    data = json.loads(json.dumps(data)) | {"bounds": None, "facts": None} | parts
    data["options"] |= options or {}
    text = json.dumps({key: data[key] for key in ("model", "counts", "options")}, sort_keys=True, separators=(",", ":"))
    return json.dumps(data | {"problem": hashlib.sha256(text.encode()).hexdigest()})


def array(rows: list[list[int]], p: int = 0) -> dict[str, Any]:
    return {"p": p, "rows": rows}


@functools.cache
def good() -> dict[str, dict[str, Any]]:
    """One certificate per module."""
    return {
        "ce": test_kernel_faults.propose(Problem.ce([(9, 2), (4, 3)], "0.03")),
        "relu": test_relu_kernel_faults.sharp(test_relu_kernel_faults.FIRST),
        "mse": test_mse_kernel.sharp(test_mse_kernel.PLAIN),
        "deep": test_deep_kernel.sharp(test_deep_kernel.PAIR),
        "svm": test_svm_kernel.certificates(test_svm_kernel.EXACT)[0],
        "peeled": test_peeled_kernel.sharp()[0],
        "sphere": test_sphere_kernel.sharp(test_sphere_kernel.ONE),
        "fenchel_young": test_loss_kernel.sharp()[0],
    }


def _many(count: int) -> list[list[Any]]:
    """As many sizes."""
    return [[str(k + 1), 1] for k in range(count)]


@functools.cache
def misshapen(module: str) -> tuple[str, ...]:
    """Files that break one rule of reading and are harmless otherwise."""
    data = good()[module]
    found = [signed(data, {"extra": "1"}), signed(data, witness=data["witness"] | {"extra": array([[0]])})]
    counts = data["counts"]
    for pairs in ([*counts, ["1", 0]], [*counts, ["1", -1]], [["1", True], *counts], [[*pair, 1] for pair in counts]):
        found.append(signed(data, counts=pairs))
    if "dim" in data["options"]:
        found += [signed(data, {"dim": dim}) for dim in (0, -1, True, "9", None)]
    zeros, wide = array([[0] * 257]), array([[0]] * 257)
    if module == "relu":
        witness = {"errors": zeros, "kept": zeros, "H": zeros, "W": array([[0] * 257] * 2)}
        found.append(signed(data, counts=_many(257), witness=witness))
    if module == "deep":
        layers = {"lambda_w": ["1/100"], "lambda_h": "1/100", "widths": [2]}
        witness = {"factors": [array([[0], [0]]), array([[0, 0]])], "brackets": array([[3, 4]] * 2)}
        found.append(signed(data, layers, witness=data["witness"] | witness))
        layers = {"lambda_w": ["1"] * 33, "lambda_h": "1", "widths": [1] * 33}
        factors = [array([[0], [0]]), *[array([[0]])] * 32, array([[0, 0]])]
        found.append(
            signed(data, layers, witness=data["witness"] | {"factors": factors, "brackets": array([[1, 2]] * 2)})
        )
        factors = [wide, *[array([[0]])] * (len(data["options"]["widths"]) - 1), zeros]
        brackets = array([[1, 9]] * 2)
        witness = {"factors": factors, "bias": zeros, "brackets": brackets}
        found.append(signed(data, {"lambda_w": ["1", "1"], "lambda_h": "1"}, counts=[["1", 257]], witness=witness))
        witness = {"factors": [array([[0]])] * 3, "bias": array([[0]]), "brackets": array([[1, 9]])}
        found.append(signed(data, counts=[["1", 1]], witness=witness))
    if module == "mse":
        layers = {"lambda_w": ["1"] * 65, "lambda_h": "1", "widths": [2] * 65}
        witness = data["witness"] | {"layers": [array([[0], [0]]), *[array([[0]])] * 64, array([[0, 0]])]}
        witness |= {"contrasts": array([[0, 0]] * 66), "kept": array([[0, 0]]), "roots": array([[0, 0]] * 2)}
        found.append(signed(data, layers, witness=witness))
        witness = {"layers": [wide, array([[0]]), zeros], "contrasts": array([[0] * 257] * 3), "kept": zeros}
        witness |= {"roots": array([[0] * 257] * 2), "squares": array([[], []]), "bias": zeros, "target": None}
        layers = {"lambda_w": ["9", "9"], "lambda_h": "9"}
        found.append(signed(data, layers, counts=_many(257), witness=witness))
    if module == "sphere":
        found.append(signed(data, {"temperature": "10001"}))
        found.append(signed(data, counts=[["1", 1]], witness=data["witness"] | {"U": array([[1, 0, 0]])}))
        found.append(signed(data, counts=[["1", 257]], witness=data["witness"] | {"U": array([[1, 0, 0]] * 257)}))
        found.append(signed(data, {"dim": 3}, witness=data["witness"] | {"kernel": array([[1] + [0] * 201], 60)}))
    return tuple(found)


def _shapes(kernel: types.ModuleType, *modules: str) -> Iterator[str]:
    for module in modules or OWN:
        for number, text in enumerate(misshapen(module)):
            if kernel.check(text)["outcome"] != "rejected":
                yield f"accepted a file of a wrong shape: {module}, number {number}"
    text = json.dumps(good()["ce"])
    exponent = json.dumps(good()["ce"] | {"bounds": {"lower": "-1e5", "upper": None}})
    boolean = test_kernel_faults.lie(good()["ce"], **test_kernel_faults.weak(good()["ce"])).replace(
        '"p": 0', '"p": false'
    )
    for broken in (
        exponent,
        boolean,
        text[:-1] + ', "a": 1.5}',
        text[:-1] + ', "a": -Infinity}',
        " " * verify.kernel.MAX_BYTES + text,
    ):
        if kernel.check(broken)["outcome"] != "rejected":
            yield "accepted a file that is no list of integers"


# --- certificates that show what the batteries of the models do not -----------------------------------------------


def _certain(kernel: types.ModuleType) -> Iterator[str]:
    """A dual point that gives the own class no probability is one: the bound is 0."""
    data = test_kernel_faults.propose(Problem.ce([4, 3], 1))
    text = signed(data, witness=data["witness"] | test_kernel_faults.poor(data) | {"flows": array([[0, 3], [4, 0]])})
    outcome = kernel.verify_certificate(text)
    if outcome.outcome != "bounds" or not outcome.lower.contains(0):
        yield "a certain distribution is refused"
    data = test_kernel_faults.propose(Problem.ce([4, 3], "1/42", 1))  # |M|^2 = 7/6 = x^2, which no ball can tell
    text = signed(data, witness=data["witness"] | test_kernel_faults.poor(data) | {"flows": array([[0, 1], [1, 0]])})
    if kernel.check(text)["outcome"] != "undecided":
        yield "a ball that holds both signs is decided"


def _spread(kernel: types.ModuleType) -> Iterator[str]:
    """Wrong probabilities in wide balls may differ, so their products decide nothing although squares do."""
    problem = Problem.ce([6, 3, 2], 5, model="ce-relu")
    data = test_relu_kernel_faults.sharp(problem)
    point = {"kept": array([[0, 0, 1]]), "W": array([[0, 0, 1], [0, 0, 0]], 5), "H": array([[0, 0, 1]], 5)}
    outcome = kernel.verify_certificate(signed(data, witness=data["witness"] | point))
    if outcome.outcome != "bounds" or "dead" in (outcome.contrasts or ()):
        yield "products of wide balls decide a state"
    narrow = test_relu_kernel_faults.sharp(test_relu_kernel_faults.FIRST)
    kept = {"kept": array([[0] * 3]), "errors": array([[0] * 3])}
    outcome = kernel.verify_certificate(signed(narrow, {"dim": 1}, witness=narrow["witness"] | kept))
    if outcome.outcome != "bounds" or outcome.facts:
        yield "facts although the features are too narrow"


def _alone(kernel: types.ModuleType) -> Iterator[str]:
    """One group has no minority; a wide multiplier bounds no rank."""
    data = certify(Problem.peeled([(3, 3)]))[0]
    if kernel.check(json.dumps(data))["facts"] != data["facts"]:
        yield "other facts for one group"
    data = json.loads(json.dumps(certify(Problem.peeled([4, 2, 1], "1/2", "1/2"))[0]))
    point = {
        k: array([[x * 97 // 100 for x in row] for row in v["rows"]], v["p"])
        for k, v in data["witness"]["point"].items()
    }
    wide = signed(
        data, witness=data["witness"] | {"point": point, "dual": data["witness"]["dual"] or data["witness"]["point"]}
    )
    if kernel.verify_certificate(wide).rank != (0, 2):
        yield "a ball of the multiplier that holds 0 bounds the rank"


def _loss(kernel: types.ModuleType) -> Iterator[str]:
    """Under H >= 0: products that are positive, balls that decide nothing; features that are too narrow."""
    even, third = [[1365, 1365, 1366], [1365, 1366, 1365], [1366, 1365, 1365]], [[0], [0], [1]]
    base = Problem.ce([6, 3, 2], 5, model="ce-relu").with_loss("ce", loss_temperature=2)
    witness = test_loss_kernel.BASE | {"dual": [[1024, 0, 0], [0, 1024, 0], [3072, 3072, 4096]]}
    if kernel.check(test_loss_kernel.file(base, witness))["outcome"] != "undecided":
        yield "a dual point with positive products is not undecided"
    near = {
        "dual": even,
        "W": [[128 * x for (x,) in [row]] for row in third],
        "H": [[128 * x for x in row] for row in third],
    }
    for points in (near, {"dual": test_loss_kernel.CERTAIN}):
        outcome = kernel.verify_certificate(test_loss_kernel.file(base, test_loss_kernel.BASE | points))
        if outcome.outcome != "bounds" or outcome.zero != [None] * 3:
            yield "wide balls decide a state"
    certain = test_loss_kernel.BASE | {"dual": test_loss_kernel.CERTAIN}
    narrow = test_loss_kernel.file(test_loss_kernel.FLAT, certain, dim=1)
    if kernel.check(narrow)["outcome"] != "bounds" or kernel.check(narrow)["facts"]:
        yield "facts although the features are too narrow"


def _printed(kernel: types.ModuleType) -> Iterator[str]:
    """A bound below zero by less than any digit that is printed is still below zero."""
    core = sys.modules[f"{kernel.__name__}.core"]
    least = arb(2) ** -(core.MAX_P + 8)
    for end, name in ((-least, "lower"), (least, "upper")):
        if Fraction(core.interval(end)[name]) == 0:
            yield f"{name} end is rounded to zero"


MORE: dict[str, tuple[Battery, ...]] = {
    "core": (_printed,),
    "ce": (_certain,),
    "relu": (_spread,),
    "peeled": (_alone,),
    "fenchel_young": (_loss,),
}
LOG = "the log of a negative ball is not finite"
GUARD = "a guard against faults of the kernel itself"
SHAPE = "what it lets through ends in the catch-all: a length or a type does not fit"
TIME = "a cap on work: it changes how long a hostile file takes (test_kernel_work), not what is proved"
EQUIVALENT: dict[str, dict[str, str]] = {
    "ce": {
        "all(entry >= 0 for row in flows for entry in row) -> True": LOG,
        "entry >= 0 -> True": LOG,
        "rest[g] <= group.mass -> True": LOG,
        "m[g] == 1 -> False": "for a class alone the condition follows from the norm of the block",
        'problem.bias != "none" -> True': "without a bias nothing is done inside",
        "least <= most -> True": GUARD,
        'found[c] != ("alive" if merged[c] else "dead") -> True': GUARD,
        "not (moves and vanishes) -> True": GUARD,
    },
    "relu": {
        "0 <= t <= 1 -> True": LOG,
        "problem.clusters[h].classes > (h == c) -> True": "the product of a class with itself decides nothing more",
        "h == c -> False": "the product of a class with itself decides nothing more",
        "h == c -> True": "the largest product of a class is that with its own cluster or with a wider one",
        "contrast is not None -> False": GUARD,
        '(contrast == "dead") != zero[c] -> False': GUARD,
        "not wrong -> True": GUARD,
        'contrast == "alive" -> True': "in a centred column a negative wrong logit means that the own one is above it",
        "z < 0 -> True": "in a centred column the own logit above the others means that those are negative",
    },
    "svm": {
        "work <= MAX_WORK // 10 -> True": TIME,
        "m[g] == 1 -> False": "for a class alone the condition follows from the norm of the block",
        "count_above(V, c.sqrt()) < len(m) - 1 -> False": "else |S^2 - P D P| >= 3 c^2 leaves no eigenvalue in kept",
    },
    "peeled": {
        "log_p.own[g] > log_p.others[g][g] -> False": GUARD,
        'not (contrasts[g] == "dead" and apart) -> True': GUARD,
        'contrasts[g] == "dead" -> False': "a guard, and a ball that is only narrower with it",
        "least <= most -> True": GUARD,
        "z > 0 -> False": "the own logit of a class that does not vanish is positive",
    },
    "mse": {
        "self.mu[0] < self.mu[1] -> True": "the union of a ball with itself",
        "isinstance(decays, list) and isinstance(widths, list) -> True": SHAPE,
        "L * digits <= 25 * core.MAX_DIGITS -> True": TIME,
        "(target is None) == bool(modes) -> True": "the tangent bound holds for equal sizes too; else " + SHAPE,
        "isinstance(target, list) and len(target) == 3 -> True": SHAPE,
        "len(target) == 3 -> True": SHAPE,
        'isinstance(witness["layers"], list) and len(witness["layers"]) == L -> True': SHAPE,
        'len(witness["layers"]) == L -> True': SHAPE,
        "rows >= 1 -> True": SHAPE,
        "sum(len(rows) * len(rows[0]) for _, rows in layers) <= 16 * MAX_GROUPS**2 -> True": TIME,
        'bias == "free" -> True': "squares are used for a free bias only",
        "task.kept[g] > 0 -> True": "a tangent at any point is a bound",
        "most > 0 -> True": "an open state instead of a dead one; rational mu are decided exactly",
        "mu < mode.mu[1] -> False": "the threshold would have to lie inside a bracket of mu",
        "None in (state, exact) or state == exact -> True": GUARD,
        "state == exact -> True": GUARD,
    },
    "deep": {
        "all(isinstance(entry, list) for entry in lists) -> True": SHAPE,
        'len(widths) == M and len(witness["factors"]) == M + 1 -> True': SHAPE,
        "len(widths) == M -> True": SHAPE,
        'len(witness["factors"]) == M + 1 -> True': SHAPE,
        "height == K -> True": SHAPE,
        "sum(len(rows) * len(rows[0]) for _, rows in factors) <= 4 * MAX_GROUPS**2 -> True": TIME,
    },
    "sphere": {"n >= 2 -> True": SHAPE},
    "fenchel_young": {
        "sum(repeat for _, repeat in found) == K -> True": SHAPE,
        "len(targets) == K -> True": SHAPE,
        "len(y) == K -> True": SHAPE,
        "2 <= K <= MAX_GROUPS -> True": "a problem of one class has bounds too; for many classes: " + TIME,
        "name in LOSSES -> True": SHAPE,
        'bias != "free" -> True': SHAPE,
        'task.potential == "softplus" -> False': LOG,
        "all(0 <= entry <= 1 << P for row in dual for entry in row) -> True": LOG,
        "0 <= entry <= 1 << P -> True": LOG,
        "x.mid() < 0 -> True": "two spellings of one function",
        "x.mid() < 0 -> False": "two spellings of one function",
        "column[j] != y[k][j] -> True": "it skips products with 0",
        "not square[k, k] > ball(task.first * task.second) -> True": "undecided instead of rejected",
        "square[k, k] > ball(task.first * task.second) -> False": "undecided instead of rejected",
        "square[k, k] <= ball(task.first * task.second) -> True": "differs only where a ball holds the threshold",
        "root < 1 -> True": "the log of a ball that holds 0 is not finite either",
        "p.rad() < wide.rad() -> True": "two balls that both hold",
        "p.rad() < wide.rad() -> False": "two balls that both hold",
        "not (dead and alive) -> True": GUARD,
        "top > 0 -> False": "1/Delta spans the kernel of M^T, so the count finds one less as well",
        'task.potential != "max" -> True': "no facts are stated for the hinge",
        'task.potential == "sparsemax" -> False': "a bound from logits that are not known: 0",
        "gap > 0 -> True": GUARD,
        "result.rank[0] <= most -> True": GUARD,
    },
    "polar": {"K > MOST -> False": TIME},
    "__init__": {
        "isinstance(key, str) and isinstance(options, dict) -> True": SHAPE,
        "key in MODULES -> True": SHAPE,
    },
    "core": {
        "abs(end) < tiny -> False": "digits that no file has; of a far smaller number they would fill the memory",
        "len(stated) == len(proved) -> True": SHAPE,
        'digits.removeprefix("-").isdigit() -> True': SHAPE,
        "isinstance(text, str) and text.isascii() and len(text) <= MAX_DIGITS -> True": TIME,
        "len(text) <= MAX_DIGITS -> True": TIME,
        "bottom.isdigit() == bool(slash) -> True": SHAPE,
        "isinstance(pairs, list) and all(isinstance(p, list) and len(p) == 2 for p in pairs) -> True": SHAPE,
        "len(p) == 2 -> True": SHAPE,
        "digits <= 5 * MAX_DIGITS -> True": TIME,
        "sum(found.values()) >= 2 -> True": "a problem of one class has bounds too",
        'isinstance(data, dict) and set(data) == {"p", "rows"} -> True': "what is not read proves nothing",
        'set(data) == {"p", "rows"} -> True': "what is not read proves nothing",
        "all(isinstance(row, list) for row in table) -> True": SHAPE,
        "width <= 4 * MAX_GROUPS and all(len(row) == width for row in table) -> True": SHAPE,
        "width <= 4 * MAX_GROUPS -> True": TIME,
        "len(row) == width -> True": SHAPE,
        "not (alive and dead) -> True": GUARD,
        "not lower > upper -> True": GUARD,
        "lower > upper -> False": GUARD,
        "type(stated) is str -> False": "a shortcut for strings that are equal",
        "stated == proved -> False": "a shortcut for strings that are equal",
        "P > 1024 -> True": "how many digits are tried",
        "P > 1024 -> False": "how many digits are tried",
        "bits * size**3 <= MAX_WORK -> True": TIME,
    },
    "tables": {
        "len(W[0]) == len(H[0]) -> True": SHAPE,
        "x < 1 -> True": "the log of a ball that holds 0 is not finite either",
        "m[g] > 1 -> True": "0 times the entry of a sibling that means nothing",
        "n > 1 -> True": "another entry for a sibling that means nothing",
    },
}


def cases() -> list[Any]:
    """(module, change, source) of the faults of this profile."""
    found = [
        pytest.param(module, change, source, id=f"{module} {line}, {number}: {change[:60]}")
        for module in (*OWN, *SHARED)
        for number, (_, line, change, source) in enumerate(faults(module))
        if change not in EQUIVALENT.get(module, {})
    ]
    return found[::STEP]


@pytest.mark.parametrize(("module", "change", "source"), cases())
def test_every_check_is_needed(module: str, change: str, source: str) -> None:
    assert noticed(module, source), f"{module}: {change}"


def test_the_unchanged_kernel_passes() -> None:
    for battery in (_shapes, *(battery for more in MORE.values() for battery in more)):
        assert list(battery(verify.kernel)) == []


def test_the_list_of_equivalent_faults_is_up_to_date() -> None:
    for module, reasons in EQUIVALENT.items():
        assert set(reasons) <= {change for _, _, change, _ in faults(module)}, module
