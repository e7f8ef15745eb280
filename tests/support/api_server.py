"""As much of a Kubernetes API server as Helm uses: discovery, and objects that are made, read, patched and deleted.

Helm 3.10 looks objects up only in a real install or upgrade. No admission, no controllers: an object stays what it was
given. Patches are merged as JSON (RFC 7396), which is what Helm sends for custom resources.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

from tests.support.helm import objects

Object = dict[str, Any]
Answer = tuple[int, Object]
CLUSTER_WIDE = {"ClusterStorageContainer", "ClusterRole", "ClusterRoleBinding", "Namespace"}
PATH = re.compile(r"^/(api/v1|apis/[^/]+/[^/]+)/(?:namespaces/([^/]+)/)?([a-z]+)(?:/([^/]+))?$")
NOT_FOUND: Answer = (
    404,
    {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404},
)


def kinds_of(text: str) -> dict[str, set[str]]:
    """Return the kinds of a rendered stream by group and version, and those that Helm itself uses."""
    found: dict[str, set[str]] = {"v1": {"ConfigMap", "Secret", "Service"}}
    for o in objects(text):
        found.setdefault(o["apiVersion"], set()).add(o["kind"])
    return found


class Cluster:
    """Objects by (plural, name), and the kinds that there are."""

    def __init__(self, kinds: Mapping[str, set[str]]) -> None:
        self.kinds = kinds
        self.held: dict[tuple[str, str], Object] = {}

    def put(self, made: Object) -> None:
        """Keep an object, as if somebody else had made it."""
        self.held[f"{made['kind'].lower()}s", made["metadata"]["name"]] = made

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object or None."""
        return self.held.get((f"{kind.lower()}s", name))

    def names(self, kind: str) -> list[str]:
        """Return the names of a kind, sorted."""
        return sorted(name for plural, name in self.held if plural == f"{kind.lower()}s")

    def answer(self, method: str, path: str, body: Object | None) -> Answer:
        """Return status and body of a request."""
        plain = path.partition("?")[0].rstrip("/")
        if plain == "/version":
            return 200, {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
        if plain == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if plain == "/apis":
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()}
        version = plain.removeprefix("/apis/").removeprefix("/api/")
        if version in self.kinds:
            return 200, {"kind": "APIResourceList", "groupVersion": version, "resources": self._resources(version)}
        match = PATH.match(plain)
        if match is None:
            return NOT_FOUND
        if method == "GET" and match[4] is None:
            wanted = parse_qs(path.partition("?")[2]).get("labelSelector", [""])[0]
            return 200, self._list(match[3], dict(pair.split("=") for pair in wanted.split(",") if pair))
        return self._object(method, match[3], match[4], body)

    def _list(self, plural: str, wanted: dict[str, str]) -> Object:
        found = [o for key, o in self.held.items() if key[0] == plural]
        items = [o for o in found if wanted.items() <= (o["metadata"].get("labels") or {}).items()]
        return {"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": items}

    def _object(self, method: str, plural: str, name: str | None, body: Object | None) -> Answer:
        if method == "POST" and body is not None:
            self.held[plural, body["metadata"]["name"]] = body
            return 201, body
        found = self.held.get((plural, name or ""))
        if found is None or name is None:
            return NOT_FOUND
        if method == "DELETE":
            del self.held[plural, name]
        elif method == "PUT" and body is not None:
            self.held[plural, name] = found = body
        elif method == "PATCH" and body is not None:
            self.held[plural, name] = found = merge_patch(found, body)
        return 200, found

    def _groups(self) -> list[Object]:
        made = []
        for version in (v for v in self.kinds if "/" in v):
            entry = {"groupVersion": version, "version": version.split("/")[1]}
            made.append({"name": version.split("/")[0], "versions": [entry], "preferredVersion": entry})
        return made

    def _resources(self, version: str) -> list[Object]:
        verbs = ["get", "list", "create", "patch", "delete"]
        return [
            {
                "name": f"{k.lower()}s",
                "singularName": "",
                "namespaced": k not in CLUSTER_WIDE,
                "kind": k,
                "verbs": verbs,
            }
            for k in sorted(self.kinds[version])
        ]


def merge_patch(target: Any, patch: Any) -> Any:
    """Return a document patched as RFC 7396 has it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


@contextmanager
def served(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """Serve a cluster; yield a kubeconfig."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            code, told = cluster.answer(self.command, self.path, body)
            raw = json.dumps(told).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = respond

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    config = folder / "kubeconfig"
    address = f"http://127.0.0.1:{server.server_port}"
    made = {
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    config.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "c", **made}), "utf-8")
    try:
        yield config
    finally:
        server.shutdown()
        server.server_close()
