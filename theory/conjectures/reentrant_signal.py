"""A penalised bias can kill the between-group signal, revive it, and kill it again as the weight decay grows.

HL23-08 has one threshold x_t without a bias, and so has a free bias (HL23-12). For a penalised bias the natural
statement, that the between-group direction is dead exactly from one x_t on, is false for very many small classes
beside few large ones. Along the states without signal the bias gap grows with x (in the example from 1.25 at lam N = 3
to 7.25 at 30) and carries the cross probability r_B0 along. So the norm in the alive test of HL23-07 grows now slower,
now faster than x: their ratio is 1.0006, 0.9996, 1.0129 and 0.8687 at lam N = 3, 8, 14 and 30.
"""

from collections.abc import Iterator
from typing import Any

import sympy as sp

from theory.claim import Claim
from theory.observables import between_states, parameters
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import dead, x

SIZES = Problem.ce([(355730, 8), (1, 8346)], 1, bias="1/2000")
ALIVE, DEAD, ALIVE_AGAIN, DEAD_AGAIN = (SIZES.at(value**2) for value in (3, 8, 14, 30))


def between_reading(optimum: Optimum) -> Iterator[dict[sp.Symbol, Any]]:
    """The state of the between-group direction and x."""
    yield {**parameters(optimum.problem), **between_states(optimum)}


one_threshold = Claim(
    id="UC26-R1",
    title="One between-group threshold for every bias penalty",
    kind="threshold",
    status="refuted",
    paper="conjectures",
    statement=(
        r"\text{there is one } x_t \text{ with: the between-group direction is dead} \iff \lambda N \geq x_t",
        r"8 \times 355730,\ 8346 \times 1,\ \lambda_b = 1/2000:\quad "
        r"\text{alive at } \lambda N = 14 \text{ and dead at } 30, \text{ so } 14 < x_t \leq 30",
    ),
    relations=(sp.Equivalent(dead, x > 14),),
    read=between_reading,
    witness=ALIVE,
    settings=(ALIVE, ALIVE_AGAIN, DEAD_AGAIN, DEAD),
    family=None,
    required="refuted",
    source="ours, found by scanning the alive test of HL23-07; not in the papers",
    note="The direction is alive at lam N = 3, dead at 8, alive at 14 and dead at 30, each proved by the kernel. "
    "What remains true for every bias: alive for lam N <= sqrt(n_B), dead for lam N >= sqrt(n_A) (HL23-10).",
)
