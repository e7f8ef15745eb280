"""Why the model said what it said."""

from __future__ import annotations

from collections.abc import Sequence

from components.evaluation.plots.attributions import attributions as draw
from pipelines.report.data import Record, ReportData
from pipelines.report.section import Section, absent


def attributions(data: ReportData) -> Section:
    """Every explanation that the explainer gave."""
    title = "Why this forecast"
    if not data.explanations:
        body = absent(data, "attributions", "The explainer was not asked in this run.")
        return Section("attributions", "Attributions", title, body=body)
    finding = "The explainer asks the serving model over the inference protocol; it sees what a client sees."
    return Section(
        "attributions", "Attributions", title, finding, "".join(draw(one) for one in flatten(data.explanations))
    )


def flatten(answers: Sequence[Record]) -> list[Record]:
    """Take whole answers of the explainer (``{"explanations": [...]}``) and single explanations alike."""
    return [one for answer in answers for one in answer.get("explanations", [answer])]
