"""The command line. Nothing heavy is imported before a command needs it.

Exit codes: 0 everything reached what it must reach; 1 something is refuted, below what is required, or rejected;
2 unusable input, one sentence on standard error; 3 undecided under ``--strict``; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer

from verify.commands import certificates, claims, discovering, hunting, mutating, problems, running
from verify.counts import InputError

__all__ = ["app", "main"]

app = typer.Typer(
    name="verify",
    help="Check what is claimed about neural collapse under class imbalance, and compute optima with proofs.",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (claims, running, hunting, mutating, discovering, problems, certificates):
    module.register(app)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code.

    Raises
    ------
    SystemExit
        Always.

    Examples
    --------
    >>> main(["thresholds", "ce", "--counts", "5x2", "--bias", "none", "--json"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    SystemExit: 0
    """
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; unusable input becomes one sentence on standard error."""
    try:
        code: Any = app(args=None if args is None else list(args), standalone_mode=False, prog_name="verify")
        sys.stdout.flush()
    except InputError as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        describe = getattr(error, "format_message", None)  # usage errors of the option parser, whichever it is
        if describe is None:
            raise
        context = getattr(error, "ctx", None)
        return _refuse(describe(), context.command_path if context else "verify")
    return code if isinstance(code, int) else 0


def _refuse(message: str, command: str = "") -> int:
    sentence = " ".join(message.split())
    if command:
        return _complain(f"{sentence.rstrip('.')} (see {command} --help).", 2)
    return _complain(sentence if sentence.endswith((".", "?")) else f"{sentence}.", 2)


def _complain(message: str, code: int) -> int:
    """One line on standard error that no input can break."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    if len(line) > 500:
        line = f"{line[:400]} ... {line[-90:]}"
    sys.stderr.write(f"verify: {line.encode(errors='backslashreplace').decode()}\n")
    return code
