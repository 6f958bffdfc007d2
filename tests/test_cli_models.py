"""The command line on every model: printed optima, thresholds, certificates, options that a model does not have."""

import json
from fractions import Fraction

import pytest
from test_cli import refused, validated

WORKED = [
    ("mse --counts 9,6,4 --lam 0.049 --depth 3", "0.409074917004", [], [2], [2.39890493559, 1.7446396, 0]),
    ("mse --counts 9x2,3x3 --lam 0.0345 --depth 2 --bias free", "0.288062224361", [[2, 3, 4]], [], None),
    ("mse --counts 9x2,3x3 --lam 0.0345 --depth 2", "0.365153557003", [[2, 3, 4]], [2, 3, 4], None),
    ("uf-svm --counts 9,1", "2.2360679774997", [], [], None),
    ("layer-peeled --counts 30x3,20x2 --ew 2 --eh 1/2", "0.743740835402", [], [], None),
    ("ce-sphere --counts 1x5", "3.8180729259702", [], [], None),
    ("ce-relu --counts 6,3,2 --lambda-w 0.02 --lambda-h 0.03", "0.424770080780", [], [], None),
]


@pytest.mark.parametrize(("line", "value", "merged", "zero", "singular"), WORKED)
def test_worked_optima(call, line, value, merged, zero, singular):
    code, out, err = call("optimum", *line.split(), "--json")
    assert (code, err) == (0, "")
    data = validated(out)
    lower, upper = Fraction(data["value"]["lower"]), Fraction(data["value"]["upper"])
    places = len(value.partition(".")[2])
    assert lower <= upper
    assert abs(lower - Fraction(value)) <= Fraction(1, 10**places)
    assert data["gap"] <= 1e-12
    assert (data["merged"], data["zero"], data["verdict"]) == (merged, zero, "enclosed")
    if singular is not None:
        assert data["singular_values"] == pytest.approx(singular, abs=1e-6)
    code, out, _ = call("optimum", *line.split())
    assert code == 0
    assert value[:8] in out


@pytest.mark.parametrize(
    ("line", "names", "values"),
    [
        ("mse --counts 9,6,4 --depth 3", ["class_zero"] * 3, [0.0405158083642, 0.0549152484236, 0.0744322927565]),
        ("mse --counts 9x2,3x3 --depth 2 --bias free", ["mode_zero"] * 3, None),
        ("uf-svm --counts 40x2,10x3", ["minority_orthogonal"], [9.75]),
        ("layer-peeled --counts 30x3,20x2 --ew 2 --eh 1/2", ["minority_merge", "minority_zero"], [2.171883, 6.610547]),
        ("ce-sphere --counts 1x5", [], []),
        ("ce-relu --counts 120x4,25x3", ["class_zero"] * 2, None),
    ],
)
def test_thresholds(call, line, names, values):
    code, out, err = call("thresholds", *line.split(), "--json")
    assert (code, err) == (0, "")
    found = validated(out)["thresholds"]
    assert [t["name"] for t in found] == names
    if values is not None:
        assert [float(t["value"]["lower"]) for t in found] == pytest.approx(values, rel=1e-6)
        assert all(Fraction(t["value"]["lower"]) <= Fraction(t["value"]["upper"]) for t in found)
    assert call("thresholds", *line.split())[0] == 0


@pytest.mark.parametrize(
    "line",
    [
        "mse --counts 9,6,4 --lam 0.049 --depth 3",
        "uf-svm --counts 40x2,10x3",
        "layer-peeled --counts 30x3,20x2 --ew 2 --eh 1/2",
        "ce-sphere --counts 1x5 --dim 2 --families 1",
        "ce --counts 1x4 --depth 3 --lam 0.02",
        "ce-relu --counts 6,3,2 --lam 1/50",
    ],
)
def test_certificates_are_written_checked_and_cannot_be_moved_to_another_problem(call, tmp_path, line):
    assert call("certify", *line.split(), "-o", "c.json")[0] == 0
    code, out, _ = call("check", "c.json", "--json")
    assert (code, validated(out)["outcome"]) == (0, "bounds")
    assert call("check", "c.json")[0] == 0
    data = json.loads((tmp_path / "c.json").read_text())
    size, repeat = data["counts"][0]
    data["counts"][0] = [str(Fraction(size) + 1), repeat]
    (tmp_path / "moved.json").write_text(json.dumps(data))
    assert call("check", "moved.json")[0] == 1


@pytest.mark.parametrize(
    "line",
    """
    uf-svm --counts 5,5 --lam 1 | uf-svm --counts 5,5 --bias none | uf-svm --counts 5,5 --ew 1 | uf-svm --counts 5
    layer-peeled --counts 5,5 --lam 1 | layer-peeled --counts 5,5 --ew 0 | layer-peeled --counts 5,5 --eh nan
    layer-peeled --counts 5,5 --depth 2 | layer-peeled --counts 5,5 --bias free | layer-peeled --counts 5,5 --ew -1
    ce-sphere --counts 5,5 | ce-sphere --counts 1x5 --lam 1 | ce-sphere --counts 1x5 --temperature 0
    ce-sphere --counts 1x5 --families 3 | ce-sphere --counts 1 | ce-sphere --counts 1x5 --dim 0
    mse --counts 5,5 | mse --counts 5,5 --lam 1 --class-weights 1,2 | mse --counts 5,5 --lam 1 --widths 3,3
    mse --counts 5,5 --lam 1 --depth 2 --widths 3 | mse --counts 5,5 --lam 1 --depth 2 --widths 3,0
    mse --counts 5,5 --lam 1 --widths 3 --dim 3 | mse --counts 5,5 --lambda-w 1,2 --lambda-h 1
    mse --counts 5,5 --lambda-w 1,2,3 --lambda-h 1 --depth 2 | mse --counts 5,5 --lam 1 --depth 1000000
    mse --counts 5,5 --lam 1 --bias 0 | mse --counts 5,5 --lam 1 --temperature 1
    ce-relu --counts 5,5 --lam 1 --depth 2 | ce --counts 5,5 --lam 1 --widths 3,3
    ce --counts 5,5 --lam 1 --families 1 | mse --counts 5x2000 --lam 1
    """.replace("\n", "|").split("|"),
)
def test_options_that_a_model_does_not_have_are_refused(call, line):
    if line.strip():
        assert refused(call("optimum", *line.split()))


def test_a_loss_weight_of_zero_is_the_infinite_ratio(call):
    code, out, _ = call("optimum", "layer-peeled", "--counts", "9x3,4x2", "--class-weights", "1x3,0x2", "--json")
    assert code == 0
    assert validated(out)["zero"] == [3, 4]
    assert refused(call("optimum", "layer-peeled", "--counts", "9,4", "--class-weights", "0,0"))
    assert refused(call("optimum", "ce", "--counts", "9,4", "--class-weights", "1,0", "--lam", "1"))
