"""Cross-entropy behind several layers in balls: a certificate from block codes or from descent, proved by the kernel.

For equal sizes the point offered is the best block-simplex code found, otherwise the end of a descent. The bounds meet
for two classes of equal size and where zero is proved optimal; elsewhere the truth lies between them.

``facts`` (for all routes of this model; left out where unknown):

``frame_value``, ``frame_scale``, ``frame_alive`` : smallest value of any point with Z = a (I - J/K), its a (0 where
    zero wins) and whether a positive a wins; equal sizes, no width below K - 1.
``cross_value``, ``cross_scale`` : the same for cross-polytopes (c on the diagonal, -c at the partner), K >= 4 even.
``zero_only`` : True where zero is proved the only minimiser.
``code`` : block sizes of the code whose value ``upper`` is, where it is one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from flint import arb

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.deep import Best, Curve, best_codes, best_scale, code_factors, cross_curve, frame_curve, price
from verify.kernel import Outcome
from verify.routes import deep_nonconvex
from verify.witness import dyadics, floor, offer, places, prove

__all__ = ["certify", "solve"]

MOST_CLASSES, MOST_DIGITS = 64, 60
SPARE = 16
"""Bits of a bracket beyond the precision it was found with."""


def certify(problem: Problem, digits: int = 40) -> tuple[dict[str, Any], Outcome]:
    """Certificate of a problem and what the kernel proves from it.

    Parameters
    ----------
    problem : model ``ce`` with at least two layers; any sizes, bias and widths, at most 64 classes.
    digits : digits of the scalars and of the point.

    Raises
    ------
    ValueError
        If the problem is too large, or the kernel does not accept the certificate.

    Examples
    --------
    >>> certificate, outcome = certify(Problem.ce([(1, 4)], ["0.02"] * 3, "0.02"))
    >>> outcome.lower.str(8, radius=False), outcome.upper.str(12, radius=False)
    ('0.17435973', '0.261555249021')
    """
    if problem.K > MOST_CLASSES:
        raise ValueError(f"more than {MOST_CLASSES} classes are not covered with several layers")
    bits = int(digits * 3.33) + 40
    with precision(bits):
        data = _write(problem, bits)
    return prove(data)


def _curves(problem: Problem) -> Iterator[Curve]:
    """The scalar problems of the lower bound, then that of the frames, as the kernel sees them."""
    K, M = 0, problem.depth
    for cluster in problem.clusters:
        K += cluster.classes
        if K > 1:
            kept = K * cluster.size / problem.N
            weight = (arb(K - 1).log() * 2 / (M + 1)).exp()
            yield frame_curve(K, M, price(problem, cluster.size) * kept.denominator / kept.numerator, weight)
    yield frame_curve(problem.K, M, price(problem))


def _write(problem: Problem, bits: int) -> dict[str, Any]:
    """Certificate without bounds and facts."""
    P = bits + SPARE
    rows = [[floor(low, P), floor(high, P) + 1] for low, high in (best_scale(c).bracket for c in _curves(problem))]
    factors, bias = _point(problem)
    return offer(
        problem,
        {
            "factors": [dyadics(factor, places(chain(*factor), bits)) for factor in factors],
            "bias": dyadics([bias], places(bias, bits)),
            "brackets": {"p": P, "rows": rows},
        },
    )


def _point(problem: Problem) -> tuple[list[list[list[Any]]], list[Any]]:
    """Factors and bias of the best point known."""
    K = problem.K
    if len(problem.clusters) > 1:
        return _descended(problem)
    code = _code(problem)
    if code is not None:
        return code_factors(problem, *code), [arb(0)] * K
    zero = [[arb(0)]]
    return [zero * K, *([zero] * (problem.depth - 1)), [[arb(0)] * K]], [arb(0)] * K


def _code(problem: Problem) -> tuple[tuple[int, ...], tuple[Any, ...]] | None:
    """Blocks and scales of the best code known if it beats zero; scales in balls where all blocks are alike."""
    K, width, g = problem.K, min(problem.layer_widths), price(problem)
    found: list[tuple[float, tuple[int, ...], tuple[Any, ...]]] = []
    frame = best_scale(frame_curve(K, problem.depth, g))
    if width >= K - 1 and frame.alive:
        found.append((float(frame.value), (K,), (frame.scale,)))
    cross = _cross(problem)
    if cross is not None and cross.alive:
        found.append((float(cross.value), (2,) * (K // 2), (2 * cross.scale,) * (K // 2)))
    found += [  # found by floats: worse than the same code in balls
        (value * (1 + 1e-13), blocks, tuple(arb(a) for a in scales)) for value, blocks, scales in best_codes(problem)
    ]
    value, blocks, scales = min(found, key=lambda entry: entry[0], default=(math.inf, (), ()))
    return (blocks, scales) if value < math.log(K) else None


def _cross(problem: Problem) -> Best | None:
    """Best cross-polytope, where there is one."""
    if len(problem.clusters) > 1 or problem.K % 2 or not 4 <= problem.K <= 2 * min(problem.layer_widths):
        return None
    return best_scale(cross_curve(problem.K, problem.depth, price(problem)))


def _descended(problem: Problem) -> tuple[list[list[list[Any]]], list[Any]]:
    """End of a descent from constructed points."""
    found = deep_nonconvex.solve(problem, starts=0)
    point = found.point
    if point is None or point.layers is None:
        raise ValueError(found.reason)
    factors = [[[arb(float(x)) for x in row] for row in factor] for factor in (*point.layers, point.H)]
    return factors, [arb(float(x)) for x in point.b]


@lru_cache(maxsize=512)
def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """Rigorous bounds and the facts of the module docstring (route ``enclosure``).

    Parameters
    ----------
    problem : model ``ce`` with at least two layers.
    seed, avoid : not used; the proof relies on no claim.
    digits : relative digits of the certificate; 60 at most, as nothing small is added to something large.

    Examples
    --------
    >>> optimum = solve(Problem.ce([(1, 4)], ["0.02"] * 3, "0.02"))
    >>> optimum.facts["code"], optimum.facts["frame_value"].str(12, radius=False)
    ((2, 2), '0.287047326377')
    """
    try:
        certificate, outcome = certify(problem, min(digits, MOST_DIGITS))
    except ValueError as why:
        return Optimum(problem, "enclosure", reason=str(why))
    zero, frame = outcome.found["zero"], outcome.found["frame"]
    facts: dict[str, Any] = {"zero_only": True} if zero else {}
    if frame is not None:
        facts |= dict(zip(("frame_value", "frame_scale", "frame_alive"), frame, strict=True))
    with precision(outcome.precision):
        cross = _cross(problem)
        if cross is not None:
            facts |= {"cross_value": cross.value, "cross_scale": cross.scale}
        code = _code(problem) if len(problem.clusters) == 1 else None
        known = _minimiser(problem, arb(0)) if zero else {}
        if problem.K == 2 and facts.get("frame_alive"):
            known = _minimiser(problem, facts["frame_scale"])
    return Optimum(
        problem,
        "enclosure",
        lower=outcome.lower,
        upper=outcome.upper,
        facts=facts | ({"code": code[0]} if code else {}),
        work={"certificate": certificate, "precision": outcome.precision},
        **known,
    )


def _minimiser(problem: Problem, scale: Any) -> dict[str, Any]:
    """Every minimiser where it has Z = scale (I - J/K): zero, or two classes of equal size.

    With two classes the lower bound is sharp, and only where averaging costs nothing: CE is strictly convex up to
    constant columns, and these only add to the nuclear norm.
    """
    K, alive = problem.K, scale != 0
    entries = [[scale * ((K - 1) if i == j else -1) / K for j in range(K)] for i in range(K)]
    size = problem.clusters[0].size
    value = scale * (arb(size.numerator) / size.denominator).sqrt()
    rank = K - 1 if alive else 0
    return {
        "logits": np.array(entries, dtype=object),
        "bias": np.array([arb(0)] * K, dtype=object),
        "singular_values": np.array([value] * rank + [arb(0)] * (K - rank), dtype=object),
        "contrasts": ("alive" if alive else "dead",),
        "rank": (rank, rank),
        "zero": () if alive else tuple(range(K)),
        "merged": () if alive else (tuple(range(K)),),
    }
