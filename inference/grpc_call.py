"""A V2 gRPC call: typed or raw tensor contents to and from arrays."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import orjson

from components.errors import ArthaflowError, InvalidRequest
from components.models.schema import DTYPES
from inference.dataplane import Call
from inference.http_call import error_json
from inference.v2.datatypes import Array, datatype_of, to_binary
from inference.v2.request import InferRequest, TensorIn, WantedOutput
from inference.v2.response import BatchAnswer, Body

CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Field of ``InferTensorContents`` that holds each datatype."""


class GrpcCall(Call):
    """One call; its answer is a protobuf message in :attr:`done`.

    Parameters
    ----------
    message : ModelInferRequest
        The request.
    response_class : type
        ``ModelInferResponse``.
    """

    __slots__ = ("done", "message", "request_id", "response", "response_class")

    def __init__(self, message: Any, response_class: Any, ce_id: str, started: float, forced: bool = False) -> None:
        self.message = message
        self.response_class = response_class
        self.model = message.model_name
        self.version = message.model_version
        self.ce_id = ce_id
        self.request_id = b""
        self.forced = forced
        self.started = started
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def decode(self) -> InferRequest:
        """Decode the tensors."""
        message = self.message
        raw = message.raw_input_contents
        if not message.inputs:
            raise InvalidRequest("at least one tensor is required", "Send inputs.", path="inputs")
        if raw and len(raw) != len(message.inputs):
            raise InvalidRequest(
                f"{len(raw)} raw contents for {len(message.inputs)} inputs",
                "Send one for each.",
                path="raw_input_contents",
            )
        inputs = [_tensor_in(i, t, raw[i] if raw else None) for i, t in enumerate(message.inputs)]
        wanted = [WantedOutput(o.name, False) for o in message.outputs]
        return InferRequest(message.id, inputs, wanted)

    def encode(self, answer: BatchAnswer, start: int, stop: int, request_id: str) -> Body:
        """Keep the response message; return it as V2 for the payload log: the same body a REST client would get."""
        encoder, request = self.served.encoder, self.request
        response = self.response_class(
            model_name=self.served.name, model_version=self.served.version, id=request_id, outputs=[]
        )
        for key, value in orjson.loads(answer.parameters).items():
            response.parameters[key].string_param = value
        raw = bool(self.message.raw_input_contents)
        for name in [o.name for o in request.outputs] or encoder.schema.names:
            array = answer.outputs[name][start:stop]
            datatype = datatype_of(array)
            output = response.outputs.add(name=name, datatype=datatype, shape=array.shape)
            if raw:
                response.raw_output_contents.append(to_binary(array))
            else:
                getattr(output.contents, CONTENTS[datatype]).extend(_values(array))
        self.response = response
        return encoder.encode(answer, start, stop, request_id, request.outputs)

    def reply(self, body: Body) -> None:
        """Hand the response to the waiting servicer."""
        if not self.done.done():
            self.done.set_result(self.response)

    def refuse(self, error: ArthaflowError) -> Body:
        """Hand the error to the waiting servicer."""
        if not self.done.done():
            self.done.set_exception(error)
        return error_json(error), 0

    def payload(self) -> Body:
        """Return the request as V2 binary; as the protobuf's JSON if it cannot be decoded."""
        try:
            request = self.decode()
            entries, tail = [], []
            for t in request.inputs:
                raw = bytes(t.data) if not isinstance(t.data, np.ndarray) else to_binary(t.data)
                parameters = {"binary_data_size": len(raw)}
                entries.append(
                    {"name": t.name, "datatype": t.datatype, "shape": list(t.shape), "parameters": parameters}
                )
                tail.append(raw)
        except InvalidRequest:
            from google.protobuf.json_format import MessageToJson

            return MessageToJson(self.message, preserving_proto_field_name=True).encode(), 0
        head = orjson.dumps({"id": request.id, "inputs": entries} if request.id else {"inputs": entries})
        return b"".join([head, *tail]), len(head)


def _values(array: Array) -> list[Any]:
    flat: list[Any] = array.reshape(-1).tolist()
    return [str(v).encode() for v in flat] if array.dtype.kind in "OU" else flat


def _tensor_in(index: int, tensor: Any, raw: bytes | None) -> TensorIn:
    path, datatype, shape = f"inputs[{index}]", tensor.datatype, tuple(tensor.shape)
    if datatype not in DTYPES:
        raise InvalidRequest(
            f"{datatype!r:.40} is not a datatype", f"Use one of {', '.join(DTYPES)}.", path=f"{path}.datatype"
        )
    if any(n < 0 for n in shape):
        raise InvalidRequest(f"shape {list(shape)} has a negative size", "Send e.g. [1, 30].", path=f"{path}.shape")
    if raw is not None:
        if tensor.HasField("contents"):
            raise InvalidRequest("contents beside raw_input_contents", "Send one of the two.", path=f"{path}.contents")
        return TensorIn(index, tensor.name, datatype, shape, raw)
    field = CONTENTS[datatype]
    values = getattr(tensor.contents, field)
    count = 1
    for n in shape:
        count *= n
    if len(values) != count:
        raise InvalidRequest(
            f"{len(values)} values in {field}, but shape {list(shape)} takes {count}",
            f"Fill {field}, one value per element.",
            path=f"{path}.contents",
        )
    return TensorIn(index, tensor.name, datatype, shape, _typed(values, datatype, path).reshape(shape))


def _typed(values: Any, datatype: str, path: str) -> Array:
    if datatype == "BYTES":
        try:
            return np.array([v.decode() for v in values], dtype=object)
        except UnicodeDecodeError as error:
            raise InvalidRequest("text is not UTF-8", "Encode it as UTF-8.", path=f"{path}.contents") from error
    dtype = np.dtype(DTYPES[datatype])
    if datatype in ("INT8", "INT16", "UINT8", "UINT16") and values:
        limits = np.iinfo(dtype)
        for i, value in enumerate(values):
            if not limits.min <= value <= limits.max:
                raise InvalidRequest(
                    f"{value} does not fit {datatype}",
                    f"Send {limits.min} to {limits.max}.",
                    path=f"{path}.contents[{i}]",
                )
    return np.fromiter(values, dtype, len(values))
