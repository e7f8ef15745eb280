"""The transformer: looks features up in Feast, so that a client may send an entity and a time.

``POST /v2/models/{name}/infer`` takes what the predictor takes, which is passed on byte for byte, or the inputs
``entity`` and ``timestamp``. The predictor's answer comes back as it is, its errors too; a looked-up one carries
``feature_timestamps`` in its parameters: when each row's features were known. ``POST /v2/models/{name}/features`` takes
an entity and a time and answers the looked-up tensors themselves, for whoever explains a prediction.

Run it with ``python -m inference.transformer --model_name N --predictor_host H:P --http_port P``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

import httpx
import numpy as np
import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import Counter, Histogram

import inference.hosting as hosting
from components.errors import ArthaflowError, InvalidRequest, ModelUnavailable
from components.models.schema import Batch, Schema
from components.settings import settings
from inference.arguments import parse, predictor_arguments, run, server_parser
from inference.feature_request import ENTITY, SEND, TIMESTAMP, Keys, read_keys, schema_from_metadata, tensors_from_rows
from inference.telemetry import tracing
from inference.upstream import PASSED_ON, Upstream
from inference.v2 import encode_request, parse_request
from inference.v2.datatypes import datatype_of

if TYPE_CHECKING:
    from feast import FeatureStore

LOG = logging.getLogger("arthaflow.transformer")
LENGTH = "inference-header-content-length"
PASSED_BACK = (LENGTH, "x-model-version", "x-model-track", "retry-after")
"""Which version answered, on which track, and when to ask again: the router says so."""
REQUESTS = Counter("arthaflow_transformer_requests", "Requests by what they carried", ["model", "kind", "code"])
LOOKUP = Histogram("arthaflow_feature_lookup_seconds", "Time of one look-up in the feature store", ["model"])


class Features:
    """The feature store, used by one thread at a time.

    Parameters
    ----------
    root : Path
        As :func:`feature_repo.store.open_store` takes it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store: FeatureStore | None = None
        self._turn = Lock()

    def open(self) -> None:
        """Open the store; importing Feast takes seconds."""
        from feature_repo.store import open_store

        self.store = open_store(self.root)

    def lookup(self, keys: Keys, schema: Schema) -> tuple[Batch, list[str]]:
        """Return the model's tensors and, per row, when the features were known (ISO 8601, UTC).

        Raises
        ------
        FeatureUnavailable
            If the store knows nothing of an entity at its time.
        """
        import pandas as pd

        from feature_repo.store import lookup

        assert self.store is not None
        with self._turn:
            rows = lookup(self.store, keys.entities, [pd.Timestamp(t) for t in keys.times])
            known = self._known(keys)
        return tensors_from_rows(rows, schema), known

    def _known(self, keys: Keys) -> list[str]:
        import pandas as pd

        from feature_repo.store import online_rows
        from feature_repo.tables import newest_known

        assert self.store is not None
        rows = online_rows(self.store, keys.entities)
        online: dict[str, pd.Timestamp] = dict(zip(rows["entity"], rows["timestamp"], strict=True))
        known = []
        for entity, time in zip(keys.entities, keys.times, strict=True):
            newest = online.get(entity)
            if newest is None or newest > time:
                newest = newest_known(self.store, entity, pd.Timestamp(time))
            known.append("" if newest is None else f"{newest.isoformat()}Z")
        return known


class Transformer(hosting.Surrounding):
    """Passes features on, and looks them up where a request names an entity.

    Parameters
    ----------
    name : str
        Model name on the protocol.
    upstream : Upstream
        The predictor.
    features : Features
        The feature store, not open yet.
    """

    def __init__(self, name: str, upstream: Upstream, features: Features) -> None:
        super().__init__(name)
        self.upstream = upstream
        self.features = features
        self.schema: Schema | None = None
        self._reason = "starting: the feature store is being opened"
        self._stop = Event()

    def routes(self) -> APIRouter:
        """See :class:`~inference.hosting.Surrounding`."""
        router = APIRouter()
        router.add_api_route("/v2/models/{name}/infer", self._infer, methods=["POST"], response_model=None)
        router.add_api_route("/v2/models/{name}/features", self._features, methods=["POST"], response_model=None)
        router.add_api_route("/v2/models/{name}", self._metadata, methods=["GET"], response_model=None)
        return router

    def not_ready_because(self) -> str:
        """Ready once the store is open and the predictor has told its schema."""
        return self._reason

    def begin(self) -> None:
        """Open the store and ask for the schema in the background."""
        Thread(target=self._prepare, name="prepare", daemon=True).start()

    def finish(self) -> None:
        """Stop asking and close the connections."""
        self._stop.set()
        self.upstream.close()

    def answer(self, body: bytes, headers: Mapping[str, str]) -> tuple[httpx.Response, list[str]]:
        """Return the predictor's answer, and when the looked-up features were known (empty if they were sent)."""
        passed = {k: headers[k] for k in PASSED_ON if k in headers}
        length = _length(headers)
        named = b'"entity"' in body or b'"timestamp"' in body
        keys = read_keys(parse_request(body, length), self._optional()) if named else None
        if keys is None:
            kept = {k: headers[k] for k in ("content-type", "content-encoding", LENGTH) if k in headers}
            return self.upstream.post(body, passed | kept), []
        batch, known = self.look_up(keys)
        new_body, new_headers = rewrite(body if length is None else body[:length], batch)
        return self.upstream.post(new_body, passed | new_headers), known

    def look_up(self, keys: Keys) -> tuple[Batch, list[str]]:
        """Return the model's tensors and, per row, when the features were known.

        Raises
        ------
        ModelUnavailable
            If the predictor has not told its schema yet.
        FeatureUnavailable
            If the store knows nothing of an entity at its time.
        """
        schema = self._told_schema()
        with LOOKUP.labels(self.name).time(), tracing.span("feature lookup", model=self.name):
            batch, known = self.features.lookup(keys, schema)
        return {**batch, **keys.beside}, known

    def _optional(self) -> list[str]:
        return [tensor.name for tensor in self._told_schema().tensors if tensor.optional]

    def _told_schema(self) -> Schema:
        if self.schema is None:
            raise ModelUnavailable(self._reason, "Send the request again when the server is ready.")
        return self.schema

    def tell_features(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Return the looked-up tensors as a V2 response.

        Raises
        ------
        InvalidRequest
            If the request names no entity.
        """
        keys = read_keys(parse_request(body, _length(headers)), self._optional())
        if keys is None:
            raise InvalidRequest(f"there is no {ENTITY!r}", SEND, path="inputs")
        batch, known = self.look_up(keys)
        outputs = [
            {"name": k, "datatype": datatype_of(v), "shape": list(v.shape), "data": v.reshape(-1).tolist()}
            for k, v in batch.items()
        ]
        parameters = {"feature_timestamps": ",".join(known)}
        return orjson.dumps({"model_name": self.name, "outputs": outputs, "parameters": parameters})

    async def _features(self, name: str, request: Request) -> Response:
        try:
            self.check_name(name)
            content = await asyncio.to_thread(self.tell_features, await request.body(), request.headers)
        except ArthaflowError as error:
            REQUESTS.labels(self.name, "refused", error.status).inc()
            raise
        REQUESTS.labels(self.name, "told", 200).inc()
        return Response(content, media_type="application/json")

    async def _infer(self, name: str, request: Request) -> Response:
        kind = "refused"
        try:
            self.check_name(name)
            answer, known = await asyncio.to_thread(self.answer, await request.body(), request.headers)
        except ArthaflowError as error:
            REQUESTS.labels(self.name, kind, error.status).inc()
            raise
        kind = "looked_up" if known else "passed_on"
        REQUESTS.labels(self.name, kind, answer.status_code).inc()
        content, extra = answer.content, {k: answer.headers[k] for k in PASSED_BACK if k in answer.headers}
        if known and answer.status_code == 200:
            content, extra = add_parameters(content, extra, {"feature_timestamps": ",".join(known)})
        return Response(content, answer.status_code, extra, media_type=answer.headers.get("content-type"))

    async def _metadata(self, name: str, request: Request) -> Response:
        self.check_name(name)
        passed = {k: request.headers[k] for k in PASSED_ON if k in request.headers}
        answer = await asyncio.to_thread(self.upstream.ask_metadata, passed)
        found = answer.json()
        parameters = {**(found.get("parameters") or {}), "alternative_inputs": f"{ENTITY},{TIMESTAMP}"}
        told = {k: answer.headers[k] for k in PASSED_BACK if k in answer.headers}
        return JSONResponse({**found, "parameters": parameters}, headers=told)

    def _prepare(self) -> None:
        while not self._stop.is_set():
            try:
                if self.features.store is None:
                    self.features.open()
                self.schema = schema_from_metadata(self.upstream.metadata())
            except ArthaflowError as error:
                self._reason = f"not ready: {error}"
                self._stop.wait(1.0)
            else:
                self._reason = ""
                return


def rewrite(message: bytes, batch: Batch) -> tuple[bytes, dict[str, str]]:
    """Return the client's message with its inputs replaced by binary tensors; id, outputs and parameters stay."""
    body, headers = encode_request({k: np.asarray(v) for k, v in batch.items()}, binary=True)
    lower = {k.lower(): v for k, v in headers.items()}
    length = int(lower[LENGTH])
    head = orjson.dumps({**orjson.loads(message), "inputs": orjson.loads(body[:length])["inputs"]})
    return head + body[length:], {"content-type": lower["content-type"], LENGTH: str(len(head))}


def add_parameters(
    content: bytes, headers: Mapping[str, str], extra: Mapping[str, str]
) -> tuple[bytes, dict[str, str]]:
    """Return an infer response with further parameters; binary tensors behind the JSON part stay as they are."""
    length = int(headers.get(LENGTH, len(content)))
    message = orjson.loads(content[:length])
    head = orjson.dumps({**message, "parameters": {**(message.get("parameters") or {}), **extra}})
    return head + content[length:], {**headers, LENGTH: str(len(head))} if LENGTH in headers else dict(headers)


def _length(headers: Mapping[str, str]) -> int | None:
    value = headers.get(LENGTH)
    if value is None:
        return None
    if not value.isdigit():
        raise InvalidRequest(f"{value!r} is not a length", "Send the number of JSON bytes.", path=LENGTH)
    return int(value)


def main(arguments: Sequence[str]) -> None:
    """Serve a transformer."""
    parser = server_parser(__doc__.split("\n")[0])
    predictor_arguments(parser)
    parser.add_argument("--home", type=Path, default=None, help="where the feature store is; default: ARTHAFLOW_HOME")
    options = parse(parser, arguments)
    tracing.setup("arthaflow-transformer", model=options.model_name)
    upstream = Upstream(
        options.predictor_host,
        options.model_name,
        options.predictor_request_timeout_seconds,
        options.predictor_request_retries,
    )
    features = Features((options.home or settings().root).resolve())
    hosting.serve(Transformer(options.model_name, upstream, features), options.host, options.http_port)


if __name__ == "__main__":
    run(main, "transformer")
