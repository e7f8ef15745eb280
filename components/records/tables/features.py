"""ml_features describes features, feature_values holds their values per entity and moment."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, UniqueConstraint, Uuid, text

from components.records.tables.base import key, metadata, moment, pseudonym
from components.records.tables.types import Decimal, Instant, Json, Name, Prose, Vector

ml_features = Table(
    "ml_features",
    metadata,
    key(),
    Column("feature_name", Name(200), nullable=False),
    Column("feature_group", Name(100), nullable=False),
    Column("feature_type", Name(20), nullable=False),
    Column("description", Prose()),
    Column("data_type", Name(20), nullable=False),
    Column("feature_importance_score", Decimal(8, 6)),
    Column("source_table", Name(100)),
    Column("source_column", Name(100)),
    Column("transformation_logic", Json()),
    Column("min_value", Decimal(18, 8)),
    Column("max_value", Decimal(18, 8)),
    Column("mean_value", Decimal(18, 8)),
    Column("std_deviation", Decimal(18, 8)),
    Column("null_percentage", Decimal(5, 2)),
    Column("is_active", Boolean, default=True, server_default=text("true")),
    pseudonym("created_by"),
    moment("created_at"),
    moment("updated_at", updated=True),
    UniqueConstraint("feature_name", "feature_group"),
)

feature_values = Table(
    "feature_values",
    metadata,
    key(),
    Column("feature_id", Uuid(), ForeignKey("ml_features.id")),
    Column("entity_type", Name(50), nullable=False),
    Column("entity_id", Name(100), nullable=False),
    Column("feature_value", Decimal(18, 8)),
    Column("feature_value_text", Name(500)),
    Column("feature_vector", Vector()),
    Column("timestamp", Instant(), nullable=False),
    Column("confidence_score", Decimal(5, 4)),
    Column("data_quality_score", Decimal(5, 4)),
    moment("created_at"),
    Index("idx_feature_values_entity_time", "entity_type", "entity_id", "timestamp"),
    Index("idx_feature_values_feature_time", "feature_id", "timestamp"),
)
