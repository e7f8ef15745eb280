"""The log under stress: a full disk, a database that goes and comes back, two writers on one chain, poison, damage."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from components.errors import InvalidRequest
from components.records.chain import AnotherAuditKey
from components.records.database import open_database
from components.records.drainer import drain
from components.records.erasure import erase
from components.records.framing import Found, frame
from components.records.journal import LogFull, Position, segment_path
from components.records.keys import audit_key
from components.records.landing import Landing
from components.records.log import LogBehind, LogNotDurable, PredictionLog
from components.records.quarantine import Quarantine
from components.records.segments import Batch, claim
from components.records.tables import ml_models, ml_predictions, model_serving_logs
from components.records.verification import verify
from components.settings import Settings
from tests.support.postgres import needs_postgres
from tests.support.prediction_log import entry, journal_folder, left_behind, logged, prediction_ids, request_entry
from tests.support.records import database_url, postgres_server, postgres_url  # noqa: F401


@pytest.fixture
def config(tmp_path: Path, database_url: str) -> Settings:  # noqa: F811
    made = Settings(home=tmp_path, database_url=database_url, audit_key="k" * 32, pepper="p" * 32)
    open_database(made).close()
    return made


@asynccontextmanager
async def running(config: Settings, **options: float) -> AsyncIterator[PredictionLog]:
    log = PredictionLog(journal_folder(config), config, **options)  # type: ignore[arg-type]
    await log.start()
    try:
        yield log
    finally:
        await log.close()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the kernel refuse what would make a file larger, as it refuses what a full disk cannot take."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def sound(config: Settings) -> list[str]:
    """Return the log's ids, having verified it."""
    database = open_database(config)
    try:
        verdict = verify(database, audit_key(config))
        assert verdict.ok, verdict
        return prediction_ids(database)
    finally:
        database.close()


def test_a_prediction_comes_back_as_it_was_logged(config: Settings) -> None:
    told = entry(inputs={"a": [1, None, 0.1]}, output=None, value=None, error="MODEL_SLOW", cached=True, user="u" * 32)

    async def log_them() -> None:
        async with running(config) as log:
            log.serve(request_entry(status=504, error_type="ModelSlow"))
            await log.write(told, durable=True)

    asyncio.run(log_them())
    database = open_database(config)
    with database.read() as connection:
        row = connection.execute(select(ml_predictions)).mappings().one()
        asked = connection.execute(select(model_serving_logs)).mappings().one()
        model = connection.execute(select(ml_models.c.model_name).where(ml_models.c.id == row["model_id"])).scalar()
    database.close()
    assert (row["input_features"], row["output"], row["error"], row["cached"]) == (
        told.inputs,
        None,
        "MODEL_SLOW",
        True,
    )
    assert (row["created_at"], row["user_pseudonym"], row["model_version"], model) == (
        told.at,
        "u" * 32,
        "3",
        told.model,
    )
    assert (asked["status"], asked["error_occurred"], asked["caller"]) == (504, True, "c" * 32)
    assert sound(config) == [told.prediction_id]


def test_a_full_disk_refuses_and_leaves_nothing_half_written(config: Settings) -> None:
    many = [entry() for _ in range(50)]

    async def log_them() -> list[str]:
        async with running(config) as log:
            await log.write(entry(prediction_id="before"), durable=True)
            with largest_file(8000):
                got = await asyncio.gather(*(log.write(each) for each in many), return_exceptions=True)
            refused = [each for each in got if isinstance(each, LogFull)]
            assert refused, "the disk was not full"
            assert len(refused) + got.count(None) == len(many)
            assert (refused[0].status, refused[0].retry_after_s) == (503, 5.0)
            await log.write(entry(prediction_id="after"), durable=True)
            return [each.prediction_id for each, result in zip(many, got, strict=True) if result is None]

    taken = asyncio.run(log_them())
    assert len(taken) > 0
    assert sound(config) == ["before", *taken, "after"]


def test_a_backlog_beyond_its_bound_pushes_back(config: Settings) -> None:
    async def log_them() -> None:
        async with running(config, backlog_bytes=2000) as log:
            while log.backlog() <= 2000:
                await log.write(entry())
            with pytest.raises(LogBehind) as refused:
                await log.write(entry())
            assert (refused.value.status, refused.value.retry_after_s) == (503, 2.0)
            while log.backlog():
                await asyncio.sleep(0.01)
            await log.write(entry())

    asyncio.run(log_them())
    assert len(sound(config)) >= 3


def test_what_no_json_can_say_is_refused_at_once(config: Settings) -> None:
    async def log_it() -> None:
        async with running(config) as log:
            with pytest.raises(InvalidRequest, match="cannot be logged"):
                await log.write(entry(inputs={"a": object()}))
            await log.write(entry(prediction_id="p", inputs={"a": "nul \0 inside"}, entity_id="x" * 300), durable=True)

    asyncio.run(log_it())
    assert sound(config) == ["p"]


def test_a_log_that_was_never_started_waits_for_nothing(config: Settings) -> None:
    log = PredictionLog(journal_folder(config), config)
    assert log.backlog() == 0
    asyncio.run(log.close())
    assert not journal_folder(config).exists()


def test_a_cancelled_write_harms_no_other(config: Settings) -> None:
    async def log_them() -> None:
        async with running(config) as log:
            given_up, kept = (asyncio.ensure_future(log.write(entry(prediction_id=name))) for name in ("a", "b"))
            await asyncio.sleep(0)
            given_up.cancel()
            await kept

    asyncio.run(log_them())
    assert sound(config) == ["a", "b"]


def test_two_writers_share_one_chain(config: Settings) -> None:
    async def log_them() -> list[str]:
        entries = [entry() for _ in range(400)]
        async with running(config) as one, running(config) as other:
            await asyncio.gather(
                *(each.write(told) for each, half in ((one, entries[::2]), (other, entries[1::2])) for told in half)
            )
        return [told.prediction_id for told in entries]

    assert set(asyncio.run(log_them())) == set(sound(config))
    with open_database(config).read() as connection:
        numbers = connection.execute(select(ml_predictions.c.chain_seq)).scalars()
        assert sorted(numbers) == list(range(1, 401))


@needs_postgres
def test_the_database_may_go_and_come_back(
    tmp_path: Path,
    postgres_url: str,  # noqa: F811
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = Settings(home=tmp_path, database_url=postgres_url, audit_key="k" * 32, pepper="p" * 32)
    open_database(config).close()
    server, name = postgres_url.replace("+psycopg", "").rsplit("/", 1)

    def allow(connections: bool) -> None:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {connections}')
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    async def log_them() -> None:
        async with running(config, durable_timeout_s=0.5) as log:
            await log.write(entry(prediction_id="before"))
            while log.backlog():
                await asyncio.sleep(0.01)
            allow(False)
            await log.write(entry(prediction_id="meanwhile"))
            with pytest.raises(LogNotDurable):
                await log.write(entry(prediction_id="not in time"), durable=True)
            assert log.backlog() > 0
            allow(True)
            while log.backlog():
                await asyncio.sleep(0.01)

    asyncio.run(log_them())
    assert sound(config) == ["before", "meanwhile", "not in time"]
    told = capfd.readouterr().err
    assert (told.count("predictions wait in the journal"), told.count("the database is back")) == (1, 1)


def test_poison_is_set_aside_and_blocks_nobody(config: Settings, caplog: pytest.LogCaptureFixture) -> None:
    good = [entry(prediction_id=f"p{n}") for n in range(6)]
    database = logged(config, good[:1])
    home = left_behind(config, [*good[1:3], good[0], *good[3:]])
    with segment_path(home, 1).open("ab") as file:
        file.write(frame(b"P", b"no json") + frame(b"P", orjson.dumps({"model": "m"})) + frame(b"?", b"{}"))
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        drain(journal_folder(config), config)
    assert prediction_ids(database) == [each.prediction_id for each in good]
    assert verify(database, audit_key(config)).ok
    database.close()
    lines = (journal_folder(config) / "quarantine" / f"{home.name}.jsonl").read_bytes().splitlines()
    assert len(lines) == 4
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 4
    assert "RELIANCE" not in caplog.text


def test_damage_in_the_middle_costs_that_record_only(config: Settings) -> None:
    home = left_behind(config, [entry(prediction_id=f"p{n}") for n in range(3)])
    segment = segment_path(home, 1)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0xFF
    segment.write_bytes(data)
    drain(journal_folder(config), config)
    assert sound(config) == ["p0", "p2"]
    assert len((journal_folder(config) / "quarantine" / f"{home.name}.jsonl").read_bytes().splitlines()) == 1


def test_torn_records_of_many_writers_are_cut(config: Settings) -> None:
    torn = frame(b"P", orjson.dumps(entry(prediction_id="torn", inputs=[], output=[])))
    kept = []
    for cut in range(0, len(torn), 31):
        home = left_behind(config, [])
        name = f"whole-{cut}"
        whole = frame(b"P", orjson.dumps(entry(prediction_id=name)))
        segment_path(home, 1).write_bytes(whole + torn[:cut])
        kept.append(name)
    drain(journal_folder(config), config)
    assert set(sound(config)) == set(kept)
    assert not (journal_folder(config) / "quarantine").exists()


def test_drained_bytes_leave_the_journal(config: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.records.log.TURN_S", 0.05)

    async def log_it() -> None:
        async with running(config) as log:
            await log.write(entry(at=datetime.now(UTC)), durable=True)
            while any(path.stat().st_size for path in journal_folder(config).glob("*/*.log")):
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(log_it(), 60))


def test_segments_turn_and_are_deleted(config: Settings) -> None:
    async def log_them() -> None:
        log = PredictionLog(journal_folder(config), config)
        await log.start()
        log._journal.segment_bytes = 4096
        for _ in range(60):
            await log.write(entry())
        assert log._journal.position.segment > 5
        while log.backlog():
            await asyncio.sleep(0.01)
        assert len(list(journal_folder(config).glob("*/*.log"))) == 1
        await log.close()

    asyncio.run(log_them())
    assert len(sound(config)) == 60


def test_another_audit_key_extends_no_chain(tmp_path: Path, database_url: str) -> None:  # noqa: F811
    config = Settings(home=tmp_path, database_url=database_url, audit_key="k" * 32, pepper="p" * 32)
    database = logged(config, [entry(prediction_id="first")])
    strange = Landing(database, b"x" * 32)
    body = orjson.dumps(entry(prediction_id="second"))
    batch = Batch([Found(b"P", body, len(body))], Position(1, 0), Position(1, len(body)))
    with pytest.raises(AnotherAuditKey, match="Entry 1, the audit chain's last, does not fit"):
        strange.land(batch, Quarantine(tmp_path / "quarantine", "w"), "w")
    other = config.model_copy(update={"audit_key": SecretStr("x" * 32)})
    with pytest.raises(AnotherAuditKey):
        erase(database, "asha", "asked by letter", other)
    assert prediction_ids(database) == ["first"]
    assert verify(database, audit_key(config)).ok
    database.close()


def test_two_drainers_that_look_at_one_dead_journal_do_not_stumble(tmp_path: Path) -> None:
    config = Settings(home=tmp_path, audit_key="k" * 32, pepper="p" * 32)
    home = left_behind(config, [entry()])
    segments = claim(home)
    assert segments is not None
    assert claim(home) is None
    (home / "drain.lock").unlink()
    (home / "drain.lock").touch()  # what one that looked in too late leaves
    segments.remove()
    assert list(journal_folder(config).iterdir()) == []
