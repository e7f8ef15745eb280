"""A transport that keeps what it is told: drives the data plane without a network."""

from __future__ import annotations

import time
from typing import Any

from components.errors import ArthaflowError
from inference.dataplane import Call
from inference.http_call import error_json
from inference.v2 import decode_response, parse_request
from inference.v2.request import InferRequest
from inference.v2.response import BatchAnswer, Body


class KeptCall(Call):
    """A V2 JSON or binary call whose answer stays in :attr:`answered` or :attr:`error`."""

    __slots__ = ("answered", "content", "error", "length")

    def __init__(
        self,
        model: str,
        content: bytes,
        length: int | None = None,
        version: str = "",
        ce_id: str = "",
        forced: bool = False,
    ) -> None:
        self.model = model
        self.version = version
        self.ce_id = ce_id
        self.forced = forced
        self.content = content
        self.length = length
        self.started = time.perf_counter()
        self.answered: Body | None = None
        self.error: ArthaflowError | None = None

    def decode(self) -> InferRequest:
        return parse_request(self.content, self.length)

    def encode(self, answer: BatchAnswer, start: int, stop: int, request_id: str) -> Body:
        wanted, binary = self.request.outputs, self.request.binary_outputs
        return self.served.encoder.encode(answer, start, stop, request_id, wanted, binary)

    def reply(self, body: Body) -> None:
        self.answered = body

    def refuse(self, error: ArthaflowError) -> Body:
        self.error = error
        return error_json(error), 0

    def payload(self) -> Body:
        return self.content, self.length or 0

    @property
    def outputs(self) -> dict[str, Any]:
        """The decoded answer."""
        assert self.answered is not None, self.error
        body, length = self.answered
        return decode_response(body, {"Inference-Header-Content-Length": str(length)} if length else {})[0]
