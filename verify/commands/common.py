"""What the commands share: options, a problem from options, printing."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verify.counts import InputError, parse_counts, parse_number, parse_profile, parse_weights

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table

    from theory.problem import Problem

__all__ = [
    "Printer",
    "console",
    "has_weights",
    "print_json",
    "problem_of",
    "require_file",
    "with_example",
    "write_atomically",
]

MODELS = ("ce", "ce-relu")

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="The model: ce, or ce-relu (no feature has a negative entry).")
]
Counts = Annotated[
    str | None, typer.Option(metavar="500x5,100x5", help="Class sizes: COUNTxREPEAT, @file.json or @file.csv.")
]
Profile = Annotated[
    str | None, typer.Option(metavar="exp:5000:50:100", help="Class sizes of a profile: exp or step, n_max:n_min:K.")
]
LambdaW = Annotated[str | None, typer.Option(metavar="X", help="Weight decay of W, an exact number such as 1/300.")]
LambdaH = Annotated[str | None, typer.Option(metavar="X", help="Weight decay of H.")]
Lam = Annotated[str | None, typer.Option(metavar="X", help="The same weight decay for W and H.")]
Bias = Annotated[str, typer.Option(metavar="none|free|X", help="Bias: none, free, or its weight decay lambda_b > 0.")]
ClassWeights = Annotated[
    str | None, typer.Option(metavar="1x5,5x5", help="Loss weights: WEIGHTxREPEAT in class order.")
]
Depth = Annotated[int, typer.Option(metavar="M", help="Number of linear layers; this version has 1.")]
Dim = Annotated[int | None, typer.Option(metavar="D", help="Feature dimension; default: the number of classes.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 3 when something is left undecided.")]
Folders = Annotated[list[Path] | None, typer.Option("--path", metavar="FOLDER", help="Folder with more claim files.")]


def with_example(app: typer.Typer, name: str, example: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a command whose ``--help`` ends with an example.

    Examples
    --------
    >>> @with_example(typer.Typer(), "list", "verify list")
    ... def listing() -> None: ...
    """
    return app.command(name, epilog=f"Example: {example}", no_args_is_help=False)


def problem_of(options: dict[str, Any], *, weights_required: bool = True) -> Problem:
    """Build the problem that the options of a command describe.

    Parameters
    ----------
    options : values by parameter name, as the command received them.
    weights_required : whether weight decays must be given; otherwise 1 stands for what is missing.

    Raises
    ------
    InputError
        Naming the option and the rule.

    Examples
    --------
    >>> problem_of({"model": "ce", "counts": "9x2,4", "lam": "1/100", "bias": "free"}).K
    3
    """
    if options["model"] not in MODELS:
        raise InputError(f"model {options['model'][:40]!r} is not in this version, which has {', '.join(MODELS)}")
    if options.get("depth", 1) != 1:
        raise InputError(f"--depth {options['depth']}: this version has one linear layer only, --depth 1")
    counts = _counts(options.get("counts"), options.get("profile"))
    K = sum(repeat for _, repeat in counts)
    lambda_w, lambda_h = _decays(options, weights_required)
    factors, dim = options.get("class_weights"), options.get("dim")
    from theory.problem import Problem

    try:
        return Problem.ce(
            counts,
            lambda_w,
            lambda_h,
            _bias(options.get("bias", "none")),
            parse_weights(factors, K) if factors is not None else None,
            dim,
            options["model"],
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from None


def _counts(counts: str | None, profile: str | None) -> list[tuple[int, int]]:
    if (counts is None) == (profile is None):
        raise InputError("give the class sizes with either --counts or --profile")
    return parse_counts(counts) if counts is not None else parse_profile(profile or "")


def _decays(options: dict[str, Any], required: bool) -> tuple[Any, Any]:
    lam, lambda_w, lambda_h = (options.get(name) for name in ("lam", "lambda_w", "lambda_h"))
    if lam is not None and (lambda_w is not None or lambda_h is not None):
        raise InputError("--lam stands for both weight decays; give it or --lambda-w and --lambda-h, not both")
    if lam is not None:
        return parse_number(lam, "--lam"), parse_number(lam, "--lam")
    if lambda_w is not None and lambda_h is not None:
        return parse_number(lambda_w, "--lambda-w"), parse_number(lambda_h, "--lambda-h")
    missing = [name for name, value in (("--lambda-w", lambda_w), ("--lambda-h", lambda_h)) if value is None]
    if required or len(missing) == 1:
        raise InputError(f"{' and '.join(missing)} must be given (or --lam for both)")
    return 1, 1


def _bias(text: str) -> Any:
    if text in ("none", "free"):
        return text
    try:
        return parse_number(text, "--bias")
    except InputError:
        hint = f"--bias {text[:40]}: write none, free (a bias without penalty), or a penalty above 0"
        raise InputError(hint) from None


def has_weights(options: dict[str, Any]) -> bool:
    """Whether weight decays were given."""
    return any(options.get(name) is not None for name in ("lam", "lambda_w", "lambda_h"))


def console() -> Console:
    """Console for people; a fixed width where the output is not a terminal."""
    from rich.console import Console

    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else 120)


def table(*headers: str) -> Table:
    """Table that folds its cells on a narrow terminal instead of cutting them."""
    from rich.table import Table

    found = Table()
    for header in headers:
        found.add_column(header, overflow="fold")
    return found


class Printer:
    """Progress on standard error, silent unless that is a terminal."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()

    def line(self, text: str) -> None:
        """One finished line."""
        if self.shown:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def print_json(model: BaseModel) -> None:
    """The only thing on standard output under ``--json``."""
    sys.stdout.write(model.model_dump_json() + "\n")


def require_file(path: Path) -> None:
    """Refuse what is not a regular file: devices and pipes have no end.

    Raises
    ------
    InputError
        If there is no such file, or it is something else.
    """
    try:
        if path.is_file():
            return
        reason = "this is not a file" if path.exists() else "there is no such file"
    except (OSError, ValueError) as error:
        reason = f"the file cannot be read ({error})"
    raise InputError(f"{path}: {reason}")


def write_atomically(path: Path, text: str) -> None:
    """Write a file completely or not at all.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written.
    """
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(partial, 0o666 & ~mask)
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path}: the file cannot be written ({reason})") from None
