"""Width, time and size of certificates over models, numbers of classes, digits and regimes.

Run with: python benchmarks/bench_certificates.py [MODEL ...] [--classes 4,10] [--digits 12,40] [--only distinct]

Times are CPU seconds of one core: *propose* finds the optimum, writes the file and lets the kernel prove it once,
*check* is the kernel alone. A row ends with MISS where the relative width is above 10^(2 - digits). The regimes:

=============  =======================================================================================
two            half the classes of 500 samples, half of 100
free, penalty  the same with a bias
ratio          two sizes, one a million times the other
distinct       sizes 5000 to 50, all different; ``distinct-low`` with a weight decay near the last threshold
distinct-tiny  the same with a weight decay of 1e-8 (full rank)
near3, near6   two sizes, a relative 1e-3 or 1e-6 before a threshold; ``past6`` behind it
tie            exactly at a rational threshold
weights        three sizes with loss weights
narrow         fewer dimensions than the optimum needs: bounds, no facts
=============  =======================================================================================
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Annotated

import typer

from theory.problem import Problem
from verify.digits import DIGITS, scientific, shortfall, width
from verify.kernel import check
from verify.optimum import certificate
from verify.thresholds import thresholds

Make = Callable[[int], Problem]
MODELS = ("ce", "uf-svm", "layer-peeled", "mse", "ce-relu", "ce-sphere", "ce-deep")
MOST_DISTINCT = 100


def two(K: int, large: int = 500, small: int = 100) -> list[tuple[int, int]]:
    """Half the classes of either size."""
    return [(large, K - K // 2), (small, K // 2)]


def distinct(K: int) -> list[int]:
    """Sizes falling geometrically from 5000 to 50."""
    return [int(5000 * (50 / 5000) ** (k / (K - 1)) + 1e-9) for k in range(K)]


def beside(problem: Problem, offset: Fraction, which: int = 0) -> Problem:
    """The problem moved to a relative distance from one of its thresholds."""
    found = [t for t in thresholds(problem, digits=60) if t.x2 is not None or t.enclosure is not None]
    t = found[which]
    if t.x2 is not None:
        return problem.at(t.x2[0] * (1 + offset) ** 2)
    assert t.enclosure is not None
    lam = t.enclosure[0] * (1 + offset)
    if problem.model == "mse":
        return Problem.mse(problem.sizes, [lam] * problem.depth, lam, problem.bias)
    classes: list[tuple[int | str | Fraction, int]] = [(lam, problem.runs[0].repeat), (1, problem.runs[1].repeat)]
    return Problem.peeled(classes) if problem.model == "layer-peeled" else Problem.svm(classes)


def regimes(model: str) -> dict[str, Make]:
    """Problem of K classes by regime."""
    near = {"near3": Fraction(-1, 10**3), "near6": Fraction(-1, 10**6), "past6": Fraction(1, 10**6)}

    def around(base: Make, which: int = 0) -> dict[str, Make]:
        return {name: lambda K, o=offset: beside(base(K), o, which) for name, offset in near.items()}  # type: ignore[misc]

    match model:
        case "ce" | "ce-relu":
            return _cross_entropy(model, around)
        case "mse":
            return _squared(around)
        case "uf-svm":
            return {
                "two": lambda K: Problem.svm(two(K)),
                "ratio": lambda K: Problem.svm(two(K, 10**6, 1)),
                "distinct": lambda K: Problem.svm(distinct(K)),
                "tie": lambda K: beside(Problem.svm(two(K)), Fraction(0)),
                "narrow": lambda K: Problem.svm(two(K), K // 2),
            }
        case "layer-peeled":
            return {
                "two": lambda K: Problem.peeled(two(K)),
                "ratio": lambda K: Problem.peeled(two(K, 10**6, 1)),
                "distinct": lambda K: Problem.peeled(distinct(K)),
                "distinct-low": lambda K: Problem.peeled(distinct(K), "1/10", "1/10"),
                "distinct-tiny": lambda K: Problem.peeled(distinct(K), 5, 5),
                "weights": lambda K: Problem.peeled([(9, K - 3), (4, 2), (1, 1)], weights=[(1, K - 3), ("5/2", 3)]),
                "narrow": lambda K: Problem.peeled(two(K), dim=K // 2),
                **around(lambda K: Problem.peeled(two(K))),
            }
        case "ce-sphere":
            return {
                "two families": lambda K: Problem.sphere(K),
                "one family": lambda K: Problem.sphere(K, families=1, temperature=3),
                "polygon": lambda K: Problem.sphere(K, 2, 1, 1),
                "narrow": lambda K: Problem.sphere(K, K // 2),
            }
        case _:
            return {
                "two classes": lambda K: Problem.ce([(7, 2)], ["0.05"] * 2, "0.05"),
                "equal": lambda K: Problem.ce([(7, K)], [Fraction(1, 10 * K)] * 2, Fraction(1, 10 * K)),
            }


def _squared(around: Callable[..., dict[str, Make]]) -> dict[str, Make]:
    lam = Fraction(1, 1000)
    return {
        "two": lambda K: Problem.mse(two(K), [lam / K] * 3, lam / K),
        "free": lambda K: Problem.mse(two(K), [lam / K] * 3, lam / K, "free"),
        "ratio": lambda K: Problem.mse(two(K, 10**6, 1), [lam / K] * 3, lam / K, "free"),
        "distinct": lambda K: Problem.mse(distinct(K), [lam / K] * 3, lam / K, "free"),
        "deep": lambda K: Problem.mse(distinct(K), [lam * 9] * 9, lam * 9, "free"),
        "penalty": lambda K: Problem.mse(two(K), lam / K, lam / K, Fraction(1, 10)),
        "narrow": lambda K: Problem.mse(distinct(K), [lam / K] * 3, lam / K, "free", K // 2),
        "tie": lambda K: beside(Problem.mse(two(K), 1), Fraction(0)),
        **around(lambda K: Problem.mse(two(K), [1, 1], 1)),
    }


def _cross_entropy(model: str, around: Callable[..., dict[str, Make]]) -> dict[str, Make]:
    def make(counts: Callable[[int], object], lam: Callable[[int], Fraction | str], **more: object) -> Make:
        return lambda K: Problem.ce(counts(K), lam(K), model=model, **more)  # type: ignore[arg-type]

    def half(K: int) -> Fraction:
        return Fraction(1, 200 * K)

    base = make(two, half)
    found: dict[str, Make] = {
        "two": base,
        "ratio": make(lambda K: two(K, 10**6, 1), lambda K: Fraction(1, 2 * 10**6 * K)),
        "distinct": make(distinct, lambda K: Fraction(1, 2000 * K)),
        "distinct-low": make(distinct, lambda K: Fraction(3, 100 * K)),
        "distinct-tiny": make(distinct, lambda K: "1e-8"),
        "weights": lambda K: Problem.ce(
            [(9, K - 3), (4, 2), (1, 1)], Fraction(1, 20 * K), weights=[(1, K - 3), ("5/2", 3)], model=model
        ),
        "tie": lambda K: beside(base(K), Fraction(0)),
        "narrow": lambda K: Problem.ce(two(K), half(K), dim=K // 2, model=model),
        **around(base),
    }
    if model == "ce":
        found |= {"free": make(two, half, bias="free"), "penalty": make(two, half, bias=Fraction(1, 10))}
        found |= {"distinct-free": make(distinct, lambda K: Fraction(1, 2000 * K), bias="free")}
        found |= {f"zero-{name}": point for name, point in around(base, 1).items()}
    return found


def rows(model: str, classes: list[int], digits: list[int], only: str) -> Iterator[list[str]]:
    """One row per certificate."""
    for name, make in regimes(model).items():
        for K in classes:
            large = K > MOST_DISTINCT and not name.startswith(("two", "free", "near", "past", "tie", "ratio"))
            if only not in name or large or (model in ("ce-sphere", "ce-deep") and K > MOST_DISTINCT):
                continue
            for wanted in digits:
                yield [model, name, str(K), str(wanted), *_row(make(K), wanted)]


def _row(problem: Problem, digits: int) -> list[str]:
    start = time.process_time()
    try:
        data = certificate(problem, digits)
    except ValueError as why:
        return ["-", f"{time.process_time() - start:.3f}", "-", "-", f"NONE {why}"]
    proposed = time.process_time()
    text = json.dumps(data, separators=(",", ":"))
    answer = check(text)
    checked = time.process_time()
    assert answer["outcome"] == "bounds"
    found = scientific(width(data["bounds"]))
    miss = "MISS " if shortfall(data["bounds"], digits) else ""
    times = [f"{proposed - start:.3f}", f"{checked - proposed:.4f}"]
    return [found, *times, str(len(text)), miss + answer["reason"]]


def main(
    models: Annotated[list[str] | None, typer.Argument()] = None,
    classes: str = "4,10,30,100,1000",
    digits: str = f"12,{DIGITS},100",
    only: str = "",
) -> None:
    """Print the table."""
    print(f"{'model':13}{'regime':15}{'K':>5}{'digits':>7}{'width':>10}{'propose':>9}{'check':>9}{'bytes':>9}")
    for model in models or MODELS:
        for row in rows(model, [int(k) for k in classes.split(",")], [int(d) for d in digits.split(",")], only):
            cells = "".join(f"{cell:>{w}}" for cell, w in zip(row[2:8], (5, 7, 10, 9, 9, 9), strict=True))
            print(f"{row[0]:13}{row[1]:15}{cells}  {row[8]}", flush=True)


if __name__ == "__main__":
    typer.run(main)
