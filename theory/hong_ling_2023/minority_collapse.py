"""Minority collapse: the p - q law of a cluster and the sharp merge threshold.

HL23-03 says how far apart own and sibling probabilities are, HL23-04 when the classes of a cluster merge.
HL23-11, 19 and 20 are what they say about more data, oversampling and reweighting.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.observables import cluster_readings, dead_state, norm, parameters, rational
from theory.optimum import Optimum, State
from theory.problem import Problem
from theory.symbols import K, N, alpha, dead, dead_exact, k, kA, kB, lam, mu, n, nA, nB, p, q, w, x

PAPER = "hong_ling_2023"


def _two_or_more(problem: Problem) -> bool:
    return any(cluster.classes >= 2 for cluster in problem.clusters)


def _wide_enough(problem: Problem) -> bool:
    return problem.dim >= problem.K - 1


PAIR = Hypothesis(
    text="some cluster has at least two classes of equal size and weight",
    holds=_two_or_more,
    dropped="without such a cluster there is no sibling and nothing to observe",
)
WIDE = Hypothesis(
    text="d >= K - 1",
    holds=_wide_enough,
    dropped="below K - 1 the convex form may be loose; HL23-01 shows what fails",
)

STEP = Problem.ce([(120, 4), (25, 3)], "0.0085")
MERGED = STEP.at(36)
TIE = STEP.at(25)
HEAVY = Problem.ce([(120, 4), (25, 3)], "0.0085", weights=[(1, 4), (3, 3)])
PENALISED = Problem.ce([(120, 4), (25, 3)], 1, bias="1/10").at("24.01")
GROWN = Problem.ce([(16, 2), (4, 3)], 1)
OVERSAMPLED = Problem.ce([(20, 3), (16, 2)], 1).at(25)


def _two_clusters(problem: Problem) -> bool:
    return len(problem.clusters) == 2


def _unweighted(problem: Problem) -> bool:
    return all(cluster.weight == 1 for cluster in problem.clusters)


TWO = Hypothesis(
    text="two clusters",
    holds=_two_clusters,
    dropped="the formulas name the sizes of exactly two clusters",
)
UNWEIGHTED = Hypothesis(
    text="all class weights are 1",
    holds=_unweighted,
    dropped=Problem.ce([(16, 2), (4, 3)], 1, weights=[(1, 2), (3, 3)]).at(9),
)

y = sp.Symbol("y", positive=True)
"""sqrt(nA), the unknown of HL23-11."""

largest, total_weight = sp.symbols("n_max N_w", positive=True)
"""Largest size; sum of w_k n_k, which would be N if weights were samples."""


sigma = sp.Symbol("sigma", real=True)
"""Norm of Z D^(1/2) on the unit contrast of two classes of the cluster: a singular value."""


def _reweighted(weight: str) -> Problem:
    """Minority collapsed at weight 1: x = 6, sqrt(nB) = 5."""
    return Problem.ce([(120, 4), (25, 3)], 1, weights=[(1, 4), (weight, 3)]).at(36)


def law_readings(optimum: Optimum) -> Iterator[Reading]:
    """Readings per cluster, beside the norm of Z D^(1/2) on the contrast of its first two classes.

    Examples
    --------
    >>> Z = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> (reading,) = law_readings(Optimum(Problem.ce([4, 4], 1), "exact", logits=Z, bias=0 * Z[0]))
    >>> float(reading[alpha]), round(float(reading[sigma]), 12)
    (2.0, 4.0)
    """
    Z = optimum.logits
    clusters = [cluster for cluster in optimum.problem.clusters if cluster.classes > 1]
    for cluster, reading in zip(clusters, cluster_readings(optimum), strict=True):
        if Z is None:
            yield reading
            continue
        i, j = cluster.members[:2]
        half = (0 * Z[0, 0] + cluster.size.numerator) / (2 * cluster.size.denominator)
        yield {**reading, sigma: norm(Z[:, i] - Z[:, j]) * np.sqrt(half)}


def merge_readings(optimum: Optimum) -> Iterator[Reading]:
    """Readings per cluster, beside the largest size and the weighted number of samples.

    Examples
    --------
    >>> [(reading[n], reading[largest], reading[total_weight]) for reading in merge_readings(Optimum(HEAVY, "exact"))]
    [(120, 120, 705), (25, 120, 705)]
    """
    clusters = optimum.problem.clusters
    extra = {
        largest: rational(clusters[0].size),
        total_weight: sum((rational(c.weight * c.size * c.classes) for c in clusters), sp.Integer(0)),
    }
    yield from ({**reading, **extra} for reading in cluster_readings(optimum))


def _states(optimum: Optimum) -> list[dict[sp.Symbol, bool | None]]:
    """State of the contrast of each cluster; empty for a cluster of one class."""
    clusters = optimum.problem.clusters
    unknown: tuple[State, ...] = (None,) * len(clusters)
    return [
        {dead: dead_state(state), dead_exact: dead_state(exact)} if cluster.classes > 1 else {}
        for cluster, state, exact in zip(
            clusters, optimum.contrasts or unknown, optimum.exact_contrasts or unknown, strict=True
        )
    ]


def growing_readings(optimum: Optimum) -> Iterator[Reading]:
    """The majority contrast in terms of y = sqrt(nA) alone, the minority contrast in terms of nA (HL23-11).

    Examples
    --------
    >>> majority, minority = growing_readings(Optimum(GROWN.at(9), "exact"))
    >>> majority[y], minority[nA]
    (4, 16)
    """
    problem = optimum.problem
    if len(problem.clusters) != 2:
        return
    A, B = problem.clusters
    common = {lam: parameters(problem)[lam], kA: sp.Integer(A.classes), kB: sp.Integer(B.classes)}
    of_A, of_B = _states(optimum)
    if of_A:
        yield {**common, **of_A, nB: rational(B.size), y: sp.sqrt(rational(A.size))}
    if of_B:
        yield {**common, **of_B, nB: rational(B.size), nA: rational(A.size)}


def oversampled_readings(optimum: Optimum) -> Iterator[Reading]:
    """Either cluster as the oversampled one, its size split into w copies of nB samples in two ways (HL23-19).

    Examples
    --------
    >>> [(reading[w], reading[nB]) for reading in oversampled_readings(Optimum(OVERSAMPLED, "exact"))]
    [(20, 1), (4, 5), (16, 1), (4, 4)]
    """
    problem = optimum.problem
    if len(problem.clusters) != 2:
        return
    states = dict(zip(problem.clusters, _states(optimum), strict=True))
    for own, other in permutations(problem.clusters):
        for copies in (own.size, 4):
            if states[own]:
                yield {
                    lam: parameters(problem)[lam],
                    kA: sp.Integer(other.classes),
                    nA: rational(other.size),
                    kB: sp.Integer(own.classes),
                    nB: rational(own.size) / rational(copies),
                    w: rational(copies),
                    **states[own],
                }


def window(own: sp.Expr, product: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Roots of lam own t^2 - t + lam product/own = 0, or twice the vertex 1/(2 lam own) where they are complex.

    Examples
    --------
    >>> [root.subs(lam, sp.Rational(1, 11)) for root in window(sp.Integer(2), sp.Integer(24))]
    [3/2, 4]
    """
    root = sp.sqrt(sp.Max(0, 1 - 4 * lam**2 * product))
    return (1 - root) / (2 * lam * own), (1 + root) / (2 * lam * own)


def outside(value: sp.Expr, ends: tuple[sp.Expr, sp.Expr]) -> sp.Equivalent:
    """Dead iff the value is not strictly inside the window.

    Examples
    --------
    >>> outside(y, (sp.Integer(1), sp.Integer(2))).subs(dead, True).subs(y, 3)
    True
    """
    return sp.Equivalent(dead, sp.Or(value <= ends[0], value >= ends[1]))


def contrast_derivation() -> Derivation:
    """The optimality condition on the contrasts of one cluster; nothing else in the solution enters.

    Class i of the cluster has the softmax column p at i, q at its siblings and r_l at the other classes, so
    (I - P) w D^(1/2) (e_i - e_j) needs three rows only: i, j and any other class.
    """
    r, total = sp.symbols("r E", positive=True)
    logit = sp.Symbol("z", real=True)
    own, sibling = sp.symbols("p_c q_c", positive=True)
    column_i = sp.Matrix([1 - own, -sibling, -r])
    column_j = sp.Matrix([-sibling, 1 - own, -r])
    gap = sp.Symbol("alpha_c", positive=True)
    return Derivation(
        steps=(
            Lemma(
                "the minimiser is unique, hence invariant under permutations of the cluster",
                "strict convexity modulo constants",
            ),
            Identity(
                "(I - P) w D^(1/2) maps the contrast e_i - e_j to a multiple of itself",
                w * sp.sqrt(n) * (column_i - column_j),
                w * sp.sqrt(n) * (1 - own + sibling) * sp.Matrix([1, -1, 0]),
            ),
            Lemma(
                "M = (I - P) w D^(1/2) satisfies ||M|| <= x and equals x on the right singular directions of X",
                "subdifferential of the nuclear norm",
            ),
            Identity(
                "alive (alpha > 0): the multiple is x, which gives p - q",
                sp.solve(sp.Eq(w * sp.sqrt(n) * (1 - own + sibling), x), own)[0] - sibling,
                1 - x / (w * sp.sqrt(n)),
            ),
            Identity(
                "X maps the contrast to alpha sqrt(n) times itself: a singular value of multiplicity k - 1",
                sp.sqrt(n) * sp.Matrix([[gap + r, r], [r, gap + r], [r, r]]) * sp.Matrix([1, -1]),
                gap * sp.sqrt(n) * sp.Matrix([1, -1, 0]),
            ),
            Identity(
                "log(p/q) = alpha, as both classes have the same bias, so p - q has the sign of alpha",
                sp.log(sp.exp(logit + gap) / total) - sp.log(sp.exp(logit) / total),
                gap,
            ),
            Positive(
                "alpha < 0 is impossible: the multiple would be -x, but it is positive (1 - p = q + r + ... > 0)",
                (w * sp.sqrt(n) * (1 - own + sibling)).subs(own, 1 - sibling - r),
            ),
            Positive(
                "alive needs x < w sqrt(n): with p = q + s, s > 0, the distance w sqrt(n) - x is positive",
                (w * sp.sqrt(n) - w * sp.sqrt(n) * (1 - own + sibling)).subs(
                    own, sibling + sp.Symbol("s", positive=True)
                ),
            ),
            Identity(
                "dead (p = q): the multiple is w sqrt(n), so ||M|| <= x forces x >= w sqrt(n), equality included",
                (w * sp.sqrt(n) * (1 - own + sibling)).subs(own, sibling),
                w * sp.sqrt(n),
            ),
            Identity(
                "W W^T and H^T H act on the contrast as alpha sqrt(n) (times constants): |w_i - w_j|^2 and "
                "|h_i - h_j|^2 vanish with alpha, and only then",
                (sp.Matrix([[1, -1]]) * sp.Matrix([[gap + r, r], [r, gap + r]]) * sp.Matrix([1, -1]))[0],
                2 * gap,
            ),
        ),
    )


law = Claim(
    id="HL23-03",
    title="p - q law per cluster",
    kind="equality",
    paper=PAPER,
    statement=(
        r"p_c - q_c = \max\left(0,\, 1 - \frac{\lambda N}{w_c \sqrt{n_c}}\right)",
        r"\log\frac{p_c}{q_c} = \alpha_c,\qquad \alpha_c \sqrt{n_c}"
        r" \text{ is a singular value of } Z D^{1/2},\ k_c - 1 \text{ times}",
    ),
    relations=(
        sp.Eq(p - q, sp.Max(0, 1 - x / (w * sp.sqrt(n))), evaluate=False),
        sp.Eq(sp.log(p / q), alpha, evaluate=False),
        sp.Eq(sigma, alpha * sp.sqrt(n), evaluate=False),
    ),
    read=law_readings,
    hypotheses=(PAIR, WIDE),
    witness=STEP,
    family=Family(sizes="clusters", weights=True, near=("merge",)),
    settings=(Problem.ce([(9, 2), (4, 2)], "0.06", weights=[(1, 2), (2, 2)]),),
    derivation=contrast_derivation,
    required="proved",
    mutants=(
        *(
            Mutant(text, relations=(sp.Eq(wrong, sp.Max(0, predicted), evaluate=False),), problem=problem)
            for text, wrong, predicted, problem in (
                ("n instead of sqrt(n)", p - q, 1 - x / (w * n), STEP),
                ("N missing", p - q, 1 - lam / (w * sp.sqrt(n)), STEP),
                ("times sqrt(n) instead of divided", p - q, 1 - x * sp.sqrt(n) / w, STEP),
                ("weight under the root", p - q, 1 - x / sp.sqrt(w * n), HEAVY),
                ("p instead of p - q", p, 1 - x / (w * sp.sqrt(n)), STEP),
            )
        ),
        Mutant("singular value without sqrt(n)", (sp.Eq(sigma, alpha, evaluate=False),), problem=STEP),
    ),
)

threshold = Claim(
    id="HL23-04",
    title="Sharp minority-collapse threshold",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{mean logits, features and classifier rows of the classes of cluster } c \text{ coincide}"
        r" \iff \lambda N \geq w_c \sqrt{n_c}",
        r"\text{two clusters, no weights: } B \text{ is collapsed} \iff"
        r" n_A \geq \frac{\sqrt{n_B}/\lambda - k_B n_B}{k_A}",
    ),
    relations=(sp.Equivalent(dead, x >= w * sp.sqrt(n)),),
    read=merge_readings,
    hypotheses=(PAIR, WIDE),
    witness=STEP,
    family=Family(sizes="clusters", weights=True, near=("merge",)),
    derivation=contrast_derivation,
    rests_on=frozenset({"HL23-03"}),
    settings=(MERGED, TIE, STEP.at(120), HEAVY, PENALISED),
    required="proved",
    note="One rule for every cluster of two classes or more, whatever the other sizes and the bias: the majority "
    "merges at sqrt(n_A). The form in n_A at fixed lam is a relation of HL23-11.",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, wrong),), problem=problem)
        for text, wrong, problem in (
            ("n instead of sqrt(n)", x >= w * n, MERGED),
            ("N missing", lam >= w * sp.sqrt(n), MERGED),
            ("mean size instead of the own", x >= w * sp.sqrt(N / K), MERGED),
            ("the largest size instead of the own", x >= w * sp.sqrt(largest), MERGED),
            ("number of classes enters", x >= w * sp.sqrt(n * k), MERGED),
            ("number of other classes enters", x >= w * sp.sqrt(n * (K - k) / k), STEP.at(26)),
            ("bias-dependent threshold", x * (1 + mu) >= w * sp.sqrt(n), PENALISED),
            ("strict instead of non-strict", x > w * sp.sqrt(n), TIE),
        )
    ),
)


def window_derivation() -> Derivation:
    """The merge rule as a quadratic inequality in the square root of one size (y), the other cluster fixed.

    ``own`` classes of size y^2 and ``rest`` samples elsewhere: N = own y^2 + rest, alive iff lam N < y.
    """
    own, rest = sp.symbols("k_own n_rest", positive=True)
    gap = lam * (own * y**2 + rest) - y
    root = sp.Symbol("rho", positive=True)
    complete = 4 * lam**2 * own * rest
    return Derivation(
        steps=(
            *contrast_derivation().steps,
            Identity(
                "completing the square",
                gap,
                lam * own * ((y - 1 / (2 * lam * own)) ** 2 + (complete - 1) / (2 * lam * own) ** 2),
            ),
            Positive(
                "4 lam^2 own rest = 1 + s > 1: never alive (at s = 0 the gap is a square: never alive either)",
                ((complete - 1) / (2 * lam * own) ** 2).subs(rest, (1 + rest) / (4 * lam**2 * own)),
            ),
            Identity(
                "otherwise with rho^2 = 1 - 4 lam^2 own rest: alive iff y lies strictly between the roots",
                gap.subs(rest, (1 - root**2) / (4 * lam**2 * own)),
                lam * own * (y - (1 - root) / (2 * lam * own)) * (y - (1 + root) / (2 * lam * own)),
            ),
            Identity(
                "the other cluster (size nB, fixed) is dead iff nA >= (sqrt(nB)/lam - kB nB)/kA",
                (lam * (kA * nA + kB * nB) - sp.sqrt(nB)) / (lam * kA),
                nA - (sp.sqrt(nB) / lam - kB * nB) / kA,
            ),
            Positive(
                "lam = c/N instead: alive iff c < sqrt(n), and more data only helps",
                sp.diff(sp.sqrt(n) - sp.Symbol("c", positive=True), n),
            ),
        ),
    )


more_data = Claim(
    id="HL23-11",
    title="Effect of growing the majority at fixed lam",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{majority contrast alive} \iff 4 \lambda^2 k_A k_B n_B < 1 \text{ and } \sqrt{n_A} \text{ strictly}"
        r" \text{between } \frac{1 \mp \sqrt{1 - 4 \lambda^2 k_A k_B n_B}}{2 \lambda k_A}",
        r"\text{minority collapsed} \iff n_A \geq \frac{\sqrt{n_B}/\lambda - k_B n_B}{k_A}",
        r"\lambda = c/N:\quad \text{a cluster of size } n \text{ is collapsed} \iff c \geq \sqrt{n}",
    ),
    relations=(
        outside(y, window(kA, kA * kB * nB)),
        sp.Equivalent(dead, lam * (kA * y**2 + kB * nB) >= y),
        sp.Equivalent(dead, nA >= (sp.sqrt(nB) / lam - kB * nB) / kA),
    ),
    read=growing_readings,
    hypotheses=(TWO, UNWEIGHTED, WIDE),
    witness=GROWN.at(9),
    family=Family(sizes="two", near=("merge",)),
    settings=(
        *(GROWN.at(square) for square in (3, 4, 15, 16, 20)),
        *(Problem.ce([(size, 2), (10, 6)], "0.0411") for size in (11, 13)),  # on both sides of the lower end
    ),
    derivation=window_derivation,
    rests_on=frozenset({"HL23-03", "HL23-04"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=problem)
        for text, wrong, problem in (
            (
                "only the minority is hurt by a growing majority",
                sp.Equivalent(dead, y <= window(kA, kA * kB * nB)[0]),
                GROWN.at(20),
            ),
            ("roots in nA instead of sqrt(nA)", outside(y**2, window(kA, kA * kB * nB)), GROWN.at(9)),
            ("kB in place of kA", outside(y, window(kB, kA * kB * nB)), GROWN.at(15)),
            (
                "kB and nB exchanged with kA and nA in the minority rule",
                sp.Equivalent(dead, nB >= (sp.sqrt(nA) / lam - kA * nA) / kB),
                GROWN.at(9),
            ),
        )
    ),
    note="At fixed lam enough data collapses everything: x grows like N, sqrt(n_max) like a root. "
    "With lam = c/N a cluster is collapsed iff c >= sqrt(n_c), so more data cures it.",
    survivors={
        "dropped term: Max(0, *": "without the cap the roots are not real where the cluster is collapsed for every "
        "size: the formula has no value there",
    },
)

oversampling = Claim(
    id="HL23-19",
    title="Oversampling window",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{the minority, every sample repeated } w \text{ times, is not collapsed} \iff"
        r" \lambda (k_A n_A + k_B w n_B) < \sqrt{w n_B}",
        r"\iff 4 \lambda^2 k_A k_B n_A < 1 \text{ and } \sqrt{w n_B} \text{ strictly between }"
        r" \frac{1 \mp \sqrt{1 - 4 \lambda^2 k_A k_B n_A}}{2 \lambda k_B}",
    ),
    relations=(
        outside(sp.sqrt(w * nB), window(kB, kA * kB * nA)),
        sp.Equivalent(dead, lam * (kA * nA + kB * w * nB) >= sp.sqrt(w * nB)),
    ),
    read=oversampled_readings,
    hypotheses=(TWO, UNWEIGHTED, WIDE),
    witness=GROWN.at(3),
    family=Family(sizes="two", near=("merge",)),
    settings=(GROWN.at(4), GROWN.at(5), OVERSAMPLED, OVERSAMPLED.at(18), OVERSAMPLED.at(20)),
    derivation=window_derivation,
    rests_on=frozenset({"HL23-03", "HL23-04"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=problem)
        for text, wrong, problem in (
            ("w = nA/nB always cures", sp.Equivalent(dead, w * nB < nA), OVERSAMPLED),
            (
                "more oversampling is always better",
                sp.Equivalent(dead, sp.sqrt(w * nB) <= window(kB, kA * kB * nA)[0]),
                OVERSAMPLED,
            ),
            (
                "lam N kept fixed",
                sp.Equivalent(dead, lam * (kA * nA + kB * nB) >= sp.sqrt(w * nB)),
                OVERSAMPLED,
            ),
            ("window in w instead of sqrt(w nB)", outside(w, window(kB, kA * kB * nA)), OVERSAMPLED.at(10)),
        )
    ),
    survivors={
        "dropped term: Max(0, *": "without the cap the roots are not real where no number of copies helps: the formula "
        "has no value there",
    },
)

reweighting = Claim(
    id="HL23-20",
    title="Reweighting the loss",
    kind="threshold",
    paper=PAPER,
    statement=(
        r"\text{cluster } B \text{ is not collapsed} \iff w_B > \frac{\lambda N}{\sqrt{n_B}}",
        r"\text{no upper limit; the rules of the other clusters do not change}",
    ),
    relations=(sp.Equivalent(dead, w <= lam * N / sp.sqrt(n)),),
    read=merge_readings,
    hypotheses=(PAIR, WIDE),
    witness=HEAVY,
    family=Family(sizes="clusters", weights=True, near=("merge",)),
    settings=tuple(_reweighted(factor) for factor in ("1.176", "1.2", "1.224", "1000")),
    derivation=contrast_derivation,
    rests_on=frozenset({"HL23-03"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Equivalent(dead, wrong),), problem=_reweighted(factor))
        for text, wrong, factor in (
            ("n instead of sqrt(n)", w <= lam * N / n, "1.1"),
            ("sqrt(w)", sp.sqrt(w) <= lam * N / sp.sqrt(n), "1.3"),
            ("like oversampling, with an upper limit", lam * (N + k * (w - 1) * n) >= sp.sqrt(w * n), "1000"),
            ("weights change the normaliser", w <= lam * total_weight / sp.sqrt(n), "1.22"),
        )
    ),
    note="Not equivalent to oversampling (HL23-19), which also raises N and the feature penalty.",
)
