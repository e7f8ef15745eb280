"""How it was served, and how long each part of the run took."""

from __future__ import annotations

from collections.abc import Mapping

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import facts, figure
from components.evaluation.plots.svg import Canvas, Panel, rect, text
from pipelines.report.data import ReportData
from pipelines.report.section import Section, absent
from pipelines.report.sections.rollout import is_plain, value_words


def serving(data: ReportData) -> Section:
    """Facts measured while serving, and the timings."""
    measured = [(f.label(k), value_words(k, v)) for k, v in (data.serving or {}).items() if is_plain(v)]
    body = facts(measured) if measured else absent(data, "serving", "No server was started in this run.")
    body += "<h3>Time the run took</h3>" + (
        timings(data.timings) if data.timings else absent(data, "timings", "No timings were recorded.")
    )
    finding = "Measured in this run, on the machine that made this report; not a benchmark." if measured else ""
    return Section("serving", "Serving", "Serving", finding, body)


def timings(parts: Mapping[str, float]) -> str:
    """Horizontal bars in the order of the run."""
    longest = max([0.001, *parts.values()])
    chart = Canvas(20 + 28 * len(parts), "Seconds that each part of the run took")
    panel = Panel.at(260, 0, 560, 1, (0, longest), (0, 1))
    for index, (name, value) in enumerate(parts.items()):
        y = 10 + 28 * index
        chart.add(
            text(248, y + 15, f.label(name), "", "end"),
            rect(260, y + 2, max(1.5, panel.x.one(value) - 260), 17, "c-model faded", 2),
        )
        chart.add(text(panel.x.one(value) + 8, y + 15, f.seconds(value), "value"))
    return figure(chart.render(), f"Together {f.seconds(sum(parts.values()))}, on the machine that made this report.")
