"""NR26-20 and 21: at a global optimum classes may be misclassified, but not in a cycle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.loss_observables import adjusted_logits
from theory.new_results.guarantee import margin
from theory.new_results.settings import MINORITY_WRONG, PAPER, WEIGHTED_WRONG, no_bias
from theory.optimum import Optimum
from theory.problem import Problem
from theory.value_observables import number, share

__all__ = ["acyclic", "misclassified"]

cycle, plain_cycle, best_own, worst_own = sp.symbols("cycle plain_cycle best_own worst_own", real=True)
"""Largest gain of a relabelling along one cycle of classes, weighted by m_k and not; the largest and the smallest over
classes of own logit minus the largest logit."""
rank = sp.Symbol("rank", integer=True)


def best_cycle(gains: Any) -> Any:
    """An upper bound, positive exactly if a cycle gains, of the gains around cycles: Floyd-Warshall for longest paths.

    Parameters
    ----------
    gains : square array, gains[k, j] for the step from k to j.

    Examples
    --------
    >>> import numpy as np
    >>> from flint import arb
    >>> def table(rows): return np.array([[arb(v) for v in row] for row in rows], dtype=object)
    >>> float(best_cycle(table([[0, 1], [-3, 0]]))), float(best_cycle(table([[0, 2], [-1, 0]])))
    (-2.0, 1.0)
    """
    walk = gains.copy()
    size = len(walk)
    loops = [walk[i, j] + walk[j, i] for i in range(size) for j in range(i)]
    for via in range(size):
        for i in range(size):
            for j in range(size):
                if via not in (i, j):
                    step = walk[i, via] + walk[via, j]
                    if i != j:
                        walk[i, j] = walk[i, j].max(step)
                    else:
                        loops.append(step)
    result = loops[0]
    for loop in loops[1:]:
        result = result.max(loop)
    return result


def confusion_readings(optimum: Optimum) -> Iterator[Reading]:
    """The best cycle with and without the weights m_k, and the largest and smallest margin, of what the loss sees.

    Examples
    --------
    >>> list(confusion_readings(Optimum(Problem.ce([2, 1], 1), "exact")))
    []
    """
    problem, Z = optimum.problem, adjusted_logits(optimum)
    if Z is None:
        return
    apart = (Z - Z.diagonal()).T
    shares = [number(Z[0, 0], share(problem, k)) for k in range(problem.K)]
    weighted = apart * [[m] for m in shares]
    worst = []
    for k in range(problem.K):
        wrong = [apart[k, j] for j in range(problem.K) if j != k]
        top = wrong[0]
        for value in wrong[1:]:
            top = top.max(value)
        worst.append(-top)
    most = least = worst[0]
    for value in worst[1:]:
        most, least = most.max(value), least.min(value)
    yield {cycle: best_cycle(weighted), plain_cycle: best_cycle(apart), best_own: most, worst_own: least}


def acyclic_derivation() -> Derivation:
    """Relabelling the rows of W changes the linear term only."""
    m, other, own, wrong, level = sp.symbols("m_k m_j z_kk z_jk logsum", real=True)
    back_own, back_wrong = sp.symbols("z_jj z_kj", real=True)
    return Derivation(
        steps=(
            Lemma("permuting the rows of W keeps |W| and every logsumexp(z_k), and H is as before", "symmetric sums"),
            Identity(
                "for two classes exchanged the objective changes by",
                (m * (level - wrong) + other * (level - back_wrong)) - (m * (level - own) + other * (level - back_own)),
                -(m * (wrong - own) + other * (back_wrong - back_own)),
            ),
            Lemma(
                "a minimiser cannot gain: sum_k m_k z_pi(k),k is largest at the identity, for every permutation pi, in "
                "particular for every single cycle",
                "global minimality",
            ),
            Lemma(
                "if every step k -> j of a cycle had z_jk > z_kk, its permutation would gain",
                "a sum of positive numbers",
            ),
            Lemma("without a cycle some class has no arrow: its own logit is maximal", "finite directed graphs"),
        )
    )


WITNESS = Problem.ce([14, 6, 5, 1], 1, weights=[1, 1, 2, 3]).at(6)
RELU = Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu")
PLAIN_GAINS = Problem.ce([3, 20, 1], 1, weights=[2, "1/4", 1]).at("10.3")
"""Exchanging two rows would raise the plain sum of the own logits."""

SYMMETRIC = ("ce", "sparsemax", "ovr", "squared")
PRIOR = Problem.ce([20, 1], 1, weights=[1, 40]).with_loss(adjustment=1).at(5000)
"""Z = 0, where only the log-prior is left: the heavier loss of the small class asks for the other order."""

acyclic = Claim(
    id="NR26-20",
    title="Confusion between classes is acyclic",
    kind="structure",
    paper=PAPER,
    statement=(
        r"\sum_k m_k z_{kk} \geq \sum_k m_k z_{\pi(k) k} \ \text{ for every permutation } \pi,\ \text{at every global"
        r" minimiser}",
        r"\text{so } k \to j \text{ if } z_{jk} > z_{kk} \text{ has no cycle, and some class has a maximal own logit}",
    ),
    relations=(sp.Le(cycle, 0, evaluate=False), sp.Ge(best_own, 0, evaluate=False)),
    read=confusion_readings,
    hypotheses=(
        no_bias("the biases may be relabelled too: the statement then holds for the logits with the bias"),
        Hypothesis(
            "the loss does not change when logits are relabelled: no log-prior shift, scaling or row decay",
            lambda p: (
                p.key in ("ce", "ce-relu")
                or (
                    p.loss in SYMMETRIC
                    and not (p.adjustment or p.scaling or p.targets)
                    and all(run.row_decay == 1 for run in p.runs)
                )
            ),
            dropped=PRIOR,
        ),
    ),
    witness=WITNESS,
    family=Family(
        bias=("none",),
        weights=True,
        model="loss",
        losses=SYMMETRIC,
        knobs=("smoothing", "loss_temperature", "feature_decay"),
    ),
    settings=(
        MINORITY_WRONG,
        WEIGHTED_WRONG,
        Problem.ce([(9, 2), (4, 3)], "0.03"),
        RELU,
        WITNESS.with_loss(smoothing="1/10"),
        Problem.ce([6, 3, 2], "0.02", model="ce-relu").with_loss(smoothing="1/5"),
    ),
    derivation=acyclic_derivation,
    required="proved",
    mutants=(
        Mutant("every own logit is maximal", relations=(sp.Ge(worst_own, 0, evaluate=False),), problem=MINORITY_WRONG),
        Mutant("no weights m_k", relations=(sp.Le(plain_cycle, 0, evaluate=False),), problem=PLAIN_GAINS),
        Mutant("a cycle gains a hundredth", relations=(sp.Ge(cycle, sp.Rational(1, 100)),), problem=WITNESS),
    ),
    source="ours; proved here, novelty not checked",
    note="Routes find the global optimum, so the claim is checked there only; a stationary point need not satisfy it. "
    "With logit adjustment it fails for the adjusted scores. A loss of the own probability has the same property with "
    "sum_k m_k f(p_k) in place of the logits; these losses are not read here.",
)


def wrong_readings(optimum: Optimum) -> Iterator[Reading]:
    """Margin of the smallest class over the others at its worst, and the rank.

    Examples
    --------
    >>> list(wrong_readings(Optimum(MINORITY_WRONG, "exact", rank=(1, 1))))
    [{rank: 1}]
    """
    reading: dict[sp.Symbol, Any] = {}
    if optimum.rank[0] == optimum.rank[1]:
        reading[rank] = sp.Integer(optimum.rank[0])
    Z = optimum.logits
    if Z is not None:
        reading[margin] = Z[2, 2] - Z[1, 2]
    yield reading


misclassified = Claim(
    id="NR26-21",
    title="A small class can be misclassified at the global optimum",
    kind="structure",
    paper=PAPER,
    statement=(
        r"n = (5, 3, 1),\ (\lambda N)^2 = 9/5:\quad \operatorname{rank} Z^* = 1,\quad z_{33} < z_{23}",
        r"\text{a sample of class 3 is given to class 2, although no two sizes are equal}",
    ),
    relations=(sp.Lt(margin, 0, evaluate=False), sp.Eq(rank, 1, evaluate=False)),
    read=wrong_readings,
    hypotheses=(
        Hypothesis(
            "the problem of the statement, up to the ratio of the decays",
            lambda problem: problem.sizes == MINORITY_WRONG.sizes and problem.x2 == MINORITY_WRONG.x2,
            dropped=MINORITY_WRONG.at("0.4"),
        ),
    ),
    witness=MINORITY_WRONG,
    settings=(MINORITY_WRONG.tilted(7, 2), MINORITY_WRONG.tilted("1/30", 5)),
    family=None,
    required="enclosed",
    mutants=(
        Mutant("all three classes right", relations=(sp.Ge(margin, 0, evaluate=False),)),
        Mutant("rank 2", relations=(sp.Eq(rank, 2, evaluate=False),)),
    ),
    source="ours; found by search, certified here",
    note="Exact merging of equal sizes, where the margin is 0, is not the worst that can happen.",
)
