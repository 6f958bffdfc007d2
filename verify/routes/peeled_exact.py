"""Model ``layer-peeled`` in closed form: one mass n_k w_k (FA21-01), two (FA21-09), minority of weight 0 (FA21-07).

``facts`` of every route of this model:

* ``multiplier``: ball around |(I - P) diag(m)|, m_k = w_k n_k/N, the multiplier of |Z|_* <= T; ``T``: ball.
* ``minority_zero``, where there are two masses or more: 'dead' if rows and columns of the logits vanish for the classes
  of smallest mass, 'alive' if not, None if that is not decided.
* ``ratio`` (Fraction, larger over smaller mass) and ``mu`` (multiplier over the smaller mass), for two positive masses.

``singular_values`` are those of Z, for one or two masses.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum, State
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.peeled import Group, Scalars, contrast_states, facts_of, groups, scalars_of

__all__ = ["solve"]

Array = NDArray[Any]
MAX_LOGITS = 64


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """The optimum from its closed form or scalar system, enclosed (route ``exact``).

    Parameters
    ----------
    problem : model ``layer-peeled`` with at most two values of n_k w_k.
    seed : unused; nothing here is random.
    avoid : unused; there is nothing but the closed forms, ``uses`` says which.
    digits : of the scalars.

    Returns
    -------
    Optimum
        A lower bound only when the dimension is below the rank of the logits; only ``reason`` for more masses.

    Examples
    --------
    >>> optimum = solve(Problem.peeled([(3, 3), (2, 2)], 2, "1/2"))
    >>> optimum.upper.str(12, radius=False), optimum.facts["mu"].str(12, radius=False)
    ('0.743740835402', '0.837530749915')
    """
    found = groups(problem)
    if len(found) > 2:
        return Optimum(problem, "exact", reason="closed forms are known for at most two values of n_k w_k")
    try:
        with precision(64 + 7 * digits):
            return _optimum(problem, found, *scalars_of(problem, digits))
    except ArithmeticError as why:
        return Optimum(problem, "exact", reason=str(why))


def _optimum(problem: Problem, found: tuple[Group, ...], x: Scalars, multiplier: Any, claim: str) -> Optimum:
    kA, kB = found[0].classes, problem.K - found[0].classes
    c, d = x.a * (kA - 1) / kA + x.s, (x.b * (kB - 1) / kB if kB else arb(0)) + x.t
    value = kA * ball(found[0].mass) * ((kA - 1) * (-x.a).exp() + kB * (-c).exp()).log1p()
    if kB:
        value += kB * ball(found[1].mass) * ((kB - 1) * (-x.b).exp() + kA * (-d).exp()).log1p()
    merged = [False, x.merged][: len(found)]
    rank = (kA - 1) + (kB - 1) * (kB > 0 and not x.merged) + (kB > 0 and not x.zero)
    known: dict[str, Any] = {"lower": value, "uses": frozenset({claim})}
    if problem.dim < rank:
        known["reason"] = f"d = {problem.dim} is below the rank {rank} of the logits: a lower bound only"
        return Optimum(problem, "exact", **known)
    states: list[State] = ["dead" if gone else "alive" for gone in merged]
    vanished = kB > 0 and (x.zero or not found[1].mass)
    known |= {
        "upper": value,
        "contrasts": contrast_states(problem, states),
        "rank": (rank, rank),
        "exact_zero": False,
        "spread": arb(0),
        "merged": (found[1].members,) if kB > 1 and x.merged else (),
        "zero": found[1].members if vanished else (),
        "facts": facts_of(problem, multiplier, ("dead" if x.zero else "alive") if kB else None),
    }
    return Optimum(problem, "exact", **known, **(_arrays(problem, found, x) if problem.K <= MAX_LOGITS else {}))


def _arrays(problem: Problem, found: tuple[Group, ...], x: Scalars) -> dict[str, Any]:
    """Logits, Gram matrices and singular values from the scalars."""
    K, A = problem.K, found[0].members
    B = found[1].members if len(found) > 1 else ()
    kA, kB = len(A), len(B)

    def table(a: Any, b: Any, corners: tuple[Any, Any, Any, Any]) -> Array:
        """Return a C_A + b C_B plus a matrix that is constant on the blocks AA, AB, BA, BB."""
        result = np.empty((K, K), dtype=object)
        for rows, columns, corner in zip((A, A, B, B), (A, B, A, B), corners, strict=True):
            for j in rows:
                for k in columns:
                    result[j, k] = corner
        for gap, members in ((a, A), (b, B)):
            for j in members:
                for k in members:
                    result[j, k] += gap * ball(int(j == k) - Fraction(1, len(members)))
        return result

    def share(top: int, bottom: int = 1) -> Any:
        return ball(Fraction(top, bottom * K))

    f = ball(problem.e_w / problem.e_h).sqrt()
    logits = table(x.a, x.b, (x.s * share(kB), -x.t * share(kB), -x.s * share(kA), x.t * share(kA)))
    left = (share(kB, kA), -share(1), -share(1), share(kA, kB) if kB else arb(0))
    right = (arb(0),) * 4
    if not x.zero and kB:
        scale = share(kA * kB) / x.r
        right = (scale * x.s * x.s, -scale * x.s * x.t, -scale * x.s * x.t, scale * x.t * x.t)
    singular = [x.a] * (kA - 1) + [x.b] * (kB - 1) + [x.r] * (kB > 0) + [arb(0)]
    return {
        "logits": logits,
        "bias": np.array([arb(0)] * K, dtype=object),
        "gram_classifier": table(f * x.a, f * x.b, tuple(f * x.r * u for u in left)),
        "gram_features": table(x.a / f, x.b / f, tuple(v / f for v in right)),
        "singular_values": np.array(sorted(singular, key=lambda v: -float(v.mid())), dtype=object),
    }
