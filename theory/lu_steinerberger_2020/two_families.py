"""Below the dimension of the simplex u = v is not always optimal: critical for one family is not critical for two."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.claim import Claim, Hypothesis, Mutant, Reading, Root
from theory.optimum import Optimum
from theory.problem import Problem
from theory.sphere_observables import PAPER, UNIT, a, at_most, best, one_family, values, wide

height, sideways, pyramid, best_one = sp.symbols("h turn L1_pyramid L1_best", real=True)
"""Height of the base of the critical square pyramid with apex e_3; component of sum_j p_1j v_j orthogonal to the base
vertex v_1; L1 there; the objective at the best point known for one family."""

APEX_ROW = 1 + 4 * sp.exp(a * (height - 1))
BASE_ROW = 1 + sp.exp(a * (height - 1)) + 2 * sp.exp(a * (height**2 - 1)) + sp.exp(2 * a * (height**2 - 1))
PYRAMID_VALUE = sp.log(APEX_ROW) + 4 * sp.log(BASE_ROW)
"""L1 of e_3 and four vertices of a square at height h, from its inner products h, h^2, 2 h^2 - 1."""
HEIGHT = Root(height, sp.diff(PYRAMID_VALUE, height), sp.Rational(-1, 2), sp.Integer(0))
SIDEWAYS = (
    sp.sqrt(1 - height**2)
    * (
        sp.exp(a * (height - 1))
        + 2 * height * sp.exp(a * (height**2 - 1))
        + 2 * height * sp.exp(2 * a * (height**2 - 1))
    )
    / BASE_ROW
)
"""sum_j p_1j <v_j, t>, t = (-h, 0, sqrt(1 - h^2)) tangent at v_1 = (sqrt(1 - h^2), 0, h)."""


def pyramid_readings(optimum: Optimum) -> Iterator[Reading]:
    """The best points for two families and for one; for n = 5, d = 3 the critical pyramid, its height a change of sign.

    Read on the enclosure route: its upper bounds and the root are rigorous.

    Examples
    --------
    >>> (reading,) = pyramid_readings(Optimum(Problem.sphere(5, 3, 7), "enclosure"))
    >>> reading[sideways] == SIDEWAYS
    True
    """
    problem, reading = optimum.problem, values(optimum)
    if optimum.route != "enclosure":
        return
    for other in optimum.companions:
        reading[best_one] = other.upper
    if (problem.K, problem.dim) == (5, 3):
        reading |= {height: HEIGHT, sideways: SIDEWAYS, pyramid: PYRAMID_VALUE}
    yield reading


inherited = Claim(
    id="LS20-17",
    title="u = v below the dimension of the simplex (false)",
    kind="equality",
    paper=PAPER,
    status="refuted",
    statement=(
        r"d < n - 1:\quad V \text{ critical for } L_1 \implies (V, V) \text{ critical for } L_2, \text{ and } \min L_2"
        r" = \min L_1",
        r"n = 5,\ d = 3:\quad \sum_j p_{1j} v_j \parallel v_1 \text{ and } \min L_2 \geq L_1(V) \text{ at the critical"
        r" square pyramid } V",
    ),
    relations=(
        sp.Eq(sideways, 0, evaluate=False),
        sp.Ge(best, pyramid, evaluate=False),
        sp.Ge(best, best_one, evaluate=False),
    ),
    read=pyramid_readings,
    companions=one_family,
    hypotheses=(
        UNIT,
        Hypothesis("d < n - 1", lambda problem: not wide(problem), dropped="where the simplex fits, u = v (LS20-02)"),
        Hypothesis(
            "two families", lambda problem: problem.families == 2, dropped="with one family there is nothing to compare"
        ),
        at_most(20, "only the check needs it: the height is sought in [-1/2, 0]"),
    ),
    witness=Problem.sphere(5, 3, 7),
    family=None,
    settings=(Problem.sphere(5, 3, 8), Problem.sphere(7, 3, 1)),
    required="refuted",
    mutants=tuple(
        Mutant(text, relations=(wrong,), problem=problem)
        for text, wrong, problem in (
            (
                "two families cannot be better than the pyramid",
                sp.Ge(best, pyramid, evaluate=False),
                Problem.sphere(5, 3, 8),
            ),
            ("two families cannot be better than one", sp.Ge(best, best_one, evaluate=False), Problem.sphere(7, 3, 1)),
            ("two families are worse", sp.Gt(best, best_one, evaluate=False), Problem.sphere(7, 3, 1)),
        )
    ),
    source="re-derived",
    note="One family needs sum_j (p_ij + p_ji) v_j parallel to v_i, two families need it for each part; the softmax"
    " matrix is symmetric only where all row sums of exp(a G) agree (LS20-18). At a = 7 the pyramid is the best"
    " configuration known for one family, and two families get 1.9e-10 below it (n = 7, d = 3, a = 1: 4.3e-7; n = 10, d"
    " = 3, a = 2: 7.1e-6 below the best point known for one). That these points minimise L1 is numerical; that the"
    " pyramid is critical for one family, not for two, and that two families improve on it, is proved.",
)
