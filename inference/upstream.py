"""The predictor as its surroundings see it: the V2 protocol over HTTP, with timeouts, retries and clear errors."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import numpy.typing as npt

from components.errors import ArthaflowError, ModelUnavailable
from components.models.schema import Batch
from inference.cloudevents import SYNTHETIC
from inference.telemetry import tracing
from inference.v2 import decode_response, encode_request

PASSED_ON = (
    *("x-request-id", "x-b3-traceid", "traceparent", "tracestate", "authorization", "ce-id", "x-model-track"),
    "x-request-timeout-ms",
)
"""Request headers that are passed on to the predictor."""


class PredictorRefused(ArthaflowError):
    """The predictor answered with an error of its own; its status is kept."""

    def __init__(self, status: int, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.status = status


class Upstream:
    """A predictor.

    Parameters
    ----------
    host : str
        ``host``, ``host:port`` or a URL.
    model : str
        Name on the protocol.
    timeout_s : float
        For each attempt.
    retries : int
        Further attempts after a failed connection, a timeout, or a 502, 503 or 504. Inference changes nothing, so
        asking twice is safe.
    backoff_s : float
        Pause before the first retry; doubles with each.
    """

    def __init__(
        self, host: str, model: str, timeout_s: float = 30.0, retries: int = 2, backoff_s: float = 0.1
    ) -> None:
        self.base = (host if "://" in host else f"http://{host}").rstrip("/")
        self.model = model
        self.retries = retries
        self.backoff_s = backoff_s
        self._client = httpx.Client(
            base_url=self.base,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0)),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=30.0),
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ready(self) -> bool:
        """Ask once whether the model can answer now."""
        try:
            return self._client.get(f"/v2/models/{self.model}/ready").status_code == 200
        except httpx.TransportError:
            return False

    def metadata(self) -> dict[str, Any]:
        """Return the model's V2 metadata."""
        found: dict[str, Any] = self.ask_metadata({}).json()
        return found

    def ask_metadata(self, headers: Mapping[str, str]) -> httpx.Response:
        """Return the answer with the model's V2 metadata, whose headers tell which version it is of.

        Parameters
        ----------
        headers : mapping
            That go along: a router shows the version of the track that they name.
        """
        response = self._ask("GET", f"/v2/models/{self.model}", headers=dict(headers))
        _raise_for_status(response)
        return response

    def post(self, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Send an infer request as it is and return the answer, whatever its status.

        Raises
        ------
        ModelUnavailable
            If the predictor cannot be reached.
        """
        return self._ask("POST", f"/v2/models/{self.model}/infer", body, headers)

    def infer(self, inputs: Batch, outputs: tuple[str, ...] = ()) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """Predict rows that no client asked for; return the named outputs (all if none) and response parameters.

        The payload log marks such a request as synthetic.

        Raises
        ------
        ModelUnavailable
            If the predictor cannot be reached.
        PredictorRefused
            With the predictor's own status and message.
        """
        body, headers = encode_request({k: np.asarray(v) for k, v in inputs.items()}, binary=True, outputs=outputs)
        response = self.post(body, {**headers, "ce-id": f"{SYNTHETIC}{uuid4()}"})
        _raise_for_status(response)
        return decode_response(response.content, response.headers)

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> httpx.Response:
        route = path.replace(self.model, "{model}", 1)
        with tracing.client_span(method, route, self._client.base_url.host, model=self.model) as span:
            response = self._client.request(method, path, content=body, headers=headers | tracing.carried())
            span.answered(response.status_code)
            return response

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        problem = ""
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(self.backoff_s * 2 ** (attempt - 1))
            try:
                response = self._once(method, path, body, dict(headers or {}))
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}".rstrip(": ")
                continue
            if response.status_code not in (502, 503, 504) or attempt == self.retries:
                return response
        raise ModelUnavailable(
            f"The predictor of {self.model!r} at {self.base} does not answer ({problem}).",
            "Check that it is running and ready, then send the request again.",
        )


def _raise_for_status(response: httpx.Response) -> None:
    if response.status_code == 200:
        return
    try:
        told = response.json()
    except ValueError:
        told = None
    if not isinstance(told, dict) or "error" not in told:
        told = {"error": response.text[:300] or f"the predictor answered {response.status_code}"}
    raise PredictorRefused(response.status_code, str(told["error"]), str(told.get("remedy", "")))
