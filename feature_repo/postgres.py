"""The offline tables of a cluster: PostgreSQL. Feast reads them itself but cannot write them, so this does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from components.errors import ConfigurationError

if TYPE_CHECKING:
    from psycopg import Connection  # type: ignore[import-not-found]

KEYS = ("entity", "timestamp")
VARIABLES = ("HOST", "PORT", "DATABASE", "USER", "PASSWORD", "SSLMODE")


def upsert(table: str, frame: pd.DataFrame) -> None:
    """Add rows to a table, which is made if it is not there; rows with the same entity and time are replaced.

    Parameters
    ----------
    table : str
        Name of the table.
    frame : DataFrame
        ``entity``, ``timestamp`` and ``created`` with a zone, and columns of numbers or of arrays of numbers.

    Raises
    ------
    ConfigurationError
        If psycopg is not installed, or a ``FEAST_POSTGRES_*`` variable is missing.
    """
    connection = _connect()
    from psycopg import sql

    columns = list(frame.columns)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    values = sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(c)) for c in columns)
    with connection, connection.cursor() as cursor:
        types = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(c), _type(frame[c])) for c in columns)
        key = sql.SQL(", ").join(map(sql.Identifier, KEYS))
        into, scratch = sql.Identifier(table), sql.Identifier(f"new_{table}")
        cursor.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({}))").format(into, types, key))
        cursor.execute(sql.SQL("CREATE TEMP TABLE {} (LIKE {}) ON COMMIT DROP").format(scratch, into))
        with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(scratch, names)) as copy:
            for row in frame.itertuples(index=False):
                copy.write_row([_value(v) for v in row])
        insert = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT ({}) DO UPDATE SET {}")
        cursor.execute(insert.format(into, names, names, scratch, key, values))


def _connect() -> Connection[Any]:
    missing = [f"FEAST_POSTGRES_{name}" for name in VARIABLES if f"FEAST_POSTGRES_{name}" not in os.environ]
    if missing:
        raise ConfigurationError(f"{missing[0]} is not set.", "feature_store.cluster.yaml lists what it needs.")
    try:
        import psycopg
    except ImportError as error:
        raise ConfigurationError("psycopg is not installed.", "Install feast[postgres,redis].") from error
    host, port, database, user, password, mode = (os.environ[f"FEAST_POSTGRES_{name}"] for name in VARIABLES)
    return psycopg.connect(host=host, port=int(port), dbname=database, user=user, password=password, sslmode=mode)


def _type(column: pd.Series) -> Any:
    from psycopg import sql

    if pd.api.types.is_datetime64_any_dtype(column):
        return sql.SQL("timestamptz NOT NULL")
    if pd.api.types.is_numeric_dtype(column):
        return sql.SQL("double precision")
    return sql.SQL("real[]") if isinstance(column.iloc[0], np.ndarray | list) else sql.SQL("text NOT NULL")


def _value(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
