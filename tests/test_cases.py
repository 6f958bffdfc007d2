"""Saved counterexamples stay counterexamples: every case file in tests/cases is rerun."""

from pathlib import Path

import pytest

from verify import registry
from verify.cases import build, load, save
from verify.counts import InputError
from verify.findings import findings_for

CLAIMS = registry.load()
CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_saved_case_still_violates_its_claim(path):
    case, problem = load(path)
    claim = CLAIMS[case.claim]
    assert claim.applies(problem)
    related = registry.related(CLAIMS, claim.id) | {claim.id}
    findings = findings_for(claim, problem, case.route, 0, related)
    violated = [f for f in findings if f.outcome == "violated"]
    assert str(claim.relations[violated[0].relation]) == case.relation


def test_every_refuted_claim_has_a_saved_case():
    refuted = {identifier for identifier, claim in CLAIMS.items() if claim.status == "refuted"}
    assert refuted <= {load(path)[0].claim for path in CASES}


def test_a_case_survives_a_round_trip(tmp_path):
    case, problem = load(CASES[0])
    again, same = load(save(case, tmp_path))
    assert (again, same) == (case, problem)


def test_saving_twice_writes_the_same_file(tmp_path):
    case, problem = load(CASES[0])
    findings = findings_for(CLAIMS[case.claim], problem, case.route, 0, frozenset({case.claim}))
    rebuilt = build(case.claim, problem, findings[0], case.route, case.relation)
    assert save(case, tmp_path) == save(rebuilt, tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff", b"[]", b"{}", b'{"claim": 1}', b"[" * 100_000, b'{"schema": "verify.case/2"}', b"nan", b"1e999"],
    ids=["empty", "binary", "list", "object", "types", "deep", "version", "nan", "huge"],
)
def test_hostile_files_are_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "case.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_large_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load(tmp_path / "none.json")
    large = tmp_path / "large.json"
    large.write_bytes(b" " * 2_000_000)
    with pytest.raises(InputError, match="larger than"):
        load(large)
