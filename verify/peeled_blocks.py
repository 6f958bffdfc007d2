"""Model ``layer-peeled`` by groups of equal mass: a point in high precision, and the certificate made from it.

With multiplier nu of |Z|_* <= T this is model ``ce`` with sizes 1, loss weights mu_k and x = nu. Its float solver and
its Newton system are used with nu as a further unknown and the budget as a further equation; one or two masses
come from the scalar system. Nothing here is trusted: the kernel accepts or rejects what this module writes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import chain
from typing import Any

import mpmath
import numpy as np
import scipy.optimize
import threadpoolctl
from flint import arb, arb_mat
from numpy.typing import NDArray

from theory.problem import Problem
from verify.balls import precision
from verify.blocks import BlockPoint
from verify.bracket import ball
from verify.dual import svd
from verify.kernel import Outcome
from verify.newton import local_at
from verify.peeled import Group, groups, scalars_of
from verify.polish import NotConverged, Space, State, Table, dual_block, losses, move, newton_system, number, polish
from verify.reduced import Reduced, reduce
from verify.refine import refine
from verify.routes.exact import solve_blocks
from verify.witness import dyadics, offer, places, prove

__all__ = ["Blocks", "certificate", "from_logits", "narrowed", "solve_groups"]

Array = NDArray[Any]

MAX_STEPS = 40
START_BITS = 160


@dataclass(frozen=True)
class Blocks:
    """Logits by groups: gaps, factors of the quotient A B^T with |A|^2 = |B|^2, and the multiplier (all midpoints)."""

    gaps: list[Any]
    A: Table
    B: Table
    nu: Any


def solve_groups(problem: Problem, digits: int) -> Blocks:
    """The optimum by groups.

    Raises
    ------
    ArithmeticError
        If no solver reaches it.

    Examples
    --------
    >>> x = solve_groups(Problem.peeled([(8, 2), (4, 1), (1, 2)]), 40)
    >>> [g.str(8, radius=False) for g in x.gaps]
    ['2.8585345', '0', '0']
    """
    found = groups(problem)
    if len(found) <= 2:
        return _from_scalars(problem, found, digits)
    try:
        return _newton(problem, found, digits)
    except (NotConverged, ValueError, np.linalg.LinAlgError) as why:
        raise ArithmeticError(f"three masses or more need floats: {why}") from None


def _from_scalars(problem: Problem, found: tuple[Group, ...], digits: int) -> Blocks:
    with precision(64 + 7 * digits):
        x, multiplier, _ = scalars_of(problem, digits)
        kA, kB = found[0].classes, problem.K - found[0].classes
        gaps, nu = [x.a.mid(), x.b.mid()][: len(found)], multiplier.mid()
        if x.zero or not kB:
            return Blocks(gaps, [[] for _ in found], [[] for _ in found], nu)
        size, K = x.r.sqrt(), problem.K
        left = [ball(Fraction(kB, K)).sqrt(), -ball(Fraction(kA, K)).sqrt()]
        right = [kA * ball(Fraction(kB, K)).sqrt() * x.s / x.r, -kB * ball(Fraction(kA, K)).sqrt() * x.t / x.r]
        return Blocks(gaps, [[(u * size).mid()] for u in left], [[(v * size).mid()] for v in right], nu)


# --- any number of groups --------------------------------------------------------------------------------------


def _space(found: tuple[Group, ...], nu: Any) -> Space:
    """Model ``ce`` with sizes 1, weights mu and x = nu."""
    masses = [ball(g.mass) for g in found]
    m = [g.classes for g in found]
    alive = [g.classes > 1 and bool(nu < mu) for g, mu in zip(found, masses, strict=True)]
    return Space(m, [arb(1)] * len(m), masses, sum(m), arb(sum(m)), nu, alive, "none")


def _refined(problem: Problem, found: tuple[Group, ...], digits: int, nu: float, start: BlockPoint) -> Blocks:
    """Floats, refined."""
    base = _base(found)
    masses = np.array([float(g.mass) for g in found])

    def reducer(x: float) -> Reduced:
        return replace(reduce(base.at(Fraction(x) ** 2)), w=masses)

    with precision(5 * digits + 128 + 2 * max(0, math.ceil(-math.log2(nu)))):
        space = _space(found, arb(nu))
        for _ in range(6):
            r = reducer(float(space.x))
            at = local_at(r, np.array([[float(number(a)) for a in row] for row in start.means]) * r.scale, start.bias)
            space, state = refine(space, reducer, at, digits, ball(problem.budget2).sqrt())
            if _settled(found, space, state):
                return Blocks(state.alpha, state.A, state.B, space.x)
            space, start = _space(found, space.x), _means(found, state)
    raise NotConverged("the states did not settle")


def _newton(problem: Problem, found: tuple[Group, ...], digits: int) -> Blocks:
    nu, start = _float_start(problem, found)
    try:
        return _refined(problem, found, digits, nu, start)
    except (NotConverged, ArithmeticError, np.linalg.LinAlgError):
        pass
    # the curvature of a gap is a difference of numbers near 1 that is about nu
    few = START_BITS + 2 * max(0, math.ceil(-math.log2(nu)))
    for _ in range(6):
        with precision(few), mpmath.workprec(few):
            space = _space(found, arb(nu) if isinstance(nu, float) else nu.mid())
            state, _ = polish(space, start, 14)
            space, state = _bordered(space, state, ball(problem.budget2).sqrt(), 14)
        with precision(few + 5 * digits):
            space = replace(_space(found, space.x), alive=space.alive)
            space, state = _bordered(space, state, ball(problem.budget2).sqrt(), digits)
            if _settled(found, space, state):
                return Blocks(state.alpha, state.A, state.B, space.x)
            nu, start = space.x, _means(found, state)
    raise NotConverged("the states did not settle")


def _base(found: tuple[Group, ...]) -> Problem:
    """Model ``ce`` with sizes 1 and the masses as loss weights, tiny where they vanish."""
    least = min(g.mass for g in found if g.mass) / 10**6
    return Problem.ce([(1, g.classes) for g in found], 1, weights=[(g.mass or least, g.classes) for g in found])


def _float_start(problem: Problem, found: tuple[Group, ...]) -> tuple[float, BlockPoint]:
    """Multiplier and point in floats: |Z|_* decreases in the multiplier."""
    base = _base(found)
    T, m = math.sqrt(problem.budget2), np.array([g.classes for g in found])
    seen: dict[float, BlockPoint] = {}

    @cache
    def excess(log_nu: float) -> float:
        point = seen[log_nu] = solve_blocks(base.at(Fraction(math.exp(log_nu)) ** 2))
        block = np.sqrt(np.outer(m, m)) * point.means
        norm = float((m - 1) @ point.alpha) + float(svd(block)[1].sum())
        return math.log(norm / T) if norm > 0 else -60.0

    with threadpoolctl.threadpool_limits(1), np.errstate(all="ignore"):
        gap = T / (problem.K - 1)
        mean = sum(float(g.mass) * g.classes for g in found) / problem.K
        here = math.log(mean * problem.K / (math.exp(min(gap, 600)) + problem.K - 1))  # the multiplier of equal masses
        ends, step = [here, here], 0.25
        while excess(ends[0]) < 0:
            ends = [ends[0] - step, ends[0]]
            step *= 2
        while excess(ends[1]) > 0:
            ends = [ends[1], ends[1] + step]
            step *= 2
        root = scipy.optimize.brentq(excess, *ends, xtol=1e-4)
        excess(root)
    return math.exp(root), seen[root]


def _means(found: tuple[Group, ...], state: State) -> BlockPoint:
    """Symmetric point of a state."""
    X = [[sum((a * b for a, b in zip(u, v, strict=True)), arb(0)) for v in state.B] for u in state.A]
    roots = [arb(g.classes).sqrt() for g in found]
    means = [[(x / (p * q)).mid() for x, q in zip(row, roots, strict=True)] for row, p in zip(X, roots, strict=True)]
    return BlockPoint(np.array(state.alpha, dtype=object), np.array(means, dtype=object), np.zeros(len(roots)))


def _bordered(space: Space, state: State, T: Any, digits: int) -> tuple[Space, State]:
    """Newton in the point and the multiplier: the gradient vanishes and (|A|^2 + |B|^2)/2 + gaps = T."""
    small = arb(10) ** (-(digits * 6 // 10) - 3)
    live = [g for g, alive in enumerate(space.alive) if alive]
    for _ in range(MAX_STEPS):
        gradient, hessian = newton_system(space, state, losses(space, state))
        n = gradient.nrows()
        entries = [a for row in state.A + state.B for a in row]
        normal = [*entries, *(arb(space.m[g] - 1) for g in live)]
        norm = sum((a * a for a in entries), arb(0)) / 2 + sum(
            ((space.m[g] - 1) * state.alpha[g] for g in live), arb(0)
        )
        right = arb_mat([[gradient[k, 0], normal[k]] for k in range(n)])
        try:
            both = hessian.solve(right, algorithm="approx").mid()
        except ZeroDivisionError:
            raise NotConverged("the Newton system is singular") from None
        along = [sum((normal[k] * both[k, i] for k in range(n)), arb(0)) for i in range(2)]
        shift = (-(T - norm + along[0]) / along[1]).mid()
        step = arb_mat([[both[k, 0] + shift * both[k, 1]] for k in range(n)]).mid()
        state = move(space, state, step)
        space = replace(space, x=(space.x + shift).mid())
        if not space.x > 0:
            raise NotConverged("the multiplier left its range")
        if max(abs(step[k, 0]) for k in range(n)) < small * (1 + T) and abs(shift) < small * space.x:
            return space, state
    raise NotConverged("Newton did not settle")


def _settled(found: tuple[Group, ...], space: Space, state: State) -> bool:
    """Whether exactly the gaps above the multiplier are kept, all positive, and no direction of the quotient misses."""
    fresh = _space(found, space.x).alive
    M = np.array([[float(a / space.x) for a in row] for row in dual_block(space, losses(space, state))])
    positive = all(a > 0 for a, alive in zip(state.alpha, fresh, strict=True) if alive)
    return fresh == space.alive and positive and float(svd(M)[1][0]) < 1 + 1e-9


# --- from floats, and below the rank ---------------------------------------------------------------------------


def from_logits(problem: Problem, Z: Array) -> Blocks:
    """Blocks of float logits, averaged over the classes of equal mass and scaled to |Z|_* = T."""
    found = groups(problem)
    Z, members = Z - Z.mean(axis=0), [list(g.members) for g in found]
    m, gaps = np.array([len(own) for own in members]), np.zeros(len(members))
    means = np.array([[Z[np.ix_(rows, columns)].mean() for columns in members] for rows in members])
    for g, own in enumerate(members):
        if len(own) > 1:
            block = Z[np.ix_(own, own)]
            gaps[g] = max(0.0, float((np.trace(block) - block.sum() / len(own)) / (len(own) - 1)))
    U, S, Vt = svd(np.sqrt(np.outer(m, m)) * means)
    total = float((m - 1) @ gaps + S.sum())
    scale = float(problem.budget2) ** 0.5 / total if total > 0 else 0.0
    keep = 1e-14 * max(total, 1e-300) < S
    root = np.sqrt(S[keep] * scale)
    A, B = ([[arb(a) for a in row] for row in table.tolist()] for table in (U[:, keep] * root, Vt[keep].T * root))
    blocks = Blocks([arb(a * scale) for a in gaps.tolist()], A, B, arb(0))
    return replace(blocks, nu=_norm(found, blocks))


def _norm(found: tuple[Group, ...], blocks: Blocks) -> Any:
    """|(I - P) diag(m)| at a point, in floats."""
    space = replace(_space(found, arb(1)), alive=[g.classes > 1 for g in found])
    columns = losses(space, State(blocks.A, blocks.B, blocks.gaps, [arb(0)] * len(found)))
    top = max(space.w)
    M = np.array([[float(a / top) for a in row] for row in dual_block(space, columns)])
    inside = [
        float(mu / top * (sum(c.others, arb(0)) + c.siblings * g.classes / (g.classes - 1)))
        for g, mu, c in zip(found, space.w, columns, strict=True)
        if g.classes > 1
    ]
    return top * max([float(svd(M)[1][0]), *inside])


def narrowed(problem: Problem, blocks: Blocks) -> tuple[Blocks, Blocks]:
    """A point of width d, the largest singular directions scaled to the budget, and the full one; a row per class."""
    A: Table = []
    B: Table = []
    for g, group in enumerate(groups(problem)):
        m, root, gap = group.classes, arb(group.classes).sqrt(), blocks.gaps[g].sqrt()
        before, after = [arb(0)] * len(A), [arb(0)] * (problem.K - len(A) - m)
        for k in range(m):
            inside = [gap * (int(i == k) - ball(Fraction(1, m))) for i in range(m)]
            A.append([*(a / root for a in blocks.A[g]), *before, *inside, *after])
            B.append([*(b / root for b in blocks.B[g]), *before, *inside, *after])
    zero = [arb(0)] * problem.K
    dual = Blocks(zero, A, B, blocks.nu)
    Z = np.array([[float(sum((a * b for a, b in zip(u, v, strict=True)), arb(0))) for v in B] for u in A])
    U, S, Vt = svd(Z)
    d = min(problem.dim, problem.K)
    root = np.sqrt(S[:d] * float(problem.budget2) ** 0.5 / S[:d].sum())
    W, H = ([[arb(a) for a in row] for row in table.tolist()] for table in (U[:, :d] * root, Vt[:d].T * root))
    return Blocks(zero, W, H, blocks.nu), dual


# --- certificates ----------------------------------------------------------------------------------------------


def certificate(
    problem: Problem, blocks: Blocks, digits: int, *, dual: Blocks | None = None, full: bool = False
) -> tuple[dict[str, Any], Outcome]:
    """Certificate of a point, with the smallest norm of the dual matrix that the kernel accepts.

    Parameters
    ----------
    blocks : the point; ``digits`` of it are written, after shrinking it into the budgets.
    dual : point whose probabilities give the lower bound; default the same.
    full : the tables have one row per class, sorted by group.

    Raises
    ------
    ValueError
        If the kernel accepts none.
    """
    source, reason = blocks if dual is None else dual, ""
    bits = int((digits + 4) * 3.33) + problem.K.bit_length() + 8
    sizes = [1] * problem.K if full else [g.classes for g in groups(problem)]
    with precision(2 * bits):
        budget = ball(problem.budget2).sqrt() * (1 - arb(10) ** -digits)
        point = _table(sizes, blocks, bits, budget)
        other = None if dual is None else _table(sizes, dual, bits, None)
        for power in range(digits, -1, -1):
            norm = _dyadics([[source.nu * (1 + arb(10) ** -power)]], bits)
            try:
                data, outcome = prove(offer(problem, {"full": full, "norm": norm, "point": point, "dual": other}))
                return data | {"facts": outcome.facts or None}, outcome
            except ValueError as why:
                reason = str(why)
    raise ValueError(f"no certificate found: {reason}")


def _table(sizes: list[int], blocks: Blocks, bits: int, budget: Any) -> dict[str, Any]:
    """Integers of a point, scaled to a budget if there is one."""
    inside = sum(((m - 1) * a for m, a in zip(sizes, blocks.gaps, strict=True)), arb(0))
    prices = [inside + sum((x * x for row in table for x in row), arb(0)) for table in (blocks.A, blocks.B)]
    price = arb.max(*prices)
    shrink = arb(1) if budget is None or price == 0 else budget / price
    root = shrink.sqrt()
    W, H = (
        [[x * root / arb(m).sqrt() for x in row] for row, m in zip(table, sizes, strict=True)]
        for table in (blocks.A, blocks.B)
    )
    return {"gaps": _dyadics([[a * shrink for a in blocks.gaps]], bits), "W": _dyadics(W, bits), "H": _dyadics(H, bits)}


def _dyadics(table: Table, bits: int) -> dict[str, Any]:
    """Integers times 2^-P with about ``bits`` bits for the largest entry."""
    return dyadics(table, places(chain(*table), bits))
