"""Asking for a job: the 202 that every such route answers, idempotent by ``Idempotency-Key``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Request, Response
from pydantic import BaseModel, Field

from components.records.jobs import NewJob, enqueue
from inference.gateway.envelope import Envelope, ok
from inference.gateway.management.views import stamp
from inference.gateway.services import services

JOBS = "/api/v1/ml/training/jobs"
IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        pattern=r"^[\x21-\x7e]*$",
        description="The same key with the same body asks once, however often it is sent; with another body: 409.",
    ),
]


class Ticket(BaseModel):
    """A job that was accepted; the same for a request that is sent again with its key."""

    job_id: str = Field(examples=["4be0643f-1d98-473b-97cd-ca98a65347dd"])
    job_name: str
    job_type: str = Field(examples=["training"])
    model: str | None = None
    accepted_at: str
    location: str = Field(description="Where the job can be looked at.")


def accept(request: Request, response: Response, job: NewJob, key: str) -> Envelope[Ticket]:
    """Put the job into the queue; answer 202 with where to look."""
    row, replayed = enqueue(services(request).database, job, key)
    place = f"{JOBS}/{row['id']}"
    response.status_code = 202
    response.headers["location"] = place
    if replayed:
        response.headers["idempotent-replayed"] = "true"
    ticket: dict[str, Any] = {
        "job_id": str(row["id"]),
        "job_name": row["job_name"],
        "job_type": row["job_type"],
        "model": row["model_name"],
        "accepted_at": stamp(row["created_at"]),
        "location": place,
    }
    return ok(request, Ticket(**ticket))
