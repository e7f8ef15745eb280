"""Document 1's AutoML and optimisation.

Optimisation searches hyper-parameters and stops there. AutoML goes on: it trains with the best, holds the result
against the baseline and the version in production at the gate, and registers what passes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from components.catalog import get_spec
from components.records.jobs import NewJob, find_job, list_jobs
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.json_route import JsonRoute
from inference.gateway.management.payloads import SearchRequest
from inference.gateway.management.tickets import IdempotencyKey, Ticket, accept
from inference.gateway.management.views import JobPage, job_view, stamp
from inference.gateway.services import services

router = APIRouter(prefix="/api/v1/ml", tags=["automl"], route_class=JsonRoute)
Model = Annotated[str, Query(max_length=200)]
JobNumber = Annotated[str, Query(max_length=64, description="Of one job; the newest ones otherwise.")]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str, Query(max_length=200)]


class Optimum(BaseModel):
    """What one search found."""

    job_id: str
    job_type: str
    model: str | None
    completed_at: str | None
    best_params: dict[str, Any] = Field(default_factory=dict)
    best_score: float | None = Field(default=None, description="Loss relative to the baseline's, lower is better.")
    default_score: float | None = None
    deflated_score: float | None = Field(
        default=None, description="What is left of the gain without the luck of many trials."
    )
    survives: bool | None = None
    trials: int | None = None
    sentence: str | None = None
    version: str | None = Field(default=None, description="Registered by AutoML.")


class OptimumPage(BaseModel):
    """Searches that ended, the newest first."""

    results: list[Optimum]
    next_cursor: str | None = None


@router.post(
    "/automl/start",
    summary="Start AutoML",
    status_code=202,
    response_model=Envelope[Ticket],
    operation_id="start_automl",
)
def start(
    request: Request,
    response: Response,
    body: SearchRequest,
    key: IdempotencyKey = "",
    caller: Caller = may("training:write"),
) -> Envelope[Ticket]:
    """Search, train with the best, compare with production, register what passes the gate."""
    return accept(request, response, search_job("automl", body, caller), key)


@router.get("/automl/status", summary="AutoML jobs", response_model=Envelope[JobPage], operation_id="list_automl_jobs")
def status(
    request: Request,
    job_id: JobNumber = "",
    model: Model = "",
    limit: Limit = 50,
    cursor: Cursor = "",
    caller: Caller = may("training:read"),
) -> Envelope[JobPage]:
    """How far AutoML is: one job with its log, or the newest."""
    database = services(request).database
    if job_id:
        return ok(request, JobPage(jobs=[job_view(find_job(database, job_id, ("automl",)))]))
    named = get_spec(model).name if model else ""
    rows, following = list_jobs(database, ("automl",), model=named, limit=limit, cursor=cursor)
    return ok(request, JobPage(jobs=[job_view(row, whole=False) for row in rows], next_cursor=following))


@router.post(
    "/optimization/hyperparameters",
    summary="Search hyper-parameters",
    status_code=202,
    response_model=Envelope[Ticket],
    operation_id="start_optimization",
)
def optimise(
    request: Request,
    response: Response,
    body: SearchRequest,
    key: IdempotencyKey = "",
    caller: Caller = may("training:write"),
) -> Envelope[Ticket]:
    """Search on the earlier folds; nothing is registered. Asked again, a search goes on where it was."""
    return accept(request, response, search_job("tuning", body, caller), key)


@router.get(
    "/optimization/results",
    summary="What searches found",
    response_model=Envelope[OptimumPage],
    operation_id="list_optimization_results",
)
def results(
    request: Request,
    job_id: JobNumber = "",
    model: Model = "",
    limit: Limit = 50,
    cursor: Cursor = "",
    caller: Caller = may("training:read"),
) -> Envelope[OptimumPage]:
    """Best hyper-parameters of the searches that ended, each with what luck alone would have gained."""
    database = services(request).database
    if job_id:
        return ok(request, OptimumPage(results=[_optimum(find_job(database, job_id, ("tuning", "automl")))]))
    named = get_spec(model).name if model else ""
    rows, following = list_jobs(
        database, ("tuning", "automl"), status="completed", model=named, limit=limit, cursor=cursor
    )
    return ok(request, OptimumPage(results=[_optimum(row) for row in rows], next_cursor=following))


def search_job(kind: Literal["automl", "tuning"], body: SearchRequest, caller: Caller) -> NewJob:
    """Return the job of a search."""
    spec = get_spec(body.model_name)
    return NewJob(
        kind,
        spec.name,
        caller.pseudonym,
        name=body.job_name,
        model_config={"params": body.fixed},
        training_config={"trials": body.trials, "timeout_s": body.max_duration_s, "seed": body.seed},
        dataset_config=body.dataset_config.arguments(spec.source),
    )


def _optimum(row: dict[str, Any]) -> Optimum:
    result = row["model_artifacts"] or {}
    tuning = result.get("tuning") or {}
    names = ("best_score", "default_score", "deflated_score", "survives", "trials", "sentence")
    return Optimum(
        job_id=str(row["id"]),
        job_type=row["job_type"],
        model=row["model_name"],
        completed_at=stamp(row["completed_at"]),
        best_params=result.get("best_params") or {},
        version=result.get("version"),
        **{name: tuning.get(name) for name in names},
    )
