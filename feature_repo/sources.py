"""Where the offline features lie: Parquet files on one machine, PostgreSQL tables on a cluster.

``ARTHAFLOW_FEATURE_SOURCE`` chooses: ``file`` (the default) or ``postgres``. Views and services are the same for both.
"""

from __future__ import annotations

import os

from feast import FileSource
from feast.data_source import DataSource

from components.errors import ConfigurationError

TIMESTAMP = "timestamp"
CREATED = "created"
VARIABLE = "ARTHAFLOW_FEATURE_SOURCE"


def source(table: str) -> DataSource:
    """Return the source of one table of features; file paths are relative to the folder of ``feature_store.yaml``.

    Raises
    ------
    ConfigurationError
        If ``ARTHAFLOW_FEATURE_SOURCE`` names no known kind.
    """
    kind = os.environ.get(VARIABLE, "file")
    if kind == "file":
        return FileSource(
            name=f"{table}_source", path=f"{table}.parquet", timestamp_field=TIMESTAMP, created_timestamp_column=CREATED
        )
    if kind == "postgres":
        from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource

        return PostgreSQLSource(
            name=f"{table}_source", table=table, timestamp_field=TIMESTAMP, created_timestamp_column=CREATED
        )
    raise ConfigurationError(f"{VARIABLE}={kind!r} is unknown.", "Use file or postgres.")
