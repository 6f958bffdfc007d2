"""Which proved fact contradicts which refuted claim, and why the claim says the opposite.

A recipe takes the claim and a problem inside its hypotheses and yields attempts, the most direct one first.

Examples
--------
>>> from verify.registry import load
>>> attempt = next(RECIPES["RF26-08"](load()["RF26-08"], Problem.ce([(20, 3), (5, 2)], 1).at("5.76")))
>>> attempt.given[0], attempt.says
(['/0/facts/contrast/values/1', 'is', 'dead'], ['/0/facts/zero/values/1', 'is', True])
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

from flint import arb

from theory.claim import Claim
from theory.problem import Problem
from verify import recipes_geometry as geometry
from verify.balls import precision
from verify.refute import Attempt, NotCovered
from verify.routes import certify, deep_nonconvex
from verify.terms import index, lift, logits, pointer, samples, x2

__all__ = ["EXAMPLES", "READING", "RECIPES", "UNREACHABLE"]

Recipe = Callable[[Claim, Problem], Iterator[Attempt]]
RANK, RANK_OTHER, VALUE = pointer("/0/facts/rank"), pointer("/1/facts/rank"), pointer("/0/bounds")

UNREACHABLE = {
    "FA21-R4": "a limit T -> infinity, which no single problem refutes",
    "TH22-R2": "a limit R -> infinity, which no single problem refutes",
    "TH22-R5": "a limit lam -> 0, which no single problem refutes",
}

EXAMPLES = {
    "DA24-14": Problem.ce([6, 3, 2], 1, bias="free", model="ce-relu", dim=3).at(6),
    "FA21-R2": Problem.peeled([(3, 4), (1, 2)]),
    "HL23-R1": Problem.ce([1, (2, 2)], 1).at(3),
    "HL23-R4": Problem.ce([2, 1], 1).at("0.5"),
    "TH22-R1": Problem.svm([50, (1, 2)]),
    "RF26-01": Problem.ce([(100, 2), (4, 3)], 1).at("4.5"),
}
"""Problems where a refutation is known, for claims whose own example does not serve."""


def contrast(number: int, cluster: int) -> str:
    """State of the contrast of a cluster: classes that are apart (alive) or coincide (dead)."""
    return f"/{number}/facts/contrast/values/{cluster}"


# --- the value -----------------------------------------------------------------------------------------------------


def frame_value(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """DA23-26."""
    because = "A simplex frame has at least the smallest value of any frame, and the optimum has the smallest of all."
    says = [pointer("/0/facts/frame/value"), "<=", VALUE]
    if problem.K % 2 and problem.K <= DESCENDED:  # codes of blocks are best known for even K
        yield Attempt((_descended(problem),), says, because)
    yield Attempt((problem,), says, because)


DESCENDED, STARTS, POINT_BITS = 9, 40, 60


def _descended(problem: Problem) -> dict[str, Any]:
    """Certificate with the end of a descent for its point."""
    data, found = certify(problem)[0], deep_nonconvex.solve(problem, starts=STARTS)
    if found.point is None:
        raise NotCovered(found.reason)
    factors = [
        {"p": POINT_BITS, "rows": [[int(x * 2**POINT_BITS) for x in row] for row in factor.tolist()]}
        for factor in (*found.point.layers, found.point.H)
    ]
    return data | {"witness": data["witness"] | {"factors": factors}, "bounds": None}


ROOT_BITS = 200


def root_value(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """DA23-31."""
    M = problem.depth
    cost = problem.N ** (M + 1) * prod(problem.layers) * problem.lambda_h

    def bracket(size: Fraction) -> list[int]:
        """Around the largest zero of p^(M-1) (1-p)^(M+1) - cost/size^M, right of p = (M-1)/(2M)."""
        with precision(4 * ROOT_BITS):
            limit = _ball(cost / size**M)

            def excess(p: int) -> bool:
                x = arb((p, -ROOT_BITS))
                return bool(x ** (M - 1) * (1 - x) ** (M + 1) > limit)

            low, high = -((1 - M << ROOT_BITS) // (2 * M)), 1 << ROOT_BITS
            if not excess(low):
                return [0, 0]
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if excess(middle) else (low, middle)
            return [low, high]

    rows = [bracket(Fraction(size)) for size, _ in problem.canonical()["counts"]]
    claimed = {"largest-root": 0, "brackets": {"p": ROOT_BITS, "rows": rows}}
    because = "Every class takes the largest root of its equation; the value of that point is the optimum."
    yield Attempt((problem,), [claimed, "<=", VALUE], because)


def _ball(value: Fraction) -> Any:
    return arb(value.numerator) / value.denominator


def coded_margin(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """DA24-17: by the value of the point with these margins, else by the margins."""
    because = "A minimiser has the coded margins, so its value is at least that of the best point that has them."
    yield Attempt((problem,), [{"coded-margin": 0, "factor": "1"}, "<=", VALUE], because)
    Z, K, N, decay = logits(problem), problem.K, samples(problem), pointer("/0/options/lambda_w")
    for number, cluster in enumerate(problem.clusters):
        k, j = cluster.members[0], next(i for i in range(K) if i not in cluster.members)
        coded = ((K - 1) * (lift(cluster.size * K / (K - 1)).sqrt() / (N * decay) - 1)).log()
        alive = [contrast(0, number), "is", "alive"]
        yield Attempt((problem,), [coded, "=", Z[k, k] - Z[j, k]], "The margin of a class that is alive.", (alive,))


def chance_level(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """DA24-14: the kernel knows no bias under H >= 0, but without that constraint the optimum has H = 0 as well."""
    linear = Problem.ce(problem.sizes, problem.lambda_w, problem.lambda_h, "free", dim=problem.dim)
    because = (
        "Model ce is the same without H >= 0. Every minimiser of it has rank 0, hence H = 0, and obeys H >= 0: both "
        "models have one value, total collapse is optimal in both, and the claim says that its value is log K."
    )
    given = ([RANK, "<=", lift(0)],)
    yield Attempt((linear,), [lift(problem.K).log(), "<=", VALUE], because, given)
    point = (
        "(W, H, b) = (0, 0, log(n_k/N)) costs the entropy of the class frequencies; the claim says log K at W H = 0."
    )
    shares = [size / problem.N for size in problem.sizes]
    entropy = sum((share * lift(1 / share).log() for share in shares), lift(0))
    yield Attempt((linear,), [lift(problem.K).log(), "<=", entropy], point)


def cone_value(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """HL23-R4."""
    relu = replace(problem, model="ce-relu")
    because = "If both regularisers were lam |Z D^(1/2)|_*, the two models would have one value (d >= K)."
    yield Attempt((problem, relu), [VALUE, "=", pointer("/1/bounds")], because)


def basis_value(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """LS20-15."""
    n, a = problem.K, lift(problem.temperature)
    claimed = n * (1 + (n - 1) * (-a).exp()).log()
    yield Attempt((problem,), [claimed, "<=", VALUE], "An orthonormal basis minimises L_1, with this value.")


def double_mean(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """LS20-06, for three points on a line."""
    if (problem.K, problem.dim, problem.families) != (3, 1, 1):
        raise NotCovered("LS20-06: written down for three points on a line only")
    a = lift(problem.temperature)
    energy, (p, q) = VALUE / 3 - lift(3).log() + a, (a.exp(), (-a).exp())
    because = (
        "E(mu) = L/n - log n + a. Three unit vectors on a line are equal (E = a) or 1, 1, -1 up to a sign, where the "
        "claim puts the logarithm of the double mean below E; a minimiser with E < a is of the second kind."
    )
    yield Attempt((problem,), [((5 * p + 4 * q) / 9).log(), "<=", energy], because, ([energy, "<", a],))


# --- states in one problem -----------------------------------------------------------------------------------------


def dead_below(factor2: Fraction, why: str, weighted: bool = False) -> Recipe:
    """The smallest classes coincide though (lam N)^2 < factor2 (w^2) n, where the claim has them apart."""

    def recipe(claim: Claim, problem: Problem) -> Iterator[Attempt]:
        cluster = min(problem.clusters, key=lambda c: c.size)
        limit = factor2 * cluster.size * (cluster.weight**2 if weighted else 1)
        says = [contrast(0, problem.clusters.index(cluster)), "is", "alive"]
        yield Attempt((problem,), says, why, ([x2(problem), "<", lift(limit)],))

    return recipe


def growing_data(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """HL23-R1: coincide although k lam sqrt(n) > 1/2."""
    for number, cluster in enumerate(problem.clusters):
        if cluster.classes > 1 and 4 * cluster.classes**2 * problem.lam2 * cluster.size > 1:
            decays = pointer("/0/options/lambda_w") * pointer("/0/options/lambda_h")
            large = [4 * cluster.classes**2 * cluster.size * decays, ">", lift(1)]
            because = "The claim has classes coincide only where sqrt(n) <= 1/(2 k lam) as well."
            yield Attempt((problem,), [contrast(0, number), "is", "alive"], because, (large,))
            yield Attempt((problem,), [f"/0/facts/merged/values/{number}", "is", False], because, (large,))


def minority_zero(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """HL23-R6: zero although lam N < sqrt(n_A)."""
    largest = lift(problem.clusters[0].size)
    because = "Between the two thresholds the claim gives minority columns the cosine 1, so they do not vanish."
    last = len(problem.clusters) - 1
    given = ([x2(problem), "<", largest],)
    yield Attempt((problem,), [f"/0/facts/zero/values/{last}", "is", False], because, given)


def peeled_zero(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """FA21-R2."""
    because = "A cosine of 1 needs vectors that do not vanish."
    yield Attempt((problem,), ["/0/facts/minority_zero", "is", "alive"], because)


def narrow_features(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """FA21-R3."""
    wide = Problem.peeled(_runs(problem), problem.e_w, problem.e_h, dim=problem.K)
    because = (
        "At p = K the relaxation is tight (the claim agrees). If it were not tight at p = K - 1, every minimiser at "
        "p = K would have rank K: one of lower rank has factors of width K - 1."
    )
    yield Attempt((wide,), [lift(problem.K), "<=", RANK], because)


def _runs(problem: Problem) -> list[Any]:
    return [(run.size, run.repeat) for run in problem.runs]


def collapsed_not_zero(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """RF26-08."""
    number = len(problem.clusters) - 1
    given = ([contrast(0, number), "is", "dead"],)
    says = [f"/0/facts/zero/values/{number}", "is", True]
    yield Attempt((problem,), says, "Minority means coincide in every minimiser: the claim has them vanish.", given)


def one_threshold(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """UC26-R1: dead at one decay, alive at a larger one."""
    found = {}
    for setting in claim.settings:
        found[setting] = certify(setting)[1].zero[-1]
    for low in claim.settings:
        for high in claim.settings:
            if low.x2 < high.x2 and found[low] is True and found[high] is False:
                given = ([x2(low), "<", x2(high, 1)], ["/0/facts/zero/values/1", "is", True])
                because = "With one threshold, dead at one lam N means dead at every larger one (same sizes and bias)."
                yield Attempt((low, high), ["/1/facts/zero/values/1", "is", True], because, given)


# --- ranks behind a bottleneck -------------------------------------------------------------------------------------


def cut_cluster(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """DA23-18, DA23-28: the classes of one size are all kept or all dropped, if one minimiser is like every other."""
    modes = [cluster.classes for cluster in problem.clusters]
    modes[-1] -= len(modes) == 1 and problem.bias == "free"
    sums = [sum(modes[: i + 1]) for i in range(len(modes))]
    budget = min(problem.layer_widths)
    above = next(total for total in sums if total > budget)
    below = max((total for total in sums if total < budget), default=0)
    because = (
        "The objective does not change when classes of one size are rotated into each other (rows of W_M and columns "
        "of H together). What the claim says of every minimiser then holds after every rotation: the block of these "
        "classes is a multiple of the identity, kept or dropped as a whole."
    )
    yield Attempt((problem,), [lift(above), "<=", RANK], because, ([RANK, ">", lift(below)],))


# --- states in two problems ----------------------------------------------------------------------------------------


def states_differ(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """Classes that are apart here and coincide in the companion."""
    other = claim.companions(problem)[0] if claim.companions else problem
    for number, cluster in enumerate(problem.clusters):
        there = index(other, cluster.members[0])
        if cluster.classes < 2 or not set(cluster.members[:2]) <= set(other.clusters[there].members):
            continue
        given, says = [contrast(0, number), "is", "alive"], [contrast(1, there), "is", "alive"]
        because = "The claim has these classes apart in the second problem, because they are in the first."
        yield Attempt((problem, other), says, because, (given,))


def collapse_differs(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """RF26-11."""
    (other,) = claim.companions(problem) if claim.companions else ()
    because = "Where cross-entropy has Z = 0, the claim says, the squared loss has it too."
    yield Attempt((problem, other), [lift(0), "=", RANK_OTHER], because, ([RANK, "<=", lift(0)],))


# --- arithmetic -----------------------------------------------------------------------------------------------------


def small_decay(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """HL23-R3."""
    because = "x = lam N is 1/10 in the experiment, so its square is 1/100."
    yield Attempt((problem,), [lift(Fraction(1, 100)), "=", x2(problem)], because)


SMOOTHED = "One-hot labels keep these classes apart up to lam N = sqrt(n); the claim says that smoothed ones do too."
READING = frozenset({"TH22-14"})
"""Recipes that read the relation: they serve mutants too."""
RECIPES: dict[str, Recipe] = {
    "DA23-18": cut_cluster,
    "DA23-26": frame_value,
    "DA23-27": geometry.first_layer,
    "DA23-28": cut_cluster,
    "DA23-31": root_value,
    "DA24-14": chance_level,
    "DA24-17": coded_margin,
    "FA21-R1": geometry.row_cosine,
    "FA21-R2": peeled_zero,
    "FA21-R3": narrow_features,
    "HL23-R1": growing_data,
    "HL23-R3": small_decay,
    "HL23-R4": cone_value,
    "HL23-R6": minority_zero,
    "LS20-06": double_mean,
    "LS20-15": basis_value,
    "LS20-17": geometry.pyramid_turn,
    "RF26-01": geometry.no_frame,
    "RF26-02": states_differ,
    "RF26-03": states_differ,
    "RF26-04": dead_below(Fraction(10201, 10000), "The claim keeps classes apart up to lam N = 1.01 sqrt(n)."),
    "RF26-05": states_differ,
    "RF26-06": geometry.not_aligned,
    "RF26-07": dead_below(Fraction(1), SMOOTHED),
    "RF26-08": collapsed_not_zero,
    "RF26-09": states_differ,
    "RF26-10": geometry.parallel_rows,
    "RF26-11": collapse_differs,
    "RF26-12": states_differ,
    "RF26-13": dead_below(Fraction(4), "The claim keeps classes apart up to lam N = 2 sqrt(n) w.", weighted=True),
    "TH22-14": geometry.sign_of_rows,
    "TH22-R1": geometry.squares_positive,
    "TH22-R3": geometry.sample_mean,
    "UC26-R1": one_threshold,
}
