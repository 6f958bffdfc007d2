"""Model ``mse`` in balls: scalar minima and an explicit point go into a certificate, the kernel proves bounds and modes.

Everything the kernel gets is a guess. What follows from the proved modes for (W, H, b) rests on two textbook facts (see
:func:`verify.mse.facts`) and on no claim.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball, fraction
from verify.kernel import Outcome, interval, verify_certificate
from verify.mse import Mode, facts, from_root, minimise, modes, penalised, separable, stationary

__all__ = ["certify", "solve"]

Array = NDArray[Any]
MAX_LOGITS = 64


def certify(problem: Problem, digits: int = 40) -> tuple[dict[str, Any], Outcome]:
    """Certificate of a problem and what the kernel proves from it.

    Parameters
    ----------
    problem : model ``mse``.
    digits : digits of the point and of the brackets.

    Raises
    ------
    ValueError
        If the kernel does not accept it.

    Examples
    --------
    >>> certificate, outcome = certify(Problem.mse([9, 6, 4], ["0.049"] * 3, "0.049"))
    >>> outcome.rank, [state for _, state in outcome.found["modes"]]
    ((2, 2), ['alive', 'alive', 'dead'])
    """
    bits = int(digits * 3.33) + 16
    with precision(2 * bits + 64):
        data = {
            "schema": "verify.certificate/1",
            "problem": problem.sha256,
            **problem.canonical(),
            "bounds": None,
            "witness": _witness(problem, bits),
            "facts": None,
        }
    outcome = verify_certificate(json.dumps(data))
    if outcome.outcome != "bounds":
        raise ValueError(outcome.reason)
    with precision(outcome.precision):
        return data | {"bounds": interval(outcome.lower, outcome.upper), "facts": outcome.facts}, outcome


def _witness(problem: Problem, bits: int) -> dict[str, Any]:
    """Brackets of the modes that the kernel looks at, and a point."""
    looked_at = modes(problem if separable(problem) else replace(problem, bias="free"))
    roots: list[tuple[Fraction, Fraction]] = []
    for mode in looked_at:
        s = stationary(problem, mode)
        near = Fraction(0) if s is None else fraction(s)
        roots.append((near * (1 - Fraction(1, 1 << bits)), near * (1 + Fraction(1, 1 << bits))))
    squares = [mode.mu for mode in looked_at if isinstance(mode.mu, tuple)]
    point = _point(problem, bits)
    return {
        "squares": _table([[a for a, _ in squares], [b for _, b in squares]], 4 * bits),
        "roots": _table([[a for a, _ in roots], [b for _, b in roots]], 4 * bits),
        "kept": {"p": 0, "rows": [point.kept]},
        "contrasts": _table(point.contrasts, 2 * bits),
        "layers": [_table(factor, 2 * bits) for factor in point.factors],
        "bias": _table([point.bias], 2 * bits),
        "dual": None if point.dual is None else [_table(part, 2 * bits) for part in point.dual],
    }


def _table(rows: Sequence[Sequence[Any]], bits: int) -> dict[str, Any]:
    """Integers times 2^-P with about ``bits`` bits for the largest entry, rounded down."""
    exact = [[entry if isinstance(entry, Fraction) else fraction(entry.mid()) for entry in row] for row in rows]
    largest = max((abs(entry) for row in exact for entry in row), default=Fraction(0)) or Fraction(1)
    P = max(0, bits + largest.denominator.bit_length() - largest.numerator.bit_length())
    return {"p": P, "rows": [[(entry.numerator << P) // entry.denominator for entry in row] for row in exact]}


@dataclass
class _Point:
    """A point constant on clusters, as the kernel reads it; ``dual`` are contrast entries and block of a dual point."""

    kept: list[int]
    contrasts: list[list[Any]]
    factors: list[list[list[Any]]]
    bias: list[Any]
    dual: tuple[list[list[Any]], list[list[Any]]] | None = None


def _point(problem: Problem, bits: int) -> _Point:
    """Balanced factors along the modes, and the bias that suits them."""
    if not separable(problem):
        return _penalised_point(problem, bits)
    G, blocks = len(problem.clusters), []
    kept, contrasts = [0] * G, [arb(0)] * G
    bias = [arb(0)] * G
    if problem.bias == "free":
        bias = [ball(c.size / problem.N) for c in problem.clusters]
    elif problem.bias != "none":
        bias = [1 / ball(problem.K * (1 + Fraction(problem.bias)))]
    for mode in modes(problem):
        s = stationary(problem, mode)
        alive = mode.kept and minimise(problem, mode).state in ("alive", "tie")
        if s is None or not alive:
            continue
        g, m = mode.cluster, problem.clusters[mode.cluster].classes
        if mode.kind in ("class", "contrast"):
            kept[g], contrasts[g] = min(mode.kept, m - 1), s
        if mode.kind == "mean":
            bias = [bias[0] * (1 - minimise(problem, mode).p)]
        if mode.kind == "group":
            u = [ball(c.classes).sqrt() * ball(c.size) / (ball(c.size) - mode.ball) for c in problem.clusters]
            norm = sum((a * a for a in u), arb(0)).sqrt()
            u = [a / norm for a in u]
            pull = sum((a * b * ball(c.classes).sqrt() for a, b, c in zip(u, bias, problem.clusters, strict=True)), arb(0))
            v = [
                (a - pull * ball(c.classes).sqrt()) * ball(c.size).sqrt() / mode.ball.sqrt()
                for a, c in zip(u, problem.clusters, strict=True)
            ]
            blocks.append((s, u, v))
        elif mode.kind == "mean" or (mode.kind == "class" and mode.kept == m):
            unit = [arb(h == g) for h in range(G)]
            blocks.append((s, unit, unit))
    return _Point(kept, _contrasts(problem, contrasts), _blocks(problem, blocks), bias)


def _scales(problem: Problem) -> list[Any]:
    """Square roots of G/lambda of W_M, ..., W_1, H: every balanced factor is this times s."""
    G = ball(problem.product).root(problem.depth + 1)
    return [(G / ball(decay)).sqrt() for decay in (*problem.layers, problem.lambda_h)]


def _contrasts(problem: Problem, roots: Sequence[Any]) -> list[list[Any]]:
    """Factors of the contrasts of each cluster."""
    table = [[scale * s for s in roots] for scale in _scales(problem)]
    table[-1] = [h / ball(c.size).sqrt() for h, c in zip(table[-1], problem.clusters, strict=True)]
    return table


def _blocks(problem: Problem, blocks: Sequence[tuple[Any, Sequence[Any], Sequence[Any]]]) -> list[list[list[Any]]]:
    """Matrices of the layers and of H in the basis of cluster indicators, one coordinate per (s, u, v)."""
    G, r = len(problem.clusters), max(1, len(blocks))
    first, *inner, last = _scales(problem)
    W = [[first * s * u[g] for s, u, _ in blocks] or [arb(0)] for g in range(G)]
    diagonal = [s for s, _, _ in blocks] or [arb(0)]
    middle = [[[scale * diagonal[i] if i == j else arb(0) for j in range(r)] for i in range(r)] for scale in inner]
    sizes = [ball(c.size).sqrt() for c in problem.clusters]
    H = [[last * s * a / n for a, n in zip(v, sizes, strict=True)] for s, _, v in blocks] or [[arb(0)] * G]
    return [W, *middle, H]


def _penalised_point(problem: Problem, bits: int) -> _Point:
    """A penalised bias on unequal classes: the descent on b, polished for one layer, where it gives a dual point as well."""
    clusters, G = problem.clusters, len(problem.clusters)
    guess = penalised(problem)[1]
    with mpmath.workprec(2 * bits + 64):
        b = mpmath.matrix([float(np.mean([guess[k] for k in c.members])) for c in clusters])
        if problem.depth == 1:
            b = _polished(problem, b)
        left, sigma, right = mpmath.svd_r(_target(problem, b))
        u = [[_ball(left[h, i]) for h in range(G)] for i in range(G)]
        v = [[_ball(right[i, h]) for h in range(G)] for i in range(G)]
        squares = [fraction(_ball(value)) ** 2 for value in sigma]
        bias = [_ball(entry) for entry in b]
    candidates = [(Mode("group", i, square, 1, 1), u[i], v[i]) for i, square in enumerate(squares)]
    candidates += [(Mode("contrast", g, c.size, c.classes - 1, 1), [], []) for g, c in enumerate(clusters) if c.classes > 1]
    kept, contrasts, blocks, room = [0] * G, [arb(0)] * G, [], problem.dim
    for mode, left_vector, right_vector in sorted(candidates, key=lambda one: -one[0].mu):  # type: ignore[operator]
        s = stationary(problem, mode)
        if s is None or not room or minimise(problem, mode).state == "dead":
            continue
        if mode.kind == "contrast":
            kept[mode.cluster], contrasts[mode.cluster] = min(room, mode.copies), s
        else:
            blocks.append((s, left_vector, right_vector))
        room -= min(room, mode.copies)
    point = _Point(kept, _contrasts(problem, contrasts), _blocks(problem, blocks), bias)
    if problem.depth == 1:
        lam, N = ball(problem.lam2).sqrt() * (1 - arb(2) ** (8 - 2 * bits)), ball(problem.N)
        pulls = [arb.min(ball(square).sqrt() / N, lam) for square in squares]
        dual = [[-sum((f * u[i][h] * v[i][g] for i, f in enumerate(pulls)), arb(0)) for g in range(G)] for h in range(G)]
        point.dual = [[-arb.min(ball(c.size).sqrt() / N, lam) for c in clusters]], dual
    return point


def _ball(value: Any) -> Any:
    sign, mantissa, exponent, _ = value._mpf_
    return arb(((-1) ** sign * int(mantissa), int(exponent)))


def _target(problem: Problem, b: Any) -> Any:
    """(I - b 1^T) D^(1/2) in the basis of cluster indicators."""
    roots = [mpmath.sqrt(c.classes) for c in problem.clusters]
    sizes = [mpmath.sqrt(mpmath.mpf(c.size.numerator) / c.size.denominator) for c in problem.clusters]
    G = range(len(roots))
    return mpmath.matrix([[((h == g) - b[h] * roots[h] * roots[g]) * sizes[g] for g in G] for h in G])


def _polished(problem: Problem, b: Any) -> Any:
    """Newton's method with a float Hessian on the convex function of b that is left for one layer."""
    clusters, G = problem.clusters, len(problem.clusters)
    lam, N = mpmath.sqrt(mpmath.mpf(problem.lam2.numerator) / problem.lam2.denominator), mpmath.mpf(float(problem.N))
    N = mpmath.mpf(problem.N.numerator) / problem.N.denominator
    penalty = Fraction(problem.bias)

    def slope(at: Any) -> Any:
        left, sigma, right = mpmath.svd_r(_target(problem, at))
        pulls = [min(value / N, lam) for value in sigma]
        rows = [mpmath.sqrt(c.classes * mpmath.mpf(c.size.numerator) / c.size.denominator) for c in clusters]
        found = []
        for h in range(G):
            pull = mpmath.fsum(left[h, i] * pulls[i] * right[i, g] * rows[g] for i in range(G) for g in range(G))
            found.append(penalty.numerator * at[h] / penalty.denominator - pull / mpmath.sqrt(clusters[h].classes))
        return mpmath.matrix(found)

    step = mpmath.mpf(10) ** -12
    base = slope(b)
    bend = mpmath.matrix(G, G)
    for j in range(G):
        moved = b.copy()
        moved[j] += step
        change = (slope(moved) - base) / step
        for i in range(G):
            bend[i, j] = change[i]
    for _ in range(12):
        new = b - mpmath.lu_solve(bend, base)
        slope_there = slope(new)
        if not mpmath.norm(slope_there) < mpmath.norm(base) / 2:
            break
        b, base = new, slope_there
    return b


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """Rigorous bounds and facts of every global minimiser (route ``enclosure``); fact names as in ``mse_exact``.

    Parameters
    ----------
    problem : model ``mse``; any depth, widths and bias.
    seed, avoid : not used; the proof relies on no claim.
    digits : digits of the certificate.

    Examples
    --------
    >>> optimum = solve(Problem.mse([9, 6, 4], ["0.049"] * 3, "0.049"))
    >>> optimum.upper.str(12, radius=False), optimum.gram_features[0, 0].str(12, radius=False)
    ('0.409074917004', '0.172093318627')
    """
    try:
        certificate, outcome = certify(problem, digits)
    except ValueError as why:
        return Optimum(problem, "enclosure", contrasts=(None,) * len(problem.clusters), reason=str(why))
    known: dict[str, Any] = {}
    with precision(outcome.precision):
        gap = (outcome.upper - outcome.lower).upper()
        if separable(problem):
            states = outcome.found["modes"]
            found = [
                from_root(problem, mode, state, s)
                for mode, (s, state) in zip(modes(problem), states, strict=True)
            ]
            known = facts(problem, found, arrays=problem.K <= MAX_LOGITS)
        # the samples of a class have one strictly convex problem: at their mean f is less by (lambda_h/2) spread^2
        known["spread"] = arb(0).union((2 * arb(gap) / ball(problem.lambda_h)).sqrt())
    return Optimum(
        problem,
        "enclosure",
        lower=outcome.lower,
        upper=outcome.upper,
        reason=outcome.reason,
        work={"certificate": certificate, "precision": outcome.precision},
        **known,
    )
