"""The optimum of the models that are always proved by the kernel, as plain data: what route *enclosure* says."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.counts import InputError, spans
from verify.digits import DIGITS, shortfall, width
from verify.kernel import interval
from verify.optimum import LISTED, count_runs
from verify.routes import enclose, solve
from verify.schemas import Interval, OptimumOutput

__all__ = ["WIDE", "enclosed"]

PRINTED = 12
"""Significant digits printed of a float, fewer where the radius does not justify them."""
BITS = 320
SINGULAR = ("ce-deep", "uf-svm", "mse")
"""Models whose singular values are printed."""
BIASED = ("ce-deep", "mse")


def enclosed(problem: Problem, *, listed: bool = True, digits: int = DIGITS) -> OptimumOutput:
    """Bounds and structure of the optimum of a problem whose model has a module in verify/models.

    Raises
    ------
    InputError
        If the problem is too large for this version, or no bounds are known.

    Examples
    --------
    >>> enclosed(Problem.svm([4, 1, 1])).verdict
    'enclosed'
    """
    if problem.K > LISTED:
        raise InputError(f"{problem.K} classes are given, this version solves at most {LISTED} in this model")
    start = time.process_time()
    found = enclose(problem, digits)
    if problem.key == "loss" and found.lower is None:
        found = _searched(problem)
    if found.lower is None or found.upper is None:
        raise InputError(f"no bounds on the optimum are known here: {found.reason}")
    with precision(BITS):
        ends = interval(found.lower, found.upper)
    if ends is None:
        raise InputError("no finite bounds on the optimum were proved")
    seconds = time.process_time() - start
    facts = _facts(found, listed)
    missing: tuple[str, ...] = () if problem.key in SINGULAR else ("singular_values",)
    missing += () if problem.key in BIASED else ("bias",)
    asked = [name for name in facts if name not in missing]
    runs = count_runs(problem)
    return OptimumOutput(
        model=problem.model,
        counts=[size for size, repeat in runs for _ in range(repeat)] if listed else runs,
        options=problem.canonical()["options"],
        value=Interval.model_validate(ends),
        gap=float(f"{float(width(ends)):.3g}"),
        verdict="enclosed" if "certificate" in found.work else "certified",
        undecided=[name for name in asked if facts[name] is None and (listed or name != "logits")],
        reason=_why(problem, ends, digits, found.reason, [name for name in asked if facts[name] is None]),
        seconds=round(seconds, 6),
        **facts,
    )


WIDE = 1e-6
"""Relative width above which the bounds are called wide."""
LISTED_FACTS = 128
"""Up to this many classes the routes give logits."""


def _why(problem: Problem, ends: dict[str, str], digits: int, reason: str, missing: Sequence[str]) -> str:
    """What to know where the bounds are wider than asked for or facts are missing."""
    note = shortfall(ends, digits, reason, problem.key)
    if note or reason or problem.K <= LISTED_FACTS or not missing:
        return note or reason
    return f"facts about single classes are given up to {LISTED_FACTS} classes"


def _searched(problem: Problem) -> Optimum:
    """A loss that the kernel does not cover: bounds in floats where it is convex."""
    found = solve("nonconvex", problem)
    if found.lower is None and found.upper is not None:
        best = found.upper.str(12, radius=False)
        raise InputError(f"{found.reason}; the best value found is {best}")
    return found


def _facts(found: Optimum, listed: bool) -> dict[str, Any]:
    """Facts under their JSON names, null where undecided."""
    values = None
    if found.singular_values is not None and found.problem.key in SINGULAR:
        values = _rounded(found.singular_values)
    Z = found.logits
    if Z is not None and found.bias is not None:
        Z = Z + found.bias[:, None]
    bias = None if found.bias is None else _rounded(found.bias)
    zero = sorted(found.zero) if found.zero is not None else [] if found.problem.model == "ce-sphere" else None
    merged = None if found.merged is None else sorted(sorted(group) for group in found.merged)
    return {
        "singular_values": values if listed or values is None else _runs(values),
        "logits": _rounded(Z) if listed and Z is not None else None,
        "bias": bias if listed or bias is None else _runs(bias),
        "merged": merged if listed or merged is None else [_ends(group) for group in merged],
        "zero": zero if listed or zero is None else spans(zero),
    }


def _rounded(values: NDArray[Any]) -> list[Any] | None:
    """Midpoints to the digits of the largest that every radius allows, at most PRINTED; None if one is not finite."""
    if not all(value.is_finite() for value in values.flat):
        return None
    middles = np.array([float(value.mid()) for value in values.flat]).reshape(values.shape)
    radius = max(float(value.rad()) for value in values.flat)
    scale = float(np.abs(middles).max(initial=0.0))
    if scale == 0 and radius == 0:
        return list(middles.tolist())
    wanted = PRINTED - math.ceil(math.log10(max(scale, radius)))
    allowed = wanted if radius == 0 else min(wanted, math.floor(-math.log10(radius)))
    return list((np.round(middles, allowed) + 0.0).tolist())


def _runs(values: Sequence[float]) -> list[tuple[float, int]]:
    return [(value, len(list(group))) for value, group in groupby(values)]


def _ends(group: Sequence[int]) -> list[int]:
    return [end for span in spans(group) for end in span]
