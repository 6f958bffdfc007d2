"""The page on cures: its numbers are those of the thresholds, its formulas give them, every row can be checked."""

import math
import re

import pytest
from test_report import outline, result_of, run_of

from verify.models.loss import thresholds as loss_thresholds
from verify.registry import load
from verify.report import write
from verify.report.cures import EXAMPLE, MAJORITY, MINORITY, cures, dots, rows, values
from verify.report.figures import draw_dots
from verify.thresholds import thresholds


@pytest.fixture(scope="module")
def table():
    return {row.cure.name: row for row in rows()}


@pytest.fixture(scope="module")
def claims():
    return load()


def named(table, start):
    (row,) = (row for name, row in table.items() if name.startswith(start))
    return row


def test_formulas_give_the_thresholds(table):
    checked = 0
    for row in table.values():
        for ends, cluster in ((row.minority, MINORITY), (row.majority, MAJORITY)):
            if row.cure.factor is None:
                continue
            factor = row.cure.factor.subs(values(row.cure.problem, cluster))
            assert not factor.free_symbols, row.cure.name
            unit = math.sqrt(cluster.size) / float(EXAMPLE.N) if row.relative else 1.0
            assert ends[0] == ends[1] == pytest.approx(float(factor) * unit, rel=1e-11), row.cure.name
            checked += 1
    assert checked >= 28


def test_numbers_are_those_of_the_thresholds(table):
    for row in table.values():
        problem = row.cure.problem
        found = (thresholds if row.relative else loss_thresholds)(problem, 20)
        known = [float(t.value.mid()) for t in found if t.value is not None]
        for ends in (row.minority, row.majority):
            if row.cure.factor is not None:
                assert any(value == pytest.approx(ends[0], rel=1e-9) for value in known)
        if row.collapse is not None:
            assert max(known) == pytest.approx(row.collapse, rel=1e-9)


def test_what_the_sentences_say(table):
    plain = table["no cure"]
    assert plain.minority[0] == pytest.approx(math.sqrt(20) / 2080)
    inverse, root = table["class weights 1/n"], table["class weights 1/√n"]
    assert inverse.majority[0] < plain.majority[0] < inverse.minority[0]
    assert root.majority[0] == pytest.approx(root.minority[0], rel=1e-12)
    first = {name: min(row.minority[0], row.majority[0]) for name, row in table.items() if "weights 1" in name}
    assert max(first, key=first.get) == "class weights 1/√n"
    for start, sign in (("label", -1), ("temp", -1), ("vector", -1), ("logit", 0), ("row", 1), ("feature", 1)):
        difference = named(table, start).minority[0] - plain.minority[0]
        assert (difference > 1e-9) - (difference < -1e-9) == sign
    assert named(table, "oversampling").majority[0] < plain.majority[0]
    assert named(table, "one-vs-rest").collapse > plain.collapse
    for row in table.values():
        if row.minority and row.minority[0] < row.minority[1]:
            assert row.minority[0] == pytest.approx(plain.minority[0])


def test_every_row_rests_on_registered_claims(claims):
    for row in rows():
        assert set(row.cure.claims) <= set(row.claims) <= set(claims)
        assert row.cure.meaning.endswith(".")


def test_every_row_has_a_formula_or_a_reason(table):
    for row in table.values():
        assert row.factor or row.reason
        assert all(row.cells)
        assert row.minority or "not known" in row.cells


def test_a_loss_of_the_own_probability_stays_without_a_number(table):
    assert named(table, "focal").cells[:2] == ("not known", "not known")
    assert named(table, "margin").minority[1] == pytest.approx(4 / 3 * math.sqrt(20) / 2080)


def test_figure_shows_what_is_comparable(table):
    shown = dots(list(table.values()))
    assert set(table) - set(shown.labels) == {"focal loss, γ = 2", "norm budget instead of weight decay"}
    assert all(interval.ends[0] == (1, 1) for interval in shown.intervals)
    assert draw_dots(shown, "k") == draw_dots(shown, "k")


def test_page_has_a_verdict_or_says_that_there_is_none(claims, tmp_path):
    run = run_of(result_of(claims["NR26-03"]), result_of(claims["HL23-04"]))
    write(run, claims, tmp_path)
    text = (tmp_path / "cures.html").read_text()
    assert not {"script", "link", "img"} & set(outline(text).tags)
    cells = re.findall(r'<td class="claims">(.*?)</td>', text, re.S)
    assert len(cells) == len(cures())
    for cell, shown in zip(cells, rows(), strict=True):
        for name in shown.claims:
            assert (f'#{name}">{name}</a> <span class="verdict' in cell) == (name in ("NR26-03", "HL23-04"))
        assert cell.count("not in this run") == len(set(shown.claims) - {"NR26-03", "HL23-04"})
    assert 'href="cures.html"' in (tmp_path / "report.html").read_text()


def test_no_page_without_the_claims_it_needs(claims, tmp_path):
    write(run_of(result_of(claims["HL23-04"])), claims, tmp_path)
    assert not (tmp_path / "cures.html").exists()
    assert "cures.html" not in (tmp_path / "report.html").read_text()
