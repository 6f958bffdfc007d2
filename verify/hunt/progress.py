"""What the journal of a hunt says so far: the same fold serves a running hunt, a resumed one and ``verify show``."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from verify.counts import InputError
from verify.hunt.attack import Examined, Outcome
from verify.hunt.journal import Header, Journal, Line, Shrunk, SliceEnd, Trial

__all__ = ["Progress", "read"]

KEPT = 6
"""Worst configurations kept as starting points, one per list of classes; and notes kept per outcome."""
SEEN = ("violated", "suspect", "contradicted")
NOTABLE = ("suspect", "contradicted", "error", "timeout")


@dataclass
class Progress:
    """Running totals.

    Attributes
    ----------
    header : first line of the journal, or None.
    outcomes, coverage : configurations by outcome; those that hold by region.
    tried, seconds, slices : configurations, seconds of processor time, and finished slices by stage.
    unfinished : what was tried in slices that did not end, by digest.
    samples : of finished slices of ``smallest``: index -> sum of its last count vector.
    worst : the largest margins, best first: (margin, configuration).
    relations : indices of those that some configuration has read and found to hold.
    killed, detected : see :class:`verify.hunt.pressing.Pressing`.
    violation, shrunk : the first violating configuration, and the smallest one confirmed so far.
    notes : what needs a look: outcome, why, configuration.
    """

    header: Header | None = None
    outcomes: Counter[str] = field(default_factory=Counter)
    coverage: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    slices: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    unfinished: defaultdict[tuple[str, int], dict[str, Examined]] = field(default_factory=lambda: defaultdict(dict))
    samples: dict[int, int] = field(default_factory=dict)
    worst: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    relations: set[int] = field(default_factory=set)
    killed: set[str] = field(default_factory=set)
    detected: dict[str, int] = field(default_factory=dict)
    violation: dict[str, Any] | None = None
    shrunk: Shrunk | None = None
    notes: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    _digests: dict[str, Outcome] = field(default_factory=dict)

    @property
    def configurations(self) -> int:
        """Different configurations tried."""
        return len(self._digests)

    def add(self, line: Line) -> None:
        """Take one line into account."""
        match line:
            case Header():
                self.header = line
            case Trial():
                self._add_trial(line)
            case SliceEnd():
                self.slices[line.stage].add(line.slice)
                self.seconds[line.stage] += line.seconds
                self.unfinished.pop((line.stage, line.slice), None)
                if line.samples is not None:
                    self.samples[line.slice] = line.samples
            case Shrunk():
                self.shrunk = line

    def _add_trial(self, trial: Trial) -> None:
        self.seconds[trial.stage] += trial.seconds
        self.unfinished[trial.stage, trial.slice][trial.digest] = Examined(trial.outcome, trial.margin)
        self.killed.update(trial.killed)
        self.relations.update(trial.relations)
        for name, exponent in (text.rsplit(" ", 1) for text in trial.detected):
            self.detected[name] = max(self.detected.get(name, 0), int(exponent))
        before = self._digests.get(trial.digest)
        if before is None:
            self.tried[trial.stage] += 1
        elif _rank(trial.outcome) < _rank(before):  # an earlier word, such as a timeout, hides no violation
            self._forget(before, trial.region)
        else:
            return
        self._digests[trial.digest] = trial.outcome
        self.outcomes[trial.outcome] += 1
        if trial.outcome == "holds":
            self.coverage[trial.region] += 1
        if trial.configuration is None:
            return
        if trial.outcome == "violated" and self.violation is None:
            self.violation = trial.configuration
        if trial.outcome in NOTABLE and sum(kind == trial.outcome for kind, *_ in self.notes) < KEPT:
            self.notes.append((trial.outcome, trial.note, trial.configuration))
        if trial.margin is not None and trial.outcome in ("holds", "undecided"):
            self._keep(trial.margin, trial.configuration)

    def _forget(self, outcome: Outcome, region: str) -> None:
        """One configuration less that ended so."""
        self.outcomes -= Counter([outcome])
        if outcome == "holds":
            self.coverage -= Counter([region])

    def _keep(self, margin: float, configuration: dict[str, Any]) -> None:
        """Among the worst, one for every number of classes in every group."""

        def shape(problem: dict[str, Any]) -> Any:
            return [repeat for _, repeat in problem["counts"]]

        others = [w for w in self.worst if shape(w[1]) != shape(configuration)]
        same = [w for w in self.worst if shape(w[1]) == shape(configuration)]
        best = max([*same, (margin, configuration)], key=lambda w: w[0])
        self.worst = sorted([*others, best], key=lambda w: -w[0])[:KEPT]


def _rank(outcome: str) -> int:
    """What is seen violated comes first, in the order of how much it says; all else is alike."""
    return SEEN.index(outcome) if outcome in SEEN else len(SEEN)


def read(journal: Journal, progress: Progress) -> None:
    """Add what is new in a journal.

    Raises
    ------
    InputError
        If the journal is not one, or its numbers make no sense.
    """
    for line in journal.fresh():
        try:
            progress.add(line)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{journal.path}:{journal.number}: not a line of a hunt ({error})") from None
