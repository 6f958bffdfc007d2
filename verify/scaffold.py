"""Scaffold a conjecture: one commented file that is found in ``./conjectures`` and runs at once.

One template; what a model needs and what a kind states are the parts in templates/parts.toml.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

from theory.claim import Kind
from verify.counts import InputError

__all__ = ["KINDS", "MODELS", "claim_path", "render", "scaffold", "write_claim"]

FOLDER = Path("conjectures")
TEMPLATES = Path(__file__).with_name("templates")
KINDS = get_args(Kind)
MODELS = ("ce", "ce-relu", "ce-deep", "mse", "uf-svm", "layer-peeled", "ce-sphere", "loss")
ALONG = '''def along(problem: Problem, L: int) -> Problem:
    """The problem at scale L; the statement is about L to infinity."""
    return CODE


'''


def claim_path(identifier: str, folder: Path = FOLDER) -> Path:
    """File of a new claim.

    Raises
    ------
    InputError
        If the ID has another form than letters, digits, hyphens and underscores, or is taken.

    Examples
    --------
    >>> claim_path("MINE-01").name
    'mine_01.py'
    """
    from verify import registry
    from verify.soundness import ID_RULE, is_id

    if not is_id(identifier):
        raise InputError(f"{identifier[:40]!r} is not an ID: {ID_RULE}")

    if identifier in registry.load(only=[identifier]):
        raise InputError(f"claim {identifier} exists already; choose another ID")
    return folder / f"{re.sub('[^a-z0-9]+', '_', identifier.lower()).strip('_')}.py"


def write_claim(path: Path, text: str) -> Path:
    """Write the file of a claim and return its path; an existing file is left as it is.

    Raises
    ------
    InputError
        If the file exists or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{path} exists already; it is left as it is") from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be written ({error.strerror})") from None
    return path


def scaffold(identifier: str, folder: Path = FOLDER, kind: str = "threshold", model: str = "ce") -> Path:
    """Write the file of a new conjecture and return its path.

    Parameters
    ----------
    identifier : ID of the claim: letters, digits, hyphens and underscores, starting with a letter, at most 40.
    folder : where it goes; created if missing.
    kind, model : what the example in it states, see :data:`KINDS` and :data:`MODELS`.

    Raises
    ------
    InputError
        If the ID has another form or is taken, kind or model are unknown or make no sense together, or the file cannot
        be written.

    Examples
    --------
    >>> scaffold("1st idea")
    Traceback (most recent call last):
        ...
    verify.counts.InputError: '1st idea' is not an ID: letters, digits, - and _, starting with a letter, at most 40
    """
    path = claim_path(identifier, folder)
    return write_claim(path, render(identifier, kind, model))


def render(identifier: str, kind: str, model: str) -> str:
    """The text of the file.

    Raises
    ------
    InputError
        If kind or model are unknown, or a claim of that kind makes no sense in the model.

    Examples
    --------
    >>> [line for line in render("MINE-01", "threshold", "mse").splitlines() if line.startswith("WITNESS")]
    ['WITNESS = Problem.mse([(9, 2), (4, 2)], "0.05")']
    >>> render("MINE-01", "threshold", "ce-sphere")
    Traceback (most recent call last):
        ...
    verify.counts.InputError: --kind threshold: nothing vanishes on a sphere: ce-sphere has no threshold
    """
    for name, value, known in (("kind", kind, KINDS), ("model", model, MODELS)):
        if value not in known:
            raise InputError(f"--{name}: unknown {name} {value[:40]!r}; there are {', '.join(known)}")
    with (TEMPLATES / "parts.toml").open("rb") as file:
        parts = tomllib.load(file)
    said = parts[model][kind]
    if isinstance(said, str):
        raise InputError(f"--kind {kind}: {said}")
    if "copy" in said:
        other, same = said["copy"].split(".")
        said = parts[other][same] | said | ({} if "family" in said else {"family": parts[model]["family"]})
    return _fill(parts[model] | said, {"IDENTIFIER": identifier, "KIND": kind, "MODEL": model})


def _fill(part: dict[str, Any], words: dict[str, str]) -> str:
    """The template with its parts; the imports are those of the names that occur."""
    along = part.get("along")
    text, code = part["mutant"]
    readers = {"ordering": "larger_readings"}
    words |= {
        "WITNESS_CODE": part["witness"],
        "ALONG_FIELD": "    along=along,\n" if along else "",
        "ALONG": f"\n{ALONG.replace('CODE', along)}" if along else "",
        "TITLE": part["title"],
        "STATEMENT": part["statement"],
        "RELATION": part["relation"],
        "READ": part.get("read", readers.get(words["KIND"], "class_readings")),
        "HYPOTHESIS": _hypothesis(part.get("hypothesis")),
        "FAMILY": part["family"],
        "MUTANT_TEXT": text,
        "MUTANT_CODE": code,
        "SURVIVORS": f"    survivors={part['survivors']},\n" if "survivors" in part else "",
    }
    body = (TEMPLATES / "conjecture.py.txt").read_text(encoding="utf-8")
    for name, word in words.items():
        body = body.replace(f"{{{{{name}}}}}", word)
    return body.replace("{{IMPORTS}}", _imports(body, part.get("imports", "")))


def _hypothesis(given: list[str] | None) -> str:
    if given is None:
        return ""
    text, condition, dropped = given
    lines = f'"{text}"', f"lambda problem: {condition}", f"dropped={dropped}"
    return "".join(("        Hypothesis(\n", *(f"            {line},\n" for line in lines), "        ),\n"))


def _imports(body: str, more: str) -> str:
    from theory import vocabulary

    code = re.sub(r'r?"[^"]*"|#.*', "", body)
    used = set(re.findall(r"(?<![.\w])\w+", code))
    own = re.findall(r"import (.*)", more)
    taken = {name.strip() for line in own for name in line.split(",")}
    symbols = [name for name in vocabulary.__all__ if name in used and name not in taken]
    claim = [name for name in ("Asymptotic", "Claim", "Family", "Hypothesis", "Mutant") if name in used]
    lines = [
        *(["from dataclasses import replace"] if "replace" in used else []),
        *(line for line in more.splitlines() if "fractions" in line),
        "",
        "import sympy as sp",
        "",
        f"from theory.claim import {', '.join(claim)}",
        *(line for line in more.splitlines() if line.startswith(("from theory.d",))),
        "from theory.problem import Problem",
        *(line for line in more.splitlines() if line.startswith(("from theory.seli", "from theory.thramp"))),
        f"from theory.vocabulary import {', '.join(symbols)}",
    ]
    return "\n".join(lines).strip()
