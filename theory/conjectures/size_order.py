"""CJ26-03: probabilities, columns and rows of Z* and rows of W* are ordered like the sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.conjectures.settings import NOT_TRIED, SOURCE, WIDE
from theory.new_results.settings import equal_weights
from theory.observables import norm
from theory.optimum import Optimum
from theory.problem import Problem
from theory.value_observables import grams, representatives

__all__ = ["size_order"]

p_i, p_j, column_i, column_j, row_i, row_j, w_i, w_j = sp.symbols(
    "p_i p_j z_i z_j row_i row_j w_i w_j", nonnegative=True
)
"""Of two classes with n_i >= n_j: own probability, lengths of column and row of Z, squared length of the row of W."""


def order_readings(optimum: Optimum) -> Iterator[Reading]:
    """Neighbours in the order of the sizes, one or two classes per size.

    Examples
    --------
    >>> import numpy as np
    >>> p = Problem.ce([2, 1], 1)
    >>> (reading,) = order_readings(Optimum(p, "exact", logits=np.array([[2.0, -1.0], [-2.0, 1.0]]), bias=np.zeros(2)))
    >>> float(reading[p_j].round(6)), float(reading[row_i].round(6))
    (0.880797, 2.236068)
    """
    Z = optimum.logits
    if Z is None:
        return
    P, found = optimum.probabilities, grams(optimum)
    for i, j in pairwise(representatives(optimum.problem)):
        reading: dict[sp.Symbol, Any] = {p_i: P[i, i], p_j: P[j, j]}
        reading |= {column_i: norm(Z[:, i]), column_j: norm(Z[:, j]), row_i: norm(Z[i]), row_j: norm(Z[j])}
        if found is not None:
            reading |= {w_i: found[0][i, i], w_j: found[0][j, j]}
        yield reading


WITNESS = Problem.ce([14, 6, 5, 1], "0.04")
INVERTED = Problem.ce([6, 4, 3], "0.05", weights=[1, 4, 1])

size_order = Claim(
    id="CJ26-03",
    title="Probabilities, columns and rows follow the sizes",
    kind="ordering",
    status="conjecture",
    paper="conjectures",
    statement=(
        r"n_i \geq n_j \implies p_{ii} \geq p_{jj},\quad \lVert z_i \rVert \geq \lVert z_j \rVert \text{ (columns and"
        r" rows)},\quad \lVert w_i \rVert \geq \lVert w_j \rVert",
    ),
    relations=(
        sp.Ge(p_i, p_j, evaluate=False),
        sp.Ge(column_i, column_j, evaluate=False),
        sp.Ge(row_i, row_j, evaluate=False),
        sp.Ge(w_i, w_j, evaluate=False),
    ),
    read=order_readings,
    hypotheses=(NOT_TRIED, WIDE, equal_weights(INVERTED)),
    witness=WITNESS,
    family=Family(bias=("none",)),
    settings=(
        WITNESS.at(3),
        Problem.ce([5, 3, 1], 1).at("1.8"),
        Problem.ce([(9, 2), (4, 3)], "0.03"),
        Problem.ce([30, 17, 9, 4, 2], 1).at(9),
    ),
    required="agrees",
    mutants=(
        Mutant("probabilities twice as large", relations=(sp.Ge(p_i, 2 * p_j, evaluate=False),), problem=WITNESS),
        Mutant("columns in the reverse order", relations=(sp.Le(column_i, column_j, evaluate=False),), problem=WITNESS),
    ),
    source=SOURCE,
    note="NR26-22 proves the order of the mean of loss and entropy. In one dimension ties already fail.",
)
