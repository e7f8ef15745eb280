"""Document 1's model management: list, look, register, deploy, retire, performance, predictions.

``{id}`` is a version's UUID, ``name:version``, or a name alone: the version in production, else the newest.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import select

from components.catalog import catalogue, get_spec
from components.records.jobs import NewJob
from components.records.paging import read_page
from components.records.tables import ml_metrics, ml_models, ml_predictions, model_performance_metrics
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.json_route import JsonRoute
from inference.gateway.management.deploying import deployment, retirement
from inference.gateway.management.model_rows import find_version, versions_of
from inference.gateway.management.model_views import (
    ModelDetail,
    ModelPage,
    PredictionPage,
    VersionPerformance,
    model_detail,
    model_view,
    prediction_view,
)
from inference.gateway.management.payloads import DeployRequest, RegisterRequest, RetireRequest
from inference.gateway.management.performance import live_figures, period_view
from inference.gateway.management.tickets import IdempotencyKey, Ticket, accept
from inference.gateway.services import services

router = APIRouter(prefix="/api/v1/ml/models", tags=["models"], route_class=JsonRoute)
Reference = Annotated[
    str,
    Path(
        alias="id",
        min_length=1,
        max_length=200,
        description="UUID, `name:version`, or `name`.",
        examples=["price_forecast:2"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str, Query(max_length=200, description="next_cursor of the page before.")]


@router.get("", summary="List versions of models", response_model=Envelope[ModelPage], operation_id="list_models")
def list_models(
    request: Request,
    name: Annotated[str, Query(max_length=200)] = "",
    status: Literal["", "training", "validating", "deployed", "retired"] = "",
    type: Annotated[str, Query(max_length=50, examples=["time_series"])] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
    caller: Caller = may("models:read"),
) -> Envelope[ModelPage]:
    """Versions, the newest first, by name, status and type; and on the first page models that have none yet."""
    query = select(ml_models)
    if name:
        query = query.where(ml_models.c.model_name == get_spec(name).name)
    if status:
        query = query.where(ml_models.c.deployment_status == status)
    if type:
        query = query.where(ml_models.c.model_type == type)
    with services(request).database.read() as connection:
        rows, following = read_page(connection, query, ml_models.c.created_at, ml_models.c.id, limit, cursor)
        there = {found for (found,) in connection.execute(select(ml_models.c.model_name).distinct())}
    asked_all = not (cursor or name or status or type)
    without = sorted(set(catalogue()) - there) if asked_all else []
    return ok(request, ModelPage(models=[model_view(r) for r in rows], without_versions=without, next_cursor=following))


@router.post(
    "", summary="Register a version", status_code=202, response_model=Envelope[Ticket], operation_id="register_model"
)
def register_model(
    request: Request,
    response: Response,
    body: RegisterRequest,
    key: IdempotencyKey = "",
    caller: Caller = may("models:write"),
) -> Envelope[Ticket]:
    """Register an artifact of the store: a job verifies every file and replays its golden requests first.

    The version becomes a candidate; the first of a model becomes production, as after training. Whoever registered it
    may not deploy it, unless an admin: somebody else looks.
    """
    asked = {"artifact_uri": body.artifact_uri, "description": body.description}
    job = NewJob("registration", get_spec(body.model_name).name, caller.pseudonym, model_config=asked)
    return accept(request, response, job, key)


@router.get("/{id}", summary="Look at a version", response_model=Envelope[ModelDetail], operation_id="get_model")
def show_model(request: Request, number: Reference, caller: Caller = may("models:read")) -> Envelope[ModelDetail]:
    """Everything about a version: figures, lineage, the gate's sentence, who made and who approved it."""
    return ok(request, model_detail(find_version(services(request).database, number), caller))


@router.put(
    "/{id}/deploy",
    summary="Deploy a version",
    status_code=202,
    response_model=Envelope[Ticket],
    operation_id="deploy_model",
)
def deploy_model(
    request: Request,
    response: Response,
    number: Reference,
    body: DeployRequest | None = None,
    key: IdempotencyKey = "",
    caller: Caller = may("models:deploy"),
) -> Envelope[Ticket]:
    """Roll a version out by a job: traffic in steps, an analysis at each, promotion or rollback by itself.

    Whoever deploys a version approves it, so nobody deploys what they made themselves to production, admins excepted.
    """
    asked = body or DeployRequest()
    row = find_version(services(request).database, number)
    return accept(request, response, deployment(caller, row, asked.environment, asked.plan.arguments()), key)


@router.put(
    "/{id}/retire",
    summary="Retire a version",
    status_code=202,
    response_model=Envelope[Ticket],
    operation_id="retire_model",
)
def retire_model(
    request: Request,
    response: Response,
    number: Reference,
    body: RetireRequest,
    key: IdempotencyKey = "",
    caller: Caller = may("models:deploy"),
) -> Envelope[Ticket]:
    """Retire a version for good; the one that serves is refused. Its artifact and its story stay."""
    row = find_version(services(request).database, number)
    return accept(request, response, retirement(caller, row, body.reason), key)


@router.get(
    "/{id}/performance",
    summary="Performance of a version",
    response_model=Envelope[VersionPerformance],
    operation_id="get_model_performance",
)
def performance(
    request: Request,
    number: Reference,
    period: Literal["", "daily", "weekly", "monthly"] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
    caller: Caller = may("models:read"),
) -> Envelope[VersionPerformance]:
    """How good a version was on held-out data, and how good it is as outcomes arrive."""
    database, table = services(request).database, model_performance_metrics
    row = find_version(database, number)
    query = select(table).where(table.c.model_id == row["id"])
    if period:
        query = query.where(table.c.evaluation_period == period)
    with database.read() as connection:
        periods, following = read_page(connection, query, table.c.created_at, table.c.id, limit, cursor)
        newest = select(ml_metrics).where(ml_metrics.c.model_id == row["id"])
        live, _ = read_page(connection, newest, ml_metrics.c.created_at, ml_metrics.c.id, 500)
    told = VersionPerformance(
        model=row["model_name"],
        version=row["model_version"],
        evaluation=row["custom_metrics"] or {},
        periods=[period_view(p) for p in periods],
        live=live_figures(live),
        next_cursor=following,
    )
    return ok(request, told)


@router.get(
    "/{id}/predictions",
    summary="Recent predictions",
    response_model=Envelope[PredictionPage],
    operation_id="list_model_predictions",
)
def predictions(
    request: Request,
    number: Reference,
    limit: Limit = 50,
    cursor: Cursor = "",
    caller: Caller = may("models:read"),
) -> Envelope[PredictionPage]:
    """Recent predictions of a version, or with a name alone of all its versions.

    Inputs and outputs are shown to the caller who asked for them and to auditors only; so is what a prediction about a
    person, a portfolio or a goal says.
    """
    database, p = services(request).database, ml_predictions.c
    row = find_version(database, number)
    with database.read() as connection:
        ids = [row["id"]]
        if number.rsplit("/", 1)[-1] == row["model_name"]:
            ids = [version["id"] for version in versions_of(connection, row["model_name"])]
        query = select(ml_predictions).where(p.model_id.in_(ids))
        rows, following = read_page(connection, query, p.created_at, p.id, limit, cursor)
    told = [prediction_view(found, caller) for found in rows]
    return ok(request, PredictionPage(predictions=told, next_cursor=following))
