"""Submitting through the real Kubeflow client to a small HTTP server that speaks enough of its API."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from components.errors import ConfigurationError, UnknownModel
from pipelines.submit import submit

Seen = list[tuple[str, str, Any]]
API = "/apis/v2beta1"


class Kubeflow(BaseHTTPRequestHandler):
    """Experiments, runs and recurring runs; remembers what it was asked."""

    seen: Seen

    def do_GET(self) -> None:
        self.seen.append(("GET", self.path, None))
        self._answer(200, {"experiments": []} if "/experiments" in self.path else {"multi_user": False})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(("POST", self.path, body))
        number = {"experiments": "experiment_id", "runs": "run_id", "recurringruns": "recurring_run_id"}
        kind = self.path.removeprefix(f"{API}/").partition("?")[0]
        if kind not in number or body.get("display_name") == "refused":
            self._answer(403, {"error": "no"})
            return
        self._answer(200, {**body, number[kind]: f"{kind}-1"})

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def cluster() -> Iterator[tuple[str, Seen]]:
    seen: Seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Kubeflow,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join()


def posted(seen: Seen, kind: str) -> dict[str, Any]:
    (body,) = [b for verb, path, b in seen if verb == "POST" and path.partition("?")[0] == f"{API}/{kind}"]
    assert isinstance(body, dict)
    return body


def test_a_run_carries_the_graph_and_its_arguments(cluster: tuple[str, Seen]) -> None:
    host, seen = cluster
    answer = submit("price_forecast", host, arguments={"until": "2016-12-30", "params": {"tree_depth": 2}})
    assert (answer.kind, answer.id) == ("run", "runs-1")
    assert answer.url == f"{host}/#/runs/details/runs-1"
    body = posted(seen, "runs")
    assert body["experiment_id"] == "experiments-1"
    assert "train-price-forecast" in json.dumps(body["pipeline_spec"])
    given = body["runtime_config"]["parameters"]
    assert given["until"] == "2016-12-30"
    assert json.loads(given["params"]) == {"tree_depth": 2}
    assert posted(seen, "experiments")["display_name"] == "arthaflow"


def test_a_schedule_does_not_catch_up_on_missed_intervals(cluster: tuple[str, Seen]) -> None:
    host, seen = cluster
    answer = submit("price_forecast", host, cron="0 0 2 * * *")
    assert str(answer) == f"recurring run recurringruns-1: {host}/#/recurringrun/details/recurringruns-1"
    body = posted(seen, "recurringruns")
    assert body["no_catchup"] is True
    assert body["trigger"]["cron_schedule"]["cron"] == "0 0 2 * * *"
    assert body["mode"] == "ENABLE"
    assert "pipeline_spec" in body


def test_an_unreachable_host_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(ConfigurationError, match=rf"{host}.*cannot be reached.*--host"):
        submit("price_forecast", host)


@pytest.mark.parametrize("host", ["", "localhost:8080", "http://"])
def test_a_host_that_is_no_url_is_named(host: str) -> None:
    with pytest.raises(ConfigurationError, match="--host"):
        submit("price_forecast", host)


def test_a_refusal_of_the_cluster_is_told(cluster: tuple[str, Seen]) -> None:
    host, _ = cluster
    with pytest.raises(ConfigurationError, match="answered 403"):
        submit("price_forecast", host, experiment="refused")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"untill": "2016"}, "no argument 'untill'"),
        ({"params": "{"}, "are not JSON"),
        ({"params": "[1]"}, "no JSON object"),
        ({"params": {"depth": 3}}, "no hyper-parameter 'depth'"),
        ({"candidates": ["forest"]}, "no candidate 'forest'"),
        ({"policy": "maybe"}, "policy='maybe'"),
        ({"alias": "champion"}, "'champion' is no alias"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sent(
    cluster: tuple[str, Seen], arguments: dict[str, Any], message: str
) -> None:
    host, seen = cluster
    with pytest.raises(ConfigurationError, match=message):
        submit("price_forecast", host, arguments=arguments)
    assert seen == []


def test_a_schedule_of_five_fields_is_refused(cluster: tuple[str, Seen]) -> None:
    host, seen = cluster
    with pytest.raises(ConfigurationError, match="has 5 fields"):
        submit("price_forecast", host, cron="0 2 * * *")
    assert seen == []


def test_an_unknown_model_is_named(cluster: tuple[str, Seen]) -> None:
    with pytest.raises(UnknownModel):
        submit("nothing", cluster[0])
