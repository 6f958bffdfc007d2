"""Numbers, problems and verdicts as a reader wants them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from importlib.resources import files
from math import log10
from typing import Any

from pybtex.database import BibliographyData, parse_string
from pybtex.plugin import find_plugin

from theory.problem import Problem
from verify.reduced import root

__all__ = ["MEANING", "citation", "in_words", "scientific", "short"]

MEANING = {
    "proved": "every algebraic step verified in exact arithmetic for the whole family, textbook lemmas named",
    "enclosed": "ball arithmetic proves it at every configuration tried; exactly at a threshold, a rational decision",
    "certified": "a floating-point dual certificate closes the gap to the stated tolerance",
    "agrees": "at least two independent routes agree to tolerance",
    "undecided": "nothing contradicts it and nothing shows it",
    "refuted": "a configuration inside the hypotheses violates the statement",
    "vacuous": "no configuration exercises the statement",
    "error": "the check itself failed",
    "timeout": "the time budget was spent",
    "note": "a fact that no configuration can test; listed without a verdict",
}
"""What a verdict means, strongest first."""

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LONGEST = 12


def scientific(value: float | None) -> str:
    """Two digits and a power of ten; a dash for nothing.

    Examples
    --------
    >>> scientific(1.2e-9), scientific(0.0), scientific(None)
    ('1.2 × 10⁻⁹', '0', '–')
    """
    if value is None:
        return "–"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPT)}"


def number(value: Fraction) -> str:
    """Exact when short, else about six digits.

    Examples
    --------
    >>> number(Fraction(1, 3)), number(Fraction(10) ** 40), number(Fraction(123456789123, 1000000007))
    ('1/3', '1 × 10⁴⁰', '123.457')
    """
    if len(str(value)) <= LONGEST:
        return str(value)
    if Fraction(1, 10**4) <= value < 10**9:
        return f"{float(value):.6g}"
    digits = len(str(value.numerator)) - len(str(value.denominator))
    scaled = float(value / Fraction(10) ** digits)
    shift = int(log10(scaled) // 1)
    return f"{scaled / 10**shift:.4g} × 10{str(digits + shift).translate(SUPERSCRIPT)}"


def in_words(configuration: Mapping[str, Any] | None) -> str:
    """One line for a canonical problem.

    Examples
    --------
    >>> in_words(Problem.ce([(120, 4), (25, 3)], "1/111", bias="free").canonical())
    '4 classes of 120, 3 classes of 25; x = λN = 5; free bias'
    """
    if configuration is None:
        return ""
    problem = Problem.from_canonical(dict(configuration))
    if problem.key == "ce-sphere":
        kind = "one family" if problem.families == 1 else "two families"
        return f"{problem.K} unit vectors, {kind}; d = {problem.dim}; a = {number(problem.temperature)}"
    runs = [f"{run.repeat} class{'es' if run.repeat > 1 else ''} of {number(run.size)}" for run in problem.runs]
    parts = [", ".join(runs), *_parameters(problem)]
    if any(run.weight != 1 for run in problem.runs):
        parts.append("loss weights " + ", ".join(number(run.weight) for run in problem.runs))
    if problem.bias != "none":
        parts.append("free bias" if problem.bias == "free" else f"bias penalty λ_b = {number(Fraction(problem.bias))}")
    if problem.widths:
        parts.append(f"widths {', '.join(map(str, problem.widths))}")
    elif problem.dim != problem.K:
        parts.append(f"d = {problem.dim}")
    return "; ".join(parts)


def _parameters(problem: Problem) -> list[str]:
    match problem.key:
        case "ce" | "ce-relu":
            return [f"x = λN = {root(problem.x2):.10g}"]
        case "mse" | "ce-deep":
            decays = dict.fromkeys((*problem.layers, problem.lambda_h))
            return [f"depth {problem.depth}", f"λ = {', '.join(map(number, decays))}"]
        case "layer-peeled":
            return [f"E_W = {number(problem.e_w)}, E_H = {number(problem.e_h)}"]
    return []


@lru_cache(maxsize=1)
def _entries() -> BibliographyData:
    text = files("theory").joinpath("references.bib").read_text(encoding="utf-8")
    return parse_string(text, "bibtex")


@lru_cache(maxsize=1)
def _bibliography() -> dict[str, str]:
    style = find_plugin("pybtex.style.formatting", "plain")()
    backend = find_plugin("pybtex.backends", "plaintext")()
    return {
        entry.key: re.sub(r"\s+", " ", entry.text.render(backend)) for entry in style.format_bibliography(_entries())
    }


def citation(key: str) -> str:
    """Formatted reference of a key in references.bib; other keys stand for themselves.

    Examples
    --------
    >>> "Neural collapse" in citation("hong_ling_2023"), citation("conjectures")
    (True, 'Statements of our own, and conjectures')
    """
    return _bibliography().get(key, OURS.get(key, key))


OURS = {
    "conjectures": "Statements of our own, and conjectures",
    "new_results": "Results of our own for arbitrary sizes",
    "bridges": "Bridges between the papers",
    "beliefs": "Plausible beliefs, refuted",
}


NAMES = {
    "conjectures": "Conjectures",
    "new_results": "Beyond the papers",
    "bridges": "Bridges",
    "beliefs": "Beliefs, refuted",
}


def short(key: str) -> str:
    """Authors and the year of a key in references.bib.

    Examples
    --------
    >>> short("hong_ling_2023"), short("dang_2024_relu"), short("conjectures")
    ('Hong and Ling 2023', 'Dang et al. 2024', 'Conjectures')
    """
    entry = _entries().entries.get(key)
    if entry is None:
        return NAMES.get(key, key)
    names = [" ".join(person.last_names) for person in entry.persons["author"]]
    who = " and ".join(names) if len(names) <= 2 else f"{names[0]} et al."
    year = re.search(r"\d{4}", key)
    return f"{who} {year[0]}" if year else who
