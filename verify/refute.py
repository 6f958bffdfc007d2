"""Write a refutation: certificates, what they were proved to say, and the statement that this contradicts.

``verify.recipes`` says for each refuted claim which fact its statement contradicts. Any other claim is traced: its
reader runs on terms instead of balls, and a relation that fails becomes the statement.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy as sp

from theory.claim import Asymptotic, Claim
from theory.optimum import Optimum
from theory.problem import Problem
from verify.balls import precision
from verify.judge import judge, observe
from verify.kernel import check
from verify.routes import certify, solve
from verify.terms import STATED, Term, Untraceable, gram, index, logits, pointer, translate

__all__ = ["Attempt", "NotCovered", "refutation", "written"]

SIGNS = {sp.Eq: "=", sp.Le: "<=", sp.Lt: "<", sp.Ge: ">=", sp.Gt: ">"}


class NotCovered(ValueError):
    """No refutation is known; the text says why."""


@dataclass(frozen=True)
class Attempt:
    """One way to contradict a claim.

    Attributes
    ----------
    problems : those that are certified, in the order of the pointers.
    says : [claimed, relation, found], what the claim says here.
    given : conditions, each [left, relation, right], to be proved.
    because : why the claim says so here.
    """

    problems: tuple[Problem, ...]
    says: list[Any]
    because: str
    given: tuple[list[Any], ...] = ()


def refutation(claim: Claim, problem: Problem | None = None) -> dict[str, Any]:
    """Refutation of a claim at a problem, as the kernel accepts it (JSON data of ``verify.refutation/1``).

    Parameters
    ----------
    claim : of any status; one that is true there has no refutation.
    problem : None for the claim's own example.

    Raises
    ------
    NotCovered
        If the statement is not one about proved facts, or they do not contradict it there.

    Examples
    --------
    >>> from verify.registry import load
    >>> data = refutation(load()["RF26-08"])
    >>> data["says"], data["shows"]["found"]
    (['/0/facts/zero/values/1', 'is', True], False)
    """
    from verify import recipes

    if claim.id in recipes.UNREACHABLE:
        raise NotCovered(f"{claim.id}: {recipes.UNREACHABLE[claim.id]}")
    at = problem or recipes.EXAMPLES.get(claim.id) or claim.witness
    if at is None:
        raise NotCovered(f"{claim.id}: the claim has no problem of its own, name a case")
    if not claim.applies(at):
        raise NotCovered(f"{claim.id}: the problem does not satisfy the hypotheses of the claim")
    reasons = ["nothing that a certificate states contradicts the claim there"]
    attempts = recipes.RECIPES[claim.id](claim, at) if claim.id in recipes.RECIPES else traced(claim, at)
    try:
        for attempt in attempts:
            data, answer = written(claim.id, attempt)
            if answer["outcome"] == "refuted":
                return data
            reasons.append(answer["reason"])
    except (Untraceable, ArithmeticError, LookupError) as error:
        reasons.append(str(error))
    except ValueError as error:
        reasons.append(f"no certificate ({error})")
    raise NotCovered(f"{claim.id}: {reasons[-1]}")


def written(name: str, attempt: Attempt) -> tuple[dict[str, Any], dict[str, Any]]:
    """The file of an attempt, with what it shows, and what the kernel says about it."""
    certificates = [certify(problem)[0] | {"facts": None} for problem in attempt.problems]
    data = {
        "schema": "verify.refutation/1",
        "claim": name,
        "because": attempt.because,
        "certificates": certificates,
        "given": [_plain(statement) for statement in attempt.given],
        "says": _plain(attempt.says),
        "shows": None,
    }
    answer = check(json.dumps(data))
    if answer["outcome"] == "refuted":
        data["shows"] = {name: answer["refutation"][name] for name in ("claimed", "found", "margin")}
    return data, answer


def _plain(statement: list[Any]) -> list[Any]:
    return [part.tree if isinstance(part, Term) else part for part in statement]


# --- any claim whose observables are functions of proved facts ------------------------------------------------------------


def traced(claim: Claim, problem: Problem) -> Iterator[Attempt]:
    """The relations of a claim that fail on the enclosure route, as terms.

    Raises
    ------
    NotCovered
        If the claim speaks of a limit, of other problems, or of quantities that certificates do not state.
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
        failing = [judge(claim.relations, [reading], "enclosure") for reading in readings]
        if not any(finding.outcome == "violated" for findings in failing for finding in findings):
            raise NotCovered(f"{claim.id}: the enclosure route does not refute the claim there")
        try:
            terms = list(claim.readings(_as_terms(optimum)))
        except (AttributeError, TypeError, ValueError, Untraceable) as error:
            raise NotCovered(f"{claim.id}: its observables are not terms of proved facts ({error})") from None
    for findings, reading in zip(failing, terms, strict=False):
        for finding in findings:
            relation = claim.relations[finding.relation]
            if finding.outcome == "violated" and type(relation) in SIGNS:
                sides = [translate(side, reading) for side in (relation.lhs, relation.rhs)]
                says = [sides[0], SIGNS[type(relation)], sides[1]]
                yield Attempt((problem,), says, f"the relation {relation} of {claim.id}, read off the facts")
    raise NotCovered(f"{claim.id}: what fails is not a comparison of numbers")


def _as_terms(optimum: Optimum) -> Optimum:
    """The optimum with pointers in the place of balls; what certificates do not state is left out."""
    problem, tables = optimum.problem, dict[str, Any]()
    value = pointer("/0/bounds", optimum.lower.union(optimum.upper))
    if optimum.logits is not None and problem.key in STATED:
        tables["logits"] = logits(problem, balls=optimum.logits)
    if problem.key == "uf-svm" and optimum.gram_features is not None and optimum.gram_classifier is not None:
        tables["gram_features"] = gram(problem, "features", optimum.gram_features)
        tables["gram_classifier"] = gram(problem, "classifier", optimum.gram_classifier)
    blank = dict.fromkeys(("gram_features", "gram_classifier", "logits", "spread", "singular_values", "point"))
    bias = optimum.bias
    if bias is not None:
        names = [f"/0/facts/bias/values/{index(problem, k)}" if b != 0 else "0" for k, b in enumerate(bias)]
        bias = np.array([pointer(name, b) for name, b in zip(names, bias, strict=True)])
    return replace(
        optimum,
        **{**blank, **tables},  # type: ignore[arg-type]
        lower=value,
        upper=value,
        bias=bias,
        facts={},
    )

