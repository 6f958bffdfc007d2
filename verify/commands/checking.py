"""``verify check``: one certificate, or every one in files, folders and archives. Only the kernel is loaded."""

from __future__ import annotations

import json as jsonlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from verify.archive import MOST_FILES, Unreadable, entries, is_zip
from verify.commands import common
from verify.commands.common import Json, Seed, Strict
from verify.counts import InputError
from verify.digits import scientific, width
from verify.wording import counted

__all__ = ["check", "report"]

PARTS = {
    "verify.certificate/1": ("problem", "model", "counts", "options", "bounds", "witness", "facts"),
    "verify.refutation/1": ("claim", "because", "certificates", "given", "says", "shows"),
}
"""What a file of each schema must hold to be shown to the kernel."""
WORDS = {"bounds": "proved"}
CHECKED = ("bounds", "refuted", "rejected", "undecided")
ORDER = (*CHECKED, "unreadable", "skipped")

Paths = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Certificates, folders of them, .zip archives.")]


class Skipped(str):
    """Why a file is no certificate at all."""


def check(files: Paths, json: Json = False, strict: Strict = False, seed: Seed = 0) -> None:
    """Check certificates with the kernel alone, whoever wrote them: a file, several, a folder, a .zip archive.

    Exit code 0 when all are proved, 1 when one is rejected, 2 when one cannot be read, 3 when one is undecided (with
    --strict). Files of a folder or an archive that are no certificates are named and skipped.
    """
    if len(files) == 1 and not os.path.isdir(files[0]) and not _archived(files[0]):
        text = _read(files[0])
        if isinstance(text, str):
            raise InputError(f"{files[0]}: {text}")
        row = _answer(str(files[0]), text)
        report(row["answer"], text, json, str(files[0]))
        outcomes = Counter([row["answer"]["outcome"]])
    else:
        outcomes = _check_many(files, json)
    code = 1 if outcomes["rejected"] else 2 if outcomes["unreadable"] else 3 * bool(strict and outcomes["undecided"])
    if code:
        raise typer.Exit(code)


# --- what there is to check ----------------------------------------------------------------------------------------


def _archived(path: Path) -> bool:
    common.require_file(path)
    try:
        return is_zip(path)
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read ({error.strerror})") from None


def _read(path: Path) -> bytes | Unreadable | Skipped:
    """Bytes of a certificate, at most as many as the kernel accepts, or why they are none."""
    from verify.kernel import MAX_BYTES

    try:
        common.require_file(path)
        with path.open("rb") as file:
            return _sorted_out(file.read(MAX_BYTES + 1))
    except InputError as error:
        return Unreadable(str(error).removeprefix(f"{path}: "))
    except OSError as error:
        return Unreadable(f"the file cannot be read ({error.strerror})")


def _sorted_out(text: bytes) -> bytes | Unreadable | Skipped:
    """The bytes if they are JSON of the schema with all its parts, else why not; the kernel judges the rest."""
    from verify.kernel import MAX_BYTES

    if len(text) > MAX_BYTES:
        return Unreadable(f"the file has more than {MAX_BYTES} bytes, too many for a certificate")
    try:
        data = jsonlib.loads(text, parse_int=len)  # the values do not matter here
    except (ValueError, RecursionError):
        return Unreadable("this is not JSON that can be read")
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, str) or schema not in PARTS:
        return Skipped(f"this is not a {' or '.join(PARTS)} file")
    missing = [part for part in PARTS[schema] if part not in data]
    return Unreadable(f"this is not a {schema} file, {missing[0]!r} is missing") if missing else text


def _sources(paths: Sequence[Path]) -> Iterator[tuple[str, bytes | Unreadable | Skipped]]:
    """Every file with its name: files as given, those of a folder and its folders, those of an archive."""
    from verify.kernel import MAX_BYTES

    for path in paths:
        if os.path.isdir(path):
            for file in _inside(path):
                archive = file.suffix == ".zip"
                yield str(file), Skipped("an archive; check it by itself") if archive else _read(file)
        elif _archived(path):
            for name, text in entries(path, MAX_BYTES):
                if name.endswith(".json"):
                    yield f"{path}: {name}", text if isinstance(text, Unreadable) else _sorted_out(text)
                else:
                    yield f"{path}: {name}", Skipped("its name does not end in .json")
        else:
            found = _read(path)  # named by the user: what is no certificate is an error, not skipped
            yield str(path), Unreadable(found) if isinstance(found, Skipped) else found


def _inside(folder: Path) -> list[Path]:
    """JSON files and archives under a folder, links to other folders not followed."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [Path(place, name) for name in sorted(names) if name.endswith((".json", ".zip"))]
        if len(found) > MOST_FILES:
            raise InputError(f"{folder}: more than {MOST_FILES} files; check parts of this folder")
    return found


# --- checking ------------------------------------------------------------------------------------------------------


def _answer(name: str, text: bytes) -> dict[str, Any]:
    """What the kernel says about one certificate."""
    from verify.kernel import check as kernel

    start = time.process_time()
    answer = kernel(text)
    data = jsonlib.loads(text, parse_int=len)
    model = data.get("model", data.get("claim"))
    return {
        "name": name,
        "answer": answer,
        "model": model if isinstance(model, str) else "",
        "seconds": round(time.process_time() - start, 6),
    }


def _check_many(paths: Sequence[Path], json: bool) -> Counter[str]:
    """One line per certificate and a summary; counts by outcome. An interrupt keeps what was checked."""
    rows, start, interrupted = list[dict[str, Any]](), time.process_time(), False
    try:
        _collect(paths, rows)
    except KeyboardInterrupt:
        interrupted = True
    counts = Counter(row["outcome"] for row in rows)
    if not counts.keys() & set(CHECKED) and not interrupted:
        names = ", ".join(str(path) for path in paths)
        first = f": {rows[0]['name']}: {rows[0]['reason']}" if rows else ""
        raise InputError(f"{names}: no certificate among {counted(len(rows), 'file')}{first}")
    if json:
        summary = {name: counts[name] for name in ORDER}
        seconds = round(time.process_time() - start, 6)
        data = {"schema": "verify.checks/1", "files": rows, "summary": summary, "seconds": seconds}
        sys.stdout.write(jsonlib.dumps(data) + "\n")
    else:
        _show_many(rows, counts)
    if interrupted:
        sys.stderr.write(f"verify: interrupted; {len(rows)} files were looked at.\n")
        raise typer.Exit(130)
    return counts


def _collect(paths: Sequence[Path], rows: list[dict[str, Any]]) -> None:
    """Append a row for every file."""
    printer = common.Printer()
    for name, text in _sources(paths):
        if isinstance(text, bytes):
            row = _answer(name, text)
            rows.append(_row(name, row["model"], row["answer"], row["seconds"]))
        else:
            outcome = "skipped" if isinstance(text, Skipped) else "unreadable"
            rows.append(_row(name, "", {"outcome": outcome, "reason": str(text)}, 0.0))
        printer.line(f"[{len(rows)}] {rows[-1]['outcome']}  {common.printable(name)}")


def _row(name: str, model: str, answer: dict[str, Any], seconds: float) -> dict[str, Any]:
    bounds = answer.get("bounds")
    return {
        "name": name,
        "outcome": answer["outcome"],
        "model": model,
        "problem": answer.get("problem"),
        "bounds": bounds,
        "width": scientific(width(bounds)) if bounds else None,
        "reason": answer["reason"],
        "seconds": seconds,
    }


def _show_many(rows: Sequence[dict[str, Any]], counts: Counter[str]) -> None:
    table = common.table("outcome", "model", "relative width", "s", "file")
    for row in rows:
        seconds = f"{row['seconds']:.3f}" if row["outcome"] in CHECKED else ""
        why = f" ({row['reason']})" if row["reason"] and row["outcome"] not in ("bounds", "refuted") else ""
        table.add_row(
            WORDS.get(row["outcome"], row["outcome"]),
            row["model"],
            row["width"] or "",
            seconds,
            common.printable(row["name"]) + common.printable(why),
        )
    out = common.console()
    out.print(table)
    listed = ", ".join(f"{counts[name]} {WORDS.get(name, name)}" for name in ORDER if counts[name])
    widths = [Fraction(row["width"]) for row in rows if row["width"] is not None]
    widest = f"; widest relative width {scientific(max(widths))}" if widths else ""
    out.print(f"{counted(len(rows), 'file')}: {listed}{widest}", soft_wrap=True)


# --- one certificate for people ------------------------------------------------------------------------------------


def report(answer: dict[str, Any], data: bytes, json: bool, title: str) -> None:
    """Print what the kernel says about one certificate."""
    if json:
        sys.stdout.write(jsonlib.dumps(answer) + "\n")
        return
    from rich.table import Table

    from verify.statements import statements

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("certificate", common.printable(title))
    for name, text in statements(answer, jsonlib.loads(data)):
        table.add_row(common.printable(name), common.printable(text, 2000))
    common.console().print(table)
