"""Erasure, export and retention: what must go is gone, byte for byte, what must stay stays, and the chain is sound."""

from __future__ import annotations

import csv
import io
import subprocess
import threading
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import func, insert, select

from components.errors import InvalidRequest
from components.records import documents
from components.records.database import Database
from components.records.drainer import drain
from components.records.erasure import erase
from components.records.export import export
from components.records.keys import audit_key
from components.records.outcomes import Outcome, join_orphans, report
from components.records.pseudonym import pseudonym
from components.records.retention import RetentionPolicy, retain
from components.records.tables import (
    audit_chain,
    audit_checkpoints,
    experiment_assignments,
    experiment_observations,
    feature_values,
    ml_predictions,
    ml_training_jobs,
    model_experiments,
    model_serving_logs,
    outcomes,
)
from components.records.verification import verify
from components.settings import Settings
from tests.support.prediction_log import entry, journal_folder, left_behind, logged, prediction_ids, request_entry
from tests.support.records import database_url, postgres_server, postgres_url  # noqa: F401

SECRET = "Sunita Deshpande of Nagpur, PAN ABCPD1234E"
NOW = datetime(2031, 3, 1, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path, database_url: str) -> Settings:  # noqa: F811
    return Settings(home=tmp_path, database_url=database_url, audit_key="k" * 32, pepper="p" * 32)


@pytest.fixture
def database(config: Settings) -> Iterator[Database]:
    """A log with predictions about Sunita (s1 to s3), one that she asked for herself (s4), and of others (o1 to o30)."""
    user, caller = pseudonym("sunita", "user", config), pseudonym("sunita", "caller", config)
    hers = {"inputs": {"note": SECRET}, "output": {"answer": SECRET}, "user": user}
    entries = [entry(prediction_id=f"o{n}") for n in range(1, 31)]
    entries[10:10] = [entry(prediction_id=f"s{n}", **hers) for n in (1, 2)]
    entries += [
        entry(prediction_id="s3", inputs={"note": SECRET}, entity_type="user", entity_id="sunita"),
        entry(prediction_id="s4", caller=caller, inputs={"note": SECRET}),
    ]
    made = logged(config, [*entries, request_entry(caller=caller, client="203.0.113.0/24"), request_entry()])
    _more(made, user)
    yield made
    made.close()


def _more(database: Database, user: str) -> None:
    now, experiment = datetime.now(UTC), uuid.uuid4()
    documents.put(database, "portfolio", "p-1", {"note": SECRET}, user=user, caller="app")
    documents.put(database, "portfolio", "p-2", {"note": "RELIANCE"}, caller="app")
    with database.write() as connection:
        run = {"experiment_name": "e", "start_date": now, "end_date": now}
        connection.execute(insert(model_experiments).values(id=experiment, **run))
        place = {"experiment_id": experiment, "user_pseudonym": user}
        connection.execute(insert(experiment_assignments).values(variant="control", **place))
        seen = {"observation_key": "k", "metric": "m", "value": 1.0, "observed_at": now}
        connection.execute(insert(experiment_observations).values(**place, **seen))
        feature = {"entity_type": "user", "timestamp": now, "feature_value_text": SECRET}
        connection.execute(insert(feature_values).values(entity_id="sunita", **feature))
        connection.execute(insert(feature_values).values(entity_id="other", **{**feature, "feature_value_text": "x"}))
        told = {"revision": 1, "status": "final", "source": "s", "observed_at": now, "actual_value": 1.0}
        connection.execute(insert(outcomes).values(prediction_id="s1", **told))
        connection.execute(insert(outcomes).values(prediction_id="o1", **told))


def count(database: Database, table: object) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def test_erasure_empties_what_is_hers_and_keeps_the_chain(database: Database, config: Settings) -> None:
    told: list[str] = []
    report = erase(database, "sunita", "asked by letter of 3 May", config, caches=[told.append])
    assert told == [pseudonym("sunita", "user", config)]
    counts = report.told()
    assert [counts[name] for name in ("predictions", "outcomes", "feature_values", "requests")] == [4, 1, 1, 1]
    assert [counts[name] for name in ("experiment_assignments", "experiment_observations", "documents")] == [1, 1, 1]
    with database.read() as connection:
        hers = ml_predictions.c.prediction_id.like("s%")
        rows = connection.execute(select(ml_predictions).where(hers)).mappings().all()
        asked = connection.execute(select(model_serving_logs)).mappings().all()
    for row in rows:
        assert (row["input_features"], row["output"], row["feature_hash"], row["salt"]) == (None, None, None, None)
        assert (row["user_pseudonym"], row["entity_id"], row["model_version"]) == (None, "", "3")
    assert sorted((row["caller"] or "-") for row in asked) == ["-", "c" * 32]
    assert [row["client_ip"] for row in asked if row["caller"] is None] == [None]
    verdict = verify(database, audit_key(config))
    assert (verdict.ok, verdict.predictions, verdict.erased) == (True, 34, 4), verdict


def test_erasing_again_finds_nothing_more(database: Database, config: Settings) -> None:
    erase(database, "sunita", "asked by letter", config)
    assert erase(database, "sunita", "asked again", config).predictions == 0
    assert verify(database, audit_key(config)).ok


def test_the_bytes_are_gone(database: Database, config: Settings) -> None:
    words = ["Sunita", "Nagpur", "ABCPD1234E", "sunita"]
    assert found_in(database, config, words) == set(words)
    erase(database, "sunita", "asked by letter", config)
    assert found_in(database, config, [*words, pseudonym("sunita", "user", config)]) == set()
    assert found_in(database, config, ["RELIANCE"]) == {"RELIANCE"}


def found_in(database: Database, config: Settings, words: list[str]) -> set[str]:
    """Return which words stand in the home's files (SQLite's among them), or in any row of PostgreSQL."""
    data = b"".join(path.read_bytes() for path in config.root.rglob("*") if path.is_file())
    if database.dialect == "postgresql":
        command = ["pg_dump", "--data-only", config.database_url.replace("+psycopg", "")]
        data += subprocess.run(command, check=True, capture_output=True).stdout
    return {word for word in words if word.encode() in data}


def test_what_waits_in_a_journal_is_erased_when_it_arrives(database: Database, config: Settings) -> None:
    user = pseudonym("sunita", "user", config)
    left_behind(config, [entry(prediction_id="late", user=user, inputs={"note": SECRET})])
    erase(database, "sunita", "asked by letter", config)
    left_behind(config, [entry(prediction_id="new", user=user, inputs={"note": "since then"})])
    drain(journal_folder(config), config)
    with database.read() as connection:
        query = select(ml_predictions.c.prediction_id, ml_predictions.c.input_features, ml_predictions.c.erased_at)
        rows = {row[0]: row for row in connection.execute(query)}
    assert (rows["late"][1], rows["late"][2] is not None) == (None, True)
    assert (rows["new"][1], rows["new"][2]) == ({"note": "since then"}, None)
    verdict = verify(database, audit_key(config))
    assert (verdict.ok, verdict.erased) == (True, 5), verdict
    assert found_in(database, config, ["Sunita"]) == set()


def test_what_was_set_aside_is_erased_too(database: Database, config: Settings) -> None:
    user = pseudonym("sunita", "user", config)
    left_behind(config, [entry(prediction_id="s1", user=user, inputs=SECRET), entry(prediction_id="o1")])
    drain(journal_folder(config), config)
    report = erase(database, "sunita", "asked by letter", config, journals=journal_folder(config))
    assert report.quarantined == 1
    assert found_in(database, config, ["Nagpur"]) == set()


@pytest.mark.parametrize(("user", "reason"), [("", "why"), ("sunita", " "), ("sunita", "Sunita asked for it")])
def test_a_reason_that_names_the_person_is_refused(
    database: Database, config: Settings, user: str, reason: str
) -> None:
    with pytest.raises(InvalidRequest):
        erase(database, user, reason, config)
    assert count(database, audit_chain) == 34


def test_an_export_has_everything_of_hers_and_nothing_else(
    database: Database, config: Settings, tmp_path: Path
) -> None:
    memory = io.BytesIO()
    counts = export(database, "sunita", memory, config)
    assert counts == {
        "predictions": 4,
        "outcomes": 1,
        "experiment_assignments": 1,
        "experiment_observations": 1,
        "reported_outcomes": 0,
        "training_jobs": 0,
        "experiments": 0,
        "feature_values": 1,
        "documents": 1,
        "requests": 1,
    }
    with zipfile.ZipFile(memory) as archive:
        rows = orjson.loads(archive.read("predictions.json"))
        lines = list(csv.DictReader(io.StringIO(archive.read("predictions.csv").decode())))
        assert orjson.loads(archive.read("manifest.json"))["rows"] == counts
    assert {row["prediction_id"] for row in rows} == {row["prediction_id"] for row in lines} == {"s1", "s2", "s3", "s4"}
    assert rows[0]["input_features"] == orjson.loads(lines[0]["input_features"]) == {"note": SECRET}
    assert export(database, "sunita", tmp_path / "out", config) == counts
    assert orjson.loads((tmp_path / "out" / "predictions.json").read_bytes()) == rows
    assert export(database, "nobody", io.BytesIO(), config)["predictions"] == 0


def test_retention_keeps_what_is_young_and_a_valid_chain(tmp_path: Path, database_url: str) -> None:  # noqa: F811
    config = Settings(home=tmp_path, database_url=database_url, audit_key="k" * 32, pepper="p" * 32)
    ages = {"six years": 6 * 366, "five years and a week": 1834, "four years": 4 * 365, "today": 0}
    entries = [entry(prediction_id=name, at=NOW - timedelta(days=days)) for name, days in ages.items()]
    requests = [request_entry(at=NOW - timedelta(days=days)) for days in (1000, 10)]
    database = logged(config, [*entries, *requests])
    _jobs(database)
    key = audit_key(config)
    planned = retain(database, key, now=NOW, dry_run=True).told()
    assert count(database, ml_predictions) == 4
    done = retain(database, key, now=NOW).told()
    assert done == {**planned, "dry_run": False}
    assert [done[name] for name in ("predictions", "chain_entries", "through", "requests")] == [2, 2, 2, 1]
    assert done["training_jobs"] == 1
    assert prediction_ids(database) == ["four years", "today"]
    verdict = verify(database, key)
    assert (verdict.ok, verdict.first, verdict.last, verdict.entries) == (True, 3, 5, 3), verdict
    assert retain(database, key, now=NOW).chain_entries == 0
    left_behind(config, [entry(prediction_id="tomorrow")])
    drain(journal_folder(config), config)
    assert verify(database, key).ok
    database.close()


def _jobs(database: Database) -> None:
    kinds = {"job_name": "j", "job_type": "training", "model_config": {}, "training_config": {}, "dataset_config": {}}
    with database.write() as connection:
        for status, days in (("completed", 400), ("completed", 300), ("running", 400)):
            at = NOW - timedelta(days=days)
            connection.execute(insert(ml_training_jobs).values(status=status, created_at=at, **kinds))


def test_retention_of_everything_keeps_the_chain_going(database: Database, config: Settings) -> None:
    key = audit_key(config)
    far = datetime.now(UTC) + timedelta(days=6 * 366)
    assert retain(database, key, now=far).predictions == 34
    verdict = verify(database, key)
    assert (verdict.ok, verdict.first, verdict.entries) == (True, 35, 1), verdict
    left_behind(config, [entry(prediction_id="next")])
    drain(journal_folder(config), config)
    assert verify(database, key).predictions == 1


@pytest.mark.parametrize("tamper", ["unsigned", "moved", "vanished"])
def test_a_tampered_checkpoint_shows(database: Database, config: Settings, tamper: str) -> None:
    key = audit_key(config)
    policy = RetentionPolicy(predictions_days=1)
    retain(database, key, policy, now=datetime.now(UTC) + timedelta(days=2))
    left_behind(config, [entry() for _ in range(3)])
    drain(journal_folder(config), config)
    with database.write() as connection:
        if tamper == "unsigned":
            connection.execute(audit_checkpoints.update().values(signature="0" * 64))
        elif tamper == "moved":
            connection.execute(audit_checkpoints.update().values(seq=36))
        else:
            connection.execute(audit_checkpoints.delete())
    verdict = verify(database, key)
    assert not verdict.ok
    assert ("checkpoint" in verdict.problem) == (tamper != "vanished")


def test_who_asked_about_somebody_forgotten_is_forgotten_too(tmp_path: Path, database_url: str) -> None:  # noqa: F811
    config = Settings(home=tmp_path, database_url=database_url, audit_key="k" * 32, pepper="p" * 32)
    user, caller = pseudonym("asha", "user", config), pseudonym("ravi", "caller", config)
    database = logged(config, [entry(prediction_id="p1", user=user, caller=caller), entry()])
    assert erase(database, "asha", "asked by letter", config).predictions == 1
    assert verify(database, audit_key(config)).ok
    assert erase(database, "ravi", "asked by letter too", config).predictions == 1
    with database.read() as connection:
        callers = connection.execute(select(ml_predictions.c.caller).order_by(ml_predictions.c.chain_seq)).scalars()
        assert list(callers) == [None, "c" * 32]
    assert verify(database, audit_key(config)).ok
    assert erase(database, "ravi", "asked again", config).predictions == 0
    database.close()


def test_requests_that_arrive_after_the_erasure_of_who_made_them_name_nobody(
    database: Database, config: Settings
) -> None:
    caller = pseudonym("sunita", "caller", config)
    late = [request_entry(request_id="late", caller=caller), entry(prediction_id="late", caller=caller)]
    left_behind(config, late)
    erase(database, "sunita", "asked by letter", config)
    drain(journal_folder(config), config)
    with database.read() as connection:
        query = select(model_serving_logs).where(model_serving_logs.c.request_id == "late")
        row = connection.execute(query).mappings().one()
        held = (
            connection.execute(select(ml_predictions).where(ml_predictions.c.prediction_id == "late")).mappings().one()
        )
    assert (row["caller"], row["client_ip"], row["trace_id"]) == (None, None, None)
    assert (held["caller"], held["output"], held["model_version"]) == (None, None, "3")
    assert verify(database, audit_key(config)).ok


def test_a_person_who_works_with_the_product_is_erased_where_they_worked(database: Database, config: Settings) -> None:
    user, caller = pseudonym("sunita", "user", config), pseudonym("sunita", "caller", config)
    now = datetime.now(UTC)
    with database.write() as connection:
        number = connection.execute(select(model_experiments.c.id)).scalar_one()
        hers = {"created_by": caller, "config": {"overrides": {user: "treatment", "o": "control"}, "seed": "s"}}
        connection.execute(model_experiments.update().values(**hers))
        place = {"experiment_id": number, "user_pseudonym": caller, "variant": "control"}
        connection.execute(insert(experiment_assignments).values(**place))
        told = {"prediction_id": "o2", "revision": 1, "status": "joined", "source": "s", "observed_at": now}
        connection.execute(insert(outcomes).values(reported_by=caller, actual_value=2.0, **told))
    counts = export(database, "sunita", io.BytesIO(), config)
    assert [counts[n] for n in ("experiment_assignments", "reported_outcomes", "experiments")] == [2, 1, 1]
    assert erase(database, "sunita", "asked by letter", config).experiment_assignments == 2
    counts = export(database, "sunita", io.BytesIO(), config)
    assert set(counts.values()) == {0}, counts
    with database.read() as connection:
        kept = connection.execute(select(model_experiments.c.config)).scalar_one()
        assert (
            connection.execute(select(outcomes.c.actual_value).where(outcomes.c.prediction_id == "o2")).scalar() == 2.0
        )
    assert kept == {"overrides": {"o": "control"}, "seed": "s"}


def test_outcomes_of_an_erased_prediction_are_refused_and_waiting_ones_go(database: Database, config: Settings) -> None:
    user = pseudonym("sunita", "user", config)
    assert [told.status for told in report(database, [Outcome("late", 3.0)])] == ["orphan"]
    left_behind(config, [entry(prediction_id="late", user=user)])
    erase(database, "sunita", "asked by letter", config)
    drain(journal_folder(config), config)
    assert join_orphans(database) == 0
    assert [told.status for told in report(database, [Outcome("s1", 3.0), Outcome("late", 3.0)])] == ["rejected"] * 2
    assert verify(database, audit_key(config)).ok
    assert count(database, outcomes) == 1


def test_outcomes_whose_predictions_never_came_go_with_the_predictions(database: Database, config: Settings) -> None:
    report(database, [Outcome("never", 3.0)])
    before = count(database, outcomes)
    assert retain(database, audit_key(config), now=datetime.now(UTC) + timedelta(days=1000)).outcomes == 0
    assert count(database, outcomes) == before
    assert retain(database, audit_key(config), now=NOW + timedelta(days=1000)).outcomes == before
    assert count(database, outcomes) == 0


def test_outcomes_reported_during_an_erasure_fill_nothing_again(tmp_path: Path, database_url: str) -> None:  # noqa: F811
    config = Settings(home=tmp_path, database_url=database_url, audit_key="k" * 32, pepper="p" * 32)
    user = pseudonym("sunita", "user", config)
    names = [f"p{n}" for n in range(1200)]
    database = logged(config, [entry(prediction_id=name, user=user) for name in names])
    over = threading.Event()

    def reporting(value: int) -> None:
        while not over.is_set():
            for name in names[::40]:
                report(database, [Outcome(name, float(value))])
            join_orphans(database)

    with ThreadPoolExecutor(3) as pool:
        reporters = [pool.submit(reporting, value) for value in range(3)]
        assert erase(database, "sunita", "asked by letter", config).predictions == len(names)
        over.set()
        for reporter in reporters:
            reporter.result()
    verdict = verify(database, audit_key(config))
    assert (verdict.ok, verdict.erased) == (True, len(names)), verdict
    assert count(database, outcomes) == 0
    database.close()
