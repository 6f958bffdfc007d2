"""State a conjecture in two lines; everything that is not said has a documented default.

    from theory.quick import *
    mine = conjecture("MINE-01", sp.Le(p_own - p_wrong, 1 - x / (2 * sp.sqrt(n))))

Symbols are those of :mod:`theory.vocabulary`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from theory.claim import Asymptotic, Claim, Family, Hypothesis, Kind, Mutant
from theory.problem import Problem
from theory.vocabulary import *
from theory.vocabulary import __all__ as SYMBOLS
from theory.vocabulary import class_readings

__all__ = [*SYMBOLS, "Asymptotic", "Family", "Hypothesis", "Mutant", "Problem", "conjecture", "sp"]

EXAMPLES: Mapping[str, Problem] = {
    "ce": Problem.ce([(120, 4), (25, 3)], "0.0085"),
    "ce-relu": Problem.ce([(12, 2), (4, 2)], "0.03", model="ce-relu"),
    "ce-deep": Problem.ce([(4, 2)], ["1/20", "1/20"], "1/20"),
    "mse": Problem.mse([(9, 2), (4, 2)], "0.05"),
    "uf-svm": Problem.svm([(8, 3), (2, 2)]),
    "layer-peeled": Problem.peeled([(3, 3), (2, 2)], 2, "1/2"),
    "ce-sphere": Problem.sphere(4, 3),
    "loss": Problem.ce([(18, 2), (7, 3)], "0.02").with_loss(smoothing="1/10"),
}
"""One problem per model, in the regime where classes are apart."""

FAMILIES: Mapping[str, Family] = {
    "ce": Family(sizes="clusters", bias=("none",)),
    "ce-relu": Family(model="ce-relu", sizes="clusters", bias=("none",), near=("zero",)),
    "ce-deep": Family(model="ce-deep", sizes="balanced", bias=("none",), depths=(2, 3)),
    "mse": Family(model="mse", sizes="clusters", bias=("none",)),
    "uf-svm": Family(model="uf-svm", sizes="two", bias=("none",)),
    "layer-peeled": Family(model="layer-peeled", sizes="two", bias=("none",)),
    "ce-sphere": Family(model="ce-sphere", bias=("none",), near=()),
    "loss": Family(model="loss", sizes="clusters", bias=("none",), knobs=("smoothing",)),
}
"""Which problems are drawn: no bias, enough dimensions, cross-entropy with smoothed labels for model loss."""

KINDS: Mapping[type, Kind] = {sp.Eq: "equality", sp.Equivalent: "threshold", Asymptotic: "limit"}


def conjecture(identifier: str, *relations: Any, model: str = "ce", **more: Any) -> Claim:
    """A conjecture about the optimum of a model, with defaults for all that is not given.

    Parameters
    ----------
    identifier : its ID.
    relations : SymPy relations between symbols of :mod:`theory.vocabulary`.
    model : a key of :data:`EXAMPLES`.
    more : fields of :class:`theory.claim.Claim` that replace the defaults: title (the formula), kind (equality,
        threshold, limit or bound, by the first relation), statement (the formula in LaTeX), witness, family, hypotheses
        (the model and no bias, beside those that are given), read, required ('agrees': two independent routes;
        'refuted' where the status is that), mutants (generic ones only).

    Raises
    ------
    ValueError
        If the model is unknown.

    Examples
    --------
    >>> from theory.vocabulary import K, F
    >>> claim = conjecture("MINE-01", sp.Le(F, sp.log(K)))
    >>> claim.kind, claim.title, claim.applies(claim.witness)
    ('bound', 'F <= log(K)', True)
    """
    if model not in EXAMPLES:
        raise ValueError(f"unknown model {model!r}; there are {', '.join(EXAMPLES)}")
    first = relations[0] if relations else None
    fields: dict[str, Any] = {
        "title": str(first),
        "kind": KINDS.get(type(first), "bound"),
        "paper": "conjectures",
        "status": "conjecture",
        "statement": tuple(map(_latex, relations)),
        "relations": relations,
        "read": class_readings,
        "witness": EXAMPLES[model],
        "family": FAMILIES[model],
        "required": "refuted" if more.get("status") == "refuted" else "agrees",
        "source": "a conjecture",
    }
    hypotheses = (_of_model(model), *more.pop("hypotheses", ()))
    return Claim(id=identifier, hypotheses=hypotheses, **(fields | more))


def _latex(relation: Any) -> str:
    if isinstance(relation, Asymptotic):
        return f"{sp.latex(relation.lhs)} = {sp.latex(relation.rhs)} + O(L^{{-{relation.order}}})"
    return str(sp.latex(relation))


def _of_model(model: str) -> Hypothesis:
    holds: Callable[[Problem], bool] = lambda problem: problem.key == model and problem.bias == "none"  # noqa: E731
    return Hypothesis(f"model {model}, no bias", holds, "another model")
