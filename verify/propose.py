"""Certificates from approximate optima: polish a symmetric point in high precision, then write integers.

Nothing here is trusted: :mod:`verify.kernel` accepts or rejects what this module writes. A few clusters are polished in
high precision throughout (:mod:`verify.polish`), more of them from floats (:mod:`verify.refine`). Where both give up, the
floats of the start are used as they are, with a dual point aligned to them.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import scipy.linalg
from flint import arb, ctx
from numpy.typing import NDArray

from theory.problem import Problem
from verify.balls import precision
from verify.blocks import BlockPoint
from verify.kernel import Outcome
from verify.newton import local_at
from verify.polish import (
    MAX_UNKNOWNS,
    NotConverged,
    Space,
    State,
    Table,
    ball,
    dual_block,
    flows_of,
    from_blocks,
    losses,
    newton,
    number,
    polish,
)
from verify.reduced import reduce
from verify.refine import refine
from verify.witness import dyadics, exponent, floor, offer, places, prove

__all__ = ["propose"]

Array = NDArray[Any]

FEW_CLUSTERS = 3
"""Up to so many clusters high precision alone is as quick as floats with refinement."""


def propose(problem: Problem, start: BlockPoint | None = None, digits: int = 40) -> dict[str, Any]:
    """Certificate for a problem from an approximate optimum.

    Parameters
    ----------
    problem : the problem; any bias mode, weights and dimension.
    start : approximate optimum (floats, mpmath numbers or balls); the default suits a few clusters. When the
        dimension of the problem is below the rank of the optimum, the primal point is made from ``start``: its
        smallest parts are dropped until it fits.
    digits : digits of the polished point; the relative gap is about ``10**-digits`` (about 1e-13 where floats have to do).

    Returns
    -------
    dict
        JSON data of schema ``verify.certificate/1``; ``bounds`` and ``facts`` are what the kernel proved.

    Raises
    ------
    ValueError
        If no point was found that the kernel accepts.

    Examples
    --------
    >>> problem = Problem.ce([(120, 4), (25, 3)], "0.0085")
    >>> certificate = propose(problem)
    >>> certificate["bounds"]["lower"][:20], certificate["facts"]["rank"]["lower"]
    ('1.412749214630446276', 6)
    """
    return proposed(problem, start, digits)[0]


def proposed(problem: Problem, start: BlockPoint | None, digits: int) -> tuple[dict[str, Any], Outcome]:
    """As :func:`propose`, with what the kernel proves from the certificate."""
    spread = problem.clusters[0].size / problem.x2  # its root is the inverse scale of the small probabilities
    scale = abs(spread.numerator.bit_length() - spread.denominator.bit_length())
    with precision(bits := 5 * digits + 128 + scale), mpmath.workprec(bits):
        space = Space.of(problem)
        start = start or plain_start(problem)
        try:
            state, flows = _polished(problem, space, start, digits)
            shrinks = range(digits, digits // 3, -2)
        except NotConverged:
            digits, shrinks = 17, range(14, 5, -1)
            state, flows = _aligned(problem, space, start)
        state = _fit(problem, space, state, start, digits)
        reason = ""
        for power in shrinks:
            try:
                return prove(_write(problem, space, state, flows, Fraction(1, 10**power), digits))
            except ValueError as why:
                reason = str(why)
    raise ValueError(f"no certificate found: {reason}")


def _polished(problem: Problem, space: Space, start: BlockPoint, digits: int) -> tuple[State, Table]:
    """Optimum to the digits, and its flows: from floats where there are more than a few clusters and floats reach."""
    if len(space.m) > FEW_CLUSTERS:
        try:
            state = _refined(problem, space, start, digits)
            return state, flows_of(space, losses(space, state))
        except (NotConverged, ArithmeticError, np.linalg.LinAlgError):
            pass
    return polish(space, start, digits)


def _refined(problem: Problem, space: Space, start: BlockPoint, digits: int) -> State:
    r, unit = reduce(problem), max(space.s)
    means, bias = (np.array([float(number(a)) for a in part.ravel()]) for part in (start.means, start.bias))
    at = local_at(r, means.reshape(start.means.shape) * r.scale, bias)
    scaled = replace(space, s=[s / unit for s in space.s], N=space.N / unit, x=space.x / unit.sqrt())
    _, state = refine(scaled, lambda x: r, at, digits)
    factor = unit.root(4).mid()
    state.A, state.B = ([[a * factor for a in row] for row in table] for table in (state.A, state.B))
    return state


def plain_start(problem: Problem) -> BlockPoint:
    """Multiple of the simplex I - J/K, of the size that vanishing decay would give; enough for a few clusters."""
    clusters, K = problem.clusters, problem.K
    G = len(clusters)
    scale = clusters[0].size / problem.x2
    L = max(mpmath.mpf(0), mpmath.log(mpmath.mpf(scale.numerator) / scale.denominator) / 2)
    means = [[L * (mpmath.mpf(h == g) / clusters[g].classes - mpmath.mpf(1) / K) for g in range(G)] for h in range(G)]
    return BlockPoint(np.array([L] * G), np.array(means), np.zeros(G))


# --- double precision --------------------------------------------------------------------------------------------


def _aligned(problem: Problem, space: Space, start: BlockPoint) -> tuple[State, Table]:
    """Point in double precision with the dual point x U V^T + (rest of M), aligned with X = U S V^T."""
    clusters = problem.clusters
    try:
        m, s, w = (np.array([float(getattr(c, key)) for c in clusters]) for key in ("classes", "size", "weight"))
        x = math.sqrt(problem.x2)
    except OverflowError:
        raise ValueError("no certificate found: more clusters than fit numbers beyond floats") from None
    alive = np.array(space.alive)
    alpha = np.where(alive, np.array([float(number(a)) for a in start.alpha]), 0.0)
    means = np.array([[float(number(z)) for z in row] for row in start.means])
    bias = np.array([float(number(b)) for b in start.bias]) * (problem.bias != "none")
    X = np.sqrt(m)[:, None] * means * np.sqrt(m * s)
    U, S, Vt = scipy.linalg.svd(X, lapack_driver="gesvd")
    rank = int(np.count_nonzero(S / max(float(S[0]), x) > 1e-7))
    U, S, V = U[:, :rank], S[:rank], Vt[:rank].T
    columns = losses(space, _state((U * np.sqrt(S)).tolist(), (V * np.sqrt(S)).tolist(), alpha, bias))
    M = np.array([[float(a) for a in row] for row in dual_block(space, columns)])
    rest = M - U @ (U.T @ M)
    rest -= (rest @ V) @ V.T
    left, sigma, right = scipy.linalg.svd(rest, lapack_driver="gesvd")
    dual = x * U @ V.T + (left * np.minimum(sigma, x)) @ right
    dual -= np.sqrt(m)[:, None] * (np.sqrt(m) @ dual) / m.sum()
    if problem.bias == "free":
        t = np.sqrt(m * s / (m @ s))
        dual -= np.outer(dual @ t, t)
    dual /= max(1.0, float(scipy.linalg.svdvals(dual)[0]) / x)
    flows = -dual * np.sqrt(s) / np.sqrt(np.outer(m, m))
    np.fill_diagonal(flows, 0.0)
    inside = np.where(alive, x * np.sqrt(s), w * s)
    np.fill_diagonal(flows, np.where(m > 1, (inside - m @ flows) / m, 0.0))
    if (flows < 0).any():  # blend with the feasible multiple of the point's own flows, just enough
        soft = np.array([[float(a) for a in row] for row in flows_of(space, columns)])
        contrast = np.where(m > 1, m @ soft / (x * np.sqrt(s)), 0.0)
        soft /= max(1.0, float(scipy.linalg.svdvals(M)[0]) / x, float(contrast.max()))
        share = np.max(np.where(flows < 0, -flows / np.where(flows < 0, soft - flows, 1.0), 0.0))
        flows = np.maximum((1 - share) * flows + share * soft, 0.0)
    state = _state((U * np.sqrt(S)).tolist(), (V * np.sqrt(S)).tolist(), alpha, bias)
    return state, [[arb(a) for a in row] for row in flows.tolist()]


def _state(A: Table, B: Table, alpha: Array, bias: Array) -> State:
    def balls(table: Table) -> Table:
        return [[arb(a) for a in row] for row in table]

    return State(balls(A), balls(B), balls([alpha.tolist()])[0], balls([bias.tolist()])[0])


# --- writing -----------------------------------------------------------------------------------------------------


def _fit(problem: Problem, space: Space, state: State, start: BlockPoint, digits: int) -> State:
    """Point of width at most d: the optimum, or the start without its weakest parts, improved inside its structure."""
    if state.width(space) <= problem.dim:
        return state
    state = from_blocks(space, start, 1e-8)
    while state.width(space) > problem.dim:
        alive = [g for g, a in enumerate(state.alpha) if not a.is_zero()]
        contrasts = [(abs(state.alpha[g]) * space.s[g].sqrt(), g) for g in alive]
        last = sum((row[-1] ** 2 for row in state.A), arb(0)) if state.rank else arb("inf")
        if contrasts and min(contrasts)[0] < last:
            state.alpha[min(contrasts)[1]] = arb(0)
        else:
            state.A, state.B = ([row[:-1] for row in table] for table in (state.A, state.B))
    try:
        if 2 * len(space.m) * state.rank > MAX_UNKNOWNS:
            raise NotConverged("too many unknowns")
        return newton(replace(space, alive=[not a.is_zero() for a in state.alpha]), state, digits)
    except NotConverged:
        return state


def _write(problem: Problem, space: Space, state: State, flows: Table, shrink: Fraction, digits: int) -> dict[str, Any]:
    """Certificate without bounds and facts; the dual point is pulled towards the identity by 1 - shrink."""
    bits = int((digits + 4) * 3.33) + 8
    ratio = ball(problem.lambda_h / problem.lambda_w).root(4)
    rows, cols = space.rows, space.columns
    W = [[a * ratio / rows[h] for a in row] for h, row in enumerate(state.A)]
    H = [[b / ratio / cols[g] for b in row] for g, row in enumerate(state.B)]
    inner = [[a * ball(1 - shrink) for a in row] for row in flows]
    unit = space.x * min(space.s).sqrt() / space.K
    return offer(
        problem,
        {
            "full": False,
            "flows": _balanced(space, inner, max(0, bits - exponent(unit))),
            "gaps": dyadics([state.alpha], bits),
            "W": dyadics(W, places(itertools.chain(*W), bits)),
            "H": dyadics(H, places(itertools.chain(*H), bits)),
            "bias": dyadics([state.bias], min(ctx.prec, max(bits, places(state.bias, bits)))),
        },
    )


def _balanced(space: Space, flows: Table, P: int) -> dict[str, Any]:
    """Integer flows; with a free bias what leaves a class of each cluster equals what enters it, exactly."""
    G, m = len(space.m), space.m
    unit = math.lcm(*m) if space.bias == "free" else 1
    P += unit.bit_length()
    rows = [[max(0, floor(flows[h][g], P)) // unit * unit for g in range(G)] for h in range(G)]
    for g in range(G):
        if m[g] == 1:
            rows[g][g] = 0
    if space.bias == "free":
        for h in range(1, G):
            surplus = sum(m[k] * (rows[k][h] - rows[h][k]) for k in range(G)) // m[0]
            rows[0 if surplus < 0 else h][h if surplus < 0 else 0] += abs(surplus)
    return {"p": P, "rows": rows}
