"""CloudEvents 1.0 over HTTP, as KServe's agent sends them: reading all three modes, writing the binary one.

Reading leans on the CNCF's ``cloudevents`` SDK, which kserve depends on; writing is a dictionary of headers.
Specification: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from cloudevents.exceptions import GenericException
from cloudevents.http import from_dict, from_http

from components.errors import InvalidRequest

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
BATCH = "application/cloudevents-batch+json"
LARGEST_BATCH = 1000
SYNTHETIC = "explain-"
"""Prefix of the ids of requests that an explainer made up: no client sent their rows, so they are no sign of drift."""


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes
    ----------
    id, source, type : str
        The required attributes; ``source`` and ``id`` together are unique.
    data : bytes
        The payload as it was sent; JSON text for an event whose envelope carried JSON.
    extensions : dict of str to str
        Every other attribute, for example ``inferenceservicename``.
    """

    id: str
    source: str
    type: str
    data: bytes
    extensions: dict[str, str] = field(default_factory=dict)


def read_events(headers: Mapping[str, str], body: bytes) -> list[Event]:
    """Decode an HTTP request in binary, structured or batch mode.

    Parameters
    ----------
    headers : mapping of str to str
        Names in lower case.
    body : bytes

    Raises
    ------
    InvalidRequest
        If the request is no CloudEvent, or lacks a required attribute.
    """
    if headers.get("content-type", "").startswith(BATCH):
        return [_from_envelope(item, f"events[{i}]") for i, item in enumerate(_list(body))]
    try:
        event = from_http(dict(headers), body, data_unmarshaller=_keep)
    except (GenericException, ValueError, TypeError, AttributeError) as error:
        raise InvalidRequest(
            f"not a CloudEvent: {str(error).splitlines()[0][:200]}",
            "Send ce-id, ce-source, ce-type and ce-specversion headers, or a structured event.",
            path="headers",
        ) from error
    return [_event(event)]


def binary_headers(event: Event, time_s: float, content_type: str = "application/json") -> dict[str, str]:
    """Return the headers of an event in binary mode; ``time_s`` is seconds since 1970 UTC."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": event.id,
        "ce-source": event.source,
        "ce-type": event.type,
        "ce-time": datetime.fromtimestamp(time_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "content-type": content_type,
    }
    return headers | {f"ce-{name}": value for name, value in event.extensions.items()}


def _keep(data: Any) -> Any:
    return data


def _list(body: bytes) -> list[Any]:
    try:
        items = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the batch is not JSON: {error}", "Send a JSON array of events.", path="body") from error
    if not isinstance(items, list):
        raise InvalidRequest("the batch is not a JSON array", "Send a JSON array of events.", path="body")
    if len(items) > LARGEST_BATCH:
        raise InvalidRequest(f"{len(items)} events", f"Send at most {LARGEST_BATCH} in a batch.", path="body")
    return items


def _from_envelope(item: Any, path: str) -> Event:
    try:
        return _event(from_dict(item))
    except (GenericException, ValueError, TypeError, AttributeError) as error:
        raise InvalidRequest(
            f"not a CloudEvent: {str(error).splitlines()[0][:200]}", "Send id, source, type, specversion.", path=path
        ) from error


def _event(event: Any) -> Event:
    attributes = {k: str(v) for k, v in event.get_attributes().items() if v is not None}
    data = b"" if event.get_data() is None else event.get_data()
    if not isinstance(data, bytes):
        data = data.encode() if isinstance(data, str) else orjson.dumps(data)
    return Event(attributes.pop("id"), attributes.pop("source"), attributes.pop("type"), data, attributes)
