"""Where vanishing weight decay leads with a cure: in words, and as angles between classifier rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from theory.conjectures.vanishing_decay import frame, max_margin, multipliers
from theory.hong_ling_2023.reduction import moduli
from theory.problem import Cluster, Problem

__all__ = ["Kind", "Limit", "limit"]

Array = NDArray[Any]
Kind = Literal["margin", "hinge", "sparsemax", "smoothing", "always ETF", "signs", "orthogonal", "relu", "budget"]
"""Why the limit is what it is: an exponential tail, a loss of its own, or an equality that holds at every decay."""

CLAIMS: dict[Kind, tuple[str, ...]] = {
    "margin": ("UC26-03",),
    "hinge": ("UC26-06",),
    "sparsemax": ("UC26-08",),
    "smoothing": ("NR26-10",),
    "always ETF": (),
    "signs": ("UC26-05",),
    "orthogonal": ("DA23-11",),
    "relu": ("DA24-04", "DA24-06", "DA24-12"),
    "budget": ("FA21-08",),
}


@dataclass(frozen=True)
class Limit:
    """What is left of the geometry.

    Attributes
    ----------
    words : of logits and factors.
    small, large : angle in degrees between the classifier rows of two classes of the smaller, of the larger size.
    claims : what it rests on.
    """

    words: str
    small: float
    large: float
    claims: tuple[str, ...]


def limit(kind: Kind, problem: Problem, small: Cluster, large: Cluster) -> Limit:
    """The limit of a cure.

    Parameters
    ----------
    kind : see :data:`Kind`.
    problem : its weight decay is not used.
    small, large : clusters of at least two classes, by their places.

    Examples
    --------
    >>> problem = Problem.ce([(9, 2), (9, 2)], 1)
    >>> found = limit("margin", problem, problem.clusters[0], problem.clusters[0])
    >>> found.words, round(found.small, 6)
    ('ETF', 109.471221)
    """
    gram = _rows(kind, problem)
    return Limit(_words(kind, problem), _angle(gram, small), _angle(gram, large), CLAIMS[kind])


def _rows(kind: Kind, problem: Problem) -> Array:
    """Gram matrix of the classifier rows, up to a factor and a scale per row."""
    one, K = 1.0, problem.K
    s, g = multipliers(problem, one)
    centring = np.eye(K) - 1 / K
    if kind == "signs":
        return moduli((2 * np.eye(K) - 1) * np.sqrt(g))[0]
    if kind == "relu":
        return np.asarray(centring @ np.diag(np.sqrt(g)) @ centring)
    if kind == "orthogonal":
        return np.eye(K)
    return centring if kind in ("always ETF", "budget") else moduli(frame(s, g))[0]


def _angle(gram: Array, cluster: Cluster) -> float:
    i, j = cluster.members[:2]
    return math.degrees(math.acos(gram[i, j] / math.sqrt(gram[i, i] * gram[j, j])))


def _words(kind: Kind, problem: Problem) -> str:
    if kind == "margin":
        return _max_margin_words(problem)
    return {
        "hinge": f"SELI, exactly up to λ = {_last(kind, problem):.3g}",
        "sparsemax": f"SELI, linearly in λ up to {_last(kind, problem):.3g}",
        "smoothing": "SELI; logits stay finite",
        "always ETF": "ETF, at every λ before collapse",
        "signs": "logits proportional to +1 on the own class, −1 elsewhere",
        "orthogonal": "orthogonal, at every λ before collapse",
        "relu": "orthogonal features, at every λ before collapse",
        "budget": "ETF as the budget grows",
    }[kind]


def _last(kind: Kind, problem: Problem) -> float:
    """Largest weight decay at which the hinge is at its limit (UC26-06), or sparsemax on a straight line (UC26-08)."""
    if kind == "sparsemax":
        return float(np.linalg.svd(frame(*multipliers(problem, 1.0)))[1][-2]) / float(problem.N)
    R = max_margin(problem, 1.0)[1]
    pairs = zip(problem.weights, problem.feature_decays, strict=True)
    return min(float(w / r) / float(R[k, k]) for k, (w, r) in enumerate(pairs)) / float(problem.N)


def _max_margin_words(problem: Problem) -> str:
    s, g = multipliers(problem, 1.0)
    if not np.allclose(s, s[0]):
        return "SELI weighted by 1/Δ²" if problem.scaling else "SELI weighted by s"
    if np.allclose(g, g[0]):
        return "ETF"
    plain = all(r == problem.feature_decays[0] for r in problem.feature_decays)
    return "SELI" if plain else "SELI of the sizes n·r"
