"""Reports of a run: HTML pages, one for every paper, Markdown, and the result as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from theory.claim import Claim
from verify.report.experiments import experiments
from verify.report.figures import Plot
from verify.report.html import FOLDER, Context, file_name, render_index, render_markdown, render_paper
from verify.report.sweeps import claim_plots
from verify.report.views import claim_view, papers
from verify.schemas import ClaimResult, RunResult

__all__ = ["write"]


def write(result: RunResult, claims: Mapping[str, Claim], folder: Path) -> dict[str, Path]:
    """Write report.html, a page per paper, report.md and report.json; the figures are computed here.

    Parameters
    ----------
    result : what :func:`verify.engine.run` returned.
    claims : the claims by ID, at least those of the result.
    folder : created if missing; files of these names are replaced.

    Returns
    -------
    dict
        Paths by kind: ``html``, ``markdown``, ``json``.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    paths = {"html": folder / "report.html", "markdown": folder / "report.md", "json": folder / "report.json"}
    _replace(paths["json"], result.model_dump_json(indent=2) + "\n")
    views = [claim_view(claims[row.id], row) for row in result.claims]
    context = Context(result, views, claims, papers(result))
    shown = experiments([row.id for row in result.claims], result.seed)
    _replace(paths["markdown"], render_markdown(context, shown))
    for paper in context.papers:
        plots, undrawn = _plots([row for row in result.claims if row.paper == paper.key], claims, result.seed)
        settings = shown if paper.key == EXPERIMENTS else []
        page = render_paper(context, paper.key, plots, settings, undrawn)
        _replace(folder / FOLDER / file_name(paper.key), page)
    _replace(paths["html"], render_index(context))
    return paths


EXPERIMENTS = "hong_ling_2023"
"""The paper whose settings are recomputed."""


def _plots(
    rows: Sequence[ClaimResult], claims: Mapping[str, Claim], seed: int
) -> tuple[dict[str, list[Plot]], dict[str, str]]:
    """Figures by claim ID, and why a claim has none."""
    plots: dict[str, list[Plot]] = {}
    undrawn: dict[str, str] = {}
    for row in rows:
        try:
            plots[row.id] = claim_plots(claims[row.id], row, seed)
        except Exception as error:  # a reader written by a user may fail on a swept problem: the report says so
            undrawn[row.id] = f"{type(error).__name__}: {error}"
    return plots, undrawn


def _replace(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, never half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
