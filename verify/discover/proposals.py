"""Proposals, and their test on fresh configurations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from flint import arb

from verify.balls import precision
from verify.bracket import fraction
from verify.discover.laws import Law
from verify.discover.measure import Config, Quantity, Unmeasured, misfit
from verify.wording import counted

__all__ = ["BITS", "FRESH", "MOST_FAILURES", "Proposal", "examine", "predicted_by"]

FRESH, FRESH_DIGITS = 12, 20
BITS = 500
MOST_FAILURES = 8
"""Configurations that may fail to be measured before one gives up."""


@dataclass(frozen=True)
class Proposal:
    """A law that explains every designed number, and what fresh configurations said about it.

    Attributes
    ----------
    law : the law.
    fitted, tested : numbers of designed and of fresh configurations.
    misfit : largest relative misfit on fresh ones, an upper bound; on the one that killed it a lower bound.
    killed : the fresh configuration that contradicts it.
    unmeasured : number of fresh configurations that could not be measured, and so tell nothing.
    """

    law: Law
    fitted: int
    tested: int = 0
    misfit: Fraction = Fraction(0)
    killed: Config | None = None
    unmeasured: int = 0

    @property
    def digits(self) -> int:
        """Digits to which all fresh configurations agree."""
        count = 0
        while self.misfit * 10 ** (count + 1) <= 1 and count < 999:
            count += 1
        return count if self.tested else 0

    @property
    def verdict(self) -> str:
        """In words; never more than was seen."""
        if self.killed is not None:
            return "killed by a fresh configuration"
        seen = f"consistent on {counted(self.tested, 'fresh configuration')}, digits {self.digits}"
        left_out = f"; {self.unmeasured} could not be measured" if self.unmeasured else ""
        return (seen if self.tested else "not tested") + left_out


def examine(
    quantity: Quantity,
    proposal: Proposal,
    *,
    seed: int = 0,
    fresh: int = FRESH,
    digits: int = FRESH_DIGITS,
    used: Sequence[Config] = (),
) -> Iterator[Proposal]:
    """Test a proposal on fresh configurations; yields it with its record after each, ends at the first misfit.

    Fresh are configurations that differ from each other and from the ``used`` ones.

    Examples
    --------
    >>> from verify.discover.laws import Form, Power
    >>> from verify.discover.quantities import find
    >>> wrong = Law("value", 1, {0: Form((Power("n", Fraction(1)),))})
    >>> [p.verdict for p in examine(find("uf-svm", "value"), Proposal(wrong, 0))]
    ['killed by a fresh configuration']
    """
    for config in quantity.draws(seed, used, fresh=True):
        if proposal.tested >= fresh or proposal.unmeasured > MOST_FAILURES:
            return
        with precision(BITS):
            predicted = predicted_by(proposal.law, quantity, config)
            if predicted is None:
                yield replace(proposal, tested=proposal.tested + 1, killed=config)
                return
            try:
                off = misfit(quantity, config, predicted, digits)
                low, high = (fraction(end) for end in (off.lower(), off.upper()))
            except (Unmeasured, ArithmeticError):
                proposal = replace(proposal, unmeasured=proposal.unmeasured + 1)
                yield proposal
                continue
        if low > 0:
            yield replace(proposal, tested=proposal.tested + 1, misfit=low, killed=config)
            return
        proposal = replace(proposal, tested=proposal.tested + 1, misfit=max(high, proposal.misfit))
        yield proposal


def predicted_by(law: Law, quantity: Quantity, config: Config) -> arb | None:
    """What a law says at a configuration; None where it names no number."""
    try:
        number = law(quantity.values(config))
    except ArithmeticError:
        return None
    return number if number.is_finite() else None
