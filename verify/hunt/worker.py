"""One slice of an attack, in this process or in another one: every configuration goes to the journal as it ends."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from theory.problem import Problem
from verify.counts import InputError
from verify.findings import optimum_for
from verify.hunt.attack import LIMIT, Examined, Target, examine
from verify.hunt.coverage import region
from verify.hunt.journal import Journal, Shrunk, SliceEnd, Trial
from verify.hunt.margins import look
from verify.hunt.pressing import Pressing
from verify.hunt.shrink import shrink
from verify.hunt.spaces import valid
from verify.hunt.stages import play, vectors_of
from verify.limits import OutOfTime, time_limit

__all__ = ["CONFIRM", "SHRINK", "SLOT", "Task", "announced", "in_worker", "perform", "start_worker"]

SLOT = 16_384
"""Bytes in which a worker tells what it is doing."""
SHRINK = "shrink"
CONFIRM = 1
"""Index of a slice of 'shrink' that only confirms."""
OFTEN, FIRST = 5, 20
"""Mutants are judged on the first configurations of a slice, then on one in so many."""
PRESSED = ("holds", "undecided", "nothing")
"""Outcomes that say nothing against the routes."""
COMPARED = 16
"""One configuration in so many is put to the floating route too, though the kernel has decided."""


@dataclass(frozen=True)
class Task:
    """A slice: plain data, so that it travels to another process.

    Attributes
    ----------
    stage, index : the slice; stage 'shrink' starts from the only configuration of ``starts``, with index 1 it stays
        there and confirms it.
    starts : canonical problems, the worst seen so far.
    deadline : time.time() at which it stops, finished or not.
    known : digests tried before in this slice (a hunt that was killed), with what was found.
    killed, detected : see :class:`verify.hunt.pressing.Pressing`.
    relations : those that were read before.
    bar : the largest margin so far; configurations above it are kept.
    """

    stage: str
    index: int
    seed: int
    deadline: float
    starts: tuple[dict[str, Any], ...] = ()
    known: dict[str, Examined] = field(default_factory=dict)
    killed: frozenset[str] = frozenset()
    detected: dict[str, int] = field(default_factory=dict)
    relations: frozenset[int] = frozenset()
    bar: float | None = None


class Stop(BaseException):
    """The slice ends here: out of time, or a violation is found. Not an Exception: no library swallows it."""


class Attacker:
    """The attack of one slice, see :class:`verify.hunt.stages.Attack`."""

    def __init__(self, target: Target, task: Task, journal: Journal, slot: Any = None) -> None:
        self.target, self.task, self.journal, self.slot = target, task, journal, slot
        self.pressing = Pressing(target, task.killed, task.detected)
        self.known, self.bar, self.relations = dict(task.known), task.bar, task.relations
        self.count, self.since = 0, time.process_time()

    def __call__(self, problem: Problem) -> Examined | None:
        """Judge a configuration and write it down; None outside the hypotheses."""
        if time.time() > self.task.deadline:
            raise Stop
        if not valid(problem, self.target.claim):
            return None
        digest = problem.sha256[:16]
        if digest in self.known:
            return self.known[digest]
        self.count += 1
        under_way(self.slot, problem)
        try:
            with time_limit(LIMIT):
                seen = examine(self.target, problem, compare=self.count % COMPARED == 0)
        except OutOfTime as error:
            seen = Examined("timeout", reason=str(error))
        self.known[digest] = seen
        self._write(problem, digest, seen, *self._pressed(problem, seen))
        if seen.outcome == "violated":
            raise Stop
        return seen

    def _pressed(self, problem: Problem, seen: Examined) -> tuple[list[str], list[str]]:
        """Mutants killed and steps detected; none where a route that errs, or no time, would be their killer."""
        if seen.outcome not in PRESSED or not (self.count <= FIRST or self.count % OFTEN == 0):
            return [], []
        under_way(self.slot, problem)  # time of its own: no mutant may turn a verdict on the claim into a timeout
        try:
            with time_limit(LIMIT):
                return self.pressing.press(problem)
        except OutOfTime:
            return [], []

    def lap(self) -> float:
        """Seconds of processor time since the last call."""
        before, self.since = self.since, time.process_time()
        return round(self.since - before, 4)

    def pattern(self, problem: Problem) -> Any:
        """States, predicted states and rank; None where the configuration was too slow."""
        under_way(self.slot, problem)
        try:
            with time_limit(LIMIT):
                target = self.target
                optimum = optimum_for(target.claim, problem, "enclosure", target.seed, target.avoid)
                seen = look(target.claim, problem, "enclosure", target.seed, target.avoid)
                return optimum.rank, optimum.contrasts, optimum.zero, seen.pattern
        except (OutOfTime, Exception):
            return None

    def _write(
        self, problem: Problem, digest: str, seen: Examined, killed: Sequence[str], detected: Sequence[str]
    ) -> None:
        record = seen.margin is not None and (self.bar is None or seen.margin > self.bar)
        if record:
            self.bar = seen.margin
        trial = Trial(
            stage=self.task.stage,
            slice=self.task.index,
            digest=digest,
            region=region(problem),
            outcome=seen.outcome,
            margin=seen.margin,
            seconds=self.lap(),
            configuration=problem.canonical() if record or seen.outcome not in ("holds", "nothing") else None,
            note=seen.reason,
            killed=list(killed),
            detected=list(detected),
            relations=sorted(seen.relations - self.relations),
        )
        self.relations |= seen.relations
        self.journal.append(trial, sync=seen.outcome == "violated")


def perform(target: Target, task: Task, journal: Journal, slot: Any = None) -> None:
    """Do a slice; what comes out of it is in the journal.

    Parameters
    ----------
    target : the claim.
    task : the slice.
    journal : where every configuration is appended.
    slot : memory in which the configuration under way is announced, or None.
    """
    with threadpool_limits(1), suppress(Stop):
        starts = [Problem.from_canonical(start) for start in task.starts]
        if task.stage == SHRINK:
            _shrink(target, starts[0], task, journal, slot)
        else:
            attacker = Attacker(target, task, journal, slot)
            play(task.stage, target.claim, task.index, task.seed, starts, attacker)
            samples = None
            if task.stage == "smallest":
                samples = sum(vectors_of(target.claim, task.index)[-1])
            rest = attacker.lap()
            journal.append(SliceEnd(stage=task.stage, slice=task.index, samples=samples, seconds=rest), sync=True)
    under_way(slot, None)


def _shrink(target: Target, start: Problem, task: Task, journal: Journal, slot: Any) -> None:
    last: list[Shrunk] = []

    def report(problem: Problem, seen: Examined) -> None:
        finding = seen.finding
        assert finding is not None
        last[:] = [
            Shrunk(
                configuration=problem.canonical(),
                relation=finding.relation,
                route=seen.route,
                observed=finding.observed,
                predicted=finding.predicted,
            )
        ]
        journal.append(last[0], sync=True)

    def watch(problem: Problem) -> None:
        if time.time() > task.deadline:
            raise Stop
        under_way(slot, problem)

    first, compare = examine(target, start), False
    if first.outcome != "violated":  # where the kernel leaves it open, a descent may have been a witness
        first, compare = examine(target, start, compare=True), True
    if first.outcome != "violated":
        raise InputError(f"{journal.path}: the routes do not confirm the violation that this journal names; remove it")
    if task.index == CONFIRM:
        return
    report(start, first)
    if shrink(target, start, report, watch, compare=compare):
        journal.append(last[0].model_copy(update={"minimal": True}), sync=True)


# --- in another process ------------------------------------------------------------------------------------------


@dataclass
class _Worker:
    target: Target
    journal: Journal
    slot: Any


_workers: list[_Worker] = []


def start_worker(identifier: str, paths: Sequence[Path], journal: Path, seed: int, slot: Any, parent: int) -> None:
    """Prepare a worker process: find the claim, ignore Ctrl-C, end when the hunt ends in whatever way."""
    from verify import registry

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    known = registry.load(paths, [identifier])
    avoid = registry.related(known, identifier) | {identifier}
    _workers[:] = [_Worker(Target(known[identifier], seed, avoid), Journal(journal), slot)]


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def in_worker(task: Task) -> None:
    """Do a slice in a worker process."""
    worker = _workers[0]
    perform(worker.target, task, worker.journal, worker.slot)


def under_way(slot: Any, problem: Problem | None) -> None:
    """Announce a configuration and when it began: whoever ends a hung worker reads it there."""
    if slot is None:
        return
    data = b"" if problem is None else json.dumps([time.time(), problem.canonical()]).encode()
    if len(data) < SLOT:
        slot[: len(data) + 1] = data + b"\0"


def announced(slot: Any) -> tuple[float, dict[str, Any]] | None:
    """What a worker announced: when it began, and the configuration; None between configurations."""
    try:
        began, configuration = json.loads(bytes(slot[:]).split(b"\0")[0])
        return float(began), configuration
    except ValueError:
        return None
