"""A real etcd and kube-apiserver, started for the tests when ``KUBEBUILDER_ASSETS`` names the folder that has them.

The CRDs of KServe and of the Gateway API come from the YAML files of the folder ``ARTHAFLOW_CRDS``. No controller runs:
a thread plays KServe's and the gateway's, by the same functions as in the fake cluster, over the status subresource.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import yaml

from components.rollout.targets.kube import PATHS, Object
from tests.integration.rollout.kubernetes_fixture import Cluster
from tests.integration.rollout.toy_controllers import Behaviour, broken_promises, status_of

TOKEN = "arthaflow-tests"
START_S = 90.0
CONTROLLED = ("InferenceService", "HTTPRoute")


def missing_for_real() -> str:
    """Return why no real API server can be started; empty if it can."""
    assets, crds = os.environ.get("KUBEBUILDER_ASSETS", ""), os.environ.get("ARTHAFLOW_CRDS", "")
    if not assets or not all(Path(assets, name).is_file() for name in ("etcd", "kube-apiserver")):
        return (
            "no real API server: set KUBEBUILDER_ASSETS to the folder with etcd and kube-apiserver "
            f"(`setup-envtest use -p path`); it is {assets!r}"
        )
    if not crds or not list(Path(crds).glob("*.yaml")):
        return (
            f"no CRDs: set ARTHAFLOW_CRDS to a folder with those of KServe and the Gateway API as YAML; it is {crds!r}"
        )
    return ""


@contextmanager
def real() -> Iterator[Cluster]:
    """Run etcd and an API server with a namespace ``ml``, the CRDs and the toy controllers."""
    assets = Path(os.environ["KUBEBUILDER_ASSETS"])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        etcd = stack.enter_context(start_etcd(assets / "etcd", folder))
        url = stack.enter_context(_start_apiserver(assets / "kube-apiserver", folder, etcd))
        call = _caller(url)
        for path in sorted(Path(os.environ["ARTHAFLOW_CRDS"]).glob("*.yaml")):
            _apply_crds(call, path)
        call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}})
        for kind in CONTROLLED:
            group, plural = PATHS[kind]
            _until(lambda p=f"{group}/namespaces/ml/{plural}": bool(call("GET", p)), f"the CRD of {kind}")
        behaviour, broken = Behaviour(), []

        def check(before: Object | None, made: Object | None) -> None:
            objects = {(o["kind"], o["metadata"]["name"]): o for kind in CONTROLLED for o in _list(call, kind)}
            broken.extend(broken_promises(objects, before, made or {"metadata": {}}))

        stack.enter_context(_controllers(call, behaviour))
        yield Cluster(lambda: _client(url), behaviour, broken, check)


@contextmanager
def start_etcd(program: Path, folder: Path) -> Iterator[str]:
    """Run etcd; yield its address."""
    client, peer = f"http://127.0.0.1:{_port()}", f"http://127.0.0.1:{_port()}"
    command = [
        str(program),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]
    with _process(command, folder / "etcd.log") as process:
        _until(lambda: _answers(f"{client}/health"), "etcd", process, folder / "etcd.log")
        yield client


@contextmanager
def _start_apiserver(program: Path, folder: Path, etcd: str) -> Iterator[str]:
    """Run kube-apiserver with one user, who may do everything; yield its address."""
    url, key, log = f"https://127.0.0.1:{(port := _port())}", folder / "service-account.key", folder / "apiserver.log"
    _write_key(key)
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    command = [
        str(program),
        f"--etcd-servers={etcd}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={folder / 'certificates'}",  # it makes a self-signed one there
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
        "--allow-privileged=true",
    ]
    with _process(command, log) as process:
        _until(lambda: _answers(f"{url}/readyz"), "kube-apiserver", process, log)
        yield url


def _write_key(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


@contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _until(
    done: Callable[[], bool], what: str, process: subprocess.Popen[bytes] | None = None, log: Path | None = None
) -> None:
    deadline = time.monotonic() + START_S
    while not done():
        died = process is not None and process.poll() is not None
        if died or time.monotonic() > deadline:
            words = log.read_text(errors="replace")[-2000:] if log else ""
            raise RuntimeError(f"{what} did not come up{' (it exited)' if died else ''}: {words}")
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return bool(_open(url, "GET", None).status == 200)
    except (URLError, OSError):
        return False


def _open(url: str, method: str, body: Any) -> Any:
    import ssl

    context = ssl._create_unverified_context() if url.startswith("https") else None  # its certificate is self-signed
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    return urlopen(Request(url, data, headers, method=method), timeout=20, context=context)


def _caller(url: str) -> Callable[..., Any]:
    """Return a function that calls the server; None for what is not there or was changed meanwhile."""

    def call(method: str, path: str, body: Any = None) -> Any:
        try:
            with _open(url + path, method, body) as answer:
                return json.loads(answer.read())
        except URLError as error:
            if getattr(error, "code", 0) in (404, 409):
                return None
            raise

    return call


def _apply_crds(call: Callable[..., Any], path: Path) -> None:
    for crd in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if crd and crd.get("kind") == "CustomResourceDefinition":
            crd["spec"].pop("conversion", None)  # no webhook runs here
            call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)


def _list(call: Callable[..., Any], kind: str) -> list[Object]:
    group, plural = PATHS[kind]
    listed = call("GET", f"{group}/namespaces/ml/{plural}") or {}
    return [{**item, "kind": kind} for item in listed.get("items", [])]


@contextmanager
def _controllers(call: Callable[..., Any], behaviour: Behaviour) -> Iterator[None]:
    """Report on objects as the toy controllers would; a CRD's schema may prune what it does not know of a status."""
    stop, told = threading.Event(), {}

    def report(kind: str, found: Object) -> None:
        name, uid = found["metadata"]["name"], found["metadata"]["uid"]
        key = (kind, uid)
        seen = {**found, "status": told.get(key, {})}
        for after, status in status_of(kind, seen, behaviour):
            stop.wait(after)
            group, plural = PATHS[kind]
            path = f"{group}/namespaces/ml/{plural}/{name}"
            fresh = call("GET", path)
            if fresh is None or fresh["metadata"]["generation"] != found["metadata"]["generation"]:
                return
            plain = {k: v for k, v in status.items() if k != "template"}
            if call("PUT", f"{path}/status", {**fresh, "status": plain}) is None:
                return
            told[key] = {**status, "generation": found["metadata"]["generation"]}

    def run() -> None:
        while not stop.is_set():
            for kind in CONTROLLED:
                for found in _list(call, kind):
                    known = told.get((kind, found["metadata"]["uid"]), {})
                    if known.get("generation") != found["metadata"]["generation"]:
                        report(kind, found)
            stop.wait(0.02)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def _client(url: str) -> Any:
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    configuration.host, configuration.verify_ssl, configuration.retries = url, False, False
    configuration.api_key = {"authorization": f"Bearer {TOKEN}"}
    return ApiClient(configuration)


def _port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
