"""Class means, classifier and their angles: orthogonal features, a classifier that is centred and scaled features.

All at d >= number of alive classes; squares of lengths are linear in the margins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2024_relu.settings import (
    ALL_ALIVE,
    BALANCED,
    BASIC,
    DIMENSION,
    ONE_DEAD,
    PAPER,
    STEP,
    TWO_DEAD,
    alive_classes,
)
from theory.dang_2024_relu.slacks import ALPHA2, GAMMA2, M, c, equality_steps, slack_steps
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import (
    CAP,
    S,
    alive_margin,
    class_pairs,
    classifier_square,
    feature_square,
    hh,
    hh2,
    hh12,
    lH,
    lW,
    n2,
    pair_readings,
    relu_margin,
    value_bounds,
    ww,
    ww12,
)
from theory.symbols import K, N, dead, lam, n, w

FAMILY = Family(bias=("none",), near=("zero",), weights=True, model="ce-relu")
ALIVE = Family(sizes="balanced", bias=("none",), near=("zero",), model="ce-relu")

hh_centred, hh_weighted = sp.symbols("hhc_kl hhg_kl", real=True)
"""<hbar_k, hbar_l> after subtracting the mean over classes, or over samples."""
cos_wh, cos_centred = sp.symbols("cos_wh cos_whc", real=True)
"""Angle between w_k and hbar_k, and between w_k and hbar_k minus the mean over classes."""
c2_l = classifier_square().subs({n: n2, w: sp.Symbol("w_l", positive=True)})

Array = Any


def _weights(problem: Problem, zero: Any, power: str) -> Array:
    """1, sqrt(n_k) or n_k per class."""
    sizes = np.array([(zero + size.numerator) / size.denominator for size in problem.sizes])
    return {"one": sizes / sizes, "root": np.sqrt(sizes), "size": sizes}[power]


def feature_readings(optimum: Optimum) -> Iterator[Reading]:
    """Pair readings beside the inner products of centred class means.

    Examples
    --------
    >>> len(list(feature_readings(Optimum(ALL_ALIVE, "exact"))))
    6
    """
    problem, features = optimum.problem, optimum.gram_features
    centred = None
    if features is not None:
        zero = 0 * features[0, 0]
        ones, sizes = _weights(problem, zero, "one"), _weights(problem, zero, "size")
        centred = [_centred(features, weights / weights.sum()) for weights in (ones, sizes)]
    for reading, (i, j) in _with_pairs(optimum):
        if centred is not None:
            reading |= {hh_centred: centred[0][i, j], hh_weighted: centred[1][i, j]}
        yield reading


def _centred(gram: Array, weights: Array) -> Array:
    """Gram matrix of vectors minus their weighted mean."""
    mean = gram @ weights
    return gram - mean[:, None] - mean[None, :] + weights @ mean


def _with_pairs(optimum: Optimum) -> Iterator[tuple[dict[sp.Symbol, Any], tuple[int, int]]]:
    """Pair readings with the two classes each speaks of."""
    yield from zip(pair_readings(optimum), class_pairs(optimum.problem), strict=True)


def feature_derivation() -> Derivation:
    """Disjoint supports and lengths from equality in the slacks."""
    e, f = sp.symbols("e f", positive=True)
    return Derivation(
        steps=(
            *slack_steps(),
            *equality_steps(),
            Lemma("disjoint supports are orthogonal", "every product has a zero factor"),
            Positive(
                "nonnegative entries: a shared coordinate makes the inner product e f + (rest >= 0) positive", e * f
            ),
            Identity("the length in terms of the margin", ALPHA2 * sp.sqrt((c + 1) * lH * n / (c * lW)), M),
        )
    )


means = Claim(
    id="DA24-04",
    title="Orthogonal class means with explicit lengths",
    kind="structure",
    paper=PAPER,
    statement=(
        r"\bar H^\top \bar H = \mathrm{diag}(a_k^2),\qquad a_k^2 = \sqrt{\frac{(K-1)\lambda_W}{K \lambda_H n_k}}\, M_k",
        r"\text{the supports of the } \bar h_k \text{ are pairwise disjoint}",
    ),
    relations=(sp.Eq(hh12, 0, evaluate=False), sp.Eq(hh, feature_square(), evaluate=False)),
    read=feature_readings,
    hypotheses=(*BASIC, DIMENSION),
    witness=ALL_ALIVE,
    family=FAMILY,
    settings=(ONE_DEAD, TWO_DEAD, STEP, Problem.ce([3, 1], "0.1", model="ce-relu")),
    derivation=feature_derivation,
    rests_on=frozenset({"DA24-01"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, wrong, evaluate=False),), problem=ALL_ALIVE)
        for text, left, wrong in (
            ("n_k in the numerator", hh, sp.sqrt((K - 1) * lW * n / (K * lH)) * relu_margin()),
            ("K/(K-1)", hh, feature_square() / CAP),
            ("equal lengths", hh, hh2),
            ("orthogonal after centring by the mean over classes", hh_centred, sp.Integer(0)),
            ("orthogonal after centring by the mean over samples", hh_weighted, sp.Integer(0)),
        )
    ),
    source="orthogonality published (abstract); constants re-derived",
    note="Features are nonnegative, so orthogonal is the same as disjoint supports.",
)

h_l, w_l, sum_h, sum_w = sp.symbols("h_kl h_wl s_hl s_wl", real=True)
"""<hbar_k, hbar_l>, <hbar_k, w_l>, and sum_m r_m <hbar_m, .> of hbar_l and w_l, where r_m = sqrt(n_m)."""
ww_kl, hw_kl, rows = sp.symbols("v_wl v_hl w_sum", real=True)
"""<w_k, w_l>, <w_k, hbar_l> and |sum_k w_k|^2."""


class DualityReader:
    """Inner products of w_k, hbar_k and sum_m r_m hbar_m with every hbar_l and w_l, l = k included.

    Parameters
    ----------
    power : r_m = sqrt(n_m) ('root') or n_m ('size').
    """

    def __init__(self, power: str) -> None:
        self.power = power

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """Readings per pair, and one for each class with itself.

        Examples
        --------
        >>> list(DualityReader("root")(Optimum(ALL_ALIVE, "convex")))
        []
        """
        problem, Z = optimum.problem, optimum.logits
        features, classifier = optimum.gram_features, optimum.gram_classifier
        if Z is None or features is None or classifier is None:
            return
        weights = _weights(problem, 0 * features[0, 0], self.power)
        sums = features @ weights, Z @ weights
        total = classifier.sum()
        for reading, (k, other) in _with_pairs(optimum):
            for i in (k, other):
                yield {
                    **reading,
                    h_l: features[k, i],
                    w_l: Z[i, k],
                    sum_h: sums[0][i],
                    sum_w: sums[1][i],
                    hw_kl: Z[k, i],
                    ww_kl: classifier[k, i],
                    rows: total,
                }


DUAL = sp.sqrt(lH / (lW * K * (K - 1)))


def duality_derivation() -> Derivation:
    """The classifier on the support of each alive class, from equality in the slacks."""
    scale = sp.sqrt(lH / (lW * (c + 1) * c))
    length = sp.Symbol("a_k", positive=True)
    reach = sp.sqrt(GAMMA2 / ALPHA2) * length
    return Derivation(
        steps=(
            *slack_steps(),
            *equality_steps(),
            Identity(
                "own row on the own support: (1 - 1/K) c_k = scale (K - 1) sqrt(n_k) a_k",
                c / (c + 1) * reach,
                scale * ((c + 1) * sp.sqrt(n) * length - sp.sqrt(n) * length),
            ),
            Identity("other rows: -(1/K) c_k = -scale sqrt(n_k) a_k", -reach / (c + 1), -scale * sp.sqrt(n) * length),
            Identity("the sum over rows vanishes", c / (c + 1) * reach - c * reach / (c + 1), sp.Integer(0)),
            Identity(
                "the gradient equation in W on the support of class k, with kappa = omega t",
                lW * c / (c + 1) * sp.sqrt(GAMMA2),
                sp.sqrt(lW * lH * n * c / (c + 1)) * sp.sqrt(ALPHA2),
            ),
        )
    )


classifier = Claim(
    id="DA24-05",
    title="The classifier is scaled, centred class means",
    kind="equality",
    paper=PAPER,
    statement=(
        r"w_k = \sqrt{\frac{\lambda_H}{\lambda_W K (K-1)}}"
        r" \left(K \sqrt{n_k}\, \bar h_k - \sum_m \sqrt{n_m}\, \bar h_m\right),\qquad \sum_k w_k = 0",
        r"w_k = c_k u_k - \tfrac1K \sum_m c_m u_m,\qquad u_m = \bar h_m/\|\bar h_m\|",
    ),
    relations=(
        sp.Eq(hw_kl, DUAL * (K * sp.sqrt(n) * h_l - sum_h), evaluate=False),
        sp.Eq(ww_kl, DUAL * (K * sp.sqrt(n) * w_l - sum_w), evaluate=False),
        sp.Eq(rows, 0, evaluate=False),
    ),
    read=DualityReader("root"),
    hypotheses=(*BASIC, DIMENSION),
    witness=ALL_ALIVE,
    family=FAMILY,
    settings=(ONE_DEAD, TWO_DEAD, STEP),
    derivation=duality_derivation,
    rests_on=frozenset({"DA24-01"}),
    required="proved",
    mutants=(
        *(
            Mutant(text, relations=(sp.Eq(hw_kl, wrong, evaluate=False),), read=DualityReader(power), problem=ALL_ALIVE)
            for text, wrong, power in (
                ("n_m instead of sqrt(n_m)", DUAL * (K * n * h_l - sum_h), "size"),
                ("1/K dropped: centred by the sum of the scaled means", DUAL * K * (sp.sqrt(n) * h_l - sum_h), "root"),
                ("centred by the mean over samples", DUAL * K * sp.sqrt(n) * (h_l - sum_h / N), "size"),
            )
        ),
        Mutant(
            "w_k parallel to hbar_k",
            relations=(sp.Eq(hw_kl, DUAL * (K - 1) * sp.sqrt(n) * h_l, evaluate=False),),
            problem=ALL_ALIVE,
        ),
    ),
    source="published up to the scalar (abstract); scalar re-derived",
    note="The vector equation is read as its inner products with every hbar_l and every w_l: both sides lie in their "
    "span.",
)


def gram_readings(optimum: Optimum) -> Iterator[Reading]:
    """Pair readings, and the cosine between w_k and hbar_k of a class that is alive.

    Examples
    --------
    >>> [cos_wh in reading for reading in gram_readings(Optimum(ALL_ALIVE, "exact"))][:2]
    [False, False]
    """
    Z = optimum.logits
    for reading, (k, _) in _with_pairs(optimum):
        if Z is not None and reading.get(dead) is False and ww in reading and reading[hh] * reading[ww] > 0:
            reading[cos_wh] = Z[k, k] / np.sqrt(np.array([reading[ww] * reading[hh]]))[0]
        yield reading


def gram_derivation() -> Derivation:
    """W W^T from w_k = c_k u_k - (1/K) sum c_m u_m with orthonormal u_m."""
    ck, cl, rest = sp.symbols("c2_k c2_l rest", positive=True)
    size = c + 1
    total = ck + cl + rest
    same = ck * (1 - 1 / size) ** 2 + (total - ck) / size**2
    cross = -(1 - 1 / size) / size * (ck + cl) + rest / size**2
    return Derivation(
        steps=(
            *slack_steps(),
            *duality_derivation().steps,
            Identity("|w_k|^2 = c2_k (1 - 2/K) + S/K^2", same, ck * (1 - 2 / size) + total / size**2),
            Identity(
                "= ((K-1)^2 c2_k + sum_{m != k} c2_m)/K^2",
                same,
                (c**2 * ck + (total - ck)) / size**2,
            ),
            Identity("<w_k, w_l> = S/K^2 - (c2_k + c2_l)/K", cross, total / size**2 - (ck + cl) / size),
            Identity("= (-(K-1)(c2_k + c2_l) + sum_{m != k, l} c2_m)/K^2", cross, (-c * (ck + cl) + rest) / size**2),
            Identity(
                "K = 2: |w_1|^2 = (c2_1 + c2_2)/4 = -<w_1, w_2>",
                same.subs({c: 1, rest: 0}) + cross.subs({c: 1, rest: 0}),
                sp.Integer(0),
            ),
            Identity("<w_k, u_k> = (1 - 1/K) c_k", sp.sqrt(ck) - sp.sqrt(ck) / size, c / size * sp.sqrt(ck)),
        )
    )


C2 = classifier_square()
SQUARE = C2 * (1 - 2 / K) + S / K**2
CROSS = S / K**2 - (C2 + c2_l) / K

gram = Claim(
    id="DA24-06",
    title="Gram matrix of the classifier",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\|w_k\|^2 = c_k^2 (1 - 2/K) + S/K^2,\qquad \langle w_k, w_l \rangle = S/K^2 - (c_k^2 + c_l^2)/K",
        r"c_k^2 = \sqrt{\frac{K \lambda_H n_k}{(K-1)\lambda_W}}\, M_k,\quad S = \sum_k c_k^2",
        r"\cos(w_k, \bar h_k) = \frac{K-1}{K} \frac{c_k}{\|w_k\|} \text{ for alive } k",
    ),
    relations=(
        sp.Eq(ww, SQUARE, evaluate=False),
        sp.Eq(ww12, CROSS, evaluate=False),
        sp.Eq(cos_wh, CAP * sp.sqrt(C2 / SQUARE), evaluate=False),
    ),
    read=gram_readings,
    hypotheses=(*BASIC, DIMENSION),
    witness=ALL_ALIVE,
    family=FAMILY,
    settings=(
        ONE_DEAD,
        TWO_DEAD,
        STEP,
        Problem.ce([3, 1], "0.1", model="ce-relu"),
        Problem.ce([(12, 2), (4, 2)], "0.03", model="ce-relu", weights=[(2, 2), (3, 2)]),
    ),
    derivation=gram_derivation,
    rests_on=frozenset({"DA24-01", "DA24-05"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, wrong, evaluate=False),), problem=ALL_ALIVE)
        for text, left, wrong in (
            ("sign of the cross term", ww12, S / K**2 + (C2 + c2_l) / K),
            ("S/K", ww, C2 * (1 - 2 / K) + S / K),
            ("K - 2 for K - 1", ww, ((K - 2) ** 2 * C2 + S - C2) / K**2),
            ("c_k instead of its square", ww, sp.sqrt(C2) * (1 - 2 / K) + S / K**2),
        )
    ),
)


def _balanced(problem: Problem) -> bool:
    return len(problem.clusters) == 1 and problem.runs[0].weight == 1


EQUAL = Hypothesis("all sizes are equal, no weights", _balanced, dropped=ALL_ALIVE)
SURVIVES = Hypothesis(
    "the classes are alive",
    lambda problem: alive_classes(problem) > 0,
    dropped="at total collapse there are no angles, and everything else holds as 0 = 0",
)


def balanced_readings(optimum: Optimum) -> Iterator[Reading]:
    """The first pair of a problem, with the angle between w_k and the centred mean, and the value.

    Examples
    --------
    >>> len(list(balanced_readings(Optimum(BALANCED, "exact"))))
    1
    """
    features, rows_, Z = optimum.gram_features, optimum.gram_classifier, optimum.logits
    for reading in gram_readings(optimum):
        reading = {**reading, **value_bounds(optimum)}
        if cos_wh in reading and features is not None and rows_ is not None and Z is not None:
            mean = 1 / (0 * features[0, 0] + optimum.problem.K)
            centred = features - features.sum(axis=0)[None, :] * mean
            size = (centred - centred.sum(axis=1)[:, None] * mean)[0, 0]
            inner = Z[0, 0] - Z[0, :].sum() * mean
            reading[cos_centred] = inner / np.sqrt(np.array([rows_[0, 0] * size]))[0]
        yield reading
        return


def balanced_derivation() -> Derivation:
    """Equal sizes in DA24-01 to DA24-06: an orthogonal frame of means, a simplex frame of rows."""
    c2 = sp.Symbol("c2", positive=True)
    size = c + 1
    g = sp.Symbol("g", positive=True)
    norm = c2 * c / size
    return Derivation(
        steps=(
            *gram_derivation().steps,
            Identity("N = K n: t = K sqrt(n lambda_W lambda_H (K-1)/K)", size * n / sp.sqrt(n), size * sp.sqrt(n)),
            Identity("|w_k|^2 = c2 (1 - 1/K)", c2 * (1 - 2 / size) + size * c2 / size**2, norm),
            Identity("<w_k, w_l> = -c2/K", size * c2 / size**2 - 2 * c2 / size, -c2 / size),
            Identity("cosine -1/(K-1): a simplex frame", -c2 / size / norm, -1 / c),
            Identity("cos(w_k, hbar_k)^2 = (K-1)/K", (c / size) ** 2 * c2 / norm, c / size),
            Identity("|hbar_k - mean|^2 = a2 (K-1)/K", g * (1 - 1 / size) ** 2 + c * g / size**2, g * c / size),
            Identity(
                "cos(w_k, hbar_k - mean)^2 = 1: parallel", (c / size * sp.sqrt(c2 * g) * 1) ** 2, norm * g * c / size
            ),
        )
    )


balanced = Claim(
    id="DA24-11",
    title="Balanced classes",
    kind="structure",
    paper=PAPER,
    statement=(
        r"t = K \sqrt{n \lambda_W \lambda_H \tfrac{K-1}{K}},\quad \bar H^\top \bar H = a^2 I,\quad"
        r" W W^\top = c^2 (I - J/K)",
        r"w_k \parallel \bar h_k - \tfrac1K \textstyle\sum_m \bar h_m,\qquad"
        r" \cos(w_k, \bar h_k) = \sqrt{(K-1)/K},\qquad f^* = F_K(t)",
    ),
    relations=(
        sp.Eq(hh12, 0, evaluate=False),
        sp.Eq(
            hh, sp.sqrt((K - 1) * lW / (K * lH * n)) * alive_margin(K * sp.sqrt(n) * lam * sp.sqrt(CAP)), evaluate=False
        ),
        sp.Eq(ww, C2 * (1 - 1 / K), evaluate=False),
        sp.Eq(ww12, -C2 / K, evaluate=False),
        sp.Eq(cos_wh, sp.sqrt(CAP), evaluate=False),
        sp.Eq(cos_centred, 1, evaluate=False),
    ),
    read=balanced_readings,
    hypotheses=(*BASIC, DIMENSION, EQUAL, SURVIVES),
    witness=BALANCED,
    family=ALIVE,
    settings=(Problem.ce([(7, 2)], "0.05", model="ce-relu"), Problem.ce([(30, 10)], "0.0005", model="ce-relu")),
    derivation=balanced_derivation,
    rests_on=frozenset({"DA24-01", "DA24-05", "DA24-06"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(left, wrong, evaluate=False),), problem=BALANCED)
        for text, left, wrong in (
            ("Hbar is a simplex frame", hh12, -hh / (K - 1)),
            ("w_k parallel to hbar_k", cos_wh, sp.Integer(1)),
            ("cosine (K-1)/K", cos_wh, CAP),
        )
    ),
    note="A simplex frame (ETF) is true of W here, never of Hbar. The value is DA24-01 at equal sizes.",
)
