"""Explanations of the whole model: computed beside the event loop, once for each version, and kept.

They cost thousands of model rows. A request waits a little for one; a longer one goes on by itself, and requests
meanwhile are told when to come back (503 with Retry-After).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from components.errors import ArthaflowError

KEPT = 32
"""Answers that are kept; the oldest goes first."""

WAITING = 4
"""Computations that may be under way or waiting their turn."""


class StillComputing(ArthaflowError):
    """An explanation of the whole model is being computed."""

    status = 503
    code = "EXPLANATION_PENDING"

    def __init__(self, kind: str, seconds: float) -> None:
        super().__init__(
            f"{kind} of the whole model is being computed, for {seconds:.0f} s so far.", "Send the same request again."
        )
        self.retry_after_s = min(max(seconds, 1.0), 30.0)


class TooManyExplanations(ArthaflowError):
    """As many explanations of the whole model are being computed as may be."""

    status = 503
    code = "EXPLAINER_BUSY"
    retry_after_s = 5.0


@dataclass
class _Job:
    future: asyncio.Future[dict[str, Any]]
    began: float = field(default_factory=monotonic)


class WholeModelAnswers:
    """The kept answers, and those under way, one at a time.

    Parameters
    ----------
    wait_s : float
        How long a request waits before it is told to come back, seconds.
    """

    def __init__(self, wait_s: float = 20.0) -> None:
        self.wait_s = wait_s
        self._jobs: dict[Hashable, _Job] = {}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="whole-model")

    async def get(self, key: Hashable, kind: str, compute: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
        """Return an answer and whether it was there already.

        Raises
        ------
        StillComputing, TooManyExplanations
            If it is not done yet, or may not begin now.
        ArthaflowError
            What ``compute`` raised; nothing is kept then.
        """
        job, known = self._jobs.get(key), key in self._jobs
        if job is None:
            job = self._begin(key, compute)
        cached = known and job.future.done()
        await asyncio.wait({job.future}, timeout=self.wait_s)
        if not job.future.done():
            raise StillComputing(kind, monotonic() - job.began)
        if job.future.exception() is not None and self._jobs.get(key) is job:
            del self._jobs[key]
        return job.future.result(), cached

    def close(self) -> None:
        """Begin nothing more; what is under way ends by its own watch."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, key: Hashable, compute: Callable[[], dict[str, Any]]) -> _Job:
        under_way = [k for k, job in self._jobs.items() if not job.future.done()]
        if len(under_way) >= WAITING:
            raise TooManyExplanations(
                f"{len(under_way)} explanations of the whole model are being computed.", "Send the request again later."
            )
        for old in [k for k, job in self._jobs.items() if job.future.done()][: max(len(self._jobs) - KEPT + 1, 0)]:
            del self._jobs[old]
        job = self._jobs[key] = _Job(asyncio.get_running_loop().run_in_executor(self._pool, compute))
        return job
