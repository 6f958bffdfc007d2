"""Write a refutation: certificates, what they were proved to say, and the statement that this contradicts.

``verify.recipes`` says for each refuted claim which fact its statement contradicts; any other claim is traced
(``verify.traced``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from theory.claim import Claim
from theory.problem import Problem
from verify import registry
from verify.kernel import check
from verify.routes import certify
from verify.terms import Term, Untraceable

__all__ = ["Attempt", "NotCovered", "refutation", "written"]


class NotCovered(ValueError):
    """No refutation is known; the text says why."""


@dataclass(frozen=True)
class Attempt:
    """One way to contradict a claim.

    Attributes
    ----------
    problems : those that are certified, in the order of the pointers; or certificates.
    says : [claimed, relation, found], what the claim says here.
    given : conditions, each [left, relation, right], to be proved.
    because : why the claim says so here.
    """

    problems: tuple[Problem | dict[str, Any], ...]
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
    from verify import recipes, traced

    if claim.id in recipes.UNREACHABLE:
        raise NotCovered(f"{claim.id}: {recipes.UNREACHABLE[claim.id]}")
    at = problem or recipes.EXAMPLES.get(claim.id) or claim.witness
    if at is None:
        raise NotCovered(f"{claim.id}: the claim has no problem of its own, name a case")
    if not claim.applies(at):
        raise NotCovered(f"{claim.id}: the problem does not satisfy the hypotheses of the claim")
    reasons = ["nothing that a certificate states contradicts the claim at that problem"]
    recipe = recipes.RECIPES.get(claim.id) if claim.id in recipes.READING or _is_registered(claim) else None
    attempts = (recipe or traced.attempts)(claim, at)
    try:
        for attempt in attempts:
            data, answer = written(claim.id, attempt)
            if answer["outcome"] == "refuted":
                return data
            reasons.append(answer["reason"])
    except NotCovered:
        raise
    except (Untraceable, ArithmeticError, LookupError) as error:
        reasons.append(str(error))
    except ValueError as error:
        reasons.append(f"no certificate ({error})")
    raise NotCovered(f"{claim.id}: {reasons[-1]}")


def _is_registered(claim: Claim) -> bool:
    """Whether a claim says what the registered one of its name says: a mutant does not."""
    known = registry.load(only=[claim.id]).get(claim.id)
    return known is not None and (known.relations, known.read) == (claim.relations, claim.read)


def written(name: str, attempt: Attempt) -> tuple[dict[str, Any], dict[str, Any]]:
    """The file of an attempt, with what it shows, and what the kernel says about it.

    Parameters
    ----------
    name : of the claim.
    attempt : terms may be :class:`~verify.terms.Term` or JSON.

    Raises
    ------
    ValueError
        If a problem has no certificate.

    Examples
    --------
    >>> attempt = Attempt((Problem.svm([2, 1]),), ["/0/bounds", "<=", "1"], "a guess")
    >>> written("X1", attempt)[1]["outcome"]
    'refuted'
    """
    offered = [certify(part)[0] if isinstance(part, Problem) else part for part in attempt.problems]
    data: dict[str, Any] = {
        "schema": "verify.refutation/1",
        "claim": name,
        "because": attempt.because,
        "certificates": [certificate | {"facts": None} for certificate in offered],
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
