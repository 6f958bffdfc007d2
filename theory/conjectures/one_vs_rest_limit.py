"""One-vs-rest losses tend to logits +1 on the own class and -1 elsewhere, for any class sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theory.claim import Claim, Family, Hypothesis, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma, Positive
from theory.hong_ling_2023.reduction import moduli
from theory.loss_observables import LINEAR, UNBIASED
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K

__all__ = ["signs"]

Array = NDArray[Any]
least = sp.Symbol("gamma", real=True)
t, t_frame = sp.symbols("t t_P", nonnegative=True)
"""Least of z_kk and -z_ck, and |Z G^(1/2)|_* over that of 2 I - J; over that of K I - J."""
loss, level, level_double = sp.symbols("log_L log_L_t log_L_2t", real=True)
"""Logarithm of the mean loss of the optimum, of t (2 I - J), and of twice that."""


def sign_readings(optimum: Optimum) -> Iterator[Reading]:
    """Least signed logit, size of the logits in units of 2 I - J, and both losses.

    Examples
    --------
    >>> list(sign_readings(Optimum(STEP, "exact")))
    []
    """
    problem, Z = optimum.problem, optimum.logits
    if Z is None or not all(hasattr(z, "is_finite") and z.is_finite() for z in Z.ravel()):
        return
    one = 0 * Z[0, 0] + 1
    pairs = zip(problem.sizes, problem.feature_decays, strict=True)
    roots = np.sqrt(np.array([one * (n * r).numerator / (n * r).denominator for n, r in pairs]))
    sign = 2 * np.eye(problem.K, dtype=int) - 1
    signed, size = Z * sign, moduli(Z * roots)[0].trace()
    shape, centred = one * sign, one * (np.eye(problem.K, dtype=int) * problem.K - 1)
    scale = size / moduli(shape * roots)[0].trace()
    yield {
        least: reduce(lambda a, b: a.min(b), signed.ravel()),
        t: scale,
        t_frame: size / moduli(centred * roots)[0].trace(),
        loss: _log_loss(problem, signed),
        level: _log_loss(problem, scale + 0 * signed),
        level_double: _log_loss(problem, 2 * scale + 0 * signed),
    }


def _log_loss(problem: Problem, signed: Array) -> Any:
    """Logarithm of the mean loss at given signed logits."""
    tails = np.exp(-signed)
    if problem.loss == "ovr":
        tails = np.array([[x.log1p() for x in row] for row in tails])
    masses = [n * w / problem.N for n, w in zip(problem.sizes, problem.weights, strict=True)]
    return np.log(sum(tails[:, k].sum() * m.numerator / m.denominator for k, m in enumerate(masses)))


def sign_derivation() -> Derivation:
    """The polar factor of (2 I - J) G^(1/2) has the signs of 2 I - J: it is a strictly feasible dual point."""
    g, time, mass, count, half = sp.symbols("g theta m M h", positive=True)
    e1, e2, e3, c1, c2, c3 = sp.symbols("e_1 e_2 e_3 c_1 c_2 c_3", positive=True)
    E, c, unit = sp.diag(e1, e2, e3), sp.Matrix([c1, c2, c3]), sp.ones(3, 1)
    q = (c.T * E * unit)[0]
    inverse = E + E * unit * c.T * E / (1 - q)
    own = (g + time / (2 * (K - 2))) / (2 * g + time / 2)
    d = sp.Symbol("d", positive=True)
    return Derivation(
        steps=(
            Identity(
                "Y = 2 I - J: own logit 1, the others -1 (two classes written out)",
                2 * sp.eye(2) - sp.ones(2, 2),
                sp.Matrix([[1, -1], [-1, 1]]),
            ),
            Identity(
                "K > 2: Y^-1 = (I - J/(K - 2))/2, an entry of Y Y^-1 off the diagonal: 0",
                (2 * (-1 / (K - 2)) - (1 - K / (K - 2))) / 2,
                sp.Integer(0),
            ),
            Lemma(
                "the polar factor of Y G^(1/2) is (Y G Y)^(-1/2) Y G^(1/2), and B^(-1/2) is the integral of "
                "(B + theta)^-1/(pi sqrt(theta)) over theta > 0",
                "spectral theorem",
            ),
            Identity(
                "its transpose: Y (Y G Y + theta)^-1 = (Y G + theta Y^-1)^-1, and that is (E^-1 - 1 c^T)^-1 with "
                "diagonal E: diagonal 2 g + theta/2 in E^-1, c = g + theta/(2 (K - 2)); an entry on the diagonal",
                (2 * g - g) + time * (1 - 1 / (K - 2)) / 2,
                (2 * g + time / 2) - (g + time / (2 * (K - 2))),
            ),
            Identity("and off it", -g - time / (K - 2) / 2, -(g + time / (2 * (K - 2)))),
            Identity(
                "its inverse (three classes written out)",
                ((E.inv() - unit * c.T) * inverse - sp.eye(3)).applyfunc(sp.cancel),
                sp.zeros(3, 3),
            ),
            Positive(
                "K = 4 + h: every c_k E_k is at least 1/(K-2)",
                sp.cancel((own - 1 / (K - 2)).subs(K, 4 + half)),
                strict=False,
            ),
            Positive("K = 3: every c_k E_k is more than 1/2", sp.cancel((own - sp.Rational(1, 2)).subs(K, 3))),
            Positive(
                "so any K - 1 of them sum to more than 1 (K = 3 from 1/2 each): (K-1)/(K-2) - 1 for K = 2 + d",
                ((K - 1) / (K - 2) - 1).subs(K, 2 + d),
            ),
            Lemma(
                "q = sum c_k E_k > 1 makes the entries E_i c_j E_j/(1 - q) off the diagonal negative, and those on "
                "it, E_k (1 - c_k E_k/(q - 1)), positive",
                "sign of a product",
            ),
            Lemma("K = 2: Y = [[1,-1],[-1,1]] has rank one, and its polar factor its signs", "two entries"),
            Lemma(
                "<U, Z G^(1/2)> is a sum of positive multipliers times the signed logits: at least the least one "
                "times R_0, at most |Z G^(1/2)|_*; equality only at multiples of Y",
                "norm duality",
            ),
            Lemma("L(Z*) <= L(t Y), as both have the same norm", "definition of a global minimiser"),
            Identity(
                "m e^-gamma <= M K e^-t gives gamma >= t - log(M K/m): gamma/t -> 1",
                -sp.log(count * K * sp.exp(-time) / mass),
                time - sp.log(count * K / mass),
            ),
            Lemma("the penalty is lam |Z G^(1/2)|_*", "NR26-01"),
            Identity(
                "equal sizes: |Y| = 2 (I - J/K) + (K - 2) J/K: cosine of two rows",
                (-2 / K + (K - 2) / K) / (2 - 2 / K + (K - 2) / K),
                (K - 4) / (3 * K - 4),
            ),
        )
    )


STEP = Problem.ce([(9, 2), (4, 2)], 1).with_loss("ovr").at("1e-4")
MANY = Problem.ce([(14, 2), 6, 1], 1, weights=[(1, 2), 2, 3]).with_loss("ovr", feature_decay=[(1, 2), 2, 1])

signs = Claim(
    id="UC26-05",
    title="One-vs-rest losses tend to logits +1 and -1 for any class sizes",
    kind="bound",
    paper="conjectures",
    statement=(
        r"Y = 2I - J,\quad t = \frac{\|Z^* G^{1/2}\|_*}{\|Y G^{1/2}\|_*}:\qquad \gamma = \min(z_{kk}, -z_{ck}) \leq t,"
        r"\qquad L(Z^*) \leq L(t Y)",
        r"\text{hence for } \lambda \to 0:\quad \gamma/t \to 1,\quad Z^*/t \to Y,\quad W W^T \propto (Y G Y)^{1/2}",
        r"\text{equal sizes: } \cos(w_i, w_j) \to \frac{K - 4}{3K - 4} \text{ instead of } -\frac{1}{K - 1}",
    ),
    relations=(sp.Le(least, t, evaluate=False), sp.Le(loss, level, evaluate=False)),
    read=sign_readings,
    hypotheses=(
        Hypothesis(
            "one-vs-rest logistic or exponential loss with one-hot labels, row decay and logits unchanged",
            lambda p: (
                p.loss in ("ovr", "ovr-exp")
                and not (p.smoothing or p.targets or p.adjustment or p.scaling)
                and p.loss_temperature == 1
                and all(run.row_decay == 1 for run in p.runs)
            ),
            dropped=Problem.ce([(9, 2), (4, 2)], 1).with_loss("ovr", row_decay=[(1, 2), (9, 2)]).at("1e-6"),
        ),
        replace(LINEAR, dropped="with H >= 0 the penalty of the logits is another norm (NR26-15)"),
        UNBIASED,
        Hypothesis("d >= K", lambda p: p.dim >= p.K, dropped="2 I - J has rank K for K >= 3"),
    ),
    witness=STEP,
    settings=(MANY.at("1e-6"), Problem.ce([9, 1], 1).with_loss("ovr").at("1e-2")),
    family=Family(
        sizes="any", bias=("none",), near=("merge",), model="loss", losses=("ovr",), knobs=("weights", "feature_decay")
    ),
    derivation=sign_derivation,
    rests_on=frozenset({"NR26-01"}),
    required="proved",
    source="ours; beyond the papers",
    mutants=(
        Mutant("the limit is the ETF", (sp.Le(least, t_frame, evaluate=False),), problem=STEP.at("1e-8")),
        Mutant("the loss of twice the logits", (sp.Le(loss, level_double, evaluate=False),), problem=STEP),
        Mutant("all signed logits reach t", (sp.Ge(least, t, evaluate=False),), problem=MANY.at("1e-6")),
    ),
    note="The logits are not centred and for K >= 3 have rank K. With four equal classes the rows become orthogonal, "
    "with more they make acute angles.",
)
