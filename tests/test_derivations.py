"""Derivations of all claims: each step holds and fails when it is moved a little; lemmas that are claims are named."""

from dataclasses import replace

import pytest
import sympy as sp

from theory.derivation import Identity, Positive
from verify import registry

CLAIMS = registry.load()
DERIVED = [claim for claim in CLAIMS.values() if claim.derivation is not None]
TINY = sp.Rational(1, 10**6)
IN_BALLS = {"LS20-11"}
"""Theorems whose last step is decided in balls, configuration by configuration."""

each = pytest.mark.parametrize("claim", DERIVED, ids=lambda claim: claim.id)


def moved(step):
    """The step made wrong: an identity off by a millionth in every entry, an inequality reversed."""
    if isinstance(step, Identity):
        shift = TINY * (sp.ones(*step.right.shape) if isinstance(step.right, sp.MatrixBase) else 1)
        return replace(step, right=step.right + shift)
    return replace(step, expression=-step.expression, strict=True)


@each
def test_every_step_holds_and_fails_when_moved(claim):
    derivation = claim.derivation()
    assert derivation.failures() == []
    steps = [step for step in derivation.steps if isinstance(step, Identity | Positive)]
    assert steps
    for step in steps:
        assert not moved(step).verify(), step.text


@each
def test_a_theorem_is_proved_for_the_whole_family_and_the_rest_says_what_is_missing(claim):
    derivation = claim.derivation()
    assert derivation.complete == (claim.status == "theorem" and claim.id not in IN_BALLS)
    assert derivation.complete or derivation.gap


@each
def test_lemmas_that_are_claims_are_declared(claim):
    used = {name for name in claim.derivation().assumes if name in CLAIMS}
    assert used <= set(claim.rests_on)
