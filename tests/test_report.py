"""The report: complete, self-contained, deterministic, and deaf to what hostile claims and files say."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from theory.claim import Hypothesis
from theory.problem import Problem
from verify.registry import load
from verify.report import write
from verify.report.axes import threshold_markers
from verify.report.experiments import growing_data, lambda_sweep, oversampling, three_clusters
from verify.report.figures import Marker, Plot, Series, draw
from verify.report.graph import layers
from verify.report.mathml import mathml
from verify.report.sweeps import claim_plots
from verify.schemas import Case, ClaimResult, MutantSummary, RouteResult, RunResult

HOSTILE = '<script>alert(1)</script> | `x` "><img src=x onerror=alert(1)>'


def row(verdict, **more):
    worst = Problem.ce([(120, 4), (25, 3)], "1/111").canonical()
    values = {
        "configurations": 3,
        "decided": 3,
        "max_error": 1.2e-9,
        "radius": 3e-12,
        "worst": worst,
        "uses": ["HL23-07"],
    }
    return RouteResult(verdict=verdict, seconds=0.1, **({"reason": ""} | values | more))


def result_of(claim, **more):
    values = {
        "verdict": "proved",
        "required": "proved",
        "routes": {"symbolic": row("proved", configurations=0, worst=None), "exact": row("certified")},
        "agreement": {"exact~convex": 4e-8},
        "at_equality": "2 configurations exactly at the threshold",
        "mutants": MutantSummary(
            total=2, killed=2, survivors=[], details=[{"mutant": "a", "outcome": "killed", "route": "exact"}]
        ),
        "counterexample": None,
        "reason": "",
    }
    fixed = {"id": claim.id, "title": claim.title, "kind": claim.kind, "paper": claim.paper, "status": claim.status}
    return ClaimResult(**fixed, assumes=["Jensen"], configurations=3, resolution=1e-6, seconds=1.0, **(values | more))


def run_of(*rows):
    summary = {}
    for one in rows:
        summary[one.verdict or "note"] = summary.get(one.verdict or "note", 0) + 1
    return RunResult(seed=0, examples=2, environment={"python": "3"}, claims=list(rows), summary=summary)


@pytest.fixture(scope="module")
def claims():
    return load()


@pytest.fixture(scope="module")
def page(claims, tmp_path_factory):
    chosen = [claims["HL23-04"], claims["HL23-15"], claims["HL23-R5"]]
    rows = [
        result_of(chosen[0]),
        result_of(chosen[1], required="agrees"),
        result_of(chosen[2], verdict=None, required=None),
    ]
    return write(run_of(*rows), claims, tmp_path_factory.mktemp("report"))


class Outline(HTMLParser):
    """Tags, attributes and open elements of a page."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.ids, self.open = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(text):
    parser = Outline()
    parser.feed(text)
    assert not parser.open
    return parser


def pages_of(folder):
    beside = [path for path in [folder / "cures.html"] if path.exists()]
    return [folder / "report.html", *sorted((folder / "papers").glob("*.html")), *beside]


def test_pages_are_well_formed_and_self_contained(page):
    check_pages(page["html"].parent, 2)


def test_pages_with_cures_are_well_formed_and_self_contained(claims, tmp_path):
    write(run_of(result_of(claims["NR26-02"]), result_of(claims["HL23-04"])), claims, tmp_path)
    check_pages(tmp_path, 4)


def check_pages(folder, number):
    pages = {path: outline(path.read_text()) for path in pages_of(folder)}
    assert len(pages) == number
    for path, found in pages.items():
        text = path.read_text()
        assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
        assert len(found.ids) == len(set(found.ids))
        for reference in [value for name, value in found.attributes if name in ("src", "href", "xlink:href")]:
            file, _, anchor = reference.partition("#")
            target = pages[(path.parent / file).resolve() if file else path]
            assert not anchor or anchor in target.ids
        assert "@import" not in text
        assert not re.search(r"url\((?!#)", text)


def test_pages_show_what_they_must(page):
    text = "".join(path.read_text() for path in pages_of(page["html"].parent))
    for part in (
        "<msqrt>",
        "✓ verified",
        "1.2 × 10⁻⁹",
        "4 classes of 120, 3 classes of 25",
        "n = 25 merges",
        "Jensen",
        "2 of 2",
        "exactly at the threshold",
        "Hong",
        "predicted dead",
        "nothing to compute",
        "sizes beyond",
    ):
        assert part in text, part


def test_json_is_the_result_and_markdown_names_every_claim(page):
    assert json.loads(page["json"].read_text())["schema"] == "verify.run/1"
    assert all(name in page["markdown"].read_text() for name in ("HL23-04", "HL23-15", "HL23-R5"))


def test_same_result_gives_the_same_page(claims, tmp_path):
    run = run_of(result_of(claims["HL23-04"]))
    first, second = (write(run, claims, tmp_path / name) for name in "ab")
    assert all(first[kind].read_bytes() == second[kind].read_bytes() for kind in first)
    pairs = zip(pages_of(tmp_path / "a"), pages_of(tmp_path / "b"), strict=True)
    assert all(one.read_bytes() == two.read_bytes() for one, two in pairs)


def test_hostile_text_is_shown_not_run(claims, tmp_path):
    claim = replace(
        claims["HL23-04"],
        id='X-1"><script>alert(2)</script>',
        title=HOSTILE,
        statement=(rf"\text{{{HOSTILE}}}", r"a < b", r"\href{javascript:alert(1)}{x}"),
        hypotheses=(Hypothesis(HOSTILE, lambda problem: True, HOSTILE),),
        source=HOSTILE,
        note=HOSTILE,
        paper=HOSTILE,
    )
    case = Case(
        claim=claim.id,
        configuration=claim.witness.canonical(),
        observed={"value": HOSTILE},
        predicted={HOSTILE: HOSTILE},
        relation=HOSTILE,
        route=HOSTILE,
        versions={},
    )
    mutants = MutantSummary(
        total=1, killed=0, survivors=[HOSTILE], details=[{"mutant": HOSTILE, "outcome": "survived", "reason": HOSTILE}]
    )
    routes = {"exact": row("error", reason=HOSTILE, uses=[HOSTILE])}
    result = result_of(
        claim,
        verdict="refuted",
        mutants=mutants,
        counterexample=case,
        routes=routes,
        reason=HOSTILE,
        at_equality=HOSTILE,
    )
    run = run_of(result).model_copy(update={"environment": {HOSTILE: {HOSTILE: HOSTILE}}})
    paths = write(run, {claim.id: claim}, tmp_path)
    pages = [path.read_text() for path in pages_of(tmp_path)]
    for found in map(outline, pages):
        assert not {"script", "img"} & set(found.tags)
        assert not [name for name, value in found.attributes if name.startswith("on") or "javascript:" in (value or "")]
    assert "<script" not in paths["markdown"].read_text()
    assert "<img" not in paths["markdown"].read_text()
    assert "Surviving mutant" in pages[1]
    assert "fall short" in pages[0]


def test_every_cell_of_the_matrix_has_a_verdict_or_a_reason(page):
    for path in pages_of(page["html"].parent):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", path.read_text().split('id="matrix"')[1].split("</table>")[0], re.S)
        assert cells
        assert all(re.sub(r"<[^>]*>", "", cell).strip() for cell in cells)


def test_what_a_claim_rests_on_is_drawn_to_its_left(claims, page):
    columns = layers({name: sorted(claims[name].rests_on) for name in claims if name.startswith("HL23")})
    place = {name: c for c, column in enumerate(columns) for name in column}
    pairs = [(name, other) for name in place for other in claims[name].rests_on]
    assert pairs
    assert all(place[other] < place[name] for name, other in pairs)
    svg = ElementTree.fromstring(re.search(r"<svg class=.graph.*?</svg>", page["html"].read_text(), re.S)[0])
    texts = {element.text for element in svg.iter() if element.tag.endswith("text")}
    assert {"HL23-04", "HL23-03"} <= texts


@pytest.mark.parametrize(
    "text", [r"\text{<b>}", r"\frac{1}", "{", r"\unknown{x}", "a & b", r"\style{color:red}{x}", ""]
)
def test_any_formula_gives_markup_that_parses(text):
    assert ElementTree.fromstring(mathml(text)).tag.endswith(("math", "code"))


def test_figures_mark_thresholds_and_do_not_depend_on_time(claims):
    plots = claim_plots(claims["HL23-04"], result_of(claims["HL23-04"]), 0)
    assert len(plots) == 2
    assert [round(marker.x, 3) for marker in plots[0].markers] == [5, 6.788, 10.954]
    merged = plots[1]
    (start, end), _ = merged.shaded[0], ElementTree.fromstring(draw(merged, "k"))
    assert (start, round(end / start, 2)) == (5.0, 2.8)
    assert draw(merged, "k") == draw(merged, "k")
    curve = merged.series[0]
    assert all((y < 1e-6) == (x >= 5) for x, y in zip(curve.x, curve.y, strict=True))


def test_labels_of_figures_are_escaped():
    svg = draw(Plot("x", "<script>", (Series([0, 1], [1, 2], "<b>&"),), (Marker(0.5, "</svg>"),), text='"><a>'), "k")
    assert {element.tag.split("}")[-1] for element in ElementTree.fromstring(svg).iter()} <= {
        "svg", "defs", "g", "path", "rect", "text", "tspan", "use", "clipPath"
    }  # fmt: skip


def test_a_figure_follows_its_claim(claims):
    (plot, *_) = claim_plots(claims["HL23-03"], result_of(claims["HL23-03"]), 0)
    predicted = dict(zip(plot.series[0].x, plot.series[0].y, strict=True))
    observed = next(s for s in plot.series if s.kind == "rings")
    pairs = [(predicted[x], y) for x, y in zip(observed.x, observed.y, strict=True) if y == y]
    assert len(pairs) >= 4
    assert all(abs(curve - point) < 1e-6 for curve, point in pairs)


def test_published_regularisation_grid_brackets_the_thresholds():
    for classes, least, most in ((5, 0.0027, 0.0075), (3, 0.0037, 0.0102)):
        experiment = lambda_sweep(classes, 0)
        first, second, third = (marker.x for marker in experiment.plots[0].markers)
        assert least < first < second < third < most


def test_growing_data_agrees_with_the_catalogue():
    rows = {entry[0]: entry for entry in growing_data(0).rows}
    for size in ("2500", "5500"):
        assert " / ".join(rows[size][1:4]) == rows[size][4]
    assert (rows["500"][5], rows["5500"][5]) == ("0.1696", "0.4650")
    assert (rows["500"][6], rows["5500"][6]) == ("-0.13982", "-0.13917")


def test_oversampling_has_a_window_and_weights_have_none():
    plot = oversampling(0).plots[0]
    lower, upper = (marker.x for marker in plot.markers)
    copies, weights = (s for s in plot.series if s.kind == "rings")
    assert all((y > 1e-6) == (lower < x < upper) for x, y in zip(copies.x, copies.y, strict=True))
    assert all((y > 1e-6) == (x > 1.2) for x, y in zip(weights.x, weights.y, strict=True))


def test_three_cluster_settings_are_far_from_collapse():
    assert all(float(entry[3]) < 0.1 and entry[4] == entry[5] for entry in three_clusters(0).rows)


def test_coinciding_thresholds_share_a_line():
    assert [marker.label for marker in threshold_markers(Problem.ce([9, 9, 9], 1))] == ["n = 9 merges, all 0"]


def test_a_claim_that_cannot_be_drawn_does_not_cost_the_report(claims, tmp_path):
    def crash(optimum):
        raise KeyError("no such class")

    claim = replace(claims["HL23-04"], read=crash)
    write(run_of(result_of(claim)), {claim.id: claim}, tmp_path)
    assert "The figure could not be drawn (KeyError" in pages_of(tmp_path)[1].read_text()


def test_labels_of_many_lines_do_not_touch_and_those_that_do_not_fit_are_left_out():
    many = tuple(Marker(1 + i / 4, f"n = {i} merges") for i in range(20))
    plot = Plot("x", "y", (Series([0, 7], [0, 1], "line"),), many, shaded=((many[11].x, 7.0),))
    svg = draw(plot, "k")
    shown = [marker.label for marker in many if f">{marker.label}<" in svg]
    assert 3 <= len(shown) < 12
    assert {many[0].label, many[11].label, many[-1].label} <= set(shown)


def test_a_long_logarithmic_axis_has_few_ticks():
    for end, most in ((50, 8), (3e4, 6)):
        svg = draw(Plot("ratio", "y", (Series([1, end], [0, 1], "line"),), log_x=True), "k")
        ticks = re.findall(r">(10*|20*|50*)</text>", svg)
        assert 2 < len(ticks) <= most


def test_a_shaded_range_begins_on_the_line_of_its_threshold():
    claim = load(only=["HL23-06"])["HL23-06"]
    found = [plot for plot in claim_plots(claim, SimpleNamespace(counterexample=None), 0) if plot.shaded]
    assert found
    assert all(plot.shaded[0][0] in [marker.x for marker in plot.markers] for plot in found)
