"""Hunting: planted false claims fall and shrink, true ones survive, nothing that was tried is ever lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest
import sympy as sp

from theory import quick, vocabulary
from theory.claim import Claim, Family
from theory.hong_ling_2023.minority_collapse import law, threshold
from theory.observables import cluster_readings
from theory.optimum import Optimum
from theory.problem import Problem
from theory.symbols import K, dead, n, p, q, w, x
from verify import cli, engine, registry
from verify.commands import hunting
from verify.counts import InputError
from verify.engine import check
from verify.findings import findings_for
from verify.hunt import attack, campaign, known, ship, shipped, stages, summarise
from verify.hunt.attack import Target, confirm, examine
from verify.hunt.campaign import hunt
from verify.hunt.coverage import region
from verify.hunt.journal import Header, Journal, Trial, text_of
from verify.hunt.margins import look
from verify.hunt.pressing import Pressing, movable
from verify.hunt.progress import Progress, read
from verify.hunt.shrink import fewer_classes, is_minimal, shrink, simplest_near, smaller_counts, violates
from verify.hunt.spaces import at_vector, bases, count_vectors, near_thresholds, valid, vector
from verify.hunt.stages import SERIES, STAGES, play, vectors_of
from verify.hunt.strength import resolution
from verify.hunt.worker import Task, perform
from verify.judge import Finding
from verify.schemas import json_schemas
from verify.standing import standing

NIGHTLY = os.environ.get("UFMCHECK_PROFILE") == "nightly"
CLAIMS = registry.load()
OPEN = {"status": "conjecture", "required": "agrees", "mutants": (), "derivation": None, "rests_on": frozenset()}
bump = sp.Symbol("bump")


def one_single_class(problem: Problem) -> bool:
    return problem.K >= 5 and sum(size == 1 for size in problem.sizes) == 1


def readings_with_bump(optimum: Optimum):
    for reading in cluster_readings(optimum):
        yield {**reading, bump: sp.Integer(one_single_class(optimum.problem))}


FAMILY = Family(bias=("none",), near=("merge",))
SINGLES = replace(
    threshold,
    **OPEN,
    id="PLANT-SINGLES",
    family=FAMILY,
    read=readings_with_bump,
    relations=(sp.Equivalent(dead, x >= w * sp.sqrt(n) * (1 + bump / 20)),),
)
CLOSE = replace(
    threshold,
    **OPEN,
    id="PLANT-CLOSE",
    family=FAMILY,
    relations=(sp.Equivalent(dead, x >= w * sp.sqrt(n) * (1 + sp.Rational(1, 10**4))),),
)


def readings_near(optimum: Optimum):
    for reading in cluster_readings(optimum):
        distance = abs(reading[x] / (reading[w] * sp.sqrt(reading[n])) - 1)
        yield {**reading, bump: sp.Integer(bool(0 < distance < sp.Rational(1, 10**4)))}


LAW_CLOSE = replace(
    law,
    **OPEN,
    id="PLANT-LAW-CLOSE",
    family=FAMILY,
    read=readings_near,
    relations=(sp.Eq(p - q, sp.Max(0, 1 - x / (w * sp.sqrt(n))) + bump / 1000, evaluate=False),),
)
TRUE = replace(threshold, **OPEN, id="PLANT-TRUE", family=FAMILY)


LARGE = Problem.ce([(3, 2), (2, 2), (1, 1)], 1)


def target(claim: Claim) -> Target:
    return Target(claim, 0, frozenset({claim.id}))


def until(enough):
    """Interrupt a hunt as soon as its progress is enough."""

    def watch(progress, left, stage):
        if enough(progress):
            raise KeyboardInterrupt

    return watch


def progress_of(path: Path) -> Progress:
    progress = Progress()
    read(Journal(path), progress)
    return progress


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- refuting and shrinking --------------------------------------------------------------------------------------


def slice_with(claim: Claim, counts: tuple[int, ...]) -> int:
    return next(index for index in range(0, 300, SERIES) if counts in vectors_of(claim, index))


def test_a_claim_wrong_for_one_single_class_is_refuted_by_the_smallest_such_problem(tmp_path):
    journal = tmp_path / "PLANT-SINGLES.jsonl"
    book = Journal(journal)
    book.open()
    book.append(Header(claim=SINGLES.id, text=text_of(SINGLES)))
    index = slice_with(SINGLES, (2, 2, 2, 2, 1))
    perform(target(SINGLES), Task("smallest", index, 0, time.time() + 100), book)
    book.close()
    ended = hunt(SINGLES, 0, jobs=0, folder=tmp_path)
    found = summarise(SINGLES, ended.progress)
    assert (found.outcome, found.minimal, found.counterexample.route) == ("refuted", True, "enclosure")
    assert found.counterexample.configuration["counts"] == [["2", 4], ["1", 1]]
    smallest = Problem.from_canonical(found.counterexample.configuration)
    assert is_minimal(target(SINGLES), smallest)
    assert smallest.lambda_w == smallest.lambda_h
    assert smallest.lambda_w.denominator < 50


@pytest.mark.parametrize("claim", [CLOSE, LAW_CLOSE], ids=lambda claim: claim.id)
def test_a_claim_wrong_only_close_to_a_threshold_is_refuted(claim, tmp_path):
    began = time.process_time()
    ended = hunt(claim, 30, jobs=0, folder=tmp_path)
    assert time.process_time() - began < 120  # shrinking included, of which 90 s may lie beyond the budget
    found = summarise(claim, ended.progress)
    assert (found.outcome, found.minimal) == ("refuted", True)
    assert found.counterexample.configuration["counts"] == [["1", 2]]


def test_shrinking_beyond_the_budget_is_told_and_ends(tmp_path, monkeypatch, capsys):
    book = Journal(tmp_path / f"{SINGLES.id}.jsonl")
    book.open()
    book.append(Header(claim=SINGLES.id, text=text_of(SINGLES)))
    (violating,) = [p for p in near_thresholds(LARGE, (Fraction(1, 100),)) if 2 < p.x2 < Fraction(21, 10)]
    given = {"stage": "drawn", "slice": 0, "digest": "d", "region": "r", "seconds": 0.1}
    book.append(Trial(**given, outcome="violated", configuration=violating.canonical()))
    book.close()
    monkeypatch.setattr(campaign, "SHRINKING", 1.0)
    watch = hunting._watch()
    monkeypatch.setattr(hunting, "REFRESH", 0.0)

    def slow(target, problem, compare):
        time.sleep(0.4)
        watch(Progress(), 77.4, "shrink")

    monkeypatch.setattr("verify.hunt.shrink.violates", slow)
    ended = hunt(SINGLES, 0, jobs=0, folder=tmp_path)
    said = capsys.readouterr().err
    assert 1 <= ended.overtime < 20
    assert "shrinking the counterexample, up to 77 s more" in said
    assert "the next hunt goes on" in hunting._shrinking(ended.overtime, summarise(SINGLES, ended.progress).minimal)
    assert "goes on" not in hunting._shrinking(ended.overtime, True)
    assert hunting._shrinking(0.1, minimal=True) == ""
    assert "no minimal counterexample" in hunting._shrinking(0.1, minimal=False)  # a worker died


def test_what_is_not_minimal_is_told_from_what_is():
    (above,) = [p for p in near_thresholds(LARGE, (Fraction(1, 100),)) if 2 < p.x2 < Fraction(21, 10)]
    assert violates(target(SINGLES), above) is not None
    assert not is_minimal(target(SINGLES), above)


@pytest.mark.parametrize("name", ["HL23-04", "DA23-01", "DA24-01", "FA21-04", "TH22-01", "LS20-01", "NR26-05"])
def test_whatever_shrinks_has_fewer_classes_or_smaller_counts(name):
    family = CLAIMS[name].family
    counts = [(1, 5)] if family.model == "ce-sphere" else [(7, 2), (4, 2)]
    problem = next(bases(family, counts))
    assert all(1 < smaller.K < problem.K for smaller in fewer_classes(problem))
    for smaller in smaller_counts(problem):
        assert smaller.K == problem.K
        assert sum(smaller.sizes) < sum(problem.sizes)
    assert all(Problem.from_canonical(s.canonical()).K == s.K for s in fewer_classes(problem))


def test_classes_of_two_sizes_are_removed_together():
    """K p > 1 is decided at an exact p = 1/K only, so none of the lists between 8 and 4 classes violates it."""
    claim = quick.conjecture("PLANT-CHANCE", sp.Gt(K * vocabulary.p_own, 1), model="layer-peeled")
    large = Problem.peeled([(3, 4), (1, 4)], 1, "1/2")
    assert violates(target(claim), large) is not None
    lists = [[repeat for _, repeat in p.canonical()["counts"]] for p in fewer_classes(large)]
    assert [3, 1] in lists
    assert not is_minimal(target(claim), large)


def test_ratios_of_sizes_are_listed_by_size(tmp_path):
    found = summarise(TRUE, Progress())
    names = ["1e10", "1e9", "1", "1e1"]
    regions = {f"K 2 | ratio {name} | none | plain": 1 for name in names}
    text = hunting._counts(found.model_copy(update={"coverage": regions}), 1)
    assert text == "1: 1; 1e1: 1; 1e9: 1; 1e10: 1"


def test_the_simplest_number_of_an_interval():
    def between(low, high, value):
        return simplest_near(Fraction(value), lambda v: Fraction(low) <= v <= Fraction(high))

    assert between("3/10", "1/2", "7/20") == Fraction(1, 2)
    assert between("3/10", "2/5", "7/20") == Fraction(1, 3)
    assert between("31/10", "32/10", "1571/500") == Fraction(16, 5)
    assert between(2, 2, 2) == 2
    assert between("49995/100000", "5/10", "1984129/3968257").denominator < 10**4
    asked = []
    simplest_near(Fraction(10**12 + 1, 2 * 10**12 + 1), lambda v: asked.append(v) or v < Fraction(1, 2))
    assert len(asked) < 60


# --- surviving ---------------------------------------------------------------------------------------------------


def test_a_true_claim_survives_and_its_strength_is_told(tmp_path):
    stop = None if NIGHTLY else until(lambda progress: progress.configurations > 100)
    found = summarise(TRUE, hunt(TRUE, 600, jobs=0, folder=tmp_path, watch=stop).progress)
    assert found.outcome == "survived"
    assert not {"violated", "suspect", "contradicted", "error", "timeout"} & found.outcomes.keys()
    assert sum(found.coverage.values()) == found.outcomes["holds"] > 30
    assert found.mutants.killed == found.mutants.total > 3
    assert found.resolution <= 1e-6
    jsonschema.validate(json.loads(found.model_dump_json()), json_schemas()["verify.hunt.1"])


@pytest.mark.skipif(not NIGHTLY, reason="ten minutes each: nightly")
@pytest.mark.parametrize("name", ["HL23-03", "NR26-05", "DA24-07", "FA21-04"])
def test_theorems_survive_ten_minutes(name, tmp_path):
    found = summarise(CLAIMS[name], hunt(CLAIMS[name], 600, jobs=0, folder=tmp_path).progress)
    assert found.outcome == "survived"
    assert not {"violated", "suspect", "contradicted"} & found.outcomes.keys()


def test_a_weaker_attack_has_a_coarser_resolution(tmp_path):
    far = Pressing(target(TRUE))
    far.press(Problem.ce([(9, 2), (4, 2)], 1).at("4.001"))
    assert far.steps["0 +"] == [4, 6, 9, 12]
    assert far.steps["0 -"] == [3, 4, 6, 9, 12]


def test_a_resolution_of_one_relation_is_not_told_as_that_of_all():
    claim = CLAIMS["DA24-07"]
    everywhere = dict.fromkeys(movable(claim), 12)

    def told(detected):
        return resolution(summarise(claim, Progress(detected=detected)))

    assert told(everywhere) == "1e-12"
    assert told(everywhere | {"0 +": 9}) == "from 1e-12 to 1e-09, by relation"
    assert told(everywhere | {"1 -": 0}) == "1e-12, none for 1 of 2 relations"
    assert told({"0 +": 12}) == "none for 2 of 2 relations"
    assert summarise(claim, Progress(detected=everywhere | {"1 -": 0})).resolutions[str(claim.relations[1])] is None


def test_the_map_shows_where_nothing_was_tried(tmp_path, capsys):
    from verify.commands.hunting import print_strength

    only = "K 3 | ratio 1 | {} | no bias"
    found = summarise(TRUE, hunt(TRUE, 0, jobs=0, folder=tmp_path).progress)
    shown = found.model_copy(update={"coverage": {only.format("at"): 2}, "outcomes": {"holds": 2, "nothing": 1}})
    print_strength(shown.model_copy(update={"configurations": 3}))
    said = capsys.readouterr().out
    for row in ("below far", "above far"):
        assert re.search(rf"{row} +│( 0 +│){{6}}", said)
    assert "│ none" not in said
    assert "rounded down to a power of ten: 1: 2" in said
    assert "not counted as passes: 1 with nothing to compare" in said


# --- nothing is refuted on one floating word -----------------------------------------------------------------------


class Said(Target):
    """Routes that say what the test wants."""

    words: dict[str, str] = {}

    def findings(self, problem: Problem, route: str) -> list[Finding]:
        outcome = self.words.get(route)
        exact = outcome == "violated exactly"
        return [Finding(0, "violated" if exact else outcome, exact=exact)] if outcome else []


SAID = Problem.ce([(9, 2), (4, 2)], "1/30")


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ({"enclosure": "violated"}, "violated"),
        ({"enclosure": "holds", "exact": "violated"}, "contradicted"),
        ({"enclosure": "undecided", "exact": "violated"}, "suspect"),
        ({"enclosure": "undecided", "exact": "violated exactly"}, "violated"),
        ({"enclosure": "holds", "exact": "violated exactly"}, "contradicted"),
        ({"enclosure": "undecided", "exact": "undecided", "nonconvex": "violated"}, "suspect"),
        ({"enclosure": "undecided", "exact": "violated", "convex": "holds", "nonconvex": "holds"}, "suspect"),
        ({"enclosure": "undecided", "exact": "violated", "convex": "violated"}, "violated"),
        ({"exact": "violated", "nonconvex": "violated"}, "violated"),
        ({"enclosure": "undecided", "exact": "holds"}, "holds"),
        ({"enclosure": "undecided", "exact": "undecided"}, "undecided"),
        ({}, "nothing"),
    ],
)
def test_a_violation_stands_by_the_kernel_or_by_two_independent_routes(words, outcome):
    said = Said(TRUE, 0, frozenset({TRUE.id}))
    object.__setattr__(said, "words", words)
    assert examine(said, SAID, compare=True).outcome == outcome


STRICT = replace(
    threshold,
    **OPEN,
    id="PLANT-STRICT",
    hypotheses=(),
    settings=(),
    relations=(sp.Equivalent(dead, x > sp.sqrt(n)),),
    witness=Problem.ce([(9, 2), (4, 2)], 1, model="ce-relu").with_loss("squared").at(4),
    family=None,
)


def test_a_tie_decided_in_exact_arithmetic_refutes_in_a_run_and_in_a_hunt():
    said = {route: findings_for(STRICT, STRICT.witness, route, 0, frozenset()) for route in ("enclosure", "exact")}
    assert "violated" not in {f.outcome for f in said["enclosure"]}
    assert [f.exact for f in said["exact"] if f.outcome == "violated"] == [True]
    assert examine(target(STRICT), STRICT.witness).outcome == "violated"
    assert check(STRICT, examples=0, mutants=False).verdict == "refuted"


@pytest.mark.parametrize("liars", [("exact",), ("nonconvex",)])
def test_what_one_floating_route_sees_alone_refutes_neither_in_a_run_nor_in_a_hunt(monkeypatch, liars):
    def lying(claim, problem, route, seed, avoid):
        found = findings_for(claim, problem, route, seed, avoid)
        return [replace(f, outcome="violated" if route in liars else "undecided") for f in found]

    claim = replace(TRUE, settings=(), witness=SAID)
    for module in (engine, attack):
        monkeypatch.setattr(module, "findings_for", lying)
    assert examine(target(claim), SAID, compare=True).outcome == "suspect"
    result = check(claim, examples=0, mutants=False)
    assert (result.verdict, result.counterexample) == ("undecided", None)
    assert "no independent route confirms it" in result.reason
    assert result.routes[liars[0]].verdict == "undecided"


def test_a_violation_stands_where_the_kernel_accepts_a_refutation():
    claim = CLAIMS["DA24-14"]
    assert examine(target(claim), claim.witness, compare=True).outcome == "violated"


def test_one_relation_that_stands_is_enough():
    said = Said(replace(TRUE, relations=TRUE.relations * 2), 0, frozenset({TRUE.id}))
    words = {"enclosure": [Finding(0, "holds"), Finding(1, "undecided")], "exact": [Finding(0, "violated")]}
    words["exact"].append(Finding(1, "violated", exact=True))
    suspicions = [(finding, "exact") for finding in words["exact"]]
    found = standing(said.claim, SAID, suspicions, lambda r: words.get(r, []), lambda r: frozenset())
    assert (found.outcome, found.finding.relation, found.route) == ("violated", 1, "exact")


@pytest.mark.parametrize(("places", "outcome"), [(1, "suspect"), (2, "contradicted")])
def test_the_kernel_contradicts_only_where_it_reads_as_much(places, outcome):
    words = {"enclosure": [Finding(0, "holds")] * places, "exact": [Finding(0, "holds"), Finding(0, "violated")]}
    suspicions = [(words["exact"][1], "exact")]
    assert standing(TRUE, SAID, suspicions, lambda r: words.get(r, []), lambda r: frozenset()).outcome == outcome


def test_two_routes_that_rely_on_the_same_claim_confirm_nothing(monkeypatch):
    said = Said(TRUE, 0, frozenset({TRUE.id}))
    object.__setattr__(said, "words", {"enclosure": "undecided", "exact": "violated", "convex": "violated"})
    monkeypatch.setattr(attack, "optimum_for", lambda *a: Optimum(SAID, "any", uses=frozenset({"HL23-07"})))
    assert confirm(said, SAID, [(Finding(0, "violated"), "exact")]).outcome == "suspect"


def test_a_reader_that_fails_or_hangs_is_no_pass(tmp_path, monkeypatch):
    def failing(optimum):
        raise RuntimeError("no reader")

    def hanging(optimum):
        time.sleep(60)

    broken = replace(TRUE, id="PLANT-BROKEN", read=failing, settings=())
    assert examine(target(broken), SAID).outcome == "error"
    monkeypatch.setattr("verify.hunt.worker.LIMIT", 0.2)
    slow = replace(TRUE, id="PLANT-SLOW", read=hanging, settings=())
    found = summarise(slow, hunt(slow, 60, jobs=0, folder=tmp_path, watch=until(bool)).progress)
    assert found.outcome == "nothing"
    assert set(found.outcomes) == {"timeout"}
    assert found.notes[0].reason == "more than 0.2 s"


# --- the journal -------------------------------------------------------------------------------------------------


def test_an_interrupted_hunt_loses_nothing_and_the_next_one_goes_on(tmp_path):
    first = hunt(TRUE, 60, jobs=0, folder=tmp_path, watch=until(lambda progress: progress.configurations > 20))
    assert first.interrupted
    before = first.progress.configurations
    again = hunt(TRUE, 60, jobs=0, folder=tmp_path, watch=until(lambda progress: progress.configurations > before))
    assert again.progress.configurations > before
    assert len({line["digest"] for line in lines(again.journal)[1:] if line["kind"] == "trial"}) >= before


CONJECTURE = """
from dataclasses import replace
from theory.claim import Family
from theory.hong_ling_2023.minority_collapse import threshold
mine = replace(threshold, id="MINE-01", status="conjecture", required="agrees", mutants=(), derivation=None,
               family=Family(bias=("none",), near=("merge",)))
"""


def test_a_killed_hunt_loses_at_most_the_configuration_under_way(tmp_path):
    (tmp_path / "conjectures").mkdir()
    (tmp_path / "conjectures" / "mine.py").write_text(CONJECTURE)
    command = [sys.executable, "-m", "verify", "hunt", "MINE-01", "--budget", "10m", "--seed", "3"]
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[1])}
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    journal = tmp_path / "hunts" / "MINE-01.jsonl"
    started = time.monotonic()
    while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
        assert time.monotonic() - started < 100
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    time.sleep(2)  # the worker notices that it is alone
    tried = [line["digest"] for line in lines(journal) if line["kind"] == "trial"]
    assert len(tried) >= 19
    size = journal.stat().st_size
    time.sleep(0.5)
    assert journal.stat().st_size == size
    with journal.open("ab") as file:
        file.write(b'{"kind":"trial","stage":"smal')
    (claim,) = registry.claims_in_file(tmp_path / "conjectures" / "mine.py")
    more = until(lambda progress: progress.configurations > len(tried))
    resumed = hunt(claim, 60, jobs=0, seed=3, folder=tmp_path / "hunts", watch=more)
    after = [line["digest"] for line in lines(journal) if line["kind"] == "trial"]
    assert after[: len(tried)] == tried
    assert len(after) > len(tried)
    assert len(after) == len(set(after)) == resumed.progress.configurations


OWN = """
from theory.quick import *

FACTOR = {factor}

def scaled(values):
    {comment}
    return {helper}

def own_readings(optimum):
    for reading in larger_readings(optimum):
        yield {{margin: scaled(reading[margin]) * FACTOR}}

mine = conjecture("MINE-09", sp.Ge(margin, 0), read=own_readings)
"""


def test_the_text_of_a_claim_holds_the_helpers_and_constants_of_its_reader(tmp_path):
    def text(number, factor="1", helper="values", comment="# no word"):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "own.py").write_text(OWN.format(factor=factor, helper=helper, comment=comment))
        return text_of(registry.load([folder], ["MINE-09"])["MINE-09"])

    assert text(0) == text(1, comment="# another word")
    assert len({text(2), text(3, factor="2"), text(4, helper="2 * values")}) == 3


def test_a_changed_claim_starts_a_new_journal(tmp_path):
    hunt(TRUE, 0, jobs=0, folder=tmp_path)
    changed = replace(TRUE, relations=(sp.Equivalent(dead, x > w * sp.sqrt(n)),))
    ended = hunt(changed, 0, jobs=0, folder=tmp_path)
    assert ended.set_aside == tmp_path / f"PLANT-TRUE.{text_of(TRUE)[:8]}.jsonl"
    assert progress_of(ended.set_aside).header.text == text_of(TRUE)
    assert ended.progress.header.text == text_of(changed)
    assert text_of(TRUE) == text_of(replace(TRUE, title="another title"))


def test_one_hunt_at_a_time(tmp_path):
    holder = Journal(tmp_path / "PLANT-TRUE.jsonl")
    holder.open()
    with pytest.raises(InputError, match="another hunt"):
        hunt(TRUE, 0, jobs=0, folder=tmp_path)
    holder.close()


HEADER = Header(claim="HL23-04", text=text_of(CLAIMS["HL23-04"])).model_dump_json()
TRIAL = (
    '{"kind":"trial","stage":"drawn","slice":0,"digest":"00","region":"a | b | c | d","outcome":"holds","seconds":1}'
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("not json\n", "not a line of a hunt"),
        ("[" * 10**5 + "\n", "not a line of a hunt"),
        ('{"kind":"exec","code":"import os"}\n', "not a line of a hunt"),
        (TRIAL + "\n", "first line"),
        (HEADER + "\n" + HEADER + "\n", "first line"),
        (HEADER.replace("HL23-04", "HL23-05") + "\n", "journal of 'HL23-05'"),
        (HEADER + "\n" + TRIAL.replace('"holds"', '"proved"') + "\n", "outcome"),
        (HEADER + "\n" + TRIAL.replace("}", ',"detected":["x"]}') + "\n", "not a line"),
        (HEADER + "\n" + "x" * 1_000_001, "a line of more than"),
    ],
)
def test_a_hostile_journal_is_one_sentence(text, rule, tmp_path, capsys):
    (tmp_path / "HL23-04.jsonl").write_text(text)
    code = cli.run(["hunt", "HL23-04", "--budget", "0", "--hunts", str(tmp_path)])
    said = capsys.readouterr().err
    assert code == 2
    assert rule in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("kind", ["violated", "shrunk"])
def test_a_violation_that_no_route_confirms_is_refused(kind, tmp_path):
    true, problem = CLAIMS["HL23-04"], SAID.canonical()
    book = Journal(tmp_path / "HL23-04.jsonl")
    book.open()
    book.append(Header(claim=true.id, text=text_of(true)))
    given = {"stage": "drawn", "slice": 0, "digest": "0", "region": "a | b | c | d", "seconds": 0.1}
    book.append(Trial(**given, outcome="violated", configuration=problem))
    if kind == "shrunk":
        from verify.hunt.journal import Shrunk

        book.append(Shrunk(configuration=problem, relation=0, route="exact", observed="", predicted="", minimal=True))
    book.close()
    with pytest.raises(InputError, match="do not confirm"):
        hunt(true, 0, jobs=0, folder=tmp_path)


def test_a_folder_in_place_of_a_journal_is_one_sentence(tmp_path, capsys):
    (tmp_path / "HL23-04.jsonl").mkdir()
    assert cli.run(["hunt", "HL23-04", "--budget", "0", "--hunts", str(tmp_path)]) == 2
    assert "not a regular file" in capsys.readouterr().err


@pytest.mark.parametrize("budget", ["ten", "-1", "1e9", "9999h", "nan", ""])
def test_a_budget_is_a_time(budget, capsys):
    assert cli.run(["hunt", "HL23-04", "--budget", budget]) == 2
    assert "--budget" in capsys.readouterr().err


# --- stages ------------------------------------------------------------------------------------------------------


class Log:
    """An attack that only writes down."""

    def __init__(self, claim: Claim, judged: bool = False) -> None:
        self.target, self.judged, self.seen = target(claim), judged, []

    def __call__(self, problem: Problem):
        if not valid(problem, self.target.claim):
            return None
        self.seen.append(problem)
        return examine(self.target, problem) if self.judged else attack.Examined("holds", -1.0)

    def pattern(self, problem: Problem):
        return problem.x2 > 5


@pytest.mark.parametrize("stage", STAGES)
def test_a_slice_repeats_for_the_same_seed_and_differs_for_another(stage):
    one, same, other = Log(TRUE), Log(TRUE), Log(TRUE)
    for log, seed in ((one, 0), (same, 0), (other, 1)):
        play(stage, TRUE, 24, seed, [SAID], log)
    assert one.seen == same.seen != []
    assert (one.seen == other.seen) == (stage == "smallest")


def test_a_claim_wrong_for_two_knobs_together_is_refuted_by_the_third_series(tmp_path):
    """The rank law with class weights and shifted logits at once is false, from three samples on."""
    law = CLAIMS["CJ26-01"]
    family = replace(law.family, weights=True)
    claim = replace(law, id="PLANT-KNOBS", hypotheses=law.hypotheses[:-1], family=family)
    log = Log(claim, judged=True)
    play("smallest", claim, 2, 0, [], log)
    found = [p for p in log.seen if p.adjustment and len({run.weight for run in p.runs}) > 1]
    assert any(examine(log.target, problem).outcome == "violated" for problem in found)


def test_a_law_that_only_many_giants_break_is_refuted_by_the_boundary():
    family = Family(bias=("none",), near=("merge", "collapse"))
    log = Log(replace(CLAIMS["CJ26-02"], id="PLANT-SAFE", family=family), judged=True)
    play("boundary", log.target.claim, 4, 0, [], log)
    assert any(examine(log.target, problem).outcome == "violated" for problem in log.seen)


def test_classes_of_their_own_size_are_tried_at_that_size():
    levels = {p.x2 for p in near_thresholds(Problem.ce([14, 6, (5, 2)], 1), (Fraction(0), Fraction(1, 1000)))}
    assert {Fraction(14), Fraction(6), Fraction(5), Fraction(14014, 1000), Fraction(6006, 1000)} <= levels


def test_every_count_vector_once():
    found = [v for index in range(0, 60, SERIES) for v in vectors_of(CLAIMS["CJ26-04"], index)]
    assert len(found) == len(set(found))
    assert [v for v in found if sum(v) <= 8] == [v for total in range(2, 9) for v in count_vectors(total, "any")]
    assert sum(1 for _ in count_vectors(12, "any")) == 76  # partitions of 12 but (12)


def test_changes_are_bisected_from_both_sides():
    log = Log(TRUE)
    stages._bisect_changes(Problem.ce([(9, 2), (4, 2)], 1), log)
    distances = sorted(abs(float(problem.x2) / 5 - 1) for problem in log.seen)
    assert distances[0] < 1e-9
    assert {problem.x2 > 5 for problem in log.seen if abs(problem.x2 - 5) < Fraction(1, 10**6)} == {True, False}


def test_the_optimiser_walks_towards_the_violation():
    """p of the larger class is the larger one: false where a small class is heavier, which the start is not."""
    claim = replace(CLAIMS["CJ26-03"], hypotheses=(), family=Family(bias=("none",), weights=True), id="PLANT-HEAVY")
    log = Log(claim, judged=True)
    start = Problem.ce([5, 3, 2], "1/20")
    play("optimised", claim, 1, 0, [start], log)
    margins = [seen for p in log.seen if (seen := look(claim, p, "enclosure", 0, log.target.avoid).margin) is not None]
    assert margins[0] < 0 < max(margins)
    assert len(log.seen) < 300


@pytest.mark.parametrize("name", ["CJ26-01", "CJ26-05", "CJ26-06", "DA23-01", "DA24-01", "TH22-01", "LS20-01"])
def test_real_parameters_round_trip_and_every_problem_has_a_region(name):
    family = CLAIMS[name].family
    counts = [(1, 4)] if family.model == "ce-sphere" else [(5, 2), (3, 2)]
    for problem in bases(family, counts):
        point = vector(problem, family)
        assert at_vector(problem, family, point) == problem
        moved = at_vector(problem, family, [v + 0.1 for v in point])
        assert moved != problem
        assert len(region(moved).split(" | ")) == 4


def test_margins_are_signed():
    claim = CLAIMS["CJ26-02"]
    half = claim.mutants[1]
    wrong = half.read and look(claim.mutated(half), half.problem, "enclosure", 0, frozenset()).margin
    right = look(claim, half.problem, "enclosure", 0, frozenset()).margin
    assert wrong > 0
    assert right is None or right < 0


# --- workers and the command line ----------------------------------------------------------------------------------

HANGING = """
import signal
import time
from dataclasses import replace
from theory.hong_ling_2023.minority_collapse import threshold

def deaf(optimum):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # like a solver that never comes back to Python
    time.sleep(1000)

mine = replace(threshold, id="MINE-02", status="conjecture", required="agrees", mutants=(), derivation=None, read=deaf)
"""


def test_a_hung_worker_is_ended_and_its_configuration_is_a_timeout(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(HANGING)
    monkeypatch.setattr(campaign, "HUNG", 0.5)
    (claim,) = registry.claims_in_file(tmp_path / "mine.py")

    stop = until(lambda progress: progress.outcomes["timeout"])
    ended = hunt(claim, 60, jobs=1, folder=tmp_path / "hunts", paths=(tmp_path,), watch=stop)
    assert dict(ended.progress.outcomes) == {"timeout": 1}
    assert summarise(claim, ended.progress).notes[0].reason.startswith("more than 0.5 s, ended from outside")


def test_the_command_says_what_it_found_and_show_repeats_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conjectures").mkdir()
    (tmp_path / "conjectures" / "mine.py").write_text(CONJECTURE)
    monkeypatch.setattr("verify.hunt.campaign.Remote", lambda target, paths, path: campaign.Inline(target, path))
    assert cli.run(["hunt", "MINE-01", "--budget", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json_schemas()["verify.hunt.1"])
    assert (found["claim"], found["outcome"]) == ("MINE-01", "survived")
    assert cli.run(["show", "MINE-01"]) == 0
    shown = capsys.readouterr().out
    assert f"not refuted by {found['configurations']} configurations" in shown
    assert "That is not a proof" in shown
    assert cli.run(["show", "MINE-01", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hunt"]["configurations"] == found["configurations"]


def test_a_refuted_claim_saves_a_case_that_replays(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conjectures").mkdir()
    wrong = CONJECTURE + (
        "import sympy as sp\nfrom theory.symbols import dead, n, w, x\n"
        "mine = replace(mine, relations=(sp.Equivalent(dead, x > w * sp.sqrt(n)),))\n"
    )
    (tmp_path / "conjectures" / "mine.py").write_text(wrong)
    monkeypatch.setattr("verify.hunt.campaign.Remote", lambda target, paths, path: campaign.Inline(target, path))
    assert cli.run(["hunt", "MINE-01", "--budget", "20"]) == 1
    said = capsys.readouterr().out
    assert "MINE-01 is REFUTED" in said
    files = sorted((tmp_path / "hunts" / "cases").glob("*.json"))
    case = next(file for file in files if "refutation" not in file.name)
    assert f"written: hunts/cases/{case.name}" in said
    assert cli.run(["replay", str(case), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["outcome"] == "violated"
    assert cli.run(["hunt", "MINE-01", "--budget", "0", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["minimal"]


def test_the_report_tells_how_a_conjecture_was_hunted(tmp_path, monkeypatch):
    from verify.engine import check
    from verify.report.views import claim_view

    monkeypatch.chdir(tmp_path)
    result = check(TRUE, examples=0, routes=["enclosure"], mutants=False)
    assert claim_view(TRUE, result).hunted == ""
    hunt(TRUE, 60, jobs=0, watch=until(lambda progress: progress.configurations > 5))
    assert claim_view(TRUE, result).hunted.startswith("Hunted and not refuted, which is no proof: ")
    (tmp_path / "hunts" / "PLANT-TRUE.jsonl").write_text("damaged\n")
    assert claim_view(TRUE, result).hunted == ""


def test_hunts_of_another_text_are_not_shown(tmp_path):
    hunt(TRUE, 0, jobs=0, folder=tmp_path)
    assert known(TRUE, tmp_path).claim == TRUE.id
    assert known(replace(TRUE, relations=()), tmp_path) is None


def test_a_claim_without_a_family_cannot_be_hunted(capsys, tmp_path):
    assert cli.run(["hunt", "UC26-R1", "--budget", "0", "--hunts", str(tmp_path)]) == 2
    assert "no family" in capsys.readouterr().err


def test_shipped_hunts_are_of_the_present_claims_and_the_longer_hunt_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("verify.hunt.strength.files", lambda package: tmp_path)
    some = until(lambda progress: progress.configurations > 5)
    long = summarise(TRUE, hunt(TRUE, 60, jobs=0, folder=tmp_path / "long", watch=some).progress)
    ship(long)
    assert known(TRUE, tmp_path / "none") == long
    hunt(TRUE, 0, jobs=0, folder=tmp_path / "short")
    assert known(TRUE, tmp_path / "short").configurations == long.configurations > 0
    (tmp_path / "hunts" / "PLANT-TRUE.json").write_text("{}")
    with pytest.raises(InputError, match="not a summary"):
        known(TRUE, tmp_path / "none")


def test_every_shipped_hunt_belongs_to_the_claim_as_it_is():
    for file in (Path(stages.__file__).parents[1] / "hunts").glob("*.json"):
        found = shipped(file.stem)
        assert found.text == text_of(CLAIMS[file.stem]), f"{file.name}: the claim has changed, hunt it again"
        assert found.outcome == "survived"
        assert sum(found.coverage.values()) == found.outcomes["holds"]
        assert file.stat().st_size < 100_000  # an hour fills a thousand regions


def test_weights_that_do_not_matter_go_though_they_move_the_threshold():
    """With weights 1 the violation needs another weight decay: the level relative to the threshold is kept."""
    target, found = Target(SINGLES), []
    heavy = Problem.ce([2, 2, 2, 2, 1], "6/19", weights=[2, 2, 2, 2, 1])
    assert violates(target, heavy)
    assert shrink(target, heavy, lambda problem, seen: found.append(problem))
    assert found[-1] == Problem.ce([2, 2, 2, 2, 1], "3/19")
