"""Optimum of a problem with a Fenchel-Young loss in high precision: Newton on the factors, radii dropped.

X = S^(1/2) Z G^(1/2) = A B^T with the rank that floats show. Nothing here is trusted: the kernel checks the point.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from theory.problem import Problem
from verify.bracket import ball
from verify.dual import svd
from verify.kernel.fenchel_young import LOSSES
from verify.loss import Floats
from verify.loss_rules import slopes

__all__ = ["CUTS", "NotConverged", "Polished", "polish"]

Array = NDArray[Any]
MAX_UNKNOWNS = 260
MAX_STEPS = 14
CUTS = (1e-9, 1e-6, 1e-4)
"""Singular values below this share of the largest count as zero; at a tie floats leave some above the first."""


class NotConverged(Exception):
    """Newton gave up; floats may still do."""


@dataclass(frozen=True)
class Polished:
    """W (K, r) and H (r, K) in the original scaling, predictions (K, K), bias (K,), norm of the dual matrix."""

    W: list[list[Any]]
    H: list[list[Any]]
    q: list[list[Any]]
    bias: list[Any]
    nu: Any


class _System:
    """The stationarity conditions at the current precision."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.K = problem, problem.K
        self.potential = LOSSES[problem.loss.partition(":")[0]]
        self.peeled = problem.model == "layer-peeled"
        self.lam = ball(problem.lam2).sqrt()
        self.delta = slopes(problem)
        self.rows = [ball(s).sqrt() for s in problem.row_decays]
        g = [n * r for n, r in zip(problem.sizes, problem.feature_decays, strict=True)]
        self.columns = [arb(1) if self.peeled else ball(x).sqrt() for x in g]
        self.m = [ball(n * w / problem.N) for n, w in zip(problem.sizes, problem.weights, strict=True)]
        self.y = [[ball(y) for y in target] for target in problem.target_columns]
        self.iota = _shifts(problem)
        self.budget = ball(problem.budget2).sqrt()
        self.penalty = None if isinstance(problem.bias, str) else ball(problem.bias)

    def gradient(self, u: list[Any]) -> tuple[list[Any], Any]:
        """Prediction and Hessian of Om at adjusted logits."""
        K, one = self.K, arb(1)
        if self.potential == "squared":
            return u, arb_mat([[arb(i == j) for j in range(K)] for i in range(K)])
        if self.potential == "softplus":
            p = [one / (one + (-x).exp()) for x in u]
            return p, arb_mat([[p[i] * (1 - p[i]) if i == j else arb(0) for j in range(K)] for i in range(K)])
        if self.potential == "logsumexp":
            top = max(x.mid() for x in u)
            e = [(x - top).exp() for x in u]
            total = sum(e, arb(0))
            p = [x / total for x in e]
            weights = p
        else:
            ranked = sorted((x.mid() for x in u), reverse=True)
            level = arb(0)
            for i in range(1, K + 1):
                trial = (sum(ranked[:i], arb(0)) - 1) / i
                level = trial if ranked[i - 1] > trial else level
            p = [x - level if x > level else arb(0) for x in u]
            support = sum(1 for x in u if x > level)
            weights = [(one / arb(support)).mid() if x > level else arb(0) for x in u]
            scale = arb(support)
            return p, arb_mat(
                [[scale * (weights[i] * (i == j) - weights[i] * weights[j]) for j in range(K)] for i in range(K)]
            )
        return p, arb_mat([[weights[i] * (i == j) - weights[i] * weights[j] for j in range(K)] for i in range(K)])

    def predictions(self, A: Any, B: Any, b: list[Any]) -> list[tuple[list[Any], Any]]:
        """Prediction and Hessian of every class."""
        X = (A * B.transpose()).mid()
        found = []
        for k in range(self.K):
            z = [X[j, k] / (self.rows[j] * self.columns[k]) + b[j] for j in range(self.K)]
            u = [(d * x + self.iota[j][k]).mid() for j, (d, x) in enumerate(zip(self.delta, z, strict=True))]
            found.append(self.gradient(u))
        return found

    def newton(self, A: Any, B: Any, b: list[Any], lam: Any) -> tuple[Any, Any]:
        """Gradient and gauge-fixed Hessian in (A, B, b if penalised, lam if budgeted)."""
        K, r = self.K, A.ncols()
        biased = self.penalty is not None
        n = 2 * K * r + K * biased
        gradient, hessian = arb_mat(n, 1), arb_mat(n, n)
        extra = [[arb(0)] * n for _ in range(n)]
        for k, (p, curvature) in enumerate(self.predictions(A, B, b)):
            jacobian = [[arb(0)] * n for _ in range(K)]
            for j in range(K):
                scale = self.delta[j] / (self.rows[j] * self.columns[k])
                slope = self.m[k] * scale * (p[j] - self.y[k][j])
                for i in range(r):
                    jacobian[j][j * r + i] = scale * B[k, i]
                    jacobian[j][K * r + k * r + i] = scale * A[j, i]
                    extra[j * r + i][K * r + k * r + i] = extra[K * r + k * r + i][j * r + i] = slope
                if biased:
                    jacobian[j][2 * K * r + j] = self.delta[j]
            J = arb_mat(jacobian)
            residual = arb_mat([[p[j] - self.y[k][j]] for j in range(K)])
            gradient += J.transpose() * residual * self.m[k]
            hessian += J.transpose() * curvature * J * self.m[k]
        stacked = [*A.entries(), *B.entries()]
        for t, a in enumerate(stacked):
            gradient[t, 0] += lam * a
            extra[t][t] += lam
        for h in range(2 * K * r, n):
            gradient[h, 0] += self.penalty * b[h - 2 * K * r]
            extra[h][h] += self.penalty
        self._gauge(stacked, r, lam, extra)
        return gradient.mid(), (hessian + arb_mat(extra)).mid() if n else hessian

    def _gauge(self, stacked: list[Any], r: int, lam: Any, extra: list[list[Any]]) -> None:
        """Make rotations of the factors regular directions."""
        for i in range(r):
            for j in range(i):
                entries = {}
                for k in range(2 * self.K):
                    entries[k * r + i], entries[k * r + j] = stacked[k * r + j], -stacked[k * r + i]
                size = sum((v * v for v in entries.values()), arb(0))
                if not size > 0:
                    continue
                for s, v in entries.items():
                    for t, w in entries.items():
                        extra[s][t] += lam / size * v * w


def _shifts(problem: Problem) -> list[list[Any]]:
    """Row j, column k: entry j of iota_k."""
    K = problem.K
    name, _, text = problem.loss.partition(":")
    tau = problem.adjustment
    common = [ball(tau) * ball(n / problem.N).log() if tau else arb(0) for n in problem.sizes]
    own = [arb(0)] * K
    if name in ("margin", "ldam"):
        scale = ball(Fraction(text))
        own = [-scale / (ball(n).root(4) if name == "ldam" else 1) for n in problem.sizes]
    return [[common[j] + (own[k] if j == k else arb(0)) for k in range(K)] for j in range(K)]


def polish(problem: Problem, Z: Array, bias: Array, digits: int, cut: float) -> Polished:
    """Newton from logits in floats to about ``digits`` digits, at the current precision; ``cut`` is one of CUTS.

    Raises
    ------
    NotConverged
        If there are too many unknowns, or the steps do not shrink.
    """
    system = _System(problem)
    if system.potential == "max" or problem.model == "ce-relu":
        raise NotConverged("no smooth system")
    floats = Floats(problem)
    U, S, Vt = svd(floats.scaled(Z))
    keep = int(np.count_nonzero(max(float(S[0]), floats.lam) * cut < S))
    if 2 * problem.K * keep > MAX_UNKNOWNS:
        raise NotConverged("too many unknowns")
    root = np.sqrt(S[:keep])
    A, B = (_matrix(table) for table in (U[:, :keep] * root, Vt[:keep].T * root))
    lam = system.lam
    if system.peeled:
        lam = arb(float(svd(floats.dual(Z))[1][0]))
        if not lam > arb(1e-8):
            raise NotConverged("the budget is not used in full")
    b = [arb(float(x)) for x in bias]
    small = arb(10) ** (-(digits * 6 // 10) - 2)
    last = arb("inf")
    for _ in range(MAX_STEPS if keep else 0):
        step = _step(system, A, B, b, lam)
        length = max(abs(x) for x in step)
        size = max((abs(a) for a in (*A.entries(), *B.entries())), default=arb(0))
        if length > 1 + size or length > 10 * last:
            raise NotConverged("Newton does not converge")
        last = length
        A, B, b, lam = _moved(system, A, B, b, lam, step)
        if length < small:
            break
    else:
        if keep:
            raise NotConverged("Newton does not converge")
    return _finished(system, A, B, b, lam)


def _step(system: _System, A: Any, B: Any, b: list[Any], lam: Any) -> list[Any]:
    gradient, hessian = system.newton(A, B, b, lam)
    n = gradient.nrows()
    try:
        if not system.peeled:
            found = hessian.solve(gradient, algorithm="approx")
            return [found[t, 0].mid() for t in range(n)]
        stacked = [*A.entries(), *B.entries()]
        rows = [[hessian[i, j] for j in range(n)] + [stacked[i]] for i in range(n)] + [[*stacked, arb(0)]]
        excess = sum((a * a for a in stacked), arb(0)) / 2 - system.budget
        right = arb_mat([[gradient[i, 0]] for i in range(n)] + [[excess]])
        found = arb_mat(rows).solve(right, algorithm="approx")
        return [found[t, 0].mid() for t in range(n + 1)]
    except ZeroDivisionError:
        raise NotConverged("a singular system") from None


def _moved(system: _System, A: Any, B: Any, b: list[Any], lam: Any, step: list[Any]) -> tuple[Any, Any, list[Any], Any]:
    K, r = system.K, A.ncols()
    shift = [arb_mat([[step[o + k * r + i] for i in range(r)] for k in range(K)]) for o in (0, K * r)]
    if system.penalty is not None:
        b = [(x - step[2 * K * r + j]).mid() for j, x in enumerate(b)]
    return (A - shift[0]).mid(), (B - shift[1]).mid(), b, (lam - step[-1]).mid() if system.peeled else lam


def _matrix(table: Array) -> Any:
    if table.shape[1] == 0:
        return arb_mat(table.shape[0], 0)
    return arb_mat([[arb(float(x)) for x in row] for row in table])


def _finished(system: _System, A: Any, B: Any, b: list[Any], lam: Any) -> Polished:
    problem, K, r = system.problem, system.K, A.ncols()
    if system.peeled:
        tilt = ball(problem.e_w / problem.e_h).root(4)
    else:
        tilt = ball(problem.lambda_h / problem.lambda_w).root(4)
    W = [[(A[j, i] * tilt / system.rows[j]).mid() for i in range(r)] or [arb(0)] for j in range(K)]
    H = [[(B[k, i] / tilt / system.columns[k]).mid() for k in range(K)] for i in range(r)] or [[arb(0)] * K]
    found = [p for p, _ in system.predictions(A, B, b)]
    q = [[found[k][j].mid() for k in range(K)] for j in range(K)]
    return Polished(W, H, q, b, lam)
