"""Recipes for claims about geometry: Gram matrices, angles and alignment, as terms of logits and Gram entries.

Each takes the claim and a problem, as in ``verify.recipes``.

Examples
--------
>>> from verify.registry import load
>>> attempt = next(sample_mean(load()["TH22-R3"], Problem.svm([2, 1])))
>>> attempt.says[1], attempt.because
('=', 'The squared length of the mean of all features.')
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from flint import arb

from theory.claim import Claim
from theory.lu_steinerberger_2020.two_families import HEIGHT, PYRAMID_VALUE, SIDEWAYS
from theory.observables import rational
from theory.problem import Problem
from theory.seli_observables import step_parameters
from theory.sphere_observables import a as temperature
from theory.symbols import dead
from theory.value_observables import representatives
from verify.balls import decide, precision, resolve
from verify.refute import Attempt, NotCovered
from verify.terms import Term, gram, lift, logits, pointer, samples, translate

__all__ = [
    "first_layer",
    "no_frame",
    "not_aligned",
    "parallel_rows",
    "pyramid_turn",
    "row_cosine",
    "sample_mean",
    "sign_of_rows",
    "squares_positive",
]


BALANCED = (
    "A minimiser attains equality in (lambda_w/2)|W|^2 + (lambda_h/2)|Hbar D^(1/2)|^2 >= lam |X|_*, X = Z D^(1/2): "
    "W W^T is a multiple of (X X^T)^(1/2), Hbar^T Hbar of D^(-1/2) (X^T X)^(1/2) D^(-1/2) (D = 1 under budgets). "
    "For two sizes the roots are contrasts and one direction between the groups, sums of logits."
)


def not_aligned(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """RF26-06: Z = (W W^T) diag(c) for aligned rows and means, which has equal products around every triangle."""
    if len(problem.clusters) == 2:
        rows, means = _cosines(problem)
        yield Attempt((problem,), [rows, "=", means], BALANCED)
        return
    Z = logits(problem)
    i, j, k = [cluster.members[0] for cluster in problem.clusters][:3]
    because = (
        "A mean h_k parallel to the row w_k is c_k w_k with c_k > 0, so z_jk = c_k <w_j, w_k>: around three classes "
        "the products of logits are equal in both directions."
    )
    yield Attempt((problem,), [Z[i, j] * Z[j, k] * Z[k, i], "=", Z[j, i] * Z[k, j] * Z[i, k]], because)


def _roots(problem: Problem, weighted: bool) -> tuple[Term, Term, Term, Fraction]:
    """Of X = Z D^(1/2) (Z under budgets) at two sizes: singular value s of the direction between the groups, alpha of
    the contrasts of the chosen group, the squared part s^2 v^2 of s in its columns, and their factor n.

    The chosen group is the minority, or the majority where there is one minority class. 1^T X = 0 leaves one direction
    u constant on groups, so that s^2 is the square of the Frobenius norm of the block between groups.
    """
    own, other = _groups(problem)
    Z, parts = logits(problem), list[Term]()
    for mine, theirs in ((own, other), (other, own)):
        k, n = mine[0], problem.sizes[mine[0]] if weighted else Fraction(1)
        siblings = (len(mine) - 1) * Z[mine[1], k] if len(mine) > 1 else lift(0)
        mean, cross = (Z[k, k] + siblings) / len(mine), Z[theirs[0], k]
        parts.append(n * len(mine) * (len(mine) * mean * mean + len(theirs) * cross * cross))
    n = problem.sizes[own[0]] if weighted else Fraction(1)
    alpha = (Z[own[0], own[0]] - Z[own[1], own[0]]) * lift(n).sqrt()
    return (parts[0] + parts[1]).sqrt(), alpha, parts[0], n


def _groups(problem: Problem) -> tuple[list[int], list[int]]:
    """Members of the chosen group and of the other one."""
    if len(problem.clusters) != 2:
        raise NotCovered("written down for two different sizes only")
    B, A = (cluster.members for cluster in reversed(problem.clusters))
    return (B, A) if len(B) > 1 else (A, B)


def _rows(problem: Problem, weighted: bool) -> tuple[Term, Term, Term]:
    """<w, w>, <w, w'>, <w, w_other> of (X X^T)^(1/2): two classes of the chosen group, and one of each."""
    s, alpha, _, _ = _roots(problem, weighted)
    m, K = len(_groups(problem)[0]), problem.K
    across = s * Fraction(K - m, K * m)
    return across + alpha * Fraction(m - 1, m), across - alpha / m, s * Fraction(-1, K)


def _cosines(problem: Problem) -> tuple[Term, Term]:
    """Cosine of two rows, and of two means, of the chosen group."""
    s, alpha, part, _ = _roots(problem, weighted=True)
    m = len(_groups(problem)[0])
    length, inner, _ = _rows(problem, weighted=True)
    between = part / s
    return inner / length, (between - alpha) / (between + (m - 1) * alpha)


def parallel_rows(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """RF26-10, for two sizes."""
    Z, chosen = logits(problem), representatives(problem)
    right = tuple([Z[k, k], ">", Z[j, k]] for k in chosen for j in chosen if j != k)
    yield Attempt((problem,), [_cosines(problem)[0], "<=", lift(Fraction(9, 10))], BALANCED, right)


def row_cosine(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """FA21-R1."""
    (own, other), ratio = _groups(problem), problem.e_w / problem.e_h
    Z, rows = logits(problem), [entry * lift(ratio).sqrt() for entry in _rows(problem, weighted=False)]
    z = [Z[own[0], own[0]], Z[own[0], own[1]], Z[own[0], other[0]]]
    k, m = len(other), len(own)

    def inner(parts: list[Term]) -> Term:
        mine, sibling, cross = parts
        return k * cross * cross + 2 * mine * sibling + (m - 2) * (sibling * sibling)

    def square(parts: list[Term]) -> Term:
        mine, sibling, cross = parts
        return k * cross * cross + mine * mine + (m - 1) * (sibling * sibling)

    full = (inner(z) + inner(rows)) / (square(z) + square(rows))
    yield Attempt((problem,), [full, "=", rows[1] / rows[0]], BALANCED)


def sign_of_rows(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """TH22-14 and what is said of another ratio: the sign of <w_B, w_B'>."""
    own, _ = _groups(problem)
    condition = next(part for part in claim.relations[0].args if part != dead)
    positive = decide(condition, step_parameters(problem))
    because = f"Minority classifiers are said to have a positive inner product iff {condition}."
    says = [lift(0), "<=" if positive else ">=", gram(problem, "classifier")[own[0], own[1]]]
    yield Attempt((problem,), says, because)


def squares_positive(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """TH22-R1."""
    Z, sizes = logits(problem), problem.sizes
    for k, j in ((k, j) for k in representatives(problem) for j in representatives(problem) if k < j):
        entry = sum((sizes[i] * Z[k, i] * Z[j, i] for i in range(problem.K)), lift(0))
        yield Attempt((problem,), [lift(0), ">=", entry], "The entry (k, l) of Z D Z^T, for the logits of a minimiser.")


def sample_mean(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """TH22-R3."""
    G, sizes = gram(problem, "features"), problem.sizes
    pairs = ((k, j) for k in range(problem.K) for j in range(problem.K))
    square = sum((sizes[k] * sizes[j] * G[k, j] for k, j in pairs), lift(0)) / problem.N**2
    yield Attempt((problem,), [lift(0), "=", square], "The squared length of the mean of all features.")


def first_layer(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """DA23-27: stationarity of W_1 gives lambda_1 s^2 = n p (1-p)/N."""
    M, N = problem.depth, samples(problem)
    decay, features = pointer(f"/0/options/lambda_w/{M - 1}"), pointer("/0/options/lambda_h")
    because = (
        "A minimiser is stationary along the scale of W_1 on every mode: lambda_1 s^2 = n p (1-p)/N. The claim says "
        "s^(2M) = N lambda_H p/(1-p)."
    )
    for number, cluster in enumerate(problem.clusters):
        p = pointer(f"/0/facts/modes/values/{number}/p")
        given = ([f"/0/facts/modes/values/{number}/state", "is", "alive"],)
        square = lift(cluster.size) * p * (1 - p) / (N * decay)
        yield Attempt((problem,), [N * features * p / (1 - p), "=", square**M], because, given)


def no_frame(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """RF26-01: means that coincide and do not vanish have the cosine 1."""
    number = len(problem.clusters) - 1
    given = ([f"/0/facts/zero/values/{number}", "is", False],)
    because = "Vectors at the cosine -1/(K-1) differ; here two means that do not vanish are compared."
    yield Attempt((problem,), [f"/0/facts/contrast/values/{number}", "is", "alive"], because, given)
    _, cosine = _cosines(problem)
    yield Attempt((problem,), [lift(Fraction(-1, problem.K - 1)), "=", cosine], BALANCED)


def pyramid_turn(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """LS20-17."""
    if (problem.K, problem.dim) != (5, 3):
        raise NotCovered("LS20-17: min L_1 is not proved from below well enough; written down for the pyramid only")
    h, digits = HEIGHT.unknown, 25
    with precision(256):
        found = resolve({temperature: rational(problem.temperature), h: HEIGHT})[h]
        middle = int((found * arb(10) ** digits).mid().floor().unique_fmpz())
    ends = [Decimal(middle - 1).scaleb(-digits), Decimal(middle + 2).scaleb(-digits)]
    slopes = [translate(HEIGHT.equation, {temperature: problem.temperature, h: Fraction(end)}) for end in ends]
    height = Term({"lower": f"{ends[0]:f}", "upper": f"{ends[1]:f}"})
    turn = translate(SIDEWAYS, {temperature: problem.temperature, h: height})
    because = (
        f"L_1 of the square pyramid at height h, {PYRAMID_VALUE}, is stationary where its derivative changes sign; the "
        "pyramids are all configurations with their symmetry, so it is critical for L_1. The claim makes it critical "
        "for L_2: sum_j p_1j v_j has no component along the tangent of v_1."
    )
    given = ([slopes[0], "<", lift(0)], [slopes[1], ">", lift(0)])
    yield Attempt((problem,), [lift(0), "=", turn], because, given)
