"""Every way to tamper with the log shows, with the first entry that is not as it was written and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from components.errors import InvalidRequest
from components.records import chain
from components.records.chain import Head, Link
from components.records.database import Database
from components.records.erasure import erase
from components.records.keys import audit_key
from components.records.pseudonym import pseudonym
from components.records.retention import RetentionPolicy, retain
from components.records.story import story
from components.records.tables import audit_chain
from components.records.verification import verify
from components.settings import Settings
from tests.support.prediction_log import entry, logged
from tests.support.records import database_url, postgres_server, postgres_url  # noqa: F401

KEY = "k" * 32
Log = tuple[Database, Settings]


@pytest.fixture
def log(tmp_path: Path, database_url: str) -> Iterator[Log]:  # noqa: F811
    """A log of 20 predictions p1 to p20; p5's person is forgotten, which entries 21 to 23 say."""
    config = Settings(home=tmp_path, database_url=database_url, audit_key=KEY, pepper="p" * 32)
    user = pseudonym("asha", "user", config)
    entries = [entry(prediction_id=f"p{n}", user=user if n == 5 else "") for n in range(1, 21)]
    database = logged(config, entries)
    assert erase(database, "asha", "asked by letter", config).predictions == 1
    yield database, config
    database.close()


def do(*statements: str) -> Callable[[Connection], None]:
    def tamper(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    return tamper


def forge_entry(connection: Connection) -> None:
    """Append an entry with every right link, by somebody who has not the key."""
    last = chain.head(connection)
    rows, _ = chain.extend(os.urandom(32), last, [Link("erasure", datetime.now(UTC), "p7", "0" * 64, {})])
    connection.execute(audit_chain.insert(), rows)
    assert chain.head(connection).seq == last.seq + 1


def rewrite_everything(connection: Connection) -> None:
    """Change a prediction, and compute the whole chain anew with another key."""
    connection.execute(text("UPDATE audit_chain SET payload_digest = hash WHERE seq = 7"))
    rows = connection.execute(audit_chain.select().order_by(audit_chain.c.seq)).mappings().all()
    connection.execute(audit_chain.delete())
    links = [Link(row["kind"], row["at"], row["reference"], row["payload_digest"], row["body"]) for row in rows]
    connection.execute(audit_chain.insert(), chain.extend(os.urandom(32), Head(0, chain.GENESIS), links)[0])


SWAP = (
    "UPDATE audit_chain SET seq = -7 WHERE seq = 7",
    "UPDATE audit_chain SET seq = 7 WHERE seq = 8",
    "UPDATE audit_chain SET seq = 8 WHERE seq = -7",
)
COPY = (
    "INSERT INTO ml_predictions (id, prediction_id, input_features, entity_type, entity_id, created_at) "
    "SELECT '00000000000000000000000000000001', 'forged', input_features, 'instrument', 'X', created_at "
    "FROM ml_predictions WHERE prediction_id = 'p9'"
)
TABLE = {
    "inputs changed": (
        do("UPDATE ml_predictions SET input_features = '{}' WHERE prediction_id = 'p7'"),
        7,
        "p7 was changed",
    ),
    "output changed": (
        do("""UPDATE ml_predictions SET output_prediction = '{"price": 1}' WHERE prediction_id = 'p7'"""),
        7,
        "p7 was changed",
    ),
    "version changed": (
        do("UPDATE ml_predictions SET model_version = '4' WHERE prediction_id = 'p7'"),
        7,
        "p7 was changed",
    ),
    "value changed": (
        do("UPDATE ml_predictions SET prediction_value = 1 WHERE prediction_id = 'p7'"),
        7,
        "p7 was changed",
    ),
    "confidence changed": (
        do("UPDATE ml_predictions SET confidence = 0.5 WHERE prediction_id = 'p7'"),
        7,
        "p7 was changed",
    ),
    "latency changed": (do("UPDATE ml_predictions SET latency_ms = 1 WHERE prediction_id = 'p7'"), 7, "p7 was changed"),
    "caller changed": (do("UPDATE ml_predictions SET caller = 'x' WHERE prediction_id = 'p7'"), 7, "p7 was changed"),
    "trace changed": (do("UPDATE ml_predictions SET trace_id = 'x' WHERE prediction_id = 'p7'"), 7, "p7 was changed"),
    "time changed": (
        do("UPDATE ml_predictions SET created_at = '2020-01-01 00:00:00.000000' WHERE prediction_id = 'p7'"),
        7,
        "p7 was changed",
    ),
    "salt removed": (do("UPDATE ml_predictions SET salt = NULL WHERE prediction_id = 'p7'"), 7, "salt is gone"),
    "salt garbled": (do("UPDATE ml_predictions SET salt = 'zz' WHERE prediction_id = 'p7'"), 7, "p7 was changed"),
    "prediction deleted": (do("DELETE FROM ml_predictions WHERE prediction_id = 'p7'"), 7, "p7 was deleted"),
    "prediction and entry deleted": (
        do("DELETE FROM ml_predictions WHERE prediction_id = 'p7'", "DELETE FROM audit_chain WHERE seq = 7"),
        7,
        "entry 7 is missing",
    ),
    "entries deleted": (do("DELETE FROM audit_chain WHERE seq BETWEEN 7 AND 9"), 7, "entries 7 to 9 are missing"),
    "first entry deleted": (do("DELETE FROM audit_chain WHERE seq = 1"), 1, "entry 1 is missing"),
    "prediction inserted": (do(COPY), 0, "forged was inserted"),
    "entry changed": (do("UPDATE audit_chain SET payload_digest = hash WHERE seq = 7"), 7, "was changed, or inserted"),
    "entry's time changed": (
        do("UPDATE audit_chain SET at = '2020-01-01 00:00:00.000000' WHERE seq = 7"),
        7,
        "was changed, or inserted",
    ),
    "entry's hash changed": (
        do("UPDATE audit_chain SET hash = payload_digest WHERE seq = 7"),
        7,
        "was changed, or inserted",
    ),
    "entry's body changed": (
        do("""UPDATE audit_chain SET body = '{"reason": "none"}' WHERE kind = 'erasure'"""),
        23,
        "body of this erasure",
    ),
    "entries swapped": (do(*SWAP), 7, "moved here from another place"),
    "entries renumbered": (
        do("DELETE FROM audit_chain WHERE seq = 7", "UPDATE audit_chain SET seq = 7 WHERE seq = 20"),
        7,
        "moved here from another place",
    ),
    "entry forged": (forge_entry, 24, "was changed, or inserted"),
    "rewritten with another key": (rewrite_everything, 1, "no entry fits the audit key"),
    "emptied without an erasure": (
        do("UPDATE ml_predictions SET salt = NULL, erased_at = created_at WHERE prediction_id = 'p7'"),
        7,
        "no erasure says so",
    ),
    "erasure taken for another": (
        do(
            "UPDATE ml_predictions SET salt = NULL, erased_at = created_at WHERE prediction_id = 'p7'",
            "UPDATE audit_chain SET reference = 'p7' WHERE kind = 'erasure'",
        ),
        5,
        "no erasure says so",
    ),
    "erased prediction filled again": (
        do("""UPDATE ml_predictions SET output_prediction = '{"price": 1}' WHERE prediction_id = 'p5'"""),
        5,
        "p5 was erased, and holds output again",
    ),
    "erased prediction's version changed": (
        do("UPDATE ml_predictions SET model_version = '4' WHERE prediction_id = 'p5'"),
        5,
        "what remained of the erased prediction p5 was changed",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_tampering_shows(log: Log, name: str) -> None:
    database, config = log
    tamper, seq, problem = TABLE[name]
    assert verify(database, audit_key(config)).ok
    with database.write() as connection:
        tamper(connection)
    verdict = verify(database, audit_key(config))
    assert (verdict.ok, verdict.bad_seq) == (False, seq), verdict
    assert problem in verdict.problem


def test_a_sound_log_is_found_sound(log: Log) -> None:
    database, config = log
    verdict = verify(database, audit_key(config))
    assert verdict.ok, verdict
    assert (verdict.first, verdict.last, verdict.entries, verdict.predictions, verdict.erased) == (1, 23, 23, 20, 1)


def test_an_end_cut_off_shows_against_an_anchor_only(log: Log) -> None:
    database, config = log
    with database.read() as connection:
        anchor = chain.head(connection)
    with database.write() as connection:
        connection.execute(text("DELETE FROM audit_chain WHERE seq > 15"))
        connection.execute(text("DELETE FROM ml_predictions WHERE chain_seq > 15 OR prediction_id = 'p5'"))
        connection.execute(text("DELETE FROM audit_chain WHERE seq > 4"))
        connection.execute(text("DELETE FROM ml_predictions WHERE chain_seq > 4"))
    assert verify(database, audit_key(config)).ok
    verdict = verify(database, audit_key(config), [anchor])
    assert (verdict.ok, verdict.bad_seq) == (False, 5)
    assert "an anchor says it went on to 23: cut off" in verdict.problem


def test_a_chain_rewritten_with_the_right_key_shows_against_an_anchor(log: Log) -> None:
    database, config = log
    with database.read() as connection:
        anchor = chain.head(connection)
    key = audit_key(config)
    with database.write() as connection:
        rows = connection.execute(audit_chain.select().order_by(audit_chain.c.seq)).mappings().all()
        connection.execute(audit_chain.delete())
        links = [Link(r["kind"], r["at"], r["reference"], r["payload_digest"], r["body"]) for r in rows]
        links[-1], links[-2] = links[-2], links[-1]
        connection.execute(audit_chain.insert(), chain.extend(key, Head(0, chain.GENESIS), links)[0])
    assert verify(database, key).ok
    verdict = verify(database, key, [anchor])
    assert (verdict.bad_seq, "rewritten" in verdict.problem) == (23, True)


def test_the_wrong_key_is_told_as_such(log: Log) -> None:
    database, _ = log
    verdict = verify(database, b"x" * 32)
    assert (verdict.bad_seq, "audit key" in verdict.problem) == (1, True)


def test_a_range_is_verified_alone(log: Log) -> None:
    database, config = log
    with database.write() as connection:
        connection.execute(text("UPDATE ml_predictions SET caller = 'x' WHERE prediction_id = 'p3'"))
    verdict = verify(database, audit_key(config), first=4, last=12)
    assert (verdict.ok, verdict.first, verdict.last) == (True, 4, 12), verdict
    assert verify(database, audit_key(config), first=2, last=12).bad_seq == 3


@pytest.mark.parametrize(("first", "last"), [(24, None), (9, 4), (0, 4), (None, 0)])
def test_a_range_without_entries_is_refused_and_no_tampering(log: Log, first: int | None, last: int | None) -> None:
    database, config = log
    with pytest.raises(InvalidRequest, match="are no entries"):
        verify(database, audit_key(config), first=first, last=last)


def test_what_is_no_moment_any_more_is_tampering_and_no_crash(tmp_path: Path) -> None:
    config = Settings(home=tmp_path, audit_key=KEY, pepper="p" * 32)
    database = logged(config, [entry(prediction_id=f"p{n}") for n in range(1, 6)])
    with database.write() as connection:
        connection.execute(text("UPDATE ml_predictions SET created_at = 'never' WHERE prediction_id = 'p3'"))
    verdict = verify(database, audit_key(config))
    assert (verdict.ok, verdict.bad_seq) == (False, 3), verdict
    database.close()


def test_an_anchor_where_the_chain_begins_is_compared_with_the_checkpoint(log: Log) -> None:
    database, config = log
    with database.read() as connection:
        there = chain.head(connection)
    retain(database, audit_key(config), RetentionPolicy(predictions_days=1), now=datetime.now(UTC) + timedelta(days=9))
    verdict = verify(database, audit_key(config), [there])
    assert verdict.ok, verdict
    assert "entries up to 23 were deleted by retention" in verdict.notes[0]
    verdict = verify(database, audit_key(config), [Head(23, "0" * 64)])
    assert (verdict.bad_seq, "contradict" in verdict.problem) == (23, True)


def test_a_predictions_story_says_what_verification_says(log: Log) -> None:
    database, config = log
    for name in ("p4", "p5"):
        assert story(database, audit_key(config), name)["audit"]["sound"]
    with database.write() as connection:
        connection.execute(text("UPDATE ml_predictions SET model_version = '4' WHERE prediction_id = 'p5'"))
        connection.execute(text("UPDATE ml_predictions SET chain_seq = 900 WHERE prediction_id = 'p6'"))
        connection.execute(text("UPDATE ml_predictions SET erased_at = created_at, salt = NULL WHERE chain_seq = 7"))
    told = {name: story(database, audit_key(config), name)["audit"]["sound"] for name in ("p4", "p5", "p6", "p7", "p8")}
    assert told == {"p4": True, "p5": False, "p6": False, "p7": False, "p8": True}
