"""The command line: exit codes, one sentence for unusable input, JSON that keeps its schema, a quick start."""

import itertools
import json
import os
import random
import re
import resource
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

import verify.engine
import verify.report
from theory.hong_ling_2023.minority_collapse import threshold
from theory.problem import Problem
from verify import cases, ledger
from verify.judge import Finding
from verify.schemas import json_schemas

SCHEMAS = Path(verify.engine.__file__).parent / "json_schemas"
COMMANDS = ["list", "show", "run", "mutants", "replay", "new", "optimum", "thresholds", "certify", "check", "discover"]
CE = ["ce", "--counts", "120x4,25x3", "--lam", "0.0105"]


@pytest.fixture
def certificate(call, tmp_path):
    """A certificate of the worked example."""
    assert call("certify", *CE, "-o", "certificate.json")[0] == 0
    return tmp_path / "certificate.json"


@pytest.fixture
def no_report(monkeypatch):
    """Leave the figures out; reports have tests of their own."""
    monkeypatch.setattr(verify.report, "write", lambda result, claims, folder, **_: {"json": folder / "report.json"})


def refused(answer):
    """Exit code 2, nothing on standard output, one sentence on standard error."""
    code, out, err = answer
    return code == 2 and out == "" and re.fullmatch(r"verify: [^\n]+[.?)]\n", err) is not None


def validated(text):
    data = json.loads(text)
    schema = json.loads((SCHEMAS / f"{data['schema'].replace('/', '.')}.json").read_text())
    jsonschema.validate(data, schema)
    return data


# --- what is committed and what is printed ------------------------------------------------------------------------


def test_the_committed_schemas_are_those_of_the_models():
    committed = {path.stem: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    assert committed == json_schemas(), "run: python -c 'from verify.schemas import *; write_json_schemas()'"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert f"Example: verify {command}" in " ".join(out.split())
    assert "--json" in out
    assert "--seed" in out


@pytest.mark.parametrize(
    ("args", "schema"),
    [
        (["list"], "verify.list/1"),
        (["show", "HL23-04"], "verify.show/1"),
        (["show", "HL23-R5"], "verify.show/1"),
        (["new", "MINE-01"], "verify.new/1"),
        (["mutants", "HL23-04"], "verify.mutants/1"),
        (["optimum", *CE], "verify.optimum/1"),
        (["optimum", *CE, "--no-logits", "--bias", "free", "--class-weights", "1x4,2x3"], "verify.optimum/1"),
        (["optimum", *CE, "--dim", "2"], "verify.optimum/1"),
        (["thresholds", "ce", "--counts", "9,9,4,1", "--bias", "1/10"], "verify.thresholds/1"),
        (["thresholds", "ce", "--profile", "step:500:5:2000", "--bias", "free"], "verify.thresholds/1"),
        (["certify", *CE, "-o", "file.json"], "verify.check/1"),
        (
            ["run", "HL23-04", "HL23-R5", "--examples", "1", "--routes", "symbolic,enclosure", "--jobs", "1"],
            "verify.run/1",
        ),
    ],
)
def test_json_is_alone_on_standard_output_and_keeps_its_schema(call, no_report, args, schema):
    code, out, err = call(*args, "--json")
    assert (code, err) == (0, "")
    assert validated(out)["schema"] == schema


@pytest.mark.parametrize(
    "args",
    [
        ["optimum", *CE],
        ["thresholds", "ce", "--counts", "120x4,25x3"],
        ["run", "HL23-04", "--examples", "2", "--routes", "symbolic,enclosure", "--jobs", "1"],
        ["mutants", "HL23-04"],
    ],
)
def test_the_same_seed_prints_the_same_json(call, no_report, args):
    texts = [re.sub(r'"seconds":[0-9.e-]+', "", call(*args, "--json", "--seed", "3")[1]) for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(texts[0]) > 100


def test_people_read_values_verdicts_and_ranges(call):
    out = call("optimum", "ce", "--counts", "120x4,25x3", "--lam", "0.013")[1]
    assert "1.74146607014046987" in out
    assert "classes 4-6 coincide in every minimiser" in out
    assert "the features of classes 4-6 vanish" in out
    assert "enclosed by the kernel" in out
    out = call("thresholds", "ce", "--counts", "120x4,25x3", "--lam", "1/111")[1]
    assert "1/111" in out
    assert "dead" in out


def test_show_prints_the_statement_and_what_it_assumes(call):
    out = call("show", "HL23-04")[1]
    for part in ("Sharp minority-collapse threshold", "hypothesis", "assumes", "mutant", "required", "proved"):
        assert part in out


# --- certificates ----------------------------------------------------------------------------------------------------


def test_a_certificate_is_accepted_and_a_better_bound_than_it_proves_is_rejected(call, certificate):
    validated(certificate.read_text())
    code, out, _ = call("check", certificate, "--json")
    assert (code, validated(out)["outcome"]) == (0, "bounds")
    data = json.loads(certificate.read_text())
    data["bounds"]["lower"] = data["bounds"]["upper"]
    certificate.write_text(json.dumps(data))
    code, out, _ = call("check", certificate, "--json")
    assert (code, validated(out)["outcome"]) == (1, "rejected")


def test_checking_loads_the_kernel_and_no_numerics(certificate):
    code = "import sys; from verify.cli import run; code = run(['check', sys.argv[1]]); "
    code += "print(code, [m for m in ('numpy', 'scipy', 'sympy', 'theory', 'verify.propose') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code, certificate], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "0 []"


def unreadable_files(folder):
    (folder / "empty.json").write_text("")
    (folder / "binary.json").write_bytes(bytes(range(256)) * 10)
    (folder / "half.json").write_text('{"schema": "verify.certificate/1"')
    (folder / "deep.json").write_text("[" * 200_000)
    (folder / "list.json").write_text("[1, 2]")
    (folder / "other.json").write_text('{"schema": "verify.optimum/1"}')
    (folder / "part.json").write_text('{"schema": "verify.certificate/1", "model": "ce"}')
    with (folder / "huge.json").open("wb") as file:
        file.truncate(100_000_000)
    return [*sorted(folder.glob("*.json")), folder, folder / "missing", Path("/dev/zero"), folder / ("x" * 300)]


@pytest.mark.parametrize("command", ["check", "replay"])
def test_what_is_not_a_file_of_the_schema_is_refused(call, tmp_path, command):
    for path in unreadable_files(tmp_path):
        assert refused(call(command, path)), path


def test_nothing_is_left_behind_when_a_certificate_cannot_be_written(call, tmp_path):
    assert refused(call("certify", *CE, "-o", tmp_path / "no" / "file.json"))
    assert refused(call("certify", *CE, "-o", tmp_path))
    assert list(tmp_path.iterdir()) == []


# --- conjectures, runs, cases ----------------------------------------------------------------------------------------


def test_a_new_conjecture_is_found_and_runs_at_once(call, no_report):
    assert call("new", "MINE-01", "--kind", "equality")[0] == 0
    assert refused(call("new", "MINE-01"))
    assert "MINE-01" in call("list")[1]
    code, out, _ = call("run", "MINE-01", "--examples", "2", "--routes", "enclosure", "--jobs", "1", "--json")
    (row,) = validated(out)["claims"]
    assert (code, row["verdict"], row["mutants"]["survivors"]) == (0, "enclosed", [])


def test_a_conjecture_that_does_not_load_is_one_sentence_with_its_line(call, tmp_path):
    folder = tmp_path / "conjectures"
    folder.mkdir()
    (folder / "broken.py").write_text("x = 1\ny = 1 / 0\n")
    assert call("list")[0] == 0
    answer = call("run")
    assert refused(answer)
    assert "broken.py:2" in answer[2]


FALSE = """
import sympy as sp
from dataclasses import replace
from theory.claim import Family
from theory.hong_ling_2023.minority_collapse import threshold
from theory.symbols import dead, n, w, x
false = replace(
    threshold, id="FALSE-01", status="conjecture", mutants=(), derivation=None, rests_on=frozenset(),
    family=Family(sizes="two", bias=("none",), near=("merge",)), relations=(sp.Equivalent(dead, x >= w * n),),
)
"""


def test_a_refuted_conjecture_fails_the_run_and_its_case_replays(call, tmp_path, no_report):
    (tmp_path / "conjectures").mkdir()
    (tmp_path / "conjectures" / "false.py").write_text(FALSE)
    code, out, _ = call("run", "FALSE-01", "--routes", "enclosure", "--examples", "3", "--jobs", "1")
    assert code == 1
    assert "FALSE-01: refuted" in out
    (path,) = (tmp_path / "reports" / "cases").glob("FALSE-01-*.json")
    validated(path.read_text())
    code, out, _ = call("replay", path, "--json")
    assert (code, validated(out)["outcome"]) == (1, "violated")


def test_a_case_of_a_true_claim_holds_and_that_of_a_mutant_is_violated(call, tmp_path):
    finding = Finding(0, "violated")
    problem = Problem.ce([(120, 4), (25, 3)], "1/111")
    true = cases.save(cases.build("HL23-04", problem, finding, "enclosure", ""), tmp_path)
    code, out, _ = call("replay", true, "--json")
    assert (code, validated(out)["outcome"]) == (0, "holds")
    text = "strict instead of non-strict"
    wrong = cases.save(cases.build("HL23-04", problem, finding, "enclosure", "", mutant=text), tmp_path)
    code, out, _ = call("replay", wrong, "--json")
    assert (code, validated(out)["outcome"]) == (0, "violated")
    none = cases.save(cases.build("HL23-04", problem, finding, "enclosure", "", mutant="no such mutant"), tmp_path)
    assert refused(call("replay", none))


def test_an_interrupted_run_reports_what_was_finished(call, monkeypatch, no_report):
    check = verify.engine.check

    def interrupted(claim, **options):
        if claim.id != "HL23-04":
            raise KeyboardInterrupt
        return check(claim, **options)

    monkeypatch.setattr(verify.engine, "check", interrupted)
    code, out, err = call("run", "HL23-04", "HL23-03", "--routes", "symbolic", "--examples", "0", "--jobs", "1")
    assert code == 130
    assert "HL23-04" in out
    assert "partial report of 1 claim was" in err


def test_a_verdict_below_the_ledger_fails_and_accept_moves_the_ledger(call, monkeypatch, tmp_path, no_report):
    monkeypatch.setattr(verify.engine, "run", _finished("enclosed", "proved"))
    path = tmp_path / "ledger.json"
    path.write_text('{"HL23-04": {"verdict": "proved", "routes": {}}}')
    load, accept = ledger.load, ledger.accept
    monkeypatch.setattr(ledger, "load", lambda *_: load(path))
    monkeypatch.setattr(ledger, "accept", lambda rows: accept(rows, path))
    code, out, _ = call("run", "HL23-04")
    assert code == 1
    assert "required is proved" in out
    assert "the ledger has proved" in out
    monkeypatch.setattr(verify.engine, "run", _finished("enclosed", "enclosed"))
    assert call("run", "HL23-04")[0] == 1
    assert call("run", "HL23-04", "--examples", "1")[0] == 0, "the ledger is judged over full runs only"
    assert call("run", "HL23-04", "--accept")[0] == 0
    assert ledger.load() == {"HL23-04": ("enclosed", {"symbolic": "proved"})}
    assert call("run", "HL23-04", "--strict")[0] == 0
    assert refused(call("run", "HL23-04", "--accept", "--examples", "1"))


def test_a_route_below_the_ledger_is_named_and_fails_under_strict_only(call, monkeypatch, no_report):
    """The claim keeps its verdict when a supporting route ceases to decide anything: only this line tells."""
    monkeypatch.setattr(verify.engine, "run", _finished("proved", "proved"))
    accepted = ledger.Accepted("proved", {"symbolic": "proved", "enclosure": "enclosed"})
    monkeypatch.setattr(ledger, "load", lambda: {"HL23-04": accepted})
    code, out, _ = call("run", "HL23-04")
    assert code == 0
    assert "HL23-04: route enclosure is not asked, the ledger has enclosed" in out
    code, out, err = call("run", "HL23-04", "--strict", "--json")
    assert (code, json.loads(out)["claims"][0]["verdict"]) == (3, "proved")
    assert "route enclosure is not asked" in err
    assert call("run", "HL23-04", "--strict", "--examples", "1")[0] == 0, "judged over full runs only"


@pytest.mark.parametrize("verdict", ["undecided", "vacuous", "error", "timeout"])
def test_an_open_verdict_exits_with_three_under_strict_only(call, monkeypatch, no_report, verdict):
    monkeypatch.setattr(verify.engine, "run", _finished(verdict, "agrees"))
    assert call("run", "HL23-04", "--examples", "1")[0] == 0
    assert call("run", "HL23-04", "--examples", "1", "--strict")[0] == 3
    assert call("run", "HL23-04", "--strict")[0] == 1


def _finished(verdict, required):
    """An engine that has finished HL23-04 with a verdict."""
    result = verify.engine.run([threshold], examples=0, routes=["symbolic"], mutants=False)
    row = result.claims[0].model_copy(update={"verdict": verdict, "required": required})
    return lambda *_, **__: result.model_copy(update={"claims": [row]})


def test_undecided_facts_exit_with_three_under_strict(call):
    assert call("optimum", *CE, "--dim", "1")[0] == 0
    assert call("optimum", *CE, "--dim", "1", "--strict")[0] == 3


# --- unusable input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    """
    frob | optimum | optimum mse --counts 5,5 --lam 1 --class-weights 1x2 | optimum ce --lam 1 | optimum ce --counts 5,5
    optimum ce --counts 5,5 --profile exp:9:3:3 --lam 1 | optimum ce --counts 5,5 --lambda-w 1
    optimum ce --counts 5,5 --lam 1 --lambda-h 1 | optimum ce --counts 5,5 --lam 1 --bias 0
    optimum ce --counts 5,5 --lam 1 --bias soft | optimum ce --counts 5,5 --lam 1 --depth 0
    optimum ce --counts 5,5 --lam 1 --ew 2 | optimum ce --counts 5,5 --lam 1 --temperature 1
    optimum ce --counts 5,5 --lam 1 --class-weights 1 | optimum ce --counts 5,5 --lam 1 --class-weights 1,-1
    optimum ce --counts 5,5 --lam 1 --class-weights 1,inf | optimum ce --counts 5,5 --lam 1 --dim 0
    optimum ce --counts 5,5 --lam 1 --dim 2.5 | optimum ce --counts 5,5 --lam nan | optimum ce --counts 5,5 --lam 1/0
    optimum ce --counts 5,5 --lam 1e999999999 | optimum ce --counts 5 --lam 1 | optimum ce --counts 0,5 --lam 1
    optimum ce --counts 5,-5 --lam 1 | optimum ce --counts 2.5,5 --lam 1 | optimum ce --counts 5x10000001 --lam 1
    optimum ce --counts @missing.json --lam 1 | optimum ce --counts @. --lam 1 | optimum ce --counts --lam 1
    optimum ce --profile exp:5:500:100 --lam 1 | optimum ce --profile cos:5:3:9 --lam 1
    optimum ce --counts 5,5 --lam 1 --seed -1 | optimum ce --counts 5,5 --lam 1 --seed pi
    thresholds ce | thresholds ce --counts 5,5 --lambda-w 1 | thresholds ce --counts 5,5 --rigorous
    certify ce --counts 5,5 --lam 1 | certify ce -o file.json | check | check missing | replay | show | show nothing
    show HL23-* | list HL23-04 | list --path missing | run HL99-04 | run --routes fast | run --examples -1
    run --examples many | run --jobs -1 | run --accept --examples 1 | run --accept --routes exact
    run --report /dev/null/x
    mutants nothing | new | new 1st | new HL23-04 | new ../up
    """.replace("\n", "|").split("|"),
)
def test_unusable_input_is_one_sentence_and_exit_code_two(call, line):
    if line.strip():
        answer = call(*line.split())
        assert refused(answer), answer


def test_a_bias_penalty_of_zero_names_the_free_bias(call):
    assert "free" in call("optimum", "ce", "--counts", "5,5", "--lam", "1", "--bias", "0")[2]


def test_an_unknown_claim_names_the_nearest(call):
    assert "HL23-04" in call("show", "HL23-044")[2]


BROKEN = [
    "",
    " ",
    "nan",
    "-1",
    "1e400",
    "0x10",
    "1//2",
    "½",
    "\x00",
    "\udcff",
    "9" * 5000,
    "5x",
    "x5",
    ",",
    "a\nb",
    "--",
    "{}",
]
OPTIONS = ["--counts", "--profile", "--lam", "--lambda-w", "--bias", "--class-weights", "--dim", "--depth", "--seed"]


def malformed_arguments(count):
    """Argument vectors with at least one thing wrong, from a fixed seed."""
    rng = random.Random(0)
    while count:
        command = rng.choice(["optimum", "thresholds", "certify"])
        options = {"--counts": "5,3", "--lam": "1/50"} | ({"-o": "out.json"} if command == "certify" else {})
        for name in rng.sample(OPTIONS, rng.randint(1, 3)):
            options[name] = rng.choice([b for b in BROKEN if name != "--depth" or b.strip() != "1"])
        if rng.random() < 0.3:
            options["--" + "".join(rng.choices("abcxyz-", k=rng.randint(1, 8)))] = "1"
        words = list(itertools.chain.from_iterable(options.items()))
        yield [command, *rng.choice([["ce"], ["ce"], [], ["mse"], ["ce", "ce"], ["\U0001f600"]]), *words]
        count -= 1


def test_malformed_argument_vectors_never_end_in_a_traceback(call):
    for args in malformed_arguments(400):
        answer = call(*args)
        assert refused(answer), (args, answer)


# --- starting up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "classes",
    [
        ["--profile", "exp:500:5:100"],
        ["--profile", "exp:5000:50:10"],
        ["--counts", "5000x5,500x5"],
        ["--counts", "5000x5,500x999995", "--bias", "free"],
    ],
)
def test_thresholds_answer_within_two_seconds_of_processor_time(classes):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run(
        [sys.executable, "-m", "verify", "thresholds", "ce", *classes, "--json"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "100"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    data = validated(answer.stdout)
    names = {entry["name"] for entry in data["thresholds"]}
    assert names >= ({"complete_collapse"} if "exp:5000:50:10" in classes else {"cluster_merge", "complete_collapse"})
    assert all(entry["value"] for entry in data["thresholds"])


def test_the_module_imports_nothing_heavy():
    code = "import sys, verify.cli; print([m for m in ('numpy', 'sympy', 'scipy', 'cvxpy', 'matplotlib', 'pydantic') "
    code += "if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
