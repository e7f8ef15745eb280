"""A features job: compute one entity's features, keep them in the feature store, put them online, tell the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from components.errors import ConfigurationError, FeatureUnavailable
from pipelines.jobs.context import JobContext
from pipelines.jobs.kinds.data_source import training_source
from pipelines.jobs.kinds.sync import sync_all_features

if TYPE_CHECKING:
    from components.records.database import Database

MOST_VALUES = 100_000
"""Of one job; the feature store keeps them all, the table only what was asked for."""


def compute(context: JobContext) -> dict[str, Any]:
    """Compute, keep and materialise.

    The whole history that the source has of the entity goes into the feature store; the rows between ``from`` and
    ``until`` (the newest one alone where neither is given) go into feature_values.

    Raises
    ------
    FeatureUnavailable
        If the source does not know the entity, or has too few bars of it for any feature.
    ConfigurationError
        If a feature is unknown, or more values are asked for than a job may write.
    """
    from components.records.database import open_database
    from feature_repo.store import materialise, open_store, write_features

    arguments = context.asked.arguments
    context.begin("compute")
    frame = _computed(context, str(arguments["entity_id"]))
    context.begin("keep in the feature store")
    write_features(context.home, frame)
    materialise(open_store(context.home), frame["timestamp"].max())
    context.begin("describe")
    sync_all_features(context)
    context.begin("write the values")
    database = open_database()
    try:
        asked = _asked(frame, str(arguments.get("from") or ""), str(arguments.get("until") or ""))
        written = _write(database, asked, arguments)
    finally:
        database.close()
    return {
        "entity_type": arguments["entity_type"],
        "entity_id": arguments["entity_id"],
        "rows_computed": len(frame),
        "rows_written": len(asked),
        "values_written": written,
        "newest": frame["timestamp"].max().isoformat(),
    }


def _computed(context: JobContext, entity: str) -> pd.DataFrame:
    from components.data.quality import check_bars
    from components.data.sources import load_bars, load_market
    from components.features.price import compute_features

    arguments = context.asked.arguments
    source, bar = training_source(context, str(arguments.get("source") or "embedded")), str(arguments.get("bar", "1d"))
    bars = check_bars(load_bars(source, bar), bar=bar).accepted
    mine = bars[bars["entity"] == entity]
    if mine.empty:
        known = ", ".join(sorted(map(str, bars["entity"].unique())))
        named = arguments.get("source") or "embedded"
        raise FeatureUnavailable(f"The source {named!r} has no {entity!r}.", f"It has {known}.")
    market = load_market(source)
    if len(market):
        market = market[market["timestamp"] <= mine["timestamp"].max()]
    frame = compute_features(mine.reset_index(drop=True), market)
    if frame.empty:
        raise FeatureUnavailable(
            f"{len(mine)} bars of {entity!r} are too few for any feature.", "Give a source with a longer history."
        )
    return frame


def _asked(frame: pd.DataFrame, begin: str, until: str) -> pd.DataFrame:
    if not begin and not until:
        return frame.sort_values("timestamp").tail(1)
    stamps = pd.to_datetime(frame["timestamp"], utc=True)
    chosen = pd.Series(True, index=frame.index)
    if begin:
        chosen &= stamps >= _moment(begin)
    if until:
        chosen &= stamps <= _moment(until)
    return frame[chosen]


def _moment(text: str) -> pd.Timestamp:
    stamp = pd.Timestamp(text)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")


def _write(database: Database, frame: pd.DataFrame, arguments: Any) -> int:
    from sqlalchemy import delete, insert, select

    from components.records.tables import feature_values, ml_features

    with database.write() as connection:
        rows = connection.execute(select(ml_features).where(ml_features.c.is_active)).mappings().all()
        known = {row["feature_name"]: row for row in rows}
        names = list(arguments.get("features") or (name for name in known if name in frame))
        unknown = [name for name in names if name not in known or name not in frame]
        if unknown:
            raise ConfigurationError(f"There is no feature {unknown[0]!r}.", f"There are {', '.join(sorted(known))}.")
        if len(frame) * len(names) > MOST_VALUES:
            raise ConfigurationError(
                f"{len(frame)} rows of {len(names)} features are more than {MOST_VALUES:,} values.",
                "Ask for fewer features, or for a shorter time.",
            )
        about = {"entity_type": arguments["entity_type"], "entity_id": arguments["entity_id"]}
        stamps = [t.to_pydatetime() for t in pd.to_datetime(frame["timestamp"], utc=True)]
        for name in names:
            number = known[name]["id"]
            if stamps:
                old = (feature_values.c.feature_id == number) & feature_values.c.timestamp.between(
                    min(stamps), max(stamps)
                )
                mine = (feature_values.c.entity_type == about["entity_type"]) & (
                    feature_values.c.entity_id == about["entity_id"]
                )
                connection.execute(delete(feature_values).where(old, mine))
                made = [
                    {"feature_id": number, "timestamp": at, **about, **_value(value)}
                    for at, value in zip(stamps, frame[name], strict=True)
                ]
                connection.execute(insert(feature_values), made)
    return len(frame) * len(names)


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"feature_value": None, "feature_value_text": value[:500], "feature_vector": None}
    if hasattr(value, "__len__"):
        vector = [float(x) for x in value]
        return {"feature_value": None, "feature_value_text": None, "feature_vector": vector}
    number = None if pd.isna(value) else float(value)
    return {"feature_value": number, "feature_value_text": None, "feature_vector": None}
