"""What the templates print, as plain text: nothing here is markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from theory.claim import Claim
from theory.derivation import Lemma, Step
from verify.counts import InputError
from verify.engine import reached, summarise
from verify.report.words import MEANING, citation, in_words, scientific, short
from verify.schemas import ClaimCertificates, ClaimResult, MutantSummary, RouteResult, RunResult
from verify.wording import counted, surviving

__all__ = ["Cell", "ClaimView", "Paper", "StepView", "Tile", "attention", "claim_view", "papers", "tiles"]

ROUTES = ("symbolic", "enclosure", "exact", "nonconvex", "convex")
SOLVERS = ROUTES[1:]
POSITIVE = ("proved", "enclosed", "certified", "agrees", "refuted")


@dataclass(frozen=True)
class Tile:
    """How many claims ended with a verdict."""

    verdict: str
    count: int
    meaning: str


@dataclass(frozen=True)
class Cell:
    """A verdict of a route, or the reason why there is none."""

    verdict: str
    reason: str


@dataclass(frozen=True)
class RouteView:
    """One row of the routes table."""

    name: str
    verdict: str
    configurations: str
    error: str
    radius: str
    where: str
    uses: str
    reason: str
    hits: str = ""


@dataclass(frozen=True)
class StepView:
    """One step of a derivation: ``mark`` is verified, failed, assumed or not run; no formula for a lemma."""

    text: str
    latex: str
    mark: str


@dataclass(frozen=True)
class ClaimView:
    """One claim with its result."""

    claim: Claim
    result: ClaimResult
    verdict: str
    verdict_text: str
    reached: bool
    cells: tuple[Cell, ...]
    routes: tuple[RouteView, ...]
    steps: tuple[StepView, ...]
    agreement: tuple[tuple[str, tuple[str, ...]], ...]
    citation: str
    counterexample: str
    resolution: str
    proofs: str = ""
    certificates: tuple[tuple[str, str], ...] = ()
    hunted: str = ""


@dataclass(frozen=True)
class Paper:
    """One paper: its claims counted by verdict; ``file`` and ``graph`` as seen from the page that shows it."""

    key: str
    name: str
    citation: str
    counts: Mapping[str, int]
    seconds: float
    file: str = ""
    graph: str = ""

    @property
    def claims(self) -> int:
        """Number of claims."""
        return sum(self.counts.values())


def papers(result: RunResult) -> list[Paper]:
    """The papers of a run, in the order of their first claims.

    Examples
    --------
    >>> papers(RunResult(seed=0, examples=1, environment={}, claims=[], summary={}))
    []
    """
    found: dict[str, list[ClaimResult]] = {}
    for row in result.claims:
        found.setdefault(row.paper, []).append(row)
    return [
        Paper(key, short(key), citation(key), summarise(rows), sum(row.seconds for row in rows))
        for key, rows in found.items()
    ]


def tiles(summary: Mapping[str, int]) -> list[Tile]:
    """Counts per verdict, strongest first.

    Examples
    --------
    >>> [(tile.verdict, tile.count) for tile in tiles({"agrees": 2, "proved": 1})]
    [('proved', 1), ('agrees', 2)]
    """
    return [Tile(name, summary[name], text) for name, text in MEANING.items() if summary.get(name)]


def attention(result: RunResult) -> list[tuple[str, str]]:
    """Claims that fall short of what they require, with the reason."""
    rows = []
    for row in result.claims:
        if reached(row):
            continue
        if row.mutants.survivors:
            rows.append((row.id, f"{surviving(len(row.mutants.survivors))}: {'; '.join(row.mutants.survivors)}"))
        else:
            rows.append((row.id, f"{row.verdict}, required {row.required}" + (f": {row.reason}" if row.reason else "")))
    return rows


def claim_view(claim: Claim, result: ClaimResult) -> ClaimView:
    """Everything the templates print about a claim."""
    verdict = result.verdict or "note"
    expected = verdict == "refuted" and result.required == "refuted"
    return ClaimView(
        claim=claim,
        result=result,
        verdict=verdict,
        verdict_text="refuted, as it should be" if expected else verdict,
        reached=reached(result),
        cells=tuple(_cell(name, claim, result) for name in ROUTES),
        routes=tuple(
            _route(name, result.routes[name]) for name in ROUTES if name in result.routes and claim.status != "note"
        ),
        steps=_steps(claim, result.routes.get("symbolic")),
        agreement=_agreement(result.agreement),
        citation=citation(claim.paper),
        counterexample=in_words(result.counterexample.configuration) if result.counterexample else "",
        resolution=scientific(result.resolution),
        proofs=_proofs(result.mutants),
        certificates=_certificates(result.certificates),
        hunted=_hunted(claim),
    )


def _hunted(claim: Claim) -> str:
    """How strongly a conjecture was attacked; a damaged journal is no reason to lose a report."""
    from verify import hunt

    if claim.status == "conjecture":
        with suppress(InputError):
            found = hunt.known(claim)
            return "" if found is None else hunt.sentence(found)
    return ""


def _proofs(mutants: MutantSummary) -> str:
    """Which part of the mutants a certificate kills, down to which perturbation."""
    smallest = mutants.resolution_certificate
    if not mutants.by_certificate and smallest is None:
        return ""
    return f"{mutants.by_certificate} by certificates" + (f", down to {scientific(smallest)}" if smallest else "")


NAMES = {
    "bounds": "bounds on the value",
    "contrasts": "states of the clusters",
    "gram_classifier": "Gram matrix of the classifier",
    "gram_features": "Gram matrix of the features",
    "singular_values": "singular values",
    "spread": "spread inside the classes",
    "exact_contrasts": "states exactly at a threshold",
    "exact_zero": "whether zero is optimal exactly at a threshold",
    "merged": "which classes coincide",
    "zero": "which features vanish",
    "point": "an explicit point",
}


def _certificates(evidence: ClaimCertificates | None) -> tuple[tuple[str, str], ...]:
    """What the enclosure's evidence rests on: name and sentence of every row; empty without files."""
    if evidence is None or not (evidence.files or evidence.rejected):
        return ()
    count, bad = len(evidence.files), len(evidence.rejected)
    files = f"{count} for {counted(evidence.configurations, 'configuration')}, widest relative width {evidence.widest}"
    accepted = (
        "every one accepted by the kernel" if not bad else f"{bad} missing or rejected: the enclosure is not counted"
    )
    rows = [("files", f"{files}; {accepted}")]
    if evidence.from_files:
        rows.append(("read off the files", ", ".join(map(_named, evidence.from_files))))
    if evidence.derived:
        text = "; ".join(f"{_named(name)} ({place})" for name, place in evidence.derived.items())
        rows.append(("derived outside the kernel from what the files prove", text))
    return (*rows, ("verdict without the files", evidence.without))


def _named(name: str) -> str:
    return NAMES.get(name, name.removeprefix("facts.").replace("_", " "))


def _cell(route: str, claim: Claim, result: ClaimResult) -> Cell:
    if claim.status == "note":
        return Cell("", "nothing to compute")
    row = result.routes.get(route)
    if row is not None and _silent(row):
        return Cell("", "stopped: already refuted" if result.verdict == "refuted" and route in SOLVERS else row.reason)
    if row is not None and row.verdict == "undecided" and row.reason:
        return Cell("", row.reason)
    if row is not None:
        files = len(result.certificates.files) if route == "enclosure" and result.certificates else 0
        return Cell(row.verdict, row.reason if row.verdict not in POSITIVE else counted(files, "file") if files else "")
    if claim.along is not None and route in ("convex", "nonconvex"):
        return Cell("", "sizes beyond floating point")
    return Cell("", "not run")


def _silent(row: RouteResult) -> bool:
    """Whether a route had nothing to decide, which is a reason and not a verdict."""
    return row.verdict == "undecided" and row.decided + row.configurations == 0


def _route(name: str, row: RouteResult) -> RouteView:
    verdict = "" if _silent(row) else row.verdict
    if name == "symbolic":
        steps = counted(row.decided, "step") if row.decided else "–"
        return RouteView(name, verdict, steps, "–", "–", "", "", row.reason)
    decided = f"{row.decided} of {row.configurations}" if row.configurations else "–"
    return RouteView(
        name=name,
        verdict=verdict,
        configurations=decided,
        error=scientific(row.max_error),
        radius=scientific(row.radius),
        where=in_words(row.worst),
        uses=", ".join(row.uses) or "–",
        reason=row.reason,
        hits=f"{row.hits} of {row.starts} random starts end at the best value" if row.starts else "",
    )


def _steps(claim: Claim, row: RouteResult | None) -> tuple[StepView, ...]:
    """Steps with the marks of the symbolic route; only a failed derivation is executed again."""
    if claim.derivation is None:
        return ()
    return tuple(_step(step, row) for step in claim.derivation().steps)


def _step(step: Step, row: RouteResult | None) -> StepView:
    if isinstance(step, Lemma):
        return StepView(f"{step.text} ({step.name})", "", "assumed")
    if row is None:
        mark = "not run"
    elif row.verdict == "error":
        mark = "verified" if step.verify() else "failed"
    else:
        mark = "verified"
    return StepView(step.text, step.latex(), mark)


def _agreement(table: Mapping[str, float]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Symmetric matrix of pairwise differences; empty without any pair."""
    if not table:
        return ()

    def entry(one: str, two: str) -> str:
        if one == two:
            return "·"
        return scientific(table.get(f"{one}~{two}", table.get(f"{two}~{one}")))

    names: Sequence[str] = [name for name in SOLVERS if any(name in pair.split("~") for pair in table)]
    return tuple((one, tuple(entry(one, two) for two in names)) for one in names)
