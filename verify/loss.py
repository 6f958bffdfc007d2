"""A loss with its knobs in floats, and certificates of approximate optima for the part of the kernel that checks them.

Nothing here is trusted: :mod:`verify.kernel.fenchel_young` accepts or rejects what :func:`certificate` writes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory import losses
from theory.objectives import adjusted
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.dual import svd
from verify.kernel import Outcome
from verify.kernel.fenchel_young import LOSSES
from verify.witness import dyadics, exponent, floor, offer, prove

__all__ = ["Floats", "averaged", "certificate", "covered"]

Array = NDArray[Any]
Table = list[list[Any]]


@dataclass(frozen=True)
class Floats:
    """Per-class numbers of a problem in floats, one column per class.

    ``masses`` n_k w_k / N, ``columns`` g_k (1 under budgets), ``rows`` s_j, ``lam`` sqrt(lambda_w lambda_h).
    """

    problem: Problem

    @cached_property
    def loss(self) -> losses.Loss:
        """The loss."""
        return losses.find(self.problem.loss)

    @cached_property
    def masses(self) -> Array:
        """Coefficients of the losses."""
        p = self.problem
        return np.array([float(n * w / p.N) for n, w in zip(p.sizes, p.weights, strict=True)])

    @cached_property
    def columns(self) -> Array:
        """Coefficients g_k of the features in the penalty."""
        p = self.problem
        if p.model == "layer-peeled":
            return np.ones(p.K)
        return np.array([float(n * r) for n, r in zip(p.sizes, p.feature_decays, strict=True)])

    @cached_property
    def rows(self) -> Array:
        """Row decays."""
        return np.array([float(s) for s in self.problem.row_decays])

    @cached_property
    def lam(self) -> float:
        """Root of the product of the weight decays."""
        return math.sqrt(float(self.problem.lambda_w)) * math.sqrt(float(self.problem.lambda_h))

    @cached_property
    def targets(self) -> Array:
        """Column k is y_k."""
        return np.array([[float(y) for y in target] for target in self.problem.target_columns]).T

    @cached_property
    def knobs(self) -> tuple[Array, Array]:
        """Shift of the adjusted logits (column k for class k), and their slope per row."""
        K = self.problem.K
        return adjusted(self.problem, np.zeros((K, K)), np.arange(K))

    def values(self, Z: Array, labels: Array | None = None) -> tuple[Array, Array]:
        """Losses of columns of logits of these classes (default: one per class), and their gradient in the logits."""
        labels = np.arange(self.problem.K) if labels is None else labels
        shift, slope = self.knobs
        U, Y = slope[:, None] * Z + shift[:, labels], self.targets[:, labels]
        return self.loss.value(U, Y), slope[:, None] * self.loss.gradient(U, Y)

    def predictions(self, Z: Array) -> Array:
        """Y + gradient in the adjusted logits: grad Om for a Fenchel-Young loss."""
        shift, slope = self.knobs
        return self.targets + self.loss.gradient(slope[:, None] * Z + shift, self.targets)

    def dual(self, Z: Array) -> Array:
        """Minus the gradient of the losses in X = S^(1/2) Z G^(1/2)."""
        gradient = self.values(Z)[1]
        return np.asarray(-gradient * self.masses / np.sqrt(np.outer(self.rows, self.columns)))

    def scaled(self, Z: Array) -> Array:
        """X = S^(1/2) Z G^(1/2)."""
        return np.asarray(Z * np.sqrt(np.outer(self.rows, self.columns)))


def covered(problem: Problem) -> bool:
    """Whether the kernel has the conjugate of the loss, and the bias mode."""
    return problem.loss.partition(":")[0] in LOSSES and problem.bias != "free" and problem.K <= 128


def averaged(problem: Problem, Z: Array) -> Array:
    """Mean of a matrix over permutations of classes inside clusters.

    Examples
    --------
    >>> averaged(Problem.ce([2, 2], 1), np.array([[1.0, 2.0], [4.0, 3.0]])).tolist()
    [[2.0, 3.0], [3.0, 2.0]]
    """
    found = np.empty_like(Z)
    for a in problem.clusters:
        for b in problem.clusters:
            block = Z[np.ix_(a.members, b.members)]
            mean = np.full(block.shape, block.mean())
            if a is b and (k := len(block)) > 1:
                own = np.trace(block) / k
                mean = np.full(block.shape, (block.sum() - own * k) / (k * (k - 1)))
                np.fill_diagonal(mean, own)
            found[np.ix_(a.members, b.members)] = mean
    return found


# --- writing -----------------------------------------------------------------------------------------------------


def certificate(
    problem: Problem, W: Any, H: Any, q: Any, digits: int, bias: Any = None, nu: Any = None
) -> tuple[dict[str, Any], Outcome]:
    """Certificate from a point and predictions, and what the kernel proves from it.

    Parameters
    ----------
    problem : see :func:`covered`; at most 128 classes.
    W, H : (K, r) and (r, K) tables of floats or balls, one column of H per class.
    q : (K, K) predictions, column by column.
    digits : relative distance by which the dual point is first moved inside, 10^-digits; less where that fails.
    bias : (K,) or None.
    nu : norm of the dual matrix under budgets; default from floats.

    Raises
    ------
    ValueError
        If the kernel accepts nothing.
    """
    with precision(5 * digits + 128):
        return _certificate(problem, W, H, q, digits, bias, nu)


def _certificate(
    problem: Problem, W: Any, H: Any, q: Any, digits: int, bias: Any, nu: Any
) -> tuple[dict[str, Any], Outcome]:
    bits = int(digits * 3.33) + 40
    rows, columns = _point(problem, W, H, bits)
    y = [[ball(problem.target_columns[k][j]) for k in range(problem.K)] for j in range(problem.K)]
    reason = ""
    norm = _norm(problem, np.array([[float(a) for a in row] for row in q]))
    budgeted = problem.model == "layer-peeled"
    # a polished point needs no shrinking, and the norm in floats is only that accurate
    excess = 1.0 if budgeted or norm < 1 + (1e-10 if digits > 20 else 1e-14) else norm
    for power in range(digits, 3, -2):
        inside = 1 - arb(10) ** -power
        theta = arb(1) if budgeted else inside / excess
        dual = [[t + theta * (_number(a) - t) for a, t in zip(*pair, strict=True)] for pair in zip(q, y, strict=True)]
        witness = {"dual": _distributions(problem, dual, bits + 20), "W": rows, "H": columns}
        witness["bias"] = dyadics([[_number(b) for b in bias]] if bias is not None else [[arb(0)] * problem.K], bits)
        if budgeted:
            witness["nu"] = dyadics([[(_number(norm) if nu is None else nu) / inside]], bits + 60)
        try:
            return prove(offer(problem, witness))
        except ValueError as why:
            reason = str(why)
    raise ValueError(f"no certificate found: {reason}")


def _number(value: Any) -> Any:
    return value.mid() if isinstance(value, arb) else arb(float(value))


def _point(problem: Problem, W: Any, H: Any, bits: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """W and H as integers, H one row per class; inside the budgets where there are any."""
    tables = [[[_number(a) for a in row] for row in table] for table in (W, np.asarray(H).T)]
    found = []
    for table, budget in zip(tables, (problem.e_w, problem.e_h), strict=True):
        top = max((abs(a) for row in table for a in row), default=arb(1))
        P = bits + max(0, -exponent(top))
        if problem.model == "layer-peeled":
            square = sum((a * a for row in table for a in row), arb(0))
            limit = ball(problem.K * budget) * (1 - arb(2) ** -(bits - 20))
            if square > limit:
                table = [[a * (limit / square).sqrt() for a in row] for row in table]
        found.append(dyadics(table, P))
    return found[0], found[1]


def _distributions(problem: Problem, dual: Table, P: int) -> dict[str, Any]:
    """Predictions as integers, in the domain of the conjugate."""
    potential = LOSSES[problem.loss.partition(":")[0]]
    rows = [[floor(a, P) for a in row] for row in dual]
    if potential == "softplus":
        rows = [[min(max(a, 0), 1 << P) for a in row] for row in rows]
    elif potential != "squared":
        rows = [[max(a, 0) for a in row] for row in rows]
        for k in range(problem.K):
            largest = max(range(problem.K), key=lambda j: rows[j][k])  # the own class may have none
            rows[largest][k] = (1 << P) - sum(rows[j][k] for j in range(problem.K) if j != largest)
    return {"p": P, "rows": rows}


def _norm(problem: Problem, q: Array) -> float:
    """Norm of the dual matrix over lam (of its columns under H >= 0); the norm itself under budgets."""
    floats = Floats(problem)
    slope = floats.knobs[1]
    M = slope[:, None] * (floats.targets - q) * floats.masses / np.sqrt(np.outer(floats.rows, floats.columns))
    if problem.model == "ce-relu":
        return float(np.sqrt((M**2).sum(axis=0).max())) / floats.lam
    top = float(svd(M)[1][0])
    return max(top, 1e-15) if problem.model == "layer-peeled" else top / floats.lam
