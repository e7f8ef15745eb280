"""The detector as a process of each environment, fed by the forwarder from a real predictor's payload log."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from inference.cloudevents import REQUEST, Event, binary_headers
from inference.v2 import encode_request
from tests.support.predictor import predictor
from tests.support.surroundings import EXPLAIN_PYTHON, Server, needs_alibi, server
from tests.support.tiny import make_tiny_artifact, room_environment, tiny_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("drift") / "tiny").directory


@pytest.fixture(
    scope="module",
    params=[pytest.param(sys.executable, id="main"), pytest.param(EXPLAIN_PYTHON, id="alibi", marks=needs_alibi)],
)
def detector(
    request: pytest.FixtureRequest, artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    known = ("--artifact", artifact, "--model_name", "tiny", "--predictor_host", "unused", "--workers", "1")
    with server("detector", tmp_path_factory.mktemp("logs"), *known, python=request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def empty(detector: Server) -> None:
    assert httpx.post(f"{detector.url}/v1/drift/reset").status_code == 200


def send(running: Server, inputs: dict[str, np.ndarray], id: str, type: str = REQUEST) -> httpx.Response:
    body, _ = encode_request(inputs)
    return httpx.post(running.url, content=body, headers=binary_headers(Event(id, "test", type, body), 1e9))


def verdict(running: Server) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{running.url}/v1/drift", timeout=60).json()
    return answer


def test_it_refuses_to_judge_then_clears_then_raises_the_alarm(detector: Server) -> None:
    rows = tiny_rows(900, seed=21)
    assert verdict(detector)["outcome"] == "insufficient"
    needed = verdict(detector)["min_rows"]
    send(detector, {"features": rows["features"][: needed - 1]}, "few")
    told = verdict(detector)
    assert (told["outcome"], told["missing_rows"]) == ("insufficient", 1)
    assert "1 more to come" in told["sentence"]
    send(detector, {"features": rows["features"][needed - 1 : needed + 40]}, "enough")
    assert verdict(detector)["outcome"] == "no_drift"

    drifted = rows["features"][400:700].copy()
    drifted[:, 2] *= 2.0
    send(detector, {"features": drifted}, "drifted")
    told = verdict(detector)
    assert (told["outcome"], told["drifted"]) == ("drift", ["features.volatility_21"])
    assert "features.volatility_21" in told["sentence"]
    found = {r["detector"] for r in told["results"] if r["drift"]}
    alibi = {"alibi_ks", "alibi_mmd"} - set(told["skipped"])
    assert found == {"ks", "psi"} | alibi
    metrics = httpx.get(f"{detector.url}/metrics").text
    assert 'arthaflow_drift_detected{detector="ks",model="tiny"} 1.0' in metrics
    assert f'arthaflow_drift_min_rows{{model="tiny"}} {float(needed)}' in metrics
    assert 'arthaflow_drift_psi{column="features.volatility_21",model="tiny"}' in metrics


def test_alibis_ks_distances_equal_ours(detector: Server) -> None:
    send(detector, {"features": tiny_rows(200, seed=5)["features"]}, "rows")
    results = verdict(detector)["results"]
    ours = {r["column"]: r["statistic"] for r in results if r["detector"] == "ks"}
    theirs = {r["column"]: r["statistic"] for r in results if r["detector"] == "alibi_ks"}
    assert theirs == (pytest.approx(ours, abs=1e-6) if theirs else {})


def test_bad_events_are_refused_and_counted_and_the_server_lives_on(detector: Server) -> None:
    row = tiny_rows(1)["features"]
    assert httpx.post(detector.url, content=b"{}").json()["path"] == "headers"
    refused = send(detector, {"features": np.array([[1.0, 2.0]])}, "shape")
    assert (refused.status_code, refused.json()["path"]) == (400, "inputs[0].shape")
    bad = row.copy()
    bad[0, 1] = 1000.0
    assert send(detector, {"features": bad}, "bounds").json()["path"] == "features.rsi_14[0]"
    structured = {"content-type": "application/cloudevents+json"}
    assert httpx.post(detector.url, content=b"[", headers=structured).status_code == 400
    assert send(detector, {"features": row}, "one").json() == {"taken": 1}
    assert send(detector, {"features": row}, "one").json() == {"duplicate": 1}
    assert send(detector, {"features": row}, "one", REQUEST.replace("request", "response")).json() == {"ignored": 1}
    assert verdict(detector)["rows"] == 1
    metrics = httpx.get(f"{detector.url}/metrics").text
    assert 'arthaflow_drift_events_total{model="tiny",outcome="malformed"}' in metrics
    assert 'arthaflow_drift_events_total{model="tiny",outcome="refused"}' in metrics
    assert httpx.get(detector.url).json() == {"status": "alive"}


def test_the_whole_way_from_a_request_to_the_window(detector: Server, artifact: Path, tmp_path: Path) -> None:
    log, rows = tmp_path / "payload.db", tiny_rows(30)["features"]
    with predictor(artifact, "--payload_log", str(log), "--model_name", "tiny") as model, httpx.Client() as client:
        for binary in (False, True):
            for row in rows:
                body, headers = encode_request({"features": row[None]}, binary=binary)
                answer = client.post(f"{model.url}/v2/models/tiny/infer", content=body, headers=headers)
                assert answer.status_code == 200
    command = [sys.executable, "-m", "inference.event_forwarder", "--payload_log", str(log), "--sink", detector.url]
    command += ["--model_name", "tiny", "--once"]
    for expected in ("sent 120 events, 0 refused; stopped at row 60", "sent 0 events, 0 refused; stopped at row 60"):
        ended = subprocess.run(command, env=room_environment(), capture_output=True, text=True, check=True)
        assert expected in ended.stderr
    assert verdict(detector)["rows"] == 60, "binary requests are seen too; nothing twice"


def test_what_kserves_agent_sends_is_told_apart(detector: Server) -> None:
    rows = tiny_rows(3)["features"]

    def agent(id: str, service: str, body: bytes, **headers: list[str]) -> dict[str, int]:
        metadata = json.dumps({k.replace("_", "-"): v for k, v in headers.items()})
        extensions = {
            "inferenceservicename": service,
            "namespace": "ml",
            "component": "predictor",
            "metadata": metadata,
        }
        event = Event(id, "http://localhost:9081/", REQUEST, body, extensions)
        answer: dict[str, int] = httpx.post(detector.url, content=body, headers=binary_headers(event, 1e9)).json()
        return answer

    json_body, _ = encode_request({"features": rows[:1]})
    binary_body, headers = encode_request({"features": rows[1:]}, binary=True)
    length = {k.lower(): v for k, v in headers.items()}["inference-header-content-length"]
    assert agent("a1", "tiny-v1", json_body) == {"taken": 1}
    assert agent("a2", "tiny-v2", binary_body, **{"Inference_Header_Content_Length": [length]}) == {"taken": 1}
    assert agent("a3", "tiny-v1", b"") == {"ignored": 1}, "the agent logs metadata requests too"
    assert agent("a4", "tiny-vix-v1", json_body) == {"ignored": 1}, "a broker's prefix filter lets this one through"
    assert verdict(detector)["rows"] == 3


def test_a_thinned_window_keeps_every_nth_row(artifact: Path, tmp_path: Path) -> None:
    known = ("--artifact", artifact, "--model_name", "tiny", "--thin", "3", "--detectors", "ks,mmd")
    with server("detector", tmp_path, *known) as running:
        send(running, {"features": tiny_rows(30)["features"]}, "rows")
        told = verdict(running)
        assert (told["rows"], told["rows_seen"], told["reference_rows"]) == (10, 30, 300)
