"""Drift before and after a simulated regime change."""

from __future__ import annotations

from components.evaluation.plots.drift import drift as draw
from components.evaluation.plots.svg import esc
from pipelines.report.data import ReportData
from pipelines.report.section import Section, absent

EXPECTED = "A detector that works stays quiet before the change and speaks after it."


def drift(data: ReportData) -> Section:
    """Verdicts, statistics and distributions on both sides of the change."""
    title = "Would drift be noticed?"
    if data.drift_before is None and data.drift_after is None:
        return Section(
            "drift", "Drift", title, body=absent(data, "drift", "The drift detector was not asked in this run.")
        )
    how = data.drift_simulation or "How the change was made is not recorded."
    label = f'<p class="simulated"><strong>SIMULATED</strong> regime change. {esc(how)}</p>'
    return Section(
        "drift", "Drift", title, finding(data), label + draw(data.drift_before, data.drift_after, data.drift_samples)
    )


def finding(data: ReportData) -> str:
    """Say whether the detector behaved as it should."""
    before, after = ((answer or {}).get("outcome") for answer in (data.drift_before, data.drift_after))
    if before == "no_drift" and after == "drift":
        return "Yes: the detector was quiet on ordinary traffic and raised drift after the simulated change."
    if before == "drift":
        return "The detector already reports drift on the traffic before the simulated change; read its reason below."
    if after == "no_drift":
        return "No: the simulated change went unnoticed."
    if "insufficient" in (before, after):
        return "The detector refuses to judge one of the two windows, because it is too small for the wanted power."
    return EXPECTED
