"""Render a run as one self-contained HTML page and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from verify.report.experiments import Experiment
from verify.report.figures import Plot, draw
from verify.report.mathml import mathml
from verify.report.views import ROUTES, ClaimView, attention, tiles
from verify.report.words import MEANING
from verify.schemas import RunResult

__all__ = ["render_html", "render_markdown"]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    loader = PackageLoader("verify.report")
    environment = Environment(
        loader=loader,
        autoescape=lambda name: bool(name and name.startswith("report.html")),
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


def render_html(
    result: RunResult,
    views: Sequence[ClaimView],
    plots: Mapping[str, Sequence[Plot]],
    experiments: Sequence[Experiment],
    undrawn: Mapping[str, str] | None = None,
) -> str:
    """One page with inlined style and figures, no script and no network.

    Parameters
    ----------
    result, views : what was found, and each claim with its part of it.
    plots : figures per claim ID.
    experiments : settings to show after the claims.
    undrawn : why a claim has no figure, per claim ID.
    """
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            result=result,
            views=views,
            tiles=tiles(result),
            attention=attention(result),
            meaning=MEANING,
            routes=ROUTES,
            figures={key: _figures(found, key) for key, found in plots.items()},
            undrawn=undrawn or {},
            experiments=[(one, _figures(one.plots, one.key)) for one in experiments],
            style=Markup(_environment().get_template("style.css").render()),
        )
    )


def render_markdown(result: RunResult, views: Sequence[ClaimView], experiments: Sequence[Experiment]) -> str:
    """The same report without figures, for terminals and code hosts."""
    return (
        _environment()
        .get_template("report.md.j2")
        .render(
            result=result,
            views=views,
            tiles=tiles(result),
            attention=attention(result),
            routes=ROUTES,
            experiments=experiments,
        )
    )
