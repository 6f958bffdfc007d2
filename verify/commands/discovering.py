"""``verify discover``: propose closed forms from numbers alone."""

from __future__ import annotations

import sys
import time
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verify.commands import common
from verify.commands.common import Json, Seed
from verify.counts import InputError
from verify.wording import counted

if TYPE_CHECKING:
    from verify.discover import Findings, Proposal, Quantity
    from verify.schemas import Discovery, ProposalEntry

__all__ = ["register"]

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The model, such as ce, ce-relu, mse, uf-svm.")]
Name = Annotated[
    str | None,
    typer.Option("--quantity", metavar="NAME", help="What to find, such as threshold:cluster_merge; none lists them."),
]
Budget = Annotated[str, typer.Option(metavar="2m", help="Time to spend: 90s, 2m, 1h.")]
Write = Annotated[
    str | None, typer.Option("--write", metavar="ID", help="Write the simplest proposal to ./conjectures.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    common.with_example(app, "discover", "verify discover ce --quantity threshold:cluster_merge")(discover)


def discover(
    model: Model, quantity: Name = None, budget: Budget = "2m", write: Write = None, json: Json = False, seed: Seed = 0
) -> None:
    """Propose closed forms from certified numbers, and test them on fresh configurations.

    Exit code with --write: 1 when no proposal survives, 2 when the file exists or cannot be made; a sentence says so.
    """
    from verify.discover import discover as search
    from verify.discover import find, of_model
    from verify.scaffold import claim_path

    seconds = common.parse_budget(budget)
    known = of_model(model)
    if quantity is None and write is not None:
        raise InputError("--write needs --quantity NAME; without it the quantities are listed and nothing is searched")
    if quantity is None:
        _list(model, known, json, seed)
        return
    chosen = find(model, quantity)
    path = Path() if write is None else claim_path(write)
    if write is not None and path.exists():
        raise InputError(f"{path} exists already; it is left as it is, nothing is searched or written")
    start = time.process_time()
    findings = search(chosen, seed=seed, budget=seconds, progress=common.Printer().line)
    written, unwritten, code = (None, "", 0) if write is None else _written(write, path, findings, seed)
    output = _output(findings, seed, written, time.process_time() - start)
    if json:
        common.print_json(output)
    else:
        _show(chosen, output)
    if unwritten:
        sys.stderr.write(f"verify: nothing was written: {unwritten}.\n")
    if findings.interrupted or code:
        raise typer.Exit(130 if findings.interrupted else code)


def _written(identifier: str, path: Path, findings: Findings, seed: int) -> tuple[str | None, str, int]:
    """The file of the simplest proposal; or None, why there is none, and the exit code."""
    from verify.discover.write import write

    if not findings.survivors:
        return None, f"no proposal survives, so there is no {path}", 1
    try:
        return str(write(identifier, findings, seed)), "", 0
    except InputError as error:  # what was found is shown all the same
        return None, str(error), 2


def _list(model: str, known: list[Quantity], json: bool, seed: int) -> None:
    from verify.schemas import Discovery

    if json:
        common.print_json(Discovery(model=model, quantities=_listed(known), seed=seed, seconds=0.0))
        return
    table = common.table("quantity", "what it is", "decided by")
    for q in known:
        table.add_row(q.name, q.text, q.evidence)
    common.console().print(table)


def _listed(known: list[Quantity]) -> list[object]:
    from verify.schemas import QuantityListing

    return [QuantityListing(name=q.name, text=q.text, unknown=q.unknown, evidence=q.evidence) for q in known]


def _output(findings: Findings, seed: int, written: str | None, seconds: float) -> Discovery:
    from verify.discover import of_model
    from verify.schemas import Discovery, Interval, Measurement

    quantity = findings.quantity
    configurations = [
        Measurement(
            parameters={name: str(value) for name, value in config.items()},
            value=Interval(lower=_decimal(low, ROUND_FLOOR), upper=_decimal(high, ROUND_CEILING)),
        )
        for config, (low, high) in findings.measured
    ]
    return Discovery(
        model=quantity.model,
        quantities=_listed(of_model(quantity.model)),
        quantity=quantity.name,
        seed=seed,
        configurations=configurations,
        kind=findings.kind,
        proposals=[_entry(quantity, proposal) for proposal in findings.proposals],
        reason=findings.reason,
        interrupted=findings.interrupted,
        written=written,
        seconds=round(seconds, 6),
    )


def _entry(quantity: Quantity, proposal: Proposal) -> ProposalEntry:
    from verify.schemas import ProposalEntry

    law, killed = proposal.law, proposal.killed
    shared = law.binomial and quantity.unknown in quantity.decays
    rounding = ROUND_CEILING if killed is None else ROUND_FLOOR
    return ProposalEntry(
        equation=law.equation(),
        common=law.equation(("lam", quantity.decays)) if shared else None,
        complexity=law.complexity,
        fitted=proposal.fitted,
        tested=proposal.tested,
        misfit=_decimal(proposal.misfit, rounding, 3) if proposal.tested else None,
        digits=proposal.digits,
        killed=None if killed is None else {name: str(value) for name, value in killed.items()},
        verdict=proposal.verdict,
    )


def _decimal(value: Fraction, rounding: str, digits: int = 40) -> str:
    """A rational as a decimal, rounded to one side."""
    context = Context(prec=digits, rounding=rounding)
    return str(context.divide(Decimal(value.numerator), Decimal(value.denominator)))


# --- for people --------------------------------------------------------------------------------------------------


def _show(quantity: Quantity, output: Discovery) -> None:
    out = common.console()
    out.print(f"{quantity.model}, {quantity.name}: {quantity.text}.", soft_wrap=True)
    out.print(f"Decided by {quantity.evidence}; no closed form is used.", soft_wrap=True)
    if output.proposals:
        table = common.table("proposal", "complexity", "fitted", "fresh", "largest misfit", "verdict")
        for p in output.proposals:
            misfit = "-" if p.misfit is None else f"{'>=' if p.killed else '<='} {float(p.misfit):.1e}"
            table.add_row(p.equation, str(p.complexity), str(p.fitted), str(p.tested), misfit, p.verdict)
        out.print(table)
        best = output.proposals[0]
        if best.common and best.killed is None:
            out.print(f"with one weight decay lam: {best.common}", soft_wrap=True)
    if output.reason:
        out.print(f"{counted(len(output.configurations), 'configuration')} measured: {output.reason}.", soft_wrap=True)
    if output.written:
        out.print(f"{output.written} holds the simplest proposal; verify run checks it.", soft_wrap=True)
