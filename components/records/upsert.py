"""Insert what may be there already, in one statement, on both databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(connection: Connection, table: Table, values: Mapping[str, Any], unique: Sequence[str]) -> bool:
    """Insert a row unless one with the same ``unique`` columns is there; return whether it was inserted."""
    statement = _insert(connection, table).values(**values).on_conflict_do_nothing(index_elements=list(unique))
    return connection.execute(statement.returning(*table.primary_key)).first() is not None


def upsert(connection: Connection, table: Table, values: Mapping[str, Any], unique: Sequence[str]) -> None:
    """Insert a row, or give the one with the same ``unique`` columns these values."""
    statement = _insert(connection, table).values(**values)
    changed = {table.c[name]: statement.excluded[name] for name in values if name not in unique}
    changed |= {column: column.onupdate.arg(None) for column in table.c if column.onupdate is not None}  # type: ignore[attr-defined]
    connection.execute(statement.on_conflict_do_update(index_elements=list(unique), set_=changed))


def _insert(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
