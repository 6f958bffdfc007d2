"""Find claims and losses: the shipped ones, ``./losses/*.py``, ``./conjectures/*.py``, given folders, packages."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType

from theory.claim import Claim
from verify.counts import InputError

__all__ = ["ancestors", "claims_in_file", "load", "load_losses", "related", "select"]

SHIPPED = (
    "theory.hong_ling_2023",
    "theory.dang_2024_relu",
    "theory.thrampoulidis_2022_seli",
    "theory.dang_2023_deep_linear",
    "theory.lu_steinerberger_2020",
    "theory.fang_2021_layer_peeled",
    "theory.new_results",
    "theory.bridges",
    "theory.conjectures",
    "theory.beliefs",
)
ENTRY_POINTS = "verify.claims"


def load(paths: Sequence[Path] = ()) -> dict[str, Claim]:
    """All claims by ID, in the order of their IDs.

    Parameters
    ----------
    paths : folders with claim files, beside ``./losses`` and ``./conjectures``; a file may register losses too.

    Raises
    ------
    InputError
        If a claim file does not load, or two files register the same ID.
    """
    found: dict[str, Claim] = {}
    for module in _modules(paths):
        for value in vars(module).values():
            if not isinstance(value, Claim):
                continue
            if found.setdefault(value.id, value) is not value:
                raise InputError(f"claim {value.id} is registered twice (second time in {module.__name__})")
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(identifier: str) -> tuple[str, bool, str]:
    """HL23-R1 after HL23-21."""
    series, _, rest = identifier.partition("-")
    return series, rest.startswith("R"), rest.rjust(4)


def _modules(paths: Sequence[Path]) -> Iterable[ModuleType]:
    for package in SHIPPED:
        yield from _package(importlib.import_module(package))
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        yield from _package(entry.load())
    folders = list(paths)
    yield from load_losses()
    local = Path("conjectures")
    if local.is_dir():
        folders.append(local)
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"--path {folder}: not a folder")
        yield from (_file(path) for path in sorted(folder.glob("*.py")))


def load_losses() -> list[ModuleType]:
    """Run the files in ``./losses``, which register losses (and may state claims about them).

    Raises
    ------
    InputError
        If a file does not load; the message names the line.
    """
    folder = Path("losses")
    return [_file(path) for path in sorted(folder.glob("*.py"))] if folder.is_dir() else []


def claims_in_file(path: Path) -> list[Claim]:
    """Claims that one file states, in the order of the file (not the shipped ones it imports).

    Raises
    ------
    InputError
        If the file does not load; the message names the line.
    """
    shipped = [
        value
        for package in SHIPPED
        for module in _package(importlib.import_module(package))
        for value in vars(module).values()
    ]
    found = (value for value in vars(_file(path)).values() if isinstance(value, Claim))
    return [claim for claim in found if not any(claim is other for other in shipped)]


def _package(module: ModuleType) -> Iterable[ModuleType]:
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
        yield importlib.import_module(f"{module.__name__}.{info.name}")


def _file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"conjectures.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = _line_of(error, path)
        raise InputError(f"{path}{line}: {type(error).__name__}: {error}") from error
    return module


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.lineno:
        return f":{error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path.absolute():
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f":{lines[-1]}" if lines else ""


def select(claims: dict[str, Claim], patterns: Sequence[str]) -> list[Claim]:
    """Claims named by IDs or globs; all of them when no pattern is given.

    Raises
    ------
    InputError
        Naming a pattern that matches nothing, with the nearest ID.

    Examples
    --------
    >>> [claim.id for claim in select(load(), ["HL23-03", "HL23-0[34]"])]
    ['HL23-03', 'HL23-04']
    """
    if not patterns:
        return list(claims.values())
    chosen: dict[str, Claim] = {}
    for pattern in patterns:
        matches = [identifier for identifier in claims if fnmatchcase(identifier, pattern)]
        if not matches:
            near = get_close_matches(pattern.upper(), list(claims), n=1, cutoff=0.0)
            raise InputError(
                f"unknown claim {pattern!r}; did you mean {near[0]}?" if near else "no claims are registered"
            )
        chosen |= {identifier: claims[identifier] for identifier in matches}
    return list(chosen.values())


def ancestors(claims: dict[str, Claim], identifier: str) -> frozenset[str]:
    """IDs that a claim rests on, directly or through others (without itself).

    Examples
    --------
    >>> sorted(ancestors(load(), "HL23-04"))
    ['HL23-03']
    """
    seen: set[str] = set()
    stack = list(claims[identifier].rests_on) if identifier in claims else []
    while stack:
        current = stack.pop()
        if current not in seen:
            seen.add(current)
            stack += claims[current].rests_on if current in claims else ()
    return frozenset(seen)


def related(claims: dict[str, Claim], identifier: str) -> frozenset[str]:
    """IDs that a claim rests on, and IDs that rest on it: a route relying on any of them is no evidence for it.

    Examples
    --------
    >>> {"HL23-03", "HL23-11"} <= related(load(), "HL23-04")
    True
    """
    below = frozenset(name for name in claims if identifier in ancestors(claims, name))
    return ancestors(claims, identifier) | below
