"""The page on cures: its numbers are those of the thresholds, its formulas give them, every row can be checked."""

import math
import re

import numpy as np
import pytest
from test_report import outline, result_of, run_of

from theory.bridges.small_decay import fade
from theory.problem import Problem
from verify.models.loss import thresholds as loss_thresholds
from verify.registry import load
from verify.report import write
from verify.report.cure_limits import limit
from verify.report.cure_table import dots, rows, values
from verify.report.cures import EXAMPLE, MAJORITY, MINORITY
from verify.report.figures import draw_dots
from verify.routes import solve
from verify.thresholds import thresholds


@pytest.fixture(scope="module")
def table():
    return {row.cure.name: row for group in rows().values() for row in group}


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
        if row.collapse[1] is not None:
            assert max(known) == pytest.approx(row.collapse[1], rel=1e-9)


def test_what_the_sentences_say(table):
    plain = table["no cure"]
    assert plain.minority[0] == pytest.approx(math.sqrt(20) / 2080)
    inverse, root = table["class weights 1/n"], table["class weights 1/√n"]
    assert inverse.majority[0] < plain.majority[0] < inverse.minority[0]
    assert root.majority[0] == pytest.approx(root.minority[0], rel=1e-12)
    first = {name: min(row.minority[0], row.majority[0]) for name, row in table.items() if "weights 1" in name}
    assert max(first, key=first.get) == "class weights 1/√n"
    for start, sign in (("label", -1), ("temp", -1), ("CDT", -1), ("VS", -1), ("logit", 0), ("row", 1), ("feature", 1)):
        difference = named(table, start).minority[0] - plain.minority[0]
        assert (difference > 1e-9) - (difference < -1e-9) == sign
    assert named(table, "oversampling").majority[0] < plain.majority[0]
    signs = named(table, "one-vs-rest")
    assert signs.collapse > plain.collapse
    assert signs.limit.small < 90 < signs.limit.large
    assert "rows of the small classes make acute angles" in signs.cure.meaning
    assert root.minority[0] < named(table, "effective").minority[0] < inverse.minority[0]
    for row in table.values():
        if row.minority[0] != row.minority[1] and row.relative:
            assert row.minority[0] == pytest.approx(plain.minority[0])
    for start in ("class weights", "effective", "logit", "temp", "focal", "LDAM", "hinge", "sparse", "label"):
        alike = [row for name, row in table.items() if start in name]
        assert alike
        assert all(row.angles == plain.angles for row in alike)
    small = {start: named(table, start).limit.small for start in ("no cure", "CDT", "feature", "row")}
    assert sorted(small, key=small.get) == ["feature", "row", "no cure", "CDT"]


@pytest.mark.parametrize("name", ["no cure", "feature", "row", "LDAM", "one-vs-rest"])
def test_angles_against_a_small_weight_decay(table, name):
    """At L = log(1/x) = 6, 11, 16 an angle is a + c/(L + b) to higher order; three of them give a."""
    row, seen = named(table, name), []
    for level in (6, 11, 16):
        W = solve("nonconvex", fade(row.cure.problem, level)).point.W
        unit = W / np.linalg.norm(W, axis=1, keepdims=True)
        seen.append(np.degrees(np.arccos([unit[4] @ unit[5], unit[0] @ unit[1]])))
    first, middle, last = seen
    found = (2 * first * last - middle * (first + last)) / (first + last - 2 * middle)
    wanted = np.array([row.limit.small, row.limit.large])
    np.testing.assert_allclose(found, wanted, atol=0.3)


def test_last_weight_decay_of_hinge_and_sparsemax():
    problem = Problem.ce([(9, 2), (4, 2)], 1)
    clusters = problem.clusters
    centring = np.eye(4) - 0.25
    values, vectors = np.linalg.eigh(centring @ np.diag([9.0, 9, 4, 4]) @ centring)
    root = (vectors[:, 1:] / np.sqrt(values[1:])) @ vectors[:, 1:].T
    last = {"hinge": 1 / root.diagonal().max() / 26, "sparsemax": np.sqrt(values[1]) / 26}
    for kind, value in last.items():
        found = limit(kind, problem.with_loss(kind), clusters[1], clusters[0])
        assert found.words.endswith(f"{value:.3g}")


def test_every_row_rests_on_registered_claims(table, claims):
    for row in table.values():
        assert set(row.cure.claims) <= set(row.claims) <= set(claims)
        assert row.cure.meaning.endswith(".")


def test_every_row_has_a_formula_and_a_limit(table):
    for row in table.values():
        assert row.factor
        assert row.limit.words
        assert all(row.cells)
        assert "not known" not in row.cells


def test_a_loss_of_the_own_probability_stays_without_a_number(table):
    assert named(table, "focal").cells == ("≥\u00a00.00215", "≥\u00a00.0108", "≥\u00a00.0131")
    assert named(table, "margin").minority[1] == pytest.approx(4 / 3 * math.sqrt(20) / 2080)


def test_figure_shows_every_row(table):
    shown = dots(rows())
    assert list(shown.labels) == list(table)
    merging, angles = (panel.intervals for panel in shown.panels)
    assert all(interval.ends[0] == (1, 1) for interval in merging)
    assert [shown.labels[i] for i, ends in enumerate(merging[0].ends) if ends == (None, None)] == [
        "norm budget, no weight decay"
    ]
    assert all(20 < low == high < 120 for interval in angles for low, high in interval.ends)
    assert draw_dots(shown, "k") == draw_dots(shown, "k")


def test_page_has_a_verdict_or_says_that_there_is_none(table, claims, tmp_path):
    run = run_of(result_of(claims["NR26-03"]), result_of(claims["HL23-04"]))
    write(run, claims, tmp_path)
    text = (tmp_path / "cures.html").read_text()
    assert not {"script", "link", "img"} & set(outline(text).tags)
    cells = re.findall(r'<td class="claims">(.*?)</td>', text, re.S)
    for cell, shown in zip(cells, table.values(), strict=True):
        for name in shown.claims:
            assert (f'#{name}">{name}</a> <span class="verdict' in cell) == (name in ("NR26-03", "HL23-04"))
        assert cell.count("not run") == len(set(shown.claims) - {"NR26-03", "HL23-04"})
    assert 'href="cures.html"' in (tmp_path / "report.html").read_text()


def test_no_page_without_the_claims_it_needs(claims, tmp_path):
    write(run_of(result_of(claims["HL23-04"])), claims, tmp_path)
    assert not (tmp_path / "cures.html").exists()
    assert "cures.html" not in (tmp_path / "report.html").read_text()
