"""``verify hunt``: search for a counterexample within a budget, and keep what is found."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verify.commands import common
from verify.commands.common import Folders, Json, Seed
from verify.counts import InputError
from verify.wording import counted, worked

if TYPE_CHECKING:
    from rich.table import Table

    from verify.hunt.progress import Progress
    from verify.schemas import HuntOutput

__all__ = ["print_strength", "register"]

Identifier = Annotated[str, typer.Argument(metavar="ID", help="A claim, such as CJ26-01.")]
Budget = Annotated[
    str,
    typer.Option(
        metavar="10m",
        help="Time to spend: 90s, 10m, 2h; added to earlier hunts. Shrinking what it finds takes up to 90 s more.",
    ),
]
Jobs = Annotated[int, typer.Option(min=1, max=1024, metavar="J", help="Worker processes.")]
Folder = Annotated[Path, typer.Option("--hunts", metavar="DIR", help="Where journals and counterexamples are kept.")]
Accept = Annotated[bool, typer.Option("--accept", help="For maintainers: write the summary into the package.")]

REFRESH = 0.5
SHRINK = "shrink"
"""The stage that makes a counterexample smaller, as a hunt names it."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    common.with_example(app, "hunt", "verify hunt CJ26-01 --budget 10m --jobs 2")(hunt)


def hunt(
    claim: Identifier,
    path: Folders = None,
    budget: Budget = "1m",
    jobs: Jobs = 1,
    hunts: Folder = Path("hunts"),
    accept: Accept = False,
    json: Json = False,
    seed: Seed = 0,
) -> None:
    """Attack a claim within a budget; interrupting keeps everything, the next hunt resumes."""
    from verify import hunt as hunting
    from verify import registry

    seconds = common.parse_budget(budget)
    known, chosen = common.claims_of(path, [claim])
    if len(chosen) > 1:
        raise InputError(f"{claim} names {len(chosen)} claims; give one ID")
    registry.require_readable(known, chosen)
    ended = hunting.hunt(
        chosen[0],
        seconds,
        jobs=jobs,
        seed=seed,
        folder=hunts,
        avoid=registry.related(known, chosen[0].id),
        paths=path or (),
        watch=_watch() if sys.stderr.isatty() else None,
    )
    if ended.set_aside is not None:
        sys.stderr.write(f"verify: {claim} has changed, a new journal is begun; the old one is {ended.set_aside}\n")
    found = hunting.summarise(chosen[0], ended.progress, seed)
    saved, missing = hunting.save_case(chosen[0], found, hunts)
    if accept:
        saved.append(hunting.ship(found))
    if json:
        common.print_json(found)
    else:
        print_strength(found)
        if found.outcome == "refuted" and (said := _shrinking(ended.overtime, found.minimal)):
            common.console().print(said, soft_wrap=True)
        for file in saved:
            common.console().print(f"written: {file}", soft_wrap=True)
        if missing:
            common.console().print(f"no file proves the refutation to the kernel alone ({missing})", soft_wrap=True)
    if ended.interrupted:
        sys.stderr.write(f"verify: interrupted; everything tried is in {ended.journal}, the next hunt goes on.\n")
        raise typer.Exit(130)
    if (found.outcome == "refuted") != (chosen[0].required == "refuted"):
        raise typer.Exit(1)


def _watch() -> Callable[[Progress, float, str], None]:
    """A line on the terminal that is rewritten."""
    last = [0.0]

    def show(progress: Progress, left: float, stage: str) -> None:
        if time.monotonic() - last[0] < REFRESH:
            return
        last[0] = time.monotonic()
        sys.stderr.write(f"\r\x1b[2K{_status(progress, left, stage)[:100]}")
        sys.stderr.flush()

    return show


def _status(progress: Progress, left: float, stage: str) -> str:
    """What a hunt is at."""
    if stage == SHRINK:
        return f"VIOLATED  shrinking the counterexample, up to {left:.0f} s more"
    worst = f"{progress.worst[0][0]:.1e}" if progress.worst else "-"
    refuted = "  VIOLATED" if progress.violation is not None else ""
    return f"{stage:<22} {progress.configurations} tried  worst {worst}  {left:.0f} s left{refuted}"


def _shrinking(overtime: float, minimal: bool) -> str:
    """How long shrinking took beyond the budget, and what to do where nothing minimal was reached."""
    from verify.hunt.campaign import SHRINKING

    spent = f"shrinking took {overtime:.0f} s beyond the budget, of {SHRINKING:.0f} s allowed" if overtime >= 1 else ""
    left = "" if minimal else "no minimal counterexample was reached: the next hunt goes on, also with --budget 0"
    return "; ".join(filter(None, [spent, left]))


def print_strength(found: HuntOutput) -> None:
    """The strength of an attack as compact tables."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[2K")
    out = common.console()
    out.print(_headline(found), soft_wrap=True)
    if found.counterexample is not None:
        smallest = "minimal" if found.minimal else "the smallest so far"
        case = found.counterexample
        out.print(f"counterexample ({smallest}, by route {case.route}): {case.configuration}", soft_wrap=True)
        out.print(f"  relation {case.relation}", soft_wrap=True)
        out.print(f"  observed {case.observed['value']}, predicted {case.predicted['value']}", soft_wrap=True)
    out.print(_stages(found))
    if found.coverage:
        out.print("Where it holds: configurations by number of classes and distance from the nearest threshold")
        out.print(_map(found))
        out.print("by ratio of sizes, rounded down to a power of ten: " + _counts(found, 1), soft_wrap=True)
        out.print("by options: " + _counts(found, 3), soft_wrap=True)
    for line in _lines(found):
        out.print(line, soft_wrap=True)


def _headline(found: HuntOutput) -> str:
    held = found.outcomes.get("holds", 0)
    told = f" (it holds on {held})" if found.outcome == "survived" and held < found.configurations else ""
    spent = f"{counted(found.configurations, 'configuration')}{told}, {worked(found.seconds)}"
    match found.outcome:
        case "refuted":
            return f"{found.claim} is REFUTED ({spent})"
        case "survived":
            return f"{found.claim} survived: not refuted by {spent}. That is not a proof."
    return f"{found.claim}: nothing to report yet ({spent}, none with content)"


def _stages(found: HuntOutput) -> Table:
    table = common.table("stage", "configurations", "slices", "processor s")
    for row in found.stages:
        table.add_row(row.stage, str(row.configurations), str(row.slices), f"{row.seconds:.0f}")
    return table


def _map(found: HuntOutput) -> Table:
    from verify.hunt.coverage import CLASSES, DISTANCES

    seen: dict[tuple[str, str], int] = {}
    for region, number in found.coverage.items():
        classes, _, distance, _ = region.split(" | ")
        seen[classes, distance] = seen.get((classes, distance), 0) + number
    met = {distance for _, distance in seen}
    table = common.table("distance", *CLASSES)
    for distance in DISTANCES:  # a row of zeros says what was not tried; without thresholds there is one row
        if distance in met or (distance != "none" and met != {"none"}):
            table.add_row(distance, *(str(seen.get((c, distance), 0)) for c in CLASSES))
    return table


def _counts(found: HuntOutput, part: int) -> str:
    from verify.hunt.coverage import by_part

    def key(name: str) -> list[tuple[int, str]]:
        """Numbers in a name by size: ratio 1e9 before ratio 1e10."""
        return [(int(piece), "") if piece.isdigit() else (0, piece) for piece in re.split(r"(\d+)", name)]

    parts = by_part(found.coverage, part)
    return "; ".join(f"{name.removeprefix('ratio ')}: {parts[name]}" for name in sorted(parts, key=key))


def _lines(found: HuntOutput) -> list[str]:
    from verify.hunt.strength import resolution

    if not found.configurations:
        return []
    lines = []
    if found.every_sum:
        lines.append(f"every count vector of its family with at most {counted(found.every_sum, 'sample')} was tried")
    lines += [f"NOTHING was tried about the relation {text}: no configuration reads it" for text in found.unread]
    if found.worst_margin is not None:
        lines.append(f"closest to a violation: relative distance {-found.worst_margin:.1e} at {found.worst}")
    lines.append(f"mutants killed by the same configurations: {found.mutants.killed} of {found.mutants.total}")
    lines += [f"  survives: {text}" for text in found.mutants.survivors]
    if steps := resolution(found):
        lines.append(f"resolution, the smallest relative step that is detected in either direction: {steps}")
    others = {name: number for name, number in found.outcomes.items() if name not in ("holds", "violated")}
    if others:
        words = {"nothing": "with nothing to compare"}
        said = ", ".join(f"{number} {words.get(name, name)}" for name, number in others.items())
        lines.append(f"not counted as passes: {said}")
    shown = [note for note in found.notes if note.outcome != "undecided"]
    lines += [f"  {note.outcome}: {note.reason} at {note.configuration}" for note in shown]
    return lines
