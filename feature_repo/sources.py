"""Where the offline features lie: Parquet files on one machine, PostgreSQL tables on a cluster.

``ARTHAFLOW_FEATURE_SOURCE`` chooses: ``file`` (the default) or ``postgres``. Views and services are the same for both.
"""

from __future__ import annotations

from feast import FileSource
from feast.data_source import DataSource

from feature_repo.tables import on_cluster

TIMESTAMP = "timestamp"
CREATED = "created"


def source(table: str) -> DataSource:
    """Return the source of one table of features; file paths are relative to the folder of ``feature_store.yaml``.

    Raises
    ------
    ConfigurationError
        If ``ARTHAFLOW_FEATURE_SOURCE`` names no known kind.
    """
    name, times = f"{table}_source", {"timestamp_field": TIMESTAMP, "created_timestamp_column": CREATED}
    if not on_cluster():
        return FileSource(name=name, path=f"{table}.parquet", **times)
    from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource

    return PostgreSQLSource(name=name, table=table, **times)
