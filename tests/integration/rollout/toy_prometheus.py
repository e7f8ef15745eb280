"""An HTTP server that answers Prometheus's instant queries from a formula: two samples of each counter in a window."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

from components.models.spec import ModelSpec

REQUESTS = 400
"""In every window, however short."""


@contextmanager
def toy_prometheus(spec: ModelSpec, shifted: str) -> Iterator[str]:
    """Run one; yield its URL. Every version answers alike, but ``shifted`` predicts at the top of its bounds."""
    edges = [float(edge) for edge in spec.rollout.grid]
    middle = len(edges) // 2

    def rises(name: str, version: str) -> dict[tuple[str, str], float]:
        if name == "arthaflow_requests_total":
            return {("code", "200"): REQUESTS}
        if name == "arthaflow_request_seconds_bucket":
            return {("le", "0.005"): REQUESTS, ("le", "0.01"): REQUESTS, ("le", "+Inf"): REQUESTS}
        if name == "arthaflow_prediction_value_bucket":
            at = len(edges) - 2 if version == shifted else middle
            counts = np.where(np.arange(len(edges)) >= at, REQUESTS, 0)
            return {**{("le", repr(e)): float(c) for e, c in zip(edges, counts, strict=True)}, ("le", "+Inf"): REQUESTS}
        return {}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            query, at = asked["query"], float(asked["time"])
            name, version = query.partition("{")[0], re.search(r'version="([^"]*)"', query)
            found = re.search(r"\[(\d+)s\]", query)
            assert version is not None
            assert found is not None
            since = at - min(0.2, float(found[1]) / 2)
            result = [
                {"metric": {"pod": "p", label: value}, "values": [[since, "0"], [at, str(rise)]]}
                for (label, value), rise in rises(name, version[1]).items()
            ]
            content = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
