"""A penalised bias: between the orthogonal frame and the simplex ETF for equal sizes, K variables otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Hypothesis, Mutant, Reading, Root
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.mode_equation import psi
from theory.dang_2023_deep_linear.modes import mode_steps, reduction_steps
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.mse_observables import STRENGTH, Lam, M, base, best, total, z_own, z_wrong
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import F, K, N, dead, n

lb, rho = sp.symbols("lambda_b rho", positive=True)
p0 = sp.Symbol("p_0", nonnegative=True)
"""Bias penalty, lambda_b/(1 + lambda_b), p of the mean mode."""
lb_some, lb_every, lb_shallow = sp.symbols("lambda_b_some lambda_b_every lambda_b_1", positive=True)
"""The penalty where the mean mode is dead 'in some minimiser', in every one at M >= 2, in every one at M = 1."""
entry = sp.Symbol("b_k", real=True)
p = mse.p


def mean_state(problem: Problem) -> mse.ModeState:
    """State of the mean mode: DA23-03 with n rho^((M+1)/M) for n, decided by integers.

    Examples
    --------
    >>> mean_state(TIE_SHALLOW), mean_state(TIE_DEEP), mean_state(LOOSE)
    ('dead', 'tie', 'alive')
    """
    depth, lambda_b = problem.depth, Fraction(problem.bias)
    share = (lambda_b / (1 + lambda_b)) ** (depth + 1)
    left = problem.clusters[0].size ** depth * share * (depth - 1) ** (depth - 1)
    right = depth ** (2 * depth) * problem.N ** (depth + 1) * problem.product
    if left == right:
        return "dead" if depth == 1 else "tie"
    return "alive" if left > right else "dead"


def mean_root(problem: Problem, weight: sp.Expr) -> Root:
    """p_0 of a live mean mode, with weight rho^(M+1) (others for mutants)."""
    least = sp.Rational(problem.depth - 1, problem.depth)
    root = mse.largest_root(problem, p0, rational(problem.clusters[0].size), least)
    target = root.equation - p0 ** (problem.depth - 1) * (1 - p0) ** (problem.depth + 1)
    return replace(root, equation=root.equation - target + target / weight)


class MeanReader:
    """Entries, bias, value and the state of the mean mode, equal sizes.

    Parameters
    ----------
    weight : what multiplies n^M in the mean mode as a function of lambda_b and M (others for mutants).
    """

    def __init__(self, weight: Callable[[sp.Rational, int], sp.Expr]) -> None:
        self.weight = weight

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """Entries first, then the state.

        Examples
        --------
        >>> len(list(MeanReader(share)(Optimum(LOOSE, "exact"))))
        3
        """
        problem = optimum.problem
        size, lambda_b = rational(problem.clusters[0].size), rational(Fraction(problem.bias))
        common = {**mse.mse_parameters(problem), n: size, lb: lambda_b, rho: lambda_b / (1 + lambda_b)}
        common[p] = mse.largest_root(problem, p, size)
        state = mean_state(problem)
        mean = {p0: mean_root(problem, self.weight(lambda_b, problem.depth)) if state == "alive" else sp.Integer(0)}
        reading = {**common, **mean, **mse.value_readings(optimum)}
        if state != "tie" and optimum.logits is not None and optimum.bias is not None:
            Z = optimum.logits
            reading |= {z_own: Z[0, 0], z_wrong: Z[1, 0], entry: optimum.bias[0]}
        yield reading
        states = optimum.facts.get("mode_states")
        now = None if states is None else states[problem.K - 1]
        loose, strict = mse.some_and_every(None if now == "tie" else now, now)
        yield {**common, lb_some: lambda_b, **loose}
        yield {**common, (lb_every if problem.depth > 1 else lb_shallow): lambda_b, **strict}


def share(lambda_b: sp.Rational, depth: int) -> sp.Expr:
    """rho^(M+1).

    Examples
    --------
    >>> share(sp.Integer(1), 2)
    1/8
    """
    return (lambda_b / (1 + lambda_b)) ** (depth + 1)


def mean_derivation() -> Derivation:
    """Eliminate b, bound from below by modes, and attain the bound."""
    ratio, size, shift = sp.symbols("rho n d", positive=True)
    depth = sp.Symbol("M", positive=True)
    t, tstar = sp.symbols("t tstar", positive=True)
    power = sp.Symbol("w", positive=True)
    return Derivation(
        steps=(
            *_elimination_steps(),
            *_interlacing_steps(),
            Lemma("the least penalty of given singular values", "DA23-01"),
            *mode_steps(),
            Identity(
                "the mean mode has 1/N times rho: N -> N/rho, t -> t rho^(-(M+1)/M), in M-th powers",
                (N / ratio) ** (depth + 1) * Lam / size**depth,
                (N ** (depth + 1) * Lam / size**depth) * ratio ** (-(depth + 1)),
            ),
            Identity(
                "with N/rho for N its value is rho n (1-p_0)(1+M p_0)/(2N)",
                size * (1 - p0) * (1 + depth * p0) / (2 * (N / ratio)),
                ratio * size * (1 - p0) * (1 + depth * p0) / (2 * N),
            ),
            Identity("b_k = (1/K - p_0/K)/(1 + lambda_b)", (1 / K - p0 / K) / (1 + lb), (1 - p0) / (K * (1 + lb))),
            Lemma("p_0 = 0 iff t rho^(-(M+1)/M) >= tstar (> where both are optimal), p_0 < p as rho < 1", "DA23-03"),
            Identity(
                "rho = lambda_b/(1 + lambda_b) increases with lambda_b: difference at lambda_b and lambda_b + d",
                *_rising(shift),
            ),
            Identity(
                "at lambda_b_crit = 1/(w - 1), w = (tstar/t)^(M/(M+1)): rho = 1/w",
                1 / (power - 1) / (1 + 1 / (power - 1)),
                1 / power,
            ),
            Identity(
                "w^(M+1) = (tstar/t)^M", ((tstar / t) ** (depth / (depth + 1))) ** (depth + 1), (tstar / t) ** depth
            ),
            Identity(
                "M = 1: t = N^2 Lam/n at N = K n, so sqrt(t) = K sqrt(n Lam) and lambda_b_crit = sqrt(t)/(1 - sqrt(t))",
                ((K * n) * (K * n) * Lam / n),
                (K * sp.sqrt(n * Lam)) ** 2,
            ),
        )
    )


def _rising(shift: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
    return (lb + shift) / (1 + lb + shift) - lb / (1 + lb), shift / ((1 + lb) * (1 + lb + shift))


def _elimination_steps() -> tuple[Step, ...]:
    residual = sp.Matrix(1, 3, sp.symbols("e:3", real=True))
    b_ = sp.Symbol("b", real=True)
    mean = sum(residual) / 3
    square = sum(value**2 for value in residual)
    loss = sum((value + b_) ** 2 for value in residual) / 6 + lb / 2 * b_**2
    return (
        Identity(
            "one row of R = X - Y, N = 3: |R + b 1^T|^2/(2N) + (lambda_b/2) b^2 is a square in b and |R "
            "(I-J/N)|^2/(2N) + rho |R J/N|^2/(2N), rho = lambda_b/(1+lambda_b)",
            loss,
            (1 + lb) / 2 * (b_ + mean / (1 + lb)) ** 2 + (square - 3 * mean**2) / 6 + lb / (1 + lb) * 3 * mean**2 / 6,
        ),
        Lemma("samples of a class share their column of X", "DA23-07"),
    )


def _interlacing_steps() -> tuple[Step, ...]:
    a, tau, cap = sp.symbols("a tau d", positive=True)
    B = sp.Matrix(2, 2, sp.symbols("B:4", real=True))
    centring = sp.eye(2) - sp.ones(2, 2) / 2
    return (
        Identity(
            "X = Z Y, A = sqrt(n) Z, B = A - sqrt(n) I: the loss is 1/(2N) times |B (I - J/K)|^2 + rho |B J/K|^2 = "
            "(1-rho) |B (I - J/K)|^2 + rho |B|^2 (2 x 2 written out)",
            _square(B * centring) + rho * _square(B * (sp.eye(2) - centring)),
            (1 - rho) * _square(B * centring) + rho * _square(B),
        ),
        Lemma("|A - sqrt(n) I|^2 >= sum_{i <= K} (sigma_i - sqrt(n))^2", "von Neumann's trace inequality"),
        Lemma(
            "|(A - sqrt(n) I)(I - J/K)|^2 >= sum_{i < K} (tau_i - sqrt(n))^2 with the K - 1 largest singular values "
            "tau_i of A (I - J/K)",
            "von Neumann's trace inequality",
        ),
        Lemma("tau_i <= sigma_i(A)", "singular values under an orthogonal projection"),
        Identity(
            "sigma_i <= sqrt(n), tau_i = sigma_i - d: (tau_i - sqrt(n))^2 - (sigma_i - sqrt(n))^2 with sqrt(n) = "
            "sigma_i + a",
            ((tau - cap) - (tau + a)) ** 2 - (tau - (tau + a)) ** 2,
            cap * (2 * a + cap),
        ),
        Positive("it is not negative", cap * (2 * a + cap)),
        Lemma(
            "sigma_i > sqrt(n): replace it by sqrt(n), which lowers (sigma_i - sqrt(n))^2 and the penalty, and (tau_i "
            "- sqrt(n))^2 >= 0",
            "monotonicity",
        ),
        Lemma(
            "so f >= sum_{i < K} psi(n) + (mean mode with rho/(2N)); equality makes A symmetric with eigenvector 1 "
            "for the smallest singular value: Z = p (I - J/K) + p_0 J/K",
            "a sum of terms >= 0 is 0 iff each is",
        ),
    )


def _square(matrix: sp.Matrix) -> sp.Expr:
    return sum(entry**2 for entry in matrix)


BALANCED = Hypothesis(
    "equal sizes and a penalised bias",
    lambda problem: len(problem.clusters) == 1 and problem.bias not in ("none", "free"),
    dropped="other bias modes and sizes have other formulas: DA23-08, 09, 19, 23",
)
ALIVE = Hypothesis(
    "the difference modes are alive",
    lambda problem: mse.label_modes(problem)[0].state == "alive",
    dropped="otherwise everything is zero, as the mean mode is weaker",
)
LOOSE = Problem.mse([(4, 3)], "0.02", "0.05", bias=2)
STIFF = Problem.mse([(5, 3)], ["0.01", "0.03"], "0.02", bias="1/4")
PURE = Problem.mse([(4, 3)], ["0.02", "0.03"], "0.02", bias="1/20")
TIE_SHALLOW = Problem.mse([(4, 3)], "1/24", "1/24", bias="1/3")
TIE_DEEP = Problem.mse([(4, 2)], ["1/16", "1/16"], "1/16", bias=1)
NEAR_TIE = tuple(replace(TIE_DEEP, bias=1 + sign * Fraction(1, 10**6)) for sign in (1, -1))
NEAR_SHALLOW = tuple(replace(TIE_SHALLOW, bias=Fraction(1, 3) * (1 + sign * Fraction(1, 10**6))) for sign in (1, -1))

tstar_t = (base * n**M / (M ** (2 * M) * STRENGTH)) ** (1 / (M + 1))
"""(tstar/t)^(M/(M+1))."""

transition = Claim(
    id="DA23-22",
    title="Penalised bias, equal sizes: from ETF to orthogonal frame",
    kind="threshold",
    paper=settings.PAPER,
    statement=(
        r"Z = p (I - J/K) + p_0 J/K,\quad b_k = \frac{1 - p_0}{K (1 + \lambda_b)},\quad f^* = (K-1)\,\psi(n) + \rho\, "
        r"\tfrac{n (1 - p_0)(1 + M p_0)}{2N},\quad \rho = \tfrac{\lambda_b}{1 + \lambda_b}",
        r"p_0^{\frac{M-1}{M}} (1 - p_0)^{\frac{M+1}{M}} = t \rho^{-\frac{M+1}{M}} \text{ (largest root) if that is } "
        r"< t_*(M) \text{, else } p_0 = 0",
        r"p_0 = 0 \iff \lambda_b \leq \lambda_b^{\mathrm{crit}} = \frac{1}{(t_*/t)^{M/(M+1)} - 1}\quad (M \geq 2:\ "
        r"\text{tie at equality});\qquad M = 1:\ \frac{K \sqrt{n \Lambda}}{1 - K \sqrt{n \Lambda}}",
    ),
    relations=(
        sp.Eq(z_own, p * (1 - 1 / K) + p0 / K, evaluate=False),
        sp.Eq(z_wrong, (p0 - p) / K, evaluate=False),
        sp.Eq(entry, (1 - p0) / (K * (1 + lb)), evaluate=False),
        sp.Eq(F, (K - 1) * psi(n, p) + rho * psi(n, p0), evaluate=False),
        sp.Equivalent(dead, n**M * (lb_some / (1 + lb_some)) ** (M + 1) * base <= M ** (2 * M) * STRENGTH),
        sp.Equivalent(dead, lb_every < 1 / (tstar_t - 1)),
        sp.Equivalent(dead, lb_shallow <= K * sp.sqrt(n * Lam) / (1 - K * sp.sqrt(n * Lam))),
    ),
    read=MeanReader(share),
    hypotheses=(settings.SQUARED_ONLY, replace(settings.WIDE, dropped=replace(LOOSE, dim=1)), BALANCED, ALIVE),
    witness=LOOSE,
    family=replace(settings.EQUAL_SIZES, bias=("penalised",)),
    settings=(
        STIFF,
        PURE,
        TIE_SHALLOW,
        TIE_DEEP,
        *NEAR_TIE,
        *NEAR_SHALLOW,
        Problem.mse([(6, 4)], ["0.01", "0.02", "0.02"], "0.01", bias=3),
        Problem.mse([(6, 2)], ["0.01", "0.02", "0.02"], "0.01", bias="1/10"),
    ),
    derivation=mean_derivation,
    rests_on=frozenset({"DA23-01", "DA23-03", "DA23-07"}),
    required="proved",
    mutants=(
        Mutant("rho = lambda_b", read=MeanReader(lambda value, depth: value ** (depth + 1)), problem=LOOSE),
        Mutant(
            "exponent 1/M on rho",
            read=MeanReader(lambda value, depth: value / (1 + value)),
            problem=LOOSE,
        ),
        Mutant(
            "critical penalty without the exponent M/(M+1)",
            relations=(sp.Equivalent(dead, lb_some <= 1 / (tstar_t ** ((M + 1) / M) - 1)),),
            problem=STIFF,
        ),
        Mutant("b_k = (1 - p_0)/K", relations=(sp.Eq(entry, (1 - p0) / K, evaluate=False),), problem=LOOSE),
    ),
    source="derived here; a transition of this type at M = 1 is also in arXiv:2606.00344",
)

penalty_b, nuclear = sp.symbols("R_b S_1", real=True)
"""(lambda_b/2)|b|^2, and the nuclear norm of (I - b 1^T) D^(1/2)."""


class FixedBiasReader:
    """The observed bias, and what a problem with that bias costs: two sizes, or two classes.

    For two sizes b is constant on clusters: (I - b 1^T) D (I - b 1^T)^T has the contrasts and a 2 x 2 block.

    Parameters
    ----------
    root : D^(1/2) in that matrix (True); D itself (a mutant).
    square : psi of the squared singular values (True); of the singular values (a mutant).
    """

    def __init__(self, root: bool = True, square: bool = True) -> None:
        self.root, self.square = root, square

    def __call__(self, optimum: Optimum) -> Iterator[Reading]:
        """One reading, of the value at the observed bias.

        Examples
        --------
        >>> list(FixedBiasReader()(Optimum(UNEQUAL, "convex")))
        []
        """
        problem, b = optimum.problem, optimum.bias
        if b is None or optimum.upper is None or len(problem.clusters) > 2:
            return
        squares = singular_squares(problem, b, self.root)
        common = {**mse.mse_parameters(problem), **mse.value_readings(optimum)}
        decay = Fraction(problem.bias)
        common[penalty_b] = (b * b).sum() * decay.numerator / (2 * decay.denominator)
        reading: dict[sp.Symbol, Any] = dict(common)
        value: sp.Expr = sp.Integer(0)
        for index, (square, times) in enumerate(squares):
            own, size = mse.mode_symbols(index)
            reading[size] = square if self.square else _root(square)
            state = _state(problem, square)
            if state is None:
                return
            reading[own] = mse.largest_root(problem, own, size) if state else sp.Integer(0)
            value += times * psi(size, own)
        reading[total] = penalty_b + value
        if problem.depth == 1 and all(_state(problem, square) for square, _ in squares):
            reading[nuclear] = sum((times * _root(square) for square, times in squares), 0 * b[0])
        yield reading


def _state(problem: Problem, square: Any) -> bool | None:
    """Whether a mode with an observed mu is alive; None where its ball does not decide."""
    depth = problem.depth
    limit = Fraction(depth ** (2 * depth), (depth - 1) ** (depth - 1)) * problem.N ** (depth + 1) * problem.product
    difference = square**depth - (0 * square + limit.numerator) / limit.denominator
    return True if difference > 0 else False if difference < 0 else None


def singular_squares(problem: Problem, b: Any, root: bool = True) -> list[tuple[Any, int]]:
    """Squared singular values of (I - b 1^T) D^(1/2) with multiplicities, at most two sizes, b constant on clusters.

    Examples
    --------
    >>> [(round(float(s), 6), m) for s, m in singular_squares(Problem.mse([(4, 3)], 1, bias=1), np.array([0.25] * 3))]
    [(4.0, 2), (0.25, 1)]
    """
    clusters = problem.clusters
    zero = 0 * b[0]
    sizes = [(zero + cluster.size.numerator) / cluster.size.denominator for cluster in clusters]
    weights = sizes if root else [size * size for size in sizes]
    values = [b[cluster.members[0]] for cluster in clusters]
    found = [
        (weight, cluster.classes - 1) for weight, cluster in zip(weights, clusters, strict=True) if cluster.classes > 1
    ]
    counts = [cluster.classes for cluster in clusters]
    # on unit vectors constant on clusters: (delta_gh - b_g sqrt(m_g m_h)) sqrt(w_h)
    block = [
        [((g == h) - values[g] * _root(zero + counts[g] * counts[h])) * _root(weights[h]) for h in range(len(clusters))]
        for g in range(len(clusters))
    ]
    if len(clusters) == 1:
        return [*found, (block[0][0] * block[0][0], 1)]
    square = sum(value * value for row in block for value in row)
    determinant = abs(block[0][0] * block[1][1] - block[0][1] * block[1][0])
    plus, minus = (_root(square + sign * 2 * determinant) for sign in (1, -1))
    return [*found, (((plus + minus) / 2) ** 2, 1), (((plus - minus) / 2) ** 2, 1)]


def _root(value: Any) -> Any:
    return np.sqrt(np.array([value]))[0]


def fixed_derivation() -> Derivation:
    """The labels shifted by b, and the sum of the modes at M = 1."""
    first, second, b1, b2 = sp.symbols("n_1 n_2 b_1 b_2", real=True)
    shift = sp.eye(2) - sp.Matrix([b1, b2]) * sp.ones(1, 2)
    labels = sp.Matrix([[1, 1, 0], [0, 0, 1]])
    moved = labels - sp.Matrix([b1, b2]) * sp.ones(1, 3)
    s_, g = sp.symbols("sigma g", positive=True)
    A = shift * sp.diag(first, second)
    return Derivation(
        steps=(
            Identity("Y - b 1_N^T = (I - b 1_K^T) Y (sizes 2 and 1 written out)", moved, shift * labels),
            Identity(
                "so its Gram matrix is (I - b 1^T) D (I - b 1^T)^T",
                moved * moved.T,
                shift * sp.diag(2, 1) * shift.T,
            ),
            Lemma("for fixed b: DA23-02 with the labels Y - b 1^T", "DA23-02"),
            *reduction_steps(),
            *mode_steps(),
            Lemma(
                "the minimum over (P, H, b) is the minimum over b of the minimum over (P, H)", "iterated minimisation"
            ),
            Identity(
                "M = 1, p = 1 - g/sigma, g = N sqrt(Lam): psi = sigma sqrt(Lam) - N Lam/2",
                s_**2 * (1 - (1 - g / s_)) * (1 + (1 - g / s_)) / (2 * N),
                s_ * g / N - g**2 / (2 * N),
            ),
            Identity("K of them lose K N Lam/2", K * ((N * sp.sqrt(Lam)) ** 2 / (2 * N)), K * N * Lam / 2),
            Identity(
                "K = 2: (sigma_1 + sigma_2)^2 = |A|^2 + 2 |det A|, as sigma_1^2 + sigma_2^2 = |A|^2, sigma_1 sigma_2 "
                "= |det A|",
                (A * A.T).trace(),
                sum(value**2 for value in A),
            ),
            Identity("det(A A^T) = det(A)^2", (A * A.T).det(), A.det() ** 2),
        )
    )


UNEQUAL = Problem.mse([5, 2], "0.02", "0.03", bias="1/2")

reduction = Claim(
    id="DA23-23",
    title="Penalised bias: K variables",
    kind="equality",
    paper=settings.PAPER,
    statement=(
        r"f^* = \min_{b \in \mathbb{R}^K} \tfrac{\lambda_b}{2} \|b\|^2 + \sum_i \psi\left(\sigma_i((I - b 1^\top) "
        r"D^{1/2})^2\right)",
        r"M = 1,\ \text{all modes alive}:\ \tfrac{\lambda_b}{2} \|b\|^2 + \sqrt{\Lambda}\, \|(I - b 1^\top) "
        r"D^{1/2}\|_* - \tfrac{K N \Lambda}{2};\qquad K = 2:\ \|A\|_* = \sqrt{\|A\|_F^2 + 2 |\det A|}",
    ),
    relations=(
        sp.Eq(best, total, evaluate=False),
        sp.Eq(best, penalty_b + sp.sqrt(Lam) * nuclear - K * N * Lam / 2, evaluate=False),
    ),
    read=FixedBiasReader(),
    hypotheses=(
        settings.SQUARED_ONLY,
        replace(settings.WIDE, dropped=replace(LOOSE, dim=1)),
        Hypothesis(
            "a penalised bias",
            lambda problem: problem.bias not in ("none", "free"),
            dropped="no bias is b = 0, a free one lambda_b = 0: DA23-02, DA23-19",
        ),
    ),
    witness=UNEQUAL,
    family=replace(settings.EQUAL_SIZES, sizes="two", bias=("penalised",), depths=(1, 2)),
    settings=(
        Problem.mse([4, 4, 2, 2], "0.01", "0.02", bias="1/10"),
        Problem.mse([5, 2], ["0.02", "0.03"], "0.02", bias="1/2"),
        Problem.mse([6, 3, 3], ["0.01", "0.02"], "0.01", bias=2),
        LOOSE,
    ),
    derivation=fixed_derivation,
    rests_on=frozenset({"DA23-01", "DA23-02"}),
    required="proved",
    mutants=(
        Mutant("D instead of D^(1/2)", read=FixedBiasReader(root=False), problem=UNEQUAL),
        Mutant(
            "+ K N Lam/2",
            relations=(sp.Eq(best, penalty_b + sp.sqrt(Lam) * nuclear + K * N * Lam / 2, evaluate=False),),
            problem=UNEQUAL,
        ),
        Mutant("psi of sigma, not of its square", read=FixedBiasReader(square=False), problem=UNEQUAL),
    ),
    note="Checked at the bias of the best point found, for two sizes: there b is constant on classes of one size.",
)
