"""Claims that rest on files: the certificates of a run, packed, and checked by processes that load the kernel only."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import verify
from theory.claim import Claim
from theory.optimum import Optimum
from theory.problem import Problem
from verify.archive import pack
from verify.balls import precision
from verify.digits import scientific, width
from verify.kernel import interval
from verify.schemas import ClaimCertificates, ClaimResult, RunCertificates, RunResult, Verdict
from verify.watch import watched

__all__ = ["ARCHIVE", "IN_FILE", "Keeper", "settle"]

ARCHIVE = "certificates.zip"
KERNEL = ("verify", "verify.kernel", "verify.recheck", "__main__")
DIGEST, CONTENT = 16, 8
"""Characters of the hashes of problem and file in the name of a file."""

IN_FILE: dict[str, frozenset[str]] = {
    "ce": frozenset({"logits", "bias", "contrasts", "rank"}),
    "ce-relu": frozenset({"logits", "contrasts", "rank"}),
    "mse": frozenset({"rank", "facts.modes", "facts.mode_states", "facts.mode_values"}),
    "ce-deep": frozenset({"facts.frame_value", "facts.frame_scale", "facts.frame_alive", "facts.zero_only"}),
    "uf-svm": frozenset({"logits", "rank", "gram_classifier", "gram_features", "spread", "facts.multipliers"}),
    "layer-peeled": frozenset(
        {"logits", "contrasts", "rank", "merged", "zero", "facts.multiplier", "facts.minority_zero"}
    ),
    "ce-sphere": frozenset({"logits", "rank", "gram_classifier", "gram_features"}),
    "loss": frozenset({"logits", "contrasts", "rank", "facts.predictions"}),
}
"""Fields of an optimum that are facts of the certificate itself, by :attr:`theory.problem.Problem.key`."""
DERIVED = {
    "ce": "verify/routes/enclosure.py",
    "ce-relu": "verify/relu.py",
    "mse": "verify/mse_minimiser.py",
    "ce-deep": "verify/deep.py",
    "uf-svm": "verify/svm.py",
    "layer-peeled": "verify/peeled_optimum.py",
    "ce-sphere": "verify/sphere.py",
    "loss": "verify/loss_optimum.py",
}
"""Where the other fields come from."""
RULES = dict.fromkeys(
    ("exact_contrasts", "exact_zero"),
    DERIVED | {"ce": "verify/ties.py", "loss": "verify/loss_rules.py"},
)
"""Where states come from that hold exactly at a threshold, where no gap decides."""
GIVEN = frozenset({"facts.T", "facts.ratio"})
"""Parameters of the problem that are handed on among the facts."""


# --- while a claim is checked --------------------------------------------------------------------------------------


@dataclass
class Keeper:
    """Certificates that one claim rests on, written into a folder; ``missing`` says where there is none.

    Attributes
    ----------
    folder : files of all claims, named by the hashes of problem and content.
    files : relative widths by file name.
    """

    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    configurations: int = 0
    bounds: bool = False
    from_files: set[str] = field(default_factory=set)
    derived: dict[str, str] = field(default_factory=dict)

    def keep(self, claim: Claim, problem: Problem, optimum: Optimum) -> None:
        """Write the certificates of an optimum and of those it is compared with, and note what the claim reads."""
        self.configurations += 1
        for one in (optimum, *optimum.companions):
            certificate = one.work.get("certificate")
            if certificate is None:
                self.missing.append(f"no certificate at {problem.canonical()}: {one.reason or 'the route wrote none'}")
            elif not _matches(one, certificate):
                self.missing.append(f"the bounds in memory are not those of the certificate at {problem.canonical()}")
            else:
                self._write(certificate)
        self._note(claim, optimum)

    def _write(self, certificate: dict[str, Any]) -> None:
        text = (json.dumps(certificate, separators=(",", ":")) + "\n").encode()
        name = f"{certificate['problem'][:DIGEST]}-{hashlib.sha256(text).hexdigest()[:CONTENT]}.json"
        self.files[name] = scientific(width(certificate["bounds"]))
        if not (self.folder / name).exists():
            partial = self.folder / f"{name}.{os.getpid()}"
            partial.write_bytes(text)
            os.replace(partial, self.folder / name)

    def _note(self, claim: Claim, optimum: Optimum) -> None:
        """Sort what the reader looks at into facts of the file and facts derived from it."""
        seen: list[tuple[str, Any]] = []
        if claim.read is not None:
            for _ in claim.read(watched(optimum, seen)):
                pass
        key = optimum.problem.key
        for name in {name for name, value in seen if value is not None and name not in GIVEN}:
            if name in ("lower", "upper"):
                self.from_files.add("bounds")
            elif name in IN_FILE[key]:
                self.from_files.add(name)
            elif name in RULES:
                self.derived[name] = f"exact rational rule, {RULES[name][key]}"
            elif name != "bias" or optimum.problem.bias != "none":
                self.derived[name] = DERIVED[key]

    def evidence(self, without: Verdict, reason: str) -> ClaimCertificates:
        """Row of the report; ``without`` is the verdict that the other routes support, with its reason."""
        return ClaimCertificates(
            files=sorted(self.files),
            configurations=self.configurations,
            widest=scientific(max((Fraction(w) for w in self.files.values()), default=Fraction(0))),
            from_files=sorted(self.from_files),
            derived=dict(sorted(self.derived.items())),
            rejected=sorted(self.missing),
            without=without,
            without_reason=reason,
        )


def _matches(optimum: Optimum, certificate: dict[str, Any]) -> bool:
    """Whether the bounds that the claim sees are those that the file states, for this problem."""
    if certificate["problem"] != optimum.problem.sha256 or optimum.lower is None or optimum.upper is None:
        return False
    with precision(optimum.work["precision"]):
        return bool(interval(optimum.lower, optimum.upper) == certificate["bounds"])


# --- after the run ---------------------------------------------------------------------------------------------------


def settle(result: RunResult, spool: Path, report: Path, jobs: int) -> RunResult:
    """Pack the certificates of a run, let the kernel check what was packed, and take back what is not covered by it.

    Parameters
    ----------
    result : of :func:`verify.engine.run` with ``certificates=spool``.
    spool : the folder with the certificates.
    report : folder of the archive ``certificates.zip``.
    jobs : processes; each loads the kernel and nothing else of this project.

    Returns
    -------
    RunResult
        A claim of which one file is missing or rejected has the verdict that its other routes support.
    """
    from verify.engine import summarise

    names = sorted({name for row in result.claims if row.certificates for name in row.certificates.files})
    archive = report / ARCHIVE
    present = [name for name in names if (spool / name).exists()]
    packed = pack(archive, [spool / name for name in present])
    answers = _answers(archive, present, jobs, spool)
    refused = {name: why for name in names if (why := _why_not(name, answers.get(name)))}
    rows = [_settled(row, refused) for row in result.claims]
    widths = [width(answers[name]["bounds"]) for name in names if name not in refused]
    summary = RunCertificates(
        archive=ARCHIVE,
        files=packed,
        bytes=archive.stat().st_size,
        accepted=len(names) - len(refused),
        rejected=[f"{name}: {why}" for name, why in refused.items()],
        widest=scientific(max(widths, default=Fraction(0))),
        seconds=round(sum(answer["seconds"] for answer in answers.values()), 3),
    )
    return result.model_copy(update={"claims": rows, "summary": summarise(rows), "certificates": summary})


def _why_not(name: str, answer: dict[str, Any] | None) -> str:
    """Why a file proves nothing; empty if the kernel accepts it for the problem in its name."""
    if answer is None:
        return "not checked: it is not in the archive, or the kernel's process ended early"
    if answer["outcome"] != "bounds":
        return f"{answer['outcome']}: {answer['reason']}"
    return "" if answer["problem"].startswith(name[:DIGEST]) else "it is a certificate for another problem"


def _settled(row: ClaimResult, refused: Mapping[str, str]) -> ClaimResult:
    """A claim after its files were checked."""
    evidence = row.certificates
    if evidence is None:
        return row
    bad = [*evidence.rejected, *(f"{name}: {refused[name]}" for name in evidence.files if name in refused)]
    if not bad:
        return row
    why = f"{len(bad)} certificates missing or rejected, such as {bad[0]}"
    enclosure = row.routes["enclosure"]
    if enclosure.verdict in ("enclosed", "refuted"):
        enclosure = enclosure.model_copy(update={"verdict": "undecided", "reason": why})
    fallen = evidence.without != row.verdict
    return row.model_copy(
        update={
            "routes": row.routes | {"enclosure": enclosure},
            "verdict": evidence.without,
            "reason": "; ".join(filter(None, (why, evidence.without_reason))) if fallen else row.reason,
            "counterexample": row.counterexample if evidence.without == "refuted" else None,
            "certificates": evidence.model_copy(update={"rejected": bad}),
        }
    )


def _answers(archive: Path, names: Sequence[str], jobs: int, spool: Path) -> dict[str, dict[str, Any]]:
    """What the kernel says about each entry; those left when the user interrupts are not among them."""
    root = str(Path(verify.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", "verify.recheck", str(archive.resolve())]
    running, outputs = [], []
    for i in range(min(jobs, len(names))):
        listed, output = spool / f"{i}.names", spool / f"{i}.answers"
        listed.write_text("\n".join(names[i::jobs]))
        outputs.append(output)
        with listed.open() as asked, output.open("w") as told:
            running.append(subprocess.Popen(command, stdin=asked, stdout=told, env=os.environ | {"PYTHONPATH": path}))
    try:
        for process in running:
            process.wait()
    except KeyboardInterrupt:
        for process in running:
            process.kill()
            process.wait()
    return {answer["name"]: answer for output in outputs for answer in _lines(output)}


def _lines(output: Path) -> list[dict[str, Any]]:
    """Answers of one process, complete lines only; none of them counts if it loaded more than the kernel."""
    text = output.read_text()
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    loaded = [name for line in lines for name in line.get("loaded", [])]
    if any(name not in KERNEL and not name.startswith("verify.kernel.") for name in loaded):
        return []
    return [line for line in lines if "name" in line]
