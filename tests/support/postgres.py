"""A real PostgreSQL for tests, from Debian's package (``make setup-test``): one server per session, a database per test.

Import ``postgres_server`` and ``postgres_url`` where they are used, and mark tests that need them ``@needs_postgres``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from inference.ports import free_port

BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
ABSENT = (
    ""
    if BINARIES is not None and (BINARIES / "initdb").exists()
    else "PostgreSQL cannot be found; `make setup-test` installs it"
)
needs_postgres = pytest.mark.skipif(bool(ABSENT), reason=ABSENT or "PostgreSQL is here")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")
PATIENCE_S = 60


def unprivileged() -> dict[str, object]:
    """Return what makes a child run as Debian's ``postgres`` user where this process is root: the server refuses root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server on a free port; yield its URL without a database, and stop it at the end."""
    assert BINARIES is not None
    folder = Path(tempfile.mkdtemp(prefix="arthaflow-postgres-"))
    identity = unprivileged()
    if identity:
        shutil.chown(folder, "postgres", "postgres")
    port, data = free_port(), folder / "data"
    setup = [BINARIES / "initdb", "-D", data, "-U", "arthaflow", "--auth=trust", "-E", "UTF8", "--no-locale", "-N"]
    subprocess.run(setup, check=True, capture_output=True, cwd=folder, **identity)  # type: ignore[call-overload]
    options = [*FAST, "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
    command = [BINARIES / "postgres", "-D", data, "-p", str(port), *(part for o in options for part in ("-c", o))]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **identity)  # type: ignore[call-overload]
    try:
        wait_until_it_answers(port, server, folder / "log")
        yield f"postgresql+psycopg://arthaflow@127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait(PATIENCE_S)
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_it_answers(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server takes connections."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(f"postgresql://arthaflow@127.0.0.1:{port}/postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The session's server: its URL without a database."""
    if ABSENT:
        pytest.skip(ABSENT)
    with running_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a fresh, empty database; dropped afterwards, whoever is still connected."""
    with fresh_database(postgres_server) as url:
        yield url


@contextmanager
def fresh_database(server: str, template: str = "template0") -> Iterator[str]:
    """Make a database as :func:`create_database` does; yield its URL, and drop it."""
    name = create_database(server, template)
    yield f"{server}/{name}"
    with _administering(server) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def create_database(server: str, template: str = "template0") -> str:
    """Make a database as a copy of another one, which nobody may be connected to; return its name."""
    name = f"t{uuid.uuid4().hex}"
    with _administering(server) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return name


def _administering(server: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True)
