"""``verify certify`` and ``verify check``. Checking loads the kernel and nothing else of the project."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from verify.commands import common
from verify.commands.common import Json, Seed, Strict
from verify.counts import InputError

__all__ = ["register"]

SCHEMA = "verify.certificate/1"
PARTS = ("problem", "model", "counts", "options", "bounds", "witness", "facts")

Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the certificate goes.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A certificate.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    common.with_example(app, "certify", "verify certify ce --counts 500x5,100x5 --lam 5e-4 -o optimum.json")(certify)
    common.with_example(app, "check", "verify check optimum.json")(check)


@common.with_problem
def certify(given: dict[str, Any], output: Output, json: Json = False, seed: Seed = 0) -> None:
    """Write a certificate of one optimum: a file that proves its bounds to anyone who runs the kernel."""
    problem = common.problem_of(given)
    from verify.optimum import certificate

    try:
        data = certificate(problem)
    except InputError:
        raise
    except ValueError as error:
        sys.stderr.write(f"verify: no certificate was written ({error}).\n")
        raise typer.Exit(1) from None
    text = jsonlib.dumps(data, separators=(",", ":")) + "\n"
    common.write_atomically(output, text)
    from verify.kernel import check as kernel

    _report(kernel(text), json, f"{output}: {len(text)} bytes")


def check(file: File, json: Json = False, strict: Strict = False, seed: Seed = 0) -> None:
    """Check a certificate with the kernel alone, whoever wrote it."""
    text = _read(file)
    from verify.kernel import check as kernel

    answer = kernel(text)
    _report(answer, json, str(file))
    if answer["outcome"] == "rejected":
        raise typer.Exit(1)
    if answer["outcome"] == "undecided" and strict:
        raise typer.Exit(3)


def _read(path: Path) -> bytes:
    """Bytes of a file that is JSON of this schema, at most as large as the kernel accepts."""
    from verify.kernel import MAX_BYTES

    common.require_file(path)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read ({error.strerror})") from None
    if len(text) > MAX_BYTES:
        raise InputError(f"{path}: the file has more than {MAX_BYTES} bytes, too many for a certificate")
    try:
        data = jsonlib.loads(text, parse_int=len)  # the values do not matter here
    except (ValueError, RecursionError):
        raise InputError(f"{path}: this is not JSON that can be read") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(f"{path}: this is not a {SCHEMA} file")
    missing = [part for part in PARTS if part not in data]
    if missing:
        raise InputError(f"{path}: this is not a {SCHEMA} file, {missing[0]!r} is missing")
    return text


def _report(answer: dict[str, Any], json: bool, title: str) -> None:
    if json:
        sys.stdout.write(jsonlib.dumps(answer) + "\n")
        return
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_row("certificate", title)
    table.add_row("outcome", answer["outcome"])
    if answer["reason"]:
        table.add_row("reason", answer["reason"])
    if answer["bounds"]:
        table.add_row("lower", answer["bounds"]["lower"])
        table.add_row("upper", answer["bounds"]["upper"])
    for name, text in _facts(answer["facts"] or {}):
        table.add_row(name, text)
    common.console().print(table)


MOST_LINES = 20


def _facts(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """One line per cluster where the kernel speaks of clusters, one per fact elsewhere; no tables of numbers."""
    if "rank" in facts:
        yield "rank", f"{facts['rank']['lower']} to {facts['rank']['upper']}"
    if "contrast" in facts:
        clusters = facts["clusters"]
        for i, (size, weight, classes) in enumerate(clusters[:MOST_LINES]):
            merged, zero = facts["merged"]["values"][i], facts["zero"]["values"][i]
            contrast = facts["contrast"]["values"][i]
            state = f"contrast {contrast or 'undecided'}, merged {_say(merged)}, zero {_say(zero)}"
            yield f"{classes} of {size}", (f"weight {weight}, " if weight != "1" else "") + state
        if len(clusters) > MOST_LINES:
            yield "...", f"{len(clusters)} clusters, all of them with --json"
        return
    for name, fact in facts.items():
        if name != "rank" and isinstance(fact, dict) and (text := _short(fact)):
            yield name.replace("_", " "), text


def _short(fact: dict[str, Any]) -> str:
    """A fact in one line, or nothing where it is a table."""
    if isinstance(fact.get("lower"), (str, int)) and isinstance(fact.get("upper"), (str, int)):
        return f"{str(fact['lower'])[:24]} to {str(fact['upper'])[:24]}"
    value = fact.get("value", fact.get("values"))
    if isinstance(value, dict):
        return _short(value)
    if isinstance(value, list) and len(value) <= MOST_LINES and not any(isinstance(v, (list, dict)) for v in value):
        return ", ".join(_say(v) if v is None or isinstance(v, bool) else str(v) for v in value)
    return _say(value) if isinstance(value, bool) else str(value) if isinstance(value, (str, int)) else ""


def _say(truth: bool | None) -> str:
    return {True: "yes", False: "no", None: "-"}[truth]
