"""``verify certify``; ``verify check`` is registered beside it."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from verify.commands import checking, common
from verify.commands.common import DIGITS, Digits, Json, Seed
from verify.counts import InputError

__all__ = ["register"]

Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the certificate goes.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    common.with_example(app, "certify", "verify certify ce --counts 500x5,100x5 --lam 5e-4 -o optimum.json")(certify)
    common.with_example(app, "check", "verify check optimum.json; verify check reports/certificates.zip")(
        checking.check
    )


@common.with_problem
def certify(given: dict[str, Any], output: Output, digits: Digits = DIGITS, json: Json = False, seed: Seed = 0) -> None:
    """Write a certificate of one optimum: a file that proves its bounds to anyone who runs the kernel."""
    problem = common.problem_of(given)
    from verify.digits import shortfall
    from verify.optimum import certificate

    try:
        data = certificate(problem, digits)
    except InputError:
        raise
    except ValueError as error:
        sys.stderr.write(f"verify: no certificate was written ({error}).\n")
        raise typer.Exit(1) from None
    text = jsonlib.dumps(data, separators=(",", ":")) + "\n"
    common.write_atomically(output, text)
    from verify.kernel import check as kernel

    answer = kernel(text)
    checking.report(answer, text.encode(), json, f"{output}: {len(text)} bytes")
    short = shortfall(answer["bounds"], digits, answer["reason"]) if answer["bounds"] else ""
    if short and not json:
        common.console().print(f"asked were {digits} digits; {short}", soft_wrap=True)
