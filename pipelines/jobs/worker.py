"""The worker: takes one job at a time out of the queue and sees it through to its end."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ArthaflowError
from components.records.jobs import CANCELLED, COMPLETED, FAILED
from components.records.upkeep import Upkeep
from pipelines.jobs.attempt import Attempt
from pipelines.jobs.config import JobSettings, job_settings
from pipelines.jobs.context import Asked, write_request
from pipelines.jobs.kinds import kind_of
from pipelines.jobs.process import JobProcess
from pipelines.jobs.queue import Claim, LeaseLost, Queue

if TYPE_CHECKING:
    from components.records.database import Database

LOG = logging.getLogger("arthaflow.jobs")


def worker_name() -> str:
    """Return a name that no other worker has: host, process, and a random end."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@dataclass
class Worker:
    """Works on a queue.

    Parameters
    ----------
    database : Database
        Of the records; the queue is in it.
    home : Path
        ``ARTHAFLOW_HOME``; each job has a folder below ``jobs/``.
    config : JobSettings, optional
        The process's settings by default.
    tell : callable
        Told, in one line, what happens.
    """

    database: Database
    home: Path
    config: JobSettings = field(default_factory=job_settings)
    tell: Callable[[str], None] = LOG.info
    name: str = field(default_factory=worker_name)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.queue = Queue(self.database, self.name, self.config.lease_s, self.config.attempts)
        self.home = self.home.expanduser().resolve()
        self.upkeep = Upkeep(self.database)

    def work(self, once: bool = False) -> int:
        """Work until :attr:`stopping` is set, or with ``once`` until the queue is empty; return how many jobs."""
        done = 0
        while not self.stopping.is_set():
            try:
                claim = self.queue.claim()
            except ArthaflowError as error:
                if error.retry_after_s is None:
                    raise
                self.tell(str(error))  # the database is away for a moment
                claim = None
            if claim is not None:
                self.see_through(claim)
                done += 1
            elif once:
                break
            else:
                self._keep_up()
                self.stopping.wait(self.config.poll_s)
        return done

    def _keep_up(self) -> None:
        try:
            self.upkeep.run_if_due()
        except ArthaflowError as error:
            if error.retry_after_s is None:
                raise
            self.tell(str(error))

    def see_through(self, claim: Claim) -> None:
        """Run a claimed job to its end, to its cancellation, or until this worker is stopped."""
        asked = claim.asked
        self.tell(f"job {claim.id}: {asked.kind} {asked.model}, attempt {asked.attempt}")
        try:
            if claim.cancelled:
                self._take_back(claim, CANCELLED, "Cancelled.")
            elif claim.abandoned:
                lost = f"Its worker {claim.lost} was lost in attempt {asked.attempt}, which was the last."
                self._take_back(claim, FAILED, lost)
            else:
                self._run(claim)
        except LeaseLost as error:
            self.tell(f"job {claim.id}: {error}")

    def bring_up(self) -> None:
        """Bring the records up to the registry and to the feature definitions, in a process of its own."""
        folder = self.home / "jobs" / "sync"
        write_request(folder, Asked(f"sync-{secrets.token_hex(6)}", "sync", "", {}))
        process = JobProcess(folder, self.home)
        while not process.ended(self.config.poll_s):
            if self.stopping.is_set():
                process.stop(0.0)
                return
        if process.exit_status != 0:
            told = process.problem()
            self.tell(f"The records could not be brought up: {told['problem']} {told['remedy']}")

    def _run(self, claim: Claim) -> None:
        attempt = self._attempt(claim)
        how = attempt.follow()
        if how == "cancelled":
            self._take_back(claim, CANCELLED, "Cancelled.", attempt)
        elif how == "stopped" and kind_of(claim.asked.kind).idempotent:
            self.tell(f"job {claim.id}: handed back, because this worker stops")
            self._insist(lambda: self.queue.hand_back(claim))
        elif how == "stopped":
            self._take_back(claim, FAILED, "The worker was stopped in the middle of it.", attempt)
        elif attempt.process.exit_status == 0:
            told = columns(attempt.process.result())
            self._end(claim, FAILED if told["error_message"] else COMPLETED, attempt, **told)
        else:
            why = attempt.process.problem()
            message = f"{why['problem']} {why['remedy']}".strip()
            self._end(claim, FAILED, attempt, error_message=message, error_traceback=why["traceback"] or None)

    def _take_back(self, claim: Claim, status: str, reason: str, attempt: Attempt | None = None) -> None:
        """End a job that was cut short; where it turns out that all was done, it is completed."""
        result: dict[str, Any] | None = None
        kept = attempt.told() if attempt is not None else {}  # before the undoing says something else
        begun = claim.asked.attempt > 0
        if begun and kind_of(claim.asked.kind).undo:
            undoing = self._attempt(claim, "undo")
            undoing.follow()
            if undoing.process.exit_status == 0:
                result = (undoing.process.result() or {}).get("result")
            else:
                told = undoing.process.problem()
                reason = f"{reason} It could not be taken back: {told['problem']} {told['remedy']}"
            attempt = attempt or undoing
        if result is not None and result.get("done"):
            self._end(claim, COMPLETED, attempt, **kept, **columns({"result": result}))
        else:
            more = (result or {}).get("said", "")
            self._end(claim, status, attempt, **kept, error_message=f"{reason} {more}".strip())

    def _attempt(self, claim: Claim, action: str = "run") -> Attempt:
        return Attempt(claim, self.queue, self.home, self.config, self.stopping, action)

    def _end(self, claim: Claim, status: str, attempt: Attempt | None, **told: Any) -> None:
        if attempt is not None:
            used = attempt.cost()
            told = {
                **attempt.told(),
                "actual_cpu_hours": used["cpu_hours"],
                "actual_memory_gb_hours": used["memory_gb_hours"],
                "cost_usd": used["cost_usd"],
                **told,
            }
        self._insist(lambda: self.queue.end(claim, status, **told))
        self.tell(f"job {claim.id}: {status}{': ' + told['error_message'] if told.get('error_message') else ''}")

    def _insist(self, write: Callable[[], None]) -> None:
        """Write, again and again while the database is away, for as long as the lease can hold."""
        until = time.monotonic() + self.config.lease_s
        while True:
            try:
                write()
                return
            except ArthaflowError as error:
                if error.retry_after_s is None or time.monotonic() > until:
                    raise LeaseLost(f"The end could not be written: {error}") from error
                time.sleep(min(1.0, self.config.poll_s))


def columns(told: dict[str, Any] | None) -> dict[str, Any]:
    """Return a result as columns of the job's row; one with a ``problem`` did not achieve what was asked."""
    result = (told or {}).get("result") or {}
    return {
        "final_metrics": result.get("metrics") or None,
        "best_model_path": result.get("artifact"),
        "model_artifacts": result,
        "error_message": result.get("problem"),
        "error_traceback": None,
    }
