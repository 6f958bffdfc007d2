"""Points that respect the symmetry of a problem: one gap and one row of block means per cluster.

The minimiser is unique and invariant under permutations of classes of equal size and weight, so G clusters
need G gaps and a G x G matrix, whatever the number of classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.problem import Problem

__all__ = ["BlockPoint", "average"]

Array = NDArray[Any]


@dataclass(frozen=True)
class BlockPoint:
    """Logits of a symmetric point; entries are floats, mpmath numbers or balls.

    Attributes
    ----------
    alpha : (G,) own minus sibling logit in each cluster; 0 for a cluster of one class.
    means : (G, G) ``means[h, g]`` is the mean, over the classes of cluster h, of the logits of a class of
        cluster g (bias excluded); columns satisfy sum_h m_h means[h, g] = 0.
    bias : (G,) bias of each cluster.
    """

    alpha: Array
    means: Array
    bias: Array

    def quotient(self, problem: Problem) -> Array:
        """(G, G) floats sqrt(m_h m_g n_g) means[h, g]: the block of Z D^(1/2) on cluster-constant vectors."""
        m = np.array([float(c.classes) for c in problem.clusters])
        n = np.array([float(c.size) for c in problem.clusters])
        return np.asarray(np.sqrt(m)[:, None] * np.sqrt(m * n)[None, :] * self.means)

    def expand(self, problem: Problem) -> tuple[Array, Array]:
        """Full logits (K, K), bias excluded, and bias (K,), in class order.

        Examples
        --------
        >>> problem = Problem.ce([(9, 2), (4, 1)], "0.1")
        >>> point = BlockPoint(np.array([2.0, 0.0]), np.array([[0.5, -1.0], [-1.0, 2.0]]), np.zeros(2))
        >>> point.expand(problem)[0].tolist()
        [[1.5, -0.5, -1.0], [-0.5, 1.5, -1.0], [-1.0, -1.0, 2.0]]
        """
        clusters = problem.clusters
        owner = np.empty(problem.K, dtype=int)
        for g, cluster in enumerate(clusters):
            owner[cluster.members] = g
        Z = np.array(self.means[np.ix_(owner, owner)])
        for g, cluster in enumerate(clusters):
            inside = np.ix_(cluster.members, cluster.members)
            Z[inside] = Z[inside] - self.alpha[g] / cluster.classes
            for k in cluster.members:
                Z[k, k] = Z[k, k] + self.alpha[g]
        return Z, np.array(self.bias[owner])


def average(problem: Problem, Z: Array, b: Array) -> BlockPoint:
    """Project full logits (K, K) and bias (K,) on the symmetric, centred points.

    Examples
    --------
    >>> problem = Problem.ce([(9, 2), (4, 1)], "0.1")
    >>> average(problem, np.eye(3), np.zeros(3)).alpha.tolist()
    [1.0, 0.0]
    """
    Z = Z - Z.mean(axis=0)
    b = b - b.mean()
    members = [cluster.members for cluster in problem.clusters]
    means = np.array([[Z[np.ix_(rows, columns)].mean() for columns in members] for rows in members])
    alpha = []
    for own in members:
        k, block = len(own), Z[np.ix_(own, own)]
        alpha.append((np.trace(block) - (block.sum() - np.trace(block)) / (k - 1)) / k if k > 1 else 0 * Z[0, 0])
    return BlockPoint(np.array(alpha), means, np.array([b[own].mean() for own in members]))
