"""Find claims and losses: the shipped ones, ``./losses/*.py``, ``./conjectures/*.py``, given folders, packages."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from theory.claim import Claim
from verify.counts import InputError

__all__ = [
    "Claims",
    "ancestors",
    "claims_in_file",
    "load",
    "load_losses",
    "related",
    "require_readable",
    "select",
]

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
LARGEST = 10**6
"""Bytes of a claim file."""


class Claims(dict[str, Claim]):
    """Claims by ID.

    Attributes
    ----------
    files : where each claim is stated.
    outside : IDs that this package does not ship.
    broken : files that were left out, and why: one sentence that names file and line.
    loaded : files outside this package that were not left out, also those that state nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, Path] = {}
        self.outside: set[str] = set()
        self.broken: dict[Path, str] = {}
        self.loaded: list[Path] = []

    def add(self, modules: Iterable[ModuleType]) -> list[Claim]:
        """Add all claims of some modules or none of them; the new ones.

        Raises
        ------
        InputError
            If an ID is taken.
        """
        stated: dict[str, tuple[Claim, Path]] = {}
        for module in modules:
            path = _path_of(module)
            for claim in _claims_of(module):
                known, first = stated.get(claim.id, (self.get(claim.id), self.files.get(claim.id)))
                if known is None:
                    stated[claim.id] = claim, path
                elif known is not claim:
                    place = _place(path, claim.id, last=True)
                    raise InputError(f"{place}: claim {claim.id} is stated in {first} already")
        self |= {name: claim for name, (claim, _) in stated.items()}
        self.files |= {name: path for name, (_, path) in stated.items()}
        return [claim for claim, _ in stated.values()]


def load(paths: Sequence[Path] = (), only: Collection[str] | None = None) -> Claims:
    """All claims by ID, in the order of their IDs.

    What lies outside this package (a file in ./losses, ./conjectures or a given folder, an installed package) and does
    not load, or states an ill-formed claim or a taken ID, is left out and listed in ``broken``; :func:`select` refuses
    what needs it. Files are Python and are executed: one that never ends is not stopped.

    Parameters
    ----------
    paths : folders with claim files, beside ``./losses`` and ``./conjectures``; a file may register losses too.
    only : the IDs that are needed. Of the shipped files then only those are loaded that name one of them, or of the
        claims that these rest on or that rest on them, or an ID from outside: building all formulas takes seconds.

    Raises
    ------
    InputError
        If a folder does not exist.

    Examples
    --------
    >>> claims = load()
    >>> claims["HL23-04"].kind, claims.files["HL23-04"].name, claims.broken
    ('threshold', 'minority_collapse.py', {})
    >>> some = load(only=["HL23-04"])
    >>> len(some) < len(claims) / 2, related(some, "HL23-04") == related(claims, "HL23-04")
    (True, True)
    """
    found, outside = Claims(), dict[Path, list[ModuleType]]()
    for path, modules in _sources(paths):
        try:
            outside[path] = list(modules())
            for module in outside[path]:
                _require_sound(module)
        except InputError as error:
            found.broken[path] = str(error)
            outside.pop(path, None)
    stated = {claim.id for modules in outside.values() for module in modules for claim in _claims_of(module)}
    wanted = None if only is None else {*only, *stated}
    found.add(_shipped(wanted))
    for path, loaded in outside.items():
        try:
            found.outside |= {claim.id for claim in found.add(loaded)}
            found.loaded.append(path)
        except InputError as error:
            found.broken[path] = str(error)
    while wanted is not None and (more := set().union(*(related(found, name) for name in only or ())) - wanted):
        wanted |= more
        found.add(_shipped(more))
    for name in sorted(found, key=_order):
        found[name] = found.pop(name)
    return found


def _shipped(named: Collection[str] | None) -> Iterator[ModuleType]:
    """The modules of this package that state claims; with IDs only those whose source names one of them."""
    for name in SHIPPED:
        package = importlib.import_module(name)
        if named is None:
            yield from _package(package)
            continue
        for info in pkgutil.iter_modules(package.__path__):
            if any(f'"{identifier}"' in _text(name, info.name) for identifier in named):
                yield importlib.import_module(f"{name}.{info.name}")


@cache
def _text(package: str, name: str) -> str:
    return files(package).joinpath(f"{name}.py").read_text(encoding="utf-8")


def _claims_of(module: ModuleType) -> list[Claim]:
    return [value for value in vars(module).values() if isinstance(value, Claim)]


def _require_sound(module: ModuleType) -> None:
    """Refuse a module that states an ill-formed claim."""
    for claim in _claims_of(module):
        from verify.soundness import fault

        if broken := fault(claim):
            raise InputError(f"{_place(_path_of(module), claim.id, broken[0])}: {claim.id}: {broken[1]}")


def _path_of(module: ModuleType) -> Path:
    """The file of a module, as it is seen from the current folder."""
    path = Path(module.__file__ or module.__name__)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _place(path: Path, identifier: str, field: str = "id", *, last: bool = False) -> str:
    """File and line of a field of a claim."""
    from verify.soundness import line_of

    line = line_of(path, identifier, field, last=last)
    return f"{path}:{line}" if line else str(path)


def require_readable(claims: Claims, chosen: Iterable[Claim]) -> None:
    """Refuse claims from outside whose relations have symbols that no reading provides; solves their witnesses.

    A claim that rests on an ID that nobody has is refused too: routes that use the claim it means would count as
    evidence.

    Raises
    ------
    InputError
        Naming file, line, symbol, and the nearest one that is provided.
    """
    for claim in chosen:
        if claim.id in claims.outside and claim.status != "note":
            from verify.soundness import unread

            unknown = sorted(claim.rests_on - claims.keys())
            if broken := ("rests_on", f"it rests on {unknown[0]}, which no claim is") if unknown else unread(claim):
                raise InputError(f"{_place(claims.files[claim.id], claim.id, broken[0])}: {claim.id}: {broken[1]}")


def _order(identifier: str) -> tuple[str, bool, str]:
    """HL23-R1 after HL23-21."""
    series, _, rest = identifier.partition("-")
    return series, rest.startswith("R"), rest.rjust(4)


def _sources(paths: Sequence[Path]) -> Iterable[tuple[Path, Callable[[], Iterable[ModuleType]]]]:
    """Where claims may come from outside this package: a name, and a function that loads it."""
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        yield Path(entry.value), partial(_installed, entry)
    folders = [folder for folder in (Path("losses"), Path("conjectures")) if folder.is_dir()]
    for folder in paths:
        if not folder.is_dir():
            raise InputError(f"--path {folder}: not a folder")
    for path in dict.fromkeys(path for folder in (*folders, *paths) for path in sorted(folder.glob("*.py"))):
        yield path, partial(_one, path)


def _one(path: Path) -> list[ModuleType]:
    return [_file(path)]


def _installed(entry: importlib.metadata.EntryPoint) -> list[ModuleType]:
    try:
        return list(_package(entry.load()))
    except (Exception, SystemExit) as error:
        own = [f for f in extract_tb(error.__traceback__) if entry.module.split(".")[0] in Path(f.filename).parts]
        place = f", {own[-1].filename}:{own[-1].lineno}" if own else ""
        raise InputError(f"installed package {entry.value}{place}: {type(error).__name__}: {error}") from error


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
    shipped = {
        id(claim) for package in SHIPPED for m in _package(importlib.import_module(package)) for claim in _claims_of(m)
    }
    module = _file(path)
    _require_sound(module)
    return [claim for claim in _claims_of(module) if id(claim) not in shipped]


def _package(module: ModuleType) -> Iterable[ModuleType]:
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", [])):
        yield importlib.import_module(f"{module.__name__}.{info.name}")


def _file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"conjectures.{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: not a Python file")
    if path.exists() and not path.is_file():  # a pipe has no end
        raise InputError(f"{path}: this is not a file")
    module = importlib.util.module_from_spec(spec)
    vars(module)["print"] = _print  # of the claim's readers too, in any process: standard output may have to be JSON
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: the file is larger than {LARGEST // 10**6} MB")
        spec.loader.exec_module(module)
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        from verify.soundness import hint

        text = str(error) if not isinstance(error, SyntaxError) else str(error.msg)
        raise InputError(f"{path}{_line_of(error, path)}: {type(error).__name__}: {text}{hint(error)}") from error
    return module


def _print(*values: Any, file: Any = None, **options: Any) -> None:
    """``print`` of a claim file: on standard error."""
    print(*values, file=sys.stderr if file is None else file, **options)


def _line_of(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.lineno and error.filename in (str(path), str(path.absolute())):
        return f":{error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path.absolute():
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f":{lines[-1]}" if lines else ""


def select(claims: Mapping[str, Claim], patterns: Sequence[str]) -> list[Claim]:
    """Claims named by IDs or globs; all of them when no pattern is given.

    Raises
    ------
    InputError
        If a pattern matches nothing: with the message of the broken file that holds the ID, or the nearest ID. Without
        a pattern: if any file is broken.

    Examples
    --------
    >>> [claim.id for claim in select(load(), ["HL23-03", "HL23-0[34]"])]
    ['HL23-03', 'HL23-04']
    """
    broken: Mapping[Path, str] = getattr(claims, "broken", {})
    if not patterns:
        for message in broken.values():
            raise InputError(message)
        return list(claims.values())
    chosen: dict[str, Claim] = {}
    for pattern in patterns:
        matches = [identifier for identifier in claims if fnmatchcase(identifier, pattern)]
        if not matches:
            raise InputError(_unknown(pattern, claims, broken))
        chosen |= {identifier: claims[identifier] for identifier in matches}
    return list(chosen.values())


def _unknown(pattern: str, claims: Mapping[str, Claim], broken: Mapping[Path, str]) -> str:
    for path, message in broken.items():
        if path.is_file() and f'"{pattern}"' in path.read_text(encoding="utf-8", errors="replace").replace("'", '"'):
            return message
    from verify.soundness import line_of

    for path in getattr(claims, "loaded", ()):
        if line := line_of(path, pattern, "id"):
            return f"{path}:{line}: claim {pattern} is bound to no name of the file: write mine = conjecture(...)"
    near = get_close_matches(pattern.upper(), list(claims), n=1)
    advice = f"did you mean {near[0]}?" if near else "verify list names those that there are"
    return f"unknown claim {pattern!r}; {advice}" + "".join(f" (left out: {why})" for why in broken.values())


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
