"""While traces are off nothing of OpenTelemetry is imported, and nothing is changed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from inference.telemetry import tracing
from inference.telemetry.sending import route_of

HEADERS = [(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), (b"a", b"b")]


def test_a_server_imports_nothing_of_it() -> None:
    code = (
        "import sys, inference.predictor, inference.router.app, inference.dataplane, inference.telemetry.sending, "
        "inference.telemetry.asgi, inference.gateway.calls.lane\n"
        "from inference.telemetry import tracing\n"
        "assert tracing.setup('x') is False\n"
        "print(sorted(m for m in sys.modules if m.startswith(('opentelemetry', 'google'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": ""})
    assert done.stdout.strip() == "[]"


def test_spans_of_nobody_can_be_used_like_others() -> None:
    with tracing.server_span({"method": "GET", "headers": HEADERS, "path": "/x"}, "/x") as told:
        told.answered(500)
        told.set("a", 1)
        told.route("GET", "/y")
        assert tracing.inject(HEADERS) is HEADERS
        assert tracing.current_trace_id() == ""
    with pytest.raises(ValueError), tracing.span("s"), tracing.client_span("GET", "/x"):
        raise ValueError


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        (b"00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""),
        (b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", ""),
        (b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", ""),
        (b"<script>", ""),
    ],
)
def test_a_client_s_trace_id_is_read_where_it_is_one(value: bytes, found: str) -> None:
    assert tracing.trace_id_of([(b"traceparent", value)]) == found


@pytest.mark.parametrize(
    ("target", "route", "model"),
    [
        (b"/v2/models/tiny/infer", "/v2/models/{model}/infer", "tiny"),
        (b"/v1/models/tiny:explain", "/v1/models/{model}:explain", "tiny"),
        (b"/v2/models/tiny", "/v2/models/{model}", "tiny"),
        (b"/v2", "other", ""),
    ],
)
def test_paths_are_told_as_templates(target: bytes, route: str, model: str) -> None:
    assert route_of(target) == (route, model)
