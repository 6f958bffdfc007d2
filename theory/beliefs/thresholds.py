"""RF26-02, 03, 05, 09, 11, 12: what moves the collapse threshold, and what does not.

Every claim compares the drawn problem with another one by the same route: merged is 1 where classes coincide, else 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import sympy as sp

from theory.beliefs.settings import LINEAR, NO_BIAS, PAIR, PAPER, SOURCE, UNEQUAL, WIDE, minority
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.new_results.settings import equal_weights
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import kA, kB, lam, nA, nB
from theory.value_observables import merged_state, scaled

__all__ = ["adding_data", "copies", "inverse_weights", "oversampling", "ratio_only", "same_collapse"]

merged, merged_other, merged_fixed = sp.symbols("merged merged_other merged_fixed", integer=True)
"""1 where the classes of a cluster coincide at the optimum, 0 where they do not: in this problem, in the other at the
same decays, in the other at the same lam N."""
squared_zero, linear_zero = sp.symbols("zero_mse zero_ce", integer=True)
"""1 where W H = 0 is the optimum, for the squared loss and for cross-entropy."""
UNWEIGHTED = equal_weights("false with weights too")


def states_of(pick: Callable[[Problem], Iterable[list[int]]]) -> Callable[[Optimum], Iterable[Reading]]:
    """A reader of the states of groups of classes, in the problem and in its companion.

    Examples
    --------
    >>> list(states_of(lambda problem: [minority(problem)])(Optimum(RATIO, "exact")))
    []
    """

    def read(optimum: Optimum) -> Iterator[Reading]:
        for symbol, other in zip((merged_other, merged_fixed), optimum.companions, strict=False):
            for members in pick(optimum.problem):
                here, there = merged_state(optimum, members), merged_state(other, members)
                if here is not None and there is not None:
                    yield {merged: here, symbol: there}

    return read


def _minority(problem: Problem) -> list[list[int]]:
    return [minority(problem)]


def _clusters(problem: Problem) -> list[list[int]]:
    return [cluster.members for cluster in problem.clusters if cluster.classes > 1]


NO_RISE = sp.Le(merged_other, merged, evaluate=False)
SAME = sp.Eq(merged_other, merged, evaluate=False)
SAME_FIXED = sp.Eq(merged_fixed, merged, evaluate=False)
MODEL = (LINEAR, NO_BIAS, WIDE, PAIR)
DRAWN = Family(sizes="clusters", bias=("none",), near=("merge",))


def four_times_larger(problem: Problem) -> tuple[Problem, ...]:
    """All sizes times four; the same decays, the same lam N.

    Examples
    --------
    >>> four_times_larger(RATIO)[0].sizes[0]
    Fraction(40, 1)
    """
    return _both(problem, scaled(problem, lambda cluster: True, 4))


def _both(problem: Problem, other: Problem) -> tuple[Problem, ...]:
    """The other problem at its own decays and at the lam N of this one."""
    return other, other.at(problem.x2)


def ratio_derivation() -> Derivation:
    """The threshold lam = sqrt(nB)/N in terms of the ratio and nB."""
    ratio = sp.Symbol("R", positive=True)
    return Derivation(
        steps=(
            Identity(
                "lam N = sqrt(nB) with nA = R nB: nB remains",
                sp.sqrt(nB) / ((kA * ratio + kB) * nB),
                1 / ((kA * ratio + kB) * sp.sqrt(nB)),
            ),
        ),
        complete=False,
        gap="the step shows that the threshold falls with nB at a fixed ratio",
    )


RATIO = Problem.ce([(10, 2), (2, 3)], "0.04")

ratio_only = Claim(
    id="RF26-02",
    title="The collapse threshold depends on the imbalance ratio only",
    kind="equality",
    status="refuted",
    paper=PAPER,
    statement=(
        r"(n_k) \text{ and } (4 n_k) \text{ at the same } \lambda: \text{ minority merged in both or in neither}",
        r"k_A = 2,\ k_B = 3,\ \lambda = 1/25:\quad (10, 2) \text{ separate},\ (40, 8) \text{ merged}",
    ),
    relations=(SAME,),
    read=states_of(_minority),
    companions=four_times_larger,
    hypotheses=MODEL,
    witness=RATIO,
    family=DRAWN,
    derivation=ratio_derivation,
    required="refuted",
    source=SOURCE,
    mutants=(Mutant("the ratio decides at a fixed lam N", relations=(SAME_FIXED,), problem=RATIO.at(3)),),
    note="What counts is lambda N against sqrt(n_B), the threshold of HL23-04. Four times as many samples of every "
    "class leave the ratio alone, but multiply lambda N by four and sqrt(n_B) by two only: a minority that was "
    "separate merges. So a larger data set needs a smaller decay, and no ratio is safe or unsafe by itself. In "
    "the layer-peeled model at fixed budgets the belief is true (FA21-04).",
)


def doubled_minority(problem: Problem) -> tuple[Problem, ...]:
    """Every sample of the last cluster in class order twice, the same decays.

    Examples
    --------
    >>> doubled_minority(OVERSAMPLED)[0].sizes[-1]
    Fraction(240, 1)
    """
    last = problem.K - 1
    return (scaled(problem, lambda cluster: last in cluster.members, 2),)


def _last(problem: Problem) -> list[list[int]]:
    return [cluster.members for cluster in problem.clusters if problem.K - 1 in cluster.members]


def window_derivation() -> Derivation:
    """Merged iff lam (kA nA + kB f nB) >= sqrt(f nB): a quadratic in t = sqrt(f nB)."""
    t, more, root = sp.symbols("t more root", positive=True)
    quadratic = lam * (kA * nA + kB * t**2) - t
    window = {nA: (1 - root**2) / (4 * lam**2 * kA * kB)}
    return Derivation(
        steps=(
            Identity(
                "with root = sqrt(1 - 4 lam^2 kA kB nA) it vanishes at t = (1 + root)/(2 lam kB)",
                quadratic.subs(t, (1 + root) / (2 * lam * kB)).subs(window),
                sp.Integer(0),
            ),
            Positive(
                "and is positive beyond",
                sp.expand(quadratic.subs(t, (1 + root) / (2 * lam * kB) + more).subs(window)),
            ),
            Lemma("so enough copies merge the class again", "a quadratic with positive leading coefficient"),
        ),
        complete=False,
        gap="the steps show that the statement fails beyond the window",
    )


OVERSAMPLED = Problem.ce([(30, 3), (120, 2)], "0.03")

oversampling = Claim(
    id="RF26-03",
    title="Oversampling always helps",
    kind="ordering",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\text{classes that are separate stay separate when each of their samples is repeated}",
        r"3 \times 30,\ 2 \times 6 f,\ \lambda = 3/100:\quad \text{separate only for } 1.9144472 < f < 29.3818490",
    ),
    relations=(NO_RISE,),
    read=states_of(_last),
    companions=doubled_minority,
    hypotheses=(
        *MODEL[:3],
        Hypothesis(
            "the last class in order has a twin",
            lambda problem: any(_last_pair(problem)),
            "a single class cannot merge",
        ),
    ),
    witness=OVERSAMPLED,
    family=DRAWN,
    derivation=window_derivation,
    required="refuted",
    source=SOURCE,
    mutants=(
        Mutant(
            "as many samples as the majority are enough at every decay",
            relations=(sp.Eq(merged, 0, evaluate=False),),
            problem=Problem.ce([(30, 5)], "0.04"),
        ),
    ),
    note="Copies raise the threshold of the copied class like sqrt(f n), but they also enlarge N, and lambda N grows "
    "like f: with enough copies it wins. The comparison is a quadratic in sqrt(f n), so a class is separate only "
    "between its two roots, in the example for 1.91 < f < 29.4. Copies enlarge N and pay feature decay. At lambda "
    "= 1/25 in the example there are no roots and no number of copies helps (HL23-19).",
)


def _last_pair(problem: Problem) -> Iterator[bool]:
    yield from (len(members) > 1 for members in _last(problem))


def doubled_majority(problem: Problem) -> tuple[Problem, ...]:
    """Twice the samples of the largest size; the same decays, the same lam N.

    Examples
    --------
    >>> doubled_majority(HARMLESS)[0].sizes[0]
    Fraction(20, 1)
    """
    size = problem.clusters[0].size
    return _both(problem, scaled(problem, lambda cluster: cluster.size == size, 2))


HARMLESS = Problem.ce([(10, 2), (4, 3)], "0.05")

adding_data = Claim(
    id="RF26-09",
    title="More majority data is harmless to the minority",
    kind="ordering",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\text{minority classes that are separate stay separate when } n_A \to 2 n_A \text{ at the same } \lambda",
        r"k_A = 2,\ k_B = 3,\ n_B = 4,\ \lambda = 1/20:\quad n_A = 10 \text{ separate},\ n_A = 20 \text{ merged}",
    ),
    relations=(NO_RISE,),
    read=states_of(_minority),
    companions=doubled_majority,
    hypotheses=(*MODEL, UNEQUAL),
    witness=HARMLESS,
    family=DRAWN,
    required="refuted",
    source=SOURCE,
    mutants=(
        Mutant("harmless up to the ratio 5", relations=(NO_RISE,), problem=Problem.ce([(9, 2), (4, 3)], "0.05")),
        Mutant("harmful at a fixed lam N too", relations=(sp.Eq(merged_fixed, 1, evaluate=False),), problem=HARMLESS),
    ),
    note="The loss is a mean over all samples. More majority data leaves the terms of the minority as they are, but N "
    "grows and with it lambda N: each of them weighs less against the same weight decay, until lambda N passes "
    "sqrt(n_B). With lambda N fixed majority data does not move the merging of a minority.",
)


def copies_for_weights(problem: Problem) -> tuple[Problem, ...]:
    """Weights replaced by copies: sizes n_k w_k without weights; the same decays, the same lam N.

    Examples
    --------
    >>> copies_for_weights(WEIGHTED)[0].sizes[-1]
    Fraction(16, 1)
    """
    counts = [size * weight for size, weight in zip(problem.sizes, problem.weights, strict=True)]
    return _both(problem, Problem.ce(counts, problem.lambda_w, problem.lambda_h, problem.bias, dim=problem.dim))


def copies_derivation() -> Derivation:
    """Thresholds of weight f and of f copies, in lam."""
    f, more = sp.symbols("f more", positive=True)
    total = kA * nA + kB * nB
    return Derivation(
        steps=(
            Identity(
                "weight f merges at f sqrt(nB)/N, copies at sqrt(f nB)/N_f: their ratio",
                (f * sp.sqrt(nB) / total) / (sp.sqrt(f * nB) / (kA * nA + f * kB * nB)),
                sp.sqrt(f) * (kA * nA + f * kB * nB) / total,
            ),
            Positive(
                "f = 1 + more: N_f > N, so the ratio exceeds sqrt(f) > 1",
                ((kA * nA + f * kB * nB) - total).subs(f, 1 + more),
            ),
        ),
        complete=False,
        gap="the steps show that the two thresholds differ",
    )


WEIGHTED = Problem.ce([(16, 2), (4, 2)], "0.1", weights=[(1, 2), (4, 2)])

copies = Claim(
    id="RF26-12",
    title="Repeating a class f times equals weighting its loss by f",
    kind="equality",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\text{weight } f \text{ and } f \text{ copies at the same } \lambda: \text{ merged in both or in neither}",
        r"n = (16, 16, 4, 4),\ f = 4,\ \lambda = 1/10:\quad \text{weight separate } (\text{threshold } 1/5),\ "
        r"\text{copies merged } (1/16)",
    ),
    relations=(SAME,),
    read=states_of(_clusters),
    companions=copies_for_weights,
    hypotheses=MODEL,
    witness=WEIGHTED,
    family=Family(sizes="clusters", bias=("none",), near=("merge",), weights=True),
    derivation=copies_derivation,
    required="refuted",
    source=SOURCE,
    mutants=(Mutant("equivalent at the same lam N", relations=(SAME_FIXED,), problem=WEIGHTED.at(20)),),
    note="A weight multiplies the loss of a class and nothing else. Copies do that too, but every copy has a feature "
    "of its own that pays weight decay, and N grows. The thresholds are f sqrt(n)/N with a weight and sqrt(f "
    "n)/N_f with copies; the first is larger by more than sqrt(f). The belief is true in the layer-peeled model "
    "(FA21-10), where features are budgeted per class.",
)


def inverse_frequency(problem: Problem) -> tuple[Problem, ...]:
    """Loss weights N/(K n_k), so that sum_k n_k w_k = N; the same decays.

    Examples
    --------
    >>> [str(w) for w in inverse_frequency(Problem.ce([3, 1], 1))[0].weights]
    ['2/3', '2']
    """
    weights = [problem.N / (problem.K * size) for size in problem.sizes]
    return (
        Problem.ce(problem.sizes, problem.lambda_w, problem.lambda_h, problem.bias, weights=weights, dim=problem.dim),
    )


def weights_derivation() -> Derivation:
    """First merging of a cluster under w_k = N/(K n_k): at the largest size."""
    most, least = sp.symbols("n_max n_min", positive=True)
    total, classes = sp.symbols("N K", positive=True)
    return Derivation(
        steps=(
            Identity(
                "w sqrt(n)/N at w = N/(K n)",
                total / (classes * most) * sp.sqrt(most) / total,
                1 / (classes * sp.sqrt(most)),
            ),
            Identity(
                "over the plain sqrt(n_min)/N: worse than no weights iff K sqrt(n_min n_max) > N",
                sp.sqrt(least) / total / (1 / (classes * sp.sqrt(most))),
                classes * sp.sqrt(least) * sp.sqrt(most) / total,
            ),
        ),
        complete=False,
        gap="the steps show when the statement fails",
    )


LONG_TAIL = Problem.ce([(60, 2), (6, 10)], "0.012")

inverse_weights = Claim(
    id="RF26-05",
    title="Inverse-frequency weights are optimal",
    kind="ordering",
    status="refuted",
    paper=PAPER,
    statement=(
        r"\text{classes of one size that are separate without weights stay separate with } w_k = N/(K n_k)",
        r"2 \times 60,\ 10 \times 6,\ \lambda = 12/1000:\quad \text{plain: nothing merged; inverse frequency: the two"
        r" large classes merged}",
    ),
    relations=(NO_RISE,),
    read=states_of(_clusters),
    companions=inverse_frequency,
    hypotheses=(*MODEL, UNWEIGHTED),
    witness=LONG_TAIL,
    family=DRAWN,
    derivation=weights_derivation,
    required="refuted",
    source=SOURCE,
    mutants=(
        Mutant(
            "inverse frequency never separates anything",
            relations=(sp.Ge(merged_other, merged, evaluate=False),),
            problem=Problem.ce([(60, 2), (6, 3)], "0.02"),
        ),
    ),
    note="Weights 1/n make every class count alike in the loss, but merging is decided by w sqrt(n), which then is "
    "proportional to 1/sqrt(n): now the LARGEST classes merge first, and earlier than the small ones did before. "
    "First merging in the example: 0.0107583 with inverse-frequency weights, 0.0136083 without, 0.0250082 with "
    "weights proportional to n^(-1/2), which make w sqrt(n) equal and are the best. With 2 x 60 and 3 x 6 inverse "
    "frequency is better than nothing.",
)


def squared_loss(problem: Problem) -> tuple[Problem, ...]:
    """The same classes and decays with the squared loss.

    Examples
    --------
    >>> squared_loss(COLLAPSED)[0].model
    'mse'
    """
    return (Problem.mse(problem.sizes, problem.lambda_w, problem.lambda_h, dim=problem.dim),)


def zero_readings(optimum: Optimum) -> Iterator[Reading]:
    """Whether everything vanishes, for cross-entropy and for the squared loss, from certain ranks.

    Examples
    --------
    >>> list(zero_readings(Optimum(COLLAPSED, "exact", companions=(Optimum(COLLAPSED, "exact"),))))
    []
    """
    for other in optimum.companions:
        if all(one.rank[1] == 0 or one.rank[0] > 0 for one in (optimum, other)):
            yield {linear_zero: sp.Integer(optimum.rank[1] == 0), squared_zero: sp.Integer(other.rank[1] == 0)}


def collapse_derivation() -> Derivation:
    """Sizes (10, 4, 1): the bound of cross-entropy is a root of a quadratic, that of the squared loss is 10."""
    root = 5 + sp.sqrt(7)
    return Derivation(
        steps=(
            Identity(
                "cross-entropy: sum_k 1/(n_k - m) = 0 at m = 5 + sqrt(7) = 7.6458",
                sp.radsimp(1 / (10 - root)) + sp.radsimp(1 / (4 - root)) + sp.radsimp(1 / (1 - root)),
                sp.Integer(0),
            ),
            Positive("squared loss: p_1 = 1 - x/sqrt(10) > 0 at x^2 = 8", 1 - sp.Rational(8, 10)),
        ),
        complete=False,
        gap="the steps show that the bounds differ",
    )


COLLAPSED = Problem.ce([10, 4, 1], 1).at(8)

same_collapse = Claim(
    id="RF26-11",
    title="Squared loss and cross-entropy collapse completely at the same decay",
    kind="equality",
    status="refuted",
    paper=PAPER,
    statement=(
        r"Z^* = 0 \text{ for cross-entropy} \iff Z^* = 0 \text{ for the squared loss}",
        r"n = (10, 4, 1),\ (\lambda N)^2 = 8:\quad \text{cross-entropy } 0 \ (5 + \sqrt 7 = 7.6457513);\quad"
        r" \text{squared loss } p_1 = 1 - \sqrt{8/10} = 0.1055728",
    ),
    relations=(sp.Eq(linear_zero, squared_zero, evaluate=False),),
    read=zero_readings,
    companions=squared_loss,
    hypotheses=(LINEAR, NO_BIAS, WIDE, UNWEIGHTED),
    witness=COLLAPSED,
    family=Family(bias=("none",), near=("collapse",)),
    derivation=collapse_derivation,
    required="refuted",
    source=SOURCE,
    mutants=(
        Mutant(
            "cross-entropy collapses strictly before n_max also where that is repeated",
            relations=(sp.Eq(linear_zero, 1, evaluate=False),),
            problem=Problem.ce([(10, 2), 1], 1).at("9.99"),
        ),
    ),
    note="Both losses give up at some decay, but they see different matrices at Z = 0. The gradient of cross-entropy "
    "there is label minus uniform prediction, a centred matrix whose squared norm is the root m of sum_k 1/(n_k - "
    "m) = 0, below the largest size. The squared loss without a bias is not centred and lets go of the largest "
    "class last, at n_max. Between the two cross-entropy has collapsed and the squared loss has not. The bounds "
    "agree where the largest size is repeated.",
)
