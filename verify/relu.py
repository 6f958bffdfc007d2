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
from flint import arb
from numpy.typing import NDArray

from theory.optimum import State
from theory.problem import Cluster, Problem
from verify.bracket import ball
from verify.kernel import decay

__all__ = [
    "ClassScalars",
    "alive_classes",
    "class_scalars",
    "classifier_gram",
    "columns",
    "exact_states",
    "fano",
    "near_optimal",
    "task_of",
]

Array = NDArray[Any]


@dataclass(frozen=True)
class ClassScalars:
    """Balls that describe one class of a cluster: loss weight, t capped at (K-1)/K, margin."""

    omega: Any
    error: Any
    margin: Any
    alive: bool


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
        omega = ball(c.weight * c.size / problem.N)
        if is_dead(problem, c):
            found.append(ClassScalars(omega, ball(Fraction(K - 1, K)), arb(0), False))
            continue
        t = ball(problem.lam2 * c.size * (K - 1) / K).sqrt() / omega
        margin = arb.max(((K - 1) * (1 / t - 1)).log(), arb(0))  # positive, though perhaps below the precision
        found.append(ClassScalars(omega, t, margin, True))
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
    """W W^T where lambda_w W = sum_k omega_k (e_k - p_k) hbar_k^T, the stationarity of W.

    Parameters
    ----------
    probabilities : (K, K) array of balls, softmax of the logits of each class mean in its column.
    gram_features : (K, K) array of balls, Hbar^T Hbar.
    """
    omega = np.array([ball(w * n / problem.N) for w, n in zip(problem.weights, problem.sizes, strict=True)])
    pull = (np.eye(problem.K, dtype=int) - probabilities) * (omega / ball(problem.lambda_w))
    return np.asarray(pull @ gram_features @ pull.T)


def task_of(problem: Problem) -> decay.Problem:
    """The problem as the kernel sees it."""
    return decay.read_problem(problem.canonical())


def near_optimal(problem: Problem, errors: Sequence[Any], margins: Sequence[Any], gap: Any) -> dict[str, Any]:
    """Gram matrices and spread of every feasible point whose value is within ``gap`` of the kernel's dual bound.

    With G_k and a_k as in :func:`verify.kernel.relu_lower_bound` and C_kl = -<e_k - q_k, e_l - q_l> > 0, the difference
    of value and bound is a sum of nonnegative terms, among them

    * (lambda_w/2)|E|^2 with E = W - sum_k G_k a_k^T/lambda_w,
    * omega_k omega_l C_kl <hbar_k, hbar_l>/lambda_w for every pair of classes,
    * (lambda_h/2) spread^2.

    Hence off the diagonal the Gram matrix is between 0 and lambda_w gap/(omega_k omega_l C_kl), and on it
    <e_k - q_k, W hbar_k> = t_k margin_k, up to the first two terms, is omega_k |e_k - q_k|^2 |hbar_k|^2/lambda_w.

    Parameters
    ----------
    problem : model ``ce-relu`` with at most a few hundred classes.
    errors, margins : per cluster: t of the dual point, and balls around own minus other logit of those points.
    gap : ball, nonnegative.

    Returns
    -------
    dict
        ``gram_features``, ``gram_classifier`` ((K, K) arrays of balls) and ``spread``.
    """
    K, lambda_w = problem.K, ball(problem.lambda_w)
    distance = (2 * gap / lambda_w).sqrt().abs_upper()
    squares = []
    for cluster, t, margin in zip(problem.clusters, errors, margins, strict=True):
        omega = ball(cluster.weight * cluster.size / problem.N)
        price = omega * t * t * K / (K - 1) / lambda_w
        pull = (t * margin + arb(0).union(gap / omega)) / price
        error = (t * ball(Fraction(K, K - 1)).sqrt() * distance / price).abs_upper()
        largest = (error + (error * error + 4 * pull.abs_upper()).sqrt()) / 2  # of |hbar_k|
        squares.append(pull + arb(0, 1) * (error * largest).upper())
    gram = columns(problem, squares, squares)
    t = columns(problem, errors, errors).diagonal()
    omega = [ball(w * n / problem.N) for w, n in zip(problem.weights, problem.sizes, strict=True)]
    for k, l in np.ndindex(K, K):
        if k != l:
            price = omega[k] * omega[l] * t[k] * t[l] * K / (lambda_w * (K - 1) ** 2)
            gram[k, l] = arb(0).union(gap / price)
    P = columns(problem, [1 - e for e in errors], [e / (K - 1) for e in errors])
    classifier = classifier_gram(problem, P, gram)
    norms = [classifier[k, k].abs_upper().sqrt() for k in range(K)]
    for k, l in np.ndindex(K, K):
        classifier[k, l] += arb(0, 1) * ((norms[k] + norms[l] + distance) * distance).upper()
    spread = arb(0).union((2 * gap / ball(problem.lambda_h)).sqrt())
    return {"gram_features": gram, "gram_classifier": classifier, "spread": spread}
