"""The workbench: scaffolds run at once, broken files block nothing else and say where, packages count like ours."""

import io
import json
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import PROFILE

from theory.problem import Problem
from theory.vocabulary import class_readings
from verify import cli, registry
from verify.counts import InputError
from verify.engine import check
from verify.evidence import RANK
from verify.scaffold import KINDS, MODELS, render, scaffold
from verify.soundness import unread

DOCS = Path(__file__).parent.parent / "docs"
NONSENSE = {("ordering", "ce-deep"), ("threshold", "ce-sphere"), ("ordering", "ce-sphere")}
PAIRS = [(kind, model) for kind in KINDS for model in MODELS if (kind, model) not in NONSENSE]


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.run(arguments)
    return code, out.getvalue(), err.getvalue()


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(("kind", "model"), PAIRS)
def test_every_scaffold_runs_at_once(tmp_path, kind, model):
    path = write(tmp_path, "mine.py", render("MINE-01", kind, model))
    (claim,) = registry.claims_in_file(path)
    assert (claim.kind, claim.witness.key, claim.id) == (kind, model, "MINE-01")
    assert unread(claim) is None
    result = check(claim, examples=2, mutants=PROFILE == "nightly")
    assert RANK[result.verdict] >= RANK["agrees"], result.reason
    assert result.mutants.survivors == []


@pytest.mark.parametrize(("kind", "model"), sorted(NONSENSE))
def test_pairs_without_sense_are_refused(kind, model):
    with pytest.raises(InputError, match=f"--kind {kind}: "):
        render("MINE-01", kind, model)


def test_a_scaffold_is_shown_and_its_mutants_die(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert scaffold("MINE-01", kind="equality", model="mse").is_file()
    code, out, _ = call("mutants", "MINE-01", "--json", "--jobs", "1")
    (row,) = json.loads(out)["claims"]
    assert (code, row["mutants"]["survivors"], row["resolution_route"]) == (0, [], "enclosure")
    assert {"sign", "factor", "exponent"} <= {mutant["operator"] for mutant in row["mutants"]["details"]}
    assert call("new", "MINE-01")[0] == call("new", "MINE-02", "--kind", "x")[0] == 2


HEAD = """from theory.quick import *
"""
BROKEN = {
    "kind": ('conjecture("B", p <= 1, kind="bond")', ":3: B: unknown kind 'bond'; did you mean bound?"),
    "latex": (
        r'conjecture("B", p <= 1, statement=("\theta < 1",))',
        r"item 1 of statement has '\\t' in it: write LaTeX",
    ),
    "status": ('conjecture("B", p <= 1, status="open")', ":3: B: unknown status 'open'"),
    "required": ('conjecture("B", p <= 1, required="prove")', "unknown required 'prove'; did you mean proved?"),
    "comparison": ('conjecture("B", p == q)', "relation 1 is the Python value False: == and != compare"),
    "decided": ('conjecture("B", sp.Ge(n, 0))', "relation 1 is already true: build it with evaluate=False"),
    "float": (
        'conjecture("B", p <= 0.5)',
        r"holds the float 0.5: write the exact number, such as sp.Rational\('0.5'\)",
    ),
    "expression": ('conjecture("B", p - q)', "relation 1 is Add p - q, not a relation"),
    "no relation": ('conjecture("B")', "relations is empty"),
    "limit": ('conjecture("B", Asymptotic(p, q))', "Asymptotic needs along"),
    "threshold": ('conjecture("B", sp.Equivalent(dead, x > 1, n > 2))', "a threshold is sp.Equivalent"),
    "witness": ('conjecture("B", p <= 1, witness=(3, 2))', "witness is a Problem, not tuple"),
    "statement": ('conjecture("B", p <= 1, statement="p <= 1")', r"a tuple of LaTeX strings, not str p <= 1; write \("),
    "read": ('conjecture("B", p <= 1, read=3)', "read is a function, not int 3"),
    "near": ('conjecture("B", p <= 1, family=Family(near=("merg",)))', "'merg'; did you mean merge?"),
    "near as text": (
        'conjecture("B", p <= 1, family=Family(near="merge"))',
        r"near of the family is a tuple, .*\(merge,\)",
    ),
    "sizes": (
        'conjecture("B", p <= 1, family=Family(sizes="three"))',
        "unknown sizes 'three'; did you mean distinct|there",
    ),
    "field": ('conjecture("B", p <= 1, famly=Family())', "TypeError.*'famly'; did you mean family?"),
    "family field": ('conjecture("B", p <= 1, family=Family(modle="ce"))', "'modle'; did you mean model?"),
    "model": ('conjecture("B", p <= 1, model="cee")', ":3: ValueError: unknown model 'cee'"),
    "hypothesis": (
        'conjecture("B", p <= 1, hypotheses=(Hypothesis("K > 9", lambda p: p.K > 9, "x"),))',
        "the witness breaks the hypothesis 'K > 9'",
    ),
    "crashing hypothesis": (
        'conjecture("B", p <= 1, hypotheses=(Hypothesis("odd", lambda p: p.size > 9, "x"),))',
        "the witness cannot be asked for hypothesis 'odd': AttributeError",
    ),
    "no function": (
        'conjecture("B", p <= 1, hypotheses=(Hypothesis("odd", True, "x"),))',
        "hypothesis 'odd': holds is a function",
    ),
    "setting": (
        'conjecture("B", p <= 1, settings=(Problem.mse([2, 1], 1),))',
        "breaks the hypothesis 'model ce, no bias'",
    ),
    "import": ("from theory.symbols import ppp", ":3: ImportError: cannot import name 'ppp'.*; did you mean p"),
    "exit": ("raise SystemExit(0)", ":3: SystemExit"),
    "third": ('conjecture("B", p <= 1 / 3 * n)', r"such as sp.Rational\('1/3'\)"),
    "id": ('conjecture("../B", p <= 1)', r":3: ../B: '../B' is not an ID: letters, digits"),
    "state": ('conjecture("B", sp.Eq(dead, x > 1))', "a threshold is sp.Equivalent"),
    "conjunction": ('conjecture("B", sp.And(p < n, q < n))', "give each part as a relation of its own"),
    "chain": ('conjecture("B", 0 <= p <= n)', "TypeError.*; write each comparison as a relation of its own"),
    "power": ('conjecture("B", p <= n^2)', r"TypeError.*; a power is \*\*"),
    "math": ('conjecture("B", p <= __import__("math").sqrt(n))', "TypeError.*; use sp.sqrt"),
    "name": ('conjecture("B", sp.Ge(margn, 0))', ":3: NameError.*; did you mean margin"),
    "other model": (
        'conjecture("B", p <= 1, family=Family(model="mse"))',
        "draws problems of model mse, witness and settings are of model ce",
    ),
    "refuted": ('conjecture("B", p <= 1, status="refuted", required="agrees")', "write required='refuted' too"),
    "mutant": (
        'conjecture("B", p <= 1, mutants=(Mutant("m", relations=(p <= 0.5,)),))',
        "a relation of the mutant 'm' holds the float",
    ),
}


CHECKED = {
    "companions": ("companions=lambda p: p", "companions gives Problem ... for the witness, not a tuple of Problem"),
    "failing companions": ("companions=lambda p: (p.size,)", "companions fails on the witness: AttributeError"),
    "rests on nothing": ('rests_on=frozenset({"HL23-99"})', "it rests on HL23-99, which no claim is"),
}


@pytest.mark.parametrize("name", CHECKED)
def test_what_a_run_needs_is_refused_in_one_sentence(tmp_path, monkeypatch, name):
    field, says = CHECKED[name]
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "conjectures", "b.py", f'{HEAD}mine = conjecture(\n    "B", sp.Ge(margin, 0),\n    {field})\n')
    code, out, err = call("run", "B")
    assert (code, out, err) == (2, "", f"verify: conjectures/b.py:4: B: {err.partition(': B: ')[2]}")
    assert says in err


def test_a_reader_that_never_ends_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("verify.soundness.PATIENCE", 0.1)
    reader = "def read(optimum):\n    while True:\n        yield {K: 2}\n"
    write(tmp_path / "conjectures", "b.py", f'{HEAD}\n\n{reader}\nmine = conjecture("B", p <= 1, read=read)\n')
    code, out, err = call("hunt", "B")
    assert (code, out) == (2, "")
    assert "b.py:8: B: its reader has not ended on" in err


def test_what_a_claim_file_prints_is_no_part_of_the_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "conjectures", "b.py", f'{HEAD}print("seen")\nmine = conjecture("B-1", sp.Ge(margin, 0))\n')
    code, out, err = call("show", "B-1", "--json")
    assert (code, json.loads(out)["id"], err) == (0, "B-1", "seen\n")


def test_a_claim_that_is_bound_to_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "conjectures", "b.py", f'{HEAD}conjecture("B-1", sp.Ge(margin, 0))\n')
    code, _, err = call("show", "B-1")
    assert (code, err) == (
        2,
        "verify: conjectures/b.py:2: claim B-1 is bound to no name of the file: write mine = conjecture(...).\n",
    )
    assert "did you mean" not in call("show", "Q-1")[2]


def test_a_folder_named_like_a_file_and_an_id_stated_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conjectures" / "a.py").mkdir(parents=True)
    twice = 'a = conjecture("B-1", sp.Ge(margin, 0))\nb = conjecture("B-1", sp.Ge(margin, -1))\n'
    write(tmp_path / "conjectures", "b.py", f"{HEAD}{twice}")
    assert list(registry.load().broken.values()) == [
        "conjectures/a.py: this is not a file",
        "conjectures/b.py:3: claim B-1 is stated in conjectures/b.py already",
    ]


def test_what_a_false_conjecture_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "conjectures", "b.py", f'{HEAD}mine = conjecture("B-1", sp.Ge(p_own, 2 * p_wrong))\n')
    code, out, _ = call("run", "B-1", "--examples", "1", "--routes", "enclosure,exact", "--jobs", "1")
    assert code == 1
    assert re.search(r"FAILED B-1: refuted at sizes 1x2: p_own >= 2\*p_wrong with \[.* against \[.*, see its case", out)
    (case,) = (tmp_path / "reports" / "cases").glob("*.json")
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    code, out, err = call("replay", str(case))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "must be found, here or with --path FOLDER: unknown claim 'B-1'" in err
    assert call("replay", str(case), "--path", str(tmp_path / "conjectures"))[0] == 1


@pytest.mark.parametrize("source", ["scaffold", "docs"])
def test_no_example_says_that_small_classes_are_never_taken_for_larger_ones(tmp_path, source):
    path = write(tmp_path, "mine.py", render("MINE-01", "structure", "ce"))
    (claim,) = registry.claims_in_file(path if source == "scaffold" else DOCS / "examples" / "two_lines.py")
    confused = Problem.ce([3, 2, 1], "1/4")
    result = check(replace(claim, settings=(confused,)), examples=0, routes=["enclosure"], mutants=False)
    assert result.routes["enclosure"].verdict == "enclosed"
    everywhere = replace(claim, settings=(confused,), read=class_readings)
    assert check(everywhere, examples=0, routes=["enclosure"], mutants=False).verdict == "refuted"


@pytest.mark.parametrize("width", [80, 120, 140])
def test_the_table_of_a_run_breaks_no_word(width):
    from rich.console import Console

    from verify import engine
    from verify.commands.running import _run_table

    (claim,) = registry.claims_in_file(DOCS / "examples" / "two_lines.py")
    result = engine.run([claim], examples=0, routes=["enclosure"], mutants=False)
    row = result.claims[0]
    routes = dict.fromkeys(("symbolic", "enclosure", "exact", "nonconvex", "convex"), row.routes["enclosure"])
    undecided = {name: found.model_copy(update={"verdict": "undecided"}) for name, found in routes.items()}
    mutants = row.mutants.model_copy(update={"resolution_certificate": 1e-6})
    rows = [row.model_copy(update={"id": "MINE-07", "routes": undecided, "mutants": mutants})]
    out = io.StringIO()
    Console(width=width, file=out).print(_run_table(result.model_copy(update={"claims": rows}), width))
    assert max(map(len, out.getvalue().splitlines())) <= width
    for word in ("MINE-07", "symbolic", "enclosure", "nonconvex", "undecided", "by cert.", "(1e-06)"):
        assert word in out.getvalue()


READERS = {
    "float": ("yield {p: float(optimum.problem.N)}", ": B: p is read as .*, a float"),
    "nothing": ("return None", ": B: its reader fails on the witness, route enclosure: TypeError"),
    "fails": ("yield {p: optimum.size}", "its reader fails on the witness, route enclosure: AttributeError"),
}


@pytest.mark.parametrize("command", ["run", "hunt", "mutants"])
@pytest.mark.parametrize("name", READERS)
def test_a_broken_reader_is_refused_in_one_sentence(tmp_path, monkeypatch, name, command):
    body, says = READERS[name]
    monkeypatch.chdir(tmp_path)
    text = f'{HEAD}\n\ndef read(optimum):\n    {body}\n\nmine = conjecture("B", p <= 1, read=read)\n'
    write(tmp_path / "conjectures", "b.py", text)
    code, out, err = call(command, "B")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(says, err)


@pytest.mark.parametrize("name", BROKEN)
def test_an_ill_formed_claim_names_line_and_rule(tmp_path, name):
    text, says = BROKEN[name]
    path = write(tmp_path, "b.py", f"{HEAD}\nmine = {text}\n" if "(" in text[:12] else f"{HEAD}\n{text}\n")
    with pytest.raises(InputError, match=says) as caught:
        registry.claims_in_file(path)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


def test_one_broken_file_of_three_blocks_only_what_needs_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "conjectures"
    for name in ("A-1", "C-1"):
        write(folder, f"{name}.py", f'{HEAD}mine = conjecture("{name}", sp.Ge(margin, 0))\n')
    write(folder, "b.py", f'{HEAD}mine = conjecture(\n    "B-1",\n    sp.Ge(margin, 0),\n    p == q,\n)\n')
    for command in (["list"], ["show", "A-1"], ["run", "C-1", "--examples", "1", "--routes", "enclosure"]):
        code, _, err = call(*command)
        assert (code, err.count("\n")) == (0, 1)
        assert err.startswith("verify: left out: conjectures/b.py:2: B-1: relation 2 is the Python value False")
    for command in (["show", "B-1"], ["run", "B-1"], ["run"], ["mutants", "B-1"]):
        code, out, err = call(*command)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "conjectures/b.py:2" in err


def test_two_files_with_one_id_are_both_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        write(tmp_path / "conjectures", f"{name}.py", f'{HEAD}mine = conjecture("A-1", sp.Ge(margin, 0))\n')
    claims = registry.load()
    assert claims.files["A-1"] == Path("conjectures/one.py")
    assert list(claims.broken.values()) == ["conjectures/two.py:2: claim A-1 is stated in conjectures/one.py already"]


def test_a_symbol_that_no_reading_provides(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = f'{HEAD}mine = conjecture("A-1", sp.Le(q, p),\n    sp.Le(sp.Symbol("margn"), 1))\n'
    write(tmp_path / "conjectures", "a.py", text)
    code, _, err = call("run", "A-1")
    assert (code, err.count("\n")) == (2, 1)
    assert "a.py:2: A-1: relation 2 has the symbol margn, which no reading provides; the nearest is margin" in err
    text = f'{HEAD}mine = conjecture("A-1", sp.Le(sp.Symbol("p"), 1))\n'
    write(tmp_path / "conjectures", "a.py", text)
    assert "has p with other assumptions: import the symbol" in call("mutants", "A-1")[2]


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "LARGEST", 10)
    with pytest.raises(InputError, match="larger than"):
        registry.claims_in_file(write(tmp_path, "b.py", HEAD))


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package on the path that names a module under the entry point group ``verify.claims``."""
    site = tmp_path / "site"
    claim = """weighted = Problem.ce([(9, 2), (4, 2)], "0.03", weights=[(1, 2), (2, 2)])
law = sp.Eq(p - q, sp.Max(0, 1 - x / (w * sp.sqrt(n))))
mine = conjecture("OUT-2", law, title="From outside", settings=(weighted,))
"""
    write(site / "outside_law", "__init__.py", "")
    write(site / "outside_law", "first.py", HEAD + claim)
    info = site / "outside_law-1.0.dist-info"
    write(info, "METADATA", "Metadata-Version: 2.1\nName: outside-law\nVersion: 1.0\n")
    write(info, "entry_points.txt", "[verify.claims]\noutside = outside_law\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    yield site
    for name in [name for name in sys.modules if name.startswith("outside_law")]:
        del sys.modules[name]


def test_a_claim_of_an_installed_package_counts_like_a_built_in_one(installed, tmp_path):
    rows = {row.pop("id"): row for row in json.loads(call("list", "--json")[1])["claims"]}
    assert rows["OUT-2"] == {
        "title": "From outside",
        "kind": "equality",
        "paper": "conjectures",
        "status": "conjecture",
    }
    assert json.loads(call("show", "OUT-2", "--json")[1])["relations"] == ["Eq(p - q, Max(0, 1 - x/(sqrt(n)*w)))"]
    code, out, _ = call("run", "OUT-2", "--examples", "2", "--jobs", "1", "--json", "--report", "reports")
    (found,) = json.loads(out)["claims"]
    assert (code, found["verdict"], found["mutants"]["survivors"]) == (0, "enclosed", [])
    assert set(found["routes"]) == {"symbolic", "enclosure", "exact", "nonconvex", "convex"}
    pages = "".join(path.read_text() for path in (tmp_path / "reports").rglob("*.html"))
    assert "OUT-2" in pages
    assert "From outside" in pages
    code, out, _ = call("mutants", "OUT-2", "--json", "--jobs", "1")
    (row,) = json.loads(out)["claims"]
    assert (code, row["mutants"]["killed"]) == (0, row["mutants"]["total"])


def test_a_broken_package_is_left_out(installed):
    second = write(installed / "outside_law", "second.py", "\n1 / 0\n")
    assert "OUT-2" not in registry.load()
    code, _, err = call("list")
    assert (code, err) == (
        0,
        f"verify: left out: installed package outside_law, {second}:2: ZeroDivisionError: division by zero\n",
    )


@pytest.mark.parametrize("path", sorted((DOCS / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_of_the_docs(path):
    known = registry.load()
    (claim,) = registry.claims_in_file(path)
    related = claim.rests_on.union(*(registry.related(known, name) for name in claim.rests_on))
    assert unread(claim) is None
    result = check(claim, examples=2, related=related)
    assert RANK[result.verdict] >= RANK[claim.required]
    assert result.mutants.survivors == []
    assert path.read_text() in (DOCS / "adding-a-claim.md").read_text()
