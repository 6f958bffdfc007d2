"""CJ26-03: probabilities and rows of W* are ordered like the sizes; columns and rows of Z* are not (RF26-14, 15)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import sympy as sp

from theory.claim import Claim, Family, Mutant, Reading
from theory.conjectures.settings import NOT_TRIED, SOURCE, WIDE
from theory.new_results.settings import equal_weights
from theory.optimum import Optimum
from theory.problem import Problem
from theory.value_observables import grams, representatives

__all__ = ["column_order", "row_order", "size_order"]

p_i, p_j, column_i, column_j, row_i, row_j, w_i, w_j = sp.symbols(
    "p_i p_j z_i z_j row_i row_j w_i w_j", nonnegative=True
)
"""Of two classes with n_i >= n_j: own probability, squared lengths of the column and the row of Z, and of the row of
W."""


def order_readings(optimum: Optimum) -> Iterator[Reading]:
    """Neighbours in the order of the sizes, one or two classes per size.

    Examples
    --------
    >>> import numpy as np
    >>> p = Problem.ce([2, 1], 1)
    >>> (reading,) = order_readings(Optimum(p, "exact", logits=np.array([[2.0, -1.0], [-2.0, 1.0]]), bias=np.zeros(2)))
    >>> float(reading[p_j].round(6))
    0.880797
    """
    if optimum.logits is None:
        return
    P, found = optimum.probabilities, grams(optimum)
    for i, j in pairwise(representatives(optimum.problem)):
        reading: dict[sp.Symbol, Any] = {p_i: P[i, i], p_j: P[j, j]}
        if found is not None:
            reading |= {w_i: found[0][i, i], w_j: found[0][j, j]}
        yield reading


def line_readings(optimum: Optimum) -> Iterator[Reading]:
    """Columns and rows of Z of neighbours in the order of the sizes.

    Examples
    --------
    >>> import numpy as np
    >>> p = Problem.ce([2, 1], 1)
    >>> (reading,) = line_readings(Optimum(p, "exact", logits=np.array([[2.0, -1.0], [-2.0, 1.0]])))
    >>> float(reading[column_i]), float(reading[column_j]), float(reading[row_j])
    (8.0, 2.0, 5.0)
    """
    Z = optimum.logits
    if Z is None:
        return
    columns, rows = ([sum(z * z for z in line) for line in lines] for lines in (Z.T, Z))
    for i, j in pairwise(representatives(optimum.problem)):
        yield {column_i: columns[i], column_j: columns[j], row_i: rows[i], row_j: rows[j]}


WITNESS = Problem.ce([14, 6, 5, 1], "0.04")
INVERTED = Problem.ce([6, 4, 3], "0.05", weights=[1, 4, 1])
GIANT = Problem.ce([10**6, 1000, 10, 1], 1).at(2)
"""Columns of lengths 6.76, 5.35, 5.42, 4.78."""
SHRUNK = Problem.ce([285577, 458, 10, 1], "1/229861")
"""The smallest that the hunt came to: the columns of the classes 458 and 10 differ by 5e-10, relative."""
GIANTS = Problem.ce([(10**8, 6), (12, 2), (1, 4)], 1).at("0.9")
"""Rows of the classes 12 and 1: lengths 9.29 and 9.41."""
HYPOTHESES = (NOT_TRIED, WIDE, equal_weights(INVERTED))
COLUMNS, ROWS = sp.Ge(column_i, column_j, evaluate=False), sp.Ge(row_i, row_j, evaluate=False)

size_order = Claim(
    id="CJ26-03",
    title="Probabilities and classifier rows follow the sizes",
    kind="ordering",
    status="conjecture",
    paper="conjectures",
    statement=(r"n_i \geq n_j \implies p_{ii} \geq p_{jj},\quad \lVert w_i \rVert \geq \lVert w_j \rVert",),
    relations=(
        sp.Ge(p_i, p_j, evaluate=False),
        sp.Ge(w_i, w_j, evaluate=False),
    ),
    read=order_readings,
    hypotheses=HYPOTHESES,
    witness=WITNESS,
    family=Family(bias=("none",)),
    settings=(
        WITNESS.at(3),
        Problem.ce([5, 3, 1], 1).at("1.8"),
        Problem.ce([(9, 2), (4, 3)], "0.03"),
        Problem.ce([30, 17, 9, 4, 2], 1).at(9),
        GIANT,
        GIANTS,
    ),
    required="agrees",
    mutants=(
        Mutant("probabilities twice as large", relations=(sp.Ge(p_i, 2 * p_j, evaluate=False),), problem=WITNESS),
        Mutant("rows in the reverse order", relations=(sp.Le(w_i, w_j, evaluate=False),), problem=WITNESS),
        Mutant("columns of Z too (RF26-14)", relations=(COLUMNS,), read=line_readings, problem=GIANT),
        Mutant("rows of Z too (RF26-15)", relations=(ROWS,), read=line_readings, problem=GIANTS),
    ),
    source=SOURCE,
    note="Columns and rows of Z were a part of it until they were refuted (RF26-14, RF26-15). NR26-22 proves the order "
    "of the mean of loss and entropy. In one dimension ties already fail.",
)

column_order = Claim(
    id="RF26-14",
    title="Columns of Z follow the sizes",
    kind="ordering",
    status="refuted",
    paper="beliefs",
    statement=(r"n_i \geq n_j \implies \lVert z_i \rVert \geq \lVert z_j \rVert \text{ (columns of } Z^*)",),
    relations=(COLUMNS,),
    read=line_readings,
    hypotheses=HYPOTHESES,
    witness=SHRUNK,
    settings=(GIANT,),
    required="refuted",
    source="ours; a conjecture until a hunt refuted it after 32 thousand configurations",
    mutants=(
        Mutant("columns in the reverse order", relations=(sp.Le(column_i, column_j, evaluate=False),), problem=WITNESS),
    ),
    note="True in every problem of ordinary sizes that was tried, false beside a giant: with sizes 10^6, 1000, 10, 1 "
    "and lam N = sqrt(2) the class with 10 samples has a longer column than the one with 1000. The two smallest "
    "classes are close to merging and share two large logits, their own and the sibling's; columns sum to zero, so the "
    "logit of the giant pays for both. The class with 1000 samples has one large logit only. Own probabilities and "
    "rows still follow the sizes there (CJ26-03).",
)

row_order = Claim(
    id="RF26-15",
    title="Rows of Z follow the sizes",
    kind="ordering",
    status="refuted",
    paper="beliefs",
    statement=(r"n_i \geq n_j \implies \lVert e_i^\top Z \rVert \geq \lVert e_j^\top Z \rVert \text{ (rows of } Z^*)",),
    relations=(ROWS,),
    read=line_readings,
    hypotheses=HYPOTHESES,
    witness=GIANTS,
    required="refuted",
    source="ours; a conjecture until the shapes that refuted CJ26-02 were tried",
    mutants=(Mutant("rows in the reverse order", relations=(sp.Le(row_i, row_j, evaluate=False),), problem=WITNESS),),
    note="Beside six giants of 10^8 the four merged classes of size 1 have longer rows than the two of size 12. In "
    "columns of merged classes every sibling has the large logit of the own class, so a row collects it four times; a "
    "class of size 12 has it in its own column only. The rows of W follow the sizes there too (CJ26-03).",
)
