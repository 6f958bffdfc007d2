"""Corrupted certificates of every model: nothing false is accepted, nothing crashes, nothing takes long.

``python tests/test_kernel_campaign.py 10000`` runs a campaign of that many and prints what came out; the nightly
profile runs 10,000, the default one a share of them.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import os
import random
import sys
import time
from collections import Counter
from typing import Any

from test_kernel import JUNK, ends, facts_hold, full_form

from theory.problem import Problem
from verify.kernel import check
from verify.propose import propose
from verify.routes import certify

SECONDS = 5.0
"""No file may take longer (CPU time)."""

TWO = [(120, 4), (25, 3)]
PROBLEMS = (
    Problem.ce([9, (5, 2), 4], "0.0085", bias="free"),
    Problem.ce([(9, 2), 5, (4, 3)], "0.004", "0.03", bias="1/50", weights=[(2, 2), (1, 1), ("1/2", 3)]),
    Problem.ce([(1, 4)], ["0.02"] * 3, "0.02"),
    Problem.ce([(4, 1), (1, 2)], ["0.02", "0.03"], "0.01", bias="1/10", widths=[3, 2]),
    Problem.ce([6, 3, 2], "0.02", "0.03", model="ce-relu"),
    Problem.ce([(9, 2), (4, 3)], "0.1", "0.02", weights=[(3, 2), ("1/2", 3)], model="ce-relu", dim=8),
    Problem.mse([9, (5, 2), 2, 1], ["1/50", "1/60"], "1/30", bias="free"),
    Problem.mse([(9, 2), 4, 1], ["1/100", "1/80"], "1/90", bias="2"),
    Problem.mse([5, 3], ["3/128", "3/128"], 2),
    Problem.svm([6, 3, 2, 1], dim=3),
    Problem.svm([(5, 2), (2, 3)], dim=4),
    Problem.peeled([(3, 3), (2, 2)], 2, "1/2"),
    Problem.peeled([(10, 3), (9, 2), (8, 1)], "1/9", weights=[(1, 5), (0, 1)]),
    Problem.sphere(4, 3, 2),
    Problem.sphere(5, 2, "13/10", families=1),
    Problem.ce([(8, 2), (3, 3)], "0.05").with_loss("ovr", adjustment="1/2"),
    Problem.ce([(8, 2), (3, 2)], "0.05", bias="1/10").with_loss(smoothing="0.1"),
    Problem.peeled([(8, 2), (3, 2)], "1/2", 1, weights=[(1, 2), (2, 2)]).with_loss(smoothing="0.2"),
)


@functools.cache
def sources() -> tuple[tuple[dict[str, Any], dict[str, Any]], ...]:
    """Certificates, and what the kernel proves from each."""
    found = [certify(problem)[0] for problem in PROBLEMS]
    two = propose(Problem.ce(TWO, "0.0085"))
    found += [two, full_form(two)]
    return tuple((data, check(json.dumps(data))) for data in found)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all parts of a file."""
    keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else []
    return [path, *(found for key in keys for found in places(data[key], (*path, key)))]


def corrupt(rng: random.Random, data: dict[str, Any]) -> str:
    """The file with one to three changes; bounds and facts stay as statements or are withdrawn."""
    data = copy.deepcopy(data)
    if rng.random() < 0.7:
        data |= {"bounds": None, "facts": None}
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        _change(rng, data)
    if rng.random() < 0.2:  # another problem, honestly signed
        data["problem"] = _digest(data)
    text = json.dumps(data)
    kind = rng.randrange(20)
    if kind == 0:
        return text[: rng.randrange(len(text))]
    if kind == 1:
        k = rng.randrange(len(text))
        return text[:k] + rng.choice('0123456789-"[]{},:.eE ') + text[k + 1 :]
    if kind == 2:
        return text.replace("[[", "[" * rng.choice([3, 1000, 100_000]), 1)
    return text


def _digest(data: dict[str, Any]) -> Any:
    try:
        problem = {key: data[key] for key in ("model", "counts", "options")}
        return hashlib.sha256(json.dumps(problem, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    except KeyError:
        return None


def scaled(value: Any, factor: int) -> Any:
    """All integers of nested lists times a factor."""
    return (
        [scaled(part, factor) for part in value]
        if isinstance(value, list)
        else factor * value
        if type(value) is int
        else value
    )


def _change(rng: random.Random, data: dict[str, Any]) -> None:
    path = rng.choice(places(data)[1:] or [("schema",)])
    if rng.random() < 0.5 and isinstance(data.get("witness"), dict) and data["witness"]:  # most parts are in the tables
        path = rng.choice([("witness", *path) for path in places(data["witness"])[1:]])
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    key, value = path[-1], place.get(path[-1]) if isinstance(place, dict) else place[path[-1]]
    kind = rng.randrange(8)
    if kind == 0 and isinstance(place, dict):
        del place[key]
    elif kind == 1 and isinstance(place, list) and len(place) > 1:
        other = rng.randrange(len(place))
        place[key], place[other] = place[other], place[key]
    elif kind == 2 and isinstance(place, dict) and len(place) > 1:
        other = rng.choice(sorted(place))
        place[key], place[other] = place[other], value
    elif kind in (3, 4, 5) and isinstance(value, dict) and set(value) == {"p", "rows"}:
        factor = rng.choice([-1, 0, 2, 3])
        shift = rng.choice([-70, -1, 1, 3, 70, 99_000, 10**6])
        if rng.random() < 0.5:
            value["p"] = value["p"] + shift if type(value["p"]) is int else shift
        else:
            value["rows"] = scaled(value["rows"], factor)
    elif kind in (3, 4, 5) and type(value) is int:
        size = rng.randrange(1, 200)
        place[key] = rng.choice([-value, value + 1, value - 1, 2 * value, value << size, value >> size, 10**3990])
    else:
        place[key] = rng.choice(JUNK)


def campaign(count: int, seed: int = 0) -> tuple[Counter[str], float, list[str]]:
    """Outcomes, the longest time of a file, and what went wrong."""
    rng, seen, slowest, wrong = random.Random(seed), Counter[str](), 0.0, []
    for number in range(count):
        data, truth = sources()[number % len(sources())]
        text = corrupt(rng, data)
        start = time.process_time()
        try:
            result = check(text)
        except BaseException as error:
            wrong.append(f"{number}: {type(error).__name__} {error}")
            continue
        slowest = max(slowest, time.process_time() - start)
        seen[result["outcome"]] += 1
        if result["outcome"] == "bounds" and result["problem"] == truth["problem"]:
            (lower, upper), (least, most) = ends(truth["bounds"]), ends(result["bounds"])
            seen["bounds for the problem"] += 1
            if not (least <= upper and most >= lower and _hold(result["facts"], truth["facts"])):
                wrong.append(f"{number}: {text[:200]}")
    return seen, slowest, wrong


def _hold(coarse: Any, fine: Any) -> bool:
    return not coarse or not fine or facts_hold(coarse, fine)


def test_corrupted_certificates_prove_nothing_false() -> None:
    count = 10_000 if os.environ.get("UFMCHECK_PROFILE") == "nightly" else 400
    seen, slowest, wrong = campaign(count)
    assert wrong == []
    assert slowest < SECONDS
    assert seen["rejected"] > count // 3
    assert seen["bounds for the problem"] > count // 20


if __name__ == "__main__":
    begin = time.process_time()
    outcomes, longest, failures = campaign(int(sys.argv[1]), int((sys.argv[2:] or ["0"])[0]))
    print(dict(outcomes), f"slowest file {longest:.2f} s, all {time.process_time() - begin:.0f} s of CPU time")
    print("\n".join(failures) or "nothing false, no crash")
