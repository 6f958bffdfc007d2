"""``verify certify``; ``verify check`` is registered beside it."""

from __future__ import annotations

import json as jsonlib
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from verify.commands import checking, common
from verify.commands.common import DIGITS, Digits, Folders, Json, Seed
from verify.counts import InputError

__all__ = ["register"]

Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the certificate goes.")]
Refute = Annotated[
    str | None, typer.Option(metavar="ID", help="Instead of a MODEL: certify that this claim is false at a problem.")
]
CaseFile = Annotated[
    Path | None, typer.Option("--case", metavar="FILE", help="With --refute: the problem of a saved case.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    common.with_example(app, "certify", "verify certify ce --counts 500x5,100x5 --lam 5e-4 -o optimum.json")(certify)
    common.with_example(app, "check", "verify check optimum.json; verify check reports/certificates.zip")(
        checking.check
    )


@partial(common.with_problem, required=False)
def certify(
    given: dict[str, Any],
    output: Output,
    refute: Refute = None,
    case: CaseFile = None,
    path: Folders = None,
    digits: Digits = DIGITS,
    json: Json = False,
    seed: Seed = 0,
) -> None:
    """Write a certificate of one optimum: a file that proves its bounds to anyone who runs the kernel.

    With --refute: a file that proves a claim false at a problem, by default an example of its own.
    """
    if refute is None and (case is not None or path):
        raise InputError("--case and --path belong to --refute")
    data = _optimum(given, digits) if refute is None else _refutation(given, refute, case, path)
    text = jsonlib.dumps(data, separators=(",", ":")) + "\n"
    common.write_atomically(output, text)
    from verify.kernel import check as kernel

    answer = kernel(text)
    checking.report(answer, text.encode(), json, f"{output}: {len(text)} bytes")
    if answer["bounds"]:
        _say_width(data, answer, digits, json)


def _say_width(data: dict[str, Any], answer: dict[str, Any], digits: int, json: bool) -> None:
    """Where fewer digits are proved than asked for: how many, and why (beside JSON on standard error)."""
    from verify.digits import shortfall
    from verify.statements import key_of

    short = shortfall(answer["bounds"], digits, answer["reason"], key_of(data))
    if short and json:
        sys.stderr.write(f"verify: asked were {digits} digits; {short}.\n")
    elif short:
        common.console().print(f"asked were {digits} digits; {short}", soft_wrap=True)


def _optimum(given: dict[str, Any], digits: int) -> dict[str, Any]:
    problem = common.problem_of(given)
    from verify.optimum import certificate

    try:
        return certificate(problem, digits)
    except InputError:
        raise
    except ValueError as error:
        raise _nothing("certificate", error) from None


def _refutation(given: dict[str, Any], name: str, case: Path | None, path: list[Path] | None) -> dict[str, Any]:
    if any(value is not None for value in given.values()):
        raise InputError("--refute takes no MODEL and none of its options: the claim or --case says where it is false")
    from verify import cases
    from verify.refute import NotCovered, refutation

    _, (claim,) = common.claims_of(path, [name])
    problem = None
    if case is not None:
        common.require_file(case)
        problem = cases.load(case)[1]
    try:
        return refutation(claim, problem)
    except NotCovered as error:
        raise _nothing("refutation", error) from None


def _nothing(what: str, why: Exception) -> typer.Exit:
    sys.stderr.write(f"verify: no {what} was written ({str(why).rstrip('.')}).\n")
    return typer.Exit(1)
