"""What the feature store knows of its features: their definitions, and figures over the values that it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from components.features.definitions import FEATURES
from components.records.feature_mirror import FeatureFacts, FeatureStatistics

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore, FeatureView

CODE = "components/features/price.py:compute_features"
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)


def feature_facts(home: Path) -> list[FeatureFacts]:
    """Return every feature of every view, with figures over what is stored."""
    from feature_repo.store import open_store

    store = open_store(home)
    facts: list[FeatureFacts] = []
    for view in sorted(store.list_feature_views(), key=lambda v: v.name):
        facts += _facts(view, stored_values(store, view, home))
    return facts


def stored_values(store: FeatureStore, view: FeatureView, home: Path) -> pd.DataFrame | None:
    """Return every stored row of a view; None where nothing was ever stored."""
    from feature_repo.tables import FOLDER, on_cluster

    source = view.batch_source
    if not on_cluster() and not (home / FOLDER / f"{view.name}.parquet").exists():
        return None
    job = store._get_provider().offline_store.pull_all_from_table_or_query(
        config=store.config,
        data_source=source,
        join_key_columns=list(view.join_keys),
        feature_name_columns=[field.name for field in view.features],
        timestamp_field=source.timestamp_field,
        created_timestamp_column=source.created_timestamp_column,
        start_date=BEGINNING,
        end_date=datetime.now(UTC),
    )
    frame: pd.DataFrame = job.to_df()
    return frame if len(frame) else None


def _facts(view: FeatureView, stored: pd.DataFrame | None) -> list[FeatureFacts]:
    columns = {column.name: column for column in FEATURES}
    facts = []
    for field in view.features:
        column = columns.get(field.name)
        ttl = view.ttl.total_seconds() if view.ttl else None
        logic: dict[str, Any] = {"code": CODE, "view": view.name, "ttl_s": ttl}
        if column is not None:
            logic |= {"unit": column.unit, "minimum": column.minimum, "maximum": column.maximum}
        kind = _kind(str(field.dtype))
        facts.append(
            FeatureFacts(
                name=field.name,
                group=view.name,
                kind=kind,
                description=field.description,
                data_type=str(field.dtype)[:20],
                table=view.name,
                logic={name: value for name, value in logic.items() if value is not None},
                statistics=figures(stored[field.name], kind == "numerical") if stored is not None else None,
            )
        )
    return facts


def figures(values: pd.Series, numerical: bool) -> FeatureStatistics:
    """Return figures over values; only the share that is missing where they are no numbers."""
    missing = float(values.isna().mean() * 100.0)
    told = values.dropna()
    if not numerical or told.empty:
        return FeatureStatistics(None, None, None, None, missing)
    numbers = told.astype(float)
    return FeatureStatistics(
        float(numbers.min()), float(numbers.max()), float(numbers.mean()), float(numbers.std(ddof=0)), missing
    )


def _kind(data_type: str) -> Literal["numerical", "categorical", "embedding"]:
    if "Array" in data_type:
        return "embedding"
    return "categorical" if data_type in ("String", "Bool", "Bytes") else "numerical"
