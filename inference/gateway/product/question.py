"""One question of an application, what the cache keeps of its answer, and the answer."""

from __future__ import annotations

import hashlib
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
from pydantic import BaseModel

from components.models.product import Subject
from components.records.log import PredictionEntry
from components.records.pseudonym import pseudonym
from inference.gateway.cache.entry import Fetched
from inference.gateway.caller import Caller
from inference.gateway.product.completion import Completed
from inference.gateway.product.products import Offer

if TYPE_CHECKING:
    from inference.gateway.experiments.assigner import Assignment


@dataclass(frozen=True, slots=True)
class Asked:
    """The circumstances of one question.

    Attributes
    ----------
    caller : Caller
    route : str
        As the document writes it.
    request_id, trace_id : str
    began : float
        :func:`time.perf_counter` when the request came.
    headers : tuple
        Raw headers that go on to the model: request id, trace.
    state : mapping
        Of the request, for the access log.
    """

    caller: Caller
    route: str
    request_id: str
    began: float
    trace_id: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    state: MutableMapping[str, Any] = field(default_factory=dict)

    def spent_ms(self) -> float:
        """Return the milliseconds since the request came."""
        return (time.perf_counter() - self.began) * 1e3


@dataclass(frozen=True, slots=True)
class Question:
    """A checked request.

    Attributes
    ----------
    offer : Offer
        The model, as applications ask it.
    request : BaseModel
    plain : dict
        The same as JSON: what is logged, and what the cache's key is made of.
    subject : Subject
        What it is about.
    user : str
        Pseudonym of the person whose data it carries; empty for nobody.
    asked : Asked
    source : dict
        The kept document that parts of the request come from; empty for none.
    """

    offer: Offer
    request: BaseModel
    plain: dict[str, Any]
    subject: Subject
    user: str
    asked: Asked
    source: dict[str, Any]

    @classmethod
    def of(cls, offer: Offer, completed: Completed, asked: Asked) -> Question:
        """Return the question of a request, with what it named instead of carrying it."""
        request = completed.request
        subject = offer.product.subject(request)
        user = pseudonym(subject.user_id, "user") if subject.user_id else completed.user
        return cls(offer, request, request.model_dump(mode="json"), subject, user, asked, completed.source)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the cache keeps of an answer beside its data."""

    value: float | None
    reference: float | None
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
        head = [self.value, self.reference, self.confidence, self.asked_at, self.feature_timestamps, self.track]
        return orjson.dumps(head) + b"\n" + data


FORM = hashlib.sha256(f"{version('arthaflow')} {[f.name for f in fields(Kept)]}".encode()).digest()[:8]
"""Part of the cache's key: what another release keeps in a shared cache, in another shape, is not ours to read."""


@dataclass(frozen=True, slots=True)
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


def log_entry(
    question: Question, fetched: Fetched, kept: Kept, data: bytes, assignment: Assignment | None
) -> PredictionEntry:
    """Return what the prediction log holds of an answer."""
    asked, subject = question.asked, question.subject
    inputs: dict[str, Any] = {"request": question.plain, "asked_at": kept.asked_at}
    if question.source:
        inputs["document"] = question.source
    if kept.feature_timestamps:
        inputs["feature_timestamps"] = kept.feature_timestamps
    return PredictionEntry(
        prediction_id=str(uuid4()),
        model=question.offer.name,
        version=fetched.version,
        route=asked.route,
        inputs=inputs,
        output=orjson.Fragment(data),
        value=kept.value,
        confidence=kept.confidence,
        latency_ms=asked.spent_ms(),
        caller=asked.caller.pseudonym,
        user=question.user,
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
        reference=kept.reference,
    )


def metadata(question: Question, fetched: Fetched, kept: Kept, entry: PredictionEntry) -> bytes:
    """Return the metadata's JSON of an answer."""
    spec = question.offer.spec
    told: dict[str, Any] = {
        "model": spec.name,
        "model_version": fetched.version,
        "processing_time_ms": round(question.asked.spent_ms(), 3),
        "cached": fetched.cached,
        "generated_at": kept.asked_at.replace("+00:00", "Z"),
        "prediction_id": entry.prediction_id,
        "disclaimers": spec.disclaimers,
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
