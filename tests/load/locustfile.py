"""Load on the product API, as document 3 lays it out: ``locust -f tests/load/locustfile.py --host http://localhost:8000``.

``ARTHAFLOW_TOKEN`` holds a token (``arthaflow token --role app --tier premium``). What is asked follows from the served
models: each route's own example from the OpenAPI document, varied so that some answers come from the cache and some do
not. A refusal by the rate limit (429) is counted apart, not as a failure: it is what the limit is for.
"""

from __future__ import annotations

import os
import random
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.env import Environment

ENTITIES = os.environ.get("ARTHAFLOW_ENTITIES", "SP500,NASDAQ").split(",")
AS_OF = os.environ.get("ARTHAFLOW_AS_OF", "2018-12-31T21:00:00Z")
limited = 0


class Application(FastHttpUser):
    """An application that shows forecasts, and a dashboard now and then."""

    wait_time = between(0.0, 0.05)

    def on_start(self) -> None:
        """Find out what is served."""
        self.client.default_headers = {"authorization": f"Bearer {os.environ['ARTHAFLOW_TOKEN']}"}
        told = self.client.get("/api").json()["data"]
        served = set(told["served"])
        self.routes = [r for r in told["predictions"] if r["model"] in served and r["method"] == "POST"]
        document = self.client.get("/openapi.json").json()
        self.examples = {r["path"]: example(document, r["path"]) for r in self.routes}

    @task(20)
    def predict(self) -> None:
        """Ask one model."""
        route = random.choice(self.routes)
        self.ask(route["path"], varied(self.examples[route["path"]]))

    @task(1)
    def dashboard(self) -> None:
        """Ask many at once."""
        kinds = [{"type": r["model"], **varied(self.examples[r["path"]])} for r in self.routes for _ in range(3)]
        self.ask("/api/ml/batch/predict", {"requests": kinds})

    def ask(self, path: str, body: dict[str, Any]) -> None:
        """Send a request; 429 is no failure, anything else but 200 is."""
        global limited
        with self.client.post(path, json=body, catch_response=True) as answer:
            if answer.status_code == 429:
                limited += 1
                answer.success()
            elif answer.status_code != 200:
                answer.failure(f"status {answer.status_code}: {(answer.text or '')[:200]}")


def example(document: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the first example of a route's request from the OpenAPI document."""
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rsplit("/", 1)[-1]
    found: dict[str, Any] = document["components"]["schemas"][name]["examples"][0]
    return found


def varied(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body like the example, of one of a few hundred kinds."""
    changed = dict(body)
    if "security_id" in changed:
        changed |= {"security_id": random.choice(ENTITIES), "as_of": AS_OF}
    for name, value in changed.items():
        if isinstance(value, float):
            changed[name] = round(value * (1 + random.randrange(100) / 1000), 4)
    return changed


@events.quitting.add_listener
def tell(environment: Environment, **_: Any) -> None:
    """Say how many were limited, and end with an error if anything failed."""
    print(f"refused by the rate limit: {limited}")
    if environment.stats.total.fail_ratio > 0:
        environment.process_exit_code = 1
