"""The router in front of real predictors: weights, the header, draining, restarts, and what it refuses."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.errors import PortInUse
from components.rollout.targets.local import LocalTarget
from inference.local import LocalServing
from inference.v2.client import Client, encode_request
from tests.support.tiny import tiny_rows

ROWS = tiny_rows(40)


def call(
    method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def ask(url: str, track: str = "", binary: bool = False) -> str:
    """Return the version that answered."""
    body, headers = encode_request({"features": ROWS["features"][:2]}, binary)
    status, answered, content = call("POST", f"{url}/v2/models/tiny/infer", body, {**headers, "x-model-track": track})
    assert status == 200, content
    return answered["x-model-version"]


@pytest.fixture
def target(serving: LocalServing, artifacts: dict[str, Path]) -> LocalTarget:
    target = LocalTarget(serving, "tiny")
    target.begin("1", str(artifacts["1"]))
    target.deploy_canary("2", str(artifacts["2"]))
    return target


def test_the_router(target: LocalTarget, serving: LocalServing, artifacts: dict[str, Path]) -> None:
    """One start of the servers, many facts: starting them costs more than asking them."""
    url, admin = target.router.url, target.router.admin_url

    # without weight no traffic, but the header reaches the canary
    assert {ask(url) for _ in range(30)} == {"1"}
    assert ask(url, "canary") == "2"
    assert ask(url, "canary", binary=True) == "2"

    # weights are honoured within five standard deviations
    target.set_canary_weight(30)
    asked = 400
    canary = sum(ask(url, binary=i % 2 == 0) == "2" for i in range(asked))
    assert abs(canary - 0.3 * asked) < 5 * math.sqrt(asked * 0.3 * 0.7)

    # the windows hold exactly what was routed at random, with the number that is compared
    windows = [target.window(v, 0.0, math.inf) for v in ("1", "2")]
    assert [w.requests for w in windows] == [asked - canary + 30, canary]
    assert [len(w.predictions) for w in windows] == [w.requests for w in windows]
    assert all(0.9 < p < 1.1 for w in windows for p in w.predictions)
    with Client(url, "tiny") as client:
        outputs, _ = client.infer({"features": ROWS["features"][:1]})
        assert client.ready()
        assert client.metadata()["name"] == "tiny"
    ratio = float(outputs["price"][0, 0] / ROWS["features"][0, 0])
    assert target.window("1", 0.0, math.inf).predictions[0] == pytest.approx(ratio, abs=1e-4)

    # a client's own mistake is not retried and counts against nobody's errors
    status, _, body = call("POST", f"{url}/v2/models/tiny/infer", {"inputs": []}, {"content-type": "application/json"})
    assert status == 400
    assert b"error" in body
    assert sum(target.window(v, 0.0, math.inf).errors for v in "12") == 0

    # only this model's paths are routed
    assert call("GET", f"{url}/metrics")[0] == 404
    assert call("POST", f"{url}/v2/repository/models/tiny/unload")[0] == 404

    # metrics
    text = call("GET", f"{admin}/metrics")[2].decode()
    assert 'arthaflow_router_requests_total{code="200",track="canary",version="2"}' in text

    # what the admin interface refuses leaves the table as it was
    before = call("GET", f"{admin}/weights")[2]
    for wrong, says in WRONG_TABLES:
        status, _, body = call("PUT", f"{admin}/weights", wrong)
        assert (status, says in body.decode()) == (400, True), body
    assert call("GET", f"{admin}/weights")[2] == before
    assert call("GET", f"{admin}/window")[0] == 400

    # a restarted router goes on with the weights it had
    router = target.router
    serving.stop(router.key)
    serving.start_router("tiny", http_port=router.http_port, artifact_dir=artifacts["1"])
    assert (target.stable_version, target.canary_version) == ("1", "2")

    # taken ports are named
    with pytest.raises(PortInUse, match=str(router.http_port)):
        serving.deploy("tiny", "3", artifacts["3"], http_port=router.http_port)

    # promotion: the old version leaves when its last request is answered
    target.set_canary_weight(100)
    assert {ask(url) for _ in range(20)} == {"2"}
    target.promote(lambda: None)
    assert (target.stable_version, target.canary_version) == ("2", "")
    assert ask(url) == "2"
    assert [e.key for e in serving.running()] == ["predictor/tiny/2", "router/tiny"]


GOOD = {"url": "http://127.0.0.1:9", "version": "1", "weight": 1}
WRONG_TABLES = [
    (b"{", "no JSON"),
    ({"canary": GOOD}, "no entry 'stable'"),
    ({"stable": {**GOOD, "weight": -1}}, "stable.weight: -1 is no weight"),
    ({"stable": {**GOOD, "weight": 0}}, "all weights are 0"),
    ({"stable": {**GOOD, "url": "ftp://x"}}, "stable.url"),
    ({"stable": {**GOOD, "version": 1}}, "stable.version"),
    ({"stable": GOOD, "canary": GOOD}, "both tracks have version '1'"),
    ({"stable": GOOD, "blue": GOOD}, "'blue'"),
]


def test_rows_reach_the_model_unchanged_through_the_router(target: LocalTarget) -> None:
    predictor = target.serving.find("predictor", "tiny", "1")
    with Client(target.router.url, "tiny") as routed, Client(predictor.url, "tiny") as direct:
        for binary in (False, True):
            a, _ = routed.infer(ROWS, binary=binary)
            b, _ = direct.infer(ROWS, binary=binary)
            assert all(np.array_equal(a[name], b[name]) for name in b)
