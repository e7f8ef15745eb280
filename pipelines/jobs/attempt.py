"""One attempt at a claimed job, followed: its lease renewed, what it says written down, cancelled when asked."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from components.errors import ArthaflowError
from pipelines.jobs.config import JobSettings
from pipelines.jobs.context import PROGRESS, read_json, write_request
from pipelines.jobs.process import JobProcess
from pipelines.jobs.queue import Claim, LeaseLost, Queue
from pipelines.jobs.usage import Usage

How = Literal["ended", "cancelled", "stopped"]


@dataclass
class Attempt:
    """A running attempt.

    Parameters
    ----------
    claim : Claim
        The job.
    queue : Queue
        Where its lease is renewed.
    home : Path
        ``ARTHAFLOW_HOME``.
    config : JobSettings
        How often to look, and how long to wait.
    stopping : Event
        Set when the worker is asked to stop.
    action : str
        ``run`` or ``undo``.
    """

    claim: Claim
    queue: Queue
    home: Path
    config: JobSettings
    stopping: threading.Event
    action: str = "run"
    process: JobProcess = field(init=False)
    usage: Usage = field(init=False)
    _renewed: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        folder = self.home / "jobs" / str(self.claim.id)
        write_request(folder, self.claim.asked)
        self.process = JobProcess(folder, self.home, self.action)
        self.usage = Usage(self.process.pid)

    def follow(self) -> How:
        """Return when the attempt has ended, by itself or not.

        Raises
        ------
        LeaseLost
            If somebody else has the job, or the database was away for longer than the lease; the attempt is ended.
        """
        ended, drain_until = False, 0.0
        try:
            while not self.process.ended(self.config.poll_s):
                self.usage.sample()
                cancelled = self._renew()
                if cancelled and self.action == "run":
                    return self._stop("cancelled")
                if self.stopping.is_set() and self.action == "run":
                    drain_until = drain_until or time.monotonic() + self.config.drain_s
                    if time.monotonic() >= drain_until:
                        return self._stop("stopped")
            ended = True
        finally:
            if not ended:
                self.process.stop(0.0)
        return "ended"

    def told(self) -> dict[str, Any]:
        """Return what the job says now, as columns of its row."""
        progress = read_json(self.process.folder / PROGRESS) or {"steps": []}
        return {"progress": {**progress, "usage": self.cost()}, "log_tail": self.process.log_tail()}

    def cost(self) -> dict[str, float]:
        """Return what the attempt used, and what that costs."""
        return self.usage.facts(self.config.cpu_hour_usd, self.config.memory_gb_hour_usd)

    def _stop(self, how: How) -> How:
        self.process.stop(self.config.grace_s)
        return how

    def _renew(self) -> bool:
        try:
            cancelled = self.queue.renew(self.claim, **self.told())
        except ArthaflowError as error:
            if error.retry_after_s is None:
                raise
            if time.monotonic() - self._renewed > self.config.lease_s:
                raise LeaseLost(f"The database was away for longer than the lease: {error}") from error
            return False
        self._renewed = time.monotonic()
        return cancelled
