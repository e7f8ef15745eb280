"""What the gateway itself refuses, each with its status and a remedy."""

from __future__ import annotations

import orjson

from components.errors import ArthaflowError
from inference.router.backend import Headers, Response


class NoSuchRoute(ArthaflowError):
    """The path is none of those that are passed on."""

    status = 404


class WrongMethod(ArthaflowError):
    """The path exists, the method does not."""

    status = 405

    def __init__(self, method: str, path: str, allowed: str) -> None:
        super().__init__(f"{method} is not offered at {path!r:.200}.", f"Use {allowed}.")
        self.allowed = allowed


class BodyTooLarge(ArthaflowError):
    """A request body exceeds the limit."""

    status = 413


class BodyTooSlow(ArthaflowError):
    """A client did not send its body in time."""

    status = 408


class NoUpgrade(ArthaflowError):
    """A request with a body asks for another protocol; the HTTP parser takes its body for that protocol's."""

    status = 400


class GatewayFull(ArthaflowError):
    """The bodies under way are as many bytes as the gateway may hold."""

    status = 503


class ClientGone(ArthaflowError):
    """A client closed the connection; nobody reads the answer."""

    status = 499


class ModelBusy(ArthaflowError):
    """A model has as many requests under way as it may."""

    status = 503


class ModelSlow(ArthaflowError):
    """A model did not answer in time."""

    status = 504


class ModelDown(ArthaflowError):
    """A model's server cannot be reached, or closed the connection."""

    status = 503


RETRY_AFTER_S = 1


def answer(error: ArthaflowError) -> Response:
    """Return an error as JSON, ``{"error": ..., "remedy": ...}``."""
    headers: Headers = [(b"content-type", b"application/json")]
    if error.status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    if isinstance(error, WrongMethod):
        headers.append((b"allow", error.allowed.encode()))
    if isinstance(error, BodyTooSlow | NoUpgrade):
        # What is still to come would hold the connection open, byte by byte, or be read as a request of its own.
        headers.append((b"connection", b"close"))
    body = {"error": error.problem, "remedy": error.remedy}
    return Response(error.status, headers, orjson.dumps({k: v for k, v in body.items() if v}))
