"""Rows of the two performance tables as they are answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from inference.gateway.management.views import stamp

HIDDEN = ("id", "model_id", "created_at")


def period_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return one period's figures, those that are known."""
    return {name: _plain(value) for name, value in row.items() if name not in HIDDEN and value is not None}


def live_figures(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the newest figure of each name, from rows in the order newest first."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row["metric_name"], period_view(row))
    return [found[name] for name in sorted(found)]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    return value.isoformat() if isinstance(value, date) else value
