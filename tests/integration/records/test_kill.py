"""kill -9 in the middle of a burst: every prediction that was acknowledged is in the log, once, and the chain is sound."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from components.records import anchors
from components.records.database import open_database
from components.records.drainer import drain
from components.records.keys import audit_key
from components.records.tables import journal_positions, model_serving_logs
from components.records.verification import verify
from components.settings import Settings
from tests.support.prediction_log import journal_folder, prediction_ids
from tests.support.records import database_url, postgres_server, postgres_url  # noqa: F401

PEPPER, KEY = "p" * 32, "k" * 32


def settings_of(home: Path, url: str) -> Settings:
    return Settings(home=home, database_url=url, pepper=PEPPER, audit_key=KEY)


@contextmanager
def writing(home: Path, url: str, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a process that logs without end; yield it and its drainer's id."""
    told = {"ARTHAFLOW_HOME": str(home), "ARTHAFLOW_DATABASE_URL": url}
    keys = {"ARTHAFLOW_PEPPER": PEPPER, "ARTHAFLOW_AUDIT_KEY": KEY}
    open_database(settings_of(home, url)).close()
    command = [sys.executable, "-m", "tests.support.prediction_writer", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **told, **keys}
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().split()[1])
    finally:
        process.kill()
        process.communicate()


def acknowledged(process: subprocess.Popen[bytes], at_least: int) -> list[str]:
    """Kill a process once it has acknowledged so many predictions; return all that it has."""
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(at_least)]
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().splitlines(keepends=True)
    return [line.decode().strip() for line in seen + rest if line.endswith(b"\n")]


def gone(pid: int) -> None:
    """Wait until a process that is nobody's child here has ended."""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.parametrize("durable", [False, True], ids=["journal", "durable"])
def test_every_acknowledged_prediction_is_in_the_log(tmp_path: Path, database_url: str, durable: bool) -> None:  # noqa: F811
    with writing(tmp_path, database_url, *["durable"] * durable) as (process, drainer):
        promised = acknowledged(process, 300 if durable else 3000)
    # The child sees its parent die, carries on what there is, and ends: no restart is needed.
    gone(drainer)
    config = settings_of(tmp_path, database_url)
    records = open_database(config)
    found = Counter(prediction_ids(records))
    assert set(promised) <= set(found)
    assert set(found.values()) == {1}
    verdict = verify(records, audit_key(config), (head for _, head in anchors.kept(config)))
    assert (verdict.ok, verdict.predictions) == (True, len(found)), verdict
    assert list(journal_folder(config).iterdir()) == []
    with records.read() as connection:
        assert connection.execute(select(func.count()).select_from(journal_positions)).scalar() == 0
        assert connection.execute(select(func.count()).select_from(model_serving_logs)).scalar_one() > 0
    records.close()


def test_killing_writer_and_drainer_together_loses_nothing(tmp_path: Path, database_url: str) -> None:  # noqa: F811
    with writing(tmp_path, database_url) as (process, drainer):
        os.kill(drainer, signal.SIGSTOP)
        promised = acknowledged(process, 3000)
        os.kill(drainer, signal.SIGKILL)
    gone(drainer)
    config = settings_of(tmp_path, database_url)
    drain(journal_folder(config), config)
    records = open_database(config)
    found = Counter(prediction_ids(records))
    assert set(promised) <= set(found)
    assert set(found.values()) == {1}
    assert verify(records, audit_key(config)).ok
    records.close()


def test_a_drainer_that_is_killed_again_and_again_carries_each_record_once(tmp_path: Path, database_url: str) -> None:  # noqa: F811
    with writing(tmp_path, database_url) as (process, first):
        assert process.stdout is not None
        killed = [first]
        promised = []
        for _ in range(4):
            promised += [process.stdout.readline().decode().strip() for _ in range(1500)]
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
                killed.append(child)
        promised += acknowledged(process, 500)
    for pid in killed:
        gone(pid)
    config = settings_of(tmp_path, database_url)
    deadline = time.monotonic() + 60
    while any(journal_folder(config).iterdir()) and time.monotonic() < deadline:
        # The last child may hold the journal still.
        drain(journal_folder(config), config)
    records = open_database(config)
    found = Counter(prediction_ids(records))
    assert set(promised) <= set(found)
    assert set(found.values()) == {1}
    assert verify(records, audit_key(config)).ok
    records.close()


def children(pid: int) -> list[int]:
    """Return a process's children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
