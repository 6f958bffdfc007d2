"""The six slacks: f - f* as a sum of six terms, each at least 0 at every feasible point, in every dimension.

For a class of n samples with loss weight omega (total), centred classifier rows wc, mean row wbar, class means hbar,
u = |positive part of wc_k|, m_i = K/(K-1) <wc_y, h_i>, m its class mean, phi(m) = log(1 + (K-1) exp(-m)):

    s1 = sum_i [CE_i - phi(m_i)]                                     Jensen over the wrong classes
    s2 = sum_i [phi(m_i) - phi(m)] + (lambda_H/2) sum_i |h_i - hbar|^2   Jensen within the class, variance
    s3 = (lambda_W/2) K |wbar|^2                                      the mean row
    s4 = (lambda_W/2) (|Wc|^2 - K/(K-1) sum_k u_k^2)                  columns of sum 0: at most one positive entry
    s5 = (lambda_W/2) K/(K-1) u^2 + (lambda_H/2) n |hbar|^2 - kappa max(m, 0)    H >= 0, Cauchy-Schwarz, AM-GM
    s6 = omega phi(m) + kappa max(m, 0) - omega F_K(t)                one variable; kappa = omega t

In the derivations c = K - 1 and E = exp(M), M the margin of an alive class.
"""

from __future__ import annotations

import sympy as sp

from theory.derivation import Identity, Lemma, Positive, Step
from theory.relu_observables import fano, lH, lW
from theory.symbols import N, n

__all__ = ["ALPHA2", "GAMMA2", "KAPPA", "equality_steps", "point_steps", "slack_steps", "tidy"]

c, omega, M, E = sp.symbols("c omega M E", positive=True)
"""Number of wrong classes, loss weight of a class, margin of an alive class and its exponential."""

KAPPA = sp.sqrt(lW * lH * n * c / (c + 1))
"""omega t: the price of one unit of margin."""
T = c / (c + E)
"""The error of an alive class as a function of E = exp(M), at most c/(c+1)."""
ALPHA2 = sp.sqrt(c * lW / ((c + 1) * lH * n)) * M
GAMMA2 = sp.sqrt((c + 1) * lH * n / (c * lW)) * M
"""|hbar|^2 and c_k^2 of an alive class."""


def tidy(expression: sp.Expr) -> sp.Expr:
    """The same expression with the argument of every logarithm as one fraction.

    Examples
    --------
    >>> tidy(sp.log(1 - T))
    log(E/(E + c))
    """
    return expression.replace(sp.log, lambda argument: sp.log(sp.factor(sp.together(argument))))


def identity_steps() -> tuple[Step, ...]:
    """s1 + ... + s6 = f - f*: one class, then what belongs to no class; symbols stand for sums."""
    loss, jensen, within, spread, mean, positive, cone, value = sp.symbols(
        "CE phi_i phi_m V g2 u2 kappa_m F_k", real=True
    )
    entries, row, centred, a = sp.symbols("Q wbar2 Wc2 a", real=True)
    factor = (c + 1) / c
    s1, s2 = omega * (loss - jensen), omega * (jensen - within) + lH / 2 * spread
    s5 = lW / 2 * factor * positive + lH / 2 * n * mean - cone
    s6 = omega * within + cone - value
    return (
        Identity(
            "a column of W with sum K a, squares Q: centring splits Q, so |W|^2 = |Wc|^2 + K |wbar|^2",
            (entries - 2 * a * ((c + 1) * a) + (c + 1) * a**2) + (c + 1) * a**2,
            entries,
        ),
        Identity(
            "a coordinate of the features of a class with sum n a, squares Q: sum |h_i|^2 = V + n |hbar|^2",
            (entries - 2 * a * (n * a) + n * a**2) + n * a**2,
            entries,
        ),
        Identity(
            "one class: s1 + s2 + s5 + s6 and its term of s4 are omega CE + (lambda_H/2)(V + n |hbar|^2) - omega "
            "F_K(t)",
            s1 + s2 + s5 + s6 - lW / 2 * factor * positive,
            omega * loss + lH / 2 * (spread + n * mean) - value,
        ),
        Identity(
            "s3 and the rest of s4 are (lambda_W/2)(|Wc|^2 + K |wbar|^2)",
            lW / 2 * (c + 1) * row + lW / 2 * centred,
            lW / 2 * (centred + (c + 1) * row),
        ),
    )


def jensen_steps() -> tuple[Step, ...]:
    """s1, s2 and s3 are at least 0."""
    z, zbar, m = sp.symbols("z_y zbar m", real=True)
    e = sp.Symbol("e", positive=True)
    phi = sp.log(1 + c * sp.exp(-m))
    return (
        Identity(
            "the mean over the wrong classes of z_y - z_j is K/(K-1) (z_y - zbar), and z - zbar = Wc h",
            z - ((c + 1) * zbar - z) / c,
            (c + 1) / c * (z - zbar),
        ),
        Lemma("s1 >= 0: exp is strictly convex, equality iff all wrong logits agree", "Jensen's inequality"),
        Identity(
            "phi'' with e = exp(-m)",
            sp.diff(phi, m, 2).subs(m, -sp.log(e)),
            c * e / (1 + c * e) ** 2,
        ),
        Positive("phi is strictly convex", c * e / (1 + c * e) ** 2),
        Lemma("s2 >= 0: phi convex, equality iff every h_i is hbar", "Jensen's inequality"),
        Positive("s3 is a square with a positive factor", lW / 2 * (c + 1)),
    )


def cone_steps() -> tuple[Step, ...]:
    """s4 and s5 are at least 0: columns of sum 0, H >= 0, AM-GM."""
    p, q, total, cross, u, g = sp.symbols("p q P e_2 u g", positive=True)
    return (
        Lemma(
            "a column of sum 0 is zero or has q + 1 >= 1 entries > 0 of sum P and the other p = K - 1 - q entries of "
            "sum -P, "
            "whose "
            "squares add to at least P^2/p, equality iff they are equal",
            "Cauchy-Schwarz inequality",
        ),
        Identity(
            "P^2 = (sum of squares of the positive entries) + 2 e_2, e_2 the sum of products of pairs",
            sp.expand((u + g) ** 2).subs(u * g, cross),
            u**2 + g**2 + 2 * cross,
        ),
        Positive("P^2 exceeds the sum of squares unless there is one positive entry", 2 * cross),
        Positive("P^2/p - P^2/(K-1) >= 0 with K - 1 = p + q", total**2 / p - total**2 / (p + q)),
        Identity(
            "one positive entry v and K - 1 equal ones -v/(K-1): the column reaches K/(K-1) v^2, so s4 >= 0 is sharp",
            u**2 + c * (u / c) ** 2,
            (c + 1) / c * u**2,
        ),
        Lemma(
            "H >= 0 gives m = K/(K-1) <wc_k, hbar_k> <= K/(K-1) <wc_k^+, hbar_k> <= K/(K-1) u |hbar_k|",
            "Cauchy-Schwarz inequality",
        ),
        Identity(
            "s5 >= (sqrt(lambda_W K/(K-1)) u - sqrt(lambda_H n) g)^2 / 2 >= 0, g = |hbar_k|",
            lW / 2 * (c + 1) / c * u**2 + lH / 2 * n * g**2 - KAPPA * (c + 1) / c * u * g,
            (sp.sqrt(lW * (c + 1) / c) * u - sp.sqrt(lH * n) * g) ** 2 / 2,
        ),
    )


def fano_steps() -> tuple[Step, ...]:
    """s6 is at least 0: the scalar minimisation, alive and dead, and its value."""
    e, rise, excess = sp.symbols("e d_e d_t", positive=True)
    slope = c * e / (1 + c * e)
    m = sp.Symbol("m", real=True)
    t = sp.Symbol("t", positive=True)
    return (
        Identity(
            "-phi'(m) = sigma = (K-1)e/(1 + (K-1)e), e = exp(-m)",
            -sp.diff(sp.log(1 + c * sp.exp(-m)), m).subs(m, -sp.log(e)),
            slope,
        ),
        Positive("sigma increases with e: it decreases with m", sp.diff(slope, e)),
        Identity("sigma = (K-1)/K at m = 0", slope.subs(e, 1), c / (c + 1)),
        Positive("for m < 0 phi decreases towards 0, so the minimum has m >= 0", slope),
        Identity("kappa = omega t with t = sqrt(lambda_W lambda_H n (K-1)/K)/omega", KAPPA / omega * omega, KAPPA),
        Identity("t < (K-1)/K: sigma = t at exp(-m) = t/((K-1)(1-t)), i.e. at m = M", slope.subs(e, 1 / E), T),
        Identity("M = log((K-1)(1/t - 1))", c * (1 / T - 1), E),
        Positive("t < (K-1)/K iff E > 1 iff M > 0", (c / (c + 1) - T).subs(E, 1 + rise)),
        Positive("the slope omega (t - sigma) is positive beyond M", (T - slope.subs(e, 1 / (E + rise)))),
        Positive("and negative before M", (slope.subs(e, 1 / E) - T.subs(E, E + rise))),
        Positive(
            "t = (K-1)/K + d_t >= (K-1)/K: the slope at every m > 0 is positive, the minimum is at m = 0 only",
            c / (c + 1) + excess - slope.subs(e, 1 / (1 + rise)),
        ),
        Identity(
            "alive: phi(M) + t M = F_K(t)",
            tidy(sp.log(1 + c / E) + T * sp.log(E)),
            tidy(fano(T, c + 1)),
        ),
        Identity("dead: phi(0) = log K = F_K((K-1)/K)", sp.log(1 + c), tidy(fano(c / (c + 1), c + 1))),
        Identity(
            "unweighted: t = N sqrt(lambda_W lambda_H (K-1)/(K n))",
            (KAPPA / omega).subs(omega, n / N),
            N * sp.sqrt(lW * lH * c / ((c + 1) * n)),
        ),
        Identity("F_K increases: F_K'(t) = log((K-1)(1-t)/t)", tidy(sp.diff(fano(t, c + 1), t).subs(t, T)), sp.log(E)),
    )


def slack_steps() -> tuple[Step, ...]:
    """The bound f >= f* at every feasible point of every dimension.

    Examples
    --------
    >>> all(step.verify() for step in slack_steps())
    True
    """
    return (*identity_steps(), *jensen_steps(), *cone_steps(), *fano_steps())


def point_steps() -> tuple[Step, ...]:
    """A feasible point that reaches f*, for d >= number of alive classes.

    hbar_k = a_k e_k on a coordinate of its own and w_k = c_k e_k - (1/K) sum_m c_m e_m; dead classes have a = c = 0.

    Examples
    --------
    >>> all(step.verify() for step in point_steps())
    True
    """
    reach = sp.sqrt(ALPHA2 * GAMMA2)
    return (
        Identity("a_k c_k = M_k", reach, M),
        Identity("own logit <w_k, hbar_k> = (1 - 1/K) c_k a_k", (1 - 1 / (c + 1)) * reach, c / (c + 1) * M),
        Identity("margin over every wrong class: (1 - 1/K) M + M/K", c / (c + 1) * M + M / (c + 1), M),
        Identity(
            "the column of W on coordinate k adds (1 - 1/K) c_k^2 to |W|^2",
            (c / (c + 1)) ** 2 * GAMMA2 + c * GAMMA2 / (c + 1) ** 2,
            c / (c + 1) * GAMMA2,
        ),
        Identity("(lambda_W/2)(1 - 1/K) c_k^2 = kappa M/2", lW / 2 * c / (c + 1) * GAMMA2, KAPPA * M / 2),
        Identity("(lambda_H/2) n a_k^2 = kappa M/2", lH / 2 * n * ALPHA2, KAPPA * M / 2),
        Identity(
            "class k contributes omega phi(M) + kappa M, which s6 = 0 makes omega F_K(t)",
            tidy(omega * sp.log(1 + c / E) + (omega * T) * sp.log(E)),
            tidy(omega * fano(T, c + 1)),
        ),
    )


def equality_steps() -> tuple[Step, ...]:
    """What f = f* forces: every slack is 0, which fixes margins, supports, lengths and the classifier.

    Examples
    --------
    >>> all(step.verify() for step in equality_steps())
    True
    """
    u = sp.Symbol("u", positive=True)
    ratio = sp.sqrt(lW * (c + 1) / (c * lH * n))
    gap = c / (c + 1) * M
    return (
        Lemma(
            "f = f* makes every slack 0: wrong logits agree (s1), h_i = hbar (s2), wbar = 0 (s3), every column of W "
            "has "
            "at most one positive entry and equal other ones (s4), m = M (s6)",
            "a sum of terms >= 0 is 0 iff each is",
        ),
        Lemma(
            "s5 = 0, M > 0: equality in Cauchy-Schwarz makes hbar_k a positive multiple of wc_k^+, so supports of "
            "alive "
            "classes are disjoint and each alive class owns a coordinate",
            "Cauchy-Schwarz inequality",
        ),
        Positive(
            "s5 = 0, M = 0: u = 0 and hbar_k = 0, as both squares have positive factors", lW * (c + 1) / c + lH * n
        ),
        Identity(
            "AM-GM equality: sqrt(lambda_W K/(K-1)) u = sqrt(lambda_H n) g",
            sp.sqrt(lH * n) * (ratio * u),
            sp.sqrt(lW * (c + 1) / c) * u,
        ),
        Identity("with u g = (K-1) M/K: g^2 = |hbar_k|^2", ratio * gap, ALPHA2),
        Identity("and u^2 = ((K-1)/K)^2 c_k^2", gap / ratio, (c / (c + 1)) ** 2 * GAMMA2),
        Identity(
            "so row k is (1 - 1/K) c_k u_k on the support of class k, the others -(1/K) c_k u_k",
            (1 - 1 / (c + 1)) / c,
            1 / (c + 1),
        ),
        Identity("c_k/|hbar_k| = sqrt(K lambda_H n_k/((K-1) lambda_W))", GAMMA2 / ALPHA2, (c + 1) * lH * n / (c * lW)),
    )
