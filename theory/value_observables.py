"""Readings that hold for any sizes: losses and entropies per class, lengths, margins, singular values, states.

Everything is read off the logits of an optimum (or its Gram matrices, where the route gives them), class by class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.hong_ling_2023.reduction import moduli
from theory.observables import dead_state
from theory.optimum import Optimum
from theory.problem import Cluster, Problem

__all__ = [
    "collapsed",
    "entropies",
    "grams",
    "losses",
    "margin_pairs",
    "merged_state",
    "number",
    "representatives",
    "scaled",
    "share",
    "singular_values",
]

Array = NDArray[Any]


def number(like: Any, value: Fraction) -> Any:
    """A rational number in the arithmetic of ``like``.

    Examples
    --------
    >>> number(0.0, Fraction(1, 4))
    0.25
    """
    return (0 * like + value.numerator) / value.denominator


def share(problem: Problem, k: int) -> Fraction:
    """m_k = n_k w_k/N, what the loss of class k weighs in the objective.

    Examples
    --------
    >>> share(Problem.ce([3, 1], 1, weights=[1, 2]), 1)
    Fraction(1, 2)
    """
    return problem.sizes[k] * problem.weights[k] / problem.N


def _surprises(optimum: Optimum) -> Array:
    """-log p_jk of the softmax of logits plus bias."""
    if optimum.logits is None or optimum.bias is None:
        raise ValueError("this optimum carries no logits")
    full = optimum.logits + optimum.bias[:, None]
    return np.array([np.log(np.exp(full - row).sum(axis=0)) for row in full])


def losses(optimum: Optimum) -> Array:
    """Cross-entropy of every class at its mean logits.

    Examples
    --------
    >>> p = Problem.ce([2, 1], 1)
    >>> losses(Optimum(p, "exact", logits=np.zeros((2, 2)), bias=np.zeros(2))).round(6).tolist()
    [0.693147, 0.693147]
    """
    return np.diagonal(_surprises(optimum)).copy()


def entropies(optimum: Optimum) -> Array:
    """Entropy of the prediction at the mean of every class.

    Examples
    --------
    >>> p = Problem.ce([2, 1], 1)
    >>> entropies(Optimum(p, "exact", logits=np.zeros((2, 2)), bias=np.zeros(2))).round(6).tolist()
    [0.693147, 0.693147]
    """
    return np.asarray((optimum.probabilities * _surprises(optimum)).sum(axis=0))


def grams(optimum: Optimum) -> tuple[Array, Array] | None:
    """W W^T and Hbar^T Hbar: what the route gives, or the square roots of X X^T and X^T X for X = Z D^(1/2).

    Examples
    --------
    >>> p = Problem.ce([4, 4], 1)
    >>> W, H = grams(Optimum(p, "exact", logits=np.array([[1.0, -1.0], [-1.0, 1.0]])))
    >>> W.round(6).tolist(), H.round(6).tolist()
    ([[2.0, -2.0], [-2.0, 2.0]], [[0.5, -0.5], [-0.5, 0.5]])
    """
    if optimum.gram_classifier is not None and optimum.gram_features is not None:
        return optimum.gram_classifier, optimum.gram_features
    problem, Z = optimum.problem, optimum.logits
    if Z is None or problem.key != "ce":
        return None
    root = np.array([np.sqrt(number(Z[0, 0], size)) for size in problem.sizes])
    if not _finite(Z):
        return None
    left, right = moduli(Z * root)
    ratio = np.sqrt(number(Z[0, 0], problem.lambda_h / problem.lambda_w))
    return left * ratio, right / (ratio * np.outer(root, root))


def representatives(problem: Problem) -> list[int]:
    """The first class of every cluster, and the second where there is one; clusters by falling size.

    Examples
    --------
    >>> representatives(Problem.ce([4, 9, 9, 9], 1))
    [1, 2, 0]
    """
    return [k for cluster in problem.clusters for k in cluster.members[:2]]


def margin_pairs(problem: Problem, chosen: Callable[[Problem, Cluster], bool]) -> Iterator[tuple[int, int]]:
    """(k, j): the first class of every chosen cluster against every other representative.

    Examples
    --------
    >>> list(margin_pairs(Problem.ce([9, 4, 4], 1), lambda problem, cluster: cluster.size < 5))
    [(1, 0), (1, 2)]
    """
    for cluster in problem.clusters:
        if chosen(problem, cluster):
            k = cluster.members[0]
            yield from ((k, j) for j in representatives(problem) if j != k)


def singular_values(optimum: Optimum) -> Array | None:
    """Of X = Z D^(1/2), descending; by Weyl's inequality the radius is the Frobenius norm of that of X.

    Examples
    --------
    >>> p = Problem.ce([4, 4], 1)
    >>> singular_values(Optimum(p, "exact", logits=np.array([[1.0, -1.0], [-1.0, 1.0]]))).round(12).tolist()
    [4.0, 0.0]
    """
    problem, Z = optimum.problem, optimum.logits
    if Z is None or not _finite(Z):
        return None
    X = Z * np.array([np.sqrt(number(Z[0, 0], size)) for size in problem.sizes])
    middle = np.array([[float(entry) for entry in row] for row in X])
    values = _spectrum(middle)
    if X.dtype != object:
        return values
    distance = np.sqrt(sum((entry.abs_upper() ** 2 for entry in (X - middle).ravel()), 0 * X[0, 0]))
    slack = distance + 2e-15 * len(X) * float(values.max())
    return np.array([value + slack * (0 * slack + 1).union(0 * slack - 1) for value in values], dtype=object)


def _finite(Z: Array) -> bool:
    """Whether all radii are finite: a route may know nothing about an entry."""
    return Z.dtype != object or all(entry.is_finite() for entry in Z.ravel())


def _spectrum(matrix: Array) -> Array:
    """Of the transpose where the divide-and-conquer driver does not converge (repeated singular values)."""
    try:
        return np.asarray(np.linalg.svd(matrix, compute_uv=False))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.svd(matrix.T, compute_uv=False))


def merged_state(optimum: Optimum, members: list[int]) -> sp.Integer | None:
    """1 where the first two of these classes coincide in every minimiser, 0 where they do not, None undecided.

    Examples
    --------
    >>> p = Problem.ce([9, 4, 4], 1)
    >>> merged_state(Optimum(p, "exact", contrasts=("absent", "dead")), [1, 2])
    1
    """
    for cluster, state in zip(optimum.problem.clusters, optimum.contrasts, strict=False):
        if set(members[:2]) <= set(cluster.members):
            found = dead_state(state)
            return None if found is None else sp.Integer(found)
    return None


@lru_cache(maxsize=4096)
def collapsed(problem: Problem) -> bool:
    """Whether Z = 0 is optimal without bias: x^2 >= |P D_w^(1/2)|^2 for D_w = diag(w_k^2 n_k), exactly.

    The square m of that norm is the largest w^2 n where it is repeated, else the zero of sum_k 1/(w_k^2 n_k - m)
    between the two largest.

    Examples
    --------
    >>> collapsed(Problem.ce([5, 2], 1).at("3.5")), collapsed(Problem.ce([5, 2], 1).at("3.49"))
    (True, False)
    """
    strengths = sorted((w**2 * n for n, w in zip(problem.sizes, problem.weights, strict=True)), reverse=True)
    first, second = strengths[:2]
    if problem.x2 >= first:
        return True
    if problem.x2 <= second:
        return False
    return sum((1 / (v - problem.x2) for v in strengths), Fraction(0)) >= 0


def scaled(problem: Problem, chosen: Callable[[Cluster], bool], factor: int | Fraction) -> Problem:
    """The same decays with ``factor`` times as many samples of the chosen classes.

    Examples
    --------
    >>> scaled(Problem.ce([9, 4, 4], 1), lambda cluster: cluster.size == 4, 2).sizes
    [Fraction(9, 1), Fraction(8, 1), Fraction(8, 1)]
    """
    grown = {k for cluster in problem.clusters if chosen(cluster) for k in cluster.members}
    counts = [size * factor if k in grown else size for k, size in enumerate(problem.sizes)]
    return Problem.ce(
        counts, problem.lambda_w, problem.lambda_h, problem.bias, problem.weights, problem.dim, problem.model
    )
