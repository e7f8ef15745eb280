"""Build the report: one HTML file that needs nothing else."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from components.errors import OutOfSpace
from components.evaluation.plots.markup import page
from components.evaluation.plots.svg import esc
from pipelines.report.data import ReportData
from pipelines.report.section import Section
from pipelines.report.sections.attributions import attributions
from pipelines.report.sections.drift import drift
from pipelines.report.sections.forecast import forecast
from pipelines.report.sections.headline import masthead, overview
from pipelines.report.sections.judgement import drawn, judgement
from pipelines.report.sections.lineage import lineage
from pipelines.report.sections.metrics import metrics
from pipelines.report.sections.quality import calibration, residuals
from pipelines.report.sections.rollout import rollout
from pipelines.report.sections.serving import serving
from pipelines.report.sections.shortfalls import shortfalls

SECTIONS: tuple[Callable[[ReportData], Section], ...] = (
    forecast,
    calibration,
    metrics,
    residuals,
    attributions,
    drift,
    rollout,
    lineage,
    serving,
    shortfalls,
)
"""Of a forecast."""

JUDGED: tuple[Callable[[ReportData], Section], ...] = (
    judgement,
    drawn,
    attributions,
    drift,
    rollout,
    lineage,
    serving,
    shortfalls,
)
"""Of a model that has a judge."""


def build_report(data: ReportData, out: Path) -> Path:
    """Write the report.

    Parameters
    ----------
    data : ReportData
        What the run left behind; a section without data says why it is absent.
    out : Path
        The HTML file, or an existing folder, which gets ``report.html``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutOfSpace
        If the disk is full; an earlier report stays as it was.
    """
    path = out / "report.html" if out.is_dir() else out
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, render(data))
    return path


def render(data: ReportData) -> str:
    """Return the report as HTML."""
    if not data.generated_at:
        data = replace(data, generated_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    sections = [section(data) for section in (JUDGED if data.judged else SECTIONS)]
    links = "".join(f'<li><a href="#{esc(s.key)}">{esc(s.short)}</a></li>' for s in sections)
    nav = f'<nav aria-label="Sections"><ul><li><a href="#overview">In short</a></li>{links}</ul></nav>'
    body = "".join(section.render() for section in sections)
    return page(
        f"{data.spec.title} · Arthaflow report",
        '<a class="skip" href="#overview">Skip to the '
        f"figures</a>{masthead(data)}{nav}<main>{overview(data)}{body}</main>{_footer(data)}",
    )


def _footer(data: ReportData) -> str:
    return (
        f"<footer>Made by Arthaflow on {esc(data.generated_at)}. Data: {esc(data.spec.data_licence)}. "
        f"{esc(' '.join(data.spec.disclaimers))}</footer>"
    )


def _write(path: Path, html: str) -> None:
    """Write beside the final place, then rename, so that a reader never sees half a report."""
    try:
        with NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=path.name, suffix=".part", delete=False
        ) as file:
            part = Path(file.name)
            file.write(html)
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        if "part" in locals():
            part.unlink(missing_ok=True)
        if error.errno == errno.ENOSPC:
            raise OutOfSpace(
                f"The disk filled up while writing {path}.", "Free some space and build the report again."
            ) from error
        raise
