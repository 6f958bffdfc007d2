"""The certificate checker: a file of integers goes in, proved bounds on a global optimum come out.

Sphere of trust: Python's integers and fractions, the ball arithmetic of python-flint, the textbook inequalities named
beside each step (Jensen, Gibbs, Pinsker, norm duality, Weyl, Sylvester, ...) and the lines read: this file, core.py,
the module of the model and what it imports. The file is not trusted: it offers a dual point, a primal point and
statements. Every number used is recomputed from the problem and the integers; a statement that claims more than follows
is rejected. A model has ``read(data) -> task`` (all exact conditions) and ``prove(task, digest) -> Outcome``.
"""

import hashlib
import json
from importlib import import_module
from typing import Any

from flint import ctx

from .core import MAX_BYTES, MAX_GROUPS, Outcome, Rejected, Undecided, demand, follows, interval, read

__all__ = ["MAX_BYTES", "MAX_GROUPS", "Outcome", "check", "interval", "verify_certificate"]

MODULES = {"ce": "ce", "ce-deep": "deep", "ce-relu": "relu", "mse": "mse", "uf-svm": "svm"}
MODULES |= {"layer-peeled": "peeled", "ce-sphere": "sphere", "loss": "fenchel_young"}


def module_of(data: dict[str, Any]) -> tuple[str, Any]:
    """Hash of the canonical problem, which must be the one in the file, and the module of the model."""
    text = json.dumps({key: data[key] for key in ("model", "counts", "options")}, sort_keys=True, separators=(",", ":"))
    digest, key, options = hashlib.sha256(text.encode()).hexdigest(), data["model"], data["options"]
    demand(data["problem"] == digest, "the certificate is for another problem (hash)")
    demand(isinstance(key, str) and isinstance(options, dict), "not a problem")
    if "loss" in options and key in ("ce", "ce-relu", "layer-peeled"):  # another loss, or knobs of it
        key = "loss"
    elif key == "ce" and isinstance(options.get("lambda_w"), list):  # several layers
        key = "ce-deep"
    demand(key in MODULES, "unknown model")
    return digest, import_module(f".{MODULES[key]}", __name__)


def verify_certificate(text: bytes | str) -> Outcome:
    """Check a certificate (text of schema ``verify.certificate/1``) and return what it proves, as balls.

    Never raises on hostile input; the ball context is restored. The balls carry ``precision`` bits: raise
    ``flint.ctx.prec`` before computing with them, or the results get wider (never wrong).

    >>> verify_certificate('{"schema": "something else"}').outcome
    'rejected'
    """
    with ctx.workprec(ctx.prec):
        try:
            data = read(text)
            digest, model = module_of(data)
            task, result = model.read(data), Outcome("undecided", problem=digest)
            for ctx.prec in task.precisions:
                try:
                    result = model.prove(task, digest)
                    break
                except Undecided as why:
                    result.reason = str(why)
            if result.outcome == "bounds":
                proved = {"bounds": interval(result.lower, result.upper), "facts": result.facts}
                demand(follows({key: data[key] for key in proved}, proved), "the file claims more than follows")
            return result
        except Rejected as why:
            return Outcome("rejected", str(why))
        except Exception as error:  # anything unexpected ends here, RecursionError and MemoryError included
            return Outcome("rejected", f"malformed ({type(error).__name__})")


def check(text: bytes | str) -> dict[str, Any]:
    """Check a certificate; ``verify.check/1`` data: outcome, problem, bounds, facts, reason.

    Numbers are decimal strings rounded outward; they hold for the global optimum, whoever wrote the file.

    >>> check("[" * 100000)["outcome"]
    'rejected'
    """
    if b'"verify.refutation/1"' in (text if isinstance(text, bytes) else text.encode(errors="replace")):
        return dict(import_module(".refutation", __name__).check_refutation(text))
    result = verify_certificate(text)
    with ctx.workprec(result.precision):
        bounds = interval(result.lower, result.upper) if result.outcome == "bounds" else None
    found = {"outcome": result.outcome, "problem": result.problem or None, "bounds": bounds}
    return {"schema": "verify.check/1", **found, "facts": result.facts, "reason": result.reason}
