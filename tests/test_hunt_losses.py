"""Nothing that a hunt finds is lost: failing routes, slow mutants, dying workers, full disks, two hunts at once."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp
from test_hunt import SAID, TRUE, Log, Said, target

from theory.claim import Family
from theory.observables import cluster_readings
from theory.problem import Problem
from theory.symbols import dead, n, w, x
from verify.commands import hunting
from verify.counts import InputError
from verify.hunt import campaign, sentence, stages, summarise, worker
from verify.hunt.attack import Examined, examine
from verify.hunt.campaign import hunt
from verify.hunt.journal import Header, Journal, SliceEnd, Trial, text_of
from verify.hunt.progress import Progress, read
from verify.hunt.shrink import fewer_classes, shrink, simplified, smaller_counts
from verify.hunt.spaces import bases, count_vectors, near_thresholds
from verify.hunt.stages import play
from verify.hunt.worker import CONFIRM, SHRINK, SLOT, Attacker, Stop, Task, announced, perform
from verify.judge import Finding
from verify.limits import OutOfTime, time_limit
from verify.models.mse import around, at_threshold

LATE = (sp.Equivalent(dead, x > 2 * w * sp.sqrt(n)),)
BETWEEN = Problem.ce([(9, 2), (4, 2)], 1).at(9)
TASK = Task("drawn", 0, 0, time.time() + 10**6)


def trial(outcome: str, digest: str = "d", **more: object) -> Trial:
    return Trial(stage="drawn", slice=0, digest=digest, region="a | b | c | d", outcome=outcome, seconds=0.1, **more)


def journal_at(path, claim=TRUE) -> Journal:
    book = Journal(path)
    book.open()
    book.append(Header(claim=claim.id, text=text_of(claim)))
    return book


def progress_of(path) -> Progress:
    progress = Progress()
    read(Journal(path), progress)
    return progress


# --- a violation is not lost -------------------------------------------------------------------------------------


def test_what_the_kernel_refutes_falls_though_another_route_fails():
    def picky(optimum):
        if optimum.route != "enclosure":
            raise RuntimeError("known to the kernel only")
        yield from cluster_readings(optimum)

    wrong = target(replace(TRUE, id="PLANT-PICKY", read=picky, relations=LATE))
    seen = examine(wrong, BETWEEN)
    assert (seen.outcome, seen.route) == ("violated", "enclosure")
    right = target(replace(wrong.claim, relations=TRUE.relations))
    assert examine(right, BETWEEN).outcome == "holds"
    assert examine(right, BETWEEN, compare=True).outcome == "error"


def test_no_mutant_turns_a_verdict_into_a_timeout(tmp_path, monkeypatch):
    def endless(pressing, problem):
        raise OutOfTime("more than 30 s")

    monkeypatch.setattr("verify.hunt.pressing.Pressing.press", endless)
    for claim, outcome in ((TRUE, "holds"), (replace(TRUE, id="PLANT-LATE", relations=LATE), "violated")):
        book = journal_at(tmp_path / f"{claim.id}.jsonl", claim)
        attacker = Attacker(target(claim), TASK, book)
        if outcome == "violated":
            with pytest.raises(Stop):
                attacker(BETWEEN)
        else:
            assert attacker(BETWEEN).outcome == outcome
        book.close()
        assert dict(progress_of(book.path).outcomes) == {outcome: 1}


def test_a_route_that_errs_kills_no_mutant(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "examine", lambda *a, **k: Examined("contradicted"))
    book = journal_at(tmp_path / "j.jsonl")
    attacker = Attacker(target(TRUE), TASK, book)
    attacker(BETWEEN)
    book.close()
    assert not progress_of(book.path).killed


def test_an_earlier_word_hides_no_violation():
    progress = Progress()
    for line in (trial("timeout"), trial("violated", configuration=SAID.canonical())):
        progress.add(line)
    assert progress.violation == SAID.canonical()
    assert dict(progress.outcomes) == {"violated": 1}
    for line in (trial("holds", "e"), trial("suspect", "e", configuration=SAID.canonical()), trial("holds", "e")):
        progress.add(line)
    assert dict(progress.outcomes) == {"violated": 1, "suspect": 1}
    assert (dict(progress.coverage), progress.configurations) == ({}, 2)
    assert [outcome for outcome, *_ in progress.notes] == ["suspect"]


def test_a_violation_that_only_descents_bear_out_is_confirmed_again(tmp_path):
    said = Said(TRUE, 0, frozenset({TRUE.id}))
    seen = {"enclosure": "undecided", "exact": "undecided", "nonconvex": "violated", "convex": "violated"}
    object.__setattr__(said, "words", seen)
    assert examine(said, SAID).outcome == "undecided"
    assert examine(said, SAID, compare=True).outcome == "violated"
    perform(said, replace(TASK, stage=SHRINK, index=CONFIRM, starts=(SAID.canonical(),)), journal_at(tmp_path / "j"))


def test_where_the_kernel_reads_more_a_floating_route_settles_nothing():
    said = Said(TRUE, 0, frozenset({TRUE.id}))
    words = {"enclosure": [Finding(0, "holds"), Finding(0, "undecided")], "exact": [Finding(0, "holds")]}
    object.__setattr__(said, "findings", lambda problem, route: words.get(route, []))
    assert examine(said, SAID).outcome == "undecided"


# --- workers -----------------------------------------------------------------------------------------------------


class Dying:
    """A worker that ends at once, without a word."""

    slot = b"\0"

    def __init__(self, error: Exception) -> None:
        self.error, self.begun = error, 0

    def wait(self) -> None:
        pass

    def submit(self, task: Task) -> Future[None]:
        future: Future[None] = Future()
        future.set_exception(self.error)
        return future

    def end(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (BrokenProcessPool("dead"), "dies in stage smallest before it tries anything, 3 times in a row"),
        (IndexError("no fifth class"), r"cannot draw problems \(no fifth class\)"),
        (InputError("the journal cannot be written"), "^the journal cannot be written$"),
    ],
)
def test_a_worker_that_tries_nothing_is_one_sentence_and_not_an_endless_hunt(error, rule, tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "Remote", lambda *arguments: Dying(error))
    with pytest.raises(InputError, match=rule):
        hunt(TRUE, 20, jobs=1, folder=tmp_path)


def test_a_process_that_died_in_between_is_told_like_one_that_died_at_work():
    class Broken:
        def submit(self, *arguments):
            raise BrokenProcessPool

    remote = campaign.Remote.__new__(campaign.Remote)
    remote.pool = Broken()
    assert isinstance(remote.submit(TASK).exception(), BrokenProcessPool)


@pytest.mark.parametrize("outcome", ["timeout", "error"])
def test_what_hung_or_failed_is_not_asked_for_its_pattern(outcome):
    class Hung:
        def __call__(self, problem):
            return Examined(outcome)

        def pattern(self, problem):
            raise AssertionError("it would hang again")

    assert stages._seen(SAID, Hung()) is None


def test_a_slice_that_goes_on_knows_what_hung_and_says_what_it_looks_at(tmp_path):
    progress = Progress()
    progress.add(trial("timeout", SAID.sha256[:16], configuration=SAID.canonical()))
    slot = multiprocessing.RawArray("c", SLOT)
    task = replace(TASK, known=progress.unfinished["drawn", 0])
    attacker = Attacker(target(TRUE), task, journal_at(tmp_path / "j"), slot)
    assert attacker(SAID).outcome == "timeout"
    assert announced(slot) is None
    attacker.pattern(SAID)
    assert announced(slot)[1] == SAID.canonical()


def test_seconds_after_the_last_configuration_count(tmp_path, monkeypatch):
    def thinking(*arguments):
        began = time.process_time()
        while time.process_time() < began + 0.2:
            pass

    monkeypatch.setattr(worker, "play", thinking)
    book = journal_at(tmp_path / "j")
    perform(target(TRUE), TASK, book)
    assert 0.2 <= progress_of(book.path).seconds["drawn"] < 0.3


# --- the journal -------------------------------------------------------------------------------------------------


def test_lines_that_a_hunt_wrote_while_another_began_stay(tmp_path, monkeypatch):
    journal_at(tmp_path / f"{TRUE.id}.jsonl").close()
    opened = Journal.open

    def late(journal):
        with journal.path.open("a") as file:  # the other hunt ends, and lets go of the lock
            file.write(trial("holds").model_dump_json() + "\n")
        opened(journal)

    monkeypatch.setattr(Journal, "open", late)
    assert hunt(TRUE, 0, jobs=0, folder=tmp_path).progress.configurations == 1
    assert progress_of(tmp_path / f"{TRUE.id}.jsonl").configurations == 1


def test_a_journal_that_was_renamed_under_way_is_not_locked(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "j.jsonl"
    journal_at(path).close()
    monkeypatch.setattr(fcntl, "flock", lambda *arguments: path.rename(tmp_path / "aside.jsonl"))
    with pytest.raises(InputError, match="another hunt"):
        Journal(path).open()


def test_every_journal_set_aside_stays(tmp_path):
    changed = replace(TRUE, relations=LATE)
    asides = []
    for claim in (TRUE, changed, TRUE, changed):
        asides.append(hunt(claim, 0, jobs=0, folder=tmp_path).set_aside)
    assert asides[0] is None
    assert [progress_of(path).header.text for path in asides[1:]] == list(map(text_of, (TRUE, changed, TRUE)))
    assert asides[3].name == f"{TRUE.id}.{text_of(TRUE)[:8]}-2.jsonl"


def test_a_disk_that_takes_a_line_in_parts_or_not_at_all(tmp_path, monkeypatch):
    book, write = journal_at(tmp_path / "j"), os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:50]))
    book.append(trial("holds"))
    assert progress_of(book.path).configurations == 1

    def full(handle, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        book.append(SliceEnd(stage="drawn", slice=0))


# --- where a hunt looks ------------------------------------------------------------------------------------------


def test_what_took_too_long_may_be_smaller(monkeypatch):
    def slow(target, problem, compare):
        raise OutOfTime

    monkeypatch.setattr("verify.hunt.shrink.violates", slow)
    assert not shrink(target(TRUE), BETWEEN, lambda *a: None)
    monkeypatch.setattr("verify.hunt.shrink.violates", lambda *a, **k: None)
    assert shrink(target(TRUE), BETWEEN, lambda *a: None)


def test_shrinking_keeps_unequal_decays():
    large = Problem.ce([(9, 2), (4, 2)], 1).at(9).tilted(10, 4)
    for smaller in (*fewer_classes(large), *smaller_counts(large)):
        assert smaller.lambda_w / smaller.lambda_h == pytest.approx(100, rel=0.01)
    assert next(p.x2 for p in near_thresholds(large, (Fraction(0),))) == 4


def test_long_hunts_of_few_count_vectors_do_not_search_among_all_partitions():
    with time_limit(5):
        assert list(count_vectors(101, "balanced")) == [(1,) * 101]
        assert sum(1 for _ in count_vectors(101, "two")) > 100
    assert [v for v in count_vectors(9, "any") if len(set(v)) == 2] == list(count_vectors(9, "two"))


def test_rational_thresholds_after_an_irrational_one_are_tried_exactly():
    problem = Problem.mse([(9, 2), (4, 3), (1, 1)], 1, bias="free")
    exact = [p for p in around(problem, ("zero",), (Fraction(0), Fraction(1, 2))) if at_threshold(p)]
    assert len(exact) == 2


@pytest.mark.parametrize("model", ["mse", "uf-svm", "layer-peeled"])
def test_small_dimensions_are_tried_where_the_family_allows_them(model):
    family = Family(model=model, bias=("none",), dims="any")
    assert {problem.dim for problem in bases(family, (2, 1, 1, 1))} == {4, 2}
    assert {problem.dim for problem in bases(replace(family, dims="wide"), (2, 1, 1, 1))} == {4}


def test_unequal_decays_and_extreme_sizes_are_tried_early():
    log = Log(TRUE)
    for index in range(40):
        play("boundary", TRUE, index, 0, [], log)
    tried = log.seen
    assert max(max(p.sizes) / min(p.sizes) for p in tried) >= 10**6
    assert any(p.lambda_w / p.lambda_h > Fraction(7, 2) for p in tried)


def test_unequal_decays_become_simple_numbers():
    def falls(problem):
        return problem.lambda_w >= 4 * problem.lambda_h and Fraction(1, 5) < problem.lam2 < Fraction(1, 4)

    found = simplified(Problem.ce([2, 1], "15001/10000", "1501/10007"), falls)
    assert falls(found)
    assert max(found.lambda_w.denominator, found.lambda_h.denominator) < 20


def test_a_fraction_of_a_sample_is_made_smaller():
    lists = [[str(n) for n in p.sizes] for p in smaller_counts(Problem.svm([("99/2", 2)]))]
    assert lists[0] == ["1", "1"]
    assert ["1/2", "1/2"] in lists
    assert all(Fraction(n) <= 50 for sizes in lists for n in sizes)


def test_a_survivor_says_on_how_many_configurations_the_claim_holds():
    progress = Progress()
    for line in (trial("holds", "a"), trial("error", "b"), trial("error", "c")):
        progress.add(line)
    assert "3 configurations (it holds on 1)" in sentence(summarise(TRUE, progress))


def test_a_survivor_names_the_relations_that_nothing_read(tmp_path):
    claim = replace(TRUE, id="PLANT-UNREAD", relations=(*TRUE.relations, sp.Eq(sp.Symbol("unread"), 1)))
    book = journal_at(tmp_path / "j", claim)
    attacker = Attacker(target(claim), TASK, book)
    for problem in (BETWEEN, SAID):
        attacker(problem)
    book.close()
    found = summarise(claim, progress_of(book.path))
    assert (found.outcome, found.unread) == ("survived", ["Eq(unread, 1)"])
    assert "nothing tried about Eq(unread, 1)" in sentence(found)
    assert found.unread[0] in "".join(hunting._lines(found))
    older = Progress()
    older.add(trial("holds"))
    assert summarise(claim, older).unread == []


def test_equal_thresholds_of_different_sizes_and_levels_far_away_are_tried():
    claim = replace(TRUE, id="PLANT-EVEN", family=Family(bias=("none",), weights=True, near=("merge",)), hypotheses=())
    log = Log(claim)
    for index in range(12, 40):
        play("boundary", claim, index, 0, [], log)
    tops = [(p, max(run.weight**2 * run.size for run in p.runs)) for p in log.seen]
    assert any(sum(r.weight**2 * r.size == top for r in p.runs) > 1 and len(set(p.sizes)) > 1 for p, top in tops)
    assert any(p.x2 > 1000 * top for p, top in tops)
    assert any(p.x2 < top / 1000 for p, top in tops)
