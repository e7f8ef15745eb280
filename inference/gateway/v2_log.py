"""Predictions of raw V2 clients in the prediction log: what passes through is audited like any other."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from components.records.log import PredictionEntry, PredictionLog
from inference.gateway.caller import Caller
from inference.gateway.limits.watchman import Watchman
from inference.router.backend import Headers, Response

LARGEST = 64 * 1024
"""Bytes of a request or answer that are kept as they are; of larger and of binary ones the log keeps the digest."""

ROUTE = "/v2/models/{model}/infer"


class V2Log:
    """Writes one entry per answered inference request.

    Parameters
    ----------
    log : PredictionLog
    watchman : Watchman
        Sees the questions.
    """

    def __init__(self, log: PredictionLog, watchman: Watchman) -> None:
        self.log, self.watchman = log, watchman

    async def write(self, model: str, headers: Headers, body: bytes, answer: Response, state: Mapping[str, Any]) -> str:
        """Log a prediction before it is passed back, and return the version that answered.

        Parameters
        ----------
        headers, body : list, bytes
            Of the request, as it went to the model.
        state : mapping
            Of the request, as the door noted it.

        Raises
        ------
        ArthaflowError
            If it cannot be logged: do not answer with it then.
        """
        caller: Caller = state["caller"]
        told = dict(answer.headers)
        inputs, output = _kept(headers, body), _kept(answer.headers, answer.body)
        version = _version(told, output, answer.body)
        self.watchman.note(caller, model, [t.get("data") for t in _tensors(inputs)])
        await self.log.write(
            PredictionEntry(
                prediction_id=str(uuid4()),
                model=model,
                version=version,
                route=ROUTE,
                inputs=inputs,
                output=output,
                value=None,
                confidence=None,
                latency_ms=(time.perf_counter() - state["began"]) * 1e3,
                caller=caller.pseudonym,
                user="",
                entity_type="request",
                entity_id=state["request_id"][:100],
                horizon="",
                trace_id=state["trace_id"],
                request_id=state["request_id"],
                at=datetime.now(UTC),
                track=told.get(b"x-model-track", b"").decode("latin-1"),
            )
        )
        return version


def _tensors(inputs: Any) -> list[dict[str, Any]]:
    found = inputs.get("inputs") if isinstance(inputs, dict) else None
    return [t for t in found if isinstance(t, dict)] if isinstance(found, list) else []


def _version(headers: Mapping[bytes, bytes], output: Any, body: bytes) -> str:
    named = headers.get(b"x-model-version")
    if named is not None:
        return named.decode("latin-1")[:50]
    if isinstance(output, dict) and "model_version" in output:
        return str(output["model_version"])[:50]
    length = headers.get(b"inference-header-content-length")
    try:
        return str(orjson.loads(body[: int(length)] if length else body).get("model_version", ""))[:50]
    except (orjson.JSONDecodeError, ValueError, AttributeError):
        return ""


def _kept(headers: Headers, body: bytes) -> Any:
    told = dict(headers)
    plain = b"inference-header-content-length" not in told and b"content-encoding" not in told
    if plain and len(body) <= LARGEST:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    return {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
