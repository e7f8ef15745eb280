"""The product's records for tests: the same test on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.records.database import Database
from tests.support.postgres import ABSENT, create_database, fresh_database, postgres_server, postgres_url

__all__ = ["database", "database_url", "postgres_server", "postgres_url"]

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.skipif(bool(ABSENT), reason=ABSENT or "here"))]
_migrated: dict[str, str] = {}
"""Migrated once per session, and copied: SQLite's file, and PostgreSQL's database by its server."""


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture(params=BOTH)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """Migrated records without rows, on each of the two."""
    if request.param == "sqlite":
        path = shutil.copy(_migrated_file(tmp_path_factory), tmp_path / "records.db")
        yield from _opened(f"sqlite:///{path}")
        return
    server = request.getfixturevalue("postgres_server")
    with fresh_database(server, _migrated_template(server)) as url:
        yield from _opened(url)


def _opened(url: str) -> Iterator[Database]:
    records = Database(url)
    yield records
    records.close()


def _migrated_file(factory: pytest.TempPathFactory) -> str:
    if "sqlite" not in _migrated:
        path = str(factory.mktemp("migrated") / "records.db")
        _migrate(f"sqlite:///{path}")
        _migrated["sqlite"] = path
    return _migrated["sqlite"]


def _migrated_template(server: str) -> str:
    if server not in _migrated:
        name = create_database(server)
        _migrate(f"{server}/{name}")
        _migrated[server] = name
    return _migrated[server]


def _migrate(url: str) -> None:
    records = Database(url)
    records.migrate()
    records.close()
