"""Model ``mse``: what the modes say about (W, H, b), explicit minimisers, and the descent on a penalised bias alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.optimize
from flint import arb
from numpy.typing import NDArray

from theory.optimum import State
from theory.problem import Problem
from verify.bracket import ball
from verify.mse import Mode, ModeState, Solved, projector, spectral

__all__ = ["alternatives", "at_modes", "construct", "facts", "penalised"]

Array = NDArray[Any]
LARGEST = 128
"""Classes up to which there are numbers per class."""
FEW = 12
"""Classes up to which several minimisers are written out where the minimiser is not unique."""


def _features(problem: Problem, found: Sequence[Solved]) -> tuple[State, ...]:
    """Whether the class means of each cluster vanish, in every minimiser."""
    common = [one for one in found if one.mode.kind in ("group", "mean")]
    states: list[State] = []
    for g in range(len(problem.clusters)):
        own = [one for one in found if one.mode.kind in ("class", "contrast") and one.mode.cluster == g]
        here = [one for one in (*own, *common) if one.mode.kept]
        if all(one.state == "dead" for one in here):
            states.append("dead")
        else:
            states.append("alive" if any(one.state == "alive" and one.settled for one in here) else None)
    return tuple(states)


def _merged(problem: Problem, found: Sequence[Solved], states: Sequence[State]) -> tuple[tuple[int, ...], ...]:
    """Groups of classes that coincide in every minimiser: all that vanish, and clusters without contrast."""
    zero = [k for c, s in zip(problem.clusters, states, strict=True) if s == "dead" for k in c.members]
    groups = [tuple(sorted(zero))] if len(zero) > 1 else []
    for one in found:
        dead = one.state == "dead" or one.mode.kept == 0
        if one.mode.kind == "contrast" and dead and states[one.mode.cluster] != "dead":
            groups.append(tuple(problem.clusters[one.mode.cluster].members))
    return tuple(sorted(groups))


def facts(problem: Problem, found: Sequence[Solved]) -> dict[str, Any]:
    """Fields of an :class:`theory.optimum.Optimum` that follow from its modes, for every minimiser.

    Textbook facts used: equality in von Neumann's trace inequality (the logits share the singular vectors of the
    labels), and the balance lambda_(m+1) W_(m+1)^T W_(m+1) = lambda_m W_m W_m^T of stationary points.

    Returns
    -------
    dict
        ``logits``, ``gram_features``, ``gram_classifier``, ``singular_values`` where the minimiser is unique up to
        rotations of the inner spaces; ``bias`` (not centred), ``contrasts``, ``rank``, ``merged``, ``zero`` and
        ``facts`` (see :mod:`verify.routes.mse_exact`) as far as they hold for every minimiser.
    """
    unknown = any(one.state is None and one.mode.kept for one in found)
    unique = None if unknown else all(one.settled for one in found)
    states = _features(problem, found)
    least = sum(one.mode.kept for one in found if one.state == "alive")
    most = sum(one.mode.kept for one in found if one.state != "dead")
    result: dict[str, Any] = {
        "contrasts": states,
        "rank": (least, most),
        "exact_contrasts": states,
        "exact_zero": None if unknown else least == 0,
        "facts": {"unique": unique},
    }
    if problem.K > LARGEST:
        return result
    vanish = [k for c, s in zip(problem.clusters, states, strict=True) if s == "dead" for k in c.members]
    result |= {"merged": None if unknown else _merged(problem, found, states), "zero": tuple(sorted(vanish))}
    result["facts"]["mode_states"] = _per_mode(problem, found)
    if isinstance(problem.bias, str):
        squares = [one.mode.ball for one in found for _ in range(one.mode.copies)]
        result["facts"]["modes"] = squares + [arb(0)] * (problem.K - len(squares))
    if not unknown and not any(one.state == "tie" and one.mode.kept for one in found):
        own, known = _lists(problem, found)
        result["singular_values"] = own
        result["facts"] |= known
    if unique is False and problem.K <= FEW:
        result["facts"]["alternatives"] = alternatives(problem, found)
    bias = _bias(problem, found)
    if bias is not None:
        result["bias"] = bias
    if unique:
        result |= _arrays(problem, found)
        result["facts"]["top_gram"] = spectral(problem, found, [one.energy / ball(problem.lambda_w) for one in found])
        result["facts"]["trace"] = sum(result["logits"].diagonal(), arb(0))
    return result


def _bias(problem: Problem, found: Sequence[Solved]) -> Array | None:
    """Class frequencies for a free bias; for a penalised one what minimises over b, unless the mean mode is tied."""
    if problem.bias == "none":
        return np.array([arb(0)] * problem.K, dtype=object)
    if problem.bias == "free":
        return np.array([ball(n / problem.N) for n in problem.sizes], dtype=object)
    mean = found[-1]
    if not mean.settled:
        return None
    p = mean.p if mean.mode.kept else arb(0)
    return np.array([(1 - p) / ball(problem.K * (1 + Fraction(problem.bias)))] * problem.K, dtype=object)


def _lists(problem: Problem, found: Sequence[Solved]) -> tuple[Array, dict[str, Any]]:
    """Singular values of Z D^(1/2), and what depends on the values of the modes alone; without ties."""
    copies = [(one, r < one.mode.kept) for one in found for r in range(one.mode.copies)]
    own = [one.p if kept else arb(0) for one, kept in copies]
    energies = [one.energy for one, kept in copies if kept]
    roots = [p * one.mode.ball.sqrt() for p, (one, _) in zip(own, copies, strict=True)]
    losses = [one.mode.ball * (ball(one.mode.share) * (1 - p)) ** 2 for p, (one, _) in zip(own, copies, strict=True)]
    decays = [ball(decay) for decay in (*problem.layers, problem.lambda_h)]
    padding, rest = [arb(0)] * (problem.K - len(energies)), [arb(0)] * (problem.K - len(own))
    known: dict[str, Any] = {
        "mode_values": own + rest,
        "factor_squares": [sum(energies, arb(0)) / decay for decay in decays],
        "factor_values": [[energy / decay for energy in energies] + padding for decay in decays],
        "data": sum(losses, arb(0)) / ball(2 * problem.N),
    }
    if problem.bias != "free":
        known["trace"] = sum(own, arb(0))
    return np.array(roots + rest, dtype=object), known


def alternatives(problem: Problem, found: Sequence[Solved]) -> list[dict[str, Any]]:
    """Some minimisers where they are not unique: other directions in a mode without room for all, other ranks at a tie.

    Returns
    -------
    list of dict
        ``value`` (evaluated at the logits and features), ``rank``, ``logits``, ``gram_features``, ``gram_classifier``.

    Examples
    --------
    >>> alternatives(Problem.mse([3, 2], 1), [])
    []
    """
    loose = next((one for one in found if one.mode.kept and not one.settled), None)
    if loose is None or loose.state is None:
        return []
    settled = [one if one is loose or one.state != "tie" else replace(one, state="dead") for one in found]
    results = []
    for r in range(loose.mode.kept + 1) if loose.state == "tie" else (loose.mode.kept,):
        for basis in _bases(problem, loose.mode)[: 1 if r in (0, loose.mode.copies) else None]:
            block = sum((np.outer(u, u) for u in basis[:r]), np.array([[arb(0)] * problem.K] * problem.K, dtype=object))
            rank = r + sum(one.mode.kept for one in settled if one is not loose and one.state == "alive")
            results.append({"rank": rank, **_with_block(problem, settled, loose, block)})
    return results


def _with_block(problem: Problem, found: Sequence[Solved], loose: Solved, block: Array) -> dict[str, Any]:
    """The minimiser whose part in the space of a mode is a given projector."""
    others = [one for one in found if one is not loose]
    arrays = _arrays(problem, others)
    extra = _centred(problem, block * loose.p, block * loose.feature)
    arrays["logits"] = arrays["logits"] + extra[0]
    arrays["gram_features"] = arrays["gram_features"] + extra[1]
    arrays["gram_classifier"] = arrays["gram_classifier"] + block * loose.classifier
    sizes = np.array([ball(n) for n in problem.sizes], dtype=object)
    Z, penalty = arrays["logits"], arb(0)
    b = sizes / ball(problem.N) if problem.bias == "free" else sizes * 0
    if isinstance(problem.bias, Fraction):
        b = b + (1 - Z.sum() / problem.K) / ball(problem.K * (1 + problem.bias))
        penalty = ball(problem.bias / 2) * (b @ b)
    misses = [(Z[j, k] + b[j] - (j == k)) for j in range(problem.K) for k in range(problem.K)]
    data = sum((e * e * n for e, n in zip(misses, list(sizes) * problem.K, strict=True)), arb(0)) / ball(2 * problem.N)
    energy = ball(problem.lambda_h) * sum(arrays["gram_features"].diagonal() * sizes, arb(0))
    return {"value": data + penalty + (problem.depth + 1) * energy / 2, **arrays}


def _bases(problem: Problem, mode: Mode) -> list[list[Array]]:
    """Orthonormal bases of the space of a mode, as vectors of length K."""
    members = problem.clusters[mode.cluster].members
    m = len(members)

    def vector(entries: Sequence[Any]) -> Array:
        found = np.array([arb(0)] * problem.K, dtype=object)
        norm = ball(sum(e * e for e in entries)).sqrt()
        for k, entry in zip(members, entries, strict=False):
            found[k] = arb(entry) / norm
        return found

    if mode.kind in ("group", "mean"):
        _, block = projector(problem, mode)
        return [[np.array(block[0], dtype=object) / block[0][0].sqrt()]]
    helmert = [vector([1] * i + [-i]) for i in range(1, m)]
    if mode.kind == "contrast":
        return [helmert, helmert[::-1]]
    units = [vector([0] * i + [1]) for i in range(m)]
    return [units, units[::-1], [vector([1] * m), *helmert]]


def _per_mode(problem: Problem, found: Sequence[Solved]) -> list[ModeState]:
    """State of each of K modes; without room, or the mode 0 of the free bias: dead."""
    states: list[ModeState] = [
        one.state if r < one.mode.kept else "dead" for one in found for r in range(one.mode.copies)
    ]
    return states + ["dead"] * (problem.K - len(states))


def _arrays(problem: Problem, found: Sequence[Solved]) -> dict[str, Array]:
    """Logits and Gram matrices that the modes add up to."""
    logits = spectral(problem, found, [one.p for one in found])
    features = spectral(problem, found, [one.feature for one in found])
    logits, features = _centred(problem, logits, features)
    return {
        "logits": logits,
        "gram_features": features,
        "gram_classifier": spectral(problem, found, [one.classifier for one in found]),
    }


def _centred(problem: Problem, logits: Array, features: Array) -> tuple[Array, Array]:
    """With a free bias the logits and class means of the samples have mean zero."""
    if problem.bias != "free":
        return logits, features
    shares = np.array([ball(n / problem.N) for n in problem.sizes], dtype=object)
    centring = np.array([[arb(j == k) for k in range(problem.K)] for j in range(problem.K)]) - shares[:, None]
    return logits @ centring, centring.T @ features @ centring


def at_modes(problem: Problem, found: Sequence[Solved]) -> Any:
    """The sum of the scalar objectives at the x of each mode, 0 for modes without room.

    By von Neumann's trace inequality and the variational formula of the Schatten quasi-norm (Horn, AM-GM), a lower
    bound if every x is the minimiser.

    Examples
    --------
    >>> from verify.mse import modes
    >>> problem = Problem.mse([8, 2], "1/10")
    >>> at_modes(problem, [Solved(mode, "dead", *[arb(0)] * 4) for mode in modes(problem)]).str(5, radius=False)
    '0.50000'
    """
    total = arb(0)
    for one in found:
        loss = ball(one.mode.share) * one.mode.ball / (2 * ball(problem.N))
        kept = loss * (1 - one.p) * (1 - one.p) + (problem.depth + 1) * one.energy / 2
        total += one.mode.kept * kept + (one.mode.copies - one.mode.kept) * loss
    return total


def construct(problem: Problem, found: Sequence[Solved], bias: Array) -> tuple[list[Array], Array]:
    """Layers W_M, ..., W_1 and class means of a minimiser, in floats; every mode copy gets a coordinate of its own.

    Examples
    --------
    >>> from verify.mse import modes
    >>> problem = Problem.mse([8, 2], "1/10")
    >>> solved = [Solved(mode, "alive", *[arb(1)] * 4) for mode in modes(problem)]
    >>> layers, H = construct(problem, solved, np.zeros(2))
    >>> (layers[0] @ H).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    sizes = np.array([float(n) for n in problem.sizes])
    target = (np.eye(problem.K) - bias[:, None]) * np.sqrt(sizes)
    triples = []
    for one in found:
        for u in _bases(problem, one.mode)[0][: one.mode.kept] if one.state in ("alive", "tie") else []:
            left = np.array([float(entry) for entry in u])
            right = target.T @ left
            norm = float(np.linalg.norm(right))
            triples.append((left, right / norm, float(one.p) * float(one.mode.ball) ** 0.5))
    return _factors(problem, triples)


def _factors(problem: Problem, triples: Sequence[tuple[Array, Array, float]]) -> tuple[list[Array], Array]:
    """Balanced layers and class means whose product times D^(1/2) is the sum of x u v^T."""
    L = problem.depth + 1
    decays = [float(decay) for decay in (*problem.layers, problem.lambda_h)]
    G = float(np.exp(np.log(decays).mean()))
    widths = [problem.K, *problem.layer_widths, problem.K]
    factors = [np.zeros(shape) for shape in pairwise(widths)]
    for i, (u, v, x) in enumerate(triples):
        for m, (factor, decay) in enumerate(zip(factors, decays, strict=True)):
            s = x ** (1 / L) * (G / decay) ** 0.5
            row = u if m == 0 else np.eye(len(factor))[i]
            column = v if m == L - 1 else np.eye(factor.shape[1])[i]
            factor += s * np.outer(row, column)
    return factors[:-1], factors[-1] / np.sqrt([float(n) for n in problem.sizes])


@lru_cache(maxsize=256)
def penalised(problem: Problem) -> tuple[float, Array, list[Array], Array]:
    """Descent on b alone for a penalised bias: (lambda_b/2)|b|^2 + sum of scalar minima for the labels less b (floats).

    Returns
    -------
    value, b, layers, H : the best of a few starts, and layers and class means that attain it.

    Examples
    --------
    >>> value, b, layers, H = penalised(Problem.mse([8, 2], "1/20", bias="1/2"))
    >>> round(value, 9), b.round(6).tolist()
    (0.162132034, [0.282843, 0.141421])
    """
    rng = np.random.default_rng(0)
    share = float(problem.bias) / (1 + float(problem.bias))
    frequencies = np.array([float(n / problem.N) for n in problem.sizes])
    starts = [
        frequencies,
        (1 - share) * frequencies,
        0 * frequencies,
        *rng.normal(size=(3, problem.K)) * frequencies.max(),
    ]
    options: Any = {"maxiter": 2000, "ftol": 0.0, "gtol": 1e-14}
    runs = [
        scipy.optimize.minimize(partial(_reduced, problem), start, jac=True, method="L-BFGS-B", options=options)
        for start in starts
    ]
    best = min(runs, key=lambda run: float(run.fun))
    left, sigma, right = np.linalg.svd(
        (np.eye(problem.K) - best.x[:, None]) * np.sqrt([float(n) for n in problem.sizes])
    )
    x = _scalar_minima(problem, sigma)
    triples = [(left[:, i], right[i], float(x[i])) for i in range(min(problem.dim, problem.K)) if x[i] > 0]
    return float(best.fun), best.x, *_factors(problem, triples)


def _reduced(problem: Problem, b: Array) -> tuple[float, Array]:
    """Objective after minimising over all factors, and its gradient in b."""
    roots, N, L = np.sqrt([float(n) for n in problem.sizes]), float(problem.N), problem.depth + 1
    left, sigma, right = np.linalg.svd((np.eye(problem.K) - b[:, None]) * roots)
    x = _scalar_minima(problem, sigma)
    x[problem.dim :] = 0
    value = float(((x - sigma) ** 2).sum()) / (2 * N) + L / 2 * float(problem.product) ** (1 / L) * (x ** (2 / L)).sum()
    slope = -((left * (sigma - x)) @ right) @ roots / N
    return float(value + float(problem.bias) / 2 * b @ b), slope + float(problem.bias) * b


def _scalar_minima(problem: Problem, sigma: Array) -> Array:
    """Minimisers x of modes with share 1 and the given singular values, in floats."""
    M, mu = problem.depth, np.maximum(sigma, 1e-300) ** 2
    logs = (M + 1) * math.log(problem.N) + math.log(problem.product) - M * np.log(mu)
    e = np.zeros(len(sigma))
    with np.errstate(all="ignore"):
        for _ in range(80):  # increases to 1 - p, or beyond 1/M
            e = np.exp((logs - (M - 1) * np.log1p(-np.minimum(e, 1 / M))) / (M + 1)) if M > 1 else np.exp(logs / 2)
    return np.where(e < 1 / M, (1 - e) * sigma, 0.0)
