"""One optimisation problem of the unconstrained-features model, in exact numbers.

The canonical objective of model ``ce`` (mean loss, halves) over W (K x d), H (one feature per sample) and b (K):

    (1/N) sum_i w_{y_i} CE(W h_i + b, y_i) + (lambda_w/2)|W|^2 + (lambda_h/2)|H|^2 + (lambda_b/2)|b|^2

with CE(z, k) = logsumexp(z) - z_k, N the number of samples and w_k the weight of class k (default 1; a
weight multiplies the loss only, N keeps its meaning). The other models:

* ``ce-relu``: the same under H >= 0.
* ``ce`` and ``mse`` with depth M: W = W_M ... W_1, the penalty is sum_m (lambda_m/2)|W_m|^2. ``mse`` has the loss
  (1/(2N)) |W H + b 1^T - Y|^2 for one-hot Y instead of CE.
* ``uf-svm``: (|W|^2 + |H|^2)/2 subject to (w_{y_i} - w_c)^T h_i >= 1 for all i and all c != y_i.
* ``layer-peeled``: (1/N) sum_i w_{y_i} CE(W h_i, y_i) subject to |W|^2 <= K E_W and
  sum_k (1/n_k) sum_i |h_ki|^2 <= K E_H.
* ``ce-sphere``: sum_i log(1 + sum_{j != i} exp(a (<u_i, v_j> - <u_i, v_i>))) over unit vectors (the SUM of the losses);
  two families u, v or one, u = v.

Models ``ce``, ``ce-relu`` and ``layer-peeled`` (one layer) may have another loss and knobs, see
:meth:`Problem.with_loss`: with u_k = Delta * z_k / tau + iota and targets y_k the objective of ``ce`` is

    sum_k (w_k/N) sum_i loss(u_ki, y_k) + (lambda_w/2) sum_j s_j |row j of W|^2 + (lambda_h/2) sum_k r_k sum_i |h_ki|^2

with Delta_j = (n_j/n_max)^scaling, iota_j = adjustment log(n_j/N), tau the loss temperature, s_j = row decay and r_k =
feature decay.

Every route's answer is finally evaluated with :meth:`Problem.objective`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from math import isqrt, prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from theory import losses

__all__ = ["MODELS", "Bias", "Cluster", "Problem", "Run"]

MODELS = ("ce", "ce-relu", "mse", "uf-svm", "layer-peeled", "ce-sphere")

KNOBS = (
    "loss",
    "smoothing",
    "adjustment",
    "scaling",
    "loss_temperature",
    "feature_decay",
    "row_decay",
    "targets",
)
"""The parameters of :meth:`Problem.with_loss`."""

Bias = Literal["none", "free"] | Fraction
Exact = int | str | Fraction
Array = NDArray[Any]


@dataclass(frozen=True, order=True)
class Run:
    """Consecutive classes that share size, loss weight and multipliers of the weight decay."""

    size: Fraction
    repeat: int
    weight: Fraction = Fraction(1)
    feature_decay: Fraction = Fraction(1)
    row_decay: Fraction = Fraction(1)


@dataclass(frozen=True)
class Cluster:
    """Classes equal in all that is given per class; ``ranges`` are their [first, last] numbers."""

    size: Fraction
    weight: Fraction
    classes: int
    ranges: tuple[tuple[int, int], ...]
    feature_decay: Fraction = Fraction(1)
    row_decay: Fraction = Fraction(1)

    @property
    def members(self) -> list[int]:
        """Class numbers, ascending."""
        return [k for first, last in self.ranges for k in range(first, last + 1)]


@dataclass(frozen=True)
class Problem:
    """A problem of one of the :data:`MODELS`; build it with the constructor of its model.

    Attributes
    ----------
    runs : tuple of Run
        The classes in the order given, run-length encoded (10^6 equal classes cost one entry).
    lambda_w, lambda_h : Fraction
        Weight decay of W (of W_M where there are several layers) and of H in the canonical normalisation, positive.
        1 in the models without weight decay.
    bias : 'none', 'free' or Fraction
        A Fraction is the penalty lambda_b > 0 of (lambda_b/2)|b|^2; ``mu`` of the papers is lambda_b/2.
    dim : int
        Feature dimension d; the smallest width where there are several layers.
    model : one of :data:`MODELS`.
    deeper : weight decays of W_{M-1}, ..., W_1; empty at depth 1.
    widths : d_M, ..., d_1, d_m the width of the input of W_m (H is d_1 x N); empty where all are ``dim``.
    e_w, e_h : budgets per class of W and of H (``layer-peeled``).
    temperature, families : the inverse temperature a, and 2 for (u, v) or 1 for u = v (``ce-sphere``).
    loss, smoothing, adjustment, scaling, loss_temperature, targets : see :meth:`with_loss`.
    """

    runs: tuple[Run, ...]
    lambda_w: Fraction = Fraction(1)
    lambda_h: Fraction = Fraction(1)
    bias: Bias = "none"
    dim: int = 0
    model: str = "ce"
    deeper: tuple[Fraction, ...] = ()
    widths: tuple[int, ...] = ()
    e_w: Fraction = Fraction(1)
    e_h: Fraction = Fraction(1)
    temperature: Fraction = Fraction(1)
    families: int = 2
    loss: str = "ce"
    smoothing: Fraction = Fraction(0)
    adjustment: Fraction = Fraction(0)
    scaling: Fraction = Fraction(0)
    loss_temperature: Fraction = Fraction(1)
    targets: tuple[tuple[Fraction, ...], ...] = ()

    @classmethod
    def ce(
        cls,
        counts: Iterable[Exact | tuple[Exact, int]],
        lambda_w: Exact | Sequence[Exact],
        lambda_h: Exact | None = None,
        bias: Literal["none", "free"] | Exact = "none",
        weights: Iterable[Exact | tuple[Exact, int]] | None = None,
        dim: int | None = None,
        model: str = "ce",
        widths: Sequence[int] | None = None,
    ) -> Problem:
        """Build a cross-entropy problem with weight decay, checking every number.

        Parameters
        ----------
        counts : sizes, or (size, repeat) pairs, in class order; positive rationals.
        lambda_w, lambda_h : positive rationals; ``lambda_h`` defaults to ``lambda_w``. A sequence is one decay
            per layer, W_M first.
        bias : 'none', 'free', or the penalty lambda_b > 0.
        weights : loss weight per class (or (weight, repeat) pairs), positive; default all 1. Depth 1 only.
        dim : feature dimension, at least 1; default K.
        model : 'ce' or 'ce-relu'.
        widths : d_M, ..., d_1 instead of ``dim``.

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
        if model not in ("ce", "ce-relu"):
            raise ValueError(f"model: unknown model {model!r}")
        problem = cls._build(model, counts, weights, dim)._decayed(lambda_w, lambda_h, bias, widths)
        if problem.deeper and model == "ce-relu":
            raise ValueError("lambda_w: model ce-relu has one layer")
        if problem.deeper and weights is not None:
            raise ValueError("class weights: only at depth 1")
        return problem

    @classmethod
    def mse(
        cls,
        counts: Iterable[Exact | tuple[Exact, int]],
        lambda_w: Exact | Sequence[Exact],
        lambda_h: Exact | None = None,
        bias: Literal["none", "free"] | Exact = "none",
        dim: int | None = None,
        widths: Sequence[int] | None = None,
    ) -> Problem:
        """Build a problem of the deep linear model with squared loss; the arguments are those of :meth:`ce`.

        Examples
        --------
        >>> p = Problem.mse([9, 6, 4], ["1/10", "1/20"], "1/30", widths=[5, 3])
        >>> p.depth, p.layer_widths, p.dim, p.product
        (2, (5, 3), 3, Fraction(1, 6000))
        """
        return cls._build("mse", counts, None, dim)._decayed(lambda_w, lambda_h, bias, widths)

    @classmethod
    def svm(cls, counts: Iterable[Exact | tuple[Exact, int]], dim: int | None = None) -> Problem:
        """Build a max-margin problem.

        Examples
        --------
        >>> Problem.svm([5, 1, 1]).model
        'uf-svm'
        """
        return cls._build("uf-svm", counts, None, dim)

    @classmethod
    def peeled(
        cls,
        counts: Iterable[Exact | tuple[Exact, int]],
        e_w: Exact = 1,
        e_h: Exact = 1,
        weights: Iterable[Exact | tuple[Exact, int]] | None = None,
        dim: int | None = None,
    ) -> Problem:
        """Build a layer-peeled problem; only the ratios of n_k w_k matter, and a weight may be 0 (but not all).

        Examples
        --------
        >>> Problem.peeled([(3, 3), (2, 2)], 2, "1/2").budget2
        Fraction(25, 1)
        """
        problem = cls._build("layer-peeled", counts, weights, dim)
        return replace(problem, e_w=_positive(e_w, "e_w"), e_h=_positive(e_h, "e_h"))

    @classmethod
    def sphere(cls, n: int, dim: int | None = None, temperature: Exact = 1, families: int = 2) -> Problem:
        """Build a problem of n unit vectors per family in R^dim (default n - 1).

        Examples
        --------
        >>> Problem.sphere(5, 2, "3/2", families=1).dim
        2
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 2:
            raise ValueError("n: at least two vectors are needed")
        if families not in (1, 2):
            raise ValueError("families: 1 (u = v) or 2")
        problem = cls._build("ce-sphere", [(1, n)], None, n - 1 if dim is None else dim)
        return replace(problem, temperature=_positive(temperature, "temperature"), families=families)

    def with_loss(
        self,
        loss: str = "ce",
        *,
        smoothing: Exact = 0,
        adjustment: Exact = 0,
        scaling: Exact = 0,
        loss_temperature: Exact = 1,
        feature_decay: Iterable[Exact | tuple[Exact, int]] | None = None,
        row_decay: Iterable[Exact | tuple[Exact, int]] | None = None,
        targets: Sequence[Sequence[Exact]] | None = None,
    ) -> Problem:
        """The same problem with another loss and other knobs; what is not given takes its default.

        Parameters
        ----------
        loss : name in :mod:`theory.losses`, with its parameter after a colon.
        smoothing : eps in [0, 1): targets (1 - eps) e_k + (eps/K) 1.
        adjustment : iota_j = adjustment * log(n_j/N); 1 is balanced softmax.
        scaling : Delta_j = (n_j/n_max)^scaling.
        loss_temperature : tau > 0, the logits are divided by it.
        feature_decay, row_decay : r_k and s_j > 0 per class, or (value, repeat) pairs; default 1. Not in model
            ``layer-peeled``.
        targets : y_k for every class k, nonnegative, sum 1; instead of ``smoothing``.

        Raises
        ------
        ValueError
            Naming the input and the rule it breaks.

        Examples
        --------
        >>> p = Problem.ce([(18, 2), (7, 3)], "1/100", weights=[(1, 2), ("3/2", 3)]).with_loss(smoothing="0.1")
        >>> p.key, p.contrast(p.clusters[1])
        ('loss', Fraction(9, 10))
        >>> Problem.ce([3, 2], 1).with_loss("ce").key
        'ce'
        """
        if self.model not in ("ce", "ce-relu", "layer-peeled") or self.deeper:
            raise ValueError(f"loss: model {self.model} with {self.depth} layers has its own loss only")
        runs = self._multiplied(feature_decay, row_decay)
        if self.model == "layer-peeled" and any(run.feature_decay != 1 or run.row_decay != 1 for run in runs):
            raise ValueError("feature decay, row decay: model layer-peeled has no weight decay")
        eps = _positive(smoothing, "smoothing", zero=True)
        if eps >= 1:
            raise ValueError(f"smoothing: {eps} is not below 1")
        spec = losses.canonical(loss)
        soft = tuple(_distribution(target, self.K) for target in targets or ())
        if soft and (eps or len(soft) != self.K):
            raise ValueError(f"targets: one for each of {self.K} classes, and no smoothing beside them")
        if (soft or eps) and not losses.find(spec).soft:
            raise ValueError(f"loss: {spec} has one-hot targets only")
        one_hot = soft == tuple(tuple(Fraction(int(j == k)) for j in range(self.K)) for k in range(len(soft)))
        return replace(
            self,
            runs=runs,
            loss=spec,
            smoothing=eps,
            adjustment=_positive(adjustment, "adjustment", zero=True),
            scaling=_positive(scaling, "scaling", zero=True),
            loss_temperature=_positive(loss_temperature, "loss temperature"),
            targets=() if one_hot else soft,
        )

    def _multiplied(self, *decays: Iterable[Exact | tuple[Exact, int]] | None) -> tuple[Run, ...]:
        """The runs with feature decay and row decay."""
        names = "feature decay", "row decay"
        found = []
        for name, decay in zip(names, decays, strict=True):
            pairs = [(Fraction(1), self.K)] if decay is None else _runs(decay, name)
            if sum(repeat for _, repeat in pairs) != self.K:
                raise ValueError(f"{name}: {sum(r for _, r in pairs)} values for {self.K} classes")
            found.append([value for value, repeat in pairs for _ in range(repeat)] if decay is not None else None)
        if found == [None, None]:
            return tuple(replace(run, feature_decay=Fraction(1), row_decay=Fraction(1)) for run in self.runs)
        ones = [Fraction(1)] * self.K
        each = zip(self.sizes, self.weights, found[0] or ones, found[1] or ones, strict=True)
        return tuple(Run(data[0], len(list(group)), *data[1:]) for data, group in groupby(each))

    @classmethod
    def _build(
        cls,
        model: str,
        counts: Iterable[Exact | tuple[Exact, int]],
        weights: Iterable[Exact | tuple[Exact, int]] | None,
        dim: int | None,
    ) -> Problem:
        sizes = _runs(counts, "counts")
        K = sum(repeat for _, repeat in sizes)
        if K < 2:
            raise ValueError("counts: at least two classes are needed")
        zero = model == "layer-peeled"
        factors = _runs(weights, "class weights", zero=zero) if weights is not None else [(Fraction(1), K)]
        if sum(repeat for _, repeat in factors) != K:
            raise ValueError(f"class weights: {sum(r for _, r in factors)} weights for {K} classes")
        if not any(weight for weight, _ in factors):
            raise ValueError("class weights: all are zero")
        if dim is not None and dim < 1:
            raise ValueError("dim: the feature dimension must be at least 1")
        return cls(tuple(_zip_runs(sizes, factors)), dim=K if dim is None else dim, model=model)

    def _decayed(
        self,
        lambda_w: Exact | Sequence[Exact],
        lambda_h: Exact | None,
        bias: Literal["none", "free"] | Exact,
        widths: Sequence[int] | None,
    ) -> Problem:
        """The problem with weight decays, bias and widths."""
        several = isinstance(lambda_w, Sequence) and not isinstance(lambda_w, str)
        decays: list[Exact] = list(lambda_w) if several else [lambda_w]  # type: ignore[arg-type, list-item]
        if not decays:
            raise ValueError("lambda_w: at least one layer is needed")
        layers = [_positive(decay, "lambda_w") for decay in decays]
        if widths is not None and (len(widths) != len(layers) or any(width < 1 for width in widths)):
            raise ValueError(f"widths: {len(layers)} positive numbers are needed, one per layer")
        equal = widths is None or len(set(widths)) == 1
        return replace(
            self,
            lambda_w=layers[0],
            deeper=tuple(layers[1:]),
            lambda_h=layers[-1] if lambda_h is None else _positive(lambda_h, "lambda_h"),
            bias=bias if bias in ("none", "free") else _positive(bias, "bias"),  # type: ignore[arg-type]
            dim=self.dim if widths is None else min(widths),
            widths=() if equal or widths is None else tuple(widths),
        )

    @property
    def key(self) -> str:
        """The model, but 'ce-deep' for cross-entropy with several layers, 'loss' with a loss or knob of its own."""
        knobs = self.smoothing, self.adjustment, self.scaling, self.loss_temperature - 1, self.targets
        if self.loss != "ce" or any(knobs) or any(run.feature_decay != 1 or run.row_decay != 1 for run in self.runs):
            return "loss"
        return "ce-deep" if self.model == "ce" and self.deeper else self.model

    @property
    def layers(self) -> tuple[Fraction, ...]:
        """Weight decays of W_M, ..., W_1."""
        return (self.lambda_w, *self.deeper)

    @property
    def depth(self) -> int:
        """Number M of linear layers on H."""
        return 1 + len(self.deeper)

    @property
    def layer_widths(self) -> tuple[int, ...]:
        """d_M, ..., d_1."""
        return self.widths or (self.dim,) * self.depth

    @property
    def product(self) -> Fraction:
        """Lam, the product of all weight decays, that of H included."""
        return prod(self.layers, start=self.lambda_h)

    @property
    def budget2(self) -> Fraction:
        """T^2 = K^2 E_W E_H, the square of the nuclear budget of the layer-peeled model."""
        return self.K**2 * self.e_w * self.e_h

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

    @property
    def feature_decays(self) -> list[Fraction]:
        """r_k of every class, in order (K entries)."""
        return [run.feature_decay for run in self.runs for _ in range(run.repeat)]

    @property
    def row_decays(self) -> list[Fraction]:
        """s_j of every class, in order (K entries)."""
        return [run.row_decay for run in self.runs for _ in range(run.repeat)]

    @cached_property
    def target_columns(self) -> tuple[tuple[Fraction, ...], ...]:
        """y_k of every class: given, smoothed or one-hot (K x K entries; a cluster needs :meth:`contrast` only)."""
        if self.targets:
            return self.targets
        rest = self.smoothing / self.K
        own = 1 - self.smoothing + rest
        return tuple(tuple(own if j == k else rest for j in range(self.K)) for k in range(self.K))

    def contrast(self, cluster: Cluster) -> Fraction:
        """Kappa of a cluster of at least two classes: its target of the own class minus that of a sibling.

        Examples
        --------
        >>> p = Problem.ce([2, 2], 1).with_loss(targets=[["0.8", "0.2"], ["0.2", "0.8"]])
        >>> p.contrast(p.clusters[0])
        Fraction(3, 5)
        """
        if not self.targets:
            return 1 - self.smoothing
        first, second = cluster.members[:2]
        return self.targets[first][first] - self.targets[first][second]

    @cached_property
    def clusters(self) -> tuple[Cluster, ...]:
        """Classes equal in size, weight, decay multipliers and role in the targets; largest size first."""
        ranges: dict[tuple[Fraction, ...], list[tuple[int, int]]] = {}
        start = 0
        for run in self.runs:
            data = (-run.size, -run.weight, run.feature_decay, run.row_decay)
            ranges.setdefault(data, []).append((start, start + run.repeat - 1))
            start += run.repeat
        return tuple(
            Cluster(-size, -weight, sum(b - a + 1 for a, b in spans), tuple(spans), r, s)
            for (size, weight, r, s), together in sorted(ranges.items())
            for spans in self._alike(together)
        )

    def _alike(self, ranges: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        """Classes split into groups in which exchanging two classes (rows and columns) leaves the targets alone."""
        if not self.targets:
            return [ranges]
        groups: list[list[int]] = []
        for k in (k for first, last in ranges for k in range(first, last + 1)):
            group = next((group for group in groups if self._exchangeable(group[0], k)), None)
            if group is None:
                groups.append([k])
            else:
                group.append(k)
        return [[(k, k) for k in group] for group in groups]

    def _exchangeable(self, a: int, b: int) -> bool:
        order = list(range(self.K))
        order[a], order[b] = b, a
        return all(self.targets[k][j] == self.targets[order[k]][order[j]] for k in range(self.K) for j in range(self.K))

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
        """Return the problem as JSON data with exact numbers as strings; ``options`` are those of the model.

        Examples
        --------
        >>> Problem.ce([3, 3, 1], "0.5").canonical()["counts"]
        [['3', 2], ['1', 1]]
        >>> Problem.sphere(3, 2).canonical()["options"]
        {'dim': 2, 'temperature': '1', 'families': 2}
        """
        return {
            "model": self.model,
            "counts": _encode((run.size, run.repeat) for run in self.runs),
            "options": self._options(),
        }

    def _options(self) -> dict[str, Any]:
        return self._base_options() | (self._loss_options() if self.key == "loss" else {})

    def _loss_options(self) -> dict[str, Any]:
        """What :meth:`with_loss` takes."""
        return {
            "loss": self.loss,
            "smoothing": str(self.smoothing),
            "adjustment": str(self.adjustment),
            "scaling": str(self.scaling),
            "loss_temperature": str(self.loss_temperature),
            "feature_decay": _encode((run.feature_decay, run.repeat) for run in self.runs),
            "row_decay": _encode((run.row_decay, run.repeat) for run in self.runs),
            "targets": [[str(y) for y in target] for target in self.targets] or None,
        }

    def _base_options(self) -> dict[str, Any]:
        unweighted = all(run.weight == 1 for run in self.runs)
        weights = None if unweighted else _encode((run.weight, run.repeat) for run in self.runs)
        match "ce-deep" if self.deeper and self.model == "ce" else self.model:
            case "mse" | "ce-deep":
                return {
                    "lambda_w": [str(decay) for decay in self.layers],
                    "lambda_h": str(self.lambda_h),
                    "bias": str(self.bias),
                    "widths": list(self.layer_widths),
                }
            case "uf-svm":
                return {"dim": self.dim}
            case "layer-peeled":
                return {"e_w": str(self.e_w), "e_h": str(self.e_h), "class_weights": weights, "dim": self.dim}
            case "ce-sphere":
                return {"dim": self.dim, "temperature": str(self.temperature), "families": self.families}
        return {
            "lambda_w": str(self.lambda_w),
            "lambda_h": str(self.lambda_h),
            "bias": str(self.bias),
            "class_weights": weights,
            "dim": self.dim,
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
            options = dict(data["options"])
            model = data["model"]
            counts = [(size, repeat) for size, repeat in data["counts"]]
            for name in ("class_weights", "feature_decay", "row_decay"):
                if options.get(name) is not None:
                    options[name] = [(value, repeat) for value, repeat in options[name]]
            if "class_weights" in options:
                options["weights"] = options.pop("class_weights")
            knobs = {name: options.pop(name) for name in KNOBS if name in options}
            problem = cls._read(model, counts, options)
            return problem.with_loss(**knobs) if knobs else problem
        except (KeyError, TypeError) as error:
            raise ValueError(f"problem: not a canonical problem description ({error})") from None

    @classmethod
    def _read(cls, model: str, counts: list[tuple[Any, int]], options: dict[str, Any]) -> Problem:
        match model:
            case "ce" | "ce-relu":
                return cls.ce(counts, **options, model=model)
            case "mse":
                return cls.mse(counts, **options)
            case "uf-svm":
                return cls.svm(counts, **options)
            case "layer-peeled":
                return cls.peeled(counts, **options)
            case "ce-sphere":
                if {size for size, _ in counts} != {"1"}:
                    raise ValueError("counts: model ce-sphere has one vector per class, 1xn")
                return cls.sphere(sum(repeat for _, repeat in counts), **options)
        raise ValueError(f"model: unknown model {model!r}")

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON (sorted keys, no spaces)."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def objective(self, W: Array | Sequence[Array], H: Array, b: Array | None = None) -> float:
        """Objective at a feasible point.

        Parameters
        ----------
        W : (K, d) classifier, or the layers [W_M, ..., W_1]. In ``ce-sphere`` the rows are the v_j (n, d).
        H : (d, N) one feature per sample, samples sorted by class; or (d, K) one feature per class, shared
            by its n_k samples (then sizes may be fractional). In ``ce-sphere`` the columns are the u_i (d, n).
        b : (K,) bias, or None. Must be None or zero when the problem has no bias.

        Returns
        -------
        float
            In the normalisation of the module docstring. ``uf-svm``: after stretching the point until its least
            margin is 1; ``layer-peeled``: after shrinking W and H into their budgets; ``ce-sphere``: after
            normalising the vectors.

        Raises
        ------
        ValueError
            If the shapes do not fit, a bias is given to a problem without one, H has a negative entry in
            model ``ce-relu``, a margin is not positive in ``uf-svm``, or a vector vanishes in ``ce-sphere``.

        Examples
        --------
        >>> p = Problem.ce([2, 1], "0.1")
        >>> round(p.objective(np.zeros((2, 2)), np.zeros((2, 3))), 12) == round(float(np.log(2)), 12)
        True
        """
        from theory.objectives import objective

        return objective(self, [W] if isinstance(W, np.ndarray) else list(W), H, b)


def _distribution(target: Sequence[Exact], K: int) -> tuple[Fraction, ...]:
    """A target: K exact numbers >= 0 with sum 1."""
    entries = tuple(_positive(y, "targets", zero=True) for y in target)
    if len(entries) != K or sum(entries) != 1:
        raise ValueError(f"targets: {K} numbers with sum 1 are needed per class")
    return entries


def _positive(value: Exact, name: str, *, zero: bool = False) -> Fraction:
    """Exact positive rational (or 0) from an integer, a decimal or fraction string, or a Fraction."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Fraction)):
        raise ValueError(f"{name}: {value!r} is not an exact number")
    if isinstance(value, str) and len(value) > 10_000:
        raise ValueError(f"{name}: a number of {len(value)} characters is too long")
    try:
        number = Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{name}: {value!r} is not a finite rational number") from None
    if number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name}: {value!r} is {'negative' if zero else 'not positive'}")
    return number


def _runs(values: Iterable[Exact | tuple[Exact, int]], name: str, *, zero: bool = False) -> list[tuple[Fraction, int]]:
    """(value, repeat) pairs with neighbours of equal value joined; ``zero`` allows the value 0."""
    pairs = []
    for item in values:
        value, repeat = item if isinstance(item, tuple) else (item, 1)
        if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat < 1:
            raise ValueError(f"{name}: the repeat {repeat!r} is not a positive integer")
        pairs.append((Fraction(0) if zero and value in (0, "0") else _positive(value, name), repeat))
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
