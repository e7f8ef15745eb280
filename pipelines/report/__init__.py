"""The final report: one self-contained HTML file."""

from pipelines.report.build import build_report, render
from pipelines.report.data import ReportData

__all__ = ["ReportData", "build_report", "render"]
