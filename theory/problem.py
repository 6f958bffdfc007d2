"""One optimisation problem of the unconstrained-features model, in exact numbers.

The canonical objective (mean loss, halves) over W (K x d), H (one feature per sample) and b (K):

    (1/N) sum_i w_{y_i} CE(W h_i + b, y_i) + (lambda_w/2)|W|^2 + (lambda_h/2)|H|^2 + (lambda_b/2)|b|^2

with CE(z, k) = logsumexp(z) - z_k, N the number of samples and w_k the weight of class k (default 1; a
weight multiplies the loss only, N keeps its meaning). Model ``ce-relu`` is the same under H >= 0. Every
route's answer is finally evaluated with :meth:`Problem.objective`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from math import isqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["MODELS", "Bias", "Cluster", "Problem", "Run"]

MODELS = ("ce", "ce-relu")

Bias = Literal["none", "free"] | Fraction
Exact = int | str | Fraction
Array = NDArray[Any]


@dataclass(frozen=True, order=True)
class Run:
    """Consecutive classes that share size and loss weight."""

    size: Fraction
    repeat: int
    weight: Fraction = Fraction(1)


@dataclass(frozen=True)
class Cluster:
    """All classes of one size and loss weight; ``ranges`` are their [first, last] numbers."""

    size: Fraction
    weight: Fraction
    classes: int
    ranges: tuple[tuple[int, int], ...]

    @property
    def members(self) -> list[int]:
        """Class numbers, ascending."""
        return [k for first, last in self.ranges for k in range(first, last + 1)]


@dataclass(frozen=True)
class Problem:
    """A cross-entropy problem; build it with :meth:`ce`.

    Attributes
    ----------
    runs : tuple of Run
        The classes in the order given, run-length encoded (10^6 equal classes cost one entry).
    lambda_w, lambda_h : Fraction
        Weight decay of W and of H in the canonical normalisation (halves, mean loss), positive.
    bias : 'none', 'free' or Fraction
        A Fraction is the penalty lambda_b > 0 of (lambda_b/2)|b|^2; ``mu`` of the papers is lambda_b/2.
    dim : int
        Feature dimension d.
    model : 'ce' (any features) or 'ce-relu' (no feature has a negative entry).
    """

    runs: tuple[Run, ...]
    lambda_w: Fraction
    lambda_h: Fraction
    bias: Bias = "none"
    dim: int = 0
    model: str = "ce"

    @classmethod
    def ce(
        cls,
        counts: Iterable[Exact | tuple[Exact, int]],
        lambda_w: Exact,
        lambda_h: Exact | None = None,
        bias: Literal["none", "free"] | Exact = "none",
        weights: Iterable[Exact | tuple[Exact, int]] | None = None,
        dim: int | None = None,
        model: str = "ce",
    ) -> Problem:
        """Build a problem from class sizes, checking every number.

        Parameters
        ----------
        counts : sizes, or (size, repeat) pairs, in class order; positive rationals.
        lambda_w, lambda_h : positive rationals; ``lambda_h`` defaults to ``lambda_w``.
        bias : 'none', 'free', or the penalty lambda_b > 0.
        weights : loss weight per class (or (weight, repeat) pairs), positive; default all 1.
        dim : feature dimension, at least 1; default K.
        model : 'ce' or 'ce-relu'.

        Raises
        ------
        ValueError
            Naming the input and the rule it breaks.

        Examples
        --------
        >>> p = Problem.ce([(120, 4), (25, 3)], "1/111")
        >>> p.K, p.N, p.x2
        (7, Fraction(555, 1), Fraction(25, 1))
        >>> [(str(c.size), c.classes) for c in p.clusters]
        [('120', 4), ('25', 3)]
        """
        sizes = _runs(counts, "counts")
        K = sum(repeat for _, repeat in sizes)
        if K < 2:
            raise ValueError("counts: at least two classes are needed")
        factors = _runs(weights, "class weights") if weights is not None else [(Fraction(1), K)]
        if sum(repeat for _, repeat in factors) != K:
            raise ValueError(f"class weights: {sum(r for _, r in factors)} weights for {K} classes")
        if dim is not None and dim < 1:
            raise ValueError("dim: the feature dimension must be at least 1")
        if model not in MODELS:
            raise ValueError(f"model: unknown model {model!r}")
        lam_w = _positive(lambda_w, "lambda_w")
        return cls(
            runs=tuple(_zip_runs(sizes, factors)),
            lambda_w=lam_w,
            lambda_h=lam_w if lambda_h is None else _positive(lambda_h, "lambda_h"),
            bias=bias if bias in ("none", "free") else _positive(bias, "bias"),  # type: ignore[arg-type]
            dim=K if dim is None else dim,
            model=model,
        )

    @cached_property
    def K(self) -> int:
        """Number of classes."""
        return sum(run.repeat for run in self.runs)

    @cached_property
    def N(self) -> Fraction:
        """Number of samples (rational when sizes are)."""
        return sum((run.size * run.repeat for run in self.runs), Fraction(0))

    @property
    def lam2(self) -> Fraction:
        """lam^2 = lambda_w * lambda_h, exact."""
        return self.lambda_w * self.lambda_h

    @property
    def x2(self) -> Fraction:
        """x^2 = (lam N)^2, exact; x is the only combination of lam and N that matters."""
        return self.lam2 * self.N**2

    @property
    def sizes(self) -> list[Fraction]:
        """Size of every class, in order (K entries)."""
        return [run.size for run in self.runs for _ in range(run.repeat)]

    @property
    def weights(self) -> list[Fraction]:
        """Loss weight of every class, in order (K entries)."""
        return [run.weight for run in self.runs for _ in range(run.repeat)]

    @cached_property
    def clusters(self) -> tuple[Cluster, ...]:
        """Classes grouped by (size, weight), largest size first."""
        ranges: dict[tuple[Fraction, Fraction], list[tuple[int, int]]] = {}
        start = 0
        for run in self.runs:
            ranges.setdefault((run.size, run.weight), []).append((start, start + run.repeat - 1))
            start += run.repeat
        return tuple(
            Cluster(size, weight, sum(b - a + 1 for a, b in spans), tuple(spans))
            for (size, weight), spans in sorted(ranges.items(), key=lambda item: (-item[0][0], -item[0][1]))
        )

    def at(self, x2: Exact) -> Problem:
        """Same classes with weight decays such that x^2 = (lam N)^2 is exactly ``x2`` (lambda_w close to lambda_h).

        Examples
        --------
        >>> Problem.ce([120, 120, 25, 25], 1).at(25).x2
        Fraction(25, 1)
        """
        lam2 = _positive(x2, "x2") / self.N**2
        a, b = lam2.numerator, lam2.denominator
        lambda_h = Fraction(isqrt(a * b * 10**12), b * 10**6)
        return replace(self, lambda_w=lam2 / lambda_h, lambda_h=lambda_h)

    def tilted(self, ratio: Exact, dim: int) -> Problem:
        """Same optimum of the logits: lambda_w * ratio, lambda_h / ratio, feature dimension ``dim``.

        Examples
        --------
        >>> Problem.ce([2, 1], "0.1").tilted(2, 5).lam2
        Fraction(1, 100)
        """
        factor = _positive(ratio, "ratio")
        return replace(self, lambda_w=self.lambda_w * factor, lambda_h=self.lambda_h / factor, dim=dim)

    def canonical(self) -> dict[str, Any]:
        """Return the problem as JSON data with exact numbers as strings.

        Examples
        --------
        >>> Problem.ce([3, 3, 1], "0.5").canonical()["counts"]
        [['3', 2], ['1', 1]]
        """
        unweighted = all(run.weight == 1 for run in self.runs)
        return {
            "model": self.model,
            "counts": _encode((run.size, run.repeat) for run in self.runs),
            "options": {
                "lambda_w": str(self.lambda_w),
                "lambda_h": str(self.lambda_h),
                "bias": str(self.bias),
                "class_weights": None if unweighted else _encode((run.weight, run.repeat) for run in self.runs),
                "dim": self.dim,
            },
        }

    @classmethod
    def from_canonical(cls, data: dict[str, Any]) -> Problem:
        """Read what :meth:`canonical` wrote (checked like any input).

        Examples
        --------
        >>> p = Problem.ce([3, 3, 1], "0.5", bias="free", weights=[1, 1, 2])
        >>> Problem.from_canonical(p.canonical()) == p
        True
        """
        try:
            options = data["options"]
            return cls.ce(
                [(size, repeat) for size, repeat in data["counts"]],
                options["lambda_w"],
                options["lambda_h"],
                options["bias"],
                None if options["class_weights"] is None else [(w, r) for w, r in options["class_weights"]],
                options["dim"],
                data["model"],
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"problem: not a canonical problem description ({error})") from None

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON (sorted keys, no spaces)."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def objective(self, W: Array, H: Array, b: Array | None = None) -> float:
        """Canonical objective at a point.

        Parameters
        ----------
        W : (K, d) classifier.
        H : (d, N) one feature per sample, samples sorted by class; or (d, K) one feature per class, shared
            by its n_k samples (then sizes may be fractional).
        b : (K,) bias, or None. Must be None or zero when the problem has no bias.

        Returns
        -------
        float
            Mean loss plus penalties, in the normalisation of the module docstring.

        Raises
        ------
        ValueError
            If the shapes do not fit, a bias is given to a problem without one, or H has a negative entry in
            model ``ce-relu``.

        Examples
        --------
        >>> p = Problem.ce([2, 1], "0.1")
        >>> round(p.objective(np.zeros((2, 2)), np.zeros((2, 3))), 12) == round(float(np.log(2)), 12)
        True
        """
        K, N = self.K, self.N
        sizes = np.array([float(n) for n in self.sizes])
        classes = np.arange(K)
        if H.shape[1] == K:
            labels, repeats = classes, sizes
        elif N.denominator == 1 and H.shape[1] == int(N):
            labels, repeats = np.repeat(classes, sizes.astype(int)), np.ones(int(N))
        else:
            raise ValueError(f"H: expected {K} or {N} columns, got {H.shape[1]}")
        if W.shape != (K, H.shape[0]):
            raise ValueError(f"W: expected shape {(K, H.shape[0])}, got {W.shape}")
        bias = np.zeros(K) if b is None else np.asarray(b, dtype=float)
        if self.bias == "none" and bias.any():
            raise ValueError("b: this problem has no bias")
        if self.model == "ce-relu" and not (H >= 0).all():
            raise ValueError("H: a feature has a negative entry")
        logits = W @ H + bias[:, None]
        top = logits.max(axis=0)
        losses = top + np.log(np.exp(logits - top).sum(axis=0)) - logits[labels, np.arange(len(labels))]
        factor = np.array([float(w) for w in self.weights])[labels]
        value = (repeats * factor) @ losses / float(N)
        value += float(self.lambda_w) / 2 * (W**2).sum() + float(self.lambda_h) / 2 * ((H**2).sum(axis=0) @ repeats)
        if isinstance(self.bias, Fraction):
            value += float(self.bias) / 2 * float(bias @ bias)
        return float(value)


def _positive(value: Exact, name: str) -> Fraction:
    """Exact positive rational from an integer, a decimal or fraction string, or a Fraction."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Fraction)):
        raise ValueError(f"{name}: {value!r} is not an exact number")
    if isinstance(value, str) and len(value) > 10_000:
        raise ValueError(f"{name}: a number of {len(value)} characters is too long")
    try:
        number = Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{name}: {value!r} is not a finite rational number") from None
    if number <= 0:
        raise ValueError(f"{name}: {value!r} is not positive")
    return number


def _runs(values: Iterable[Exact | tuple[Exact, int]], name: str) -> list[tuple[Fraction, int]]:
    """(value, repeat) pairs with neighbours of equal value joined."""
    pairs = []
    for item in values:
        value, repeat = item if isinstance(item, tuple) else (item, 1)
        if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 1:
            raise ValueError(f"{name}: the repeat {repeat!r} is not a positive integer")
        pairs.append((_positive(value, name), repeat))
    return [(value, sum(r for _, r in group)) for value, group in groupby(pairs, key=lambda pair: pair[0])]


def _zip_runs(sizes: Sequence[tuple[Fraction, int]], weights: Sequence[tuple[Fraction, int]]) -> Iterable[Run]:
    """Refine two run-length encodings of the same length to one."""
    left, right = list(reversed(sizes)), list(reversed(weights))
    while left:
        (size, m), (weight, n) = left.pop(), right.pop()
        step = min(m, n)
        if m > step:
            left.append((size, m - step))
        if n > step:
            right.append((weight, n - step))
        yield Run(size, step, weight)


def _encode(runs: Iterable[tuple[Fraction, int]]) -> list[list[Any]]:
    joined = groupby(runs, key=lambda pair: pair[0])
    return [[str(value), sum(r for _, r in group)] for value, group in joined]
