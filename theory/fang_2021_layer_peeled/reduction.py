"""Steps that every derivation of the layer-peeled model shares: nuclear form, duality, two groups, stationarity.

With weights m_k (share of class k in the loss) and T = K sqrt(E_W E_H) the model is

    min sum_k m_k CE(z_k, k)   subject to   |Z|_* <= T,

a convex program. By symmetry its solution for two groups has four numbers a, b, s, t (see theory.peeled_observables)
and nuclear norm a (kA - 1) + b (kB - 1) + r. Symbols po, pB: probability of a wrong A class and of a B class for a
sample of A; qo, qA: of a wrong B class and of an A class for a sample of B.
"""

from __future__ import annotations

import sympy as sp

from theory.derivation import Identity, Lemma, Positive, Step
from theory.peeled_observables import R, between_norm, eH, eW
from theory.symbols import K, kA, kB, mu

__all__ = ["a", "alive_steps", "b", "dual_steps", "gradient_steps", "loss", "nuclear_steps", "s", "symmetry_steps", "t"]

a, b, s, t = sp.symbols("a b s t", positive=True)
"""Gaps inside and between groups; at 0 they are treated in words."""
po, pB, qA = sp.symbols("p_o p_B q_A", positive=True)

EXP_A, EXP_AB = sp.exp(-a), sp.exp(-a * (1 - 1 / kA) - s)
EXP_B, EXP_BA = sp.exp(-b), sp.exp(-b * (1 - 1 / kB) - t)
Q_A = 1 + (kA - 1) * EXP_A + kB * EXP_AB
Q_B = 1 + (kB - 1) * EXP_B + kA * EXP_BA
"""Partition sums of a sample of A and of B, own logit 0."""
r = between_norm(s, t)


def loss(weight_A: sp.Expr = R, weight_B: sp.Expr = sp.S.One) -> sp.Expr:
    """Sum over classes of weight times loss.

    Examples
    --------
    >>> loss().subs({a: 0, b: 0, s: 0, t: 0, kA: 1, kB: 1})
    R*log(2) + log(2)
    """
    return weight_A * kA * sp.log(Q_A) + weight_B * kB * sp.log(Q_B)


def nuclear_steps() -> tuple[Step, ...]:
    """The model is the nuclear form; Z is unique; Gram matrices are its polar factors."""
    tau, width, height = sp.symbols("tau w h", positive=True)
    return (
        Lemma("CE is convex in h: class means do not worsen the loss and shorten the features", "Jensen's inequality"),
        Lemma(
            "|Z|_* <= |W| |H| for Z = W H, equality iff W W^T and H^T H are proportional to the polar "
            "factors (Z Z^T)^(1/2), (Z^T Z)^(1/2)",
            "variational form of the nuclear norm",
        ),
        Identity(
            "|W| |H| is the least (tau |W|^2 + |H|^2/tau)/2: the difference is a square",
            (tau * width**2 + height**2 / tau) / 2 - width * height,
            (tau * width - height) ** 2 / (2 * tau),
        ),
        Identity(
            "budgets |W|^2 <= K E_W, |H|^2 <= K E_H give |Z|_* <= K sqrt(E_W E_H) = T",
            sp.sqrt(K * eW) * sp.sqrt(K * eH),
            K * sp.sqrt(eW * eH),
        ),
        Identity(
            "factors (E_W/E_H)^(1/4) U S^(1/2), (E_H/E_W)^(1/4) S^(1/2) V^T of Z, |Z|_* = T, use the budgets up: |W|^2",
            sp.sqrt(eW / eH) * K * sp.sqrt(eW * eH),
            K * eW,
        ),
        Identity("and |H|^2", sp.sqrt(eH / eW) * K * sp.sqrt(eW * eH), K * eH),
        Lemma(
            "the gradient (P - I) diag(m) is never 0, so |Z|_* = T; centring the columns keeps the loss and lowers "
            "|Z|_* unless they are centred (Z^T Z loses a positive semidefinite part, the root is operator monotone), "
            "so 1^T Z = 0 and rank Z <= K - 1 <= p",
            "a convex program with slack has gradient 0",
        ),
        Lemma("CE is strictly convex on centred columns: Z is unique", "strict convexity"),
    )


def dual_steps() -> tuple[Step, ...]:
    """The bound by any column-stochastic P, and optimality as equality in it."""
    prob = sp.Symbol("p", positive=True)
    logit, total = sp.symbols("z L", real=True)
    return (
        Lemma(
            "CE(z, k) >= Ent(p) - <e_k - p, z> for every probability vector p, equality iff p = softmax(z)",
            "Gibbs' inequality",
        ),
        Lemma("<(I - P) diag(m), Z> <= |(I - P) diag(m)| |Z|_*", "duality of nuclear and operator norm"),
        Identity(
            "coordinate j of CE(z, k) - Ent(p) + <e_k - p, z> is p_j log(p_j/softmax_j), with L = log sum exp z: "
            "their sum is a divergence",
            prob * total + prob * sp.log(prob) - prob * logit,
            prob * (sp.log(prob) - (logit - total)),
        ),
        Lemma(
            "Z is optimal iff P = softmax(Z) gives equality, with mu_true = |(I - P) diag(m)|",
            "optimality of a convex program",
        ),
    )


def symmetry_steps() -> tuple[Step, ...]:
    """Two groups: the unique Z commutes with permutations inside the groups."""
    return (
        Lemma(
            "Z is unique, hence invariant under permutations inside the groups: Z = a C_A + b C_B + u v^T with "
            "C_j = I - J/k_j, u = (kB 1_A, -kA 1_B)/sqrt(kA kB K), v = ((s/w) 1_A, -(t/w) 1_B), "
            "w = sqrt(K/(kA kB))",
            "Schur's lemma for two groups",
        ),
        Identity("|u| = 1", (kB**2 * kA + kA**2 * kB) / (kA * kB * (kA + kB)), sp.Integer(1)),
        Identity("u_A - u_B = w", (kB + kA) / sp.sqrt(kA * kB * (kA + kB)), sp.sqrt((kA + kB) / (kA * kB))),
        Identity("r = |v|", sp.sqrt((kA * s**2 + kB * t**2) / ((kA + kB) / (kA * kB))), r),
        Identity(
            "margin of an A class over a B class: a (1 - 1/kA) + s",
            a * (1 - 1 / kA) + kB * s / (kA + kB) + kA * s / (kA + kB),
            a * (1 - 1 / kA) + s,
        ),
        Identity(
            "singular values a (kA - 1 times), b (kB - 1 times), r: C_j is a projection of trace k_j - 1",
            kA * (1 - 1 / kA),
            kA - 1,
        ),
    )


def gradient_steps() -> tuple[Step, ...]:
    """Derivatives of loss and norm in a, b, s, t; what stationarity says."""
    p_o, p_B, q_o, q_A = EXP_A / Q_A, EXP_AB / Q_A, EXP_B / Q_B, EXP_BA / Q_B
    value = loss()
    square = kA * kB * (kA * s**2 + kB * t**2) / (kA + kB)
    x, y = R * kA * kB * pB, kA * kB * qA
    pull_s, pull_t = mu * kA * s / ((kA + kB) * r), mu * kB * t / ((kA + kB) * r)
    return (
        Identity("in a", sp.diff(value, a), -R * (kA - 1) * (kA * p_o + kB * p_B)),
        Identity("in b", sp.diff(value, b), -(kB - 1) * (kB * q_o + kA * q_A)),
        Identity("in s", sp.diff(value, s), -R * kA * kB * p_B),
        Identity("in t", sp.diff(value, t), -kB * kA * q_A),
        Lemma(
            "all four are negative, so a, b, s, t >= 0: replacing a negative one by 0 improves the loss and does not "
            "raise the norm",
            "monotone functions",
        ),
        Identity("r^2 in s", sp.diff(square, s) / (2 * r), kA**2 * kB * s / ((kA + kB) * r)),
        Identity("r^2 in t", sp.diff(square, t) / (2 * r), kA * kB**2 * t / ((kA + kB) * r)),
        Identity(
            "stationary in s, t (r > 0): R p_B = mu kA s/(K r), q_A = mu kB t/(K r); so s kA q_A = t R kB p_B",
            s * kA * pull_t,
            t * kB * pull_s,
        ),
        Identity("and K (R^2 kB p_B^2 + kA q_A^2) = mu^2", (kA + kB) * (kB * pull_s**2 + kA * pull_t**2), mu**2),
        Identity(
            "squared dual norm of r at minus the gradient: x = R kA kB p_B, y = kA kB q_A",
            x**2 * (kA + kB) / (kA**2 * kB) + y**2 * (kA + kB) / (kA * kB**2),
            (kA + kB) * (R**2 * kB * pB**2 + kA * qA**2),
        ),
        Lemma(
            "r = 0 is optimal iff the gradient in (s, t) has dual norm <= mu: K (R^2 kB p_B^2 + kA q_A^2) <= mu^2",
            "Cauchy-Schwarz inequality",
        ),
        Identity(
            "stationary in a > 0: R (kA p_o + kB p_B) = mu, from mu (kA - 1) for the norm",
            sp.diff(a * (kA - 1) + b * (kB - 1), a) * mu,
            mu * (kA - 1),
        ),
    )


def alive_steps() -> tuple[Step, ...]:
    """B = 0 iff mu >= 1 (a = 0 iff mu >= R); for mu <= 1 <= R the direction between the groups lives.

    Examples
    --------
    >>> all(step.verify() for step in alive_steps())
    True
    """
    gap = sp.Symbol("g", positive=True)
    p_o, p_B, q_o, q_A = EXP_A / Q_A, EXP_AB / Q_A, EXP_B / Q_B, EXP_BA / Q_B
    return (
        Identity("kB q_o + kA q_A = 1 - (q_own - q_o)", kB * q_o + kA * q_A, 1 - (1 / Q_B - q_o)),
        Positive("q_own > q_o for b = log(1 + g) > 0: (q_own - q_o)/q_own", gap / (1 + gap)),
        Lemma(
            "b > 0 gives mu = kB q_o + kA q_A < 1; b = 0 makes that sum 1 and needs (kB - 1)(mu - 1) >= 0: b = 0 "
            "iff mu >= 1; a in the same way, with mu/R",
            "optimality of a convex program in b >= 0",
        ),
        Identity("p_o/p_B = exp(s - a/kA)", p_o / p_B, sp.exp(s - a / kA)),
        Identity("q_o/q_A = exp(t - b/kB)", q_o / q_A, sp.exp(t - b / kB)),
        Identity("K p_B - (kA p_o + kB p_B) = kA (p_B - p_o)", (kA + kB) * pB - (kA * po + kB * pB), kA * (pB - po)),
        Positive("so s = 0 (p_B = p_o + g) gives R K p_B >= R (kA p_o + kB p_B) = mu, > if a > 0", kA * gap),
        Identity(
            "and t = 0 gives K q_A >= mu: then K (R^2 kB p_B^2 + kA q_A^2) >= mu^2, > unless a = b = 0",
            (kA + kB) * (kB * (mu / (kA + kB)) ** 2 + kA * (mu / (kA + kB)) ** 2),
            mu**2,
        ),
        Positive("a = 0 (mu >= R, or kA = 1): p_B = 1/K and R = mu + g >= mu again", (mu + gap) ** 2 - mu**2),
        Positive(
            "a = 0 < kA - 1 would need mu >= R = 1 + g, so b = 0, s, t > 0, p_B, q_A < 1/K and mu^2 < (R^2 kB + kA)/K; "
            "that is below R^2: a > 0 for R >= 1",
            sp.expand((1 + gap) ** 2 * (kA + kB) - (1 + gap) ** 2 * kB - kA),
        ),
        Lemma(
            "Z = 0 has slack, so for mu <= 1 <= R the condition of r = 0 fails: r > 0",
            "a convex program with slack has gradient 0",
        ),
    )
