"""Every model over its whole range: routes never contradict each other, and descents never go below what is proved."""

import pytest
from conftest import PROFILE
from hypothesis import HealthCheck, given, seed, settings

from theory.claim import Family
from verify.balls import precision
from verify.routes import solve
from verify.sampling import problems

EXAMPLES = {"dev": 12, "ci": 25, "nightly": 400}[PROFILE]
FAMILIES = {
    "ce": Family(weights=True, near=("merge", "between", "collapse")),
    "ce-relu": Family(bias=("none",), weights=True, near=("zero",), model="ce-relu"),
    "mse": Family(model="mse", near=("zero",), depths=(1, 2, 3, 4, 5, 6), dims="any"),
    "ce-deep": Family(model="ce-deep", near=(), depths=(2, 3, 4, 5, 6), dims="any"),
    "uf-svm": Family(model="uf-svm", near=("orthogonal",), dims="any"),
    "layer-peeled": Family(model="layer-peeled", near=("minority_merge", "minority_zero"), dims="any"),
    "ce-sphere": Family(model="ce-sphere", near=(), dims="any"),
}
COSTLY_CLASSES = 5
TOLERANCE = 1e-11


def bounds(optimum):
    """Floats rounded outward, or None where a side is missing."""
    lower, upper = optimum.lower, optimum.upper
    return (
        None if lower is None or not lower.is_finite() else float(lower.lower()),
        None if upper is None or not upper.is_finite() else float(upper.upper()),
    )


@pytest.mark.parametrize("model", FAMILIES)
def test_routes_do_not_contradict_each_other(model):
    decided = []

    @seed(7)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(problems(FAMILIES[model]))
    def compare(problem):
        routes = ("enclosure", "exact", "nonconvex", "convex")[: 4 if problem.K <= COSTLY_CLASSES else 2]
        with precision(128):
            found = {route: bounds(solve(route, problem)) for route in routes}
        lowers = {route: lower for route, (lower, _) in found.items() if lower is not None}
        uppers = {route: upper for route, (_, upper) in found.items() if upper is not None}
        for route, lower in lowers.items():
            for other, upper in uppers.items():
                slack = TOLERANCE if {route, other} <= {"enclosure", "exact"} else 1e-7
                assert lower <= upper + slack * (1 + abs(upper)), (route, other, problem.canonical())
        if "enclosure" in lowers and "nonconvex" in uppers:
            low = lowers["enclosure"]
            assert uppers["nonconvex"] >= low - TOLERANCE * (1 + abs(low)), problem.canonical()
        decided.append("enclosure" in lowers and "enclosure" in uppers)

    compare()
    assert sum(decided) >= 0.8 * len(decided)
