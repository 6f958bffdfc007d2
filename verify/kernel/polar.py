"""Logits of every minimiser where a prediction does not tell them by itself (``sparsemax``).

Let M be the dual matrix that all minimisers share and X = S^(1/2) Z G^(1/2). At each of them <M, X> = |M||X|_*, so
X = M B/|M| with B = (X^T X)^(1/2) and M^T M B = |M|^2 B. Within the support of a prediction adjusted logits differ as
the predictions do. Both are linear equations for the symmetric matrix B: where they have one solution only, there is
one minimiser Z.
"""

from typing import Any

from flint import arb, arb_mat

MOST = 20
"""Classes at most: K(K + 1)/2 unknowns take time."""


def polar_logits(M: Any, norm: Any, left: list[Any], right: list[Any], equations: list[Any]) -> Any:
    """Z, or None where the equations leave room.

    ``left`` and ``right`` are the diagonals of S^(-1/2) and G^(-1/2); an equation (k, a, value) says <a, z_k> = value.
    """
    K = M.nrows()
    if K > MOST:
        return None
    polar = M / norm
    defect = polar.transpose() * polar
    system = [(k, [defect[i, j] - (i == j) for j in range(K)], arb(0)) for k in range(K) for i in range(K)]
    for k, a, value in equations:
        moved = [sum(x * s * polar[i, j] for i, (x, s) in enumerate(zip(a, left, strict=True))) for j in range(K)]
        system.append((k, moved, value / right[k]))
    B = symmetric_solution(K, system)
    if B is None:
        return None
    X = polar * B
    return [[left[j] * X[j, k] * right[k] for k in range(K)] for j in range(K)]


def symmetric_solution(K: int, system: list[Any]) -> Any:
    """The symmetric B with <a, B_k> = value for every (k, a, value), in balls; None if it is not the only one.

    For any matrix C, C L x = C y follows from L x = y, and has one solution only if C L is regular.
    """
    place = {pair: number for number, pair in enumerate((i, j) for i in range(K) for j in range(i, K))}
    rows = []
    for k, a, _ in system:
        row = [arb(0)] * len(place)
        for j, x in enumerate(a):
            row[place[min(j, k), max(j, k)]] = x
        rows.append(row)
    L, y = arb_mat(rows), arb_mat([[value] for _, _, value in system])
    C = L.mid().transpose()
    try:
        x = (C * L).solve(C * y)
    except ZeroDivisionError:
        return None
    return arb_mat([[x[place[min(i, j), max(i, j)], 0] for j in range(K)] for i in range(K)])
