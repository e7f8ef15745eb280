"""Document 1's monitoring endpoints: performance, drift, alerts."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from components.errors import ArthaflowError
from components.records.database import Database
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.observed import drift
from inference.gateway.observed.accuracy import Point, Ratio, history, ratios
from inference.gateway.observed.alert_rules import (
    BUCKET,
    BUCKETS,
    RUNBOOK,
    Alert,
    accuracy_alerts,
    alert,
    level_alerts,
)
from inference.gateway.observed.alertmanager import active, merged
from inference.gateway.observed.events import last_answer, recent_events
from inference.gateway.observed.service_levels import CONFIDENCE_STEPS, Levels, levels
from inference.gateway.observed.windows import Milliseconds, Window, length, since
from inference.gateway.services import Services, services

router = APIRouter(prefix="/api/v1/ml/monitoring", tags=["monitoring"])
READY_TIMEOUT_S = 3.0
ACCURACY_DAYS = 90
Model = Annotated[str, Query(description="one model; all where it is empty", max_length=100)]


class Target(BaseModel):
    """One of document 0's operational objectives."""

    name: str = Field(examples=["95th percentile latency"])
    limit: float = Field(examples=[500])
    value: float | None = Field(examples=[97])
    met: bool | None = Field(description="null where there is nothing to judge", examples=[True])


class ConfidenceStep(BaseModel):
    """How many predictions had a confidence in ``at_least <= c < below`` (the last step includes 1)."""

    at_least: float = Field(examples=[0.7])
    below: float = Field(examples=[0.8])
    predictions: int = Field(examples=[412])


class Confidence(BaseModel):
    """Confidence of a model's predictions."""

    average: float | None = Field(examples=[0.78])
    distribution: list[ConfidenceStep]


class AccuracyDay(BaseModel):
    """How good a version's predictions of one day turned out to be."""

    day: date = Field(examples=["2025-11-12"])
    version: str = Field(examples=["2"])
    predictions: int = Field(description="made on that day", examples=[380])
    figures: dict[str, float] = Field(examples=[{"accuracy": 0.57, "mean_absolute_error": 31.2}])


class Promise(BaseModel):
    """The accuracy of the last week beside the registered one."""

    version: str = Field(examples=["2"])
    figure: str = Field(examples=["accuracy"])
    present: float = Field(examples=[0.57])
    registered: float = Field(examples=[0.60])
    ratio: float = Field(description="below 1 is worse than promised", examples=[0.95])


class ModelPerformance(BaseModel):
    """One model in the window."""

    model: str = Field(examples=["price_forecast"])
    requests: int = Field(examples=[1204])
    requests_per_second: float = Field(examples=[0.334])
    error_rate: float | None = Field(description="answered with 5xx", examples=[0.002])
    response_time_ms: Milliseconds | None
    inference_time_ms: Milliseconds | None = Field(description="the model's share; answers from the cache left out")
    predictions: int = Field(examples=[1190])
    cache_hit_rate: float | None = Field(examples=[0.71])
    stale: int = Field(description="answers past their time, given because the model could not answer", examples=[0])
    confidence: Confidence
    targets: list[Target]
    accuracy: list[AccuracyDay]
    promises: list[Promise]


class ServingPerformance(BaseModel):
    """All models in the window."""

    window: Window = Field(examples=["1h"])
    begin: datetime
    end: datetime
    models: list[ModelPerformance]


class Drift(BaseModel):
    """All models' drift, with document 0's limits."""

    ks_p_value_below: float = drift.KS_P_VALUE
    psi_above: float = drift.PSI
    models: list[drift.ModelDrift]


class Alerts(BaseModel):
    """What somebody should know now, the worst first."""

    evaluated_at: datetime
    runbook: str = RUNBOOK
    alertmanager: str = Field(description="asked, not configured, or why it did not answer", examples=["asked"])
    alerts: list[Alert]


@router.get(
    "/performance",
    summary="Real-time performance metrics",
    response_model=Envelope[ServingPerformance],
    operation_id="monitor_performance",
)
def performance(
    request: Request, window: Window = "1h", model: Model = "", caller: Caller = may("monitoring:read")
) -> Envelope[ServingPerformance]:
    """Tell speed, errors, cache hits, confidence and accuracy per model, from the records of all replicas."""
    shared = services(request)
    if model:
        shared.table.find(model)
    end = datetime.now(UTC)
    begin, wanted = since(window, end), [model] if model else []
    with shared.database.read() as connection:
        found = levels(connection, begin, end, wanted)
        judged = history(connection, end.date() - timedelta(days=ACCURACY_DAYS), wanted)
        promised = ratios(connection, end.date(), wanted)
    names = sorted({model} if model else {*found, *shared.table.entries} - {""})
    seconds = length(window).total_seconds()
    told = [_told(name, found.get(name, Levels()), seconds, judged, promised) for name in names]
    return ok(request, ServingPerformance(window=window, begin=begin, end=end, models=told))


@router.get("/drift", summary="Model drift detection", response_model=Envelope[Drift], operation_id="monitor_drift")
async def model_drift(request: Request, model: Model = "", caller: Caller = may("monitoring:read")) -> Envelope[Drift]:
    """Ask every model's drift detector for its verdict."""
    table = services(request).table
    entries = {model: table.find(model)} if model else table.entries
    return ok(request, Drift(models=await drift.ask_all(entries)))


@router.get("/alerts", summary="ML system alerts", response_model=Envelope[Alerts], operation_id="monitor_alerts")
async def alerts(request: Request, caller: Caller = may("monitoring:read")) -> Envelope[Alerts]:
    """Evaluate document 0's alerting rules from the records, and add Alertmanager's where one is configured."""
    shared, now = services(request), datetime.now(UTC)
    recorded, down, drifting, (theirs, problem) = await asyncio.gather(
        run_in_threadpool(_recorded, shared.database, now),
        _down(shared),
        drift.ask_all(shared.table.entries),
        _alertmanager(shared.config.alertmanager_url),
    )
    own = [*recorded, *await run_in_threadpool(_outages, shared.database, down, now), *_drift_alerts(drifting)]
    asked = problem or ("asked" if shared.config.alertmanager_url else "not configured")
    return ok(request, Alerts(evaluated_at=now, alertmanager=asked, alerts=merged(own, theirs)))


def _told(name: str, found: Levels, seconds: float, judged: list[Point], promised: list[Ratio]) -> ModelPerformance:
    steps = [
        ConfidenceStep(at_least=i / CONFIDENCE_STEPS, below=(i + 1) / CONFIDENCE_STEPS, predictions=count)
        for i, count in enumerate(found.confidences)
    ]
    return ModelPerformance(
        model=name,
        requests=found.requests,
        requests_per_second=round(found.requests / seconds, 6),
        error_rate=found.error_rate,
        response_time_ms=found.response,
        inference_time_ms=found.inference,
        predictions=found.predictions,
        cache_hit_rate=found.cache_hit_rate,
        stale=found.stale,
        confidence=Confidence(average=found.confidence, distribution=steps),
        targets=_targets(found),
        accuracy=[
            AccuracyDay(day=p.day, version=p.version, predictions=p.predictions, figures=dict(p.figures))
            for p in judged
            if p.model == name
        ],
        promises=[
            Promise(version=r.version, figure=r.figure, present=r.present, registered=r.registered, ratio=r.value)
            for r in promised
            if r.model == name
        ],
    )


def _targets(found: Levels) -> list[Target]:
    inference, response = found.inference, found.response
    below = (
        ("Average inference time, ms", 200.0, inference.average if inference else None),
        ("95th percentile latency, ms", 500.0, float(response.p95) if response else None),
        ("Error rate", 0.01, found.error_rate),
    )
    told = [Target(name=n, limit=limit, value=v, met=None if v is None else v < limit) for n, limit, v in below]
    hits = found.cache_hit_rate
    return [*told, Target(name="Cache hit rate", limit=0.7, value=hits, met=None if hits is None else hits > 0.7)]


def _recorded(database: Database, now: datetime) -> list[Alert]:
    with database.read() as connection:
        buckets = [levels(connection, now - (i + 1) * BUCKET, now - i * BUCKET) for i in range(BUCKETS)]
        worse = ratios(connection, now.date())
        events = recent_events(connection, now)
    return [*level_alerts(buckets, now), *accuracy_alerts(worse), *events]


async def _down(shared: Services) -> list[str]:
    """Return the models whose servers do not say that they are ready."""
    names = sorted(shared.table.entries)

    async def ready(name: str) -> bool:
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                return (await shared.calls.get(name, f"/v2/models/{name}/ready")).status == 200
        except (ArthaflowError, TimeoutError):
            return False

    return [name for name, up in zip(names, await asyncio.gather(*map(ready, names)), strict=True) if not up]


def _outages(database: Database, down: list[str], now: datetime) -> list[Alert]:
    if not down:
        return []
    with database.read() as connection:
        begun = {model: last_answer(connection, model, now) for model in down}
    return [
        alert(
            "ArthaflowModelDown",
            "critical",
            f"{model} is not ready; `since` is its last answer",
            model,
            value=0.0,
            threshold=1.0,
            since=at,
        )
        for model, at in begun.items()
    ]


def _drift_alerts(found: list[drift.ModelDrift]) -> list[Alert]:
    return [
        alert("ArthaflowFeatureDrift", "warning", f"{d.model}: {d.sentence}", d.model, value=d.largest_psi,
              threshold=drift.PSI if d.largest_psi is not None else None)
        for d in found
        if d.outcome == "drift"
    ]  # fmt: skip


async def _alertmanager(url: str) -> tuple[list[Alert], str]:
    return await active(url) if url else ([], "")
