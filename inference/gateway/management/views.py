"""Rows as the management routes answer them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

Row = Mapping[str, Any]


class Job(BaseModel):
    """One job."""

    id: str
    job_name: str
    job_type: str = Field(examples=["training"])
    model: str | None = Field(default=None, examples=["price_forecast"])
    status: str = Field(examples=["running"], description="queued, running, completed, failed or cancelled")
    cancel_requested: bool = False
    model_config_: dict[str, Any] = Field(serialization_alias="model_config", default_factory=dict)
    training_config: dict[str, Any] = Field(default_factory=dict)
    dataset_config: dict[str, Any] = Field(default_factory=dict)
    compute_resources: dict[str, Any] | None = None
    estimated_duration_minutes: int | None = None
    created_at: str
    started_at: str | None = None
    completed_at: str | None = None
    duration_s: float | None = None
    attempts: int = 0
    steps: list[dict[str, Any]] = Field(default_factory=list)
    usage: dict[str, Any] = Field(default_factory=dict, description="Measured: CPU and memory of all its processes.")
    final_metrics: dict[str, Any] | None = None
    best_model_path: str | None = None
    result: dict[str, Any] | None = None
    actual_cpu_hours: float | None = None
    actual_memory_gb_hours: float | None = None
    actual_gpu_hours: float | None = None
    cost_usd: float | None = None
    error_message: str | None = None
    error_traceback: str | None = None
    log_tail: str | None = None


class JobPage(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Job]
    next_cursor: str | None = None


COPIED = (
    "job_name", "job_type", "status", "cancel_requested", "training_config", "dataset_config", "compute_resources",
    "estimated_duration_minutes", "attempts", "final_metrics", "best_model_path", "actual_cpu_hours",
    "actual_memory_gb_hours", "actual_gpu_hours", "cost_usd", "error_message",
)  # fmt: skip


def job_view(row: Row, whole: bool = True) -> Job:
    """Return a job; without its log, its result and its traceback in a list."""
    progress = row["progress"] or {}
    began, ended = row["started_at"], row["completed_at"]
    more = {"result": row["model_artifacts"], "error_traceback": row["error_traceback"], "log_tail": row["log_tail"]}
    return Job(
        **{name: row[name] for name in COPIED},
        **(more if whole else {}),
        model_config_=row["model_config"],
        id=str(row["id"]),
        model=row["model_name"],
        created_at=stamp(row["created_at"]) or "",
        started_at=stamp(began),
        completed_at=stamp(ended),
        duration_s=(ended - began).total_seconds() if began and ended else None,
        steps=progress.get("steps", []),
        usage=progress.get("usage", {}),
    )


def stamp(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601, UTC."""
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
