"""ml_models mirrors MLflow's registered versions; model_deployments says which of them served when, and why."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, UniqueConstraint, text

from components.records.tables.base import key, metadata, model_reference, moment, pseudonym
from components.records.tables.types import Decimal, Instant, Json, Name, Prose

ml_models = Table(
    "ml_models",
    metadata,
    key(),
    Column("model_name", Name(200), nullable=False),
    Column("model_version", Name(50), nullable=False),
    Column("model_type", Name(50), nullable=False),
    Column("model_architecture", Name(100)),
    Column("model_file_path", Prose(), nullable=False),
    Column("model_config", Json(), nullable=False),
    Column("model_metadata", Json()),
    Column("model_size_bytes", BigInteger),
    Column("training_data_version", Name(50)),
    Column("training_start_time", Instant()),
    Column("training_end_time", Instant()),
    Column("training_duration_seconds", Integer),
    Column("validation_accuracy", Decimal(8, 6)),
    Column("validation_loss", Decimal(12, 8)),
    Column("test_sharpe_ratio", Decimal(8, 4)),
    Column("test_max_drawdown", Decimal(8, 4)),
    Column("custom_metrics", Json()),
    Column("deployment_status", Name(20), default="training", server_default="training"),
    Column("deployment_date", Instant()),
    Column("served_predictions", BigInteger, default=0, server_default="0"),
    Column("avg_inference_time_ms", Decimal(8, 2)),
    pseudonym("created_by"),
    pseudonym("approved_by"),
    Column("approval_date", Instant()),
    Column("is_active", Boolean, default=False, server_default=text("false")),
    Column("retirement_date", Instant()),
    Column("retirement_reason", Prose()),
    # Document 4's further columns.
    Column("status", Name(20), default="testing", server_default="testing"),
    Column("accuracy", Decimal(5, 4)),
    Column("precision_score", Decimal(5, 4)),
    Column("recall_score", Decimal(5, 4)),
    Column("f1_score", Decimal(5, 4)),
    moment("created_at"),
    moment("updated_at", updated=True),
    UniqueConstraint("model_name", "model_version"),
)

model_deployments = Table(
    "model_deployments",
    metadata,
    key(),
    model_reference(),
    Column("model_name", Name(200), nullable=False),
    Column("model_version", Name(50), nullable=False),
    Column("environment", Name(50), nullable=False),
    Column("action", Name(20), nullable=False),
    Column("previous_version", Name(50)),
    Column("actor", Name(100), nullable=False),
    Column("reason", Prose(), nullable=False),
    Column("evidence", Json()),
    Column("history_key", Name(200), nullable=False),
    Column("deployed_at", Instant(), nullable=False),
    moment("created_at"),
    UniqueConstraint("history_key"),
    Index("idx_deployments_model_time", "model_name", "environment", "deployed_at"),
)
