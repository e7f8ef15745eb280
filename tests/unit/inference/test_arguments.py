"""The command line that an explainer gets from the chart and KServe together."""

from __future__ import annotations

import pytest

from inference.arguments import parse, predictor_arguments, server_parser

APPENDED = [
    "--model_name",
    "price-forecast-v1",
    "--predictor_host",
    "price-forecast-v1-predictor.ml",
    "--http_port",
    "8080",
]


def test_the_protocol_name_survives_the_arguments_that_kserve_appends() -> None:
    parser = server_parser("test")
    predictor_arguments(parser)
    options = parse(parser, ["--protocol_name=price_forecast", "--predictor_request_timeout_seconds=30", *APPENDED])
    assert options.model_name == "price_forecast"
    assert options.predictor_host == "price-forecast-v1-predictor.ml"
    assert options.predictor_request_timeout_seconds == 30.0


def test_without_it_the_model_name_counts() -> None:
    parser = server_parser("test")
    assert parse(parser, ["--model_name", "tiny"]).model_name == "tiny"


def test_unknown_arguments_are_named_and_let_through(caplog: pytest.LogCaptureFixture) -> None:
    assert parse(server_parser("test"), ["--model_name", "tiny", "--workers", "1"]).model_name == "tiny"
    assert "--workers 1" in caplog.text
