"""A trace goes on through the router, and through an explainer, to the predictor."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from inference.ports import free_port
from inference.v2 import encode_request
from tests.support.predictor import Predictor, predictor
from tests.support.surroundings import server
from tests.support.tiny import make_tiny_artifact, tiny_rows

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "order-17"}
Span = dict[str, Any]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("artifact") / "a").directory


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTHAFLOW_TRACES_FILE", str(tmp_path / "traces.jsonl"))
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path / "home"))
    return tmp_path / "traces.jsonl"


@contextmanager
def router(model: Predictor, folder: Path) -> Iterator[str]:
    """Run the router of the tiny model in front of a predictor."""
    port, admin = free_port(), free_port()
    command = [sys.executable, "-m", "inference.router", "--model_name", "tiny", "--folder", str(folder)]
    process = subprocess.Popen([*command, "--http_port", str(port), "--admin_port", str(admin)])
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                table = {"stable": {"url": model.url, "version": "7", "weight": 100}}
                assert httpx.put(f"http://127.0.0.1:{admin}/weights", json=table).status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the router did not start"
                assert process.poll() is None, "the router ended"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def way(file: Path, name: str) -> list[tuple[str, str]]:
    """The chain of spans from the predictor's one up to the client."""
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    spans = [s for s in spans if s["context"]["trace_id"] == f"0x{TRACE}"]
    by_id = {s["context"]["span_id"]: s for s in spans}
    here: Span | None = next(
        s for s in spans if s["name"] == name and s["resource"]["attributes"]["service.name"] == "arthaflow-predictor"
    )
    found = []
    while here is not None:
        found.append((here["resource"]["attributes"]["service.name"], here["kind"].removeprefix("SpanKind.")))
        last, here = here, by_id.get(here["parent_id"])
    assert last["parent_id"] == f"0x{PARENT}"
    return found


def test_the_router_stands_between(artifact: Path, file: Path, tmp_path: Path) -> None:
    body, own = encode_request({k: np.asarray(v) for k, v in tiny_rows(1).items()}, binary=True)
    with predictor(artifact) as model:
        with router(model, tmp_path / "folder") as url:
            answer = httpx.post(f"{url}/v2/models/tiny/infer", content=body, headers={**own, **HEADERS})
            assert answer.status_code == 200
        model.stop()
    assert way(file, "POST /v2/models/{model}/infer") == [
        ("arthaflow-predictor", "SERVER"),
        ("arthaflow-router", "CLIENT"),
        ("arthaflow-router", "SERVER"),
    ]
    routed = [json.loads(line) for line in file.read_text().splitlines() if '"SpanKind.CLIENT"' in line]
    assert {s["attributes"]["arthaflow.model.version"] for s in routed} == {"7"}


@pytest.mark.slow
def test_an_explainer_asks_within_its_client_s_trace(artifact: Path, file: Path, tmp_path: Path) -> None:
    row = {name: np.asarray(array)[0].tolist() for name, array in tiny_rows(1).items()}
    told = ("--model_name", "tiny", "--artifact", artifact, "--kind", "permutation_shap")
    with predictor(artifact) as model:
        host = f"127.0.0.1:{model.port}"
        with server("explainer", tmp_path, *told, "--predictor_host", host) as explainer:
            url = f"{explainer.url}/v1/models/tiny:explain"
            answer = httpx.post(url, json={"instances": [row]}, headers=HEADERS, timeout=120)
            assert answer.status_code == 200, answer.text
        model.stop()
    assert way(file, "POST /v2/models/{model}/infer") == [
        ("arthaflow-predictor", "SERVER"),
        ("arthaflow-explainer", "CLIENT"),
        ("arthaflow-explainer", "INTERNAL"),
        ("arthaflow-explainer", "SERVER"),
    ]
