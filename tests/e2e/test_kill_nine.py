"""``kill -9`` of a gateway during a burst: every prediction that a client was given is in the log, once, and the chain
holds."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import ROW, ProductApi, product_api
from tests.support.predictor import tiny_predictor

pytestmark = pytest.mark.slow
CLIENTS, ROUNDS = 8, 3


def test_every_acknowledged_prediction_is_in_the_log(tmp_path: Path) -> None:
    with tiny_predictor(tmp_path, "1") as server:
        with product_api(tmp_path, {"tiny": {"url": server.url}}) as api:
            given: list[str] = []
            for place in range(ROUNDS):
                given += burst(api, seed=place)
                api.start()
            wait_for(api, given)
            assert len(given) == len(set(given)) > 100
            rows = logged(api)
            assert set(given) <= set(rows)
            assert len(rows) == len(set(rows)), "a prediction is in the log twice"
        # Stopped in order: what was still on disk has been carried over, and the chain holds over all of it.
        assert verify(api).returncode == 0, verify(api).stdout
        with sqlite3.connect(api.home / "records.db") as connection:
            connection.execute(
                "UPDATE ml_predictions SET output_prediction = '{}' WHERE prediction_id = ?", (given[len(given) // 2],)
            )
        told = verify(api)
        assert told.returncode == 1
        assert given[len(given) // 2] in told.stdout.replace("\n", "")


def burst(api: ProductApi, seed: int) -> list[str]:
    """Ask from many clients, kill the gateway meanwhile, and return the predictions that were answered."""
    given: list[str] = []
    stop = threading.Event()

    def ask(number: int) -> None:
        chance = random.Random(seed * 1000 + number)
        with api.client("app") as client:
            while not stop.is_set():
                question = {**ROW, "rsi_14": round(chance.uniform(0, 100), 3)}
                try:
                    answer = client.post("/api/ml/lab/tiny", json=question)
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    given.append(answer.json()["metadata"]["prediction_id"])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    enough = 60 + seed * 20
    deadline = time.monotonic() + 60
    while len(given) < enough and time.monotonic() < deadline:
        time.sleep(0.01)
    api.kill()
    stop.set()
    for thread in threads:
        thread.join(60)
    assert len(given) >= enough
    return given


def logged(api: ProductApi) -> list[str]:
    """Return the predictions in the database."""
    with sqlite3.connect(api.home / "records.db") as connection:
        return [row[0] for row in connection.execute("SELECT prediction_id FROM ml_predictions")]


def wait_for(api: ProductApi, given: list[str]) -> None:
    """Wait until the database has caught up, or a minute is over."""
    deadline = time.monotonic() + 60
    while not set(given) <= set(logged(api)) and time.monotonic() < deadline:
        time.sleep(0.2)


def verify(api: ProductApi) -> subprocess.CompletedProcess[str]:
    """Run ``arthaflow audit verify``."""
    command = [str(Path(sys.executable).with_name("arthaflow")), "audit", "verify"]
    return subprocess.run(command, env=api.environment, capture_output=True, text=True, timeout=120)
