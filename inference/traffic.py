"""Steady live traffic: replays feature rows over V2 at a rate, and accounts for every single request.

The load is open: a request is due at its time whether or not earlier ones were answered, as with real clients, so a
slow server cannot hide behind a polite client.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from components.models.schema import Batch
from inference.v2.client import encode_request

KEPT_FAILURES = 20


@dataclass(frozen=True)
class Failure:
    """One failed request: when, and what the client saw."""

    time: float
    reason: str


@dataclass(frozen=True)
class TrafficSummary:
    """What the clients saw.

    Attributes
    ----------
    sent, ok, failed : int
        ``sent == ok + failed``: each request ends in one of the two; ok is status 200 with a complete body.
    versions : mapping of str to int
        Answers by model version.
    p50_ms, p95_ms, p99_ms, max_ms : float
        Latency from the moment a request was sent, milliseconds.
    late : int
        Requests that could not be sent when they were due, because all connections waited.
    seconds : float
        Duration.
    failures : tuple of Failure
        The first ones.
    """

    sent: int
    ok: int
    failed: int
    versions: Mapping[str, int]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    late: int
    seconds: float
    failures: tuple[Failure, ...]


@dataclass
class Traffic:
    """Traffic while the ``with`` block runs, or until :meth:`stop`.

    Parameters
    ----------
    url : str
        ``http://host:port`` of a router, transformer or predictor.
    model : str
        Name on the protocol.
    rows : Batch
        Valid inputs; each request carries one of the rows.
    rate : float
        Requests per second.
    connections : int
        Clients, each with one connection.
    seed : int
        Of the drawing.
    in_order : bool
        Send the rows one after the other, again and again, instead of drawing them at random.
    headers : mapping
        Further headers of every request, such as ``Authorization``.
    """

    url: str
    model: str
    rows: Batch
    rate: float = 200.0
    connections: int = 16
    seed: int = 7
    timeout_s: float = 60.0
    in_order: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        count = len(next(iter(self.rows.values())))
        encoded = [encode_request({k: v[i : i + 1] for k, v in self.rows.items()}) for i in range(count)]
        self._bodies = [body for body, _ in encoded]
        self._headers = {**encoded[0][1], **self.headers}
        self._random = random.Random(self.seed)
        self._sent = self._late = 0
        self._latencies: list[float] = []
        self._versions: Counter[str] = Counter()
        self._failures: list[Failure] = []
        self._halt = threading.Event()
        self._began = self._ended = 0.0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Self:
        """Begin."""
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(self.connections)]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> TrafficSummary:
        """End, wait for the answers that are due, and sum up."""
        self._halt.set()
        for thread in self._threads:
            thread.join()
        self._ended = self._ended or time.monotonic()
        return self.summary()

    def summary(self) -> TrafficSummary:
        """Sum up what was answered so far."""
        with self._lock:
            ordered = sorted(self._latencies)
            failed = len(self._failures)
            return TrafficSummary(
                sent=len(ordered) + failed,
                ok=len(ordered),
                failed=failed,
                versions=dict(sorted(self._versions.items())),
                p50_ms=_rank(ordered, 0.5),
                p95_ms=_rank(ordered, 0.95),
                p99_ms=_rank(ordered, 0.99),
                max_ms=_rank(ordered, 1.0),
                late=self._late,
                seconds=(self._ended or time.monotonic()) - self._began,
                failures=tuple(self._failures[:KEPT_FAILURES]),
            )

    def _client(self) -> None:
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=self.timeout_s)
        while True:
            with self._lock:
                due = self._began + self._sent / self.rate
                body = (
                    self._bodies[self._sent % len(self._bodies)] if self.in_order else self._random.choice(self._bodies)
                )
                if self._halt.is_set():
                    break
                self._sent += 1
                self._late += time.monotonic() > due + 1.0 / self.rate
            delay = due - time.monotonic()
            if delay > 0 and self._halt.wait(delay):
                break
            self._request(connection, body)
        connection.close()

    def _request(self, connection: HTTPConnection, body: bytes) -> None:
        began = time.perf_counter()
        try:
            connection.request("POST", f"/v2/models/{self.model}/infer", body, self._headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            self._fail(f"{type(error).__name__}: {error}")
            return
        elapsed = (time.perf_counter() - began) * 1e3
        if answer.status != 200:
            self._fail(f"{answer.status}: {content[:300].decode('utf-8', 'replace')}")
            return
        with self._lock:
            self._latencies.append(elapsed)
            self._versions[answer.headers.get("x-model-version", "")] += 1

    def _fail(self, reason: str) -> None:
        with self._lock:
            self._failures.append(Failure(time.time(), reason))


def _rank(ordered: Sequence[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


def describe(summary: TrafficSummary) -> dict[str, Any]:
    """Return the summary as one flat row, for tables."""
    return {
        "requests": summary.sent,
        "failed": summary.failed,
        "per_second": round(summary.sent / max(summary.seconds, 1e-9), 1),
        "p50_ms": round(summary.p50_ms, 2),
        "p95_ms": round(summary.p95_ms, 2),
        **{f"version_{k or 'unknown'}": v for k, v in summary.versions.items()},
    }
