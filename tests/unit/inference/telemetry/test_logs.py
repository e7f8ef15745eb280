"""Structured logs: one JSON object per line, with the ids of the request that it belongs to."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from components.errors import ConfigurationError
from inference.telemetry.logs import JsonFormatter, bind, configure, log_format

RUN = """
import logging, sys, threading, asyncio
from inference.telemetry import logs
logs.configure("tested")
log = logging.getLogger("arthaflow.tested")
log.info("not told")
with logs.bind("order-17", "tiny"):
    log.warning("hello %s", "there")
    asyncio.run(asyncio.to_thread(log.error, "from a thread\\nof two lines"))
log.warning("outside")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
assert "opentelemetry" not in sys.modules
"""


def lines(**environment: str) -> list[str]:
    """What a process wrote."""
    import os

    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ARTHAFLOW_LOG", "KUBERNETES_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN], env={**kept, **environment}, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_each_line_is_an_object_with_the_request_s_ids() -> None:
    found: list[dict[str, Any]] = [json.loads(line) for line in lines(ARTHAFLOW_LOG_FORMAT="json")]
    assert [f["message"] for f in found] == ["hello there", "from a thread\nof two lines", "outside", "failed"]
    assert [f.get("request_id") for f in found] == ["order-17", "order-17", None, None]
    assert [f.get("model") for f in found] == ["tiny", "tiny", None, None]
    assert {f["service"] for f in found} == {"tested"}
    assert {f["logger"] for f in found} == {"arthaflow.tested"}
    assert [f["level"] for f in found] == ["WARNING", "ERROR", "WARNING", "ERROR"]
    assert found[0]["time"].endswith("Z")
    assert "ZeroDivisionError" in found[3]["error"]


def test_a_pod_writes_json_by_itself_and_a_terminal_text() -> None:
    assert json.loads(lines(KUBERNETES_SERVICE_HOST="10.0.0.1")[0])["message"] == "hello there"
    assert lines()[0].endswith("WARNING arthaflow.tested: hello there")
    assert "hello" in lines(KUBERNETES_SERVICE_HOST="10.0.0.1", ARTHAFLOW_LOG_FORMAT="text")[0].split(": ")[1]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("ARTHAFLOW_LOG_FORMAT", "yaml", "json or text"), ("ARTHAFLOW_LOG", "LOUD", "WARNING, ERROR")],
)
def test_wrong_settings_are_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=said):
        configure("x")


def test_what_json_does_not_know_is_written_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter("x"))
    record = logging.LogRecord("a", logging.ERROR, "f", 1, "%s %d", ({1, 2}, 3), None)
    with bind("r"):
        handler.emit(record)
    assert json.loads(stream.getvalue())["message"] == "{1, 2} 3"
    monkeypatch.setenv("ARTHAFLOW_LOG_FORMAT", "JSON")
    assert log_format() == "json"
