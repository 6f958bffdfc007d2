"""Claims are found in the house, in ./conjectures, in given folders and in installed packages."""

import subprocess
import sys
from pathlib import Path

import pytest

from verify import cli, registry
from verify.counts import InputError
from verify.soundness import fault

CLAIM = """
from dataclasses import replace
from theory.hong_ling_2023.minority_collapse import threshold
mine = replace(threshold, id="{id}", status="conjecture")
"""


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_conjectures_of_the_current_folder_and_of_given_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "conjectures", "one.py", CLAIM.format(id="ONE-1"))
    write(tmp_path / "elsewhere", "two.py", CLAIM.format(id="TWO-1"))
    assert "ONE-1" in registry.load()
    assert "TWO-1" not in registry.load()
    assert {"ONE-1", "TWO-1", "HL23-04"} <= set(registry.load([tmp_path / "elsewhere"]))


def test_claims_of_an_installed_package(tmp_path, monkeypatch):
    write(tmp_path / "outside_claims", "__init__.py", "")
    write(tmp_path / "outside_claims", "first.py", CLAIM.format(id="OUT-1"))
    info = tmp_path / "outside_claims-1.0.dist-info"
    write(info, "METADATA", "Metadata-Version: 2.1\nName: outside-claims\nVersion: 1.0\n")
    write(info, "entry_points.txt", "[verify.claims]\noutside = outside_claims\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "OUT-1" in registry.load()
    for name in [name for name in sys.modules if name.startswith("outside_claims")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\ny = (", ":2: SyntaxError"),
        ("x = 1\n\n1 / 0\n", ":3: ZeroDivisionError"),
        ("import no_such_module\n", ":1: ModuleNotFoundError"),
        ("from theory.claim import Claim\nc = Claim(id=1)\n", ":2: TypeError"),
        (CLAIM.format(id="HL23-04"), ":4: claim HL23-04 is stated in .*minority_collapse.py already"),
    ],
    ids=["syntax", "zero", "import", "arguments", "twice"],
)
def test_a_claim_file_that_does_not_load_names_the_line(tmp_path, text, says):
    path = write(tmp_path, "broken.py", text)
    claims = registry.load([tmp_path])
    assert "HL23-04" in claims
    assert list(claims.broken) == [path]
    with pytest.raises(InputError, match=says):
        registry.select(claims, [])


def test_unknown_claims_suggest_the_nearest():
    claims = registry.load()
    with pytest.raises(InputError, match="did you mean HL23-04"):
        registry.select(claims, ["HL23-04x"])
    assert [claim.id for claim in registry.select(claims, ["HL23-R*"])] == [f"HL23-R{i}" for i in range(1, 7)]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="not a folder"):
        registry.load([tmp_path / "none"])


def test_loading_only_what_a_claim_needs_changes_nothing_for_it():
    claims = registry.load()
    for name in claims:
        some = registry.load(only=[name])
        assert some[name] is claims[name]
        assert registry.related(some, name) == registry.related(claims, name)


def test_every_file_names_its_claims_and_those_they_rest_on_literally():
    claims = registry.load()
    for name, claim in claims.items():
        text = claims.files[name].read_text()
        assert all(f'"{other}"' in text for other in (name, *claim.rests_on))


def test_one_claim_leaves_most_files_unread(tmp_path):
    script = "import sys; from verify import cli; cli.run(['show', 'HL23-04'])"
    script += "; print(sum(n.count('.') == 2 and n.startswith('theory.') for n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert int(done.stdout.split()[-1]) < 50


@pytest.mark.parametrize("name", ["HL23-04", "HL23-05"])
def test_a_taken_id_is_found_by_list_and_by_what_needs_it(tmp_path, name, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "conjectures", "mine.py", CLAIM.format(id=name))
    for words in (["list"], ["show", name], ["hunt", name, "--budget", "0"]):
        cli.run(words)
        assert f"claim {name} is stated in" in capsys.readouterr().err


def test_a_claim_of_ones_own_is_related_to_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rests = CLAIM.format(id="MINE-1").replace('status="conj', 'rests_on=frozenset({"DA23-14"}), status="conj')
    write(tmp_path / "conjectures", "mine.py", rests)
    known, some = registry.load(), registry.load(only=["MINE-1"])
    assert registry.related(some, "MINE-1") == registry.related(known, "MINE-1") >= {"DA23-14"}
    known, some = registry.load(), registry.load(only=["DA23-14"])
    assert registry.related(some, "DA23-14") == registry.related(known, "DA23-14") >= {"MINE-1"}


def test_every_shipped_claim_keeps_the_rules_for_claims_of_users():
    assert {claim.id: found for claim in registry.load().values() if (found := fault(claim))} == {}
