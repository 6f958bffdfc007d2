"""The checker must not be fooled: planted flaws are found, failures of a claim's own code are verdicts, runs repeat."""

import itertools
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import sympy as sp
from planted import FLAWS, flawed, planted

from theory import quick
from theory.claim import Hypothesis, Mutant
from theory.hong_ling_2023.minority_collapse import law, threshold
from theory.problem import Problem
from theory.symbols import K, N, alpha, dead, n, p, q, w, x
from verify import cases, engine, findings, ledger, registry
from verify.engine import check
from verify.evidence import Tally
from verify.findings import findings_for, optimum_for
from verify.judge import Finding
from verify.mutation import generic_mutants, judge_mutants, probes
from verify.routes import solve
from verify.routes.limits import solve_at_scale

CLAIMS = registry.load()
PLANTED = planted()
SINGLE_TIE = Problem.ce([(9, 2), (4, 1)], 1).at(9)


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_in_a_corner_is_found(name):
    result = check(flawed(name), examples=100, routes=["exact"], mutants=False)
    assert result.verdict == "refuted"
    assert FLAWS[name](Problem.from_canonical(result.counterexample.configuration))


def test_a_violation_exactly_at_a_threshold_is_not_lost():
    strict = replace(threshold, relations=(sp.Equivalent(dead, x > w * sp.sqrt(n)),), witness=SINGLE_TIE, settings=())
    result = check(strict, examples=0, routes=["enclosure"], mutants=False)
    assert (result.verdict, result.routes["enclosure"].verdict) == ("refuted", "refuted")


def test_where_a_route_has_nothing_to_show_it_does_not_speak():
    tally = Tally("enclosure")
    tally.add(SINGLE_TIE, [Finding(0, "holds")])
    tally.add(SINGLE_TIE, [], "no certificate")
    assert tally.verdict()[0] == "undecided"


@pytest.mark.parametrize(
    "changes",
    [
        {"hypotheses": (Hypothesis("fails", lambda problem: 1 / 0, "nothing"),)},
        {"derivation": lambda: 1 / 0},
        {"mutants": (Mutant("fails", read=lambda optimum: [{p: 1 / 0}]),)},
    ],
)
def test_failing_code_of_a_claim_is_a_verdict(changes):
    claim = replace(PLANTED["PLANT-UNDERIVED"], **changes)
    assert check(claim, examples=1, routes=["symbolic", "enclosure"]).verdict == "error"


def test_a_refutation_outlives_the_time_budget(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: next(clock), process_time=time.process_time))
    assert check(PLANTED["PLANT-FALSE"], examples=20, mutants=False, timeout=10).verdict == "refuted"


def test_a_crash_while_shrinking_does_not_hide_the_violation():
    def read(optimum):
        if all(size < 20 for size in optimum.problem.sizes):
            raise RuntimeError("small sizes")
        yield from threshold.read(optimum)

    result = check(replace(PLANTED["PLANT-FALSE"], read=read), examples=5, routes=["enclosure"], mutants=False)
    assert result.verdict == "refuted"


LATE = (sp.Equivalent(dead, x**2 * K >= n * (K - 1) * (1 + 1 / (100 * N))),)


@pytest.mark.parametrize("liars", [("exact",), ("nonconvex",), ("exact", "nonconvex")])
def test_floating_routes_do_not_refute_what_the_kernel_proves(monkeypatch, liars):
    def lying(claim, problem, route, seed, avoid):
        found = findings_for(claim, problem, route, seed, avoid)
        return [replace(f, outcome="violated") for f in found] if route in liars else found

    monkeypatch.setattr(engine, "findings_for", lying)
    routes = ["enclosure", "exact", "nonconvex"]
    result = check(PLANTED["PLANT-UNDERIVED"], examples=1, routes=routes, mutants=False)
    assert (result.verdict, result.counterexample) == ("error", None)
    assert "contradicts the enclosure" in result.reason
    assert all(result.routes[name].verdict == "error" for name in liars)


def test_a_suspicion_next_to_a_threshold_does_not_end_the_search():
    """Within a millionth of a threshold the kernel leaves a state open; further away it sees the error of 1/(100 N)."""
    late = quick.conjecture("PLANT-LATE", *LATE, model="ce-relu")
    result = check(late, examples=5, mutants=False)
    assert (result.verdict, result.counterexample.route) == ("refuted", "enclosure")


def test_evidence_only_enters_the_ledger(tmp_path):
    result = check(PLANTED["PLANT-TRUE"], examples=0, mutants=False)
    path = tmp_path / "ledger.json"
    ledger.accept([result, result.model_copy(update={"id": "BAD", "verdict": "error"})], path)
    accepted = ledger.load(path)
    assert list(accepted) == ["PLANT-TRUE"]
    assert accepted["PLANT-TRUE"].verdict == "proved"
    assert accepted["PLANT-TRUE"].routes == {name: row.verdict for name, row in result.routes.items()}
    assert ledger.weaker([result], {"PLANT-TRUE": ledger.Accepted("error")}) == []


@pytest.mark.parametrize(
    "relation",
    [
        sp.Le(alpha, 1000, evaluate=False),
        sp.Lt(q, p, evaluate=False),
        sp.Ge(alpha, 0, evaluate=False),
        sp.Gt(p, q, evaluate=False),
        sp.Ne(p, q, evaluate=False),
        sp.Equivalent(dead, sp.And(x >= w * sp.sqrt(n), x > 0)),
    ],
)
def test_every_kind_of_relation_has_a_generic_mutant_that_dies(relation):
    claim = replace(threshold, relations=(relation,), hypotheses=(), mutants=())
    if not isinstance(relation, sp.Equivalent):
        claim = replace(claim, read=law.read)
    assert list(generic_mutants(claim))
    summary, _ = judge_mutants(claim, seed=0, avoid=frozenset())
    assert summary.survivors == []


@pytest.mark.parametrize("identifier", [i for i, c in CLAIMS.items() if c.mutants and c.status != "refuted"])
def test_the_claim_itself_holds_where_its_mutants_are_killed(identifier):
    claim = CLAIMS[identifier]
    avoid = registry.related(CLAIMS, identifier) | {identifier}
    for mutant in claim.mutants:
        if mutant.problem is not None and (mutant.relations or mutant.read or mutant.along):
            assert claim.applies(mutant.problem), mutant.text
            found = findings_for(claim, mutant.problem, "enclosure", 0, avoid)
            assert not any(f.outcome == "violated" for f in found), mutant.text


def test_probes_lie_on_both_sides_of_every_threshold():
    field = probes(replace(threshold, settings=()))
    for size in (120, 25):
        gaps = [float(problem.x2 / size) ** 0.5 - 1 for problem in field]
        assert any(-1e-6 < gap < 0 for gap in gaps)
        assert any(0 < gap < 1e-6 for gap in gaps)
        assert 0 in gaps


def test_the_same_seed_gives_the_same_result_on_any_number_of_processes():
    claims = [CLAIMS["HL23-04"], CLAIMS["HL23-R1"]]
    one, two = (engine.run(claims, examples=4, jobs=jobs).model_dump(mode="json") for jobs in (1, 2))
    assert without_times(one) == without_times(two)


def without_times(data):
    if isinstance(data, dict):
        return {k: without_times(v) for k, v in data.items() if k not in ("seconds", "environment")}
    return [without_times(v) for v in data] if isinstance(data, list) else data


def test_reasons_come_in_the_order_of_the_findings():
    tally = Tally("exact")
    tally.add(SINGLE_TIE, [Finding(i, "undecided", reason=str(i)) for i in range(9)])
    assert tally.reasons.most_common() == [(str(i), 1) for i in range(9)]


def test_memories_are_bounded():
    for remembered in (findings._readings, solve, solve_at_scale):
        assert remembered.cache_info().maxsize is not None


@pytest.mark.parametrize(("route", "field", "shift"), [("nonconvex", "upper", -1e-6), ("convex", "lower", 1e-3)])
def test_no_route_may_contradict_the_bounds_of_the_kernel(monkeypatch, route, field, shift):
    def lying(claim, problem, name, seed, avoid):
        found = optimum_for(claim, problem, name, seed, avoid)
        wrong = getattr(found, field)
        return replace(found, **{field: wrong + shift}) if name == route and wrong is not None else found

    monkeypatch.setattr(engine, "optimum_for", lying)
    result = check(PLANTED["PLANT-UNDERIVED"], examples=0, routes=["enclosure", route], mutants=False)
    assert result.verdict == "error"
    assert "contradicts the enclosure" in result.reason


def test_random_starts_and_hits_are_counted():
    found = check(PLANTED["PLANT-UNDERIVED"], examples=0, routes=["enclosure", "nonconvex"], mutants=False)
    row = found.routes["nonconvex"]
    assert 0 < (row.hits or 0) <= (row.starts or 0)
    assert found.routes["enclosure"].starts is None


def test_companions_are_solved_by_the_same_route_and_count_as_used():
    def companions(problem):
        return (problem.at(problem.x2 / 4),)

    def read(optimum):
        (other,) = optimum.companions
        assert other.route == optimum.route
        if optimum.lower is not None and other.upper is not None:
            yield {value_here: optimum.lower, value_there: other.upper}

    value_here, value_there = sp.symbols("f_here f_there", real=True)
    claim = replace(threshold, read=read, companions=companions, hypotheses=(), mutants=(), derivation=None)
    less = replace(claim, relations=(sp.Gt(value_here, value_there, evaluate=False),))
    assert check(less, examples=2, mutants=False).verdict == "enclosed"
    more = replace(claim, relations=(sp.Lt(value_here, value_there, evaluate=False),), mutants=())
    assert check(more, examples=2, mutants=False).verdict == "refuted"


def test_what_a_hunt_refuted_is_tried_again_by_a_run(tmp_path, monkeypatch):
    rare = Problem.ce([(31, 2), (7, 3)], "0.4")

    def read(optimum):
        for reading in threshold.read(optimum):
            wrong = optimum.problem == rare and isinstance(reading.get(dead), bool)
            yield {**reading, dead: not reading[dead]} if wrong else reading

    claim = replace(threshold, id="PLANT-TRUE", read=read)
    monkeypatch.chdir(tmp_path)
    assert check(claim, examples=0, routes=["enclosure"], mutants=False).verdict != "refuted"
    finding = Finding(0, "violated", 0.0, 0.0, "alive", "dead", state=True)
    cases.save(cases.build(claim.id, rare, finding, "enclosure", "relation"), Path("hunts/cases"))
    Path("hunts/cases/broken.json").write_text("{")
    assert check(claim, examples=0, routes=["enclosure"], mutants=False).verdict == "refuted"


@pytest.mark.parametrize("identifier", ["PLANT-FALSE", "PLANT-NEARLY"])
def test_where_the_worst_occurred_is_the_violating_problem(identifier):
    result = check(PLANTED[identifier], examples=12, mutants=False)
    row = result.routes[result.counterexample.route]
    assert row.worst == result.counterexample.configuration
    assert all(other.worst == row.worst for other in result.routes.values() if other.verdict == "refuted")


def test_a_residual_that_held_does_not_hide_where_a_state_is_violated():
    tally, far = Tally("exact"), Problem.ce([2, 1], "0.1")
    tally.add(SINGLE_TIE, [Finding(0, "holds", error=1e-7)])
    tally.add(far, [Finding(1, "violated", observed="dead", predicted="alive", state=True)])
    tally.add(SINGLE_TIE, [Finding(0, "holds", error=1e-6)])
    assert tally.result().worst == far.canonical()
    assert tally.result().max_error == 1e-6
