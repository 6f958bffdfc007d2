"""Is a claim well formed? One sentence that names the field and the rule it breaks.

:func:`fault` looks at the claim alone and runs when its file is loaded; :func:`unread` solves its witness once and runs
before a command that needs the readings.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import sympy as sp
from sympy.core.relational import Relational

import theory.claim
from theory.claim import Asymptotic, Claim, Family, Hypothesis, Kind, Mutant, Status
from theory.problem import Problem
from theory.symbols import dead
from verify.sampling import NEAR

__all__ = ["ID_RULE", "fault", "hint", "is_id", "line_of", "unread"]

ID_RULE = "letters, digits, - and _, starting with a letter, at most 40"
"""An ID names files: the journal of a hunt, saved cases."""

REQUIRED = ("proved", "enclosed", "certified", "agrees", "refuted")
SIZES = ("two", "clusters", "distinct", "balanced", "any")
BIASES = ("none", "free", "penalised")
MODELS = ("ce", "ce-relu", "ce-deep", "mse", "uf-svm", "layer-peeled", "ce-sphere", "loss")
TYPES: tuple[tuple[str, Any, str], ...] = (
    ("id", str, "a string"),
    ("title", str, "a string"),
    ("paper", str, "a string"),
    ("statement", tuple, "a tuple of LaTeX strings"),
    ("relations", tuple, "a tuple of relations"),
    ("hypotheses", tuple, "a tuple of Hypothesis"),
    ("settings", tuple, "a tuple of Problem"),
    ("mutants", tuple, "a tuple of Mutant"),
    ("witness", (Problem, type(None)), "a Problem"),
    ("family", (Family, type(None)), "a Family"),
    ("rests_on", frozenset, "a frozenset of IDs"),
    ("note", str, "a string"),
    ("source", str, "a string"),
)
ITEMS = (
    ("statement", str, "a LaTeX string"),
    ("hypotheses", Hypothesis, "a Hypothesis"),
    ("settings", Problem, "a Problem"),
    ("mutants", Mutant, "a Mutant"),
    ("rests_on", str, "an ID"),
)
FUNCTIONS = ("read", "derivation", "along", "companions")
PATIENCE = 30.0
"""Seconds that a reader may take for one optimum."""
SLIPS = (
    (r"truth value of Relational", "write each comparison as a relation of its own: no chains, no and, or, not"),
    (r"unsupported operand type\(s\) for \^", "a power is **"),
    (
        r"Cannot convert expression to float|no callable \w+ method",
        "use sp.sqrt, sp.log, sp.exp, not those of math or numpy",
    ),
)
"""Slips of the pen that Python and SymPy report in words of their own, and what to write instead."""

Fault = tuple[str, str]
"""A field of the claim (with the number of its item after a dot), and one sentence."""


def is_id(text: str) -> bool:
    """Whether a text may be an ID.

    Examples
    --------
    >>> is_id("MINE-01"), is_id("../x"), is_id("")
    (True, False, False)
    """
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", text) is not None


def fault(claim: Claim) -> Fault | None:
    """The first rule that a claim breaks.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from theory.hong_ling_2023.minority_collapse import law, threshold
    >>> fault(threshold) is None
    True
    >>> fault(replace(law, kind="equalities"))
    ('kind', "unknown kind 'equalities'; did you mean equality?")
    >>> fault(replace(law, relations=(False,)))[1][:55]
    'relation 1 is the Python value False: == and != compare'
    """
    for check in (_types, _words, _family, _relations, _hypotheses):
        for found in check(claim):
            return found
    return None


def _types(claim: Claim) -> Iterator[Fault]:
    for name, kind, words in TYPES:
        value = getattr(claim, name)
        if not isinstance(value, kind):
            advice = f"; write ({_brief(value)},)" if kind is tuple and not isinstance(value, list) else ""
            yield name, f"{name} is {words}, not {_kind(value)}{advice}"
    for name, kind, words in ITEMS:
        for i, item in enumerate(getattr(claim, name), 1):
            if not isinstance(item, kind):
                yield f"{name}.{i}", f"item {i} of {name} is {words}, not {_kind(item)}"
    for name in FUNCTIONS:
        value = getattr(claim, name)
        if value is not None and not callable(value):
            yield name, f"{name} is a function, not {_kind(value)}"
    if claim.status != "note" and claim.read is None:
        yield "id", "read is missing: a function that yields readings of an optimum"


def _words(claim: Claim) -> Iterator[Fault]:
    if not is_id(claim.id):
        yield "id", f"{_brief(claim.id)!r} is not an ID: {ID_RULE}"
    for i, line in enumerate(claim.statement, 1):
        if eaten := next((c for c in line if not c.isprintable()), None):
            yield f"statement.{i}", f"item {i} of statement has {eaten!r} in it: write LaTeX as r'...'"
    yield from _unknown("kind", claim.kind, get_args(Kind))
    yield from _unknown("status", claim.status, get_args(Status))
    yield from _unknown("required", claim.required, REQUIRED)
    if claim.status == "refuted" and claim.required != "refuted":
        yield "status", "a statement of status 'refuted' is one that must be refuted: write required='refuted' too"


def _unknown(name: str, value: Any, known: tuple[str, ...], field: str = "") -> Iterator[Fault]:
    if value not in known:
        yield field or name, f"unknown {name} {value!r}{_nearest(str(value), known)}"


def _nearest(value: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(value, known, n=1, cutoff=0.4)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known) or 'none'}"


def _close(value: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(value, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _family(claim: Claim) -> Iterator[Fault]:
    family = claim.family
    if family is None:
        return
    yield from _unknown("model", family.model, MODELS, "family")
    yield from _unknown("sizes", family.sizes, SIZES, "family")
    for name in ("bias", "near", "depths", "families", "losses", "knobs"):
        value = getattr(family, name)
        if not isinstance(value, tuple) and not (name == "near" and value is None):
            yield "family", f"{name} of the family is a tuple, not {_kind(value)}; write ({_brief(value)},)"
    for bias in family.bias:
        yield from _unknown("bias", bias, BIASES, "family")
    for name in family.near or ():
        yield from _unknown("threshold in near", name, NEAR.get(family.model, (name,)), "family")
    models = {problem.key: None for problem in (claim.witness, *claim.settings) if problem is not None}
    drawn = {family.model, family.base} if family.model == "loss" else {family.model}
    if models and drawn.isdisjoint(models):
        known = ", ".join(models)
        yield "family", f"the family draws problems of model {family.model}, witness and settings are of model {known}"


def _relations(claim: Claim) -> Iterator[Fault]:
    if claim.status != "note" and not claim.relations:
        yield "relations", "relations is empty: there is nothing to check"
    for i, relation in enumerate(claim.relations, 1):
        if said := _relation(relation, claim):
            yield f"relations.{i}", f"relation {i} {said}"
    for i, mutant in enumerate(claim.mutants, 1):
        for relation in mutant.relations or ():
            if said := _relation(relation, claim):
                yield f"mutants.{i}", f"a relation of the mutant {mutant.text!r} {said}"


def _relation(relation: Any, claim: Claim) -> str:
    """What is wrong with one relation; empty if nothing is."""
    if isinstance(relation, bool):
        return (
            f"is the Python value {relation}: == and != compare expressions at once; "
            "write sp.Eq(left, right, evaluate=False) or sp.Ne(...)"
        )
    if relation in (sp.true, sp.false):
        return f"is already {str(relation).lower()}: build it with evaluate=False so that it is checked on optima"
    if isinstance(relation, sp.And):
        return f"is {_kind(relation)}: give each part as a relation of its own"
    if not isinstance(relation, Relational | sp.Equivalent | Asymptotic):
        return f"is {_kind(relation)}, not a relation: sp.Eq, sp.Le, ..., sp.Equivalent(dead, ...), Asymptotic"
    states = isinstance(relation, sp.Equivalent) or dead in relation.free_symbols
    if states and not (isinstance(relation, sp.Equivalent) and dead in relation.args and len(relation.args) == 2):
        return "has the wrong form: a threshold is sp.Equivalent(dead, condition) with dead of theory.symbols"
    if isinstance(relation, Asymptotic) != (claim.along is not None):
        return "and along belong together: Asymptotic needs along(problem, L), and along needs Asymptotic"
    parts = [relation.lhs, relation.rhs] if isinstance(relation, Asymptotic) else [relation]
    floats = sorted({str(number) for part in parts for number in sp.sympify(part).atoms(sp.Float)})
    if floats:
        text = floats[0].rstrip("0")
        meant = text if len(text) <= 12 else Fraction(text).limit_denominator(1000)  # 1/3, not its fifteen digits
        return f"holds the float {text}: write the exact number, such as sp.Rational('{meant}')"
    return ""


def _hypotheses(claim: Claim) -> Iterator[Fault]:
    for hypothesis in claim.hypotheses:
        if not callable(hypothesis.holds):
            yield "hypotheses", f"hypothesis {hypothesis.text!r}: holds is a function of a problem"
        if not isinstance(hypothesis.dropped, str | Problem):
            yield "hypotheses", f"hypothesis {hypothesis.text!r}: dropped is a Problem, or why there is none"
    given = [("witness", claim.witness), *(("settings", problem) for problem in claim.settings)]
    for name, problem in given:
        if problem is None:
            continue
        for hypothesis in claim.hypotheses:
            if said := _broken(hypothesis, problem):
                which = "the witness" if name == "witness" else f"the problem {problem.canonical()}"
                yield name, f"{which} {said}"
    if claim.status != "note" and claim.witness is None:
        yield "id", "witness is missing: a problem that satisfies every hypothesis"


def _broken(hypothesis: Hypothesis, problem: Problem) -> str:
    try:
        holds = hypothesis.holds(problem)
    except Exception as error:  # code of the user
        return f"cannot be asked for hypothesis {hypothesis.text!r}: {type(error).__name__}: {error}"
    return "" if holds else f"breaks the hypothesis {hypothesis.text!r}"


def unread(claim: Claim, seed: int = 0) -> Fault | None:
    """The first relation with a symbol that no reading of the witness or a setting provides.

    Every route is asked, strongest first, until all symbols are found.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from theory.hong_ling_2023.minority_collapse import law
    >>> m, p = sp.symbols("m_0 p")
    >>> unread(replace(law, relations=(sp.Eq(p, m, evaluate=False),)))[1]
    'relation 1 has the symbol m_0, which no reading provides; the nearest is sigma'
    """
    from verify.judge import ReadingError

    wanted = {s for relation in claim.relations for s in relation.free_symbols}
    for found in _other_problems(claim):
        return found
    try:
        provided, failure = _provided(claim, wanted, seed)
    except ReadingError as error:
        return "read", str(error)
    for i, relation in enumerate(claim.relations, 1):
        for symbol in sorted(relation.free_symbols - provided, key=str):
            if failure:
                return "read", failure
            return (
                f"relations.{i}",
                f"relation {i} has the symbol {symbol}, which no reading provides{_like(symbol, provided)}",
            )
    return None


def _other_problems(claim: Claim) -> Iterator[Fault]:
    """What is wrong with the functions from the witness to other problems."""
    from verify.judge import LIMIT_SCALES

    problem: Any = claim.witness
    others: Any = ()
    name = "along"
    try:
        if claim.along is not None:
            problem = claim.along(problem, LIMIT_SCALES[0])
            if not isinstance(problem, Problem):
                yield name, f"along gives {_kind(problem)} for the witness, not a Problem"
                return
        name = "companions"
        if claim.companions is not None:
            others = claim.companions(problem)
    except Exception as error:  # code of the user
        yield name, f"{name} fails on the witness: {type(error).__name__}: {error}"
        return
    if not isinstance(others, Iterable) or not all(isinstance(other, Problem) for other in others):
        yield name, f"companions gives {_kind(others)} for the witness, not a tuple of Problem"


def _provided(claim: Claim, wanted: set[sp.Symbol], seed: int) -> tuple[set[sp.Symbol], str]:
    """Symbols that readings provide, and how the reader failed on the first route on which it did."""
    from verify.findings import optimum_for, routes_of
    from verify.judge import ReadingError, sound
    from verify.limits import OutOfTime, time_limit

    found: set[sp.Symbol] = set()
    failure = ""
    for problem in dict.fromkeys(p for p in (claim.witness, *claim.settings) if p is not None):
        for route in routes_of(claim):
            if wanted <= found:
                return found, ""
            optimum = optimum_for(claim, problem, route, seed, frozenset({claim.id}))
            try:
                with time_limit(PATIENCE):
                    found |= {symbol for reading in claim.readings(optimum) for symbol in sound(reading)}
            except ReadingError:
                raise
            except OutOfTime as error:
                raise ReadingError(f"its reader has not ended on {problem.canonical()}: {error}") from error
            except Exception as error:  # code of the user
                where = "the witness" if problem == claim.witness else "a setting"
                failure = failure or f"its reader fails on {where}, route {route}: {type(error).__name__}: {error}"
    return found, failure


def _like(symbol: sp.Symbol, provided: set[sp.Symbol]) -> str:
    names = {str(other): other for other in provided}
    if str(symbol) in names:
        return f"; a reading has {symbol} with other assumptions: import the symbol instead of making a new one"
    near = get_close_matches(str(symbol), sorted(names), n=1, cutoff=0.0)
    return f"; the nearest is {near[0]}" if near else "; the readings are empty there"


def _kind(value: Any) -> str:
    return f"{type(value).__name__} {_brief(value)}"


def _brief(value: Any) -> str:
    text = " ".join(str(value).split()) if isinstance(value, str | int | float | sp.Basic) else "..."
    return text if len(text) <= 40 else f"{text[:36]} ..."


def hint(error: BaseException) -> str:
    """The nearest known name for a misspelt field or import; empty if there is nothing to suggest.

    Examples
    --------
    >>> hint(TypeError("Family.__init__() got an unexpected keyword argument 'modle'"))
    '; did you mean model?'
    """
    text = str(error)
    for slip, advice in SLIPS:
        if re.search(slip, text):
            return f"; {advice}"
    if isinstance(error, NameError):
        from theory import quick

        known_here = error.name in quick.__all__
        return "; write from theory.quick import *" if known_here else _close(error.name or "", tuple(quick.__all__))
    if isinstance(error, TypeError) and "unexpected keyword argument" in text:
        owner, name = text.split(".")[0], text.rsplit("'", 2)[-2]
        known: Callable[..., Any] | None = getattr(theory.claim, owner, None)
        return "" if known is None else _nearest(name, tuple(f.name for f in fields(known)))  # type: ignore[arg-type]
    if isinstance(error, ImportError) and error.name and "cannot import name" in text:
        import importlib

        public = [name for name in vars(importlib.import_module(error.name)) if not name.startswith("_")]
        return _nearest(text.split("'")[1], tuple(public))
    return ""


def line_of(path: Path, identifier: str, field: str, *, last: bool = False) -> int | None:
    """The line of a field of a claim in its file, else of the call that makes the claim: the first one or the last."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, SyntaxError, ValueError):
        return None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_named(node, identifier)]
    if not calls:
        return None
    call = calls[-1 if last else 0]
    name, _, position = field.partition(".")
    value = next((word.value for word in call.keywords if word.arg == name), None)
    if isinstance(value, ast.Tuple) and position and int(position) <= len(value.elts):
        value = value.elts[int(position) - 1]
    return call.lineno if value is None else value.lineno


def _is_named(call: ast.Call, identifier: str) -> bool:
    """Whether the ID is its first argument or its argument ``id``."""
    given = [word.value for word in call.keywords if word.arg == "id"]
    return any(isinstance(value, ast.Constant) and value.value == identifier for value in (*call.args[:1], *given))
