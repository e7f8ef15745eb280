"""The queue: claim a job, keep the claim alive, give it back or end it. One transaction each; any number of workers.

A claim is a lease. The worker renews it while its job runs; once it has run out, the job belongs to whoever claims it
next, and what the old worker writes then is refused, so a worker that was merely frozen cannot disturb the new one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, func, or_, select, text, update

from components.records.jobs import ENDED, QUEUED, RUNNING
from components.records.tables import ml_training_jobs as jobs
from pipelines.jobs.context import Asked
from pipelines.jobs.kinds import KINDS

if TYPE_CHECKING:
    from components.records.database import Database

SERIAL = ("deployment", "retirement", "registration")
"""Of one model only one of these runs at a time: they move aliases and traffic."""
CLAIMS = 0x61727468
"""Key of PostgreSQL's advisory lock: two claims at once could both find that nothing of a model is being deployed."""


class LeaseLost(Exception):
    """The lease of a job ran out and somebody else has it; what was to be written was not."""


@dataclass(frozen=True)
class Claim:
    """A job that this worker holds.

    Attributes
    ----------
    id : UUID
    asked : Asked
        What is asked of this attempt.
    worker : str
        Who holds it.
    abandoned : bool
        An earlier worker was lost in the middle of it and it must not be begun again: only take back and end it.
    cancelled : bool
        It was cancelled while nobody held it; likewise.
    lost : str
        The earlier worker, where there was one.
    """

    id: uuid.UUID
    asked: Asked
    worker: str
    abandoned: bool = False
    cancelled: bool = False
    lost: str = ""


@dataclass(frozen=True)
class Queue:
    """The queue as one worker sees it.

    Parameters
    ----------
    database : Database
        Where it is.
    worker : str
        This worker's name, unique among those alive.
    lease_s : float
        How long a claim holds unless it is renewed, seconds.
    attempts : int
        Times that an idempotent job is begun.
    """

    database: Database
    worker: str
    lease_s: float = 30.0
    attempts: int = 3

    def claim(self) -> Claim | None:
        """Take a job whose worker was lost, else the oldest that waits; None when there is nothing to do."""
        with self.database.write() as connection:
            self._alone(connection)
            now = self._now(connection)
            row = self._lost_one(connection, now) or self._waiting(connection)
            if row is None:
                return None
            abandoned = row["status"] == RUNNING and row["attempts"] >= most_attempts(row["job_type"], self.attempts)
            attempt = row["attempts"] + (0 if abandoned or row["cancel_requested"] else 1)
            values: dict[str, Any] = {
                "status": RUNNING,
                "worker": self.worker,
                "attempts": attempt,
                "heartbeat_at": now,
                "leased_until": now + timedelta(seconds=self.lease_s),
                "started_at": row["started_at"] or now,
            }
            connection.execute(update(jobs).where(jobs.c.id == row["id"]).values(values))
        return Claim(
            row["id"],
            asked_of(row, attempt),
            self.worker,
            abandoned=abandoned,
            cancelled=bool(row["cancel_requested"]),
            lost=row["worker"] if row["status"] == RUNNING else "",
        )

    def renew(self, claim: Claim, **told: Any) -> bool:
        """Keep the claim for another lease, and write what the job says; return whether it was cancelled meanwhile.

        Raises
        ------
        LeaseLost
            If somebody else has the job.
        """
        with self.database.write() as connection:
            now = self._now(connection)
            lease = {"heartbeat_at": now, "leased_until": now + timedelta(seconds=self.lease_s)}
            self._write(connection, claim, {**lease, **told})
            query = select(jobs.c.cancel_requested).where(jobs.c.id == claim.id)
            return bool(connection.execute(query).scalar_one())

    def end(self, claim: Claim, status: str, **told: Any) -> None:
        """End the job.

        Raises
        ------
        LeaseLost
            If somebody else has it.
        """
        assert status in ENDED, status
        with self.database.write() as connection:
            ended = {"status": status, "completed_at": self._now(connection), "leased_until": None}
            self._write(connection, claim, {**ended, **told})

    def hand_back(self, claim: Claim) -> None:
        """Let the job wait again, as if this attempt had not been.

        Raises
        ------
        LeaseLost
            If somebody else has it.
        """
        attempts = max(0, claim.asked.attempt - 1)
        with self.database.write() as connection:
            waiting = {"status": QUEUED, "worker": None, "leased_until": None, "attempts": attempts}
            self._write(connection, claim, waiting)

    def _write(self, connection: Connection, claim: Claim, values: Mapping[str, Any]) -> None:
        mine = and_(
            jobs.c.id == claim.id,
            jobs.c.worker == claim.worker,
            jobs.c.status == RUNNING,
            jobs.c.attempts == claim.asked.attempt,
        )
        if connection.execute(update(jobs).where(mine).values(dict(values))).rowcount != 1:
            raise LeaseLost(f"Job {claim.id} is no longer held by {claim.worker}.")

    def _lost_one(self, connection: Connection, now: datetime) -> dict[str, Any] | None:
        query = (
            select(jobs)
            .where(jobs.c.status == RUNNING, or_(jobs.c.leased_until.is_(None), jobs.c.leased_until < now))
            .order_by(jobs.c.leased_until)
            .limit(1)
        )
        row = connection.execute(query.with_for_update(skip_locked=True)).mappings().one_or_none()
        return None if row is None else dict(row)

    def _waiting(self, connection: Connection) -> dict[str, Any] | None:
        other = jobs.alias("other")
        busy = (
            select(other.c.id)
            .where(
                other.c.model_name == jobs.c.model_name,
                other.c.status == RUNNING,
                other.c.job_type.in_(SERIAL),
            )
            .exists()
        )
        query = (
            select(jobs)
            .where(
                jobs.c.status == QUEUED,
                jobs.c.job_type.in_(tuple(KINDS)),
                or_(jobs.c.job_type.not_in(SERIAL), ~busy),
            )
            .order_by(jobs.c.created_at, jobs.c.id)
            .limit(1)
        )
        row = connection.execute(query.with_for_update(skip_locked=True, of=jobs)).mappings().one_or_none()
        return None if row is None else dict(row)

    def _alone(self, connection: Connection) -> None:
        """Let claims wait for one another until this transaction ends; SQLite's writers do anyway."""
        if self.database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CLAIMS})

    def _now(self, connection: Connection) -> datetime:
        """Return the database's time on PostgreSQL: workers' clocks may differ."""
        if self.database.dialect != "postgresql":
            return datetime.now(UTC)
        found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return found


def most_attempts(kind: str, attempts: int) -> int:
    """Return how often a kind of job is begun: once where it is not idempotent."""
    return attempts if kind in KINDS and KINDS[kind].idempotent else 1


def asked_of(row: Mapping[str, Any], attempt: int) -> Asked:
    """Return what a row asks."""
    arguments = {**row["model_config"], **row["training_config"], **row["dataset_config"]}
    return Asked(
        job_id=str(row["id"]),
        kind=row["job_type"],
        model=row["model_name"] or "",
        arguments=arguments,
        attempt=attempt,
        created_by=row["created_by"] or "",
    )
