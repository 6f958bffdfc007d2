"""Two class sizes with a free bias: all minority classes share one feature, which need not be zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sympy as sp

from theory import mse_observables as mse
from theory.claim import Claim, Hypothesis, Mutant, Reading
from theory.dang_2023_deep_linear import settings
from theory.dang_2023_deep_linear.free_bias import FREE, GROUPS2, TINY_PAIRS, mu_i, p_i
from theory.dang_2023_deep_linear.modes import bias_steps, monotone_steps, u
from theory.derivation import Derivation, Identity, Lemma, Positive, Step
from theory.mse_observables import STRENGTH, M, base, lH
from theory.observables import rational
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, N, dead, kA, kB, nA, nB

group, contrast_A, contrast_B = sp.symbols("mu_group mu_A mu_B", real=True)
gap2, minor, minor_zero = sp.symbols("gap2_B hh_B hh_B0", real=True)
"""|hbar_k - hbar_l|^2 of two minority classes; |hbar_k|^2 of one where the group mode is alive, dead."""
nB_pair, nB_zero = sp.symbols("n_B_pair n_B_zero", positive=True)
"""n_B where the state says 'minority classes coincide', 'minority features vanish'."""


def two_level_readings(optimum: Optimum) -> Iterator[Reading]:
    """Modes and minority features of a problem with two sizes.

    Examples
    --------
    >>> [len(reading) for reading in two_level_readings(Optimum(settings.GROUPS, "exact"))]
    [13]
    """
    problem = optimum.problem
    if len(problem.clusters) != 2:
        return
    A, B = problem.clusters
    common = {**mse.mse_parameters(problem), kA: sp.Integer(A.classes), nA: rational(A.size)}
    common |= {kB: sp.Integer(B.classes), nB: rational(B.size), mu_i: problem_group(problem)}
    seen, states = optimum.facts.get("modes"), optimum.facts.get("mode_states")
    place = A.classes - 1
    state = mse.mode_state(problem, problem.K * A.size * B.size / problem.N)
    if state == "alive":
        common[p_i] = mse.largest_root(problem, p_i, problem_group(problem))
    reading: dict[sp.Symbol, Any] = dict(common)
    if seen is not None:
        reading[group] = seen[place]
        reading |= {contrast_A: seen[0]} if A.classes > 1 else {}
        reading |= {contrast_B: seen[place + 1]} if B.classes > 1 else {}
    yield reading
    yield from _minority(optimum, common, state, mse.mode_state(problem, B.size) if B.classes > 1 else "dead")
    if states is None:
        return
    for name, index in ((nB_zero, place), (nB_pair, place + 1))[: 2 if B.classes > 1 else 1]:
        now = states[index]
        yield {**common, name: common[nB], **mse.some_and_every(None if now == "tie" else now, now)[0]}


def problem_group(problem: Problem) -> sp.Rational:
    """K n_A n_B/N.

    Examples
    --------
    >>> problem_group(settings.GROUPS)
    5
    """
    A, B = problem.clusters
    return rational(problem.K * A.size * B.size / problem.N)


def _minority(
    optimum: Optimum, common: dict[sp.Symbol, Any], group_state: str | None, within: str | None
) -> Iterator[Reading]:
    features, members = optimum.gram_features, optimum.problem.clusters[1].members
    if features is None or within != "dead":
        return
    k = members[0]
    reading = dict(common)
    if len(members) > 1:
        other = members[1]
        reading[gap2] = features[k, k] + features[other, other] - 2 * features[k, other]
    if group_state == "alive":
        reading[minor] = features[k, k]
    elif group_state == "dead":
        reading[minor_zero] = features[k, k]
    yield reading


def two_level_derivation() -> Derivation:
    """The invariant subspaces of C for two sizes."""
    size = kA * nA + kB * nB
    value = (kA + kB) * nA * nB / size
    # one class of each group carries the action of C on (1/kA on A, -1/kB on B), which is constant on the groups
    on_A = nA / kA - nA * (nA - nB) / size
    on_B = -nB / kB - nB * (nA - nB) / size
    entry_B = -1 / kB - (nA - nB) / size
    return Derivation(
        steps=(
            *bias_steps(),
            *_contrast_steps(),
            Identity("group direction (1/kA on A, -1/kB on B), n^T of it is nA - nB: C on A", on_A, value / kA),
            Identity("C on B", on_B, -value / kB),
            Positive("n_B < K n_A n_B/N (n_A = n_B + d)", (value - nB).subs(nA, nB + u)),
            Positive("K n_A n_B/N < n_A", (nA - value).subs(nA, nB + u)),
            Lemma("modes and their thresholds; the Gram matrix T^T Q T of class means", "DA23-19"),
            *monotone_steps(),
            Lemma(
                "n_B < n_star: the contrasts of B are dead, so minority means differ in no live mode and coincide; "
                "the group mode is alive iff K n_A n_B/N > n_star",
                "DA23-03",
            ),
            Identity("entry of T^T u on B", entry_B, -(kA + kB) * nA / (kB * size)),
            Positive("it is not zero", -entry_B.subs(nA, nB + u)),
            Identity(
                "|hbar_B|^2 = p(1-p)/(N lambda_H) kA K n_A^2/(kB N^2), with |u|^2 = K/(kA kB)",
                entry_B**2 * kA * kB / (kA + kB),
                kA * (kA + kB) * nA**2 / (kB * size**2),
            ),
        )
    )


def _contrast_steps() -> tuple[Step, ...]:
    ones = sp.Matrix([nA, nA, nB])
    C = sp.diag(nA, nA, nB) - ones * ones.T / (2 * nA + nB)
    v = sp.Matrix([1, -1, 0])
    return (Identity("a contrast inside a group has mu = its size (2 + 1 classes written out)", C * v, nA * v),)


GROUP = nB_zero * nA * K / N
two_levels = Claim(
    id="DA23-21",
    title="Two sizes with a free bias: minorities share one feature",
    kind="structure",
    paper=settings.PAPER,
    statement=(
        r"\mu = n_A\ (k_A - 1 \text{ times}),\quad \tfrac{K n_A n_B}{N},\quad n_B\ (k_B - 1 \text{ times}),\quad "
        r"0;\qquad n_B < \tfrac{K n_A n_B}{N} < n_A",
        r"n_B < n_* < \tfrac{K n_A n_B}{N}:\ \text{all minority means coincide and are not zero},\quad \|\bar h_B\|^2 "
        r"= \tfrac{p (1-p)}{N \lambda_H} \tfrac{k_A K n_A^2}{k_B N^2};\qquad \tfrac{K n_A n_B}{N} < n_*:\ \text{they "
        r"vanish}",
    ),
    relations=(
        sp.Eq(group, K * nA * nB / N, evaluate=False),
        sp.Eq(contrast_A, nA, evaluate=False),
        sp.Eq(contrast_B, nB, evaluate=False),
        sp.Lt(nB, group, evaluate=False),
        sp.Lt(group, nA, evaluate=False),
        sp.Eq(gap2, 0, evaluate=False),
        sp.Eq(minor, p_i * (1 - p_i) / (N * lH) * kA * K * nA**2 / (kB * N**2), evaluate=False),
        sp.Gt(minor, 0, evaluate=False),
        sp.Eq(minor_zero, 0, evaluate=False),
        sp.Equivalent(dead, GROUP**M * base <= M ** (2 * M) * STRENGTH),
        sp.Equivalent(dead, nB_pair**M * base <= M ** (2 * M) * STRENGTH),
    ),
    read=two_level_readings,
    hypotheses=(
        settings.SQUARED_ONLY,
        FREE,
        replace(settings.WIDE, dropped="without room the modes that are kept are those of DA23-19"),
        Hypothesis("two sizes", lambda problem: len(problem.clusters) == 2, dropped="other sizes: DA23-19"),
    ),
    witness=settings.GROUPS,
    family=replace(settings.FREE, sizes="two"),
    settings=(
        GROUPS2[1],
        GROUPS2[2],
        *GROUPS2[5:],
        Problem.mse([9, 9, 3, 3, 3], "0.08", "0.09", bias="free"),
        Problem.mse([8, 2, 2], "0.1", "0.2", bias="free"),
        Problem.mse([(6, 2), (2, 3)], ["0.2"], "0.3", bias="free"),
        Problem.mse([6, 2, 2], ["1/25"], "1/2", bias="free"),
        TINY_PAIRS,
    ),
    derivation=two_level_derivation,
    rests_on=frozenset({"DA23-03", "DA23-19"}),
    required="proved",
    mutants=(
        Mutant(
            "minority features are zero also with a bias",
            relations=(sp.Eq(minor, 0, evaluate=False),),
            problem=settings.GROUPS,
        ),
        Mutant(
            "2 n_A n_B/(n_A + n_B) also for k_A != k_B",
            relations=(sp.Eq(group, 2 * nA * nB / (nA + nB), evaluate=False),),
            problem=settings.GROUPS,
        ),
        Mutant(
            "the group mode dies at n_B",
            relations=(sp.Equivalent(dead, nB_zero**M * base <= M ** (2 * M) * STRENGTH),),
            problem=settings.GROUPS,
        ),
    ),
)
