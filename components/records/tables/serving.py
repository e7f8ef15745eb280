"""model_serving_logs: one row per HTTP request, the gateway's access log."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, text

from components.records.tables.base import key, metadata, model_reference, moment, pseudonym
from components.records.tables.types import Address, Decimal, Name, Prose

model_serving_logs = Table(
    "model_serving_logs",
    metadata,
    key(),
    model_reference(),
    Column("request_id", Name(100), nullable=False),
    Column("input_size_bytes", Integer),
    Column("output_size_bytes", Integer),
    Column("feature_count", Integer),
    Column("inference_time_ms", Integer, nullable=False),
    Column("queue_time_ms", Integer),
    Column("total_response_time_ms", Integer),
    Column("cpu_usage_percent", Decimal(5, 2)),
    Column("memory_usage_mb", Integer),
    Column("gpu_usage_percent", Decimal(5, 2)),
    Column("error_occurred", Boolean, default=False, server_default=text("false")),
    Column("error_type", Name(50)),
    Column("error_message", Prose()),
    pseudonym("user_id"),
    Column("api_endpoint", Name(200)),
    Column("client_ip", Address()),
    # Beyond the documents.
    Column("model_name", Name(200)),
    Column("model_version", Name(50)),
    Column("method", Name(10)),
    Column("status", Integer),
    Column("caller", Name(64)),
    Column("role", Name(50)),
    Column("trace_id", Name(64)),
    moment("timestamp"),
    Index("idx_serving_logs_model_time", "model_id", "timestamp"),
    Index("idx_serving_logs_performance", "inference_time_ms", "timestamp"),
    Index("idx_serving_logs_time", "timestamp"),
    Index("idx_serving_logs_caller", "caller"),
    Index("idx_serving_logs_user", "user_id"),
)
