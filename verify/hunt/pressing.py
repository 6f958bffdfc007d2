"""What the configurations of a hunt would catch: mutants of the claim, and predictions moved by ever smaller steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import sympy as sp

from theory.claim import Claim, Mutant
from theory.problem import Problem
from theory.symbols import dead
from verify.findings import findings_for
from verify.hunt.attack import Target
from verify.mutation import generic_mutants, moved

__all__ = ["STEPS", "Pressing", "huntable"]

STEPS = (3, 4, 6, 9, 12)
"""Exponents: an equality or a threshold is moved by a relative 1e-3, 1e-4, ..., in both directions."""


def huntable(claim: Claim) -> list[Mutant]:
    """The mutants that configurations inside the hypotheses can kill: none with a reason, no dropped hypotheses.

    Examples
    --------
    >>> from verify.registry import load
    >>> [m.text for m in huntable(load()["HL23-04"])][-1]
    'strict for non-strict'
    """
    every = (*claim.mutants, *generic_mutants(claim))
    changed = (m for m in every if not m.reason and (m.relations or m.read or m.along))
    return list({mutant.text: mutant for mutant in changed}.values())


class Pressing:
    """Mutants still alive, and the next step of every movable relation.

    Parameters
    ----------
    target : the claim under attack.
    killed : texts of mutants killed before.
    detected : 'relation sign' -> the finest exponent already detected.
    """

    def __init__(self, target: Target, killed: Collection[str] = (), detected: Mapping[str, int] | None = None) -> None:
        claim = target.claim
        self.target = target
        self.alive = {m.text: claim.mutated(m) for m in huntable(claim) if m.text not in killed}
        known = detected or {}
        self.steps = {name: [e for e in STEPS if e > known.get(name, 0)] for name in movable(claim)}

    def press(self, problem: Problem) -> tuple[list[str], list[str]]:
        """Texts of mutants that a configuration kills, and the steps 'relation sign exponent' that it detects."""
        killed = [text for text, wrong in self.alive.items() if self._refuted(wrong, problem)]
        for text in killed:
            del self.alive[text]
        return killed, [f"{name} {exponent}" for name in self.steps for exponent in self._finer(name, problem)]

    def _finer(self, name: str, problem: Problem) -> Iterator[int]:
        while self.steps[name] and self._refuted(stepped(self.target.claim, name, self.steps[name][0]), problem):
            yield self.steps[name].pop(0)

    def _refuted(self, wrong: Claim, problem: Problem) -> bool:
        try:
            found = findings_for(wrong, problem, "enclosure", self.target.seed, self.target.avoid)
            if not found:
                found = findings_for(wrong, problem, "exact", self.target.seed, self.target.avoid)
        except Exception:
            return False
        return any(finding.outcome == "violated" for finding in found)


def movable(claim: Claim) -> list[str]:
    """Names 'relation sign' of the equalities and thresholds of a claim.

    Examples
    --------
    >>> from verify.registry import load
    >>> movable(load()["HL23-04"])
    ['0 +', '0 -']
    """
    if claim.along is not None:
        return []
    indices = [i for i, r in enumerate(claim.relations) if isinstance(r, sp.Eq) or _threshold(r) is not None]
    return [f"{i} {sign}" for i in indices for sign in "+-"]


def _threshold(relation: object) -> sp.Basic | None:
    """The inequality of a relation between a state and one inequality."""
    if not isinstance(relation, sp.Equivalent):
        return None
    (condition,) = (part for part in relation.args if part != dead)
    return condition if isinstance(condition, sp.core.relational.Relational) else None


def stepped(claim: Claim, name: str, exponent: int) -> Claim:
    """The claim with one relation moved."""
    index, sign = name.split()
    step = sp.Rational(1 if sign == "+" else -1, 10**exponent)
    relation = claim.relations[int(index)]
    condition = _threshold(relation)
    if condition is None:
        wrong = moved(relation, step)
    else:
        wrong = sp.Equivalent(dead, condition.func(condition.lhs, condition.rhs * (1 + step)))
    return claim.mutated(Mutant("", relations=(wrong,)))
