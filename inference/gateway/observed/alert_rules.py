"""Document 0's alerting rules, evaluated from the records: each alert with its value, its limit and since when.

On a cluster Prometheus evaluates the same limits from metrics (the chart's rules); these need no Prometheus. Rates are
judged over five minutes, and a share needs :data:`MINIMUM` requests before it says something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, Field

from inference.gateway.observed.accuracy import Ratio
from inference.gateway.observed.service_levels import Levels

Severity = Literal["critical", "warning", "info"]
CHANNELS: dict[Severity, str] = {"critical": "pagerduty", "warning": "email", "info": "slack"}
RUNBOOK = "docs/runbook.md"
MINIMUM = 20
BUCKET = timedelta(minutes=5)
BUCKETS = 12
"""How far back ``since`` is followed: an hour."""


class Alert(BaseModel):
    """Something that somebody should know."""

    name: str = Field(examples=["ArthaflowErrorRateCritical"])
    severity: Severity = Field(examples=["critical"])
    channel: str = Field(description="where document 0 sends it", examples=["pagerduty"])
    model: str | None = Field(default=None, examples=["price_forecast"])
    summary: str = Field(examples=["price_forecast fails more than 5 % of its requests"])
    value: float | None = Field(default=None, examples=[0.081])
    threshold: float | None = Field(default=None, examples=[0.05])
    since: datetime | None = Field(
        default=None, description="null where the records cannot tell", examples=["2025-11-13T10:25:00Z"]
    )
    runbook: str = Field(examples=["docs/runbook.md#arthaflowerrorratecritical"])
    source: Literal["records", "alertmanager"] = "records"


@dataclass(frozen=True)
class Limit:
    """A limit of a five-minute figure, with its name, severity and sentence.

    Attributes
    ----------
    name : str
        Of the alert, as the chart's rules and the runbook name it.
    severity : str
    threshold : float
    value : callable
        Reads the figure of a five-minute bucket; None where it says nothing.
    says : str
        After the model's name.
    below : bool
        Whether it is too small a figure that matters.
    """

    name: str
    severity: Severity
    threshold: float
    value: Callable[[Levels], float | None]
    says: str
    below: bool = False

    def broken(self, levels: Levels | None) -> float | None:
        """Return the figure where it breaks the limit, else None."""
        value = None if levels is None else self.value(levels)
        if value is None:
            return None
        return value if (value < self.threshold if self.below else value > self.threshold) else None


def _errors(levels: Levels) -> float | None:
    return levels.error_rate if levels.requests >= MINIMUM else None


def _p95(levels: Levels) -> float | None:
    found = levels.response
    return found.p95 / 1e3 if found is not None and levels.requests >= MINIMUM else None


def _hits(levels: Levels) -> float | None:
    return levels.cache_hit_rate if levels.predictions >= MINIMUM else None


FAMILIES: tuple[tuple[Limit, ...], ...] = (
    (
        Limit("ArthaflowErrorRateCritical", "critical", 0.05, _errors, "fails more than 5 % of its requests"),
        Limit("ArthaflowErrorRateWarning", "warning", 0.02, _errors, "fails more than 2 % of its requests"),
    ),
    (Limit("ArthaflowLatencyCritical", "critical", 1.0, _p95, "answers slower than 1 s (p95)"),),
    (Limit("ArthaflowCacheHitRateLow", "warning", 0.5, _hits, "has less than half of its answers cached", True),),
)
"""Limits of one figure, the worst first: only the first that is broken is told."""

ACCURACY = (
    ("ArthaflowAccuracyDropCritical", "critical", 0.10),
    ("ArthaflowAccuracyDropWarning", "warning", 0.05),
)


def alert(name: str, severity: Severity, summary: str, model: str | None = None, **more: object) -> Alert:
    """Return an alert with its channel and its place in the runbook."""
    told = {"channel": CHANNELS[severity], "runbook": f"{RUNBOOK}#{name.lower()}", **more}
    return Alert.model_validate({"name": name, "severity": severity, "summary": summary, "model": model, **told})


def level_alerts(buckets: Sequence[dict[str, Levels]], now: datetime) -> list[Alert]:
    """Return the alerts of speed, errors and cache.

    Parameters
    ----------
    buckets : sequence of dict
        Five minutes each, by model, the newest first.
    now : datetime
        End of the newest.
    """
    found = []
    for model in sorted(buckets[0]):
        for family in FAMILIES:
            for limit in family:
                value = limit.broken(buckets[0][model])
                if value is None:
                    continue
                lasting = 1
                while lasting < len(buckets) and limit.broken(buckets[lasting].get(model)) is not None:
                    lasting += 1
                begun = now - lasting * BUCKET
                found.append(
                    alert(
                        limit.name,
                        limit.severity,
                        f"{model} {limit.says}",
                        model,
                        value=round(value, 6),
                        threshold=limit.threshold,
                        since=begun,
                    )
                )
                break
    return found


def accuracy_alerts(ratios: Iterable[Ratio]) -> list[Alert]:
    """Return the alerts of versions that are worse than they promised."""
    found = []
    for ratio in ratios:
        drop = 1.0 - ratio.value
        for name, severity, limit in ACCURACY:
            if drop > limit:
                begun = datetime.fromisoformat(f"{ratio.since.isoformat()}T00:00:00+00:00")
                summary = f"Accuracy: the {ratio.figure} of {ratio.model} version {ratio.version} lost {drop:.1%}"
                found.append(
                    alert(
                        name,
                        severity,  # type: ignore[arg-type]
                        summary,
                        ratio.model,
                        value=round(drop, 6),
                        threshold=limit,
                        since=begun,
                    )
                )
                break
    return found
