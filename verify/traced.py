"""Refute a claim by its own relations: its reader runs on terms instead of balls.

What the reader computes from proved facts becomes a term; which fact a state comes from is found by hiding one fact
after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Asymptotic, Claim, Reading
from theory.optimum import Optimum, State
from theory.problem import Problem
from theory.symbols import dead, dead_exact
from verify.balls import Undecided, decide, precision
from verify.judge import Finding, judge, observe
from verify.refute import Attempt, NotCovered
from verify.routes import solve
from verify.terms import STATED, Term, Untraceable, gram, index, logits, pointer, translate

__all__ = ["attempts"]

SIGNS = {sp.Eq: "=", sp.Le: "<=", sp.Lt: "<", sp.Ge: ">=", sp.Gt: ">"}


def attempts(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """The relations of a claim that fail on the enclosure route, as statements about facts.

    Raises
    ------
    NotCovered
        If the claim speaks of a limit, of other problems, or of quantities that certificates do not state.

    Examples
    --------
    >>> from verify.registry import load
    >>> claim = load()["HL23-04"]
    >>> next(attempts(claim.mutated(claim.mutants[0]), claim.witness.at(26))).says
    ['/0/facts/contrast/values/1', 'is', 'alive']
    """
    if claim.along is not None or any(isinstance(relation, Asymptotic) for relation in claim.relations):
        raise NotCovered(f"{claim.id}: a limit, which no single problem refutes")
    if claim.companions is not None:
        raise NotCovered(f"{claim.id}: the statement compares problems, and no recipe says which facts it contradicts")
    optimum = solve("enclosure", problem, 0, frozenset({claim.id}))
    if "certificate" not in optimum.work:
        raise NotCovered(f"{claim.id}: {optimum.reason or 'no certificate'}")
    with precision(optimum.work["precision"]):
        readings = observe(claim.readings, optimum)
        found = [judge(claim.relations, [reading], "enclosure") for reading in readings]
        if not any(finding.outcome == "violated" for findings in found for finding in findings):
            raise NotCovered(f"{claim.id}: the enclosure route does not refute the claim at that problem")
        for number, reading in enumerate(readings):
            for finding in found[number]:
                if finding.outcome == "violated" and not isinstance(reading, Undecided):
                    yield _statement(claim, optimum, number, reading, finding)


def _statement(claim: Claim, optimum: Optimum, number: int, reading: Reading, finding: Finding) -> Attempt:
    """One relation that fails on one reading."""
    relation = claim.relations[finding.relation]
    because = f"{claim.id} says {relation}, read off the facts at this problem."
    if isinstance(relation, sp.Equivalent):
        (condition,) = (part for part in relation.args if part != dead)
        source, states = _source(claim, optimum, number)
        says = [source, "is", states[finding.predicted == "dead"]]
        given = tuple(_conditions(condition, reading, _terms(claim, optimum, number)))
        return Attempt((optimum.problem,), says, because, given)
    if type(relation) not in SIGNS:
        raise NotCovered(f"{claim.id}: what fails is not a comparison")
    terms, given = _terms(claim, optimum, number), tuple(Term.compared)
    if not relation.free_symbols <= set(_terms(claim, _stateless(optimum), number)):
        raise NotCovered(f"{claim.id}: it reads these numbers only where a state is proved")
    found, claimed = (translate(side, terms) for side in (relation.lhs, relation.rhs))
    if not (_has_fact(found.tree) or _has_fact(claimed.tree)):
        raise NotCovered(f"{claim.id}: the relation compares numbers of the problem only")
    return Attempt((optimum.problem,), [claimed, SIGNS[type(relation.reversed)], found], because, given)


def _has_fact(tree: Any) -> bool:
    if isinstance(tree, list):
        return any(_has_fact(part) for part in tree[1:])
    return isinstance(tree, str) and ("/facts/" in tree or "/bounds" in tree)


def _stateless(optimum: Optimum) -> Optimum:
    """The optimum without the states that a reader may choose by, which a statement about numbers does not repeat."""
    unknown: tuple[State, ...] = (None,) * len(optimum.contrasts)
    exact = unknown if optimum.exact_contrasts else ()
    blind = replace(optimum, contrasts=unknown, exact_contrasts=exact, exact_zero=None)
    return replace(blind, rank=(0, 10**9), merged=None, zero=None)


def _terms(claim: Claim, optimum: Optimum, number: int) -> Mapping[sp.Symbol, Any]:
    """A reading with terms for balls; what the reader compared on the way is in ``Term.compared``."""
    Term.compared.clear()
    try:
        return list(claim.readings(_as_terms(optimum)))[number]
    except Untraceable as error:
        raise NotCovered(f"{claim.id}: its observables are not terms of proved facts ({error})") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        why = "its reader computes in a way that only numbers allow"
        raise NotCovered(f"{claim.id}: its observables are not terms of proved facts ({why})") from None


def _as_terms(optimum: Optimum) -> Optimum:
    """The optimum with pointers in the place of balls; what certificates do not state is left out."""
    problem, tables = optimum.problem, dict[str, Any]()
    value = pointer("/0/bounds", optimum.lower.union(optimum.upper))
    if optimum.logits is not None and problem.key in STATED:
        tables["logits"] = logits(problem, balls=optimum.logits)
    if problem.key == "uf-svm" and optimum.gram_features is not None and optimum.gram_classifier is not None:
        tables["gram_features"] = gram(problem, "features", optimum.gram_features)
        tables["gram_classifier"] = gram(problem, "classifier", optimum.gram_classifier)
    if optimum.bias is not None:
        names = [f"/0/facts/bias/values/{index(problem, k)}" if b != 0 else "0" for k, b in enumerate(optimum.bias)]
        tables["bias"] = np.array([pointer(name, b) for name, b in zip(names, optimum.bias, strict=True)])
    facts: dict[str, Any] = {k: v for k, v in optimum.facts.items() if k == "orthogonal"}
    if "multiplier" in optimum.facts:
        facts["multiplier"] = pointer("/0/facts/multiplier", optimum.facts["multiplier"])
    if "multipliers" in optimum.facts:
        facts["multipliers"] = gram(problem, "multipliers", optimum.facts["multipliers"])
    blank = dict.fromkeys(("gram_features", "gram_classifier", "logits", "bias", "spread", "singular_values", "point"))
    return replace(
        optimum,
        **{**blank, **tables},
        lower=value,
        upper=value,
        facts=facts,
    )


def _source(claim: Claim, optimum: Optimum, number: int) -> tuple[str, tuple[Any, Any]]:
    """Pointer to the one state that a reading's ``dead`` comes from, and what alive and dead are there."""
    problem, clusters = optimum.problem, range(len(optimum.problem.clusters))

    def seen(shown: Optimum, symbol: sp.Symbol = dead) -> Any:
        try:
            return list(claim.readings(shown))[number].get(symbol)
        except (AttributeError, LookupError, TypeError, ValueError):
            return None

    def without(states: tuple[State, ...], cluster: int) -> tuple[State, ...]:
        return tuple(None if i == cluster else state for i, state in enumerate(states))

    plain = replace(optimum, logits=None, gram_features=None, gram_classifier=None, rank=(0, 10**9))
    known, tie = seen(plain), seen(plain, dead_exact)
    needed = [c for c in clusters if seen(replace(plain, contrasts=without(plain.contrasts, c))) is None]
    if known is not None and len(needed) == 1:
        (c,) = needed
        if problem.key == "layer-peeled":
            return f"/0/facts/merged/{c}", (False, True)
        modes = problem.key == "mse" and problem.bias == "none"
        return f"/0/facts/{f'modes/values/{c}/state' if modes else f'contrast/values/{c}'}", ("alive", "dead")
    blind = [replace(plain, exact_contrasts=without(plain.exact_contrasts, c)) for c in clusters]
    needed = [c for c in clusters if seen(blind[c], dead_exact) is None]
    if known is None and tie is not None and len(needed) == 1:
        return f"/0/facts/merged/values/{needed[0]}", (False, True)
    if known is not None and seen(replace(plain, facts={})) is None and "minority_zero" in plain.facts:
        return "/0/facts/minority_zero", ("alive", "dead")
    raise NotCovered(f"{claim.id}: its state does not come from a single fact")


def _conditions(condition: Any, reading: Reading, terms: Mapping[sp.Symbol, Any]) -> Iterator[list[Any]]:
    """What must be proved so that the claim predicts the state: all parts of a true condition, or one that fails."""
    parts = condition.args if isinstance(condition, sp.And) else (condition,)
    predicted = decide(condition, reading)
    for part in parts:
        if part in (sp.true, sp.false):
            continue
        if type(part) not in SIGNS:
            raise NotCovered(f"the condition {condition} is not a comparison of terms")
        if decide(part, reading) == predicted:
            wanted = part if predicted else part.negated
            yield [translate(wanted.lhs, terms), SIGNS[type(wanted)], translate(wanted.rhs, terms)]
            if not predicted:
                return
