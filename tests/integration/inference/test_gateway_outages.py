"""A real gateway under load while its neighbours stop: the database, Redis, one of two models, and the gateway itself."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from components.records.database import Database
from inference.ports import free_port
from inference.v2 import encode_request
from tests.support.gateway import ROW, ProductApi, product_api
from tests.support.postgres import BINARIES, FAST, needs_postgres, unprivileged, wait_until_it_answers
from tests.support.predictor import Predictor, predictor
from tests.support.redis_server import RedisServer, redis_process, redis_server  # noqa: F401
from tests.support.tiny import make_tiny_artifact, tiny_rows

ROUTE = "/api/ml/lab/tiny"
MANY = {f"ARTHAFLOW_GATEWAY_{tier}_PER_HOUR": "0" for tier in ("AUTHENTICATED", "PREMIUM")}
KEYS = {"ARTHAFLOW_PEPPER": "p" * 32, "ARTHAFLOW_AUDIT_KEY": "k" * 32}


class Postgres:
    """A server that can be stopped and started again with what it holds."""

    def __init__(self, folder: Path) -> None:
        assert BINARIES is not None
        self.folder, self.port, self.who = folder, free_port(), unprivileged()
        if self.who:
            shutil.chown(folder, "postgres", "postgres")
        setup = [BINARIES / "initdb", "-D", folder / "data", "-U", "arthaflow", "--auth=trust", "-E", "UTF8", "-N"]
        subprocess.run(setup, check=True, capture_output=True, cwd=folder, **self.who)  # type: ignore[call-overload]
        self.start()

    def start(self) -> None:
        assert BINARIES is not None
        options = [
            *FAST,
            "synchronous_commit=on",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
        ]
        command = [BINARIES / "postgres", "-D", self.folder / "data", "-p", str(self.port)]
        command += [part for option in options for part in ("-c", option)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self.who)  # type: ignore[call-overload]
        wait_until_it_answers(self.port, self.process, self.folder / "log")

    def migrated(self) -> str:
        """Make the records' tables; return the database's URL."""
        url = f"postgresql+psycopg://arthaflow@127.0.0.1:{self.port}/postgres"
        database = Database(url)
        database.migrate()
        database.close()
        return url

    def stop(self) -> None:
        """Immediately: no connection is told, nothing is finished."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(60)


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="arthaflow-outage-"))
    server = Postgres(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outages") / "artifact"
    make_tiny_artifact(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(artifact: Path) -> Iterator[Predictor]:
    with predictor(artifact, "--model_name", "tiny", "--model_version", "4") as running:
        yield running


class Load:
    """Clients that ask, each question a new one every other time, until they are told to stop."""

    def __init__(self, api: ProductApi, clients: int) -> None:
        self.api, self.clients = api, clients
        self.statuses: Counter[int | str] = Counter()
        self.acknowledged: set[str] = set()
        self.refused: list[str] = []
        self._done, self._lock = threading.Event(), threading.Lock()
        self.more_while: Callable[[], bool] = lambda: not self._done.is_set()

    def __enter__(self) -> Load:
        self._pool = ThreadPoolExecutor(self.clients)
        self._asking = [self._pool.submit(self._ask, number) for number in range(self.clients)]
        return self

    def __exit__(self, *raised: object) -> None:
        self.finish()

    def finish(self) -> None:
        self._done.set()
        for asking in self._asking:
            asking.result(60)
        self._pool.shutdown()

    def wait_for(self, more: int) -> None:
        """Wait until so many more answers have come."""
        deadline, wanted = time.monotonic() + 60, self.statuses[200] + more
        while self.statuses[200] < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.statuses[200] >= wanted, (self.statuses, self.refused[:3])

    def _ask(self, number: int) -> None:
        with self.api.client("app", subject=f"client-{number}") as client:
            for turn in range(1_000_000):
                if not self.more_while():
                    return
                question = {**ROW, "rsi_14": (number * 37 + turn // 2) % 1000 / 10}
                try:
                    answer = client.post(ROUTE, json=question)
                except httpx.TransportError as error:
                    self._note(type(error).__name__, str(error), "")
                    return
                told = answer.json() if answer.status_code == 200 else {}
                self._note(answer.status_code, answer.text, told.get("metadata", {}).get("prediction_id", ""))

    def _note(self, status: int | str, text: str, prediction_id: str) -> None:
        with self._lock:
            self.statuses[status] += 1
            if prediction_id:
                self.acknowledged.add(prediction_id)
            else:
                self.refused.append(text[:300])


def logged_in_postgres(url: str, wanted: set[str]) -> set[str]:
    """Return which of the wanted predictions are missing once time is up, or none."""
    missing, deadline = set(wanted), time.monotonic() + 60
    while missing and time.monotonic() < deadline:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            rows = connection.execute("SELECT prediction_id::text FROM ml_predictions").fetchall()
        missing = wanted - {row[0] for row in rows}
        time.sleep(0.1)
    return missing


def metric(api: ProductApi, line: str) -> float:
    told = httpx.get(f"{api.url}/metrics", trust_env=False).text
    return next(float(row.rsplit(" ", 1)[1]) for row in told.splitlines() if row.startswith(line))


@pytest.mark.slow
@needs_postgres
def test_a_database_that_is_away_for_ten_seconds_fails_no_prediction_and_loses_none(
    postgres: Postgres, tiny: Predictor, tmp_path: Path
) -> None:
    url = postgres.migrated()
    told = {"ARTHAFLOW_DATABASE_URL": url, **KEYS, **MANY}
    with product_api(tmp_path, {"tiny": {"url": tiny.url}}, told) as api:
        with Load(api, 8) as load:
            load.wait_for(50)
            postgres.stop()
            away_until = time.monotonic() + 10
            load.wait_for(100)
            while time.monotonic() < away_until:
                time.sleep(0.1)
            assert metric(api, "arthaflow_gateway_log_backlog_bytes") > 0
            postgres.start()
            load.wait_for(50)
        assert set(load.statuses) == {200}, (load.statuses, load.refused[:3])
        assert len(load.acknowledged) == load.statuses[200]
        assert not logged_in_postgres(url, load.acknowledged)


@pytest.mark.slow
@needs_postgres
def test_a_gateway_starts_and_answers_while_the_database_is_away(
    postgres: Postgres, tiny: Predictor, tmp_path: Path
) -> None:
    url = postgres.migrated()
    postgres.stop()
    told = {"ARTHAFLOW_DATABASE_URL": url, **KEYS, **MANY}
    with product_api(tmp_path, {"tiny": {"url": tiny.url}}, told) as api:
        with Load(api, 2) as load:
            load.wait_for(10)
        assert set(load.statuses) == {200}, load.refused[:3]
        with api.client("admin") as admin:
            away = admin.get("/api/v1/ml/experiments")
            assert (away.status_code, away.json()["status"]) == (503, "error")
            assert int(away.headers["retry-after"]) >= 1
        postgres.start()
        assert not logged_in_postgres(url, load.acknowledged)


@pytest.mark.slow
def test_redis_that_stops_and_returns_fails_no_prediction(
    redis_server: RedisServer,  # noqa: F811
    tiny: Predictor,
    tmp_path: Path,
) -> None:
    told = {"ARTHAFLOW_REDIS_URL": redis_server.url, **KEYS, "ARTHAFLOW_GATEWAY_PREMIUM_PER_HOUR": "1000000"}
    with product_api(tmp_path, {"tiny": {"url": tiny.url}}, told) as api:
        with Load(api, 8) as load:
            load.wait_for(50)
            redis_server.stop()
            load.wait_for(100)
            assert metric(api, "arthaflow_gateway_cache_redis_up") == 0
            redis_server.start()
            load.wait_for(50)
            deadline = time.monotonic() + 30
            while not metric(api, "arthaflow_gateway_cache_redis_up") and time.monotonic() < deadline:
                time.sleep(0.1)
            assert metric(api, "arthaflow_gateway_cache_redis_up") == 1
        assert set(load.statuses) == {200}, (load.statuses, load.refused[:3])


@contextmanager
def stopped(process_id: int) -> Iterator[None]:
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


def test_a_model_that_is_frozen_takes_nothing_from_another(artifact: Path, tiny: Predictor, tmp_path: Path) -> None:
    body, headers = encode_request(tiny_rows(1), binary=False)
    with predictor(artifact, "--model_name", "frozen", "--model_version", "1") as frozen:
        entries = {
            "tiny": {"url": tiny.url, "max_in_flight": 8},
            "frozen": {"url": frozen.url, "max_in_flight": 8, "timeout_s": 2.0},
        }
        with product_api(tmp_path, entries, MANY) as api, stopped(frozen.process.pid):
            crowd = ThreadPoolExecutor(24)

            def ask(_: int) -> int:
                with api.client("app") as client:
                    return client.post("/v2/models/frozen/infer", content=body, headers=headers).status_code

            asking = [crowd.submit(ask, number) for number in range(24)]
            with Load(api, 4) as load:
                load.wait_for(200)
                frozen_ones = Counter(task.result(60) for task in asking)
                load.wait_for(50)
            assert set(load.statuses) == {200}, (load.statuses, load.refused[:3])
            # Eight are let in and time out; eight wait in the line for a moment; the others are refused at once.
            assert set(frozen_ones) <= {503, 504}, frozen_ones
            assert frozen_ones[504] <= 8
            assert metric(api, 'arthaflow_gateway_breaker_state{model="frozen"}') == 2
            assert metric(api, 'arthaflow_gateway_breaker_state{model="tiny"}') == 0
            assert metric(api, 'arthaflow_gateway_unanswered_total{model="frozen",reason="busy"}') >= 8


def test_a_predictor_that_is_replaced_comes_back_by_itself(artifact: Path, tmp_path: Path) -> None:
    arguments = ("--model_name", "tiny", "--model_version", "4")
    with predictor(artifact, *arguments) as first:  # noqa: SIM117
        with product_api(tmp_path, {"tiny": {"url": first.url}}, MANY) as api, api.client("app") as client:
            assert client.post(ROUTE, json=ROW).status_code == 200
            first.stop()
            assert client.post(ROUTE, json={**ROW, "rsi_14": 1.0}).status_code == 503
            assert client.post(ROUTE, json=ROW).json()["metadata"]["cached"] is True
            with predictor(artifact, *arguments) as second:
                api.write({"tiny": {"url": second.url}})
                deadline, status = time.monotonic() + 30, 0
                while status != 200 and time.monotonic() < deadline:
                    status = client.post(ROUTE, json={**ROW, "rsi_14": 1.0}).status_code
                    time.sleep(0.05)
                assert status == 200


@pytest.mark.slow
def test_fifty_clients_lose_nothing_when_the_gateway_drains(tiny: Predictor, tmp_path: Path) -> None:
    """Readiness turns false first, as a proxy sees it; whoever asks until then, or has asked, is answered and logged."""
    with product_api(tmp_path, {"tiny": {"url": tiny.url}}, MANY) as api:
        load = Load(api, 50)
        stopping = threading.Event()
        load.more_while = lambda: not stopping.is_set()
        with load:
            load.wait_for(200)
            api.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                try:
                    if httpx.get(f"{api.url}/ready", trust_env=False).status_code == 503:
                        break
                except httpx.TransportError:
                    break
            stopping.set()
        assert api.process.wait(60) == 0
        assert set(load.statuses) == {200}, (load.statuses, load.refused[:3])
        with sqlite3.connect(api.home / "records.db") as connection:
            there = {row[0] for row in connection.execute("SELECT prediction_id FROM ml_predictions")}
        if load.acknowledged - there:
            api.start()  # what the drainer did not carry in time lies in the journal, and the next start carries it
            deadline = time.monotonic() + 30
            while load.acknowledged - there and time.monotonic() < deadline:
                with sqlite3.connect(api.home / "records.db") as connection:
                    there = {row[0] for row in connection.execute("SELECT prediction_id FROM ml_predictions")}
                time.sleep(0.1)
        assert not load.acknowledged - there
