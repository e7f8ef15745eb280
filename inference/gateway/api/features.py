"""Document 1's features: list, compute for an entity, values, importance."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import func, select

from components.catalog import catalogue, get_spec
from components.records.jobs import NewJob
from components.records.paging import read_page
from components.records.tables import feature_values, ml_features
from components.wire import Moment
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ok
from inference.gateway.json_route import JsonRoute
from inference.gateway.management.feature_rows import (
    FeaturePage,
    FeatureValuesPage,
    Freshness,
    feature_view,
    find_feature,
    value_view,
)
from inference.gateway.management.model_rows import Unsupported
from inference.gateway.management.payloads import ComputeRequest, ImportanceRequest
from inference.gateway.management.tickets import IdempotencyKey, Ticket, accept
from inference.gateway.services import services

router = APIRouter(prefix="/api/v1/ml/features", tags=["features"], route_class=JsonRoute)
Reference = Annotated[
    str, Path(alias="id", min_length=1, max_length=200, description="UUID or name.", examples=["rsi_14"])
]
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str, Query(max_length=200)]


@router.get("", summary="List features", response_model=Envelope[FeaturePage], operation_id="list_features")
def list_(
    request: Request,
    group: Annotated[str, Query(max_length=100, examples=["price_features"])] = "",
    type: Literal["", "numerical", "categorical", "embedding"] = "",
    active: bool = True,
    limit: Limit = 50,
    cursor: Cursor = "",
    caller: Caller = may("features:read"),
) -> Envelope[FeaturePage]:
    """Features with their definitions, and figures over the values that the feature store holds."""
    query = select(ml_features).where(ml_features.c.is_active == active)
    if group:
        query = query.where(ml_features.c.feature_group == group)
    if type:
        query = query.where(ml_features.c.feature_type == type)
    with services(request).database.read() as connection:
        rows, following = read_page(connection, query, ml_features.c.created_at, ml_features.c.id, limit, cursor)
    return ok(request, FeaturePage(features=[feature_view(row) for row in rows], next_cursor=following))


@router.post(
    "/compute",
    summary="Compute features",
    status_code=202,
    response_model=Envelope[Ticket],
    operation_id="compute_features",
)
def compute(
    request: Request,
    response: Response,
    body: ComputeRequest,
    key: IdempotencyKey = "",
    caller: Caller = may("features:write"),
) -> Envelope[Ticket]:
    """Compute one entity's features by a job, keep them in the feature store and put the newest online.

    The values of the asked time (the newest row otherwise) can then be read at `GET /api/v1/ml/features/{id}/values`.
    """
    asked = body.model_dump(exclude_none=True, mode="json", by_alias=True)
    data = {name: asked.pop(name) for name in ("source", "bar")}
    job = NewJob(
        "features",
        "",
        caller.pseudonym,
        name=f"features of {body.entity_id}",
        training_config=asked,
        dataset_config=data,
    )
    return accept(request, response, job, key)


@router.get(
    "/{id}/values",
    summary="Values of a feature",
    response_model=Envelope[FeatureValuesPage],
    operation_id="list_feature_values",
)
def values(
    request: Request,
    number: Reference,
    entity_id: Annotated[str, Query(min_length=1, max_length=100, examples=["SP500"])],
    entity_type: Annotated[str, Query(max_length=50)] = "instrument",
    since: Annotated[Moment | None, Query(alias="from", description="ISO 8601, with a time zone.")] = None,
    until: Moment | None = None,
    limit: Limit = 50,
    cursor: Cursor = "",
    caller: Caller = may("features:read"),
) -> Envelope[FeatureValuesPage]:
    """Values of one entity, the newest first, and how fresh the newest one is."""
    database, v = services(request).database, feature_values.c
    with database.read() as connection:
        feature = find_feature(connection, number)
        mine = (v.feature_id == feature["id"]) & (v.entity_type == entity_type) & (v.entity_id == entity_id)
        query = select(feature_values).where(mine)
        if since is not None:
            query = query.where(v.timestamp >= since)
        if until is not None:
            query = query.where(v.timestamp <= until)
        rows, following = read_page(connection, query, v.timestamp, v.id, limit, cursor)
        newest = connection.execute(select(func.max(v.timestamp)).where(mine)).scalar()
    told = FeatureValuesPage(
        feature=feature["feature_name"],
        entity_type=entity_type,
        entity_id=entity_id,
        values=[value_view(row) for row in rows],
        freshness=Freshness.of(newest, timedelta(seconds=(feature["transformation_logic"] or {}).get("ttl_s", 0))),
        next_cursor=following,
    )
    return ok(request, told)


@router.post(
    "/{id}/importance",
    summary="Importance of a feature",
    status_code=202,
    response_model=Envelope[Ticket],
    operation_id="score_feature",
)
def importance(
    request: Request,
    response: Response,
    number: Reference,
    body: ImportanceRequest | None = None,
    key: IdempotencyKey = "",
    caller: Caller = may("features:write"),
) -> Envelope[Ticket]:
    """Score a feature by a job: how much worse the version in production gets when the feature is shuffled."""
    asked = body or ImportanceRequest()
    with services(request).database.read() as connection:
        feature = find_feature(connection, number)
    job = NewJob(
        "importance",
        get_spec(asked.model_name).name if asked.model_name else _only_model(),
        caller.pseudonym,
        name=f"importance of {feature['feature_name']}",
        model_config={"version": asked.version},
        training_config={
            "feature": feature["feature_name"],
            "feature_id": str(uuid.UUID(str(feature["id"]))),
            "repeats": asked.repeats,
        },
    )
    return accept(request, response, job, key)


def _only_model() -> str:
    """Return the one model that takes stored features.

    Raises
    ------
    Unsupported
        If there are several, or none.
    """
    takers = [name for name, spec in catalogue().items() if spec.feature_service]
    if len(takers) != 1:
        raise Unsupported(
            f"{len(takers)} models take stored features.",
            f"Name one as model_name: {', '.join(takers or catalogue())}.",
            "model_name",
        )
    return takers[0]
