"""Every verdict can occur, and none is stronger than its evidence: planted claims with a known fate."""

import pytest
import sympy as sp
from planted import planted

from theory.problem import Problem
from theory.symbols import dead, p
from verify.engine import check, reached
from verify.evidence import Tally, claim_verdict
from verify.judge import Finding
from verify.ledger import Accepted, weaker, weaker_routes
from verify.schemas import RouteResult

CLAIMS = planted()


def verdict(identifier, **options):
    return check(CLAIMS[identifier], **{"examples": 3, "mutants": False} | options)


@pytest.mark.parametrize(
    ("identifier", "options", "expected"),
    [
        ("PLANT-TRUE", {}, "proved"),
        ("PLANT-UNDERIVED", {"routes": ["enclosure"]}, "enclosed"),
        ("PLANT-UNDERIVED", {"routes": ["exact"], "examples": 0}, "certified"),
        ("PLANT-UNDERIVED", {"routes": ["convex", "nonconvex"], "examples": 0}, "agrees"),
        ("PLANT-UNDERIVED", {"routes": ["nonconvex"], "examples": 0}, "undecided"),
        ("PLANT-UNDECIDED", {}, "undecided"),
        ("PLANT-PARTIAL", {"routes": ["symbolic"]}, "undecided"),
        ("PLANT-FALSE", {}, "refuted"),
        ("PLANT-NEARLY", {"examples": 12}, "refuted"),
        ("PLANT-VACUOUS", {"examples": 5}, "vacuous"),
        ("PLANT-UNEXERCISED", {}, "vacuous"),
        ("PLANT-ERROR", {}, "error"),
        ("PLANT-WRONG-PROOF", {}, "error"),
        ("PLANT-UNDERIVED", {"timeout": 0.0}, "timeout"),
    ],
)
def test_planted_claim_ends_with(identifier, options, expected):
    result = verdict(identifier, **options)
    assert result.verdict == expected, result.reason


def test_a_false_claim_never_reaches_what_it_requires():
    assert not reached(verdict("PLANT-FALSE"))
    assert reached(verdict("PLANT-TRUE"))


def test_the_counterexample_of_a_false_claim_is_shrunk():
    result = verdict("PLANT-FALSE", examples=20)
    assert result.counterexample is not None
    problem = Problem.from_canonical(result.counterexample.configuration)
    assert problem.K <= 3
    assert all(size <= 10 for size in problem.sizes)


def row(verdict, uses=()):
    return RouteResult(
        verdict=verdict,
        configurations=1,
        decided=1,
        max_error=0.0,
        radius=0.0,
        worst=None,
        uses=list(uses),
        reason="",
        seconds=0.0,
    )


PROBLEM = Problem.ce([2, 1], "0.1")
RELATION = sp.Eq(p, 0, evaluate=False)


def tally(route, *problems, relation=0, side=""):
    return Tally(route, held={(relation, side): set(problems or [PROBLEM])})


def verdict_of(rows, tallies=None, relations=(RELATION,)):
    solving = {name: tally(name) for name in rows if name != "symbolic"}
    return claim_verdict(rows, solving if tallies is None else tallies, relations)[0]


def test_two_routes_that_share_a_claim_are_one_route():
    shared = {"a": row("agrees", ["HL23-07"]), "b": row("agrees", ["HL23-07"])}
    assert verdict_of(shared) == "undecided"
    assert verdict_of({**shared, "c": row("agrees")}) == "agrees"


def test_routes_agree_on_a_configuration_not_each_on_its_own():
    rows = {"a": row("agrees"), "b": row("agrees")}
    apart = {"a": tally("a"), "b": tally("b", Problem.ce([3, 1], "0.1"))}
    assert verdict_of(rows, apart) == "undecided"


def test_a_verdict_is_that_of_the_weakest_relation():
    rows = {"enclosure": row("enclosed"), "exact": row("certified")}
    tallies = {"enclosure": tally("enclosure"), "exact": tally("exact", relation=1)}
    assert verdict_of(rows, tallies, (RELATION, RELATION)) == "certified"
    tallies["exact"].open = {2}
    assert verdict_of(rows, tallies, (RELATION, RELATION, RELATION)) == "undecided"
    assert verdict_of(rows, tallies, (RELATION,) * 4) == "vacuous"


def test_a_threshold_that_is_met_on_one_side_only_is_vacuous():
    rows, state = {"enclosure": row("enclosed")}, sp.Equivalent(dead, p > 0)
    assert verdict_of(rows, {"enclosure": tally("enclosure", side="dead")}, (state,)) == "vacuous"


@pytest.mark.parametrize("bad", ["refuted", "error", "timeout"])
def test_a_bad_route_is_not_outvoted(bad):
    assert verdict_of({"symbolic": row("proved"), "exact": row(bad)}) == bad


def test_one_undecided_configuration_keeps_the_enclosure_from_speaking():
    tally = Tally("enclosure")
    problem = Problem.ce([2, 1], "0.1")
    tally.add(problem, [Finding(0, "holds", radius=1e-20)])
    assert tally.verdict()[0] == "enclosed"
    tally.add(problem, [Finding(0, "undecided", reason="too wide")])
    assert tally.verdict()[0] == "undecided"


def test_ties_are_counted_on_their_own_line():
    tally = Tally("enclosure")
    tally.add(Problem.ce([2, 1], "0.1"), [Finding(0, "holds", tie=True)])
    assert (tally.configurations, tally.ties, tally.ties_decided) == (0, 1, 1)


def test_the_ledger_notices_a_weaker_verdict():
    result = verdict("PLANT-UNDERIVED", routes=["exact"], examples=0)
    fallen = ["PLANT-UNDERIVED: certified, the ledger has enclosed"]
    assert weaker([result], {"PLANT-UNDERIVED": Accepted("enclosed")}) == fallen
    assert weaker([result], {"PLANT-UNDERIVED": Accepted("agrees")}) == []
    assert weaker([verdict("PLANT-TRUE")], {"PLANT-TRUE": Accepted("refuted")}) != []


def test_the_ledger_notices_a_weaker_route():
    result = verdict("PLANT-TRUE", routes=["symbolic", "exact"], examples=0)
    name, exact = result.id, result.routes["exact"].verdict
    assert weaker_routes([result], {name: Accepted("proved", {"symbolic": "proved", "exact": exact})}) == []
    asked = exact.replace("certified", "enclosed")
    (line,) = weaker_routes([result], {name: Accepted("proved", {"exact": asked})})
    assert line.startswith(f"{name}: route exact is {exact}")
    assert line.endswith(", the ledger has enclosed")
    (line,) = weaker_routes([result], {name: Accepted("proved", {"convex": "agrees"})})
    assert line == f"{name}: route convex is not asked, the ledger has agrees"
