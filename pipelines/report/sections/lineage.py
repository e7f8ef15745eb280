"""Where the version comes from, and why the gate decided as it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import badge, facts, inline, missing, table
from components.evaluation.plots.svg import esc
from pipelines.report.data import Record, ReportData
from pipelines.report.section import Section, absent

CODE = ("data_hash", "git_commit", "feature_hash", "run_id")


def lineage(data: ReportData) -> Section:
    """Gate, lineage, registry and data quality."""
    gate = checks(data.verdict) if data.verdict else absent(data, "verdict", "No gate judged a version in this run.")
    origin = origins(data.lineage) if data.lineage else absent(data, "lineage", "The run recorded no lineage.")
    body = "<h3>The gate</h3>" + gate + "<h3>Where it comes from</h3>" + origin
    body += "<h3>Quality of the data</h3>" + (
        plain(data.quality) if data.quality else absent(data, "quality", "The run recorded no quality checks.")
    )
    body += "<h3>Versions in the registry</h3>" + (
        versions(data.versions) if data.versions else absent(data, "versions", "The registry was not asked.")
    )
    return Section("lineage", "Lineage", "Gate and lineage", "", body)


def checks(verdict: Record) -> str:
    """The gate's checks as a table, below its sentence."""
    word = badge("promote", "good") if verdict.get("promote") else badge("do not promote", "bad")
    said = f'<p class="finding">{word} {inline(verdict.get("reason", ""))}</p>'
    rows = []
    for check in verdict.get("checks") or ():
        state = badge("passed", "good") if check.get("passed") else badge("failed", "bad")
        rows.append((f.label(check.get("name", "check")), state, check.get("detail", "")))
    if not rows:
        return said
    return f'{said}<div class="course">{table("What the gate checked", ("check", "result", "in words"), rows)}</div>'


def origins(record: Record) -> str:
    """Lineage facts; long ones fold away."""
    short = [(f.label(k), v) for k, v in record.items() if v not in ("", None) and len(str(v)) <= 80]
    long = [(f.label(k), v) for k, v in record.items() if len(str(v)) > 80]
    folded = "".join(f"<details><summary>{esc(k)}</summary><pre>{esc(_lines(v))}</pre></details>" for k, v in long)
    return facts(short) + folded


def _lines(value: Any) -> str:
    """Break a long space-separated list into lines."""
    return "\n".join(str(value).split(" ")) if isinstance(value, str) else str(value)


def plain(record: Record) -> str:
    """Facts of one line, and lists of records as tables."""
    parts = [facts([(f.label(k), v) for k, v in record.items() if isinstance(v, (str, int, float))])]
    for name, value in record.items():
        if isinstance(value, Mapping):
            parts.append(facts([(f.label(k), v) for k, v in value.items() if isinstance(v, (str, int, float))]))
        elif isinstance(value, Sequence) and not isinstance(value, str) and value and isinstance(value[0], Mapping):
            parts.append(records(f.label(name), value))
    return "".join(parts)


def records(caption: str, rows: Sequence[Record], limit: int = 60) -> str:
    """A list of flat records as a table."""
    columns = list(
        dict.fromkeys(
            key for row in rows for key, value in row.items() if not isinstance(value, (Mapping, list, tuple))
        )
    )
    body = [[_cell(row.get(column)) for column in columns] for row in rows[:limit]]
    more = f" (first {limit} of {len(rows)})" if len(rows) > limit else ""
    return f'<div class="text">{table(caption + more, [f.label(c) for c in columns], body)}</div>'


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f.number(value, 5) if isinstance(value, float) else f.MISSING if value is None else str(value)


def versions(story: Record) -> str:
    """What the registry tells: versions with their aliases and end, then refused and failed runs."""
    rows = [
        (
            f"version {one.get('version', '?')}",
            one.get("created_at", f.MISSING),
            ", ".join(str(alias) for alias in one.get("aliases") or ()) or f.MISSING,
            " ".join(str(one[key]) for key in ("reason", "outcome") if one.get(key)) or f.MISSING,
        )
        for one in story.get("versions") or ()
    ]
    rows += [
        (f"{word} run", run.get("created_at", f.MISSING), f.MISSING, run.get("reason") or f.MISSING)
        for word in ("refused", "failed")
        for run in story.get(word) or ()
    ]
    if not rows:
        return missing("The registry has no version of this model yet.")
    body = table(
        "Versions and runs, as `arthaflow models show` tells them", ("what", "when", "aliases", "what came of it"), rows
    )
    return f'<div class="course">{body}</div>'
