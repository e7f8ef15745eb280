"""OpenTelemetry's SDK, put together; imported only by a process that traces.

Spans leave in batches, from a thread of the SDK's: to a collector over OTLP/HTTP, or as lines into a file, which is for
one machine and for tests. At exit what waits is sent.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import ConfigurationError

try:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
except ImportError as error:
    raise ConfigurationError(
        f"Traces are asked for, but OpenTelemetry's SDK is not installed here ({error}).",
        "Unset OTEL_EXPORTER_OTLP_ENDPOINT and ARTHAFLOW_TRACES_FILE, or install opentelemetry-sdk and "
        "opentelemetry-exporter-otlp-proto-http.",
    ) from error

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

SCOPE = "arthaflow"


class FileExporter(SpanExporter):
    """Appends each span to a file as one line of JSON; several processes may share the file.

    Parameters
    ----------
    path : Path
        Made, with its folder, when missing.

    Raises
    ------
    ConfigurationError
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        except OSError as error:
            raise ConfigurationError(
                f"ARTHAFLOW_TRACES_FILE {path} cannot be written ({error.strerror}).", "Choose another file."
            ) from error

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans, each in one call, so that lines of two processes never mix."""
        try:
            for span in spans:
                os.write(self._handle, span.to_json(indent=None).encode() + b"\n")
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        os.close(self._handle)


def build(service: str, release: str, model: str) -> Tracer:
    """Return a tracer whose spans go where the environment says."""
    provider = TracerProvider(resource=_resource(service, release, model))
    for exporter in _exporters():
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider.get_tracer(SCOPE)


def _resource(service: str, release: str, model: str) -> Resource:
    told = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or service, "service.version": release or _release()}
    if model:
        told["arthaflow.model"] = model
    return Resource.create(told)  # OTEL_RESOURCE_ATTRIBUTES included


def _release() -> str:
    try:
        return version("arthaflow")
    except PackageNotFoundError:
        return "unknown"


def _exporters() -> list[SpanExporter]:
    found: list[SpanExporter] = []
    file = os.environ.get("ARTHAFLOW_TRACES_FILE")
    if file:
        found.append(FileExporter(Path(file)))
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        found.append(_otlp())
    return found


def _otlp() -> SpanExporter:
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf") != "http/protobuf":
        raise ConfigurationError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {os.environ['OTEL_EXPORTER_OTLP_PROTOCOL']!r:.40}.",
            "Use http/protobuf, and the collector's port for it, 4318.",
        )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ConfigurationError(
            f"Traces are to go to a collector, but the exporter is not installed here ({error}).",
            "Install opentelemetry-exporter-otlp-proto-http, or write to ARTHAFLOW_TRACES_FILE.",
        ) from error
    return OTLPSpanExporter()
