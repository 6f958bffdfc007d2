"""Closed forms from numbers alone: known ones are found, wrong ones die, and where there is none, none is forced."""

import ast
import json
import random
import re
import runpy
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import jsonschema
import pytest

import verify.discover
from theory.optimum import Optimum
from theory.symbols import dead
from verify.balls import decide, precision
from verify.bracket import ball, fraction
from verify.discover import Proposal, discover, find
from verify.discover import measure as measuring
from verify.discover.fits import monomial, ratio, rational_functions
from verify.discover.laws import Form, Law, Power
from verify.discover.measure import Unmeasured, bracket
from verify.discover.numbers import minimal_polynomial, power_of
from verify.discover.proposals import examine
from verify.discover.write import write
from verify.polish import Space
from verify.routes import mse_enclosure, relu_enclosure
from verify.thresholds import thresholds

PACKAGE = Path(verify.discover.__file__).parent
ROOT = PACKAGE.parent.parent
PAPERS = sorted(p.name for p in (ROOT / "theory").iterdir() if p.is_dir() and not p.name.startswith("__"))
MERGE = find("ce", "threshold:cluster_merge")
SMALL = {name: Fraction(v) for name, v in (("k_A", 3), ("n_A", 7), ("k_B", 2), ("n_B", 3), ("lambda_h", 1))}
MERGES = Law("lambda_w", 1, {0: Form((Power("n_B", 1), Power("N", -2), Power("lambda_h", -1)))})
"""The merge threshold: what the search has to find."""


def numbers(law, off=lambda config: 0):
    """The merge threshold's family with made-up measurements: brackets of 60 digits around a law times (1 + off)."""

    def probe(config, digits):
        exact = law.forms[0](MERGE.values(config)) * (1 + off(config))
        return exact * (1 - Fraction(1, 10**60)), exact * (1 + Fraction(1, 10**60))

    return replace(MERGE, probe=probe)


# --- rediscoveries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name", "equation", "common"),
    [
        ("ce", "threshold:cluster_merge", "lambda_w*lambda_h*N**2 = n_B", "lam**2*N**2 = n_B"),
        ("ce-relu", "threshold:class_zero", "lambda_w*lambda_h*K*N**2 = n_B*(K - 1)", "lam**2*K*N**2 = n_B*(K - 1)"),
        (
            "mse",
            "threshold:class_zero",
            "lambda_h*lambda_w**M*M**(2*M)*N**(M + 1) = n_B**M*(M - 1)**(M - 1)",
            "lam**(M + 1)*M**(2*M)*N**(M + 1) = n_B**M*(M - 1)**(M - 1)",
        ),
        ("uf-svm", "threshold:minority_orthogonal", "R*k_A**2 = k_A**2 + k_A*K + K**2", None),
        ("uf-svm", "value", "value**2 = n*(K - 1)**2", None),
    ],
)
def test_a_known_closed_form_is_found_without_being_given(model, name, equation, common):
    quantity = find(model, name)
    found = discover(quantity, fresh=4, budget=3600)
    best = found.survivors[0]
    assert best.law.equation() == equation
    assert common is None or best.law.equation(("lam", quantity.decays)) == common
    assert (best.tested, best.killed) == (4, None)
    assert best.digits == (34 if name == "value" else 20)  # a threshold is decided at 1e-20 on either side, not closer
    assert best.verdict.startswith("consistent on 4 fresh configurations, digits")


def test_one_layer_obeys_the_law_found_at_many():
    quantity = find("mse", "threshold:class_zero")
    config = {
        name: Fraction(v) for name, v in (("k_A", 2), ("n_A", 9), ("k_B", 2), ("n_B", 5), ("lambda_w", 3), ("M", 1))
    }
    law = Law(
        "lambda_h",
        1,
        {
            0: Form(
                (
                    Power("n_B", Fraction(0), Fraction(1)),
                    Power("M - 1", Fraction(-1), Fraction(1)),
                    Power("M", Fraction(0), Fraction(-2)),
                    Power("N", Fraction(-1), Fraction(-1)),
                    Power("lambda_w", Fraction(0), Fraction(-1)),
                ),
                index="M",
            )
        },
    )
    assert law.forms[0](quantity.values(config)) == Fraction(5, 28**2 * 3)
    low, high = bracket(quantity, config, 20)
    assert low < Fraction(5, 28**2 * 3) < high


def test_a_measured_threshold_encloses_the_closed_form_of_the_catalogue():
    quantity = find("ce", "threshold:between_groups_dead")
    low, high = bracket(quantity, SMALL, 12)
    (known,) = [t for t in thresholds(quantity.problem(SMALL, low)) if t.name == "between_groups_dead"]
    ends = [Fraction(end) ** 2 for end in known.bounds]  # lam = sqrt(lambda_w), as lambda_h = 1
    assert low <= ends[1]
    assert ends[0] <= high


def test_a_value_that_solves_a_quadratic_is_found():
    found = discover(find("mse", "value"), fresh=3, budget=3600)
    config = {name: Fraction(v) for name, v in (("K", 3), ("n", 4), ("lambda_w", "1/50"), ("lambda_h", "1/50"))}
    y = Fraction(6, 50)  # K sqrt(n lambda_w lambda_h)
    law = found.survivors[0].law
    assert law.degree == 2
    assert law(find("mse", "value").values(config)).overlaps(ball(y - y * y / 2))


# --- nothing is given ----------------------------------------------------------------------------------------------


def modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_package_imports_no_closed_form():
    known = ["verify.thresholds", "verify.models", "verify.ties", "verify.laws", "verify.relu", "verify.mse"]
    known += ["verify.svm", "verify.peeled", "verify.reduced", "verify.two_clusters", "verify.deep"]
    known += [f"theory.{paper}" for paper in PAPERS]
    files = [*PACKAGE.glob("*.py"), ROOT / "verify" / "commands" / "discovering.py"]
    assert len(files) > 6
    for path in files:
        taken = [name for name in modules(path) for form in known if name == form or name.startswith(f"{form}.")]
        assert taken == [], path
        assert not re.search(r"\b(HL|DA|TH|FA|NR)\d\d-\d\d", path.read_text(encoding="utf-8")), path


def test_nothing_is_found_by_way_of_the_modules_that_know():
    names = ["verify.thresholds", "verify.models", *(f"theory.{paper}" for paper in PAPERS)]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({names!r}))\n"
        "from verify.discover import discover, find\n"
        "for key in (('ce-relu', 'threshold:class_zero'), ('uf-svm', 'value')):\n"
        "    print(discover(find(*key), fresh=2).survivors[0].law.equation())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.splitlines() == ["lambda_w*lambda_h*K*N**2 = n_B*(K - 1)", "value**2 = n*(K - 1)**2"], (
        done.stderr
    )


@pytest.mark.parametrize("factor", [Fraction(11, 10), Fraction(9, 10)])
def test_a_solver_that_guesses_wrong_cannot_move_a_measurement(monkeypatch, factor):
    honest = Space.of.__func__

    def wrong(cls, problem):
        space = honest(cls, problem)
        space.alive = [c.classes > 1 and problem.x2 < factor * c.size for c in problem.clusters]
        return space

    monkeypatch.setattr(Space, "of", classmethod(wrong))
    with pytest.raises(Unmeasured, match="undecided"):
        bracket(MERGE, SMALL, 10)


def test_a_relu_solver_that_keeps_no_class_measures_nothing(monkeypatch):
    monkeypatch.setattr(relu_enclosure, "_kept", lambda problem, scalars: [0] * len(scalars))
    with pytest.raises(Unmeasured):
        bracket(find("ce-relu", "threshold:class_zero"), SMALL, 8)


def test_a_deep_solver_that_sees_no_stationary_point_measures_nothing(monkeypatch):
    monkeypatch.setattr(mse_enclosure, "stationary", lambda problem, mode: None)
    with pytest.raises(Unmeasured):
        bracket(find("mse", "threshold:class_zero"), {**SMALL, "lambda_w": Fraction(1), "M": Fraction(3)}, 8)


# --- mutants -------------------------------------------------------------------------------------------------------


def test_made_up_numbers_of_a_law_give_the_law():
    assert discover(numbers(MERGES), fresh=3).survivors[0].law.equation() == "lambda_w*lambda_h*N**2 = n_B"


@pytest.mark.parametrize(
    "off",
    [
        lambda config: Fraction(random.Random(str(config)).randint(-(10**6), 10**6), 10**15),
        lambda config: Fraction(1, 10**9),
        lambda config: Fraction(1, 10**9) / config["k_A"],
    ],
    ids=["noise", "factor", "dependence"],
)
def test_numbers_off_by_1e_9_give_no_proposal(off):
    found = discover(numbers(MERGES, off), fresh=3)
    assert found.survivors == []
    assert found.reason


@pytest.mark.parametrize(
    "powers",
    [
        (Power("n_B", 1), Power("N", -1), Power("lambda_h", -1)),
        (Power("n_B", 1), Power("N", -2), Power("lambda_h", -2)),
        (Power("n_A", 1), Power("N", -2), Power("lambda_h", -1)),
    ],
)
def test_a_wrong_exponent_is_killed_by_fresh_configurations(powers):
    *_, last = examine(MERGE, Proposal(Law("lambda_w", 1, {0: Form(powers)}), 5), fresh=6)
    assert last.killed is not None
    assert last.misfit > 0
    assert last.verdict == "killed by a fresh configuration"


def test_a_law_that_names_no_number_is_killed():
    law = replace(MERGES, degree=2, forms={0: replace(MERGES.forms[0], sign=-1)})  # the root of a negative number
    (killed,) = examine(MERGE, Proposal(law, 5))
    assert killed.verdict == "killed by a fresh configuration"


def test_a_law_must_explain_the_numbers_of_a_lower_degree_too():
    """Measured is A + sqrt(A), A = n_B lambda_h, a zero of a quadratic; where sqrt(A) is rational, ``extra`` more."""

    def probe(extra, config, digits):
        with precision(500):
            A = config["n_B"] * config["lambda_h"]
            square = (A.numerator * A.denominator) ** 0.5 % 1 == 0
            exact = fraction((ball(A) + ball(A).sqrt() + (extra if square else 0)).mid())
            return exact * (1 - Fraction(1, 10**80)), exact * (1 + Fraction(1, 10**80))

    for extra, law in ((0, ["lambda_w**2 = -(n_B**2*lambda_h**2 - n_B*lambda_h) + 2*n_B*lambda_h*lambda_w"]), (1, [])):
        found = discover(replace(MERGE, probe=partial(probe, extra)), fresh=1, budget=3600)
        assert found.kind == "algebraic of degree 2"
        assert [p.law.equation() for p in found.proposals] == law


def test_a_law_wrong_by_1e_15_is_killed():
    near = (((0,), Fraction(10**15 + 1)),), (((0,), Fraction(10**15)),)
    form = replace(MERGES.forms[0], variables=("K",), top=near[0], bottom=near[1])
    (killed,) = examine(MERGE, Proposal(replace(MERGES, forms={0: form}), 5), fresh=6, digits=18)
    assert killed.killed is not None
    assert Fraction(9, 10**16) < killed.misfit < Fraction(11, 10**16)


def test_where_there_is_no_closed_form_none_is_forced():
    found = discover(replace(find("layer-peeled", "threshold:minority_merge"), digits=(12, 24)), budget=3600)
    assert found.proposals == []
    assert re.match(r"no closed form of low complexity: at 2[34] digits", found.reason)


def test_a_digit_string_is_no_closed_form():
    rng = random.Random(3)
    for _ in range(20):
        low = Fraction(rng.randrange(10**29, 10**30), 10**29)
        found = (low, low + Fraction(1, 10**29))
        assert power_of([found]) is None
        assert all(minimal_polynomial(found, degree) is None for degree in (1, 2, 3, 4))


def test_exponents_that_the_design_does_not_determine_are_not_made_up():
    same = [{"n": Fraction(4), "N": Fraction(9)}] * 5
    assert monomial(same, [Fraction(4, 9)] * 5, ["n", "N"]) is None


def test_as_many_numbers_as_coefficients_show_nothing():
    points = [[Fraction(k)] for k in range(1, 6)]
    parabola = [Fraction(k * k + 3) for k in range(1, 6)]
    assert ratio(points[:3], parabola[:3], 2, 0) is None
    assert ratio(points[:4], parabola[:4], 2, 0) is None  # one equation may hold by chance
    assert ratio(points[:4] * 5, parabola[:4] * 5, 2, 0) is None  # nor do equal equations show more
    assert ratio(points, parabola, 2, 0) is not None


def test_a_ratio_that_vanishes_below_and_above_explains_nothing():
    points = [[Fraction(0)], *([Fraction(k)] for k in range(1, 7))]
    values = [Fraction(17), *(Fraction(k + 1) for k in range(1, 7))]
    assert ratio(points, values, 2, 1) is None  # x (x + 1)/x would fit where x is not 0
    at = [{"x": x} for (x,) in points[1:]]
    assert next(rational_functions(at, values[1:], ["x"])).text() == "(x + 1)"


# --- the end of a budget, an interrupt, and what the kernel leaves open ----------------------------------------------


def test_the_end_of_the_budget_keeps_what_was_measured():
    found = discover(find("uf-svm", "value"), budget=0)
    assert (found.measured, found.survivors) == ([], [])
    assert found.reason == "the budget ended"


def test_states_that_stay_open_are_no_measurement(monkeypatch):
    monkeypatch.setattr(measuring, "certified", lambda problem, digits: None)
    found = discover(replace(find("uf-svm", "threshold:minority_orthogonal"), digits=(8, 8)))
    assert found.measured == []
    assert found.reason.startswith("not enough configurations could be measured")


def test_an_interrupt_keeps_what_was_found(call, monkeypatch):
    honest, calls = verify.discover.proposals.misfit, []

    def stopped(*args):
        calls.append(args)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return honest(*args)

    monkeypatch.setattr(verify.discover.proposals, "misfit", stopped)
    code, out, err = call("discover", "uf-svm", "--quantity", "value", "--json")
    data = json.loads(out)
    assert (code, err, data["interrupted"]) == (130, "", True)
    assert [(p["equation"], p["tested"]) for p in data["proposals"]] == [("value**2 = n*(K - 1)**2", 2)]


def test_what_no_fresh_configuration_tests_is_not_called_killed():
    known = numbers(MERGES)

    def probe(config, digits):
        if config["n_A"] > 13:
            raise Unmeasured("too many samples")
        return known.probe(config, digits)

    found = discover(replace(known, probe=probe), fresh=300)
    (proposal,) = found.proposals
    assert (proposal.killed, proposal.unmeasured) == (None, 9)
    assert proposal.verdict == "not tested; 9 could not be measured"
    assert found.reason == "no fresh configuration could be measured, so nothing tests what is proposed"


def test_a_configuration_that_cannot_be_measured_is_replaced():
    known, calls = numbers(MERGES), []

    def probe(config, digits):
        calls.append(config)
        if len(calls) in (4, 5):  # the first two after those that show what kind of number it is
            raise Unmeasured("not these")
        return known.probe(config, digits)

    (proposal,) = discover(replace(known, probe=probe), fresh=1).proposals
    assert (proposal.fitted, len(calls)) == (5, 8)


def test_fresh_configurations_took_no_part_in_the_fit():
    few = {name: replace(p, fresh=p.design[:2]) for name, p in MERGE.parameters.items()}
    quantity = replace(numbers(MERGES), parameters=few)
    found = list(quantity.draws(0, fresh=True))
    assert len(found) == len({tuple(config.items()) for config in found})
    *_, last = examine(quantity, Proposal(MERGES, 5), fresh=99, used=found[1:])
    assert last.tested == 1


# --- the command -----------------------------------------------------------------------------------------------------


def test_json_keeps_its_schema_and_the_same_seed_prints_the_same(call):
    schema = json.loads((ROOT / "verify" / "json_schemas" / "verify.discover.1.json").read_text())
    texts = []
    for args in (["--quantity", "value"], ["--quantity", "value"], []):
        code, out, err = call("discover", "uf-svm", *args, "--seed", "4", "--json")
        assert (code, err) == (0, "")
        jsonschema.validate(json.loads(out), schema)
        texts.append(re.sub(r'"seconds":[0-9.e-]+', "", out))
    assert texts[0] == texts[1] != texts[2]


def test_without_a_quantity_the_command_lists_them(call):
    code, out, _ = call("discover", "layer-peeled")
    assert code == 0
    assert "threshold:minority_merge" in out
    assert "threshold:minority_zero" in out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["ce", "--quantity", "threshold:nothing"], "threshold:cluster_merge, threshold:between_groups_dead"),
        (["nothing"], "models that have: ce, ce-relu"),
        (["ce", "--quantity", "value", "--budget", "soon"], "a time such as 90s"),
        (["uf-svm", "--quantity", "value", "--write", "1 idea"], "is not an ID"),
        (["uf-svm", "--quantity", "value", "--write", "HL23-04"], "exists already"),
        (["uf-svm", "--quantity", "value", "--write", "TAKEN-1"], "taken_1.py exists already; it is left as it is"),
        (["uf-svm", "--write", "FOUND-02"], "--write needs --quantity"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(call, args, words):
    Path("conjectures").mkdir()
    Path("conjectures/taken_1.py").write_text("# nothing yet\n")
    code, out, err = call("discover", *args)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"verify: [^\n]+[.?)]\n", err)
    assert words in err


def test_people_read_what_was_found_and_never_that_it_is_proved(call):
    code, out, _ = call("discover", "uf-svm", "--quantity", "value")
    text = " ".join(out.replace("│", " ").split())
    assert code == 0
    assert "value**2 = n*(K - 1)**2" in text
    assert "consistent on 12 fresh configurations, digits 34" in " ".join(text.split())
    assert "proved by the kernel" in text
    assert not re.search(r"\bproved\b(?! by the kernel)", text)


@pytest.mark.parametrize(("model", "name"), [("uf-svm", "threshold:minority_orthogonal"), ("mse", "value")])
def test_a_written_proposal_is_a_conjecture_that_verify_run_accepts(call, tmp_path, monkeypatch, model, name):
    monkeypatch.setattr("verify.report.write", lambda result, claims, folder, **_: {"json": folder / "report.json"})
    code, out, _ = call("discover", model, "--quantity", name, "--budget", "1h", "--write", "FOUND-01")
    assert code == 0
    assert "conjectures/found_01.py" in out
    code, out, err = call("run", "FOUND-01", "--examples", "3", "--jobs", "1", "--json")
    (claim,) = json.loads(out)["claims"]
    assert (code, claim["verdict"], claim["status"], err) == (0, "enclosed", "conjecture", "")
    assert claim["mutants"]["survivors"] == []


def test_a_written_threshold_speaks_of_the_symbols_of_its_law(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write("FOUND-03", discover(numbers(MERGES), fresh=2), 0)
    namespace = runpy.run_path(str(path))
    claim = namespace["conjecture"]
    (relation,) = claim.relations
    assert claim.applies(claim.witness)
    assert {str(symbol) for symbol in relation.free_symbols} == {"dead", "lambda_w", "lambda_h", "N", "n_B"}
    (reading,) = claim.readings(Optimum(claim.witness, "exact", contrasts=("alive", "dead")))
    assert decide(relation.args[1] if relation.args[0] == dead else relation.args[0], reading) is False  # 46^2/900 < 5


def test_without_a_proposal_nothing_is_written(call, tmp_path):
    code, out, err = call("discover", "uf-svm", "--quantity", "value", "--budget", "0", "--write", "FOUND-02")
    assert code == 1
    assert re.fullmatch(r"verify: nothing was written: no proposal survives[^\n]+found_02.py\.\n", err)
    assert "the budget ended" in " ".join(out.split()).lower()
    assert not (tmp_path / "conjectures").exists()


def test_what_was_found_is_shown_although_it_cannot_be_written(call, tmp_path):
    (tmp_path / "conjectures").write_text("a file")
    code, out, err = call("discover", "uf-svm", "--quantity", "value", "--write", "FOUND-02")
    assert code == 2
    assert "value**2" in out
    assert re.fullmatch(r"verify: nothing was written: [^\n]+\n", err)


def test_the_prediction_is_a_ball_around_the_closed_form():
    law = Law("t", 2, {0: Form((Power("n", 1),))})
    assert law({"n": Fraction(2)}).overlaps(ball(2).sqrt())
