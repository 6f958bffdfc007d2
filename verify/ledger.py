"""The last accepted verdict of every claim. A weaker verdict in a full run is a failure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from verify.evidence import RANK
from verify.schemas import ClaimResult

__all__ = ["LEDGER", "accept", "load", "weaker"]

LEDGER = Path(__file__).with_name("ledger.json")


def load(path: Path = LEDGER) -> dict[str, str]:
    """Accepted verdicts by claim ID."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def weaker(results: Iterable[ClaimResult], ledger: dict[str, str]) -> list[str]:
    """One sentence per claim whose verdict fell below the ledger's.

    ``refuted`` is not on the scale: a claim accepted as refuted must stay refuted.
    """
    messages = []
    for result in results:
        accepted = ledger.get(result.id)
        if accepted is None or result.verdict == accepted:
            continue
        fell = accepted == "refuted" or RANK.get(result.verdict or "", -1) < RANK.get(accepted, -1)
        if fell:
            messages.append(f"{result.id}: {result.verdict}, the ledger has {accepted}")
    return messages


def accept(results: Iterable[ClaimResult], path: Path = LEDGER) -> None:
    """Write the verdicts of a full run; claims not in the run, or without evidence in it, keep theirs."""
    evidence = {"refuted", *RANK}
    ledger = load(path) | {result.id: result.verdict for result in results if result.verdict in evidence}
    path.write_text(json.dumps(dict(sorted(ledger.items())), indent=2) + "\n")
