"""ml_training_jobs: training, tuning, evaluation and inference jobs; the table is the queue that workers take from."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, UniqueConstraint, text

from components.records.tables.base import key, metadata, moment, pseudonym
from components.records.tables.types import Decimal, Instant, Json, Name, Prose

ml_training_jobs = Table(
    "ml_training_jobs",
    metadata,
    key(),
    Column("job_name", Name(200), nullable=False),
    Column("job_type", Name(50), nullable=False),
    Column("model_config", Json(), nullable=False),
    Column("training_config", Json(), nullable=False),
    Column("dataset_config", Json(), nullable=False),
    Column("compute_resources", Json()),
    Column("estimated_duration_minutes", Integer),
    Column("status", Name(20), nullable=False, default="queued", server_default="queued"),
    Column("started_at", Instant()),
    Column("completed_at", Instant()),
    Column("final_metrics", Json()),
    Column("best_model_path", Prose()),
    Column("model_artifacts", Json()),
    Column("actual_cpu_hours", Decimal(10, 2)),
    Column("actual_memory_gb_hours", Decimal(10, 2)),
    Column("actual_gpu_hours", Decimal(10, 2)),
    Column("cost_usd", Decimal(10, 2)),
    Column("error_message", Prose()),
    Column("error_traceback", Prose()),
    pseudonym("created_by"),
    # Beyond the documents: what a queue with several workers needs.
    Column("model_name", Name(200)),
    Column("request_key", Name(100)),
    Column("request_digest", Name(64)),
    Column("worker", Name(200)),
    Column("heartbeat_at", Instant()),
    Column("leased_until", Instant()),
    Column("attempts", Integer, nullable=False, default=0, server_default="0"),
    Column("cancel_requested", Boolean, nullable=False, default=False, server_default=text("false")),
    Column("progress", Json()),
    Column("log_tail", Prose()),
    moment("created_at"),
    moment("updated_at", updated=True),
    UniqueConstraint("request_key"),
    Index("idx_training_jobs_queue", "status", "created_at"),
    Index("idx_training_jobs_model", "model_name", "created_at"),
)
