"""JSON in columns: what goes in comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from components.records.database import Database
from components.records.tables.types import Json


@pytest.mark.parametrize("value", [1, -2.5, "3", True, [1.0], {"a": 1e22}])
def test_a_value_that_is_no_object_is_read_again(tmp_path: Path, value: Any) -> None:
    database = Database(f"sqlite:///{tmp_path}/records.db")
    table = Table("t", MetaData(), Column("n", Integer), Column("v", Json()))
    with database.write() as connection:
        table.create(connection)
        connection.execute(insert(table).values(n=1, v=value))
        found = connection.execute(select(table.c.v)).scalar_one()
    assert (found, type(found)) == (value, type(value))
    database.close()
