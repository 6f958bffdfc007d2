"""How strong an attack was that a claim survived: the coverage map, the mutants it kills, the smallest step it sees."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from theory.claim import Claim
from theory.problem import Problem
from verify import cases
from verify.counts import InputError
from verify.evidence import significant
from verify.hunt.campaign import journal_of
from verify.hunt.journal import Journal, text_of
from verify.hunt.pressing import huntable, movable
from verify.hunt.progress import Progress, read
from verify.hunt.stages import SERIES, STAGES
from verify.judge import Finding
from verify.schemas import Case, HuntNote, HuntOutput, HuntStage, MutantSummary
from verify.wording import counted, worked

__all__ = ["SHIPPED", "known", "resolution", "save_case", "sentence", "ship", "shipped", "summarise"]

SHIPPED = "hunts"
"""Folder of the package with the summaries of shipped hunts."""


def summarise(claim: Claim, progress: Progress, seed: int = 0) -> HuntOutput:
    """Everything the hunts of a claim found, as plain data.

    Parameters
    ----------
    claim : the claim.
    progress : the fold of its journal.
    seed : of the last hunt.

    Examples
    --------
    >>> from verify.registry import load
    >>> summarise(load()["HL23-04"], Progress()).outcome
    'nothing'
    """
    margin, worst = progress.worst[0] if progress.worst else (None, None)
    passed = progress.outcomes["holds"]
    steps = _resolutions(claim, progress)
    return HuntOutput(
        claim=claim.id,
        text=text_of(claim),
        outcome="refuted" if progress.violation is not None else "survived" if passed else "nothing",
        seed=seed,
        seconds=round(sum(progress.seconds.values()), 1),
        configurations=progress.configurations,
        outcomes=dict(sorted(progress.outcomes.items())),
        stages=[
            HuntStage(
                stage=stage,
                configurations=progress.tried[stage],
                slices=len(progress.slices[stage]),
                seconds=round(progress.seconds[stage], 1),
            )
            for stage in STAGES
        ],
        every_sum=_every_sum(progress),
        coverage=dict(sorted(progress.coverage.items())),
        worst_margin=significant(margin),
        worst=worst,
        mutants=_mutants(claim, progress),
        resolution=min(filter(None, steps.values()), default=None),
        resolutions=steps,
        unread=_unread(claim, progress),
        counterexample=_case(claim, progress),
        minimal=progress.shrunk is not None and progress.shrunk.minimal,
        notes=[HuntNote(outcome=o, reason=r, configuration=c) for o, r, c in progress.notes],
    )


def _every_sum(progress: Progress) -> int:
    """Slices of ``smallest`` go by the sum of the counts, in series; the last one may have left its sum unfinished."""

    def reached(index: int) -> int:
        while index in progress.slices["smallest"]:
            index += SERIES
        return progress.samples.get(index - SERIES, 1) - 1

    return min(reached(series) for series in range(SERIES))


def _mutants(claim: Claim, progress: Progress) -> MutantSummary:
    names = [mutant.text for mutant in huntable(claim)]
    survivors = [name for name in names if name not in progress.killed]
    return MutantSummary(total=len(names), killed=len(names) - len(survivors), survivors=survivors)


def _resolutions(claim: Claim, progress: Progress) -> dict[str, float | None]:
    """Per movable relation the coarser of its two directions; None where one of them goes unnoticed."""
    names = movable(claim)
    found = [progress.detected.get(name, 0) for name in names]
    relations = [str(claim.relations[int(name.split()[0])]) for name in names[::2]]
    coarser = map(min, found[::2], found[1::2])
    return {text: 10.0**-exponent if exponent else None for text, exponent in zip(relations, coarser, strict=True)}


def _unread(claim: Claim, progress: Progress) -> list[str]:
    if not progress.relations:  # an earlier journal, or no configuration that holds
        return []
    return [str(relation) for index, relation in enumerate(claim.relations) if index not in progress.relations]


def _case(claim: Claim, progress: Progress) -> Case | None:
    found = progress.shrunk
    if found is None:
        return None
    problem = Problem.from_canonical(found.configuration)
    if not 0 <= found.relation < len(claim.relations):
        raise InputError(f"hunts of {claim.id}: the claim has no relation {found.relation + 1}")
    finding = Finding(found.relation, "violated", observed=found.observed, predicted=found.predicted)
    return cases.build(claim.id, problem, finding, found.route, str(claim.relations[found.relation]))


def known(claim: Claim, folder: Path = Path("hunts")) -> HuntOutput | None:
    """The longer hunt of the present text of a claim: the one in a folder or the shipped one; None where there is none.

    Raises
    ------
    InputError
        If the journal in the folder is damaged.
    """
    journal, progress = Journal(journal_of(claim, folder)), Progress()
    read(journal, progress)
    found = [shipped(claim.id)]
    if progress.header is not None and progress.header.claim == claim.id:
        found.append(summarise(claim, progress).model_copy(update={"text": progress.header.text}))
    current = [one for one in found if one is not None and one.text == text_of(claim)]
    return max(current, key=lambda one: one.seconds, default=None)


def sentence(found: HuntOutput) -> str:
    """The strength of an attack in one sentence.

    Examples
    --------
    >>> from verify.registry import load
    >>> sentence(summarise(load()["CJ26-01"], Progress()))
    'Not hunted yet.'
    """
    if found.outcome == "nothing":
        return "Not hunted yet."
    verb = "Refuted by a hunt" if found.outcome == "refuted" else "Hunted and not refuted, which is no proof"
    tried, held = counted(found.configurations, "configuration"), found.outcomes.get("holds", 0)
    if found.outcome == "survived" and held < found.configurations:
        tried += f" (it holds on {held})"
    parts = [
        f"{tried} in {counted(len(found.coverage), 'region')}, {worked(found.seconds)}",
        f"every count vector with at most {counted(found.every_sum, 'sample')}" if found.every_sum else "",
        f"{found.mutants.killed} of {found.mutants.total} mutants killed",
        f"resolution {steps}" if (steps := resolution(found)) else "",
        f"nothing tried about {' and '.join(found.unread)}" if found.unread else "",
    ]
    return f"{verb}: {'; '.join(filter(None, parts))}."


def resolution(found: HuntOutput) -> str:
    """The steps that a hunt detects, by how far they reach over the relations; '' where nothing can be moved.

    Examples
    --------
    >>> from verify.registry import load
    >>> resolution(summarise(load()["HL23-04"], Progress(detected={"0 +": 9, "0 -": 12})))
    '1e-09'
    """
    steps = sorted(step for step in found.resolutions.values() if step is not None)
    words = [f"{step:.0e}" for step in steps]
    missing = len(found.resolutions) - len(steps)
    parts = [
        f"from {words[0]} to {words[-1]}, by relation" if len(set(words)) > 1 else "".join(words[:1]),
        f"none for {missing} of {counted(len(found.resolutions), 'relation')}" if missing else "",
    ]
    return ", ".join(filter(None, parts))


def shipped(identifier: str) -> HuntOutput | None:
    """The summary of hunts that is shipped for a claim, whatever its text was.

    Examples
    --------
    >>> shipped("NONE-01") is None
    True
    """
    file = files("verify").joinpath(SHIPPED, f"{identifier}.json")
    try:
        return HuntOutput.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, ValidationError) as error:
        raise InputError(f"{SHIPPED}/{identifier}.json: not a summary of hunts ({error})") from None


def save_case(claim: Claim, found: HuntOutput, folder: Path) -> tuple[list[Path], str]:
    """Save the counterexample, if there is one, beside the journal, with a refutation that the kernel accepts.

    Returns
    -------
    The files, and why there is no refutation ('' where there is one).
    """
    if found.counterexample is None:
        return [], ""
    from verify.refute import NotCovered, refutation

    case = cases.save(found.counterexample, folder / "cases")
    try:
        data = refutation(claim, Problem.from_canonical(found.counterexample.configuration))
    except NotCovered as why:
        return [case], str(why)
    file = case.with_name(f"{case.stem}.refutation.json")
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")
    partial.replace(file)
    return [case, file], ""


def ship(found: HuntOutput) -> Path:
    """Write a summary into the package, to be committed."""
    path = Path(str(files("verify").joinpath(SHIPPED))) / f"{found.claim}.json"
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--accept: {path} cannot be written ({error.strerror})") from None
    return path
