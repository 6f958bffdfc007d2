"""The problem of the models ``ce`` and ``ce-relu``, and what is stated about every minimiser."""

from fractions import Fraction
from typing import Any, NamedTuple

from .core import Array, Outcome, clusters, demand, interval, number, runs, whole
from .tables import facts


class Group(NamedTuple):
    """Classes of one size and weight; their mass is the product, N times the coefficient of one class in the loss."""

    size: Fraction
    weight: Fraction
    mass: Fraction
    classes: int


class Problem(NamedTuple):
    """The problem: clusters are all classes of one size and weight, N their samples, x2 = lambda_w lambda_h N^2."""

    clusters: list[Group]
    lambda_w: Fraction
    lambda_h: Fraction
    bias: str | Fraction
    dim: int
    K: int
    N: Fraction
    x2: Fraction


class Task(NamedTuple):
    """The problem, the groups and their numbers of classes m, the two points offered."""

    problem: Problem
    groups: list[Group]
    m: list[int]
    arrays: dict[str, Array]
    precisions: list[int]


def read_problem(data: dict[str, Any]) -> Problem:
    """The problem, rebuilt from the canonical description."""
    options, sizes = data["options"], runs(data["counts"])
    demand(set(options) == {"lambda_w", "lambda_h", "bias", "class_weights", "dim"}, "unexpected options")
    K, N, given = sum(m for _, m in sizes), sum((n * m for n, m in sizes), Fraction(0)), options["class_weights"]
    found = clusters(sizes, [(Fraction(1), K)] if given is None else runs(given))
    bias = options["bias"] if options["bias"] in ("none", "free") else number(options["bias"])
    W, H, dim = number(options["lambda_w"]), number(options["lambda_h"]), whole(options["dim"], 1)
    return Problem([Group(s, w, s * w, m) for (s, w), m in found], W, H, bias, dim, K, N, W * H * N**2)


def describe(problem: Problem, result: Outcome, merging: list[str], vanishing: list[str]) -> dict[str, Any]:
    """Facts as JSON data; ``uses`` names the claims that a fact relies on."""
    m, rank = [c.classes for c in problem.clusters], result.rank or (0, 0)
    return {
        "clusters": [[str(c.size), str(c.weight), c.classes] for c in problem.clusters],
        "rank": {"uses": [], "lower": rank[0], "upper": rank[1]},
        "contrast": {"uses": [], "values": result.contrasts},
        "merged": {"uses": merging, "values": result.merged},
        "zero": {"uses": vanishing, "values": result.zero},
        "log_probabilities": {"uses": [], **facts(m, result.log_probabilities)},
        "logits": {"uses": [], **facts(m, result.logits)},
        "bias": {"uses": [], "values": [interval(b) for b in result.bias or []]},
    }
