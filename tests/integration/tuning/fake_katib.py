"""A small API server with a Katib controller behind it: Experiments and Trials over HTTP, for the real client library.

The controller moves on at every look at an Experiment, so that no test waits for a clock. It draws each trial's
assignments from the Experiment's own space, and takes the scores from a function.
"""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubernetes.client import ApiClient, Configuration

ROOT = "/apis/kubeflow.org/v1beta1/namespaces/arthaflow-training"
Scores = Callable[[dict[str, str]], dict[str, float] | None]


class FakeKatib:
    """Objects by name, and how the server misbehaves.

    Attributes
    ----------
    scores : callable
        From assignments to the trial's metrics; None for a trial without metrics.
    stumbles : list of int
        Status codes that the next requests get instead of an answer; 0 closes the connection.
    """

    def __init__(self) -> None:
        self.experiments: dict[str, dict[str, Any]] = {}
        self.trials: dict[str, list[dict[str, Any]]] = {}
        self.scores: Scores = lambda assignments: None
        self.stumbles: list[int] = []
        self.requests: list[str] = []
        self.refuse_create: tuple[int, str] | None = None
        self.lose_create_answer = False
        self.known = True
        self.stuck = False
        self.fail_after = math.inf
        self.looks_until_gone = 0
        self.on_look: Callable[[int], object] = lambda number: None
        self.looks = 0
        self.url = ""

    def client(self) -> ApiClient:
        """A client of the real library."""
        configuration = Configuration(host=self.url)
        configuration.retries = False
        return ApiClient(configuration)

    def look(self, name: str) -> dict[str, Any] | None:
        """Return an Experiment after the controller's next step."""
        self.looks += 1
        self.on_look(self.looks)
        experiment = self.experiments.get(name)
        if experiment is None:
            return None
        if "deletionTimestamp" in experiment["metadata"]:
            self.looks_until_gone -= 1
            if self.looks_until_gone < 0:
                del self.experiments[name]
                return None
        elif not self.stuck:
            self._step(name, experiment)
        return experiment

    def _step(self, name: str, experiment: dict[str, Any]) -> None:
        trials = self.trials.setdefault(name, [])
        wanted = experiment["spec"]["maxTrialCount"]
        if len(trials) < wanted:
            trials.append(self._trial(name, experiment, len(trials)))
        metric = experiment["spec"]["objective"]["objectiveMetricName"]
        scored = [t for t in trials if "observation" in t["status"]]
        failed = len(trials) - len(scored)
        status = {"trials": len(trials), "trialsSucceeded": len(scored), "trialMetricsUnavailable": failed}
        if scored:
            best = min(scored, key=lambda t: float(_metrics(t)[metric]))
            status["currentOptimalTrial"] = {
                "bestTrialName": best["metadata"]["name"],
                "parameterAssignments": best["spec"]["parameterAssignments"],
                "observation": best["status"]["observation"],
            }
        conditions = [_condition("Created"), _condition("Running")]
        if failed > min(self.fail_after, experiment["spec"]["maxFailedTrialCount"]):
            conditions.append(
                _condition(
                    "Failed",
                    "ExperimentMaxFailedTrialsReached",
                    "Experiment has failed because max failed count has reached",
                )
            )
        elif len(trials) == wanted:
            conditions.append(
                _condition(
                    "Succeeded",
                    "ExperimentMaxTrialsReached",
                    "Experiment has succeeded because max trial count has reached",
                )
            )
        experiment["status"] = {**status, "conditions": conditions}

    def _trial(self, name: str, experiment: dict[str, Any], number: int) -> dict[str, Any]:
        drawn = {
            p["name"]: _draw(p, random.Random(f"{name}{number}{p['name']}")) for p in experiment["spec"]["parameters"]
        }
        found = self.scores(drawn)
        trial: dict[str, Any] = {
            "metadata": {"name": f"{name}-{number:04x}", "creationTimestamp": f"2026-01-01T00:00:{number:02d}Z"},
            "spec": {"parameterAssignments": [{"name": k, "value": v} for k, v in drawn.items()]},
            "status": {
                "conditions": [_condition("MetricsUnavailable", "MetricsUnavailable", "Metrics are not available")]
            },
        }
        if found is not None:
            metrics = [{"name": k, "latest": repr(v), "min": "0", "max": "9"} for k, v in found.items()]
            trial["status"] = {
                "startTime": "2026-01-01T00:00:00Z",
                "completionTime": "2026-01-01T00:01:30Z",
                "conditions": [_condition("Succeeded")],
                "observation": {"metrics": metrics},
            }
        return trial


def _metrics(trial: dict[str, Any]) -> dict[str, str]:
    return {m["name"]: m["latest"] for m in trial["status"]["observation"]["metrics"]}


def _draw(parameter: dict[str, Any], rng: random.Random) -> str:
    space = parameter["feasibleSpace"]
    if "list" in space:
        return str(rng.choice(space["list"]))
    low, high = float(space["min"]), float(space["max"])
    if parameter["parameterType"] == "int":
        return str(rng.randint(int(low), int(high)))
    if space.get("distribution") == "logUniform":
        return repr(math.exp(rng.uniform(math.log(low), math.log(high))))
    return repr(rng.uniform(low, high))


def _condition(kind: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {
        "type": kind,
        "status": "True",
        "reason": reason or f"Trial{kind}",
        "message": message or f"is {kind.lower()}",
    }


@contextmanager
def fake_katib() -> Iterator[FakeKatib]:
    """Run one on a free port."""
    katib = FakeKatib()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def answer(self, status: int, body: dict[str, Any] | str) -> None:
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("content-type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def refuse(self, status: int, message: str) -> None:
            self.answer(status, {"kind": "Status", "status": "Failure", "message": message, "code": status})

        def handle_one(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            url = urlsplit(self.path)
            katib.requests.append(f"{self.command} {url.path.removeprefix(ROOT)}")
            if katib.stumbles:
                status = katib.stumbles.pop(0)
                if status == 0:
                    self.close_connection = True
                    return
                return self.refuse(status, "the server is overloaded")
            if not katib.known:
                return self.answer(404, "404 page not found\n")
            kind, _, name = url.path.removeprefix(f"{ROOT}/").partition("/")
            if kind == "trials":
                label = parse_qs(url.query)["labelSelector"][0].partition("=")[2]
                return self.answer(200, {"items": katib.trials.get(label, [])})
            return getattr(self, f"experiment_{self.command.lower()}")(name, body)

        def experiment_get(self, name: str, body: Any) -> None:
            found = katib.look(name)
            self.answer(200, found) if found else self.refuse(404, f'experiments.kubeflow.org "{name}" not found')

        def experiment_post(self, _: str, body: dict[str, Any]) -> None:
            name = body["metadata"]["name"]
            if katib.refuse_create:
                return self.refuse(*katib.refuse_create)
            if name in katib.experiments:
                return self.refuse(409, f'experiments.kubeflow.org "{name}" already exists')
            katib.experiments[name] = body
            if katib.lose_create_answer:
                return self.refuse(504, "timeout")
            return self.answer(201, body)

        def experiment_delete(self, name: str, body: Any) -> None:
            if katib.experiments.pop(name, None) is None:
                return self.refuse(404, f'experiments.kubeflow.org "{name}" not found')
            katib.trials.pop(name, None)
            return self.answer(200, {"status": "Success"})

        do_GET = do_POST = do_DELETE = handle_one

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    katib.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield katib
    finally:
        server.shutdown()
        server.server_close()
