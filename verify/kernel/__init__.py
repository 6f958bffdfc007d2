"""The certificate checker: a file of integers goes in, proved bounds on a global optimum come out.

Sphere of trust. To believe an outcome, trust Python's integers and fractions, the ball arithmetic of
python-flint, the textbook inequalities named beside each step (Jensen, Gibbs, Pinsker, norm duality, Weyl, Sylvester,
uniqueness of the minimiser of a strictly convex function) and the lines of this package. Nothing else of this project
is imported. The file is not trusted: it offers a dual point, a primal point and statements; every number used is
recomputed from the problem and the integers, and a statement that claims more than follows is rejected.

One module per model, each with ``read(data) -> task`` (the problem and the witness, every exact condition checked;
``task.precisions`` are the bits to try) and ``prove(task, digest) -> Outcome`` at the current precision.
"""

from __future__ import annotations

import hashlib
import json
from importlib import import_module
from typing import Any

from flint import ctx

from .core import MAX_BYTES, MAX_GROUPS, Outcome, Rejected, Undecided, demand, follows, interval, read

__all__ = ["MAX_BYTES", "MAX_GROUPS", "Outcome", "check", "interval", "verify_certificate"]

MODULES = {
    "ce": "ce",
    "ce-deep": "deep",
    "ce-relu": "relu",
    "mse": "mse",
    "uf-svm": "svm",
    "layer-peeled": "peeled",
    "ce-sphere": "sphere",
    "loss": "fenchel_young",
}

REFUTATION = b'"verify.refutation/1"'


def problem_hash(data: dict[str, Any]) -> str:
    """Hash of the problem; the hash in the file must be that of the canonical problem in the file."""
    canonical = {key: data[key] for key in ("model", "counts", "options")}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    demand(data["problem"] == digest, "the certificate is for another problem (hash)")
    return digest


def module_of(data: dict[str, Any]) -> Any:
    """The module of the model; a list of weight decays means several layers, ``loss`` another loss or knobs of it."""
    model, options = data["model"], data["options"]
    demand(isinstance(model, str) and isinstance(options, dict), "not a problem")
    key = "ce-deep" if model == "ce" and isinstance(options.get("lambda_w"), list) else model
    key = "loss" if "loss" in options and key in ("ce", "ce-relu", "layer-peeled") else key
    demand(key in MODULES, "unknown model")
    return import_module(f".{MODULES[key]}", __name__)


def verify_certificate(text: bytes | str) -> Outcome:
    """Check a certificate and return what it proves, as balls.

    Parameters
    ----------
    text : the file, schema ``verify.certificate/1``.

    Returns
    -------
    Outcome
        Never raises on hostile input; the ball context is restored. The balls carry ``precision`` bits: raise
        ``flint.ctx.prec`` before computing with them, or the results get wider (never wrong).

    Examples
    --------
    >>> verify_certificate('{"schema": "something else"}').outcome
    'rejected'
    """
    saved = ctx.prec
    try:
        data = read(text)
        digest, model = problem_hash(data), module_of(data)
        task = model.read(data)
        result = Outcome("undecided", problem=digest)
        for ctx.prec in task.precisions:
            try:
                result = model.prove(task, digest)
                break
            except Undecided as why:
                result.reason = str(why)
        if result.outcome == "bounds":
            proved = {"bounds": interval(result.lower, result.upper), "facts": result.facts}
            for key in proved:
                demand(follows(data[key], proved[key]), f"the file claims more than follows ({key})")
        return result
    except Rejected as why:
        return Outcome("rejected", str(why))
    except Exception as error:  # anything unexpected in the file ends here, RecursionError and MemoryError included
        return Outcome("rejected", f"malformed ({type(error).__name__})")
    finally:
        ctx.prec = saved


def check(text: bytes | str) -> dict[str, Any]:
    """Check a certificate and return ``verify.check/1`` data: outcome, problem, bounds, facts, reason.

    Bounds and the numbers in the facts are decimal strings rounded outward; they hold for the global optimum of
    the problem in (W, H, b), whoever wrote the file.

    Examples
    --------
    >>> check("[" * 100000)["outcome"]
    'rejected'
    """
    if REFUTATION in (text if isinstance(text, bytes) else text.encode(errors="replace")):
        return dict(import_module(".refutation", __name__).check_refutation(text))
    result = verify_certificate(text)
    saved, ctx.prec = ctx.prec, result.precision
    bounds = interval(result.lower, result.upper) if result.outcome == "bounds" else None
    ctx.prec = saved
    return {
        "schema": "verify.check/1",
        "outcome": result.outcome,
        "problem": result.problem or None,
        "bounds": bounds,
        "facts": result.facts,
        "reason": result.reason,
    }
