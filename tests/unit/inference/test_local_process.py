"""Server processes on one machine: ready, early exits, stopping, stale entries, ports. Real processes, no model."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.errors import ConfigurationError, ModelUnavailable, PortInUse
from inference.local import Endpoint, ManagedProcess, Watchdog, free_port
from inference.local.supervisor import Supervisor
from inference.ports import bind

WEB = "import http.server,sys; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), {handler}).serve_forever()"
GOOD = WEB.format(handler="http.server.SimpleHTTPRequestHandler")
DEAF = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def process(tmp_path: Path, code: str, *arguments: str) -> ManagedProcess:
    command = [sys.executable, "-c", code, *arguments]
    return ManagedProcess("server", command, tmp_path / "logs" / "server.log", dict(os.environ))


def web(key: str = "m") -> Endpoint:
    port = free_port()
    command = (sys.executable, "-c", GOOD, str(port))
    return Endpoint("predictor", key, "1", http_port=port, command=command, ready_path="/")


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path)
    yield supervisor
    supervisor.stop_all()


def test_ready_then_stopped(tmp_path: Path) -> None:
    port = free_port()
    server = process(tmp_path, GOOD, str(port))
    server.start()
    server.wait_ready(f"http://127.0.0.1:{port}/", 30)
    assert (tmp_path / "logs" / "server.pid").read_text() == f"{server.pid}\n"
    server.stop()
    assert server.returncode is not None
    assert not (tmp_path / "logs" / "server.pid").exists()


def test_an_early_exit_tells_the_last_words(tmp_path: Path) -> None:
    first = process(tmp_path, "print('an older run')")
    first.start()
    while first.returncode is None:
        time.sleep(0.01)
    server = process(tmp_path, "import sys; print('the model is corrupt'); sys.exit(3)")
    server.start()
    with pytest.raises(ModelUnavailable, match=r"server exited with 3 before it was ready") as caught:
        server.wait_ready("http://127.0.0.1:9/", 30)
    assert "the model is corrupt" in str(caught.value)
    assert "an older run" not in str(caught.value)
    assert "server.log" in caught.value.remedy
    server.stop()


def test_one_that_never_gets_ready_is_stopped(tmp_path: Path) -> None:
    server = process(tmp_path, "import time; print('loading', flush=True); time.sleep(60)")
    server.start()
    with pytest.raises(ModelUnavailable, match=r"not ready within 1 s"):
        server.wait_ready("http://127.0.0.1:9/", 1)
    assert server.returncode is not None


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    server = process(tmp_path, DEAF)
    server.start()
    while "deaf" not in server.tail():
        time.sleep(0.01)
    server.stop(grace_s=0.2)
    assert server.returncode == -signal.SIGKILL


def test_another_supervisor_finds_and_stops_it(supervisor: Supervisor, tmp_path: Path) -> None:
    started = supervisor.launch(web(), 30)
    other = Supervisor(tmp_path)
    assert other.find("predictor", "m", "1") == started
    with pytest.raises(ModelUnavailable, match="predictor/m/1 runs already"):
        other.launch(web(), 30)
    other.stop("predictor/m/1")
    assert not started.alive
    assert supervisor.running() == []


def test_a_failed_start_leaves_nothing(supervisor: Supervisor) -> None:
    broken = replace(web(), command=(sys.executable, "-c", "raise SystemExit('no')"))
    with pytest.raises(ModelUnavailable, match="exited with 1"):
        supervisor.launch(broken, 30)
    assert supervisor.state.read() == {}


def test_a_dead_server_is_not_found_even_if_its_number_lives(supervisor: Supervisor) -> None:
    started = supervisor.launch(web(), 30)
    reused = replace(started, pid=os.getpid())
    supervisor.state.change(lambda servers: servers.update({started.key: reused}))
    assert supervisor.running() == []
    with pytest.raises(ModelUnavailable, match=r"No predictor/m/1 runs below .* \(running: none\)"):
        supervisor.find("predictor", "m", "1")
    supervisor.stop(started.key)  # must not stop this very process
    assert not started.alive


def test_the_watchdog_restarts_what_was_killed_but_not_what_was_stopped(supervisor: Supervisor) -> None:
    killed, stopped = supervisor.launch(web("killed"), 30), supervisor.launch(web("stopped"), 30)
    with Watchdog(supervisor) as watchdog:
        supervisor.stop(stopped.key)
        os.kill(killed.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while not watchdog.restarts and time.monotonic() < deadline:
            time.sleep(0.05)
    again = supervisor.find("predictor", "killed", "1")
    assert again.pid != killed.pid
    assert again.http_port == killed.http_port
    assert watchdog.restarts == [killed.key]


def test_the_watchdog_gives_up_a_server_that_keeps_dying(supervisor: Supervisor) -> None:
    started = supervisor.launch(web(), 30)
    hopeless = replace(started, command=(sys.executable, "-c", "raise SystemExit(1)"))
    supervisor.state.change(lambda servers: servers.update({started.key: hopeless}))
    os.kill(started.pid, signal.SIGKILL)
    watchdog = Watchdog(supervisor)
    with watchdog:
        deadline = time.monotonic() + 60
        while len(watchdog.restarts) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)  # several polls, in which nothing more may happen
    assert watchdog.restarts == [started.key] * 5


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port} on 127.0.0.1 is in use"):
            bind("127.0.0.1", port)
    with pytest.raises(ConfigurationError, match="70000 is no port"):
        bind("127.0.0.1", 70000)


def test_free_ports_differ_and_are_free() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    for port in ports:
        bind("127.0.0.1", port).close()


def test_a_process_of_its_own_keeps_watch(supervisor: Supervisor, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "inference.local", "--home", str(tmp_path))
    watchdog = supervisor.launch(Endpoint("watchdog", "all", command=command), 0)
    started = supervisor.launch(web(), 30)
    os.kill(started.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while supervisor.state.read()[started.key] == started and time.monotonic() < deadline:
        time.sleep(0.05)
    again = supervisor.find("predictor", "m", "1")
    assert again.pid != started.pid
    status = Path(f"/proc/{again.pid}/status")
    if status.is_file():  # a revived server must hear SIGTERM, as one that was started does
        assert "SigBlk:\t0000000000000000" in status.read_text()
    supervisor.stop_all()
    assert not again.alive
    assert not watchdog.alive
