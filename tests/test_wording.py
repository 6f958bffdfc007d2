"""What people read: numbers in their shortest exact form, rows in a fixed order, counts that agree with nouns."""

import io
from contextlib import redirect_stdout
from fractions import Fraction

import pytest

from verify import cli
from verify.wording import brief

TINY = ["ce", "--counts", "5x2,3", "--lam", "1e-300"]


def call(*arguments):
    out = io.StringIO()
    with redirect_stdout(out):
        assert cli.run(arguments) == 0
    return out.getvalue()


@pytest.mark.parametrize(
    "text", ["1/3", "0.5", "1/1000000000000000000007", "-0.00000000000000000001200", "1e-300", "7" * 40]
)
def test_a_brief_number_is_exact_and_never_longer(text):
    assert Fraction(brief(text)) == Fraction(text)
    assert len(brief(text)) <= len(text)


def test_tiny_numbers_are_not_printed_with_all_their_zeros(tmp_path):
    said = call("optimum", *TINY) + call("certify", *TINY, "-o", str(tmp_path / "c.json"))
    said += call("check", str(tmp_path / "c.json"))
    assert "00000000" not in said
    assert "lambda_w 1e-300" in said
    assert said.count("2.8684477936170417991830047990871140270") == 5  # the value, and both bounds twice


def test_bounds_that_share_no_digits_are_rounded_outward():
    said = call("optimum", "layer-peeled", "--counts", "5x2,3", "--loss", "hinge")
    assert "between -3." in said
    assert "e-13 and 0 " in said


def test_rows_of_equal_thresholds_come_by_size():
    said = call("thresholds", "ce", "--counts", "7x2,5x2,3x2,2x2,11x2", "--class-weights", "sqrt-inverse")
    rows = [line.split("│") for line in said.splitlines() if line.startswith("│")]
    assert [row[3].strip() for row in rows] == ["2", "3", "5", "7", "11", ""]


def test_budgets_are_printed_with_their_defaults():
    said = call("thresholds", "layer-peeled", "--counts", "5x2,3x2", "--eh", "2")
    assert "E_W 1 (--ew), E_H 2 (--eh)" in said


def test_one_thing_is_singular():
    assert "with 1 sample share" in call("thresholds", "ce", "--counts", "5x2,1x2")
