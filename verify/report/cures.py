"""The page "What each cure does": every knob and loss on one example, in words; numbers are in ``cure_table``."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import sympy as sp

from theory.loss_observables import THRESHOLD, Delta, eps, gamma, kappa, r, s, tau
from theory.problem import Problem
from theory.symbols import K, N, n, w
from verify.counts import parse_multipliers
from verify.report.cure_limits import Kind

__all__ = ["COUNTS", "EXAMPLE", "MAJORITY", "MINORITY", "NEEDS", "Cure", "N_f", "copies", "cures", "n_max"]

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
    limit : what decides the geometry as the weight decay vanishes.
    meaning : plain sentences.
    claims : what formula and sentences rest on.
    event : what happens at the thresholds of the classes.
    """

    name: str
    problem: Problem
    factor: sp.Expr | None
    limit: Kind
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


def cures() -> dict[str, tuple[Cure, ...]]:
    """Every cure under the heading of its group, the example itself first.

    Examples
    --------
    >>> [cure.name for cure in cures()["Weights and copies"]][:3]
    ['no cure', 'class weights 1/n', 'class weights 1/√n']
    """
    return {
        "Weights and copies": _weights(),
        "Weight decay per class": _decays(),
        "Targets and logits": _knobs(),
        "Losses": _losses(),
        "Constraints": _constraints(),
    }


def _weights() -> tuple[Cure, ...]:
    """Weights and copies."""
    return (
        Cure(
            "no cure",
            EXAMPLE,
            _law(),
            "margin",
            "The small classes merge long before the large ones: their threshold grows with the root of their size.",
            ("HL23-04", "HL23-05", "TH22-06", "XP26-01"),
        ),
        Cure(
            "class weights 1/n",
            _weighted("inverse"),
            _law(w=w),
            "margin",
            "Overshoots: the small classes are safe, but now the large ones merge first. As weight decay vanishes, "
            "weights lose all effect on the angles.",
            ("NR26-03", "NR26-07", "RF26-05", "UC26-04"),
        ),
        Cure(
            "class weights 1/√n",
            _weighted("sqrt-inverse"),
            _law(w=w),
            "margin",
            "The weights that keep all classes apart longest: small and large ones merge at the same weight decay.",
            ("NR26-03", "NR26-07", "UC26-04"),
        ),
        Cure(
            "effective-number weights 0.999",
            _weighted("effective:0.999"),
            _law(w=w),
            "margin",
            "Between no weights and 1/n: here, with at most 500 samples per class, close to 1/n.",
            ("NR26-03", "NR26-07", "UC26-04"),
        ),
        Cure(
            "oversampling to balance",
            Problem.ce([(MAJORITY.size, EXAMPLE.K)], 1),
            REPEATED,
            "always ETF",
            "Helps the small classes only by the root of the number of copies, and the longer epoch weakens the loss "
            "of every sample, so the large classes merge earlier.",
            ("NR26-03", "RF26-03", "RF26-12", "XP26-04"),
        ),
    )


def _decays() -> tuple[Cure, ...]:
    """Multipliers of the weight decay."""
    ratio = MAJORITY.size / MINORITY.size
    inverse = parse_multipliers("inverse", COUNTS, "feature-decay")
    lighter: list[tuple[int | str | Fraction, int]] = [(1, MAJORITY.classes), (1 / ratio, MINORITY.classes)]
    return (
        Cure(
            "weights 1/n and feature decay 1/n",
            Problem.ce(COUNTS, 1, weights=inverse).with_loss(feature_decay=inverse),
            _law(w=w, r=r),
            "always ETF",
            "The one choice of weights and feature decay that restores the balanced geometry exactly.",
            ("NR26-03", "NR26-09"),
        ),
        Cure(
            f"feature decay of the small classes / {ratio}",
            EXAMPLE.with_loss(feature_decay=lighter),
            _law(r=r),
            "margin",
            "Delays their merging by the root of the multiplier, but acts like smaller classes with larger weights: "
            "as weight decay vanishes, their rows end up closer together than without a cure.",
            ("NR26-02", "NR26-03", "UC26-02"),
        ),
        Cure(
            f"row decay of the small classes / {ratio}",
            EXAMPLE.with_loss(row_decay=lighter),
            _law(s=s),
            "margin",
            "Longer classifier rows delay merging in the same way, and also bring these rows closer together in the "
            "limit.",
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
            "smoothing",
            "Makes all classes merge earlier, small and large alike; the logits become balanced as weight decay "
            "vanishes, the angles do not.",
            ("NR26-03", "NR26-10", "RF26-07"),
        ),
        Cure(
            "logit adjustment 1",
            EXAMPLE.with_loss(adjustment=1),
            _law(),
            "margin",
            "Cannot move the merging of any cluster, whatever its strength; in the limit it is a constant beside "
            "growing logits.",
            ("NR26-03", "NR26-05", "RF26-04"),
        ),
        Cure(
            f"CDT: scaling {float(power):g}",
            EXAMPLE.with_loss(scaling=power),
            _law(gamma=gamma),
            "margin",
            "Shrinking the logits of small classes makes them merge earlier. It is row decay 1/Δ² in disguise: once "
            "weight decay is small enough, it spreads the rows of small classes apart.",
            ("NR26-02", "NR26-03", "UC26-02"),
        ),
        Cure(
            f"VS: scaling {float(power):g}, adjustment 1",
            EXAMPLE.with_loss(scaling=power, adjustment=1),
            _law(gamma=gamma),
            "margin",
            "For merging and for the limit the additive part does nothing: only the scaling counts.",
            ("NR26-02", "NR26-03", "UC26-02"),
        ),
        Cure(
            f"temperature {heat}",
            EXAMPLE.with_loss(loss_temperature=heat),
            _law(tau=tau),
            "margin",
            "Dividing the logits is the same as a weight decay larger by that factor: all classes merge earlier.",
            ("NR26-02", "NR26-03", "UC26-02"),
        ),
    )


SAME = "Merges exactly where cross-entropy does"


def _losses() -> tuple[Cure, ...]:
    """Other losses."""
    told: tuple[tuple[str, str, sp.Expr | None, Kind, str, tuple[str, ...]], ...] = (
        (
            "focal:2",
            "focal loss, γ = 2",
            None,
            "margin",
            "Small classes cannot merge before the number shown; where they do is not known in closed form. That "
            "classes stay merged or zero from some weight decay on is not proved, as the loss is not convex.",
            ("UC26-09", "NR26-04", "NR26-06"),
        ),
        (
            "poly1:1",
            "poly-1 loss, ε = 1",
            None,
            "margin",
            "Never merges earlier than cross-entropy, and later only by a bounded factor; within the range the other "
            "classes decide.",
            ("NR26-04", "NR26-05"),
        ),
        (
            "margin:1",
            "margin 1 on the own logit",
            None,
            "margin",
            "Delays merging by a bounded factor; no margin, however large, prevents it.",
            ("NR26-04", "NR26-05", "RF26-13"),
        ),
        (
            "ldam:2",
            "LDAM, margins 2 n^(−1/4)",
            None,
            "margin",
            "Larger margins for small classes; the same bounded delay, and the same limit as without them.",
            ("NR26-04", "NR26-05", "RF26-13"),
        ),
        (
            "hinge",
            "multiclass hinge",
            None,
            "hinge",
            "Never merges earlier than cross-entropy, and later only by a bounded factor. Below a positive weight "
            "decay it is exactly at its limit.",
            ("NR26-04", "UC26-06", "UC26-07"),
        ),
        ("sparsemax", "sparsemax loss", _law(), "sparsemax", f"{SAME}.", ("NR26-02", "NR26-03")),
        (
            "squared",
            "squared loss",
            _law(),
            "orthogonal",
            f"{SAME}; the classes of a size merge by vanishing, every other class has a direction of its own.",
            ("NR26-02", "NR26-03", "XP26-06"),
        ),
        (
            "ovr",
            "one-vs-rest logistic",
            _law(),
            "signs",
            f"{SAME}, but collapses completely only at a larger weight decay. In the limit the rows of the small "
            "classes make acute angles.",
            ("NR26-02", "NR26-03", "NR26-05"),
        ),
    )
    return tuple(
        Cure(name, EXAMPLE.with_loss(spec), factor, limit, meaning, claims)
        for spec, name, factor, limit, meaning, claims in told
    )


def _constraints() -> tuple[Cure, ...]:
    """Other feasible sets."""
    return (
        Cure(
            "ReLU features",
            Problem.ce(COUNTS, 1, model="ce-relu"),
            NONNEGATIVE,
            "relu",
            "Classes never merge at non-zero features: each one vanishes by itself, a little earlier than it would "
            "merge without ReLU.",
            ("DA24-07", "NR26-13", "XP26-05"),
            "vanish",
        ),
        Cure(
            "norm budget, no weight decay",
            Problem.peeled(COUNTS),
            n / N,
            "budget",
            "Weights and copies act linearly here, not as a root; the threshold is one of the multiplier of the "
            "budget, not of λ.",
            ("NR26-11", "FA21-10"),
        ),
    )
