"""Model ``ce-relu`` in balls: the scalars of every class, and what follows from probabilities at a minimiser.

With omega = w n/N the weight of a class in the loss and kappa = sqrt(lambda_w lambda_h n (K-1)/K), a class is alive iff
its error t = kappa/omega is below (K-1)/K, and then its margin is log((K-1)(1/t - 1)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, fmpq
from numpy.typing import NDArray

from theory.optimum import State
from theory.problem import Cluster, Problem

__all__ = ["ClassScalars", "alive_classes", "class_scalars", "classifier_gram", "columns", "exact_states", "fano"]

Array = NDArray[Any]


@dataclass(frozen=True)
class ClassScalars:
    """Balls that describe one class of a cluster: loss weight, t capped at (K-1)/K, margin."""

    omega: Any
    error: Any
    margin: Any
    alive: bool


def exact(value: Fraction | int) -> Any:
    """Ball around a rational."""
    return arb(fmpq(value.numerator, value.denominator))


def is_dead(problem: Problem, cluster: Cluster) -> bool:
    """Exact decision x^2 K >= w^2 n (K - 1)."""
    return problem.x2 * problem.K >= cluster.weight**2 * cluster.size * (problem.K - 1)


def exact_states(problem: Problem) -> tuple[State, ...]:
    """State of each cluster, by the exact decision n (K-1) <= N^2 lambda_w lambda_h K/w^2.

    Examples
    --------
    >>> base = Problem.ce([9, 4], 1, model="ce-relu")
    >>> [exact_states(base.at(x2)) for x2 in (1, 2)]
    [('alive', 'alive'), ('alive', 'dead')]
    """
    return tuple("dead" if is_dead(problem, c) else "alive" for c in problem.clusters)


def alive_classes(problem: Problem) -> int:
    """Number r of classes with a nonzero feature at the optimum of d >= r."""
    return sum(c.classes for c in problem.clusters if not is_dead(problem, c))


def class_scalars(problem: Problem) -> list[ClassScalars]:
    """The scalars of the classes of each cluster, at the current precision.

    Examples
    --------
    >>> problem = Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu")
    >>> [round(float(c.margin), 12) for c in class_scalars(problem)]
    [3.009047657584, 2.620741793272, 2.384762775125]
    """
    K, found = problem.K, []
    for c in problem.clusters:
        omega = exact(c.weight * c.size / problem.N)
        if is_dead(problem, c):
            found.append(ClassScalars(omega, exact(Fraction(K - 1, K)), arb(0), False))
            continue
        t = exact(problem.lam2 * c.size * (K - 1) / K).sqrt() / omega
        found.append(ClassScalars(omega, t, ((K - 1) * (1 / t - 1)).log(), True))
    return found


def fano(t: Any, K: int) -> Any:
    """Entropy of the distribution with 1 - t on one class and t shared by the K - 1 others.

    Examples
    --------
    >>> round(float(fano(arb(1) / 2, 2).exp()), 12)
    2.0
    """
    return -(1 - t) * (-t).log1p() - t * t.log() + t * arb(K - 1).log()


def columns(problem: Problem, own: Sequence[Any], other: Sequence[Any]) -> Array:
    """(K, K) array with own[g] on the diagonal and other[g] elsewhere in the columns of cluster g.

    Examples
    --------
    >>> columns(Problem.ce([4, 9], 1), [1, 2], [0, 5]).tolist()
    [[2, 0], [5, 1]]
    """
    K = problem.K
    table = np.empty((K, K), dtype=object)
    for g, cluster in enumerate(problem.clusters):
        for k in cluster.members:
            table[:, k] = other[g]
            table[k, k] = own[g]
    return table


def classifier_gram(problem: Problem, probabilities: Array, gram_features: Array) -> Array:
    """W W^T at a minimiser, from the stationarity of W: lambda_w W = sum_k omega_k (e_k - p_k) hbar_k^T.

    Parameters
    ----------
    probabilities : (K, K) array of balls, softmax of the logits of each class mean in its column.
    gram_features : (K, K) array of balls, Hbar^T Hbar.
    """
    omega = np.array([exact(w * n / problem.N) for w, n in zip(problem.weights, problem.sizes, strict=True)])
    pull = (np.eye(problem.K, dtype=int) - probabilities) * (omega / exact(problem.lambda_w))
    return np.asarray(pull @ gram_features @ pull.T)
