"""PredictionService: one question of an application, from its checked request to its logged answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import orjson
from pydantic import BaseModel

from components.errors import ArthaflowError, FeatureUnavailable, InvalidRequest, MissingValue
from components.models.product import Served, Subject
from components.records.log import PredictionEntry, PredictionLog
from components.records.pseudonym import pseudonym
from inference.gateway.cache.canonical import canonical_key
from inference.gateway.cache.prediction_cache import Fetched, Fresh, PredictionCache
from inference.gateway.caller import Caller
from inference.gateway.calls.model_calls import unanswered
from inference.gateway.envelope import now
from inference.gateway.product.products import Offer, columns_of
from inference.telemetry.tracing import span
from inference.v2.client import decode_response, encode_request

if TYPE_CHECKING:
    from inference.gateway.cache.versions import VersionWatch
    from inference.gateway.calls.model_calls import ModelCalls
    from inference.gateway.experiments.assigner import Assignment
    from inference.gateway.limits.watchman import Watchman
    from inference.gateway.table import ModelTable

TRACK = b"x-model-track"


class PredictionFailed(ArthaflowError):
    """A model's server answered with an error of its own."""

    status = 502
    code = "ML_PREDICTION_FAILED"


class Assigns(Protocol):
    """What the service needs of experiments."""

    def assign(self, model: str, user: str) -> Assignment | None:
        """Return the variant of a user, from memory."""
        ...


@dataclass(frozen=True)
class Asked:
    """The circumstances of one question.

    Attributes
    ----------
    caller : Caller
    route : str
        As the document writes it.
    request_id : str
    began : float
        :func:`time.perf_counter` when the request came.
    trace_id : str
    headers : tuple
        Raw headers that go on to the model: request id, trace.
    """

    caller: Caller
    route: str
    request_id: str
    began: float
    trace_id: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True)
class Kept:
    """What the cache keeps of an answer beside its data."""

    value: float | None
    confidence: float | None
    asked_at: str
    feature_timestamps: str | None
    track: str

    @classmethod
    def split(cls, raw: bytes) -> tuple[Kept, bytes]:
        """Return the head and the data's JSON of a cached value."""
        head, _, data = raw.partition(b"\n")
        return cls(*orjson.loads(head)), data

    def join(self, data: bytes) -> bytes:
        """Return the bytes that the cache keeps."""
        head = [self.value, self.confidence, self.asked_at, self.feature_timestamps, self.track]
        return orjson.dumps(head) + b"\n" + data


@dataclass(frozen=True)
class Answer:
    """One answered question.

    Attributes
    ----------
    data, metadata : bytes
        Their JSON.
    version : str
        That answered.
    """

    data: bytes
    metadata: bytes
    version: str

    @property
    def body(self) -> bytes:
        """Document 0's success envelope."""
        return b'{"status":"success","data":' + self.data + b',"metadata":' + self.metadata + b"}"


class PredictionService:
    """Asks models for applications.

    Parameters
    ----------
    table : ModelTable
    calls : ModelCalls
    cache : PredictionCache
    versions : VersionWatch
    log : PredictionLog
    assigner : Assigns
    watchman : Watchman
    """

    def __init__(
        self,
        table: ModelTable,
        calls: ModelCalls,
        cache: PredictionCache,
        versions: VersionWatch,
        log: PredictionLog,
        assigner: Assigns,
        watchman: Watchman,
    ) -> None:
        self.table, self.calls, self.cache = table, calls, cache
        self.versions, self.log, self.assigner, self.watchman = versions, log, assigner, watchman
        self._columns: dict[tuple[str, str], Mapping[str, tuple[str, ...]]] = {}

    async def answer(self, offer: Offer, payload: Any, asked: Asked) -> Answer:
        """Answer one question and log it.

        Raises
        ------
        ArthaflowError
            If the request is wrong, nothing serves the model, or it cannot answer. Nothing is logged as a prediction
            then; the access log holds the refusal.
        """
        self.table.find(offer.name)
        request = offer.read(payload)
        subject = offer.product.subject(request)
        user = pseudonym(subject.user_id, "user") if subject.user_id else ""
        assignment = self.assigner.assign(offer.name, user or asked.caller.pseudonym)
        fetched = await self._fetch(offer, request, asked, assignment, user)
        kept, data = Kept.split(fetched.value)
        entry = self._entry(offer, request, subject, asked, assignment, fetched, kept, data, user)
        await self.log.write(entry, durable=offer.product.durable)
        if assignment is not None:
            self.watchman.metrics.assigned(str(assignment.experiment), assignment.variant)
        return Answer(data, self._metadata(offer, asked, fetched, kept, entry), fetched.version)

    async def _fetch(
        self, offer: Offer, request: BaseModel, asked: Asked, assignment: Assignment | None, user: str
    ) -> Fetched:
        product = offer.product
        key = canonical_key(request.model_dump(mode="json"))
        version = assignment.version if assignment else self.versions.current(offer.name)

        async def compute() -> Fresh:
            return await self._ask(offer, request, asked, assignment)

        with span("cache", model=offer.name):
            return await self.cache.fetch(
                offer.name, version, key, product.cache_ttl_s, product.stale_for_s, compute, tag=user
            )

    async def _ask(self, offer: Offer, request: BaseModel, asked: Asked, assignment: Assignment | None) -> Fresh:
        await self.watchman.note(asked.caller, offer.name, request.model_dump(mode="json"))
        at = datetime.now(UTC)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # as it is logged, so that it can be asked again
        body, own = encode_request(offer.product.to_inputs(request, at))
        headers = [*asked.headers, *((k.lower().encode(), v.encode()) for k, v in own.items())]
        if assignment is not None:
            headers.append((TRACK, assignment.track.encode()))
        response = await self.calls.infer(offer.name, headers, body)
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
        if response.status != 200:
            raise unanswered(offer.name, response) or refusal(response.status, response.body)
        outputs, parameters = decode_response(response.body, told)
        version = str(parameters.get("model_version") or told.get("x-model-version", ""))
        track = told.get("x-model-track", "")
        self.versions.note(offer.name, version, track)
        generated = str(parameters.get("generated_at") or now())
        columns = await self._columns_of(offer.name, version, asked)
        served = Served(outputs, parameters, columns, version, generated, offer.spec.disclaimers)
        found = offer.product.to_response(request, served)
        kept = Kept(
            offer.product.value(found) if offer.product.value else None,
            offer.product.confidence(found) if offer.product.confidence else None,
            at.isoformat(timespec="milliseconds"),
            parameters.get("feature_timestamps"),
            track,
        )
        data = orjson.dumps(found.model_dump(mode="json", exclude_none=True))
        return Fresh(kept.join(data), version)

    async def _columns_of(self, model: str, version: str, asked: Asked) -> Mapping[str, tuple[str, ...]]:
        known = self._columns.get((model, version))
        if known is not None:
            return known
        response = await self.calls.get(model, f"/v2/models/{model}", list(asked.headers))
        if response.status != 200:
            raise unanswered(model, response) or refusal(response.status, response.body)
        self._columns = {k: v for k, v in self._columns.items() if k[0] != model or len(self._columns) < 64}
        return self._columns.setdefault((model, version), columns_of(orjson.loads(response.body)))

    def _entry(
        self,
        offer: Offer,
        request: BaseModel,
        subject: Subject,
        asked: Asked,
        assignment: Assignment | None,
        fetched: Fetched,
        kept: Kept,
        data: bytes,
        user: str,
    ) -> PredictionEntry:
        inputs: dict[str, Any] = {"request": request.model_dump(mode="json"), "asked_at": kept.asked_at}
        if kept.feature_timestamps:
            inputs["feature_timestamps"] = kept.feature_timestamps
        return PredictionEntry(
            prediction_id=str(uuid4()),
            model=offer.name,
            version=fetched.version,
            route=asked.route,
            inputs=inputs,
            output=orjson.Fragment(data),
            value=kept.value,
            confidence=kept.confidence,
            latency_ms=(time.perf_counter() - asked.began) * 1e3,
            caller=asked.caller.pseudonym,
            user=user,
            entity_type=subject.entity_type,
            entity_id=subject.entity_id,
            horizon=subject.horizon,
            trace_id=asked.trace_id,
            request_id=asked.request_id,
            at=datetime.now(UTC),
            track=kept.track,
            cached=fetched.cached,
            stale=fetched.stale,
            experiment=str(assignment.experiment) if assignment else "",
            variant=assignment.variant if assignment else "",
        )

    def _metadata(self, offer: Offer, asked: Asked, fetched: Fetched, kept: Kept, entry: PredictionEntry) -> bytes:
        told: dict[str, Any] = {
            "model": offer.name,
            "model_version": fetched.version,
            "processing_time_ms": round((time.perf_counter() - asked.began) * 1e3, 3),
            "cached": fetched.cached,
            "generated_at": kept.asked_at.replace("+00:00", "Z"),
            "prediction_id": entry.prediction_id,
            "disclaimers": offer.spec.disclaimers,
        }
        if kept.confidence is not None:
            told["confidence"] = kept.confidence
        if fetched.cached or fetched.stale:
            told["age_s"] = round(fetched.age_s, 3)
        if fetched.stale:
            told["stale"] = True
        if entry.experiment:
            told |= {"experiment": entry.experiment, "variant": entry.variant}
        return orjson.dumps(told)


def refusal(status: int, body: bytes) -> ArthaflowError:
    """Return what a model's server refused, as an error of the product: a wrong request stays the client's."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = {}
    told = told if isinstance(told, dict) else {}
    problem = str(told.get("error") or f"The model answered with status {status}.")
    remedy = str(told.get("remedy", ""))
    if status in (400, 422):
        missing = "missing" in told or "is required" in problem
        return (MissingValue if missing else InvalidRequest)(problem, remedy, str(told.get("path", "")))
    if status == 404:
        return FeatureUnavailable(problem, remedy)
    return PredictionFailed(problem, remedy or "Report it with the request id.")
