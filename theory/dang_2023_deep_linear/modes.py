"""From M + 1 factors to one scalar problem per singular mode of the labels: executed steps shared by the claims.

Write L = M + 1, X = P H with P = W_M ... W_1, Lam = lambda_H prod_m lambda_m, G = Lam^(1/L). For a squared singular
value mu of the labels x = sqrt(mu) p is the singular value of X, and p = s^L. With g = N G mu^(-M/L) the problem is

    (x - sqrt(mu))^2/(2N) + (L/2) G x^(2/L) = (mu/N) phi(s),   phi(s) = (1 - s^L)^2/2 + (L/2) g s^2,
    phi'(s) = L s (g - h(s)),   h(s) = (1 - s^L) s^(M-1),   g^L = q = N^(M+1) Lam/mu^M,   h^L = p^(M-1) (1-p)^(M+1).

In the derivations c = M - 1, and r = 1 - p where a power of 1 - p is taken.
"""

from __future__ import annotations

import sympy as sp

from theory.derivation import Identity, Lemma, Positive, Step

__all__ = [
    "LAM_OF_P",
    "G",
    "L",
    "M",
    "balance_steps",
    "bias_steps",
    "c",
    "equality_steps",
    "gram_steps",
    "landscape_steps",
    "mode_steps",
    "monotone_steps",
    "mu",
    "p",
    "r",
    "reduction_steps",
    "s",
    "schatten_steps",
    "value_steps",
]

M, N, mu, G, Lam, lH, lm = sp.symbols("M N mu G Lambda lambda_H lambda_m", positive=True)
"""Depth, samples, squared singular value of the labels, Lam^(1/L), Lam, decays of H and of one layer."""
c, s, g, p, r, u = sp.symbols("c s g p r u", positive=True)
"""M - 1; p = s^L; g = N G mu^(-M/L); p, 1 - p; a positive excess."""
sigma = sp.Symbol("sigma", positive=True)
"""One singular value of X."""
L = M + 1

PHI = (1 - s**L) ** 2 / 2 + L / 2 * g * s**2
H = (1 - s**L) * s ** (M - 1)
LAM_OF_P = mu**M * p ** (M - 1) * r ** (M + 1) / N ** (M + 1)
"""Lam in terms of a live mode, by the mode equation; r = 1 - p."""


def schatten_steps() -> tuple[Step, ...]:
    """Least penalty of a factorisation of X, lower bound and a point that reaches it.

    Examples
    --------
    >>> all(step.verify() for step in schatten_steps())
    True
    """
    product = sp.Symbol("Pi", positive=True)
    one, two = sp.symbols("s_1 s_2", positive=True)
    l1, l2 = sp.symbols("lambda_1 lambda_2", positive=True)
    half = sp.sqrt(G / lm) * sigma ** (1 / L)
    return (
        Lemma(
            "singular values of a product of L factors: sum_i prod_m s_i(factor m)^(2/L) >= sum_i sigma_i(X)^(2/L)",
            "Horn's inequality for singular values of products",
        ),
        Lemma(
            "for every i: sum_m lambda_m s_i(factor m)^2 >= L (prod_m lambda_m s_i(factor m)^2)^(1/L), equality iff "
            "all terms agree",
            "AM-GM inequality",
        ),
        Identity(
            "the right side is L G (prod_m s_i(factor m))^(2/L), G = Lam^(1/L)",
            (Lam * product**2) ** (1 / L),
            Lam ** (1 / L) * product ** (2 / L),
        ),
        Identity(
            "two factors: lambda_1 s_1^2 + lambda_2 s_2^2 - 2 G s_1 s_2 is a square",
            l1 * one**2 + l2 * two**2 - 2 * sp.sqrt(l1 * l2) * one * two,
            (sp.sqrt(l1) * one - sp.sqrt(l2) * two) ** 2,
        ),
        Identity(
            "splitting the singular value decomposition: s_i(factor m)^2 = (G/lambda_m) sigma_i^(2/L) costs G "
            "sigma_i^(2/L)/2 per factor",
            L * (lm / 2) * half**2,
            L / 2 * G * sigma ** (2 / L),
        ),
        Identity(
            "the split factors multiply to sigma_i: prod_m sqrt(G/lambda_m) = sqrt(G^L/Lam) = 1",
            (sp.sqrt(G) * sigma ** (1 / L)) ** L / sp.sqrt(G**L),
            sigma,
        ),
        Lemma("it fits because rank(X) is at most every inner width", "singular value decomposition"),
    )


def balance_steps() -> tuple[Step, ...]:
    """Balance of neighbouring factors at a minimiser, and every Gram matrix in terms of X.

    Examples
    --------
    >>> all(step.verify() for step in balance_steps())
    True
    """
    A, left, right = (sp.Matrix(2, 2, sp.symbols(f"{name}:4", real=True)) for name in "avw")
    l1, l2 = sp.symbols("lambda_1 lambda_2", positive=True)
    eps = sp.Symbol("epsilon", positive=True)
    moved = l1 / 2 * sum(entry**2 for entry in (right + eps * A * right)) + l2 / 2 * sum(
        entry**2 for entry in (left - eps * left * A)
    )
    slope = sp.diff(moved, eps).subs(eps, 0)
    force = l1 * right * right.T - l2 * left.T * left
    return (
        Identity(
            "W_{m+1} (I + eps A)^(-1) and (I + eps A) W_m have the same product; the penalty changes by eps <A, "
            "lambda_m W_m W_m^T - lambda_{m+1} W_{m+1}^T W_{m+1}> (2 x 2 written out)",
            slope,
            sum(a * b for a, b in zip(A, force, strict=True)),
        ),
        Lemma(
            "it vanishes for every A at a minimiser: lambda_{m+1} W_{m+1}^T W_{m+1} = lambda_m W_m W_m^T, and "
            "lambda_1 W_1^T W_1 = lambda_H H H^T",
            "first-order optimality",
        ),
        Identity(
            "X X^T = W_1 H H^T W_1^T with H H^T = (lambda_1/lambda_H) W_1^T W_1 is (lambda_1/lambda_H) (W_1 W_1^T)^2 "
            "(2 x 2 written out)",
            right * (l1 / l2 * right.T * right) * right.T,
            l1 / l2 * (right * right.T) ** 2,
        ),
        Identity(
            "layer by layer X X^T = (lambda_M W_M W_M^T)^L/Lam, in singular values",
            (lm * (G / lm * sigma ** (2 / L))) ** L / G**L,
            sigma**2,
        ),
        Lemma(
            "lambda_M W_M W_M^T = G (X X^T)^(1/L), lambda_H H^T H = G (X^T X)^(1/L), P P^T = (lambda_H/Lam) (lambda_M "
            "W_M W_M^T)^M, and every factor has lambda_m s_i^2 = G sigma_i(X)^(2/L)",
            "a positive semidefinite matrix has exactly one such root",
        ),
    )


def reduction_steps() -> tuple[Step, ...]:
    """The problem splits into scalar modes; a rank budget keeps the largest.

    Examples
    --------
    >>> all(step.verify() for step in reduction_steps())
    True
    """
    x, larger = sp.symbols("x d", positive=True)
    labels = sp.Matrix([[1, 1, 0], [0, 0, 1]])
    gain = sp.sqrt(mu) * x / N - x**2 / (2 * N) - L / 2 * G * x ** (2 / L)
    return (
        Identity("Y Y^T = D: the squared singular values of Y are the counts", labels * labels.T, sp.diag(2, 1)),
        Lemma("the least penalty of X = P H is (L/2) G sum_i sigma_i(X)^(2/L)", "DA23-01"),
        Lemma(
            "|X - Y|^2 >= sum_i (sigma_i(X) - sigma_i(Y))^2 in descending order, equality iff X and Y have a singular "
            "value decomposition in common",
            "von Neumann's trace inequality",
        ),
        Lemma(
            "rank(X) <= R: f >= sum_{i <= R} psi(mu_i) + sum_{i > R} mu_i/(2N), and X = sum_i x_i u_i v_i^T on the R "
            "largest modes of Y reaches it, x_i the scalar minimisers",
            "a sum is at least the sum of the minima",
        ),
        Identity(
            "mu/(2N) - psi(mu) is the maximum over x >= 0 of a gain",
            mu / (2 * N) - ((x - sp.sqrt(mu)) ** 2 / (2 * N) + L / 2 * G * x ** (2 / L)),
            gain,
        ),
        Positive(
            "the gain increases with mu at every x > 0: so does its maximum, the R largest modes gain most, and x_i "
            "is largest where mu_i is",
            (gain.subs(mu, (sp.sqrt(mu) + larger) ** 2) - gain) * N / x,
        ),
    )


def bias_steps() -> tuple[Step, ...]:
    """A free bias removes the mean of the labels.

    Examples
    --------
    >>> all(step.verify() for step in bias_steps())
    True
    """
    R = sp.Matrix(2, 3, sp.symbols("e:6", real=True))
    shift = sp.Matrix(sp.symbols("b:2", real=True))
    ones = sp.ones(3, 1)
    mean = R * ones / 3
    rest = R - mean * ones.T
    moved = R + shift * ones.T
    first, second = sp.symbols("n_1 n_2", positive=True)
    total = first + second
    share = sp.Matrix([first, second]) / total
    centred = sp.diag(first, second) - sp.Matrix([first, second]) * sp.Matrix([first, second]).T / total
    return (
        Identity(
            "|R + b 1^T|^2 = |R - mean|^2 + N |b + mean|^2 for R = X - Y (2 x 3 written out): b is minus the mean of "
            "X - Y, and what stays is (X - Y)(I - J/N)",
            sum(entry**2 for entry in moved),
            sum(entry**2 for entry in rest) + 3 * sum(entry**2 for entry in (shift + mean)),
        ),
        Lemma(
            "sigma_i(X (I - J/N)) <= sigma_i(X) for all i, with all equal only if X = X (I - J/N): every minimiser "
            "has X 1 = 0, and lambda_H H^T H = G (X^T X)^(1/L) gives H 1 = 0",
            "singular values under an orthogonal projection",
        ),
        Identity("so b = Y 1/N = n/N: the mean of X vanishes", share * total, sp.Matrix([first, second])),
        Identity(
            "the centred labels have Y (I - J/N) Y^T = diag(n) - n n^T/N (two classes written out)",
            sp.diag(first, second) - sp.Matrix([first, second]) * share.T,
            centred,
        ),
        Identity("its rows sum to 0: one mode has mu = 0", centred * sp.ones(2, 1), sp.zeros(2, 1)),
    )


def mode_steps() -> tuple[Step, ...]:
    """The scalar problem: its stationary points, and which of them is the minimum.

    Examples
    --------
    >>> all(step.verify() for step in mode_steps())
    True
    """
    return (*landscape_steps(), *value_steps(), *_threshold_steps(), *_shallow_steps())


def landscape_steps() -> tuple[Step, ...]:
    """Phi falls between the two roots of h = g and rises elsewhere."""
    x = sp.sqrt(mu) * s**L
    turn = c / (2 * (c + 1))
    return (
        Identity(
            "x = sqrt(mu) s^L: the scalar problem is (mu/N) phi(s) with g = N G mu^(1/L)/mu",
            ((x - sp.sqrt(mu)) ** 2 / (2 * N) + L / 2 * G * x ** (2 / L)) * N / mu,
            PHI.subs(g, N * G * mu ** (1 / L) / mu),
        ),
        Identity("phi' = L s (g - h), h = (1 - s^L) s^(M-1)", sp.diff(PHI, s), L * s * (g - H)),
        Identity("h' = s^(M-2) ((M-1) - 2M s^L)", sp.diff(H, s), s ** (M - 2) * ((M - 1) - 2 * M * s**L)),
        Positive("M = c + 1 > 1: h rises while p = s^L < (M-1)/(2M)", c - 2 * (c + 1) * turn / (1 + u)),
        Positive("and falls for p > (M-1)/(2M), down to h = 0 at p = 1", 2 * (c + 1) * (turn + u) - c),
        Lemma(
            "where g < max h, h = g has two roots, phi rises, falls between them and rises: its minimum is at s = 0 "
            "or at the larger root, the only root with p > (M-1)/(2M); where g >= max h, phi rises and its minimum is "
            "s = 0",
            "intermediate value theorem",
        ),
    )


def value_steps() -> tuple[Step, ...]:
    """Value of the scalar problem at a stationary point.

    Examples
    --------
    >>> all(step.verify() for step in value_steps())
    True
    """
    return (
        Identity(
            "at h = g: phi = (1-p)(1+Mp)/2, so psi = mu (1-p)(1+Mp)/(2N)",
            PHI.subs(g, H),
            (1 - s**L) * (1 + M * s**L) / 2,
        ),
        Identity("compared with phi(0) = 1/2", 1 - (1 - p) * (1 + M * p), p * (M * p - (M - 1))),
        Positive("a stationary p = (M-1)/M + u is better than 0", (M * p - (M - 1)).subs(p, (M - 1) / M + u)),
        Positive("a stationary p = (M-1)/M - u is worse", -(M * p - (M - 1)).subs(p, (M - 1) / M - u)),
    )


def _threshold_steps() -> tuple[Step, ...]:
    return (
        Identity(
            "g^L = q = N^(M+1) Lam/mu^M = t^M with t = N (N Lam)^(1/M)/mu",
            (N * Lam ** (1 / L) * mu ** (-M / L)) ** L,
            (N * (N * Lam) ** (1 / M) / mu) ** M,
        ),
        Identity("h^L = p^(M-1) r^(M+1) with p = s^L, r = 1 - p", (r * s ** (M - 1)) ** L, s ** (L * (M - 1)) * r**L),
        Identity(
            "the M-th root: t = p^((M-1)/M) r^((M+1)/M)",
            (p ** (M - 1) * r ** (M + 1)) ** (1 / M),
            p ** ((M - 1) / M) * r ** ((M + 1) / M),
        ),
        Identity(
            "h^L at p = (M-1)/M is tstar^M, tstar = (M-1)^((M-1)/M)/M^2 (c for M - 1 as a base)",
            (1 / M) ** (M + 1) * (c / M) ** (M - 1),
            (c ** ((M - 1) / M) / M**2) ** M,
        ),
        Positive(
            "(M-1)/M lies right of the turn of h (M = c + 1)",
            c / (c + 1) - c / (2 * (c + 1)),
        ),
        Lemma(
            "h falls there: the larger root has p > (M-1)/M iff g < h((M-1)/M) iff t < tstar, and then it is the only "
            "minimiser; for t > tstar the only minimiser is 0; at t = tstar the root is (M-1)/M and ties with 0 (M > "
            "1)",
            "monotonicity",
        ),
    )


def _shallow_steps() -> tuple[Step, ...]:
    one = {M: sp.Integer(1)}
    return (
        Identity("M = 1: h = 1 - s^2 falls from 1", H.subs(one), 1 - s**2),
        Identity(
            "so p = 1 - g for g < 1, else 0; g = N sqrt(Lam/mu)",
            (N * sp.sqrt(Lam) * mu ** (-M / L)).subs(one),
            N * sp.sqrt(Lam / mu),
        ),
        Positive("M = 1: phi' = 2 s (g - 1 + s^2) > 0 for g = 1 + u: only s = 0", s * (u + s**2)),
    )


def monotone_steps() -> tuple[Step, ...]:
    """P increases with mu, with derivatives of logarithms along the mode equation.

    Examples
    --------
    >>> all(step.verify() for step in monotone_steps())
    True
    """
    log_mu = -((M - 1) * sp.log(p) + (M + 1) * sp.log(1 - p)) / M
    slope = (2 * M * p - (M - 1)) / (M * p * (1 - p))
    return (
        Identity("d(log mu)/dp along p^(M-1) (1-p)^(M+1) mu^M = const", sp.diff(log_mu, p), slope),
        Positive(
            "it is positive right of the turn: p = ((M-1)/M + u)/(1 + u), M = c + 1",
            slope.subs(M, c + 1).subs(p, (c / (c + 1) + u) / (1 + u)),
        ),
    )


def equality_steps() -> tuple[Step, ...]:
    """What f = f* forces: X, and that all samples of a class have one feature."""
    return (
        Lemma(
            "f = f* makes every inequality an equality: sigma_i(X) = x_i and X shares a singular value decomposition "
            "with the labels; where equal mu_i have equal x_i this gives X = diag(p) Y (bias-free), p_k = 0 where "
            "dead",
            "a sum of terms >= 0 is 0 iff each is",
        ),
    )


def gram_steps() -> tuple[Step, ...]:
    """Gram matrices of all factors from X, with p of the mode equation.

    Examples
    --------
    >>> all(step.verify() for step in gram_steps())
    True
    """
    a = mu * p * r / N
    return (
        Lemma("lambda_m W_m W_m^T = lambda_{m+1} W_{m+1}^T W_{m+1}; Gram matrices of all factors from X", "DA23-01"),
        Identity(
            "lambda_m s_i(factor m)^2 = G sigma^(2/L) = (mu/N) g s^2 with sigma = sqrt(mu) s^L",
            G * (sp.sqrt(mu) * s**L) ** (2 / L),
            mu / N * (N * G * mu ** (1 / L) / mu) * s**2,
        ),
        Identity("= mu p (1-p)/N at h = g", mu / N * (r * s ** (M - 1)) * s**2, mu / N * r * s**L),
        Identity(
            "P P^T: (lambda_H/Lam) (mu p (1-p)/N)^M = N lambda_H p/(1-p) by the mode equation",
            a**M * lH / LAM_OF_P,
            N * lH * p / r,
        ),
        Identity(
            "class means: D^(-1/2) diag(n p (1-p)/(N lambda_H)) D^(-1/2), mu = n",
            a / lH / mu,
            p * r / (N * lH),
        ),
        Identity(
            "the gradient in h_k, P^T (e_k - p_k e_k)/N = lambda_H hbar_k: row k of P is N lambda_H/(1-p_k) hbar_k, "
            "in squares",
            (N * lH / r) ** 2 * (p * r / (N * lH)),
            N * lH * p / r,
        ),
        Identity("N lambda_H/(1-p) = |row|^2 + N lambda_H", N * lH / r, (N * lH * p / r + N * lH).subs(p, 1 - r)),
    )
