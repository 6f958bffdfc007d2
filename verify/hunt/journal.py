"""The journal of a hunt: one line of JSON per configuration, appended as it ends, read back as data and never run.

A hunt killed at any moment loses at most the configuration under way. The first line names the claim and the hash of
its text; a changed claim starts a new journal.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from textwrap import dedent
from types import CodeType, FunctionType
from typing import Annotated, Any, Literal

import sympy as sp
from pydantic import Field, TypeAdapter, ValidationError

from theory.claim import Claim, Family
from verify.counts import InputError
from verify.hunt.attack import Outcome
from verify.schemas import Model

__all__ = ["Header", "Journal", "Shrunk", "SliceEnd", "Trial", "text_of"]

LARGEST_LINE = 1_000_000
SCHEMA: Literal["verify.journal/1"] = "verify.journal/1"


class Header(Model):
    """First line: the claim and the SHA-256 of its text."""

    kind: Literal["header"] = "header"
    journal: Literal["verify.journal/1"] = SCHEMA
    claim: str
    text: str


class Trial(Model):
    """One configuration, kept whole where it is notable: a record, or anything but a pass.

    ``seconds`` are of processor time; of a worker that had to be ended, by the clock. ``relations`` hold here and were
    not read before.
    """

    kind: Literal["trial"] = "trial"
    stage: str
    slice: int
    digest: str
    region: str
    outcome: Outcome
    margin: float | None = None
    seconds: float
    configuration: dict[str, Any] | None = None
    note: str = ""
    killed: list[str] = []
    detected: list[str] = []
    relations: list[int] = []


class SliceEnd(Model):
    """A slice was tried to its end; ``samples`` tell what ``smallest`` has covered.

    ``seconds`` of processor time went into it after its last configuration.
    """

    kind: Literal["slice"] = "slice"
    stage: str
    slice: int
    samples: int | None = None
    seconds: float = 0.0


class Shrunk(Model):
    """A smaller counterexample, confirmed by a route; ``minimal`` once nothing smaller is left to try."""

    kind: Literal["shrunk"] = "shrunk"
    configuration: dict[str, Any]
    relation: int
    route: str
    observed: str
    predicted: str
    minimal: bool = False


Line = Header | Trial | SliceEnd | Shrunk
LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


class Journal:
    """The lines of one hunt file: read on, append, lock.

    Parameters
    ----------
    path : the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.number = 0
        self._handle: int | None = None

    def fresh(self) -> Iterator[Line]:
        """Complete lines that were not read yet.

        Raises
        ------
        InputError
            Naming the file, the line and the rule it breaks.
        """
        if not self.path.exists():
            return
        if not self.path.is_file():
            raise InputError(f"{self.path}: not a regular file")
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while line := file.readline(LARGEST_LINE):
                if not line.endswith(b"\n"):
                    if len(line) == LARGEST_LINE:
                        raise InputError(f"{self.path}:{self.number + 1}: a line of more than {LARGEST_LINE} bytes")
                    return  # under way, or cut off when the hunt was killed
                self.offset += len(line)
                self.number += 1
                yield self._parse(line)

    def _parse(self, line: bytes) -> Line:
        try:
            found = LINE.validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "line"
            raise InputError(f"{self.path}:{self.number}: not a line of a hunt ({where}: {first['msg']})") from None
        if (self.number == 1) != isinstance(found, Header):
            raise InputError(f"{self.path}:{self.number}: the first line, and no other, names the claim")
        return found

    def open(self) -> None:
        """Open for appending, for one hunt at a time.

        Raises
        ------
        InputError
            If another hunt holds the file, or it cannot be written.
        """
        if self.path.exists() and not self.path.is_file():
            raise InputError(f"{self.path}: not a regular file")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise InputError(f"{self.path}: the journal cannot be written ({error.strerror})") from None
        _lock(self._handle, self.path)

    def cut(self) -> None:
        """Remove what follows the last complete line that was read."""
        if self._handle is not None:
            os.ftruncate(self._handle, self.offset)

    def append(self, line: Line, *, sync: bool = False) -> None:
        """Write one line; with ``sync`` it also survives a power cut, as does everything before it.

        Raises
        ------
        InputError
            If it cannot be written; the next hunt removes what was written of it.
        """
        data = (line.model_dump_json(exclude_none=True) + "\n").encode()
        try:
            if self._handle is None:
                self._handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            while data:  # a disk that fills up takes a part of a line
                data = data[os.write(self._handle, data) :]
            if sync:
                os.fsync(self._handle)
        except OSError as error:
            raise InputError(f"{self.path}: the journal cannot be written ({error.strerror})") from None

    def close(self) -> None:
        """Close the file, which unlocks it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _lock(handle: int, path: Path) -> None:
    """Lock the file, unless it was renamed in the meantime: another hunt begins a new journal."""
    try:
        import fcntl
    except ImportError:  # not on every system
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), os.stat(path)):
            raise OSError
    except OSError:
        os.close(handle)
        raise InputError(f"{path}: another hunt is writing this journal") from None


def text_of(claim: Claim) -> str:
    """SHA-256 of what a claim says: statement, relations, hypotheses, family, and the source of its functions.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from verify.registry import load
    >>> claim = load()["HL23-04"]
    >>> text_of(claim) == text_of(replace(claim, note="more words")) != text_of(replace(claim, relations=()))
    True
    """
    parts = [
        claim.id,
        [str(relation) for relation in claim.relations],
        [(h.text, _source(h.holds)) for h in claim.hypotheses],
        {f.name: str(value) for f in fields(Family) if (value := getattr(claim.family, f.name, None)) != f.default},
        [_source(function) for function in (claim.read, claim.companions, claim.along)],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _source(function: Callable[..., Any] | None, seen: frozenset[Any] = frozenset()) -> list[Any]:
    """Source of a function and of what it uses: what it closes over, functions and plain constants of its module."""
    if function is None or function in seen:
        return []
    try:
        text = _canonical(inspect.getsource(function))
    except (OSError, TypeError):
        text = getattr(function, "__qualname__", type(function).__name__)
    used = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    if isinstance(function, FunctionType):
        names = sorted(_names(function.__code__) & set(function.__globals__))
        used += [function.__globals__[name] for name in names if _owned(function.__globals__[name], function)]
    functions = [_source(value, seen | {function}) for value in used if isinstance(value, FunctionType)]
    return [text, [str(value) for value in used if _plain(value)], functions]


def _names(code: CodeType) -> set[str]:
    """Global names in a function, also in those within it."""
    return set(code.co_names).union(*(_names(part) for part in code.co_consts if isinstance(part, CodeType)))


def _owned(value: Any, function: FunctionType) -> bool:
    """Whether it is a constant, or a function of the same file: what other files say is no part of the claim."""
    return not isinstance(value, FunctionType) or value.__module__ == function.__module__


def _plain(value: Any) -> bool:
    """Whether the words for it are the same in every process."""
    if isinstance(value, tuple | list):
        return all(_plain(part) for part in value)
    return isinstance(value, str | int | float | Fraction | sp.Basic)


def _canonical(source: str) -> str:
    """Source without docstring, comments and layout; as it is where it is no statement of its own (a lambda)."""
    try:
        (tree,) = ast.parse(dedent(source)).body
    except (SyntaxError, ValueError):
        return source
    if isinstance(tree, ast.FunctionDef) and ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
