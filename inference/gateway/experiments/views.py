"""What clients see of experiments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from components.experiments.design import VARIANTS
from inference.gateway.experiments.payloads import Variant
from inference.gateway.experiments.store import design_of, ended_at, status_of


class Experiment(BaseModel):
    """An experiment: document 0's fields and document 1's columns side by side."""

    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(examples=["0b6f3c1e-6f0a-4f0c-9d57-1f2b7c3d4e5f"])
    experiment_id: str = Field(examples=["recommendation_model_v2"])
    experiment_name: str
    description: str
    model: str
    variants: dict[str, Variant]
    control_model_id: str | None
    treatment_model_id: str | None
    traffic_allocation: dict[str, float] = Field(examples=[{"control": 50, "treatment": 50}])
    success_metrics: list[str]
    guardrail_metrics: list[str]
    start_date: str
    end_date: str
    ended_at: str | None = Field(description="When it was stopped or decided before its end")
    duration_days: float
    minimum_sample_size: int
    traffic_share: float
    status: str = Field(examples=["running"])
    winner: str | None = Field(examples=["inconclusive"])
    decision: str | None = Field(examples=["need_more_data"])
    decision_date: str | None
    statistical_significance: float | None
    control_performance: dict[str, Any] | None
    treatment_performance: dict[str, Any] | None
    analysis_notes: str | None
    created_by: str | None = Field(description="The caller's pseudonym")
    created_at: str


class Report(BaseModel):
    """A report; docs/experiments.md explains each number."""

    model_config = ConfigDict(extra="allow")

    id: str
    experiment_id: str
    status: str
    decision: str | None
    days: float
    users: dict[str, int]
    left_out: dict[str, int]
    sample_ratio: dict[str, Any]
    metrics: list[dict[str, Any]]
    guardrails: list[dict[str, Any]]
    segments: list[dict[str, Any]]
    path: list[dict[str, Any]]
    verdict: dict[str, Any]


def view(row: Mapping[str, Any]) -> Experiment:
    """Return what a client sees of a row of model_experiments."""
    design = design_of(row)
    ended = ended_at(row)
    return Experiment(
        id=str(row["id"]),
        experiment_id=design.name,
        experiment_name=design.name,
        description=row["experiment_description"] or "",
        model=design.model,
        variants={v: Variant(model_version=design.versions[v], traffic_split=design.split[v]) for v in VARIANTS},
        control_model_id=_text(row["control_model_id"]),
        treatment_model_id=_text(row["treatment_model_id"]),
        traffic_allocation=row["traffic_allocation"],
        success_metrics=row["success_metrics"],
        guardrail_metrics=[m.name for m in design.metrics if m.role == "guardrail"],
        start_date=_time(design.start) or "",
        end_date=_time(design.end) or "",
        ended_at=_time(ended) if ended < design.end else None,
        duration_days=round((design.end - design.start).total_seconds() / 86_400, 6),
        minimum_sample_size=design.minimum_sample_size,
        traffic_share=design.share,
        status=status_of(row),
        winner=row["winner"],
        decision=row["decision"],
        decision_date=_time(row["decision_date"]),
        statistical_significance=row["statistical_significance"],
        control_performance=row["control_performance"],
        treatment_performance=row["treatment_performance"],
        analysis_notes=row["analysis_notes"],
        created_by=row["created_by"],
        created_at=_time(row["created_at"]) or "",
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
