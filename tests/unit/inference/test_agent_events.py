"""What KServe's agent tells: whose payload it is, whatever its version, and where binary tensors begin."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from inference.agent_events import concerns, header_length
from inference.cloudevents import REQUEST, Event


def event(**extensions: str) -> Event:
    return Event("1", "pod", REQUEST, b"{}", extensions)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("price-forecast-v1", True),
        ("price-forecast-v12", True),
        ("price-forecast", True),
        ("price_forecast", True),
        ("", True),
        ("price-forecast-vix-v1", False),
        ("price-forecasts", False),
        ("fraud-v1", False),
    ],
)
def test_every_version_of_a_model_concerns_its_detector_and_no_other_model_does(service: str, expected: bool) -> None:
    assert concerns(event(inferenceservicename=service), "price_forecast") is expected


def test_an_event_without_a_name_concerns_whoever_gets_it() -> None:
    assert concerns(event(), "price_forecast")


@pytest.mark.parametrize("encode", [str, quote])
def test_the_json_parts_length_is_found_among_the_logged_headers(encode: type[str]) -> None:
    told = json.dumps({"Inference-Header-Content-Length": ["123"]})
    assert header_length(event(metadata=encode(told))) == 123


@pytest.mark.parametrize("told", ["", "{}", "[]", "nope", '{"Inference-Header-Content-Length":["x"]}', '{"X":["1"]}'])
def test_without_that_header_the_payload_is_json_alone(told: str) -> None:
    assert header_length(event(metadata=told)) is None
