"""Beyond the minimiser: too few dimensions, other levels, and how many minimisers there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.dang_2024_relu.optimal_value import PLAIN, SHARE, VALUE, total
from theory.dang_2024_relu.settings import (
    ALL_ALIVE,
    BASIC,
    DIMENSION,
    NARROW,
    ONE_DEAD,
    PAPER,
    STEP,
    UNWEIGHTED,
    alive_classes,
)
from theory.dang_2024_relu.slacks import M, c, equality_steps, point_steps, slack_steps
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import (
    best,
    class_sum,
    classifier_square,
    error,
    fano,
    feature_square,
    lH,
    lW,
    relu_parameters,
    value_bounds,
)
from theory.symbols import F, K, dead, n, w

FEWER = tuple(
    Problem.ce(counts, decay, decay_h, dim=dim, model="ce-relu")
    for counts, decay, decay_h, dim in (
        ([1, 1, 1], "0.03", None, 2),
        ([1, 1, 1], "0.04", None, 2),
        ([3, 2, 1], "0.005", "0.008", 2),
        ([1, 1, 1, 1], "0.002", None, 2),
        ([2, 1, 1, 1], "0.002", None, 3),
    )
)
"""Problems with d below the number of alive classes where a better point than keep-d is known."""

LIGHT = Problem.ce([6, 3, 2], "0.02", "0.03", weights=[("1/5", 3)], model="ce-relu")

best_below, best_found, keep = sp.symbols("f_narrow f_found f_keep", nonnegative=True)
"""Objective at a point where d < r; at the point that descent found; value of keeping the d best classes."""


def kept_value(problem: Problem, alive: Sequence[int], rest: sp.Expr | None = None, classes: sp.Expr = K) -> sp.Expr:
    """f_A: Fano terms of the classes in A, log K (or ``rest``) for every other class.

    Examples
    --------
    >>> kept_value(Problem.ce([2, 1], 1, model="ce-relu"), [0, 1]) == class_sum(Problem.ce([2, 1], 1), VALUE)
    True
    """
    value = sp.Integer(0)
    other = sp.log(K) if rest is None else rest
    for cluster in problem.clusters:
        inside = len(set(cluster.members) & set(alive))
        term = inside * SHARE * fano(error(), classes) + (cluster.classes - inside) * SHARE * other
        value += term.subs({n: rational(cluster.size), w: rational(cluster.weight)})
    return value


def keep_readings(optimum: Optimum) -> Iterator[Reading]:
    """The bound, the value of keep-d, the best point known, and whether keep-d is optimal.

    Examples
    --------
    >>> (reading,) = keep_readings(Optimum(NARROW, "convex"))
    >>> round(float(reading[keep].subs(relu_parameters(NARROW))), 12)
    0.421308201212
    """
    problem = optimum.problem
    common = relu_parameters(problem)
    gain = SHARE * (sp.log(K) - fano(error()))
    gains = [
        (float(gain.subs({n: rational(size), w: rational(weight)}).subs(common)), -k)
        for k, (size, weight) in enumerate(zip(problem.sizes, problem.weights, strict=True))
    ]
    alive = [-k for _, k in sorted(gains, reverse=True)[: problem.dim]]
    kept = kept_value(problem, alive)
    reading: dict[sp.Symbol, Any] = {
        **common,
        total: class_sum(problem, PLAIN),
        keep: kept,
        **value_bounds(optimum),
    }
    if best in reading and problem.dim < alive_classes(problem):
        reading[best_below] = reading[best]
    if best in reading and optimum.route == "nonconvex":
        reading[best_found] = reading[best]
    if best in reading and optimum.lower is not None:
        value = float(kept.subs(common))
        reading[dead] = True if optimum.lower > value - 1e-9 else False if reading[best] < value - 1e-9 else None
    yield reading


def bound_derivation() -> Derivation:
    """The slacks need no hypothesis on d; equality needs a coordinate for each alive class."""
    room = sp.Symbol("d_e", positive=True)
    return Derivation(
        steps=(
            *slack_steps(),
            *equality_steps(),
            Lemma("r disjoint non-empty supports need r coordinates: no equality for d < r", "pigeonhole principle"),
            Lemma("f is continuous and coercive, so for d < r its minimum exceeds the bound", "Weierstrass"),
            Positive("coercive: the penalty of a point at distance d_e from 0", lW / 2 * room**2),
        )
    )


bound = Claim(
    id="DA24-15",
    title="Lower bound in every dimension, strict below the number of alive classes",
    kind="bound",
    paper=PAPER,
    statement=(
        r"f(W, H) \geq \sum_k \frac{n_k}{N} F_K(\bar t_k) \text{ for every } d;\quad"
        r" \text{equality is impossible for } d < r = \#\{k: M_k > 0\}",
    ),
    relations=(sp.Le(total, best, evaluate=False), sp.Lt(total, best_below, evaluate=False)),
    read=keep_readings,
    hypotheses=(*BASIC, replace(UNWEIGHTED, dropped=LIGHT)),
    witness=NARROW,
    family=Family(bias=("none",), near=("zero",), model="ce-relu"),
    settings=(*FEWER, ONE_DEAD, Problem.ce([1, 1, 1], "0.05", dim=2, model="ce-relu")),
    derivation=bound_derivation,
    rests_on=frozenset({"DA24-01"}),
    required="proved",
    mutants=(
        Mutant("the closed form holds for d < K too", relations=(sp.Eq(best, total, evaluate=False),), problem=NARROW),
        Mutant(
            "keeping the d best classes is always optimal",
            relations=(sp.Le(keep, best_found, evaluate=False),),
            problem=NARROW,
        ),
        Mutant(
            "keeping the d best classes is never optimal", relations=(sp.Equivalent(dead, K < 1),), problem=ONE_DEAD
        ),
    ),
    note="What is optimal for d < r is open. With three equal classes of two samples in d = 2 the third class shares "
    "both coordinates, hbar_3 = (q, q), and does far better than being dropped; at stronger decay dropping it is best "
    "known.",
)

level, level_A, level_other, level_rows = sp.symbols("f_end f_A f_A_K1 f_A_rows", real=True)
"""Where a descent ends; levels from the classes alive there: the claim's, with log(K-1), with rows of W dropped."""


def level_readings(optimum: Optimum) -> Iterator[Reading]:
    """One reading per random start of a descent (routes nonconvex and convex).

    Examples
    --------
    >>> work = {"values": [0.5], "alive": [[0, 1]]}
    >>> [reading[level] for reading in level_readings(Optimum(ALL_ALIVE, "nonconvex", upper=0.4, work=work))]
    [0.5]
    """
    problem, work = optimum.problem, optimum.work
    best = optimum.facts.get("descent", optimum.upper)
    if best is None:
        return
    for value, alive in zip(work.get("values", ()), work.get("alive", ()), strict=True):
        reading = {
            **relu_parameters(problem),
            total: class_sum(problem, VALUE),
            level: 0 * best + value,
            level_A: kept_value(problem, alive),
            level_other: kept_value(problem, alive, rest=sp.log(K - 1)),
        }
        if len(alive) > 1:
            reading[level_rows] = kept_value(problem, alive, classes=sp.Integer(len(alive)))
        yield reading


def level_derivation() -> Derivation:
    """Each level is the value of a point where the gradient condition of H >= 0 holds."""
    own = sp.Symbol("s", positive=True)
    return Derivation(
        steps=(
            *point_steps(),
            Identity(
                "a class k outside A at hbar_k = 0: its loss changes along the coordinate of m in A at the rate (mean "
                "of the "
                "column) - w_k = 0 + c_m/K",
                (c * own / (c + 1) - c * (own / (c + 1))) / (c + 1) - (-own / (c + 1)),
                own / (c + 1),
            ),
            Positive("h_k = 0 is a minimum over h_k >= 0 for this W", own / (c + 1)),
            Identity("its loss is log K", sp.log((c + 1) * M) - sp.log(M), sp.log(c + 1)),
        ),
        complete=False,
        gap="that descents end at no other level is seen numerically only",
    )


levels = Claim(
    id="DA24-16",
    title="Levels at which descents end: subsets of dead classes",
    kind="structure",
    paper=PAPER,
    status="conjecture",
    statement=(
        r"d \geq K:\ \text{descents end at } f_A = \sum_{k \in A} \tfrac{n_k}{N} F_K(\bar t_k)"
        r" + \sum_{k \notin A} \tfrac{n_k}{N} \log K \text{ for a set } A \text{ of classes}",
    ),
    relations=(sp.Eq(level, level_A, evaluate=False),),
    read=level_readings,
    hypotheses=(
        *BASIC,
        Hypothesis("d is at least K", lambda problem: problem.dim >= problem.K, dropped="for d < K see DA24-15"),
    ),
    witness=ALL_ALIVE,
    family=None,
    settings=(
        ONE_DEAD.tilted(1, 4),
        Problem.ce([4, 2, 1], "0.03", model="ce-relu"),
        Problem.ce([5, 5, 2, 2], "0.01", "0.02", model="ce-relu"),
    ),
    derivation=level_derivation,
    rests_on=frozenset({"DA24-01"}),
    required="agrees",
    mutants=tuple(
        Mutant(text, relations=(sp.Eq(level, wrong, evaluate=False),), problem=ALL_ALIVE)
        for text, wrong in (
            ("benign landscape: every descent ends at f*", total),
            ("levels of a problem with rows of W dropped", level_rows),
            ("log(K-1) for a dropped class", level_other),
        )
    ),
    note="That each f_A is the value of a first-order point is derived; that there are no others is a conjecture: two "
    "different descents, L-BFGS-B and truncated Newton, end at these levels only. The share of random starts "
    "that ends at f* was 12 to 90 %: one run proves nothing, use the closed form or the certificate.",
)

value_own, value_shared, value_overlap = sp.symbols("f_own f_shared f_overlap", nonnegative=True)
least_turned = sp.Symbol("h_turned", real=True)
"""Objective at constructed points: one coordinate per class, a class on two coordinates, overlapping supports; the
smallest entry of the features after a rotation of the first two coordinates."""
UNIT = (sp.Rational(3, 5), sp.Rational(4, 5))


def constructed(problem: Problem, directions: list[sp.Matrix], alive: Sequence[int]) -> sp.Expr:
    """Objective at hbar_k = a_k u_k, w_k = c_k u_k - (1/K) sum_m c_m u_m with the given unit vectors u_k.

    Examples
    --------
    >>> e = [sp.Matrix([1, 0]), sp.Matrix([0, 1])]
    >>> value = constructed(Problem.ce([3, 1], "0.1", model="ce-relu"), e, [0, 1])
    >>> round(float(value.subs(relu_parameters(Problem.ce([3, 1], "0.1")))), 9)
    0.482730006
    """
    sizes, weights = problem.sizes, problem.weights
    own = [{n: rational(size), w: rational(weight)} for size, weight in zip(sizes, weights, strict=True)]
    zero = 0 * directions[0]
    features, scaled = [zero] * problem.K, [zero] * problem.K
    for k, u in zip(alive, directions, strict=True):
        features[k] = sp.sqrt(feature_square().subs(own[k])) * u
        scaled[k] = sp.sqrt(classifier_square().subs(own[k])) * u
    mean = sum(scaled, zero) / problem.K
    rows = [row - mean for row in scaled]
    value = sp.Integer(0)
    for k, h in enumerate(features):
        logits = [row.dot(h) for row in rows]
        loss = sp.log(sum(sp.exp(z - logits[k]) for z in logits))
        value += SHARE.subs(own[k]) * loss + lH / 2 * own[k][n] * h.dot(h)
    return value + lW / 2 * sum(row.dot(row) for row in rows)


def support_readings(optimum: Optimum) -> Iterator[Reading]:
    """The value beside the objective at constructed points; small problems with two alive classes or more.

    Examples
    --------
    >>> (reading,) = support_readings(Optimum(ALL_ALIVE.tilted(1, 5), "convex"))
    >>> sorted(map(str, reading.keys() & {value_own, value_shared, value_overlap}))
    ['f_overlap', 'f_own', 'f_shared']
    """
    problem = optimum.problem
    alive = [
        k
        for k, (size, weight) in enumerate(zip(problem.sizes, problem.weights, strict=True))
        if weight**2 * size * (problem.K - 1) > problem.x2 * problem.K
    ]
    r, d = len(alive), problem.dim
    if not 2 <= r <= d or problem.K > 5:
        return
    d = min(d, r + 2)
    e = [sp.Matrix(d, 1, lambda i, _, j=j: int(i == j)) for j in range(d)]
    units = e[:r]
    reading: dict[sp.Symbol, Any] = {**relu_parameters(problem), **value_bounds(optimum)}
    reading[value_own] = constructed(problem, units, alive)
    reading[value_overlap] = constructed(problem, [units[0], UNIT[0] * e[0] + UNIT[1] * e[1], *units[2:]], alive)
    if d > r:
        reading[value_shared] = constructed(problem, [UNIT[0] * e[0] + UNIT[1] * e[r], *units[1:]], alive)
    first = {n: rational(problem.sizes[alive[0]]), w: rational(problem.weights[alive[0]])}
    reading[least_turned] = -UNIT[1] * sp.sqrt(feature_square().subs(first))
    yield reading


def support_derivation() -> Derivation:
    """Equality in the slacks leaves the supports and directions open, and nothing else."""
    first = sp.Symbol("u_1", positive=True)
    return Derivation(
        steps=(
            *slack_steps(),
            *equality_steps(),
            *point_steps(),
            Identity(
                "only |u_k| = 1 and disjoint supports enter the Gram matrices: a unit vector over two coordinates",
                UNIT[0] ** 2 + UNIT[1] ** 2,
                sp.Integer(1),
            ),
            Lemma(
                "a column of W without a positive entry is zero: an unused coordinate",
                "a sum of terms <= 0 is 0 iff each is",
            ),
            Positive("a rotation by an angle in (0, pi/2) makes a coordinate of an axis negative", UNIT[1] * first),
            Lemma(
                "d = r: each class has exactly one coordinate, a permutation is all that is left",
                "pigeonhole principle",
            ),
        )
    )


uniqueness = Claim(
    id="DA24-19",
    title="Minimisers are unique up to supports",
    kind="structure",
    paper=PAPER,
    statement=(
        r"\text{minimisers} = \text{choices of } r \text{ disjoint non-empty supports in } \{1..d\} \text{ and of}"
        r" \text{ unit vectors } u_k \geq 0 \text{ on them}",
        r"\bar H^\top \bar H,\ W W^\top,\ W \bar H \text{ are unique};\quad d = r: \text{ a permutation of "
        r"coordinates only}",
    ),
    relations=(
        sp.Eq(F, value_own, evaluate=False),
        sp.Eq(F, value_shared, evaluate=False),
        sp.Lt(F, value_overlap, evaluate=False),
        sp.Lt(least_turned, 0, evaluate=False),
    ),
    read=support_readings,
    hypotheses=(
        *BASIC,
        DIMENSION,
        Hypothesis(
            "two classes are alive, K <= 5",
            lambda problem: alive_classes(problem) >= 2 and problem.K <= 5,
            dropped="one alive class has no supports to keep apart; K only bounds the cost of the check",
        ),
    ),
    witness=ALL_ALIVE.tilted(1, 5),
    family=Family(bias=("none",), near=("zero",), weights=True, model="ce-relu"),
    settings=(ONE_DEAD, STEP.tilted(1, 7)),
    derivation=support_derivation,
    rests_on=frozenset({"DA24-01", "DA24-04", "DA24-05"}),
    required="proved",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=ALL_ALIVE.tilted(1, 5))
        for text, wrong in (
            ("unique up to rotations: turned features stay feasible", sp.Le(0, least_turned, evaluate=False)),
            (
                "every coordinate must be used: a minimiser with unused ones costs 1/1000 more",
                sp.Le(F + sp.Rational(1, 1000), value_own, evaluate=False),
            ),
            ("supports may overlap", sp.Eq(F, value_overlap, evaluate=False)),
        )
    ),
    note="Uniqueness of the Gram data is what DA24-03 to DA24-06 observe: their balls hold for every minimiser.",
)
