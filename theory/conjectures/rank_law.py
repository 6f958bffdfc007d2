"""CJ26-01: the rank of Z* is the number of classes with kappa sqrt(n) > lam N, or one less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.conjectures.settings import NOT_TRIED, SOURCE, WIDE
from theory.new_results.rank_count import count, rank
from theory.new_results.settings import equal_weights
from theory.optimum import Optimum
from theory.problem import Problem

__all__ = ["rank_law"]

root_count = sp.Symbol("count_root", integer=True, nonnegative=True)
"""Number of classes with n_k > lam N."""


def rank_readings(optimum: Optimum) -> Iterator[Reading]:
    """The rank where it is decided.

    Examples
    --------
    >>> list(rank_readings(Optimum(Problem.ce([9, 4, 4], 1).at(4), "exact", rank=(1, 1))))
    [{count: 1, count_root: 3, rank: 1}]
    """
    problem = optimum.problem
    level = problem.x2 / (1 - problem.smoothing) ** 2
    reading: dict[sp.Symbol, Any] = {
        count: sp.Integer(sum(c.classes for c in problem.clusters if c.weight**2 * c.size > level)),
        root_count: sp.Integer(sum(c.classes for c in problem.clusters if c.size**2 > problem.x2)),
    }
    if optimum.rank[0] == optimum.rank[1]:
        reading[rank] = sp.Integer(optimum.rank[0])
    yield reading


LOSSES = ("ce", "sparsemax", "squared")
FULL = Problem.ce([14, 6, 5, 1], "0.02")
FEWER = Problem.ce([14, 6, 5, 1], 1).at(3)
EVEN = Problem.ce([4, 1, 1], "1667/5000", weights=[1, 2, 3])
"""w^2 n is 4, 4, 9 and (lam N)^2 = 4.0016: one class counts, the rank is 2."""
MERGED = Problem.ce([(9, 2), (6, 2)], 1).at(9)

rank_law = Claim(
    id="CJ26-01",
    title="Rank law",
    kind="structure",
    status="conjecture",
    paper="conjectures",
    statement=(
        r"\#\{k: \kappa \sqrt{n_k} > \lambda N\} - 1 \leq \operatorname{rank} Z^*"
        r" \leq \#\{k: \kappa \sqrt{n_k} > \lambda N\}",
    ),
    relations=(sp.Le(count - 1, rank, evaluate=False), sp.Le(rank, count, evaluate=False)),
    read=rank_readings,
    hypotheses=(
        NOT_TRIED,
        WIDE,
        Hypothesis(
            "cross-entropy, sparsemax or squared loss; label smoothing, or balanced softmax",
            lambda p: (
                p.model == "ce"
                and p.depth == 1
                and p.loss in LOSSES
                and p.adjustment in (0, 1)
                and not (p.scaling or p.targets)
                and p.loss_temperature == 1
                and all(run.feature_decay == run.row_decay == 1 for run in p.runs)
            ),
            dropped="other losses and knobs were not tried",
        ),
        Hypothesis(
            "squared loss only with one-hot labels",
            lambda p: p.loss != "squared" or not p.smoothing,
            dropped=Problem.ce([1, 2, 3], 1).with_loss("squared", smoothing="1/20").at("2.71"),
        ),
        Hypothesis(
            "shifted logits for cross-entropy only",
            lambda p: p.loss == "ce" or not p.adjustment,
            dropped=Problem.ce([3, 1, 1, 1], 1).with_loss("sparsemax", adjustment=1).at("7/2"),
        ),
        Hypothesis(
            "not label smoothing and shifted logits at once",
            lambda p: not (p.smoothing and p.adjustment),
            dropped=Problem.ce([4, 2, 1], 1).with_loss("ce", smoothing="7/10", adjustment=1).at("0.430729"),
        ),
        equal_weights(EVEN),
    ),
    witness=FEWER,
    family=Family(
        bias=("none",),
        near=("merge", "collapse"),
        model="loss",
        losses=("ce", *LOSSES),
        knobs=("smoothing", "adjustment"),
    ),
    settings=(
        FULL,
        FULL.at(20),
        Problem.ce([30, 17, 9, 4, 2], 1).at("8.9"),
        MERGED,
        FULL.with_loss(adjustment=1),
        FEWER.with_loss("sparsemax"),
        FEWER.with_loss("squared"),
        FULL.with_loss(smoothing="3/10"),
    ),
    required="agrees",
    mutants=(
        Mutant("always the upper end", relations=(sp.Eq(rank, count, evaluate=False),), problem=FULL),
        Mutant("always the lower end", relations=(sp.Eq(rank, count - 1, evaluate=False),), problem=FEWER),
        Mutant("n_k > lam N", relations=(sp.Le(root_count - 1, rank, evaluate=False),), problem=MERGED),
    ),
    source=SOURCE,
    note="Proved for two sizes and, with equality, for the squared loss with one-hot labels (NR26-23). With smoothed "
    "labels the squared loss has a direction along the mean of all classes that outlives the count. Cross-entropy with "
    "balanced softmax predicts the class shares where Z = 0; with one-hot labels its gradient there is D^(1/2) times "
    "an orthogonal projector, otherwise, and for sparsemax, its norm can exceed every sqrt(n). Counting w sqrt(n) "
    "extends it to class weights where Z = 0 only: two classes of equal w sqrt(n) and different sizes are no cluster, "
    "and the direction between them can outlive both.",
)
