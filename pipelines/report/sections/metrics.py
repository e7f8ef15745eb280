"""How good it is, against what it has to beat."""

from __future__ import annotations

from components.evaluation.plots.metrics_table import metrics_table
from pipelines.report.data import ReportData
from pipelines.report.section import Section, absent


def metrics(data: ReportData) -> Section:
    """Every candidate and the blend against the baselines, with tests in words."""
    title = "How good it is, against what it has to beat"
    finding = (
        "A score alone says little: every row stands beside a random walk, and a test says whether the difference is "
        "more than luck."
    )
    if data.evaluation:
        return Section("metrics", "Metrics", title, finding, metrics_table(data.evaluation))
    body = absent(data, "metrics", "The run left no evaluation, so candidates cannot be compared.")
    return Section("metrics", "Metrics", title, "", body)
