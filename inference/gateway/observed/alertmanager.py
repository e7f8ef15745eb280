"""The active alerts of a Prometheus Alertmanager, in this API's form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from inference.gateway.observed.alert_rules import CHANNELS, RUNBOOK, Alert, Severity

TIMEOUT_S = 3.0


async def active(url: str) -> tuple[list[Alert], str]:
    """Return the active alerts of this product; and why there are none, where Alertmanager does not answer.

    Parameters
    ----------
    url : str
        Of the Alertmanager; its API v2 lies below.
    """
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(
                f"{url.rstrip('/')}/api/v2/alerts",
                params={
                    "active": "true",
                    "silenced": "false",
                    "inhibited": "false",
                    "filter": 'alertname=~"Arthaflow.*"',
                },
            )
            answer.raise_for_status()
            told = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return [], f"Alertmanager does not answer ({type(error).__name__})."
    return [read(found) for found in told if isinstance(found, dict)], ""


def read(found: Mapping[str, Any]) -> Alert:
    """Return one alert; a severity that document 0 does not know counts as a warning."""
    labels, notes = found.get("labels", {}), found.get("annotations", {})
    name = str(labels.get("alertname", "unknown"))
    known: Severity = next((s for s in CHANNELS if s == labels.get("severity")), "warning")
    return Alert(
        name=name,
        severity=known,
        channel=str(labels.get("channel", CHANNELS[known])),
        model=labels.get("model"),
        summary=str(notes.get("summary", name)),
        since=_when(found.get("startsAt")),
        runbook=str(notes.get("runbook_url", f"{RUNBOOK}#{name.lower()}")),
        source="alertmanager",
    )


def merged(own: list[Alert], theirs: list[Alert]) -> list[Alert]:
    """Return both without repetition, the worst first: where both know of one, ours has the figures and stays."""
    known = {(a.name, a.model) for a in own}
    order = list(CHANNELS)
    both = [*own, *(a for a in theirs if (a.name, a.model) not in known)]
    return sorted(both, key=lambda a: (order.index(a.severity), a.name, a.model or ""))


def _when(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
