"""When the classes of a cluster merge, for every Fenchel-Young loss and all knobs at once: NR26-02 and NR26-03.

Only the contrast space of the cluster matters. There the dual matrix has one eigenvalue, and at the merged point the
symmetry of the potential gives both classes the same prediction: the rest of the problem drops out.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.loss_observables import (
    LINEAR,
    THRESHOLD,
    UNIVERSAL,
    WIDE,
    Delta,
    eps,
    kappa,
    loss_cluster_readings,
    r,
    s,
    tau,
)
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Cluster, Problem
from theory.symbols import K, N, dead, k, lam, n, p, q, w, x

PAPER = "new_results"

PAIR = Hypothesis(
    "some cluster has at least two classes, and targets of contrast > 0",
    lambda problem: any(c.classes > 1 and problem.contrast(c) > 0 for c in problem.clusters),
    dropped="without such a cluster there is no sibling and nothing to observe",
)

BASE = Problem.ce([(18, 2), (7, 3)], 1, weights=[(1, 2), ("3/2", 3)])
EXAMPLE = BASE.with_loss(smoothing="1/10")
"""T_B = 1.5 * 0.9 * sqrt(7)."""
SMALL = Problem.ce([(9, 2), (4, 2)], 1)
SQUARED = SMALL.with_loss("squared", feature_decay=[(1, 2), (4, 2)], row_decay=[(1, 2), ("9/4", 2)])
SPARSE = SMALL.with_loss("sparsemax", smoothing="1/5")
SINGLE = SMALL.with_loss("ovr", loss_temperature=2)
SCALED = SMALL.with_loss(scaling="1/2")
SHIFTED = SMALL.with_loss(adjustment=1)
PENALISED = Problem.ce([(9, 2), (4, 2)], 1, bias="1/10").with_loss(smoothing="1/10")
KNOBS = ("weights", "smoothing", "adjustment", "scaling", "loss_temperature", "feature_decay", "row_decay")
LOSSES = ("ce", "squared", "sparsemax", "ovr")
ALONE = Problem.ce([16, 4, 1], 1).with_loss(smoothing="1/10")


def contrast_derivation() -> Derivation:
    """The dual matrix Mx = S^(-1/2) Delta (Y - P) diag(m) G^(-1/2)/lam on the contrast e_i - e_j of a cluster."""
    own, sibling, rest, y_own, y_sibling, y_rest = sp.symbols("p_c q_c rest y_c y_s y_r", real=True)
    gap, distance, excess, row, column = sp.symbols("alpha d e s_l Delta_l", positive=True)
    mass = n * w / N / sp.sqrt(n * r) / lam
    factors = sp.diag(Delta / sp.sqrt(s), Delta / sp.sqrt(s), column / sp.sqrt(row))
    column_i = factors * sp.Matrix([y_own - own, y_sibling - sibling, y_rest - rest]) * mass
    column_j = factors * sp.Matrix([y_sibling - sibling, y_own - own, y_rest - rest]) * mass
    multiple = w * Delta * sp.sqrt(n / (r * s)) * (kappa - (own - sibling)) / (lam * N)
    value = multiple.subs(own, sibling + distance)
    return Derivation(
        steps=(
            Lemma(
                "the mean of a minimiser over permutations of the cluster is a minimiser, and Mx is the same for all",
                "convexity; the subdifferential of the nuclear norm",
            ),
            Lemma("||Mx|| <= 1, and Mx maps right to left singular vectors of X with singular value > 0", "NR26-01"),
            Identity(
                "Mx maps the contrast to a multiple of itself; no other class, iota or bias is in it",
                column_i - column_j,
                (multiple * sp.Matrix([1, -1, 0])).subs(kappa, y_own - y_sibling),
            ),
            Identity(
                "X maps the contrast to alpha sqrt(s g) times itself: a singular value, k_C - 1 times",
                sp.sqrt(s * n * r) * sp.Matrix([[gap + rest, rest], [rest, gap + rest]]) * sp.Matrix([1, -1]),
                gap * sp.sqrt(s * n * r) * sp.Matrix([1, -1]),
            ),
            Identity(
                "alpha > 0: the multiple is 1, which gives p - q = kappa (1 - x/T)",
                sp.solve(sp.Eq(multiple.subs(lam, x / N), 1), own)[0] - sibling,
                kappa * (1 - x / THRESHOLD),
            ),
            Identity(
                "Delta, iota and bias are common in the cluster: u_own - u_sibling = Delta alpha",
                (Delta * (sibling + gap) + rest) - (Delta * sibling + rest),
                Delta * gap,
            ),
            Lemma(
                "alpha = 0 gives p = q, alpha > 0 gives p >= q, alpha < 0 gives p <= q; strict if Om is strictly "
                "convex "
                "on the contrast",
                "the gradient of a symmetric convex function is symmetric and monotone",
            ),
            Positive(
                "alpha < 0 is impossible: the multiple would be -1, but with q = p + d it is positive",
                multiple.subs(sibling, own + distance),
            ),
            Identity("dead (p = q): the multiple is T/x", multiple.subs(own, sibling), THRESHOLD / (lam * N)),
            Positive("so x = T - e < T contradicts ||Mx|| <= 1: T/x > 1", (excess + x) / x - 1),
            Positive(
                "x > T contradicts alive: p = q + d, d > 0, makes the multiple smaller than T/x, by this",
                THRESHOLD / (lam * N) - value,
            ),
            Lemma(
                "x = T: alive needs p = q, excluded for strictly convex Om; else the merged point is one of the "
                "minimisers",
                "the two cases above",
            ),
        )
    )


law = Claim(
    id="NR26-02",
    title="Master merging law for Fenchel-Young losses",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{cluster } C \text{ merges} \iff \lambda N \geq T_C = w \Delta \kappa \sqrt{n/(r s)}",
        r"p_{\mathrm{own}} - p_{\mathrm{sibling}} = \max(0,\ \kappa (1 - \lambda N/T_C))",
    ),
    relations=(
        sp.Equivalent(dead, x >= THRESHOLD),
        sp.Eq(p - q, sp.Max(0, kappa * (1 - x / THRESHOLD)), evaluate=False),
    ),
    read=loss_cluster_readings,
    hypotheses=(PAIR, LINEAR, UNIVERSAL, WIDE),
    witness=EXAMPLE.at("3.189375"),
    family=Family(
        sizes="clusters", bias=("none", "penalised"), near=("merge",), model="loss", losses=LOSSES, knobs=KNOBS
    ),
    settings=(
        EXAMPLE.at("12.7575"),
        SQUARED.at(1),
        SPARSE.at(1),
        SINGLE.at("1/2"),
        SCALED.at(1),
        SHIFTED.at(3),
        PENALISED.at(2),
    ),
    derivation=contrast_derivation,
    rests_on=frozenset({"NR26-01"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        *(
            Mutant(text, relations=(sp.Equivalent(dead, x >= wrong),), problem=problem)
            for text, wrong, problem in (
                ("sqrt(w)", THRESHOLD / sp.sqrt(w), EXAMPLE.at("10.5")),
                ("sqrt(kappa)", THRESHOLD / sp.sqrt(kappa), EXAMPLE.at("13.5")),
                ("r instead of 1/r", THRESHOLD * r ** sp.Rational(3, 2), SQUARED.at(2)),
                ("1/sqrt(Delta)", THRESHOLD / sp.sqrt(Delta) ** 3, SCALED.at(4)),
                ("times (K-1)/K", THRESHOLD * (K - 1) / K, EXAMPLE.at(10)),
                ("1/s instead of 1/sqrt(s)", THRESHOLD / sp.sqrt(s), SQUARED.at("1/3")),
            )
        ),
        Mutant(
            "p - q without kappa",
            relations=(sp.Eq(p - q, sp.Max(0, 1 - x / THRESHOLD), evaluate=False),),
            problem=EXAMPLE.at("3.189375"),
        ),
    ),
    note="K, the other classes, the loss within the family, log-prior shifts and the bias do not enter. With "
    "sparsemax, which is not strictly convex, 'merged' is meant for every minimiser above T_C and for one at T_C. "
    "A cluster of one class has no contrast and no statement.",
)

# --- one knob at a time ------------------------------------------------------------------------------------------

weight_only, Delta_only, decay_only, row_only = sp.symbols("w_only Delta_only r_only s_only", positive=True)
eps_only, tau_only, kappa_only = sp.symbols("epsilon_only tau_only kappa_only", positive=True)
"""The value of a knob where every other one has its default."""
n_plain, n_shift = sp.symbols("n_plain n_shift", positive=True)
"""The size where no knob is used; where only log-prior shifts (a log(n/N)) or a bias are."""
copies, n_once, N_once = sp.symbols("f n_once N_once", positive=True)
"""The classes of the cluster read as f copies of n_once samples, N_once samples in all before."""


def knob_readings(optimum: Optimum) -> Iterator[Reading]:
    """The readings of clusters in which at most one knob is used, under the symbol of that knob.

    Examples
    --------
    >>> [sorted(map(str, set(reading) & {eps_only, n_plain})) for reading in knob_readings(Optimum(EXAMPLE, "exact"))]
    [['epsilon_only']]
    >>> [reading[n_plain] for reading in knob_readings(Optimum(SMALL, "exact"))]
    [9, 4]
    """
    problem = optimum.problem
    clusters = [c for c in problem.clusters if c.classes > 1]
    for cluster, reading in zip(clusters, loss_cluster_readings(optimum), strict=True):
        used = _used(problem, cluster, reading)
        if len(used) == 1:
            symbol, value = used[0]
            yield {**reading, symbol: value}
        elif not used:
            shifted = problem.adjustment or problem.bias != "none"
            yield {**reading, n_shift if shifted else n_plain: reading[n], **_copies(problem, cluster)}


def _used(problem: Problem, cluster: Cluster, reading: Reading) -> list[tuple[sp.Symbol, sp.Expr]]:
    """Knobs of a cluster that are not at their default."""
    found = [(weight_only, reading[w]), (decay_only, reading[r]), (row_only, reading[s])]
    found = [(symbol, value) for symbol, value in found if value != 1]
    if problem.scaling and reading[Delta] * reading[tau] != 1:
        found.append((Delta_only, reading[Delta] * reading[tau]))
    if problem.loss_temperature != 1:
        found.append((tau_only, reading[tau]))
    if problem.smoothing:
        found.append((eps_only, reading[eps]))
    if problem.targets:
        found.append((kappa_only, reading[kappa]))
    return found


def _copies(problem: Problem, cluster: Cluster) -> Reading:
    """Four copies of a quarter of the samples; only without a bias or shift, which N alone does not describe."""
    if problem.adjustment or problem.bias != "none":
        return {}
    once = cluster.size / 4
    return {
        copies: sp.Integer(4),
        n_once: rational(once),
        N_once: rational(problem.N - 3 * once * cluster.classes),
    }


def knob_derivation() -> Derivation:
    """T_C with one knob at a time."""
    one = {w: 1, Delta: 1, kappa: 1, r: 1, s: 1}
    own, total = sp.symbols("n_0 N_0", positive=True)

    def only(**known: sp.Expr) -> sp.Expr:
        names = {"w": w, "Delta": Delta, "kappa": kappa, "r": r, "s": s}
        return THRESHOLD.subs({names[name]: value for name, value in known.items()}).subs(one)

    smooth, t = sp.symbols("epsilon t", positive=True)
    y_own, y_sibling = 1 - smooth + smooth / K, smooth / K
    return Derivation(
        steps=(
            *contrast_derivation().steps,
            Identity("nothing used: sqrt(n)", THRESHOLD.subs(one), sp.sqrt(n)),
            Identity("smoothed targets: kappa = 1 - eps", y_own - y_sibling, 1 - smooth),
            Identity("temperature t: Delta = 1/t", only(Delta=1 / t), sp.sqrt(n) / t),
            Identity("feature decay", only(r=t), sp.sqrt(n / t)),
            Identity("classifier-row decay", only(s=t), sp.sqrt(n / t)),
            Identity(
                "f copies: n = f n_0, N = N_0 + (f - 1) n_0 k_C",
                total + (t - 1) * own * k,
                (total - own * k) + t * own * k,
            ),
        )
    )


LONE = Problem.ce([9, (4, 2)], 1)
"""Only the minority has a contrast."""
DISTILLED = LONE.with_loss(targets=[["0.8", "0.1", "0.1"], ["0.1", "0.6", "0.3"], ["0.1", "0.3", "0.6"]])
WEIGHTED = Problem.ce([9, (4, 2)], 1, weights=[1, (3, 2)])
DECAYED = LONE.with_loss(feature_decay=[1, (3, 2)])
ROWS = LONE.with_loss(row_decay=[1, (3, 2)])
WARM = LONE.with_loss(loss_temperature=2)
SMOOTH = LONE.with_loss(smoothing="1/5")
PRIOR = LONE.with_loss(adjustment=1)
STEEP = LONE.with_loss(scaling="1/2")

knobs = Claim(
    id="NR26-03",
    title="Which knobs move the merging threshold",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\text{merged} \iff \lambda N \geq f \sqrt{n_C}:\quad \text{plain, log-prior shifts, bias } f = 1,\quad"
        r"\text{weight } w,\quad \text{scaling } \Delta,\quad \text{temperature } 1/\tau",
        r"\text{smoothing } 1 - \epsilon,\quad \text{soft targets } \kappa,\quad \text{feature decay } r^{-1/2},\quad"
        r"\text{row decay } s^{-1/2}",
        r"f \text{ copies}: \lambda (N + (f - 1) n_C k_C) \geq \sqrt{f n_C}",
    ),
    relations=(
        sp.Equivalent(dead, x >= sp.sqrt(n_plain)),
        sp.Equivalent(dead, x >= sp.sqrt(n_shift)),
        sp.Equivalent(dead, x >= weight_only * sp.sqrt(n)),
        sp.Equivalent(dead, x >= Delta_only * sp.sqrt(n)),
        sp.Equivalent(dead, x >= sp.sqrt(n) / tau_only),
        sp.Equivalent(dead, x >= (1 - eps_only) * sp.sqrt(n)),
        sp.Equivalent(dead, x >= kappa_only * sp.sqrt(n)),
        sp.Equivalent(dead, x >= sp.sqrt(n / decay_only)),
        sp.Equivalent(dead, x >= sp.sqrt(n / row_only)),
        sp.Equivalent(dead, lam * (N_once + (copies - 1) * n_once * k) >= sp.sqrt(copies * n_once)),
    ),
    read=knob_readings,
    hypotheses=(PAIR, LINEAR, UNIVERSAL, WIDE),
    witness=SMOOTH.at(2),
    family=Family(sizes="clusters", near=("merge",), model="loss", losses=LOSSES),
    settings=(
        LONE.at(3),
        SMALL.at(6),
        *(base.at(3) for base in (PRIOR, WEIGHTED, STEEP, WARM, DISTILLED, DECAYED, ROWS)),
    ),
    derivation=knob_derivation,
    rests_on=frozenset({"NR26-01", "NR26-02"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, wrong),), problem=problem)
        for text, wrong, problem in (
            (
                "logit adjustment divides the threshold by the log ratio",
                x >= sp.sqrt(n_shift) / (1 + sp.log(N / n_shift)),
                PRIOR.at("3.9"),
            ),
            (
                "oversampling acts linearly",
                lam * (N_once + (copies - 1) * n_once * k) >= copies * sp.sqrt(n_once),
                LONE.at(5),
            ),
            ("smoothing divides by 1 - eps", x >= sp.sqrt(n) / (1 - eps_only), SMOOTH.at(5)),
            ("temperature multiplies", x >= tau_only * sp.sqrt(n), WARM.at(4)),
            ("weights act like a root", x >= sp.sqrt(weight_only * n), WEIGHTED.at(20)),
        )
    ),
    note="A weight acts linearly, copies only like a square root; smoothing and Delta < 1 make merging easier.",
)
