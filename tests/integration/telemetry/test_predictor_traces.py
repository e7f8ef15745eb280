"""Traces of a real predictor: over REST and gRPC, alone and in batches, to a file and to a collector."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from inference.v2 import encode_request
from tests.support.collector import collector
from tests.support.predictor import Predictor, predictor
from tests.support.tiny import make_tiny_artifact, tiny_rows

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
SECRET = 0.0123456789
Span = dict[str, Any]


def body(rows: int = 1) -> tuple[bytes, dict[str, str]]:
    """Return a valid request of the tiny model."""
    return encode_request({k: np.asarray(v) for k, v in tiny_rows(rows).items()}, binary=False)


def infer(running: Predictor, headers: dict[str, str], content: bytes | None = None) -> httpx.Response:
    made, own = body()
    url = f"{running.url}/v2/models/tiny/infer"
    return httpx.post(url, content=made if content is None else content, headers={**own, **headers}, timeout=30)


def read(file: Path) -> list[Span]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def of(spans: list[Span], trace: str) -> list[Span]:
    return [span for span in spans if span["context"]["trace_id"] == f"0x{trace}"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("artifact") / "a").directory


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARTHAFLOW_TRACES_FILE", str(tmp_path / "traces.jsonl"))
    return tmp_path / "traces.jsonl"


def grpc_infer(running: Predictor, metadata: list[tuple[str, str]]) -> None:
    """Ask over gRPC with kserve's own messages."""
    import grpc
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

    request = pb.ModelInferRequest(model_name="tiny")
    for name, array in tiny_rows(1).items():
        values = np.asarray(array, dtype=np.float32)
        tensor = request.inputs.add(name=name, datatype="FP32", shape=values.shape)
        tensor.contents.fp32_contents.extend(values.reshape(-1).tolist())
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
        GRPCInferenceServiceStub(channel).ModelInfer(request, metadata=metadata, timeout=30)


def test_a_caller_s_trace_goes_on_over_rest_and_grpc(artifact: Path, file: Path) -> None:
    with predictor(artifact, grpc=True) as running:
        assert infer(running, {"traceparent": TRACEPARENT}).status_code == 200
        grpc_infer(running, [("traceparent", TRACEPARENT)])
        assert infer(running, {}).status_code == 200
        assert running.stop()[0] == 0  # what waits is written when a server ends
    spans = read(file)
    theirs = of(spans, TRACE)
    servers = [s for s in theirs if s["kind"] == "SpanKind.SERVER"]
    assert sorted(s["name"] for s in servers) == [
        "POST /v2/models/{model}/infer",
        "inference.GRPCInferenceService/ModelInfer",
    ]
    for server in servers:
        assert server["parent_id"] == f"0x{PARENT}"
        steps = [s for s in theirs if s["parent_id"] == server["context"]["span_id"]]
        assert [s["name"] for s in sorted(steps, key=lambda s: s["start_time"])] == [
            "decode",
            "validate",
            "predict",
            "encode",
        ]
        assert all(server["start_time"] <= s["start_time"] <= s["end_time"] <= server["end_time"] for s in steps)
        assert server["attributes"]["arthaflow.model"] == "tiny"
        assert server["resource"]["attributes"]["service.name"] == "arthaflow-predictor"
        assert server["resource"]["attributes"]["arthaflow.model"] == "tiny"
    rest = next(s for s in servers if s["name"].startswith("POST"))
    assert rest["attributes"]["http.response.status_code"] == 200
    assert rest["attributes"]["http.route"] == "/v2/models/{model}/infer"
    alone = [s for s in spans if s["kind"] == "SpanKind.SERVER" and s["parent_id"] is None]
    assert len(alone) == 1


def test_a_caller_that_is_not_sampled_makes_no_spans(artifact: Path, file: Path) -> None:
    with predictor(artifact) as running:
        infer(running, {"traceparent": TRACEPARENT[:-1] + "0"})
        infer(running, {"traceparent": TRACEPARENT})
        running.stop()
    assert len(of(read(file), TRACE)) == 5


def test_a_broken_header_begins_a_trace_of_its_own(artifact: Path, file: Path) -> None:
    with predictor(artifact) as running:
        assert infer(running, {"traceparent": "00-xyz-1-01"}).status_code == 200
        running.stop()
    (server,) = [s for s in read(file) if s["kind"] == "SpanKind.SERVER"]
    assert server["parent_id"] is None


def test_a_refusal_is_told_without_what_was_sent(artifact: Path, file: Path) -> None:
    content = json.dumps({"inputs": [{"name": "nosuch", "datatype": "FP32", "shape": [1], "data": [SECRET]}]}).encode()
    with predictor(artifact) as running:
        refused = infer(running, {"traceparent": TRACEPARENT, "authorization": "Bearer hidden"}, content)
        assert refused.status_code == 400
        running.stop()
    (server,) = [s for s in of(read(file), TRACE) if s["kind"] == "SpanKind.SERVER"]
    assert server["attributes"]["http.response.status_code"] == 400
    assert server["attributes"]["error.type"] == "InvalidRequest"
    assert server["status"]["status_code"] == "UNSET"  # a client's fault is no failure of the server
    text = file.read_text()
    assert str(SECRET) not in text
    assert "hidden" not in text
    assert "nosuch" not in text


def test_requests_that_are_predicted_together_share_a_linked_span(artifact: Path, file: Path) -> None:
    """Pipelined requests are decoded in one turn of the loop, so they make one batch."""
    with predictor(artifact) as running:
        import socket

        content, own = body()
        head = "".join(f"{k}: {v}\r\n" for k, v in own.items() if k.lower() != "content-length")
        begun = threading.Barrier(8)
        one = (
            f"POST /v2/models/tiny/infer HTTP/1.1\r\nhost: x\r\n{head}content-length: {len(content)}\r\n"
            f"connection: close\r\n\r\n"
        ).encode() + content

        def ask() -> None:
            with socket.create_connection(("127.0.0.1", running.port)) as link:
                begun.wait(10)
                link.sendall(one)
                while link.recv(65536):
                    pass

        for _ in range(40):
            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        running.stop()
    spans = read(file)
    shared = [s for s in spans if s["name"] == "predict batch"]
    assert shared, "320 requests, eight at once, and no two of them shared a turn of the loop"
    first = shared[0]
    linked = {link["context"]["span_id"] for link in first["links"]}
    assert len(linked) == first["attributes"]["arthaflow.batch.size"] >= 2
    requests = [s for s in spans if s["context"]["span_id"] in linked]
    assert {s["kind"] for s in requests} == {"SpanKind.SERVER"}
    for request in requests:
        (step,) = [s for s in spans if s["parent_id"] == request["context"]["span_id"] and s["name"] == "predict"]
        assert [link["context"]["span_id"] for link in step["links"]] == [first["context"]["span_id"]]


def test_a_collector_gets_them(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        with predictor(artifact) as running:
            infer(running, {"traceparent": TRACEPARENT})
            found = sink.wait(5)
    assert sink.paths[0] == "/v1/traces"
    assert {span.trace_id.hex() for _, span in found} == {TRACE}
    (server,) = [span for _, span in found if span.parent_span_id.hex() == PARENT]
    assert {span.name for _, span in found if span.parent_span_id == server.span_id} == {
        "decode",
        "validate",
        "predict",
        "encode",
    }
    resource = found[0][0]
    assert resource["service.name"] == "arthaflow-predictor"
    assert resource["deployment.environment.name"] == "test"
    assert resource["service.version"]


def test_a_dead_collector_disturbs_nobody(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with predictor(artifact) as running:
        assert all(infer(running, {}).status_code == 200 for _ in range(3))


def test_ratio_sampling_follows_the_standard_variables(
    artifact: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    with predictor(artifact) as running:
        infer(running, {})
        infer(running, {"traceparent": TRACEPARENT})
        running.stop()
    assert {s["context"]["trace_id"] for s in read(file)} == {f"0x{TRACE}"}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ARTHAFLOW_TRACES_FILE", "/proc/nosuch/traces", "cannot be written"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"),
    ],
)
def test_what_cannot_work_is_told_at_the_start(
    artifact: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, value)
    running = Predictor(artifact)
    _, told = running.process.communicate(timeout=60)
    assert running.process.returncode == 1
    assert said in told
    assert "Traceback" not in told
