"""Render a run as self-contained HTML pages, one for every paper, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from theory.claim import Claim
from verify.report.cure_table import dots, example_in_words, rows
from verify.report.cures import NEEDS
from verify.report.experiments import Experiment
from verify.report.figures import Plot, draw, draw_dots
from verify.report.graph import Node
from verify.report.graph import draw as draw_graph
from verify.report.mathml import mathml
from verify.report.views import ROUTES, ClaimView, Paper, attention, tiles
from verify.report.words import MEANING
from verify.schemas import RunResult

__all__ = ["CURES", "FOLDER", "Context", "file_name", "render_cures", "render_index", "render_markdown", "render_paper"]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = PackageLoader("verify.report")
    environment = Environment(
        loader=loader,
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"mathml": _formula, "md": _markdown, "tex": _tex, "slug": _slug, "pretty": _pretty}
    return environment


def _formula(latex: str, block: bool = True) -> Markup:
    return Markup(mathml(latex, block))


def _markdown(text: object) -> str:
    """Plain text inside a Markdown table cell or paragraph."""
    return escape(str(text), quote=False).replace("|", "\\|").replace("`", "'").replace("\n", " ")


def _tex(latex: str) -> str:
    """A formula between dollar signs in Markdown."""
    return latex.replace("<", r"\lt ").replace(">", r"\gt ").replace("$", "").replace("\n", " ")


def _pretty(text: str) -> str:
    """Signs instead of their ASCII spellings."""
    return text.replace(">=", "≥").replace("<=", "≤")


def _slug(text: str) -> str:
    """Text that is safe as an anchor."""
    return "".join(c if c.isalnum() else "-" for c in text)


def _figures(plots: Sequence[Plot], key: str) -> list[tuple[Plot, Markup]]:
    return [(plot, Markup(draw(plot, f"{_slug(key)}-{i}"))) for i, plot in enumerate(plots)]


@dataclass(frozen=True)
class Context:
    """What every page of one report shares."""

    result: RunResult
    views: Sequence[ClaimView]
    claims: Mapping[str, Claim]
    papers: Sequence[Paper]

    def link(self, identifier: str, page: str) -> str:
        """Address of a claim as seen from a page (``INDEX`` or the key of a paper)."""
        anchor = f"#{_slug(identifier)}"
        row = next((view.result for view in self.views if view.claim.id == identifier), None)
        if row is None:
            return "#summary"
        if page == row.paper:
            return anchor
        return (f"{FOLDER}/" if page == INDEX else "") + file_name(row.paper) + anchor

    @property
    def has_cures(self) -> bool:
        """Whether the page on cures belongs to the report."""
        return any(view.claim.id.startswith(NEEDS) for view in self.views)

    def verdict(self, identifier: str) -> str:
        """Verdict of a claim in this run; empty when it is not part of it."""
        return next((view.verdict for view in self.views if view.claim.id == identifier), "")

    def graph(self, paper: Paper, page: str) -> Markup:
        """The picture of what rests on what in a paper, with links for a page."""
        by_id = {view.claim.id: view for view in self.views}

        def node(identifier: str) -> Node:
            view = by_id.get(identifier)
            title = view.claim.title if view else self.claims[identifier].title
            foreign = view is None or view.claim.paper != paper.key
            return Node(identifier, self.link(identifier, page), view.verdict if view else "", title, foreign)

        own = [view.claim.id for view in self.views if view.claim.paper == paper.key]
        return Markup(draw_graph(self.claims, own, node))

    def listed(self, page: str) -> list[Paper]:
        """The papers with their files and pictures as seen from a page."""
        prefix = f"{FOLDER}/" if page == INDEX else ""
        return [replace(p, file=prefix + file_name(p.key), graph=self.graph(p, page)) for p in self.papers]


INDEX = ""
FOLDER = "papers"
CURES = "cures.html"


def file_name(key: str) -> str:
    """File of a paper's page in the folder ``FOLDER``."""
    return f"{_slug(key)[:80]}.html"


def render_index(context: Context) -> str:
    """The first page: verdicts, papers, what rests on what, claims against routes. No script and no network."""
    result, views = context.result, context.views
    return _render(
        "report.html.j2",
        context,
        INDEX,
        views=views,
        tiles=tiles(result.summary),
        attention=attention(result),
        papers=context.listed(INDEX),
        cures=CURES if context.has_cures else "",
        kinds=[tile.verdict for tile in tiles(result.summary)],
    )


def render_cures(context: Context) -> str:
    """What each cure does, on one example; beside the first page."""
    found = rows()
    return _render(
        "cures.html.j2",
        context,
        INDEX,
        groups=found,
        example=example_in_words(),
        verdict=context.verdict,
        figure=Markup(draw_dots(dots(found), "cures")),
    )


def render_paper(
    context: Context,
    key: str,
    plots: Mapping[str, Sequence[Plot]],
    experiments: Sequence[Experiment],
    undrawn: Mapping[str, str],
) -> str:
    """One page for the claims of a paper, with inlined style and figures.

    Parameters
    ----------
    context, key : the report and the paper.
    plots : figures per claim ID.
    experiments : settings to show after the claims.
    undrawn : why a claim has no figure, per claim ID.
    """
    (paper,) = (one for one in context.listed(key) if one.key == key)
    return _render(
        "paper.html.j2",
        context,
        key,
        paper=paper,
        views=[view for view in context.views if view.claim.paper == key],
        tiles=tiles(paper.counts),
        figures={name: _figures(found, name) for name, found in plots.items()},
        undrawn=undrawn,
        experiments=[(one, _figures(one.plots, one.key)) for one in experiments],
    )


def _render(template: str, context: Context, page: str, **values: Any) -> str:
    environment = _environment()
    return environment.get_template(template).render(
        result=context.result,
        meaning=MEANING,
        routes=ROUTES,
        link=lambda identifier: context.link(identifier, page),
        style=Markup(environment.get_template("style.css").render()),
        **values,
    )


def render_markdown(context: Context, experiments: Sequence[Experiment]) -> str:
    """The same report without figures, for terminals and code hosts."""
    return (
        _environment()
        .get_template("report.md.j2")
        .render(
            result=context.result,
            views=context.views,
            tiles=tiles(context.result.summary),
            papers=context.papers,
            attention=attention(context.result),
            routes=ROUTES,
            experiments=experiments,
        )
    )
