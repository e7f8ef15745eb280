"""Tables of documents 1 and 4."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from components.records.tables.types import Address, Decimal, Instant, Json, Name, Prose, Vector

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "audit_chain",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("kind", Name(20), nullable=False),
        sa.Column("reference", Name(200), nullable=False),
        sa.Column("payload_digest", Name(64), nullable=False),
        sa.Column("previous_hash", Name(64), nullable=False),
        sa.Column("hash", Name(64), nullable=False),
        sa.Column("body", Json(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_chain")),
    )
    op.create_index("idx_audit_chain_reference", "audit_chain", ["kind", "reference"], unique=False)
    op.create_table(
        "audit_checkpoints",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", Name(64), nullable=False),
        sa.Column("signature", Name(128), nullable=False),
        sa.Column("at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.Column("body", Json(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_checkpoints")),
    )
    op.create_table(
        "journal_positions",
        sa.Column("writer", Name(64), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.PrimaryKeyConstraint("writer", name=op.f("pk_journal_positions")),
    )
    op.create_table(
        "ml_features",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("feature_name", Name(200), nullable=False),
        sa.Column("feature_group", Name(100), nullable=False),
        sa.Column("feature_type", Name(20), nullable=False),
        sa.Column("description", Prose(), nullable=True),
        sa.Column("data_type", Name(20), nullable=False),
        sa.Column("feature_importance_score", Decimal(8, 6), nullable=True),
        sa.Column("source_table", Name(100), nullable=True),
        sa.Column("source_column", Name(100), nullable=True),
        sa.Column("transformation_logic", Json(), nullable=True),
        sa.Column("min_value", Decimal(18, 8), nullable=True),
        sa.Column("max_value", Decimal(18, 8), nullable=True),
        sa.Column("mean_value", Decimal(18, 8), nullable=True),
        sa.Column("std_deviation", Decimal(18, 8), nullable=True),
        sa.Column("null_percentage", Decimal(5, 2), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("(true)"), nullable=True),
        sa.Column("created_by", Name(64), nullable=True),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.Column("updated_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ml_features")),
        sa.UniqueConstraint("feature_name", "feature_group", name=op.f("uq_ml_features_feature_name_feature_group")),
    )
    op.create_table(
        "ml_models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_name", Name(200), nullable=False),
        sa.Column("model_version", Name(50), nullable=False),
        sa.Column("model_type", Name(50), nullable=False),
        sa.Column("model_architecture", Name(100), nullable=True),
        sa.Column("model_file_path", Prose(), nullable=False),
        sa.Column("model_config", Json(), nullable=False),
        sa.Column("model_metadata", Json(), nullable=True),
        sa.Column("model_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("training_data_version", Name(50), nullable=True),
        sa.Column("training_start_time", Instant(), nullable=True),
        sa.Column("training_end_time", Instant(), nullable=True),
        sa.Column("training_duration_seconds", sa.Integer(), nullable=True),
        sa.Column("validation_accuracy", Decimal(8, 6), nullable=True),
        sa.Column("validation_loss", Decimal(12, 8), nullable=True),
        sa.Column("test_sharpe_ratio", Decimal(8, 4), nullable=True),
        sa.Column("test_max_drawdown", Decimal(8, 4), nullable=True),
        sa.Column("custom_metrics", Json(), nullable=True),
        sa.Column("deployment_status", Name(20), server_default="training", nullable=True),
        sa.Column("deployment_date", Instant(), nullable=True),
        sa.Column("served_predictions", sa.BigInteger(), server_default="0", nullable=True),
        sa.Column("avg_inference_time_ms", Decimal(8, 2), nullable=True),
        sa.Column("created_by", Name(64), nullable=True),
        sa.Column("approved_by", Name(64), nullable=True),
        sa.Column("approval_date", Instant(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("(false)"), nullable=True),
        sa.Column("retirement_date", Instant(), nullable=True),
        sa.Column("retirement_reason", Prose(), nullable=True),
        sa.Column("status", Name(20), server_default="testing", nullable=True),
        sa.Column("accuracy", Decimal(5, 4), nullable=True),
        sa.Column("precision_score", Decimal(5, 4), nullable=True),
        sa.Column("recall_score", Decimal(5, 4), nullable=True),
        sa.Column("f1_score", Decimal(5, 4), nullable=True),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.Column("updated_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ml_models")),
        sa.UniqueConstraint("model_name", "model_version", name=op.f("uq_ml_models_model_name_model_version")),
    )
    op.create_table(
        "ml_training_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_name", Name(200), nullable=False),
        sa.Column("job_type", Name(50), nullable=False),
        sa.Column("model_config", Json(), nullable=False),
        sa.Column("training_config", Json(), nullable=False),
        sa.Column("dataset_config", Json(), nullable=False),
        sa.Column("compute_resources", Json(), nullable=True),
        sa.Column("estimated_duration_minutes", sa.Integer(), nullable=True),
        sa.Column("status", Name(20), server_default="queued", nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("completed_at", Instant(), nullable=True),
        sa.Column("final_metrics", Json(), nullable=True),
        sa.Column("best_model_path", Prose(), nullable=True),
        sa.Column("model_artifacts", Json(), nullable=True),
        sa.Column("actual_cpu_hours", Decimal(10, 2), nullable=True),
        sa.Column("actual_memory_gb_hours", Decimal(10, 2), nullable=True),
        sa.Column("actual_gpu_hours", Decimal(10, 2), nullable=True),
        sa.Column("cost_usd", Decimal(10, 2), nullable=True),
        sa.Column("error_message", Prose(), nullable=True),
        sa.Column("error_traceback", Prose(), nullable=True),
        sa.Column("created_by", Name(64), nullable=True),
        sa.Column("model_name", Name(200), nullable=True),
        sa.Column("request_key", Name(100), nullable=True),
        sa.Column("request_digest", Name(64), nullable=True),
        sa.Column("worker", Name(200), nullable=True),
        sa.Column("heartbeat_at", Instant(), nullable=True),
        sa.Column("leased_until", Instant(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("progress", Json(), nullable=True),
        sa.Column("log_tail", Prose(), nullable=True),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.Column("updated_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ml_training_jobs")),
        sa.UniqueConstraint("request_key", name=op.f("uq_ml_training_jobs_request_key")),
    )
    op.create_index("idx_training_jobs_model", "ml_training_jobs", ["model_name", "created_at"], unique=False)
    op.create_index("idx_training_jobs_queue", "ml_training_jobs", ["status", "created_at"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prediction_id", Name(100), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("actual_value", Decimal(18, 8), nullable=True),
        sa.Column("actual_class", Name(50), nullable=True),
        sa.Column("reference_value", Decimal(18, 8), nullable=True),
        sa.Column("status", Name(20), nullable=False),
        sa.Column("source", Name(100), nullable=False),
        sa.Column("reported_by", Name(64), nullable=True),
        sa.Column("observed_at", Instant(), nullable=False),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.Column("updated_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
        sa.UniqueConstraint("prediction_id", "revision", name=op.f("uq_outcomes_prediction_id_revision")),
    )
    op.create_index("idx_outcomes_changed", "outcomes", ["updated_at"], unique=False)
    op.create_index("idx_outcomes_status", "outcomes", ["status", "created_at"], unique=False)
    op.create_table(
        "feature_values",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("feature_id", sa.Uuid(), nullable=True),
        sa.Column("entity_type", Name(50), nullable=False),
        sa.Column("entity_id", Name(100), nullable=False),
        sa.Column("feature_value", Decimal(18, 8), nullable=True),
        sa.Column("feature_value_text", Name(500), nullable=True),
        sa.Column("feature_vector", Vector(), nullable=True),
        sa.Column("timestamp", Instant(), nullable=False),
        sa.Column("confidence_score", Decimal(5, 4), nullable=True),
        sa.Column("data_quality_score", Decimal(5, 4), nullable=True),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.ForeignKeyConstraint(["feature_id"], ["ml_features.id"], name=op.f("fk_feature_values_feature_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_values")),
    )
    op.create_index(
        "idx_feature_values_entity_time", "feature_values", ["entity_type", "entity_id", "timestamp"], unique=False
    )
    op.create_index("idx_feature_values_feature_time", "feature_values", ["feature_id", "timestamp"], unique=False)
    op.create_table(
        "ml_metrics",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("metric_name", Name(50), nullable=True),
        sa.Column("metric_value", Decimal(10, 6), nullable=True),
        sa.Column("calculation_date", sa.Date(), nullable=True),
        sa.Column("period_start", Instant(), nullable=True),
        sa.Column("period_end", Instant(), nullable=True),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["ml_models.id"], name=op.f("fk_ml_metrics_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ml_metrics")),
    )
    op.create_index("idx_metrics_model", "ml_metrics", ["model_id", "metric_name", "calculation_date"], unique=False)
    op.create_table(
        "ml_predictions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("prediction_id", Name(100), nullable=False),
        sa.Column("input_features", Json(), nullable=False),
        sa.Column("feature_hash", Name(64), nullable=True),
        sa.Column("prediction_value", Decimal(18, 8), nullable=True),
        sa.Column("prediction_class", Name(50), nullable=True),
        sa.Column("prediction_probability", Decimal(8, 6), nullable=True),
        sa.Column("confidence_interval", Json(), nullable=True),
        sa.Column("ensemble_predictions", Json(), nullable=True),
        sa.Column("ensemble_weights", Json(), nullable=True),
        sa.Column("entity_type", Name(50), nullable=False),
        sa.Column("entity_id", Name(100), nullable=False),
        sa.Column("prediction_horizon", Name(20), nullable=True),
        sa.Column("actual_value", Decimal(18, 8), nullable=True),
        sa.Column("prediction_error", Decimal(18, 8), nullable=True),
        sa.Column("is_correct", sa.Boolean(), nullable=True),
        sa.Column("inference_time_ms", sa.Integer(), nullable=True),
        sa.Column("model_version", Name(50), nullable=True),
        sa.Column("feature_importance", Json(), nullable=True),
        sa.Column("shap_values", Json(), nullable=True),
        sa.Column("explanation_text", Prose(), nullable=True),
        sa.Column("symbol", Name(10), nullable=True),
        sa.Column("portfolio_id", sa.Integer(), nullable=True),
        sa.Column("prediction_type", Name(50), nullable=True),
        sa.Column("output_prediction", Json(), nullable=True),
        sa.Column("confidence", Decimal(5, 4), nullable=True),
        sa.Column("actual_outcome", Json(), nullable=True),
        sa.Column("reference_value", Decimal(18, 8), nullable=True),
        sa.Column("model_name", Name(200), nullable=True),
        sa.Column("latency_ms", sa.Float(), nullable=True),
        sa.Column("caller", Name(64), nullable=True),
        sa.Column("user_pseudonym", Name(64), nullable=True),
        sa.Column("trace_id", Name(64), nullable=True),
        sa.Column("request_id", Name(100), nullable=True),
        sa.Column("route", Name(200), nullable=True),
        sa.Column("track", Name(20), nullable=True),
        sa.Column("cached", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("stale", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("experiment", Name(200), nullable=True),
        sa.Column("variant", Name(50), nullable=True),
        sa.Column("error", Prose(), nullable=True),
        sa.Column("salt", Name(64), nullable=True),
        sa.Column("payload_digest", Name(64), nullable=True),
        sa.Column("chain_seq", sa.BigInteger(), nullable=True),
        sa.Column("erased_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.Column("updated_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["ml_models.id"], name=op.f("fk_ml_predictions_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ml_predictions")),
        sa.UniqueConstraint("chain_seq", name=op.f("uq_ml_predictions_chain_seq")),
        sa.UniqueConstraint("prediction_id", name=op.f("uq_ml_predictions_prediction_id")),
    )
    op.create_index(
        "idx_predictions_entity", "ml_predictions", ["entity_type", "entity_id", "created_at"], unique=False
    )
    op.create_index("idx_predictions_experiment", "ml_predictions", ["experiment", "created_at"], unique=False)
    op.create_index("idx_predictions_model_time", "ml_predictions", ["model_id", "created_at"], unique=False)
    op.create_index("idx_predictions_name_time", "ml_predictions", ["model_name", "created_at"], unique=False)
    op.create_index("idx_predictions_time", "ml_predictions", ["created_at"], unique=False)
    op.create_index("idx_predictions_user", "ml_predictions", ["user_pseudonym"], unique=False)
    op.create_table(
        "model_deployments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("model_name", Name(200), nullable=False),
        sa.Column("model_version", Name(50), nullable=False),
        sa.Column("environment", Name(50), nullable=False),
        sa.Column("action", Name(20), nullable=False),
        sa.Column("previous_version", Name(50), nullable=True),
        sa.Column("actor", Name(100), nullable=False),
        sa.Column("reason", Prose(), nullable=False),
        sa.Column("evidence", Json(), nullable=True),
        sa.Column("history_key", Name(200), nullable=False),
        sa.Column("deployed_at", Instant(), nullable=False),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["ml_models.id"], name=op.f("fk_model_deployments_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_deployments")),
        sa.UniqueConstraint("history_key", name=op.f("uq_model_deployments_history_key")),
    )
    op.create_index(
        "idx_deployments_model_time", "model_deployments", ["model_name", "environment", "deployed_at"], unique=False
    )
    op.create_table(
        "model_experiments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_name", Name(200), nullable=False),
        sa.Column("experiment_description", Prose(), nullable=True),
        sa.Column("control_model_id", sa.Uuid(), nullable=True),
        sa.Column("treatment_model_id", sa.Uuid(), nullable=True),
        sa.Column("traffic_allocation", Json(), nullable=True),
        sa.Column("success_metrics", Json(), nullable=True),
        sa.Column("start_date", Instant(), nullable=False),
        sa.Column("end_date", Instant(), nullable=False),
        sa.Column("control_performance", Json(), nullable=True),
        sa.Column("treatment_performance", Json(), nullable=True),
        sa.Column("statistical_significance", Decimal(8, 6), nullable=True),
        sa.Column("winner", Name(20), nullable=True),
        sa.Column("status", Name(20), server_default="running", nullable=True),
        sa.Column("analysis_notes", Prose(), nullable=True),
        sa.Column("decision", Name(20), nullable=True),
        sa.Column("decision_date", Instant(), nullable=True),
        sa.Column("created_by", Name(64), nullable=True),
        sa.Column("traffic_split", Decimal(3, 2), nullable=True),
        sa.Column("results", Json(), nullable=True),
        sa.Column("model_name", Name(200), nullable=True),
        sa.Column("config", Json(), nullable=True),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.Column("updated_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.ForeignKeyConstraint(
            ["control_model_id"], ["ml_models.id"], name=op.f("fk_model_experiments_control_model_id")
        ),
        sa.ForeignKeyConstraint(
            ["treatment_model_id"], ["ml_models.id"], name=op.f("fk_model_experiments_treatment_model_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_experiments")),
        sa.UniqueConstraint("experiment_name", name=op.f("uq_model_experiments_experiment_name")),
    )
    op.create_index("idx_experiments_status", "model_experiments", ["status", "start_date"], unique=False)
    op.create_table(
        "model_performance_metrics",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("metric_date", sa.Date(), nullable=False),
        sa.Column("evaluation_period", Name(20), nullable=False),
        sa.Column("accuracy", Decimal(8, 6), nullable=True),
        sa.Column("precision", Decimal(8, 6), nullable=True),
        sa.Column("recall", Decimal(8, 6), nullable=True),
        sa.Column("f1_score", Decimal(8, 6), nullable=True),
        sa.Column("auc_roc", Decimal(8, 6), nullable=True),
        sa.Column("sharpe_ratio", Decimal(8, 4), nullable=True),
        sa.Column("max_drawdown", Decimal(8, 4), nullable=True),
        sa.Column("win_rate", Decimal(5, 2), nullable=True),
        sa.Column("average_return", Decimal(8, 4), nullable=True),
        sa.Column("volatility", Decimal(8, 4), nullable=True),
        sa.Column("mean_absolute_error", Decimal(12, 8), nullable=True),
        sa.Column("root_mean_squared_error", Decimal(12, 8), nullable=True),
        sa.Column("mean_absolute_percentage_error", Decimal(8, 4), nullable=True),
        sa.Column("prediction_distribution", Json(), nullable=True),
        sa.Column("error_distribution", Json(), nullable=True),
        sa.Column("feature_drift_score", Decimal(8, 6), nullable=True),
        sa.Column("prediction_drift_score", Decimal(8, 6), nullable=True),
        sa.Column("data_quality_score", Decimal(8, 6), nullable=True),
        sa.Column("total_predictions", sa.Integer(), nullable=True),
        sa.Column("successful_predictions", sa.Integer(), nullable=True),
        sa.Column("failed_predictions", sa.Integer(), nullable=True),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["ml_models.id"], name=op.f("fk_model_performance_metrics_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_performance_metrics")),
        sa.UniqueConstraint(
            "model_id",
            "metric_date",
            "evaluation_period",
            name=op.f("uq_model_performance_metrics_model_id_metric_date_evaluation_period"),
        ),
    )
    op.create_table(
        "model_serving_logs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", Name(100), nullable=False),
        sa.Column("input_size_bytes", sa.Integer(), nullable=True),
        sa.Column("output_size_bytes", sa.Integer(), nullable=True),
        sa.Column("feature_count", sa.Integer(), nullable=True),
        sa.Column("inference_time_ms", sa.Integer(), nullable=False),
        sa.Column("queue_time_ms", sa.Integer(), nullable=True),
        sa.Column("total_response_time_ms", sa.Integer(), nullable=True),
        sa.Column("cpu_usage_percent", Decimal(5, 2), nullable=True),
        sa.Column("memory_usage_mb", sa.Integer(), nullable=True),
        sa.Column("gpu_usage_percent", Decimal(5, 2), nullable=True),
        sa.Column("error_occurred", sa.Boolean(), server_default=sa.text("(false)"), nullable=True),
        sa.Column("error_type", Name(50), nullable=True),
        sa.Column("error_message", Prose(), nullable=True),
        sa.Column("user_id", Name(64), nullable=True),
        sa.Column("api_endpoint", Name(200), nullable=True),
        sa.Column("client_ip", Address(), nullable=True),
        sa.Column("model_name", Name(200), nullable=True),
        sa.Column("model_version", Name(50), nullable=True),
        sa.Column("method", Name(10), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("caller", Name(64), nullable=True),
        sa.Column("role", Name(50), nullable=True),
        sa.Column("trace_id", Name(64), nullable=True),
        sa.Column("timestamp", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["ml_models.id"], name=op.f("fk_model_serving_logs_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_serving_logs")),
    )
    op.create_index("idx_serving_logs_model_time", "model_serving_logs", ["model_id", "timestamp"], unique=False)
    op.create_index(
        "idx_serving_logs_performance", "model_serving_logs", ["inference_time_ms", "timestamp"], unique=False
    )
    op.create_index("idx_serving_logs_time", "model_serving_logs", ["timestamp"], unique=False)
    op.create_table(
        "experiment_assignments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("user_pseudonym", Name(64), nullable=False),
        sa.Column("variant", Name(50), nullable=False),
        sa.Column("segment", Name(100), nullable=True),
        sa.Column("covariate", Decimal(18, 8), nullable=True),
        sa.Column("excluded", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("attributes", Json(), nullable=True),
        sa.Column("assigned_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["model_experiments.id"], name=op.f("fk_experiment_assignments_experiment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment_assignments")),
        sa.UniqueConstraint(
            "experiment_id", "user_pseudonym", name=op.f("uq_experiment_assignments_experiment_id_user_pseudonym")
        ),
    )
    op.create_index("idx_assignments_user", "experiment_assignments", ["user_pseudonym"], unique=False)
    op.create_table(
        "experiment_observations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("observation_key", Name(200), nullable=False),
        sa.Column("user_pseudonym", Name(64), nullable=False),
        sa.Column("metric", Name(100), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("weight", sa.Float(), server_default="1", nullable=False),
        sa.Column("pre_period", sa.Float(), nullable=True),
        sa.Column("segments", Json(), nullable=True),
        sa.Column("observed_at", Instant(), nullable=False),
        sa.Column("created_at", Instant(), server_default=sa.text("(CURRENT_TIMESTAMP)"), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["model_experiments.id"], name=op.f("fk_experiment_observations_experiment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment_observations")),
        sa.UniqueConstraint(
            "experiment_id", "observation_key", name=op.f("uq_experiment_observations_experiment_id_observation_key")
        ),
    )
    op.create_index(
        "idx_observations_metric", "experiment_observations", ["experiment_id", "metric", "observed_at"], unique=False
    )
    op.create_index("idx_observations_user", "experiment_observations", ["user_pseudonym"], unique=False)


def downgrade() -> None:
    """Go back."""
    op.drop_index("idx_observations_user", table_name="experiment_observations")
    op.drop_index("idx_observations_metric", table_name="experiment_observations")
    op.drop_table("experiment_observations")
    op.drop_index("idx_assignments_user", table_name="experiment_assignments")
    op.drop_table("experiment_assignments")
    op.drop_index("idx_serving_logs_time", table_name="model_serving_logs")
    op.drop_index("idx_serving_logs_performance", table_name="model_serving_logs")
    op.drop_index("idx_serving_logs_model_time", table_name="model_serving_logs")
    op.drop_table("model_serving_logs")
    op.drop_table("model_performance_metrics")
    op.drop_index("idx_experiments_status", table_name="model_experiments")
    op.drop_table("model_experiments")
    op.drop_index("idx_deployments_model_time", table_name="model_deployments")
    op.drop_table("model_deployments")
    op.drop_index("idx_predictions_user", table_name="ml_predictions")
    op.drop_index("idx_predictions_time", table_name="ml_predictions")
    op.drop_index("idx_predictions_name_time", table_name="ml_predictions")
    op.drop_index("idx_predictions_model_time", table_name="ml_predictions")
    op.drop_index("idx_predictions_experiment", table_name="ml_predictions")
    op.drop_index("idx_predictions_entity", table_name="ml_predictions")
    op.drop_table("ml_predictions")
    op.drop_index("idx_metrics_model", table_name="ml_metrics")
    op.drop_table("ml_metrics")
    op.drop_index("idx_feature_values_feature_time", table_name="feature_values")
    op.drop_index("idx_feature_values_entity_time", table_name="feature_values")
    op.drop_table("feature_values")
    op.drop_index("idx_outcomes_status", table_name="outcomes")
    op.drop_index("idx_outcomes_changed", table_name="outcomes")
    op.drop_table("outcomes")
    op.drop_index("idx_training_jobs_queue", table_name="ml_training_jobs")
    op.drop_index("idx_training_jobs_model", table_name="ml_training_jobs")
    op.drop_table("ml_training_jobs")
    op.drop_table("ml_models")
    op.drop_table("ml_features")
    op.drop_table("journal_positions")
    op.drop_table("audit_checkpoints")
    op.drop_index("idx_audit_chain_reference", table_name="audit_chain")
    op.drop_table("audit_chain")
