"""Laws of stationary points: every route keeps them, and a planted point that breaks one is an error of its route."""

from dataclasses import replace

import numpy as np
import pytest
from flint import arb
from planted import underived

from theory.optimum import Optimum
from theory.problem import Problem
from verify import check, engine
from verify.findings import optimum_for
from verify.laws import broken_law
from verify.routes import SOLVERS, solve

PROBLEMS = {
    "plain": Problem.ce([14, 6, 5, 1], "0.04", "0.02"),
    "weights": Problem.ce([9, 4, 4, 1], 1, weights=[1, 2, 2, 5]).at(4),
    "free bias": Problem.ce([7, 3, 2], "0.05", bias="free"),
    "collapsed": Problem.ce([5, 2], 1).at(4),
    "bottleneck": Problem.ce([5, 3, 2], "0.02", dim=1),
    "relu": Problem.ce([9, 5, 3, 1], "0.06", "0.05", model="ce-relu"),
    "deep": Problem.ce([9, 9, 2], ["0.01", "0.01"], "0.01"),
    "penalised": Problem.ce([7, 3, 2], "0.05", bias="1/10"),
}


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=list(PROBLEMS))
def test_every_route_keeps_the_laws(problem):
    for route in SOLVERS:
        assert broken_law(solve(route, problem)) == ""


@pytest.mark.parametrize("name", ["plain", "weights", "free bias", "bottleneck", "relu", "deep"])
@pytest.mark.parametrize("factor", [1 + 1e-4, 1 - 1e-4])
def test_a_point_that_is_not_stationary_is_noticed(name, factor):
    found = solve("nonconvex", PROBLEMS[name])
    point = replace(found.point, W=found.point.W * factor)
    planted = replace(found, point=point, upper=arb(_objective(PROBLEMS[name], point)))
    assert broken_law(planted).startswith("NR26-17")


def _objective(problem, point):
    if point.layers:
        scale = float(point.W.ravel()[0] / np.linalg.multi_dot(point.layers).ravel()[0])
        return problem.objective([point.layers[0] * scale, *point.layers[1:]], point.H)
    return problem.objective(point.W, point.H, point.b if problem.bias != "none" else None)


def optimum_with(sizes, columns):
    """An optimum with these logits whose value is the mean entropy."""
    Z = np.array(columns, dtype=float).T
    P = np.exp(Z) / np.exp(Z).sum(axis=0)
    value = float(-(P * np.log(P)).sum(axis=0) @ (np.array(sizes) / sum(sizes)))
    balls = np.array([[arb(z) for z in row] for row in Z], dtype=object)
    bias = np.array([arb(0)] * len(sizes), dtype=object)
    return Optimum(Problem.ce(sizes, 1), "exact", arb(value), arb(value), balls, bias)


@pytest.mark.parametrize(
    ("sizes", "columns", "law"),
    [
        ([3, 2], [(-0.5, 0.5), (-1, 1)], "NR26-18"),
        ([3, 2, 1], [(1, 1.1, -2), (1.1, 1, -2), (0, 0, 1)], "NR26-20"),
        ([5, 3], [(0.5, -0.5), (-1, 1)], "NR26-22"),
        ([5, 3], [(1, -1), (-0.5, 0.5)], ""),
    ],
)
def test_each_law_is_noticed_where_the_others_hold(sizes, columns, law):
    assert broken_law(optimum_with(sizes, columns))[:7] == law


def test_wide_balls_break_nothing():
    found = optimum_with([5, 3], [(0.5, -0.5), (-1, 1)])
    for radius in (1.0, float("inf")):
        balls = np.array([[arb(z.mid(), radius) for z in row] for row in found.logits], dtype=object)
        assert broken_law(replace(found, logits=balls)) == ""


def test_companions_are_examined_too():
    wrong = optimum_with([5, 3], [(0.5, -0.5), (-1, 1)])
    right = optimum_with([5, 3], [(1, -1), (-0.5, 0.5)])
    assert broken_law(replace(right, companions=(wrong,))).startswith("NR26-22")


def test_a_broken_law_is_an_error_of_the_route(monkeypatch):
    def lying(claim, problem, name, seed, avoid):
        found = optimum_for(claim, problem, name, seed, avoid)
        return replace(found, logits=found.logits * 2) if name == "exact" and found.logits is not None else found

    monkeypatch.setattr(engine, "optimum_for", lying)
    result = check(underived, examples=0, routes=["exact", "convex"], mutants=False)
    assert (result.verdict, result.routes["exact"].verdict) == ("error", "error")
    assert "NR26-17" in result.reason
