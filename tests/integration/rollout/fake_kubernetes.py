"""A small, strict Kubernetes API server over HTTP, and the controllers of KServe and of a gateway as toys.

Every write has a ``resourceVersion`` and refuses a stale one; watches deliver events, forget old ones, and break. After
each write the promises that a rollout makes are checked: see :func:`broken_promises`.
"""

from __future__ import annotations

import copy
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.integration.rollout.toy_controllers import Behaviour, broken_promises, status_of

PATH = re.compile(
    r"/(?:api|apis/[^/]+)/v\w+/namespaces/(?P<ns>[^/]+)/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?P<status>/status)?"
)
KINDS = {
    "configmaps": "ConfigMap",
    "leases": "Lease",
    "inferenceservices": "InferenceService",
    "httproutes": "HTTPRoute",
}
Object = dict[str, Any]
Answer = tuple[int, Object]


@dataclass
class Fault:
    """Something that goes wrong with calls: an HTTP status, ``drop`` (no answer), or ``lost`` (done, but no answer).

    ``gone`` makes a watch answer 410, ``cut`` ends it after its first event.
    """

    what: int | str
    method: str = ""
    kind: str = ""
    times: int = 1

    def fits(self, method: str, kind: str) -> bool:
        """Whether it hits this call; each hit is counted."""
        if self.times <= 0 or self.method not in ("", method) or self.kind not in ("", kind):
            return False
        self.times -= 1
        return True


@dataclass
class FakeCluster:
    """Objects by kind and name, what was called, and what went wrong."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    written: list[Object] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    events: list[tuple[int, str, str, str, Object]] = field(default_factory=list)
    version: int = 100
    forgotten: int = 0
    url: str = ""
    before_call: Callable[[str, str, str], None] = lambda method, kind, name: None
    lock: threading.Condition = field(default_factory=lambda: threading.Condition(threading.RLock()))

    def fault(self, method: str, kind: str) -> int | str | None:
        """Return what goes wrong with a call."""
        with self.lock:
            return next((f.what for f in self.faults if f.fits(method, kind)), None)

    def answer(self, method: str, kind: str, name: str, body: Object | None) -> Answer:
        """Do what a call asks."""
        self.before_call(method, kind, name)
        with self.lock:
            self.calls.append((method, kind, name))
            found = self.objects.get((kind, name))
            if method == "GET":
                return (200, found) if found else _failure(404, "NotFound")
            if method == "DELETE":
                return self._delete(kind, name, found)
            assert body is not None
            problem = _invalid(kind, name, body, creating=method == "POST")
            if problem:
                return _failure(422, problem)
            if method == "POST":
                return _failure(409, "AlreadyExists") if found else (201, self._store(kind, name, body, None))
            if found is None:
                return _failure(404, "NotFound")
            if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                return _failure(409, "Conflict")
            return 200, self._store(kind, name, body, found)

    def _delete(self, kind: str, name: str, found: Object | None) -> Answer:
        if found is None:
            return _failure(404, "NotFound")
        del self.objects[(kind, name)]
        self._emit("DELETED", kind, name, found)
        return 200, {"kind": "Status", "status": "Success"}

    def _store(self, kind: str, name: str, body: Object, found: Object | None) -> Object:
        self.written.append(copy.deepcopy(body))
        made = copy.deepcopy({k: v for k, v in body.items() if k != "status"})
        generation = found["metadata"]["generation"] if found else 0
        changed = found is None or found.get("spec") != made.get("spec")
        made["metadata"] |= {"generation": generation + changed, "uid": f"uid-{kind}-{name}"}
        if found and "status" in found:
            made["status"] = found["status"]
        if kind == "HTTPRoute":
            for rule in made["spec"]["rules"]:  # what the CRD's defaults fill in
                rule["backendRefs"] = [{"group": "", "kind": "Service", "weight": 1, **b} for b in rule["backendRefs"]]
        return self._save(kind, name, made, "MODIFIED" if found else "ADDED", found)

    def _save(self, kind: str, name: str, made: Object, event: str, before: Object | None = None) -> Object:
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        self.objects[(kind, name)] = made
        self._emit(event, kind, name, made, before)
        if "spec" in made:
            self._control(kind, name, made)
        return copy.deepcopy(made)

    def _emit(self, event: str, kind: str, name: str, made: Object, before: Object | None = None) -> None:
        self.version += event == "DELETED"
        self.events.append((self.version, event, kind, name, copy.deepcopy(made)))
        self.broken += broken_promises(self.objects, before, made)
        self.lock.notify_all()

    def _control(self, kind: str, name: str, made: Object) -> None:
        """Let the toy controllers report: at once that they work on it, a little later what came of it."""
        for after, status in status_of(kind, made, self.behaviour):
            if status == made.get("status"):
                continue
            if after <= 0:
                self._report(kind, name, status)
            else:
                timer = threading.Timer(after, self._report, (kind, name, status))
                timer.daemon = True
                timer.start()

    def _report(self, kind: str, name: str, status: Object) -> None:
        with self.lock:
            found = self.objects.get((kind, name))
            seen = status.get("observedGeneration", 0)
            if found is None or (seen and seen < found["metadata"]["generation"]):
                return
            self.version += 1
            made = {**copy.deepcopy(found), "status": status}
            made["metadata"]["resourceVersion"] = str(self.version)
            self.objects[(kind, name)] = made
            self._emit("MODIFIED", kind, name, made, found)

    def watch(self, kind: str, name: str, version: int, seconds: float) -> Iterator[Object]:
        """Yield the events after a version."""
        if version < self.forgotten:
            yield {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
            return
        until = time.monotonic() + seconds
        while True:
            with self.lock:
                fresh = [e for e in self.events if e[0] > version and (e[2], e[3]) == (kind, name)]
                left = until - time.monotonic()
                if not fresh and left > 0:
                    self.lock.wait(left)
                    continue
            if not fresh:
                return
            for number, event, _, _, made in fresh:
                version = number
                yield {"type": event, "object": made}


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a fault hung up, or the client has seen enough
            super().handle_error(request, client_address)


@contextmanager
def fake_cluster() -> Iterator[FakeCluster]:
    """Run one on a free port."""
    cluster = FakeCluster()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every answer waits 40 ms for an acknowledgement
        wbufsize = -1

        def log_message(self, *args: object) -> None:
            pass

        def send(self, status: int, content: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def chunk(self, content: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
            self.wfile.flush()

        def serve(self) -> None:
            url = urlsplit(self.path)
            place = PATH.fullmatch(url.path)
            kind = KINDS.get(place["plural"], "") if place else ""
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length and self.command != "DELETE" else None
            if place is None or not kind:
                return self.send(404, b"404 page not found\n", "text/plain")
            query = {k: v[0] for k, v in parse_qs(url.query).items()}
            if query.get("watch"):
                return self.stream(kind, query)
            name = place["name"] or (body or {})["metadata"]["name"]
            fault = cluster.fault(self.command, kind)
            if isinstance(fault, int):
                return self.send(fault, json.dumps(_failure(fault, "Injected")[1]).encode())
            if fault == "drop":
                return self.hang_up()
            status, answer = cluster.answer(self.command, kind, name, body)
            if fault == "lost":
                return self.hang_up()
            return self.send(status, json.dumps(answer).encode())

        def stream(self, kind: str, query: dict[str, str]) -> None:
            fault = cluster.fault("WATCH", kind)
            if fault == "drop":
                return self.hang_up()
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            name, version = query["fieldSelector"].removeprefix("metadata.name="), int(query["resourceVersion"] or 0)
            if fault == "gone":
                cluster.forgotten = cluster.version + 1
            try:
                for event in cluster.watch(kind, name, version, float(query["timeoutSeconds"])):
                    self.chunk(json.dumps(event).encode() + b"\n")
                    if fault == "cut":
                        return self.hang_up()
                self.chunk(b"")
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has seen enough
            cluster.forgotten = 0
            return None

        do_GET = do_POST = do_PUT = do_DELETE = serve

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()


def _failure(code: int, reason: str) -> Answer:
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}


def _invalid(kind: str, name: str, body: Object, *, creating: bool) -> str:
    """What a real server would say to an object; empty where nothing."""
    metadata = body.get("metadata") or {}
    if body.get("kind") != kind or metadata.get("name") != name or not body.get("apiVersion"):
        return "kind, apiVersion or name do not fit the path"
    if creating and metadata.get("resourceVersion"):
        return "resourceVersion should not be set on objects to be created"
    if not creating and not metadata.get("resourceVersion"):
        return "metadata.resourceVersion: must be specified for an update"
    if kind == "ConfigMap" and not all(isinstance(v, str) for v in (body.get("data") or {}).values()):
        return "data: values must be strings"
    if kind == "Lease" and body["spec"].get("holderIdentity") == "":
        return "spec.holderIdentity: must not be empty"
    return ""
