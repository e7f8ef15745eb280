"""The predictor over the wire: real peers (Triton's and kserve's clients), both transports, and everything a client
can get wrong."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
import tritonclient.http as triton_http
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InvalidRequest, ModelUnavailable, UnknownModel
from components.registry.artifact import read_artifact
from inference.payload_log import read_since
from inference.v2 import Client, decode_response, encode_request
from tests.support import triton_peer
from tests.support.mixed import make_mixed_artifact, mixed_rows
from tests.support.predictor import Predictor, free_port, predictor
from tests.support.tiny import make_tiny_artifact, test_rooms, tiny_rows

COLUMNS = ("close", "rsi_14", "volatility_21", "volume_ratio")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    root = tmp_path_factory.mktemp("tiny")
    make_tiny_artifact(root / "a")
    with predictor(root / "a", "--payload_log", str(root / "p.db"), "--max_body_mb", "0.5", grpc=True) as running:
        running.log = root / "p.db"  # type: ignore[attr-defined]
        running.artifact = root / "a"  # type: ignore[attr-defined]
        yield running


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predictor]:
    root = tmp_path_factory.mktemp("mixed")
    make_mixed_artifact(root / "a")
    with predictor(root / "a", "--model_name", "renamed", "--model_version", "7", grpc=True) as running:
        yield running


@pytest.fixture(scope="module")
def direct(server: Predictor) -> Iterator[Any]:
    """The model itself, which the server must equal."""
    from components.catalog import get_spec

    with test_rooms():
        yield read_artifact(server.artifact).load_model(get_spec("tiny"))  # type: ignore[attr-defined]


def infer(
    server: Predictor, inputs: dict[str, Any], model: str = "tiny", **options: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    with Client(server.url, model) as client:
        return client.infer(inputs, **options)


def metadata(server: Predictor, model: str = "tiny") -> dict[str, Any]:
    with Client(server.url, model) as client:
        assert client.ready()
        return client.metadata()


@pytest.mark.parametrize("binary", [False, True])
def test_own_client(server: Predictor, direct: Any, binary: bool) -> None:
    rows = tiny_rows(5)
    outputs, parameters = infer(server, rows, binary=binary, request_id="r1")
    for name, want in direct.predict(rows).items():
        np.testing.assert_array_equal(outputs[name], want)
    assert parameters["model_version"] == "1"
    assert parameters["id"] == "r1"
    assert parameters["generated_at"].endswith("Z")
    assert parameters["disclaimers"] == "Not investment advice."


def test_one_tensor_per_column(server: Predictor, direct: Any) -> None:
    rows = tiny_rows(3)
    columns = {name: rows["features"][:, j] for j, name in enumerate(COLUMNS)}
    outputs, _ = infer(server, columns)
    np.testing.assert_array_equal(outputs["price"], direct.predict(rows)["price"])


@pytest.mark.parametrize("binary", [False, True])
def test_triton_http(server: Predictor, direct: Any, binary: bool) -> None:
    rows = tiny_rows(4)["features"]
    client = triton_http.InferenceServerClient(f"127.0.0.1:{server.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny", "1")
    assert client.get_model_metadata("tiny")["inputs"][0]["shape"] == [-1, 4]
    tensor = triton_http.InferInput("features", list(rows.shape), "FP64")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    wanted = [triton_http.InferRequestedOutput("upper", binary_data=binary), triton_http.InferRequestedOutput("price")]
    answer = client.infer("tiny", [tensor], outputs=wanted, request_id="t", request_compression_algorithm="gzip")
    want = direct.predict({"features": rows})
    assert answer.get_response()["id"] == "t"
    assert answer.as_numpy("lower") is None
    for name in ("upper", "price"):
        np.testing.assert_array_equal(answer.as_numpy(name), want[name])
    everything = client.infer("tiny", [tensor], model_version="1")
    np.testing.assert_array_equal(everything.as_numpy("lower"), want["lower"])
    client.close()


def test_triton_grpc(server: Predictor, direct: Any) -> None:
    rows = tiny_rows(4)["features"]
    for method, arguments in (("is_server_live", ()), ("is_server_ready", ()), ("is_model_ready", ("tiny",))):
        assert triton_peer.ask(server.grpc_port, method, *arguments) is True
    assert triton_peer.ask(server.grpc_port, "metadata", "tiny") == {"versions": ["1"], "shape": [-1, 4]}
    answer = triton_peer.ask(server.grpc_port, "infer", "tiny", {"features": ("FP64", rows)}, request_id="g")
    assert answer["id"] == "g"
    assert answer["parameters"]["model_version"] == "1"
    for name, want in direct.predict({"features": rows}).items():
        np.testing.assert_array_equal(answer["outputs"][name], want)


def test_kserve_clients(server: Predictor, direct: Any) -> None:
    from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

    rows = tiny_rows(4)["features"]
    want = direct.predict({"features": rows})

    async def ask() -> list[Any]:
        answers = []
        rest = InferenceRESTClient(RESTConfig(protocol="v2"))
        grpc = InferenceGRPCClient(url=f"127.0.0.1:{server.grpc_port}")
        assert await rest.is_server_ready(server.url)
        assert await rest.is_model_ready(server.url, "tiny")
        for binary in (False, True):
            tensor = InferInput("features", list(rows.shape), "FP64")
            tensor.set_data_from_numpy(rows, binary_data=binary)
            request = InferRequest(model_name="tiny", infer_inputs=[tensor])
            answers += [await rest.infer(server.url, request, model_name="tiny"), await grpc.infer(request)]
        await rest.close()
        await grpc.close()
        return answers

    for answer in asyncio.run(ask()):
        got = {o.name: o.as_numpy() for o in answer.outputs}
        for name in want:
            np.testing.assert_array_equal(got[name], want[name])


KINDS = {"text": "BYTES", "count": "INT64", "flag": "BOOL", "grid": "FP32"}


def test_every_kind_of_tensor(mixed: Predictor) -> None:
    rows = mixed_rows(3)
    outputs, parameters = infer(mixed, rows, "renamed", binary=True)
    assert parameters["model_version"] == "7"
    np.testing.assert_array_equal(outputs["total"], rows["count"].sum(axis=1))
    client = triton_http.InferenceServerClient(f"127.0.0.1:{mixed.port}")
    tensors = []
    for name, datatype in KINDS.items():
        tensors.append(triton_http.InferInput(name, list(rows[name].shape), datatype))
        tensors[-1].set_data_from_numpy(rows[name])
    answer = client.infer("renamed", tensors)
    client.close()
    over_http = {name: answer.as_numpy(name) for name in outputs}
    sent = {name: (datatype, rows[name]) for name, datatype in KINDS.items()}
    over_grpc = triton_peer.ask(mixed.grpc_port, "infer", "renamed", sent)["outputs"]
    for got in (over_http, over_grpc):
        np.testing.assert_array_equal(got["score"], outputs["score"])
        np.testing.assert_array_equal(got["total"], outputs["total"])
        assert [v.decode() for v in got["label"]] == outputs["label"].tolist()


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=12), st.lists(st.booleans(), min_size=12, max_size=12))
def test_concurrent_answers_equal_single_answers(
    server: Predictor, direct: Any, sizes: list[int], binary: list[bool]
) -> None:
    requests = [tiny_rows(n, seed=i) for i, n in enumerate(sizes)]

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(trust_env=False) as client:
            bodies = [encode_request(r, b) for r, b in zip(requests, binary, strict=False)]
            url = f"{server.url}/v2/models/tiny/infer"
            return await asyncio.gather(*(client.post(url, content=b, headers=h) for b, h in bodies))

    for request, answer in zip(requests, asyncio.run(ask()), strict=True):
        outputs, _ = decode_response(answer.content, answer.headers)
        np.testing.assert_array_equal(outputs["price"], direct.predict(request)["price"])


def tensor(**change: Any) -> bytes:
    entry = {"name": "features", "shape": [1, 4], "datatype": "FP64", "data": [1.0, 2.0, 3.0, 4.0], **change}
    return orjson.dumps({"inputs": [entry]})


@pytest.mark.parametrize(
    ("model", "body", "headers", "status", "path"),
    [
        ("tiny", b"{", {}, 400, "body"),
        ("tiny", b"", {}, 400, "body"),
        ("tiny", tensor(data=[1.0, 2.0, 3.0, "x"]), {}, 400, "inputs[0].data[3]"),
        ("tiny", tensor(data=[1.0, 2.0, None, 4.0]), {}, 400, "inputs[0].data[2]"),
        ("tiny", tensor().replace(b"2.0", b"NaN"), {}, 400, "body"),
        ("tiny", tensor(shape=[1, 3], data=[1.0, 2.0, 3.0]), {}, 400, "inputs[0].shape"),
        ("tiny", tensor(datatype="BYTES", data=list("abcd")), {}, 400, "inputs[0].datatype"),
        ("tiny", tensor(name="close", shape=[1], data=[1.0]), {}, 400, "features.rsi_14"),
        ("tiny", tensor(name="klose", shape=[1], data=[1.0]), {}, 400, "inputs[0].name"),
        ("tiny", tensor(data=[1.0, 101.0, 3.0, 4.0]), {}, 400, "features.rsi_14[0]"),
        ("tiny", tensor(), {"Inference-Header-Content-Length": "9999"}, 400, "Inference-Header-Content-Length"),
        ("tiny", tensor(), {"Inference-Header-Content-Length": "ten"}, 400, "Inference-Header-Content-Length"),
        ("tiny", tensor() + b"xx", {"Inference-Header-Content-Length": str(len(tensor()))}, 400, "body"),
        ("tiny", tensor(), {"Content-Encoding": "gzip"}, 400, "body"),
        ("tiny", tensor(), {"Content-Encoding": "br"}, 415, None),
        ("tiny", gzip.compress(b" " * 600_000), {"Content-Encoding": "gzip"}, 413, None),
        ("tiny", b" " * 600_000, {}, 413, None),
        ("tony", tensor(), {}, 404, None),
        ("tiny/versions/9", tensor(), {}, 404, None),
    ],
)
def test_bad_requests(
    server: Predictor, model: str, body: bytes, headers: dict[str, str], status: int, path: str | None
) -> None:
    answer = httpx.post(f"{server.url}/v2/models/{model}/infer", content=body, headers=headers, trust_env=False)
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert told["error"]
    assert told["remedy"]
    assert told.get("path") == path


def test_a_large_chunked_body_is_refused(server: Predictor) -> None:
    chunks = (b" " * 100_000 for _ in range(8))
    answer = httpx.post(f"{server.url}/v2/models/tiny/infer", content=chunks, trust_env=False)
    assert answer.status_code == 413


def test_pipelined_requests_are_answered_in_order(server: Predictor) -> None:
    parts = []
    for i in range(12):
        if i % 4 == 3:
            parts.append(b"GET /v2/models/tiny/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        else:
            body = orjson.dumps({**orjson.loads(tensor()), "id": f"p{i}"})
            parts.append(
                b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
    parts.append(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(b"".join(parts))
        got = b""
        while piece := sock.recv(65536):
            got += piece
    places = [got.index(b'"id":"p%d"' % i) for i in range(12) if i % 4 != 3]
    assert places == sorted(places)
    readies = [i for i in range(len(got)) if got.startswith(b'{"name":"tiny","ready":true}', i)]
    assert len(readies) == 3
    assert places[2] < readies[0] < places[3]
    assert got.count(b"HTTP/1.1 200") == 13


def test_expect_100_continue(server: Predictor) -> None:
    body = tensor()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(
            b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        assert sock.recv(100).startswith(b"HTTP/1.1 100")
        sock.sendall(body)
        assert sock.recv(10_000).startswith(b"HTTP/1.1 200")


def test_http_10_closes(server: Predictor) -> None:
    body = tensor()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(b"POST /v2/models/tiny/infer HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        got = b""
        while piece := sock.recv(65536):
            got += piece
    assert got.startswith(b"HTTP/1.1 200")


def test_grpc_errors(server: Predictor) -> None:
    bad = tiny_rows(1)["features"]
    bad[0, 1] = np.nan

    def ask(model: str, name: str) -> Any:
        return triton_peer.ask(server.grpc_port, "infer", model, {name: ("FP64", bad)})

    assert ask("tony", "features")[0] == "StatusCode.NOT_FOUND"
    code, told = ask("tiny", "features")
    assert code == "StatusCode.INVALID_ARGUMENT"
    assert told.startswith("features.rsi_14[0]:")
    assert ask("tiny", "closs")[1].startswith("inputs[0].name:")
    assert triton_peer.ask(server.grpc_port, "metadata", "tony")[0] == "StatusCode.NOT_FOUND"
    assert triton_peer.ask(server.grpc_port, "unload_model", "tiny")[0] == "StatusCode.PERMISSION_DENIED"


def test_a_model_failure_is_a_500_that_names_the_owner(mixed: Predictor) -> None:
    rows = mixed_rows(1)
    rows["text"] = np.array(["raise"], dtype=object)
    with pytest.raises(ModelUnavailable, match=r"status 500.*told to fail.*tests"):
        infer(mixed, rows, "renamed")


def test_client_errors(server: Predictor) -> None:
    with pytest.raises(UnknownModel):
        infer(server, tiny_rows(1), "tony")
    with pytest.raises(InvalidRequest) as caught:
        infer(server, {"features": np.ones((1, 3))})
    assert caught.value.path == "inputs[0].shape"
    gone = Client(f"127.0.0.1:{free_port()}", "tiny")
    assert not gone.ready()
    with pytest.raises(ModelUnavailable):
        gone.metadata()


def test_metadata_is_the_schema(server: Predictor) -> None:
    told = metadata(server)
    assert (told["name"], told["versions"], told["platform"]) == ("tiny", ["1"], "arthaflow_numpy")
    columns = told["inputs"][0]["parameters"]["columns"]
    assert tuple(c["name"] for c in columns) == COLUMNS
    assert columns[1] == {
        "name": "rsi_14",
        "unit": "percent",
        "description": "relative strength index over 14 days",
        "minimum": 0.0,
        "maximum": 100.0,
    }
    get = httpx.get(f"{server.url}/v2/models/tony", trust_env=False)
    assert get.status_code == 404
    assert "tony" in get.json()["error"]


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_the_repository_is_closed(server: Predictor, verb: str) -> None:
    answer = httpx.post(f"{server.url}/v2/repository/models/tiny/{verb}", trust_env=False)
    assert answer.status_code == 403
    assert "--admin" in answer.json()["remedy"]
    assert metadata(server)


def test_metrics_and_log_tell_what_happened(server: Predictor) -> None:
    def count(line: str) -> float:
        text = httpx.get(f"{server.url}/metrics", trust_env=False).text
        return sum(float(found.rsplit(" ", 1)[1]) for found in text.splitlines() if found.startswith(line))

    ok = 'arthaflow_requests_total{code="200",model="tiny",traffic="client",version="1"}'
    bad = 'arthaflow_validation_errors_total{field="features.rsi_14",model="tiny"}'
    before = count(ok), count(bad)
    infer(server, tiny_rows(2), binary=True, headers={"Ce-Id": "event-1"})
    rows = tiny_rows(1)
    rows["features"][0, 1] = -1.0
    with pytest.raises(InvalidRequest):
        infer(server, rows, headers={"Ce-Id": "event-2"})
    assert (count(ok), count(bad)) == (before[0] + 1, before[1] + 1)
    for _ in range(100):
        time.sleep(0.05)
        found = {r.id: r for r in read_since(server.log, 0, 100_000)}  # type: ignore[attr-defined]
        if "event-2" in found:
            break
    assert found["event-1"].status == 200
    assert found["event-2"].status == 400
    assert orjson.loads(found["event-1"].request)["inputs"][0]["data"] == tiny_rows(2)["features"].reshape(-1).tolist()
    assert orjson.loads(found["event-2"].response)["path"] == "features.rsi_14[0]"
    assert {200, 400, 404, 413} <= {r.status for r in found.values()}
