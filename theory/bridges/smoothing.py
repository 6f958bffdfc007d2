"""Label smoothing gives the same logits under weight decay and under a budget, but other factors: XP26-12."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, log
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Asymptotic, Claim, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.loss_observables import eps
from theory.new_results.label_smoothing import BASE, LEVEL, limit, rate_derivation, root_entries, smaller
from theory.observables import two_cluster_parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, kA, kB, nA, nB

PAPER = "bridges"

ridge, budget = sp.symbols("M_ridge M_budget", real=True)
"""Margin of the first cluster over the second: weight decay tending to 0, and a budget above T_eps."""
ridge_A, ridge_AB, budget_A, budget_AB = sp.symbols("c_A c_AB c'_A c'_AB", real=True)
"""Cosines of classifier rows, within the first cluster and between clusters."""


def saturated(problem: Problem) -> tuple[Problem, ...]:
    """The same classes and labels under a budget of more than T_eps.

    Examples
    --------
    >>> (found,) = saturated(BASE)
    >>> found.model, found.e_w
    ('layer-peeled', Fraction(3, 1))
    """
    share = float(problem.smoothing)
    critical = (problem.K - 1) * log(1 + problem.K * (1 - share) / share)
    mean = Fraction(ceil(critical / problem.K + 0.5))
    return (Problem.peeled(problem.sizes, mean, mean).with_loss(smoothing=problem.smoothing),)


def classifier_cosines(optimum: Optimum, sizes: tuple[Fraction, Fraction]) -> tuple[Any, Any, Any]:
    """Margin of A over B and the cosines of rows of (X X^T)^(1/2), X = Z G^(1/2), for two clusters.

    Parameters
    ----------
    optimum : with logits that are constant on the blocks of two clusters.
    sizes : G on the two clusters: the class sizes under weight decay, 1 under a budget.

    Examples
    --------
    >>> Z = np.eye(3) - 1 / 3
    >>> p = Problem.ce([(2, 2), 1], 1)
    >>> [round(float(v), 9) for v in classifier_cosines(Optimum(p, "exact", logits=Z), (Fraction(1), Fraction(1)))]
    [1.0, -0.5, -0.5]
    """
    Z, clusters = optimum.logits, optimum.problem.clusters
    assert Z is not None
    A, B = (cluster.members for cluster in clusters)
    one, count, other = 0 * Z[0, 0] + 1, len(A), len(B)
    g = [one * size.numerator / size.denominator for size in sizes]
    within = [np.sqrt(g[c]) * (Z[m[0], m[0]] - Z[m[1], m[0]]) if len(m) > 1 else 0 * one for c, m in enumerate((A, B))]
    t_A = sum(Z[j, A[0]] for j in A) / count - sum(Z[j, A[0]] for j in B) / other
    t_B = sum(Z[j, B[0]] for j in B) / other - sum(Z[j, B[0]] for j in A) / count
    # the block between the clusters has rank one: its norm on cluster-constant unit vectors
    between = np.sqrt(count * other * (count * g[0] * t_A * t_A + other * g[1] * t_B * t_B) / (one * (count + other)))
    total = count + other
    own_A = within[0] * (count - 1) / count + between * other / (count * total)
    own_B = within[1] * (other - 1) / other + between * count / (other * total)
    pair_A = -within[0] / count + between * other / (count * total)
    return Z[A[0], A[0]] - Z[B[0], A[0]], pair_A / own_A, -between / total / np.sqrt(own_A * own_B)


def factor_readings(optimum: Optimum) -> Iterator[Reading]:
    """Margins and cosines under weight decay, and under the budget.

    Examples
    --------
    >>> list(factor_readings(Optimum(BASE, "exact")))
    []
    """
    others, problem = optimum.companions, optimum.problem
    if optimum.logits is None or not others or others[0].logits is None:
        return
    A, B = problem.clusters
    found = {
        **two_cluster_parameters(problem),
        eps: sp.Rational(problem.smoothing.numerator, problem.smoothing.denominator),
    }
    first = classifier_cosines(optimum, (A.size, B.size))
    second = classifier_cosines(others[0], (Fraction(1), Fraction(1)))
    names = ((ridge, ridge_A, ridge_AB), (budget, budget_A, budget_AB))
    for symbols, values in zip(names, (first, second), strict=True):
        margin, inside, between = symbols
        found |= {margin: values[0], between: values[2]} | ({inside: values[1]} if A.classes > 1 else {})
    yield found


ROOT = root_entries(sp.Rational(1, 2))
SELI_A = ROOT["AA"] / ROOT["A"]
SELI_AB = ROOT["AB"] / sp.sqrt(ROOT["A"] * ROOT["B"])


def factor_derivation() -> Derivation:
    """W W^T is (X X^T)^(1/2) up to a constant, X = Z G^(1/2), with G = D or 1."""
    flat = {nA: 1, nB: 1}
    total = kA + kB
    return Derivation(
        steps=(
            *rate_derivation().steps,
            Lemma("W W^T = sqrt(lam_H/lam_W) (X X^T)^(1/2) at every minimiser, G = D under weight decay", "NR26-01"),
            Lemma("Z tends to a_eps P under weight decay", "NR26-10"),
            Lemma("Z = a_eps P exactly under a budget T >= T_eps, where G = 1", "NR26-12"),
            Identity("G = 1: (P P)^(1/2) = P, entry between", ROOT["AB"].subs(flat), -1 / total),
            Identity("and on the diagonal", ROOT["A"].subs(flat), 1 - 1 / total),
            Identity("cosine of the frame", (ROOT["AA"] / ROOT["A"]).subs(flat), -1 / (total - 1)),
        )
    )


bridge = Claim(
    id="XP26-12",
    title="Label smoothing connects SELI and the saturated budget",
    kind="limit",
    paper=PAPER,
    statement=(
        r"\text{weight decay}: \lambda \to 0:\quad Z \to a_\epsilon P,\quad W W^T \propto (P D P)^{1/2}"
        r" \text{ (SELI), linearly in } \lambda",
        r"\|Z\|_* \leq T,\ T \geq T_\epsilon:\quad Z = a_\epsilon P,\quad W W^T \propto P \text{ (simplex ETF)}",
    ),
    relations=(
        Asymptotic(ridge, LEVEL),
        Asymptotic(ridge_A, SELI_A),
        Asymptotic(ridge_AB, SELI_AB),
        Asymptotic(budget, LEVEL),
        Asymptotic(budget_A, -1 / (K - 1)),
        Asymptotic(budget_AB, -1 / (K - 1)),
    ),
    read=factor_readings,
    hypotheses=limit.hypotheses,
    witness=BASE,
    family=None,
    settings=limit.settings,
    along=smaller,
    companions=saturated,
    derivation=factor_derivation,
    rests_on=frozenset({"NR26-01", "NR26-10", "NR26-12"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("both factors are frames", (Asymptotic(ridge_AB, -1 / (K - 1)),)),
        Mutant("both factors are SELI", (Asymptotic(budget_AB, SELI_AB),)),
        Mutant("SELI with P D P instead of its root", (Asymptotic(ridge_AB, root_entries(sp.Integer(1))["AB"]),)),
    ),
    note="Same logits, other geometry of the factors: G = D under weight decay on samples, G = 1 under a "
    "budget on class "
    "means. The Gram matrix of the features follows in the same way from the right singular vectors.",
)
