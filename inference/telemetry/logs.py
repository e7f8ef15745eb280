"""Logs of every server, configured in one place: JSON lines on a cluster, one readable line elsewhere; both to stderr.

A line carries the ids of the request it belongs to, and never a body, a token or a user: what a request says about
itself is bound with :func:`bind`, which takes ids and a model's name and nothing else.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

from components.errors import ConfigurationError
from inference.telemetry import tracing

FORMAT_VARIABLE = "ARTHAFLOW_LOG_FORMAT"
LEVEL_VARIABLE = "ARTHAFLOW_LOG"
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_BOUND: ContextVar[tuple[str, str]] = ContextVar("arthaflow_log", default=("", ""))


@contextmanager
def bind(request_id: str, model: str = "") -> Iterator[None]:
    """Give every log line of this block, and of the tasks and threads it starts, a request's id and its model."""
    token = _BOUND.set((request_id, model))
    try:
        yield
    finally:
        _BOUND.reset(token)


def bound() -> tuple[str, str]:
    """Return request id and model of the block that runs; empty texts outside of one."""
    return _BOUND.get()


class JsonFormatter(logging.Formatter):
    """One JSON object per record.

    Parameters
    ----------
    service : str
        Which server writes.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: empty fields are left out."""
        import orjson

        request_id, model = _BOUND.get()
        trace_id, span_id = tracing.current_ids()
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname,
            "logger": record.name,
            "service": self.service,
            "message": record.getMessage(),
            "request_id": request_id,
            "trace_id": trace_id,
            "span_id": span_id,
            "model": model,
            "error": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return orjson.dumps({k: v for k, v in line.items() if v}, default=str).decode()


def log_format() -> Literal["json", "text"]:
    """Return the form that this process writes.

    ``ARTHAFLOW_LOG_FORMAT`` decides; without it a pod on Kubernetes writes JSON and everything else text.

    Raises
    ------
    ConfigurationError
        If the variable is something else.
    """
    given = os.environ.get(FORMAT_VARIABLE, "").lower()
    if given not in ("", "json", "text"):
        raise ConfigurationError(f"{FORMAT_VARIABLE} is {given!r:.40}.", "Set it to json or text.")
    if given:
        return "json" if given == "json" else "text"
    return "json" if "KUBERNETES_SERVICE_HOST" in os.environ else "text"


def configure(service: str, level: str = "WARNING", stream: TextIO | None = None) -> None:
    """Send this process's logs to stderr; the first call wins, as with :func:`logging.basicConfig`.

    Call it before a server is built: uvicorn must be given ``log_config=None``, or it writes past it.

    Parameters
    ----------
    service : str
        Name of the server in every line of JSON.
    level : str
        What is told, where ``ARTHAFLOW_LOG`` does not say.
    stream : file or None
        Where to; None for stderr.

    Raises
    ------
    ConfigurationError
        If the environment asks for a level or a form that does not exist.
    """
    level = os.environ.get(LEVEL_VARIABLE, level).upper()
    if level not in logging.getLevelNamesMapping():
        known = ", ".join(("DEBUG", "INFO", "WARNING", "ERROR"))
        raise ConfigurationError(f"{LEVEL_VARIABLE} is {level!r:.40}.", f"Set it to one of {known}.")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(service) if log_format() == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)  # a library's warning is a line like any other, not two that no collector can read
