"""Mutation testing of claims: operators change what they say, proofs are proofs, outcomes are told apart."""

import itertools
import time
from dataclasses import replace

import jsonschema
import pytest
import sympy as sp
from flint import arb
from planted import planted
from test_workbench import HEAD, call, write

from theory.claim import Asymptotic, Mutant
from theory.conjectures import focal_bound
from theory.hong_ling_2023.minority_collapse import law, threshold
from theory.problem import Problem
from theory.symbols import K, alpha, dead, n, p, q, w, x
from verify import equivalence
from verify import survey as module
from verify.equivalence import SAME, why_equivalent, why_weaker
from verify.limits import OutOfTime, time_limit
from verify.mutation import judge_mutants
from verify.operators import OPERATORS, PER_OPERATOR, operator_mutants, wrong_relations
from verify.routes.conic import first_optimal
from verify.schemas import MutantsOutput, json_schemas
from verify.survey import survey

AVOID = frozenset({"HL23-03", "HL23-04"})
LAW = replace(planted()["PLANT-UNDERIVED"], mutants=(), family=None)
y = sp.Symbol("y", positive=True)


def names(relation, operator, integers=()):
    return [text for name, text, _ in wrong_relations(relation, integers) if name == operator]


@pytest.mark.parametrize(
    ("relation", "operator", "texts"),
    [
        (sp.Eq(y, x, evaluate=False), "sign", ["x becomes -x"]),
        (sp.Eq(y, x, evaluate=False), "factor", ["x becomes 2*x", "x becomes x/2"]),
        (
            sp.Eq(y, 1 / x, evaluate=False),
            "exponent",
            ["1/x becomes x**(-2)", "1/x becomes 1/sqrt(x)", "1/x becomes x"],
        ),
        (sp.Eq(y, x / n, evaluate=False), "swapped symbols", ["n and x in x/n", "n and y in x/n", "x and y in x/n"]),
        (sp.Eq(y, x + n, evaluate=False), "dropped term", ["n + x becomes x", "n + x becomes n"]),
        (sp.Eq(y, sp.Max(0, x - n), evaluate=False), "dropped term", None),
        (sp.Equivalent(dead, sp.And(x > 1, n > y)), "dropped term", ["without n > y", "without x > 1"]),
        (sp.Le(y, x, evaluate=False), "strictness", ["strict for non-strict"]),
        (sp.Equivalent(dead, x >= n), "strictness", ["strict for non-strict"]),
        (sp.Lt(y, x, evaluate=False), "reversed", ["the other way round"]),
        (Asymptotic(y, x), "sign", ["x becomes -x"]),
    ],
)
def test_an_operator_changes_what_it_says(relation, operator, texts):
    found = names(relation, operator)
    assert found if texts is None else found == texts


def test_off_by_one_is_for_whole_numbers_only():
    relation = sp.Eq(y, x / K, evaluate=False)
    assert names(relation, "off by one") == []
    assert names(relation, "off by one", [K]) == ["K becomes K + 1", "K becomes K - 1"]


def test_no_mutant_is_the_claim_nor_another_mutant():
    for relation in (*law.relations, *threshold.relations):
        wrong = [changed for _, _, changed in wrong_relations(relation, [n])]
        assert relation not in wrong
        assert len(set(wrong)) == len(wrong)
    counts = [name for name, _, _ in wrong_relations(law.relations[0], [n])]
    assert max(counts.count(name) for name in OPERATORS) <= PER_OPERATOR


def test_texts_of_mutants_are_different():
    texts = [mutant.text for mutant in operator_mutants(law, [n])]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("relation", "wrong", "reason"),
    [
        (sp.Eq(p, q), sp.Eq(2 * p, 2 * q, evaluate=False), SAME),
        (sp.Eq(p - q, 0, evaluate=False), sp.Eq(q - p, 0, evaluate=False), SAME),
        (sp.Eq(x, sp.sqrt(n) * y), sp.Eq(x, sp.sqrt(n * y**2), evaluate=False), SAME),
        (sp.Eq(p, q), sp.Eq(p, 2 * q), None),
        (sp.Eq(x, y), sp.Eq(x, y * (1 + sp.Rational(1, 10**30))), None),
        (sp.Le(x, y), sp.Le(2 * x, 2 * y, evaluate=False), SAME),
        (sp.Le(x, y), sp.Le(2 * y, 2 * x, evaluate=False), None),
        (sp.Le(x, y), sp.Lt(x, y), None),
        (sp.Lt(x, y), sp.Le(x, y), None),
        (sp.Le(x, y), sp.Le(x, 2 * y), None),
        (sp.Equivalent(dead, x >= n), sp.Equivalent(dead, 2 * x >= 2 * n, evaluate=False), SAME),
        (sp.Equivalent(dead, x >= n), sp.Equivalent(dead, x >= n / 2), None),
        (sp.Equivalent(dead, x >= n), sp.Equivalent(dead, x > n), None),
        (Asymptotic(x, y), Asymptotic(x + 1, y + 1), SAME),
        (Asymptotic(x, y), Asymptotic(x, 2 * y), None),
    ],
)
def test_only_what_is_proved_is_called_equivalent(relation, wrong, reason):
    assert why_equivalent(relation, wrong) == reason


u, v = sp.symbols("u v", nonnegative=True)
r, s = sp.symbols("r s", real=True)
minus = sp.Symbol("minus", negative=True)
IMPLIED = [
    (sp.Lt(r, s), sp.Le(r, s), "since a strict inequality implies the other"),
    (sp.Le(r, s), sp.Le(r, s + 1), "since the sides move apart by a constant"),
    (sp.Le(r, s), sp.Lt(r, s + 1), "since the sides move apart by a constant"),
    (sp.Ge(u, v), sp.Ge(u, v / 2), "since v >= 0"),
    (sp.Ge(x, y), sp.Gt(x, y / 2), "since y > 0"),
    (sp.Ge(u, v), sp.Ge(u, -v, evaluate=False), "since v >= 0"),
    (sp.Le(r, v), sp.Le(r, 2 * v), "since v >= 0"),
    (sp.Le(u, r), sp.Le(u, 2 * r), "since u >= 0"),
    (sp.Lt(u, r), sp.Lt(u, 2 * r), "since u >= 0"),
    (sp.Le(x, K - 1), sp.Le(x, 2 * K - 3), "since K >= 2"),
    (sp.Le(r, s), sp.Le(r, s + r**2), "since r real"),
    (sp.Le(1 / (y * sp.sqrt(x)), r), sp.Le(1 / (y * sp.sqrt(x + 1)), r), "since x > 0, y > 0"),
    (sp.Ge(r, v * sp.sqrt(x)), sp.Ge(r, v * sp.sqrt(x - 1)), "since v >= 0"),
    (sp.Le(r, 1 / x), sp.Le(r, 1 / x + v / y), "since v >= 0, y > 0"),
]
NOT_IMPLIED = [
    (sp.Le(r, s), sp.Lt(r, s), {r: 1, s: 1}),
    (sp.Ge(r, s), sp.Ge(r, s / 2), {r: -2, s: -2}),
    (sp.Ge(r, s), sp.Ge(r, -s), {r: -1, s: -1}),
    (sp.Le(r, s), sp.Le(r, 2 * s), {r: -1, s: -1}),
    (sp.Le(r, v), sp.Le(r, v / 2), {r: 1, v: 1}),
    (sp.Ge(u, v), sp.Gt(u, v / 2), {u: 0, v: 0}),
    (sp.Ge(u, v), sp.Ge(u, 2 * v), {u: 1, v: 1}),
    (sp.Ge(u, v), sp.Le(u, v), {u: 2, v: 1}),
    (sp.Ge(u, v), sp.Le(u, 2 * v), {u: 3, v: 1}),
    (sp.Ge(u, minus), sp.Ge(minus, minus / 2), {u: 1, minus: -1}),
    (sp.Ge(r, minus), sp.Ge(r, minus / 2), {r: -1, minus: -1}),
    (sp.Le(x, y), sp.Le(x, y**2), {x: sp.Rational(1, 2), y: sp.Rational(1, 2)}),
    (sp.Le(x, y + 1), sp.Le(x, y), {x: 2, y: 1}),
    (sp.Le(r, sp.log(y)), sp.Le(r, 2 * sp.log(y)), {r: -1, y: sp.exp(-1)}),
    (sp.Le(x, y - n), sp.Le(x, y - 2 * n), {x: 1, y: 2, n: 1}),
    (sp.Le(r, K - 1), sp.Le(r, 2 * K - 4), {r: 1, K: 2}),
    (sp.Lt(r, K - 1), sp.Lt(r, 2 * K - 4), {r: sp.Rational(1, 2), K: 2}),
    (sp.Le(r, K - 1), sp.Lt(r, 2 * K - 4), {r: 2, K: 3}),
    (sp.Lt(r, s), sp.Le(r, 2 * s), {r: -3, s: -2}),
    (sp.Le(r, sp.sqrt(x)), sp.Le(r, sp.sqrt(x - 1)), {r: 2, x: 4}),
    (sp.Le(r, -sp.sqrt(x)), sp.Le(r, -sp.sqrt(x + 1)), {r: -1, x: 1}),
    (sp.Ge(sp.sqrt(x), r), sp.Ge(-sp.sqrt(x + 1), r), {r: 0, x: 1}),
    (sp.Le(r, sp.sqrt(x)), sp.Lt(r, sp.sqrt(x + v)), {r: 1, x: 1, v: 0}),
    (sp.Le(r, s), sp.Le(r, -s), {r: 1, s: 1}),
    (sp.Le(r, 1 / (x - y)), sp.Le(r, 2 / (x - y)), {r: -1, x: 1, y: 2}),
    (sp.Ge(r, s), sp.Ge(r**2, s * r), {r: -1, s: -2}),
]


@pytest.mark.parametrize(("relation", "wrong", "reason"), IMPLIED)
def test_an_implied_inequality_is_weaker_and_the_reason_names_the_signs(relation, wrong, reason):
    assert why_weaker(relation, wrong) == reason
    assert why_equivalent(relation, wrong) is None


@pytest.mark.parametrize(("relation", "wrong", "point"), NOT_IMPLIED)
def test_an_inequality_with_a_counterexample_is_never_called_weaker(relation, wrong, point):
    assert relation.subs(point) == sp.true
    assert wrong.subs(point) == sp.false
    assert why_weaker(relation, wrong) is None


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("_terms_settle", lambda polynomial, strict: True),
        ("_terms_settle", lambda polynomial, strict: all(s.is_real for s in polynomial.free_symbols)),
        ("_zero", lambda expression: True),
        ("STRICT", ()),
        ("BELOW", (sp.Ge, sp.Gt)),
        ("FACTORS", (sp.Integer(-1), sp.Integer(2))),
        ("LEAST", {K: 3}),
        ("ABOVE", {K: 3}),
        ("_plausible", lambda *rest: True),
    ],
    ids=[
        "any term",
        "real for nonnegative",
        "zero",
        "strict",
        "sides",
        "negative factor",
        "K >= 3",
        "K > 3",
        "no change",
    ],
)
def test_the_counterexamples_find_a_prover_that_is_wrong(name, broken, monkeypatch):
    monkeypatch.setattr(equivalence, "_plausible", lambda *rest: True)  # a filter, no part of the proof
    monkeypatch.setattr(equivalence, name, broken)
    explained = [wrong for relation, wrong, _ in NOT_IMPLIED if why_weaker(relation, wrong)]
    assert bool(explained) is (name != "_plausible")


def test_what_mutants_of_random_inequalities_are_called_weaker_follows_at_every_point():
    sides = [r - v, x * u / y, sp.sqrt(x) - s, K * u - v, sp.Max(u, v) + r]
    values = {"u": (0, 1, 3), "v": (0, 2), "r": (-2, 0, 1), "s": (-1, 0, 2), "x": (1, 4), "y": (1, 9), "K": (2, 5)}
    found = 0
    for left, right, form in itertools.product([u, r], sides, [sp.Le, sp.Gt]):
        relation = form(left, right, evaluate=False)
        for _, _, wrong in wrong_relations(relation):
            if why_weaker(relation, wrong):
                found += 1
                symbols = sorted(relation.free_symbols, key=str)
                for point in itertools.product(*(values[str(symbol)] for symbol in symbols)):
                    at = dict(zip(symbols, point, strict=True))
                    assert relation.subs(at) == sp.false or wrong.subs(at) == sp.true
    assert found > 20


def test_a_proof_from_a_sign_that_a_reading_contradicts_is_none(monkeypatch):
    monkeypatch.setattr(module, "operator_mutants", lambda claim, integers: ())
    big = sp.Symbol("big", nonnegative=True)

    def read(value):
        return lambda optimum: [{big: value, y: sp.Integer(1)}]

    looser = Mutant("looser", relations=(sp.Le(big, 2 * y, evaluate=False),))
    true = replace(LAW, relations=(sp.Le(big, y, evaluate=False),), read=read(sp.Integer(0)))
    row = fate(true, looser)
    assert (row.outcome, row.reason) == ("weaker", "implied by relation 1 since y > 0")
    summary = survey(replace(true, mutants=(looser,)), avoid=AVOID).mutants
    assert looser.text not in summary.survivors
    assert summary.total == sum(row.outcome in ("killed", "survived", "timeout") for row in summary.details)
    assert fate(replace(true, read=read(sp.Integer(-1))), looser).outcome == "survived"


@pytest.mark.parametrize(
    ("relation", "wrong", "value"),
    [
        (sp.Eq(x, sp.sqrt(y**2), evaluate=False), sp.Eq(x, y, evaluate=False), sp.Integer(-1)),
        (sp.Le(x, K - 1, evaluate=False), sp.Le(x, 2 * K - 3, evaluate=False), sp.Integer(1)),
        (sp.Le(x, y, evaluate=False), sp.Le(x, 2 * y, evaluate=False), arb("nan")),
    ],
)
def test_a_proof_needs_signs_and_numbers_of_classes_as_they_are_read(relation, wrong, value, monkeypatch):
    monkeypatch.setattr(module, "operator_mutants", lambda claim, integers: ())
    assert why_equivalent(relation, wrong) or why_weaker(relation, wrong)
    symbol = K if K in wrong.free_symbols else y
    claim = replace(LAW, relations=(relation,), read=lambda optimum: [{symbol: value}])
    outcome = fate(claim, Mutant("wrong", relations=(wrong,))).outcome
    assert outcome == ("weaker" if isinstance(value, arb) else "survived")


def test_strictness_is_unseen_where_a_side_is_a_ball_and_judged_where_both_are_exact(monkeypatch):
    strict = Mutant("strict", relations=(sp.Lt(u, v, evaluate=False),), operator="strictness")
    outcomes = []
    for value in (arb(1, 1e-20), sp.Integer(1), sp.Integer(0)):
        claim = replace(
            LAW, relations=(sp.Le(u, v, evaluate=False),), read=lambda _, at=value: [{u: at, v: sp.Integer(1)}]
        )
        outcomes.append(fate(claim, strict).outcome)
    assert outcomes == ["unseen", "killed", "survived"]


def test_no_value_is_told_from_a_ball_that_is_too_wide(monkeypatch):
    monkeypatch.setattr(module, "operator_mutants", lambda claim, integers: ())
    width = sp.Symbol("width", real=True)

    def claim(value):
        return replace(LAW, read=lambda optimum: [{dead: None, x: sp.Integer(1), width: value}])

    mutant = Mutant("root", relations=(sp.Equivalent(dead, x >= sp.sqrt(width)),))
    assert fate(claim(sp.Integer(-1)), mutant).outcome == "vacuous"
    assert fate(claim(arb(0, 1)), mutant).outcome == "survived"
    assert fate(claim(sp.Integer(0)), mutant).outcome == "survived"


def fate(claim, mutant, **options):
    found = survey(replace(claim, mutants=(mutant,)), avoid=AVOID, **options)
    return next(row for row in found.mutants.details if row.mutant == mutant.text)


WRONG = Mutant("n for sqrt(n)", relations=(sp.Eq(p - q, sp.Max(0, 1 - x / (w * n)), evaluate=False),))
TRUE = Mutant("another true statement", relations=(sp.Le(q, p, evaluate=False),))
NOTHING = Mutant("nothing to read", relations=(sp.Eq(sp.Symbol("never_read"), 0, evaluate=False),))
UNDEFINED = Mutant("no value", relations=(sp.Eq(p, sp.log(-x), evaluate=False),))


def test_outcomes_are_told_apart(monkeypatch):
    monkeypatch.setattr(module, "operator_mutants", lambda claim, integers: ())
    killed = fate(LAW, WRONG)
    assert (killed.outcome, killed.route, killed.certificate) == ("killed", "enclosure", True)
    assert Problem.from_canonical(killed.configuration).K >= 2
    assert fate(LAW, TRUE).outcome == "survived"
    assert fate(LAW, UNDEFINED).outcome == "vacuous"
    nothing = fate(LAW, NOTHING)
    assert (nothing.outcome, nothing.reason) == ("survived", "nothing to compare at any configuration")
    assert fate(LAW, WRONG, budget=0).outcome == "timeout"


def test_a_reason_explains_a_survivor_and_never_hides_a_kill(monkeypatch):
    monkeypatch.setattr(module, "operator_mutants", lambda claim, integers: ())
    claim = replace(LAW, survivors={"*": "because"})
    assert (fate(claim, TRUE).outcome, fate(claim, TRUE).reason) == ("explained", "because")
    assert fate(claim, WRONG).outcome == "killed"
    pair = focal_bound.PAIR_ALONE.at("5.34")  # only a descent solves it
    costly = replace(focal_bound.focal, survivors={"*": "because"}, witness=pair, settings=(), family=None)
    assert fate(costly, costly.mutants[0]).route == "nonconvex"
    excused, idle = replace(WRONG, text="excused", reason="because"), Mutant("idle", reason="nothing to try")
    summary, _ = judge_mutants(replace(claim, mutants=(TRUE, WRONG, excused, idle)), seed=0, avoid=AVOID)
    assert [row.outcome for row in summary.details[:4]] == ["explained", "killed", "killed", "explained"]
    assert fate(claim, excused).outcome == "killed"
    assert fate(claim, idle).reason == "nothing to try"


def test_a_slow_mutant_is_a_timeout_and_no_kill(monkeypatch):
    def slow(optimum):
        time.sleep(5)
        yield {p: sp.Integer(3), q: sp.Integer(0)}

    monkeypatch.setattr(module, "LIMIT", 0.2)
    monkeypatch.setattr(module, "operator_mutants", lambda claim, integers: ())
    row = fate(LAW, Mutant("slow", read=slow))
    assert (row.outcome, row.route) == ("timeout", "")


def test_a_route_does_not_take_the_clock_for_a_solver_that_fails():
    def slow(solver):
        time.sleep(1)

    with pytest.raises(OutOfTime), time_limit(0.05):
        first_optimal(Problem.svm([2, 1]), ["CLARABEL"], slow)


def test_a_blind_spot_of_the_probes_is_found_and_a_problem_there_closes_it():
    blind = replace(LAW, settings=())
    weighted = Problem.ce([(9, 2), (4, 2)], "0.06", weights=[(1, 2), (2, 2)])
    missed = survey(replace(blind, witness=Problem.ce([(9, 2), (4, 2)], "0.03")), avoid=AVOID)
    assert any("1/w becomes w" in text for text in missed.mutants.survivors)
    assert not any(
        "1/w" in text for text in survey(replace(blind, settings=(weighted,)), avoid=AVOID).mutants.survivors
    )


def test_the_resolution_is_that_of_the_strongest_route():
    found = survey(replace(threshold, mutants=()), avoid=AVOID)
    assert (found.mutants.survivors, found.resolution_route) == ([], "enclosure")
    assert found.resolution == found.mutants.resolution_certificate <= 1e-12
    assert sum(row.certificate for row in found.mutants.details) > 15


def test_survivors_are_listed_and_fail_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "conjectures", "a.py", f'{HEAD}mine = conjecture("A-1", sp.Le(F, 10 * sp.log(K)))\n')
    code, out, err = call("mutants", "A-1", "--jobs", "1")
    assert (code, err) == (1, "")
    assert "survived" in out
    assert "killed" in out
    code, out, _ = call("mutants", "A-1", "--jobs", "1", "--json", "--budget", "1m")
    jsonschema.validate(
        MutantsOutput.model_validate_json(out).model_dump(mode="json"), json_schemas()["verify.mutants.1"]
    )
    for wrong in ("soon", "-1", "1y"):
        code, out, err = call("mutants", "A-1", "--budget", wrong)
        assert (code, out) == (2, "")
        assert "--budget" in err


def test_a_gap_in_a_bound_shows_as_survivors():
    loose = replace(LAW, relations=(sp.Le(alpha, 1000, evaluate=False),))
    assert any(text.startswith("factor") for text in survey(loose, avoid=AVOID).mutants.survivors)
