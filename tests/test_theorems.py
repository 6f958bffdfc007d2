"""The theorem checker: every registered claim reaches its verdict, on every route that applies, and its mutants die."""

import pytest
from conftest import PROFILE

from verify import ledger, registry
from verify.engine import check, reached
from verify.routes.symbolic import prove

CLAIMS = registry.load()
EXAMPLES = {"dev": 3, "ci": 12, "nightly": 500}[PROFILE]


@pytest.mark.parametrize("identifier", list(CLAIMS))
def test_claim(identifier):
    result = check(CLAIMS[identifier], examples=EXAMPLES, related=registry.related(CLAIMS, identifier))
    assert reached(result), f"{result.verdict} instead of {result.required}: {result.reason} {result.mutants.survivors}"
    assert ledger.weaker([result], ledger.load()) == []


@pytest.mark.parametrize("identifier", [i for i, claim in CLAIMS.items() if claim.status != "note"])
def test_witness_satisfies_the_hypotheses(identifier):
    claim = CLAIMS[identifier]
    assert claim.witness is not None
    assert claim.applies(claim.witness)
    assert all(claim.applies(problem) for problem in claim.settings)


@pytest.mark.parametrize("identifier", [i for i, claim in CLAIMS.items() if claim.status not in ("note", "refuted")])
def test_every_claim_has_mutants_of_its_own(identifier):
    assert CLAIMS[identifier].mutants


@pytest.mark.parametrize("identifier", list(CLAIMS))
def test_dropped_hypotheses_are_violated_alone(identifier):
    for position, hypothesis in enumerate(CLAIMS[identifier].hypotheses):
        if not isinstance(hypothesis.dropped, str):
            holds = [h.holds(hypothesis.dropped) for h in CLAIMS[identifier].hypotheses]
            assert [i for i, value in enumerate(holds) if not value] == [position]


def test_every_catalogue_identifier_is_registered():
    expected = {f"HL23-{i:02d}" for i in range(1, 22)} | {f"HL23-R{i}" for i in range(1, 7)}
    for series, last, false in (("DA24", 20, 0), ("DA23", 31, 0), ("TH22", 16, 5), ("LS20", 22, 0), ("FA21", 11, 5)):
        expected |= {f"{series}-{i:02d}" for i in range(1, last + 1)} | {f"{series}-R{i}" for i in range(1, false + 1)}
    assert expected <= set(CLAIMS)


def test_a_proof_rests_on_proofs():
    proved = {identifier for identifier, claim in CLAIMS.items() if prove(claim)[0].verdict == "proved"}
    for identifier in proved:
        assert registry.ancestors(CLAIMS, identifier) <= proved


def test_what_a_claim_rests_on_is_registered_and_not_circular():
    for identifier, claim in CLAIMS.items():
        assert claim.rests_on <= set(CLAIMS)
        assert identifier not in registry.ancestors(CLAIMS, identifier)
