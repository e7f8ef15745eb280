"""The product's records for tests: the same test on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.records.database import Database
from tests.support.postgres import ABSENT, postgres_server, postgres_url

__all__ = ["database", "database_url", "postgres_server", "postgres_url"]

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.skipif(bool(ABSENT), reason=ABSENT or "here"))]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Migrated records, empty, on each of the two."""
    records = Database(database_url)
    records.migrate()
    yield records
    records.close()
