"""The predictor as a process: what stops it from starting, reloading, a graceful stop under load, a full disk."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import socket
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from inference.payload_log import read_since
from inference.v2 import Client, encode_request
from tests.support.predictor import Predictor, predictor
from tests.support.tiny import make_tiny_artifact, tiny_rows


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("artifact") / "a").directory


def copy_of(artifact: Path, target: Path) -> Path:
    shutil.copytree(artifact, target)
    return target


def refused(artifact: Path, *arguments: str) -> str:
    """Start a predictor that must not start; return its last line."""
    server = Predictor(artifact, *arguments)
    _, told = server.process.communicate(timeout=60)
    assert server.process.returncode == 1
    assert "Traceback" not in told
    return told.strip().splitlines()[-1]


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


def test_a_bad_artifact_is_one_message(artifact: Path, tmp_path: Path) -> None:
    assert "manifest.json is missing" in refused(tmp_path / "nothing")
    changed = copy_of(artifact, tmp_path / "changed")
    flip(changed / "model" / "ridge.json")
    assert "SHA-256" in refused(changed)
    short = copy_of(artifact, tmp_path / "short")
    (short / "model" / "width.json").write_bytes(b"[")
    assert "bytes, the manifest says" in refused(short)


def test_a_model_that_has_changed_its_answers_does_not_start(artifact: Path, tmp_path: Path) -> None:
    from components.registry.artifact import write_manifest

    other = copy_of(artifact, tmp_path / "other")
    width = other / "model" / "width.json"
    width.write_text(json.dumps([2 * w for w in json.loads(width.read_text())]))
    write_manifest(other, "tiny")
    assert "Golden request 0" in refused(other)
    write_manifest(other, "tony")
    assert "no model 'tony'" in refused(other)


def test_a_taken_port_and_a_wrong_option_are_one_message(artifact: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert f"Port {port}" in refused(artifact, "--http_port", port)
        assert f"Port {port}" in refused(artifact, "--grpc_port", port)
    assert "--artefact" in refused(artifact, "--artefact", "x")


def test_reload_swaps_and_a_bad_artifact_leaves_the_old_one(artifact: Path, tmp_path: Path) -> None:
    first = copy_of(artifact, tmp_path / "first")
    second = make_tiny_artifact(tmp_path / "second", bias=0.1).directory
    bad = copy_of(artifact, tmp_path / "bad")
    flip(bad / "model" / "ridge.json")
    rows = tiny_rows(1)
    with predictor(first, "--admin") as server, Client(server.url, "tiny") as client:
        load = f"{server.url}/v2/repository/models/tiny/load"

        def ask_load(**parameters: object) -> httpx.Response:
            return httpx.post(load, json={"parameters": parameters}, trust_env=False, timeout=30)

        before, told = client.infer(rows)
        assert told["model_version"] == "1"
        refusal = ask_load(artifact=str(bad), model_version="2")
        assert refusal.status_code == 503
        assert "SHA-256" in refusal.json()["error"]
        assert ask_load(artifact=7).status_code == 400
        assert httpx.post(load, content=b"{", trust_env=False).status_code == 400
        assert httpx.post(load.replace("tiny", "tony"), trust_env=False).status_code == 404
        assert client.infer(rows)[1]["model_version"] == "1"
        assert ask_load(artifact=str(second), model_version="2").json()["version"] == "2"
        after, told = client.infer(rows)
        assert told["model_version"] == "2"
        assert client.metadata()["versions"] == ["2"]
        np.testing.assert_allclose(after["price"] / before["price"], 1.1, rtol=0.02)
        unloaded = httpx.post(load.replace("/load", "/unload"), trust_env=False)
        assert unloaded.status_code == 200
        assert not client.ready()
        body, headers = encode_request(rows)
        answer = httpx.post(f"{server.url}/v2/models/tiny/infer", content=body, headers=headers, trust_env=False)
        assert answer.status_code == 503
        assert ask_load().status_code == 200
        assert client.ready()


async def hammer(server: Predictor, stop_after: int, clients: int = 8) -> list[int]:
    """Send requests until the server has refused a new connection; SIGTERM it on the way. Return every status."""
    body, headers = encode_request(tiny_rows(2))
    url = f"{server.url}/v2/models/tiny/infer"
    statuses: list[int] = []

    async def one() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            while True:
                try:
                    statuses.append((await client.post(url, content=body, headers=headers)).status_code)
                except httpx.ConnectError:
                    return  # nothing was sent: the server is gone
                if len(statuses) == stop_after:
                    server.process.terminate()

    await asyncio.gather(*(one() for _ in range(clients)))
    return statuses


def test_no_request_is_lost_in_a_graceful_stop(artifact: Path, tmp_path: Path) -> None:
    log = tmp_path / "p.db"
    with predictor(artifact, "--payload_log", str(log)) as server:
        statuses = asyncio.run(hammer(server, stop_after=300))
        code, told = server.stop()
    assert code == 0, told
    assert "Traceback" not in told
    assert len(statuses) >= 300
    assert set(statuses) == {200}
    assert len(read_since(log, 0, 10**6)) == len(statuses)


def test_it_says_not_ready_while_it_drains(artifact: Path) -> None:
    with predictor(artifact, "--drain_seconds", "3") as server, Client(server.url, "tiny") as client:
        server.process.terminate()
        deadline = time.monotonic() + 2.5
        while client.ready() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert httpx.get(f"{server.url}/v2/health/ready", trust_env=False).status_code == 503
        assert client.infer(tiny_rows(1))[1]["model_version"] == "1"
        assert server.stop()[0] == 0


def test_a_full_disk_does_not_stop_the_predictions(artifact: Path, tmp_path: Path) -> None:
    log = tmp_path / "p.db"
    with predictor(artifact, "--payload_log", str(log)) as server, Client(server.url, "tiny") as client:
        unlimited = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (200_000, unlimited[1]))
        rows = tiny_rows(200)
        for _ in range(60):
            assert client.infer(rows)[0]["price"].shape == (200, 2)
        time.sleep(0.3)
        assert client.ready()
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, unlimited)
        code, told = server.stop()
    assert code == 0, told
    assert told.count("cannot be written") == 1
    assert len(read_since(log, 0, 1000)) == 60


def test_it_is_lean(artifact: Path) -> None:
    with predictor(artifact, grpc=True) as server:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 220 * 1024
