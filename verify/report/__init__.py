"""Reports of a run: HTML pages, one for every paper, Markdown, and the result as JSON."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path

from threadpoolctl import threadpool_limits

from theory.claim import Claim
from verify import registry
from verify.report.experiments import Experiment, experiments
from verify.report.figures import Plot
from verify.report.html import (
    CURES,
    FOLDER,
    Context,
    file_name,
    render_cures,
    render_index,
    render_markdown,
    render_paper,
)
from verify.report.sweeps import claim_plots
from verify.report.views import claim_view, papers
from verify.schemas import ClaimResult, RunResult

__all__ = ["write"]


def write(
    result: RunResult, claims: Mapping[str, Claim], folder: Path, *, jobs: int = 1, paths: Sequence[Path] = ()
) -> dict[str, Path]:
    """Write report.html, a page per paper, report.md and report.json; the figures are computed here.

    Beside them cures.html, if the run has the claims it is made of.

    Parameters
    ----------
    result : what :func:`verify.engine.run` returned.
    claims : the claims by ID, at least those of the result.
    folder : created if missing; files of these names are replaced.
    jobs : processes that draw pages; more than one needs claims that :func:`verify.registry.load` finds again.
    paths : folders with claim files, for those processes.

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
    files = {"html": folder / "report.html", "markdown": folder / "report.md", "json": folder / "report.json"}
    _replace(files["json"], result.model_dump_json(indent=2) + "\n")
    context = _context(result, claims)
    apart = [paper.key for paper in context.papers if paper.key != EXPERIMENTS] if jobs > 1 else []
    apart.sort(key=lambda key: -sum(row.seconds for row in result.claims if row.paper == key))  # long ones first
    pool = ProcessPoolExecutor(jobs, initializer=_prepare, initargs=(result, tuple(paths)))
    with pool if apart else nullcontext():
        pending = [pool.submit(_page_apart, key, folder) for key in apart]
        shown = experiments([row.id for row in result.claims], result.seed)
        _replace(files["markdown"], render_markdown(context, shown))
        for paper in context.papers:
            if paper.key not in apart:
                _page(context, paper.key, shown if paper.key == EXPERIMENTS else [], folder)
        for page in pending:
            page.result()
    if context.has_cures:
        _replace(folder / CURES, render_cures(context))
    _replace(files["html"], render_index(context))
    return files


def _context(result: RunResult, claims: Mapping[str, Claim]) -> Context:
    return Context(result, [claim_view(claims[row.id], row) for row in result.claims], claims, papers(result))


_prepared: list[Context] = []
"""In a process that draws pages: the claims and their derivations, found once for all its pages."""


def _prepare(result: RunResult, paths: tuple[Path, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    known = registry.load(paths, [row.id for row in result.claims])
    _prepared.append(_context(result, {row.id: known[row.id] for row in result.claims}))


def _page_apart(key: str, folder: Path) -> None:
    """The page of a paper, drawn in a process of its own."""
    with threadpool_limits(1):
        _page(_prepared[0], key, [], folder)


def _page(context: Context, key: str, shown: Sequence[Experiment], folder: Path) -> None:
    result = context.result
    plots, undrawn = _plots([row for row in result.claims if row.paper == key], context.claims, result.seed)
    _replace(folder / FOLDER / file_name(key), render_paper(context, key, plots, shown, undrawn))


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
