"""Document 0's common response format, and problem details (RFC 9457) for clients that ask for them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Generic, Literal, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from components.errors import ArthaflowError, InvalidRequest
from inference.gateway.problems import BodyTooSlow, NoUpgrade, WrongMethod

T = TypeVar("T")
PROBLEM = "application/problem+json"


class Metadata(BaseModel):
    """What every answer carries beside its data.

    ``disclaimers``, ``confidence``, ``model_version`` and ``prediction_id`` come with predictions.
    """

    model_config = ConfigDict(protected_namespaces=())

    generated_at: str = Field(examples=["2025-11-13T10:30:00Z"])
    processing_time_ms: float = Field(examples=[234])
    cached: bool = False
    model_version: str | None = Field(None, examples=["2"])
    model: str | None = None
    prediction_id: str | None = None
    confidence: float | None = None
    disclaimers: list[str] | None = None
    stale: bool | None = None
    age_s: float | None = None
    experiment: str | None = None
    variant: str | None = None

    @model_serializer(mode="wrap")
    def _told(self, inner: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        """Leave out what does not apply; without an annotation the schema stays that of the fields."""
        return {name: value for name, value in inner(self).items() if value is not None}


class Envelope(BaseModel, Generic[T]):
    """A success."""

    status: Literal["success"] = "success"
    data: T
    metadata: Metadata


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str = Field(examples=["ML_PREDICTION_FAILED"])
    message: str
    details: dict[str, Any] = Field(default_factory=dict)


class ErrorEnvelope(BaseModel):
    """A failure."""

    status: Literal["error"] = "error"
    error: ErrorBody


class Problem(BaseModel):
    """The same as problem details."""

    type: str = Field(examples=["urn:arthaflow:problem:rate-limited"])
    title: str
    status: int
    detail: str
    instance: str
    code: str
    details: dict[str, Any] = Field(default_factory=dict)


def now() -> str:
    """Return the present time as ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ok(request: Request, data: T, **metadata: Any) -> Envelope[T]:
    """Return a success of one of the routes that ask no model."""
    spent = (time.perf_counter() - request.scope["state"]["began"]) * 1e3
    told = Metadata(generated_at=now(), processing_time_ms=round(spent, 3), **metadata)
    return Envelope[Any](data=data, metadata=told)


def error_code(error: ArthaflowError) -> str:
    """Return an error's name for machines.

    Examples
    --------
    >>> from components.errors import UnknownModel
    >>> error_code(UnknownModel("There is no model 'x'."))
    'UNKNOWN_MODEL'
    """
    return error.code or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).upper()


def error_details(error: ArthaflowError) -> dict[str, Any]:
    """Return what an error tells beside its message: remedy, place in the request, when to ask again."""
    told = dict(error.details)
    if error.remedy:
        told.setdefault("remedy", error.remedy)
    if isinstance(error, InvalidRequest) and error.path:
        told.setdefault("path", error.path)
    if error.retry_after_s is not None:
        told.setdefault("retry_after", max(1, round(error.retry_after_s)))
    return told


def error_body(error: ArthaflowError, path: str, accept: bytes) -> tuple[bytes, bytes]:
    """Return body and content type of a failure: problem details where ``Accept`` asks for them."""
    code, details = error_code(error), error_details(error)
    if PROBLEM.encode() not in accept:
        body = {"status": "error", "error": {"code": code, "message": error.problem, "details": details}}
        return orjson.dumps(body, default=str), b"application/json"
    problem = {
        "type": f"urn:arthaflow:problem:{code.lower().replace('_', '-')}",
        "title": HTTPStatus(error.status).phrase if error.status in HTTPStatus._value2member_map_ else "Error",
        "status": error.status,
        "detail": f"{error.problem} {error.remedy}".strip(),
        "instance": path,
        "code": code,
        "details": details,
    }
    return orjson.dumps(problem, default=str), PROBLEM.encode()


def refused(error: ArthaflowError, path: str, accept: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of a failure, wherever in the product API it came up."""
    body, kind = error_body(error, path, accept)
    headers = [(b"content-type", kind)]
    if error.retry_after_s is not None or error.status == 503:
        headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after_s or 1))))
    if isinstance(error, WrongMethod):
        headers.append((b"allow", error.allowed.encode()))
    if isinstance(error, BodyTooSlow | NoUpgrade):
        headers.append((b"connection", b"close"))
    return headers, body
