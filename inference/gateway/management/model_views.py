"""Versions, their performance and their predictions as the routes answer them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from components.catalog import catalogue
from components.models.spec import ModelSpec
from inference.gateway.caller import Caller
from inference.gateway.management.views import stamp

Row = Mapping[str, Any]
PERSONAL = frozenset({"user", "portfolio", "goal"})
"""Kinds of things that a prediction is about which belong to a person."""


class Model(BaseModel):
    """One version of a model: what the registry knows of it, and what the catalogue says of its model."""

    id: str
    name: str = Field(examples=["price_forecast"])
    version: str = Field(examples=["2"])
    type: str = Field(examples=["time_series"])
    architecture: str | None = None
    status: str = Field(examples=["deployed"], description="training, validating, deployed or retired")
    is_active: bool = False
    created_at: str
    deployed_at: str | None = None
    metrics: dict[str, Any] | None = None
    served_predictions: int | None = None
    avg_inference_time_ms: float | None = None
    title: str | None = None
    summary: str | None = None
    owner: str | None = None
    room: str | None = None
    horizons: list[str] = Field(default_factory=list)


class ModelDetail(Model):
    """All that is known of one version."""

    config: dict[str, Any] = Field(default_factory=dict)
    lineage: dict[str, Any] = Field(default_factory=dict)
    reason: str | None = Field(default=None, description="The gate's sentence.")
    outcome: str | None = Field(default=None, description="Why it was rolled back.")
    size_bytes: int | None = None
    trained: dict[str, Any] = Field(default_factory=dict)
    created_by: str | None = Field(default=None, description="Pseudonym of the caller whose job made it.")
    approved_by: str | None = Field(default=None, description="Pseudonym of the caller who deployed it.")
    approved_at: str | None = None
    retired_at: str | None = None
    retirement_reason: str | None = None
    artifact: str | None = Field(default=None, description="For callers who may register versions.")
    data_licence: str | None = None
    outputs: list[str] = Field(default_factory=list)
    disclaimers: list[str] = Field(default_factory=list)
    slo: dict[str, float] = Field(default_factory=dict)


class ModelPage(BaseModel):
    """Versions, the newest first, and models of the catalogue without any."""

    models: list[Model]
    without_versions: list[str] = Field(default_factory=list)
    next_cursor: str | None = None


class Prediction(BaseModel):
    """A prediction, as far as the caller may see it."""

    prediction_id: str
    model_version: str | None
    created_at: str
    entity_type: str
    horizon: str | None = None
    confidence: float | None = None
    latency_ms: float | None = None
    cached: bool = False
    stale: bool = False
    failed: bool = False
    yours: bool = False
    entity_id: str | None = None
    value: float | None = None
    prediction_class: str | None = None
    actual_value: float | None = None
    inputs: Any = None
    output: Any = None
    caller: str | None = None
    user: str | None = None


class PredictionPage(BaseModel):
    """Predictions, the newest first."""

    predictions: list[Prediction]
    next_cursor: str | None = None


class VersionPerformance(BaseModel):
    """How good a version was: when it was evaluated, and as outcomes arrived."""

    model: str
    version: str
    evaluation: dict[str, Any] = Field(description="On held-out data, by the gate.")
    periods: list[dict[str, Any]] = Field(description="model_performance_metrics, the newest first.")
    live: list[dict[str, Any]] = Field(description="ml_metrics, the newest of each name.")
    next_cursor: str | None = None


def model_view(row: Row) -> Model:
    """Return a version for a list."""
    return Model(**_common(row))


def model_detail(row: Row, caller: Caller) -> ModelDetail:
    """Return everything about a version; the artifact's address only to those who register versions."""
    facts, spec = row["model_metadata"] or {}, catalogue().get(row["model_name"])
    return ModelDetail(
        **_common(row),
        config=row["model_config"] or {},
        lineage=facts.get("lineage", {}),
        reason=facts.get("reason") or None,
        outcome=facts.get("outcome") or None,
        size_bytes=row["model_size_bytes"],
        trained={
            "data_version": row["training_data_version"],
            "from": stamp(row["training_start_time"]),
            "until": stamp(row["training_end_time"]),
            "seconds": row["training_duration_seconds"],
            "data_until": facts.get("trained_until") or None,
        },
        created_by=row["created_by"],
        approved_by=row["approved_by"],
        approved_at=stamp(row["approval_date"]),
        retired_at=stamp(row["retirement_date"]),
        retirement_reason=row["retirement_reason"],
        artifact=row["model_file_path"] if "models:write" in caller.scopes else None,
        **(_declared(spec) if spec else {}),
    )


def prediction_view(row: Row, caller: Caller) -> Prediction:
    """Return a prediction.

    Everybody who may read models sees that it was made, how fast and how sure. Inputs, output and what it is about are
    shown to the caller who asked for it and to auditors (``audit:read``); entity and value of a prediction about the
    market, which is nobody's secret, to everybody.
    """
    audits, yours = "audit:read" in caller.scopes, bool(row["caller"]) and row["caller"] == caller.pseudonym
    shown: dict[str, Any] = {}
    if audits or yours or row["entity_type"] not in PERSONAL:
        shown |= {
            "entity_id": row["entity_id"],
            "value": row["prediction_value"],
            "prediction_class": row["prediction_class"],
            "actual_value": row["actual_value"],
        }
    if audits or yours:
        shown |= {"inputs": row["input_features"], "output": row["output_prediction"]}
    if audits:
        shown |= {"caller": row["caller"], "user": row["user_pseudonym"]}
    return Prediction(
        prediction_id=row["prediction_id"],
        model_version=row["model_version"],
        created_at=stamp(row["created_at"]) or "",
        entity_type=row["entity_type"],
        horizon=row["prediction_horizon"] or None,
        confidence=row["confidence"],
        latency_ms=row["latency_ms"],
        cached=row["cached"],
        stale=row["stale"],
        failed=bool(row["error"]),
        yours=yours,
        **shown,
    )


def _common(row: Row) -> dict[str, Any]:
    spec = catalogue().get(row["model_name"])
    told = {
        "id": str(row["id"]),
        "name": row["model_name"],
        "version": row["model_version"],
        "type": row["model_type"],
        "architecture": row["model_architecture"],
        "status": row["deployment_status"],
        "is_active": bool(row["is_active"]),
        "created_at": stamp(row["created_at"]),
        "deployed_at": stamp(row["deployment_date"]),
        "metrics": row["custom_metrics"],
        "served_predictions": row["served_predictions"],
        "avg_inference_time_ms": row["avg_inference_time_ms"],
    }
    if spec is None:
        return told
    words = {"title": spec.title, "summary": spec.summary, "owner": spec.owner, "room": spec.room}
    return {**told, **words, "horizons": list(spec.horizons)}


def _declared(spec: ModelSpec) -> dict[str, Any]:
    return {
        "data_licence": spec.data_licence,
        "outputs": list(spec.outputs),
        "disclaimers": list(spec.disclaimers),
        "slo": {"p95_ms": spec.slo.p95_ms, "error_rate": spec.slo.error_rate, "availability": spec.slo.availability},
    }
