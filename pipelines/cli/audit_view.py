"""How ``arthaflow audit`` shows what it found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from pipelines.cli.console import out

if TYPE_CHECKING:
    from components.records.deployments import ServedVersion

_FIELDS = ("model_name", "model_version", "track", "route", "created_at", "latency_ms", "cached", "stale", "confidence")
_MORE = ("experiment", "variant", "caller", "trace_id", "request_id", "error")


def as_json(value: Any) -> Any:
    """Return a value with its times and ids as text."""
    import orjson

    return json.loads(orjson.dumps(value, default=str))


def show_served(model: str, found: Sequence[ServedVersion]) -> None:
    """Print which versions served, and why."""
    if not found:
        out.print(f"Nothing says that {model} served then.")
        return
    table = Table(title=model, title_justify="left")
    for heading in ("version", "where", "since", "until", "predictions"):
        table.add_column(heading, overflow="fold")
    for each in found:
        where = f"{each.environment} {each.track}".strip() or "in the log only"
        spell = [f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-" for moment in (each.since, each.until)]
        table.add_row(each.version, where, *spell, f"{each.predictions:,}")
    out.print(table)
    gates = {each.version: each.gate for each in found if each.gate}
    for each in found:
        if each.reason:
            out.print(f"[bold]{each.version}[/bold] {each.track or 'served'}, because: {each.reason}", highlight=False)
    for version, gate in gates.items():
        out.print(f"[bold]{version}[/bold] passed the gate: {gate}", highlight=False)


def show_story(found: dict[str, Any]) -> None:
    """Print everything about one prediction."""
    row, audit = found["prediction"], found["audit"]
    table = Table(title=f"Prediction {row['prediction_id']}", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name in (*_FIELDS, *_MORE):
        if row[name] not in (None, ""):
            table.add_row(name.replace("_", " "), str(row[name]))
    for name, key in (("inputs", "input_features"), ("output", "output_prediction")):
        table.add_row(name, "erased" if audit["erased"] else json.dumps(as_json(row[key]), ensure_ascii=False))
    for each in found["served"]:
        table.add_row(
            "served", " ".join(filter(None, (each["environment"], each["track"], "since", str(each["since"] or "-"))))
        )
        for name, key in (("because", "reason"), ("gate", "gate")):
            if each[key]:
                table.add_row(name, each[key])
    for each in found["outcomes"]:
        table.add_row(
            "outcome", f"{each['actual_value'] or each['actual_class']} ({each['status']}, {each['observed_at']})"
        )
    state = (
        "[green]as it was written[/green]"
        if audit["sound"]
        else "[red]not as it was written: arthaflow audit verify[/red]"
    )
    table.add_row("audit trail", f"entry {audit['seq']}, {state}")
    table.add_row("explain", found["explain"])
    out.print(table)
