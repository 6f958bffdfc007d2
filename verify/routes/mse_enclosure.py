"""Model ``mse`` in balls: scalar minima and a point go into a certificate, the kernel proves bounds and modes.

Everything the kernel gets is a guess. What follows from the proved modes for (W, H, b) rests on two textbook facts (see
:func:`verify.mse_minimiser.facts`) and on no claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from typing import Any

import mpmath
import numpy as np
from flint import arb
from numpy.typing import NDArray

from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.bracket import ball, fraction
from verify.kernel import Outcome
from verify.mse import Mode, from_root, minimise, modes, separable, stationary
from verify.mse_minimiser import facts, penalised
from verify.witness import dyadics, offer, places, prove

__all__ = ["certify", "solve"]

Array = NDArray[Any]
LARGEST = 128
FEW, FLOAT_BITS = 8, 42
"""Sizes up to which the singular vectors for a penalised bias are computed in high precision; digits beyond them."""


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
    bits = int(digits * 3.33) + 16 if separable(problem) or len(problem.clusters) <= FEW else FLOAT_BITS
    with precision(2 * bits + 64):
        data = offer(problem, _witness(problem, bits))
    return prove(data)


def _witness(problem: Problem, bits: int) -> dict[str, Any]:
    """Brackets of the modes that the kernel looks at, and a point."""
    point = _point(problem, bits)
    looked_at = point.modes or modes(problem)
    roots: list[tuple[Fraction, Fraction]] = []
    for mode in looked_at:
        s = stationary(problem, mode)
        near = Fraction(0) if s is None or minimise(problem, mode).state == "dead" else fraction(s)
        roots.append((near * (1 - Fraction(1, 1 << bits)), near * (1 + Fraction(1, 1 << bits))))
    squares = [] if point.modes else [mode.mu for mode in looked_at if isinstance(mode.mu, tuple)]
    return {
        "squares": _table([[a for a, _ in squares], [b for _, b in squares]], 4 * bits),
        "roots": _table([[a for a, _ in roots], [b for _, b in roots]], 4 * bits),
        "kept": {"p": 0, "rows": [point.kept]},
        "contrasts": _table(point.contrasts, 2 * bits),
        "layers": [_table(factor, 2 * bits) for factor in point.factors],
        "bias": _table([point.bias], 2 * bits),
        "target": None if point.target is None else [_table(part, 2 * bits) for part in point.target],
    }


def _table(rows: Sequence[Sequence[Any]], bits: int) -> dict[str, Any]:
    """Integers times 2^-P with about ``bits`` bits for the largest entry."""
    return dyadics(rows, places(chain(*rows), bits))


@dataclass
class _Point:
    """A point constant on clusters, as the kernel reads it.

    For a penalised bias on unequal classes ``target`` is the decomposition of the kernel's target, with its ``modes``.
    """

    kept: list[int]
    contrasts: list[list[Any]]
    factors: list[list[list[Any]]]
    bias: list[Any]
    target: list[list[list[Any]]] | None = None
    modes: list[Mode] = field(default_factory=list)


Block = tuple[Any, Sequence[Any], Sequence[Any]]
"""A coordinate of the block of cluster indicators: s, left and right singular vector."""


def _point(problem: Problem, bits: int) -> _Point:
    """Balanced factors along the modes, and the bias that suits them."""
    if not separable(problem):
        return _penalised_point(problem, bits)
    clusters, G = problem.clusters, len(problem.clusters)
    kept, contrasts, blocks = [0] * G, [arb(0)] * G, list[Block]()
    bias = [ball(c.size / problem.N) if problem.bias == "free" else arb(0) for c in clusters]
    if isinstance(problem.bias, Fraction):
        bias = [1 / ball(problem.K * (1 + problem.bias))]
    for mode in modes(problem):
        best = minimise(problem, mode)
        s, g, m = stationary(problem, mode), mode.cluster, clusters[mode.cluster].classes
        if s is None or best.state == "dead" or not mode.kept:
            continue
        if mode.kind in ("class", "contrast"):
            kept[g], contrasts[g] = min(mode.kept, m - 1), s
        if mode.kind == "mean":
            bias = [bias[0] * (1 - best.p)]
        if mode.kind == "group":
            blocks.append((s, *_vectors(problem, mode)))
        elif mode.kind == "mean" or (mode.kind == "class" and mode.kept == m):
            unit = [arb(h == g) for h in range(G)]
            blocks.append((s, unit, unit))
    return _Point(kept, _contrasts(problem, contrasts), _blocks(problem, blocks), bias)


def _vectors(problem: Problem, mode: Mode) -> tuple[list[Any], list[Any]]:
    """Singular vectors of the centred labels (I - (n/N) 1^T) D^(1/2) in the basis of cluster indicators."""
    roots = [ball(c.classes).sqrt() for c in problem.clusters]
    sizes = [ball(c.size) for c in problem.clusters]
    u = [root * n / (n - mode.ball) for root, n in zip(roots, sizes, strict=True)]
    norm = sum((a * a for a in u), arb(0)).sqrt()
    u = [a / norm for a in u]
    mean = sum((a * root * n for a, root, n in zip(u, roots, sizes, strict=True)), arb(0)) / ball(problem.N)
    v = [(a - mean * root) * (n / mode.ball).sqrt() for a, root, n in zip(u, roots, sizes, strict=True)]
    return u, v


def _scales(problem: Problem) -> list[Any]:
    """Square roots of G/lambda of W_M, ..., W_1, H: every balanced factor is this times s."""
    G = ball(problem.product).root(problem.depth + 1)
    return [(G / ball(decay)).sqrt() for decay in (*problem.layers, problem.lambda_h)]


def _contrasts(problem: Problem, roots: Sequence[Any]) -> list[list[Any]]:
    """Factors of the contrasts of each cluster."""
    table = [[scale * s for s in roots] for scale in _scales(problem)]
    table[-1] = [h / ball(c.size).sqrt() for h, c in zip(table[-1], problem.clusters, strict=True)]
    return table


def _blocks(problem: Problem, blocks: Sequence[Block]) -> list[list[list[Any]]]:
    """Matrices of the layers and of H in the basis of cluster indicators; one coordinate at least."""
    G, r = len(problem.clusters), max(1, len(blocks))
    first, *inner, last = _scales(problem)
    W = [[first * s * u[g] for s, u, _ in blocks] or [arb(0)] for g in range(G)]
    diagonal = [s for s, _, _ in blocks] or [arb(0)]
    middle = [[[scale * diagonal[i] if i == j else arb(0) for j in range(r)] for i in range(r)] for scale in inner]
    sizes = [ball(c.size).sqrt() for c in problem.clusters]
    H = [[last * s * a / n for a, n in zip(v, sizes, strict=True)] for s, _, v in blocks] or [[arb(0)] * G]
    return [W, *middle, H]


def _penalised_point(problem: Problem, bits: int) -> _Point:
    """For a penalised bias on unequal classes: descent on b alone, polished."""
    clusters, G = problem.clusters, range(len(problem.clusters))
    guess = penalised(problem)[1]
    with mpmath.workprec(2 * bits + 64):
        b = mpmath.matrix([float(np.mean([guess[k] for k in c.members])) for c in clusters])
        b = _polished(problem, b) if len(clusters) <= FEW else b
        left, sigma, right = _svd(_target(problem, b))
    squares = [fraction(_ball(value)) ** 2 for value in sigma]
    candidates = [(square, Mode("group", i, square, 1, 1)) for i, square in enumerate(squares)]
    candidates += [(c.size, Mode("contrast", g, c.size, c.classes - 1, 1)) for g, c in enumerate(clusters)]
    kept, contrasts, roots, room = [0 for _ in G], [arb(0) for _ in G], [arb(0) for _ in G], problem.dim
    for _, mode in sorted(candidates, key=lambda one: -one[0]):
        s, g = stationary(problem, mode), mode.cluster
        if s is None or not 0 < mode.copies <= room or minimise(problem, mode).state == "dead":
            continue
        if mode.kind == "contrast":
            kept[g], contrasts[g] = mode.copies, s
        else:
            roots[g] = s
        room -= mode.copies
    u, v = ([[_ball(entry) for entry in row] for row in part.tolist()] for part in (left.T, right))
    blocks = [(s, u[i], v[i]) for i, s in enumerate(roots) if s > 0]
    point = _Point(kept, _contrasts(problem, contrasts), _blocks(problem, blocks), [_ball(entry) for entry in b])
    with mpmath.workprec(2 * bits + 64):
        _add_target(
            problem, point, [_mpf(fraction(s)) for s in roots], left, right, [_mpf(fraction(s)) for s in contrasts]
        )
    return point


def _add_target(problem: Problem, point: _Point, roots: list[Any], left: Any, right: Any, contrasts: list[Any]) -> None:
    """The target of the kernel's tangent at the point, decomposed, with its modes."""
    clusters, L, penalty = problem.clusters, problem.depth + 1, Fraction(problem.bias)
    share, pull = penalty / (1 + penalty), _mpf(1 / penalty)
    sizes = [mpmath.sqrt(_mpf(c.size)) for c in clusters]
    v = mpmath.matrix([mpmath.sqrt(_mpf(c.classes * c.size / problem.N)) for c in clusters])
    miss = left * mpmath.diag([s**L for s in roots]) * right - mpmath.diag(sizes)
    target = mpmath.diag(sizes) - pull * (miss - miss * v * v.T)
    U, values, V = _svd(target)
    own = [size - pull * (s**L - size) for size, s in zip(sizes, contrasts, strict=True)]
    squares = [fraction(_ball(value)) ** 2 for value in (*own, *values)]
    point.modes = [Mode("group", 0, square, 1, 1, share) for square in squares]
    tables = (U.tolist(), [list(values)], V.tolist())
    point.target = [[[_ball(entry) for entry in row] for row in table] for table in tables]


def _ball(value: Any) -> Any:
    """Exact ball from a number of mpmath."""
    sign, mantissa, exponent, _ = value._mpf_
    return arb(((-1) ** sign * int(mantissa), int(exponent)))


def _svd(A: Any) -> tuple[Any, Any, Any]:
    """Singular value decomposition of a matrix of mpmath, beyond a few rows in floats."""
    if A.rows <= FEW:
        return mpmath.svd_r(A)  # type: ignore[no-any-return]
    left, values, right = np.linalg.svd(np.array(A.tolist(), dtype=float))
    return mpmath.matrix(left.tolist()), mpmath.matrix(values.tolist()), mpmath.matrix(right.tolist())


def _mpf(value: Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


def _target(problem: Problem, b: Any) -> Any:
    """(I - b 1^T) D^(1/2) in the basis of cluster indicators."""
    roots = [mpmath.sqrt(c.classes) for c in problem.clusters]
    sizes = [mpmath.sqrt(_mpf(c.size)) for c in problem.clusters]
    G = range(len(roots))
    return mpmath.matrix([[((h == g) - b[h] * roots[h] * roots[g]) * sizes[g] for g in G] for h in G])


def _slope(problem: Problem, b: Any) -> Any:
    """Gradient, per class, of what is left of the objective as a function of b."""
    G, N = range(len(problem.clusters)), _mpf(problem.N)
    left, sigma, right = _svd(_target(problem, b))
    weights = [mpmath.sqrt(c.classes * _mpf(c.size)) for c in problem.clusters]
    found = [minimise(problem, Mode("group", 0, fraction(_ball(value)) ** 2, 1, 1)) for value in sigma]
    miss = [value * (1 - _mpf(fraction(one.p.mid()))) for value, one in zip(sigma, found, strict=True)]
    along = [miss[i] / N * mpmath.fsum(right[i, g] * weights[g] for g in G) for i in G]
    pull = [mpmath.fsum(left[h, i] * along[i] for i in G) / mpmath.sqrt(problem.clusters[h].classes) for h in G]
    return mpmath.matrix([_mpf(Fraction(problem.bias)) * b[h] - pull[h] for h in G])


def _polished(problem: Problem, b: Any) -> Any:
    """Newton's method with the Hessian at the start, by differences."""
    G, step, slope = len(b), mpmath.mpf(10) ** -12, _slope(problem, b)
    bend = mpmath.matrix(G, G)
    for j in range(G):
        moved = b.copy()
        moved[j] += step
        bend[:, j] = (_slope(problem, moved) - slope) / step
    for _ in range(12):
        new = b - mpmath.lu_solve(bend, slope)
        there = _slope(problem, new)
        if not mpmath.norm(there) < mpmath.norm(slope) / 2:
            break
        b, slope = new, there
        if mpmath.norm(slope) < mpmath.ldexp(1, -mpmath.mp.prec // 2):  # the gap is about its square
            break
    return b


def solve(problem: Problem, *, seed: int = 0, avoid: frozenset[str] = frozenset(), digits: int = 40) -> Optimum:
    """Rigorous bounds and facts of every global minimiser (route ``enclosure``); fact names as in ``mse_exact``.

    Parameters
    ----------
    problem : model ``mse``; any depth, widths and bias.
    seed, avoid : not used; the proof relies on no claim.
    digits : digits of the certificate.

    Returns
    -------
    Optimum
        A penalised bias on unequal classes: bounds that are narrow for one layer and loose for several.

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
        gap = arb((outcome.upper - outcome.lower).upper())
        if separable(problem):
            proved = zip(modes(problem), outcome.found["modes"], strict=True)
            found = [from_root(problem, mode, state, s) for mode, (s, state) in proved]
            known = facts(problem, found)
        elif problem.dim >= problem.K <= LARGEST:
            known = _around_point(problem, certificate["witness"], gap, _growth(problem, outcome.found["target"]))
        # the samples of a class have one strictly convex problem: at their mean f is less by (lambda_h/2) spread^2
        known["spread"] = arb(0).union((2 * gap / ball(problem.lambda_h)).sqrt())
    return Optimum(
        problem,
        "enclosure",
        lower=outcome.lower,
        upper=outcome.upper,
        reason="" if known.get("logits") is not None else outcome.reason,
        work={"certificate": certificate, "precision": outcome.precision},
        **known,
    )


def _growth(problem: Problem, scalars: Sequence[tuple[int, Any, Any, Any]]) -> Any:
    """Constant c with f >= kernel's tangent bound + (c/2)|X - X1|^2, X = Z D^(1/2) and X1 the minimiser of that bound.

    The scalar objective phi of a mode has phi(x) - phi(x1) >= (c/2)(x - x1)^2 for all x >= 0 at its minimiser x1
    (which makes a spectral minorant with curvature c) iff it has at 0 and as a curvature at x1 = p r > 0: the
    difference is concave, then convex. At x1 = 0 the ratio is least at x = (M N G/(share r))^((M+1)/(M-1)).
    """
    M, N, penalty = problem.depth, ball(problem.N), Fraction(problem.bias)
    share, G, least = ball(penalty / (1 + penalty)), ball(problem.product).root(M + 1), arb(1)
    for _, r, s, state in (scalar for scalar in scalars if scalar[0]):
        if state == "alive":
            p = s ** (M + 1) / r
            least = arb.min(least, arb.min(M - (M - 1) / p, 1 - (1 - p) / p * (M - 1) / (M + 1)))
        elif state != "dead":
            return arb(0)
        elif M > 1:
            x = ((M * N * G / (share * r)).log() * (M + 1) / (M - 1)).exp()
            least = arb.min(least, 1 - r * (M - 1) / (M * x))
    return share * least / N


def _around_point(problem: Problem, witness: dict[str, Any], gap: Any, growth: Any) -> dict[str, Any]:
    """A penalised bias: how far every minimiser is from the point of the certificate.

    One layer: with E = (Z + b 1^T - I) D^(1/2), (1/(2N))|E - E*|^2 and (lambda_b/2)|b - b*|^2 are at most the gap. The
    Gram matrices are multiples of |X| = (X^T X)^(1/2) and |X^T|, X = Z D^(1/2), and ||A| - |B||_F <= sqrt(2) |A -
    B|_F; S = c H^T H of the point is |X| up to sqrt(K |S^2 - X^T X|_F) in the Frobenius norm.

    Several: point and minimiser are both within sqrt(2 gap/growth) of the minimiser of the tangent bound; the best b
    for X is (D^(1/2) - X) sqrt(n)/(N (1 + lambda_b)), and f grows by (1 + lambda_b)/2 times the squared distance from
    it.
    """
    K, (Z, features, classifier, bias) = problem.K, _expanded(problem, witness)
    roots = np.array([ball(n).sqrt() for n in problem.sizes], dtype=object)
    penalty, root_N = ball(Fraction(problem.bias)), ball(problem.N).sqrt()
    if problem.depth == 1:
        near_b = (2 * gap / penalty).sqrt()
        near = (2 * gap).sqrt() * root_N + near_b * root_N
    elif growth > 0:
        near = 2 * (2 * gap / growth).sqrt()
        near_b = (2 * gap / (1 + penalty)).sqrt() + near / (root_N * (1 + penalty))
    else:
        return {}
    if not 10 * near < root_N:
        return {}
    known: dict[str, Any] = {
        "logits": _widened(Z, near / np.broadcast_to(roots, (K, K))),
        "bias": _widened(bias, np.array([near_b] * K)),
    }
    known |= _distinct(problem, known["logits"])
    if problem.depth > 1:
        return known
    X, c, products = Z * roots, (ball(problem.lambda_h) / ball(problem.lambda_w)).sqrt(), np.outer(roots, roots)
    S, T = features * products * c, classifier / c
    error = sum((_norm(A @ A - B) * K for A, B in ((S, X.T @ X), (T, X @ X.T))), arb(0)).sqrt() + arb(2).sqrt() * near
    return known | {
        "gram_features": _widened(features, error / c / products),
        "gram_classifier": _widened(classifier, error * c + 0 * products),
    }


def _distinct(problem: Problem, logits: Array) -> dict[str, Any]:
    """Which classes certainly have features, and whether all classes certainly differ."""

    def nonzero(column: Array) -> bool:
        return any(z > 0 or z < 0 for z in column)

    alive = [nonzero(column) for column in logits.T]
    pairs = ((j, k) for j in range(problem.K) for k in range(j))
    return {
        "contrasts": tuple("alive" if all(alive[k] for k in c.members) else None for c in problem.clusters),
        "zero": () if all(alive) else None,
        "merged": () if all(nonzero(logits[:, j] - logits[:, k]) for j, k in pairs) else None,
    }


def _expanded(problem: Problem, witness: dict[str, Any]) -> tuple[Array, Array, Array, Array]:
    """Logits, Hbar^T Hbar, P P^T and bias of the point of a certificate, per class."""
    K, clusters = problem.K, problem.clusters
    owner = {k: g for g, c in enumerate(clusters) for k in c.members}
    layers, contrasts = [_read(part) for part in witness["layers"]], _read(witness["contrasts"])
    (bias,), (kept,) = _read(witness["bias"]), witness["kept"]["rows"]
    whole = [r == c.classes - 1 for r, c in zip(kept, clusters, strict=True)]

    def expand(block: Array, own: Sequence[Any]) -> Array:
        """(K, K) matrix of a block in the basis of cluster indicators plus contrasts."""
        table = np.empty((K, K), dtype=object)
        for j, k in np.ndindex(K, K):
            h, g = owner[j], owner[k]
            table[j, k] = block[h, g] / ball(clusters[h].classes * clusters[g].classes).sqrt()
            if h == g:
                table[j, k] += own[g] * whole[g] * (arb(j == k) - ball(Fraction(1, clusters[g].classes)))
        return table

    W, H, own = layers[0], layers[-1], contrasts[0]
    for layer, row in zip(layers[1:-1], contrasts[1:-1], strict=True):
        W, own = W @ layer, own * row
    bias_at = np.array([bias[owner[k]] for k in range(K)], dtype=object)
    return (
        expand(W @ H, own * contrasts[-1]),
        expand(H.T @ H, contrasts[-1] * contrasts[-1]),
        expand(W @ W.T, own * own),
        bias_at,
    )


def _read(data: dict[str, Any]) -> Array:
    return np.array([[arb((entry, -data["p"])) for entry in row] for row in data["rows"]], dtype=object)


def _norm(A: Array) -> Any:
    return sum((a * a for a in A.ravel()), arb(0)).sqrt()


def _widened(values: Array, radii: Array) -> Array:
    pairs = zip(values.ravel(), radii.ravel(), strict=True)
    return np.array([x + arb(0, r.upper()) for x, r in pairs], dtype=object).reshape(values.shape)
