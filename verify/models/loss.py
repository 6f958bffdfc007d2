"""Thresholds of problems with another loss or knobs, and which of them to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from theory import losses
from theory.claim import Family
from theory.problem import Cluster, Problem
from verify.balls import precision
from verify.bracket import Bracket
from verify.dual import svd
from verify.loss import Floats
from verify.loss_rules import Power, collapse_square, merging_power, vanishing_square
from verify.thresholds import Threshold, closed_form
from verify.wording import counted

__all__ = ["around", "at_threshold", "collapse_from", "problems", "thresholds"]

NO_FORM = (
    "no closed form exists for this loss: its merging threshold depends on the other classes "
    "(only Fenchel-Young losses such as cross-entropy have one)"
)
MOST_CLASSES = 500
NAMES = {"merge": "cluster_merge", "collapse": "complete_collapse", "zero": "class_zero"}


def thresholds(problem: Problem, digits: int = 30) -> list[Threshold]:
    """Merging of every cluster, complete collapse, and under H >= 0 where features vanish; smallest first.

    Parameters
    ----------
    problem : its weight decays are ignored; a layer-peeled problem has its thresholds in the multiplier of its budget.
    digits : significant decimal digits.

    Examples
    --------
    >>> problem = Problem.ce([(18, 2), (7, 3)], 1, weights=[(1, 2), ("3/2", 3)]).with_loss(smoothing="0.1")
    >>> for t in thresholds(problem, 12):
    ...     print(t.claim, t.name, t.count, t.bounds, t.closed_form)
    NR26-02 cluster_merge 7 ('0.0626625310515', '0.0626625310516') sqrt(5103/400)/57
    NR26-02 cluster_merge 18 ('0.0669890634808', '0.0669890634809') sqrt(729/50)/57
    NR26-05 complete_collapse None ('0.0669890634808', '0.0669890634809') sqrt(729/50)/57
    """
    with precision(80 + 8 * digits):
        if problem.model == "ce-relu":
            found = [_zero(problem, c) for c in problem.clusters]
        else:
            found = [_merge(problem, c, digits) for c in problem.clusters if c.classes >= 2]
            if problem.model == "ce":
                found.append(_collapse(problem, digits))
    return [replace(t, digits=digits) for t in sorted(found, key=_place)]


def _place(entry: Threshold) -> tuple[bool, Bracket]:
    ends = entry.x2 or entry.enclosure
    return ends is None, ends or (Fraction(0), Fraction(0))


def _words(cluster: Cluster) -> str:
    number = "class" if cluster.classes == 1 else f"{cluster.classes} classes"
    return f"{number} with {counted(cluster.size, 'sample')}"


def _merge(problem: Problem, cluster: Cluster, digits: int) -> Threshold:
    peeled = problem.model == "layer-peeled"
    entry = Threshold(
        claim="NR26-11" if peeled else "NR26-02",
        name="cluster_merge",
        count=cluster.size,
        N=problem.N,
        x2=None,
        consequence=f"From this {'multiplier of the budget' if peeled else 'lam'} on, the {_words(cluster)} share one "
        "mean feature and one classifier row, so the model cannot tell them apart.",
        parameter="multiplier" if peeled else "lam",
    )
    loss = losses.find(problem.loss)
    if not loss.universal:
        claim = "UC26-09" if problem.loss.startswith("focal") else "NR26-04"
        return replace(entry, claim=claim, verdict="undecided", reason=_bracket(problem, cluster, loss))
    power = merging_power(problem, cluster)
    ends = power.bracket(digits + 4)
    closed = _closed(power, problem, peeled)
    return replace(entry, closed_form=closed, x2=None if peeled else ends, enclosure=ends if peeled else None)


def _bracket(problem: Problem, cluster: Cluster, loss: losses.Loss) -> str:
    """Why there is no number, with the proved bracket where there is one."""
    plain = problem.key == "loss" and not (problem.adjustment or problem.scaling)
    if loss.factor is None or not plain or problem.model != "ce" or problem.loss_temperature != 1:
        return NO_FORM
    unit = float(cluster.weight) * float(cluster.size / (cluster.feature_decay * cluster.row_decay)) ** 0.5
    unit /= float(problem.N)
    least, most = loss.factor(cluster.classes)
    lower = None if least is None else f"at least {float(least) * unit:.6g}"
    upper = None if most is None else f"at most {float(most) * unit:.6g}"
    return f"{NO_FORM}; in lam it is {' and '.join(part for part in (lower, upper) if part)}"


def _closed(power: Power, problem: Problem, peeled: bool) -> str:
    root = "" if power.root == 1 or not power.exponent else f"*({power.root})**({power.exponent})"
    if peeled:
        return f"{power.rational}{root}"
    if power.exact is not None:
        return closed_form(power.exact, problem.N)
    N = str(problem.N) if problem.N.denominator == 1 else f"({problem.N})"
    return f"sqrt({power.rational}{root})/{N}"


def _collapse(problem: Problem, digits: int) -> Threshold:
    entry = Threshold(
        claim="UC26-07" if problem.loss == "hinge" else "NR26-05",
        name="complete_collapse",
        count=None,
        N=problem.N,
        x2=None,
        consequence="From this lam on, all features and classifier rows are zero: every input has the same prediction.",
    )
    why = _no_collapse(problem)
    try:
        ends = collapse_square(problem, digits)
    except ArithmeticError as error:
        return replace(entry, verdict="undecided", reason=str(error))
    if ends is None:
        near = _by_gradient(problem)
        if near is None:
            return replace(entry, verdict="undecided", reason=why)
        return replace(entry, x2=near, verdict="certified", reason="the gradient of the loss at zero is in floats")
    closed = None
    if ends[0] == ends[1]:
        closed = _closed(Power(ends[0], Fraction(1), Fraction(1)), problem, False)
    return replace(entry, x2=ends, closed_form=closed)


def _no_collapse(problem: Problem) -> str:
    """Why there is no number for complete collapse."""
    if problem.bias != "none":
        return "no formula is known with a bias"
    if problem.loss == "hinge":
        return "for the hinge a formula is known for at most two kinds of classes, without row decay or adjusted logits"
    if losses.find(problem.loss).convex:
        return "no formula is known for this loss"
    if (least := collapse_from(problem)) is None:
        return "nothing is known: the loss is not convex"
    return (
        f"in lam it is at least {least:.6g}; whether everything is zero from there on is not known, as the loss is "
        "not convex"
    )


def collapse_from(problem: Problem) -> float | None:
    """Lam below which zero is not optimal, by the gradient there, for a loss that need not be convex (NR26-06).

    Examples
    --------
    >>> round(collapse_from(Problem.ce([(9, 2), (4, 2)], 1).with_loss("focal:2")), 6)
    0.124888
    """
    ends = _norm_at_zero(problem)
    return None if ends is None else float(ends[0]) ** 0.5 / float(problem.N)


def _by_gradient(problem: Problem) -> Bracket | None:
    """Complete collapse of a convex loss that is differentiable at zero, to the accuracy of its gradient in floats."""
    return _norm_at_zero(problem) if losses.find(problem.loss).convex else None


def _norm_at_zero(problem: Problem) -> Bracket | None:
    """Square of the norm of the gradient at zero, over lam/x, in floats; None where it has no gradient."""
    floats = Floats(problem)
    if floats.loss.potential == "max" or problem.bias != "none" or problem.K > MOST_CLASSES:
        return None
    unit = problem.at(1)
    norm = float(svd(Floats(unit).dual(np.zeros((problem.K, problem.K))))[1][0]) / Floats(unit).lam
    low, high = (Fraction(norm) * (1 + sign * Fraction(1, 10**11)) for sign in (-1, 1))
    return low**2, high**2


def _zero(problem: Problem, cluster: Cluster) -> Threshold:
    square = vanishing_square(problem, cluster)
    entry = Threshold(
        claim="NR26-13" if problem.loss == "ce" else "NR26-14",
        name="class_zero",
        count=cluster.size,
        N=problem.N,
        x2=None,
        consequence=f"From this lam on, all features of the {_words(cluster)} are zero.",
    )
    if square is None:
        return replace(
            entry, verdict="undecided", reason="no closed form is known for this loss and these knobs under H >= 0"
        )
    closed = _closed(Power(square, Fraction(1), Fraction(1)), problem, False)
    return replace(entry, x2=(square, square), closed_form=closed)


def at_threshold(problem: Problem) -> bool:
    """Whether the problem lies exactly on a rational threshold; in the layer-peeled model none is."""
    if problem.model == "layer-peeled":
        return False
    return any(t.x2 == (problem.x2, problem.x2) for t in thresholds(problem, 20))


def around(problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[Problem]:
    """The same classes at relative distances of lam from each of the named thresholds, 0 only where that is exact.

    Examples
    --------
    >>> problem = Problem.ce([9, 9, 4, 4], 1).with_loss(smoothing="1/2")
    >>> [str(p.x2) for p in around(problem, ("merge",), (Fraction(0), Fraction(1)))]
    ['1', '4', '9/4', '9']
    """
    if problem.model == "layer-peeled":
        return [problem]
    return [problem.at(square) for squares in _squares(problem, near, offsets) for square in squares]


def _squares(problem: Problem, near: Sequence[str], offsets: Sequence[Fraction]) -> list[list[Fraction]]:
    every = thresholds(problem, 20)
    wanted = {NAMES.get(name, name) for name in near}
    found = [t.x2 for t in every if t.name in wanted and t.x2] or [t.x2 for t in every if t.x2]
    if not found:
        return _plain(problem, offsets)
    return [
        [(lower + upper) / 2 * (1 + offset) ** 2 for offset in offsets if offset or lower == upper]
        for lower, upper in found
    ]


def _plain(problem: Problem, offsets: Sequence[Fraction]) -> list[list[Fraction]]:
    """Without closed forms: around those of cross-entropy."""
    squares = sorted({c.weight**2 * c.size / (c.feature_decay * c.row_decay) for c in problem.clusters})
    return [[square * (1 + offset) ** 2 for offset in offsets] for square in squares]


# --- drawing -----------------------------------------------------------------------------------------------------

VALUES = {
    "weights": (Fraction(1, 3), Fraction(1, 2), Fraction(1), Fraction(2), Fraction(5)),
    "feature_decay": (Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(3)),
    "row_decay": (Fraction(1, 2), Fraction(1), Fraction(2)),
    "smoothing": (Fraction(1, 20), Fraction(1, 10), Fraction(3, 10), Fraction(7, 10)),
    "adjustment": (Fraction(1, 2), Fraction(1), Fraction(2)),
    "scaling": (Fraction(1, 4), Fraction(1, 2), Fraction(1)),
    "loss_temperature": (Fraction(1, 2), Fraction(2), Fraction(3)),
}
KNOBS_PER_CLASS = ("weights", "feature_decay", "row_decay")
OFFSETS = (Fraction(0), *(sign * Fraction(1, 10**e) for e in (1, 3, 6) for sign in (-1, 1)), Fraction(-9, 10))


def problems(family: Family) -> st.SearchStrategy[Problem]:
    """Problems of a family: its losses and knobs, on both sides of its thresholds.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(problems(Family(model="loss", sizes="two", losses=("squared",))), lambda p: p.K == 3).loss
    'squared'
    """
    return _drawn(family)


def _sizes() -> st.SearchStrategy[Fraction]:
    return st.one_of(
        st.integers(1, 12).map(Fraction),
        st.integers(2, 300).map(Fraction),
        st.integers(0, 30).map(lambda e: Fraction(round(10 ** (e / 10)))),
        st.fractions(min_value=Fraction(1, 2), max_value=30, max_denominator=4),
    )


@st.composite
def _drawn(draw: st.DrawFn, family: Family) -> Problem:
    """At most six classes; every knob of the family is drawn with even chance."""
    ranges = {"balanced": (1, 1), "two": (2, 2), "distinct": (2, 5), "clusters": (1, 3), "any": (1, 3)}
    count = draw(st.integers(*ranges[family.sizes]))
    sizes = draw(st.lists(_sizes(), min_size=count, max_size=count, unique=True))
    repeats = [1] * count
    if family.sizes != "distinct":
        least = 2 if count == 1 or family.sizes == "clusters" else 1
        repeats = [
            draw(st.integers(least if i == 0 else 1, 4 if count == 1 else 3 if count == 2 else 2)) for i in range(count)
        ]
    used = [knob for knob in family.knobs if draw(st.booleans())]
    per_class: dict[str, Any] = {
        knob: [(draw(st.sampled_from(VALUES[knob])), repeat) for repeat in repeats]
        for knob in ("weights", "feature_decay", "row_decay")
        if knob in used or (knob == "weights" and family.weights and draw(st.booleans()))
    }
    counts, weights = list(zip(sizes, repeats, strict=True)), per_class.pop("weights", None)
    knobs: dict[str, Any] = {
        knob: draw(st.sampled_from(VALUES[knob])) for knob in used if knob in VALUES and knob not in KNOBS_PER_CLASS
    }
    spec = draw(st.sampled_from(family.losses))
    if not losses.find(spec).soft:
        knobs.pop("smoothing", None)
    if family.base == "layer-peeled":
        mean = Fraction(round(100 * 10 ** (draw(st.integers(-5, 8)) / 10)), 100)
        return Problem.peeled(counts, mean, mean, weights=weights).with_loss(spec, **knobs)
    mode = draw(st.sampled_from(family.bias)) if family.base == "ce" else "none"
    bias: Any = Fraction(1, 10 ** draw(st.integers(0, 3))) if mode == "penalised" else mode
    base = Problem.ce(counts, 1, bias=bias, weights=weights, model=family.base).with_loss(spec, **knobs, **per_class)
    near = tuple(name for name in family.near or () if name in NAMES) or ("merge", "collapse")
    problem = base.at(draw(st.sampled_from(draw(st.sampled_from(_squares_of(base, near))))))
    tilt = Fraction(10) ** draw(st.integers(-1, 1))
    widths = [problem.K, problem.K, problem.K + 2]
    return problem.tilted(tilt, draw(st.sampled_from(widths)))


def _squares_of(problem: Problem, near: Sequence[str]) -> list[list[Fraction]]:
    return _squares(problem, near, OFFSETS) if problem.key == "loss" else _plain(problem, OFFSETS)
