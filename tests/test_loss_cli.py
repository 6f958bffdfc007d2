"""Losses and weights on the command line, and a loss of the user in one file."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest

from theory import losses
from theory.problem import Problem
from verify import cases
from verify.counts import InputError, parse_multipliers
from verify.judge import Finding
from verify.schemas import json_schemas

DOCS = Path(__file__).resolve().parent.parent / "docs" / "adding-a-loss.md"
TWO = ["--counts", "9x2,4x3"]


def thresholds(call, *args):
    code, out, err = call("thresholds", *args, "--json")
    assert code == 0, err
    data = json.loads(out)
    jsonschema.validate(data, json_schemas()["verify.thresholds.1"])
    return data


@pytest.mark.parametrize(
    ("options", "name", "expected"),
    [
        (["--class-weights", "inverse"], "cluster_merge", "0.002581988897"),
        (["--class-weights", "sqrt-inverse"], "cluster_merge", "0.001144947333"),
        (["--class-weights", "effective:0.999"], "cluster_merge", "0.002462068652"),
        (["--label-smoothing", "0.1"], "cluster_merge", "0.000185531592"),
        (["--label-smoothing", "0.1"], "complete_collapse", "0.001850215092"),
        (["--logit-adjustment", "1"], "cluster_merge", "0.000206146213"),
        (["--scaling", "1/2"], "cluster_merge", "0.000020614621"),
        (["--loss-temperature", "2"], "cluster_merge", "0.000103073106"),
        (["--loss", "squared"], "complete_collapse", "0.00206146213"),
        (["--feature-decay", "inverse"], "cluster_merge", "0.000044259402238"),
    ],
)
def test_a_long_tail_has_closed_forms(call, options, name, expected):
    data = thresholds(call, "ce", "--profile", "exp:500:5:100", *options)
    assert data["seconds"] < 20
    found = [t for t in data["thresholds"] if t["name"] == name]
    assert all(t["verdict"] == "enclosed" for t in found)
    first = found[0]["value"]
    assert Fraction(first["lower"]) <= Fraction(first["upper"])
    assert first["lower"].startswith(expected) or abs(float(first["lower"]) - float(expected)) < 1e-11


def test_a_loss_without_closed_form_says_so(call):
    code, out, _ = call("thresholds", "ce", *TWO, "--loss", "focal:2")
    assert code == 0
    assert "no closed form exists for this loss" in " ".join(out.split())
    assert call("thresholds", "ce", *TWO, "--loss", "focal:2", "--strict")[0] == 3
    _, out, _ = call("thresholds", "ce", *TWO, "--loss", "margin:1")
    assert "at least 0.0666667 and at most 0.1" in " ".join(out.split())


@pytest.mark.parametrize("scheme", ["inverse", "sqrt-inverse", "effective:0.999"])
def test_a_long_tail_in_words(call, scheme):
    _, out, _ = call("thresholds", "ce", "--profile", "exp:500:5:100", "--class-weights", scheme)
    said = " ".join(out.split())
    assert said.count("share one mean feature") == 1
    assert "75 classes have a size or weight that no other class has" in said
    assert ("rounded to 40 digits" in said) is (scheme != "inverse")
    assert ("sqrt(1/150000)" in said) is (scheme == "inverse")
    assert "(NR26-19)" in said
    _, out, _ = call("thresholds", "ce", "--profile", "exp:500:5:100", "--label-smoothing", "0.1")
    assert "NR26-19" not in out


def test_the_size_from_which_classes_are_lost_is_told_where_it_is_known(call):
    _, out, _ = call("thresholds", "ce", "--counts", "14,6,5,1", "--bias", "free")
    assert "those of size 1 are lost from 0.0860026 on (NR26-24)" in " ".join(out.split())  # sqrt(5)/26
    _, out, _ = call("thresholds", "ce", "--counts", "14,6,5,1", "--class-weights", "inverse")
    assert "NR26-24" not in out


def test_hinge_and_focal_say_what_is_known(call):
    data = thresholds(call, "ce", *TWO, "--loss", "hinge")
    (found,) = [t for t in data["thresholds"] if t["name"] == "complete_collapse"]
    x = 30 * float(found["value"]["lower"])
    shares = [max(0, 1 - (k - 1) * (x / root - 1)) for k, root in ((2, 3), (3, 2))]
    assert 5 * (9 * shares[0] ** 2 / 3 + 4 * shares[1] ** 2 / 2) == pytest.approx(x * x, rel=1e-9)
    assert found["claim"] == "UC26-07"
    _, out, _ = call("thresholds", "ce", "--counts", "9x2,4x3,1x2", "--loss", "hinge")
    assert "for at most two kinds of classes" in " ".join(out.split())
    _, out, _ = call("thresholds", "ce", *TWO, "--loss", "focal:2")
    assert "size 4: lam is at least 0.0621811" in out
    assert "complete_collapse: in lam it is at least 0.115502" in " ".join(out.split())


def test_thresholds_of_the_other_models(call):
    relu = thresholds(call, "ce-relu", *TWO, "--label-smoothing", "0.1", "--class-weights", "inverse")["thresholds"]
    assert [t["closed_form"] for t in relu] == ["sqrt(324/125)/30", "sqrt(729/125)/30"]
    peeled = thresholds(call, "layer-peeled", *TWO, "--label-smoothing", "0.1")["thresholds"]
    assert [(t["parameter"], t["closed_form"]) for t in peeled] == [("multiplier", "3/25"), ("multiplier", "27/100")]


@pytest.mark.parametrize("spec", ["ce", "squared", "sparsemax", "ovr", "margin:1", "ldam:2", "hinge"])
def test_optimum_and_certificate(call, spec):
    options = ["ce", *TWO, "--lam", "0.03", "--loss", spec, "--loss-temperature", "2"]
    code, out, err = call("optimum", *options, "--json")
    assert code == 0, err
    data = json.loads(out)
    jsonschema.validate(data, json_schemas()["verify.optimum.1"])
    assert data["verdict"] == "enclosed"
    assert data["gap"] < (1e-6 if spec == "hinge" else 1e-30)
    code, _, err = call("certify", *options, "-o", "c.json")
    assert code == 0, err
    code, out, err = call("check", "c.json", "--json")
    assert code == 0, err
    assert json.loads(out)["outcome"] == "bounds"
    assert call("check", "c.json")[0] == 0


def test_losses_outside_the_kernel(call):
    code, out, _ = call("optimum", "ce", *TWO, "--lam", "0.03", "--loss", "ovr-exp", "--json")
    assert code == 0
    assert json.loads(out)["verdict"] == "certified"
    code, out, err = call("optimum", "ce", *TWO, "--lam", "0.03", "--loss", "focal:2")
    assert (code, out) == (2, "")
    assert "no lower bound is known for the loss focal:2; the best value found is 0.569309" in err


def test_a_value_of_zero_and_a_bias_under_nonnegative_features_do_not_crash(call):
    code, out, _ = call("optimum", "layer-peeled", *TWO, "--loss", "hinge", "--json")
    assert code == 0
    assert float(json.loads(out)["value"]["upper"]) == 0
    code, out, err = call("optimum", "ce-relu", *TWO, "--lam", "0.01", "--loss", "squared", "--bias", "free")
    assert (code, out) == (2, "")
    assert "no lower bound is known for the loss squared with a bias; the best value found is" in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["ce", *TWO, "--loss", "nosuch"], "unknown loss"),
        (["ce", *TWO, "--loss", "focal:x"], "not a number"),
        (["ce", *TWO, "--loss", "focal", "--label-smoothing", "0.1"], "one-hot"),
        (["ce", *TWO, "--label-smoothing", "1"], "--label-smoothing: 1 is not below 1"),
        (["ce", *TWO, "--label-smoothing", "-1"], "negative"),
        (["ce", *TWO, "--logit-adjustment", "x"], "not a number"),
        (["ce", *TWO, "--loss-temperature", "0"], "not positive"),
        (["ce", *TWO, "--feature-decay", "1x4"], "4 values are given for 5 classes"),
        (["ce", *TWO, "--class-weights", "effective"], "--class-weights: effective needs its number B"),
        (["ce", *TWO, "--class-weights", "effective:1"], "between 0 and 1"),
        (["ce", *TWO, "--class-weights", "inverse:2"], "did you mean inverse"),
        (["ce", *TWO, "--class-weights", "invers"], "did you mean inverse"),
        (["ce", *TWO, "--class-weights", "1x2"], "--class-weights: 2 weights are given for 5 classes"),
        (["ce", "--counts", "5"], "--counts: at least two classes"),
        (["ce", *TWO, "--depth", "2", "--loss", "squared", "--lam", "1"], "--loss: only at depth 1"),
        (["ce", *TWO, "--depth", "2", "--label-smoothing", "0.1"], "--label-smoothing: only at depth 1"),
        (["ce", *TWO, "--ew", "2"], "--ew: model ce has no such option; layer-peeled has."),
        (["uf-svm", *TWO, "--lam", "1"], "--lam: model uf-svm has no such option; ce, ce-relu, mse have."),
        (["mse", *TWO, "--loss", "squared"], "no such option"),
        (["layer-peeled", *TWO, "--row-decay", "inverse"], "no such option"),
    ],
)
def test_bad_options_are_one_sentence(call, options, words):
    code, out, err = call("thresholds", *options)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"verify: [^\n]+\n", err)
    assert words in err


def test_the_loss_is_named_to_people(call):
    _, out, _ = call(
        "thresholds", "ce", *TWO, "--loss", "squared", "--label-smoothing", "0.1", "--row-decay", "1x2,2x3"
    )
    assert "loss squared; label smoothing 1/10" in " ".join(out.split())
    assert "row decay 2" in " ".join(out.split())


def test_plain_options_give_the_plain_problem(call):
    code, out, _ = call("thresholds", "ce", *TWO, "--loss", "ce", "--label-smoothing", "0", "--json")
    assert code == 0
    assert "loss" not in json.loads(out)["options"]


def test_weight_schemes_have_mean_one():
    counts = [(500, 3), (70, 1), (5, 10)]
    for scheme in ("inverse", "sqrt-inverse", "effective:0.99", "effective:0.999999"):
        found = parse_multipliers(scheme, counts, "class-weights")
        total = sum(w * m * n for (w, m), (n, _) in zip(found, counts, strict=True))
        assert abs(total / sum(m * n for n, m in counts) - 1) < Fraction(1, 10**38)
        assert all(len(str(w.numerator)) <= 42 for w, _ in found)
    root = parse_multipliers("sqrt-inverse", counts, "class-weights")
    assert abs((root[0][0] / root[2][0]) ** 2 * 100 - 1) < Fraction(1, 10**38)
    few = parse_multipliers("effective:1/2", [(2, 1), (1, 2)], "class-weights")
    assert few[0][0] / few[1][0] == pytest.approx(2 / 3, rel=1e-15)
    with pytest.raises(InputError, match="class-weights"):
        parse_multipliers("inverted", counts, "class-weights")


# --- a loss of the user ------------------------------------------------------------------------------------------


@pytest.fixture
def pairwise(tmp_path, monkeypatch):
    """The example of the documentation, in ./losses; forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(losses, "_found", dict(losses._found))
    source = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert source is not None
    assert source[1].count("\n") < 40
    (tmp_path / "losses").mkdir()
    (tmp_path / "losses" / "pairwise.py").write_text(source[1], encoding="utf-8")
    return tmp_path


def test_a_loss_of_the_user_is_one_file(call, pairwise):
    _, out, err = call("thresholds", "ce", *TWO, "--loss", "pairwise")
    assert "size 4: lam is at least 0.1" in " ".join(out.split()), err
    code, out, _ = call("optimum", "ce", *TWO, "--lam", "0.03", "--loss", "pairwise", "--json")
    assert code == 0
    data = json.loads(out)
    assert data["verdict"] == "certified"
    assert data["gap"] < 1e-9
    code, out, _ = call("list", "--json")
    assert "PW-01" in {claim["id"] for claim in json.loads(out)["claims"]}


def test_the_claim_of_the_file_is_checked_and_reported(call, pairwise):
    code, out, err = call("run", "PW-01", "--examples", "4", "--json")
    assert code == 0, err
    (result,) = json.loads(out)["claims"]
    assert result["verdict"] == "agrees"
    assert result["mutants"]["survivors"] == []
    assert "PW-01" in (pairwise / "reports" / "report.html").read_text(encoding="utf-8")


def test_a_case_never_runs_the_file(call, pairwise, tmp_path):
    assert call("list")[0] == 0
    problem = Problem.ce([2, 1], 1).with_loss("pairwise")
    finding = Finding(0, "x", None, "violated", "1", "2", 1.0, None)
    case = cases.build("PW-01", problem, finding, "nonconvex", "x >= 2")
    path = cases.save(case, tmp_path)
    losses._found.pop("pairwise")
    with pytest.raises(InputError, match="unknown loss"):
        cases.load(path)
    assert "pairwise" not in losses.NAMES


def test_shipped_names_are_protected(pairwise):
    with pytest.raises(ValueError, match="shipped"):
        losses.register("focal", losses.find("focal"))
    with pytest.raises(ValueError, match="letters"):
        losses.register("My Loss", losses.find("focal"))


def test_a_broken_file_is_one_sentence(call, pairwise):
    (pairwise / "losses" / "broken.py").write_text("1/0\n")
    code, out, err = call("thresholds", "ce", *TWO, "--loss", "pairwise")
    assert (code, out) == (2, "")
    assert "broken.py:1" in err
