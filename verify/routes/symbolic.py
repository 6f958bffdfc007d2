"""Route *symbolic*: execute a claim's derivation and verify every step in exact arithmetic."""

from __future__ import annotations

import time

from theory.claim import Claim
from verify.schemas import RouteResult, Verdict
from verify.wording import counted

__all__ = ["prove"]


def prove(claim: Claim) -> tuple[RouteResult, list[str]]:
    """Verdict of the derivation, and the lemmas it assumes.

    ``proved`` only when every step is confirmed and the derivation says it is complete; a step that is not
    confirmed is an error of the derivation, not a refutation of the claim.

    Examples
    --------
    >>> from theory.hong_ling_2023.minority_collapse import threshold
    >>> prove(threshold)[0].verdict
    'proved'
    """
    start = time.process_time()
    if claim.derivation is None:
        return _row("undecided", "no derivation is given", 0, start), []
    derivation = claim.derivation()
    failures = derivation.failures()
    checked = len(derivation.steps) - len(derivation.assumes)
    if failures:
        return _row("error", f"step not confirmed: {failures[0].text}", checked, start), list(derivation.assumes)
    if not checked:
        return _row("undecided", "the derivation names lemmas only", 0, start), list(derivation.assumes)
    if not derivation.complete:
        reason = f"{counted(checked, 'step')} verified, not a complete proof: {derivation.gap}"
        return _row("undecided", reason, checked, start), list(derivation.assumes)
    return _row("proved", "", checked, start), list(derivation.assumes)


def _row(verdict: Verdict, reason: str, steps: int, start: float) -> RouteResult:
    return RouteResult(
        verdict=verdict,
        configurations=0,
        decided=steps,
        max_error=None,
        radius=None,
        worst=None,
        uses=[],
        reason=reason,
        seconds=round(time.process_time() - start, 3),
    )
