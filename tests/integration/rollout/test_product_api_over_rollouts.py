"""The product API before a real router and two real versions: what is labelled a version is that version's answer."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from components.rollout.targets.local import LocalTarget
from inference.local.serving import LocalServing
from tests.support.gateway import ROW, ProductApi, product_api

ROUTE = "/api/ml/lab/tiny"
POLL_S = 2.0
"""How often the gateway asks for versions."""


class Asker:
    """Asks the same questions again and again, and holds every answer to its label."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.true: dict[tuple[str, float], object] = {}
        """What a version said to a question when it computed the answer."""

    def ask(self, rsi: float) -> tuple[str, bool]:
        answer = self.client.post(ROUTE, json={**ROW, "rsi_14": rsi})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        version, cached = told["metadata"]["model_version"], told["metadata"]["cached"]
        assert told["data"]["model_version"] == version
        assert self.true.setdefault((version, rsi), told["data"]["prices"]) == told["data"]["prices"]
        return version, cached


def settled(asker: Asker, version: str) -> None:
    """Wait for what the gateway promises: its poll, and a moment for the machine."""
    deadline = time.monotonic() + POLL_S + 3.0
    while asker.ask(1.0)[0] != version and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.slow
def test_no_old_answer_after_a_promotion_or_a_rollback(
    serving: LocalServing, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    target = LocalTarget(serving, "tiny")
    router = target.begin("1", str(artifacts["1"]))
    limits = {"ARTHAFLOW_GATEWAY_PREMIUM_PER_HOUR": "0"}
    questions = [float(number) for number in range(1, 41)]
    folder = tmp_path / "gateway"
    folder.mkdir()
    with product_api(folder, {"tiny": {"url": router.url}}, limits) as api, api.client("app") as client:
        asker = Asker(client)
        assert {asker.ask(q) for q in questions} == {("1", False)}
        assert {asker.ask(q) for q in questions} == {("1", True)}

        target.deploy_canary("2", str(artifacts["3"]))
        target.set_canary_weight(50)
        fresh = [q + 0.5 for q in questions]
        found = {asker.ask(q)[0] for q in fresh for _ in range(3)}
        assert found == {"1", "2"}, "both versions answer new questions"
        assert {asker.ask(q) for q in questions} == {("1", True)}, "a hit is the stable version's"

        target.promote(lambda: None)
        settled(asker, "2")
        assert {asker.ask(q)[0] for q in [*questions, *fresh]} == {"2"}
        assert {asker.ask(q) for q in questions} == {("2", True)}
        assert asker.true["1", 1.0] != asker.true["2", 1.0]

        target.deploy_canary("4", str(artifacts["1"]))
        target.set_canary_weight(50)
        assert {asker.ask(q + 0.25)[0] for q in questions} == {"2", "4"}
        target.rollback()
        time.sleep(POLL_S + 0.5)
        assert {asker.ask(q)[0] for q in [*questions, *fresh, *(q + 0.25 for q in questions)]} == {"2"}
        check_log(api)


def check_log(api: ProductApi) -> None:
    """Every prediction's row names the version and track that computed it."""
    deadline, found = time.monotonic() + 20, set()
    while time.monotonic() < deadline and len({version for version, _ in found}) < 3:
        with sqlite3.connect(api.home / "records.db") as connection:
            query = "SELECT DISTINCT model_version, track FROM ml_predictions WHERE NOT cached"
            found = set(connection.execute(query))
        time.sleep(0.2)
    assert found == {("1", "stable"), ("2", "canary"), ("2", "stable"), ("4", "canary")}
