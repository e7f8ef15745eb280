"""Jobs as rows of ml_training_jobs: what asks for one, looks at it, or cancels it. A worker executes (pipelines/jobs).

The gateway only writes and reads rows here; it needs no library that trains.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from components.errors import ArthaflowError
from components.records.paging import Row, read_page
from components.records.tables import ml_training_jobs as jobs

if TYPE_CHECKING:
    from components.records.database import Database

JobKind = Literal["training", "tuning", "automl", "deployment", "retirement", "registration", "features", "importance"]
QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED = ("queued", "running", "completed", "failed", "cancelled")
ENDED = (COMPLETED, FAILED, CANCELLED)


class UnknownJob(ArthaflowError):
    """There is no such job."""

    status = 404


class JobConflict(ArthaflowError):
    """What is asked does not fit the state of the job, or of another one."""

    status = 409


@dataclass(frozen=True)
class NewJob:
    """A job to be asked for.

    Attributes
    ----------
    kind : str
        What is to be done.
    model : str
        Name in the catalogue; empty for none.
    created_by : str
        Pseudonym of the caller.
    name : str
        For people; ``<kind> <model>`` when empty.
    model_config, training_config, dataset_config : mapping
        Document 1's three objects; together they are the arguments of the kind.
    compute_resources, estimated_minutes : optional
        As the caller tells them; kept, and not enforced on one machine.
    """

    kind: JobKind
    model: str
    created_by: str
    name: str = ""
    model_config: Mapping[str, Any] = field(default_factory=dict)
    training_config: Mapping[str, Any] = field(default_factory=dict)
    dataset_config: Mapping[str, Any] = field(default_factory=dict)
    compute_resources: Mapping[str, Any] | None = None
    estimated_minutes: int | None = None

    def digest(self) -> str:
        """Return the SHA-256 of what is asked, whoever asks."""
        asked = [
            self.kind, self.model, self.name, dict(self.model_config), dict(self.training_config),
            dict(self.dataset_config), self.compute_resources, self.estimated_minutes,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def enqueue(database: Database, job: NewJob, key: str = "") -> tuple[Row, bool]:
    """Put a job into the queue; return its row, and whether it was there already.

    Parameters
    ----------
    key : str
        The caller's ``Idempotency-Key``: the same key asks once, however often it is sent.

    Raises
    ------
    JobConflict
        If the key was used for something else.
    """
    try:
        with database.write() as connection:
            earlier = _earlier(connection, job, key)
            if earlier is not None:
                return earlier, True
            number = uuid.uuid4()
            connection.execute(insert(jobs).values({**_values(job, key), "id": number}))
            return read_job(connection, number), False
    except IntegrityError:  # the same key, at the same moment
        with database.read() as connection:
            earlier = _earlier(connection, job, key)
        if earlier is None:
            raise
        return earlier, True


def find_job(database: Database, number: str, kinds: Sequence[str] = ()) -> Row:
    """Return one job; of one of ``kinds`` where they are given.

    Raises
    ------
    UnknownJob
        If there is none.
    """
    with database.read() as connection:
        found = read_job(connection, job_id(number))
    if kinds and found["job_type"] not in kinds:
        raise UnknownJob(f"The job {number} is a {found['job_type']} job.", f"Here are {', '.join(kinds)} jobs only.")
    return found


def list_jobs(
    database: Database,
    kinds: Sequence[str] = (),
    *,
    status: str = "",
    model: str = "",
    limit: int = 50,
    cursor: str = "",
) -> tuple[list[Row], str | None]:
    """Return a page of jobs, the newest first, and the cursor of the next."""
    query = select(jobs)
    if kinds:
        query = query.where(jobs.c.job_type.in_(kinds))
    if status:
        query = query.where(jobs.c.status == status)
    if model:
        query = query.where(jobs.c.model_name == model)
    with database.read() as connection:
        return read_page(connection, query, jobs.c.created_at, jobs.c.id, limit, cursor)


def ask_cancel(database: Database, number: str, kinds: Sequence[str] = ()) -> Row:
    """Cancel a job: at once where nobody has begun it, else as soon as its worker looks.

    Raises
    ------
    JobConflict
        If it has ended already.
    """
    with database.write() as connection:
        found = read_job(connection, job_id(number), lock=True)
        if kinds and found["job_type"] not in kinds:
            raise UnknownJob(f"The job {number} is a {found['job_type']} job.", f"Here are {', '.join(kinds)} jobs.")
        if found["status"] in ENDED:
            raise JobConflict(f"The job {number} is {found['status']} already.", "Only a job under way is cancelled.")
        if found["status"] == QUEUED:
            change = {"status": CANCELLED, "completed_at": datetime.now(UTC), "error_message": "Cancelled unbegun."}
        else:
            change = {}
        connection.execute(update(jobs).where(jobs.c.id == found["id"]).values(cancel_requested=True, **change))
        return read_job(connection, found["id"])


def job_id(number: str) -> uuid.UUID:
    """Return a job's id.

    Raises
    ------
    UnknownJob
        If it is none.
    """
    try:
        return uuid.UUID(number)
    except ValueError as error:
        raise UnknownJob(f"{number!r:.80} is no id of a job.", "Use the id that the job was answered with.") from error


def read_job(connection: Connection, number: uuid.UUID, lock: bool = False) -> Row:
    """Return a job's row; with ``lock`` nobody else changes it until the transaction ends.

    Raises
    ------
    UnknownJob
        If there is none.
    """
    query = select(jobs).where(jobs.c.id == number)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None:
        raise UnknownJob(f"There is no job {number}.", "GET the list of jobs for those that there are.")
    return dict(row)


def _values(job: NewJob, key: str) -> dict[str, Any]:
    return {
        "job_name": job.name or f"{job.kind} {job.model}".strip(),
        "job_type": job.kind,
        "model_name": job.model or None,
        "model_config": dict(job.model_config),
        "training_config": dict(job.training_config),
        "dataset_config": dict(job.dataset_config),
        "compute_resources": job.compute_resources,
        "estimated_duration_minutes": job.estimated_minutes,
        "status": QUEUED,
        "created_by": job.created_by,
        "request_key": _request_key(job, key),
        "request_digest": job.digest(),
    }


def _request_key(job: NewJob, key: str) -> str | None:
    return hashlib.sha256(f"{job.created_by}\0{key}".encode()).hexdigest() if key else None


def _earlier(connection: Connection, job: NewJob, key: str) -> Row | None:
    if not key:
        return None
    query = select(jobs).where(jobs.c.request_key == _request_key(job, key))
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    if row["request_digest"] != job.digest():
        raise JobConflict(
            f"The Idempotency-Key {key!r:.80} was used for another request, job {row['id']}.",
            "Send a new key with a new request; the same key only with the very same request.",
        )
    return dict(row)
