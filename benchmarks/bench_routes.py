"""Time of the exact route in units of one singular value decomposition of the same size.

Run with: pytest benchmarks/bench_routes.py -o addopts="" (machines differ, the ratio much less).
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import threadpoolctl

from theory.problem import Problem
from verify.dual import assess
from verify.routes import exact, nonconvex
from verify.two_clusters import solve_two_clusters


def cpu_seconds(call: Callable[[], Any], rounds: int = 3) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def long_tail(largest: int, smallest: int, classes: int) -> list[int]:
    return [int(largest * (smallest / largest) ** (k / (classes - 1)) + 1e-9) for k in range(classes)]


@pytest.mark.parametrize("lam", ["0.0005", "0.00005", "1e-8"])
@pytest.mark.parametrize("classes", [10, 30, 100])
def test_distinct_counts(benchmark: Any, classes: int, lam: str) -> None:
    problem = Problem.ce(long_tail(5000, 50, classes), lam)
    matrix = np.random.default_rng(0).normal(size=(classes, classes))
    with threadpoolctl.threadpool_limits(1):
        unit = cpu_seconds(lambda: np.linalg.svd(matrix), 20)
        point = benchmark.pedantic(exact.solve_blocks, (problem,), rounds=3)
        ratio = cpu_seconds(lambda: exact.solve_blocks(problem)) / unit
    found = assess(problem, point)
    benchmark.extra_info |= {"svd_ratio": ratio, "relative_gap": found.gap / found.upper}
    assert found.gap <= 1e-12 * found.upper
    if classes == 100:
        assert ratio <= 500


@pytest.mark.parametrize("bias", ["none", "free", "1/100"])
def test_two_sizes(benchmark: Any, bias: str) -> None:
    benchmark(solve_two_clusters, Problem.ce([(5000, 50), (50, 50)], "0.0001", bias=bias))


def test_descent(benchmark: Any) -> None:
    benchmark.pedantic(nonconvex.solve, (Problem.ce([(9, 3), (4, 3)], "0.01"),), rounds=3)
