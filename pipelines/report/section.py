"""A section of the report: its place in the navigation, its heading and its body."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation.plots.markup import inline, missing
from components.evaluation.plots.svg import esc
from pipelines.report.data import ReportData


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes
    ----------
    key : str
        Anchor, and key of :attr:`ReportData.absent`.
    short, title : str
        Words in the navigation and in the heading.
    finding : str
        What the section shows, in one or two sentences.
    body : str
        HTML.
    """

    key: str
    short: str
    title: str
    finding: str = ""
    body: str = ""

    def render(self) -> str:
        """Return the HTML."""
        lead = f'<p class="finding">{inline(self.finding)}</p>' if self.finding else ""
        return (
            f'<section id="{esc(self.key)}" aria-labelledby="{esc(self.key)}-title"><h2 id="{esc(self.key)}-title">'
            f"{esc(self.title)}</h2>{lead}{self.body}</section>"
        )


def absent(data: ReportData, key: str, default: str) -> str:
    """Say why a section has no data: the run's own reason, or ``default``."""
    return missing(data.absent.get(key) or default)
