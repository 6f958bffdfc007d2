"""Three knobs are others in disguise: feature decay is class size, vector scaling row decay, temperature weight decay.

All three follow from one substitution in the factors, so they hold at every weight decay, and for every loss whose
shifts do not depend on the class sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity
from theory.loss_observables import Delta, predictions, slope, tau
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem, Run
from theory.relu_observables import class_pairs
from theory.symbols import F

__all__ = ["disguised", "same"]

F_same = sp.Symbol("F'", real=True)
"""Value of the problem that says the same without feature decay, scaling and temperature."""
z_gap, z_same, p_wrong, p_same = sp.symbols("z z' p p'", real=True)
"""Own minus other logit of a class; its prediction of the other one. With a prime: of the other problem."""
F_sample, F_sample_same = sp.symbols("F_N F_N'", real=True)
"""Values times the number of samples."""


def disguised(problem: Problem) -> tuple[Problem, ...]:
    """The problem with sizes n r, weights w/r, row decay s tau^2/Delta^2 and neither of the three knobs.

    Examples
    --------
    >>> (found,) = disguised(BOTH)
    >>> [str(n) for n in found.sizes], [str(s) for s in found.row_decays], found.scaling
    (['9', '9', '16', '16'], ['1', '1', '9/4', '9/4'], Fraction(0, 1))
    """
    top = max(problem.sizes)
    total = sum((run.size * run.feature_decay * run.repeat for run in problem.runs), Fraction(0))
    share, heat = total / problem.N, problem.loss_temperature**2

    def plain(run: Run) -> Run:
        power = (top / run.size) ** int(2 * problem.scaling)
        weight = run.weight / run.feature_decay * share
        return Run(run.size * run.feature_decay, run.repeat, weight, row_decay=run.row_decay * heat * power)

    runs = tuple(plain(run) for run in problem.runs)
    return (replace(problem, runs=runs, scaling=Fraction(0), loss_temperature=Fraction(1)),)


def same_readings(optimum: Optimum) -> Iterator[Reading]:
    """Values, predictions and gaps of logits beside those of the other problem.

    Examples
    --------
    >>> list(same_readings(Optimum(BOTH, "exact")))
    []
    """
    problem = optimum.problem
    for other in optimum.companions:
        common: dict[sp.Symbol, Any] = {tau: rational(problem.loss_temperature)}
        for found, value, samples in ((optimum, F, F_sample), (other, F_same, F_sample_same)):
            if found.lower is not None and found.upper is not None:
                common[value] = found.lower.union(found.upper)
                common[samples] = common[value] * found.problem.N.numerator / found.problem.N.denominator
        yield common
        pairs, p, p_other = class_pairs(problem), predictions(optimum), predictions(other)
        if p is not None and p_other is not None:
            yield from ({p_wrong: p[wrong, own], p_same: p_other[wrong, own]} for own, wrong in pairs)
        Z, Z_other = optimum.logits, other.logits
        if Z is None or Z_other is None:
            continue
        for own, wrong in pairs:
            if problem.sizes[own] == problem.sizes[wrong]:
                yield {
                    **common,
                    Delta: slope(problem, problem.sizes[own]) * common[tau],
                    z_gap: Z[own, own] - Z[wrong, own],
                    z_same: Z_other[own, own] - Z_other[wrong, own],
                }


def same_derivation() -> Derivation:
    """Substitute w_j' = Delta_j w_j/tau, n_k' = n_k r_k, w_k' = (w_k/r_k) N'/N."""
    n, r, s, w, delta, heat, total, other, row, column, level = sp.symbols(
        "n r s w Delta tau N N' omega eta lambda", positive=True
    )
    scaled = delta * row / heat
    return Derivation(
        steps=(
            Identity(
                "adjusted logits: Delta_j <omega_j, h>/tau is the logit of the row Delta_j omega_j/tau",
                delta * (row * column) / heat,
                scaled * column,
            ),
            Identity(
                "what the row costs: s_j |omega_j|^2 = (s_j tau^2/Delta_j^2) |row'|^2",
                s * row**2,
                s * heat**2 / delta**2 * scaled**2,
            ),
            Identity(
                "share of a class in the loss: n' w'/N' = n w/N", n * r * (w / r * other / total) / other, n * w / total
            ),
            Identity("what its features cost: n' = n r", level * r * n * column**2, level * (n * r) * column**2),
            Identity(
                "so the two objectives agree term by term, at every W and H: loss and features",
                n * w / total * row + level * r * n * column**2 / 2,
                (n * r) * (w / r * other / total) / other * row + level * (n * r) * column**2 / 2,
            ),
            Identity(
                "one temperature for all rows multiplies lam by tau: sqrt(lam_W tau^2 lam_H)",
                sp.sqrt(level * heat**2 * level),
                level * heat,
            ),
        )
    )


BOTH = (
    Problem.ce([(9, 2), (4, 2)], 1, weights=[(1, 2), (3, 2)])
    .with_loss(feature_decay=[(1, 2), (4, 2)], scaling="1/2")
    .at(1)
)
WARM = Problem.ce([(9, 2), (4, 3)], 1).with_loss(loss_temperature=2, smoothing="1/10").at("1/4")
SCALED = Problem.ce([(9, 2), (4, 2)], 1).with_loss(scaling=1).at("1/2")
ALONE = Problem.ce([(9, 2), 4], 1).with_loss(feature_decay=[(1, 2), 3]).at("1/2")

same = Claim(
    id="UC26-02",
    title="Feature decay is class size, scaling is row decay, temperature is weight decay",
    kind="equality",
    paper="conjectures",
    statement=(
        r"(n_k, w_k, r_k, s_j, \Delta_j, \tau) \text{ and } \left(n_k r_k,\ \tfrac{w_k}{r_k} \tfrac{N'}{N},\ 1,\ "
        r"\tfrac{s_j \tau^2}{\Delta_j^2},\ 1,\ 1\right),\ N' = \sum_k n_k r_k,\ \text{ have the same optima:}",
        r"F = F',\quad p = p',\quad \tfrac{\Delta_j}{\tau} z_{jk} = z'_{jk},\quad "
        r"\tfrac{\Delta_j}{\tau} \omega_j = \omega'_j,\quad h_k = h'_k",
        r"\text{in particular temperature } \tau \text{ is weight decay } \tau \lambda",
    ),
    relations=(
        sp.Eq(F, F_same, evaluate=False),
        sp.Eq(p_wrong, p_same, evaluate=False),
        sp.Eq(Delta * z_gap / tau, z_same, evaluate=False),
    ),
    read=same_readings,
    companions=disguised,
    hypotheses=(
        Hypothesis(
            "feature decay, scaling or temperature is used",
            lambda p: bool(p.scaling) or p.loss_temperature != 1 or any(run.feature_decay != 1 for run in p.runs),
            dropped="otherwise both problems are the same",
        ),
        Hypothesis(
            "no logit adjustment, no ldam, no bias",
            lambda p: not p.adjustment and not p.loss.startswith("ldam") and p.bias == "none" and p.model == "ce",
            dropped="log-priors and ldam margins would have to keep the original sizes; a bias gets another price",
        ),
        Hypothesis(
            "twice the exponent of the scaling is an integer",
            lambda p: (2 * p.scaling).denominator == 1,
            dropped="only the check needs it: the row decay is then rational",
        ),
    ),
    witness=BOTH,
    settings=(WARM, SCALED, ALONE),
    family=Family(
        sizes="any",
        bias=("none",),
        near=("merge",),
        model="loss",
        losses=("ce", "ovr"),
        knobs=("weights", "smoothing", "feature_decay", "row_decay", "scaling", "loss_temperature"),
    ),
    derivation=same_derivation,
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("the logits are the same", (sp.Eq(z_gap, z_same, evaluate=False),), problem=SCALED),
        Mutant(
            "temperature multiplies the logits", (sp.Eq(Delta * tau * z_gap, z_same, evaluate=False),), problem=WARM
        ),
        Mutant("scaling enters squared", (sp.Eq(Delta**2 * z_gap / tau, z_same, evaluate=False),), problem=SCALED),
        Mutant("sums over samples agree", (sp.Eq(F_sample, F_sample_same, evaluate=False),), problem=ALONE),
    ),
    note="So feature decay 1/n turns a long tail into equal classes with other loss weights, and letting small classes "
    "have longer features is the same as making them smaller still. Logits are compared inside a cluster, "
    "predictions everywhere.",
)
