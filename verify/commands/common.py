"""What the commands share: options, a problem from options, printing."""

from __future__ import annotations

import inspect
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from verify.counts import InputError, parse_counts, parse_multipliers, parse_number, parse_profile
from verify.digits import DIGITS, LEAST, MOST

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console
    from rich.table import Table

    from theory.claim import Claim
    from theory.problem import Problem
    from verify.registry import Claims

__all__ = [
    "DIGITS",
    "Digits",
    "Printer",
    "claims_of",
    "console",
    "cores",
    "is_placed",
    "parse_budget",
    "print_json",
    "printable",
    "problem_of",
    "require_file",
    "with_example",
    "with_problem",
    "write_atomically",
]

WEIGHTED = ("lam", "lambda_w", "lambda_h", "bias", "dim")
KNOBS = ("loss", "label_smoothing", "logit_adjustment", "scaling", "loss_temperature")
DECAYS = ("feature_decay", "row_decay")
OPTIONS = {
    "ce": (*WEIGHTED, "class_weights", "depth", *KNOBS, *DECAYS),
    "ce-relu": (*WEIGHTED, "class_weights", *KNOBS, *DECAYS),
    "mse": (*WEIGHTED, "depth", "widths"),
    "uf-svm": ("dim",),
    "layer-peeled": ("ew", "eh", "class_weights", "dim", *KNOBS),
    "ce-sphere": ("dim", "temperature", "families"),
}
"""The models and the options that each has beside --counts and --profile."""

LONGEST = 30 * 24 * 3600
"""Seconds of the longest budget."""
DEEPEST = 100
PROVED_DEPTH = {"ce": 32, "mse": 64}
"""Most layers that the kernel takes; thresholds need no kernel."""
WIDEST = 100_000

Model = Annotated[str, typer.Argument(metavar="MODEL", help=f"The model: {', '.join(OPTIONS)}.")]
Counts = Annotated[
    str | None, typer.Option(metavar="500x5,100x5", help="Class sizes: COUNTxREPEAT, @file.json or @file.csv.")
]
Profile = Annotated[
    str | None, typer.Option(metavar="exp:5000:50:100", help="Class sizes of a profile: exp or step, n_max:n_min:K.")
]
LambdaW = Annotated[
    str | None,
    typer.Option(metavar="X", help="Weight decay of W, an exact number such as 1/300; a list W_M,...,W_1 for mse."),
]
LambdaH = Annotated[str | None, typer.Option(metavar="X", help="Weight decay of H.")]
Lam = Annotated[str | None, typer.Option(metavar="X", help="The same weight decay for H and every layer of W.")]
Bias = Annotated[
    str | None,
    typer.Option(metavar="none|free|X", help="Bias: none (default), free, or its penalty lambda_b > 0."),
]
ClassWeights = Annotated[
    str | None,
    typer.Option(
        metavar="1x5,5x5|inverse|sqrt-inverse|effective:B",
        help="Loss weights: WEIGHTxREPEAT in class order, or by class size (mean 1 over the samples).",
    ),
]
Loss = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[:X]",
        help="Loss of ce, ce-relu, layer-peeled: ce, squared, sparsemax, ovr, focal:G, poly1:E, margin:M, ldam:C, "
        "hinge, ovr-exp, ovr-squared-hinge, or one of a file in ./losses.",
    ),
]
LabelSmoothing = Annotated[str | None, typer.Option(metavar="EPS", help="Targets (1 - EPS) e_k + EPS/K, EPS below 1.")]
LogitAdjustment = Annotated[
    str | None, typer.Option(metavar="TAU", help="Add TAU log(n_j/N) to the logits in training; 1: balanced softmax.")
]
Scaling = Annotated[
    str | None, typer.Option(metavar="G", help="Multiply logit j by (n_j/n_max)^G in training (CDT, vector scaling).")
]
LossTemperature = Annotated[str | None, typer.Option(metavar="T", help="Divide the logits by T in training.")]
FeatureDecay = Annotated[
    str | None, typer.Option(metavar="1x5,2x5|inverse", help="Multipliers of lambda_h per class, as the class weights.")
]
RowDecay = Annotated[
    str | None, typer.Option(metavar="1x5,2x5|inverse", help="Multipliers of lambda_w per row of W, as the weights.")
]
Depth = Annotated[int | None, typer.Option(metavar="M", help="Number of linear layers (ce, mse); default 1.")]
Dim = Annotated[
    int | None, typer.Option(metavar="D", help="Feature dimension; default: the number of classes (ce-sphere: n - 1).")
]
Widths = Annotated[
    str | None, typer.Option(metavar="d_M,...,d_1", help="Width of the input of every layer, last layer first (mse).")
]
Ew = Annotated[
    str | None, typer.Option("--ew", metavar="X", help="Budget of |W|^2 per class (layer-peeled), default 1.")
]
Eh = Annotated[
    str | None, typer.Option("--eh", metavar="X", help="Budget of |H|^2 per class (layer-peeled); default 1.")
]
Temperature = Annotated[str | None, typer.Option(metavar="A", help="Inverse temperature (ce-sphere); default 1.")]
Families = Annotated[
    int | None, typer.Option(metavar="1|2", help="Families of unit vectors, 1 for u = v (ce-sphere); default 2.")
]
Digits = Annotated[
    int,
    typer.Option(
        "--digits",
        min=LEAST,
        max=MOST,
        help="Digits to prove: a relative width of about 10^-N; where that cannot be met the width reached is said.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 3 when something is left undecided.")]
Folders = Annotated[list[Path] | None, typer.Option("--path", metavar="FOLDER", help="Folder with more claim files.")]


def _describe(
    model: Model,
    counts: Counts = None,
    profile: Profile = None,
    lambda_w: LambdaW = None,
    lambda_h: LambdaH = None,
    lam: Lam = None,
    bias: Bias = None,
    class_weights: ClassWeights = None,
    depth: Depth = None,
    dim: Dim = None,
    widths: Widths = None,
    ew: Ew = None,
    eh: Eh = None,
    temperature: Temperature = None,
    families: Families = None,
    loss: Loss = None,
    label_smoothing: LabelSmoothing = None,
    logit_adjustment: LogitAdjustment = None,
    scaling: Scaling = None,
    loss_temperature: LossTemperature = None,
    feature_decay: FeatureDecay = None,
    row_decay: RowDecay = None,
) -> None:
    """The options that describe one problem; see :func:`with_problem`."""


def with_problem(command: Callable[..., None], *, required: bool = True) -> Callable[..., None]:
    """Give a command the options that describe a problem; it receives them first, as one dictionary.

    Unless ``required`` the model may be left out, which is then None.

    Examples
    --------
    >>> def listing(given: dict[str, Any], json: Json = False) -> None: ...
    >>> list(inspect.signature(with_problem(listing)).parameters)[-2:]
    ['row_decay', 'json']
    """
    shared = inspect.signature(_describe).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    def wrapper(**values: Any) -> None:
        command({name: values.pop(name) for name in shared}, **values)

    hints = {**get_type_hints(_describe, include_extras=True), **get_type_hints(command, include_extras=True)}
    parameters = [p.replace(annotation=hints[p.name], kind=p.KEYWORD_ONLY) for p in [*shared.values(), *own]]
    if not required:
        parameters[0] = parameters[0].replace(default=None)
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: hints[p.name] for p in parameters}
    wrapper.__doc__ = command.__doc__
    return wrapper


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
    model = options["model"]
    if model is None:
        raise InputError(f"a MODEL is needed, one of {', '.join(OPTIONS)}")
    if model not in OPTIONS:
        raise InputError(f"model {model[:40]!r} is not in this version, which has {', '.join(OPTIONS)}")
    given = {name: value for name, value in options.items() if value is not None}
    foreign = [name for name in given if name not in ("model", "counts", "profile", *OPTIONS[model])]
    if foreign:
        raise InputError(_foreign(foreign[0], model))
    try:
        counts = _counts(given.get("counts"), given.get("profile"))
        return _with_loss(_build(model, counts, given, weights_required), counts, given)
    except ValueError as error:
        raise InputError(_as_option(str(error), model)) from None


def _foreign(name: str, model: str) -> str:
    """An option that another model has."""
    others = [other for other in OPTIONS if name in OPTIONS[other]]
    verb = "has" if len(others) == 1 else "have"
    return f"{_option(name)}: model {model} has no such option; {', '.join(others)} {verb}"


def _option(name: str) -> str:
    return f"--{name.replace('_', '-').replace(' ', '-')}"


NAMES = {"smoothing": "label_smoothing", "adjustment": "logit_adjustment", "e_w": "ew", "e_h": "eh"}
"""Parameters of a problem that have another name on the command line."""


def _as_option(message: str, model: str) -> str:
    """A sentence about a parameter of a problem, under the name that it has on the command line."""
    name, _, rest = message.partition(":")
    known = NAMES.get(name, name.replace(" ", "_").replace("-", "_"))
    return f"{_option(known)}:{rest}" if known in (*OPTIONS[model], "counts", "profile") else message


def _build(model: str, counts: list[tuple[int, int]], given: dict[str, Any], weights_required: bool) -> Problem:
    from theory.problem import Problem

    dim = given.get("dim")
    if dim is not None and dim > WIDEST:
        raise InputError(f"--dim {dim}: at most {WIDEST}")
    factors = given.get("class_weights")
    K = sum(repeat for _, repeat in counts)
    zero = model == "layer-peeled"  # the model of an infinite ratio
    weights = None if factors is None else parse_multipliers(factors, counts, "class-weights", zero)
    match model:
        case "uf-svm":
            if dim == 1 and K > 2:
                raise InputError(f"--dim 1: no point separates {K} classes, for three or more it takes two dimensions")
            return Problem.svm(counts, dim)
        case "layer-peeled":
            e_w, e_h = (parse_number(given.get(name, "1"), f"--{name}") for name in ("ew", "eh"))
            return Problem.peeled(counts, e_w, e_h, weights, dim)
        case "ce-sphere":
            if any(size != 1 for size, _ in counts):
                raise InputError("--counts: model ce-sphere has one vector per class, for example --counts 1x5")
            temperature = parse_number(given.get("temperature", "1"), "--temperature")
            return Problem.sphere(K, dim, temperature, given.get("families", 2))
    depth = _depth(given, PROVED_DEPTH.get(model, 1) if weights_required else DEEPEST)
    lambda_w, lambda_h = _decays(given, depth, weights_required)
    bias = _bias(given.get("bias", "none"))
    if model == "mse":
        widths = _widths(given, depth)
        return Problem.mse(counts, lambda_w, lambda_h, bias, dim, widths)
    return Problem.ce(counts, lambda_w if depth > 1 else lambda_w[0], lambda_h, bias, weights, dim, model)


def _with_loss(problem: Problem, counts: list[tuple[int, int]], given: dict[str, Any]) -> Problem:
    """The problem with the loss and knobs that are given; for a loss not shipped the files in ./losses are loaded."""
    asked = [name for name in (*KNOBS, *DECAYS) if name in given]
    if not asked:
        return problem
    if problem.deeper:
        raise InputError(f"{_option(asked[0])}: only at depth 1")
    spec = given.get("loss", "ce")
    from theory import losses

    if spec.partition(":")[0] not in losses.NAMES:
        from verify.registry import load_losses

        load_losses()
    numbers = {
        target: parse_number(given[name], f"--{name.replace('_', '-')}", zero=name != "loss_temperature")
        for name, target in zip(KNOBS[1:], ("smoothing", "adjustment", "scaling", "loss_temperature"), strict=True)
        if name in given
    }
    decays = {
        name: parse_multipliers(given[name], counts, f"--{name.replace('_', '-')}") for name in DECAYS if name in given
    }
    return problem.with_loss(spec, **numbers, **decays)  # type: ignore[arg-type]


def _depth(given: dict[str, Any], most: int) -> int:
    depth = int(given.get("depth", 1))
    if not 1 <= depth <= most:
        raise InputError(f"--depth {depth}: a number of layers from 1 to {most}")
    return depth


def _widths(given: dict[str, Any], depth: int) -> list[int] | None:
    if "widths" not in given:
        return None
    if "dim" in given:
        raise InputError("--dim is the width of every layer; give it or --widths, not both")
    items = str(given["widths"]).split(",")
    if not all(item.isascii() and item.isdigit() and len(item) <= 6 and 1 <= int(item) <= WIDEST for item in items):
        raise InputError(f"--widths {given['widths'][:40]}: whole numbers from 1 to {WIDEST}, one per layer, W_M first")
    if len(items) != depth:
        raise InputError(f"--widths: {len(items)} widths for --depth {depth}")
    return [int(item) for item in items]


def _counts(counts: str | None, profile: str | None) -> list[tuple[int, int]]:
    if (counts is None) == (profile is None):
        raise InputError("give the class sizes with either --counts or --profile")
    return parse_counts(counts) if counts is not None else parse_profile(profile or "")


def _decays(given: dict[str, Any], depth: int, required: bool) -> tuple[list[Any], Any]:
    """Weight decays of W_M, ..., W_1, and that of H."""
    lam, lambda_w, lambda_h = (given.get(name) for name in ("lam", "lambda_w", "lambda_h"))
    if lam is not None and (lambda_w is not None or lambda_h is not None):
        raise InputError("--lam stands for all weight decays; give it or --lambda-w and --lambda-h, not both")
    if lam is not None:
        return [parse_number(lam, "--lam")] * depth, parse_number(lam, "--lam")
    if lambda_w is not None and lambda_h is not None:
        layers = [parse_number(item, "--lambda-w") for item in str(lambda_w).split(",")]
        if len(layers) not in (1, depth):
            raise InputError(f"--lambda-w: {len(layers)} numbers for --depth {depth}; give one, or one per layer")
        return layers * (depth if len(layers) == 1 else 1), parse_number(lambda_h, "--lambda-h")
    missing = [name for name, value in (("--lambda-w", lambda_w), ("--lambda-h", lambda_h)) if value is None]
    if required or len(missing) == 1:
        raise InputError(f"{' and '.join(missing)} must be given (or --lam for both)")
    return [1] * depth, 1


def _bias(text: str) -> Any:
    if text in ("none", "free"):
        return text
    try:
        return parse_number(text, "--bias")
    except InputError:
        hint = f"--bias {text[:40]}: write none, free (a bias without penalty), or a penalty above 0"
        raise InputError(hint) from None


def is_placed(given: dict[str, Any]) -> bool:
    """Whether it is known on which side of its thresholds the problem lies: weight decays are given, or not needed."""
    decayed = "lam" in OPTIONS[given["model"]]
    return not decayed or any(given.get(name) is not None for name in ("lam", "lambda_w", "lambda_h"))


def claims_of(paths: list[Path] | None, patterns: list[str] | None = None) -> tuple[Claims, list[Claim]]:
    """Claims, and those that IDs or globs name (all that load, if there are no patterns).

    Where only IDs are given the claims are these, what they rest on and what rests on them. Files that are broken and
    not needed are left out, with one line each on standard error.

    Raises
    ------
    InputError
        If a pattern matches nothing, or a broken file is needed.
    """
    from verify import registry

    named = bool(patterns) and not any(set("*?[") & set(pattern) for pattern in patterns or ())
    claims = registry.load(paths or (), patterns if named else None)
    if named and not claims.keys() >= set(patterns or ()):
        claims = registry.load(paths or ())  # the message names the nearest ID
    chosen = list(claims.values()) if patterns is None else registry.select(claims, patterns)
    for message in claims.broken.values():
        sys.stderr.write(f"verify: left out: {' '.join(message.split())}\n")
    return claims, chosen


def cores() -> int:
    """Cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def parse_budget(text: str) -> float:
    """Seconds from '90s', '10m', '2h' or a plain number of seconds.

    Raises
    ------
    InputError
        If it is something else, or more than 30 days.

    Examples
    --------
    >>> parse_budget("10m")
    600.0
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smh]?)", text.strip(), re.ASCII)
    seconds = float(found[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[found[2]] if found else -1.0
    if not 0 <= seconds <= LONGEST:
        raise InputError(f"--budget {text[:40]}: a time such as 90s, 10m or 2h, at most 30 days")
    return seconds


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


def printable(text: str, most: int = 300) -> str:
    r"""Text from a file for people: no control characters, not longer than ``most``.

    Examples
    --------
    >>> printable("a\x1b[31m"), printable("x" * 20, 10)
    ('a\\x1b[31m', 'xxxxx...xx')
    """
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: 4 * most])
    return line if len(line) <= most else f"{line[: most // 2]}...{line[-most // 5 :]}"


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
