"""The payload log: nothing is lost while it can be written, and the server lives on while it cannot."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import numpy as np
import orjson
import pytest

from components.errors import ConfigurationError
from inference.payload_json import as_json
from inference.payload_log import IdSource, PayloadLog, read_since
from inference.v2 import encode_request


def wait_until(condition: object, timeout: float = 20.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def test_rows_are_read_in_order_and_by_rowid(tmp_path: Path) -> None:
    path = tmp_path / "log" / "payload.db"
    assert read_since(path) == []
    log = PayloadLog(path)
    for i in range(1000):
        log.append(f"id{i}", "m", "1", 200, i / 10, b"{%d}" % i, b"[]", at=1.5)
    log.close()
    records = read_since(path, 0, 2000)
    assert [r.id for r in records] == [f"id{i}" for i in range(1000)]
    assert records[7] == (8, "id7", 1.5, "m", "1", 200, 0.7, b"{7}", b"[]")
    assert [r.rowid for r in read_since(path, 990, 5)] == [991, 992, 993, 994, 995]


def test_an_existing_log_is_continued(tmp_path: Path) -> None:
    for _ in range(2):
        log = PayloadLog(tmp_path / "p.db")
        log.append("a", "m", "1", 200, 1.0, b"", b"")
        log.close()
    assert [r.rowid for r in read_since(tmp_path / "p.db")] == [1, 2]


def test_a_log_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        PayloadLog(tmp_path / "file" / "p.db")


class SmallDisk(PayloadLog):
    """A log on a disk that is full until it is told otherwise, by SQLite's own means to that end."""

    limited = True

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        if self.limited:
            connection.execute("PRAGMA max_page_count=4")
        return connection


def test_a_full_disk_stops_nothing_and_the_log_resumes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = SmallDisk(tmp_path / "p.db", high_water=50_000)
    for i in range(100):
        log.append(f"id{i}", "m", "1", 200, 1.0, b"x" * 4000, b"")
        if i == 15:
            wait_until(lambda: log.failing)
    assert log.dropped > 0
    assert not log.full
    log.limited = False
    wait_until(lambda: not log.failing)
    log.append("last", "m", "1", 200, 1.0, b"", b"")
    log.close()
    ids = [r.id for r in read_since(tmp_path / "p.db")]
    assert ids[0] == "id0"
    assert ids[-1] == "last"
    assert len(ids) + log.dropped == 101
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING"]


def test_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    log = PayloadLog(tmp_path / "p.db")
    with sqlite3.connect(tmp_path / "p.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        log.append("a", "m", "1", 200, 1.0, b"", b"")
        time.sleep(0.2)
        other.execute("COMMIT")
    log.close()
    assert [r.id for r in read_since(tmp_path / "p.db")] == ["a"]
    assert log.dropped == 0


def test_binary_bodies_are_read_as_json() -> None:
    inputs = {"x": np.array([[1.5, 2.5]]), "t": np.array(["ä"], dtype=object)}
    body, headers = encode_request(inputs, binary=True)
    plain, _ = encode_request(inputs)
    told = orjson.loads(as_json(body, int(headers["Inference-Header-Content-Length"])))
    assert [(i["name"], i["data"]) for i in told["inputs"]] == [("x", [1.5, 2.5]), ("t", ["ä"])]
    assert as_json(plain, 0) == plain
    assert as_json(b"garbage", 5) == b"garbage"
    assert as_json(body[:-3], len(body) - 20) == body[:-3]


def test_ids_are_unique() -> None:
    first, second = IdSource(), IdSource()
    ids = [first() for _ in range(100)] + [second() for _ in range(100)]
    assert len(set(ids)) == 200
    assert {len(i) for i in ids} == {32}
