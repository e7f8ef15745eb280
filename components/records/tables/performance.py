"""model_performance_metrics and ml_metrics: how good and how busy a version was, per period."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, Table, UniqueConstraint

from components.records.tables.base import key, metadata, model_reference, moment
from components.records.tables.types import Decimal, Instant, Json, Name

model_performance_metrics = Table(
    "model_performance_metrics",
    metadata,
    key(),
    model_reference(),
    Column("metric_date", Date, nullable=False),
    Column("evaluation_period", Name(20), nullable=False),
    Column("accuracy", Decimal(8, 6)),
    Column("precision", Decimal(8, 6)),
    Column("recall", Decimal(8, 6)),
    Column("f1_score", Decimal(8, 6)),
    Column("auc_roc", Decimal(8, 6)),
    Column("sharpe_ratio", Decimal(8, 4)),
    Column("max_drawdown", Decimal(8, 4)),
    Column("win_rate", Decimal(5, 2)),
    Column("average_return", Decimal(8, 4)),
    Column("volatility", Decimal(8, 4)),
    Column("mean_absolute_error", Decimal(12, 8)),
    Column("root_mean_squared_error", Decimal(12, 8)),
    Column("mean_absolute_percentage_error", Decimal(8, 4)),
    Column("prediction_distribution", Json()),
    Column("error_distribution", Json()),
    Column("feature_drift_score", Decimal(8, 6)),
    Column("prediction_drift_score", Decimal(8, 6)),
    Column("data_quality_score", Decimal(8, 6)),
    Column("total_predictions", Integer),
    Column("successful_predictions", Integer),
    Column("failed_predictions", Integer),
    moment("created_at"),
    UniqueConstraint("model_id", "metric_date", "evaluation_period"),
)

ml_metrics = Table(
    "ml_metrics",
    metadata,
    key(),
    model_reference(),
    Column("metric_name", Name(50)),
    Column("metric_value", Decimal(10, 6)),
    Column("calculation_date", Date),
    Column("period_start", Instant()),
    Column("period_end", Instant()),
    moment("created_at"),
    Index("idx_metrics_model", "model_id", "metric_name", "calculation_date"),
)
