"""Certificates on their way: folders and archives of them, what is said about them, runs that rest on them."""

import json
import struct
import zipfile
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest

import verify.archive
from theory.problem import Problem
from verify.archive import entries, pack
from verify.cli import run
from verify.optimum import certificate

SCHEMAS = Path(verify.archive.__file__).parent / "json_schemas"
CE = certificate(Problem.ce([(120, 4), (25, 3)], "0.0105"))
SVM = certificate(Problem.svm([40, 10]))


def text_of(data):
    return json.dumps(data, separators=(",", ":")) + "\n"


def rejected(data):
    """The same certificate with a better lower bound than it proves."""
    return data | {"bounds": {"lower": data["bounds"]["upper"], "upper": data["bounds"]["upper"]}}


def undecided(data):
    """The same certificate with a dual point whose norm is exactly at its limit: no ball decides."""
    return data


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """Run a command in an empty folder: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run_it(*args):
        code = run([str(arg) for arg in args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_it


@pytest.fixture
def folder(tmp_path):
    """Two certificates, one of them deeper, and a file that is none."""
    place = tmp_path / "some"
    (place / "deeper").mkdir(parents=True)
    (place / "ce.json").write_text(text_of(CE))
    (place / "deeper" / "svm.json").write_text(text_of(SVM))
    (place / "other.json").write_text('{"schema": "verify.optimum/1"}')
    (place / "notes.txt").write_text("no certificate")
    return place


def zipped(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def refused(answer):
    code, out, err = answer
    return code == 2 and out == "" and err.count("\n") == 1 and err.startswith("verify: ")


def checks(answer):
    """Rows of a list of certificates by the last part of their name."""
    data = json.loads(answer[1])
    jsonschema.validate(data, json.loads((SCHEMAS / "verify.checks.1.json").read_text()))
    assert sum(data["summary"].values()) == len(data["files"])
    return {row["name"].replace(": ", "/").split("/")[-1]: row for row in data["files"]}


# --- many certificates at once ---------------------------------------------------------------------------------------


def test_a_folder_is_checked_with_what_lies_deeper_and_other_files_are_named(call, folder):
    answer = call("check", folder, "--json")
    rows = checks(answer)
    assert answer[0] == 0
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "ce.json": "bounds",
        "svm.json": "bounds",
        "other.json": "skipped",
    }
    assert (rows["ce.json"]["model"], rows["ce.json"]["bounds"]) == ("ce", CE["bounds"])
    assert Fraction(rows["ce.json"]["width"]) < Fraction(1, 10**38)
    out = call("check", folder)[1]
    assert "3 files: 2 proved, 1 skipped" in out
    assert "skipped" in out


def test_an_archive_is_checked_like_the_folder_it_came_from(call, folder, tmp_path):
    files = [folder / "ce.json", folder / "deeper" / "svm.json", folder / "other.json"]
    pack(tmp_path / "all.zip", files)
    inside, outside = (checks(call("check", place, "--json")) for place in (tmp_path / "all.zip", folder))
    strip = ("name", "seconds")
    assert [{k: v for k, v in row.items() if k not in strip} for _, row in sorted(inside.items())] == [
        {k: v for k, v in row.items() if k not in strip} for _, row in sorted(outside.items())
    ]


@pytest.mark.parametrize(
    ("text", "outcome", "code"),
    [
        (text_of(CE), "bounds", 0),
        (text_of(rejected(CE)), "rejected", 1),
        (text_of(CE)[:1000], "unreadable", 2),
        ("[" * 10_000, "unreadable", 2),
        (text_of({key: CE[key] for key in CE if key != "witness"}), "unreadable", 2),
    ],
)
def test_the_exit_code_is_that_of_the_worst_file(call, folder, text, outcome, code):
    (folder / "last.json").write_text(text)
    answer = call("check", folder, "--json")
    assert (answer[0], checks(answer)["last.json"]["outcome"]) == (code, outcome)
    (folder / "worse.json").write_text(text_of(rejected(SVM)))
    assert call("check", folder)[0] == 1


def test_an_undecided_certificate_exits_with_three_under_strict_only(call, folder, monkeypatch):
    import verify.kernel

    def check(text):
        return {"outcome": "undecided", "problem": None, "bounds": None, "facts": None, "reason": "too wide"}

    monkeypatch.setattr(verify.kernel, "check", check)
    assert call("check", folder)[0] == 0
    assert call("check", folder, "--strict")[0] == 3


def test_a_file_that_is_named_must_be_a_certificate(call, folder):
    assert refused(call("check", folder / "other.json"))
    assert call("check", folder / "ce.json", folder / "other.json")[0] == 2
    assert call("check", folder / "ce.json", folder / "deeper" / "svm.json")[0] == 0
    assert refused(call("check", folder / "missing.json", folder / "missing2.json"))


def test_a_place_without_certificates_is_refused(call, tmp_path):
    (tmp_path / "empty").mkdir()
    assert refused(call("check", tmp_path / "empty"))
    assert refused(call("check", zipped(tmp_path / "empty.zip", {})))
    assert refused(call("check", zipped(tmp_path / "text.zip", {"a.txt": "b"})))


# --- archives written by somebody else ------------------------------------------------------------------------------


def test_a_bomb_ends_with_one_sentence_and_no_memory(call, tmp_path):
    """Entries of a gigabyte of zeros, a few hundred bytes each when packed."""
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.json", "w") as entry:
        for _ in range(40):
            entry.write(bytes(1_000_000))
    answer = call("check", bomb)
    assert refused(answer)
    assert "40000000 bytes" in answer[2]


def test_an_archive_whose_entries_declare_too_much_together_is_refused(call, tmp_path, monkeypatch):
    monkeypatch.setattr(verify.archive, "MOST_TOTAL", 1000)
    answer = call("check", zipped(tmp_path / "wide.zip", {"a.json": text_of(CE)}))
    assert refused(answer)
    assert "declares more than 1000 bytes" in answer[2]


def test_an_archive_of_too_many_entries_is_refused(call, tmp_path, monkeypatch):
    path = zipped(tmp_path / "many.zip", {f"{i}.json": "{}" for i in range(20)})
    monkeypatch.setattr(verify.archive, "MOST_FILES", 19)
    assert refused(call("check", path))
    monkeypatch.setattr(verify.archive, "MOST_DIRECTORY", 500)
    answer = call("check", path)
    assert refused(answer)
    assert "table of contents" in answer[2]


def altered(path, declared):
    """The same archive whose only entry declares another size than it has, in both headers."""
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = data.index(signature)
        data[start + place : start + place + 4] = struct.pack("<I", declared)
    path.write_bytes(data)
    return path


def test_no_entry_gives_more_bytes_than_it_declares(call, tmp_path):
    files = {"ce.json": text_of(CE)}
    short = altered(zipped(tmp_path / "short.zip", files), 10)
    assert all(isinstance(found, str) for _, found in entries(short, 10**7))
    assert refused(call("check", short))
    long = altered(zipped(tmp_path / "long.zip", files), 10**6)
    assert list(entries(long, 10**7)) == [("ce.json", text_of(CE).encode())]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_unreadable(call, tmp_path, method):
    answer = call("check", zipped(tmp_path / "odd.zip", {"ce.json": text_of(CE)}, method), "--json")
    assert refused(answer)
    assert "deflation" in answer[2]


def test_names_in_an_archive_are_printed_and_never_used_as_paths(call, tmp_path):
    names = ["../../escape.json", "/tmp/absolute.json", "C:\\windows.json", "a\x1b[31m.json", "x" * 5000 + ".json"]
    path = zipped(tmp_path / "names.zip", dict.fromkeys(names, text_of(SVM)))
    before = sorted(tmp_path.rglob("*"))
    code, out, _ = call("check", path, "--json")
    assert (code, json.loads(out)["summary"]["bounds"]) == (0, len(names))
    code, out, _ = call("check", path)
    assert code == 0
    assert "\x1b" not in out
    assert sorted(tmp_path.rglob("*")) == before


def test_damaged_archives_are_refused(call, tmp_path):
    good = zipped(tmp_path / "good.zip", {"ce.json": text_of(CE)}).read_bytes()
    for i, data in enumerate([good[:-10], good[: len(good) // 2], good[:4], b"PK\x05\x06", b"PK\x05\x06" + bytes(18)]):
        path = tmp_path / f"bad{i}.zip"
        path.write_bytes(data)
        assert refused(call("check", path)), i


def test_the_same_files_are_packed_into_the_same_bytes(tmp_path, folder):
    files = [folder / "ce.json", folder / "deeper" / "svm.json"]
    assert pack(tmp_path / "one.zip", files) == 2
    (folder / "ce.json").touch()
    pack(tmp_path / "two.zip", reversed(files))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert [name for name, _ in entries(tmp_path / "one.zip", 10**7)] == ["ce.json", "svm.json"]
