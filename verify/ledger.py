"""The last accepted verdict of every claim and of each of its routes.

A claim that falls in a full run fails it. A route that falls is named, and fails the run under ``--strict`` only: the
draws of another seed may leave a supporting route undecided. Without its own line a route that decides nothing any more
would hide behind a stronger one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from verify.evidence import RANK
from verify.schemas import ClaimResult

__all__ = ["LEDGER", "Accepted", "accept", "load", "weaker", "weaker_routes"]

LEDGER = Path(__file__).with_name("ledger.json")
EVIDENCE = frozenset({"refuted", *RANK})


class Accepted(NamedTuple):
    """What was accepted for one claim: its verdict, and the verdict of each route."""

    verdict: str
    routes: Mapping[str, str] = {}


def load(path: Path = LEDGER) -> dict[str, Accepted]:
    """What is accepted, by claim ID."""
    return {name: Accepted(**row) for name, row in json.loads(path.read_text()).items()} if path.exists() else {}


def weaker(results: Iterable[ClaimResult], ledger: Mapping[str, Accepted]) -> list[str]:
    """One sentence per claim whose verdict fell below the ledger's.

    Examples
    --------
    >>> from verify import registry
    >>> from verify.engine import check
    >>> result = check(registry.load()["HL23-06"], examples=0, routes=["symbolic"], mutants=False)
    >>> weaker([result.model_copy(update={"verdict": "enclosed"})], {"HL23-06": Accepted("proved")})
    ['HL23-06: enclosed, the ledger has proved']
    """
    return [
        f"{result.id}: {result.verdict}, the ledger has {ledger[result.id].verdict}"
        for result in results
        if result.id in ledger and _fell(result.verdict, ledger[result.id].verdict)
    ]


def weaker_routes(results: Iterable[ClaimResult], ledger: Mapping[str, Accepted]) -> list[str]:
    """One sentence per route whose verdict fell below the ledger's, and per route that is not asked any more."""
    messages = []
    for result in results:
        for route, accepted in ledger.get(result.id, Accepted("")).routes.items():
            row = result.routes.get(route)
            if _fell(row.verdict if row else None, accepted):
                found = f"{row.verdict} ({row.reason})" if row else "not asked"
                messages.append(f"{result.id}: route {route} is {found}, the ledger has {accepted}")
    return messages


def _fell(verdict: str | None, accepted: str) -> bool:
    """``refuted`` is not on the scale: what was accepted as refuted must stay refuted."""
    if verdict == accepted:
        return False
    return accepted == "refuted" or RANK.get(verdict or "", -1) < RANK.get(accepted, -1)


def accept(results: Iterable[ClaimResult], path: Path = LEDGER) -> None:
    """Write the verdicts of a full run; claims not in the run, or without evidence in it, keep theirs."""
    ledger = load(path)
    for result in results:
        if result.verdict in EVIDENCE:
            routes = {name: row.verdict for name, row in result.routes.items() if row.verdict in EVIDENCE}
            ledger[result.id] = Accepted(result.verdict, routes)
    lines = (f'"{name}": {json.dumps(ledger[name]._asdict())}' for name in sorted(ledger))
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
