"""Certificates on their way: folders and archives of them, what is said about them, runs that rest on them."""

import json
import math
import random
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest

import verify.archive
import verify.certified
import verify.findings
import verify.report
import verify.routes
from theory.problem import Problem
from verify import registry
from verify.archive import entries, pack
from verify.balls import precision
from verify.certified import ARCHIVE, IN_FILE, settle
from verify.commands.running import _proofs
from verify.engine import run as run_engine
from verify.kernel import check as kernel
from verify.optimum import certificate
from verify.report import _context
from verify.report.html import render_index, render_markdown, render_paper
from verify.routes import solve
from verify.schemas import MutantDetail, MutantSummary
from verify.statements import number, statements
from verify.watch import watched

SCHEMAS = Path(verify.archive.__file__).parent / "json_schemas"
CE = certificate(Problem.ce([(120, 4), (25, 3)], "0.0105"))
SVM = certificate(Problem.svm([40, 10]))


def text_of(data):
    return json.dumps(data, separators=(",", ":")) + "\n"


def rejected(data):
    """The same certificate with a better lower bound than it proves."""
    return data | {"bounds": {"lower": data["bounds"]["upper"], "upper": data["bounds"]["upper"]}}


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


def test_an_interrupt_keeps_what_was_checked(call, folder, monkeypatch):
    import verify.kernel

    honest = verify.kernel.check

    def check(text):
        if b'"uf-svm"' in text:
            raise KeyboardInterrupt
        return honest(text)

    monkeypatch.setattr(verify.kernel, "check", check)
    code, out, err = call("check", folder, "--json")
    assert (code, err) == (130, "verify: interrupted; 2 files were looked at.\n")
    assert json.loads(out)["summary"]["bounds"] == 1


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


def test_a_refutation_is_written_said_and_checked_like_a_certificate(call, folder):
    made = call("certify", "--refute", "RF26-08", "-o", folder / "false.json")
    seen = call("check", folder / "false.json")
    assert (made[0], seen[0]) == (0, 0)
    assert made[1].split("outcome")[1].split() == seen[1].split("outcome")[1].split()
    assert "refuted: the statement below is false" in " ".join(seen[1].split())
    rows = checks(call("check", folder, "--json"))
    assert (rows["false.json"]["outcome"], rows["false.json"]["model"]) == ("refuted", "RF26-08")
    data = json.loads((folder / "false.json").read_text())
    (folder / "false.json").write_text(json.dumps(data | {"says": data["says"][::-1]}))
    assert call("check", folder)[0] == 1


@pytest.mark.parametrize("line", ["HL23-04", "TH22-R2"])
def test_what_has_no_refutation_leaves_no_file(call, tmp_path, line):
    code, out, err = call("certify", "--refute", line, "-o", "false.json")
    assert (code, out) == (1, "")
    assert err.startswith("verify: no refutation was written (")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        "certify -o x.json",
        "certify ce --refute HL23-R1 -o x.json",
        "certify --refute NO-1 -o x.json",
        "certify ce --counts 5,3 --lam 1 --case x.json -o x.json",
        "certify --refute HL23-R1 --case no.json -o x.json",
    ],
)
def test_a_refutation_takes_a_claim_and_no_model(call, line):
    assert refused(call(*line.split()))


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


def test_random_damage_to_an_archive_is_no_crash_and_proves_nothing_new(call, tmp_path):
    rng, path = random.Random(0), tmp_path / "damaged.zip"
    good = zipped(tmp_path / "good.zip", {"svm.json": text_of(SVM), "a.txt": "b"}).read_bytes()
    seen = {0: 0, 1: 0, 2: 0}
    for _ in range(120):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            start = rng.choice([rng.randrange(len(data)), data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")])
            place = min(len(data) - 1, max(0, start) + rng.randrange(30))
            data[place] = rng.choice([0, 1, 127, 255, data[place] ^ (1 << rng.randrange(8))])
        path.write_bytes(data[: rng.choice([len(data), len(data), rng.randrange(len(data))])])
        code, out, err = call("check", path, "--json")
        seen[code] += 1
        assert code != 2 or out or err.count("\n") == 1
        for row in json.loads(out)["files"] if out else []:
            assert row["outcome"] != "bounds" or row["bounds"] == SVM["bounds"]
    assert min(seen[0], seen[2]) > 5


def test_the_same_files_are_packed_into_the_same_bytes(tmp_path, folder):
    files = [folder / "ce.json", folder / "deeper" / "svm.json"]
    assert pack(tmp_path / "one.zip", files) == 2
    (folder / "ce.json").touch()
    pack(tmp_path / "two.zip", reversed(files))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert [name for name, _ in entries(tmp_path / "one.zip", 10**7)] == ["ce.json", "svm.json"]


# --- what is said about a certificate ------------------------------------------------------------------------------


def decimal(value, digits):
    scaled = round(value * 10**digits)
    return f"{'-' * (scaled < 0)}{abs(scaled) // 10**digits}.{abs(scaled) % 10**digits:0{digits}d}"


def ends_of(text):
    """The interval that a printed number stands for."""
    if text.startswith("between"):
        return tuple(Fraction(part) for part in re.fullmatch(r"between (\S+) and (\S+)", text).groups())
    middle, _, error = text.partition(" ± ")
    return Fraction(middle) - Fraction(error or "0"), Fraction(middle) + Fraction(error or "0")


def test_a_printed_number_holds_the_proved_interval_and_is_not_much_wider():
    rng = random.Random(0)
    for _ in range(300):
        middle = Fraction(rng.randint(-(10**30), 10**30), 10 ** rng.randint(20, 40))
        radius = Fraction(rng.randint(1, 10**6), 10 ** rng.randint(6, 50))
        low, high = decimal(middle - radius, 60), decimal(middle + radius, 60)
        printed = ends_of(number({"lower": low, "upper": high}))
        assert printed[0] <= Fraction(low) <= Fraction(high) <= printed[1], (low, high)
        width, scale = Fraction(high) - Fraction(low), max(abs(Fraction(low)), abs(Fraction(high)))
        assert printed[1] - printed[0] <= Fraction(6, 5) * width + scale / 10, (low, high)
        if width < scale / 100:
            assert printed[1] - printed[0] <= Fraction(6, 5) * width + scale / 10**19, (low, high)


MODELS = {
    "ce": Problem.ce([(120, 4), (25, 3)], "0.0105", bias="free"),
    "ce-relu": Problem.ce([(120, 4), (25, 3)], "0.0085", model="ce-relu"),
    "mse": Problem.mse([9, 6, 4], ["0.049"] * 3, "0.049"),
    "ce-deep": Problem.ce([(100, 4)], ["0.0085"] * 2, "0.0085"),
    "uf-svm": Problem.svm([(40, 2), (10, 3)]),
    "layer-peeled": Problem.peeled([(30, 3), (20, 2)], 2, "1/2"),
    "ce-sphere": Problem.sphere(5),
    "loss": Problem.ce([(12, 2), (3, 2)], "0.03").with_loss(smoothing="0.1"),
}
SAID = {
    "ce": ["4 of 120", "3 of 25", "bias", "rank 4", "HL23-04", "coincide", "stay apart"],
    "ce-relu": ["their features vanish", "own 0,"],
    "mse": ["mode mu = 9", "alive", "dead: absent from every minimiser", "0.799634978"],
    "ce-deep": ["NOT optimal", "at least 0.008196", "nothing is stated about logits"],
    "uf-svm": ["every margin is between 1 and 1 + ", "squared norm of its classifier row 4.7497284468071336863"],
    "layer-peeled": ["per unit of the budget", "3 of n w/N = 3/13"],
    "ce-sphere": ["-0.25 ± ", "between 0 and "],
    "loss": ["stay apart"],
}


@pytest.fixture(scope="module")
def optima():
    return {key: solve("enclosure", problem) for key, problem in MODELS.items()}


@pytest.mark.parametrize("key", MODELS)
def test_sentences_say_what_is_proved_and_no_number_is_a_negative_zero(optima, key):
    data = optima[key].work["certificate"]
    lines = list(statements(kernel(text_of(data)), data))
    text = "\n".join(f"{name}: {sentence}" for name, sentence in lines)
    assert MODELS[key].key == key
    for part in SAID[key]:
        assert part in text, text
    assert not re.search(r"-0(\.0*)?(?![.\d])", text), text
    assert "every minimiser" in text or key == "ce-deep"


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (Problem.sphere(5, 2, families=1), "the dimension 2 is below n - 1 = 4"),
        (Problem.mse([9, 6, 4], ["0.049"], "0.049", bias="1/3"), "a penalised bias on unequal classes"),
        (Problem.ce([(12, 3), (5, 2)], "0.01", dim=1), "d = 1 is below the certified rank bound"),
    ],
)
def test_withheld_facts_come_with_their_reason(problem, why):
    data = certificate(problem)
    told = dict(statements(kernel(text_of(data)), data))
    assert "nothing is stated about" in told["not stated"]
    assert why in told["not stated"]
    assert "every minimiser" not in told


def test_certify_and_check_speak_alike_and_digits_that_are_not_reached_are_named(call):
    made = call("certify", "ce", "--counts", "9,5", "--lam", "1/50", "--digits", "20", "-o", "c.json")
    seen = call("check", "c.json")
    assert made[0] == seen[0] == 0
    assert made[1].split("outcome")[1].split() == seen[1].split("outcome")[1].split()
    wide = call("certify", "ce", "--depth", "2", "--counts", "9x3", "--lam", "1/50", "-o", "d.json")[1]
    assert "asked were 40 digits; the relative width reached is" in wide


# --- runs that rest on certificates --------------------------------------------------------------------------------

IDS = ["HL23-04", "TH22-03", "DA23-26", "LS20-17"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with its certificates, not yet judged: (result, folder of the certificates)."""
    spool = tmp_path_factory.mktemp("spool")
    claims = [registry.load()[name] for name in IDS]
    options = {"routes": ["enclosure", "exact"], "mutants": False, "certificates": spool}
    return run_engine(claims, examples=1, **options), spool


@pytest.fixture
def settled(finished, tmp_path):
    """Judge the run after its certificates were changed: claims by ID."""

    def judge(change=lambda folder: None, result=finished[0]):
        spool, report = tmp_path / "spool", tmp_path / "report"
        shutil.copytree(finished[1], spool, dirs_exist_ok=True)
        report.mkdir(exist_ok=True)
        change(spool)
        found = settle(result, spool, report, 2)
        return {row.id: row for row in found.claims}, found, report

    return judge


def files_of(finished, name):
    (row,) = (row for row in finished[0].claims if row.id == name)
    return row.certificates.files


def test_every_enclosed_configuration_has_a_file_that_the_kernel_accepts(settled, finished, call):
    rows, found, report = settled()
    assert [row.verdict for row in found.claims] == ["enclosed", "enclosed", "refuted", "refuted"]
    assert found.certificates.accepted == found.certificates.files > 40
    assert found.certificates.rejected == []
    for row in rows.values():
        assert row.certificates.rejected == []
        assert row.certificates.configurations >= row.routes["enclosure"].decided
    assert len(rows["LS20-17"].certificates.files) == 2, "the configuration and the one it is compared with"
    assert rows["HL23-04"].certificates.derived == {"exact_contrasts": "exact rational rule, verify/ties.py"}
    assert rows["TH22-03"].certificates.from_files == ["gram_classifier", "gram_features"]
    assert call("check", report / ARCHIVE)[0] == 0
    jsonschema.validate(found.model_dump(mode="json"), json.loads((SCHEMAS / "verify.run.1.json").read_text()))
    first = (report / ARCHIVE).read_bytes()
    settled()
    assert (report / ARCHIVE).read_bytes() == first


@pytest.mark.parametrize("change", ["rejected", "missing", "foreign", "truncated"])
def test_a_claim_loses_what_one_bad_file_bore(settled, finished, change):
    """Every other claim keeps its verdict; the exact route still certifies HL23-04."""
    own, other = files_of(finished, "HL23-04")[3], files_of(finished, "TH22-03")[0]

    def spoil(folder):
        text = (folder / own).read_text()
        spoilt = {"rejected": text_of(rejected(json.loads(text))), "foreign": (folder / other).read_text()}
        (folder / own).write_text(spoilt.get(change, text[:100]))
        if change == "missing":
            (folder / own).unlink()

    rows, found, _ = settled(spoil)
    assert rows["HL23-04"].verdict == "certified"
    assert rows["HL23-04"].routes["enclosure"].verdict == "undecided"
    assert own in rows["HL23-04"].reason
    assert len(found.certificates.rejected) == 1
    assert [rows[name].verdict for name in IDS[1:]] == ["enclosed", "refuted", "refuted"]
    assert found.summary == {"certified": 1, "enclosed": 1, "refuted": 2}


@pytest.mark.parametrize("position", [0, 1])
def test_a_refutation_whose_file_is_bad_is_no_refutation(settled, finished, position):
    """Also where the bad file is that of the problem it is compared with."""
    rows, _, _ = settled(lambda folder: (folder / files_of(finished, "LS20-17")[position]).write_text("{}"))
    assert (rows["LS20-17"].verdict, rows["LS20-17"].counterexample) == ("undecided", None)
    assert rows["DA23-26"].verdict == "refuted"


@pytest.mark.parametrize("spoilt", [False, True])
def test_the_report_links_claims_to_files_and_says_what_was_derived_from_them(settled, finished, spoilt):
    bad = files_of(finished, "HL23-04")[0]
    _, result, _ = settled((lambda folder: (folder / bad).unlink()) if spoilt else (lambda folder: None))
    known = registry.load()
    context = _context(result, {name: known[name] for name in IDS})
    page = render_paper(context, "hong_ling_2023", {}, [], {})
    for text in (render_markdown(context, []), page, render_index(context)):
        assert "certificates.zip" in text
        assert text.count("../certificates.zip") == (text is page)
    for text in (render_markdown(context, []), page):
        assert "exact rational rule, verify/ties.py" in text
        assert "derived outside the kernel from what the files prove" in text
        assert ("1 missing or rejected: the enclosure is not counted" in text) == spoilt
    assert files_of(finished, "HL23-04")[5] in page
    plain = finished[0].model_copy(
        update={"claims": [row.model_copy(update={"certificates": None}) for row in finished[0].claims]}
    )
    assert "ertificates" not in render_markdown(_context(plain, {name: known[name] for name in IDS}), [])


def test_mutants_are_counted_by_what_kills_them():
    rows = [("killed", "enclosure"), ("killed", "exact"), ("killed", "enclosure, exactly at the threshold")]
    rows += [("survived", ""), ("killed", "enclosure")]
    details = [MutantDetail(mutant=str(i), outcome=a, route=b) for i, (a, b) in enumerate(rows)]
    found = MutantSummary(total=5, killed=4, survivors=["3"], details=details, resolution_certificate=1e-12)
    assert found.by_certificate == 2
    assert _proofs(found) == "2 (1e-12)"


def check_one(name, spool):
    return run_engine([registry.load()[name]], examples=0, routes=["enclosure"], mutants=False, certificates=spool)


@pytest.mark.parametrize("fault", ["no certificate", "bounds", "problem"])
def test_an_optimum_that_is_not_that_of_its_file_bears_nothing(settled, monkeypatch, tmp_path, fault):
    """A solver that claims more than its certificate, or shows the certificate of another problem, is found out."""
    honest = verify.routes.solve

    def lying(route, problem, *rest):
        found = honest(route, problem, *rest)
        if fault == "bounds":
            return replace(found, lower=found.upper)
        if fault == "problem":
            return replace(found, work=solve("enclosure", MODELS["uf-svm"]).work)
        return replace(found, work={})

    monkeypatch.setattr(verify.findings, "solve", lying)
    verify.findings._readings.cache_clear()
    try:
        spool = tmp_path / "spool"
        spool.mkdir()
        rows, _, _ = settled(result=check_one("TH22-03", spool))
    finally:
        verify.findings._readings.cache_clear()
    assert rows["TH22-03"].verdict == "undecided"
    assert ("no certificate at" if fault == "no certificate" else "in memory are not those") in rows["TH22-03"].reason


def test_a_refuted_limit_keeps_the_problems_at_its_scales(settled, tmp_path):
    spool = tmp_path / "limit"
    spool.mkdir()
    rows, _, _ = settled(lambda folder: shutil.copytree(spool, folder, dirs_exist_ok=True), check_one("TH22-R5", spool))
    evidence = rows["TH22-R5"].certificates
    assert (rows["TH22-R5"].verdict, len(evidence.files), evidence.rejected) == ("refuted", 3, [])
    rows, _, _ = settled(result=check_one("TH22-06", spool))
    assert rows["TH22-06"].certificates is None


def test_only_the_kernel_is_loaded_where_files_are_checked(tmp_path):
    (tmp_path / "a.json").write_text(text_of(SVM))
    pack(tmp_path / "a.zip", [tmp_path / "a.json"])
    root = Path(verify.archive.__file__).parents[1]
    command = [sys.executable, "-P", "-m", "verify.recheck", tmp_path / "a.zip"]
    env = {"PYTHONPATH": str(root)}
    done = subprocess.run(command, input="a.json\n", capture_output=True, text=True, check=True, env=env)
    first, last = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["outcome"], first["bounds"]) == ("bounds", SVM["bounds"])
    assert {name.split(".")[0] for name in last["loaded"]} == {"verify"}
    assert all(name in ("verify", "verify.recheck") or "verify.kernel" in name for name in last["loaded"])


def test_answers_of_a_process_that_loaded_more_do_not_count(tmp_path):
    answer = {"name": "a.json", "outcome": "bounds"}
    output = tmp_path / "answers"
    for loaded, count in ((["verify", "verify.kernel.core"], 1), (["verify.kernel", "numpy"], 0), (["theory"], 0)):
        output.write_text(f"{json.dumps(answer)}\n{json.dumps({'loaded': loaded})}\n")
        assert len(verify.certified._lines(output)) == count
    output.write_text(f'{json.dumps(answer)}\n{{"name": "b.js')
    assert verify.certified._lines(output) == [answer], "a process that was stopped leaves half a line"


def test_files_that_an_interrupt_left_unchecked_bear_nothing(settled, monkeypatch):
    interrupts = []

    class Stopped(subprocess.Popen):
        def wait(self, *args, **kwargs):
            if not interrupts:
                interrupts.append(self)
                raise KeyboardInterrupt
            return super().wait(*args, **kwargs)

    monkeypatch.setattr(verify.certified.subprocess, "Popen", Stopped)
    rows, found, _ = settled()
    assert found.certificates.accepted < found.certificates.files
    assert "not checked" in rows["TH22-03"].reason


def test_the_command_writes_archive_and_cases_and_nothing_without_the_flag(call, tmp_path, monkeypatch):
    monkeypatch.setattr(verify.report, "write", lambda result, claims, folder, **_: {"json": folder / "report.json"})
    words = ["run", "DA23-26", "--routes", "enclosure", "--examples", "0", "--jobs", "1"]
    code, out, _ = call(*words, "--certificates")
    assert code == 0
    assert "1 files for 1 claims in certificates.zip, 1 accepted by the kernel" in out
    reports = tmp_path / "reports"
    (beside,) = (reports / "cases").glob("DA23-26-*.certificate.json")
    (false,) = (reports / "cases").glob("DA23-26-*.refutation.json")
    assert call("check", reports)[0] == 0
    assert kernel(beside.read_bytes())["outcome"] == "bounds"
    assert kernel(false.read_bytes())["outcome"] == "refuted"
    (case,) = (path for path in (reports / "cases").iterdir() if path.name.count(".") == 1)
    assert call("certify", "--refute", "DA23-26", "--case", case, "-o", "again.json")[0] == 0
    assert Path("again.json").read_bytes() == false.read_bytes()
    assert [path.name for path in reports.iterdir() if path.name.startswith(".")] == []
    code, out, _ = call(*words, "--json", "--report", "plain")
    (row,) = json.loads(out)["claims"]
    assert (row["certificates"], json.loads(out)["certificates"]) == (None, None)
    assert list((tmp_path / "plain").rglob("*certificate*")) == []
    assert refused(call("run", "DA23-26", "--routes", "exact", "--certificates"))


def intervals(facts):
    if isinstance(facts, dict) and set(facts) == {"lower", "upper"} and isinstance(facts["lower"], str):
        yield Fraction(facts["lower"]), Fraction(facts["upper"])
    elif isinstance(facts, dict | list):
        for part in facts.values() if isinstance(facts, dict) else facts:
            yield from intervals(part)


@pytest.mark.parametrize("key", MODELS)
def test_what_is_said_to_be_read_off_a_file_stands_in_it(optima, key):
    """Every ball of such a field lies in an interval of the kernel's facts that is hardly wider; others do not."""
    free = Problem.mse([9, 6, 4], ["0.02"], "0.02", bias="free")  # the logits of the other are its modes
    optimum = solve("enclosure", free) if key == "mse" else optima[key]
    facts = kernel(text_of(optimum.work["certificate"]))["facts"]
    known = list(intervals(facts))

    def inside(ball):
        low, high = (
            Fraction(int(m)) * Fraction(2) ** int(e) for m, e in (ball.lower().man_exp(), ball.upper().man_exp())
        )
        slack = Fraction(4, 3) * (high - low) + Fraction(1, 10**30)
        return any(a <= low and high <= b and b - a <= slack * 4 for a, b in known)

    def balls(name):
        value = optimum.facts.get(name[6:]) if name.startswith("facts.") else getattr(optimum, name)
        entries = list(getattr(value, "flat", value if isinstance(value, list | tuple) else [value]))
        return [entry for entry in entries if hasattr(entry, "man_exp") and entry != 0]

    with precision(1024):
        for name in IN_FILE[key]:
            assert all(map(inside, balls(name))), name
        for name in ("gram_features", "gram_classifier", "logits", "spread"):
            if name not in IN_FILE[key] and balls(name):
                assert not all(map(inside, balls(name))), f"{name} may be listed in IN_FILE"


# --- readers and options ---------------------------------------------------------------------------------------------


def test_a_reader_that_meets_an_unknown_number_names_it_and_the_route():
    claim = registry.load()["TH22-03"]
    broken = replace(claim, read=lambda optimum: [{next(iter(claim.relations[0].free_symbols)): optimum.logits[0, 0]}])
    problem = Problem.svm([(4, 70)])
    with pytest.raises(ValueError, match="the reader needs logits, which route enclosure does not know here"):
        verify.findings.findings_for(broken, problem, "enclosure", 0, frozenset())
    wrong = replace(claim, read=lambda optimum: [1 / 0])
    with pytest.raises(ZeroDivisionError):
        verify.findings.findings_for(wrong, problem, "enclosure", 0, frozenset())


def test_watching_changes_nothing_that_is_read(optima):
    seen = []
    copy = watched(optima["ce"], seen)
    assert (copy.rank, copy.logits is optima["ce"].logits, copy.facts) == (optima["ce"].rank, True, {})
    assert [name for name, _ in seen] == ["rank", "logits"]
    assert copy.facts.get("none") is None
    assert seen[-1] == ("facts.none", None)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("optimum ce --depth 33 --counts 5x3 --lam 0.01", "--depth 33: a number of layers from 1 to 32"),
        ("certify mse --depth 65 --counts 5x3 --lam 0.01 -o x.json", "--depth 65: a number of layers from 1 to 64"),
        ("optimum uf-svm --counts 9,6,4 --dim 1", "--dim 1: no point separates 3 classes"),
        ("optimum ce --counts 9,6 --lam 1e-400", "--lam: "),
        ("optimum ce --depth 2 --counts 9,6 --lam 0.01 --class-weights 1,2", "--class-weights: "),
        ("optimum ce-sphere --counts 1x3 --families 3", "--families: "),
        ("optimum ce --counts 9,6 --lam 0.1 --dim 0", "--dim: "),
    ],
)
def test_limits_are_met_under_the_name_of_the_option(call, line, part):
    answer = call(*line.split())
    assert refused(answer)
    assert part in answer[2]


def test_the_deepest_problems_that_are_allowed_are_proved(call):
    for words in (["ce", "--depth", "32"], ["mse", "--depth", "64"]):
        assert call("certify", *words, "--counts", "5x2", "--lam", "0.01", "-o", "x.json")[0] == 0
    assert call("thresholds", "mse", "--counts", "9,6", "--depth", "80")[0] == 0


# --- the chapter for sceptics --------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = (ROOT / "docs" / "certificates.md").read_text()
PENCIL, GENERATED = re.findall(r"```json\n(.*?)```", CHAPTER, flags=re.DOTALL)


def test_the_files_of_the_chapter_are_accepted_and_prove_what_it_prints():
    for text in (PENCIL, GENERATED):
        assert kernel(text)["outcome"] == "bounds"
        assert kernel(text)["bounds"] == json.loads(text)["bounds"]
    low, high = (Fraction(end) for end in kernel(PENCIL)["bounds"].values())
    below, above = (Fraction(number) for number in re.findall(r"0\.5623351446\d+", CHAPTER.split("```json")[0]))
    unit = Fraction(1, 10**14)
    assert low <= below <= low + Fraction(1, 10**12)
    assert abs(float(below) - (2 * math.log(2) - 0.75 * math.log(3))) < unit
    assert high - Fraction(1, 10**12) <= above <= high
    assert abs(float(above) - (math.log(1 + math.exp(-1125 / 1024)) + 1125 / 4096)) < unit


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("[[1]]", "[[2]]", "the dual point is infeasible"),
        ('"lower": "0.5623351446188"', '"lower": "0.5623351446288"', "the file claims more than follows"),
        ("[[1125]]", "[[1100]]", "the file claims more than follows"),
    ],
)
def test_a_digit_that_is_changed_ends_as_the_chapter_says(before, after, reason):
    assert PENCIL.count(before) == 1
    answer = kernel(PENCIL.replace(before, after))
    assert (answer["outcome"], reason in answer["reason"]) == ("rejected", True)
    assert reason in CHAPTER
    data = json.loads(PENCIL.replace("[[1125]]", "[[1100]]")) | {"bounds": None}
    assert kernel(json.dumps(data))["outcome"] == "bounds"


def test_every_function_and_file_of_the_chapter_exists():
    named = re.findall(r"\[`(\w+)`\]\(\.\./(verify/[\w/]+\.py)\)", CHAPTER)
    assert len(named) > 60
    for name, path in named:
        assert re.search(rf"^(def|class) {name}\b", (ROOT / path).read_text(), flags=re.MULTILINE), (name, path)
    for path in re.findall(r"`((?:verify|tests)/[\w/]+\.py)`", CHAPTER):
        assert (ROOT / path).is_file(), path
    kernel_text = "".join(path.read_text() for path in (ROOT / "verify" / "kernel").glob("*.py"))
    for row in re.findall(
        r"^\|[^|\n]*\|[^|\n]*\|$", CHAPTER.split("## The models")[1].split("## From")[0], re.MULTILINE
    ):
        for name in re.findall(r"(?<!\[)`([a-z_]+)`(?!\])", row.split("|")[2]):
            assert f"def {name}(" in kernel_text, (name, row)


def test_links_of_the_documents_lead_somewhere():
    for path in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", path.read_text()):
            file, _, anchor = target.partition("#")
            place = (path.parent / file) if file else path
            assert place.exists(), (path, target)
            if anchor and place.suffix == ".md":
                heads = re.findall(r"^#+ (.*)$", place.read_text(), flags=re.MULTILINE)
                slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
                assert anchor in slugs, (path, target)
