"""Speed, errors, cache hits and confidence per model over a window, from the records that all replicas write.

Percentiles are exact to the millisecond: the database counts how often each whole number of milliseconds occurred, by
the same statement on SQLite and on PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select

from components.records.tables import ml_predictions, model_serving_logs
from inference.gateway.observed.windows import Milliseconds, distribution

LONGEST_MS = 600_000
"""Slower answers count as this slow, so that the number of distinct values is bounded."""

CONFIDENCE_STEPS = 10


@dataclass
class Levels:
    """What one model did in a window.

    Attributes
    ----------
    requests, failed : int
        Requests of the product API, and those answered with 5xx.
    total_ms, inference_ms : dict
        {whole milliseconds: how many}: the gateway's whole answer, and the model's share of those that asked it.
    predictions, cached, stale : int
        Logged predictions, those from the cache, and those past their time.
    confidences : list of int
        Predictions by confidence, in ten steps from 0 to 1.
    confidence_sum : float
        Of those predictions.
    """

    requests: int = 0
    failed: int = 0
    total_ms: dict[int, int] = field(default_factory=dict)
    inference_ms: dict[int, int] = field(default_factory=dict)
    predictions: int = 0
    cached: int = 0
    stale: int = 0
    confidences: list[int] = field(default_factory=lambda: [0] * CONFIDENCE_STEPS)
    confidence_sum: float = 0.0

    @property
    def error_rate(self) -> float | None:
        """Share of requests answered with 5xx; None without requests."""
        return self.failed / self.requests if self.requests else None

    @property
    def cache_hit_rate(self) -> float | None:
        """Share of predictions that the cache answered; None without predictions."""
        return self.cached / self.predictions if self.predictions else None

    @property
    def response(self) -> Milliseconds | None:
        """Distribution of whole answers."""
        return distribution(self.total_ms)

    @property
    def inference(self) -> Milliseconds | None:
        """Distribution of the models' share."""
        return distribution(self.inference_ms)

    @property
    def confidence(self) -> float | None:
        """Average confidence; None where no prediction has one."""
        known = sum(self.confidences)
        return self.confidence_sum / known if known else None


def levels(connection: Connection, begin: datetime, end: datetime, models: Iterable[str] = ()) -> dict[str, Levels]:
    """Return what each model did in ``begin <= t < end``; of ``models`` only, where there are any."""
    found: defaultdict[str, Levels] = defaultdict(Levels)
    wanted = list(models)
    _requests(connection, begin, end, wanted, found)
    _predictions(connection, begin, end, wanted, found)
    return dict(found)


def _requests(
    connection: Connection, begin: datetime, end: datetime, models: list[str], found: defaultdict[str, Levels]
) -> None:
    s = model_serving_logs.c
    total = case((s.total_response_time_ms > LONGEST_MS, LONGEST_MS), else_=s.total_response_time_ms)
    inference = case((s.inference_time_ms > LONGEST_MS, LONGEST_MS), else_=s.inference_time_ms)
    failed = case((s.status >= 500, 1), else_=0)
    within = and_(s.timestamp >= begin, s.timestamp < end, s.model_name.is_not(None), s.model_name != "")
    if models:
        within = and_(within, s.model_name.in_(models))
    for measured, name in ((total, "total_ms"), (inference, "inference_ms")):
        query = select(s.model_name, measured, failed, func.count()).where(within)
        if name == "inference_ms":
            query = query.where(s.inference_time_ms > 0)
        for model, value, bad, count in connection.execute(query.group_by(s.model_name, measured, failed)):
            level = found[model]
            counts: dict[int, int] = getattr(level, name)
            counts[int(value or 0)] = counts.get(int(value or 0), 0) + count
            if name == "total_ms":
                level.requests += count
                level.failed += count * bad


def _predictions(
    connection: Connection, begin: datetime, end: datetime, models: list[str], found: defaultdict[str, Levels]
) -> None:
    p = ml_predictions.c
    step: Any = case(
        (p.confidence.is_(None), -1),
        *((p.confidence < (i + 1) / CONFIDENCE_STEPS, i) for i in range(CONFIDENCE_STEPS - 1)),
        else_=CONFIDENCE_STEPS - 1,
    )
    within = and_(p.created_at >= begin, p.created_at < end, or_(p.error.is_(None), p.error == ""))
    if models:
        within = and_(within, p.model_name.in_(models))
    query = select(p.model_name, step, p.cached, p.stale, func.count(), func.sum(p.confidence))
    for model, at, cached, stale, count, total in connection.execute(
        query.where(within).group_by(p.model_name, step, p.cached, p.stale)
    ):
        level = found[model or ""]
        level.predictions += count
        level.cached += count if cached else 0
        level.stale += count if stale else 0
        if at >= 0:
            level.confidences[at] += count
            level.confidence_sum += float(total or 0.0)
