"""The exact bytes of each request, and how to read each answer. Load generators and the check send the same bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Request:
    """One request on the wire."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def json_request(model: str, name: str, rows: FloatArray, outputs: list[str]) -> Request:
    """Return a V2 request whose numbers are JSON, flat, as ``json.dumps`` writes ``array.tolist()``."""
    body = {"inputs": [_tensor(name, rows, {"data": rows.reshape(-1).tolist()})], **_wanted(outputs)}
    return Request(f"/v2/models/{model}/infer", json.dumps(body).encode(), {"Content-Type": "application/json"})


def binary_request(model: str, name: str, rows: FloatArray, outputs: list[str]) -> Request:
    """Return a V2 request with the binary tensor data extension, answer included."""
    raw = rows.tobytes()
    tensor = _tensor(name, rows, {"parameters": {"binary_data_size": len(raw)}})
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}, **_wanted(outputs)}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return Request(f"/v2/models/{model}/infer", head + raw, headers)


def grpc_request(model: str, name: str, rows: FloatArray, outputs: list[str]) -> Request:
    """Return a serialised ``ModelInferRequest`` with raw contents."""
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as service_pb2

    message = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[rows.tobytes()])
    message.inputs.add(name=name, datatype="FP32", shape=rows.shape)
    for output in outputs:
        message.outputs.add(name=output)
    return Request("/inference.GRPCInferenceService/ModelInfer", message.SerializeToString())


def read_rest(body: bytes, headers: dict[str, str]) -> FloatArray:
    """Return the first output of a REST answer, JSON or binary, of shape (rows, values)."""
    length = next((int(v) for k, v in headers.items() if k.lower() == "inference-header-content-length"), len(body))
    output = json.loads(body[:length])["outputs"][0]
    if "data" in output:
        flat = np.array(output["data"], dtype=np.float64)
    else:
        flat = np.frombuffer(
            body[length : length + output["parameters"]["binary_data_size"]], _dtype(output["datatype"])
        )
    return _answer(flat, output["shape"])


def read_grpc(body: bytes) -> FloatArray:
    """Return the first output of a serialised ``ModelInferResponse``, of shape (rows, values)."""
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as service_pb2

    message = service_pb2.ModelInferResponse.FromString(body)
    output = message.outputs[0]
    if message.raw_output_contents:
        flat = np.frombuffer(message.raw_output_contents[0], _dtype(output.datatype))
    else:
        flat = np.array([*output.contents.fp32_contents, *output.contents.fp64_contents])
    return _answer(flat, list(output.shape))


def ask(http_port: int, grpc_port: int, transport: str, request: Request) -> tuple[FloatArray, int]:
    """Send one request with a real client; return the answer and its length in bytes.

    Raises
    ------
    ValueError
        With the server's own words, if it refuses.
    """
    if transport == "gRPC":
        return _ask_grpc(grpc_port, request)
    import httpx

    answer = httpx.post(
        f"http://127.0.0.1:{http_port}{request.path}", content=request.body, headers=request.headers, timeout=30
    )
    if answer.status_code != 200:
        raise ValueError(f"HTTP {answer.status_code}: {answer.text[:200]}")
    return read_rest(answer.content, dict(answer.headers)), len(answer.content)


def _ask_grpc(port: int, request: Request) -> tuple[FloatArray, int]:
    import grpc

    options = [("grpc.max_receive_message_length", 64 << 20)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        call = channel.unary_unary(request.path, lambda b: b, lambda b: b)
        try:
            body = call(request.body, timeout=30)
        except grpc.RpcError as error:
            raise ValueError(f"gRPC {error.code().name}: {error.details()[:200]}") from error
    return read_grpc(body), len(body)


def _tensor(name: str, rows: FloatArray, extra: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "datatype": "FP32", "shape": list(rows.shape), **extra}


def _wanted(outputs: list[str]) -> dict[str, Any]:
    return {"outputs": [{"name": o} for o in outputs]} if outputs else {}


def _dtype(datatype: str) -> np.dtype[Any]:
    bits = {"FP32": "<f4", "FP64": "<f8"}
    if datatype not in bits:
        raise ValueError(f"the answer has datatype {datatype}, expected one of {', '.join(bits)}")
    return np.dtype(bits[datatype])


def _answer(flat: npt.NDArray[Any], shape: list[int]) -> FloatArray:
    values = flat.reshape(shape[0], -1)
    return np.asarray(values[:, -1:], dtype=np.float32)  # of two class probabilities, the positive class
