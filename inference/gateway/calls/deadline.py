"""One deadline per request: whatever is done for it, waiting included, ends there.

It is the model's ``timeout_s``, or earlier where the client says so with ``X-Request-Timeout-Ms``: an answer that comes
after the client has gone is work for nobody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from components.errors import InvalidRequest
from inference.router.backend import Headers

HEADER = b"x-request-timeout-ms"
LONGEST_MS = 3_600_000

_CURRENT: ContextVar[float | None] = ContextVar("arthaflow_deadline", default=None)


@dataclass(frozen=True)
class Deadline:
    """When a request must be answered.

    Attributes
    ----------
    at : float
        On :func:`time.monotonic`, seconds.
    allowed_s : float
        How long that was when it was made, seconds.
    asked : bool
        Whether the client, not the model's entry, set it.
    """

    at: float
    allowed_s: float
    asked: bool = False

    def remaining(self) -> float:
        """Return what is left, seconds; never below 0."""
        return max(0.0, self.at - time.monotonic())

    def onward(self, headers: Headers) -> Headers:
        """Return the headers with what is left of a client's deadline; a model's own time-out is told to nobody."""
        if not self.asked:
            return headers
        kept = [(name, value) for name, value in headers if name != HEADER]
        return [*kept, (HEADER, b"%d" % max(1, int(self.remaining() * 1e3)))]


def asked_for(headers: Headers) -> float | None:
    """Return the time that a client gives, seconds; None where it says nothing.

    Examples
    --------
    >>> asked_for([(b"x-request-timeout-ms", b"250")])
    0.25

    Raises
    ------
    InvalidRequest
        If the header is no whole number of milliseconds between 1 and an hour.
    """
    given = next((value for name, value in headers if name == HEADER), None)
    if given is None:
        return None
    text = given.strip()
    if not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= LONGEST_MS:
        raise InvalidRequest(
            f"{given.decode('latin-1')!r:.40} is no time-out.",
            f"Give whole milliseconds from 1 to {LONGEST_MS}.",
            "X-Request-Timeout-Ms",
        )
    return int(text) / 1e3


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Let every model call of the block end in ``seconds``, or earlier where an outer block says so.

    None changes nothing.
    """
    if seconds is None:
        yield
        return
    ends, outer = time.monotonic() + seconds, _CURRENT.get()
    token = _CURRENT.set(ends if outer is None else min(ends, outer))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def deadline_of(headers: Headers, timeout_s: float) -> Deadline:
    """Return the deadline of a call that starts now.

    Parameters
    ----------
    headers : list
        Of the call; ``X-Request-Timeout-Ms`` counts.
    timeout_s : float
        The model's own longest answer, seconds.

    Raises
    ------
    InvalidRequest
        See :func:`asked_for`.
    """
    began = time.monotonic()
    given, outer = asked_for(headers), _CURRENT.get()
    asked = [end for end in (began + given if given is not None else None, outer) if end is not None]
    at = min(asked, default=began + timeout_s)
    if at >= began + timeout_s:
        return Deadline(began + timeout_s, timeout_s)
    return Deadline(at, max(0.0, at - began), asked=True)


def time_left(at_most: float) -> float:
    """Return how long the present request may still wait, seconds, at most ``at_most``."""
    outer = _CURRENT.get()
    return at_most if outer is None else max(0.0, min(at_most, outer - time.monotonic()))
