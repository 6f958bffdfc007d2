"""``verify run`` and ``verify replay``: the theorem checker."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verify.commands import common
from verify.commands.common import Folders, Json, Seed, Strict
from verify.counts import InputError
from verify.wording import counted, surviving

if TYPE_CHECKING:
    from rich.table import Table

    from theory.claim import Claim
    from theory.problem import Problem
    from verify.schemas import Case, ClaimResult, MutantSummary, ReplayOutput, RunResult

__all__ = ["register"]

OPEN = ("undecided", "vacuous", "error", "timeout")

Patterns = Annotated[
    list[str] | None, typer.Argument(metavar="[ID or glob]...", help="Claims; all of them by default.")
]
Examples = Annotated[int | None, typer.Option(min=0, max=100_000, metavar="N", help="Drawn configurations per claim.")]
Jobs = Annotated[int, typer.Option(min=0, max=1024, metavar="J", help="Processes; 0 takes one per core.")]
Routes = Annotated[str | None, typer.Option(metavar="R,...", help="Only these routes.")]
Report = Annotated[Path, typer.Option(metavar="DIR", help="Where the report goes.")]
Accept = Annotated[bool, typer.Option("--accept", help="Write the verdicts of this full run to the ledger.")]
Certificates = Annotated[
    bool,
    typer.Option(
        "--certificates",
        help="Keep the certificates, let processes that load only the kernel check them, and judge by the outcome.",
    ),
]
CaseFile = Annotated[Path, typer.Argument(metavar="FILE", help="A saved case.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    common.with_example(app, "run", "verify run 'HL23-0*' --examples 25")(run)
    common.with_example(app, "replay", "verify replay reports/cases/HL23-R1-0123456789.json")(replay)


def run(
    claims: Patterns = None,
    path: Folders = None,
    examples: Examples = None,
    jobs: Jobs = 0,
    routes: Routes = None,
    report: Report = Path("reports"),
    strict: Strict = False,
    accept: Accept = False,
    certificates: Certificates = False,
    json: Json = False,
    seed: Seed = 0,
) -> None:
    """Check claims on all routes and write the report."""
    from verify import ledger, registry
    from verify.report import write
    from verify.sampling import PROFILES

    known, chosen = common.claims_of(path, claims or [])
    registry.require_readable(known, chosen)
    names = _routes(routes)
    drawn = PROFILES["dev"] if examples is None else examples
    full = names is None and drawn >= PROFILES["dev"]
    if accept and not full:
        raise InputError(f"--accept needs a full run: all routes and at least {PROFILES['dev']} examples")
    if certificates and names is not None and "enclosure" not in names:
        raise InputError("--certificates needs the route enclosure, which --routes leaves out")
    _require_folder(report)
    printer = common.Printer()
    finished: list[str] = []

    def progress(row: ClaimResult) -> None:
        finished.append(row.id)
        verdict = row.verdict or "note"
        printer.line(f"[{len(finished)}/{len(chosen)}] {row.id}  {verdict}  {row.seconds:.1f} s  {row.title}")

    options: dict[str, Any] = {
        "examples": drawn,
        "seed": seed,
        "jobs": jobs or common.cores(),
        "routes": names,
        "paths": path or (),
        "progress": progress,
    }
    result = _run(chosen, options, report if certificates else None)
    by_id = {claim.id: claim for claim in chosen}
    saved, notes = _save_cases(result, by_id, report)
    files = write(result, by_id, report, jobs=jobs or common.cores(), paths=path or ())
    interrupted = len(result.claims) < len(chosen)
    full = full and not interrupted
    if accept and full:
        ledger.accept(result.claims)
    failures = _failures(result, full=full)
    fallen = ledger.weaker_routes(result.claims, ledger.load()) if full else []
    if json:
        common.print_json(result)
        sys.stderr.writelines(f"verify: {line}\n" for line in fallen)
    else:
        _show_run(result, [*notes, *fallen, *(f"FAILED {line}" for line in failures)], [*files.values(), *saved])
    if interrupted:
        sys.stderr.write(
            f"verify: interrupted; the partial report of {counted(len(result.claims), 'claim')} was written.\n"
        )
        raise typer.Exit(130)
    unsettled = [row.id for row in result.claims if row.verdict in OPEN]
    if failures:
        raise typer.Exit(1)
    if (unsettled or fallen) and strict:
        raise typer.Exit(3)


def _run(chosen: Sequence[Claim], options: dict[str, Any], archived: Path | None) -> RunResult:
    """The run, and where the certificates are kept the verdicts that they bear out."""
    from verify import engine

    if archived is None:
        return engine.run(chosen, **options)
    import tempfile

    from verify.certified import settle

    with tempfile.TemporaryDirectory(dir=archived, prefix=".certificates-") as spool:
        result = engine.run(chosen, certificates=Path(spool), **options)
        return settle(result, Path(spool), archived, options["jobs"])


def _routes(text: str | None) -> list[str] | None:
    if text is None:
        return None
    from verify.routes import SOLVERS

    known = ("symbolic", *SOLVERS)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise InputError(f"--routes: unknown route {name[:40]!r}; did you mean {near}?")
    return names


def _require_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except (OSError, ValueError) as error:
        raise InputError(f"--report {folder}: the folder cannot be made ({error})") from None
    if not writable:
        raise InputError(f"--report {folder}: the folder cannot be written")


def _save_cases(result: RunResult, claims: Mapping[str, Claim], folder: Path) -> tuple[list[Path], list[str]]:
    """The counterexamples, with certificates and refutation beside them where those are kept; what could not be."""
    from verify.cases import save

    saved, notes = list[Path](), list[str]()
    for row in result.claims:
        if row.counterexample is None:
            continue
        saved.append(save(row.counterexample, folder / "cases"))
        if row.certificates is not None and not row.certificates.rejected:
            beside, note = _save_beside(row, claims[row.id], saved[-1], folder)
            saved += beside
            notes += [note] if note else []
    return saved, notes


def _save_beside(row: ClaimResult, claim: Claim, case: Path, folder: Path) -> tuple[list[Path], str]:
    """Certificates of a counterexample (the problem, those it is compared with or scaled to), and the refutation."""
    from theory.problem import Problem
    from verify.archive import read
    from verify.certified import ARCHIVE, DIGEST
    from verify.refute import NotCovered, refutation

    if row.certificates is None or row.counterexample is None:
        return [], ""
    problem = Problem.from_canonical(row.counterexample.configuration)
    own = problem.sha256[:DIGEST]
    others = [name for name in row.certificates.files if not name.startswith(own)]
    parts = {name: f".companion-{i + 1}" for i, name in enumerate(others)}
    found = read(folder / ARCHIVE, row.certificates.files)
    beside = {f"{parts.get(name, '')}.certificate.json": data.decode() for name, data in found.items()}
    note = ""
    try:
        beside[".refutation.json"] = jsonlib.dumps(refutation(claim, problem), separators=(",", ":")) + "\n"
    except NotCovered as why:
        note = f"{row.id}: no file refutes it at its counterexample ({str(why).removeprefix(f'{row.id}: ')})"
    for ending, text in beside.items():
        common.write_atomically(case.with_name(case.stem + ending), text)
    return [case.with_name(case.stem + ending) for ending in beside], note


def _failures(result: RunResult, *, full: bool) -> list[str]:
    """One sentence per claim that fails the run; levels and ledger count in full runs only."""
    from verify import engine, ledger

    failures = [
        f"{row.id}: refuted{_where(row)}, see its case"
        for row in result.claims
        if row.verdict == "refuted" and row.status in ("theorem", "conjecture") and row.required != "refuted"
    ]
    if full:
        failures += [_shortfall(row) for row in result.claims if row.verdict != "refuted" and not engine.reached(row)]
        failures += ledger.weaker(result.claims, ledger.load())
    return failures


def _where(row: ClaimResult) -> str:
    """What its counterexample shows."""
    case = row.counterexample
    if case is None:
        return ""
    sizes = ",".join(size if repeat == 1 else f"{size}x{repeat}" for size, repeat in case.configuration["counts"])
    return f" at sizes {sizes}: {case.relation} with {case.observed['value']} against {case.predicted['value']}"


def _shortfall(row: ClaimResult) -> str:
    if row.mutants.survivors:
        return f"{row.id}: {surviving(len(row.mutants.survivors))}, such as {row.mutants.survivors[0]!r}"
    return f"{row.id}: {row.verdict}, required is {row.required}" + (f" ({row.reason})" if row.reason else "")


FLOATING = ("certified", "agrees")
"""Verdicts below what the kernel can give."""


NARROW = 120
"""Columns below which the table of a run names the routes in one cell and leaves out the worst residual: a column for
each would break every word."""


def _run_table(result: RunResult, width: int) -> Table:
    """One row per claim."""
    from verify.routes import SOLVERS

    routes = [r for r in ("symbolic", *SOLVERS) if any(r in row.routes for row in result.claims)]
    narrow = width < NARROW
    columns = ["routes"] if narrow else [*routes, "worst"]
    table = common.table("claim", "verdict", *columns, "mutants", "by cert.", "s")
    for row in result.claims:
        errors = [r.max_error for r in row.routes.values() if r.max_error is not None]
        said = [row.routes[r].verdict if r in row.routes and row.verdict else "" for r in routes]
        named = "\n".join(f"{route} {cell}" for route, cell in zip(routes, said, strict=True) if cell)
        cells = [named] if narrow else [*said, f"{max(errors):.1e}" if errors else ""]
        killed = f"{row.mutants.killed}/{row.mutants.total}" if row.mutants.total else ""
        table.add_row(row.id, row.verdict or "note", *cells, killed, _proofs(row.mutants), f"{row.seconds:.1f}")
    return table


def _show_run(result: RunResult, lines: Sequence[str], files: Sequence[Path]) -> None:
    from verify.report.views import papers

    out = common.console()
    out.print(_run_table(result, out.width))
    for paper in papers(result):
        counts = ", ".join(f"{count} {verdict}" for verdict, count in paper.counts.items())
        out.print(f"{paper.name}: {counts}", soft_wrap=True)
    total = ", ".join(f"{count} {verdict}" for verdict, count in result.summary.items())
    out.print(f"All {len(result.claims)}: {total}")
    for row in result.claims:
        if row.verdict in OPEN:
            out.print(f"{row.id} is {row.verdict}: {row.reason}", soft_wrap=True)
        proved = row.routes.get("enclosure")
        if row.verdict in FLOATING and proved is not None and proved.decided < proved.configurations:
            text = f"the kernel decides {proved.decided} of {proved.configurations} configurations"
            out.print(f"{row.id} is {row.verdict} only: {text} ({proved.reason})", soft_wrap=True)
    for line in (*_certificate_lines(result), *lines):
        out.print(line, soft_wrap=True)
    for file in files:
        out.print(f"written: {file}", soft_wrap=True)


def _proofs(mutants: MutantSummary) -> str:
    """How many mutants a certificate kills, and the smallest relative perturbation that one refutes."""
    smallest = mutants.resolution_certificate
    if not mutants.by_certificate and smallest is None:
        return ""
    return f"{mutants.by_certificate}" + ("" if smallest is None else f" ({smallest:.0e})")


def _certificate_lines(result: RunResult) -> Iterator[str]:
    """What became of the certificates of a run, if they were kept."""
    found = result.certificates
    if found is None:
        return
    claims = sum(bool(row.certificates and row.certificates.files) for row in result.claims)
    yield (
        f"certificates: {found.files} files for {claims} claims in {found.archive}, {found.accepted} accepted by the "
        f"kernel in processes of its own ({found.seconds:.1f} s), widest relative width {found.widest}"
    )
    for row in result.claims:
        if row.certificates and row.certificates.rejected:
            yield f"{row.id}: the enclosure does not count, {row.routes['enclosure'].reason}"


def replay(file: CaseFile, path: Folders = None, strict: Strict = False, json: Json = False, seed: Seed = 0) -> None:
    """Rerun a saved case: does the configuration still violate the statement?"""
    from verify import cases, registry

    common.require_file(file)
    case, problem = cases.load(file)
    try:
        known, (claim, *_) = common.claims_of(path, [case.claim])
    except InputError as error:
        raise InputError(
            f"{file}: the case of a claim that must be found, here or with --path FOLDER: {error}"
        ) from None
    answer = _replay(case, problem, claim, registry.related(known, claim.id), seed)
    if json:
        common.print_json(answer)
    else:
        _show_replay(answer, problem)
    if answer.outcome == "violated" and case.mutant is None and claim.status in ("theorem", "conjecture"):
        raise typer.Exit(1)
    if answer.outcome == "undecided" and strict:
        raise typer.Exit(3)


def _replay(case: Case, problem: Problem, claim: Claim, related: frozenset[str], seed: int) -> ReplayOutput:
    from threadpoolctl import threadpool_limits

    from verify.findings import findings_for
    from verify.routes import SOLVERS

    statement = _statement(case, claim)
    route = case.route or "enclosure"
    if route not in SOLVERS:
        raise InputError(f"the case names the route {route[:40]!r}; there are {', '.join(SOLVERS)}")
    if case.mutant is None and not claim.applies(problem):
        return _answer(case, route, "undecided", reason="the configuration is outside the hypotheses of the claim")
    with threadpool_limits(1):
        findings = findings_for(statement, problem, route, seed, related | {claim.id})
    wanted = [f for f in findings if case.relation in ("", str(statement.relations[f.relation]))]
    for outcome in ("violated", "undecided", "holds"):
        for finding in wanted:
            if finding.outcome == outcome:
                return _answer(case, route, outcome, finding.observed, finding.predicted, finding.reason)
    return _answer(case, route, "undecided", reason="the route observes nothing on this configuration")


def _answer(
    case: Case, route: str, outcome: str, observed: str = "", predicted: str = "", reason: str = ""
) -> ReplayOutput:
    from verify.schemas import ReplayOutput

    return ReplayOutput(
        claim=case.claim,
        mutant=case.mutant,
        route=route,
        outcome=outcome,
        observed=observed,
        predicted=predicted,
        reason=reason,
    )


def _statement(case: Case, claim: Claim) -> Claim:
    """The claim, or the mutant that the case names."""
    if case.mutant is None:
        return claim
    from verify.mutation import generic_mutants

    for mutant in (*claim.mutants, *generic_mutants(claim)):
        if mutant.text == case.mutant:
            return claim.mutated(mutant)
    raise InputError(f"{claim.id} has no mutant {case.mutant[:60]!r}")


def _show_replay(answer: ReplayOutput, problem: Problem) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_row("claim", answer.claim + (f", mutant: {answer.mutant}" if answer.mutant else ""))
    table.add_row("configuration", str(problem.canonical()))
    table.add_row("route", answer.route)
    table.add_row("outcome", answer.outcome + (f" ({answer.reason})" if answer.reason else ""))
    table.add_row("observed", answer.observed)
    table.add_row("predicted", answer.predicted)
    common.console().print(table)
