"""The stores of manifests/, run for real: PostgreSQL from its script, MLflow with its own arguments, Redis with its command.

What differs from the cluster is hosts, ports and folders; moto stands in for MinIO. Debian: ``postgresql``, ``redis-server``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import redis

from components.registry.versions import Registry
from components.settings import Settings
from inference.ports import free_port
from tests.support.kustomize import MANIFESTS, find, needs_kubectl
from tests.support.tiny import make_tiny_artifact

BASE = MANIFESTS / "base"
BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), Path("/nowhere"))
PASSWORDS = {
    "POSTGRES_PASSWORD": "of-postgres",
    "MLFLOW_PASSWORD": "of-mlflow'; --",
    "FEAST_PASSWORD": "of-feast",
    "ARTHAFLOW_PASSWORD": "of-arthaflow",
    "MONITOR_PASSWORD": "of-monitor",
}

pytestmark = [
    needs_kubectl,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BINARIES / "initdb").exists() or not shutil.which("redis-server"),
        reason="PostgreSQL or redis-server cannot be found; `make setup-test` installs them",
    ),
]


@dataclass
class Postgres:
    """A running server, as the StatefulSet sets it up."""

    port: int
    user: list[str]
    folder: Path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as its superuser."""
        known = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres"}
        known |= {
            "PATH": f"{BINARIES}:{os.environ['PATH']}",
            "PGPASSWORD": PASSWORDS["POSTGRES_PASSWORD"],
            **environment,
        }
        set_all = ["env", *(f"{k}={v}" for k, v in known.items())]
        return subprocess.run(
            [*self.user, *set_all, *command], capture_output=True, text=True, check=False, cwd=self.folder
        )

    def connect(self, user: str, database: str, password: str = "") -> psycopg.Connection[Any]:
        """Connect over TCP, as pods do."""
        password = password or PASSWORDS[f"{user.upper()}_PASSWORD"]
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, dbname=database, password=password, autocommit=True
        )


def until(check: Any, seconds: float, process: subprocess.Popen[Any]) -> None:
    """Wait until ``check`` is true; a process that ended meanwhile is the test's failure."""
    deadline = time.monotonic() + seconds
    while not check():
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < deadline, "not ready in time"
        time.sleep(0.2)


def secret_environment(container: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return a container's environment, with its Secrets' keys looked up."""
    return {
        v["name"]: v["value"] if "value" in v else secrets[v["valueFrom"]["secretKeyRef"]["key"]]
        for v in container["env"]
    }


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    folder, port = Path(tempfile.mkdtemp(prefix="arthaflow-postgres-")), free_port()
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # PostgreSQL refuses to run as root
    if user:
        shutil.chown(folder, "postgres")
    container = find(BASE / "postgres", "StatefulSet", "postgres")["spec"]["template"]["spec"]["containers"][0]
    initdb = secret_environment(container, PASSWORDS)["POSTGRES_INITDB_ARGS"].split()
    (folder / "password").write_text(PASSWORDS["POSTGRES_PASSWORD"], encoding="utf-8")
    made = [str(BINARIES / "initdb"), "-D", f"{folder}/data", "-U", "postgres", f"--pwfile={folder}/password"]
    subprocess.run([*user, *made, *initdb], check=True, capture_output=True, cwd=folder)
    local = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    command = [*user, str(BINARIES / "postgres"), "-D", f"{folder}/data", *container["args"], *local, "-c", "fsync=off"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    running = Postgres(port, user, folder)
    try:
        until(lambda: running.run("pg_isready").returncode == 0, 60, server)
        assert prepare(running).returncode == 0
        yield running
    finally:
        running.run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def prepare(server: Postgres, **changed: str) -> subprocess.CompletedProcess[str]:
    """Run the script as the image does."""
    script = server.folder / "databases.sql"
    shutil.copy(BASE / "postgres" / "databases.sql", script)
    script.chmod(0o644)
    return server.run("psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-f", str(script), **{**PASSWORDS, **changed})


def test_each_owner_reaches_its_own_database_alone(postgres: Postgres) -> None:
    for owner in ("mlflow", "feast", "arthaflow"):
        with postgres.connect(owner, owner) as connection:
            connection.execute("CREATE TABLE probe (n int)")
            connection.execute("DROP TABLE probe")
        for other in {"mlflow", "feast", "arthaflow"} - {owner}:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                postgres.connect(owner, other)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        postgres.connect("mlflow", "mlflow", "wrong")
    with postgres.connect("monitor", "postgres") as connection:
        assert connection.execute("SELECT count(*) FROM pg_stat_activity").fetchone()


def test_the_script_runs_again_and_changes_a_password(postgres: Postgres) -> None:
    again = prepare(postgres, FEAST_PASSWORD="rotated")
    assert again.returncode == 0, again.stderr
    postgres.connect("feast", "feast", "rotated").close()
    assert prepare(postgres).returncode == 0
    postgres.connect("feast", "feast").close()


@pytest.fixture
def s3() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    for bucket in ("arthaflow", "arthaflow-backups"):
        httpx.put(f"{endpoint}/{bucket}").raise_for_status()
    yield endpoint
    server.stop()


@contextmanager
def mlflow(postgres: Postgres, s3: str, folder: Path) -> Iterator[str]:
    """Run MLflow with the Deployment's arguments and environment; yield its address."""
    container = find(BASE / "mlflow", "Deployment", "mlflow")["spec"]["template"]["spec"]["containers"][0]
    keys = {"AWS_ACCESS_KEY_ID": "arthaflow", "AWS_SECRET_ACCESS_KEY": "secret"}
    environment = secret_environment(container, {**PASSWORDS, **keys})
    uri = environment["MLFLOW_BACKEND_STORE_URI"]
    here = uri.replace("postgres.arthaflow-system.svc:5432", f"127.0.0.1:{postgres.port}")
    assert here != uri
    environment |= {"MLFLOW_BACKEND_STORE_URI": here, "MLFLOW_S3_ENDPOINT_URL": s3, "HOME": str(folder)}
    port = free_port()
    changed = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}"}
    assert set(changed) <= set(container["args"])
    program = str(Path(sys.executable).with_name(container["command"][0]))
    with (folder / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            [program, *(changed.get(a, a) for a in container["args"])],
            env={"PATH": os.environ["PATH"], **environment}, stdout=log, stderr=log, cwd=folder, start_new_session=True,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    probe = container["readinessProbe"]["httpGet"]["path"]

    def healthy() -> bool:
        try:
            # A kubelet's probe names the pod's address, which --allowed-hosts does not list.
            return httpx.get(f"{address}{probe}", headers={"host": "10.1.2.3:5000"}).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(healthy, 240, server)
        words = [argument for p in psutil.Process(server.pid).children(recursive=True) for argument in p.cmdline()]
        assert not [w for w in [*container["args"], *words] if PASSWORDS["MLFLOW_PASSWORD"] in w]
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait(60)


def test_mlflow_registers_on_postgres_and_a_restored_backup_has_it_all(
    postgres: Postgres, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTHAFLOW_S3_ACCESS_KEY", "arthaflow")
    monkeypatch.setenv("ARTHAFLOW_S3_SECRET_KEY", "secret")
    artifact = make_tiny_artifact(tmp_path / "made").directory
    (tmp_path / "report.txt").write_text("kept with the run", encoding="utf-8")
    with mlflow(postgres, s3, tmp_path) as address:
        config = Settings(
            home=tmp_path / "home", tracking_uri=address, artifact_store="s3://arthaflow/artifacts", s3_endpoint=s3
        )
        registry = Registry(config)
        details: dict[str, Any] = {"tags": {"arthaflow.reason": "it won"}, "params": {"a": 1}, "metrics": {"rmse": 0.5}}
        files = {"report": tmp_path / "report.txt"}
        first = registry.register("tiny", artifact, key="a", files=files, **details)
        second = registry.register("tiny", artifact, key="b", **details)
        assert (first.aliases, second.aliases) == (("production",), ("candidate",))
        assert first.uri == "s3://arthaflow/artifacts/tiny/a"
        registry.set_alias("tiny", "production", "2")
        found = registry.locate("tiny")
        assert found is not None
        assert found.version == "2"
        assert registry.resolve("tiny").is_dir()
        run = registry.client.get_run(first.run_id)
        assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
        assert [f.path for f in registry.client.list_artifacts(first.run_id, "report")] == ["report/report.txt"]
        assert b"mlflow/" in httpx.get(f"{s3}/arthaflow?list-type=2&prefix=mlflow/").content

        search = f"{address}/api/2.0/mlflow/experiments/search?max_results=1"
        known = "mlflow.arthaflow-system.svc:5000"
        assert httpx.get(search, headers={"host": known}).status_code == 200
        assert httpx.get(search, headers={"host": "evil.example"}).status_code == 403

    upgrade_schema(postgres)
    out = postgres.folder / "dumps"
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    dump = shutil.copy(BASE / "backups" / "dump.sh", postgres.folder / "dump.sh")
    done = postgres.run("sh", str(dump), OUT=str(out))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {"mlflow.dump", "feast.dump", "arthaflow.dump"}
    assert postgres.run("psql", "-c", "DROP DATABASE mlflow WITH (FORCE)").returncode == 0
    assert prepare(postgres).returncode == 0
    restored = postgres.run(
        "pg_restore", "--exit-on-error", "--clean", "--if-exists", "-d", "mlflow", str(out / "mlflow.dump")
    )
    assert restored.returncode == 0, restored.stderr

    with mlflow(postgres, s3, tmp_path) as address:
        registry = Registry(config.model_copy(update={"tracking_uri": address}))
        assert {v.version: v.aliases for v in registry.versions("tiny")} == {"1": ("previous",), "2": ("production",)}
        assert registry.get("tiny", "1").tags["reason"] == "it won"


def upgrade_schema(postgres: Postgres) -> None:
    """Run the Job that follows a release of MLflow; on a schema that is up to date it changes nothing."""
    job = find(MANIFESTS / "jobs" / "mlflow-db-upgrade", "Job", "mlflow-db-upgrade")["spec"]["template"]["spec"]
    (container,) = job["containers"]
    program, *arguments = container["command"]
    arguments = [a.replace("postgres.arthaflow-system.svc:5432", f"127.0.0.1:{postgres.port}") for a in arguments]
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        env={"PATH": os.environ["PATH"], **secret_environment(container, PASSWORDS), "HOME": str(postgres.folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_backup_that_failed_says_so(postgres: Postgres, tmp_path: Path) -> None:
    dump = shutil.copy(BASE / "backups" / "dump.sh", postgres.folder / "dump.sh")
    done = postgres.run("sh", str(dump), OUT=str(tmp_path / "nowhere"))
    assert done.returncode != 0
    done = postgres.run("sh", str(dump), OUT=str(postgres.folder), PGPASSWORD="wrong")
    assert done.returncode != 0
    assert "password authentication failed" in done.stderr


@contextmanager
def redis_server(folder: Path, port: int) -> Iterator[tuple[redis.Redis, subprocess.Popen[bytes]]]:
    """Run Redis with the StatefulSet's script; only port, address and folder differ."""
    text = (BASE / "redis" / "redis.conf").read_text(encoding="utf-8")
    for before, after in (
        ("port 6379", f"port {port}"),
        ("bind 0.0.0.0", "bind 127.0.0.1"),
        ("dir /data", f"dir {folder}"),
    ):
        assert before in text
        text = text.replace(before, after)
    (folder / "redis.conf").write_text(text, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "REDIS_CONF": f"{folder}/redis.conf", "REDIS_PASSWORD": "hidden-word"}
    server = subprocess.Popen(
        ["/bin/sh", str(BASE / "redis" / "start.sh")], env=environment, stdout=subprocess.DEVNULL, cwd=folder
    )
    client = redis.Redis(host="127.0.0.1", port=port, password="hidden-word", decode_responses=True)
    probe = find(BASE / "redis", "StatefulSet", "redis")["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    command = [part.replace("6379", str(port)) for part in probe["exec"]["command"]]

    def ready(password: str = "hidden-word") -> bool:
        known = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": password}
        return subprocess.run(command, env=known, capture_output=True, check=False).returncode == 0

    try:
        until(ready, 30, server)
        assert not ready("wrong"), "the probe takes a refusal for an answer"
        yield client, server
    finally:
        client.close()
        server.kill()
        server.wait(30)


def test_redis_asks_for_its_password_hides_it_and_keeps_what_it_was_told(tmp_path: Path) -> None:
    port = free_port()
    with redis_server(tmp_path, port) as (client, server):
        words = psutil.Process(server.pid).cmdline()
        assert words[0].startswith("redis-server")
        assert not [word for word in words if "hidden-word" in word]
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(host="127.0.0.1", port=port).ping()
        client.set("SP500", "features")
        for command in ("FLUSHALL", "FLUSHDB"):
            with pytest.raises(redis.ResponseError, match="unknown command"):
                client.execute_command(command)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        server.terminate()
        server.wait(30)
    with redis_server(tmp_path, port) as (client, _):
        assert client.get("SP500") == "features"
