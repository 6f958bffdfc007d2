"""The optimum of one problem as plain data: bounds on the value, and facts about every minimiser.

The kernel's answer is used where it is affordable, the floating-point dual certificate otherwise. Everything is
kept per cluster and expanded only for printing, so the cost does not depend on the number of classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any, Literal

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from theory.problem import Problem
from verify.blocks import BlockPoint
from verify.counts import InputError
from verify.digits import DIGITS, shortfall
from verify.dual import Assessment, assess
from verify.kernel import MAX_GROUPS, Outcome
from verify.routes import certify
from verify.routes.exact import solve_blocks
from verify.schemas import Interval, OptimumOutput
from verify.ties import zero_is_minimiser

__all__ = ["LISTED", "certificate", "count_runs", "optimum"]

Array = NDArray[Any]
Ranges = list[tuple[int, int]]

LISTED = 1000
"""Up to this many classes are listed one by one; beyond, in runs."""
AFFORDABLE_CLUSTERS = 20
AFFORDABLE_CLASSES = 100
MOST_CLUSTERS = 2000
SOLVER_DIGITS = 9
"""Significant digits printed of numbers that are computed in floating point and not proved that far."""
FACTS = ("singular_values", "logits", "bias", "merged", "zero")


@dataclass(frozen=True)
class Facts:
    """What holds for every minimiser, per cluster in the order of ``problem.clusters``.

    Attributes
    ----------
    point : centred mean logits and bias (midpoints), with exact zeros where they are proved.
    radius : (G, G) radii of the logits between classes of two clusters (own and sibling on the diagonal).
    bias_radius : (G,).
    merged, zero : truth values; None is undecided (``merged`` is None for a cluster of one class).
    rank : most singular values of Z D^(1/2) that are not zero; None in model ``ce-relu``.
    """

    point: BlockPoint
    radius: Array
    bias_radius: Array
    merged: tuple[bool | None, ...]
    zero: tuple[bool | None, ...]
    rank: int | None


@dataclass(frozen=True)
class Bounds:
    """Bounds on the optimal value with what was proved beside them."""

    value: Interval
    verdict: Literal["enclosed", "certified", "undecided"]
    facts: Facts | None
    reason: str = ""


def optimum(problem: Problem, *, rigorous: bool = False, listed: bool = True, digits: int = DIGITS) -> OptimumOutput:
    """Bounds, singular values, logits and structure of the optimum.

    Parameters
    ----------
    problem : of any model; ``ce-relu`` without bias.
    rigorous : use the kernel even where it takes long (the models other than ``ce`` always use it).
    listed : print logits and class by class; always in runs above ``LISTED`` classes.
    digits : of the bounds, where the kernel proves them; ``reason`` says so where they are wider.

    Returns
    -------
    OptimumOutput
        Numbers are rounded to the digits that their radius allows; facts that could not be decided are null
        and named in ``undecided``.

    Raises
    ------
    InputError
        If the problem has more different (size, weight) pairs than this version solves, numbers beyond floats, or
        a bias in model ``ce-relu``.

    Examples
    --------
    >>> result = optimum(Problem.ce([(120, 4), (25, 3)], "0.013"))
    >>> result.verdict, result.merged, result.zero
    ('enclosed', [[4, 5, 6]], [4, 5, 6])
    """
    from verify import models

    if models.of(problem.key) is not None:
        from verify.enclosed import enclosed

        return enclosed(problem, listed=listed, digits=digits)
    _require_covered(problem)
    _require_size(problem, rigorous)
    start = time.process_time()
    bounds = _bounds(problem, rigorous, digits)
    seconds = time.process_time() - start
    return _output(problem, bounds, listed and problem.K <= LISTED, seconds)


def certificate(problem: Problem, digits: int = DIGITS) -> dict[str, Any]:
    """Certificate of the optimum, accepted by the kernel (JSON data of ``verify.certificate/1``).

    Parameters
    ----------
    problem : the problem.
    digits : wanted of the bounds; :func:`verify.digits.shortfall` says where they are wider than that.

    Raises
    ------
    InputError
        As :func:`optimum`, for the sizes that the kernel accepts.
    ValueError
        If the kernel accepts no proposal.

    Examples
    --------
    >>> certificate(Problem.ce([(9, 2), (4, 3)], "0.03"))["facts"]["rank"]["upper"]
    4
    """
    _require_covered(problem)
    return _certified(problem, digits)[0]


def _require_covered(problem: Problem) -> None:
    if problem.key == "ce-relu" and problem.bias != "none":
        raise InputError("--bias: model ce-relu is solved without a bias only")


def _require_size(problem: Problem, rigorous: bool) -> None:
    rigorous = rigorous or problem.key == "ce-relu"
    most, clusters = MAX_GROUPS if rigorous else MOST_CLUSTERS, len(problem.clusters)
    if clusters > most:
        who = "the kernel accepts" if rigorous else "this version solves"
        raise InputError(f"{clusters} different (size, weight) pairs are given, {who} at most {most}")


def _certified(problem: Problem, digits: int) -> tuple[dict[str, Any], Outcome]:
    try:
        return certify(problem, digits)
    except (ArithmeticError, LookupError, np.linalg.LinAlgError) as error:  # a proposal may fail in any way
        raise ValueError(f"no proposal: {type(error).__name__}") from error


def _bounds(problem: Problem, rigorous: bool, digits: int) -> Bounds:
    affordable = len(problem.clusters) <= AFFORDABLE_CLUSTERS or problem.K <= AFFORDABLE_CLASSES
    reason = ""
    if rigorous or affordable or problem.model == "ce-relu":
        try:
            return _from_certificate(problem, *_certified(problem, digits), digits)
        except ValueError as error:
            reason = f"the kernel accepted no certificate ({error})"
    if problem.model == "ce-relu":
        raise InputError(reason)
    try:
        point = solve_blocks(problem)
        found = assess(problem, point)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):
        raise InputError("the sizes, weights or weight decays are too far apart for floating-point numbers") from None
    upper = found.upper + found.allowance  # the lower bound has its allowance already
    value = Interval(lower=_decimal(found.lower, ROUND_FLOOR), upper=_decimal(upper, ROUND_CEILING))
    facts, loose = _from_assessment(problem, point, found)
    if rigorous:
        return Bounds(value, "undecided", None, f"{reason}; the bounds are floating-point bounds")
    return Bounds(value, "certified", facts, "; ".join(filter(None, (reason, loose))))


def _decimal(value: float, rounding: str) -> str:
    return str(Context(prec=17, rounding=rounding).create_decimal(Decimal(value)))


# --- what the kernel proved --------------------------------------------------------------------------------------


def _from_certificate(problem: Problem, data: dict[str, Any], outcome: Outcome, digits: int) -> Bounds:
    value, facts = Interval.model_validate(data["bounds"]), data["facts"]
    if not facts:
        return Bounds(value, "enclosed", None, shortfall(data["bounds"], digits, _loose(problem)) or _loose(problem))
    m = np.array([c.classes for c in problem.clusters])
    own, own_radius = _balls([facts["logits"]["own"]], m == 0)
    sibling, sibling_radius = _balls([facts["logits"]["sibling"]], m == 1)
    means, radius = _balls(facts["logits"]["cross"], np.eye(len(m), dtype=bool))
    np.fill_diagonal(means, (own[0] + (m - 1) * sibling[0]) / m)
    np.fill_diagonal(radius, np.maximum(own_radius[0], sibling_radius[0]))
    bias, bias_radius = _balls([facts["bias"]["values"]], m == 0)
    point = BlockPoint(np.where(m > 1, own[0] - sibling[0], 0.0), means, bias[0])
    merged, zero = tuple(facts["merged"]["values"]), tuple(facts["zero"]["values"])
    rank = facts["rank"]["upper"] if problem.model == "ce" else None
    if None in zero and problem.model == "ce" and zero_is_minimiser(problem):
        merged = zero = (True,) * len(m)
        rank = 0
    result = _with_zeros(Facts(point, radius, bias_radius[0], merged, zero, rank))
    notes = (shortfall(data["bounds"], digits, outcome.reason), _precision(problem, result))
    return Bounds(value, "enclosed", result, "; ".join(filter(None, notes)))


def _balls(rows: list[list[dict[str, str] | None]], absent: Array) -> tuple[Array, Array]:
    """Middles and radii of a table of intervals: 0 and 0 where nothing belongs, 0 and inf where nothing is known."""
    ends = [[(0.0, 0.0) if i is None else (float(i["lower"]), float(i["upper"])) for i in row] for row in rows]
    known = np.array([[i is not None for i in row] for row in rows])
    lower, upper = np.moveaxis(np.array(ends), -1, 0)
    return (lower + upper) / 2, np.where(known, (upper - lower) / 2, np.where(absent, 0.0, np.inf))


def _loose(problem: Problem) -> str:
    if problem.model == "ce-relu":
        return (
            f"d = {problem.dim} is below the number of classes that would be alive: the bounds hold, but may be loose"
        )
    return (
        f"d = {problem.dim} may be below the rank of the relaxed optimum: the bounds hold, but factors of this width "
        "may not reach the lower bound, and statements about every minimiser do not follow"
    )


# --- what the floating-point dual certificate says ---------------------------------------------------------------


def _from_assessment(problem: Problem, point: BlockPoint, found: Assessment) -> tuple[Facts | None, str]:
    if problem.dim < found.rank[1]:
        return None, _loose(problem)
    clusters = problem.clusters
    merged = tuple(None if c.classes == 1 else problem.x2 >= c.weight**2 * c.size for c in clusters)
    radius = found.logit_radius
    alive = sum(c.classes - 1 for c, state in zip(clusters, found.contrasts, strict=True) if state == "alive")
    own = np.diag(point.means) + point.alpha * (1 - 1 / np.array([c.classes for c in clusters]))
    largest = np.abs(point.means)
    np.fill_diagonal(largest, np.abs(own))
    nonzero = [bool(column.any()) for column in (largest > radius).T]
    vanishes = [found.rank[1] == alive and state != "alive" for state in found.contrasts]
    zero = tuple(False if n else True if v else None for n, v in zip(nonzero, vanishes, strict=True))
    facts = _with_zeros(Facts(point, radius, found.bias_radius, merged, zero, found.rank[1]))
    return facts, _precision(problem, facts)


def _with_zeros(facts: Facts) -> Facts:
    """The midpoints with proved zeros in their place."""
    dead, zero = (np.array([bool(flag) for flag in flags]) for flags in (facts.merged, facts.zero))
    nothing = zero[:, None] | zero
    point = BlockPoint(
        np.where(dead | zero, 0.0, facts.point.alpha), np.where(nothing, 0.0, facts.point.means), facts.point.bias
    )
    return replace(facts, point=point, radius=np.where(nothing, 0.0, facts.radius))


def _precision(problem: Problem, facts: Facts) -> str:
    """What to know where fewer digits are proved than printed."""
    error, largest = _error(problem, facts), float(np.abs(facts.point.quotient(problem)).max(initial=0.0))
    if error <= largest * 10.0**-SOLVER_DIGITS:
        return ""
    return (
        f"singular values are proved to {error:.1e} and logits to {float(facts.radius.max()):.1e}; "
        f"printed are {SOLVER_DIGITS} digits of the floating-point solution"
    )


# --- plain data --------------------------------------------------------------------------------------------------


def _output(problem: Problem, bounds: Bounds, listed: bool, seconds: float) -> OptimumOutput:
    lower, upper = Fraction(bounds.value.lower), Fraction(bounds.value.upper)
    facts: dict[str, Any] = dict.fromkeys(FACTS)
    undecided = list(FACTS) if bounds.facts is None else []
    if bounds.facts is not None:
        facts, undecided = _facts(problem, bounds.facts, listed)
    if not listed:
        undecided = [name for name in undecided if name != "logits"]
    runs = count_runs(problem)
    return OptimumOutput(
        model=problem.model,
        counts=[size for size, repeat in runs for _ in range(repeat)] if listed else runs,
        options=problem.canonical()["options"],
        value=bounds.value,
        gap=float(f"{float((upper - lower) / abs(upper)):.3g}"),
        verdict=bounds.verdict,
        undecided=undecided,
        reason=bounds.reason,
        seconds=round(seconds, 6),
        **facts,
    )


def count_runs(problem: Problem) -> list[tuple[int, int]]:
    """[(count, repeat), ...] in class order.

    Examples
    --------
    >>> count_runs(Problem.ce([3, 3, 1], 1))
    [(3, 2), (1, 1)]
    """
    joined = groupby(problem.runs, key=lambda run: run.size)
    return [(int(size), sum(run.repeat for run in group)) for size, group in joined]


def _facts(problem: Problem, facts: Facts, listed: bool) -> tuple[dict[str, Any], list[str]]:
    """Facts under their JSON names, null where undecided, and the names of those."""
    values: dict[str, Any] = {
        "singular_values": _singular_values(problem, facts, listed) if problem.model == "ce" else None,
        "logits": _logits(problem, facts) if listed else None,
        "bias": _bias(problem, facts, listed),
        "merged": _merged(problem, facts, listed),
        "zero": None if None in facts.zero else _zero(problem, facts, listed),
    }
    left_out = {"logits": not listed, "singular_values": problem.model != "ce"}
    undecided = [name for name in FACTS if values[name] is None and not left_out.get(name)]
    return values, undecided


def _rounded(values: Array, radius: float) -> list[Any]:
    """Values to the digits of the largest that the radius allows, at most 12, at least those the solver is good for."""
    scale = float(np.abs(values).max(initial=0.0))
    if scale == 0:
        return list(values.tolist())
    wanted = 12 - math.ceil(math.log10(scale))
    least = wanted - 12 + SOLVER_DIGITS
    allowed = math.floor(-math.log10(radius)) if 0 < radius < math.inf else wanted if radius == 0 else least
    return list((np.round(values, min(wanted, max(least, allowed))) + 0.0).tolist())


def _error(problem: Problem, facts: Facts) -> float:
    """Radius of the singular values: of Z D^(1/2) in the Frobenius norm (Weyl)."""
    m = np.array([c.classes for c in problem.clusters], dtype=float)
    n = np.array([float(c.size) for c in problem.clusters])
    return math.sqrt(float(m @ facts.radius**2 @ (m * n)))


def _singular_values(problem: Problem, facts: Facts, listed: bool) -> list[Any]:
    """Of Z D^(1/2): each contrast m - 1 times, and those of the quotient block; zeros beyond the proved rank."""
    n = np.array([float(c.size) for c in problem.clusters])
    quotient = scipy.linalg.svd(facts.point.quotient(problem), compute_uv=False, lapack_driver="gesvd")
    rows = _rounded(np.concatenate([facts.point.alpha * np.sqrt(n), quotient]), _error(problem, facts))
    repeats = [c.classes - 1 for c in problem.clusters] + [1] * len(quotient)
    left = problem.K if facts.rank is None else facts.rank
    pairs: list[tuple[float, int]] = []
    for value, r in sorted(zip(rows, repeats, strict=True), reverse=True):
        kept = min(r, left)
        pairs += [(v, times) for v, times in ((value, kept), (0.0, r - kept)) if times]
        left -= kept
    joined = [(value, sum(r for _, r in group)) for value, group in groupby(pairs, key=lambda pair: pair[0])]
    return [value for value, repeat in joined for _ in range(repeat)] if listed else joined


def _logits(problem: Problem, facts: Facts) -> list[list[float]]:
    Z, bias = facts.point.expand(problem)
    return _rounded(Z + bias[:, None], float(facts.radius.max() + facts.bias_radius.max()))


def _bias(problem: Problem, facts: Facts, listed: bool) -> list[Any]:
    values = _rounded(facts.point.bias, float(facts.bias_radius.max()))
    ranges = [
        (first, last, value) for c, value in zip(problem.clusters, values, strict=True) for first, last in c.ranges
    ]
    ordered = [(value, last - first + 1) for first, last, value in sorted(ranges)]
    joined = [(value, sum(r for _, r in group)) for value, group in groupby(ordered, key=lambda pair: pair[0])]
    return [value for value, repeat in joined for _ in range(repeat)] if listed else joined


def _merged(problem: Problem, facts: Facts, listed: bool) -> list[list[int]] | None:
    """Groups that coincide: the classes of a merged cluster, and all classes that vanish.

    In runs a group is first, last, first, last, ...: two numbers unless its classes are scattered.
    """
    if None in facts.zero:
        return None
    vanish = [c for c, zero in zip(problem.clusters, facts.zero, strict=True) if zero]
    pairs = zip(problem.clusters, facts.merged, facts.zero, strict=True)
    groups = [_joined(span for c in vanish for span in c.ranges)]
    groups += [list(c.ranges) for c, merged, zero in pairs if merged and not zero]
    large = sorted(group for group in groups if sum(b - a + 1 for a, b in group) > 1)
    if listed:
        return [[k for a, b in group for k in range(a, b + 1)] for group in large]
    return [[end for span in group for end in span] for group in large]


def _zero(problem: Problem, facts: Facts, listed: bool) -> list[Any]:
    spans = _joined(s for c, zero in zip(problem.clusters, facts.zero, strict=True) if zero for s in c.ranges)
    return [k for a, b in spans for k in range(a, b + 1)] if listed else spans


def _joined(spans: Iterable[tuple[int, int]]) -> Ranges:
    """Sorted spans, neighbours joined."""
    out: Ranges = []
    for first, last in sorted(spans):
        if out and out[-1][1] + 1 == first:
            out[-1] = (out[-1][0], last)
        else:
            out.append((first, last))
    return out
