"""What a route says about the global optimum of a problem: balls, states, a point, and what it relied on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from theory.problem import Problem

__all__ = ["Optimum", "Point", "State", "softmax"]

State = Literal["alive", "dead", "absent"] | None
"""Of the contrast of a cluster: alive (own logit > sibling logit in every minimiser), dead (its classes
coincide in every minimiser), absent (a cluster of one class has no contrast), None (not decided). In model
``ce-relu`` of every class of a cluster: alive (own logit > every other logit), dead (its features vanish)."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Point:
    """An explicit point as a nonconvex solver left it: W (K, d), H (d, N) or (d, K), b (K,).

    ``layers`` are W_M, ..., W_1 where there are several; W is their product.
    """

    W: Array
    H: Array
    b: Array
    layers: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Optimum:
    """The optimum as one route sees it. Numbers are balls (midpoint, radius) that hold for EVERY global minimiser.

    The radius is rigorous for the enclosure route; for the others it is derived from a floating-point
    duality gap. Arrays are object arrays of balls, so NumPy's ``exp``, ``log``, ``sqrt`` and arithmetic work on them.

    Attributes
    ----------
    problem : Problem
    route : str
    lower, upper : ball or None
        Bounds on the optimal value; ``upper`` is the objective at an explicit point.
    logits : (K, K) array of balls or None
        Mean logits Z, bias excluded; column k belongs to class k. Columns are centred (1^T Z = 0) except in ``mse``;
        in ``ce-sphere`` entry (j, k) is <u_k, v_j>, without the temperature.
    bias : (K,) array of balls
        Centred (1^T b = 0) except in ``mse``; zeros without a bias.
    contrasts : one State per cluster, in the order of ``problem.clusters``.
    rank : (least, most) rank of Z D^(1/2) over every minimiser.
    exact_contrasts, exact_zero : the states that hold exactly at a tie, by rational arithmetic (the merging
        rule x^2 >= w^2 n, in ``ce-relu`` x^2 K >= w^2 n (K - 1); Z = 0 satisfies the optimality condition).
    gram_features, gram_classifier : (K, K) arrays of balls or None
        Hbar^T Hbar of the class means, and W W^T (not in ``ce``).
    spread : ball or None
        sqrt(sum_i |h_i - hbar_{y_i}|^2) over all samples (not in ``ce``).
    singular_values : (K,) array of balls or None
        Of Z D^(1/2), descending.
    merged : groups of classes whose mean logits, features and classifier rows coincide in every minimiser; None
        where that is not decided.
    zero : classes whose features vanish in every minimiser; None where that is not decided.
    facts : further quantities by name; the routes of a model say which.
    companions : optima of the problems that a claim compares this one with, by the same route.
    point : Point or None
    uses : IDs of the claims the route relied on.
    reason : why something is missing, or an empty string.
    work : solver statistics (starts, hits, iterations, status).
    """

    problem: Problem
    route: str
    lower: Any = None
    upper: Any = None
    logits: Array | None = None
    bias: Array | None = None
    contrasts: tuple[State, ...] = ()
    rank: tuple[int, int] = (0, 10**9)
    exact_contrasts: tuple[State, ...] = ()
    exact_zero: bool | None = None
    gram_features: Array | None = None
    gram_classifier: Array | None = None
    spread: Any = None
    singular_values: Array | None = None
    merged: tuple[tuple[int, ...], ...] | None = None
    zero: tuple[int, ...] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    companions: tuple[Optimum, ...] = ()
    point: Point | None = None
    uses: frozenset[str] = frozenset()
    reason: str = ""
    work: dict[str, Any] = field(default_factory=dict)

    @property
    def probabilities(self) -> Array:
        """(K, K) softmax of the mean logits plus bias, column by column."""
        if self.logits is None or self.bias is None:
            raise ValueError("this optimum carries no logits")
        return softmax(self.logits + self.bias[:, None])


def softmax(Z: Array) -> Array:
    """Column-wise softmax of floats or balls, without overflow and without subtracting close numbers.

    Examples
    --------
    >>> softmax(np.array([[0.0, 1000.0], [0.0, 0.0]])).tolist()
    [[0.5, 1.0], [0.5, 0.0]]
    """
    if Z.dtype != object:
        shifted = np.exp(Z - Z.max(axis=0))
        return np.asarray(shifted / shifted.sum(axis=0))
    K = len(Z)
    columns = [[1 / sum(np.exp(Z[i, k] - Z[j, k]) for i in range(K)) for j in range(K)] for k in range(K)]
    return np.array(columns, dtype=object).T
