"""The JSON that commands print and files hold. A field's meaning never changes under one version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Case",
    "Certificate",
    "Check",
    "CheckedFile",
    "Checks",
    "ClaimCertificates",
    "ClaimList",
    "ClaimListing",
    "ClaimMutants",
    "ClaimResult",
    "ClaimShown",
    "DerivationStep",
    "Discovery",
    "HuntNote",
    "HuntOutput",
    "HuntStage",
    "Interval",
    "MutantDetail",
    "MutantSummary",
    "MutantsOutput",
    "NewClaim",
    "OptimumOutput",
    "Refutation",
    "Refuted",
    "ReplayOutput",
    "RouteResult",
    "RunCertificates",
    "RunResult",
    "Shown",
    "ThresholdEntry",
    "ThresholdsOutput",
    "Verdict",
    "json_schemas",
    "write_json_schemas",
]

Verdict = Literal["proved", "enclosed", "certified", "agrees", "undecided", "refuted", "vacuous", "error", "timeout"]
Kind = Literal["equality", "threshold", "structure", "bound", "limit", "ordering"]
Status = Literal["theorem", "conjecture", "refuted", "note"]


class Model(BaseModel):
    """Base: unknown fields are an error, ``schema`` is written under its JSON name."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)


class Interval(Model):
    """Two decimal strings, rounded outward."""

    lower: str
    upper: str


class ClaimListing(Model):
    """One line of ``verify list``."""

    id: str
    title: str
    kind: Kind
    paper: str
    status: Status


class ClaimList(Model):
    """``verify list``."""

    schema_: Literal["verify.list/1"] = Field("verify.list/1", alias="schema")
    claims: list[ClaimListing]


class DerivationStep(Model):
    """One step of a derivation: ``identity`` and ``positive`` are executed, ``lemma`` is named."""

    text: str
    kind: Literal["identity", "positive", "lemma"]
    latex: str


class ClaimShown(Model):
    """``verify show``. ``statement`` is LaTeX; ``verdict`` is the last accepted one."""

    schema_: Literal["verify.show/1"] = Field("verify.show/1", alias="schema")
    id: str
    title: str
    kind: Kind
    paper: str
    status: Status
    statement: list[str]
    relations: list[str]
    hypotheses: list[str]
    source: str
    note: str
    required: Verdict | None
    rests_on: list[str]
    derivation: list[DerivationStep]
    assumes: list[str]
    mutants: list[str]
    verdict: Verdict | None
    hunt: HuntOutput | None = None
    """What the hunts of this text in ./hunts, or those shipped with the project, found."""


class NewClaim(Model):
    """``verify new``: the file that was written, and what its example states."""

    schema_: Literal["verify.new/1"] = Field("verify.new/1", alias="schema")
    id: str
    path: str
    kind: Kind = "threshold"
    model: str = "ce"


class OptimumOutput(Model):
    """``verify optimum``.

    Above 1000 classes, or without logits, long lists come in runs: ``counts`` and ``bias`` as [value, repeat] in class
    order, ``singular_values`` as [value, repeat], ``zero`` as [first, last], and a group of ``merged`` as first, last
    (first, last, first, last, ... when its classes are scattered).

    The ends of ``value`` have the digits that were proved: with ``--digits N`` a relative width of about 10^-N, and
    where it is wider ``reason`` says how wide and why. Lists of numbers are floats with at most 12 digits.
    """

    schema_: Literal["verify.optimum/1"] = Field("verify.optimum/1", alias="schema")
    model: str
    counts: list[int] | list[tuple[int, int]]
    options: dict[str, Any]
    value: Interval
    gap: float
    verdict: Literal["enclosed", "certified", "undecided"]
    singular_values: list[float] | list[tuple[float, int]] | None
    logits: list[list[float]] | None
    bias: list[float] | list[tuple[float, int]] | None
    merged: list[list[int]] | None
    zero: list[int] | list[tuple[int, int]] | None
    undecided: list[str]
    reason: str = ""
    seconds: float


class ThresholdEntry(Model):
    """One threshold of a problem without its weight decay."""

    claim: str
    name: str
    count: int | None
    parameter: str
    value: Interval | None
    reason: str
    closed_form: str | None
    at_equality: Literal["alive", "dead", "tie"]
    verdict: Verdict
    consequence: str


class ThresholdsOutput(Model):
    """``verify thresholds``."""

    schema_: Literal["verify.thresholds/1"] = Field("verify.thresholds/1", alias="schema")
    model: str
    counts: list[int] | list[tuple[int, int]]
    options: dict[str, Any]
    thresholds: list[ThresholdEntry]
    seconds: float


class Case(Model):
    """A saved configuration; ``configuration`` is the canonical problem, exact numbers as strings."""

    schema_: Literal["verify.case/1"] = Field("verify.case/1", alias="schema")
    claim: str
    configuration: dict[str, Any]
    observed: dict[str, str]
    predicted: dict[str, str]
    relation: str = ""
    route: str = ""
    mutant: str | None = None
    versions: dict[str, str]


class RouteResult(Model):
    """One route's evidence for one claim."""

    verdict: Verdict
    configurations: int
    decided: int
    max_error: float | None
    """Largest |observed - predicted| / max(1, |predicted|) over decided configurations; 0 where none are equated."""
    radius: float | None
    """Largest radius of those residuals: what the route can resolve."""
    worst: dict[str, Any] | None
    """Canonical problem at which ``max_error`` occurred; where the route sees a violation, the violating problem."""
    uses: list[str]
    starts: int | None = None
    """Random starts of a descent over all configurations, and ``hits``: those that ended at its best value."""
    hits: int | None = None
    reason: str
    seconds: float


class MutantDetail(Model):
    """One mutant: what became of it, by which route, at which configuration."""

    mutant: str
    operator: str = "written"
    """'written' by hand, or a generic operator."""
    outcome: Literal["killed", "survived", "equivalent", "weaker", "unseen", "explained", "vacuous", "timeout"]
    route: str = ""
    """The route that kills it."""
    reason: str = ""
    """Why it is equivalent, weaker, unseen, vacuous, or not killed; where it is explained, a person's reason."""
    configuration: dict[str, Any] | None = None
    """Canonical problem at which it is killed (``verify mutants`` only)."""
    certificate: bool = False
    """Whether a certificate that the kernel checks kills it (``verify mutants`` only)."""


class MutantSummary(Model):
    """Mutants of a claim, one row each; ``total`` counts the killed, survived and timed out."""

    total: int
    killed: int
    survivors: list[str]
    details: list[MutantDetail] = []
    resolution_certificate: float | None = None
    """Smallest relative perturbation that a certificate refutes."""

    @property
    def by_certificate(self) -> int:
        """How many are killed by what the kernel proves from a certificate (not by an exact rule at a threshold)."""
        return sum(row.outcome == "killed" and (row.certificate or row.route == "enclosure") for row in self.details)


class ClaimCertificates(Model):
    """The certificates that the enclosure route's evidence for one claim rests on (``verify run --certificates``)."""

    files: list[str]
    """Entries of the archive: problem hash, content hash; for a refuted claim those of the counterexample."""
    configurations: int
    widest: str
    """Largest relative width of their bounds, rounded up."""
    from_files: list[str]
    """What the claim reads that the files prove themselves: bounds and facts."""
    derived: dict[str, str]
    """What it reads that was derived outside the kernel from what the files prove, and where."""
    rejected: list[str]
    """Files that are missing or that the kernel does not accept, with the reason; then the enclosure does not count."""
    without: Verdict
    """Verdict that the other routes support."""
    without_reason: str


class ClaimResult(Model):
    """Everything one run says about one claim."""

    id: str
    title: str
    kind: Kind
    paper: str
    status: Status
    verdict: Verdict | None
    """None for status note."""
    required: Verdict | None
    assumes: list[str]
    configurations: int
    routes: dict[str, RouteResult]
    agreement: dict[str, float]
    """'exact~convex' -> largest scaled difference of what the two routes observed."""
    at_equality: str
    """Exactly at the threshold: how many configurations, decided how; empty when the claim has no threshold."""
    mutants: MutantSummary
    resolution: float | None
    counterexample: Case | None
    reason: str
    seconds: float
    certificates: ClaimCertificates | None = None


class RunCertificates(Model):
    """The archive of a run and what the kernel, in processes of its own, says about its entries."""

    archive: str
    files: int
    bytes: int
    accepted: int
    rejected: list[str]
    widest: str
    seconds: float


class RunResult(Model):
    """``verify run``."""

    schema_: Literal["verify.run/1"] = Field("verify.run/1", alias="schema")
    seed: int
    examples: int
    environment: dict[str, Any]
    claims: list[ClaimResult]
    summary: dict[str, int]
    certificates: RunCertificates | None = None


class ClaimMutants(Model):
    """Mutants of one claim; ``resolution`` is the smallest relative perturbation that was refuted, by which route."""

    id: str
    mutants: MutantSummary
    resolution: float | None
    resolution_route: str = ""
    seconds: float


class MutantsOutput(Model):
    """``verify mutants``."""

    schema_: Literal["verify.mutants/1"] = Field("verify.mutants/1", alias="schema")
    seed: int
    claims: list[ClaimMutants]


class ReplayOutput(Model):
    """``verify replay``: what the statement (or its mutant) now does on a saved configuration."""

    schema_: Literal["verify.replay/1"] = Field("verify.replay/1", alias="schema")
    claim: str
    mutant: str | None
    route: str
    outcome: Literal["violated", "holds", "undecided"]
    observed: str
    predicted: str
    reason: str


class HuntStage(Model):
    """One stage of an attack: configurations first tried by it, finished slices, seconds of processor time."""

    stage: str
    configurations: int
    slices: int
    seconds: float


class HuntNote(Model):
    """A configuration that did not end as a pass or a confirmed violation, and why."""

    outcome: str
    reason: str
    configuration: dict[str, Any]


class HuntOutput(Model):
    """``verify hunt``: all hunts of one text of a claim. ``survived`` is no evidence that the claim is true."""

    schema_: Literal["verify.hunt/1"] = Field("verify.hunt/1", alias="schema")
    claim: str
    text: str
    """SHA-256 of what the claim says: hunts of an earlier text do not count."""
    outcome: Literal["survived", "refuted", "nothing"]
    """``nothing``: no configuration had content."""
    seed: int
    seconds: float
    """Of processor time, all workers and hunts together."""
    configurations: int
    outcomes: dict[str, int]
    """holds, undecided, nothing (the claim reads nothing there), violated, suspect, contradicted, error, timeout."""
    stages: list[HuntStage]
    every_sum: int
    """Every count vector of the family with at most so many samples was tried, at a few levels; 0 where none."""
    coverage: dict[str, int]
    """Region -> configurations on which the claim holds."""
    worst_margin: float | None
    """Largest signed distance to a violation among them, relative; below 0."""
    worst: dict[str, Any] | None
    mutants: MutantSummary
    """Mutants of the claim that the same configurations kill."""
    resolution: float | None
    """Smallest relative step, both ways, of an equality or threshold that they detect; of the best relation."""
    resolutions: dict[str, float | None] = {}
    """The same for each equality and threshold; null where no step is detected. Earlier summaries do not tell."""
    unread: list[str] = []
    """Relations that no configuration reads: about them nothing was tried. Earlier journals do not tell."""
    counterexample: Case | None
    minimal: bool
    """No class can be removed and no count lowered; null counterexample: false."""
    notes: list[HuntNote]


class Certificate(Model):
    """``verify certify``: a problem and a witness; bounds and facts may be null or weaker than what follows."""

    schema_: Literal["verify.certificate/1"] = Field("verify.certificate/1", alias="schema")
    problem: str
    model: str
    counts: list[tuple[str, int]]
    options: dict[str, Any]
    bounds: Interval | None
    witness: dict[str, Any]
    facts: dict[str, Any] | None


class Shown(Model):
    """Both sides of a refuted statement, numbers or states, and how far apart the numbers are at least and at most."""

    claimed: Interval | bool | str
    found: Interval | bool | str
    margin: Interval | None


class Refutation(Model):
    """``verify certify --refute``: certificates, conditions that they prove, and a statement that they contradict.

    A statement is [left, relation, right], see ``verify/kernel/refutation.py``.
    """

    schema_: Literal["verify.refutation/1"] = Field("verify.refutation/1", alias="schema")
    claim: str
    because: str
    certificates: list[dict[str, Any]]
    given: list[list[Any]]
    says: list[Any]
    shows: Shown | None


class Refuted(Shown):
    """What the kernel proved of a refutation; ``uses`` are claims that the facts rely on."""

    claim: str
    because: str
    given: list[list[Any]]
    says: list[Any]
    uses: list[str]
    problems: list[dict[str, Any]]


class Check(Model):
    """``verify check``: what the kernel says about a certificate or a refutation."""

    schema_: Literal["verify.check/1"] = Field("verify.check/1", alias="schema")
    outcome: Literal["bounds", "refuted", "rejected", "undecided"]
    problem: str | None
    bounds: Interval | None
    facts: dict[str, Any] | None
    reason: str
    refutation: Refuted | None = None


class CheckedFile(Model):
    """One line of ``verify check`` over many files; ``width`` is relative, a decimal string rounded up."""

    name: str
    outcome: Literal["bounds", "refuted", "rejected", "undecided", "unreadable", "skipped"]
    model: str
    problem: str | None
    bounds: Interval | None
    width: str | None
    reason: str
    seconds: float


class Checks(Model):
    """``verify check`` of several files, a folder or an archive; ``summary`` counts by outcome."""

    schema_: Literal["verify.checks/1"] = Field("verify.checks/1", alias="schema")
    files: list[CheckedFile]
    summary: dict[str, int]
    seconds: float


class QuantityListing(Model):
    """A number that ``verify discover`` can be asked for."""

    name: str
    text: str
    unknown: str
    evidence: str


class Measurement(Model):
    """A designed configuration (exact numbers as strings) and the bracket that the kernel proved there."""

    parameters: dict[str, str]
    value: Interval


class ProposalEntry(Model):
    """A closed form. ``misfit`` is an upper bound on fresh configurations, a lower one on the configuration that killed
    it; ``common`` is the law where all weight decays are one lam.
    """

    equation: str
    common: str | None
    complexity: int
    fitted: int
    tested: int
    misfit: str | None
    digits: int
    killed: dict[str, str] | None
    verdict: str


class Discovery(Model):
    """``verify discover``; without a quantity only ``quantities`` is filled."""

    schema_: Literal["verify.discover/1"] = Field("verify.discover/1", alias="schema")
    model: str
    quantities: list[QuantityListing]
    quantity: str | None = None
    seed: int
    configurations: list[Measurement] = []
    kind: str = ""
    proposals: list[ProposalEntry] = []
    reason: str = ""
    interrupted: bool = False
    written: str | None = None
    seconds: float


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of every output and file, by name: what is committed in ``verify/json_schemas``.

    Examples
    --------
    >>> sorted(json_schemas())[:3]
    ['verify.case.1', 'verify.certificate.1', 'verify.check.1']
    """
    names = {}
    for model in Model.__subclasses__():
        if "schema_" not in model.model_fields:
            continue
        schema = model.model_json_schema(mode="serialization")
        names[str(model.model_fields["schema_"].default).replace("/", ".")] = schema
    return names


def write_json_schemas() -> None:
    """Write the committed schema files anew."""
    for name, schema in json_schemas().items():
        path = Path(__file__).parent / "json_schemas" / f"{name}.json"
        path.write_text(json.dumps(schema, indent=1) + "\n")
