"""``verify list``, ``verify show`` and ``verify new``: what is claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from verify.commands import common
from verify.commands.common import Folders, Json, Seed
from verify.commands.hunting import print_strength
from verify.counts import InputError

if TYPE_CHECKING:
    from theory.claim import Claim
    from verify.schemas import ClaimShown

__all__ = ["register"]

Identifier = Annotated[str, typer.Argument(metavar="ID", help="A claim, such as HL23-04.")]

KindOption = Annotated[
    str,
    typer.Option("--kind", metavar="KIND", help="equality, threshold, structure, bound, limit or ordering."),
]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model", metavar="MODEL", help="ce, ce-relu, ce-deep, mse, uf-svm, layer-peeled, ce-sphere or loss."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    common.with_example(app, "list", "verify list")(list_claims)
    common.with_example(app, "show", "verify show HL23-04")(show)
    common.with_example(app, "new", "verify new MINE-01 --kind equality --model mse")(new)


def list_claims(path: Folders = None, json: Json = False, seed: Seed = 0) -> None:
    """All claims, one line each."""
    from verify.schemas import ClaimList, ClaimListing

    _, claims = common.claims_of(path)
    if json:
        rows = [ClaimListing(id=c.id, title=c.title, kind=c.kind, paper=c.paper, status=c.status) for c in claims]
        common.print_json(ClaimList(claims=rows))
        return

    table = common.table("claim", "title", "kind", "paper", "status")
    for c in claims:
        table.add_row(c.id, c.title, c.kind, c.paper, c.status)
    common.console().print(table)


def show(claim: Identifier, path: Folders = None, json: Json = False, seed: Seed = 0) -> None:
    """One claim: statement, hypotheses, source, derivation, mutants, last accepted verdict."""
    _, chosen = common.claims_of(path, [claim])
    if len(chosen) > 1:
        raise InputError(f"{claim} names {len(chosen)} claims; give one ID")
    shown = _shown(chosen[0])
    if json:
        common.print_json(shown)
    else:
        _print(shown)


def _shown(claim: Claim) -> ClaimShown:
    from verify import hunt, ledger
    from verify.mutation import generic_mutants
    from verify.schemas import ClaimShown, DerivationStep

    derivation = claim.derivation() if claim.derivation else None
    steps = derivation.steps if derivation else ()
    accepted = ledger.load().get(claim.id)
    return ClaimShown(
        id=claim.id,
        title=claim.title,
        kind=claim.kind,
        paper=claim.paper,
        status=claim.status,
        statement=list(claim.statement),
        relations=[str(relation) for relation in claim.relations],
        hypotheses=[hypothesis.text for hypothesis in claim.hypotheses],
        source=claim.source,
        note=claim.note,
        required=None if claim.status == "note" else claim.required,
        rests_on=sorted(claim.rests_on),
        derivation=[DerivationStep(text=s.text, kind=type(s).__name__.lower(), latex=s.latex()) for s in steps],
        assumes=list(derivation.assumes) if derivation else [],
        mutants=[mutant.text for mutant in (*claim.mutants, *generic_mutants(claim))],
        verdict=accepted.verdict if accepted else None,
        hunt=hunt.known(claim),
    )


def _print(shown: ClaimShown) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    lines = [
        (shown.id, f"{shown.title}  ({shown.kind}, {shown.status}, {shown.paper})"),
        *(("statement", formula) for formula in shown.statement),
        *(("checked as", relation) for relation in shown.relations),
        *(("hypothesis", text) for text in shown.hypotheses),
        ("source", shown.source),
        *([("note", shown.note)] if shown.note else []),
        *((f"step {i}", f"{step.text}:  {step.latex}") for i, step in enumerate(shown.derivation, 1)),
        *([("assumes", "; ".join(shown.assumes))] if shown.assumes else []),
        *([("rests on", ", ".join(shown.rests_on))] if shown.rests_on else []),
        *(("mutant", text) for text in shown.mutants),
        ("required", shown.required or "nothing, this is a note"),
        ("last accepted", shown.verdict or "no verdict yet"),
    ]
    before = ""
    for name, text in lines:
        table.add_row(name if name != before else "", text)
        before = name
    common.console().print(table)
    if shown.hunt is not None:
        print_strength(shown.hunt)


def new(
    claim: Identifier, kind: KindOption = "threshold", model: ModelOption = "ce", json: Json = False, seed: Seed = 0
) -> None:
    """Write a commented conjecture to ./conjectures; it is found there and runs at once."""
    from verify.scaffold import scaffold
    from verify.schemas import NewClaim

    written = scaffold(claim, kind=kind, model=model)
    if json:
        common.print_json(NewClaim(id=claim, path=str(written), kind=kind, model=model))
        return
    common.console().print(f"{written} holds {claim}. Edit it, then: verify run {claim}", soft_wrap=True)
