"""From numbers to proposals: designed configurations are measured, fitted exactly, and tested on fresh ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice, product
from random import Random

from verify.balls import precision
from verify.bracket import Bracket, hull
from verify.discover.fits import equations, monomial, polynomial_in, rank, rational_functions
from verify.discover.laws import Form, Law, real_roots
from verify.discover.measure import Config, Quantity, Unmeasured, bracket
from verify.discover.numbers import HIGHEST_DEGREE, HIGHEST_POWER, digits_of, minimal_polynomial, power_of
from verify.discover.proposals import BITS, FRESH, MOST_FAILURES, Proposal, examine, predicted_by

__all__ = ["Findings", "discover"]

PROBES = 3
"""Configurations that must show what kind of number it is before the others are measured."""
FEW, MANY = 2, 14
"""Designed configurations beyond full rank; their number for ratios of polynomials."""
KEPT = 3
"""Proposals that are tested, simplest first."""


@dataclass
class Findings:
    """What a campaign measured and proposed; ``reason`` says why there is no surviving proposal."""

    quantity: Quantity
    measured: list[tuple[Config, Bracket]] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    kind: str = ""
    reason: str = ""
    interrupted: bool = False

    @property
    def survivors(self) -> list[Proposal]:
        """Tested and not killed, simplest first."""
        return [p for p in self.proposals if p.tested and p.killed is None]


Coefficients = list[tuple[Config, tuple[Fraction, ...]]]
"""Right-hand coefficients of a power of the unknown, by configuration."""


class BudgetEnded(Exception):
    """The time is over."""


@dataclass
class Campaign:
    """The state that every stage shares."""

    quantity: Quantity
    seed: int
    deadline: float
    progress: Callable[[str], None]
    findings: Findings
    failures: int = 0

    def check(self) -> None:
        """Stop when the time is over."""
        if time.monotonic() > self.deadline:
            raise BudgetEnded

    def measure(self, config: Config) -> bool:
        """Measure a designed configuration, once; whether that gave a number. A few may fail."""
        if any(config == seen for seen, _ in self.findings.measured):
            return False
        self.check()
        try:
            found = bracket(self.quantity, config, self.quantity.digits[0])
        except Unmeasured as why:
            self.failures += 1
            if self.failures > MOST_FAILURES:
                raise
            self.progress(f"not measured: {words(config)} ({why})")
            return False
        self.findings.measured.append((config, found))
        self.progress(f"{words(config)}: {self.quantity.unknown} = {float(found[0]):.12g}")
        return True

    def deepen(self) -> None:
        """Measure everything again to the most digits."""
        most = self.quantity.digits[1]
        for i, (config, found) in enumerate(self.findings.measured):
            if digits_of(found) < most:
                self.check()
                with suppress(Unmeasured):
                    self.findings.measured[i] = (config, bracket(self.quantity, config, most, found))


def words(config: Config) -> str:
    """A configuration in one line.

    Examples
    --------
    >>> words({"n": Fraction(3), "lam": Fraction(1, 2)})
    'n = 3, lam = 1/2'
    """
    return ", ".join(f"{name} = {value}" for name, value in config.items())


def discover(
    quantity: Quantity,
    *,
    seed: int = 0,
    budget: float = 120,
    fresh: int = FRESH,
    progress: Callable[[str], None] = lambda line: None,
) -> Findings:
    """Propose closed forms for a quantity and test them on fresh configurations.

    Parameters
    ----------
    quantity : one of :data:`verify.discover.quantities.QUANTITIES`, or your own.
    seed : seed of designed and fresh configurations.
    budget : seconds after which no further configuration is measured.
    fresh : fresh configurations per proposal.
    progress : called with a line per configuration.

    Returns
    -------
    Findings
        Complete or not: an interrupt or the end of the budget keeps what was found.

    Examples
    --------
    >>> from verify.discover.quantities import find
    >>> found = discover(find("uf-svm", "value"), fresh=3)
    >>> found.survivors[0].law.equation(), found.survivors[0].tested
    ('value**2 = n*(K - 1)**2', 3)
    """
    findings = Findings(quantity)
    campaign = Campaign(quantity, seed, time.monotonic() + budget, progress, findings)
    try:
        laws = _laws(campaign)
        findings.proposals = [Proposal(law, len(findings.measured)) for law in laws]
        for i, proposal in enumerate(findings.proposals):
            used = [config for config, _ in findings.measured]
            for better in examine(quantity, proposal, seed=seed, fresh=fresh, used=used):
                findings.proposals[i] = better
                progress(f"{better.law.equation()}: {better.verdict}")
                campaign.check()
    except BudgetEnded:
        findings.reason = "the budget ended"
    except KeyboardInterrupt:
        findings.interrupted = True
        findings.reason = "interrupted"
    except Unmeasured as why:
        findings.reason = f"not enough configurations could be measured: {why}"
    if not findings.survivors and not findings.reason:
        killed = all(proposal.killed is not None for proposal in findings.proposals)
        findings.reason = (
            "every proposal was killed by a fresh configuration"
            if killed
            else "no fresh configuration could be measured, so nothing tests what is proposed"
        )
    return findings


# --- laws --------------------------------------------------------------------------------------------------------


def _laws(campaign: Campaign) -> list[Law]:
    """Proposals from designed configurations, simplest first; none with the reason left in the findings."""
    findings, quantity = campaign.findings, campaign.quantity
    for config in quantity.draws(campaign.seed):
        if len(findings.measured) >= PROBES:
            break
        campaign.measure(config)
    if _kind(campaign) is None:
        campaign.deepen()
        if _kind(campaign) is None:
            findings.reason = _no_kind(findings)
            return []
    seen = [config for config, _ in findings.measured]
    rows = [row for config in seen for row in _rows(quantity, config)]
    width, spare = len(rows[0]), 0
    for config in islice(quantity.draws(campaign.seed + 1), 400):
        more, full = rows + _rows(quantity, config), rank(rows) == width
        if (full or rank(more) > rank(rows)) and campaign.measure(config):
            spare += full
            rows = more
        if spare >= FEW:
            break
    laws = _fit(campaign, polynomials=False)
    if not laws and quantity.index is None:
        for config in quantity.draws(campaign.seed + 2):
            if len(findings.measured) >= MANY:
                break
            campaign.measure(config)
        laws = _fit(campaign, polynomials=True)
    if not laws and not findings.reason:
        findings.reason = (
            f"the numbers are {findings.kind}, but no product of powers of {', '.join(quantity.bases)}"
            + ("" if quantity.index else " and no ratio of polynomials of low degree in up to three of them")
            + " explains all of them"
        )
    return laws


def _rows(quantity: Quantity, config: Config) -> list[list[Fraction]]:
    return list(equations(quantity.values(config), quantity.bases, quantity.index).values())


def _kind(campaign: Campaign) -> tuple[int, Coefficients, bool] | None:
    """Degree and right-hand coefficients of unknown^degree per configuration; whether it is one power."""
    findings = campaign.findings
    brackets = [found for _, found in findings.measured]
    powers = power_of(brackets)
    if powers is not None:
        power, numbers = powers
        findings.kind = "rational" if power == 1 else f"roots of order {power} of rationals"
        pairs: Coefficients = [(config, (r,)) for (config, _), r in zip(findings.measured, numbers, strict=True)]
        return power, pairs, True
    for degree in range(2, HIGHEST_DEGREE + 1):
        found = [minimal_polynomial(b, degree) for b in brackets]
        if all(found):
            highest = max(len(p) for p in found if p) - 1
            pairs = [
                (config, tuple(Fraction(-a, p[-1]) for a in p[:-1]))
                for (config, _), p in zip(findings.measured, found, strict=True)
                if p is not None and len(p) - 1 == highest
            ]
            findings.kind = f"algebraic of degree {highest}"
            return highest, pairs, False
    return None


def _no_kind(findings: Findings) -> str:
    digits = int(min((digits_of(b) for _, b in findings.measured), default=0))
    return (
        f"no closed form of low complexity: at {digits} digits the numbers are not all roots, of one order up to "
        f"{HIGHEST_POWER}, of rationals of few digits, nor all zeros of polynomials of degree up to {HIGHEST_DEGREE} "
        "with small integer coefficients"
    )


def _fit(campaign: Campaign, *, polynomials: bool) -> list[Law]:
    """Laws that explain all numbers exactly, simplest first, at most KEPT."""
    kind = _kind(campaign)
    if kind is None:
        campaign.deepen()
        kind = _kind(campaign)
    if kind is None:
        campaign.findings.reason = _no_kind(campaign.findings)
        return []
    degree, pairs, binomial = kind
    configs = [config for config, _ in pairs]
    columns = {i: [c[i] for _, c in pairs] for i in range(1 if binomial else degree)}
    forms = {i: _forms(campaign.quantity, configs, r, polynomials) for i, r in columns.items() if any(r)}
    if polynomials:
        _relate(campaign.quantity, configs, columns, forms)
    options = [[(i, form) for form in found] for i, found in forms.items()]
    laws = [Law(campaign.quantity.unknown, degree, dict(choice)) for choice in product(*options)]
    if not binomial:
        brackets = {words(config): found for config, found in campaign.findings.measured}
        roots = {_place(brackets[words(config)], coefficients) for config, coefficients in pairs}
        laws = [replace(law, root=min(roots)) for law in laws] if len(roots) == 1 else []
    laws = [law for law in laws if _explains(law, campaign)]
    return sorted(laws, key=lambda law: (law.complexity, law.equation()))[:KEPT]


def _explains(law: Law, campaign: Campaign) -> bool:
    """Whether a law agrees with every measurement, those that were of a lower degree than it included."""
    with precision(BITS):
        found = [(predicted_by(law, campaign.quantity, config), hull(b)) for config, b in campaign.findings.measured]
    return all(number is not None and number.overlaps(measured) for number, measured in found)


def _relate(
    quantity: Quantity, configs: Sequence[Config], columns: Mapping[int, list[Fraction]], forms: dict[int, list[Form]]
) -> None:
    """For coefficients without a form: polynomials in one that has a single product of powers."""
    values = [quantity.values(config) for config in configs]
    known = [found[0] for found in forms.values() if found and not found[0].top]
    for i in [i for i, found in forms.items() if not found]:
        related = (polynomial_in(form, values, columns[i]) for form in known)
        forms[i] = [form for form in related if form is not None]


def _place(found: Bracket, coefficients: Sequence[Fraction]) -> int:
    """Which real zero, counted from the largest, lies in the bracket."""
    with precision(BITS):
        roots = real_roots([-c for c in coefficients] + [Fraction(1)])
        return next(i for i, root in enumerate(roots) if root.overlaps(hull(found)))


def _forms(quantity: Quantity, configs: Sequence[Config], numbers: Sequence[Fraction], polynomials: bool) -> list[Form]:
    """Forms equal to every number, simplest first."""
    values = [quantity.values(config) for config in configs]
    single = monomial(values, numbers, quantity.bases, quantity.index)
    if single is not None:
        return [single]
    if not polynomials or not all(numbers):
        return []
    letters = [base for base in quantity.bases if base.isidentifier()]
    found = sorted(rational_functions(values, numbers, letters), key=lambda form: (form.complexity, form.text()))
    rng = Random(f"equal {quantity.model} {quantity.name}")
    elsewhere = [quantity.values(quantity.draw(rng, fresh=True)) for _ in range(5)]
    kept: dict[tuple[object, ...], Form] = {}
    for form in found:
        try:
            kept.setdefault(tuple(form(v) for v in elsewhere), form)
        except ZeroDivisionError:
            continue
    return list(kept.values())[:KEPT]
