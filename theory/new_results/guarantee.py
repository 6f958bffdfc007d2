"""NR26-19: a class with w^2 n > 2 (lam N)^2 is classified correctly, whatever the other classes are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.new_results.settings import MINORITY_WRONG, PAPER, WEIGHTED_WRONG, no_bias, wide
from theory.optimum import Optimum
from theory.problem import Cluster, Problem
from theory.symbols import N, n, w, x
from theory.value_observables import margin_pairs

__all__ = ["guarantee", "margin", "margins_where"]

margin = sp.Symbol("margin", real=True)
"""Own logit minus another, at the mean of a class."""


def margins_where(chosen: Callable[[Problem, Cluster], bool]) -> Callable[[Optimum], Iterable[Reading]]:
    """A reader of the margins of the classes that satisfy a condition on size, weight and x, decided exactly.

    Examples
    --------
    >>> read = margins_where(lambda problem, cluster: cluster.size > problem.x2)
    >>> list(read(Optimum(Problem.ce([2, 1], 1), "exact")))
    []
    """

    def read(optimum: Optimum) -> Iterator[Reading]:
        Z = optimum.logits
        if Z is not None:
            yield from ({margin: Z[k, k] - Z[j, k]} for k, j in margin_pairs(optimum.problem, chosen))

    return read


def guarantee_derivation() -> Derivation:
    """A tie or a loss makes a column of the dual matrix too long."""
    p_own, p_wrong, more, extra = sp.symbols("p_own p_wrong more extra", positive=True)
    return Derivation(
        steps=(
            Lemma(
                "at the optimum (Y - P) diag(n_k w_k/N) D^(-1/2)/lam has operator norm <= 1, so every column has "
                "length <= 1",
                "HL23-01: subdifferential of the nuclear norm",
            ),
            Identity(
                "column k: (w sqrt(n)/x)^2 ((1 - p_kk)^2 + sum_j p_jk^2) <= 1",
                (n * w / N / sp.sqrt(n) / (x / N)) ** 2,
                w**2 * n / x**2,
            ),
            Identity(
                "z_jk >= z_kk gives p_jk >= p_kk, and then (1 - p_kk)^2 + p_jk^2 >= (1 - p_kk)^2 + p_kk^2",
                (1 - p_own) ** 2 + p_own**2 - sp.Rational(1, 2),
                2 * (p_own - sp.Rational(1, 2)) ** 2,
            ),
            Positive("p_jk = p_kk + more", (p_wrong**2 - p_own**2).subs(p_wrong, p_own + more)),
            Positive(
                "so w^2 n/(2 x^2) <= 1 against w^2 n = (2 + extra) x^2",
                (w**2 * n / (2 * x**2) - 1).subs(n, (2 + extra) * x**2 / w**2),
            ),
        )
    )


def _stronger(factor: Fraction) -> Callable[[Problem, Cluster], bool]:
    return lambda problem, cluster: cluster.weight**2 * cluster.size > factor * problem.x2


WITNESS = Problem.ce([14, 6, 5, 1], 1).at("2.4")
HEAVY = Problem.ce([9, 4, 4, 1], 1, weights=[1, 2, 2, 5]).at(4)
LIGHT = Problem.ce([2, 5, 3], 1, weights=[1, "1/4", "1/2"]).at("0.504")
"""Second class: w n = 5/4 > 2 x^2, w^2 n = 5/16 < x^2, and it loses."""
CLOSE = Problem.ce([(9, 2), (6, 2)], 1).at(9)
"""x = 3, sizes 9 merge exactly although 9 > 2 x."""
BIASED = Problem.ce([20, 1, 1], 1, bias="free").at("0.45")

guarantee = Claim(
    id="NR26-19",
    title="Twice the merging size is safe",
    kind="bound",
    paper=PAPER,
    statement=(
        r"w_k^2 n_k > 2 (\lambda N)^2 \implies z_{kk} > z_{jk}\ \text{ for all } j \neq k,\ \text{ whatever the other"
        r" classes are}",
    ),
    relations=(sp.Gt(margin, 0, evaluate=False),),
    read=margins_where(_stronger(Fraction(2))),
    hypotheses=(
        no_bias("with a bias the logits with and without it differ; the same proof holds for their sum"),
        wide("below K - 1 no route proves that a minimum is global"),
    ),
    witness=WITNESS,
    family=Family(bias=("none",), weights=True),
    settings=(HEAVY, MINORITY_WRONG.at("0.49"), MINORITY_WRONG.at("0.4999999"), CLOSE.at(2), LIGHT.at("0.15")),
    derivation=guarantee_derivation,
    rests_on=frozenset({"HL23-01"}),
    required="proved",
    mutants=(
        Mutant("1 in place of 2 with weights", read=margins_where(_stronger(Fraction(1))), problem=WEIGHTED_WRONG),
        Mutant(
            "half in place of 2",
            read=margins_where(_stronger(Fraction(1, 2))),
            problem=MINORITY_WRONG,
        ),
        Mutant(
            "n > 2 lam N",
            read=margins_where(lambda problem, cluster: cluster.size**2 > 4 * problem.x2),
            problem=CLOSE,
        ),
        Mutant(
            "w n > 2 (lam N)^2",
            read=margins_where(lambda problem, cluster: cluster.weight * cluster.size > 2 * problem.x2),
            problem=LIGHT,
        ),
        Mutant("a margin of at least 2", relations=(sp.Ge(margin, 2, evaluate=False),), problem=CLOSE.at("2.99")),
    ),
    source="ours; proved here, novelty not checked",
    note="CJ26-02 conjectures the factor 1 without weights.",
)
