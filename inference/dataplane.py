"""The data plane: from a transport's call to the model and back. It knows no transport and no model.

Requests that arrive within one turn of the event loop are predicted together: the first one schedules a flush for the
end of the turn, so waiting for company costs nothing when there is none. A merged batch is validated once; if it fails,
each request is validated alone, so that only the offender is refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod

from components.errors import ArthaflowError, InvalidRequest, MissingValue, ModelUnavailable, UnknownModel
from inference.batching import Batch, Batcher
from inference.cloudevents import SYNTHETIC
from inference.compared import Rows, compared_for
from inference.metrics import CLIENT, EXPLAIN, FORCED, UNKNOWN, ModelMetrics, ServerMetrics
from inference.payload_log import IdSource, PayloadLog
from inference.served_model import ServedModel
from inference.telemetry.logs import bind
from inference.v2.request import InferRequest
from inference.v2.response import BatchAnswer, Body

logger = logging.getLogger("arthaflow.dataplane")
BACK_PRESSURE_S = 0.002
TRACK_HEADER = "x-model-track"
"""Header by which a client chooses between the stable version and the canary."""


class Call(ABC):
    """One request on its way through the data plane; each transport has its own kind.

    Attributes
    ----------
    model, version : str
        As asked for; an empty version means whichever is served.
    ce_id : str
        The request's CloudEvents id; empty when it has none.
    forced : bool
        Whether :data:`TRACK_HEADER` chose the version, so that the request is no random sample of the traffic.
    started : float
        ``time.perf_counter()`` when the request had been read.
    """

    __slots__ = ("ce_id", "forced", "model", "request", "rows", "served", "started", "version")

    model: str
    version: str
    ce_id: str
    forced: bool
    started: float
    served: ServedModel
    request: InferRequest
    rows: int
    request_id = b""
    """The client's, for log lines; empty when it has none."""

    @property
    def traffic(self) -> str:
        """Where the request came from, as :mod:`inference.metrics` names it."""
        if self.ce_id.startswith(SYNTHETIC):
            return EXPLAIN
        return FORCED if self.forced else CLIENT

    @abstractmethod
    def decode(self) -> InferRequest:
        """Decode the transport's message; raises InvalidRequest."""

    @abstractmethod
    def encode(self, answer: BatchAnswer, start: int, stop: int, request_id: str) -> Body:
        """Encode the answer for the payload log, and keep what :meth:`reply` will send."""

    @abstractmethod
    def reply(self, body: Body) -> None:
        """Send the answer."""

    @abstractmethod
    def refuse(self, error: ArthaflowError) -> Body:
        """Send an error, and return it as the payload log shows it."""

    @abstractmethod
    def payload(self) -> Body:
        """Return the request as the payload log keeps it."""


class DataPlane:
    """Decodes, validates, batches, predicts, encodes, logs and counts.

    Parameters
    ----------
    metrics : ServerMetrics
        Counted into.
    log : PayloadLog or None
        Written to.
    """

    def __init__(self, metrics: ServerMetrics, log: PayloadLog | None = None) -> None:
        self.metrics = metrics
        self.log = log
        self.models: dict[str, ServedModel] = {}
        self.draining = False
        self.in_flight = 0
        self._unloaded: set[str] = set()
        self._batchers: dict[ServedModel, tuple[Batcher, ModelMetrics]] = {}
        self._calls: list[Call] = []
        self._next_id = IdSource()
        self._loop: asyncio.AbstractEventLoop | None = None
        metrics.ready = lambda: {(m.name, m.version): self.is_ready(m.name) for m in self.models.values()}
        if log is not None:
            metrics.log_dropped = lambda: log.dropped

    def serve(self, served: ServedModel) -> None:
        """Put a loaded model in place for all following requests; those under way finish on the old one."""
        old = self.models.get(served.name)
        self.models[served.name] = served
        self._unloaded.discard(served.name)
        series = self.metrics.model(served.name, served.version, served.spec.slo.p95_ms)
        if series.compared is None:
            schemas = served.artifact.input_schema, served.artifact.output_schema
            series.compared = compared_for(served.spec, *schemas)
        self._batchers[served] = (Batcher(served, self._finish, self._fail_batch), series)
        if old is not None and old is not served:
            self._batchers.pop(old)[0].retire()

    def unload(self, name: str) -> None:
        """Stop answering for a model; its name stays known, so that clients get 503 and not 404."""
        self._find(name, "")
        self._unloaded.add(name)

    def is_ready(self, name: str) -> bool:
        """Whether a model is loaded, proven by its golden requests, and the server is not stopping."""
        return name in self.models and name not in self._unloaded and not self.draining

    def submit(self, call: Call) -> None:
        """Take a call in; its answer comes through :meth:`Call.reply` or :meth:`Call.refuse`."""
        self.in_flight += 1
        self._calls.append(call)
        if len(self._calls) == 1:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self.log is not None and self.log.full:
            assert self._loop is not None
            self._loop.call_later(BACK_PRESSURE_S, self._flush)
            return
        calls, self._calls = self._calls, []
        touched: dict[ServedModel, Batcher] = {}
        for call in calls:
            try:
                served = call.served = self._find(call.model, call.version)
                request = call.request = call.decode()
                inputs, call.rows = served.binder.bind(request)
                if request.outputs:
                    served.encoder.check_wanted(request.outputs)
                batcher = self._batchers[served][0]
            except ArthaflowError as error:
                self.refuse(call, error)
                continue
            batcher.add(call, inputs)
            touched[served] = batcher
        for batcher in touched.values():
            batcher.run()

    def _find(self, name: str, version: str) -> ServedModel:
        served = self.models.get(name)
        if served is None:
            raise UnknownModel(
                f"Model {name!r:.80} is not served here.", f"Served: {', '.join(self.models) or 'nothing'}."
            )
        if version and version != served.version:
            raise UnknownModel(f"Version {version!r:.40} of {name!r} is not served here.", f"Served: {served.version}.")
        if name in self._unloaded:
            raise ModelUnavailable(f"Model {name!r} is unloaded.", "Load it through the repository endpoint.")
        return served

    def find(self, name: str, version: str = "") -> ServedModel:
        """Return a served model.

        Raises
        ------
        UnknownModel, ModelUnavailable
            If it is not served, not in this version, or unloaded.
        """
        return self._find(name, version)

    def _finish(self, batch: Batch, answer: BatchAnswer) -> None:
        """Answer every call of a predicted batch."""
        served = batch.served
        series = self.metrics.model(served.name, served.version)
        series.rows.observe(batch.rows)
        compared = series.compared
        inputs, outputs = Rows(batch.merged()), Rows(answer.outputs)
        start = 0
        clock = time.perf_counter
        at = time.time() if self.log is not None else 0.0
        for call in batch.calls:
            stop = start + call.rows
            ce_id = call.ce_id or self._next_id()
            body = call.encode(answer, start, stop, call.request.id or ce_id)
            call.reply(body)
            seconds = clock() - call.started
            traffic = call.traffic
            series.of(traffic).observe(200, seconds)
            if compared is not None and traffic == CLIENT:
                inputs.start = outputs.start = start
                compared.observe(call.request, inputs, outputs)
            if self.log is not None:
                sent = call.payload()
                self.log.append(
                    ce_id,
                    served.name,
                    served.version,
                    200,
                    seconds * 1e3,
                    sent[0],
                    body[0],
                    sent[1],
                    body[1],
                    at - seconds,
                )
            start = stop
        self.in_flight -= len(batch.calls)

    def _fail_batch(self, call: Call, error: ArthaflowError) -> None:
        self.refuse(call, error)

    def refuse(self, call: Call, error: ArthaflowError) -> None:
        """Answer a submitted call with an error, count it and log it."""
        self.in_flight -= 1
        self.count_refusal(call, error, call.refuse(error))

    def count_refusal(self, call: Call, error: ArthaflowError, told: Body) -> None:
        """Count and log an error that a transport has sent."""
        served = self.models.get(call.model)
        name, version = (served.name, served.version) if served is not None else (UNKNOWN, "")
        seconds = time.perf_counter() - call.started
        self.metrics.model(name, version).of(call.traffic).observe(error.status, seconds)
        if isinstance(error, InvalidRequest):
            field = _field(served, error.path)
            self.metrics.validation_errors[name, field] += 1
            if isinstance(error, MissingValue):
                self.metrics.missing_values[name, field] += 1
        if error.status >= 500 and not isinstance(error, ModelUnavailable):
            with bind(call.request_id.decode("latin-1")[:128], name):
                logger.error("%s", error, exc_info=error.__cause__)
        if self.log is not None:
            sent = call.payload()
            self.log.append(
                call.ce_id or self._next_id(),
                call.model,
                version,
                error.status,
                seconds * 1e3,
                sent[0],
                told[0],
                sent[1],
                told[1],
                time.time() - seconds,
            )

    async def drained(self, timeout: float) -> bool:
        """Wait until no call is under way; return whether that came true in time."""
        deadline = time.monotonic() + timeout
        while self.in_flight and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        return not self.in_flight


def _field(served: ServedModel | None, path: str) -> str:
    """Return the field of an error path as a label of few values: a column, a tensor, or a part of the request.

    ``features.rsi_14[2]`` is ``features.rsi_14``; ``inputs[3].data[7]`` is ``inputs.data``.
    """
    field = "".join(part.split("]", 1)[-1] if i else part for i, part in enumerate(path.split("[")))
    if field in _REQUEST_FIELDS:
        return field
    if served is not None and (field in served.binder.tensors or field in served.binder.columns):
        return field
    return "other"


_REQUEST_FIELDS = frozenset(
    {"body", "id", "inputs", "inputs.name", "inputs.datatype", "inputs.shape", "inputs.data", "inputs.parameters"}
    | {"inputs.parameters.binary_data_size", "outputs", "outputs.name", "parameters", "Inference-Header-Content-Length"}
)
