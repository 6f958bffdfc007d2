"""Label smoothing as the weight decay tends to 0: balanced logits, and how fast (NR26-10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from theory.bridges.settings import max_margin
from theory.claim import Asymptotic, Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.loss_observables import eps
from theory.observables import rational, two_cluster_parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.relu_observables import class_pairs
from theory.symbols import K, N, kA, kB, nA, nB, x

PAPER = "new_results"


slope, root_own, root_other = sp.symbols("slope L_yy L_cy", real=True)
"""(margin of y over c - a_eps)/x; entries of the root of L = pinv(P D P), minus the off-diagonal one."""
square_own, square_other = sp.symbols("LL_yy LL_cy", real=True)
"""The same entries of L itself."""
aa, ab, ba, bb, margin_A = sp.symbols("d_AA d_AB d_BA d_BB M_AB", real=True)
"""(margin - a_eps)/x for a sample of the first cluster over a class of the second; the margin A over B itself."""

BETWEEN = (kB * nA + kA * nB) / K
"""Eigenvalue of P D P between the clusters; nA and nB inside them."""
LEVEL = sp.log(1 + K * (1 - eps) / eps)


def root_entries(power: sp.Expr) -> dict[str, sp.Expr]:
    """Entries of (P D P)^power on its range, two clusters: diagonal A, B, inside A, B, and between.

    Examples
    --------
    >>> sp.simplify(root_entries(sp.Integer(1))["AB"])
    (-k_A*n_B - k_B*n_A)/(k_A + k_B)**2
    """
    total = kA + kB
    mu = ((kB * nA + kA * nB) / total) ** power
    inside_A, inside_B = nA**power, nB**power
    return {
        "A": (1 - 1 / kA) * inside_A + kB / (kA * total) * mu,
        "AA": -inside_A / kA + kB / (kA * total) * mu,
        "B": (1 - 1 / kB) * inside_B + kA / (kB * total) * mu,
        "BB": -inside_B / kB + kA / (kB * total) * mu,
        "AB": -mu / total,
    }


def rate(own: sp.Expr, other: sp.Expr) -> sp.Expr:
    """Slope of a margin in x = lam N: -(L_yy/(1 - eps + eps/K) + (K/eps) |L_cy|), L the root."""
    return -(own / (1 - eps + eps / K) - K / eps * other)


def rate_readings(optimum: Optimum) -> Iterator[Reading]:
    """Margins, minus a_eps and over x, beside the max-margin Gram matrix of the features; by name for two clusters.

    Examples
    --------
    >>> list(rate_readings(Optimum(BASE, "exact")))
    []
    """
    problem, Z = optimum.problem, optimum.logits
    roots = [other.gram_features for other in optimum.companions]
    if Z is None or not roots or roots[0] is None:
        return
    one = 0 * Z[0, 0] + 1
    share = one * problem.smoothing.numerator / problem.smoothing.denominator
    level = np.log(1 + problem.K * (1 - share) / share)
    step = np.sqrt(one * problem.x2.numerator / problem.x2.denominator)
    common: dict[sp.Symbol, Any] = {K: sp.Integer(problem.K), eps: rational(problem.smoothing)}
    root = roots[0]
    square = root @ root
    for y, c in class_pairs(problem):
        yield {
            **common,
            slope: (Z[y, y] - Z[c, y] - level) / step,
            root_own: root[y, y],
            root_other: -root[c, y],
            square_own: square[y, y],
            square_other: -square[c, y],
        }
    if len(problem.clusters) == 2:
        yield _by_name(problem, Z, common, level, step)


def _by_name(problem: Problem, Z: Any, common: dict[sp.Symbol, Any], level: Any, step: Any) -> Reading:
    """Margins between the two clusters and inside them."""
    A, B = (cluster.members for cluster in problem.clusters)
    found = {**two_cluster_parameters(problem), **common, margin_A: Z[A[0], A[0]] - Z[B[0], A[0]]}
    for symbol, own, other in ((aa, A, A), (ab, A, B), (ba, B, A), (bb, B, B)):
        others = [c for c in other if c != own[0]]
        if others:
            found[symbol] = (Z[own[0], own[0]] - Z[others[0], own[0]] - level) / step
    return found


def fainter(problem: Problem, scale: int) -> Problem:
    """The problem at x = lam N = 4 sqrt(n_min) min(eps, 1 - eps)/(K L): wrong targets and contrast set the scale of x.

    Examples
    --------
    >>> str(fainter(BASE, 10).x2)
    '1/2500'
    """
    share = min(problem.smoothing, 1 - problem.smoothing)
    return problem.at(min(problem.sizes) * (share * 4 / (problem.K * scale)) ** 2)


def rate_derivation() -> Derivation:
    """Linearisation of (y_k - p_k) sqrt(n_k) = x Mx e_k at Z = a_eps P."""
    y, z, v, rest, e = sp.symbols("y z v rest epsilon", positive=True)
    target, force = sp.Matrix([y, z, 1 - y - z]), sp.Matrix([v, rest, -v - rest])
    own, wrong = 1 - e + e / K, e / K
    exact = root_entries(sp.Integer(1))
    half = root_entries(sp.Rational(1, 2))
    total = kA + kB
    square = half["A"] ** 2 + (kA - 1) * half["AA"] ** 2 + kB * half["AB"] ** 2
    return Derivation(
        steps=(
            Identity("softmax of a_eps P is the target: exp(a_eps) = own/wrong", own / wrong, 1 + K * (1 - e) / e),
            Lemma(
                "X = Z D^(1/2) has rank K - 1 near a_eps P D^(1/2), so Mx is its polar factor, which is smooth there: "
                "Mx -> pinv((P D P)^(1/2)) P D^(1/2), and Z is a smooth function of x",
                "NR26-01 and the implicit function theorem",
            ),
            Identity(
                "derivative of softmax diag(p) - p p^T at p = y applied to diag(1/y) v, sum v = 0: v (three classes)",
                ((sp.diag(*target) - target * target.T) * sp.diag(*target).inv() * force).applyfunc(sp.cancel),
                force,
            ),
            Lemma("so y_k - p_k = x L^(1/2) e_k gives dz_k = -x P diag(1/y_k) L^(1/2) e_k", "sum of L^(1/2) e_k is 0"),
            Identity(
                "P D P: diagonal entry of an A class is nA (1 - 2/K) + N/K^2",
                exact["A"],
                nA * (1 - 2 / total) + (kA * nA + kB * nB) / total**2,
            ),
            Identity("between", exact["AB"], (kA * nA + kB * nB) / total**2 - (nA + nB) / total),
            Identity("the root squared is P D P: diagonal entry", square, exact["A"]),
            Identity("margin: own minus other entry of dz, /x", -(v / own - rest / wrong), -(v / own - K / e * rest)),
        )
    )


BASE = Problem.ce([(4, 2), (1, 2)], "1/20").with_loss(smoothing="1/5")
THREE = Problem.ce([6, 3, 2], "1/40").with_loss(smoothing="1/5")
L = root_entries(-sp.Rational(1, 2))

limit = Claim(
    id="NR26-10",
    title="Label smoothing as lam tends to 0",
    kind="limit",
    paper=PAPER,
    statement=(
        r"Z_\lambda = a_\epsilon P + \lambda Z_1 + O(\lambda^2),\quad a_\epsilon = \log\left(1 + \frac{K (1 -"
        r" \epsilon)}{\epsilon}\right),\quad Z_1 e_k = -N P\, \mathrm{diag}(1/y_k) L^{1/2} e_k,\quad L = (P D P)^+",
        r"\text{margins: } a_\epsilon - \lambda N \left(\frac{(L^{1/2})_{yy}}{1 - \epsilon + \epsilon/K} +"
        r" \frac{K}{\epsilon} |(L^{1/2})_{cy}|\right) + O(\lambda^2)",
    ),
    relations=(
        Asymptotic(slope, rate(root_own, -root_other)),
        Asymptotic(margin_A, LEVEL),
        Asymptotic(aa, rate(L["A"], L["AA"])),
        Asymptotic(ab, rate(L["A"], L["AB"])),
        Asymptotic(ba, rate(L["B"], L["AB"])),
        Asymptotic(bb, rate(L["B"], L["BB"])),
    ),
    read=rate_readings,
    hypotheses=(
        Hypothesis(
            "cross-entropy, smoothed labels, no bias, weight or other knob",
            lambda p: (
                p.loss == "ce"
                and p.model == "ce"
                and p.smoothing > 0
                and p.bias == "none"
                and p.loss_temperature == 1
                and not (p.adjustment or p.scaling)
                and all(run.weight == run.feature_decay == run.row_decay == 1 for run in p.runs)
            ),
            dropped="with one-hot labels a_eps is infinite and the rate logarithmic (TH22-06)",
        ),
        Hypothesis("d >= K - 1", lambda p: p.dim >= p.K - 1, dropped="for smaller d no point has the rank of P"),
    ),
    witness=BASE,
    family=Family(bias=("none",), near=(), model="loss", knobs=("smoothing",)),
    settings=(
        Problem.ce([(3, 1), (2, 2)], "1/5", "1/10").with_loss(smoothing="1/2"),
        THREE,
        Problem.ce([(9, 2), 4, 1], "1/60").with_loss(smoothing="1/3"),
        Problem.ce([3, 2], 1).with_loss(smoothing="99/100"),
    ),
    along=fainter,
    companions=lambda problem: (max_margin(problem),),
    derivation=rate_derivation,
    rests_on=frozenset({"NR26-01"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("a_eps without K", (Asymptotic(margin_A, sp.log(1 + (1 - eps) / eps)),)),
        Mutant("L in place of its root", (Asymptotic(slope, rate(square_own, -square_other)),), problem=THREE),
        Mutant("N missing", (Asymptotic(ab / N, rate(L["A"], L["AB"])),)),
        Mutant("rate 1/log(1/x)", (Asymptotic((margin_A - LEVEL) * sp.log(1 / x), LEVEL),)),
        Mutant("sign of the off-diagonal term", (Asymptotic(ab, rate(L["A"], -L["AB"])),)),
    ),
    note="The root is that of the max-margin features (TH22-01); for two clusters it is elementary. The logits become "
    "balanced while the Gram matrices of W and H tend to the SELI ones.",
)
