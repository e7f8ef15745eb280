"""A small Kubernetes API server over HTTP: discovery, get, server-side apply, delete, and a controller.

Enough for the real client library; the objects themselves are checked against the real schemas.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

RESOURCES = {
    "/api/v1": [("configmaps", "ConfigMap")],
    "/apis/serving.kserve.io/v1beta1": [("inferenceservices", "InferenceService")],
    "/apis/gateway.networking.k8s.io/v1": [("httproutes", "HTTPRoute")],
}


class FakeCluster:
    """Objects by path, and everything that was applied, in order."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.applied: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.never_ready: set[str] = set()
        self.url = ""

    def put(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Take in an object as a controller would make it."""
        self.applied.append(json.loads(json.dumps(manifest)))
        old = self.objects.get(path, {"metadata": {"generation": 0}})
        generation = old["metadata"]["generation"] + (old.get("spec") != manifest.get("spec"))
        stored = {**manifest, "metadata": {**manifest["metadata"], "generation": generation}}
        if manifest["kind"] == "InferenceService":
            broken = manifest["metadata"]["name"] in self.never_ready
            condition = {"type": "Ready", "status": "False" if broken else "True", "reason": "x"}
            if broken:
                condition |= {"reason": "RevisionFailed", "message": "the golden requests did not pass"}
            stored["status"] = {"observedGeneration": generation, "conditions": [condition]}
        self.objects[path] = stored
        return stored


@contextmanager
def fake_cluster() -> Iterator[FakeCluster]:
    """Run one on a free port."""
    cluster = FakeCluster()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            found = _discovery(path) or cluster.objects.get(path)
            self.answer(200, found) if found else self.answer(404, _status(404, "NotFound"))

        def do_PATCH(self) -> None:
            assert self.headers["content-type"] == "application/apply-patch+yaml"
            assert "fieldManager=arthaflow-rollout" in self.path
            body = yaml.safe_load(self.rfile.read(int(self.headers["content-length"])))
            self.answer(200, cluster.put(self.path.split("?")[0], body))

        def do_DELETE(self) -> None:
            path = self.path.split("?")[0]
            if cluster.objects.pop(path, None) is None:
                return self.answer(404, _status(404, "NotFound"))
            cluster.deleted.append(path.rsplit("/", 1)[1])
            return self.answer(200, _status(200, "Success"))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()


def _discovery(path: str) -> dict[str, Any] | None:
    if path == "/version":
        return {"kind": "Info", "major": "1", "minor": "34", "gitVersion": "v1.34.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = [p.split("/")[2:] for p in RESOURCES if p.startswith("/apis/")]
        versions = [{"groupVersion": f"{g}/{v}", "version": v} for g, v in groups]
        pairs = zip(groups, versions, strict=True)
        return {
            "kind": "APIGroupList",
            "groups": [{"name": g, "versions": [x], "preferredVersion": x} for (g, _), x in pairs],
        }
    if path in RESOURCES:
        common = {"singularName": "", "namespaced": True, "verbs": ["get", "patch", "delete"]}
        return {
            "kind": "APIResourceList",
            "groupVersion": path.removeprefix("/apis/").removeprefix("/api/"),
            "resources": [{"name": name, "kind": kind, **common} for name, kind in RESOURCES[path]],
        }
    return None


def _status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": reason, "reason": reason, "code": code}
