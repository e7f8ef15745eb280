"""Document 1's training jobs: start, list, look, cancel. Jobs of every other kind are found here too."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from components.catalog import get_spec
from components.records.jobs import JobKind, NewJob, ask_cancel, find_job, list_jobs
from inference.gateway.caller import Caller, check, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.json_route import JsonRoute
from inference.gateway.management.payloads import TrainingJobRequest
from inference.gateway.management.tickets import JOBS, IdempotencyKey, Ticket, accept
from inference.gateway.management.views import Job, JobPage, job_view
from inference.gateway.services import services

router = APIRouter(prefix=JOBS, tags=["training"], route_class=JsonRoute)
Number = Annotated[str, Path(alias="id", max_length=64, examples=["4be0643f-1d98-473b-97cd-ca98a65347dd"])]
TRAFFIC = ("deployment", "retirement")
"""Jobs that only those may cancel who may ask for them."""


@router.post(
    "",
    summary="Start a training job",
    status_code=202,
    response_model=Envelope[Ticket],
    operation_id="start_training_job",
)
def start(
    request: Request,
    response: Response,
    body: TrainingJobRequest,
    key: IdempotencyKey = "",
    caller: Caller = may("training:write"),
) -> Envelope[Ticket]:
    """Train, evaluate and judge a model as `arthaflow run` does; what passes the gate is registered as a candidate."""
    spec = get_spec(body.model_name)
    job = NewJob(
        "training",
        spec.name,
        caller.pseudonym,
        name=body.job_name,
        model_config={"params": body.hyperparameters},
        training_config=body.training_config.model_dump(exclude_none=True),
        dataset_config=body.dataset_config.arguments(spec.source),
        compute_resources=body.compute_resources.model_dump(exclude_none=True) if body.compute_resources else None,
        estimated_minutes=body.estimated_duration_minutes,
    )
    return accept(request, response, job, key)


@router.get("", summary="List jobs", response_model=Envelope[JobPage], operation_id="list_training_jobs")
def list_(
    request: Request,
    type: JobKind | None = None,
    status: Literal["", "queued", "running", "completed", "failed", "cancelled"] = "",
    model: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str, Query(max_length=200)] = "",
    caller: Caller = may("training:read"),
) -> Envelope[JobPage]:
    """Jobs of every kind, or of one, the newest first; without their logs and results."""
    rows, following = list_jobs(
        services(request).database,
        (type,) if type else (),
        status=status,
        model=get_spec(model).name if model else "",
        limit=limit,
        cursor=cursor,
    )
    return ok(request, JobPage(jobs=[job_view(row, whole=False) for row in rows], next_cursor=following))


@router.get("/{id}", summary="Look at a job", response_model=Envelope[Job], operation_id="get_training_job")
def show(request: Request, number: Number, caller: Caller = may("training:read")) -> Envelope[Job]:
    """How far a job is: its steps, what it used, the end of its log, and at the end what came of it."""
    return ok(request, job_view(find_job(services(request).database, number)))


@router.post(
    "/{id}/cancel",
    summary="Cancel a job",
    status_code=202,
    response_model=Envelope[Job],
    operation_id="cancel_training_job",
)
def cancel(
    request: Request, response: Response, number: Number, caller: Caller = may("training:write")
) -> Envelope[Job]:
    """Cancel a job: one that waits at once; one that runs within seconds, with every process that it started.

    A deployment is taken back: all traffic goes to the version that served before.
    """
    database = services(request).database
    if find_job(database, number)["job_type"] in TRAFFIC:
        check(caller, "models:deploy")
    found = ask_cancel(database, number)
    response.headers["location"] = f"{JOBS}/{found['id']}"
    return ok(request, job_view(found))
