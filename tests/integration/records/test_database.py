"""The database behind the records: transactions, what goes wrong, and values that mean the same on both."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from components.errors import ConfigurationError, InvalidRequest
from components.records.database import Database, RecordsUnavailable, open_database
from components.records.models import ensure_model, find_model
from components.records.tables import feature_values, ml_ab_tests, ml_models, model_experiments, model_serving_logs
from components.records.upsert import insert_missing, upsert
from components.settings import Settings
from inference.ports import free_port
from tests.support.postgres import needs_postgres
from tests.support.records import database, database_url, postgres_server, postgres_url  # noqa: F401

INDIA = timezone(timedelta(hours=5, minutes=30))


def kept(records: Database, **values: Any) -> dict[str, Any]:
    """Write a row of a table with many types, and read it back."""
    row = {"entity_type": "instrument", "entity_id": "SP500", "timestamp": datetime(2026, 1, 1, tzinfo=UTC), **values}
    with records.write() as connection:
        number = connection.execute(insert(feature_values).values(**row).returning(feature_values.c.id)).scalar_one()
    with records.read() as connection:
        found = connection.execute(select(feature_values).where(feature_values.c.id == number)).mappings().one()
    return dict(found)


def test_sqlite_is_set_up_to_lose_nothing(tmp_path: Path) -> None:
    records = open_database(Settings(home=tmp_path / "deep" / "home"))
    with records.read() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    records.close()


def test_moments_are_utc_and_need_a_zone(database: Database) -> None:  # noqa: F811
    row = kept(database, timestamp=datetime(2026, 11, 21, 5, 30, 0, 123456, tzinfo=INDIA))
    assert row["timestamp"] == datetime(2026, 11, 21, 0, 0, 0, 123456, tzinfo=UTC)
    assert row["timestamp"].utcoffset() == timedelta(0)
    assert abs(row["created_at"] - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(Exception, match="has no time zone"):
        kept(database, timestamp=datetime(2026, 11, 21))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (0.1 + 0.2, 0.3), (12345678.12345678, 12345678.12345678), (-0.000000004, 0.0), (float("nan"), None),
        (float("inf"), None), (1e10, None), (9999999999.0, 9999999999.0), (7, 7.0), (None, None),
    ],
)  # fmt: skip
def test_numbers_are_rounded_to_the_documents_scale(database: Database, given: Any, found: Any) -> None:  # noqa: F811
    assert kept(database, feature_value=given)["feature_value"] == found


def test_texts_and_vectors(database: Database) -> None:  # noqa: F811
    row = kept(database, entity_id="x" * 200, feature_value_text="a\x00b", feature_vector=[0.5, 1.25])
    assert (len(row["entity_id"]), row["feature_value_text"], row["feature_vector"]) == (100, "a\ufffdb", [0.5, 1.25])
    with database.read() as connection:
        query = select(feature_values.c.id).where(feature_values.c.entity_id == "x" * 200)
        assert connection.execute(query).scalar() == row["id"]


def test_json_takes_what_applications_send(database: Database) -> None:  # noqa: F811
    sent = {"name": "a\x00b", "x": [1.5, float("nan"), None, True], "nested": {"\x00": 2**53, "é": "😀"}}
    with database.write() as connection:
        number = ensure_model(connection, "tiny", "1")
        connection.execute(ml_models.update().values(model_config=sent, model_metadata=None))
    with database.read() as connection:
        row = connection.execute(select(ml_models).where(ml_models.c.id == number)).one()
        nulls = connection.execute(select(ml_models.c.id).where(ml_models.c.model_metadata.is_(None))).all()
    want = {"name": "a\ufffdb", "x": [1.5, None, None, True], "nested": {"\ufffd": 2**53, "é": "😀"}}
    assert row.model_config == want
    assert len(nulls) == 1


@pytest.mark.parametrize(
    ("given", "found"),
    [("203.0.113.7", "203.0.113.7"), ("203.0.113.0/24", "203.0.113.0/24"), ("2001:db8::1", "2001:db8::1"),
     ("unix:", None), ("", None), (None, None)],
)  # fmt: skip
def test_addresses(database: Database, given: Any, found: Any) -> None:  # noqa: F811
    with database.write() as connection:
        connection.execute(insert(model_serving_logs).values(request_id="r", inference_time_ms=1, client_ip=given))
        assert connection.execute(select(model_serving_logs.c.client_ip)).scalar() == found


def test_an_unknown_reference_and_a_second_version_are_refused(database: Database) -> None:  # noqa: F811
    with pytest.raises(IntegrityError):
        kept(database, feature_id=uuid.uuid4())
    with database.write() as connection:
        ensure_model(connection, "tiny", "1")
    row = {"model_name": "tiny", "model_version": "1", "model_type": "x", "model_file_path": "", "model_config": {}}
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.execute(insert(ml_models).values(**row))


def test_a_version_has_one_row_however_many_ask(database: Database) -> None:  # noqa: F811
    start, found = threading.Barrier(6), []

    def ask() -> None:
        start.wait()
        with database.write() as connection:
            found.append(ensure_model(connection, "tiny", "1"))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 6
    assert len(set(found)) == 1


def test_what_fails_leaves_nothing(database: Database) -> None:  # noqa: F811
    def fail() -> None:
        with database.write() as connection:
            ensure_model(connection, "tiny", "1")
            raise InvalidRequest("Something else was wrong.")

    with pytest.raises(InvalidRequest):
        fail()
    with database.read() as connection:
        assert find_model(connection, "tiny", "1") is None


def test_upsert_changes_what_is_given_and_keeps_the_rest(database: Database) -> None:  # noqa: F811
    first = {"model_name": "tiny", "model_version": "1", "model_type": "x", "model_file_path": "a", "model_config": {}}
    with database.write() as connection:
        assert insert_missing(
            connection, ml_models, {**first, "created_by": "somebody"}, ("model_name", "model_version")
        )
        assert not insert_missing(connection, ml_models, first, ("model_name", "model_version"))
        before = connection.execute(select(ml_models)).one()
        upsert(connection, ml_models, {**first, "model_type": "nlp"}, ("model_name", "model_version"))
        after = connection.execute(select(ml_models)).one()
    assert (after.id, after.model_type, after.created_by) == (before.id, "nlp", "somebody")
    assert after.created_at == before.created_at
    assert after.updated_at > before.updated_at


def test_document_4s_view_shows_the_experiments(database: Database) -> None:  # noqa: F811
    row = {
        "experiment_name": "blend",
        "start_date": datetime(2026, 1, 1, tzinfo=UTC),
        "end_date": datetime(2026, 2, 1, tzinfo=UTC),
        "traffic_split": 0.5,
    }
    with database.write() as connection:
        connection.execute(insert(model_experiments).values(**row))
        query = "SELECT test_name, variant_model_id, traffic_split, status FROM ml_ab_tests"
        name, variant, split, status = connection.execute(text(query)).one()
        same = connection.execute(select(ml_ab_tests)).one()
    assert (name, variant, float(split), status) == ("blend", None, 0.5, "running")
    assert (same.test_name, same.traffic_split) == ("blend", 0.5)


@needs_postgres
def test_a_database_that_is_not_there_is_one_clear_error_without_the_password() -> None:
    url = f"postgresql+psycopg://arthaflow:hunter2@127.0.0.1:{free_port()}/records"
    with pytest.raises(ConfigurationError, match="cannot be opened") as caught:
        open_database(Settings(database_url=url))
    assert "arthaflow:***@127.0.0.1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "records.db").mkdir()
    with pytest.raises(ConfigurationError, match=r"records\.db cannot be opened: unable to open"):
        open_database(Settings(home=tmp_path))


@pytest.mark.parametrize("url", ["mysql://host/db", "nonsense", "sqlite+unknown:///x", "oracle://host/x"])
def test_another_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Database(url)


def test_a_plain_postgresql_url_means_our_driver() -> None:
    assert Database("postgresql://somebody@host/x").name == "postgresql+psycopg://somebody@host/x"


def test_a_locked_file_is_unavailable_and_not_a_bug(tmp_path: Path) -> None:
    records = open_database(Settings(home=tmp_path))
    other = Database(str(records.url))
    with other.read() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    with (
        records.write(),
        pytest.raises(RecordsUnavailable, match="locked") as caught,
        other.write(),
    ):
        raise AssertionError("the lock was given twice")
    assert (caught.value.status, caught.value.retry_after_s) == (503, 5.0)
    records.close()
    other.close()
