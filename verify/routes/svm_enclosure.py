"""Model ``uf-svm`` in balls: a certificate from the closed form, proved by the kernel, and what follows from it.

The closed form is only a guess at a good dual and a good primal point; the kernel's bounds and every fact read off them
rest on no claim. Facts: see :mod:`verify.routes.svm_exact`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.kernel import Outcome
from verify.kernel.tables import Blocks
from verify.routes import svm_nonconvex
from verify.routes.enclosure import MAX_LOGITS, expand
from verify.routes.sphere_nonconvex import best_point
from verify.sphere import n_gon
from verify.svm import block_table, class_means, orthogonal, roots, singular_values
from verify.witness import dyadics, offer, prove

__all__ = ["certify", "solve"]

LARGEST_CODE, WARMTH = 64, 20
"""Most classes for which a code of unit vectors is sought where d < K - 1, and the temperature of that."""
ENOUGH = 1 + 2.0**-40
"""Stretch that makes up for the rounding of a floating-point point."""
Table = list[list[Any]]
Array = NDArray[Any]
MAX_VALUES = 10_000
"""Most classes for a list of singular values."""
GUARD = 16
"""Bits of the written integers beyond those of the shortening."""


def certify(problem: Problem, digits: int = 40) -> tuple[dict[str, Any], Outcome]:
    """Certificate of a problem and what the kernel proves from it.

    Parameters
    ----------
    problem : model ``uf-svm`` with at most 256 different sizes (with 1 < d < K - 1: at most 256 classes).
    digits : the dual point is pulled into its feasible set, and the primal point stretched, by about 10^-digits.

    Raises
    ------
    ValueError
        If the kernel does not accept it.

    Examples
    --------
    >>> certificate, outcome = certify(Problem.svm([(5, 500), (2, 500)]))
    >>> outcome.rank, bool(outcome.upper - outcome.lower < arb(10) ** -35)
    ((999, 999), True)
    """
    return prove(_write(problem, int((digits + 2) * 3.33) + 8))


def _write(problem: Problem, bits: int) -> dict[str, Any]:
    """Certificate without bounds and facts."""
    sizes = [c.size for c in problem.clusters]
    spread = (max(sizes) / min(sizes) * problem.K**2).__ceil__().bit_length()
    P = bits + spread + GUARD + min(sizes).denominator.bit_length()
    with precision(2 * P + 64):
        arrays = _points(problem, bits)
        narrow = problem.dim < problem.K - 1
        witness = {name: dyadics(table, P) for name, table in (_narrow(problem, arrays) if narrow else arrays).items()}
    return offer(problem, {"full": narrow, **witness})


def _points(problem: Problem, bits: int) -> dict[str, Table]:
    """The closed form per cluster, the dual point shortened and the primal point stretched by 2^-bits."""
    found = roots(problem)
    m, G = found.multiplicities, range(len(problem.clusters))
    half = found.square.mid()
    multipliers = block_table(found, [1 / s.sqrt() for s in found.sizes], found.Q * half.inv() * found.Q.transpose())
    less, more = 1 - arb(2) ** -bits, 1 + arb(2) ** -bits
    flows = [[-s * less * multipliers.others[h][g] for g, s in enumerate(found.sizes)] for h in G]
    for g in G:
        flows[g][g] *= m[g] > 1
    rows = arb_mat([[(h == g) * more / arb(m[g]).sqrt() for h in G] for g in G]) * found.Q
    W, H = ((rows * factor).tolist() or [[] for _ in G] for factor in (found.fourth, found.fourth.inv()))
    return {"flows": flows, "gaps": [[more * (k > 1) for k in m]], "W": W, "H": H}


def _narrow(problem: Problem, arrays: dict[str, Table]) -> dict[str, Table]:
    """For d < K - 1, every class alone: the same dual point, and the best point known."""
    owner = [(g, k) for g, cluster in enumerate(problem.clusters) for k in cluster.members]
    W, H = _narrow_point(problem)
    flows = [[arrays["flows"][h][g] * (j != k) for g, k in owner] for h, j in owner]
    columns = {"W": W, "H": H.T}
    floats = {name: [[arb(float(x)) * ENOUGH for x in table[k]] for _, k in owner] for name, table in columns.items()}
    return {"flows": flows, "gaps": [[arb(0)] * problem.K], **floats}


def _narrow_point(problem: Problem) -> tuple[Array, Array]:
    """Feasible W (K, d) and H (d, K): the end of a descent, else a code of unit vectors, scaled."""
    if problem.dim == 1:
        raise ValueError("d = 1: on a line no three classes have margins of at least 1, there is no feasible point")
    found = svm_nonconvex.solve(problem)
    if found.point is not None:
        return found.point.W, class_means(problem, found.point.H)
    K, d = problem.K, problem.dim
    if K <= LARGEST_CODE:
        U = best_point(Problem.sphere(K, d, WARMTH, 1), 0, 2)[0]
    else:
        U = np.vstack([np.eye(d), -np.eye(d)])[:K] if 2 * d >= K else n_gon(K).astype(float)
    closest = float(np.max(U @ U.T - 2 * np.eye(K)))
    tilt = float(problem.N / K) ** 0.25
    root = (1 - closest) ** -0.5
    return U * root * tilt, U.T * root / tilt


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """Rigorous bounds, logits, Gram matrices and multipliers of every global minimiser (route ``enclosure``).

    Parameters
    ----------
    problem : model ``uf-svm``.
    seed, avoid : not used; the proof relies on no claim.
    digits : digits of the certificate.

    Returns
    -------
    Optimum
        For d < K - 1 bounds only, and they are apart: no dual point is known that meets the value of a feasible one.

    Examples
    --------
    >>> optimum = solve(Problem.svm([6, 3, 2, 1]))
    >>> optimum.upper.str(12, radius=False), optimum.gram_features[3, 3].str(12, radius=False)
    ('5.02660916531', '0.607604347670')
    """
    try:
        certificate, outcome = certify(problem, digits)
    except ValueError as why:
        return Optimum(problem, "enclosure", reason=str(why))
    found: dict[str, Any] = {}
    reason = outcome.reason
    if problem.dim < problem.K - 1:
        reason = f"d = {problem.dim} is below K - 1 = {problem.K - 1}: bounds on the value only"
    if outcome.logits is not None and problem.K <= MAX_VALUES:
        with precision(outcome.precision):
            found = _arrays(problem, outcome) if problem.K <= MAX_LOGITS else {}
            found["singular_values"] = singular_values(problem, outcome.found["classifier"])
    return Optimum(
        problem,
        "enclosure",
        lower=outcome.lower,
        upper=outcome.upper,
        rank=outcome.rank or (0, min(problem.dim, problem.K - 1)),
        bias=np.array([arb(0)] * problem.K, dtype=object) if problem.K <= MAX_VALUES else None,
        merged=(),  # margins of at least 1 keep the columns of Z apart and the features away from 0
        zero=(),
        reason=reason,
        work={"certificate": certificate, "precision": outcome.precision},
        **found,
    )


def _arrays(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    """Everything per class, from the kernel's tables per cluster."""
    zeros = [arb(0)] * len(problem.clusters)

    def table(blocks: Blocks) -> Any:
        return expand(problem, blocks, zeros)[0]

    return {
        "logits": table(outcome.logits),
        "gram_classifier": table(outcome.found["classifier"]),
        "gram_features": table(outcome.found["features"]),
        "spread": outcome.found["spread"],
        "facts": {"multipliers": table(outcome.found["multipliers"]), "orthogonal": orthogonal(problem)},
    }
