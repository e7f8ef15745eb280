"""What the quality checks found, for people and for the graph's Markdown and HTML artifacts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Literal

import pandas as pd

from components.errors import DataRejected

Status = Literal["passed", "warning", "failed"]
SHOWN = 20
MARKS: dict[Status, str] = {"passed": "✓", "warning": "⚠", "failed": "✗"}


@dataclass(frozen=True)
class QualityCheck:
    """One check: its rule in words, its verdict, and how many rows it concerns."""

    name: str
    rule: str
    status: Status
    detail: str
    rows: int = 0


@dataclass
class QualityReport:
    """The outcome of checking bars.

    Attributes
    ----------
    accepted : DataFrame
        Complete, unique, ordered bars; forward-filled bars are in it and in ``flagged``.
    rejected : DataFrame
        Rows that were taken out, with ``row`` (position in the checked frame) and ``reason``.
    flagged : DataFrame
        Rows that were kept but deserve a look: ``entity``, ``timestamp``, ``flag``, ``detail``.
    checks : list of QualityCheck
        In the order they were made.
    """

    accepted: pd.DataFrame
    rejected: pd.DataFrame
    flagged: pd.DataFrame
    checks: list[QualityCheck] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(c.status != "failed" for c in self.checks)

    @property
    def summary(self) -> str:
        """One sentence."""
        verdict = "accepted" if self.passed else "REJECTED"
        return (
            f"Data {verdict}: {len(self.accepted):,} bars good, {len(self.rejected):,} taken out, "
            f"{len(self.flagged):,} flagged and kept."
        )

    def to_markdown(self) -> str:
        """Return the report as GitHub-flavoured Markdown."""
        lines = ["# Data quality", "", f"**{self.summary}**", "", *self._coverage_lines()]
        lines += ["", "| | check | rule | found |", "|---|---|---|---|"]
        lines += [f"| {MARKS[c.status]} | {c.name} | {_cell(c.rule)} | {_cell(c.detail)} |" for c in self.checks]
        for title, frame in self._details():
            lines += ["", f"## {title}", "", *_markdown_table(frame)]
        return "\n".join(lines) + "\n"

    def to_html(self) -> str:
        """Return the report as one self-contained page."""
        checks = "".join(
            f'<tr class="{c.status}"><td>{MARKS[c.status]}</td><td><b>{escape(c.name)}</b></td>'
            f"<td>{escape(c.rule)}</td><td>{escape(c.detail)}</td></tr>"
            for c in self.checks
        )
        details = "".join(f"<h2>{escape(title)}</h2>{_html_table(frame)}" for title, frame in self._details())
        coverage = _html_table(_coverage(self.accepted)) if len(self.accepted) else ""
        verdict = "passed" if self.passed else "failed"
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data quality</title>'
            f'<style>{_STYLE}</style></head><body><h1>Data quality</h1><p class="verdict {verdict}">'
            f"{escape(self.summary)}</p>{coverage}<h2>Checks</h2><table><tr><th></th><th>check</th><th>rule</th>"
            f"<th>found</th></tr>{checks}</table>{details}</body></html>"
        )

    def _coverage_lines(self) -> list[str]:
        return _markdown_table(_coverage(self.accepted)) if len(self.accepted) else []

    def _details(self) -> list[tuple[str, pd.DataFrame]]:
        parts = [("Taken out", self.rejected), ("Flagged and kept", self.flagged)]
        return [
            (f"{title} (first {SHOWN} of {len(frame):,})" if len(frame) > SHOWN else title, frame.head(SHOWN))
            for title, frame in parts
            if len(frame)
        ]


class BarsRejected(DataRejected):
    """Bars failed a check; ``report`` holds everything that was found."""

    def __init__(self, problem: str, remedy: str, report: QualityReport) -> None:
        super().__init__(problem, remedy)
        self.report = report


def _coverage(bars: pd.DataFrame) -> pd.DataFrame:
    grouped = bars.groupby("entity")
    return pd.DataFrame(
        {
            "security": list(grouped.groups),
            "bars": [f"{n:,}" for n in grouped.size()],
            "first": list(grouped["timestamp"].min()),
            "last": list(grouped["timestamp"].max()),
            "lowest close": list(grouped["close"].min()),
            "highest close": list(grouped["close"].max()),
        }
    )


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M")
    return str(value)


def _cell(value: object) -> str:
    return _text(value).replace("|", "\\|").replace("\n", " ")


def _markdown_table(frame: pd.DataFrame) -> list[str]:
    head = [f"| {' | '.join(map(str, frame.columns))} |", "|" + "---|" * len(frame.columns)]
    return head + [f"| {' | '.join(_cell(v) for v in row)} |" for row in frame.itertuples(index=False)]


def _html_table(frame: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(c))}</th>" for c in frame.columns)
    rows = ("".join(f"<td>{escape(_text(v))}</td>" for v in row) for row in frame.itertuples(index=False))
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{r}</tr>' for r in rows)}</table>"


_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#1c2733;max-width:70rem;margin:2rem auto;padding:0 1.5rem}"
    "h1{font-size:1.6rem;margin-bottom:.3rem}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%;margin:.6rem 0}th{text-align:left;color:#5b6b7b;font-weight:600}"
    "td,th{padding:.4rem .7rem;border-bottom:1px solid #e3e8ee;vertical-align:top;font-variant-numeric:tabular-nums}"
    "tr.warning td{background:#fff8e6}tr.failed td{background:#fdecec}"
    ".verdict{padding:.7rem 1rem;border-radius:.5rem;font-weight:600}"
    ".verdict.passed{background:#e7f6ec;color:#14532d}.verdict.failed{background:#fdecec;color:#7f1d1d}"
)
