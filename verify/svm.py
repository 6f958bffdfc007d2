"""Model ``uf-svm``: the matrix roots of its closed form in balls, and what a nearly optimal point in floats proves.

The square root of P D P, P = I - J/K and D = diag(n), is sqrt(n_g) on the contrasts of a cluster of equal sizes; on the
G unit vectors 1_g/sqrt(m_g) it is Q T^(1/2) Q^T, where the G - 1 orthonormal columns of Q span the complement of the
constant vector and T = Q^T diag(n_g) Q. So every matrix function costs G^3, whatever the number of classes is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.bracket import ball
from verify.kernel.tables import Blocks

__all__ = [
    "Roots",
    "block_table",
    "class_means",
    "near_optimal",
    "orthogonal",
    "orthogonality_ratio",
    "roots",
    "singular_values",
]

Array = NDArray[Any]
TINY = 1e-13
"""Relative rounding allowed for in floating-point values and matrices."""
LONGEST = 400
"""Most steps of a matrix iteration."""


@dataclass(frozen=True)
class Roots:
    """The quotient of the closed form, as matrices of midpoints unless said otherwise.

    Attributes
    ----------
    sizes, multiplicities : per cluster.
    Q : (G, G - 1) orthonormal.
    fourth : T^(1/4).
    square : T^(1/2), enclosed: T^(1/2) >= sqrt(min n), so an approximation S >= 0 misses it by at most
        |T - S^2|/sqrt(min n) (Sylvester equation).
    """

    sizes: list[Any]
    multiplicities: list[int]
    Q: Any
    fourth: Any
    square: Any


def roots(problem: Problem) -> Roots:
    """Square and fourth root of the quotient at the current precision.

    Examples
    --------
    >>> found = roots(Problem.svm([9, 4, 4]))
    >>> found.square[0, 0].str(6, radius=False)
    '2.70801'
    """
    sizes = [ball(c.size) for c in problem.clusters]
    m = [c.classes for c in problem.clusters]
    Q = _complement([(arb(k) / problem.K).sqrt() for k in m])
    T = Q.transpose() * arb_mat([[s if i == j else arb(0) for j in range(len(m))] for i, s in enumerate(sizes)]) * Q
    fourth = _mid(_root(_root(T)))
    half = fourth * fourth.transpose()  # positive semidefinite whatever the rounding
    error = sum((e * e for e in (T - half * half).entries()), arb(0)).abs_upper().sqrt() / sizes[-1].sqrt()
    n = half.nrows()
    square = arb_mat(n, n, [entry + arb(0, 1) * error.upper() for entry in half.entries()])
    return Roots(sizes, m, Q, fourth, square)


def _complement(u: list[Any]) -> Any:
    """Orthonormal columns orthogonal to a unit vector of positive entries: a Householder reflection."""
    G = len(u)
    v = [x + (i == 0) for i, x in enumerate(u)]
    factor = 1 + u[0]  # |v|^2/2
    return (
        arb_mat([[arb(i == j) - v[i] * v[j] / factor for j in range(1, G)] for i in range(G)])
        if G > 1
        else arb_mat(1, 0)
    )


def _mid(A: Any) -> Any:
    return arb_mat(
        A.nrows(), A.ncols(), [(A[i, j] + A[j, i]).mid() / 2 for i in range(A.nrows()) for j in range(A.ncols())]
    )


def _root(A: Any) -> Any:
    """Square root of a symmetric positive definite matrix, as midpoints: Denman and Beavers' iteration."""
    n = A.nrows()
    if n == 0:
        return A
    scale = (sum((A[i, i] for i in range(n)), arb(0)) / n).mid()
    Y, Z = _mid(A / scale), arb_mat([[arb(i == j) for j in range(n)] for i in range(n)])
    for _ in range(LONGEST):
        Y, Z, before = _mid((Y + Z.inv()) / 2), _mid((Z + Y.inv()) / 2), Y
        if all(abs(entry) < arb(2) ** (-2 * ctx.prec // 3) for entry in (Y - before).entries()):
            break  # quadratic convergence: the error is now that of rounding
    return Y * scale.sqrt()


def block_table(found: Roots, contrasts: list[Any], quotient: Any) -> Blocks:
    """Entries of a symmetric matrix from its contrast values and its quotient block."""
    m, G = found.multiplicities, range(len(found.multiplicities))
    own = [(contrasts[g] * (m[g] - 1) + quotient[g, g]) / m[g] for g in G]
    table = [[quotient[h, g] / (arb(m[h]) * m[g]).sqrt() for g in G] for h in G]
    for g in G:
        table[g][g] -= contrasts[g] / m[g]
    return Blocks(own, table)


def singular_values(problem: Problem, gram: Blocks) -> Array | None:
    """Singular values of Z D^(1/2), descending: the eigenvalues of W W^T; None where balls do not separate them.

    Own minus sibling entry of a cluster of m classes occurs m - 1 times, the vector 1 contributes 0, and the rest are
    the eigenvalues of the quotient on the complement of the constant vector.

    Examples
    --------
    >>> gram = Blocks([arb(2), arb(1)], [[arb(-1), arb(0)], [arb(0), arb(0)]])
    >>> [float(x) for x in singular_values(Problem.svm([(4, 2), 1]), gram)][::2]
    [3.0, 0.0]
    """
    m, G = [c.classes for c in problem.clusters], range(len(problem.clusters))
    found = [gram.own[g] - gram.others[g][g] for g in G for _ in range(m[g] - 1)] + [arb(0)]
    if len(m) > 1:
        table = [[gram.others[h][g] * (arb(m[h]) * m[g]).sqrt() for g in G] for h in G]
        for g in G:
            table[g][g] = gram.own[g] + (m[g] - 1) * gram.others[g][g] if m[g] > 1 else gram.own[g]
        Q = _complement([(arb(k) / problem.K).sqrt() for k in m])
        try:
            found += [value.real for value in (Q.transpose() * arb_mat(table) * Q).eig()]
        except ValueError:
            return None
    return np.array(sorted(found, key=lambda x: -x.mid()), dtype=object)


def near_optimal(problem: Problem, route: str, W: Array, H: Array, B: Array, work: dict[str, Any]) -> Optimum:
    """What a feasible point and a dual guess prove together, in floating point.

    The steps are those of ``verify/kernel/svm.py`` on the full K x K matrices.

    Parameters
    ----------
    problem : the problem.
    route : its name.
    W, H : (K, d) and (d, K), one feature per class; or (d, N), one per sample. The margins are positive.
    B : (K, K) dual guess; -B[c, k] is the multiplier of the margin of class k over class c.
    work : solver statistics.
    """
    K, n = problem.K, np.array([float(size) for size in problem.sizes])
    off = ~np.eye(K, dtype=bool)
    beta = np.where(off, np.maximum(-B, 0), 0.0)
    beta /= max(1.0, float(np.linalg.norm((np.diag(beta.sum(axis=0)) - beta) * np.sqrt(n), 2)) * (1 + TINY))
    W, H = _stretched(problem, W - W.mean(axis=0), H)
    lower, upper = float((beta * n).sum()) * (1 - TINY), problem.objective(W, H) * (1 + TINY)
    found = Optimum(problem, route, lower=arb(lower), upper=arb(upper), point=Point(W, H, np.zeros(K)), work=work)
    gap, flows = max(upper - lower, 0.0), np.where(off, beta * n, np.inf)
    if not flows.min() > 0:
        return replace(found, reason="a multiplier vanishes, so the gap bounds no margin: bounds on the value only")
    facts = _facts(problem, W, class_means(problem, H), gap * float((np.sqrt(n) / flows.min(axis=0)).max()))
    if facts is None:
        return replace(found, reason="the gap is too wide for facts")
    excess = np.where(off, gap / flows, 0.0)
    own = excess.sum(axis=0) / K
    return replace(
        found,
        logits=_around(np.eye(K) - 1 / K + (own - excess) / 2, (own + excess) / 2 + TINY),
        bias=np.array([arb(0)] * K, dtype=object),
        rank=(K - 1, K - 1),
        merged=(),
        zero=(),
        spread=arb(0).union(arb(math.sqrt(2 * gap))),
        facts={"multipliers": facts.pop("multipliers")},
        **facts,
    )


def _labels(problem: Problem, H: Array) -> Array:
    """Class of every column of H."""
    classes = np.arange(problem.K)
    return classes if H.shape[1] == problem.K else np.repeat(classes, [int(size) for size in problem.sizes])


def _stretched(problem: Problem, W: Array, H: Array) -> tuple[Array, Array]:
    """The point scaled to a least margin of 1, both factors alike."""
    labels, Z = _labels(problem, H), W @ H
    samples = np.arange(len(labels))
    margins = Z[labels, samples] - Z
    margins[labels, samples] = np.inf
    if not margins.min() > 0:
        raise ValueError("a margin is not positive")
    scale = math.sqrt(margins.min())
    return W / scale, H / scale


def class_means(problem: Problem, H: Array) -> Array:
    """Mean feature (d, K) of every class.

    Examples
    --------
    >>> class_means(Problem.svm([2, 1]), np.array([[1.0, 3.0, 5.0]])).tolist()
    [[2.0, 5.0]]
    """
    labels = _labels(problem, H)
    return np.stack([H[:, labels == k].mean(axis=1) for k in range(problem.K)], axis=1)


def _facts(problem: Problem, W: Array, H: Array, E: float) -> dict[str, Any] | None:
    """Gram matrices and multipliers of every minimiser; Z D^(1/2) of the point and of a minimiser differ by 2 E.

    Each is within E of the logits with all margins 1.
    """
    K, n = problem.K, np.array([float(size) for size in problem.sizes])
    Z, S, J = W @ H, W @ W.T, np.full((problem.K, problem.K), 1 / problem.K)
    X, size = Z * np.sqrt(n), float(S.trace())
    c = float(np.linalg.eigvalsh(S + J * size)[0])
    if not c > 0:
        return None
    rho = float(np.linalg.norm(S @ S - X @ X.T) + 2 * E * (2 * np.linalg.norm(X, 2) + 2 * E)) / c + TINY * size
    kept, shift, largest = c - rho, 2 * E / math.sqrt(n.min()), float(np.linalg.norm(Z, 2))
    if not kept > 0:
        return None
    inverse = np.linalg.inv(S + J) - J
    away = rho / (c * kept)
    features, multipliers = Z.T @ inverse @ Z, -inverse @ Z
    error = away * largest**2 + (2 * largest * shift + shift**2) / kept
    return {
        "gram_classifier": _around(S, np.full((K, K), rho)),
        "gram_features": _around(features, np.full((K, K), error + TINY * abs(features).max())),
        "singular_values": _around(np.linalg.svd(X, compute_uv=False), np.full(K, 2 * E + TINY * size)),
        "multipliers": _around(multipliers, np.full((K, K), away * largest + shift / kept + TINY * abs(inverse).max())),
    }


def _around(values: Array, radii: Array) -> Array:
    """Balls with these midpoints and radii."""
    pairs = zip(values.ravel(), radii.ravel(), strict=True)
    return np.array([arb(float(x), float(r)) for x, r in pairs], dtype=object).reshape(values.shape)


def orthogonality_ratio(problem: Problem) -> Fraction | None:
    """Ratio of the two sizes at which two minority classifiers are orthogonal (TH22-14); None where there are no two.

    Examples
    --------
    >>> orthogonality_ratio(Problem.svm([(7, 2), (1, 2)]))
    Fraction(7, 1)
    """
    if len(problem.clusters) != 2 or problem.clusters[1].classes < 2:
        return None
    rho = Fraction(problem.clusters[1].classes, problem.K)
    return 1 + (2 - rho) / (1 - rho) ** 2


def orthogonal(problem: Problem) -> bool:
    """Whether two minority classifiers are exactly orthogonal.

    W W^T has the eigenvalue sqrt(n_B) on their difference and the root of ``between``, the eigenvalue of P D P on the
    direction between the groups, on that direction: <w_B, w_B'> = (sqrt(between) kA/K - sqrt(n_B))/kB.

    Examples
    --------
    >>> [orthogonal(Problem.svm([(size, 2), (1, 2)])) for size in (6, 7)]
    [False, True]
    """
    if len(problem.clusters) != 2 or problem.clusters[1].classes < 2:
        return False
    A, B = problem.clusters
    between = (A.classes * B.size + B.classes * A.size) / problem.K
    return between * A.classes**2 == B.size * problem.K**2
