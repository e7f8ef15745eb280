"""CloudEvents: binary mode as KServe's agent writes it, all three modes read, malformed ones refused with a reason."""

from __future__ import annotations

import json

import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

from components.errors import InvalidRequest
from inference.cloudevents import BATCH, REQUEST, Event, binary_headers, read_events

BODY = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1.5]}]}'


def test_binary_mode_round_trips_with_the_body_unchanged() -> None:
    event = Event("7", "http://pod/log", REQUEST, BODY, {"inferenceservicename": "tiny", "endpoint": ""})
    headers = binary_headers(event, 1_700_000_000.25)
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-time"] == "2023-11-14T22:13:20.250000Z"
    (again,) = read_events(headers, BODY)
    assert (again.id, again.source, again.type, again.data) == ("7", "http://pod/log", REQUEST, BODY)
    assert again.extensions["inferenceservicename"] == "tiny"


def test_events_of_the_sdk_are_read_in_both_modes() -> None:
    event = CloudEvent({"type": REQUEST, "source": "s", "id": "1"}, json.loads(BODY))
    for encode in (to_binary, to_structured):
        headers, body = encode(event)
        (read,) = read_events({k.lower(): v for k, v in headers.items()}, body)
        assert json.loads(read.data) == json.loads(BODY)
        assert (read.id, read.source, read.type) == ("1", "s", REQUEST)


def test_a_batch_is_read_in_order() -> None:
    items = [
        {"specversion": "1.0", "id": str(i), "source": "s", "type": REQUEST, "data": json.loads(BODY)} for i in range(3)
    ]
    events = read_events({"content-type": f"{BATCH}; charset=utf-8"}, json.dumps(items).encode())
    assert [e.id for e in events] == ["0", "1", "2"]
    assert json.loads(events[0].data) == json.loads(BODY)


@pytest.mark.parametrize(
    ("headers", "body", "path"),
    [
        ({}, BODY, "headers"),
        ({"ce-id": "1", "ce-source": "s", "ce-type": REQUEST}, BODY, "headers"),
        ({"ce-id": "1", "ce-source": "s", "ce-specversion": "1.0"}, BODY, "headers"),
        ({"content-type": "application/cloudevents+json"}, b"{nope", "headers"),
        ({"content-type": "application/cloudevents+json"}, b"[]", "headers"),
        ({"content-type": BATCH}, b"{}", "body"),
        ({"content-type": BATCH}, b"nope", "body"),
        ({"content-type": BATCH}, b"[1]", "events[0]"),
        ({"content-type": BATCH}, b'[{"id": "1"}]', "events[0]"),
        ({"content-type": BATCH}, json.dumps([{}] * 1001).encode(), "body"),
    ],
)
def test_what_is_no_event_is_refused_with_a_reason(headers: dict[str, str], body: bytes, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_events(headers, body)
    assert caught.value.path == path
    assert caught.value.problem
