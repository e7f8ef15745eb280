"""The final report: one self-contained HTML file."""

from pipelines.report.data import ReportData

__all__ = ["ReportData"]
