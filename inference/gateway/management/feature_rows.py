"""Features and their values: found, and as they are answered."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Connection, select

from components.errors import ArthaflowError
from components.records.tables import ml_features
from inference.gateway.management.views import stamp

Row = Mapping[str, Any]


class UnknownFeature(ArthaflowError):
    """There is no such feature."""

    status = 404


class Feature(BaseModel):
    """One feature."""

    id: str
    feature_name: str = Field(examples=["rsi_14"])
    feature_group: str = Field(examples=["price_features"])
    feature_type: str = Field(examples=["numerical"])
    description: str | None = None
    data_type: str
    unit: str | None = Field(default=None, examples=["index 0-100"])
    feature_importance_score: float | None = None
    source_table: str | None = None
    source_column: str | None = None
    transformation_logic: dict[str, Any] = Field(default_factory=dict)
    min_value: float | None = None
    max_value: float | None = None
    mean_value: float | None = None
    std_deviation: float | None = None
    null_percentage: float | None = None
    is_active: bool = True
    updated_at: str | None = None


class FeaturePage(BaseModel):
    """Features."""

    features: list[Feature]
    next_cursor: str | None = None


class FeatureValue(BaseModel):
    """One value; which of the three depends on the feature's type."""

    timestamp: str
    value: float | None = None
    text: str | None = None
    vector: list[float] | None = None
    computed_at: str | None = None


class Freshness(BaseModel):
    """How old the newest value is, and whether the feature store would still serve it."""

    newest: str | None = None
    age_s: float | None = None
    ttl_s: float | None = None
    fresh: bool = False

    @classmethod
    def of(cls, newest: datetime | None, ttl: timedelta) -> Freshness:
        """Judge a moment; a TTL of zero means that none is known."""
        if newest is None:
            return cls(ttl_s=ttl.total_seconds() or None)
        age = datetime.now(UTC) - newest
        return cls(
            newest=stamp(newest),
            age_s=round(age.total_seconds(), 3),
            ttl_s=ttl.total_seconds() or None,
            fresh=not ttl or age <= ttl,
        )


class FeatureValuesPage(BaseModel):
    """Values of one entity, the newest first."""

    feature: str
    entity_type: str
    entity_id: str
    values: list[FeatureValue]
    freshness: Freshness
    next_cursor: str | None = None


def find_feature(connection: Connection, reference: str) -> Row:
    """Return a feature by UUID, name, or ``group:name``.

    Raises
    ------
    UnknownFeature
        If there is none; the message offers the nearest name.
    """
    query = select(ml_features)
    try:
        query = query.where(ml_features.c.id == uuid.UUID(reference))
    except ValueError:
        group, _, name = reference.rpartition(":")
        query = query.where(ml_features.c.feature_name == name)
        query = query.where(ml_features.c.feature_group == group) if group else query
    found = connection.execute(query.order_by(ml_features.c.is_active.desc()).limit(1)).mappings().one_or_none()
    if found is not None:
        return dict(found)
    names = [name for (name,) in connection.execute(select(ml_features.c.feature_name))]
    near = get_close_matches(reference, names, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    lists = "GET /api/v1/ml/features lists them" if names else "None is known yet: `arthaflow jobs work` writes them"
    raise UnknownFeature(f"There is no feature {reference!r:.120}.", f"{hint}{lists}.")


def feature_view(row: Row) -> Feature:
    """Return a feature."""
    logic = row["transformation_logic"] or {}
    names = [name for name in Feature.model_fields if name not in ("id", "unit", "transformation_logic", "updated_at")]
    return Feature(
        **{name: row[name] for name in names},
        id=str(row["id"]),
        unit=logic.get("unit"),
        transformation_logic=logic,
        updated_at=stamp(row["updated_at"]),
    )


def value_view(row: Row) -> FeatureValue:
    """Return a value."""
    return FeatureValue(
        timestamp=stamp(row["timestamp"]) or "",
        value=row["feature_value"],
        text=row["feature_value_text"],
        vector=row["feature_vector"],
        computed_at=stamp(row["created_at"]),
    )
