"""The management routes over records on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.records.database import Database
from tests.support.management import Api
from tests.support.records import database, database_url, postgres_server, postgres_url
from tests.support.tiny import test_rooms

__all__ = ["database", "database_url", "postgres_server", "postgres_url"]


@pytest.fixture(autouse=True)
def rooms() -> Iterator[None]:
    with test_rooms():
        yield


@pytest.fixture
def api(database: Database) -> Api:
    return Api(database)
