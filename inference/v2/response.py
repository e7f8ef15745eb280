"""Encoding of predictions: the constant parts of a response are built once, a batch's numbers once per batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from components.errors import InvalidRequest
from components.models.schema import Schema
from inference.v2.datatypes import Array, datatype_of, to_binary
from inference.v2.request import WantedOutput

_NUMPY = orjson.OPT_SERIALIZE_NUMPY
Body = tuple[bytes, int]
"""A response's body, and the length of its JSON part; 0 when all of it is JSON."""


class BatchAnswer:
    """The outputs of one batch, from which each request takes its rows.

    Parameters
    ----------
    outputs : dict of str to ndarray
        Row axis first.
    parameters : bytes
        The response's ``parameters``, as JSON.
    """

    __slots__ = ("_rows", "outputs", "parameters")

    def __init__(self, outputs: dict[str, Array], parameters: bytes) -> None:
        self.outputs = outputs
        self.parameters = parameters
        self._rows: dict[str, list[bytes]] = {}

    def json_data(self, name: str, start: int, stop: int) -> bytes:
        """Return the flat JSON of rows ``start`` to ``stop`` of an output, without brackets.

        One call serialises the whole batch; a row's numbers are then cut out of the text.
        """
        array = self.outputs[name]
        if array.dtype.kind in "OUS":
            return orjson.dumps(array[start:stop].reshape(-1).tolist())[1:-1]
        if start == 0 and stop == len(array):
            return orjson.dumps(np.ascontiguousarray(array).reshape(-1), option=_NUMPY)[1:-1]
        rows = self._rows.get(name)
        if rows is None:
            flat = np.ascontiguousarray(array).reshape(len(array), int(np.prod(array.shape[1:])))
            rows = self._rows[name] = orjson.dumps(flat, option=_NUMPY)[2:-2].split(b"],[")
        return rows[start] if stop == start + 1 else b",".join(rows[start:stop])


class ResponseEncoder:
    """Encodes the answers of one served model.

    Parameters
    ----------
    name, version : str
        Echoed in every response.
    schema : Schema
        Of the outputs.
    """

    def __init__(self, name: str, version: str, schema: Schema) -> None:
        self.schema = schema
        self.envelope = {"model_name": name, "model_version": version}
        self._head = orjson.dumps(self.envelope)[:-1] + b',"id":'
        self._starts = [
            (
                t.name,
                b'{"name":%b,"datatype":"%b","shape":[' % (orjson.dumps(t.name), t.datatype.encode()),
                None if t.variable else _axes(t.shape) + b'],"data":[',
            )
            for t in schema.tensors
        ]

    def check_wanted(self, wanted: Sequence[WantedOutput]) -> None:
        """Raise if a request asks for an output that the model does not have."""
        for i, output in enumerate(wanted):
            if output.name not in self.schema.names:
                raise InvalidRequest(
                    f"{output.name!r:.80} is not an output of the model",
                    f"Ask for {', '.join(self.schema.names)}, or leave outputs out.",
                    path=f"outputs[{i}].name",
                )

    def encode(
        self,
        answer: BatchAnswer,
        start: int,
        stop: int,
        request_id: str,
        wanted: Sequence[WantedOutput] = (),
        binary: bool = False,
    ) -> Body:
        """Encode rows ``start`` to ``stop`` of a batch as the response to one request."""
        if wanted or binary:
            return self._encode_selected(answer, start, stop, request_id, wanted, binary)
        rows = b"%d" % (stop - start)
        parts = [self._head, orjson.dumps(request_id), b',"parameters":', answer.parameters, b',"outputs":[']
        for name, before, fixed in self._starts:
            between = fixed or _axes(answer.outputs[name].shape[1:]) + b'],"data":['
            parts += (before, rows, between, answer.json_data(name, start, stop), b"]},")
        parts[-1] = b"]}]}"
        return b"".join(parts), 0

    def _encode_selected(
        self,
        answer: BatchAnswer,
        start: int,
        stop: int,
        request_id: str,
        wanted: Sequence[WantedOutput],
        binary: bool,
    ) -> Body:
        chosen = wanted or [WantedOutput(name, binary) for name in self.schema.names]
        entries: list[dict[str, Any]] = []
        tail: list[bytes] = []
        for output in chosen:
            array = answer.outputs[output.name][start:stop]
            entry: dict[str, Any] = {
                "name": output.name,
                "datatype": datatype_of(array),
                "shape": list(array.shape),
            }
            if output.binary:
                raw = to_binary(array)
                entry["parameters"] = {"binary_data_size": len(raw)}
                tail.append(raw)
            else:
                entry["data"] = orjson.Fragment(b"[%b]" % answer.json_data(output.name, start, stop))
            entries.append(entry)
        parameters = orjson.Fragment(answer.parameters)
        head = orjson.dumps({**self.envelope, "id": request_id, "parameters": parameters, "outputs": entries})
        return (b"".join([head, *tail]), len(head)) if tail else (head, 0)


def _axes(shape: tuple[int, ...]) -> bytes:
    return b"".join(b",%d" % n for n in shape)
