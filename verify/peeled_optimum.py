"""Model ``layer-peeled``: what the kernel proved from a certificate, as an :class:`theory.optimum.Optimum`."""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from theory.optimum import Optimum, Point
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.dual import svd
from verify.kernel import Outcome
from verify.peeled import contrast_states, facts_of, groups

__all__ = ["MAX_LOGITS", "factors", "optimum_of"]

Array = NDArray[Any]
MAX_LOGITS = 64


def factors(problem: Problem, Z: Array) -> Point:
    """W (K, d) and H (d, K) with W H the best approximation of Z of rank d, both budgets used in full.

    Examples
    --------
    >>> problem = Problem.peeled([2, 1], 4, 1)
    >>> point = factors(problem, np.array([[1.0, -1.0], [-1.0, 1.0]]))
    >>> np.round(point.W @ point.H, 6).tolist()
    [[2.0, -2.0], [-2.0, 2.0]]
    """
    U, S, Vt = svd(Z)
    r = min(problem.dim, len(S))
    root = np.sqrt(S[:r] / max(float(S[:r].sum()), 1e-300))
    W, H = np.zeros((problem.K, problem.dim)), np.zeros((problem.dim, problem.K))
    W[:, :r] = np.sqrt(problem.K * float(problem.e_w)) * U[:, :r] * root
    H[:r] = np.sqrt(problem.K * float(problem.e_h)) * root[:, None] * Vt[:r]
    return Point(W, H, np.zeros(problem.K))


def optimum_of(
    problem: Problem, route: str, data: dict[str, Any], outcome: Outcome, work: dict[str, Any] | None = None
) -> Optimum:
    """Bounds, states, logits and Gram matrices; ``work`` is added to the certificate and its precision.

    ``spread``: class means raise no loss and leave spread^2 of the budget K E_H, that is at least
    T spread^2/(2 K E_H) of T, which is worth the multiplier times that in loss: at most the gap.
    """
    reason = outcome.reason
    if data["witness"]["full"]:
        reason = (
            f"d = {problem.dim} is below the rank of the logits: no facts, the lower bound is that of wider features"
        )
    known: dict[str, Any] = {"lower": outcome.lower, "upper": outcome.upper, "reason": reason}
    known |= {"work": {"certificate": data, "precision": outcome.precision} | (work or {})}
    if outcome.merged is None or outcome.zero is None or outcome.logits is None:
        rank = (0, min(problem.dim, problem.K - 1))
        return Optimum(problem, route, contrasts=(None,) * len(problem.clusters), rank=rank, **known)
    with precision(outcome.precision):
        nu, minority = outcome.found["multiplier"], outcome.found["minority_zero"]
        known |= {
            "contrasts": contrast_states(problem, outcome.contrasts or ()),  # type: ignore[arg-type]
            "rank": outcome.rank,
            "exact_zero": False,
            "merged": _merged(problem, outcome),
            "zero": _zero(problem, outcome),
            "facts": facts_of(problem, nu, minority),
            "spread": _spread(problem, outcome.upper - outcome.lower, nu),
        }
        if problem.K <= MAX_LOGITS:
            known |= _arrays(problem, outcome)
    return Optimum(problem, route, **known)


def _spread(problem: Problem, gap: Any, nu: Any) -> Any:
    """Interval from 0 to the largest root of sum_i |h_i - hbar|^2/n_k (``optimum_of``)."""
    worth = nu * ball(problem.budget2).sqrt()
    return arb(0).union((2 * problem.K * ball(problem.e_h) * gap / worth).sqrt())


def _zero(problem: Problem, outcome: Outcome) -> tuple[int, ...] | None:
    states = outcome.zero or []
    if None in states:
        return None
    return tuple(sorted(k for g, dead in zip(groups(problem), states, strict=True) if dead for k in g.members))


def _merged(problem: Problem, outcome: Outcome) -> tuple[tuple[int, ...], ...] | None:
    """Groups of classes that coincide; classes whose logits vanish altogether coincide across groups."""
    found, states = groups(problem), outcome.merged or []
    if any(g.classes > 1 and state is None for g, state in zip(found, states, strict=True)):
        return None
    if outcome.found["minority_zero"] == "dead":
        together = _zero(problem, outcome) or ()
        return (together,) if len(together) > 1 else ()
    return tuple(g.members for g, state in zip(found, states, strict=True) if state)


def _arrays(problem: Problem, outcome: Outcome) -> dict[str, Any]:
    """Logits, Gram matrices and singular values.

    With G = (I - P) diag(m) and nu = |G|, G maps the right singular vectors of Z to nu times the left ones. So
    (Z Z^T)^(1/2) = G Z^T/nu and (Z^T Z)^(1/2) = Z^T G/nu, which times sqrt(E_W/E_H) and its inverse are W W^T, H^T H.
    """
    found, K, nu = groups(problem), problem.K, outcome.found["multiplier"]
    owner = {k: g for g, group in enumerate(found) for k in group.members}

    def expand(blocks: Any) -> Array:
        return np.array(
            [
                [blocks.own[owner[k]] if j == k else blocks.others[owner[j]][owner[k]] for k in range(K)]
                for j in range(K)
            ],
            dtype=object,
        )

    Z = expand(outcome.logits)
    G = np.array([[-x.exp() for x in row] for row in expand(outcome.log_probabilities)], dtype=object)
    for k in range(K):
        G[k, k] = arb(0)
        G[k, k] = -sum(G[:, k], arb(0))
        G[:, k] *= ball(found[owner[k]].mass)
    left, right = arb_mat(G.tolist()) * arb_mat(Z.T.tolist()), arb_mat(Z.T.tolist()) * arb_mat(G.tolist())
    f = ball(problem.e_w / problem.e_h).sqrt()
    classifier, features = (
        np.array([[M[j, k] * scale for k in range(K)] for j in range(K)], dtype=object)
        for M, scale in ((left, f / nu), (right, 1 / (f * nu)))
    )
    for k in range(K):
        if not any(z != 0 for z in Z[:, k]):
            features[k, :] = features[:, k] = arb(0)
        if not any(z != 0 for z in Z[k, :]):
            classifier[k, :] = classifier[:, k] = arb(0)
    arrays = {
        "logits": Z,
        "bias": np.array([arb(0)] * K, dtype=object),
        "gram_classifier": classifier,
        "gram_features": features,
        "point": factors(problem, np.array([[float(z.mid()) for z in row] for row in Z])),
    }
    return arrays | ({"singular_values": _singular_values(problem, outcome)} if len(found) <= 2 else {})


def _singular_values(problem: Problem, outcome: Outcome) -> Array:
    """For at most two groups: the gaps, the norm of the quotient (of rank one) and 0."""
    found, logits = groups(problem), outcome.logits
    assert logits is not None
    values, square = [arb(0)], arb(0)
    for g, group in enumerate(found):
        gap = logits.own[g] - logits.others[g][g] if group.classes > 1 else arb(0)
        merged = outcome.merged is not None and outcome.merged[g]
        values += [arb(0) if merged else gap] * (group.classes - 1)
        for h, other in enumerate(found):
            mean = logits.others[h][g] if h != g else logits.own[g] - gap * (group.classes - 1) / group.classes
            square += group.classes * other.classes * mean * mean
    if len(found) == 2:
        values.append(square.sqrt() if square > 0 else arb(0).union(square.abs_upper().sqrt()))
    return np.array(sorted(values, key=lambda v: -float(v.mid())), dtype=object)
