"""The page "What each cure does": every knob and loss on one example, with the claims it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import sympy as sp

from theory import losses
from theory.loss_observables import THRESHOLD, Delta, eps, gamma, kappa, r, s, tau
from theory.problem import Cluster, Problem
from theory.symbols import K, N, n, w
from verify.counts import parse_multipliers
from verify.models import loss as loss_model
from verify.report.figures import Dots, Interval
from verify.report.words import in_words
from verify.thresholds import Threshold, thresholds

__all__ = ["EXAMPLE", "NEEDS", "Cure", "Row", "cures", "dots", "rows"]

NEEDS = "NR26-"
"""The page is written for runs with a claim of this series."""

COUNTS = [(500, 4), (20, 4)]
EXAMPLE = Problem.ce(COUNTS, 1)
MAJORITY, MINORITY = EXAMPLE.clusters

n_max, copies, N_f = sp.symbols("n_max f N_f", positive=True)
"""Largest class size; how often each sample of a class is repeated; number of samples afterwards."""
LAW = THRESHOLD.subs(Delta, (n / n_max) ** gamma) / tau / sp.sqrt(n)
"""Factor on the merging threshold of a cluster for all knobs at once (NR26-03)."""
OFF = {w: 1, kappa: 1, r: 1, s: 1, tau: 1, gamma: 0}
"""The knobs without effect."""
REPEATED = sp.sqrt(copies) * N / N_f
NONNEGATIVE = sp.sqrt((K - 1) / K)


@dataclass(frozen=True)
class Cure:
    """One knob, loss or constraint, on the example.

    Attributes
    ----------
    name : as practitioners call it.
    problem : the example with the cure; its weight decay is not used.
    factor : on the merging threshold of a cluster; None where there is no closed form.
    geometry : limit for small weight decay, empty where no claim says.
    meaning : one plain sentence.
    claims : what formula, geometry and sentence rest on.
    event : what happens at the thresholds of the classes.
    """

    name: str
    problem: Problem
    factor: sp.Expr | None
    geometry: str
    meaning: str
    claims: tuple[str, ...]
    event: Literal["merge", "vanish"] = "merge"


def _law(**on: Any) -> sp.Expr:
    """The law with the named knobs; a knob that is off has no place in the formula."""
    knobs = {str(symbol): symbol for symbol in OFF}
    used = {knobs[name]: value for name, value in on.items()}
    return LAW.subs({**OFF, **used})


def _weighted(scheme: str) -> Problem:
    return Problem.ce(COUNTS, 1, weights=parse_multipliers(scheme, COUNTS, "class-weights"))


def cures() -> tuple[Cure, ...]:
    """Every cure, the example itself first.

    Examples
    --------
    >>> [cure.name for cure in cures()][:3]
    ['no cure', 'class weights 1/n', 'class weights 1/√n']
    """
    return (*_weights(), *_knobs(), *_losses(), *_constraints())


def _weights() -> tuple[Cure, ...]:
    """Weights and copies."""
    ratio = MAJORITY.size / MINORITY.size
    inverse = parse_multipliers("inverse", COUNTS, "feature-decay")
    return (
        Cure(
            "no cure",
            EXAMPLE,
            _law(),
            "SELI",
            "The small classes merge long before the large ones: their threshold grows with the root of their size.",
            ("HL23-04", "HL23-05", "TH22-06", "XP26-01"),
        ),
        Cure(
            "class weights 1/n",
            _weighted("inverse"),
            _law(w=w),
            "",
            "Overshoots: the small classes are safe, but now the large ones merge first.",
            ("NR26-03", "NR26-07", "RF26-05"),
        ),
        Cure(
            "class weights 1/√n",
            _weighted("sqrt-inverse"),
            _law(w=w),
            "",
            "The weights that keep all classes apart longest: small and large ones merge at the same weight decay.",
            ("NR26-03", "NR26-07"),
        ),
        Cure(
            "oversampling to balance",
            Problem.ce([(MAJORITY.size, EXAMPLE.K)], 1),
            REPEATED,
            "ETF, at every λ before collapse",
            "Helps the small classes only by the root of the number of copies, and the longer epoch weakens the loss "
            "of every sample, so the large classes merge earlier.",
            ("NR26-03", "RF26-03", "RF26-12", "XP26-04"),
        ),
        Cure(
            "weights 1/n and feature decay 1/n",
            Problem.ce(COUNTS, 1, weights=inverse).with_loss(feature_decay=inverse),
            _law(w=w, r=r),
            "ETF, at every λ before collapse",
            "The one choice of weights and feature decay that restores the balanced geometry exactly.",
            ("NR26-03", "NR26-09"),
        ),
        Cure(
            f"feature decay of the minority / {ratio}",
            EXAMPLE.with_loss(feature_decay=[(1, MAJORITY.classes), (1 / ratio, MINORITY.classes)]),
            _law(r=r),
            "",
            "Letting small classes have longer features delays their merging, by the root of the multiplier.",
            ("NR26-02", "NR26-03"),
        ),
        Cure(
            f"row decay of the minority / {ratio}",
            EXAMPLE.with_loss(row_decay=[(1, MAJORITY.classes), (1 / ratio, MINORITY.classes)]),
            _law(s=s),
            "",
            "Letting small classes have longer classifier rows does the same.",
            ("NR26-02", "NR26-03"),
        ),
    )


def _knobs() -> tuple[Cure, ...]:
    """What acts on targets and logits."""
    smoothing, power, heat = Fraction(1, 10), Fraction(1, 2), 2
    return (
        Cure(
            f"label smoothing {float(smoothing):g}",
            EXAMPLE.with_loss(smoothing=smoothing),
            _law(kappa=1 - eps),
            "logits of an ETF, Gram matrices of SELI",
            "Makes all classes merge earlier, large and small alike; the logits become balanced as λ vanishes.",
            ("NR26-03", "NR26-10", "RF26-07"),
        ),
        Cure(
            "logit adjustment 1",
            EXAMPLE.with_loss(adjustment=1),
            _law(),
            "",
            "Cannot move the merging of any cluster, whatever its strength.",
            ("NR26-03", "NR26-05", "RF26-04"),
        ),
        Cure(
            f"vector scaling (CDT) {float(power):g}",
            EXAMPLE.with_loss(scaling=power),
            _law(gamma=gamma),
            "",
            "Shrinking the logits of small classes makes them merge earlier.",
            ("NR26-02", "NR26-03"),
        ),
        Cure(
            f"temperature {heat}",
            EXAMPLE.with_loss(loss_temperature=heat),
            _law(tau=tau),
            "",
            "Dividing the logits acts like a weight decay larger by that factor: all classes merge earlier.",
            ("NR26-02", "NR26-03"),
        ),
    )


OWN = "Depends on the probability of the own class, so the threshold depends on the other classes"
SAME = "Merges exactly where cross-entropy does"


def _losses() -> tuple[Cure, ...]:
    """Other losses."""
    bracketed = ("NR26-04", "NR26-05")
    told = (
        ("focal:2", "focal loss, γ = 2", None, f"{OWN}; not convex, so nothing is proved.", ("NR26-04",)),
        (
            "poly1:1",
            "poly-1 loss, ε = 1",
            None,
            f"{OWN}; never earlier than for cross-entropy, and later only by a bounded factor.",
            bracketed,
        ),
        (
            "margin:1",
            "margin 1 (LDAM-like)",
            None,
            "Delays merging by a bounded factor; no margin, however large, prevents it.",
            (*bracketed, "RF26-13"),
        ),
        (
            "hinge",
            "multiclass hinge",
            None,
            "Never merges earlier than cross-entropy, and later only by a bounded factor.",
            ("NR26-04",),
        ),
        ("sparsemax", "sparsemax loss", _law(), f"{SAME}.", ("NR26-02", "NR26-03")),
        (
            "squared",
            "squared loss",
            _law(),
            f"{SAME}; the classes of a size merge by vanishing, every other class has a direction of its own.",
            ("NR26-02", "NR26-03", "DA23-11", "XP26-06"),
        ),
        (
            "ovr",
            "one-vs-rest logistic",
            _law(),
            f"{SAME}, but collapses completely only at a larger weight decay.",
            ("NR26-02", "NR26-03", "NR26-05"),
        ),
    )
    limits = {"squared": "orthogonal, at every λ before collapse"}
    return tuple(
        Cure(name, EXAMPLE.with_loss(spec), factor, limits.get(spec, ""), meaning, claims)
        for spec, name, factor, meaning, claims in told
    )


def _constraints() -> tuple[Cure, ...]:
    """Other feasible sets."""
    return (
        Cure(
            "ReLU features",
            Problem.ce(COUNTS, 1, model="ce-relu"),
            NONNEGATIVE,
            "orthogonal, at every λ before collapse",
            "Classes never merge at non-zero features: each one vanishes by itself, a little earlier than it would "
            "merge without ReLU.",
            ("DA24-04", "DA24-07", "NR26-13", "XP26-05"),
            "vanish",
        ),
        Cure(
            "norm budget instead of weight decay",
            Problem.peeled(COUNTS),
            n / N,
            "ETF as the budget grows",
            "Weights and copies act linearly here, not as a root; the threshold is one of the multiplier of the "
            "budget, not of λ.",
            ("NR26-11", "FA21-08", "FA21-10"),
        ),
    )


# --- numbers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What the page shows of a cure.

    Attributes
    ----------
    factor : LaTeX; empty with a ``reason``.
    minority, majority : (least, most) merging threshold, equal where it is a number; None where unknown.
    collapse : weight decay of complete collapse; ``why`` where there is none.
    relative : whether the thresholds are values of lam, comparable with those of the example.
    claims : what the numbers, and then the words, rest on.
    """

    cure: Cure
    factor: str
    reason: str
    minority: tuple[float, float] | None
    majority: tuple[float, float] | None
    collapse: float | None
    why: str
    relative: bool
    claims: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, str, str]:
        """Minority, majority and collapse as printed."""
        unit = "" if self.relative else "multiplier "
        last = f"{self.collapse:#.3g}" if self.collapse is not None else self.why
        return _cell(self.minority, unit), _cell(self.majority, unit), last


def _cell(ends: tuple[float, float] | None, unit: str) -> str:
    if ends is None:
        return "not known"
    low, high = (f"{end:#.3g}" for end in ends)
    return unit + (low if low == high else f"{low}\u00a0– {high}")


def rows() -> list[Row]:
    """All cures with their thresholds on the example.

    Examples
    --------
    >>> [(row.cure.name, *row.cells) for row in rows()][:2]
    [('no cure', '0.00215', '0.0108', '0.0108'), ('class weights 1/n', '0.0280', '0.00559', '0.0280')]
    """
    return [_row(cure) for cure in cures()]


def _row(cure: Cure) -> Row:
    peeled = cure.problem.model == "layer-peeled"
    found = (loss_model.thresholds if peeled else thresholds)(cure.problem, 12)
    why, collapse = _collapse(cure, found)
    known = losses.find(cure.problem.loss).factor
    if cure.factor is not None:
        latex, reason = sp.latex(cure.factor), "the threshold itself, of the multiplier" if peeled else ""
    elif known is None:
        latex, reason = "", "no closed form, no bracket"
    else:
        least, most = known(MINORITY.classes)
        latex, reason = (
            rf"\left[{sp.latex(sp.S(least))},\ {sp.latex(sp.S(most))}\right]",
            "no closed form; bracket",
        )
    return Row(
        cure,
        latex,
        reason,
        _merge(cure, found, MINORITY),
        _merge(cure, found, MAJORITY),
        collapse,
        why,
        relative=not peeled,
        claims=tuple(
            dict.fromkeys([*(t.claim for t in found if t.value is not None and t.name in SHOWN), *cure.claims])
        ),
    )


SHOWN = ("cluster_merge", "class_zero", "complete_collapse")


def _middle(t: Threshold) -> float | None:
    return None if t.value is None else float(t.value.mid())


def _merge(cure: Cure, found: list[Threshold], cluster: Cluster) -> tuple[float, float] | None:
    """Threshold of the classes that the cluster of the example became."""
    first = cluster.ranges[0][0]
    size = cure.problem.sizes[first]
    (entry,) = (t for t in found if t.name in ("cluster_merge", "class_zero") and t.count == size)
    value = _middle(entry)
    if value is not None:
        return value, value
    known = losses.find(cure.problem.loss).factor
    least, most = known(cluster.classes) if known else (None, None)
    if least is None or most is None:
        return None
    plain = math.sqrt(cluster.size) / float(EXAMPLE.N)
    return float(least) * plain, float(most) * plain


def _collapse(cure: Cure, found: list[Threshold]) -> tuple[str, float | None]:
    if cure.problem.model == "layer-peeled":
        return "no value of λ", None
    if cure.event == "vanish":
        return "", max(value for t in found if (value := _middle(t)) is not None)
    (entry,) = (t for t in found if t.name == "complete_collapse")
    return entry.reason, _middle(entry)


def values(problem: Problem, cluster: Cluster) -> Mapping[sp.Symbol, Any]:
    """What the symbols of a factor are for a cluster of the example.

    Examples
    --------
    >>> values(EXAMPLE, MINORITY)[n], values(EXAMPLE, MINORITY)[copies]
    (20, 1)
    """
    run = next(c for c in problem.clusters if cluster.ranges[0][0] in c.members)
    exact: dict[sp.Symbol, Fraction | int] = {
        w: run.weight,
        r: run.feature_decay,
        s: run.row_decay,
        eps: problem.smoothing,
        gamma: problem.scaling,
        tau: problem.loss_temperature,
        n: cluster.size,
        n_max: max(problem.sizes),
        copies: run.size / cluster.size,
        N: EXAMPLE.N,
        N_f: problem.N,
        K: problem.K,
    }
    return {symbol: sp.Rational(str(value)) for symbol, value in exact.items()}


# --- figure ------------------------------------------------------------------------------------------------------


def dots(found: list[Row]) -> Dots:
    """Merging thresholds relative to those without a cure, where they are values of lam."""
    plain = found[0]
    assert plain.minority is not None
    assert plain.majority is not None
    shown = [row for row in found if row.relative and row.minority and row.majority]
    return Dots(
        labels=tuple(row.cure.name for row in shown),
        intervals=(
            Interval("minority", tuple(_over(row.minority, plain.minority[0]) for row in shown), 1),
            Interval("majority", tuple(_over(row.majority, plain.majority[0]) for row in shown), 0),
        ),
        xlabel="merging threshold with the cure / without (logarithmic)",
        text="Merging threshold of minority and majority relative to no cure",
    )


def _over(ends: tuple[float, float] | None, unit: float) -> tuple[float, float]:
    assert ends is not None
    return ends[0] / unit, ends[1] / unit


def example_in_words() -> str:
    """The classes of the example."""
    return in_words(EXAMPLE.canonical()).split(";")[0]
