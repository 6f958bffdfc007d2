"""Reports of a run: one HTML page, Markdown, and the result as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from theory.claim import Claim
from verify.report.experiments import experiments
from verify.report.figures import Plot
from verify.report.html import render_html, render_markdown
from verify.report.sweeps import claim_plots
from verify.report.views import claim_view
from verify.schemas import RunResult

__all__ = ["write"]


def write(result: RunResult, claims: Mapping[str, Claim], folder: Path) -> dict[str, Path]:
    """Write report.html, report.md and report.json; the figures are computed here.

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
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"html": folder / "report.html", "markdown": folder / "report.md", "json": folder / "report.json"}
    _replace(paths["json"], result.model_dump_json(indent=2) + "\n")
    views = [claim_view(claims[row.id], row) for row in result.claims]
    shown = experiments([row.id for row in result.claims], result.seed)
    _replace(paths["markdown"], render_markdown(result, views, shown))
    plots: dict[str, list[Plot]] = {}
    undrawn: dict[str, str] = {}
    for row in result.claims:
        try:
            plots[row.id] = claim_plots(claims[row.id], row, result.seed)
        except Exception as error:  # a reader written by a user may fail on a swept problem: the report says so
            undrawn[row.id] = f"{type(error).__name__}: {error}"
    _replace(paths["html"], render_html(result, views, plots, shown, undrawn))
    return paths


def _replace(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, never half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
