"""A V2 REST call: its request body, its encoding, and the bytes of its HTTP response."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from http import HTTPStatus

import orjson

from components.errors import ArthaflowError, InvalidRequest
from inference.dataplane import Call
from inference.v2.json_large import to_compact
from inference.v2.request import LENGTH_HEADER, InferRequest, parse_request
from inference.v2.response import BatchAnswer, Body

_STATUS = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_OK_JSON = _STATUS[200] + b"content-type: application/json\r\ncontent-length: "
_OK_BINARY = b"%bcontent-type: application/octet-stream\r\n%b: %%d\r\ncontent-length: " % (
    _STATUS[200],
    LENGTH_HEADER.encode(),
)


class BodyTooLarge(ArthaflowError):
    """A request body exceeds the server's limit."""

    status = 413


class UnsupportedEncoding(ArthaflowError):
    """A request body is compressed in a way that the server does not read."""

    status = 415


class HttpCall(Call):
    """One call; also the ``cycle`` that uvicorn's protocol keeps for the request under way, hence some of its names."""

    __slots__ = (
        "disconnected",
        "encoding",
        "header_length",
        "keep_alive",
        "limit",
        "message_event",
        "more_body",
        "parts",
        "request_id",
        "response_complete",
        "send",
        "size",
        "submitted",
    )

    def __init__(self, model: str, version: str, send: Callable[[HttpCall, bytes, bytes], None], limit: int) -> None:
        self.model = model
        self.version = version
        self.ce_id = ""
        self.request_id = b""
        self.forced = False
        self.send = send
        self.limit = limit
        self.header_length: bytes | None = None
        self.encoding = b""
        self.parts: list[bytes] = []
        self.size = 0
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False
        self.more_body = True
        self.submitted = False
        self.message_event = NO_EVENT

    @property
    def body(self) -> bytes:
        """The request body as it came."""
        parts = self.parts
        if len(parts) != 1:
            self.parts = parts = [b"".join(parts)]
        return parts[0]

    def decode(self) -> InferRequest:
        """Decode the body."""
        body = self.body
        if self.encoding:
            body = self._decompress(body)
        if self.header_length is None:
            return parse_request(body)
        raw = self.header_length
        if not raw.isdigit():
            self.header_length = None
            raise InvalidRequest(
                f"{raw.decode('latin-1')!r:.40} is not a number",
                "Send the length of the JSON part.",
                path=LENGTH_HEADER,
            )
        return parse_request(body, int(raw))

    def _decompress(self, body: bytes) -> bytes:
        if self.encoding not in (b"gzip", b"deflate"):
            raise UnsupportedEncoding(
                f"Content-Encoding {self.encoding.decode('latin-1')!r:.40} is not read here.",
                "Send gzip, deflate or none.",
            )
        engine = zlib.decompressobj(wbits=47)
        try:
            plain = engine.decompress(body, self.limit + 1)
        except zlib.error as error:
            raise InvalidRequest(
                f"the body is not valid {self.encoding.decode()} ({error})", "Check Content-Encoding.", path="body"
            ) from error
        if len(plain) > self.limit:
            raise too_large(len(plain), self.limit)
        self.parts, self.encoding = [plain], b""
        return plain

    def encode(self, answer: BatchAnswer, start: int, stop: int, request_id: str) -> Body:
        """Encode as JSON or binary, as the request asks."""
        request = self.request
        return self.served.encoder.encode(answer, start, stop, request_id, request.outputs, request.binary_outputs)

    def reply(self, body: Body) -> None:
        """Send a prediction."""
        content, json_length = body
        if json_length:
            self.send(self, _OK_BINARY % json_length, content)
        else:
            self.send(self, _OK_JSON, content)

    def refuse(self, error: ArthaflowError) -> Body:
        """Send an error as JSON."""
        content = error_json(error)
        self.send(self, _STATUS[error.status] + b"content-type: application/json\r\ncontent-length: ", content)
        return content, 0

    def payload(self) -> Body:
        """Return the body and the length of its JSON part; a large JSON body in the binary form, a fifth as long."""
        large = getattr(getattr(self, "request", None), "large", None)
        if large is not None:
            return to_compact(large)
        return self.body, int(self.header_length or 0)


def error_json(error: ArthaflowError) -> bytes:
    """Return what a client is told: the problem with its path, and the remedy."""
    told = {"error": error.problem}
    if isinstance(error, InvalidRequest) and error.path:
        told["path"] = error.path
    if error.remedy:
        told["remedy"] = error.remedy
    return orjson.dumps(told)


def too_large(size: int, limit: int) -> BodyTooLarge:
    """Return the error for a body beyond the limit."""
    return BodyTooLarge(f"The body has {size} bytes, the limit is {limit}.", "Send fewer rows, or raise --max_body_mb.")


class _NoEvent:
    def set(self) -> None:
        """Nobody waits."""


NO_EVENT = _NoEvent()
