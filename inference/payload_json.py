"""A binary V2 body, request or response, as the equivalent JSON."""

from __future__ import annotations

from typing import Any

import orjson

from components.errors import InvalidRequest
from inference.v2.datatypes import from_binary


def as_json(body: bytes, header_length: int) -> bytes:
    """Return the JSON form of a body; one that cannot be decoded is returned as it is.

    Parameters
    ----------
    body : bytes
        JSON followed by binary tensors.
    header_length : int
        Length of the JSON part; 0 when all is JSON.
    """
    if not header_length:
        return body
    try:
        message: dict[str, Any] = orjson.loads(body[:header_length])
        offset = header_length
        for entry in (*message.get("inputs", ()), *message.get("outputs", ())):
            size = (entry.get("parameters") or {}).pop("binary_data_size", None)
            if size is None:
                continue
            array = from_binary(body[offset : offset + size], entry["datatype"], tuple(entry["shape"]), "data")
            entry["data"] = array.reshape(-1).tolist()
            offset += size
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, InvalidRequest):
        return body
    return orjson.dumps(message)
