"""The offline tables: Parquet files that are replaced as a whole, so that a reader never sees half of one.

On a cluster they are PostgreSQL tables instead (see :mod:`feature_repo.postgres`).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pandas as pd

from components.errors import ConfigurationError, OutOfSpace

if TYPE_CHECKING:
    from feast import FeatureStore

FOLDER = "feast"
VARIABLE = "ARTHAFLOW_FEATURE_SOURCE"
KEYS = ["entity", "timestamp"]


def upsert(root: Path, table: str, frame: pd.DataFrame) -> None:
    """Add rows to a table; rows with the same entity and time are replaced, those of other definitions are dropped.

    Raises
    ------
    OutOfSpace
        If the disk is full; the table is as it was before.
    """
    import pyarrow.parquet as pq

    if on_cluster():
        from feature_repo import postgres

        postgres.upsert(table, frame.assign(timestamp=pd.to_datetime(frame["timestamp"], utc=True)))
        return
    path = root / FOLDER / f"{table}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = frame.assign(timestamp=pd.to_datetime(frame["timestamp"], utc=True))
    if path.exists() and set(pq.read_schema(path).names) == set(rows.columns):
        old = pd.read_parquet(path)
        known = pd.MultiIndex.from_frame(old[KEYS]).isin(pd.MultiIndex.from_frame(rows[KEYS]))
        rows = pd.concat([old[~known], rows]) if not known.all() else rows
    _replace(path, rows.sort_values(KEYS).reset_index(drop=True))


def on_cluster() -> bool:
    """Return whether the offline tables are PostgreSQL's rather than files.

    Raises
    ------
    ConfigurationError
        If ``ARTHAFLOW_FEATURE_SOURCE`` names no known kind.
    """
    kind = os.environ.get(VARIABLE, "file")
    if kind not in ("file", "postgres"):
        raise ConfigurationError(f"{VARIABLE}={kind!r} is unknown.", "Use file or postgres.")
    return kind == "postgres"


def newest_known(store: FeatureStore, entity: str, asked: pd.Timestamp) -> pd.Timestamp | None:
    """Return the time of an entity's newest offline features at or before a time; None when there are none."""
    source = store.get_feature_view("price_features").batch_source
    start, end = (t.tz_localize("UTC").to_pydatetime() for t in (pd.Timestamp("1900-01-01"), asked))
    job = store._get_provider().offline_store.pull_latest_from_table_or_query(
        store.config, source, ["entity"], [], source.timestamp_field, source.created_timestamp_column, start, end
    )
    rows = job.to_df()
    stamps = pd.to_datetime(rows.loc[rows["entity"] == entity, source.timestamp_field], utc=True)
    return None if stamps.empty else stamps.max().tz_localize(None)


def _replace(path: Path, rows: pd.DataFrame) -> None:
    scratch = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        rows.to_parquet(scratch, index=False, compression="zstd")
        scratch.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(f"The disk filled up while {path} was being written.", "Free some space.") from error
        raise
    finally:
        scratch.unlink(missing_ok=True)
