"""``verify optimum`` and ``verify thresholds``: one problem, computed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR
from fractions import Fraction
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verify.commands import common
from verify.commands.common import DIGITS, Digits, Json, Seed, Strict
from verify.counts import spans
from verify.wording import brief, counted, outward

if TYPE_CHECKING:
    from theory.problem import Cluster, Problem
    from verify.schemas import OptimumOutput
    from verify.thresholds import Threshold

__all__ = ["register"]

Rigorous = Annotated[bool, typer.Option("--rigorous", help="Prove the bounds with the kernel, however long it takes.")]
NoLogits = Annotated[bool, typer.Option("--no-logits", help="Leave out the logits; print long lists in runs.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    common.with_example(app, "optimum", "verify optimum ce --counts 500x5,100x5 --lam 5e-4")(optimum)
    common.with_example(app, "thresholds", "verify thresholds ce --profile exp:500:5:100 --bias free")(thresholds)


@common.with_problem
def optimum(
    given: dict[str, Any],
    rigorous: Rigorous = False,
    no_logits: NoLogits = False,
    digits: Digits = DIGITS,
    json: Json = False,
    strict: Strict = False,
    seed: Seed = 0,
) -> None:
    """Bounds on the optimal value of one problem, and what holds for every minimiser."""
    problem = common.problem_of(given)
    from verify.optimum import optimum as solve

    result = solve(problem, rigorous=rigorous, listed=not no_logits, digits=digits)
    if json:
        common.print_json(result)
    else:
        _show_optimum(problem, result, digits)
    if strict and (result.undecided or result.verdict == "undecided"):
        raise typer.Exit(3)


@common.with_problem
def thresholds(given: dict[str, Any], json: Json = False, strict: Strict = False, seed: Seed = 0) -> None:
    """Every threshold of these class sizes, exact. With weight decays given: on which side of each they are."""
    problem = common.problem_of(given, weights_required=False)
    from verify.thresholds import thresholds as find

    start = time.process_time()
    found = find(problem)
    seconds = round(time.process_time() - start, 6)
    placed = common.is_placed(given)
    if json:
        _print_thresholds(problem, found, placed, seconds)
    else:
        _show_thresholds(problem, found, placed)
    if strict and any(t.value is None for t in found):
        raise typer.Exit(3)


def _print_thresholds(problem: Problem, found: Sequence[Threshold], placed: bool, seconds: float) -> None:
    from verify.schemas import ThresholdEntry, ThresholdsOutput

    options = problem.canonical()["options"] | ({} if placed else {"lambda_w": None, "lambda_h": None})
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


def _show_thresholds(problem: Problem, found: Sequence[Threshold], placed: bool) -> None:
    out = common.console()
    out.print(_classes(problem))
    if problem.model == "layer-peeled":
        budgets = f"E_W {brief(problem.e_w)} (--ew), E_H {brief(problem.e_h)} (--eh)"
        out.print(f"budgets per class: {budgets}; the nuclear norm is at most T = K sqrt(E_W E_H) = {_budget(problem)}")
    if not found:
        out.print(NONE_KNOWN.get(problem.model, "This version knows no threshold of this problem."))
        return
    parameter = found[0].parameter
    headers = ["threshold", "claim", "size", parameter, "closed form", "verdict"]
    table = common.table(*headers, *([f"at your {parameter}"] if placed else []))
    for t in sorted(found, key=_place):
        size = "" if t.count is None else str(t.count)
        value = _value(t)
        form = t.closed_form or ""
        row = [t.name, t.claim, size, value, form if len(form) <= LONGEST else "long: --json", t.verdict]
        table.add_row(*row, *([_side(problem, t)] if placed else []))
    out.print(table)
    for line in (*_consequences(found), *_remarks(problem)):
        out.print(line, soft_wrap=True)
    out.print(MEANING.get(parameter, MEANING.get(problem.key, MEANING[problem.model])))


def _value(t: Threshold) -> str:
    return f"{float(Fraction(t.bounds[0])):.{12 if t.verdict == 'enclosed' else 9}g}" if t.bounds else "-"


def _place(t: Threshold) -> tuple[float, bool, Fraction]:
    """By value; those that print as the same number by size, the smallest first, and without a size last."""
    at = float(_value(t)) if t.bounds else inf
    return at, t.count is None, Fraction(t.count or 0)


LONGEST = 30
"""Characters of a closed form that is printed."""
ALIKE = 4
"""So many thresholds of one name are told in one sentence."""
TOGETHER = {
    "cluster_merge": "From its {parameter} on, the classes of a size (equal in weight, too) share one mean feature and "
    "one classifier row, so the model cannot tell them apart.",
    "class_zero": "From its {parameter} on, all features of the classes of a size (equal in weight, too) are zero.",
}


def _consequences(found: Sequence[Threshold]) -> list[str]:
    """What the thresholds mean: one line each, many of one kind together; without a number the reason."""
    names = Counter(t.name for t in found if t.bounds)
    together = {name for name, count in names.items() if count >= ALIKE and name in TOGETHER}
    lines = [f"{name}: {TOGETHER[name].format(parameter=found[0].parameter)}" for name in names if name in together]
    for t in found:
        if t.bounds and t.name not in together:
            lines.append(f"{t.parameter} >= {float(Fraction(t.bounds[0])):.6g}: {t.consequence}")
    reasons: dict[str, list[str]] = {}
    for t in (t for t in found if not t.bounds):
        general, _, own = t.reason.partition("; in lam ")
        where = t.name if t.count is None else f"{t.name}, size {t.count}"
        reasons.setdefault(general, []).append(f"{where}: lam {own[3:]}" if own else where)
    for general, places in reasons.items():
        told = [line for line in places if ": " in line]
        head = "" if told else ", ".join(places) + ": "
        lines += [*told, f"{head}{general}."]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"... and {len(lines) - MOST_LINES} more of the same kind."]
    return lines


MOST_LINES = 12


def _remarks(problem: Problem) -> list[str]:
    """What the table does not say: about classes with a size of their own, and rounded weights."""
    lines = []
    alone = sum(cluster.classes == 1 for cluster in problem.clusters)
    if alone and problem.model == "ce" and not problem.deeper and problem.K > 2:
        who = "1 class has" if alone == 1 else f"{alone} classes have"
        lines.append(
            f"{who} a size or weight that no other class has: exact merging is for equal classes, so there is no "
            "merging threshold" + _guarantee(problem)
        )
        lines += _lost(problem)
    if any(weight.denominator > ROUNDED for weight in {run.weight for run in problem.runs}):
        lines.append("The class weights are rounded to 40 digits; thresholds are exact for the rounded weights.")
    return lines


def _guarantee(problem: Problem) -> str:
    """From where NR26-19 says nothing more about the class that is hardest to keep right."""
    if problem.key != "ce" or problem.bias != "none" or problem.dim < problem.K - 1:
        return "."
    least = min(c.weight * c.weight * c.size for c in problem.clusters if c.classes == 1)
    return (
        f"; each is classified correctly below its lam = w sqrt(n/2)/N, all of them below "
        f"{float(least / 2) ** 0.5 / float(problem.N):.6g} (NR26-19)."
    )


def _lost(problem: Problem) -> list[str]:
    """From where NR26-24 says that classes are lost to larger ones."""
    sizes = sorted(set(problem.sizes))
    weights = {run.weight for run in problem.runs}
    if problem.key != "ce" or len(weights) > 1 or len(sizes) < 2:
        return []
    first = float(weights.pop()) * float(sizes[1]) ** 0.5 / float(problem.N)
    return [
        "From lam = w sqrt(n)/N of a class on no smaller class is classified correctly; those of size "
        f"{sizes[0]} are lost from {first:.6g} on (NR26-24)."
    ]


ROUNDED = 10**30


NONE_KNOWN = {
    "ce-sphere": "Unit vectors have no threshold: there is no weight decay and no class size.",
    "uf-svm": "Thresholds of this model are known for exactly two class sizes.",
    "layer-peeled": "Thresholds of this model are known for exactly two values of size times weight.",
}
MEANING = {
    "ce": "At equality the direction is dead; lam = sqrt(lambda_w lambda_h).",
    "ce-relu": "At equality the direction is dead; lam = sqrt(lambda_w lambda_h).",
    "ce-deep": "lam is the common value of all weight decays (else their geometric mean).",
    "mse": "lam is the common value of all weight decays (else their geometric mean).",
    "uf-svm": "ratio is that of the larger class size to the smaller.",
    "multiplier": "multiplier is that of the nuclear budget sqrt(E_W E_H) K: how fast the loss falls as it grows.",
    "layer-peeled": "ratio is that of the larger class size (times weight) to the smaller, at these budgets.",
}


def _side(problem: Problem, t: Threshold) -> str:
    """On which side of a threshold a problem lies, decided on rationals."""
    if t.x2 is not None:
        here, ends, words = problem.x2, t.x2, ("alive", "dead")
    elif t.enclosure is None or t.parameter == "multiplier":
        return "undecided"
    elif t.parameter == "ratio":
        first, last = problem.clusters[0], problem.clusters[-1]
        ratio = max(c.size * c.weight for c in (first, last)) / min(c.size * c.weight for c in (first, last))
        here, ends, words = ratio, t.enclosure, ("below", "past")
    else:
        power = problem.depth + 1
        here, words = problem.product, ("alive", "dead")
        ends = (t.enclosure[0] ** power, t.enclosure[1] ** power)
    if ends[0] <= here < ends[1]:
        return "undecided"
    if here == ends[0] == ends[1]:
        return {"alive": words[0], "dead": words[1], "tie": "tie"}[t.at_equality]
    return words[here >= ends[1]]


def _show_optimum(problem: Problem, result: OptimumOutput, digits: int) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    rows = [
        ("problem", _classes(problem)),
        *([("weights", weights)] if (weights := _weights(problem)) else []),
        ("value", f"{_proven(result.value.lower, result.value.upper, digits)}  (relative gap {result.gap:.1e})"),
        (
            "verdict",
            _verdict(result),
        ),
        ("merged", _merged(problem, result)),
        ("zero", _zero(problem, result)),
        *([("singular values", _singular(result))] if problem.key in SINGULAR else []),
        *[("threshold", line) for line in _nearby(problem)],
    ]
    if result.undecided:
        rows.append(("undecided", ", ".join(result.undecided)))
    if result.reason:
        rows.append(("note", result.reason))
    for row in rows:
        table.add_row(*row)
    common.console().print(table)


def _verdict(result: OptimumOutput) -> str:
    from verify.enclosed import WIDE

    if result.verdict == "enclosed":
        return "enclosed by the kernel" if result.gap <= WIDE else "bounds proved by the kernel, far apart"
    return "certified in floating point" if result.verdict == "certified" else result.verdict


SINGULAR = ("ce", "uf-svm", "mse")
"""Models whose singular values are printed."""


def _classes(problem: Problem) -> str:
    if problem.model == "ce-sphere":
        kind = "two families" if problem.families == 2 else "one family"
        return (
            f"ce-sphere, {problem.K} unit vectors, {kind}; d = {problem.dim}; temperature {brief(problem.temperature)}"
        )
    from verify.thresholds import in_words

    groups = [f"{c.classes} of {c.size}{_marks(c, in_words)}" for c in problem.clusters]
    listed = ", ".join(groups) if len(groups) <= 6 else f"{', '.join(groups[:3])}, ..., {groups[-1]}"
    bias = problem.bias if isinstance(problem.bias, str) else f"penalty {brief(problem.bias)}"
    middle = f"; bias {bias}" if problem.model in ("ce", "ce-relu", "mse") else ""
    middle += f"; depth {problem.depth}" if problem.depth > 1 or problem.model == "mse" else ""
    width = f"widths {', '.join(map(str, problem.widths))}" if problem.widths else f"d = {problem.dim}"
    samples = counted(int(problem.N), "sample")
    return f"{problem.model}, {problem.K} classes, {samples}: {listed}{middle}; {width}{_knobs(problem)}"


def _marks(cluster: Cluster, in_words: Callable[[Fraction], str]) -> str:
    """What is particular to the classes of a cluster beside their size."""
    given = {"weight": cluster.weight, "feature decay": cluster.feature_decay, "row decay": cluster.row_decay}
    marks = [f"{name} {in_words(value)}" for name, value in given.items() if value != 1]
    return f" ({', '.join(marks)})" if marks else ""


def _knobs(problem: Problem) -> str:
    """The loss and its knobs, where they are not the default."""
    given = {
        "loss": problem.loss if problem.loss != "ce" else None,
        "label smoothing": problem.smoothing,
        "logit adjustment": problem.adjustment,
        "scaling": problem.scaling,
        "loss temperature": problem.loss_temperature if problem.loss_temperature != 1 else None,
    }
    return "".join(f"; {name} {value}" for name, value in given.items() if value)


def _weights(problem: Problem) -> str:
    """The weight decays or budgets, in words."""
    if problem.model == "layer-peeled":
        return f"E_W {brief(problem.e_w)}, E_H {brief(problem.e_h)}, T {_budget(problem)}"
    if problem.model not in ("ce", "ce-relu", "mse"):
        return ""
    layers = problem.layers if len(set(problem.layers)) > 1 else (problem.lambda_w,)
    text = f"lambda_w {', '.join(map(brief, layers))}, lambda_h {brief(problem.lambda_h)}"
    if problem.depth > 1 or problem.model == "mse":
        return text
    lam = float(problem.lambda_w) ** 0.5 * float(problem.lambda_h) ** 0.5
    return f"{text}, lam {lam:.6g}, lam N {_x(problem):.6g}"


def _budget(problem: Problem) -> str:
    return f"{float(problem.budget2) ** 0.5:.6g}"


def _x(problem: Problem) -> float:
    from verify.reduced import root

    return root(problem.x2)


def _proven(lower: str, upper: str, digits: int) -> str:
    """Digits that both bounds share, about as many as were asked for, then an ellipsis."""
    low, high = brief(lower), brief(upper)
    if low == high:
        return low if "e" in low else low[: digits + 4]
    (first, _, power), (second, _, other) = low.partition("e"), high.partition("e")
    pairs = enumerate(zip(first, second, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
    if same < 6 or power != other:
        return f"between {outward(Fraction(lower), ROUND_FLOOR, 17)} and {outward(Fraction(upper), ROUND_CEILING, 17)}"
    return f"{first[: min(same, digits + 4)]}..." + (f"e{power}" if power else "")


def _merged(problem: Problem, result: OptimumOutput) -> str:
    if result.merged is None:
        return "undecided"
    if not result.merged:
        return "no two classes have to coincide"
    listed = isinstance(result.counts[0], int)
    groups = [_words(spans(group) if listed else _pairs(group)) for group in result.merged]
    text = "; ".join(groups[:6]) + (f"; ... ({len(groups)} groups)" if len(groups) > 6 else "")
    return f"classes {text} coincide in every minimiser"


def _zero(problem: Problem, result: OptimumOutput) -> str:
    if result.zero is None:
        return "undecided"
    if not result.zero:
        return "no class has to have a vanishing mean feature"
    flat: list[Any] = list(result.zero)
    joined = spans(flat) if isinstance(flat[0], int) else [(a, b) for a, b in flat]
    return f"the features of classes {_words(joined)} vanish in every minimiser"


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
    """The thresholds next to where the problem lies, below and above."""
    from verify.thresholds import thresholds as find

    known = [t for t in find(problem, digits=12) if t.bounds is not None]
    passed = [t for t in known if _side(problem, t) in ("dead", "past")]
    ahead = [t for t in known if _side(problem, t) in ("alive", "below")]
    lines = []
    for t, word in [(t, "passed") for t in passed[-1:]] + [(t, "ahead") for t in ahead[:1]]:
        size = f" of size {t.count}" if t.count is not None else ""
        value = float(Fraction((t.bounds or ("0",))[0]))
        lines.append(f"{word}: {t.name}{size} at {t.parameter} = {value:.8g} ({t.claim})")
    return lines
