"""False beliefs about logit adjustment, label smoothing and margins: RF26-04, RF26-07 and RF26-13.

Each claim states the belief; the counterexample is found by the routes. The law behind all three is NR26-02 and, for
margins, the bracket of NR26-04.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Reading
from theory.loss_observables import WIDE, loss_cluster_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import dead, n, w, x

PAPER = "beliefs"


def smallest_readings(optimum: Optimum) -> Iterator[Reading]:
    """The cluster of smallest size, where it has two classes or more.

    Examples
    --------
    >>> [reading[n] for reading in smallest_readings(Optimum(SEPARATE, "exact"))]
    [5]
    """
    least = min(optimum.problem.sizes)
    yield from (reading for reading in loss_cluster_readings(optimum) if reading[n] == least)


PAIR = Hypothesis(
    "the smallest size occurs at least twice",
    lambda problem: problem.sizes.count(min(problem.sizes)) > 1,
    dropped="a class of its own has no sibling to merge with",
)
PLAIN = Hypothesis(
    "cross-entropy on linear features, no bias",
    lambda problem: problem.model == "ce" and problem.bias == "none",
    dropped="another model",
)

SIZES = Problem.ce([(20, 2), (5, 3)], 1)
SEPARATE, MERGED = (SIZES.with_loss(adjustment=1).at(square) for square in ("4.802", "5.202"))
"""lam N = 0.98 sqrt(5) and 1.02 sqrt(5)."""

logit_adjustment = Claim(
    id="RF26-04",
    title="Logit adjustment delays merging",
    kind="threshold",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\text{with } \iota = \tau \log \pi,\ \tau > 0, \text{ the minority is still separate 1 \% above the "
        r"threshold "
        r"of plain cross-entropy: merged} \iff \lambda N \geq 1.01 \sqrt{n}",
    ),
    relations=(sp.Equivalent(dead, x >= sp.Rational(101, 100) * sp.sqrt(n)),),
    read=smallest_readings,
    hypotheses=(
        PAIR,
        PLAIN,
        WIDE,
        Hypothesis("log-prior shifts", lambda p: p.adjustment > 0, dropped="nothing is adjusted: HL23-04"),
        Hypothesis("not all of one size", lambda p: len(p.clusters) > 1, dropped="equal shifts change nothing at all"),
    ),
    witness=SIZES.with_loss(adjustment=1).at("5.05"),
    family=Family(sizes="clusters", bias=("none",), near=("merge",), model="loss", knobs=("adjustment",)),
    settings=(SEPARATE, SIZES.with_loss(adjustment=2).at("5.05")),
    rests_on=frozenset({"NR26-02"}),
    required="refuted",
    source="a belief; sizes (20, 20, 5, 5, 5)",
    note="Classes of one size get one and the same shift, so it cancels where they are compared: the difference of own "
    "and sibling probability is 1 - lambda N/sqrt(n) with and without log-prior shifts, and it ends at the same "
    "decay (NR26-02). The threshold is the one of plain cross-entropy for every tau: separate at 0.98 sqrt(5), "
    "merged at 1.02 sqrt(5). Log-prior shifts do move complete collapse (NR26-06), and under a norm constraint "
    "they act through the multiplier (NR26-11).",
)

SMOOTH = Problem.ce([(15, 2), (4, 2)], "0.0473684").with_loss(smoothing="1/5")
"""lam N close to 0.9 * 2."""

label_smoothing = Claim(
    id="RF26-07",
    title="Label smoothing delays collapse (weight decay)",
    kind="threshold",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\text{with smoothed labels the minority is separate wherever it is with one-hot labels: merged} \iff"
        r" \lambda N \geq \sqrt{n}",
    ),
    relations=(sp.Equivalent(dead, x >= sp.sqrt(n)),),
    read=smallest_readings,
    hypotheses=(
        PAIR,
        PLAIN,
        WIDE,
        Hypothesis("smoothed labels", lambda p: p.smoothing > 0, dropped="one-hot labels: HL23-04"),
    ),
    witness=SMOOTH,
    family=Family(sizes="clusters", bias=("none",), near=("merge",), model="loss", knobs=("smoothing",)),
    settings=(SMOOTH.at("2.5"),),
    rests_on=frozenset({"NR26-02"}),
    required="refuted",
    source="a belief; sizes (15, 15, 4, 4), smoothing 0.2, lam = 0.9 * 2/38",
    note="A smoothed label asks for less: own and sibling probability shall differ by 1 - eps, not by 1. Weight decay "
    "takes lambda N/sqrt(n) off that difference, so it is used up earlier and the threshold is multiplied by 1 - "
    "eps. In the example plain cross-entropy separates the minority and smoothing merges it. Under a norm "
    "constraint the effect has the opposite sign in all cases tried (CJ26-07).",
)

HEAVY = Problem.ce([(25, 3), (4, 2)], 1).with_loss("margin:12")
"""At lam N = 1.9 * 2, below the bound 2 * 2 on what any margin can reach."""

margins = Claim(
    id="RF26-13",
    title="A large enough own-class margin prevents merging",
    kind="threshold",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\text{with a margin of 12 subtracted from the own logit the minority is separate below twice the plain "
        r"threshold: merged} \iff \lambda N \geq 2 \sqrt{n}",
    ),
    relations=(sp.Equivalent(dead, x >= 2 * w * sp.sqrt(n)),),
    read=smallest_readings,
    hypotheses=(
        PAIR,
        PLAIN,
        WIDE,
        Hypothesis("a margin of 12", lambda p: p.loss == "margin:12", dropped="smaller margins gain less"),
    ),
    witness=HEAVY.at("14.44"),
    family=Family(sizes="clusters", bias=("none",), near=("merge",), model="loss", losses=("margin:12",)),
    settings=(HEAVY.at("5.76"), HEAVY.at(9)),
    rests_on=frozenset({"NR26-04"}),
    required="refuted",
    source="a belief; sizes (25, 25, 25, 4, 4)",
    note="A margin makes a merged class look wrong, which pushes its features apart; but the push is a probability and "
    "cannot exceed that of a prediction that is certainly wrong, however large the margin. So the gain never "
    "exceeds the factor k/(k-1) = 2 (the bracket of NR26-04): at 1.9 times the plain threshold margins of 2 and "
    "of 12 are both merged. A moderate gain is real: at 1.2 both are separate, at 1.5 only 12 is.",
)
