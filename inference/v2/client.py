"""The client's side of V2: encode a request, decode a response, and a small synchronous client."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
import numpy as np
import orjson

from components.errors import ArthaflowError, InvalidRequest, ModelUnavailable, UnknownModel
from inference.v2.datatypes import Array, datatype_of, from_binary, to_binary
from inference.v2.json_data import array_from_json
from inference.v2.request import LENGTH_HEADER

JSON_TYPE = "application/json"
BINARY_TYPE = "application/octet-stream"


def encode_request(
    inputs: Mapping[str, Array], binary: bool = False, *, request_id: str = "", outputs: tuple[str, ...] = ()
) -> tuple[bytes, dict[str, str]]:
    """Encode tensors as the body and headers of an infer request.

    Parameters
    ----------
    inputs : mapping of str to ndarray
        Row axis first.
    binary : bool
        Send raw tensors, and ask for raw outputs.
    request_id : str
        Echoed by the server; empty for none.
    outputs : tuple of str
        Names of the wanted outputs; empty for all.
    """
    entries, tail = [], []
    for name, array in inputs.items():
        array = np.asarray(array)
        entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array)}
        if binary:
            raw = to_binary(array)
            entry["parameters"] = {"binary_data_size": len(raw)}
            tail.append(raw)
        else:
            entry["data"] = array.reshape(-1).tolist()
        entries.append(entry)
    message: dict[str, Any] = {"inputs": entries}
    if request_id:
        message["id"] = request_id
    if outputs:
        message["outputs"] = [{"name": name} for name in outputs]
    if not binary:
        return orjson.dumps(message), {"Content-Type": JSON_TYPE}
    message["parameters"] = {"binary_data_output": True}
    head = orjson.dumps(message)
    return b"".join([head, *tail]), {"Content-Type": BINARY_TYPE, LENGTH_HEADER: str(len(head))}


def decode_response(body: bytes, headers: Mapping[str, str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Decode an infer response, JSON or binary.

    Returns
    -------
    outputs : dict of str to ndarray
        By output name.
    parameters : dict
        The response's parameters, with ``model_name``, ``model_version`` and ``id`` of its envelope.
    """
    lower = {k.lower(): v for k, v in headers.items()}
    length = int(lower.get(LENGTH_HEADER.lower(), len(body)))
    message = orjson.loads(body[:length])
    outputs: dict[str, Array] = {}
    offset = length
    for entry in message["outputs"]:
        shape, name = tuple(entry["shape"]), entry["name"]
        size = (entry.get("parameters") or {}).get("binary_data_size")
        if size is None:
            outputs[name] = array_from_json(entry["data"], entry["datatype"], shape, f"outputs.{name}")
        else:
            outputs[name] = from_binary(body[offset : offset + size], entry["datatype"], shape, f"outputs.{name}")
            offset += size
    envelope = {k: message[k] for k in ("model_name", "model_version", "id") if k in message}
    return outputs, {**envelope, **(message.get("parameters") or {})}


class Client:
    """A synchronous V2 REST client of one model.

    Parameters
    ----------
    url : str
        ``http://host:port``.
    model : str
        Name on the protocol.
    timeout : float
        Seconds per request.
    """

    def __init__(self, url: str, model: str, timeout: float = 60.0) -> None:
        self.url = url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"
        self.model = model
        self._http = httpx.Client(timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def infer(
        self,
        inputs: Mapping[str, Array],
        *,
        binary: bool = False,
        request_id: str = "",
        outputs: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, Array], dict[str, Any]]:
        """Ask for a prediction; see :func:`encode_request` and :func:`decode_response`.

        Raises
        ------
        InvalidRequest
            If the server refuses the input.
        UnknownModel
            If the server does not serve the model.
        ModelUnavailable
            If the server is gone, or the model is not ready.
        """
        body, own = encode_request(inputs, binary, request_id=request_id, outputs=outputs)
        answer = self._send("POST", "/infer", content=body, headers={**own, **(headers or {})})
        return decode_response(answer.content, answer.headers)

    def ready(self) -> bool:
        """Return whether the model is ready; False also when the server is gone."""
        try:
            return self._http.get(f"{self.url}/v2/models/{self.model}/ready").status_code == 200
        except httpx.TransportError:
            return False

    def metadata(self) -> dict[str, Any]:
        """Return the model's metadata: versions, platform, inputs and outputs."""
        found: dict[str, Any] = self._send("GET", "").json()
        return found

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, f"{self.url}/v2/models/{self.model}{path}", **request)
        except httpx.TransportError as error:
            raise ModelUnavailable(
                f"{self.model!r} at {self.url} does not answer ({error or type(error).__name__}).",
                "Check that the server runs and that the address is right.",
            ) from error
        if answer.status_code != 200:
            raise _error(answer)
        return answer


def _error(answer: httpx.Response) -> ArthaflowError:
    try:
        told = answer.json()
    except ValueError:
        told = {}
    problem = str(told.get("error") or answer.text[:200] or answer.reason_phrase) if isinstance(told, dict) else ""
    remedy = str(told.get("remedy", "")) if isinstance(told, dict) else ""
    if answer.status_code == 404:
        return UnknownModel(problem, remedy)
    if 400 <= answer.status_code < 500:
        path = str(told.get("path", "")) if isinstance(told, dict) else ""
        return InvalidRequest(problem.removeprefix(f"{path}: "), remedy, path=path)
    return ModelUnavailable(f"status {answer.status_code}: {problem}", remedy)
