"""What the gateway itself refuses, each with its status and a remedy."""

from __future__ import annotations

import math

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


class Overloaded(ArthaflowError):
    """The process has as much to do as it can; nothing was done for the request."""

    status = 503
    retry_after_s = 1.0


class Unanswered(ArthaflowError):
    """A model gave no answer, through no fault of the request: asking later helps, and so may an earlier answer.

    Attributes
    ----------
    stale_ok : bool
        Whether an earlier answer to the same question may stand in, marked stale.
    for_all : bool
        Whether every other request to the model would fare the same now.
    own : bool
        Whether the request's own deadline ended it, which says nothing about any other.
    """

    status = 503
    retry_after_s: float | None = 1.0
    stale_ok = True
    for_all = False
    own = False


class ModelBusy(Unanswered):
    """A model has as many requests under way as it may."""

    for_all = True


class ModelSlow(Unanswered):
    """A model did not answer in time."""

    status = 504
    retry_after_s = None


class ModelDown(Unanswered):
    """A model's server cannot be reached, or closed the connection."""


class BreakerOpen(Unanswered):
    """A model failed so often lately that it is left alone for a while."""

    for_all = True

    def __init__(self, problem: str, remedy: str, retry_after_s: float) -> None:
        super().__init__(problem, remedy)
        self.retry_after_s = retry_after_s


RETRY_AFTER_S = 1


def answer(error: ArthaflowError) -> Response:
    """Return an error as JSON, ``{"error": ..., "remedy": ...}``."""
    headers: Headers = [(b"content-type", b"application/json")]
    if error.status == 503:
        headers.append((b"retry-after", b"%d" % max(RETRY_AFTER_S, math.ceil(error.retry_after_s or 0))))
    if isinstance(error, WrongMethod):
        headers.append((b"allow", error.allowed.encode()))
    if isinstance(error, BodyTooSlow | NoUpgrade):
        # What is still to come would hold the connection open, byte by byte, or be read as a request of its own.
        headers.append((b"connection", b"close"))
    body = {"error": error.problem, "remedy": error.remedy}
    return Response(error.status, headers, orjson.dumps({k: v for k, v in body.items() if v}))
