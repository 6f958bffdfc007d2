"""Claims with a known fate, to test the checker itself."""

from dataclasses import replace

import sympy as sp

from theory.claim import Claim, Family, Hypothesis
from theory.derivation import Derivation, Identity
from theory.hong_ling_2023.minority_collapse import law, threshold
from theory.symbols import alpha, dead, n, p, q, w, x

FAMILY = Family(sizes="two", bias=("none",), near=("merge",))

true_law = replace(law, id="PLANT-TRUE", mutants=(), family=FAMILY)
underived = replace(true_law, id="PLANT-UNDERIVED", derivation=None)
false_threshold = replace(
    threshold,
    id="PLANT-FALSE",
    mutants=(),
    derivation=None,
    family=FAMILY,
    relations=(sp.Equivalent(dead, x >= w * n),),
)
nearly_true = replace(
    false_threshold,
    id="PLANT-NEARLY",
    relations=(sp.Equivalent(dead, x >= w * sp.sqrt(n) * (1 + sp.Rational(1, 2000))),),
)
impossible = replace(
    true_law,
    id="PLANT-VACUOUS",
    witness=None,
    hypotheses=(Hypothesis("more than a thousand classes", lambda problem: problem.K > 1000, "nothing to drop"),),
)
never_exercised = replace(
    underived, id="PLANT-UNEXERCISED", relations=(*law.relations, sp.Eq(sp.Symbol("never_read"), 0))
)
crashing = replace(underived, id="PLANT-ERROR", read=lambda optimum: [{p: 1 / 0}])
wrong_derivation = replace(
    true_law, id="PLANT-WRONG-PROOF", derivation=lambda: Derivation((Identity("wrong", n + 1, n),))
)
partial_derivation = replace(
    true_law,
    id="PLANT-PARTIAL",
    derivation=lambda: Derivation((Identity("fine", n, n),), complete=False, gap="the point"),
)
nothing_decided = replace(underived, id="PLANT-UNDECIDED", relations=(sp.Ne(alpha - sp.log(p / q), 0, evaluate=False),))


def planted() -> dict[str, Claim]:
    """All planted claims by ID."""
    return {
        value.id: value for value in globals().values() if isinstance(value, Claim) and value.id.startswith("PLANT")
    }
