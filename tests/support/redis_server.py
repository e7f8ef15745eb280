"""A real Redis of Debian's package ``redis-server`` on a free port, for tests; it can be stopped and started midway."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from inference.ports import free_port

PROGRAM = shutil.which("redis-server")
ABSENT = "" if PROGRAM else "redis-server cannot be found; `make setup-test` installs it"


class RedisServer:
    """A running Redis that keeps nothing on disk.

    Parameters
    ----------
    folder : Path
        Its working folder.

    Attributes
    ----------
    url : str
        ``redis://127.0.0.1:port/0``; the same after :meth:`start`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers; nothing happens if it runs."""
        if self.process is not None:
            return
        assert PROGRAM is not None
        command = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=self.folder)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"redis-server ended with {self.process.returncode}"
            try:
                self.client().ping()
                return
            except redis.ConnectionError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not become ready")

    def stop(self) -> None:
        """Kill it, as a failing machine would; its data is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def freeze(self) -> None:
        """Let it accept connections and answer nothing, as behind a network that loses packets."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def client(self) -> redis.Redis:
        """Return a synchronous client, to look at what is stored."""
        return redis.Redis(port=self.port, socket_timeout=5)


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The session's Redis; tests take :func:`redis_server` or :func:`redis_url`."""
    if ABSENT:
        pytest.skip(ABSENT)
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(redis_process: RedisServer) -> Iterator[RedisServer]:
    """The session's Redis, empty and running; a test may stop, start and freeze it."""
    redis_process.start()
    redis_process.client().flushall()
    yield redis_process
    if redis_process.process is not None:
        redis_process.thaw()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of the session's Redis, empty and running."""
    return redis_server.url
