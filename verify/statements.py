"""What the kernel proves from a certificate, in sentences; where it states nothing, the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any

from verify.digits import scientific, width
from verify.wording import brief, counted, outward

__all__ = ["key_of", "number", "statements"]

Line = tuple[str, str]
Facts = dict[str, Any]

SHOWN = 20
"""Most significant digits of one number, and most lines of one kind."""
MEANING = {
    "bounds": "proved: the global minimum of this problem lies between lower and upper, whoever wrote the file",
    "rejected": "rejected: the file is malformed, belongs to another problem, or claims more than follows from it",
    "refuted": "refuted: the statement below is false at the problems below, whoever wrote the file",
    "undecided": "undecided: the kernel's numbers stay too wide to decide; nothing is proved and nothing is refuted",
}
SUBJECTS = {
    "mse": "the modes and the rank of minimisers",
    "uf-svm": "margins, logits and Gram matrices of minimisers",
    "ce-sphere": "the inner products of minimisers",
}


def statements(answer: dict[str, Any], data: dict[str, Any]) -> Iterator[Line]:
    """Lines (name, sentence) about one checked certificate.

    Parameters
    ----------
    answer : what :func:`verify.kernel.check` returned.
    data : the file; read only where the kernel accepted it as a description of the problem.

    Examples
    --------
    >>> from verify.kernel import check
    >>> list(statements(check("{}"), {}))[1]
    ('reason', 'not a verify.certificate/1 file')
    """
    yield "outcome", MEANING[answer["outcome"]]
    if answer["outcome"] == "refuted":
        from verify.commands.refutations import rows

        yield from rows(answer["refutation"])
        return
    if answer["outcome"] != "bounds":
        yield "reason", answer["reason"] or "none was given"
        return
    bounds, facts = answer["bounds"], answer["facts"] or {}
    yield "problem", _problem(data)
    yield "lower", brief(bounds["lower"])
    yield "upper", brief(bounds["upper"])
    found = width(bounds)
    yield "width", f"{scientific(found)} of the upper bound" if found else "0: both ends are the same number"
    model = key_of(data)
    if facts and model != "ce-deep":
        yield "every minimiser", "what follows holds for every (W, H, b) that attains the minimum"
    yield from FACTS.get(model, _clusters)(facts, bounds)
    if why := _withheld(model, data, facts, answer["reason"]):
        yield "not stated", f"nothing is stated about {SUBJECTS.get(model, 'logits, rank and states')} because {why}"


def key_of(data: dict[str, Any]) -> str:
    """As :attr:`theory.problem.Problem.key`, of the problem of a certificate."""
    options = data["options"]
    if data["model"] == "ce" and isinstance(options.get("lambda_w"), list):
        return "ce-deep"
    return "loss" if "loss" in options else str(data["model"])


def _problem(data: dict[str, Any]) -> str:
    counts = ", ".join(f"{counted(repeat, 'class')} of size {size}" for size, repeat in data["counts"][:SHOWN])
    more = f", ... ({len(data['counts'])} sizes)" if len(data["counts"]) > SHOWN else ""
    options = ", ".join(f"{name} {_option(value)}" for name, value in data["options"].items() if value is not None)
    return f"{data['model']}, {counts}{more}; {options}; SHA-256 {data['problem'][:12]}..."


def _option(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_option, value))
    try:
        return brief(value) if isinstance(value, str) else str(value)
    except ValueError:  # a word
        return str(value)


# --- numbers -------------------------------------------------------------------------------------------------------


def number(interval: dict[str, str] | None, *, least: int | None = None) -> str:
    """An enclosed number: its middle to at most 20 digits and how far the truth can be from what is printed.

    Parameters
    ----------
    interval : decimal strings; None is not known.
    least : the number cannot be smaller (0 for a norm).

    Examples
    --------
    >>> number({"lower": "0.3333333333", "upper": "0.3333333334"})
    '0.33333333335 ± 5.0e-11'
    >>> number({"lower": "0.00", "upper": "-0.00"}), number({"lower": "-0.25", "upper": "-0.25"})
    ('0', '-0.25')
    >>> number({"lower": "-0.001", "upper": "0.002"}, least=0), number({"lower": "-1", "upper": "2"})
    ('between 0 and 0.002', 'between -1 and 2')
    """
    if interval is None:
        return "not known"
    low, high = Fraction(interval["lower"]), Fraction(interval["upper"])
    if least is not None:
        low = max(low, Fraction(least))
    if low == high:
        return _decimal(low, SHOWN)
    if low <= 0 <= high or high - low > abs(high) / 100:
        return f"between {outward(low, ROUND_FLOOR)} and {outward(high, ROUND_CEILING)}"
    text = _decimal((low + high) / 2, SHOWN)
    error = max(high - Fraction(text), Fraction(text) - low)
    return f"{text} ± {scientific(error)}"


def _decimal(value: Fraction, digits: int) -> str:
    """Nearest decimal of that many significant digits."""
    return _plain(Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator)), digits)


def _plain(value: Decimal, digits: int) -> str:
    """Without trailing zeros, and without an exponent where it stays short."""
    short = value.normalize(Context(prec=digits))
    return f"{short:f}" if -6 <= short.adjusted() < digits else f"{short:e}".replace("e+", "e")


# --- facts ---------------------------------------------------------------------------------------------------------


def _rank(facts: Facts, of: str) -> Iterator[Line]:
    if "rank" in facts:
        least, most = facts["rank"]["lower"], facts["rank"]["upper"]
        text = str(least) if least == most else f"at least {least} and at most {most}"
        yield "rank", f"{of} have rank {text}"


def _values(fact: Any) -> list[Any]:
    """The entries of a fact, with or without its ``uses``."""
    return list(fact["values"] if isinstance(fact, dict) else fact)


def _uses(fact: Any) -> str:
    used = fact.get("uses", []) if isinstance(fact, dict) else []
    return f" (by the exact rule {', '.join(used)})" if used else ""


def _clusters(facts: Facts, bounds: dict[str, str]) -> Iterator[Line]:
    """Cross-entropy and the other losses: state and numbers of every cluster of equal classes."""
    yield from _rank(facts, "the mean logits")
    if "contrast" not in facts:
        return
    clusters = facts["clusters"]
    for i, (size, weight, classes) in enumerate(clusters[:SHOWN]):
        name = f"{classes} of {size}" + (f", weight {weight}" if weight != "1" else "")
        yield name, "; ".join(filter(None, (_together(facts, i, classes), _vanish(facts, i, classes))))
        yield from _numbers(facts, i, classes)
    if len(clusters) > SHOWN:
        yield "...", f"{len(clusters)} clusters in all, every one with --json"


def _together(facts: Facts, i: int, classes: int) -> str:
    if classes == 1:
        return ""
    merged = _values(facts["merged"])[i]
    if merged:
        return f"these classes coincide: one mean logit vector, feature and classifier row{_uses(facts['merged'])}"
    if merged is None:
        return "whether these classes coincide is not decided"
    alive = _values(facts["contrast"])[i] == "alive" if "contrast" in facts else True
    why = "own logit above a sibling's" if alive else f"proved only by the exact rule{_uses(facts['merged'])}"
    return f"these classes stay apart ({why})"


def _vanish(facts: Facts, i: int, classes: int) -> str:
    zero = _values(facts["zero"])[i]
    its = "its features" if classes == 1 else "their features"
    if zero is None:
        return f"whether {its} vanish is not decided"
    return f"{its} vanish" + _uses(facts["zero"]) if zero else f"{its} do not vanish"


def _numbers(facts: Facts, i: int, classes: int) -> Iterator[Line]:
    """Logits of a class, its own probability, its bias."""
    logits = facts.get("logits")
    if isinstance(logits, dict) and "own" in logits:
        own = f"own {number(logits['own'][i])}"
        sibling = logits["sibling"][i] if classes > 1 else None
        yield "  logits", own + (f", of a sibling {number(sibling)}" if sibling else "")
    probabilities = facts.get("log_probabilities")
    if isinstance(probabilities, dict) and "own" in probabilities:
        yield "  log-probability", f"of the own class {number(probabilities['own'][i])}"
    bias = _values(facts["bias"])[i] if "bias" in facts else None
    if bias is not None and (Fraction(bias["lower"]) or Fraction(bias["upper"])):
        yield "  bias", number(bias)


def _modes(facts: Facts, bounds: dict[str, str]) -> Iterator[Line]:
    """Squared loss: one line per mode of the labels."""
    yield from _rank(facts, "the mean logits")
    modes = _values(facts["modes"]) if "modes" in facts else []
    words = {
        "alive": "alive: fitted up to the factor {}",
        "dead": "dead: absent from every minimiser",
        "tie": "exactly at its threshold: some minimisers have it, others do not (factor {})",
        None: "not decided whether it is there (factor {})",
    }
    for mode in modes[:SHOWN]:
        copies = f", {mode['copies']} times" if mode["copies"] > 1 else ""
        left = f"; the widths leave room for {mode['kept']}" if mode["kept"] < mode["copies"] else ""
        text = words[mode["state"]].format(number(mode["p"], least=0))
        yield f"mode mu = {_short(mode['mu'])}{copies}", text + left
    if modes:
        yield "modes", "mu is the square of a singular value of the labels; each mode is a scalar problem of its own"
    if len(modes) > SHOWN:
        yield "...", f"{len(modes)} modes in all, every one with --json"


def _short(interval: dict[str, str]) -> str:
    return _decimal((Fraction(interval["lower"]) + Fraction(interval["upper"])) / 2, 8)


def _margins(facts: Facts, bounds: dict[str, str]) -> Iterator[Line]:
    """Max-margin: how far any margin can be above 1, norms, spread."""
    yield from _rank(facts, "the mean logits")
    if "margins" not in facts:
        return
    groups, table = facts["groups"], facts["margins"]["others"]
    ends = [
        Fraction(table[h][g]["upper"])
        for h in range(len(groups))
        for g in range(len(groups))
        if (h != g or groups[g][1] > 1) and table[h][g] is not None
    ]
    if ends:
        excess = max(ends) - 1
        text = f"between 1 and 1 + {scientific(excess)}" if excess else "exactly 1"
        yield "margins", f"every margin is {text}: no constraint is slack by more"
    for i, (size, classes) in enumerate(groups[:SHOWN]):
        norms = (("classifier row", facts["classifier"]), ("mean feature", facts["features"]))
        text = ", ".join(f"squared norm of its {name} {number(part['own'][i])}" for name, part in norms)
        yield f"{classes} of {size}", f"a class: {text}"
    if "spread" in facts:
        yield "spread", f"root of the summed squared distances of features to their class means: {_at_most(facts)}"


def _at_most(facts: Facts) -> str:
    return f"at most {scientific(max(Fraction(facts['spread']['upper']), Fraction(0)))}"


def _budget(facts: Facts, bounds: dict[str, str]) -> Iterator[Line]:
    """Norm budgets: states of the groups of equal n_k w_k, and what one more unit of budget is worth."""
    yield from _rank(facts, "the mean logits")
    if "multiplier" in facts:
        what = "how much the minimum falls per unit of the budget K sqrt(E_W E_H), to first order"
        yield "multiplier", f"{what}: {number(facts['multiplier'])}"
    for i, (mass, classes) in enumerate(facts.get("groups", [])[:SHOWN]):
        states = _together(facts, i, classes), _vanish(facts, i, classes)
        yield f"{classes} of n w/N = {mass}", "; ".join(filter(None, states))
        yield from _numbers(facts, i, classes)


def _vectors(facts: Facts, bounds: dict[str, str]) -> Iterator[Line]:
    """Unit vectors: inner products of every minimiser."""
    yield from _rank(facts, "the vectors")
    names = {
        "own": "inner product of the two vectors of one class",
        "other": "inner product of a feature and the classifier vector of another class",
        "gram": "inner product of two vectors of one family",
    }
    for name, text in names.items():
        if name in facts:
            yield name, f"{text}: {number(facts[name]['value'])}"
    norms = {"mean_norm": "norm of the mean of a family", "distance": "distance of the two vectors of one class"}
    for name, text in norms.items():
        if name in facts:
            yield name.replace("_", " "), f"{text}: {number(facts[name]['value'], least=0)}"


def _frame(facts: Facts, bounds: dict[str, str]) -> Iterator[Line]:
    """Several layers: zero, and the best simplex frame against the bounds."""
    if (facts.get("zero_only") or {}).get("value"):
        yield "zero", "W = H = 0 is the only minimiser"
    frame = facts.get("frame")
    if not frame:
        return
    value = frame["value"]
    yield "best frame", f"the best point whose mean logits are a simplex frame costs {number(value)}"
    if Fraction(value["lower"]) > Fraction(bounds["upper"]):
        margin = outward(Fraction(value["lower"]) - Fraction(bounds["upper"]), ROUND_FLOOR)
        yield "frames", f"NOT optimal: the file holds a point that costs less than any of them, by at least {margin}"
    elif not frame["alive"]:
        yield "frames", "no frame beats the point 0"
    elif Fraction(value["upper"]) <= Fraction(bounds["lower"]) + (Fraction(value["upper"]) - Fraction(value["lower"])):
        yield "frames", "the best one attains the minimum, as far as the bounds tell"
    else:
        yield "frames", "not excluded: the best one lies between the bounds, which do not meet"


FACTS: dict[str, Callable[[Facts, dict[str, str]], Iterator[Line]]] = {
    "mse": _modes,
    "uf-svm": _margins,
    "layer-peeled": _budget,
    "ce-sphere": _vectors,
    "ce-deep": _frame,
}


def _withheld(model: str, data: dict[str, Any], facts: Facts, reason: str) -> str:
    """Why facts are missing; empty where none is."""
    if model == "ce-deep":
        settled = (facts.get("zero_only") or {}).get("value")
        return "" if settled else "a gap between the bounds decides nothing about minimisers of several layers"
    if facts:
        return ""
    if reason:
        return reason.removeprefix("no facts: ")
    n: Sequence[Any] = data["counts"]
    if model == "ce-sphere":
        classes = sum(repeat for _, repeat in n)
        return f"the dimension {data['options'].get('dim')} is below n - 1 = {classes - 1}: there are bounds only"
    return "the bounds are too far apart for facts"
