"""``verify optimum`` and ``verify thresholds``: one problem, computed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verify.commands import common
from verify.commands.common import (
    Bias,
    ClassWeights,
    Counts,
    Depth,
    Dim,
    Json,
    Lam,
    LambdaH,
    LambdaW,
    Model,
    Profile,
    Seed,
    Strict,
)

if TYPE_CHECKING:
    from theory.problem import Problem
    from verify.schemas import OptimumOutput
    from verify.thresholds import Threshold

__all__ = ["register"]

Rigorous = Annotated[bool, typer.Option("--rigorous", help="Prove the bounds with the kernel, however long it takes.")]
NoLogits = Annotated[bool, typer.Option("--no-logits", help="Leave out the logits; print long lists in runs.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    common.with_example(app, "optimum", "verify optimum ce --counts 500x5,100x5 --lam 5e-4")(optimum)
    common.with_example(app, "thresholds", "verify thresholds ce --profile exp:500:5:100 --bias free")(thresholds)


def optimum(
    context: typer.Context,
    model: Model,
    counts: Counts = None,
    profile: Profile = None,
    lambda_w: LambdaW = None,
    lambda_h: LambdaH = None,
    lam: Lam = None,
    bias: Bias = "none",
    class_weights: ClassWeights = None,
    depth: Depth = 1,
    dim: Dim = None,
    rigorous: Rigorous = False,
    no_logits: NoLogits = False,
    json: Json = False,
    strict: Strict = False,
    seed: Seed = 0,
) -> None:
    """Bounds on the optimal value of one problem, and what holds for every minimiser."""
    problem = common.problem_of(context.params)
    from verify.optimum import optimum as solve

    result = solve(problem, rigorous=rigorous, listed=not no_logits)
    if json:
        common.print_json(result)
    else:
        _show_optimum(problem, result)
    if strict and (result.undecided or result.verdict == "undecided"):
        raise typer.Exit(3)


def thresholds(
    context: typer.Context,
    model: Model,
    counts: Counts = None,
    profile: Profile = None,
    lambda_w: LambdaW = None,
    lambda_h: LambdaH = None,
    lam: Lam = None,
    bias: Bias = "none",
    class_weights: ClassWeights = None,
    depth: Depth = 1,
    dim: Dim = None,
    json: Json = False,
    strict: Strict = False,
    seed: Seed = 0,
) -> None:
    """Every threshold of these class sizes, exact. With weight decays given: on which side of each they are."""
    problem = common.problem_of(context.params, weights_required=False)
    from verify.thresholds import thresholds as find

    start = time.process_time()
    found = find(problem)
    seconds = round(time.process_time() - start, 6)
    given = common.has_weights(context.params)
    if json:
        _print_thresholds(problem, found, given, seconds)
    else:
        _show_thresholds(problem, found, given)
    if strict and any(t.x2 is None for t in found):
        raise typer.Exit(3)


def _print_thresholds(problem: Problem, found: Sequence[Threshold], given: bool, seconds: float) -> None:
    from verify.schemas import ThresholdEntry, ThresholdsOutput

    options = problem.canonical()["options"] | ({} if given else {"lambda_w": None, "lambda_h": None})
    runs = [(int(size), repeat) for size, repeat in _count_runs(problem)]
    output = ThresholdsOutput(
        model=problem.model,
        counts=[size for size, repeat in runs for _ in range(repeat)] if problem.K <= 1000 else runs,
        options=options,
        thresholds=[ThresholdEntry.model_validate(t.as_json()) for t in found],
        seconds=seconds,
    )
    common.print_json(output)


def _count_runs(problem: Problem) -> list[tuple[Fraction, int]]:
    return [(Fraction(size), repeat) for size, repeat in problem.canonical()["counts"]]


# --- for people --------------------------------------------------------------------------------------------------


def _show_thresholds(problem: Problem, found: Sequence[Threshold], given: bool) -> None:

    out = common.console()
    out.print(_classes(problem))
    table = common.table(
        "threshold", "claim", "size", "lam", "closed form", "verdict", *(["at your lam"] if given else [])
    )
    for t in found:
        size = "" if t.count is None else str(t.count)
        value = f"{float(Fraction(t.bounds[0])):.12g}" if t.bounds else "-"
        form = t.closed_form or ""
        row = [t.name, t.claim, size, value, form if len(form) <= 30 else form[:27] + "...", t.verdict]
        table.add_row(*row, *([_side(problem, t)] if given else []))
    out.print(table)
    for t in found[:12]:
        value = f"{float(Fraction(t.bounds[0])):.6g}" if t.bounds else "?"
        out.print(f"lam >= {value}: {t.consequence}" if t.bounds else f"{t.name}: {t.reason}", soft_wrap=True)
    if len(found) > 12:
        out.print(f"... and {len(found) - 12} more of the same kind.")
    out.print("At equality the direction is dead; lam = sqrt(lambda_w lambda_h).")


def _side(problem: Problem, t: Threshold) -> str:
    if t.x2 is None or t.x2[0] <= problem.x2 < t.x2[1]:
        return "undecided"
    return "dead" if problem.x2 >= t.x2[1] else "alive"


def _show_optimum(problem: Problem, result: OptimumOutput) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    lam = float(problem.lambda_w) ** 0.5 * float(problem.lambda_h) ** 0.5
    rows = [
        ("problem", _classes(problem)),
        (
            "weights",
            f"lambda_w {problem.lambda_w}, lambda_h {problem.lambda_h}, lam {lam:.6g}, lam N {_x(problem):.6g}",
        ),
        ("value", f"{_proven(result.value.lower, result.value.upper)}  (relative gap {result.gap:.1e})"),
        (
            "verdict",
            {"enclosed": "enclosed by the kernel", "certified": "certified in floating point"}.get(
                result.verdict, result.verdict
            ),
        ),
        ("merged", _merged(problem, result)),
        ("zero", _zero(problem, result)),
        *([("singular values", _singular(result))] if problem.model == "ce" else []),
        *[("threshold", line) for line in _nearby(problem)],
    ]
    if result.undecided:
        rows.append(("undecided", ", ".join(result.undecided)))
    if result.reason:
        rows.append(("note", result.reason))
    for row in rows:
        table.add_row(*row)
    common.console().print(table)


def _classes(problem: Problem) -> str:
    groups = [f"{c.classes} of {c.size}" + (f" (weight {c.weight})" if c.weight != 1 else "") for c in problem.clusters]
    listed = ", ".join(groups) if len(groups) <= 6 else f"{', '.join(groups[:3])}, ..., {groups[-1]}"
    bias = problem.bias if isinstance(problem.bias, str) else f"penalty {problem.bias}"
    return f"{problem.model}, {problem.K} classes, {problem.N} samples: {listed}; bias {bias}; d = {problem.dim}"


def _x(problem: Problem) -> float:
    from verify.reduced import root

    return root(problem.x2)


def _proven(lower: str, upper: str) -> str:
    """Digits that both bounds share, at most 20 of them, then an ellipsis."""
    if lower == upper:
        return lower[:24]
    same = next((i for i, (a, b) in enumerate(zip(lower, upper, strict=False)) if a != b), min(len(lower), len(upper)))
    if same < 6:
        return f"between {lower[:20]} and {upper[:20]}"
    return f"{lower[: min(same, 24)]}..."


def _merged(problem: Problem, result: OptimumOutput) -> str:
    if result.merged is None:
        return "undecided"
    if not result.merged:
        return "no two classes coincide in any minimiser"
    listed = isinstance(result.counts[0], int)
    groups = [_words(_spans(group) if listed else _pairs(group)) for group in result.merged]
    text = "; ".join(groups[:6]) + (f"; ... ({len(groups)} groups)" if len(groups) > 6 else "")
    return f"classes {text} coincide in every minimiser"


def _zero(problem: Problem, result: OptimumOutput) -> str:
    if result.zero is None:
        return "undecided"
    if not result.zero:
        return "no class has a vanishing mean feature"
    flat: list[Any] = list(result.zero)
    spans = _spans(flat) if isinstance(flat[0], int) else [(a, b) for a, b in flat]
    return f"the features of classes {_words(spans)} vanish in every minimiser"


def _spans(classes: Sequence[Any]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for k in classes:
        spans = [*spans[:-1], (spans[-1][0], k)] if spans and spans[-1][1] + 1 == k else [*spans, (k, k)]
    return spans


def _pairs(ends: Sequence[Any]) -> list[tuple[int, int]]:
    return list(zip(ends[::2], ends[1::2], strict=True))


def _words(spans: Sequence[tuple[int, int]]) -> str:
    names = [str(a) if a == b else f"{a}-{b}" for a, b in spans]
    return ", ".join(names[:8]) + (f", ... ({len(names)} ranges)" if len(names) > 8 else "")


def _singular(result: OptimumOutput) -> str:
    if result.singular_values is None:
        return "undecided"
    from itertools import groupby

    values: list[Any] = list(result.singular_values)
    runs = values if isinstance(values[0], tuple) else [(v, len(list(g))) for v, g in groupby(values)]
    names = [f"{value:.6g}" + (f" (x{repeat})" if repeat > 1 else "") for value, repeat in runs]
    rank = sum(repeat for value, repeat in runs if value > 0)
    shown = names if len(names) <= 7 else [*names[:4], "...", *names[-2:]]
    return f"{', '.join(shown)}; {rank} nonzero"


def _nearby(problem: Problem) -> list[str]:
    """The thresholds next to the weight decays, below and above."""
    from verify.thresholds import thresholds as find

    known = [t for t in find(problem, digits=12) if t.x2 is not None]
    below = [t for t in known if t.x2 and t.x2[1] <= problem.x2]
    above = [t for t in known if t.x2 and t.x2[1] > problem.x2]
    lines = []
    for t, word in [(t, "passed") for t in below[-1:]] + [(t, "ahead") for t in above[:1]]:
        size = f" of size {t.count}" if t.count is not None else ""
        lines.append(f"{word}: {t.name}{size} at lam = {float(Fraction((t.bounds or ('0',))[0])):.8g} ({t.claim})")
    return lines
