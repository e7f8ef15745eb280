"""``arthaflow audit`` on a real log: its verdicts, exit codes, and what it writes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import text
from typer.testing import CliRunner

from components.records.database import Database, open_database
from components.records.deployments import record_deployment
from components.records.pseudonym import pseudonym
from components.settings import settings
from pipelines.cli import app
from tests.support.prediction_log import entry, logged

FIRST = str(uuid.UUID(int=1))


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A home whose log has two predictions, one about user-17, of a version that was promoted."""
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    settings.cache_clear()
    entries = [entry(prediction_id=FIRST, user=pseudonym("user-17", "user")), entry()]
    made = logged(settings(), entries)
    record_deployment(made, "price_forecast", "3", "local", "rollout", "as good as version 2", action="promoted")
    yield made
    made.close()
    settings.cache_clear()


def audit(*words: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, ["audit", *words], input=answer)


def told(*words: str) -> dict[str, object]:
    result = audit(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_verify_finds_a_sound_log_sound_and_a_changed_one_changed(database: Database) -> None:
    assert "is sound" in audit("verify").stdout
    with database.write() as connection:
        connection.execute(text("UPDATE ml_predictions SET model_version = '4' WHERE chain_seq = 2"))
    result = audit("verify", "--json")
    assert result.exit_code == 1
    assert (json.loads(result.stdout)["bad_seq"], json.loads(result.stdout)["ok"]) == (2, False)
    assert "tampered with at entry 2" in audit("verify").stdout


def test_an_anchor_that_was_kept_shows_an_end_that_was_cut(database: Database, tmp_path: Path) -> None:
    kept = audit("anchor").stdout.strip()
    (tmp_path / "audit" / "anchors.log").unlink()
    assert audit("verify", "--anchor", kept).exit_code == 0
    with database.write() as connection:
        connection.execute(text("DELETE FROM audit_chain WHERE seq = 2"))
        connection.execute(text("DELETE FROM ml_predictions WHERE chain_seq = 2"))
    assert audit("verify").exit_code == 0
    result = audit("verify", "--anchor", kept)
    assert (result.exit_code, "cut off" in result.stdout) == (1, True)


def test_the_drainer_anchors_in_the_home_by_itself(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("DELETE FROM audit_chain WHERE seq = 2"))
        connection.execute(text("DELETE FROM ml_predictions WHERE chain_seq = 2"))
    assert audit("verify").exit_code == 1


def test_an_anchor_that_is_none_is_refused(database: Database) -> None:
    result = audit("verify", "--anchor", "12")
    assert "no anchor" in str(result.exception)


def test_served_and_why_tell_the_version_and_its_reason(database: Database) -> None:
    served = audit("served", "price_forecast", "--json")
    assert [(each["version"], each["reason"]) for each in json.loads(served.stdout)] == [("3", "as good as version 2")]
    assert "as good as version 2" in audit("served", "price_forecast").stdout
    story = told("why", FIRST)
    assert story["audit"] == {"seq": 1, "hash": story["audit"]["hash"], "sound": True, "erased": False}  # type: ignore[index]
    assert "RELIANCE" in audit("why", FIRST).stdout
    assert "prediction log has no 'nothing'" in str(audit("why", "nothing").exception)
    assert "no date" in str(audit("served", "price_forecast", "--at", "yesterday").exception)


def test_why_says_when_a_prediction_was_changed(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE ml_predictions SET confidence = 1 WHERE chain_seq = 1"))
    assert "not as it was written" in audit("why", FIRST).stdout


def test_export_then_erase(database: Database, tmp_path: Path) -> None:
    assert told("export", "user-17", "--to", str(tmp_path / "out.zip"))["predictions"] == 1
    assert (tmp_path / "out.zip").stat().st_size > 0
    assert audit("erase", "user-17", "--reason", "asked", answer="n\n").exit_code == 1
    assert told("export", "user-17", "--to", str(tmp_path / "again"))["predictions"] == 1
    assert told("erase", "user-17", "--reason", "asked", "--yes")["predictions"] == 1
    assert told("export", "user-17", "--to", str(tmp_path / "after"))["predictions"] == 0
    assert audit("verify").exit_code == 0
    assert "erased" in audit("why", FIRST).stdout


def test_retention_counts_first(database: Database) -> None:
    assert told("retention", "--dry-run")["predictions"] == 0
    with database.write() as connection:
        assert connection.execute(text("SELECT count(*) FROM audit_chain")).scalar() == 2


def test_a_new_home_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path / "new"))
    settings.cache_clear()
    assert audit("verify").exit_code == 0
    open_database(settings()).close()
    settings.cache_clear()


def test_the_day_is_utc(database: Database) -> None:
    day = datetime.now(UTC).date().isoformat()
    assert len(json.loads(audit("served", "price_forecast", "--at", day, "--json").stdout)) == 1
