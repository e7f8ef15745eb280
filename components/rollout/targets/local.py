"""The local target: predictors as processes behind the weighted router."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from components.errors import ArthaflowError, ModelUnavailable
from components.rollout.metrics import WindowMetrics

if TYPE_CHECKING:
    from inference.local import Endpoint, LocalServing

DRAIN_S = 35.0
"""Longest wait for requests in flight: a little more than the router's longest answer."""


@dataclass
class LocalTarget:
    """One model behind its local router.

    Parameters
    ----------
    serving : LocalServing
        Starts and stops predictors.
    model : str
        The model.
    """

    serving: LocalServing
    model: str

    def begin(self, version: str, artifact: str, *, http_port: int = 0) -> Endpoint:
        """Start the first version and the router on ``http_port`` (0: a free one); return the router, for clients."""
        stable = self.serving.deploy(self.model, version, Path(artifact))
        router = self.serving.start_router(self.model, artifact_dir=Path(artifact), http_port=http_port)
        self._put({"stable": {"url": stable.url, "version": version, "weight": 100}})
        return router

    @property
    def router(self) -> Endpoint:
        """The running router."""
        return self.serving.find("router", self.model)

    @property
    def stable_version(self) -> str:
        """The version on the stable track."""
        return str(self._table().get("stable", {}).get("version", ""))

    @property
    def canary_version(self) -> str:
        """The version on the canary track, or empty."""
        return str(self._table().get("canary", {}).get("version", ""))

    @property
    def canary_percent(self) -> int:
        """Share of the traffic that the canary gets; 0 without one."""
        return int(self._table().get("canary", {}).get("weight", 0))

    def deploy_canary(self, version: str, artifact: str) -> None:
        """Start a predictor and make it known to the router, with no traffic."""
        canary = self.serving.deploy(self.model, version, Path(artifact))
        try:
            stable = {**self._table()["stable"], "weight": 100}
            self._put({"stable": stable, "canary": {"url": canary.url, "version": version, "weight": 0}})
        except ArthaflowError:
            self.serving.undeploy(self.model, version)
            raise

    def set_canary_weight(self, percent: int) -> None:
        """Split the traffic."""
        table = self._table()
        table["stable"]["weight"], table["canary"]["weight"] = 100 - percent, percent
        self._put(table)

    def window(self, version: str, since: float, until: float) -> WindowMetrics:
        """Ask the router."""
        query = urlencode({"version": version, "since": repr(since), "until": repr(until)})
        return WindowMetrics.from_dict(self._ask("GET", f"/window?{query}"))

    def promote(self, announce: Callable[[], None]) -> None:
        """Make the canary the only version; drain and stop the old one. A registry that refuses changes nothing."""
        announce()
        table = self._table()
        old = table["stable"]["version"]
        self._put({"stable": {**table["canary"], "weight": 100}})
        self._retire(old)

    def rollback(self) -> None:
        """Make the stable version the only one; drain and stop the canary."""
        table = self._table()
        self._put({"stable": {**table["stable"], "weight": 100}})
        if "canary" in table:
            self._retire(table["canary"]["version"])

    def _retire(self, version: str) -> None:
        deadline = time.monotonic() + DRAIN_S
        while any(d["version"] == version for d in self._ask("GET", "/weights")["draining"]):
            if time.monotonic() > deadline:
                break  # the router's own limit has passed: what is left has no client any more
            time.sleep(0.05)
        self.serving.undeploy(self.model, version)

    def _table(self) -> dict[str, Any]:
        return {k: v for k, v in self._ask("GET", "/weights").items() if k != "draining"}

    def _put(self, table: dict[str, Any]) -> None:
        self._ask("PUT", "/weights", table)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        url = self.router.admin_url + path
        data = None if body is None else json.dumps(body).encode()
        request = Request(url, data, {"content-type": "application/json"}, method=method)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=30.0) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            raise ArthaflowError(f"The router refused {method} {path}: {error.read().decode()}") from error
        except (URLError, OSError, HTTPException) as error:
            raise ModelUnavailable(
                f"The router of {self.model} does not answer at {url} ({error}).",
                f"Its log is {self.router.log}; start it again with `arthaflow serve {self.model}`.",
            ) from error
