"""Small parts of the predictor: options, ports, routes, metrics, the lean import."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from components.errors import ConfigurationError, PortInUse
from inference.http_protocol import parse_route
from inference.metrics import Histogram, ServerMetrics
from inference.options import bind, parse


@pytest.mark.parametrize(
    ("url", "route"),
    [
        (b"/v2/models/m/infer", ("m", "")),
        (b"/v2/models/m/infer?x=1", ("m", "")),
        (b"/v2/models/m/versions/3/infer", ("m", "3")),
        (b"/v2/models/a%20b/infer", ("a b", "")),
        (b"/v2/models//infer", None),
        (b"/v2/models/m/versions//infer", None),
        (b"/v2/models/m/ready", None),
        (b"/v1/models/m/infer", None),
        (b"/infer", None),
        (b"*", None),
    ],
)
def test_routes(url: bytes, route: tuple[str, str] | None) -> None:
    assert parse_route(url) == route


def test_options_take_what_kserve_charts_pass() -> None:
    options = parse(
        ["--artifact", "/a", "--max_threads=8", "--enable_grpc", "false", "--grpc_port", "9", "--max_body_mb", "1"]
    )
    assert options.grpc_port is None
    assert options.max_body == 2**20
    assert parse(["--grpc_port", "9"]).grpc_port == 9


@pytest.mark.parametrize("argv", [["--artefact", "/a"], ["--workers", "2"]])
def test_a_wrong_option_is_told(argv: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        parse(argv)


def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(PortInUse, match=str(other.getsockname()[1])):
        bind("127.0.0.1", other.getsockname()[1])


def test_histogram_counts_cumulatively() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)
    assert histogram.cumulative() == [("1.0", 2.0), ("2.0", 3.0), ("+Inf", 4.0)]
    assert histogram.total == 12.0


def test_metrics_are_prometheus_families() -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    metrics = ServerMetrics()
    metrics.model("m", "1").observe(200, 0.01)
    metrics.model("m", "1").rows.observe(3)
    metrics.validation_errors["m", "inputs.data"] += 1
    metrics.log_dropped = lambda: 2
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    for line in (
        'arthaflow_requests_total{code="200",model="m",traffic="client",version="1"} 1.0',
        'arthaflow_request_seconds_count{model="m",traffic="client",version="1"} 1.0',
        'arthaflow_batch_rows_sum{model="m",version="1"} 3.0',
        'arthaflow_validation_errors_total{field="inputs.data",model="m"} 1.0',
        "arthaflow_payload_log_dropped_total 2.0",
    ):
        assert line in text


LEAN = """
import sys
import inference.lean_kserve
from kserve.model_server import ModelServer
loaded = {"pandas", "kubernetes", "openai"} & set(sys.modules)
assert not loaded, loaded
import kserve
assert kserve.KServeClient and kserve.ModelServer is ModelServer
from kserve.protocol import infer_type
import pandas
assert infer_type.pd.DataFrame is pandas.DataFrame
assert sys.modules["pandas"] is pandas
"""


def test_the_lean_import_puts_off_and_takes_nothing_away() -> None:
    done = subprocess.run([sys.executable, "-c", LEAN], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
