"""The benchmark's requests are what real clients send, and its readers read what servers answer."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.payloads import binary_request, grpc_request, json_request, read_grpc, read_rest

ROWS = np.arange(6, dtype=np.float32).reshape(2, 3) / 3


def test_json_request_round_trips_every_number() -> None:
    body = json.loads(json_request("m", "x", ROWS, ["y"]).body)
    tensor = body["inputs"][0]
    assert (tensor["shape"], tensor["datatype"], body["outputs"]) == ([2, 3], "FP32", [{"name": "y"}])
    np.testing.assert_array_equal(np.array(tensor["data"], np.float32).reshape(2, 3), ROWS)


def test_binary_request_is_tritons() -> None:
    from tritonclient.http import InferenceServerClient, InferInput

    tensor = InferInput("x", [2, 3], "FP32").set_data_from_numpy(ROWS)
    theirs, length = InferenceServerClient.generate_request_body([tensor])
    ours = binary_request("m", "x", ROWS, [])
    split = int(ours.headers["Inference-Header-Content-Length"])
    assert ours.body[split:] == theirs[length:]
    assert json.loads(ours.body[:split]) == json.loads(theirs[:length])


def test_grpc_request_is_a_model_infer_request() -> None:
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as service_pb2

    message = service_pb2.ModelInferRequest.FromString(grpc_request("m", "x", ROWS, ["y"]).body)
    assert (message.model_name, list(message.inputs[0].shape), message.outputs[0].name) == ("m", [2, 3], "y")
    assert message.raw_input_contents[0] == ROWS.tobytes()


def test_rest_answers_in_json_and_binary() -> None:
    output = {"name": "y", "datatype": "FP32", "shape": [2, 1]}
    text = json.dumps({"outputs": [{**output, "data": [0.5, 0.25]}]}).encode()
    np.testing.assert_array_equal(read_rest(text, {}), [[0.5], [0.25]])
    raw = np.array([0.5, 0.25], np.float32).tobytes()
    head = json.dumps({"outputs": [{**output, "parameters": {"binary_data_size": 8}}]}).encode()
    got = read_rest(head + raw, {"inference-header-content-length": str(len(head))})
    np.testing.assert_array_equal(got, [[0.5], [0.25]])


def test_of_two_class_probabilities_the_second_is_read() -> None:
    output = {"name": "predict_proba", "datatype": "FP32", "shape": [2, 2], "data": [0.9, 0.1, 0.3, 0.7]}
    np.testing.assert_allclose(read_rest(json.dumps({"outputs": [output]}).encode(), {}), [[0.1], [0.7]])


@pytest.mark.parametrize("raw", [True, False])
def test_grpc_answers_raw_and_typed(raw: bool) -> None:
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as service_pb2

    message = service_pb2.ModelInferResponse()
    output = message.outputs.add(name="y", datatype="FP32", shape=[2, 1])
    if raw:
        message.raw_output_contents.append(np.array([0.5, 0.25], np.float32).tobytes())
    else:
        output.contents.fp32_contents.extend([0.5, 0.25])
    np.testing.assert_array_equal(read_grpc(message.SerializeToString()), [[0.5], [0.25]])


def test_an_unexpected_datatype_is_named() -> None:
    head = {"outputs": [{"name": "y", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}}]}
    body = json.dumps(head).encode()
    with pytest.raises(ValueError, match="INT64"):
        read_rest(body + bytes(8), {"Inference-Header-Content-Length": str(len(body))})
