"""MY-02: with smoothed labels and loss weights, classes of one size coincide from lambda N = (1 - eps) w sqrt(n) on."""

from theory.quick import *

law = sp.Equivalent(dead, x >= (1 - eps) * w * sp.sqrt(n))
BASE = Problem.ce([(18, 2), (7, 3)], "0.02", weights=[(1, 2), (2, 3)])

smoothed = conjecture(
    "MY-02",
    law,
    model="loss",
    title="Merging with smoothed labels and loss weights",
    hypotheses=(
        Hypothesis(
            "smoothed labels, no other knob",
            lambda problem: 0 < problem.smoothing < 1 and problem.loss == "ce" and not problem.scaling,
            dropped=BASE.with_loss(smoothing="1/10", scaling=1).at("3.5"),
        ),
        Hypothesis(
            "some class has a twin of the same size and weight",
            lambda problem: any(cluster.classes > 1 for cluster in problem.clusters),
            dropped="a class of its own has nothing to coincide with",
        ),
    ),
    witness=BASE.with_loss(smoothing="1/10"),
    family=Family(model="loss", sizes="clusters", bias=("none",), knobs=("weights", "smoothing"), near=("merge",)),
    mutants=(
        Mutant("smoothing does not matter", relations=(sp.Equivalent(dead, x >= w * sp.sqrt(n)),)),
        Mutant("smoothing delays it", relations=(sp.Equivalent(dead, x >= w * sp.sqrt(n) / (1 - eps)),)),
    ),
)
