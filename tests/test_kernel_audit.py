"""Certificates by pencil on which an audit made the kernel say something false; each stays a test, with its fault."""

from __future__ import annotations

import hashlib
import json
import math
import types
from typing import Any

import pytest
from faulty_kernel import load

import verify.kernel

ONES = [["1", 2]]
P = 60
SHIFT = int(math.sqrt(math.log(3) / 2) * 2**P)
"""W = H = (s, -s): logits log(3) apart."""
SWAPPED = [["0", "1"], ["1", "0"]]
"""Soft targets that exchange two classes: the dual matrix has a negative eigenvalue on their contrast."""


def array(rows: list[list[int]], p: int = 0) -> dict[str, Any]:
    return {"p": p, "rows": rows}


def file(model: str, options: dict[str, Any], witness: dict[str, Any], counts: list[list[Any]] = ONES) -> str:
    problem = {"model": model, "counts": counts, "options": options}
    text = json.dumps(problem, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    more = {"schema": "verify.certificate/1", "problem": digest, "witness": witness, "bounds": None, "facts": None}
    return json.dumps(problem | more)


def loss(name: str, witness: dict[str, Any], counts: list[list[Any]] = ONES, **changed: Any) -> str:
    plain = {"smoothing": "0", "adjustment": "0", "scaling": "0", "loss_temperature": "1", "targets": None}
    decays = {"feature_decay": ONES, "row_decay": ONES, "class_weights": None, "dim": 2}
    peeled = "e_w" in changed
    own = {} if peeled else {"lambda_w": "1/4", "lambda_h": "1/4", "bias": "none"}
    options = {"loss": name} | plain | decays | own | changed
    return file("layer-peeled" if peeled else "ce", options, {"bias": array([[0, 0]])} | witness, counts)


NEGATIVE_PRICE = loss(
    "squared",
    {"dual": array([[1, 0], [0, 1]]), "W": array([[0], [0]]), "H": array([[0], [0]]), "nu": array([[-4]], 4)},
    e_w="1",
    e_h="1",
)
QUARTER = 2**P // 4 - 2**10
EXCHANGED = loss(
    "ce",
    {
        "dual": array([[QUARTER, 2**P - QUARTER], [2**P - QUARTER, QUARTER]], P),
        "W": array([[-SHIFT], [SHIFT]], P),
        "H": array([[SHIFT], [-SHIFT]], P),
    },
    targets=SWAPPED,
)
NO_GAP = loss(
    "squared",
    {
        "dual": array([[3, 1], [1, 3]], 3),
        "W": array([[1], [-1]], 2),
        "H": array([[1], [-1]], 1),
        "bias": array([[1, 1]], 2),
    },
    lambda_w="3/4",
    lambda_h="3/16",
    bias="1",
)
UNUSED = loss(
    "ce",
    {
        "dual": array([[3, 1], [1, 3]], 2),
        "W": array([[SHIFT], [-SHIFT]], P),
        "H": array([[SHIFT], [-SHIFT]], P),
        "nu": array([[1]], 120),
    },
    smoothing="1/2",
    e_w="100",
    e_h="100",
)
MOVED_BY_BIAS = loss(
    "sparsemax",
    {"dual": array([[5, 5], [3, 3]], 3), "W": array([[0], [0]]), "H": array([[0], [0]]), "bias": array([[1, -1]], 3)},
    counts=[["3", 1], ["1", 1]],
    lambda_w="8/25",
    lambda_h="8/25",
    bias="1",
)


def complaint(kernel: types.ModuleType) -> str:
    """What is wrong with a kernel, on the problems solved by pencil; or ''."""
    if kernel.check(NEGATIVE_PRICE)["outcome"] != "rejected":
        return "a negative price is a gain"
    swapped = kernel.check(EXCHANGED)
    if swapped["outcome"] != "bounds" or swapped["facts"]["merged"]["values"] == [True]:
        return "logits -log(3)/2 and log(3)/2 are said to be merged"
    exact = kernel.check(NO_GAP)
    if exact["outcome"] != "bounds" or exact["facts"]["rank"]["upper"] != 1:
        return "a singular value equal to the norm is lost: the logits are 1/8 (1, -1) (1, -1)^T"
    unused = kernel.check(UNUSED)
    if unused["outcome"] != "bounds" or "logits" in unused["facts"]:
        return "one optimum of many is said to be all: columns may be shifted where the budget is not used in full"
    moved = kernel.check(MOVED_BY_BIAS)
    if moved["outcome"] != "bounds" or moved["facts"]["rank"] != {"lower": 0, "upper": 0}:
        return "Z = 0 is optimal, the bias moves the predictions"
    return ""


FAULTS = [
    ('demand(task.arrays["nu"][1][0][0] > 0, "nu is not a norm")', "pass"),
    ("dead = value + radius < top and radius - value < top", "dead = value + radius < top"),
    ("below = top * (1 - arb(2) ** (16 - ctx.prec)) - radius", "below = top - radius"),
    ("shifted = bool(not top > 0)", "shifted = False"),
    ("task.penalty is None and upper <", "upper <"),
]


def test_the_kernel_is_right_on_problems_solved_by_pencil():
    assert complaint(verify.kernel) == ""


@pytest.mark.parametrize(("before", "after"), FAULTS)
def test_every_mend_is_needed(before, after):
    assert complaint(load("fenchel_young", before, after)) != ""


@pytest.mark.parametrize("exponent", [8, 10, 20, 400])
def test_values_beyond_all_digits_end_as_an_outcome(exponent):
    """log(1 + exp(-10^20)) has no decimal digits that fit into a machine."""
    big = 10**exponent
    options = {"e_w": str(big), "e_h": str(big), "class_weights": None, "dim": 2}
    point = {"gaps": array([[big]]), "W": array([[]]), "H": array([[]])}
    witness = {"full": False, "norm": array([[1]], 3), "point": point, "dual": None}
    found = verify.kernel.check(file("layer-peeled", options, witness))
    assert found["outcome"] == "bounds"
    assert float(found["bounds"]["upper"]) < 0.01


def coded(lambda_w: str, lambda_h: str, dim: int, error: list[list[int]], p: int) -> str:
    """ "The coded margins cost at least 2" on two classes of one sample with ReLU features."""
    options = {"lambda_w": lambda_w, "lambda_h": lambda_h, "bias": "none", "class_weights": None, "dim": dim}
    zero = array([[0]])
    witness = {"errors": array(error, p), "kept": zero, "W": array([[0], [0]]), "H": zero}
    parts = {"claim": "X", "because": "", "given": [], "shows": None}
    certificate = json.loads(file("ce-relu", options, witness))
    assert verify.kernel.check(json.dumps(certificate))["outcome"] == "bounds"
    says = [{"coded-margin": 0, "factor": "1"}, ">=", 2]
    return json.dumps({"schema": "verify.refutation/1", "certificates": [certificate], "says": says} | parts)


def test_a_negative_margin_has_no_price():
    assert verify.kernel.check(coded("643/1000", "4", 2, [[1]], 1))["outcome"] == "rejected"


def test_margins_that_no_point_reaches_have_no_least_value():
    assert verify.kernel.check(coded("1/10", "1/10", 1, [[1]], 4))["outcome"] == "rejected"
    assert verify.kernel.check(coded("1/10", "1/10", 2, [[1]], 4))["outcome"] == "refuted"
