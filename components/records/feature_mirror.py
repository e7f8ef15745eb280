"""ml_features: what the feature definitions say, and what the stored values look like."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import insert, select, update

from components.records.tables import ml_features

if TYPE_CHECKING:
    from components.records.database import Database


@dataclass(frozen=True)
class FeatureStatistics:
    """Figures over every stored value of a feature, in its unit; ``null_percentage`` in percent of the rows."""

    minimum: float | None
    maximum: float | None
    mean: float | None
    deviation: float | None
    null_percentage: float


@dataclass(frozen=True)
class FeatureFacts:
    """One feature as its definition has it.

    Attributes
    ----------
    name, group : str
        The column and the feature view that it is in.
    kind : str
        Document 1's feature_type.
    description, data_type, table : str
        Its definition in words, its type, and the table that its values are in.
    logic : mapping
        Unit, bounds, and the code that computes it.
    statistics : FeatureStatistics or None
        None while nothing is stored.
    """

    name: str
    group: str
    kind: Literal["numerical", "categorical", "embedding"]
    description: str
    data_type: str
    table: str
    logic: Mapping[str, Any]
    statistics: FeatureStatistics | None = None


def sync_features(database: Database, facts: Iterable[FeatureFacts]) -> int:
    """Write what is known of every feature; one that is defined no more becomes inactive. Return how many are active.

    Importance scores and statistics that are not known anew stay as they are.
    """
    known = list(facts)
    with database.write() as connection:
        rows = connection.execute(select(ml_features.c.id, ml_features.c.feature_name, ml_features.c.feature_group))
        there: dict[tuple[str, str], uuid.UUID] = {(r.feature_name, r.feature_group): r.id for r in rows}
        for fact in known:
            number = there.pop((fact.name, fact.group), None)
            if number is None:
                connection.execute(insert(ml_features).values(_values(fact)))
            else:
                connection.execute(update(ml_features).where(ml_features.c.id == number).values(_values(fact)))
        for number in there.values():
            connection.execute(update(ml_features).where(ml_features.c.id == number).values(is_active=False))
    return len(known)


def _values(fact: FeatureFacts) -> dict[str, Any]:
    values: dict[str, Any] = {
        "feature_name": fact.name,
        "feature_group": fact.group,
        "feature_type": fact.kind,
        "description": fact.description,
        "data_type": fact.data_type,
        "source_table": fact.table,
        "source_column": fact.name,
        "transformation_logic": dict(fact.logic),
        "is_active": True,
    }
    figures = fact.statistics
    if figures is None:
        return values
    return values | {
        "min_value": figures.minimum,
        "max_value": figures.maximum,
        "mean_value": figures.mean,
        "std_deviation": figures.deviation,
        "null_percentage": figures.null_percentage,
    }
