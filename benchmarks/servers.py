"""Starts, watches and stops the servers under test; each is one process on one core."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from benchmarks.models import ROOMS
from benchmarks.report import KSERVE, MLSERVER, OURS
from benchmarks.workloads import Workload

ROOT = Path(__file__).resolve().parent.parent
BENCH_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
SERVERS = (OURS, MLSERVER, KSERVE)


@dataclass
class Server:
    """One running server with one model.

    Attributes
    ----------
    ready_s : float
        From the start of the process until the model's readiness endpoint says yes.
    """

    name: str
    workload: Workload
    built: Path
    scratch: Path
    core: int
    timeout_s: float = 90.0
    ready_s: float = field(default=0.0, init=False)

    def __enter__(self) -> Self:
        self.http_port, self.grpc_port, spare = _free_ports(3)
        folder = self.scratch / f"{self.workload.key}-{self.name}"
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "server.log"
        command = _COMMANDS[self.name](self, folder, spare)
        paths = [str(ROOMS), *filter(None, [os.environ.get("ARTHAFLOW_MODEL_PATH")])]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "ARTHAFLOW_MODEL_PATH": os.pathsep.join(dict.fromkeys(paths)),
        }
        started = time.perf_counter()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(self.core), *command],
                cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            self._wait_ready(started)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def resident_mb(self) -> float:
        """Resident memory of the process and its children, MB."""
        process = psutil.Process(self.process.pid)
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / 1e6

    def stop(self) -> None:
        """Stop the process and wait until it is gone."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)

    def _wait_ready(self, started: float) -> None:
        url = f"http://127.0.0.1:{self.http_port}/v2/models/{self.workload.model}/ready"
        with httpx.Client(timeout=2) as client:
            while time.perf_counter() - started < self.timeout_s:
                try:
                    if client.get(url).status_code == 200:
                        self.ready_s = time.perf_counter() - started
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                if self.process.poll() is not None:
                    break
                time.sleep(0.02)
        tail = self.log.read_text(encoding="utf-8", errors="replace")[-1500:]
        raise RuntimeError(f"{self.name} with {self.workload.key} did not become ready; {self.log} ends:\n{tail}")


def _ours(server: Server, folder: Path, _: int) -> list[str]:
    log = folder / "payload.db"
    for old in folder.glob("payload.db*"):
        old.unlink()
    flags = {
        "--artifact": server.built / "artifact", "--model_name": server.workload.model, "--model_version": "1",
        "--http_port": server.http_port, "--grpc_port": server.grpc_port, "--payload_log": log,
    }  # fmt: skip
    return [sys.executable, "-m", "inference.predictor", *(str(x) for pair in flags.items() for x in pair)]


def _naive(server: Server, folder: Path, _: int) -> list[str]:
    path = str(server.built / "peer" / server.workload.peer_file)
    ports = ["--http_port", str(server.http_port), "--grpc_port", str(server.grpc_port)]
    return [sys.executable, "-m", "benchmarks.peers.naive_kserve", path, server.workload.model, *ports]


def _mlserver(server: Server, folder: Path, spare: int) -> list[str]:
    official = server.workload.peer_file.endswith(".ubj")
    settings = {
        "host": "127.0.0.1", "http_port": server.http_port, "grpc_port": server.grpc_port, "metrics_port": spare,
        "parallel_workers": 0, "debug": False,
    }  # fmt: skip
    model = {
        "name": server.workload.model,
        "implementation": "mlserver_xgboost.XGBoostModel" if official else "benchmarks.peers.mlserver_runtime.Native",
        "parameters": {"uri": str(server.built / "peer" / server.workload.peer_file), "version": "1"},
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    return [str(BENCH_PYTHON.with_name("mlserver")), "start", str(folder)]


_COMMANDS = {OURS: _ours, MLSERVER: _mlserver, KSERVE: _naive}


def requested_outputs(server: str, workload: Workload) -> list[str]:
    """Return the outputs a request must name: MLServer's XGBoost runtime answers classes unless asked otherwise."""
    return ["predict_proba"] if server == MLSERVER and workload.peer_file.endswith(".ubj") else []


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [int(s.getsockname()[1]) for s in sockets]
    finally:
        for s in sockets:
            s.close()
