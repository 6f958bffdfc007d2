"""Saved configurations: a counterexample is written once and stays a test for ever. Loading one never runs code."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from theory.problem import Problem
from verify.counts import InputError
from verify.judge import Finding
from verify.schemas import Case

__all__ = ["build", "hunted", "load", "save"]

LARGEST_FILE = 1_000_000


def build(claim: str, problem: Problem, finding: Finding, route: str, relation: str, mutant: str | None = None) -> Case:
    """The case of a violated relation."""
    return Case(
        claim=claim,
        configuration=problem.canonical(),
        observed={"value": finding.observed},
        predicted={"value": finding.predicted},
        relation=relation,
        route=route,
        mutant=mutant,
        versions={name: version(name) for name in ("ufmcheck", "numpy", "scipy", "sympy", "python-flint")},
    )


def save(case: Case, folder: Path) -> Path:
    """Write a case as JSON; the name tells the claim and the configuration. Returns the path."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(json.dumps(case.configuration, sort_keys=True).encode()).hexdigest()[:10]
    path = folder / f"{case.claim}-{digest}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(case.model_dump_json(indent=2) + "\n")
    os.replace(partial, path)
    return path


def load(path: Path) -> tuple[Case, Problem]:
    """Read a case and rebuild its problem.

    Raises
    ------
    InputError
        If the file is missing, too large, not JSON, not a case, or its configuration breaks a rule.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: not a regular file")
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path}: larger than {LARGEST_FILE} bytes, not a case file")
        case = Case.model_validate_json(path.read_bytes())
        return case, Problem.from_canonical(case.configuration)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise InputError(f"{path}: not a case file ({where}: {first['msg']})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: {error}") from None


def hunted(claim: str, folder: Path = Path("hunts") / "cases") -> list[Problem]:
    """Problems on which hunts in this folder refuted a claim; a file that is no case is passed over.

    Examples
    --------
    >>> hunted("HL23-04", Path("nowhere"))
    []
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        with suppress(InputError):
            case, problem = load(path)
            found += [problem] if case.claim == claim and case.mutant is None else []
    return found
