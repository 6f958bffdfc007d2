"""Run a hunt: hand slices to workers until the budget is spent, a violation is found, or the user stops it."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any, Protocol

from theory.claim import Claim
from theory.problem import Problem
from verify.counts import InputError
from verify.hunt.attack import LIMIT, Outcome, Target
from verify.hunt.coverage import region
from verify.hunt.journal import Header, Journal, Trial, text_of
from verify.hunt.progress import Progress, read
from verify.hunt.stages import STAGES
from verify.hunt.worker import CONFIRM, SHRINK, SLOT, Task, announced, in_worker, perform, start_worker

__all__ = ["SHRINKING", "Ended", "hunt", "journal_of"]

HUNG = LIMIT + 15
"""Seconds after which a worker that does not come back is ended: its limit did not reach a solver in C."""
SHRINKING = 90.0
"""Seconds granted to shrinking beyond the budget."""
MOST_DEATHS = 3
"""So often a slice is begun again by a new worker after one that died without a word."""
PULSE = 0.25
SHARE = {"smallest": 2.5, "boundary": 1.5, "drawn": 1.0, "optimised": 1.0}
EXPECTED = 5.0
"""Seconds that a slice under way is taken to need."""
FAVOUR, MOST_FAVOUR = 2.0, 4.0
"""Shares of the time, and how they adapt: a stage that brings something new gets up to four times its share."""

Watch = Callable[[Progress, float, str], None]


@dataclass(frozen=True)
class Ended:
    """How a hunt ended: ``progress`` holds everything, including earlier hunts of the same claim.

    ``overtime`` are the seconds of shrinking beyond the budget.
    """

    progress: Progress
    journal: Path
    set_aside: Path | None = None
    interrupted: bool = False
    overtime: float = 0.0


class Worker(Protocol):
    """Does one slice at a time."""

    slot: Any

    def wait(self) -> None:
        """Return when it is ready to work."""

    def submit(self, task: Task) -> Future[None]:
        """Begin a slice."""

    def end(self) -> None:
        """End it, whatever it is doing."""


class Inline:
    """A worker in this process: nothing is started, nothing can be ended."""

    slot = None

    def __init__(self, target: Target, journal: Path) -> None:
        self.target, self.journal = target, Journal(journal)

    def wait(self) -> None:
        """It is ready."""

    def submit(self, task: Task) -> Future[None]:
        """Do a slice."""
        perform(self.target, task, self.journal)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    def end(self) -> None:
        """Close its journal."""
        self.journal.close()


class Remote:
    """A worker process, which can be ended at any moment."""

    def __init__(self, target: Target, paths: Sequence[Path], journal: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.slot = context.RawArray("c", SLOT)
        arguments = (target.claim.id, tuple(paths), journal, target.seed, self.slot, os.getpid())
        self.pool = ProcessPoolExecutor(1, context, start_worker, arguments)

    def wait(self) -> None:
        """Return when the process has loaded the claim; one that dies is dealt with at its first slice."""
        with suppress(BrokenProcessPool):
            self.pool.submit(os.getpid).result()

    def submit(self, task: Task) -> Future[None]:
        """Begin a slice."""
        try:
            return self.pool.submit(in_worker, task)
        except BrokenProcessPool as error:  # it died between two slices, or while it loaded the claim
            future: Future[None] = Future()
            future.set_exception(error)
            return future

    def end(self) -> None:
        """Kill the process."""
        for process in list((self.pool._processes or {}).values()):
            process.kill()
        self.pool.shutdown(wait=True, cancel_futures=True)


@dataclass
class Schedule:
    """Which slice comes next: the stage that has worked least, relative to how much it brought lately."""

    progress: Progress
    running: dict[Future[None], tuple[str, int]] = field(default_factory=dict)
    favour: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 1.0))

    def next(self) -> tuple[str, int]:
        """Stage and index of the next slice."""
        busy = {stage for stage, _ in self.running.values()}
        stage = min(STAGES, key=lambda s: (self._cost(s) + EXPECTED * (s in busy)) / (self.favour[s] * SHARE[s]))
        done = self.progress.slices[stage] | {index for s, index in self.running.values() if s == stage}
        index = next(i for i in range(len(done) + 1) if i not in done)
        return stage, index

    def _cost(self, stage: str) -> float:
        """Seconds, and a little for every slice: empty ones cost too."""
        return self.progress.seconds[stage] + 0.2 * len(self.progress.slices[stage])

    def judge(self, stage: str, gained: bool) -> None:
        """More time for a stage that brought something new, less for one that did not."""
        factor = FAVOUR if gained else 1 / FAVOUR
        self.favour[stage] = min(MOST_FAVOUR, max(1.0, self.favour[stage] * factor))


def journal_of(claim: Claim, folder: Path) -> Path:
    """Where the journal of a claim lies."""
    return folder / f"{claim.id}.jsonl"


def hunt(
    claim: Claim,
    budget: float,
    *,
    jobs: int = 1,
    seed: int = 0,
    folder: Path = Path("hunts"),
    avoid: frozenset[str] = frozenset(),
    paths: Sequence[Path] = (),
    watch: Watch | None = None,
) -> Ended:
    """Attack a claim for some time and keep everything in its journal.

    Parameters
    ----------
    claim : the claim; its family says where to look.
    budget : seconds; a resumed hunt adds them.
    jobs : worker processes; 0 works in this process, where a hung solver cannot be ended.
    seed : of what is drawn. A slice of a stage is the same for the same seed (``optimised``: and the same starting
        points); which slices are reached depends on the time there is.
    folder : where journals lie.
    avoid : claim IDs that routes must not rely on.
    paths : folders with claim files, for the workers.
    watch : called several times a second with the progress, the seconds left and the stage; of the stage ``shrink`` the
        seconds that it may take at most, of which 90 may lie beyond the budget.

    Raises
    ------
    InputError
        If the claim has no family of problems, or its journal cannot be used.
    """
    if claim.family is None or claim.status == "note":
        raise InputError(f"{claim.id} names no family of problems to draw from, so there is nothing to hunt")
    path = journal_of(claim, folder)
    journal, progress = Journal(path), Progress()
    journal.open()  # from here on nobody else writes it: what is read is all there is
    try:
        read(journal, progress)
        set_aside = _set_aside(claim, path, progress)
        if set_aside is not None:
            journal.close()
            journal, progress = Journal(path), Progress()
            journal.open()
            read(journal, progress)
        journal.cut()
        if progress.header is None:
            journal.append(Header(claim=claim.id, text=text_of(claim)), sync=True)
        target = Target(claim, seed, avoid | {claim.id})
        campaign = _Campaign(target, journal, progress, jobs, paths, watch)
        interrupted = campaign.run(budget)
    finally:
        journal.close()
    return Ended(progress, path, set_aside, interrupted, campaign.overtime)


def _set_aside(claim: Claim, path: Path, progress: Progress) -> Path | None:
    """Rename the journal of an earlier text of the claim; None where there is none."""
    if progress.header is None:
        return None
    if progress.header.claim != claim.id:
        raise InputError(f"{path}: the journal of {progress.header.claim[:40]!r}, not of {claim.id}")
    if progress.header.text == text_of(claim):
        return None
    stem = f"{claim.id}.{progress.header.text[:8]}"
    names = (path.with_name(f"{stem}{number}.jsonl") for number in chain([""], (f"-{i}" for i in count(2))))
    aside = next(name for name in names if not name.exists())  # a text may come back: its first journal stays
    os.replace(path, aside)
    return aside


@dataclass
class _Campaign:
    target: Target
    journal: Journal
    progress: Progress
    jobs: int
    paths: Sequence[Path]
    watch: Watch | None
    workers: list[Worker] = field(default_factory=list)
    overtime: float = 0.0
    deaths: Counter[tuple[str, int]] = field(default_factory=Counter)

    def run(self, budget: float) -> bool:
        """Whether the user interrupted it; the budget begins when the workers have loaded."""
        deadline = time.time() + budget
        try:
            if self.progress.violation is None and budget > 0:
                self.workers = [self._worker() for _ in range(max(1, self.jobs))]
                for worker in self.workers:
                    worker.wait()
                deadline = time.time() + budget
                self._attack(deadline)
            if self.progress.violation is not None:
                began = max(deadline, time.time())
                try:
                    self._shrink(max(deadline, time.time() + SHRINKING))
                finally:
                    self.overtime = max(0.0, time.time() - began)
        except KeyboardInterrupt:
            return True
        finally:
            for worker in self.workers:
                worker.end()
            self._refresh()
        return False

    def _worker(self) -> Worker:
        if self.jobs == 0:
            return Inline(self.target, self.journal.path)
        return Remote(self.target, self.paths, self.journal.path)

    def _attack(self, deadline: float) -> None:
        schedule = Schedule(self.progress)
        owner: dict[Future[None], int] = {}
        while self.progress.violation is None and (time.time() < deadline or owner):
            for number in set(range(len(self.workers))) - set(owner.values()):
                if time.time() < deadline and self.progress.violation is None:
                    stage, index = schedule.next()
                    future = self.workers[number].submit(self._task(stage, index, deadline))
                    schedule.running[future] = stage, index
                    owner[future] = number
                    self._refresh()
            before = self._standing()
            done, _ = wait(owner, timeout=PULSE, return_when="FIRST_COMPLETED")
            self._refresh()
            self._show(deadline, schedule)
            for future in done:
                number, (stage, index) = owner.pop(future), schedule.running.pop(future)
                schedule.judge(stage, self._standing() != before)
                self._settle(future, number, stage, index)
            self._end_hung(owner, schedule)
        busy = [owner[future] for future in wait(owner, timeout=1, return_when="FIRST_COMPLETED").not_done]
        for number in busy:  # a violation is known: what the others are at does not matter
            self.workers[number].end()
        self.workers = [worker for number, worker in enumerate(self.workers) if number not in busy]

    def _task(self, stage: str, index: int, deadline: float) -> Task:
        progress = self.progress
        return Task(
            stage=stage,
            index=index,
            seed=self.target.seed,
            deadline=deadline,
            starts=tuple(configuration for _, configuration in progress.worst),
            known=dict(progress.unfinished.get((stage, index), {})),
            killed=frozenset(progress.killed),
            detected=dict(progress.detected),
            relations=frozenset(progress.relations),
            bar=progress.worst[0][0] if progress.worst else None,
        )

    def _standing(self) -> tuple[float | None, int, int]:
        """What a stage may improve."""
        progress = self.progress
        best = progress.worst[0][0] if progress.worst else None
        return best, len(progress.killed), sum(progress.detected.values())

    def _refresh(self) -> None:
        read(self.journal, self.progress)

    def _show(self, deadline: float, schedule: Schedule) -> None:
        if self.watch is not None:
            stages = "+".join(sorted({stage for stage, _ in schedule.running.values()}))
            self.watch(self.progress, max(0.0, deadline - time.time()), stages)

    def _settle(self, future: Future[None], number: int, stage: str, index: int) -> None:
        """A slice that ended badly: the worker died, or the claim's own code failed outside a configuration."""
        try:
            future.result()
        except BrokenProcessPool:
            self._replace(number, stage, index, "error", "the worker process died")
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{self.target.claim.id}: stage {stage} cannot draw problems ({error})") from error

    def _end_hung(self, owner: dict[Future[None], int], schedule: Schedule) -> None:
        for future, number in list(owner.items()):
            begun = announced(self.workers[number].slot) if self.workers[number].slot is not None else None
            if begun is not None and time.time() - begun[0] > HUNG:
                stage, index = schedule.running.pop(future)
                del owner[future]
                self._replace(number, stage, index, "timeout", f"more than {HUNG:g} s, ended from outside")

    def _replace(self, number: int, stage: str, index: int, outcome: Outcome, note: str) -> None:
        """End a worker, write down what it was doing, start another one."""
        worker = self.workers[number]
        begun = announced(worker.slot)
        worker.end()
        if begun is not None:
            began, configuration = begun
            problem = Problem.from_canonical(configuration)
            trial = Trial(
                stage=stage,
                slice=index,
                digest=problem.sha256[:16],
                region=region(problem),
                outcome=outcome,
                seconds=round(time.time() - began, 4),
                configuration=configuration,
                note=note,
            )
            self.journal.append(trial, sync=True)
        else:
            self.deaths[stage, index] += 1
            if self.deaths[stage, index] == MOST_DEATHS:
                raise InputError(
                    f"{self.target.claim.id}: the worker process dies in stage {stage} before it tries anything, "
                    f"{MOST_DEATHS} times in a row"
                )
        self.workers[number] = self._worker()

    def _shrink(self, deadline: float) -> None:
        start = self.progress.shrunk.configuration if self.progress.shrunk else self.progress.violation
        assert start is not None
        if not self.workers:
            self.workers = [self._worker()]
        index = CONFIRM if self.progress.shrunk and self.progress.shrunk.minimal else 0
        task = Task(stage=SHRINK, index=index, seed=self.target.seed, deadline=deadline, starts=(start,))
        future = self.workers[0].submit(task)
        while not wait([future], timeout=PULSE).done:
            self._refresh()
            if self.watch is not None:
                self.watch(self.progress, max(0.0, deadline - time.time()), SHRINK)
            if time.time() > deadline + HUNG:
                return
        with suppress(BrokenProcessPool):
            future.result()
