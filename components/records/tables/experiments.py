"""model_experiments, who was assigned to what, what applications measured, and document 4's ml_ab_tests as a view."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Table, UniqueConstraint, Uuid, select, text

from components.records.tables.base import key, metadata, model_reference, moment, pseudonym
from components.records.tables.types import Decimal, Instant, Json, Name, Prose

model_experiments = Table(
    "model_experiments",
    metadata,
    key(),
    Column("experiment_name", Name(200), nullable=False),
    Column("experiment_description", Prose()),
    model_reference("control_model_id"),
    model_reference("treatment_model_id"),
    Column("traffic_allocation", Json()),
    Column("success_metrics", Json()),
    Column("start_date", Instant(), nullable=False),
    Column("end_date", Instant(), nullable=False),
    Column("control_performance", Json()),
    Column("treatment_performance", Json()),
    Column("statistical_significance", Decimal(8, 6)),
    Column("winner", Name(20)),
    Column("status", Name(20), default="running", server_default="running"),
    Column("analysis_notes", Prose()),
    Column("decision", Name(20)),
    Column("decision_date", Instant()),
    pseudonym("created_by"),
    # Document 4's further columns.
    Column("traffic_split", Decimal(3, 2)),
    Column("results", Json()),
    # Beyond the documents: which model it is about, and how it is analysed.
    Column("model_name", Name(200)),
    Column("config", Json()),
    moment("created_at"),
    moment("updated_at", updated=True),
    UniqueConstraint("experiment_name"),
    Index("idx_experiments_status", "status", "start_date"),
)

experiment_assignments = Table(
    "experiment_assignments",
    metadata,
    key(),
    Column("experiment_id", Uuid(), ForeignKey("model_experiments.id"), nullable=False),
    Column("user_pseudonym", Name(64), nullable=False),
    Column("variant", Name(50), nullable=False),
    Column("segment", Name(100)),
    Column("covariate", Decimal(18, 8)),
    Column("excluded", Boolean, nullable=False, default=False, server_default=text("false")),
    Column("attributes", Json()),
    moment("assigned_at"),
    UniqueConstraint("experiment_id", "user_pseudonym"),
    Index("idx_assignments_user", "user_pseudonym"),
)

experiment_observations = Table(
    "experiment_observations",
    metadata,
    key(),
    Column("experiment_id", Uuid(), ForeignKey("model_experiments.id"), nullable=False),
    Column("observation_key", Name(200), nullable=False),
    Column("user_pseudonym", Name(64), nullable=False),
    Column("metric", Name(100), nullable=False),
    Column("value", Float, nullable=False),
    Column("weight", Float, nullable=False, default=1.0, server_default="1"),
    Column("pre_period", Float),
    Column("segments", Json()),
    Column("observed_at", Instant(), nullable=False),
    moment("created_at"),
    UniqueConstraint("experiment_id", "observation_key"),
    Index("idx_observations_metric", "experiment_id", "metric", "observed_at"),
    Index("idx_observations_user", "user_pseudonym"),
)

_e = model_experiments.c
ml_ab_tests = select(
    _e.id,
    _e.experiment_name.label("test_name"),
    _e.control_model_id,
    _e.treatment_model_id.label("variant_model_id"),
    _e.traffic_split,
    _e.start_date,
    _e.end_date,
    _e.status,
    _e.results,
    _e.created_at,
).subquery("ml_ab_tests")
"""What the view ``ml_ab_tests`` selects, for queries in this code; the migration makes the view itself."""
