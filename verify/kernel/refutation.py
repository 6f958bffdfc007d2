"""Refutations: a statement that is false at every global minimiser of the problems of some certificates.

``certificates`` are ordinary ones, ``given`` lists conditions that must be proved, ``says`` is the statement that must
be contradicted. Each is [left, relation, right], the relation = <= < >= > between numbers or ``is`` for a state. Terms:
    2, "1/3", {"lower": "0", "upper": "1"}   an exact number; any number between two
    "/0/facts/rank", "/0/bounds"             what certificate 0 was proved to say about every minimiser (an interval
                                             stands for its numbers), or "/0/counts/0/0" of its problem
    ["+", a, b, ...]                         + * of any number of terms; - / of two; log exp sqrt of one
    {"largest-root": 0, "brackets": ...}, {"coded-margin": 0, "factor": "1"}
                                             least value of any point with this structure, computed here
Terms are balls. Disjoint balls contradict =, balls in the wrong order contradict <=.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from math import prod
from typing import Any

from flint import arb, ctx

from .core import Rejected, Undecided, ball, demand, follows, interval, positive, rational, read, read_array

SCHEMA = "verify.refutation/1"
TOLD, PROBLEM = ("claim", "because", "given", "says"), ("problem", "model", "counts", "options")
MAX_CERTIFICATES, MAX_TERMS, MAX_TEXT, MAX_EXP, PRECISIONS = 8, 5000, 4000, 10_000, (256, 1024, 4096)
Ball = Any


class Proved:
    """Problems and facts of the certificates; counts the terms evaluated and the claims that the facts rely on."""

    def __init__(self, parts: list[dict[str, Any]]) -> None:
        self.parts, self.left, self.uses = parts, MAX_TERMS, set[str]()

    def at(self, pointer: str) -> Any:
        """What a pointer (RFC 6901) names."""
        value: Any = self.parts
        for key in (keys := pointer.split("/")[1:]):
            if isinstance(value, list):
                demand(key.isascii() and key.isdigit() and len(key) < 7 and int(key) < len(value), "no such entry")
            else:
                demand(isinstance(value, dict) and key in value, f"{key[:40]!r} is not among what was proved")
            value = value[int(key) if isinstance(value, list) else key]
            self.uses |= set(value.get("uses") or ()) if isinstance(value, dict) else set()
        demand(keys[-1] not in ("lower", "upper"), "an end of an interval is not a fact")
        if value is None:
            raise Undecided(f"{pointer[:80]} is open: the certificate does not decide it")
        return value

    def evaluate(self, term: Any) -> Ball:
        """Ball that holds the value of a term."""
        self.left -= 1
        demand(self.left >= 0, "too many terms")
        if isinstance(term, str) and term.startswith("/"):
            term = self.at(term)
            demand(not isinstance(term, list), "an array is not a number")
        if isinstance(term, list):
            demand(bool(term) and isinstance(term[0], str) and term[0] in OPERATIONS, "unknown operation")
            return OPERATIONS[term[0]](*(self.evaluate(part) for part in term[1:]))
        if isinstance(term, dict) and {"lower", "upper"} <= set(term):
            low, high = self.ends(term)
            return low.union(high)
        if isinstance(term, dict):
            (name,) = set(term) & set(STRUCTURES)
            demand(type(term[name]) is int and 0 <= term[name] < len(self.parts), "no such certificate")
            return STRUCTURES[name](self.parts[term[name]], term)
        return ball(exact(term))

    def ends(self, term: Any) -> tuple[Ball, Ball]:
        """Lower and upper end of a term; a fact keeps its own, which a wide ball would round."""
        fact = self.at(term) if isinstance(term, str) and term.startswith("/") else term
        if isinstance(fact, dict) and {"lower", "upper"} <= set(fact):
            low, high = exact(fact["lower"]), exact(fact["upper"])
            demand(low <= high, "an interval is empty")
            return ball(low), ball(high)
        value = self.evaluate(term)
        return value.lower(), value.upper()


def exact(number: Any) -> Fraction:
    """Rational number of an integer or a string."""
    return Fraction(number) if type(number) is int else rational(number)


def exponential(x: Ball) -> Ball:
    """exp(x), for results that can be printed."""
    demand(bool(abs(x) < MAX_EXP), "the argument of exp is too large")
    return x.exp()


OPERATIONS: dict[str, Callable[..., Ball]] = {  # nan, for which no comparison holds, where one is not defined
    "+": lambda *x: sum(x, arb(0)),
    "*": lambda *x: reduce(lambda a, b: a * b, x, arb(1)),
    "-": lambda a, b: a - b,
    "/": lambda a, b: a / b,
    "log": lambda x: x.log(),
    "exp": exponential,
    "sqrt": lambda x: x.sqrt(),
}


# --- structures: the least value of any point that looks as a claim says -----------------------------------------


def largest_root(problem: dict[str, Any], term: dict[str, Any]) -> Ball:
    """Squared loss, M >= 2 layers: Z diagonal with the largest root p of every class whose equation has one, else 0.

    The equation is p^(M-1) (1-p)^(M+1) n^M = N^(M+1) Lam. The left side rises up to p = (M-1)/(2M), then it falls
    and so is larger than the right side between two roots only: a change to smaller is the largest root. The penalties
    at singular values p sqrt(n) are at least (L/2) Lam^(1/L) sum (p sqrt(n))^(2/L) (Horn and means, L = M + 1); with
    the loss, at roots, that is sum n (1-p) (1+Mp)/(2N).
    """
    options, sizes = problem["options"], [(rational(n), m) for n, m in problem["counts"]]
    demand(problem["model"] == "mse" and options["bias"] == "none", "the recipe is for mse without a bias")
    M, K, N = len(options["lambda_w"]), sum(m for _, m in sizes), sum(n * m for n, m in sizes)
    demand(M >= 2 and min(options["widths"]) >= K, "the recipe is for several layers without a bottleneck")
    cost = N ** (M + 1) * prod(rational(decay) for decay in (*options["lambda_w"], options["lambda_h"]))
    P, brackets = read_array(term["brackets"], len(sizes), 2)
    value = arb(0)
    for (n, m), (a, b) in zip(sizes, brackets, strict=True):
        ends = (arb((a, -P)), arb((b, -P))) if a or b else (ball(Fraction(M - 1, 2 * M)),)
        above = [positive(power(p, M - 1) * power(1 - p, M + 1) - ball(cost / n**M)) for p in ends]
        demand(above in ([True, False], [False]), "no change of sign in a bracket, or a class left out that has a root")
        demand(0 <= a <= b, "not a bracket")
        p = arb((a, -P)).union(arb((b, -P)))
        value += ball(m * n) * (1 - p) * (1 + M * p)
    return value / ball(2 * N)


def power(x: Ball, exponent: int) -> Ball:
    """Product of equal factors (x**2 of a ball around 0 can be nan)."""
    return reduce(lambda a, b: a * b, [x] * exponent, arb(1))


def coded_margin(problem: dict[str, Any], term: dict[str, Any]) -> Ball:
    """Features >= 0: z_k = M_k (e_k - 1/K) with M_k = log((K-1) (sqrt(n K/(K-1))/(N factor lambda_w) - 1)).

    With G_k = lam (e_k - 1/K)/sqrt((K-1)/K), |G_k| = lam and <G_k, G_l> < 0 for k != l: the penalties are at least
    sum_k sqrt(n_k) <G_k, z_k> = lam sqrt((K-1)/K) sum_k sqrt(n_k) M_k (copositivity, as for the bound of ce-relu).
    """
    options, sizes = problem["options"], [(rational(n), m) for n, m in problem["counts"]]
    demand(problem["model"] == "ce-relu" and "loss" not in options, "the coded margin is for ce-relu")
    demand(options["bias"] == "none" and options["class_weights"] is None, "the coded margin knows no bias or weights")
    K, N, value = sum(m for _, m in sizes), sum(n * m for n, m in sizes), arb(0)
    demand(options["dim"] >= K, "features of fewer dimensions than classes do not reach the coded margins")
    lambda_w, factor = rational(options["lambda_w"]), rational(term["factor"])
    lam2, coded = lambda_w * rational(options["lambda_h"]), lambda_w * factor
    for n, m in sizes:
        margin = ((K - 1) * (ball(n * K / (K - 1)).sqrt() / ball(N * coded) - 1)).log()
        demand(positive(margin), "a coded margin is not positive: its price is not a penalty")
        loss, price = ball(n / N) * ((K - 1) * (-margin).exp()).log1p(), ball(lam2 * n * (K - 1) / K).sqrt() * margin
        value += m * (loss + price)
    return value


STRUCTURES = {"largest-root": largest_root, "coded-margin": coded_margin}


# --- the proof -----------------------------------------------------------------------------------------------------


def decide(statement: Any, proved: Proved) -> tuple[bool, dict[str, Any]]:
    """Whether a statement holds at every minimiser (or fails at every one), with both sides and their distance."""
    demand(isinstance(statement, list) and len(statement) == 3, "a statement is [left, relation, right]")
    left, relation, right = statement
    if relation == "is":
        demand(isinstance(right, bool) or (isinstance(right, str) and right.isalpha()), "not a state")
        demand(isinstance(left, str) and left.startswith("/"), "not a pointer")
        state = proved.at(left)
        demand(type(state) is type(right), "a state is compared with something else")
        return state == right, {"claimed": right, "found": state, "margin": None}
    a, b = proved.ends(left), proved.ends(right)
    below, above = a[1] < b[0], a[0] > b[1]
    at_most, at_least = a[1] <= b[0], a[0] >= b[1]
    known = {"<=": (at_most, above), "<": (below, at_least), ">=": (at_least, below), ">": (above, at_most)}
    known["="] = (at_most and at_least, below or above)
    demand(isinstance(relation, str) and relation in known, "unknown relation")
    if not any(known[relation]):
        raise Undecided("the two sides are not apart: the certificates do not decide the statement")
    margin = (a[0] - b[1], a[1] - b[0]) if at_least else (b[0] - a[1], b[1] - a[0])
    sides = {"claimed": a, "found": b, "margin": margin}
    return bool(known[relation][0]), {name: stated(*pair) for name, pair in sides.items()}


def stated(low: Ball, high: Ball) -> dict[str, str]:
    """Interval from one ball to another, each end to the digits of the precision."""
    lower, upper = interval(low.lower(), low.lower()), interval(high.upper(), high.upper())
    if lower is None or upper is None:
        raise Undecided("an end is not finite")
    return {"lower": lower["lower"], "upper": upper["upper"]}


def refute(data: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Prove every condition and contradict the statement, at the current precision."""
    proved = Proved(parts)
    for number, statement in enumerate(data["given"]):
        demand(decide(statement, proved)[0], f"condition {number} does not hold")
    holds, shown = decide(data["says"], proved)
    demand(not holds, "the statement holds: it is not refuted")
    demand(follows(data["shows"], shown), "the file claims more than follows (shows)")
    problems = [{key: part[key] for key in PROBLEM} for part in parts]
    return {key: data[key] for key in TOLD} | shown | {"uses": sorted(proved.uses), "problems": problems}


def prove(data: dict[str, Any]) -> dict[str, Any]:
    """Check the certificates one by one, then the statement at rising precision."""
    from . import verify_certificate

    demand(set(data) == {*TOLD, "schema", "certificates", "shows"}, "not the parts of a refutation")
    demand(all(isinstance(data[k], str) and len(data[k]) <= MAX_TEXT for k in TOLD[:2]), "not a text")
    demand(isinstance(data["certificates"], list) and isinstance(data["given"], list), "not a list")
    demand(len(data["certificates"]) <= MAX_CERTIFICATES and len(data["given"]) <= MAX_TERMS, "too many parts")
    parts = []
    for number, certificate in enumerate(data["certificates"]):
        found = verify_certificate(json.dumps(certificate))
        demand(found.outcome != "rejected", f"certificate {number}: {found.reason}")
        if found.outcome != "bounds":
            raise Undecided(f"certificate {number}: {found.reason}")
        ctx.prec = found.precision
        bounds = stated(found.lower, found.upper)
        parts.append({key: certificate[key] for key in PROBLEM} | {"bounds": bounds, "facts": found.facts})
    for ctx.prec in PRECISIONS:
        try:
            return refute(data, parts)
        except Undecided as why:
            reason = why
    raise reason


def check_refutation(text: bytes | str) -> dict[str, Any]:
    """Check a refutation and return ``verify.check/1`` data; never raises on hostile input.

    Examples
    --------
    >>> check_refutation('{"schema": "verify.certificate/1"}')["outcome"]
    'rejected'
    """
    saved, outcome, reason, shown = ctx.prec, "refuted", "", None
    try:
        shown = prove(read(text, SCHEMA))
    except Undecided as why:
        outcome, reason = "undecided", str(why)
    except Rejected as why:
        outcome, reason = "rejected", str(why)
    except Exception as error:  # anything unexpected in the file ends here, RecursionError and MemoryError included
        outcome, reason = "rejected", f"malformed ({type(error).__name__})"
    finally:
        ctx.prec = saved
    problem = shown["problems"][0]["problem"] if shown and shown["problems"] else None
    found: dict[str, Any] = {"outcome": outcome, "problem": problem, "bounds": None, "facts": {}}
    return {"schema": "verify.check/1", **found, "reason": reason, "refutation": shown}
