"""FA21-02 and R3: the convex relaxation is tight as soon as p >= K - 1, and its solution is unique."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.derivation import Derivation, Identity, Lemma
from theory.fang_2021_layer_peeled.reduction import dual_steps, nuclear_steps
from theory.fang_2021_layer_peeled.settings import BOTH_LIVE, COLLAPSED, PAPER, VANISHED, WIDE, step
from theory.optimum import Optimum
from theory.peeled_observables import T, budget_parameters, e, eH, eW, nu
from theory.problem import Problem
from theory.symbols import K, dead

__all__ = ["extra_dimensions", "tight"]

p = sp.Symbol("p", positive=True)
"""Feature dimension."""
gap = sp.Symbol("gap", real=True)
"""Distance of the lower bound to the objective at an explicit point, with 0 where less than CLOSED remains."""
CLOSED = 1e-9
dual_pairing, trace_W, trace_H = sp.symbols("GZ tr_W tr_H", real=True)
square_W, square_Z, square_H, square_Z1 = sp.symbols("W4 ZZ H4 Z1Z", real=True)
"""<(I - P) diag(m), Z>; traces of W W^T and H^T H; first entries of (W W^T)^2, Z Z^T, (H^T H)^2, Z^T Z."""


def tightness_readings(optimum: Optimum) -> Iterator[Reading]:
    """Bounds on the value, whether they meet, the pairing of gradient and logits, traces and squares of Gram matrices.

    Examples
    --------
    >>> sorted(map(str, next(tightness_readings(Optimum(BOTH_LIVE, "exact"))).keys()))
    ['E_H', 'E_W', 'K', 'N', 'T', 'dead', 'e', 'p']
    """
    problem, Z = optimum.problem, optimum.logits
    reading: dict[sp.Symbol, Any] = {**budget_parameters(problem), p: sp.Integer(problem.dim), dead: None}
    if optimum.lower is not None and optimum.upper is not None:
        distance = optimum.upper - optimum.lower
        closed = bool(distance < CLOSED)
        reading |= {gap: distance.union(0) if closed else distance, dead: True if closed else None}
    features, rows = optimum.gram_features, optimum.gram_classifier
    if Z is not None and rows is not None and features is not None:
        reading |= {trace_W: rows.trace(), trace_H: features.trace()}
        reading |= {square_W: (rows @ rows)[0, 0], square_Z: (Z @ Z.T)[0, 0]}
        reading |= {square_H: (features @ features)[0, 0], square_Z1: (Z.T @ Z)[0, 0]}
    if Z is not None and "multiplier" in optimum.facts:
        reading |= {nu: optimum.facts["multiplier"], dual_pairing: _pairing(optimum)}
    yield reading


def _pairing(optimum: Optimum) -> Any:
    """<(I - P) diag(m), Z> = sum_k m_k sum_j p_jk (z_kk - z_jk)."""
    problem, Z, P = optimum.problem, optimum.logits, optimum.probabilities
    assert Z is not None
    shares = [n * w / problem.N for n, w in zip(problem.sizes, problem.weights, strict=True)]
    total = 0 * Z[0, 0]
    for k, share in enumerate(shares):
        column = sum((P[j, k] * (Z[k, k] - Z[j, k]) for j in range(problem.K)), 0 * Z[0, 0])
        total += column * share.numerator / share.denominator
    return total


def tightness_derivation() -> Derivation:
    """Both inequalities between the three values, and what equality says about the blocks."""
    return Derivation(
        steps=(
            *nuclear_steps(),
            *dual_steps(),
            Lemma(
                "a feasible X >= 0 of the semidefinite program has |Z|_* <= sqrt(tr X_HH tr X_WW) <= T, and any Z "
                "with |Z|_* <= T completes to such an X",
                "semidefinite form of the nuclear norm",
            ),
            Lemma(
                "a column of loss weight 0 vanishes: deleting it keeps the loss and lowers |Z|_*; the other columns "
                "are unique",
                "operator monotonicity of the square root",
            ),
            Identity("tr W W^T = sqrt(E_W/E_H) T", sp.sqrt(eW / eH) * K * sp.sqrt(eW * eH), K * eW),
            Identity("(W W^T)^2 = (E_W/E_H) Z Z^T", sp.sqrt(eW / eH) ** 2, eW / eH),
            Identity("(H^T H)^2 = (E_H/E_W) Z^T Z", sp.sqrt(eH / eW) ** 2, eH / eW),
        )
    )


def _equation(left: sp.Expr, right: sp.Expr) -> sp.Eq:
    return sp.Eq(left, right, evaluate=False)


TIGHT = step(2, 1, "2", "1", "1", dim=2)

tight = Claim(
    id="FA21-02",
    title="The convex relaxation is tight",
    kind="equality",
    paper=PAPER,
    statement=(
        r"p \geq K-1:\quad \min \text{LPM} = \min \text{SDP} = \min\left\{\sum_k \tfrac{n_k}{N} CE(z_k, k) :"
        r" \|Z\|_* \leq T\right\},\qquad T = K\sqrt{E_W E_H};\quad Z \text{ is the same in every minimiser}",
        r"W W^\top = \sqrt{E_W/E_H}\,(Z Z^\top)^{1/2},\quad H^\top H = \sqrt{E_H/E_W}\,(Z^\top Z)^{1/2},\quad"
        r" \langle (I - P)\,\mathrm{diag}(m), Z\rangle = \mu T",
    ),
    relations=(
        _equation(gap, sp.Integer(0)),
        _equation(dual_pairing, nu * T),
        _equation(trace_W, K * eW),
        _equation(trace_H, K * eH),
        _equation(square_W, eW / eH * square_Z),
        _equation(square_H, eH / eW * square_Z1),
    ),
    read=tightness_readings,
    hypotheses=(replace(WIDE, dropped=replace(TIGHT, dim=1)),),
    witness=TIGHT,
    family=Family(bias=("none",), near=("minority_merge", "minority_zero"), weights=True, model="layer-peeled"),
    settings=(BOTH_LIVE, COLLAPSED, VANISHED, Problem.peeled([4, 2, 1], 1, 2, dim=2)),
    derivation=tightness_derivation,
    required="proved",
    mutants=(
        Mutant(
            "T = K E_W E_H",
            relations=(_equation(dual_pairing, nu * K * eW * eH),),
            problem=Problem.peeled([(3, 2), (1, 2)], 2, 1),
        ),
        Mutant("T = sqrt(E_W E_H)", relations=(_equation(dual_pairing, nu * e),), problem=TIGHT),
        Mutant("needs p >= 2K", relations=(sp.Equivalent(dead, p >= 2 * K),), problem=TIGHT),
        Mutant("fails at p = K - 1", relations=(sp.Equivalent(dead, p > K - 1),), problem=TIGHT),
        Mutant("tr W W^T = E_W", relations=(_equation(trace_W, eW),), problem=TIGHT),
        Mutant("H^T H from Z Z^T", relations=(_equation(square_H, eH / eW * square_Z),), problem=BOTH_LIVE),
    ),
    source="published result; the sufficient dimension re-derived",
    note="Without p >= K - 1 the lower bound still holds, and is not reached when p is below the rank of Z.",
)

extra_dimensions = Claim(
    id="FA21-R3",
    title="The relaxation needs p >= K, or p >= 2K",
    kind="bound",
    status="refuted",
    paper=PAPER,
    statement=(r"\min \text{LPM} = \min \text{SDP} \iff p \geq K",),
    relations=(sp.Equivalent(dead, p >= K),),
    read=tightness_readings,
    hypotheses=(),
    witness=TIGHT,
    family=Family(sizes="two", bias=("none",), near=(), model="layer-peeled"),
    settings=(BOTH_LIVE,),
    required="refuted",
    mutants=(Mutant("p >= 2K", relations=(sp.Equivalent(dead, p >= 2 * K),), problem=BOTH_LIVE),),
    note="FA21-02: p = K - 1 is enough.",
)
