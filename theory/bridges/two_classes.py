"""Two classes in every model: one-dimensional problems, and where the two margins differ (XP26-03)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import sympy as sp

from theory.bridges.settings import (
    LINEAR,
    PAPER,
    WIDE,
    beside,
    max_margin,
    peeled,
    relu,
    sphere,
    squared,
    unbiased,
    unweighted,
    value,
    weighted,
    zero_state,
)
from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.observables import dead_state, parameters, rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, dead, dead_exact, n, x

BUDGET = Fraction(3, 2)
"""E_W = E_H of the layer-peeled problem, and inverse temperature of the unit vectors."""
WEIGHTS = [1, 2]

n2 = sp.Symbol("n_l", positive=True)
"""Size of the other class."""
n_relu, n_mse, n_free, n2_free, N_free = sp.symbols("n_relu n_mse n_free n_free_l N_free", positive=True)
"""Sizes where features are nonnegative, the loss is squared, the bias is free; their sum."""
v, v2 = sp.symbols("v_k v_l", positive=True)
"""w_k^2 n_k of both weighted classes."""
m_plain, m_relu = sp.symbols("margin margin_relu", real=True)
t_free, t2_free = sp.symbols("t_k t_l", real=True)
"""Margins (own minus other logit) with a free bias, which is excluded."""
p_own, p_wrong = sp.symbols("Z_kk Z_lk", real=True)
s, t = sp.symbols("s t", positive=True)
"""Margins of the larger and of the smaller class in the layer-peeled model; only for different sizes."""
n_big, n_small = sp.symbols("n_big n_small", positive=True)
T = sp.Symbol("T", positive=True)
mode = sp.Symbol("mu_1", positive=True)
ww, ww2, ww12 = sp.symbols("ww_k ww_l ww_kl", real=True)
"""Entries of W W^T of any of the cross-entropy models, and of the max-margin problem."""
F_svm, F_sphere = sp.symbols("F_svm F_sphere", real=True)
turned = sp.Symbol("v_12", real=True)
"""<u_1, v_2> on the sphere, where u_1 = v_1."""


def companions(problem: Problem) -> tuple[Problem, ...]:
    """Nonnegative features, squared loss, both losses with a free bias, max-margin, layer-peeled, sphere, weights 1, 2.

    Examples
    --------
    >>> [other.key for other in companions(Problem.ce([9, 3], "1/12"))]
    ['ce-relu', 'mse', 'mse', 'ce', 'uf-svm', 'layer-peeled', 'ce-sphere', 'ce']
    """
    K_ = problem.K
    free = Problem.ce([(run.size, run.repeat) for run in problem.runs], problem.lambda_w, problem.lambda_h, "free")
    return (
        relu(problem),
        squared(problem),
        squared(problem, "free"),
        free,
        max_margin(problem),
        peeled(problem, BUDGET),
        sphere(problem, BUDGET),
        weighted(problem, (WEIGHTS * K_)[:K_]),
    )


def pair_readings(optimum: Optimum) -> Iterator[Reading]:
    """Margins, states, lengths and values of two classes in every model; k and l are both orders of the classes.

    Examples
    --------
    >>> len(list(pair_readings(Optimum(PAIR, "exact"))))
    3
    """
    problem = optimum.problem
    common = parameters(problem)
    first, second = (rational(size) for size in problem.sizes[:2])
    yield {**common, dead: zero_state(optimum), dead_exact: optimum.exact_zero}
    for k, other in ((0, 1), (1, 0)):
        yield {**common, **_margin(optimum, m_plain, k, other)}
    if not optimum.companions:
        return
    nonnegative, plain, centred, free, svm, budget, unit, heavy = optimum.companions
    for k, (own, rest) in enumerate(((first, second), (second, first))):
        yield {
            x: common[x],
            N_free: common[N],
            n_relu: own,
            **_margin(nonnegative, m_relu, k, 1 - k),
            **_class_state(nonnegative, k),
        }
        yield from _squared(plain, k, common[x], own)
        margins = _margin(free, t_free, k, 1 - k) | _margin(free, t2_free, 1 - k, k)
        yield {x: common[x], N_free: common[N], n_free: own, n2_free: rest, **margins}
    for biased in (centred, free):
        exact = biased.exact_zero if biased is free else _last_mode(biased)
        reading = {x: common[x], N_free: common[N], n_free: first, n2_free: second}
        reading |= {dead: zero_state(biased), dead_exact: exact}
        if "modes" in biased.facts:
            reading[mode] = biased.facts["modes"][0]
        yield reading
    yield {N: common[N], **value(svm, F_svm), **_lengths(svm), K: common[K]}
    for rank_one in (nonnegative, budget):
        yield {symbol: entry for symbol, entry in _lengths(rank_one).items() if symbol != ww2}
    yield from _peeled(budget, first, second)
    yield {**value(unit, F_sphere), **({turned: unit.logits[1, 0]} if unit.logits is not None else {})}
    squares = {v: first * WEIGHTS[0] ** 2, v2: second * WEIGHTS[1] ** 2}
    yield {x: common[x], **squares, dead: zero_state(heavy), dead_exact: heavy.exact_zero}


def _margin(optimum: Optimum, symbol: sp.Symbol, k: int, other: int) -> dict[sp.Symbol, Any]:
    return {} if optimum.logits is None else {symbol: optimum.logits[k, k] - optimum.logits[other, k]}


def _class_state(optimum: Optimum, k: int) -> dict[sp.Symbol, bool | None]:
    """State of the cluster that holds class k."""
    clusters = optimum.problem.clusters
    index = next(i for i, cluster in enumerate(clusters) if k in cluster.members)
    seen, exact = (states[index] if states else None for states in (optimum.contrasts, optimum.exact_contrasts))
    return {dead: dead_state(seen), dead_exact: dead_state(exact)}


def _last_mode(optimum: Optimum) -> bool | None:
    states = optimum.facts.get("mode_states")
    return None if not states or states[0] is None else states[0] != "alive"


def _squared(optimum: Optimum, k: int, strength: Any, size: Any) -> Iterator[Reading]:
    if optimum.logits is not None:
        yield {x: strength, n_mse: size, p_own: optimum.logits[k, k], p_wrong: optimum.logits[1 - k, k]}


def _lengths(optimum: Optimum) -> dict[sp.Symbol, Any]:
    rows = optimum.gram_classifier
    return {} if rows is None else {ww: rows[0, 0], ww2: rows[1, 1], ww12: rows[0, 1]}


def _peeled(optimum: Optimum, first: sp.Rational, second: sp.Rational) -> Iterator[Reading]:
    """Margins of two different sizes under a budget, the larger class first."""
    if optimum.logits is None or first == second:
        return
    big = 0 if first > second else 1
    sizes = {n_big: max(first, second), n_small: min(first, second), T: 2 * rational(BUDGET)}
    yield {**sizes, **_margin(optimum, s, big, 1 - big), **_margin(optimum, t, 1 - big, big)}


def two_class_derivation() -> Derivation:
    """With two classes Z = (1/2) (s, -t; -s, t), and every model is a problem in (s, t)."""
    g, h, total, w, w2 = sp.symbols("g h N_ w_k w_l", positive=True)
    sig_s, sig_t = 1 / (1 + sp.exp(s)), 1 / (1 + sp.exp(t))
    Z = sp.Matrix([[s, -t], [-s, t]]) / 2
    root = sp.sqrt(s**2 + t**2)
    error = x * sp.sqrt(sp.Rational(1, 2)) / sp.sqrt(n)
    return Derivation(
        steps=(
            Identity(
                "Z = (1/2) (1, -1)^T (s, -t): Z^T Z has the one singular value sqrt((s^2 + t^2)/2)",
                Z.T * Z,
                sp.Matrix([s, -t]) * sp.Matrix([[s, -t]]) / 2,
            ),
            Lemma(
                "so W W^T is a multiple of (1, -1)(1, -1)^T: antipodal rows", "polar factors of a matrix of rank one"
            ),
            Lemma("ridge, no bias: both margins log(sqrt(2N)/x - 1), zero iff x^2 >= N/2", "HL23-09"),
            Identity(
                "its penalty lam sqrt((n s^2 + m t^2)/2) at s = t is lam s sqrt(N/2); slope of the loss at 0 is -1/2",
                sp.diff(sp.log(1 + sp.exp(-s)), s).subs(s, 0),
                -sp.Rational(1, 2),
            ),
            Identity(
                "weights: norm of the gradient at 0, (w_k n_k/2N) in column k, against lam sqrt(n_k/2): squared sum",
                ((w * n / 2) / sp.sqrt(n / 2)) ** 2 + ((w2 * n2 / 2) / sp.sqrt(n2 / 2)) ** 2,
                (w**2 * n + w2**2 * n2) / 2,
            ),
            Lemma("Z = 0 iff that norm is at most x^2", "Cauchy-Schwarz inequality"),
            Lemma("nonnegative features: error t = x sqrt((K-1)/K)/sqrt(n), margin log((K-1)(1/t - 1))", "DA24-03"),
            Identity("K = 2: 1/t - 1 = sqrt(2 n)/x - 1", 1 / error - 1, sp.sqrt(2 * n) / x - 1),
            Lemma("dead iff n <= x^2 K/(K-1) = 2 x^2", "DA24-07"),
            Lemma("rows of W: centred, so antipodal", "DA24-06"),
            Lemma("free bias: Z = 0 iff x^2 >= m, sum n_k/(n_k - m) = 0 (CE); squared loss: mu_1 = m", "XP26-10"),
            Identity(
                "two classes: m = 2 n_k n_l/N",
                (n / (n - h) + n2 / (n2 - h)).subs(h, 2 * n * n2 / (n + n2)),
                sp.Integer(0),
            ),
            Lemma("free bias: sum_k n_k z_k = 0", "HL23-12"),
            Identity("which is n_k t_k = n_l t_l", ((n * Z[:, 0] + n2 * Z[:, 1]) * 2)[0], n * s - n2 * t),
            Lemma("squared loss, no bias, M = 1: Z = diag(max(0, 1 - x/sqrt(n_k)))", "DA23-11"),
            Lemma("max-margin: logits P, W W^T = (P D P)^(1/2)", "TH22-01"),
            Identity(
                "P D P = (N/4) (1, -1)(1, -1)^T, with trace of the root sqrt(N/2)",
                (sp.eye(2) - sp.ones(2, 2) / 2) * sp.diag(n, n2) * (sp.eye(2) - sp.ones(2, 2) / 2),
                (n + n2) / 4 * sp.Matrix([[1, -1], [-1, 1]]),
            ),
            Identity("(N/4) * 2 = N/2", sp.sqrt(total / 4 * 2), sp.sqrt(total / 2)),
            Lemma(
                "layer-peeled: the nuclear norm is T, and stationarity in (s, t) holds with one multiplier", "FA21-09"
            ),
            Identity("|Z|_*^2 = (s^2 + t^2)/2 = T^2", (root / sp.sqrt(2)) ** 2, (s**2 + t**2) / 2),
            Identity("slopes of the loss: n_k sig(-s)", sp.diff(n * sp.log(1 + sp.exp(-s)), s), -n * sig_s),
            Identity(
                "slopes of the norm are s and t over one number: n_k sig(-s)/s = n_l sig(-t)/t",
                sp.diff(root, s) / s,
                sp.diff(root, t) / t,
            ),
            Positive("sig(-s)/s falls with s (odds g = e^s, s > 0)", (g / (1 + g) ** 2 * s + 1 / (1 + g)) / s**2),
            Identity(
                "(minus its derivative)", -sp.diff(sig_s / s, s), (sp.exp(s) / (1 + sp.exp(s)) ** 2 * s + sig_s) / s**2
            ),
            Lemma("so n_k > n_l gives s > t", "monotone functions"),
            Identity(
                "and s = t would need n_k = n_l", (n * sig_s / s - n2 * sig_t / t).subs(t, s), (n - n2) * sig_s / s
            ),
            Lemma("unit vectors: 2 log(1 + exp(-2a)), antipodal", "LS20-01"),
        )
    )


def _equal(left: sp.Expr, right: Any) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


def _alive(square: sp.Expr) -> sp.Expr:
    """log(sqrt(square)/x - 1), 0 below."""
    return sp.log(1 + sp.Max(0, sp.sqrt(square) / x - 2))


PAIR = Problem.ce([9, 3], "1/12")
"""x = 1: margins 1.361 of both classes without a bias."""
SIGMOID = n_big / (s * (1 + sp.exp(s))), n_small / (t * (1 + sp.exp(t)))
TWO = Hypothesis("K = 2", lambda problem: problem.K == 2, dropped=Problem.ce([9, 4, 4], "0.03"))

two_classes = Claim(
    id="XP26-03",
    title="Two classes in every model",
    kind="equality",
    paper=PAPER,
    statement=(
        r"\text{CE}: \text{both margins } \log\left(\sqrt{2N}/x - 1\right),\ Z = 0"
        r" \iff x^2 \geq N/2;\ \text{weights}:\ Z"
        r" = 0 \iff x^2 \geq (w_1^2 n_1 + w_2^2 n_2)/2",
        r"H \geq 0:\ \text{margin}_k = \log\left(\sqrt{2 n_k}/x - 1\right),\ \bar h_k = 0 \iff n_k \leq 2 x^2",
        r"\text{free bias}:\ Z = 0 \iff x^2 \geq 2 n_1 n_2/N \text{ (CE and squared"
        r" loss)},\quad \mu_1 = 2 n_1 n_2/N,\quad"
        r" n_1 t_1 = n_2 t_2 \text{ (CE)}",
        r"\text{squared loss, no bias}:\ Z = \mathrm{diag}(\max(0, 1 - x/\sqrt{n_k}))",
        r"\text{max-margin}:\ \|w_1\| = \|w_2\|,\ w_1 = -w_2,\ \text{value }"
        r" \sqrt{N/2};\qquad \text{unit vectors}:\ v_1 ="
        r" -v_2,\ L^* = 2 \log(1 + e^{-2a})",
        r"\text{layer-peeled}:\ w_1 = -w_2,\quad \frac{n_1}{s(1 + e^s)} ="
        r" \frac{n_2}{t(1 + e^t)},\quad s^2 + t^2 = 2 T^2,"
        r"\quad n_1 > n_2 \Rightarrow s > t",
    ),
    relations=(
        _equal(m_plain, _alive(2 * N)),
        sp.Equivalent(dead, x >= sp.sqrt(N / 2)),
        sp.Equivalent(dead, x >= sp.sqrt((v + v2) / 2)),
        _equal(m_relu, _alive(2 * n_relu)),
        sp.Equivalent(dead, n_relu <= 2 * x**2),
        sp.Equivalent(dead, x >= sp.sqrt(2 * n_free * n2_free / N_free)),
        _equal(mode, 2 * n_free * n2_free / N_free),
        _equal(n_free * t_free, n2_free * t2_free),
        _equal(p_own, sp.Max(0, 1 - x / sp.sqrt(n_mse))),
        _equal(p_wrong, 0),
        _equal(F_svm, sp.sqrt(N / 2)),
        _equal(ww, ww2),
        _equal(ww12, -ww),
        _equal(turned, -1),
        _equal(F_sphere, 2 * sp.log(1 + sp.exp(-2 * sp.Rational(3, 2)))),
        _equal(*SIGMOID),
        _equal(s**2 + t**2, 2 * T**2),
        sp.Gt(s, t, evaluate=False),
    ),
    read=pair_readings,
    companions=companions,
    hypotheses=(
        LINEAR,
        TWO,
        unbiased(Problem.ce([9, 3], "1/12", bias="free")),
        unweighted(Problem.ce([9, 3], "1/12", weights=[1, 2])),
        WIDE,
    ),
    witness=PAIR,
    family=Family(sizes="distinct", bias=("none",), near=("collapse",)),
    settings=(
        *beside(Problem.ce([3, 1], 1), Fraction(7, 2)),
        *beside(Problem.ce([3, 1], 1), Fraction(3, 2)),
        Problem.ce([3, 1], 1).at(3),
        Problem.ce([5, 5], "0.1"),
        Problem.ce([9, 1], 1).at(4),
    ),
    derivation=two_class_derivation,
    rests_on=frozenset(
        {"HL23-09", "HL23-12", "DA24-03", "DA24-06", "DA24-07", "DA23-11", "TH22-01", "FA21-09", "LS20-01", "XP26-10"}
    ),
    required="proved",
    mutants=(
        Mutant("layer-peeled margins are equal", relations=(_equal(s, t),), problem=PAIR),
        Mutant(
            "nonnegative features die iff n <= x^2",
            relations=(sp.Equivalent(dead, n_relu <= x**2),),
            problem=PAIR.at(4),
        ),
        Mutant("sqrt(N) for sqrt(2N)", relations=(_equal(m_plain, _alive(N)),), problem=PAIR),
        Mutant(
            "free bias: n_1 n_2/N",
            relations=(sp.Equivalent(dead, x >= sp.sqrt(n_free * n2_free / N_free)),),
            problem=PAIR.at(3),
        ),
        Mutant("equal margins with a free bias", relations=(_equal(t_free, t2_free),), problem=PAIR),
        Mutant("nonnegative features share one margin", relations=(_equal(m_relu, _alive(2 * N_free)),), problem=PAIR),
    ),
    source="derived here, parts published",
    note="Without a bias and weights the two margins differ only with nonnegative "
    "features and in the layer-peeled model. "
    "The layer-peeled problem and the unit vectors are solved at e = 3/2, whatever lambda is; the weights are 1 and 2.",
    survivors={
        "exponent: t becomes sqrt(t) (relation 18)": "implied: s^2 + t^2 = 2 T^2 = 18 at this budget and s > t give "
        "s > 3, and sqrt(t) is at most the larger of 1 and t",
    },
)
