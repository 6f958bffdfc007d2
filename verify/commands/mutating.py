"""``verify mutants``: do the checks of a claim notice when it is wrong?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verify.commands import common
from verify.commands.common import Folders, Json, Seed

if TYPE_CHECKING:
    from verify.schemas import ClaimMutants

__all__ = ["register"]

Patterns = Annotated[
    list[str] | None, typer.Argument(metavar="[ID or glob]...", help="Claims; all of them by default.")
]
Budget = Annotated[
    str, typer.Option(metavar="5m", help="Time for each claim, such as 90s or 10m; what it does not reach is no kill.")
]
Jobs = Annotated[int, typer.Option(min=0, max=1024, metavar="J", help="Processes; 0 takes one per core.")]
Every = Annotated[bool, typer.Option("--all", help="List the killed mutants too.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    common.with_example(app, "mutants", "verify mutants HL23-04 --all")(mutants)


def mutants(
    claims: Patterns = None,
    path: Folders = None,
    budget: Budget = "5m",
    jobs: Jobs = 0,
    every: Every = False,
    json: Json = False,
    seed: Seed = 0,
) -> None:
    """Try to kill every mutant of a claim: which route does, where, and the smallest error that is noticed.

    Refuted claims and notes have no mutants of this kind and are passed over.
    """
    from verify import registry
    from verify.parallel import each
    from verify.schemas import MutantsOutput

    seconds = common.parse_budget(budget)
    known, selected = common.claims_of(path, claims or [])
    chosen = [claim.id for claim in selected if claim.status not in ("note", "refuted")]
    registry.require_readable(known, [known[identifier] for identifier in chosen])
    printer = common.Printer()
    rows: dict[str, ClaimMutants] = {}

    def keep(row: ClaimMutants) -> None:
        rows[row.id] = row
        printer.line(f"[{len(rows)}/{len(chosen)}] {row.id}  {_killed(row)}  {row.seconds:.1f} s")

    interrupted = False
    try:
        work = partial(_survey, seed=seed, budget=seconds, paths=tuple(path or ()))
        each(work, chosen, min(jobs or common.cores(), max(1, len(chosen))), keep)
    except KeyboardInterrupt:
        interrupted = True
    found = [rows[identifier] for identifier in chosen if identifier in rows]
    if json:
        common.print_json(MutantsOutput(seed=seed, claims=found))
    else:
        _show(found, every)
    if interrupted:
        sys.stderr.write(f"verify: interrupted; {len(found)} of {len(chosen)} claims were finished.\n")
        raise typer.Exit(130)
    if any(row.mutants.survivors for row in found):
        raise typer.Exit(1)


def _survey(identifier: str, seed: int, budget: float, paths: Sequence[Path]) -> ClaimMutants:
    from threadpoolctl import threadpool_limits

    from verify import registry
    from verify.survey import survey

    known = registry.load(paths, [identifier])
    avoid = registry.related(known, identifier) | {identifier}
    with threadpool_limits(1):
        return survey(known[identifier], seed=seed, avoid=avoid, budget=budget)


def _killed(row: ClaimMutants) -> str:
    counts: dict[str, int] = {}
    for mutant in row.mutants.details:
        counts[mutant.outcome] = counts.get(mutant.outcome, 0) + 1
    names = ("survived", "timeout", "equivalent", "weaker", "unseen", "explained", "vacuous")
    rest = [f"{counts[name]} {name}" for name in names if name in counts]
    return ", ".join([f"{row.mutants.killed} of {row.mutants.total} killed", *rest])


def _show(rows: Sequence[ClaimMutants], every: bool) -> None:
    out = common.console()
    listed = [(row.id, m) for row in rows for m in row.mutants.details if every or m.outcome != "killed"]
    if listed:
        table = common.table("claim", "mutant", "outcome", "route or reason")
        for identifier, mutant in listed:
            table.add_row(identifier, mutant.mutant, mutant.outcome, mutant.route or mutant.reason)
        out.print(table)
    for row in rows:
        certified = sum(mutant.certificate for mutant in row.mutants.details)
        out.print(f"{row.id}: {_killed(row)}; {certified} by a certificate. {_resolution(row)}", soft_wrap=True)
    total, killed = (sum(getattr(row.mutants, name) for row in rows) for name in ("total", "killed"))
    if len(rows) > 1:
        out.print(f"All {len(rows)} claims: {killed} of {total} mutants killed")


def _resolution(row: ClaimMutants) -> str:
    if row.resolution is None:
        return "No prediction to move."
    return f"Smallest error noticed: {row.resolution:.0e}, by route {row.resolution_route}."
