"""What one version did in one window of time: the only thing that the judge looks at."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

MAX_SAMPLE = 5000
"""Longest sample that a window carries; a longer one is thinned evenly, so that a history of days stays readable."""


@dataclass(frozen=True)
class RequestRow:
    """One attempt of one request, as a router logs it.

    Attributes
    ----------
    time : float
        When the answer was complete, seconds since the epoch.
    track, version : str
        ``stable`` or ``canary``, and the version that was asked.
    status : int
        HTTP status; 0 when no answer came (connection refused or lost, or a timeout).
    latency_ms : float
        From sending the request to the complete answer, milliseconds.
    quantity : float or None
        The compared number of the first row of the request; None when it could not be measured.
    unusable : bool
        Whether the answer's number was missing or not finite although the status was 200.
    attempt : int
        1 for the router's first choice; later attempts are retries after a failure, and no random sample.
    forced : bool
        Whether a header chose the track.
    """

    time: float
    track: str
    version: str
    status: int
    latency_ms: float
    quantity: float | None = None
    unusable: bool = False
    attempt: int = 1
    forced: bool = False

    @property
    def failed(self) -> bool:
        """Whether the version is to blame: no answer, a 5xx, or an unusable number."""
        return self.status == 0 or self.status >= 500 or self.unusable


@dataclass(frozen=True)
class WindowMetrics:
    """One version in one window.

    Attributes
    ----------
    version : str
        The version.
    requests, errors, rejected : int
        Requests that were sent to it at random, those that failed (see :attr:`RequestRow.failed`), and 4xx answers.
    latencies_ms : tuple of float
        Latencies of the answers with status 200, milliseconds, ascending.
    predictions : tuple of float
        The compared number, one per request (rows of one request are not independent), in order of time; or
        ascending, where the source only counts.
    outside : float
        Share of the predictions that lie beyond the range that the source resolves, decimal; moves within that part are
        invisible.
    """

    version: str
    requests: int = 0
    errors: int = 0
    rejected: int = 0
    latencies_ms: tuple[float, ...] = ()
    predictions: tuple[float, ...] = ()
    outside: float = 0.0

    @property
    def error_rate(self) -> float:
        """Share of failed requests, decimal; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def rejected_rate(self) -> float:
        """Share of 4xx answers, decimal; 0 without requests."""
        return self.rejected / self.requests if self.requests else 0.0

    def latency(self, q: float) -> float:
        """Return the ``q`` quantile of the latency, milliseconds (nearest rank); NaN without answers."""
        if not self.latencies_ms:
            return math.nan
        return self.latencies_ms[max(0, math.ceil(q * len(self.latencies_ms)) - 1)]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> WindowMetrics:
        """Inverse of :meth:`to_dict`."""
        samples = {name: tuple(raw[name]) for name in ("latencies_ms", "predictions")}
        return cls(**{**raw, **samples})


def summarise(rows: Iterable[RequestRow], version: str) -> WindowMetrics:
    """Sum up the rows of one version. Retries and forced requests are left out: they are no random sample."""
    chosen = [r for r in rows if r.version == version and r.attempt == 1 and not r.forced]
    return WindowMetrics(
        version=version,
        requests=len(chosen),
        errors=sum(r.failed for r in chosen),
        rejected=sum(400 <= r.status < 500 for r in chosen),
        latencies_ms=tuple(sorted(_thin([r.latency_ms for r in chosen if r.status == 200]))),
        predictions=tuple(_thin([r.quantity for r in chosen if r.quantity is not None and not r.failed])),
    )


def _thin(values: list[float]) -> list[float]:
    step = math.ceil(len(values) / MAX_SAMPLE)
    return values[::step] if step > 1 else values
