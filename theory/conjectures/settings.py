"""Hypotheses that the conjectures on arbitrary sizes share."""

from __future__ import annotations

from theory.claim import Hypothesis
from theory.new_results.settings import no_bias, wide

__all__ = ["NOT_TRIED", "SOURCE", "WIDE"]

SOURCE = "ours; survived many thousands of solves, no proof"
NOT_TRIED = no_bias("with a bias the statement was not tried")
WIDE: Hypothesis = wide("below K - 1 no route proves that a minimum is global")
