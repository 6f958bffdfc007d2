"""A claim is data: a statement about the optimum of a family of problems, and how to read it off an optimum.

``relations`` are ordinary SymPy relations between observables and parameters:

* ``Eq``, ``Ne``, ``Le``, ``Lt`` compare what is observed (left) with what is predicted (right);
* ``Equivalent(dead, condition)`` says when a direction of the optimum vanishes; the condition is decided exactly;
* :class:`Asymptotic` says left - right = O(L^-order) along a sequence of problems.

``read`` turns an optimum into readings: dictionaries from symbols to exact numbers (parameters), balls
(observables), truth values (states; None is undecided) or a :class:`Root`. A relation is judged on every
reading that has all its symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import sympy as sp

from theory.derivation import Derivation
from theory.optimum import Optimum
from theory.problem import Problem

__all__ = ["Asymptotic", "Claim", "Family", "Hypothesis", "Kind", "Mutant", "Reading", "Root", "Status"]

Kind = Literal["equality", "threshold", "structure", "bound", "limit", "ordering"]
Status = Literal["theorem", "conjecture", "refuted", "note"]
Reading = Mapping[sp.Symbol, Any]


@dataclass(frozen=True)
class Root:
    """The only zero of ``equation`` in the open interval (lower, upper), where it changes sign.

    Lower and upper may contain parameters and earlier roots of the same reading. The equation need not be
    defined at the ends.
    """

    unknown: sp.Symbol
    equation: sp.Expr
    lower: sp.Expr
    upper: sp.Expr


@dataclass(frozen=True)
class Asymptotic:
    """left - right = O(L^-order) as L grows, along the problems ``Claim.along(problem, L)``."""

    lhs: sp.Expr
    rhs: sp.Expr
    order: int = 1

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        """Symbols of both sides."""
        return set(self.lhs.free_symbols | self.rhs.free_symbols)


@dataclass(frozen=True)
class Hypothesis:
    """One hypothesis, executable.

    Attributes
    ----------
    text : how a reader would write it.
    holds : decides it for a problem, in exact arithmetic.
    dropped : a problem that violates only this hypothesis and refutes the claim without it, or the
        reason why dropping it cannot be tested (then it is listed as a mutant with that reason).
    """

    text: str
    holds: Callable[[Problem], bool]
    dropped: Problem | str


@dataclass(frozen=True)
class Family:
    """Which problems to draw for a claim.

    Attributes
    ----------
    sizes : 'two' (two sizes), 'clusters' (one to four sizes, repeated), 'distinct' (all different), 'balanced', 'any'.
    bias : the bias modes to draw from.
    weights : whether to draw loss weights (one per cluster).
    near : thresholds to sample on both sides and at equality; None stands for all of the model, unknown names are
        refused. 'merge' (x = w sqrt(n) of a cluster),
        'between' (between-group threshold), 'collapse' (complete collapse), 'zero' (ReLU features of a class vanish);
        models with a module in verify/models name their own.
    model : the model of the problems drawn; 'ce-deep' is ``ce`` with several layers.
    depths : the numbers of layers to draw from (``mse``, 'ce-deep').
    dims : 'wide' (dimension at least that of some optimum of full rank) or 'any' (bottlenecks too).
    families : numbers of families to draw from (``ce-sphere``).
    losses, knobs, base : for model 'loss' (:meth:`Problem.with_loss`): the losses to draw from, what else to draw
        ('weights', 'smoothing', 'adjustment', 'scaling', 'loss_temperature', 'feature_decay', 'row_decay'), and the
        model that is changed.
    """

    sizes: Literal["two", "clusters", "distinct", "balanced", "any"] = "any"
    bias: tuple[Literal["none", "free", "penalised"], ...] = ("none", "free", "penalised")
    weights: bool = False
    near: tuple[str, ...] | None = None
    model: str = "ce"
    depths: tuple[int, ...] = (1,)
    dims: Literal["wide", "any"] = "wide"
    families: tuple[int, ...] = (1, 2)
    losses: tuple[str, ...] = ("ce",)
    knobs: tuple[str, ...] = ()
    base: Literal["ce", "ce-relu", "layer-peeled"] = "ce"


@dataclass(frozen=True)
class Mutant:
    """A deliberately wrong version of a claim that the checker must refute.

    Attributes
    ----------
    text : what was changed.
    relations, read, along : replacements for the claim's own, where given.
    problem : a problem on which the mutant has content; tried first.
    reason : why the mutant cannot be told from the claim, or None.
    operator : how it was made: 'written' by hand, or the name of a generic operator.
    """

    text: str
    relations: tuple[Any, ...] | None = None
    read: Callable[[Optimum], Iterable[Reading]] | None = None
    along: Callable[[Problem, int], Problem] | None = None
    problem: Problem | None = None
    reason: str | None = None
    operator: str = "written"

    @property
    def idle(self) -> bool:
        """Whether it changes nothing that could be tried: only its reason is left."""
        return not (self.relations or self.read or self.along or self.problem)


@dataclass(frozen=True)
class Claim:
    """A theorem, conjecture or refuted statement about the optimum of a problem family.

    Attributes
    ----------
    id, title, kind, status : see the module docstring; ``paper`` is a key of references.bib.
    statement : LaTeX of the whole statement, one formula per entry.
    relations, read : what is checked and how it is observed.
    hypotheses : executable; ``witness`` satisfies all of them.
    family : which problems to draw; None draws nothing and checks ``settings`` only.
    settings : fixed problems that are always checked (worked examples, published settings).
    derivation : executed SymPy steps, or None.
    rests_on : IDs of claims that the derivation relies on.
    required : the verdict a full run must reach.
    along : for limits, the problem at scale L built from a drawn problem.
    companions : for statements that compare problems, the others; ``read`` finds their optima, by the same route, in
        ``Optimum.companions``.
    survivors : why generic mutants of ``verify mutants`` survive: pattern of their text (with * and ?) to reason. A
        reason never hides a kill.
    source : where the statement comes from and what was compared.
    note : what a reader should know beyond the statement (for status 'note': the fact itself).
    """

    id: str
    title: str
    kind: Kind
    paper: str
    statement: tuple[str, ...]
    witness: Problem | None = None
    relations: tuple[Any, ...] = ()
    read: Callable[[Optimum], Iterable[Reading]] | None = None
    hypotheses: tuple[Hypothesis, ...] = ()
    family: Family | None = field(default_factory=Family)
    settings: tuple[Problem, ...] = ()
    derivation: Callable[[], Derivation] | None = None
    rests_on: frozenset[str] = frozenset()
    mutants: tuple[Mutant, ...] = ()
    survivors: Mapping[str, str] = field(default_factory=dict)
    status: Status = "theorem"
    required: str = "enclosed"
    along: Callable[[Problem, int], Problem] | None = None
    companions: Callable[[Problem], tuple[Problem, ...]] | None = None
    source: str = "re-derived, printed constants not compared"
    note: str = ""

    def applies(self, problem: Problem) -> bool:
        """Whether a problem satisfies every hypothesis."""
        return all(hypothesis.holds(problem) for hypothesis in self.hypotheses)

    def readings(self, optimum: Optimum) -> Iterator[Reading]:
        """Readings of an optimum; none when the claim has nothing to observe on it."""
        if self.read is not None:
            yield from self.read(optimum)

    def mutated(self, mutant: Mutant) -> Claim:
        """The claim with the changes of a mutant.

        The identity, hypotheses and family stay, so that a mutant is judged exactly like its claim.
        """
        return replace(
            self,
            mutants=(),
            relations=mutant.relations or self.relations,
            read=mutant.read or self.read,
            along=mutant.along or self.along,
        )
