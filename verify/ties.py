"""Decisions exactly at a threshold, in rational arithmetic, where no gap between bounds can decide.

Two facts about the convex program are checked exactly: the merging rule of a cluster (HL23-04), and whether the
point Z = 0 satisfies the necessary and sufficient optimality condition |(I - p 1^T) diag(w) D^(1/2)| <= x, p being the
class distribution at Z = 0.
"""

from __future__ import annotations

from fractions import Fraction

from theory.optimum import State
from theory.problem import Problem

__all__ = ["merged_states", "zero_is_minimiser"]

MOST_CLASSES = 64


def merged_states(problem: Problem) -> tuple[State, ...]:
    """State of every contrast by the rule: dead iff x^2 >= w^2 n (HL23-04).

    Examples
    --------
    >>> merged_states(Problem.ce([9, 9, 4, 4, 1], 1).at(9))
    ('dead', 'dead', 'absent')
    """
    return tuple(
        "absent" if c.classes < 2 else "dead" if problem.x2 >= c.weight**2 * c.size else "alive"
        for c in problem.clusters
    )


def zero_is_minimiser(problem: Problem) -> bool | None:
    """Whether Z = 0 is the minimiser; None with a penalised bias (p is not rational) or too many classes.

    x^2 I - B diag(w^2 n) B^T, B = I - p 1^T, is rational; it is positive semidefinite iff Z = 0 is optimal.

    Examples
    --------
    >>> base = Problem.ce([9, 9, 4], 1)
    >>> [zero_is_minimiser(base.at(x2)) for x2 in ("8.999999", 9, 10)]
    [False, True, True]
    """
    K = problem.K
    if K > MOST_CLASSES or isinstance(problem.bias, Fraction):
        return None
    mass = [
        w * n if problem.bias == "free" else Fraction(1) for w, n in zip(problem.weights, problem.sizes, strict=True)
    ]
    p = [c / sum(mass) for c in mass]
    v = [w**2 * n for w, n in zip(problem.weights, problem.sizes, strict=True)]
    total = sum(v)
    matrix = [
        [
            (problem.x2 if i == j else 0) - (v[i] if i == j else 0) + p[i] * v[j] + v[i] * p[j] - p[i] * p[j] * total
            for j in range(K)
        ]
        for i in range(K)
    ]
    return _positive_semidefinite(matrix)


def _positive_semidefinite(matrix: list[list[Fraction]]) -> bool:
    """LDL^T with exact pivots: none negative, and a zero pivot needs a zero row."""
    rows = [list(row) for row in matrix]
    for k in range(len(rows)):
        pivot = rows[k][k]
        if pivot < 0 or (pivot == 0 and any(rows[k][j] != 0 for j in range(k + 1, len(rows)))):
            return False
        if pivot == 0:
            continue
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / pivot
            for j in range(k + 1, len(rows)):
                rows[i][j] -= factor * rows[k][j]
    return True
