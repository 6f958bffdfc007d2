"""Model ``ce-relu`` in balls: a certificate from the closed form, proved by the kernel, and what follows from it.

The closed form is only a guess at a good dual and a good primal point; the kernel's bounds and every fact read off
them rest on no claim.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Any

from flint import arb

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball
from verify.kernel import Outcome
from verify.relu import ClassScalars, class_scalars, exact_states, fano, near_optimal
from verify.routes.enclosure import MAX_LOGITS, expand
from verify.witness import dyadics, exponent, offer, prove

__all__ = ["certify", "solve"]


def certify(problem: Problem, digits: int = 40) -> tuple[dict[str, Any], Outcome]:
    """Certificate of a problem and what the kernel proves from it.

    Parameters
    ----------
    problem : model ``ce-relu`` without bias; any class weights and dimension.
    digits : digits of the primal point; the gap is about its square.

    Raises
    ------
    ValueError
        If the kernel does not accept it (a bias).

    Examples
    --------
    >>> certificate, outcome = certify(Problem.ce([9, 5, 3, 1], "0.06", "0.05", dim=3, model="ce-relu"))
    >>> outcome.contrasts, outcome.rank, bool(outcome.upper - outcome.lower < arb(10) ** -70)
    (['alive', 'alive', 'alive', 'dead'], (3, 3), True)
    """
    bits = int((digits + 4) * 3.33) + 8
    return prove(_write(problem, bits))


def _write(problem: Problem, bits: int) -> dict[str, Any]:
    """Certificate without bounds and facts."""
    K = problem.K
    squares = [
        min(Fraction(K - 1, K) ** 2, problem.x2 * (K - 1) / (K * c.weight**2 * c.size)) for c in problem.clusters
    ]
    shares = [
        square * (c.weight * c.size / problem.N) ** 2 for c, square in zip(problem.clusters, squares, strict=True)
    ]
    bits += _halvings(min(shares)) // 4  # the gap is to be small beside the share of the rarest error
    P = 2 * bits + _halvings(min(squares)) // 2
    errors = [isqrt((square.numerator << 2 * P) // square.denominator) for square in squares]
    with precision(2 * bits + 64):
        scalars = class_scalars(problem)
        kept = _kept(problem, scalars)
        lengths, norms = [], []
        for c, s in zip(problem.clusters, scalars, strict=True):
            ratio = ball((K - 1) * problem.lambda_w / (K * problem.lambda_h * c.size)).sqrt()
            lengths.append((ratio * s.margin.mid()).sqrt())
            norms.append((s.margin.mid() / ratio).sqrt())
        rows = [[norm * (K - 1) / K for norm in norms], [-norm / K for norm in norms]]
        least = min((exponent(x) for x in (*rows[0], *rows[1], *lengths) if x != 0), default=0)
        P_point = max(0, bits - least)
    return offer(
        problem,
        {
            "errors": {"p": P, "rows": [errors]},
            "kept": {"p": 0, "rows": [kept]},
            "W": dyadics(rows, P_point),
            "H": dyadics([lengths], P_point),
        },
    )


def _halvings(value: Fraction) -> int:
    """About -log2 of a positive number, at least 0."""
    return max(0, value.denominator.bit_length() - value.numerator.bit_length())


def _kept(problem: Problem, scalars: list[ClassScalars]) -> list[int]:
    """How many classes of each cluster get a coordinate: the alive ones, where they gain most if not all fit."""
    gains = [float(s.omega * (arb(problem.K).log() - fano(s.error, problem.K))) for s in scalars]
    kept, room = [0] * len(scalars), problem.dim
    for g in sorted(range(len(scalars)), key=lambda g: -gains[g]):
        if scalars[g].alive:
            kept[g] = min(room, problem.clusters[g].classes)
            room -= kept[g]
    return kept


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """Rigorous bounds, logits and Gram matrices of every global minimiser (route ``enclosure``).

    Parameters
    ----------
    problem : model ``ce-relu``; any class weights and dimension.
    seed, avoid : not used; the proof relies on no claim.
    digits : digits of the certificate.

    Returns
    -------
    Optimum
        Below as many dimensions as alive classes the bounds may be loose and no facts are given.

    Examples
    --------
    >>> optimum = solve(Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu"))
    >>> optimum.upper.str(12, radius=False), optimum.gram_features[0, 0].str(12, radius=False)
    ('0.424770080780', '0.818959041422')
    """
    states = exact_states(problem)
    try:
        certificate, outcome = certify(problem, digits)
    except ValueError as why:
        return Optimum(problem, "enclosure", contrasts=(None,) * len(states), reason=str(why))
    found: dict[str, Any] = {}
    if outcome.logits is not None and problem.K <= MAX_LOGITS:
        with precision(outcome.precision):
            data = certificate["witness"]["errors"]
            found = _arrays(problem, outcome, [arb((e, -data["p"])) for e in data["rows"][0]])
    wide = outcome.rank is not None
    return Optimum(
        problem,
        "enclosure",
        lower=outcome.lower,
        upper=outcome.upper,
        contrasts=tuple(outcome.contrasts or [None] * len(states)),  # type: ignore[arg-type]
        rank=outcome.rank or (0, min(problem.dim, problem.K - 1)),
        exact_contrasts=states if wide else (),
        exact_zero="alive" not in states,
        reason=outcome.reason,
        work={"certificate": certificate, "precision": outcome.precision},
        **found,
    )


def _arrays(problem: Problem, outcome: Outcome, errors: list[Any]) -> dict[str, Any]:
    """Logits, Gram matrices and spread of every minimiser; exact zeros where a class is dead."""
    if outcome.logits is None or outcome.contrasts is None:
        raise ValueError("no facts were proved")
    logits = outcome.logits
    margins = [own - other for own, other in zip(logits.own, logits.others[0], strict=True)]
    Z, bias = expand(problem, logits, [arb(0)] * len(margins))
    found = near_optimal(problem, errors, margins, (outcome.upper - outcome.lower).upper())
    dead = [
        k for c, state in zip(problem.clusters, outcome.contrasts, strict=True) if state == "dead" for k in c.members
    ]
    for k in dead:
        found["gram_features"][k, :] = found["gram_features"][:, k] = arb(0)
    return found | {"logits": Z, "bias": bias}
