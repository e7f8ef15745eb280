"""A home with records, the tests' models, and settings that point there; for this process and those it starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.records.database import Database, open_database
from components.settings import settings
from pipelines.jobs.config import job_settings
from tests.support.records import database, database_url, postgres_server, postgres_url
from tests.support.tiny import test_rooms

__all__ = ["database", "database_url", "postgres_server", "postgres_url"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh home."""
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("ARTHAFLOW_DATABASE_URL", raising=False)
    settings.cache_clear()
    job_settings.cache_clear()
    with test_rooms():
        yield tmp_path
    settings.cache_clear()
    job_settings.cache_clear()


@pytest.fixture
def records(home: Path) -> Iterator[Database]:
    """The records of that home."""
    found = open_database()
    yield found
    found.close()
